//! Two sides in virtual time, over a network that loses, doubles, delays and reorders; and whoever else is on it.

mod hostile;
mod meddlers;
mod schedules;

use std::collections::{BinaryHeap, HashMap};
use std::time::Duration;

use rand::SeedableRng;

use super::*;
use crate::session::handshake::tests::local;
use crate::session::timers::KEY_LIFE;
use crate::wire::sealed::CONTROL;

pub(super) const A: usize = 0;
pub(super) const B: usize = 1;

/// What the network does to a datagram.
#[derive(Clone, Copy)]
pub(super) struct Faults {
    pub loss: f64,
    pub doubled: f64,
    pub delay: Duration,
    pub jitter: Duration,
}

pub(super) const CLEAN: Faults = Faults { loss: 0.0, doubled: 0.0, delay: Duration::from_millis(10), jitter: Duration::ZERO };

/// One on its way: by arrival, then by number.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Flight(std::cmp::Reverse<(Instant, u64)>, SocketAddr, SocketAddr, Vec<u8>);

pub(super) struct Side {
    pub sessions: Sessions,
    pub address: SocketAddr,
    pub id: Option<SessionId>,
    pub events: Vec<SessionEvent>,
    /// Packets that were opened, as numbered by the sender.
    pub heard: Vec<u32>,
    pub sent: u32,
    /// Claims whatever session comes.
    pub claims: bool,
}

pub(super) struct Pairing {
    pub now: Instant,
    pub rng: StdRng,
    pub faults: Faults,
    pub sides: Vec<Side>,
    pub flights: BinaryHeap<Flight>,
    number: u64,
    /// Everything that was sent, in order.
    pub wire: Vec<(usize, Vec<u8>)>,
    /// Each side's next words, and how often they come.
    talk_at: Instant,
    pub every: Duration,
    /// The last counter by sender, key and class.
    counters: HashMap<(usize, u32, bool), u64>,
    secrets: [u8; 2],
}

pub(super) fn table(secret: u8, psk: u8, seed: u64) -> Sessions {
    Sessions::new(local(secret, psk), StdRng::seed_from_u64(seed))
}

impl Pairing {
    pub fn new(seed: u64, faults: Faults) -> Self {
        Self::with_psks(seed, faults, [0, 0])
    }

    pub fn with_psks(seed: u64, faults: Faults, psks: [u8; 2]) -> Self {
        let now = Instant::now();
        // Which of both has the smaller key changes with the seed.
        let secrets = [A, B].map(|n| [1, 2][(n + seed as usize) % 2]);
        let side = |n: usize| Side {
            sessions: table(secrets[n], psks[n], seed.wrapping_mul(4) + n as u64),
            address: format!("10.0.0.{}:5005", n + 1).parse().expect("an address"),
            id: None,
            events: Vec::new(),
            heard: Vec::new(),
            sent: 0,
            claims: true,
        };
        Self {
            now,
            rng: StdRng::seed_from_u64(seed ^ 0xfeed),
            faults,
            sides: vec![side(A), side(B)],
            flights: BinaryHeap::new(),
            number: 0,
            wire: Vec::new(),
            talk_at: now,
            every: Duration::from_millis(500),
            counters: HashMap::new(),
            secrets,
        }
    }

    pub fn dial(&mut self, from: usize, to: usize) {
        let (now, address) = (self.now, self.sides[to].address);
        self.sides[from].id = self.sides[from].sessions.connect(now, address, None);
        self.drain(from);
    }

    /// The program is started anew: nothing of before is known but who it is.
    pub fn restart(&mut self, n: usize, seed: u64) {
        self.sides[n].sessions = table(self.secrets[n], 0, seed);
        self.sides[n].id = None;
    }

    pub fn send(&mut self, from: SocketAddr, to: SocketAddr, bytes: &[u8]) {
        let times = 1 + usize::from(self.rng.random_bool(self.faults.doubled));
        for _ in 0..times {
            if self.rng.random_bool(self.faults.loss) {
                continue;
            }
            let jitter = self.faults.jitter.mul_f64(self.rng.random());
            self.number += 1;
            let at = std::cmp::Reverse((self.now + self.faults.delay + jitter, self.number));
            self.flights.push(Flight(at, from, to, bytes.to_vec()));
        }
    }

