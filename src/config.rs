//! The config file: `config.toml`, whose keys are the options of the command line. Main thread, before all others.
//!
//! Keys, defaults, comments and the reading of values come from the definitions in `cli.rs`: a line of the file is turned into
//! the option that says the same, and stands before those that were typed.

pub mod check;

use std::fmt;
use std::fmt::Write as _;
use std::io::{ErrorKind, Read};
use std::ops::Range;
use std::path::PathBuf;

use clap::error::{ContextKind, ContextValue};
use toml::de::{DeTable, DeValue};

use crate::cli::{self, ONCE};

/// No config file is longer, bytes.
const FILE_MAX: u64 = 1 << 20;
/// Columns of the printed file.
const WIDTH: usize = 100;

/// Keys that take an array, as their options may be repeated.
const SEVERAL: [&str; 2] = ["input", "output"];
/// Values in an array.
const VALUES_MAX: usize = 16;

/// One key that is set.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Entry {
    key: String,
    /// The option that says the same, `--port=6000`; an array is several.
    args: Vec<String>,
    /// As TOML writes it.
    value: String,
    line: usize,
}

/// What the config file says; empty without one.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Config {
    path: Option<PathBuf>,
    entries: Vec<Entry>,
}

/// What is wrong with the file, and where.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConfigError {
    path: PathBuf,
    line: Option<usize>,
    reason: String,
}

impl ConfigError {
    /// What is wrong and on which line, without the file's name.
    #[must_use]
    pub fn problem(&self) -> String {
        self.line.map_or_else(|| self.reason.clone(), |line| format!("line {line}: {}", self.reason))
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let between = if self.line.is_some() { ", " } else { ": " };
        write!(f, "{}{between}{}", self.path.display(), self.problem())
    }
}

impl std::error::Error for ConfigError {}

/// Where the file is looked for: `$XDG_CONFIG_HOME/voicetui/config.toml`, or below the platform's own place for such files.
/// `None`: the system knows no home for this user.
#[must_use]
pub fn path() -> Option<PathBuf> {
    let named = std::env::var_os("XDG_CONFIG_HOME").map(PathBuf::from).filter(|dir| dir.is_absolute());
    let dir = named.or_else(|| directories::BaseDirs::new().map(|dirs| dirs.config_dir().to_owned()))?;
    Some(dir.join("voicetui").join("config.toml"))
}

impl Config {
    /// Reads the file at [`path`]. That there is none is no error.
    ///
    /// # Errors
    /// It cannot be read, or says something that is not understood.
    pub fn load() -> Result<Self, ConfigError> {
        match path() {
            Some(path) => Self::read(path),
            None => Ok(Self::default()),
        }
    }

