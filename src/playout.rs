//! From received packets to samples, one peer: insert, pull. Pure; its clock is the samples pulled.

mod counters;
mod packet;

use std::time::Instant;

pub use crate::audio::codec::{Codec, CodecError};
use crate::units::{Ppm, Slept};
pub use counters::{Counters, Pulled, Step};
pub use packet::{Origin, PAYLOAD_MAX, Packet};

/// Who chooses the delay.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Delay {
    /// As short as the network and the card allow.
    #[default]
    Auto,
    /// Fixed at so many ms for a packet that the network did not hold up.
    Fixed(u16),
}

/// How a playout is made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Config {
    /// Samples that the card is expected to ask for at once. What it does ask for is measured.
    pub block_samples: usize,
    pub delay: Delay,
    /// Bounds of [`Delay::Auto`], ms.
    pub min_ms: u16,
    pub max_ms: u16,
}

impl Default for Config {
    fn default() -> Self {
        Self { block_samples: 240, delay: Delay::Auto, min_ms: 0, max_ms: 400 }
    }
}

/// One peer's playout. Nothing but [`Playout::new`] allocates; nothing panics, whatever comes.
#[derive(Debug)]
pub struct Playout {
    config: Config,
    counters: Counters,
}

impl Playout {
    /// # Errors
    /// [`CodecError::Unavailable`]: no memory for the decoders.
    pub fn new(config: Config) -> Result<Self, CodecError> {
        Ok(Self { config, counters: Counters::default() })
    }

    /// Takes a packet in; call it before [`Playout::pull`] for all that have come. Order does not matter.
    pub fn insert(&mut self, packet: &Packet) {
        let _ = packet;
    }

    /// Fills `out` (48 kHz mono, any length) with what is due; `now` is the callback's time.
    pub fn pull(&mut self, out: &mut [f32], now: Instant) -> Pulled {
        let _ = now;
        out.fill(0.0);
        Pulled::default()
    }

    /// Forgets all that waits and all that was measured; counts stay.
    pub fn flush(&mut self) {}

    /// The machine slept: what waits is old.
    pub fn handle_slept(&mut self, slept: Slept) {
        let _ = slept;
        self.flush();
    }

    pub fn set_delay(&mut self, delay: Delay) {
        self.config.delay = delay;
    }

    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// From a packet's arrival to the pull of its first sample, over the last second or so of voice, ms.
    #[must_use]
    pub fn delay_ms(&self) -> Option<f32> {
        None
    }

    /// The delay that playout steers to, ms.
    #[must_use]
    pub fn target_ms(&self) -> Option<f32> {
        None
    }

    /// The sender's sound card against ours: +100 means that theirs runs 100 ppm fast. `None`: not known yet.
    #[must_use]
    pub fn drift(&self) -> Option<Ppm> {
        None
    }

    /// A talk spurt is being played.
    #[must_use]
    pub fn is_speaking(&self) -> bool {
        false
    }
}
