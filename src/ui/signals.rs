//! Signals while the full screen is up: un-key first, then tell the loop; if the loop is stuck, restore and exit here. Own thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;

use crossbeam_channel::{Receiver, bounded};

use super::terminal;
use crate::engine::Controls;

/// What a signal asks of the loop.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Signal {
    /// Terminate, hang-up, interrupt.
    Quit,
    /// Stopped from outside.
    Stop,
    /// Continued.
    Continue,
}

/// A loop that has not left after this is stuck (a terminal that does not read, or is gone).
const PATIENCE: Duration = Duration::from_secs(2);

/// The thread that waits for signals. It outlives the screen: a signal after it ends the program at once.
pub struct Signals {
    pub received: Receiver<Signal>,
    left: Arc<AtomicBool>,
}

impl Signals {
    /// The screen is gone and the terminal restored.
    pub fn leave(&self) {
        self.left.store(true, SeqCst);
    }
}

/// # Errors
/// The system has no signals or no threads left.
#[cfg(unix)]
pub fn watch(controls: Arc<Controls>) -> std::io::Result<Signals> {
    use signal_hook::consts::{SIGCONT, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP};

    let mut signals = signal_hook::iterator::Signals::new([SIGTERM, SIGHUP, SIGINT, SIGQUIT, SIGTSTP, SIGCONT])?;
    let (sender, received) = bounded(8);
    let left = Arc::new(AtomicBool::new(false));
    let gone = Arc::clone(&left);
    std::thread::Builder::new().name("ui-signals".into()).spawn(move || {
        for signal in signals.forever() {
            if signal == SIGCONT {
                let _ = sender.try_send(Signal::Continue);
                continue;
            }
            controls.release_all();
            if signal == SIGTSTP {
                let _ = sender.try_send(Signal::Stop);
                continue;
            }
            if gone.load(SeqCst) {
                std::process::exit(128 + signal);
            }
            let _ = sender.try_send(Signal::Quit);
            let gone = Arc::clone(&gone);
            let _ = std::thread::Builder::new().name("ui-watchdog".into()).spawn(move || {
                std::thread::sleep(PATIENCE);
                if !gone.load(SeqCst) {
                    terminal::restore();
                    std::process::exit(0);
                }
            });
        }
    })?;
    Ok(Signals { received, left })
}

/// # Errors
/// None: there are no such signals here.
#[cfg(not(unix))]
pub fn watch(_controls: Arc<Controls>) -> std::io::Result<Signals> {
    let (sender, received) = bounded(1);
    // Kept open for ever, so that waiting for it never ends.
    std::mem::forget(sender);
    Ok(Signals { received, left: Arc::new(AtomicBool::new(false)) })
}

/// Stops the program as its terminal's Ctrl-Z would: returns when it goes on. False: there is no shell to go back to.
#[cfg(unix)]
#[must_use]
pub fn stop() -> bool {
    use rustix::process::{Signal as Os, getppid, getsid, kill_current_process_group};

    // Without a parent in our session nobody could ever continue us (a terminal that runs nothing but this program).
    let in_session = |pid| getsid(Some(pid)).ok() == getsid(None).ok();
    if !getppid().is_some_and(in_session) {
        return false;
    }
    kill_current_process_group(Os::STOP).is_ok()
}

#[cfg(not(unix))]
#[must_use]
pub fn stop() -> bool {
    false
}
