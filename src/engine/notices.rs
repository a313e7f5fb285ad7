//! The fan-out of notices: every watcher has its own bounded channel; any thread may announce.

use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender, bounded};

use super::Notice;

/// Notices that may wait for one watcher. A watcher that sleeps longer loses the newest, never an engine's time.
const WAITING: usize = 1_024;

/// Where threads announce what happened.
#[derive(Clone, Debug)]
pub struct Notices {
    watchers: Arc<[Sender<Notice>]>,
}

impl Notices {
    /// `N` watchers, each of which gets every notice.
    #[must_use]
    pub fn new<const N: usize>() -> (Self, [Receiver<Notice>; N]) {
        let channels: [_; N] = std::array::from_fn(|_| bounded(WAITING));
        let watchers = channels.iter().map(|(sender, _)| sender.clone()).collect();
        (Self { watchers }, channels.map(|(_, receiver)| receiver))
    }

    /// Tells every watcher. Never blocks: a full or departed watcher misses it.
    pub fn announce(&self, notice: Notice) {
        for watcher in self.watchers.iter() {
            if watcher.try_send(notice.clone()).is_err() {
                tracing::debug!(?notice, "a watcher missed a notice");
            }
        }
    }

    /// A refused command or a failure, in one whole sentence.
    pub fn problem(&self, sentence: impl Into<String>) {
        self.announce(Notice::Problem(sentence.into()));
    }

    /// Something worth knowing, in one whole sentence.
    pub fn info(&self, sentence: impl Into<String>) {
        self.announce(Notice::Info(sentence.into()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_watcher_hears_and_a_sleeping_one_holds_nobody_up() {
        let (notices, [first, second]) = Notices::new::<2>();
        for _ in 0..WAITING + 5 {
            notices.announce(Notice::Stats);
            assert_eq!(first.try_recv(), Ok(Notice::Stats));
        }
        assert_eq!(second.len(), WAITING);
        drop(second);
        notices.announce(Notice::Quit);
        assert_eq!(first.try_recv(), Ok(Notice::Quit));
    }
}
