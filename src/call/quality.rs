//! How good a peer's voice is, as a figure: the E-model (ITU-T G.107; RFC 3611, 4.7.5) from what was made up and the delay. Pure.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::units::SAMPLE_RATE;

/// R of a call that lacks nothing, with the default values of G.107.
const R_BEST: f32 = 93.2;
/// What the codec costs without loss, and how well it stands losses. G.113, Appendix I has no values for Opus; these are its
/// values for G.711 with concealment in packets of 10 ms, the best of its list. Opus at our bit rates is no worse.
const CODEC_IMPAIRMENT: f32 = 0.0;
const LOSS_ROBUSTNESS: f32 = 25.1;
/// Most that the codec and the losses can cost together.
const IMPAIRMENT_MAX: f32 = 95.0;
/// Delay above this is felt in a conversation (G.107, simplified), ms.
const DELAY_FELT_MS: f32 = 177.3;

/// Voice that the figure is taken from: 10 parts of a second, none of them older than a minute.
const PART_SAMPLES: u64 = SAMPLE_RATE as u64;
const PARTS: usize = 10;
const FORGOTTEN: Duration = Duration::from_secs(60);
/// Less voice than half a second says nothing.
const SAMPLES_MIN: u64 = SAMPLE_RATE as u64 / 2;

/// What playout counts of one peer's voice, since its start.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct VoiceCounts {
    /// Heard or due, and how many of these were made up, in how many gaps.
    pub samples: u64,
    pub concealed: u64,
    pub gaps: u64,
    /// Heard, repaired ones too.
    pub packets: u64,
}

impl VoiceCounts {
    fn zip(self, other: Self, f: impl Fn(u64, u64) -> u64) -> Self {
        Self {
            samples: f(self.samples, other.samples),
            concealed: f(self.concealed, other.concealed),
            gaps: f(self.gaps, other.gaps),
            packets: f(self.packets, other.packets),
        }
    }

    /// Share of the voice that was made up, 0..=1.
    fn loss(self) -> f32 {
        if self.samples == 0 { 0.0 } else { (self.concealed as f32 / self.samples as f32).min(1.0) }
    }

    /// The mean length of a gap against that of independent losses, 1 / (1 - p): 1 is independent, more is bursts.
    fn burst_ratio(self) -> f32 {
        if self.gaps == 0 || self.packets == 0 {
            return 1.0;
        }
        let packet = self.samples.saturating_sub(self.concealed) as f32 / self.packets as f32;
        let gap = self.concealed as f32 / self.gaps as f32 / packet.max(1.0);
        (gap * (1.0 - self.loss())).max(1.0)
    }
}

/// How good a voice is. R: up to 93; MOS: 1 to 4.5.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Rating {
    /// Of a conversation: losses and delay.
    pub r: f32,
    /// Of listening alone: without the delay.
    pub mos_lq: f32,
    pub mos_cq: f32,
}

impl Rating {
    /// `loss`: share of the voice that was made up, after all repair, 0..=1. `delay_ms`: from mouth to ear.
    #[must_use]
    pub fn new(loss: f32, burst_ratio: f32, delay_ms: f32) -> Self {
        let percent = 100.0 * loss;
        let impairment = CODEC_IMPAIRMENT + (IMPAIRMENT_MAX - CODEC_IMPAIRMENT) * percent / (percent / burst_ratio + LOSS_ROBUSTNESS);
        let listening = R_BEST - impairment;
        let r = (listening - delay_impairment(delay_ms)).max(0.0);
        Self { r, mos_lq: mos(listening), mos_cq: mos(r) }
    }
}

fn delay_impairment(ms: f32) -> f32 {
    0.024 * ms + 0.11 * (ms - DELAY_FELT_MS).max(0.0)
}

/// G.107, Annex B.
fn mos(r: f32) -> f32 {
    let r = r.clamp(0.0, 100.0);
    (1.0 + 0.035 * r + r * (r - 60.0) * (100.0 - r) * 7e-6).max(1.0)
}

/// One peer's quality over the last ten seconds of its voice.
#[derive(Clone, Debug, Default)]
pub struct Quality {
    last: VoiceCounts,
    /// Full parts and when each ended, oldest first; and the one being gathered.
    parts: VecDeque<(Instant, VoiceCounts)>,
    open: VoiceCounts,
    opened: Option<Instant>,
    delay_ms: Option<f32>,
}

impl Quality {
    /// Playout has counted so far; the voice takes `delay_ms` from mouth to ear. Call it now and then.
    pub fn handle(&mut self, now: Instant, counts: VoiceCounts, delay_ms: Option<f32>) {
        self.delay_ms = delay_ms;
        let stale = |at: Instant| now.saturating_duration_since(at) > FORGOTTEN;
        while self.parts.front().is_some_and(|(at, _)| stale(*at)) {
            self.parts.pop_front();
        }
        if self.opened.is_some_and(stale) {
            (self.open, self.opened) = (VoiceCounts::default(), None);
        }
        if counts.samples < self.last.samples {
            // Another playout, which counts from nothing.
            self.last = VoiceCounts::default();
        }
        let more = counts.zip(self.last, u64::saturating_sub);
        self.last = counts;
        if more == VoiceCounts::default() {
            return;
        }
        self.open = self.open.zip(more, u64::saturating_add);
        self.opened.get_or_insert(now);
        if self.open.samples >= PART_SAMPLES {
            self.parts.push_back((now, std::mem::take(&mut self.open)));
            self.opened = None;
            if self.parts.len() > PARTS {
                self.parts.pop_front();
            }
        }
    }

