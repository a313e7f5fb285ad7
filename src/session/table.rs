//! All sessions of this side: which datagram belongs to whom, who is answered, when what is due. Pure; the receiver
//! thread's downlink owns it.
//!
//! Call a command or `handle_*`, then drain [`Sessions::poll_event`] and [`Sessions::poll_transmit`], then sleep until
//! [`Sessions::poll_timeout`]. Whatever comes, at most one datagram answers it, no longer than it.
//!
//! Two crossed handshakes become one session: the one whose initiator has the smaller static key stays. A handshake that
//! began before the keys in use were agreed on is void.

mod incoming;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

use rand::RngExt;
use rand::rngs::StdRng;
use zeroize::Zeroizing;

use super::PublicKey;
use super::cookie::{Cookies, Purse};
use super::handshake::{Fresh, Initiator, Local, MESSAGE1_BYTES};
use super::keys::{Class, OVERHEAD, SealingKey};
use super::peer::{Due, Session};
use crate::units::{MAX_PEERS, Slept, UNSEEN_MAX};
use crate::wire::parcel::PARCEL;
use crate::wire::sealed::{Header, Type};
use incoming::HalfOpen;

/// Sessions nobody has claimed yet, at most.
const UNCLAIMED_MAX: usize = 8;
/// All sessions, at most.
pub const SESSIONS_MAX: usize = MAX_PEERS + UNSEEN_MAX + UNCLAIMED_MAX;
/// Datagrams that wait for the thread: each call makes a handful.
const OUTBOX_MAX: usize = 4 * SESSIONS_MAX;
/// Handshakes of strangers that are computed in a second, and of those who have a session: 20 Diffie-Hellmans together.
const STRANGERS_RATE: f32 = 14.0;
const KNOWN_RATE: f32 = 6.0;
/// Our own handshakes, answered by whoever sees their index.
const OWN_RATE: f32 = 20.0;

/// The first byte of what a session says for itself; RTP and RTCP begin with 128 or more.
const CONFIRM: u8 = 1;
const _: () = assert!(CONFIRM != PARCEL);

/// A session's place.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SessionId(u8);

/// Why there is no session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Failure {
    /// Our own key answered.
    OwnKey,
    /// Another key than the one asked for.
    OtherKey(PublicKey),
    /// Passphrases differ, or somebody interferes.
    Passphrase,
    /// Whom that session is with answered: a peer has one.
    Already(SessionId),
}

/// Drain with [`Sessions::poll_event`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SessionEvent {
    /// Control packets can be sealed, though the other side has confirmed nothing yet.
    Ready(SessionId),
    /// A session with words of its own. Once again for the same place: the peer began anew.
    Established {
        id: SessionId,
        peer: PublicKey,
        /// 44 bits.
        sas: u64,
    },
    /// [`Sessions::sealing_key`] gives another key, or none.
    Keys(SessionId),
    /// The peer was heard from elsewhere: it must answer from there ([`Sessions::handle_answer`]) before media go there.
    Heard(SessionId),
    /// Media go there from now on.
    Moved(SessionId, SocketAddr),
    /// The session has ended without ever being established; its place is free.
    Failed(SessionId, Failure),
    /// Somebody at that address calls with another passphrase, or somebody interferes.
    Refused(SocketAddr),
}

/// What was opened: a packet of that session, or a parcel of them, in the buffer in which it came.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Packet {
    pub id: SessionId,
    pub class: Class,
    pub range: Range<usize>,
}

struct Datagram {
    to: SocketAddr,
    len: usize,
    bytes: [u8; MESSAGE1_BYTES],
}

/// All sessions of this side.
pub struct Sessions {
    local: Local,
    rng: StdRng,
    sessions: [Option<Box<Session>>; SESSIONS_MAX],
    half_open: VecDeque<HalfOpen>,
    cookies: Cookies,
    strangers: Purse,
    known: Purse,
    own: Purse,
    outbox: VecDeque<Datagram>,
    events: VecDeque<SessionEvent>,
}

impl std::fmt::Debug for Sessions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sessions").field("local", &self.local).field("sessions", &self.sessions).finish_non_exhaustive()
    }
}

impl Sessions {
    /// `rng` makes keys: seed it from the operating system.
    #[must_use]
    pub fn new(local: Local, rng: StdRng) -> Self {
        Self {
            local,
            rng,
            sessions: std::array::from_fn(|_| None),
            half_open: VecDeque::new(),
            cookies: Cookies::default(),
            strangers: Purse::new(STRANGERS_RATE),
            known: Purse::new(KNOWN_RATE),
            own: Purse::new(OWN_RATE),
            outbox: VecDeque::new(),
            events: VecDeque::new(),
        }
    }

