//! The screen: app state, drawing, keys, and the plain modes. The full screen's loop runs on the main thread.

mod link;
pub mod options;
pub mod plain;

pub use link::Link;
pub use options::{ThemeChoice, UiOptions};

use std::io::IsTerminal;

/// Runs the full screen on the calling (main) thread until the user quits, the engine says [`crate::engine::Notice::Quit`],
/// or a signal ends it. The terminal is left as it was found.
///
/// # Errors
/// One sentence: no terminal, or the terminal refused.
pub fn run(link: Link, options: UiOptions) -> anyhow::Result<()> {
    if !std::io::stdin().is_terminal() || !std::io::stdout().is_terminal() {
        anyhow::bail!("no terminal here for the full screen: run it in a terminal, or with --plain (or --json) without one");
    }
    let _ = (link, options);
    anyhow::bail!("the full screen is not finished yet: use --plain")
}
