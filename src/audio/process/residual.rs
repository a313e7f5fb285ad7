//! What the linear part leaves of an echo, made inaudible: a Wiener filter by what the canceller knows of itself. Pure.
//!
//! The state of a Kalman filter says how far it may be out, and so what it leaves: Enzner and Vary, "Frequency-domain adaptive Kalman
//! filter for acoustic echo control in hands-free telephones", Signal Processing 86, 2006. What it does not know of, as a loudspeaker that
//! rattles, is learned from what is left while only the far end speaks.

use super::fourier::{Fourier, Spectrum};
use super::linear::{self, BLOCK, Left};

/// Samples at 16 kHz from one filter to the next, and that it delays: 5 ms.
const HOP: usize = 80;
const WINDOW: usize = 2 * HOP;
const BINS: usize = HOP + 1;
/// The bands above 8 kHz follow what is done from here on: 4 kHz.
const UPPER_FROM: usize = 40;
/// The canceller's frequencies in one of these. What it expects is for six times the energy, and by and large a little too much.
const FINER: usize = (linear::BINS - 1) / (BINS - 1);
const DOUBT: f32 = 0.8 / 6.0;
/// Of the echo taken out so much is left at first, power; in each hop at most so many times more, and so much of the way to less.
const LEAK: f32 = 1e-3;
/// And so much from 7 kHz on, where the bands above are mixed into this one and no linear filter takes that out.
const LEAK_EDGE: f32 = 0.05;
const EDGE: usize = 70;
const LEAK_UP: f32 = 1.001;
const LEAK_DOWN: f32 = 0.15;
/// It grows faster once the far end alone was heard for so many hops, 0.3 s: no more was left than so large a share of what was taken out, power.
const LEAK_UP_ALONE: f32 = 1.01;
const ALONE_HOPS: u32 = 60;
const ALONE: f32 = 0.1;
/// A leak is heard so many times as loud, power: it is the least that was found.
const LEAK_TIMES: f32 = 2.0;
/// An echo dies away by so much a hop, power: by 60 dB in 0.95 s.
const DECAY: f32 = 0.93;
/// The share of a power's past in its mean, 30 ms; of the last hop's voice in this one's (Ephraim and Malah's decision-directed estimate).
const SMOOTH: f32 = 0.83;
const PRIOR: f32 = 0.95;
/// No frequency loses more: 40 dB. And none falls below the room's own noise, by 18 dB at most, or its noise would come and go.
const LEAST: f32 = 0.01;
const LEAST_NOISE: f32 = 0.125;
/// What the room's noise is thought to grow by in each hop: 0.6 dB a second.
const NOISE_UP: f32 = 1.0007;
/// Bands whose echo is weaker beside the loudest one's tell nothing of what leaks: 40 dB.
const TELLS: f32 = 1e-4;

/// What is known of one frequency.
#[derive(Clone, Copy, Default)]
struct Bin {
    /// Share of the echo's power that is left, power.
    leak: f32,
    /// Mean power of what is left, and of the echo taken out.
    left: f32,
    taken: f32,
    /// Power of the echo, dying away.
    echo: f32,
    /// Of the room, the least of late.
    noise: f32,
    /// How much louder than the echo the voice was in the last hop, power.
    prior: f32,
}

/// For a lowest band, 0 to 8 kHz, and `UPPER` above it.
pub struct Residual<const UPPER: usize> {
    fourier: Fourier<WINDOW, BINS>,
    window: [f32; WINDOW],
    /// The last hop of what was left, of the echo, of the filter's work (its second half), and of the bands above.
    left: [f32; HOP],
    echo: [f32; HOP],
    done: [f32; HOP],
    upper: [[f32; HOP]; UPPER],
    upper_gain: f32,
    bins: [Bin; BINS],
    /// Hops since anything else was heard beside the echo.
    alone: u32,
}

impl<const UPPER: usize> Residual<UPPER> {
    #[must_use]
    pub fn new() -> Self {
        Self {
            fourier: Fourier::new(),
            window: std::array::from_fn(|n| (std::f32::consts::PI * (n as f32 + 0.5) / WINDOW as f32).sin()),
            left: [0.0; HOP],
            echo: [0.0; HOP],
            done: [0.0; HOP],
            upper: [[0.0; HOP]; UPPER],
            upper_gain: 1.0,
            bins: std::array::from_fn(|k| Bin { leak: if k < EDGE { LEAK } else { LEAK_EDGE }, ..Bin::default() }),
            alone: 0,
        }
    }

