//! Both devices, opened as a call opens them: what they grant, how they flow, what the microphone hears, and a chirp's way around.

mod ends;

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use ends::{CHIRPS, Ear, Flow, Mouth, Pace, chirping, listening};

use super::Patient;
use crate::audio::resample::Resampler;
use crate::doctor::level::{self, Levels};
use crate::doctor::round_trip::{self, Passed, SPACING};
use crate::doctor::stream::{self, StreamFacts};
use crate::doctor::{Finding, Section};
use crate::engine::devices::wishes::{is_virtual, order_of};
use crate::os::sound::{Backend, Direction, Failure, OpenError, Sound, Stream};
use crate::units::SAMPLE_RATE;

/// The microphone is listened to for this long, and the flow of both is watched.
const LISTENED: Duration = Duration::from_secs(2);
/// Until both flow: an input of PulseAudio can take its time, and a server that idled may sleep out its two seconds of buffer first.
const FIRST: Duration = Duration::from_secs(3);
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

/// The test of both devices together.
pub(super) fn streams(patient: &Patient) -> Vec<Finding> {
    let skipped = |why: &str| ["microphone", "loudspeaker", "round trip"].map(|what| Finding::skipped(Section::Sound, what, why)).to_vec();
    if (patient.in_call)() {
        return skipped(IN_CALL);
    }
    let Ok(backend) = Sound::new(patient.host.as_deref()) else { return skipped("the audio host cannot be used") };
    let (mut ear, mut mouth, mut findings) = (None, None, Vec::new());
    let (heard_by, input) = first_of(patient, Direction::Input, &mut findings, |spec| {
        backend.open_input(spec, &mut |format| {
            let (callback, made) = listening(format);
            ear = Some(made);
            callback
        })
    });
    let (played_by, output) = first_of(patient, Direction::Output, &mut findings, |spec| {
        backend.open_output(spec, &mut |format| {
            let (callback, made) = chirping(format);
            mouth = Some(made);
            callback
        })
    });
    let is_card = [heard_by, played_by].map(|spec| !is_virtual(&spec));
    let mut test = Test { patient, is_card, input: input.zip(ear), output: output.zip(mouth), given: Vec::new() };
    match test.run() {
        Ok(found) => findings.extend(found),
        Err(BrokenOff) => findings.extend(skipped(BROKEN_OFF)),
    }
    findings
}

