//! What happens to the own voice before it is encoded: high-pass, the stages put in, limiter. Pure; runs on the sender thread.

use std::fmt;

use super::Frame;
use super::limiter::Limiter;
use crate::units::SAMPLE_RATE;

/// Below it is rumble, hum and breath, Hz.
const HIGH_PASS_HZ: f32 = 80.0;

/// One stage of the chain: echo cancellation, noise suppression, gain control.
pub trait Process: Send {
    /// Works on one frame in place. `far`: what the loudspeaker played at the same moment, where that is known.
    fn process(&mut self, frame: &mut Frame, far: Option<&Frame>);

    /// Forgets the past.
    fn reset(&mut self);
}

/// The sender's chain. High-pass and limiter are always in it.
pub struct Chain {
    high_pass: HighPass,
    stages: Vec<Box<dyn Process>>,
    limiter: Limiter,
}

impl fmt::Debug for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chain").field("stages", &self.stages.len()).finish_non_exhaustive()
    }
}

impl Default for Chain {
    fn default() -> Self {
        Self::new(Vec::new())
    }
}

impl Chain {
    /// `stages` run in order, between high-pass and limiter.
    #[must_use]
    pub fn new(stages: Vec<Box<dyn Process>>) -> Self {
        Self { high_pass: HighPass::new(HIGH_PASS_HZ), stages, limiter: Limiter::new() }
    }

    /// One frame, in place. Delays by nothing but what a stage adds.
    pub fn process(&mut self, frame: &mut Frame, far: Option<&Frame>) {
        self.high_pass.process(frame);
        for stage in &mut self.stages {
            stage.process(frame, far);
        }
        self.limiter.process(frame);
    }

    /// Forgets the past: the microphone was away.
    pub fn reset(&mut self) {
        self.high_pass.reset();
        self.stages.iter_mut().for_each(|stage| stage.reset());
        self.limiter = Limiter::new();
    }
}

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
        let mut chain = Chain::default();
        let (mut before, mut after) = (0.0, 0.0);
        for block in 0..100 {
            let mut frame: Frame = std::array::from_fn(|n| ((block * 480 + n) as f32 * hz * std::f32::consts::TAU / 48_000.0).sin() * 0.5);
            let power = |frame: &Frame| frame.iter().map(|s| s * s).sum::<f32>();
            let was = power(&frame);
            chain.process(&mut frame, None);
            if block >= 50 {
                (before, after) = (before + was, after + power(&frame));
            }
        }
        10.0 * (after / before).log10()
    }

    #[test]
    fn rumble_is_gone_and_voice_is_not() {
        assert!(gain_db(20.0) < -20.0, "{}", gain_db(20.0));
        assert!((gain_db(80.0) + 3.0).abs() < 0.5, "{}", gain_db(80.0));
        assert!(gain_db(200.0).abs() < 0.3 && gain_db(3_000.0).abs() < 0.1);
    }

    #[test]
    fn stages_run_in_order_and_see_the_far_end() {
        struct Add(f32);
        impl Process for Add {
            fn process(&mut self, frame: &mut Frame, far: Option<&Frame>) {
                let far = far.map_or(0.0, |far| far[0]);
                frame.iter_mut().for_each(|sample| *sample = *sample * 0.5 + self.0 + far);
            }
            fn reset(&mut self) {}
        }
        let mut chain = Chain::new(vec![Box::new(Add(0.2)), Box::new(Add(0.1))]);
        let mut frame = [0.0; 480];
        chain.process(&mut frame, Some(&[0.05; 480]));
        assert!((frame[0] - (0.25 * 0.5 + 0.15)).abs() < 1e-6, "{}", frame[0]);
    }

    #[test]
    fn a_broken_sample_does_not_stay() {
        let mut chain = Chain::default();
        let mut frame = [0.1; 480];
        frame[7] = f32::NAN;
        chain.process(&mut frame, None);
        assert!(frame.iter().all(|sample| sample.is_finite()));
        let mut frame = [0.1; 480];
        chain.process(&mut frame, None);
        assert!(frame[0] != 0.0);
    }
}
