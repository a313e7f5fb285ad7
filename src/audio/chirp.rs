//! A chirp and the matched filter that finds it again in what is heard, to the sample. Pure; runs on the sender thread.
//!
//! A linear sweep over the band that every voice path carries: its autocorrelation is a single narrow peak (its time times its
//! bandwidth is 600), so noise, codec and volume move it by no more than a few samples. NISTIR 8206 aligns speech in the same
//! way, by cross-correlation; a sweep needs no database of speech, and no ear takes it for a voice.
//!
//! Cost: at 8 kHz, 80 lags of 1,600 samples for each frame of 10 ms, 13 million multiplications a second; a find costs as much
//! as a frame once more. 160 µs a frame on a slow virtual machine (`finding_costs_a_small_part_of_a_frame`), while a delay is measured only.

use std::f64::consts::{PI, TAU};

use super::Frame;
use crate::units::{FRAME_SAMPLES, SAMPLE_RATE};

/// Length of a chirp, samples: 200 ms.
pub const CHIRP_SAMPLES: usize = 9_600;
/// Length of one at the start of a talk spurt, where playout soon changes the sound's speed: 40 ms.
pub const SHORT_CHIRP_SAMPLES: usize = 1_920;
/// Its frequencies, Hz: those of a telephone, inside of which every codec works.
const BAND_HZ: (f64, f64) = (400.0, 3_400.0);
/// Its peak: 20 dB below full scale, as loud as somebody who speaks softly.
const AMPLITUDE: f64 = 0.1;
/// Both ends rise and fall over this part of it: no click.
const TAPER: usize = 20;
/// Samples that become one where it is looked for.
const COARSE: usize = 6;
const COARSE_FRAME: usize = FRAME_SAMPLES / COARSE;
/// Frames that a find waits for a better one.
const WAIT: usize = 2;
/// Samples of sound that are kept besides a chirp: the frames of the wait, and one for the search around it.
const KEPT: usize = (WAIT + 2) * FRAME_SAMPLES;
/// Normalized correlation from which on it is a chirp. Other sound reaches 0.1, a chirp with a hole of 20 ms 0.9.
const FOUND: f32 = 0.6;
/// Below this mean square nothing is looked for: -80 dBFS.
const QUIET: f32 = 1e-8;

/// Which way it sweeps. The other way is other sound: what came back from a loudspeaker is not taken for an answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sweep {
    Up,
    Down,
}

/// A chirp of `length` samples at 48 kHz.
#[must_use]
pub fn chirp(sweep: Sweep, length: usize) -> Vec<f32> {
    let seconds = length as f64 / f64::from(SAMPLE_RATE);
    let taper = length / TAPER;
    let (from, to) = if sweep == Sweep::Up { BAND_HZ } else { (BAND_HZ.1, BAND_HZ.0) };
    let sample = |n: usize| {
        let t = n as f64 / f64::from(SAMPLE_RATE);
        let phase = TAU * (from * t + (to - from) * t * t / (2.0 * seconds));
        let edge = n.min(length - 1 - n).min(taper) as f64 / taper as f64;
        (AMPLITUDE * (0.5 - 0.5 * (PI * edge).cos()) * phase.sin()) as f32
    };
    (0..length).map(sample).collect()
}

/// A chirp that was heard.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Found {
    /// Its first sample, counted from the first one the detector was given.
    pub at: u64,
    /// Normalized correlation, up to 1.
    pub score: f32,
}

#[derive(Clone, Copy, Debug)]
struct Candidate {
    found: Found,
    /// Frames since.
    age: usize,
}

/// Finds the chirps of one sweep in a stream of frames.
#[derive(Debug)]
pub struct Detector {
    fine: Vec<f32>,
    coarse: Vec<f32>,
    /// The last samples of the stream, the newest at the end.
    heard: Vec<f32>,
    heard_coarse: Vec<f32>,
    /// Samples of the stream so far.
    samples: u64,
    candidate: Option<Candidate>,
}

impl Detector {
    /// `length`: of the chirps, samples.
    #[must_use]
    pub fn new(sweep: Sweep, length: usize) -> Self {
        let mut fine = chirp(sweep, length);
        normalize(&mut fine);
        let mut coarse = vec![0.0; length / COARSE];
        thin(&fine, &mut coarse);
        normalize(&mut coarse);
        Self {
            fine,
            coarse,
            heard: vec![0.0; length + KEPT],
            heard_coarse: vec![0.0; length / COARSE + COARSE_FRAME],
            samples: 0,
            candidate: None,
        }
    }

