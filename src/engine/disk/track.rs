//! One file of a recording: its tap, and where in time its next sample stands. Thread `disk`.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::reserve;
use crate::engine::TapReader;
use crate::engine::tap::Span;
use crate::os::wav::WavWriter;
use crate::units::SAMPLE_RATE;

/// A tap silent for this long is followed by the clock: its file grows with silence, as the others do with sound.
const FOLLOW_AFTER: Duration = Duration::from_millis(500);
/// Samples written at once.
const BLOCK: usize = 4_800;

/// What the files of one call have in common.
#[derive(Debug)]
pub struct Session {
    dir: PathBuf,
    /// When the first sample of all files was in the air.
    pub began: Option<Instant>,
    stamp: String,
    pub files: Vec<PathBuf>,
}

impl Session {
    pub fn new(dir: PathBuf) -> Self {
        Self { dir, began: None, stamp: String::new(), files: Vec::new() }
    }

    /// Sets the common start with the first sound, `waiting` samples of which are still in the tap.
    fn begin(&mut self, now: Instant, waiting: usize) -> Instant {
        if let Some(began) = self.began {
            return began;
        }
        let began = now.checked_sub(duration(waiting as u64)).unwrap_or(now);
        self.began = Some(began);
        self.stamp = jiff::Zoned::now().strftime("%Y-%m-%d_%H-%M-%S").to_string();
        began
    }
}

/// A tap and the file it fills.
#[derive(Debug)]
pub struct Track {
    kind: String,
    tap: TapReader,
    file: Option<WavWriter>,
    /// Samples from the session's start to the next one.
    placed: u64,
    /// Samples that should stand in the file and could not be written: silence, as soon as there is room.
    owed: u64,
    /// Samples taken by the writer since its last failure.
    good: u64,
    heard_at: Option<Instant>,
    trouble: Trouble,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Trouble {
    None,
    /// Said once; no sentence more until it is over.
    Told,
    /// Over, and not yet said so.
    Over,
}

impl Track {
    pub fn new(kind: String, tap: TapReader) -> Self {
        Self { kind, tap, file: None, placed: 0, owed: 0, good: 0, heard_at: None, trouble: Trouble::None }
    }

    pub fn start(&mut self) {
        self.trouble = Trouble::None;
        self.tap.start();
    }

    pub fn stop(&mut self) {
        self.tap.stop();
    }

    /// The peer left, and all of it is in the file.
    pub fn is_over(&self) -> bool {
        self.tap.is_over()
    }

    /// The peer left; nothing of it is to be kept.
    pub fn is_abandoned(&self) -> bool {
        self.tap.is_abandoned()
    }

    pub fn is_open(&self) -> bool {
        self.file.is_some()
    }

    pub fn is_quiet_since(&self, now: Instant, time: Duration) -> bool {
        self.heard_at.is_none_or(|at| now.saturating_duration_since(at) >= time)
    }

    /// True once after a trouble that was told is over.
    pub fn recovered(&mut self) -> bool {
        let over = self.trouble == Trouble::Over;
        if over {
            self.trouble = Trouble::None;
        }
        over
    }

    /// Takes all that is in the tap into the file.
    ///
    /// # Errors
    /// One sentence, the first time that the file cannot be written. The recording goes on as soon as it can.
    pub fn empty(&mut self, session: &mut Session, now: Instant) -> Result<(), String> {
        let mut told = Ok(());
        let mut buffer = [0.0; BLOCK];
        loop {
            // Counted before the span is taken: all of it happened before `now`.
            let waiting = self.tap.waiting();
            match self.tap.poll(&mut buffer) {
                None => break,
                Some(Span::Silence(samples)) if self.is_open() => told = told.and(self.silence(samples)),
                // Before the first sound: the file will begin at the right place without it.
                Some(Span::Silence(_)) => {}
                Some(Span::Samples(count)) => {
                    self.heard_at = Some(now);
                    told = told.and(self.open(session, now, waiting.max(count)));
                    told = told.and(self.write(&buffer[..count]));
                    self.placed += count as u64;
                }
            }
        }
        self.follow_clock(session, now).and(told)
    }

