//! What a call is started with. Plain values; the shell fills them from its settings.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

use zeroize::Zeroizing;

use super::clock::WallClock;
use crate::session::{Identity, KnownPeers, Local};
use crate::units::{DEFAULT_PORT, Format};

/// For [`super::Uplink::new`].
#[derive(Clone, PartialEq, Debug)]
pub struct UplinkConfig {
    /// Until a plan says otherwise, bit/s.
    pub bitrate: u32,
    /// Until a plan says otherwise: 10 or 20.
    pub frame_ms: u32,
}

impl Default for UplinkConfig {
    fn default() -> Self {
        Self { bitrate: 64_000, frame_ms: 10 }
    }
}

/// For [`super::Downlink::new`].
#[derive(Clone, Debug)]
pub struct DownlinkConfig {
    /// Who we are in sealed calls, with the passphrase's key (zero for none).
    pub local: Local,
    /// The name other sides see; may be empty.
    pub name: String,
    /// Where our socket is really bound (the port never 0): calls to ourselves are refused by it.
    pub bound: SocketAddr,
    /// This machine's addresses, for the same refusal when bound to all of them. Loopback need not be named.
    pub own_addresses: Vec<IpAddr>,
    /// What a call without a format of its own speaks.
    pub format: Format,
    /// Whoever calls or streams is answered.
    pub answer_all: bool,
    /// Whoever calls sealed, and is known by its key, is answered.
    pub answer_known: bool,
    /// The peers that are known at first; see [`super::Downlink::set_known`].
    pub known: KnownPeers,
    /// Open audio from anybody is heard without ringing.
    pub allow_unsealed: bool,
    /// Sealed calls send all the time, in datagrams of one length.
    pub private: bool,
    /// Opus bit rate, bit/s.
    pub bitrate: u32,
    /// 10 or 20.
    pub frame_ms: u32,
    /// Ringing, here or there, ends after this.
    pub ring_timeout: Duration,
    pub clock: WallClock,
}

impl DownlinkConfig {
    /// Defaults of the command line, without a passphrase; `now` and `unix` (time since 1970) are the same moment.
    #[must_use]
    pub fn new(now: Instant, unix: Duration, identity: Identity) -> Self {
        Self {
            local: Local { identity, psk: Zeroizing::new([0; 32]) },
            name: String::new(),
            bound: SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), DEFAULT_PORT),
            own_addresses: Vec::new(),
            format: Format::default(),
            answer_all: false,
            answer_known: false,
            known: KnownPeers::default(),
            allow_unsealed: false,
            private: false,
            bitrate: 64_000,
            frame_ms: 10,
            ring_timeout: Duration::from_secs(60),
            clock: WallClock::new(now, unix),
        }
    }
}
