//! The command line: what can be asked for, how it is explained, and which combinations are refused. Main thread, before all others.
//!
//! The definitions below are the one table of options: help, completions, the manual page, the config file's keys, their
//! defaults and comments (`config.rs`) are all read from it.

mod doctor;
mod measure;
mod options;
mod peers;
mod values;

use std::ffi::OsString;
use std::fmt::Write as _;
use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};
pub use clap_complete::Shell;
use tracing::level_filters::LevelFilter;
use unicode_width::UnicodeWidthStr;

use crate::config::{Config, ConfigError};
use crate::engine::report::{PEER_FIELDS, STATS_FIELDS};
use crate::engine::{DeviceEntry, Direction, Settings};
use crate::session::trust::Edit;
use crate::ui::UiOptions;
use crate::ui::plain::{EVENTS, Measurement};
use crate::units::Format;
use doctor::DoctorArgs;
pub use doctor::Examination;
use measure::MeasureArgs;
pub use options::ONCE;
use options::Options;
use peers::PeersJob;
pub use peers::table as peer_table;

const ABOUT: &str = "A full-screen terminal intercom: type a peer's address, hold Space, talk";

const LONG_ABOUT: &str = "A full-screen terminal intercom: type a peer's address, hold Space, talk.

Without an address the screen opens with the address field in focus. With one it calls at once. \
Calls between two voicetuis are sealed: encrypted, and with a key that is remembered; the four words on both screens tell whether \
somebody sits in between. Every option can also stand in \
the config file (see \"voicetui config\"); the command line wins. Each switch has its opposite (--open and --no-open): the last \
one given counts.";

const EXAMPLES: &str = "\
Examples:
  voicetui --demo                       see and hear it all, with a built-in peer
  voicetui 10.0.1.217                   call that machine, on port 5005
  voicetui --format pcm 10.0.1.217      call the original Python scripts
  voicetui --plain --auto-answer all    no screen: a line for each event, commands on standard input
  voicetui ctl talk toggle              key the microphone of the running voicetui, from a hotkey";

#[derive(Parser, Debug)]
#[command(
    name = "voicetui",
    version,
    about = ABOUT,
    long_about = LONG_ABOUT,
    after_help = EXAMPLES,
    override_usage = "voicetui [OPTIONS] [ADDRESS]\n       voicetui <COMMAND>",
    args_override_self = true,
    disable_help_subcommand = true,
    max_term_width = 110
)]
struct Cli {
    /// Whom to call: a name or an IP address, with :PORT if it is not 5005
    ///
    /// IPv6 addresses are written as 2001:db8::1, or `[2001:db8::1]:PORT` with a port. A machine whose name is one of the commands below
    /// is called with its port: devices:5005.
    #[arg(value_parser = values::address)]
    address: Option<String>,
    #[command(flatten)]
    options: Options,
    #[command(subcommand)]
    job: Option<Job>,
}

#[derive(Subcommand, Debug)]
enum Job {
    /// List the audio hosts, microphones and loudspeakers
    Devices {
        /// Only this audio host
        #[arg(long, value_name = "HOST", value_parser = values::host_parser())]
        host: Option<String>,
    },
    /// Command the voicetui that is running, from another shell, a hotkey or a foot pedal
    ///
    /// Words are those of --plain: call ADDRESS, hangup, answer, decline, talk on|off|toggle, open on|off|toggle, mute on|off|toggle,
    /// record on|off, dump FILE, stats, quit and more (see "voicetui ctl help"). "talk hold" keeps the microphone on air while this process lives.
    Ctl(CtlArgs),
    /// Measure the delay of a call, mouth to ear, by chirps: call, measure, print, hang up
    ///
    /// The peer's user answers the call, and must have said --answer-measure. No microphone is on air and nothing is played on either side
    /// while it measures. With --json it prints one object.
    #[command(args_override_self = true)]
    Measure(Box<MeasureArgs>),
    /// Check sound, network, terminal, clock and files, and say what to do: a report to paste
    ///
    /// Opens the microphone and the loudspeaker for a few seconds, and plays three soft chirps; nothing of it leaves this machine. With a
    /// PEER it knocks at that voicetui's port: nobody rings there. Exits with 1 if something is bad. With --json it prints one object.
    #[command(args_override_self = true)]
    Doctor(Box<DoctorArgs>),
    /// Print the fingerprint of this user's key, for peers to compare; makes the key if there is none
    ///
    /// The fingerprint is the whole public key, in base32 (RFC 4648).
    Id,
    /// List the peers whose keys are known, or change what is known of them
    Peers {
        #[command(subcommand)]
        job: Option<PeersJob>,
    },
    /// Make a passphrase of six random words
    Passphrase,
    /// Print the config file with all keys, their defaults and what they do
    Config,
    /// Print the completions for a shell
    Completions { shell: Shell },
    /// Print the manual page
    Man,
}