/// Opens the first device of the user's order that can be had, as a call does; what is wrong with those before it is told. The last
/// that was tried, and what came of it.
fn first_of(
    patient: &Patient,
    direction: Direction,
    findings: &mut Vec<Finding>,
    mut open: impl FnMut(&str) -> Result<Stream, OpenError>,
) -> (String, Option<Stream>) {
    let listed = if direction == Direction::Input { &patient.input } else { &patient.output };
    let (section, noun, order) = (Section::Sound, direction.noun(), order_of(listed));
    for (at, spec) in order.iter().enumerate() {
        if direction == Direction::Output && spec.starts_with("wav:") {
            // To try it would write over the file.
            findings.push(Finding::skipped(section, noun, "a file: nothing is tried on it"));
            return (spec.clone(), None);
        }
        let error = match open(spec) {
            Ok(stream) => return (spec.clone(), Some(stream)),
            Err(error) => error,
        };
        if patient.runs && matches!(error, OpenError::Busy { .. }) {
            // An idle voicetui may hold a card that lets one program in.
            findings.push(Finding::skipped(section, noun, "in use, by this program or another one"));
            return (spec.clone(), None);
        }
        findings.push(match (&error, order.get(at + 1)) {
            (OpenError::Busy { .. }, _) => Finding::warn(section, noun, format!("{spec} is in use by another program"), error.to_string()),
            (OpenError::NotFound { .. }, Some(next)) => {
                Finding::warn(section, noun, format!("{spec} is not there; a call takes {next} until it is"), error.to_string())
            }
            _ => Finding::bad(section, noun, format!("{spec} cannot be opened"), error.to_string()),
        });
    }
    (order.last().cloned().unwrap_or_default(), None)
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
        while begun.elapsed() < FIRST && !self.paces().all(Pace::flows) {
            self.rest(LOOK)?;
        }
        // What opening took is no fault.
        self.paces().for_each(Pace::mark);
        let marked = Instant::now();
        self.rest(LISTENED)?;
        // What is judged of the flow and the level is over; the chirps come after it.
        let now = Instant::now();
        let facts = [
            self.input.as_ref().map(|(stream, ear)| facts(Direction::Input, stream, ear.pace.flow(marked, now))),
            self.output.as_ref().map(|(stream, mouth)| facts(Direction::Output, stream, mouth.pace.flow(marked, now))),
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

    fn paces(&self) -> impl Iterator<Item = &Pace> {
        self.input.iter().map(|(_, ear)| &*ear.pace).chain(self.output.iter().map(|(_, mouth)| &*mouth.pace))
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

fn facts(direction: Direction, stream: &Stream, flow: Flow) -> StreamFacts {
    let health = &stream.health;
    StreamFacts {
        noun: direction.noun(),
        option: direction.option(),
        name: stream.opened.name.clone(),
        rate: stream.opened.format.rate,
        channels: stream.opened.format.channels,
        granted: stream.opened.block,
        came: flow.came,
        frames: flow.frames,
        over: flow.over,
        gap: flow.gap,
        xruns: health.xruns(),
        remark: stream.opened.remark.clone(),
        denied: health.is_realtime_denied(),
        failure: health.failure().map(|failure| broke(failure, health.error())),
    }
}

/// How it broke; `error`: the system's own words.
fn broke(failure: Failure, error: Option<&str>) -> String {
    let says = match failure {
        Failure::Gone => "it went away while it was tried",
        Failure::PermissionDenied => "it was taken from this program while it was tried",
        _ => "it stopped with an error while it was tried",
    };
    error.map_or_else(|| says.to_owned(), |error| format!("{says}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Verdict;
    use crate::os::sound::{Health, Opened, StreamFormat};

    fn stream() -> Stream {
        let format = StreamFormat { rate: 48_000, channels: 1 };
        let opened = Opened { name: "Webcam".into(), id: "webcam".into(), format, block: None, remark: None };
        Stream::new(opened, Arc::new(Health::default()), Box::new(()))
    }

    /// What is opened of these, and what is told of the others.
    fn opened(input: &[&str], runs: bool, error: impl Fn(&str) -> Option<OpenError>) -> (Option<String>, Vec<(Verdict, String)>) {
        let patient = Patient { input: input.iter().map(ToString::to_string).collect(), runs, ..Patient::default() };
        let mut findings = Vec::new();
        let (spec, stream) = first_of(&patient, Direction::Input, &mut findings, |spec| error(spec).map_or_else(|| Ok(stream()), Err));
        (stream.map(|_| spec), findings.into_iter().map(|finding| (finding.verdict, finding.says)).collect())
    }

    #[test]
    fn what_a_call_would_open_is_opened_and_what_is_not_there_is_told() {
        let direction = Direction::Input;
        let missing = |spec: &str| spec.starts_with("no").then(|| OpenError::NotFound { direction, name: spec.into() });
        let told = |says: &str| (Verdict::Warn, says.to_owned());
        assert_eq!(opened(&["usb"], false, missing), (Some("usb".into()), vec![]));
        let first = told("nosuch is not there; a call takes default until it is");
        assert_eq!(opened(&["nosuch"], false, missing), (Some("default".into()), vec![first]));
        let found = opened(&["none", "nosuch", "usb"], false, missing);
        assert_eq!((found.0.as_deref(), found.1.len()), (Some("usb"), 2));
        let nothing = |_: &str| Some(OpenError::NoDevice(direction));
        assert_eq!(opened(&[], false, nothing), (None, vec![(Verdict::Bad, "default cannot be opened".into())]));
        let busy = |spec: &str| (spec == "usb").then(|| OpenError::Busy { direction, name: spec.into() });
        assert_eq!(opened(&["usb"], false, busy), (Some("default".into()), vec![told("usb is in use by another program")]));
        assert_eq!(opened(&["usb"], true, busy).0, None, "we have it ourselves");
    }

    #[test]
    fn a_device_that_broke_is_told_with_the_systems_own_words() {
        let health = Health::default();
        health.fail_with(Failure::Broken, || "ENODEV (19)".into());
        health.fail_with(Failure::Gone, || "its echo".into());
        let says = health.failure().map(|failure| broke(failure, health.error()));
        assert_eq!(says.as_deref(), Some("it stopped with an error while it was tried: ENODEV (19)"));
        assert_eq!(broke(Failure::Gone, None), "it went away while it was tried");
    }
}
