//! What is spoken: seed PCM both ways, open RTP as other programs send it, payload types, NATs.

use std::time::Duration;

use voicetui::call::{CallState, Event};
use voicetui::units::{Format, RtpTime, SEED_BYTES, Seq, Ssrc};
use voicetui::wire::rtp::{self, Header};

use crate::net::Link;
use crate::sound::{Coder, lag, rms, voice};
use crate::world::{A, B, World, at};

const SECOND: Duration = Duration::from_secs(1);
const F: &str = "10.0.0.9:40000";

/// A foreign program sends Opus packets `range` of 10 ms each, in real time.
pub fn rtp_stream(world: &mut World, from: &str, to: &str, ssrc: u32, range: std::ops::Range<u32>) {
    rtp_packets(world, from, to, 97, range.map(|n| (ssrc, n as u16, n * 480)));
}

/// Packets of (SSRC, sequence, time), one each 10 ms.
pub fn rtp_packets(world: &mut World, from: &str, to: &str, payload_type: u8, packets: impl Iterator<Item = (u32, u16, u32)>) {
    let Coder::Cached { packets: payloads, .. } = Coder::cached() else { unreachable!("a cached coder is cached") };
    for (n, (ssrc, seq, time)) in packets.enumerate() {
        let header = Header { payload_type, marker: n == 0, seq: Seq(seq), time: RtpTime(time), ssrc: Ssrc(ssrc) };
        let datagram = [&header.to_bytes()[..], &payloads[n % payloads.len()]].concat();
        world.send(from, to, &datagram);
        world.run(Duration::from_millis(10));
    }
}

/// A seed script sends `count` blocks in real time.
pub fn seed_stream(world: &mut World, from: &str, to: &str, count: u64) {
    for block in 0..count {
        let sample = |n: u64| (voice((block * 1_024 + n) * 480 / 441) * 32_767.0) as i16;
        let bytes: Vec<u8> = (0..1_024).flat_map(|n| sample(n).to_le_bytes()).collect();
        world.send(from, to, &bytes);
        world.run(Duration::from_micros(23_220));
    }
}

#[test]
fn a_pcm_call_sends_the_seeds_datagrams_at_once_and_nothing_else() {
    let mut world = World::new(1, Link::IDEAL);
    world.add(A, |_| ());
    world.listen("10.0.0.7:5005");
    world.dial(0, "10.0.0.7", Some(Format::Pcm));
    assert_eq!(world.nodes[0].state(), CallState::Live);
    world.run(SECOND);
    assert!(world.inbox("10.0.0.7:5005").is_empty(), "no control disturbs a seed receiver");
    world.nodes[0].keeps = true;
    world.nodes[0].key(true);
    world.run(2 * SECOND);
    world.nodes[0].key(false);
    world.run(SECOND);
    let inbox = world.inbox("10.0.0.7:5005");
    assert!((88..=91).contains(&inbox.len()), "{} blocks in 2.07 s", inbox.len());
    assert!(inbox.iter().all(|arrived| arrived.len() == SEED_BYTES));
    let samples: Vec<f32> = inbox
        .iter()
        .flat_map(|arrived| arrived.chunks(2).map(|pair| f32::from(i16::from_le_bytes([pair[0], pair[1]])) / 32_768.0))
        .collect();
    // Back to 48 kHz, coarsely, to compare.
    let heard: Vec<f32> = (0..48_000).map(|n| samples[n * 441 / 480]).collect();
    let (_, score) = lag(&world.nodes[0].said[..40_000], &heard, 7_200);
    assert!(score > 0.9, "the voice, whole: {score}");
}

#[test]
fn a_seed_sender_rings_is_heard_once_answered_and_is_answered_on_the_seeds_port() {
    let mut world = World::new(2, Link::LAN);
    world.add(A, |_| ());
    world.nodes[0].keeps = true;
    world.listen("10.0.0.7:5005");
    seed_stream(&mut world, "10.0.0.7:51000", A, 40);
    assert_eq!(world.nodes[0].state(), CallState::Ringing);
    assert_eq!(rms(&world.nodes[0].heard), 0.0);
    world.answer(0);
    world.nodes[0].key(true);
    seed_stream(&mut world, "10.0.0.7:51000", A, 100);
    let heard = &world.nodes[0].heard;
    assert!(rms(&heard[heard.len() - 48_000..]) > 0.02);
    assert!(world.inbox("10.0.0.7:5005").len() > 90);
    assert!(world.inbox("10.0.0.7:5005").iter().all(|arrived| arrived.len() == SEED_BYTES));
    let report = world.nodes[0].downlink.report(world.nodes[0].only());
    assert_eq!((report.received_packets, report.received_bytes), (100, 100 * SEED_BYTES as u64));
}

#[test]
fn an_answered_stream_that_changes_its_format_is_answered_in_the_new_one() {
    let mut world = World::new(9, Link::LAN);
    world.add(A, |config| config.answer_all = true);
    world.listen(F);
    seed_stream(&mut world, "10.0.0.9:50000", A, 60);
    world.run(2 * SECOND);
    world.nodes[0].key(true);
    rtp_stream(&mut world, F, A, 9, 0..100);
    let changed = world.nodes[0].events.iter().filter(|(_, event)| matches!(event, Event::Format { format: Format::Rtp, .. }));
    assert_eq!((changed.count(), world.nodes[0].rings()), (1, 1));
    assert!(world.inbox(F).iter().filter(|arrived| rtp::Packet::parse(arrived).is_ok()).count() > 90);
}

