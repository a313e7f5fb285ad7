//! What one RTCP datagram says, gathered before anybody is asked who sent it.

use crate::units::Ssrc;
use crate::wire::app::{self, CallWord, Tlv};
use crate::wire::measure::Measure;
use crate::wire::rtcp::{Compound, Item, SdesItem};

/// The statements of a voicetui.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub(super) struct Said<'a> {
    pub word: Option<CallWord>,
    /// Our word as they heard it.
    pub echo: Option<CallWord>,
    /// The random number of their side of the call, and of ours as they heard it; 0 for none.
    pub theirs: u32,
    pub ours: u32,
    pub caps: Option<u32>,
    pub name: Option<&'a str>,
    pub capture_delay_ms: Option<f32>,
    pub processing_delay_ms: Option<f32>,
    pub playout_delay_ms: Option<f32>,
    /// Believed only out of a session.
    pub recording: Option<bool>,
    /// To be echoed, and echoed; 0 for none.
    pub ping: u64,
    pub pong: u64,
    pub measure: Option<Measure>,
}

/// One compound.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub(super) struct Gathered<'a> {
    /// Who sends it: the SSRC of its first packet.
    pub ssrc: Option<Ssrc>,
    pub cname: Option<&'a [u8]>,
    /// From SDES; a voicetui's own statement goes first.
    pub name: Option<&'a [u8]>,
    pub vtui: Option<Said<'a>>,
}

impl<'a> Gathered<'a> {
    pub(super) fn from(compound: Compound<'a>) -> Self {
        let mut all = Self::default();
        for item in compound {
            match item {
                Item::SenderReport(report) => {
                    all.ssrc.get_or_insert(report.ssrc);
                }
                Item::ReceiverReport(report) => {
                    all.ssrc.get_or_insert(report.ssrc);
                }
                Item::Sdes(sdes) => {
                    for text in sdes.flat_map(|chunk| chunk.items) {
                        match text {
                            SdesItem::Cname(cname) => all.cname = Some(cname),
                            SdesItem::Name(name) => all.name = Some(name),
                            SdesItem::Other(..) => {}
                        }
                    }
                }
                Item::Nack(nack) => {
                    all.ssrc.get_or_insert(nack.ssrc);
                }
                Item::App(packet) if packet.name == app::NAME => {
                    all.ssrc.get_or_insert(packet.ssrc);
                    all.vtui = app::parse(packet.data).ok().map(said).or(all.vtui);
                }
                _ => {}
            }
        }
        all
    }
}

fn said(tlvs: app::Tlvs<'_>) -> Said<'_> {
    let mut said = Said::default();
    for tlv in tlvs {
        match tlv {
            Tlv::State(word) => said.word = Some(word),
            Tlv::Echo(word) => said.echo = Some(word),
            Tlv::Leg { ours, yours } => (said.theirs, said.ours) = (ours, yours),
            Tlv::Caps(bits) => said.caps = Some(bits),
            Tlv::Name(name) => said.name = Some(name),
            Tlv::CaptureDelay(tenths) => said.capture_delay_ms = Some(f32::from(tenths) / 10.0),
            Tlv::ProcessingDelay(tenths) => said.processing_delay_ms = Some(f32::from(tenths) / 10.0),
            Tlv::PlayoutDelay(tenths) => said.playout_delay_ms = Some(f32::from(tenths) / 10.0),
            // Of these only what came out of a session is believed.
            Tlv::Ping(number) => said.ping = number,
            Tlv::Pong(number) => said.pong = number,
            Tlv::Measure(value) => said.measure = Measure::parse(value),
            Tlv::Recording(on) => said.recording = Some(on),
        }
    }
    said
}
