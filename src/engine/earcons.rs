//! Which earcons the user wants, and what in a call begins one. The receiver thread runs [`Bells`]; the sender rings for the key.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use super::{CallState, Controls, Reason};
use crate::audio::earcon::Earcon;
use crate::call::Event;
use crate::units::{MAX_PEERS, PeerId};

/// What `--earcons` says.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum EarconChoice {
    Off,
    /// A call rings, is answered, ends, fails.
    #[default]
    Calls,
    /// Key-up and key-down too: from a loudspeaker, an open microphone hears them.
    All,
}

impl EarconChoice {
    pub const ALL: [Self; 3] = [Self::Off, Self::Calls, Self::All];

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Calls => "calls",
            Self::All => "all",
        }
    }

    #[must_use]
    pub fn allows(self, earcon: Earcon) -> bool {
        match self {
            Self::Off => false,
            Self::Calls => !earcon.is_of_key(),
            Self::All => true,
        }
    }
}

impl fmt::Display for EarconChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for EarconChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|choice| choice.name() == text).ok_or_else(|| "earcons are off, calls or all".into())
    }
}

/// Turns the events of the call into earcons.
#[derive(Debug)]
pub struct Bells {
    controls: Arc<Controls>,
    states: [CallState; MAX_PEERS],
}

impl Bells {
    #[must_use]
    pub fn new(controls: Arc<Controls>) -> Self {
        Self { controls, states: [CallState::Idle; MAX_PEERS] }
    }

    /// Every event of the downlink.
    pub fn handle_event(&mut self, event: &Event) {
        match event {
            Event::State { id, state } => self.change(*id, *state),
            Event::Gone { id } => self.change(*id, CallState::Idle),
            Event::KeyChanged { .. } => self.controls.begin_earcon(Earcon::Refused),
            _ => {}
        }
    }

    fn change(&mut self, id: PeerId, state: CallState) {
        let before = std::mem::replace(&mut self.states[id.slot()], state);
        if let Some(earcon) = told_by(before, state) {
            self.controls.begin_earcon(earcon);
        }
        self.controls.set_ringing(self.states.contains(&CallState::Ringing));
    }
}

fn told_by(before: CallState, state: CallState) -> Option<Earcon> {
    match (before, state) {
        (CallState::Live, CallState::Live) | (CallState::Ended(_), CallState::Ended(_)) => None,
        (_, CallState::Live) => Some(Earcon::Live),
        // The ring that stops says it.
        (CallState::Ringing, CallState::Ended(_)) => None,
        (_, CallState::Ended(Reason::HungUp | Reason::PeerHungUp | Reason::TimedOut)) => Some(Earcon::HangUp),
        (_, CallState::Ended(Reason::Declined | Reason::Busy | Reason::NoAnswer | Reason::Unreachable)) => Some(Earcon::Refused),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::earcon::Earcons;

    fn id(slot: usize) -> PeerId {
        PeerId::new(slot).expect("a slot")
    }

    fn state(slot: usize, state: CallState) -> Event {
        Event::State { id: id(slot), state }
    }

    #[test]
    fn what_becomes_of_a_call_is_heard_once() {
        use CallState::*;
        for (states, told) in [
            (&[Calling, RingingThere, Live][..], Some(Earcon::Live)),
            (&[Ringing, Live], Some(Earcon::Live)),
            (&[Live, Live], None),
            (&[Live, Ended(Reason::PeerHungUp)], Some(Earcon::HangUp)),
            (&[Live, Ended(Reason::TimedOut)], Some(Earcon::HangUp)),
            (&[Calling, Ended(Reason::HungUp)], Some(Earcon::HangUp)),
            (&[Calling, Ended(Reason::Busy)], Some(Earcon::Refused)),
            (&[RingingThere, Ended(Reason::Declined)], Some(Earcon::Refused)),
            (&[Calling, Ended(Reason::Unreachable)], Some(Earcon::Refused)),
            (&[Ringing, Ended(Reason::Missed)], None),
            (&[Ringing, Ended(Reason::WeDeclined)], None),
            (&[Calling, RingingThere], None),
        ] {
            let controls = Arc::new(Controls::default());
            let mut bells = Bells::new(controls.clone());
            let (last, before) = states.split_last().expect("a state");
            before.iter().for_each(|one| bells.handle_event(&state(3, *one)));
            let _ = controls.take_earcons();
            bells.handle_event(&state(3, *last));
            assert_eq!(controls.take_earcons(), told.map_or(Earcons::default(), Earcons::of), "{states:?}");
            assert_eq!(controls.take_earcons(), Earcons::default(), "once");
            bells.handle_event(&Event::Gone { id: id(3) });
            assert_eq!(controls.take_earcons(), Earcons::default(), "{states:?}");
        }
    }

    #[test]
    fn it_rings_as_long_as_anybody_waits_for_an_answer() {
        let controls = Arc::new(Controls::default());
        let mut bells = Bells::new(controls.clone());
        let mut rings = |event: Event| {
            bells.handle_event(&event);
            controls.rings()
        };
        assert!(rings(state(0, CallState::Ringing)) && rings(state(1, CallState::Ringing)));
        assert!(rings(state(0, CallState::Live)), "another still waits");
        assert!(!rings(Event::Gone { id: id(1) }));
        assert!(rings(state(2, CallState::Ringing)));
        controls.set_earcons(EarconChoice::Off);
        assert!(!controls.rings());
    }

    #[test]
    fn only_what_is_wanted_begins() {
        let controls = Controls::default();
        for choice in EarconChoice::ALL {
            controls.set_earcons(choice);
            assert_eq!((controls.earcons(), choice.name().parse()), (choice, Ok(choice)));
            Earcon::ALL.into_iter().for_each(|earcon| controls.begin_earcon(earcon));
            let begun = controls.take_earcons();
            assert!(Earcon::ALL.into_iter().all(|earcon| begun.has(earcon) == choice.allows(earcon)), "{choice}");
        }
        controls.begin_earcon(Earcon::Live);
        controls.set_earcons(EarconChoice::Off);
        assert_eq!(controls.take_earcons(), Earcons::default(), "off is at once");
        assert!("on".parse::<EarconChoice>().is_err());
    }
}
