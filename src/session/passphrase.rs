//! A passphrase, stretched to the key that both sides mix into the handshake (Argon2id, RFC 9106). Pure, but slow: 64 MiB are filled
//! three times. The main thread runs it, before the engine starts.

use argon2::{Algorithm, Argon2, Block, Params, Version};
use zeroize::{Zeroize, Zeroizing};

/// Memory that stretching fills, KiB.
const MEMORY_KIB: u32 = 64 * 1024;
/// Times that it is filled.
const PASSES: u32 = 3;
/// One salt for everybody, since both sides must come to the same key before they have exchanged a byte. Whoever wants a table of
/// stretched passphrases can make one; six words of `voicetui passphrase` (66 bits) are too many for it.
const SALT: &[u8] = b"voicetui passphrase 1";
/// Longest passphrase, bytes.
pub const PASSPHRASE_MAX: usize = 1_024;

/// The pre-shared key of a passphrase (psk3 of the Noise framework, 9). White space around it does not count, and inside it any amount is one space; all else does, case included.
///
/// # Errors
/// One clause: it is empty or too long, or there is not enough memory.
pub fn stretch(passphrase: &str) -> Result<Zeroizing<[u8; 32]>, String> {
    let tidy = tidied(passphrase)?;
    let params = Params::new(MEMORY_KIB, PASSES, 1, Some(32)).map_err(|error| format!("it cannot be stretched ({error})"))?;
    let count = params.block_count();
    let mut blocks: Vec<Block> = Vec::new();
    blocks
        .try_reserve_exact(count)
        .map_err(|_| format!("stretching it takes {} MiB of memory, which are not to be had", MEMORY_KIB / 1024))?;
    blocks.resize(count, Block::default());
    let mut psk = Zeroizing::new([0; 32]);
    let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let result = argon.hash_password_into_with_memory(tidy.as_bytes(), SALT, &mut *psk, &mut blocks);
    blocks.iter_mut().for_each(Zeroize::zeroize);
    result.map_err(|error| format!("it cannot be stretched ({error})"))?;
    Ok(psk)
}

fn tidied(passphrase: &str) -> Result<Zeroizing<String>, String> {
    if passphrase.len() > PASSPHRASE_MAX {
        return Err(format!("a passphrase has at most {PASSPHRASE_MAX} bytes"));
    }
    let mut tidy = Zeroizing::new(String::with_capacity(passphrase.len()));
    for word in passphrase.split_whitespace() {
        if !tidy.is_empty() {
            tidy.push(' ');
        }
        tidy.push_str(word);
    }
    if tidy.is_empty() { Err("it is empty".into()) } else { Ok(tidy) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Worked out with the reference implementation's Python binding:
    /// `argon2.low_level.hash_secret_raw(b"correct horse", b"voicetui passphrase 1", 3, 65536, 1, 32, argon2.Type.ID)`.
    #[test]
    fn stretching_is_argon2id_and_spacing_does_not_count() {
        let psk = stretch(" correct \t horse\n").expect("stretched");
        let hex: String = psk.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "a5d1479ba0190d5f8ecfc85a110e51ac588ace4db41861d9047dbc107e4b0e51");
        assert_ne!(stretch("Correct horse"), Ok(psk));
    }

    #[test]
    fn nothing_and_too_much_are_refused() {
        assert!(stretch(" \n").is_err_and(|error| error.contains("empty")));
        assert!(stretch(&"x".repeat(PASSPHRASE_MAX + 1)).is_err_and(|error| error.contains("1024 bytes")));
    }
}