    /// Takes the next 10 ms; a chirp is told of 20 to 30 ms after its last sample.
    pub fn handle(&mut self, frame: &Frame) -> Option<Found> {
        push(&mut self.heard, frame);
        let mut coarse = [0.0; COARSE_FRAME];
        thin(frame, &mut coarse);
        push(&mut self.heard_coarse, &coarse);
        self.samples += FRAME_SAMPLES as u64;
        let best = self.look();
        let Some(candidate) = &mut self.candidate else {
            self.candidate = best.map(|found| Candidate { found, age: 0 });
            return None;
        };
        candidate.age += 1;
        if let Some(better) = best.filter(|best| best.score > candidate.found.score) {
            *candidate = Candidate { found: better, age: 0 };
        }
        if candidate.age < WAIT {
            return None;
        }
        let found = candidate.found;
        self.candidate = None;
        Some(self.refine(found))
    }

    /// The best place among those whose last sample came with this frame.
    fn look(&self) -> Option<Found> {
        let length = self.coarse.len();
        let mut energy: f32 = self.heard_coarse[..length].iter().map(|x| x * x).sum();
        let mut best: Option<(usize, f32)> = None;
        for lag in 1..=COARSE_FRAME {
            let (old, new) = (self.heard_coarse[lag - 1], self.heard_coarse[lag + length - 1]);
            energy += new * new - old * old;
            if energy < QUIET * length as f32 {
                continue;
            }
            let score = dot(&self.coarse, &self.heard_coarse[lag..lag + length]) / energy.sqrt();
            if score >= FOUND && best.is_none_or(|(_, best)| score > best) {
                best = Some((lag, score));
            }
        }
        let (lag, score) = best?;
        let back = ((COARSE_FRAME - lag) * COARSE + self.fine.len()) as u64;
        // What began before the stream did is not whole.
        Some(Found { at: self.samples.checked_sub(back)?, score })
    }

    /// To the sample, around the coarse place.
    fn refine(&self, found: Found) -> Found {
        // Where the stream's sample with number `at` lies in what is kept.
        let place = |at: u64| (self.heard.len() as u64 + at).saturating_sub(self.samples) as usize;
        let around = found.at.saturating_sub(COARSE as u64)..=found.at + COARSE as u64;
        let score = |at: u64| {
            let start = place(at).min(KEPT);
            dot(&self.fine, &self.heard[start..start + self.fine.len()])
        };
        let best = around.map(|at| (at, score(at))).max_by(|a, b| a.1.total_cmp(&b.1));
        Found { at: best.map_or(found.at, |(at, _)| at), ..found }
    }
}

/// Appends to a window of fixed length.
fn push(window: &mut [f32], new: &[f32]) {
    window.copy_within(new.len().., 0);
    let len = window.len();
    window[len - new.len()..].copy_from_slice(new);
}

/// A sixth of the rate; the mean of six is filter enough, since what lies above the band is not correlated with it.
fn thin(samples: &[f32], out: &mut [f32]) {
    for (out, six) in out.iter_mut().zip(samples.chunks_exact(COARSE)) {
        *out = six.iter().sum::<f32>() / COARSE as f32;
    }
}

fn normalize(samples: &mut [f32]) {
    let norm = samples.iter().map(|x| x * x).sum::<f32>().sqrt();
    samples.iter_mut().for_each(|x| *x /= norm);
}

/// In lanes, so that the compiler may use vectors.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0.0f32; 16];
    for (a, b) in a.chunks_exact(16).zip(b.chunks_exact(16)) {
        for (lane, (a, b)) in lanes.iter_mut().zip(a.iter().zip(b)) {
            *lane += a * b;
        }
    }
    lanes.iter().sum()
}

const _: () = assert!(CHIRP_SAMPLES.is_multiple_of(16 * COARSE) && SHORT_CHIRP_SAMPLES.is_multiple_of(16 * COARSE));
const _: () = assert!(FRAME_SAMPLES.is_multiple_of(COARSE));

