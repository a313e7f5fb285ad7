//! The messages of handshakes, ours and others': who is answered, and what becomes of it.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rand::RngExt;
use zeroize::Zeroizing;

use super::{CONFIRM, Failure, SessionEvent, SessionId, Sessions, UNCLAIMED_MAX};
use crate::session::PublicKey;
use crate::session::cookie::cookie_for;
use crate::session::handshake::{COOKIE_BYTES, MESSAGE3_BYTES, Outcome, Reject, Responder, VERSION, cookie_of, index_of};
use crate::session::keys::{Class, OVERHEAD};
use crate::session::peer::{Pair, Session};
use crate::session::timers::HANDSHAKE_LIFE;
use crate::wire::sealed::Type;

/// Handshakes that wait for their message 3, at most; the oldest goes first.
const HALF_OPEN_MAX: usize = 64;
/// With so many unanswered ones begun within a second, a cookie is asked for.
const LOAD: usize = 10;
/// Of the work that is done each second, what is left for those who have shown that they are where they say: anybody can write
/// garbage in the name of an address, and be done with it.
const RESERVE_STRANGERS: f32 = 4.0;
const RESERVE_KNOWN: f32 = 3.0;
/// Messages 3 that a handshake tries.
const TRIES: u32 = 4;
const REFUSAL_BYTES: usize = 10;
const _: () = assert!(REFUSAL_BYTES < MESSAGE3_BYTES);

/// A handshake that somebody else began.
pub(super) struct HalfOpen {
    pub responder: Responder,
    from: SocketAddr,
    at: Instant,
    tries: u32,
}

fn refusal(peer_index: u32, index: u32) -> [u8; REFUSAL_BYTES] {
    let mut bytes = [Type::Refusal as u8; REFUSAL_BYTES];
    bytes[1] = VERSION;
    bytes[2..6].copy_from_slice(&peer_index.to_be_bytes());
    bytes[6..].copy_from_slice(&index.to_be_bytes());
    bytes
}

impl Sessions {
    pub(super) fn handle_message1(&mut self, now: Instant, from: SocketAddr, bytes: &[u8]) {
        let Some(cookie) = cookie_of(bytes) else { return };
        self.half_open.retain(|half| now.saturating_duration_since(half.at) < HANDSHAKE_LIFE);
        if let Some(half) = self.half_open.iter().find(|half| half.from == from && half.responder.began_with(bytes)) {
            let again = *half.responder.message2();
            self.send(from, &again);
            return;
        }
        if !self.may_cost(now, from, bytes, cookie) {
            return;
        }
        let fresh = self.fresh();
        let Ok(responder) = Responder::new(&self.local, fresh, bytes) else { return };
        let message2 = *responder.message2();
        if self.half_open.len() >= HALF_OPEN_MAX {
            self.half_open.pop_front();
        }
        self.half_open.push_back(HalfOpen { responder, from, at: now, tries: 0 });
        self.send(from, &message2);
    }

    /// Whether a message 1 from `from` is worth a Diffie-Hellman now. Who has not brought a cookie is asked for one as soon as there is
    /// much to do.
    fn may_cost(&mut self, now: Instant, from: SocketAddr, message1: &[u8], cookie: &[u8; COOKIE_BYTES]) -> bool {
        if self.cookies.is_stale(now) {
            let secret = Zeroizing::new(self.rng.random());
            self.cookies.renew(now, secret);
        }
        let is_there = self.cookies.knows(from, cookie);
        let lately = self.half_open.iter().filter(|half| now.saturating_duration_since(half.at) < Duration::from_secs(1)).count();
        let is_known = self.sessions.iter().flatten().any(|session| session.is_live() && session.path.proven == from);
        let (purse, reserve) = if is_known { (&mut self.known, RESERVE_KNOWN) } else { (&mut self.strangers, RESERVE_STRANGERS) };
        if is_there {
            return purse.take(now, 0.0);
        }
        if lately < LOAD && purse.take(now, reserve) {
            return true;
        }
        if let Some(reply) = self.cookies.reply(from, message1) {
            self.send(from, &reply);
        }
        false
    }

