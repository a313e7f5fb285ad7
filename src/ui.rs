//! The screen: app state, drawing, keys, and the plain modes. The full screen's loop runs on the main thread.
//!
//! ```text
//! terminal --bytes--> input thread [talk key] --leases--> Controls         (drawing is never between key and wire)
//!                          | keys, clicks
//! engine --Notice-->  main loop [App] --Command--> engine
//!          Meters --Snapshot--> App, screen::draw --one write--> terminal
//! ```

mod action;
mod app;
mod checkup;
mod field;
mod history;
mod input;
mod keymap;
mod link;
mod memory;
pub mod options;
pub mod plain;
mod run;
mod screen;
mod signals;
mod terminal;
pub mod text;
mod theme;

pub use checkup::examine_terminal;
pub use keymap::markdown as keys_as_markdown;
pub use link::Link;
pub use options::{ThemeChoice, UiOptions};
pub use run::{check_terminal, run};

#[cfg(test)]
mod fake;
