//! The input thread: reads the terminal, runs the talk key, writes the leases itself, hands everything else to the screen.
//!
//! It never waits for the screen: a full channel drops keys, never a lease. A reader that is stuck (half an escape sequence
//! blocks crossterm) renews nothing, and the lease runs out.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering::SeqCst};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use ratatui::layout::Rect;

use super::app::KeyReport;
use crate::engine::{Controls, Holder, Meters};
use crate::talk::{KeyEvent, Learned, TalkButton, TalkKey, Unkeyed};

/// Events that wait for the screen; a screen this far behind loses keys.
const WAITING: usize = 256;
/// How long the reader waits while something is held: well under the renewal.
const WAKE_HELD: Duration = Duration::from_millis(50);
const WAKE_IDLE: Duration = Duration::from_millis(100);
/// What comes within this has come already. Crossterm looks at nothing in no time.
const AT_ONCE: Duration = Duration::from_millis(1);

/// What the screen is told.
#[derive(Clone, PartialEq, Debug)]
pub enum Input {
    Key(event::KeyEvent),
    Mouse(MouseEvent),
    Paste(String),
    Resize,
    /// The talk key changed: draw now.
    Talk {
        report: KeyReport,
        unkeyed: Option<Unkeyed>,
    },
    /// Pressed with nobody to talk to.
    TalkRefused,
    /// The terminal cannot be read any more.
    Failed(String),
}

/// Why the screen asks to un-key: bits of [`Shared::unkey`].
pub const SLEPT: u8 = 1;
pub const TERMINAL_CHANGED: u8 = 2;

/// What the screen tells the input thread, without a lock.
#[derive(Debug, Default)]
pub struct Shared {
    /// Space is text.
    pub field_focused: AtomicBool,
    pub stop: AtomicBool,
    pub unkey: AtomicU8,
    /// The TALK button: x, y, width, height, 16 bits each; 0: none.
    button: AtomicU64,
}

impl Shared {
    /// Where the TALK button was drawn.
    pub fn set_button(&self, area: Option<Rect>) {
        let packed =
            area.map_or(0, |area| u64::from(area.x) | u64::from(area.y) << 16 | u64::from(area.width) << 32 | u64::from(area.height) << 48);
        self.button.store(packed, SeqCst);
    }

    fn on_button(&self, x: u16, y: u16) -> bool {
        let packed = self.button.load(SeqCst);
        let part = |shift: u32| (packed >> shift) as u16;
        let area = Rect { x: part(0), y: part(16), width: part(32), height: part(48) };
        area.contains((x, y).into())
    }
}

/// The thread, and what it says.
pub struct InputThread {
    pub shared: Arc<Shared>,
    pub events: Receiver<Input>,
    thread: JoinHandle<Learned>,
}

impl InputThread {
    /// # Errors
    /// No thread is to be had.
    pub fn spawn(
        controls: Arc<Controls>,
        meters: Arc<Meters>,
        learned: Learned,
        timeout: Duration,
        field_focused: bool,
    ) -> std::io::Result<Self> {
        let shared = Arc::new(Shared { field_focused: AtomicBool::new(field_focused), ..Shared::default() });
        let (sender, events) = bounded(WAITING);
        let mut reader = Reader::new(controls, meters, Arc::clone(&shared), sender, learned, timeout);
        let thread = std::thread::Builder::new().name("input".into()).spawn(move || {
            reader.run();
            reader.key.learned()
        })?;
        Ok(Self { shared, events, thread })
    }

    /// Asks the thread to end; what it learned of the keyboard. A reader that is stuck is left behind.
    #[must_use]
    pub fn stop(self) -> Option<Learned> {
        self.shared.stop.store(true, SeqCst);
        let deadline = Instant::now() + Duration::from_millis(300);
        while !self.thread.is_finished() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
        self.thread.is_finished().then(|| self.thread.join().ok()).flatten()
    }
}

/// One struct, one thread.
struct Reader {
    controls: Arc<Controls>,
    meters: Arc<Meters>,
    shared: Arc<Shared>,
    sender: Sender<Input>,
    key: TalkKey,
    button: TalkButton,
    /// The call in which each lease was begun.
    key_lease: Option<u64>,
    button_lease: Option<u64>,
    reported: Option<KeyReport>,
}

impl Reader {
    fn new(
        controls: Arc<Controls>,
        meters: Arc<Meters>,
        shared: Arc<Shared>,
        sender: Sender<Input>,
        learned: Learned,
        timeout: Duration,
    ) -> Self {
        Self {
            controls,
            meters,
            shared,
            sender,
            key: TalkKey::new(learned, timeout),
            button: TalkButton::new(timeout),
            key_lease: None,
            button_lease: None,
            reported: None,
        }
    }

    fn run(&mut self) {
        while !self.shared.stop.load(SeqCst) {
            // What waits is read before anything is renewed: a release may be in it.
            let read = self.drain();
            let now = Instant::now();
            self.unkey_if_asked(now);
            self.renew(now);
            let wait = if self.key_lease.or(self.button_lease).is_some() { WAKE_HELD } else { WAKE_IDLE };
            if let Err(error) = read.and_then(|()| event::poll(wait)) {
                self.controls.release(Holder::Key);
                self.controls.release(Holder::Mouse);
                let _ = self.sender.send_timeout(Input::Failed(error.to_string()), Duration::from_secs(1));
                return;
            }
        }
        self.controls.release(Holder::Key);
        self.controls.release(Holder::Mouse);
    }

