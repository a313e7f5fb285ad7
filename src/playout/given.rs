//! The places that were given up, so that a packet that comes later can be told where it should have been. Pure.

/// Places that are remembered, and late packets not yet told.
const PLACES: usize = 64;
const LATE: usize = 16;

#[derive(Clone, Copy, Debug)]
struct Place {
    seq: u64,
    /// Samples pulled before it.
    at: u64,
}

/// Bounded: the oldest is forgotten first, and what nobody polls for is dropped.
#[derive(Debug)]
pub(super) struct GivenUp {
    places: [Option<Place>; PLACES],
    next: usize,
    late: [u64; LATE],
    late_len: usize,
}

impl Default for GivenUp {
    fn default() -> Self {
        Self { places: [None; PLACES], next: 0, late: [0; LATE], late_len: 0 }
    }
}

impl GivenUp {
    pub(super) fn push(&mut self, seq: u64, at: u64) {
        self.places[self.next] = Some(Place { seq, at });
        self.next = (self.next + 1) % PLACES;
    }

    /// Packet `seq` came after all.
    pub(super) fn came(&mut self, seq: u64) {
        let Some(slot) = self.places.iter_mut().find(|place| place.is_some_and(|place| place.seq == seq)) else { return };
        if let (Some(place), true) = (slot.take(), self.late_len < LATE) {
            self.late[self.late_len] = place.at;
            self.late_len += 1;
        }
    }

    pub(super) fn pop_late(&mut self) -> Option<u64> {
        self.late_len = self.late_len.checked_sub(1)?;
        Some(self.late[self.late_len])
    }

    /// Another numbering.
    pub(super) fn forget(&mut self) {
        self.places = [None; PLACES];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_late_packet_is_told_once_where_it_should_have_been() {
        let mut given = GivenUp::default();
        (0..100).for_each(|seq| given.push(seq, seq * 480));
        given.came(99);
        given.came(99);
        given.came(3);
        assert_eq!((given.pop_late(), given.pop_late()), (Some(99 * 480), None), "3 is too long ago");
        (40..100).for_each(|seq| given.came(seq));
        assert_eq!(std::iter::from_fn(|| given.pop_late()).count(), LATE);
        given.forget();
        given.came(98);
        assert_eq!(given.pop_late(), None);
    }
}
