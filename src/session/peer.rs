//! One peer's session: what is being agreed on, the keys in use, where the peer is. Pure.
//!
//! ```text
//! initiator  message 1 ->        <- message 2   message 3 ->                    <- confirmation: the new keys are used
//! responder                                     message 3: the new keys are used, and confirmed at once
//! ```
//! Until the confirmation the initiator goes on sending with the old keys; both sides open old and new for 5 s more.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::PublicKey;
use super::handshake::{Initiator, Lineage, MESSAGE3_BYTES, Outcome};
use super::keys::{Opened, OpeningKey, SealingKey};
use super::timers::{
    HANDSHAKE_LIFE, KEY_LIFE, OVERLAP, REFUSED, REKEY_INITIATOR, REKEY_RESPONDER, REPEAT, REPEAT_SLOWLY, SILENCE, UNCLAIMED,
};

/// To an address that has not answered yet goes this many times what came from it.
const UNPROVEN_TIMES: usize = 3;

/// The keys of both directions.
#[derive(Debug)]
pub(super) struct Pair {
    pub sealing: Arc<SealingKey>,
    pub opening: OpeningKey,
    peer: PublicKey,
    born: Instant,
    /// Since when this side seals with it.
    pub used: Instant,
    /// What the machine slept since.
    slept: Duration,
    /// This side began the handshake.
    ours: bool,
    pub sas: u64,
    pub lineage: Lineage,
    pub continues: Lineage,
    /// What made it here, when the other side began: it is confirmed again when it comes again.
    pub message3: Option<Box<[u8; MESSAGE3_BYTES]>>,
}

impl Pair {
    pub fn new(now: Instant, outcome: &Outcome, index: u32, message3: Option<Box<[u8; MESSAGE3_BYTES]>>) -> Self {
        Self {
            sealing: Arc::new(SealingKey::new(&outcome.sending, outcome.peer_index)),
            opening: OpeningKey::new(&outcome.receiving, index),
            peer: outcome.peer,
            born: now,
            used: now,
            slept: Duration::ZERO,
            ours: message3.is_none(),
            sas: outcome.sas,
            lineage: outcome.lineage,
            continues: outcome.continues,
            message3,
        }
    }

    /// When it is `age` old; in the past if it slept over it.
    fn at_age(&self, age: Duration) -> Instant {
        self.born + age.saturating_sub(self.slept)
    }

    fn rekey_at(&self) -> Instant {
        self.at_age(if self.ours { REKEY_INITIATOR } else { REKEY_RESPONDER })
    }
}

impl Drop for Pair {
    /// Whoever still holds the sealing key holds a key to nothing.
    fn drop(&mut self) {
        self.sealing.retire();
    }
}

/// A handshake of ours under way.
#[derive(Debug)]
pub(super) struct Initiating {
    pub handshake: Initiator,
    pub to: SocketAddr,
    started: Instant,
    pub send_at: Instant,
    every: Duration,
    /// Message 2 has come; this is repeated until it is confirmed.
    pub message3: Option<[u8; MESSAGE3_BYTES]>,
    /// By which the peer will refuse.
    pub peer_index: u32,
    /// Somebody says that the peer refused.
    pub refused: Option<Instant>,
}

impl Initiating {
    /// What is due goes out again after the usual while.
    pub fn next(&mut self, now: Instant) -> &[u8] {
        self.send_at = now + self.every;
        match &self.message3 {
            Some(message3) => message3,
            None => self.handshake.message1(),
        }
    }

    fn ends_at(&self) -> Instant {
        self.started + HANDSHAKE_LIFE
    }
}

/// What a session has come to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Due {
    Send,
    /// Begin a handshake.
    Begin,
    /// The peer refused our passphrase.
    Refused,
    /// The keys are too old to seal.
    Expired,
    /// Nobody wants it.
    Close,
}

/// Where the peer is reached.
#[derive(Debug)]
pub(super) struct Path {
    /// Where it was last heard from.
    pub now: SocketAddr,
    /// The last address that has answered.
    pub proven: SocketAddr,
    /// Bytes that may still go to an unproven one.
    allowance: usize,
}

