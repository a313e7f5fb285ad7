//! An emulated network, sans-IO: datagrams go in with their time, and come out when they arrive, if they do.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use voicetui::wire;

/// How datagrams get lost.
#[derive(Clone, Copy, Debug)]
pub enum Loss {
    None,
    /// Each with this probability.
    Random(f64),
    /// Gilbert and Elliott's: the chances to enter and to leave a bad spell, and to lose a datagram inside one.
    Bursts {
        enter: f64,
        leave: f64,
        inside: f64,
    },
}

/// What the network does to each datagram. Probabilities are 0..=1.
#[derive(Clone, Copy, Debug)]
pub struct Link {
    pub delay: Duration,
    /// Added to the delay: uniform up to this.
    pub jitter: Duration,
    pub loss: Loss,
    /// Held back by another 25 ms, so that later ones overtake it.
    pub reorder: f64,
    pub duplicate: f64,
    /// One bit is flipped.
    pub corrupt: f64,
    /// A bottleneck of so many bit/s, headers counted, with a queue that drops what would wait longer than [`QUEUE`].
    pub rate_bps: Option<f64>,
}

/// Longest wait in a bottleneck's queue.
pub const QUEUE: Duration = Duration::from_millis(200);
/// IP and UDP headers, bytes.
const HEADERS: usize = 28;

/// Sealed, the counter's top bit is the class: 0 is media.
pub fn is_media(bytes: &[u8]) -> bool {
    match wire::classify(bytes) {
        wire::Kind::Rtp => true,
        wire::Kind::Sealed(kind) => kind == wire::sealed::Type::Transport && bytes.get(5).is_some_and(|byte| byte & 0x80 == 0),
        _ => false,
    }
}

impl Link {
    /// Nothing is lost, and nothing takes time: loopback.
    pub const IDEAL: Self = Self {
        delay: Duration::from_micros(50),
        jitter: Duration::ZERO,
        loss: Loss::None,
        reorder: 0.0,
        duplicate: 0.0,
        corrupt: 0.0,
        rate_bps: None,
    };

    pub const LAN: Self = Self { delay: Duration::from_millis(1), jitter: Duration::from_millis(2), ..Self::IDEAL };

    /// All that can go wrong, together.
    pub const BAD: Self = Self {
        delay: Duration::from_millis(30),
        jitter: Duration::from_millis(20),
        loss: Loss::Bursts { enter: 0.02, leave: 0.4, inside: 0.8 },
        reorder: 0.02,
        duplicate: 0.02,
        corrupt: 0.01,
        rate_bps: None,
    };
}

/// A datagram under way; the earliest comes first, then the one sent first.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Flight {
    at: Instant,
    number: u64,
    from: SocketAddr,
    to: SocketAddr,
    bytes: Vec<u8>,
}

/// A way with a mind of its own: when a datagram sent then arrives, if it does.
pub type Fate = Box<dyn FnMut(Instant) -> Option<Instant> + Send>;

/// All links, and what is under way.
pub struct Net {
    pub link: Link,
    /// One-way exceptions: from, to.
    pub links: HashMap<(SocketAddr, SocketAddr), Link>,
    /// Private address to public address and back: what a NAT does.
    pub nat: HashMap<SocketAddr, SocketAddr>,
    rng: StdRng,
    flights: BinaryHeap<Reverse<Flight>>,
    number: u64,
    bad_spell: HashMap<(SocketAddr, SocketAddr), bool>,
    /// When a bottleneck has sent all that waits.
    free_at: HashMap<(SocketAddr, SocketAddr), Instant>,
    /// Datagrams and bytes: from, to.
    pub sent: HashMap<(SocketAddr, SocketAddr), (u64, u64)>,
    /// Ways that ask this in place of a [`Link`].
    pub fates: HashMap<(SocketAddr, SocketAddr), Fate>,
    /// What those did to each datagram of media, sealed or not: from, to, sent, arrived.
    pub journeys: Vec<(SocketAddr, SocketAddr, Instant, Option<Instant>)>,
    /// Keep all that is sent: from, to, bytes.
    pub tapped: bool,
    pub seen: Vec<(SocketAddr, SocketAddr, Vec<u8>)>,
}

