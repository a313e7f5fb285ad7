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
