//! Redundant audio: older frames again beside the newest (RFC 2198). Pure; sender and receiver run it.

use super::bytes::{Out, Reader};
use super::rtp::RED_PT;
use super::{Malformed, Refused};

/// Largest offset that the 14 bits can say, in ticks of the RTP clock (341 ms at 48 kHz).
pub const OFFSET_MAX: u16 = (1 << 14) - 1;
/// Longest redundant block that the 10 bits can say, bytes. The primary may be longer.
pub const BLOCK_MAX: usize = (1 << 10) - 1;
/// Blocks in a packet, primary included: more than any sender has a use for, few enough to bound the work.
pub const BLOCKS_MAX: usize = 16;

/// One frame of a redundant packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Block<'a> {
    /// 0..=127, never [`RED_PT`].
    pub payload_type: u8,
    /// Ticks before the packet's RTP time; 0 for the primary, which is the last block.
    pub offset: u16,
    pub payload: &'a [u8],
}

/// Packs `blocks`, oldest first, the primary last, into the payload of a RED packet; says how many bytes.
///
/// # Errors
/// No block or more than [`BLOCKS_MAX`], an offset or a length that does not fit its field, a primary with an offset, RED in RED, or
/// a full `out`.
pub fn pack<'a, I>(out: &mut [u8], blocks: I) -> Result<usize, Refused>
where
    I: IntoIterator<Item = Block<'a>>,
    I::IntoIter: Clone,
{
    let blocks = blocks.into_iter();
    let count = blocks.clone().take(BLOCKS_MAX + 1).count();
    if count == 0 || count > BLOCKS_MAX {
        return Err(Refused::Count);
    }
    let mut out = Out::new(out);
    for (at, block) in blocks.clone().enumerate() {
        if block.payload_type > 0x7f || block.payload_type == RED_PT {
            return Err(Refused::PayloadType);
        }
        if at + 1 == count {
            if block.offset != 0 {
                return Err(Refused::Offset);
            }
            out.u8(block.payload_type)?;
        } else {
            if block.offset > OFFSET_MAX {
                return Err(Refused::Offset);
            }
            if block.payload.len() > BLOCK_MAX {
                return Err(Refused::Length);
            }
            let low = u32::from(block.offset) << 10 | block.payload.len() as u32;
            out.u32(1 << 31 | u32::from(block.payload_type) << 24 | low)?;
        }
    }
    for block in blocks {
        out.put(block.payload)?;
    }
    Ok(out.len())
}

/// Opens the payload of a RED packet: its blocks oldest first (as they were sent), the primary last. All is checked before the
/// first block comes out.
///
/// # Errors
/// A chain of headers without an end or of more than [`BLOCKS_MAX`], a block past the end, RED in RED.
pub fn unpack(payload: &[u8]) -> Result<Blocks<'_>, Malformed> {
    let mut reader = Reader(payload);
    let mut claimed = 0;
    for _ in 0..BLOCKS_MAX {
        let first = reader.u8().map_err(|_| Malformed::Chain)?;
        if first & 0x7f == RED_PT {
            return Err(Malformed::Nested);
        }
        if first & 0x80 == 0 {
            if claimed > reader.0.len() {
                return Err(Malformed::Length);
            }
            return Ok(Blocks { headers: payload, payloads: reader.0 });
        }
        let rest = reader.take(3, Malformed::Chain)?;
        claimed += usize::from(u16::from_be_bytes([rest[1], rest[2]])) & BLOCK_MAX;
    }
    Err(Malformed::Chain)
}

/// The blocks of a packet that [`unpack`] found whole.
#[derive(Clone, Debug)]
pub struct Blocks<'a> {
    /// From the next header on; empty after the primary.
    headers: &'a [u8],
    payloads: &'a [u8],
}

impl<'a> Iterator for Blocks<'a> {
    type Item = Block<'a>;

    fn next(&mut self) -> Option<Block<'a>> {
        let first = *self.headers.first()?;
        let payload_type = first & 0x7f;
        if first & 0x80 == 0 {
            self.headers = &[];
            return Some(Block { payload_type, offset: 0, payload: self.payloads });
        }
        let (header, headers) = self.headers.split_first_chunk::<4>()?;
        let word = u32::from_be_bytes(*header);
        let (payload, payloads) = self.payloads.split_at_checked(word as usize & BLOCK_MAX)?;
        (self.headers, self.payloads) = (headers, payloads);
        Some(Block { payload_type, offset: (word >> 10) as u16 & OFFSET_MAX, payload })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(offset: u16, payload: &[u8]) -> Block<'_> {
        Block { payload_type: 111, offset, payload }
    }

    #[test]
    fn a_packet_is_byte_exact_both_ways() {
        let blocks = [block(960, &[1, 2, 3]), block(480, &[]), block(0, &[4, 5])];
        let mut out = [0; 64];
        let len = pack(&mut out, blocks).unwrap();
        let want = [0xef, 0x0f, 0x00, 0x03, 0xef, 0x07, 0x80, 0x00, 0x6f, 1, 2, 3, 4, 5];
        assert_eq!(out[..len], want);
        assert!(unpack(&want).unwrap().eq(blocks));
    }

    #[test]
    fn the_largest_fields_survive() {
        let long = [9; BLOCK_MAX];
        let blocks = [block(OFFSET_MAX, &long), block(0, &[])];
        let mut out = [0; 1_100];
        let len = pack(&mut out, blocks).unwrap();
        assert!(unpack(&out[..len]).unwrap().eq(blocks));
    }

    #[test]
    fn what_the_fields_cannot_say_is_not_written() {
        let mut out = [0; 2_000];
        let long = [0; BLOCK_MAX + 1];
        assert_eq!(pack(&mut out, [block(OFFSET_MAX + 1, &[]), block(0, &[])]), Err(Refused::Offset));
        assert_eq!(pack(&mut out, [block(1, &[])]), Err(Refused::Offset), "a primary of the past");
        assert_eq!(pack(&mut out, [block(1, &long), block(0, &[])]), Err(Refused::Length));
        assert_eq!(pack(&mut out, [Block { payload_type: RED_PT, ..block(0, &[]) }]), Err(Refused::PayloadType));
        assert_eq!(pack(&mut out, [Block { payload_type: 128, ..block(0, &[]) }]), Err(Refused::PayloadType));
        assert_eq!(pack(&mut out, []), Err(Refused::Count));
        assert_eq!(pack(&mut out, [block(0, &[]); BLOCKS_MAX + 1]), Err(Refused::Count));
        assert_eq!(pack(&mut out[..6], [block(1, &[1]), block(0, &[2])]), Err(Refused::Full));
    }

    #[test]
    fn bad_chains_are_refused() {
        for (bytes, why) in [
            (&[][..], Malformed::Chain),
            (&[0xef, 0, 0], Malformed::Chain),
            (&[0xef, 0, 0, 0], Malformed::Chain),
            (&[0xef, 0x07, 0x80, 0x03, 0x6f, 1, 2], Malformed::Length),
            (&[0xef, 0, 0, 2, 0xef, 0, 0, 2, 0x6f, 1, 2, 3], Malformed::Length),
            (&[RED_PT, 1, 2], Malformed::Nested),
            (&[0x80 | RED_PT, 0, 0, 0, 0x6f], Malformed::Nested),
            (&[0xef; 4_000], Malformed::Chain),
        ] {
            assert_eq!(unpack(bytes).map(Iterator::count), Err(why), "{bytes:?}");
        }
    }

    #[test]
    fn a_lone_primary_may_be_empty() {
        assert!(unpack(&[111]).unwrap().eq([block(0, &[])]));
    }
}
