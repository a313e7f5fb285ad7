//! The flight recorder: when each packet of the last ten minutes came, peer by peer, whatever it carried. Pure.
//!
//! The downlink records each packet that it hands to playout. A peer's tape is a row of chunks of 1,024 records; full ones
//! are shared, so that a dump copies references and one open chunk, and the network thread goes on at once. Whoever gets the
//! [`Dump`] makes the text of it.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::trace::{Line, Shape, Timing, Trace, What};
use crate::audio::codec::opus_has_lbrr;
use crate::call::event::PlayoutView;
use crate::playout::{Codec, Origin, Packet};
use crate::units::{MAX_PEERS, PeerId};

/// How far back the record goes.
pub const WINDOW: Duration = Duration::from_secs(600);
/// Records of a chunk: 24 KiB, ten seconds of voice.
const CHUNK: usize = 1_024;
/// Full chunks of a tape. Ten minutes at 100 packets a second are 60,000 records, and 4,000 more hold the copies of lost
/// packets; a faster sender is remembered for less long. 24 bytes each: 1.5 MiB a peer at the most.
const CHUNKS_MAX: usize = 63;
/// Tapes of peers that left: bug reports are written after the call. With the 16 that are there, 30 MiB at the most.
const ENDED_MAX: usize = 4;
/// What playout does is noted this often, while packets come.
const VIEW_EVERY: Duration = Duration::from_secs(2);
/// Ten minutes of views are 300.
const FACTS_MAX: usize = 512;

/// One packet. Numbers are kept as they came and made relative in the dump.
#[derive(Clone, Copy, Debug)]
struct Record {
    at_us: u64,
    /// The lower half of the widened number: differences are exact over ten minutes.
    seq: u32,
    time: u32,
    /// The lower half of its number: a tape holds fewer streams than there are of these.
    stream: u16,
    ticks: u16,
    codec: Codec,
    origin: Origin,
    marker: bool,
    shape: Shape,
}

const _: () = assert!(size_of::<Record>() == 24 && (CHUNKS_MAX + 1) * CHUNK <= 1 << 16);

/// What explains a tape.
#[derive(Clone, Copy, Debug)]
enum Fact {
    Opened,
    Slept,
    View(PlayoutView, Option<f32>),
}

#[derive(Clone, Debug, Default)]
struct Tape {
    full: VecDeque<Arc<[Record]>>,
    open: Vec<Record>,
    facts: VecDeque<(u64, Fact)>,
    viewed_us: u64,
    /// When the last packet came.
    heard_us: u64,
}

impl Tape {
    fn push(&mut self, record: Record) {
        self.heard_us = self.heard_us.max(record.at_us);
        self.open.push(record);
        if self.open.len() < CHUNK {
            return;
        }
        self.full.push_back(Arc::from(self.open.as_slice()));
        self.open.clear();
        let since = before(self.heard_us);
        while self.full.len() > CHUNKS_MAX || self.full.front().is_some_and(|chunk| chunk[CHUNK - 1].at_us < since) {
            self.full.pop_front();
        }
    }

    fn note(&mut self, at_us: u64, fact: Fact) {
        if self.facts.len() >= FACTS_MAX {
            self.facts.pop_front();
        }
        self.facts.push_back((at_us, fact));
    }

    /// The records since then.
    fn since(&self, since_us: u64) -> impl Iterator<Item = &Record> {
        let all = self.full.iter().flat_map(|chunk| chunk.iter()).chain(&self.open);
        all.filter(move |record| record.at_us >= since_us)
    }
}

/// The start of the window that ends then.
fn before(at_us: u64) -> u64 {
    at_us.saturating_sub(WINDOW.as_micros() as u64)
}

/// The tapes of all peers, and of the last that left.
#[derive(Debug, Default)]
pub(super) struct Recorder {
    /// Where time is 0: the first that was recorded.
    epoch: Option<Instant>,
    tapes: [Option<Box<Tape>>; MAX_PEERS],
    ended: VecDeque<Box<Tape>>,
}

impl Recorder {
    /// A packet on its way to playout.
    pub(super) fn record(&mut self, id: PeerId, packet: &Packet) {
        let at_us = self.clock(packet.arrival);
        let payload = packet.payload();
        let shape = match packet.codec {
            _ if packet.is_silence() => Shape::Dtx,
            Codec::Opus if opus_has_lbrr(payload) => Shape::Lbrr,
            _ => Shape::Plain,
        };
        self.tapes[id.slot()].get_or_insert_default().push(Record {
            at_us,
            seq: packet.seq.0 as u32,
            time: packet.time.0,
            stream: packet.stream as u16,
            ticks: packet.codec.ticks(payload).unwrap_or_default() as u16,
            codec: packet.codec,
            origin: packet.origin,
            marker: packet.marker,
            shape,
        });
    }

    /// Records each packet of this peer before `sink` gets it.
    pub(super) fn on_the_way(&mut self, id: PeerId, sink: &mut impl FnMut(PeerId, Packet)) -> impl FnMut(Packet) {
        move |packet| {
            self.record(id, &packet);
            sink(id, packet);
        }
    }

    /// A peer's playout begins: a tape of its own.
    pub(super) fn open(&mut self, now: Instant, id: PeerId) {
        self.end(now, id);
        let at_us = self.clock(now);
        self.tapes[id.slot()].get_or_insert_default().note(at_us, Fact::Opened);
    }

