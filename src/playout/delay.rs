//! How long to wait: the target, from the relative one-way delays of the packets. Pure.
//!
//! Every packet has an offset: its arrival on our clock minus its time on the sender's. The differences between offsets
//! are the network's doing; the slow common slope is drift. The histogram stands in a frame that moves with that slope, so
//! that only the network's part smears it.

use super::Why;
use super::drift::Slope;
use super::histogram::{BIN, BINS, Histogram};
use super::unquiet::Unquiet;

/// Where the low end of the offsets is kept in the frame: 256 ms above its bottom.
const HOME: f64 = 12_288.0;
/// Forgetting: a packet counts 1/e of its weight after 6 s of voice.
const MEMORY: f64 = 6.0 * 48_000.0;
/// Share of packets that may come after the target: one of all that is remembered, and a little.
const LATE_SHARE: f64 = 0.002;
/// So many of them say that it got worse, where it was unquiet before.
const WORSE_SHARE: f64 = 0.02;
/// Peaks older than this many windows of half a second are forgotten altogether: the target falls within 4 s.
const RECENT: usize = 8;
const WINDOW: f64 = 24_000.0;
/// Packets in a window that can prove a changed path.
const WINDOW_PACKETS: usize = 6;
/// A path that changed by less (5 ms) is left to forgetting.
const SHIFT_MIN: f64 = 240.0;
/// Held up longer than this (300 ms) is an outage, not jitter: no delay could cover it.
const OUTAGE: f64 = 14_400.0;
/// Silence after which the clocks may have drifted apart unseen: 5 s.
const STALE: f64 = 240_000.0;
/// A pause of 200 ms ends what came before.
const PAUSE: f64 = 9_600.0;
/// Above the quantile: 0.5 ms. Above the fastest packets at least 1 ms: with the wait for the card's next block, that
/// makes the floor of one card block and 1 ms.
const ABOVE: f64 = 24.0;
const FLOOR: f64 = 48.0;
/// Extra wait at the start of a stream, before anything is known: 10 ms, gone after a second.
const CAUTION: f64 = 480.0;
/// Up to here above the fastest packets the target comes down slowly: by 0.2 ms a second of voice. What comes and goes every
/// few seconds, the stalls of a busy computer (10 ms) or copies of lost packets (60 ms), shall not pull the voice to and fro.
const COMFORT: f64 = 480.0;
const COMFORT_REPAIRS: f64 = 2_880.0;
const EASE: f64 = 0.0002;
/// The newest copy that was of use is no older: 10 s.
const REPAIRS: f64 = 480_000.0;

/// One packet's arrival.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arrival {
    pub(super) at: f64,
    /// Arrival minus media time.
    pub(super) offset: f64,
    /// Length of the packet.
    pub(super) span: f64,
    /// First of a talk spurt.
    pub(super) start: bool,
}

/// The bounds of the target, samples above the fastest packets.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) min: f64,
    pub(super) max: f64,
}

/// Half a second of arrivals, in the frame.
#[derive(Clone, Copy, Debug)]
struct Window {
    from: f64,
    min: f64,
    max: f64,
    count: usize,
    /// Bins and weights added, so that they can be moved.
    added: [(u16, f32); 256],
    added_len: usize,
}

impl Window {
    const EMPTY: Self = Self { from: 0.0, min: f64::INFINITY, max: f64::NEG_INFINITY, count: 0, added: [(0, 0.0); 256], added_len: 0 };

    /// All of it lies above (or below) all of `other`, by more than a path's whims.
    fn is_above(&self, other: &Self) -> bool {
        other.count >= WINDOW_PACKETS && self.is_beyond(other.max + SHIFT_MIN)
    }

    fn is_beyond(&self, place: f64) -> bool {
        self.count >= WINDOW_PACKETS && self.min > place
    }
}

#[derive(Debug)]
pub(super) struct DelayControl {
    histogram: Histogram,
    /// The frame: its bottom is at `origin` when the clock is at `origin_at`, and moves by `slope`.
    origin: f64,
    origin_at: f64,
    slope: f64,
    drift: Slope,
    low: f64,
    high: f64,
    window: Window,
    /// The one before, and the one before that.
    past: [Window; 2],
    recent: [f64; RECENT],
    recent_at: usize,
    /// The same without what was waited for only to be repaired.
    held_up: [f64; RECENT],
    unquiet: Unquiet,
    caution: f64,
    /// The frame has yet to be put to this stream: the fastest packet so far of its first burst.
    fresh: Option<f64>,
    /// In the burst that opens a talk spurt: the newest packet, not yet believed.
    burst: bool,
    pending: Option<Arrival>,
    last_at: f64,
    outage: bool,
    repaired_at: f64,
    /// Until then, what lies above this in the frame came by a path that is gone.
    old_path: (f64, f64),
}

