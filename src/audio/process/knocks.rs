//! Keys of a keyboard, knocks on the desk: made quieter between words, without any delay. Pure.
//!
//! What noise suppression learns does not change; a knock is over before it is learnt. So it is known by its shape: the treble
//! leaps, and nobody speaks. A word can begin in the same way, so nothing is done before the knocks come again and again, each
//! without a voice behind it; and nothing at all while somebody speaks. That a detector of voices tells, which takes some keys for one,
//! and what follows a word too: so what is voiced must have been heard within the last fifth of a second.

use super::high_pass::HighPass;
use crate::audio::Frame;
use crate::audio::meter::mean_square;
use crate::units::FRAME_SAMPLES;

/// What leaps: above this, Hz.
const TREBLE_HZ: f32 = 2_000.0;
/// Looked at together: 1 ms.
const BLOCK: usize = 48;
const BLOCKS: usize = FRAME_SAMPLES / BLOCK;
/// So much above what went before (of 100 ms), and at least so loud (-70 dBFS): a leap. Powers.
const LEAP: f32 = 20.0;
const LEAST: f32 = 1e-7;
/// How much of the way to the newest block the level of what went before goes: up, down.
const RISE: f32 = 0.01;
const FALL: f32 = 0.05;
/// A knock is held down to this (-26 dB), for so many blocks; then it comes back by this factor a block.
const HELD: f32 = 0.05;
const HELD_BLOCKS: u32 = 15;
const BACK: f32 = 1.35;
/// A leap with no voice so many blocks later was a knock. Two of them within so many blocks: somebody types.
const SPEECH_WITHIN: u32 = 100;
const TYPES_WITHIN: u32 = 15_000;
const TYPES: usize = 2;
/// What lies below the treble is voiced while it is at most so much (25 dB) below its loudest, which fades by this a frame (5 dB a minute), for
/// three frames, longer than a knock. Powers.
const VOICED: f32 = 0.003;
const FADES: f32 = 0.9998;
const VOICED_FRAMES: usize = 3;
/// No word is unvoiced for so many frames: a cluster as in "texts" takes less.
const UNVOICED_FRAMES: u32 = 20;

/// Finds knocks and holds them down.
#[derive(Clone, Debug)]
pub struct Knocks {
    treble: HighPass,
    before: f32,
    gain: f32,
    held: u32,
    /// Blocks since the last leap, if it is still to be seen what it was.
    leapt: Option<u32>,
    /// Blocks since each of the last knocks.
    knocks: [u32; TYPES],
    voiced: Voiced,
}

/// When something voiced was heard last: a knock is not.
#[derive(Clone, Debug, Default)]
struct Voiced {
    /// Power below the treble in the last frames, and the loudest.
    last: [f32; VOICED_FRAMES],
    loudest: f32,
    frames: u32,
}

impl Voiced {
    /// Whether it was lately. `treble`: the frame's.
    fn push(&mut self, frame: &Frame, treble: &Frame) -> bool {
        self.last.rotate_right(1);
        self.last[0] = mean_square(&std::array::from_fn::<f32, FRAME_SAMPLES, _>(|n| frame[n] - treble[n]));
        let lasting = self.last.iter().copied().fold(f32::MAX, f32::min);
        self.loudest = lasting.max(self.loudest * FADES);
        self.frames = if lasting > self.loudest * VOICED { 0 } else { self.frames.saturating_add(1) };
        self.frames < UNVOICED_FRAMES
    }
}

impl Default for Knocks {
    fn default() -> Self {
        Self {
            treble: HighPass::new(TREBLE_HZ),
            before: LEAST,
            gain: 1.0,
            held: 0,
            leapt: None,
            knocks: [u32::MAX; TYPES],
            voiced: Voiced::default(),
        }
    }
}

impl Knocks {
    /// One frame, in place. `speaks`: somebody does, or has within the last tenth of a second. `wanted`: else it only listens.
    pub fn process(&mut self, frame: &mut Frame, speaks: bool, wanted: bool) {
        let mut treble = *frame;
        self.treble.process(&mut treble);
        if speaks {
            self.leapt = None;
        }
        let spares = self.voiced.push(frame, &treble) && speaks;
        let mut gains = [1.0; BLOCKS + 1];
        gains[0] = self.gain;
        for (n, block) in treble.as_chunks::<BLOCK>().0.iter().enumerate() {
            self.count();
            let power = mean_square(block);
            let leaps = power > LEAST.max(self.before * LEAP);
            self.before += (power - self.before) * if power > self.before { RISE } else { FALL };
            if leaps && self.leapt.is_none() && !speaks {
                self.leapt = Some(0);
            }
            if leaps && !spares && wanted && self.types() {
                self.held = HELD_BLOCKS;
                // From the block before on, so that the blow itself is not heard.
                gains[n] = HELD;
            }
            let held = self.held > 0 && !spares;
            self.held = if held { self.held - 1 } else { 0 };
            self.gain = if held { HELD } else { (self.gain * BACK).min(1.0) };
            gains[n + 1] = self.gain;
        }
        if gains.iter().all(|gain| *gain == 1.0) {
            return;
        }
        for (n, block) in frame.as_chunks_mut::<BLOCK>().0.iter_mut().enumerate() {
            let (from, to) = (gains[n], gains[n + 1]);
            block.iter_mut().enumerate().for_each(|(k, sample)| *sample *= from + (to - from) * (k + 1) as f32 / BLOCK as f32);
        }
    }

