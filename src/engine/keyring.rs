//! What is kept for good: this user's key, and `known_peers`. Main thread at the start, then `disk`.

use std::path::{Path, PathBuf};
use std::str;

use anyhow::{Context, anyhow, bail};
use rand::TryRng;
use rand::rngs::SysRng;
use zeroize::Zeroizing;

use crate::call::trust::{Edit, FILE_MAX, KnownPeers};
use crate::call::{Identity, Local, fingerprint};
use crate::os::files;
use crate::os::secret::{self, Forbidden, Lock};

/// What the key file begins with.
const KEY_HEAD: &str = "# The secret key of this user's voicetui. Whoever reads it can call and answer in your name.\n";
/// No key file is longer, bytes.
const KEY_FILE_MAX: usize = 1_024;

/// Who we are and whom we know, as an engine starts with it.
#[derive(Clone, Debug)]
pub struct Trust {
    pub local: Local,
    pub known: KnownPeers,
    /// Where changes are kept; `None`: nowhere.
    pub keyring: Option<Keyring>,
    /// What the user should know of it, one sentence.
    pub warning: Option<String>,
}

impl Trust {
    /// A key for this run, that knows nobody and keeps nothing.
    ///
    /// # Errors
    /// The system gives no random numbers.
    pub fn passing() -> anyhow::Result<Self> {
        let local = Local { identity: Identity::new(random()?), psk: Zeroizing::new([0; 32]) };
        Ok(Self { local, known: KnownPeers::default(), keyring: None, warning: None })
    }
}

/// The folder of the key and of `known_peers`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Keyring {
    folder: PathBuf,
}

impl Keyring {
    /// In `$XDG_DATA_HOME/voicetui`.
    ///
    /// # Errors
    /// The user has no home.
    pub fn open() -> anyhow::Result<Self> {
        let folder = files::data_dir().context("The system knows no home of this user: set HOME, so that a key can be kept.")?;
        Ok(Self::of(&folder))
    }