    /// What a side sends is watched: under one key and class counters only rise, and nothing is readable.
    fn leave(&mut self, side: usize, to: SocketAddr, bytes: &[u8]) {
        if let Ok((header, _)) = Header::parse(bytes) {
            let counter = header.counter & !CONTROL;
            let before = self.counters.insert((side, header.key_index, header.is_control()), counter);
            assert!(before.is_none_or(|before| before < counter), "counter {counter} after {before:?}");
        }
        assert!((8..=13).contains(&bytes[0]) && !bytes.windows(5).any(|part| part == b"voice"));
        self.wire.push((side, bytes.to_vec()));
        let from = self.sides[side].address;
        self.send(from, to, bytes);
    }

    pub fn drain(&mut self, n: usize) {
        let mut buffer = [0; 1_200];
        while let Some((to, len)) = self.sides[n].sessions.poll_transmit(&mut buffer) {
            self.leave(n, to, &buffer[..len]);
        }
        while let Some(event) = self.sides[n].sessions.poll_event() {
            if let SessionEvent::Established { id, .. } = event
                && self.sides[n].claims
            {
                self.sides[n].sessions.claim(id);
                if self.sides[n].id.is_none() {
                    self.sides[n].id = Some(id);
                }
            }
            self.sides[n].events.push(event);
        }
    }

    /// A packet of each class, if there is a key.
    fn talk(&mut self, n: usize) {
        let Some(id) = self.sides[n].id else { return };
        let packet = |sent: u32| {
            let mut buffer = [0; 60];
            buffer[0] = 0x80;
            buffer[1..5].copy_from_slice(&sent.to_be_bytes());
            buffer[5..10].copy_from_slice(b"voice");
            buffer
        };
        let mut buffer = packet(self.sides[n].sent + 1);
        if let Some((to, len)) = self.sides[n].sessions.seal_control(id, &mut buffer, 10) {
            self.sides[n].sent += 1;
            self.leave(n, to, &buffer[..len]);
        }
        let mut buffer = packet(self.sides[n].sent + 1);
        let sessions = &self.sides[n].sessions;
        if let (Some(key), Some(to)) = (sessions.sealing_key(id).cloned(), sessions.media_address(id))
            && let Some(len) = key.seal(Class::Media, &mut buffer, 10)
        {
            self.sides[n].sent += 1;
            self.leave(n, to, &buffer[..len]);
        }
    }

    pub fn receive(&mut self, n: usize, from: SocketAddr, bytes: &[u8]) {
        let mut datagram = bytes.to_vec();
        if let Some(packet) = self.sides[n].sessions.handle(self.now, from, &mut datagram) {
            let packet = &datagram[packet.range];
            assert_eq!(&packet[5..], b"voice");
            self.sides[n].heard.push(u32::from_be_bytes([packet[1], packet[2], packet[3], packet[4]]));
        }
        self.drain(n);
    }

    pub fn run(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            let timers = self.sides.iter().filter_map(|side| side.sessions.poll_timeout());
            let arrival = self.flights.peek().map(|flight| flight.0.0.0);
            let next = timers.chain(arrival).chain([self.talk_at]).min().expect("talk goes on").max(self.now);
            if next > end {
                self.now = end;
                return;
            }
            self.now = next;
            while self.flights.peek().is_some_and(|flight| flight.0.0.0 <= self.now) {
                let Flight(_, from, to, bytes) = self.flights.pop().expect("peeked");
                if let Some(n) = self.sides.iter().position(|side| side.address == to) {
                    self.receive(n, from, &bytes);
                }
            }
            for n in 0..self.sides.len() {
                self.sides[n].sessions.handle_timeout(self.now);
                self.drain(n);
                if self.talk_at <= self.now {
                    self.talk(n);
                }
            }
            if self.talk_at <= self.now {
                self.talk_at = self.now + self.every;
            }
        }
    }

    pub fn sas(&self, n: usize) -> Option<u64> {
        self.sides[n].id.and_then(|id| self.sides[n].sessions.sas(id))
    }

    pub fn is_live(&self, n: usize) -> bool {
        self.sides[n].id.is_some_and(|id| self.sides[n].sessions.sealing_key(id).is_some())
    }

    pub fn established(&self, n: usize) -> usize {
        self.sides[n].events.iter().filter(|event| matches!(event, SessionEvent::Established { .. })).count()
    }

    /// Both have keys, the same words, and hear each other.
    pub fn assert_settled(&mut self, what: &str) {
        self.sides.iter_mut().for_each(|side| side.heard.clear());
        self.run(Duration::from_millis(1_200));
        assert!(self.is_live(A) && self.is_live(B), "{what}: no keys");
        assert_eq!(self.sas(A), self.sas(B), "{what}");
        assert!(self.sides.iter().all(|side| side.heard.len() >= 4), "{what}: {:?}", [&self.sides[A].heard, &self.sides[B].heard]);
    }
}
