//! `voicetui measure`: a call of its own, with the options of one. Main thread, before all others.

use std::ffi::OsString;

use clap::{ArgMatches, Args, FromArgMatches};

use super::{Cli, Invocation, Job, Options, Refusal, Start, command, conflict, passphrase_of, values};
use crate::config::{Config, ConfigError};
use crate::engine::command::MEASURE_TRIALS;
use crate::engine::{AutoAnswer, CommandInput, EarconChoice, Settings};
use crate::ui::plain::Measurement;
use crate::units::Format;

#[derive(Args, Debug)]
pub struct MeasureArgs {
    /// Whom to call; its user answers, and must have said --answer-measure
    #[arg(value_parser = values::address)]
    peer: String,
    /// Trials: of the delay of speech, and of the access time as many again; each takes about a second
    #[arg(long, value_name = "N", default_value_t = MEASURE_TRIALS, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    trials: u16,
    #[command(flatten)]
    options: Options,
}

/// The command line of a job that takes the options of a call, with the config file's in their place: the last one given counts.
pub(super) fn with_config(
    args: &[OsString],
    given: impl Fn(&str) -> bool,
    load: impl FnOnce() -> Result<Config, ConfigError>,
) -> Result<Vec<OsString>, Refusal> {
    let config = load()?;
    let config = config.args_but_for(given).filter(|(key, _)| !matches!(*key, "plain" | "json")).map(|(_, arg)| arg.into());
    Ok(args.iter().take(2).cloned().chain(config).chain(args.iter().skip(2).cloned()).collect())
}

/// `args`: all of the command line; `typed`: what followed the word.
pub fn parse(args: &[OsString], typed: &ArgMatches, load: impl FnOnce() -> Result<Config, ConfigError>) -> Result<Invocation, Refusal> {
    let given = |name: &str| typed.value_source(name) == Some(clap::parser::ValueSource::CommandLine);
    for name in ["demo", "sdp", "plain", "stdin", "open", "auto_answer", "open_on_answer", "allow_unsealed", "answer_measure", "run_for"] {
        if given(name) {
            return Err(conflict("\"measure\" calls, measures, prints and ends: of the options it takes those of sound, network and log."));
        }
    }
    let merged = with_config(args, given, load)?;
    let Some(Job::Measure(measure)) = Cli::from_arg_matches(&command().try_get_matches_from(merged)?)?.job else {
        return Err(conflict("\"measure\" comes first, then whom to measure, then options."));
    };
    let MeasureArgs { peer, trials, options } = *measure;
    if given("format") && options.settings().format != Format::Sealed {
        return Err(conflict("Only sealed calls are measured: in the clear anybody could answer."));
    }
    let settings = Settings {
        format: Format::Sealed,
        open: false,
        auto_answer: AutoAnswer::None,
        open_on_answer: false,
        allow_unsealed: false,
        answer_measure: false,
        // Nobody sits there to hear them.
        earcons: EarconChoice::Off,
        commands: CommandInput::None,
        run_for: None,
        ctl: false,
        ..options.settings()
    };
    let passphrase = passphrase_of(&options, given("passphrase_file"));
    let (log, log_level) = (options.log.clone(), options.log_level);
    let start = Start { settings, call: None, demo: false, passphrase, log, log_level };
    Ok(Invocation::Measure(start, Measurement { peer, trials, json: options.json }))
}
