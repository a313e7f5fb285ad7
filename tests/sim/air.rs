//! Nobody but this side's user puts this side's microphone on air: every message, in every state of the call.

use std::time::Duration;

use voicetui::call::trust::{Edit, KnownPeers};
use voicetui::call::{CallState, DownlinkConfig, PublicKey, Reason};
use voicetui::engine::{Air, Holder, OpenRules};
use voicetui::units::Format;
use voicetui::wire::app::CallWord;

use crate::net::Link;
use crate::rogue::{Rogue, cookie_and_refusal, garbage, local, media, reports, words};
use crate::voice::talker;
use crate::world::{A, B, C, World, at};

const SECOND: Duration = Duration::from_secs(1);
const MS: Duration = Duration::from_millis(1);
const BOTH: OpenRules = OpenRules { calls: true, answers: true, voice: true };
const NOBODY: &str = "10.0.0.8:5005";

/// Where the call of B stands. With `+` its user has said `--open --open-on-answer --auto-answer all`: the rogue, unknown and not
/// called, gets nothing by it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    Idle,
    IdlePlus,
    Dialling,
    /// B calls the rogue: nothing sealed answered yet, it rings there, it is live there.
    DiallingRogue,
    RingingThere,
    LiveCalled,
    Ringing,
    RingingInTheClear,
    Live,
    LivePlus,
    LiveInTheClear,
    LiveInTheClearPlus,
    /// Live, the talk key held down, and muted.
    Muted,
    /// The talk key is down since before the call.
    Held,
    /// The talk key was down when the call ended.
    HungUp,
    HungUpThere,
}

const STAGES: [Stage; 16] = [
    Stage::Idle,
    Stage::IdlePlus,
    Stage::Dialling,
    Stage::DiallingRogue,
    Stage::RingingThere,
    Stage::LiveCalled,
    Stage::Ringing,
    Stage::RingingInTheClear,
    Stage::Live,
    Stage::LivePlus,
    Stage::LiveInTheClear,
    Stage::LiveInTheClearPlus,
    Stage::Muted,
    Stage::Held,
    Stage::HungUp,
    Stage::HungUpThere,
];

fn sealed(config: &mut DownlinkConfig) {
    config.format = Format::Sealed;
}

/// A and B, who have talked and hung up; what they sent is there to be sent again.
fn world(stage: Stage) -> World {
    let mut world = World::new(3, Link::LAN);
    world.net.tapped = true;
    world.add(A, sealed);
    let plus = matches!(stage, Stage::IdlePlus | Stage::LivePlus | Stage::LiveInTheClearPlus | Stage::Held);
    world.add(B, |config| {
        sealed(config);
        config.answer_all = plus;
    });
    world.dial(1, A, None);
    world.run(100 * MS);
    world.answer(0);
    world.run(200 * MS);
    world.nodes.iter().for_each(|node| node.key(true));
    // B talks all the time, and its user has used voice activation in the call that is over.
    world.nodes[1].source = talker;
    world.nodes[1].controls.arm_voice();
    world.run(300 * MS);
    world.nodes.iter().for_each(|node| node.key(false));
    world.hang_up(1);
    world.run(10 * SECOND);
    assert!(world.nodes[1].states.is_empty());
    if plus {
        let controls = world.nodes[1].controls.clone();
        world.nodes[1].air = Air::new(controls, BOTH);
    }
    world
}

fn rings(world: &mut World, rogue: &mut Rogue, in_the_clear: bool) {
    for _ in 0..2 {
        if in_the_clear {
            world.send(&rogue.address, B, &words(CallWord::Calling, 0));
        } else {
            rogue.say(world, &words(CallWord::Calling, 0));
        }
        rogue.run(world, 50 * MS);
    }
}