    fn read(path: PathBuf) -> Result<Self, ConfigError> {
        let mut text = String::new();
        let read = std::fs::File::open(&path).and_then(|file| file.take(FILE_MAX + 1).read_to_string(&mut text));
        let reason = match read {
            Ok(bytes) if bytes as u64 > FILE_MAX => format!("a config file has at most {} KiB", FILE_MAX >> 10),
            Ok(_) => return Self::parse(&text, path),
            // A parent that is a file, or may not be searched, holds no config file of ours either.
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                return Ok(Self { path: Some(path), entries: Vec::new() });
            }
            Err(error) if error.kind() == ErrorKind::InvalidData => "it is not text in UTF-8".into(),
            Err(error) => format!("it cannot be read ({error}); make it readable, or move it away to run with the defaults"),
        };
        Err(ConfigError { path, line: None, reason })
    }

    /// # Errors
    /// The first line that is not understood.
    pub fn parse(text: &str, path: PathBuf) -> Result<Self, ConfigError> {
        let fail = |span: Option<Range<usize>>, reason: String| ConfigError {
            path: path.clone(),
            line: span.map(|span| line_of(text, span.start)),
            reason,
        };
        let table = DeTable::parse(text).map_err(|error| fail(error.span(), sentence(error.message())))?;
        let keys = keys();
        let mut entries = Vec::new();
        for (key, value) in table.get_ref() {
            let known = known_key(&keys, key.get_ref()).map_err(|reason| fail(Some(key.span()), reason))?;
            let args = known.args(value.get_ref()).map_err(|reason| fail(Some(value.span()), reason))?;
            let (value, line) = (text[value.span()].to_owned(), line_of(text, key.span().start));
            entries.push(Entry { key: known.name.clone(), args, value, line });
        }
        Ok(Self { path: Some(path), entries })
    }

    /// Each key that is set, and the option that says the same; a key with several values comes several times.
    pub fn args(&self) -> impl Iterator<Item = (&str, &str)> {
        self.entries.iter().flat_map(|entry| entry.args.iter().map(|arg| (entry.key.as_str(), arg.as_str())))
    }

    /// The same without those that the command line says otherwise by being given at all: what may be repeated there would else
    /// be added to the file's.
    pub fn args_but_for(&self, given: impl Fn(&str) -> bool) -> impl Iterator<Item = (&str, &str)> {
        self.args().filter(move |(key, _)| !(SEVERAL.contains(key) && given(key)))
    }

    /// The whole file with every key, its default and what it does; what is not set is commented out.
    #[must_use]
    pub fn print(&self) -> String {
        let place = self.path.as_deref().map_or_else(|| "config.toml".into(), |path| path.display().to_string());
        let mut out = format!("# voicetui's config file: {place}\n");
        out.push_str("# Its keys are the options of the command line, which wins. Lines that are commented out show the defaults.\n");
        let mut heading = String::new();
        for key in keys() {
            if key.heading != heading {
                let _ = write!(out, "\n# ---- {} ----\n", key.heading);
                heading.clone_from(&key.heading);
            }
            out.push('\n');
            comment(&mut out, &key.comment());
            let default = key.default_line();
            match self.entries.iter().find(|entry| entry.key == key.name) {
                Some(entry) => {
                    let _ = write!(out, "# Set on line {}; default: {}\n{} = {}\n", entry.line, key.default_words(), key.name, entry.value);
                }
                None => {
                    let _ = writeln!(out, "# {default}");
                }
            }
        }
        out
    }
}

/// One key, as the command line defines it.
#[derive(Clone, Debug)]
struct Key {
    name: String,
    heading: String,
    help: String,
    /// Switches: what they are when nobody says anything. `--no-mouse` is the key `mouse`, by default true.
    switch: Option<bool>,
    default: Option<String>,
    /// The first of the values it can have, if they are few.
    first: Option<String>,
}

/// Every key, in the order of the help.
fn keys() -> Vec<Key> {
    let command = cli::command();
    let options = command.get_arguments().filter(|arg| !arg.is_hide_set());
    let named = options.filter_map(|arg| arg.get_long().filter(|long| !ONCE.contains(long)).map(|long| (arg, long)));
    named.map(|(arg, long)| key_of(arg, long)).collect()
}

fn key_of(arg: &clap::Arg, long: &str) -> Key {
    let is_switch = !arg.get_action().takes_values();
    let denied = long.strip_prefix("no-").filter(|_| is_switch);
    let help = arg.get_long_help().or_else(|| arg.get_help()).map(ToString::to_string).unwrap_or_default();
    Key {
        name: denied.unwrap_or(long).to_owned(),
        heading: arg.get_help_heading().unwrap_or("Options").to_owned(),
        help,
        switch: is_switch.then_some(denied.is_some()),
        default: arg.get_default_values().first().map(|value| value.to_string_lossy().into_owned()),
        first: arg.get_possible_values().first().map(|value| value.get_name().to_owned()),
    }
}

impl Key {
    fn comment(&self) -> String {
        // The help of `--no-mouse` explains what `mouse = false` does.
        if self.switch == Some(true) { format!("false: {}", self.help) } else { self.help.clone() }
    }

    fn default_line(&self) -> String {
        let value = match (&self.switch, &self.default) {
            (Some(on), _) => on.to_string(),
            (None, Some(default)) => quote(default),
            (None, None) => quote(&self.example()),
        };
        let remark = if self.switch.is_none() && self.default.is_none() { "   # an example; not set by default" } else { "" };
        format!("{} = {value}{remark}", self.name)
    }

    fn default_words(&self) -> String {
        match (&self.switch, &self.default) {
            (Some(on), _) => on.to_string(),
            (None, Some(default)) => quote(default),
            (None, None) => "not set".into(),
        }
    }

    /// Something that could stand there, where there is no default.
    fn example(&self) -> String {
        let example = match self.name.as_str() {
            "name" => "Front door",
            "record" | "record-dir" => "recordings",
            "for" => "1h",
            "log" => "voicetui.log",
            "passphrase-file" => "passphrase",
            _ => self.first.as_deref().unwrap_or(""),
        };
        example.to_owned()
    }

