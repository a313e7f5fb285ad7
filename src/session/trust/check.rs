//! What holds for every `known_peers` file: shared by the fuzz target, the property test and the corpus. Pure.

use std::net::{IpAddr, Ipv4Addr};

use super::{FILE_MAX, Incoming, KnownPeers, NAMES_MAX, Outgoing, PEERS_MAX, check_name};
use crate::session::PublicKey;

/// A file is refused, or every pin of it holds, and it survives being written again, with what was not understood.
pub fn known_peers(bytes: &[u8]) {
    let Ok(known) = KnownPeers::parse(bytes) else { return };
    let text = known.print();
    let lines = |text: &str| text.lines().filter(|line| !line.trim().is_empty() && !line.trim().starts_with('#')).count();
    let before = String::from_utf8_lossy(bytes);
    assert_eq!(lines(&text), lines(&before), "no line is lost");
    assert_eq!(known.peers().count() + known.problems().count(), lines(&text), "a line is a peer or a problem");
    assert!(known.peers().count() <= PEERS_MAX);
    if text.len() <= FILE_MAX {
        assert_eq!(KnownPeers::parse(text.as_bytes()).as_ref(), Ok(&known));
    }
    let (own, other) = (PublicKey([0xff; 32]), PublicKey([0xfe; 32]));
    for peer in known.peers().filter(|peer| peer.key != own && peer.key != other) {
        assert!((1..=NAMES_MAX).contains(&peer.names.len()) && !(peer.connect && peer.blocked));
        for name in &peer.names {
            assert_eq!(check_name(name), Ok(()));
            assert_eq!(known.outgoing(name, &peer.key, &own), Outgoing::Known { verified: peer.verified });
            let changed = Outgoing::Changed { pinned: peer.key, shown: other, verified: peer.verified };
            assert_eq!(known.outgoing(name, &other, &own), changed);
        }
        let incoming = known.incoming(&peer.key, IpAddr::V4(Ipv4Addr::LOCALHOST), &own);
        assert_eq!(incoming == Incoming::Blocked, peer.blocked);
    }
}
