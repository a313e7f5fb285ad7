//! What the user wants done to the own voice, and what is done: atomics between the screen and the sender thread.

use std::fmt;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

use crate::audio::process::When;

/// What the user wants of echo cancellation, noise suppression and automatic gain.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Processing {
    pub echo: When,
    pub noise: When,
    pub gain: bool,
}

impl Default for Processing {
    fn default() -> Self {
        Self { echo: When::Auto, noise: When::Auto, gain: true }
    }
}

impl fmt::Display for Processing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "echo {}, noise {}, gain {}", self.echo.name(), self.noise.name(), if self.gain { "on" } else { "off" })
    }
}

/// A [`Processing`] in one byte.
#[derive(Debug, Default)]
pub(super) struct ProcessingCell(AtomicU8);

impl ProcessingCell {
    pub(super) fn get(&self) -> Processing {
        let byte = self.0.load(Relaxed);
        let when = |bits: u8| When::ALL[usize::from(bits & 3).min(2)];
        Processing { echo: when(byte), noise: when(byte >> 2), gain: byte & 16 == 0 }
    }

    pub(super) fn set(&self, wanted: Processing) {
        self.0.store(wanted.echo as u8 | (wanted.noise as u8) << 2 | u8::from(!wanted.gain) << 4, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_wish_comes_back_as_it_was() {
        let cell = ProcessingCell::default();
        assert_eq!(cell.get(), Processing::default());
        for echo in When::ALL {
            for noise in When::ALL {
                for gain in [false, true] {
                    let wanted = Processing { echo, noise, gain };
                    cell.set(wanted);
                    assert_eq!(cell.get(), wanted);
                }
            }
        }
    }
}
