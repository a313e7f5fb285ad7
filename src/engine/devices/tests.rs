//! The devices thread as a whole, over virtual devices and over a host that misbehaves on command.

use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Mutex, MutexGuard};

use super::wishes::DEFAULT;
use super::*;
use crate::audio::Frame;
use crate::engine::Holder;
use crate::os::sound::{BlockTime, Failure, Health, MakeInput, MakeOutput, Sound};
use crate::os::virtual_sound;
use crate::os::wav::WavReader;
use crate::units::{FRAME_SAMPLES, SAMPLE_RATE};

/// Far longer than anything here takes on an idle machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// A tone that counts what was pulled.
struct Tone {
    pulled: Arc<AtomicU64>,
}

impl Ear for Tone {
    fn fill(&mut self, out: &mut [f32], _: Instant) {
        let start = self.pulled.fetch_add(out.len() as u64, Relaxed);
        for (n, sample) in out.iter_mut().enumerate() {
            *sample = tone(start + n as u64);
        }
    }
}

fn tone(n: u64) -> f32 {
    ((n % 48_000) as f32 * 1_000.0 * std::f32::consts::TAU / SAMPLE_RATE as f32).sin() * 0.5
}

struct Bench {
    commands: Option<Sender<DeviceCommand>>,
    notices: Receiver<Notice>,
    meters: Arc<Meters>,
    controls: Arc<Controls>,
    reader: MicReader,
    pulled: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl Bench {
    fn start(backend: Arc<dyn Backend>, input: &str, output: &str) -> Self {
        let (commands, commanded) = bounded(16);
        let (announcer, [notices]) = Notices::new::<1>();
        let meters = Arc::new(Meters::default());
        let controls = Arc::new(Controls::default());
        let (mic, reader) = mic_ring(meters.clone());
        let pulled = Arc::new(AtomicU64::new(0));
        let config = DevicesConfig {
            backend,
            input: input.split('+').map(str::to_owned).collect(),
            output: output.split('+').map(str::to_owned).collect(),
            input_without_card: "silence".into(),
            outputs: None,
            commands: commanded,
            notices: announcer,
            meters: meters.clone(),
            controls: controls.clone(),
            mic,
            playback: Box::new(Tone { pulled: pulled.clone() }),
            new_playback: Box::new(|| None),
        };
        let thread = Some(spawn(config).expect("a thread"));
        Self { commands: Some(commands), notices, meters, controls, reader, pulled, thread }
    }

    fn send(&self, command: DeviceCommand) {
        self.commands.as_ref().expect("running").send(command).expect("taken");
    }

    /// The first notice that `pick` likes, skipping others.
    fn wait_for<T>(&self, what: &str, pick: impl Fn(Notice) -> Option<T>) -> T {
        let end = Instant::now() + PATIENCE;
        while let Ok(notice) = self.notices.recv_deadline(end) {
            if let Some(found) = pick(notice) {
                return found;
            }
        }
        panic!("no notice: {what}");
    }

    fn wait_open(&self, way: Direction) -> String {
        self.wait_for("open", |notice| match notice {
            Notice::Device { direction, status: DeviceStatus::Open { name, .. } } if direction == way => Some(name),
            _ => None,
        })
    }

    fn wait_lost(&self, way: Direction) -> String {
        self.wait_for("lost", |notice| match notice {
            Notice::Device { direction, status: DeviceStatus::Lost { sentence } } if direction == way => Some(sentence),
            _ => None,
        })
    }

    fn wait_microphone(&self, on: bool) {
        self.wait_for("microphone", |notice| (notice == Notice::Microphone(on)).then_some(()));
    }

    fn wait_until(&self, what: &str, mut holds: impl FnMut(&Self) -> bool) {
        let end = Instant::now() + PATIENCE;
        while !holds(self) {
            assert!(Instant::now() < end, "never: {what}");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    fn next_frame(&mut self) -> Frame {
        let mut frame = [0.0; FRAME_SAMPLES];
        let end = Instant::now() + PATIENCE;
        while self.reader.poll_frame(&mut frame).is_none() {
            assert!(Instant::now() < end, "no frame");
            std::thread::park_timeout(Duration::from_millis(50));
        }
        frame
    }

    fn stop(&mut self) {
        self.commands = None;
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the devices thread ends well");
        }
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.commands = None;
        if let Some(thread) = self.thread.take()
            && !std::thread::panicking()
        {
            let _ = thread.join();
        }
    }
}

fn sound() -> Arc<dyn Backend> {
    Arc::new(Sound::default())
}

/// Opens virtual devices, but only when told that it may.
#[derive(Default)]
struct Moody {
    state: Mutex<Mood>,
    /// The gate of attempts that shall hang.
    shut: Arc<AtomicBool>,
}

#[derive(Default)]
struct Mood {
    refusal: Option<OpenError>,
    health: Vec<Arc<Health>>,
    default_id: Option<String>,
    /// Cards with a name: there, and there but not to be opened.
    plugged: Vec<&'static str>,
    broken: Vec<&'static str>,
    opened: usize,
}

impl Moody {
    fn state(&self) -> MutexGuard<'_, Mood> {
        self.state.lock().expect("no panic under the lock")
    }

    fn fail_last(&self, failure: Failure) {
        self.state().health.last().expect("a stream").fail(failure);
    }

    fn open(&self, spec: &str, open: impl FnOnce() -> Result<Stream, OpenError>) -> Result<Stream, OpenError> {
        if matches!(spec, "null" | "silence") {
            return open();
        }
        while self.shut.load(Relaxed) {
            std::thread::sleep(Duration::from_millis(1));
        }
        if let Some(error) = self.state().refusal.clone() {
            return Err(error);
        }
        let (direction, name) = (Direction::Output, spec.to_owned());
        if is_card(spec) && !self.state().plugged.contains(&spec) {
            return Err(OpenError::NotFound { direction, name });
        }
        if self.state().broken.contains(&spec) {
            return Err(OpenError::Busy { direction, name });
        }
        let mut stream = open()?;
        let mut state = self.state();
        state.opened += 1;
        state.health.push(stream.health.clone());
        stream.opened.id = if is_card(spec) { spec.to_owned() } else { state.default_id.clone().unwrap_or_default() };
        Ok(stream)
    }
}

fn is_card(spec: &str) -> bool {
    spec.starts_with("card:")
}

impl Backend for Moody {
    fn list(&self) -> Vec<DeviceEntry> {
        Vec::new()
    }

