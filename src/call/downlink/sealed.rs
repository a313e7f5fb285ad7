//! Sealed calls: which session is whose, what its events mean for the call, and what is sealed.
//!
//! A sealed call is `Calling` until the other side says that it rings or is live; until both have said so, nothing is
//! heard and no voice leaves. It takes nothing in the open, and never becomes an open one by itself.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rand::RngExt;

use super::Downlink;
use super::peer::{Peer, Via};
use super::report::{CONTROL_MAX, CONTROL_ROOM};
use super::said::Said;
use super::stranger::Caller;
use super::timers::addresses;
use crate::call::event::Event;
use crate::call::state::Reason;
use crate::playout::Packet;
use crate::session::{Failure, PublicKey, Seal, SessionEvent, SessionId};
use crate::units::{Format, PeerId};
use crate::wire;
use crate::wire::parcel::{self, Parcel};

/// A question of the peer's is answered at once, but not more often than this.
const ECHO_PAUSE: Duration = Duration::from_millis(50);
/// Strangers with another passphrase are told of this often at most.
const PASSPHRASE_PAUSE: Duration = Duration::from_secs(10);

/// There is no key to seal with now.
pub(super) struct NoKey;

impl Downlink {
    /// A datagram of the sealed format.
    pub(super) fn handle_sealed(&mut self, now: Instant, from: SocketAddr, bytes: &[u8], sink: &mut impl FnMut(PeerId, Packet)) {
        let mut scratch = std::mem::take(&mut self.scratch);
        if let Some(datagram) = scratch.get_mut(..bytes.len()) {
            datagram.copy_from_slice(bytes);
            let packet = self.sessions.handle(now, from, datagram);
            self.take_session_events(now);
            // A session that its own events have ended has nothing more to say.
            if let Some(packet) = packet.filter(|packet| self.sessions.peer_key(packet.id).is_some()) {
                let via = Via { from, session: Some(packet.id) };
                let inner = &datagram[packet.range];
                if parcel::is_parcel(inner) {
                    parcel::packets(inner).for_each(|packet| self.handle_packet(now, via, wire::classify(packet), packet, sink));
                } else {
                    self.handle_packet(now, via, wire::classify(inner), inner, sink);
                }
            }
            self.handle_timeout(now);
        } else {
            self.net.dropped_unknown += 1;
        }
        self.scratch = scratch;
    }

    /// Begins the session of a call that this side places.
    pub(super) fn call_sealed(&mut self, now: Instant, id: PeerId, remote: SocketAddr) {
        self.close_session(id);
        let expected = match self.expected_key(id) {
            Ok(expected) => expected,
            Err(refusal) => {
                self.tell(Event::Problem(refusal));
                return self.end(now, id, Reason::Unreachable);
            }
        };
        let Some(session) = self.sessions.connect(now, remote, expected) else {
            self.tell(Event::Problem("Too many sessions are begun at once: try again in a few seconds.".into()));
            return self.end(now, id, Reason::Unreachable);
        };
        let Some(peer) = self.peer_mut(id) else { return };
        peer.sealing.session = Some(session);
        peer.sealing.tried = Some(now);
        peer.sealing.called.get_or_insert(now);
    }

    /// Places a call in the clear that was to be sealed and is not answered: the user says so, and for a peer that was ever met
    /// sealed has typed its name (`named`).
    ///
    /// # Errors
    /// One sentence: it is not such a call, or the name is missing.
    pub fn call_in_the_clear(&mut self, now: Instant, id: PeerId, named: bool) -> Result<(), String> {
        let Some(peer) = self.peer(id).filter(|peer| peer.is_unsealed() && peer.remote.is_some()) else {
            return Err("That call is not waiting for a sealed answer.".into());
        };
        if !named && self.was_met_sealed(id) {
            let address = &peer.address;
            return Err(format!(
                "{address} was met sealed before, so somebody may be keeping it from answering. To call it in the clear all the same, say: clear {address}"
            ));
        }
        self.close_session(id);
        let Some(peer) = self.peer_mut(id) else { return Ok(()) };
        peer.format = Format::Rtp;
        let candidates = std::mem::take(&mut peer.candidates);
        self.tell(Event::Format { id, format: Format::Rtp });
        self.connect(now, id, candidates);
        Ok(())
    }

