//! The signals that ask a program to end, brought to a thread of ours: `signals`.

use std::io;

/// Calls back for each SIGTERM, SIGINT or SIGHUP (elsewhere: not at all) until dropped.
#[derive(Debug)]
pub struct Signals {
    #[cfg(unix)]
    handle: signal_hook::iterator::Handle,
    #[cfg(unix)]
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Signals {
    /// `on_end` runs on the thread `signals`, not in a signal handler: it may lock and allocate.
    ///
    /// # Errors
    /// The handlers or the thread could not be installed.
    #[cfg(unix)]
    pub fn watch(mut on_end: impl FnMut() + Send + 'static) -> io::Result<Self> {
        use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
        let mut signals = signal_hook::iterator::Signals::new([SIGTERM, SIGINT, SIGHUP])?;
        let handle = signals.handle();
        let thread = std::thread::Builder::new().name("signals".into()).spawn(move || {
            for signal in signals.forever() {
                tracing::info!(signal, "asked to end");
                on_end();
            }
        })?;
        Ok(Self { handle, thread: Some(thread) })
    }

    #[cfg(not(unix))]
    pub fn watch(_: impl FnMut() + Send + 'static) -> io::Result<Self> {
        Ok(Self {})
    }
}

#[cfg(unix)]
impl Drop for Signals {
    fn drop(&mut self) {
        self.handle.close();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
