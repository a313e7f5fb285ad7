//! What reaches the disk, thread `disk`: the peers that are known ([`Ledger`]), and the recorder: a WAV file of what was sent and one for each peer heard, fed by taps.
//!
//! ```text
//! sent tap  --samples, silences--> 2026-11-23_06-54-44_sent.wav            |<- first sound of the recording: all files
//! peer taps --samples, silences--> 2026-11-23_06-54-44_heard_workshop.wav  |   start here, and stay aligned in time
//! ```
//!
//! Files begin with the first sound, so a recorder that waits for days writes nothing. When the last peer has left and nothing
//! is sent any more the files are finished, and the next call gets its own.

mod dump;
mod ledger;
mod track;

use std::fs;
use std::path::{Path, PathBuf};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::Context;
use crossbeam_channel::{Receiver, RecvTimeoutError};

use super::{Notice, Notices, Settings, Switch, TapReader};
use crate::call::Dump;
use crate::units::PeerId;
pub use ledger::{Ledger, LedgerJob};
use track::{Session, Track};

/// How often the taps are emptied while a recording runs. They hold 2 s.
const EMPTY_EVERY: Duration = Duration::from_millis(100);
/// Without a peer, nothing sent for so long ends a recording's files.
const QUIET_END: Duration = Duration::from_secs(5);

/// What the disk thread is told.
#[derive(Debug)]
pub enum DiskCommand {
    Record(Switch),
    /// A peer's playout began; the tap ends with it.
    Peer {
        id: PeerId,
        /// For the file's name.
        label: String,
        tap: TapReader,
    },
    /// Write the packet timings to a file.
    Dump {
        file: PathBuf,
        dump: Dump,
    },
    /// About the peers that are known.
    Ledger(LedgerJob),
    /// Finish the files and end the thread, whoever still holds the other end of the channel.
    End,
}

/// Starts the thread. It ends, with its files finished, when every sender of `commands` is gone.
///
/// # Errors
/// The system has no thread left.
pub fn spawn(settings: &Settings, commands: Receiver<DiskCommand>, sent: TapReader, mut ledger: Ledger) -> anyhow::Result<JoinHandle<()>> {
    let notices = ledger.notices.clone();
    let mut recorder = Recorder::new(settings.record_dir.clone(), sent, notices);
    let at_once = settings.record.is_some();
    let run = move || {
        if at_once {
            recorder.start();
        }
        recorder.run(&commands, &mut ledger);
    };
    Builder::new().name("disk".into()).spawn(run).context("the system has no thread left for the recorder")
}

struct Recorder {
    dir: PathBuf,
    notices: Notices,
    sent: Track,
    heard: Vec<Track>,
    /// `None`: not recording.
    session: Option<Session>,
}

impl Recorder {
    fn new(dir: PathBuf, sent: TapReader, notices: Notices) -> Self {
        // Whole paths in what is said: "." tells nobody where to look.
        let dir = std::path::absolute(&dir).unwrap_or(dir);
        Self { dir, notices, sent: Track::new("sent".into(), sent), heard: Vec::new(), session: None }
    }

    fn run(&mut self, commands: &Receiver<DiskCommand>, ledger: &mut Ledger) {
        loop {
            // Idle, it waits without an end: no wake-ups.
            let received = match self.session {
                None => commands.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(_) => commands.recv_timeout(EMPTY_EVERY),
            };
            match received {
                Ok(DiskCommand::End) | Err(RecvTimeoutError::Disconnected) => break,
                Ok(DiskCommand::Ledger(job)) => ledger.handle(&job),
                Ok(command) => self.handle_command(command),
                Err(RecvTimeoutError::Timeout) => {}
            }
            self.empty_taps(Instant::now());
        }
        self.empty_taps(Instant::now());
        self.stop();
    }

