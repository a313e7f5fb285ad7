//! The callbacks of the test, and their ends on its thread: an ear that keeps what it hears, a mouth that chirps when asked.
//!
//! Like every callback they neither allocate nor lock nor wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

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

/// A device that still asks so long after its first block flows: a sound server may fill its buffer at once, and sleep it out then.
const FLOWING: Duration = Duration::from_millis(100);
/// The first block of a watched time is waited for so long; from then on it is missing.
const BEGINS: Duration = Duration::from_millis(250);

/// What a callback counts of itself; written by it alone.
pub(super) struct Pace {
    begun: Instant,
    /// When its first block came, and its last; µs since it begun, 0: none did.
    first_us: AtomicU64,
    last_us: AtomicU64,
    /// Frames since the stream began.
    pub frames: AtomicU64,
    /// When the first block since [`Pace::mark`] came, and what came since: frames without those of that block.
    start_us: AtomicU64,
    since: AtomicU64,
    shortest: AtomicU32,
    longest: AtomicU32,
    gap_us: AtomicU64,
    /// Asked for by the test: forget all but the frames since the stream began.
    anew: AtomicBool,
}

/// How a stream fared in a watched time.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Flow {
    /// The shortest and the longest block, frames.
    pub came: Option<(u32, u32)>,
    /// Frames that came within this time.
    pub frames: u64,
    pub over: Duration,
    /// The longest time without a block; one that began before, or has not ended, counts.
    pub gap: Duration,
}

impl Pace {
    fn new(begun: Instant) -> Self {
        let (first_us, last_us, start_us, gap_us) = Default::default();
        let (frames, since, shortest, longest, anew) = Default::default();
        Self { begun, first_us, last_us, frames, start_us, since, shortest, longest, gap_us, anew }
    }

    /// A block of so many frames came.
    fn count(&self, frames: usize, now: Instant) {
        let frames = frames as u32;
        let at = (now.saturating_duration_since(self.begun).as_micros() as u64).max(1);
        let last = self.last_us.swap(at, Relaxed);
        let gap = if last == 0 { 0 } else { at.saturating_sub(last) };
        if last == 0 {
            self.first_us.store(at, Relaxed);
        }
        if self.anew.swap(false, Relaxed) {
            // What the block brings is of the time before it; that it came late is not.
            self.since.store(0, Relaxed);
            self.shortest.store(frames, Relaxed);
            self.longest.store(frames, Relaxed);
            self.gap_us.store(gap, Relaxed);
            self.start_us.store(at, Relaxed);
        } else {
            self.since.store(self.since.load(Relaxed) + u64::from(frames), Relaxed);
            self.shortest.store(self.shortest.load(Relaxed).min(frames), Relaxed);
            self.longest.store(self.longest.load(Relaxed).max(frames), Relaxed);
            self.gap_us.store(self.gap_us.load(Relaxed).max(gap), Relaxed);
        }
        self.frames.store(self.frames.load(Relaxed) + u64::from(frames), Relaxed);
    }

    /// It has begun, and goes on.
    pub(super) fn flows(&self) -> bool {
        let (first, last) = (self.first_us.load(Relaxed), self.last_us.load(Relaxed));
        Duration::from_micros(last.saturating_sub(first)) >= FLOWING
    }

    /// Counts anew from the next block on.
    pub(super) fn mark(&self) {
        self.anew.store(true, Relaxed);
    }

