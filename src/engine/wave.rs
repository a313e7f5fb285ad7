//! The scrolling waveform: an atomic ring of 10 ms columns, written by one audio thread, read by the screen.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// Columns kept: 81.92 s, so that the last minute is whole while the oldest are written over.
pub const WAVE_COLUMNS: usize = 8_192;

/// What happened in the 10 ms of one column, from the best to the worst.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(u8)]
pub enum Mark {
    /// Nothing was said (own voice: not on air).
    #[default]
    Idle = 0,
    /// Own voice: sent. Peer: played as it came.
    Played = 1,
    /// Made whole by a retransmission.
    Nack = 2,
    /// Made whole by a redundant copy (RFC 2198).
    Red = 3,
    /// Made whole by the low-bitrate copy in the packet after.
    Lbrr = 4,
    /// Made up by the codec.
    Concealed = 5,
    /// Made up, or silence; and the packet came after its place had been given up.
    Late = 6,
    /// Silence where voice was due.
    Lost = 7,
}

impl Mark {
    pub const ALL: [Self; 8] = [Self::Idle, Self::Played, Self::Nack, Self::Red, Self::Lbrr, Self::Concealed, Self::Late, Self::Lost];

    fn from_byte(byte: u8) -> Self {
        Self::ALL.get(usize::from(byte)).copied().unwrap_or_default()
    }
}

/// Lowest and highest sample of 10 ms (-1..=1), and what happened there.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Column {
    pub min: f32,
    pub max: f32,
    pub mark: Mark,
}

impl Column {
    #[must_use]
    pub fn of(samples: &[f32], mark: Mark) -> Self {
        let (min, max) = samples.iter().fold((0f32, 0f32), |(min, max), s| (min.min(*s), max.max(*s)));
        Self { min, max, mark }
    }

    /// 12 bits each for min and max, 8 for the mark.
    fn pack(self) -> u32 {
        let level = |x: f32| ((x.clamp(-1.0, 1.0) * 2_047.0) as i32 + 2_048) as u32;
        level(self.min) | level(self.max) << 12 | u32::from(self.mark as u8) << 24
    }

    fn unpack(bits: u32) -> Self {
        let level = |x: u32| ((x & 0xfff) as f32 - 2_048.0) / 2_047.0;
        Self { min: level(bits), max: level(bits >> 12), mark: Mark::from_byte((bits >> 24) as u8) }
    }
}

/// One writer, any readers; nobody waits. A reader may see a column of the next lap at the oldest end: harmless.
#[derive(Debug)]
pub struct Wave {
    columns: Box<[AtomicU32]>,
    written: AtomicU64,
}

impl Default for Wave {
    fn default() -> Self {
        let empty = Column::default().pack();
        Self { columns: (0..WAVE_COLUMNS).map(|_| AtomicU32::new(empty)).collect(), written: AtomicU64::new(0) }
    }
}

impl Wave {
    pub fn push(&self, column: Column) {
        let at = self.written.load(Ordering::Relaxed);
        self.columns[at as usize % WAVE_COLUMNS].store(column.pack(), Ordering::Relaxed);
        // Release: whoever sees the new count sees the column.
        self.written.store(at + 1, Ordering::Release);
    }

    /// The writer learns late what column `n` was: a gap's mark becomes `mark`. What was heard as it should be stays so, and
    /// what is gone or yet to come is left alone. Whether it was a gap.
    pub fn amend(&self, n: u64, mark: Mark) -> bool {
        let column = self.column(n);
        let was_gap = matches!(column.mark, Mark::Concealed | Mark::Lost);
        if was_gap {
            self.columns[n as usize % WAVE_COLUMNS].store(Column { mark, ..column }.pack(), Ordering::Relaxed);
        }
        was_gap
    }

    /// Columns written since the start; the scroll position.
    #[must_use]
    pub fn written(&self) -> u64 {
        self.written.load(Ordering::Acquire)
    }

    /// The column written as number `n`; silence when it is gone or yet to come.
    #[must_use]
    pub fn column(&self, n: u64) -> Column {
        let written = self.written();
        if n >= written || written - n > WAVE_COLUMNS as u64 {
            return Column::default();
        }
        Column::unpack(self.columns[n as usize % WAVE_COLUMNS].load(Ordering::Relaxed))
    }

    /// The marks from column `n` on, which is not to be longer ago than the ring holds.
    pub fn marks(&self, n: u64) -> impl Iterator<Item = Mark> {
        let written = self.written();
        let oldest = written.saturating_sub(WAVE_COLUMNS as u64);
        (n.max(oldest)..written).map(|n| Column::unpack(self.columns[n as usize % WAVE_COLUMNS].load(Ordering::Relaxed)).mark)
    }

    /// Silence everywhere, keeping the count, so that the picture goes on scrolling.
    pub fn clear(&self) {
        let empty = Column::default().pack();
        self.columns.iter().for_each(|column| column.store(empty, Ordering::Relaxed));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_survives_its_packing() {
        let column = Column::of(&[0.25, -0.5, 0.0], Mark::Concealed);
        let back = Column::unpack(column.pack());
        assert!((back.min + 0.5).abs() < 1e-3 && (back.max - 0.25).abs() < 1e-3);
        assert_eq!(back.mark, Mark::Concealed);
    }

    #[test]
    fn what_is_gone_or_yet_to_come_is_silence() {
        let wave = Wave::default();
        for n in 0..WAVE_COLUMNS + 10 {
            wave.push(Column { min: 0.0, max: n as f32 / 4_096.0, mark: Mark::Played });
        }
        assert_eq!(wave.column(9), Column::default());
        assert_eq!(wave.column(10).mark, Mark::Played);
        assert_eq!(wave.column(wave.written()), Column::default());
    }

    #[test]
    fn only_a_gap_can_turn_out_to_have_been_late() {
        let wave = Wave::default();
        for mark in Mark::ALL {
            wave.push(Column { min: -0.5, max: 0.5, mark });
        }
        for n in 0..20 {
            wave.amend(n, Mark::Late);
        }
        let gap = |mark| matches!(mark, Mark::Concealed | Mark::Lost);
        let wanted: Vec<Mark> = Mark::ALL.into_iter().map(|mark| if gap(mark) { Mark::Late } else { mark }).collect();
        assert_eq!(wave.marks(0).collect::<Vec<_>>(), wanted);
        assert!((wave.column(5).max - 0.5).abs() < 1e-3, "the picture stays");
        (0..WAVE_COLUMNS).for_each(|_| wave.push(Column::default()));
        wave.amend(5, Mark::Late);
        assert!(wave.marks(0).all(|mark| mark == Mark::Idle), "and what is gone is left alone");
    }
}
