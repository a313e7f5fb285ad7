//! Three messages that make the keys of a session: Noise XX with a PSK, and a commitment for the words. Pure.
//!
//! ```text
//! 1, 118 bytes   8  version  Noise(e; index 4, C 32, padding 16)                cookie 16
//! 2, 110 bytes   9  version  index of the initiator 4   Noise(e, ee, s, es; index 4, padding 4)
//! 3, 110 bytes  10  version  index of the responder 4   Noise(s, se, psk; r 32, session continued 8)
//! ```
//! A side's index is a random number by which it finds the keys of what comes; the one in a message's front is only
//! looked up, the ones inside are authenticated. No answer is longer than its question.
//!
//! **Words.** C = BLAKE2s("commit" ‖ r) binds the initiator before he has seen the responder's half; message 3 reveals
//! r. The words are 44 bits of BLAKE2s("voicetui sas 1" ‖ h2 ‖ r), h2 being the handshake hash after message 2: whoever
//! stands between has one guess in each handshake, however long he computes (as ZRTP's commitment does: RFC 6189, 4.4.1.1).
//! As initiator he knows the words from message 2 on, and may give up unseen: how often he may try is a matter of how many
//! handshakes a responder answers ([`super::table`]: 14 a second), 2^-28 an hour.
//!
//! **What is wiped.** The ephemeral and static scalars, r, the PSK held here and the keys that come out are. The Noise
//! crate keeps chaining keys and a copy of the PSK in memory that it does not wipe; a handshake lives 5 s at most.

mod noise;

use std::fmt;

use blake2::{Blake2s256, Digest};
use snow::HandshakeState;
use zeroize::Zeroizing;

use super::identity::{Identity, PublicKey};
use crate::wire::sealed::Type;

/// The version of the handshake that this side speaks; others are not answered.
pub const VERSION: u8 = 1;
pub const MESSAGE1_BYTES: usize = 118;
pub const MESSAGE2_BYTES: usize = 110;
pub const MESSAGE3_BYTES: usize = 110;
pub const COOKIE_BYTES: usize = 16;
/// Bits of the words: four of 2,048.
pub const SAS_BITS: u32 = 44;
const _: () = assert!(MESSAGE1_BYTES >= MESSAGE2_BYTES && MESSAGE2_BYTES >= MESSAGE3_BYTES);

/// Type, version, index.
const FRONT: usize = 6;
const COOKIE_AT: usize = MESSAGE1_BYTES - COOKIE_BYTES;
const PAYLOAD1: usize = 4 + 32 + 16;
const PAYLOAD2: usize = 4 + 4;
const PAYLOAD3: usize = 32 + 8;
const _: () = assert!(2 + 32 + PAYLOAD1 + 16 == COOKIE_AT);
const _: () = assert!(FRONT + 32 + 48 + PAYLOAD2 + 16 == MESSAGE2_BYTES);
const _: () = assert!(FRONT + 48 + PAYLOAD3 + 16 == MESSAGE3_BYTES);

/// Who we are in every handshake. Its secrets are wiped on drop and never printed.
#[derive(Clone)]
pub struct Local {
    pub identity: Identity,
    /// Zero when there is no passphrase.
    pub psk: Zeroizing<[u8; 32]>,
}

impl PartialEq for Local {
    /// Whether both would be taken for the same by everybody else.
    fn eq(&self, other: &Self) -> bool {
        self.identity.public() == other.identity.public() && self.psk == other.psk
    }
}

impl fmt::Debug for Local {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Local").field("identity", &self.identity).finish_non_exhaustive()
    }
}

/// Random numbers for one handshake, which the caller draws.
#[derive(Clone)]
pub struct Fresh {
    pub ephemeral: Zeroizing<[u8; 32]>,
    /// The number behind the words; the initiator's only.
    pub r: Zeroizing<[u8; 32]>,
    /// By which this side finds the keys.
    pub index: u32,
}

