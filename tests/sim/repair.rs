//! Sound that survives the network: copies, retransmissions, and a rate that fits the way.

use std::time::Duration;

use voicetui::call::{SendReason, Sending};
use voicetui::playout::{Delay, Origin};
use voicetui::units::{Seq, Ssrc};
use voicetui::wire::rtcp::Writer;
use voicetui::wire::rtp;

use crate::net::{Link, Loss};
use crate::world::{A, B, World, at};

const SECOND: Duration = Duration::from_secs(1);

/// Loss in bursts of `mean` packets, `share` of all.
fn bursts(share: f64, mean: f64) -> Loss {
    Loss::Bursts { enter: share / (1.0 - share) / mean, leave: 1.0 / mean, inside: 1.0 }
}

/// What became of A's voice at B since it was last asked.
#[derive(Default, Debug)]
struct Tally {
    expected: u64,
    arrived: usize,
    voice: u64,
    concealed: u64,
    bits: u64,
}

impl Tally {
    fn of(world: &World) -> Self {
        let node = &world.nodes[1];
        let (report, meters) = (node.downlink.report(node.only()), node.meters.peer(node.only()));
        let (datagrams, bytes) = world.net.sent[&(at(A), at(B))];
        Self {
            expected: report.received_packets + report.lost_packets,
            arrived: node.arrived.len(),
            voice: meters.voice_samples.get(),
            concealed: meters.concealed_samples.get(),
            bits: 8 * (bytes + 28 * datagrams),
        }
    }

    /// Percent not repaired, percent concealed, kbit/s over `seconds`.
    fn since(&self, before: &Self, seconds: f64) -> (f64, f64, f64) {
        let expected = (self.expected - before.expected) as f64;
        let share = |part: f64, of: f64| 100.0 * part / of.max(1.0);
        (
            share(expected - (self.arrived - before.arrived) as f64, expected),
            share((self.concealed - before.concealed) as f64, (self.voice - before.voice) as f64),
            (self.bits - before.bits) as f64 / seconds / 1_000.0,
        )
    }
}

fn sending(world: &World) -> Sending {
    let node = &world.nodes[0];
    node.downlink.report(node.only()).sending.expect("it sends")
}

/// A talks for a minute over `link`, from the call's first moment: not repaired, concealed, kbit/s.
fn minute(seed: u64, link: Link) -> (World, (f64, f64, f64)) {
    let mut world = World::call(seed, link);
    let before = Tally::of(&world);
    world.nodes[0].key(true);
    world.run(60 * SECOND);
    let figures = Tally::of(&world).since(&before, 60.0);
    (world, figures)
}

#[test]
fn independent_losses_are_repaired_within_300_kbit() {
    for (share, most) in [(0.05, 0.1), (0.1, 0.5), (0.2, 2.0)] {
        for seed in 500..502 {
            let link =
                Link { delay: Duration::from_millis(20), jitter: Duration::from_millis(4), loss: Loss::Random(share), ..Link::IDEAL };
            let (world, (missing, concealed, kbit)) = minute(seed, link);
            let now = sending(&world);
            println!("{share}, seed {seed}: {missing:.3} % not repaired, {concealed:.3} % concealed, {kbit:.0} kbit/s, {now:?}");
            assert!(missing <= most, "{share}, seed {seed}: {missing} %");
            assert!(kbit <= 300.0 && now.bitrate > 40_000 && now.frame_ms == 10, "{share}, seed {seed}: {kbit} kbit/s, {now:?}");
            assert_eq!((now.reason, now.spacing), (SendReason::Loss, 1), "{share}, seed {seed}");
        }
    }
}

#[test]
fn losses_in_bursts_bring_copies_from_farther_back_and_no_farther_than_60_ms() {
    for seed in 510..513 {
        let link = Link { delay: Duration::from_millis(20), loss: bursts(0.1, 4.0), ..Link::IDEAL };
        let (world, (missing, concealed, kbit)) = minute(seed, link);
        let now = sending(&world);
        println!("seed {seed}: {missing:.2} % not repaired, {concealed:.2} % concealed, {kbit:.0} kbit/s, {now:?}");
        assert!(now.reason == SendReason::Bursts && now.copies >= 3 && now.spacing == 2, "seed {seed}: {now:?}");
        // Of a burst of 4 in the mean, 0.75^6 = 18 % of the packets have no copy within six.
        assert!(missing < 2.6 && kbit <= 300.0, "seed {seed}: {missing} %, {kbit} kbit/s");
    }
}

