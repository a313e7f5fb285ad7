//! What there is to know about the terminal, for the doctor: of the environment, and of its own answers where nobody else reads them.

use std::io::IsTerminal;

use super::memory::Memory;
use super::options::UiOptions;
use super::theme::Theme;
use crate::doctor::Finding;
use crate::doctor::terminal::{Releases, Terminal, judge};

fn var(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// While the screen has the terminal. `seen`: a key's release was seen in this run.
pub fn of_screen(options: &UiOptions, theme: &Theme, memory: &Memory, seen: bool) -> Vec<Finding> {
    let size = crossterm::terminal::size().ok();
    judge(&facts(options, theme, memory, size, if seen { Releases::Reported } else { Releases::Unseen }))
}

/// Without the screen: asks the terminal itself, if there is one. Main thread, while nobody else reads standard input.
#[must_use]
pub fn examine_terminal(options: &UiOptions, state_dir: Option<std::path::PathBuf>) -> Vec<Finding> {
    let theme = Theme::new(options, |name| std::env::var(name).ok());
    let memory = Memory::new(state_dir);
    // Both ways, or an answer would stand in the shell's next line.
    let is_terminal = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    let size = is_terminal.then(crossterm::terminal::size).and_then(Result::ok);
    let releases = if is_terminal { ask() } else { Releases::Silent };
    judge(&facts(options, &theme, &memory, size, releases))
}

fn facts(options: &UiOptions, theme: &Theme, memory: &Memory, size: Option<(u16, u16)>, releases: Releases) -> Terminal {
    let name: Vec<String> = ["TERM", "TERM_PROGRAM"].into_iter().filter_map(var).collect();
    let multiplexer = [("TMUX", "tmux"), ("STY", "screen"), ("ZELLIJ", "zellij")].into_iter().find(|(name, _)| var(name).is_some());
    Terminal {
        name: if name.is_empty() { "TERM is not set".into() } else { name.join(", ") },
        size,
        colours: theme.colours(),
        unicode: theme.glyphs.blocks,
        multiplexer: multiplexer.map(|(_, name)| name),
        mouse: options.mouse,
        releases,
        repeat: memory.learned().delay(),
    }
}

/// Asks whether the kitty protocol is spoken, and then for the attributes that every terminal tells.
#[cfg(unix)]
fn ask() -> Releases {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    use std::time::{Duration, Instant};

    use crate::doctor::terminal::releases_of;

    /// A terminal at the end of a slow line may take this long.
    const PATIENCE: Duration = Duration::from_millis(700);
    /// No true answer is longer, bytes.
    const ANSWER_MAX: usize = 256;

    if crossterm::terminal::enable_raw_mode().is_err() {
        return Releases::Silent;
    }
    let (input, end) = (rustix::stdio::stdin(), Instant::now() + PATIENCE);
    let asked = rustix::io::write(rustix::stdio::stdout(), b"\x1b[?u\x1b[c").is_ok();
    let (mut answer, mut releases) = (Vec::new(), None);
    while asked && releases.is_none() && answer.len() < ANSWER_MAX {
        let left = end.saturating_duration_since(Instant::now());
        let Ok(left) = Timespec::try_from(left) else { break };
        let mut bytes = [0; 64];
        match poll(&mut [PollFd::new(&input, PollFlags::IN)], Some(&left)) {
            Ok(1..) => match rustix::io::read(input, &mut bytes) {
                Ok(n @ 1..) => answer.extend_from_slice(&bytes[..n]),
                _ => break,
            },
            Err(rustix::io::Errno::INTR) => continue,
            _ => break,
        }
        releases = releases_of(&answer);
    }
    let _ = crossterm::terminal::disable_raw_mode();
    releases.unwrap_or(Releases::Silent)
}

/// Consoles of Windows report releases by themselves.
#[cfg(not(unix))]
fn ask() -> Releases {
    if cfg!(windows) { Releases::Reported } else { Releases::Silent }
}
