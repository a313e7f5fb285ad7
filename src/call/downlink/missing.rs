//! What one peer's stream lacks: which packets are worth asking for again, and when (RFC 4585, 6.2.1). Pure.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::source::Source;
use crate::units::{ExtSeq, RtpTime, Seq};

/// Packets followed at once.
const MISSING_MAX: usize = 64;
/// More than this at once is an outage, and is not repaired.
const GAP_MAX: u64 = 16;
/// A packet is asked for this often at most.
const TIMES_MAX: u8 = 2;
/// NACKs a second, and as many at once.
const RATE: f32 = 50.0;
const AT_ONCE: f32 = 10.0;
/// A packet that comes this much too late is still worth asking for: playout stretches a little, and learns to wait.
const STRETCH: Duration = Duration::from_millis(15);
/// What becomes of a request on its way besides the round trip: threads that wake, frames that are awaited.
const HANDLING: Duration = Duration::from_millis(1);
/// A copy that has not come this long after its packet was due does not come.
const COPY_GRACE: Duration = Duration::from_millis(3);
/// Disorder is remembered for this long, and counts up to this much.
const REORDER_MEMORY: Duration = Duration::from_secs(10);
const REORDER_MAX: Duration = Duration::from_millis(100);
/// After this nobody wants it any more.
const FORGOTTEN: Duration = Duration::from_millis(600);

/// A packet that came with its number, and what is known of the ones around it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    pub now: Instant,
    pub seq: ExtSeq,
    pub time: RtpTime,
    pub marker: bool,
    /// Its length.
    pub frame: Duration,
    pub ticks: u32,
    /// Packets back of the farthest copy that it carries.
    pub reach: u64,
}

/// What decides whether a request is in time.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Patience {
    pub rtt: Option<Duration>,
    /// From a packet's arrival to its turn.
    pub delay: Duration,
}

/// One packet that has not come.
#[derive(Clone, Copy, Debug)]
struct Missing {
    seq: ExtSeq,
    noticed: Instant,
    /// When it would have come.
    nominal: Instant,
    /// When to ask, unless it has come by then; `None`: not (any more).
    ask_at: Option<Instant>,
    asked: u8,
    /// The packet that showed the gap came right after another: nothing is known of the order yet.
    in_burst: bool,
}

/// The packets that one stream lacks.
#[derive(Debug)]
pub(super) struct Wants {
    list: VecDeque<Missing>,
    stream: u32,
    /// The newest packet, its RTP time and its arrival.
    newest: Option<(ExtSeq, RtpTime, Instant)>,
    /// How late disorder made a packet, and when that was.
    reorder: Option<(Duration, Instant)>,
    requests: f32,
    refilled: Option<Instant>,
    /// Packets noticed as missing since the last report.
    pub gaps: u32,
}

impl Default for Wants {
    fn default() -> Self {
        Self { list: VecDeque::new(), stream: 0, newest: None, reorder: None, requests: AT_ONCE, refilled: None, gaps: 0 }
    }
}

impl Wants {
    /// A packet of the source that is heard came. `can_ask`: the sender of it answers.
    pub(super) fn handle(&mut self, source: &Source, seen: Seen, can_ask: bool) {
        if source.stream != self.stream {
            self.list.clear();
            (self.stream, self.newest) = (source.stream, None);
        }
        let now = seen.now;
        self.list.retain(|missing| now.saturating_duration_since(missing.noticed) < FORGOTTEN);
        let Some((newest, time, arrival)) = self.newest.filter(|newest| seen.seq > newest.0) else {
            self.came_late(seen);
            if self.newest.is_none() {
                self.newest = Some((seen.seq, seen.time, now));
            }
            return;
        };
        self.newest = Some((seen.seq, seen.time, now));
        let steps = seen.seq.0 - newest.0;
        // Across a pause nobody knows what was sent when.
        let runs_on = i64::from(seen.time.since(time)) == i64::try_from(steps).unwrap_or(i64::MAX).saturating_mul(i64::from(seen.ticks));
        if steps == 1 || seen.marker || !runs_on || steps - 1 > GAP_MAX {
            return;
        }
        // In a burst (pre-roll, a jam that dissolves) the order means little until the next frame.
        let is_burst = now.saturating_duration_since(arrival) < seen.frame.mul_f32(steps as f32 * 0.5);
        let wait = self.reorder_wait(now).max(if is_burst { seen.frame } else { Duration::ZERO });
        for seq in newest.0 + 1..seen.seq.0 {
            let age = seen.seq.0 - seq;
            let ahead = seen.frame.mul_f32(age as f32);
            // The last packet that will bring a copy of it.
            let copies = seen.reach.checked_sub(age).filter(|left| *left > 0);
            let copies = copies.map_or(Duration::ZERO, |left| seen.frame.mul_f32(left as f32) + COPY_GRACE);
            if source.has(ExtSeq(seq)) {
                continue;
            }
            self.gaps = self.gaps.saturating_add(u32::from(!is_burst));
            if self.list.len() == MISSING_MAX {
                self.list.pop_front();
            }
            self.list.push_back(Missing {
                seq: ExtSeq(seq),
                noticed: now,
                nominal: now.checked_sub(ahead).unwrap_or(now),
                ask_at: can_ask.then(|| now + wait.max(copies)),
                asked: 0,
                in_burst: is_burst,
            });
        }
    }

