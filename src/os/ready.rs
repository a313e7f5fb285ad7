//! Which of several files can be read now: poll(2), so that one thread serves standard input and every client. Unix.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// Waits until one of `files` can be read (or has ended), at most `patience` (to the millisecond); says for each whether it can.
///
/// # Errors
/// The system refuses; not when a signal interrupts.
pub fn readable(files: &[BorrowedFd<'_>], patience: Duration) -> io::Result<Vec<bool>> {
    let ask = |file: &BorrowedFd<'_>| libc::pollfd { fd: file.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    let mut polled: Vec<libc::pollfd> = files.iter().map(ask).collect();
    // Rounded up: a wait that ends too early would turn the last millisecond into a spin.
    let millis = patience.as_nanos().div_ceil(1_000_000).try_into().unwrap_or(libc::c_int::MAX);
    // SAFETY: `polled` is a live, exclusively borrowed array of as many initialised `pollfd` as its length says, and poll(2) writes
    // only their `revents`. The borrowed files stay open for the whole call.
    let ready = unsafe { libc::poll(polled.as_mut_ptr(), polled.len() as libc::nfds_t, millis) };
    let error = io::Error::last_os_error();
    if ready < 0 && error.kind() != io::ErrorKind::Interrupted {
        return Err(error);
    }
    Ok(polled.iter().map(|file| ready > 0 && file.revents != 0).collect())
}

/// A bell for a thread that waits in [`readable`]: dropping or ringing the one end makes the other readable.
///
/// # Errors
/// The system has no more files to give.
pub fn bell() -> io::Result<(UnixStream, UnixStream)> {
    UnixStream::pair()
}

/// Reads what there is from standard input, once and unbuffered: what a buffer held would be hidden from [`readable`].
///
/// # Errors
/// As read(2).
pub fn read_stdin(buffer: &mut [u8]) -> io::Result<usize> {
    Ok(rustix::io::read(rustix::stdio::stdin(), buffer)?)
}

/// Standard input, for [`readable`].
#[must_use]
pub fn stdin() -> BorrowedFd<'static> {
    rustix::stdio::stdin()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::os::fd::AsFd;

    #[test]
    fn only_what_can_be_read_is_ready_and_an_end_counts() {
        let (mut ringer, bell) = super::bell().expect("a pair");
        let (_kept, quiet) = super::bell().expect("a pair");
        let files = [bell.as_fd(), quiet.as_fd()];
        assert_eq!(readable(&files, Duration::ZERO).expect("polled"), [false, false]);
        ringer.write_all(b"!").expect("rung");
        assert_eq!(readable(&files, Duration::from_secs(5)).expect("polled"), [true, false]);
        drop(ringer);
        assert_eq!(readable(&files, Duration::from_secs(5)).expect("polled"), [true, false]);
    }
}
