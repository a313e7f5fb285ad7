//! Writing RTCP compound packets, each packet whole or not at all. Pure; the receiver runs it.

use super::{APP, BYE, NACK, RR, RTPFB, ReportBlock, SDES, SR, XR, sdes};
use crate::units::{RtpTime, Seq, Ssrc};
use crate::wire::Refused;
use crate::wire::bytes::Out;
use crate::wire::text::bounded;
use crate::wire::xr::{self, Dlrr, VoipMetrics};

/// What a sender report says of the sender.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SenderInfo {
    /// Now, by our clock: see [`super::ntp_from_unix`].
    pub ntp: u64,
    /// The same moment in RTP time.
    pub rtp: RtpTime,
    /// Sent since the stream began.
    pub packets: u32,
    /// Payload bytes sent since the stream began.
    pub octets: u32,
}

/// Appends packets to a buffer. A packet that does not fit is refused and leaves no trace; the ones before it stay. The order is the
/// caller's: a report first, SDES next, BYE last (RFC 3550, 6.1).
pub struct Writer<'a>(Out<'a>);

impl<'a> Writer<'a> {
    #[must_use]
    pub fn new(out: &'a mut [u8]) -> Self {
        Self(Out::new(out))
    }

    /// Bytes written.
    #[must_use]
    pub fn finish(self) -> usize {
        self.0.len()
    }

    /// SR with a block for each source heard.
    ///
    /// # Errors
    /// Full, or more than 31 blocks.
    pub fn sender_report(&mut self, ssrc: Ssrc, info: &SenderInfo, blocks: &[ReportBlock]) -> Result<(), Refused> {
        self.packet(SR, count(blocks)?, ssrc, |out| {
            out.u64(info.ntp)?;
            out.u32(info.rtp.0)?;
            out.u32(info.packets)?;
            out.u32(info.octets)?;
            blocks.iter().try_for_each(|block| write_block(out, block))
        })
    }

    /// RR with a block for each source heard.
    ///
    /// # Errors
    /// Full, or more than 31 blocks.
    pub fn receiver_report(&mut self, ssrc: Ssrc, blocks: &[ReportBlock]) -> Result<(), Refused> {
        self.packet(RR, count(blocks)?, ssrc, |out| blocks.iter().try_for_each(|block| write_block(out, block)))
    }

    /// SDES of one source; texts are cut to 255 bytes, between characters.
    ///
    /// # Errors
    /// Full.
    pub fn sdes(&mut self, ssrc: Ssrc, cname: &str, name: Option<&str>) -> Result<(), Refused> {
        self.packet(SDES, 1, ssrc, |out| {
            put_text(out, Some(sdes::CNAME), cname)?;
            if let Some(name) = name {
                put_text(out, Some(sdes::NAME), name)?;
            }
            out.u8(0)
        })
    }

    /// BYE of one source; the reason is cut to 255 bytes, between characters.
    ///
    /// # Errors
    /// Full.
    pub fn bye(&mut self, ssrc: Ssrc, reason: Option<&str>) -> Result<(), Refused> {
        self.packet(BYE, 1, ssrc, |out| reason.map_or(Ok(()), |reason| put_text(out, None, reason)))
    }

    /// APP of subtype 0, its data padded with zeros to whole words.
    ///
    /// # Errors
    /// Full.
    pub fn app(&mut self, ssrc: Ssrc, name: [u8; 4], data: &[u8]) -> Result<(), Refused> {
        self.packet(APP, 0, ssrc, |out| {
            out.put(&name)?;
            out.put(data)
        })
    }

    /// XR with the VoIP metrics of one source.
    ///
    /// # Errors
    /// Full.
    pub fn voip_metrics(&mut self, ssrc: Ssrc, metrics: &VoipMetrics) -> Result<(), Refused> {
        self.packet(XR, 0, ssrc, |out| metrics.write(out))
    }

    /// XR with this receiver's clock (NTP format), and the answer to the other side's, if there is one.
    ///
    /// # Errors
    /// Full.
    pub fn times(&mut self, ssrc: Ssrc, ntp: u64, answer: Option<Dlrr>) -> Result<(), Refused> {
        self.packet(XR, 0, ssrc, |out| {
            xr::write_receiver_time(ntp, out)?;
            answer.map_or(Ok(()), |answer| answer.write(out))
        })
    }

    /// Generic NACK: asks `media` for the packets `lost`, best given in their order: up to 17 near neighbours share an entry.
    ///
    /// # Errors
    /// Full, or nothing asked for.
    pub fn nack(&mut self, ssrc: Ssrc, media: Ssrc, lost: &[Seq]) -> Result<(), Refused> {
        let Some((first, more)) = lost.split_first() else { return Err(Refused::Count) };
        self.packet(RTPFB, NACK, ssrc, |out| {
            out.u32(media.0)?;
            let (mut first, mut bits) = (*first, 0u16);
            for seq in more {
                match seq.since(first) {
                    0 => {}
                    step @ 1..=16 => bits |= 1 << (step - 1),
                    _ => {
                        out.u16(first.0)?;
                        out.u16(bits)?;
                        (first, bits) = (*seq, 0);
                    }
                }
            }
            out.u16(first.0)?;
            out.u16(bits)
        })
    }

    /// Common header, SSRC, body, padding to whole words, and the length when it is known.
    fn packet(
        &mut self,
        packet_type: u8,
        count: u8,
        ssrc: Ssrc,
        body: impl FnOnce(&mut Out<'a>) -> Result<(), Refused>,
    ) -> Result<(), Refused> {
        self.0.whole(|out| {
            let start = out.len();
            out.put(&[2 << 6 | count, packet_type, 0, 0])?;
            out.u32(ssrc.0)?;
            body(out)?;
            out.align()?;
            let words = u16::try_from((out.len() - start) / 4 - 1).map_err(|_| Refused::Length)?;
            out.patch(start + 2, &words.to_be_bytes());
            Ok(())
        })
    }
}

/// Five bits say how many blocks there are.
fn count(blocks: &[ReportBlock]) -> Result<u8, Refused> {
    u8::try_from(blocks.len()).ok().filter(|count| *count <= 31).ok_or(Refused::Count)
}

fn write_block(out: &mut Out<'_>, block: &ReportBlock) -> Result<(), Refused> {
    // RFC 3550, A.3: clamp, never wrap.
    let lost = block.cumulative_lost.clamp(-0x80_0000, 0x7f_ffff).cast_unsigned() & 0xff_ffff;
    out.u32(block.ssrc.0)?;
    out.u32(u32::from(block.fraction_lost) << 24 | lost)?;
    out.u32(block.highest_seq)?;
    out.u32(block.jitter)?;
    out.u32(block.last_sr)?;
    out.u32(block.delay_since_last_sr)
}

fn put_text(out: &mut Out<'_>, kind: Option<u8>, text: &str) -> Result<(), Refused> {
    let text = bounded(text, 255);
    if let Some(kind) = kind {
        out.u8(kind)?;
    }
    out.u8(text.len() as u8)?;
    out.put(text.as_bytes())
}
