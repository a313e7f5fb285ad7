//! `measure`: what it says is true, nobody is measured who has not allowed it, and no microphone is ever on air for it.

use std::time::Duration;

use voicetui::call::{CallState, Event, Side, Summary};
use voicetui::engine::{Holder, Trials};
use voicetui::units::Format;
use voicetui::wire::app::CallWord;
use voicetui::wire::measure::{MEASURE_MAX, Measure, Phase};

use crate::net::{Link, Loss, is_media};
use crate::node::Node;
use crate::rogue::{Rogue, asks, words};
use crate::sound::lag;
use crate::world::{A, B, C, World, at};

const SECOND: Duration = Duration::from_secs(1);
const MS: Duration = Duration::from_millis(1);

/// A in a sealed call with B, which answers everybody and lets itself be measured, or not.
fn sealed_call(seed: u64, link: Link, allows: bool) -> World {
    let mut world = World::new(seed, link);
    world.add(A, |config| config.format = Format::Sealed);
    world.add(B, |config| (config.format, config.answer_all) = (Format::Sealed, true));
    world.nodes[1].controls.set_answers_measuring(allows);
    // What a block waits for the one before it, as a sound card would tell.
    world.nodes.iter().for_each(|node| node.meters.out.card_delay_ms.set(node.card.block as f32 / 48.0));
    world.dial(0, B, None);
    world.run(SECOND);
    assert_eq!((world.nodes[0].state(), world.nodes[1].state()), (CallState::Live, CallState::Live));
    world
}

fn ask(world: &mut World, trials: u16) {
    let id = world.nodes[0].only();
    let now = world.now;
    world.nodes[0].downlink.measure(now, id, trials).expect("it is asked");
    world.drain(0);
}

/// Runs until A knows, watching that nobody's microphone is leased.
fn measured(world: &mut World, seconds: u32) -> Result<Trials, String> {
    for _ in 0..seconds * 20 {
        world.run(50 * MS);
        for node in &world.nodes {
            assert_eq!(node.controls.on_air(world.now), None, "{}", node.address);
            assert!(Holder::ALL.into_iter().all(|holder| !node.controls.holds(holder, world.now)));
        }
        if let Some(result) = world.nodes[0].measured.pop() {
            return result;
        }
    }
    panic!("nothing was measured in {seconds} s");
}

fn orders(world: &World, node: usize) -> usize {
    world.nodes[node].events.iter().filter(|(_, event)| matches!(event, Event::Measure { order: Some(_), .. })).count()
}

/// Sound that is never the same within half a second, and never silent.
fn sweeps(n: u64) -> f32 {
    let t = (n % 24_000) as f64 / 48_000.0;
    (0.2 * (std::f64::consts::TAU * (300.0 * t + 2_400.0 * t * t)).sin()) as f32
}

/// From `from`'s mouth to the other ear, ms: of a sound, seconds into its spurt.
fn true_delay(world: &mut World, from: usize) -> f64 {
    let so_far = ((world.now - world.start).as_secs_f64() * 48_000.0).round() as usize;
    world.nodes[from].said = vec![0.0; so_far / 240 * 240];
    world.nodes.iter_mut().for_each(|node| (node.keeps, node.source) = (true, sweeps));
    world.run(1_003 * MS);
    let pressed = world.nodes[from].said.len();
    world.nodes[from].key(true);
    world.run(6 * SECOND);
    world.nodes[from].key(false);
    world.run(SECOND);
    let (said, heard) = (&world.nodes[from].said, &world.nodes[1 - from].heard);
    let card_ms = world.nodes[1 - from].card.block as f64 / 48.0;
    let at = pressed + 4 * 48_000;
    let (samples, score) = lag(&said[at..at + 48_000], &heard[at..at + 67_200], 14_400);
    assert!(score > 0.8, "seed {}: correlates by {score}", world.seed);
    samples as f64 / 48.0 + card_ms
}

