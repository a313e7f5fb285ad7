//! How loud samples are: peak, RMS, clipping. Pure; runs in callbacks.

/// From here on a sample counts as clipped: 16-bit full scale, give or take a step.
pub const CLIP: f32 = 0.999;

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

/// The power of samples: the mean of their squares.
#[must_use]
pub fn mean_square(samples: &[f32]) -> f32 {
    samples.iter().map(|sample| sample * sample).sum::<f32>() / samples.len().max(1) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peak_and_rms_are_what_they_say() {
        let square = [0.5, -0.5, 0.5, -0.5];
        assert_eq!(Loudness::of(&square), Loudness { peak: 0.5, rms: 0.5, clipped: 0 });
        assert_eq!(Loudness::of(&[0.5, -1.0]).clipped, 1);
        assert_eq!(Loudness::of(&[]), Loudness::default());
    }
}