    fn came_late(&mut self, seen: Seen) {
        let Some(at) = self.list.iter().position(|missing| missing.seq == seen.seq) else { return };
        let Some(missing) = self.list.remove(at) else { return };
        if missing.in_burst {
            return;
        }
        let late = seen.now.saturating_duration_since(missing.noticed).min(REORDER_MAX);
        let known = self.reorder_wait(seen.now);
        self.reorder = Some((late.max(known.mul_f32(0.9)), seen.now));
    }

    /// Whether packets overtook each other lately.
    pub(super) fn is_reordered(&self, now: Instant) -> bool {
        self.reorder_wait(now) > Duration::ZERO
    }

    /// How long what is overtaken takes to come.
    fn reorder_wait(&self, now: Instant) -> Duration {
        let recent = self.reorder.filter(|(_, at)| now.saturating_duration_since(*at) < REORDER_MEMORY);
        recent.map_or(Duration::ZERO, |(late, _)| late + COPY_GRACE)
    }

    /// A copy of it came.
    pub(super) fn repaired(&mut self, seq: ExtSeq) {
        self.list.retain(|missing| missing.seq != seq);
    }

    /// The number of a retransmission that came: it was asked for, and is still missing.
    pub(super) fn take(&mut self, seq: Seq) -> Option<ExtSeq> {
        let seq = self.newest?.0.widen(seq);
        let at = self.list.iter().position(|missing| missing.seq == seq && missing.asked > 0)?;
        self.list.remove(at).map(|missing| missing.seq)
    }

    /// When [`Wants::ask`] has something to do.
    pub(super) fn next_ask(&self) -> Option<Instant> {
        self.list.iter().filter_map(|missing| missing.ask_at).min()
    }

