//! What the audio and network threads measure and the screen reads: atomics, and one [`Snapshot`] a frame.
//!
//! Every field has one writing thread and stands alone, so all accesses are `Relaxed`.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use super::controls::{Controls, Holder};
use super::wave::Wave;
use crate::call::{CallState, SendReason, Sending};
use crate::units::{Format, Level, MAX_PEERS, PeerId};

/// A count that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Relaxed);
    }

    pub fn set(&self, value: u64) {
        self.0.store(value, Relaxed);
    }

    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// The latest value of a measurement; unknown until first set.
#[derive(Debug)]
pub struct Gauge(AtomicU32);

impl Default for Gauge {
    fn default() -> Self {
        Self(AtomicU32::new(f32::NAN.to_bits()))
    }
}

impl Gauge {
    pub fn set(&self, value: f32) {
        self.0.store(value.to_bits(), Relaxed);
    }

    pub fn clear(&self) {
        self.set(f32::NAN);
    }

    /// Unknown values clear it.
    pub fn set_known(&self, value: Option<f32>) {
        self.set(value.unwrap_or(f32::NAN));
    }

    #[must_use]
    pub fn get(&self) -> Option<f32> {
        Some(f32::from_bits(self.0.load(Relaxed))).filter(|value| value.is_finite())
    }
}

/// How our voice goes to a peer, in one word: 24 bits of rate in units of 8 bit/s, then frame, copies, spacing, reason.
#[derive(Debug, Default)]
pub struct SendingCell(AtomicU64);

impl SendingCell {
    pub fn set(&self, sending: Option<Sending>) {
        let word = sending.map_or(0, |s| {
            let bytes = [1, s.frame_ms, s.copies, s.spacing, s.reason as u8].into_iter().fold(0, |word, byte| word << 8 | u64::from(byte));
            u64::from(s.bitrate / 8) << 40 | bytes
        });
        self.0.store(word, Relaxed);
    }

    #[must_use]
    pub fn get(&self) -> Option<Sending> {
        let word = self.0.load(Relaxed);
        let byte = |at: u32| (word >> (8 * at)) as u8;
        (byte(4) == 1).then(|| Sending {
            bitrate: (word >> 40) as u32 * 8,
            frame_ms: byte(3),
            copies: byte(2),
            spacing: byte(1),
            reason: SendReason::ALL.get(usize::from(byte(0))).copied().unwrap_or_default(),
        })
    }
}

/// A meter needle: keeps the loudest value since it was last read.
#[derive(Debug, Default)]
pub struct Needle(AtomicU32);

impl Needle {
    /// `amplitude`: linear, >= 0. The bits of non-negative floats order as the floats do.
    pub fn push(&self, amplitude: f32) {
        self.0.fetch_max(amplitude.max(0.0).to_bits(), Relaxed);
    }

    /// The loudest since the last call, then zero. For the one reader that draws.
    #[must_use]
    pub fn take(&self) -> Level {
        Level::from_amplitude(f32::from_bits(self.0.swap(0, Relaxed)))
    }
}

/// The microphone, its stream and the sender thread.
#[derive(Debug, Default)]
pub struct MicMeters {
    /// Samples reach the ring and the meters (nothing leaves unless on air).
    pub running: AtomicBool,
    /// Frames leave for the network now (written by the sender thread, for the screen to believe).
    pub on_air: AtomicBool,
    pub peak: Needle,
    /// Frames with a sample at full scale.
    pub clipped: Counter,
    /// From the air to our callback, ms.
    pub capture_delay_ms: Gauge,
    /// Samples dropped because the ring to the sender was full.
    pub overruns: Counter,
    pub wave: Wave,
}

/// The loudspeaker and its stream.
#[derive(Debug, Default)]
pub struct OutMeters {
    pub running: AtomicBool,
    pub peak: Needle,
    /// From our callback to the air, ms.
    pub card_delay_ms: Gauge,
    /// Samples the card asked for in its last block.
    pub block_samples: Gauge,
    /// Stream errors that cost sound.
    pub underruns: Counter,
}

/// What the socket saw apart from any peer.
#[derive(Debug, Default)]
pub struct NetMeters {
    pub received_datagrams: Counter,
    /// Not in any format we know.
    pub dropped_unknown: Counter,
    /// In a known format, but malformed.
    pub dropped_malformed: Counter,
    /// Well-formed, from somebody neither called nor accepted.
    pub dropped_stranger: Counter,
    /// A ring to the playback side was full.
    pub dropped_full: Counter,
    /// `send` failed (no route, refused): hints, never an end.
    pub send_errors: Counter,
}

/// One peer's slot. The receiver thread writes the first block, the sender the second, playback the third.
#[derive(Debug, Default)]
pub struct PeerMeters {
    pub state: AtomicU8,
    /// Nanoseconds after the meters' epoch at which `state` was entered.
    pub since_ns: AtomicU64,
    pub format: AtomicU8,
    pub received_packets: Counter,
    /// Bytes of UDP payload.
    pub received_bytes: Counter,
    /// Expected minus received (RFC 3550, A.3), never below 0.
    pub lost_packets: Counter,
    pub reordered_packets: Counter,
    /// Interarrival jitter (RFC 3550, 6.4.1).
    pub jitter_ms: Gauge,
    pub rtt_ms: Gauge,
    /// The peer's microphone delay, as it says itself.
    pub peer_capture_delay_ms: Gauge,
    /// Frame length plus codec look-ahead of what we hear.
    pub frame_ms: Gauge,
    /// Share of our packets that the peer's last report says it lost, percent. Unknown: not heard yet.
    pub heard_lost_percent: Gauge,
    /// Mouth-to-ear delay of our voice over there, from its reports.
    pub heard_delay_ms: Gauge,
    pub sending: SendingCell,

