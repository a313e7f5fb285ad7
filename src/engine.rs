//! The shell around the call: spawns, names, joins and owns the threads.

pub mod command;
pub mod controls;
pub mod devices;
pub mod disk;
pub mod meters;
pub mod notice;
pub mod notices;
pub mod playback;
pub mod report;
pub mod roster;
pub mod settings;
pub mod tap;
pub mod wave;

pub use crate::call::{CallState, Reason};
pub use command::{Command, SEALED_NOT_YET, Switch, Target, WORDS};
pub use controls::{Controls, Holder};
pub use devices::DeviceCommand;
pub use meters::{Meters, PeerSnapshot, Snapshot, Stack};
pub use notice::{DeviceEntry, DeviceStatus, Direction, Notice};
pub use notices::Notices;
pub use roster::Roster;
pub use settings::{AutoAnswer, CommandInput, Settings};
pub use tap::{TAP_SAMPLES, TapReader, TapWriter, tap};
