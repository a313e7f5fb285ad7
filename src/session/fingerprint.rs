//! Keys as text: base32 (RFC 4648, section 6, in lower case, without padding). Pure.
//!
//! A fingerprint is the whole public key, nothing left out: 52 letters and digits in 13 groups of four. Nobody can make a second key
//! with the same one. Hyphens and white space mean nothing when it is read, nor does upper or lower case.

use std::fmt;
use std::str::FromStr;

use zeroize::Zeroizing;

use super::identity::{KEY_BYTES, PublicKey};

const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
/// Symbols of five bits for 32 bytes; the last one carries a single bit.
const SYMBOLS: usize = (KEY_BYTES * 8).div_ceil(5);
/// Symbols of a group.
const GROUP: usize = 4;
/// Longer text is no key, however it is spaced, bytes.
const TEXT_MAX: usize = 4 * SYMBOLS;

const _: () = assert!(SYMBOLS == 52 && SYMBOLS.is_multiple_of(GROUP));

/// The 52 symbols of a key, without groups.
#[must_use]
pub fn encode(key: &[u8; KEY_BYTES]) -> Zeroizing<String> {
    // Made in one piece: a string that grows leaves copies of a secret behind.
    let mut text = Zeroizing::new(String::with_capacity(SYMBOLS));
    for at in 0..SYMBOLS {
        let index = (0..5).fold(0, |index, bit| index << 1 | bit_at(key, 5 * at + bit));
        text.push(char::from(ALPHABET[index]));
    }
    text
}

/// Bit `n` of the key, the first byte's highest first; 0 beyond its end.
fn bit_at(key: &[u8; KEY_BYTES], n: usize) -> usize {
    key.get(n / 8).map_or(0, |byte| usize::from(byte >> (7 - n % 8) & 1))
}

/// The key that `text` says; `None`: it is no key, or ends with bits that no key has.
#[must_use]
pub fn decode(text: &str) -> Option<Zeroizing<[u8; KEY_BYTES]>> {
    if text.len() > TEXT_MAX {
        return None;
    }
    let mut key = Zeroizing::new([0; KEY_BYTES]);
    let mut count = 0;
    for symbol in text.bytes().filter(|byte| !byte.is_ascii_whitespace() && *byte != b'-') {
        let index = ALPHABET.iter().position(|known| known.eq_ignore_ascii_case(&symbol))?;
        for bit in 0..5 {
            let set = index >> (4 - bit) & 1 == 1;
            match key.get_mut((5 * count + bit) / 8) {
                Some(byte) => *byte |= u8::from(set) << (7 - (5 * count + bit) % 8),
                None if set => return None,
                None => {}
            }
        }
        count += 1;
    }
    (count == SYMBOLS).then_some(key)
}

impl fmt::Display for PublicKey {
    /// The fingerprint, in groups joined by hyphens.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = encode(&self.0);
        for at in (0..SYMBOLS).step_by(GROUP) {
            let hyphen = if at == 0 { "" } else { "-" };
            write!(f, "{hyphen}{}", &text[at..at + GROUP])?;
        }
        Ok(())
    }
}

impl FromStr for PublicKey {
    type Err = String;

    /// # Errors
    /// One sentence: what a fingerprint looks like.
    fn from_str(text: &str) -> Result<Self, String> {
        let key = decode(text).ok_or("a fingerprint has 13 groups of four, of the letters a to z and the digits 2 to 7")?;
        Ok(Self(*key))
    }
}

impl PublicKey {
    /// The first groups, to tell one peer from another on a screen. Not enough to trust a key by.
    #[must_use]
    pub fn short(&self) -> String {
        format!("{self}").chars().take(2 * GROUP + 1).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Made with Python: `base64.b32encode(bytes(range(32))).decode().lower().rstrip("=")`.
    const COUNTED: &str = "aaaqeayeaudaocajbifqydiob4ibceqtcqkrmfyydenbwha5dypq";

    #[test]
    fn a_fingerprint_is_base32_of_the_whole_key() {
        let key = PublicKey(std::array::from_fn(|n| n as u8));
        assert_eq!(encode(&key.0).as_str(), COUNTED);
        assert_eq!(format!("{key}"), "aaaq-eaye-auda-ocaj-bifq-ydio-b4ib-ceqt-cqkr-mfyy-denb-wha5-dypq");
        assert_eq!(key.short(), "aaaq-eaye");
        for text in [COUNTED, "AAAQ EAYE auda-ocaj bifqydio b4ib ceqt\ncqkr mfyy denb wha5 dypq", &format!(" {key} ")] {
            assert_eq!(text.parse(), Ok(key), "{text}");
        }
    }

    #[test]
    fn what_is_no_key_is_none() {
        for text in ["", "aaaq", &COUNTED[1..], &format!("{COUNTED}a"), &COUNTED.replace('a', "1"), &format!("{}r", &COUNTED[..51])] {
            assert!(text.parse::<PublicKey>().is_err_and(|error| error.contains("13 groups")), "{text}");
        }
        assert!(decode(&" ".repeat(1 << 20)).is_none());
    }

    proptest! {
        #[test]
        fn every_key_survives_its_text(key: [u8; KEY_BYTES]) {
            prop_assert_eq!(format!("{}", PublicKey(key)).parse(), Ok(PublicKey(key)));
            prop_assert_eq!(decode(&encode(&key)).map(|key| *key), Some(key));
        }

        #[test]
        fn no_text_makes_it_panic(text in "\\PC*|[a-z2-7 -]{48,60}") {
            if let Some(key) = decode(&text) {
                let plain: String = text.chars().filter(|c| !c.is_whitespace() && *c != '-').collect();
                prop_assert_eq!(String::clone(&encode(&key)), plain.to_ascii_lowercase());
            }
        }
    }
}
