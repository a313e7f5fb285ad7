//! The linear part of an echo, taken out: a Kalman filter over the last 400 ms of what the loudspeaker played. Pure.
//!
//! It knows for each frequency and each part of the room how sure it is of it, and how loud everything else in the microphone is: so it learns
//! from what the far end says, and from nothing that is said here meanwhile. Partitioned blocks, overlap-save: Kuech, Mabande and Enzner,
//! "State-space architecture of the partitioned-block-based acoustic echo controller", ICASSP 2014.

use super::fourier::{Fourier, Spectrum};

/// Samples of a block, at 16 kHz: 10 ms.
pub const BLOCK: usize = 160;
const TWICE: usize = 2 * BLOCK;
pub const BINS: usize = BLOCK + 1;
/// Blocks that an echo may last, with the delay before it.
const PARTS: usize = 40;
/// How unsure it is at first of each part, beside how loud the microphone is beside the loudspeaker; told from so many blocks in which
/// that plays.
const UNSURE: f32 = 0.001;
const YOUNG: u32 = 100;
/// A microphone so much quieter than the loudspeaker is off, energy: 50 dB.
const OFF: f32 = 1e-5;
/// A room gets louder by so much at once, linear.
const LOUDER_MAX: f32 = 4.0;
/// A loudspeaker below this power plays nothing: -60 dBFS.
const PLAYS: f32 = 1_000.0;
/// How much of the room is another one 10 ms later, where the echo alone is heard, and where a voice here is much louder: what is learned
/// then is the voice.
const CHANGES: f32 = 3e-4;
const CHANGES_UNHEARD: f32 = 1e-5;
/// Share of what is expected that is in one block's error (half, by the window; a little more learns better), and how much of what a block
/// seems to teach is believed: neighbours in frequency and in time are taken for independent, which they are not.
const SHARE: f32 = 0.7;
const BELIEVED: f32 = 0.5;
/// The weight of the past in what it knows of everything else in the microphone.
const SMOOTH: f32 = 0.5;
/// How fast it forgets what was left of late, and how alike (a correlation, squared) that and the echo must be for that to be wrong; by how
/// much, linear, and for how many blocks: a voice has much in common with itself for a moment.
const FORGETS: f32 = 0.07;
const ALIKE: f32 = 0.25;
const WRONG: f32 = 0.6;
const SEEN: u32 = 14;
/// Nor does one block tell that has so large a share in all that is remembered, as after a pause, unless more is left than taken out.
const ONE: f32 = 0.25;
/// Parts whose end is cut in each block, in turn: what a circular convolution adds to them.
const CUT: usize = 4;
/// Power below which there is nothing to learn from, full scale being 32,768.
const NOTHING: f32 = 1.0;

/// What was played in a block, and its power.
#[derive(Clone)]
struct Played {
    spectrum: Spectrum<BINS>,
    power: [f32; BINS],
}

/// A part of the room: what it does to the sound of so many blocks ago, and how unsure that is.
#[derive(Clone)]
struct Part {
    weights: Spectrum<BINS>,
    unsure: [f32; BINS],
}

/// What came of a block.
pub struct Left {
    /// The echo that was taken out.
    pub echo: [f32; BLOCK],
    /// What is left of it, by all that is known: power of each of the [`BINS`] frequencies from 0 to 8 kHz.
    pub expected: [f32; BINS],
}

pub struct Linear {
    fourier: Fourier<TWICE, BINS>,
    /// The newest two blocks of the loudspeaker; and the spectra of all, that at `newest` being the newest, older ones after it.
    far: [f32; TWICE],
    played: Vec<Played>,
    newest: usize,
    parts: Vec<Part>,
    /// Power of all else in the microphone.
    other: [f32; BINS],
    cut_next: usize,
    /// Energy of the loudspeaker and of the microphone while it plays, in its first blocks; and the doubt that comes of it.
    heard: (f32, f32),
    young: u32,
    doubt: f32,
    /// Energies of what is left, of the echo taken out, and what both have in common: of the last 150 ms or so.
    left: f32,
    taken: f32,
    common: f32,
    /// Blocks that they are of.
    seen: u32,
}

impl Linear {
    #[must_use]
    pub fn new() -> Self {
        Self {
            fourier: Fourier::new(),
            far: [0.0; TWICE],
            played: vec![Played { spectrum: Spectrum::EMPTY, power: [0.0; BINS] }; PARTS],
            newest: 0,
            parts: vec![Part { weights: Spectrum::EMPTY, unsure: [0.0; BINS] }; PARTS],
            other: [0.0; BINS],
            cut_next: 0,
            heard: (0.0, 0.0),
            young: YOUNG,
            doubt: 0.0,
            left: 0.0,
            taken: 0.0,
            common: 0.0,
            seen: 0,
        }
    }

    /// Takes the echo of what was played, `far`, out of the microphone's block of the same moment.
    pub fn process(&mut self, far: &[f32; BLOCK], near: &mut [f32; BLOCK]) -> Left {
        self.push(far);
        self.doubt_at_first(far, near);
        let (echo, expected) = self.expect();
        let mut time = self.fourier.backward(&echo);
        let taken: [f32; BLOCK] = std::array::from_fn(|n| time[BLOCK + n]);
        for (near, echo) in near.iter_mut().zip(&taken) {
            *near -= echo;
        }
        time[..BLOCK].fill(0.0);
        time[BLOCK..].copy_from_slice(near);
        let error = self.fourier.forward(&mut time);
        let (power, mut gain) = (error.power(), [0.0; BINS]);
        for k in 0..BINS {
            self.other[k] += (power[k] - self.other[k]) * (1.0 - SMOOTH);
            gain[k] = 1.0 / (SHARE * expected[k] + self.other[k] + NOTHING);
        }
        let alone = self.taken / (self.taken + self.left + NOTHING);
        self.learn(&error, &gain, CHANGES_UNHEARD + (CHANGES - CHANGES_UNHEARD) * alone * alone);
        self.cut();
        self.set_right(near, &taken);
        Left { echo: taken, expected: expected.map(|power| 0.5 * power) }
    }

