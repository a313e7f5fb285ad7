//! The wall clock that reports carry, derived from one pair taken at the start: a clock set back changes nothing. Pure.

use std::time::{Duration, Instant};

/// Seconds from the NTP era's start (1900) to the Unix epoch (RFC 5905, figure 4).
const NTP_UNIX_OFFSET: u64 = 2_208_988_800;

/// One moment on both clocks; every later wall time is this plus monotonic time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WallClock {
    base: Instant,
    unix: Duration,
}

impl WallClock {
    /// `unix`: the time since 1970 at the moment `base`.
    #[must_use]
    pub fn new(base: Instant, unix: Duration) -> Self {
        Self { base, unix }
    }

    /// NTP time at `now`, 32.32 fixed point (RFC 3550, 4). Moments before the base read as the base.
    #[must_use]
    pub fn ntp(&self, now: Instant) -> u64 {
        let unix = self.unix + now.saturating_duration_since(self.base);
        let seconds = unix.as_secs().wrapping_add(NTP_UNIX_OFFSET);
        let fraction = (u64::from(unix.subsec_nanos()) << 32) / 1_000_000_000;
        (seconds << 32) | fraction
    }
}

/// The middle 32 bits, 16.16 fixed point, as LSR and DLSR are counted (RFC 3550, 6.4.1).
#[must_use]
pub fn ntp_middle(ntp: u64) -> u32 {
    (ntp >> 16) as u32
}

/// A span in 1/65,536 s, as DLSR is counted.
#[must_use]
pub fn to_middle(span: Duration) -> u32 {
    let ticks = span.as_nanos() * 65_536 / 1_000_000_000;
    u32::try_from(ticks).unwrap_or(u32::MAX)
}

/// The inverse of [`to_middle`].
#[must_use]
pub fn from_middle(ticks: u32) -> Duration {
    Duration::from_nanos(u64::from(ticks) * 1_000_000_000 / 65_536)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ntp_counts_from_1900_in_seconds_and_their_fraction() {
        let base = Instant::now();
        let clock = WallClock::new(base, Duration::from_millis(1_500));
        assert_eq!(clock.ntp(base), ((NTP_UNIX_OFFSET + 1) << 32) | (1 << 31));
        assert_eq!(clock.ntp(base + Duration::from_millis(500)), (NTP_UNIX_OFFSET + 2) << 32);
    }

    #[test]
    fn a_span_survives_its_report() {
        for ms in [0u64, 1, 37, 499, 65_000] {
            let span = Duration::from_millis(ms);
            let back = from_middle(to_middle(span));
            assert!(span.abs_diff(back) < Duration::from_micros(16), "{ms} ms became {back:?}");
        }
    }
}
