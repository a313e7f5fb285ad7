//! One RTP source as it is received: validity, widened sequence, losses, jitter (RFC 3550, appendix A).

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::bursts::{Bursts, Shape};
use crate::playout::Packet;
use crate::units::{ExtSeq, RtpTime, Seq, Ssrc};
use crate::wire::rtcp::{ReportBlock, ntp_middle, ntp_units};

/// A step forward larger than this is a restart, not a loss (RFC 3550, A.1).
const DROPOUT_MAX: u16 = 3_000;
/// A packet older than this is of another numbering (RFC 3550, A.1).
const MISORDER_MAX: u16 = 100;
/// Two packets this near each other prove a stream: RFC 3550, A.1, wants them in sequence; a reordered or lost one
/// between them shall not cost the first word.
const NEAR: u16 = 8;
/// A transit that changes by more than this is another clock, not jitter.
const JITTER_STEP_MAX: f32 = 10_000.0;

/// What a packet's number says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Numbered {
    /// Not proven yet: hold it.
    Held,
    /// Good; numbering goes on.
    Next(ExtSeq),
    /// Good, and the packet held before it was too: `.0` is the held one's number.
    Proven(ExtSeq, ExtSeq),
}

/// The marker begins a talk spurt (RFC 3551, 4.1). ffmpeg marks every packet: then none of them does.
#[derive(Debug, Default)]
struct Marks {
    /// The packet before, if it was marked.
    last: Option<(Seq, RtpTime)>,
    always: bool,
}

impl Marks {
    fn begins(&mut self, seq: Seq, time: RtpTime, marker: bool, clock_rate: u32) -> bool {
        if !marker {
            *self = Self::default();
            return false;
        }
        // No spurt is as short as one packet (of an eighth of a second at the most).
        let follows = |(before, then): (Seq, RtpTime)| seq.since(before) == 1 && time.since(then).unsigned_abs() <= clock_rate / 8;
        self.always |= self.last.replace((seq, time)).is_some_and(follows);
        !self.always
    }
}

/// What is known of one source.
#[derive(Debug)]
pub(super) struct Source {
    pub from: SocketAddr,
    pub ssrc: Ssrc,
    /// The number by which playout knows this numbering.
    pub stream: u32,
    /// A packet that waits for a second one to prove it.
    pub held: Option<Box<Packet>>,
    pub last_at: Instant,
    /// The BYE of this source came then.
    pub bye: bool,
    highest: Option<ExtSeq>,
    /// The newest 64 numbers: bit n is `highest` - n.
    seen: u64,
    bursts: Bursts,
    base: ExtSeq,
    /// The number of the packet held.
    candidate: Option<Seq>,
    received: u64,
    /// Losses of numberings that ended.
    lost_before: u64,
    pub reordered: u64,
    expected_prior: u64,
    received_prior: u64,
    jitter_ms: f32,
    measured: bool,
    previous: Option<(Instant, RtpTime)>,
    in_burst: bool,
    marks: Marks,
    last_report: Option<(u32, Instant)>,
}

impl Source {
    pub(super) fn new(from: SocketAddr, ssrc: Ssrc, stream: u32, now: Instant) -> Self {
        Self {
            from,
            ssrc,
            stream,
            held: None,
            last_at: now,
            bye: false,
            highest: None,
            seen: 0,
            bursts: Bursts::new(),
            base: ExtSeq::default(),
            candidate: None,
            received: 0,
            lost_before: 0,
            reordered: 0,
            expected_prior: 0,
            received_prior: 0,
            jitter_ms: 0.0,
            measured: false,
            previous: None,
            in_burst: false,
            marks: Marks::default(),
            last_report: None,
        }
    }

    /// Whether two packets in sequence have proven it.
    pub(super) fn is_valid(&self) -> bool {
        self.highest.is_some()
    }

    /// Judges a packet's number (RFC 3550, A.1).
    pub(super) fn number(&mut self, seq: Seq) -> Numbered {
        let Some(highest) = self.highest else { return self.prove(seq) };
        let step = seq.since(Seq((highest.0 & 0xffff) as u16));
        if step > 0 && step.unsigned_abs() < DROPOUT_MAX {
            let wide = highest.widen(seq);
            self.highest = Some(wide);
            self.seen = self.seen.checked_shl(u32::from(step.unsigned_abs())).unwrap_or(0) | 1;
            self.received += 1;
            self.candidate = None;
            self.bursts.mark(wide);
            return Numbered::Next(wide);
        }
        if step <= 0 && step.unsigned_abs() <= MISORDER_MAX {
            self.received += 1;
            self.reordered += u64::from(step < 0);
            self.seen |= 1u64.checked_shl(u32::from(step.unsigned_abs())).unwrap_or(0);
            let wide = highest.widen(seq);
            self.bursts.mark(wide);
            return Numbered::Next(wide);
        }
        self.prove(seq)
    }