    /// Works on a block of the lowest band, after [`super::linear::Linear`], and on as many samples of those above.
    pub fn process(&mut self, low: &mut [f32; BLOCK], upper: &mut [[f32; BLOCK]; UPPER], told: &Left) {
        let expected: [f32; BINS] = std::array::from_fn(|k| {
            let around = &told.expected[(FINER * k).saturating_sub(FINER / 2)..(FINER * k + FINER / 2 + 1).min(linear::BINS)];
            DOUBT * around.iter().sum::<f32>() / around.len() as f32
        });
        for from in [0, HOP] {
            let hop = from..from + HOP;
            let (out, gain) = self.filter(&low[hop.clone()], &told.echo[hop.clone()], &expected);
            low[hop.clone()].copy_from_slice(&out);
            for (band, kept) in upper.iter_mut().zip(&mut self.upper) {
                for (n, (sample, kept)) in band[hop.clone()].iter_mut().zip(kept).enumerate() {
                    std::mem::swap(sample, kept);
                    *sample *= self.upper_gain + (gain - self.upper_gain) * (n as f32 + 0.5) / HOP as f32;
                }
            }
            self.upper_gain = gain;
        }
    }

    /// The hop before, filtered; and by how much it lost above 4 kHz, linear.
    fn filter(&mut self, left: &[f32], echo: &[f32], expected: &[f32; BINS]) -> ([f32; HOP], f32) {
        let mut spectrum = windowed(&mut self.fourier, &self.window, &mut self.left, left);
        let echo = windowed(&mut self.fourier, &self.window, &mut self.echo, echo).power();
        let power = spectrum.power();
        let loudest = self.bins.iter().fold(0.0f32, |loudest, bin| loudest.max(bin.taken));
        let tells = TELLS * loudest + 1.0;
        let leak_up = self.leak_up();
        let (mut kept, mut all) = (1e-3, 1e-3);
        for k in 0..BINS {
            let gain = self.bins[k].gain(power[k], echo[k], expected[k], tells, leak_up);
            spectrum.re[k] *= gain;
            spectrum.im[k] *= gain;
            if k >= UPPER_FROM {
                // Above, the echo is there still.
                (kept, all) = (kept + gain * gain * power[k], all + power[k] + echo[k]);
            }
        }
        let mut time = [0.0; WINDOW];
        self.fourier.backward(&spectrum, &mut time);
        let mut out = self.done;
        for n in 0..HOP {
            out[n] += time[n] * self.window[n];
            self.done[n] = time[HOP + n] * self.window[HOP + n];
        }
        (out, (kept / all).sqrt())
    }

    /// How much more may leak in this hop than in the last.
    fn leak_up(&mut self) -> f32 {
        let (left, taken) = self.bins.iter().fold((0.0, 0.0), |(left, taken), bin| (left + bin.left, taken + bin.taken));
        self.alone = if left < ALONE * taken { self.alone.saturating_add(1) } else { 0 };
        if self.alone > ALONE_HOPS { LEAK_UP_ALONE } else { LEAK_UP }
    }
}

impl Bin {
    /// What is to be kept of `power`, linear. `tells`: how loud an echo must be for its leak to be judged.
    fn gain(&mut self, power: f32, echo: f32, expected: f32, tells: f32, leak_up: f32) -> f32 {
        self.left += (power - self.left) * (1.0 - SMOOTH);
        self.taken += (echo - self.taken) * (1.0 - SMOOTH);
        self.echo = echo.max(self.echo * DECAY);
        self.noise = self.left.min(self.noise.max(1.0) * NOISE_UP);
        if self.taken > tells {
            let found = self.left / self.taken;
            let less = self.leak + (found - self.leak) * LEAK_DOWN;
            self.leak = if found < self.leak { less } else { (self.leak * leak_up).min(1.0) };
        }
        let residual = expected + LEAK_TIMES * self.leak * self.echo;
        let beside = power / (residual + 1e-3);
        let prior = PRIOR * self.prior + (1.0 - PRIOR) * (beside - 1.0).max(0.0);
        let gain = (prior / (1.0 + prior)).max(LEAST).max((self.noise / power.max(self.noise)).sqrt().min(LEAST_NOISE));
        self.prior = gain * gain * beside;
        gain
    }
}

/// The spectrum of the hop before and this one.
fn windowed(fourier: &mut Fourier<WINDOW, BINS>, window: &[f32; WINDOW], before: &mut [f32; HOP], hop: &[f32]) -> Spectrum<BINS> {
    let mut time: [f32; WINDOW] = std::array::from_fn(|n| window[n] * if n < HOP { before[n] } else { hop[n - HOP] });
    before.copy_from_slice(hop);
    let mut spectrum = Spectrum::EMPTY;
    fourier.forward(&mut time, &mut spectrum);
    spectrum
}
