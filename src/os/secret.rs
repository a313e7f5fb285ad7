//! Files that are for their owner's eyes only: keys, passphrases, pins. Main thread, and `disk`.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::path::Path;

use zeroize::Zeroizing;

use super::files;

/// What others than the owner must not be able to do with a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Forbidden {
    /// To read or change it: it is a secret.
    Read,
    /// To change it: it is believed.
    Write,
}

/// The bytes of a file, wiped on drop; `None`: there is no such file. `what` it is goes into the sentence of a refusal. The rights
/// that count are those of the file that was opened, whatever the path leads to a moment later.
///
/// # Errors
/// One sentence: others could do what is forbidden, it has more than `max` bytes, or it cannot be read.
pub fn read(what: &str, path: &Path, max: usize, forbidden: Forbidden) -> Result<Option<Zeroizing<Vec<u8>>>, String> {
    let shown = path.display();
    let failed = |error: io::Error| format!("The {what} {shown} cannot be read: {error}.");
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    if others_may(&file, forbidden).map_err(failed)? {
        let act = if forbidden == Forbidden::Read { "read" } else { "changed" };
        return Err(format!("The {what} {shown} can be {act} by others, and is not used. Say: chmod 600 {shown}"));
    }
    // Room for all of it at once: a buffer that grows leaves copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(max + 1));
    let mut chunk = Zeroizing::new([0; 4_096]);
    let mut file = file.take(max as u64 + 1);
    loop {
        match file.read(&mut *chunk) {
            Ok(0) => break,
            Ok(count) => bytes.extend_from_slice(&chunk[..count]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(failed(error)),
        }
    }
    if bytes.len() > max {
        return Err(format!("The {what} {shown} is longer than {max} bytes: it is not one."));
    }
    Ok(Some(bytes))
}

#[cfg(unix)]
fn others_may(file: &File, forbidden: Forbidden) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    let bits = if forbidden == Forbidden::Read { 0o066 } else { 0o022 };
    Ok(file.metadata()?.mode() & bits != 0)
}

/// Windows keeps rights in another way; a profile's folders are their owner's there.
#[cfg(not(unix))]
fn others_may(_: &File, _: Forbidden) -> io::Result<bool> {
    Ok(false)
}

/// Makes a file that was not there, whole or not at all, readable by its owner only. `false`: there is one already, and it is as it
/// was, so of two programs that make it at the same time both use the same.
///
/// # Errors
/// It cannot be written.
pub fn create(path: &Path, bytes: &[u8]) -> io::Result<bool> {
    let draft = path.with_extension(format!("new.{}", std::process::id()));
    files::write_whole(&draft, bytes)?;
    let made = match fs::hard_link(&draft, path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
        // A file system without links: the draft itself becomes the file.
        Err(_) if !path.exists() => return fs::rename(&draft, path).map(|()| true),
        Err(error) => Err(error),
    };
    fs::remove_file(&draft)?;
    made
}

/// Held, no other program of this user changes what the lock beside `path` guards.
#[derive(Debug)]
pub struct Lock(#[expect(dead_code, reason = "closing it lets go")] Option<File>);

impl Lock {
    /// Waits until nobody else holds it. Holders only replace a small file.
    ///
    /// # Errors
    /// The lock's file cannot be made.
    #[cfg(unix)]
    pub fn take(path: &Path) -> io::Result<Self> {
        use rustix::fs::{FlockOperation, flock};
        use std::os::unix::fs::OpenOptionsExt;
        if let Some(folder) = path.parent() {
            files::make_private_dir(folder)?;
        }
        let file = File::options().write(true).create(true).truncate(false).mode(0o600).open(path.with_extension("lock"))?;
        flock(&file, FlockOperation::LockExclusive)?;
        Ok(Self(Some(file)))
    }

    /// # Errors
    /// None.
    #[cfg(not(unix))]
    pub fn take(_: &Path) -> io::Result<Self> {
        Ok(Self(None))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    fn chmod(path: &Path, mode: u32) {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("chmod");
    }

    #[cfg(unix)]
    #[test]
    fn what_others_can_read_is_not_read() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("key");
        fs::write(&path, "secret").expect("written");
        for mode in [0o640, 0o604, 0o660, 0o620, 0o602, 0o644] {
            chmod(&path, mode);
            let refusal = read("key file", &path, 100, Forbidden::Read).expect_err("refused");
            assert!(refusal.ends_with(&format!("Say: chmod 600 {}", path.display())), "{refusal}");
        }
        for mode in [0o600, 0o400, 0o700] {
            chmod(&path, mode);
            assert_eq!(
                read("key file", &path, 100, Forbidden::Read).map(|bytes| bytes.map(|bytes| bytes.to_vec())),
                Ok(Some(b"secret".to_vec()))
            );
        }
        chmod(&path, 0o644);
        assert!(read("list", &path, 100, Forbidden::Write).is_ok_and(|bytes| bytes.is_some()));
        chmod(&path, 0o664);
        assert!(read("list", &path, 100, Forbidden::Write).is_err_and(|refusal| refusal.contains("changed by others")));
    }

    #[test]
    fn absent_is_none_and_too_long_is_refused() {
        let file = tempfile::NamedTempFile::new().expect("file");
        fs::write(file.path(), vec![b'x'; 101]).expect("written");
        assert!(read("key file", file.path(), 100, Forbidden::Read).is_err_and(|refusal| refusal.contains("longer than 100 bytes")));
        assert_eq!(read("key file", &file.path().join("x"), 100, Forbidden::Read), Ok(None));
    }

    #[test]
    fn a_file_is_made_once() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("a/key");
        assert!(create(&path, b"first").expect("made"));
        assert!(!create(&path, b"second").expect("there"));
        assert_eq!(fs::read(&path).expect("there"), b"first");
        assert_eq!(fs::read_dir(path.parent().expect("folder")).expect("listed").count(), 1, "no draft is left");
        assert!(read("key file", &path, 100, Forbidden::Read).is_ok_and(|bytes| bytes.is_some()), "for its owner only");
    }
}
