//! A network that is held up again and again: how late packets are over half a minute of that, which tells more than the last peak. Pure.
//!
//! Peaks come and go every few seconds there, and a delay that follows them is now too short and now too long. So while there is no
//! calm, the delay stands where the share of late packets over a longer time says; the first calm makes it forget all that.

use super::histogram::{BIN, BINS, Histogram};

/// Held up: by 10 ms above the fastest, in samples, and by so much of the delay.
const HELD_UP: f64 = 480.0;
const HELD_UP_SHARE: f64 = 0.27;
/// Windows of half a second in a row without that are calm.
const CALM: u8 = 8;
/// Forgetting: 30 s. And nothing is said before 5 s.
const MEMORY: f64 = 30.0 * 48_000.0;
const ENOUGH: f64 = 5.0 * 48_000.0;
/// Share of packets that may come late. Where they come in order, late ones come together, and a stretch of the sound bridges them;
/// where they overtake each other, each is one that is made up.
const LATE_TOGETHER: f64 = 0.0045;
const LATE_ALONE: f64 = 0.003;
/// They do if more than this share did.
const OVERTAKE: f64 = 0.02;

#[derive(Debug)]
pub(super) struct Unquiet {
    histogram: Histogram,
    calm: u8,
    /// Media time heard since the last calm.
    heard: f64,
    newest: f64,
    overtaken: f64,
}

impl Unquiet {
    pub(super) fn new() -> Self {
        Self { histogram: Histogram::new(MEMORY), calm: 0, heard: 0.0, newest: f64::NEG_INFINITY, overtaken: 0.0 }
    }

    /// Another path or stream: what was learned says nothing of it.
    pub(super) fn clear(&mut self) {
        self.histogram.clear();
        (self.heard, self.overtaken, self.newest) = (0.0, 0.0, f64::NEG_INFINITY);
    }

    /// A packet of media time `media` stands at `y` in the frame.
    pub(super) fn add(&mut self, y: f64, media: f64, span: f64) {
        self.histogram.add((y / BIN) as usize, span);
        self.histogram.rescale();
        self.heard += span;
        self.overtaken += (f64::from(media < self.newest) - self.overtaken) * (span / MEMORY).min(1.0);
        self.newest = self.newest.max(media);
    }

    /// Half a second is over, whose latest packet came at `held_up` and whose fastest at `low`, in the frame.
    pub(super) fn close_window(&mut self, held_up: f64, low: f64) {
        let delay = self.high().map_or(0.0, |high| high - low);
        let is_held_up = held_up - low > HELD_UP.max(delay * HELD_UP_SHARE);
        self.calm = if is_held_up { 0 } else { self.calm.saturating_add(1) };
        if self.calm == CALM {
            self.clear();
        }
    }

    /// Where the delay should stand in the frame; `None`: the last few seconds say.
    pub(super) fn high(&self) -> Option<f64> {
        if self.heard < ENOUGH || self.calm >= CALM {
            return None;
        }
        let share = if self.overtaken > OVERTAKE { LATE_ALONE } else { LATE_TOGETHER };
        self.histogram.highest(BINS - 1, share).map(|bin| (bin as f64 + 1.0) * BIN)
    }
}
