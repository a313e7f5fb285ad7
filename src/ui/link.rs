//! The screen's link to the engine: all that it knows of it. Tests feed a fake one.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::Receiver;

use crate::engine::doctor::Patient;
use crate::engine::{Command, Controls, Meters, Notice};

/// What the screen sets, what it reads, what it hears, how it asks, and what the settings say that it must know.
pub struct Link {
    pub controls: Arc<Controls>,
    pub meters: Arc<Meters>,
    pub notices: Receiver<Notice>,
    /// Never blocks for long; a refusal comes back as [`Notice::Problem`].
    pub commands: Box<dyn Fn(Command) + Send + Sync>,
    /// A talk key held longer than this un-keys.
    pub talk_timeout: Duration,
    /// Where the peers called and the keyboard's timing are kept (`$XDG_STATE_HOME/voicetui`); `None`: nowhere.
    pub state_dir: Option<PathBuf>,
    /// What the doctor examines.
    pub patient: Patient,
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").finish_non_exhaustive()
    }
}
