//! Who sits in which slot of the call, kept from the notices: the names that users type and are shown. Whichever thread watches.

use std::net::SocketAddr;

use super::{CallState, Notice, Sealed, Target};
use crate::call::Address;
use crate::units::{Format, MAX_PEERS, PeerId};

/// One peer, as the notices told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// As typed, or IP:port of a caller.
    pub address: String,
    pub remote: Option<SocketAddr>,
    /// What the peer calls itself. It may lie.
    pub name: Option<String>,
    pub format: Format,
    pub incoming: bool,
    /// Once a sealed session stands.
    pub sealed: Option<Sealed>,
    /// It says that it records the call.
    pub records: bool,
    pub state: CallState,
}

impl Entry {
    /// For people: the address, and the name that the user gave the peer, else the one that it gives itself.
    #[must_use]
    pub fn label(&self) -> String {
        let named = self.sealed.as_ref().and_then(Sealed::user_name).or(self.name.as_deref());
        match named.filter(|name| *name != self.address) {
            Some(name) => format!("{name} ({})", self.address),
            None => self.address.clone(),
        }
    }

    /// Where it is: as resolved; a caller's IP:port is its address.
    #[must_use]
    pub fn place(&self) -> Option<SocketAddr> {
        self.remote.or_else(|| self.address.parse().ok().filter(|_| self.incoming))
    }

    /// By what the user typed, where it is, or what the user knows it as: nothing that a peer can choose.
    fn is_known_as(&self, text: &str) -> bool {
        let typed = |address: &str| address.eq_ignore_ascii_case(text) || same_place(address, text);
        let remote = self.remote.is_some_and(|remote| {
            let ip = remote.ip().to_canonical();
            typed(&SocketAddr::new(ip, remote.port()).to_string()) || ip.to_string() == text
        });
        let known_as = self.sealed.as_ref().and_then(|sealed| sealed.known_as.as_ref());
        typed(&self.address) || remote || known_as.is_some_and(|name| typed(name))
    }

    fn calls_itself(&self, text: &str) -> bool {
        self.name.as_ref().is_some_and(|name| name.to_lowercase() == text.to_lowercase())
    }
}

/// `host` and `host:5005` are the same place.
fn same_place(one: &str, other: &str) -> bool {
    matches!((one.parse::<Address>(), other.parse::<Address>()), (Ok(one), Ok(other)) if one == other)
}

/// The peers of the call by slot.
#[derive(Clone, Debug, Default)]
pub struct Roster {
    slots: [Option<Entry>; MAX_PEERS],
}

impl Roster {
    /// Keeps what a notice says about a peer; other notices change nothing.
    pub fn handle_notice(&mut self, notice: &Notice) {
        match notice {
            Notice::Peer { id, address, format, incoming } => {
                self.slots[id.slot()] = Some(Entry {
                    address: address.clone(),
                    remote: None,
                    name: None,
                    format: *format,
                    incoming: *incoming,
                    sealed: None,
                    records: false,
                    state: CallState::Idle,
                });
            }
            Notice::Resolved { id, remote } => self.change(*id, |entry| entry.remote = Some(*remote)),
            Notice::Name { id, name } => self.change(*id, |entry| entry.name = Some(name.clone())),
            Notice::PeerFormat { id, format } => self.change(*id, |entry| entry.format = *format),
            Notice::Sealed { id, sealed } => self.change(*id, |entry| entry.sealed = Some(sealed.clone())),
            Notice::PeerRecording { id, on } => self.change(*id, |entry| entry.records = *on),
            Notice::State { id, state } => self.change(*id, |entry| entry.state = *state),
            Notice::Gone { id } => self.slots[id.slot()] = None,
            _ => {}
        }
    }

    fn change(&mut self, id: PeerId, change: impl FnOnce(&mut Entry)) {
        if let Some(entry) = &mut self.slots[id.slot()] {
            change(entry);
        }
    }

    #[must_use]
    pub fn entry(&self, id: PeerId) -> Option<&Entry> {
        self.slots[id.slot()].as_ref()
    }

    /// Every taken slot.
    pub fn entries(&self) -> impl Iterator<Item = (PeerId, &Entry)> {
        PeerId::all().filter_map(|id| Some((id, self.entry(id)?)))
    }

    /// The address of a peer; "?" for an empty slot.
    #[must_use]
    pub fn address(&self, id: PeerId) -> String {
        self.entry(id).map_or_else(|| "?".into(), |entry| entry.address.clone())
    }

    /// For people; "?" for an empty slot.
    #[must_use]
    pub fn label(&self, id: PeerId) -> String {
        self.entry(id).map_or_else(|| "?".into(), Entry::label)
    }

    /// Whom a harmless command is for: the name that a peer gives itself will do.
    ///
    /// # Errors
    /// Nobody, or more than one, is called that; one sentence.
    pub fn find(&self, target: &Target) -> Result<Vec<PeerId>, String> {
        self.matching(target, |entry, text| entry.is_known_as(text) || entry.calls_itself(text))
    }

    /// Whom a command is for that lets somebody in or trusts somebody: anybody can call itself anything, so that does not count.
    ///
    /// # Errors
    /// As [`Roster::find`].
    pub fn identify(&self, target: &Target) -> Result<Vec<PeerId>, String> {
        let found = self.matching(target, Entry::is_known_as);
        match target {
            Target::Named(text) if found.is_err() => match self.entries().find(|(_, entry)| entry.calls_itself(text.trim())) {
                Some((_, entry)) => Err(format!(
                    "Nobody here is known as {text}: {} only calls itself so, as anybody can. If it is the one you mean, say its address.",
                    entry.address
                )),
                None => found,
            },
            _ => found,
        }
    }