    fn find(&self, spec: &str, _: Direction) -> Option<String> {
        let state = self.state();
        if spec == DEFAULT { state.default_id.clone() } else { state.plugged.contains(&spec).then(|| spec.to_owned()) }
    }

    fn open_input(&self, spec: &str, make: MakeInput<'_>) -> Result<Stream, OpenError> {
        let real = if spec == DEFAULT || is_card(spec) { "tone" } else { spec };
        self.open(spec, || virtual_sound::open_input(real, make).expect("virtual"))
    }

    fn open_output(&self, spec: &str, make: MakeOutput<'_>) -> Result<Stream, OpenError> {
        let real = if spec == DEFAULT || is_card(spec) { "null" } else { spec };
        self.open(spec, || virtual_sound::open_output(real, make).expect("virtual"))
    }

    fn with_host(&self, host: Option<&str>) -> Result<Arc<dyn Backend>, OpenError> {
        Err(OpenError::UnknownHost { name: host.unwrap_or_default().into(), known: "moody".into() })
    }
}

#[test]
fn every_rate_and_every_count_of_channels_is_heard_and_fed() {
    for rate in [8_000, 11_025, 16_000, 22_050, 32_000, 44_100, 48_000, 88_200, 96_000, 176_400, 192_000] {
        for channels in 1..=8u16 {
            let (meters, format) = (Arc::new(Meters::default()), StreamFormat { rate, channels });
            let pulled = Arc::new(AtomicU64::new(0));
            let mut play = playback_callback(Box::new(Tone { pulled: pulled.clone() }), format, meters.clone()).expect("a rate");
            let (writer, mut reader) = mic_ring(meters);
            let mut capture = capture_callback(writer, format).expect("a rate");
            let (now, width) = (Instant::now(), usize::from(channels));
            // What is played into all channels is what the microphone hears of all: a tone, after both conversions.
            let (mut frame, mut heard) = ([0.0; FRAME_SAMPLES], Vec::new());
            for _ in 0..20 {
                let mut block = vec![9.0; rate as usize / 100 * width];
                play(&mut block, BlockTime { now, at: now });
                assert!(block.chunks(width).all(|frame| frame.iter().all(|sample| *sample == frame[0])), "{rate} Hz, {channels}");
                capture(&block, BlockTime { now, at: now });
                while reader.poll_frame(&mut frame).is_some() {
                    heard.extend_from_slice(&frame);
                }
            }
            assert!(pulled.load(Relaxed).abs_diff(9_600) < 1_000, "{rate} Hz, {channels}: {pulled:?} of 9600");
            let late = &heard[heard.len().saturating_sub(4_800)..];
            let power: f32 = late.iter().map(|sample| sample * sample).sum::<f32>() / late.len() as f32;
            assert!((power.sqrt() - 0.5 / 2f32.sqrt()).abs() < 0.02, "{rate} Hz, {channels} channels: {power}");
        }
    }
}

#[test]
fn a_tone_goes_in_and_a_tone_goes_out() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("out.wav");
    let mut bench = Bench::start(sound(), "tone:1000", &format!("wav:{}", path.display()));
    bench.send(DeviceCommand::RunMicrophone(true));
    bench.wait_microphone(true);
    for _ in 0..5 {
        let frame = bench.next_frame();
        if frame.iter().any(|sample| *sample != 0.0) {
            let power: f32 = frame.iter().map(|sample| sample * sample).sum::<f32>() / FRAME_SAMPLES as f32;
            assert!((power.sqrt() - 0.25 / 2f32.sqrt()).abs() < 0.01, "{power}");
        }
    }
    bench.wait_until("a quarter second was pulled", |bench| bench.pulled.load(Relaxed) > 24_000);
    bench.stop();
    let mut samples = vec![0.0; 480_000];
    let count = WavReader::open(&path).expect("a WAV").read(&mut samples).expect("readable");
    // Silent until the loudspeaker is handed over, and after it was taken away.
    let first = samples.iter().position(|sample| *sample != 0.0).expect("sound");
    let last = samples[..count].iter().rposition(|sample| *sample != 0.0).expect("sound");
    let samples = &samples[first..last];
    assert!(count >= 12_000, "{count} samples");
    // One tone without a break: each sample follows from the two before.
    let turn = 2.0 * (1_000.0 * std::f32::consts::TAU / SAMPLE_RATE as f32).cos();
    let worst = samples.windows(3).fold(0f32, |worst, s| worst.max((s[2] - turn * s[1] + s[0]).abs()));
    assert!(worst < 1e-3, "{worst}");
}

