//! The sealed format's place: its datagram types and the header of a transport datagram. Pure; sender and receiver run it.
//!
//! ```text
//!   0        1                5                              13
//!   +--------+----------------+------------------------------+-------------------------------+
//!   |  type  |   key index    |           counter            |  sealed RTP or RTCP packet    |
//!   |   11   | of the receiver|  top bit: 0 media, 1 control |  and its 16-byte tag          |
//!   +--------+----------------+------------------------------+-------------------------------+
//! ```
//! All of it big-endian; the 13 bytes are the associated data, the counter the nonce. The handshakes' bodies belong to `session`.

use super::Malformed;
use super::bytes::Reader;

/// The first byte of a sealed datagram: 8..=13, which RFC 7983 leaves free.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
pub enum Type {
    Handshake1 = 8,
    Handshake2 = 9,
    Handshake3 = 10,
    Transport = 11,
    Cookie = 12,
    Refusal = 13,
}

impl Type {
    #[must_use]
    pub fn from_byte(byte: u8) -> Option<Self> {
        Some(match byte {
            8 => Self::Handshake1,
            9 => Self::Handshake2,
            10 => Self::Handshake3,
            11 => Self::Transport,
            12 => Self::Cookie,
            13 => Self::Refusal,
            _ => return None,
        })
    }
}

/// Bytes of a transport header.
pub const HEADER_BYTES: usize = 13;
/// Bytes of the authentication tag behind the sealed packet.
pub const TAG_BYTES: usize = 16;
/// Set in the counters of control packets, so that sender and receiver thread each count for themselves under one key.
pub const CONTROL: u64 = 1 << 63;

/// The header of a transport datagram.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// Which of the receiver's keys opens it.
    pub key_index: u32,
    /// Never twice the same under one key; [`CONTROL`] is its class.
    pub counter: u64,
}

impl Header {
    #[must_use]
    pub fn is_control(&self) -> bool {
        self.counter & CONTROL != 0
    }

    /// The header as it travels.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; HEADER_BYTES] {
        let mut out = [0; HEADER_BYTES];
        out[0] = Type::Transport as u8;
        out[1..5].copy_from_slice(&self.key_index.to_be_bytes());
        out[5..].copy_from_slice(&self.counter.to_be_bytes());
        out
    }

    /// Writes the header to the front of `out` and says where the sealed packet begins: [`HEADER_BYTES`], or 0 if `out` is shorter
    /// than that (nothing is written then).
    pub fn write(&self, out: &mut [u8]) -> usize {
        let Some(front) = out.first_chunk_mut() else { return 0 };
        *front = self.to_bytes();
        HEADER_BYTES
    }

    /// Parses a transport datagram: the header, and the sealed packet with its tag.
    ///
    /// # Errors
    /// Another type, or too short to hold a tag.
    pub fn parse(bytes: &[u8]) -> Result<(Self, &[u8]), Malformed> {
        let mut reader = Reader(bytes);
        if reader.u8()? != Type::Transport as u8 {
            return Err(Malformed::Type);
        }
        let header = Self { key_index: reader.u32()?, counter: reader.u64()? };
        if reader.0.len() < TAG_BYTES {
            return Err(Malformed::Short);
        }
        Ok((header, reader.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exactly_eight_to_thirteen_are_sealed() {
        for byte in 0..=255 {
            assert_eq!(Type::from_byte(byte).map(|kind| kind as u8), (8..=13).contains(&byte).then_some(byte));
        }
    }

    #[test]
    fn a_transport_header_is_byte_exact_both_ways() {
        let header = Header { key_index: 0x0102_0304, counter: CONTROL | 5 };
        let mut bytes = [0; HEADER_BYTES + TAG_BYTES];
        assert_eq!(header.write(&mut bytes), HEADER_BYTES);
        assert_eq!(bytes[..13], [11, 1, 2, 3, 4, 0x80, 0, 0, 0, 0, 0, 0, 5]);
        assert_eq!(Header::parse(&bytes), Ok((header, &bytes[HEADER_BYTES..])));
        assert!(header.is_control());
        assert_eq!(Header::parse(&bytes[..28]), Err(Malformed::Short));
        assert_eq!(header.write(&mut [0; 12]), 0);
    }
}
