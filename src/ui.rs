//! The screen: app state, drawing, keys, and the plain modes.

pub mod options;

pub use options::{ThemeChoice, UiOptions};
