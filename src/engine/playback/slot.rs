//! One peer inside the playback callback: its packets, its playout, its tap, and what the screen sees of it.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use rtrb::Consumer;

use crate::engine::DelayBounds;
use crate::engine::meters::PeerMeters;
use crate::engine::tap::TapWriter;
use crate::engine::wave::{Column, Mark};
use crate::playout::{Packet, Playout, Pulled, Step};
use crate::units::{FRAME_SAMPLES, PeerId, Slept};

/// A closing peer is given this long to fade (the mixer's gain falls with 5 ms), samples.
const FADE_SAMPLES: usize = 2 * FRAME_SAMPLES;

#[derive(Debug)]
pub(super) struct Slot {
    id: PeerId,
    playout: Playout,
    /// What the user last wanted of its delay; until then it is as it was made.
    bounds: DelayBounds,
    packets: Consumer<Packet>,
    tap: TapWriter,
    /// The waveform column being gathered, and samples in it.
    column: Column,
    gathered: usize,
    /// Samples of each mark that are not painted yet. Columns and packets do not begin together: a column gets the mark that
    /// has most to paint, so that in the long run each has its share.
    unpainted: [i64; Mark::ALL.len()],
    /// The wave's number of the first column, and the samples pulled since its start.
    first: Option<u64>,
    pulled: u64,
    /// Samples of the fade still to come.
    closing: Option<usize>,
}

impl Slot {
    pub(super) fn new(id: PeerId, playout: Playout, packets: Consumer<Packet>, tap: TapWriter) -> Self {
        let column = Column::default();
        Self {
            id,
            playout,
            bounds: DelayBounds::default(),
            packets,
            tap,
            column,
            gathered: 0,
            unpainted: Default::default(),
            first: None,
            pulled: 0,
            closing: None,
        }
    }

    pub(super) fn id(&self) -> PeerId {
        self.id
    }

    pub(super) fn close(&mut self) {
        self.closing.get_or_insert(FADE_SAMPLES);
    }

    pub(super) fn is_closing(&self) -> bool {
        self.closing.is_some()
    }

    /// `samples` more were mixed: whether nothing of a closing peer is left to hear.
    pub(super) fn has_faded(&mut self, samples: usize) -> bool {
        let Some(left) = &mut self.closing else { return false };
        *left = left.saturating_sub(samples);
        *left == 0
    }

    pub(super) fn set_delay(&mut self, bounds: DelayBounds) {
        if bounds != self.bounds {
            self.bounds = bounds;
            self.playout.set_delay(bounds.choice());
        }
    }

    pub(super) fn flush(&mut self) {
        self.skip_packets();
        self.playout.flush();
    }

    pub(super) fn handle_slept(&mut self, slept: Slept) {
        self.skip_packets();
        self.playout.handle_slept(slept);
    }

    fn skip_packets(&mut self) {
        if let Ok(waiting) = self.packets.read_chunk(self.packets.slots()) {
            waiting.commit_all();
        }
    }

    /// Takes in what has come, fills `out`, tells meters and tap; returns the samples that were made up.
    /// `may_conceal`: else what is missing fades to silence.
    pub(super) fn pull(&mut self, out: &mut [f32], now: Instant, may_conceal: bool, meters: &PeerMeters) -> usize {
        // Read where they lie: a packet is 2 KB, and moving it through the stack would double the work.
        if let Ok(waiting) = self.packets.read_chunk(self.packets.slots()) {
            let (first, second) = waiting.as_slices();
            first.iter().chain(second).for_each(|packet| self.playout.insert(packet));
            waiting.commit_all();
        }
        self.playout.set_may_conceal(may_conceal);
        let pulled = self.playout.pull(out, now);
        match pulled.worst() {
            Step::Idle => self.tap.skip(out.len() as u64),
            _ => self.tap.write(out),
        }
        self.show(out, &pulled, meters);
        pulled.samples(Step::Concealed)
    }

    fn show(&mut self, samples: &[f32], pulled: &Pulled, meters: &PeerMeters) {
        // In which order is not known, and within one block nobody sees it; silence goes before a voice or after its end.
        let mut order = Step::ALL;
        if !pulled.speaking {
            order.rotate_left(1);
        }
        let mut rest = samples;
        for step in order {
            let (piece, after) = rest.split_at(pulled.samples(step).min(rest.len()));
            self.draw(piece, mark(step), meters);
            rest = after;
        }
        while let Some(at) = self.playout.poll_late() {
            self.amend(at, meters);
        }
        meters.speaking.store(pulled.speaking && !self.is_closing(), Relaxed);
        let counters = self.playout.counters();
        meters.played_packets.set(counters.played);
        meters.repaired_packets.set(counters.repaired());
        meters.late_packets.set(counters.late);
        meters.duplicate_packets.set(counters.duplicate);
        meters.voice_samples.set(counters.voice_samples);
        meters.concealed_samples.set(counters.concealed_samples);
        meters.concealed_gaps.set(counters.concealed_gaps);
        meters.stretched_samples.set(counters.stretched_plus + counters.stretched_minus);
        meters.playout_delay_ms.set(self.playout.delay_ms().unwrap_or(f32::NAN));
        meters.playout_target_ms.set(self.playout.target_ms().unwrap_or(f32::NAN));
        meters.playout_why.set(self.playout.delay_ms().map(|_| self.playout.why()));
        meters.drift_ppm.set(self.playout.drift().map_or(f32::NAN, |drift| drift.0));
    }