    /// The packets to ask for now, in their order, into `out`; says how many.
    pub(super) fn ask(&mut self, now: Instant, patience: Patience, out: &mut [Seq; GAP_MAX as usize]) -> usize {
        let passed = self.refilled.map_or(0.0, |at| now.saturating_duration_since(at).as_secs_f32());
        self.refilled = Some(now);
        self.requests = (self.requests + passed * RATE).min(AT_ONCE);
        let mut len = 0;
        for missing in self.list.iter_mut().filter(|missing| missing.ask_at.is_some_and(|at| at <= now)) {
            if len == out.len() {
                break;
            }
            missing.ask_at = None;
            let Some(rtt) = patience.rtt else { continue };
            let in_time = now + rtt + HANDLING <= missing.nominal + patience.delay + STRETCH;
            if !in_time || self.requests < 1.0 {
                continue;
            }
            missing.asked += 1;
            if missing.asked < TIMES_MAX {
                missing.ask_at = Some(now + (rtt * 3 / 2).max(Duration::from_millis(10)));
            }
            out[len] = Seq((missing.seq.0 & 0xffff) as u16);
            len += 1;
        }
        if len > 0 {
            self.requests -= 1.0;
        }
        len
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Ssrc;

    const FRAME: Duration = Duration::from_millis(10);
    const PATIENT: Patience = Patience { rtt: Some(Duration::from_millis(20)), delay: Duration::from_millis(60) };

    struct Bench {
        source: Source,
        wants: Wants,
        now: Instant,
        reach: u64,
    }

    impl Bench {
        /// Ten packets came.
        fn new(reach: u64) -> Self {
            let now = Instant::now();
            let source = Source::new("10.0.0.1:9".parse().expect("an address"), Ssrc(1), 1, now);
            let mut bench = Self { source, wants: Wants::default(), now, reach };
            (0..10).for_each(|n| bench.come(n));
            bench
        }

        /// Packet `n` comes, 10 ms after the last.
        fn come(&mut self, n: u16) {
            self.now += FRAME;
            self.come_now(n);
        }

        fn come_now(&mut self, n: u16) {
            self.source.number(Seq(n));
            let seq = ExtSeq::first(Seq(n));
            let time = RtpTime(u32::from(n) * 480);
            let seen = Seen { now: self.now, seq, time, marker: false, frame: FRAME, ticks: 480, reach: self.reach };
            self.wants.handle(&self.source, seen, true);
        }

        fn ask(&mut self, patience: Patience) -> Vec<u16> {
            let mut out = [Seq(0); GAP_MAX as usize];
            let len = self.wants.ask(self.now, patience, &mut out);
            out[..len].iter().map(|seq| seq.0).collect()
        }
    }

    #[test]
    fn a_gap_is_asked_for_at_once_and_once_more_after_a_round_trip_and_a_half() {
        let mut bench = Bench::new(0);
        bench.now += 2 * FRAME;
        bench.come(12);
        assert_eq!(bench.wants.next_ask(), Some(bench.now));
        assert_eq!(bench.ask(PATIENT), [10, 11]);
        assert_eq!(bench.wants.next_ask(), Some(bench.now + Duration::from_millis(30)));
        assert_eq!(bench.wants.take(Seq(10)), Some(ExtSeq::first(Seq(10))));
        assert_eq!(bench.wants.take(Seq(10)), None, "nobody misses it any more");
        bench.now += Duration::from_millis(30);
        assert_eq!(bench.ask(PATIENT), [11]);
        assert_eq!(bench.wants.next_ask(), None);
        assert_eq!(bench.wants.take(Seq(9)), None, "nobody asked for it");
    }

    #[test]
    fn what_would_come_too_late_is_not_asked_for() {
        for (rtt, want) in [(60, 1), (70, 0)] {
            let mut bench = Bench::new(0);
            bench.now += FRAME;
            bench.come(11);
            let patience = Patience { rtt: Some(Duration::from_millis(rtt)), delay: Duration::from_millis(60) };
            assert_eq!(bench.ask(patience).len(), want, "{rtt} ms");
        }
        let mut bench = Bench::new(0);
        bench.now += FRAME;
        bench.come(11);
        assert!(bench.ask(Patience { rtt: None, ..PATIENT }).is_empty(), "nobody knows how long it takes");
    }

    #[test]
    fn what_a_copy_may_still_bring_is_waited_for() {
        let mut bench = Bench::new(3);
        bench.now += FRAME;
        bench.come(11);
        assert_eq!(bench.wants.next_ask(), Some(bench.now + 2 * FRAME + COPY_GRACE));
        bench.wants.repaired(ExtSeq::first(Seq(10)));
        assert_eq!(bench.wants.next_ask(), None);
    }

    #[test]
    fn where_packets_overtake_each_other_requests_wait() {
        let mut bench = Bench::new(0);
        bench.now += FRAME;
        bench.come(11);
        bench.now += Duration::from_millis(4);
        bench.come_now(10);
        bench.now += FRAME;
        bench.come(13);
        assert_eq!(bench.wants.next_ask(), Some(bench.now + Duration::from_millis(4) + COPY_GRACE));
    }

    #[test]
    fn outages_pauses_and_restarts_are_not_repaired() {
        let mut bench = Bench::new(0);
        bench.come(10 + GAP_MAX as u16 + 1);
        assert_eq!(bench.wants.next_ask(), None, "an outage");
        let mut bench = Bench::new(0);
        bench.now += FRAME;
        bench.source.number(Seq(11));
        let late =
            Seen { now: bench.now, seq: ExtSeq::first(Seq(11)), time: RtpTime(48_000), marker: false, frame: FRAME, ticks: 480, reach: 0 };
        bench.wants.handle(&bench.source, late, true);
        assert_eq!(bench.wants.next_ask(), None, "a pause whose mark was lost");
    }

    #[test]
    fn a_bad_network_is_asked_fifty_times_a_second_at_most() {
        let mut bench = Bench::new(0);
        let (mut asked, start) = (0, bench.now);
        for n in 0..2_000u16 {
            bench.come(12 + 2 * n);
            asked += usize::from(!bench.ask(PATIENT).is_empty());
            assert!(bench.wants.list.len() <= MISSING_MAX);
        }
        let seconds = (bench.now - start).as_secs_f32();
        assert!(asked as f32 <= seconds * RATE + AT_ONCE + 1.0, "{asked} in {seconds} s");
    }
}
