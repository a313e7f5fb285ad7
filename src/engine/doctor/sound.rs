//! Both devices, opened as a call opens them: what they grant, how they flow, what the microphone hears, and a chirp's way around.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use rtrb::{Consumer, Producer, RingBuffer};

use super::Patient;
use crate::audio::chirp::{CHIRP_SAMPLES, Sweep, chirp};
use crate::audio::resample::Resampler;
use crate::doctor::level::{self, Levels};
use crate::doctor::round_trip::{self, Passed, SPACING};
use crate::doctor::stream::{self, StreamFacts};
use crate::doctor::{Finding, Section};
use crate::os::sound::{Backend, BlockTime, Direction, Failure, InputCallback, OpenError, OutputCallback, Sound, Stream, StreamFormat};
use crate::units::SAMPLE_RATE;

/// The microphone is listened to for this long, and the flow of both is watched.
const LISTENED: Duration = Duration::from_secs(2);
/// Until the first sound comes: an input of PulseAudio can take its time.
const FIRST: Duration = Duration::from_millis(1_500);
const CHIRPS: usize = 3;
/// The most that is kept of what the microphone delivers: all of the test, with room.
const KEPT_SECONDS: usize = 8;
/// Blocks whose times are kept: PulseAudio's are of a fraction of a millisecond.
const BLOCKS: usize = KEPT_SECONDS * 8_000;
/// How often it is looked whether a call has begun.
const LOOK: Duration = Duration::from_millis(20);
/// Devices that are named; the rest is counted.
const NAMED_MAX: usize = 4;

/// The host of files and tones in the list of devices.
const VIRTUAL: &str = "virtual";

const IN_CALL: &str = "not touched: a call is up, and has the devices";
const BROKEN_OFF: &str = "broken off: a call began";

/// What the hosts have.
pub(super) fn devices(patient: &Patient) -> Vec<Finding> {
    let (section, what) = (Section::Sound, "devices");
    let list = match Sound::new(patient.host.as_deref()) {
        Ok(sound) => sound.list().into_iter().filter(|device| device.host != VIRTUAL).collect::<Vec<_>>(),
        Err(error) => return vec![Finding::bad(section, what, error.to_string(), error.to_string())],
    };
    let named = |direction: Direction| {
        let all: Vec<_> = list.iter().filter(|device| device.direction == direction).collect();
        let noun = direction.noun();
        if all.is_empty() {
            return format!("no {noun}");
        }
        let mut names: Vec<String> =
            all.iter().filter(|device| device.is_default).map(|device| format!("{}* ({})", device.name, device.host)).collect();
        names.extend(all.iter().filter(|device| !device.is_default).map(|device| device.name.clone()));
        names.dedup();
        let rest = names.len().saturating_sub(NAMED_MAX);
        names.truncate(NAMED_MAX);
        let more = if rest > 0 { format!(" and {rest} more") } else { String::new() };
        format!("{noun}s: {}{more}", names.join(", "))
    };
    let says = format!("{}; {}", named(Direction::Input), named(Direction::Output));
    vec![Finding::ok(section, what, says)]
}

fn is_virtual(direction: Direction, spec: &str) -> bool {
    let kind = spec.split_once(':').map_or(spec, |(kind, _)| kind);
    match direction {
        Direction::Input => matches!(kind, "wav" | "wav-loop" | "tone" | "voice" | "silence"),
        Direction::Output => matches!(kind, "wav" | "null"),
    }
}

/// The test of both devices together.
pub(super) fn streams(patient: &Patient) -> Vec<Finding> {
    let skipped = |why: &str| ["microphone", "loudspeaker", "round trip"].map(|what| Finding::skipped(Section::Sound, what, why)).to_vec();
    if (patient.in_call)() {
        return skipped(IN_CALL);
    }
    let Ok(backend) = Sound::new(patient.host.as_deref()) else { return skipped("the audio host cannot be used") };
    let (mut ear, mut mouth) = (None, None);
    let input = backend.open_input(&patient.input, &mut |format| {
        let (callback, made) = listening(format);
        ear = Some(made);
        callback
    });
    let output = if patient.output.starts_with("wav:") {
        // To try it would write over the file.
        None
    } else {
        let opened = backend.open_output(&patient.output, &mut |format| {
            let (callback, made) = chirping(format);
            mouth = Some(made);
            callback
        });
        Some(opened)
    };
    let mut findings = Vec::new();
    let input = opened(input, Direction::Input, patient, &mut findings);
    let output = match output {
        Some(output) => opened(output, Direction::Output, patient, &mut findings),
        None => {
            findings.push(Finding::skipped(Section::Sound, "loudspeaker", "a file: nothing is tried on it"));
            None
        }
    };
    let mut test = Test { patient, input: input.zip(ear), output: output.zip(mouth), given: Vec::new() };
    match test.run() {
        Ok(found) => findings.extend(found),
        Err(BrokenOff) => findings.extend(skipped(BROKEN_OFF)),
    }
    findings
}

