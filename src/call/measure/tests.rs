//! Two probes with a known delay between them, and an uplink that would tell if the microphone got through.

use std::collections::VecDeque;

use rand::SeedableRng;
use rand::rngs::StdRng;

use super::*;
use crate::audio::codec::Encode;
use crate::call::{SendPlan, Speak, Tuning, Uplink, UplinkConfig};
use crate::session::Seal;
use crate::units::{Format, PeerId, Ssrc};

/// One side: what it says is heard there so many frames, and the time `card` later.
struct Way {
    frames: usize,
    card: Duration,
    air: VecDeque<Frame>,
}

impl Way {
    fn new(frames: usize, card: Duration) -> Self {
        Self { frames, card, air: VecDeque::new() }
    }

    fn carry(&mut self, frame: Frame) -> Frame {
        self.air.push_back(frame);
        if self.air.len() > self.frames { self.air.pop_front().expect("one") } else { [0.0; FRAME_SAMPLES] }
    }
}

fn order(side: Side, phase: Phase) -> Order {
    Order { run: 1, side, phase }
}

/// Runs until all trials are done; `late`: how late each frame's thread is woken, here and there.
fn measure(phase: Phase, trials: u16, ways: &mut [Way; 2], late: impl Fn(u64) -> [Duration; 2]) -> Trials {
    let (start, mut here, mut there) =
        (Instant::now(), Probe::new(order(Side::Asks { trials }, phase)), Probe::new(order(Side::Answers, phase)));
    for n in 0..100_000 {
        let at = start + FRAME_DURATION * n as u32;
        let [late_here, late_there] = late(n);
        let say = |probe: &mut Probe, late: Duration, way: &mut Way| {
            let mut frame = [0.7; FRAME_SAMPLES];
            let leaves = probe.handle_mouth(&mut frame, at + late);
            assert!(leaves || frame.iter().all(|x| *x == 0.0), "a chirp that does not leave");
            way.carry(frame)
        };
        let (to_there, to_here) = (say(&mut here, late_here, &mut ways[0]), say(&mut there, late_there, &mut ways[1]));
        there.handle_ear(&to_there, at + ways[0].card + late_there);
        here.handle_ear(&to_here, at + ways[1].card + late_here);
        if here.is_done() {
            return here.trials().clone();
        }
    }
    panic!("never done: {:?}", here.trials());
}

#[test]
fn the_mean_of_both_ways_is_measured_to_a_sample() {
    let ms = Duration::from_millis;
    for phase in [Phase::Steady, Phase::Keyed] {
        for (there, back, cards) in [(1, 1, [ms(0), ms(0)]), (3, 12, [ms(7), ms(41)]), (60, 2, [ms(1), ms(100)])] {
            let trials = measure(phase, 7, &mut [Way::new(there, cards[0]), Way::new(back, cards[1])], |_| [Duration::ZERO; 2]);
            let all = if phase == Phase::Steady { trials.steady } else { trials.keyed };
            let true_ms = (there + back) as f64 * 5.0 + (cards[0] + cards[1]).as_secs_f64() * 500.0;
            assert!(all.iter().all(|ms| ms.is_some_and(|ms| (ms - true_ms).abs() < 0.05)), "{phase:?}, {true_ms}: {all:?}");
            assert_eq!(all.len(), 7);
        }
    }
}

#[test]
fn threads_that_are_woken_late_move_it_by_little() {
    let late = |n: u64| [Duration::from_micros(n * 7_919 % 9_000), Duration::from_micros(n * 6_007 % 8_000)];
    let trials = measure(Phase::Steady, 20, &mut [Way::new(3, Duration::ZERO), Way::new(3, Duration::ZERO)], late);
    let summary = Summary::of(&trials.steady).expect("all of them");
    assert!((summary.median_ms - 30.0).abs() < 0.5 && summary.lost == 0, "{summary:?}");
}

#[test]
fn what_does_not_come_back_is_lost_and_the_rest_goes_on() {
    let (start, mut here) = (Instant::now(), Probe::new(order(Side::Asks { trials: 3 }, Phase::Steady)));
    for n in 0..2_000 {
        here.handle_mouth(&mut [0.7; FRAME_SAMPLES], start + FRAME_DURATION * n);
        here.handle_ear(&[0.0; FRAME_SAMPLES], start + FRAME_DURATION * n);
    }
    assert!(here.is_done());
    assert_eq!(here.trials().steady, [None; 3]);
}

/// Keeps the loudest that it was ever given.
struct Ear(f32);

impl Encode for Ear {
    fn frame_samples(&self) -> usize {
        FRAME_SAMPLES
    }

    fn encode(&mut self, frame: &[f32], out: &mut [u8]) -> usize {
        let peak = frame.iter().fold(0.0f32, |peak, x| peak.max(x.abs()));
        // The chirp's peak is 0.1, the microphone's 0.7.
        out[0] = u8::from(peak > 0.11);
        self.0 = self.0.max(peak);
        1
    }

    fn lookahead_samples(&self) -> usize {
        0
    }

    fn reset(&mut self) {}
}

impl Speak for Ear {
    fn tune(&mut self, _: Tuning) {}
}

#[test]
fn no_sound_of_the_microphone_leaves_before_within_or_after_a_measurement() {
    for (phase, steady_bytes) in [(Phase::Steady, 0), (Phase::Keyed, 0), (Phase::Steady, 200), (Phase::Keyed, 200)] {
        let mut uplink = Uplink::with_encoder(UplinkConfig::default(), StdRng::seed_from_u64(1), Ear(0.0)).expect("an uplink");
        let plan = SendPlan {
            address: ([10, 0, 0, 1], 5005).into(),
            format: Format::Sealed,
            ssrc: Ssrc(9),
            payload_type: 111,
            redundancy: 0,
            reach: 0,
            bitrate: 48_000,
            frame_ms: 10,
            expected_loss_percent: 0,
            seal: Seal::Clear,
            steady_bytes,
            from_next_spurt: false,
        };
        uplink.handle_plan(PeerId::new(0).expect("a slot"), Some(plan));
        let (start, mut left) = (Instant::now(), 0);
        let mut probe = Probe::new(order(Side::Asks { trials: 2 }, phase));
        for n in 0..1_500u32 {
            let at = start + FRAME_DURATION * n;
            // A loud microphone: before, while it measures, and after it.
            let mut frame = [0.7; FRAME_SAMPLES];
            if n == 1_400 {
                probe.stop();
            }
            let on_air = n >= 20 && !probe.is_over() && probe.handle_mouth(&mut frame, at);
            let leaves = uplink.handle_frame(&frame, at + FRAME_DURATION, on_air, &mut |_, _, bytes| {
                if steady_bytes == 0 {
                    assert_eq!(bytes.last(), Some(&0), "{phase:?}: the microphone leaves with frame {n}");
                }
            });
            left += u32::from(leaves);
        }
        assert!(left > 30, "{phase:?}: {left}");
    }
}
