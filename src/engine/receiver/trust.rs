//! Whom we trust, on the receiver thread: sealed peers are looked up, and what the user says of them goes to the disk thread.

use std::time::Instant;

use super::ReceiverThread;
use crate::call::CallState;
use crate::engine::disk::{DiskCommand, LedgerJob};
use crate::engine::roster::Entry;
use crate::engine::{Edit, Notice, PublicKey, Sealed, Target, Who};
use crate::units::PeerId;

/// A caller in the clear has no key: nobody can tell it from another.
const NO_KEY: &str = "Only a peer whose call is sealed has a key to be known by.";

impl ReceiverThread {
    /// A sealed session stands: told, and for a peer that we called the name is pinned from now on.
    pub(super) fn seal(&mut self, id: PeerId, key: PublicKey, sas: u64) {
        let Some(entry) = self.roster.entry(id) else { return };
        let ip = entry.place().map(|place| place.ip());
        let sealed = match entry.sealed.as_ref().filter(|before| before.key == key) {
            Some(before) => before.renewed(sas, ip, &self.known, &self.own),
            None => Sealed::look_up(key, sas, ip, &self.known, &self.own),
        };
        if let Some(address) = entry.place() {
            let name = entry.address.clone();
            let edit = if entry.incoming { Edit::Seen { key, address } } else { Edit::Pin { name, key, address } };
            if self.links.disk.try_send(DiskCommand::Ledger(LedgerJob::Note(edit))).is_err() {
                self.links.notices.problem("The disk is busy: known_peers does not learn of this call.");
            }
        }
        self.tell(Notice::Sealed { id, sealed });
    }

    /// What is known has changed: so may have what is said of those who are here.
    pub(super) fn take_known(&mut self) {
        let Some(known) = self.links.known.try_iter().last() else { return };
        self.downlink.set_known(known.clone());
        self.known = known;
        let look = |(id, entry): (PeerId, &Entry)| {
            let before = entry.sealed.as_ref()?;
            let ip = entry.place().map(|place| place.ip());
            let sealed = before.renewed(before.sas, ip, &self.known, &self.own);
            (sealed != *before).then_some(Notice::Sealed { id, sealed })
        };
        let news: Vec<Notice> = self.roster.entries().filter_map(look).collect();
        news.into_iter().for_each(|notice| self.tell(notice));
    }

    pub(super) fn admit(&mut self, now: Instant, target: &Target) -> Result<(), String> {
        for id in self.meant(target, |state| state == CallState::Ringing).and_then(only)? {
            let who = self.who(id)?;
            self.downlink.answer(now, id);
            self.edit(Edit::Connect(who, true))?;
        }
        Ok(())
    }

    /// A ringing peer is declined, one in the call hung up on.
    pub(super) fn block(&mut self, now: Instant, target: &Target) -> Result<(), String> {
        let found = match target {
            // All who ring; of those who are here, not all at once.
            Target::All => match self.meant(target, |state| state == CallState::Ringing) {
                Ok(ringing) => Ok(ringing),
                Err(_) => self.meant(target, |state| state != CallState::Idle).and_then(only),
            },
            Target::Named(name) if self.is_away(target, name) => return self.edit(Edit::Block(Who::Name(name.clone()), true)),
            _ => self.meant(target, |state| state != CallState::Idle),
        };
        for id in found? {
            let who = self.who(id)?;
            self.downlink.hangup(now, id);
            self.edit(Edit::Block(who, true))?;
        }
        Ok(())
    }

    pub(super) fn verify(&mut self, target: &Target, on: bool) -> Result<(), String> {
        let found = match target {
            // Nobody compares the words of several peers at once.
            Target::All => only(self.roster.entries().filter(|(_, entry)| entry.sealed.is_some()).map(|(id, _)| id).collect())?,
            Target::Named(name) if self.is_away(target, name) => return self.edit(Edit::Verify(Who::Name(name.clone()), on)),
            _ => self.roster.identify(target)?,
        };
        if found.is_empty() {
            return Err(NO_KEY.into());
        }
        for id in found {
            if on && self.meters.state(id) != CallState::Live {
                return Err("Words are compared in a call: answer it, and read them to each other.".into());
            }
            let who = self.who(id)?;
            self.edit(Edit::Verify(who, on))?;
        }
        Ok(())
    }

    /// Whether a peer may call itself so: not by a name that is pinned to another key.
    pub(super) fn may_be_called(&self, id: PeerId, name: &str) -> bool {
        let key = self.roster.entry(id).and_then(|entry| entry.sealed.as_ref()).map(|sealed| sealed.key);
        self.known.named(name).is_none_or(|peer| Some(peer.key) == key)
    }

    /// Whether `name` is known, and nobody who is here is meant by it.
    fn is_away(&self, target: &Target, name: &str) -> bool {
        self.roster.identify(target).is_err() && self.known.named(name).is_some()
    }

    /// A peer by the key that it showed in this call.
    fn who(&self, id: PeerId) -> Result<Who, String> {
        let entry = self.roster.entry(id);
        let sealed = entry.and_then(|entry| entry.sealed.as_ref()).ok_or(NO_KEY)?;
        Ok(Who::Key(sealed.key, entry.and_then(Entry::place)))
    }

    fn edit(&self, edit: Edit) -> Result<(), String> {
        let job = DiskCommand::Ledger(LedgerJob::Edit(edit));
        self.links.disk.try_send(job).map_err(|_| "The disk is busy: nothing is changed; try again in a moment.".into())
    }
}

/// Nobody means several peers who says no name.
fn only(found: Vec<PeerId>) -> Result<Vec<PeerId>, String> {
    if found.len() > 1 { Err("Several peers are here: say which one you mean.".into()) } else { Ok(found) }
}
