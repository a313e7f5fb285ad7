//! What changes the peers we know. Pure. The running program and `voicetui peers` share these.

use std::net::SocketAddr;

use super::name::{check_name, place};
use super::{FILE_MAX, GENERATED, KnownPeer, KnownPeers, Line, NAMES_MAX, PEERS_MAX};
use crate::session::PublicKey;

/// Whose entry is changed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Who {
    /// By a name that is pinned.
    Name(String),
    /// By its key, as shown in a session; an entry is made if there is none. Its first name is then made of the key, never of what the
    /// peer calls itself: else a stranger could take a name that the user will type.
    Key(PublicKey, Option<SocketAddr>),
}

/// One change.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Edit {
    /// After a handshake that [`super::Outgoing::accepted`] lets pass: the name as typed, the key, the address.
    Pin {
        name: String,
        key: PublicKey,
        address: SocketAddr,
    },
    /// A known key was met here; an unknown one stays unknown.
    Seen {
        key: PublicKey,
        address: SocketAddr,
    },
    /// The words were compared (or that is taken back).
    Verify(Who, bool),
    /// Its calls are answered without asking, or ring again.
    Connect(Who, bool),
    Block(Who, bool),
    /// This name; and with its last name the key.
    Forget(String),
    /// `to` goes first among its names; `from` stays one, or whoever is called by it could show any key.
    Rename {
        from: String,
        to: String,
    },
}

/// # Errors
/// The peer has as many names as it may; one sentence.
fn has_room(peer: &KnownPeer) -> Result<(), String> {
    if peer.names.len() < NAMES_MAX {
        return Ok(());
    }
    Err(format!("{} has {NAMES_MAX} names already: forget one of them first (voicetui peers forget NAME).", peer.name()))
}

impl KnownPeers {
    /// Carries out `edit`, and says what was done in one sentence. A refused edit changes nothing.
    ///
    /// # Errors
    /// One sentence.
    pub fn apply(&mut self, edit: &Edit) -> Result<String, String> {
        let mut changed = self.clone();
        let said = changed.change(edit)?;
        if changed.peers().count() > PEERS_MAX || changed.print().len() > FILE_MAX {
            return Err(
                "There is no room for another peer in known_peers: forget one that you no longer call (voicetui peers forget NAME).".into(),
            );
        }
        *self = changed;
        Ok(said)
    }

    fn change(&mut self, edit: &Edit) -> Result<String, String> {
        match edit {
            Edit::Pin { name, key, address } => self.pin(name, key, *address),
            Edit::Seen { key, address } => {
                let Some(peer) = self.peers_mut().find(|peer| peer.key == *key) else { return Ok("That key is not known.".into()) };
                peer.address = Some(*address);
                Ok(format!("{} is at {address}.", peer.name()))
            }
            Edit::Verify(who, on) => {
                let peer = self.entry(who, *on)?;
                peer.verified = *on;
                Ok(format!("{} is {}.", peer.name(), if *on { "verified" } else { "no longer verified" }))
            }
            Edit::Connect(who, on) => {
                let peer = self.entry(who, *on)?;
                peer.connect = *on;
                peer.blocked &= !*on;
                Ok(format!("Calls of {} {}.", peer.name(), if *on { "are answered without asking" } else { "ring" }))
            }
            Edit::Block(who, on) => {
                let peer = self.entry(who, *on)?;
                peer.blocked = *on;
                peer.connect &= !*on;
                Ok(format!("{} is {}.", peer.name(), if *on { "blocked: its calls do not ring" } else { "no longer blocked" }))
            }
            Edit::Forget(name) => self.forget(name),
            Edit::Rename { from, to } => self.rename(from, to),
        }
    }

