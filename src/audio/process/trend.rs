//! The line through what comes with each frame, in so far as it is not chance. Pure.

/// How much of the past is forgotten with each frame: 60 s.
const FORGETS: f64 = 1.0 / 6_000.0;
/// So many frames tell something.
const KNOWN: f64 = 50.0;
/// A growth below so many times what chance makes of it is none.
const CHANCE: f64 = 4.0;

/// The line through errors that come each frame, the last at 0: by least squares.
#[derive(Debug, Default)]
pub struct Trend {
    /// Sums, forgetting, of 1, the time (frames), its square; the error, its square, and both together.
    ones: f64,
    times: f64,
    squares: f64,
    errors: f64,
    error_squares: f64,
    both: f64,
}

impl Trend {
    /// The error of the next frame.
    pub fn push(&mut self, error: f64) {
        let keep = 1.0 - FORGETS;
        self.squares = keep * (self.squares - 2.0 * self.times + self.ones);
        self.times = keep * (self.times - self.ones);
        self.both = keep * (self.both - self.errors);
        self.ones = keep * self.ones + 1.0;
        self.errors = keep * self.errors + error;
        self.error_squares = keep * self.error_squares + error * error;
    }

    /// There were enough to tell.
    #[must_use]
    pub fn is_known(&self) -> bool {
        self.ones >= KNOWN
    }

    /// The error now, and by how much it grows with each frame for sure: of what is found, that which chance does not explain.
    #[must_use]
    pub fn line(&self) -> (f64, f64) {
        let spread = self.ones * self.squares - self.times * self.times;
        if !self.is_known() || spread <= 0.0 {
            return (self.errors / self.ones.max(1.0), 0.0);
        }
        let growth = (self.ones * self.both - self.times * self.errors) / spread;
        let now = (self.errors - growth * self.times) / self.ones;
        let variance = ((self.error_squares - now * self.errors - growth * self.both) / self.ones).max(0.0);
        let chance = CHANCE * (variance * self.ones / spread).sqrt();
        (now, growth.signum() * (growth.abs() - chance).max(0.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::process::testing::Dice;

    /// What is told after so many frames whose errors grow by `growth` each and scatter by as much as 1.
    fn told(growth: f64, frames: u32, seed: u64) -> (f64, f64) {
        let (mut trend, mut dice) = (Trend::default(), Dice::new(seed));
        (0..frames).for_each(|n| trend.push(growth * f64::from(n) + f64::from(dice.next())));
        trend.line()
    }

    #[test]
    fn a_growth_is_told_and_chance_is_not() {
        for seed in 1..=20 {
            let (now, growth) = told(0.01, 3_000, seed);
            assert!((now - 30.0).abs() < 0.2 && (0.009..0.01).contains(&growth), "seed {seed}: {now}, {growth}");
            for frames in [10, 100, 3_000] {
                assert_eq!(told(0.0, frames, seed).1, 0.0, "seed {seed}, {frames} frames");
            }
        }
    }
}