fn opened(result: Result<Stream, OpenError>, direction: Direction, patient: &Patient, findings: &mut Vec<Finding>) -> Option<Stream> {
    let (section, noun) = (Section::Sound, direction.noun());
    let spec = if direction == Direction::Input { &patient.input } else { &patient.output };
    findings.push(match result {
        Ok(stream) => return Some(stream),
        // An idle voicetui may hold a card that lets one program in.
        Err(OpenError::Busy { .. }) if patient.runs => Finding::skipped(section, noun, "in use, by this program or another one"),
        Err(error @ OpenError::Busy { .. }) => Finding::warn(section, noun, "in use by another program", error.to_string()),
        Err(error) => Finding::bad(section, noun, format!("{spec} cannot be opened"), error.to_string()),
    });
    None
}

/// Somebody is in a call now.
struct BrokenOff;

struct Test<'a> {
    patient: &'a Patient,
    input: Option<(Stream, Ear)>,
    output: Option<(Stream, Mouth)>,
    /// The first samples of the chirps.
    given: Vec<Passed>,
}

impl Test<'_> {
    /// Listens, chirps, closes, judges.
    fn run(&mut self) -> Result<Vec<Finding>, BrokenOff> {
        let begun = Instant::now();
        let came = |pace: &Pace| pace.blocks.load(Relaxed) > 0;
        while begun.elapsed() < FIRST
            && !(self.input.as_ref().is_none_or(|(_, ear)| came(&ear.pace))
                && self.output.as_ref().is_none_or(|(_, mouth)| came(&mouth.pace)))
        {
            self.rest(LOOK)?;
        }
        self.mark();
        let watched = Instant::now();
        self.rest(LISTENED)?;
        let over = watched.elapsed();
        // What is judged of the flow and the level is over; the chirps come after it.
        let facts = [
            self.input.as_ref().map(|(stream, ear)| facts(Direction::Input, stream, &ear.pace, over)),
            self.output.as_ref().map(|(stream, mouth)| facts(Direction::Output, stream, &mouth.pace, over)),
        ];
        let quiet = self.input.as_ref().map_or(0, |(_, ear)| ear.pace.frames.load(Relaxed));
        let virtual_input = is_virtual(Direction::Input, &self.patient.input);
        let chirps = !virtual_input && !is_virtual(Direction::Output, &self.patient.output);
        let chirped = if chirps { self.chirp()? } else { 0 };
        let trips = self.trips();
        let mut findings: Vec<Finding> = Vec::new();
        let [input, output] = facts;
        findings.extend(input.iter().flat_map(stream::judge));
        if let Some((_, ear)) = &self.input {
            let quiet = (quiet * u64::from(SAMPLE_RATE) / u64::from(ear.format.rate.max(1))) as usize;
            let heard = &trips.heard[..quiet.min(trips.heard.len())];
            findings.push(level::judge(Levels::of(heard), !trips.trips.is_empty(), virtual_input));
        }
        findings.extend(output.iter().flat_map(stream::judge));
        findings.push(match (chirps, chirped) {
            (false, _) => Finding::skipped(Section::Sound, "round trip", "not measured: one of the devices is virtual"),
            (true, 0) => Finding::skipped(Section::Sound, "round trip", "not measured: it takes both devices"),
            (true, chirped) => round_trip::judge(chirped, &trips.trips),
        });
        Ok(findings)
    }

    /// Counts anew from here: what opening took is no fault.
    fn mark(&self) {
        for pace in self.input.iter().map(|(_, ear)| &ear.pace).chain(self.output.iter().map(|(_, mouth)| &mouth.pace)) {
            pace.anew.store(true, Relaxed);
        }
    }

    /// Waits; a call ends it.
    fn rest(&self, time: Duration) -> Result<(), BrokenOff> {
        let end = Instant::now() + time;
        while Instant::now() < end {
            if (self.patient.in_call)() {
                return Err(BrokenOff);
            }
            std::thread::sleep(LOOK.min(end.saturating_duration_since(Instant::now())));
        }
        Ok(())
    }

    /// Plays the chirps, if there is somebody to hear them; how many.
    fn chirp(&mut self) -> Result<usize, BrokenOff> {
        let Some((_, mouth)) = self.output.as_ref().filter(|_| self.input.is_some()) else { return Ok(0) };
        let asked = Arc::clone(&mouth.asked);
        for _ in 0..CHIRPS {
            asked.fetch_add(1, Relaxed);
            self.rest(SPACING)?;
        }
        if let Some((_, mouth)) = &mut self.output {
            self.given.extend(std::iter::from_fn(|| mouth.given.pop().ok()));
        }
        Ok(self.given.len())
    }

    /// Takes what was heard, at 48 kHz, and finds the chirps in it.
    fn trips(&mut self) -> Heard {
        let Some((_, ear)) = &mut self.input else { return Heard::default() };
        let rate = ear.format.rate;
        let Ok(mut resampler) = Resampler::new(rate, SAMPLE_RATE) else { return Heard::default() };
        let raw: Vec<f32> = std::iter::from_fn(|| ear.samples.pop().ok()).collect();
        let mut heard = Vec::with_capacity(raw.len());
        resampler.process(&raw, &mut |samples| heard.extend_from_slice(samples));
        // The converter's own delay is no delay of the cards.
        let delay = resampler.delay_samples().min(heard.len());
        heard.drain(..delay);
        let at_48 = |index: u64| index * u64::from(SAMPLE_RATE) / u64::from(rate.max(1));
        let blocks: Vec<Passed> =
            std::iter::from_fn(|| ear.blocks.pop().ok()).map(|block| Passed { index: at_48(block.index), ..block }).collect();
        Heard { trips: round_trip::trips(&self.given, &heard, &blocks), heard }
    }
}

