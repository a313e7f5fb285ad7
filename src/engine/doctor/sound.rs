//! Both devices, opened as a call opens them: what they grant, how they flow, what the microphone hears, and a chirp's way around.

mod ends;

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use ends::{CHIRPS, Ear, Mouth, Pace, chirping, listening};

use super::Patient;
use crate::audio::resample::Resampler;
use crate::doctor::level::{self, Levels};
use crate::doctor::round_trip::{self, Passed, SPACING};
use crate::doctor::stream::{self, StreamFacts};
use crate::doctor::{Finding, Section};
use crate::engine::devices::wishes::is_virtual;
use crate::os::sound::{Backend, Direction, Failure, OpenError, Sound, Stream};
use crate::units::SAMPLE_RATE;

/// The microphone is listened to for this long, and the flow of both is watched.
const LISTENED: Duration = Duration::from_secs(2);
/// Until the first sound comes: an input of PulseAudio can take its time.
const FIRST: Duration = Duration::from_millis(1_500);
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

/// The device that a call would use now: the first that is there, else the first that is named.
fn present(backend: &dyn Backend, wishes: &[String], direction: Direction) -> String {
    let is_there = |spec: &&String| is_virtual(spec) || backend.find(spec, direction).is_some();
    wishes.iter().find(is_there).or(wishes.first()).cloned().unwrap_or_else(|| "default".into())
}

/// The test of both devices together.
pub(super) fn streams(patient: &Patient) -> Vec<Finding> {
    let skipped = |why: &str| ["microphone", "loudspeaker", "round trip"].map(|what| Finding::skipped(Section::Sound, what, why)).to_vec();
    if (patient.in_call)() {
        return skipped(IN_CALL);
    }
    let Ok(backend) = Sound::new(patient.host.as_deref()) else { return skipped("the audio host cannot be used") };
    let specs = [(&patient.input, Direction::Input), (&patient.output, Direction::Output)];
    let specs = specs.map(|(wishes, direction)| present(&backend, wishes, direction));
    let (mut ear, mut mouth) = (None, None);
    let input = backend.open_input(&specs[0], &mut |format| {
        let (callback, made) = listening(format);
        ear = Some(made);
        callback
    });
    let output = if specs[1].starts_with("wav:") {
        // To try it would write over the file.
        None
    } else {
        let opened = backend.open_output(&specs[1], &mut |format| {
            let (callback, made) = chirping(format);
            mouth = Some(made);
            callback
        });
        Some(opened)
    };
    let mut findings = Vec::new();
    let input = opened(input, (Direction::Input, &specs[0]), patient, &mut findings);
    let output = match output {
        Some(output) => opened(output, (Direction::Output, &specs[1]), patient, &mut findings),
        None => {
            findings.push(Finding::skipped(Section::Sound, "loudspeaker", "a file: nothing is tried on it"));
            None
        }
    };
    let is_card = specs.each_ref().map(|spec| !is_virtual(spec));
    let mut test = Test { patient, is_card, input: input.zip(ear), output: output.zip(mouth), given: Vec::new() };
    match test.run() {
        Ok(found) => findings.extend(found),
        Err(BrokenOff) => findings.extend(skipped(BROKEN_OFF)),
    }
    findings
}

fn opened(
    result: Result<Stream, OpenError>,
    (direction, spec): (Direction, &str),
    patient: &Patient,
    findings: &mut Vec<Finding>,
) -> Option<Stream> {
    let (section, noun) = (Section::Sound, direction.noun());
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
    /// Whether microphone and loudspeaker are real ones.
    is_card: [bool; 2],
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
        let virtual_input = !self.is_card[0];
        let chirps = self.is_card == [true; 2];
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
