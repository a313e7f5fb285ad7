//! A knock: message 1 alone, to learn whether a voicetui answers at an address and with which key. Nobody rings. Pure.
//!
//! Message 2 tells the answering side's key, and that it holds it; it comes before any passphrase counts. No message 3 follows, so the
//! other side forgets the handshake after 5 s, as any that was lost: no session, no call, no ring. Its answer is shorter than the knock.

use rand::{Rng, RngExt};
use zeroize::Zeroizing;

use super::cookie::cookie_for;
use super::handshake::{Fresh, Initiator, Local};
use super::{Identity, PublicKey};

/// What came back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Answer {
    /// A voicetui that holds this key.
    Key(PublicKey),
    /// A voicetui that has too many knocks to answer them all.
    Busy,
}

/// One knock. It says nothing of who knocks: the key in it is made for it alone.
#[derive(Debug)]
pub struct Knock {
    local: Local,
    handshake: Initiator,
}

impl Knock {
    #[must_use]
    pub fn new(rng: &mut impl Rng) -> Self {
        let mut bytes = || Zeroizing::new(rng.random::<[u8; 32]>());
        let local = Local { identity: Identity::new(bytes()), psk: Zeroizing::new([0; 32]) };
        let (ephemeral, r) = (bytes(), bytes());
        let handshake = Initiator::new(&local, Fresh { ephemeral, r, index: rng.random() });
        Self { local, handshake }
    }

    /// What to send; the same bytes each time.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.handshake.message1()
    }

    /// Something came from that address; `None`: no answer to this knock.
    pub fn handle(&mut self, bytes: &[u8]) -> Option<Answer> {
        if cookie_for(self.bytes(), bytes).is_some() {
            return Some(Answer::Busy);
        }
        let mut shown = None;
        // Refused, whoever it is: there is no message 3.
        let _ = self.handshake.handle_message2(&self.local, bytes, |key| {
            shown = Some(key);
            None
        });
        shown.map(Answer::Key)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;
    use crate::session::handshake::tests::local;
    use crate::session::{SessionEvent, Sessions};

    /// Knocks at `sessions`; the answers.
    fn at(sessions: &mut Sessions, now: Instant, bytes: &[u8]) -> Vec<Vec<u8>> {
        assert!(sessions.handle(now, ([10, 0, 0, 1], 40_000).into(), &mut bytes.to_vec()).is_none());
        sent(sessions)
    }

    fn sent(sessions: &mut Sessions) -> Vec<Vec<u8>> {
        let mut buffer = [0; 2_048];
        std::iter::from_fn(|| sessions.poll_transmit(&mut buffer).map(|(_, len)| buffer[..len].to_vec())).collect()
    }

    #[test]
    fn who_is_knocked_at_shows_its_key_is_told_nothing_and_never_rings() {
        let (now, other) = (Instant::now(), local(2, 9));
        let mut sessions = Sessions::new(other.clone(), StdRng::seed_from_u64(1));
        let mut knock = Knock::new(&mut StdRng::seed_from_u64(2));
        let message1 = knock.bytes().to_vec();
        for _ in 0..3 {
            let answers = at(&mut sessions, now, &message1);
            assert_eq!(answers.len(), 1);
            assert!(answers[0].len() < message1.len(), "no amplifier");
            assert_eq!(knock.handle(&answers[0]), Some(Answer::Key(other.identity.public())), "whatever its passphrase");
        }
        sessions.handle_timeout(now + Duration::from_secs(10));
        let events: Vec<SessionEvent> = std::iter::from_fn(|| sessions.poll_event()).collect();
        assert!(events.is_empty() && sent(&mut sessions).is_empty(), "{events:?}");
    }

    #[test]
    fn a_cookie_is_an_answer_too_and_other_bytes_are_none() {
        let now = Instant::now();
        let mut sessions = Sessions::new(local(2, 0), StdRng::seed_from_u64(1));
        let mut rng = StdRng::seed_from_u64(2);
        let mut last = None;
        for _ in 0..20 {
            let mut knock = Knock::new(&mut rng);
            let answers = at(&mut sessions, now, knock.bytes());
            last = knock.handle(&answers[0]);
        }
        assert_eq!(last, Some(Answer::Busy), "twenty within a second");
        let mut knock = Knock::new(&mut rng);
        let echo = knock.bytes().to_vec();
        for bytes in [&b""[..], b"\x09", &echo, &[9; 110], &[12; 34]] {
            assert_eq!(knock.handle(bytes), None);
        }
    }
}
