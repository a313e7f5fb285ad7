//! Placing, ringing, answering, declining; several peers; who is reached at which address.

use std::time::Duration;

use voicetui::call::{CallError, CallState, Event, Reason};
use voicetui::units::Format;

use crate::net::Link;
use crate::sound::{Coder, rms};
use crate::world::{A, B, C, World, at};

const SECOND: Duration = Duration::from_secs(1);

fn ringing(seed: u64, link: Link) -> World {
    let mut world = World::new(seed, link);
    world.add(A, |config| config.name = "Ada".into());
    world.add(B, |config| config.name = "Bob\x1b[2J".into());
    world.dial(0, B, None);
    assert!(world.run_until(5 * SECOND, |world| world.nodes[0].state() == CallState::RingingThere));
    world
}

#[test]
fn a_called_voicetui_rings_and_the_caller_sees_it() {
    let world = ringing(1, Link::LAN);
    assert_eq!(world.nodes[1].state(), CallState::Ringing);
    assert!(world.now - world.start < Duration::from_millis(250), "within {:?}", world.now - world.start);
    let first = world.nodes[0].events.iter().find_map(|(_, event)| match event {
        Event::State { state, .. } if *state != CallState::Calling => Some(*state),
        _ => None,
    });
    assert_eq!(first, Some(CallState::Live), "an open call is live at once");
}

#[test]
fn nothing_is_heard_before_the_answer_and_all_after_it() {
    let mut world = ringing(2, Link::LAN);
    world.nodes.iter_mut().for_each(|node| node.keeps = true);
    world.nodes[0].key(true);
    world.run(2 * SECOND);
    assert_eq!(rms(&world.nodes[1].heard), 0.0);
    assert_eq!(world.nodes[1].rings(), 1);
    world.answer(1);
    world.run(2 * SECOND);
    assert_eq!((world.nodes[0].state(), world.nodes[1].state()), (CallState::Live, CallState::Live));
    let heard = &world.nodes[1].heard;
    assert!(rms(&heard[heard.len() - 48_000..]) > 0.02);
    assert_eq!(rms(&world.nodes[0].heard), 0.0, "an answer opens no microphone");
}

#[test]
fn names_travel_once_the_call_is_accepted_and_lose_their_control_characters() {
    let mut world = ringing(3, Link::LAN);
    world.answer(1);
    world.run(2 * SECOND);
    let name = |node: usize| {
        let names = world.nodes[node].events.iter().filter_map(|(_, event)| match event {
            Event::Name { name, .. } => Some(name.as_str()),
            _ => None,
        });
        names.collect::<Vec<_>>()
    };
    assert_eq!((name(0), name(1)), (vec!["Bob[2J"], vec!["Ada"]));
}

#[test]
fn a_decline_reaches_the_caller_and_it_does_not_ring_again_at_once() {
    for (seed, link) in [(4, Link::LAN), (5, Link::BAD)] {
        let mut world = ringing(seed, link);
        world.decline(1);
        assert!(world.run_until(15 * SECOND, |world| world.nodes[0].ended(Reason::Declined)), "seed {seed}");
        world.run(2 * SECOND);
        world.dial(0, B, None);
        world.run(3 * SECOND);
        assert_eq!(world.nodes[1].rings(), 1);
    }
}

#[test]
fn a_hang_up_ends_both_sides_whatever_the_network_does() {
    for seed in 10..20 {
        for (which, other) in [(0, 1), (1, 0)] {
            let mut world = World::call(seed, Link::BAD);
            world.hang_up(which);
            assert!(world.nodes[which].ended(Reason::HungUp));
            assert!(world.run_until(4 * SECOND, |world| world.nodes[other].ended(Reason::PeerHungUp)), "seed {seed}");
            world.run(15 * SECOND);
            assert!(world.nodes.iter().all(|node| node.states.is_empty()), "both slots are free again");
            assert_eq!(world.nodes[1].rings(), 1, "what straggled in rang nobody");
        }
    }
}

#[test]
fn who_hangs_up_while_it_rings_leaves_a_missed_call() {
    let mut world = ringing(6, Link::LAN);
    world.hang_up(0);
    world.run(SECOND);
    assert!(world.nodes[1].ended(Reason::Missed));
    assert_eq!(world.nodes[1].missed(), [A]);
}

#[test]
fn a_ring_that_nobody_answers_ends_on_both_sides() {
    let mut world = ringing(7, Link::LAN);
    world.run(Duration::from_secs(62));
    assert!(world.nodes[0].ended(Reason::NoAnswer), "{:?}", world.nodes[0].states);
    assert!(world.nodes[1].ended(Reason::Missed));
    assert_eq!(world.nodes[1].missed(), [A]);
}