#[test]
fn a_listener_with_a_long_delay_gets_more_of_a_burst_back() {
    let link = Link { delay: Duration::from_millis(20), loss: bursts(0.1, 4.0), ..Link::IDEAL };
    let mut world = World::pair(520, link);
    world.nodes[1].playout.delay = Delay::Fixed(90);
    world.dial(0, B, None);
    world.run(2 * SECOND);
    world.nodes[0].key(true);
    world.run(20 * SECOND);
    let before = Tally::of(&world);
    world.run(60 * SECOND);
    let (missing, ..) = Tally::of(&world).since(&before, 60.0);
    println!("{missing:.2} % not repaired");
    assert!(missing < 1.5, "{missing}");
}

#[test]
fn on_a_lan_a_lost_packet_is_asked_for_and_comes_again() {
    let link = Link { delay: Duration::from_micros(500), loss: Loss::Random(0.002), ..Link::IDEAL };
    let mut world = World::pair(530, link);
    // Long enough for the round trip and the frame that shows the gap.
    world.nodes[1].playout.delay = Delay::Fixed(30);
    world.dial(0, B, None);
    world.run(2 * SECOND);
    let before = Tally::of(&world);
    world.nodes[0].key(true);
    world.run(60 * SECOND);
    let (missing, concealed, _) = Tally::of(&world).since(&before, 60.0);
    let node = &world.nodes[1];
    let report = node.downlink.report(node.only());
    println!("{:?} {:?}", node.origins, sending(&world));
    let again = node.origins.get(&Origin::Nack).copied().unwrap_or(0);
    println!("{} lost, {again} came again, {missing:.3} % not repaired, {concealed:.3} % concealed", report.lost_packets);
    assert!(again * 2 > report.lost_packets && again > 3, "{again} of {}", report.lost_packets);
    assert!(missing < 0.05 && concealed < 0.1, "{missing} {concealed}");
    assert_eq!(node.downlink.net().dropped_unknown, 0);
}

#[test]
fn a_retransmission_is_no_media_to_the_statistics() {
    let link = Link { delay: Duration::from_millis(1), loss: Loss::Random(0.01), ..Link::IDEAL };
    let mut world = World::call(531, link);
    world.nodes[0].key(true);
    world.run(30 * SECOND);
    let node = &world.nodes[1];
    let report = node.downlink.report(node.only());
    let share = report.lost_packets as f64 / (report.lost_packets + report.received_packets) as f64;
    assert!((0.006..0.015).contains(&share), "{share}: the loss is the network's");
    assert_eq!(report.reordered_packets, 0);
}

/// The header of the newest media packet that `from` sent.
fn newest(world: &World, from: &str) -> rtp::Header {
    let of = |(sender, _, bytes): &(_, _, Vec<u8>)| {
        let header = rtp::Packet::parse(bytes).ok().filter(|packet| !(64..96).contains(&packet.header.payload_type))?.header;
        (*sender == at(from) && header.payload_type != rtp::RTX_PT).then_some(header)
    };
    world.net.seen.iter().rev().find_map(of).expect("it has spoken")
}

fn nack(from: Ssrc, media: Ssrc, first: u16, count: u16) -> Vec<u8> {
    let lost: Vec<Seq> = (0..count).map(|n| Seq(first.wrapping_add(n))).collect();
    let mut out = [0; 1_200];
    let mut writer = Writer::new(&mut out);
    writer.nack(from, media, &lost).expect("room");
    let len = writer.finish();
    out[..len].to_vec()
}

#[test]
fn requests_of_strangers_and_for_other_streams_bring_nothing_and_floods_bring_little() {
    let mut world = World::call(540, Link::LAN);
    world.net.tapped = true;
    world.nodes.iter().for_each(|node| node.key(true));
    world.run(2 * SECOND);
    let (ours, theirs) = (newest(&world, A).ssrc, newest(&world, B).ssrc);
    let resent = |world: &World| world.net.seen.iter().filter(|(.., bytes)| is_rtx(bytes)).count();
    assert_eq!(resent(&world), 0);
    // A stranger, who even knows the names; the peer, of another stream; the peer, under another name.
    for (from, name, media) in [("10.0.0.66:5005", theirs, ours), (B, theirs, Ssrc(7)), (B, Ssrc(8), ours)] {
        let seq = newest(&world, A).seq.0;
        world.send(from, A, &nack(name, media, seq.wrapping_sub(8), 8));
        world.run(SECOND);
        assert_eq!(resent(&world), 0, "{from} {name:?} {media:?}");
    }
    // The peer itself, asking for all there is a thousand times a second.
    let before = media_bytes(&world);
    for _ in 0..5_000 {
        let seq = newest(&world, A).seq.0;
        world.send(B, A, &nack(theirs, ours, seq.wrapping_sub(20), 400));
        world.run(Duration::from_millis(1));
    }
    let again: usize = world.net.seen.iter().filter(|(.., bytes)| is_rtx(bytes)).map(|(.., bytes)| bytes.len()).sum();
    let (count, media) = (resent(&world), media_bytes(&world) - before);
    println!("{count} packets and {again} bytes again beside {media}");
    assert!(again <= media / 5 + 5_000 && count <= 5 * 60 + 30, "{count} packets, {again} of {media} bytes");
    assert!(count > 0, "an honest request is answered");
    assert!(world.net.seen.iter().filter(|(.., bytes)| is_rtx(bytes)).all(|(from, to, _)| *from != at(A) || *to == at(B)));
}

