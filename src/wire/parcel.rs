//! Packets in a wrapping of a length that tells nothing: what `--private` seals. Pure; sender and receiver run it.
//!
//! ```text
//!   0      1        3                        +2
//!   +------+--------+---------------+--------+-- ... --+---------------+
//!   |  2   | length | RTP or RTCP   | length |         | 0 to the end  |
//!   +------+--------+---------------+--------+-- ... --+---------------+
//! ```
//! Lengths are big-endian; one of zero, or the end, ends the list. A parcel of nothing is filler. It travels sealed, so
//! that nobody outside sees which it is.

use super::bytes::Reader;
use super::{Malformed, Refused};

/// The first byte, which no RTP or RTCP packet has.
pub const PARCEL: u8 = 2;
/// Packets of one parcel that are looked at: ours hold a few.
pub const PACKETS_MAX: usize = 8;
/// Before the first packet of a parcel, bytes; each further one costs [`LENGTH_BYTES`].
pub const HEADER_BYTES: usize = 1 + LENGTH_BYTES;
pub const LENGTH_BYTES: usize = 2;

/// Whether the opened contents of a datagram are a parcel.
#[must_use]
pub fn is_parcel(bytes: &[u8]) -> bool {
    bytes.first() == Some(&PARCEL)
}

/// Packs into all of a buffer, which may hold anything before.
#[derive(Debug)]
pub struct Parcel<'a> {
    out: &'a mut [u8],
    len: usize,
}

impl<'a> Parcel<'a> {
    pub fn new(out: &'a mut [u8]) -> Self {
        out.fill(0);
        if let Some(first) = out.first_mut() {
            *first = PARCEL;
        }
        Self { out, len: 1 }
    }

    /// Nothing was put in yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 1
    }

    /// Longest packet that still fits.
    #[must_use]
    pub fn room(&self) -> usize {
        self.out.len().saturating_sub(self.len + LENGTH_BYTES)
    }

    /// # Errors
    /// It does not fit; nothing has changed.
    pub fn put(&mut self, packet: &[u8]) -> Result<(), Refused> {
        if packet.is_empty() || packet.len() > self.room() {
            return Err(Refused::Full);
        }
        let length = u16::try_from(packet.len()).map_err(|_| Refused::Full)?;
        let (front, rest) = self.out[self.len..].split_at_mut(LENGTH_BYTES);
        front.copy_from_slice(&length.to_be_bytes());
        rest[..packet.len()].copy_from_slice(packet);
        self.len += LENGTH_BYTES + packet.len();
        Ok(())
    }
}

/// The packets of a parcel, as far as they are whole.
pub fn packets(bytes: &[u8]) -> impl Iterator<Item = &[u8]> + Clone {
    let mut reader = Reader(if is_parcel(bytes) { &bytes[1..] } else { &[] });
    let next = move || {
        let len = reader.u16().ok().filter(|len| *len > 0)?;
        reader.take(usize::from(len), Malformed::Length).ok()
    };
    std::iter::from_fn(next).take(PACKETS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_in_comes_out_and_the_length_is_the_same_whatever_it_is() {
        let mut out = [0xff; 20];
        let parcel = Parcel::new(&mut out);
        assert!(parcel.is_empty() && parcel.room() == 17);
        assert_eq!(packets(&out).count(), 0, "filler");
        let mut parcel = Parcel::new(&mut out);
        assert_eq!((parcel.put(&[0x80; 9]), parcel.put(&[]), parcel.room()), (Ok(()), Err(Refused::Full), 6));
        assert_eq!((parcel.put(&[7; 7]), parcel.put(&[7; 6]), parcel.room()), (Err(Refused::Full), Ok(()), 0));
        assert!(packets(&out).eq([&[0x80; 9][..], &[7; 6]]));
        assert_eq!(out[..4], [PARCEL, 0, 9, 0x80]);
    }

    #[test]
    fn what_is_no_parcel_or_no_whole_one_gives_what_can_be_had() {
        assert_eq!(packets(&[]).count() + packets(&[0x80, 0, 1, 1]).count() + packets(&[PARCEL, 0]).count(), 0);
        assert!(packets(&[PARCEL, 0, 1, 9, 0, 2, 8]).eq([&[9][..]]));
        let many = [&[PARCEL][..], &[0, 1, 5].repeat(100)].concat();
        assert_eq!(packets(&many).count(), PACKETS_MAX);
        assert!(Parcel::new(&mut []).put(&[1]).is_err());
    }
}
