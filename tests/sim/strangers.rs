//! Who was not called: rings at most, hears little, is told no more than it said.

use std::time::{Duration, Instant};

use proptest::prelude::*;
use voicetui::call::{CallState, Downlink, DownlinkConfig, Identity, Reason};
use voicetui::units::{Format, Ssrc};
use voicetui::wire::app::{self, CallWord, Tlv};
use voicetui::wire::rtcp;

use crate::formats::{rtp_packets, rtp_stream, seed_stream};
use crate::net::Link;
use crate::sound::rms;
use crate::world::{A, B, C, World, at};

use rand::SeedableRng;
use rand::rngs::StdRng;
use zeroize::Zeroizing;

const SECOND: Duration = Duration::from_secs(1);
const F: &str = "10.0.0.9:40000";

/// What a voicetui says, forged or not.
pub fn control(ssrc: u32, word: CallWord, ours: u32, yours: u32) -> Vec<u8> {
    let mut body = [0; 64];
    let mut statements = app::Writer::new(&mut body);
    statements.put(Tlv::State(word)).and_then(|()| statements.put(Tlv::Leg { ours, yours })).expect("room");
    let length = statements.finish();
    let mut out = [0; 256];
    let mut writer = rtcp::Writer::new(&mut out);
    let wrote = writer.receiver_report(Ssrc(ssrc), &[]).and_then(|()| writer.sdes(Ssrc(ssrc), "0123456789abcdef", None));
    wrote.and_then(|()| writer.app(Ssrc(ssrc), app::NAME, &body[..length])).expect("room");
    let len = writer.finish();
    out[..len].to_vec()
}

fn listening(seed: u64) -> World {
    let mut world = World::new(seed, Link::IDEAL);
    world.add(A, |_| ());
    world.nodes[0].keeps = true;
    world
}

#[test]
fn five_datagrams_ring_once_and_one_never() {
    let mut world = listening(1);
    rtp_stream(&mut world, F, A, 1, 0..4);
    world.run(2 * SECOND);
    assert_eq!(world.nodes[0].rings(), 0);
    rtp_stream(&mut world, F, A, 1, 4..300);
    assert_eq!((world.nodes[0].rings(), world.nodes[0].state()), (1, CallState::Ringing));
    assert_eq!(rms(&world.nodes[0].heard), 0.0, "and is not heard");
    assert_eq!(world.nodes[0].downlink.net().dropped_stranger, 300);
}

#[test]
fn a_declined_stream_stays_quiet_as_long_as_it_goes_on() {
    let mut world = listening(2);
    rtp_stream(&mut world, F, A, 1, 0..20);
    world.decline(0);
    rtp_packets(&mut world, F, A, 97, (0..9_000).map(|n| (1, n as u16, n * 480)));
    assert_eq!(world.nodes[0].rings(), 1);
    rtp_packets(&mut world, "10.0.0.9:41000", A, 97, (0..100).map(|n| (2, n as u16, n * 480)));
    assert_eq!(world.nodes[0].rings(), 1, "nor from another port");
    world.run(61 * SECOND);
    rtp_stream(&mut world, F, A, 3, 0..20);
    assert_eq!(world.nodes[0].rings(), 2);
    assert_eq!(rms(&world.nodes[0].heard), 0.0);
}

#[test]
fn a_hung_up_stream_that_goes_on_rings_nobody() {
    let mut world = listening(3);
    seed_stream(&mut world, F, A, 20);
    world.answer(0);
    seed_stream(&mut world, F, A, 20);
    world.hang_up(0);
    seed_stream(&mut world, F, A, 2_000);
    assert_eq!(world.nodes[0].rings(), 1);
}

#[test]
fn a_ring_that_stops_before_its_answer_is_a_missed_call() {
    let mut world = listening(4);
    seed_stream(&mut world, F, A, 20);
    world.run(6 * SECOND);
    assert!(world.nodes[0].ended(Reason::Missed));
    assert_eq!(world.nodes[0].missed(), [F]);
}

#[test]
fn allow_unsealed_hears_open_audio_without_ringing() {
    let mut world = World::new(5, Link::IDEAL);
    world.add(A, |config| config.allow_unsealed = true);
    world.nodes[0].keeps = true;
    rtp_stream(&mut world, F, A, 1, 0..100);
    assert_eq!(world.nodes[0].state(), CallState::Live);
    assert!(rms(&world.nodes[0].heard) > 0.005);
    assert!(world.nodes[0].controls.on_air(world.now).is_none());
}

