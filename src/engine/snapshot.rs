//! What one moment looks like: everything the screen and `stats` show, taken from meters and controls at once.

use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use super::controls::{Controls, Holder};
use super::meters::{Meters, PeerMeters};
use super::minute::Minute;
use super::{DelayBounds, EarconChoice, Processing, VoiceTuning};
use crate::audio::process::AtWork;
use crate::call::{CallState, Sending};
use crate::playout::Why;
use crate::units::{Format, Level, PeerId};

/// The estimated way of the peer's voice to this side's ear, ms each. `None`: not known.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Stack {
    pub microphone: Option<f32>,
    /// The cleaning of the voice; nothing, if the peer does not tell of any.
    pub processing: f32,
    pub frame: Option<f32>,
    pub network: Option<f32>,
    pub playout: Option<f32>,
    pub card: Option<f32>,
}

impl Stack {
    pub const PARTS: usize = 6;

    /// Of the peer whose slot this is.
    #[must_use]
    pub fn take(peer: &PeerMeters, meters: &Meters) -> Self {
        let processing = peer.peer_processing_delay_ms.get().unwrap_or(0.0);
        Self {
            microphone: peer.peer_capture_delay_ms.get().map(|delay| (delay - processing).max(0.0)),
            processing,
            frame: peer.frame_ms.get(),
            network: peer.rtt_ms.get().map(|rtt| rtt / 2.0),
            playout: peer.playout_delay_ms.get(),
            card: meters.out.card_delay_ms.get(),
        }
    }

    #[must_use]
    pub fn parts(&self) -> [(&'static str, Option<f32>); Self::PARTS] {
        [
            ("microphone", self.microphone),
            ("processing", Some(self.processing)),
            ("frame", self.frame),
            ("network", self.network),
            ("playout", self.playout),
            ("card", self.card),
        ]
    }

    /// The sum of the known parts; `None` until the playout runs. See [`Stack::is_whole`].
    #[must_use]
    pub fn total(&self) -> Option<f32> {
        self.playout?;
        Some(self.parts().iter().filter_map(|(_, part)| *part).sum())
    }

    /// False: a part is unknown, and the total is "at least".
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.parts().iter().all(|(_, part)| part.is_some())
    }
}

/// One peer, at one moment.
#[derive(Clone, PartialEq, Debug)]
pub struct PeerSnapshot {
    pub id: PeerId,
    pub state: CallState,
    pub in_state: Duration,
    pub format: Format,
    pub sent_packets: u64,
    pub sent_bytes: u64,
    pub received_packets: u64,
    pub received_bytes: u64,
    pub lost_packets: u64,
    pub late_packets: u64,
    pub duplicate_packets: u64,
    pub reordered_packets: u64,
    pub played_packets: u64,
    pub repaired_packets: u64,
    pub voice_samples: u64,
    pub concealed_samples: u64,
    pub stretched_samples: u64,
    pub jitter_ms: Option<f32>,
    pub rtt_ms: Option<f32>,
    pub playout_delay_ms: Option<f32>,
    pub playout_target_ms: Option<f32>,
    /// Why it is that.
    pub playout_why: Option<Why>,
    pub drift_ppm: Option<f32>,
    pub heard_lost_percent: Option<f32>,
    pub heard_delay_ms: Option<f32>,
    /// Nothing was heard of it for long, and it is in a call.
    pub is_quiet: bool,
    pub sending: Option<Sending>,
    /// R factor and MOS-LQ of what is heard of the peer; see [`crate::call::Quality`].
    pub r_factor: Option<f32>,
    pub mos_lq: Option<f32>,
    pub minute: Minute,
    pub stack: Stack,
    pub level: Level,
    pub speaking: bool,
    pub volume: u8,
    pub muted: bool,
}

