//! What reaches the ear, measured from outside: the delay of each piece of voice, by cross-correlation with the mouth.

use crate::sound::rms;

/// Length of a piece, and how far apart they begin: 200 ms.
pub const PIECE: usize = 9_600;
/// Quieter pieces say nothing.
const VOICED: f32 = 0.02;
/// Lags looked at near the last one, and at all.
const NEAR: usize = 2_400;
const MOST: usize = 24_000;
/// A piece that is less like itself was not found.
const ALIKE: f32 = 0.6;

/// Of one piece.
#[derive(Clone, Copy, Debug)]
pub struct Heard {
    /// The sample at which it begins at the mouth.
    pub at: usize,
    /// Mouth to ear, in samples; `None`: not to be found.
    pub lag: Option<usize>,
}

/// Follows the voice through `said` and `heard` (both begin at the same moment).
pub fn follow(said: &[f32], heard: &[f32]) -> Vec<Heard> {
    let mut last: usize = 1_440;
    let mut pieces = Vec::new();
    for at in (0..said.len().saturating_sub(PIECE)).step_by(PIECE) {
        let piece = &said[at..at + PIECE];
        if rms(piece) < VOICED || at + PIECE + MOST + NEAR > heard.len() {
            continue;
        }
        let near = best(piece, &heard[at..], last.saturating_sub(NEAR)..last + NEAR);
        let found = if near.1 > 0.85 { near } else { best(piece, &heard[at..], 0..MOST) };
        let lag = (found.1 > ALIKE).then_some(found.0);
        last = lag.unwrap_or(last);
        pieces.push(Heard { at, lag });
    }
    pieces
}

/// The best lag in `lags` and its likeness; every fourth sample and lag first.
fn best(piece: &[f32], heard: &[f32], lags: std::ops::Range<usize>) -> (usize, f32) {
    let search = |lags: std::ops::Range<usize>, step: usize| {
        let scored = lags.step_by(step).map(|lag| (lag, likeness(piece, &heard[lag..lag + PIECE], step)));
        scored.max_by(|a, b| a.1.total_cmp(&b.1)).unwrap_or_default()
    };
    let coarse = search(lags.clone(), 4);
    search(coarse.0.saturating_sub(4).max(lags.start)..(coarse.0 + 4).min(lags.end), 1)
}

fn likeness(a: &[f32], b: &[f32], step: usize) -> f32 {
    let (mut cross, mut power_a, mut power_b) = (0.0f32, 1e-9f32, 1e-9f32);
    for (x, y) in a.iter().step_by(step).zip(b.iter().step_by(step)) {
        cross += x * y;
        power_a += x * x;
        power_b += y * y;
    }
    cross / (power_a * power_b).sqrt()
}

/// The sharpest click: energy above 4 kHz in any 2 ms over that of the louder neighbouring 10 ms, dB. Speech itself has some.
/// `not_at`: samples where a card stood still or went on, which nobody can help.
pub fn click(samples: &[f32], not_at: &[usize]) -> f64 {
    const WINDOW: usize = 96;
    const NEIGHBOUR: usize = 480;
    /// -70 dBFS: nobody hears a click below.
    const FLOOR: f64 = 1e-7;
    let mut sums = vec![0.0f64];
    let (mut slow, mut before) = ([0.0f64; 4], [0.0f64; 4]);
    for sample in samples {
        // Four high passes of one pole each, at 4 kHz.
        let mut x = f64::from(*sample);
        for (y, last) in slow.iter_mut().zip(&mut before) {
            *y = 0.656 * (*y + x - *last);
            *last = x;
            x = *y;
        }
        sums.push(sums.last().copied().unwrap_or_default() + x * x);
    }
    let power = |from: usize, to: usize| (sums[to] - sums[from]) / (to - from) as f64;
    let ratio = |at: usize| {
        let around = power(at - NEIGHBOUR, at).max(power(at + WINDOW, at + WINDOW + NEIGHBOUR));
        power(at, at + WINDOW) / (around + FLOOR)
    };
    let end = samples.len().saturating_sub(WINDOW + NEIGHBOUR);
    let counts = |at: &usize| not_at.iter().all(|edge| at.abs_diff(*edge) > NEIGHBOUR);
    10.0 * (NEIGHBOUR..end).step_by(WINDOW / 4).filter(counts).map(ratio).fold(1e-3, f64::max).log10()
}
