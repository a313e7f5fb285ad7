//! Asking a voicetui for what its stream lacks, and taking what it sends again (RFC 4585, RFC 4588); how our voice goes to it.

use std::time::{Duration, Instant};

use super::Downlink;
use super::adapt::Bounds;
use super::media::{Arrival, Dropped};
use super::missing::Patience;
use super::peer::{Peer, Via};
use crate::call::event::{SendReason, Sending};
use crate::playout::Packet;
use crate::session::keys::OVERHEAD;
use crate::units::{Format, PeerId, SEED_RATE, SEED_SAMPLES, Seq};
use crate::wire::app::caps;
use crate::wire::rtcp::Writer;
use crate::wire::rtp;

/// IPv4 and IPv6 headers with UDP's, bytes.
const IPV4_BYTES: usize = 28;
const IPV6_BYTES: usize = 48;
/// A NACK: header, two SSRCs, an entry for each packet at worst.
const NACK_BYTES: usize = 12 + 4 * 16;
/// The first losses are told of at once, but for this pause.
const HASTE_PAUSE: Duration = Duration::from_millis(100);
/// Gaps that make a report urgent.
const HASTE_GAPS: u32 = 2;

/// Whether this peer sends again what it is asked for.
pub(super) fn can_ask(peer: &Peer) -> bool {
    peer.is_vtui && peer.accepted && peer.leg.caps & caps::NACK != 0
}

impl Downlink {
    /// Asks for what is missing and can still come in time, in a datagram of its own (RFC 5506).
    pub(super) fn ask_again(&mut self, now: Instant, id: PeerId) {
        let Some(peer) = self.peers[id.slot()].as_deref_mut() else { return };
        let ms = |ms: f32| Duration::from_secs_f32(ms.clamp(0.0, 10_000.0) / 1_000.0);
        let patience = Patience { rtt: peer.rtt_ms.map(ms), delay: ms(peer.playout.delay_ms.max(peer.playout.target_ms)) };
        let mut lost = [Seq(0); 16];
        let len = peer.media.wants.ask(now, patience, &mut lost);
        let Some(media) = peer.media.current().map(|source| source.ssrc).filter(|_| len > 0) else { return };
        let mut out = [0; NACK_BYTES + OVERHEAD];
        let mut writer = Writer::new(&mut out[..NACK_BYTES]);
        let wrote = writer.nack(peer.ssrc, media, &lost[..len]);
        let length = writer.finish();
        if wrote.is_ok() {
            self.push_control(id, &mut out, length);
        }
    }

    /// A packet of the retransmissions' payload type; false: it is no retransmission, as it is no voicetui's.
    pub(super) fn handle_rtx(
        &mut self,
        now: Instant,
        via: Via,
        packet: &rtp::Packet<'_>,
        bytes: usize,
        sink: &mut impl FnMut(PeerId, Packet),
    ) -> bool {
        let id = self.media_from(via, Some(rtp::rtx_media(packet.header.ssrc)));
        let Some(peer) = id.and_then(|id| self.peers[id.slot()].as_deref_mut()) else { return false };
        if !peer.is_vtui || !peer.playing {
            return false;
        }
        let id = peer.id;
        let arrival = Arrival { now, from: via.source(), bytes, can_ask: false };
        let taken = peer.media.handle_rtx(arrival, packet, &mut self.recorder.on_the_way(id, sink));
        match taken {
            Ok(()) => {}
            Err(Dropped::Malformed) => self.net.dropped_malformed += 1,
            Err(Dropped::Unknown) => self.net.dropped_unknown += 1,
        }
        true
    }

    /// The first losses after a clean report are told of at once: each one without copies is one that is heard. Not in private: a
    /// report at an odd time says that there was voice to lose.
    pub(super) fn hasten_report(&mut self, now: Instant, id: PeerId) {
        let Some(peer) = self.peers[id.slot()].as_deref_mut().filter(|_| !self.config.private) else { return };
        if peer.is_vtui && !peer.reported_loss && peer.media.wants.gaps >= HASTE_GAPS && !peer.media.wants.is_reordered(now) {
            let soon = now.max(peer.reported + HASTE_PAUSE);
            peer.report_at = peer.report_at.map(|at| at.min(soon));
        }
    }

    /// What binds the choice of how to send to a peer.
    pub(super) fn bounds(&self, peer: &Peer) -> Bounds {
        let ip = if peer.remote.is_some_and(|remote| remote.is_ipv6()) { IPV6_BYTES } else { IPV4_BYTES };
        Bounds {
            bitrate: self.config.bitrate,
            frame_ms: self.config.frame_ms,
            takes_red: peer.is_vtui && peer.leg.caps & caps::RED != 0,
            private: self.config.private && peer.format == Format::Sealed,
            header_bytes: (ip + if peer.format == Format::Sealed { OVERHEAD } else { 0 }) as u32,
        }
    }

    /// How our voice goes to this peer: its own copies, and the one encoder that serves all peers.
    pub(super) fn sending(&self, peer: &Peer) -> Option<Sending> {
        let chosen = peer.chosen.filter(|_| peer.playing)?;
        if peer.format == Format::Pcm {
            let frame_ms = (SEED_SAMPLES * 1_000 / SEED_RATE as usize) as u8;
            return Some(Sending { bitrate: SEED_RATE * 16, frame_ms, copies: 0, spacing: 1, reason: SendReason::Unheard });
        }
        let others = || self.all().filter(|peer| peer.playing && peer.format != Format::Pcm).filter_map(|peer| peer.chosen);
        let bitrate = others().map(|choice| choice.bitrate).min().unwrap_or(chosen.bitrate);
        let frame_ms = others().map(|choice| choice.frame_ms as u8).max().unwrap_or(chosen.frame_ms as u8);
        Some(Sending { bitrate, frame_ms, ..chosen.sending() })
    }
}