#[test]
fn no_answer_is_longer_than_its_question_and_none_comes_unasked() {
    for word in CallWord::ALL {
        for yours in [0, 77] {
            let mut world = World::new(6, Link::IDEAL);
            world.add(A, |config| config.name = "A name of some length, to be told to friends".into());
            world.listen(F);
            for n in 0..200u32 {
                let question = control(9, word, 5, yours);
                world.send(F, A, &question);
                world.run(Duration::from_millis(100));
                let (asked, told) = (n as usize + 1, world.inbox(F).len());
                assert!(told <= asked, "{word:?}: {told} answers to {asked}");
                assert!(world.inbox(F).iter().all(|arrived| arrived.len() <= question.len()), "{word:?}");
                if n == 100 && world.nodes[0].state() == CallState::Ringing {
                    world.decline(0);
                }
            }
            world.run(120 * SECOND);
            assert!(world.inbox(F).len() <= 200, "{word:?}: nothing more once it is silent");
        }
    }
}

#[test]
fn a_crowd_of_callers_rings_no_more_often_than_people_call() {
    let mut world = listening(16);
    // Each calls, goes, and the next calls: 5,000 of them in ten seconds.
    for n in 0..5_000u32 {
        let from = format!("10.0.0.9:{}", 20_000 + n);
        for word in [CallWord::Calling, CallWord::Calling, CallWord::Ended] {
            world.send(&from, A, &control(n, word, 0, n + 1));
        }
        world.run(Duration::from_millis(2));
    }
    let rings = world.nodes[0].rings();
    assert!((1..=20).contains(&rings), "{rings} rings");
    assert!(world.nodes[0].missed().len() <= 20 + 12, "{} missed calls", world.nodes[0].missed().len());
}

#[test]
fn after_a_hang_up_a_question_brings_no_longer_answer() {
    let mut world = World::new(17, Link::IDEAL);
    world.add(A, |config| config.name = "A name of some length, to be told to friends".into());
    world.listen(F);
    world.dial(0, F, None);
    world.run(SECOND);
    world.hang_up(0);
    world.run(Duration::from_millis(50));
    let before: usize = world.inbox(F).iter().map(Vec::len).sum();
    let mut asked = 0;
    for _ in 0..300 {
        let mut out = [0; 64];
        let mut writer = rtcp::Writer::new(&mut out);
        writer.receiver_report(Ssrc(3), &[]).and_then(|()| writer.app(Ssrc(3), app::NAME, &[])).expect("room");
        let len = writer.finish();
        asked += len;
        world.send(F, A, &out[..len]);
        world.run(Duration::from_millis(1));
    }
    let told = world.inbox(F).iter().map(Vec::len).sum::<usize>() - before;
    // Its own farewells, said a few times unasked, come on top.
    assert!(told <= asked + 4 * 512, "{told} bytes for {asked}");
}

#[test]
fn a_goodbye_from_elsewhere_does_not_end_a_call_to_somebody_who_only_listens() {
    let mut world = World::new(18, Link::IDEAL);
    world.add(A, |_| ());
    world.dial(0, F, None);
    world.run(SECOND);
    let mut out = [0; 64];
    let mut writer = rtcp::Writer::new(&mut out);
    writer.receiver_report(Ssrc(3), &[]).and_then(|()| writer.bye(Ssrc(3), None)).expect("room");
    let len = writer.finish();
    world.send("10.0.0.9:41234", A, &out[..len]);
    world.run(3 * SECOND);
    assert_eq!(world.nodes[0].state(), CallState::Live);
    world.send(F, A, &out[..len]);
    world.run(3 * SECOND);
    assert!(world.nodes[0].ended(Reason::PeerHungUp));
}

#[test]
fn media_is_never_answered_before_the_user_does() {
    let mut world = listening(7);
    world.listen(F);
    world.listen("10.0.0.9:5005");
    rtp_stream(&mut world, F, A, 1, 0..300);
    seed_stream(&mut world, F, A, 100);
    world.run(10 * SECOND);
    assert!(world.inbox(F).is_empty() && world.inbox("10.0.0.9:5005").is_empty());
}

#[test]
fn forged_words_from_elsewhere_or_about_another_call_end_nothing() {
    let mut world = World::call(8, Link::IDEAL);
    for word in [CallWord::Ended, CallWord::Declined, CallWord::Busy] {
        // From another machine; from the right one, about no call, and about a wrong one.
        for (from, yours) in [("10.0.0.66:5005", 0), ("10.0.0.66:5005", 1), (B, 0), (B, 0xbad)] {
            world.send(from, A, &control(1, word, 7, yours));
            world.run(SECOND);
            assert_eq!(world.nodes[0].state(), CallState::Live, "{word:?} from {from} about {yours}");
        }
    }
}

#[test]
fn who_believes_in_a_call_that_is_not_is_told_so() {
    let mut world = World::call(9, Link::LAN);
    // B's end of the call vanishes without a word.
    world.nodes[1] = World::pair(9, Link::LAN).nodes.remove(1);
    let (mic, card) = (world.nodes[0].mic.next_at(), world.nodes[0].card.next_at());
    world.run_until(5 * SECOND, |world| world.nodes[0].ended(Reason::PeerHungUp));
    assert!(world.nodes[0].ended(Reason::PeerHungUp), "{mic:?} {card:?} {:?}", world.nodes[0].states);
}

