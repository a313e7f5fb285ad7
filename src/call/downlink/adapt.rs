//! How a stream to one peer is armoured against losses and kept inside its way, from that peer's own reports. Pure.

use std::time::{Duration, Instant};

use super::width::{Sample, Width};
use crate::call::event::{SendReason, Sending};
use crate::call::plan::{COPIES_MAX, PRIVATE_COPIES, REACH_MAX, Resend, spread};
use crate::units::Seq;
use crate::wire::xr::VoipMetrics;

/// Above so much loss, percent, one copy of each frame travels, two, three, four: what then remains is a thousandth or so.
const UP: [f32; COPIES_MAX] = [0.75, 2.5, 9.0, 28.0];
/// A step is given back below this share of its loss, after good reports for so long; longer if that proved too soon.
const BACK: f32 = 0.5;
const HOLD: Duration = Duration::from_secs(10);
const HOLD_MAX: Duration = Duration::from_secs(40);
/// A step taken again this soon was given back too soon; one not taken again for so long was not.
const TOO_SOON: Duration = Duration::from_secs(20);
const SETTLED: Duration = Duration::from_secs(60);
/// The loss is that of the last 200 packets or so, and of no fewer than 140: one lost packet is no reason.
const MEMORY_PACKETS: f32 = 200.0;
const FEWEST_PACKETS: f32 = 140.0;
/// Until so many reports came, one copy travels on trust: the first words shall not be what the network is learned from.
const FIRST_REPORTS: u8 = 4;
/// Packets between two reports beyond which their numbers are not of one stream.
const PACKETS_MAX: u32 = 5_000;
/// Jitter of so many frames: packets overtake each other.
const OVERTAKEN: f32 = 0.6;
/// Two losses named by NACKs within this time bring a copy at once.
const NEAR: Duration = Duration::from_secs(1);
/// Reports that agree before losses count as bursts, and before they do no more.
const AGREE: u8 = 2;
const DISAGREE: u8 = 20;
/// Copies reach no farther back than the listener waits for: 60 ms, unless its delay is longer anyway.
const REACH_MS: f32 = 60.0;
/// A delay that lies this far above what our copies explain is the listener's own choice.
const UNEXPLAINED_MS: f32 = 25.0;
/// With all headers no stream with copies is wider, bit/s: the bit rate falls before. Reports and what is asked for again come to 300 kbit/s with it.
pub(super) const WIDEST: u32 = 294_000;
/// From the best to the narrowest: bit/s, ms. The longer frame comes before the lowest rate: at 10 ms the headers alone are 32 kbit/s.
const LADDER: [(u32, u32); 6] = [(64_000, 10), (48_000, 10), (32_000, 10), (24_000, 10), (24_000, 20), (16_000, 20)];

/// What the choice is bound by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// As configured, bit/s and ms.
    pub bitrate: u32,
    pub frame_ms: u32,
    /// The peer takes RED.
    pub takes_red: bool,
    /// The flow is the same whatever happens.
    pub private: bool,
    /// IP and UDP headers of a datagram, and what seals it, bytes.
    pub header_bytes: u32,
}

/// How to send.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Choice {
    pub bitrate: u32,
    pub frame_ms: u32,
    pub copies: u8,
    pub reach: u8,
    /// For the encoder, percent.
    pub expected_loss_percent: u8,
    pub reason: SendReason,
}

impl Choice {
    pub(super) fn sending(&self) -> Sending {
        let reach = spread(self.copies, self.reach).last().unwrap_or(0) as u8;
        Sending {
            bitrate: self.bitrate,
            frame_ms: self.frame_ms as u8,
            copies: self.copies,
            spacing: reach.checked_div(self.copies).map_or(1, |_| reach.div_ceil(self.copies)),
            reason: self.reason,
        }
    }
}

/// How losses lie.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
enum Pattern {
    #[default]
    Single,
    /// Two or so in a row.
    Short,
    /// Four or so in a row.
    Long,
}

/// A report block about our stream.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Heard {
    pub highest_seq: u32,
    pub cumulative_lost: i32,
    pub jitter_ms: f32,
    pub rtt_ms: Option<f32>,
    /// Datagrams and bytes of UDP payload sent to the peer in all.
    pub sent: (u64, u64),
}

/// What the reports of one peer ask of the sender.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Armour {
    /// Highest number and losses as of the last report, and when that came; losses as of the one before.
    last: Option<(u32, i32, Instant)>,
    before: i32,
    /// Losses believed so far.
    believed: i32,
    /// Packets and losses, forgetting.
    expected: f32,
    lost: f32,
    /// With packets in them, as far as they matter.
    reports: u8,
    /// Steps taken.
    level: u8,
    good_for: Duration,
    hold: Duration,
    lowered: Option<Instant>,
    pattern: Pattern,
    agree: u8,
    disagree: u8,
    jitter_ms: f32,
    /// Delay of the listener that is there whatever we do, ms.
    covered_ms: f32,
    /// The last packet that a NACK named.
    nacked: Option<(Seq, Instant)>,
    width: Width,
}

