//! RTCP extended reports (RFC 3611): what reception was like, in detail. Pure; the receiver runs it.

use super::bytes::{Out, Reader};
use super::{Malformed, Refused};
use crate::units::Ssrc;

/// Block type of the VoIP metrics (RFC 3611, 4.7).
const VOIP_METRICS: u8 = 7;
/// Its length in words, block header not counted.
const VOIP_METRICS_WORDS: u16 = 8;

/// Receiver reference time (RFC 3611, 4.4): lets who only listens measure the round trip.
const RECEIVER_TIME: u8 = 4;
const RECEIVER_TIME_WORDS: u16 = 2;
/// Delay since the last receiver reference time (RFC 3611, 4.5).
const DLRR: u8 = 5;
/// One sub-block.
const DLRR_WORDS: u16 = 3;

/// What answers a receiver's reference time (RFC 3611, 4.5).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Dlrr {
    /// The receiver that is answered.
    pub ssrc: Ssrc,
    /// The middle 32 bits of its time.
    pub last_time: u32,
    /// How long it lay here, in 1/65,536 s.
    pub delay: u32,
}

impl Dlrr {
    pub(super) fn write(&self, out: &mut Out<'_>) -> Result<(), Refused> {
        out.put(&[DLRR, 0])?;
        out.u16(DLRR_WORDS)?;
        out.u32(self.ssrc.0)?;
        out.u32(self.last_time)?;
        out.u32(self.delay)
    }

    fn parse(data: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader(data);
        Ok(Self { ssrc: Ssrc(reader.u32()?), last_time: reader.u32()?, delay: reader.u32()? })
    }
}

/// The sender's clock, NTP format.
pub(super) fn write_receiver_time(ntp: u64, out: &mut Out<'_>) -> Result<(), Refused> {
    out.put(&[RECEIVER_TIME, 0])?;
    out.u16(RECEIVER_TIME_WORDS)?;
    out.u32((ntp >> 32) as u32)?;
    out.u32(ntp as u32)
}

/// The VoIP metrics report block (RFC 3611, 4.7), about one source. 127 in the levels, the R factors and the MOS scores means
/// "unavailable".
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct VoipMetrics {
    /// The source that this is about.
    pub ssrc: Ssrc,
    /// Lost in the network, 1/256.
    pub loss_rate: u8,
    /// Came too late (or too early) to be played, 1/256.
    pub discard_rate: u8,
    /// Lost or discarded inside bursts, 1/256.
    pub burst_density: u8,
    /// Lost or discarded between bursts, 1/256.
    pub gap_density: u8,
    /// Mean, ms.
    pub burst_duration: u16,
    /// Mean, ms.
    pub gap_duration: u16,
    /// Between the RTP interfaces, ms.
    pub round_trip_delay: u16,
    /// From here to the ear and from the mouth to here, ms: with the round trip it makes mouth to ear.
    pub end_system_delay: u16,
    /// dBm0.
    pub signal_level: i8,
    /// dBm0.
    pub noise_level: i8,
    /// Residual echo return loss, dB.
    pub rerl: u8,
    /// The gap threshold: this many packets received in a row end a burst; 16 is usual.
    pub gmin: u8,
    /// 0..=100: the network's part.
    pub r_factor: u8,
    /// 0..=100: of another network behind it.
    pub ext_r_factor: u8,
    /// Listening quality, MOS times ten: 10..=50.
    pub mos_lq: u8,
    /// Conversational quality, MOS times ten: 10..=50.
    pub mos_cq: u8,
    /// Two bits each of concealment and jitter buffer adaptivity, four of its rate (RFC 3611, 4.7.6).
    pub rx_config: u8,
    /// Nominal playout delay, ms.
    pub jb_nominal: u16,
    /// Largest delay in the present state, ms.
    pub jb_maximum: u16,
    /// Largest delay it could ever take, ms.
    pub jb_abs_max: u16,
}

impl VoipMetrics {
    /// "Unavailable" in the fields that can say so.
    pub const UNAVAILABLE: u8 = 127;
    /// [`VoipMetrics::rx_config`] of what we are: enhanced concealment, adaptive buffer, adapting fast.
    pub const RX_CONFIG: u8 = 0b1011_0000;

    fn parse(data: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader(data);
        let metrics = Self {
            ssrc: Ssrc(reader.u32()?),
            loss_rate: reader.u8()?,
            discard_rate: reader.u8()?,
            burst_density: reader.u8()?,
            gap_density: reader.u8()?,
            burst_duration: reader.u16()?,
            gap_duration: reader.u16()?,
            round_trip_delay: reader.u16()?,
            end_system_delay: reader.u16()?,
            signal_level: reader.u8()?.cast_signed(),
            noise_level: reader.u8()?.cast_signed(),
            rerl: reader.u8()?,
            gmin: reader.u8()?,
            r_factor: reader.u8()?,
            ext_r_factor: reader.u8()?,
            mos_lq: reader.u8()?,
            mos_cq: reader.u8()?,
            rx_config: reader.u8()?,
            jb_nominal: {
                reader.u8()?; // reserved
                reader.u16()?
            },
            jb_maximum: reader.u16()?,
            jb_abs_max: reader.u16()?,
        };
        if reader.0.is_empty() { Ok(metrics) } else { Err(Malformed::Value) }
    }

