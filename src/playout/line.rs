//! Decoded samples on their way out, with a little of the past behind them for splicing. Pure; allocated once.

use super::{Pulled, Step};

/// The past that is kept: 20 ms.
pub(super) const HISTORY: usize = 960;
/// Room: the longest decoded packets, twice, the past, and time to move.
const ROOM: usize = 32_768;
/// Runs of equal steps that are told apart.
const RUNS: usize = 64;

#[derive(Debug)]
pub(super) struct Line {
    samples: Box<[f32]>,
    read: usize,
    end: usize,
    runs: [(Step, usize); RUNS],
    runs_len: usize,
}

impl Line {
    pub(super) fn new() -> Self {
        Self { samples: vec![0.0; ROOM].into_boxed_slice(), read: HISTORY, end: HISTORY, runs: [(Step::Idle, 0); RUNS], runs_len: 0 }
    }

    /// Samples that wait.
    pub(super) fn len(&self) -> usize {
        self.end - self.read
    }

    pub(super) fn is_empty(&self) -> bool {
        self.read == self.end
    }

    /// What waits, after [`HISTORY`] samples of what went out before.
    pub(super) fn with_history(&self) -> &[f32] {
        &self.samples[self.read - HISTORY..self.end]
    }

    /// Appends; what finds no room is dropped (the bounds above leave room for all that playout ever appends).
    pub(super) fn append(&mut self, samples: &[f32], step: Step) {
        self.make_room(samples.len());
        let len = samples.len().min(ROOM - self.end);
        self.samples[self.end..self.end + len].copy_from_slice(&samples[..len]);
        self.end += len;
        self.note(step, len);
    }

    /// Moves the front of the line out, as much as both sides have.
    pub(super) fn take(&mut self, out: &mut [f32], pulled: &mut Pulled) -> usize {
        let len = out.len().min(self.len());
        out[..len].copy_from_slice(&self.samples[self.read..self.read + len]);
        self.read += len;
        self.forget(len, |step, samples| pulled.add(step, samples));
        len
    }

    /// Goes `lag` samples ahead, fading over `overlap` from what stands here to what stands there.
    pub(super) fn shorten(&mut self, lag: usize, overlap: usize) -> bool {
        if lag + overlap > self.len() {
            return false;
        }
        let (at, from) = (self.read, self.read + lag);
        for n in 0..overlap {
            let there = self.samples[from + n];
            self.samples[at + n] = fade(self.samples[at + n], there, n, overlap);
        }
        self.samples.copy_within(from + overlap..self.end, at + overlap);
        self.end -= lag;
        self.forget(lag, |_, _| {});
        true
    }

    /// Goes `lag` samples back, fading over `overlap` from what stands here to what stood there.
    pub(super) fn lengthen(&mut self, lag: usize, overlap: usize) -> bool {
        if lag > HISTORY || overlap > self.len() {
            return false;
        }
        self.make_room(lag);
        if self.end + lag > ROOM {
            return false;
        }
        let (at, from) = (self.read, self.read - lag);
        let mut blend = [0.0; HISTORY];
        let overlap = overlap.min(HISTORY);
        for (n, sample) in blend[..overlap].iter_mut().enumerate() {
            *sample = fade(self.samples[at + n], self.samples[from + n], n, overlap);
        }
        self.samples.copy_within(from + overlap..self.end, at + overlap);
        self.samples[at..at + overlap].copy_from_slice(&blend[..overlap]);
        self.end += lag;
        match self.runs.first_mut() {
            Some(run) if self.runs_len > 0 => run.1 += lag,
            _ => self.note(Step::Played, lag),
        }
        true
    }

    /// Fades what waits to nothing within `len` samples and drops the rest.
    pub(super) fn cut(&mut self, len: usize) {
        let len = len.min(self.len());
        self.forget(self.len() - len, |_, _| {});
        self.end = self.read + len;
        for n in 0..len {
            self.samples[self.read + n] = fade(self.samples[self.read + n], 0.0, n, len);
        }
    }

    fn make_room(&mut self, len: usize) {
        if self.end + len > ROOM {
            self.samples.copy_within(self.read - HISTORY..self.end, 0);
            self.end -= self.read - HISTORY;
            self.read = HISTORY;
        }
    }

    fn note(&mut self, step: Step, len: usize) {
        if self.runs_len > 0 && (self.runs[self.runs_len - 1].0 == step || self.runs_len == RUNS) {
            self.runs[self.runs_len - 1].1 += len;
        } else if len > 0 {
            self.runs[self.runs_len] = (step, len);
            self.runs_len += 1;
        }
    }

    /// Takes `len` samples off the front of the runs.
    fn forget(&mut self, mut len: usize, mut each: impl FnMut(Step, usize)) {
        let mut gone = 0;
        for run in &mut self.runs[..self.runs_len] {
            let part = len.min(run.1);
            if part > 0 {
                each(run.0, part);
            }
            run.1 -= part;
            len -= part;
            if run.1 > 0 {
                break;
            }
            gone += 1;
        }
        self.runs.copy_within(gone..self.runs_len, 0);
        self.runs_len -= gone;
    }
}

/// From `a` to `b`, step `n` of `len`.
fn fade(a: f32, b: f32, n: usize, len: usize) -> f32 {
    a + (b - a) * ((n + 1) as f32 / (len + 1) as f32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sample_comes_out_under_its_step() {
        let mut line = Line::new();
        let mut pulled = Pulled::default();
        let mut total = 0;
        for round in 0..2_000 {
            line.append(&[0.1; 480], Step::Played);
            line.append(&[0.2; 120], if round % 2 == 0 { Step::Concealed } else { Step::Idle });
            let mut out = [0.0; 700];
            total += line.take(&mut out, &mut pulled);
        }
        assert_eq!(total, 2_000 * 600);
        assert_eq!(pulled.samples(Step::Played), 2_000 * 480);
        assert_eq!((pulled.samples(Step::Concealed), pulled.samples(Step::Idle)), (120_000, 120_000));
        assert!(line.is_empty());
    }

    #[test]
    fn a_splice_at_the_period_of_a_tone_cannot_be_told() {
        let tone = |n: usize| (n as f32 * std::f32::consts::TAU / 240.0).sin();
        let mut line = Line::new();
        let samples: Vec<f32> = (0..4_800).map(tone).collect();
        line.append(&samples, Step::Played);
        let (mut out, mut pulled) = (vec![0.0; 960], Pulled::default());
        line.take(&mut out, &mut pulled);
        assert!(line.shorten(480, 240) && line.lengthen(240, 240));
        assert_eq!(line.len(), 4_800 - 960 - 240);
        let mut rest = vec![0.0; line.len()];
        line.take(&mut rest, &mut pulled);
        for (n, sample) in rest.iter().enumerate() {
            assert!((sample - tone(n)).abs() < 1e-3, "{n}");
        }
    }
}
