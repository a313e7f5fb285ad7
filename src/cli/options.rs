//! The options of a call, each with its help; every one of them is a key of the config file, but for those in [`ONCE`].

use std::net::{IpAddr, Ipv6Addr};
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{ArgAction, Args};
use tracing::level_filters::LevelFilter;

use super::values;
use crate::engine::{AutoAnswer, CommandInput, DelayBounds, EarconChoice, Processing, RecordFormat, Settings, VoiceTuning, When};
use crate::os::files;
use crate::ui::{ThemeChoice, UiOptions};
use crate::units::{DEFAULT_PORT, Format};

/// Options that make sense once, not for good: they are no keys of the config file.
pub const ONCE: [&str; 5] = ["demo", "sdp", "passphrase", "help", "version"];

#[derive(Args, Debug)]
pub struct Options {
    /// Call a built-in peer, to see and hear everything on one machine
    #[arg(long, help_heading = "Way of running")]
    pub demo: bool,
    /// No screen: print a line for each event, read commands from standard input
    ///
    /// For screen readers, scripts and machines without a terminal. Commands: call ADDRESS, hangup, answer, decline, talk on|off,
    /// open on|off, mute on|off, stats, record on|off, quit; "help" lists them all. The end of standard input hangs up and ends the
    /// program, unless --stdin none is given.
    #[arg(long, help_heading = "Way of running", overrides_with = "no_plain")]
    pub plain: bool,
    #[arg(long, hide = true, overrides_with = "plain")]
    no_plain: bool,
    /// The same with JSON: one object a line for each event, and statistics each second
    #[arg(long, help_heading = "Way of running", overrides_with = "no_json")]
    pub json: bool,
    #[arg(long, hide = true, overrides_with = "json")]
    no_json: bool,
    /// With --plain or --json: where commands come from
    ///
    /// "none" is for services, whose standard input is closed or not theirs. "voicetui ctl" works all the same.
    #[arg(long, help_heading = "Way of running", value_name = "SOURCE", default_value = "commands",
        value_parser = PossibleValuesParser::new(["commands", "none"]))]
    stdin: String,
    /// End by itself after this time, as in 90, 90s, 5m or 1h
    #[arg(long = "for", help_heading = "Way of running", value_name = "TIME", value_parser = values::duration)]
    run_for: Option<Duration>,
    /// Do not serve "voicetui ctl"
    #[arg(long, help_heading = "Way of running", overrides_with = "ctl")]
    no_ctl: bool,
    #[arg(long, hide = true, overrides_with = "no_ctl")]
    ctl: bool,
    /// Print the session description (SDP) that lets ffmpeg, VLC or GStreamer send to this machine, and end
    #[arg(long, help_heading = "Way of running")]
    pub sdp: bool,

    /// Microphone: default, a device of "voicetui devices", or a virtual one; several, best first
    ///
    /// A card's channel follows a #: default#2 hears the second one alone, NAME#3,4 the mean of two. Without, all are mixed.
    /// Virtual ones: wav:FILE (played once), wav-loop:FILE, tone or tone:HZ, voice (a built-in synthetic talker), silence.
    /// Given several times (in the config file: an array, best first), the first that is there is used, also when it is plugged in
    /// during a call; default comes after all of them, unless a virtual one ends the order.
    #[arg(long, help_heading = "Sound", value_name = "DEVICE", default_value = "default", value_parser = values::text,
        action = ArgAction::Append)]
    input: Vec<String>,
    /// Loudspeaker: default, a device of "voicetui devices", wav:FILE, or null; several, best first
    ///
    /// A card's channel follows a #: default#1 plays on the first one alone, NAME#1,3 on two. Without, on all.
    /// Given several times, as --input.
    #[arg(long, help_heading = "Sound", value_name = "DEVICE", default_value = "default", value_parser = values::text,
        action = ArgAction::Append)]
    output: Vec<String>,
    /// Audio host, of those built in; the first that has devices if not given
    #[arg(long, help_heading = "Sound", value_name = "HOST", value_parser = values::host_parser())]
    host: Option<String>,
    /// How long voices wait to be played: auto, MS, MS.. (at least), ..MS (at most) or MIN..MAX
    ///
    /// In milliseconds from 0 to 400, for a packet that the network did not hold up. auto waits as long as jitter and card ask for. A
    /// low ceiling costs gaps where the network is worse than that; the command delay changes it in a call.
    #[arg(long, help_heading = "Sound", value_name = "MS", default_value = "auto", value_parser = values::delay)]
    delay: DelayBounds,
    /// Short sounds, heard on this side alone: off, calls (it rings, is answered, ends, fails) or all (key-up and key-down too)
    ///
    /// They follow volume and deafen. With "all" and a loudspeaker instead of a headset the open microphone hears the clicks, and so
    /// does the peer. The command earcons changes it in a call.
    #[arg(long, help_heading = "Sound", value_name = "WHICH", default_value = "calls",
        value_parser = PossibleValuesParser::new(["off", "calls", "all"]).map(|name| values::earcons(&name)))]
    earcons: EarconChoice,
    /// Take the far end's voice out of the microphone: auto (where a loudspeaker plays it and the microphone is open), on or off
    ///
    /// auto works while the microphone is open or voice activation is on, unless the output is a headset: that is guessed from its
    /// name, asked once (keys w and s, command output-is) and remembered. While it works, the own voice leaves 6 ms later.
    #[arg(long, help_heading = "Sound", value_name = "WHEN", default_value = "auto", value_parser = values::when_parser())]
    echo: When,
    /// Take steady noise out of the microphone: auto (where there is some), on or off
    ///
    /// auto joins above a noise floor of -55 dBFS and leaves below -60. While it works, the own voice leaves 6.9 ms later.
    #[arg(long, help_heading = "Sound", value_name = "WHEN", default_value = "auto", value_parser = values::when_parser())]
    noise: When,
    /// Bring a voice that is too quiet or too loud, slowly, to where others are: on or off
    ///
    /// A voice between -32 and -16 dBFS is not touched, and noise is not lifted.
    #[arg(long, help_heading = "Sound", value_name = "SWITCH", default_value = "on",
        value_parser = PossibleValuesParser::new(["on", "off"]).map(|word| word == "on"), action = ArgAction::Set)]
    gain: bool,
    /// Record every call into this directory: a file of what is sent, one for each peer heard, and their mix
    ///
    /// The files of a call begin together and stay aligned in time. Of this side only what is sent is recorded, nothing that is said
    /// off air or muted. The peers of sealed calls are told.
    #[arg(long, help_heading = "Sound", value_name = "DIR")]
    record: Option<PathBuf>,
    /// Where the key r and the command "record on" write; that of --record, else "voicetui" in the music folder, if not given
    ///
    /// The music folder is XDG_MUSIC_DIR in user-dirs.dirs; without one it is $XDG_DATA_HOME/voicetui/recordings.
    #[arg(long, help_heading = "Sound", value_name = "DIR")]
    record_dir: Option<PathBuf>,
    /// What recordings are: wav (48 kHz, 16 bits, 330 MiB an hour and track) or opus (Ogg Opus, 64 kbit/s, 27 MiB)
    #[arg(long, help_heading = "Sound", value_name = "FORMAT", default_value = "wav",
        value_parser = PossibleValuesParser::new(["wav", "opus"])
            .map(|name| if name == "opus" { RecordFormat::Opus } else { RecordFormat::Wav }))]
    record_format: RecordFormat,

    /// What to speak on the wire in calls that this side places
    ///
    /// sealed: encrypted, between voicetuis. rtp: Opus in RTP (RFC 7587), in the clear, which ffmpeg, GStreamer, VLC and baresip understand. pcm: the original Python scripts'
    /// headerless 44.1 kHz samples. What arrives is recognised by itself.
    #[arg(long, help_heading = "Call", value_name = "FORMAT", default_value = "sealed",
        value_parser = values::format_names().map(|name| values::format(&name)))]
    format: Format,
    /// The microphone is open, without a key held, in calls that this side places
    #[arg(long, help_heading = "Call", overrides_with = "no_open")]
    open: bool,
    #[arg(long, hide = true, overrides_with = "open")]
    no_open: bool,
    /// The microphone is on air by itself while you speak, in calls that this side places
    ///
    /// It listens for a voice; noise, clicks and loudness do not open it. Key t and the command voice switch it on or off in any call.
    #[arg(long, help_heading = "Call", overrides_with = "no_voice_activation")]
    voice_activation: bool,
    #[arg(long, hide = true, overrides_with = "voice_activation")]
    no_voice_activation: bool,
    /// How easily voice activation takes a sound for a voice, percent, from 5 to 95
    #[arg(long, help_heading = "Call", value_name = "PERCENT", default_value = "50", value_parser = values::sensitivity)]
    voice_sensitivity: u8,
    /// How long voice activation stays on air after the last sound of a voice, ms, from 100 to 2000
    #[arg(long, help_heading = "Call", value_name = "MS", default_value = "400", value_parser = values::hang)]
    voice_hang: u16,
    /// Which calls are answered without asking; the microphone stays closed in them
    ///
    /// known: sealed calls of peers whose key is known ("voicetui peers" lists them). Who was let in for good, with A or "voicetui peers
    /// connect", is answered in any case.
    #[arg(long, help_heading = "Call", value_name = "WHOSE", default_value = "none",
        value_parser = PossibleValuesParser::new(["none", "known", "all"]).map(|whose| values::auto_answer(&whose)))]
    auto_answer: AutoAnswer,
    /// The microphone is open, without a key held, in answered calls that are sealed, of peers whose key is known
    ///
    /// For door stations and the like. It stays closed as soon as anybody else has called in.
    #[arg(long, help_heading = "Call", overrides_with = "no_open_on_answer")]
    open_on_answer: bool,
    #[arg(long, hide = true, overrides_with = "open_on_answer")]
    no_open_on_answer: bool,
    /// Play unsealed audio from anybody, without ringing
    ///
    /// Whoever can reach the port is then heard at once, and hears nothing of you: what you say goes there only once you call it. Without it, unsealed audio from an address that was neither called nor
    /// accepted rings, and is not heard before an answer.
    #[arg(long, help_heading = "Call", overrides_with = "no_allow_unsealed")]
    allow_unsealed: bool,
    #[arg(long, hide = true, overrides_with = "allow_unsealed")]
    no_allow_unsealed: bool,
    /// Sealed calls send all the time, in datagrams of one length: neither pauses nor lengths tell who talks
    ///
    /// About 285 kbit/s each way and peer, headers included, as long as the call lasts, with the default --bitrate and --frame; lower ones cost less. Each
    /// side hides only itself, so give it on both. What is sent while nobody is on air is filler, never the microphone's sound.
    #[arg(long, help_heading = "Call", overrides_with = "no_private")]
    private: bool,
    #[arg(long, hide = true, overrides_with = "private")]
    no_private: bool,
    /// Peers in a call may measure its delay ("voicetui measure"), once the call is answered
    ///
    /// While one does, chirps leave in place of the microphone, which is not on air, and nothing is played; the screen says so. The talk key
    /// ends it. Only in sealed calls, and only while nobody else is in the call. The command answer-measure changes it.
    #[arg(long, help_heading = "Call", overrides_with = "no_answer_measure")]
    answer_measure: bool,
    #[arg(long, hide = true, overrides_with = "answer_measure")]
    no_answer_measure: bool,
    /// Ask for a passphrase that both sides of a sealed call must have; it is not shown
    ///
    /// Where it can neither be typed nor be in a file, the variable VOICETUI_PASSPHRASE holds it. "voicetui passphrase" makes one of six
    /// words. Whoever answers a call can guess at it offline, so it must be as long.
    #[arg(long, help_heading = "Call")]
    pub passphrase: bool,
    /// Read the passphrase from this file, which only its owner may read
    #[arg(long, help_heading = "Call", value_name = "FILE")]
    pub passphrase_file: Option<PathBuf>,
    /// The name that other sides see; the login name if not given
    #[arg(long, help_heading = "Call", value_name = "NAME", value_parser = values::name)]
    name: Option<String>,
    /// Let go of the talk key after this time, even if it is still held
    #[arg(long, help_heading = "Call", value_name = "TIME", default_value = "180s", value_parser = values::duration)]
    talk_timeout: Duration,
    /// Give up a call that nobody answers after this time
    #[arg(long, help_heading = "Call", value_name = "TIME", default_value = "60s", value_parser = values::duration)]
    ring_timeout: Duration,

    /// UDP port to listen on; 0 takes any free one
    #[arg(long, help_heading = "Network", value_name = "PORT", default_value_t = DEFAULT_PORT, value_parser = values::port)]
    port: u16,
    /// Address to listen on; :: is every address of this machine, IPv4 and IPv6
    #[arg(long, help_heading = "Network", value_name = "IP", default_value_t = IpAddr::V6(Ipv6Addr::UNSPECIFIED), value_parser = values::ip)]
    bind: IpAddr,
    /// Bit rate of our voice in Opus, bit/s, from 6000 to 510000
    #[arg(long, help_heading = "Network", value_name = "BPS", default_value_t = 64_000, value_parser = values::bitrate)]
    bitrate: u32,
    /// Length of a packet in Opus, ms: 10 is heard sooner, 20 costs fewer bytes
    #[arg(long, help_heading = "Network", value_name = "MS", default_value = "10",
        value_parser = PossibleValuesParser::new(["10", "20"]).map(|ms| if ms == "20" { 20u32 } else { 10 }))]
    frame: u32,

    /// Colours of the screen
    ///
    /// auto asks the terminal and heeds NO_COLOR; 16 uses the terminal's own colours; none uses no colour.
    #[arg(long, help_heading = "Screen", value_name = "THEME", default_value = "auto",
        value_parser = PossibleValuesParser::new(["auto", "dark", "light", "16", "none"]).map(|name| values::theme(&name)))]
    theme: ThemeChoice,
    /// Nothing moves by itself on the screen
    #[arg(long, help_heading = "Screen", overrides_with = "no_calm")]
    calm: bool,
    #[arg(long, hide = true, overrides_with = "calm")]
    no_calm: bool,
    /// Draw with ASCII characters only
    #[arg(long, help_heading = "Screen", overrides_with = "no_ascii")]
    ascii: bool,
    #[arg(long, hide = true, overrides_with = "ascii")]
    no_ascii: bool,
    /// Leave the mouse to the terminal
    #[arg(long, help_heading = "Screen", overrides_with = "mouse")]
    no_mouse: bool,
    #[arg(long, hide = true, overrides_with = "no_mouse")]
    mouse: bool,
    /// Do not sound the terminal's bell while somebody rings
    #[arg(long, help_heading = "Screen", overrides_with = "bell")]
    no_bell: bool,
    #[arg(long, hide = true, overrides_with = "no_bell")]
    bell: bool,
    /// Let the terminal show who rings as a desktop notification (OSC 9)
    ///
    /// Known by iTerm2, kitty, WezTerm, Ghostty, foot, Windows Terminal and others; a terminal that does not know it shows nothing.
    #[arg(long, help_heading = "Screen", overrides_with = "no_notify")]
    notify: bool,
    #[arg(long, hide = true, overrides_with = "notify")]
    no_notify: bool,

    /// Append the log to this file, instead of a file a day in $XDG_STATE_HOME/voicetui
    #[arg(long, help_heading = "Log", value_name = "FILE")]
    pub log: Option<PathBuf>,
    /// How much the log says
    #[arg(long, help_heading = "Log", value_name = "LEVEL", default_value = "info",
        value_parser = PossibleValuesParser::new(["error", "warn", "info", "debug", "trace"]).map(|name| values::level(&name)))]
    pub log_level: LevelFilter,
}

