//! Automatic gain: a voice too quiet or too loud is brought, slowly, to where others are. Pure.
//!
//! A voice between [`QUIET_DB`] and [`LOUD_DB`] is not touched. The gain moves only while somebody speaks here, so noise alone lifts
//! nothing; it rises no further than the noise behind the voice allows, and falls where a noise begins.

use super::floor::Floor;
use crate::audio::Frame;
use crate::audio::meter::mean_square;
use crate::units::{FRAME_SAMPLES, Level, SAMPLE_RATE};

/// Active level below which a voice is too quiet, and above which it is too loud, dBFS (root mean square). ITU-T P.56's talkers lie at -26.
const QUIET_DB: f32 = -32.0;
const LOUD_DB: f32 = -16.0;
/// Most that is added or taken away, dB.
const MOST_UP_DB: f32 = 20.0;
const MOST_DOWN_DB: f32 = 12.0;
/// How fast the gain moves, dB a second of speech.
const UP_DB_S: f32 = 2.0;
const DOWN_DB_S: f32 = 6.0;
/// Noise is lifted to this at most, dBFS.
const NOISE_MAX_DB: f32 = -55.0;
/// A voice's level is the mean over so much of its speech, s.
const MEMORY_S: f32 = 1.0;
/// The first half second of speech only measures.
const FIRST_S: f32 = 0.5;

const FRAME_S: f32 = FRAME_SAMPLES as f32 / SAMPLE_RATE as f32;

/// Who speaks in a frame, as far as that is known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Speaks {
    Nobody,
    Here,
    /// The far end: what is heard here may be what is left of its echo.
    Far,
}

/// Slow automatic gain. No delay.
#[derive(Clone, Debug, Default)]
pub struct Gain {
    floor: Floor,
    /// Mean power of the speech so far, and how much of it there was, s.
    power: f32,
    heard_s: f32,
    gain_db: f32,
}

impl Gain {
    /// One frame, in place. `wanted`: false lets the gain go back to nothing.
    pub fn process(&mut self, frame: &mut Frame, speaks: Speaks, wanted: bool) {
        self.floor.push(frame, speaks != Speaks::Nobody);
        let was = self.gain_db;
        let target = if wanted { self.target(frame, speaks) } else { Some(0.0) };
        if let Some(target) = target {
            self.gain_db = (was + (target - was).clamp(-DOWN_DB_S * FRAME_S, UP_DB_S * FRAME_S)).clamp(-MOST_DOWN_DB, MOST_UP_DB);
        }
        if was == 0.0 && self.gain_db == 0.0 {
            return;
        }
        let (from, to) = (Level(was).amplitude(), Level(self.gain_db).amplitude());
        let slope = (to - from) / FRAME_SAMPLES as f32;
        frame.iter_mut().enumerate().for_each(|(n, sample)| *sample *= from + slope * (n + 1) as f32);
    }

    /// Where the gain is to go; `None`: it stays.
    fn target(&mut self, frame: &Frame, speaks: Speaks) -> Option<f32> {
        let allowed = self.floor.dbfs().map(|floor| (NOISE_MAX_DB - floor).max(0.0));
        let wished = self.wished(frame, speaks).map(|wished| wished.min(allowed.unwrap_or(0.0)));
        wished.or(allowed.filter(|allowed| self.gain_db > *allowed))
    }

    /// Where the voice wants it; `None`: none is heard, or not for long enough.
    fn wished(&mut self, frame: &Frame, speaks: Speaks) -> Option<f32> {
        let power = mean_square(frame);
        if speaks != Speaks::Here || !power.is_finite() {
            return None;
        }
        let level = 10.0 * power.max(1e-12).log10();
        // Pauses within speech are none of its level.
        if level < self.level().map_or(-60.0, |mean| mean - 20.0) {
            return None;
        }
        self.heard_s += FRAME_S;
        self.power += (power - self.power) * (FRAME_S / self.heard_s.min(MEMORY_S));
        let mean = self.level().filter(|_| self.heard_s >= FIRST_S)?;
        Some(if mean < QUIET_DB { QUIET_DB - mean } else { (LOUD_DB - mean).min(0.0) })
    }

