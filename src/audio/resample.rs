//! Streaming sample-rate conversion, mono, any block size, adjustable by ppm. Pure; runs in callbacks: allocates only when built.
//!
//! Windowed sinc of about 64 points of the slower of the two rates (32 below 16 kHz): 0.7 ms of delay between 44.1 and 48 kHz.

use std::fmt;

use rubato::audioadapter_buffers::direct::SequentialSlice;
use rubato::{
    Adjustable, Async, FixedAsync, Resampler as _, Resizable, SincInterpolationParameters, SincInterpolationType, WindowFunction,
};

use crate::units::Ppm;

/// Slowest and fastest rate that can be converted, Hz.
pub const RATE_MIN: u32 = 4_000;
pub const RATE_MAX: u32 = 384_000;
/// Farthest a ratio can be steered, ppm either way.
pub const PPM_MAX: f32 = 5_000.0;

/// Samples handed to the converter at once; longer blocks are cut.
const PIECE: usize = 512;

/// A rate outside [`RATE_MIN`]..=[`RATE_MAX`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RateError(pub u32);

impl fmt::Display for RateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a sample rate of {} Hz cannot be converted (it must be {RATE_MIN} to {RATE_MAX} Hz)", self.0)
    }
}

impl std::error::Error for RateError {}

/// Converts what is pushed: `process` takes any number of samples and gives all that can be made of them so far.
#[derive(Debug)]
pub struct Resampler {
    inner: Option<Async<f32>>,
    scratch: Vec<f32>,
}

impl Resampler {
    /// From one rate to another, Hz. Equal rates pass through untouched, without delay.
    ///
    /// # Errors
    /// A rate that no sound card has.
    pub fn new(from: u32, to: u32) -> Result<Self, RateError> {
        if from == to { check(from).map(|()| Self { inner: None, scratch: Vec::new() }) } else { Self::adjustable(from, to) }
    }

    /// As [`Resampler::new`], but equal rates too go through the filter, so that [`Resampler::set_ppm`] has an effect.
    ///
    /// # Errors
    /// A rate that no sound card has.
    pub fn adjustable(from: u32, to: u32) -> Result<Self, RateError> {
        let inner = build(from, to, FixedAsync::Input)?;
        Ok(Self { scratch: vec![0.0; inner.output_frames_max()], inner: Some(inner) })
    }

    /// Hands every sample that `input` completes to `out`, in order, in one or several slices.
    pub fn process(&mut self, input: &[f32], out: &mut impl FnMut(&[f32])) {
        let Some(inner) = &mut self.inner else {
            return out(input);
        };
        for piece in input.chunks(PIECE) {
            // Neither can fail: 1 <= piece <= PIECE, and the scratch holds the most that a piece can give.
            let made = inner.set_chunk_size(piece.len()).and_then(|()| convert(inner, piece, &mut self.scratch));
            if let Ok(made) = made
                && made > 0
            {
                out(&self.scratch[..made]);
            }
        }
    }

    /// As [`Resampler::process`], into `out`; returns how many samples were written. What does not fit is lost.
    pub fn process_into(&mut self, input: &[f32], out: &mut [f32]) -> usize {
        let mut written = 0;
        self.process(input, &mut |samples| {
            let room = samples.len().min(out.len() - written);
            out[written..written + room].copy_from_slice(&samples[..room]);
            written += room;
        });
        written
    }

    /// The most samples that `input` samples can give.
    #[must_use]
    pub fn output_max(&self, input: usize) -> usize {
        let Some(inner) = &self.inner else { return input };
        input.div_ceil(PIECE) * 2 + (input as f64 * inner.resample_ratio()).ceil() as usize
    }

    /// Makes the output this much longer (+) or shorter (-), from the next sample on; clamped to ±[`PPM_MAX`].
    pub fn set_ppm(&mut self, ppm: Ppm) {
        if let Some(inner) = &mut self.inner {
            steer(inner, ppm);
        }
    }

    /// From a sample's entry to its exit, in output samples.
    #[must_use]
    pub fn delay_samples(&self) -> usize {
        self.inner.as_ref().map_or(0, Async::output_delay)
    }

    /// Forgets the past: the next sample follows silence. The ratio goes back to nominal.
    pub fn reset(&mut self) {
        if let Some(inner) = &mut self.inner {
            inner.reset();
        }
    }
}

/// Converts what is pulled: asked for samples, it fetches just as many from its source as they need.
#[derive(Debug)]
pub struct Puller {
    inner: Option<Async<f32>>,
    scratch: Vec<f32>,
}

