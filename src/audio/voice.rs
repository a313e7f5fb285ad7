//! The built-in talker: made-up speech by formant synthesis, the same for the same seed; and a plain tone. Pure.
//!
//! ```text
//! script: phrases of syllables -> targets each ms ─┬─> glottis (pulses, breath) ─> nose, F1..F5 in a row ─┬─> gain
//!                                                  └─> hiss ─> one resonance ─────────────────────────────┘
//! ```

mod phones;
mod script;

use script::{Script, Target};

use crate::units::SAMPLE_RATE;

const RATE: f32 = SAMPLE_RATE as f32;
/// Samples between two looks at the script: 1 ms.
const CONTROL: usize = 48;
/// How much of the way to its target the mouth goes in a control step: a time constant of 14 ms.
const GLIDE: f32 = 1.0 / 14.0;
/// Amplitudes move faster: 4 ms.
const ATTACK: f32 = 1.0 / 4.0;
/// Loudness of the whole: peaks near -6 dBFS.
const GAIN: f32 = 0.15;

/// Small, fast, good enough for noise and dice (xorshift64*).
#[derive(Clone, Debug)]
struct Dice(u64);

impl Dice {
    fn new(seed: u64) -> Self {
        // Neighbouring seeds must not begin alike, and zero would stay zero.
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(0x2545_f491_4f6c_dd1d) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// In 0..1.
    fn unit(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1u64 << 24) as f32
    }

    fn between(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.unit()
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() >> 33) as usize % n.max(1)
    }
}

/// A two-pole resonance of unity gain at 0 Hz (Klatt 1980).
#[derive(Clone, Debug, Default)]
struct Resonance {
    a: f32,
    b: f32,
    c: f32,
    y1: f32,
    y2: f32,
}

impl Resonance {
    fn tune(&mut self, hz: f32, width: f32) {
        let radius = (-std::f32::consts::PI * width / RATE).exp();
        self.c = -radius * radius;
        self.b = 2.0 * radius * (std::f32::consts::TAU * hz / RATE).cos();
        self.a = 1.0 - self.b - self.c;
    }

    fn run(&mut self, x: f32) -> f32 {
        let y = self.a * x + self.b * self.y1 + self.c * self.y2;
        self.y2 = self.y1;
        self.y1 = if y.abs() < 1e-20 { 0.0 } else { y };
        y
    }
}

/// An endless talker. Each seed has its own voice and says its own things.
#[derive(Clone, Debug)]
pub struct Voice {
    script: Script,
    dice: Dice,
    mouth: Target,
    formants: [Resonance; 5],
    hiss: Resonance,
    /// Where the glottal cycle stands, 0..1, and its length in samples.
    cycle: f32,
    cycle_step: f32,
    flow: f32,
    breath: f32,
    noise: f32,
    wobble: f32,
    until_control: usize,
}

impl Voice {
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let script = Script::new(Dice::new(dice.next()));
        Self {
            mouth: script.rest(),
            script,
            dice,
            formants: Default::default(),
            hiss: Resonance::default(),
            cycle: 0.0,
            cycle_step: 0.0,
            flow: 0.0,
            breath: 0.0,
            noise: 0.0,
            wobble: 0.0,
            until_control: 0,
        }
    }

    /// The next `out.len()` samples, 48 kHz; peaks near half of full scale.
    pub fn fill(&mut self, out: &mut [f32]) {
        for sample in out {
            if self.until_control == 0 {
                self.control();
                self.until_control = CONTROL;
            }
            self.until_control -= 1;
            *sample = self.sample();
        }
    }

    /// Once a millisecond: where the script wants the mouth, and a step of the way there.
    fn control(&mut self) {
        let target = self.script.tick();
        self.mouth.approach(&target, GLIDE, ATTACK);
        let widths = [60.0, 85.0, 130.0, 220.0, 280.0];
        let high = [3_500.0 * self.script.throat(), 4_600.0 * self.script.throat()];
        let hz = self.mouth.formants.into_iter().chain(high);
        for ((resonance, hz), width) in self.formants.iter_mut().zip(hz).zip(widths) {
            resonance.tune(hz, width + self.mouth.damping);
        }
        self.hiss.tune(self.mouth.hiss_hz, self.mouth.hiss_hz * 0.35);
        // No throat keeps its pitch to the hertz: a slow random walk, within about 1.5 %.
        self.wobble = self.wobble * 0.97 + self.dice.between(-0.0035, 0.0035);
        self.cycle_step = self.mouth.pitch * (1.0 + self.wobble) / RATE;
    }

    fn sample(&mut self) -> f32 {
        let noise = self.dice.between(-1.0, 1.0);
        self.cycle += self.cycle_step;
        if self.cycle >= 1.0 {
            self.cycle -= 1.0;
        }
        let flow = glottal_flow(self.cycle);
        let pulse = (flow - self.flow) / self.cycle_step.max(1e-4);
        self.flow = flow;
        // Breath comes while the glottis is open, and is darker than white.
        self.breath += (noise - self.breath) * 0.3;
        let source = pulse * 0.16 * self.mouth.voicing + self.breath * (0.3 + flow) * self.mouth.breath;
        let mut voice = source;
        for resonance in &mut self.formants {
            voice = resonance.run(voice);
        }
        // The difference keeps the hiss's one resonance from reaching down to 0 Hz.
        let hiss = self.hiss.run(noise - self.noise) * self.mouth.hiss * 1.4;
        self.noise = noise;
        let sum = (voice + hiss) * GAIN;
        // A vowel whose harmonics meet its formants is rounded off, not cut.
        sum / (1.0 + sum.abs() * 0.35)
    }
}

