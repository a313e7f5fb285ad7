//! What was learned of the keyboard's auto-repeat: first delay, gap, and how steady it is. Pure.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// Slowest first repeat that is believed, ms; every desktop's slider ends below.
const DELAY_MAX_MS: f32 = 1_200.0;
const DELAY_MIN_MS: f32 = 120.0;
const GAP_MAX_MS: f32 = 250.0;
const GAP_MIN_MS: f32 = 3.0;

/// The keyboard's rhythm as far as it is known. `Display` and `FromStr` are how it is kept between runs.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Learned {
    delay_ms: Option<f32>,
    gap_ms: Option<f32>,
    deviation_ms: f32,
    /// Added after a hold was cut although the key was down.
    slack_ms: f32,
}

impl Learned {
    /// D: from a press to its first repeat.
    #[must_use]
    pub fn delay(&self) -> Option<Duration> {
        self.delay_ms.map(millis)
    }

    /// r: from one repeat to the next.
    #[must_use]
    pub fn gap(&self) -> Option<Duration> {
        self.gap_ms.map(millis)
    }

    /// A: how long to wait for the first repeat: clamp(1.15 D + 80, 300, 1300) ms, 800 while D is unknown.
    #[must_use]
    pub fn first_wait(&self) -> Duration {
        millis(self.delay_ms.map_or(800.0, |delay| (1.15 * delay + 80.0).clamp(300.0, 1_300.0)))
    }

    /// N: how long to wait for the next repeat: clamp(2 r + 4 dev + 60, 150, 450) ms, 450 while r is unknown.
    #[must_use]
    pub fn hold_gap(&self) -> Duration {
        let usual = self.gap_ms.map_or(450.0, |gap| 2.0 * gap + 4.0 * self.deviation_ms + 60.0);
        millis((usual + self.slack_ms).clamp(150.0, 450.0))
    }

    /// A first repeat came this long after its press.
    pub fn learn_delay(&mut self, gap: Duration) {
        let gap = as_ms(gap);
        if (DELAY_MIN_MS..=DELAY_MAX_MS).contains(&gap) {
            self.delay_ms = Some(self.delay_ms.map_or(gap, |known| known + (gap - known) / 4.0));
        }
    }

    /// Repeats came this far apart. Smoothed as TCP smooths its round trips (RFC 6298).
    pub fn learn_gap(&mut self, gap: Duration) {
        let gap = as_ms(gap);
        if !(GAP_MIN_MS..=GAP_MAX_MS).contains(&gap) {
            return;
        }
        let Some(known) = self.gap_ms else {
            (self.gap_ms, self.deviation_ms) = (Some(gap), gap / 2.0);
            return;
        };
        self.deviation_ms += ((gap - known).abs() - self.deviation_ms) / 8.0;
        self.gap_ms = Some(known + (gap - known) / 8.0);
    }

    /// A silence of `cut` ended a hold that went on: wait longer than that from now on.
    pub fn widen(&mut self, cut: Duration) {
        let missing = as_ms(cut) * 1.2 - as_ms(self.hold_gap());
        self.slack_ms = (self.slack_ms + missing.max(20.0)).min(450.0);
    }
}

fn millis(ms: f32) -> Duration {
    Duration::from_micros((ms * 1_000.0).round() as u64)
}

fn as_ms(duration: Duration) -> f32 {
    duration.as_secs_f32() * 1_000.0
}

impl fmt::Display for Learned {
    /// `D r dev` in ms, `-` for unknown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = |value: Option<f32>| value.map_or("-".to_string(), |ms| format!("{ms:.1}"));
        write!(f, "{} {} {:.1}", word(self.delay_ms), word(self.gap_ms), self.deviation_ms)
    }
}

impl FromStr for Learned {
    type Err = ();

    /// The inverse of `Display`. What no keyboard does is refused: a damaged file must not keep the microphone open.
    fn from_str(text: &str) -> Result<Self, ()> {
        let mut words = text.split_whitespace();
        let mut next = |low: f32, high: f32| match words.next() {
            Some("-") => Ok(None),
            Some(word) => word.parse().ok().filter(|ms| (low..=high).contains(ms)).map(Some).ok_or(()),
            None => Err(()),
        };
        let delay_ms = next(DELAY_MIN_MS, DELAY_MAX_MS)?;
        let gap_ms = next(GAP_MIN_MS, GAP_MAX_MS)?;
        let deviation_ms = next(0.0, GAP_MAX_MS)?.unwrap_or_default();
        Ok(Self { delay_ms, gap_ms, deviation_ms, slack_ms: 0.0 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_waits_are_those_of_the_design() {
        let mut learned = Learned::default();
        assert_eq!((learned.first_wait(), learned.hold_gap()), (millis(800.0), millis(450.0)));
        learned.learn_delay(Duration::from_millis(400));
        assert_eq!(learned.first_wait().as_millis(), 540);
        learned.learn_gap(Duration::from_millis(30));
        for _ in 0..200 {
            learned.learn_gap(Duration::from_millis(30));
        }
        assert_eq!(learned.hold_gap().as_millis(), 150);
    }

    #[test]
    fn what_no_keyboard_does_is_not_learned() {
        let mut learned = Learned::default();
        learned.learn_delay(Duration::from_secs(5));
        learned.learn_delay(Duration::from_millis(20));
        learned.learn_gap(Duration::from_secs(1));
        assert_eq!(learned, Learned::default());
    }

    #[test]
    fn a_rhythm_survives_its_file_and_a_damaged_file_does_not() {
        let mut learned = Learned::default();
        assert_eq!(learned.to_string().parse(), Ok(learned));
        learned.learn_delay(Duration::from_millis(250));
        learned.learn_gap(Duration::from_millis(30));
        assert_eq!(learned.to_string().parse(), Ok(learned));
        for bad in ["", "500", "99999 30 1", "NaN 30 1", "500 inf 1", "500 30 -1", "x y z"] {
            assert_eq!(bad.parse::<Learned>(), Err(()), "{bad}");
        }
    }
}
