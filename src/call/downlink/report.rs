//! What this side tells a peer: reports, description, control, farewell, in one compound (RFC 3550, 6.1).

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::bursts::GMIN;
use super::measure;
use super::peer::Peer;
use super::source::Source;
use crate::call::clock::WallClock;
use crate::call::quality::Rating;
use crate::session::keys::OVERHEAD;
use crate::units::{RtpTime, SAMPLE_RATE, Ssrc};
use crate::wire::Refused;
use crate::wire::app::{self, CallWord, Tlv};
use crate::wire::measure::MEASURE_MAX;
use crate::wire::parcel;
use crate::wire::rtcp::{ReportBlock, SenderInfo, Writer, ntp_units};
use crate::wire::xr::{Dlrr, VoipMetrics};

/// Longest control datagram, bytes: reports, metrics and two names fit.
pub(super) const CONTROL_MAX: usize = 512;
/// ... of which so many for what it says, so that it fits a parcel of that length.
pub(super) const CONTROL_ROOM: usize = CONTROL_MAX - parcel::HEADER_BYTES;
/// Datagrams that wait for the socket; all that they say is said again.
const OUTBOX_MAX: usize = 64;
/// Largest delay that a statement can carry, ms.
const TENTHS_MAX: f32 = 6_553.0;

/// A control datagram on its way to the socket.
#[derive(Debug)]
pub(super) struct Outgoing {
    pub to: SocketAddr,
    pub len: usize,
    pub bytes: [u8; CONTROL_MAX + OVERHEAD],
}

/// Datagrams for the socket, bounded.
#[derive(Debug, Default)]
pub(super) struct Outbox(VecDeque<Outgoing>);

impl Outbox {
    pub(super) fn push(&mut self, to: SocketAddr, bytes: &[u8]) {
        let mut outgoing = Outgoing { to, len: bytes.len(), bytes: [0; CONTROL_MAX + OVERHEAD] };
        let Some(front) = outgoing.bytes.get_mut(..bytes.len()) else { return };
        front.copy_from_slice(bytes);
        if self.0.len() < OUTBOX_MAX {
            self.0.push_back(outgoing);
        }
    }

    pub(super) fn pop(&mut self) -> Option<Outgoing> {
        self.0.pop_front()
    }
}

/// What is the same in every report of this side.
#[derive(Clone, Debug)]
pub(super) struct Author {
    pub cname: String,
    pub name: String,
    pub clock: WallClock,
    pub capture_delay_ms: Option<f32>,
    pub processing_delay_ms: f32,
    /// What this side can do, of [`app::caps`].
    pub caps: u32,
    /// This side records the call.
    pub recording: bool,
}

impl Author {
    /// Writes the compound for `peer` into `out`, of whose room it takes no more than there is: what does not fit is left out, the
    /// least needed first. Returns its length.
    pub(super) fn compose(&self, peer: &mut Peer, now: Instant, out: &mut [u8]) -> usize {
        let mut blocks = [ReportBlock::default(); 1];
        let mut heard = 0;
        let clock_rate = peer.media.clock_rate();
        if peer.accepted
            && let Some(source) = peer.media.current_mut()
        {
            blocks[0] = source.report(now, clock_rate);
            heard = 1;
            peer.reported_loss = blocks[0].fraction_lost > 0;
            peer.media.wants.gaps = 0;
        }
        let mut body = [0; CONTROL_MAX];
        let length = self.statements(peer, &mut body);
        peer.sealing.pong = 0;
        let mut writer = Writer::new(out);
        let ntp = self.clock.ntp(now);
        let blocks = &blocks[..heard];
        let wrote = match sender_info(peer, now, ntp) {
            Some(info) => writer.sender_report(peer.ssrc, &info, blocks),
            None => writer.receiver_report(peer.ssrc, blocks),
        };
        let name = Some(self.name.as_str()).filter(|name| !name.is_empty() && peer.accepted);
        let wrote = wrote.and_then(|()| writer.sdes(peer.ssrc, &self.cname, name)).and_then(|()| {
            // With everything, else with what the call cannot do without.
            writer.app(peer.ssrc, app::NAME, &body[..length]).or_else(|_| {
                let mut essential = [0; 32];
                let length = essentials(peer, &mut essential);
                writer.app(peer.ssrc, app::NAME, &essential[..length])
            })
        });
        if wrote.is_err() {
            return 0;
        }
        if peer.is_vtui && peer.accepted {
            // Whoever only listens sends no sender reports: this is its way to the round trip (RFC 3611, 4.4).
            let delay = |at| ntp_units(now.saturating_duration_since(at));
            let answer = peer.their_time.map(|(ssrc, last_time, at)| Dlrr { ssrc, last_time, delay: delay(at) });
            let _ = writer.times(peer.ssrc, ntp, answer);
        }
        if peer.is_vtui && heard == 1 {
            let _ = writer.voip_metrics(peer.ssrc, &metrics(peer, &blocks[0]));
        }
        if peer.is_ended() && peer.accepted {
            let _ = writer.bye(peer.ssrc, None);
        }
        peer.sent_reported = peer.sent.packets;
        peer.reported = now;
        writer.finish()
    }

