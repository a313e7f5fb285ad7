//! Earcons: short sounds that tell this side's user what became of a call. Pure; the player runs in the playback callback.
//!
//! ```text
//! ring      G5 B5 G5      again and again, softer
//! live      C5 G5         up: somebody is there
//! hang-up   G5 C5         down: somebody has left
//! refused   A3 - A3       low, twice
//! key up    E6            key down  B5
//! ```
//!
//! Every table is made beforehand; the callback adds its samples to the mix and keeps count.

use std::f64::consts::{PI, TAU};

use crate::units::SAMPLE_RATE;

/// The peak of one: 20 dB below full scale, as loud as somebody who speaks softly. A ring is 6 dB softer: it comes again.
const AMPLITUDE: f64 = 0.1;
const RING_AMPLITUDE: f64 = 0.05;
/// A note's octave lies so much below it: a plain sine is hard to place.
const OCTAVE: f64 = 0.25;
/// The peak of both together.
const BOTH: f64 = 1.0925;
/// Both ends of a note rise and fall over this time, as a raised cosine: no click.
const EDGE_MS: f64 = 12.0;
/// From one ring's start to the next one's: 3 s.
const RING_SAMPLES: usize = 3 * SAMPLE_RATE as usize;
/// Without a loudspeaker an earcon waits so long for one to open; what comes later would tell nothing.
const WAIT_SAMPLES: usize = SAMPLE_RATE as usize;
/// Share of the way to a new gain that each sample goes: a time constant of 5 ms, as in the mixer.
const STEP: f32 = 1.0 / (0.005 * 48_000.0);
const CLOSE: f32 = 1e-4;

/// What one tells.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Earcon {
    /// Somebody calls.
    Ring,
    /// A call is answered: voices travel.
    Live,
    /// A call has ended.
    HangUp,
    /// A call came to nothing, or a peer showed another key than the known one.
    Refused,
    /// The microphone is on air, and is not any more.
    KeyUp,
    KeyDown,
}

impl Earcon {
    pub const ALL: [Self; 6] = [Self::Ring, Self::Live, Self::HangUp, Self::Refused, Self::KeyUp, Self::KeyDown];

    /// Told of the microphone, not of calls.
    #[must_use]
    pub fn is_of_key(self) -> bool {
        matches!(self, Self::KeyUp | Self::KeyDown)
    }

    /// Hz (0: a pause) and ms.
    fn notes(self) -> &'static [(f64, f64)] {
        match self {
            Self::Ring => &[(784.0, 90.0), (988.0, 90.0), (784.0, 90.0)],
            Self::Live => &[(523.0, 80.0), (784.0, 110.0)],
            Self::HangUp => &[(784.0, 80.0), (523.0, 110.0)],
            Self::Refused => &[(220.0, 110.0), (0.0, 40.0), (220.0, 110.0)],
            Self::KeyUp => &[(1_319.0, 60.0)],
            Self::KeyDown => &[(988.0, 60.0)],
        }
    }

    /// Its sound, 48 kHz mono.
    #[must_use]
    pub fn samples(self) -> Vec<f32> {
        let amplitude = if self == Self::Ring { RING_AMPLITUDE } else { AMPLITUDE };
        self.notes().iter().flat_map(|(hz, ms)| note(*hz, *ms, amplitude)).collect()
    }
}

fn note(hz: f64, ms: f64, amplitude: f64) -> impl Iterator<Item = f32> {
    let rate = f64::from(SAMPLE_RATE);
    let (length, edge) = ((ms * rate / 1e3) as usize, EDGE_MS * rate / 1e3);
    (0..length).map(move |n| {
        let phase = TAU * hz * n as f64 / rate;
        let wave = (phase.sin() + OCTAVE * (2.0 * phase).sin()) / BOTH;
        let near = (n.min(length - 1 - n) as f64 / edge).min(1.0);
        (amplitude * (0.5 - 0.5 * (PI * near).cos()) * wave) as f32
    })
}

