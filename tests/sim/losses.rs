//! Reports of what the network did, and what the sender makes of them.

use std::time::Duration;

use voicetui::call::CallState;

use crate::net::{Link, Loss};
use crate::sound::rms;
use crate::world::{A, B, World, at};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn loss_jitter_and_round_trip_are_what_the_network_did() {
    let delay = Duration::from_millis(25);
    let link = Link { delay, jitter: Duration::from_millis(8), loss: Loss::Random(0.05), ..Link::IDEAL };
    let mut world = World::call(1, link);
    world.nodes[0].key(true);
    world.run(60 * SECOND);
    let id = world.nodes[1].only();
    let report = world.nodes[1].downlink.report(id);
    let share = report.lost_packets as f64 / (report.lost_packets + report.received_packets) as f64;
    assert!((0.035..0.065).contains(&share), "{share}");
    // The mean difference of two uniform delays is a third of their range.
    assert!(report.jitter_ms.is_some_and(|jitter| (1.5..5.0).contains(&jitter)), "{report:?}");
    let rtt = |node: usize| world.nodes[node].downlink.report(world.nodes[node].only()).rtt_ms;
    assert!(rtt(0).is_some_and(|rtt| (50.0..68.0).contains(&rtt)), "{:?}", rtt(0));
    let heard = world.nodes[0].downlink.report(world.nodes[0].only());
    assert!(heard.heard_lost_percent.is_some(), "the peer's reports name our loss");
    assert!(heard.heard_delay_ms.is_some_and(|delay| delay > 40.0), "{heard:?}");
}

#[test]
fn who_is_not_heard_yet_has_no_figures() {
    let world = World::call(2, Link::LAN);
    let report = world.nodes[0].downlink.report(world.nodes[0].only());
    assert_eq!((report.heard_lost_percent, report.jitter_ms, report.frame_ms), (None, None, None));
}

#[test]
fn losses_bring_redundancy_and_its_end_takes_it_away() {
    let lossy = Link { loss: Loss::Random(0.1), ..Link::LAN };
    let mut world = World::call(3, lossy);
    world.nodes[0].key(true);
    world.run(20 * SECOND);
    let bytes = |world: &World| world.net.sent[&(at(A), at(B))].1;
    let before = bytes(&world);
    world.run(10 * SECOND);
    let armoured = bytes(&world) - before;
    let meters = world.nodes[1].meters.peer(world.nodes[1].only());
    assert!(meters.repaired_packets.get() > 50, "{} repaired", meters.repaired_packets.get());
    world.net.link = Link::LAN;
    world.run(40 * SECOND);
    let before = bytes(&world);
    world.run(10 * SECOND);
    let plain = bytes(&world) - before;
    assert!(armoured > plain * 3 / 2, "{armoured} bytes with copies, {plain} without");
}

#[test]
fn a_bad_network_is_talked_over() {
    for seed in 40..44 {
        let mut world = World::call(seed, Link::BAD);
        world.nodes[1].keeps = true;
        world.nodes[0].key(true);
        world.run(20 * SECOND);
        assert!(world.nodes.iter().all(|node| node.state() == CallState::Live), "seed {seed}");
        let heard = &world.nodes[1].heard;
        assert!(rms(&heard[heard.len() - 5 * 48_000..]) > 0.02, "seed {seed}");
        let meters = world.nodes[1].meters.peer(world.nodes[1].only());
        let share = meters.concealed_samples.get() as f64 / meters.voice_samples.get() as f64;
        assert!(share < 0.15, "seed {seed}: {share} concealed");
    }
}
