//! What keys, clicks and pastes do to the app. Refused actions say why. Main thread.

use std::time::{Duration, Instant};

use crossterm::event::{KeyEvent, KeyEventKind, MouseButton, MouseEvent, MouseEventKind};
use tui_input::InputRequest;

use super::{App, Effect, Mode, Picker, Tone, level_test};
use crate::engine::{CallState, Command, OutputKind, PeerSnapshot, Processing, PublicKey, Sealed, Snapshot, Switch, Target, VoiceTuning};
use crate::ui::action::{Action, View};
use crate::ui::keymap::{self, Context, Key};
use crate::ui::screen::Zones;
use crate::ui::text;
use crate::units::PeerId;

pub const NOBODY: &str = "Nobody to talk to yet: press c, type an address, press Enter.";
/// A longer name is not typed, bytes.
const NAME_MAX: usize = 300;
/// A press of a volume key, percent.
const VOLUME_STEP: u8 = 5;
/// One of a sensitivity key, percent.
const SENSITIVITY_STEP: u8 = 5;
/// Nobody reads four words in less.
const READ: Duration = Duration::from_millis(500);

impl App {
    /// A key of the terminal; releases do nothing here, repeats only what may repeat.
    pub fn handle_key(&mut self, event: &KeyEvent, snapshot: &Snapshot) {
        if event.kind == KeyEventKind::Release {
            return;
        }
        let key = Key::of(event);
        let context = self.mode.context();
        match (keymap::lookup(context, key), key.typed()) {
            (Some(action), _) if event.kind == KeyEventKind::Press || action.repeats() => self.act(action, snapshot),
            (None, Some(c)) if context == Context::Clear => {
                if let Mode::Clear { typed, .. } = &mut self.mode
                    && typed.len() < NAME_MAX
                {
                    typed.push(c);
                }
            }
            (None, Some(c)) if context == Context::Field => self.field.edit(InputRequest::InsertChar(c)),
            _ => {}
        }
    }

    /// A paste goes into the address field, focused or not; it never acts as keys.
    pub fn handle_paste(&mut self, text: &str) {
        if matches!(self.mode, Mode::Main | Mode::Field) {
            self.view = View::Talk;
            self.mode = Mode::Field;
            self.field.paste(text);
        }
    }

    /// A click or the wheel. The TALK button is the input thread's.
    pub fn handle_mouse(&mut self, event: &MouseEvent, zones: &Zones, snapshot: &Snapshot) {
        let at = (event.column, event.row);
        match event.kind {
            MouseEventKind::ScrollDown => self.act(Action::Next, snapshot),
            MouseEventKind::ScrollUp => self.act(Action::Previous, snapshot),
            MouseEventKind::Down(MouseButton::Left) => self.click(at, zones, snapshot),
            _ => {}
        }
    }

    fn click(&mut self, at: (u16, u16), zones: &Zones, snapshot: &Snapshot) {
        if let Mode::Picker(picker) = &mut self.mode {
            if let Some(list) = zones.list_at(at) {
                picker.list = list;
            } else if let Some(row) = zones.row_at(at) {
                picker.point(row);
            }
            return;
        }
        if matches!(self.mode, Mode::Help { .. } | Mode::Doctor { .. } | Mode::Quit | Mode::Clear { .. }) {
            return;
        }
        if let Some(view) = zones.view_at(at) {
            self.act(Action::View(view), snapshot);
        } else if let Some(id) = zones.peer_at(at) {
            self.selected = Some(id);
        } else if zones.field_at(at) {
            self.mode = Mode::Field;
        }
    }

