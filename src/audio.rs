//! Frames, and what is done to them: codecs, mixing, resampling, metering, gating. Pure.

use crate::units::FRAME_SAMPLES;

/// 10 ms of 48 kHz mono.
pub type Frame = [f32; FRAME_SAMPLES];
