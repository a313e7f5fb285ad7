//! Whom we know: keys pinned to the names they were called by, and what a shown key means. Pure; the `disk` thread keeps the file.
//!
//! ```text
//! a call to NAME shows a key     -> outgoing()  Known, NewName, FirstMeeting: go on;  Changed, OwnKey, Unreadable: refuse
//! a caller shows a key           -> incoming()  Known (and whether it connects at once), Unknown, from a known address, Blocked
//! what the user does about it    -> apply(Edit)  a refused edit changes nothing
//! ```
//!
//! A pin is never lost by itself: not to room, not to a line that is not understood, not to another key. `forget` alone removes it.

pub mod check;
mod edit;
mod file;
mod name;

use std::net::{IpAddr, SocketAddr};

pub use edit::{Edit, Who};
pub use name::check_name;

use super::PublicKey;
use name::place;

/// Keys that are remembered.
pub const PEERS_MAX: usize = 1_000;
/// Names of one key.
pub const NAMES_MAX: usize = 8;
/// No file is longer, bytes.
pub const FILE_MAX: usize = 1 << 20;

/// One key that was met, and what the user thinks of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KnownPeer {
    pub key: PublicKey,
    /// As typed; the first is shown. At least one.
    pub names: Vec<String>,
    /// Where it was last.
    pub address: Option<SocketAddr>,
    /// The words were compared.
    pub verified: bool,
    /// Its calls are answered without asking.
    pub connect: bool,
    /// Its calls do not ring. Never together with `connect`.
    pub blocked: bool,
}

/// How a name begins that was made of the key of a caller.
const GENERATED: &str = "caller-";

/// Whether `name` was made of `key`, not by the user.
#[must_use]
pub fn is_generated(name: &str, key: &PublicKey) -> bool {
    name.strip_prefix(GENERATED).is_some_and(|rest| key.to_string().starts_with(rest))
}

impl KnownPeer {
    /// Whether the user ever called it, let it in, or compared its words. Who was only blocked, or is no longer let in, stays a stranger.
    #[must_use]
    pub fn is_acquainted(&self) -> bool {
        self.verified || self.connect || !self.names.iter().all(|name| is_generated(name, &self.key))
    }

    /// For people.
    #[must_use]
    pub fn name(&self) -> &str {
        self.names.first().map_or("?", String::as_str)
    }
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Line {
    /// Comments and empty lines: kept as they are.
    Comment(String),
    Peer(KnownPeer),
    /// Kept as it is, since it may hold a pin.
    Bad {
        text: String,
        reason: String,
    },
}

/// What a key shown by the one we call means.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outgoing {
    /// The name is pinned to this key.
    Known { verified: bool },
    /// The name is new; the key is known as `known_as`. To be pinned under this name, too.
    NewName { known_as: String, verified: bool },
    /// Neither was ever met: pinned from now on.
    FirstMeeting,
    /// The name is pinned to another key. To be refused.
    Changed { pinned: PublicKey, shown: PublicKey, verified: bool },
    /// We called ourselves. To be refused.
    OwnKey,
    /// The name is not found, but this line of the file is not understood and may pin it. To be refused.
    Unreadable { line: usize },
}

impl Outgoing {
    /// Whether the pinned key was verified by its words; `None`: the call must not go on.
    #[must_use]
    pub fn accepted(&self) -> Option<bool> {
        match self {
            Self::Known { verified } | Self::NewName { verified, .. } => Some(*verified),
            Self::FirstMeeting => Some(false),
            Self::Changed { .. } | Self::OwnKey | Self::Unreadable { .. } => None,
        }
    }

    /// Why the call to `name` must not go on: what happened, and what to do.
    #[must_use]
    pub fn refusal(&self, name: &str) -> Option<String> {
        match self {
            Self::Known { .. } | Self::NewName { .. } | Self::FirstMeeting => None,
            Self::Changed { verified, .. } => {
                let verified = if *verified { ", which you had verified" } else { "" };
                Some(format!(
                    "{name} shows another key than before{verified}: somebody may sit in between, or the machine is a new one. \
                     The call was refused. If you know why the key is new, say: voicetui peers forget {name}"
                ))
            }
            Self::OwnKey => Some(format!("{name} is this program itself: it shows our own key.")),
            Self::Unreadable { line } => Some(format!(
                "{name} is not called: line {line} of known_peers is not understood and may hold its key. Mend or remove that line, then call again."
            )),
        }
    }
}

