//! A minute of every number, sampled four times a second from the snapshots, for the small curves. Pure.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::engine::{PeerSnapshot, Stack};

/// Between two samples.
pub const SAMPLE: Duration = Duration::from_millis(250);
/// A minute.
const SAMPLES: usize = 240;

/// What is kept of a peer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(usize)]
pub enum Series {
    /// Packets a second.
    Sent,
    Received,
    /// Packets in the sample.
    Lost,
    Late,
    Duplicate,
    Reordered,
    Repaired,
    /// Milliseconds.
    Jitter,
    Rtt,
    Delay,
    /// The parts of mouth to ear.
    Microphone,
    Processing,
    Frame,
    Network,
    Playout,
    Card,
    /// Percent.
    Concealed,
    HeardLost,
    Ppm,
    /// The R factor.
    Quality,
}

/// The parts in the order of [`crate::engine::Stack::parts`].
const STACK: [Series; Stack::PARTS] =
    [Series::Microphone, Series::Processing, Series::Frame, Series::Network, Series::Playout, Series::Card];

const SERIES: usize = Series::Quality as usize + 1;

/// One peer's last minute. Unknown samples are NaN.
#[derive(Clone, Debug)]
pub struct History {
    rows: [VecDeque<f32>; SERIES],
    last: Option<(Instant, Counts)>,
}

#[derive(Clone, Copy, Debug)]
struct Counts {
    sent: u64,
    received: u64,
    lost: u64,
    late: u64,
    duplicate: u64,
    reordered: u64,
    repaired: u64,
    voice: u64,
    concealed: u64,
}

impl Counts {
    fn of(peer: &PeerSnapshot) -> Self {
        Self {
            sent: peer.sent_packets,
            received: peer.received_packets,
            lost: peer.lost_packets,
            late: peer.late_packets,
            duplicate: peer.duplicate_packets,
            reordered: peer.reordered_packets,
            repaired: peer.repaired_packets,
            voice: peer.voice_samples,
            concealed: peer.concealed_samples,
        }
    }
}

impl Default for History {
    fn default() -> Self {
        Self { rows: std::array::from_fn(|_| VecDeque::with_capacity(SAMPLES)), last: None }
    }
}

impl History {
    /// Another peer took the slot.
    pub fn clear(&mut self) {
        self.rows.iter_mut().for_each(VecDeque::clear);
        self.last = None;
    }

    /// Takes a sample if one is due at `now`.
    pub fn sample(&mut self, peer: &PeerSnapshot, now: Instant) {
        let counts = Counts::of(peer);
        let Some((at, before)) = self.last else {
            self.last = Some((now, counts));
            return;
        };
        let elapsed = now.saturating_duration_since(at);
        if elapsed < SAMPLE {
            return;
        }
        self.last = Some((now, counts));
        let grown = |now: u64, before: u64| now.saturating_sub(before) as f32;
        let rate = |now, before| grown(now, before) / elapsed.as_secs_f32();
        let voice = grown(counts.voice, before.voice);
        let unknown = |value: Option<f32>| value.unwrap_or(f32::NAN);
        self.push(Series::Sent, rate(counts.sent, before.sent));
        self.push(Series::Received, rate(counts.received, before.received));
        self.push(Series::Lost, grown(counts.lost, before.lost));
        self.push(Series::Late, grown(counts.late, before.late));
        self.push(Series::Duplicate, grown(counts.duplicate, before.duplicate));
        self.push(Series::Reordered, grown(counts.reordered, before.reordered));
        self.push(Series::Repaired, grown(counts.repaired, before.repaired));
        self.push(Series::Jitter, unknown(peer.jitter_ms));
        self.push(Series::Rtt, unknown(peer.rtt_ms));
        self.push(Series::Delay, unknown(peer.playout_delay_ms));
        for (part, (_, value)) in STACK.into_iter().zip(peer.stack.parts()) {
            self.push(part, unknown(value));
        }
        self.push(Series::Concealed, if voice > 0.0 { 100.0 * grown(counts.concealed, before.concealed) / voice } else { 0.0 });
        self.push(Series::HeardLost, unknown(peer.heard_lost_percent));
        self.push(Series::Ppm, peer.drift_ppm.map_or(f32::NAN, f32::abs));
        self.push(Series::Quality, unknown(peer.r_factor));
    }

    fn push(&mut self, series: Series, value: f32) {
        let row = &mut self.rows[series as usize];
        if row.len() == SAMPLES {
            row.pop_front();
        }
        row.push_back(value);
    }

    /// The last `width` samples, oldest first; fewer when the call is young.
    pub fn last(&self, series: Series, width: usize) -> impl Iterator<Item = f32> {
        let row = &self.rows[series as usize];
        row.iter().skip(row.len().saturating_sub(width)).copied()
    }

    /// Mouth to ear's parts, the last `width` samples, oldest first.
    #[must_use]
    pub fn stacks(&self, width: usize) -> Vec<[f32; Stack::PARTS]> {
        let rows = STACK.map(|part| &self.rows[part as usize]);
        let known = rows[0].len();
        (known.saturating_sub(width)..known).map(|at| rows.map(|row| row[at])).collect()
    }

    #[cfg(test)]
    fn latest(&self, series: Series) -> Option<f32> {
        self.rows[series as usize].back().copied().filter(|value| value.is_finite())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::fake;

    #[test]
    fn four_samples_a_second_for_a_minute_and_no_more() {
        let start = Instant::now();
        let mut history = History::default();
        let mut peer = fake::peer(0);
        for tick in 0..4_000u64 {
            peer.sent_packets = tick * 3;
            history.sample(&peer, start + Duration::from_millis(tick * 33));
        }
        assert_eq!(history.last(Series::Sent, 1_000).count(), SAMPLES);
        let rate = history.latest(Series::Sent).expect("a rate");
        assert!((rate - 90.9).abs() < 1.0, "{rate}");
        assert_eq!(history.last(Series::Lost, 10).filter(|lost| *lost == 0.0).count(), 10);
    }

    #[test]
    fn a_slot_that_starts_anew_shows_no_negative_rate() {
        let start = Instant::now();
        let mut history = History::default();
        let mut peer = fake::peer(0);
        peer.received_packets = 1_000;
        history.sample(&peer, start);
        peer.received_packets = 0;
        history.sample(&peer, start + SAMPLE);
        assert_eq!(history.latest(Series::Received), Some(0.0));
    }
}
