//! What a sealed session says about a peer, for whoever watches: whose key it is, the words, and what we know of it. Plain values.

use std::net::{IpAddr, SocketAddr};

use crate::call::trust::{Incoming, KnownPeers, is_generated};
use crate::call::{PublicKey, words};

/// A peer in a sealed session.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sealed {
    pub key: PublicKey,
    /// Behind the four words.
    pub sas: u64,
    /// Its name in `known_peers`.
    pub known_as: Option<String>,
    /// The words were compared, in this call or an earlier one.
    pub verified: bool,
    /// Its calls are answered without asking.
    pub connect: bool,
    /// An unknown key where this peer was last.
    pub in_place_of: Option<String>,
}

impl Sealed {
    /// What `known` says of the peer at `ip` that showed `key`; `own` is ours.
    #[must_use]
    pub fn look_up(key: PublicKey, sas: u64, ip: Option<IpAddr>, known: &KnownPeers, own: &PublicKey) -> Self {
        let mut sealed = Self { key, sas, known_as: None, verified: false, connect: false, in_place_of: None };
        match ip.map(|ip| known.incoming(&key, ip, own)) {
            Some(Incoming::Known { name, verified, connect }) => {
                (sealed.known_as, sealed.verified, sealed.connect) = (Some(name), verified, connect);
            }
            Some(Incoming::UnknownFromKnownAddress { name }) => sealed.in_place_of = Some(name),
            Some(Incoming::Unknown | Incoming::Blocked | Incoming::OwnKey) | None => {}
        }
        sealed
    }

    /// The same session later: what was unknown when it stood stays so for this call, however the key came into `known_peers` meanwhile;
    /// only that its words were compared is news.
    #[must_use]
    pub fn renewed(&self, sas: u64, ip: Option<IpAddr>, known: &KnownPeers, own: &PublicKey) -> Self {
        let now = Self::look_up(self.key, sas, ip, known, own);
        if self.known_as.is_some() || now.verified {
            return now;
        }
        Self { known_as: None, in_place_of: self.in_place_of.clone(), ..now }
    }

    /// The name that the user gave the key or called it by; an address is none, and neither is what was made of the key.
    #[must_use]
    pub fn user_name(&self) -> Option<&str> {
        let is_address = |name: &str| name.parse::<IpAddr>().is_ok() || name.parse::<SocketAddr>().is_ok();
        self.known_as.as_deref().filter(|name| !is_address(name) && !is_generated(name, &self.key))
    }

    /// The four words that both sides see.
    #[must_use]
    pub fn words(&self) -> String {
        words::sas_text(self.sas)
    }

    /// The same in two or three words.
    #[must_use]
    pub fn brief(&self) -> String {
        match (self.verified, &self.known_as, &self.in_place_of) {
            (true, ..) => "verified".into(),
            (_, Some(_), _) => "key as ever".into(),
            (_, _, Some(name)) => format!("NOT the key of {name}"),
            _ => "unknown key".into(),
        }
    }

    /// What the seal is worth, a clause.
    #[must_use]
    pub fn standing(&self) -> String {
        match (self.verified, &self.known_as, &self.in_place_of) {
            (true, ..) => "sealed, verified".into(),
            (_, Some(_), _) => "sealed, the key as ever, words not compared".into(),
            (_, _, Some(name)) => format!("sealed, but NOT the key of {name}, which was at this address"),
            _ => "sealed, an unknown key until the words are compared".into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::trust::{Edit, Who};

    #[test]
    fn a_key_stands_as_it_is_known() {
        let (own, key, ip) = (PublicKey([0; 32]), PublicKey([1; 32]), IpAddr::from([10, 0, 0, 1]));
        let mut known = KnownPeers::default();
        let look = |known: &KnownPeers, key| Sealed::look_up(key, 0, Some(ip), known, &own);
        assert!(look(&known, key).standing().contains("unknown key"));
        known.apply(&Edit::Pin { name: "workshop".into(), key, address: (ip, 5005).into() }).expect("pinned");
        assert_eq!((look(&known, key).known_as.as_deref(), look(&known, key).verified), (Some("workshop"), false));
        assert!(look(&known, PublicKey([2; 32])).standing().contains("NOT the key of workshop"));
        assert_eq!(look(&known, PublicKey([2; 32])).brief(), "NOT the key of workshop");
        known.apply(&Edit::Verify(Who::Name("workshop".into()), true)).expect("verified");
        assert_eq!(look(&known, key).standing(), "sealed, verified");
        assert_eq!(look(&known, key).user_name(), Some("workshop"));
        known.apply(&Edit::Rename { from: "workshop".into(), to: "10.0.0.1:6000".into() }).expect("renamed");
        assert_eq!(look(&known, key).user_name(), None);
        assert_eq!(look(&known, key).words(), "abandon abandon abandon abandon");
    }

    #[test]
    fn a_key_that_is_pinned_by_this_call_is_not_thereby_the_key_as_ever() {
        let (own, key, ip) = (PublicKey([0; 32]), PublicKey([1; 32]), IpAddr::from([10, 0, 0, 1]));
        let pin = |name: &str, n: u8| Edit::Pin { name: name.into(), key: PublicKey([n; 32]), address: (ip, 5005).into() };
        let mut known = KnownPeers::default();
        known.apply(&pin("workshop", 2)).expect("another key was here");
        let first = Sealed::look_up(key, 5, Some(ip), &known, &own);
        known.apply(&pin("10.0.0.1", 1)).expect("pinned by the call");
        let later = first.renewed(7, Some(ip), &known, &own);
        assert_eq!((later.brief().as_str(), later.sas), ("NOT the key of workshop", 7));
        // The next call is with whom we met.
        assert_eq!(Sealed::look_up(key, 5, Some(ip), &known, &own).brief(), "key as ever");
        known.apply(&Edit::Verify(Who::Key(key, None), true)).expect("compared");
        let compared = later.renewed(7, Some(ip), &known, &own);
        assert_eq!((compared.brief().as_str(), compared.known_as.as_deref()), ("verified", Some("10.0.0.1")));
        known.apply(&Edit::Forget("10.0.0.1".into())).expect("forgotten");
        assert_eq!(compared.renewed(7, Some(ip), &known, &own).known_as, None);
    }
}
