//! The wall clock that reports carry, derived from one pair taken at the start: a clock set back changes nothing. Pure.

use std::time::{Duration, Instant};

use crate::wire::rtcp;

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
        rtcp::ntp_from_unix(self.unix + now.saturating_duration_since(self.base))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::rtcp::NTP_UNIX_OFFSET;

    #[test]
    fn ntp_counts_from_1900_in_seconds_and_their_fraction() {
        let base = Instant::now();
        let clock = WallClock::new(base, Duration::from_millis(1_500));
        assert_eq!(clock.ntp(base), ((NTP_UNIX_OFFSET + 1) << 32) | (1 << 31));
        assert_eq!(clock.ntp(base + Duration::from_millis(500)), (NTP_UNIX_OFFSET + 2) << 32);
    }
}