    #[must_use]
    pub fn own_key(&self) -> PublicKey {
        self.local.identity.public()
    }

    /// Begins a session with whoever is at `to`, or only with `expected`. It tries until it is closed. `None`: all places are taken.
    pub fn connect(&mut self, now: Instant, to: SocketAddr, expected: Option<PublicKey>) -> Option<SessionId> {
        let id = self.free_place()?;
        let mut session = Session::new(now, to, true);
        session.peer = expected;
        self.sessions[usize::from(id.0)] = Some(Box::new(session));
        self.run(now, id);
        Some(id)
    }

    /// Somebody here wants a session that came from outside: it stays until it is closed.
    pub fn claim(&mut self, id: SessionId) {
        if let Some(session) = self.session_mut(id) {
            session.unclaimed_until = None;
        }
    }

    /// Ends a session: its keys are gone, here and with whoever holds them.
    pub fn close(&mut self, id: SessionId) {
        self.sessions[usize::from(id.0)] = None;
    }

    /// What seals media for the peer now; `None`: nothing may be sent.
    #[must_use]
    pub fn sealing_key(&self, id: SessionId) -> Option<&Arc<SealingKey>> {
        self.session(id)?.current.as_ref().map(|pair| &pair.sealing)
    }

    /// Where media go: the last address that has answered.
    #[must_use]
    pub fn media_address(&self, id: SessionId) -> Option<SocketAddr> {
        self.session(id).map(|session| session.path.proven)
    }

    #[must_use]
    pub fn peer_key(&self, id: SessionId) -> Option<PublicKey> {
        self.session(id).and_then(|session| session.peer)
    }

    /// The 44 bits of the words; `None`: not established.
    #[must_use]
    pub fn sas(&self, id: SessionId) -> Option<u64> {
        self.session(id).filter(|session| session.lineage.0 != 0).map(|session| session.sas)
    }

    /// Seals a control packet, the first `len` bytes of `buffer`, and says where it goes. `None`: it cannot go now.
    pub fn seal_control(&mut self, id: SessionId, buffer: &mut [u8], len: usize) -> Option<(SocketAddr, usize)> {
        let session = self.session_mut(id)?;
        let key = session.sealing()?.clone();
        let to = session.path.spend(len + OVERHEAD)?;
        Some((to, key.seal(Class::Control, buffer, len)?))
    }

    /// The peer echoed from that address what only it could know.
    pub fn handle_answer(&mut self, id: SessionId, from: SocketAddr) {
        if self.session_mut(id).is_some_and(|session| session.path.prove(from)) {
            self.tell(SessionEvent::Moved(id, from));
        }
    }

    /// The machine slept: keys have aged, and everybody is asked anew.
    pub fn handle_slept(&mut self, now: Instant, slept: Slept) {
        self.half_open.clear();
        self.sessions.iter_mut().flatten().for_each(|session| session.handle_slept(now, slept.0));
        self.handle_timeout(now);
    }

    /// One sealed datagram. Gives the packet inside, if it is one of a session's; everything else is seen to.
    pub fn handle(&mut self, now: Instant, from: SocketAddr, datagram: &mut [u8]) -> Option<Packet> {
        match Type::from_byte(*datagram.first()?)? {
            Type::Handshake1 => self.handle_message1(now, from, datagram),
            Type::Handshake2 => self.handle_message2(now, from, datagram),
            Type::Handshake3 => self.handle_message3(now, from, datagram),
            Type::Cookie => self.handle_cookie(from, datagram),
            Type::Refusal => self.handle_refusal(now, datagram),
            Type::Transport => return self.handle_transport(now, from, datagram),
        }
        None
    }

    fn handle_transport(&mut self, now: Instant, from: SocketAddr, datagram: &mut [u8]) -> Option<Packet> {
        let index = Header::parse(datagram).ok()?.0.key_index;
        let id = self.ids().find(|id| self.session(*id).is_some_and(|session| session.has_index(index)))?;
        let session = self.session_mut(id)?;
        let (opened, moved) = session.open(now, from, index, datagram)?;
        let packet = &datagram[opened.packet.clone()];
        let packet_begins = packet.first().copied();
        let own_word = packet_begins == Some(CONFIRM);
        if own_word || session.is_first(index) {
            let continued = own_word && packet.get(1) == Some(&1);
            self.confirmed(now, from, id, index, continued);
        }
        if moved {
            self.tell(SessionEvent::Heard(id));
        }
        // Less than 128: a parcel of them, a session's own words, or nothing.
        let is_packet = packet_begins.is_some_and(|first| first >= 128 || first == PARCEL);
        is_packet.then_some(Packet { id, class: opened.class, range: opened.packet })
    }

