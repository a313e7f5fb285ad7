//! Frames to payloads. Pure; runs on the sender thread.

use opus::{Application, Bitrate, Channels, Encoder};

use super::CodecError;
use crate::units::{FRAME_SAMPLES, SAMPLE_RATE};

/// Turns samples at 48 kHz into payloads.
pub trait Encode {
    /// Samples that [`Encode::encode`] wants at once.
    fn frame_samples(&self) -> usize;

    /// Encodes one frame; returns the payload's length in `out`. 0: nothing to send (a frame of another length, no room).
    fn encode(&mut self, frame: &[f32], out: &mut [u8]) -> usize;

    /// Samples by which the decoded voice comes later than it went in, beyond the frame itself.
    fn lookahead_samples(&self) -> usize;

    /// Forgets the past: a new talk spurt.
    fn reset(&mut self);
}

/// How the Opus encoder is set up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OpusSettings {
    /// Bit/s, 6,000..=510,000.
    pub bitrate: u32,
    /// 480 or 960.
    pub frame_samples: usize,
    /// 0..=10.
    pub complexity: u8,
    /// What the encoder should arm itself against, percent.
    pub expected_loss_percent: u8,
    /// Low-bitrate copies of the frame before (LBRR); they come only with an expected loss above 0.
    pub inband_fec: bool,
    /// Constant bit rate: lengths tell nothing about what is said.
    pub constant_bitrate: bool,
    /// As it was, rather than as well understood as can be (libopus's application "audio", not "voip"): for what is kept.
    pub faithful: bool,
}

impl Default for OpusSettings {
    fn default() -> Self {
        Self {
            bitrate: 48_000,
            frame_samples: FRAME_SAMPLES,
            complexity: 9,
            expected_loss_percent: 0,
            inband_fec: false,
            constant_bitrate: false,
            faithful: false,
        }
    }
}

/// Opus for voice (RFC 6716), mono at 48 kHz, no DTX: silence on air is sent as such.
#[derive(Debug)]
pub struct OpusEncoder {
    inner: Encoder,
    settings: OpusSettings,
    lookahead: usize,
}

impl OpusEncoder {
    /// # Errors
    /// [`CodecError::Unavailable`]: a frame that is neither 480 nor 960 samples, or no memory.
    pub fn new(settings: OpusSettings) -> Result<Self, CodecError> {
        if ![FRAME_SAMPLES, 2 * FRAME_SAMPLES].contains(&settings.frame_samples) {
            return Err(CodecError::Unavailable);
        }
        let application = if settings.faithful { Application::Audio } else { Application::Voip };
        let mut inner = Encoder::new(SAMPLE_RATE, Channels::Mono, application).map_err(|_| CodecError::Unavailable)?;
        let set = inner
            .set_complexity(i32::from(settings.complexity.min(10)))
            .and_then(|()| inner.set_vbr(!settings.constant_bitrate))
            .and_then(|()| inner.set_vbr_constraint(true))
            .and_then(|()| inner.set_dtx(false));
        set.map_err(|_| CodecError::Unavailable)?;
        let lookahead = inner.get_lookahead().map_err(|_| CodecError::Unavailable)?;
        let mut encoder = Self { inner, settings, lookahead: usize::try_from(lookahead).unwrap_or(0) };
        encoder.set_bitrate(settings.bitrate);
        encoder.set_expected_loss(settings.expected_loss_percent);
        encoder.set_inband_fec(settings.inband_fec);
        Ok(encoder)
    }

    #[must_use]
    pub fn settings(&self) -> &OpusSettings {
        &self.settings
    }

    /// Bit/s; clamped to what Opus can do.
    pub fn set_bitrate(&mut self, bitrate: u32) {
        self.settings.bitrate = bitrate.clamp(6_000, 510_000);
        let _ = self.inner.set_bitrate(Bitrate::Bits(self.settings.bitrate as i32));
    }

    /// Percent; clamped to 100.
    pub fn set_expected_loss(&mut self, percent: u8) {
        self.settings.expected_loss_percent = percent.min(100);
        let _ = self.inner.set_packet_loss_perc(i32::from(self.settings.expected_loss_percent));
    }

    /// Constant or variable bit rate, from the next frame on.
    pub fn set_constant_bitrate(&mut self, on: bool) {
        self.settings.constant_bitrate = on;
        let _ = self.inner.set_vbr(!on);
    }

    pub fn set_inband_fec(&mut self, on: bool) {
        self.settings.inband_fec = on;
        let _ = self.inner.set_inband_fec(on);
    }
}

impl Encode for OpusEncoder {
    fn frame_samples(&self) -> usize {
        self.settings.frame_samples
    }

    fn encode(&mut self, frame: &[f32], out: &mut [u8]) -> usize {
        if frame.len() != self.settings.frame_samples {
            return 0;
        }
        self.inner.encode_float(frame, out).unwrap_or(0)
    }

    fn lookahead_samples(&self) -> usize {
        self.lookahead
    }

    fn reset(&mut self) {
        let _ = self.inner.reset_state();
    }
}

#[cfg(test)]
mod tests {
    use super::super::{opus_has_lbrr, opus_packet_samples};
    use super::*;

    fn voiced(n: usize) -> f32 {
        let t = n as f32 / 48_000.0;
        (1..12).map(|k| (t * 140.0 * k as f32 * std::f32::consts::TAU).sin() / k as f32).sum::<f32>() * 0.15
    }

    #[test]
    fn frames_of_both_lengths_become_packets_of_that_length() {
        for frame_samples in [480, 960] {
            let mut encoder = OpusEncoder::new(OpusSettings { frame_samples, ..OpusSettings::default() }).expect("an encoder");
            let frame: Vec<f32> = (0..frame_samples).map(voiced).collect();
            let mut out = [0; 1_200];
            let len = encoder.encode(&frame, &mut out);
            assert_eq!(opus_packet_samples(&out[..len]), Some(frame_samples));
            assert_eq!(encoder.lookahead_samples(), 312);
            assert_eq!(encoder.encode(&frame[1..], &mut out), 0);
            assert_eq!(encoder.encode(&frame, &mut []), 0);
        }
        assert!(OpusEncoder::new(OpusSettings { frame_samples: 441, ..OpusSettings::default() }).is_err());
    }

    #[test]
    fn constant_bit_rate_hides_the_speech_in_equal_lengths() {
        let settings = OpusSettings { constant_bitrate: true, bitrate: 32_000, ..OpusSettings::default() };
        let mut encoder = OpusEncoder::new(settings).expect("an encoder");
        let mut out = [0; 1_200];
        for block in 0..50 {
            let loud = if block < 25 { 1.0 } else { 0.0 };
            let frame: Vec<f32> = (0..480).map(|n| voiced(block * 480 + n) * loud).collect();
            assert_eq!(encoder.encode(&frame, &mut out), 40);
        }
    }

    #[test]
    fn redundancy_is_written_when_losses_are_expected() {
        let settings =
            OpusSettings { bitrate: 32_000, expected_loss_percent: 20, inband_fec: true, frame_samples: 960, ..OpusSettings::default() };
        let mut encoder = OpusEncoder::new(settings).expect("an encoder");
        let mut out = [0; 1_200];
        let with_copy = (0..50).filter(|block| {
            let frame: Vec<f32> = (0..960).map(|n| voiced(block * 960 + n)).collect();
            let len = encoder.encode(&frame, &mut out);
            opus_has_lbrr(&out[..len])
        });
        let copies = with_copy.count();
        assert!(copies >= 20, "{copies} of 50");
    }
}
