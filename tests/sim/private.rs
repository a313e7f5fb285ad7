//! `--private`: what somebody on the way sees is the same whether anybody talks or not, and what the peers see is true.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use voicetui::call::{CallState, DownlinkConfig, SendReason};
use voicetui::units::Format;

use crate::net::Link;
use crate::sound::rms;
use crate::world::{A, B, World, at};

const SECOND: Duration = Duration::from_secs(1);

/// When each datagram from A to B left.
type Times = Arc<Mutex<Vec<Instant>>>;

fn private(config: &mut DownlinkConfig) {
    (config.format, config.private, config.answer_all) = (Format::Sealed, true, true);
}

/// A and B in a private call, of which A's half is watched on a way that loses each `loses`th datagram.
fn watched(seed: u64, loses: usize) -> (World, Times) {
    let mut world = World::new(seed, Link::IDEAL);
    world.add(A, private);
    world.add(B, private);
    world.dial(0, B, None);
    assert!(world.run_until(SECOND, |world| world.nodes.iter().all(|node| node.state() == CallState::Live)));
    // The first control messages come closer together.
    world.run(2 * SECOND);
    world.nodes[1].keeps = true;
    world.net.tapped = true;
    let (times, noted) = (Times::default(), Times::default());
    let kept = times.clone();
    let fate = move |now: Instant| {
        let mut noted = noted.lock().expect("one thread");
        noted.push(now);
        kept.lock().expect("one thread").push(now);
        (!noted.len().is_multiple_of(loses)).then_some(now + Duration::from_millis(1))
    };
    world.net.fates.insert((at(A), at(B)), Box::new(fate));
    (world, times)
}

/// Time and length of each of A's datagrams, apart by class: media, control.
fn seen(world: &World, times: &Times) -> [Vec<(Duration, usize)>; 2] {
    let sent = world.net.seen.iter().filter(|(from, to, _)| (*from, *to) == (at(A), at(B)));
    let times = times.lock().expect("one thread");
    let mut classes = [Vec::new(), Vec::new()];
    for ((.., bytes), time) in sent.zip(times.iter()) {
        assert_eq!(bytes[0], 11, "all of it is sealed");
        classes[usize::from(bytes[5] >> 7)].push((*time - world.start, bytes.len()));
    }
    classes
}

fn is_steady(seen: &[(Duration, usize)], every: Duration) -> bool {
    let length = seen[0].1;
    seen.iter().all(|(_, len)| *len == length) && seen.windows(2).all(|pair| pair[1].0 - pair[0].0 == every)
}

#[test]
fn pauses_and_voice_look_the_same_on_the_way_and_the_peer_knows_them_apart() {
    for loses in [usize::MAX, 7] {
        let (mut world, times) = watched(1, loses);
        for spurt in 0..3 {
            world.run(2 * SECOND);
            let (heard, received) = (world.nodes[1].heard.len(), world.nodes[1].downlink.report(world.nodes[1].only()).received_packets);
            world.nodes[0].key(true);
            world.run(3 * SECOND);
            assert!(rms(&world.nodes[1].heard[heard..]) > 0.02, "spurt {spurt} is heard");
            world.nodes[0].key(false);
            world.run(SECOND);
            let (heard, report) = (world.nodes[1].heard.len(), world.nodes[1].downlink.report(world.nodes[1].only()));
            assert!(report.received_packets > received + 200, "{report:?}");
            world.run(SECOND);
            // Off air: nothing is received that could be shown, nothing is heard.
            let after = world.nodes[1].downlink.report(world.nodes[1].only());
            assert_eq!((after.received_packets, after.lost_packets), (report.received_packets, report.lost_packets));
            assert_eq!(rms(&world.nodes[1].heard[heard..]), 0.0);
        }
        let [media, control] = seen(&world, &times);
        assert!(media.len() > 2_000 && is_steady(&media, Duration::from_millis(10)), "{media:?}");
        assert!(control.len() > 30 && is_steady(&control, Duration::from_millis(500)), "{control:?}");
        let sending = world.nodes[0].downlink.report(world.nodes[0].only()).sending.expect("a call");
        assert_eq!((sending.reason, sending.copies, sending.bitrate), (SendReason::Private, 2, 64_000));
    }
}

#[test]
fn what_the_microphone_hears_off_air_changes_nothing_that_is_sent() {
    let [silent, loud] = [crate::sound::silence as fn(u64) -> f32, crate::sound::voice].map(|source| {
        let (mut world, _) = watched(2, usize::MAX);
        world.nodes[0].source = source;
        world.run(5 * SECOND);
        let sent = world.net.seen.iter().filter(|(from, ..)| *from == at(A)).map(|(.., bytes)| bytes.clone());
        sent.collect::<Vec<_>>()
    });
    assert!(silent.len() > 500 && silent == loud, "every sealed byte is the same");
}

#[test]
fn a_private_side_and_one_that_is_not_understand_each_other() {
    let mut world = World::new(3, Link::LAN);
    world.add(A, private);
    world.add(B, |config| {
        private(config);
        config.private = false;
    });
    world.dial(0, B, None);
    world.run(SECOND);
    world.nodes.iter_mut().for_each(|node| node.keeps = true);
    world.nodes.iter().for_each(|node| node.key(true));
    world.run(3 * SECOND);
    for node in &world.nodes {
        assert!(rms(&node.heard[node.heard.len() - 48_000..]) > 0.02);
        assert_eq!(node.downlink.report(node.only()).lost_packets, 0);
    }
}
