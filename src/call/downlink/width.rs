//! How wide the way to one peer is: a queue that fills there, or losses that only more packets explain, make it narrow. Pure.

use std::time::{Duration, Instant};

/// Round trips this far above what they were at best, and this many times it, are a queue that fills. Less is suspicious, and enough
/// where so much is lost too: a queue that is full loses the very reports that would show how long it is.
const QUEUE_MS: f32 = 60.0;
const QUEUE_TIMES: f32 = 1.5;
const SUSPECT_MS: f32 = 40.0;
const FULL_LOSS: f32 = 0.15;
/// Jitter makes round trips long too, now and then all of the last few: so many times it more is asked for.
const JITTERS: f32 = 2.0;
/// A queue that fills grows by this from each of the last three to the next, or loses so much of what is sent.
const GROWS_MS: f32 = 3.0;
/// Round trips that stay long for so many reports, without a loss, are the way itself.
const STANDS: u8 = 8;
const LOSES: f32 = 0.02;
/// The least of so many round trips must lie above what the longest of so many was at best: a queue that stands makes all of
/// them long, jitter only some.
const LAST: usize = 4;
/// The best is that of the last minute at most.
const BEST_SPAN: Duration = Duration::from_secs(30);
/// A cut has this long to show what it does.
const SHOWS: Duration = Duration::from_millis(2_500);
/// What arrived is what the way can carry; this share of it is asked of it, and at least so much less than before.
const SHARE: f32 = 0.85;
const CUT: f32 = 0.65;
/// Cuts that change nothing: the queue is somebody else's, or there is none.
const FUTILE: u8 = 2;
/// No budget lies below, bit/s: the lowest rung fits it.
const LEAST: f32 = 33_000.0;
/// Losses like these might be our own doing: less is tried once, and not again for a while if it does not help.
const TERRIBLE: f32 = 0.45;
/// More reports in a row than this must say so.
const AGREE: u8 = 2;
const TRIAL_PAUSE: Duration = Duration::from_secs(30);
/// A step back up: after good reports for so long, and longer each time it failed.
const PROBE_AFTER: Duration = Duration::from_secs(5);
const PROBE_AFTER_CUT: Duration = Duration::from_secs(8);
const PROBE_AFTER_MAX: Duration = Duration::from_secs(60);
const PROBE: f32 = 1.25;
/// Losses that grow by more after a step up say that it failed.
const WORSE: f32 = 0.05;
/// Who sends less than this says nothing about the way, bit/s.
const QUIET: f32 = 12_000.0;

/// What one report says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sample {
    pub rtt_ms: Option<f32>,
    /// Interarrival jitter over there (RFC 3550, 6.4.1).
    pub jitter_ms: f32,
    /// Packets sent since the last, and those lost.
    pub packets: f32,
    pub lost: f32,
    /// Share of the last few seconds' packets that were lost, 0..=1: of one report's much is chance.
    pub loss: f32,
    /// Sent in all, with all headers.
    pub sent_bits: u64,
    /// What would be sent if the way were wide, bit/s.
    pub wish: f32,
}

/// What is known of the way.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Width {
    /// Bit/s that are sent at most; `None`: as wide as anybody wants.
    budget: Option<f32>,
    /// The best of this half minute and the one before, ms, and when this one began.
    best: Option<(f32, f32, Instant)>,
    last_rtts: [f32; LAST],
    /// The least of these.
    rtt_ms: f32,
    is_full: bool,
    /// Reports in a row with long round trips that were no queue.
    stands: u8,
    last: Option<(u64, Instant)>,
    /// 0..=1, of the last second or so.
    loss: f32,
    terrible: u8,
    cut: Option<Instant>,
    cuts: u8,
    /// The round trip at the first of them.
    cut_rtt_ms: f32,
    trial: Option<Trial>,
    no_trial_until: Option<Instant>,
    good_for: Duration,
    probe_after: Duration,
    /// When the last step up was, and the losses then.
    probed: Option<(Instant, f32)>,
}

/// Less is tried because of losses.
#[derive(Clone, Copy, Debug)]
struct Trial {
    since: Instant,
    /// Bit/s that were sent before, and the share of them that was lost: the first reports after the cut are still about those.
    rate: f32,
    loss: f32,
}

impl Width {
    pub(super) fn budget(&self) -> Option<f32> {
        self.budget
    }

    /// A queue may be filling: no time to send more.
    pub(super) fn is_suspect(&self) -> bool {
        self.best().is_some_and(|best| self.rtt_ms > best + SUSPECT_MS)
    }

    /// As [`Width::is_suspect`], by the last report alone: no time to answer losses with more at once.
    pub(super) fn may_be_suspect(&self) -> bool {
        self.best().is_some_and(|best| self.last_rtts[LAST - 1] > best + SUSPECT_MS)
    }

    fn best(&self) -> Option<f32> {
        self.best.map(|(this, before, _)| this.min(before))
    }

