//! What happens to the own voice before it is encoded. Pure; runs on the sender thread.
//!
//! ```text
//! microphone -> high-pass -> echo -> (voice activation hears it here) -> knocks, noise -> gain -> limiter -> encoder
//!                             ^ far end: what the loudspeaker plays
//! ```
//!
//! High-pass and limiter are always in it, and add no delay. A clean voice passes the others untouched: each joins where it is wanted.

mod bands;
mod echo;
mod floor;
mod fourier;
mod gain;
mod high_pass;
mod history;
mod knocks;
mod linear;
mod loudness;
mod moves;
mod prior;
mod reference;
mod residual;
mod spares;
mod stage;
mod stages;
mod trend;

use std::fmt;
use std::time::Duration;

use super::Frame;
use super::limiter::Limiter;
use crate::units::duration_of;
use echo::Echo;
use floor::Floor;
use gain::{Gain, Speaks};
use knocks::Knocks;
use stage::Stage;
use stages::Noise;

pub use high_pass::HighPass;
pub use reference::Reference;

/// Below it is rumble, hum and breath, Hz.
const HIGH_PASS_HZ: f32 = 80.0;
/// Noise suppression joins by itself above this floor, and leaves below that one, dBFS (root mean square).
const NOISY_DB: f32 = -55.0;
const QUIET_AGAIN_DB: f32 = -60.0;
/// The floor must stay there for so many frames.
const NOISY_FRAMES: u32 = 100;
const QUIET_AGAIN_FRAMES: u32 = 500;
/// Frames a stage hears before its work is used. Noise suppression needs them to know the noise.
const ECHO_LISTENS: u32 = 5;
const NOISE_LISTENS: u32 = 50;

/// What the far end plays louder than this has an echo, linear: -50 dBFS.
const AUDIBLE: f32 = 3e-3;

/// When a stage works.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(u8)]
pub enum When {
    /// Where it is of use.
    #[default]
    Auto,
    On,
    Off,
}

impl When {
    pub const ALL: [Self; 3] = [Self::Auto, Self::On, Self::Off];

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::On => "on",
            Self::Off => "off",
        }
    }

    /// The one that a key press comes to next.
    #[must_use]
    pub fn next(self) -> Self {
        Self::ALL[(self as usize + 1) % Self::ALL.len()]
    }
}

impl std::str::FromStr for When {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|when| when.name() == text).ok_or_else(|| "auto, on and off are possible".into())
    }
}

/// What the next frame is to go through.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Wanted {
    /// Whether there is an echo to cancel is for the caller to know.
    pub echo: bool,
    pub noise: When,
    pub gain: bool,
}

/// What a frame has gone through.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct AtWork {
    pub echo: bool,
    pub noise: bool,
    /// dB.
    pub gain: f32,
}

/// The sender's chain.
pub struct Chain {
    wanted: Wanted,
    high_pass: HighPass,
    echo: Stage<Echo>,
    floor: Floor,
    /// Noise suppression is wanted by what the microphone hears, and for how many frames it has been otherwise.
    noisy: bool,
    otherwise: u32,
    noise: Stage<Noise>,
    /// The far end plays in this frame, and its echo is cancelled.
    far_speaks: bool,
    knocks: Knocks,
    gain: Gain,
    limiter: Limiter,
}

impl fmt::Debug for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chain").field("wanted", &self.wanted).field("at_work", &self.at_work()).finish_non_exhaustive()
    }
}

impl Default for Chain {
    fn default() -> Self {
        Self {
            wanted: Wanted::default(),
            high_pass: HighPass::new(HIGH_PASS_HZ),
            echo: Stage::new(ECHO_LISTENS, Echo::new),
            floor: Floor::default(),
            noisy: false,
            otherwise: 0,
            noise: Stage::new(NOISE_LISTENS, Noise::new),
            far_speaks: false,
            knocks: Knocks::default(),
            gain: Gain::default(),
            limiter: Limiter::new(),
        }
    }
}

impl Chain {
    /// From the next frame on.
    pub fn set(&mut self, wanted: Wanted) {
        self.wanted = wanted;
    }

    /// The first half, in place: rumble and echo go. `far`: what the loudspeaker played meanwhile ([`Reference::take`]).
    /// Allocates where a stage joins or works.
    pub fn clean(&mut self, frame: &mut Frame, far: Option<&Frame>) {
        for sample in frame.iter_mut() {
            if !sample.is_finite() {
                *sample = 0.0;
            }
        }
        self.high_pass.process(frame);
        self.echo.process(frame, far, self.wanted.echo);
        let is_loud = |far: &Frame| far.iter().any(|sample| sample.abs() > AUDIBLE);
        self.far_speaks = self.echo.is_on() && far.is_some_and(is_loud);
    }

    /// The second half, in place: noise goes, the level is evened, nothing clips. `speaks`: somebody does, or has within a tenth of
    /// a second ([`crate::audio::vad::Vad::is_voice`]).
    pub fn finish(&mut self, frame: &mut Frame, speaks: bool) {
        // What is left of an echo is no noise.
        self.floor.push(frame, speaks || self.far_speaks);
        self.watch_floor();
        let wanted = match self.wanted.noise {
            When::Auto => self.noisy,
            When::On => true,
            When::Off => false,
        };
        self.knocks.process(frame, speaks, self.wanted.noise != When::Off);
        self.noise.process(frame, None, wanted);
        // What is left of an echo sounds like a quiet voice: it must not be lifted.
        let who = match (self.far_speaks, speaks) {
            (true, _) => Speaks::Far,
            (false, true) => Speaks::Here,
            (false, false) => Speaks::Nobody,
        };
        self.gain.process(frame, who, self.wanted.gain);
        self.limiter.process(frame);
    }

    fn watch_floor(&mut self) {
        let other = self.floor.dbfs().is_some_and(|floor| if self.noisy { floor < QUIET_AGAIN_DB } else { floor > NOISY_DB });
        self.otherwise = if other { self.otherwise + 1 } else { 0 };
        if self.otherwise > if self.noisy { QUIET_AGAIN_FRAMES } else { NOISY_FRAMES } {
            (self.noisy, self.otherwise) = (!self.noisy, 0);
        }
    }

    /// How much later a sound leaves [`Chain::clean`] than it came.
    #[must_use]
    pub fn cleaned_delay(&self) -> Duration {
        duration_of(self.echo.delay_samples() as u64)
    }

    /// How much later it leaves [`Chain::finish`] than it came to [`Chain::clean`].
    #[must_use]
    pub fn delay(&self) -> Duration {
        duration_of((self.echo.delay_samples() + self.noise.delay_samples()) as u64)
    }

    #[must_use]
    pub fn at_work(&self) -> AtWork {
        AtWork { echo: self.echo.is_on(), noise: self.noise.is_on() || self.types(), gain: self.gain.db() }
    }

    fn types(&self) -> bool {
        self.wanted.noise != When::Off && self.knocks.types()
    }

    /// How loud it is while nobody speaks, dBFS, before noise suppression; `None`: not known yet.
    #[must_use]
    pub fn floor(&self) -> Option<f32> {
        self.floor.dbfs()
    }

    /// Forgets the past: the microphone was away, or is another one.
    pub fn reset(&mut self) {
        self.high_pass.reset();
        self.echo.reset();
        self.floor = Floor::default();
        (self.noisy, self.otherwise) = (false, 0);
        self.noise.reset();
        self.knocks = Knocks::default();
        self.gain.reset();
        self.limiter = Limiter::new();
    }
}

#[cfg(test)]
pub(super) mod testing;
#[cfg(test)]
mod tests;