    /// Two packets near each other begin a numbering: at the start, and after a jump.
    fn prove(&mut self, seq: Seq) -> Numbered {
        let near = self.candidate.filter(|first| *first != seq && seq.since(*first).unsigned_abs() <= NEAR);
        let Some(first) = near else {
            self.candidate = Some(seq);
            return Numbered::Held;
        };
        self.candidate = None;
        self.lost_before += self.lost_now();
        let first = ExtSeq::first(first);
        let second = first.widen(seq);
        self.reordered += u64::from(second < first);
        (self.base, self.highest) = (first.min(second), Some(first.max(second)));
        self.seen = 1 | 1u64.checked_shl(second.0.abs_diff(first.0) as u32).unwrap_or(0);
        self.received = 2;
        self.bursts = Bursts::new();
        self.bursts.mark(first);
        self.bursts.mark(second);
        (self.expected_prior, self.received_prior) = (0, 0);
        Numbered::Proven(first, second)
    }

    /// Whether this packet has come; what is older than 64 packets counts as come.
    pub(super) fn has(&self, seq: ExtSeq) -> bool {
        let Some(age) = self.highest.and_then(|highest| highest.0.checked_sub(seq.0)) else { return false };
        age >= 64 || self.seen >> age & 1 != 0
    }

    /// How its losses lie, over the last packets.
    pub(super) fn loss_shape(&self) -> Shape {
        self.bursts.shape()
    }

    fn expected(&self) -> u64 {
        self.highest.map_or(0, |highest| highest.0.saturating_sub(self.base.0) + 1)
    }

    fn lost_now(&self) -> u64 {
        self.expected().saturating_sub(self.received)
    }

    /// Expected minus received, never below 0 (RFC 3550, A.3).
    pub(super) fn lost(&self) -> u64 {
        self.lost_before + self.lost_now()
    }

    pub(super) fn jitter_ms(&self) -> Option<f32> {
        self.measured.then_some(self.jitter_ms)
    }

    /// Whether this packet begins a talk spurt.
    pub(super) fn begins(&mut self, seq: Seq, time: RtpTime, marker: bool, clock_rate: u32) -> bool {
        self.marks.begins(seq, time, marker, clock_rate)
    }

    /// Interarrival jitter (RFC 3550, A.8). A spurt's pre-roll comes as a burst with true times: its packets gain their
    /// own length on the clock one after the other, which is no jitter of the network, and is left out.
    pub(super) fn measure(&mut self, arrival: Instant, time: RtpTime, begins: bool, clock_rate: u32) {
        let previous = self.previous.replace((arrival, time));
        let Some((then, before)) = previous else {
            self.in_burst = true;
            return;
        };
        let waited = arrival.saturating_duration_since(then).as_secs_f32() * 1_000.0;
        let spoken = time.since(before) as f32 * 1_000.0 / clock_rate as f32;
        let change = waited - spoken;
        if begins {
            self.in_burst = true;
            return;
        }
        if self.in_burst {
            self.in_burst = spoken > 0.0 && change < -spoken / 2.0;
            return;
        }
        if change.abs() < JITTER_STEP_MAX {
            self.jitter_ms += (change.abs() - self.jitter_ms) / 16.0;
            self.measured = true;
        }
    }

    /// The machine slept: what is in flight is old.
    pub(super) fn forget_timing(&mut self) {
        (self.previous, self.last_report) = (None, None);
    }

    /// A sender report of this source came (RFC 3550, 6.4.1: LSR and DLSR).
    pub(super) fn handle_report(&mut self, now: Instant, ntp: u64) {
        self.last_report = Some((ntp_middle(ntp), now));
    }

