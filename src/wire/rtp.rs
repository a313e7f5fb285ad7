//! RTP data packets (RFC 3550, 5). Pure; sender and receiver run it.

use super::Malformed;
use super::bytes::Reader;
use crate::units::{RtpTime, Seq, Ssrc};

/// Opus as we send it (RFC 7587); dynamic, so other senders use other numbers.
pub const OPUS_PT: u8 = 111;
/// Redundant audio (RFC 2198) as we send it.
pub const RED_PT: u8 = 63;
/// Retransmissions (RFC 4588) as we send them, between voicetuis only.
pub const RTX_PT: u8 = 62;
/// Before the payload of a retransmission stands its original sequence number (RFC 4588, 4).
pub const OSN_BYTES: usize = 2;
/// L16, 44.1 kHz, mono (RFC 3551, table 4).
pub const L16_PT: u8 = 11;
/// G.711 mu-law, 8 kHz, mono (RFC 3551, table 4).
pub const PCMU_PT: u8 = 0;
/// Bytes of the header that we write: no CSRC, no extension.
pub const HEADER_BYTES: usize = 12;

/// Whether a payload type is one whose meaning is agreed elsewhere (RFC 3551, 3).
#[must_use]
pub fn is_dynamic(payload_type: u8) -> bool {
    (96..=127).contains(&payload_type)
}

/// The stream that carries the retransmissions of `media` (RFC 4588, 4, wants one of its own).
#[must_use]
pub fn rtx_ssrc(media: Ssrc) -> Ssrc {
    Ssrc(media.0.wrapping_add(1))
}

/// The stream whose packets `rtx` carries again.
#[must_use]
pub fn rtx_media(rtx: Ssrc) -> Ssrc {
    Ssrc(rtx.0.wrapping_sub(1))
}

/// The original sequence number and the original payload of a retransmission (RFC 4588, 4). `None`: shorter than that.
#[must_use]
pub fn unwrap_rtx(payload: &[u8]) -> Option<(Seq, &[u8])> {
    let (number, payload) = payload.split_first_chunk::<OSN_BYTES>()?;
    Some((Seq(u16::from_be_bytes(*number)), payload))
}

/// The fixed header, but for version, padding and counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Header {
    /// 0..=127.
    pub payload_type: u8,
    /// First packet of a talk spurt (RFC 3551, 4.1).
    pub marker: bool,
    pub seq: Seq,
    /// In the clock of the payload type.
    pub time: RtpTime,
    pub ssrc: Ssrc,
}

impl Header {
    /// The header as it travels.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; HEADER_BYTES] {
        let mut out = [0; HEADER_BYTES];
        out[0] = 2 << 6;
        out[1] = u8::from(self.marker) << 7 | self.payload_type & 0x7f;
        out[2..4].copy_from_slice(&self.seq.0.to_be_bytes());
        out[4..8].copy_from_slice(&self.time.0.to_be_bytes());
        out[8..].copy_from_slice(&self.ssrc.0.to_be_bytes());
        out
    }

    /// Writes the header to the front of `out` and says where the payload begins: [`HEADER_BYTES`], or 0 if `out` is shorter than
    /// that (nothing is written then).
    pub fn write(&self, out: &mut [u8]) -> usize {
        let Some(front) = out.first_chunk_mut() else { return 0 };
        *front = self.to_bytes();
        HEADER_BYTES
    }
}

/// A packet as it came, borrowed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Packet<'a> {
    pub header: Header,
    /// Without CSRCs, header extension and padding; may be empty.
    pub payload: &'a [u8],
}

impl<'a> Packet<'a> {
    /// Parses one datagram. CSRCs and header extension (RFC 3550, 5.3.1; RFC 8285) are skipped, padding is taken off.
    ///
    /// # Errors
    /// What reaches past the end, or a version other than 2.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader(bytes);
        let first = reader.u8()?;
        let second = reader.u8()?;
        if first >> 6 != 2 {
            return Err(Malformed::Version);
        }
        let header = Header {
            payload_type: second & 0x7f,
            marker: second & 0x80 != 0,
            seq: Seq(reader.u16()?),
            time: RtpTime(reader.u32()?),
            ssrc: Ssrc(reader.u32()?),
        };
        reader.take(usize::from(first & 0x0f) * 4, Malformed::Header)?;
        if first & 0x10 != 0 {
            let front = reader.take(4, Malformed::Header)?;
            let words = u16::from_be_bytes([front[2], front[3]]);
            reader.take(usize::from(words) * 4, Malformed::Header)?;
        }
        let payload = if first & 0x20 == 0 { reader.0 } else { without_padding(reader.0)? };
        Ok(Self { header, payload })
    }
}

