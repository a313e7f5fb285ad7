//! What comes in: of which stream, at which media time, believed or not. Pure.

use super::buffer::Put;
use super::delay::Arrival;
use super::{Codec, MS, Origin, Packet, Playout};
use crate::audio::codec::opus_has_lbrr;
use crate::units::{RtpTime, SAMPLE_RATE};

/// An offset that jumps by more (2 s) is another timeline.
const APART: f64 = 2_000.0 * MS;
/// Two packets whose offsets agree within this (200 ms) prove it.
const AGREE: f64 = 200.0 * MS;
/// Stragglers of a stream that another one followed are dropped for so long.
const STRAGGLE: f64 = 500.0 * MS;
/// So many packets in sequence that all count as late prove that the sender started anew (RFC 3550, A.1, asks for two).
const STRAYS: u32 = 5;

/// No honest stream gets here in the age of the universe; arithmetic on sequence numbers below it cannot overflow.
const SEQ_MAX: u64 = 1 << 62;

/// Where the stream stands.
#[derive(Debug)]
pub(super) struct Intake {
    stream: Option<u32>,
    codec: Codec,
    /// The newest timestamp, and its unwrapped place since the stream's first packet, in ticks of the codec's clock.
    time: RtpTime,
    ticks: i64,
    /// The stream before, and until when its stragglers are dropped.
    before: Option<(u32, f64)>,
    /// The offset of a packet too far off to be believed alone.
    suspect: Option<f64>,
    /// The newest packet that counted as late, and how many in a row did.
    stray: u64,
    strays: u32,
}

impl Intake {
    pub(super) fn new() -> Self {
        Self { stream: None, codec: Codec::Opus, time: RtpTime(0), ticks: 0, before: None, suspect: None, stray: 0, strays: 0 }
    }

    /// Ticks of `time` since the stream's first packet.
    fn unwrap(&self, time: RtpTime) -> i64 {
        self.ticks.saturating_add(i64::from(time.since(self.time)))
    }
}

impl Playout {
    /// Takes a packet in. Order does not matter; what is late, doubled or makes no sense is counted and dropped.
    pub fn insert(&mut self, packet: &Packet) {
        let arrival = self.clock(packet.arrival);
        let span = self.span(packet).filter(|_| packet.seq.0 < SEQ_MAX);
        let Some(span) = span else {
            self.counters.discarded += 1;
            return;
        };
        if self.intake.stream != Some(packet.stream) {
            if self.intake.before.is_some_and(|(stream, until)| stream == packet.stream && arrival < until) {
                self.counters.discarded += 1;
                return;
            }
            self.begin(packet, arrival);
        } else if self.intake.codec != packet.codec {
            if packet.seq.0 < self.buffer.next() {
                self.counters.late += 1;
                return;
            }
            self.begin(packet, arrival);
        }
        let mut ticks = self.intake.unwrap(packet.time);
        let mut media = media_of(ticks, packet.codec);
        if (arrival - media - self.control.fastest(arrival)).abs() > APART && !self.control.is_fresh() {
            if self.buffer.len() == 0 && self.state.is_idle() {
                self.control.restart();
            } else if self.intake.suspect.is_some_and(|suspect| (arrival - media - suspect).abs() < AGREE) {
                self.begin(packet, arrival);
                (ticks, media) = (0, 0.0);
            } else {
                self.intake.suspect = Some(arrival - media);
                self.counters.discarded += 1;
                return;
            }
        }
        self.intake.suspect = None;
        (self.intake.time, self.intake.ticks) = (packet.time, ticks);
        self.put(packet, media, arrival, span);
    }

    fn put(&mut self, packet: &Packet, media: f64, arrival: f64, span: f64) {
        let first_hand = packet.origin == Origin::Media;
        match self.buffer.put(packet, media, arrival) {
            Put::New { reordered, dropped } => {
                self.intake.strays = 0;
                self.counters.reordered += u64::from(reordered && first_hand);
                self.counters.discarded += dropped;
                self.observe(packet, media, arrival, span);
            }
            Put::Duplicate => self.counters.duplicate += u64::from(first_hand),
            Put::Late if first_hand => {
                self.counters.late += 1;
                self.given_up.came(packet.seq.0);
                self.observe(packet, media, arrival, span);
                let in_row = packet.seq.0 == self.intake.stray.wrapping_add(1);
                self.intake.strays = if in_row { self.intake.strays + 1 } else { 1 };
                self.intake.stray = packet.seq.0;
                if self.intake.strays >= STRAYS {
                    self.begin(packet, arrival);
                    self.put(packet, 0.0, arrival, span);
                }
            }
            Put::Late => {}
        }
    }

    fn observe(&mut self, packet: &Packet, media: f64, arrival: f64, span: f64) {
        let offset = arrival - media;
        let seen = Arrival { at: arrival, offset, span, start: packet.marker };
        match packet.origin {
            Origin::Media => {
                self.control.observe(seen);
                // The copy of a missing packet in the next one is worth waiting for, if it comes to that often.
                let before = packet.seq.0.wrapping_sub(1);
                let gone = !packet.marker && before >= self.buffer.next() && !self.buffer.has_seen(before);
                if gone && packet.codec == Codec::Opus && opus_has_lbrr(packet.payload()) {
                    self.control.observe_repair(Arrival { offset: offset + span, start: false, ..seen });
                }
            }
            Origin::Red => self.control.observe_repair(Arrival { start: false, ..seen }),
            // A retransmission's delay is the round trip: whether to wait for that is not decided by its having come.
            Origin::Nack => {}
        }
    }

    /// Numbering starts anew with this packet.
    fn begin(&mut self, packet: &Packet, arrival: f64) {
        self.given_up.forget();
        if let Some(stream) = self.intake.stream {
            self.fall_silent();
            self.control.restart();
            if stream != packet.stream {
                self.intake.before = Some((stream, arrival + STRAGGLE));
            }
        }
        self.decoder.switch(packet.codec);
        let before = self.intake.before;
        self.intake = Intake { stream: Some(packet.stream), codec: packet.codec, time: packet.time, before, ..Intake::new() };
    }

    /// The packet's length; `None`: malformed. An empty one is a frame of DTX.
    fn span(&self, packet: &Packet) -> Option<f64> {
        if packet.payload().is_empty() {
            return Some(self.frame as f64);
        }
        packet.codec.ticks(packet.payload()).map(|ticks| media_of(i64::from(ticks), packet.codec))
    }
}

fn media_of(ticks: i64, codec: Codec) -> f64 {
    ticks as f64 * f64::from(SAMPLE_RATE) / f64::from(codec.clock_rate())
}
