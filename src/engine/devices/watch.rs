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
/// What cards run at, frames a second, and how near to it a count is: ten seconds of blocks of a tenth, and a clock's error.
const RATES: [u32; 14] = [8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 64_000, 88_200, 96_000, 176_400, 192_000];
const NEAR: f64 = 0.015;
/// Callbacks come early and late by this much without anything being lost.
const JITTER: Duration = Duration::from_millis(5);
/// Where so much of what is missing lies in holes between callbacks, the device starved.
const HOLES: f64 = 0.25;

/// What is wrong with a stream that runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Finding {
    /// Zeros, and nothing else.
    Silent,
    /// Frames a second; `counted`: what it is in truth, one of [`RATES`].
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
    window: Option<Window>,
    /// The rate of the newest windows, frames a second, and how many of them were off alike, one after the other.
    off: Option<(u32, u32)>,
    told_rate: bool,
}

/// A stream's counters, wrapping.
#[derive(Clone, Copy, Debug)]
pub(super) struct Counts {
    pub(super) frames: u32,
    pub(super) xruns: u32,
    /// There was a sample other than zero since the last look.
    pub(super) sounded: bool,
    /// The longest time between two callbacks, of those since the last look; zero: there were none.
    pub(super) gap: Duration,
}

/// A time over which a rate is counted.
#[derive(Debug)]
struct Window {
    since: Instant,
    frames: u32,
    xruns: u32,
    /// The longest gap of each look.
    gaps: Vec<Duration>,
}

impl Window {
    fn new(now: Instant, counts: Counts) -> Self {
        Self { since: now, frames: counts.frames, xruns: counts.xruns, gaps: Vec::with_capacity(128) }
    }

    /// Frames a second, if what is missing was not torn out: a card that starves stands still now and then and flows between, a card
    /// of another rate is late by the same with each block.
    fn rate(&self, now: Instant, rate: u32, frames: u32) -> Option<f64> {
        let passed = now.saturating_duration_since(self.since).as_secs_f64();
        let counted = f64::from(frames.wrapping_sub(self.frames)) / passed;
        let missing = passed * (1.0 - counted / f64::from(rate));
        (missing <= 0.0 || self.holes().as_secs_f64() < missing * HOLES).then_some(counted)
    }

    /// By how much gaps passed the usual ones, all together. Some devices bring many blocks at once, with a gap after them that is
    /// none of these: usual is what most of the calmer looks had.
    fn holes(&self) -> Duration {
        let mut gaps: Vec<Duration> = self.gaps.iter().copied().filter(|gap| !gap.is_zero()).collect();
        gaps.sort_unstable();
        let Some(usual) = gaps.get(gaps.len() / 8).copied() else { return Duration::MAX };
        gaps.iter().filter(|gap| **gap > 2 * usual + JITTER).map(|gap| *gap - usual).sum()
    }
}

impl Watch {
    /// What is to be told now. `rate`: as the stream was opened; each finding is told once, silence again when there was sound.
    pub(super) fn look(&mut self, now: Instant, rate: u32, direction: Direction, counts: Counts) -> Option<Finding> {
        let is_silent = direction == Direction::Input && self.is_silent(now, counts.sounded);
        if is_silent && !std::mem::replace(&mut self.told_silent, true) {
            return Some(Finding::Silent);
        }
        let counted = self.count(now, rate, counts)?;
        let off = counted.filter(|counted| (counted / f64::from(rate) - 1.0).abs() > OFF).and_then(nearest);
        // It is the same each time.
        self.off = off.map(|off| (off, self.off.filter(|(last, _)| *last == off).map_or(1, |(_, windows)| windows + 1)));
        let (counted, windows) = self.off?;
        let tells = windows >= OFF_WINDOWS && !std::mem::replace(&mut self.told_rate, true);
        tells.then_some(Finding::Rate { said: rate, counted })
    }

