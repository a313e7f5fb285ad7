//! The door for `voicetui ctl`: a socket in a folder of the user's own, one for each running instance. The control thread.

use std::fmt;
use std::io;

/// Why there is no door, or nobody behind it. Displays as one sentence.
#[derive(Debug)]
pub enum DoorError {
    /// Nothing of this user runs.
    NobodyRuns,
    /// No instance of that process number.
    NoSuchInstance {
        pid: u32,
        running: Vec<u32>,
    },
    /// The folder belongs to somebody else, or others may enter it.
    Unsafe {
        folder: String,
        why: String,
    },
    Io {
        what: String,
        error: io::Error,
    },
    /// This platform has no such sockets here.
    Unsupported,
}

impl fmt::Display for DoorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NobodyRuns => f.write_str("No voicetui of yours is running: start one, then try again."),
            Self::NoSuchInstance { pid, running } => {
                let running: Vec<String> = running.iter().map(ToString::to_string).collect();
                write!(f, "No voicetui of yours has the process number {pid}: running are {}.", running.join(", "))
            }
            Self::Unsafe { folder, why } => {
                write!(f, "The folder {folder} is not safe for the control socket ({why}): remove it, or set XDG_RUNTIME_DIR.")
            }
            Self::Io { what, error } => write!(f, "The control socket {what} cannot be used: {error}."),
            Self::Unsupported => f.write_str("`voicetui ctl` is not available on this platform: use the keys or --plain."),
        }
    }
}

impl std::error::Error for DoorError {}

/// A running instance.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Instance {
    pub pid: u32,
    pub path: std::path::PathBuf,
}

#[cfg(unix)]
mod unix;
#[cfg(unix)]
pub use unix::{Door, connect, instances};

/// Where there is no such socket.
#[cfg(not(unix))]
mod none {
    use super::{DoorError, Instance};

    /// Cannot be had here.
    #[derive(Debug)]
    pub enum Door {}

    impl Door {
        /// # Errors
        /// Always.
        pub fn open() -> Result<Self, DoorError> {
            Err(DoorError::Unsupported)
        }
    }

    #[must_use]
    pub fn instances() -> Vec<Instance> {
        Vec::new()
    }
}
#[cfg(not(unix))]
pub use none::{Door, instances};