impl Armour {
    /// A report said what was lost since the last.
    pub(super) fn handle_report(&mut self, now: Instant, heard: &Heard, bounds: &Bounds) {
        let (packets, lost) = self.news(heard, bounds);
        let passed = self.last.map_or(Duration::ZERO, |(.., at)| now.saturating_duration_since(at)).min(Duration::from_secs(1));
        self.before = self.last.map_or(heard.cumulative_lost, |last| last.1);
        self.last = Some((heard.highest_seq, heard.cumulative_lost, now));
        self.jitter_ms = heard.jitter_ms;
        if packets > 0.0 {
            self.reports = self.reports.saturating_add(1);
            let keep = (-packets / MEMORY_PACKETS).exp();
            (self.expected, self.lost) = (self.expected * keep + packets, (self.lost * keep + lost).max(-2.0));
        }
        let wish = self.wish(bounds);
        let sample = Sample {
            rtt_ms: heard.rtt_ms,
            jitter_ms: heard.jitter_ms,
            packets,
            lost,
            loss: self.rate() / 100.0,
            sent_bits: 8 * (heard.sent.1 + heard.sent.0 * u64::from(bounds.header_bytes)),
            wish: wire(&wish, bounds) as f32,
        };
        self.width.handle(now, &sample);
        let wanted = (0..COPIES_MAX).filter(|step| self.rate() > UP[*step] * if *step < usize::from(self.level) { BACK } else { 1.0 });
        let wanted = wanted.count() as u8;
        if wanted > self.level {
            // A queue that fills loses packets too; more of ours would make it worse.
            if !self.width.is_suspect() {
                self.raise(now, wanted);
            }
        } else if wanted == self.level {
            self.good_for = Duration::ZERO;
        } else if packets > 0.0 {
            self.good_for += passed;
            if self.good_for >= self.hold.max(HOLD) {
                self.level -= ((self.level - wanted) / 2).max(1);
                (self.good_for, self.lowered) = (Duration::ZERO, Some(now));
                if self.level == 0 {
                    (self.pattern, self.agree, self.disagree) = (Pattern::Single, 0, 0);
                }
            }
        }
    }

    /// Packets sent and lost since the last report.
    fn news(&mut self, heard: &Heard, bounds: &Bounds) -> (f32, f32) {
        let Some((highest, cumulative, _)) = self.last else {
            self.believed = heard.cumulative_lost;
            return (50.0, heard.cumulative_lost.clamp(0, 25) as f32);
        };
        let packets = heard.highest_seq.wrapping_sub(highest);
        if packets > PACKETS_MAX {
            self.believed = heard.cumulative_lost;
            return (0.0, 0.0);
        }
        // What came late is taken back. Where packets overtake each other, what is missing now may come yet: the next two
        // reports tell.
        let overtaken = heard.jitter_ms > OVERTAKEN * bounds.frame_ms as f32;
        let believed = if overtaken { self.before.min(cumulative).min(heard.cumulative_lost) } else { heard.cumulative_lost };
        let lost = believed.saturating_sub(self.believed) as f32;
        self.believed = believed;
        (packets as f32, lost.clamp(-(packets as f32), packets as f32))
    }

    fn raise(&mut self, now: Instant, level: u8) {
        let since = self.lowered.map(|at| now.saturating_duration_since(at));
        if since.is_some_and(|since| since < TOO_SOON) {
            self.hold = (self.hold.max(HOLD) * 2).min(HOLD_MAX);
        } else if since.is_none_or(|since| since > SETTLED) {
            self.hold = HOLD;
        }
        (self.level, self.good_for, self.lowered) = (level, Duration::ZERO, None);
    }

    /// The peer misses packets: the second within a second brings a copy, without waiting for a report.
    pub(super) fn handle_nack(&mut self, now: Instant, resend: &Resend) {
        for seq in resend.seqs() {
            let before = self.nacked.filter(|(before, _)| before != seq);
            if before.is_some_and(|(_, at)| now.saturating_duration_since(at) < NEAR) && self.level == 0 && !self.width.may_be_suspect() {
                self.raise(now, 1);
            }
            if before.is_some() || self.nacked.is_none() {
                self.nacked = Some((*seq, now));
            }
        }
    }

    /// How the losses lie, and how long the listener waits (RFC 3611, 4.7.2 and 4.7.7).
    pub(super) fn handle_metrics(&mut self, metrics: &VoipMetrics, bounds: &Bounds) {
        let wish = self.wish(bounds);
        let frame_ms = wish.frame_ms.max(1) as f32;
        let ours = spread(wish.copies, wish.reach).last().unwrap_or(0) as f32 * frame_ms;
        let covered = f32::from(metrics.jb_nominal) - 3.0 * self.jitter_ms;
        if covered > ours + UNEXPLAINED_MS || self.covered_ms > covered + 10.0 {
            self.covered_ms = covered.max(0.0);
        }
        if self.level == 0 {
            return;
        }
        let seen = pattern(f32::from(metrics.burst_density) / 256.0, f32::from(metrics.burst_duration) / frame_ms, self.rate());
        if seen > self.pattern {
            self.agree += 1;
            if self.agree >= AGREE {
                (self.pattern, self.agree) = (seen, 0);
            }
        } else {
            self.agree = 0;
        }
        self.disagree = if seen < self.pattern { self.disagree + 1 } else { 0 };
        if self.disagree >= DISAGREE {
            (self.pattern, self.disagree) = (seen, 0);
        }
    }