#[test]
fn a_microphone_told_to_stop_while_it_opens_never_runs() {
    let host = Arc::new(Moody::default());
    host.shut.store(true, Relaxed);
    let mut bench = Bench::start(host.clone(), "tone", "null");
    bench.send(DeviceCommand::RunMicrophone(true));
    bench.send(DeviceCommand::RunMicrophone(false));
    bench.wait_for("closed", |notice| {
        (notice == Notice::Device { direction: Direction::Input, status: DeviceStatus::Closed }).then_some(())
    });
    host.shut.store(false, Relaxed);
    bench.wait_until("the attempt ended", |_| host.state().opened == 1);
    bench.wait_until("its stream is closed again", |_| Arc::strong_count(&host.state().health[0]) == 1);
    assert!(!bench.meters.mic.running.load(Relaxed));
    let mut frame = [0.0; FRAME_SAMPLES];
    while bench.reader.poll_frame(&mut frame).is_some() {
        assert!(frame.iter().all(|sample| *sample == 0.0), "nothing but the silence of the stand-in");
    }
    assert!(!bench.notices.try_iter().any(|notice| notice == Notice::Microphone(true)));
}

#[test]
fn after_hang_up_no_sample_arrives_however_often_it_was_switched() {
    let mut bench = Bench::start(sound(), "tone", "null");
    for _ in 0..10 {
        bench.send(DeviceCommand::RunMicrophone(true));
        bench.send(DeviceCommand::SetInput("tone:500".into()));
        bench.send(DeviceCommand::RunMicrophone(false));
    }
    bench.send(DeviceCommand::List);
    bench.wait_for("all is carried out", |notice| matches!(notice, Notice::Devices(_)).then_some(()));
    let mut frame = [0.0; FRAME_SAMPLES];
    while bench.reader.poll_frame(&mut frame).is_some() {}
    let columns = bench.meters.mic.wave.written();
    bench.wait_until("time passes", |bench| bench.pulled.load(Relaxed) > 9_600);
    assert_eq!(bench.meters.mic.wave.written(), columns);
    assert!(bench.reader.poll_frame(&mut frame).is_none());
}

