//! The linear part of an echo, taken out: a Kalman filter over the last 400 ms of what the loudspeaker played. Pure.
//!
//! It knows for each frequency and each part of the room how sure it is of it, and how loud everything else in the microphone is: so it learns
//! from what the far end says, and from nothing that is said here meanwhile. Partitioned blocks, overlap-save: Kuech, Mabande and Enzner,
//! "State-space architecture of the partitioned-block-based acoustic echo controller", ICASSP 2014.
//! What was heard a while ago teaches again: data reuse, as in Apolinario, Campos and Diniz, "Convergence analysis of the binormalized data-reusing
//! LMS algorithm", IEEE Transactions on Signal Processing 48, 2000.

use super::fourier::{Fourier, Spectrum};
use super::history::History;
use super::loudness::{Change, Loudness};
use super::moves::Moves;
use super::prior::Prior;

/// Samples of a block, at 16 kHz: 10 ms.
pub const BLOCK: usize = 160;
/// Samples of a part of the room: 30 ms. It is looked at anew in each block, so each sample teaches three times; and frequencies so fine
/// tell a far voice from one here better than those of a block.
pub const PART: usize = 3 * BLOCK;
pub const TWICE: usize = 2 * PART;
pub const BINS: usize = PART + 1;
/// Parts that an echo may last, with the delay before it: 390 ms. And the blocks of them all.
const PARTS: usize = 13;
const BLOCKS: usize = PARTS * PART / BLOCK;
/// How unsure it is at first of each part, beside how loud the microphone is beside the loudspeaker; told from so many blocks in which
/// that plays.
const UNSURE: f32 = 0.01;
const YOUNG: u32 = 100;
/// A microphone so much quieter than the loudspeaker is off, energy: 50 dB.
const OFF: f32 = 1e-5;
/// A loudspeaker below this power plays nothing: -60 dBFS.
const PLAYS: f32 = 1_000.0;
/// How much of the room is another one 10 ms later where a voice here is much louder than the echo: what is learned then is the voice. Where
/// the echo alone is heard, [`Moves`] tells.
const CHANGES_UNHEARD: f32 = 3e-7;
/// What was heard so many blocks ago teaches again, by what is known now: the far end need not speak for as long. That holds for what is an echo
/// alone: no more is left of it, by what is known now, than so large a share of what is taken out.
const AGO: [usize; 2] = [50, 110];
const ALONE: f32 = 0.3;
/// Share of what is expected that is in one part's error (half, by the window; a little more learns better), and how much of what it
/// seems to teach is believed: neighbours in frequency and in time are taken for independent, which they are not. What teaches again says less.
const SHARE: f32 = 0.7;
const BELIEVED: f32 = 0.25;
const BELIEVED_AGAIN: f32 = 0.12;
/// The weight of the past in what it knows of everything else in the microphone, and those of the frequencies beside one (Hann's).
const SMOOTH: f32 = 0.5;
const BESIDE: [f32; 5] = [0.2, 0.180_901_7, 0.130_901_7, 0.069_098_3, 0.019_098_3];
/// Parts whose end is cut in each block, in turn: what a circular convolution adds to them.
const CUT: usize = 2;
/// A room that outlasts all parts goes on as their last one, dying away by so much a block, power: by 60 dB in 0.95 s. And the share of
/// one block in that: the sum of all later parts.
const DIES: f32 = 0.866;
const LATER: f32 = 0.25;
/// Power below which there is nothing to learn from, full scale being 32,768.
const NOTHING: f32 = 1.0;

/// A part of the room: what it does to the sound of so many parts ago, how unsure that is, and how loud it is thought to be.
#[derive(Clone)]
struct Part {
    weights: Spectrum<BINS>,
    unsure: [f32; BINS],
    prior: Prior,
}

/// A part of the microphone: the echo in it, what else is left, and the power of the error that is to be expected in it.
struct Seen {
    echo: [f32; PART],
    left: [f32; PART],
    expected: [f32; BINS],
}

/// What came of a block.
pub struct Left {
    /// The echo that was taken out.
    pub echo: [f32; BLOCK],
    /// What is left of it in 30 ms, by all that is known: power of each of the [`BINS`] frequencies from 0 to 8 kHz.
    pub expected: [f32; BINS],
}