#[test]
fn what_is_measured_is_the_true_delay_within_two_milliseconds() {
    let way = |ms: u64| Link { delay: Duration::from_millis(ms), ..Link::IDEAL };
    for (seed, there, back) in [(1, 0, 0), (2, 35, 5), (3, 20, 80)] {
        let mut world = sealed_call(seed, Link::IDEAL, true);
        world.net.links.insert((at(A), at(B)), way(there));
        world.net.links.insert((at(B), at(A)), way(back));
        world.run(2 * SECOND);
        let voice_ms = f64::midpoint(true_delay(&mut world, 0), true_delay(&mut world, 1));
        ask(&mut world, 20);
        world.run(SECOND);
        world.nodes.iter_mut().for_each(Node::wiretap);
        assert!(world.run_until(60 * SECOND, |world| world.nodes[0].controls.measuring() == Some(Phase::Keyed)), "seed {seed}");
        let (there_ms, back_ms) = (median(truth(&world, 0, 9_600, 0)), median(truth(&world, 1, 9_600, 0)));
        let begin = world.nodes[0].uttered.len();
        let trials = measured(&mut world, 90).expect("measured");
        world.run(SECOND);
        // Spurts begin sooner or later, each way by itself: of sums like theirs the means can be compared, the medians cannot.
        let true_key = f64::midpoint(mean(&truth(&world, 0, 1_920, begin)), mean(&truth(&world, 1, 1_920, begin)));
        let key_ms = mean(&trials.keyed.iter().flatten().copied().collect::<Vec<_>>());
        let steady = Summary::of(&trials.steady).expect("some came back");
        let keyed = Summary::of(&trials.keyed).expect("some came back");
        let true_ms = f64::midpoint(there_ms, back_ms);
        println!(
            "{there} and {back} ms on the way: a voice {voice_ms:.2}, true {true_ms:.2}, measured {steady:.2?}; from the key {true_key:.2}, measured {key_ms:.2}, {keyed:.2?}"
        );
        assert_eq!((trials.steady.len(), steady.lost), (20, 0), "seed {seed}");
        assert!((steady.median_ms - true_ms).abs() < 2.0, "seed {seed}: {true_ms:.2} ms is measured as {:.2}", steady.median_ms);
        assert!(keyed.lost < 3 && (key_ms - true_key).abs() < 3.0 && keyed.median_ms >= steady.median_ms - 2.0, "seed {seed}: {keyed:?}");
        assert!((steady.median_ms - voice_ms).abs() < 10.0, "seed {seed}: a voice took {voice_ms:.2} ms");
        let (low, high) = steady.confidence_ms.expect("twenty trials");
        assert!(low <= steady.median_ms && steady.median_ms <= high && high - low < 2.0, "seed {seed}: {steady:?}");
        world.run(5 * SECOND);
        assert!(world.nodes.iter().all(|node| node.controls.measuring().is_none()), "it ends on both sides");
    }
}

#[test]
fn losses_cost_trials_and_no_truth() {
    let link = Link { loss: Loss::Random(0.05), ..Link::LAN };
    let mut world = sealed_call(4, link, true);
    world.run(2 * SECOND);
    let there = true_delay(&mut world, 0);
    ask(&mut world, 20);
    let steady = Summary::of(&measured(&mut world, 150).expect("measured").steady).expect("most came back");
    println!("{there:.1} ms there; {steady:?}");
    assert!(steady.lost <= 5 && (steady.median_ms - there).abs() < 15.0, "{there:.1} ms there; {steady:?}");
}

#[test]
fn who_has_not_allowed_it_refuses_and_says_so_on_both_sides() {
    let mut world = sealed_call(5, Link::LAN, false);
    world.net.tapped = true;
    ask(&mut world, 20);
    let refusal = measured(&mut world, 10).expect_err("refused");
    assert!(refusal.contains("does not let itself be measured") && refusal.ends_with('.'), "{refusal}");
    world.run(5 * SECOND);
    assert_eq!(orders(&world, 1), 0);
    assert_eq!(world.nodes[1].infos().iter().filter(|info| info.contains("wants to measure")).count(), 1);
    assert!(world.net.seen.iter().all(|(.., bytes)| !is_media(bytes)), "no chirp left");
}

