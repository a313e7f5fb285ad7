//! What became of a voice in the last minute, as shares of it. Pure.

use super::wave::{Mark, WAVE_COLUMNS, Wave};

/// Columns of 10 ms in a minute.
pub const MINUTE_COLUMNS: u64 = 6_000;
/// Who draws a minute in cells needs room for the cell that is being filled.
const _: () = assert!(MINUTE_COLUMNS < WAVE_COLUMNS as u64);

/// The marks that are shares of a voice, from the best to the worst.
pub const KINDS: [Mark; 7] = [Mark::Played, Mark::Nack, Mark::Red, Mark::Lbrr, Mark::Concealed, Mark::Late, Mark::Lost];

/// How many columns there were of each mark.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Minute([u32; Mark::ALL.len()]);

impl Minute {
    /// The minute up to now.
    #[must_use]
    pub fn of(wave: &Wave) -> Self {
        let mut counts = [0; Mark::ALL.len()];
        wave.marks(wave.written().saturating_sub(MINUTE_COLUMNS)).for_each(|mark| counts[mark as usize] += 1);
        Self(counts)
    }

    /// Share of the voice that is `mark`, percent; `None`: there was no voice.
    #[must_use]
    pub fn percent(&self, mark: Mark) -> Option<f32> {
        let voice: u32 = KINDS.iter().map(|kind| self.0[*kind as usize]).sum();
        (voice > 0).then(|| 100.0 * self.0[mark as usize] as f32 / voice as f32)
    }

    /// Of all repairs together.
    #[must_use]
    pub fn mended_percent(&self) -> Option<f32> {
        Some(self.percent(Mark::Nack)? + self.percent(Mark::Red)? + self.percent(Mark::Lbrr)?)
    }

    /// Made up, late and lost: what was not heard as it was said.
    #[must_use]
    pub fn missing_percent(&self) -> Option<f32> {
        Some(self.percent(Mark::Concealed)? + self.percent(Mark::Late)? + self.percent(Mark::Lost)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::wave::Column;

    #[test]
    fn shares_are_of_the_voice_of_the_last_minute() {
        let wave = Wave::default();
        let say = |columns, mark| (0..columns).for_each(|_| wave.push(Column { min: -0.5, max: 0.5, mark }));
        assert_eq!(Minute::of(&wave).percent(Mark::Played), None);
        say(4_000, Mark::Lost);
        say(1_000, Mark::Idle);
        for (columns, mark) in [900, 10, 20, 30, 28, 8, 4].into_iter().zip(KINDS) {
            say(columns, mark);
        }
        say(4_000, Mark::Idle);
        let minute = Minute::of(&wave);
        let shares = KINDS.map(|mark| minute.percent(mark).expect("a voice"));
        for (share, wanted) in shares.into_iter().zip([90.0, 1.0, 2.0, 3.0, 2.8, 0.8, 0.4]) {
            assert!((share - wanted).abs() < 1e-3, "{shares:?}");
        }
        let near = |share: Option<f32>, wanted: f32| share.is_some_and(|share| (share - wanted).abs() < 1e-3);
        assert!(near(minute.mended_percent(), 6.0) && near(minute.missing_percent(), 4.0));
    }
}
