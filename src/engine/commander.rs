//! Where commands enter: each goes straight to the atomics or to the one thread that can carry it out. Any thread.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Sender, TrySendError};

use super::devices::DeviceCommand;
use super::disk::{DiskCommand, LedgerJob};
use super::{Command, Controls, Holder, Meters, Notice, Notices, Processing, Switch, VoiceTuning};

/// How long a full queue is waited for at the end.
const PATIENCE: Duration = Duration::from_secs(1);

/// A handle that takes commands; clones share one engine.
#[derive(Clone)]
pub struct Commander {
    pub(super) controls: Arc<Controls>,
    pub(super) meters: Arc<Meters>,
    pub(super) notices: Notices,
    pub(super) call: Sender<Command>,
    pub(super) waker: Arc<mio::Waker>,
    pub(super) devices: Sender<DeviceCommand>,
    pub(super) disk: Sender<DiskCommand>,
    pub(super) talk_timeout: Duration,
}

impl Commander {
    /// Carries `command` out, or hands it to the thread that will. Never blocks.
    ///
    /// # Errors
    /// One sentence: why it cannot be done now.
    pub fn send(&self, command: Command) -> Result<(), String> {
        match command {
            Command::Talk(switch) => self.talk(switch, Instant::now()),
            Command::Open(switch) => self.open(switch, Instant::now()),
            Command::Voice(switch) => self.voice(switch),
            Command::Sensitivity(_)
            | Command::Hang(_)
            | Command::Mute(_)
            | Command::Deafen(_)
            | Command::Delay(_)
            | Command::Earcons(_)
            | Command::Echo(_)
            | Command::Noise(_)
            | Command::Gain(_)
            | Command::AnswerMeasure(_) => {
                self.set(&command);
                Ok(())
            }
            Command::Record(switch) => self.hand(&self.disk, DiskCommand::Record(switch)),
            Command::Known(edit) => self.hand(&self.disk, DiskCommand::Ledger(LedgerJob::Edit(edit))),
            Command::ListKnown => self.hand(&self.disk, DiskCommand::Ledger(LedgerJob::List)),
            Command::Reread => self.hand(&self.disk, DiskCommand::Ledger(LedgerJob::Refresh)),
            Command::Input(spec) => self.hand(&self.devices, DeviceCommand::SetInput(spec)),
            Command::Output(spec) => self.hand(&self.devices, DeviceCommand::SetOutput(spec)),
            Command::OutputIs(kind) => self.hand(&self.devices, DeviceCommand::OutputIs(kind)),
            Command::Host(name) => self.hand(&self.devices, DeviceCommand::SetHost(name)),
            Command::ListDevices => self.hand(&self.devices, DeviceCommand::List),
            Command::LevelTest(switch) => self.hand(&self.devices, DeviceCommand::LevelTest(switch == Switch::On)),
            Command::Stats => {
                self.notices.announce(Notice::Stats);
                Ok(())
            }
            Command::Quit => {
                self.controls.release_all();
                self.notices.announce(Notice::Quit);
                Ok(())
            }
            Command::Call { .. }
            | Command::Hangup(_)
            | Command::Answer(_)
            | Command::Decline(_)
            | Command::Admit(_)
            | Command::Block(_)
            | Command::Verify(..)
            | Command::Clear(_)
            | Command::Measure { .. }
            | Command::Volume { .. }
            | Command::Dump(_) => {
                self.hand(&self.call, command)?;
                self.waker.wake().map_err(|error| format!("The network thread cannot be woken ({error}); quit and start again."))
            }
        }
    }

    /// What is nothing but a setting.
    fn set(&self, command: &Command) {
        let controls = &self.controls;
        let (voice, processing) = (controls.voice(), controls.processing());
        match *command {
            Command::Sensitivity(sensitivity) => controls.set_voice(VoiceTuning { sensitivity, ..voice }),
            Command::Hang(hang_ms) => controls.set_voice(VoiceTuning { hang_ms, ..voice }),
            Command::Mute(switch) if switch.apply(controls.muted()) => controls.mute(),
            Command::Mute(_) => controls.unmute(Instant::now()),
            Command::Deafen(switch) => controls.set_deafened(switch.apply(controls.deafened())),
            Command::Delay(bounds) => controls.set_delay(bounds),
            Command::Earcons(choice) => controls.set_earcons(choice),
            Command::Echo(echo) => controls.set_processing(Processing { echo, ..processing }),
            Command::Noise(noise) => controls.set_processing(Processing { noise, ..processing }),
            Command::Gain(switch) => controls.set_processing(Processing { gain: switch.apply(processing.gain), ..processing }),
            Command::AnswerMeasure(switch) => controls.set_answers_measuring(switch.apply(controls.answers_measuring())),
            _ => {}
        }
    }

    /// Ends the threads that take commands, whoever still holds a clone of this.
    pub(super) fn end(&self) {
        let _ = self.devices.send_timeout(DeviceCommand::End, PATIENCE);
        let _ = self.disk.send_timeout(DiskCommand::End, PATIENCE);
    }

    fn hand<T>(&self, channel: &Sender<T>, command: T) -> Result<(), String> {
        channel.try_send(command).map_err(|error| match error {
            TrySendError::Full(_) => "Too many commands wait already; try again in a moment.".into(),
            TrySendError::Disconnected(_) => "voicetui is ending; the command was not carried out.".into(),
        })
    }

