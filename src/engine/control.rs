//! Commands from outside the screen: lines of standard input and the clients of the ctl socket. Thread `control`.
//!
//! Each line is a command of [`Command::parse`]; a client is answered by one line: `ok`, `error: SENTENCE`, JSON for `status` and
//! `stats`, or what `dump` wrote, once it is written. `talk hold` keeps the microphone on air while that client stays connected: a lease renewed five times faster than
//! it ends, so that neither a killed client nor a wedged thread leaves the microphone on.

#[cfg(unix)]
mod client;
mod lines;
#[cfg(unix)]
mod server;

use std::path::PathBuf;
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::Context;
use crossbeam_channel::Receiver;

#[cfg(unix)]
pub use client::{ask, is_in_call, tell_all};

use super::command::WORDS;
use super::{Command, Controls, Meters, Notice, Notices, Roster, Snapshot, Switch, report};

/// What the thread needs of the engine.
pub struct ControlConfig {
    /// Read commands from standard input; its end ends the program.
    pub stdin: bool,
    /// Serve `voicetui ctl`.
    pub ctl: bool,
    /// Nobody holds the microphone for longer.
    pub talk_timeout: Duration,
    /// Carries a command out, or says why not. Must not block.
    pub commands: Box<dyn Fn(Command) -> Result<(), String> + Send>,
    pub controls: Arc<Controls>,
    pub meters: Arc<Meters>,
    /// For the peers' names.
    pub watched: Receiver<Notice>,
    pub notices: Notices,
}

/// The running thread; dropping it ends the thread and closes the socket.
#[derive(Debug)]
pub struct Control {
    #[cfg(unix)]
    bell: Option<std::os::unix::net::UnixStream>,
    thread: Option<JoinHandle<()>>,
}

/// Starts the thread. That no socket can be had is said, and no error: the screen and the keys work without.
///
/// # Errors
/// The system has no thread or file left.
#[cfg(unix)]
pub fn spawn(config: ControlConfig) -> anyhow::Result<Control> {
    let (bell, rung) = crate::os::ready::bell().context("the system has no room for the control thread")?;
    let door = config.ctl.then(crate::os::local_socket::Door::open).transpose().unwrap_or_else(|error| {
        config.notices.info(format!("voicetui ctl cannot be used: {error}"));
        None
    });
    let mut server = server::Server::new(config, door, rung);
    let thread = Builder::new().name("control".into()).spawn(move || server.run()).context("the system has no thread left for control")?;
    Ok(Control { bell: Some(bell), thread: Some(thread) })
}

/// Starts the thread. There is no ctl socket on this platform, and a read of standard input cannot be interrupted: the thread ends
/// with the process.
///
/// # Errors
/// The system has no thread left.
#[cfg(not(unix))]
pub fn spawn(config: ControlConfig) -> anyhow::Result<Control> {
    if config.stdin {
        let mut desk = Desk::new(config);
        let read = move || {
            let mut buffer = [0; 4_096];
            let mut lines = lines::Lines::default();
            while let Ok(count @ 1..) = std::io::Read::read(&mut std::io::stdin(), &mut buffer) {
                lines.push(&buffer[..count]).into_iter().for_each(|line| desk.typed(line));
            }
            desk.input_ended(lines);
        };
        drop(Builder::new().name("control".into()).spawn(read).context("the system has no thread left for control")?);
    }
    Ok(Control { thread: None })
}

/// Tells nobody: there is no ctl socket on this platform.
#[cfg(not(unix))]
pub fn tell_all(_line: &str) {}

/// Nobody can be asked on this platform.
#[cfg(not(unix))]
pub fn is_in_call(_pid: u32) -> bool {
    false
}

/// Asks a running instance.
///
/// # Errors
/// Always: there is no ctl socket on this platform.
#[cfg(not(unix))]
pub fn ask(_instance: Option<u32>, _line: &str, _out: &mut impl std::io::Write) -> anyhow::Result<()> {
    Err(crate::os::local_socket::DoorError::Unsupported.into())
}

impl Drop for Control {
    fn drop(&mut self) {
        #[cfg(unix)]
        drop(self.bell.take());
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("thread control had panicked");
        }
    }
}

/// Where lines are answered, whoever sent them.
struct Desk {
    config: ControlConfig,
    roster: Roster,
    /// What became of files that were asked for, for the clients that wait.
    dumped: Vec<(PathBuf, Result<String, String>)>,
}

impl Desk {
    fn new(config: ControlConfig) -> Self {
        Self { config, roster: Roster::default(), dumped: Vec::new() }
    }

    /// Hears the notices that wait, so that the peers' names are known.
    fn catch_up(&mut self) {
        while let Ok(notice) = self.config.watched.try_recv() {
            self.roster.handle_notice(&notice);
            if let Notice::Dumped { file, result } = notice {
                self.dumped.push((file, result));
            }
        }
    }

    /// A client's line; the answer without its `ok`.
    fn asked(&mut self, line: &str) -> Result<Option<String>, String> {
        match line.trim() {
            "help" => Ok(Some(format!("{WORDS}, talk hold, status"))),
            "status" | "stats" => {
                self.catch_up();
                let snapshot = Snapshot::take(&self.config.meters, &self.config.controls, Instant::now());
                Ok(Some(report::event("stats", &jiff::Zoned::now(), report::stats(&snapshot, &self.roster)).to_string()))
            }
            "peers" => Err("The peers that are known are listed by \"voicetui peers\".".into()),
            "devices" => Err("The list of devices is printed by \"voicetui devices\".".into()),
            line => (self.config.commands)(Command::parse(line)?).map(|()| None),
        }
    }

    /// A line of standard input: what it says is answered by notices.
    fn typed(&mut self, line: lines::Line) {
        let result = match line {
            lines::Line::TooLong => Err(lines::TOO_LONG.to_owned()),
            lines::Line::Text(text) => match text.trim() {
                "" => Ok(()),
                "help" => {
                    self.config.notices.info(format!("Commands: {WORDS}."));
                    Ok(())
                }
                "status" => (self.config.commands)(Command::Stats),
                text => Command::parse(text).and_then(&self.config.commands),
            },
        };
        if let Err(sentence) = result {
            self.config.notices.problem(sentence);
        }
    }

    /// Standard input is at its end: so is the call.
    fn input_ended(&mut self, lines: lines::Lines) {
        if let Some(last) = lines.rest() {
            self.typed(last);
        }
        if let Err(sentence) = (self.config.commands)(Command::Quit) {
            tracing::warn!("the end of standard input did not end the program: {sentence}");
        }
    }
}

/// Whether a line lets go of the microphone for everybody who holds it from outside.
fn lets_go(line: &str) -> bool {
    matches!(Command::parse(line), Ok(Command::Talk(Switch::Off | Switch::Toggle)))
}
