//! Four networks, and the traces shipped of them: when the packets of a talker arrive. Whole numbers of us and one seeded
//! generator: every machine makes the same bytes. No copies are sent, so that playout stands alone.
//!
//! `WRITE_TRACES=1 cargo test --test sim models` writes the files anew.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use voicetui::call::Trace;
use voicetui::call::trace::{Line, Shape, Timing, What};
use voicetui::playout::{Codec, Origin};

/// A network, one way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Model {
    /// 0.2 to 0.5 ms; one in 2,000 waits for 3 ms more. Nothing is lost.
    Ethernet,
    /// A queue that others share: spells of 100 to 600 ms in which each packet takes 4 to 16 ms, holds of 20 to 80 ms, and 0.2 % lost.
    Wifi,
    /// 20 ms and the next turn of a 10 ms grid; one in ten is sent again, 8 ms later, up to four times; in order. A handover each 8 to
    /// 15 s holds all for 50 to 150 ms. 0.1 % lost.
    Lte,
    /// 40 to 70 ms, wandering; stalls of 60 to 200 ms each 3 to 6 s, let out in a burst; 3 % lost, 2.5 in a row on average.
    Vpn,
}

impl Model {
    pub const ALL: [Self; 4] = [Self::Ethernet, Self::Wifi, Self::Lte, Self::Vpn];

    pub fn name(self) -> &'static str {
        match self {
            Self::Ethernet => "ethernet",
            Self::Wifi => "wifi",
            Self::Lte => "lte",
            Self::Vpn => "vpn",
        }
    }

    pub fn file(self) -> String {
        format!("{}/tests/sim/traces/{}.trace", env!("CARGO_MANIFEST_DIR"), self.name())
    }
}

/// Packets of 10 ms in a talk spurt, silent packets' worth after it, and spurts: 36 s.
const TALK: u64 = 800;
const PAUSE: u64 = 100;
const SPURTS: u64 = 4;
const FRAME_US: u64 = 10_000;

/// What the model makes of a talker.
pub fn trace(model: Model, seed: u64) -> Trace {
    let mut way = Way { model, rng: StdRng::seed_from_u64(seed), free_us: 0, held: (0, 0), busy: (0, 0), bad: false };
    let mut packets = Vec::new();
    for spurt in 0..SPURTS {
        for frame in 0..TALK {
            let sent = spurt * (TALK + PAUSE) + frame;
            let Some(at_us) = way.arrival_us(sent * FRAME_US) else { continue };
            packets.push((at_us, spurt * TALK + frame, sent * 480, frame == 0));
        }
    }
    packets.sort_by_key(|packet| packet.0);
    let (first_us, first_seq, first_time, _) = packets[0];
    let lines = packets.into_iter().map(|(at_us, seq, time, marker)| {
        let (seq, time) = (seq as i32 - first_seq as i32, time as i32 - first_time as i32);
        let timing = Timing { stream: 1, seq, time, ticks: 480, codec: Codec::Opus, origin: Origin::Media, marker, shape: Shape::Plain };
        Line { at_us: at_us - first_us, what: What::Packet(timing) }
    });
    let about = Line { at_us: 0, what: What::Note(format!("made by the model {}, seed {seed}", model.name())) };
    Trace { peers: vec![std::iter::once(about).chain(lines).collect()] }
}

/// A model at work. Times in us.
struct Way {
    model: Model,
    rng: StdRng,
    /// When the last packet was through: none overtakes it.
    free_us: u64,
    /// From when to when all is held, and contended for: the next of these, or the one that lasts.
    held: (u64, u64),
    busy: (u64, u64),
    bad: bool,
}

impl Way {
    /// When a packet sent then arrives; `None`: it is lost.
    fn arrival_us(&mut self, sent: u64) -> Option<u64> {
        match self.model {
            Model::Ethernet => {
                let held = if self.rng.random_range(0..2_000) == 0 { 3_000 } else { 0 };
                Some(sent + self.rng.random_range(200..500) + held)
            }
            Model::Wifi => {
                let until = self.hold(sent, 20_000..80_000, 2_000_000..5_000_000);
                if sent >= self.busy.1 {
                    let start = sent + self.rng.random_range(1_000_000..4_000_000u64);
                    self.busy = (start, start + self.rng.random_range(100_000..600_000));
                }
                let takes = if sent >= self.busy.0 { self.rng.random_range(4_000..16_000) } else { self.rng.random_range(300..2_000) };
                self.free_us = self.free_us.max(sent + 1_000).max(until) + takes;
                (self.rng.random_range(0..1_000) >= 2).then_some(self.free_us)
            }
            Model::Lte => {
                let until = self.hold(sent, 50_000..150_000, 8_000_000..15_000_000);
                let turn = (sent + 20_000).next_multiple_of(10_000) + 1_700;
                let again = (0..4).take_while(|_| self.rng.random_range(0..10) == 0).count() as u64;
                self.free_us = self.free_us.max(turn + 8_000 * again).max(until) + self.rng.random_range(50..150);
                (self.rng.random_range(0..1_000) > 0).then_some(self.free_us)
            }
            Model::Vpn => {
                let until = self.hold(sent, 60_000..200_000, 3_000_000..6_000_000);
                // There and back in 24 s.
                let along = sent % 24_000_000;
                let base = 40_000 + along.min(24_000_000 - along) * 30_000 / 12_000_000;
                self.free_us = self.free_us.max(sent + base + self.rng.random_range(0..4_000)).max(until) + 200;
                let turn = self.rng.random_range(0..10_000);
                self.bad = if self.bad { turn < 6_000 } else { turn < 124 };
                (!self.bad).then_some(self.free_us)
            }
        }
    }

    /// Until when a packet sent then is held; 0: it is not.
    fn hold(&mut self, sent: u64, lasts: std::ops::Range<u64>, pause: std::ops::Range<u64>) -> u64 {
        if sent >= self.held.1 {
            let start = sent + self.rng.random_range(pause);
            self.held = (start, start + self.rng.random_range(lasts));
        }
        if sent >= self.held.0 { self.held.1 } else { 0 }
    }
}

/// The seed of the traces that are shipped.
const SEED: u64 = 1;

#[test]
fn models_make_the_traces_that_are_shipped() {
    for model in Model::ALL {
        let made = trace(model, SEED).to_string();
        assert!(made.len() < 120_000, "{model:?}: {} bytes", made.len());
        if std::env::var_os("WRITE_TRACES").is_some() {
            std::fs::write(model.file(), &made).expect("the trace can be written");
        }
        let shipped = std::fs::read_to_string(model.file()).expect("a trace is shipped");
        assert!(shipped == made, "{}: run WRITE_TRACES=1 cargo test --test sim models", model.file());
    }
}
