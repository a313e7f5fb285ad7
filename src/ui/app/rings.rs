//! Who rings, and since when. Main thread.

use std::time::{Duration, Instant};

use super::{App, Effect};
use crate::engine::{CallState, PeerSnapshot, Snapshot};
use crate::units::PeerId;

/// Between two sounds of the bell.
const RING_EVERY: Duration = Duration::from_secs(4);
/// So long the keys for who rings do nothing when another one is shown: longer than from seeing to pressing.
const TURNED: Duration = Duration::from_millis(500);

/// Those who ring.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Rings {
    /// The first has rung longest.
    order: Vec<PeerId>,
    /// When the bell last sounded for them.
    rang: Option<Instant>,
    /// The one in the banner, and when it took another's place there.
    shown: Option<PeerId>,
    turned: Option<Instant>,
}

impl Rings {
    pub(super) fn begin(&mut self, id: PeerId, now: Instant) {
        self.order.retain(|other| *other != id);
        self.order.push(id);
        self.rang = Some(now);
    }
}

impl App {
    /// The bell sounds again and again, as long as somebody rings.
    pub(super) fn ring_on(&mut self, snapshot: &Snapshot) {
        let rings = |id: PeerId| snapshot.peer(id).is_some_and(|peer| peer.state == CallState::Ringing);
        self.rings.order.retain(|id| rings(*id));
        let shown = self.ringing(snapshot).map(|peer| peer.id);
        if shown != self.rings.shown {
            // The first one takes nobody's place.
            self.rings.turned = Some(snapshot.now).filter(|_| shown.is_some() && self.rings.shown.is_some());
            self.rings.shown = shown;
        }
        match self.rings.rang {
            Some(_) if shown.is_none() => self.rings.rang = None,
            Some(rang) if snapshot.now.saturating_duration_since(rang) >= RING_EVERY => {
                self.rings.rang = Some(snapshot.now);
                self.ask(Effect::Ring(None));
            }
            _ => {}
        }
    }

    /// Whom `a` would answer: the selected one, else who has rung longest.
    #[must_use]
    pub fn ringing<'a>(&self, snapshot: &'a Snapshot) -> Option<&'a PeerSnapshot> {
        let rings = |peer: &&PeerSnapshot| peer.state == CallState::Ringing;
        let longest = self.rings.order.iter().filter_map(|id| snapshot.peer(*id)).find(rings);
        self.selected(snapshot).filter(rings).or(longest).or_else(|| snapshot.peers.iter().find(rings))
    }

    /// How many ring beside that one.
    #[must_use]
    pub fn others_ringing(&self, snapshot: &Snapshot) -> usize {
        snapshot.peers.iter().filter(|peer| peer.state == CallState::Ringing).count().saturating_sub(1)
    }

    /// Whether the one who rings has just taken another's place in the banner: a key pressed now was meant for the other.
    pub(super) fn has_just_turned(&self, now: Instant) -> bool {
        self.rings.turned.is_some_and(|at| now.saturating_duration_since(at) < TURNED)
    }
}
