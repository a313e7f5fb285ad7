//! What the keys act on: the call, a field, or what lies over the view. Main thread.

use super::Picker;
use crate::doctor::Report;
use crate::ui::keymap::Context;
use crate::units::PeerId;

/// What the keys act on.
#[derive(Clone, PartialEq, Debug)]
pub enum Mode {
    Main,
    /// The address field has the focus: letters are text, Space too.
    Field,
    Help {
        scroll: u16,
    },
    Picker(Picker),
    /// The doctor's report.
    Doctor {
        scroll: u16,
    },
    /// "In a call: really quit?"
    Quit,
    /// A peer that was met sealed is called in the clear only if its name is typed.
    Clear {
        id: PeerId,
        typed: String,
    },
}

impl Mode {
    #[must_use]
    pub fn context(&self) -> Context {
        match self {
            Self::Main => Context::Main,
            Self::Field => Context::Field,
            Self::Help { .. } => Context::Help,
            Self::Picker(_) => Context::Picker,
            Self::Doctor { .. } => Context::Doctor,
            Self::Quit => Context::Quit,
            Self::Clear { .. } => Context::Clear,
        }
    }
}

/// What the doctor has found so far.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Checkup {
    pub report: Report,
    /// Checks are under way.
    pub running: bool,
}