    /// What we tell of it since the last time we did (RFC 3550, A.3).
    pub(super) fn report(&mut self, now: Instant, clock_rate: u32) -> ReportBlock {
        let expected = self.expected();
        let expected_now = expected.saturating_sub(self.expected_prior);
        let received_now = self.received.saturating_sub(self.received_prior);
        (self.expected_prior, self.received_prior) = (expected, self.received);
        let lost_now = expected_now.saturating_sub(received_now);
        let fraction_lost = (lost_now * 256).checked_div(expected_now).unwrap_or(0).min(255) as u8;
        let cumulative = i64::try_from(expected).unwrap_or(i64::MAX) - i64::try_from(self.received).unwrap_or(i64::MAX);
        let (last_sr, delay_since_last_sr) = match self.last_report {
            Some((middle, at)) => (middle, ntp_units(now.saturating_duration_since(at))),
            None => (0, 0),
        };
        // Our wide numbers begin one wrap up, so that none goes below zero; the report's begin at none.
        let highest_seq = self.highest.map_or(0, |highest| highest.0.saturating_sub(1 << 16) as u32);
        ReportBlock {
            ssrc: self.ssrc,
            fraction_lost,
            cumulative_lost: cumulative.clamp(-0x80_0000, 0x7f_ffff) as i32,
            highest_seq,
            jitter: (self.jitter_ms * clock_rate as f32 / 1_000.0) as u32,
            last_sr,
            delay_since_last_sr,
        }
    }
}

/// A seed sender's datagrams have no numbers: they are counted as they come.
#[derive(Debug)]
pub(super) struct SeedSource {
    pub stream: u32,
    seq: ExtSeq,
    time: RtpTime,
    last_at: Option<Instant>,
}

/// A pause longer than this is the sender's, not the network's.
const SEED_PAUSE: Duration = Duration::from_millis(300);

impl SeedSource {
    pub(super) fn new(stream: u32) -> Self {
        Self { stream, seq: ExtSeq::first(Seq(0)), time: RtpTime(0), last_at: None }
    }

