//! The networks of the grid: what becomes of a datagram sent at some moment, the same for the same seed.

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
    let mut bad = false;
    Box::new(move |now| {
        let sent = (now - start).as_secs_f64() * 1_000.0;
        let lan = 0.2 + rng.random_range(-0.1..0.1);
        let (delay, lost) = match path {
            Path::Lan { loss } => (lan, rng.random_bool(loss)),
            Path::Normal { mean, deviation, loss } => ((mean + deviation * normal(&mut rng)).max(0.2), rng.random_bool(loss)),
            Path::Wifi => (held.delay(sent, &mut rng), false),
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

/// A radio that now and then waits for its turn.
struct Held {
    until: f64,
    next: f64,
}

impl Held {
    fn delay(&mut self, sent: f64, rng: &mut StdRng) -> f64 {
        if sent >= self.next {
            self.until = self.next + rng.random_range(20.0..80.0);
            self.next = self.until + rng.random_range(2_000.0..5_000.0);
        }
        let usual = 2.0 - (1.0 - rng.random::<f64>()).ln();
        // What was held comes in order, a fifth of a millisecond apart.
        let queue = if sent < self.until { self.until - sent + (1.0 - (self.until - sent) / 80.0) * 1.6 } else { 0.0 };
        usual.max(queue + 2.0)
    }
}

/// Box and Muller's.
fn normal(rng: &mut StdRng) -> f64 {
    let (u, v): (f64, f64) = (1.0 - rng.random::<f64>(), rng.random());
    (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()
}
