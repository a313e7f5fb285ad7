//! The networks of the grid: what becomes of a datagram sent at some moment, the same for the same seed.

use std::ops::Range;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::net::Fate;

/// One network, one way. Delays are one-way, in ms.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Path {
    /// 0.2 ms, plus or minus 0.1; each datagram lost with probability `loss`.
    Lan { loss: f64 },
    /// Normally distributed around `mean`, never below 0.2; datagrams overtake each other.
    Normal { mean: f64, deviation: f64, loss: f64 },
    /// 2 ms and an exponential 1 ms more; each 2 to 5 s all is held up for 20 to 80 ms and then comes at once.
    Wifi,
    /// The LAN between two busy computers: each 0.5 to 3 s nothing moves for 3 to 15 ms.
    Busy,
    /// 10 ms and an exponential 0.4 ms more; six times a second, on average, all stands still for half of `typical` at least, most
    /// often less than that and at most five times as long (Pareto), and then comes at once; each lost with probability `loss`.
    Stalls { typical: f64, loss: f64 },
    /// The LAN with Gilbert's and Elliott's losses: `share` lost, in bursts of `length` on average.
    Bursts { share: f64, length: f64 },
    /// The LAN, with nothing getting through between these seconds.
    Outage { from: f64, to: f64 },
    /// The LAN, over a way longer by `by` ms between these seconds.
    Step { from: f64, to: f64, by: f64 },
}

/// Something to ask for each datagram of one direction.
pub fn fate(path: Path, seed: u64, start: Instant) -> Fate {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut held = Held { until: 0.0, next: 3_000.0 };
    let mut computer = Held { until: 0.0, next: 1_000.0 };
    let mut stalls = Held { until: 0.0, next: 0.0 };
    let mut newest = 0.0_f64;
    let mut bad = false;
    Box::new(move |now| {
        let sent = (now - start).as_secs_f64() * 1_000.0;
        let lan = 0.2 + rng.random_range(-0.1..0.1);
        let (delay, lost) = match path {
            Path::Lan { loss } => (lan, rng.random_bool(loss)),
            Path::Normal { mean, deviation, loss } => ((mean + deviation * normal(&mut rng)).max(0.2), rng.random_bool(loss)),
            Path::Wifi => {
                let stands = held.delay(sent, 20.0..80.0, 2_000.0..5_000.0, &mut rng);
                let usual = 2.0 - (1.0 - rng.random::<f64>()).ln();
                (usual.max(2.0 + stands), false)
            }
            Path::Busy => (lan + computer.delay(sent, 3.0..15.0, 500.0..3_000.0, &mut rng), false),
            Path::Stalls { typical, loss } => {
                while sent >= stalls.until {
                    stalls.next = stalls.until - (1.0 - rng.random::<f64>()).ln() * 1_000.0 / 6.0;
                    stalls.until = stalls.next + (typical / 2.0 * (1.0 - rng.random::<f64>()).powf(-1.0 / 1.5)).min(5.0 * typical);
                }
                let stands = if sent >= stalls.next { stalls.until - sent } else { 0.0 };
                newest = (sent + 10.0 + stands - 0.4 * (1.0 - rng.random::<f64>()).ln()).max(newest);
                (newest - sent, rng.random_bool(loss))
            }
            Path::Bursts { share, length } => {
                let leave = 1.0 / length;
                bad = rng.random_bool(if bad { 1.0 - leave } else { leave * share / (1.0 - share) });
                (lan, bad)
            }
            Path::Outage { from, to } => (lan, (from * 1_000.0..to * 1_000.0).contains(&sent)),
            Path::Step { from, to, by } => (if (from * 1_000.0..to * 1_000.0).contains(&sent) { lan + by } else { lan }, false),
        };
        (!lost).then(|| now + Duration::from_secs_f64(delay / 1_000.0))
    })
}

/// What now and then stands still, a radio or a computer, and then lets through all at once.
struct Held {
    until: f64,
    next: f64,
}

impl Held {
    /// How long a datagram sent now waits: it stands still for a time out of `long`, with a time out of `apart` between. All in ms.
    fn delay(&mut self, sent: f64, long: Range<f64>, apart: Range<f64>, rng: &mut StdRng) -> f64 {
        if sent >= self.next {
            self.until = self.next + rng.random_range(long.clone());
            self.next = self.until + rng.random_range(apart);
        }
        let left = self.until - sent;
        // What was held comes in order, a fifth of a millisecond apart.
        if left > 0.0 { left + 0.02 * (long.end - left) } else { 0.0 }
    }
}

/// Box and Muller's.
fn normal(rng: &mut StdRng) -> f64 {
    let (u, v): (f64, f64) = (1.0 - rng.random::<f64>(), rng.random());
    (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()
}
