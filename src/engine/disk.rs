//! What reaches the disk, thread `disk`: the peers that are known ([`Ledger`]), and the recorder: a file of what was sent, one for
//! each peer heard, and their mix, fed by taps.
//!
//! ```text
//! sent tap  --samples, silences--> 2026-11-23_06-54-44_sent.wav            |<- first sound of the recording: all files
//! peer taps --samples, silences--> 2026-11-23_06-54-44_heard_workshop.wav  |   start here, and stay aligned in time
//!                          summed: 2026-11-23_06-54-44_mix.wav             |
//! ```
//!
//! Files begin with the first sound, so a recorder that waits for days writes nothing. When the last peer has left and nothing
//! is sent any more the recording ends; one that was asked for beforehand (`--record`) waits for the next call, which gets its
//! own files. Of this side only what left for the others is ever in the tap: nothing said off air, or muted, is recorded.

mod dump;
mod ledger;
mod output;
mod steady;
mod tape;
mod track;

use std::path::{Path, PathBuf, absolute};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::Context;
use crossbeam_channel::{Receiver, RecvTimeoutError};

use super::{Controls, Meters, Notice, Notices, Settings, Switch, TapReader};
use crate::call::Dump;
use crate::os::files::make_private_dir;
use crate::units::{PeerId, SAMPLE_RATE};
pub use ledger::{Ledger, LedgerJob};
pub use output::RecordFormat;
use output::file_name;
use tape::{Failed, Place, Tape};
use track::Track;

/// How often the taps are emptied while a recording runs. They hold 2 s.
const EMPTY_EVERY: Duration = Duration::from_millis(100);
/// Without a peer, nothing sent for so long ends a recording.
const QUIET_END: Duration = Duration::from_secs(1);
/// A disk that is too slow is told of no more often than this.
const GAPS_TOLD: Duration = Duration::from_secs(10);

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
pub fn spawn(
    settings: &Settings,
    commands: Receiver<DiskCommand>,
    sent: TapReader,
    mut ledger: Ledger,
    shared: Shared,
) -> anyhow::Result<JoinHandle<()>> {
    // Whole paths in what is said: "." tells nobody where to look.
    let place = |dir: &Path| Place { dir: absolute(dir).unwrap_or_else(|_| dir.to_owned()), format: settings.record_format };
    let (asked, standing) = (place(&settings.record_dir), settings.record.as_deref().map(place));
    let (notices, waker) = (ledger.notices.clone(), Arc::clone(&ledger.waker));
    let wake = move || {
        let _ = waker.wake();
    };
    let mut recorder = Recorder::new(asked, sent, notices, shared, Box::new(wake));
    let run = move || {
        if let Some(place) = standing {
            recorder.stands = true;
            recorder.start(place);
        }
        recorder.run(&commands, &mut ledger);
    };
    Builder::new().name("disk".into()).spawn(run).context("the system has no thread left for the recorder")
}

/// What the recorder shares with other threads.
#[derive(Clone, Debug)]
pub struct Shared {
    /// How loud each peer is.
    pub controls: Arc<Controls>,
    /// Where it says that it runs.
    pub meters: Arc<Meters>,
}

struct Recorder {
    /// Where it writes when it is asked to.
    place: Place,
    notices: Notices,
    shared: Shared,
    /// Tells the receiver to look: the peers must know.
    wake: Box<dyn Fn() + Send>,
    sent: Track,
    heard: Vec<Track>,
    /// `None`: not recording.
    tape: Option<Tape>,
    /// It goes on with the next call.
    stands: bool,
    /// When a gap was told of last, and samples that are missing since.
    gap_told: Option<Instant>,
    missed: u64,
}

impl Recorder {
    fn new(place: Place, sent: TapReader, notices: Notices, shared: Shared, wake: Box<dyn Fn() + Send>) -> Self {
        let sent = Track::new(None, "sent".into(), sent);
        Self { place, notices, shared, wake, sent, heard: Vec::new(), tape: None, stands: false, gap_told: None, missed: 0 }
    }

