//! What the command line asked for, done: the screen, the plain modes, and the jobs that start no call. Main thread.

mod doctor;
mod trust;

use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr};
use std::process::ExitCode;

use anyhow::Context;
use tracing_appender::non_blocking::WorkerGuard;

use crate::cli::{self, Invocation, Refusal, Start};
use crate::config::Config;
use crate::engine::demo::DemoPeer;
use crate::engine::doctor::Patient;
use crate::engine::{Command, Engine, Settings, Trust, control};
use crate::os::signals::Signals;
use crate::os::sound::{Backend, Sound};
use crate::os::{files, socket, sound, stderr};
use crate::session::KnownPeers;
use crate::ui::plain::{Measurement, Mode, Output};
use crate::ui::{self, Link, UiOptions};
use crate::wire::sdp;

/// Runs the program as its command line says: before any other thread is begun. A failure without an error has said all that there is to say.
///
/// # Errors
/// One clear sentence for the user, to be printed after the screen is gone.
pub fn run() -> anyhow::Result<ExitCode> {
    // SAFETY: nothing ran before this, and nothing has begun a thread.
    unsafe { sound::prepare() };
    let invocation = match cli::parse(std::env::args_os(), Config::load) {
        Ok(invocation) => invocation,
        Err(Refusal::Usage(usage)) => usage.exit(),
        Err(Refusal::Config(error)) => return Err(error.into()),
    };
    match invocation {
        Invocation::Doctor(asked) => return doctor::run(asked),
        Invocation::Screen(start, options) => screen(start, options),
        Invocation::Plain(start) => plain(start, Mode::Plain),
        Invocation::Json(start) => plain(start, Mode::Json),
        Invocation::Measure(start, measurement) => measure(start, &measurement),
        Invocation::Devices { host } => devices(host.as_deref()),
        Invocation::Ctl { instance, line } => control::ask(instance, &line, &mut io::stdout()),
        Invocation::Id => print(trust::id()?.as_bytes()),
        Invocation::Peers(edit) => print(trust::peers(edit.as_ref())?.as_bytes()),
        Invocation::Passphrase => trust::make_passphrase(&mut io::stdout().lock()),
        Invocation::Config => print(Config::load()?.print().as_bytes()),
        Invocation::Completions(shell) => print(&cli::completions(shell)),
        Invocation::Man => print(&cli::manual()),
        Invocation::Sdp(settings) => print(sdp::describe(reachable(&settings), settings.port, "voicetui").as_bytes()),
    }?;
    Ok(ExitCode::SUCCESS)
}

/// Prints for a pipe or a person; a reader that has seen enough is no error.
fn print(bytes: &[u8]) -> anyhow::Result<()> {
    match io::stdout().write_all(bytes) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error).context("the output cannot be written"),
        _ => Ok(()),
    }
}

/// What there is to choose from, host by host.
fn devices(host: Option<&str>) -> anyhow::Result<()> {
    let hush = Hush::begin();
    let listed = Sound::new(host).map(|sound| sound.list());
    drop(hush);
    print(cli::device_table(&listed?).as_bytes())
}

/// The log ends with what this returns. That there is no place for one is no error, unless the user named it.
fn start_log(start: &Start) -> anyhow::Result<Option<WorkerGuard>> {
    match &start.log {
        Some(file) => {
            let log = files::start_log_in(file, start.log_level);
            log.map(Some).with_context(|| format!("the log {} cannot be written", file.display()))
        }
        None => Ok(files::state_dir().and_then(|folder| files::start_log(&folder, start.log_level))),
    }
}

/// While this lives, standard error is a file: alsa-lib writes eight lines there about each device that it cannot open.
struct Hush;

impl Hush {
    fn begin() -> Self {
        let file = files::state_dir().filter(|folder| files::make_private_dir(folder).is_ok()).map(|folder| folder.join("stderr.log"));
        if let Err(error) = stderr::send_to(file.as_deref()) {
            tracing::warn!("standard error stays where it is: {error}");
        }
        let print = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            stderr::give_back();
            print(panic);
        }));
        Self
    }
}