/// Air through the glottis over one cycle (Rosenberg's pulse): rises, falls faster, stays shut.
fn glottal_flow(cycle: f32) -> f32 {
    const RISE: f32 = 0.42;
    const FALL: f32 = 0.20;
    if cycle < RISE {
        0.5 - 0.5 * (std::f32::consts::PI * cycle / RISE).cos()
    } else if cycle < RISE + FALL {
        (std::f32::consts::FRAC_PI_2 * (cycle - RISE) / FALL).cos()
    } else {
        0.0
    }
}

/// A sine.
#[derive(Clone, Debug)]
pub struct Tone {
    cycle: f64,
    step: f64,
}

impl Tone {
    /// Loudness of the tone, linear: -12 dBFS.
    pub const AMPLITUDE: f32 = 0.25;

    #[must_use]
    pub fn new(hz: f32) -> Self {
        Self { cycle: 0.0, step: f64::from(hz) / f64::from(SAMPLE_RATE) }
    }

    /// The next `out.len()` samples, 48 kHz.
    pub fn fill(&mut self, out: &mut [f32]) {
        for sample in out {
            *sample = (self.cycle * std::f64::consts::TAU).sin() as f32 * Self::AMPLITUDE;
            self.cycle = (self.cycle + self.step).fract();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rms(samples: &[f32]) -> f32 {
        (samples.iter().map(|s| s * s).sum::<f32>() / samples.len() as f32).sqrt()
    }

    fn speech(seed: u64, seconds: usize) -> Vec<f32> {
        let mut samples = vec![0.0; seconds * SAMPLE_RATE as usize];
        Voice::new(seed).fill(&mut samples);
        samples
    }

    #[test]
    fn the_same_seed_says_the_same_in_any_block_size() {
        let whole = speech(7, 2);
        let mut voice = Voice::new(7);
        let mut pieces = vec![0.0; whole.len()];
        let (mut rest, mut size) = (&mut pieces[..], 1);
        while !rest.is_empty() {
            let (piece, after) = rest.split_at_mut(size.min(rest.len()));
            voice.fill(piece);
            (rest, size) = (after, size % 997 + 13);
        }
        assert_eq!(whole, pieces);
        assert_ne!(whole, speech(8, 2));
    }

    #[test]
    fn it_is_loud_enough_and_never_clips() {
        for seed in 0..6 {
            let samples = speech(seed, 20);
            let peak = samples.iter().fold(0f32, |peak, s| peak.max(s.abs()));
            assert!((0.25..0.9).contains(&peak), "seed {seed}: peak {peak}");
            let loud = rms(&samples);
            assert!((0.03..0.2).contains(&loud), "seed {seed}: rms {loud}");
        }
    }

    #[test]
    fn it_moves_like_speech() {
        for seed in 0..6 {
            let samples = speech(seed, 20);
            let envelope: Vec<f32> = samples.chunks(960).map(rms).collect();
            let silent = envelope.iter().filter(|level| **level < 0.002).count() as f32 / envelope.len() as f32;
            assert!((0.08..0.5).contains(&silent), "seed {seed}: {silent} of it silent");
            // Syllables: the envelope crosses its mean three to sixteen times a second.
            let mean = envelope.iter().sum::<f32>() / envelope.len() as f32;
            let crossings = envelope.windows(2).filter(|pair| (pair[0] < mean) != (pair[1] < mean)).count();
            assert!((60..320).contains(&crossings), "seed {seed}: {crossings} crossings");
        }
    }

    #[test]
    fn a_tone_has_its_pitch_and_loudness() {
        let mut samples = vec![0.0; 48_000];
        Tone::new(1_000.0).fill(&mut samples);
        let rising = samples.windows(2).filter(|pair| pair[0] < 0.0 && pair[1] >= 0.0).count();
        assert!(rising.abs_diff(1_000) <= 1);
        assert!((rms(&samples) - 0.1768).abs() < 1e-3);
    }
}