    pub sent_packets: Counter,
    pub sent_bytes: Counter,

    pub played_packets: Counter,
    pub repaired_packets: Counter,
    pub late_packets: Counter,
    pub duplicate_packets: Counter,
    /// Samples pulled while the peer was speaking, and how many of them were concealment.
    pub voice_samples: Counter,
    pub concealed_samples: Counter,
    /// Samples added or taken away by time-stretching.
    pub stretched_samples: Counter,
    pub playout_delay_ms: Gauge,
    pub playout_target_ms: Gauge,
    pub drift_ppm: Gauge,
    pub peak: Needle,
    pub speaking: AtomicBool,
    pub wave: Wave,
}

impl PeerMeters {
    /// A new peer takes the slot: everything starts at nothing.
    pub fn reset(&self) {
        let counters = [
            &self.received_packets,
            &self.received_bytes,
            &self.lost_packets,
            &self.reordered_packets,
            &self.sent_packets,
            &self.sent_bytes,
            &self.played_packets,
            &self.repaired_packets,
            &self.late_packets,
            &self.duplicate_packets,
            &self.voice_samples,
            &self.concealed_samples,
            &self.stretched_samples,
        ];
        counters.into_iter().for_each(|counter| counter.set(0));
        let gauges = [
            &self.jitter_ms,
            &self.rtt_ms,
            &self.peer_capture_delay_ms,
            &self.frame_ms,
            &self.heard_lost_percent,
            &self.heard_delay_ms,
            &self.playout_delay_ms,
            &self.playout_target_ms,
            &self.drift_ppm,
        ];
        gauges.into_iter().for_each(Gauge::clear);
        self.sending.set(None);
        let _ = self.peak.take();
        self.speaking.store(false, Relaxed);
        self.wave.clear();
    }
}

/// All that is measured, shared by every thread of one engine.
#[derive(Debug)]
pub struct Meters {
    epoch: Instant,
    pub mic: MicMeters,
    pub out: OutMeters,
    pub net: NetMeters,
    pub peers: [PeerMeters; MAX_PEERS],
}

impl Default for Meters {
    fn default() -> Self {
        Self::new(Instant::now())
    }
}

impl Meters {
    #[must_use]
    pub fn new(epoch: Instant) -> Self {
        Self { epoch, mic: MicMeters::default(), out: OutMeters::default(), net: NetMeters::default(), peers: Default::default() }
    }

    #[must_use]
    pub fn peer(&self, id: PeerId) -> &PeerMeters {
        &self.peers[id.slot()]
    }

    /// The receiver thread moved a peer to `state` at `now`.
    pub fn set_state(&self, id: PeerId, state: CallState, now: Instant) {
        let peer = self.peer(id);
        peer.since_ns.store(now.saturating_duration_since(self.epoch).as_nanos() as u64, Relaxed);
        peer.state.store(state.to_byte(), Relaxed);
    }

    #[must_use]
    pub fn state(&self, id: PeerId) -> CallState {
        CallState::from_byte(self.peer(id).state.load(Relaxed))
    }
}

/// The estimated way of the peer's voice to this side's ear, ms each. `None`: not known.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Stack {
    pub microphone: Option<f32>,
    pub frame: Option<f32>,
    pub network: Option<f32>,
    pub playout: Option<f32>,
    pub card: Option<f32>,
}

impl Stack {
    #[must_use]
    pub fn parts(&self) -> [(&'static str, Option<f32>); 5] {
        [("microphone", self.microphone), ("frame", self.frame), ("network", self.network), ("playout", self.playout), ("card", self.card)]
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
    pub drift_ppm: Option<f32>,
    pub heard_lost_percent: Option<f32>,
    pub heard_delay_ms: Option<f32>,
    pub sending: Option<Sending>,
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
        let stack = Stack {
            microphone: peer.peer_capture_delay_ms.get(),
            frame: peer.frame_ms.get(),
            network: peer.rtt_ms.get().map(|rtt| rtt / 2.0),
            playout: peer.playout_delay_ms.get(),
            card: meters.out.card_delay_ms.get(),
        };
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
            drift_ppm: peer.drift_ppm.get(),
            heard_lost_percent: peer.heard_lost_percent.get(),
            heard_delay_ms: peer.heard_delay_ms.get(),
            sending: peer.sending.get(),
            stack,
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
    pub muted: bool,
    pub deafened: bool,
    pub volume: u8,
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
            muted: controls.muted(),
            deafened: controls.deafened(),
            volume: controls.volume(),
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
        let mut stack = Stack { frame: Some(16.5), network: Some(1.0), playout: Some(12.0), card: Some(5.0), microphone: None };
        assert_eq!((stack.total(), stack.is_whole()), (Some(34.5), false));
        stack.microphone = Some(5.0);
        assert_eq!((stack.total(), stack.is_whole()), (Some(39.5), true));
        stack.playout = None;
        assert_eq!(stack.total(), None);
    }
}
