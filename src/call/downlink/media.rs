//! Media of one peer: which of its sources is heard, and its packets on their way to playout.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::missing::{Seen, Wants};
use super::source::{Numbered, SeedSource, Source};
use crate::playout::{Codec, Origin, PAYLOAD_MAX, Packet};
use crate::units::{ExtSeq, RtpTime, Ssrc};
use crate::wire::{red, rtp};

/// Sources of one peer that are followed; a peer that restarts takes a new one.
const SOURCES_MAX: usize = 4;
/// The source that is heard gives way to an older one when it was silent for this long. A new one takes over at once.
const GIVES_WAY: Duration = Duration::from_millis(200);
/// Opus look-ahead, ms: what every sender's encoder holds back beyond its frame.
const LOOKAHEAD_MS: f32 = 6.5;

/// Why a packet was not passed on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Dropped {
    /// Not a payload of its type, or too long.
    Malformed,
    /// A payload type that we do not know.
    Unknown,
}

/// How a datagram came.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arrival {
    pub now: Instant,
    pub from: SocketAddr,
    /// Of UDP payload.
    pub bytes: usize,
    /// The peer sends again what it is asked for.
    pub can_ask: bool,
}

/// What one peer sends.
#[derive(Debug, Default)]
pub(super) struct Media {
    sources: Vec<Source>,
    /// Index of the one that is heard.
    current: usize,
    seed: Option<SeedSource>,
    /// Clock of the codec last heard.
    clock_rate: u32,
    /// Losses and disorder of sources that were forgotten.
    lost_before: u64,
    reordered_before: u64,
    pub received_packets: u64,
    pub received_bytes: u64,
    pub frame_ms: Option<f32>,
    /// Of the packets last heard, without look-ahead.
    pub packet_ms: f32,
    /// What its stream lacks.
    pub wants: Wants,
    /// The dynamic payload type that this peer uses for Opus.
    pub opus_pt: Option<u8>,
}

impl Media {
    pub(super) fn is_from(&self, from: SocketAddr) -> bool {
        self.sources.iter().any(|source| source.is_valid() && source.from == from)
    }

    /// The source that is heard, once proven.
    pub(super) fn current(&self) -> Option<&Source> {
        self.sources.get(self.current).filter(|source| source.is_valid())
    }

    pub(super) fn current_mut(&mut self) -> Option<&mut Source> {
        self.sources.get_mut(self.current).filter(|source| source.is_valid())
    }

    pub(super) fn source_mut(&mut self, ssrc: Ssrc) -> Option<&mut Source> {
        self.sources.iter_mut().find(|source| source.ssrc == ssrc)
    }

    pub(super) fn clock_rate(&self) -> u32 {
        if self.clock_rate == 0 { crate::units::SAMPLE_RATE } else { self.clock_rate }
    }

    pub(super) fn lost(&self) -> u64 {
        self.lost_before + self.sources.iter().map(Source::lost).sum::<u64>()
    }

    pub(super) fn reordered(&self) -> u64 {
        self.reordered_before + self.sources.iter().map(|source| source.reordered).sum::<u64>()
    }

    pub(super) fn forget_timing(&mut self) {
        self.sources.iter_mut().for_each(Source::forget_timing);
    }

