//! The full screen's loop: waits for the engine, the input thread and signals; draws only what changed. Main thread.

use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, select};

use super::app::{App, Effect};
use super::input::{self, Input, InputThread};
use super::memory::Memory;
use super::screen::{self, Scene, Zones};
use super::signals::{self, Signal, Signals};
use super::terminal::{self, Tty};
use super::theme::Theme;
use super::{Link, UiOptions, checkup};
use crate::doctor::Report;
use crate::engine::{Notice, Snapshot, doctor};
use crate::talk::Rung;

/// Between two frames while somebody talks: at most 30 a second.
const FRAME: Duration = Duration::from_millis(33);
/// While the microphone runs, or the picture may not move.
const SLOW: Duration = Duration::from_millis(125);
/// While somebody is called or in the call, for clocks and counters; and how soon a voice is noticed.
const WATCH: Duration = Duration::from_millis(250);
const IDLE: Duration = Duration::from_secs(1);
/// A stop that has not happened after this does not happen.
const STOPPED: Duration = Duration::from_secs(1);
/// A continue this soon after our own stop is that stop's end.
const SWALLOWED: Duration = Duration::from_millis(500);

/// What woke the loop.
enum Wake {
    Notice(Notice),
    Input(Input),
    Signal(Signal),
    /// What the doctor has found so far.
    Checked(Report),
    /// The doctor is done.
    CheckedAll,
    Time,
    /// The engine or the input thread is gone.
    Gone,
}

struct Screen {
    link: Link,
    options: UiOptions,
    app: App,
    theme: Theme,
    tty: Tty,
    input: InputThread,
    signals: Signals,
    memory: Memory,
    /// The doctor's reports; never anything while no checks are made.
    checks: Receiver<Report>,
    zones: Zones,
    snapshot: Snapshot,
    drawn: Instant,
    /// When the terminal was last taken again.
    continued: Option<Instant>,
    leaving: bool,
}

/// Whether the full screen can be shown at all: to be asked before anything is started for it.
///
/// # Errors
/// One sentence: there is no terminal.
pub fn check_terminal() -> anyhow::Result<()> {
    if !std::io::stdin().is_terminal() || !std::io::stdout().is_terminal() {
        anyhow::bail!("there is no terminal here for the full screen: start voicetui in a terminal, or with --plain (or --json)");
    }
    Ok(())
}

/// Runs the full screen on the calling (main) thread until the user quits, the engine says [`Notice::Quit`], or a signal
/// ends it. The terminal is left as it was found.
///
/// # Errors
/// One sentence: no terminal, the terminal refused, or another thread panicked.
pub fn run(link: Link, options: UiOptions) -> anyhow::Result<()> {
    check_terminal()?;
    let memory = Memory::new(link.state_dir.clone());
    let learned = memory.learned();
    let app = App::new(memory.called(), jiff::tz::TimeZone::system());
    let theme = Theme::new(&options, |name| std::env::var(name).ok());
    let signals = signals::watch(Arc::clone(&link.controls))?;
    terminal::install_panic_hook(Arc::clone(&link.controls));
    let tty = Tty::enter(options.mouse, !app.field_focused())
        .map_err(|error| anyhow::anyhow!("this terminal cannot show the full screen ({error}): try --plain"))?;
    let input = InputThread::spawn(Arc::clone(&link.controls), Arc::clone(&link.meters), learned, link.talk_timeout, app.field_focused())?;
    let snapshot = Snapshot::take(&link.meters, &link.controls, Instant::now());
    let drawn = snapshot.now;
    let mut screen = Screen {
        link,
        options,
        app,
        theme,
        tty,
        input,
        signals,
        memory,
        checks: crossbeam_channel::never(),
        zones: Zones::default(),
        snapshot,
        drawn,
        continued: None,
        leaving: false,
    };
    let result = screen.run();
    let Screen { link, tty, input, signals, memory, .. } = screen;
    link.controls.release_all();
    let now_learned = input.stop();
    drop(tty);
    signals.leave();
    if let Some(now_learned) = now_learned.filter(|now| *now != learned) {
        let _ = memory.keep_learned(now_learned);
    }
    if terminal::panicked() {
        anyhow::bail!("a part of the program failed; its message stands above");
    }
    result
}

impl Screen {
    fn run(&mut self) -> anyhow::Result<()> {
        self.draw()?;
        while !self.leaving && !terminal::panicked() {
            let wake = self.wait();
            self.snapshot = Snapshot::take(&self.link.meters, &self.link.controls, Instant::now());
            self.app.tick(&self.snapshot);
            let mut urgent = false;
            self.take_in(wake, &mut urgent);
            while let Some(more) = self.more() {
                self.take_in(more, &mut urgent);
            }
            self.do_effects()?;
            self.share_focus()?;
            if urgent || self.due() <= Instant::now() {
                self.draw()?;
            }
        }
        Ok(())
    }

    /// When the next frame is due.
    fn due(&self) -> Instant {
        let picture = self.app.is_moving(&self.snapshot);
        self.drawn
            + match (picture, self.theme.calm, self.snapshot.mic_running, self.snapshot.peers.is_empty()) {
                (true, false, ..) => FRAME,
                (true, true, ..) | (false, _, true, _) => SLOW,
                (false, _, false, false) => WATCH,
                (false, _, false, true) => IDLE,
            }
    }