    fn matching(&self, target: &Target, fits: impl Fn(&Entry, &str) -> bool) -> Result<Vec<PeerId>, String> {
        const GONE: &str = "That peer is no longer in the call.";
        let text = match target {
            Target::All => return Ok(self.entries().map(|(id, _)| id).collect()),
            Target::Slot(id) if self.entry(*id).is_some() => return Ok(vec![*id]),
            Target::Slot(_) => return Err(GONE.into()),
            Target::Key(key) => {
                let shows = |entry: &Entry| entry.sealed.as_ref().is_some_and(|sealed| sealed.key == *key);
                let found: Vec<PeerId> = self.entries().filter(|(_, entry)| shows(entry)).map(|(id, _)| id).collect();
                return if found.is_empty() { Err(GONE.into()) } else { Ok(found) };
            }
            Target::Named(text) => text.trim(),
        };
        let found: Vec<PeerId> = self.entries().filter(|(_, entry)| fits(entry, text)).map(|(id, _)| id).collect();
        let here: Vec<String> = self.entries().map(|(_, entry)| entry.label()).collect();
        match found.len() {
            0 if here.is_empty() => Err(format!("Nobody is called {text}: no peer is here.")),
            0 => Err(format!("Nobody is called {text}; here are: {}.", here.join(", "))),
            1 => Ok(found),
            _ => Err(format!("More than one peer is called {text}: say which by its address and port ({}).", here.join(", "))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::PublicKey;

    fn slot(n: usize) -> PeerId {
        PeerId::new(n).expect("a slot")
    }

    fn named(text: &str) -> Target {
        Target::Named(text.into())
    }

    fn roster() -> Roster {
        let mut roster = Roster::default();
        let peer = |n, address: &str| Notice::Peer { id: slot(n), address: address.into(), format: Format::Rtp, incoming: false };
        for notice in [
            peer(0, "workshop"),
            Notice::Resolved { id: slot(0), remote: "[::ffff:10.0.0.7]:5005".parse().expect("an address") },
            Notice::Name { id: slot(0), name: "Bench".into() },
            peer(3, "10.0.0.8:6000"),
            peer(4, "10.0.0.8:6001"),
            Notice::Name { id: slot(3), name: "Tür".into() },
            Notice::Name { id: slot(4), name: "tür".into() },
            Notice::State { id: slot(4), state: CallState::Live },
        ] {
            roster.handle_notice(&notice);
        }
        roster
    }

    #[test]
    fn a_peer_is_found_by_any_of_its_names() {
        let roster = roster();
        for text in ["workshop", "WORKSHOP", "workshop:5005", "10.0.0.7", "10.0.0.7:5005", "bench"] {
            assert_eq!(roster.find(&named(text)), Ok(vec![slot(0)]), "{text}");
        }
        assert_eq!(roster.find(&named("10.0.0.8:6001")), Ok(vec![slot(4)]));
        assert_eq!(roster.find(&Target::All).map(|all| all.len()), Ok(3));
        assert_eq!((roster.label(slot(0)), roster.label(slot(9))), ("Bench (workshop)".into(), "?".into()));
        assert_eq!(roster.entry(slot(4)).map(|entry| entry.state), Some(CallState::Live));
    }

    #[test]
    fn whom_to_trust_is_not_what_a_peer_calls_itself() {
        let mut roster = roster();
        let sealed = |n, known_as: Option<&str>| Notice::Sealed {
            id: slot(n),
            sealed: Sealed {
                key: PublicKey([n as u8; 32]),
                sas: 0,
                known_as: known_as.map(str::to_owned),
                verified: false,
                connect: false,
                in_place_of: None,
            },
        };
        roster.handle_notice(&sealed(3, Some("door")));
        roster.handle_notice(&sealed(4, None));
        // A stranger takes the name of one that is known.
        roster.handle_notice(&Notice::Name { id: slot(4), name: "door".into() });
        assert_eq!(roster.identify(&named("door")), Ok(vec![slot(3)]));
        assert!(roster.find(&named("door")).is_err_and(|error| error.contains("More than one")));
        assert!(roster.identify(&named("Bench")).is_err_and(|error| error.contains("workshop only calls itself so")));
        assert_eq!(roster.identify(&named("workshop")), Ok(vec![slot(0)]));
        assert_eq!(roster.identify(&named("10.0.0.8:6001")), Ok(vec![slot(4)]));
        assert_eq!(roster.identify(&Target::Key(PublicKey([4; 32]))), Ok(vec![slot(4)]));
        assert!(roster.identify(&Target::Key(PublicKey([9; 32]))).is_err_and(|error| error.contains("no longer")));
    }

    #[test]
    fn nobody_and_two_of_a_name_are_said() {
        let mut roster = roster();
        assert!(roster.find(&named("TÜR")).is_err_and(|error| error.contains("More than one")));
        assert!(roster.find(&named("10.0.0.9")).is_err_and(|error| error.contains("here are: Bench (workshop)")));
        roster.handle_notice(&Notice::Gone { id: slot(3) });
        assert_eq!(roster.find(&named("tür")), Ok(vec![slot(4)]));
        assert!(roster.find(&Target::Slot(slot(3))).is_err());
        assert!(Roster::default().find(&named("x")).is_err_and(|error| error.contains("no peer is here")));
    }
}
