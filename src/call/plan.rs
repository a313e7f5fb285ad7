//! What the receiver thread tells the sender about one peer, and what the sender tells back. Pure.

use std::net::SocketAddr;
use std::time::Instant;

use crate::session::Seal;
use crate::session::keys::OVERHEAD;
use crate::units::{Format, MAX_DATAGRAM, RtpTime, Seq, Ssrc};
use crate::wire::{parcel, rtp};

/// Copies of a frame that travel with later packets, at most.
pub const COPIES_MAX: usize = 4;
/// Packets back that the farthest copy lies, at most.
pub const REACH_MAX: usize = 8;
/// Copies that a private flow has room for.
pub const PRIVATE_COPIES: u8 = 2;
/// Packets that one request can ask for again: what the sender remembers.
pub const RESEND_MAX: usize = 32;

/// How to send to one peer. The latest plan replaces the one before; the stream goes on unless `ssrc` changed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SendPlan {
    pub address: SocketAddr,
    pub format: Format,
    /// Another one starts a new stream (RFC 3550, 8.2).
    pub ssrc: Ssrc,
    /// RTP payload type of our Opus.
    pub payload_type: u8,
    /// So many earlier frames travel again with each packet (RFC 2198), 0..=4; 0: no RED.
    pub redundancy: u8,
    /// Packets back of the farthest of them, up to [`REACH_MAX`]; the others are spread between. 0: the packets just before.
    pub reach: u8,
    /// Opus bit rate, bit/s; the lowest of all plans counts, since all peers share one encoder.
    pub bitrate: u32,
    /// 10 or 20; the longest of all plans counts.
    pub frame_ms: u32,
    /// Packet loss that the encoder prepares for, percent; the highest of all plans counts.
    pub expected_loss_percent: u8,
    /// What guards the datagrams.
    pub seal: Seal,
    /// Whether anybody talks or not, a datagram of so many bytes before it is sealed leaves for each frame; 0: as it comes.
    pub steady_bytes: usize,
    /// The stream begins with the next talk spurt: what is being said now is for a call that was to be sealed.
    pub from_next_spurt: bool,
}

/// Bytes of each datagram of a private flow, before it is sealed: room for a packet with its copies, or for as many packets without
/// any, at the start of a spurt.
#[must_use]
pub fn steady_bytes(bitrate: u32, frame_ms: u32) -> usize {
    let payload = (u64::from(bitrate) * u64::from(frame_ms)).div_ceil(8_000) as usize;
    let packets = usize::from(PRIVATE_COPIES) + 1;
    let wanted = parcel::HEADER_BYTES + packets * (parcel::LENGTH_BYTES + rtp::HEADER_BYTES + payload);
    wanted.min(MAX_DATAGRAM - OVERHEAD)
}

/// How many packets back the copies lie, nearest first: `copies` of them spread over `reach`.
pub fn spread(copies: u8, reach: u8) -> impl DoubleEndedIterator<Item = usize> + Clone {
    let copies = usize::from(copies).min(COPIES_MAX);
    let reach = usize::from(reach).clamp(copies, REACH_MAX);
    (1..=copies).map(move |n| n * reach / copies)
}

/// Packets that a peer misses and asks for (RFC 4585, 6.2.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Resend {
    seqs: [Seq; RESEND_MAX],
    len: usize,
}

impl Resend {
    /// The first [`RESEND_MAX`] different ones; `None` if there are none.
    #[must_use]
    pub fn new(lost: impl Iterator<Item = Seq>) -> Option<Self> {
        let mut resend = Self { seqs: [Seq(0); RESEND_MAX], len: 0 };
        // A NACK is as long as a datagram: what it repeats is passed over, but not for ever.
        for seq in lost.take(4 * RESEND_MAX) {
            if resend.len < RESEND_MAX && !resend.seqs().contains(&seq) {
                resend.seqs[resend.len] = seq;
                resend.len += 1;
            }
        }
        (resend.len > 0).then_some(resend)
    }

    #[must_use]
    pub fn seqs(&self) -> &[Seq] {
        &self.seqs[..self.len]
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_are_spread_over_the_reach() {
        for (copies, reach, want) in [
            (0, 6, &[][..]),
            (1, 0, &[1]),
            (1, 2, &[2]),
            (2, 0, &[1, 2]),
            (2, 3, &[1, 3]),
            (3, 4, &[1, 2, 4]),
            (3, 6, &[2, 4, 6]),
            (4, 0, &[1, 2, 3, 4]),
            (4, 6, &[1, 3, 4, 6]),
            (4, 200, &[2, 4, 6, 8]),
            (99, 1, &[1, 2, 3, 4]),
        ] {
            assert!(spread(copies, reach).eq(want.iter().copied()), "{copies} copies over {reach}");
        }
    }

    #[test]
    fn a_request_is_bounded_and_names_each_packet_once() {
        assert_eq!(Resend::new(std::iter::empty()), None);
        let some = Resend::new([3, 3, 4].into_iter().map(Seq)).expect("two");
        assert_eq!(some.seqs(), [Seq(3), Seq(4)]);
        let all = Resend::new((0..=u16::MAX).map(Seq)).expect("many");
        assert_eq!(all.seqs().len(), RESEND_MAX);
    }
}
