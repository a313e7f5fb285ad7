//! What the engine says, taken in: who is there and in what state, what is to be shown and heard. Main thread.

use std::time::Instant;

use super::{Alarm, App, Effect, MISSED_MAX, Missed, Mode, PeerInfo, Tone};
use crate::engine::{CallState, Notice, Reason, Sealed};
use crate::ui::action::Action;
use crate::ui::keymap::{self, Context};
use crate::ui::text;
use crate::units::PeerId;

impl App {
    /// Something of the engine, at `now`.
    pub fn handle_notice(&mut self, notice: Notice, now: Instant) {
        match notice {
            Notice::Listening { address } => self.listening = Some(address),
            Notice::Peer { id, address, incoming, .. } => self.meet(id, &address, incoming),
            Notice::Resolved { id, remote } => self.with_peer(id, |peer| peer.remote = Some(remote)),
            Notice::Name { id, name } => {
                let name = text::clean(&name);
                self.with_peer(id, |peer| peer.name = Some(name).filter(|name| !name.trim().is_empty()));
            }
            Notice::Sealed { id, sealed } => self.seal(id, sealed, now),
            Notice::Unsealed { id, met } => {
                self.with_peer(id, |peer| peer.unsealed = Some(met));
                self.say(&self.unsealed_words(id, met), Tone::Problem, now);
            }
            Notice::KeyChanged { address, pinned, shown, verified } => {
                self.alarm = Some(Alarm { address: text::clean_sentence(&address), pinned, shown, verified });
                self.effects.push_back(Effect::Ring(None));
            }
            Notice::State { id, state } => self.moved(id, state, now),
            Notice::Gone { id } => self.peers[id.slot()] = None,
            Notice::Missed { address, at } => {
                self.missed.insert(0, Missed { address: self.who_called(&text::clean_sentence(&address)), at });
                self.missed.truncate(MISSED_MAX);
            }
            notice @ (Notice::Device { .. } | Notice::Devices(_) | Notice::DeviceOrder { .. } | Notice::OutputIs { .. }) => {
                self.devices.handle_notice(notice);
                self.follow_devices();
            }
            Notice::Recording { files, begun } => {
                let said = match files.first() {
                    Some(file) if begun => format!("Recording to {}", file.parent().unwrap_or(file).display()),
                    Some(dir) => format!("Recording to {} from the first sound on.", dir.display()),
                    None => text::recorded(begun).into(),
                };
                self.say(&said, Tone::Info, now);
                self.recording = files;
            }
            Notice::PeerRecording { id, on } => {
                self.with_peer(id, |peer| peer.records = on);
                self.say(&text::records(&self.name(id), on), Tone::Info, now);
            }
            Notice::Slept(slept) => {
                self.effects.push_back(Effect::Slept);
                self.say(&format!("The machine slept for {}; the microphone was closed.", text::clock(slept)), Tone::Info, now);
            }
            Notice::Dumped { result: Err(sentence), .. } | Notice::Problem(sentence) => self.say(&sentence, Tone::Problem, now),
            Notice::Dumped { result: Ok(sentence), .. } | Notice::Info(sentence) => self.say(&sentence, Tone::Info, now),
            Notice::Measured(result) => {
                let tone = if result.is_ok() { Tone::Info } else { Tone::Problem };
                self.say(&text::measured(&result), tone, now);
            }
            Notice::Quit => self.effects.push_back(Effect::Quit),
            Notice::MutedTalk => self.say(&text::muted(), Tone::Problem, now),
            // The snapshot says these.
            Notice::VoiceActivation(_) => {}
            Notice::PeerFormat { .. } | Notice::OnAir(_) | Notice::Microphone(_) | Notice::Stats | Notice::Known(_) => {}
        }
    }

    fn seal(&mut self, id: PeerId, sealed: Sealed, now: Instant) {
        let before = self.sealed(id).map(|before| before.sas);
        let is_other = before.is_some_and(|sas| sas != sealed.sas) && !sealed.verified;
        self.with_peer(id, |peer| (peer.sealed, peer.unsealed) = (Some(sealed), None));
        if is_other {
            let name = self.name(id);
            self.say(&format!("The four words of {name} have changed: it was started again, or somebody interferes."), Tone::Problem, now);
        }
    }

    fn meet(&mut self, id: PeerId, address: &str, incoming: bool) {
        self.histories[id.slot()].clear();
        self.peers[id.slot()] = Some(PeerInfo {
            address: text::clean_sentence(address),
            name: None,
            remote: None,
            incoming,
            sealed: None,
            unsealed: None,
            records: false,
        });
        if incoming {
            self.selected = self.selected.or(Some(id));
            return;
        }
        self.selected = Some(id);
        self.field.remember(address);
        self.effects.push_back(Effect::KeepCalled);
        // Called from elsewhere, it leaves alone what is being typed.
        if self.mode == Mode::Field && ["", address].contains(&self.field.text().trim()) {
            self.mode = Mode::Main;
            self.field.clear();
        }
    }

    fn moved(&mut self, id: PeerId, state: CallState, now: Instant) {
        let name = self.name(id);
        if state != CallState::Calling {
            if let Some(met) = self.info(id).and_then(|peer| peer.unsealed) {
                let answered = self.unsealed_words(id, met);
                self.messages.retain(|message| message.text != answered);
                self.with_peer(id, |peer| peer.unsealed = None);
            }
            if matches!(&self.mode, Mode::Clear { id: asked, .. } if *asked == id) {
                self.mode = Mode::Main;
            }
        }
        match state {
            // The keys belong to the call now: Space must talk. But who is typing goes on typing, and no letter becomes a key.
            CallState::Live if self.mode == Mode::Field && self.field.text().is_empty() => self.mode = Mode::Main,
            CallState::Ringing => {
                self.rings.begin(id, now);
                self.effects.push_back(Effect::Ring(Some(format!("{name} is calling"))));
            }
            // The alarm says it better.
            CallState::Ended(Reason::Unreachable) if self.alarmed(id) => {}
            CallState::Ended(reason) => self.say(&text::ended(&name, reason), Tone::Info, now),
            _ => {}
        }
    }

    fn unsealed_words(&self, id: PeerId, met: bool) -> String {
        let clear = keymap::key_name(Context::Main, Action::Clear);
        let address = self.info(id).map_or_else(String::new, |peer| peer.address.clone());
        text::clean_sentence(&text::unsealed(&address, met, &clear))
    }

    /// Whether a changed key is why this peer is not called.
    fn alarmed(&self, id: PeerId) -> bool {
        let address = self.info(id).map(|peer| &peer.address);
        self.alarm.as_ref().is_some_and(|alarm| Some(&alarm.address) == address)
    }

    fn with_peer(&mut self, id: PeerId, change: impl FnOnce(&mut PeerInfo)) {
        if let Some(peer) = &mut self.peers[id.slot()] {
            change(peer);
        }
    }
}
