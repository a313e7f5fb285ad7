//! The one UDP socket: bound dual-stack where it can be, marked for speech, never with don't-fragment. Any thread.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6, ToSocketAddrs, UdpSocket};

use socket2::{Domain, Protocol, Socket, Type};

/// Expedited forwarding (RFC 3246), shifted into the TOS and traffic class byte.
const DSCP_EF: u32 = 0xb8;
/// Socket buffers asked for: a second of 16 peers and more.
const BUFFER_BYTES: usize = 1 << 20;

/// What the socket can carry, and how addresses look on it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mapping {
    /// One IPv6 socket for both: IPv4 addresses travel as `::ffff:a.b.c.d`.
    Dual,
    V4,
    V6,
}

impl Mapping {
    /// The address to give to the socket for `to`.
    #[must_use]
    pub fn outward(self, to: SocketAddr) -> SocketAddr {
        match (self, to) {
            (Self::Dual, SocketAddr::V4(v4)) => SocketAddrV6::new(v4.ip().to_ipv6_mapped(), v4.port(), 0, 0).into(),
            _ => to,
        }
    }
}

/// The true address of what came from `from`: `::ffff:a.b.c.d` is IPv4. A scope id stays.
#[must_use]
pub fn inward(from: SocketAddr) -> SocketAddr {
    match from {
        SocketAddr::V6(v6) => v6.ip().to_ipv4_mapped().map_or(from, |v4| SocketAddr::new(IpAddr::V4(v4), v6.port())),
        SocketAddr::V4(_) => from,
    }
}

/// Why nothing listens. Displays as one sentence.
#[derive(Debug)]
pub enum BindError {
    /// Another program has the port.
    PortTaken(u16),
    /// No interface has that address.
    NoSuchAddress(IpAddr),
    /// Ports below 1024 want privileges.
    Forbidden(u16),
    Other(IpAddr, u16, io::Error),
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PortTaken(port) => {
                write!(f, "UDP port {port} is taken, perhaps by another voicetui: end that one, or choose another port with --port")
            }
            Self::NoSuchAddress(ip) => write!(f, "this machine has no address {ip}: choose one that it has with --bind, or leave it out"),
            Self::Forbidden(port) => write!(f, "UDP port {port} may not be used by this user: choose one above 1023 with --port"),
            Self::Other(ip, port, error) => write!(f, "cannot listen on {ip} UDP port {port}: {error}"),
        }
    }
}

impl std::error::Error for BindError {}

/// Binds `ip`:`port` (port 0: any free one), non-blocking. The unspecified IPv6 address takes IPv4 too, or IPv4
/// alone where IPv6 is switched off.
///
/// # Errors
/// See [`BindError`].
pub fn bind(ip: IpAddr, port: u16) -> Result<(UdpSocket, Mapping), BindError> {
    let explain = |error: io::Error| match error.kind() {
        io::ErrorKind::AddrInUse => BindError::PortTaken(port),
        io::ErrorKind::AddrNotAvailable => BindError::NoSuchAddress(ip),
        io::ErrorKind::PermissionDenied => BindError::Forbidden(port),
        _ => BindError::Other(ip, port, error),
    };
    let wide = ip == IpAddr::V6(Ipv6Addr::UNSPECIFIED);
    let mapping = match ip {
        _ if wide => Mapping::Dual,
        IpAddr::V4(_) => Mapping::V4,
        IpAddr::V6(_) => Mapping::V6,
    };
    match open(ip, port, mapping) {
        Err(error) if wide && error.kind() != io::ErrorKind::AddrInUse => {
            tracing::info!(%error, "no IPv6 here; listening on IPv4 alone");
            let socket = open(IpAddr::V4(Ipv4Addr::UNSPECIFIED), port, Mapping::V4).map_err(explain)?;
            Ok((socket, Mapping::V4))
        }
        result => result.map(|socket| (socket, mapping)).map_err(explain),
    }
}

fn open(ip: IpAddr, port: u16, mapping: Mapping) -> io::Result<UdpSocket> {
    let domain = if ip.is_ipv4() { Domain::IPV4 } else { Domain::IPV6 };
    let socket = Socket::new(domain, Type::DGRAM, Some(Protocol::UDP))?;
    if domain == Domain::IPV6 {
        socket.set_only_v6(mapping == Mapping::V6)?;
        #[cfg(not(windows))]
        note("traffic class", socket.set_tclass_v6(DSCP_EF));
    }
    // The markings and buffers are wishes; a system that refuses them still carries the call.
    if mapping != Mapping::V6 {
        note("TOS", socket.set_tos_v4(DSCP_EF));
    }
    note("receive buffer", socket.set_recv_buffer_size(BUFFER_BYTES));
    note("send buffer", socket.set_send_buffer_size(BUFFER_BYTES));
    socket.set_nonblocking(true)?;
    socket.bind(&SocketAddr::new(ip, port).into())?;
    Ok(socket.into())
}

