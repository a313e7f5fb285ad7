//! RTCP compound packets (RFC 3550, 6), reduced-size too (RFC 5506): reading them. Pure; the receiver runs it.

mod sdes;
mod writer;

use std::time::Duration;

pub use sdes::{Chunk, Sdes, SdesItem, SdesItems};
pub use writer::{SenderInfo, Writer};

use super::bytes::Reader;
use super::{Malformed, xr};
use crate::units::{RtpTime, Seq, Ssrc};

const SR: u8 = 200;
const RR: u8 = 201;
const SDES: u8 = 202;
const BYE: u8 = 203;
const APP: u8 = 204;
const RTPFB: u8 = 205;
const XR: u8 = 207;
/// Feedback format of the generic NACK (RFC 4585, 6.2.1).
const NACK: u8 = 1;
/// Bytes of a report block.
const BLOCK_BYTES: usize = 24;

/// NTP seconds (since 1900) at the Unix epoch (1970).
pub const NTP_UNIX_OFFSET: u64 = 2_208_988_800;

/// The 64-bit NTP timestamp of a moment given as time since the Unix epoch.
#[must_use]
pub fn ntp_from_unix(since_epoch: Duration) -> u64 {
    let fraction = (u64::from(since_epoch.subsec_nanos()) << 32) / 1_000_000_000;
    (since_epoch.as_secs().wrapping_add(NTP_UNIX_OFFSET) << 32) | fraction
}

/// The middle 32 bits of an NTP timestamp, in 1/65,536 s: what `last_sr` carries.
#[must_use]
pub fn ntp_middle(ntp: u64) -> u32 {
    (ntp >> 16) as u32
}

/// A duration in 1/65,536 s, as `delay_since_last_sr` carries it; saturates.
#[must_use]
pub fn ntp_units(duration: Duration) -> u32 {
    u32::try_from((duration.as_nanos() << 16) / 1_000_000_000).unwrap_or(u32::MAX)
}

/// The round trip of a report block that arrived at `now` (middle 32 bits; RFC 3550, 6.4.1). `None`: the peer has no report of ours
/// yet, or its figures are impossible (more than a minute, or below zero by more than clock granularity).
#[must_use]
pub fn round_trip(now: u32, block: &ReportBlock) -> Option<Duration> {
    if block.last_sr == 0 {
        return None;
    }
    let units = now.wrapping_sub(block.last_sr).wrapping_sub(block.delay_since_last_sr).cast_signed();
    if !(-66..60 << 16).contains(&units) {
        return None;
    }
    Some(Duration::from_nanos((units.max(0).cast_unsigned() as u64 * 1_000_000_000) >> 16))
}

/// What one side says of the reception of one source (RFC 3550, 6.4.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ReportBlock {
    /// The source that this is about.
    pub ssrc: Ssrc,
    /// Since the last report, 1/256.
    pub fraction_lost: u8,
    /// 24 bits, signed: duplicates can make it negative.
    pub cumulative_lost: i32,
    /// Highest sequence number, with its wraps in the upper half.
    pub highest_seq: u32,
    /// In ticks of the RTP clock.
    pub jitter: u32,
    /// [`ntp_middle`] of the last sender report, 0 for none.
    pub last_sr: u32,
    /// In 1/65,536 s.
    pub delay_since_last_sr: u32,
}

impl ReportBlock {
    fn parse(bytes: &[u8; BLOCK_BYTES]) -> Result<Self, Malformed> {
        let mut reader = Reader(bytes);
        let ssrc = Ssrc(reader.u32()?);
        let lost = reader.u32()?;
        Ok(Self {
            ssrc,
            fraction_lost: (lost >> 24) as u8,
            // The shifts carry the sign of the 24 bits into the 32.
            cumulative_lost: (lost << 8).cast_signed() >> 8,
            highest_seq: reader.u32()?,
            jitter: reader.u32()?,
            last_sr: reader.u32()?,
            delay_since_last_sr: reader.u32()?,
        })
    }
}