    /// How loud the room can be is told by how loud the microphone is at first, once it is on.
    fn doubt_at_first(&mut self, far: &[f32; BLOCK], near: &[f32; BLOCK]) {
        let (played, heard) = (product(far, far), product(near, near));
        if self.young == 0 || heard < OFF * played || self.heard.0 <= 0.0 && played < PLAYS * BLOCK as f32 {
            return;
        }
        self.heard = (self.heard.0 + played, self.heard.1 + heard);
        self.young -= u32::from(played > PLAYS * BLOCK as f32);
        let doubt = UNSURE * self.heard.1 / self.heard.0;
        if doubt > 2.0 * self.doubt {
            self.doubt = doubt;
            self.parts.iter_mut().flat_map(|part| &mut part.unsure).for_each(|unsure| *unsure = unsure.max(doubt));
        }
    }

    /// What is left has nothing in common with the echo taken out, unless that is too loud or not loud enough: somebody turned the volume,
    /// or moved, or a voice here was taken for an echo. Both in common say by how much: least squares.
    fn set_right(&mut self, near: &[f32; BLOCK], taken: &[f32; BLOCK]) {
        let smooth = |mean: &mut f32, now: f32| *mean += (now - *mean) * FORGETS;
        smooth(&mut self.left, product(near, near));
        let newest = product(taken, taken);
        smooth(&mut self.taken, newest);
        smooth(&mut self.common, product(near, taken));
        self.seen = self.seen.saturating_add(1);
        let alike = self.common.powi(2) / (self.left * self.taken).max(1.0);
        let is_told = self.left > self.taken || newest * FORGETS < ONE * self.taken;
        let is_heard = self.taken > NOTHING * BLOCK as f32;
        if self.seen > SEEN && is_heard && is_told && alike > ALIKE && self.common.abs() > WRONG * self.taken {
            let gain = (1.0 + self.common / self.taken).clamp(0.0, LOUDER_MAX);
            for part in &mut self.parts {
                part.weights.re.iter_mut().chain(&mut part.weights.im).for_each(|weight| *weight *= gain);
                part.unsure.iter_mut().for_each(|unsure| *unsure = (*unsure * gain * gain).max(self.doubt));
            }
            (self.left, self.taken, self.common, self.seen) = (0.0, 0.0, 0.0, 0);
        }
    }

    fn push(&mut self, far: &[f32; BLOCK]) {
        self.far.copy_within(BLOCK.., 0);
        self.far[BLOCK..].copy_from_slice(far);
        self.newest = (self.newest + PARTS - 1) % PARTS;
        let newest = &mut self.played[self.newest];
        newest.spectrum = self.fourier.forward(&mut self.far.clone());
        newest.power = newest.spectrum.power();
    }

    /// What was played, from the newest block to the oldest.
    fn newest_first(played: &[Played], newest: usize) -> impl Iterator<Item = &Played> {
        played[newest..].iter().chain(&played[..newest])
    }

    /// The echo, and the power of the error that is to be expected in it.
    fn expect(&self) -> (Spectrum<BINS>, [f32; BINS]) {
        let (mut echo, mut error) = (Spectrum::EMPTY, [0.0; BINS]);
        for (part, played) in self.parts.iter().zip(Self::newest_first(&self.played, self.newest)) {
            let (weights, spectrum) = (&part.weights, &played.spectrum);
            for (k, error) in error.iter_mut().enumerate() {
                echo.re[k] += weights.re[k] * spectrum.re[k] - weights.im[k] * spectrum.im[k];
                echo.im[k] += weights.re[k] * spectrum.im[k] + weights.im[k] * spectrum.re[k];
                *error += part.unsure[k] * played.power[k];
            }
        }
        (echo, error)
    }

    fn learn(&mut self, error: &Spectrum<BINS>, gain: &[f32; BINS], changes: f32) {
        for (part, played) in self.parts.iter_mut().zip(Self::newest_first(&self.played, self.newest)) {
            let (weights, spectrum) = (&mut part.weights, &played.spectrum);
            for (k, gain) in gain.iter().enumerate() {
                let step = part.unsure[k] * gain;
                weights.re[k] += step * (spectrum.re[k] * error.re[k] + spectrum.im[k] * error.im[k]);
                weights.im[k] += step * (spectrum.re[k] * error.im[k] - spectrum.im[k] * error.re[k]);
                let surer = part.unsure[k] * (1.0 - BELIEVED * SHARE * step * played.power[k]);
                let power = weights.re[k] * weights.re[k] + weights.im[k] * weights.im[k];
                part.unsure[k] = surer + (power - surer) * changes;
            }
        }
    }

    fn cut(&mut self) {
        for _ in 0..CUT {
            let weights = &mut self.parts[self.cut_next].weights;
            let mut time = self.fourier.backward(weights);
            time[BLOCK..].fill(0.0);
            *weights = self.fourier.forward(&mut time);
            self.cut_next = (self.cut_next + 1) % PARTS;
        }
    }
}

fn product(a: &[f32; BLOCK], b: &[f32; BLOCK]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}
