//! What every earcon is, and how they are played.

use super::*;
use proptest::prelude::*;

const FULL: Order = Order { begin: Earcons(0), rings: false, gain: 1.0, is_heard: true };

fn begin(earcon: Earcon) -> Order {
    Order { begin: Earcons::of(earcon), ..FULL }
}

/// What is heard in `seconds`, in blocks of 240; `order` by block.
fn played(player: &mut Player, seconds: f32, order: impl Fn(usize) -> Order) -> Vec<f32> {
    let mut heard = vec![0.0; (seconds * SAMPLE_RATE as f32) as usize];
    heard.chunks_mut(240).enumerate().for_each(|(n, block)| player.add(order(n), block));
    heard
}

fn step(samples: &[f32]) -> f32 {
    samples.windows(2).fold(0.0, |step, pair| step.max((pair[1] - pair[0]).abs()))
}

fn peak(samples: &[f32]) -> f32 {
    samples.iter().fold(0.0, |peak, sample| peak.max(sample.abs()))
}

/// Strength of `hz` in `samples` (Goertzel's sum, written out).
fn strength(samples: &[f32], hz: f64) -> f64 {
    let turn = TAU * hz / f64::from(SAMPLE_RATE);
    let (re, im) = samples.iter().enumerate().fold((0.0, 0.0), |(re, im), (n, sample)| {
        let (sin, cos) = (turn * n as f64).sin_cos();
        (re + f64::from(*sample) * cos, im + f64::from(*sample) * sin)
    });
    re.hypot(im)
}

#[test]
fn each_is_short_soft_and_without_a_click() {
    for earcon in Earcon::ALL {
        let samples = earcon.samples();
        let ms = samples.len() * 1_000 / SAMPLE_RATE as usize;
        assert!((60..=300).contains(&ms), "{earcon:?}: {ms} ms");
        let dbfs = 20.0 * peak(&samples).log10();
        let wanted = if earcon == Earcon::Ring { -26.0 } else { -20.0 };
        assert!((dbfs - wanted).abs() < 1.5, "{earcon:?}: {dbfs} dBFS");
        assert_eq!((samples[0], samples[samples.len() - 1]), (0.0, 0.0), "{earcon:?}");
        // The steepest step of its highest note at its loudest, and no more: neither at the ends nor between notes.
        let hz = earcon.notes().iter().fold(0.0, |most: f64, (hz, _)| most.max(*hz));
        let steepest = f64::from(peak(&samples)) * TAU * hz * (1.0 + 2.0 * OCTAVE) / f64::from(SAMPLE_RATE);
        assert!(f64::from(step(&samples)) < steepest, "{earcon:?}: {} of {steepest}", step(&samples));
    }
}

#[test]
fn they_are_told_apart_by_their_first_and_last_notes() {
    let pitches = [220.0, 523.0, 784.0, 988.0, 1_319.0];
    let loudest = |samples: &[f32]| pitches.into_iter().max_by(|a, b| strength(samples, *a).total_cmp(&strength(samples, *b)));
    let shapes: Vec<_> = Earcon::ALL
        .iter()
        .map(|earcon| {
            let samples = earcon.samples();
            let end = samples.len() - 2_400;
            (loudest(&samples[..2_400]).expect("five"), loudest(&samples[end..]).expect("five"), samples.len())
        })
        .map(|(first, last, length)| format!("{first} {last} {length}"))
        .collect();
    for (n, shape) in shapes.iter().enumerate() {
        assert!(!shapes[..n].contains(shape), "{:?}: {shapes:?}", Earcon::ALL[n]);
    }
}

#[test]
fn it_is_heard_once_and_ends() {
    let mut player = Player::default();
    let heard = played(&mut player, 1.0, |n| if n == 2 || n == 3 { begin(Earcon::Live) } else { FULL });
    let samples = Earcon::Live.samples();
    assert_eq!(heard[480..480 + samples.len()], samples[..], "as it is, from the block on that asked for it");
    assert!(heard[..480].iter().chain(&heard[480 + samples.len()..]).all(|sample| *sample == 0.0), "and not again");
}

#[test]
fn a_ring_comes_again_each_three_seconds_and_ends_when_answered() {
    let mut player = Player::default();
    let heard = played(&mut player, 12.0, |n| Order { rings: n < 1_700, ..FULL });
    let starts: Vec<usize> =
        (1..heard.len()).filter(|n| heard[*n] != 0.0 && heard[n.saturating_sub(4_800)..*n].iter().all(|s| *s == 0.0)).collect();
    assert_eq!(starts, [1, RING_SAMPLES + 1, 2 * RING_SAMPLES + 1]);
    // Answered and rung anew: at once.
    assert!(peak(&played(&mut player, 0.3, |_| Order { rings: true, ..FULL })) > 0.04);
}

#[test]
fn volume_and_deafness_glide_and_do_not_step() {
    let mut player = Player::default();
    let loud = 4.0;
    let heard = played(&mut player, 0.3, |n| match n {
        0 => Order { gain: loud, ..begin(Earcon::Live) },
        8..16 => Order { gain: 0.0, ..FULL },
        _ => Order { gain: loud, ..FULL },
    });
    assert!(peak(&heard[..1_900]) > 0.3 && peak(&heard[3_300..3_840]) < 0.01, "{} {}", peak(&heard[..1_900]), peak(&heard[3_300..3_840]));
    assert!(step(&heard) < loud * step(&Earcon::Live.samples()) * 1.2);
    let mut deaf = Player::default();
    assert_eq!(
        peak(&played(&mut deaf, 1.0, |n| Order { gain: 0.0, rings: true, ..if n == 0 { begin(Earcon::HangUp) } else { FULL } })),
        0.0
    );
}

#[test]
fn it_waits_a_second_for_the_loudspeaker_and_a_ring_as_long_as_it_rings() {
    let opens = |at: usize| move |n: usize| Order { is_heard: n >= at, ..if n == 0 { begin(Earcon::Live) } else { FULL } };
    assert!(peak(&played(&mut Player::default(), 2.0, opens(100))) > 0.09);
    assert_eq!(peak(&played(&mut Player::default(), 2.0, opens(250))), 0.0, "too late");
    let heard = played(&mut Player::default(), 3.0, |n| Order { is_heard: n >= 400, rings: true, ..FULL });
    assert_eq!(heard.iter().position(|sample| *sample != 0.0), Some(400 * 240 + 1));
    let mut player = Player::default();
    player.add(begin(Earcon::Refused), &mut [0.0; 240]);
    player.silence();
    assert_eq!(peak(&played(&mut player, 0.5, |_| FULL)), 0.0);
}

proptest! {
    #[test]
    fn any_blocks_add_up_to_the_same(sizes in prop::collection::vec(1usize..4_096, 1..8), which in 0usize..6) {
        let earcon = Earcon::ALL[which];
        let (mut player, mut heard, samples) = (Player::default(), Vec::new(), earcon.samples());
        for (n, size) in sizes.iter().enumerate() {
            let mut block = vec![0.5; *size];
            player.add(if n == 0 { begin(earcon) } else { FULL }, &mut block);
            heard.extend(block);
        }
        for (n, sample) in heard.iter().enumerate() {
            prop_assert_eq!(*sample, 0.5 + samples.get(n).copied().unwrap_or(0.0));
        }
    }
}
