//! One track of a recording: its tap, and where in time its samples stand. Thread `disk`.

use std::time::{Duration, Instant};

use super::output::Output;
use super::steady::Steady;
use super::tape::Tape;
use crate::engine::TapReader;
use crate::engine::tap::Span;
use crate::units::{PeerId, SAMPLE_RATE};

/// A tap silent for this long is followed by the clock: its track grows with silence, as the others do with sound.
const FOLLOW_AFTER: Duration = Duration::from_millis(500);
/// A track in the middle of sound that is so far behind the clock gets silence at once, samples: its card stumbled.
const FAR_BEHIND: u64 = SAMPLE_RATE as u64 / 2;
/// A track so far ahead of the clock loses what comes: memory must not grow.
const FAR_AHEAD: u64 = 3 * SAMPLE_RATE as u64;
/// Samples taken from a tap at once.
const BLOCK: usize = 4_800;

/// A tap, what came out of it, and the file it goes to.
#[derive(Debug)]
pub struct Track {
    /// Whose it is; `None`: this side's.
    pub id: Option<PeerId>,
    /// For the file's name.
    pub name: String,
    tap: TapReader,
    /// Made with the first sound.
    pub output: Option<Output>,
    /// What stands behind the part of the tape that is written.
    pub pending: Vec<f32>,
    /// A sound of it is on the tape.
    pub has_begun: bool,
    heard_at: Option<Instant>,
    steady: Steady,
    /// Samples that found no room in the tap, as far as that was asked for.
    missed: u64,
}

impl Track {
    pub fn new(id: Option<PeerId>, name: String, tap: TapReader) -> Self {
        Self { id, name, tap, output: None, pending: Vec::new(), has_begun: false, heard_at: None, steady: Steady::default(), missed: 0 }
    }

    pub fn start(&mut self) {
        self.missed = self.tap.dropped();
        self.tap.start();
    }

    pub fn stop(&mut self) {
        self.tap.stop();
    }

    /// Samples that wait in the tap.
    pub fn waiting(&self) -> usize {
        self.tap.waiting()
    }

    /// Nothing more comes from the tap.
    pub fn has_ended(&self) -> bool {
        self.tap.is_over()
    }

    /// The peer left; what is in the tap is all there will be.
    pub fn is_abandoned(&self) -> bool {
        self.tap.is_abandoned()
    }

    /// The peer is heard through another tap from now on: a sound card was lost, its playback with it.
    pub fn rewire(&mut self, tap: TapReader) {
        self.tap = tap;
        self.start();
    }

    /// Samples that found no room in the tap since this was asked: they are silence.
    pub fn newly_missed(&mut self) -> u64 {
        let before = std::mem::replace(&mut self.missed, self.tap.dropped());
        self.missed - before
    }

    pub fn is_quiet_since(&self, now: Instant, time: Duration) -> bool {
        self.heard_at.is_none_or(|at| now.saturating_duration_since(at) >= time)
    }

    /// Forgets the tape: the next one is another.
    pub fn reset(&mut self) {
        self.pending.clear();
        self.output = None;
        (self.has_begun, self.heard_at) = (false, None);
        self.steady.reset();
    }

    /// Where on the tape its next sample stands.
    pub fn end(&self, tape: &Tape) -> u64 {
        tape.written() + self.pending.len() as u64
    }

    /// Takes all that is in the tap.
    pub fn take(&mut self, tape: &mut Tape, now: Instant) {
        let mut buffer = [0.0; BLOCK];
        let mut sounded = false;
        loop {
            // Counted before the span is taken: all of it happened before `now`.
            let waiting = self.tap.waiting();
            match self.tap.poll(&mut buffer) {
                None => break,
                Some(Span::Silence(count)) if self.has_begun => self.pad(count),
                // Before the first sound: the track will begin at the right place without it.
                Some(Span::Silence(_)) => {}
                Some(Span::Samples(count)) => {
                    self.begin(tape, now, waiting.max(count));
                    (self.heard_at, sounded) = (Some(now), true);
                    if self.end(tape) < tape.position(now) + FAR_AHEAD {
                        self.steady.append(&buffer[..count], &mut self.pending);
                    }
                }
            }
        }
        if self.has_begun {
            self.follow_clock(tape, now, sounded);
        }
    }

    /// `waiting`: samples of the first sound, up to now.
    fn begin(&mut self, tape: &mut Tape, now: Instant, waiting: usize) {
        if self.has_begun {
            return;
        }
        let first = tape.begin(now, waiting);
        self.has_begun = true;
        self.pad(first.saturating_sub(self.end(tape)));
    }

    /// A stopped card, a closed microphone: the tap says nothing, yet time passes. A running one has its own idea of a second.
    fn follow_clock(&mut self, tape: &Tape, now: Instant, sounded: bool) {
        let (end, clock) = (self.end(tape), tape.position(now));
        let behind = clock.saturating_sub(end);
        if self.is_quiet_since(now, FOLLOW_AFTER) {
            self.tap.rebase();
            self.steady.reset();
            self.pad(behind);
        } else if sounded && behind > FAR_BEHIND {
            self.pad(behind);
        } else if sounded {
            self.steady.measure(clock as f32 - end as f32);
        }
    }

    fn pad(&mut self, count: u64) {
        self.pending.resize(self.pending.len() + count as usize, 0.0);
    }

    /// Silence up to `position` of the tape.
    pub fn pad_to(&mut self, tape: &Tape, position: u64) {
        self.pad(position.saturating_sub(self.end(tape)));
    }
}

const _: () = assert!(FAR_BEHIND < FAR_AHEAD);
