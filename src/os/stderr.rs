//! Standard error out of the screen's way: alsa-lib and others write to it as they like. Main thread, and whoever restores.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

#[cfg(unix)]
use std::os::fd::OwnedFd;
#[cfg(unix)]
use std::sync::{Mutex, PoisonError};

/// What the screen's terminal was on, while standard error goes elsewhere.
#[cfg(unix)]
static SAVED: Mutex<Option<OwnedFd>> = Mutex::new(None);
/// A longer file of former runs is started anew.
const FILE_MAX: u64 = 256 * 1024;

/// Sends all that anybody in this process writes to standard error to `file` (appending), or to nowhere. To be called
/// before the first device is touched; [`give_back`] undoes it.
///
/// # Errors
/// Standard error stays where it is.
#[cfg(unix)]
pub fn send_to(file: Option<&Path>) -> io::Result<()> {
    let sink = match file.map(open) {
        Some(Ok(file)) => file,
        // A read-only home is no reason to let the screen be torn.
        Some(Err(_)) | None => OpenOptions::new().write(true).open("/dev/null")?,
    };
    let mut saved = SAVED.lock().unwrap_or_else(PoisonError::into_inner);
    if saved.is_none() {
        *saved = Some(rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stderr(), 3)?);
    }
    rustix::stdio::dup2_stderr(&sink)?;
    Ok(())
}

/// Standard error is the terminal's again. Any thread, any number of times.
#[cfg(unix)]
pub fn give_back() {
    if let Some(saved) = SAVED.lock().unwrap_or_else(PoisonError::into_inner).take() {
        let _ = rustix::stdio::dup2_stderr(&saved);
    }
}

/// Where standard error was before: for who has something to tell meanwhile.
#[derive(Debug)]
pub struct Before;

impl Write for Before {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        #[cfg(unix)]
        if let Some(saved) = &*SAVED.lock().unwrap_or_else(PoisonError::into_inner) {
            return Ok(rustix::io::write(saved, bytes)?);
        }
        io::stderr().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The sound systems of other platforms write nothing there.
///
/// # Errors
/// None.
#[cfg(not(unix))]
pub fn send_to(file: Option<&Path>) -> io::Result<()> {
    file.map_or(Ok(()), |file| open(file).map(drop))
}

#[cfg(not(unix))]
pub fn give_back() {}

fn open(path: &Path) -> io::Result<File> {
    let full = std::fs::metadata(path).is_ok_and(|metadata| metadata.len() > FILE_MAX);
    OpenOptions::new().create(true).append(!full).write(true).truncate(full).open(path)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn what_a_library_writes_goes_to_the_file_until_it_is_given_back() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("stderr.log");
        let write = |text: &str| rustix::io::write(rustix::stdio::stderr(), text.as_bytes()).expect("written");
        send_to(Some(&path)).expect("sent");
        write("ALSA lib says no\n");
        send_to(None).expect("sent");
        write("nobody hears this\n");
        give_back();
        give_back();
        assert_eq!(std::fs::read_to_string(&path).expect("a file"), "ALSA lib says no\n");
    }
}
