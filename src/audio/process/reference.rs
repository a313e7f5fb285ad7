//! What the loudspeaker plays, laid beside what the microphone hears: two cards, two clocks, one time. Pure.
//!
//! The playback side says when each frame leaves the loudspeaker, the capture side when its own was in the air; both are out by
//! a few ms from one to the next. So the place to read from is steered: slowly, by a sample at a time, which also follows two
//! cards that drift; and by a jump only where it is out by far.

use std::time::{Duration, Instant};

use crate::audio::{Frame, SILENT_FRAME};
use crate::units::{FRAME_SAMPLES, SAMPLE_RATE, duration_of};

/// What is kept: 1.37 s.
const KEPT: usize = 1 << 16;
/// The reference comes at most so much before its time: the canceller must never see it after the sound that it explains, and a card
/// that tells too long a delay makes it so (PulseAudio's null sink: 3 ms).
const LEAD_MAX: f64 = 1_440.0;
/// Left between what is read and the newest there is, for callbacks that come late: 10 ms at first, more where that is not enough.
const SPARE: f64 = 480.0;
const SPARE_MAX: f64 = 1_920.0;
/// So many frames that come too late ask for more.
const MISSES: u32 = 3;
/// How much of the way to the newest error the mean one goes with each frame: 0.5 s.
const SMOOTH: f64 = 1.0 / 50.0;
/// The loop that follows it, critically damped, in 2 s: by the error and, for cards that drift, by its sum.
const BY_ERROR: f64 = 1.0 / 200.0;
const BY_SUM: f64 = BY_ERROR * BY_ERROR / 4.0;
/// Cards differ by no more, samples a frame: 1,000 ppm.
const DRIFT_MAX: f64 = 0.48;
/// An error that is worth a jump, if it lasts for so many frames.
const JUMP: f64 = 2_400.0;
const JUMP_AFTER: u32 = 20;

/// The far end's last second, read at the microphone's time.
pub struct Reference {
    samples: Box<[f32; KEPT]>,
    /// Samples written since the start, and when the next one will leave the loudspeaker.
    written: u64,
    end: Option<Instant>,
    /// Where to read next, once it is known; and how much before its time that is, samples.
    read: Option<u64>,
    lead: f64,
    spare: f64,
    misses: u32,
    /// The mean error, the drift found, and what is to be slipped, samples.
    error: f64,
    drift: f64,
    owed: f64,
    astray: u32,
}

impl Default for Reference {
    fn default() -> Self {
        Self {
            samples: Box::new([0.0; KEPT]),
            written: 0,
            end: None,
            read: None,
            lead: 0.0,
            spare: SPARE,
            misses: 0,
            error: 0.0,
            drift: 0.0,
            owed: 0.0,
            astray: 0,
        }
    }
}

impl Reference {
    /// The next 10 ms; their first sample leaves the loudspeaker at `at`.
    pub fn push(&mut self, frame: &Frame, at: Instant) {
        for (n, sample) in frame.iter().enumerate() {
            self.samples[(self.written as usize + n) % KEPT] = *sample;
        }
        self.written += FRAME_SAMPLES as u64;
        self.end = Some(at + duration_of(FRAME_SAMPLES as u64));
    }

    /// What belongs to the microphone's frame whose first sample was in the air at `captured`; `None`: nothing was played then.
    pub fn take(&mut self, captured: Instant) -> Option<Frame> {
        let ideal = self.place(captured)?;
        let room = (self.written as f64 - FRAME_SAMPLES as f64 - 1.0) - ideal;
        let Some(read) = self.read else {
            // Negative where a card tells less than there is: what is heard was played longer ago than it says, so that is early enough.
            self.lead = (room - self.spare).clamp(-LEAD_MAX, LEAD_MAX);
            if ideal + self.lead < 0.0 || self.lead > room {
                return None;
            }
            (self.error, self.drift, self.owed, self.astray) = (0.0, 0.0, 0.0, 0);
            self.read = Some((ideal + self.lead) as u64);
            return self.take(captured);
        };
        let error = ideal + self.lead - read as f64;
        self.error += (error.clamp(-JUMP, JUMP) - self.error) * SMOOTH;
        self.astray = if error.abs() > JUMP { self.astray + 1 } else { 0 };
        if self.astray > JUMP_AFTER {
            self.read = None;
            return self.take(captured);
        }
        self.drift = (self.drift + self.error * BY_SUM).clamp(-DRIFT_MAX, DRIFT_MAX);
        self.owed += self.drift + self.error * BY_ERROR;
        let slip = if self.owed.abs() >= 1.0 { self.owed.signum() } else { 0.0 };
        let length = FRAME_SAMPLES as u64 + 1;
        if read + length > self.written || self.written - read > KEPT as u64 {
            // The loudspeaker's side is late, or stands still: its time goes on all the same.
            self.read = Some(read + FRAME_SAMPLES as u64);
            self.misses += 1;
            if self.misses >= MISSES {
                (self.read, self.misses, self.spare) = (None, 0, (self.spare + SPARE).min(SPARE_MAX));
            }
            return None;
        }
        let next = (read as i64 + FRAME_SAMPLES as i64 + slip as i64) as u64;
        self.owed -= slip;
        self.read = Some(next);
        Some(self.stretched(read, (next - read) as usize))
    }