    fn run(&mut self, commands: &Receiver<DiskCommand>, ledger: &mut Ledger) {
        loop {
            // Idle, it waits without an end: no wake-ups.
            let received = match self.tape {
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
            DiskCommand::Record(switch) => match (self.tape.is_some(), switch.apply(self.tape.is_some())) {
                (false, true) => self.start(self.place.clone()),
                (true, false) => {
                    self.stands = false;
                    self.stop();
                }
                (true, true) => self.notices.info("A recording runs already."),
                (false, false) => self.notices.info("No recording runs."),
            },
            DiskCommand::Peer { id, label, tap } => self.add_peer(id, &label, tap),
            DiskCommand::Dump { file, dump } => {
                let result = dump::write(&file, &dump.trace());
                self.notices.announce(Notice::Dumped { file, result });
            }
            DiskCommand::Ledger(_) | DiskCommand::End => {}
        }
    }

    fn add_peer(&mut self, id: PeerId, label: &str, tap: TapReader) {
        tracing::debug!(slot = id.slot(), label, "a peer can be recorded");
        let name = format!("heard_{}", file_name(label));
        let is_same = |track: &&mut Track| track.id == Some(id) && track.name == name && track.is_abandoned();
        if let Some(tape) = &mut self.tape
            && let Some(track) = self.heard.iter_mut().find(is_same)
        {
            track.take(tape, Instant::now());
            return track.rewire(tap);
        }
        let mut track = Track::new(Some(id), name, tap);
        match self.tape {
            Some(_) => track.start(),
            None => self.heard.retain(|track| !track.is_abandoned()),
        }
        self.heard.push(track);
    }

    fn tracks(&mut self) -> impl Iterator<Item = &mut Track> {
        std::iter::once(&mut self.sent).chain(&mut self.heard)
    }

    fn start(&mut self, place: Place) {
        let made = make_private_dir(&place.dir).map_err(|error| format!("the directory {} cannot be made ({error})", place.dir.display()));
        if let Err(failed) = made.and_then(|()| output::try_out(&place.dir)) {
            self.stands = false;
            return self.notices.problem(format!("Nothing is recorded: {failed}."));
        }
        self.tape = Some(Tape::new(place, Arc::clone(&self.shared.controls)));
        self.tracks().for_each(Track::start);
        self.announce();
    }

    /// Ends the recording and finishes its files.
    fn stop(&mut self) {
        if self.tape.is_none() {
            return;
        }
        // What the audio threads wrote until now belongs to it.
        self.tracks().for_each(Track::stop);
        let now = Instant::now();
        let Some(mut tape) = self.tape.take() else { return };
        self.take(&mut tape, now);
        let end = self.tracks().filter(|track| track.has_begun).map(|track| track.end(&tape)).max();
        self.tracks().filter(|track| track.has_begun).for_each(|track| track.pad_to(&tape, end.unwrap_or(0)));
        let written = tape.advance(self.tracks());
        self.end(tape, written);
    }

    /// Something could not be written: what is there is kept, and nothing more is recorded until the user says so.
    fn fail(&mut self, failed: &Failed) {
        let Some(tape) = self.tape.take() else { return };
        self.stands = false;
        self.tracks().for_each(Track::stop);
        self.end(tape, Err(failed.clone()));
    }

    fn end(&mut self, mut tape: Tape, written: Result<(), Failed>) {
        let finished = tape.finish(self.tracks());
        self.tracks().for_each(Track::reset);
        if let Err(failed) = written.and(finished) {
            let kept = if tape.files.is_empty() { "" } else { " What was written until then can be played." };
            self.notices.problem(format!("The recording has ended: {failed}.{kept} The call goes on."));
        }
        self.publish();
        self.notices.announce(Notice::Recording { files: Vec::new(), begun: tape.has_begun() });
    }

    /// The files so far; before the first sound the directory they will be in.
    fn announce(&self) {
        let Some(tape) = &self.tape else { return };
        let begun = !tape.files.is_empty();
        let files = if begun { tape.files.clone() } else { vec![tape.place.dir.clone()] };
        self.publish();
        self.notices.announce(Notice::Recording { files, begun });
    }

    /// The receiver tells the peers.
    fn publish(&self) {
        let is_on = self.tape.is_some();
        if self.shared.meters.recording.swap(is_on, Relaxed) != is_on {
            (self.wake)();
        }
    }

    fn take(&mut self, tape: &mut Tape, now: Instant) {
        let mut tracks: Vec<&mut Track> = self.tracks().collect();
        // The tape begins with the first sound, so whoever has waited longest goes first.
        tracks.sort_by_key(|track| std::cmp::Reverse(track.waiting()));
        tracks.into_iter().for_each(|track| track.take(tape, now));
        self.watch_gaps(now);
    }

    /// The disk held this thread up for longer than the taps could wait.
    fn watch_gaps(&mut self, now: Instant) {
        self.missed += self.tracks().map(Track::newly_missed).max().unwrap_or(0);
        let told_lately = self.gap_told.is_some_and(|at| now.saturating_duration_since(at) < GAPS_TOLD);
        if self.missed == 0 || told_lately {
            return;
        }
        let seconds = std::mem::take(&mut self.missed) as f32 / SAMPLE_RATE as f32;
        self.gap_told = Some(now);
        self.notices.problem(format!("The disk is too slow: {seconds:.1} s of the recording are silence. The call goes on."));
    }

    fn empty_taps(&mut self, now: Instant) {
        let Some(mut tape) = self.tape.take() else { return };
        let files = tape.files.clone();
        self.take(&mut tape, now);
        let mut done = tape.advance(self.tracks());
        for track in self.heard.iter_mut().filter(|track| track.has_ended() && track.pending.is_empty()) {
            done = done.and(track.output.take().map_or(Ok(()), |output| tape.leave(output)));
        }
        let has_news = tape.files != files;
        self.tape = Some(tape);
        if let Err(failed) = done {
            return self.fail(&failed);
        }
        if has_news {
            self.announce();
        }
        self.heard.retain(|track| !(track.has_ended() && track.pending.is_empty()));
        self.watch_end(now);
    }

    /// The call is over: so is its recording.
    fn watch_end(&mut self, now: Instant) {
        let over = self.heard.is_empty() && self.sent.is_quiet_since(now, QUIET_END);
        if !over || !self.tape.as_ref().is_some_and(Tape::has_begun) {
            return;
        }
        if !self.stands {
            return self.stop();
        }
        let Some(mut tape) = self.tape.take() else { return };
        let finished = tape.finish(self.tracks());
        self.tracks().for_each(Track::reset);
        self.tape = Some(Tape::new(tape.place, Arc::clone(&self.shared.controls)));
        match finished {
            Ok(()) => self.announce(),
            Err(failed) => self.fail(&failed),
        }
    }
}

#[cfg(test)]
mod tests;
