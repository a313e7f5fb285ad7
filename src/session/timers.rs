//! How long what lasts in a session. Pure.

use std::time::Duration;

/// A handshake is given up after this, by either side.
pub const HANDSHAKE_LIFE: Duration = Duration::from_secs(5);
/// Between repetitions of a message, at first and while the other side does not answer.
pub const REPEAT: Duration = Duration::from_millis(250);
pub const REPEAT_SLOWLY: Duration = Duration::from_secs(1);
/// The initiator makes new keys at this age, the responder if he has not.
pub const REKEY_INITIATOR: Duration = Duration::from_secs(120);
pub const REKEY_RESPONDER: Duration = Duration::from_secs(150);
/// Nothing is sent under an older key.
pub const KEY_LIFE: Duration = Duration::from_secs(180);
/// What was sealed with the keys before still opens for this long.
pub const OVERLAP: Duration = Duration::from_secs(5);
/// Without an authentic datagram for this long a handshake is tried.
pub const SILENCE: Duration = Duration::from_secs(3);
/// A session that nobody claims is closed.
pub const UNCLAIMED: Duration = Duration::from_secs(5);
/// After a refusal the true confirmation may still come.
pub const REFUSED: Duration = Duration::from_secs(1);

const _: () = assert!(REKEY_RESPONDER.as_secs() + 4 * HANDSHAKE_LIFE.as_secs() < KEY_LIFE.as_secs());
