//! A desk: somebody speaks at a microphone, a loudspeaker plays the far end, something makes noise.

use std::time::{Duration, Instant};

use super::rooms::{MakeNoise, Room, SECOND};
use super::speech::speech;
use voicetui::audio::Frame;
use voicetui::audio::process::{Chain, Reference, Wanted, When};
use voicetui::audio::vad::{Tuning, Vad};
use voicetui::units::{FRAME_SAMPLES, duration_of};

/// How far the playback side is ahead of the capture side: its card's delay, which it tells.
const TOLD: Duration = Duration::from_millis(30);
/// Quieter frames are pauses, dB below the voice's level.
const PAUSE_DB: f32 = 40.0;
/// And so many of them come first: the end of a word is heard with what follows it.
const PAUSE_FRAMES: u32 = 20;

#[derive(Clone, Copy)]
pub struct Desk {
    pub seconds: usize,
    /// `None`: a headset.
    pub room: Option<Room>,
    /// From the loudspeaker to the microphone, beyond what its card tells.
    pub delay_ms: usize,
    /// How much faster than the microphone's the loudspeaker's card is.
    pub ppm: f64,
    /// Loudness at the microphone, dBFS.
    pub echo_db: f32,
    pub own_db: Option<f32>,
    /// The own voice is silent before this second.
    pub own_from: usize,
    pub noise: Option<(MakeNoise, f32)>,
    pub cancels: bool,
    pub suppresses: When,
}

/// What came of it; `left` is laid beside `own`, the chain's delay taken away.
pub struct Heard {
    pub own: Vec<f32>,
    pub microphone: Vec<f32>,
    pub left: Vec<f32>,
}

impl Desk {
    pub fn new(seconds: usize) -> Self {
        Self {
            seconds,
            room: None,
            delay_ms: 10,
            ppm: 0.0,
            echo_db: -26.0,
            own_db: None,
            own_from: 0,
            noise: None,
            cancels: true,
            suppresses: When::Off,
        }
    }

    pub fn run(&self) -> Heard {
        let samples = self.seconds * SECOND;
        let mut own = self.own_db.map_or_else(|| vec![0.0; samples], |db| at(db, (0..samples as u64).map(speech).collect()));
        own[..self.own_from * SECOND].fill(0.0);
        let played: Vec<f32> = (0..samples as u64 + 10_000).map(|n| speech(n + 31 * SECOND as u64)).collect();
        let mut microphone = own.clone();
        if let Some(room) = &self.room {
            let echo = at(self.echo_db, room.hear(&skewed(&played, self.ppm, samples), self.delay_ms * SECOND / 1_000));
            microphone.iter_mut().zip(echo).for_each(|(sample, echo)| *sample += echo);
        }
        if let Some((make, db)) = self.noise {
            microphone.iter_mut().zip(at(db, make(samples))).for_each(|(sample, noise)| *sample += noise);
        }
        let (mut left, delay) = self.process(&microphone, &played);
        left.drain(..delay);
        left.resize(samples, 0.0);
        Heard { own, microphone, left }
    }

    /// What leaves, and how many samples later.
    fn process(&self, microphone: &[f32], played: &[f32]) -> (Vec<f32>, usize) {
        let (mut chain, mut reference, mut vad) = (Chain::default(), Reference::default(), Vad::new().expect("a detector"));
        chain.set(Wanted { echo: self.cancels && self.room.is_some(), noise: self.suppresses, gain: false });
        let (start, rate) = (Instant::now(), SECOND as f64 * (1.0 + self.ppm * 1e-6));
        let (mut left, mut pushed) = (Vec::new(), 0);
        let far = played.as_chunks::<FRAME_SAMPLES>().0;
        for (n, frame) in microphone.as_chunks::<FRAME_SAMPLES>().0.iter().enumerate() {
            let captured = start + duration_of((n * FRAME_SAMPLES) as u64);
            let at = |pushed: usize| start + Duration::from_secs_f64((pushed * FRAME_SAMPLES) as f64 / rate);
            while pushed < far.len() && at(pushed) < captured + TOLD {
                reference.push(&far[pushed], at(pushed));
                pushed += 1;
            }
            let mut frame: Frame = *frame;
            chain.clean(&mut frame, reference.take(captured).as_ref());
            vad.push(&frame, Tuning::default());
            chain.finish(&mut frame, vad.is_voice());
            left.extend(frame);
        }
        (left, (chain.delay().as_secs_f64() * SECOND as f64).round() as usize)
    }
}

impl Heard {
    /// So many seconds after the far end is first heard, and from then on, every half second in which it is heard has lost 20 dB of it.
    pub fn converged(&self) -> Option<f32> {
        const HALF: usize = SECOND / 2;
        let loud = level(&self.microphone);
        let parts = self.microphone.chunks(HALF).zip(self.left.chunks(HALF));
        let bad = |(came, left): (&[f32], &[f32])| level(came) > loud - 10.0 && level(came) - level(left) < 20.0;
        let last = parts.map(bad).rposition(|bad| bad).map_or(0, |at| at + 1);
        let first = self.microphone.chunks(FRAME_SAMPLES).position(|frame| level(frame) > loud - 10.0).unwrap_or(0) * FRAME_SAMPLES;
        (last * HALF < self.left.len()).then_some((last * HALF).saturating_sub(first) as f32 / SECOND as f32)
    }

    /// Level of the noise in the own voice's pauses, from a fifth of a second after a word on, and of the voice (noise taken off), dBFS, from the eighth second on.
    pub fn parts(&self) -> (f32, f32) {
        let active = active_level(&self.own);
        let (mut noise, mut voice, mut since) = (Vec::new(), Vec::new(), 0);
        let frames = self.own.as_chunks::<FRAME_SAMPLES>().0.iter().zip(self.left.as_chunks::<FRAME_SAMPLES>().0);
        for (n, (own, left)) in frames.enumerate() {
            let pause = level(own) < active - PAUSE_DB;
            since = if pause { since + 1 } else { 0 };
            let part = if !pause && level(own) > active - 10.0 {
                &mut voice
            } else if since > PAUSE_FRAMES {
                &mut noise
            } else {
                continue;
            };
            if n > 800 {
                part.extend(left);
            }
        }
        let power = |samples: &[f32]| 10f32.powf(level(samples) / 10.0);
        (level(&noise), 10.0 * (power(&voice) - power(&noise)).max(1e-12).log10())
    }
}

/// Root mean square, dBFS.
pub fn level(samples: &[f32]) -> f32 {
    10.0 * (samples.iter().map(|s| s * s).sum::<f32>() / samples.len().max(1) as f32).max(1e-12).log10()
}

/// Of what is not silent.
fn active_level(samples: &[f32]) -> f32 {
    let mean = level(samples);
    let loud: Vec<f32> = samples.as_chunks::<480>().0.iter().filter(|frame| level(*frame) > mean - 16.0).flatten().copied().collect();
    level(&loud)
}

fn at(db: f32, mut samples: Vec<f32>) -> Vec<f32> {
    let gain = 10f32.powf((db - active_level(&samples)) / 20.0);
    samples.iter_mut().for_each(|sample| *sample *= gain);
    samples
}

/// What a loudspeaker `ppm` fast plays, at the microphone's rate.
fn skewed(played: &[f32], ppm: f64, samples: usize) -> Vec<f32> {
    let take = |n: usize| {
        let place = n as f64 * (1.0 + ppm * 1e-6);
        let (whole, part) = (place as usize, place.fract() as f32);
        played[whole] + (played[whole + 1] - played[whole]) * part
    };
    (0..samples).map(take).collect()
}