    fn level(&self) -> Option<f32> {
        (self.power > 0.0).then(|| 10.0 * self.power.log10())
    }

    /// What is added now, dB.
    #[must_use]
    pub fn db(&self) -> f32 {
        self.gain_db
    }

    /// The microphone is another one, maybe.
    pub fn reset(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::SILENT_FRAME;
    use crate::audio::process::testing::{at_level, rms_db, spoken, white};

    /// What the gain makes of it, with the frames above -60 dBFS taken for speech; and the gain at the end.
    fn processed(samples: &[f32], noise: bool) -> (Vec<f32>, f32) {
        let (mut gain, mut out) = (Gain::default(), samples.to_vec());
        for frame in out.as_chunks_mut::<480>().0 {
            let speaks = if !noise && rms_db(frame) > -60.0 { Speaks::Here } else { Speaks::Nobody };
            gain.process(frame, speaks, true);
        }
        (out, gain.db())
    }

    #[test]
    fn a_voice_where_voices_are_is_not_touched() {
        for level in [-29.0, -24.0, -19.0] {
            let said = at_level(level, &spoken(20, 1));
            let (out, _) = processed(&said, false);
            assert_eq!(out, said, "{level}");
        }
    }

    #[test]
    fn quiet_and_loud_voices_come_to_the_others_slowly() {
        for (level, least, most) in [(-44.0, 6.0, 16.0), (-6.0, -12.0, -5.0)] {
            let said = at_level(level, &spoken(30, 1));
            let (out, gain) = processed(&said, false);
            assert!((least..=most).contains(&gain), "{level}: {gain} dB");
            assert!(rms_db(&out[20 * 48_000..]) < LOUD_DB + 2.0);
            let first = rms_db(&out[..48_000]) - rms_db(&said[..48_000]);
            assert!(first.abs() < 5.0, "in the first second it moved by {first} dB");
        }
    }

    #[test]
    fn noise_alone_changes_nothing_and_noise_behind_a_voice_is_not_lifted() {
        let noise = at_level(-50.0, &white(10, 4));
        assert_eq!(processed(&noise, true).0, noise);
        let said = at_level(-45.0, &spoken(30, 1));
        let noisy: Vec<f32> = said.iter().zip(at_level(-60.0, &white(30, 2))).map(|(said, noise)| said + noise).collect();
        let (_, gain) = processed(&noisy, false);
        assert!((2.0..=7.0).contains(&gain), "{gain} dB: the noise comes to -55 at most");
    }

    #[test]
    fn a_noise_that_begins_after_a_quiet_voice_is_not_lifted_for_long() {
        let mut gain = Gain { gain_db: 14.0, ..Gain::default() };
        let mut frames = at_level(-45.0, &white(8, 5));
        for frame in frames.as_chunks_mut::<480>().0 {
            gain.process(frame, Speaks::Nobody, true);
        }
        assert_eq!(gain.db(), 0.0);
        assert!((rms_db(&frames[5 * 48_000..]) + 45.0).abs() < 0.5, "within five seconds");
    }

    #[test]
    fn switched_off_it_goes_back_without_a_step() {
        let mut gain = Gain { gain_db: 6.0, ..Gain::default() };
        let mut last = Level(6.0).amplitude();
        for _ in 0..200 {
            let mut frame = [1.0; 480];
            gain.process(&mut frame, Speaks::Nobody, false);
            assert!(frame.iter().all(|sample| (sample - last).abs() < 0.05));
            last = frame[479];
        }
        assert_eq!((gain.db(), last), (0.0, 1.0));
        let mut silent = SILENT_FRAME;
        gain.process(&mut silent, Speaks::Here, true);
        assert_eq!(silent, SILENT_FRAME);
    }
}
