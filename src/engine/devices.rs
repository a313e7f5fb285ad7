//! The devices thread: opens, closes and watches the streams of microphone and loudspeaker, and replaces what is lost.
//!
//! ```text
//! DeviceCommand --> devices --opens--> capture callback: MicWriter --ring--> MicReader: sender
//!                      |    --opens--> playback callback: Playback
//!                      '--> Notice::{Device, Microphone, Devices, Info, Problem}
//! ```
//!
//! What a callback works with survives its stream: it sits in that stream's seat, and moves to the next one's. Between two
//! streams a virtual device goes on. All that may block (opening, listing) runs on a thread of its own.

mod ear;
mod mic;
mod outputs;
mod seat;
mod slot;
mod watch;
pub(super) mod wishes;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded, select};

use super::{CallState, Controls, DeviceStatus, Holder, Meters, Notice, Notices};
use crate::audio::resample::RateError;
use crate::os::sound::{Backend, DeviceEntry, Direction, InputCallback, OpenError, OutputCallback, Stream, StreamFormat};
use crate::units::PeerId;
pub use ear::Ear;
pub use mic::{MicReader, MicWriter, mic_ring};
pub use outputs::OutputKind;
use outputs::Outputs;
use slot::{Event, Parts, Slot};
use wishes::is_virtual;

/// Between two looks at running streams.
const LOOK: Duration = Duration::from_millis(100);
/// The same, with nothing to look at.
const IDLE_LOOK: Duration = Duration::from_millis(250);
/// Between two looks for better devices and the system's default ones.
const DEFAULT_POLL: Duration = if cfg!(test) { Duration::from_millis(200) } else { Duration::from_secs(2) };
/// An answer that does not come in this time is given up.
const ANSWER_MAX: Duration = Duration::from_secs(10);
/// How long the loudspeaker runs on after the last call, and at the start, so that a missing one is told at once.
const LINGER: Duration = Duration::from_secs(5);

/// What the devices thread can be asked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum DeviceCommand {
    /// What `--input`, `--output` and `--host` take; a device goes before all that were named at the start.
    SetInput(String),
    SetOutput(String),
    SetHost(String),
    /// What the output in use is.
    OutputIs(OutputKind),
    /// From this side's call or answer until hang-up.
    RunMicrophone(bool),
    /// The picker's level test: the microphone runs, without a call.
    LevelTest(bool),
    /// Asks for a [`Notice::Devices`].
    List,
    /// Close everything and end the thread, whoever still holds the other end of the channel.
    End,
}

/// All that the devices thread owns. It ends when `commands` is disconnected.
pub struct DevicesConfig<E> {
    pub backend: Arc<dyn Backend>,
    /// Best first; the default stands at the end by itself.
    pub input: Vec<String>,
    pub output: Vec<String>,
    /// The virtual input that stands in while no card can be had.
    pub input_without_card: String,
    /// Where it is kept which outputs are headsets; `None`: nowhere.
    pub outputs: Option<PathBuf>,
    pub commands: Receiver<DeviceCommand>,
    pub notices: Notices,
    pub meters: Arc<Meters>,
    pub controls: Arc<Controls>,
    pub mic: MicWriter,
    /// [`super::playback::Playback`], or what a test listens with.
    pub playback: Box<E>,
    /// Makes another (with new rings) when a wedged callback keeps the first; `None`: wait for that one.
    pub new_playback: Box<dyn FnMut() -> Option<Box<E>> + Send>,
}

/// What threads that may block tell the devices thread.
enum Report {
    Opened {
        direction: Direction,
        ticket: u64,
        result: Result<Stream, OpenError>,
    },
    Listed(Vec<DeviceEntry>),
    /// What was sought, each with the id of the device that it is now, if it is there.
    Found([Vec<(String, Option<String>)>; 2]),
}

/// The capture callback as a card gets it, with `mic` for good: for whoever drives it without a card.
///
/// # Errors
/// A rate that cannot be converted.
pub fn capture_callback(mic: MicWriter, format: StreamFormat) -> Result<InputCallback, RateError> {
    let seat = Arc::new(seat::Seat::default());
    seat.seat(Box::new(mic));
    mic::callback(seat, format)
}

