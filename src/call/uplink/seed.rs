//! The seed's blocks: 48 kHz frames to exactly 1,024 samples of S16LE at 44.1 kHz.

use super::spurt::Leaving;
use crate::audio::resample::Resampler;
use crate::units::{FRAME_SAMPLES, SAMPLE_RATE, SEED_BYTES, SEED_RATE, SEED_SAMPLES};
use crate::wire::pcm;

/// One stream of blocks for every peer that speaks PCM.
#[derive(Debug)]
pub(crate) struct SeedBlocks {
    resampler: Resampler,
    gathered: [f32; SEED_SAMPLES],
    filled: usize,
    /// Nothing has gone in since the last reset.
    is_new: bool,
}

impl SeedBlocks {
    /// # Errors
    /// The resampler could not be made; a sentence.
    pub(crate) fn new() -> Result<Self, String> {
        let resampler = Resampler::new(SAMPLE_RATE, SEED_RATE).map_err(|error| format!("No PCM can be sent: {error}."))?;
        Ok(Self { resampler, gathered: [0.0; SEED_SAMPLES], filled: 0, is_new: true })
    }

    /// Hands every whole block to `out`; after the last frame of a spurt the rest too, filled up with silence.
    pub(crate) fn handle(&mut self, leaving: &Leaving<'_>, out: &mut impl FnMut(&[u8; SEED_BYTES])) {
        if leaving.first {
            self.forget();
        }
        self.is_new = false;
        self.push(leaving.frame, out);
        if leaving.last {
            // What is still inside the filter, then silence up to the block's end.
            let silence = [0.0; FRAME_SAMPLES];
            let inside = self.resampler.delay_samples() * SAMPLE_RATE as usize / SEED_RATE as usize + 1;
            self.push(&silence[..inside.min(FRAME_SAMPLES)], out);
            if self.filled > 0 {
                self.gathered[self.filled..].fill(0.0);
                self.filled = 0;
                out(&block(&self.gathered));
            }
        }
    }

    /// Drops what is gathered: the next sample follows silence.
    pub(crate) fn forget(&mut self) {
        if !std::mem::replace(&mut self.is_new, true) {
            self.resampler.reset();
            self.filled = 0;
        }
    }

    fn push(&mut self, samples: &[f32], out: &mut impl FnMut(&[u8; SEED_BYTES])) {
        let Self { resampler, gathered, filled, .. } = self;
        resampler.process(samples, &mut |made| {
            for sample in made {
                gathered[*filled] = *sample;
                *filled += 1;
                if *filled == SEED_SAMPLES {
                    *filled = 0;
                    out(&block(gathered));
                }
            }
        });
    }
}

fn block(samples: &[f32; SEED_SAMPLES]) -> [u8; SEED_BYTES] {
    let mut bytes = [0; SEED_BYTES];
    pcm::encode(samples, &mut bytes).expect("a block has two bytes for each of its samples");
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    fn blocks(frames: usize) -> Vec<[u8; SEED_BYTES]> {
        let mut seed = SeedBlocks::new().expect("a resampler");
        let frame = [0.5; FRAME_SAMPLES];
        let mut all = Vec::new();
        for n in 0..frames {
            let leaving = Leaving { frame: &frame, at: n as u64 * 480, captured: Instant::now(), first: n == 0, last: n + 1 == frames };
            seed.handle(&leaving, &mut |block| all.push(*block));
        }
        all
    }

    fn sample(block: &[u8; SEED_BYTES], n: usize) -> i16 {
        i16::from_le_bytes([block[2 * n], block[2 * n + 1]])
    }

    #[test]
    fn a_second_of_voice_becomes_44_100_samples_and_the_rest_is_silence() {
        let all = blocks(100);
        assert_eq!(all.len(), 44);
        assert!((i32::from(sample(&all[20], 7)) - 16_384).abs() < 60);
        // 44,100 samples and the filter's own end at 68 past the 43rd block.
        assert_eq!(sample(&all[43], 1_000), 0);
    }

    #[test]
    fn a_spurt_shorter_than_a_block_leaves_whole() {
        let all = blocks(2);
        assert_eq!(all.len(), 1);
        assert_eq!(sample(&all[0], 1_023), 0);
    }
}
