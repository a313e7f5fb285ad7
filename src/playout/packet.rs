//! One received packet, as it travels from the receiver thread to playout. Pure.

use std::time::Instant;

use super::Codec;
use crate::units::{ExtSeq, RtpTime, SEED_BYTES};

/// Largest payload of one packet, bytes.
pub const PAYLOAD_MAX: usize = SEED_BYTES;

/// How a packet came, for the counters.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Origin {
    #[default]
    Media,
    /// A redundant copy (RFC 2198).
    Red,
    /// A retransmission asked for.
    Nack,
}

/// One media packet as playout takes it: owned, fixed size, so that it travels through a ring without allocation.
#[derive(Clone, Debug)]
pub struct Packet {
    /// Changes whenever numbering starts anew (another SSRC, a restarted sender): nothing of the old stream fits.
    pub stream: u32,
    pub seq: ExtSeq,
    /// In the codec's RTP clock.
    pub time: RtpTime,
    /// First of a talk spurt (RFC 3551, 4.1).
    pub marker: bool,
    pub codec: Codec,
    pub origin: Origin,
    pub arrival: Instant,
    len: u16,
    payload: [u8; PAYLOAD_MAX],
}

impl Packet {
    /// `None`: the payload is longer than [`PAYLOAD_MAX`].
    #[must_use]
    pub fn new(stream: u32, seq: ExtSeq, time: RtpTime, codec: Codec, arrival: Instant, payload: &[u8]) -> Option<Self> {
        let mut packet = Self {
            stream,
            seq,
            time,
            marker: false,
            codec,
            origin: Origin::Media,
            arrival,
            len: payload.len() as u16,
            payload: [0; PAYLOAD_MAX],
        };
        packet.payload.get_mut(..payload.len())?.copy_from_slice(payload);
        Some(packet)
    }

    /// The sender is silent, and says so with this (DTX: RFC 6716, 2.1.9; the encoder makes at most 2 bytes of it).
    #[must_use]
    pub fn is_silence(&self) -> bool {
        self.codec == Codec::Opus && self.payload().len() <= 2
    }

    #[must_use]
    pub fn payload(&self) -> &[u8] {
        &self.payload[..usize::from(self.len)]
    }
}