impl Puller {
    /// From the source's rate to the puller's, Hz. Equal rates pass through untouched.
    ///
    /// # Errors
    /// A rate that no sound card has.
    pub fn new(from: u32, to: u32) -> Result<Self, RateError> {
        check(from).and_then(|()| check(to))?;
        if from == to {
            return Ok(Self { inner: None, scratch: Vec::new() });
        }
        let inner = build(from, to, FixedAsync::Output)?;
        Ok(Self { scratch: vec![0.0; inner.input_frames_max()], inner: Some(inner) })
    }

    /// Fills `out`; `source` is asked to fill slices of its own samples.
    pub fn pull(&mut self, out: &mut [f32], source: &mut impl FnMut(&mut [f32])) {
        let Some(inner) = &mut self.inner else {
            return source(out);
        };
        for piece in out.chunks_mut(PIECE) {
            let Ok(()) = inner.set_chunk_size(piece.len()) else { continue };
            let needed = inner.input_frames_next();
            let Some(input) = self.scratch.get_mut(..needed) else { continue };
            source(input);
            if convert(inner, input, piece).is_err() {
                piece.fill(0.0);
            }
        }
    }

    /// Makes the output this much longer (+) or shorter (-); clamped to ±[`PPM_MAX`].
    pub fn set_ppm(&mut self, ppm: Ppm) {
        if let Some(inner) = &mut self.inner {
            steer(inner, ppm);
        }
    }

    /// From a sample's entry to its exit, in output samples.
    #[must_use]
    pub fn delay_samples(&self) -> usize {
        self.inner.as_ref().map_or(0, Async::output_delay)
    }
}

fn check(rate: u32) -> Result<(), RateError> {
    if (RATE_MIN..=RATE_MAX).contains(&rate) { Ok(()) } else { Err(RateError(rate)) }
}

fn build(from: u32, to: u32, fixed: FixedAsync) -> Result<Async<f32>, RateError> {
    check(from).and_then(|()| check(to))?;
    // The filter counts its points in input samples: a fast input needs more of them for the same stretch of time.
    let points = if from < 16_000 { 32 } else { (64 * from.div_ceil(to.min(from)) as usize).min(512) };
    let parameters = SincInterpolationParameters::new(points, WindowFunction::Blackman2)
        .oversampling_factor(128)
        .interpolation(SincInterpolationType::Linear);
    let ratio = f64::from(to) / f64::from(from);
    let steering = 1.0 + f64::from(PPM_MAX) * 1.1e-6;
    Async::new_sinc(ratio, steering, &parameters, PIECE, 1, fixed).map_err(|_| RateError(from))
}

fn steer(inner: &mut Async<f32>, ppm: Ppm) {
    let ppm = if ppm.0.is_finite() { ppm.0.clamp(-PPM_MAX, PPM_MAX) } else { 0.0 };
    let _ = inner.set_resample_ratio_relative(1.0 + f64::from(ppm) * 1e-6, false);
}