    fn wait(&self) -> Wake {
        let timeout = self.due().saturating_duration_since(Instant::now());
        select! {
            recv(self.input.events) -> input => input.map_or(Wake::Gone, Wake::Input),
            recv(self.link.notices) -> notice => notice.map_or(Wake::Gone, Wake::Notice),
            recv(self.signals.received) -> signal => signal.map_or(Wake::Gone, Wake::Signal),
            recv(self.checks) -> report => report.map_or(Wake::CheckedAll, Wake::Checked),
            default(timeout) => Wake::Time,
        }
    }

    /// What else waits already.
    fn more(&self) -> Option<Wake> {
        let input = self.input.events.try_recv().map(Wake::Input);
        input
            .or_else(|_| self.link.notices.try_recv().map(Wake::Notice))
            .or_else(|_| self.signals.received.try_recv().map(Wake::Signal))
            .ok()
    }

    fn take_in(&mut self, wake: Wake, urgent: &mut bool) {
        let now = self.snapshot.now;
        *urgent |= !matches!(wake, Wake::Time);
        match wake {
            Wake::Notice(notice) => self.app.handle_notice(notice, now),
            Wake::Input(Input::Key(key)) => self.app.handle_key(&key, &self.snapshot),
            Wake::Input(Input::Mouse(mouse)) => self.app.handle_mouse(&mouse, &self.zones, &self.snapshot),
            Wake::Input(Input::Paste(text)) => self.app.handle_paste(&text),
            Wake::Input(Input::Resize) | Wake::Time => {}
            Wake::Input(Input::Talk { report, unkeyed }) => self.app.handle_key_report(report, unkeyed, now),
            Wake::Input(Input::TalkRefused) => self.app.handle_talk_refused(now),
            Wake::Input(Input::Failed(_)) | Wake::Gone | Wake::Signal(Signal::Quit) => self.leaving = true,
            Wake::Checked(report) => self.app.checkup.report = self.with_terminal(report),
            Wake::CheckedAll => {
                self.checks = crossbeam_channel::never();
                self.app.checkup.running = false;
            }
            Wake::Signal(Signal::Stop) => self.app.ask(Effect::Suspend),
            // Our own stop is followed by its SIGCONT: that one is done.
            Wake::Signal(Signal::Continue) if self.continued.is_some_and(|at| at.elapsed() < SWALLOWED) => {}
            Wake::Signal(Signal::Continue) => self.app.ask(Effect::Continue),
        }
    }

    fn do_effects(&mut self) -> anyhow::Result<()> {
        while let Some(effect) = self.app.poll_effect() {
            match effect {
                Effect::Command(command) => (self.link.commands)(command),
                Effect::MutePeer(id, muted) => self.link.controls.set_peer_muted(id, muted),
                Effect::KeepCalled => {
                    if let Err(sentence) = self.memory.keep_called(self.app.field.called()) {
                        self.app.say(&sentence, super::app::Tone::Info, self.snapshot.now);
                    }
                }
                Effect::Ring(caller) => self.ring(caller.as_deref())?,
                Effect::Slept => self.unkey(input::SLEPT),
                Effect::Examine => {
                    self.app.checkup.report = self.with_terminal(Report::default());
                    self.checks = doctor::begin(self.link.patient.clone());
                }
                Effect::Redraw => self.tty.redraw()?,
                Effect::Suspend => self.suspend()?,
                Effect::Continue => self.reenter()?,
                Effect::Quit => self.leaving = true,
            }
        }
        Ok(())
    }

    /// What the terminal can is known here alone: its answers go to the input thread.
    fn with_terminal(&self, mut report: Report) -> Report {
        let seen = self.app.key.rung == Rung::Releases;
        report.extend(checkup::of_screen(&self.options, &self.theme, &self.memory, seen));
        report
    }

    fn ring(&self, caller: Option<&str>) -> anyhow::Result<()> {
        Ok(self.tty.ring(self.options.bell, caller.filter(|_| self.options.notify))?)
    }

    fn unkey(&self, why: u8) {
        self.input.shared.unkey.fetch_or(why, SeqCst);
    }

    /// Closes the microphone, gives the terminal back, stops; takes it again when it goes on.
    fn suspend(&mut self) -> anyhow::Result<()> {
        self.link.controls.release_all();
        self.unkey(input::TERMINAL_CHANGED);
        terminal::restore();
        if signals::stop() {
            // The stop reaches every thread in its own time; until the continue is heard this one must not take the terminal.
            while !matches!(self.signals.received.recv_timeout(STOPPED), Ok(Signal::Continue) | Err(_)) {}
        } else {
            self.app.say("There is no shell to go back to.", super::app::Tone::Info, self.snapshot.now);
        }
        self.reenter()
    }

    fn reenter(&mut self) -> anyhow::Result<()> {
        self.unkey(input::TERMINAL_CHANGED);
        self.tty.reenter(!self.app.is_typing())?;
        self.continued = Some(Instant::now());
        Ok(())
    }

    /// The input thread and the terminal learn who gets the letters.
    fn share_focus(&mut self) -> anyhow::Result<()> {
        let focused = self.app.is_typing();
        self.input.shared.field_focused.store(focused, SeqCst);
        Ok(self.tty.set_keys(!focused)?)
    }

    fn draw(&mut self) -> anyhow::Result<()> {
        self.drawn = Instant::now();
        let title = self.app.title(&self.snapshot);
        let scene = Scene { app: &self.app, snapshot: &self.snapshot, meters: &self.link.meters, theme: &self.theme };
        self.zones = self.tty.draw(&title, |frame| screen::draw(frame, &scene))?;
        self.input.shared.set_button(self.zones.talk);
        self.app.saw_words(self.zones.words, self.drawn);
        Ok(())
    }
}
