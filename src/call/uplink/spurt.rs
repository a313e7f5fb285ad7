//! Which frames leave, and when they were spoken: pre-roll, fades, tail, and the clock that runs on through silence.

use std::time::{Duration, Instant};

use crate::audio::Frame;
use crate::audio::gate::Gate;
use crate::units::{FRAME_DURATION, FRAME_SAMPLES, SAMPLE_RATE};

/// Frames from before the key press that leave with it: 60 ms.
pub(crate) const PREROLL_FRAMES: usize = 6;
/// And from before voice activation heard a voice, which it hears 50 to 150 ms after it began: 200 ms.
pub(crate) const PREROLL_VOICE_FRAMES: usize = 20;
/// A frame this much later than it should be means that the microphone stood still, not that a thread was late.
const GAP: Duration = Duration::from_millis(60);

/// One frame on its way out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Leaving<'a> {
    pub frame: &'a Frame,
    /// Samples of microphone time before the frame's first one; becomes the RTP time.
    pub at: u64,
    /// When that first sample entered the buffer.
    pub captured: Instant,
    /// First of a talk spurt.
    pub first: bool,
    /// The tail after un-key: fades to silence, and pushes the codec's look-ahead out.
    pub last: bool,
}

/// A frame not on air, kept for a key press that may come.
#[derive(Clone, Copy, Debug)]
struct Kept {
    frame: Frame,
    at: u64,
    captured: Instant,
}

/// The gate between microphone and network.
#[derive(Debug)]
pub(crate) struct Spurt {
    kept: [Option<Kept>; PREROLL_VOICE_FRAMES],
    /// How many of them leave.
    preroll: usize,
    /// Where the oldest kept frame is, and the next one will be.
    next: usize,
    /// Samples of microphone time so far.
    clock: u64,
    last_captured: Option<Instant>,
    on_air: bool,
    /// Ramps both ends of a spurt, so that no click leaves.
    gate: Gate,
}

impl Spurt {
    pub(crate) fn new() -> Self {
        Self {
            kept: [None; PREROLL_VOICE_FRAMES],
            preroll: PREROLL_FRAMES,
            next: 0,
            clock: 0,
            last_captured: None,
            on_air: false,
            gate: Gate::new(),
        }
    }

    /// How many frames from before the next spurt leave with it, at most [`PREROLL_VOICE_FRAMES`].
    pub(crate) fn set_preroll(&mut self, frames: usize) {
        self.preroll = frames.min(PREROLL_VOICE_FRAMES);
    }

    /// What was said so far will not leave.
    pub(crate) fn forget(&mut self) {
        self.kept = [None; PREROLL_VOICE_FRAMES];
    }

