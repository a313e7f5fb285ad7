//! What a user can ask for, and the one parser of its words: standard input, `ctl` and tests share it. Pure.

use std::path::PathBuf;

use super::controls::MAX_VOLUME_PERCENT;
use super::{DelayBounds, EarconChoice, OutputKind, VoiceTuning, When};
use crate::call::trust::{Edit, Who};
use crate::call::{Address, PublicKey};
use crate::units::{Format, PeerId};

/// A switch that can be set or flipped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Switch {
    On,
    Off,
    Toggle,
}

impl Switch {
    /// What a switch that stands at `now` becomes.
    #[must_use]
    pub fn apply(self, now: bool) -> bool {
        match self {
            Self::On => true,
            Self::Off => false,
            Self::Toggle => !now,
        }
    }
}

/// Which peers a command is for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Target {
    All,
    /// The one in a slot (the screen's selection).
    Slot(PeerId),
    /// The one of that address or name, as a user types it.
    Named(String),
    /// The one that showed this key: whoever sits in its slot by now.
    Key(PublicKey),
}

/// What the user asks of the engine.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Command {
    /// `format`: `None` takes the configured one.
    Call {
        address: String,
        format: Option<Format>,
    },
    Hangup(Target),
    Answer(Target),
    Decline(Target),
    /// Answers, and lets the peer's calls connect without asking from now on.
    Admit(Target),
    /// Declines, and lets the peer's calls not ring any more.
    Block(Target),
    /// The four words (or the fingerprints) were compared, or that is taken back.
    Verify(Target, bool),
    /// Changes what is known of a peer, in the call or not.
    Known(Edit),
    /// Asks for a [`super::Notice::Known`].
    ListKnown,
    /// Another program has changed `known_peers`.
    Reread,
    /// Places a call in the clear that was to be sealed and is not answered so: anyone on the path can listen.
    Clear(Target),
    /// Keys the microphone for `Holder::Ctl`.
    Talk(Switch),
    Open(Switch),
    /// Voice activation, in this call.
    Voice(Switch),
    /// Of voice activation, percent.
    Sensitivity(u8),
    /// How long it stays on air after the last sound of a voice, ms.
    Hang(u16),
    Mute(Switch),
    Deafen(Switch),
    /// Percent, 0..=200.
    Volume {
        target: Target,
        percent: u8,
    },
    /// What the playout delay of every peer may be.
    Delay(DelayBounds),
    /// Which earcons are heard.
    Earcons(EarconChoice),
    /// Echo cancellation of the own voice.
    Echo(When),
    /// Its noise suppression.
    Noise(When),
    /// Its automatic gain.
    Gain(Switch),
    /// What the output in use is; kept for later runs.
    OutputIs(OutputKind),
    /// Measures the delay of a call, with so many trials; a [`super::Notice::Measured`] says what came of it.
    Measure {
        target: Target,
        trials: u16,
    },
    /// Whether peers in a call may measure its delay.
    AnswerMeasure(Switch),
    /// Asks for a [`super::Notice::Stats`].
    Stats,
    Record(Switch),
    /// Write the packet timings of the last ten minutes to a file; a [`super::Notice::Dumped`] says what came of it.
    Dump(PathBuf),
    /// Switch a device during the call (what `--input`, `--output` and `--host` take).
    Input(String),
    Output(String),
    Host(String),
    /// Asks for a [`super::Notice::Devices`].
    ListDevices,
    /// Runs the microphone for the level test of the picker, without a call; nothing leaves.
    LevelTest(Switch),
    Quit,
}

/// The reply to `help`, and what an unknown word is answered with.
pub const WORDS: &str = "call ADDRESS [sealed|rtp|pcm], hangup [PEER], answer [PEER], decline [PEER], admit [PEER], block [PEER], \
    clear [PEER], verify [PEER], unverify [PEER], unblock NAME, ring NAME, forget NAME, rename NAME NEW, peers, reread, talk on|off|toggle, \
    open on|off|toggle, voice on|off|toggle, sensitivity 5-95, hang 100-2000, \
    mute on|off|toggle, deafen on|off|toggle, volume [PEER] 0-200, delay auto|MS|MIN..MAX, earcons off|calls|all, echo auto|on|off, \
    noise auto|on|off, gain on|off|toggle, output-is headset|loudspeaker, measure [PEER], \
    answer-measure on|off|toggle, stats, record on|off|toggle, dump FILE, \
    input DEVICE, output DEVICE, host HOST, devices, quit";