    pub(super) fn handle(&mut self, now: Instant, sample: &Sample) {
        let Some((rate, passed)) = self.sent(now, sample) else { return };
        if let Some(rtt) = sample.rtt_ms {
            self.handle_rtt(now, rtt, sample.jitter_ms);
        }
        if sample.packets > 0.0 {
            let loss = (sample.lost / sample.packets).clamp(0.0, 1.0);
            self.loss += (loss - self.loss) * 0.4;
            self.terrible = if loss > TERRIBLE { self.terrible.saturating_add(1) } else { 0 };
        }
        if rate < QUIET {
            return;
        }
        let may_cut = self.cut.is_none_or(|at| now.saturating_duration_since(at) > SHOWS);
        if self.is_full {
            if may_cut {
                self.cut_for_queue(now, rate.min(sample.wish), sample.loss);
            }
        } else if let Some(trial) = &mut self.trial {
            trial.loss = trial.loss.max(self.loss);
            if now.saturating_duration_since(trial.since) > SHOWS {
                let trial = *trial;
                self.judge(now, &trial, rate);
            }
        } else if self.terrible > AGREE && sample.loss > TERRIBLE && may_cut && self.no_trial_until.is_none_or(|until| now >= until) {
            self.trial = Some(Trial { since: now, rate, loss: self.loss.min(sample.loss) });
            self.cut_to(now, rate * (1.0 - self.loss) * SHARE);
        } else if self.probed.is_some_and(|(_, before)| self.loss > before + WORSE) && self.budget.is_some() {
            self.fail();
            self.cut_to(now, self.budget.unwrap_or(rate) / PROBE);
        } else {
            self.go_on(now, passed, sample.wish);
        }
    }

    /// Bit/s since the last report, and its time.
    fn sent(&mut self, now: Instant, sample: &Sample) -> Option<(f32, Duration)> {
        let (bits, at) = self.last.replace((sample.sent_bits, now))?;
        let passed = now.saturating_duration_since(at);
        let seconds = passed.as_secs_f32();
        (seconds > 0.0).then(|| (sample.sent_bits.saturating_sub(bits) as f32 / seconds, passed))
    }

    fn handle_rtt(&mut self, now: Instant, rtt: f32, jitter_ms: f32) {
        self.last_rtts.rotate_left(1);
        self.last_rtts[LAST - 1] = rtt;
        if self.last_rtts[0] <= 0.0 {
            // The first few are not enough yet.
            return;
        }
        self.rtt_ms = self.last_rtts.iter().copied().fold(f32::INFINITY, f32::min);
        let longest = self.last_rtts.iter().copied().fold(0.0, f32::max);
        self.best = Some(match self.best {
            Some((this, _, since)) if now.saturating_duration_since(since) > BEST_SPAN => (longest, this, now),
            Some((this, before, since)) => (this.min(longest), before, since),
            None => (longest, longest, now),
        });
        let best = self.best().unwrap_or(longest);
        let enough = if self.loss > FULL_LOSS { SUSPECT_MS } else { QUEUE_MS } + JITTERS * jitter_ms;
        let is_long = self.rtt_ms > best + enough && self.rtt_ms > best * QUEUE_TIMES;
        let grows = self.last_rtts[LAST - 3..].is_sorted_by(|before, after| *after > before + GROWS_MS);
        self.is_full = is_long && (grows || self.loss > LOSES);
        self.stands = if is_long && !self.is_full { self.stands + 1 } else { 0 };
        if self.stands == STANDS {
            // A queue of ours would grow, or lose what finds no room: the way itself is that long now.
            (self.best, self.stands) = (Some((longest, longest, now)), 0);
        }
    }

    fn cut_for_queue(&mut self, now: Instant, rate: f32, loss: f32) {
        if self.cuts == 0 {
            self.cut_rtt_ms = self.rtt_ms;
        }
        if self.cuts >= FUTILE && self.rtt_ms > 0.75 * self.cut_rtt_ms && self.loss < WORSE {
            // Ours is not the queue: that long is the way now.
            self.best = Some((self.rtt_ms, self.rtt_ms, now));
            (self.budget, self.cuts, self.is_full) = (None, 0, false);
            return;
        }
        if self.probed.is_some() {
            self.fail();
        }
        let carries = rate * (1.0 - self.loss) * SHARE;
        self.cuts += 1;
        // Where much is lost, that must show for it.
        self.trial = (self.loss > FULL_LOSS).then_some(Trial { since: now, rate, loss: self.loss.min(loss) });
        self.cut_to(now, carries.min(self.budget.unwrap_or(rate) * CUT));
    }

    fn cut_to(&mut self, now: Instant, budget: f32) {
        self.budget = Some(budget.max(LEAST));
        (self.cut, self.good_for, self.probed) = (Some(now), Duration::ZERO, None);
        self.probe_after = self.probe_after.max(PROBE_AFTER_CUT);
    }

