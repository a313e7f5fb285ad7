//! How long it takes from "call" until the call stands, in round trips: what is waited for is the network, never a timer.

use std::time::Duration;

use voicetui::call::CallState;
use voicetui::units::Format;

use crate::net::Link;
use crate::world::{A, B, World};

const SECOND: Duration = Duration::from_secs(1);

/// From the call of A to B, which answers everybody, until either side is live, and until B has A's first packet of voice.
struct Setup {
    there: Duration,
    here: Duration,
    heard: Duration,
}

fn set_up(seed: u64, one_way: Duration) -> Setup {
    let mut world = World::new(seed, Link { delay: one_way, ..Link::IDEAL });
    world.add(A, |config| config.format = Format::Sealed);
    world.add(B, |config| (config.format, config.answer_all) = (Format::Sealed, true));
    // Some place within a frame, so that the cards' clocks flatter nobody.
    world.run(SECOND + Duration::from_micros(1_700 * seed));
    world.dial(0, B, None);
    world.nodes[0].key(true);
    let called = world.now;
    let mut until = |node: usize, done: fn(&crate::node::Node) -> bool| {
        assert!(world.run_until(10 * SECOND, |world| done(&world.nodes[node])), "seed {seed}");
        world.now - called
    };
    let there = until(1, |node| node.states.values().any(|state| *state == CallState::Live));
    let here = until(0, |node| node.state() == CallState::Live);
    let heard = until(1, |node| !node.arrived.is_empty());
    Setup { there, here, heard }
}

#[test]
fn a_sealed_call_stands_after_one_and_a_half_round_trips() {
    for (seed, one_way) in [(1, 100), (2, 250), (3, 1_000), (4, 10_000), (5, 50_000), (6, 150_000)] {
        let one_way = Duration::from_micros(one_way);
        let Setup { there, here, heard } = set_up(seed, one_way);
        println!("{one_way:?} each way: live there after {there:?}, here after {here:?}; first voice there after {heard:?}");
        assert!(there <= 3 * one_way + Duration::from_millis(10), "seed {seed}, {one_way:?} each way: {there:?}");
        // Our side hears of the answer half a round trip later; on a LAN (2 ms) that is within the same bound.
        assert!(here <= 4 * one_way + Duration::from_millis(9), "seed {seed}, {one_way:?} each way: {here:?}");
        assert!(heard <= 5 * one_way + Duration::from_millis(20), "seed {seed}, {one_way:?} each way: {heard:?}");
    }
}