impl Path {
    pub fn new(to: SocketAddr) -> Self {
        Self { now: to, proven: to, allowance: 0 }
    }

    /// An authentic datagram came; true when the peer is elsewhere now.
    fn heard(&mut self, from: SocketAddr, bytes: usize, highest: bool) -> bool {
        let moved = highest && from != self.now;
        if moved {
            (self.now, self.allowance) = (from, 0);
        }
        if from == self.now && from != self.proven {
            self.allowance = self.allowance.saturating_add(UNPROVEN_TIMES * bytes);
        }
        moved
    }

    /// Where `bytes` may go.
    pub fn spend(&mut self, bytes: usize) -> Option<SocketAddr> {
        if self.now != self.proven {
            self.allowance = self.allowance.checked_sub(bytes)?;
        }
        Some(self.now)
    }

    /// The peer answered from there; true when that is news.
    pub fn prove(&mut self, from: SocketAddr) -> bool {
        let news = from == self.now && from != self.proven;
        if news {
            self.proven = from;
        }
        news
    }
}

/// One peer's session.
#[derive(Debug)]
pub(super) struct Session {
    pub path: Path,
    /// Whose it must be or has turned out to be.
    pub peer: Option<PublicKey>,
    /// 0 until it is established.
    pub lineage: Lineage,
    pub sas: u64,
    pub initiating: Option<Initiating>,
    /// In use.
    pub current: Option<Pair>,
    /// Agreed on, not confirmed yet.
    pub next: Option<Pair>,
    /// Still opens, until then.
    previous: Option<(Pair, Instant)>,
    heard: Instant,
    /// Someone here wants it; else it is closed at this time.
    pub unclaimed_until: Option<Instant>,
    /// Handshakes that came to nothing, in a row.
    fruitless: u32,
    /// A handshake is due by then, whatever else.
    begin_at: Option<Instant>,
}

impl Session {
    pub fn new(now: Instant, to: SocketAddr, claimed: bool) -> Self {
        Self {
            path: Path::new(to),
            peer: None,
            lineage: Lineage::default(),
            sas: 0,
            initiating: None,
            current: None,
            next: None,
            previous: None,
            heard: now,
            unclaimed_until: (!claimed).then(|| now + UNCLAIMED),
            fruitless: 0,
            begin_at: claimed.then_some(now),
        }
    }

    pub fn begin(&mut self, now: Instant, handshake: Initiator) {
        let is_silent = self.is_live() && self.silent_at() <= now && self.begin_at.is_none();
        let every = if self.fruitless == 0 && !is_silent { REPEAT } else { REPEAT_SLOWLY };
        self.next = None;
        self.begin_at = None;
        let to = self.path.now;
        self.initiating =
            Some(Initiating { handshake, to, started: now, send_at: now, every, message3: None, peer_index: 0, refused: None });
    }

    /// What seals for the peer now.
    pub fn sealing(&self) -> Option<&Arc<SealingKey>> {
        self.current.as_ref().or(self.next.as_ref()).map(|pair| &pair.sealing)
    }

    pub fn is_live(&self) -> bool {
        self.current.is_some()
    }

    /// Whose keys it has, or is about to have.
    pub fn agreed_with(&self) -> Option<PublicKey> {
        let established = self.peer.filter(|_| self.lineage.0 != 0);
        established.or(self.next.as_ref().map(|pair| pair.peer))
    }

    fn pairs(&mut self) -> impl Iterator<Item = (bool, &mut Pair)> {
        let newer = self.current.iter_mut().chain(&mut self.next).map(|pair| (true, pair));
        newer.chain(self.previous.iter_mut().map(|(pair, _)| (false, pair)))
    }

    pub fn has_index(&self, index: u32) -> bool {
        let pairs = self.current.iter().chain(&self.next).chain(self.previous.iter().map(|(pair, _)| pair));
        let mut indexes = pairs.map(|pair| pair.opening.index()).chain(self.initiating.iter().map(|own| own.handshake.index()));
        indexes.any(|used| used == index)
    }

