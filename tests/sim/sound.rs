//! Signals, and finding them again: a synthetic voice, its delay by cross-correlation, and an encoder that costs nothing.

use std::sync::OnceLock;

use voicetui::audio::codec::{Encode, OpusEncoder, OpusSettings};
use voicetui::call::{Speak, Tuning};

/// Samples a second.
pub const RATE: f64 = 48_000.0;

/// A voice-like signal of 20 s, over and over.
pub fn voice(n: u64) -> f32 {
    const SAMPLES: u64 = 20 * RATE as u64;
    static TABLE: OnceLock<Vec<f32>> = OnceLock::new();
    TABLE.get_or_init(|| (0..SAMPLES).map(spoken).collect())[(n % SAMPLES) as usize]
}

/// Harmonics of a wandering pitch, in syllables.
fn spoken(n: u64) -> f32 {
    let t = n as f64 / RATE;
    let phase = 130.0 * t + 3.0 * (t * 1.7).sin() + 5.0 * (t * 0.61).sin();
    let harmonics: f64 = (1..20).map(|k| (std::f64::consts::TAU * phase * f64::from(k)).sin() / f64::from(k)).sum();
    let syllable = (std::f64::consts::TAU * (t * 3.1 + 0.4 * (t * 0.9).sin())).sin().max(0.0);
    (harmonics * syllable * 0.18) as f32
}

pub fn silence(_: u64) -> f32 {
    0.0
}

/// By how many samples `heard` comes after `said`, between 0 and `most`: where they correlate best, and how well (-1..=1).
pub fn lag(said: &[f32], heard: &[f32], most: usize) -> (usize, f32) {
    // Coarse in steps of four samples, then exact around the best.
    let score = |lag: usize, step: usize| -> f64 {
        let n = said.len().min(heard.len().saturating_sub(lag));
        let (mut cross, mut a, mut b) = (0.0, 1e-9, 1e-9);
        for at in (0..n).step_by(step) {
            let (x, y) = (f64::from(said[at]), f64::from(heard[at + lag]));
            cross += x * y;
            a += x * x;
            b += y * y;
        }
        cross / (a * b).sqrt()
    };
    let best = |lags: &mut dyn Iterator<Item = usize>, step: usize| {
        lags.map(|lag| (lag, score(lag, step))).max_by(|x, y| x.1.total_cmp(&y.1)).unwrap_or((0, 0.0))
    };
    let (coarse, _) = best(&mut (0..most).step_by(4), 4);
    let (exact, score) = best(&mut (coarse.saturating_sub(8)..coarse + 8), 1);
    (exact, score as f32)
}

/// Root mean square.
pub fn rms(samples: &[f32]) -> f32 {
    (samples.iter().map(|x| x * x).sum::<f32>() / samples.len().max(1) as f32).sqrt()
}

/// Opus, or what Opus once made of a second of voice, over and over.
pub enum Coder {
    Opus(OpusEncoder),
    Cached { packets: Vec<Vec<u8>>, next: usize, samples: usize },
}

impl Coder {
    pub fn opus() -> Self {
        Self::Opus(OpusEncoder::new(OpusSettings::default()).expect("an encoder"))
    }

    /// At a low rate, so that decoding is cheap too.
    pub fn cached() -> Self {
        let mut opus = OpusEncoder::new(OpusSettings { bitrate: 8_000, ..OpusSettings::default() }).expect("an encoder");
        let packets = (0..100u64).map(|frame| {
            let samples: Vec<f32> = (0..480).map(|n| voice(frame * 480 + n)).collect();
            let mut out = [0; 1_000];
            let len = opus.encode(&samples, &mut out);
            out[..len].to_vec()
        });
        Self::Cached { packets: packets.collect(), next: 0, samples: 480 }
    }
}

impl Encode for Coder {
    fn frame_samples(&self) -> usize {
        match self {
            Self::Opus(opus) => opus.frame_samples(),
            Self::Cached { samples, .. } => *samples,
        }
    }

    fn encode(&mut self, frame: &[f32], out: &mut [u8]) -> usize {
        match self {
            Self::Opus(opus) => opus.encode(frame, out),
            Self::Cached { packets, next, .. } => {
                let packet = &packets[*next];
                *next = (*next + 1) % packets.len();
                out[..packet.len()].copy_from_slice(packet);
                packet.len()
            }
        }
    }

    fn lookahead_samples(&self) -> usize {
        312
    }

    fn reset(&mut self) {}
}

impl Speak for Coder {
    fn tune(&mut self, tuning: Tuning) {
        if let Self::Opus(opus) = self {
            opus.tune(tuning);
        }
    }
}

#[test]
fn a_delayed_voice_is_found_where_it_is() {
    let said: Vec<f32> = (0..48_000).map(voice).collect();
    let heard: Vec<f32> = (0..48_000u64).map(|n| if n < 1_437 { 0.0 } else { voice(n - 1_437) * 0.5 }).collect();
    let (at, score) = lag(&said, &heard, 7_200);
    assert!(at == 1_437 && score > 0.99, "{at} {score}");
}
