//! Holds a signal below full scale without being heard to do so. No delay: it looks ahead within the block it is given. Pure.

/// Highest sample that leaves, linear: -0.5 dBFS.
pub const CEILING: f32 = 0.944;

/// Longest stretch looked at in one go, samples.
const STRETCH: usize = 480;

/// How much the gain may rise with each sample once a peak is over: 30 dB a second.
const RISE: f32 = 7.2e-5;

/// Lowers the gain before a peak where the block shows it coming, at it where not; lets it rise again slowly.
#[derive(Clone, Debug)]
pub struct Limiter {
    gain: f32,
}

impl Default for Limiter {
    fn default() -> Self {
        Self { gain: 1.0 }
    }
}

impl Limiter {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Every sample leaves within ±[`CEILING`]; what is not finite leaves as zero.
    pub fn process(&mut self, samples: &mut [f32]) {
        for stretch in samples.chunks_mut(STRETCH) {
            self.stretch(stretch);
        }
    }

    /// The gain in force; 1 when nothing is held down.
    #[must_use]
    pub fn gain(&self) -> f32 {
        self.gain
    }

    fn stretch(&mut self, samples: &mut [f32]) {
        let (mut peak, mut first) = (0f32, None);
        for (n, sample) in samples.iter_mut().enumerate() {
            if !sample.is_finite() {
                *sample = 0.0;
            }
            let loud = sample.abs();
            peak = peak.max(loud);
            if first.is_none() && loud * self.gain > CEILING {
                first = Some(n);
            }
        }
        let (first, target) = match first {
            Some(first) => (first, CEILING / peak),
            None if self.gain >= 1.0 => return,
            // Nothing too loud: the gain may rise, as far as this block's own peak allows.
            None => {
                let risen = self.gain * (1.0 + RISE * samples.len() as f32);
                (samples.len() - 1, risen.min(1.0).min(CEILING / peak.max(1e-6)))
            }
        };
        let slope = (target - self.gain) / (first + 1) as f32;
        for (n, sample) in samples.iter_mut().enumerate() {
            let gain = if n < first { self.gain + slope * (n + 1) as f32 } else { target };
            // Rounding may bring it a bit above.
            *sample = (*sample * gain).clamp(-CEILING, CEILING);
        }
        self.gain = target;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(n: usize, amplitude: f32) -> f32 {
        (n as f32 * 300.0 * std::f32::consts::TAU / 48_000.0).sin() * amplitude
    }

    #[test]
    fn what_is_below_the_ceiling_passes_untouched() {
        let mut samples: Vec<f32> = (0..4_800).map(|n| tone(n, 0.9)).collect();
        let before = samples.clone();
        Limiter::new().process(&mut samples);
        assert_eq!(samples, before);
    }

    #[test]
    fn a_loud_sum_keeps_its_shape_below_the_ceiling() {
        let mut limiter = Limiter::new();
        let mut samples: Vec<f32> = (0..48_000).map(|n| tone(n, if n < 24_000 { 0.5 } else { 6.0 })).collect();
        for block in samples.chunks_mut(480) {
            limiter.process(block);
        }
        assert!(samples.iter().all(|sample| sample.abs() <= CEILING));
        // Settled: a sine again, so its RMS is its peak over the square root of two; a clipped one would be fatter.
        let settled = &samples[30_000..46_000];
        let rms = (settled.iter().map(|s| s * s).sum::<f32>() / settled.len() as f32).sqrt();
        let peak = settled.iter().fold(0f32, |peak, s| peak.max(s.abs()));
        assert!((peak / rms - std::f32::consts::SQRT_2).abs() < 0.03, "{}", peak / rms);
    }

    #[test]
    fn the_gain_comes_back_after_the_noise() {
        let mut limiter = Limiter::new();
        limiter.process(&mut [4.0; 480]);
        assert!(limiter.gain() < 0.25);
        for _ in 0..200 {
            limiter.process(&mut [0.01; 480]);
        }
        assert!((limiter.gain() - 1.0).abs() < 1e-3);
    }

    #[test]
    fn what_is_not_a_number_leaves_as_silence() {
        let mut samples = [f32::NAN, f32::INFINITY, -3.0, 0.5];
        Limiter::new().process(&mut samples);
        assert!(samples.iter().all(|sample| sample.abs() <= CEILING));
        assert_eq!(samples[..2], [0.0, 0.0]);
    }
}