    /// A refusal leaves no lease behind: un-muting later puts nobody on air.
    fn may_key_up(&self) -> Result<(), String> {
        if !self.meters.is_anybody_live() {
            return Err("Nobody to talk to: call somebody, or answer a call, first.".into());
        }
        if self.controls.muted() {
            return Err("The microphone is muted: say \"mute off\" (key m) first.".into());
        }
        Ok(())
    }

    fn talk(&self, switch: Switch, now: Instant) -> Result<(), String> {
        if !switch.apply(self.controls.holds(Holder::Ctl, now)) {
            self.controls.release(Holder::Ctl);
            return Ok(());
        }
        self.may_key_up()?;
        self.controls.lease(Holder::Ctl, now + self.talk_timeout);
        Ok(())
    }

    fn open(&self, switch: Switch, now: Instant) -> Result<(), String> {
        if !switch.apply(self.controls.holds(Holder::Open, now)) {
            self.controls.release(Holder::Open);
            return Ok(());
        }
        self.may_key_up()?;
        self.controls.hold(Holder::Open);
        Ok(())
    }

    fn voice(&self, switch: Switch) -> Result<(), String> {
        if !switch.apply(self.controls.voice_armed().is_some()) {
            self.controls.disarm_voice();
            return Ok(());
        }
        self.may_key_up()?;
        self.controls.arm_voice();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::CallState;
    use crate::units::PeerId;
    use crossbeam_channel::{Receiver, bounded};

    fn commander() -> (Commander, Receiver<Command>, mio::Poll) {
        let poll = mio::Poll::new().expect("a poll");
        let waker = Arc::new(mio::Waker::new(poll.registry(), mio::Token(0)).expect("a waker"));
        let (call, calls) = bounded(1);
        let commander = Commander {
            controls: Arc::default(),
            meters: Arc::default(),
            notices: Notices::new::<0>().0,
            call,
            waker,
            devices: bounded(1).0,
            disk: bounded(1).0,
            talk_timeout: Duration::from_secs(180),
        };
        (commander, calls, poll)
    }

    fn live(commander: &Commander) {
        commander.meters.set_state(PeerId::new(0).expect("slot 0"), CallState::Live, Instant::now());
    }

    #[test]
    fn nobody_keys_up_without_a_call_and_everybody_un_keys_at_its_end() {
        let (commander, _calls, _poll) = commander();
        assert!(commander.send(Command::Talk(Switch::On)).is_err());
        assert!(commander.send(Command::Open(Switch::Toggle)).is_err());
        assert_eq!(commander.controls.on_air(Instant::now()), None);
        live(&commander);
        commander.send(Command::Open(Switch::Toggle)).expect("open");
        assert_eq!(commander.controls.on_air(Instant::now()), Some(Holder::Open));
        commander.send(Command::Quit).expect("quit");
        assert_eq!(commander.controls.on_air(Instant::now()), None);
    }

    #[test]
    fn voice_activation_is_switched_on_in_a_live_call_only_and_for_that_call_only() {
        let (commander, _calls, _poll) = commander();
        assert!(commander.send(Command::Voice(Switch::On)).expect_err("no call").contains("Nobody to talk to"));
        live(&commander);
        commander.send(Command::Mute(Switch::On)).expect("mute");
        assert!(commander.send(Command::Voice(Switch::Toggle)).expect_err("muted").contains("muted"));
        commander.send(Command::Mute(Switch::Off)).expect("unmute");
        commander.send(Command::Voice(Switch::Toggle)).expect("voice");
        assert!(commander.controls.voice_armed().is_some());
        assert_eq!(commander.controls.on_air(Instant::now()), None, "armed is not on air");
        commander.send(Command::Voice(Switch::Toggle)).expect("voice");
        assert_eq!(commander.controls.voice_armed(), None);
        commander.send(Command::Voice(Switch::On)).expect("voice");
        commander.send(Command::Sensitivity(70)).expect("sensitivity");
        commander.send(Command::Hang(900)).expect("hang");
        assert_eq!(commander.controls.voice(), VoiceTuning { sensitivity: 70, hang_ms: 900 });
        commander.controls.release_all();
        assert_eq!(commander.controls.voice_armed(), None);
    }

    #[test]
    fn talk_by_command_is_a_lease_with_an_end() {
        let (commander, _calls, _poll) = commander();
        live(&commander);
        commander.send(Command::Talk(Switch::On)).expect("talk");
        let left = commander.controls.remaining(Holder::Ctl, Instant::now()).expect("a lease");
        assert!(left <= Duration::from_secs(180));
        commander.send(Command::Talk(Switch::Toggle)).expect("talk");
        assert_eq!(commander.controls.on_air(Instant::now()), None);
    }

    #[test]
    fn a_muted_user_is_told_so() {
        let (commander, _calls, _poll) = commander();
        live(&commander);
        commander.send(Command::Mute(Switch::On)).expect("mute");
        assert!(commander.send(Command::Talk(Switch::On)).expect_err("muted").contains("muted"));
        commander.send(Command::Mute(Switch::Off)).expect("unmute");
        assert_eq!(commander.controls.on_air(Instant::now()), None);
    }

    #[test]
    fn a_full_queue_refuses_instead_of_waiting() {
        let (commander, calls, _poll) = commander();
        let call = || Command::Call { address: "x".into(), format: None };
        commander.send(call()).expect("room for one");
        assert!(commander.send(call()).expect_err("full").contains("try again"));
        assert_eq!(calls.len(), 1);
        drop(calls);
        assert!(commander.send(call()).expect_err("gone").contains("ending"));
    }
}