impl Options {
    pub fn settings(&self) -> Settings {
        let headless = self.plain || self.json;
        Settings {
            name: self.name.clone().unwrap_or_else(values::login_name),
            host: self.host.clone(),
            input: self.input.clone(),
            output: self.output.clone(),
            bind: self.bind,
            port: self.port,
            format: self.format,
            delay: self.delay,
            earcons: self.earcons,
            processing: Processing { echo: self.echo, noise: self.noise, gain: self.gain },
            outputs: files::data_dir().map(|dir| dir.join("outputs.toml")),
            open: self.open,
            voice_activation: self.voice_activation,
            voice: VoiceTuning { sensitivity: self.voice_sensitivity, hang_ms: self.voice_hang },
            auto_answer: self.auto_answer,
            open_on_answer: self.open_on_answer,
            allow_unsealed: self.allow_unsealed,
            private: self.private,
            answer_measure: self.answer_measure,
            bitrate: self.bitrate,
            frame_ms: self.frame,
            talk_timeout: self.talk_timeout,
            ring_timeout: self.ring_timeout,
            record: self.record.clone(),
            record_dir: self.record_dir.clone().or_else(|| self.record.clone()).unwrap_or_else(files::recordings_dir),
            record_format: self.record_format,
            run_for: self.run_for,
            commands: if headless && self.stdin == "commands" { CommandInput::Stdin } else { CommandInput::None },
            ctl: !self.no_ctl,
            ..Settings::default()
        }
    }

    pub fn ui(&self) -> UiOptions {
        UiOptions { theme: self.theme, calm: self.calm, ascii: self.ascii, mouse: !self.no_mouse, bell: !self.no_bell, notify: self.notify }
    }
}
