//! How loud it is while nobody speaks: the least of the last second without speech, or of the last five with it. Pure.

use crate::audio::Frame;
use crate::audio::meter::mean_square;

/// No noise is quieter than this, dBFS.
const SILENCE_DB: f32 = -100.0;
/// How much of the way to the newest frame's power the smoothed one goes.
const SMOOTH: f32 = 0.4;
/// The least of so many parts of so many frames is the floor: 5 s, for phrases are long.
const PARTS: usize = 10;
const PART_FRAMES: u32 = 50;
/// Where nobody speaks, the newest second tells it: the least of so many parts of so many frames.
const QUIET_PARTS: usize = 5;
const QUIET_PART_FRAMES: u32 = 25;
const QUIET_FRAMES: u32 = 100;
/// So much the least of a noise's smoothed power lies below its mean.
const BIAS_DB: f32 = 1.5;
/// A sound that two earlier samples foretell so well is a tone, not noise.
const TONE_GAIN: f64 = 1_000.0;
const TONE_LAG: usize = 24;

/// The least of the newest `PARTS` parts, the last of which grows.
#[derive(Clone, Debug)]
struct Least<const PARTS: usize> {
    parts: [f32; PARTS],
    at: usize,
    /// Frames of the last part, and of all.
    frames: u32,
    all: u32,
}

impl<const PARTS: usize> Least<PARTS> {
    const EMPTY: Self = Self { parts: [f32::MAX; PARTS], at: 0, frames: 0, all: 0 };

    fn push(&mut self, power: f32, part_frames: u32) {
        if self.frames == part_frames {
            (self.frames, self.at) = (0, (self.at + 1) % PARTS);
            self.parts[self.at] = f32::MAX;
        }
        self.parts[self.at] = self.parts[self.at].min(power);
        self.frames += 1;
        self.all = self.all.saturating_add(1);
    }

    /// `None`: of fewer frames than that.
    fn of(&self, frames: u32) -> Option<f32> {
        (self.all >= frames).then(|| self.parts.iter().fold(f32::MAX, |least, part| least.min(*part)))
    }
}

/// Follows the noise floor of a stream of frames.
#[derive(Clone, Debug)]
pub struct Floor {
    smoothed: Option<f32>,
    all: Least<PARTS>,
    /// Since the last speech.
    quiet: Least<QUIET_PARTS>,
}

impl Default for Floor {
    fn default() -> Self {
        Self { smoothed: None, all: Least::EMPTY, quiet: Least::EMPTY }
    }
}

impl Floor {
    /// `speaks`: the frame holds speech, as far as that is known.
    pub fn push(&mut self, frame: &Frame, speaks: bool) {
        let mut power = mean_square(frame);
        if !power.is_finite() {
            return;
        }
        if is_tone(frame) {
            power = 0.0;
        }
        let smoothed = self.smoothed.map_or(power, |was| was + (power - was) * SMOOTH);
        self.smoothed = Some(smoothed);
        self.all.push(smoothed, PART_FRAMES);
        if speaks {
            self.quiet = Least::EMPTY;
        } else {
            self.quiet.push(smoothed, QUIET_PART_FRAMES);
        }
    }

    /// dBFS (root mean square); `None` before it has heard enough.
    #[must_use]
    pub fn dbfs(&self) -> Option<f32> {
        let least = self.quiet.of(QUIET_FRAMES).or_else(|| self.all.of(PARTS as u32 * PART_FRAMES))?;
        Some((10.0 * least.max(1e-12).log10() + BIAS_DB).max(SILENCE_DB))
    }
}

/// Whether the frame is foretold by two of its own samples, [`TONE_LAG`] and twice that ago: a test tone is, noise of any colour is not.
fn is_tone(frame: &Frame) -> bool {
    let (now, once, twice) = (&frame[2 * TONE_LAG..], &frame[TONE_LAG..], &frame[..]);
    let product = |a: &[f32], b: &[f32]| a.iter().zip(b).take(now.len()).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
    let (power, r1, r2) = (product(now, now), product(now, once), product(now, twice));
    let (first, second, between) = (product(once, once), product(twice, twice), product(once, twice));
    let det = first * second - between * between;
    if power <= 1e-9 || det <= 0.0 {
        return false;
    }
    let (a1, a2) = ((r1 * second - r2 * between) / det, (r2 * first - r1 * between) / det);
    (power - a1 * r1 - a2 * r2) * TONE_GAIN < power
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::SILENT_FRAME;
    use crate::audio::process::testing::{at_level, fan, white};
    use crate::audio::voice::Voice;

    fn floor_of(samples: &[f32]) -> f32 {
        let mut floor = Floor::default();
        samples.as_chunks::<480>().0.iter().for_each(|frame| floor.push(frame, true));
        floor.dbfs().expect("five seconds")
    }

    #[test]
    fn noise_is_measured_and_a_voice_over_it_does_not_matter() {
        for level in [-70.0, -55.0, -30.0] {
            for noise in [at_level(level, &white(6, 1)), at_level(level, &fan(6, 1))] {
                assert!((floor_of(&noise) - level).abs() < 2.5, "{level}: {}", floor_of(&noise));
                let mut floor = Floor::default();
                noise.as_chunks::<480>().0.iter().take(100).for_each(|frame| floor.push(frame, false));
                let soon = floor.dbfs().expect("a second without speech");
                assert!((soon - level).abs() < 2.5, "{level}: {soon}");
            }
        }
        let mut voice = Voice::new(2);
        let mut said: Vec<f32> = at_level(-60.0, &white(20, 3));
        for frame in said.as_chunks_mut::<480>().0 {
            let mut spoken = SILENT_FRAME;
            voice.fill(&mut spoken);
            frame.iter_mut().zip(spoken).for_each(|(sample, spoken)| *sample += spoken);
        }
        assert!((floor_of(&said) + 60.0).abs() < 5.0, "{}", floor_of(&said));
    }

    #[test]
    fn a_fan_that_starts_while_nobody_speaks_is_known_in_two_seconds_and_a_drop_out_is_over_as_soon() {
        let mut floor = Floor::default();
        let mut after = |samples: &[f32]| {
            samples.as_chunks::<480>().0.iter().for_each(|frame| floor.push(frame, false));
            floor.dbfs().expect("a second without speech")
        };
        let (quiet, fan) = (at_level(-70.0, &white(2, 1)), at_level(-42.0, &fan(2, 1)));
        for (what, samples, level) in [
            ("a card that begins", &[0.0; 96_000][..], -100.0),
            ("a room", &quiet, -70.0),
            ("a fan", &fan, -42.0),
            ("a drop-out", &[0.0; 9_600], -100.0),
            ("the fan", &fan, -42.0),
        ] {
            let told = after(samples);
            assert!((told - level).abs() < 3.0 || told < -80.0 && level < -80.0, "{what}: {told}");
        }
    }

    #[test]
    fn a_voice_alone_and_a_test_tone_have_none() {
        let mut voice = Voice::new(5);
        let mut said = vec![0.0; 20 * 48_000];
        said.as_chunks_mut::<480>().0.iter_mut().for_each(|frame| voice.fill(frame));
        let mut floor = Floor::default();
        for frame in said.as_chunks::<480>().0 {
            floor.push(frame, true);
            assert!(floor.dbfs().is_none_or(|dbfs| dbfs < -58.0), "{:?}", floor.dbfs());
        }
        let tone: Vec<f32> = (0..6 * 48_000).map(|n| (n as f32 * 440.0 * std::f32::consts::TAU / 48_000.0).sin() * 0.3).collect();
        assert!(floor_of(&tone) <= SILENCE_DB);
    }
}
