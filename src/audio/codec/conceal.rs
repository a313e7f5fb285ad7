//! Concealment for PCM, which has none of its own: the last pitch period again and again, fading (after G.711, Appendix I). Pure.

/// Samples of the past that are kept: 40 ms.
const HISTORY: usize = 1_920;
/// Shortest and longest period tried: 400 Hz to 62.5 Hz.
const PERIOD_MIN: usize = 120;
const PERIOD_MAX: usize = 768;
/// Samples compared at each lag.
const TEMPLATE: usize = 960;
/// Every fourth sample is enough to find a period.
const STRIDE: usize = 4;
/// Full strength for so many samples (10 ms), silent after so many (60 ms).
const FULL: usize = 480;
const SILENT: usize = 2_880;
/// Crossfade back to what really came: 5 ms.
const MERGE: usize = 240;

const _: () = assert!(TEMPLATE + PERIOD_MAX <= HISTORY);

/// Continues what was last heard.
#[derive(Debug)]
pub(super) struct Substitute {
    history: [f32; HISTORY],
    cycle: [f32; PERIOD_MAX],
    period: usize,
    /// What the first samples add so that they follow the last real one without a step.
    step: f32,
    /// Samples made up since the last real one.
    made: usize,
}

impl Substitute {
    pub(super) fn new() -> Self {
        Self { history: [0.0; HISTORY], cycle: [0.0; PERIOD_MAX], period: PERIOD_MAX, step: 0.0, made: 0 }
    }

    pub(super) fn reset(&mut self) {
        *self = Self::new();
    }

    pub(super) fn is_active(&self) -> bool {
        self.made > 0
    }

    pub(super) fn conceal(&mut self, out: &mut [f32]) {
        if self.made == 0 {
            self.start();
        }
        out.fill_with(|| self.next());
    }

    /// Takes in real samples; those after concealment are first blended with its end.
    pub(super) fn accept(&mut self, samples: &mut [f32]) {
        if self.made > 0 {
            let merge = samples.len().min(MERGE);
            for (n, sample) in samples[..merge].iter_mut().enumerate() {
                let weight = (n + 1) as f32 / (merge + 1) as f32;
                *sample = *sample * weight + self.next() * (1.0 - weight);
            }
            self.made = 0;
        }
        let keep = samples.len().min(HISTORY);
        self.history.copy_within(keep.., 0);
        self.history[HISTORY - keep..].copy_from_slice(&samples[samples.len() - keep..]);
    }

    fn start(&mut self) {
        self.period = self.find_period();
        let period = self.period;
        let from = HISTORY - period;
        self.cycle[..period].copy_from_slice(&self.history[from..]);
        // The cycle's last quarter turns into what stood before its first sample, so that it wraps without a step.
        let seam = period / 4;
        for n in 0..seam {
            let weight = (n + 1) as f32 / seam as f32;
            let before = self.history[from - seam + n];
            let at = &mut self.cycle[period - seam + n];
            *at += (before - *at) * weight;
        }
        self.step = self.history[HISTORY - 1] - self.history[from - 1];
    }

    fn next(&mut self) -> f32 {
        let at = self.made;
        self.made = (self.made + 1).min(SILENT + self.period);
        if at >= SILENT {
            return 0.0;
        }
        let fade = 1.0 - at.saturating_sub(FULL) as f32 / (SILENT - FULL) as f32;
        let seam = self.period / 4;
        let step = self.step * seam.saturating_sub(at) as f32 / seam as f32;
        (self.cycle[at % self.period] + step) * fade
    }

    /// The lag at which the end of the history is most like itself; the longest one when it is like nothing.
    fn find_period(&self) -> usize {
        let end = &self.history[HISTORY - TEMPLATE..];
        let (mut best, mut best_score) = (PERIOD_MAX, 0.3);
        for lag in (PERIOD_MIN..=PERIOD_MAX).step_by(STRIDE) {
            let past = &self.history[HISTORY - TEMPLATE - lag..HISTORY - lag];
            let (mut cross, mut power_end, mut power_past) = (0f32, 1e-9f32, 1e-9f32);
            for (x, y) in end.iter().step_by(STRIDE).zip(past.iter().step_by(STRIDE)) {
                cross += x * y;
                power_end += x * x;
                power_past += y * y;
            }
            let score = cross / (power_end * power_past).sqrt();
            // A multiple of the period scores the same: only a clear gain takes the longer one.
            if score > best_score * 1.02 {
                (best, best_score) = (lag, score);
            }
        }
        best
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_periodic_sound_goes_on_without_a_step_and_fades() {
        let wave = |n: usize| (n as f32 * 200.0 * std::f32::consts::TAU / 48_000.0).sin() * 0.5;
        let mut substitute = Substitute::new();
        let mut past: Vec<f32> = (0..4_800).map(wave).collect();
        substitute.accept(&mut past);
        let mut gap = [0.0; 4_800];
        substitute.conceal(&mut gap);
        for (n, sample) in gap[..480].iter().enumerate() {
            assert!((sample - wave(4_800 + n)).abs() < 0.05, "{n}: {sample}");
        }
        assert!(gap[SILENT..].iter().all(|sample| *sample == 0.0));
        let mut back: Vec<f32> = (0..480).map(|n| wave(9_600 + n)).collect();
        substitute.accept(&mut back);
        let whole: Vec<f32> = past.iter().chain(&gap).chain(&back).copied().collect();
        let step = whole.windows(2).fold(0f32, |step, pair| step.max((pair[1] - pair[0]).abs()));
        assert!(step < 0.03, "{step}");
    }

    #[test]
    fn with_no_past_it_is_silent() {
        let mut gap = [1.0; 480];
        Substitute::new().conceal(&mut gap);
        assert!(gap.iter().all(|sample| *sample == 0.0));
    }
}