    /// Share of our packets that get lost, percent.
    fn rate(&self) -> f32 {
        (100.0 * self.lost / self.expected.max(FEWEST_PACKETS)).max(0.0)
    }

    /// What would be sent if the way were wide enough.
    fn wish(&self, bounds: &Bounds) -> Choice {
        let frame_ms = bounds.frame_ms;
        let copies = match (bounds.takes_red, self.level, self.pattern) {
            (false, ..) => 0,
            (_, 0, _) => u8::from(self.reports < FIRST_REPORTS),
            (_, level, Pattern::Single) => level,
            (_, level, _) => (level + 1).min(COPIES_MAX as u8),
        };
        let farthest = (REACH_MS.max(self.covered_ms) / frame_ms as f32) as u8;
        let reach = match self.pattern {
            Pattern::Single => copies,
            Pattern::Short => copies + 1,
            Pattern::Long => REACH_MAX as u8,
        };
        let expected_loss_percent = match (bounds.takes_red, self.level, self.pattern) {
            // Nothing but the encoder's own copy can help.
            (false, level, _) => [0, 5, 10, 10, 20][usize::from(level)],
            (_, 4, _) => 10,
            (_, 1.., Pattern::Long) => 5,
            _ => 0,
        };
        Choice {
            bitrate: bounds.bitrate,
            frame_ms,
            copies,
            reach: reach.min(farthest).max(copies),
            expected_loss_percent,
            reason: SendReason::Unheard,
        }
    }

    /// How to send now.
    pub(super) fn choice(&self, bounds: &Bounds) -> Choice {
        let wish = self.wish(bounds);
        if bounds.private {
            // The room is paid for, so copies fill it; nothing else may change with what is heard there.
            let copies = if bounds.takes_red { PRIVATE_COPIES } else { 0 };
            let reach = wish.reach.max(copies);
            return Choice { copies, reach, reason: SendReason::Private, ..wish };
        }
        let mut choice = wish;
        if let Some(budget) = self.width.budget() {
            let fits = |choice: &Choice| wire(choice, bounds) as f32 <= budget;
            while choice.copies > 0 && !fits(&choice) {
                choice.copies -= 1;
            }
            let rungs = LADDER.iter().filter(|(bitrate, frame_ms)| *bitrate < bounds.bitrate && *frame_ms >= bounds.frame_ms);
            for (bitrate, frame_ms) in rungs {
                if fits(&choice) {
                    break;
                }
                (choice.bitrate, choice.frame_ms) = (*bitrate, *frame_ms);
            }
            if choice.copies == 0 && self.level > 0 {
                choice.expected_loss_percent = choice.expected_loss_percent.max(if self.level > 2 { 10 } else { 5 });
            }
        }
        if choice.copies > 0 {
            let headers = wire(&Choice { bitrate: 0, ..choice }, bounds);
            choice.bitrate = choice.bitrate.min(WIDEST.saturating_sub(headers) / (u32::from(choice.copies) + 1));
        }
        let is_narrow =
            (choice.copies, choice.frame_ms) != (wish.copies, wish.frame_ms) || choice.bitrate < wish.bitrate && choice.copies == 0;
        choice.reason = match (self.level, self.pattern) {
            (0, _) if self.reports < FIRST_REPORTS => SendReason::Unheard,
            _ if is_narrow => SendReason::Narrow,
            (0, _) => SendReason::Clean,
            _ if self.good_for > Duration::ZERO && self.rate() < UP[0] * BACK => SendReason::Easing,
            (_, Pattern::Single) => SendReason::Loss,
            _ => SendReason::Bursts,
        };
        choice
    }
}

/// Bit/s on the wire with all headers: IP and UDP, RTP, RED (RFC 2198, 3: four bytes a copy, one for the frame itself).
fn wire(choice: &Choice, bounds: &Bounds) -> u32 {
    let copies = u32::from(choice.copies);
    let red = if copies > 0 { 4 * copies + 1 } else { 0 };
    let packets = 1_000 / choice.frame_ms.max(1);
    choice.bitrate * (copies + 1) + packets * 8 * (bounds.header_bytes + crate::wire::rtp::HEADER_BYTES as u32 + red)
}

/// What the burst metrics say, at a loss of `rate` percent. Losses that are independent have bursts too, as RFC 3611 counts
/// them: of a density of about 0.2, or their own share; few of them may look like anything.
fn pattern(density: f32, packets: f32, rate: f32) -> Pattern {
    let single = 0.3 + 0.3 * rate / 100.0;
    let (short, long) = if rate < 4.0 { (0.55, 0.75) } else { (single, single + 0.17) };
    match () {
        () if density > long && packets >= 3.0 => Pattern::Long,
        () if density > short => Pattern::Short,
        () => Pattern::Single,
    }
}

#[cfg(test)]
mod tests;