#[derive(Default)]
struct Heard {
    trips: Vec<round_trip::Trip>,
    heard: Vec<f32>,
}

fn facts(direction: Direction, stream: &Stream, pace: &Pace, over: Duration) -> StreamFacts {
    let (low, high) = (pace.shortest.load(Relaxed), pace.longest.load(Relaxed));
    let health = &stream.health;
    StreamFacts {
        noun: direction.noun(),
        option: direction.option(),
        name: stream.opened.name.clone(),
        rate: stream.opened.format.rate,
        channels: stream.opened.format.channels,
        granted: stream.opened.block,
        came: (high > 0).then_some((low, high)),
        frames: pace.since.load(Relaxed),
        over,
        gap: Duration::from_micros(u64::from(pace.gap_us.load(Relaxed))),
        xruns: health.xruns(),
        remark: stream.opened.remark.clone(),
        denied: health.is_realtime_denied(),
        failure: health.failure().map(|failure| match failure {
            Failure::Gone => "it went away while it was tried".into(),
            Failure::PermissionDenied => "it was taken from this program while it was tried".into(),
            _ => "it stopped with an error while it was tried".into(),
        }),
    }
}

/// What a callback counts of itself; written by it alone.
#[derive(Default)]
struct Pace {
    blocks: AtomicU32,
    /// Frames since the stream began, and since the last [`Pace::anew`].
    frames: AtomicU64,
    since: AtomicU64,
    shortest: AtomicU32,
    longest: AtomicU32,
    gap_us: AtomicU32,
    /// Asked for by the test: forget all but the frames since the stream began.
    anew: AtomicBool,
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
struct Ear {
    format: StreamFormat,
    pace: Arc<Pace>,
    /// Mono, at the device's rate.
    samples: Consumer<f32>,
    blocks: Consumer<Passed>,
}

fn listening(format: StreamFormat) -> (InputCallback, Ear) {
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
struct Mouth {
    pace: Arc<Pace>,
    /// Chirps asked for so far.
    asked: Arc<AtomicU32>,
    /// The first sample of each that was begun.
    given: Consumer<Passed>,
}

fn chirping(format: StreamFormat) -> (OutputCallback, Mouth) {
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
    use super::*;

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
