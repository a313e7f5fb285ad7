//! The terminal: entered once, left as it was found on return, error, panic and signal. Drawn by the main thread alone.
//!
//! Whoever restores takes no lock that drawing holds: everything is written to the descriptor itself, in one piece.

use std::cell::RefCell;
use std::io::{self, Write};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering::SeqCst};
use std::time::Duration;

use crossbeam_channel::bounded;
use crossterm::event::{
    DisableBracketedPaste, DisableFocusChange, DisableMouseCapture, EnableBracketedPaste, EnableFocusChange, EnableMouseCapture,
    KeyboardEnhancementFlags, PopKeyboardEnhancementFlags, PushKeyboardEnhancementFlags,
};
use crossterm::terminal::{self, EnterAlternateScreen, LeaveAlternateScreen};
use crossterm::{cursor, queue, style};
use ratatui::layout::Rect;
use ratatui::{Frame, Terminal, backend::CrosstermBackend};

use super::text;
use crate::engine::Controls;

/// What is switched on and must be switched off: bits of [`STATE`].
const ENTERED: u8 = 1;
const KEYS: u8 = 2;
const MOUSE: u8 = 4;

/// The one terminal's state; a panic or a signal may have to undo it from any thread.
static STATE: AtomicU8 = AtomicU8::new(0);
static PANICKED: AtomicBool = AtomicBool::new(false);

/// A terminal that reads nothing is not waited for longer than this.
const RESTORE_LIMIT: Duration = Duration::from_millis(500);

/// XTPUSH and XTPOP of the window's title.
const TITLE_KEEP: &[u8] = b"\x1b[22;2t";
const TITLE_BACK: &[u8] = b"\x1b[23;2t";
/// Synchronized output (mode 2026): the terminal shows a frame whole.
const FRAME_BEGIN: &[u8] = b"\x1b[?2026h";
const FRAME_END: &[u8] = b"\x1b[?2026l";
/// Buttons and drags in SGR form; crossterm's own capture asks for every motion too, which would only wake us.
const MOUSE_ON: &[u8] = b"\x1b[?1000h\x1b[?1002h\x1b[?1006h";
const MOUSE_OFF: &[u8] = b"\x1b[?1006l\x1b[?1002l\x1b[?1000l";

/// Frames are gathered here and written in one piece.
#[derive(Clone, Default)]
struct Gathered(Rc<RefCell<Vec<u8>>>);

impl Write for Gathered {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    /// ratatui flushes several times a frame; [`Tty::draw`] writes once.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What rings: BEL, and the sentence without anything that could end it early.
fn ring_bytes(bell: bool, notice: Option<&str>) -> Vec<u8> {
    let notice = notice.map(|notice| format!("\x1b]9;{}\x1b\\", text::clean_sentence(notice))).unwrap_or_default();
    let bell = if bell { "\x07" } else { "" };
    format!("{bell}{notice}").into_bytes()
}

/// The full screen. Dropping it leaves the terminal as it was found.
pub struct Tty {
    terminal: Terminal<CrosstermBackend<Gathered>>,
    gathered: Gathered,
    written: Vec<u8>,
    title: String,
    mouse: bool,
}

impl Tty {
    /// Takes the terminal over; `keys`: with the kitty keyboard protocol from the start.
    ///
    /// # Errors
    /// The terminal refused; it is as it was.
    pub fn enter(mouse: bool, keys: bool) -> io::Result<Self> {
        // NO_COLOR is the theme's business; crossterm would turn colours into resets that undo bold and reverse.
        style::force_color_output(true);
        take_over(mouse, keys)?;
        let gathered = Gathered::default();
        let terminal = Terminal::new(CrosstermBackend::new(gathered.clone())).inspect_err(|_| restore())?;
        Ok(Self { terminal, gathered, written: Vec::new(), title: String::new(), mouse })
    }

    /// Draws one frame and writes what changed, all of it at once or nothing.
    ///
    /// # Errors
    /// The terminal is gone.
    pub fn draw<T>(&mut self, title: &str, render: impl FnOnce(&mut Frame) -> T) -> io::Result<T> {
        let mut drawn = None;
        self.terminal.draw(|frame| drawn = Some(render(frame)))?;
        let mut frame = self.gathered.0.take();
        if title != self.title {
            queue!(frame, terminal::SetTitle(title))?;
            self.title = title.to_string();
        }
        // The last bytes again (cursor, reset) and no cell before them: nothing changed.
        if !self.written.ends_with(&frame) && is_ours() {
            let whole = [FRAME_BEGIN, &frame, FRAME_END].concat();
            write_all(&whole)?;
        }
        self.written = frame;
        drawn.ok_or_else(|| io::Error::other("nothing was drawn"))
    }

    /// Sounds the bell, and shows `notice` as a desktop notification (OSC 9), if the terminal can.
    ///
    /// # Errors
    /// The terminal is gone.
    pub fn ring(&self, bell: bool, notice: Option<&str>) -> io::Result<()> {
        let bytes = ring_bytes(bell, notice);
        if bytes.is_empty() || !is_ours() { Ok(()) } else { write_all(&bytes) }
    }

    /// Asks for key releases, or (in a text field) for plain text. Always without asking first whether the terminal can.
    ///
    /// # Errors
    /// The terminal is gone.
    pub fn set_keys(&mut self, on: bool) -> io::Result<()> {
        if !is_ours() || on == (STATE.load(SeqCst) & KEYS != 0) {
            return Ok(());
        }
        let mut bytes = Vec::new();
        keyboard(&mut bytes, on);
        if on {
            STATE.fetch_or(KEYS, SeqCst);
        } else {
            STATE.fetch_and(!KEYS, SeqCst);
        }
        write_all(&bytes)
    }