    fn handle_command(&mut self, command: DiskCommand) {
        match command {
            DiskCommand::Record(switch) => match (self.session.is_some(), switch.apply(self.session.is_some())) {
                (false, true) => self.start(),
                (true, false) => self.stop(),
                (true, true) => self.notices.info("A recording runs already."),
                (false, false) => self.notices.info("No recording runs."),
            },
            DiskCommand::Peer { id, label, tap } => {
                tracing::debug!(slot = id.slot(), label, "a peer can be recorded");
                let mut track = Track::new(format!("heard_{}", file_name(&label)), tap);
                match self.session {
                    Some(_) => track.start(),
                    None => self.heard.retain(|track| !track.is_abandoned()),
                }
                self.heard.push(track);
            }
            DiskCommand::Dump { file, dump } => {
                let result = dump::write(&file, &dump.trace());
                self.notices.announce(Notice::Dumped { file, result });
            }
            DiskCommand::Ledger(_) | DiskCommand::End => {}
        }
    }

    fn start(&mut self) {
        if let Err(error) = fs::create_dir_all(&self.dir) {
            let dir = self.dir.display();
            return self.notices.problem(format!("Nothing is recorded: the directory {dir} cannot be made ({error})."));
        }
        self.session = Some(Session::new(self.dir.clone()));
        self.sent.start();
        self.heard.iter_mut().for_each(Track::start);
        self.announce();
    }

    /// Ends the recording and finishes its files.
    fn stop(&mut self) {
        if self.session.is_none() {
            return;
        }
        // What the audio threads wrote until now belongs to it.
        self.sent.stop();
        self.heard.iter_mut().for_each(Track::stop);
        self.empty_taps(Instant::now());
        self.finish_files();
        self.session = None;
        self.notices.announce(Notice::Recording { files: Vec::new() });
    }

    fn finish_files(&mut self) {
        for track in std::iter::once(&mut self.sent).chain(&mut self.heard) {
            if let Err(sentence) = track.finish() {
                self.notices.problem(sentence);
            }
        }
    }

    /// The files so far; before the first sound the directory they will be in.
    fn announce(&self) {
        let Some(session) = &self.session else { return };
        let files = if session.files.is_empty() { vec![self.dir.clone()] } else { session.files.clone() };
        self.notices.announce(Notice::Recording { files });
    }

    fn empty_taps(&mut self, now: Instant) {
        let Some(session) = &mut self.session else { return };
        let files = session.files.len();
        for track in std::iter::once(&mut self.sent).chain(&mut self.heard) {
            if let Err(sentence) = track.empty(session, now) {
                self.notices.problem(sentence);
            } else if track.recovered() {
                self.notices.info("The recording goes on; what could not be written is silence in it.");
            }
        }
        if session.files.len() != files {
            self.announce();
        }
        self.let_go(now);
    }

    /// Finishes the files of peers that left, and all of them when the call is over.
    fn let_go(&mut self, now: Instant) {
        for track in self.heard.iter_mut().filter(|track| track.is_over()) {
            if let Err(sentence) = track.finish() {
                self.notices.problem(sentence);
            }
        }
        self.heard.retain(|track| !track.is_over());
        let over = self.heard.is_empty() && self.sent.is_quiet_since(now, QUIET_END);
        let Some(session) = self.session.as_mut().filter(|session| over && session.began.is_some()) else { return };
        *session = Session::new(self.dir.clone());
        self.finish_files();
        self.announce();
    }
}

/// A name that no file system and no shell stumbles over.
fn file_name(label: &str) -> String {
    let safe = |c: char| if c.is_alphanumeric() || matches!(c, '-' | '.') { c } else { '_' };
    let name: String = label.chars().map(safe).take(48).collect();
    let name = name.trim_matches(['.', '_']);
    if name.is_empty() { "peer".into() } else { name.into() }
}

/// A path that is not taken yet, made so that nobody else takes it.
fn reserve(dir: &Path, stem: &str) -> std::io::Result<PathBuf> {
    let mut number = 1;
    loop {
        let name = if number == 1 { format!("{stem}.wav") } else { format!("{stem}_{number}.wav") };
        let path = dir.join(name);
        match fs::File::create_new(&path) {
            Ok(_) => return Ok(path),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists && number < 1_000 => number += 1,
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests;
