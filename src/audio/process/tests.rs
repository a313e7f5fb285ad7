//! What a user is promised of the chain.

use std::time::{Duration, Instant};

use super::testing::{Dice, at_level, fan, heard, rms_db, room, spoken, white};
use super::*;
use crate::audio::SILENT_FRAME;
use crate::audio::limiter::CEILING;
use crate::units::FRAME_SAMPLES;

const SECOND: usize = 48_000;

fn wanted(echo: bool, noise: When, gain: bool) -> Wanted {
    Wanted { echo, noise, gain }
}

/// All of it through a chain, frame by frame; speech is what is above -35 dBFS.
fn through(chain: &mut Chain, samples: &[f32], far: Option<&[f32]>) -> Vec<f32> {
    let mut out = samples.to_vec();
    for (n, frame) in out.as_chunks_mut::<480>().0.iter_mut().enumerate() {
        let far = far.map(|far| far[n * FRAME_SAMPLES..].first_chunk::<480>().expect("as long"));
        chain.clean(frame, far);
        let speaks = rms_db(frame) > -35.0;
        chain.finish(frame, speaks);
    }
    out
}

#[test]
fn a_clean_voice_and_a_test_tone_pass_with_nothing_added() {
    let said = spoken(30, 1);
    let mut chain = Chain::default();
    chain.set(wanted(false, When::Auto, true));
    let mut filter = HighPass::new(HIGH_PASS_HZ);
    let mut expected = said.clone();
    expected.as_chunks_mut::<480>().0.iter_mut().for_each(|frame| filter.process(frame));
    let out = through(&mut chain, &said, None);
    let differs = out.iter().zip(&expected).position(|(out, expected)| out != expected);
    assert_eq!(differs, None, "only rumble is gone: {:?}", chain);
    assert_eq!((chain.delay(), chain.at_work()), (Duration::ZERO, AtWork::default()));
    let tone: Vec<f32> = (0..10 * SECOND).map(|n| (n as f32 * 440.0 * std::f32::consts::TAU / 48_000.0).sin() * 0.1).collect();
    let mut chain = Chain::default();
    chain.set(wanted(false, When::Auto, true));
    let out = through(&mut chain, &tone, None);
    assert!((rms_db(&out[SECOND..]) - rms_db(&tone)).abs() < 0.1);
}

#[test]
fn a_broken_sample_does_not_stay_and_nothing_clips() {
    let mut chain = Chain::default();
    chain.set(wanted(true, When::On, true));
    for n in 0..300 {
        let mut frame = [0.1; 480];
        frame[7] = [f32::NAN, f32::INFINITY, 40.0][n % 3];
        chain.clean(&mut frame, Some(&[f32::NAN; 480]));
        chain.finish(&mut frame, true);
        assert!(frame.iter().all(|sample| sample.is_finite() && sample.abs() <= CEILING));
    }
    let said = at_level(-20.0, &spoken(3, 1));
    let out = through(&mut chain, &said, None);
    assert!(rms_db(&out[SECOND..]) > -40.0, "it is heard again: {}", rms_db(&out[SECOND..]));
}

#[test]
fn noise_suppression_joins_in_a_noisy_room_and_leaves_a_quiet_one() {
    let mut chain = Chain::default();
    let noisy = at_level(-40.0, &white(6, 1));
    let out = through(&mut chain, &noisy, None);
    assert!(chain.at_work().noise && chain.floor().is_some_and(|floor| (floor + 40.0).abs() < 2.0));
    assert!(chain.delay() <= Duration::from_millis(8), "{:?}", chain.delay());
    assert_eq!(rms_db(&out[..2 * SECOND]), rms_db(&through(&mut Chain::default(), &noisy[..2 * SECOND], None)));
    assert!(rms_db(&out[5 * SECOND..]) < -50.0, "{}", rms_db(&out[5 * SECOND..]));
    through(&mut chain, &at_level(-70.0, &white(12, 2)), None);
    assert!(!chain.at_work().noise && chain.delay() == Duration::ZERO);
    chain.set(wanted(false, When::Off, true));
    through(&mut chain, &noisy, None);
    assert!(!chain.at_work().noise, "switched off is off");
}

/// The microphone with the echo of `played` taken out.
fn without_echo(mic: &[f32], played: &[f32]) -> Vec<f32> {
    let mut chain = Chain::default();
    chain.set(wanted(true, When::Off, false));
    let left = through(&mut chain, mic, Some(played));
    assert!(chain.at_work().echo && chain.delay() <= Duration::from_millis(10));
    left
}

/// How much quieter the microphone, which hears `played` alone, is without that from second `from` on, dB.
fn gained(mic: &[f32], played: &[f32], from: usize) -> f32 {
    rms_db(&mic[from * SECOND..]) - rms_db(&without_echo(mic, played)[from * SECOND..])
}

#[test]
fn the_far_end_does_not_come_back() {
    let played = at_level(-22.0, &spoken(8, 3));
    for (rt60, delay) in [(0.15, 480), (0.4, 2_400)] {
        let gained = gained(&heard(&played, &room(rt60, 6.0, 1), delay), &played, 2);
        assert!(gained >= 36.0, "rt60 {rt60} s, {delay} samples: {gained:.1} dB");
    }
}