impl PeerSnapshot {
    fn take(id: PeerId, meters: &Meters, controls: &Controls, now: Instant) -> Self {
        let peer = meters.peer(id);
        let since = meters.epoch + Duration::from_nanos(peer.since_ns.load(Relaxed));
        Self {
            id,
            state: meters.state(id),
            in_state: now.saturating_duration_since(since),
            format: match peer.format.load(Relaxed) {
                0 => Format::Sealed,
                2 => Format::Pcm,
                _ => Format::Rtp,
            },
            sent_packets: peer.sent_packets.get(),
            sent_bytes: peer.sent_bytes.get(),
            received_packets: peer.received_packets.get(),
            received_bytes: peer.received_bytes.get(),
            lost_packets: peer.lost_packets.get(),
            late_packets: peer.late_packets.get(),
            duplicate_packets: peer.duplicate_packets.get(),
            reordered_packets: peer.reordered_packets.get(),
            played_packets: peer.played_packets.get(),
            repaired_packets: peer.repaired_packets.get(),
            voice_samples: peer.voice_samples.get(),
            concealed_samples: peer.concealed_samples.get(),
            stretched_samples: peer.stretched_samples.get(),
            jitter_ms: peer.jitter_ms.get(),
            rtt_ms: peer.rtt_ms.get(),
            playout_delay_ms: peer.playout_delay_ms.get(),
            playout_target_ms: peer.playout_target_ms.get(),
            playout_why: peer.playout_why.get(),
            drift_ppm: peer.drift_ppm.get(),
            heard_lost_percent: peer.heard_lost_percent.get(),
            heard_delay_ms: peer.heard_delay_ms.get(),
            is_quiet: peer.is_quiet.load(Relaxed),
            sending: peer.sending.get(),
            r_factor: peer.r_factor.get(),
            mos_lq: peer.mos_lq.get(),
            minute: Minute::of(&peer.wave),
            stack: Stack::take(peer, meters),
            level: peer.peak.take(),
            speaking: peer.speaking.load(Relaxed),
            volume: controls.peer_volume(id),
            muted: controls.peer_muted(id),
        }
    }

    /// Share of the voice so far that was concealment, percent; `None` before any voice.
    #[must_use]
    pub fn concealed_percent(&self) -> Option<f32> {
        (self.voice_samples > 0).then(|| 100.0 * self.concealed_samples as f32 / self.voice_samples as f32)
    }

    /// Share of the expected packets that never came, percent.
    #[must_use]
    pub fn lost_percent(&self) -> Option<f32> {
        let expected = self.received_packets + self.lost_packets;
        (expected > 0).then(|| 100.0 * self.lost_packets as f32 / expected as f32)
    }
}

/// Everything the screen draws from, taken once a frame. Drawing is a function of this and the app's own state.
#[derive(Clone, PartialEq, Debug)]
pub struct Snapshot {
    pub now: Instant,
    /// Who keys the microphone by [`Controls`]; on air only while `on_air` too.
    pub holder: Option<Holder>,
    /// How long the holder's lease still runs.
    pub lease_left: Option<Duration>,
    /// Frames leave for the network.
    pub on_air: bool,
    pub mic_running: bool,
    /// Voice activation is on: it listens, and is on air while it hears a voice.
    pub voice_armed: bool,
    /// How likely the newest 16 ms of the microphone hold speech, 0..=1; unknown while it is off.
    pub voice_score: Option<f32>,
    pub voice: VoiceTuning,
    pub muted: bool,
    pub deafened: bool,
    /// A delay is being measured: chirps leave in place of the microphone.
    pub measuring: bool,
    pub volume: u8,
    /// What the user wants of the playout delay.
    pub delay: DelayBounds,
    pub earcons: EarconChoice,
    /// What is wanted done to the own voice, what is done now, and how much later it leaves for it, ms.
    pub processing: Processing,
    pub at_work: AtWork,
    pub processing_ms: Option<f32>,
    /// How loud it is at the microphone while nobody speaks, dBFS.
    pub floor_db: Option<f32>,
    pub loudspeaker: bool,
    pub mic_level: Level,
    pub mic_clipped: u64,
    pub mic_overruns: u64,
    pub capture_delay_ms: Option<f32>,
    pub out_running: bool,
    pub out_level: Level,
    pub card_delay_ms: Option<f32>,
    pub block_samples: Option<f32>,
    pub out_underruns: u64,
    pub received_datagrams: u64,
    pub dropped_unknown: u64,
    pub dropped_malformed: u64,
    pub dropped_stranger: u64,
    pub dropped_full: u64,
    pub send_errors: u64,
    /// The peers whose slot is taken (state other than `Idle`), by slot.
    pub peers: Vec<PeerSnapshot>,
}