#[test]
fn without_any_device_it_says_so_once_and_time_goes_on() {
    let host = Arc::new(Moody::default());
    host.state().refusal = Some(OpenError::NoDevice(Direction::Output));
    let bench = Bench::start(host.clone(), DEFAULT, DEFAULT);
    assert!(bench.wait_lost(Direction::Output).starts_with("There is no loudspeaker: plug one in"));
    bench.wait_until("the stand-in pulls", |bench| bench.pulled.load(Relaxed) > 4_800);
    assert!(!bench.meters.out.running.load(Relaxed));
    assert!(!bench.notices.try_iter().any(|notice| matches!(notice, Notice::Device { .. })), "told once");
    host.state().refusal = None;
    bench.wait_open(Direction::Output);
    let pulled = bench.pulled.load(Relaxed);
    bench.wait_until("the device pulls", |bench| bench.pulled.load(Relaxed) > pulled + 4_800);
}

#[test]
fn a_lost_microphone_un_keys_and_comes_back_by_itself() {
    let host = Arc::new(Moody::default());
    let mut bench = Bench::start(host.clone(), DEFAULT, "null");
    bench.send(DeviceCommand::RunMicrophone(true));
    bench.wait_open(Direction::Input);
    bench.controls.hold(Holder::Open);
    bench.controls.hold(Holder::Key);
    host.fail_last(Failure::Gone);
    assert!(bench.wait_lost(Direction::Input).contains("is gone"));
    assert!(!bench.controls.holds(Holder::Key, Instant::now()));
    assert!(bench.controls.holds(Holder::Open, Instant::now()));
    bench.next_frame();
    bench.wait_open(Direction::Input);
    bench.wait_microphone(true);
    bench.next_frame();
}

#[test]
fn a_latch_does_not_go_over_to_a_microphone_that_nobody_named() {
    for (order, stays) in [("card:a", false), ("card:a+card:b", true)] {
        let host = Arc::new(Moody::default());
        host.state().plugged = vec!["card:a", "card:b"];
        let mut bench = Bench::start(host.clone(), order, "null");
        bench.send(DeviceCommand::RunMicrophone(true));
        bench.wait_open(Direction::Input);
        bench.controls.hold(Holder::Open);
        host.state().plugged = vec!["card:b"];
        host.fail_last(Failure::Gone);
        bench.wait_lost(Direction::Input);
        bench.wait_open(Direction::Input);
        bench.next_frame();
        assert_eq!(bench.controls.holds(Holder::Open, Instant::now()), stays, "{order}");
    }
}

#[test]
fn the_default_is_followed_and_a_bad_host_changes_nothing() {
    let host = Arc::new(Moody::default());
    host.state().default_id = Some("first".into());
    let bench = Bench::start(host.clone(), "silence", DEFAULT);
    // A call keeps the loudspeaker open.
    bench.meters.set_state(PeerId::new(0).expect("slot"), CallState::Live, Instant::now());
    bench.wait_open(Direction::Output);
    host.state().default_id = Some("second".into());
    bench.wait_for("news", |notice| matches!(notice, Notice::Info(text) if text.contains("default loudspeaker has changed")).then_some(()));
    bench.wait_open(Direction::Output);
    bench.send(DeviceCommand::SetHost("oss".into()));
    bench.wait_for("refusal", |notice| matches!(notice, Notice::Problem(text) if text.contains("no sound system \"oss\"")).then_some(()));
    assert!(bench.meters.out.running.load(Relaxed));
}

/// The order of the loudspeakers as it is told, until `used` is the one.
fn wait_used(bench: &Bench, used: &str) {
    bench.wait_for("the order", |notice| match notice {
        Notice::DeviceOrder { direction: Direction::Output, order, used: at } if order[at] == used => Some(()),
        _ => None,
    });
}