impl DelayControl {
    pub(super) fn new() -> Self {
        Self {
            histogram: Histogram::new(MEMORY),
            origin: 0.0,
            origin_at: 0.0,
            slope: 0.0,
            drift: Slope::new(),
            low: HOME,
            high: HOME,
            window: Window::EMPTY,
            past: [Window::EMPTY; 2],
            recent: [f64::NEG_INFINITY; RECENT],
            recent_at: 0,
            held_up: [f64::NEG_INFINITY; RECENT],
            unquiet: Unquiet::new(),
            caution: CAUTION,
            fresh: Some(f64::INFINITY),
            burst: true,
            pending: None,
            last_at: 0.0,
            outage: false,
            repaired_at: f64::NEG_INFINITY,
            old_path: (f64::NEG_INFINITY, 0.0),
        }
    }

    /// Another timeline begins: offsets have nothing to do with those before, but the jitter is likely the same.
    pub(super) fn restart(&mut self) {
        self.fresh = Some(f64::INFINITY);
        self.burst = true;
        self.pending = None;
        self.repaired_at = f64::NEG_INFINITY;
        self.drift.restart();
        self.unquiet.clear();
        self.close_window(self.last_at);
    }

    /// A packet came for the first time.
    pub(super) fn observe(&mut self, arrival: Arrival) {
        let gap = arrival.at - self.last_at;
        self.last_at = arrival.at;
        if gap > STALE && self.fresh.is_none() {
            self.fresh = Some(f64::INFINITY);
        }
        // The first of a burst may be overtaken by the rest of it.
        let in_burst = self.burst && gap < arrival.span / 2.0;
        if arrival.start && !in_burst || gap > PAUSE {
            self.settle_pending();
            self.burst = true;
        }
        let y = self.in_frame(&arrival);
        let spread = self.high - self.low;
        match self.fresh {
            Some(fastest) if arrival.offset < fastest => {
                self.anchor(&arrival);
                self.fresh = Some(arrival.offset);
            }
            None if y < self.low - spread.max(4_800.0) => self.anchor(&arrival),
            None if gap > PAUSE && y > self.low + OUTAGE => {
                self.anchor(&arrival);
                self.fresh = Some(arrival.offset);
            }
            _ => {}
        }
        if !self.burst {
            return self.commit(&arrival, gap);
        }
        // Pre-roll comes at once with true times: each packet's offset falls by its length. Only the last is the network's.
        match self.pending {
            Some(_) if gap >= arrival.span / 2.0 => {
                self.settle_pending();
                self.commit(&arrival, gap);
            }
            Some(before) if before.offset < arrival.offset => {}
            _ => self.pending = Some(arrival),
        }
    }

    /// A slot whose own packet is missing was, or could have been, filled at this time by redundancy.
    pub(super) fn observe_repair(&mut self, arrival: Arrival) {
        if arrival.at - self.last_at > PAUSE {
            // The first packets of a spurt are gone: their copies come with the rest of its burst.
            self.settle_pending();
            (self.burst, self.last_at) = (true, arrival.at);
        }
        if !self.burst && self.fresh.is_none() {
            self.repaired_at = arrival.at;
            let held_up = self.held_up;
            self.commit(&arrival, f64::INFINITY);
            if self.held_up != held_up && self.window.count > 0 {
                self.held_up[self.recent_at] = held_up[self.recent_at];
            }
        }
    }

    /// What the network asks for, above the fastest packets.
    fn wait(&self) -> f64 {
        (self.high + ABOVE).max(self.low + FLOOR) + self.caution - self.low
    }

    /// What decides the target.
    pub(super) fn why(&self, bounds: Bounds) -> Why {
        let wait = self.wait();
        let held_up = self.held_up.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        match () {
            () if wait < bounds.min || wait > bounds.max => Why::Set,
            () if self.high + ABOVE <= self.low + 2.0 * FLOOR => Why::Floor,
            () if held_up + FLOOR < self.high => Why::Repair,
            () => Why::Jitter,
        }
    }

