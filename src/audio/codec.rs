//! The codecs: frames to payloads and back, everything inside at 48 kHz mono. Pure; Opus is known nowhere else.
//!
//! Nothing here allocates after construction, panics on what it is fed, or keeps time.

mod conceal;
mod decoder;
mod encoder;
mod toc;

use std::fmt;

pub use decoder::{DECODED_MAX, Decoder};
pub use encoder::{Encode, OpusEncoder, OpusSettings};
pub use toc::{opus_has_lbrr, opus_packet_samples};

use crate::units::{SAMPLE_RATE, SEED_RATE};

/// Rate of PCMU, Hz.
const PCMU_RATE: u32 = 8_000;
/// Longest packet of PCM that is decoded, ms (RFC 3551, 4.2: a receiver should accept up to 200 ms).
const PCM_PACKET_MS_MAX: usize = 200;

/// What a payload is made of.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Codec {
    /// RFC 7587; RTP clock 48 kHz.
    #[default]
    Opus,
    /// Big-endian 16-bit mono at 44.1 kHz (RFC 3551, payload type 11); RTP clock 44.1 kHz.
    L16,
    /// G.711 mu-law, 8 kHz (RFC 3551, payload type 0); RTP clock 8 kHz.
    Pcmu,
    /// The seed's: little-endian 16-bit mono at 44.1 kHz; sequence and time are counted by the receiver.
    Seed,
}

impl Codec {
    /// The RTP clock, Hz.
    #[must_use]
    pub fn clock_rate(self) -> u32 {
        match self {
            Self::Opus => SAMPLE_RATE,
            Self::L16 | Self::Seed => SEED_RATE,
            Self::Pcmu => PCMU_RATE,
        }
    }

    /// How long `payload` lasts, in ticks of [`Codec::clock_rate`]; `None` when it cannot be decoded.
    #[must_use]
    pub fn ticks(self, payload: &[u8]) -> Option<u32> {
        let ticks = match self {
            Self::Opus => return opus_packet_samples(payload).map(|samples| samples as u32),
            Self::L16 | Self::Seed if payload.len().is_multiple_of(2) => payload.len() / 2,
            Self::L16 | Self::Seed => return None,
            Self::Pcmu => payload.len(),
        };
        let longest = self.clock_rate() as usize * PCM_PACKET_MS_MAX / 1_000;
        (1..=longest).contains(&ticks).then_some(ticks as u32)
    }
}

/// Why a payload was not decoded, or a codec not built. For counters; users never see it alone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CodecError {
    /// The payload is not a packet of its codec.
    Malformed,
    /// The output slice is shorter than the packet.
    NoRoom,
    /// The packet holds no redundant copy of the one before it.
    NoFec,
    /// libopus could not make its state (out of memory).
    Unavailable,
}

impl fmt::Display for CodecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "the payload is malformed",
            Self::NoRoom => "the payload is longer than the space for it",
            Self::NoFec => "the payload carries no redundancy",
            Self::Unavailable => "the codec could not be started",
        })
    }
}

impl std::error::Error for CodecError {}
