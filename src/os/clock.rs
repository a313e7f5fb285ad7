//! The clocks that `Instant` does not know: how long the machine slept, and the wall's. Any thread.

#[cfg(not(target_os = "linux"))]
use std::time::Instant;
use std::time::{Duration, SystemTime};

use crate::units::Slept;

/// A shorter gap between the clocks is no suspend.
const SLEPT_AT_LEAST: Duration = Duration::from_secs(1);

/// Time since 1970; zero when the clock stands before that.
#[must_use]
pub fn unix_now() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

/// Notices that the machine was suspended: `Instant` stands still then, another clock does not.
#[derive(Debug)]
pub struct SleepWatch {
    ahead: Duration,
    #[cfg(not(target_os = "linux"))]
    start: (Instant, Duration),
}

/// What tells a suspend on this system, in words.
#[cfg(target_os = "linux")]
pub const SUSPEND_SOURCE: &str = "noticed by CLOCK_BOOTTIME running on over CLOCK_MONOTONIC";
#[cfg(not(target_os = "linux"))]
pub const SUSPEND_SOURCE: &str = "noticed by the wall clock running on over the steady one";

impl Default for SleepWatch {
    fn default() -> Self {
        Self::new()
    }
}

impl SleepWatch {
    #[must_use]
    pub fn new() -> Self {
        #[cfg(target_os = "linux")]
        let mut watch = Self { ahead: Duration::ZERO };
        #[cfg(not(target_os = "linux"))]
        let mut watch = Self { ahead: Duration::ZERO, start: (Instant::now(), unix_now()) };
        watch.ahead = watch.read();
        watch
    }

    /// How long the machine slept since the last look; to be asked some times a second.
    pub fn check(&mut self) -> Option<Slept> {
        let ahead = self.read();
        self.advance(ahead)
    }

    fn advance(&mut self, ahead: Duration) -> Option<Slept> {
        let gap = ahead.saturating_sub(self.ahead);
        self.ahead = ahead;
        (gap > SLEPT_AT_LEAST).then_some(Slept(gap))
    }

    /// How far the clock that goes on is ahead of the one that stands still.
    #[cfg(target_os = "linux")]
    fn read(&self) -> Duration {
        use rustix::time::{ClockId, clock_gettime};
        let now = |clock| {
            let time = clock_gettime(clock);
            Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
        };
        now(ClockId::Boottime).saturating_sub(now(ClockId::Monotonic))
    }

    /// Here the wall clock must do; setting it forward looks like a short sleep, which does no harm.
    #[cfg(not(target_os = "linux"))]
    fn read(&self) -> Duration {
        let (instant, unix) = self.start;
        unix_now().saturating_sub(unix).saturating_sub(instant.elapsed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jump_of_the_other_clock_is_a_sleep_and_told_once() {
        let mut watch = SleepWatch::new();
        assert_eq!(watch.check(), None);
        let ahead = watch.ahead;
        assert_eq!(watch.advance(ahead + Duration::from_millis(900)), None);
        assert_eq!(watch.advance(ahead + Duration::from_secs(600)), Some(Slept(Duration::from_millis(599_100))));
        assert_eq!(watch.advance(ahead + Duration::from_secs(600)), None);
    }
}