/// Trials of a measurement, unless asked for otherwise.
pub const MEASURE_TRIALS: u16 = 20;

/// Longest line that is looked at, bytes.
pub const LINE_MAX: usize = 1_024;

impl Command {
    /// Reads one line as a user types it.
    ///
    /// # Errors
    /// One sentence that says what is possible.
    pub fn parse(line: &str) -> Result<Self, String> {
        if line.len() > LINE_MAX {
            return Err(format!("A command has at most {LINE_MAX} bytes; this one has {}.", line.len()));
        }
        if line.contains(|c: char| c.is_control() && !c.is_whitespace()) {
            return Err("A command is plain text; this one holds control characters.".into());
        }
        let line = line.trim();
        let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let rest = rest.trim();
        match word {
            "call" => parse_call(rest),
            "hangup" => Ok(Self::Hangup(target(rest))),
            "answer" => Ok(Self::Answer(target(rest))),
            "decline" => Ok(Self::Decline(target(rest))),
            "admit" => Ok(Self::Admit(target(rest))),
            "block" => Ok(Self::Block(target(rest))),
            "verify" => Ok(Self::Verify(target(rest), true)),
            "unverify" => Ok(Self::Verify(target(rest), false)),
            "unblock" => Ok(Self::Known(Edit::Block(Who::Name(value(word, rest, KNOWN_NAME)?), false))),
            "ring" => Ok(Self::Known(Edit::Connect(Who::Name(value(word, rest, KNOWN_NAME)?), false))),
            "forget" => Ok(Self::Known(Edit::Forget(value(word, rest, KNOWN_NAME)?))),
            "rename" => parse_rename(rest),
            "peers" => alone(word, rest, Self::ListKnown),
            "reread" => alone(word, rest, Self::Reread),
            "clear" => Ok(Self::Clear(target(rest))),
            "talk" => Ok(Self::Talk(switch(word, rest)?)),
            "open" => Ok(Self::Open(switch(word, rest)?)),
            "voice" => Ok(Self::Voice(switch(word, rest)?)),
            "sensitivity" => VoiceTuning::parse_sensitivity(rest).map(Self::Sensitivity).map_err(|error| refused(word, &error)),
            "hang" => VoiceTuning::parse_hang(rest).map(Self::Hang).map_err(|error| refused(word, &error)),
            "mute" => Ok(Self::Mute(switch(word, rest)?)),
            "deafen" => Ok(Self::Deafen(switch(word, rest)?)),
            "record" => Ok(Self::Record(switch(word, rest)?)),
            "dump" => Ok(Self::Dump(value(word, rest, "the file to write")?.into())),
            "volume" => parse_volume(rest),
            "delay" => rest.parse().map(Self::Delay).map_err(|error: String| refused(word, &error)),
            "earcons" => rest.parse().map(Self::Earcons).map_err(|error: String| refused(word, &error)),
            "echo" => when(word, rest).map(Self::Echo),
            "noise" => when(word, rest).map(Self::Noise),
            "gain" => Ok(Self::Gain(switch(word, rest)?)),
            "output-is" => match rest {
                "headset" => Ok(Self::OutputIs(OutputKind::Headset)),
                "loudspeaker" => Ok(Self::OutputIs(OutputKind::Loudspeaker)),
                _ => Err("\"output-is\" takes headset or loudspeaker.".into()),
            },
            "measure" => Ok(Self::Measure { target: target(rest), trials: MEASURE_TRIALS }),
            "answer-measure" => Ok(Self::AnswerMeasure(switch(word, rest)?)),
            "input" => Ok(Self::Input(value(word, rest, "a device of \"devices\", or default")?)),
            "output" => Ok(Self::Output(value(word, rest, "a device of \"devices\", or default")?)),
            "host" => Ok(Self::Host(value(word, rest, "an audio host of \"devices\"")?)),
            "stats" => alone(word, rest, Self::Stats),
            "devices" => alone(word, rest, Self::ListDevices),
            "quit" => alone(word, rest, Self::Quit),
            "" => Err(format!("Nothing was asked for; possible are: {WORDS}.")),
            _ => Err(format!("\"{}\" is not a command; possible are: {WORDS}.", word.chars().take(40).collect::<String>())),
        }
    }
}

