//! What somebody on the network can not do to a call between two who know each other.

use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand::rngs::StdRng;
use voicetui::call::trust::{Edit, KnownPeers, Who};
use voicetui::call::{CallState, Downlink, DownlinkConfig, Event, Identity, SendFailure};
use voicetui::units::Format;
use voicetui::wire::app::CallWord;

use crate::formats::rtp_stream;
use crate::net::Link;
use crate::strangers::control;
use crate::world::{A, B, World, at};

const SECOND: Duration = Duration::from_secs(1);
const F: &str = "10.0.0.9:40000";

fn identity(n: u8) -> Identity {
    Identity::new(zeroize::Zeroizing::new([n; 32]))
}

/// A knows B by its key and lets it in for good; both are sealed.
fn friends(seed: u64, allow_unsealed: bool) -> World {
    let mut known = KnownPeers::default();
    known.apply(&Edit::Pin { name: "friend".into(), key: identity(2).public(), address: at(B) }).expect("pinned");
    known.apply(&Edit::Connect(Who::Key(identity(2).public(), None), true)).expect("let in");
    let mut world = World::new(seed, Link::LAN);
    world.add(A, |config| {
        config.format = Format::Sealed;
        (config.known, config.allow_unsealed) = (known, allow_unsealed);
    });
    world.add(B, |config| {
        config.format = Format::Sealed;
        config.local.identity = identity(2);
    });
    world
}

#[test]
fn who_is_let_in_gets_in() {
    let mut world = friends(1, false);
    world.dial(1, A, None);
    world.run(2 * SECOND);
    assert_eq!(world.nodes[0].state(), CallState::Live);
}

#[test]
fn strangers_that_ring_keep_no_friend_out() {
    let mut world = friends(2, false);
    for n in 0..3u8 {
        let stranger = world.add(&format!("10.0.0.9:{}", 6_000 + u16::from(n)), |config| {
            config.format = Format::Sealed;
            config.local.identity = identity(20 + n);
        });
        world.dial(stranger, A, None);
    }
    world.run(2 * SECOND);
    assert_eq!(world.nodes[0].rings(), 3);
    world.dial(1, A, None);
    world.run(2 * SECOND);
    assert!(world.nodes[0].states.values().any(|state| *state == CallState::Live), "{:?}", world.nodes[1].states);
}

#[test]
fn a_forged_call_that_was_declined_keeps_no_friend_out() {
    let mut world = friends(3, false);
    // B is not there yet: it would say that there is no such call.
    let friend = world.nodes.pop().expect("B");
    for _ in 0..2 {
        world.send(B, A, &control(9, CallWord::Calling, 0, 77));
        world.run(SECOND / 10);
    }
    world.decline(0);
    world.run(20 * SECOND);
    world.nodes.push(friend);
    world.dial(1, A, None);
    world.run(2 * SECOND);
    assert!(world.nodes[0].states.values().any(|state| *state == CallState::Live), "{:?}", world.nodes[1].states);
}

#[test]
fn who_is_only_played_is_not_sent_to() {
    let mut world = friends(4, true);
    world.listen(F);
    world.dial(1, A, None);
    world.run(2 * SECOND);
    assert_eq!(world.nodes[0].state(), CallState::Live);
    rtp_stream(&mut world, F, A, 1, 0..50);
    world.nodes[0].key(true);
    world.run(2 * SECOND);
    let voice = world.inbox(F).iter().filter(|bytes| bytes[1] & 127 == 111 || bytes[1] & 127 == 97 || bytes[1] & 127 == 96).count();
    assert_eq!(voice, 0, "datagrams of voice in the clear to a stranger");
    // A sealed call to there is another call; one in the clear is the user's own word.
    assert!(world.nodes[0].downlink.call(world.now, F, Some(Format::Sealed)).is_ok());
    world.run(SECOND / 2);
    assert!(!world.inbox(F).iter().any(|bytes| matches!(bytes[1] & 127, 96 | 97 | 111)));
    world.dial(0, F, Some(Format::Rtp));
    world.run(SECOND);
    assert!(world.inbox(F).iter().any(|bytes| matches!(bytes[1] & 127, 96 | 97 | 111)), "called, it is talked to");
}

#[test]
fn a_sealed_call_is_one_whatever_pcm_may_look_like() {
    let mut world = friends(5, false);
    world.dial(1, A, None);
    world.run(2 * SECOND);
    world.nodes[1].key(true);
    world.run(SECOND);
    world.dial(0, "10.0.0.2:6000", Some(Format::Pcm));
    world.run(4 * SECOND);
    let noise = world.nodes[0].downlink.report(world.nodes[0].peer("10.0.0.2:6000")).received_packets;
    assert_eq!(noise, 0, "sealed datagrams that were played as PCM");
}

/// A name with two addresses, and no way to either: the thread that sends goes on to other things.
#[test]
fn a_name_with_no_way_to_any_of_its_addresses_is_not_tried_without_a_pause() {
    let now = Instant::now();
    let mut config = DownlinkConfig::new(now, Duration::ZERO, identity(1));
    config.format = Format::Sealed;
    let mut downlink = Downlink::new(config, StdRng::seed_from_u64(1));
    downlink.call(now, "workshop", None).expect("called");
    let ticket = std::iter::from_fn(|| downlink.poll_event()).find_map(|event| match event {
        Event::Resolve { ticket, .. } => Some(ticket),
        _ => None,
    });
    downlink.handle_resolved(now, ticket.expect("a question"), Ok(vec![at("10.0.0.2:5005"), at("[2001:db8::2]:5005")]));
    // As the receiver thread does.
    let (mut buffer, mut sent) = ([0; 1_500], 0);
    while let Some((to, _)) = downlink.poll_transmit(&mut buffer) {
        sent += 1;
        assert!(sent < 1_000, "it never ends");
        downlink.handle_send_error(now, to, SendFailure::NoRoute);
    }
}
