//! From received packets to samples, one peer: insert, pull. Pure; its clock is the samples pulled.

//!
//! ```text
//! insert: intake (is it of this stream? when was it due?) -> buffer (in order)      delay: offsets -> target
//! pull:   steps (play, repair, conceal, wait) <- buffer; -> line (decoded samples) -> out;  steer: line -> target
//! ```
//!
//! All times are in samples at 48 kHz, from this playout's first packet on. "Media" is the sender's clock, "lead" is how
//! far the clock is ahead of the media being played: the lead is steered to the target.

mod buffer;
pub mod check;
mod counters;
mod delay;
mod drift;
mod given;
mod histogram;
mod intake;
mod line;
mod packet;
mod steer;
mod steps;
mod stretch;
#[cfg(test)]
mod tests;
mod unquiet;

use std::time::Instant;

use crate::audio::codec::{DECODED_MAX, Decoder};

pub use crate::audio::codec::{Codec, CodecError};
use crate::units::{FRAME_SAMPLES, Ppm, SAMPLE_RATE, Slept};
use buffer::Buffer;
pub use counters::{Counters, Pulled, Step};
use delay::{Bounds, DelayControl};
use drift::Slope;
use given::GivenUp;
use intake::Intake;
use line::Line;
pub use packet::{Origin, PAYLOAD_MAX, Packet};
use steer::Lead;
use steps::State;

/// Who chooses the delay.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Delay {
    /// As short as the network and the card allow.
    #[default]
    Auto,
    /// Fixed at so many ms for a packet that the network did not hold up.
    Fixed(u16),
    /// As [`Delay::Auto`], but no less and no more, ms.
    Between { min_ms: u16, max_ms: u16 },
}

/// Why the target is where it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Why {
    /// The network asks for nothing: one block of the card and a millisecond.
    #[default]
    Floor,
    /// Packets are held up.
    Jitter,
    /// Lost packets come again, and are waited for.
    Repair,
    /// The user set it.
    Set,
}

impl Why {
    pub const ALL: [Self; 4] = [Self::Floor, Self::Jitter, Self::Repair, Self::Set];
}

/// How a playout is made. What the card asks for at once is no part of it: that is seen in the pulls.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Config {
    pub delay: Delay,
}

/// One millisecond.
const MS: f64 = SAMPLE_RATE as f64 / 1_000.0;
/// No delay is chosen that is longer.
const MOST_MS: u16 = 400;

/// One peer's playout. Nothing but [`Playout::new`] allocates; nothing panics, whatever comes.
#[derive(Debug)]
pub struct Playout {
    config: Config,
    counters: Counters,
    intake: Intake,
    buffer: Buffer,
    control: DelayControl,
    decoder: Decoder,
    scratch: Box<[f32]>,
    line: Line,
    lead: Lead,
    state: State,
    /// Where the first `Instant` seen stands at 0.
    epoch: Option<Instant>,
    /// The clock at this pull.
    now: f64,
    /// Samples that this pull still wants.
    wanted: usize,
    /// Samples pulled so far: the card's own clock, and its slope against ours.
    pulled: f64,
    card: Slope,
    /// Media time of the next sample to be made.
    next_media: f64,
    /// Length of the newest packet decoded.
    frame: usize,
    /// Samples pulled before the one that is to be made now.
    made: u64,
    /// Places given up, and those whose packet came then.
    given_up: GivenUp,
    /// Samples added since the last packet, while the next is overdue.
    held_out: usize,
    /// Delay of the packets of the last second or so.
    delay: Option<f64>,
    may_conceal: bool,
}

impl Playout {
    /// # Errors
    /// [`CodecError::Unavailable`]: no memory for the decoders.
    pub fn new(config: Config) -> Result<Self, CodecError> {
        Ok(Self {
            config,
            counters: Counters::default(),
            intake: Intake::new(),
            buffer: Buffer::new(),
            control: DelayControl::new(),
            decoder: Decoder::new(Codec::Opus)?,
            scratch: vec![0.0; DECODED_MAX].into_boxed_slice(),
            line: Line::new(),
            lead: Lead::new(),
            state: State::new(),
            epoch: None,
            now: 0.0,
            wanted: 0,
            pulled: 0.0,
            card: Slope::new(),
            next_media: 0.0,
            frame: FRAME_SAMPLES,
            made: 0,
            given_up: GivenUp::default(),
            held_out: 0,
            delay: None,
            may_conceal: true,
        })
    }