    /// A peer leaves; its tape is kept for a while.
    pub(super) fn end(&mut self, now: Instant, id: PeerId) {
        if let Some(tape) = self.tapes[id.slot()].take().filter(|tape| tape.since(0).next().is_some()) {
            self.ended.push_back(tape);
        }
        self.forget(now);
    }

    /// Lets go of tapes that are too old or too many.
    pub(super) fn forget(&mut self, now: Instant) {
        if self.ended.is_empty() {
            return;
        }
        let since = before(self.clock(now));
        self.ended.retain(|tape| tape.heard_us >= since);
        while self.ended.len() > ENDED_MAX {
            self.ended.pop_front();
        }
    }

    pub(super) fn handle_slept(&mut self, now: Instant) {
        let at_us = self.clock(now);
        self.tapes.iter_mut().flatten().for_each(|tape| tape.note(at_us, Fact::Slept));
    }

    /// What playout does with a peer's packets, noted now and then.
    pub(super) fn view(&mut self, now: Instant, id: PeerId, view: PlayoutView, rtt_ms: Option<f32>) {
        let at_us = self.clock(now);
        let Some(tape) = &mut self.tapes[id.slot()] else { return };
        if tape.heard_us > tape.viewed_us && at_us.saturating_sub(tape.viewed_us) >= VIEW_EVERY.as_micros() as u64 {
            tape.viewed_us = at_us;
            tape.note(at_us, Fact::View(view, rtt_ms));
        }
    }

    /// A copy of what is there; `None`: nobody was heard in the window.
    pub(super) fn dump(&self, now: Instant) -> Option<Dump> {
        let since_us = before(self.epoch.map_or(0, |epoch| micros(epoch, now)));
        let all = self.ended.iter().chain(self.tapes.iter().flatten());
        let heard = all.filter(|tape| tape.since(since_us).next().is_some());
        let tapes: Vec<Tape> = heard.map(|tape| Tape::clone(tape)).collect();
        (!tapes.is_empty()).then_some(Dump { since_us, tapes })
    }

    fn clock(&mut self, time: Instant) -> u64 {
        micros(*self.epoch.get_or_insert(time), time)
    }
}

fn micros(epoch: Instant, time: Instant) -> u64 {
    time.saturating_duration_since(epoch).as_micros() as u64
}

/// The tapes as they were at one moment, cheap to copy; the work is in [`Dump::trace`].
#[derive(Clone, Debug)]
pub struct Dump {
    since_us: u64,
    tapes: Vec<Tape>,
}

impl Dump {
    /// What can be written: times since the first packet, numbers since the first of each stream, peers in the order in
    /// which they were heard.
    #[must_use]
    pub fn trace(&self) -> Trace {
        let first = |tape: &Tape| tape.since(self.since_us).map(|record| record.at_us).min().unwrap_or(u64::MAX);
        let mut tapes: Vec<(u64, &Tape)> = self.tapes.iter().map(|tape| (first(tape), tape)).collect();
        tapes.sort_by_key(|(first, _)| *first);
        let origin = tapes.first().map_or(0, |(first, _)| *first);
        Trace { peers: tapes.into_iter().map(|(_, tape)| self.lines(tape, origin)).collect() }
    }

    fn lines(&self, tape: &Tape, origin_us: u64) -> Vec<Line> {
        // By the number of a stream: its own in the file, and where its numbers begin.
        let mut streams: HashMap<u16, (u32, u32, u32)> = HashMap::new();
        let facts = tape.facts.iter().filter(|(at_us, _)| *at_us >= self.since_us);
        let mut lines: Vec<Line> = facts
            .map(|(at_us, fact)| {
                let what = if matches!(fact, Fact::Slept) { What::Slept } else { What::Note(fact.to_string()) };
                Line { at_us: at_us.saturating_sub(origin_us), what }
            })
            .collect();
        lines.extend(tape.since(self.since_us).map(|record| {
            let next = streams.len() as u32 + 1;
            let (stream, seq, time) = *streams.entry(record.stream).or_insert((next, record.seq, record.time));
            let timing = Timing {
                stream,
                seq: record.seq.wrapping_sub(seq).cast_signed(),
                time: record.time.wrapping_sub(time).cast_signed(),
                ticks: record.ticks,
                codec: record.codec,
                origin: record.origin,
                marker: record.marker,
                shape: record.shape,
            };
            Line { at_us: record.at_us - origin_us, what: What::Packet(timing) }
        }));
        // A packet that waited for its stream's proof is handed on later than it came. Stable: copies stay before their packet.
        lines.sort_by_key(|line| line.at_us);
        lines
    }
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Opened => f.write_str("the playout is opened"),
            Self::Slept => f.write_str("the machine slept"),
            Self::View(view, rtt_ms) => {
                let PlayoutView { delay_ms, target_ms, card_ms, late_packets, quality } = view;
                write!(f, "delay {delay_ms:.1} ms, target {target_ms:.1} ms, card {card_ms:.1} ms, late {late_packets}")?;
                quality.map_or(Ok(()), |rating| write!(f, ", R {:.0}", rating.r))?;
                rtt_ms.map_or(Ok(()), |rtt_ms| write!(f, ", round trip {rtt_ms:.1} ms"))
            }
        }
    }
}

#[cfg(test)]
mod tests;