#[test]
fn a_call_in_the_clear_is_not_measured() {
    let mut world = World::call(6, Link::LAN);
    let (id, now) = (world.nodes[0].only(), world.now);
    let refusal = world.nodes[0].downlink.measure(now, id, 20).expect_err("in the clear");
    assert!(refusal.contains("Only a sealed call"), "{refusal}");
    world.nodes[1].controls.set_answers_measuring(true);
    let spoken = Measure::Ask { run: 9, phase: Phase::Steady };
    let mut value = [0; MEASURE_MAX];
    let len = spoken.write(&mut value);
    world.send(A, B, &asks(CallWord::Live, 0, &value[..len]));
    world.run(SECOND);
    assert_eq!(orders(&world, 1), 0);
}

/// A talk key, and a third party, end it at once; the talk key's voice is heard.
#[test]
fn the_talk_key_ends_it_and_so_does_company() {
    let mut world = sealed_call(7, Link::LAN, true);
    ask(&mut world, 20);
    world.run(4 * SECOND);
    assert_eq!(world.nodes[1].controls.measuring(), Some(Phase::Steady));
    world.nodes[1].key(true);
    world.run(30 * MS);
    assert_eq!(world.nodes[1].controls.measuring(), None);
    world.run(SECOND);
    let refusal = world.nodes[0].measured.pop().expect("told").expect_err("it ended");
    assert!(refusal.contains("on air"), "{refusal}");
    world.nodes[1].key(false);
    world.run(5 * SECOND);

    ask(&mut world, 20);
    world.run(4 * SECOND);
    assert_eq!(world.nodes[1].controls.measuring(), Some(Phase::Steady));
    world.add(C, |config| config.format = Format::Sealed);
    world.dial(2, B, None);
    world.run(SECOND);
    assert_eq!(world.nodes[1].controls.measuring(), None);
    let refusal = world.nodes[0].measured.pop().expect("told").expect_err("it ended");
    assert!(refusal.contains("with others"), "{refusal}");
}