    /// The options that say `name = value`, one for each value of an array.
    fn args(&self, value: &DeValue<'_>) -> Result<Vec<String>, String> {
        match value {
            DeValue::Array(values) if SEVERAL.contains(&self.name.as_str()) => {
                if !(1..=VALUES_MAX).contains(&values.len()) {
                    return Err(format!("{} takes 1 to {VALUES_MAX} values", self.name));
                }
                values.iter().map(|value| self.arg(value.get_ref())).collect()
            }
            value => Ok(vec![self.arg(value)?]),
        }
    }

    /// The option that says `name = value`; the command line itself judges the value.
    fn arg(&self, value: &DeValue<'_>) -> Result<String, String> {
        let name = &self.name;
        let value = match (value, self.switch) {
            (DeValue::Boolean(true), Some(_)) => return Ok(format!("--{name}")),
            (DeValue::Boolean(false), Some(_)) => return Ok(format!("--no-{name}")),
            (_, Some(_)) => return Err(format!("{name} is a switch: true or false")),
            (DeValue::String(text), None) => text.to_string(),
            (DeValue::Integer(number), None) => number.to_string(),
            (DeValue::Float(number), None) => number.to_string(),
            _ => {
                return Err(format!(
                    "{name} takes one value, such as {}",
                    self.default.as_ref().map_or_else(|| quote(&self.example()), |d| quote(d))
                ));
            }
        };
        let arg = format!("--{name}={value}");
        match cli::command().try_get_matches_from(["voicetui", &arg]) {
            Ok(_) => Ok(arg),
            Err(error) => Err(format!("{name} cannot be {}: {}", in_one_line(&value), reason(&error))),
        }
    }
}

/// What the command line would say, without its own frame of usage and hints.
fn reason(error: &clap::Error) -> String {
    if let Some(source) = std::error::Error::source(error) {
        return source.to_string();
    }
    match error.get(ContextKind::ValidValue) {
        Some(ContextValue::Strings(values)) if !values.is_empty() => format!("possible are {}", values.join(", ")),
        _ => "this is not understood".into(),
    }
}

fn known_key<'a>(keys: &'a [Key], name: &str) -> Result<&'a Key, String> {
    if let Some(key) = keys.iter().find(|key| key.name == name) {
        return Ok(key);
    }
    if ONCE.contains(&name) {
        return Err(format!("{name} is an option of the command line only"));
    }
    let shown: String = name.chars().filter(|c| !c.is_control()).take(40).collect();
    let denied = name.strip_prefix("no-").and_then(|name| keys.iter().find(|key| key.name == name && key.switch.is_some()));
    if let Some(key) = denied {
        return Err(format!("there is no key {shown}: write {} = false", key.name));
    }
    let nearest = keys.iter().map(|key| (distance(&key.name, name), &key.name)).min().filter(|(steps, _)| *steps <= 3);
    Err(match nearest {
        Some((_, nearest)) => format!("there is no key {shown}; did you mean {nearest}?"),
        None => format!("there is no key {shown}; \"voicetui config\" prints them all"),
    })
}

/// Letters to change, add or take away to turn one word into the other (Levenshtein). Keys are short; long words are far from all.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().take(40).collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in other.iter().enumerate() {
            let cost = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = cost.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[other.len()]
}

fn line_of(text: &str, at: usize) -> usize {
    1 + text.as_bytes()[..at.min(text.len())].iter().filter(|byte| **byte == b'\n').count()
}

/// The parser's message in one line.
fn sentence(message: &str) -> String {
    message.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// As TOML writes it: numbers bare, all else in quotes.
fn quote(value: &str) -> String {
    if value.parse::<u32>().is_ok() { value.to_owned() } else { toml::Value::from(value).to_string() }
}

/// The same, where TOML would write several lines.
fn in_one_line(value: &str) -> String {
    if value.contains(char::is_control) { format!("{value:?}") } else { quote(value) }
}

fn comment(out: &mut String, text: &str) {
    for paragraph in text.lines().filter(|line| !line.trim().is_empty()) {
        let mut line = String::from("#");
        for word in paragraph.split_whitespace() {
            if line.chars().count() + 1 + word.chars().count() > WIDTH {
                let _ = writeln!(out, "{line}");
                line = String::from("#");
            }
            let _ = write!(line, " {word}");
        }
        let _ = writeln!(out, "{line}");
    }
}

#[cfg(test)]
mod tests;
