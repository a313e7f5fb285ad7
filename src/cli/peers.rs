//! `voicetui peers`: whom we know, and what is changed about it.

use std::fmt::Write as _;

use clap::Subcommand;
use unicode_width::UnicodeWidthStr;

use super::padded;
use crate::session::KnownPeers;
use crate::session::trust::{Edit, KnownPeer, Who};

#[derive(Subcommand, Debug)]
pub enum PeersJob {
    /// Forget the key of this name: the next call to it believes what it is shown
    Forget { name: String },
    /// Mark a peer verified: you compared its fingerprint, or the four words in a call
    Verify { name: String },
    /// Take the mark back
    Unverify { name: String },
    /// Answer its calls without asking; the microphone stays closed in them
    Connect { name: String },
    /// Let its calls ring
    Ring { name: String },
    /// Let its calls not ring
    Block { name: String },
    /// Let its calls ring again
    Unblock { name: String },
    /// Know a peer by another name
    Rename { name: String, new_name: String },
}

impl PeersJob {
    pub fn edit(self) -> Edit {
        match self {
            Self::Forget { name } => Edit::Forget(name),
            Self::Verify { name } => Edit::Verify(Who::Name(name), true),
            Self::Unverify { name } => Edit::Verify(Who::Name(name), false),
            Self::Connect { name } => Edit::Connect(Who::Name(name), true),
            Self::Ring { name } => Edit::Connect(Who::Name(name), false),
            Self::Block { name } => Edit::Block(Who::Name(name), true),
            Self::Unblock { name } => Edit::Block(Who::Name(name), false),
            Self::Rename { name, new_name } => Edit::Rename { from: name, to: new_name },
        }
    }
}

/// `voicetui peers`: two lines for each key.
#[must_use]
pub fn table(known: &KnownPeers) -> String {
    let width = known.peers().map(|peer| names(peer).width()).max().unwrap_or(0);
    let mut table = String::new();
    for peer in known.peers() {
        let address = peer.address.map(|address| format!(", last at {address}")).unwrap_or_default();
        let _ = writeln!(table, "{}  {}{address}", padded(&names(peer), width), signs(peer));
        let _ = writeln!(table, "    {}", peer.key);
    }
    if table.is_empty() {
        table.push_str("Nobody is known yet: a peer is, once it was called sealed, verified, or let in for good.\n");
    }
    for (line, reason) in known.problems() {
        let _ =
            writeln!(table, "Line {line} of known_peers is not understood: {reason}. It is kept; names that are not above are not called.");
    }
    table
}

fn names(peer: &KnownPeer) -> String {
    peer.names.join(", ")
}

fn signs(peer: &KnownPeer) -> String {
    let verified = if peer.verified { "verified" } else { "not verified" };
    let calls = match (peer.connect, peer.blocked) {
        (true, _) => ", connects at once",
        (_, true) => ", blocked",
        _ => "",
    };
    format!("{verified}{calls}")
}
