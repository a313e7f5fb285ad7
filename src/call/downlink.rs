//! From datagrams to packets, and the state of the call. Pure; the receiver thread owns it.
//!
//! Call a command or `handle_*`, then drain: [`Downlink::poll_transmit`] until `None`, [`Downlink::poll_event`] until
//! `None`, copy [`Downlink::report`] of each peer, then sleep until [`Downlink::poll_timeout`] or the next datagram.

use std::net::SocketAddr;
use std::time::Instant;

use rand::rngs::StdRng;

use super::config::DownlinkConfig;
use super::event::{Event, NetCounts, PlayoutView, Report, SendFailure};
use super::plan::SentCounts;
use crate::playout::Packet;
use crate::units::{Format, PeerId, Slept};

/// Why a call was not placed. Displays as one sentence.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum CallError {
    /// The sentence says what is wrong with the address.
    Address(String),
    /// All slots are taken.
    Full,
    /// That address is in the call already.
    Already(PeerId),
    /// The sealed format is not in this build.
    NoSealed,
}

impl std::fmt::Display for CallError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Address(sentence) => f.write_str(sentence),
            Self::Full => f.write_str("The call is full: hang up one of its 16 peers first."),
            Self::Already(_) => f.write_str("That peer is in the call already."),
            Self::NoSealed => f.write_str("This version has no sealed format: call with rtp or pcm."),
        }
    }
}

impl std::error::Error for CallError {}

/// All peers, their streams, their states, their control messages and reports.
#[derive(Debug)]
pub struct Downlink {
    config: DownlinkConfig,
    rng: StdRng,
}

impl Downlink {
    #[must_use]
    pub fn new(config: DownlinkConfig, rng: StdRng) -> Self {
        Self { config, rng }
    }

    /// Calls `address` (`host[:port]`). A name becomes an [`Event::Resolve`]; an IP address is called at once.
    ///
    /// # Errors
    /// One sentence for the user.
    pub fn call(&mut self, now: Instant, address: &str, format: Option<Format>) -> Result<PeerId, CallError> {
        let _ = (now, address, format, &self.config, &self.rng);
        Err(CallError::Full)
    }

    /// The resolver's answer to [`Event::Resolve`]; the error is a sentence. Late answers for ended calls are ignored.
    pub fn handle_resolved(&mut self, now: Instant, ticket: u32, result: Result<Vec<SocketAddr>, String>) {
        let _ = (now, ticket, result);
    }

    /// Answers a ringing peer. `false`: it does not ring.
    pub fn answer(&mut self, now: Instant, id: PeerId) -> bool {
        let _ = (now, id);
        false
    }

    /// Declines a ringing peer. `false`: it does not ring.
    pub fn decline(&mut self, now: Instant, id: PeerId) -> bool {
        let _ = (now, id);
        false
    }

    /// Hangs up (or declines, if it rings). `false`: nobody is there.
    pub fn hangup(&mut self, now: Instant, id: PeerId) -> bool {
        let _ = (now, id);
        false
    }

    pub fn hangup_all(&mut self, now: Instant) {
        let _ = now;
    }

    /// Whether any peer is in the call (called, ringing there or live): the microphone may run.
    #[must_use]
    pub fn has_call(&self) -> bool {
        false
    }

    /// One datagram as the socket gave it. Packets to hear go to `sink`.
    pub fn handle_datagram(&mut self, now: Instant, from: SocketAddr, bytes: &[u8], sink: &mut impl FnMut(PeerId, Packet)) {
        let _ = (now, from, bytes, sink);
    }

    /// Does what is due at `now`.
    pub fn handle_timeout(&mut self, now: Instant) {
        let _ = now;
    }

    /// When [`Downlink::handle_timeout`] is due; `None`: never, until something comes.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        None
    }

    /// Writes the next control datagram into `buffer` (at least [`crate::units::MAX_DATAGRAM`] bytes).
    pub fn poll_transmit(&mut self, buffer: &mut [u8]) -> Option<(SocketAddr, usize)> {
        let _ = buffer;
        None
    }

    #[must_use]
    pub fn poll_event(&mut self) -> Option<Event> {
        None
    }

    /// The machine slept: what was measured before is old.
    pub fn handle_slept(&mut self, now: Instant, slept: Slept) {
        let _ = (now, slept);
    }

    /// What the sender has sent to a peer (once per wake-up is enough).
    pub fn handle_sent(&mut self, id: PeerId, counts: SentCounts) {
        let _ = (id, counts);
    }

    /// A datagram to `to` could not be sent, or an ICMP error came back for it: a hint for the screen.
    pub fn handle_send_error(&mut self, now: Instant, to: SocketAddr, failure: SendFailure) {
        let _ = (now, to, failure);
    }

    /// What playout does with a peer's voice, for the reports to it.
    pub fn handle_playout(&mut self, id: PeerId, view: PlayoutView) {
        let _ = (id, view);
    }

    /// This side's microphone delay, for the peers' mouth-to-ear stack; `None`: unknown.
    pub fn handle_capture_delay(&mut self, delay_ms: Option<f32>) {
        let _ = delay_ms;
    }

    /// This side's addresses changed (see [`DownlinkConfig::own_addresses`]).
    pub fn handle_own_addresses(&mut self, addresses: Vec<std::net::IpAddr>) {
        self.config.own_addresses = addresses;
    }

    /// What is measured of a peer; all unknown for an empty slot.
    #[must_use]
    pub fn report(&self, id: PeerId) -> Report {
        let _ = id;
        Report::default()
    }

    /// What is counted apart from any peer.
    #[must_use]
    pub fn net(&self) -> NetCounts {
        NetCounts::default()
    }
}