    fn statements(&self, peer: &Peer, out: &mut [u8]) -> usize {
        let mut writer = app::Writer::new(out);
        let mut put = || -> Result<(), Refused> {
            put_state(&mut writer, peer)?;
            writer.put(Tlv::Caps(self.caps))?;
            // In the clear nobody would believe it, and everybody could read it.
            if peer.sealing.session.is_some() {
                writer.put(Tlv::Recording(self.recording))?;
            }
            if !self.name.is_empty() && peer.accepted {
                writer.put(Tlv::Name(&self.name))?;
            }
            if let Some(delay) = self.capture_delay_ms {
                writer.put(Tlv::CaptureDelay(tenths(delay)))?;
                writer.put(Tlv::ProcessingDelay(tenths(self.processing_delay_ms)))?;
            }
            // Only out of a session: in the clear anybody could answer, or ask.
            if peer.sealing.session.is_some() && peer.sealing.ping != 0 {
                writer.put(Tlv::Ping(peer.sealing.ping))?;
            }
            if peer.sealing.session.is_some() && peer.sealing.pong != 0 {
                writer.put(Tlv::Pong(peer.sealing.pong))?;
            }
            if let Some(statement) = measure::statement(peer) {
                let mut value = [0; MEASURE_MAX];
                let len = statement.write(&mut value);
                writer.put(Tlv::Measure(&value[..len]))?;
            }
            if peer.playing && peer.playout.delay_ms > 0.0 {
                writer.put(Tlv::PlayoutDelay(tenths(peer.playout.delay_ms + peer.playout.card_ms)))?;
            }
            Ok(())
        };
        // The buffer holds the longest of all of these.
        let _ = put();
        writer.finish()
    }

    /// One word to somebody with whom there is no call: no longer than what `limit` allows, or nothing.
    pub(super) fn reply(&self, ssrc: Ssrc, word: CallWord, theirs: u32, limit: usize, out: &mut [u8]) -> usize {
        let mut body = [0; 16];
        let mut statements = app::Writer::new(&mut body);
        let _ = statements.put(Tlv::State(word)).and_then(|()| statements.put(Tlv::Leg { ours: 0, yours: theirs }));
        let length = statements.finish();
        let room = limit.min(out.len());
        let mut writer = Writer::new(&mut out[..room]);
        let wrote = writer
            .receiver_report(ssrc, &[])
            .and_then(|()| writer.sdes(ssrc, &self.cname, None))
            .and_then(|()| writer.app(ssrc, app::NAME, &body[..length]));
        if wrote.is_ok() { writer.finish() } else { 0 }
    }
}

fn essentials(peer: &Peer, out: &mut [u8]) -> usize {
    let mut writer = app::Writer::new(out);
    let _ = put_state(&mut writer, peer);
    writer.finish()
}

