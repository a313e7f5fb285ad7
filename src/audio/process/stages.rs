//! Echo cancellation and noise suppression: WebRTC's, from the crate `sonora`. Both allocate; for the sender thread.

use sonora::config::{MaxProcessingRate, NoiseSuppression, NoiseSuppressionLevel, Pipeline};
use sonora::{AudioProcessing, Config, StreamConfig};

use super::stage::Process;
use crate::audio::{Frame, SILENT_FRAME};
use crate::units::SAMPLE_RATE;

fn make(config: Config) -> AudioProcessing {
    // The default stops at 32 kHz, and takes away what is above 16.
    let pipeline = Pipeline { maximum_internal_processing_rate: MaxProcessingRate::Rate48kHz, ..Pipeline::default() };
    let stream = StreamConfig::new(SAMPLE_RATE, 1);
    AudioProcessing::builder().config(Config { pipeline, ..config }).capture_config(stream).build()
}

/// What goes on behind a voice is made quieter: by up to 18 dB, what does not change most of all.
pub struct Noise {
    suppressor: AudioProcessing,
    scratch: Frame,
}

impl Noise {
    #[must_use]
    pub fn new() -> Self {
        let noise_suppression = Some(NoiseSuppression { level: NoiseSuppressionLevel::High, ..NoiseSuppression::default() });
        Self { suppressor: make(Config { noise_suppression, ..Config::default() }), scratch: SILENT_FRAME }
    }
}

impl Default for Noise {
    fn default() -> Self {
        Self::new()
    }
}

impl Process for Noise {
    const DELAY_SAMPLES: usize = 332;

    fn process(&mut self, frame: &mut Frame, _far: Option<&Frame>) {
        if self.suppressor.process_capture_f32(&[frame], &mut [&mut self.scratch]).is_ok() {
            frame.copy_from_slice(&self.scratch);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::echo::Echo;
    use super::*;
    use crate::audio::process::testing::white;

    /// How much later what leaves is like what came, samples.
    fn measured_delay(stage: &mut impl Process) -> usize {
        // Noise that comes and goes, or it would be taken for the room's.
        let came: Vec<f32> =
            white(3, 7).iter().enumerate().map(|(n, sample)| if n / 9_600 % 2 == 0 { sample * 0.1 } else { 0.0 }).collect();
        let mut left = came.clone();
        left.as_chunks_mut::<480>().0.iter_mut().for_each(|frame| stage.process(frame, None));
        let alike = |lag: usize| (48_000..came.len() - 960).map(|n| f64::from(came[n]) * f64::from(left[n + lag])).sum::<f64>();
        (0..960).max_by(|a, b| alike(*a).total_cmp(&alike(*b))).expect("lags")
    }

    #[test]
    fn their_delays_are_what_they_say() {
        let near = |measured: usize, said: usize| assert!(measured.abs_diff(said) <= 5, "{measured} samples, said {said}");
        near(measured_delay(&mut Echo::new()), Echo::DELAY_SAMPLES);
        near(measured_delay(&mut Noise::new()), Noise::DELAY_SAMPLES);
    }
}