#[test]
fn a_flood_leaves_the_call_as_it_was() {
    let mut world = World::call(10, Link::IDEAL);
    world.nodes[0].key(true);
    world.run(SECOND);
    let before = world.nodes[1].downlink.report(world.nodes[1].only()).received_packets;
    let started = Instant::now();
    // A second of 100,000 datagrams from ten thousand addresses, all formats, while the call goes on.
    let mut datagrams = vec![control(3, CallWord::Calling, 3, 0), vec![0x80; 100], vec![0; 2_048], vec![7; 300]];
    datagrams.push([&[0x80, 111, 0, 1, 0, 0, 0, 0, 0, 0, 0, 9][..], &[0xf8; 40]].concat());
    for n in 0..100_000u32 {
        let from = format!("10.9.{}.{}:{}", n / 256 % 40, n % 256, 1_000 + n % 7);
        let now = world.now;
        world.nodes[1].receive(now, at(&from), &datagrams[n as usize % 5], &mut world.net);
        if n % 1_000 == 0 {
            world.run(Duration::from_millis(10));
        }
    }
    assert!(started.elapsed() < 20 * SECOND, "{:?}", started.elapsed());
    world.run(Duration::from_millis(100));
    let live = world.nodes[1].peer(A);
    let after = world.nodes[1].downlink.report(live).received_packets;
    assert!((105..=120).contains(&(after - before)), "{}", after - before);
    assert!(world.nodes[1].rings() <= 4 && world.nodes[1].missed().len() <= 3, "rings: {}", world.nodes[1].rings());
    assert_eq!(world.nodes[1].states[&live], CallState::Live);
}

#[test]
fn a_peer_that_floods_harms_only_itself() {
    let mut world = World::call(11, Link::IDEAL);
    let c = world.add(C, |config| config.answer_all = true);
    world.dial(1, C, None);
    world.run(SECOND);
    world.nodes[1].keeps = true;
    world.nodes[0].key(true);
    let packet = |seq: u16| {
        let mut bytes = vec![0x80, 111, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9];
        bytes[2..4].copy_from_slice(&seq.to_be_bytes());
        bytes.extend([0xf8; 40]);
        bytes
    };
    for n in 0..100_000u32 {
        let now = world.now;
        world.nodes[1].receive(now, at(C), &packet(n as u16), &mut world.net);
        if n % 1_000 == 0 {
            world.run(Duration::from_millis(10));
        }
    }
    let id = world.nodes[1].peer(A);
    let report = world.nodes[1].downlink.report(id);
    assert!((98..=108).contains(&report.received_packets) && report.lost_packets == 0, "{report:?}");
    assert!(world.nodes[1].dropped_full > 50_000, "what finds no room is counted");
    assert_eq!(world.nodes[c].state(), CallState::Live);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Whatever comes from wherever: no panic, nothing to hear from a stranger, no more answered than was asked.
    #[test]
    fn any_datagrams_from_anybody_are_survived(
        datagrams in proptest::collection::vec((0u8..4, proptest::collection::vec(any::<u8>(), 0..200), 0u8..4), 1..60)
    ) {
        let start = Instant::now();
        let mut config = DownlinkConfig::new(start, Duration::ZERO, Identity::new(Zeroizing::new([7; 32])));
        config.bound = at(A);
        config.format = Format::Rtp;
        let mut downlink = Downlink::new(config, StdRng::seed_from_u64(1));
        let called = downlink.call(start, B, None).expect("a call");
        let mut now = start;
        let mut buffer = [0; 1_500];
        while downlink.poll_transmit(&mut buffer).is_some() {}
        for (who, mut bytes, shape) in datagrams {
            now += Duration::from_millis(20);
            match (shape, bytes.first_chunk_mut()) {
                (1, Some(first)) => *first = [0x80, 111],
                (2, Some(first)) => *first = [0x81, 200],
                (3, _) => bytes = control(5, CallWord::ALL[bytes.len() % 6], 5, 0),
                _ => {}
            }
            let from = [B, C, "10.0.0.2:9", "10.0.0.66:1"][usize::from(who)];
            let mut heard = Vec::new();
            downlink.handle_datagram(now, at(from), &bytes, &mut |id, _| heard.push(id));
            prop_assert!(heard.iter().all(|id| *id == called));
            while let Some((to, len)) = downlink.poll_transmit(&mut buffer) {
                prop_assert!(to.ip() == at(B).ip() || (to == at(from) && len <= bytes.len()), "{to} {len}");
            }
            while downlink.poll_event().is_some() {}
        }
    }
}
