//! Running without a screen: `--plain` prints a sentence for each event, `--json` an object. Main thread.
//!
//! Every JSON line has `event` and `time` (RFC 3339 with offset); the other fields of each event stand in [`EVENTS`].

mod json;
mod measure;
mod output;
mod words;

use std::io::{self, ErrorKind, Write};
use std::time::{Duration, Instant};

use crossbeam_channel::RecvTimeoutError;
use jiff::Zoned;

pub use json::EVENTS;
pub use measure::{Measurement, measure};
pub use output::Output;

use super::Link;
use crate::engine::{Notice, Roster, Snapshot, report};

/// How events are printed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    /// For people and screen readers.
    Plain,
    /// For programs; a `stats` event each second.
    Json,
}

/// Time between two `stats` events.
const STATS_EVERY: Duration = Duration::from_secs(1);

/// Prints what happens until the engine says [`Notice::Quit`] or is gone, or nobody reads the output any more.
///
/// # Errors
/// The output cannot be written. A closed pipe is no error: whoever read it has seen enough.
pub fn run(link: &Link, mode: Mode, out: &mut impl Write) -> anyhow::Result<()> {
    match print_all(link, mode, out) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        Err(error) => Err(anyhow::Error::new(error).context("the output cannot be written")),
        Ok(()) => Ok(()),
    }
}

fn print_all(link: &Link, mode: Mode, out: &mut impl Write) -> io::Result<()> {
    let mut printer = Printer { link, mode, roster: Roster::default() };
    let mut stats_at = Instant::now() + STATS_EVERY;
    loop {
        let received = match mode {
            Mode::Json => link.notices.recv_deadline(stats_at),
            Mode::Plain => link.notices.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        match received {
            Ok(notice) => {
                printer.print(&notice, out)?;
                if notice == Notice::Quit {
                    return Ok(());
                }
            }
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
            Err(RecvTimeoutError::Timeout) => {}
        }
        let now = Instant::now();
        if mode == Mode::Json && now >= stats_at {
            printer.print(&Notice::Stats, out)?;
            // Not `+=`: after a stop, no burst of lines that all say the same.
            stats_at = (stats_at + STATS_EVERY).max(now);
        }
    }
}

struct Printer<'a> {
    link: &'a Link,
    mode: Mode,
    roster: Roster,
}

impl Printer<'_> {
    fn print(&mut self, notice: &Notice, out: &mut impl Write) -> io::Result<()> {
        // Who left is named by what was known of it before, who came by what is known after.
        let departs = matches!(notice, Notice::Gone { .. });
        if !departs {
            self.roster.handle_notice(notice);
        }
        let lines = self.lines(notice, &Zoned::now());
        if departs {
            self.roster.handle_notice(notice);
        }
        if lines.is_empty() {
            return Ok(());
        }
        // One write for each event: a reader never sees half a line of two programs.
        out.write_all(lines.as_bytes())?;
        out.flush()
    }

    fn lines(&self, notice: &Notice, now: &Zoned) -> String {
        let snapshot = || Snapshot::take(&self.link.meters, &self.link.controls, Instant::now());
        match self.mode {
            Mode::Json => {
                let (name, fields) = match notice {
                    Notice::Stats => ("stats", report::stats(&snapshot(), &self.roster)),
                    other => json::event_of(other, &self.roster),
                };
                let mut line = report::event(name, now, fields).to_string();
                if *notice == Notice::Quit {
                    // The last figures, for whoever sums them up.
                    let last = report::event("stats", now, report::stats(&snapshot(), &self.roster));
                    line = format!("{last}\n{line}");
                }
                line + "\n"
            }
            Mode::Plain => {
                let sentences = match notice {
                    Notice::Stats => words::stats(&snapshot(), &self.roster),
                    other => words::sentences(other, &self.roster),
                };
                let clock = now.strftime("%H:%M:%S").to_string();
                sentences.iter().map(|sentence| format!("{clock} {}\n", printable(sentence))).collect()
            }
        }
    }
}

/// Nothing that a terminal would obey, whoever wrote it.
fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).collect()
}

#[cfg(test)]
mod tests;
