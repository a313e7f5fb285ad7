//! A question on the terminal whose answer is not shown. Main thread, before there are others: signals are held back in this one.

use std::io;

use zeroize::Zeroizing;

/// Asks, and reads a line without showing it. Whatever happens, a signal to end or to stop included, the terminal shows again what is
/// typed. `None`: the user gave no answer (the end of input).
///
/// # Errors
/// There is no terminal to ask on.
#[cfg(unix)]
pub fn ask_unseen(question: &str, max: usize) -> io::Result<Option<Zeroizing<String>>> {
    unix::ask(std::path::Path::new("/dev/tty"), question, max)
}

/// # Errors
/// Always: it is not built for this platform.
#[cfg(not(unix))]
pub fn ask_unseen(_: &str, _: usize) -> io::Result<Option<Zeroizing<String>>> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(unix)]
mod unix {
    use std::fs::File;
    use std::io::{self, Read, Write};
    use std::mem::MaybeUninit;
    use std::path::Path;

    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
    use zeroize::Zeroizing;

    /// Signals that end or stop a program: held back while the terminal shows nothing.
    const HELD: [libc::c_int; 5] = [libc::SIGINT, libc::SIGTERM, libc::SIGHUP, libc::SIGQUIT, libc::SIGTSTP];
    /// How often a signal is looked for, ms.
    const LOOK_MS: i64 = 50;

    pub fn ask(terminal: &Path, question: &str, max: usize) -> io::Result<Option<Zeroizing<String>>> {
        let file = File::options().read(true).write(true).open(terminal)?;
        let before = tcgetattr(&file)?;
        let answer = loop {
            let held = Held::hold();
            let unseen = Unseen::begin(&file, &before)?;
            (&file).write_all(question.as_bytes())?;
            let answer = read_line(&file, max)?;
            // In this order: first the terminal is itself again, then the signal comes.
            drop(unseen);
            drop(held);
            match answer {
                Line::Whole(text) => break Some(text),
                Line::End => break None,
                // It was stopped and goes on: asked anew.
                Line::Signal => {}
            }
        };
        (&file).write_all(b"\n")?;
        Ok(answer)
    }

    enum Line {
        Whole(Zeroizing<String>),
        End,
        Signal,
    }

    /// The terminal edits the line; it comes whole.
    fn read_line(mut file: &File, max: usize) -> io::Result<Line> {
        // Room for all of it at once: a buffer that grows leaves copies behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(max));
        loop {
            if signal_waits() {
                return Ok(Line::Signal);
            }
            let time = Timespec { tv_sec: 0, tv_nsec: LOOK_MS * 1_000_000 };
            match poll(&mut [PollFd::new(file, PollFlags::IN)], Some(&time)) {
                Ok(0) | Err(rustix::io::Errno::INTR) => continue,
                Ok(_) => {}
                Err(error) => return Err(error.into()),
            }
            let mut chunk = Zeroizing::new([0; 256]);
            let count = file.read(&mut *chunk)?;
            if count == 0 {
                return Ok(Line::End);
            }
            let line = chunk[..count].split(|byte| *byte == b'\n').next().unwrap_or_default();
            if bytes.len() + line.len() > max {
                return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("it has more than {max} bytes")));
            }
            bytes.extend_from_slice(line);
            if line.len() < count {
                let text =
                    std::str::from_utf8(&bytes).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not text in UTF-8"))?;
                return Ok(Line::Whole(Zeroizing::new(text.to_owned())));
            }
        }
    }

    /// While it lives, the terminal does not show what is typed.
    struct Unseen<'a> {
        file: &'a File,
        before: &'a Termios,
    }

    impl<'a> Unseen<'a> {
        fn begin(file: &'a File, before: &'a Termios) -> io::Result<Self> {
            let mut unseen = before.clone();
            unseen.local_modes.remove(LocalModes::ECHO);
            tcsetattr(file, OptionalActions::Flush, &unseen)?;
            Ok(Self { file, before })
        }
    }

    impl Drop for Unseen<'_> {
        fn drop(&mut self) {
            // What was typed ahead goes: half a passphrase must not reach the shell.
            let _ = tcsetattr(self.file, OptionalActions::Flush, self.before);
        }
    }

    fn held_set() -> libc::sigset_t {
        let mut set = MaybeUninit::uninit();
        // SAFETY: sigemptyset makes a whole set of it, sigaddset is given that set and signals that exist.
        unsafe {
            libc::sigemptyset(set.as_mut_ptr());
            for signal in HELD {
                libc::sigaddset(set.as_mut_ptr(), signal);
            }
            set.assume_init()
        }
    }

    /// While it lives, the signals wait; then they do what they do.
    struct Held {
        before: libc::sigset_t,
    }

    impl Held {
        fn hold() -> Self {
            let mut before = MaybeUninit::uninit();
            // SAFETY: both point at sets; with valid arguments this cannot fail, and it fills `before`.
            unsafe {
                libc::pthread_sigmask(libc::SIG_BLOCK, &held_set(), before.as_mut_ptr());
                Self { before: before.assume_init() }
            }
        }
    }

    impl Drop for Held {
        fn drop(&mut self) {
            // SAFETY: the mask is the one that was there before.
            unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &self.before, std::ptr::null_mut()) };
        }
    }

    fn signal_waits() -> bool {
        let mut waiting = MaybeUninit::uninit();
        // SAFETY: sigpending fills the set; sigismember reads it.
        unsafe {
            libc::sigpending(waiting.as_mut_ptr());
            let waiting = waiting.assume_init();
            HELD.iter().any(|signal| libc::sigismember(&waiting, *signal) == 1)
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;
        use portable_pty::{PtySize, native_pty_system};

        #[test]
        fn the_answer_is_not_shown_and_the_terminal_is_as_before() {
            let pty = native_pty_system().openpty(PtySize::default()).expect("a terminal");
            let path = pty.master.tty_name().expect("its name");
            let before = tcgetattr(File::open(&path).expect("open")).expect("its settings").local_modes;
            assert!(before.contains(LocalModes::ECHO));
            let mut screen = pty.master.try_clone_reader().expect("a reader");
            let mut keys = pty.master.take_writer().expect("a writer");
            let asked = path.clone();
            let asking = std::thread::spawn(move || ask(&asked, "Passphrase: ", 64));
            let mut shown = vec![0; 12];
            screen.read_exact(&mut shown).expect("the question");
            assert_eq!(shown, b"Passphrase: ");
            keys.write_all(b"tuer auff\x7f\n").expect("typed");
            let answer = asking.join().expect("no panic").expect("asked");
            assert_eq!(answer.as_deref().map(String::as_str), Some("tuer auf"));
            screen.read_exact(&mut shown[..2]).expect("the end of the line");
            assert_eq!(&shown[..2], b"\r\n");
            assert_eq!(tcgetattr(File::open(&path).expect("open")).expect("its settings").local_modes, before);
        }

        #[test]
        fn the_end_of_input_is_no_answer() {
            let pty = native_pty_system().openpty(PtySize::default()).expect("a terminal");
            let path = pty.master.tty_name().expect("its name");
            let mut screen = pty.master.try_clone_reader().expect("a reader");
            let mut keys = pty.master.take_writer().expect("a writer");
            let asking = std::thread::spawn(move || ask(&path, "?", 64));
            screen.read_exact(&mut [0]).expect("the question");
            keys.write_all(b"\x04").expect("typed");
            assert_eq!(asking.join().expect("no panic").expect("asked"), None);
        }
    }
}
