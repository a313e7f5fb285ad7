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
    match others_may(&file, path, forbidden).map_err(failed)? {
        None => {}
        Some(Others::Touch) => {
            let act = if forbidden == Forbidden::Read { "read" } else { "changed" };
            return Err(format!("The {what} {shown} can be {act} by others, and is not used. Say: chmod 600 {shown}"));
        }
        Some(Others::Own) => {
            return Err(format!("The {what} {shown} belongs to another user, and is not used: copy it, and use the copy."));
        }
        Some(Others::Replace) => {
            return Err(format!("Others can replace the {what} {shown}: everybody may write to its folder. It is not used: move it."));
        }
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

/// What others can do with a file.
#[cfg_attr(not(unix), expect(dead_code, reason = "rights are kept in another way there"))]
enum Others {
    Touch,
    Own,
    Replace,
}

#[cfg(unix)]
fn others_may(file: &File, path: &Path, forbidden: Forbidden) -> io::Result<Option<Others>> {
    use std::os::unix::fs::MetadataExt;
    const EVERYBODY_WRITES: u32 = 0o002;
    // In /tmp and its like nobody can move what is another's.
    const STICKY: u32 = 0o1000;
    let bits = if forbidden == Forbidden::Read { 0o066 } else { 0o022 };
    let there = file.metadata()?;
    if there.mode() & bits != 0 {
        return Ok(Some(Others::Touch));
    }
    let us = rustix::process::geteuid().as_raw();
    if us != 0 && there.uid() != us && there.uid() != 0 {
        return Ok(Some(Others::Own));
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mode = fs::metadata(folder)?.mode();
    // What is no file (a pipe of the shell's, `/dev/stdin`) lies in no folder of ours.
    let is_open = there.is_file() && mode & EVERYBODY_WRITES != 0 && mode & STICKY == 0;
    Ok(is_open.then_some(Others::Replace))
}

/// Windows keeps rights in another way; a profile's folders are their owner's there.
#[cfg(not(unix))]
fn others_may(_: &File, _: &Path, _: Forbidden) -> io::Result<Option<Others>> {
    Ok(None)
}

/// Makes a file that was not there, whole or not at all, readable by its owner only. `false`: there is one already, and it is as it
/// was, so of two programs that make it at the same time both use the same.
///
/// # Errors
/// It cannot be written.
pub fn create(path: &Path, bytes: &[u8]) -> io::Result<bool> {
    // Where nothing can be locked, a link still takes nobody's place.
    let _lock = Lock::take(path);
    let draft = path.with_extension(format!("new.{}", std::process::id()));
    files::write_whole(&draft, bytes)?;
    let made = match fs::hard_link(&draft, path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::AlreadyExists && path.exists() => Ok(false),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            Err(io::Error::new(ErrorKind::NotFound, format!("{} is a link to a file that is not there", path.display())))
        }
        // A file system without links: the draft itself becomes the file.
        Err(_) if !path.exists() => return fs::rename(&draft, path).map(|()| true),
        Err(error) => Err(error),
    };
    fs::remove_file(&draft)?;
    if let Some(folder) = path.parent() {
        files::sync_folder(folder);
    }
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
        let others = fs::read_dir(path.parent().expect("folder")).expect("listed").map(|entry| entry.expect("listed").file_name());
        assert_eq!(others.filter(|name| name != "key.lock").count(), 1, "no draft is left");
        assert!(read("key file", &path, 100, Forbidden::Read).is_ok_and(|bytes| bytes.is_some()), "for its owner only");
    }

    #[test]
    fn of_many_who_make_it_at_once_one_does_and_all_read_the_same() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("key");
        let barrier = std::sync::Barrier::new(8);
        let made: Vec<(bool, Vec<u8>)> = std::thread::scope(|scope| {
            let make = |n: u8| {
                let (path, barrier) = (&path, &barrier);
                scope.spawn(move || {
                    barrier.wait();
                    let is_ours = create(path, &[n; 40]).expect("made, or there");
                    (is_ours, fs::read(path).expect("there"))
                })
            };
            let threads: Vec<_> = (0..8).map(make).collect();
            threads.into_iter().map(|thread| thread.join().expect("made")).collect()
        });
        assert_eq!(made.iter().filter(|(is_ours, _)| *is_ours).count(), 1);
        assert!(made.iter().all(|(_, bytes)| *bytes == made[0].1 && bytes.len() == 40));
    }

    #[cfg(unix)]
    #[test]
    fn what_everybody_can_replace_and_a_link_to_nowhere_are_no_key() {
        let folder = tempfile::tempdir().expect("folder");
        let open = folder.path().join("open");
        fs::create_dir(&open).expect("made");
        let path = open.join("key");
        assert!(create(&path, b"secret").expect("made"));
        chmod(&open, 0o777);
        assert!(read("key file", &path, 100, Forbidden::Read).is_err_and(|refusal| refusal.contains("Others can replace")));
        chmod(&open, 0o1777);
        assert!(read("key file", &path, 100, Forbidden::Read).is_ok());
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(folder.path().join("nowhere"), &link).expect("linked");
        assert!(create(&link, b"secret").is_err_and(|error| error.to_string().contains("a link to a file that is not there")));
    }
}