    pub(super) fn handle_message2(&mut self, now: Instant, from: SocketAddr, bytes: &[u8]) {
        let Some(index) = index_of(bytes) else { return };
        let Some(id) = self.initiating(index) else { return };
        let own_key = self.own_key();
        let others = self.others(id);
        let Self { sessions, local, own: purse, .. } = self;
        let Some(session) = sessions[usize::from(id.0)].as_deref_mut() else { return };
        let (peer, lineage) = (session.peer, session.lineage);
        let Some(own) = session.initiating.as_mut().filter(|own| own.message3.is_none()) else { return };
        if !purse.take(now, 0.0) {
            return;
        }
        let mut seen = None;
        let answer = own.handshake.handle_message2(local, bytes, |key| {
            seen = Some(key);
            let is_double = lineage.0 == 0 && others.iter().any(|(_, other)| *other == key);
            (key != own_key && !is_double && peer.is_none_or(|peer| peer == key)).then_some(lineage)
        });
        match answer {
            Ok((outcome, message3)) => {
                (own.message3, own.peer_index, own.to) = (Some(message3), outcome.peer_index, from);
                own.next(now);
                session.next = Some(Pair::new(now, &outcome, index, None));
                let first = !session.is_live();
                self.close_unclaimed(id, outcome.peer);
                self.send(from, &message3);
                if first {
                    self.tell(SessionEvent::Ready(id));
                }
            }
            // Nobody was ever there under another key: what answers is not whom we called.
            Err(_) if lineage.0 == 0 => match seen {
                Some(key) if key == own_key => self.fail(id, Failure::OwnKey),
                Some(key) if peer.is_some_and(|peer| peer != key) => self.fail(id, Failure::OtherKey(key)),
                Some(key) => {
                    if let Some((other, _)) = others.iter().find(|(_, other)| *other == key) {
                        self.fail(id, Failure::Already(*other));
                    }
                }
                None => {}
            },
            Err(_) => {}
        }
    }

    /// Whom the other sessions are with that somebody here wants.
    fn others(&self, id: SessionId) -> Vec<(SessionId, PublicKey)> {
        let wanted = |other: SessionId| self.session(other).filter(|session| other != id && session.unclaimed_until.is_none());
        self.ids().filter_map(|other| Some((other, wanted(other)?.agreed_with()?))).collect()
    }

    /// Closes what the peer began besides and nobody here wants: a peer has one session.
    fn close_unclaimed(&mut self, id: SessionId, peer: PublicKey) {
        let is_double = |session: &Session| session.unclaimed_until.is_some() && session.agreed_with() == Some(peer);
        for other in self.ids().filter(|other| *other != id) {
            if self.session(other).is_some_and(is_double) {
                self.close(other);
            }
        }
    }

    pub(super) fn handle_message3(&mut self, now: Instant, from: SocketAddr, bytes: &[u8]) {
        let Some(index) = index_of(bytes) else { return };
        let Some(place) = self.half_open.iter().position(|half| half.responder.index() == index) else {
            self.confirm_again(from, bytes);
            return;
        };
        let half = &mut self.half_open[place];
        if half.from != from || half.tries >= TRIES || now.saturating_duration_since(half.at) >= HANDSHAKE_LIFE {
            return;
        }
        half.tries += 1;
        match half.responder.handle_message3(&self.local, bytes) {
            Ok(outcome) => {
                let began = half.at;
                if self.accept(now, from, began, &outcome, index, bytes) {
                    self.half_open.remove(place);
                } else {
                    // It is void; but a repetition must not be computed again.
                    self.half_open[place].tries = TRIES;
                }
            }
            Err(Reject::Passphrase) => {
                let (first, answer) = (half.tries == 1, refusal(half.responder.peer_index(), index));
                self.send(from, &answer);
                if first {
                    self.tell(SessionEvent::Refused(from));
                }
            }
            Err(Reject::Commitment) => half.tries = TRIES,
            Err(Reject::Malformed | Reject::Forged | Reject::WeakKey) => {}
        }
    }

    /// Uses the keys of a handshake that somebody began at `began`, or finds it void.
    fn accept(&mut self, now: Instant, from: SocketAddr, began: Instant, outcome: &Outcome, index: u32, bytes: &[u8]) -> bool {
        let own_key = self.own_key();
        if outcome.peer == own_key {
            return false;
        }
        let Some(id) = self.session_of(from, outcome).or_else(|| self.place_for_a_stranger(now, from)) else { return false };
        let Some(session) = self.session_mut(id) else { return false };
        let crossed = session.initiating.as_ref().is_some_and(|own| own.to == from);
        if (crossed && own_key < outcome.peer) || session.current.as_ref().is_some_and(|pair| began <= pair.used) {
            return false;
        }
        (session.initiating, session.next) = (None, None);
        let continued = session.lineage.0 != 0 && outcome.continues == session.lineage;
        let message3 = bytes.try_into().ok().map(Box::new);
        let fresh = session.install(now, Pair::new(now, outcome, index, message3), continued);
        let moved = session.path.proven != from;
        (session.path.now, session.path.proven) = (from, from);
        self.installed(id, fresh);
        if moved {
            self.tell(SessionEvent::Moved(id, from));
        }
        self.send_confirmation(id, continued);
        true
    }

