//! What a stage of the chain holds back comes out later than it was said. What was said while muted, or before voice activation was
//! switched on, must not leave for that: until all of it has come out, this holds the door. The sender thread runs it.

use std::time::Instant;

use crate::units::FRAME_DURATION;

/// Until when the past lasts, in the time in which things are said.
#[derive(Clone, Copy, Debug, Default)]
pub struct Hush {
    muted: Option<Instant>,
    forgotten: Option<Instant>,
}

impl Hush {
    /// A frame of the microphone has ended at `ended`: in it the microphone was muted, or what was said so far is to be forgotten.
    pub fn handle_frame(&mut self, ended: Instant, muted: bool, forget: bool) {
        self.muted = if muted { Some(ended) } else { self.muted };
        self.forgotten = if forget || muted { Some(ended) } else { self.forgotten };
    }

    /// What comes out now, and was said from `begun` on, was said while muted: nobody's lease covers it.
    #[must_use]
    pub fn was_muted(&self, begun: Instant) -> bool {
        self.muted.is_some_and(|until| begun < until)
    }

    /// What came out before it must not wait for the next spurt.
    #[must_use]
    pub fn is_forgotten(&self, begun: Instant) -> bool {
        self.forgotten.is_some_and(|until| begun < until + FRAME_DURATION)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// For each frame of 10 ms, of which the first ten are muted, whether what comes out `held_back` later passes.
    fn passes(held_back: Duration) -> Vec<bool> {
        let (mut hush, start) = (Hush::default(), Instant::now() + Duration::from_secs(1));
        let frame = |n: u32| {
            let ended = start + (n + 1) * FRAME_DURATION;
            hush.handle_frame(ended, n < 10, false);
            let begun = ended - held_back - FRAME_DURATION;
            assert!(hush.is_forgotten(begun) || !hush.was_muted(begun - FRAME_DURATION), "the frame before waits no longer");
            !hush.was_muted(begun)
        };
        (0..20).map(frame).collect()
    }

    #[test]
    fn nothing_said_while_muted_passes_and_all_that_is_said_after_it_does() {
        assert_eq!(passes(Duration::ZERO).iter().position(|passes| *passes), Some(10), "no stage holds anything back");
        assert_eq!(passes(Duration::from_micros(8_900)).iter().position(|passes| *passes), Some(11));
        assert_eq!(passes(Duration::from_micros(15_800)).iter().position(|passes| *passes), Some(12));
        assert!(passes(Duration::from_micros(15_800))[12..].iter().all(|passes| *passes));
    }

    #[test]
    fn what_is_forgotten_only_does_not_take_the_key_from_who_holds_it() {
        let (mut hush, now) = (Hush::default(), Instant::now());
        hush.handle_frame(now, false, true);
        assert!(hush.is_forgotten(now) && !hush.was_muted(now - FRAME_DURATION) && !hush.is_forgotten(now + FRAME_DURATION));
    }
}