/// How far behind each chirp (so many samples long, from sample `begin` on) of `from` is heard on the other side, ms: by what was said and heard, without any probe.
fn truth(world: &World, from: usize, length: usize, begin: usize) -> Vec<f64> {
    let (says, hears) = (&world.nodes[from], &world.nodes[1 - from]);
    let ([said_at, _], [_, heard_at]) = (says.tapped.expect("tapped"), hears.tapped.expect("tapped"));
    // Both from the same moment on.
    let skip = ((heard_at.as_secs_f64() - said_at.as_secs_f64()) * 48_000.0).round() as usize;
    let (said, heard) = (&says.uttered[skip..], &hears.caught);
    let card_ms = hears.card.block as f64 / 48.0;
    let starts =
        (begin..said.len().min(heard.len()).saturating_sub(48_000)).filter(|at| said[*at] != 0.0 && (*at == 0 || said[at - 1] == 0.0));
    let mut chirps: Vec<usize> = Vec::new();
    for at in starts {
        if chirps.last().is_none_or(|last| at > last + 9_600) {
            chirps.push(at);
        }
    }
    let delay = |at: usize| {
        let (samples, score) = lag(&said[at..at + length], &heard[at..at + length + 19_200], 14_400);
        (score > 0.6).then_some(samples as f64 / 48.0 + card_ms)
    };
    chirps.into_iter().filter_map(delay).collect()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn statement(run: u32, phase: Phase) -> Vec<u8> {
    let mut value = [0; MEASURE_MAX];
    let len = Measure::Ask { run, phase }.write(&mut value);
    value[..len].to_vec()
}

/// B, which lets itself be measured, and a rogue with a session.
fn with_rogue(seed: u64, answers: bool) -> (World, Rogue) {
    let mut world = World::new(seed, Link::LAN);
    world.add(A, |config| config.format = Format::Sealed);
    world.add(B, |config| (config.format, config.answer_all) = (Format::Sealed, answers));
    world.nodes[1].controls.set_answers_measuring(true);
    world.net.tapped = true;
    let mut rogue = Rogue::call(&mut world, C, 77);
    for _ in 0..3 {
        rogue.say(&mut world, &words(CallWord::Calling, rogue.their_leg));
        rogue.run(&mut world, 100 * MS);
    }
    (world, rogue)
}

#[test]
fn who_is_not_accepted_gets_no_reaction() {
    let (mut world, mut rogue) = with_rogue(8, false);
    assert_eq!(world.nodes[1].state(), CallState::Ringing);
    for run in 0..50 {
        for yours in [0, rogue.their_leg] {
            rogue.say(&mut world, &asks(CallWord::Calling, yours, &statement(run, Phase::Steady)));
            world.send("10.0.0.66:5005", B, &asks(CallWord::Live, yours, &statement(run, Phase::Steady)));
        }
        rogue.run(&mut world, 20 * MS);
        assert_eq!(world.nodes[1].controls.measuring(), None);
    }
    assert_eq!(orders(&world, 1), 0);
    assert!(world.net.seen.iter().all(|(from, _, bytes)| *from != at(B) || !is_media(bytes)));
    assert!(world.nodes[1].infos().is_empty(), "{:?}", world.nodes[1].infos());
}

/// Accepted and allowed, and yet he gets one measurement at a time, no more datagrams than he would have had, and no microphone.
#[test]
fn who_asks_without_end_costs_nothing_and_grows_nothing() {
    let (mut world, mut rogue) = with_rogue(9, true);
    assert_eq!(world.nodes[1].state(), CallState::Live);
    let sent = |world: &World| world.net.seen.iter().filter(|(from, _, bytes)| *from == at(B) && !is_media(bytes)).count();
    // What he gets for asking for other things, which is bounded elsewhere.
    let before = sent(&world);
    for _ in 0..1_000 {
        rogue.say(&mut world, &asks(CallWord::Live, rogue.their_leg, &[]));
        rogue.run(&mut world, 5 * MS);
    }
    let usual = sent(&world) - before;
    let before = sent(&world);
    for n in 0..1_000u32 {
        let phase = if n % 3 == 0 { Phase::Keyed } else { Phase::Steady };
        let garbage: Vec<u8> = (0..n % 60).map(|k| (n * 31 + k * 7) as u8).collect();
        let value = if n % 2 == 0 { statement(n / 7, phase) } else { garbage };
        rogue.say(&mut world, &asks(CallWord::Live, rogue.their_leg, &value));
        rogue.run(&mut world, 5 * MS);
        assert_eq!(world.nodes[1].controls.on_air(world.now), None);
    }
    let (told, answers) = (orders(&world, 1), sent(&world) - before);
    println!("1,000 asks in 5 s: {told} orders, {answers} datagrams of control, {usual} without them");
    assert!(told <= 4, "{told} orders to measure");
    assert!(answers <= usual + usual / 10 + 2, "{answers} datagrams of control, {usual} without asking to measure");
    assert!(world.nodes[1].infos().len() <= 6, "{:?}", world.nodes[1].infos());
    // ... and then he stops asking.
    for _ in 0..8 {
        rogue.say(&mut world, &asks(CallWord::Live, rogue.their_leg, &[]));
        rogue.run(&mut world, 500 * MS);
    }
    assert_eq!(world.nodes[1].controls.measuring(), None);
    let last = world.net.seen.len();
    rogue.run(&mut world, SECOND);
    assert!(world.net.seen[last..].iter().all(|(from, _, bytes)| *from != at(B) || !is_media(bytes)), "it goes on sending");
}

#[test]
fn nobody_measures_twice_at_once_and_the_order_says_which_side_it_is() {
    let mut world = sealed_call(10, Link::LAN, true);
    ask(&mut world, 3);
    let (id, now) = (world.nodes[0].only(), world.now);
    assert!(world.nodes[0].downlink.measure(now, id, 3).expect_err("twice").contains("already"));
    assert_eq!(measured(&mut world, 30).expect("measured").steady.len(), 3);
    let sides: Vec<Side> = world
        .nodes
        .iter()
        .flat_map(|node| &node.events)
        .filter_map(|(_, event)| match event {
            Event::Measure { order: Some(order), .. } => Some(order.side),
            _ => None,
        })
        .collect();
    assert_eq!(sides, [Side::Asks { trials: 3 }, Side::Asks { trials: 3 }, Side::Answers, Side::Answers]);
}
