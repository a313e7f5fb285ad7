//! Packets that wait for their turn, in order of sequence; bounded, allocated once. Pure.

use super::Packet;

/// Packets held at most: 1.28 s of 10 ms packets, 270 KB.
pub(super) const SLOTS: usize = 128;
/// Sequence numbers back from the newest whose arrival is remembered.
const SEEN: u64 = 256;

/// A packet and its place on the media timeline, and when it came (samples at 48 kHz).
#[derive(Clone, Debug)]
pub(super) struct Stored {
    pub(super) packet: Packet,
    pub(super) media: f64,
    pub(super) arrival: f64,
}

/// What became of a packet that was put in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Put {
    /// It waits now; `dropped` others made room.
    New {
        reordered: bool,
        dropped: u64,
    },
    Duplicate,
    /// Its turn is over.
    Late,
}

#[derive(Debug)]
pub(super) struct Buffer {
    slots: Box<[Option<Stored>]>,
    held: usize,
    /// The next to be played; `None` before the first packet.
    next: Option<u64>,
    /// Nothing was taken yet: an earlier packet may still become the first.
    untouched: bool,
    newest: u64,
    seen: [u64; (SEEN / 64) as usize],
}

impl Buffer {
    pub(super) fn new() -> Self {
        Self { slots: (0..SLOTS).map(|_| None).collect(), held: 0, next: None, untouched: true, newest: 0, seen: [0; 4] }
    }

    pub(super) fn clear(&mut self) {
        self.slots.iter_mut().for_each(|slot| *slot = None);
        (self.held, self.next, self.untouched, self.newest, self.seen) = (0, None, true, 0, [0; 4]);
    }

    pub(super) fn len(&self) -> usize {
        self.held
    }

    /// The sequence number whose turn is next.
    pub(super) fn next(&self) -> u64 {
        self.next.unwrap_or(0)
    }

    pub(super) fn put(&mut self, packet: &Packet, media: f64, arrival: f64) -> Put {
        let seq = packet.seq.0;
        let Some(next) = self.next else {
            self.next = Some(seq);
            self.newest = seq;
            self.mark_seen(seq);
            self.store(packet, media, arrival);
            return Put::New { reordered: false, dropped: 0 };
        };
        if self.has_seen(seq) {
            return Put::Duplicate;
        }
        if seq < next {
            if !self.untouched || self.newest - seq >= SLOTS as u64 {
                return Put::Late;
            }
            self.next = Some(seq);
        }
        let dropped = if seq - self.next() >= SLOTS as u64 { self.skip_to(seq - (SLOTS as u64 - 1)) } else { 0 };
        let reordered = seq < self.newest;
        self.mark_seen(seq);
        self.store(packet, media, arrival);
        Put::New { reordered, dropped }
    }

    /// The lowest packet that waits.
    pub(super) fn first(&self) -> Option<&Stored> {
        self.from(self.next())
    }

    /// The lowest packet at or after `seq`.
    pub(super) fn from(&self, seq: u64) -> Option<&Stored> {
        if self.held == 0 {
            return None;
        }
        let end = self.next().saturating_add(SLOTS as u64);
        (seq.max(self.next())..end).find_map(|seq| self.get(seq))
    }

    pub(super) fn get(&self, seq: u64) -> Option<&Stored> {
        self.slots[seq as usize % SLOTS].as_ref().filter(|stored| stored.packet.seq.0 == seq)
    }

    /// Whether `seq` came, whatever became of it; false when that is too long ago to know.
    pub(super) fn has_seen(&self, seq: u64) -> bool {
        seq <= self.newest && self.newest - seq < SEEN && self.seen[(seq % SEEN / 64) as usize] & 1 << (seq % 64) != 0
    }

    /// Everything before `seq` has had its turn. Returns how many waiting packets were dropped with it.
    pub(super) fn skip_to(&mut self, seq: u64) -> u64 {
        self.untouched = false;
        let mut dropped = 0;
        if seq > self.next() {
            for slot in &mut self.slots {
                if slot.as_ref().is_some_and(|stored| stored.packet.seq.0 < seq) {
                    *slot = None;
                    dropped += 1;
                }
            }
            self.held -= dropped as usize;
            self.next = Some(seq);
        }
        dropped
    }

    fn store(&mut self, packet: &Packet, media: f64, arrival: f64) {
        let slot = &mut self.slots[packet.seq.0 as usize % SLOTS];
        self.held += usize::from(slot.is_none());
        *slot = Some(Stored { packet: packet.clone(), media, arrival });
    }

    fn mark_seen(&mut self, seq: u64) {
        if seq > self.newest {
            if seq - self.newest >= SEEN {
                self.seen = [0; 4];
            } else {
                for seq in self.newest + 1..seq {
                    self.seen[(seq % SEEN / 64) as usize] &= !(1 << (seq % 64));
                }
            }
            self.newest = seq;
        }
        self.seen[(seq % SEEN / 64) as usize] |= 1 << (seq % 64);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::playout::Codec;
    use crate::units::{ExtSeq, RtpTime};

    fn packet(seq: u64) -> Packet {
        Packet::new(1, ExtSeq(seq), RtpTime(0), Codec::Opus, Instant::now(), &[0]).expect("short")
    }

    #[test]
    fn packets_come_out_in_order_once() {
        let mut buffer = Buffer::new();
        for (seq, put) in [
            (101, Put::New { reordered: false, dropped: 0 }),
            (100, Put::New { reordered: true, dropped: 0 }),
            (103, Put::New { reordered: false, dropped: 0 }),
            (100, Put::Duplicate),
        ] {
            assert_eq!(buffer.put(&packet(seq), 0.0, 0.0), put, "{seq}");
        }
        assert_eq!(buffer.first().expect("waits").packet.seq.0, 100);
        assert_eq!(buffer.skip_to(102), 2);
        assert_eq!(buffer.first().expect("waits").packet.seq.0, 103);
        assert_eq!(buffer.put(&packet(101), 0.0, 0.0), Put::Duplicate);
        assert_eq!(buffer.put(&packet(99), 0.0, 0.0), Put::Late);
        assert_eq!((buffer.len(), buffer.next()), (1, 102));
    }

    #[test]
    fn a_leap_keeps_the_newest_and_stays_bounded() {
        let mut buffer = Buffer::new();
        for seq in 0..1_000 {
            buffer.put(&packet(seq), 0.0, 0.0);
            assert!(buffer.len() <= SLOTS);
        }
        assert_eq!(buffer.first().expect("waits").packet.seq.0, 1_000 - SLOTS as u64);
        assert_eq!(buffer.put(&packet(1 << 61), 0.0, 0.0), Put::New { reordered: false, dropped: SLOTS as u64 });
        assert_eq!(buffer.first().expect("waits").packet.seq.0, 1 << 61);
        assert_eq!(buffer.put(&packet(5), 0.0, 0.0), Put::Late);
    }
}
