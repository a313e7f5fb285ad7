//! What keeps a flood of handshakes from costing much: cookies that prove an address, and a purse of Diffie-Hellmans. Pure.
//!
//! ```text
//! 34 bytes   12  version  the first 16 bytes of what message 1 says after its version   cookie 16
//! ```
//! The cookie is a keyed BLAKE2s of the address under a secret of two minutes (WireGuard's way); whoever can bring it
//! back can read what goes to that address. The 16 bytes show that message 1 was seen.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use blake2::Blake2sMac;
use blake2::digest::consts::U16;
use blake2::digest::{KeyInit, Mac};
use zeroize::Zeroizing;

use super::handshake::{COOKIE_BYTES, MESSAGE1_BYTES, VERSION};
use crate::wire::sealed::Type;

pub const COOKIE_REPLY_BYTES: usize = 2 + 16 + COOKIE_BYTES;
const _: () = assert!(COOKIE_REPLY_BYTES < MESSAGE1_BYTES);
/// A secret is used this long, and honoured for as long again.
const SECRET_LIFE: Duration = Duration::from_secs(120);

/// Makes cookies and knows them again.
#[derive(Default)]
pub struct Cookies {
    secret: Option<(Zeroizing<[u8; 32]>, Instant)>,
    before: Option<Zeroizing<[u8; 32]>>,
}

impl Cookies {
    /// Whether the secret has had its time: call [`Cookies::renew`] before the others then.
    #[must_use]
    pub fn is_stale(&self, now: Instant) -> bool {
        self.secret.as_ref().is_none_or(|(_, made)| now.saturating_duration_since(*made) >= SECRET_LIFE)
    }

    pub fn renew(&mut self, now: Instant, secret: Zeroizing<[u8; 32]>) {
        self.before = self.secret.take().filter(|(_, made)| now.saturating_duration_since(*made) < 2 * SECRET_LIFE).map(|(old, _)| old);
        self.secret = Some((secret, now));
    }

    /// Whether `cookie` was made here for `address`, lately.
    #[must_use]
    pub fn knows(&self, address: SocketAddr, cookie: &[u8; COOKIE_BYTES]) -> bool {
        let secrets = self.secret.iter().map(|(secret, _)| secret).chain(&self.before);
        // Compared in constant time.
        secrets.into_iter().any(|secret| mac(secret, address).verify_slice(cookie).is_ok())
    }

    /// The answer to a message 1 that lacks its cookie. `None`: there is no secret yet, or that is no message 1.
    #[must_use]
    pub fn reply(&self, address: SocketAddr, message1: &[u8]) -> Option<[u8; COOKIE_REPLY_BYTES]> {
        let (secret, _) = self.secret.as_ref()?;
        let mut reply = [0; COOKIE_REPLY_BYTES];
        reply[..2].copy_from_slice(&[Type::Cookie as u8, VERSION]);
        reply[2..18].copy_from_slice(message1.get(2..18)?);
        reply[18..].copy_from_slice(&mac(secret, address).finalize().into_bytes());
        Some(reply)
    }
}

impl fmt::Debug for Cookies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cookies").finish_non_exhaustive()
    }
}

/// The cookie in an answer to `message1`.
#[must_use]
pub fn cookie_for<'a>(message1: &[u8], reply: &'a [u8]) -> Option<&'a [u8; COOKIE_BYTES]> {
    let fits = reply.len() == COOKIE_REPLY_BYTES && reply[..2] == [Type::Cookie as u8, VERSION] && message1.get(2..18) == reply.get(2..18);
    fits.then(|| reply.last_chunk()).flatten()
}

fn mac(secret: &[u8; 32], address: SocketAddr) -> Blake2sMac<U16> {
    let mut mac = <Blake2sMac<U16> as KeyInit>::new(secret.into());
    match address.ip() {
        IpAddr::V4(ip) => mac.update(&ip.octets()),
        IpAddr::V6(ip) => mac.update(&ip.octets()),
    }
    mac.update(&address.port().to_be_bytes());
    mac
}

/// So many a second, and as many at once.
#[derive(Clone, Copy, Debug)]
pub struct Purse {
    rate: f32,
    left: f32,
    filled: Option<Instant>,
}

impl Purse {
    #[must_use]
    pub fn new(rate: f32) -> Self {
        Self { rate, left: rate, filled: None }
    }

    /// Takes one, if there is one and `reserve` are left after it.
    pub fn take(&mut self, now: Instant, reserve: f32) -> bool {
        let passed = self.filled.map_or(0.0, |at| now.saturating_duration_since(at).as_secs_f32());
        self.filled = Some(now);
        self.left = (self.left + passed * self.rate).min(self.rate);
        let there = self.left >= 1.0 + reserve;
        if there {
            self.left -= 1.0;
        }
        there
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_for_one_address_and_for_two_to_four_minutes() {
        let (start, here, there) = (Instant::now(), "10.0.0.1:5005".parse().expect("here"), "10.0.0.1:5006".parse().expect("there"));
        let mut cookies = Cookies::default();
        let message1 = [3; MESSAGE1_BYTES];
        assert!(cookies.is_stale(start) && cookies.reply(here, &message1).is_none());
        cookies.renew(start, Zeroizing::new([1; 32]));
        let reply = cookies.reply(here, &message1).expect("a secret");
        let cookie = cookie_for(&message1, &reply).expect("for that message");
        assert_eq!(cookie_for(&[4; MESSAGE1_BYTES], &reply), None);
        assert!(cookies.knows(here, cookie) && !cookies.knows(there, cookie) && !cookies.knows(here, &[0; 16]));
        for (minutes, known) in [(2, true), (4, false)] {
            let now = start + Duration::from_secs(60 * minutes);
            assert!(cookies.is_stale(now));
            cookies.renew(now, Zeroizing::new([minutes as u8 + 1; 32]));
            assert_eq!(cookies.knows(here, cookie), known, "after {minutes} minutes");
        }
    }

    #[test]
    fn a_purse_gives_its_rate_and_no_more() {
        let (start, mut purse) = (Instant::now(), Purse::new(20.0));
        let taken = (0..10_000).filter(|n| purse.take(start + Duration::from_millis(*n), 0.0)).count();
        assert!((215..=220).contains(&taken), "{taken} in ten seconds: 20 at once and 20 a second");
    }

    #[test]
    fn who_may_not_take_the_reserve_leaves_it_to_who_may() {
        let (start, mut purse) = (Instant::now(), Purse::new(14.0));
        for n in 0..10_000 {
            purse.take(start + Duration::from_millis(n), 4.0);
        }
        let end = start + Duration::from_secs(10);
        assert_eq!((0..10).filter(|_| purse.take(end, 0.0)).count(), 4);
    }
}
