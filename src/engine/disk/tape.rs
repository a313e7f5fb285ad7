//! What the tracks of a recording have in common: where it began, how far it is written, and the mix. Thread `disk`.
//!
//! ```text
//!            written          clock
//! sent   ████████████░░░░░░░░░|        every track is held back until all have come so far,
//! heard  ████████████░░░░░░|           then the same stretch of each goes to its file and,
//! mix    ████████████                  summed, to the mix: the files are of one length
//! ```

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use super::output::{Output, RecordFormat, not_made};
use super::track::Track;
use crate::audio::mixer::Mixer;
use crate::engine::Controls;
use crate::units::{SAMPLE_RATE, duration_of};

/// Samples of one set of files: 12 hours, which a WAV file (4 GiB) holds. The next set goes on without a gap.
const SET_SAMPLES: u64 = 12 * 3_600 * SAMPLE_RATE as u64;
/// Files of peers that left which are kept open: a guest who comes and goes all day does not use up the files that a process may have.
const LEFT_MAX: usize = 16;
/// Samples written at once.
const BLOCK: usize = 4_800;

/// Where and how a recording is written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Place {
    pub dir: PathBuf,
    pub format: RecordFormat,
}

/// The files of one call.
#[derive(Debug)]
pub struct Tape {
    pub place: Place,
    controls: Arc<Controls>,
    /// When the first sample was in the air; `None`: nothing was heard yet.
    began: Option<Instant>,
    stamp: String,
    /// Samples of each file.
    written: u64,
    mix: Option<Output>,
    mixer: Mixer,
    /// Files of those who left, with where they end: they get the silence since then when the others are finished.
    left: VecDeque<(Output, u64)>,
    set_samples: u64,
    pub files: Vec<PathBuf>,
}

/// What could not be written, as a clause.
pub type Failed = String;

impl Tape {
    pub fn new(place: Place, controls: Arc<Controls>) -> Self {
        Self {
            place,
            controls,
            began: None,
            stamp: String::new(),
            written: 0,
            mix: None,
            mixer: Mixer::new(),
            left: VecDeque::new(),
            set_samples: SET_SAMPLES,
            files: Vec::new(),
        }
    }

    #[cfg(test)]
    pub fn with_sets_of(self, set_samples: u64) -> Self {
        Self { set_samples, ..self }
    }

    pub fn has_begun(&self) -> bool {
        self.began.is_some()
    }

    pub fn written(&self) -> u64 {
        self.written
    }

    /// Where the tape stands at `now`.
    pub fn position(&self, now: Instant) -> u64 {
        self.began.map_or(0, |began| samples(now, began))
    }

    /// A first sound, `waiting` samples of which have come; where it stands.
    pub fn begin(&mut self, now: Instant, waiting: usize) -> u64 {
        if self.began.is_none() {
            self.began = Some(now.checked_sub(duration_of(waiting as u64)).unwrap_or(now));
            self.stamp = stamp();
        }
        self.position(now).saturating_sub(waiting as u64)
    }