    /// `None`: nothing has been heard in the last minute.
    #[must_use]
    pub fn rating(&self) -> Option<Rating> {
        let all = self.parts.iter().fold(self.open, |sum, (_, part)| sum.zip(*part, u64::saturating_add));
        let delay_ms = self.delay_ms.filter(|_| all.samples >= SAMPLES_MIN)?;
        Some(Rating::new(all.loss(), all.burst_ratio(), delay_ms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(a: f32, b: f32) -> bool {
        (a - b).abs() < 0.01
    }

    #[test]
    fn ratings_are_those_worked_out_by_hand() {
        // loss, burst ratio, delay -> R, MOS-LQ, MOS-CQ
        for (loss, burst, delay, r, lq, cq) in [
            (0.0, 1.0, 0.0, 93.2, 4.41, 4.41),
            (0.0, 1.0, 30.0, 92.48, 4.41, 4.39),
            // 0.024 * 277.3 + 0.11 * 100 = 17.655
            (0.0, 1.0, 277.3, 75.545, 4.41, 3.85),
            // 95 * 1 / 26.1 = 3.640
            (0.01, 1.0, 0.0, 89.56, 4.33, 4.33),
            // 95 * 10 / 35.1 = 27.066, and in bursts 95 * 10 / (10 / 4 + 25.1) = 34.420
            (0.1, 1.0, 0.0, 66.134, 3.41, 3.41),
            (0.1, 4.0, 0.0, 58.78, 3.04, 3.04),
            // 95 * 100 / 125.1 = 75.939
            (1.0, 1.0, 0.0, 17.261, 1.18, 1.18),
        ] {
            let got = Rating::new(loss, burst, delay);
            assert!(near(got.r, r) && near(got.mos_lq, lq) && near(got.mos_cq, cq), "{loss} {burst} {delay}: {got:?}");
        }
        assert_eq!(Rating::new(1.0, 1.0, 5_000.0), Rating { r: 0.0, mos_lq: Rating::new(1.0, 1.0, 0.0).mos_lq, mos_cq: 1.0 });
    }

    /// A second of voice in packets of 10 ms; so many of them missing, in so many gaps.
    fn second(counts: &mut VoiceCounts, missing: u64, gaps: u64) {
        counts.samples += 48_000;
        counts.concealed += 480 * missing;
        counts.gaps += gaps;
        counts.packets += 100 - missing;
    }

    #[test]
    fn ten_seconds_of_voice_count_and_none_older_than_a_minute() {
        let start = Instant::now();
        let at = |s| start + Duration::from_secs(s);
        let (mut quality, mut counts) = (Quality::default(), VoiceCounts::default());
        quality.handle(at(0), counts, Some(30.0));
        assert_eq!(quality.rating(), None, "nothing was heard");
        second(&mut counts, 50, 50);
        quality.handle(at(1), counts, None);
        assert_eq!(quality.rating(), None, "how long it takes is not known");
        quality.handle(at(1), counts, Some(30.0));
        assert!(quality.rating().is_some_and(|rating| rating.r < 50.0));
        for s in 2..12 {
            second(&mut counts, 0, 0);
            quality.handle(at(s), counts, Some(30.0));
        }
        assert_eq!(quality.rating(), Some(Rating::new(0.0, 1.0, 30.0)), "ten good seconds later it is forgotten");
        quality.handle(at(100), counts, Some(30.0));
        assert_eq!(quality.rating(), None, "a minute of silence says nothing of now");
    }

    #[test]
    fn bursts_cost_more_than_the_same_loss_alone() {
        let start = Instant::now();
        let rating = |gaps| {
            let (mut quality, mut counts) = (Quality::default(), VoiceCounts::default());
            second(&mut counts, 10, gaps);
            quality.handle(start, counts, Some(0.0));
            quality.rating().expect("a rating").r
        };
        // 10 gaps of one packet: 1 * 0.9, below 1 and thus independent. 2 of five: 5 * 0.9.
        assert!(near(rating(10), Rating::new(0.1, 1.0, 0.0).r) && near(rating(2), Rating::new(0.1, 4.5, 0.0).r));
    }

    #[test]
    fn another_playout_counts_from_nothing() {
        let (start, mut quality) = (Instant::now(), Quality::default());
        let mut counts = VoiceCounts::default();
        (0..20).for_each(|_| second(&mut counts, 0, 0));
        quality.handle(start, counts, Some(0.0));
        let mut fresh = VoiceCounts::default();
        second(&mut fresh, 100, 1);
        quality.handle(start, fresh, Some(0.0));
        let both = 1.0 / 21.0;
        assert!(quality.rating().is_some_and(|rating| rating.r < Rating::new(both, 1.0, 0.0).r));
    }
}