#[derive(Args, Debug)]
struct CtlArgs {
    /// Which voicetui, by its process number, when several are running
    #[arg(long, value_name = "PID")]
    instance: Option<u32>,
    /// The command
    #[arg(required = true, trailing_var_arg = true, value_name = "WORDS")]
    words: Vec<String>,
}

/// What every way of running a call needs.
#[derive(Clone, PartialEq, Debug)]
pub struct Start {
    pub settings: Settings,
    /// Called at once.
    pub call: Option<String>,
    /// With the built-in peer.
    pub demo: bool,
    pub passphrase: Passphrase,
    /// Where the log goes; `None`: a file a day in the state folder.
    pub log: Option<PathBuf>,
    pub log_level: LevelFilter,
}

/// Where the passphrase comes from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Passphrase {
    /// Asked for, without showing it.
    Ask,
    File(PathBuf),
    /// The environment's, else the config file's own file, else there is none.
    Environment(Option<PathBuf>),
}

/// What the command line asks for.
#[derive(Clone, PartialEq, Debug)]
pub enum Invocation {
    Screen(Start, UiOptions),
    Plain(Start),
    Json(Start),
    Devices {
        host: Option<String>,
    },
    Ctl {
        instance: Option<u32>,
        /// One line for the running instance.
        line: String,
    },
    /// Call and measure the delay.
    Measure(Start, Measurement),
    /// Check everything, and report.
    Doctor(Examination),
    /// Print our fingerprint.
    Id,
    /// Change what is known of a peer; `None`: list them all.
    Peers(Option<Edit>),
    /// Make one.
    Passphrase,
    Config,
    Completions(Shell),
    Man,
    /// Print the SDP that opens us.
    Sdp(Settings),
}

/// Why nothing was started, or that help was asked for.
#[derive(Debug)]
pub enum Refusal {
    /// clap's own: prints itself, help and version included, and knows its exit code.
    Usage(Box<clap::Error>),
    Config(ConfigError),
}

impl From<clap::Error> for Refusal {
    fn from(error: clap::Error) -> Self {
        Self::Usage(Box::new(error))
    }
}

impl From<ConfigError> for Refusal {
    fn from(error: ConfigError) -> Self {
        Self::Config(error)
    }
}

/// The definitions, for help, completions, the manual page and the config file.
#[must_use]
pub fn command() -> clap::Command {
    Cli::command()
}

