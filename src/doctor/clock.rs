//! How well this machine keeps time: sleeps that end late, a clock that is set while we watch. Pure.

use std::time::Duration;

use super::report::SEE_PRIORITY;
use super::{Finding, Section};

/// How long each sleep of the test is asked to be.
pub const SLEEP: Duration = Duration::from_millis(2);
/// A median above this spoils each frame's time; a worst above that is a drop-out at the usual playout delay.
const LATE_MEDIAN: Duration = Duration::from_millis(2);
const LATE_WORST: Duration = Duration::from_millis(20);
/// A wall clock that moves this much against the steady one within the test was set.
const STEP: Duration = Duration::from_millis(50);

/// What was measured.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Clocks {
    /// By how much each sleep ended late.
    pub late: Vec<Duration>,
    /// Passed on the steady clock and on the wall's, over all of it.
    pub steady: Duration,
    pub wall: Duration,
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// `suspend`: how a suspend is noticed here.
#[must_use]
pub fn judge(clocks: &Clocks, suspend: &str) -> Vec<Finding> {
    let section = Section::Clock;
    let mut late = clocks.late.clone();
    late.sort();
    let timer = match (late.get(late.len() / 2), late.last()) {
        (Some(median), Some(worst)) => {
            let says = format!(
                "a sleep of {:.0} ms ends {:.2} ms late in the median of {}, {:.1} ms at worst",
                ms(SLEEP),
                ms(*median),
                late.len(),
                ms(*worst)
            );
            if *median > LATE_MEDIAN || *worst > LATE_WORST {
                let advice = format!(
                    "This machine is late in waking its programs: close what keeps it busy, take it off power saving{SEE_PRIORITY}."
                );
                Finding::warn(section, "timer", says, advice)
            } else {
                Finding::ok(section, "timer", says)
            }
        }
        _ => Finding::skipped(section, "timer", "not measured"),
    };
    let apart = clocks.wall.abs_diff(clocks.steady);
    let step = if apart >= STEP {
        let says =
            format!("the wall clock moved by {:.0} ms against the steady one within {:.1} s", ms(apart), clocks.steady.as_secs_f64());
        Finding::warn(
            section,
            "wall clock",
            says,
            "Something sets this machine's clock in steps: let a time service (chrony, systemd-timesyncd) slew it.",
        )
    } else {
        Finding::ok(section, "wall clock", "keeps step with the steady one")
    };
    vec![timer, step, Finding::ok(section, "suspend", suspend)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Verdict;

    fn verdicts(late_us: &[u64], wall_ms: u64) -> Vec<Verdict> {
        let late = late_us.iter().copied().map(Duration::from_micros).collect();
        let clocks = Clocks { late, steady: Duration::from_millis(1_000), wall: Duration::from_millis(wall_ms) };
        judge(&clocks, "seen").iter().map(|finding| finding.verdict).collect()
    }

    #[test]
    fn late_wakings_and_steps_of_the_clock_are_told() {
        use Verdict::{Ok, Skipped, Warn};
        assert_eq!(verdicts(&[60, 900, 80, 70, 61], 1_001), [Ok, Ok, Ok]);
        assert_eq!(verdicts(&[60, 900, 80, 25_000, 61], 1_001)[0], Warn, "one that is 25 ms late is heard");
        assert_eq!(verdicts(&[2_500; 9], 1_001)[0], Warn);
        assert_eq!(verdicts(&[60], 4_600)[1], Warn);
        assert_eq!(verdicts(&[60], 0)[1], Warn, "set back");
        assert_eq!(verdicts(&[], 1_000)[0], Skipped);
    }
}
