//! What the command line asked for, done: the screen, the plain modes, and the jobs that start no call. Main thread.

use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr};

use anyhow::Context;

use crate::cli::{self, Invocation, Refusal, Start};
use crate::config::Config;
use crate::engine::demo::DemoPeer;
use crate::engine::{Command, Engine, Settings};
use crate::os::signals::Signals;
use crate::os::socket;
use crate::ui::plain::Mode;
use crate::ui::{self, Link, UiOptions};
use crate::wire::sdp;

/// Runs the program as its command line says.
///
/// # Errors
/// One clear sentence for the user, to be printed after the screen is gone.
pub fn run() -> anyhow::Result<()> {
    let invocation = match cli::parse(std::env::args_os(), Config::load) {
        Ok(invocation) => invocation,
        Err(Refusal::Usage(usage)) => usage.exit(),
        Err(Refusal::Config(error)) => return Err(error.into()),
    };
    match invocation {
        Invocation::Screen(start, options) => screen(start, options),
        Invocation::Plain(start) => plain(start, Mode::Plain),
        Invocation::Json(start) => plain(start, Mode::Json),
        Invocation::Devices { host } => todo!("{host:?}"),
        Invocation::Ctl { instance, line } => todo!("{instance:?} {line}"),
        Invocation::Config => print(Config::load()?.print().as_bytes()),
        Invocation::Completions(shell) => print(&cli::completions(shell)),
        Invocation::Man => print(&cli::manual()),
        Invocation::Sdp(settings) => print(sdp::describe(reachable(&settings), settings.port, "voicetui").as_bytes()),
    }
}

/// Prints for a pipe or a person; a reader that has seen enough is no error.
fn print(bytes: &[u8]) -> anyhow::Result<()> {
    match io::stdout().write_all(bytes) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error).context("the output cannot be written"),
        _ => Ok(()),
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

fn start(mut start: Start) -> anyhow::Result<Running> {
    let mut call = start.call.take();
    let demo = if start.demo { Some(DemoPeer::start(start.settings.format)?) } else { None };
    if let Some(peer) = &demo {
        call = Some(peer.address.clone());
        start.settings.input_without_card = "voice".into();
        if socket::bind(start.settings.bind, start.settings.port).is_err() {
            start.settings.port = 0;
        }
    }
    let engine = Engine::start(start.settings)?;
    if let Some(address) = call {
        engine.commander().send(Command::Call { address, format: None }).map_err(anyhow::Error::msg)?;
    }
    Ok(Running { engine, _demo: demo })
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
        state_dir: None,
    }
}

fn screen(start_with: Start, options: UiOptions) -> anyhow::Result<()> {
    let settings = start_with.settings.clone();
    let running = start(start_with)?;
    ui::run(link(&running, &settings), options)
}

fn plain(start_with: Start, mode: Mode) -> anyhow::Result<()> {
    let settings = start_with.settings.clone();
    let running = start(start_with)?;
    let quit = running.engine.commander();
    let _signals = Signals::watch(move || {
        let _ = quit.send(Command::Quit);
    })
    .context("the signals cannot be watched")?;
    ui::plain::run(&link(&running, &settings), mode, &mut io::stdout())
}