    /// Fills `out` (48 kHz mono, any length) with what is due; `now` is the callback's time. Call [`Playout::insert`]
    /// before it for all that has come.
    pub fn pull(&mut self, out: &mut [f32], now: Instant) -> Pulled {
        let mut pulled = Pulled::default();
        self.now = self.clock(now);
        let mut filled = 0;
        self.wanted = out.len();
        self.hold_out();
        while filled < out.len() {
            if self.line.is_empty() {
                self.wanted = out.len() - filled;
                self.made = self.pulled as u64 + filled as u64;
                self.produce();
            }
            filled += self.line.take(&mut out[filled..], &mut pulled);
        }
        self.card.add(self.now, self.now - self.pulled);
        self.pulled += out.len() as f64;
        if self.state.is_playing() {
            self.lead.push(self.now, self.now - self.position(), out.len());
        }
        pulled.speaking = self.is_speaking();
        pulled
    }

    /// Forgets all that waits and all that was measured; counts stay.
    pub fn flush(&mut self) {
        self.fall_silent();
        self.intake = Intake::new();
        self.control = DelayControl::new();
        self.card.restart();
        self.delay = None;
    }

    /// The machine slept: what waits is old.
    pub fn handle_slept(&mut self, slept: Slept) {
        let _ = slept;
        self.flush();
    }

    /// Whether the codec may make up what is missing in the pulls to come; else it fades to silence within 5 ms. For a
    /// callback that serves many peers in little time.
    pub fn set_may_conceal(&mut self, may: bool) {
        self.may_conceal = may;
    }

    /// From now on.
    pub fn set_delay(&mut self, delay: Delay) {
        self.config.delay = delay;
    }

    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// From a packet's arrival to the pull of its first sample, over the last second or so of voice, ms. `None`: nobody
    /// has spoken yet.
    #[must_use]
    pub fn delay_ms(&self) -> Option<f32> {
        self.delay.map(|delay| (delay / MS) as f32)
    }

    /// The delay that playout steers to, ms: comparable with [`Playout::delay_ms`].
    #[must_use]
    pub fn target_ms(&self) -> Option<f32> {
        let delay = self.delay?;
        let excess = self.lead.least().map_or(0.0, |lead| lead - self.target());
        Some(((delay - excess).max(0.0) / MS) as f32)
    }

    /// The sender's sound card against ours: +100 means that theirs runs 100 ppm fast. `None`: not known yet.
    #[must_use]
    pub fn drift(&self) -> Option<Ppm> {
        let (sender, card) = (self.control.drift_ppm()?, self.card.ppm()?);
        Some(Ppm(sender + card))
    }

    /// The next packet that came after its place had been given up: how many samples had been pulled when that place went
    /// out. To be drained after each pull.
    pub fn poll_late(&mut self) -> Option<u64> {
        self.given_up.pop_late()
    }

    /// What decides the target now.
    #[must_use]
    pub fn why(&self) -> Why {
        self.control.why(self.bounds())
    }

    /// A talk spurt is being played (or a gap in one bridged).
    #[must_use]
    pub fn is_speaking(&self) -> bool {
        self.state.is_speaking()
    }

    /// Media time of the next sample to go out.
    fn position(&self) -> f64 {
        self.next_media - self.line.len() as f64
    }

    fn target(&self) -> f64 {
        self.control.target(self.now, self.bounds())
    }

    fn bounds(&self) -> Bounds {
        let (min_ms, max_ms) = match self.config.delay {
            Delay::Auto => (0, MOST_MS),
            Delay::Fixed(ms) => (ms, ms),
            Delay::Between { min_ms, max_ms } => (min_ms, max_ms),
        };
        Bounds { min: f64::from(min_ms) * MS, max: f64::from(max_ms) * MS }
    }

    /// `time` in samples; may lie before 0.
    fn clock(&mut self, time: Instant) -> f64 {
        let epoch = *self.epoch.get_or_insert(time);
        let after = time.saturating_duration_since(epoch).as_secs_f64();
        let before = epoch.saturating_duration_since(time).as_secs_f64();
        (after - before) * f64::from(SAMPLE_RATE)
    }

    /// What plays fades out within 5 ms; the rest of the stream is dropped.
    fn fall_silent(&mut self) {
        const FADE: usize = 240;
        if self.line.len() < FADE && self.state.gain > 0.0 {
            self.decoder.conceal(&mut self.scratch[..FADE]);
            let gain = self.state.gain;
            self.scratch[..FADE].iter_mut().for_each(|sample| *sample *= gain);
            self.line.append(&self.scratch[..FADE], Step::Concealed);
        }
        self.line.cut(FADE);
        self.counters.discarded += self.buffer.len() as u64;
        self.buffer.clear();
        self.decoder.reset();
        self.lead.restart();
        self.state = State::new();
        self.frame = FRAME_SAMPLES;
    }
}
