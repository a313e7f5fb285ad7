//! Losses in their order: which came in bursts, which alone, over the last packets of one source (RFC 3611, 4.7.2). Pure.

use crate::units::ExtSeq;

/// Packets remembered: ten seconds of 10 ms.
const KEPT: u64 = 1_024;
/// Packets looked at, so that the figures follow the network within some seconds.
const LOOKED_AT: u64 = 512;
/// The newest few may only be reordered: they are judged later.
const PENDING: u64 = 4;
/// So many packets received in a row end a burst.
pub(super) const GMIN: u8 = 16;

/// What the losses look like. Densities are 0..=1, durations are in packets; all 0 where there is none.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub(super) struct Shape {
    pub burst_density: f32,
    pub gap_density: f32,
    pub burst_packets: f32,
    pub gap_packets: f32,
}

/// Which of the newest packets came.
#[derive(Debug)]
pub(super) struct Bursts {
    came: [u64; (KEPT / 64) as usize],
    first: u64,
    newest: Option<u64>,
}

impl Bursts {
    pub(super) fn new() -> Self {
        Self { came: [0; (KEPT / 64) as usize], first: 0, newest: None }
    }

    /// A packet came, in whatever order; what was thought lost and comes late was not lost.
    pub(super) fn mark(&mut self, seq: ExtSeq) {
        let seq = seq.0;
        let Some(newest) = self.newest else {
            (self.first, self.newest) = (seq, Some(seq));
            self.set(seq, true);
            return;
        };
        if seq > newest {
            (newest.max(seq.saturating_sub(KEPT)) + 1..seq).for_each(|missing| self.set(missing, false));
            self.newest = Some(seq);
        } else if newest - seq >= KEPT {
            return;
        }
        self.first = self.first.min(seq);
        self.set(seq, true);
    }

    fn set(&mut self, seq: u64, came: bool) {
        let word = &mut self.came[(seq % KEPT / 64) as usize];
        *word = *word & !(1 << (seq % 64)) | u64::from(came) << (seq % 64);
    }

    fn came(&self, seq: u64) -> bool {
        self.came[(seq % KEPT / 64) as usize] >> (seq % 64) & 1 != 0
    }

    /// A burst begins and ends with a loss and has no [`GMIN`] packets received in a row inside; what lies before, between
    /// and after bursts are gaps. Before and after what is looked at, all is taken as received.
    pub(super) fn shape(&self) -> Shape {
        let Some(newest) = self.newest.filter(|newest| *newest >= self.first + PENDING) else { return Shape::default() };
        let end = newest - PENDING;
        let begin = self.first.max(end.saturating_sub(LOOKED_AT - 1));
        let (mut bursts, mut gaps) = (Sum::default(), Sum::default());
        // Losses no farther apart than a burst allows: first, last, how many.
        let mut group: Option<(u64, u64, u64)> = None;
        let mut gap_from = begin;
        let mut close = |group: Option<(u64, u64, u64)>, gap_from: &mut u64| match group {
            Some((_, _, 1)) => gaps.lost += 1,
            Some((first, last, lost)) => {
                bursts.add(last + 1 - first, lost);
                gaps.add(first - *gap_from, 0);
                *gap_from = last + 1;
            }
            None => {}
        };
        for seq in (begin..=end).filter(|seq| !self.came(*seq)) {
            group = match group {
                Some((first, last, lost)) if seq - last <= u64::from(GMIN) => Some((first, seq, lost + 1)),
                before => {
                    close(before, &mut gap_from);
                    Some((seq, seq, 1))
                }
            };
        }
        close(group, &mut gap_from);
        gaps.add(end + 1 - gap_from, 0);
        Shape { burst_density: bursts.density(), gap_density: gaps.density(), burst_packets: bursts.mean(), gap_packets: gaps.mean() }
    }
}

