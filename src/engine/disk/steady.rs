//! Keeps a track at the pace of the clock: no two sound cards agree on what a second is. Pure; thread `disk`.
//!
//! A card that is 100 ppm fast is 0.36 s ahead after an hour. How far a track's end is from where the clock says it should be is
//! averaged; beyond [`BEGIN`] frames are stretched or shortened by one sample each, until it is within [`ENOUGH`]. Nobody hears
//! that: up to 600 ppm, a hundredth of a semitone. Below, every sample is kept as it came.

use crate::units::{FRAME_SAMPLES, SAMPLE_RATE};

/// Deviation at which correction begins and ends, samples: 30 ms and 5 ms.
const BEGIN: f32 = 0.030 * SAMPLE_RATE as f32;
const ENOUGH: f32 = 0.005 * SAMPLE_RATE as f32;
/// Share of a new measurement in the average: at ten a second some two seconds.
const SHARE: f32 = 0.05;
/// Of so many frames one is corrected: 30 samples a second, 625 ppm.
const ONE_OF: u32 = 3;

/// The average, and whether it is being corrected.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Steady {
    /// Samples by which the track is behind the clock; negative: ahead.
    behind: f32,
    is_correcting: bool,
    frames: u32,
}

impl Steady {
    /// The track's end is `behind` samples behind the clock now, in the middle of sound.
    pub fn measure(&mut self, behind: f32) {
        self.behind += (behind - self.behind) * SHARE;
        self.is_correcting = self.behind.abs() > if self.is_correcting { ENOUGH } else { BEGIN };
    }

    /// The track was placed anew by the clock.
    pub fn reset(&mut self) {
        *self = Self::default();
    }

    /// Appends `samples` to `out`, a sample longer or shorter now and then.
    pub fn append(&mut self, samples: &[f32], out: &mut Vec<f32>) {
        for frame in samples.chunks(FRAME_SAMPLES) {
            self.frames = (self.frames + 1) % ONE_OF;
            if !self.is_correcting || self.frames != 0 || frame.len() < FRAME_SAMPLES {
                out.extend_from_slice(frame);
                continue;
            }
            let length = if self.behind > 0.0 { frame.len() + 1 } else { frame.len() - 1 };
            stretch(frame, length, out);
        }
    }
}

/// Appends `frame` as `length` samples, its first and last where they were.
fn stretch(frame: &[f32], length: usize, out: &mut Vec<f32>) {
    let step = (frame.len() - 1) as f32 / (length - 1) as f32;
    let at = |n: isize| frame[n.clamp(0, frame.len() as isize - 1) as usize];
    out.extend((0..length).map(|n| {
        let place = n as f32 * step;
        let whole = place as isize;
        let [a, b, c, d] = [at(whole - 1), at(whole), at(whole + 1), at(whole + 2)];
        let t = place - whole as f32;
        // Catmull-Rom: through all samples, without a corner.
        b + 0.5 * t * (c - a + t * (2.0 * a - 5.0 * b + 4.0 * c - d + t * (3.0 * (b - c) + d - a)))
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_keeps_the_pace_is_not_touched() {
        let mut steady = Steady::default();
        let samples: Vec<f32> = (0..48_000).map(|n| (n as f32 * 0.05).sin()).collect();
        let mut out = Vec::new();
        for tick in samples.chunks(4_800) {
            // A card's blocks: now more has come than the clock says, now less.
            steady.measure(if out.len() % 9_600 == 0 { 1_000.0 } else { -1_000.0 });
            steady.append(tick, &mut out);
        }
        assert_eq!(out, samples);
    }

    #[test]
    fn a_stretched_tone_stays_that_tone() {
        for (behind, length) in [(9_000.0, 48_033), (-9_000.0, 47_967)] {
            let mut steady = Steady::default();
            (0..100).for_each(|_| steady.measure(behind));
            let samples: Vec<f32> = (0..48_000).map(|n| (n as f32 * 0.05).sin()).collect();
            let mut out = Vec::new();
            steady.append(&samples, &mut out);
            assert_eq!(out.len(), length);
            // A tone at 0.05 a sample changes by no more than that, and its curvature is small.
            let bend = out.windows(3).fold(0f32, |bend, w| bend.max((w[0] - 2.0 * w[1] + w[2]).abs()));
            assert!(bend < 0.055, "{bend}");
        }
    }
}