#[test]
fn a_room_that_changes_is_learned_anew_within_two_seconds() {
    let played = at_level(-22.0, &spoken(14, 3));
    for (case, later) in [("louder", room(0.3, -6.0, 1)), ("quieter", room(0.3, 12.0, 1)), ("moved", room(0.3, 6.0, 9))] {
        let mut mic = heard(&played, &room(0.3, 6.0, 1), 960);
        mic.splice(6 * SECOND.., heard(&played, &later, if case == "moved" { 1_500 } else { 960 }).drain(6 * SECOND..));
        let gained = gained(&mic, &played, 8);
        assert!(gained >= 25.0, "{case}: {gained:.1} dB");
    }
}

#[test]
fn a_room_in_which_somebody_walks_about_is_followed() {
    // One becomes the other, all but the direct sound, within half a minute.
    let played = at_level(-22.0, &spoken(24, 3));
    let [here, there] = [1, 9].map(|seed| heard(&played, &room(0.3, 6.0, seed), 960));
    let share = |n: usize| 0.5 + 0.5 * (std::f32::consts::PI * n as f32 / (32 * SECOND) as f32).cos();
    let mic: Vec<f32> = (0..played.len()).map(|n| here[n] * share(n) + there[n] * (1.0 - share(n))).collect();
    let gained = gained(&mic, &played, 4);
    assert!(gained >= 32.0, "{gained:.1} dB");
}

#[test]
fn what_a_loudspeaker_adds_of_its_own_is_learned_while_the_far_end_alone_speaks() {
    // 3 % of the third harmonic at twice the voice's level.
    let played = at_level(-22.0, &spoken(16, 3));
    let loud = 2.0 * 10f32.powf(-22.0 / 20.0);
    let bent: Vec<f32> = played.iter().map(|sample| sample - 0.12 * (sample / loud).powi(3) * loud).collect();
    let mic = heard(&bent, &room(0.3, 6.0, 1), 960);
    let gained = gained(&mic, &played, 8);
    assert!(gained >= 21.5, "{gained:.1} dB");
}

#[test]
fn a_loudspeaker_that_was_off_while_somebody_spoke_is_learned_when_it_is_on() {
    let played = at_level(-22.0, &spoken(20, 3));
    let mut mic = heard(&played, &room(0.3, 6.0, 1), 960);
    mic[..10 * SECOND].copy_from_slice(&at_level(-22.0, &spoken(10, 9)));
    let gained = gained(&mic, &played, 13);
    assert!(gained >= 20.0, "{gained:.1} dB");
}

#[test]
fn a_microphone_that_was_off_at_first_is_learned_when_it_is_on() {
    let played = at_level(-22.0, &spoken(9, 3));
    for quieter in [0.0, 0.003, 0.1] {
        let mut mic = heard(&played, &room(0.3, 6.0, 1), 960);
        mic[..3 * SECOND].iter_mut().for_each(|sample| *sample *= quieter);
        let gained = gained(&mic, &played, 5);
        assert!(gained >= 25.0, "{quieter}: {gained:.1} dB");
    }
}

/// What the own voice, `said`, loses over an echo of `played` that is `loss_db` quieter, from second `settle` on, dB.
fn lost(played: &[f32], said: &[f32], loss_db: f32, settle: usize) -> f32 {
    let mic: Vec<f32> = heard(played, &room(0.2, loss_db, 1), 960).iter().zip(said).map(|(echo, said)| echo + said).collect();
    let out = without_echo(&mic, played);
    rms_db(&said[settle * SECOND..]) - rms_db(&out[settle * SECOND..])
}

#[test]
fn who_talks_over_an_echo_is_still_heard() {
    let lost = lost(&at_level(-24.0, &spoken(10, 3)), &at_level(-24.0, &spoken(10, 9)), 10.0, 3);
    assert!(lost < 4.0, "{lost} dB of the own voice are lost");
}

/// Syllables of one flat pitch, with pauses.
fn flat(seconds: usize, hertz: f32, seed: u64) -> Vec<f32> {
    let mut dice = Dice::new(seed);
    let (mut said, mut phase) = (Vec::new(), 0f32);
    while said.len() < seconds * SECOND {
        let (long, pause) = (7_000 + (dice.next().abs() * 8_000.0) as usize, (dice.next().abs() * 6_000.0) as usize);
        let formants = [500.0 + 300.0 * dice.next(), 1_600.0 + 700.0 * dice.next(), 2_700.0 + 300.0 * dice.next()];
        let peak = |hertz: f32| formants.iter().map(|formant| 1.0 / (1.0 + ((hertz - formant) / 90.0).powi(2))).sum::<f32>();
        let loudness: Vec<f32> = (1..32).map(|n| peak(n as f32 * hertz) / n as f32).collect();
        for n in 0..long {
            phase = (phase + hertz / 48_000.0).fract();
            let rises = (n.min(long - n) as f32 / 1_500.0).min(1.0);
            said.push(
                rises * loudness.iter().zip(1..).map(|(loud, n)| loud * (std::f32::consts::TAU * phase * n as f32).sin()).sum::<f32>(),
            );
        }
        said.extend(vec![0.0; pause]);
    }
    said.truncate(seconds * SECOND);
    said
}

