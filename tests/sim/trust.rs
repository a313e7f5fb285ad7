//! Keys in calls: pinned names, changed keys, peers that connect at once or do not ring, and calls in the clear.

use std::time::Duration;

use voicetui::call::trust::{Edit, KnownPeers, Who};
use voicetui::call::{CallState, Event, Identity, PublicKey, Reason};
use voicetui::units::Format;

use crate::net::Link;
use crate::world::{A, B, World, at};

const SECOND: Duration = Duration::from_secs(1);

fn identity(n: u8) -> Identity {
    Identity::new(zeroize::Zeroizing::new([n; 32]))
}

/// What B knows, or A.
fn known(edits: &[Edit]) -> KnownPeers {
    let mut known = KnownPeers::default();
    edits.iter().for_each(|edit| drop(known.apply(edit).expect("a good edit")));
    known
}

fn pin(name: &str, key: PublicKey, address: &str) -> Edit {
    Edit::Pin { name: name.into(), key, address: at(address) }
}

/// A with key 1 and B with key 2; they know whom they are told to.
fn world(a_knows: KnownPeers, b_knows: KnownPeers) -> World {
    let mut world = World::new(1, Link::LAN);
    for (address, n, known) in [(A, 1, a_knows), (B, 2, b_knows)] {
        world.add(address, |config| {
            config.format = Format::Sealed;
            config.local.identity = identity(n);
            config.known = known;
        });
    }
    world
}

#[test]
fn a_pinned_name_that_shows_its_key_is_called_and_one_that_does_not_is_refused() {
    let mut good = world(known(&[pin(B, identity(2).public(), B)]), KnownPeers::default());
    good.dial(0, B, None);
    good.run(SECOND);
    assert_eq!((good.nodes[0].state(), good.nodes[1].state()), (CallState::RingingThere, CallState::Ringing));

    let verify = Edit::Verify(Who::Name(B.into()), true);
    let mut bad = world(known(&[pin(B, identity(3).public(), B), verify]), KnownPeers::default());
    bad.dial(0, B, None);
    bad.run(3 * SECOND);
    assert!(bad.nodes[0].ended(Reason::Unreachable));
    assert!(bad.nodes[1].states.is_empty(), "it does not ring there");
    let changed: Vec<&Event> =
        bad.nodes[0].events.iter().map(|(_, event)| event).filter(|event| matches!(event, Event::KeyChanged { .. })).collect();
    let wanted = Event::KeyChanged { address: B.into(), pinned: identity(3).public(), shown: identity(2).public(), verified: true };
    assert_eq!(changed, [&wanted]);
    assert!(!bad.nodes[0].events.iter().any(|(_, event)| matches!(event, Event::Sealed { .. })));
    // Forgotten, it is met for the first time.
    bad.nodes[0].downlink.set_known(KnownPeers::default());
    bad.dial(0, B, None);
    bad.run(SECOND);
    assert_eq!(bad.nodes[1].state(), CallState::Ringing);
}

#[test]
fn a_name_that_may_stand_in_a_line_that_is_not_understood_is_not_called() {
    let mut world = world(KnownPeers::parse(b"# mine\nnonsense\n").expect("readable"), KnownPeers::default());
    world.dial(0, B, None);
    world.run(SECOND);
    assert!(world.nodes[0].ended(Reason::Unreachable) && world.nodes[1].states.is_empty());
    assert!(world.nodes[0].infos()[0].contains("line 2 of known_peers"), "{:?}", world.nodes[0].infos());
}

#[test]
fn a_caller_connects_at_once_if_the_user_let_it_and_a_blocked_one_does_not_ring() {
    let who = || Who::Key(identity(1).public(), None);
    let state = |edits: &[Edit], answer_known| {
        let mut world = World::new(2, Link::LAN);
        for (address, n) in [(A, 1), (B, 2)] {
            world.add(address, |config| {
                config.format = Format::Sealed;
                config.local.identity = identity(n);
                (config.known, config.answer_known) = (known(edits), answer_known);
            });
        }
        world.dial(0, B, None);
        world.run(2 * SECOND);
        (world.nodes[0].states.values().next().copied(), world.nodes[1].states.values().next().copied())
    };
    let (live, rings, there) = (Some(CallState::Live), Some(CallState::Ringing), Some(CallState::RingingThere));
    assert_eq!(state(&[Edit::Connect(who(), true)], false), (live, live));
    assert_eq!(state(&[Edit::Verify(who(), true)], true), (live, live), "known is enough for --auto-answer known");
    assert_eq!(state(&[Edit::Verify(who(), true)], false), (there, rings));
    assert_eq!(state(&[], true), (there, rings), "a stranger rings");
    for answer_known in [false, true] {
        assert_eq!(state(&[Edit::Block(who(), true)], answer_known), (Some(CallState::Ended(Reason::Declined)), None));
    }
}

#[test]
fn a_peer_that_was_met_sealed_is_called_in_the_clear_by_its_name_only() {
    let mut world = World::new(3, Link::LAN);
    world.add(A, |config| {
        config.format = Format::Sealed;
        config.known = known(&[pin("workshop", identity(2).public(), B)]);
    });
    world.listen(B);
    // Another name for where it was last.
    let id = world.dial(0, B, None);
    world.run(4 * SECOND);
    assert!(world.nodes[0].events.iter().any(|(_, event)| *event == Event::Unsealed { id, met: true }));
    let now = world.now;
    let refusal = world.nodes[0].downlink.call_in_the_clear(now, id, false).expect_err("the name is missing");
    assert!(refusal.ends_with(&format!("say: clear {B}")), "{refusal}");
    assert_eq!(world.nodes[0].state(), CallState::Calling);
    assert_eq!(world.nodes[0].downlink.call_in_the_clear(now, id, true), Ok(()));
    world.drain(0);
    world.run(SECOND);
    assert_eq!(world.nodes[0].state(), CallState::Live);
}
