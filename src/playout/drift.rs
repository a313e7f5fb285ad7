//! The slope of a noisy clock offset: how fast one clock runs away from another. Pure.

/// Seconds of voice that the slope is fitted to.
const POINTS: usize = 64;
/// Points needed before anything is said.
const POINTS_MIN: usize = 6;
/// One point a second, the mean of four quarter-second minima: the least held-up packets show the clocks best.
const QUARTER: f64 = 12_000.0;
const QUARTERS: usize = 4;
/// How far from zero drift is expected, as a ratio: what a noisy fit is drawn towards zero by.
const PRIOR: f64 = 200e-6;
/// No sound card is worse.
const SLOPE_MAX: f64 = 1_000e-6;
/// A step larger than this (20 ms) is no drift: a path changed, a card stalled. The fit starts anew.
const STEP: f64 = 960.0;

/// Fits a line to the lower edge of offsets. Times and offsets are in samples at 48 kHz.
#[derive(Debug)]
pub(super) struct Slope {
    points: [(f64, f64); POINTS],
    len: usize,
    at: usize,
    quarter_from: f64,
    quarter_min: f64,
    sum: f64,
    quarters: usize,
    slope: f64,
}

impl Slope {
    pub(super) fn new() -> Self {
        Self {
            points: [(0.0, 0.0); POINTS],
            len: 0,
            at: 0,
            quarter_from: f64::NEG_INFINITY,
            quarter_min: f64::INFINITY,
            sum: 0.0,
            quarters: 0,
            slope: 0.0,
        }
    }

    /// Forgets the offsets but keeps the slope as found so far: clocks do not change their rate when a path changes.
    pub(super) fn restart(&mut self) {
        *self = Self { slope: self.slope, ..Self::new() };
    }

    /// All offsets so far belong `delta` higher.
    pub(super) fn shift(&mut self, delta: f64) {
        self.points.iter_mut().for_each(|point| point.1 += delta);
        self.quarter_min += delta;
        self.sum += delta * self.quarters as f64;
    }

    /// Takes an offset in; true when the slope has a new value.
    pub(super) fn add(&mut self, time: f64, offset: f64) -> bool {
        if time - self.quarter_from < QUARTER {
            self.quarter_min = self.quarter_min.min(offset);
            return false;
        }
        let min = std::mem::replace(&mut self.quarter_min, offset);
        self.quarter_from = time;
        if !min.is_finite() {
            return false;
        }
        self.sum += min;
        self.quarters += 1;
        if self.quarters < QUARTERS {
            return false;
        }
        let offset = self.sum / QUARTERS as f64;
        (self.sum, self.quarters) = (0.0, 0);
        self.push(time, offset);
        true
    }

    /// Samples of offset per sample of time; 0 until known.
    pub(super) fn slope(&self) -> f64 {
        self.slope
    }

    /// In millionths, once there is enough to say it.
    pub(super) fn ppm(&self) -> Option<f32> {
        (self.len >= POINTS_MIN).then_some((self.slope * 1e6) as f32)
    }

    fn push(&mut self, time: f64, offset: f64) {
        if self.len > 0 {
            let (last_time, last) = self.points[(self.at + POINTS - 1) % POINTS];
            if (offset - last - self.slope * (time - last_time)).abs() > STEP {
                self.len = 0;
            }
        }
        self.points[self.at] = (time, offset);
        self.at = (self.at + 1) % POINTS;
        self.len = (self.len + 1).min(POINTS);
        if self.len >= POINTS_MIN {
            self.slope = self.fit();
        }
    }

    /// Least squares, drawn towards zero by as much as the points scatter.
    fn fit(&self) -> f64 {
        let newest = (self.at + POINTS - 1) % POINTS;
        let (time_0, offset_0) = self.points[newest];
        let points = || (0..self.len).map(|n| self.points[(newest + POINTS - n) % POINTS]).map(|(t, y)| (t - time_0, y - offset_0));
        let count = self.len as f64;
        let (sum_t, sum_y) = points().fold((0.0, 0.0), |(a, b), (t, y)| (a + t, b + y));
        let (mean_t, mean_y) = (sum_t / count, sum_y / count);
        let (mut tt, mut ty, mut yy) = (0.0, 0.0, 0.0);
        for (t, y) in points() {
            let (t, y) = (t - mean_t, y - mean_y);
            tt += t * t;
            ty += t * y;
            yy += y * y;
        }
        if tt <= 0.0 {
            return 0.0;
        }
        let slope = ty / tt;
        let error = ((yy - slope * ty).max(0.0) / (count - 2.0).max(1.0) / tt).sqrt();
        let trust = PRIOR * PRIOR / (PRIOR * PRIOR + error * error);
        (slope * trust).clamp(-SLOPE_MAX, SLOPE_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feed(slope: &mut Slope, seconds: usize, from: f64, offset: impl Fn(f64) -> f64) -> f64 {
        let mut time = from;
        for _ in 0..seconds * 100 {
            time += 480.0;
            slope.add(time, offset(time));
        }
        time
    }

    #[test]
    fn a_drift_is_found_and_survives_a_step() {
        let mut slope = Slope::new();
        let time = feed(&mut slope, 40, 0.0, |time| time * 300e-6);
        assert!((slope.ppm().expect("known") - 300.0).abs() < 5.0, "{:?}", slope.ppm());
        feed(&mut slope, 3, time, |time| time * 300e-6 + 7_200.0);
        assert!((slope.slope() * 1e6 - 300.0).abs() < 20.0);
    }

    #[test]
    fn noise_alone_is_no_drift() {
        let mut slope = Slope::new();
        let mut state = 1u64;
        let noise = std::cell::RefCell::new(move || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 40) as f64 / (1u64 << 24) as f64 * 960.0
        });
        feed(&mut slope, 60, 0.0, |_| noise.borrow_mut()());
        assert!(slope.ppm().expect("known").abs() < 40.0, "{:?}", slope.ppm());
    }
}
