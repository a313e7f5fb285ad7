//! The control socket where there are Unix sockets: folder 0700, socket 0600, and the kernel's word on who is calling.

use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use super::{DoorError, Instance};

/// This instance's socket, listening. Dropping it removes the file.
#[derive(Debug)]
pub struct Door {
    listener: UnixListener,
    path: PathBuf,
    closed: Arc<AtomicBool>,
}

/// Wakes a [`Door::accept`] for good.
#[derive(Clone, Debug)]
pub struct Closer {
    path: PathBuf,
    closed: Arc<AtomicBool>,
}

impl Closer {
    pub fn close(&self) {
        self.closed.store(true, Relaxed);
        // Whoever waits in accept wakes on a call, be it this one.
        let _ = UnixStream::connect(&self.path);
    }
}

impl Door {
    /// Opens this process' door.
    ///
    /// # Errors
    /// No folder that is safe, or no socket in it.
    pub fn open() -> Result<Self, DoorError> {
        Self::open_in(&folder()?, std::process::id())
    }

    pub(crate) fn open_in(folder: &Path, pid: u32) -> Result<Self, DoorError> {
        let path = folder.join(format!("{pid}.sock"));
        let fail = |error: io::Error| DoorError::Io { what: path.display().to_string(), error };
        // A process that had this number before and was killed has left its socket.
        if UnixStream::connect(&path).is_err() {
            let _ = fs::remove_file(&path);
        }
        let listener = UnixListener::bind(&path).map_err(fail)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).map_err(fail)?;
        Ok(Self { listener, path, closed: Arc::default() })
    }

    #[must_use]
    pub fn closer(&self) -> Closer {
        Closer { path: self.path.clone(), closed: self.closed.clone() }
    }

    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The next caller of the same user, if one waits: for a thread that watches the door with others. Not blocking; nor does
    /// the caller's stream.
    ///
    /// # Errors
    /// The socket is broken, or the system has no more files to give.
    pub fn try_accept(&self) -> io::Result<Option<UnixStream>> {
        self.listener.set_nonblocking(true)?;
        match self.accept() {
            Ok(Some(stream)) => stream.set_nonblocking(true).map(|()| Some(stream)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            result => result,
        }
    }

    /// The next caller of the same user; waits for one. `None`: the door was closed.
    ///
    /// # Errors
    /// The socket is broken.
    pub fn accept(&self) -> io::Result<Option<UnixStream>> {
        loop {
            let (stream, _) = match self.listener.accept() {
                Err(error) if matches!(error.kind(), io::ErrorKind::Interrupted | io::ErrorKind::ConnectionAborted) => continue,
                result => result?,
            };
            if self.closed.load(Relaxed) {
                return Ok(None);
            }
            if is_own(&stream) {
                return Ok(Some(stream));
            }
            tracing::warn!("a caller of another user was sent away from the control socket");
        }
    }
}

impl AsFd for Door {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.listener.as_fd()
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// The instances that answer, oldest first. The sockets of dead ones are removed.
#[must_use]
pub fn instances() -> Vec<Instance> {
    folder().map(|folder| instances_in(&folder)).unwrap_or_default()
}

fn instances_in(folder: &Path) -> Vec<Instance> {
    let mut found: Vec<(std::time::SystemTime, Instance)> = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let name = entry.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.strip_suffix(".sock")).and_then(|pid| pid.parse().ok()) else { continue };
        match UnixStream::connect(&path) {
            Ok(_) => {
                let made = entry.metadata().and_then(|metadata| metadata.modified()).unwrap_or(std::time::UNIX_EPOCH);
                found.push((made, Instance { pid, path }));
            }
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                let _ = fs::remove_file(&path);
            }
            Err(_) => {}
        }
    }
    found.sort_by_key(|(made, instance)| (*made, instance.pid));
    found.into_iter().map(|(_, instance)| instance).collect()
}

/// Calls the instance with that process number, or the newest.
///
/// # Errors
/// Nobody is there, or the socket is somebody else's.
pub fn connect(instance: Option<u32>) -> Result<UnixStream, DoorError> {
    connect_in(&folder()?, instance)
}

fn connect_in(folder: &Path, pid: Option<u32>) -> Result<UnixStream, DoorError> {
    let all = instances_in(folder);
    let running: Vec<u32> = all.iter().map(|instance| instance.pid).collect();
    let chosen = match pid {
        None => all.into_iter().next_back(),
        Some(pid) => all.into_iter().find(|instance| instance.pid == pid),
    };
    let instance = match (chosen, pid) {
        (Some(instance), _) => instance,
        (None, Some(pid)) if !running.is_empty() => return Err(DoorError::NoSuchInstance { pid, running }),
        _ => return Err(DoorError::NobodyRuns),
    };
    let what = instance.path.display().to_string();
    let stream = UnixStream::connect(&instance.path).map_err(|error| DoorError::Io { what: what.clone(), error })?;
    if is_own(&stream) { Ok(stream) } else { Err(DoorError::Unsafe { folder: what, why: "another user listens there".into() }) }
}