#[test]
fn a_caller_that_vanishes_stops_ringing() {
    let mut world = ringing(8, Link::LAN);
    world.nodes.remove(0);
    world.run(6 * SECOND);
    assert!(world.nodes[0].ended(Reason::Missed));
}

#[test]
fn the_fourth_caller_at_once_is_told_nothing() {
    let mut world = World::new(9, Link::LAN);
    world.add(A, |_| ());
    for n in 2..6 {
        let caller = world.add(&format!("10.0.0.{n}:5005"), |_| ());
        world.dial(caller, A, None);
        world.run(2 * SECOND);
    }
    assert_eq!(world.nodes[0].rings(), 3);
    assert_eq!(world.nodes[4].state(), CallState::Live, "it sends, and nobody answers");
    assert_eq!(world.nodes[0].missed(), ["10.0.0.5:5005"]);
}

#[test]
fn two_that_call_each_other_at_once_are_live() {
    for seed in 20..30 {
        let mut world = World::new(seed, Link::BAD);
        world.add(A, |_| ());
        world.add(B, |_| ());
        world.dial(0, B, None);
        world.dial(1, A, None);
        world.run(4 * SECOND);
        assert!(world.nodes.iter().all(|node| node.state() == CallState::Live && node.rings() == 0), "seed {seed}");
    }
}

#[test]
fn three_share_a_call_and_each_hears_the_others() {
    let mut world = World::new(31, Link::LAN);
    for address in [A, B, C] {
        world.add(address, |config| config.answer_all = true);
    }
    world.dial(0, B, None);
    world.dial(0, C, None);
    world.run(SECOND);
    world.nodes.iter_mut().for_each(|node| node.keeps = true);
    world.nodes[0].key(true);
    world.run(2 * SECOND);
    assert!(rms(&world.nodes[1].heard) > 0.02 && rms(&world.nodes[2].heard) > 0.02);
    world.nodes[0].key(false);
    world.nodes[2].key(true);
    world.run(SECOND);
    let (b, c) = (world.nodes[0].peer(B), world.nodes[0].peer(C));
    let report = |id| world.nodes[0].downlink.report(id);
    assert_eq!(report(b).received_packets, 0);
    assert!((100..=107).contains(&report(c).received_packets), "{:?}", report(c));
    assert!(world.nodes[0].downlink.hangup(world.now, b));
    world.drain(0);
    world.run(SECOND);
    assert!(world.nodes[1].ended(Reason::PeerHungUp));
    assert_eq!(world.nodes[2].state(), CallState::Live);
}

#[test]
fn programs_that_share_a_machine_are_told_apart() {
    let mut world = World::new(32, Link::IDEAL);
    let [a, b, c] = ["127.0.0.1:5005", "127.0.0.1:5006", "127.0.0.1:5007"];
    world.add(a, |_| ());
    world.add(b, |config| config.answer_all = true);
    world.add(c, |_| ());
    world.dial(0, b, None);
    world.run(SECOND);
    world.dial(2, a, None);
    world.nodes[2].key(true);
    world.run(2 * SECOND);
    assert_eq!(world.nodes[2].state(), CallState::RingingThere);
    assert_eq!(world.nodes[0].states[&world.nodes[0].peer(b)], CallState::Live);
    assert_eq!(world.nodes[0].states[&world.nodes[0].peer(c)], CallState::Ringing);
    assert_eq!(world.nodes[0].downlink.report(world.nodes[0].peer(b)).received_packets, 0, "c's voice is not b's");
}

#[test]
fn of_two_addresses_the_one_that_lives_is_used() {
    for dead_first in [true, false] {
        let mut world = World::pair(33, Link::LAN);
        let (dead, live) = (at("[2001:db8::2]:5005"), at(B));
        let both = if dead_first { vec![dead, live] } else { vec![live, dead] };
        world.names.insert("bob".into(), both);
        world.dial(0, "bob", None);
        world.run(SECOND);
        assert_eq!((world.nodes[0].state(), world.nodes[1].state()), (CallState::Live, CallState::Live));
        world.nodes[0].key(true);
        world.run(SECOND);
        let heard = world.nodes[1].downlink.report(world.nodes[1].only()).received_packets;
        assert!((100..=107).contains(&heard), "{heard}");
    }
}

