//! How fast the room changes, as a Kalman filter needs to know: told by what it leaves of an echo beside what it expects to leave. Pure.
//!
//! A room that stands still leaves far less, in the second's best moment. One in which somebody moves leaves about as much, or more; a voice here
//! leaves so much more that it tells nothing of the room.

/// Share of the room that is another one 10 ms later, power: at first and at most, and at least.
const MOST: f32 = 3e-5;
const LEAST: f32 = 2e-6;
/// The best moment lasts so long: the weight of the newest block in both means, and the blocks in which the far end is heard that it is looked for in.
const NEWEST: f32 = 0.3;
const BLOCKS: u32 = 100;
/// Left beside expected, powers: below, the room stands still; above, a voice is here.
const STILL: f32 = 0.8;
const VOICE: f32 = 4.0;
/// By so much faster or slower it is thought to change then.
const FASTER: f32 = 2.0;
const SLOWER: f32 = 0.5;

pub struct Moves {
    /// Mean power of what was left, of what was expected, and the least of the one beside the other, of so many blocks.
    left: f32,
    expected: f32,
    least: f32,
    blocks: u32,
    changes: f32,
}

impl Default for Moves {
    fn default() -> Self {
        Self { left: 0.0, expected: 0.0, least: f32::MAX, blocks: 0, changes: MOST }
    }
}

impl Moves {
    /// Powers of a block. `is_heard`: the echo in it is loud enough to tell something.
    pub fn push(&mut self, left: f32, expected: f32, is_heard: bool) {
        self.left += (left - self.left) * NEWEST;
        self.expected += (expected - self.expected) * NEWEST;
        if !is_heard || self.expected <= 0.0 {
            return;
        }
        self.least = self.least.min(self.left / self.expected);
        self.blocks += 1;
        if self.blocks < BLOCKS {
            return;
        }
        if self.least < STILL {
            self.changes = (self.changes * SLOWER).max(LEAST);
        } else if self.least < VOICE {
            self.changes = (self.changes * FASTER).min(MOST);
        }
        (self.least, self.blocks) = (f32::MAX, 0);
    }

    /// Share of the room that is another one 10 ms later, power.
    #[must_use]
    pub const fn changes(&self) -> f32 {
        self.changes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(seconds: u32, moves: &mut Moves, left: f32, is_heard: bool) -> f32 {
        (0..seconds * BLOCKS).for_each(|_| moves.push(left, 1.0, is_heard));
        moves.changes()
    }

    #[test]
    fn a_room_is_told_to_move_by_what_is_left_and_a_voice_tells_nothing() {
        let mut moves = Moves::default();
        let still = after(20, &mut moves, 0.05, true);
        assert!(still <= LEAST, "{still}");
        assert!(after(20, &mut moves, 100.0, true) <= still, "a voice");
        assert!(after(20, &mut moves, 1.0, false) <= still, "nothing to hear");
        assert!(after(20, &mut moves, 1.0, true) >= MOST, "it moves");
    }

    #[test]
    fn a_moment_without_a_voice_in_a_second_is_enough() {
        let mut moves = Moves::default();
        for n in 0..20 * BLOCKS {
            moves.push(if n % BLOCKS < 75 { 500.0 } else { 0.02 }, 1.0, true);
        }
        assert!(moves.changes() <= LEAST, "{}", moves.changes());
    }
}