/// The last byte counts the padding, itself included (RFC 3550, 5.1).
fn without_padding(bytes: &[u8]) -> Result<&[u8], Malformed> {
    let count = usize::from(*bytes.last().ok_or(Malformed::Padding)?);
    let end = bytes.len().checked_sub(count).ok_or(Malformed::Padding)?;
    if count == 0 { Err(Malformed::Padding) } else { Ok(&bytes[..end]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: [u8; 16] = [0x80, 0xef, 0x12, 0x34, 0xff, 0xff, 0xff, 0xfe, 0xde, 0xad, 0xbe, 0xef, 1, 2, 3, 4];

    fn header() -> Header {
        Header { payload_type: OPUS_PT, marker: true, seq: Seq(0x1234), time: RtpTime(0xffff_fffe), ssrc: Ssrc(0xdead_beef) }
    }

    #[test]
    fn a_packet_is_byte_exact_both_ways() {
        let mut out = [0; 12];
        assert_eq!(header().write(&mut out), HEADER_BYTES);
        assert_eq!(out, PLAIN[..12]);
        assert_eq!(Packet::parse(&PLAIN), Ok(Packet { header: header(), payload: &[1, 2, 3, 4] }));
    }

    #[test]
    fn a_header_is_not_written_where_it_does_not_fit() {
        let mut out = [7; 11];
        assert_eq!(header().write(&mut out), 0);
        assert_eq!(out, [7; 11]);
    }

    #[test]
    fn csrcs_extension_and_padding_are_taken_off() {
        let mut bytes = PLAIN[..12].to_vec();
        bytes[0] = 0x80 | 0x20 | 0x10 | 2;
        bytes.extend([0; 8]);
        bytes.extend([0xbe, 0xde, 0, 1, 9, 9, 9, 9]);
        bytes.extend([1, 2, 3, 0, 0, 3]);
        assert_eq!(Packet::parse(&bytes).map(|packet| packet.payload), Ok(&[1, 2, 3][..]));
    }

    #[test]
    fn what_reaches_past_the_end_is_refused() {
        let with = |first: u8, tail: &[u8]| {
            let mut bytes = PLAIN[..12].to_vec();
            bytes[0] = first;
            bytes.extend(tail);
            Packet::parse(&bytes).map(|packet| packet.payload.len())
        };
        assert_eq!(with(0x8f, &[0; 59]), Err(Malformed::Header), "fifteen CSRCs in the room of fourteen");
        assert_eq!(with(0x8f, &[0; 60]), Ok(0));
        assert_eq!(with(0x90, &[0xbe, 0xde, 0]), Err(Malformed::Header), "half an extension header");
        assert_eq!(with(0x90, &[0xbe, 0xde, 0, 2, 0, 0, 0, 0]), Err(Malformed::Header), "extension past the end");
        assert_eq!(with(0x90, &[0xbe, 0xde, 0xff, 0xff, 0, 0, 0, 0]), Err(Malformed::Header));
        assert_eq!(with(0xa0, &[]), Err(Malformed::Padding), "padding of nothing");
        assert_eq!(with(0xa0, &[0]), Err(Malformed::Padding), "padding that does not count itself");
        assert_eq!(with(0xa0, &[1, 2, 4]), Err(Malformed::Padding), "padding longer than the payload");
        assert_eq!(with(0xa0, &[1, 2, 3]), Ok(0));
        assert_eq!(with(0x40, &[]), Err(Malformed::Version));
        for len in 0..12 {
            assert_eq!(Packet::parse(&PLAIN[..len]), Err(Malformed::Short));
        }
    }

    #[test]
    fn a_retransmission_names_its_packet_and_its_stream() {
        assert_eq!(unwrap_rtx(&[0x12, 0x34, 9, 8]), Some((Seq(0x1234), &[9, 8][..])));
        assert_eq!(unwrap_rtx(&[0xff, 0xff]), Some((Seq(0xffff), &[][..])));
        assert_eq!(unwrap_rtx(&[1]), None);
        assert_eq!(rtx_ssrc(Ssrc(u32::MAX)), Ssrc(0));
        assert_eq!(rtx_media(rtx_ssrc(Ssrc(u32::MAX))), Ssrc(u32::MAX));
    }

    #[test]
    fn dynamic_payload_types_are_96_to_127() {
        assert!(is_dynamic(96) && is_dynamic(127) && is_dynamic(OPUS_PT));
        assert!(!is_dynamic(95) && !is_dynamic(RED_PT) && !is_dynamic(128));
    }
}