    fn is_silent(&mut self, now: Instant, sounded: bool) -> bool {
        if sounded {
            (self.silent_since, self.told_silent) = (None, false);
            return false;
        }
        now.saturating_duration_since(*self.silent_since.get_or_insert(now)) >= SILENT
    }

    /// When a window ends: the frames a second in it, `None` if it says nothing of the rate. One in which the device told of a loss
    /// does not end.
    fn count(&mut self, now: Instant, rate: u32, counts: Counts) -> Option<Option<f64>> {
        let Some(window) = self.window.as_mut().filter(|window| window.xruns == counts.xruns) else {
            self.window = Some(Window::new(now, counts));
            return None;
        };
        window.gaps.push(counts.gap);
        if now.saturating_duration_since(window.since) < WINDOW {
            return None;
        }
        let counted = window.rate(now, rate, counts.frames);
        self.window = Some(Window::new(now, counts));
        Some(counted)
    }
}

/// The rate of cards that was counted. A card that is set wrongly runs at another of these; what is far from all is no card's rate.
fn nearest(counted: f64) -> Option<u32> {
    RATES.into_iter().find(|rate| (counted / f64::from(*rate) - 1.0).abs() < NEAR)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A card's callbacks in virtual time: when each comes, ms, and with how many frames.
    type Blocks = Vec<(f64, u32)>;

    /// Evenly spaced for `seconds`, blocks of 480 frames; `late(n)`: by how many ms the n-th is late. What follows waits for it.
    fn even(rate: f64, seconds: u32, late: impl Fn(u64) -> f64) -> Blocks {
        let spacing = 480e3 / rate;
        let all = (0..).map(|n: u64| n as f64 * spacing + late(n));
        let all = all.scan(0.0f64, |last, at| {
            *last = at.max(*last);
            Some(*last)
        });
        all.take_while(|at| *at < f64::from(seconds) * 1e3).map(|at| (at, 480)).collect()
    }

    /// Looks ten times a second; what was told, with its second.
    fn told_of(direction: Direction, said: u32, blocks: &Blocks) -> Vec<(u32, Finding)> {
        let (start, mut watch) = (Instant::now(), Watch::default());
        let mut blocks = blocks.iter().peekable();
        let (mut frames, mut last, mut found) = (0u32, None::<f64>, Vec::new());
        for n in 1u32.. {
            let mut gap = 0.0f64;
            while let Some((at, count)) = blocks.next_if(|(at, _)| *at < f64::from(n) * 100.0) {
                gap = gap.max(last.replace(*at).map_or(0.0, |last| at - last));
                frames = frames.wrapping_add(*count);
            }
            let counts = Counts { frames, xruns: 0, sounded: true, gap: Duration::from_secs_f64(gap / 1e3) };
            found.extend(watch.look(start + Duration::from_millis(100) * n, said, direction, counts).map(|finding| (n / 10, finding)));
            if blocks.peek().is_none() {
                return found;
            }
        }
        found
    }

    /// As a thing of chance, and always the same: 0 to 1.
    fn chance(n: u64) -> f64 {
        (n.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40) as f64 / f64::from(1 << 24)
    }

    /// A healthy card whose callbacks are kept from coming: `hole(n)` ms after the n-th nothing comes, and what it would have brought is
    /// lost but for what a buffer of 20 ms holds.
    fn starved(seconds: u32, hole: impl Fn(u64) -> f64) -> Blocks {
        let (mut at, mut all) = (0.0, Vec::new());
        for n in 0.. {
            let late = hole(n);
            at += 10.0 + late;
            if at >= f64::from(seconds) * 1e3 {
                break;
            }
            let kept = (late.min(20.0) / 10.0) as usize;
            all.extend(std::iter::repeat_n((at, 480), 1 + kept));
        }
        all
    }

    fn looks(direction: Direction, seconds: u32, counts: impl Fn(u32) -> Counts) -> Vec<(u32, Finding)> {
        let (start, mut watch) = (Instant::now(), Watch::default());
        let look = |n: u32| Some((n / 10, watch.look(start + Duration::from_millis(100) * n, 48_000, direction, counts(n))?));
        (0..10 * seconds).filter_map(look).collect()
    }

    fn sounding(n: u32) -> Counts {
        Counts { frames: 4_800 * n, xruns: 0, sounded: true, gap: Duration::from_millis(10) }
    }

    #[test]
    fn a_microphone_that_hears_nothing_at_all_is_told_once_and_again_after_it_heard() {
        let deaf = |n: u32| Counts { sounded: (300..310).contains(&n), ..sounding(n) };
        assert_eq!(looks(Direction::Input, 60, deaf), [(6, Finding::Silent), (37, Finding::Silent)]);
        assert_eq!(looks(Direction::Output, 60, deaf), [], "a loudspeaker may be silent");
        assert_eq!(looks(Direction::Input, 60, |n| Counts { sounded: n % 50 == 0, ..sounding(n) }), []);
    }

    #[test]
    fn a_card_that_runs_at_another_rate_than_it_says_is_told_once() {
        let found = [(20, Finding::Rate { said: 48_000, counted: 44_100 })];
        for direction in [Direction::Input, Direction::Output] {
            assert_eq!(told_of(direction, 48_000, &even(44_100.0, 90, |_| 0.0)), found);
            assert_eq!(told_of(direction, 48_000, &even(44_130.0, 90, |n| 9.0 * chance(n))), found, "jittery, as they all are");
            assert_eq!(told_of(direction, 16_000, &even(48_000.0, 30, |_| 0.0)).len(), 1);
            assert_eq!(told_of(direction, 44_100, &even(48_000.0, 30, |n| 9.0 * chance(n))).len(), 1);
            assert_eq!(told_of(direction, 48_000, &even(47_900.0, 90, |n| 9.0 * chance(n))), [], "clocks differ");
        }
        // A second is missing all in all, and one hole of 150 ms is not why.
        let hiccup = even(44_100.0, 90, |n| if n % 900 == 450 { 150.0 } else { 0.0 });
        assert_eq!(told_of(Direction::Input, 48_000, &hiccup), found);
        // Four blocks at once, as some sound servers bring them.
        let bursts: Blocks = even(44_100.0 / 4.0, 90, |n| 4.0 * chance(n)).into_iter().flat_map(|block| [block; 4]).collect();
        assert_eq!(told_of(Direction::Output, 48_000, &bursts), found);
    }

    #[test]
    fn a_card_that_starves_is_no_card_of_another_rate() {
        for direction in [Direction::Input, Direction::Output] {
            // About an eighth is lost, as on a busy machine; holes of all lengths, with and without a rhythm.
            for share in 2..=20u64 {
                let at_random = starved(120, |n| if chance(n) < share as f64 / 100.0 { 30.0 + 70.0 * chance(n + 7) } else { 0.0 });
                assert_eq!(told_of(direction, 48_000, &at_random), [], "{share} of 100");
                let steadily = starved(120, |n| if n % (2 * share) == 0 { 45.0 } else { 0.0 });
                assert_eq!(told_of(direction, 48_000, &steadily), [], "one of {}", 2 * share);
            }
            // Lost bit by bit: at no card's rate.
            assert_eq!(told_of(direction, 48_000, &even(42_400.0, 120, |n| 9.0 * chance(n))), []);
        }
    }

    #[test]
    fn a_hiccup_is_no_rate() {
        // Each second something was lost: nothing can be counted.
        assert_eq!(looks(Direction::Input, 90, |n| Counts { frames: 4_000 * n, xruns: n / 10, ..sounding(n) }), []);
        // The computer stood still for a second, once.
        let still = |n: u32| Counts { frames: 4_800 * n.min(300).max(n.saturating_sub(10)), ..sounding(n) };
        assert_eq!(looks(Direction::Input, 90, still), []);
    }
}
