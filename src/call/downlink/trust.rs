//! Whom we know, in the call: which key a name must show, who does not ring, whose calls are answered without asking.

use std::time::Instant;

use super::Downlink;
use super::peer::Via;
use crate::call::event::Event;
use crate::call::state::Reason;
use crate::session::PublicKey;
use crate::session::trust::{Incoming, KnownPeers, Outgoing};
use crate::units::PeerId;

impl Downlink {
    /// The peers that are known, as they are now.
    pub fn set_known(&mut self, known: KnownPeers) {
        self.config.known = known;
    }

    /// The key that whom we call must show; `None`: any, it is met for the first time.
    ///
    /// # Errors
    /// It must not be called: one sentence.
    pub(super) fn expected_key(&self, id: PeerId) -> Result<Option<PublicKey>, String> {
        let Some(peer) = self.peer(id) else { return Ok(None) };
        if let Some(known) = self.config.known.named(&peer.address) {
            return Ok(Some(known.key));
        }
        match self.config.known.problems().next() {
            Some((line, _)) => Err(Outgoing::Unreadable { line }.refusal(&peer.address).unwrap_or_default()),
            None => Ok(None),
        }
    }

    /// Whether whom we called may be who shows `key`. If not, that was told, and the call is over.
    pub(super) fn judge_key(&mut self, now: Instant, id: PeerId, key: &PublicKey) -> bool {
        let Some(peer) = self.peer(id) else { return false };
        if peer.incoming {
            return true;
        }
        let address = peer.address.clone();
        let judged = self.config.known.outgoing(&address, key, &self.config.local.identity.public());
        let Some(refusal) = judged.refusal(&address) else { return true };
        self.tell(match judged {
            Outgoing::Changed { pinned, shown, verified } => Event::KeyChanged { address, pinned, shown, verified },
            _ => Event::Problem(refusal),
        });
        self.close_session(id);
        self.end(now, id, Reason::Unreachable);
        false
    }

    /// Whether what came `via` a session is from a peer that the user does not want to hear of.
    pub(super) fn is_blocked(&self, via: Via) -> bool {
        let key = via.session.and_then(|session| self.sessions.peer_key(session));
        let own = self.config.local.identity.public();
        key.is_some_and(|key| self.config.known.incoming(&key, via.from.ip(), &own) == Incoming::Blocked)
    }

    /// Whether what came `via` a session is from a peer that the user knows and wants to hear of.
    pub(super) fn is_known(&self, via: Via) -> bool {
        let key = via.session.and_then(|session| self.sessions.peer_key(session));
        key.is_some_and(|key| self.config.known.welcome(&key).is_some())
    }

    /// Whether a call that comes from outside is answered without asking.
    pub(super) fn is_answered(&self, id: PeerId) -> bool {
        let key = self.peer(id).and_then(|peer| peer.sealing.key);
        let known = key.and_then(|key| self.config.known.welcome(&key));
        self.config.answer_all || known.is_some_and(|known| known.connect || self.config.answer_known)
    }

    /// Whether `id`, or somebody at its address, was ever met sealed.
    pub(super) fn was_met_sealed(&self, id: PeerId) -> bool {
        let Some(peer) = self.peer(id) else { return false };
        self.config.known.met_sealed(&peer.address, peer.remote.map(|remote| remote.ip())).is_some()
    }
}
