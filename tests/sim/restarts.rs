//! Streams that change under the receiver: restarts, new SSRCs, wraps, wild numbers, our own stream come back.

use std::time::Duration;

use voicetui::call::{CallState, Event};
use voicetui::units::Ssrc;
use voicetui::wire::app::CallWord;
use voicetui::wire::{rtcp, rtp};

use crate::formats::{rtp_packets, rtp_stream};
use crate::net::Link;
use crate::sound::rms;
use crate::strangers::control;
use crate::world::{A, B, World, at};

const SECOND: Duration = Duration::from_secs(1);
const F: &str = "10.0.0.9:40000";

/// A calls a foreign machine and hears what comes from it.
fn hearing(seed: u64) -> World {
    let mut world = World::new(seed, Link::IDEAL);
    world.add(A, |_| ());
    world.dial(0, "10.0.0.9:5004", None);
    world.nodes[0].keeps = true;
    world
}

fn heard_lately(world: &World) -> f32 {
    let heard = &world.nodes[0].heard;
    rms(&heard[heard.len() - 48_000..])
}

#[test]
fn a_sequence_and_a_clock_that_wrap_are_heard_through() {
    let mut world = hearing(1);
    rtp_packets(&mut world, F, A, 97, (0..200).map(|n: u32| (1, (65_436 + n) as u16, 0xffff_4000u32.wrapping_add(n * 480))));
    let report = world.nodes[0].downlink.report(world.nodes[0].only());
    assert_eq!((report.received_packets, report.lost_packets, report.reordered_packets), (200, 0, 0));
    assert!(heard_lately(&world) > 0.02);
    let peer = world.nodes[0].meters.peer(world.nodes[0].only());
    assert!(peer.concealed_samples.get() < 2_400, "{}", peer.concealed_samples.get());
}

#[test]
fn a_new_ssrc_is_heard_at_once() {
    let mut world = hearing(2);
    for ssrc in 1..6 {
        rtp_stream(&mut world, F, A, ssrc, 1_000 * ssrc..1_000 * ssrc + 150);
        assert!(heard_lately(&world) > 0.02, "SSRC {ssrc}");
    }
    let report = world.nodes[0].downlink.report(world.nodes[0].only());
    assert_eq!((report.received_packets, report.lost_packets), (750, 0));
}

#[test]
fn numbering_that_starts_anew_is_heard_again_and_single_wild_numbers_are_not() {
    let mut world = hearing(3);
    rtp_packets(&mut world, F, A, 97, (0..100).map(|n| (1, n as u16, n * 480)));
    rtp_packets(&mut world, F, A, 97, [(1, 30_000, 5)].into_iter());
    rtp_packets(&mut world, F, A, 97, (101..150).map(|n| (1, n as u16, n * 480)));
    rtp_packets(&mut world, F, A, 97, (0..150).map(|n| (1, 20_000 + n as u16, (1 << 31) + n * 480)));
    assert!(heard_lately(&world) > 0.02);
    let report = world.nodes[0].downlink.report(world.nodes[0].only());
    assert!(report.lost_packets <= 2, "{report:?}");
}

#[test]
fn a_restarted_voicetui_is_accepted_at_once() {
    let mut world = World::call(4, Link::LAN);
    world.nodes[0].restart(99);
    world.dial(0, B, None);
    world.nodes[0].key(true);
    world.run(2 * SECOND);
    assert_eq!(world.nodes[1].rings(), 1, "only the first call rang");
    assert_eq!((world.nodes[0].state(), world.nodes[1].state()), (CallState::Live, CallState::Live));
    world.nodes[1].keeps = true;
    world.run(SECOND);
    assert!(rms(&world.nodes[1].heard[world.nodes[1].heard.len() - 24_000..]) > 0.01);
}

#[test]
fn our_own_stream_come_back_is_counted_and_not_heard() {
    let mut world = hearing(5);
    world.listen("10.0.0.9:5004");
    world.nodes[0].key(true);
    for _ in 0..100 {
        world.run(Duration::from_millis(10));
        let media = |bytes: &[u8]| bytes.get(1).is_some_and(|second| second & 0x7f == rtp::OPUS_PT);
        let ours = world.inbox("10.0.0.9:5004").last().cloned();
        ours.filter(|bytes| media(bytes)).iter().for_each(|bytes| world.send("10.0.0.9:5004", A, bytes));
    }
    assert!(world.nodes[0].downlink.net().looped > 50);
    assert_eq!(rms(&world.nodes[0].heard), 0.0);
    assert_eq!(world.nodes[0].state(), CallState::Live);
}

#[test]
fn a_collision_of_ssrcs_changes_ours_and_says_bye_to_the_old_one() {
    let mut world = hearing(6);
    world.listen("10.0.0.9:5004");
    world.nodes[0].key(true);
    world.run(SECOND);
    let ssrcs = |world: &World| {
        let media = world.inbox("10.0.0.9:5004").iter().filter_map(|arrived| rtp::Packet::parse(arrived).ok());
        let mut all: Vec<Ssrc> =
            media.filter(|packet| packet.header.payload_type == rtp::OPUS_PT).map(|packet| packet.header.ssrc).collect();
        all.dedup();
        all
    };
    let ours = ssrcs(&world)[0];
    rtp_packets(&mut world, "10.0.0.9:5004", A, 97, (0..50).map(|n| (ours.0, n as u16, 0x8000_0000 + n * 480)));
    world.run(SECOND);
    assert_eq!(ssrcs(&world).len(), 2, "changed once");
    let byes = world.inbox("10.0.0.9:5004").iter().filter_map(|arrived| rtcp::parse(arrived).ok()).flatten();
    let said: Vec<Ssrc> = byes.filter_map(|item| if let rtcp::Item::Bye(bye) = item { bye.ssrcs().next() } else { None }).collect();
    assert_eq!(said, [ours]);
    assert_eq!(world.nodes[0].state(), CallState::Live);
    assert!(rms(&world.nodes[0].heard) > 0.005, "and theirs is heard");
}

#[test]
fn a_peer_that_doubles_every_word_changes_nothing() {
    let mut world = World::call(7, Link { duplicate: 1.0, ..Link::LAN });
    world.nodes[0].key(true);
    world.run(2 * SECOND);
    world.send(B, A, &control(8, CallWord::Ringing, 1, 2));
    world.run(SECOND);
    assert!(world.nodes.iter().all(|node| node.state() == CallState::Live));
    let report = world.nodes[1].downlink.report(world.nodes[1].only());
    assert_eq!(report.lost_packets, 0);
    let plans = world.nodes[0].events.iter().filter(|(_, event)| matches!(event, Event::Plan(..))).count();
    // One at first, one when the peer tells what it takes, one when enough reports say that nothing is lost.
    assert!(plans <= 3, "{plans} plans");
    let (datagrams, _) = world.net.sent[&(at(A), at(B))];
    assert!(datagrams < 330, "{datagrams}: no storm of echoes");
}