    fn confirmed(&mut self, now: Instant, from: SocketAddr, id: SessionId, index: u32, continued: bool) {
        let Some(session) = self.session_mut(id) else { return };
        // Only who was sent message 3 can confirm it; anybody can repeat that from elsewhere.
        let asked = session.initiating.as_ref().map(|own| own.to);
        let Some(fresh) = session.confirm(now, index, continued) else { return };
        let moved = asked == Some(from) && session.path.prove(from);
        self.installed(id, fresh);
        if moved {
            self.tell(SessionEvent::Moved(id, from));
        }
    }

    fn installed(&mut self, id: SessionId, fresh: bool) {
        let Some((peer, sas)) = self.session(id).and_then(|session| Some((session.peer?, session.sas))) else { return };
        if fresh {
            self.tell(SessionEvent::Established { id, peer, sas });
        }
        self.tell(SessionEvent::Keys(id));
    }

    /// When [`Sessions::handle_timeout`] is due; `None`: never, until something comes.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.sessions.iter().flatten().map(|session| session.next_due()).min()
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        for id in self.ids() {
            self.run(now, id);
        }
    }

    fn run(&mut self, now: Instant, id: SessionId) {
        while let Some(due) = self.session_mut(id).and_then(|session| session.due(now)) {
            match due {
                Due::Begin => {
                    let fresh = self.fresh();
                    let handshake = Initiator::new(&self.local, fresh);
                    self.session_mut(id).expect("it is due").begin(now, handshake);
                }
                Due::Send => {
                    let own = self.session_mut(id).and_then(|session| session.initiating.as_mut()).expect("it is due");
                    let (to, bytes) = (own.to, own.next(now).to_vec());
                    self.send(to, &bytes);
                }
                Due::Refused => self.fail(id, Failure::Passphrase),
                Due::Expired => self.tell(SessionEvent::Keys(id)),
                Due::Close => self.close(id),
            }
        }
    }

    fn fail(&mut self, id: SessionId, why: Failure) {
        self.close(id);
        self.tell(SessionEvent::Failed(id, why));
    }

    /// The next datagram of a handshake, into `buffer` (at least [`MESSAGE1_BYTES`]).
    pub fn poll_transmit(&mut self, buffer: &mut [u8]) -> Option<(SocketAddr, usize)> {
        let Datagram { to, len, bytes } = self.outbox.pop_front()?;
        buffer.get_mut(..len)?.copy_from_slice(&bytes[..len]);
        Some((to, len))
    }

    #[must_use]
    pub fn poll_event(&mut self) -> Option<SessionEvent> {
        self.events.pop_front()
    }

    fn ids(&self) -> impl Iterator<Item = SessionId> + use<> {
        (0..SESSIONS_MAX as u8).map(SessionId)
    }

    fn session(&self, id: SessionId) -> Option<&Session> {
        self.sessions[usize::from(id.0)].as_deref()
    }

    fn session_mut(&mut self, id: SessionId) -> Option<&mut Session> {
        self.sessions[usize::from(id.0)].as_deref_mut()
    }

    fn free_place(&self) -> Option<SessionId> {
        self.ids().find(|id| self.session(*id).is_none())
    }

    /// Numbers for a handshake; the index is nobody's yet.
    fn fresh(&mut self) -> Fresh {
        let index = loop {
            let index = self.rng.random();
            let used = self.sessions.iter().flatten().any(|session| session.has_index(index));
            if !used && self.half_open.iter().all(|half| half.responder.index() != index) {
                break index;
            }
        };
        Fresh { ephemeral: Zeroizing::new(self.rng.random()), r: Zeroizing::new(self.rng.random()), index }
    }

    fn send(&mut self, to: SocketAddr, datagram: &[u8]) {
        // A thread that does not drain loses what is repeated anyway.
        if self.outbox.len() < OUTBOX_MAX && datagram.len() <= MESSAGE1_BYTES {
            let mut bytes = [0; MESSAGE1_BYTES];
            bytes[..datagram.len()].copy_from_slice(datagram);
            self.outbox.push_back(Datagram { to, len: datagram.len(), bytes });
        }
    }

    fn tell(&mut self, event: SessionEvent) {
        self.events.push_back(event);
    }
}

#[cfg(test)]
mod tests;
