//! Bits as words that can be read out: BIP 39's English list, 2,048 words of 11 bits. Pure: randomness comes as bytes.

use bip39::Language;
use zeroize::Zeroizing;

/// Bits of the words that both sides of a call compare.
pub const SAS_BITS: u32 = 44;
/// Words of a made passphrase: 66 bits.
const PASSPHRASE_WORDS: usize = 6;
/// Random bytes that a passphrase is made of; the last six bits are not used.
pub const PASSPHRASE_BYTES: usize = (PASSPHRASE_WORDS * BITS).div_ceil(8);
/// Bits of a word.
const BITS: usize = 11;

const _: () = assert!(SAS_BITS as usize == 4 * BITS && PASSPHRASE_BYTES == 9);

/// The four words of a session, from the lowest [`SAS_BITS`] bits of `sas`, the highest of them first.
#[must_use]
pub fn sas_words(sas: u64) -> [&'static str; 4] {
    std::array::from_fn(|at| word((sas >> (BITS * (3 - at))) as usize))
}

/// The four words as they are shown and read out.
#[must_use]
pub fn sas_text(sas: u64) -> String {
    sas_words(sas).join(" ")
}

/// Six words for a passphrase from random bytes. They cannot be known before, and are wiped on drop.
#[must_use]
pub fn passphrase(random: &Zeroizing<[u8; PASSPHRASE_BYTES]>) -> Zeroizing<String> {
    let bits = Zeroizing::new(random.iter().fold(0_u128, |bits, byte| bits << 8 | u128::from(*byte)));
    let spare = PASSPHRASE_BYTES * 8 - PASSPHRASE_WORDS * BITS;
    // Made in one piece: a string that grows leaves copies behind. No word has more than eight letters.
    let mut text = Zeroizing::new(String::with_capacity(9 * PASSPHRASE_WORDS));
    for at in 0..PASSPHRASE_WORDS {
        if at > 0 {
            text.push(' ');
        }
        text.push_str(word((*bits >> (spare + BITS * (PASSPHRASE_WORDS - 1 - at))) as usize));
    }
    text
}

/// The word of the lowest 11 bits.
fn word(bits: usize) -> &'static str {
    Language::English.word_list()[bits % (1 << BITS)]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The list's own numbers: abandon 0, ability 1, zone 2,046, zoo 2,047, and letter 1,028 of BIP 39's own vectors.
    #[test]
    fn bits_become_words_highest_first() {
        assert_eq!(sas_words(0), ["abandon"; 4]);
        assert_eq!(sas_words((1 << SAS_BITS) - 1), ["zoo"; 4]);
        assert_eq!(sas_words(1), ["abandon", "abandon", "abandon", "ability"]);
        assert_eq!(sas_text(2_046 << 33 | 1_028 << 22 | 1 << 11), "zone letter ability abandon");
        assert_eq!(sas_words(u64::MAX), ["zoo"; 4]);
    }

    #[test]
    fn nine_bytes_become_six_words() {
        assert_eq!(passphrase(&Zeroizing::new([0; 9])).as_str(), "abandon abandon abandon abandon abandon abandon");
        assert_eq!(passphrase(&Zeroizing::new([255; 9])).as_str(), "zoo zoo zoo zoo zoo zoo");
        // 66 bits of 0101...: 01010101010 = 682, 10101010101 = 1,365, in turn.
        assert_eq!(passphrase(&Zeroizing::new([0x55; 9])).as_str(), "fetch primary fetch primary fetch primary");
        let text = passphrase(&Zeroizing::new([0, 0, 0, 0, 0, 0, 0, 0, 0b0100_0000]));
        assert_eq!(text.as_str(), "abandon abandon abandon abandon abandon ability");
    }

    #[test]
    fn the_list_is_bip_39s() {
        let list = Language::English.word_list();
        assert!(list.is_sorted() && list.iter().all(|word| (3..=8).contains(&word.len())));
        // Four letters tell each word from all others.
        let heads: std::collections::BTreeSet<&str> = list.iter().map(|word| &word[..word.len().min(4)]).collect();
        assert_eq!(heads.len(), 2_048);
    }
}
