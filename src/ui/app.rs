//! What the screen knows besides the snapshot: view, mode, selection, names, messages. Keys and notices in, effects out. Main thread.
//!
//! The order of calls, each round: `tick` with a new snapshot, `handle_*` for what came, `poll_effect` until it is empty, draw.

mod devices;
mod keys;
mod mode;
mod names;
mod needle;
mod notices;
mod rings;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

pub use devices::{Devices, List, Picker};
pub use mode::{Checkup, Mode};
pub use needle::Needle;
use rings::Rings;

use super::action::View;
use super::field::Field;
use super::history::History;
use super::text;
use crate::engine::{CallState, Command, PeerSnapshot, PublicKey, Sealed, Snapshot, Switch};
use crate::talk::{Rung, Unkeyed};
use crate::units::{Format, MAX_PEERS, PeerId};

/// Missed calls that are kept.
const MISSED_MAX: usize = 50;
/// Messages waiting to be read; more, and the oldest goes.
const MESSAGES_MAX: usize = 8;
const INFO_SHOWN: Duration = Duration::from_secs(6);
const PROBLEM_SHOWN: Duration = Duration::from_secs(15);
/// Nothing but another problem is shown in its place so soon.
const PROBLEM_ALONE: Duration = Duration::from_secs(3);

/// What a slot's peer is called, and how we came to know it.
#[derive(Clone, PartialEq, Debug)]
pub struct PeerInfo {
    /// As typed, or IP:port of a caller.
    pub address: String,
    /// What it calls itself.
    pub name: Option<String>,
    pub remote: Option<SocketAddr>,
    pub incoming: bool,
    /// Once a sealed session stands.
    pub sealed: Option<Sealed>,
    /// It has not answered sealed, and whether it ever did.
    pub unsealed: Option<bool>,
    /// It says that it records the call.
    pub records: bool,
}

/// A call was refused since its peer shows another key than before; it stands until it is put away.
#[derive(Clone, PartialEq, Debug)]
pub struct Alarm {
    pub address: String,
    pub pinned: PublicKey,
    pub shown: PublicKey,
    pub verified: bool,
}

#[derive(Clone, PartialEq, Debug)]
pub struct Missed {
    pub address: String,
    pub at: SystemTime,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Tone {
    Info,
    Problem,
}

#[derive(Clone, PartialEq, Debug)]
pub struct Message {
    pub text: String,
    pub tone: Tone,
    pub at: Instant,
}

/// How the talk key works here, as the input thread says.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct KeyReport {
    pub rung: Rung,
    /// Un-keyed by something else while it is still down.
    pub spent: bool,
}

/// What the loop has to do for the app.
#[derive(Clone, PartialEq, Debug)]
pub enum Effect {
    Command(Command),
    /// The list of addresses called has grown.
    KeepCalled,
    /// Silence this peer here, or hear it again.
    MutePeer(PeerId, bool),
    /// Sound the bell; with a sentence, when somebody begins to ring.
    Ring(Option<String>),
    /// Un-key: the machine slept.
    Slept,
    Redraw,
    Suspend,
    /// Take the terminal again.
    Continue,
    /// Have the doctor's checks made.
    Examine,
    Quit,
}

#[derive(Debug)]
pub struct App {
    pub view: View,
    pub mode: Mode,
    pub field: Field,
    pub selected: Option<PeerId>,
    pub missed: Vec<Missed>,
    pub alarm: Option<Alarm>,
    pub devices: Devices,
    pub listening: Option<SocketAddr>,
    pub recording: Vec<PathBuf>,
    pub checkup: Checkup,
    pub key: KeyReport,
    pub mic: Needle,
    pub out: Needle,
    pub histories: [History; MAX_PEERS],
    pub needles: [Needle; MAX_PEERS],
    /// For local times.
    pub zone: jiff::tz::TimeZone,
    peers: [Option<PeerInfo>; MAX_PEERS],
    rings: Rings,
    /// The key whose four words are on the screen, and since when.
    words: Option<(PublicKey, Instant)>,
    messages: VecDeque<Message>,
    effects: VecDeque<Effect>,
}

impl App {
    /// Starts with the address field focused. `called`: addresses called before, the latest last.
    #[must_use]
    pub fn new(called: Vec<String>, zone: jiff::tz::TimeZone) -> Self {
        Self {
            view: View::Talk,
            mode: Mode::Field,
            field: Field::new(called),
            selected: None,
            missed: Vec::new(),
            alarm: None,
            devices: Devices::default(),
            listening: None,
            recording: Vec::new(),
            checkup: Checkup::default(),
            key: KeyReport { rung: Rung::Inferred, spent: false },
            mic: Needle::default(),
            out: Needle::default(),
            histories: Default::default(),
            needles: Default::default(),
            zone,
            peers: Default::default(),
            rings: Rings::default(),
            words: None,
            messages: VecDeque::new(),
            effects: VecDeque::new(),
        }
    }

