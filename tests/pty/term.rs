//! A terminal for tests: a pty, a parser of what comes out, and a keyboard that speaks kitty's protocol or only repeats.

use std::io::{ErrorKind, Read, Write};
use std::num::NonZero;
use std::os::fd::BorrowedFd;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, ExitStatus, MasterPty, PtySize, native_pty_system};
use rustix::termios::{Termios, tcgetattr};

use crate::child;

/// Long enough for a machine that is busy with other tests.
const PATIENCE: Duration = Duration::from_secs(20);

/// What the program asks of the keyboard, and takes back.
const PUSH: &str = "\x1b[>15u";
const POP: &str = "\x1b[<1u";

pub struct Term {
    master: Option<Box<dyn MasterPty + Send>>,
    writer: Option<Box<dyn Write + Send>>,
    child: Box<dyn Child + Send + Sync>,
    screen: Arc<Mutex<vt100::Parser>>,
    raw: Arc<Mutex<Vec<u8>>>,
    reading: Arc<AtomicBool>,
    closed: Arc<AtomicBool>,
    before: Termios,
    dir: tempfile::TempDir,
    log: PathBuf,
}

/// Our own binary, to run `the_program` alone.
pub fn the_program() -> CommandBuilder {
    let mut command = CommandBuilder::new(std::env::current_exe().expect("this binary"));
    command.args(["--exact", "the_program", "--nocapture", "--test-threads=1"]);
    command
}

impl Term {
    /// The screen over a fake engine, 80x24.
    pub fn start() -> Self {
        Self::run(the_program(), (80, 24))
    }

    /// The screen in a call: the address was typed, Enter pressed.
    pub fn in_call() -> Self {
        let mut term = Self::start();
        term.wait("a name, or an address");
        term.send("10.0.1.217\r");
        term.wait("hold Space, or hold this");
        term
    }

