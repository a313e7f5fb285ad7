//! What may go to one peer again: which packets it has had, and how much a NACK may cost us (RFC 4588). Pure.

use std::time::Instant;

use crate::call::plan::RESEND_MAX;
use crate::units::Seq;

/// The same packet goes again this often at most.
const TIMES_MAX: u8 = 2;
/// Packets a second that go again, and as many at once.
const RATE: f32 = 60.0;
const AT_ONCE: f32 = 20.0;
/// Bytes that go again: a fifth of the media, so that nobody who asks makes an amplifier of us; as much at once as a short
/// burst of packets holds.
const SHARE: usize = 5;
const BYTES_AT_ONCE: usize = 4_000;

/// A packet that went out.
#[derive(Clone, Copy, Debug)]
struct Gone {
    seq: Seq,
    /// Microphone time of its first sample.
    at: u64,
    times: u8,
}

/// The newest packets of one stream, and what their repetition may cost.
#[derive(Debug)]
pub(super) struct Resends {
    gone: [Option<Gone>; RESEND_MAX],
    next: usize,
    /// Retransmissions are numbered for themselves.
    seq: Seq,
    packets: f32,
    bytes: usize,
    refilled: Option<Instant>,
}

impl Default for Resends {
    fn default() -> Self {
        Self::new(Seq(0))
    }
}

impl Resends {
    pub(super) fn new(seq: Seq) -> Self {
        Self { gone: [None; RESEND_MAX], next: 0, seq, packets: AT_ONCE, bytes: BYTES_AT_ONCE, refilled: None }
    }

    /// A media packet of so many bytes went out.
    pub(super) fn remember(&mut self, seq: Seq, at: u64, bytes: usize) {
        self.gone[self.next] = Some(Gone { seq, at, times: 0 });
        self.next = (self.next + 1) % RESEND_MAX;
        self.bytes = (self.bytes + bytes / SHARE).min(BYTES_AT_ONCE);
    }

    /// When the packet `seq` was spoken, if it may go again.
    pub(super) fn spoken_at(&self, seq: Seq) -> Option<u64> {
        self.gone.iter().flatten().find(|gone| gone.seq == seq && gone.times < TIMES_MAX).map(|gone| gone.at)
    }

    /// The number under which the packet `seq` goes again, in `bytes` bytes; `None`: it does not.
    pub(super) fn grant(&mut self, now: Instant, seq: Seq, bytes: usize) -> Option<Seq> {
        let passed = self.refilled.map_or(0.0, |at| now.saturating_duration_since(at).as_secs_f32());
        self.refilled = Some(now);
        self.packets = (self.packets + passed * RATE).min(AT_ONCE);
        let gone = self.gone.iter_mut().flatten().find(|gone| gone.seq == seq && gone.times < TIMES_MAX)?;
        if self.packets < 1.0 || self.bytes < bytes {
            return None;
        }
        gone.times += 1;
        self.packets -= 1.0;
        self.bytes -= bytes;
        self.seq = self.seq.next();
        Some(self.seq)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_packet_goes_again_twice_at_most_and_only_while_it_is_remembered() {
        let mut resends = Resends::new(Seq(9));
        let now = Instant::now();
        (0..40u16).for_each(|n| resends.remember(Seq(n), u64::from(n) * 480, 100));
        assert_eq!((resends.spoken_at(Seq(7)), resends.spoken_at(Seq(8)), resends.spoken_at(Seq(40))), (None, Some(3_840), None));
        assert_eq!([(); 3].map(|()| resends.grant(now, Seq(20), 80)), [Some(Seq(10)), Some(Seq(11)), None]);
        assert_eq!(resends.spoken_at(Seq(20)), None);
    }

    #[test]
    fn a_flood_of_requests_costs_a_fifth_of_the_media_and_sixty_packets_a_second() {
        let mut resends = Resends::new(Seq(0));
        let start = Instant::now();
        let (mut media, mut packets, mut bytes) = (0, 0, 0);
        for n in 0..1_000u64 {
            let now = start + Duration::from_millis(10 * n);
            resends.remember(Seq(n as u16), n, 72);
            media += 72;
            for seq in n.saturating_sub(31)..=n {
                if resends.grant(now, Seq(seq as u16), 74).is_some() {
                    (packets, bytes) = (packets + 1, bytes + 74);
                }
            }
        }
        assert!(packets <= 620 && bytes <= media / 5 + BYTES_AT_ONCE, "{packets} packets, {bytes} of {media} bytes");
        assert!(bytes > media / 8, "an honest peer gets its share");
    }
}
