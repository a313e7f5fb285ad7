//! What a user types to name a peer: `host`, `host:port`, an IPv6 literal, `[v6]:port`. Pure: nothing is resolved here.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use crate::units::DEFAULT_PORT;

/// Longest name the DNS knows (RFC 1035, 2.3.4), and more than any address with its scope.
const HOST_MAX: usize = 253;

/// A host and a port, as typed: not resolved, but not nonsense either.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Address {
    /// A name, an IPv4 or an IPv6 address (the latter with its `%scope`, if typed).
    pub host: String,
    pub port: u16,
}

impl FromStr for Address {
    type Err = String;

    /// # Errors
    /// One sentence: what is wrong with it and what would be right.
    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let (host, port) = split(text)?;
        let port = match port {
            None => DEFAULT_PORT,
            // `+5005` would parse as a number, but nobody means it.
            Some(digits) => match digits.parse() {
                Ok(port) if port > 0 && !digits.starts_with('+') => port,
                _ => return Err(format!("The port of {} must be a number from 1 to 65535.", quoted(text))),
            },
        };
        check_host(host)?;
        Ok(Self { host: host.to_owned(), port })
    }
}

fn split(text: &str) -> Result<(&str, Option<&str>), String> {
    if text.is_empty() {
        return Err("Give an address to call: a name or an IP address, with :PORT if it is not 5005.".into());
    }
    if let Some(rest) = text.strip_prefix('[') {
        let Some((host, after)) = rest.split_once(']') else {
            return Err(format!("{} lacks its closing bracket: write [2001:db8::1]:5005.", quoted(text)));
        };
        return match after.strip_prefix(':') {
            Some(port) => Ok((host, Some(port))),
            None if after.is_empty() => Ok((host, None)),
            None => Err(format!("{}: after the bracket only :PORT can stand.", quoted(text))),
        };
    }
    match text.split_once(':') {
        // More than one colon without brackets: an IPv6 literal, all of it.
        Some((_, rest)) if rest.contains(':') => Ok((text, None)),
        Some((host, port)) => Ok((host, Some(port))),
        None => Ok((text, None)),
    }
}

fn check_host(host: &str) -> Result<(), String> {
    if host.contains(':') {
        let (literal, scope) = host.split_once('%').map_or((host, None), |(literal, scope)| (literal, Some(scope)));
        let Ok(v6) = literal.parse::<Ipv6Addr>() else {
            return Err(format!("{} is not an IPv6 address; with a port, write it as [2001:db8::1]:5005.", quoted(host)));
        };
        if scope.is_some_and(|scope| scope.is_empty() || !scope.chars().all(is_host_char)) {
            return Err(format!("The part after % in {} must be a network interface, such as eth0.", quoted(host)));
        }
        if v6.is_unicast_link_local() && scope.is_none() {
            return Err(format!("{v6} is valid on one link only: say which, as in {v6}%eth0."));
        }
        return check_ip(v6.to_canonical());
    }
    if let Ok(v4) = host.parse::<Ipv4Addr>() {
        return check_ip(IpAddr::V4(v4));
    }
    if host.is_empty() || host.len() > HOST_MAX || !host.chars().all(is_host_char) || host.starts_with('-') || host.contains("..") {
        return Err(format!("{} is not an address: give a name, an IPv4 or an IPv6 address, with :PORT if it is not 5005.", quoted(host)));
    }
    // The system's resolver would read 10.1 as 10.0.0.1; nobody means that.
    if host.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
        return Err(format!("{} is not an IPv4 address: it needs four numbers from 0 to 255.", quoted(host)));
    }
    Ok(())
}

fn is_host_char(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '-' | '_' | '.')
}

fn check_ip(ip: IpAddr) -> Result<(), String> {
    if ip.is_unspecified() {
        return Err(format!("{ip} means \"any address\": it can be listened on, not called."));
    }
    if ip.is_multicast() || ip == IpAddr::V4(Ipv4Addr::BROADCAST) {
        return Err(format!("{ip} is a group of machines: a call needs the address of one."));
    }
    Ok(())
}

/// For error texts: short, and without anything that a terminal would obey.
fn quoted(text: &str) -> String {
    let mut shown: String = text.chars().filter(|c| !c.is_control()).take(60).collect();
    if text.chars().count() > 60 {
        shown.push('…');
    }
    format!("\"{shown}\"")
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') { write!(f, "[{}]:{}", self.host, self.port) } else { write!(f, "{}:{}", self.host, self.port) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_way_of_typing_an_address_is_understood() {
        for (typed, host, port) in [
            ("workshop", "workshop", 5005),
            (" workshop.local:6000 ", "workshop.local", 6000),
            ("10.0.1.217", "10.0.1.217", 5005),
            ("10.0.1.217:1", "10.0.1.217", 1),
            ("::1", "::1", 5005),
            ("2001:db8::1", "2001:db8::1", 5005),
            ("[2001:db8::1]", "2001:db8::1", 5005),
            ("[2001:db8::1]:65535", "2001:db8::1", 65_535),
            ("fe80::1%eth0", "fe80::1%eth0", 5005),
            ("[fe80::1%eth0]:7", "fe80::1%eth0", 7),
        ] {
            assert_eq!(typed.parse(), Ok(Address { host: host.into(), port }), "{typed}");
        }
    }

    #[test]
    fn nonsense_is_refused_with_its_reason() {
        for (typed, reason) in [
            ("", "Give an address"),
            ("host:", "1 to 65535"),
            ("host:0", "1 to 65535"),
            ("host:65536", "1 to 65535"),
            ("host:+5", "1 to 65535"),
            ("[::1", "closing bracket"),
            ("[::1]5005", "after the bracket"),
            ("1:2:3", "not an IPv6 address"),
            ("fe80::1", "which, as in fe80::1%eth0"),
            ("fe80::1%", "network interface"),
            ("0.0.0.0", "listened on, not called"),
            ("[::]:5005", "listened on, not called"),
            ("255.255.255.255", "group of machines"),
            ("239.1.2.3:5004", "group of machines"),
            ("ff02::1", "group of machines"),
            ("256.1.1.1", "not an IPv4 address"),
            ("10.1", "not an IPv4 address"),
            ("two words", "not an address"),
            ("-v", "not an address"),
            ("rtp://host", "1 to 65535"),
            ("a\u{1b}[31mb", "not an address"),
        ] {
            let error = typed.parse::<Address>().expect_err(typed);
            assert!(error.contains(reason), "{typed}: {error}");
            assert!(!error.contains('\u{1b}'));
        }
    }

    proptest! {
        #[test]
        fn any_text_is_an_address_that_reads_back_or_a_sentence(text in "\\PC{0,80}|[0-9a-f:.%\\[\\]]{0,40}") {
            match text.parse::<Address>() {
                Ok(address) => prop_assert_eq!(address.to_string().parse(), Ok(address)),
                Err(sentence) => prop_assert!(sentence.ends_with('.')),
            }
        }
    }
}
