//! The callbacks of the test, and their ends on its thread: an ear that keeps what it hears, a mouth that chirps when asked.
//!
//! Like every callback they neither allocate nor lock nor wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::Instant;

use rtrb::{Consumer, Producer, RingBuffer};

use crate::audio::chirp::{CHIRP_SAMPLES, Sweep, chirp};
use crate::audio::resample::Resampler;
use crate::doctor::round_trip::Passed;
use crate::os::sound::{BlockTime, InputCallback, OutputCallback, StreamFormat};
use crate::units::SAMPLE_RATE;

/// Chirps of a test.
pub(super) const CHIRPS: usize = 3;
/// The most that is kept of what the microphone delivers: all of the test, with room.
const KEPT_SECONDS: usize = 8;
/// Blocks whose times are kept: PulseAudio's are of a fraction of a millisecond.
const BLOCKS: usize = KEPT_SECONDS * 8_000;

/// What a callback counts of itself; written by it alone.
#[derive(Default)]
pub(super) struct Pace {
    pub blocks: AtomicU32,
    /// Frames since the stream began, and since the last [`Pace::anew`].
    pub frames: AtomicU64,
    pub since: AtomicU64,
    pub shortest: AtomicU32,
    pub longest: AtomicU32,
    pub gap_us: AtomicU32,
    /// Asked for by the test: forget all but the frames since the stream began.
    pub anew: AtomicBool,
}

impl Pace {
    /// A block of so many frames; `last`: when the one before came.
    fn count(&self, frames: usize, now: Instant, last: &mut Option<Instant>) {
        let frames = frames as u32;
        if self.anew.swap(false, Relaxed) {
            self.since.store(0, Relaxed);
            self.shortest.store(0, Relaxed);
            self.longest.store(0, Relaxed);
            self.gap_us.store(0, Relaxed);
            *last = None;
        }
        if let Some(last) = *last {
            let gap = now.saturating_duration_since(last).as_micros().min(u128::from(u32::MAX)) as u32;
            self.gap_us.store(self.gap_us.load(Relaxed).max(gap), Relaxed);
        }
        *last = Some(now);
        let shortest = self.shortest.load(Relaxed);
        self.shortest.store(if shortest == 0 { frames } else { shortest.min(frames) }, Relaxed);
        self.longest.store(self.longest.load(Relaxed).max(frames), Relaxed);
        self.frames.store(self.frames.load(Relaxed) + u64::from(frames), Relaxed);
        self.since.store(self.since.load(Relaxed) + u64::from(frames), Relaxed);
        self.blocks.store(self.blocks.load(Relaxed).wrapping_add(1), Relaxed);
    }
}

/// The test's end of the microphone.
pub(super) struct Ear {
    pub format: StreamFormat,
    pub pace: Arc<Pace>,
    /// Mono, at the device's rate.
    pub samples: Consumer<f32>,
    pub blocks: Consumer<Passed>,
}

pub(super) fn listening(format: StreamFormat) -> (InputCallback, Ear) {
    let (mut samples, samples_out) = RingBuffer::new(KEPT_SECONDS * format.rate as usize);
    let (mut blocks, blocks_out) = RingBuffer::new(BLOCKS);
    let pace = Arc::new(Pace::default());
    let ear = Ear { format, pace: Arc::clone(&pace), samples: samples_out, blocks: blocks_out };
    let channels = usize::from(format.channels.max(1));
    let (mut index, mut last) = (0u64, None);
    let callback = move |block: &[f32], time: BlockTime| {
        let frames = block.len() / channels;
        pace.count(frames, time.now, &mut last);
        let _ = blocks.push(Passed { index, now: time.now, air: time.at });
        index += frames as u64;
        for frame in block.chunks_exact(channels) {
            let _ = samples.push(frame.iter().sum::<f32>() / channels as f32);
        }
    };
    (Box::new(callback), ear)
}

/// The test's end of the loudspeaker.
pub(super) struct Mouth {
    pub pace: Arc<Pace>,
    /// Chirps asked for so far.
    pub asked: Arc<AtomicU32>,
    /// The first sample of each that was begun.
    pub given: Consumer<Passed>,
}

pub(super) fn chirping(format: StreamFormat) -> (OutputCallback, Mouth) {
    let pace = Arc::new(Pace::default());
    let asked = Arc::new(AtomicU32::new(0));
    let (given, given_out) = RingBuffer::new(2 * CHIRPS);
    let mouth = Mouth { pace: Arc::clone(&pace), asked: Arc::clone(&asked), given: given_out };
    let mut player = Player { sound: chirp_at(format.rate), at: None, begun: 0, given };
    let channels = usize::from(format.channels.max(1));
    let (mut index, mut last) = (0u64, None);
    let callback = move |block: &mut [f32], time: BlockTime| {
        let frames = block.len() / channels;
        pace.count(frames, time.now, &mut last);
        player.play(block, channels, asked.load(Relaxed), Passed { index, now: time.now, air: time.at });
        index += frames as u64;
    };
    (Box::new(callback), mouth)
}

/// Plays a chirp at the start of a block whenever one more is asked for; else silence.
struct Player {
    sound: Vec<f32>,
    /// Where in the sound; `None`: silent.
    at: Option<usize>,
    begun: u32,
    given: Producer<Passed>,
}