    /// Everything is drawn anew by the next frame. Never asks the terminal where its cursor is: that would share the reader's lock.
    ///
    /// # Errors
    /// The terminal is gone.
    pub fn redraw(&mut self) -> io::Result<()> {
        let size = self.terminal.size()?;
        self.written.clear();
        self.terminal.resize(Rect::new(0, 0, size.width, size.height))
    }

    /// After a stop: takes the terminal over again, whatever became of it meanwhile.
    ///
    /// # Errors
    /// The terminal refused.
    pub fn reenter(&mut self, keys: bool) -> io::Result<()> {
        restore();
        take_over(self.mouse, keys)?;
        self.title.clear();
        self.redraw()
    }
}

impl Drop for Tty {
    fn drop(&mut self) {
        restore();
    }
}

fn take_over(mouse: bool, keys: bool) -> io::Result<()> {
    terminal::enable_raw_mode()?;
    STATE.store(ENTERED | if mouse { MOUSE } else { 0 } | if keys { KEYS } else { 0 }, SeqCst);
    let mut bytes = TITLE_KEEP.to_vec();
    queue!(bytes, EnterAlternateScreen, terminal::Clear(terminal::ClearType::All), EnableFocusChange, EnableBracketedPaste, cursor::Hide)?;
    if keys {
        keyboard(&mut bytes, true);
    }
    if mouse && cfg!(windows) {
        queue!(bytes, EnableMouseCapture)?;
    } else if mouse {
        bytes.extend_from_slice(MOUSE_ON);
    }
    write_all(&bytes).inspect_err(|_| restore())
}

/// The kitty keyboard protocol: releases (2) of text keys too (1, 8), and shifted keys by what they type (4).
fn keyboard(bytes: &mut Vec<u8>, on: bool) {
    let flags = KeyboardEnhancementFlags::DISAMBIGUATE_ESCAPE_CODES
        | KeyboardEnhancementFlags::REPORT_EVENT_TYPES
        | KeyboardEnhancementFlags::REPORT_ALTERNATE_KEYS
        | KeyboardEnhancementFlags::REPORT_ALL_KEYS_AS_ESCAPE_CODES;
    // Consoles of Windows refuse this and report releases by themselves.
    let _ = if on { queue!(bytes, PushKeyboardEnhancementFlags(flags)) } else { queue!(bytes, PopKeyboardEnhancementFlags) };
}

/// Leaves the terminal as it was found. From any thread, any number of times; waits a bounded time for a terminal that does not read.
pub fn restore() {
    let state = STATE.swap(0, SeqCst);
    if state & ENTERED == 0 {
        return;
    }
    let mut bytes = FRAME_END.to_vec();
    if state & KEYS != 0 {
        keyboard(&mut bytes, false);
    }
    if state & MOUSE != 0 {
        bytes.extend_from_slice(MOUSE_OFF);
        if cfg!(windows) {
            let _ = queue!(bytes, DisableMouseCapture);
        }
    }
    let reset = style::SetAttribute(style::Attribute::Reset);
    let _ = queue!(bytes, DisableFocusChange, DisableBracketedPaste, reset, cursor::Show, LeaveAlternateScreen);
    bytes.extend_from_slice(TITLE_BACK);
    let (done, finished) = bounded(1);
    let writer = std::thread::Builder::new().name("restore".into()).spawn(move || {
        let _ = write_all(&bytes);
        let _ = done.send(());
    });
    if writer.is_ok() {
        let _ = finished.recv_timeout(RESTORE_LIMIT);
    }
    if state & KEYS != 0 {
        forget_input();
    }
    let _ = terminal::disable_raw_mode();
}

/// The release of the key that quit may be on its way as an escape sequence: the shell must not get it.
fn forget_input() {
    #[cfg(unix)]
    let _ = rustix::termios::tcflush(rustix::stdio::stdin(), rustix::termios::QueueSelector::IFlush);
}

/// Straight to the descriptor: standard output's own lock may be held by a thread that is stuck writing.
fn write_all(mut bytes: &[u8]) -> io::Result<()> {
    #[cfg(not(unix))]
    return io::stdout().write_all(bytes).and_then(|()| io::stdout().flush());
    #[cfg(unix)]
    while !bytes.is_empty() {
        match rustix::io::write(rustix::stdio::stdout(), bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => bytes = &bytes[written..],
            Err(rustix::io::Errno::INTR) => {}
            // Somebody set the terminal non-blocking.
            Err(rustix::io::Errno::AGAIN) => std::thread::sleep(Duration::from_millis(1)),
            Err(error) => return Err(error.into()),
        }
    }
    #[cfg(unix)]
    Ok(())
}

/// Whether the terminal is taken over; not any more once some thread restored it.
fn is_ours() -> bool {
    STATE.load(SeqCst) & ENTERED != 0
}

/// A panic on any thread closes the microphone and gives the terminal back, before its message is printed.
pub fn install_panic_hook(controls: Arc<Controls>) {
    let previous = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        controls.release_all();
        PANICKED.store(true, SeqCst);
        restore();
        previous(info);
    }));
}

/// Some thread panicked: the screen must go.
#[must_use]
pub fn panicked() -> bool {
    PANICKED.load(SeqCst)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_cannot_end_the_notification_it_is_named_in() {
        assert_eq!(ring_bytes(true, None), b"\x07");
        assert_eq!(ring_bytes(false, Some("a\x07b\x1b\\\x1b]0;own\u{9c} is calling")), b"\x1b]9;ab\\]0;own is calling\x1b\\");
        assert!(ring_bytes(false, None).is_empty());
    }
}