/// The rogue, with the call where it is to be.
fn enter(world: &mut World, stage: Stage) -> Rogue {
    let called = matches!(stage, Stage::DiallingRogue | Stage::RingingThere | Stage::LiveCalled);
    let mut rogue = if called { Rogue::wait(world, C, 77) } else { Rogue::call(world, C, 77) };
    if stage == Stage::Held {
        world.nodes[1].key(true);
    }
    match stage {
        Stage::Idle | Stage::IdlePlus => {}
        Stage::Dialling => drop(world.dial(1, NOBODY, None)),
        Stage::DiallingRogue => {
            world.dial(1, C, None);
            world.run(50 * MS);
        }
        Stage::RingingThere | Stage::LiveCalled => {
            world.dial(1, C, None);
            rogue.run(world, 100 * MS);
            let word = if stage == Stage::LiveCalled { CallWord::Live } else { CallWord::Ringing };
            rogue.say(world, &words(word, rogue.their_leg));
            rogue.run(world, 50 * MS);
        }
        Stage::RingingInTheClear | Stage::LiveInTheClear | Stage::LiveInTheClearPlus => rings(world, &mut rogue, true),
        _ => rings(world, &mut rogue, false),
    }
    if matches!(stage, Stage::Live | Stage::LiveInTheClear | Stage::Muted | Stage::HungUp | Stage::HungUpThere) {
        world.answer(1);
        rogue.run(world, 50 * MS);
    }
    match stage {
        Stage::Muted => {
            world.nodes[1].controls.mute();
            world.nodes[1].key(true);
        }
        Stage::HungUp => {
            world.nodes[1].key(true);
            world.hang_up(1);
        }
        Stage::HungUpThere => {
            world.nodes[1].key(true);
            rogue.say(world, &words(CallWord::Ended, rogue.their_leg));
            rogue.run(world, 50 * MS);
        }
        _ => {}
    }
    let wanted = match stage {
        Stage::Idle | Stage::IdlePlus => CallState::Idle,
        Stage::Dialling | Stage::DiallingRogue => CallState::Calling,
        Stage::RingingThere => CallState::RingingThere,
        Stage::Ringing | Stage::RingingInTheClear => CallState::Ringing,
        Stage::HungUp => CallState::Ended(Reason::HungUp),
        Stage::HungUpThere => CallState::Ended(Reason::PeerHungUp),
        _ => CallState::Live,
    };
    assert_eq!(world.nodes[1].state(), wanted, "{stage:?}");
    rogue
}

/// Whether a datagram carries somebody's voice.
fn is_media(bytes: &[u8]) -> bool {
    match bytes {
        [11, ..] => bytes.get(5).is_some_and(|high| high & 0x80 == 0),
        [first, second, ..] if first & 0xc0 == 0x80 => !(200..=207).contains(second),
        _ => bytes.len() == voicetui::units::SEED_BYTES,
    }
}

/// Watches B from now on.
struct Watch {
    stage: Stage,
    seen: usize,
}

impl Watch {
    fn check(&mut self, world: &World, what: &str) {
        let (stage, node, now) = (self.stage, &world.nodes[1], world.now);
        assert_eq!(node.controls.on_air(now), None, "{stage:?}: {what}");
        for holder in Holder::ALL.into_iter().filter(|holder| stage != Stage::Muted || *holder != Holder::Key) {
            assert!(!node.controls.holds(holder, now), "{stage:?}: {what}: {holder:?} holds");
        }
        assert_eq!(node.controls.voice_armed(), None, "{stage:?}: {what}: voice activation is on");
        assert_eq!(node.controls.muted(), stage == Stage::Muted, "{what}");
        // What is said has an ask to measure in it; nobody here has allowed that.
        assert_eq!(node.controls.measuring(), None, "{stage:?}: {what}");
        let voice = world.net.seen[self.seen..].iter().find(|(from, _, bytes)| *from == at(B) && is_media(bytes));
        assert_eq!(voice, None, "{stage:?}: {what}: voice leaves");
        self.seen = world.net.seen.len();
    }
}

#[test]
fn no_message_in_any_state_puts_the_microphone_on_air() {
    for stage in STAGES {
        let mut world = world(stage);
        let old = std::mem::take(&mut world.net.seen);
        assert!(old.iter().filter(|(from, _, bytes)| *from == at(B) && is_media(bytes)).count() > 20, "its voice is among it");
        let mut rogue = enter(&mut world, stage);
        let mut watch = Watch { stage, seen: if matches!(stage, Stage::HungUp | Stage::HungUpThere) { world.net.seen.len() } else { 0 } };
        watch.check(&world, "at first");
        let mut open: Vec<(&str, Vec<u8>)> = Vec::new();
        open.extend(garbage(stage as u64).into_iter().map(|bytes| ("of no session", bytes)));
        open.extend((0..6).flat_map(media).map(|bytes| ("media in the clear", bytes)));
        open.extend(reports().into_iter().map(|bytes| ("a report in the clear", bytes)));
        if let Some((.., message1)) = world.net.seen.iter().find(|(from, _, bytes)| *from == at(B) && bytes[0] == 8) {
            open.extend(cookie_and_refusal(message1).into_iter().map(|bytes| ("a cookie or refusal", bytes)));
        }
        for (what, bytes) in &open {
            for from in [C, A] {
                world.send(from, B, bytes);
                rogue.run(&mut world, 2 * MS);
                watch.check(&world, what);
            }
        }
        // What was said before, and in this call, again: to whom it was sent, and back to whom sent it.
        for (from, to, bytes) in old.iter().chain(&world.net.seen.clone()) {
            let others = if *to == at(B) { vec![*from, at(C)] } else { vec![*to] };
            for from in others {
                world.send(&from.to_string(), B, bytes);
            }
            world.run(MS);
        }
        watch.check(&world, "said before");
        let mut inside: Vec<Vec<u8>> = (0..6).flat_map(media).chain(reports()).chain(garbage(stage as u64)).collect();
        inside.extend([vec![1], vec![1, 0], vec![1, 1], vec![2; 40]]);
        for packet in inside.iter().filter(|packet| packet.len() < 2_300) {
            rogue.say(&mut world, packet);
            rogue.run(&mut world, 5 * MS);
            watch.check(&world, "out of a session");
        }
        // Words end a call, and begin another; so they come last.
        for named in [false, true] {
            for word in CallWord::ALL.into_iter().chain(CallWord::ALL) {
                for in_the_clear in [true, false] {
                    let yours = if named { rogue.their_leg } else { u32::MAX };
                    let said = words(word, yours);
                    if in_the_clear {
                        world.send(C, B, &said)
                    } else {
                        rogue.say(&mut world, &said)
                    }
                    rogue.run(&mut world, 60 * MS);
                    watch.check(&world, &format!("{word:?} of {yours}"));
                }
            }
        }
        drop(rogue);
        rest(&mut world, &mut watch);
    }
}

