//! Takes away what is below voices. Pure.

use crate::units::SAMPLE_RATE;

/// A second-order Butterworth high-pass (Audio EQ Cookbook), transposed direct form II.
#[derive(Clone, Debug)]
pub struct HighPass {
    b: [f32; 3],
    a: [f32; 2],
    state: [f32; 2],
}

impl HighPass {
    /// `hz`: where it is 3 dB down.
    #[must_use]
    pub fn new(hz: f32) -> Self {
        let w = std::f32::consts::TAU * hz / SAMPLE_RATE as f32;
        let alpha = w.sin() / std::f32::consts::SQRT_2;
        let (cos, a0) = (w.cos(), 1.0 + alpha);
        let edge = (1.0 + cos) / 2.0 / a0;
        Self { b: [edge, -2.0 * edge, edge], a: [-2.0 * cos / a0, (1.0 - alpha) / a0], state: [0.0; 2] }
    }

    pub fn process(&mut self, samples: &mut [f32]) {
        let ([b0, b1, b2], [a1, a2]) = (self.b, self.a);
        let [mut s1, mut s2] = self.state;
        for sample in samples {
            let x = *sample;
            let y = b0 * x + s1;
            s1 = b1 * x - a1 * y + s2;
            s2 = b2 * x - a2 * y;
            *sample = y;
        }
        // A broken sample must not stay in the filter for good; a fading one must not become denormal.
        let keep = |s: f32| if s.is_finite() && s.abs() > 1e-20 { s } else { 0.0 };
        self.state = [keep(s1), keep(s2)];
    }

    pub fn reset(&mut self) {
        self.state = [0.0; 2];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gain_db(hz: f32) -> f32 {
        let mut filter = HighPass::new(80.0);
        let mut samples: Vec<f32> = (0..48_000).map(|n| (n as f32 * hz * std::f32::consts::TAU / 48_000.0).sin() * 0.5).collect();
        let power = |samples: &[f32]| samples[24_000..].iter().map(|s| s * s).sum::<f32>();
        let before = power(&samples);
        samples.chunks_mut(480).for_each(|frame| filter.process(frame));
        10.0 * (power(&samples) / before).log10()
    }

    #[test]
    fn rumble_is_gone_and_voice_is_not() {
        assert!(gain_db(20.0) < -20.0, "{}", gain_db(20.0));
        assert!((gain_db(80.0) + 3.0).abs() < 0.5, "{}", gain_db(80.0));
        assert!(gain_db(200.0).abs() < 0.3 && gain_db(3_000.0).abs() < 0.1);
    }
}