    /// A stopped card, a closed microphone: the tap says nothing, yet time passes.
    fn follow_clock(&mut self, session: &Session, now: Instant) -> Result<(), String> {
        let (Some(began), true) = (session.began, self.is_open() && self.is_quiet_since(now, FOLLOW_AFTER)) else { return Ok(()) };
        self.tap.rebase();
        let behind = samples(now.saturating_duration_since(began)).saturating_sub(self.placed);
        self.silence(behind)
    }

    fn silence(&mut self, mut samples: u64) -> Result<(), String> {
        self.placed += samples;
        let mut told = Ok(());
        while samples > 0 {
            let count = samples.min(BLOCK as u64);
            told = told.and(self.write(&[0.0; BLOCK][..count as usize]));
            samples -= count;
        }
        told
    }

    /// Makes the file with the first sound, and the silence since the others' start.
    fn open(&mut self, session: &mut Session, now: Instant, waiting: usize) -> Result<(), String> {
        if self.file.is_some() {
            return Ok(());
        }
        let began = session.begin(now, waiting);
        let first = samples(now.saturating_duration_since(began)).saturating_sub(waiting as u64);
        let made = reserve(&session.dir, &format!("{}_{}", session.stamp, self.kind)).and_then(WavWriter::create);
        match made {
            Ok(file) => {
                session.files.push(file.path());
                self.file = Some(file);
                (self.placed, self.owed) = (0, 0);
                self.silence(first)
            }
            Err(error) => self.fail(&format!("a file in {} cannot be made ({error})", session.dir.display())),
        }
    }

    /// Debts first, so that what follows stands in its place.
    fn write(&mut self, samples: &[f32]) -> Result<(), String> {
        let mut result = Ok(());
        while self.owed > 0 && result.is_ok() {
            let count = self.owed.min(BLOCK as u64);
            self.owed -= count;
            result = self.append(&[0.0; BLOCK][..count as usize]);
        }
        if result.is_ok() {
            result = self.append(samples);
        } else if self.is_open() {
            self.owed += samples.len() as u64;
        }
        let Err(error) = result else { return Ok(()) };
        let path = self.file.as_ref().map(WavWriter::path).unwrap_or_default();
        self.fail(&format!("{} cannot be written ({error})", path.display()))
    }

    /// What does not get into the file is owed to it.
    fn append(&mut self, samples: &[f32]) -> std::io::Result<()> {
        let Some(file) = &mut self.file else { return Ok(()) };
        let before = file.samples();
        let result = file.write(samples);
        self.good += samples.len() as u64;
        if result.is_err() {
            let lost = (before + samples.len() as u64).saturating_sub(file.samples());
            // A full file's next part counts anew: no more than was pending can be lost.
            self.owed += lost.min(u64::from(SAMPLE_RATE));
            self.good = 0;
        } else if self.trouble == Trouble::Told && self.good > u64::from(SAMPLE_RATE) {
            // The writer keeps half a second to itself: after a whole one some of it has reached the disk.
            self.trouble = Trouble::Over;
        }
        result
    }

    fn fail(&mut self, what: &str) -> Result<(), String> {
        if self.trouble == Trouble::Told {
            return Ok(());
        }
        self.trouble = Trouble::Told;
        Err(format!("The recording has a gap: {what}; the call goes on, and so does the recording when there is room."))
    }

    /// Completes the file, if there is one.
    ///
    /// # Errors
    /// One sentence: its end is missing.
    pub fn finish(&mut self) -> Result<(), String> {
        let Some(file) = self.file.take() else { return Ok(()) };
        self.heard_at = None;
        let path = file.path();
        file.finish().map_err(|error| format!("The end of the recording {} is missing: {error}.", path.display()))
    }
}

fn duration(samples: u64) -> Duration {
    Duration::from_nanos(samples * 1_000_000_000 / u64::from(SAMPLE_RATE))
}

fn samples(time: Duration) -> u64 {
    (time.as_nanos() * u128::from(SAMPLE_RATE) / 1_000_000_000) as u64
}
