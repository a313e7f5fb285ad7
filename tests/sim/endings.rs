//! Peers that fall silent, vanish, sleep, or say goodbye in the standard's way.

use std::time::Duration;

use voicetui::call::{CallState, Reason};
use voicetui::units::{Slept, Ssrc};
use voicetui::wire::rtcp;

use crate::formats::rtp_stream;
use crate::net::Link;
use crate::world::{A, B, World, at};

const SECOND: Duration = Duration::from_secs(1);
/// A foreign RTP sender.
const F: &str = "10.0.0.9:40000";

#[test]
fn a_voicetui_that_vanishes_goes_quiet_and_then_is_gone() {
    let mut world = World::call(1, Link::LAN);
    world.nodes.remove(1);
    world.run(12 * SECOND);
    assert_eq!(world.nodes[0].state(), CallState::Live);
    assert!(world.nodes[0].infos()[0].contains("has gone quiet"), "{:?}", world.nodes[0].infos());
    world.run(50 * SECOND);
    assert!(world.nodes[0].ended(Reason::TimedOut));
}

#[test]
fn a_network_that_fails_for_half_a_minute_is_survived() {
    let mut world = World::call(2, Link::LAN);
    world.nodes[0].key(true);
    world.net.link.loss = crate::net::Loss::Random(1.0);
    world.run(30 * SECOND);
    world.net.link = Link::LAN;
    let before = world.nodes[1].downlink.report(world.nodes[1].only());
    world.run(2 * SECOND);
    let after = world.nodes[1].downlink.report(world.nodes[1].only());
    assert!(after.received_packets - before.received_packets > 190);
    assert_eq!(world.nodes[1].infos().len(), 2, "gone quiet, and back: {:?}", world.nodes[1].infos());
    assert!(world.nodes.iter().all(|node| node.state() == CallState::Live));
}

#[test]
fn a_foreign_bye_ends_the_call_and_a_changed_ssrc_does_not() {
    let mut world = World::new(3, Link::IDEAL);
    world.add(A, |config| config.answer_all = true);
    let bye = |ssrc| {
        let mut out = [0; 64];
        let mut writer = rtcp::Writer::new(&mut out);
        writer.receiver_report(Ssrc(ssrc), &[]).and_then(|()| writer.bye(Ssrc(ssrc), None)).expect("room for a bye");
        let len = writer.finish();
        out[..len].to_vec()
    };
    rtp_stream(&mut world, F, A, 1, 0..50);
    world.send(F, A, &bye(1));
    rtp_stream(&mut world, F, A, 2, 0..100);
    assert_eq!(world.nodes[0].state(), CallState::Live, "it said bye to an SSRC, and went on under another");
    world.send(F, A, &bye(1));
    rtp_stream(&mut world, F, A, 2, 100..200);
    assert_eq!(world.nodes[0].state(), CallState::Live, "the bye of an SSRC of before");
    world.send(F, A, &bye(2));
    world.run(SECOND);
    assert!(world.nodes[0].ended(Reason::PeerHungUp));
}

#[test]
fn an_answered_stream_that_stops_is_gone_but_not_while_we_talk_to_it() {
    let mut world = World::new(4, Link::IDEAL);
    world.add(A, |config| config.answer_all = true);
    rtp_stream(&mut world, F, A, 1, 0..50);
    world.nodes[0].key(true);
    world.run(120 * SECOND);
    assert_eq!(world.nodes[0].state(), CallState::Live);
    world.nodes[0].key(false);
    world.run(31 * SECOND);
    assert!(world.nodes[0].ended(Reason::TimedOut));
    rtp_stream(&mut world, F, A, 7, 0..50);
    assert_eq!(world.nodes[0].rings(), 2, "a new stream rings (and is answered) again");
}

#[test]
fn after_a_sleep_everybody_is_told_at_once() {
    let mut world = World::call(5, Link::LAN);
    world.run(Duration::from_millis(300));
    let before = world.net.sent[&(at(A), at(B))].0;
    let now = world.now;
    world.nodes[0].downlink.handle_slept(now, Slept(Duration::from_secs(3_600)));
    world.run(Duration::from_millis(1));
    assert_eq!(world.net.sent[&(at(A), at(B))].0, before + 1);
    world.run(SECOND);
    assert_eq!(world.nodes[0].state(), CallState::Live);
    let report = world.nodes[0].downlink.report(world.nodes[0].only());
    assert!(report.rtt_ms.is_none_or(|rtt| rtt < 10.0), "{report:?}");
}
