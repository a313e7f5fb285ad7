//! Frames, and what is done to them: codecs, mixing, resampling, metering, gating. Pure.

pub mod chirp;
pub mod codec;
pub mod earcon;
pub mod gate;
pub mod limiter;
pub mod meter;
pub mod mixer;
pub mod process;
pub mod resample;
pub mod vad;
pub mod voice;

use crate::units::FRAME_SAMPLES;

/// 10 ms of 48 kHz mono.
pub type Frame = [f32; FRAME_SAMPLES];

/// Silence.
pub const SILENT_FRAME: Frame = [0.0; FRAME_SAMPLES];