    /// Takes 10 ms that ended at `captured`; hands what leaves to `out`, in order. Returns whether anything left.
    pub(crate) fn handle(&mut self, frame: &Frame, captured: Instant, on_air: bool, out: &mut impl FnMut(Leaving<'_>)) -> bool {
        let mut first = on_air && !self.on_air;
        if self.skip_gap(captured) {
            // The microphone stood still: what was said before is old, and what comes now begins anew.
            self.forget();
            first = on_air;
            self.on_air = on_air;
            self.gate.reset();
        }
        let at = self.clock;
        self.clock += FRAME_SAMPLES as u64;
        let start = captured.checked_sub(FRAME_DURATION).unwrap_or(captured);
        let last = self.on_air && !on_air;
        self.on_air = on_air;
        if !on_air && !last {
            self.kept[self.next] = Some(Kept { frame: *frame, at, captured: start });
            self.next = (self.next + 1) % PREROLL_VOICE_FRAMES;
            return false;
        }
        if first {
            first = !self.send_kept(out);
        }
        let mut gated = *frame;
        self.gate.apply(&mut gated, on_air);
        out(Leaving { frame: &gated, at, captured: start, first, last });
        true
    }

    /// The pre-roll, at once; false if there is none. What has left is not kept: a second press soon after the first
    /// sends nothing twice.
    fn send_kept(&mut self, out: &mut impl FnMut(Leaving<'_>)) -> bool {
        let mut first = true;
        for step in 0..PREROLL_VOICE_FRAMES {
            let Some(mut kept) = self.kept[(self.next + step) % PREROLL_VOICE_FRAMES].take() else { continue };
            if step + self.preroll < PREROLL_VOICE_FRAMES {
                continue;
            }
            self.gate.apply(&mut kept.frame, true);
            out(Leaving { frame: &kept.frame, at: kept.at, captured: kept.captured, first, last: false });
            first = false;
        }
        !first
    }

    /// Moves the clock over a hole in the microphone's time; true if there was one.
    fn skip_gap(&mut self, captured: Instant) -> bool {
        let due = self.last_captured.replace(captured).map(|last| last + FRAME_DURATION);
        let Some(gap) = due.and_then(|due| captured.checked_duration_since(due)).filter(|gap| *gap > GAP) else { return false };
        self.clock += gap.as_micros() as u64 * u64::from(SAMPLE_RATE) / 1_000_000;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What left: (at, first, last, first sample, last sample).
    type Left = (u64, bool, bool, f32, f32);

    struct Mic {
        spurt: Spurt,
        now: Instant,
    }

    impl Mic {
        fn new() -> Self {
            Self { spurt: Spurt::new(), now: Instant::now() }
        }

        fn say(&mut self, frames: usize, on_air: bool) -> Vec<Left> {
            let mut left = Vec::new();
            for _ in 0..frames {
                self.now += FRAME_DURATION;
                self.spurt.handle(&[0.5; FRAME_SAMPLES], self.now, on_air, &mut |leaving| {
                    left.push((leaving.at, leaving.first, leaving.last, leaving.frame[0], leaving.frame[479]));
                });
            }
            left
        }
    }

    #[test]
    fn the_sixty_milliseconds_before_the_key_leave_with_it() {
        let mut mic = Mic::new();
        assert!(mic.say(20, false).is_empty());
        let left = mic.say(2, true);
        let times: Vec<u64> = left.iter().map(|left| left.0 / 480).collect();
        assert_eq!(times, [14, 15, 16, 17, 18, 19, 20, 21]);
        assert!(left[0].1 && left[1..].iter().all(|left| !left.1), "the marker is on the first alone");
        assert_eq!((left[0].3, left[0].4, left[1].3), (0.0, 0.5, 0.5), "fades in once");
    }

    #[test]
    fn two_hundred_milliseconds_leave_with_a_voice_and_nothing_that_was_to_be_forgotten() {
        let mut mic = Mic::new();
        mic.say(50, false);
        mic.spurt.set_preroll(PREROLL_VOICE_FRAMES);
        let times = |left: Vec<Left>| left.iter().map(|left| left.0 / 480).collect::<Vec<_>>();
        assert_eq!(times(mic.say(1, true)), (30..=50).collect::<Vec<_>>());
        mic.say(30, false);
        mic.spurt.set_preroll(PREROLL_FRAMES);
        assert_eq!(times(mic.say(1, true)), (75..=81).collect::<Vec<_>>());
        mic.say(10, false);
        mic.spurt.set_preroll(PREROLL_VOICE_FRAMES);
        assert_eq!(times(mic.say(1, true)), (83..=92).collect::<Vec<_>>(), "nothing of before the spurt before");
        mic.say(40, false);
        mic.spurt.forget();
        mic.say(3, false);
        assert_eq!(times(mic.say(1, true)), (133..=136).collect::<Vec<_>>());
    }

    #[test]
    fn one_tail_frame_fades_out_and_then_nothing_leaves() {
        let mut mic = Mic::new();
        mic.say(3, true);
        let tail = mic.say(5, false);
        assert_eq!(tail, [(3 * 480, false, true, 0.5, 0.0)]);
    }

    #[test]
    fn a_second_press_sends_nothing_twice() {
        let mut mic = Mic::new();
        mic.say(10, false);
        mic.say(5, true);
        mic.say(3, false);
        let left = mic.say(1, true);
        let times: Vec<u64> = left.iter().map(|left| left.0 / 480).collect();
        assert_eq!(times, [16, 17, 18], "frame 15 left as the tail");
    }

    #[test]
    fn the_clock_follows_time_across_a_microphone_that_stood_still() {
        let mut mic = Mic::new();
        mic.say(10, false);
        mic.now += Duration::from_secs(2);
        let left = mic.say(1, true);
        assert_eq!(left.len(), 1, "what was said two seconds ago is no pre-roll");
        assert_eq!((left[0].0, left[0].1), (10 * 480 + 96_000, true));
        mic.now += Duration::from_millis(500);
        let left = mic.say(1, true);
        assert_eq!((left[0].0, left[0].1), (11 * 480 + 96_000 + 24_000, true));
    }

    #[test]
    fn an_unkey_during_a_standstill_leaves_no_tail() {
        let mut mic = Mic::new();
        mic.say(3, true);
        mic.now += Duration::from_secs(1);
        assert!(mic.say(1, false).is_empty());
        assert!(!mic.say(1, true).is_empty());
    }
}