#[test]
fn a_voice_of_the_far_ends_pitch_is_not_taken_for_the_room() {
    for (seed, theirs, own) in [(1, 100.0, 100.2), (1, 160.0, 161.0), (2, 250.0, 250.0)] {
        let played = at_level(-24.0, &flat(12, theirs, seed));
        let said = at_level(-24.0, &flat(12, own, 10 + seed));
        let lost = lost(&played, &said, 24.0, 4);
        assert!(lost < 2.7, "seed {seed}, {theirs} and {own} Hz: {lost:.1} dB of the own voice are lost");
    }
}

#[test]
fn a_fan_behind_a_voice_is_ten_db_quieter_and_the_voice_is_not() {
    let said = at_level(-24.0, &spoken(16, 2));
    let noise = at_level(-34.0, &fan(16, 5));
    let noisy: Vec<f32> = said.iter().zip(&noise).map(|(said, noise)| said + noise).collect();
    let mut chain = Chain::default();
    chain.set(wanted(false, When::Auto, false));
    let out = through(&mut chain, &noisy, None);
    let late = 332;
    let (mut pauses, mut voice, mut since) = ((0.0, 0.0), (0.0, 0.0), 0);
    for at in (9 * SECOND..15 * SECOND).step_by(FRAME_SAMPLES) {
        let power = |samples: &[f32], at: usize| samples[at..at + FRAME_SAMPLES].iter().map(|s| s * s).sum::<f32>();
        let is_silent = rms_db(&said[at..at + FRAME_SAMPLES]) < -60.0;
        since = if is_silent { since + 1 } else { 0 };
        let sum = match since {
            0 => &mut voice,
            20.. => &mut pauses,
            _ => continue,
        };
        *sum = (sum.0 + power(&noisy, at), sum.1 + power(&out, at + late));
    }
    let gone = |(before, after): (f32, f32)| 10.0 * (before / after).log10();
    assert!(pauses.0 > 0.0 && gone(pauses) >= 10.0, "{} dB", gone(pauses));
    assert!(gone(voice) < 3.0, "the voice and the noise in it lost {} dB, the pauses {}", gone(voice), gone(pauses));
}

#[test]
fn all_of_it_adds_less_than_sixteen_ms_and_forgets_at_a_reset() {
    let mut chain = Chain::default();
    chain.set(wanted(true, When::On, true));
    through(&mut chain, &spoken(1, 1), None);
    assert!(chain.at_work().echo && chain.at_work().noise);
    assert!(chain.delay() <= Duration::from_millis(16) && chain.cleaned_delay() < chain.delay(), "{:?}", chain.delay());
    chain.reset();
    assert_eq!((chain.delay(), chain.at_work()), (Duration::ZERO, AtWork::default()));
    let mut frame = SILENT_FRAME;
    chain.clean(&mut frame, None);
    chain.finish(&mut frame, false);
    assert_eq!(frame, SILENT_FRAME);
}

#[test]
fn the_reference_follows_cards_that_drift() {
    // The loudspeaker's card 50 ppm fast: what it plays in a second of the microphone's time is 2.4 samples more.
    let played = at_level(-22.0, &spoken(12, 3));
    let slow: Vec<f32> = (0..played.len() - SECOND)
        .map(|n| {
            let place = n as f64 * (1.0 + 50e-6);
            let (whole, part) = (place as usize, place.fract() as f32);
            played[whole] + (played[whole + 1] - played[whole]) * part
        })
        .collect();
    let mic = heard(&slow, &room(0.2, 6.0, 1), 960);
    let (mut reference, mut chain, start) = (Reference::default(), Chain::default(), Instant::now());
    chain.set(wanted(true, When::Off, false));
    let (mut before, mut after, mut pushed) = (0.0, 0.0, 0);
    for (n, frame) in mic.as_chunks::<480>().0.iter().enumerate() {
        let captured = start + duration_of((n * FRAME_SAMPLES) as u64);
        // The playback side is 30 ms ahead: its card's delay.
        while (pushed * FRAME_SAMPLES) as f64 / (48_000.0 * (1.0 + 50e-6)) < n as f64 * 0.01 + 0.03 {
            let at = start + Duration::from_secs_f64((pushed * FRAME_SAMPLES) as f64 / (48_000.0 * (1.0 + 50e-6)));
            let Some(far) = played.as_chunks::<480>().0.get(pushed) else { break };
            reference.push(far, at);
            pushed += 1;
        }
        let (mut frame, far) = (*frame, reference.take(captured));
        let power = |frame: &Frame| frame.iter().map(|s| s * s).sum::<f32>();
        let was = power(&frame);
        chain.clean(&mut frame, far.as_ref());
        if n > 300 {
            (before, after) = (before + was, after + power(&frame));
        }
    }
    let gained = 10.0 * (before / after).log10();
    assert!(gained >= 29.0, "{gained:.1} dB");
}