    /// One RTP packet of this peer. What is to be heard goes to `sink`; `streams` numbers new streams.
    pub(super) fn handle_rtp(
        &mut self,
        arrival: Arrival,
        packet: &rtp::Packet<'_>,
        streams: &mut u32,
        sink: &mut impl FnMut(Packet),
    ) -> Result<(), Dropped> {
        let Arrival { now, from, bytes, .. } = arrival;
        let header = packet.header;
        // Keep-alives (RFC 6263) and DTX carry nothing, but have numbers.
        let content = if packet.payload.is_empty() { None } else { Some(content(packet, self.opus_pt)?) };
        let at = self.source(now, from, header.ssrc);
        let source = &mut self.sources[at];
        source.last_at = now;
        let numbered = source.number(header.seq);
        self.received_packets += 1;
        self.received_bytes += bytes as u64;
        let Some(Content { codec, payload, copies }) = content else { return Ok(()) };
        let begins = source.begins(header.seq, header.time, header.marker, codec.clock_rate());
        source.measure(now, header.time, begins, codec.clock_rate());
        let make = |stream, seq, time, origin| {
            let mut made = Packet::new(stream, seq, time, codec, now, payload)?;
            (made.marker, made.origin) = (begins, origin);
            Some(made)
        };
        let (held_seq, seq) = match numbered {
            Numbered::Held => {
                source.held = make(0, ExtSeq::default(), header.time, Origin::Media).map(Box::new);
                return Ok(());
            }
            Numbered::Proven(first, second) => {
                *streams += 1;
                source.stream = *streams;
                (Some(first), second)
            }
            Numbered::Next(seq) => (None, seq),
        };
        if !self.is_heard(at, held_seq.is_some(), now, streams) {
            return Ok(());
        }
        let ticks = self.learn(codec, header.payload_type, payload);
        let reach = copies.as_ref().map_or(0, |blocks| reach(blocks, ticks));
        let frame = Duration::from_secs_f32(self.packet_ms / 1_000.0);
        let seen = Seen { now, seq, time: header.time, marker: begins, frame, ticks, reach };
        self.wants.handle(&self.sources[at], seen, arrival.can_ask && codec == Codec::Opus);
        let source = &mut self.sources[at];
        if let (Some(first), Some(held)) = (held_seq, source.held.take()) {
            let mut held = *held;
            (held.seq, held.stream) = (first, source.stream);
            sink(held);
        }
        if let Some(copies) = copies {
            hand_copies((source, &mut self.wants), copies, (seq, header.time), ticks, now, sink);
        }
        make(source.stream, seq, header.time, Origin::Media).map(sink).ok_or(Dropped::Malformed)
    }

    /// Notes what is heard; returns the packet's length in ticks.
    fn learn(&mut self, codec: Codec, payload_type: u8, payload: &[u8]) -> u32 {
        self.clock_rate = codec.clock_rate();
        let ticks = codec.ticks(payload).unwrap_or_default();
        if codec == Codec::Opus {
            self.opus_pt = Some(payload_type).filter(|pt| rtp::is_dynamic(*pt)).or(self.opus_pt);
        }
        let lookahead = if codec == Codec::Opus { LOOKAHEAD_MS } else { 0.0 };
        self.packet_ms = ticks as f32 * 1_000.0 / codec.clock_rate() as f32;
        self.frame_ms = Some(self.packet_ms + lookahead);
        ticks
    }

    /// A retransmission (RFC 4588) of this peer: of the stream that is heard, asked for and still missing, or nothing. It
    /// counts as no packet of the network's: neither received, nor lost, nor late.
    pub(super) fn handle_rtx(&mut self, arrival: Arrival, packet: &rtp::Packet<'_>, sink: &mut impl FnMut(Packet)) -> Result<(), Dropped> {
        let (original, payload) = rtp::unwrap_rtx(packet.payload).ok_or(Dropped::Malformed)?;
        let of = rtp::rtx_media(packet.header.ssrc);
        let stream = self.current().filter(|source| source.ssrc == of && source.from == arrival.from).map(|source| source.stream);
        let stream = stream.ok_or(Dropped::Unknown)?;
        let codec = codec(self.opus_pt.unwrap_or(rtp::OPUS_PT), payload, None)?;
        let Some(seq) = self.wants.take(original) else { return Ok(()) };
        let mut copy = Packet::new(stream, seq, packet.header.time, codec, arrival.now, payload).ok_or(Dropped::Malformed)?;
        copy.origin = Origin::Nack;
        sink(copy);
        Ok(())
    }

    /// Whether the source at `at` is the one to hear, after moving to it if it is its turn.
    fn is_heard(&mut self, at: usize, is_new: bool, now: Instant, streams: &mut u32) -> bool {
        if at == self.current {
            return true;
        }
        let silent = self.current().is_none_or(|current| now.saturating_duration_since(current.last_at) > GIVES_WAY);
        if !is_new && !silent {
            return false;
        }
        if !is_new {
            // Playout had another stream meanwhile: nothing of before fits.
            *streams += 1;
            self.sources[at].stream = *streams;
        }
        self.current = at;
        true
    }

    /// The index of a source, made anew if need be in place of the one silent for longest.
    fn source(&mut self, now: Instant, from: SocketAddr, ssrc: Ssrc) -> usize {
        if let Some(at) = self.sources.iter().position(|source| source.ssrc == ssrc && source.from == from) {
            return at;
        }
        let new = Source::new(from, ssrc, 0, now);
        if self.sources.len() < SOURCES_MAX {
            self.sources.push(new);
            return self.sources.len() - 1;
        }
        let others = self.sources.iter().enumerate().filter(|(at, _)| *at != self.current);
        let at = others.min_by_key(|(_, source)| (source.is_valid(), source.last_at)).map_or(0, |(at, _)| at);
        let old = std::mem::replace(&mut self.sources[at], new);
        self.lost_before += old.lost();
        self.reordered_before += old.reordered;
        at
    }