    fn pin(&mut self, name: &str, key: &PublicKey, address: SocketAddr) -> Result<String, String> {
        check_name(name)?;
        if let Some(peer) = self.named(name).filter(|peer| peer.key != *key) {
            return Err(format!("{name} is pinned to another key ({}).", peer.key.short()));
        }
        if self.named(name).is_none()
            && let Some((line, _)) = self.problems().next()
        {
            return Err(format!("{name} is not pinned: line {line} of known_peers is not understood and may hold its key."));
        }
        let is_new = self.named(name).is_none();
        let peer = self.entry_of_key(key, name);
        peer.address = Some(address);
        if is_new && !peer.names.iter().any(|known| known == name) {
            has_room(peer)?;
            peer.names.push(name.to_owned());
        }
        Ok(format!("{name} is known by its key from now on."))
    }

    /// `makes`: a key that is not known gets an entry. To take something back from a stranger makes it no acquaintance.
    fn entry(&mut self, who: &Who, makes: bool) -> Result<&mut KnownPeer, String> {
        match who {
            Who::Name(name) => self.existing(name),
            Who::Key(key, _) if !makes && self.of_key(key).is_none() => Err(format!("The key {} is not known.", key.short())),
            Who::Key(key, address) => {
                let name = self.free_name(key);
                let peer = self.entry_of_key(key, &name);
                peer.address = address.or(peer.address);
                Ok(peer)
            }
        }
    }

    /// The entry of this key; made with this name if there is none.
    fn entry_of_key(&mut self, key: &PublicKey, name: &str) -> &mut KnownPeer {
        if self.of_key(key).is_none() {
            let names = vec![name.to_owned()];
            self.push(KnownPeer { key: *key, names, address: None, verified: false, connect: false, blocked: false });
        }
        self.peers_mut().find(|peer| peer.key == *key).expect("it was there or was just added")
    }

    /// [`GENERATED`] and the beginning of the fingerprint, as much of it as makes the name unique.
    fn free_name(&self, key: &PublicKey) -> String {
        let fingerprint = format!("{key}");
        let names = (9..=fingerprint.len()).step_by(5).map(|end| format!("{}{}", GENERATED, &fingerprint[..end]));
        let mut names = names.filter(|name| self.named(name).is_none());
        names.next().unwrap_or_else(|| format!("{}{fingerprint}", GENERATED))
    }

    fn existing(&mut self, name: &str) -> Result<&mut KnownPeer, String> {
        let wanted = place(name);
        let unknown = self.unknown(name);
        self.peers_mut().find(|peer| peer.names.iter().any(|name| place(name) == wanted)).ok_or(unknown)
    }

    fn unknown(&self, name: &str) -> String {
        let name: String = name.chars().filter(|c| !c.is_control()).take(64).collect();
        match self.problems().next() {
            Some((line, _)) => format!("{name} is not known, but line {line} of known_peers is not understood: look there."),
            None => format!("{name} is not known; \"voicetui peers\" lists who is."),
        }
    }

    fn forget(&mut self, name: &str) -> Result<String, String> {
        let wanted = place(name);
        let peer = self.existing(name)?;
        peer.names.retain(|name| place(name) != wanted);
        if let Some(other) = peer.names.first() {
            return Ok(format!("{name} is forgotten; its key is still known as {other}."));
        }
        self.lines.retain(|line| !matches!(line, Line::Peer(peer) if peer.names.is_empty()));
        Ok(format!("{name} and its key are forgotten."))
    }

    fn rename(&mut self, from: &str, to: &str) -> Result<String, String> {
        check_name(to)?;
        let (old, new) = (place(from), place(to));
        if new != old && self.named(to).is_some() {
            return Err(format!("{to} is the name of a peer already: forget that one first (voicetui peers forget {to})."));
        }
        let peer = self.existing(from)?;
        if new == old {
            let name = peer.names.iter_mut().find(|name| place(name) == old).expect("it is found by this name");
            to.clone_into(name);
            return Ok(format!("{to} is how {from} is written from now on."));
        }
        has_room(peer)?;
        peer.names.insert(0, to.to_owned());
        Ok(format!("{from} is known as {to} from now on; {from}, too, still leads to its key only."))
    }
}