#[test]
fn the_best_that_is_there_is_used_and_what_is_pulled_out_is_replaced() {
    let host = Arc::new(Moody::default());
    host.state().default_id = Some("built-in".into());
    host.state().plugged = vec!["card:b"];
    let bench = Bench::start(host.clone(), "silence", "card:a+card:b");
    bench.meters.set_state(PeerId::new(0).expect("slot"), CallState::Live, Instant::now());
    bench.wait_for("word of it", |notice| {
        matches!(&notice, Notice::Info(text) if text.contains("called \"card:a\"") && text.ends_with("Until then the loudspeaker is card:b.")).then_some(())
    });
    wait_used(&bench, "card:b");
    bench.wait_until("card b runs", |bench| bench.meters.out.running.load(Relaxed));
    // A better one is plugged in.
    host.state().plugged = vec!["card:a", "card:b"];
    bench.wait_for("the better one", |notice| matches!(&notice, Notice::Info(text) if text.contains("card:a is there")).then_some(()));
    wait_used(&bench, "card:a");
    bench.wait_open(Direction::Output);
    let (opened, pulled) = (host.state().opened, bench.pulled.load(Relaxed));
    bench.wait_until("two looks and more", |bench| bench.pulled.load(Relaxed) > pulled + 48_000);
    assert_eq!(host.state().opened, opened, "nothing changed: nothing is switched");
    // Both are pulled out: the default.
    host.state().plugged.clear();
    host.fail_last(Failure::Gone);
    assert!(bench.wait_lost(Direction::Output).contains("is gone"));
    wait_used(&bench, DEFAULT);
    bench.wait_open(Direction::Output);
    // One is back, and cannot be opened: the default goes on, and it is not tried again and again.
    host.state().broken = vec!["card:b"];
    host.state().plugged = vec!["card:b"];
    bench.wait_for("a try", |notice| matches!(&notice, Notice::Info(text) if text.contains("card:b is there")).then_some(()));
    wait_used(&bench, DEFAULT);
    bench.wait_open(Direction::Output);
    let (opened, pulled) = (host.state().opened, bench.pulled.load(Relaxed));
    bench.wait_until("two looks and more", |bench| bench.pulled.load(Relaxed) > pulled + 48_000);
    assert_eq!(host.state().opened, opened, "left alone");
    // What the user chooses goes first.
    host.state().plugged = vec!["card:b", "card:c"];
    bench.send(DeviceCommand::SetOutput("card:c".into()));
    bench.wait_for("the choice", |notice| match notice {
        Notice::DeviceOrder { direction: Direction::Output, order, used: 0 } => {
            assert_eq!(order, ["card:c", "card:a", "card:b", DEFAULT]);
            Some(())
        }
        _ => None,
    });
    bench.wait_open(Direction::Output);
}

#[test]
fn a_file_that_is_no_wav_is_refused_in_one_sentence() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("a.wav");
    std::fs::write(&path, "not a sound").expect("written");
    let bench = Bench::start(sound(), &format!("wav:{}", path.display()), "null");
    bench.send(DeviceCommand::LevelTest(true));
    let sentence = bench.wait_lost(Direction::Input);
    assert!(sentence.contains("is not a WAV file that can be played"), "{sentence}");
    bench.send(DeviceCommand::SetInput("tone".into()));
    assert_eq!(bench.wait_open(Direction::Input), "tone");
}

#[test]
fn what_an_output_is_is_guessed_told_and_asked_again_for_another_one() {
    let host = Arc::new(Moody::default());
    host.state().plugged = vec!["card:a", "card:b"];
    let bench = Bench::start(host, "silence", "card:a");
    bench.meters.set_state(PeerId::new(0).expect("slot"), CallState::Live, Instant::now());
    let next = |bench: &Bench| {
        bench.wait_for("what it is", |notice| match notice {
            Notice::OutputIs { kind, guessed, .. } => Some((kind, guessed)),
            _ => None,
        })
    };
    assert_eq!(next(&bench), (OutputKind::Loudspeaker, true));
    assert!(bench.controls.is_loudspeaker());
    bench.send(DeviceCommand::OutputIs(OutputKind::Headset));
    assert_eq!(next(&bench), (OutputKind::Headset, false));
    assert!(!bench.controls.is_loudspeaker());
    bench.send(DeviceCommand::SetOutput("card:b".into()));
    assert_eq!(next(&bench), (OutputKind::Loudspeaker, true), "another one");
    bench.send(DeviceCommand::SetOutput("card:a".into()));
    assert_eq!(next(&bench), (OutputKind::Headset, false), "it is known");
    bench.send(DeviceCommand::SetOutput("null".into()));
    bench.wait_until("a virtual one has no echo", |bench| !bench.controls.is_loudspeaker());
}
