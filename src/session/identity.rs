//! Who one is: a Curve25519 key pair, made once (RFC 7748, 6.1).

use std::fmt;

use x25519_dalek::{PublicKey as Point, StaticSecret};
use zeroize::Zeroizing;

/// Bytes of either half.
pub const KEY_BYTES: usize = 32;

/// The public half: what a peer is known by.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey(pub [u8; KEY_BYTES]);

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Both halves; the secret one is wiped on drop and never printed.
#[derive(Clone)]
pub struct Identity {
    secret: Zeroizing<[u8; KEY_BYTES]>,
    public: PublicKey,
}

impl Identity {
    /// The identity of these 32 secret bytes, random when it is made.
    #[must_use]
    pub fn new(secret: Zeroizing<[u8; KEY_BYTES]>) -> Self {
        let public = PublicKey(Point::from(&StaticSecret::from(*secret)).to_bytes());
        Self { secret, public }
    }

    #[must_use]
    pub fn public(&self) -> PublicKey {
        self.public
    }

    #[must_use]
    pub fn secret(&self) -> &[u8; KEY_BYTES] {
        &self.secret
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("public", &self.public).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The secret is 0, 1, ... 31; its public half was worked out with the pseudo-code of RFC 7748, 5.
    #[test]
    fn the_public_half_follows_from_the_secret_one() {
        let identity = Identity::new(Zeroizing::new(std::array::from_fn(|n| n as u8)));
        assert_eq!(format!("{:?}", identity.public()), "8f40c5adb68f25624ae5b214ea767a6ec94d829d3d7b5e1ad1ba6f3e2138285f");
    }

    #[test]
    fn the_secret_half_is_never_printed() {
        let identity = Identity::new(Zeroizing::new([0xab; KEY_BYTES]));
        assert!(!format!("{identity:?}").contains("abab"));
        assert!(!format!("{identity:?}").contains("171, 171"));
    }
}