    /// The session that a handshake continues, crosses or replaces.
    fn session_of(&self, from: SocketAddr, outcome: &Outcome) -> Option<SessionId> {
        let find = |fits: &dyn Fn(&Session) -> bool| self.ids().find(|id| self.session(*id).is_some_and(fits));
        let is_theirs = |session: &Session| session.peer == Some(outcome.peer);
        find(&|session| is_theirs(session) && session.lineage.0 != 0 && session.lineage == outcome.continues)
            .or_else(|| {
                let crosses = |session: &Session| session.initiating.as_ref().is_some_and(|own| own.to == from);
                find(&|session| crosses(session) && (session.peer.is_none() || is_theirs(session)))
            })
            // Or one that they have answered, or once had, from wherever.
            .or_else(|| find(&|session| session.agreed_with() == Some(outcome.peer)))
    }

    fn place_for_a_stranger(&mut self, now: Instant, from: SocketAddr) -> Option<SessionId> {
        let unclaimed = |id: &SessionId| self.session(*id).and_then(|session| session.unclaimed_until);
        let waiting = || self.ids().filter(|id| unclaimed(id).is_some());
        let id = if waiting().count() < UNCLAIMED_MAX { self.free_place() } else { waiting().min_by_key(unclaimed) }?;
        self.sessions[usize::from(id.0)] = Some(Box::new(Session::new(now, from, false)));
        Some(id)
    }

    /// A message 3 came again: its confirmation was lost.
    fn confirm_again(&mut self, from: SocketAddr, bytes: &[u8]) {
        let is_it = |session: &Session| {
            let made = session.current.as_ref().and_then(|pair| pair.message3.as_deref());
            made.is_some_and(|message3| message3 == bytes) && session.path.proven == from
        };
        let Some(id) = self.ids().find(|id| self.session(*id).is_some_and(is_it)) else { return };
        let Some(session) = self.session(id) else { return };
        let continued = session.current.as_ref().is_some_and(|pair| pair.lineage != session.lineage);
        self.send_confirmation(id, continued);
    }

    fn send_confirmation(&mut self, id: SessionId, continued: bool) {
        let Some(session) = self.session(id) else { return };
        let Some(pair) = &session.current else { return };
        let mut bytes = [0; 2 + OVERHEAD];
        bytes[..2].copy_from_slice(&[CONFIRM, u8::from(continued)]);
        let to = session.path.proven;
        if let Some(len) = pair.sealing.seal(Class::Control, &mut bytes, 2) {
            self.send(to, &bytes[..len]);
        }
    }

    /// The cookie goes with the next repetition: whoever forges one brings about nothing that would not have been sent.
    pub(super) fn handle_cookie(&mut self, from: SocketAddr, bytes: &[u8]) {
        for session in self.sessions.iter_mut().flatten() {
            let Some(own) = session.initiating.as_mut().filter(|own| own.to == from && own.message3.is_none()) else { continue };
            if let Some(cookie) = cookie_for(own.handshake.message1(), bytes)
                && own.handshake.message1().last_chunk() != Some(cookie)
            {
                own.handshake.set_cookie(cookie);
                return;
            }
        }
    }

    /// Nothing of it is proven: it says why a handshake that fails anyway has failed, and ends none that succeeds.
    pub(super) fn handle_refusal(&mut self, now: Instant, bytes: &[u8]) {
        let Some(index) = index_of(bytes) else { return };
        let Some(own) = self.initiating(index).and_then(|id| self.session_mut(id)).and_then(|session| session.initiating.as_mut()) else {
            return;
        };
        if own.message3.is_some() && own.refused.is_none() && bytes == refusal(index, own.peer_index) {
            own.refused = Some(now);
        }
    }

    fn initiating(&self, index: u32) -> Option<SessionId> {
        let is_it = |session: &Session| session.initiating.as_ref().is_some_and(|own| own.handshake.index() == index);
        self.ids().find(|id| self.session(*id).is_some_and(is_it))
    }
}
