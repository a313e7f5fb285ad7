//! A network that is held up again and again: how late packets are over a minute of that, which tells more than the last peak. Pure.
//!
//! Peaks come and go every few seconds there, and a delay that follows them is now too short and now too long. So while there is no
//! calm, the delay stands where the share of late packets over a longer time says; when one is over, it stands there again.

use super::histogram::{BIN, BINS, Histogram};

/// Held up: by 10 ms above the fastest, in samples, and by so much of the delay: a little, or much.
const HELD_UP: f64 = 480.0;
const A_LITTLE: f64 = 0.2;
const MUCH: f64 = 0.33;
/// Windows of half a second in a row without the one are calm, 4 s; without the other, 5.5 s: each counts so much of `CALM`.
const CALM: u8 = 22;
const WITHOUT_ANY: u8 = 3;
const WITHOUT_MUCH: u8 = 2;
/// Forgetting: a minute. And nothing is said before 2 s.
const MEMORY: f64 = 60.0 * 48_000.0;
const ENOUGH: f64 = 2.0 * 48_000.0;
/// Share of packets that may come late. Where they come in order, late ones come together: more may the longer the delay is already,
/// in proportion above 80 ms, and fewer as long as little is known, in proportion in the first 20 s. Where they overtake each other,
/// each is one that is made up.
const LATE_TOGETHER: f64 = 0.0037;
const LONG: f64 = 80.0 * 48.0;
const KNOWN: f64 = 20.0 * 48_000.0;
const LATE_ALONE: f64 = 0.003;
/// They do if more than this share did.
const OVERTAKE: f64 = 0.02;

#[derive(Debug)]
pub(super) struct Unquiet {
    histogram: Histogram,
    /// The highest bin in use: what is above need not be searched with each packet.
    top: usize,
    calm: u8,
    /// Media time that all this is of.
    heard: f64,
    newest: f64,
    overtaken: f64,
}

impl Unquiet {
    pub(super) fn new() -> Self {
        Self { histogram: Histogram::new(MEMORY), top: 0, calm: 0, heard: 0.0, newest: f64::NEG_INFINITY, overtaken: 0.0 }
    }

    /// Another path or stream: what was learned says nothing of it.
    pub(super) fn clear(&mut self) {
        self.histogram.clear();
        self.top = 0;
        (self.heard, self.overtaken, self.newest) = (0.0, 0.0, f64::NEG_INFINITY);
    }

    /// A packet of media time `media` stands at `y` in the frame.
    pub(super) fn add(&mut self, y: f64, media: f64, span: f64) {
        let bin = (y / BIN) as usize;
        self.histogram.add(bin, span);
        self.top = self.top.max(bin).min(BINS - 1);
        self.histogram.rescale();
        self.heard += span;
        self.overtaken += (f64::from(media < self.newest) - self.overtaken) * (span / MEMORY).min(1.0);
        self.newest = self.newest.max(media);
    }

    /// Half a second is over, whose latest packet came at `held_up` and whose fastest at `low`, in the frame.
    pub(super) fn close_window(&mut self, held_up: f64, low: f64) {
        let delay = self.remembered().map_or(0.0, |high| high - low);
        self.calm = match held_up - low {
            by if by > HELD_UP.max(delay * MUCH) => 0,
            by if by > HELD_UP.max(delay * A_LITTLE) => self.calm.saturating_add(WITHOUT_MUCH),
            _ => self.calm.saturating_add(WITHOUT_ANY),
        };
    }

    /// Where the delay should stand in the frame; `None`: the last few seconds say.
    pub(super) fn high(&self) -> Option<f64> {
        if self.calm < CALM { self.remembered() } else { None }
    }

    /// What all that is remembered says.
    fn remembered(&self) -> Option<f64> {
        if self.heard < ENOUGH {
            return None;
        }
        let late = |share: f64| self.histogram.highest(self.top, share).map(|bin| (bin as f64 + 1.0) * BIN);
        if self.overtaken > OVERTAKE {
            return late(LATE_ALONE);
        }
        let share = LATE_TOGETHER * (self.heard / KNOWN).min(1.0);
        let delay = late(share)? - self.histogram.lowest(0.05)? as f64 * BIN;
        late(share * (delay / LONG).max(1.0))
    }
}