    /// Where the sample lies that left the loudspeaker at `at`.
    fn place(&self, at: Instant) -> Option<f64> {
        let end = self.end?;
        let samples = |time: Duration| time.as_secs_f64() * f64::from(SAMPLE_RATE);
        let back = if at < end { samples(end - at) } else { -samples(at - end) };
        let place = self.written as f64 - back;
        (place >= 0.0 && back < KEPT as f64 / 2.0).then_some(place)
    }

    /// `length` samples from `from` on, as a frame: a sample more or less is spread over it.
    fn stretched(&self, from: u64, length: usize) -> Frame {
        let at = |n: usize| self.samples[(from as usize + n) % KEPT];
        if length == FRAME_SAMPLES {
            return std::array::from_fn(at);
        }
        let mut frame = SILENT_FRAME;
        for (n, sample) in frame.iter_mut().enumerate() {
            let place = n as f32 * length as f32 / FRAME_SAMPLES as f32;
            let (whole, part) = (place as usize, place.fract());
            *sample = at(whole) + (at(whole + 1) - at(whole)) * part;
        }
        frame
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ten minutes of two cards: the loudspeaker plays a ramp, each callback is some ms late, its clock runs off by `ppm`. What is
    /// read must stay where it was beside the microphone's time. Returns how far it wandered from there after the first second, samples.
    fn wander(ppm: f64, late_ms: u64) -> f64 {
        let (mut reference, start) = (Reference::default(), Instant::now());
        let mut dice = 1u64;
        let mut late = || {
            dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            Duration::from_micros((dice >> 33) % (1 + late_ms * 1_000))
        };
        let (mut first, mut wandered, mut pushed) = (None, 0f64, 0f64);
        for n in 0..60_000u64 {
            let begins = n as f64 * FRAME_SAMPLES as f64;
            // What it plays is 50 ms ahead. Sample s leaves it at s * (1 + ppm): so that is what it shows at that time.
            while pushed * (1.0 + ppm * 1e-6) < begins + 2_400.0 {
                let frame: Frame = std::array::from_fn(|k| (((pushed as u64 + k as u64) % 1_000_000) as f32) / 1e6);
                let at = start + Duration::from_secs_f64(pushed / 48_000.0 * (1.0 + ppm * 1e-6));
                reference.push(&frame, at + late());
                pushed += FRAME_SAMPLES as f64;
            }
            let captured = start + Duration::from_secs_f64(begins / 48_000.0) + late();
            let Some(read) = reference.take(captured) else { continue };
            let shown = f64::from(read[0]) * 1e6;
            let ideal = begins / (1.0 + ppm * 1e-6);
            let off = (shown - ideal).rem_euclid(1e6);
            let off = if off > 5e5 { off - 1e6 } else { off };
            if n > 100 {
                wandered = wandered.max((off - *first.get_or_insert(off)).abs());
            }
        }
        wandered
    }

    #[test]
    fn it_stays_beside_the_microphone_whatever_the_clocks_do() {
        assert!(wander(0.0, 0) < 2.0, "{}", wander(0.0, 0));
        for ppm in [-300.0, -50.0, 50.0, 300.0] {
            assert!(wander(ppm, 0) < 60.0, "{ppm} ppm: {}", wander(ppm, 0));
            assert!(wander(ppm, 8) < 400.0, "{ppm} ppm, callbacks late: {}", wander(ppm, 8));
        }
    }

    #[test]
    fn silence_a_stall_and_a_start_in_the_middle_are_no_reference() {
        let (mut reference, start) = (Reference::default(), Instant::now());
        assert!(reference.take(start).is_none(), "nothing was played yet");
        let at = |n: u64| start + duration_of(n * FRAME_SAMPLES as u64);
        for n in 0..10 {
            reference.push(&[0.5; FRAME_SAMPLES], at(n + 5));
            let taken = reference.take(at(n));
            assert!(taken.is_none_or(|frame| frame == [0.5; FRAME_SAMPLES]));
        }
        // It stands still: what is left is read, then there is none; it goes on, and is read again.
        assert!((10..200).filter(|n| reference.take(at(*n)).is_some()).count() < 12);
        for n in 200..300 {
            reference.push(&[0.5; FRAME_SAMPLES], at(n + 5));
            let taken = reference.take(at(n));
            assert!(n < 240 || taken.is_some(), "{n}");
        }
    }
}