impl Drop for Hush {
    fn drop(&mut self) {
        stderr::give_back();
    }
}

/// Where others reach a program that is bound as the settings say.
fn reachable(settings: &Settings) -> IpAddr {
    if !settings.bind.is_unspecified() {
        return settings.bind;
    }
    let own = socket::own_addresses();
    let outside = own.iter().find(|ip| ip.is_ipv4() && !ip.is_loopback());
    outside.or(own.iter().find(|ip| !ip.is_loopback())).copied().unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST))
}

/// A running engine, and the built-in peer if there is one; they end with this, the engine first.
struct Running {
    engine: Engine,
    _demo: Option<DemoPeer>,
}

fn start(mut start: Start, mut trust: Trust) -> anyhow::Result<Running> {
    let mut call = start.call.take();
    let demo = if start.demo { Some(DemoPeer::start(&start.settings, &trust)?) } else { None };
    if let Some(peer) = &demo {
        call = Some(peer.address.clone());
        // Its key lives as long as this run: nothing to remember.
        (trust.known, trust.keyring) = (KnownPeers::default(), None);
        start.settings.input_without_card = "voice".into();
        leave_taken_port(&mut start.settings);
    }
    let engine = Engine::start_with(start.settings, trust)?;
    if let Some(address) = call {
        engine.commander().send(Command::Call { address, format: None }).map_err(anyhow::Error::msg)?;
    }
    Ok(Running { engine, _demo: demo })
}

/// Beside a voicetui that runs here and has the port, any free one does.
fn leave_taken_port(settings: &mut Settings) {
    if socket::bind(settings.bind, settings.port).is_err() {
        settings.port = 0;
    }
}

fn quit_on_signals(running: &Running) -> anyhow::Result<Signals> {
    let quit = running.engine.commander();
    let watch = Signals::watch(move || {
        let _ = quit.send(Command::Quit);
    });
    watch.context("the signals cannot be watched")
}

fn link(running: &Running, settings: &Settings) -> Link {
    let (commander, problems) = (running.engine.commander(), running.engine.announcer());
    Link {
        controls: running.engine.controls(),
        meters: running.engine.meters(),
        notices: running.engine.notices(),
        commands: Box::new(move |command| {
            if let Err(sentence) = commander.send(command) {
                problems.problem(sentence);
            }
        }),
        talk_timeout: settings.talk_timeout,
        state_dir: files::state_dir(),
        patient: Patient::running(settings, running.engine.address().port(), running.engine.meters()),
    }
}

fn screen(start_with: Start, options: UiOptions) -> anyhow::Result<()> {
    // Before a port is bound and a microphone opened.
    ui::check_terminal()?;
    let trust = trust::gather(&start_with.passphrase)?;
    let _log = start_log(&start_with)?;
    let _hush = Hush::begin();
    let settings = start_with.settings.clone();
    let running = start(start_with, trust)?;
    ui::run(link(&running, &settings), options)
}

fn measure(mut start_with: Start, measurement: &Measurement) -> anyhow::Result<()> {
    let trust = trust::gather(&start_with.passphrase)?;
    let _log = start_log(&start_with)?;
    let _hush = Hush::begin();
    leave_taken_port(&mut start_with.settings);
    let settings = start_with.settings.clone();
    let running = start(start_with, trust)?;
    let _signals = quit_on_signals(&running)?;
    ui::plain::measure(&link(&running, &settings), measurement, &mut io::stdout().lock(), &mut stderr::Before)
}

fn plain(start_with: Start, mode: Mode) -> anyhow::Result<()> {
    let trust = trust::gather(&start_with.passphrase)?;
    let _log = start_log(&start_with)?;
    let _hush = Hush::begin();
    let settings = start_with.settings.clone();
    let running = start(start_with, trust)?;
    let _signals = quit_on_signals(&running)?;
    let mut output = Output::new(io::stdout()).context("the system has no thread left for the output")?;
    ui::plain::run(&link(&running, &settings), mode, &mut output)
}
