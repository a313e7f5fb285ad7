//! Names that peers are known by: what may be one, and which are the same. Pure.

use std::net::IpAddr;

use crate::units::DEFAULT_PORT;
use crate::wire::printable;

/// Longest name, bytes: the longest of the DNS (RFC 1035, 2.3.4), a port and some.
const NAME_MAX: usize = 264;

/// Whether a peer can be known by `name`: what is typed to call it, or what the user likes better.
///
/// # Errors
/// One sentence.
pub fn check_name(name: &str) -> Result<(), String> {
    let fits = (1..=NAME_MAX).contains(&name.len());
    let is_plain = |c: char| c != ',' && !c.is_whitespace() && !printable(c.encode_utf8(&mut [0; 4])).is_empty();
    if fits && name.chars().all(is_plain) && !name.starts_with(['#', '-']) {
        return Ok(());
    }
    Err(format!("A name in known_peers has 1 to {NAME_MAX} bytes, no spaces, no commas, and does not start with # or -."))
}

/// Where a name leads: names of the same place are one name.
pub fn place(name: &str) -> (String, u16) {
    let name = name.trim();
    let (host, port) = match name.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, after)) => (host, after.strip_prefix(':')),
        None => match name.split_once(':') {
            Some((host, port)) if !port.contains(':') => (host, Some(port)),
            _ => (name, None),
        },
    };
    let port = match port.map(str::parse) {
        None => DEFAULT_PORT,
        Some(Ok(port)) => port,
        // No address: it is only itself.
        Some(Err(_)) => return (name.to_lowercase(), 0),
    };
    let host = host.strip_suffix('.').unwrap_or(host);
    (host.parse::<IpAddr>().map_or_else(|_| host.to_lowercase(), |ip| ip.to_canonical().to_string()), port)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_place_are_one_name() {
        for (one, other) in [
            ("workshop", "Workshop:5005"),
            ("workshop.example", "workshop.example."),
            ("10.0.0.7", "10.0.0.7:5005"),
            ("10.0.0.7", "::ffff:10.0.0.7"),
            ("2001:db8::1", "[2001:DB8:0:0::1]:5005"),
        ] {
            assert_eq!(place(one), place(other), "{one} {other}");
        }
        for (one, other) in [("workshop", "workshop:5006"), ("a", "b"), ("10.0.0.7", "10.0.0.8"), ("a:b", "a"), ("[::1]:1", "::1")] {
            assert_ne!(place(one), place(other), "{one} {other}");
        }
    }

    #[test]
    fn what_would_break_the_file_or_fool_the_eye_is_no_name() {
        for name in ["workshop", "10.0.0.7:6000", "[fe80::1%eth0]:5005", "tür", "caller-aaaq"] {
            assert_eq!(check_name(name), Ok(()), "{name}");
        }
        for name in ["", "a b", "a,b", "#a", "-", "--help", "a\u{1b}[m", "a\u{202e}b", "a\u{200b}", "a\u{a0}b", &"x".repeat(265)] {
            assert!(check_name(name).is_err(), "{name:?}");
        }
    }
}
