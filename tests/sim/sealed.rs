//! Sealed calls: placed, answered, crossed, lost, found again; and what nobody on the way can do to them.

use std::time::Duration;

use voicetui::call::{CallState, DownlinkConfig, Event, PublicKey, Reason};
use voicetui::units::Format;

use crate::net::{Link, is_media};
use crate::node::Node;
use crate::sound::rms;
use crate::world::{A, B, C, World, at};

const SECOND: Duration = Duration::from_secs(1);

fn sealed(config: &mut DownlinkConfig) {
    config.format = Format::Sealed;
}

/// A and B, with voices; B answers everybody.
fn pair(seed: u64, link: Link) -> World {
    let mut world = World::new(seed, link);
    world.add(A, sealed);
    world.add(B, |config| {
        sealed(config);
        config.answer_all = true;
    });
    world
}

/// As [`pair`], called and answered, a second on.
fn call(seed: u64, link: Link) -> World {
    let mut world = pair(seed, link);
    world.dial(0, B, None);
    assert!(world.run_until(10 * SECOND, |world| world.nodes.iter().all(|node| node.state() == CallState::Live)));
    world.run(SECOND);
    world
}

fn seals(node: &Node) -> Vec<(PublicKey, u64)> {
    let seals = node.events.iter().filter_map(|(_, event)| match event {
        Event::Sealed { key, sas, .. } => Some((*key, *sas)),
        _ => None,
    });
    seals.collect()
}

fn heard_lately(world: &World, node: usize) -> f32 {
    let heard = &world.nodes[node].heard;
    rms(&heard[heard.len() - 24_000..])
}

#[test]
fn a_sealed_call_rings_is_answered_and_heard_and_both_sides_see_the_same_words() {
    let mut world = World::new(1, Link::LAN);
    world.add(A, sealed);
    world.add(B, sealed);
    world.nodes.iter_mut().for_each(|node| node.keeps = true);
    world.dial(0, B, None);
    world.nodes[0].key(true);
    assert!(world.run_until(SECOND, |world| world.nodes[0].state() == CallState::RingingThere));
    assert_eq!(world.nodes[1].state(), CallState::Ringing);
    assert!(world.now - world.start < Duration::from_millis(100), "within {:?}", world.now - world.start);
    world.run(2 * SECOND);
    assert_eq!(rms(&world.nodes[1].heard), 0.0, "nothing before the answer");
    world.answer(1);
    world.run(2 * SECOND);
    assert_eq!((world.nodes[0].state(), world.nodes[1].state()), (CallState::Live, CallState::Live));
    assert!(heard_lately(&world, 1) > 0.02);
    assert_eq!(rms(&world.nodes[0].heard), 0.0, "an answer opens no microphone");
    let [ours, theirs] = [0, 1].map(|node| seals(&world.nodes[node]));
    assert_eq!((ours.len(), theirs.len()), (1, 1));
    assert_eq!(ours[0].1, theirs[0].1);
    assert_ne!(ours[0].0, theirs[0].0);
}

#[test]
fn nothing_of_a_sealed_call_can_be_read_and_its_packets_are_of_one_length() {
    let mut world = pair(2, Link::LAN);
    world.net.tapped = true;
    world.dial(0, B, None);
    world.run(SECOND);
    world.nodes[0].key(true);
    world.run(8 * SECOND);
    world.nodes[0].key(false);
    world.hang_up(0);
    world.run(SECOND);
    let kept = &world.net.seen;
    assert!(kept.len() > 500);
    assert!(kept.iter().all(|(.., bytes)| (8..=13).contains(&bytes[0])), "all of it sealed");
    // Media of A: the transport datagrams without the bit of control; once enough reports have taken back the first copy, they change no more.
    let media = kept.iter().filter(|(from, _, bytes)| *from == at(A) && is_media(bytes));
    let lengths: Vec<usize> = media.map(|(.., bytes)| bytes.len()).skip(300).collect();
    assert!(lengths.len() > 400 && lengths.iter().all(|len| *len == lengths[0]), "{lengths:?}");
}