const KNOWN_NAME: &str = "a name of known_peers (\"peers\" lists them)";

fn parse_rename(rest: &str) -> Result<Command, String> {
    let mut words = rest.split_whitespace();
    let (Some(from), Some(to), None) = (words.next(), words.next(), words.next()) else {
        return Err("\"rename\" takes a name of known_peers, and a new one.".into());
    };
    Ok(Command::Known(Edit::Rename { from: from.into(), to: to.into() }))
}

fn refused(word: &str, error: &str) -> String {
    format!("\"{word}\" is refused: {error}.")
}

fn when(word: &str, rest: &str) -> Result<When, String> {
    rest.parse().map_err(|error: String| refused(word, &error))
}

fn target(rest: &str) -> Target {
    if rest.is_empty() || rest == "all" { Target::All } else { Target::Named(rest.to_owned()) }
}

fn switch(word: &str, rest: &str) -> Result<Switch, String> {
    match rest {
        "on" => Ok(Switch::On),
        "off" => Ok(Switch::Off),
        "toggle" => Ok(Switch::Toggle),
        _ => Err(format!("\"{word}\" takes on, off or toggle.")),
    }
}

fn value(word: &str, rest: &str, what: &str) -> Result<String, String> {
    if rest.is_empty() { Err(format!("\"{word}\" takes {what}.")) } else { Ok(rest.to_owned()) }
}

fn alone(word: &str, rest: &str, command: Command) -> Result<Command, String> {
    if rest.is_empty() { Ok(command) } else { Err(format!("\"{word}\" stands alone.")) }
}

fn parse_call(rest: &str) -> Result<Command, String> {
    let mut words = rest.split_whitespace();
    let (Some(address), format, None) = (words.next(), words.next(), words.next()) else {
        return Err("\"call\" takes an address, and then sealed, rtp or pcm if you like: call 10.0.1.217:5005 pcm.".into());
    };
    let format = match format {
        None => None,
        Some("rtp") => Some(Format::Rtp),
        Some("pcm") => Some(Format::Pcm),
        Some("sealed") => Some(Format::Sealed),
        Some(_) => return Err("The format of a call is sealed, rtp or pcm.".into()),
    };
    address.parse::<Address>()?;
    Ok(Command::Call { address: address.to_owned(), format })
}

