//! What the loudspeaker plays, laid beside what the microphone hears: two cards, two clocks, one time. Pure.
//!
//! The playback side says when each frame leaves the loudspeaker, the capture side when its own was in the air; both are out by
//! a few ms from one to the next, and a canceller hears each step between them. So what is read goes on evenly, at one rate where one
//! card does both; two cards that drift are followed once that is more than chance. A jump is made only where it is out by far, or where
//! all slipped at once.
//!
//! Both may also be out for good, and a canceller explains nothing by what comes after it. So what is read is ahead of its time, by as
//! much as there is most of the time.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::spares::{Room, SPARE, Spares};
use super::trend::Trend;
use crate::audio::Frame;
use crate::units::{FRAME_SAMPLES, SAMPLE_RATE, duration_of};

/// What is kept: 1.37 s.
const KEPT: usize = 1 << 16;
/// The reference comes at most so much before its time: the canceller must never see it after the sound that it explains, and a card
/// that tells too long a delay makes it so (PulseAudio's null sink: 6 ms).
const LEAD_MAX: f64 = 1_440.0;
/// As little is known at first of callbacks that come late, so much more is left.
const SPARE_AT_FIRST: f64 = 480.0;
/// The loudspeaker's side is not late any more, but stands still.
const STANDS_STILL: f64 = -4_800.0;
/// An error of 4 ms is no matter; what is beyond goes within 4 s.
const NO_MATTER: f64 = 192.0;
const BY_ERROR: f64 = 1.0 / 400.0;
/// Cards differ by no more, samples a frame: 1,000 ppm.
const DRIFT_MAX: f64 = 0.48;
/// The newest frames tell of a slip: where a card or a sound server stood still, all that follows is late, at once. Where both halves of them
/// are out by so much from what was before, samples, it is jumped: a room that slides away cannot be learned, another one can.
const RECENT: usize = 12;
const SLIP: f64 = 240.0;
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
    read: Option<f64>,
    lead: Option<f64>,
    spares: Spares,
    room: Room,
    /// How the error grows, where nothing is done about it: the two cards' drift. And what has been done, samples.
    trend: Trend,
    followed: f64,
    /// The errors of the newest frames; the trend knows of those before.
    recent: VecDeque<f64>,
    astray: u32,
}

