//! The far-end ring: what the loudspeaker plays, with the time it is heard, for echo cancellation on the sender thread.

use std::time::Instant;

use rtrb::{Consumer, Producer, RingBuffer};

use crate::audio::{Frame, SILENT_FRAME};
use crate::units::{FRAME_DURATION, FRAME_SAMPLES, duration_of};

/// Frames the ring holds: 320 ms. A reader that starts late drains it first.
pub const FAR_FRAMES: usize = 32;

/// 10 ms of the mix.
#[derive(Clone, Debug)]
pub struct FarFrame {
    /// When its first sample leaves the loudspeaker, as far as the card tells.
    pub at: Instant,
    pub samples: Frame,
    /// A peer is heard in it; else there is nothing, or an earcon.
    pub voice: bool,
}

/// The callback's end: re-blocks to frames; drops them when nobody reads.
#[derive(Debug)]
pub(super) struct FarWriter {
    ring: Producer<FarFrame>,
    samples: Frame,
    filled: usize,
    voice: bool,
}

impl FarWriter {
    pub(super) fn new() -> (Self, Consumer<FarFrame>) {
        let (ring, out) = RingBuffer::new(FAR_FRAMES);
        (Self { ring, samples: SILENT_FRAME, filled: 0, voice: false }, out)
    }

    /// `at`: when the first sample of `block` is heard. `voice`: a peer is heard in it.
    pub(super) fn write(&mut self, block: &[f32], at: Instant, voice: bool) {
        let mut done = 0;
        while done < block.len() {
            let take = (FRAME_SAMPLES - self.filled).min(block.len() - done);
            self.samples[self.filled..self.filled + take].copy_from_slice(&block[done..done + take]);
            (self.filled, done) = (self.filled + take, done + take);
            self.voice |= voice;
            if self.filled < FRAME_SAMPLES {
                return;
            }
            self.filled = 0;
            let voice = std::mem::take(&mut self.voice);
            if !self.ring.is_full() {
                // The frame ends where `done` stands; it began a frame earlier, maybe before this block.
                let end = at + duration_of(done as u64);
                let start = end.checked_sub(FRAME_DURATION).unwrap_or(at);
                let _ = self.ring.push(FarFrame { at: start, samples: self.samples, voice });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn frames_carry_the_time_of_their_first_sample_whatever_the_block() {
        let (mut writer, mut reader) = FarWriter::new();
        let start = Instant::now();
        let mut played = 0usize;
        for size in [1usize, 700, 240, 19, 960, 4] {
            let block: Vec<f32> = (played..played + size).map(|n| n as f32).collect();
            writer.write(&block, start + duration_of(played as u64), false);
            played += size;
        }
        for frame in 0..played / FRAME_SAMPLES {
            let far = reader.pop().expect("a whole frame");
            assert_eq!(far.samples[0], (frame * FRAME_SAMPLES) as f32);
            let expected = start + duration_of((frame * FRAME_SAMPLES) as u64);
            assert!(far.at.max(expected) - far.at.min(expected) < Duration::from_micros(1));
        }
        assert!(reader.pop().is_err());
    }

    #[test]
    fn nobody_reading_costs_frames_and_nothing_else() {
        let (mut writer, mut reader) = FarWriter::new();
        for _ in 0..3 * FAR_FRAMES {
            writer.write(&[0.5; FRAME_SAMPLES], Instant::now(), true);
        }
        assert_eq!(reader.slots(), FAR_FRAMES);
        assert!(reader.pop().is_ok());
    }
}