/// The playback callback as a card gets it, with `ear` for good.
///
/// # Errors
/// A rate that cannot be converted.
pub fn playback_callback<E: Ear>(ear: Box<E>, format: StreamFormat, meters: Arc<Meters>) -> Result<OutputCallback, RateError> {
    let seat = Arc::new(seat::Seat::default());
    seat.seat(ear);
    ear::callback(seat, format, meters)
}

struct Devices<E> {
    backend: Arc<dyn Backend>,
    input: Slot<MicWriter>,
    output: Slot<E>,
    notices: Notices,
    meters: Arc<Meters>,
    controls: Arc<Controls>,
    reports: Sender<Report>,
    in_call: bool,
    level_test: bool,
    output_until: Instant,
    polled: Instant,
    /// Since when the answer to what was sought is awaited.
    asked: Option<Instant>,
    /// The order of the devices and the one used, as they were told.
    told_orders: [(Vec<String>, usize); 2],
    outputs: Outputs,
    /// The output in use, by id and name, if it is a card.
    output_now: Option<(String, String)>,
}

/// Starts the thread.
///
/// # Errors
/// The system has no thread to give.
pub fn spawn<E: Ear>(config: DevicesConfig<E>) -> io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name("devices".into()).spawn(move || {
        let (reports, reported) = bounded(16);
        let commands = config.commands.clone();
        Devices::new(config, reports, Instant::now()).run(&commands, &reported);
    })
}

impl<E: Ear> Devices<E> {
    fn new(config: DevicesConfig<E>, reports: Sender<Report>, now: Instant) -> Self {
        let meters = config.meters.clone();
        let (outputs, warning) = Outputs::load(config.outputs);
        if let Some(sentence) = warning {
            config.notices.problem(sentence);
        }
        let input = Slot::new(Parts {
            direction: Direction::Input,
            wishes: config.input,
            backend: config.backend.clone(),
            open: Arc::new(open_input),
            fallback_spec: config.input_without_card,
            reports: reports.clone(),
            sitter: Box::new(config.mic),
            replace: Box::new(|| None),
            refresh: MicWriter::mark_gap,
        });
        let output = Slot::new(Parts {
            direction: Direction::Output,
            wishes: config.output,
            backend: config.backend.clone(),
            open: Arc::new(move |backend: &dyn Backend, spec: &str, seat| open_output(backend, spec, &seat, &meters)),
            fallback_spec: "null".into(),
            reports: reports.clone(),
            sitter: config.playback,
            replace: config.new_playback,
            refresh: |_| {},
        });
        Self {
            backend: config.backend,
            input,
            output,
            notices: config.notices,
            meters: config.meters,
            controls: config.controls,
            reports,
            in_call: false,
            level_test: false,
            output_until: now + LINGER,
            polled: now,
            asked: None,
            told_orders: Default::default(),
            outputs,
            output_now: None,
        }
    }

    fn run(mut self, commands: &Receiver<DeviceCommand>, reported: &Receiver<Report>) {
        loop {
            let look = if self.input.is_busy() || self.output.is_busy() { LOOK } else { IDLE_LOOK };
            select! {
                recv(commands) -> command => match command {
                    Ok(DeviceCommand::End) | Err(_) => break,
                    Ok(command) => self.handle_command(command, Instant::now()),
                },
                recv(reported) -> report => if let Ok(report) = report {
                    self.handle_report(report, Instant::now());
                },
                default(look) => self.handle_look(Instant::now()),
            }
            self.announce();
        }
        self.input.handle_wanted(false, Instant::now());
        self.output.handle_wanted(false, Instant::now());
        self.announce();
    }

    fn handle_command(&mut self, command: DeviceCommand, now: Instant) {
        match command {
            DeviceCommand::SetInput(spec) => self.input.handle_choice(spec, now),
            DeviceCommand::SetOutput(spec) => {
                self.output_until = now + LINGER;
                self.output.handle_choice(spec, now);
            }
            DeviceCommand::SetHost(host) => self.set_host(&host, now),
            DeviceCommand::OutputIs(kind) => self.handle_kind(kind),
            DeviceCommand::RunMicrophone(run) => self.in_call = run,
            DeviceCommand::LevelTest(run) => self.level_test = run,
            DeviceCommand::List => self.list(),
            DeviceCommand::End => {}
        }
        self.want(now);
    }