fn parse_volume(rest: &str) -> Result<Command, String> {
    let (peer, percent) = rest.rsplit_once(char::is_whitespace).unwrap_or(("", rest));
    match percent.trim_end_matches('%').parse() {
        Ok(percent) if percent <= MAX_VOLUME_PERCENT => Ok(Command::Volume { target: target(peer.trim()), percent }),
        _ => Err(format!("\"volume\" takes a peer if you like, and 0 to {MAX_VOLUME_PERCENT} percent.")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn named(name: &str) -> Target {
        Target::Named(name.into())
    }

    #[test]
    fn every_word_is_understood() {
        let call = |address: &str, format| Command::Call { address: address.into(), format };
        for (line, command) in [
            ("call 10.0.1.217", call("10.0.1.217", None)),
            ("  call   [::1]:6000\tpcm ", call("[::1]:6000", Some(Format::Pcm))),
            ("call workshop sealed", call("workshop", Some(Format::Sealed))),
            ("clear workshop", Command::Clear(named("workshop"))),
            ("call workshop rtp", call("workshop", Some(Format::Rtp))),
            ("hangup", Command::Hangup(Target::All)),
            ("hangup 10.0.1.217:5005", Command::Hangup(named("10.0.1.217:5005"))),
            ("answer", Command::Answer(Target::All)),
            ("decline Front door", Command::Decline(named("Front door"))),
            ("admit", Command::Admit(Target::All)),
            ("block Front door", Command::Block(named("Front door"))),
            ("verify", Command::Verify(Target::All, true)),
            ("unverify workshop", Command::Verify(named("workshop"), false)),
            ("unblock workshop", Command::Known(Edit::Block(Who::Name("workshop".into()), false))),
            ("ring workshop", Command::Known(Edit::Connect(Who::Name("workshop".into()), false))),
            ("forget workshop", Command::Known(Edit::Forget("workshop".into()))),
            ("rename workshop bench", Command::Known(Edit::Rename { from: "workshop".into(), to: "bench".into() })),
            ("peers", Command::ListKnown),
            ("reread", Command::Reread),
            ("talk on", Command::Talk(Switch::On)),
            ("talk off", Command::Talk(Switch::Off)),
            ("open toggle", Command::Open(Switch::Toggle)),
            ("voice on", Command::Voice(Switch::On)),
            ("sensitivity 60 %", Command::Sensitivity(60)),
            ("hang 250ms", Command::Hang(250)),
            ("mute on", Command::Mute(Switch::On)),
            ("deafen off", Command::Deafen(Switch::Off)),
            ("volume 80", Command::Volume { target: Target::All, percent: 80 }),
            ("volume Front door 150%", Command::Volume { target: named("Front door"), percent: 150 }),
            ("delay 40..", Command::Delay(DelayBounds { min_ms: 40, ..DelayBounds::default() })),
            ("earcons all", Command::Earcons(EarconChoice::All)),
            ("echo off", Command::Echo(When::Off)),
            ("noise auto", Command::Noise(When::Auto)),
            ("gain toggle", Command::Gain(Switch::Toggle)),
            ("output-is headset", Command::OutputIs(OutputKind::Headset)),
            ("measure workshop", Command::Measure { target: named("workshop"), trials: 20 }),
            ("answer-measure on", Command::AnswerMeasure(Switch::On)),
            ("stats", Command::Stats),
            ("record toggle", Command::Record(Switch::Toggle)),
            ("dump /tmp/a bad call.trace ", Command::Dump("/tmp/a bad call.trace".into())),
            ("input USB Headset, Analog", Command::Input("USB Headset, Analog".into())),
            ("output null", Command::Output("null".into())),
            ("host alsa", Command::Host("alsa".into())),
            ("devices", Command::ListDevices),
            ("quit", Command::Quit),
        ] {
            assert_eq!(Command::parse(line), Ok(command), "{line}");
        }
    }

    #[test]
    fn a_refusal_says_what_is_possible() {
        for (line, part) in [
            ("", "call ADDRESS"),
            ("dance", "\"dance\" is not a command; possible are: call ADDRESS"),
            ("call", "takes an address"),
            ("call a b c", "takes an address"),
            ("call a opus", "rtp or pcm"),
            ("call 0.0.0.0", "not called"),
            ("talk", "on, off or toggle"),
            ("mute maybe", "on, off or toggle"),
            ("voice", "on, off or toggle"),
            ("sensitivity 100", "5 to 95 percent"),
            ("sensitivity", "5 to 95 percent"),
            ("hang 99", "100 to 2000 ms"),
            ("volume 201", "0 to 200"),
            ("volume -1", "0 to 200"),
            ("forget", "a name of known_peers"),
            ("rename a", "and a new one"),
            ("rename a b c", "and a new one"),
            ("peers all", "stands alone"),
            ("dump", "the file to write"),
            ("earcons on", "off, calls or all"),
            ("echo maybe", "auto, on and off are possible"),
            ("noise", "auto, on and off are possible"),
            ("gain auto", "on, off or toggle"),
            ("output-is a radio", "headset or loudspeaker"),
            ("delay", "a delay is auto, MS,"),
            ("delay 90..20", "20..90"),
            ("input", "\"devices\""),
            ("quit now", "stands alone"),
            ("quit\u{1b}[2J", "control characters"),
        ] {
            let error = Command::parse(line).expect_err(line);
            assert!(error.contains(part), "{line}: {error}");
            assert!(error.ends_with('.') && !error.contains('\u{1b}'));
        }
        assert!(Command::parse(&"x".repeat(LINE_MAX + 1)).is_err());
    }

    #[test]
    fn help_names_every_word_and_each_of_them_is_known() {
        for entry in WORDS.split(", ") {
            let word = entry.split(' ').next().expect("a word");
            assert!(!Command::parse(word).is_err_and(|error| error.contains("is not a command")), "{word}");
        }
    }

    proptest! {
        #[test]
        fn no_line_makes_it_panic(line in "\\PC*|(call|volume|talk|hangup|input) \\PC*|(.|\n)*") {
            if let Err(sentence) = Command::parse(&line) {
                prop_assert!(sentence.ends_with('.'));
            }
        }
    }
}
