//! One direction's key and its counters: packets sealed and opened in place, with the header as associated data. Pure;
//! sender and receiver thread share a [`SealingKey`], the receiver thread owns the [`OpeningKey`]s.
//!
//! ChaCha20-Poly1305 (RFC 8439) as Noise uses it: the nonce is four zero bytes and the counter, little-endian. A counter
//! is taken from the key itself, by whoever seals, and never given back: no copy of a plan can use one twice.

use std::fmt;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use chacha20poly1305::aead::AeadInPlace;
use chacha20poly1305::{ChaCha20Poly1305, KeyInit};

use super::replay::Window;
use crate::wire::sealed::{CONTROL, HEADER_BYTES, Header, TAG_BYTES};

/// Bytes that sealing adds.
pub const OVERHEAD: usize = HEADER_BYTES + TAG_BYTES;
const _: () = assert!(OVERHEAD <= 40);

/// Whose counter: each class counts for itself under one key.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Class {
    /// The sender thread's.
    Media = 0,
    /// The receiver thread's.
    Control = 1,
}

impl Class {
    fn of(counter: u64) -> Self {
        if counter & CONTROL == 0 { Self::Media } else { Self::Control }
    }

    fn bit(self) -> u64 {
        if self == Self::Control { CONTROL } else { 0 }
    }
}

/// What seals our packets to one peer. The key is wiped on drop.
pub struct SealingKey {
    cipher: ChaCha20Poly1305,
    /// Of the peer.
    index: u32,
    /// The next counters, by class. Relaxed: only that each number is given out once matters.
    next: [AtomicU64; 2],
    /// Too old, or the session has ended: nothing is sealed any more.
    retired: AtomicBool,
}

impl SealingKey {
    /// `index`: by which the peer finds its half.
    #[must_use]
    pub fn new(key: &[u8; 32], index: u32) -> Self {
        Self {
            cipher: ChaCha20Poly1305::new(key.into()),
            index,
            next: [AtomicU64::new(0), AtomicU64::new(0)],
            retired: AtomicBool::new(false),
        }
    }

    /// Seals the first `len` bytes of `buffer` in place, header first, and gives the length to send. `None`: the key is
    /// retired or used up, or `buffer` has no [`OVERHEAD`] bytes of room behind them.
    pub fn seal(&self, class: Class, buffer: &mut [u8], len: usize) -> Option<usize> {
        let whole = buffer.get_mut(..len.checked_add(OVERHEAD)?)?;
        if self.retired.load(Relaxed) {
            return None;
        }
        let count = self.next[class as usize].fetch_add(1, Relaxed);
        if count >= CONTROL - 1 {
            return None;
        }
        let header = Header { key_index: self.index, counter: count | class.bit() };
        whole.copy_within(..len, HEADER_BYTES);
        let (front, rest) = whole.split_at_mut(HEADER_BYTES);
        header.write(front);
        let (body, tag) = rest.split_at_mut(len);
        let made = self.cipher.encrypt_in_place_detached(&nonce(header.counter).into(), front, body).ok()?;
        tag.copy_from_slice(&made);
        Some(whole.len())
    }

    /// From now on nothing is sealed, whoever holds the key.
    pub fn retire(&self) {
        self.retired.store(true, Relaxed);
    }

    #[must_use]
    pub fn is_retired(&self) -> bool {
        self.retired.load(Relaxed)
    }
}

impl fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SealingKey").field("index", &self.index).finish_non_exhaustive()
    }
}

/// A packet that was opened, in the buffer in which it came.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Opened {
    pub class: Class,
    /// No higher counter of its class has been seen.
    pub highest: bool,
    /// Where the packet lies.
    pub packet: Range<usize>,
}

/// What opens a peer's packets. The key is wiped on drop.
pub struct OpeningKey {
    cipher: ChaCha20Poly1305,
    index: u32,
    windows: [Window; 2],
}

impl OpeningKey {
    /// `index`: by which we find it.
    #[must_use]
    pub fn new(key: &[u8; 32], index: u32) -> Self {
        Self { cipher: ChaCha20Poly1305::new(key.into()), index, windows: [Window::default(), Window::default()] }
    }

    #[must_use]
    pub fn index(&self) -> u32 {
        self.index
    }