    pub(super) fn say_unsealed(&mut self, id: PeerId) {
        let Some(peer) = self.peer_mut(id) else { return };
        peer.sealing.said_unsealed = true;
        let met = self.was_met_sealed(id);
        self.tell(Event::Unsealed { id, met });
    }

    pub(super) fn try_next_address(&mut self, now: Instant, id: PeerId) {
        let Some(peer) = self.peer_mut(id) else { return };
        let at = peer.candidates.iter().position(|address| Some(*address) == peer.remote).map_or(0, |at| at + 1);
        let Some(remote) = peer.candidates.get(at % peer.candidates.len().max(1)).copied() else { return };
        peer.remote = Some(remote);
        self.tell(Event::Remote { id, remote });
        self.call_sealed(now, id, remote);
    }

    /// A session that came from outside is this peer's.
    pub(super) fn adopt(&mut self, id: PeerId, session: SessionId) {
        // The call before, which ended, has nothing more to say.
        for other in self.peers.iter_mut().flatten().filter(|other| other.sealing.session == Some(session)) {
            other.sealing.session = None;
        }
        self.sessions.claim(session);
        let Some((key, sas)) = self.sessions.peer_key(session).zip(self.sessions.sas(session)) else { return };
        if let Some(peer) = self.peer_mut(id) {
            peer.sealing.session = Some(session);
        }
        self.seal_call(id, key, sas);
    }

    fn seal_call(&mut self, id: PeerId, key: PublicKey, sas: u64) {
        let Some(peer) = self.peer_mut(id) else { return };
        peer.sealing.key = Some(key);
        if !peer.incoming {
            self.strangers.forgive(Caller::Key(key));
        }
        self.tell(Event::Sealed { id, key, sas });
    }

    pub(super) fn close_session(&mut self, id: PeerId) {
        if let Some(session) = self.peer_mut(id).and_then(|peer| peer.sealing.session.take()) {
            self.sessions.close(session);
        }
    }

    /// Whose session it is: of one that is alive, else of one that ended.
    fn owner(&self, session: SessionId) -> Option<PeerId> {
        let owners = || self.all().filter(|peer| peer.sealing.session == Some(session));
        owners().find(|peer| !peer.is_ended()).or_else(|| owners().next()).map(|peer| peer.id)
    }

    pub(super) fn take_session_events(&mut self, now: Instant) {
        while let Some(event) = self.sessions.poll_event() {
            match event {
                SessionEvent::Ready(session) => self.report_now(now, session),
                SessionEvent::Established { id: session, peer: key, sas } => {
                    if let Some(id) = self.owner(session).filter(|id| self.judge_key(now, *id, &key)) {
                        self.seal_call(id, key, sas);
                        self.report_now(now, session);
                    }
                }
                SessionEvent::Keys(session) => {
                    if let Some(id) = self.owner(session) {
                        self.tell_plan(id);
                    }
                }
                SessionEvent::Heard(session) => {
                    let ping = self.rng.random_range(1..=u64::MAX);
                    if let Some(peer) = self.owner(session).and_then(|id| self.peer_mut(id)) {
                        peer.sealing.ping = ping;
                        peer.report_at = peer.report_at.map(|_| now);
                    }
                }
                SessionEvent::Moved(session, remote) => {
                    if let Some(id) = self.owner(session) {
                        self.move_to(id, remote);
                    }
                }
                SessionEvent::Failed(session, why) => self.session_failed(now, session, why),
                SessionEvent::Refused(from) => self.say_passphrase(now, from),
            }
        }
    }

    /// The other side is a voicetui and can be told where we stand.
    fn report_now(&mut self, now: Instant, session: SessionId) {
        let Some(peer) = self.owner(session).and_then(|id| self.peer_mut(id)).filter(|peer| !peer.is_ended() && peer.accepted) else {
            return;
        };
        peer.is_vtui = true;
        peer.report_at = Some(now);
    }

