//! Mouth to ear through the real path, by chirps in place of the microphone. Pure; the sender thread owns the [`Probe`].
//!
//! ```text
//!   who asks                                         who answers
//!   mouth ── up-sweep ──> codec, seal, network, playout, mixer, card ──> ear
//!    t0                                                                   t1
//!   ear  <── card, mixer, playout, network, seal, codec <── down-sweep ── mouth
//!    t3                                                                   t2 = t1 + 400 ms, to the sample
//! ```
//!
//! "Mouth" is when the sound card took a sample in, "ear" when it gives one out, each as far as the card tells. The two sides
//! have no common clock, so t1 is known only there and t0 only here; but t2 - t1 is agreed on, hence the round trip
//! t3 - t0 - 400 ms, half of which is what is reported: the mean of both ways. The method is that of the two-location
//! mouth-to-ear measurement of NIST (Frey, Pieper, Thompson, NISTIR 8206, 2018), with the returned chirp for its common clock.
//!
//! Access time (Pieper et al., Mission Critical Voice QoE Access Time Measurement Methods, NISTIR 8275, 2019) is from the talk
//! key until what is said is heard: the same, with each chirp beginning at the very moment of the key, both sides silent before.
//! NIST asks from when on words are understood; here a chirp counts once it came through whole, from its first sample on.
//!
//! No sound of the microphone leaves while a probe runs: every frame is overwritten before the uplink sees it, and nothing is
//! on air before the uplink's pre-roll holds such frames alone.

pub mod stats;

use std::time::{Duration, Instant};

use super::uplink::PREROLL_FRAMES;
use crate::audio::Frame;
use crate::audio::chirp::{CHIRP_SAMPLES, Detector, SHORT_CHIRP_SAMPLES, Sweep, chirp};
use crate::units::{FRAME_DURATION, FRAME_SAMPLES, SAMPLE_RATE};
pub use crate::wire::measure::{Phase, Verdict};
pub use stats::Summary;

/// From the first sample of a chirp at the answering ear to the first one of its answer at that mouth.
pub const TURN: Duration = Duration::from_millis(400);
/// Trials of a phase, at most.
pub const TRIALS_MAX: u16 = 1_000;
/// A chirp that is not back after this, beyond [`TURN`], is lost.
const PATIENCE: Duration = Duration::from_secs(2);
/// Frames that are overwritten before any leaves: the pre-roll, and a margin.
const HUSHED: u64 = PREROLL_FRAMES as u64 + 4;
/// Frames from there to the first chirp: the playouts find their delay.
const SETTLE: u64 = 150;
/// Frames between one trial's end and the next chirp. Keyed, both sides have fallen silent and the playouts have noticed.
const PAUSE: u64 = 12;
const PAUSE_KEYED: u64 = 80;
/// Frames on air after a keyed chirp: its end is not at the spurt's very end.
const TAIL: u64 = 12;
/// Frames that are overwritten at the end, off air already: the uplink's last one, and a margin.
const FADES: u8 = 2;
/// Frames that a probe runs, at most: ten minutes.
const LONGEST: u64 = 60_000;

/// Which side of the measurement this is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Side {
    /// Measures, with so many trials in each phase.
    Asks { trials: u16 },
    /// Returns chirps.
    Answers,
}

/// What the downlink wants measured.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Order {
    pub run: u32,
    pub side: Side,
    pub phase: Phase,
}

/// One-way delays of each trial, ms; `None`: lost.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Trials {
    /// Mouth to ear.
    pub steady: Vec<Option<f64>>,
    /// From the key to the ear.
    pub keyed: Vec<Option<f64>>,
}

/// When the samples of a stream were in the air. Its frames' times come from threads that may be woken late, never early: the
/// least late of the last ones counts, for as long as a chirp lasts.
#[derive(Debug, Default)]
struct StreamClock {
    epoch: Option<Instant>,
    /// How late each of the last frames was, against an even stream, ns.
    late_ns: [i64; CHIRP_SAMPLES / FRAME_SAMPLES],
    samples: u64,
}

impl StreamClock {
    /// The next frame, whose first sample was in the air at `at`.
    fn handle(&mut self, at: Instant) {
        let epoch = *self.epoch.get_or_insert(at);
        let since = at.saturating_duration_since(epoch).as_nanos() as i64 - epoch.saturating_duration_since(at).as_nanos() as i64;
        let place = (self.samples as usize / FRAME_SAMPLES) % self.late_ns.len();
        self.late_ns[place] = since - nanos(self.samples);
        self.samples += FRAME_SAMPLES as u64;
    }

