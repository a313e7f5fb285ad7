//! Noises, rooms and levels for the tests of the chain and of the voice detector.

use realfft::RealFftPlanner;

use crate::audio::voice::Voice;

/// Seeded white noise, -1..1.
pub(in crate::audio) struct Dice(u64);

impl Dice {
    pub(in crate::audio) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(in crate::audio) fn next(&mut self) -> f32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    }
}

pub(in crate::audio) fn white(seconds: usize, seed: u64) -> Vec<f32> {
    let mut dice = Dice::new(seed);
    (0..seconds * 48_000).map(|_| dice.next()).collect()
}

/// Air: noise that falls by 12 dB an octave above 300 Hz.
pub(in crate::audio) fn fan(seconds: usize, seed: u64) -> Vec<f32> {
    let (mut dice, mut first, mut second) = (Dice::new(seed), 0.0, 0.0);
    let share = std::f32::consts::TAU * 300.0 / 48_000.0;
    (0..seconds * 48_000)
        .map(|_| {
            first += (dice.next() - first) * share;
            second += (first - second) * share;
            second
        })
        .collect()
}

/// The synthetic talker.
pub(in crate::audio) fn spoken(seconds: usize, seed: u64) -> Vec<f32> {
    let (mut voice, mut said) = (Voice::new(seed), vec![0.0; seconds * 48_000]);
    voice.fill(&mut said);
    said
}

pub(in crate::audio) fn rms_db(samples: &[f32]) -> f32 {
    10.0 * (samples.iter().map(|s| s * s).sum::<f32>() / samples.len().max(1) as f32).max(1e-12).log10()
}

/// At so many dBFS (root mean square of the frames that are not silent).
pub(in crate::audio) fn at_level(dbfs: f32, samples: &[f32]) -> Vec<f32> {
    let mean = rms_db(samples);
    let active: Vec<f32> = samples.as_chunks::<480>().0.iter().filter(|frame| rms_db(*frame) > mean - 16.0).flatten().copied().collect();
    let gain = 10f32.powf((dbfs - rms_db(&active)) / 20.0);
    samples.iter().map(|sample| sample * gain).collect()
}

/// A room: the direct sound, then reflections that die away in `rt60` seconds; `loss_db` lower than what was played.
pub(in crate::audio) fn room(rt60: f32, loss_db: f32, seed: u64) -> Vec<f32> {
    let mut dice = Dice::new(seed);
    let length = (rt60 * 48_000.0) as usize;
    let mut taps: Vec<f32> = (0..length).map(|n| dice.next() * 0.12 * 10f32.powf(-3.0 * n as f32 / length as f32)).collect();
    taps[0] = 1.0;
    let power = taps.iter().map(|tap| tap * tap).sum::<f32>();
    let gain = 10f32.powf(-loss_db / 20.0) / power.sqrt();
    taps.iter_mut().for_each(|tap| *tap *= gain);
    taps
}

/// `played` as the microphone hears it, `delay` samples later.
pub(in crate::audio) fn heard(played: &[f32], room: &[f32], delay: usize) -> Vec<f32> {
    let samples = (played.len() + room.len() + delay).next_power_of_two();
    let mut planner = RealFftPlanner::new();
    let (forward, inverse) = (planner.plan_fft_forward(samples), planner.plan_fft_inverse(samples));
    let spectrum = |sound: &[f32], from: usize| {
        let (mut time, mut spectrum) = (forward.make_input_vec(), forward.make_output_vec());
        time[from..from + sound.len()].copy_from_slice(sound);
        forward.process(&mut time, &mut spectrum).expect("lengths that fit");
        spectrum
    };
    let (mut heard, room) = (spectrum(played, delay), spectrum(room, 0));
    heard.iter_mut().zip(room).for_each(|(heard, room)| *heard *= room / samples as f32);
    let mut out = inverse.make_output_vec();
    inverse.process(&mut heard, &mut out).expect("lengths that fit");
    out.truncate(played.len());
    out
}
