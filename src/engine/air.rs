//! When the microphone opens by itself, and what closes it: from the events of the call alone. The receiver thread runs it.
//!
//! Nothing that arrives puts this side on air; its user does, with a key or with a word given beforehand:
//!
//! - `--open`, for whom this side calls: once the call is live, which a sealed one is only after its session stands with a
//!   key that is not another than the name's. A call in the clear was the user's own choice (`--format`); one
//!   that `p` lets go on in the clear begins with the microphone closed.
//! - `--open-on-answer`, for who calls sealed, is known by its key, and is answered.
//!
//! - `--voice-activation`, for whom `--open` would be: then it listens, and is on air while it hears a voice.
//!
//! The microphone opens by itself only if it may for everybody who would hear it; and whoever comes in from outside finds it
//! closed first, whoever had opened it.

use std::sync::Arc;

use super::{CallState, Controls, Holder, PublicKey};
use crate::call::{Event, KnownPeers};
use crate::units::{Format, MAX_PEERS, PeerId};

/// What the user has said beforehand.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct OpenRules {
    /// `--open`
    pub calls: bool,
    /// `--open-on-answer`
    pub answers: bool,
    /// `--voice-activation`, for whom this side calls
    pub voice: bool,
}

#[derive(Debug)]
struct Party {
    address: String,
    incoming: bool,
    format: Format,
    /// It was to be sealed, and its user let it go on in the clear: that was said of the call, not of an open microphone.
    fell: bool,
    /// Once its session stands.
    key: Option<PublicKey>,
    state: CallState,
}

/// Opens the microphone and lets go of it as calls begin and end.
#[derive(Debug)]
pub struct Air {
    controls: Arc<Controls>,
    rules: OpenRules,
    parties: [Option<Party>; MAX_PEERS],
    in_call: bool,
    /// The microphone was opened here, not by hand; voice activation was switched on here.
    opened: bool,
    armed: bool,
}

impl Air {
    #[must_use]
    pub fn new(controls: Arc<Controls>, rules: OpenRules) -> Self {
        Self { controls, rules, parties: std::array::from_fn(|_| None), in_call: false, opened: false, armed: false }
    }

    /// Whether there is a call, from this side's call or answer until hang-up; no lease outlives one. `Some`: that is news. To be
    /// asked before [`Event::PlayoutOpen`] comes here, and when all events have.
    pub fn watch(&mut self, in_call: bool) -> Option<bool> {
        if in_call == self.in_call {
            return None;
        }
        self.in_call = in_call;
        self.controls.release_all();
        Some(in_call)
    }

    /// Every event of the downlink, before anything is done with it.
    pub fn handle_event(&mut self, event: &Event, known: &KnownPeers) {
        match event {
            Event::Peer { id, address, format, incoming } => {
                let (address, format, incoming) = (address.clone(), *format, *incoming);
                self.parties[id.slot()] = Some(Party { address, incoming, format, fell: false, key: None, state: CallState::Idle });
            }
            Event::Format { id, format } => {
                if self.party(*id).is_some_and(|party| party.format == Format::Sealed) && *format != Format::Sealed {
                    self.controls.release_all();
                    self.change(*id, |party| party.fell = true);
                }
                self.change(*id, |party| party.format = *format);
            }
            Event::Sealed { id, key, .. } => self.change(*id, |party| party.key = Some(*key)),
            Event::State { id, state } => {
                // A hang-up, either side's, closes an open microphone even while others stay: it was opened for those who were there.
                if matches!(state, CallState::Ended(_)) && self.party(*id).is_some_and(|party| party.state == CallState::Live) {
                    self.controls.release(Holder::Open);
                    self.controls.release(Holder::Ctl);
                    self.controls.disarm_voice();
                }
                self.change(*id, |party| party.state = *state);
            }
            Event::PlayoutOpen(id) => self.begin(*id, known),
            Event::Gone { id } => self.parties[id.slot()] = None,
            _ => {}
        }
    }

    fn party(&self, id: PeerId) -> Option<&Party> {
        self.parties[id.slot()].as_ref()
    }

    fn change(&mut self, id: PeerId, change: impl FnOnce(&mut Party)) {
        if let Some(party) = &mut self.parties[id.slot()] {
            change(party);
        }
    }