#[test]
fn hanging_up_declining_and_being_busy_are_told_inside_the_session() {
    for seed in 10..16 {
        let (which, other) = (seed as usize % 2, 1 - seed as usize % 2);
        let mut world = call(seed, Link::BAD);
        world.hang_up(which);
        assert!(world.run_until(4 * SECOND, |world| world.nodes[other].ended(Reason::PeerHungUp)), "seed {seed}");
        world.run(15 * SECOND);
        assert!(world.nodes.iter().all(|node| node.states.is_empty()), "both slots are free again");
    }
    let mut world = World::new(17, Link::LAN);
    world.add(A, sealed);
    world.add(B, sealed);
    world.dial(0, B, None);
    world.run(SECOND);
    world.decline(1);
    world.run(SECOND);
    assert!(world.nodes[0].ended(Reason::Declined));
    world.dial(0, B, None);
    world.run(3 * SECOND);
    assert_eq!(world.nodes[1].rings(), 1, "it does not ring again at once");
}

#[test]
fn crossed_calls_are_one_call() {
    for seed in 20..26 {
        let mut world = World::new(seed, Link::LAN);
        world.add(A, sealed);
        world.add(B, sealed);
        world.nodes.iter_mut().for_each(|node| node.keeps = true);
        world.dial(0, B, None);
        world.run(Duration::from_micros(100 * (seed - 20)));
        world.dial(1, A, None);
        world.run(2 * SECOND);
        assert!(world.nodes.iter().all(|node| node.state() == CallState::Live), "seed {seed}: {:?}", world.nodes[0].states);
        assert_eq!(seals(&world.nodes[0]).last().map(|seal| seal.1), seals(&world.nodes[1]).last().map(|seal| seal.1));
        world.nodes.iter().for_each(|node| node.key(true));
        world.run(2 * SECOND);
        assert!(heard_lately(&world, 0) > 0.01 && heard_lately(&world, 1) > 0.01);
    }
}

#[test]
fn without_a_sealed_answer_the_user_is_asked_and_nothing_goes_in_the_clear_before() {
    let mut world = World::new(30, Link::LAN);
    world.add(A, sealed);
    world.listen(B);
    let id = world.dial(0, B, None);
    world.nodes[0].key(true);
    world.run(Duration::from_millis(2_900));
    let asked = |world: &World| world.nodes[0].events.iter().any(|(_, event)| *event == Event::Unsealed { id, met: false });
    assert!(!asked(&world));
    world.run(SECOND);
    assert!(asked(&world));
    assert!(world.inbox(B).iter().all(|bytes| bytes[0] == 8 && bytes.len() == 118), "only first messages of handshakes");
    let now = world.now;
    assert_eq!(world.nodes[0].downlink.call_in_the_clear(now, id, false), Ok(()));
    world.drain(0);
    let voice = |world: &World| world.inbox(B).iter().filter(|bytes| bytes[0] == 0x80 && !(64..96).contains(&(bytes[1] & 127))).count();
    world.run(SECOND);
    assert_eq!(world.nodes[0].state(), CallState::Live);
    let at_first = voice(&world);
    assert_eq!(at_first, 0, "what was said with the key held for a sealed call");
    world.nodes[0].key(true);
    world.run(2 * SECOND);
    assert!(voice(&world) > 150);
    assert!(world.nodes[0].downlink.call_in_the_clear(now, id, true).is_err(), "once");
}

#[test]
fn a_sealed_call_cannot_be_made_an_open_one() {
    let mut world = call(31, Link::LAN);
    let (now, id) = (world.now, world.nodes[0].only());
    assert!(world.nodes[0].downlink.call_in_the_clear(now, id, true).is_err());
    world.nodes[1].keeps = true;
    crate::formats::rtp_stream(&mut world, A, B, 77, 0..100);
    world.run(SECOND);
    assert_eq!(rms(&world.nodes[1].heard), 0.0, "open audio from the address of a sealed peer is not heard in its call");
    assert!(world.nodes[1].states.values().any(|state| *state == CallState::Live));
}