    /// Opens a datagram in place. `None`: not under this key, changed, or seen before; the window has not moved then.
    pub fn open(&mut self, datagram: &mut [u8]) -> Option<Opened> {
        let (header, _) = Header::parse(datagram).ok()?;
        let class = Class::of(header.counter);
        let (window, counter) = (&mut self.windows[class as usize], header.counter & !CONTROL);
        if header.key_index != self.index || !window.is_new(counter) {
            return None;
        }
        let (front, rest) = datagram.split_at_mut(HEADER_BYTES);
        let (body, tag) = rest.split_at_mut(rest.len() - TAG_BYTES);
        let tag: [u8; TAG_BYTES] = (&*tag).try_into().ok()?;
        self.cipher.decrypt_in_place_detached(&nonce(header.counter).into(), front, body, &tag.into()).ok()?;
        let packet = HEADER_BYTES..HEADER_BYTES + body.len();
        Some(Opened { class, highest: window.mark(counter), packet })
    }
}

impl fmt::Debug for OpeningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpeningKey").field("index", &self.index).finish_non_exhaustive()
    }
}

/// Noise revision 34, 12.3.
fn nonce(counter: u64) -> [u8; 12] {
    let mut nonce = [0; 12];
    nonce[4..].copy_from_slice(&counter.to_le_bytes());
    nonce
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: [u8; 32] = [7; 32];

    fn sealed(key: &SealingKey, class: Class, packet: &[u8]) -> Vec<u8> {
        let mut buffer = [packet, &[0; OVERHEAD]].concat();
        let len = key.seal(class, &mut buffer, packet.len()).expect("room and a key");
        buffer.truncate(len);
        buffer
    }

    #[test]
    fn what_is_sealed_opens_once_and_the_classes_count_for_themselves() {
        let (sealing, mut opening) = (SealingKey::new(&KEY, 9), OpeningKey::new(&KEY, 9));
        for (class, count) in [(Class::Media, 0), (Class::Control, 0), (Class::Media, 1)] {
            let mut datagram = sealed(&sealing, class, b"a packet");
            let header = Header::parse(&datagram).expect("a header").0;
            assert_eq!((header.key_index, header.counter & !CONTROL, header.is_control()), (9, count, class == Class::Control));
            assert!(!datagram.windows(8).any(|part| part == b"a packet"));
            let copy = datagram.clone();
            let opened = opening.open(&mut datagram).expect("the same key");
            assert_eq!((opened.class, opened.highest, &datagram[opened.packet]), (class, true, &b"a packet"[..]));
            assert_eq!(opening.open(&mut copy.clone()), None, "seen before");
        }
    }

    #[test]
    fn any_changed_bit_or_missing_byte_is_refused_and_moves_nothing() {
        let (sealing, mut opening) = (SealingKey::new(&KEY, 9), OpeningKey::new(&KEY, 9));
        let datagram = sealed(&sealing, Class::Media, b"voice");
        for bit in 0..datagram.len() * 8 {
            let mut flipped = datagram.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(opening.open(&mut flipped), None, "bit {bit}");
        }
        for len in 0..datagram.len() {
            assert_eq!(opening.open(&mut datagram[..len].to_vec()), None, "{len} bytes");
        }
        assert!(opening.open(&mut datagram.clone()).is_some());
        // The far future, forged: the window stays where it is.
        let mut future = datagram.clone();
        future[5..13].copy_from_slice(&(1u64 << 40).to_be_bytes());
        assert_eq!(opening.open(&mut future), None);
        assert!(opening.open(&mut sealed(&sealing, Class::Media, b"more")).is_some());
    }

    #[test]
    fn a_retired_key_and_a_short_buffer_seal_nothing() {
        let sealing = SealingKey::new(&KEY, 1);
        assert_eq!(sealing.seal(Class::Media, &mut [0; OVERHEAD + 4], 5), None);
        assert_eq!(sealing.seal(Class::Media, &mut [0; 8], usize::MAX), None);
        sealing.retire();
        assert_eq!(sealing.seal(Class::Control, &mut [0; 99], 5), None);
    }

    #[test]
    fn no_key_is_printed() {
        let shown = format!("{:?} {:?}", SealingKey::new(&[0xab; 32], 1), OpeningKey::new(&[0xab; 32], 2));
        assert!(!shown.contains("ab, ") && !shown.contains("abab") && !shown.contains("171, 171"), "{shown}");
    }
}
