//! What others can do to a sealed call: who reads and writes the network, floods, or holds a session of his own.

use std::time::Duration;

use proptest::prelude::*;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use voicetui::call::{CallState, DownlinkConfig, Identity, Local};
use voicetui::session::keys::OVERHEAD;
use voicetui::session::{SessionEvent, SessionId, Sessions};
use voicetui::units::{Format, Seq, Ssrc};
use voicetui::wire::app::{self, CallWord, Tlv};
use voicetui::wire::{rtcp, rtp};
use zeroize::Zeroizing;

use crate::net::Link;
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

/// Somebody with a key and a program of his own.
struct Rogue {
    sessions: Sessions,
    id: SessionId,
}

impl Rogue {
    fn call(world: &mut World, secret: u8) -> Self {
        let local = Local { identity: Identity::new(Zeroizing::new([secret; 32])), psk: Zeroizing::default() };
        let mut sessions = Sessions::new(local, StdRng::seed_from_u64(u64::from(secret)));
        world.listen(C);
        let id = sessions.connect(world.now, at(B), None).expect("a place");
        let mut rogue = Self { sessions, id };
        rogue.run(world, Duration::from_millis(100));
        rogue
    }

    fn run(&mut self, world: &mut World, time: Duration) {
        let end = world.now + time;
        while world.now < end {
            self.sessions.handle_timeout(world.now);
            for mut bytes in std::mem::take(world.inboxes.get_mut(&at(C)).expect("listening")) {
                let _ = self.sessions.handle(world.now, at(B), &mut bytes);
            }
            let mut buffer = [0; 1_200];
            while let Some((_, len)) = self.sessions.poll_transmit(&mut buffer) {
                world.send(C, B, &buffer[..len]);
            }
            world.run(Duration::from_millis(5));
        }
    }

    fn say(&mut self, world: &mut World, write: impl FnOnce(&mut [u8]) -> usize) {
        let mut buffer = [0; 512 + OVERHEAD];
        let len = write(&mut buffer[..512]);
        let sealed = self.sessions.seal_control(self.id, &mut buffer, len);
        if let Some((_, len)) = sealed {
            world.send(C, B, &buffer[..len]);
        }
    }
}

fn words(out: &mut [u8], word: CallWord, ours: u32, yours: u32) -> usize {
    let mut body = [0; 64];
    let mut statements = app::Writer::new(&mut body);
    for statement in [Tlv::State(word), Tlv::Leg { ours, yours }, Tlv::Caps(u32::MAX), Tlv::Ping(9), Tlv::Pong(9)] {
        statements.put(statement).expect("room");
    }
    let len = statements.finish();
    let mut writer = rtcp::Writer::new(out);
    writer.receiver_report(Ssrc(5), &[]).expect("room");
    writer.sdes(Ssrc(5), "rogue", Some("Rogue")).expect("room");
    writer.app(Ssrc(5), app::NAME, &body[..len]).expect("room");
    writer.nack(Ssrc(5), Ssrc(0), &[Seq(0), Seq(1)]).expect("room");
    writer.bye(Ssrc(5), None).expect("room");
    writer.finish()
}

fn media(out: &mut [u8]) -> usize {
    let header = rtp::Header { payload_type: 111, marker: true, seq: Seq(7), time: Default::default(), ssrc: Ssrc(5) };
    out[..12].copy_from_slice(&header.to_bytes());
    out[12..16].copy_from_slice(&[0x78, 1, 2, 3]);
    16
}

/// Whether a datagram carries somebody's voice.
fn is_media(bytes: &[u8]) -> bool {
    (bytes[0] == 11 && bytes[5] & 0x80 == 0) || (bytes[0] & 0xc0 == 0x80 && !(200..=207).contains(&bytes[1])) || bytes.len() == 2_048
}

/// Every word, and media, out of a session and in the open, in every state of the call: no voice leaves this side.
#[test]
fn no_message_in_any_state_puts_the_microphone_on_air() {
    for state in ["idle", "calling", "ringing", "live", "ended"] {
        let mut world = pair(3, false);
        world.net.tapped = true;
        let mut rogue = Rogue::call(&mut world, 77);
        match state {
            "calling" => {
                world.dial(1, C, None);
            }
            "ringing" | "live" | "ended" => {
                rogue.say(&mut world, |out| words(out, CallWord::Calling, 4, 0));
                rogue.run(&mut world, Duration::from_millis(200));
                assert_eq!(world.nodes[1].state(), CallState::Ringing);
                if state != "ringing" {
                    world.answer(1);
                }
                if state == "ended" {
                    world.hang_up(1);
                }
            }
            _ => {}
        }
        for word in CallWord::ALL {
            for yours in [0, 1, u32::MAX] {
                rogue.say(&mut world, |out| words(out, word, 4, yours));
                rogue.say(&mut world, media);
                world.send(C, B, &crate::strangers::control(5, word, 4, yours));
                rogue.run(&mut world, Duration::from_millis(60));
            }
        }
        crate::formats::rtp_stream(&mut world, A, B, 77, 0..20);
        rogue.run(&mut world, SECOND);
        let now = world.now;
        assert_eq!(world.nodes[1].controls.on_air(now), None, "{state}");
        let voice = world.net.seen.iter().filter(|(from, _, bytes)| *from == at(B) && is_media(bytes)).count();
        assert_eq!(voice, 0, "{state}: voice leaves");
        let heard = &world.nodes[1].arrived;
        assert!(state == "live" || heard.is_empty(), "{state}: {} packets were heard", heard.len());
    }
}

/// Handshakes by the thousand, from one address and from many, while somebody talks: all of it is heard.
#[test]
fn a_flood_of_handshakes_leaves_a_running_call_unharmed() {
    let mut world = pair(4, true);
    world.dial(0, B, None);
    world.run(SECOND);
    world.nodes[0].key(true);
    let local = Local { identity: Identity::new(Zeroizing::new([5; 32])), psk: Zeroizing::default() };
    for n in 0..4_000u16 {
        if n % 50 == 0 {
            world.run(Duration::from_millis(100));
        }
        let mut bytes = [0; 118];
        if n % 20 == 0 {
            let mut sessions = Sessions::new(local.clone(), StdRng::seed_from_u64(u64::from(n)));
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

/// A stranger learns the same from a side that is in a call and from one that is not.
#[test]
fn a_stranger_cannot_tell_whether_there_is_a_call() {
    let lengths = |in_call: bool| {
        let mut world = pair(5, true);
        if in_call {
            world.dial(0, B, None);
        }
        world.run(2 * SECOND);
        world.net.tapped = true;
        let mut rogue = Rogue::call(&mut world, 78);
        rogue.say(&mut world, media);
        rogue.say(&mut world, |out| words(out, CallWord::Live, 4, 3));
        rogue.run(&mut world, SECOND);
        let answers = world.net.seen.iter().filter(|(_, to, _)| *to == at(C));
        answers.map(|(.., bytes)| (bytes[0], bytes.len())).collect::<Vec<_>>()
    };
    let (busy, idle) = (lengths(true), lengths(false));
    assert!(!busy.is_empty());
    assert_eq!(busy, idle);
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
