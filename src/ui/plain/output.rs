//! Standard output that holds nobody up: a reader that does not read loses lines, and the program still ends. Own thread: `output`.

use std::io::{self, ErrorKind, Write};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Sender, TrySendError, bounded};

/// Lines that wait for a slow reader.
const WAITING: usize = 1_024;
/// What waits at the end gets this long to leave.
const PATIENCE: Duration = Duration::from_secs(1);

/// Each `write` is one whole event; what finds no room is dropped.
pub struct Output {
    events: Option<Sender<Vec<u8>>>,
    thread: Option<JoinHandle<io::Result<()>>>,
    dropped: u64,
}

impl Output {
    /// # Errors
    /// The system has no thread left.
    pub fn new(mut inner: impl Write + Send + 'static) -> io::Result<Self> {
        let (events, waiting) = bounded::<Vec<u8>>(WAITING);
        let thread = std::thread::Builder::new().name("output".into()).spawn(move || {
            for event in waiting {
                inner.write_all(&event)?;
                inner.flush()?;
            }
            Ok(())
        })?;
        Ok(Self { events: Some(events), thread: Some(thread), dropped: 0 })
    }

    /// Why the thread ended.
    fn failure(&mut self) -> io::Error {
        self.events = None;
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(Err(error))) => error,
            _ => ErrorKind::BrokenPipe.into(),
        }
    }
}

impl Write for Output {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let Some(events) = &self.events else { return Err(ErrorKind::BrokenPipe.into()) };
        match events.try_send(event.to_vec()) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => self.dropped += 1,
            Err(TrySendError::Disconnected(_)) => return Err(self.failure()),
        }
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        self.events = None;
        if self.dropped > 0 {
            tracing::warn!(events = self.dropped, "nobody read the output in time");
        }
        let Some(thread) = self.thread.take() else { return };
        let end = Instant::now() + PATIENCE;
        while !thread.is_finished() && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(2));
        }
        // A reader that still does not read: its thread is left behind, and ends with the process.
        if thread.is_finished() {
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    /// Blocks at its first event until told to go on.
    struct Stuck(mpsc::Receiver<()>, mpsc::Sender<Vec<u8>>);

    impl Write for Stuck {
        fn write(&mut self, event: &[u8]) -> io::Result<usize> {
            let _ = self.0.recv();
            self.1.send(event.to_vec()).map_err(|_| ErrorKind::BrokenPipe)?;
            Ok(event.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_does_not_read_holds_nobody_up_and_then_gets_what_waited() {
        let (go, gate) = mpsc::channel();
        let (wrote, written) = mpsc::channel();
        let mut output = Output::new(Stuck(gate, wrote)).expect("a thread");
        for n in 0..3 * WAITING {
            output.write_all(format!("{n}\n").as_bytes()).expect("never blocks, never fails");
        }
        assert!(output.dropped >= WAITING as u64);
        drop(go);
        drop(output);
        let lines: Vec<Vec<u8>> = written.try_iter().collect();
        assert_eq!(lines.first().map(Vec::as_slice), Some(&b"0\n"[..]));
        assert!(lines.len() >= WAITING, "{}", lines.len());
    }

    #[test]
    fn a_closed_pipe_is_told() {
        let (_, gate) = mpsc::channel();
        let (wrote, written) = mpsc::channel();
        drop(written);
        let mut output = Output::new(Stuck(gate, wrote)).expect("a thread");
        let told = (0..1_000_000).find_map(|_| output.write(b"x").err());
        assert_eq!(told.map(|error| error.kind()), Some(ErrorKind::BrokenPipe));
    }
}