    /// Gathers 10 ms columns of the waveform out of blocks of any size.
    fn draw(&mut self, samples: &[f32], mark: Mark, meters: &PeerMeters) {
        self.first.get_or_insert_with(|| meters.wave.written());
        self.pulled += samples.len() as u64;
        let mut rest = samples;
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(rest.len().min(FRAME_SAMPLES - self.gathered));
            rest = after;
            let part = Column::of(piece, mark);
            let column = &mut self.column;
            column.min = column.min.min(part.min);
            column.max = column.max.max(part.max);
            self.unpainted[mark as usize] += piece.len() as i64;
            meters.peak.push(part.max.max(-part.min));
            self.gathered += piece.len();
            if self.gathered == FRAME_SAMPLES {
                // The worst of those that have most.
                let mark = Mark::ALL.into_iter().max_by_key(|mark| self.unpainted[*mark as usize]).unwrap_or_default();
                self.unpainted[mark as usize] -= FRAME_SAMPLES as i64;
                meters.wave.push(Column { mark, ..std::mem::take(&mut self.column) });
                self.gathered = 0;
            }
        }
    }

    /// The packet whose place went out when `at` samples had been pulled came too late.
    fn amend(&mut self, at: u64, meters: &PeerMeters) {
        let Some(first) = self.first else { return };
        let n = at / FRAME_SAMPLES as u64;
        // The place reaches into the next column, which may have got its mark.
        if (n..=n + 1).any(|n| meters.wave.amend(first.saturating_add(n), Mark::Late)) || n < self.pulled / FRAME_SAMPLES as u64 {
            return;
        }
        // Its column is still being gathered.
        for gap in [Mark::Concealed, Mark::Lost] {
            let samples = std::mem::take(&mut self.unpainted[gap as usize]);
            self.unpainted[Mark::Late as usize] += samples;
        }
    }
}

fn mark(step: Step) -> Mark {
    match step {
        Step::Idle => Mark::Idle,
        Step::Played => Mark::Played,
        Step::Nack => Mark::Nack,
        Step::Red => Mark::Red,
        Step::Lbrr => Mark::Lbrr,
        Step::Concealed => Mark::Concealed,
        Step::Lost => Mark::Lost,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::tap::{TAP_SAMPLES, tap};
    use crate::playout::Config;

    fn slot(meters: &PeerMeters) -> Slot {
        // Columns of a playout before this one.
        (0..7).for_each(|_| meters.wave.push(Column::default()));
        let playout = Playout::new(Config::default()).expect("a playout");
        Slot::new(PeerId::new(0).expect("a slot"), playout, rtrb::RingBuffer::new(1).1, tap(TAP_SAMPLES).0)
    }

    #[test]
    fn a_late_packet_is_painted_where_its_place_was_and_only_over_a_gap() {
        let (meters, out) = (PeerMeters::default(), [0.25; 720]);
        let mut slot = slot(&meters);
        slot.draw(&out[..480], Mark::Played, &meters);
        slot.draw(&out, Mark::Concealed, &meters);
        // 1,200 samples: columns 7 and 8 are written, the half of column 9 is being gathered.
        slot.amend(100, &meters);
        assert_eq!(meters.wave.marks(7).collect::<Vec<_>>(), [Mark::Played, Mark::Late], "its place reached into the next column");
        slot.amend(1_000, &meters);
        slot.draw(&out[..240], Mark::Played, &meters);
        assert_eq!(meters.wave.marks(7).collect::<Vec<_>>(), [Mark::Played, Mark::Late, Mark::Late]);
        slot.amend(u64::MAX, &meters);
        assert_eq!(meters.wave.written(), 10);
    }

    #[test]
    fn a_gap_across_two_columns_is_one_column_of_the_minute() {
        let (meters, out) = (PeerMeters::default(), [0.25; 480]);
        let mut slot = slot(&meters);
        for _ in 0..10 {
            slot.draw(&out[..200], Mark::Played, &meters);
            slot.draw(&out, Mark::Concealed, &meters);
            slot.draw(&out[..280], Mark::Played, &meters);
            slot.draw(&out, Mark::Played, &meters);
        }
        let marks: Vec<Mark> = meters.wave.marks(7).collect();
        let concealed = marks.iter().filter(|mark| **mark == Mark::Concealed).count();
        assert_eq!((marks.len(), concealed), (30, 10), "{marks:?}");
    }
}