/// An hour in which the keys change each two minutes: no packet is missed by anybody.
#[test]
fn an_hour_with_a_rekeying_each_two_minutes_loses_nothing() {
    let mut world = World::new(40, Link::IDEAL);
    let coder = crate::sound::Coder::cached;
    world.add_with(A, coder(), sealed);
    world.add_with(B, coder(), |config| {
        sealed(config);
        config.answer_all = true;
    });
    world.dial(0, B, None);
    world.run(SECOND);
    world.nodes[0].key(true);
    world.run(3_600 * SECOND);
    let report = world.nodes[1].downlink.report(world.nodes[1].only());
    assert!(report.received_packets > 350_000 && report.lost_packets == 0, "{report:?}");
    for node in &world.nodes {
        assert_eq!(seals(node).len(), 1, "the words stay");
        let keys = node.events.iter().filter(|(_, event)| matches!(event, Event::Plan(_, Some(_)))).count();
        assert!(keys >= 29, "{keys} plans");
    }
}

#[test]
fn a_peer_whose_address_changes_is_heard_again_within_two_seconds() {
    let mut world = call(50, Link::LAN);
    world.nodes[1].keeps = true;
    world.nodes.iter().for_each(|node| node.key(true));
    world.run(SECOND);
    world.nodes[0].address = at("10.7.7.7:777");
    world.nodes[0].keeps = true;
    world.run(2 * SECOND);
    assert!(heard_lately(&world, 1) > 0.01, "who moved is heard");
    assert!(heard_lately(&world, 0) > 0.01, "who moved hears");
    assert_eq!((seals(&world.nodes[0]).len(), seals(&world.nodes[1]).len()), (1, 1));
    assert!(world.nodes.iter().all(|node| node.rings() <= 1));
}

#[test]
fn a_restarted_peer_that_calls_again_is_taken_at_once() {
    let mut world = call(60, Link::LAN);
    world.nodes[0].restart(99);
    world.dial(0, B, None);
    world.run(2 * SECOND);
    assert_eq!((world.nodes[0].state(), world.nodes[1].state()), (CallState::Live, CallState::Live));
    assert_eq!(world.nodes[1].rings(), 1, "only the first call rang");
    assert_eq!(seals(&world.nodes[0]).last().map(|seal| seal.1), seals(&world.nodes[1]).last().map(|seal| seal.1));
    world.nodes[1].keeps = true;
    world.nodes[0].key(true);
    world.run(SECOND);
    assert!(heard_lately(&world, 1) > 0.01);
}

#[test]
fn after_a_sleep_the_call_goes_on() {
    let mut world = call(70, Link::LAN);
    let now = world.now;
    world.nodes[0].downlink.handle_slept(now, voicetui::units::Slept(Duration::from_secs(600)));
    world.drain(0);
    world.nodes[1].keeps = true;
    world.nodes[0].key(true);
    world.run(2 * SECOND);
    assert!(heard_lately(&world, 1) > 0.01);
    assert_eq!((seals(&world.nodes[0]).len(), seals(&world.nodes[1]).len()), (1, 1));
}

#[test]
fn differing_passphrases_are_told_on_both_sides() {
    let mut world = World::new(80, Link::LAN);
    for (address, psk) in [(A, 1), (B, 2)] {
        world.add(address, |config| {
            sealed(config);
            config.local.psk = zeroize::Zeroizing::new([psk; 32]);
        });
    }
    world.dial(0, B, None);
    world.run(3 * SECOND);
    assert!(world.nodes[0].ended(Reason::Unreachable) && world.nodes[1].states.is_empty());
    for node in &world.nodes {
        assert!(matches!(node.infos()[..], [text] if text.contains("passphrases differ, or somebody interferes")), "{:?}", node.infos());
    }
}

