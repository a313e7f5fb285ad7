//! From the microphone's frames to datagrams. Pure; the sender thread owns it.

use std::net::SocketAddr;
use std::time::Instant;

use rand::rngs::StdRng;

use super::config::UplinkConfig;
use super::plan::{SendPlan, SentCounts};
use crate::audio::Frame;
use crate::units::PeerId;

/// One encoder for all peers, one stream each.
#[derive(Debug)]
pub struct Uplink {
    config: UplinkConfig,
    rng: StdRng,
}

impl Uplink {
    /// # Errors
    /// The codec could not be made; a sentence.
    pub fn new(config: UplinkConfig, rng: StdRng) -> Result<Self, String> {
        Ok(Self { config, rng })
    }

    /// The downlink's [`super::Event::Plan`]; `None`: nothing goes to this peer any more.
    pub fn handle_plan(&mut self, id: PeerId, plan: Option<SendPlan>) {
        let _ = (id, plan, &self.config, &self.rng);
    }

    /// Takes the next 10 ms, whether on air or not: the ones before a key press leave with it (pre-roll).
    /// `captured`: when the frame's last sample entered the buffer. `on_air`: the lease at that moment.
    /// Calls `send` once per datagram. Returns whether frames leave (the tail after un-key included).
    pub fn handle_frame(
        &mut self,
        frame: &Frame,
        captured: Instant,
        on_air: bool,
        send: &mut impl FnMut(PeerId, SocketAddr, &[u8]),
    ) -> bool {
        let _ = (frame, captured, on_air, send);
        false
    }

    /// What went to a peer so far; for [`super::Downlink::handle_sent`] and the meters. All zero without a plan.
    #[must_use]
    pub fn counts(&self, id: PeerId) -> SentCounts {
        let _ = id;
        SentCounts::default()
    }
}