    /// The offset at which playout should stand: media time = clock - target.
    pub(super) fn target(&self, now: f64, bounds: Bounds) -> f64 {
        self.bottom(now) + self.low + self.wait().clamp(bounds.min, bounds.max.max(bounds.min))
    }

    /// Of the packets that came later than `offset`, the share that came within `span` after that.
    pub(super) fn chance(&self, now: f64, offset: f64, span: f64) -> f64 {
        let bin = |y: f64| (y / BIN).clamp(0.0, BINS as f64) as usize;
        let y = offset - self.bottom(now);
        let weight = |from: usize, to: usize| self.histogram.bins[from.min(to)..to].iter().map(|bin| f64::from(*bin)).sum::<f64>();
        let soon = weight(bin(y), bin(y + span));
        let later = weight(bin(y + span), BINS);
        soon / (soon + later).max(f64::MIN_POSITIVE)
    }

    /// The fastest packets' offset.
    pub(super) fn fastest(&self, now: f64) -> f64 {
        self.bottom(now) + self.low
    }

    /// The frame has yet to be put to a new timeline.
    pub(super) fn is_fresh(&self) -> bool {
        self.fresh.is_some()
    }

    /// The sender's clock against ours; positive: theirs is fast.
    pub(super) fn drift_ppm(&self) -> Option<f32> {
        self.drift.ppm().map(|ppm| -ppm)
    }

    fn bottom(&self, time: f64) -> f64 {
        self.origin + self.slope * (time - self.origin_at)
    }

    fn in_frame(&self, arrival: &Arrival) -> f64 {
        arrival.offset - self.bottom(arrival.at)
    }

    /// Moves the frame so that this packet is one of the fastest.
    fn anchor(&mut self, arrival: &Arrival) {
        let delta = self.in_frame(arrival) - self.low;
        self.origin += delta;
        // What is still under way on the old, longer path says nothing about the new one.
        self.old_path = (arrival.at - delta + SHIFT_MIN, self.low - delta / 2.0);
        self.close_window(arrival.at);
        self.past = [Window::EMPTY; 2];
        self.unquiet.clear();
    }

    fn settle_pending(&mut self) {
        self.burst = false;
        if let Some(arrival) = self.pending.take() {
            self.commit(&arrival, f64::INFINITY);
        }
    }

    fn commit(&mut self, arrival: &Arrival, gap: f64) {
        self.fresh = None;
        let y = self.in_frame(arrival);
        if arrival.at < self.old_path.0 && y > self.old_path.1 {
            return;
        }
        self.caution = (self.caution - arrival.span * CAUTION / 48_000.0).max(0.0);
        if arrival.at - self.window.from > 2.0 * WINDOW {
            self.close_window(arrival.at);
        }
        self.window.min = self.window.min.min(y);
        self.window.max = self.window.max.max(y);
        self.window.count += 1;
        self.outage = y > self.low + OUTAGE || (self.outage && gap < arrival.span / 2.0);
        if !self.outage && (0.0..BINS as f64 * BIN).contains(&y) {
            self.add(y, arrival.span);
            self.unquiet.add(y, arrival.at - arrival.offset, arrival.span);
            if self.drift.add(arrival.at, arrival.offset) {
                self.origin = self.bottom(arrival.at);
                (self.origin_at, self.slope) = (arrival.at, self.drift.slope());
            }
        }
        if arrival.at - self.window.from >= WINDOW {
            self.judge_window();
            self.close_window(arrival.at);
        }
        let repairs = arrival.at - self.repaired_at < REPAIRS;
        let comfort = self.low + if repairs { COMFORT_REPAIRS } else { COMFORT };
        let eased = (self.high - arrival.span * EASE).min(comfort);
        let high = match self.unquiet.high() {
            Some(high) => high.max(self.find_high(WORSE_SHARE)),
            None => self.find_high(LATE_SHARE),
        };
        self.high = high.max(eased);
    }

    fn add(&mut self, y: f64, span: f64) {
        let bin = (y / BIN) as usize;
        let weight = self.histogram.add(bin, span);
        self.recent[self.recent_at] = self.recent[self.recent_at].max(y);
        self.held_up[self.recent_at] = self.held_up[self.recent_at].max(y);
        if let Some(slot) = self.window.added.get_mut(self.window.added_len) {
            *slot = (bin as u16, weight);
            self.window.added_len += 1;
        }
        if let Some(scale) = self.histogram.rescale() {
            for window in self.past.iter_mut().chain([&mut self.window]) {
                window.added.iter_mut().for_each(|added| added.1 *= scale);
            }
        }
    }

