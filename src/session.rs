//! The cryptographic state with one peer. Pure. The sealed format grows here.

pub mod cookie;
pub mod fingerprint;
pub mod handshake;
pub mod identity;
pub mod keys;
pub mod passphrase;
mod peer;
pub mod replay;
pub mod table;
pub mod timers;
pub mod trust;
pub mod words;

pub use handshake::Local;
pub use identity::{Identity, PublicKey};
pub use passphrase::Psk;
pub use table::{Failure, SessionEvent, SessionId, Sessions};
pub use trust::KnownPeers;

/// What guards the datagrams to one peer: the seam where the sealed format's key and packet index go.
///
/// The sender calls [`Seal::seal`] on every media datagram, the receiver on every control datagram, after the packet
/// is complete and before it leaves.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Seal {
    /// Open formats: what is in the packet is on the wire.
    #[default]
    Clear,
}

impl Seal {
    /// Bytes a datagram grows by.
    #[must_use]
    pub fn overhead(&self) -> usize {
        match self {
            Self::Clear => 0,
        }
    }

    /// Seals the first `len` bytes of `buffer` in place and gives the length to send.
    pub fn seal(&mut self, buffer: &mut [u8], len: usize) -> usize {
        debug_assert!(len + self.overhead() <= buffer.len(), "no room for the seal");
        match self {
            Self::Clear => len,
        }
    }
}