impl Player {
    fn play(&mut self, block: &mut [f32], channels: usize, asked: u32, first: Passed) {
        if self.at.is_none() && self.begun < asked {
            self.begun += 1;
            self.at = Some(0);
            let _ = self.given.push(first);
        }
        for frame in block.chunks_mut(channels) {
            let sample = self.at.and_then(|at| self.sound.get(at)).copied();
            self.at = self.at.filter(|_| sample.is_some()).map(|at| at + 1);
            frame.fill(sample.unwrap_or(0.0));
        }
    }
}

/// The chirp at a device's rate, without the converter's delay.
fn chirp_at(rate: u32) -> Vec<f32> {
    let sound = chirp(Sweep::Up, CHIRP_SAMPLES);
    let Ok(mut resampler) = Resampler::new(SAMPLE_RATE, rate) else { return sound };
    let mut out = Vec::new();
    resampler.process(&sound, &mut |samples| out.extend_from_slice(samples));
    resampler.process(&[0.0; 512], &mut |samples| out.extend_from_slice(samples));
    out.drain(..resampler.delay_samples().min(out.len()));
    out
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::doctor::round_trip;

    /// The two callbacks with a wire between them, in virtual time: what is played is heard `late` ms later.
    fn through(rates: [u32; 2], channels: u16, late: u64) -> Vec<round_trip::Trip> {
        let [output, input] = rates.map(|rate| StreamFormat { rate, channels });
        let (mut play, mut mouth) = chirping(output);
        let (mut hear, mut ear) = listening(input);
        let (start, ms) = (Instant::now(), Duration::from_millis);
        let mut to_input = Resampler::new(output.rate, input.rate).expect("rates");
        let mut wire: std::collections::VecDeque<f32> = vec![0.0; late as usize * input.rate as usize / 1_000].into();
        wire.drain(..to_input.delay_samples().min(wire.len()));
        for n in 0..200u64 {
            if n == 50 || n == 130 {
                mouth.asked.fetch_add(1, Relaxed);
            }
            let now = start + ms(10 * n);
            let mut block = vec![1.0; output.rate as usize / 100 * usize::from(channels)];
            play(&mut block, BlockTime { now, at: now });
            let mono: Vec<f32> = block.chunks(usize::from(channels)).map(|frame| frame[0]).collect();
            to_input.process(&mono, &mut |samples| wire.extend(samples));
            let frames = input.rate as usize / 100;
            let heard: Vec<f32> = (0..frames).flat_map(|_| vec![wire.pop_front().unwrap_or(0.0); usize::from(channels)]).collect();
            hear(&heard, BlockTime { now, at: now });
        }
        assert_eq!(ear.pace.frames.load(Relaxed), 2 * u64::from(input.rate));
        let given: Vec<Passed> = std::iter::from_fn(|| mouth.given.pop().ok()).collect();
        let raw: Vec<f32> = std::iter::from_fn(|| ear.samples.pop().ok()).collect();
        let mut heard = Vec::new();
        let mut resampler = Resampler::new(input.rate, SAMPLE_RATE).expect("rates");
        resampler.process(&raw, &mut |samples| heard.extend_from_slice(samples));
        heard.drain(..resampler.delay_samples());
        let at_48 = |block: Passed| Passed { index: block.index * u64::from(SAMPLE_RATE) / u64::from(input.rate), ..block };
        let blocks: Vec<Passed> = std::iter::from_fn(|| ear.blocks.pop().ok()).map(at_48).collect();
        round_trip::trips(&given, &heard, &blocks)
    }

    #[test]
    fn a_chirp_comes_around_at_any_rate_and_number_of_channels() {
        for (rates, channels) in [([48_000, 48_000], 1), ([44_100, 48_000], 2), ([48_000, 16_000], 1), ([96_000, 44_100], 2)] {
            let trips = through(rates, channels, 40);
            assert_eq!(trips.len(), 2, "{rates:?}: {trips:?}");
            for trip in trips {
                // To a block: a sample at a block's edge comes with the one or the other.
                assert!((trip.untold_ms - 40.0).abs() < 1.5 && (trip.whole_ms - 40.0).abs() < 10.5, "{rates:?}: {trip:?}");
            }
        }
    }

    #[test]
    fn nothing_is_played_before_a_chirp_is_asked_for() {
        let (mut play, _mouth) = chirping(StreamFormat { rate: 48_000, channels: 2 });
        let mut block = [1.0; 960];
        let now = Instant::now();
        play(&mut block, BlockTime { now, at: now });
        assert!(block.iter().all(|sample| *sample == 0.0));
    }

    #[test]
    fn a_pace_counts_anew_when_asked_to() {
        let (pace, start, mut last) = (Pace::default(), Instant::now(), None);
        for (at, frames) in [(0, 100), (300, 500), (310, 240), (320, 480)] {
            if at == 310 {
                pace.anew.store(true, Relaxed);
            }
            pace.count(frames, start + Duration::from_millis(at), &mut last);
        }
        assert_eq!([&pace.shortest, &pace.longest, &pace.gap_us].map(|count| count.load(Relaxed)), [240, 480, 10_000]);
        assert_eq!((pace.since.load(Relaxed), pace.frames.load(Relaxed)), (720, 1_320));
    }
}