    fn want(&mut self, now: Instant) {
        self.input.handle_wanted(self.in_call || self.level_test, now);
        let taken = |id| !matches!(self.meters.state(id), CallState::Idle | CallState::Ended(_));
        if self.in_call || PeerId::all().any(taken) {
            self.output_until = now + LINGER;
        }
        self.output.handle_wanted(now < self.output_until, now);
    }

    fn handle_report(&mut self, report: Report, now: Instant) {
        match report {
            Report::Opened { direction: Direction::Input, ticket, result } => self.input.handle_opened(ticket, result, now),
            Report::Opened { direction: Direction::Output, ticket, result } => self.output.handle_opened(ticket, result, now),
            Report::Listed(entries) => self.notices.announce(Notice::Devices(entries)),
            Report::Found([input, output]) => {
                self.asked = None;
                self.input.handle_found(&input, now);
                self.output.handle_found(&output, now);
            }
        }
    }

    fn handle_look(&mut self, now: Instant) {
        self.want(now);
        self.input.handle_look(now);
        self.output.handle_look(now);
        let unanswered = self.asked.is_some_and(|asked| now.saturating_duration_since(asked) < ANSWER_MAX);
        if unanswered || now.saturating_duration_since(self.polled) < DEFAULT_POLL {
            return;
        }
        let sought = [(Direction::Input, self.input.sought()), (Direction::Output, self.output.sought())];
        if sought.iter().any(|(_, specs)| !specs.is_empty()) {
            (self.polled, self.asked) = (now, Some(now));
            self.ask("find-devices", move |backend| {
                let find = |way, spec: String| (spec.clone(), backend.find(&spec, way));
                Report::Found(sought.map(|(way, specs)| specs.into_iter().map(|spec| find(way, spec)).collect()))
            });
        }
    }

    fn list(&self) {
        self.ask("list-devices", |backend| Report::Listed(backend.list()));
    }

    fn ask(&self, name: &str, question: impl FnOnce(&dyn Backend) -> Report + Send + 'static) {
        let (backend, reports) = (self.backend.clone(), self.reports.clone());
        let asking = std::thread::Builder::new().name(name.into()).spawn(move || {
            let _ = reports.send(question(backend.as_ref()));
        });
        if let Err(error) = asking {
            tracing::warn!("{name}: {error}");
        }
    }

    fn set_host(&mut self, host: &str, now: Instant) {
        match self.backend.with_host(Some(host)) {
            Err(error) => self.notices.problem(error.to_string()),
            Ok(backend) => {
                self.backend = backend.clone();
                self.output_until = now + LINGER;
                self.input.handle_backend(backend.clone(), now);
                self.output.handle_backend(backend, now);
            }
        }
    }

    /// An order of one is none.
    fn announce_orders(&mut self) {
        for (direction, now) in [(Direction::Input, self.input.order()), (Direction::Output, self.output.order())] {
            let told = &mut self.told_orders[direction as usize];
            if *told != now && (now.0.len() > 1 || !told.0.is_empty()) {
                told.clone_from(&now);
                let (order, used) = now;
                self.notices.announce(Notice::DeviceOrder { direction, order, used });
            }
        }
    }

    fn announce(&mut self) {
        for event in self.input.take_events() {
            match &event {
                // Unseen and unheard, nobody stays on air: what is held must be pressed anew. The latch lasts until hang-up.
                Event::Lost { was_running: true, .. } => {
                    self.controls.release_all_but_open();
                }
                Event::Xruns(count) => tracing::debug!(count, "microphone overruns"),
                Event::Unasked => self.close_latch(),
                _ => {}
            }
            self.tell(Direction::Input, event);
        }
        for event in self.output.take_events() {
            if let Event::Xruns(count) = &event {
                self.meters.out.underruns.add(u64::from(*count));
            }
            self.tell(Direction::Output, event);
        }
        self.announce_orders();
        let runs = self.input.running().is_some();
        if self.meters.mic.running.swap(runs, Relaxed) != runs {
            if !runs {
                self.meters.mic.capture_delay_ms.clear();
                self.meters.mic.process.clear();
            }
            self.notices.announce(Notice::Microphone(runs));
        }
        let runs = self.output.running().is_some();
        if self.meters.out.running.swap(runs, Relaxed) != runs && !runs {
            self.meters.out.card_delay_ms.clear();
        }
    }

