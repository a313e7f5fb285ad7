//! Newtypes for every number with a unit or a wrap, and the house's fixed sizes. Pure; imports nothing.

use std::fmt;
use std::time::Duration;

/// The one internal sample rate, Hz.
pub const SAMPLE_RATE: u32 = 48_000;
/// Samples in a frame: 10 ms of mono at [`SAMPLE_RATE`].
pub const FRAME_SAMPLES: usize = 480;
/// Length of a frame.
pub const FRAME_DURATION: Duration = Duration::from_millis(10);

/// How long `samples` at [`SAMPLE_RATE`] last, to the nanosecond below.
#[must_use]
pub fn duration_of(samples: u64) -> Duration {
    Duration::from_nanos(samples * 1_000_000_000 / u64::from(SAMPLE_RATE))
}

/// Peers in one call, at most.
pub const MAX_PEERS: usize = 16;
/// Callers that ring unseen at once, at most: a full call must not be told from none.
pub const UNSEEN_MAX: usize = 3;
/// The UDP port everything listens on unless told otherwise: the seed's.
pub const DEFAULT_PORT: u16 = 5005;
/// Largest datagram we send (bytes), but for seed PCM: below any sane path MTU.
pub const MAX_DATAGRAM: usize = 1_200;
/// Samples in a seed datagram, at [`SEED_RATE`].
pub const SEED_SAMPLES: usize = 1_024;
/// Bytes in a seed datagram (S16LE mono).
pub const SEED_BYTES: usize = SEED_SAMPLES * 2;
/// The seed's sample rate, Hz.
pub const SEED_RATE: u32 = 44_100;

/// RTP sequence number, 16 bits, wraps (RFC 3550, 5.1).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Seq(pub u16);

impl Seq {
    /// Signed distance from `earlier` to `self` on the circle: -32,768..=32,767.
    #[must_use]
    pub fn since(self, earlier: Self) -> i16 {
        self.0.wrapping_sub(earlier.0).cast_signed()
    }

    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.wrapping_add(1))
    }
}

/// Sequence number widened to 64 bits at the door, so that nothing behind it ever wraps.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct ExtSeq(pub u64);

impl ExtSeq {
    /// A start high enough that packets reordered before the first one stay above zero.
    #[must_use]
    pub fn first(seq: Seq) -> Self {
        Self((1 << 16) | u64::from(seq.0))
    }

    /// Widens `seq` to the value nearest to `self` (RFC 3711, 3.3.1, has the same guess).
    #[must_use]
    pub fn widen(self, seq: Seq) -> Self {
        let step = seq.since(Seq((self.0 & 0xffff) as u16));
        Self(self.0.saturating_add_signed(i64::from(step)))
    }
}

/// RTP timestamp: 32 bits, wraps; in the clock of its payload type (48 kHz for Opus, RFC 7587).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct RtpTime(pub u32);

impl RtpTime {
    /// Signed distance in ticks from `earlier` to `self` on the circle.
    #[must_use]
    pub fn since(self, earlier: Self) -> i32 {
        self.0.wrapping_sub(earlier.0).cast_signed()
    }

    #[must_use]
    pub fn plus(self, ticks: u32) -> Self {
        Self(self.0.wrapping_add(ticks))
    }
}

/// RTP synchronisation source (RFC 3550, 3).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Ssrc(pub u32);

/// Loudness in dBFS: 0 is full scale, silence is [`Level::SILENCE`].
#[derive(Clone, Copy, PartialEq, PartialOrd, Debug)]
pub struct Level(pub f32);

impl Level {
    pub const SILENCE: Self = Self(-96.0);

    /// From a linear amplitude (1.0 = full scale).
    #[must_use]
    pub fn from_amplitude(amplitude: f32) -> Self {
        if amplitude > 1.6e-5 { Self(20.0 * amplitude.log10()) } else { Self::SILENCE }
    }

    #[must_use]
    pub fn amplitude(self) -> f32 {
        if self.0 <= Self::SILENCE.0 { 0.0 } else { 10f32.powf(self.0 / 20.0) }
    }
}

impl Default for Level {
    fn default() -> Self {
        Self::SILENCE
    }
}

/// Clock ratio in millionths: +100 means 100 ppm fast.
#[derive(Clone, Copy, PartialEq, PartialOrd, Debug, Default)]
pub struct Ppm(pub f32);

/// A peer's slot in the call: 0..[`MAX_PEERS`]. Slots are reused; notices say whose a slot is now.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct PeerId(u8);

impl PeerId {
    #[must_use]
    pub fn new(slot: usize) -> Option<Self> {
        (slot < MAX_PEERS).then_some(Self(slot as u8))
    }

    #[must_use]
    pub fn slot(self) -> usize {
        usize::from(self.0)
    }

    pub fn all() -> impl Iterator<Item = Self> + Clone {
        (0..MAX_PEERS as u8).map(Self)
    }

    /// The slots behind those of the call, in which callers ring unseen. Nobody outside the downlink meets one.
    pub fn unseen() -> impl Iterator<Item = Self> + Clone {
        (MAX_PEERS as u8..(MAX_PEERS + UNSEEN_MAX) as u8).map(Self)
    }

    #[must_use]
    pub fn is_unseen(self) -> bool {
        self.slot() >= MAX_PEERS
    }
}

/// What a call speaks on the wire.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[repr(u8)]
pub enum Format {
    /// RTP and RTCP inside a Noise session.
    #[default]
    Sealed = 0,
    /// Open RTP (RFC 3550) with Opus (RFC 7587).
    Rtp = 1,
    /// The seed's headerless S16LE datagrams.
    Pcm = 2,
}

impl Format {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Sealed => "sealed",
            Self::Rtp => "rtp",
            Self::Pcm => "pcm",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The machine was suspended for this long: `Instant` stood still while the world went on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Slept(pub Duration);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sequence_number_widens_across_the_wrap_both_ways() {
        let mut ext = ExtSeq::first(Seq(65_534));
        for (raw, want) in [(65_535u16, 1u64), (0, 2), (1, 3), (65_535, 1), (0, 2)] {
            ext = ext.widen(Seq(raw));
            assert_eq!(ext.0, ExtSeq::first(Seq(65_534)).0 + want);
        }
    }

    #[test]
    fn a_hostile_sequence_number_never_overflows() {
        assert_eq!(ExtSeq(u64::MAX).widen(Seq(0x100)).0, u64::MAX);
        assert_eq!(ExtSeq(3).widen(Seq(0x8003)).0, 0);
    }

    #[test]
    fn rtp_time_distance_crosses_the_wrap() {
        assert_eq!(RtpTime(100).since(RtpTime(u32::MAX - 99)), 200);
        assert_eq!(RtpTime(0).since(RtpTime(1 << 31)), i32::MIN);
    }

    #[test]
    fn level_and_amplitude_are_inverse() {
        assert!((Level::from_amplitude(0.5).0 + 6.0206).abs() < 1e-3);
        assert!((Level(-20.0).amplitude() - 0.1).abs() < 1e-6);
        assert_eq!(Level::from_amplitude(0.0), Level::SILENCE);
        assert_eq!(Level::SILENCE.amplitude(), 0.0);
    }
}
