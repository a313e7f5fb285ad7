//! The cryptographic state with each peer: handshakes, keys, replay windows, rekeying, roaming. Pure.
//!
//! [`Sessions`] belongs to the receiver thread's downlink; a [`Seal`] travels with each send plan to the sender thread.

pub mod check;
pub mod cookie;
pub mod fingerprint;
pub mod handshake;
pub mod identity;
pub mod keys;
pub mod knock;
pub mod passphrase;
mod peer;
pub mod replay;
pub mod table;
pub mod timers;
pub mod trust;
pub mod words;

use std::sync::Arc;

pub use handshake::Local;
pub use identity::{Identity, PublicKey};
use keys::{Class, OVERHEAD, SealingKey};
pub use table::{Failure, SessionEvent, SessionId, Sessions};
pub use trust::KnownPeers;

/// What guards the media to one peer. The sender calls [`Seal::seal`] on every datagram, after the packet is complete and
/// before it leaves.
#[derive(Clone, Debug, Default)]
pub enum Seal {
    /// Open formats: what is in the packet is on the wire.
    #[default]
    Clear,
    /// The key counts for itself: no copy of it uses a number twice.
    Sealed(Arc<SealingKey>),
}

impl PartialEq for Seal {
    /// The same key, not an equal one.
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Clear, Self::Clear) => true,
            (Self::Sealed(one), Self::Sealed(other)) => Arc::ptr_eq(one, other),
            _ => false,
        }
    }
}

impl Eq for Seal {}

impl Seal {
    /// Bytes a datagram grows by.
    #[must_use]
    pub fn overhead(&self) -> usize {
        match self {
            Self::Clear => 0,
            Self::Sealed(_) => OVERHEAD,
        }
    }

    /// Seals the first `len` bytes of `buffer` in place and gives the length to send. `None`: it must not be sent, since the
    /// key is retired or there is no room for the seal.
    pub fn seal(&self, buffer: &mut [u8], len: usize) -> Option<usize> {
        match self {
            Self::Clear => Some(len),
            Self::Sealed(key) => key.seal(Class::Media, buffer, len),
        }
    }
}