/// Periods of one kind.
#[derive(Clone, Copy, Default)]
struct Sum {
    periods: u64,
    packets: u64,
    lost: u64,
}

impl Sum {
    fn add(&mut self, packets: u64, lost: u64) {
        // A burst at the very edge leaves no gap there.
        self.periods += u64::from(packets > 0);
        self.packets += packets;
        self.lost += lost;
    }

    fn density(&self) -> f32 {
        if self.packets == 0 { 0.0 } else { self.lost as f32 / self.packets as f32 }
    }

    fn mean(&self) -> f32 {
        if self.periods == 0 { 0.0 } else { self.packets as f32 / self.periods as f32 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: u64 = 70_000;

    /// `1`: came; anything else: did not. Followed by enough that came to have all judged.
    fn of(pattern: &str) -> Bursts {
        let mut bursts = Bursts::new();
        let came = pattern.bytes().map(|byte| byte == b'1').chain([true; PENDING as usize]);
        came.enumerate().filter(|(_, came)| *came).for_each(|(n, _)| bursts.mark(ExtSeq(START + n as u64)));
        bursts
    }

    fn near(a: f32, b: f32) -> bool {
        (a - b).abs() < 0.005
    }

    #[test]
    fn the_standards_example_has_the_standards_figures() {
        // RFC 3611, 4.7.2: a burst of twelve packets, density 0.33; gaps of 230 and 290 ms, density 0.04.
        // Its picture lacks the last of its 64 packets.
        let shape = of("11110111111111111111111X111X1011110111111111111111111X1111111111").shape();
        assert!(near(shape.burst_density, 0.333) && near(shape.burst_packets, 12.0), "{shape:?}");
        assert!(near(shape.gap_density, 2.0 / 52.0) && near(shape.gap_packets, 52.0 / 2.0), "{shape:?}");
    }

    #[test]
    fn sixteen_received_in_a_row_end_a_burst_and_fifteen_do_not() {
        let with = |received: usize| of(&format!("{0}0{1}0{0}", "1".repeat(20), "1".repeat(received))).shape();
        let (apart, one) = (with(16), with(15));
        assert_eq!((apart.burst_density, apart.burst_packets), (0.0, 0.0));
        assert!(near(apart.gap_density, 2.0 / 58.0) && near(apart.gap_packets, 58.0), "{apart:?}");
        assert!(near(one.burst_packets, 17.0) && near(one.burst_density, 2.0 / 17.0), "{one:?}");
        assert!(near(one.gap_packets, 20.0) && one.gap_density == 0.0, "{one:?}");
    }

    #[test]
    fn nothing_lost_is_one_gap_and_nothing_received_is_no_shape() {
        assert_eq!(Bursts::new().shape(), Shape::default());
        assert_eq!(of(&"1".repeat(100)).shape(), Shape { gap_packets: 100.0, ..Shape::default() });
    }

    #[test]
    fn what_comes_late_was_not_lost() {
        let mut bursts = of(&format!("{0}000{0}", "1".repeat(40)));
        assert!(near(bursts.shape().burst_density, 1.0) && near(bursts.shape().burst_packets, 3.0));
        (40..43).for_each(|n| bursts.mark(ExtSeq(START + n)));
        assert_eq!(bursts.shape().burst_packets, 0.0);
    }

    #[test]
    fn the_figures_forget_and_a_leap_is_bounded() {
        let mut bursts = of(&format!("{0}000000{0}", "1".repeat(40)));
        (100..100 + LOOKED_AT + PENDING).for_each(|n| bursts.mark(ExtSeq(START + n)));
        assert_eq!(bursts.shape().burst_packets, 0.0);
        bursts.mark(ExtSeq(START + 1_000_000));
        bursts.mark(ExtSeq(START));
        let shape = bursts.shape();
        assert!(near(shape.burst_density, 1.0) && near(shape.burst_packets, LOOKED_AT as f32), "{shape:?}");
    }
}