fn is_rtx(bytes: &[u8]) -> bool {
    rtp::Packet::parse(bytes).is_ok_and(|packet| packet.header.payload_type == rtp::RTX_PT)
}

fn media_bytes(world: &World) -> usize {
    let is_media =
        |bytes: &[u8]| rtp::Packet::parse(bytes).is_ok_and(|packet| [rtp::OPUS_PT, rtp::RED_PT].contains(&packet.header.payload_type));
    let media = world.net.seen.iter().filter(|(from, _, bytes)| *from == at(A) && is_media(bytes));
    media.map(|(.., bytes)| bytes.len()).sum()
}

#[test]
fn when_losses_end_the_copies_go() {
    let lossy = Link { loss: Loss::Random(0.1), ..Link::LAN };
    let mut world = World::call(550, lossy);
    world.nodes[0].key(true);
    world.run(20 * SECOND);
    assert!(sending(&world).copies >= 3, "{:?}", sending(&world));
    world.net.link = Link::LAN;
    world.run(20 * SECOND);
    let now = sending(&world);
    assert!(now.reason == SendReason::Easing && now.copies > 0, "{now:?}");
    world.run(20 * SECOND);
    let now = sending(&world);
    assert_eq!((now.copies, now.bitrate, now.frame_ms, now.reason), (0, 64_000, 10, SendReason::Clean));
}

#[test]
fn a_narrow_way_is_talked_through_and_its_end_brings_the_full_voice_back() {
    for (rate, delay_ms, seed) in [(100_000.0, 15, 560), (40_000.0, 15, 561), (60_000.0, 15, 562), (50_000.0, 25, 563), (65_000.0, 25, 564)]
    {
        let wide = Link { delay: Duration::from_millis(delay_ms), ..Link::IDEAL };
        let mut world = World::call(seed, wide);
        world.nodes[0].key(true);
        world.run(5 * SECOND);
        world.net.links.insert((at(A), at(B)), Link { rate_bps: Some(rate), ..wide });
        world.run(8 * SECOND);
        let before = Tally::of(&world);
        world.run(40 * SECOND);
        let (missing, concealed, kbit) = Tally::of(&world).since(&before, 40.0);
        let (now, rtt) = (sending(&world), world.nodes[0].downlink.report(world.nodes[0].only()).rtt_ms);
        println!("{rate}: {missing:.2} % missing, {concealed:.2} % concealed, {kbit:.0} kbit/s, rtt {rtt:?}, {now:?}");
        assert!(concealed < 5.0 && missing < 3.0, "{rate}: {missing} % missing, {concealed} % concealed");
        assert_eq!(now.reason, if rate < 90_000.0 { SendReason::Narrow } else { SendReason::Clean }, "{rate}");
        assert!(rtt.is_some_and(|rtt| rtt < 150.0), "{rate}: {rtt:?}");
        world.net.links.clear();
        let back = world.run_until(120 * SECOND, |world| {
            let now = sending(world);
            (now.bitrate, now.frame_ms, now.reason) == (64_000, 10, SendReason::Clean)
        });
        println!("{rate}: back: {back}, {:?}", sending(&world));
        assert!(back, "{rate}: {:?}", sending(&world));
    }
}

#[test]
fn losses_and_jitter_are_not_taken_for_a_narrow_way() {
    for seed in 570..576 {
        let harmed = Link { delay: Duration::from_millis(20), jitter: Duration::from_millis(100), loss: Loss::Random(0.3), ..Link::IDEAL };
        let mut world = World::call(seed, Link::LAN);
        world.net.link = harmed;
        world.nodes[0].key(true);
        world.run(5 * SECOND);
        let before = Tally::of(&world);
        let mut narrow = 0;
        for second in 0..60 {
            // A pause now and then: what few packets there are in it say little.
            world.nodes[0].key(second % 12 != 11);
            world.run(SECOND);
            narrow += usize::from(sending(&world).reason == SendReason::Narrow);
        }
        let (_, concealed, kbit) = Tally::of(&world).since(&before, 55.0);
        println!("seed {seed}: narrow for {narrow} s, {concealed:.2} % concealed, {kbit:.0} kbit/s");
        assert!(narrow <= 6 && concealed < 5.0, "seed {seed}: narrow for {narrow} s, {concealed} % concealed");
    }
}