#[test]
fn a_refusal_is_a_hint_and_moves_pcm_to_the_next_address() {
    let mut world = World::new(34, Link::LAN);
    world.add(A, |_| ());
    world.listen(B);
    world.refuses.push(at("[2001:db8::2]:5005"));
    world.names.insert("bob".into(), vec![at("[2001:db8::2]:5005"), at(B)]);
    world.dial(0, "bob", Some(Format::Pcm));
    world.nodes[0].key(true);
    world.run(SECOND);
    assert!(world.inbox(B).len() > 30);
    assert_eq!(world.nodes[0].state(), CallState::Live);
}

#[test]
fn nobody_there_is_a_hint_once_and_never_an_end() {
    let mut world = World::new(35, Link::LAN);
    world.add_with(A, Coder::cached(), |_| ());
    world.refuses.push(at(B));
    world.dial(0, B, None);
    world.nodes[0].key(true);
    world.run(Duration::from_secs(300));
    assert_eq!(world.nodes[0].state(), CallState::Live);
    assert_eq!(world.nodes[0].infos().len(), 1, "{:?}", world.nodes[0].infos());
    assert!(world.nodes[0].uplink.counts(world.nodes[0].only()).total_packets > 29_000, "it sends whenever on air");
    let (datagrams, _) = world.net.sent[&(at(A), at(B))];
    world.add(B, |config| config.answer_all = true);
    world.refuses.clear();
    world.run(12 * SECOND);
    assert_eq!(world.nodes[1].state(), CallState::Live, "after {datagrams} datagrams somebody is there");
}

#[test]
fn no_failure_of_the_socket_ends_a_call() {
    use voicetui::call::SendFailure::{Busy, Family, Forbidden, NoRoute, Other, Refused};
    let mut world = World::new(39, Link::LAN);
    world.add(A, |_| ());
    world.dial(0, B, None);
    for failure in [NoRoute, Forbidden, Refused, Family, Busy, Other].repeat(20) {
        world.nodes[0].downlink.handle_send_error(world.now, at(B), failure);
        world.drain(0);
    }
    assert_eq!((world.nodes[0].state(), world.nodes[0].infos().len()), (CallState::Live, 5), "{:?}", world.nodes[0].infos());
}

#[test]
fn a_name_that_leads_nowhere_is_unreachable_with_a_sentence() {
    let mut world = World::new(36, Link::LAN);
    world.add(A, |_| ());
    for (name, addresses) in [("nobody", vec![]), ("me", vec![at(A)]), ("all", vec![at("239.1.1.1:5005"), at("0.0.0.0:5005")])] {
        world.names.insert(name.into(), addresses);
        let id = world.dial(0, name, None);
        assert_eq!(world.nodes[0].states[&id], CallState::Ended(Reason::Unreachable), "{name}");
    }
    assert_eq!(world.nodes[0].infos().len(), 3);
    let unknown = world.dial(0, "unknown", None);
    assert_eq!(world.nodes[0].states[&unknown], CallState::Ended(Reason::Unreachable));
    assert_eq!(world.nodes[0].infos()[3], "unknown does not resolve: check the name.");
}

#[test]
fn what_cannot_be_called_is_refused_before_anything_is_sent() {
    let mut world = World::new(37, Link::LAN);
    world.add(A, |_| ());
    let now = world.now;
    for address in [A, "0.0.0.0", "255.255.255.255", "224.0.0.1", "[fe80::1]:5005", "10.0.0.2:0", "", "two words"] {
        let refused = world.nodes[0].downlink.call(now, address, None);
        assert!(matches!(refused, Err(CallError::Address(_))), "{address}: {refused:?}");
    }
    let id = world.dial(0, B, None);
    assert_eq!(world.nodes[0].downlink.call(now, B, None), Err(CallError::Already(id)));
    for n in 0..15 {
        world.dial(0, &format!("10.1.0.{n}"), None);
    }
    assert_eq!(world.nodes[0].downlink.call(now, C, None), Err(CallError::Full));
    world.hang_up(0);
    world.dial(0, C, None);
}

#[test]
fn our_own_address_by_a_roundabout_way_is_noticed() {
    let mut world = World::new(38, Link::LAN);
    world.add(A, |_| ());
    // The router's public address leads back to us.
    world.net.nat.insert(at(A), at("192.0.2.1:5005"));
    world.dial(0, "192.0.2.1:5005", None);
    world.run(2 * SECOND);
    assert!(world.nodes[0].ended(Reason::Unreachable), "{:?}", world.nodes[0].states);
    assert!(world.nodes[0].infos()[0].contains("this program itself"));
    assert!(world.nodes[0].downlink.net().looped > 0);
}