/// Why a message moved nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reject {
    /// Not of that length, type, version.
    Malformed,
    /// Not from the other end of this handshake.
    Forged,
    /// A key that makes every secret with it known to all (RFC 7748, 6.1): no honest program has one.
    WeakKey,
    /// The peer is who it is, but the passphrases differ, or somebody interferes.
    Passphrase,
    /// The peer revealed another number than it was bound to.
    Commitment,
}

impl Reject {
    fn of(error: snow::Error) -> Self {
        if matches!(error, snow::Error::Dh) { Self::WeakKey } else { Self::Forged }
    }
}

/// The number that names a session through its rekeyings; 0 names none.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Lineage(pub u64);

/// What a handshake gives. The keys are wiped on drop.
pub struct Outcome {
    pub peer: PublicKey,
    /// By which the peer finds the keys.
    pub peer_index: u32,
    pub sending: Zeroizing<[u8; 32]>,
    pub receiving: Zeroizing<[u8; 32]>,
    /// [`SAS_BITS`] bits for the words.
    pub sas: u64,
    /// Of this handshake, should others continue it.
    pub lineage: Lineage,
    /// The session that the initiator continues.
    pub continues: Lineage,
}

impl fmt::Debug for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outcome").field("peer", &self.peer).finish_non_exhaustive()
    }
}

/// What binds the initiator to `r`.
#[must_use]
pub fn commitment(r: &[u8; 32]) -> [u8; 32] {
    Blake2s256::new().chain_update(b"commit").chain_update(r).finalize().into()
}

/// The first `bits` (of 64 at most) that the words show.
#[must_use]
pub fn words(h2: &[u8; 32], r: &[u8; 32], bits: u32) -> u64 {
    let hash = Blake2s256::new().chain_update(b"voicetui sas 1").chain_update(h2).chain_update(r).finalize();
    let first = hash.first_chunk().expect("a hash has 32 bytes");
    u64::from_be_bytes(*first) >> (64 - bits)
}

fn lineage(h2: &[u8; 32], r: &[u8; 32]) -> Lineage {
    let hash = Blake2s256::new().chain_update(b"voicetui lineage 1").chain_update(h2).chain_update(r).finalize();
    Lineage(u64::from_be_bytes(*hash.first_chunk().expect("a hash has 32 bytes")).max(1))
}

/// Which of our handshakes a message 2 or 3 belongs to, as it says itself.
#[must_use]
pub fn index_of(bytes: &[u8]) -> Option<u32> {
    (bytes.get(1) == Some(&VERSION)).then_some(())?;
    bytes.get(2..FRONT)?.try_into().ok().map(u32::from_be_bytes)
}

/// The cookie in a message 1, and what it stands behind; `None`: no message 1 of our version.
#[must_use]
pub fn cookie_of(bytes: &[u8]) -> Option<&[u8; COOKIE_BYTES]> {
    let is_first = bytes.len() == MESSAGE1_BYTES && bytes[0] == Type::Handshake1 as u8 && bytes[1] == VERSION;
    is_first.then(|| bytes.last_chunk()).flatten()
}

fn front(kind: Type, index: u32) -> [u8; FRONT] {
    let [a, b, c, d] = index.to_be_bytes();
    [kind as u8, VERSION, a, b, c, d]
}

fn hash_of(state: &HandshakeState) -> [u8; 32] {
    state.get_handshake_hash().try_into().expect("BLAKE2s makes 32 bytes")
}

fn key_of(state: &HandshakeState) -> Option<PublicKey> {
    state.get_remote_static().and_then(|key| key.try_into().ok()).map(PublicKey)
}

/// The side that called, from message 1 on.
pub struct Initiator {
    fresh: Fresh,
    state: HandshakeState,
    message1: [u8; MESSAGE1_BYTES],
}