    pub fn run(mut command: CommandBuilder, (cols, rows): (u16, u16)) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let log = dir.path().join("on-air");
        let pair = native_pty_system().openpty(PtySize { rows, cols, pixel_width: 0, pixel_height: 0 }).expect("a pty");
        for (name, value) in [("TERM", "xterm-256color"), ("LANG", "C.UTF-8"), ("LC_ALL", "C.UTF-8"), ("RUST_BACKTRACE", "0")] {
            command.env(name, value);
        }
        for name in ["NO_COLOR", "COLORTERM", "COLORFGBG", "TMUX"] {
            command.env_remove(name);
        }
        command.env(child::LOG, &log);
        command.env(child::STATE, dir.path().join("state"));
        let before = modes(pair.master.as_ref());
        set_nonblocking(pair.master.as_ref());
        let child = pair.slave.spawn_command(command).expect("started");
        drop(pair.slave);
        let writer = pair.master.take_writer().expect("a writer");
        let term = Self {
            writer: Some(writer),
            child,
            screen: Arc::new(Mutex::new(vt100::Parser::new(size(rows), size(cols), 0))),
            raw: Arc::default(),
            reading: Arc::new(AtomicBool::new(true)),
            closed: Arc::default(),
            before,
            log,
            dir,
            master: Some(pair.master),
        };
        term.read_on();
        term
    }

    /// Reads what the program writes, unless told not to.
    fn read_on(&self) {
        let mut reader = self.master.as_ref().expect("open").try_clone_reader().expect("a reader");
        let (screen, raw) = (Arc::clone(&self.screen), Arc::clone(&self.raw));
        let (reading, closed) = (Arc::clone(&self.reading), Arc::clone(&self.closed));
        std::thread::spawn(move || {
            let mut bytes = [0; 4_096];
            loop {
                while !reading.load(SeqCst) {
                    std::thread::sleep(Duration::from_millis(5));
                }
                let n = match reader.read(&mut bytes) {
                    Ok(n @ 1..) => n,
                    Err(error) if error.kind() == ErrorKind::WouldBlock && !closed.load(SeqCst) => {
                        std::thread::sleep(Duration::from_millis(2));
                        continue;
                    }
                    _ => return,
                };
                raw.lock().expect("raw").extend_from_slice(&bytes[..n]);
                screen.lock().expect("screen").process(&bytes[..n]);
            }
        });
    }

    pub fn send(&mut self, text: &str) {
        let writer = self.writer.as_mut().expect("open");
        writer.write_all(text.as_bytes()).and_then(|()| writer.flush()).expect("sent");
    }

    pub fn text(&self) -> String {
        self.screen.lock().expect("screen").screen().contents()
    }

    pub fn raw(&self) -> String {
        String::from_utf8_lossy(&self.raw.lock().expect("raw")).into_owned()
    }

    /// Waits until the screen shows `words`.
    pub fn wait(&self, words: &str) {
        self.until(words, || self.text().contains(words));
    }

    /// Waits until `done`, a bounded time.
    pub fn until(&self, what: &str, done: impl Fn() -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !done() {
            assert!(
                Instant::now() < deadline,
                "waited for {what:?} in vain; on air: {:?}; the screen:\n{}\nraw: {:?}",
                self.changes(),
                self.text(),
                self.raw()
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Every change of on air so far.
    pub fn changes(&self) -> Vec<String> {
        std::fs::read_to_string(&self.log).unwrap_or_default().lines().map(String::from).collect()
    }

    pub fn on_air(&self) -> bool {
        self.changes().last().is_some_and(|last| last == "on")
    }

    pub fn wait_on_air(&self, on: bool) {
        self.until(if on { "on air" } else { "off air" }, || self.on_air() == on);
    }

    /// Stays so for `time`.
    pub fn stays(&self, on: bool, time: Duration) {
        let deadline = Instant::now() + time;
        while Instant::now() < deadline {
            assert_eq!(self.on_air(), on, "{:?}", self.changes());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// The terminal stops, or goes on, taking what the program writes.
    pub fn set_reading(&self, on: bool) {
        self.reading.store(on, SeqCst);
    }

    /// How many times the kitty protocol is still asked for.
    pub fn keyboard_flags(&self) -> usize {
        let raw = self.raw();
        raw.matches(PUSH).count() - raw.matches(POP).count()
    }

    /// Space as kitty tells it, once the program has asked for it: 1 press, 2 repeat, 3 release.
    pub fn kitty_space(&mut self, kind: u8) {
        self.until("the kitty protocol asked for", || self.keyboard_flags() == 1);
        self.send(&format!("\x1b[32;1:{kind}u"));
    }

    pub fn signal(&self, signal: rustix::process::Signal) {
        let pid = self.child.process_id().and_then(|pid| rustix::process::Pid::from_raw(pid as i32)).expect("a process");
        rustix::process::kill_process(pid, signal).expect("sent");
    }

    pub fn resize(&self, cols: u16, rows: u16) {
        self.screen.lock().expect("screen").screen_mut().set_size(size(rows), size(cols));
        self.master.as_ref().expect("open").resize(PtySize { rows, cols, pixel_width: 0, pixel_height: 0 }).expect("resized");
    }

    /// The addresses kept for the next run.
    pub fn called(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("state/called")).expect("kept")
    }

    /// The terminal's window is closed.
    pub fn close(&mut self) {
        self.closed.store(true, SeqCst);
        self.writer = None;
        self.master = None;
    }

    pub fn wait_exit(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().expect("waited") {
                return status;
            }
            assert!(Instant::now() < deadline, "it did not end; the screen:\n{}", self.text());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Everything that was switched on is off again, and the line discipline is what it was.
    pub fn assert_restored(&self) {
        let raw = |what: &str| self.raw().contains(what);
        self.until("the alternate screen left", || raw("\x1b[?1049l"));
        for (on, off) in
            [("\x1b[?1049h", "\x1b[?1049l"), ("\x1b[?1004h", "\x1b[?1004l"), ("\x1b[?2004h", "\x1b[?2004l"), ("\x1b[?1002h", "\x1b[?1002l")]
        {
            let (text, undone) = (self.raw(), self.raw());
            assert!(text.rfind(on) < undone.rfind(off), "{off:?} is missing");
        }
        assert_eq!(self.keyboard_flags(), 0, "the keyboard's flags are popped");
        self.until("the cursor shown", || !self.screen.lock().expect("screen").screen().hide_cursor());
        let now = modes(self.master.as_ref().expect("open").as_ref());
        assert_eq!(
            (now.local_modes, now.input_modes, now.output_modes),
            (self.before.local_modes, self.before.input_modes, self.before.output_modes)
        );
    }

    /// The modes are raw: the program has the terminal.
    pub fn has_terminal(&self) -> bool {
        modes(self.master.as_ref().expect("open").as_ref()).local_modes != self.before.local_modes
    }
}

impl Drop for Term {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn size(cells: u16) -> NonZero<u16> {
    NonZero::new(cells).expect("not nothing")
}

/// A reader that waits in the kernel would keep a closed terminal open.
fn set_nonblocking(master: &dyn MasterPty) {
    let fd = master.as_raw_fd().expect("a descriptor");
    // SAFETY: the descriptor is the master's own and stays open as long as it is borrowed here.
    let fd = unsafe { BorrowedFd::borrow_raw(fd) };
    rustix::fs::fcntl_setfl(fd, rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::RDWR).expect("set");
}

fn modes(master: &dyn MasterPty) -> Termios {
    let fd = master.as_raw_fd().expect("a descriptor");
    // SAFETY: the descriptor is the master's own and stays open as long as it is borrowed here.
    tcgetattr(unsafe { BorrowedFd::borrow_raw(fd) }).expect("terminal modes")
}
