//! What a user can ask for, and the one parser of its words: standard input, `ctl` and tests share it. Pure.

use crate::units::{Format, PeerId};

/// A switch that can be set or flipped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Switch {
    On,
    Off,
    Toggle,
}

impl Switch {
    /// What a switch that stands at `now` becomes.
    #[must_use]
    pub fn apply(self, now: bool) -> bool {
        match self {
            Self::On => true,
            Self::Off => false,
            Self::Toggle => !now,
        }
    }
}

/// Which peers a command is for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Target {
    All,
    /// The one in a slot (the screen's selection).
    Slot(PeerId),
    /// The one of that address or name, as a user types it.
    Named(String),
}

/// What the user asks of the engine.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Command {
    /// `format`: `None` takes the configured one.
    Call {
        address: String,
        format: Option<Format>,
    },
    Hangup(Target),
    Answer(Target),
    Decline(Target),
    /// Keys the microphone for `Holder::Ctl`.
    Talk(Switch),
    Open(Switch),
    Mute(Switch),
    Deafen(Switch),
    /// Percent, 0..=200.
    Volume {
        target: Target,
        percent: u8,
    },
    /// Asks for a [`super::Notice::Stats`].
    Stats,
    Record(Switch),
    /// Switch a device during the call (what `--input`, `--output` and `--host` take).
    Input(String),
    Output(String),
    Host(String),
    /// Asks for a [`super::Notice::Devices`].
    ListDevices,
    /// Runs the microphone for the level test of the picker, without a call; nothing leaves.
    LevelTest(Switch),
    Quit,
}
