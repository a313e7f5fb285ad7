//! What a running stream's numbers say that no error does: a microphone that is kept from hearing, a card whose rate is not the one
//! it gave. Time is an argument.

use std::time::{Duration, Instant};

use crate::os::sound::Direction;

/// So long nothing but zeros comes from a microphone that is not there to be heard: any real one has noise of its own.
const SILENT: Duration = Duration::from_secs(6);
/// A rate is counted over this time.
const WINDOW: Duration = Duration::from_secs(10);
/// So far off, in so many windows, one after the other, is no clock's error and no hiccup: 44.1 kHz taken for 48 is off by 8 %.
const OFF: f64 = 0.04;
const OFF_WINDOWS: u32 = 2;

/// What is wrong with a stream that runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Finding {
    /// Zeros, and nothing else.
    Silent,
    /// Frames a second, in truth.
    Rate { said: u32, counted: u32 },
}

impl Finding {
    /// What it is, and what to do.
    pub(super) fn sentence(self, direction: Direction, name: &str) -> String {
        let noun = direction.noun();
        match self {
            Self::Silent => format!(
                "The {noun} {name} delivers nothing but silence: switch it on, raise it in the system's mixer, or allow this terminal to use it."
            ),
            Self::Rate { said, counted } => format!(
                "The {noun} {name} runs at {counted} frames a second and not at the {said} it says: voices sound wrong. Set its rate anew in the system, or take another device."
            ),
        }
    }
}

/// What the counters of a stream said, look by look.
#[derive(Debug, Default)]
pub(super) struct Watch {
    silent_since: Option<Instant>,
    told_silent: bool,
    window: Option<(Instant, u32, u32)>,
    off_windows: u32,
    told_rate: bool,
}

/// A stream's counters, wrapping; `sounded`: there was a sample other than zero since the last look.
#[derive(Clone, Copy, Debug)]
pub(super) struct Counts {
    pub(super) frames: u32,
    pub(super) xruns: u32,
    pub(super) sounded: bool,
}

impl Watch {
    /// What is to be told now. `rate`: as the stream was opened; each finding is told once, silence again when there was sound.
    pub(super) fn look(&mut self, now: Instant, rate: u32, direction: Direction, counts: Counts) -> Option<Finding> {
        let is_silent = direction == Direction::Input && self.is_silent(now, counts.sounded);
        if is_silent && !std::mem::replace(&mut self.told_silent, true) {
            return Some(Finding::Silent);
        }
        let counted = self.count(now, counts)?;
        let off = (counted / f64::from(rate) - 1.0).abs() > OFF;
        self.off_windows = if off { self.off_windows + 1 } else { 0 };
        let tells = self.off_windows >= OFF_WINDOWS && !std::mem::replace(&mut self.told_rate, true);
        tells.then_some(Finding::Rate { said: rate, counted: (counted / 100.0).round() as u32 * 100 })
    }

    fn is_silent(&mut self, now: Instant, sounded: bool) -> bool {
        if sounded {
            (self.silent_since, self.told_silent) = (None, false);
            return false;
        }
        now.saturating_duration_since(*self.silent_since.get_or_insert(now)) >= SILENT
    }

    /// Frames a second over a window that ends now, if one does and nothing was lost in it.
    fn count(&mut self, now: Instant, counts: Counts) -> Option<f64> {
        let Some((since, frames, xruns)) = self.window.filter(|window| window.2 == counts.xruns) else {
            self.window = Some((now, counts.frames, counts.xruns));
            return None;
        };
        let passed = now.saturating_duration_since(since);
        if passed < WINDOW {
            return None;
        }
        self.window = Some((now, counts.frames, xruns));
        Some(f64::from(counts.frames.wrapping_sub(frames)) / passed.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Looks ten times a second for `seconds`; what was told, with its second.
    fn told(direction: Direction, said: u32, runs_at: u32, seconds: u32, counts: impl Fn(u32) -> Counts) -> Vec<(u32, Finding)> {
        let (start, mut watch) = (Instant::now(), Watch::default());
        let look = |n: u32| {
            let counts = Counts { frames: (u64::from(n) * u64::from(runs_at) / 10) as u32, ..counts(n) };
            Some((n / 10, watch.look(start + Duration::from_millis(100) * n, said, direction, counts)?))
        };
        (0..10 * seconds).filter_map(look).collect()
    }

    fn sounding(_: u32) -> Counts {
        Counts { frames: 0, xruns: 0, sounded: true }
    }

    #[test]
    fn a_microphone_that_hears_nothing_at_all_is_told_once_and_again_after_it_heard() {
        let deaf = |n: u32| Counts { sounded: (300..310).contains(&n), ..sounding(n) };
        let found = told(Direction::Input, 48_000, 48_000, 60, deaf);
        assert_eq!(found, [(6, Finding::Silent), (37, Finding::Silent)]);
        assert_eq!(told(Direction::Output, 48_000, 48_000, 60, deaf), [], "a loudspeaker may be silent");
        assert_eq!(told(Direction::Input, 48_000, 48_000, 60, |n| Counts { sounded: n % 50 == 0, ..sounding(n) }), []);
    }

    #[test]
    fn a_card_that_runs_at_another_rate_than_it_says_is_told_once() {
        for direction in [Direction::Input, Direction::Output] {
            let found = told(direction, 48_000, 44_100, 90, sounding);
            assert_eq!(found, [(20, Finding::Rate { said: 48_000, counted: 44_100 })]);
            assert_eq!(told(direction, 16_000, 48_000, 30, sounding).len(), 1);
            assert_eq!(told(direction, 48_000, 47_900, 90, sounding), [], "clocks differ");
        }
    }

    #[test]
    fn a_hiccup_is_no_rate() {
        // Each second something was lost: nothing can be counted.
        assert_eq!(told(Direction::Input, 48_000, 40_000, 90, |n| Counts { xruns: n / 10, ..sounding(n) }), []);
        let (start, mut watch) = (Instant::now(), Watch::default());
        let mut frames = 0;
        for n in 0..900u64 {
            // The computer stood still for a second, once.
            frames += if (300..310).contains(&n) { 0 } else { 4_800 };
            let counts = Counts { frames, xruns: 0, sounded: true };
            assert_eq!(watch.look(start + Duration::from_millis(100 * n), 48_000, Direction::Input, counts), None, "{n}");
        }
    }
}