    /// When the sample with this number was, or will be, in the air; `None`: before any came.
    fn at(&self, sample: u64) -> Option<Instant> {
        let frames = (self.samples as usize / FRAME_SAMPLES).min(self.late_ns.len());
        let least = *self.late_ns[..frames].iter().min()?;
        let since = nanos(sample) + least;
        let epoch = self.epoch?;
        if since < 0 {
            epoch.checked_sub(Duration::from_nanos(since.unsigned_abs()))
        } else {
            Some(epoch + Duration::from_nanos(since as u64))
        }
    }
}

/// The chirp that a side says in this phase, and the ear for the other's.
fn ends(order: Order) -> (Vec<f32>, Detector) {
    let (says, hears) = match order.side {
        Side::Asks { .. } => (Sweep::Up, Sweep::Down),
        Side::Answers => (Sweep::Down, Sweep::Up),
    };
    let length = match order.phase {
        Phase::Steady => CHIRP_SAMPLES,
        Phase::Keyed => SHORT_CHIRP_SAMPLES,
    };
    (chirp(says, length), Detector::new(hears, length))
}

fn nanos(samples: u64) -> i64 {
    (samples as i64) * 1_000_000_000 / i64::from(SAMPLE_RATE)
}

/// One side of a running measurement: overwrites the microphone's frames, listens to the loudspeaker's.
#[derive(Debug)]
pub struct Probe {
    order: Order,
    chirp: Vec<f32>,
    detector: Detector,
    /// The ear's sample that was the detector's first.
    detected_from: u64,
    mouth: StreamClock,
    ear: StreamClock,
    /// Frames of the mouth so far.
    frames: u64,
    /// The first sample of the chirp on its way out.
    speaking: Option<u64>,
    /// On air until this frame, when keyed.
    air_until: u64,
    /// Asking: the first sample of the chirp that is waited for, and the frame of the next one. Answering: when to return one.
    waits: Option<u64>,
    next: u64,
    due: Option<Instant>,
    trials: Trials,
    /// Told to stop; frames since.
    stopped: Option<u8>,
}

impl Probe {
    #[must_use]
    pub fn new(order: Order) -> Self {
        let (chirp, detector) = ends(order);
        Self {
            order,
            chirp,
            detector,
            detected_from: 0,
            mouth: StreamClock::default(),
            ear: StreamClock::default(),
            frames: 0,
            speaking: None,
            air_until: 0,
            waits: None,
            next: HUSHED + SETTLE,
            due: None,
            trials: Trials::default(),
            stopped: None,
        }
    }

    #[must_use]
    pub fn order(&self) -> Order {
        self.order
    }

    /// Both sides agree on the next phase.
    pub fn handle_phase(&mut self, phase: Phase) {
        if self.order.phase != phase {
            self.order.phase = phase;
            (self.chirp, self.detector) = ends(self.order);
            (self.detected_from, self.speaking, self.waits, self.due) = (self.ear.samples, None, None, None);
            self.next = self.frames + SETTLE;
        }
    }

    /// Whether all trials of the present phase are done, or it is over for having run too long.
    #[must_use]
    pub fn is_done(&self) -> bool {
        let Side::Asks { trials } = self.order.side else { return self.frames > LONGEST };
        self.done() >= usize::from(trials.min(TRIALS_MAX)) || self.frames > LONGEST
    }

    /// Says nothing any more. The microphone stays overwritten until the uplink's last frame, which fades, has left.
    pub fn stop(&mut self) {
        self.stopped.get_or_insert(0);
    }

