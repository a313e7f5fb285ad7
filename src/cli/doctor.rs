//! `voicetui doctor`: what to examine, by the options of a call. Main thread, before all others.

use std::ffi::OsString;

use clap::{ArgMatches, Args, FromArgMatches};

use super::measure::with_config;
use super::{Cli, Invocation, Job, Options, Refusal, command, conflict, values};
use crate::config::{Config, ConfigError};
use crate::engine::Settings;
use crate::ui::UiOptions;

pub(super) const ORDER: &str = "\"doctor\" comes first, then a peer if there is one, then options.";

/// Options of a call that say what to examine, or how the report is printed.
const TAKEN: [&str; 13] =
    ["peer", "json", "no_json", "input", "output", "host", "bind", "port", "theme", "ascii", "no_ascii", "mouse", "no_mouse"];

/// What is asked for.
#[derive(Clone, PartialEq, Debug)]
pub struct Examination {
    /// Of a call: its devices and its port are looked at.
    pub settings: Settings,
    pub peer: Option<String>,
    /// Why the config file is not used, and where in it.
    pub config_problem: Option<String>,
    /// How the screen would look.
    pub ui: UiOptions,
    /// One object in place of the text.
    pub json: bool,
}

#[derive(Args, Debug)]
pub struct DoctorArgs {
    /// At whose port to knock: a name or an IP address, with :PORT if it is not 5005
    #[arg(value_parser = values::address)]
    peer: Option<String>,
    #[command(flatten)]
    options: Options,
}

/// `args`: all of the command line; `typed`: what followed the word.
pub fn parse(args: &[OsString], typed: &ArgMatches, load: impl FnOnce() -> Result<Config, ConfigError>) -> Result<Invocation, Refusal> {
    let given = |name: &str| typed.value_source(name) == Some(clap::parser::ValueSource::CommandLine);
    // Groups of clap's own have names, too: only what is an argument counts.
    let arguments: Vec<String> = command()
        .find_subcommand("doctor")
        .map(|doctor| doctor.get_arguments().map(|argument| argument.get_id().to_string()).collect())
        .unwrap_or_default();
    if arguments.iter().any(|name| given(name) && !TAKEN.contains(&name.as_str())) {
        return Err(conflict(
            "\"doctor\" looks and reports: of the options it takes --input, --output, --host, --bind, --port, --theme, --ascii, --mouse and --json, each with its opposite.",
        ));
    }
    // A file that is not understood is a finding, and no reason to look at nothing.
    let (config, config_problem) = match load() {
        Ok(config) => (config, None),
        Err(error) => (Config::default(), Some(error.problem())),
    };
    let merged = with_config(args, given, || Ok(config))?;
    let Some(Job::Doctor(doctor)) = Cli::from_arg_matches(&command().try_get_matches_from(merged)?)?.job else {
        return Err(conflict(ORDER));
    };
    let DoctorArgs { peer, options } = *doctor;
    Ok(Invocation::Doctor(Examination { settings: options.settings(), peer, config_problem, ui: options.ui(), json: options.json }))
}