    /// Writes what all tracks have come to; those that ended hold nobody back.
    ///
    /// # Errors
    /// A file cannot be made or written.
    pub fn advance<'a>(&mut self, tracks: impl Iterator<Item = &'a mut Track>) -> Result<(), Failed> {
        let mut tracks: Vec<&mut Track> = tracks.filter(|track| track.has_begun).collect();
        let running = tracks.iter().filter(|track| !track.has_ended()).map(|track| track.pending.len()).min();
        let all = tracks.iter().map(|track| track.pending.len()).max();
        let mut left = running.or(all).unwrap_or(0);
        while left > 0 {
            let room = usize::try_from(self.set_samples - self.written).unwrap_or(usize::MAX);
            let count = left.min(BLOCK).min(room);
            self.write(&mut tracks, count)?;
            left -= count;
            if self.written == self.set_samples {
                self.turn(&mut tracks)?;
            }
        }
        Ok(())
    }

    fn write(&mut self, tracks: &mut [&mut Track], count: usize) -> Result<(), Failed> {
        let mut sum = [0.0; BLOCK];
        let sum = &mut sum[..count];
        for track in tracks.iter_mut() {
            let had = track.pending.len().min(count);
            if had == 0 && track.has_ended() && track.output.is_none() {
                continue;
            }
            let block: Vec<f32> = track.pending.drain(..had).chain(std::iter::repeat_n(0.0, count - had)).collect();
            // In the mix a peer is as loud as the user made it; how loud the loudspeaker is does not matter.
            let gain = track.id.map_or(1.0, |id| self.controls.own_gain(id));
            match track.id {
                Some(id) if track.output.is_none() => self.mixer.open(id, gain),
                _ => {}
            }
            match track.id {
                Some(id) => self.mixer.add(id, &block, gain, sum),
                None => sum.iter_mut().zip(&block).for_each(|(sum, sample)| *sum += sample),
            }
            let name = track.name.clone();
            self.append(&mut track.output, &name, &block)?;
        }
        self.mixer.finish(sum);
        let mut mix = self.mix.take();
        let appended = self.append(&mut mix, "mix", sum);
        self.mix = mix;
        appended?;
        self.written += count as u64;
        Ok(())
    }

    /// Makes the file if it is the first that it gets, with silence since the others' start.
    fn append(&mut self, output: &mut Option<Output>, name: &str, block: &[f32]) -> Result<(), Failed> {
        let place = &self.place;
        let file = match output {
            Some(file) => file,
            None => {
                let made = Output::create(&place.dir, &format!("{}_{name}", self.stamp), place.format);
                let file = made.map_err(|error| not_made(&place.dir, &error))?;
                self.files.push(file.path());
                let file = output.insert(file);
                if self.written > 0 {
                    file.silence(self.written).map_err(|error| cannot(&file.path(), &error))?;
                }
                file
            }
        };
        file.write(block).map_err(|error| cannot(&file.path(), &error))
    }

    /// The set is full: the next one goes on where it ends.
    fn turn(&mut self, tracks: &mut [&mut Track]) -> Result<(), Failed> {
        let finished = self.finish(tracks.iter_mut().map(|track| &mut **track));
        self.began = self.began.map(|began| began + duration_of(self.set_samples));
        (self.written, self.stamp) = (0, stamp());
        self.files.clear();
        finished
    }

    /// Its peer has left: the file ends with the others'.
    ///
    /// # Errors
    /// So many have left that the first of them ends here, and that could not be written.
    pub fn leave(&mut self, output: Output) -> Result<(), Failed> {
        self.left.push_back((output, self.written));
        if self.left.len() <= LEFT_MAX {
            return Ok(());
        }
        self.left.pop_front().map_or(Ok(()), |(output, end)| self.complete(output, end))
    }

    fn complete(&self, mut output: Output, end: u64) -> Result<(), Failed> {
        output.silence(self.written - end).map_err(|error| cannot(&output.path(), &error))?;
        finish(output)
    }

    /// Completes all files; a failure does not keep the others from it.
    ///
    /// # Errors
    /// The first that has no end.
    pub fn finish<'a>(&mut self, tracks: impl Iterator<Item = &'a mut Track>) -> Result<(), Failed> {
        let outputs = tracks.filter_map(|track| track.output.take()).chain(self.mix.take());
        let finished = outputs.map(finish).fold(Ok(()), Result::and);
        std::mem::take(&mut self.left).into_iter().map(|(output, end)| self.complete(output, end)).fold(finished, Result::and)
    }
}

fn finish(output: Output) -> Result<(), Failed> {
    let path = output.path();
    let finished = output.finish().map_err(|error| cannot(&path, &error));
    // The disk was full before anything was written: nobody can play that.
    if finished.is_err() && std::fs::metadata(&path).is_ok_and(|file| file.len() == 0) {
        let _ = std::fs::remove_file(&path);
    }
    finished
}

fn cannot(path: &Path, error: &std::io::Error) -> Failed {
    format!("{} cannot be written ({error})", path.display())
}

fn stamp() -> String {
    jiff::Zoned::now().strftime("%Y-%m-%d_%H-%M-%S").to_string()
}

/// Samples from `began` to `now`.
pub fn samples(now: Instant, began: Instant) -> u64 {
    (now.saturating_duration_since(began).as_nanos() * u128::from(SAMPLE_RATE) / 1_000_000_000) as u64
}