    /// Why `action` cannot be done now.
    #[must_use]
    pub fn refusal(&self, action: Action, snapshot: &Snapshot) -> Option<&'static str> {
        let in_call = snapshot.peers.iter().any(|peer| peer.state.is_engaged());
        let selected = self.selected(snapshot);
        match action {
            Action::Talk | Action::Open | Action::Voice if !in_call => Some(NOBODY),
            Action::Hangup if !selected.is_some_and(|peer| peer.state.is_engaged() || peer.state == CallState::Ringing) => {
                Some("There is no call to hang up here.")
            }
            Action::HangupAll if !in_call && self.ringing(snapshot).is_none() => Some("There is no call to hang up."),
            Action::Answer | Action::Decline if self.ringing(snapshot).is_none() => Some("Nobody is calling."),
            Action::Admit | Action::Block if self.ringing(snapshot).is_none() => Some("Nobody is calling."),
            Action::Admit | Action::Block if self.ringing(snapshot).is_none_or(|peer| self.sealed(peer.id).is_none()) => {
                Some("This call is not sealed: nobody can tell this caller from another one.")
            }
            Action::Clear if self.unsealed(snapshot).is_none() => Some("No call is waiting for a sealed answer in vain."),
            Action::Verify | Action::Unverify => self.refusal_to_verify(action, selected.and_then(|peer| self.sealed(peer.id))),
            Action::PeerLouder | Action::PeerQuieter | Action::PeerMute if selected.is_none() => {
                Some("No peer is selected: there is none yet.")
            }
            _ => None,
        }
    }

    /// The selected peer, else another one, that has not answered sealed; and whether it ever did.
    fn unsealed(&self, snapshot: &Snapshot) -> Option<(PeerId, bool)> {
        let selected = self.selected.into_iter().chain(snapshot.peers.iter().map(|peer| peer.id));
        selected.filter_map(|id| Some((id, self.info(id)?.unsealed?))).next()
    }

    fn call_in_the_clear(&mut self, action: Action, snapshot: &Snapshot) {
        let Mode::Clear { id, typed } = &self.mode else {
            match self.unsealed(snapshot) {
                Some((id, true)) => self.mode = Mode::Clear { id, typed: String::new() },
                Some((id, false)) => self.command(Command::Clear(Target::Slot(id))),
                None => {}
            }
            return;
        };
        let Some(address) = self.info(*id).map(|peer| peer.address.clone()).filter(|_| action == Action::ClearNow) else { return };
        if typed.trim() == address {
            self.mode = Mode::Main;
            self.command(Command::Clear(Target::Named(address)));
        } else {
            self.say(&format!("That is not its name: type {address}, or leave with Esc."), Tone::Info, snapshot.now);
        }
    }

    fn edit_name(&mut self, request: InputRequest) {
        if let Mode::Clear { typed, .. } = &mut self.mode {
            match request {
                InputRequest::DeletePrevChar => drop(typed.pop()),
                _ => typed.clear(),
            }
        }
    }

    fn refusal_to_verify(&self, action: Action, sealed: Option<&Sealed>) -> Option<&'static str> {
        match sealed {
            None => Some("There are no words to compare: no peer with a sealed call is selected."),
            Some(sealed) if sealed.verified && action == Action::Verify => Some("This peer is verified already."),
            Some(sealed) if !sealed.verified && action == Action::Unverify => Some("This peer is not verified."),
            Some(_) => None,
        }
    }

    /// Why `action` comes too soon: nobody can have seen yet whom it is for.
    fn haste(&self, action: Action, snapshot: &Snapshot) -> Option<&'static str> {
        let now = snapshot.now;
        match action {
            Action::Answer | Action::Decline | Action::Admit | Action::Block if self.has_just_turned(now) => {
                Some("Somebody else rings now: look who, and press again.")
            }
            Action::Verify => {
                let key = self.selected(snapshot).and_then(|peer| self.sealed(peer.id)).map(|sealed| sealed.key);
                let read = |(shown, since): (PublicKey, Instant)| Some(shown) == key && now.saturating_duration_since(since) >= READ;
                (!self.words.is_some_and(read)).then_some("Compare the four words first: the Peers view (4) shows them.")
            }
            _ => None,
        }
    }

    /// Does `action`, or says why not.
    pub fn act(&mut self, action: Action, snapshot: &Snapshot) {
        if self.mode == Mode::Main
            && let Some(why) = self.refusal(action, snapshot)
        {
            self.say(why, Tone::Info, snapshot.now);
            return;
        }
        if self.mode == Mode::Main
            && let Some(why) = self.haste(action, snapshot)
        {
            self.say(why, Tone::Info, snapshot.now);
            return;
        }
        match action {
            Action::Clear | Action::ClearNow => self.call_in_the_clear(action, snapshot),
            Action::Edit(request) if matches!(self.mode, Mode::Clear { .. }) => self.edit_name(request),
            Action::Call | Action::Older | Action::Newer | Action::Edit(_) => self.act_in_field(action, snapshot.now),
            Action::Next | Action::Previous => self.step(action == Action::Next, snapshot),
            Action::NextList => self.turn_list(1),
            Action::PreviousList => self.turn_list(2),
            Action::Choose => self.choose(),
            Action::Devices => {
                self.mode = Mode::Picker(Picker::default());
                self.follow_devices();
                self.command(Command::ListDevices);
                self.command(level_test(true));
            }
            Action::Address => {
                self.view = View::Talk;
                self.mode = Mode::Field;
            }
            Action::Help => self.mode = Mode::Help { scroll: 0 },
            Action::Examine => self.examine(),
            Action::Leave => self.leave(),
            Action::View(view) => self.show(view),
            Action::NextView => self.show(self.view.step(1)),
            Action::PreviousView => self.show(self.view.step(View::ALL.len() - 1)),
            Action::Redraw => self.effects.push_back(Effect::Redraw),
            Action::Suspend => self.effects.push_back(Effect::Suspend),
            Action::Quit if snapshot.peers.iter().any(|peer| peer.state.is_engaged()) => self.mode = Mode::Quit,
            Action::Quit | Action::QuitNow => self.effects.push_back(Effect::Quit),
            // Held, and the input thread's.
            Action::Talk => {}
            _ => self.act_on_call(action, snapshot),
        }
    }

    fn act_in_field(&mut self, action: Action, now: Instant) {
        match action {
            Action::Older => self.field.older(),
            Action::Newer => self.field.newer(),
            Action::Edit(request) => self.field.edit(request),
            _ => {
                let address = self.field.text().trim().to_string();
                if address.is_empty() {
                    self.say("Type an address first: a name, an IPv4 or an IPv6 address, with :PORT if it is not 5005.", Tone::Info, now);
                } else {
                    self.command(Command::Call { address, format: None });
                }
            }
        }
    }

    /// The actions that become commands to the engine.
    fn act_on_call(&mut self, action: Action, snapshot: &Snapshot) {
        let selected = self.selected(snapshot);
        // By its key where it has one: its place may be another's by the time this arrives.
        let who = |peer: &PeerSnapshot| self.sealed(peer.id).map_or(Target::Slot(peer.id), |sealed| Target::Key(sealed.key));
        let ringing = self.ringing(snapshot).map(who);
        let slot = selected.map(|peer| Target::Slot(peer.id));
        let peer_volume = selected.map_or(100, |peer| peer.volume);
        let command = match (action, slot, ringing) {
            (Action::Open, ..) => Command::Open(Switch::Toggle),
            (Action::Voice, ..) => Command::Voice(Switch::Toggle),
            (Action::MoreSensitive | Action::LessSensitive, ..) => return self.turn_sensitivity(action, snapshot),
            (Action::Echo | Action::Noise | Action::Gain, ..) => return self.turn_processing(action, snapshot),
            (Action::IsHeadset, ..) => Command::OutputIs(OutputKind::Headset),
            (Action::IsLoudspeaker, ..) => Command::OutputIs(OutputKind::Loudspeaker),
            (Action::Mute, ..) => Command::Mute(Switch::Toggle),
            (Action::Deafen, ..) => Command::Deafen(Switch::Toggle),
            (Action::Record, ..) => Command::Record(Switch::Toggle),
            (Action::Louder, ..) => Command::Volume { target: Target::All, percent: louder(snapshot.volume) },
            (Action::Quieter, ..) => Command::Volume { target: Target::All, percent: quieter(snapshot.volume) },
            (Action::HangupAll, ..) => Command::Hangup(Target::All),
            (Action::Hangup, Some(target), _) if selected.is_some_and(|peer| peer.state == CallState::Ringing) => Command::Decline(target),
            (Action::Hangup, Some(target), _) => Command::Hangup(target),
            (Action::PeerLouder, Some(target), _) => Command::Volume { target, percent: louder(peer_volume) },
            (Action::PeerQuieter, Some(target), _) => Command::Volume { target, percent: quieter(peer_volume) },
            (Action::PeerMute, ..) => {
                if let Some(peer) = selected {
                    self.effects.push_back(Effect::MutePeer(peer.id, !peer.muted));
                }
                return;
            }
            (Action::Answer, _, Some(target)) => Command::Answer(target),
            (Action::Admit, _, Some(target)) => Command::Admit(target),
            (Action::Block, _, Some(target)) => Command::Block(target),
            (Action::Verify | Action::Unverify, ..) => match selected.and_then(|peer| self.sealed(peer.id)) {
                Some(sealed) => Command::Verify(Target::Key(sealed.key), action == Action::Verify),
                None => return,
            },
            (Action::Decline, _, Some(target)) => Command::Decline(target),
            _ => return,
        };
        self.command(command);
    }

    fn turn_sensitivity(&mut self, action: Action, snapshot: &Snapshot) {
        let now = snapshot.voice.sensitivity;
        let percent = if action == Action::MoreSensitive { now + SENSITIVITY_STEP } else { now.saturating_sub(SENSITIVITY_STEP) };
        let percent = percent.clamp(VoiceTuning::SENSITIVITY_MIN, VoiceTuning::SENSITIVITY_MAX);
        self.say(&format!("Sensitivity of voice activation: {percent} %; it opens at {} %.", 100 - percent), Tone::Info, snapshot.now);
        self.command(Command::Sensitivity(percent));
    }

    fn turn_processing(&mut self, action: Action, snapshot: &Snapshot) {
        let now = snapshot.processing;
        let (command, next) = match action {
            Action::Echo => (Command::Echo(now.echo.next()), Processing { echo: now.echo.next(), ..now }),
            Action::Noise => (Command::Noise(now.noise.next()), Processing { noise: now.noise.next(), ..now }),
            _ => (Command::Gain(if now.gain { Switch::Off } else { Switch::On }), Processing { gain: !now.gain, ..now }),
        };
        self.say(&format!("Your voice: {next}. {}", text::processing(action, next)), Tone::Info, snapshot.now);
        self.command(command);
    }

    fn show(&mut self, view: View) {
        self.view = view;
        if self.mode == Mode::Field {
            self.mode = Mode::Main;
        }
    }

    /// Opens the report; has the checks made, unless they are under way.
    fn examine(&mut self) {
        self.mode = Mode::Doctor { scroll: 0 };
        if !self.checkup.running {
            self.checkup.running = true;
            self.effects.push_back(Effect::Examine);
        }
    }

    fn leave(&mut self) {
        if matches!(self.mode, Mode::Picker(_)) {
            self.command(level_test(false));
        }
        if self.mode == Mode::Main {
            self.alarm = None;
        }
        self.mode = Mode::Main;
    }

    pub(super) fn follow_devices(&mut self) {
        if let Mode::Picker(picker) = &mut self.mode {
            picker.follow(&self.devices);
        }
    }

    fn turn_list(&mut self, by: usize) {
        if let Mode::Picker(picker) = &mut self.mode {
            picker.turn(by);
        }
    }

    fn choose(&mut self) {
        let Mode::Picker(picker) = &self.mode else { return };
        let choices = self.devices.choices(picker.list);
        if let Some(choice) = choices.into_iter().nth(picker.row()) {
            self.command(choice.command);
        }
    }

    fn step(&mut self, down: bool, snapshot: &Snapshot) {
        match &mut self.mode {
            Mode::Help { scroll } | Mode::Doctor { scroll } => {
                *scroll = if down { scroll.saturating_add(1) } else { scroll.saturating_sub(1) }
            }
            Mode::Picker(picker) => picker.step(down, self.devices.choices(picker.list).len()),
            _ => {
                let at = snapshot.peers.iter().position(|peer| Some(peer.id) == self.selected);
                let next = match at {
                    None => 0,
                    Some(at) if down => (at + 1).min(snapshot.peers.len().saturating_sub(1)),
                    Some(at) => at.saturating_sub(1),
                };
                self.selected = snapshot.peers.get(next).map(|peer| peer.id);
            }
        }
    }
}

fn louder(percent: u8) -> u8 {
    (percent + VOLUME_STEP).min(crate::engine::controls::MAX_VOLUME_PERCENT)
}

fn quieter(percent: u8) -> u8 {
    percent.saturating_sub(VOLUME_STEP)
}
