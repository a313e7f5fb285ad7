//! Where to splice: time-stretching on pitch periods (WSOLA; Verhelst and Roelands 1993). Pure.

/// Shortest and longest lag in voice: 400 Hz to 66 Hz.
pub(super) const LAG_MIN: usize = 120;
pub(super) const LAG_MAX: usize = 720;
/// Crossfade, and what is compared: 5 ms.
pub(super) const OVERLAP: usize = 240;
/// Lags and samples left out in the first search.
const STRIDE: usize = 4;

/// A place to splice to.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Splice {
    pub(super) lag: usize,
    /// How alike the two places are, -1..=1.
    pub(super) likeness: f32,
}

/// The lag in `min..=max` at which `samples` are most like themselves from `at` on: ahead of it, or back. `None`: too
/// few samples to say.
pub(super) fn find(samples: &[f32], at: usize, ahead: bool, min: usize, max: usize) -> Option<Splice> {
    let max = if ahead { max.min(samples.len().checked_sub(at + OVERLAP)?) } else { max.min(at) };
    if min > max || at + OVERLAP > samples.len() {
        return None;
    }
    let here = &samples[at..at + OVERLAP];
    let there = |lag: usize| {
        let from = if ahead { at + lag } else { at - lag };
        &samples[from..from + OVERLAP]
    };
    let mut best = Splice { lag: min, likeness: f32::NEG_INFINITY };
    for lag in (min..=max).step_by(STRIDE) {
        let likeness = likeness(here, there(lag), STRIDE);
        if likeness > best.likeness {
            best = Splice { lag, likeness };
        }
    }
    let near = best.lag.saturating_sub(STRIDE - 1).max(min)..=(best.lag + STRIDE - 1).min(max);
    let mut exact = Splice { lag: best.lag, likeness: f32::NEG_INFINITY };
    for lag in near {
        let likeness = likeness(here, there(lag), 1);
        if likeness > exact.likeness {
            exact = Splice { lag, likeness };
        }
    }
    Some(exact)
}

/// Mean square.
pub(super) fn power(samples: &[f32]) -> f32 {
    samples.iter().map(|sample| sample * sample).sum::<f32>() / samples.len().max(1) as f32
}

fn likeness(a: &[f32], b: &[f32], stride: usize) -> f32 {
    let (mut cross, mut power_a, mut power_b) = (0.0f32, 1e-9f32, 1e-9f32);
    for (x, y) in a.iter().step_by(stride).zip(b.iter().step_by(stride)) {
        cross += x * y;
        power_a += x * x;
        power_b += y * y;
    }
    cross / (power_a * power_b).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pitch_period_is_found_both_ways() {
        let wave: Vec<f32> = (0..3_000)
            .map(|n| {
                let phase = n as f32 * std::f32::consts::TAU / 401.0;
                phase.sin() + 0.5 * (3.0 * phase).sin() + 0.3 * (7.0 * phase).cos()
            })
            .collect();
        for ahead in [true, false] {
            let splice = find(&wave, 960, ahead, LAG_MIN, LAG_MAX).expect("enough samples");
            assert!(splice.lag.abs_diff(401) <= 1 && splice.likeness > 0.99, "{splice:?}");
        }
    }

    #[test]
    fn too_few_samples_are_no_place_to_splice() {
        assert_eq!(find(&[0.0; 300], 100, true, LAG_MIN, LAG_MAX), None);
        assert_eq!(find(&[0.0; 1_200], 960, true, LAG_MIN, LAG_MAX), None);
        assert_eq!(find(&[], 0, true, LAG_MIN, LAG_MAX), None);
    }
}
