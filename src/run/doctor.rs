//! `voicetui doctor`: the checks made, the report printed. Main thread.

use std::io::{self, IsTerminal};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::{Hush, print};
use crate::cli::Examination;
use crate::doctor::{Finding, Report, Section, Verdict};
use crate::engine::control;
use crate::engine::doctor::{Patient, begin};
use crate::os::{files, local_socket};
use crate::ui;

/// Other voicetuis are asked no more often than this.
const ASK_EVERY: Duration = Duration::from_millis(250);

/// Fails if something is bad.
///
/// # Errors
/// The report cannot be printed.
pub fn run(asked: Examination) -> anyhow::Result<ExitCode> {
    let Examination { settings, peer, config_problem, ui: options, json } = asked;
    // The terminal first: its answers come by standard input, and nobody else reads that now.
    let terminal = ui::examine_terminal(&options, files::state_dir());
    if io::stderr().is_terminal() {
        eprintln!("Some ten seconds. Say something to the microphone; soft chirps from the loudspeaker follow.");
    }
    let hush = Hush::begin();
    let patient = Patient { peer, config_problem, in_call: Arc::new(elsewhere()), ..Patient::of(&settings) };
    let mut report = begin(patient).into_iter().last().unwrap_or_else(unmade);
    drop(hush);
    report.extend(terminal);
    let text = if json { format!("{}\n", report.json()) } else { report.text() };
    print(text.as_bytes())?;
    Ok(if report.verdict() == Verdict::Bad { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn unmade() -> Report {
    let mut report = Report::default();
    let advice = "The checks failed. Please report it, with the log.";
    report.extend([Finding::bad(Section::Program, "checks", "none was made", advice)]);
    report
}

/// Whether a voicetui of this user, in another process, is in a call: a chirp would leave by its microphone.
fn elsewhere() -> impl Fn() -> bool + Send + Sync {
    let known: Mutex<Option<(Instant, bool)>> = Mutex::default();
    move || {
        let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
        match *known {
            Some((at, in_call)) if at.elapsed() < ASK_EVERY => in_call,
            _ => {
                let in_call = local_socket::instances().iter().any(|one| control::is_in_call(one.pid));
                *known = Some((Instant::now(), in_call));
                in_call
            }
        }
    }
}