    /// A call that this side placed or answered begins: once in its life, whatever the other side says later.
    fn begin(&mut self, id: PeerId, known: &KnownPeers) {
        let (is_opened, is_armed) = (std::mem::take(&mut self.opened), std::mem::take(&mut self.armed));
        if self.party(id).is_none_or(|party| party.incoming) {
            self.controls.release_all();
        }
        let is_here = |party: &Party| matches!(party.state, CallState::Live | CallState::RingingThere);
        let others = PeerId::all().filter(|other| *other != id).filter_map(|other| self.party(other)).filter(|party| is_here(party));
        let here: Vec<&Party> = self.party(id).into_iter().chain(others).collect();
        let may_all_hear = |rules: OpenRules| self.party(id).is_some() && here.iter().all(|party| may_hear(rules, party, known));
        let opens = may_all_hear(self.rules);
        let arms = may_all_hear(OpenRules { calls: self.rules.voice, answers: false, voice: false });
        if opens {
            self.controls.hold(Holder::Open);
        } else if is_opened {
            // It was opened for others than this one.
            self.controls.release(Holder::Open);
        }
        if arms {
            self.controls.arm_voice();
        } else if is_armed {
            self.controls.disarm_voice();
        }
        (self.opened, self.armed) = (opens, arms);
    }
}