    /// What came from the mark until now.
    pub(super) fn flow(&self, marked: Instant, now: Instant) -> Flow {
        if self.anew.load(Relaxed) {
            let over = now.saturating_duration_since(marked);
            return Flow { came: None, frames: 0, over, gap: over };
        }
        let at = |us: &AtomicU64| self.begun + Duration::from_micros(us.load(Relaxed));
        let from = at(&self.start_us).min(marked + BEGINS);
        let still = now.saturating_duration_since(at(&self.last_us));
        Flow {
            came: Some((self.shortest.load(Relaxed), self.longest.load(Relaxed))),
            frames: self.since.load(Relaxed),
            over: now.saturating_duration_since(from),
            gap: Duration::from_micros(self.gap_us.load(Relaxed)).max(still),
        }
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
    let pace = Arc::new(Pace::new(Instant::now()));
    let ear = Ear { format, pace: Arc::clone(&pace), samples: samples_out, blocks: blocks_out };
    let channels = usize::from(format.channels.max(1));
    let mut index = 0u64;
    let callback = move |block: &[f32], time: BlockTime| {
        let frames = block.len() / channels;
        pace.count(frames, time.now);
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
    let pace = Arc::new(Pace::new(Instant::now()));
    let asked = Arc::new(AtomicU32::new(0));
    let (given, given_out) = RingBuffer::new(2 * CHIRPS);
    let mouth = Mouth { pace: Arc::clone(&pace), asked: Arc::clone(&asked), given: given_out };
    let mut player = Player { sound: chirp_at(format.rate), at: None, begun: 0, given };
    let channels = usize::from(format.channels.max(1));
    let mut index = 0u64;
    let callback = move |block: &mut [f32], time: BlockTime| {
        let frames = block.len() / channels;
        pace.count(frames, time.now);
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

    /// Blocks of 10 ms at these times, ms; watched from 300 ms on for two seconds.
    fn watched(blocks: impl IntoIterator<Item = u64>) -> (bool, Flow) {
        let (begun, ms) = (Instant::now(), Duration::from_millis);
        let pace = Pace::new(begun);
        let mut flows = None;
        for at in blocks {
            if at >= 300 && flows.is_none() {
                flows = Some(pace.flows());
                pace.mark();
            }
            pace.count(480, begun + ms(at));
        }
        let flows = flows.unwrap_or_else(|| {
            pace.mark();
            pace.flows()
        });
        (flows, pace.flow(begun + ms(300), begun + ms(2_300)))
    }

    fn flow(frames: u64, over: u64, gap: u64) -> Flow {
        let ms = Duration::from_millis;
        Flow { came: Some((480, 480)), frames, over: ms(over), gap: ms(gap) }
    }

    #[test]
    fn what_flows_is_counted_from_the_first_block_on() {
        assert_eq!(watched((5..=2_295).step_by(10)), (true, flow(199 * 480, 1_995, 10)));
    }

    #[test]
    fn a_hole_is_counted_wherever_it_is() {
        let but_for = |hole: std::ops::Range<u64>| watched((5..=2_295).step_by(10).filter(move |at| !hole.contains(at)));
        assert_eq!(but_for(1_000..1_450), (true, flow((199 - 45) * 480, 1_995, 460)), "in the midst");
        assert_eq!(but_for(250..400), (true, flow(189 * 480, 1_895, 160)), "when it is marked");
        assert_eq!(but_for(300..1_500), (true, flow(79 * 480, 1_750, 1_210)), "it does not begin for a long time");
        assert_eq!(but_for(1_000..9_000), (true, flow(69 * 480, 1_995, 1_305)), "until the end");
        let (ms, nothing) = (Duration::from_millis, watched((5..300).step_by(10)));
        assert_eq!(nothing, (true, Flow { came: None, frames: 0, over: ms(2_000), gap: ms(2_000) }), "nothing any more");
    }

    #[test]
    fn a_loudspeaker_that_fills_its_buffer_and_sleeps_does_not_flow_yet() {
        let (begun, ms) = (Instant::now(), Duration::from_millis);
        let pace = Pace::new(begun);
        assert!(!pace.flows());
        for at in [1, 2, 3, 4, 60] {
            pace.count(480, begun + ms(at));
            assert!(!pace.flows(), "{at}");
        }
        pace.count(480, begun + ms(1_900));
        assert!(pace.flows());
    }
}