/// One call of the converter: all of `input` into the front of `output`; the number of samples made.
fn convert(inner: &mut Async<f32>, input: &[f32], output: &mut [f32]) -> rubato::ResampleResult<usize> {
    let (have, room) = (input.len(), output.len());
    let (Ok(input), Ok(mut output)) = (SequentialSlice::new(input, 1, have), SequentialSlice::new_mut(output, 1, room)) else {
        return Ok(0);
    };
    inner.process_into_buffer(&input, &mut output, None).map(|(_, made)| made)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(rate: u32, hz: f64, samples: usize) -> Vec<f32> {
        (0..samples).map(|n| (n as f64 * hz * std::f64::consts::TAU / f64::from(rate)).sin() as f32 * 0.5).collect()
    }

    /// Ratio of a tone's power to everything else, dB: the best sine and cosine are fitted, the rest is what is wrong.
    fn purity_db(samples: &[f32], rate: u32, hz: f64) -> f64 {
        let (mut ss, mut cc, mut sc, mut sx, mut cx, mut xx) = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0);
        for (n, x) in samples.iter().enumerate() {
            let (s, c) = (n as f64 * hz * std::f64::consts::TAU / f64::from(rate)).sin_cos();
            let x = f64::from(*x);
            (ss, cc, sc, sx, cx, xx) = (ss + s * s, cc + c * c, sc + s * c, sx + s * x, cx + c * x, xx + x * x);
        }
        let det = ss * cc - sc * sc;
        let (a, b) = ((sx * cc - cx * sc) / det, (cx * ss - sx * sc) / det);
        let tone = a * sx + b * cx;
        10.0 * (tone / (xx - tone).max(1e-12)).log10()
    }

    fn push_in_blocks(resampler: &mut Resampler, input: &[f32], sizes: &[usize]) -> Vec<f32> {
        let (mut rest, mut out) = (input, Vec::new());
        for size in sizes.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (block, after) = rest.split_at((*size).min(rest.len()));
            resampler.process(block, &mut |samples| out.extend_from_slice(samples));
            rest = after;
        }
        out
    }

    #[test]
    fn a_tone_stays_pure_at_every_pair_of_rates() {
        for (from, to) in [(8_000, 48_000), (16_000, 48_000), (44_100, 48_000), (48_000, 44_100), (96_000, 48_000), (192_000, 48_000)] {
            let mut resampler = Resampler::new(from, to).expect("rates in range");
            let out = push_in_blocks(&mut resampler, &tone(from, 997.0, from as usize), &[480]);
            assert!(out.len().abs_diff(to as usize) < 60, "{from}->{to}: {} samples", out.len());
            let purity = purity_db(&out[2_000..to as usize - 2_000], to, 997.0);
            assert!(purity > 60.0, "{from}->{to}: {purity} dB");
            let delay_ms = resampler.delay_samples() as f32 * 1e3 / to as f32;
            assert!(delay_ms <= if from < 16_000 { 2.1 } else { 2.05 }, "{from}->{to}: {delay_ms} ms");
        }
    }

    #[test]
    fn every_block_size_gives_the_same_samples() {
        let input = tone(44_100, 440.0, 44_100);
        let whole = push_in_blocks(&mut Resampler::new(44_100, 48_000).expect("rates"), &input, &[480]);
        let ragged = push_in_blocks(&mut Resampler::new(44_100, 48_000).expect("rates"), &input, &[1, 4_096, 7, 24, 513, 2]);
        assert!(whole.len().abs_diff(ragged.len()) <= 2);
        let worst = whole.iter().zip(&ragged).fold(0f32, |worst, (a, b)| worst.max((a - b).abs()));
        assert!(worst < 1e-4, "{worst}");
    }

    #[test]
    fn single_samples_are_enough_at_a_steep_ratio() {
        let input = tone(192_000, 440.0, 19_200);
        let out = push_in_blocks(&mut Resampler::new(192_000, 48_000).expect("rates"), &input, &[1]);
        assert!(out.len().abs_diff(4_800) < 8);
        assert!(purity_db(&out[400..4_400], 48_000, 440.0) > 50.0);
    }

    #[test]
    fn ppm_changes_the_count_by_just_that() {
        let mut resampler = Resampler::adjustable(48_000, 48_000).expect("rates");
        resampler.set_ppm(Ppm(500.0));
        let out = push_in_blocks(&mut resampler, &tone(48_000, 440.0, 480_000), &[480]);
        assert!(out.len().abs_diff(480_240) < 70, "{}", out.len());
        resampler.set_ppm(Ppm(f32::NAN));
        resampler.set_ppm(Ppm(1e9));
        assert!(push_in_blocks(&mut resampler, &[0.0; 480], &[480]).len() < 490);
    }

    #[test]
    fn equal_rates_pass_through_and_absurd_ones_are_refused() {
        let mut resampler = Resampler::new(48_000, 48_000).expect("rates");
        assert_eq!(push_in_blocks(&mut resampler, &[0.1, -0.2, 0.3], &[2]), [0.1, -0.2, 0.3]);
        assert_eq!(resampler.delay_samples(), 0);
        assert_eq!(Resampler::new(0, 48_000).err(), Some(RateError(0)));
        assert_eq!(Puller::new(48_000, 5_000_000).err(), Some(RateError(5_000_000)));
    }

    #[test]
    fn a_puller_fetches_what_it_needs_and_fills_all() {
        for (from, to) in [(48_000u32, 44_100u32), (48_000, 96_000), (48_000, 48_000), (48_000, 8_000)] {
            let mut puller = Puller::new(from, to).expect("rates");
            let (mut fetched, mut out) = (0usize, Vec::new());
            for size in [1usize, 4_096, 37, 480, 256].iter().cycle().take(100) {
                let mut block = vec![9.0f32; *size];
                puller.pull(&mut block, &mut |input| {
                    for sample in input {
                        *sample = (fetched as f64 * 440.0 * std::f64::consts::TAU / f64::from(from)).sin() as f32 * 0.5;
                        fetched += 1;
                    }
                });
                out.extend(block);
            }
            let expected = out.len() as f64 * f64::from(from) / f64::from(to);
            assert!((fetched as f64 - expected).abs() < 80.0, "{from}->{to}: fetched {fetched}, expected {expected}");
            let purity = purity_db(&out[2_000..], to, 440.0);
            assert!(purity > 55.0, "{from}->{to}: {purity} dB");
        }
    }
}
