//! What the receiver thread tells the sender about one peer, and what the sender tells back. Pure.

use std::net::SocketAddr;
use std::time::Instant;

use crate::session::Seal;
use crate::units::{Format, RtpTime, Ssrc};

/// How to send to one peer. The latest plan replaces the one before; the stream goes on unless `ssrc` changed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SendPlan {
    pub address: SocketAddr,
    pub format: Format,
    /// Another one starts a new stream (RFC 3550, 8.2).
    pub ssrc: Ssrc,
    /// RTP payload type of our Opus.
    pub payload_type: u8,
    /// The last so many frames travel again with each packet (RFC 2198), 0..=4; 0: no RED.
    pub redundancy: u8,
    /// Opus bit rate, bit/s; the lowest of all plans counts, since all peers share one encoder.
    pub bitrate: u32,
    /// 10 or 20; the longest of all plans counts.
    pub frame_ms: u32,
    /// Packet loss that the encoder prepares for, percent; the highest of all plans counts.
    pub expected_loss_percent: u8,
    /// What guards the datagrams.
    pub seal: Seal,
}

/// What has been sent to one peer under its current SSRC, for the sender reports (RFC 3550, 6.4.1), and in all.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SentCounts {
    pub ssrc: Ssrc,
    /// Packets and payload octets under the current SSRC, wrapping as the report's fields do.
    pub packets: u32,
    pub octets: u32,
    /// Datagrams, and bytes of UDP payload, since the peer took its slot.
    pub total_packets: u64,
    pub total_bytes: u64,
    /// RTP time of the latest packet's first sample, and when that sample entered the microphone's buffer.
    pub last: Option<(RtpTime, Instant)>,
}