/// Whether the user wants the microphone open towards this one without being asked.
fn may_hear(rules: OpenRules, party: &Party, known: &KnownPeers) -> bool {
    let pinned = party.key.and_then(|key| known.welcome(&key));
    if party.incoming {
        return rules.answers && party.format == Format::Sealed && pinned.is_some();
    }
    let is_sealed = || party.key.is_some_and(|key| known.named(&party.address).is_none_or(|peer| peer.key == key));
    rules.calls && !party.fell && (party.format != Format::Sealed || is_sealed())
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::call::trust::Edit;

    const CALLS: OpenRules = OpenRules { calls: true, answers: false, voice: false };
    const ANSWERS: OpenRules = OpenRules { calls: false, answers: true, voice: false };
    const BOTH: OpenRules = OpenRules { calls: true, answers: true, voice: false };

    fn slot(n: usize) -> PeerId {
        PeerId::new(n).expect("a slot")
    }

    fn key(n: u8) -> PublicKey {
        PublicKey([n; 32])
    }

    /// Key 1 is pinned to `workshop`.
    fn known() -> KnownPeers {
        let mut known = KnownPeers::default();
        known
            .apply(&Edit::Pin { name: "workshop".into(), key: key(1), address: "10.0.0.1:5005".parse().expect("an address") })
            .expect("pinned");
        known
    }

    /// Somebody whose call begins: called or not, in which format, with which key.
    struct Begins(&'static str, bool, Format, Option<u8>);

    fn begin(air: &mut Air, n: usize, Begins(address, incoming, format, shown): &Begins) {
        let (id, known) = (slot(n), known());
        let peer = Event::Peer { id, address: (*address).into(), format: *format, incoming: *incoming };
        air.handle_event(&peer, &known);
        air.watch(true);
        if let Some(shown) = shown {
            air.handle_event(&Event::Sealed { id, key: key(*shown), sas: 0 }, &known);
        }
        air.handle_event(&Event::PlayoutOpen(id), &known);
        air.handle_event(&Event::State { id, state: CallState::Live }, &known);
    }

    fn holder(air: &Air) -> Option<Holder> {
        air.controls.on_air(Instant::now() + Duration::from_secs(1))
    }

    #[rustfmt::skip]
    const ROWS: &[(&str, OpenRules, &[Begins], bool)] = &[
        ("a sealed call that this side places", CALLS, &[Begins("new", false, Format::Sealed, Some(7))], true),
        ("... to a pinned name that shows its key", CALLS, &[Begins("workshop", false, Format::Sealed, Some(1))], true),
        ("... and another one", CALLS, &[Begins("workshop", false, Format::Sealed, Some(7))], false),
        ("... and none", CALLS, &[Begins("workshop", false, Format::Sealed, None)], false),
        ("a call in the clear that this side places", CALLS, &[Begins("new", false, Format::Rtp, None)], true),
        ("without the word", ANSWERS, &[Begins("workshop", false, Format::Sealed, Some(1))], false),
        ("a pinned caller", ANSWERS, &[Begins("10.0.0.1:9", true, Format::Sealed, Some(1))], true),
        ("a pinned caller, only --open", CALLS, &[Begins("10.0.0.1:9", true, Format::Sealed, Some(1))], false),
        ("an unknown caller", BOTH, &[Begins("10.0.0.1:9", true, Format::Sealed, Some(7))], false),
        ("a caller in the clear", BOTH, &[Begins("10.0.0.1:9", true, Format::Rtp, None)], false),
        ("an unknown caller joins an open call", BOTH,
            &[Begins("new", false, Format::Sealed, Some(8)), Begins("10.0.0.1:9", true, Format::Sealed, Some(7))], false),
        ("a pinned caller joins an open call", BOTH,
            &[Begins("new", false, Format::Sealed, Some(8)), Begins("10.0.0.1:9", true, Format::Sealed, Some(1))], true),
        ("a pinned caller joins one that was not opened", ANSWERS,
            &[Begins("new", false, Format::Sealed, Some(8)), Begins("10.0.0.1:9", true, Format::Sealed, Some(1))], false),
        ("a call is placed while the microphone is open for a pinned caller", ANSWERS,
            &[Begins("10.0.0.1:9", true, Format::Sealed, Some(1)), Begins("new", false, Format::Sealed, Some(8))], false),
        ("a call is placed while an unknown caller is here", BOTH,
            &[Begins("10.0.0.1:9", true, Format::Sealed, Some(7)), Begins("new", false, Format::Sealed, Some(8))], false),
    ];

    #[test]
    fn the_microphone_opens_for_whom_the_user_said_and_nobody_else() {
        for (what, rules, begins, opens) in ROWS {
            let mut air = Air::new(Arc::default(), *rules);
            begins.iter().enumerate().for_each(|(n, row)| begin(&mut air, n, row));
            assert_eq!(holder(&air), opens.then_some(Holder::Open), "{what}");
        }
    }

    #[test]
    fn a_call_that_goes_on_in_the_clear_begins_with_the_microphone_closed() {
        let mut air = Air::new(Arc::default(), OpenRules { voice: true, ..BOTH });
        let (id, known) = (slot(0), known());
        air.handle_event(&Event::Peer { id, address: "new".into(), format: Format::Sealed, incoming: false }, &known);
        air.watch(true);
        for holder in Holder::ALL {
            air.controls.hold(holder);
        }
        air.controls.arm_voice();
        air.handle_event(&Event::Format { id, format: Format::Rtp }, &known);
        air.handle_event(&Event::PlayoutOpen(id), &known);
        air.handle_event(&Event::State { id, state: CallState::Live }, &known);
        assert_eq!((holder(&air), air.controls.voice_armed()), (None, None));
    }

    #[test]
    fn voice_activation_is_switched_on_for_whom_this_side_calls_and_nobody_else() {
        for (what, _, begins, _) in ROWS {
            let opened_by_calls = {
                let mut air = Air::new(Arc::default(), CALLS);
                begins.iter().enumerate().for_each(|(n, row)| begin(&mut air, n, row));
                holder(&air).is_some()
            };
            let mut air = Air::new(Arc::default(), OpenRules { calls: false, answers: true, voice: true });
            begins.iter().enumerate().for_each(|(n, row)| begin(&mut air, n, row));
            assert_eq!(air.controls.voice_armed().is_some(), opened_by_calls, "{what}");
        }
    }

    #[test]
    fn voice_activation_ends_when_somebody_leaves_or_comes_in() {
        let mut air = Air::new(Arc::default(), OpenRules { calls: false, answers: false, voice: true });
        begin(&mut air, 0, &Begins("new", false, Format::Sealed, Some(8)));
        assert!(air.controls.voice_armed().is_some());
        begin(&mut air, 1, &Begins("10.0.0.1:9", true, Format::Sealed, Some(1)));
        assert_eq!(air.controls.voice_armed(), None, "it finds the microphone closed");
        air.controls.arm_voice();
        air.handle_event(&Event::State { id: slot(1), state: CallState::Ended(crate::call::Reason::PeerHungUp) }, &known());
        assert_eq!(air.controls.voice_armed(), None);
    }

    #[test]
    fn who_comes_in_finds_the_microphone_closed_and_who_leaves_closes_it() {
        let mut air = Air::new(Arc::default(), OpenRules::default());
        begin(&mut air, 0, &Begins("new", false, Format::Sealed, Some(8)));
        for holder in Holder::ALL {
            air.controls.hold(holder);
        }
        begin(&mut air, 1, &Begins("10.0.0.1:9", true, Format::Sealed, Some(1)));
        assert_eq!(holder(&air), None);
        air.controls.hold(Holder::Open);
        air.handle_event(&Event::State { id: slot(1), state: CallState::Ended(crate::call::Reason::PeerHungUp) }, &known());
        assert_eq!(holder(&air), None);
        air.controls.hold(Holder::Key);
        assert_eq!((air.watch(true), air.watch(false), holder(&air)), (None, Some(false), None));
    }
}