/// Reads the command line (`args` with the program's name first); `load` reads the config file, if one is wanted at all.
///
/// # Errors
/// What is wrong, or the help that was asked for.
pub fn parse<I>(args: I, load: impl FnOnce() -> Result<Config, ConfigError>) -> Result<Invocation, Refusal>
where
    I: IntoIterator<Item = OsString>,
{
    let args: Vec<OsString> = args.into_iter().collect();
    let typed = command().try_get_matches_from(&args)?;
    let given = |name: &str| typed.value_source(name) == Some(ValueSource::CommandLine);
    if let Some(job) = Cli::from_arg_matches(&typed)?.job {
        if typed.ids().any(|id| given(id.as_str())) {
            return Err(conflict("An option or an address starts a call, a command does something else: give one of the two."));
        }
        match (&job, typed.subcommand()) {
            (Job::Measure(_), Some((_, typed))) => return measure::parse(&args, typed, load),
            (Job::Doctor(_), Some((_, typed))) => return doctor::parse(&args, typed, load),
            _ => {}
        }
        return invocation_of(job);
    }
    refuse_odd_pairs(given)?;
    // The config file's options first: the last one given counts.
    let config = load()?;
    let mode_given = given("plain") || given("json");
    let settings = config.args_but_for(given).filter(|(key, _)| !(mode_given && matches!(*key, "plain" | "json")));
    let program = args.first().cloned().unwrap_or_else(|| "voicetui".into());
    let merged = std::iter::once(program).chain(settings.map(|(_, arg)| arg.into())).chain(args.into_iter().skip(1));
    let cli = Cli::from_arg_matches(&command().try_get_matches_from(merged)?)?;
    let (call, options) = (cli.address, cli.options);
    if given("stdin") && !(options.plain || options.json) {
        return Err(conflict("--stdin is for --plain and --json: with the screen, standard input is the keyboard."));
    }
    let settings = options.settings();
    if (given("passphrase") || given("passphrase_file")) && settings.format != Format::Sealed {
        return Err(conflict("A passphrase is for sealed calls: with the format rtp or pcm nothing is sealed."));
    }
    if settings.private && settings.format != Format::Sealed && (given("private") || !given("format")) {
        return Err(conflict("--private is for sealed calls: with the format rtp or pcm everybody on the way can listen anyway."));
    }
    let passphrase = passphrase_of(&options, given("passphrase_file"));
    let (log, log_level) = (options.log.clone(), options.log_level);
    let start = Start { settings, call, demo: options.demo, passphrase, log, log_level };
    Ok(match (options.sdp, options.json, options.plain) {
        (true, ..) => Invocation::Sdp(start.settings),
        (_, true, _) => Invocation::Json(start),
        (_, _, true) => Invocation::Plain(start),
        _ => Invocation::Screen(start, options.ui()),
    })
}

/// Where the passphrase comes from; `typed`: its file stood on the command line.
fn passphrase_of(options: &Options, typed: bool) -> Passphrase {
    match &options.passphrase_file {
        _ if options.passphrase => Passphrase::Ask,
        Some(file) if typed => Passphrase::File(file.clone()),
        file => Passphrase::Environment(file.clone()),
    }
}

fn invocation_of(job: Job) -> Result<Invocation, Refusal> {
    Ok(match job {
        Job::Measure(_) => return Err(conflict("\"measure\" comes first, then whom to measure, then options.")),
        Job::Doctor(_) => return Err(conflict(doctor::ORDER)),
        Job::Devices { host } => Invocation::Devices { host },
        Job::Ctl(ctl) => Invocation::Ctl { instance: ctl.instance, line: ctl.words.join(" ") },
        Job::Id => Invocation::Id,
        Job::Peers { job } => Invocation::Peers(job.map(PeersJob::edit)),
        Job::Passphrase => Invocation::Passphrase,
        Job::Config => Invocation::Config,
        Job::Completions { shell } => Invocation::Completions(shell),
        Job::Man => Invocation::Man,
    })
}

/// What contradicts itself when typed together. What the config file says is no contradiction: the command line wins over it.
fn refuse_odd_pairs(given: impl Fn(&str) -> bool) -> Result<(), Refusal> {
    let pairs = [
        ("plain", "json", "--plain and --json are two ways of printing: choose one."),
        ("demo", "address", "--demo calls its own built-in peer: give no address with it."),
        ("passphrase", "passphrase_file", "--passphrase asks, --passphrase-file reads: choose one."),
        ("sdp", "address", "--sdp only prints how to send to this machine: give no address with it."),
        ("sdp", "demo", "--sdp only prints how to send to this machine: it cannot go with --demo."),
        ("sdp", "plain", "--sdp only prints how to send to this machine: it cannot go with --plain."),
        ("sdp", "json", "--sdp only prints how to send to this machine: it cannot go with --json."),
    ];
    match pairs.into_iter().find(|(one, other, _)| given(one) && given(other)) {
        Some((_, _, sentence)) => Err(conflict(sentence)),
        None => Ok(()),
    }
}