    fn count(&mut self) {
        self.knocks.iter_mut().for_each(|since| *since = since.saturating_add(1));
        self.leapt = self.leapt.map(|since| since + 1);
        if self.leapt.is_some_and(|since| since > SPEECH_WITHIN) {
            self.leapt = None;
            self.knocks.rotate_right(1);
            self.knocks[0] = 0;
        }
    }

    /// Knocks have come again and again.
    #[must_use]
    pub fn types(&self) -> bool {
        self.knocks.iter().all(|since| *since < TYPES_WITHIN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::process::testing::{Dice, at_level, rms_db, spoken, white};

    /// A key each quarter of a second, down to a quiet room.
    fn typed(seconds: usize) -> Vec<f32> {
        let (mut dice, mut out) = (Dice::new(3), at_level(-75.0, &white(seconds, 1)));
        for at in (4_800..out.len() - 4_800).step_by(12_345) {
            for n in 0..600 {
                out[at + n] += 0.2 * dice.next() * (-(n as f32) / 150.0).exp();
            }
        }
        out
    }

    fn through(samples: &[f32], speaks: impl Fn(usize) -> bool) -> Vec<f32> {
        let (mut knocks, mut out) = (Knocks::default(), samples.to_vec());
        out.as_chunks_mut::<480>().0.iter_mut().enumerate().for_each(|(n, frame)| knocks.process(frame, speaks(n), true));
        out
    }

    #[test]
    fn typing_is_held_down_from_the_third_key_on() {
        let typed = typed(8);
        let out = through(&typed, |_| false);
        assert!(rms_db(&typed[2 * 48_000..]) - rms_db(&out[2 * 48_000..]) > 10.0);
        assert_eq!(out[..12_000], typed[..12_000], "one knock is none");
        let step = |samples: &[f32]| samples.windows(2).fold(0f32, |step, pair| step.max((pair[1] - pair[0]).abs()));
        assert!(step(&out[2 * 48_000..]) < step(&typed[2 * 48_000..]), "no click of its own");
    }

    #[test]
    fn a_voice_is_not_touched_whoever_types() {
        // The detector lags by 60 ms; each word's beginning comes before it.
        let said = at_level(-26.0, &spoken(10, 4));
        let loud: Vec<bool> = said.as_chunks::<480>().0.iter().map(|frame| rms_db(frame) > -45.0).collect();
        let heard = |n: usize| loud[n.saturating_sub(16)..=n.saturating_sub(6)].iter().any(|loud| *loud);
        assert!(through(&said, heard) == said, "nobody types");
        let both: Vec<f32> = said.iter().zip(typed(10)).map(|(said, typed)| said + typed).collect();
        assert!(through(&both, |_| true) == both, "while somebody speaks nothing is done");
        let out = through(&both, |n| n > 300 || heard(n));
        let since = |n: usize, frames: usize| !loud[n.saturating_sub(frames)..=n].iter().any(|loud| *loud);
        let (mut beside, mut held) = (0, [0.0; 2]);
        for (n, (both, out)) in both.as_chunks::<480>().0.iter().zip(out.as_chunks::<480>().0).enumerate().skip(300) {
            if !since(n - 5, 10) {
                assert!(both == out, "frame {n}: in a word but for its first moment, and right after it, nothing is done");
                beside += 1;
            } else if since(n, 30) {
                held = [held[0] + mean_square(both), held[1] + mean_square(out)];
            }
        }
        assert!(beside > 300 && held[1] < 0.1 * held[0], "the detector hears a voice all the time, but there is none: {beside}, {held:?}");
    }

    #[test]
    fn steady_noise_is_no_knock_however_it_begins() {
        let noise = at_level(-30.0, &white(4, 2));
        let mut sudden = vec![0.0; 48_000];
        sudden.extend(&noise);
        assert!(through(&sudden, |_| false) == sudden);
    }
}