    fn drain(&mut self) -> std::io::Result<()> {
        while event::poll(AT_ONCE)? {
            let event = event::read()?;
            let now = Instant::now();
            // Asked before the event came: it must not hit the press that follows.
            self.unkey_if_asked(now);
            self.handle(event, now);
        }
        Ok(())
    }

    /// One event. Leases are written before this returns.
    fn handle(&mut self, event: Event, now: Instant) {
        match event {
            Event::Key(key) => self.handle_key(key, now),
            Event::Mouse(mouse) => self.handle_mouse(mouse, now),
            Event::FocusLost => {
                self.key.handle(KeyEvent::FocusLost, now);
                self.button.release();
                self.renew(now);
            }
            Event::FocusGained => {}
            Event::Paste(text) => self.tell(Input::Paste(text)),
            Event::Resize(..) => self.tell(Input::Resize),
        }
    }

    fn handle_key(&mut self, key: event::KeyEvent, now: Instant) {
        let plain = key.modifiers.difference(KeyModifiers::SHIFT).is_empty();
        let is_talk = key.code == KeyCode::Char(' ') && plain;
        match (is_talk, key.kind) {
            // A release un-keys wherever the focus is.
            (true, KeyEventKind::Release) => self.talk(KeyEvent::Release, now),
            (true, _) if self.shared.field_focused.load(SeqCst) => self.tell(Input::Key(key)),
            (true, KeyEventKind::Press) => self.talk(KeyEvent::Press, now),
            (true, KeyEventKind::Repeat) => self.talk(KeyEvent::Repeat, now),
            (false, KeyEventKind::Release) => self.key.handle(KeyEvent::OtherRelease, now),
            (false, _) => self.tell(Input::Key(key)),
        }
    }

    fn talk(&mut self, event: KeyEvent, now: Instant) {
        self.key.handle(event, now);
        if self.key.lease(now).is_some() && !self.in_call() {
            // On air only by an act in this call: the rest of this hold is ignored.
            self.key.handle(KeyEvent::Interrupted, now);
            self.tell(Input::TalkRefused);
        }
        self.renew(now);
    }

    fn handle_mouse(&mut self, mouse: MouseEvent, now: Instant) {
        match mouse.kind {
            MouseEventKind::Down(MouseButton::Left) if self.shared.on_button(mouse.column, mouse.row) => {
                if self.in_call() {
                    self.button.press(now);
                } else {
                    self.tell(Input::TalkRefused);
                }
            }
            // Moved with no button down: its release was lost.
            MouseEventKind::Up(_) | MouseEventKind::Moved => self.button.release(),
            MouseEventKind::Drag(_) => {}
            _ => self.tell(Input::Mouse(mouse)),
        }
        self.renew(now);
    }

    fn in_call(&self) -> bool {
        self.meters.is_anybody_engaged()
    }

    fn unkey_if_asked(&mut self, now: Instant) {
        let asked = self.shared.unkey.swap(0, SeqCst);
        for (bit, event) in [(SLEPT, KeyEvent::Slept), (TERMINAL_CHANGED, KeyEvent::TerminalChanged)] {
            if asked & bit != 0 {
                self.key.handle(event, now);
                self.button.release();
            }
        }
        if self.shared.field_focused.load(SeqCst) && self.key_lease.is_some() {
            self.key.handle(KeyEvent::Interrupted, now);
        }
    }

    /// Writes both leases, and tells the screen what changed.
    fn renew(&mut self, now: Instant) {
        let held = (self.key_lease.is_some(), self.button_lease.is_some());
        let until = self.key.lease(now);
        if !write_lease(&self.controls, Holder::Key, &mut self.key_lease, until) {
            self.key.handle(KeyEvent::Interrupted, now);
        }
        let until = self.button.lease(now);
        if !write_lease(&self.controls, Holder::Mouse, &mut self.button_lease, until) {
            self.button.release();
        }
        let report = KeyReport { rung: self.key.rung(), spent: self.key.is_spent() };
        let unkeyed = self.key.poll_unkeyed();
        let changed = held != (self.key_lease.is_some(), self.button_lease.is_some());
        if changed || unkeyed.is_some() || self.reported != Some(report) {
            self.reported = Some(report);
            self.tell(Input::Talk { report, unkeyed });
        }
    }

    fn tell(&self, input: Input) {
        // Full or gone: the screen is stuck or leaving; the leases do not depend on it.
        if let Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) = self.sender.try_send(input) {}
    }
}

/// Brings `holder`'s lease to `until`; `held`: the call in which it was begun. False: that call is over (hang-up, lost
/// device, sleep), so the lease is gone and what is still held down must be pressed anew.
fn write_lease(controls: &Controls, holder: Holder, held: &mut Option<u64>, until: Option<Instant>) -> bool {
    let Some(until) = until else {
        if held.take().is_some() {
            controls.release(holder);
        }
        return true;
    };
    let call = *held.get_or_insert_with(|| controls.call());
    if call != controls.call() {
        *held = None;
        return false;
    }
    controls.renew(holder, until, call);
    true
}

#[cfg(test)]
mod tests;
