//! What the audio and network threads measure: atomics, of which one [`super::Snapshot`] is taken a frame.
//!
//! Every field has one writing thread and stands alone, so all accesses are `Relaxed`.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use super::wave::Wave;
use crate::audio::process::AtWork;
use crate::call::{CallState, SendReason, Sending, VoiceCounts};
use crate::playout::Why;
use crate::units::{Level, MAX_PEERS, PeerId};

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

/// Why the playout waits as long as it does; `None`: nothing was heard.
#[derive(Debug, Default)]
pub struct WhyCell(AtomicU8);

impl WhyCell {
    pub fn set(&self, why: Option<Why>) {
        self.0.store(why.map_or(0, |why| why as u8 + 1), Relaxed);
    }

    #[must_use]
    pub fn get(&self) -> Option<Why> {
        Why::ALL.get(usize::from(self.0.load(Relaxed).checked_sub(1)?)).copied()
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
    /// How likely the newest 16 ms hold speech, 0..=1; unknown while voice activation is off.
    pub voice_score: Gauge,
    /// What is done to the voice, and how much later it leaves for it.
    pub process: ProcessMeters,
    /// Samples dropped because the ring to the sender was full.
    pub overruns: Counter,
    pub wave: Wave,
}

impl MicMeters {
    /// From the air to the encoder, ms: the card and what is done to the voice. Unknown where the card's is.
    #[must_use]
    pub fn delay_ms(&self) -> Option<f32> {
        Some(self.capture_delay_ms.get()? + self.process.delay_ms.get().unwrap_or(0.0))
    }
}

/// What the sender thread does to the own voice.
#[derive(Debug, Default)]
pub struct ProcessMeters {
    pub echo: AtomicBool,
    pub noise: AtomicBool,
    /// dB that automatic gain adds.
    pub gain_db: Gauge,
    pub delay_ms: Gauge,
    /// How loud it is while nobody speaks, dBFS.
    pub floor_db: Gauge,
}

impl ProcessMeters {
    pub fn set(&self, at_work: AtWork, delay: Duration, floor: Option<f32>) {
        self.echo.store(at_work.echo, Relaxed);
        self.noise.store(at_work.noise, Relaxed);
        self.gain_db.set(at_work.gain);
        self.delay_ms.set(delay.as_secs_f32() * 1_000.0);
        self.floor_db.set_known(floor);
    }

    #[must_use]
    pub fn at_work(&self) -> AtWork {
        AtWork { echo: self.echo.load(Relaxed), noise: self.noise.load(Relaxed), gain: self.gain_db.get().unwrap_or(0.0) }
    }

    /// The microphone is closed.
    pub fn clear(&self) {
        self.set(AtWork::default(), Duration::ZERO, None);
    }
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
    /// What of that is the cleaning of its voice.
    pub peer_processing_delay_ms: Gauge,
    /// Frame length plus codec look-ahead of what we hear.
    pub frame_ms: Gauge,
    /// Share of our packets that the peer's last report says it lost, percent. Unknown: not heard yet.
    pub heard_lost_percent: Gauge,
    /// Mouth-to-ear delay of our voice over there, from its reports.
    pub heard_delay_ms: Gauge,
    /// Nothing was heard of it for long.
    pub is_quiet: AtomicBool,
    pub sending: SendingCell,
    /// How good the peer's voice is.
    pub r_factor: Gauge,
    pub mos_lq: Gauge,

    pub sent_packets: Counter,
    pub sent_bytes: Counter,

    pub played_packets: Counter,
    pub repaired_packets: Counter,
    pub late_packets: Counter,
    pub duplicate_packets: Counter,
    /// Samples pulled while the peer was speaking, how many of them were concealment, and in how many gaps.
    pub voice_samples: Counter,
    pub concealed_samples: Counter,
    pub concealed_gaps: Counter,
    /// Samples added or taken away by time-stretching.
    pub stretched_samples: Counter,
    pub playout_delay_ms: Gauge,
    pub playout_target_ms: Gauge,
    pub playout_why: WhyCell,
    pub drift_ppm: Gauge,
    pub peak: Needle,
    pub speaking: AtomicBool,
    pub wave: Wave,
}

impl PeerMeters {
    /// What the peer's playout has counted of its voice.
    #[must_use]
    pub fn voice_counts(&self) -> VoiceCounts {
        VoiceCounts {
            samples: self.voice_samples.get(),
            concealed: self.concealed_samples.get(),
            gaps: self.concealed_gaps.get(),
            packets: self.played_packets.get() + self.repaired_packets.get(),
        }
    }

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
            &self.concealed_gaps,
            &self.stretched_samples,
        ];
        counters.into_iter().for_each(|counter| counter.set(0));
        let gauges = [
            &self.jitter_ms,
            &self.rtt_ms,
            &self.peer_capture_delay_ms,
            &self.peer_processing_delay_ms,
            &self.frame_ms,
            &self.heard_lost_percent,
            &self.heard_delay_ms,
            &self.r_factor,
            &self.mos_lq,
            &self.playout_delay_ms,
            &self.playout_target_ms,
            &self.drift_ppm,
        ];
        gauges.into_iter().for_each(Gauge::clear);
        self.sending.set(None);
        self.playout_why.set(None);
        let _ = self.peak.take();
        self.speaking.store(false, Relaxed);
        self.wave.clear();
    }
}

/// All that is measured, shared by every thread of one engine.
#[derive(Debug)]
pub struct Meters {
    pub(super) epoch: Instant,
    pub mic: MicMeters,
    pub out: OutMeters,
    pub net: NetMeters,
    pub peers: [PeerMeters; MAX_PEERS],
    /// This side records, or will with the first sound: the peers are told.
    pub recording: AtomicBool,
}

impl Default for Meters {
    fn default() -> Self {
        Self::new(Instant::now())
    }
}

impl Meters {
    #[must_use]
    pub fn new(epoch: Instant) -> Self {
        Self {
            epoch,
            mic: MicMeters::default(),
            out: OutMeters::default(),
            net: NetMeters::default(),
            peers: Default::default(),
            recording: AtomicBool::new(false),
        }
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

    /// Whether somebody is in the call with us.
    #[must_use]
    pub fn is_anybody_live(&self) -> bool {
        PeerId::all().any(|id| self.state(id) == CallState::Live)
    }

    /// Whether somebody is, or is being called.
    #[must_use]
    pub fn is_anybody_engaged(&self) -> bool {
        PeerId::all().any(|id| self.state(id).is_engaged())
    }
}
