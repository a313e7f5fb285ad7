//! Whether a resolved address can be called at all, and whether it is our own. Pure.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6};

use super::address::Address;

/// Why nobody can be called there. Each displays as one sentence that says what to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    PortZero,
    Unspecified(IpAddr),
    Broadcast(IpAddr),
    Multicast(IpAddr),
    /// fe80:: says nothing without an interface.
    NoScope(Ipv6Addr),
    Own(SocketAddr),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PortZero => f.write_str("Port 0 cannot be called: leave it out, or type the peer's."),
            Self::Unspecified(ip) => write!(f, "{ip} means \"any address\" and cannot be called: type the peer's own address."),
            Self::Broadcast(ip) => write!(f, "{ip} is a broadcast address: a call needs the address of one machine."),
            Self::Multicast(ip) => write!(f, "{ip} is a multicast address: a call needs the address of one machine."),
            Self::NoScope(ip) => write!(f, "{ip} is valid on one link only: say which, as in {ip}%eth0."),
            Self::Own(address) => write!(f, "{address} is this program itself: type another peer's address."),
        }
    }
}

impl std::error::Error for Refusal {}

/// An IPv4 address in IPv6's clothes (`::ffff:1.2.3.4`) is an IPv4 address.
#[must_use]
pub fn unmapped(address: SocketAddr) -> SocketAddr {
    let SocketAddr::V6(v6) = address else { return address };
    v6.ip().to_ipv4_mapped().map_or(address, |v4| SocketAddr::new(IpAddr::V4(v4), v6.port()))
}

/// The socket address of a literal; `None`: a name, or an interface's name as the scope: for the resolver.
#[must_use]
pub fn literal(address: &Address) -> Option<SocketAddr> {
    if let Some((ip, scope)) = address.host.split_once('%') {
        return Some(SocketAddr::V6(SocketAddrV6::new(ip.parse().ok()?, address.port, 0, scope.parse().ok()?)));
    }
    let ip: IpAddr = address.host.parse().ok()?;
    Some(unmapped(SocketAddr::new(ip, address.port)))
}

/// Whether one unicast peer can be there at all.
///
/// # Errors
/// The sentence for the user.
pub fn judge(address: SocketAddr) -> Result<(), Refusal> {
    if address.port() == 0 {
        return Err(Refusal::PortZero);
    }
    let ip = address.ip();
    if ip.is_unspecified() {
        return Err(Refusal::Unspecified(ip));
    }
    if ip.is_multicast() {
        return Err(Refusal::Multicast(ip));
    }
    match address {
        SocketAddr::V4(v4) if v4.ip().is_broadcast() => Err(Refusal::Broadcast(ip)),
        SocketAddr::V6(v6) if v6.ip().is_unicast_link_local() && v6.scope_id() == 0 => Err(Refusal::NoScope(*v6.ip())),
        _ => Ok(()),
    }
}

/// Whether `address` is our own socket: bound there, or to all addresses of this machine (`own`, and loopback).
///
/// # Errors
/// [`Refusal::Own`].
pub fn judge_own(address: SocketAddr, bound: SocketAddr, own: &[IpAddr]) -> Result<(), Refusal> {
    let bound = unmapped(bound);
    let ip = address.ip();
    let ours = if bound.ip().is_unspecified() { ip.is_loopback() || own.contains(&ip) } else { ip == bound.ip() };
    if ours && address.port() == bound.port() { Err(Refusal::Own(address)) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> SocketAddr {
        text.parse().expect(text)
    }

    #[test]
    fn an_address_that_is_nobodys_is_refused_with_its_reason() {
        for (address, want) in [
            (at("1.2.3.4:0"), Some(Refusal::PortZero)),
            (at("0.0.0.0:1"), Some(Refusal::Unspecified(at("0.0.0.0:1").ip()))),
            (at("[::]:1"), Some(Refusal::Unspecified(at("[::]:1").ip()))),
            (at("255.255.255.255:1"), Some(Refusal::Broadcast(at("255.255.255.255:1").ip()))),
            (at("239.1.2.3:1"), Some(Refusal::Multicast(at("239.1.2.3:1").ip()))),
            (at("[ff02::1]:1"), Some(Refusal::Multicast(at("[ff02::1]:1").ip()))),
            (at("[fe80::9]:1"), Some(Refusal::NoScope("fe80::9".parse().expect("fe80::9")))),
            (at("[fe80::9%3]:1"), None),
            (at("10.0.0.255:1"), None),
        ] {
            assert_eq!(judge(address).err(), want, "{address}");
        }
    }

    #[test]
    fn a_literal_needs_no_resolver_and_a_mapped_address_is_plain() {
        let of = |text: &str| literal(&text.parse().expect(text));
        assert_eq!(of("10.1.2.3"), Some(at("10.1.2.3:5005")));
        assert_eq!(of("[::ffff:10.1.2.3]:9"), Some(at("10.1.2.3:9")));
        assert_eq!(of("[fe80::1%2]:9"), Some(at("[fe80::1%2]:9")));
        assert_eq!(of("fe80::1%eth0"), None);
        assert_eq!(of("workshop"), None);
    }

    #[test]
    fn our_own_address_is_known_however_we_are_bound() {
        let lan = [at("192.168.1.5:1").ip()];
        for (address, bound, ours) in [
            ("127.0.0.1:5005", "[::]:5005", true),
            ("[::1]:5005", "[::]:5005", true),
            ("192.168.1.5:5005", "0.0.0.0:5005", true),
            ("192.168.1.6:5005", "0.0.0.0:5005", false),
            ("127.0.0.1:5006", "[::]:5005", false),
            ("127.0.0.2:5005", "127.0.0.1:5005", false),
            ("127.0.0.1:5005", "127.0.0.1:5005", true),
            ("192.168.1.5:5005", "127.0.0.1:5005", false),
        ] {
            assert_eq!(judge_own(at(address), at(bound), &lan).is_err(), ours, "{address} bound to {bound}");
        }
    }
}