/// `$XDG_RUNTIME_DIR/voicetui`, else `/tmp/voicetui-UID`: made if need be, and this user's alone.
fn folder() -> Result<PathBuf, DoorError> {
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|folder| folder.is_absolute() && folder.is_dir());
    let folder = match runtime {
        Some(runtime) => runtime.join("voicetui"),
        None => PathBuf::from(format!("/tmp/voicetui-{}", own_uid())),
    };
    make_safe(&folder)?;
    Ok(folder)
}

fn make_safe(folder: &Path) -> Result<(), DoorError> {
    let unsafe_ = |why: &str| DoorError::Unsafe { folder: folder.display().to_string(), why: why.into() };
    match fs::DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            return Err(DoorError::Io { what: folder.display().to_string(), error });
        }
        _ => {}
    }
    // Not following a symlink that somebody else may have put into /tmp.
    let metadata = fs::symlink_metadata(folder).map_err(|error| unsafe_(&error.to_string()))?;
    if !metadata.is_dir() {
        return Err(unsafe_("it is no folder"));
    }
    if metadata.uid() != own_uid() {
        return Err(unsafe_("it belongs to another user"));
    }
    if metadata.mode() & 0o077 != 0 {
        return Err(unsafe_("other users may enter it"));
    }
    Ok(())
}

fn own_uid() -> u32 {
    rustix::process::getuid().as_raw()
}

/// Whether the other end is this user (or root, who can do anything anyway).
#[cfg(target_os = "linux")]
fn is_own(stream: &UnixStream) -> bool {
    let uid = rustix::net::sockopt::socket_peercred(stream).map(|credentials| credentials.uid.as_raw());
    uid.is_ok_and(|uid| uid == own_uid() || uid == 0)
}

/// The folder's mode keeps others out.
#[cfg(not(target_os = "linux"))]
fn is_own(_: &UnixStream) -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufRead, BufReader, Write};

    #[test]
    fn only_its_own_user_can_open_the_door() {
        let folder = tempfile::tempdir().expect("folder");
        let inner = folder.path().join("voicetui");
        make_safe(&inner).expect("made");
        assert_eq!(fs::metadata(&inner).expect("there").mode() & 0o777, 0o700);
        let door = Door::open_in(&inner, 4_711).expect("open");
        assert_eq!(fs::metadata(door.path()).expect("there").mode() & 0o777, 0o600);
        fs::set_permissions(&inner, fs::Permissions::from_mode(0o755)).expect("set");
        assert!(make_safe(&inner).expect_err("unsafe").to_string().contains("other users may enter it"));
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&inner, &link).expect("linked");
        assert!(make_safe(&link).expect_err("unsafe").to_string().contains("no folder"));
    }

    #[test]
    fn a_caller_is_heard_and_a_close_wakes_whoever_waits() {
        let folder = tempfile::tempdir().expect("folder");
        let door = Door::open_in(folder.path(), 1).expect("open");
        let (closer, path) = (door.closer(), door.path().to_owned());
        let server = std::thread::spawn(move || {
            let mut lines = Vec::new();
            while let Some(mut stream) = door.accept().expect("accepting") {
                lines.extend(BufReader::new(&stream).lines().map_while(Result::ok).take(1));
                // The look whether anybody listens has gone without a word.
                let _ = stream.write_all(b"ok\n");
            }
            lines
        });
        let mut caller = connect_in(folder.path(), Some(1)).expect("connected");
        caller.write_all(b"talk on\n").expect("sent");
        let mut answer = String::new();
        BufReader::new(caller).read_line(&mut answer).expect("answered");
        assert_eq!(answer, "ok\n");
        closer.close();
        assert_eq!(server.join().expect("no panic"), ["talk on"]);
        assert!(!path.exists());
    }

    #[test]
    fn the_newest_is_called_and_the_dead_are_swept_away() {
        let folder = tempfile::tempdir().expect("folder");
        assert!(matches!(connect_in(folder.path(), None), Err(DoorError::NobodyRuns)));
        let dead = folder.path().join("3.sock");
        drop(UnixListener::bind(&dead).expect("bound"));
        let first = Door::open_in(folder.path(), 1).expect("open");
        let second = Door::open_in(folder.path(), 2).expect("open");
        let pids = |all: Vec<Instance>| all.iter().map(|instance| instance.pid).collect::<Vec<u32>>();
        assert_eq!(pids(instances_in(folder.path())), [1, 2]);
        assert!(!dead.exists());
        let sentence = connect_in(folder.path(), Some(9)).expect_err("unknown").to_string();
        assert!(sentence.contains("9: running are 1, 2"), "{sentence}");
        drop(second);
        assert_eq!(pids(instances_in(folder.path())), [1]);
        // A killed process' number may come again.
        fs::write(folder.path().join("5.sock"), "").expect("left over");
        drop(Door::open_in(folder.path(), 5).expect("open in spite of it"));
        drop(first);
    }
}
