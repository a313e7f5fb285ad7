//! What holds for all bytes and schedules: shared by the fuzz targets, the property tests and the corpus. Pure.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand::rngs::StdRng;
use zeroize::Zeroizing;

use super::handshake::{Fresh, Initiator, Lineage, Local, Responder};
use super::keys::{Class, OVERHEAD, OpeningKey, SealingKey};
use super::table::{Failure, SessionEvent, SessionId, Sessions};
use super::{Identity, Seal};
use crate::units::Slept;
use crate::wire::sealed::{CONTROL, Header};

fn local(secret: u8) -> Local {
    Local { identity: Identity::new(Zeroizing::new([secret; 32])), psk: Zeroizing::new([0; 32]) }
}

fn fresh(n: u8) -> Fresh {
    Fresh { ephemeral: Zeroizing::new([n; 32]), r: Zeroizing::new([n ^ 0xff; 32]), index: u32::from(n) }
}

/// The true message with `bytes` laid over it by exclusive or, cut or lengthened to as many as `len` says (0: as it is).
fn changed(truth: &[u8], len: u8, bytes: &[u8]) -> Vec<u8> {
    let mut out = truth.to_vec();
    if len > 0 {
        out.resize(usize::from(len), 0);
    }
    out.iter_mut().zip(bytes).for_each(|(byte, change)| *byte ^= change);
    out
}

/// A message of a handshake, changed in any way, is refused, and the true one still passes. Any bytes at all are refused.
pub fn handshake(bytes: &[u8]) {
    let (a, b) = (local(1), local(2));
    let mut initiator = Initiator::new(&a, fresh(3));
    assert!(Responder::new(&b, fresh(5), bytes).is_err() || bytes.len() == initiator.message1().len());
    let mut responder = Responder::new(&b, fresh(4), initiator.message1()).expect("the true message 1");
    let (which, len, change) = match bytes {
        [which, len, change @ ..] => (*which, *len, change),
        _ => (0, 0, bytes),
    };
    let message2 = *responder.message2();
    if which % 3 == 1 {
        let other = changed(&message2, len, change);
        assert_eq!(initiator.handle_message2(&a, &other, |_| Some(Lineage(0))).is_ok(), other == message2);
        if other == message2 {
            return;
        }
    }
    let message1 = *initiator.message1();
    let (_, message3) = initiator.handle_message2(&a, &message2, |_| Some(Lineage(0))).expect("the true message 2");
    match which % 3 {
        0 => {
            // The cookie at its end is no part of the handshake.
            let other = changed(&message1, len, change);
            let same = other.len() == message1.len() && responder.began_with(&other);
            assert_eq!(Responder::new(&b, fresh(5), &other).is_ok(), same);
        }
        2 => {
            let other = changed(&message3, len, change);
            assert_eq!(responder.handle_message3(&b, &other).is_ok(), other == message3);
            if other == message3 {
                return;
            }
        }
        _ => {}
    }
    responder.handle_message3(&b, &message3).expect("the true message 3");
}

/// A sealed datagram, changed in any way, does not open and moves nothing; the true one opens once.
pub fn transport(bytes: &[u8]) {
    let (sealing, mut opening) = (SealingKey::new(&[7; 32], 9), OpeningKey::new(&[7; 32], 9));
    assert_eq!(opening.open(&mut bytes.to_vec()), None, "nobody sealed that");
    let (len, change) = bytes.split_first().map_or((0, bytes), |(len, change)| (*len, change));
    let mut truth = vec![0x80; 40 + OVERHEAD];
    assert_eq!(sealing.seal(Class::Media, &mut truth, 40), Some(40 + OVERHEAD));
    let mut other = changed(&truth, len, change);
    let same = other == truth;
    assert_eq!(opening.open(&mut other).is_some(), same);
    assert_eq!(opening.open(&mut truth.clone()).is_some(), !same);
    assert_eq!(opening.open(&mut truth), None, "once only");
    assert_eq!(Seal::Clear.seal(&mut [0; 4], 4), Some(4));
}

/// Bytes as a script.
struct Script<'a>(&'a [u8]);

impl Script<'_> {
    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }
}

/// Two sides, and what is on its way between them.
struct Run {
    now: Instant,
    sides: [Sessions; 2],
    ids: [Option<SessionId>; 2],
    flights: Vec<(usize, Vec<u8>)>,
    counters: HashMap<(usize, u32, bool), u64>,
    heard: [usize; 2],
    /// Times that either was started: none draws the numbers of another.
    starts: u64,
}

/// Datagrams on their way, at most.
const FLIGHTS_MAX: usize = 64;

fn address(n: usize) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::new(10, 0, 0, n as u8 + 1), 5005))
}

/// Does what the bytes say to two sides and their network; then the network is good, and they have one session.
pub fn session(now: Instant, bytes: &[u8]) {
    let now = now + Duration::from_secs(1_000_000);
    let side = |n: u8| Sessions::new(local(n), StdRng::seed_from_u64(u64::from(n)));
    let mut run =
        Run { now, sides: [side(1), side(2)], ids: [None; 2], flights: Vec::new(), counters: HashMap::new(), heard: [0; 2], starts: 2 };
    let mut script = Script(bytes);
    run.dial(0);
    while !script.0.is_empty() {
        run.step(&mut script);
    }
    run.flights.clear();
    run.dial(0);
    (0..160).for_each(|_| run.good(Duration::from_millis(100)));
    run.heard = [0; 2];
    (0..10).for_each(|_| run.good(Duration::from_millis(100)));
    let words = [0, 1].map(|n| run.ids[n].and_then(|id| run.sides[n].sas(id)));
    assert!(words[0].is_some() && words[0] == words[1], "no common words: {words:?}");
    assert!(run.heard.iter().all(|heard| *heard > 5), "not heard: {:?}", run.heard);
}

