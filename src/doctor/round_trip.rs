//! The card's own round trip: chirps from the loudspeaker, found again in what the microphone delivered. Pure.
//!
//! ```text
//! program gives a sample --[loudspeaker's buffers]--> air --[microphone's buffers]--> program has it back
//! `- given ---------------------- whole ----------------------------------------- back -'
//!                  `- due (the card says) -- untold --- in the air (the card says) -'
//! ```
//! The whole is what a call pays for both cards. The untold part is what the cards do not admit to (and the sound's way through the
//! air): by so much every figure of mouth to ear is too small.

use std::time::{Duration, Instant};

use super::{Finding, Section};
use crate::audio::Frame;
use crate::audio::chirp::{CHIRP_SAMPLES, Detector, Sweep};
use crate::units::{FRAME_SAMPLES, duration_of};

/// Between two chirps: longer than a chirp and the slowest wireless headset together.
pub const SPACING: Duration = Duration::from_millis(800);
/// A whole round trip above this is a delay that is heard in a call.
const SLOW_MS: f64 = 80.0;
/// Cards that hide more than this make the program's own sum wrong.
const UNTOLD_MS: f64 = 25.0;

/// No block is longer, samples: where none is near, its time is not known.
const BLOCK_MAX: u64 = 12_000;

/// A sample that passed between the program and a device.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Passed {
    /// Of the stream, from its first on.
    pub index: u64,
    /// When the program gave it away, or had it.
    pub now: Instant,
    /// When it is in the air, as the device says.
    pub air: Instant,
}

/// One chirp's way.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Trip {
    pub whole_ms: f64,
    /// Below zero: the cards tell more than there is.
    pub untold_ms: f64,
}

/// Finds the chirps that were given to the loudspeaker as `given` (their first samples; the index does not matter) in `heard`, 48 kHz
/// mono from the microphone, of which `blocks` says when each block's first sample came, in samples of 48 kHz.
#[must_use]
pub fn trips(given: &[Passed], heard: &[f32], blocks: &[Passed]) -> Vec<Trip> {
    let mut detector = Detector::new(Sweep::Up, CHIRP_SAMPLES);
    let silence = vec![0.0; 4 * FRAME_SAMPLES];
    let mut found = Vec::new();
    for piece in heard.chunks_exact(FRAME_SAMPLES).chain(silence.chunks_exact(FRAME_SAMPLES)) {
        let frame: &Frame = piece.try_into().expect("chunks of a frame");
        found.extend(detector.handle(frame));
    }
    found.iter().filter_map(|found| trip(given, found.at, blocks)).collect()
}

fn trip(given: &[Passed], at: u64, blocks: &[Passed]) -> Option<Trip> {
    let block = blocks.iter().rev().find(|block| block.index <= at && at - block.index < BLOCK_MAX)?;
    let (had, air) = (block.now, block.air + duration_of(at - block.index));
    let given = given.iter().rev().find(|given| given.now <= had && had < given.now + SPACING)?;
    let signed = |later: Instant, earlier: Instant| {
        later.saturating_duration_since(earlier).as_secs_f64() * 1e3 - earlier.saturating_duration_since(later).as_secs_f64() * 1e3
    };
    Some(Trip { whole_ms: signed(had, given.now), untold_ms: signed(air, given.air) })
}

/// `asked`: chirps that were played.
#[must_use]
pub fn judge(asked: usize, trips: &[Trip]) -> Finding {
    let (section, what) = (Section::Sound, "round trip");
    let median = |of: fn(&Trip) -> f64| {
        let mut all: Vec<f64> = trips.iter().map(of).collect();
        all.sort_by(f64::total_cmp);
        all.get(all.len() / 2).copied()
    };
    let (Some(whole), Some(untold)) = (median(|trip| trip.whole_ms), median(|trip| trip.untold_ms)) else {
        return Finding::skipped(
            section,
            what,
            format!("none of {asked} chirps was heard: right with headphones; else loudspeaker or microphone are turned down or muted"),
        );
    };
    let says = format!(
        "{whole:.1} ms from loudspeaker to microphone, {untold:.1} ms of it untold by the devices ({} of {asked} chirps)",
        trips.len()
    );
    if whole > SLOW_MS {
        let advice = "Loudspeaker and microphone together are slow: use a wired headset, or another --host (see \"voicetui devices\").";
        Finding::warn(section, what, says, advice)
    } else if untold > UNTOLD_MS {
        let advice =
            format!("The sound devices are {untold:.0} ms slower than they say: add that to every mouth-to-ear figure of this machine.");
        Finding::warn(section, what, says, advice)
    } else {
        Finding::ok(section, what, says)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::chirp::chirp;
    use crate::doctor::Verdict;

    /// What a microphone delivers in blocks of 10 ms that it says are 5 ms old, of chirps given at 1 s and 2 s, `late` ms later.
    fn heard(start: Instant, late: u64) -> (Vec<Passed>, Vec<f32>, Vec<Passed>) {
        let ms = Duration::from_millis;
        let given: Vec<Passed> =
            [1_000, 2_000].map(|at| Passed { index: 0, now: start + ms(at), air: start + ms(at + 12) }).into_iter().collect();
        let mut samples = vec![0.0; 144_000];
        for at in [1_000, 2_000] {
            let at = (at + late) as usize * 48;
            for (sample, chirp) in samples[at..].iter_mut().zip(chirp(Sweep::Up, CHIRP_SAMPLES)) {
                *sample += chirp * 0.1;
            }
        }
        // A block comes when its last sample is 5 ms old.
        let blocks = (0..300).map(|n| Passed { index: n * 480, now: start + ms(10 * n + 15), air: start + ms(10 * n) }).collect();
        (given, samples, blocks)
    }

    #[test]
    fn a_round_trip_is_found_to_the_millisecond_and_so_is_what_the_cards_do_not_tell() {
        let (given, samples, blocks) = heard(Instant::now(), 30);
        let trips = trips(&given, &samples, &blocks);
        assert_eq!(trips.len(), 2, "{trips:?}");
        for trip in &trips {
            assert!((trip.whole_ms - 45.0).abs() < 0.5 && (trip.untold_ms - 18.0).abs() < 0.5, "{trip:?}");
        }
        let finding = judge(3, &trips);
        assert_eq!(finding.verdict, Verdict::Ok);
        assert!(finding.says.contains("45.0 ms") && finding.says.contains("2 of 3 chirps"), "{finding:?}");
    }

    #[test]
    fn slow_cards_and_cards_that_hide_their_delay_are_told() {
        let (given, samples, blocks) = heard(Instant::now(), 200);
        assert!(judge(2, &trips(&given, &samples, &blocks)).advice.is_some_and(|advice| advice.contains("slow")));
        let (given, samples, blocks) = heard(Instant::now(), 50);
        assert!(judge(2, &trips(&given, &samples, &blocks)).advice.is_some_and(|advice| advice.contains("slower than they say")));
    }

    #[test]
    fn what_was_not_heard_is_said_and_is_no_fault() {
        let (given, _, blocks) = heard(Instant::now(), 30);
        let finding = judge(2, &trips(&given, &vec![0.0; 144_000], &blocks));
        assert!(finding.verdict == Verdict::Skipped && finding.says.contains("none of 2 chirps"), "{finding:?}");
        let (_, samples, blocks) = heard(Instant::now(), 30);
        assert_eq!(trips(&[], &samples, &blocks), [], "a chirp that nobody gave");
        let (given, ..) = heard(Instant::now(), 30);
        assert_eq!(trips(&given, &samples, &blocks[..50]), [], "when it came is not known");
    }
}