pub struct Linear {
    fourier: Fourier<TWICE, BINS>,
    history: History,
    parts: Vec<Part>,
    /// Power of all else in the microphone.
    other: [f32; BINS],
    /// Power of what was played before all that is kept, as the room may still sound of it.
    late: [f32; BINS],
    cut_next: usize,
    /// Energy of the loudspeaker and of the microphone while it plays, in its first blocks; and the doubt that comes of it.
    heard: (f32, f32),
    young: u32,
    doubt: f32,
    loudness: Loudness,
    moves: Moves,
}

impl Part {
    /// So many times as unsure, power, and so unsure at least.
    fn doubt(&mut self, times: f32, least: f32) {
        self.unsure.iter_mut().for_each(|unsure| *unsure = (*unsure * times).max(least));
        self.prior.doubt(times, least);
    }
}

impl Linear {
    #[must_use]
    pub fn new() -> Self {
        Self {
            fourier: Fourier::new(),
            history: History::new(BLOCKS, AGO[1]),
            parts: vec![Part { weights: Spectrum::EMPTY, unsure: [0.0; BINS], prior: Prior::default() }; PARTS],
            other: [0.0; BINS],
            late: [0.0; BINS],
            cut_next: 0,
            heard: (0.0, 0.0),
            young: YOUNG,
            doubt: 0.0,
            loudness: Loudness::default(),
            moves: Moves::default(),
        }
    }

    /// Takes the echo of what was played, `far`, out of the microphone's block of the same moment.
    pub fn process(&mut self, far: &[f32; BLOCK], near: &mut [f32; BLOCK]) -> Left {
        self.history.push(&mut self.fourier, far, near);
        self.doubt_at_first(far, near);
        let seen = self.look(0);
        let taken: [f32; BLOCK] = std::array::from_fn(|n| seen.echo[PART - BLOCK + n]);
        for (near, echo) in near.iter_mut().zip(&taken) {
            *near -= echo;
        }
        let (error, expected) = (self.transform(&seen.left), seen.expected);
        let left = error.power();
        for (other, around) in self.other.iter_mut().zip(around(&left)) {
            *other += (around - *other) * (1.0 - SMOOTH);
        }
        let known: f32 = expected.iter().zip(&self.late).map(|(expected, late)| SHARE * (expected + late)).sum();
        self.moves.push(left.iter().sum(), known, self.loudness.is_heard());
        let alone = self.loudness.share();
        let changes = CHANGES_UNHEARD + (self.moves.changes() - CHANGES_UNHEARD) * alone * alone;
        self.learn(0, &error, &gain(&expected, &self.other), BELIEVED, changes);
        AGO.iter().for_each(|ago| self.learn_again(*ago));
        self.cut();
        if let Some(change) = self.loudness.push(near, &taken, self.doubt, self.young > 0) {
            self.set_right(change);
        }
        self.outlast();
        Left { echo: taken, expected: std::array::from_fn(|k| 0.5 * (expected[k] + self.late[k])) }
    }