/// Somebody else's handshake comes to its end, and all timers to theirs.
fn rest(world: &mut World, watch: &mut Watch) {
    let mut another = Rogue::call(world, "10.0.0.66:5005", 78);
    another.say(world, &words(CallWord::Live, 3));
    another.run(world, SECOND);
    world.run(70 * SECOND);
    watch.check(world, "later");
}

/// The user talks to A; whatever the rogue says, he gets none of it.
#[test]
fn who_is_not_in_the_call_gets_nothing_of_what_is_said_in_it() {
    let mut world = world(Stage::Idle);
    world.dial(1, A, None);
    world.run(100 * MS);
    world.answer(0);
    world.run(200 * MS);
    world.nodes[1].key(true);
    let mut rogue = Rogue::call(&mut world, C, 77);
    for word in CallWord::ALL.into_iter().chain(CallWord::ALL) {
        for packet in media(0).into_iter().chain(reports()).chain([words(word, 0), words(word, rogue.their_leg)]) {
            world.send(C, B, &packet);
            rogue.say(&mut world, &packet);
            rogue.run(&mut world, 10 * MS);
        }
    }
    let voice =
        |to: &str| world.net.seen.iter().filter(|(from, other, bytes)| *from == at(B) && *other == at(to) && is_media(bytes)).count();
    assert!(voice(A) > 100);
    assert_eq!(voice(C), 0);
}

/// `--open` and `--open-on-answer`, for whom they are meant: at the very moment from which voice may leave, and only sealed.
#[test]
fn the_users_word_opens_the_microphone_for_whom_it_is_meant() {
    let key = |secret: u8| local(secret).identity.public();
    let pin = |key: PublicKey| {
        let mut known = KnownPeers::default();
        known.apply(&Edit::Pin { name: A.into(), key, address: at(A) }).expect("pinned");
        known
    };
    // Whom B knows as A, whose key is 1; whether B calls; whether that puts B on air.
    for (known, calls, opens) in [
        (KnownPeers::default(), true, true),
        (pin(key(1)), true, true),
        (pin(key(9)), true, false),
        (KnownPeers::default(), false, false),
        (pin(key(1)), false, true),
        (pin(key(9)), false, false),
    ] {
        let mut world = World::new(5, Link::LAN);
        world.net.tapped = true;
        for (address, secret) in [(A, 1), (B, 2)] {
            world.add(address, |config| {
                sealed(config);
                config.local = local(secret);
                config.answer_all = true;
                if address == B {
                    config.known = known.clone();
                }
            });
        }
        let controls = world.nodes[1].controls.clone();
        world.nodes[1].air = Air::new(controls, BOTH);
        world.dial(usize::from(calls), if calls { A } else { B }, None);
        assert_eq!(world.nodes[1].controls.on_air(world.now), None, "not before it is answered");
        world.run(2 * SECOND);
        let (on_air, row) = (world.nodes[1].controls.on_air(world.now), format!("calls: {calls}, opens: {opens}"));
        assert_eq!(on_air, opens.then_some(Holder::Open), "{row}");
        assert_eq!(world.nodes[1].controls.voice_armed().is_some(), calls && opens, "{row}: voice activation, for whom B calls");
        let voice = world.net.seen.iter().filter(|(from, _, bytes)| *from == at(B) && is_media(bytes)).count();
        assert_eq!(voice > 100, opens, "{row}: {voice} packets of voice");
        assert!(world.net.seen.iter().all(|(.., bytes)| (8..=13).contains(&bytes[0])), "{row}: in the clear");
    }
}