    #[must_use]
    pub fn of(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    /// Where both are kept.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Whether a key was made already; its file may still be refused.
    #[must_use]
    pub fn has_key(&self) -> bool {
        self.key_file().exists()
    }

    fn key_file(&self) -> PathBuf {
        self.folder.join("key")
    }

    fn known_peers_file(&self) -> PathBuf {
        self.folder.join("known_peers")
    }

    /// This user's key pair, made if there is none. Where none can be kept (a home that cannot be written) it is one for this run, with
    /// a sentence that says so.
    ///
    /// # Errors
    /// One sentence: others can read the key file, it is not understood, or it cannot be read.
    pub fn identity(&self) -> anyhow::Result<(Identity, Option<String>)> {
        let path = self.key_file();
        let read = || secret::read("key file", &path, KEY_FILE_MAX, Forbidden::Read).map_err(anyhow::Error::msg);
        if let Some(bytes) = read()? {
            return Ok((self.understand(&bytes)?, None));
        }
        let made = random()?;
        let symbols = fingerprint::encode(&made);
        let mut text = Zeroizing::new(String::with_capacity(KEY_HEAD.len() + symbols.len() + 1));
        text.push_str(KEY_HEAD);
        text.push_str(&symbols);
        text.push('\n');
        match secret::create(&path, text.as_bytes()) {
            Ok(true) => Ok((Identity::new(made), None)),
            // Another program was faster: its key is the one.
            Ok(false) => {
                let bytes = read()?.ok_or_else(|| anyhow!("The key file {} was there and is gone: start again.", path.display()))?;
                Ok((self.understand(&bytes)?, None))
            }
            Err(error) => {
                let shown = path.display();
                let sentence = format!(
                    "The key file {shown} cannot be made ({error}): this run has a key of its own, and your peers will not know you by it."
                );
                Ok((Identity::new(made), Some(sentence)))
            }
        }
    }

    fn understand(&self, bytes: &[u8]) -> anyhow::Result<Identity> {
        let text = str::from_utf8(bytes).unwrap_or_default();
        let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        match (lines.next().and_then(fingerprint::decode), lines.next()) {
            (Some(key), None) => Ok(Identity::new(key)),
            _ => bail!(
                "The key file {} is not understood: bring a good copy back, or move it away. A new key is made then, and your peers are told that your key has changed.",
                self.key_file().display()
            ),
        }
    }

    /// The peers that we know; nobody, without a file.
    ///
    /// # Errors
    /// One sentence: the file cannot be believed. To go on without it would be to forget every pin.
    pub fn known_peers(&self) -> anyhow::Result<KnownPeers> {
        let path = self.known_peers_file();
        let bytes = secret::read("list of known peers", &path, FILE_MAX, Forbidden::Write).map_err(anyhow::Error::msg)?;
        let Some(bytes) = bytes else { return Ok(KnownPeers::default()) };
        KnownPeers::parse(&bytes).map_err(|reason| {
            anyhow!(
                "The list of known peers {} is not understood: {reason}. Mend it, or move it away to forget every peer.",
                path.display()
            )
        })
    }

    /// Changes the file as it stands now, whoever changed it before; gives what was done, in a sentence, and the peers as they are then.
    ///
    /// # Errors
    /// One sentence; the file is as it was.
    pub fn edit(&self, edit: &Edit) -> anyhow::Result<(String, KnownPeers)> {
        let path = self.known_peers_file();
        let cannot = || format!("The list of known peers {} cannot be written", path.display());
        let _lock = Lock::take(&path).with_context(cannot)?;
        let mut known = self.known_peers()?;
        let before = known.clone();
        let said = known.apply(edit).map_err(anyhow::Error::msg)?;
        if known != before {
            files::write_whole(&path, known.print().as_bytes()).with_context(cannot)?;
        }
        Ok((said, known))
    }
}

/// Bytes that nobody can guess, wiped on drop.
///
/// # Errors
/// The system gives none.
pub fn random<const N: usize>() -> anyhow::Result<Zeroizing<[u8; N]>> {
    let mut bytes = Zeroizing::new([0; N]);
    SysRng.try_fill_bytes(&mut *bytes).context("The system gives no random numbers")?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::PublicKey;
    use crate::call::trust::Who;
    use std::fs;

    fn pin(name: &str, n: u8) -> Edit {
        Edit::Pin { name: name.into(), key: PublicKey([n; 32]), address: ([10, 0, 0, n], 5005).into() }
    }

    #[test]
    fn a_key_is_made_once_and_stays() {
        let folder = tempfile::tempdir().expect("folder");
        let keyring = Keyring::of(&folder.path().join("voicetui"));
        let first = keyring.identity().expect("made").0;
        assert_eq!(keyring.identity().expect("read").0.public(), first.public());
        let other = Keyring::of(&folder.path().join("other")).identity().expect("made").0;
        assert_ne!(other.public(), first.public());
        let files = fs::read_dir(folder.path().join("voicetui")).expect("listed").map(|entry| entry.expect("listed").file_name());
        assert_eq!(files.filter(|name| name != "key.lock").count(), 1);
    }

    #[test]
    fn where_no_key_can_be_kept_there_is_one_for_this_run() {
        let file = tempfile::NamedTempFile::new().expect("file");
        let (key, warning) = Keyring::of(&file.path().join("x")).identity().expect("a key");
        assert!(warning.is_some_and(|sentence| sentence.contains("of its own")));
        assert!(Keyring::of(&file.path().join("x")).identity().is_ok_and(|(other, _)| other.public() != key.public()));
    }

    #[cfg(unix)]
    #[test]
    fn a_key_that_others_can_read_or_nobody_understands_is_refused_and_kept() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().expect("folder");
        let keyring = Keyring::of(folder.path());
        let key = keyring.identity().expect("made").0;
        let path = folder.path().join("key");
        assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("chmod");
        let refusal = keyring.identity().expect_err("refused").to_string();
        assert!(refusal.ends_with(&format!("Say: chmod 600 {}", path.display())), "{refusal}");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("chmod");
        assert_eq!(keyring.identity().expect("read").0.public(), key.public());
        for text in ["", "# nothing", "aaaq", "\u{ff}"] {
            fs::write(&path, text).expect("written");
            assert!(keyring.identity().is_err_and(|error| error.to_string().contains("not understood")), "{text}");
            assert_eq!(fs::read_to_string(&path).expect("there"), text);
        }
        // Refusals show no secrets.
        fs::write(&path, format!("{}\n{}", *fingerprint::encode(&[7; 32]), "x")).expect("written");
        let refusal = format!("{:?}", keyring.identity().expect_err("two lines"));
        assert!(!refusal.contains(&fingerprint::encode(&[7; 32])[..8]), "{refusal}");
    }

    #[test]
    fn edits_of_two_programs_do_not_undo_each_other() {
        let folder = tempfile::tempdir().expect("folder");
        let keyring = Keyring::of(folder.path());
        assert_eq!(keyring.known_peers().expect("nobody").peers().count(), 0);
        std::thread::scope(|scope| {
            for n in 1..9 {
                let keyring = &keyring;
                scope.spawn(move || keyring.edit(&pin(&format!("peer{n}"), n)).expect("pinned"));
            }
        });
        let known = keyring.known_peers().expect("read");
        assert_eq!(known.peers().count(), 8);
        assert!(keyring.edit(&pin("peer1", 9)).is_err_and(|error| error.to_string().contains("another key")));
        let (said, now) = keyring.edit(&Edit::Verify(Who::Name("peer1".into()), true)).expect("verified");
        assert_eq!(said, "peer1 is verified.");
        assert_eq!(keyring.known_peers().expect("read"), now);
    }

    #[test]
    fn a_list_that_cannot_be_believed_is_refused_and_kept() {
        let folder = tempfile::tempdir().expect("folder");
        let keyring = Keyring::of(folder.path());
        let path = folder.path().join("known_peers");
        files::write_whole(&path, b"workshop \xff\n").expect("written");
        assert!(keyring.known_peers().is_err_and(|error| error.to_string().contains("move it away to forget every peer")));
        assert!(keyring.edit(&pin("workshop", 1)).is_err());
        assert_eq!(fs::read(&path).expect("there"), b"workshop \xff\n");
    }
}