    /// Opens what may be the peer's. Besides: whether the peer has moved.
    pub fn open(&mut self, now: Instant, from: SocketAddr, index: u32, datagram: &mut [u8]) -> Option<(Opened, bool)> {
        let (newer, pair) = self.pairs().find(|(_, pair)| pair.opening.index() == index)?;
        let opened = pair.opening.open(datagram)?;
        self.heard = now;
        let moved = self.path.heard(from, datagram.len(), newer && opened.highest);
        Some((opened, moved))
    }

    /// The peer has taken the keys of our handshake, and says whether it continues the session it knew. True: a new
    /// session, with words of its own. `None`: there was nothing to confirm.
    pub fn confirm(&mut self, now: Instant, index: u32, continued: bool) -> Option<bool> {
        let pair = self.next.take_if(|pair| pair.opening.index() == index)?;
        self.initiating = None;
        Some(self.install(now, pair, continued))
    }

    /// Whether `index` names keys that wait for their confirmation, and any datagram is one: there was no session before.
    pub fn is_first(&self, index: u32) -> bool {
        self.next.as_ref().is_some_and(|pair| pair.opening.index() == index && pair.continues == Lineage::default())
    }

    /// Uses `pair` from now on; true when it begins a new session.
    pub fn install(&mut self, now: Instant, mut pair: Pair, continued: bool) -> bool {
        pair.used = now;
        self.peer = Some(pair.peer);
        if !continued {
            (self.sas, self.lineage) = (pair.sas, pair.lineage);
        }
        self.previous = self.current.replace(pair).map(|old| (old, now + OVERLAP));
        (self.heard, self.fruitless, self.begin_at) = (now, 0, None);
        !continued
    }

    pub fn handle_slept(&mut self, now: Instant, slept: Duration) {
        for (_, pair) in self.pairs() {
            pair.slept += slept;
        }
        self.fruitless = 0;
        self.initiating = None;
        if self.unclaimed_until.is_none() {
            self.begin_at = Some(now);
        }
    }

    fn silent_at(&self) -> Instant {
        self.heard + SILENCE
    }

    /// What is due at `now`; ask until `None`, doing each.
    pub fn due(&mut self, now: Instant) -> Option<Due> {
        if self.unclaimed_until.is_some_and(|at| at <= now) {
            return Some(Due::Close);
        }
        self.previous.take_if(|(_, until)| *until <= now);
        if self.current.take_if(|pair| pair.at_age(KEY_LIFE) <= now).is_some() {
            return Some(Due::Expired);
        }
        if let Some(own) = &self.initiating {
            if own.refused.is_some_and(|at| at + REFUSED <= now) && self.current.is_none() {
                self.initiating = None;
                return Some(Due::Refused);
            }
            if own.ends_at() > now {
                return (own.send_at <= now).then_some(Due::Send);
            }
            self.initiating = None;
            self.next = None;
            self.fruitless = self.fruitless.saturating_add(1);
        }
        (self.unclaimed_until.is_none() && self.begins_at() <= now).then_some(Due::Begin)
    }

    fn begins_at(&self) -> Instant {
        let rekey = self.current.as_ref().map_or(self.heard, Pair::rekey_at);
        rekey.min(self.silent_at()).min(self.begin_at.unwrap_or(rekey))
    }

    /// When something is due.
    pub fn next_due(&self) -> Instant {
        let own = match &self.initiating {
            Some(own) => own.refused.map_or(own.ends_at(), |at| at + REFUSED).min(own.send_at).min(own.ends_at()),
            None if self.unclaimed_until.is_none() => self.begins_at(),
            None => self.heard + KEY_LIFE,
        };
        let dates =
            [self.unclaimed_until, self.current.as_ref().map(|pair| pair.at_age(KEY_LIFE)), self.previous.as_ref().map(|(_, at)| *at)];
        dates.into_iter().flatten().fold(own, Instant::min)
    }
}