    fn session_failed(&mut self, now: Instant, session: SessionId, why: Failure) {
        let Some(peer) = self.owner(session).and_then(|id| self.peer_mut(id)) else { return };
        peer.sealing.session = None;
        let (id, remote) = (peer.id, peer.remote);
        if let Failure::Already(other) = why
            && let Some(over) = self.owner(other).filter(|other| self.peer(*other).is_some_and(Peer::is_ended))
            && let Some(remote) = remote
        {
            // A call that is over is not in the way of a new one.
            self.close_session(over);
            return self.call_sealed(now, id, remote);
        }
        if let Failure::OtherKey(key) = why
            && !self.judge_key(now, id, &key)
        {
            return;
        }
        let Some(Peer { address, .. }) = self.peer(id) else { return };
        let text = match why {
            Failure::OwnKey => format!("{address} is this program itself, or another one with our key: type another peer's address."),
            Failure::OtherKey(_) => format!("{address} shows another key than the one it is known by: it is not called."),
            Failure::Passphrase => format!("{address} cannot be called: passphrases differ, or somebody interferes."),
            Failure::Already(other) => {
                let other = self.owner(other).and_then(|other| self.peer(other)).map_or("another", |other| other.address.as_str());
                format!("{address} is here already, as {other}.")
            }
        };
        self.tell(Event::Problem(text));
        self.end(now, id, Reason::Unreachable);
    }

    fn say_passphrase(&mut self, now: Instant, from: SocketAddr) {
        if self.told_passphrase.is_none_or(|at| now.saturating_duration_since(at) >= PASSPHRASE_PAUSE) {
            self.told_passphrase = Some(now);
            let text = format!("{from} calls and does not get through: passphrases differ, or somebody interferes.");
            self.tell(Event::Problem(text));
        }
    }

    /// Questions and answers that prove where the peer is.
    pub(super) fn take_echoes(&mut self, now: Instant, id: PeerId, via: Via, said: &Said<'_>) {
        let Some(peer) = self.peer_mut(id) else { return };
        if said.ping != 0 {
            peer.sealing.pong = said.ping;
            peer.report_at = peer.report_at.map(|at| at.min(now.max(peer.reported + ECHO_PAUSE)));
        }
        let answers = said.pong != 0 && said.pong == peer.sealing.ping;
        if let Some(session) = via.session.filter(|_| answers) {
            peer.sealing.ping = 0;
            self.sessions.handle_answer(session, via.from);
            self.take_session_events(now);
        }
    }

    /// What guards media to this peer.
    pub(super) fn media_seal(&self, peer: &Peer) -> Result<Seal, NoKey> {
        if peer.format != Format::Sealed {
            return Ok(Seal::Clear);
        }
        let key = peer.sealing.session.and_then(|session| self.sessions.sealing_key(session)).ok_or(NoKey)?;
        Ok(Seal::Sealed(key.clone()))
    }

    pub(super) fn media_address(&self, peer: &Peer) -> Option<SocketAddr> {
        peer.sealing.session.and_then(|session| self.sessions.media_address(session))
    }

    /// Nothing may be sent to this peer now.
    pub(super) fn withhold(&mut self, id: PeerId) {
        if self.peer_mut(id).and_then(|peer| peer.plan.take()).is_some() {
            self.tell(Event::Plan(id, None));
        }
    }

    /// Sends the first `len` bytes of `out` as control: out of the peer's session, or in the open to where its own comes from.
    /// `out` has room for a seal.
    pub(super) fn push_control(&mut self, id: PeerId, out: &mut [u8], len: usize) {
        let Some(peer) = self.peers[id.slot()].as_deref() else { return };
        if peer.format == Format::Sealed {
            let len = if self.config.private && peer.accepted { wrap(out, len) } else { len };
            let sealed = peer.sealing.session.and_then(|session| self.sessions.seal_control(session, out, len));
            if let Some((to, len)) = sealed {
                self.outbox.push(to, &out[..len]);
            }
            return;
        }
        for to in addresses(peer) {
            if !self.is_ourselves(to) {
                self.outbox.push(to, &out[..len]);
            }
        }
    }
}

/// Makes control of any length a parcel of the longest; `out` has room for it. What is longer stays as it is.
fn wrap(out: &mut [u8], len: usize) -> usize {
    let mut packet = [0; CONTROL_ROOM];
    let Some((packet, out)) = packet.get_mut(..len).zip(out.get_mut(..CONTROL_MAX)) else { return len };
    packet.copy_from_slice(&out[..len]);
    let packed = Parcel::new(out).put(packet);
    debug_assert!(packed.is_ok(), "the room was measured");
    CONTROL_MAX
}