/// The report blocks of one report.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Blocks<'a>(&'a [[u8; BLOCK_BYTES]]);

impl Iterator for Blocks<'_> {
    type Item = ReportBlock;

    fn next(&mut self) -> Option<ReportBlock> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        ReportBlock::parse(first).ok()
    }
}

/// What a sender says of itself, and of what it hears (RFC 3550, 6.4.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SenderReport<'a> {
    pub ssrc: Ssrc,
    /// When this was sent, by the sender's clock.
    pub ntp: u64,
    /// The same moment in RTP time.
    pub rtp: RtpTime,
    /// Sent since the stream began.
    pub packets: u32,
    /// Payload bytes sent since the stream began.
    pub octets: u32,
    pub blocks: Blocks<'a>,
}

/// What somebody hears who sends nothing (RFC 3550, 6.4.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReceiverReport<'a> {
    pub ssrc: Ssrc,
    pub blocks: Blocks<'a>,
}

/// Sources that leave (RFC 3550, 6.6).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bye<'a> {
    ssrcs: &'a [[u8; 4]],
    /// A peer's text: see [`super::printable`].
    pub reason: Option<&'a [u8]>,
}

impl<'a> Bye<'a> {
    pub fn ssrcs(&self) -> impl Iterator<Item = Ssrc> + use<'a> {
        self.ssrcs.iter().map(|bytes| Ssrc(u32::from_be_bytes(*bytes)))
    }
}

/// An application's own packet (RFC 3550, 6.7); ours is read by [`super::app`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct App<'a> {
    pub ssrc: Ssrc,
    pub name: [u8; 4],
    /// 5 bits.
    pub subtype: u8,
    pub data: &'a [u8],
}

/// An extended report (RFC 3611).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Xr<'a> {
    /// Who reports.
    pub ssrc: Ssrc,
    pub blocks: xr::Blocks<'a>,
}

/// Packets that somebody misses (generic NACK, RFC 4585, 6.2.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Nack<'a> {
    /// Who misses them.
    pub ssrc: Ssrc,
    /// Whose they are.
    pub media: Ssrc,
    entries: &'a [[u8; 4]],
}

impl<'a> Nack<'a> {
    /// The sequence numbers asked for.
    pub fn lost(&self) -> impl Iterator<Item = Seq> + use<'a> {
        self.entries.iter().flat_map(|[a, b, c, d]| {
            let first = u16::from_be_bytes([*a, *b]);
            let following = u16::from_be_bytes([*c, *d]);
            let bits = (0..16).filter(move |bit| following >> bit & 1 != 0).map(move |bit| first.wrapping_add(bit + 1));
            std::iter::once(first).chain(bits).map(Seq)
        })
    }
}

