//! What others can do to a sealed call: who reads and writes the network, floods, or holds a session of his own.

use std::time::Duration;

use proptest::prelude::*;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use voicetui::call::trust::Edit;
use voicetui::call::{CallState, DownlinkConfig};
use voicetui::session::{SessionEvent, Sessions};
use voicetui::units::Format;
use voicetui::wire::app::CallWord;

use crate::net::Link;
use crate::rogue::{Rogue, local, media, words};
use crate::world::{A, B, C, World, at};

const SECOND: Duration = Duration::from_secs(1);

fn sealed(config: &mut DownlinkConfig) {
    config.format = Format::Sealed;
}

fn pair(seed: u64, answers: bool) -> World {
    let mut world = World::new(seed, Link::LAN);
    world.add(A, sealed);
    world.add(B, |config| {
        sealed(config);
        config.answer_all = answers;
    });
    world
}

/// Everything that was sent in a call comes again, as it was and changed, from everywhere: nothing more is heard, nobody
/// rings, the words stay, and it is answered with no more than it was.
#[test]
fn replayed_reflected_cut_flipped_and_spliced_datagrams_do_nothing() {
    let mut world = pair(1, true);
    world.net.tapped = true;
    world.dial(0, B, None);
    world.nodes[0].key(true);
    world.run(3 * SECOND);
    world.nodes[0].key(false);
    world.run(SECOND);
    let seen = std::mem::take(&mut world.net.seen);
    let heard = |world: &World| world.nodes.iter().map(|node| node.arrived.len()).sum::<usize>();
    let (before, events) = (heard(&world), world.nodes.iter().map(|node| node.events.len()).sum::<usize>());
    let mut rng = StdRng::seed_from_u64(2);
    for (n, (from, to, bytes)) in seen.iter().enumerate() {
        let mut spliced = seen[(n + 7) % seen.len()].2.clone();
        let at_byte = bytes.len().min(spliced.len()) / 2;
        spliced[..at_byte].copy_from_slice(&bytes[..at_byte]);
        let mut flipped = bytes.clone();
        let bit = rng.random_range(0..flipped.len() * 8);
        flipped[bit / 8] ^= 1 << (bit % 8);
        for variant in [bytes.clone(), bytes[..bytes.len() / 2].to_vec(), flipped, spliced] {
            for (from, to) in [(*from, *to), (*to, *from), (at(C), *to), (at(C), *from)] {
                let now = world.now;
                let World { nodes, net, .. } = &mut world;
                let node = nodes.iter_mut().find(|node| node.address == to).expect("one of two");
                let sent = net.seen.len();
                node.receive(now, from, &variant, net);
                // A report may be due just then.
                let answered: usize = net.seen[sent..].iter().map(|(.., bytes)| bytes.len()).sum();
                assert!(answered <= variant.len().max(400), "{answered} bytes for {}", variant.len());
            }
        }
    }
    assert_eq!(heard(&world), before);
    assert_eq!(world.nodes.iter().map(|node| node.events.len()).sum::<usize>(), events);
    world.nodes[0].key(true);
    world.run(2 * SECOND);
    assert!(heard(&world) > before + 150, "the call goes on");
    assert!(world.nodes.iter().all(|node| node.state() == CallState::Live));
}

/// Handshakes by the thousand, from one address and from many, while somebody talks: all of it is heard.
#[test]
fn a_flood_of_handshakes_leaves_a_running_call_unharmed() {
    let mut world = pair(4, true);
    world.dial(0, B, None);
    world.run(SECOND);
    world.nodes[0].key(true);
    for n in 0..4_000u16 {
        if n % 50 == 0 {
            world.run(Duration::from_millis(100));
        }
        let mut bytes = [0; 118];
        if n % 20 == 0 {
            let mut sessions = Sessions::new(local(5), StdRng::seed_from_u64(u64::from(n)));
            sessions.connect(world.now, at(B), None).expect("a place");
            sessions.poll_transmit(&mut bytes).expect("message 1");
            assert!(!matches!(sessions.poll_event(), Some(SessionEvent::Established { .. })));
        } else {
            StdRng::seed_from_u64(u64::from(n)).fill(&mut bytes);
            bytes[..2].copy_from_slice(&[8, 1]);
        }
        let from = if n % 2 == 0 { C.to_owned() } else { format!("192.0.{}.{}:9", n >> 8, n & 255) };
        world.send(&from, B, &bytes);
    }
    world.run(3 * SECOND);
    let report = world.nodes[1].downlink.report(world.nodes[1].only());
    assert!(report.received_packets > 1_000 && report.lost_packets == 0, "{report:?}");
    assert_eq!(world.nodes[1].rings(), 1);
}

/// What comes to a stranger who calls, from start to end, as kind and length; and what word he is told last.
fn told(world: &mut World, rogue: &mut Rogue, time: Duration) -> (Vec<(u8, usize)>, Vec<CallWord>) {
    let before = world.net.seen.len();
    let end = world.now + time;
    let mut said = Vec::new();
    while world.now < end {
        rogue.say(world, &words(CallWord::Calling, rogue.their_leg));
        rogue.run(world, Duration::from_millis(500));
        said.extend(rogue.word);
    }
    let to = at(&rogue.address);
    let answers = world.net.seen[before..].iter().filter(|(_, other, _)| *other == to);
    (answers.map(|(.., bytes)| (bytes[0], bytes.len())).collect(), said)
}