    /// A new snapshot: needles fall, histories grow, old messages go, a selection that is gone moves on.
    pub fn tick(&mut self, snapshot: &Snapshot) {
        let now = snapshot.now;
        self.mic.push(snapshot.mic_level, now);
        self.out.push(snapshot.out_level, now);
        for id in PeerId::all() {
            let Some(peer) = snapshot.peer(id) else {
                self.histories[id.slot()].clear();
                continue;
            };
            self.needles[id.slot()].push(peer.level, now);
            if peer.state == CallState::Live {
                self.histories[id.slot()].sample(peer, now);
            }
        }
        if self.selected.is_none_or(|id| snapshot.peer(id).is_none()) {
            self.selected = snapshot.peers.first().map(|peer| peer.id);
        }
        self.ring_on(snapshot);
        if !snapshot.muted {
            let muted = text::muted();
            self.messages.retain(|message| message.text != muted);
        }
        let shown = |message: &Message| if message.tone == Tone::Problem { PROBLEM_SHOWN } else { INFO_SHOWN };
        self.messages.retain(|message| now.saturating_duration_since(message.at) < shown(message));
    }

    /// The talk key was let go by something else than the hand, or works another way than before.
    pub fn handle_key_report(&mut self, report: KeyReport, unkeyed: Option<Unkeyed>, now: Instant) {
        self.key = report;
        match unkeyed {
            Some(Unkeyed::TimedOut) => self.say("The talk key was down too long: let go and press again.", Tone::Problem, now),
            Some(Unkeyed::FocusLost) => self.say("This window lost the focus: the microphone was closed.", Tone::Info, now),
            _ => {}
        }
    }

    /// Space or the button was pressed with nobody to talk to.
    pub fn handle_talk_refused(&mut self, now: Instant) {
        self.say(keys::NOBODY, Tone::Info, now);
    }

    pub fn say(&mut self, sentence: &str, tone: Tone, now: Instant) {
        let text = text::clean_sentence(sentence);
        self.messages.retain(|message| message.text != text);
        if self.messages.len() == MESSAGES_MAX {
            self.messages.pop_front();
        }
        self.messages.push_back(Message { text, tone, at: now });
    }

    /// The sentence to show now: the latest. But what is no problem hides none that came just before; and a problem is shown again once the
    /// answer to a key has been.
    #[must_use]
    pub fn message(&self) -> Option<&Message> {
        let latest = self.messages.back()?;
        let comes_first =
            |message: &&Message| message.tone == Tone::Problem && latest.at.saturating_duration_since(message.at) < PROBLEM_ALONE;
        self.messages.iter().rev().find(comes_first).or(Some(latest))
    }

    /// The words of this key are on the screen as it was drawn at `now`; `None`: nobody's.
    pub fn saw_words(&mut self, key: Option<PublicKey>, now: Instant) {
        let since = self.words.filter(|(before, _)| Some(*before) == key).map_or(now, |(_, since)| since);
        self.words = key.map(|key| (key, since));
    }

    pub fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    pub fn ask(&mut self, effect: Effect) {
        self.effects.push_back(effect);
    }

    fn command(&mut self, command: Command) {
        self.effects.push_back(Effect::Command(command));
    }

    #[must_use]
    pub fn info(&self, id: PeerId) -> Option<&PeerInfo> {
        self.peers[id.slot()].as_ref()
    }

    /// What is known of a peer's key; `None`: its call is not sealed.
    #[must_use]
    pub fn sealed(&self, id: PeerId) -> Option<&Sealed> {
        self.info(id).and_then(|info| info.sealed.as_ref())
    }

    /// Whether a peer says that it records the call.
    #[must_use]
    pub fn records(&self, id: PeerId) -> bool {
        self.info(id).is_some_and(|info| info.records)
    }

    /// The selected peer, as it stands.
    #[must_use]
    pub fn selected<'a>(&self, snapshot: &'a Snapshot) -> Option<&'a PeerSnapshot> {
        self.selected.and_then(|id| snapshot.peer(id))
    }

    #[must_use]
    pub fn field_focused(&self) -> bool {
        self.mode == Mode::Field
    }

    /// Letters are text now, Space too.
    #[must_use]
    pub fn is_typing(&self) -> bool {
        matches!(self.mode, Mode::Field | Mode::Clear { .. })
    }

    /// Whether the picture changes by itself: somebody talks, or a needle is still falling.
    #[must_use]
    pub fn is_moving(&self, snapshot: &Snapshot) -> bool {
        snapshot.on_air || snapshot.holder.is_some() || snapshot.voice_armed || snapshot.peers.iter().any(|peer| peer.speaking)
    }
}

/// Formats that anybody on the path can listen to.
#[must_use]
pub fn is_open(format: Format) -> bool {
    format != Format::Sealed
}

fn level_test(on: bool) -> Command {
    Command::LevelTest(if on { Switch::On } else { Switch::Off })
}

#[cfg(test)]
mod tests;
