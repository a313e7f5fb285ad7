//! What the engine tells whoever watches: events with words in them; numbers travel in [`super::Meters`]. Bounded channels.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use super::{OutputKind, Sealed};
use crate::call::trust::KnownPeer;
use crate::call::{CallState, PublicKey, Trials};
pub use crate::os::sound::{DeviceEntry, Direction};
use crate::units::{Format, PeerId};

/// A stream's fate, for the screen. Sentences are whole and say what to do.
#[derive(Clone, PartialEq, Debug)]
pub enum DeviceStatus {
    Closed,
    /// Sound flows. `block`: frames a callback as granted, if known.
    Open {
        name: String,
        /// The device's own, that stays the same from run to run.
        id: String,
        rate: u32,
        channels: u16,
        block: Option<u32>,
    },
    /// Not to be had now; the engine keeps trying.
    Lost {
        sentence: String,
    },
}

/// An event of the engine.
#[derive(Clone, PartialEq, Debug)]
pub enum Notice {
    /// The socket is bound here.
    Listening {
        address: SocketAddr,
    },
    /// A slot is taken by a new peer. `address`: as typed, or IP:port of a caller.
    Peer {
        id: PeerId,
        address: String,
        format: Format,
        incoming: bool,
    },
    /// What the name resolved to.
    Resolved {
        id: PeerId,
        remote: SocketAddr,
    },
    /// The name the peer gives itself, control characters stripped.
    Name {
        id: PeerId,
        name: String,
    },
    /// The format turned out to be another than the one called with.
    PeerFormat {
        id: PeerId,
        format: Format,
    },
    /// A sealed session stands with this peer; again when what is known of the peer changes.
    Sealed {
        id: PeerId,
        sealed: Sealed,
    },
    /// A call that was to be sealed is not answered so. `met`: the peer was met sealed before.
    Unsealed {
        id: PeerId,
        met: bool,
    },
    /// The call to `address` was refused: it shows another key than the pinned one.
    KeyChanged {
        address: String,
        pinned: PublicKey,
        shown: PublicKey,
        /// The pinned key had been verified.
        verified: bool,
    },
    State {
        id: PeerId,
        state: CallState,
    },
    /// The slot is free again.
    Gone {
        id: PeerId,
    },
    /// Somebody called and was not answered.
    Missed {
        address: String,
        at: SystemTime,
    },
    /// Frames began or ceased to leave.
    OnAir(bool),
    /// Voice activation was switched on, or has ended. On: it listens, and nothing leaves until it hears a voice.
    VoiceActivation(bool),
    /// The user talks in a live call, and the microphone is muted. Not more often than every ten seconds.
    MutedTalk,
    /// The microphone's stream runs or is closed.
    Microphone(bool),
    Device {
        direction: Direction,
        status: DeviceStatus,
    },
    Devices(Vec<DeviceEntry>),
    /// The devices that the user named, best first, and which of them is in use or tried. Not told where there is nothing to choose.
    DeviceOrder {
        direction: Direction,
        order: Vec<String>,
        used: usize,
    },
    /// What the output in use is: said by the user in this or an earlier run, or guessed from its name. It matters to echo
    /// cancellation alone.
    OutputIs {
        name: String,
        kind: OutputKind,
        guessed: bool,
    },
    /// The files of a recording (before the first sound: the directory they will be in); empty: it ended.
    Recording {
        files: Vec<PathBuf>,
        /// There was a sound.
        begun: bool,
    },
    /// A peer of a sealed call says that it records the call, or no longer does.
    PeerRecording {
        id: PeerId,
        on: bool,
    },
    /// All peers that are known, as they were asked for.
    Known(Vec<KnownPeer>),
    /// A dump of the packet timings ended: what was written to `file` (as it was asked for), or why nothing was; one sentence.
    Dumped {
        file: PathBuf,
        result: Result<String, String>,
    },
    /// What was measured of a call's delay, or why it was not; one sentence.
    Measured(Result<Trials, String>),
    /// The machine slept this long.
    Slept(Duration),
    /// Somebody asked for a stats line (the watcher makes it from its snapshot).
    Stats,
    /// A refused command or a failure, one whole sentence.
    Problem(String),
    /// Something worth knowing, one whole sentence.
    Info(String),
    /// The engine was asked to end (quit, end of standard input, time is up, a signal): leave the screen and shut down.
    Quit,
}