    /// Above it lies `share` of what is remembered, and no recent peak.
    fn find_high(&self, share: f64) -> f64 {
        let peak = self.recent.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        if !peak.is_finite() {
            return self.high;
        }
        let top = ((peak / BIN) as usize).min(BINS - 1);
        // What lies above the recent peak counts as late too, though it is about to be forgotten.
        self.histogram.highest(top, share).map_or(self.low, |bin| (bin as f64 + 1.0) * BIN)
    }

    /// If all of this window lies beyond all of the one before the last (the last may hold the change itself), the path
    /// changed: the frame goes with it.
    fn judge_window(&mut self) {
        let before = &self.past[1];
        if self.window.is_above(before) {
            self.shift(self.window.min - before.min);
        } else if before.is_above(&self.window) {
            // A queue that is gone leaves the path as it was: down to the fastest known, the frame stays where it is.
            let delta = (self.window.min - before.min).max(self.window.min - self.low);
            if delta < -SHIFT_MIN {
                self.shift(delta);
            }
        } else if [&self.window, before].iter().all(|window| window.is_beyond(self.low + OUTAGE / 2.0)) {
            // The way became longer little by little. Before all of it counts as an outage:
            self.origin += self.window.min - self.low;
            (self.outage, self.past) = (false, [Window::EMPTY; 2]);
            self.unquiet.clear();
        }
        self.low = self.histogram.lowest(0.05).map_or(self.low, |bin| bin as f64 * BIN).min(self.high);
        self.recenter();
    }

    /// Moves the frame, and with it all that was learned; but for what came after the change, which is right as it is.
    fn shift(&mut self, delta: f64) {
        let middle = (self.window.min + self.past[1].min) / 2.0;
        let is_new = |y: f64| if delta > 0.0 { y > middle } else { y < middle };
        self.origin += delta;
        self.drift.shift(delta);
        self.unquiet.clear();
        let bins = (delta / BIN).round() as i64;
        for window in [&mut self.window, &mut self.past[0]] {
            for (bin, weight) in &mut window.added[..window.added_len] {
                if is_new(f64::from(*bin) * BIN) {
                    let from = &mut self.histogram.bins[usize::from(*bin)];
                    *from = (*from - *weight).max(0.0);
                    *bin = (i64::from(*bin) - bins).clamp(0, BINS as i64 - 1) as u16;
                    self.histogram.bins[usize::from(*bin)] += *weight;
                }
            }
        }
        for back in 0..2 {
            let at = (self.recent_at + RECENT - back) % RECENT;
            for peak in [&mut self.recent[at], &mut self.held_up[at]] {
                if is_new(*peak) {
                    *peak = (*peak - delta).min((BINS - 1) as f64 * BIN);
                }
            }
        }
        // What came during the change is of neither path.
        self.window.min -= delta;
        self.window.max -= delta;
        self.past[0].count = 0;
    }

    fn close_window(&mut self, at: f64) {
        if self.window.count > 0 {
            self.unquiet.close_window(self.held_up[self.recent_at], self.low);
            self.recent_at = (self.recent_at + 1) % RECENT;
            self.recent[self.recent_at] = f64::NEG_INFINITY;
            self.held_up[self.recent_at] = f64::NEG_INFINITY;
        }
        self.past = [self.window, self.past[0]];
        self.window = Window { from: at, ..Window::EMPTY };
    }

    /// Keeps the fastest packets near home, so that there is room on both sides.
    fn recenter(&mut self) {
        let bins = ((self.low - HOME) / BIN).round() as i64;
        if bins.unsigned_abs() < 512 {
            return;
        }
        let by = bins.unsigned_abs() as usize;
        if bins > 0 {
            self.histogram.bins.copy_within(by.min(BINS).., 0);
            self.histogram.bins[BINS - by.min(BINS)..].fill(0.0);
        } else {
            self.histogram.bins.copy_within(..BINS - by.min(BINS), by.min(BINS));
            self.histogram.bins[..by.min(BINS)].fill(0.0);
        }
        let delta = bins as f64 * BIN;
        self.unquiet.clear();
        self.origin += delta;
        self.low -= delta;
        self.high -= delta;
        self.recent.iter_mut().chain(&mut self.held_up).for_each(|peak| *peak -= delta);
        for window in self.past.iter_mut().chain([&mut self.window]) {
            (window.min, window.max) = (window.min - delta, window.max - delta);
            // Its entries stand elsewhere now.
            window.added_len = 0;
        }
    }
}
