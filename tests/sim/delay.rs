//! Mouth to ear: how long a voice takes, and that nothing of its first word is lost.

use std::time::Duration;

use voicetui::engine::meters::PeerMeters;

use crate::net::Link;
use crate::sound::{lag, rms};
use crate::world::World;

const SECOND: Duration = Duration::from_secs(1);
/// A block that is pulled begins to sound when the one before it has ended.
fn card_ms(world: &World) -> f64 {
    world.nodes[1].card.block as f64 / 48.0
}

/// Delay of each second of B's ear behind A's mouth, ms.
fn delays(world: &World, seconds: std::ops::Range<usize>) -> Vec<f64> {
    let (said, heard) = (&world.nodes[0].said, &world.nodes[1].heard);
    let delay = |second: usize| {
        let at = second * 48_000;
        let (samples, score) = lag(&said[at..at + 40_000], &heard[at..heard.len().min(at + 60_000)], 12_000);
        assert!(score > 0.8, "second {second}: correlates by {score} only");
        samples as f64 / 48.0 + card_ms(world)
    };
    seconds.map(delay).collect()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn kept(mut world: World) -> World {
    world.nodes.iter_mut().for_each(|node| node.keeps = true);
    // So that what is kept begins at the world's start.
    let so_far = ((world.now - world.start).as_secs_f64() * 48_000.0).round() as usize;
    world.nodes[0].said = vec![0.0; so_far / 240 * 240];
    world
}

#[test]
fn with_ideal_cards_on_loopback_a_voice_takes_at_most_35_ms() {
    let mut world = kept(World::call(1, Link::IDEAL));
    world.nodes[0].key(true);
    world.run(12 * SECOND);
    let measured = median(delays(&world, 3..11));
    let id = world.nodes[1].only();
    let report = world.nodes[1].downlink.report(id);
    let playout = world.nodes[1].meters.peer(id).playout_delay_ms.get().unwrap_or_default();
    let frame = report.frame_ms.unwrap_or_default();
    let network = report.rtt_ms.unwrap_or_default() / 2.0;
    println!(
        "mouth to ear {measured:.1} ms = microphone 0.0 + frame {frame:.1} + network {network:.1} + playout {playout:.1} + card {:.1}",
        card_ms(&world)
    );
    assert!(measured <= 35.0, "{measured:.1} ms");
    let stack = f64::from(frame + network + playout) + card_ms(&world);
    assert!((stack - measured).abs() < 6.0, "the stack says {stack:.1} ms, the ear {measured:.1}");
}

#[test]
fn the_first_word_is_whole() {
    let mut world = kept(World::call(2, Link::LAN));
    world.run(Duration::from_millis(2_000));
    let pressed = world.nodes[0].said.len();
    world.nodes[0].key(true);
    world.run(SECOND);
    world.nodes[0].key(false);
    let released = world.nodes[0].said.len();
    world.run(SECOND);
    assert_eq!(rms(&world.nodes[1].heard[..pressed - 2_000]), 0.0);
    // From the pre-roll's start to the release, against what was heard: the same voice, of the same length.
    let said = &world.nodes[0].said[pressed - 2_400..released];
    let heard = &world.nodes[1].heard;
    let first = &said[..9_600];
    let (at, score) = lag(first, &heard[pressed - 2_400..], 9_600);
    assert!(score > 0.7, "the first 200 ms, 50 of them from before the key, correlate by {score} at {} ms", at / 48);
    let last = &said[said.len() - 9_600..];
    let (_, score) = lag(last, &heard[released - 9_600..], 9_600);
    assert!(score > 0.7, "the last 200 ms correlate by {score}");
}

#[test]
fn cards_that_drift_apart_do_not_add_delay() {
    for ppm in [-300.0, 300.0] {
        let mut world = World::call(3, Link::LAN);
        world.nodes[0].mic.ppm = ppm;
        world.nodes[1].card.ppm = -ppm;
        world.nodes[0].key(true);
        world.run(10 * SECOND);
        let id = world.nodes[1].only();
        let delay = |world: &World| world.nodes[1].meters.peer(id).playout_delay_ms.get().expect("a voice is heard");
        let early = delay(&world);
        // Two minutes at 600 ppm are 72 ms.
        world.run(120 * SECOND);
        let late = delay(&world);
        assert!((late - early).abs() < 20.0, "{ppm} ppm: {early} ms became {late} ms");
        let meters = world.nodes[1].meters.peer(id);
        let share = meters.concealed_samples.get() as f64 / meters.voice_samples.get() as f64;
        assert!(share < 0.02, "{ppm} ppm: {share} concealed");
    }
}

/// Two minutes at 500 ppm are 60 ms. The cards' rate is what their host gave us, their clocks' is what they really do.
#[test]
fn drift_of_500_ppm_is_steered_out_with_cards_of_44_100_hz_too() {
    for (seed, block, ppm) in [(5, 441, 250.0), (6, 220, -250.0)] {
        let mut world = World::call(seed, Link::LAN);
        for node in &mut world.nodes {
            node.set_rate(44_100, block);
        }
        world.nodes[0].mic.ppm = ppm;
        world.nodes[1].card.ppm = -ppm;
        world.nodes[0].key(true);
        world.run(30 * SECOND);
        let delay = |world: &World| meters(world).playout_delay_ms.get().expect("a voice is heard");
        let concealed = |world: &World| meters(world).concealed_samples.get();
        let (early, before) = (delay(&world), concealed(&world));
        world.run(120 * SECOND);
        let (late, made_up) = (delay(&world), concealed(&world) - before);
        println!("blocks of {block}, {} ppm: {early:.1} ms, two minutes later {late:.1} ms, {made_up} samples made up", 2.0 * ppm);
        assert!((late - early).abs() < 5.0, "seed {seed}: {early} ms became {late} ms");
        assert_eq!(made_up, 0, "seed {seed}: nothing was lost");
    }
}

#[test]
fn a_card_that_stands_still_for_a_second_is_caught_up_with() {
    for (which, what) in [(0, "microphone"), (1, "loudspeaker")] {
        let mut world = World::call(4, Link::LAN);
        world.nodes[0].key(true);
        world.run(5 * SECOND);
        let now = world.now - world.start;
        let stall = Some((now, now + SECOND));
        if which == 0 {
            world.nodes[0].mic.stall = stall;
        } else {
            world.nodes[1].card.stall = stall;
        }
        world.run(10 * SECOND);
        let meters = world.nodes[1].meters.peer(world.nodes[1].only());
        let delay = meters.playout_delay_ms.get().expect("a voice is heard");
        assert!(delay < 60.0, "{what}: {delay} ms nine seconds later");
        let played = meters.played_packets.get();
        world.run(SECOND);
        assert!(meters_played(&world) - played > 90, "{what}: it is heard");
    }
}

fn meters(world: &World) -> &PeerMeters {
    world.nodes[1].meters.peer(world.nodes[1].only())
}

fn meters_played(world: &World) -> u64 {
    meters(world).played_packets.get()
}