#[cfg(test)]
mod tests {
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    use super::*;
    use crate::audio::codec::{Codec, DECODED_MAX, Decoder, Encode, OpusEncoder, OpusSettings};

    fn found(stream: &[f32], sweep: Sweep) -> Vec<Found> {
        let mut detector = Detector::new(sweep, CHIRP_SAMPLES);
        let frames = stream.chunks_exact(FRAME_SAMPLES).map(|frame| frame.try_into().expect("a frame"));
        frames.filter_map(|frame: Frame| detector.handle(&frame)).collect()
    }

    /// A second with a chirp of that loudness at `at`, in noise.
    fn stream(at: usize, gain: f32, noise: f32, seed: u64) -> Vec<f32> {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut stream: Vec<f32> = (0..48_000).map(|_| rng.random_range(-1.0..1.0) * noise).collect();
        chirp(Sweep::Up, CHIRP_SAMPLES).iter().enumerate().for_each(|(n, x)| stream[at + n] += x * gain);
        stream
    }

    #[test]
    fn a_chirp_is_found_to_the_sample_wherever_it_is_and_however_loud() {
        for (seed, (at, gain, noise)) in
            [(0, 1.0, 0.0), (1, 0.01, 0.0), (479, 1.0, 0.02), (4_801, 4.0, 0.1), (12_347, 0.5, 0.04), (30_003, 0.1, 0.005)]
                .into_iter()
                .enumerate()
        {
            let all = found(&stream(at, gain, noise, seed as u64), Sweep::Up);
            assert_eq!(all.len(), 1, "at {at}: {all:?}");
            assert!(all[0].at.abs_diff(at as u64) <= 1, "at {at}: {all:?}");
        }
    }

    #[test]
    fn other_sound_is_no_chirp() {
        let mut rng = StdRng::seed_from_u64(7);
        let noise: Vec<f32> = (0..480_000).map(|_| rng.random_range(-0.5..0.5)).collect();
        assert_eq!(found(&noise, Sweep::Up), []);
        assert_eq!(found(&stream(5_000, 1.0, 0.0, 1), Sweep::Down), [], "the other way");
        let tone: Vec<f32> = (0..48_000).map(|n| (n as f32 * 0.13).sin() * 0.3).collect();
        assert_eq!(found(&tone, Sweep::Up), []);
        assert_eq!(found(&vec![0.0; 96_000], Sweep::Up), []);
        assert_eq!(found(&vec![f32::NAN; 48_000], Sweep::Up), [], "what is not a number is not found either");
    }

    #[test]
    fn the_codec_moves_it_by_its_look_ahead_and_less_than_half_a_millisecond_more() {
        for bitrate in [12_000, 24_000, 48_000] {
            let mut encoder = OpusEncoder::new(OpusSettings { bitrate, ..OpusSettings::default() }).expect("an encoder");
            let mut decoder = Decoder::new(Codec::Opus).expect("a decoder");
            let mut coded = Vec::new();
            for frame in stream(10_000, 1.0, 0.0, 1).chunks_exact(FRAME_SAMPLES) {
                let (mut payload, mut out) = ([0; 1_000], [0.0; DECODED_MAX]);
                let len = encoder.encode(frame, &mut payload);
                let samples = decoder.decode(&payload[..len], &mut out).expect("decoded");
                coded.extend_from_slice(&out[..samples]);
            }
            let all = found(&coded, Sweep::Up);
            assert_eq!(all.len(), 1, "{bitrate}: {all:?}");
            let moved = all[0].at as f32 - 10_000.0 - encoder.lookahead_samples() as f32;
            assert!(moved.abs() < 24.0 && all[0].score > 0.8, "{bitrate}: {moved} samples, {all:?}");
        }
    }

    #[test]
    fn finding_costs_a_small_part_of_a_frame() {
        let stream = stream(12_000, 1.0, 0.02, 3);
        let start = std::time::Instant::now();
        for _ in 0..10 {
            found(&stream, Sweep::Up);
        }
        let frame_us = start.elapsed().as_secs_f64() * 1e6 / 1_000.0;
        println!("{frame_us:.0} us a frame of 10,000");
        // Without optimization it is some twenty times as much; the bound is for an unoptimized build on a busy machine.
        assert!(frame_us < 9_000.0, "{frame_us}");
    }
}