/// Some of them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Earcons(pub u8);

impl Earcons {
    #[must_use]
    pub fn of(earcon: Earcon) -> Self {
        Self(1 << earcon as u8)
    }

    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    #[must_use]
    pub fn has(self, earcon: Earcon) -> bool {
        self.0 & Self::of(earcon).0 != 0
    }
}

/// What is to be heard from now on.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Order {
    /// Begin once.
    pub begin: Earcons,
    /// Somebody waits for an answer: the ring comes again.
    pub rings: bool,
    /// Linear; 0 while deafened.
    pub gain: f32,
    /// A loudspeaker takes what is played, not its stand-in.
    pub is_heard: bool,
}

/// Adds earcons to a mix. Allocates when it is made, and never again.
#[derive(Clone, Debug)]
pub struct Player {
    tables: [Box<[f32]>; Earcon::ALL.len()],
    /// Where each of those stands that sound.
    at: [Option<usize>; Earcon::ALL.len()],
    waiting: Earcons,
    waited: usize,
    /// Samples since the last ring began; `None`: the next one begins at once.
    since_ring: Option<usize>,
    gain: f32,
}

impl Default for Player {
    fn default() -> Self {
        let tables = Earcon::ALL.map(|earcon| earcon.samples().into_boxed_slice());
        Self { tables, at: Default::default(), waiting: Earcons::default(), waited: 0, since_ring: None, gain: 0.0 }
    }
}

impl Player {
    /// Adds the next `sum.len()` samples. One that sounds already is not begun again; all sound to their end.
    pub fn add(&mut self, order: Order, sum: &mut [f32]) {
        // What begins in silence begins at the gain of now.
        if self.is_silent() || (self.gain - order.gain).abs() < CLOSE {
            self.gain = order.gain;
        }
        self.begin(order, sum.len());
        if self.is_silent() {
            return;
        }
        let start = self.gain;
        let glides = start != order.gain;
        for (at, table) in self.at.iter_mut().zip(&self.tables) {
            let Some(from) = *at else { continue };
            self.gain = start;
            for (sum, sample) in sum.iter_mut().zip(&table[from..]) {
                if glides {
                    self.gain += (order.gain - self.gain) * STEP;
                }
                *sum += sample * self.gain;
            }
            let next = from + sum.len();
            *at = (next < table.len()).then_some(next);
        }
        if glides {
            // However short the earcon was, the gain has had all of the block.
            self.gain = sum.iter().fold(start, |gain, _| gain + (order.gain - gain) * STEP);
        }
    }

    fn is_silent(&self) -> bool {
        self.at.iter().all(Option::is_none)
    }

    /// A delay is measured: nothing may sound, and what was to is forgotten.
    pub fn silence(&mut self) {
        (self.at, self.waiting, self.since_ring) = (Default::default(), Earcons::default(), None);
    }

    fn begin(&mut self, order: Order, samples: usize) {
        self.waiting = self.waiting.and(order.begin);
        if !order.is_heard {
            self.since_ring = None;
            self.waited += samples;
            if self.waited > WAIT_SAMPLES {
                self.waiting = Earcons::default();
            }
            return;
        }
        self.waited = 0;
        let waiting = std::mem::take(&mut self.waiting);
        for earcon in Earcon::ALL.into_iter().filter(|earcon| waiting.has(*earcon)) {
            self.start(earcon);
        }
        if !order.rings {
            self.since_ring = None;
            return;
        }
        let since = self.since_ring.map_or(RING_SAMPLES, |since| since + samples);
        let rings = since >= RING_SAMPLES;
        self.since_ring = Some(if rings { 0 } else { since });
        if rings {
            self.start(Earcon::Ring);
        }
    }

    fn start(&mut self, earcon: Earcon) {
        self.at[earcon as usize].get_or_insert(0);
    }
}

#[cfg(test)]
mod tests;
