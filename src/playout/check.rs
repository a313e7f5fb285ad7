//! What holds for every sequence of packets and pulls: shared by the fuzz target, the property test and the corpus. Pure.

use std::time::{Duration, Instant};

use super::{Codec, Config, Delay, Origin, PAYLOAD_MAX, Packet, Playout, Step};
use crate::units::{ExtSeq, RtpTime, Slept};

/// Nothing louder comes out, whatever came in: twice full scale, as the decoders promise.
const LOUDEST: f32 = 2.01;
const PULL_MAX: usize = 4_096;

/// Bytes as a script.
struct Script<'a>(&'a [u8]);

impl Script<'_> {
    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    fn word(&mut self) -> u16 {
        u16::from_le_bytes([self.byte(), self.byte()])
    }

    fn bytes(&mut self, len: usize) -> &[u8] {
        let (bytes, rest) = self.0.split_at(len.min(self.0.len()));
        self.0 = rest;
        bytes
    }
}

struct Run {
    playout: Playout,
    start: Instant,
    now: Duration,
    seq: u64,
    time: u32,
    out: Box<[f32]>,
}

/// Does what the bytes say: inserts, pulls, flushes. All that comes out is finite and bounded, and once the bytes have
/// ended, a good sender is heard. `now`: any moment; the script plays long after it, so that earlier instants exist.
pub fn playout(now: Instant, bytes: &[u8]) {
    let start = now + Duration::from_secs(1_000_000);
    let playout = Playout::new(Config::default()).expect("memory for the decoders");
    let mut run = Run { playout, start, now: Duration::ZERO, seq: 70_000, time: 0, out: vec![0.0; PULL_MAX].into_boxed_slice() };
    let mut script = Script(bytes);
    while !script.0.is_empty() {
        match script.byte() {
            0..=119 => run.insert(&mut script),
            120..=219 => run.pull(240, 5),
            220..=249 => {
                let (samples, ms) = (usize::from(script.word()) % (PULL_MAX + 1), u64::from(script.byte()));
                run.pull(samples, ms);
            }
            250 => run.now += Duration::from_millis(u64::from(script.word()) * 10),
            251 => run.playout.flush(),
            252 => run.playout.handle_slept(Slept(Duration::from_secs(u64::from(script.word())))),
            253 => run.playout.set_delay(Delay::Fixed(script.word())),
            _ => run.playout.set_delay(Delay::Auto),
        }
    }
    run.playout.set_delay(Delay::Auto);
    run.good_sender_is_heard();
}

impl Run {
    fn at(&self, offset_ms: i64) -> Instant {
        let shift = Duration::from_millis(offset_ms.unsigned_abs());
        let now = self.start + self.now;
        if offset_ms < 0 { now - shift } else { now + shift }
    }

    fn insert(&mut self, script: &mut Script) {
        let shape = script.byte();
        let step = i64::from(script.byte().cast_signed());
        // Most steps are ordinary; some are anything at all.
        let (step, ticks) = match shape & 0x0f {
            0..=9 => (1, 480),
            10 => (step, step * 480),
            11 => (1, step * 48_000),
            12 => (step * 1_000, 480),
            13 => (0, 0),
            14 => (1, i64::from(script.word()) << 16),
            _ => (i64::MIN.wrapping_add(step << 40), 480),
        };
        self.seq = self.seq.wrapping_add_signed(step);
        self.time = self.time.wrapping_add(ticks as u32);
        let codec = match shape >> 4 {
            13 => Codec::L16,
            14 => Codec::Pcmu,
            15 => Codec::Seed,
            _ => Codec::Opus,
        };
        let stream = if shape >> 4 == 12 { 2 } else { 1 };
        let early = -i64::from(script.byte() & 0x3f);
        let len = usize::from(script.byte()) * if codec == Codec::Opus { 1 } else { 8 };
        let kind = script.byte();
        let payload = script.bytes(len.min(PAYLOAD_MAX));
        let packet = Packet::new(stream, ExtSeq(self.seq), RtpTime(self.time), codec, self.start, payload);
        let mut packet = packet.expect("not too long");
        packet.arrival = self.at(early);
        packet.marker = kind & 1 != 0;
        packet.origin = [Origin::Media, Origin::Media, Origin::Red, Origin::Nack][usize::from(kind >> 1 & 3)];
        self.playout.insert(&packet);
    }

    fn pull(&mut self, samples: usize, ms: u64) {
        self.now += Duration::from_millis(ms);
        let now = self.at(0);
        let out = &mut self.out[..samples];
        out.fill(f32::NAN);
        let pulled = self.playout.pull(out, now);
        assert_eq!(Step::ALL.into_iter().map(|step| pulled.samples(step)).sum::<usize>(), samples);
        assert!(out.iter().all(|sample| sample.abs() <= LOUDEST), "not finite, or too loud");
    }

    fn good_sender_is_heard(&mut self) {
        let before = self.playout.counters().played;
        for block in 0..1_200u32 {
            self.now += Duration::from_millis(5);
            if block.is_multiple_of(2) {
                let number = block / 2;
                let payload = [0x80 | (number % 64) as u8; 80];
                let time = RtpTime(number * 80);
                let packet = Packet::new(9, ExtSeq(1_000 + u64::from(number)), time, Codec::Pcmu, self.at(0), &payload);
                self.playout.insert(&packet.expect("not too long"));
            }
            if block == 400 {
                let played = self.playout.counters().played - before;
                assert!(played > 150, "2 s after the last fault {played} of 200 packets were heard: {:?}", self.playout.counters());
            }
            self.pull(240, 0);
        }
        let played = self.playout.counters().played - before;
        assert!(played > 540, "{played} of 600 packets were heard: {:?}", self.playout.counters());
        // Peaks are remembered for 4 s.
        let delay = self.playout.delay_ms().expect("heard");
        assert!(delay < 40.0, "still {delay} ms behind, 6 s after the last fault");
    }
}