fn note(what: &str, result: io::Result<()>) {
    if let Err(error) = result {
        tracing::info!(what, %error, "a socket option was refused");
    }
}

/// Whether sending failed because the socket cannot speak the address' family (IPv6 switched off, or bound to IPv4).
#[must_use]
pub fn is_wrong_family(error: &io::Error) -> bool {
    #[cfg(unix)]
    return rustix::io::Errno::from_io_error(error) == Some(rustix::io::Errno::AFNOSUPPORT);
    #[cfg(not(unix))]
    return error.kind() == io::ErrorKind::Unsupported;
}

/// What `host` means, in the resolver's order, each address once. Blocks as long as the name server takes.
///
/// # Errors
/// One sentence: what was looked up, and what to do.
pub fn resolve(host: &str, port: u16) -> Result<Vec<SocketAddr>, String> {
    let explain = |error| format!("No machine is called \"{host}\" ({error}): check the name, or use its IP address.");
    let mut addresses: Vec<SocketAddr> = Vec::new();
    for address in (host, port).to_socket_addrs().map_err(explain)? {
        let address = inward(address);
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    if addresses.is_empty() {
        return Err(format!("The name \"{host}\" has no address: use the machine's IP address."));
    }
    Ok(addresses)
}

/// The addresses of this machine's interfaces; empty when the system does not tell.
#[must_use]
pub fn own_addresses() -> Vec<IpAddr> {
    let interfaces = if_addrs::get_if_addrs().unwrap_or_default();
    interfaces.into_iter().map(|interface| interface.ip()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_socket_speaks_both_families() {
        let (socket, mapping) = bind(IpAddr::V6(Ipv6Addr::UNSPECIFIED), 0).expect("a socket");
        let port = socket.local_addr().expect("its address").port();
        let (other, v4) = bind(IpAddr::V4(Ipv4Addr::LOCALHOST), 0).expect("a socket");
        let here = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port);
        other.send_to(b"ping", v4.outward(here)).expect("sent");
        socket.set_nonblocking(false).expect("blocking");
        socket.set_read_timeout(Some(std::time::Duration::from_secs(5))).expect("a limit");
        let mut buffer = [0; 16];
        let (length, from) = socket.recv_from(&mut buffer).expect("received");
        assert_eq!((&buffer[..length], inward(from)), (&b"ping"[..], other.local_addr().expect("its address")));
        socket.send_to(b"pong", mapping.outward(inward(from))).expect("answered");
    }

    #[test]
    fn a_taken_port_is_named_with_the_way_out() {
        let (first, _) = bind(IpAddr::V4(Ipv4Addr::LOCALHOST), 0).expect("a socket");
        let port = first.local_addr().expect("its address").port();
        let sentence = bind(IpAddr::V4(Ipv4Addr::LOCALHOST), port).expect_err("taken").to_string();
        assert!(sentence.contains(&port.to_string()) && sentence.contains("--port"), "{sentence}");
        let sentence = bind(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 0).expect_err("not ours").to_string();
        assert!(sentence.contains("192.0.2.1") && sentence.contains("--bind"), "{sentence}");
    }

    #[test]
    fn mapped_addresses_are_shown_as_they_are() {
        let mapped: SocketAddr = "[::ffff:10.0.0.7]:5005".parse().expect("an address");
        assert_eq!(inward(mapped), "10.0.0.7:5005".parse().expect("an address"));
        assert_eq!(Mapping::Dual.outward(inward(mapped)), mapped);
        let scoped = SocketAddr::V6(SocketAddrV6::new("fe80::1".parse().expect("an address"), 5005, 0, 3));
        assert_eq!(Mapping::Dual.outward(inward(scoped)), scoped);
    }

    #[test]
    fn a_name_that_is_none_is_explained() {
        let sentence = resolve("no-such-machine.invalid", 5005).expect_err("unknown");
        assert!(sentence.contains("no-such-machine.invalid"), "{sentence}");
        assert_eq!(resolve("127.0.0.1", 1).expect("an address"), ["127.0.0.1:1".parse().expect("an address")]);
    }
}