impl Snapshot {
    /// Reads everything once. The needles start anew, so only one caller draws levels.
    #[must_use]
    pub fn take(meters: &Meters, controls: &Controls, now: Instant) -> Self {
        let holder = controls.on_air(now);
        let taken = PeerId::all().filter(|id| meters.state(*id) != CallState::Idle);
        Self {
            now,
            holder,
            lease_left: holder.and_then(|holder| controls.remaining(holder, now)),
            on_air: meters.mic.on_air.load(Relaxed),
            mic_running: meters.mic.running.load(Relaxed),
            voice_armed: controls.voice_armed().is_some(),
            voice_score: meters.mic.voice_score.get(),
            voice: controls.voice(),
            muted: controls.muted(),
            deafened: controls.deafened(),
            measuring: controls.measuring().is_some(),
            volume: controls.volume(),
            delay: controls.delay(),
            earcons: controls.earcons(),
            processing: controls.processing(),
            at_work: meters.mic.process.at_work(),
            processing_ms: meters.mic.process.delay_ms.get(),
            floor_db: meters.mic.process.floor_db.get(),
            loudspeaker: controls.is_loudspeaker(),
            mic_level: meters.mic.peak.take(),
            mic_clipped: meters.mic.clipped.get(),
            mic_overruns: meters.mic.overruns.get(),
            capture_delay_ms: meters.mic.capture_delay_ms.get(),
            out_running: meters.out.running.load(Relaxed),
            out_level: meters.out.peak.take(),
            card_delay_ms: meters.out.card_delay_ms.get(),
            block_samples: meters.out.block_samples.get(),
            out_underruns: meters.out.underruns.get(),
            received_datagrams: meters.net.received_datagrams.get(),
            dropped_unknown: meters.net.dropped_unknown.get(),
            dropped_malformed: meters.net.dropped_malformed.get(),
            dropped_stranger: meters.net.dropped_stranger.get(),
            dropped_full: meters.net.dropped_full.get(),
            send_errors: meters.net.send_errors.get(),
            peers: taken.map(|id| PeerSnapshot::take(id, meters, controls, now)).collect(),
        }
    }

    #[must_use]
    pub fn peer(&self, id: PeerId) -> Option<&PeerSnapshot> {
        self.peers.iter().find(|peer| peer.id == id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_starts_at_nothing_for_its_next_peer() {
        let start = Instant::now();
        let (meters, controls) = (Meters::new(start), Controls::new(start));
        let id = PeerId::new(2).expect("slot 2");
        meters.set_state(id, CallState::Live, start + Duration::from_secs(1));
        meters.peer(id).lost_packets.add(7);
        meters.peer(id).rtt_ms.set(12.0);
        meters.peer(id).peak.push(0.5);
        let snapshot = Snapshot::take(&meters, &controls, start + Duration::from_secs(3));
        let peer = snapshot.peer(id).expect("the slot is taken");
        assert_eq!((peer.in_state, peer.lost_packets, peer.rtt_ms), (Duration::from_secs(2), 7, Some(12.0)));
        assert!((peer.level.0 + 6.02).abs() < 0.01);
        meters.peer(id).reset();
        let snapshot = Snapshot::take(&meters, &controls, start + Duration::from_secs(3));
        let peer = snapshot.peer(id).expect("still taken");
        assert_eq!((peer.lost_packets, peer.rtt_ms, peer.level), (0, None, Level::SILENCE));
    }

    #[test]
    fn an_unknown_part_makes_the_total_at_least() {
        let mut stack = Stack { frame: Some(16.5), network: Some(1.0), playout: Some(12.0), card: Some(5.0), ..Stack::default() };
        assert_eq!((stack.total(), stack.is_whole()), (Some(34.5), false));
        stack.microphone = Some(5.0);
        assert_eq!((stack.total(), stack.is_whole()), (Some(39.5), true));
        stack.playout = None;
        assert_eq!(stack.total(), None);
    }
}