fn put_state(writer: &mut app::Writer<'_>, peer: &Peer) -> Result<(), Refused> {
    writer.put(Tlv::State(peer.leg.word))?;
    writer.put(Tlv::Leg { ours: peer.leg.ours, yours: peer.leg.theirs })?;
    peer.leg.their_word.map_or(Ok(()), |word| writer.put(Tlv::Echo(word)))
}

fn tenths(ms: f32) -> u16 {
    (ms.clamp(0.0, TENTHS_MAX) * 10.0).round() as u16
}

/// What we sent since the last report, if anything: then it is a sender report.
fn sender_info(peer: &Peer, now: Instant, ntp: u64) -> Option<SenderInfo> {
    let sent = &peer.sent;
    if sent.packets == peer.sent_reported || sent.ssrc != peer.ssrc {
        return None;
    }
    let (time, at) = sent.last?;
    // The RTP clock runs on: what it would read now.
    let since = now.saturating_duration_since(at);
    let ticks = (since.as_micros() * u128::from(SAMPLE_RATE) / 1_000_000) as u32;
    Some(SenderInfo { ntp, rtp: RtpTime(time.0.wrapping_add(ticks)), packets: sent.packets, octets: sent.octets })
}

/// VoIP metrics (RFC 3611, 4.7) of what we hear of this peer. What is not measured says so.
fn metrics(peer: &Peer, block: &ReportBlock) -> VoipMetrics {
    let expected = peer.media.received_packets + peer.media.lost();
    let rate = |count: u64| (count * 256).checked_div(expected).unwrap_or(0).min(255) as u8;
    let ms = |value: f32| value.clamp(0.0, f32::from(u16::MAX)) as u16;
    // R as it is, MOS in tenths (RFC 3611, 4.7.5).
    let rating = |part: fn(&Rating) -> f32| peer.playout.quality.map_or(VoipMetrics::UNAVAILABLE, |rating| part(&rating).round() as u8);
    // Over the last some seconds, not since the beginning: the other side chooses its redundancy by it.
    let shape = peer.media.current().map(Source::loss_shape).unwrap_or_default();
    let density = |share: f32| (share * 256.0).min(255.0) as u8;
    VoipMetrics {
        ssrc: block.ssrc,
        loss_rate: rate(peer.media.lost()),
        discard_rate: rate(peer.playout.late_packets),
        burst_density: density(shape.burst_density),
        gap_density: density(shape.gap_density),
        burst_duration: ms(shape.burst_packets * peer.media.packet_ms),
        gap_duration: ms(shape.gap_packets * peer.media.packet_ms),
        round_trip_delay: ms(peer.rtt_ms.unwrap_or_default()),
        end_system_delay: ms(peer.playout.delay_ms + peer.playout.card_ms),
        signal_level: VoipMetrics::UNAVAILABLE.cast_signed(),
        noise_level: VoipMetrics::UNAVAILABLE.cast_signed(),
        rerl: VoipMetrics::UNAVAILABLE,
        gmin: GMIN,
        r_factor: rating(|rating| rating.r),
        ext_r_factor: VoipMetrics::UNAVAILABLE,
        mos_lq: rating(|rating| rating.mos_lq * 10.0),
        mos_cq: rating(|rating| rating.mos_cq * 10.0),
        rx_config: VoipMetrics::RX_CONFIG,
        jb_nominal: ms(peer.playout.target_ms),
        jb_maximum: ms(peer.playout.target_ms.max(peer.playout.delay_ms)),
        jb_abs_max: 400,
    }
}

/// When the next report to a foreign peer is due: 5 s, spread by 0.5 to 1.5 and corrected (RFC 3550, 6.3.1), `spread` in 0..1.
pub(super) fn foreign_interval(spread: f64) -> Duration {
    const COMPENSATION: f64 = std::f64::consts::E - 1.5;
    Duration::from_secs_f64(5.0 * (0.5 + spread.clamp(0.0, 1.0)) / COMPENSATION)
}