/// How many are in B's call.
fn live(world: &World) -> usize {
    world.nodes[0].states.values().filter(|state| **state == CallState::Live).count()
}

/// B, the only one there, calls so many others; all answer.
fn call_all(world: &mut World, peers: u8) {
    for n in 0..peers {
        let address = format!("10.1.0.{n}:5005");
        world.add(&address, |config| {
            sealed(config);
            config.answer_all = true;
        });
        world.dial(0, &address, None);
    }
    world.run(2 * SECOND);
    assert_eq!(live(world), usize::from(peers));
}

/// A stranger learns the same from a side that is not in a call, that is in one, and whose call is full: that it rings there, until
/// nobody has answered.
#[test]
fn a_stranger_cannot_tell_whether_there_is_a_call() {
    let told_with = |peers: u8| {
        let mut world = World::new(5, Link::LAN);
        world.add(B, |config| {
            sealed(config);
            config.ring_timeout = Duration::from_millis(6_250);
        });
        call_all(&mut world, peers);
        world.net.tapped = true;
        let mut rogue = Rogue::call(&mut world, C, 78);
        rogue.say(&mut world, &media(0)[0]);
        rogue.say(&mut world, &words(CallWord::Live, 3));
        rogue.run(&mut world, SECOND);
        // Longer than it rings, and than who ended stays.
        let told = told(&mut world, &mut rogue, 20 * SECOND);
        assert_eq!(live(&world), usize::from(peers), "the call is as it was");
        assert_eq!(world.nodes[0].missed(), [C], "the user is told");
        assert_eq!(world.nodes[0].rings(), usize::from(peers < 16), "and disturbed if there is room");
        told
    };
    let idle = told_with(0);
    assert_eq!((idle.1[0], idle.1.last()), (CallWord::Ringing, Some(&CallWord::Ended)));
    assert!(idle.1.iter().filter(|word| **word == CallWord::Ringing).count() >= 10);
    for peers in [1, 16] {
        let (answers, said) = told_with(peers);
        assert_eq!(said, idle.1, "{peers}");
        assert_eq!(answers, idle.0, "{peers}");
    }
}

/// Several strangers at once, the fourth of whom is told nothing, whether the call is full or there is none; and a peer that is
/// known, which rings beside them, or may be told that we are busy.
#[test]
fn who_is_known_rings_or_is_told_busy_and_strangers_ring_three_at_once_seen_or_not() {
    for full in [false, true] {
        let mut world = World::new(7, Link::LAN);
        world.add(B, |config| {
            sealed(config);
            let key = local(90).identity.public();
            config.known.apply(&Edit::Pin { name: "friend".into(), key, address: at(A) }).expect("pinned");
        });
        call_all(&mut world, if full { 16 } else { 0 });
        let mut last = Vec::new();
        for n in 0..5u8 {
            let mut rogue = Rogue::call(&mut world, &format!("10.2.0.{n}:5005"), 80 + n);
            for _ in 0..3 {
                rogue.say(&mut world, &words(CallWord::Calling, 0));
                rogue.run(&mut world, Duration::from_millis(50));
            }
            last.push(rogue.word);
        }
        let rings = Some(CallWord::Ringing);
        assert_eq!(last, [rings, rings, rings, None, None], "full: {full}");
        let mut friend = Rogue::call(&mut world, "10.2.0.9:5005", 90);
        friend.say(&mut world, &words(CallWord::Calling, 0));
        friend.run(&mut world, Duration::from_millis(50));
        assert_eq!(friend.word, Some(if full { CallWord::Busy } else { CallWord::Ringing }), "full: {full}");
        assert_eq!(world.nodes[0].rings(), if full { 0 } else { 4 });
    }
}

/// Who rang unseen can be called, as anybody else: once there is room.
#[test]
fn who_rang_unseen_can_be_called_back() {
    let mut world = World::new(8, Link::LAN);
    world.add(B, sealed);
    call_all(&mut world, 16);
    let c = world.add(C, sealed);
    world.dial(c, B, None);
    world.run(2 * SECOND);
    assert_eq!(world.nodes[c].state(), CallState::RingingThere);
    let first = world.nodes[0].peer("10.1.0.0:5005");
    let now = world.now;
    assert!(world.nodes[0].downlink.hangup(now, first));
    world.drain(0);
    world.dial(0, C, None);
    world.run(6 * SECOND);
    let id = world.nodes[0].peer(C);
    assert_eq!((world.nodes[0].states[&id], world.nodes[c].state()), (CallState::Live, CallState::Live));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever comes: no panic, nothing heard, and no more answered than was asked.
    #[test]
    fn any_datagrams_at_a_sealed_side_are_survived(
        datagrams in proptest::collection::vec((8u8..16, proptest::collection::vec(any::<u8>(), 0..200)), 1..40)
    ) {
        let mut world = pair(6, false);
        world.net.tapped = true;
        for (kind, mut bytes) in datagrams {
            if let Some(first) = bytes.first_mut() {
                *first = if kind < 14 { kind } else { *first };
            }
            let now = world.now;
            let World { nodes, net, .. } = &mut world;
            let sent = net.seen.len();
            nodes[1].receive(now, at(C), &bytes, net);
            let answered: usize = net.seen[sent..].iter().map(|(.., bytes)| bytes.len()).sum();
            prop_assert!(answered <= bytes.len());
        }
        prop_assert!(world.nodes[1].arrived.is_empty());
    }
}