    /// What was heard so many blocks ago teaches again, unless another loudness was set right since.
    fn learn_again(&mut self, ago: usize) {
        if !self.loudness.is_settled(ago) {
            return;
        }
        let seen = self.look(ago);
        let [taken, left] = [&seen.echo, &seen.left].map(|part| product(part, part));
        if taken > NOTHING * PART as f32 && left < ALONE * taken {
            let error = self.transform(&seen.left);
            self.learn(ago, &error, &gain(&seen.expected, &around(&error.power())), BELIEVED_AGAIN, 0.0);
        }
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
            self.parts.iter_mut().for_each(|part| part.doubt(1.0, doubt));
        }
    }

    /// Another loudness of the echo; where nothing is to be learned anew, it stays as unsure as it was: what is sure of nothing learns nothing.
    fn set_right(&mut self, change: Change) {
        let gain = 1.0 + change.by;
        let unsurer = if change.doubt > 0.0 { gain * gain } else { (gain * gain).max(1.0) };
        for part in &mut self.parts {
            part.weights.re.iter_mut().chain(&mut part.weights.im).for_each(|weight| *weight *= gain);
            part.doubt(unsurer, change.doubt);
        }
    }

    /// The microphone's part of so many blocks ago, by what is known now.
    fn look(&mut self, ago: usize) -> Seen {
        let (mut echo, mut expected, mut time) = (Spectrum::EMPTY, [0.0; BINS], [0.0; TWICE]);
        for (part, played) in self.parts.iter().zip(self.history.played(ago)) {
            let (weights, spectrum) = (&part.weights, &played.spectrum);
            for (k, expected) in expected.iter_mut().enumerate() {
                echo.re[k] += weights.re[k] * spectrum.re[k] - weights.im[k] * spectrum.im[k];
                echo.im[k] += weights.re[k] * spectrum.im[k] + weights.im[k] * spectrum.re[k];
                *expected += part.unsure[k] * played.power[k];
            }
        }
        self.fourier.backward(&echo, &mut time);
        let (mut echo, mut left) = ([0.0; PART], [0.0; PART]);
        echo.copy_from_slice(&time[PART..]);
        for ((left, near), echo) in left.iter_mut().zip(self.history.near(ago)).zip(&echo) {
            *left = near - echo;
        }
        Seen { echo, left, expected }
    }

    /// The spectrum of a part, silence before it.
    fn transform(&mut self, part: &[f32; PART]) -> Spectrum<BINS> {
        let (mut time, mut spectrum) = ([0.0; TWICE], Spectrum::EMPTY);
        time[PART..].copy_from_slice(part);
        self.fourier.forward(&mut time, &mut spectrum);
        spectrum
    }

    /// Of the error that the room left so many blocks ago, of which so much is believed.
    fn learn(&mut self, ago: usize, error: &Spectrum<BINS>, gain: &[f32; BINS], believed: f32, changes: f32) {
        for (part, played) in self.parts.iter_mut().zip(self.history.played(ago)) {
            let (weights, spectrum) = (&mut part.weights, &played.spectrum);
            for (k, gain) in gain.iter().enumerate() {
                let step = part.unsure[k] * gain;
                weights.re[k] += step * (spectrum.re[k] * error.re[k] + spectrum.im[k] * error.im[k]);
                weights.im[k] += step * (spectrum.re[k] * error.im[k] - spectrum.im[k] * error.re[k]);
                let surer = part.unsure[k] * (1.0 - believed * SHARE * step * played.power[k]);
                let power = weights.re[k] * weights.re[k] + weights.im[k] * weights.im[k];
                part.unsure[k] = surer + (power - surer) * changes;
            }
        }
    }

    /// What of the room is longer than all parts is not taken out, but known of.
    fn outlast(&mut self) {
        let Some((part, played)) = self.parts.iter().zip(self.history.played(0)).last() else { return };
        let power = part.weights.power();
        for (k, late) in self.late.iter_mut().enumerate() {
            *late = DIES * *late + LATER * power[k] * played.power[k];
        }
    }

    fn cut(&mut self) {
        let mut time = [0.0; TWICE];
        for _ in 0..CUT {
            let part = &mut self.parts[self.cut_next];
            self.fourier.backward(&part.weights, &mut time);
            time[PART..].fill(0.0);
            self.fourier.forward(&mut time, &mut part.weights);
            part.prior.weigh(&mut part.weights, &mut part.unsure);
            self.cut_next = (self.cut_next + 1) % PARTS;
        }
    }
}

/// A spectrum's power scatters; neighbours scatter apart.
fn around(power: &[f32; BINS]) -> [f32; BINS] {
    const WIDE: usize = BESIDE.len() - 1;
    let (mut sum, mut wider) = ([0.0; BINS], [0.0; BINS + 2 * WIDE]);
    wider[..WIDE].fill(power[0]);
    wider[WIDE..WIDE + BINS].copy_from_slice(power);
    wider[WIDE + BINS..].fill(power[BINS - 1]);
    for from in 0..=2 * WIDE {
        let weight = BESIDE[from.abs_diff(WIDE)];
        sum.iter_mut().zip(&wider[from..]).for_each(|(sum, power)| *sum += weight * power);
    }
    sum
}

/// How far an error moves what is known, beside how unsure that is: by what is expected of it, and how loud all else is.
fn gain(expected: &[f32; BINS], other: &[f32; BINS]) -> [f32; BINS] {
    let mut gain = [0.0; BINS];
    for ((gain, expected), other) in gain.iter_mut().zip(expected).zip(other) {
        *gain = 1.0 / (SHARE * expected + other + NOTHING);
    }
    gain
}

/// The sum of what both have in common, sample by sample: their energy, if both are one.
pub fn product(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}