fn conflict(sentence: &str) -> Refusal {
    command().error(ErrorKind::ArgumentConflict, sentence).into()
}

/// `voicetui devices`: what to give to `--host`, `--input` and `--output`. A star marks the defaults.
#[must_use]
pub fn device_table(devices: &[DeviceEntry]) -> String {
    if devices.is_empty() {
        return "No sound devices were found. voicetui runs all the same: see --input and --output for the virtual ones.\n".into();
    }
    let width = |text: fn(&DeviceEntry) -> &str| devices.iter().map(|device| text(device).width()).max().unwrap_or(0);
    let (ids, names) = (width(|device| &device.id), width(|device| &device.name));
    let mut table = String::new();
    for direction in [Direction::Input, Direction::Output] {
        let mut host = "";
        for device in devices.iter().filter(|device| device.direction == direction) {
            if device.host != host {
                host = &device.host;
                let gap = if table.is_empty() { "" } else { "\n" };
                let _ = writeln!(table, "{gap}{}, host {host}:", direction.option());
            }
            let mark = if device.is_default { '*' } else { ' ' };
            let (id, name) = (padded(&device.id, ids), padded(&device.name, names));
            let line = format!("{mark} {id}  {name}  {}", device.detail);
            let _ = writeln!(table, "{}", line.trim_end());
        }
    }
    table
}

/// Not by `{:<}`, which counts characters, not columns. What would steer a terminal is left out.
fn padded(text: &str, columns: usize) -> String {
    let shown: String = text.chars().filter(|c| !c.is_control()).collect();
    let gap = columns.saturating_sub(shown.width());
    shown + &" ".repeat(gap)
}

/// The completions for `shell`.
#[must_use]
pub fn completions(shell: Shell) -> Vec<u8> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command(), "voicetui", &mut script);
    script
}

/// The manual page, in roff: the options, and what `--json` prints.
#[must_use]
pub fn manual() -> Vec<u8> {
    let mut page = Vec::new();
    let written = clap_mangen::Man::new(command()).render(&mut page);
    debug_assert!(written.is_ok(), "a Vec takes everything");
    let mut more = String::from(".SH \"EVENTS OF \\-\\-JSON\"\nEach line is an object with event, time (RFC 3339) and these fields.\n");
    for (name, when, fields) in EVENTS {
        let fields = if fields.is_empty() { "no more fields".into() } else { fields.join(", ") };
        let _ = writeln!(more, ".TP\n\\fB{name}\\fR\n{when} ({fields})");
    }
    for (title, table) in [("FIELDS OF STATS", STATS_FIELDS), ("FIELDS OF EACH PEER", PEER_FIELDS)] {
        let _ = writeln!(more, ".SH \"{title}\"\nWhat is not known is null.");
        for (name, meaning) in table {
            let _ = writeln!(more, ".TP\n\\fB{name}\\fR\n{meaning}");
        }
    }
    more.push_str(".SH FILES\n.TP\n\\fI$XDG_CONFIG_HOME/voicetui/config.toml\\fR\nall of the options above; see voicetui config\n");
    more.push_str(".TP\n\\fI$XDG_STATE_HOME/voicetui\\fR\nthe log, and the addresses called\n");
    more.push_str(".TP\n\\fI$XDG_DATA_HOME/voicetui\\fR\nkey, the secret key of this user; known_peers, the keys of others\n");
    page.extend_from_slice(more.as_bytes());
    page
}

#[cfg(test)]
mod tests;