impl Default for Reference {
    fn default() -> Self {
        Self {
            samples: Box::new([0.0; KEPT]),
            written: 0,
            end: None,
            read: None,
            lead: None,
            spares: Spares::default(),
            room: Room::default(),
            trend: Trend::default(),
            followed: 0.0,
            recent: VecDeque::with_capacity(RECENT + 1),
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
        let most = (self.written as f64 - FRAME_SAMPLES as f64 - 1.0) - SPARE_AT_FIRST - ideal;
        let wanted = ideal + *self.lead.get_or_insert(most.clamp(-LEAD_MAX, LEAD_MAX));
        let held = self.read;
        let read = match held {
            Some(read) if !self.is_astray(wanted - read) => match self.slipped(wanted - read) {
                Some(slip) => self.begin(read + slip),
                None => read,
            },
            _ => self.begin(wanted),
        };
        let next = read + FRAME_SAMPLES as f64 + self.step();
        let left = self.written as f64 - 3.0 - next;
        self.read = Some(next + self.look_at(left));
        let is_kept = read >= 1.0 && self.written as f64 - read <= (KEPT - 4) as f64;
        // Where the loudspeaker's side is late, or stands still, its time goes on all the same.
        (is_kept && left >= 0.0).then(|| self.between(read, next))
    }

    /// Once a second: does what is read come early enough, and is it there? By how many samples it is to come earlier: none where it does;
    /// another delay is to be learned. `left`: what there is beyond this frame.
    fn look_at(&mut self, left: f64) -> f64 {
        if left < STANDS_STILL {
            self.spares = Spares::default();
            return 0.0;
        }
        let Some(least) = self.spares.push(left) else { return 0.0 };
        let (mean, _) = self.trend.line();
        let lead = self.lead.unwrap_or_default() - (mean - self.followed);
        let Some(room) = self.room.push(least, lead) else { return 0.0 };
        let better = (lead + room - SPARE).clamp(-LEAD_MAX, LEAD_MAX).floor();
        self.lead = Some(better);
        self.forget();
        (better - lead).floor()
    }

    /// Reads on from `place`, and knows nothing of how that will do.
    fn begin(&mut self, place: f64) -> f64 {
        self.forget();
        self.spares = Spares::default();
        place.floor()
    }

    fn forget(&mut self) {
        (self.trend, self.followed, self.astray) = (Trend::default(), 0.0, 0);
        self.recent.clear();
    }

    /// Takes the `error` of a frame; by how many samples all slipped, if the newest frames tell of it.
    fn slipped(&mut self, error: f64) -> Option<f64> {
        self.recent.push_back(error.clamp(-JUMP, JUMP) + self.followed);
        if self.recent.len() <= RECENT {
            return None;
        }
        self.trend.push(self.recent.pop_front()?);
        let (before, _) = self.trend.line();
        let [first, last] =
            [0, RECENT / 2].map(|from| self.recent.iter().skip(from).take(RECENT / 2).sum::<f64>() / (RECENT / 2) as f64 - before);
        let is_out = self.trend.is_known() && first.abs().min(last.abs()) > SLIP && (first > 0.0) == (last > 0.0);
        is_out.then_some(last + before - self.followed)
    }

    /// Out by far, for long.
    fn is_astray(&mut self, error: f64) -> bool {
        self.astray = if error.abs() > JUMP { self.astray + 1 } else { 0 };
        self.astray > JUMP_AFTER
    }

    /// How many samples more than a frame's to read on by.
    fn step(&mut self) -> f64 {
        if !self.trend.is_known() {
            return 0.0;
        }
        let (mean, growth) = self.trend.line();
        let left = mean - self.followed;
        let step = growth.clamp(-DRIFT_MAX, DRIFT_MAX) + (left - left.clamp(-NO_MATTER, NO_MATTER)) * BY_ERROR;
        self.followed += step;
        step
    }

    /// Where the sample lies that left the loudspeaker at `at`.
    fn place(&self, at: Instant) -> Option<f64> {
        let end = self.end?;
        let samples = |time: Duration| time.as_secs_f64() * f64::from(SAMPLE_RATE);
        let back = if at < end { samples(end - at) } else { -samples(at - end) };
        let place = self.written as f64 - back;
        (place >= 0.0 && back < KEPT as f64 / 2.0).then_some(place)
    }

    /// The samples from `from` to `to`, as a frame: cubic interpolation (Catmull and Rom) where they lie between others.
    fn between(&self, from: f64, to: f64) -> Frame {
        let at = |n: usize| self.samples[n % KEPT];
        let step = (to - from) / FRAME_SAMPLES as f64;
        std::array::from_fn(|n| {
            let place = from + n as f64 * step;
            let (whole, t) = (place as usize, place.fract() as f32);
            let (before, this, next, after) = (at(whole - 1), at(whole), at(whole + 1), at(whole + 2));
            let (bend, rise) = (2.0 * before - 5.0 * this + 4.0 * next - after, 3.0 * (this - next) + after - before);
            this + 0.5 * t * (next - before + t * (bend + t * rise))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::process::testing::Dice;

    /// Seeded, 0..1.
    fn dice(seed: u64) -> impl FnMut() -> f64 {
        let mut dice = Dice::new(seed);
        move || f64::from(dice.next().midpoint(1.0))
    }

    /// Ten minutes of two cards: the loudspeaker plays a ramp, each callback is some ms late, its clock runs off by `ppm`. What is
    /// read must stay where it was beside the microphone's time. Returns how far it wandered from there after the first second, samples.
    fn wander(ppm: f64, late_ms: u64) -> f64 {
        let (mut reference, start) = (Reference::default(), Instant::now());
        let mut dice = dice(1);
        let mut late = || Duration::from_secs_f64(dice() * late_ms as f64 / 1e3);
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
            if !(5.0..999_995.0).contains(&shown) {
                // Where the ramp falls.
                continue;
            }
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

    /// A card that tells everything so much wrong, and worse while it starts, and whose callbacks come late now and then: each frame that is
    /// read, by how many samples it is ahead of what the microphone hears; and how many were not there. Of 20 s, without the first five.
    fn read_ahead(tells_wrong_ms: f64, seed: u64) -> (Vec<f64>, usize) {
        let mut dice = dice(seed);
        let (mut reference, start) = (Reference::default(), Instant::now());
        let at = |samples: f64, ms: f64| start + Duration::from_secs_f64((samples / 48.0 + ms + 100.0) / 1e3);
        let (mut ahead, mut missed, mut pushed) = (Vec::new(), 0, 0.0);
        for n in 0..2_000u64 {
            let heard = 480.0 * n as f64;
            // The loudspeaker's side is 10 ms ahead of what is taken, but for one frame in 70 where its callback waits for the next.
            let waits = n % 70 == 3;
            while pushed < heard + 960.0 - if waits { 480.0 } else { 0.0 } {
                let frame: Frame = std::array::from_fn(|k| (pushed as f32 + k as f32) / 1e6);
                let starts = if n < 40 { 12.0 - 30.0 * dice() } else { 0.0 };
                reference.push(&frame, at(pushed, tells_wrong_ms + starts + dice()));
                pushed += 480.0;
            }
            let read = reference.take(at(heard, dice()));
            if n >= 500 {
                missed += usize::from(read.is_none());
                ahead.extend(read.map(|read| f64::from(read[0]) * 1e6 - heard));
            }
        }
        (ahead, missed)
    }

    #[test]
    fn what_is_read_comes_before_what_is_heard_and_stays_so() {
        for seed in 1..=20 {
            for wrong in [-20.0, 0.0, 6.0] {
                let (ahead, missed) = read_ahead(wrong, seed);
                let least = ahead.iter().fold(f64::INFINITY, |least, ahead| least.min(*ahead));
                let most = ahead.iter().fold(0f64, |most, ahead| most.max(*ahead));
                assert!(least >= 0.0 && most < 1_600.0, "told {wrong} ms late, seed {seed}: {least:.0} to {most:.0} samples ahead");
                assert!(most - least < 300.0, "told {wrong} ms late, seed {seed}: {least:.0} to {most:.0} samples ahead");
                assert!(missed < 40, "told {wrong} ms late, seed {seed}: {missed} frames were not there");
            }
        }
    }

    /// A minute of a machine that is busy in some seconds: the loudspeaker's side, 16 ms ahead of what the microphone hears, comes late then, by
    /// up to `late_ms` in one frame of ten. How often another place was read from, after the first five seconds, and how many frames were missed.
    fn moves_when_busy(late_ms: f64, seed: u64) -> (usize, usize) {
        let mut dice = dice(seed);
        let (mut reference, start) = (Reference::default(), Instant::now());
        let at = |samples: f64| start + Duration::from_secs_f64((samples / 48.0 + 100.0) / 1e3);
        let (mut before, mut moves, mut missed, mut pushed, mut busy) = (None, 0, 0, 0.0, false);
        for n in 0..6_000u64 {
            let heard = 480.0 * n as f64;
            if n % 100 == 0 {
                busy = dice() < 0.4;
            }
            let late = if busy && dice() < 0.1 { late_ms * dice() * 48.0 } else { 0.0 };
            while pushed + late < heard + 480.0 + 768.0 {
                reference.push(&std::array::from_fn(|k| (pushed as f32 + k as f32) / 1e7), at(pushed));
                pushed += 480.0;
            }
            let Some(read) = reference.take(at(heard)) else {
                missed += usize::from(n >= 500);
                continue;
            };
            let ahead = f64::from(read[0]) * 1e7 - heard;
            moves += usize::from(n >= 500 && before.is_some_and(|before: f64| (ahead - before).abs() > 30.0));
            before = Some(ahead);
        }
        (moves, missed)
    }

    /// The loudspeaker stands still for 20 ms after 20 s, and all that follows is late: it is read there within a second, and stays there.
    #[test]
    fn what_slips_is_jumped_and_does_not_slide() {
        for seed in 1..=8 {
            let mut dice = dice(seed);
            let (mut reference, start) = (Reference::default(), Instant::now());
            let mut jitter = |samples: f64| start + Duration::from_secs_f64((samples / 48.0 + 2.0 * dice() + 100.0) / 1e3);
            let (mut pushed, mut ahead) = (0.0, Vec::new());
            for n in 0..6_000u64 {
                let (heard, late) = (480.0 * n as f64, if n < 2_000 { 0.0 } else { 960.0 });
                while pushed + late < heard + 480.0 + 768.0 {
                    reference.push(&std::array::from_fn(|k| (pushed as f32 + k as f32) / 1e7), jitter(pushed + late));
                    pushed += 480.0;
                }
                let read = reference.take(jitter(heard));
                if (1_000..2_000).contains(&n) || n >= 2_100 {
                    ahead.push(f64::from(read.expect("it is there")[0]) * 1e7 - heard + late);
                }
            }
            let (least, most) = ahead.iter().fold((f64::MAX, f64::MIN), |(least, most), ahead| (least.min(*ahead), most.max(*ahead)));
            assert!(most - least < 96.0, "seed {seed}: {least:.0} to {most:.0} samples ahead");
        }
    }

    #[test]
    fn a_machine_that_is_busy_now_and_then_does_not_make_another_room_each_second() {
        for late in [5.0, 8.0, 16.0, 25.0] {
            for seed in 1..=8 {
                let (moves, missed) = moves_when_busy(late, seed);
                assert!(moves <= 4 && missed < 120, "{late} ms late, seed {seed}: {moves} moves, {missed} frames were not there");
            }
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