    /// One datagram of headerless PCM, of any even length.
    pub(super) fn handle_seed(&mut self, now: Instant, bytes: &[u8], streams: &mut u32, sink: &mut impl FnMut(Packet)) {
        let seed = self.seed.get_or_insert_with(|| {
            *streams += 1;
            SeedSource::new(*streams)
        });
        for block in bytes.chunks(PAYLOAD_MAX) {
            let (seq, time, marker) = seed.number(now, block.len() / 2);
            let Some(mut packet) = Packet::new(seed.stream, seq, time, Codec::Seed, now, block) else { continue };
            packet.marker = marker;
            sink(packet);
        }
        self.clock_rate = Codec::Seed.clock_rate();
        self.frame_ms = Some(bytes.len() as f32 / 2.0 * 1_000.0 / self.clock_rate as f32);
        self.received_packets += 1;
        self.received_bytes += bytes.len() as u64;
    }
}

/// What a packet carries.
struct Content<'a> {
    codec: Codec,
    payload: &'a [u8],
    /// The copies before it, oldest first, and it; if it is a RED packet.
    copies: Option<red::Blocks<'a>>,
}

fn content<'a>(packet: &rtp::Packet<'a>, opus_pt: Option<u8>) -> Result<Content<'a>, Dropped> {
    let payload_type = packet.header.payload_type;
    if payload_type != rtp::RED_PT {
        let codec = codec(payload_type, packet.payload, opus_pt)?;
        return Ok(Content { codec, payload: packet.payload, copies: None });
    }
    let blocks = red::unpack(packet.payload).map_err(|_| Dropped::Malformed)?;
    let primary = blocks.clone().last().ok_or(Dropped::Malformed)?;
    let codec = codec(primary.payload_type, primary.payload, opus_pt)?;
    Ok(Content { codec, payload: primary.payload, copies: Some(blocks) })
}

/// The codec of a payload type: Opus may have any dynamic one, if its TOC parses.
fn codec(payload_type: u8, payload: &[u8], opus_pt: Option<u8>) -> Result<Codec, Dropped> {
    let codec = match payload_type {
        rtp::L16_PT => Codec::L16,
        rtp::PCMU_PT => Codec::Pcmu,
        // Telephone events (RFC 4733) are four bytes under a number of their own, and would sound like Opus.
        pt if rtp::is_dynamic(pt) && payload.len() == 4 && opus_pt.is_some_and(|opus| opus != pt) => return Err(Dropped::Unknown),
        pt if rtp::is_dynamic(pt) => Codec::Opus,
        _ => return Err(Dropped::Unknown),
    };
    if payload.len() > PAYLOAD_MAX || codec.ticks(payload).is_none() {
        return Err(Dropped::Malformed);
    }
    Ok(codec)
}

/// Packets back of the farthest copy.
fn reach(blocks: &red::Blocks<'_>, ticks: u32) -> u64 {
    let farthest = blocks.clone().map(|block| block.offset).max().unwrap_or(0);
    u64::from((u32::from(farthest) + ticks / 2).checked_div(ticks).unwrap_or(0))
}

/// The copies of packets that did not come themselves.
fn hand_copies(
    (source, wants): (&Source, &mut Wants),
    blocks: red::Blocks<'_>,
    (seq, time): (ExtSeq, RtpTime),
    ticks: u32,
    now: Instant,
    sink: &mut impl FnMut(Packet),
) {
    for block in blocks.filter(|block| block.offset > 0 && ticks > 0) {
        let steps = (u32::from(block.offset) + ticks / 2) / ticks;
        let of = ExtSeq(seq.0.saturating_sub(u64::from(steps)));
        let Ok(codec) = codec(block.payload_type, block.payload, None) else { continue };
        if steps == 0 || source.has(of) {
            continue;
        }
        let before = RtpTime(time.0.wrapping_sub(u32::from(block.offset)));
        if let Some(mut copy) = Packet::new(source.stream, of, before, codec, now, block.payload) {
            copy.origin = Origin::Red;
            wants.repaired(of);
            sink(copy);
        }
    }
}