impl Net {
    pub fn new(seed: u64, link: Link) -> Self {
        Self {
            link,
            links: HashMap::new(),
            nat: HashMap::new(),
            rng: StdRng::seed_from_u64(seed),
            flights: BinaryHeap::new(),
            number: 0,
            bad_spell: HashMap::new(),
            free_at: HashMap::new(),
            sent: HashMap::new(),
            fates: HashMap::new(),
            journeys: Vec::new(),
            tapped: false,
            seen: Vec::new(),
        }
    }

    pub fn send(&mut self, now: Instant, from: SocketAddr, to: SocketAddr, bytes: &[u8]) {
        let from = self.nat.get(&from).copied().unwrap_or(from);
        let count = self.sent.entry((from, to)).or_default();
        *count = (count.0 + 1, count.1 + bytes.len() as u64);
        if self.tapped {
            self.seen.push((from, to, bytes.to_vec()));
        }
        if let Some(fate) = self.fates.get_mut(&(from, to)) {
            let arrival = fate(now);
            if is_media(bytes) {
                self.journeys.push((from, to, now, arrival));
            }
            return arrival.into_iter().for_each(|at| self.fly(at, from, to, bytes.to_vec()));
        }
        let link = self.links.get(&(from, to)).copied().unwrap_or(self.link);
        if self.is_lost(link.loss, (from, to)) {
            return;
        }
        let Some(waited) = self.wait(now, link.rate_bps, (from, to), bytes.len()) else { return };
        let copies = if self.rng.random_bool(link.duplicate) { 2 } else { 1 };
        for _ in 0..copies {
            let mut bytes = bytes.to_vec();
            if self.rng.random_bool(link.corrupt) && !bytes.is_empty() {
                let at = self.rng.random_range(0..bytes.len());
                bytes[at] ^= 1 << self.rng.random_range(0..8);
            }
            let held = if self.rng.random_bool(link.reorder) { Duration::from_millis(25) } else { Duration::ZERO };
            let at = now + waited + link.delay + link.jitter.mul_f64(self.rng.random()) + held;
            self.fly(at, from, to, bytes);
        }
    }

    fn fly(&mut self, at: Instant, from: SocketAddr, to: SocketAddr, bytes: Vec<u8>) {
        self.number += 1;
        self.flights.push(Reverse(Flight { at, number: self.number, from, to, bytes }));
    }

    /// Time in the bottleneck; `None`: its queue is full.
    fn wait(&mut self, now: Instant, rate_bps: Option<f64>, way: (SocketAddr, SocketAddr), bytes: usize) -> Option<Duration> {
        let Some(rate) = rate_bps else { return Some(Duration::ZERO) };
        let free_at = self.free_at.entry(way).or_insert(now);
        let starts = now.max(*free_at);
        if starts - now > QUEUE {
            return None;
        }
        *free_at = starts + Duration::from_secs_f64((bytes + HEADERS) as f64 * 8.0 / rate);
        Some(*free_at - now)
    }

    fn is_lost(&mut self, loss: Loss, way: (SocketAddr, SocketAddr)) -> bool {
        match loss {
            Loss::None => false,
            Loss::Random(share) => self.rng.random_bool(share),
            Loss::Bursts { enter, leave, inside } => {
                let bad = self.bad_spell.entry(way).or_default();
                *bad = self.rng.random_bool(if *bad { 1.0 - leave } else { enter });
                *bad && self.rng.random_bool(inside)
            }
        }
    }

    pub fn next_at(&self) -> Option<Instant> {
        self.flights.peek().map(|Reverse(flight)| flight.at)
    }

    /// The datagram that arrives by `now`: from, to (behind its NAT), bytes.
    pub fn arrive(&mut self, now: Instant) -> Option<(SocketAddr, SocketAddr, Vec<u8>)> {
        if self.next_at().is_none_or(|at| at > now) {
            return None;
        }
        let Reverse(flight) = self.flights.pop()?;
        let private = self.nat.iter().find(|(_, public)| **public == flight.to).map(|(private, _)| *private);
        Some((flight.from, private.unwrap_or(flight.to), flight.bytes))
    }
}