    /// Number and time of the next block of `samples`, and whether it begins a spurt.
    pub(super) fn number(&mut self, now: Instant, samples: usize) -> (ExtSeq, RtpTime, bool) {
        let pause = self.last_at.map(|last| now.saturating_duration_since(last)).filter(|pause| *pause > SEED_PAUSE);
        let begins = self.last_at.is_none() || pause.is_some();
        if let Some(pause) = pause {
            self.time = self.time.plus((pause.as_micros() * u128::from(crate::units::SEED_RATE) / 1_000_000) as u32);
        }
        self.last_at = Some(now);
        let (seq, time) = (self.seq, self.time);
        self.seq = ExtSeq(seq.0 + 1);
        self.time = time.plus(samples as u32);
        (seq, time, begins)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source() -> Source {
        Source::new("10.0.0.1:9".parse().expect("an address"), Ssrc(1), 1, Instant::now())
    }

    fn feed(source: &mut Source, seqs: impl IntoIterator<Item = u16>) {
        seqs.into_iter().for_each(|seq| {
            source.number(Seq(seq));
        });
    }

    #[test]
    fn two_packets_in_sequence_prove_a_stream_and_the_first_is_not_lost() {
        let mut source = source();
        assert_eq!(source.number(Seq(65_535)), Numbered::Held);
        assert!(!source.is_valid());
        let first = ExtSeq::first(Seq(65_535));
        assert_eq!(source.number(Seq(0)), Numbered::Proven(first, ExtSeq(first.0 + 1)));
        assert_eq!(source.number(Seq(2)), Numbered::Next(ExtSeq(first.0 + 3)));
        assert_eq!(source.lost(), 1);
        assert!(source.has(ExtSeq(first.0 + 1)) && !source.has(ExtSeq(first.0 + 2)) && source.has(ExtSeq(first.0 + 3)));
        assert_eq!(source.number(Seq(1)), Numbered::Next(ExtSeq(first.0 + 2)));
        assert_eq!((source.lost(), source.reordered), (0, 1));
    }

    #[test]
    fn one_packet_twice_and_packets_far_apart_prove_nothing() {
        let mut source = source();
        for seq in [5, 5, 5, 900, 40_000, 3] {
            assert_eq!(source.number(Seq(seq)), Numbered::Held, "{seq}");
        }
    }

    #[test]
    fn a_wild_number_is_held_and_a_second_one_restarts_the_count() {
        let mut source = source();
        feed(&mut source, [10, 11, 12, 14]);
        assert_eq!(source.number(Seq(30_000)), Numbered::Held);
        assert!(matches!(source.number(Seq(15)), Numbered::Next(_)));
        assert_eq!(source.number(Seq(40_000)), Numbered::Held);
        assert!(matches!(source.number(Seq(40_001)), Numbered::Proven(..)));
        assert_eq!(source.lost(), 1, "the loss before the restart still counts, the jump does not");
    }

    #[test]
    fn a_sequence_wraps_without_a_loss() {
        let mut source = source();
        feed(&mut source, (0..200_000u32).map(|n| n as u16));
        assert_eq!((source.lost(), source.reordered), (0, 0));
        assert_eq!(source.report(Instant::now(), 48_000).highest_seq, 199_999);
    }

    #[test]
    fn a_report_tells_what_was_lost_since_the_last_one() {
        let mut source = source();
        let now = Instant::now();
        feed(&mut source, [0, 1, 3]);
        let first = source.report(now, 48_000);
        assert_eq!((first.fraction_lost, first.cumulative_lost, first.last_sr), (64, 1, 0));
        feed(&mut source, 4..=13);
        source.handle_report(now, 0x1111_2222_3333_4444);
        let second = source.report(now + Duration::from_millis(500), 48_000);
        assert_eq!((second.fraction_lost, second.cumulative_lost), (0, 1));
        assert_eq!((second.last_sr, second.delay_since_last_sr), (0x2222_3333, 32_768));
        feed(&mut source, [13, 13, 13]);
        assert_eq!(source.report(now, 48_000).cumulative_lost, -2, "duplicates may make it negative");
        assert_eq!(source.lost(), 0);
    }

    #[test]
    fn jitter_is_the_networks_not_the_prerolls() {
        let mut source = source();
        let start = Instant::now();
        let mut clock = RtpTime(u32::MAX - 5_000);
        for spurt in 0..3u64 {
            let press = start + Duration::from_secs(3 * spurt);
            for n in 0..206u64 {
                // Six packets of pre-roll at once, then one every 10 ms.
                let arrival = press + Duration::from_millis(10 * n.saturating_sub(6));
                source.measure(arrival, clock, n == 0, 48_000);
                clock = clock.plus(480);
            }
            clock = clock.plus(48_000);
        }
        assert!(source.jitter_ms().is_some_and(|jitter| jitter < 0.1), "{:?}", source.jitter_ms());
    }

    #[test]
    fn jitter_follows_the_standards_filter() {
        let mut source = source();
        let start = Instant::now();
        for n in 0..400u64 {
            let late = if n % 2 == 0 { 4 } else { 0 };
            source.measure(start + Duration::from_millis(10 * n + late), RtpTime(n as u32 * 480), false, 48_000);
        }
        assert!((source.jitter_ms().expect("measured") - 4.0).abs() < 0.1);
        source.measure(start, RtpTime(1 << 31), false, 48_000);
        assert!((source.jitter_ms().expect("measured") - 4.0).abs() < 0.1, "another clock is not jitter");
    }

    #[test]
    fn a_marker_on_every_packet_begins_no_spurt_but_the_first() {
        let begins = |packets: &[(u16, u32, bool)]| -> Vec<u16> {
            let mut marks = Marks::default();
            let starts = packets.iter().filter(|(seq, time, marker)| marks.begins(Seq(*seq), RtpTime(*time), *marker, 48_000));
            starts.map(|(seq, ..)| *seq).collect()
        };
        let all: Vec<_> = (0..100).map(|n: u16| (n, u32::from(n) * 960, true)).collect();
        assert_eq!(begins(&all), [0]);
        let with_losses: Vec<_> = all.iter().copied().filter(|(seq, ..)| *seq < 2 || seq % 3 != 0).collect();
        assert_eq!(begins(&with_losses), [0], "a loss does not make its successor a start");
        let spurts = [(0, 0, true), (1, 480, false), (2, 48_000, true), (3, 48_480, false), (4, 96_000, true), (5, 144_000, true)];
        assert_eq!(begins(&spurts), [0, 2, 4, 5]);
    }

    #[test]
    fn seed_blocks_are_counted_and_a_pause_is_time_that_passed() {
        let mut seed = SeedSource::new(1);
        let start = Instant::now();
        let (first, _, begins) = seed.number(start, 1_024);
        assert!(begins);
        let (second, time, begins) = seed.number(start + Duration::from_millis(23), 1_024);
        assert_eq!((second.0, time, begins), (first.0 + 1, RtpTime(1_024), false));
        let (third, time, begins) = seed.number(start + Duration::from_millis(1_023), 1_024);
        assert_eq!((third.0, time, begins), (first.0 + 2, RtpTime(2_048 + 44_100), true));
    }
}
