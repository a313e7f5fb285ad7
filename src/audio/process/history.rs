//! What the loudspeaker played and the microphone heard of late, as the echo canceller looks at it: block by block, in parts. Pure.

use super::fourier::{Fourier, Spectrum};
use super::linear::{BINS, BLOCK, PART, TWICE};

/// What was played in a part, with the one before it as overlap-save wants it; its power; and what was heard in the part's last block.
#[derive(Clone)]
pub struct Played {
    pub spectrum: Spectrum<BINS>,
    pub power: [f32; BINS],
    near: [f32; BLOCK],
}

pub struct History {
    /// One for each block, that at `newest` being the newest, older ones after it.
    played: Vec<Played>,
    newest: usize,
    /// The newest two parts of the loudspeaker.
    far: [f32; TWICE],
}

impl History {
    /// Allocates. An echo that lasts so many `blocks` can be looked at `ago` blocks later.
    #[must_use]
    pub fn new(blocks: usize, ago: usize) -> Self {
        Self {
            played: vec![Played { spectrum: Spectrum::EMPTY, power: [0.0; BINS], near: [0.0; BLOCK] }; blocks + ago],
            newest: 0,
            far: [0.0; TWICE],
        }
    }

    /// A block of both, of the same moment.
    pub fn push(&mut self, fourier: &mut Fourier<TWICE, BINS>, far: &[f32; BLOCK], near: &[f32; BLOCK]) {
        self.far.copy_within(BLOCK.., 0);
        self.far[TWICE - BLOCK..].copy_from_slice(far);
        self.newest = (self.newest + self.played.len() - 1) % self.played.len();
        let newest = &mut self.played[self.newest];
        fourier.forward(&mut self.far.clone(), &mut newest.spectrum);
        newest.power = newest.spectrum.power();
        newest.near = *near;
    }

    /// What was played in each part of the room, the newest first, as it was so many blocks ago.
    pub fn played(&self, ago: usize) -> impl Iterator<Item = &Played> {
        let from = (self.newest + ago) % self.played.len();
        self.played[from..].iter().chain(&self.played[..from]).step_by(PART / BLOCK)
    }

    /// The microphone's newest part, as it was so many blocks ago.
    #[must_use]
    pub fn near(&self, ago: usize) -> [f32; PART] {
        let mut part = [0.0; PART];
        for (later, block) in part.as_chunks_mut::<BLOCK>().0.iter_mut().rev().enumerate() {
            *block = self.played[(self.newest + ago + later) % self.played.len()].near;
        }
        part
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_played_and_heard_is_found_again_so_many_blocks_later() {
        let (mut history, mut fourier) = (History::new(6, 4), Fourier::new());
        let mut push = |n: usize| history.push(&mut fourier, &[n as f32; BLOCK], &[n as f32 + 0.5; BLOCK]);
        (0..30).for_each(&mut push);
        for ago in [0, 1, 4] {
            assert_eq!(history.near(ago)[PART - BLOCK..], [29.5 - ago as f32; BLOCK], "{ago}");
            assert_eq!(history.near(ago)[0], 27.5 - ago as f32, "{ago}");
            // The first frequency of a spectrum is the sum: six blocks of it.
            let sums: Vec<f32> = history.played(ago).take(2).map(|played| played.spectrum.re[0] / BLOCK as f32).collect();
            let sum = |newest: usize| (newest - 5..=newest).sum::<usize>() as f32;
            assert!((sums[0] - sum(29 - ago)).abs() < 0.1 && (sums[1] - sum(26 - ago)).abs() < 0.1, "{ago}: {sums:?}");
        }
    }
}