#[test]
fn our_own_key_is_told() {
    let mut world = pair(81, Link::LAN);
    let local = |config: &mut DownlinkConfig| config.local.identity = voicetui::call::Identity::new(zeroize::Zeroizing::new([9; 32]));
    world.nodes.clear();
    for address in [A, B] {
        world.add(address, |config| {
            sealed(config);
            local(config);
        });
    }
    world.dial(0, B, None);
    world.run(SECOND);
    assert!(world.nodes[0].ended(Reason::Unreachable));
    assert!(world.nodes[0].infos()[0].contains("this program itself"));
}

/// One key at two addresses: a laptop on two networks, or a second copy of the same program's data.
#[test]
fn who_is_in_the_call_is_not_called_a_second_time_under_another_address() {
    let mut world = World::new(90, Link::LAN);
    world.add(A, sealed);
    for address in [B, C] {
        world.add(address, |config| {
            sealed(config);
            config.answer_all = true;
            config.local.identity = voicetui::call::Identity::new(zeroize::Zeroizing::new([9; 32]));
        });
    }
    world.dial(0, B, None);
    world.run(SECOND);
    let second = world.dial(0, C, None);
    world.run(4 * SECOND);
    assert_eq!(world.nodes[0].states[&second], CallState::Ended(Reason::Unreachable));
    assert_eq!(world.nodes[0].infos(), [format!("{C} is here already, as {B}.")]);
    world.nodes[1].keeps = true;
    world.nodes[0].key(true);
    world.run(2 * SECOND);
    assert!(heard_lately(&world, 1) > 0.02, "the call that is there goes on");
    assert_eq!(seals(&world.nodes[0]).len(), 1);
    // Once that call is over, it is not in the way.
    world.nodes[0].key(false);
    world.hang_up(1);
    world.run(SECOND);
    let third = world.dial(0, C, None);
    world.run(2 * SECOND);
    assert_eq!(world.nodes[0].states[&third], CallState::Live);
}

#[test]
fn that_a_call_is_recorded_is_seen_there_as_long_as_it_is_whatever_is_lost() {
    for (seed, link) in [(31, Link::LAN), (32, Link::BAD)] {
        let mut world = call(seed, link);
        let told = |world: &World| -> Vec<bool> {
            let told = world.nodes[1].events.iter().filter_map(|(_, event)| match event {
                Event::Recording { on, .. } => Some(*on),
                _ => None,
            });
            told.collect()
        };
        assert!(told(&world).is_empty());
        let mut expected = Vec::new();
        for on in [true, false, true] {
            let now = world.now;
            world.nodes[0].downlink.handle_recording(now, on);
            expected.push(on);
            assert!(world.run_until(5 * SECOND, |world| told(world) == expected), "{:?}", told(&world));
        }
        // Its end is an end of that, too; and nobody has been told anything back.
        world.hang_up(0);
        assert!(world.run_until(5 * SECOND, |world| told(world) == [true, false, true, false]));
        assert!(world.nodes[0].events.iter().all(|(_, event)| !matches!(event, Event::Recording { .. })));
    }
}

#[test]
fn in_the_clear_nobody_says_or_believes_that_a_call_is_recorded() {
    let mut world = World::call(33, Link::LAN);
    world.net.tapped = true;
    let now = world.now;
    world.nodes[0].downlink.handle_recording(now, true);
    world.run(3 * SECOND);
    let (from, to) = (world.nodes[0].address, world.nodes[1].address);
    let at = world.now;
    world.net.send(at, from, to, &crate::rogue::words(voicetui::wire::app::CallWord::Live, 0));
    world.run(SECOND);
    assert!(world.nodes[1].events.iter().all(|(_, event)| !matches!(event, Event::Recording { .. })));
}