/// What a key shown by a caller means.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Incoming {
    Known {
        name: String,
        verified: bool,
        connect: bool,
    },
    Unknown,
    /// An unknown key from where `name` was last: rings as unknown, with that warning.
    UnknownFromKnownAddress {
        name: String,
    },
    /// Does not ring and is not answered.
    Blocked,
    OwnKey,
}

/// The peers we know, in the order of the file.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct KnownPeers {
    lines: Vec<Line>,
}

impl KnownPeers {
    pub fn peers(&self) -> impl Iterator<Item = &KnownPeer> {
        self.lines.iter().filter_map(|line| if let Line::Peer(peer) = line { Some(peer) } else { None })
    }

    fn peers_mut(&mut self) -> impl Iterator<Item = &mut KnownPeer> {
        self.lines.iter_mut().filter_map(|line| if let Line::Peer(peer) = line { Some(peer) } else { None })
    }

    /// The lines that are not understood: number and reason. They are kept as they are.
    pub fn problems(&self) -> impl Iterator<Item = (usize, &str)> {
        let numbered = self.lines.iter().enumerate();
        numbered.filter_map(|(at, line)| if let Line::Bad { reason, .. } = line { Some((at + 1, reason.as_str())) } else { None })
    }

    /// The peer of this key.
    #[must_use]
    pub fn of_key(&self, key: &PublicKey) -> Option<&KnownPeer> {
        self.peers().find(|peer| peer.key == *key)
    }

    /// The same, if it is no stranger to the user, who wants to hear of it.
    #[must_use]
    pub fn welcome(&self, key: &PublicKey) -> Option<&KnownPeer> {
        self.of_key(key).filter(|peer| !peer.blocked && peer.is_acquainted())
    }

    /// The peer that this name is pinned to. `host`, `HOST` and `host:5005` are one name.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<&KnownPeer> {
        let wanted = place(name);
        self.peers().find(|peer| peer.names.iter().any(|name| place(name) == wanted))
    }

    /// The peer whose last address has this IP.
    fn at(&self, ip: IpAddr) -> Option<&KnownPeer> {
        self.peers().find(|peer| peer.address.is_some_and(|address| address.ip().to_canonical() == ip.to_canonical()))
    }

    /// The name of the peer that `name`, or whoever is at `ip`, was when it was met sealed. A call in the clear there needs the user to
    /// type that name. An entry is made by a sealed session only.
    #[must_use]
    pub fn met_sealed(&self, name: &str, ip: Option<IpAddr>) -> Option<&str> {
        let peer = self.named(name).or_else(|| self.at(ip?))?;
        Some(peer.name())
    }

    /// What it means that whom we called by `name` shows the key `shown`; `own` is ours.
    #[must_use]
    pub fn outgoing(&self, name: &str, shown: &PublicKey, own: &PublicKey) -> Outgoing {
        if shown == own {
            return Outgoing::OwnKey;
        }
        if let Some(peer) = self.named(name) {
            let verified = peer.verified;
            let same = peer.key == *shown;
            return if same { Outgoing::Known { verified } } else { Outgoing::Changed { pinned: peer.key, shown: *shown, verified } };
        }
        if let Some((line, _)) = self.problems().next() {
            return Outgoing::Unreadable { line };
        }
        match self.of_key(shown) {
            Some(peer) => Outgoing::NewName { known_as: peer.name().to_owned(), verified: peer.verified },
            None => Outgoing::FirstMeeting,
        }
    }

    /// What it means that a caller at `from` shows the key `shown`: the key alone says who it is.
    #[must_use]
    pub fn incoming(&self, shown: &PublicKey, from: IpAddr, own: &PublicKey) -> Incoming {
        if shown == own {
            return Incoming::OwnKey;
        }
        match (self.of_key(shown), self.at(from)) {
            (Some(peer), _) if peer.blocked => Incoming::Blocked,
            (Some(peer), _) => Incoming::Known { name: peer.name().to_owned(), verified: peer.verified, connect: peer.connect },
            (None, Some(peer)) => Incoming::UnknownFromKnownAddress { name: peer.name().to_owned() },
            (None, None) => Incoming::Unknown,
        }
    }
}

#[cfg(test)]
mod tests;
