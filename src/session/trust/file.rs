//! The `known_peers` file: a line for each key. Pure; text in, text out.
//!
//! ```text
//! # comment
//! NAME[,NAME...]  FINGERPRINT  SIGNS  LAST-ADDRESS
//! workshop,10.0.0.7  aaaq-eaye-...  verified,connect  10.0.0.7:5005
//! ```
//!
//! SIGNS are any of `verified`, `connect` (its calls are answered without asking) and `blocked`, or `-`; the address is `IP:PORT` or `-`.

use std::fmt;

use super::name::{check_name, place};
use super::{FILE_MAX, KnownPeer, KnownPeers, Line, NAMES_MAX, PEERS_MAX};

/// What a new file begins with.
const HEAD: &str = "\
# The peers that voicetui knows, a key in each line: NAME[,NAME...] FINGERPRINT SIGNS LAST-ADDRESS
# SIGNS: verified, connect (its calls are answered without asking), blocked, or - ; see \"voicetui peers --help\".";
/// Longest line, bytes: eight names of 264, a fingerprint, signs, an address.
const LINE_MAX: usize = 4_096;

impl KnownPeers {
    /// Reads the file. Lines that are not understood are kept, and told by [`KnownPeers::problems`].
    ///
    /// # Errors
    /// One clause: nothing of it can be believed. Go on without, and pins would be forgotten: refuse.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        if bytes.len() > FILE_MAX {
            return Err(format!("it is longer than {} KiB", FILE_MAX >> 10));
        }
        let text = std::str::from_utf8(bytes).map_err(|_| "it is not text in UTF-8")?;
        let mut known = Self::default();
        for text in text.lines() {
            let line = known.read(text);
            known.lines.push(line);
        }
        if known.peers().count() > PEERS_MAX {
            return Err(format!("it has more than {PEERS_MAX} peers"));
        }
        Ok(known)
    }

    /// The file, as [`KnownPeers::parse`] reads it.
    #[must_use]
    pub fn print(&self) -> String {
        self.lines.iter().map(|line| format!("{line}\n")).collect()
    }

    /// Adds a peer, and to a new file what its lines mean.
    pub(super) fn push(&mut self, peer: KnownPeer) {
        if self.lines.is_empty() {
            self.lines.extend(HEAD.lines().map(|line| Line::Comment(line.into())));
        }
        self.lines.push(Line::Peer(peer));
    }

    fn read(&self, text: &str) -> Line {
        let text = text.trim_end_matches('\r');
        let trimmed = text.trim();
        if trimmed.is_empty() || trimmed.starts_with('#') {
            return Line::Comment(text.into());
        }
        match read_peer(trimmed).and_then(|peer| self.no_contradiction(&peer).map(|()| peer)) {
            Ok(peer) => Line::Peer(peer),
            Err(reason) => Line::Bad { text: text.into(), reason },
        }
    }

    /// The first line of a name or a key counts; another one that says otherwise is not understood.
    fn no_contradiction(&self, peer: &KnownPeer) -> Result<(), String> {
        if let Some(name) = peer.names.iter().find(|name| self.named(name).is_some()) {
            return Err(format!("an earlier line pins {name}"));
        }
        if let Some(other) = self.of_key(&peer.key) {
            return Err(format!("an earlier line has this key, under the name {}", other.name()));
        }
        Ok(())
    }
}

fn read_peer(line: &str) -> Result<KnownPeer, String> {
    if line.len() > LINE_MAX {
        return Err(format!("the line is longer than {LINE_MAX} bytes"));
    }
    let mut fields = line.split_whitespace();
    let (Some(names), Some(key), Some(signs), Some(address), None) =
        (fields.next(), fields.next(), fields.next(), fields.next(), fields.next())
    else {
        return Err("a line has four fields: names, fingerprint, signs, address".into());
    };
    let names: Vec<String> = names.split(',').map(str::to_owned).collect();
    if names.len() > NAMES_MAX {
        return Err(format!("a key has at most {NAMES_MAX} names"));
    }
    for (at, name) in names.iter().enumerate() {
        check_name(name).map_err(|_| "the first field is no list of names")?;
        if names[..at].iter().any(|other| place(other) == place(name)) {
            return Err(format!("the name {name} stands there twice"));
        }
    }
    let key = key.parse().map_err(|error| format!("the second field is no fingerprint: {error}"))?;
    let address = match address {
        "-" => None,
        address => Some(address.parse().map_err(|_| "the fourth field is no IP:PORT, nor -")?),
    };
    let mut peer = KnownPeer { key, names, address, verified: false, connect: false, blocked: false };
    for sign in signs.split(',').filter(|_| signs != "-") {
        let flag = match sign {
            "verified" => &mut peer.verified,
            "connect" => &mut peer.connect,
            "blocked" => &mut peer.blocked,
            _ => return Err("the third field knows verified, connect, blocked, or -".into()),
        };
        *flag = true;
    }
    if peer.connect && peer.blocked {
        return Err("a peer is not blocked and answered at once".into());
    }
    Ok(peer)
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Comment(text) | Self::Bad { text, .. } => f.write_str(text),
            Self::Peer(peer) => write!(f, "{}  {}  {}  {}", peer.names.join(","), peer.key, signs(peer), address(peer)),
        }
    }
}

fn signs(peer: &KnownPeer) -> String {
    let all = [(peer.verified, "verified"), (peer.connect, "connect"), (peer.blocked, "blocked")];
    let set: Vec<&str> = all.into_iter().filter(|(set, _)| *set).map(|(_, word)| word).collect();
    if set.is_empty() { "-".into() } else { set.join(",") }
}

fn address(peer: &KnownPeer) -> String {
    peer.address.map_or_else(|| "-".into(), |address| address.to_string())
}
