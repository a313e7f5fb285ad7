//! All that an engine is started with; the command line and the config file make one of these.

use std::net::{IpAddr, Ipv6Addr};
use std::path::PathBuf;
use std::time::Duration;

use super::{DelayBounds, EarconChoice, Processing, RecordFormat, VoiceTuning};
use crate::os::files::recordings_dir;
use crate::units::{DEFAULT_PORT, Format};

/// Which calls are answered without the user.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum AutoAnswer {
    #[default]
    None,
    /// Sealed ones of peers whose key is known.
    Known,
    All,
}

/// Where commands come from besides the screen.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum CommandInput {
    /// Nobody: the screen owns standard input, or `--stdin none`.
    #[default]
    None,
    /// Lines on standard input; its end ends the program.
    Stdin,
}

#[derive(Clone, PartialEq, Debug)]
pub struct Settings {
    /// The name other sides see.
    pub name: String,
    /// `None`: the first host of the platform that has devices.
    pub host: Option<String>,
    /// `default`, a device's id or name, or a virtual one (`wav:FILE`, `wav-loop:FILE`, `tone[:HZ]`, `voice`, `silence`).
    /// Several: best first. The system's default comes after them by itself.
    pub input: Vec<String>,
    /// `default`, a device's id or name, `wav:FILE` or `null`.
    pub output: Vec<String>,
    /// The virtual input that stands in while no sound card can be had (`--demo` speaks by itself: `voice`).
    pub input_without_card: String,
    /// Where it is kept which outputs are headsets; `None`: nowhere.
    pub outputs: Option<PathBuf>,
    pub bind: IpAddr,
    pub port: u16,
    pub format: Format,
    /// Of the playout.
    pub delay: DelayBounds,
    pub earcons: EarconChoice,
    /// Microphone open in calls that this side places.
    pub open: bool,
    /// Voice activation in calls that this side places.
    pub voice_activation: bool,
    pub voice: VoiceTuning,
    /// What is done to the own voice.
    pub processing: Processing,
    pub auto_answer: AutoAnswer,
    /// Microphone open in calls that come in sealed, from peers whose key is known.
    pub open_on_answer: bool,
    /// Open audio from anybody is heard without ringing.
    pub allow_unsealed: bool,
    /// Peers in a call may measure its delay.
    pub answer_measure: bool,
    /// Sealed calls send all the time, in datagrams of one length.
    pub private: bool,
    /// Opus bit rate, bit/s.
    pub bitrate: u32,
    /// 10 or 20.
    pub frame_ms: u32,
    /// A talk key held longer than this un-keys.
    pub talk_timeout: Duration,
    /// A call nobody answers ends after this.
    pub ring_timeout: Duration,
    /// Record every call, into this directory.
    pub record: Option<PathBuf>,
    /// Where `record on` writes.
    pub record_dir: PathBuf,
    pub record_format: RecordFormat,
    /// Ends by itself after this.
    pub run_for: Option<Duration>,
    pub commands: CommandInput,
    /// Serve `voicetui ctl`.
    pub ctl: bool,
    /// Ask for real-time priority for the audio threads.
    pub realtime: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            name: String::new(),
            host: None,
            input: vec!["default".into()],
            output: vec!["default".into()],
            input_without_card: "silence".into(),
            outputs: None,
            bind: IpAddr::V6(Ipv6Addr::UNSPECIFIED),
            port: DEFAULT_PORT,
            format: Format::default(),
            delay: DelayBounds::default(),
            earcons: EarconChoice::default(),
            open: false,
            voice_activation: false,
            voice: VoiceTuning::default(),
            processing: Processing::default(),
            auto_answer: AutoAnswer::None,
            open_on_answer: false,
            allow_unsealed: false,
            answer_measure: false,
            private: false,
            bitrate: 64_000,
            frame_ms: 10,
            talk_timeout: Duration::from_secs(180),
            ring_timeout: Duration::from_secs(60),
            record: None,
            record_dir: recordings_dir(),
            record_format: RecordFormat::default(),
            run_for: None,
            commands: CommandInput::None,
            ctl: true,
            realtime: true,
        }
    }
}
