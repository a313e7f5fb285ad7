//! Who we are, whom we know, the passphrase: gathered before the engine starts, and the jobs that print or change them. Main thread.

use std::path::Path;
use std::{io, str};

use anyhow::{Context, anyhow, bail};
use zeroize::Zeroizing;

use crate::cli::Passphrase;
use crate::engine::control;
use crate::engine::keyring::{Keyring, Trust, random};
use crate::os::prompt;
use crate::os::secret::{self, Forbidden};
use crate::session::passphrase::{PASSPHRASE_MAX, stretch};
use crate::session::trust::Edit;
use crate::session::{Local, words};

const VARIABLE: &str = "VOICETUI_PASSPHRASE";

/// The key and the known peers of this user, and the stretched passphrase. To be called before other threads are there.
///
/// # Errors
/// One sentence: something of it is there but cannot be used. To go on without it would be to trust less than the user asked for.
pub fn gather(passphrase: &Passphrase) -> anyhow::Result<Trust> {
    let psk = psk(passphrase)?;
    let keyring = match Keyring::open() {
        Ok(keyring) => keyring,
        Err(homeless) => {
            let mut trust = Trust { warning: Some(homeless.to_string()), ..Trust::passing()? };
            trust.local.psk = psk;
            return Ok(trust);
        }
    };
    let (identity, warning) = keyring.identity()?;
    Ok(Trust { local: Local { identity, psk }, known: keyring.known_peers()?, keyring: Some(keyring), warning })
}

fn psk(passphrase: &Passphrase) -> anyhow::Result<Zeroizing<[u8; 32]>> {
    let (text, from) = match passphrase {
        Passphrase::Ask => (asked()?, "The passphrase"),
        Passphrase::File(file) => (read(file)?, "The passphrase file"),
        Passphrase::Environment(file) => match (std::env::var_os(VARIABLE), file) {
            (Some(text), _) => {
                let text = text.into_string().map_err(|_| anyhow!("{VARIABLE} is not text in UTF-8."))?;
                (Zeroizing::new(text), VARIABLE)
            }
            (None, Some(file)) => (read(file)?, "The passphrase file"),
            (None, None) => return Ok(Zeroizing::new([0; 32])),
        },
    };
    stretch(&text).map_err(|reason| anyhow!("{from} cannot be used: {reason}."))
}

fn asked() -> anyhow::Result<Zeroizing<String>> {
    let answer = prompt::ask_unseen("Passphrase: ", PASSPHRASE_MAX);
    let answer = answer.context("The passphrase cannot be asked for on this terminal; use --passphrase-file")?;
    answer.context("No passphrase was typed.")
}

fn read(file: &Path) -> anyhow::Result<Zeroizing<String>> {
    let bytes = secret::read("passphrase file", file, PASSPHRASE_MAX, Forbidden::Read).map_err(anyhow::Error::msg)?;
    let Some(bytes) = bytes else { bail!("There is no passphrase file {}.", file.display()) };
    let text = str::from_utf8(&bytes).map_err(|_| anyhow!("The passphrase file {} is not text in UTF-8.", file.display()))?;
    Ok(Zeroizing::new(text.to_owned()))
}

/// `voicetui id`.
pub fn id() -> anyhow::Result<String> {
    match Keyring::open()?.identity()? {
        (_, Some(not_kept)) => bail!(not_kept),
        (identity, None) => Ok(format!("{}\n", identity.public())),
    }
}

/// `voicetui peers`, or what was done about one.
pub fn peers(edit: Option<&Edit>) -> anyhow::Result<String> {
    let keyring = Keyring::open()?;
    match edit {
        Some(edit) => {
            let said = keyring.edit(edit)?.0;
            control::tell_all("reread");
            Ok(format!("{said}\n"))
        }
        None => Ok(crate::cli::peer_table(&keyring.known_peers()?)),
    }
}

/// `voicetui passphrase`: straight to the output, so that no copy of it stays.
pub fn make_passphrase(out: &mut impl io::Write) -> anyhow::Result<()> {
    let text = words::passphrase(&random()?);
    out.write_all(text.as_bytes()).and_then(|()| out.write_all(b"\n")).context("the output cannot be written")
}