impl Initiator {
    #[must_use]
    pub fn new(local: &Local, fresh: Fresh) -> Self {
        let mut message1 = [0; MESSAGE1_BYTES];
        message1[..2].copy_from_slice(&[Type::Handshake1 as u8, VERSION]);
        let mut payload = [0; PAYLOAD1];
        payload[..4].copy_from_slice(&fresh.index.to_be_bytes());
        payload[4..36].copy_from_slice(&commitment(&fresh.r));
        let mut state = noise::start(local, &fresh.ephemeral, true);
        let len = state.write_message(&payload, &mut message1[2..COOKIE_AT]);
        assert_eq!(len.ok(), Some(COOKIE_AT - 2), "message 1 needs nothing that can be missing");
        Self { fresh, state, message1 }
    }

    /// The same bytes each time.
    #[must_use]
    pub fn message1(&self) -> &[u8; MESSAGE1_BYTES] {
        &self.message1
    }

    pub fn set_cookie(&mut self, cookie: &[u8; COOKIE_BYTES]) {
        self.message1[COOKIE_AT..].copy_from_slice(cookie);
    }

    #[must_use]
    pub fn index(&self) -> u32 {
        self.fresh.index
    }

    /// Takes message 2 and makes message 3, which is to continue the session that `continues` chooses by the peer's key
    /// (`None`: refuse the peer). After an error all is as it was: the true message 2 may still come.
    ///
    /// # Errors
    /// See [`Reject`]; a refused peer is [`Reject::Forged`].
    pub fn handle_message2(
        &mut self,
        local: &Local,
        bytes: &[u8],
        continues: impl FnOnce(PublicKey) -> Option<Lineage>,
    ) -> Result<(Outcome, [u8; MESSAGE3_BYTES]), Reject> {
        if bytes.len() != MESSAGE2_BYTES || bytes[..FRONT] != front(Type::Handshake2, self.fresh.index) {
            return Err(Reject::Malformed);
        }
        let answered = self.answer(bytes, continues);
        if answered.is_err() {
            // The Noise crate gives back its hashes after an error, but not its cipher.
            let cookie = *self.message1.last_chunk().expect("longer than a cookie");
            *self = Self::new(local, self.fresh.clone());
            self.set_cookie(&cookie);
        }
        answered
    }

    fn answer(
        &mut self,
        bytes: &[u8],
        continues: impl FnOnce(PublicKey) -> Option<Lineage>,
    ) -> Result<(Outcome, [u8; MESSAGE3_BYTES]), Reject> {
        let mut payload = [0; PAYLOAD2 + 16];
        self.state.read_message(&bytes[FRONT..], &mut payload).map_err(Reject::of)?;
        let peer = key_of(&self.state).ok_or(Reject::Forged)?;
        let peer_index = u32::from_be_bytes(*payload.first_chunk().expect("8 bytes"));
        let continues = continues(peer).ok_or(Reject::Forged)?;
        let h2 = hash_of(&self.state);
        let mut reveal = Zeroizing::new([0; PAYLOAD3]);
        reveal[..32].copy_from_slice(&self.fresh.r[..]);
        reveal[32..].copy_from_slice(&continues.0.to_be_bytes());
        let mut message3 = [0; MESSAGE3_BYTES];
        message3[..FRONT].copy_from_slice(&front(Type::Handshake3, peer_index));
        self.state.write_message(&reveal[..], &mut message3[FRONT..]).map_err(Reject::of)?;
        let (ours, theirs) = self.state.dangerously_get_raw_split();
        let outcome = Outcome {
            peer,
            peer_index,
            sending: Zeroizing::new(ours),
            receiving: Zeroizing::new(theirs),
            sas: words(&h2, &self.fresh.r, SAS_BITS),
            lineage: lineage(&h2, &self.fresh.r),
            continues,
        };
        Ok((outcome, message3))
    }
}

impl fmt::Debug for Initiator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Initiator").field("index", &self.fresh.index).finish_non_exhaustive()
    }
}

/// The side that was called, from message 1 to message 3.
pub struct Responder {
    fresh: Fresh,
    state: HandshakeState,
    message1: [u8; MESSAGE1_BYTES],
    message2: [u8; MESSAGE2_BYTES],
    peer_index: u32,
    commitment: [u8; 32],
    h2: [u8; 32],
}

