//! Frames, and what is done to them: codecs, mixing, resampling, metering, gating. Pure.

pub mod codec;
pub mod resample;

use crate::units::FRAME_SAMPLES;

/// 10 ms of 48 kHz mono.
pub type Frame = [f32; FRAME_SAMPLES];