impl Run {
    fn step(&mut self, script: &mut Script) {
        let (what, n) = (script.byte(), script.byte());
        let side = usize::from(n & 1);
        let which = usize::from(n >> 1) % self.flights.len().max(1);
        match what % 13 {
            0..=2 if which < self.flights.len() => {
                let (to, bytes) = self.flights.remove(which);
                self.deliver(to, address(1 - to), &bytes);
            }
            3 if which < self.flights.len() => {
                let (to, bytes) = self.flights[which].clone();
                self.deliver(to, address(1 - to), &bytes);
            }
            4 if which < self.flights.len() => drop(self.flights.remove(which)),
            // Reflected, flipped, from somewhere else.
            5 if which < self.flights.len() => {
                let (to, mut bytes) = self.flights[which].clone();
                let at = usize::from(script.byte()) % bytes.len();
                bytes[at] ^= script.byte();
                self.deliver(if n & 0x80 == 0 { to } else { 1 - to }, address(usize::from(n % 3)), &bytes);
            }
            6 => {
                let len = usize::from(script.byte()).min(script.0.len());
                let (bytes, rest) = script.0.split_at(len);
                script.0 = rest;
                self.deliver(side, address(2), bytes);
            }
            7 => self.dial(side),
            8 => self.pass(Duration::from_millis(u64::from(script.byte()) * 4)),
            9 => self.pass(Duration::from_secs(u64::from(script.byte()))),
            // The program is started anew.
            11 => {
                self.starts += 1;
                self.sides[side] = Sessions::new(local(side as u8 + 1), StdRng::seed_from_u64(self.starts));
                self.ids[side] = None;
            }
            10 => self.sides[side].handle_slept(self.now, Slept(Duration::from_secs(u64::from(script.byte())))),
            _ => self.talk(side),
        }
        (0..2).for_each(|n| self.drain(n));
    }

    fn dial(&mut self, n: usize) {
        if self.ids[n].is_none() {
            self.ids[n] = self.sides[n].connect(self.now, address(1 - n), None);
            self.drain(n);
        }
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        for n in 0..2 {
            self.sides[n].handle_timeout(self.now);
            self.drain(n);
        }
    }

    fn talk(&mut self, n: usize) {
        let Some(id) = self.ids[n] else { return };
        let mut packet = [0x80; 60];
        if let Some((_, len)) = self.sides[n].seal_control(id, &mut packet, 20) {
            self.leave(n, &packet[..len]);
        }
    }

    fn good(&mut self, time: Duration) {
        self.pass(time);
        (0..2).for_each(|n| self.talk(n));
        for (to, bytes) in std::mem::take(&mut self.flights) {
            self.deliver(to, address(1 - to), &bytes);
        }
    }

    fn deliver(&mut self, to: usize, from: SocketAddr, bytes: &[u8]) {
        let mut datagram = bytes.to_vec();
        if let Some(packet) = self.sides[to].handle(self.now, from, &mut datagram) {
            assert_eq!(datagram[packet.range], [0x80; 20], "only what was sealed comes out");
            self.heard[to] += 1;
        }
        // A true pong would follow.
        if let Some(id) = self.ids[to] {
            self.sides[to].handle_answer(id, from);
        }
        self.drain(to);
    }

    fn leave(&mut self, n: usize, bytes: &[u8]) {
        if let Ok((header, _)) = Header::parse(bytes) {
            let before = self.counters.insert((n, header.key_index, header.is_control()), header.counter & !CONTROL);
            assert!(before.is_none_or(|before| before < header.counter & !CONTROL), "a counter came twice");
        }
        if self.flights.len() < FLIGHTS_MAX {
            self.flights.push((1 - n, bytes.to_vec()));
        }
    }

    fn drain(&mut self, n: usize) {
        let mut buffer = [0; 256];
        while let Some((_, len)) = self.sides[n].poll_transmit(&mut buffer) {
            self.leave(n, &buffer[..len]);
        }
        while let Some(event) = self.sides[n].poll_event() {
            match event {
                SessionEvent::Established { id, .. } => {
                    self.sides[n].claim(id);
                    self.ids[n].get_or_insert(id);
                }
                // The other side has called from elsewhere; or what was reflected was taken for ourselves: to be called again.
                SessionEvent::Failed(id, why) if self.ids[n] == Some(id) => {
                    self.ids[n] = if let Failure::Already(other) = why { Some(other) } else { None };
                }
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn any_bytes_and_any_schedule(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            handshake(&bytes);
            transport(&bytes);
            session(Instant::now(), &bytes);
        }
    }

    #[test]
    fn the_fuzz_corpus_holds() {
        let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
        // A published package has no corpus.
        if !dir.exists() {
            return;
        }
        for target in ["handshake", "transport", "session"] {
            let entries: Vec<_> = std::fs::read_dir(dir.join(target)).expect(target).collect();
            assert!(entries.len() > 3, "{target}");
            for entry in entries {
                let bytes = std::fs::read(entry.expect("a readable entry").path()).expect("a readable file");
                match target {
                    "handshake" => handshake(&bytes),
                    "transport" => transport(&bytes),
                    _ => session(Instant::now(), &bytes),
                }
            }
        }
    }
}