    /// A step up was one too many.
    fn fail(&mut self) {
        self.probe_after = (self.probe_after * 2).clamp(PROBE_AFTER_CUT, PROBE_AFTER_MAX);
    }

    /// A way that is too narrow carries as much as before of the less that is sent; losses that come whatever we send stay as they were.
    fn judge(&mut self, now: Instant, trial: &Trial, rate: f32) {
        self.trial = None;
        let carries = trial.rate * (1.0 - trial.loss);
        let narrow = (1.0 - carries / rate).clamp(0.0, 0.8 * trial.loss);
        if self.loss > (trial.loss + narrow) / 2.0 {
            (self.budget, self.no_trial_until) = (None, Some(now + TRIAL_PAUSE));
        } else if self.loss > FULL_LOSS && self.budget.is_some_and(|budget| budget > LEAST) {
            // Not by enough yet.
            self.trial = Some(Trial { since: now, rate, loss: self.loss });
            self.cut_to(now, rate * (1.0 - self.loss) * SHARE);
        }
    }

    /// All is well: a step up now and then, until there is room for all.
    fn go_on(&mut self, now: Instant, passed: Duration, wish: f32) {
        let Some(budget) = self.budget else { return };
        if self.is_suspect() {
            self.good_for = Duration::ZERO;
            return;
        }
        self.good_for += passed.min(Duration::from_secs(1));
        if self.probed.is_some() && self.good_for >= PROBE_AFTER {
            self.probe_after = PROBE_AFTER;
        }
        if self.good_for < self.probe_after {
            return;
        }
        (self.good_for, self.cuts) = (Duration::ZERO, 0);
        self.probed = Some((now, self.loss));
        let budget = budget * PROBE;
        self.budget = (budget < wish * 1.1).then_some(budget);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reports each half second of a way that carries `capacity` bit/s with a queue of `queue_ms`, when `send` says how
    /// much is sent under a budget. Returns what was sent at the end, and the longest round trip of the last 20 s.
    fn run(width: &mut Width, start: Instant, seconds: u32, capacity: f32, base_ms: f32) -> (f32, f32) {
        let send = |budget: Option<f32>| budget.unwrap_or(80_000.0).clamp(32_000.0, 80_000.0);
        let (mut bits, mut queue_ms, mut worst) = (width.last.map_or(0, |last| last.0), 0.0f32, 0.0f32);
        for n in 1..=2 * seconds {
            let rate = send(width.budget());
            bits += (rate / 2.0) as u64;
            let over = queue_ms + (rate - capacity) / capacity * 500.0;
            queue_ms = over.clamp(0.0, 200.0);
            let lost = (over - queue_ms).max(0.0) / 500.0 * capacity / rate;
            let rtt = base_ms + queue_ms;
            worst = if n > 2 * seconds.saturating_sub(20) { worst.max(rtt) } else { 0.0 };
            let sample =
                Sample { rtt_ms: Some(rtt), jitter_ms: 0.0, packets: 50.0, lost: 50.0 * lost, loss: lost, sent_bits: bits, wish: 80_000.0 };
            width.handle(start + n * Duration::from_millis(500), &sample);
        }
        (send(width.budget()), worst)
    }

    #[test]
    fn a_narrow_way_is_filled_no_further_and_tried_again_when_it_widens() {
        let mut width = Width::default();
        let start = Instant::now();
        run(&mut width, start, 5, 200_000.0, 20.0);
        assert_eq!(width.budget(), None);
        let (rate, _) = run(&mut width, start + Duration::from_secs(5), 60, 50_000.0, 20.0);
        assert!((33_000.0..52_000.0).contains(&rate), "{rate}");
        let (rate, _) = run(&mut width, start + Duration::from_secs(65), 60, 200_000.0, 20.0);
        assert!(rate == 80_000.0 && width.budget().is_none(), "{rate}");
    }

    #[test]
    fn a_way_that_became_longer_is_not_narrow() {
        let mut width = Width::default();
        let start = Instant::now();
        run(&mut width, start, 10, 200_000.0, 20.0);
        let (rate, _) = run(&mut width, start + Duration::from_secs(10), 90, 200_000.0, 200.0);
        assert!(rate == 80_000.0, "{rate}");
    }

    #[test]
    fn terrible_losses_that_less_does_not_help_are_sent_through() {
        let mut width = Width::default();
        let start = Instant::now();
        for n in 1..60u32 {
            let sample = Sample {
                rtt_ms: Some(20.0),
                jitter_ms: 0.0,
                packets: 50.0,
                lost: 30.0,
                loss: 0.6,
                sent_bits: u64::from(n) * 40_000,
                wish: 80_000.0,
            };
            width.handle(start + n * Duration::from_millis(500), &sample);
        }
        assert_eq!(width.budget(), None);
    }
}