/// One packet of a compound.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Item<'a> {
    SenderReport(SenderReport<'a>),
    ReceiverReport(ReceiverReport<'a>),
    Sdes(Sdes<'a>),
    Bye(Bye<'a>),
    App(App<'a>),
    Xr(Xr<'a>),
    Nack(Nack<'a>),
    /// A packet type, or a kind of feedback, that we have no use for.
    Unknown(u8),
}

impl<'a> Item<'a> {
    fn parse(raw: Raw<'a>) -> Result<Self, Malformed> {
        let mut reader = Reader(raw.body);
        Ok(match raw.packet_type {
            SR => Self::SenderReport(SenderReport {
                ssrc: Ssrc(reader.u32()?),
                ntp: reader.u64()?,
                rtp: RtpTime(reader.u32()?),
                packets: reader.u32()?,
                octets: reader.u32()?,
                blocks: blocks(reader, raw.count)?,
            }),
            RR => Self::ReceiverReport(ReceiverReport { ssrc: Ssrc(reader.u32()?), blocks: blocks(reader, raw.count)? }),
            SDES => Self::Sdes(Sdes::parse(raw.body, raw.count)?),
            BYE => {
                let ssrcs = words(reader.take(usize::from(raw.count) * 4, Malformed::Length)?);
                let reason = match reader.u8() {
                    Ok(len) => Some(reader.take(usize::from(len), Malformed::Length)?),
                    Err(_) => None,
                };
                Self::Bye(Bye { ssrcs, reason })
            }
            APP => Self::App(App { ssrc: Ssrc(reader.u32()?), name: reader.u32()?.to_be_bytes(), subtype: raw.count, data: reader.0 }),
            RTPFB if raw.count == NACK => {
                Self::Nack(Nack { ssrc: Ssrc(reader.u32()?), media: Ssrc(reader.u32()?), entries: words(reader.0) })
            }
            XR => Self::Xr(Xr { ssrc: Ssrc(reader.u32()?), blocks: xr::Blocks::parse(reader.0)? }),
            other => Self::Unknown(other),
        })
    }
}

/// The report blocks that the count names; what follows them is a profile's extension (RFC 3550, 6.4.3).
fn blocks(reader: Reader<'_>, count: u8) -> Result<Blocks<'_>, Malformed> {
    let all = reader.0.as_chunks().0;
    all.get(..usize::from(count)).map(Blocks).ok_or(Malformed::Length)
}

fn words(bytes: &[u8]) -> &[[u8; 4]] {
    bytes.as_chunks().0
}

/// One packet's common header, and its body without padding.
struct Raw<'a> {
    /// The five bits: a count, a subtype or a feedback format.
    count: u8,
    packet_type: u8,
    body: &'a [u8],
}

/// The first packet of `bytes`, and what follows it.
fn split(bytes: &[u8]) -> Result<(Raw<'_>, &[u8]), Malformed> {
    let mut reader = Reader(bytes);
    let first = reader.u8()?;
    let packet_type = reader.u8()?;
    let words = reader.u16()?;
    if first >> 6 != 2 {
        return Err(Malformed::Version);
    }
    let mut body = reader.take(usize::from(words) * 4, Malformed::Length)?;
    if first & 0x20 != 0 {
        // RFC 3550, 6.4.1: only the last packet is padded, by whole words, the last byte counting them.
        let count = usize::from(*body.last().ok_or(Malformed::Padding)?);
        let end = body.len().checked_sub(count).ok_or(Malformed::Padding)?;
        if count == 0 || !count.is_multiple_of(4) || !reader.0.is_empty() {
            return Err(Malformed::Padding);
        }
        body = &body[..end];
    }
    Ok((Raw { count: first & 0x1f, packet_type, body }, reader.0))
}

/// Parses one datagram of RTCP packets, all of it before anything comes out.
///
/// The checks are RFC 3550, A.2, with one leniency: the first packet may be of any known type (RFC 5506 allows it, and feedback is
/// sent so); [`Compound::is_reduced_size`] tells.
///
/// # Errors
/// Anything that reaches past the end, a version other than 2, padding elsewhere than at the end, a first packet of unknown type.
pub fn parse(bytes: &[u8]) -> Result<Compound<'_>, Malformed> {
    if !matches!(bytes, [_, SR..=XR, ..]) {
        return Err(if bytes.len() < 2 { Malformed::Short } else { Malformed::Type });
    }
    let mut rest = bytes;
    while !rest.is_empty() {
        let (raw, after) = split(rest)?;
        Item::parse(raw)?;
        rest = after;
    }
    Ok(Compound(bytes))
}

/// A datagram of RTCP that [`parse`] found whole: iterate over its [`Item`]s.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Compound<'a>(&'a [u8]);

impl Compound<'_> {
    /// Whether it does not begin with a report (RFC 5506).
    #[must_use]
    pub fn is_reduced_size(&self) -> bool {
        !matches!(self.0, [_, SR | RR, ..])
    }
}

impl<'a> Iterator for Compound<'a> {
    type Item = Item<'a>;

    fn next(&mut self) -> Option<Item<'a>> {
        let (raw, rest) = split(self.0).ok()?;
        self.0 = rest;
        Item::parse(raw).ok()
    }
}

#[cfg(test)]
mod tests;
