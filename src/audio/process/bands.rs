//! A frame of 48 kHz in three bands of 8 kHz each, and back. Allocates nothing.
//!
//! The filters are those of WebRTC's `ThreeBandFilterBank`, as the crate `sonora` has them: it is asked for them. Its own way of applying
//! them calls a function for each product where the processor is not known to multiply and add in one step.

use sonora::three_band_filter_bank::ThreeBandFilterBank;

use super::linear::BLOCK;
use crate::audio::{Frame, SILENT_FRAME};

/// Bands, and samples of a frame to each sample of one.
pub const BANDS: usize = 3;
/// Taps of a filter at 16 kHz; it has as many for each of the samples of a frame that come together.
const TAPS: usize = 16;
const BEFORE: usize = TAPS - 1;

/// What one band's filter does to one in three samples, the newest first.
type Filter = [[f32; TAPS]; BANDS];
/// Samples at 16 kHz, after the last ones of the block before.
type Line = [f32; BEFORE + BLOCK];

/// Splits frames into the lowest `N` of the three bands.
pub struct Analysis<const N: usize> {
    filters: [Filter; BANDS],
    /// One in three samples each, the last of the three first.
    lines: [Line; BANDS],
}

/// Puts frames together again.
pub struct Synthesis {
    filters: [Filter; BANDS],
    /// One for each band.
    lines: [Line; BANDS],
}

/// The filters of all bands: what comes of one sample, for each place that it can have among three.
fn filters() -> [Filter; BANDS] {
    let mut filters = [[[0.0; TAPS]; BANDS]; BANDS];
    for place in 0..BANDS {
        let (mut one, mut bands) = (SILENT_FRAME, [[0.0; BLOCK]; BANDS]);
        one[BANDS - 1 - place] = 1.0;
        ThreeBandFilterBank::new().analysis(&one, &mut bands);
        for (filter, band) in filters.iter_mut().zip(&bands) {
            filter[place].copy_from_slice(&band[..TAPS]);
        }
    }
    filters
}

/// The line goes on by a block.
fn push(line: &mut Line, block: impl Iterator<Item = f32>) {
    line.copy_within(BLOCK.., 0);
    line[BEFORE..].iter_mut().zip(block).for_each(|(sample, new)| *sample = new);
}

/// Adds what the taps make of the line.
fn filter(sum: &mut [f32; BLOCK], taps: &[f32; TAPS], line: &Line) {
    for (later, tap) in taps.iter().enumerate().filter(|(_, tap)| **tap != 0.0) {
        sum.iter_mut().zip(&line[BEFORE - later..]).for_each(|(sum, sample)| *sum += tap * sample);
    }
}

impl<const N: usize> Analysis<N> {
    #[must_use]
    pub fn new() -> Self {
        Self { filters: filters(), lines: [[0.0; BEFORE + BLOCK]; BANDS] }
    }

    pub fn process(&mut self, frame: &Frame) -> [[f32; BLOCK]; N] {
        for (place, line) in self.lines.iter_mut().enumerate() {
            push(line, frame.iter().skip(BANDS - 1 - place).step_by(BANDS).copied());
        }
        let mut bands = [[0.0; BLOCK]; N];
        for (band, taps) in bands.iter_mut().zip(&self.filters) {
            taps.iter().zip(&self.lines).for_each(|(taps, line)| filter(band, taps, line));
        }
        bands
    }
}

impl Synthesis {
    #[must_use]
    pub fn new() -> Self {
        Self { filters: filters(), lines: [[0.0; BEFORE + BLOCK]; BANDS] }
    }

    pub fn process(&mut self, bands: &[[f32; BLOCK]; BANDS], frame: &mut Frame) {
        for (line, band) in self.lines.iter_mut().zip(bands) {
            push(line, band.iter().copied());
        }
        for place in 0..BANDS {
            let mut sum = [0.0; BLOCK];
            self.filters.iter().zip(&self.lines).for_each(|(taps, line)| filter(&mut sum, &taps[place], line));
            // One in three samples came: the others were silent.
            frame.iter_mut().skip(place).step_by(BANDS).zip(sum).for_each(|(sample, sum)| *sample = BANDS as f32 * sum);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::process::testing::white;

    #[test]
    fn they_are_the_bands_of_the_bank_they_were_asked_of() {
        let (mut there, mut back) = (ThreeBandFilterBank::new(), ThreeBandFilterBank::new());
        let (mut all, mut lowest, mut synthesis) = (Analysis::<BANDS>::new(), Analysis::<1>::new(), Synthesis::new());
        let near = |ours: &[f32], theirs: &[f32]| ours.iter().zip(theirs).all(|(ours, theirs)| (ours - theirs).abs() < 1e-5);
        for frame in white(1, 11).as_chunks::<480>().0 {
            let (mut bands, mut left, mut ours) = ([[0.0; BLOCK]; BANDS], SILENT_FRAME, SILENT_FRAME);
            there.analysis(frame, &mut bands);
            let split = all.process(frame);
            assert!(near(split.as_flattened(), bands.as_flattened()));
            assert_eq!(lowest.process(frame)[0], split[0]);
            back.synthesis(&bands, &mut left);
            synthesis.process(&bands, &mut ours);
            assert!(near(&ours, &left) && left.iter().any(|sample| sample.abs() > 0.1));
        }
    }
}
