//! A level meter's needle: up at once, down slowly, its highest mark held for a while. Pure.

use std::time::{Duration, Instant};

use crate::units::Level;

/// The meter's lower end, dBFS.
const FLOOR_DB: f32 = -60.0;
/// A second takes this much of the scale off.
const FALL: f32 = 0.6;
const PEAK_HELD: Duration = Duration::from_millis(1_500);

#[derive(Clone, Debug, Default)]
pub struct Needle {
    shown: f32,
    peak: f32,
    level: Level,
    at: Option<Instant>,
    peak_at: Option<Instant>,
}

impl Needle {
    /// The loudest since the last call, at `now`.
    pub fn push(&mut self, level: Level, now: Instant) {
        let elapsed = self.at.map_or(0.0, |at| now.saturating_duration_since(at).as_secs_f32());
        self.at = Some(now);
        let new = share(level);
        let fallen = self.shown - FALL * elapsed;
        if new >= fallen {
            (self.shown, self.level) = (new, level);
        } else {
            self.shown = fallen.max(0.0);
            self.level = if self.shown > 0.0 { Level(FLOOR_DB * (1.0 - self.shown)) } else { Level::SILENCE };
        }
        let held = self.peak_at.is_some_and(|at| now.saturating_duration_since(at) < PEAK_HELD);
        if self.shown >= self.peak || !held {
            self.peak = self.shown;
            self.peak_at = Some(now);
        }
    }

    /// 0 at -60 dBFS and below, 1 at full scale.
    #[must_use]
    pub fn share(&self) -> f32 {
        self.shown
    }

    #[must_use]
    pub fn peak_share(&self) -> f32 {
        self.peak
    }

    /// What the needle points at.
    #[must_use]
    pub fn level(&self) -> Level {
        self.level
    }
}

fn share(level: Level) -> f32 {
    (1.0 - level.0 / FLOOR_DB).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_needle_jumps_up_falls_slowly_and_keeps_its_peak_a_while() {
        let start = Instant::now();
        let mut needle = Needle::default();
        needle.push(Level(-6.0), start);
        assert!((needle.share() - 0.9).abs() < 1e-6);
        needle.push(Level::SILENCE, start + Duration::from_millis(500));
        assert!((needle.share() - 0.6).abs() < 1e-3 && (needle.peak_share() - 0.9).abs() < 1e-3);
        assert!((needle.level().0 + 24.0).abs() < 0.1);
        needle.push(Level::SILENCE, start + Duration::from_secs(5));
        assert_eq!((needle.share(), needle.peak_share(), needle.level()), (0.0, 0.0, Level::SILENCE));
    }
}
