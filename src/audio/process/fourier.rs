//! Transforms of real samples, for the echo canceller. Allocates when it is made.

use std::sync::Arc;

use realfft::num_complex::Complex;
use realfft::{ComplexToReal, RealFftPlanner, RealToComplex};

/// A spectrum, its parts apart: so that a loop over it is one over vectors.
#[derive(Clone)]
pub struct Spectrum<const BINS: usize> {
    pub re: [f32; BINS],
    pub im: [f32; BINS],
}

impl<const BINS: usize> Spectrum<BINS> {
    pub const EMPTY: Self = Self { re: [0.0; BINS], im: [0.0; BINS] };

    pub fn power(&self) -> [f32; BINS] {
        let mut power = [0.0; BINS];
        for ((power, re), im) in power.iter_mut().zip(&self.re).zip(&self.im) {
            *power = re * re + im * im;
        }
        power
    }
}

/// The transforms of `N` samples.
pub struct Fourier<const N: usize, const BINS: usize> {
    forward: Arc<dyn RealToComplex<f32>>,
    inverse: Arc<dyn ComplexToReal<f32>>,
    spectrum: Vec<Complex<f32>>,
    scratch: Vec<Complex<f32>>,
}

impl<const N: usize, const BINS: usize> Fourier<N, BINS> {
    pub fn new() -> Self {
        let mut planner = RealFftPlanner::new();
        let (forward, inverse) = (planner.plan_fft_forward(N), planner.plan_fft_inverse(N));
        let scratch = forward.get_scratch_len().max(inverse.get_scratch_len());
        Self { forward, inverse, spectrum: vec![Complex::default(); BINS], scratch: vec![Complex::default(); scratch] }
    }

    /// Spoils `time`.
    pub fn forward(&mut self, time: &mut [f32; N], spectrum: &mut Spectrum<BINS>) {
        // Fails for other lengths only.
        let _ = self.forward.process_with_scratch(time, &mut self.spectrum, &mut self.scratch);
        for ((re, im), bin) in spectrum.re.iter_mut().zip(&mut spectrum.im).zip(&self.spectrum) {
            (*re, *im) = (bin.re, bin.im);
        }
    }

    pub fn backward(&mut self, spectrum: &Spectrum<BINS>, time: &mut [f32; N]) {
        for ((bin, re), im) in self.spectrum.iter_mut().zip(&spectrum.re).zip(&spectrum.im) {
            *bin = Complex::new(*re, *im);
        }
        // The ends are real, or nothing is done.
        (self.spectrum[0].im, self.spectrum[BINS - 1].im) = (0.0, 0.0);
        let _ = self.inverse.process_with_scratch(&mut self.spectrum, time, &mut self.scratch);
        time.iter_mut().for_each(|sample| *sample /= N as f32);
    }
}
