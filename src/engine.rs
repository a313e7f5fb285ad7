//! The shell around the call: spawns, names, joins and owns the threads.

pub mod command;
pub mod commander;
pub mod control;
pub mod controls;
pub mod demo;
pub mod devices;
pub mod disk;
mod hints;
pub mod meters;
pub mod notice;
pub mod notices;
pub mod playback;
mod receiver;
pub mod report;
mod resolver;
pub mod roster;
mod sender;
pub mod settings;
mod start;
pub mod tap;
pub mod wave;

pub use crate::call::{CallState, Reason, SendReason, Sending};
pub use command::{Command, SEALED_NOT_YET, Switch, Target, WORDS};
pub use commander::Commander;
pub use controls::{Controls, Holder};
pub use devices::DeviceCommand;
pub use meters::{Meters, PeerSnapshot, Snapshot, Stack};
pub use notice::{DeviceEntry, DeviceStatus, Direction, Notice};
pub use notices::Notices;
pub use roster::Roster;
pub use settings::{AutoAnswer, CommandInput, Settings};
pub use start::Engine;
pub use tap::{TAP_SAMPLES, TapReader, TapWriter, tap};