    pub(super) fn write(&self, out: &mut Out<'_>) -> Result<(), Refused> {
        out.put(&[VOIP_METRICS, 0])?;
        out.u16(VOIP_METRICS_WORDS)?;
        out.u32(self.ssrc.0)?;
        out.put(&[self.loss_rate, self.discard_rate, self.burst_density, self.gap_density])?;
        out.u16(self.burst_duration)?;
        out.u16(self.gap_duration)?;
        out.u16(self.round_trip_delay)?;
        out.u16(self.end_system_delay)?;
        out.put(&[self.signal_level.cast_unsigned(), self.noise_level.cast_unsigned(), self.rerl, self.gmin])?;
        out.put(&[self.r_factor, self.ext_r_factor, self.mos_lq, self.mos_cq, self.rx_config, 0])?;
        out.u16(self.jb_nominal)?;
        out.u16(self.jb_maximum)?;
        out.u16(self.jb_abs_max)
    }
}

/// One report block.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Block<'a> {
    VoipMetrics(VoipMetrics),
    /// A receiver's clock, NTP format.
    ReceiverTime(u64),
    /// The first answer to such a clock; voicetui sends one a block.
    Dlrr(Dlrr),
    /// A kind that we have no use for (RFC 3611, 4).
    Other {
        kind: u8,
        data: &'a [u8],
    },
}

/// The blocks of one report.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Blocks<'a>(&'a [u8]);

impl<'a> Blocks<'a> {
    /// Checks every block.
    pub(super) fn parse(body: &'a [u8]) -> Result<Self, Malformed> {
        let mut rest = body;
        while !rest.is_empty() {
            (_, rest) = split_block(rest)?;
        }
        Ok(Self(body))
    }
}

impl<'a> Iterator for Blocks<'a> {
    type Item = Block<'a>;

    fn next(&mut self) -> Option<Block<'a>> {
        let (block, rest) = split_block(self.0).ok()?;
        self.0 = rest;
        Some(block)
    }
}

fn split_block(bytes: &[u8]) -> Result<(Block<'_>, &[u8]), Malformed> {
    let mut reader = Reader(bytes);
    let kind = reader.u8()?;
    reader.u8()?; // type-specific
    let words = reader.u16()?;
    let data = reader.take(usize::from(words) * 4, Malformed::Length)?;
    let block = match kind {
        VOIP_METRICS if words == VOIP_METRICS_WORDS => Block::VoipMetrics(VoipMetrics::parse(data)?),
        RECEIVER_TIME if words == RECEIVER_TIME_WORDS => {
            let mut reader = Reader(data);
            Block::ReceiverTime(u64::from(reader.u32()?) << 32 | u64::from(reader.u32()?))
        }
        DLRR if words >= DLRR_WORDS => Block::Dlrr(Dlrr::parse(data)?),
        _ => Block::Other { kind, data },
    };
    Ok((block, reader.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metrics() -> VoipMetrics {
        VoipMetrics {
            ssrc: Ssrc(0x0102_0304),
            loss_rate: 5,
            discard_rate: 6,
            burst_density: 7,
            gap_density: 8,
            burst_duration: 0x090a,
            gap_duration: 0x0b0c,
            round_trip_delay: 0x0d0e,
            end_system_delay: 0x0f10,
            signal_level: -17,
            noise_level: -60,
            rerl: 0x13,
            gmin: 16,
            r_factor: 93,
            ext_r_factor: 127,
            mos_lq: 41,
            mos_cq: 42,
            rx_config: VoipMetrics::RX_CONFIG,
            jb_nominal: 0x191a,
            jb_maximum: 0x1b1c,
            jb_abs_max: 0x1d1e,
        }
    }

    #[rustfmt::skip]
    const BYTES: [u8; 36] = [
        7, 0, 0, 8,
        1, 2, 3, 4,
        5, 6, 7, 8,
        9, 10, 11, 12,
        13, 14, 15, 16,
        0xef, 0xc4, 0x13, 16,
        93, 127, 41, 42,
        0xb0, 0, 0x19, 0x1a,
        0x1b, 0x1c, 0x1d, 0x1e,
    ];

    #[test]
    fn voip_metrics_are_byte_exact_both_ways() {
        let mut bytes = [0; 36];
        metrics().write(&mut Out::new(&mut bytes)).unwrap();
        assert_eq!(bytes, BYTES);
        assert!(Blocks::parse(&BYTES).unwrap().eq([Block::VoipMetrics(metrics())]));
    }

    #[test]
    fn times_are_byte_exact_both_ways() {
        let mut bytes = [0; 28];
        let mut out = Out::new(&mut bytes);
        let answer = Dlrr { ssrc: Ssrc(0x0102_0304), last_time: 0x0506_0708, delay: 0x090a_0b0c };
        write_receiver_time(0x1112_1314_1516_1718, &mut out).and_then(|()| answer.write(&mut out)).unwrap();
        #[rustfmt::skip]
        assert_eq!(bytes, [
            4, 0, 0, 2, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18,
            5, 0, 0, 3, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12,
        ]);
        assert!(Blocks::parse(&bytes).unwrap().eq([Block::ReceiverTime(0x1112_1314_1516_1718), Block::Dlrr(answer)]));
    }

    #[test]
    fn unknown_blocks_are_passed_over() {
        let mut bytes = vec![200, 0, 0, 1, 9, 9, 9, 9];
        bytes.extend(BYTES);
        bytes.extend([7, 0, 0, 0]);
        let want = [Block::Other { kind: 200, data: &[9; 4] }, Block::VoipMetrics(metrics()), Block::Other { kind: 7, data: &[] }];
        assert!(Blocks::parse(&bytes).unwrap().eq(want));
    }

    #[test]
    fn a_block_past_the_end_is_refused() {
        assert_eq!(Blocks::parse(&BYTES[..35]), Err(Malformed::Length));
        assert_eq!(Blocks::parse(&[7, 0, 0xff, 0xff]), Err(Malformed::Length));
        assert_eq!(Blocks::parse(&[7, 0]), Err(Malformed::Short));
    }
}
