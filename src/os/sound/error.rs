//! Why a device could not be opened, or was lost: each with one sentence for the user.

use std::fmt;
use std::path::PathBuf;

use super::Direction;

/// Why there is no stream. `Display` is one sentence: what happened, to what, what to do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum OpenError {
    /// The host has no device of that kind at all.
    NoDevice(Direction),
    /// No device of that id or name.
    NotFound {
        direction: Direction,
        name: String,
    },
    Busy {
        direction: Direction,
        name: String,
    },
    PermissionDenied {
        direction: Direction,
        name: String,
    },
    /// No format in common.
    Unsupported {
        direction: Direction,
        name: String,
        why: String,
    },
    /// The device or its server did not answer in time.
    NoAnswer {
        direction: Direction,
        name: String,
    },
    /// The audio host is built in, but its server does not run.
    HostDown(String),
    /// The audio host's server runs, and lets this program not in.
    HostRefuses(String),
    /// No such host in this program.
    UnknownHost {
        name: String,
        known: String,
    },
    /// Not a readable sound file.
    NotAWav {
        path: PathBuf,
        why: String,
    },
    /// A file that cannot be opened or made.
    File {
        path: PathBuf,
        why: String,
    },
    /// A virtual device with a bad argument.
    BadSpec {
        direction: Direction,
        spec: String,
        why: String,
    },
    Other {
        direction: Direction,
        name: String,
        why: String,
    },
}

impl OpenError {
    /// Trying again later may help, without the user changing anything.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        !matches!(self, Self::UnknownHost { .. } | Self::NotAWav { .. } | Self::BadSpec { .. } | Self::File { .. })
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoDevice(direction) => {
                let option = direction.option();
                write!(f, "There is no {}: plug one in (it is taken by itself), or choose another with {option}.", direction.noun())
            }
            Self::NotFound { direction, name } => write!(
                f,
                "There is no {} called \"{name}\": plug it in, or choose one that `voicetui devices` lists with {}.",
                direction.noun(),
                direction.option()
            ),
            Self::Busy { direction, name } => {
                write!(f, "The {} \"{name}\" is in use by another program: close that one, or choose another device.", direction.noun())
            }
            Self::PermissionDenied { direction, name } => write!(
                f,
                "The {} \"{name}\" may not be opened: allow this program to use it (on Linux: add yourself to the group `audio` and log in again).",
                direction.noun()
            ),
            Self::Unsupported { direction, name, why } => {
                write!(f, "The {} \"{name}\" offers no format that can be used ({why}): choose another device.", direction.noun())
            }
            Self::NoAnswer { direction, name } => {
                write!(f, "The {} \"{name}\" does not answer: check its sound server, or choose another device.", direction.noun())
            }
            Self::HostDown(host) => {
                write!(f, "The sound system {host} does not answer: start its server, or choose another with --host.")
            }
            Self::HostRefuses(host) => write!(
                f,
                "The sound system {host} does not let this program in: give it the server's cookie (PULSE_COOKIE=FILE), or choose another with --host."
            ),
            Self::UnknownHost { name, known } => write!(f, "There is no sound system \"{name}\" in this program: it has {known}."),
            Self::NotAWav { path, why } => {
                write!(f, "{} is not a WAV file that can be played ({why}): give another, or convert it.", path.display())
            }
            Self::File { path, why } => write!(f, "{} cannot be used ({why}): give another file.", path.display()),
            Self::BadSpec { direction, spec, why } => write!(f, "{} {spec}: {why}.", direction.option()),
            Self::Other { direction, name, why } => {
                write!(f, "The {} \"{name}\" could not be opened ({why}): choose another device.", direction.noun())
            }
        }
    }
}

impl std::error::Error for OpenError {}

/// Why a running stream ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Failure {
    /// Pulled out, switched off, or its server ended.
    Gone = 1,
    /// The device's own error; a new stream may work at once.
    Broken = 2,
    /// No callback came for a second.
    Stalled = 3,
    PermissionDenied = 4,
    /// The file of a virtual output cannot grow.
    DiskFull = 5,
}

impl Failure {
    pub(super) fn from_byte(byte: u8) -> Option<Self> {
        [Self::Gone, Self::Broken, Self::Stalled, Self::PermissionDenied, Self::DiskFull].into_iter().find(|failure| *failure as u8 == byte)
    }

    /// One sentence about the device `name`.
    #[must_use]
    pub fn sentence(self, direction: Direction, name: &str) -> String {
        let noun = direction.noun();
        match self {
            Self::Gone => format!("The {noun} \"{name}\" is gone: plug it in again, or choose another; the call goes on."),
            Self::Broken => format!("The {noun} \"{name}\" stopped with an error: it is opened again; the call goes on."),
            Self::Stalled => format!("The {noun} \"{name}\" has stood still for a second: it is opened again; the call goes on."),
            Self::PermissionDenied => {
                format!("The {noun} \"{name}\" was taken from this program: allow its use, or choose another device.")
            }
            Self::DiskFull => {
                format!("The file of \"{name}\" cannot grow (disk full?): make room, or choose another output; the call goes on.")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_failure_survives_its_byte_and_has_a_sentence() {
        for failure in [Failure::Gone, Failure::Broken, Failure::Stalled, Failure::PermissionDenied, Failure::DiskFull] {
            assert_eq!(Failure::from_byte(failure as u8), Some(failure));
            assert!(failure.sentence(Direction::Input, "USB").contains("\"USB\""));
        }
        assert_eq!(Failure::from_byte(0), None);
    }

    #[test]
    fn an_error_names_the_thing_and_says_what_to_do() {
        let busy = OpenError::Busy { direction: Direction::Input, name: "hw:0".into() };
        assert_eq!(busy.to_string(), "The microphone \"hw:0\" is in use by another program: close that one, or choose another device.");
        assert!(busy.may_pass());
        assert!(!OpenError::NotAWav { path: "x.wav".into(), why: "no RIFF".into() }.may_pass());
    }
}