#[test]
fn two_voicetuis_speak_pcm_both_ways() {
    let mut world = World::pair(3, Link::LAN);
    world.dial(0, B, Some(Format::Pcm));
    world.nodes.iter_mut().for_each(|node| node.keeps = true);
    world.nodes[0].key(true);
    world.run(2 * SECOND);
    assert_eq!(world.nodes[1].state(), CallState::Live);
    world.nodes[1].key(true);
    world.run(2 * SECOND);
    for node in &world.nodes {
        assert!(rms(&node.heard[node.heard.len() - 48_000..]) > 0.02, "{}", node.address);
    }
}

#[test]
fn pcm_of_any_even_length_is_heard_from_a_peer_called_with_pcm() {
    let mut world = World::new(4, Link::IDEAL);
    world.add(A, |_| ());
    world.dial(0, "10.0.0.7", Some(Format::Pcm));
    for n in 0..50u8 {
        world.send("10.0.0.7:4444", A, &[n; 882]);
        world.run(Duration::from_millis(10));
    }
    let report = world.nodes[0].downlink.report(world.nodes[0].only());
    assert_eq!((report.received_packets, report.received_bytes), (50, 50 * 882));
    assert_eq!(report.frame_ms, Some(10.0));
}

#[test]
fn a_foreign_sender_is_answered_where_it_sends_from_with_its_own_payload_type() {
    let mut world = World::new(5, Link::LAN);
    world.add(A, |config| config.answer_all = true);
    world.listen(F);
    rtp_stream(&mut world, F, A, 9, 0..100);
    assert_eq!(world.nodes[0].state(), CallState::Live);
    world.nodes[0].key(true);
    rtp_stream(&mut world, F, A, 9, 100..200);
    let media = world.inbox(F).iter().filter_map(|arrived| rtp::Packet::parse(arrived).ok());
    let types: Vec<u8> = media.map(|packet| packet.header.payload_type).filter(|pt| !(64..=95).contains(pt)).collect();
    assert!(types.len() > 90 && types.iter().all(|pt| *pt == 97), "{types:?}");
}

#[test]
fn dynamic_types_l16_and_pcmu_are_heard_and_others_are_counted() {
    let mut world = World::new(6, Link::IDEAL);
    world.add(A, |_| ());
    world.dial(0, "10.0.0.9:5004", None);
    let cases = [
        (96, vec![0xf8; 40], true),
        (111, vec![0xf8; 40], true),
        (127, vec![0xf8; 40], true),
        (11, vec![0; 882], true),
        (0, vec![0xff; 160], true),
        (8, vec![0; 160], false),
        (33, vec![0; 188], false),
        (96, vec![0xff, 0x00], false),
    ];
    for (base, (payload_type, payload, heard)) in (0u16..).step_by(100).zip(cases) {
        let dropped = |world: &World| world.nodes[0].downlink.net().dropped_unknown + world.nodes[0].downlink.net().dropped_malformed;
        let before = dropped(&world);
        for n in 0..4u16 {
            let header = Header { payload_type, marker: false, seq: Seq(base + n), time: RtpTime(u32::from(n) * 480), ssrc: Ssrc(7) };
            world.send(F, A, &[&header.to_bytes()[..], &payload].concat());
            world.run(Duration::from_millis(10));
        }
        assert_eq!(dropped(&world) - before, if heard { 0 } else { 4 }, "payload type {payload_type}");
    }
    let report = world.nodes[0].downlink.report(world.nodes[0].only());
    assert_eq!(report.received_packets, 5 * 4);
}

#[test]
fn a_called_machine_may_answer_from_any_port() {
    let mut world = World::new(7, Link::IDEAL);
    world.add(A, |_| ());
    world.nodes[0].keeps = true;
    world.dial(0, "10.0.0.9:5004", None);
    rtp_stream(&mut world, "10.0.0.9:33333", A, 3, 0..100);
    assert_eq!(world.nodes[0].rings(), 0);
    assert_eq!(world.nodes[0].downlink.report(world.nodes[0].only()).received_packets, 100);
    assert!(rms(&world.nodes[0].heard) > 0.005);
}

#[test]
fn a_caller_behind_a_nat_is_talked_to_through_it_even_when_the_port_moves() {
    let mut world = World::new(8, Link::LAN);
    world.add("192.168.1.5:5005", |_| ());
    world.add(B, |config| config.answer_all = true);
    world.net.nat.insert(at("192.168.1.5:5005"), at("198.51.100.1:61000"));
    world.dial(0, B, None);
    world.run(SECOND);
    world.nodes[1].key(true);
    world.run(SECOND);
    let heard = |world: &World| world.nodes[0].downlink.report(world.nodes[0].only()).received_packets;
    assert!(heard(&world) > 95);
    world.nodes[0].key(true);
    world.net.nat.insert(at("192.168.1.5:5005"), at("198.51.100.1:61777"));
    world.run(2 * SECOND);
    let before = heard(&world);
    world.run(SECOND);
    assert!(heard(&world) - before > 95, "media follows the port of the machine that names the call");
    assert_eq!(world.nodes[1].rings(), 1, "{:?}", world.nodes[1].states);
    let moves = world.nodes[1].events.iter().filter(|(_, event)| matches!(event, Event::Remote { .. }));
    assert_eq!(moves.count(), 1);
}
