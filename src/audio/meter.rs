//! How loud samples are: peak, RMS, clipping, and a needle that falls slowly. Pure; runs in callbacks.

use crate::units::{Level, SAMPLE_RATE};

/// From here on a sample counts as clipped: 16-bit full scale, give or take a step.
pub const CLIP: f32 = 0.999;

/// How fast the needle falls, dB a second.
const FALL_DB_PER_SECOND: f32 = 24.0;

/// One block, measured.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Loudness {
    /// Largest magnitude, linear.
    pub peak: f32,
    /// Root of the mean square, linear.
    pub rms: f32,
    /// Samples at full scale.
    pub clipped: usize,
}

impl Loudness {
    #[must_use]
    pub fn of(samples: &[f32]) -> Self {
        let (mut peak, mut power, mut clipped) = (0f32, 0f32, 0);
        for sample in samples {
            let loud = sample.abs();
            peak = peak.max(loud);
            power += sample * sample;
            clipped += usize::from(loud >= CLIP);
        }
        Self { peak, rms: (power / samples.len().max(1) as f32).sqrt(), clipped }
    }
}

/// A needle: jumps to a peak, falls by 24 dB a second, counts clipped samples.
#[derive(Clone, Debug)]
pub struct Meter {
    level: Level,
    clipped: u64,
}

impl Default for Meter {
    fn default() -> Self {
        Self { level: Level::SILENCE, clipped: 0 }
    }
}

impl Meter {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Measures `samples` (48 kHz) and moves the needle by their length of time.
    pub fn push(&mut self, samples: &[f32]) -> Loudness {
        let loudness = Loudness::of(samples);
        self.clipped += loudness.clipped as u64;
        let fallen = self.level.0 - FALL_DB_PER_SECOND * samples.len() as f32 / SAMPLE_RATE as f32;
        self.level = Level(Level::from_amplitude(loudness.peak).0.max(fallen).max(Level::SILENCE.0));
        loudness
    }

    #[must_use]
    pub fn level(&self) -> Level {
        self.level
    }

    /// Samples at full scale since the start.
    #[must_use]
    pub fn clipped(&self) -> u64 {
        self.clipped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_needle_jumps_up_and_falls_slowly() {
        let mut meter = Meter::new();
        meter.push(&[0.5, -1.0, 0.25]);
        assert_eq!((meter.level(), meter.clipped()), (Level(0.0), 1));
        for _ in 0..50 {
            meter.push(&[0.0; 480]);
        }
        assert!((meter.level().0 + 12.0).abs() < 0.1, "{:?}", meter.level());
        for _ in 0..1_000 {
            meter.push(&[0.0; 480]);
        }
        assert_eq!(meter.level(), Level::SILENCE);
    }

    #[test]
    fn peak_and_rms_are_what_they_say() {
        let square = [0.5, -0.5, 0.5, -0.5];
        assert_eq!(Loudness::of(&square), Loudness { peak: 0.5, rms: 0.5, clipped: 0 });
        assert_eq!(Loudness::of(&[]), Loudness::default());
    }
}
