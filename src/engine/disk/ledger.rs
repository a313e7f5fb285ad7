//! `known_peers`, kept: changes as they come, the file as it is now, and the receiver told of both. Thread `disk`.

use std::sync::Arc;

use crossbeam_channel::Sender;

use crate::call::trust::{Edit, KnownPeers};
use crate::engine::{Keyring, Notice, Notices};

/// What can be asked of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum LedgerJob {
    /// What the user asked for: its outcome is said.
    Edit(Edit),
    /// What a call brings about: said only if it changed whom we trust, or failed.
    Note(Edit),
    /// Another program may have changed the file.
    Refresh,
    /// Announce all peers.
    List,
}

/// The peers that are known, and where they are kept.
pub struct Ledger {
    pub known: KnownPeers,
    /// `None`: they are kept for this run only.
    pub keyring: Option<Keyring>,
    pub notices: Notices,
    /// To the receiver, which is woken for it.
    pub fresh: Sender<KnownPeers>,
    pub waker: Arc<mio::Waker>,
}

impl Ledger {
    pub fn handle(&mut self, job: &LedgerJob) {
        match job {
            LedgerJob::Edit(edit) => match self.edit(edit) {
                Ok(said) => self.notices.info(said),
                Err(sentence) => self.notices.problem(sentence),
            },
            LedgerJob::Note(edit) => {
                let before = self.known.clone();
                match self.edit(edit) {
                    Ok(said) if self.known != before && !matches!(edit, Edit::Seen { .. }) => self.notices.info(said),
                    Ok(_) => {}
                    Err(sentence) => self.notices.problem(sentence),
                }
            }
            LedgerJob::Refresh => {
                self.refresh();
            }
            LedgerJob::List => {
                if self.refresh() {
                    self.notices.announce(Notice::Known(self.known.peers().cloned().collect()));
                }
            }
        }
    }

    fn edit(&mut self, edit: &Edit) -> Result<String, String> {
        let said = match &self.keyring {
            Some(keyring) => {
                let (said, known) = keyring.edit(edit).map_err(|error| format!("{error:#}"))?;
                self.take(known);
                said
            }
            None => {
                let mut known = self.known.clone();
                let said = known.apply(edit)?;
                self.take(known);
                said
            }
        };
        Ok(said)
    }

    /// `false`: the file cannot be believed, and that was said; what was known before stays known.
    fn refresh(&mut self) -> bool {
        let Some(keyring) = &self.keyring else { return true };
        match keyring.known_peers() {
            Ok(known) => self.take(known),
            Err(error) => {
                self.notices.problem(format!("{error:#}"));
                return false;
            }
        }
        true
    }

    fn take(&mut self, known: KnownPeers) {
        if known == self.known {
            return;
        }
        self.known = known;
        // The receiver takes the newest; a queue that is full holds enough of them, and the next call refreshes.
        if self.fresh.try_send(self.known.clone()).is_err() {
            tracing::debug!("the receiver has not yet heard of earlier changes");
        }
        if let Err(error) = self.waker.wake() {
            tracing::warn!(%error, "the receiver cannot be woken");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::PublicKey;
    use crate::call::trust::Who;
    use crossbeam_channel::{Receiver, bounded};

    fn ledger(keyring: Option<Keyring>) -> (Ledger, Receiver<KnownPeers>, Receiver<Notice>, mio::Poll) {
        let poll = mio::Poll::new().expect("a poll");
        let waker = Arc::new(mio::Waker::new(poll.registry(), mio::Token(0)).expect("a waker"));
        let ((notices, [heard]), (fresh, known)) = (Notices::new::<1>(), bounded(8));
        (Ledger { known: KnownPeers::default(), keyring, notices, fresh, waker }, known, heard, poll)
    }

    fn pin() -> Edit {
        Edit::Pin { name: "workshop".into(), key: PublicKey([1; 32]), address: ([10, 0, 0, 1], 5005).into() }
    }

    #[test]
    fn what_the_user_asks_for_is_answered_and_reaches_the_receiver() {
        let (mut ledger, known, heard, _poll) = ledger(None);
        ledger.handle(&LedgerJob::Edit(Edit::Verify(Who::Name("workshop".into()), true)));
        assert!(matches!(heard.try_recv(), Ok(Notice::Problem(sentence)) if sentence.contains("not known")));
        assert!(known.try_recv().is_err());
        ledger.handle(&LedgerJob::Note(pin()));
        assert!(matches!(heard.try_recv(), Ok(Notice::Info(sentence)) if sentence.contains("known by its key")));
        assert_eq!(known.try_recv().expect("told").peers().count(), 1);
        // The same again is no news.
        ledger.handle(&LedgerJob::Note(pin()));
        ledger.handle(&LedgerJob::Note(Edit::Seen { key: PublicKey([1; 32]), address: ([10, 0, 0, 9], 5005).into() }));
        assert!(heard.try_recv().is_err());
        ledger.handle(&LedgerJob::List);
        assert!(matches!(heard.try_recv(), Ok(Notice::Known(peers)) if peers[0].name() == "workshop"));
    }

    #[test]
    fn what_another_program_changed_is_read_and_a_broken_file_forgets_nobody() {
        let folder = tempfile::tempdir().expect("a folder");
        let keyring = Keyring::of(folder.path());
        let (mut ledger, known, heard, _poll) = ledger(Some(keyring.clone()));
        keyring.edit(&pin()).expect("pinned from outside");
        ledger.handle(&LedgerJob::Refresh);
        assert_eq!(known.try_recv().expect("told").peers().count(), 1);
        std::fs::write(folder.path().join("known_peers"), b"\xff").expect("written");
        ledger.handle(&LedgerJob::Refresh);
        assert!(matches!(heard.try_recv(), Ok(Notice::Problem(sentence)) if sentence.contains("not understood")));
        assert_eq!(ledger.known.peers().count(), 1);
        ledger.handle(&LedgerJob::Edit(Edit::Forget("workshop".into())));
        assert!(matches!(heard.try_recv(), Ok(Notice::Problem(_))));
        assert_eq!(ledger.known.peers().count(), 1);
    }
}