    /// Whether it may be dropped, and the microphone given back.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.stopped.is_some_and(|frames| frames >= FADES)
    }

    fn done(&self) -> usize {
        match self.order.phase {
            Phase::Steady => self.trials.steady.len(),
            Phase::Keyed => self.trials.keyed.len(),
        }
    }

    #[must_use]
    pub fn trials(&self) -> &Trials {
        &self.trials
    }

    /// The next frame of the microphone, whose first sample was in the air at `captured`: it is overwritten, whatever it holds.
    /// Returns whether it is to leave.
    pub fn handle_mouth(&mut self, frame: &mut Frame, captured: Instant) -> bool {
        frame.fill(0.0);
        if let Some(frames) = &mut self.stopped {
            *frames = frames.saturating_add(1);
            return false;
        }
        let first = self.mouth.samples;
        self.mouth.handle(captured);
        self.frames += 1;
        self.give_up(captured);
        if self.speaking.is_none() && self.frames > HUSHED {
            self.speaking = self.begin(first);
        }
        if let Some(from) = self.speaking {
            self.speak(frame, first, from);
            self.air_until = self.frames + TAIL;
        }
        self.frames > HUSHED && (self.order.phase == Phase::Steady || self.frames < self.air_until)
    }

    /// Where a chirp begins in the frame of which `first` is the first sample.
    fn begin(&mut self, first: u64) -> Option<u64> {
        let Side::Answers = self.order.side else { return self.begin_trial(first) };
        let due = self.due?;
        let start = self.mouth.at(first)?;
        let offset = due.checked_duration_since(start).map(|left| left.as_nanos() as u64 * u64::from(SAMPLE_RATE) / 1_000_000_000);
        match offset {
            // It should have begun before: this one is lost, rather than late.
            None => self.due = None,
            Some(offset) if offset < FRAME_SAMPLES as u64 => {
                self.due = None;
                return Some(first + offset);
            }
            Some(_) => {}
        }
        None
    }

    fn begin_trial(&mut self, first: u64) -> Option<u64> {
        if self.waits.is_some() || self.is_done() || self.frames < self.next {
            return None;
        }
        // Each trial at another place within the frame, so that no clock flatters it.
        let from = first + (self.done() as u64 * 137 + 61) % FRAME_SAMPLES as u64;
        self.waits = Some(from);
        Some(from)
    }

    fn speak(&mut self, frame: &mut Frame, first: u64, from: u64) {
        let begin = usize::try_from(first.saturating_sub(from)).unwrap_or(usize::MAX).min(self.chirp.len());
        let skip = usize::try_from(from.saturating_sub(first)).unwrap_or(0).min(FRAME_SAMPLES);
        let len = (FRAME_SAMPLES - skip).min(self.chirp.len() - begin);
        frame[skip..skip + len].copy_from_slice(&self.chirp[begin..begin + len]);
        if begin + len == self.chirp.len() {
            self.speaking = None;
        }
    }

    /// The next frame that the loudspeaker is given, whose first sample is in the air at `at`.
    pub fn handle_ear(&mut self, frame: &Frame, at: Instant) {
        self.ear.handle(at);
        let Some(found) = self.detector.handle(frame) else { return };
        let Some(heard) = self.ear.at(self.detected_from + found.at) else { return };
        match self.order.side {
            Side::Answers if self.due.is_none() && self.speaking.is_none() => self.due = Some(heard + TURN),
            Side::Answers => {}
            Side::Asks { .. } => self.score(heard),
        }
    }

    /// An answer came back.
    fn score(&mut self, heard: Instant) {
        let said = self.waits.and_then(|from| self.mouth.at(from));
        let round_trip = said.and_then(|said| heard.checked_duration_since(said)).and_then(|time| time.checked_sub(TURN));
        // None: an answer to one that was given up.
        if let Some(round_trip) = round_trip {
            self.end_trial(Some(round_trip.as_secs_f64() * 500.0));
        }
    }

    fn end_trial(&mut self, delay_ms: Option<f64>) {
        self.waits = None;
        let (trials, pause) = match self.order.phase {
            Phase::Steady => (&mut self.trials.steady, PAUSE),
            Phase::Keyed => (&mut self.trials.keyed, PAUSE_KEYED),
        };
        trials.push(delay_ms);
        // Never in step with anything that repeats itself.
        self.next = self.frames + pause + trials.len() as u64 * 7 % 10;
    }

    fn give_up(&mut self, now: Instant) {
        let Some(from) = self.waits.filter(|_| self.speaking.is_none()) else { return };
        let chirp = FRAME_DURATION * (CHIRP_SAMPLES / FRAME_SAMPLES) as u32;
        if self.mouth.at(from).is_some_and(|said| now.saturating_duration_since(said) > chirp + TURN + PATIENCE) {
            self.end_trial(None);
        }
    }
}

#[cfg(test)]
mod tests;