impl Responder {
    /// Takes message 1 and makes message 2.
    ///
    /// # Errors
    /// [`Reject::Malformed`], [`Reject::Forged`] or [`Reject::WeakKey`].
    pub fn new(local: &Local, fresh: Fresh, message1: &[u8]) -> Result<Self, Reject> {
        cookie_of(message1).ok_or(Reject::Malformed)?;
        let message1: [u8; MESSAGE1_BYTES] = message1.try_into().map_err(|_| Reject::Malformed)?;
        let mut state = noise::start(local, &fresh.ephemeral, false);
        let mut payload = [0; PAYLOAD1 + 16];
        state.read_message(&message1[2..COOKIE_AT], &mut payload).map_err(|_| Reject::Forged)?;
        let peer_index = u32::from_be_bytes(*payload.first_chunk().expect("52 bytes"));
        let commitment = *payload[4..].first_chunk().expect("52 bytes");
        let mut message2 = [0; MESSAGE2_BYTES];
        message2[..FRONT].copy_from_slice(&front(Type::Handshake2, peer_index));
        let mut answer = [0; PAYLOAD2];
        answer[..4].copy_from_slice(&fresh.index.to_be_bytes());
        state.write_message(&answer, &mut message2[FRONT..]).map_err(Reject::of)?;
        let h2 = hash_of(&state);
        Ok(Self { fresh, state, message1, message2, peer_index, commitment, h2 })
    }

    /// The same bytes each time.
    #[must_use]
    pub fn message2(&self) -> &[u8; MESSAGE2_BYTES] {
        &self.message2
    }

    /// Whether this is the message 1 that began it, whatever its cookie.
    #[must_use]
    pub fn began_with(&self, message1: &[u8]) -> bool {
        message1.get(..COOKIE_AT) == Some(&self.message1[..COOKIE_AT])
    }

    #[must_use]
    pub fn index(&self) -> u32 {
        self.fresh.index
    }

    #[must_use]
    pub fn peer_index(&self) -> u32 {
        self.peer_index
    }

    /// Takes message 3. After an error all is as it was: the true message 3 may still come.
    ///
    /// # Errors
    /// See [`Reject`].
    pub fn handle_message3(&mut self, local: &Local, bytes: &[u8]) -> Result<Outcome, Reject> {
        if bytes.len() != MESSAGE3_BYTES || bytes[..FRONT] != front(Type::Handshake3, self.fresh.index) {
            return Err(Reject::Malformed);
        }
        let read = self.read(bytes);
        if read.is_err()
            && let Ok(again) = Self::new(local, self.fresh.clone(), &self.message1)
        {
            *self = again;
        }
        read
    }

    fn read(&mut self, bytes: &[u8]) -> Result<Outcome, Reject> {
        let mut payload = Zeroizing::new([0; PAYLOAD3 + 16]);
        if let Err(error) = self.state.read_message(&bytes[FRONT..], &mut payload[..]) {
            let why = Reject::of(error);
            // The static key opened, so the ephemeral ones agree: only the PSK, or a changed byte behind it, is left.
            return Err(if why == Reject::Forged && key_of(&self.state).is_some() { Reject::Passphrase } else { why });
        }
        let peer = key_of(&self.state).ok_or(Reject::Forged)?;
        let r = payload.first_chunk().expect("40 bytes");
        if commitment(r) != self.commitment {
            return Err(Reject::Commitment);
        }
        let (theirs, ours) = self.state.dangerously_get_raw_split();
        Ok(Outcome {
            peer,
            peer_index: self.peer_index,
            sending: Zeroizing::new(ours),
            receiving: Zeroizing::new(theirs),
            sas: words(&self.h2, r, SAS_BITS),
            lineage: lineage(&self.h2, r),
            continues: Lineage(u64::from_be_bytes(*payload[32..].first_chunk().expect("8 bytes"))),
        })
    }
}

impl fmt::Debug for Responder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Responder").field("index", &self.fresh.index).finish_non_exhaustive()
    }
}

#[cfg(test)]
pub(crate) mod tests;