    /// The microphone was opened for the one that the user named; the system's may stand in another room.
    fn close_latch(&self) {
        let is_open = self.controls.holds(Holder::Open, Instant::now());
        if is_open || self.controls.voice_armed().is_some() {
            self.controls.release(Holder::Open);
            self.controls.disarm_voice();
            self.notices.problem(
                "The microphone that you chose cannot be had, so it was closed; open it again to speak through the system's default.",
            );
        }
    }

    /// The user says what the output is.
    fn handle_kind(&mut self, kind: OutputKind) {
        let Some((id, _)) = self.output_now.clone() else {
            return self.notices.info("No sound card plays now: say what it is once it does.");
        };
        if let Err(sentence) = self.outputs.set(&id, kind) {
            self.notices.problem(sentence);
        }
        self.follow_output();
    }

    /// Echo cancellation must know whether the microphone hears the output.
    fn follow_output(&self) {
        let Some((id, name)) = &self.output_now else { return self.controls.set_loudspeaker(false) };
        let known = self.outputs.known(id);
        let kind = known.unwrap_or_else(|| OutputKind::guess(name));
        self.controls.set_loudspeaker(kind == OutputKind::Loudspeaker);
        self.notices.announce(Notice::OutputIs { name: name.clone(), kind, guessed: known.is_none() });
    }

    fn tell(&mut self, direction: Direction, event: Event) {
        let status = match event {
            Event::Opened(opened) => {
                tracing::info!(?opened, "{} opened", direction.noun());
                if let Some(remark) = opened.remark {
                    self.notices.info(remark);
                }
                let (rate, channels) = (opened.format.rate, opened.format.channels);
                if direction == Direction::Output {
                    let now = Some((opened.id.clone(), opened.name.clone())).filter(|_| !is_virtual(&opened.id));
                    if std::mem::replace(&mut self.output_now, now) != self.output_now {
                        self.follow_output();
                    }
                }
                DeviceStatus::Open { name: opened.name, id: opened.id, rate, channels, block: opened.block }
            }
            Event::Lost { sentence, .. } => {
                tracing::warn!("{sentence}");
                DeviceStatus::Lost { sentence }
            }
            Event::Closed => DeviceStatus::Closed,
            Event::Xruns(_) | Event::Unasked => return,
            Event::Turned(sentence) => {
                tracing::info!("{sentence}");
                return self.notices.info(sentence);
            }
            Event::Odd(sentence) => return self.notices.problem(sentence),
        };
        self.notices.announce(Notice::Device { direction, status });
    }
}

fn open_input(backend: &dyn Backend, spec: &str, seat: Arc<seat::Seat<MicWriter>>) -> Result<Stream, OpenError> {
    open_checked(Direction::Input, spec, |refused| {
        backend.open_input(spec, &mut |format| {
            mic::callback(seat.clone(), format).unwrap_or_else(|error| {
                *refused = Some(error.to_string());
                Box::new(|_, _| {})
            })
        })
    })
}

fn open_output<E: Ear>(backend: &dyn Backend, spec: &str, seat: &Arc<seat::Seat<E>>, meters: &Arc<Meters>) -> Result<Stream, OpenError> {
    open_checked(Direction::Output, spec, |refused| {
        backend.open_output(spec, &mut |format| {
            ear::callback(seat.clone(), format, meters.clone()).unwrap_or_else(|error| {
                *refused = Some(error.to_string());
                Box::new(|out, _| out.fill(0.0))
            })
        })
    })
}

/// A backend that grants a rate which cannot be converted has opened nothing of use.
fn open_checked(
    direction: Direction,
    spec: &str,
    open: impl FnOnce(&mut Option<String>) -> Result<Stream, OpenError>,
) -> Result<Stream, OpenError> {
    let mut refused = None;
    let stream = open(&mut refused)?;
    match refused {
        None => Ok(stream),
        Some(why) => Err(OpenError::Unsupported { direction, name: spec.into(), why }),
    }
}

#[cfg(test)]
mod tests;
