//! What is seen best from inside; whole calls are in `tests/sim`.

use std::time::Duration;

use rand::SeedableRng;

use super::*;
use crate::playout::Origin;
use crate::session::Identity;
use crate::units::{RtpTime, Seq};
use crate::wire::{red, rtp};

const PEER: &str = "10.0.0.2:5005";

fn identity() -> Identity {
    Identity::new(zeroize::Zeroizing::new([7; 32]))
}

struct Bench {
    downlink: Downlink,
    now: Instant,
    heard: Vec<(PeerId, Packet)>,
}

impl Bench {
    fn calling() -> Self {
        let now = Instant::now();
        let mut downlink = Downlink::new(DownlinkConfig::new(now, Duration::from_secs(1), identity()), StdRng::seed_from_u64(3));
        downlink.call(now, PEER, Some(Format::Rtp)).expect("a call");
        Self { downlink, now, heard: Vec::new() }
    }

    fn receive(&mut self, seq: u16, payload_type: u8, payload: &[u8]) {
        let header = rtp::Header { payload_type, marker: false, seq: Seq(seq), time: RtpTime(u32::from(seq) * 480), ssrc: Ssrc(1) };
        let datagram = [&header.to_bytes()[..], payload].concat();
        self.now += Duration::from_millis(10);
        let from = PEER.parse().expect(PEER);
        self.downlink.handle_datagram(self.now, from, &datagram, &mut |id, packet| self.heard.push((id, packet)));
    }

    fn numbers(&self) -> Vec<(u64, u32, Origin)> {
        self.heard.iter().map(|(_, packet)| (packet.seq.0 - (1 << 16), packet.time.0 / 480, packet.origin)).collect()
    }
}

/// An Opus packet of 10 ms.
const OPUS: &[u8] = &[0xf0, 1, 2, 3, 4];

fn with_copies(copies: u16) -> Vec<u8> {
    let mut out = [0; 200];
    let blocks = (0..=copies).rev().map(|n| red::Block { payload_type: 111, offset: n * 480, payload: OPUS });
    let len = red::pack(&mut out, blocks.collect::<Vec<_>>()).expect("RED");
    out[..len].to_vec()
}

#[test]
fn the_packet_that_waited_for_its_proof_is_heard_first() {
    let mut bench = Bench::calling();
    bench.receive(7, 111, OPUS);
    assert!(bench.heard.is_empty());
    bench.receive(8, 111, OPUS);
    assert_eq!(bench.numbers(), [(7, 7, Origin::Media), (8, 8, Origin::Media)]);
    assert!(bench.heard[0].1.arrival < bench.heard[1].1.arrival, "each has its own arrival");
    assert_eq!(bench.heard[0].1.stream, bench.heard[1].1.stream);
}

#[test]
fn of_copies_only_those_that_are_missing_are_handed_on() {
    let mut bench = Bench::calling();
    for seq in 0..4 {
        bench.receive(seq, rtp::RED_PT, &with_copies(seq.min(2)));
    }
    assert!(bench.numbers().iter().all(|(.., origin)| *origin == Origin::Media));
    bench.heard.clear();
    // 4 and 5 are lost.
    bench.receive(6, rtp::RED_PT, &with_copies(2));
    assert_eq!(bench.numbers(), [(4, 4, Origin::Red), (5, 5, Origin::Red), (6, 6, Origin::Media)]);
}

#[test]
fn a_keepalive_has_a_number_and_no_sound() {
    let mut bench = Bench::calling();
    for seq in 0..3 {
        bench.receive(seq, 111, OPUS);
    }
    bench.receive(3, 111, &[]);
    bench.receive(4, 111, OPUS);
    assert_eq!(bench.heard.len(), 4);
    let id = PeerId::new(0).expect("a slot");
    assert_eq!(bench.downlink.report(id).lost_packets, 0);
}

#[test]
fn telephone_events_are_not_mistaken_for_opus() {
    let mut bench = Bench::calling();
    for seq in 0..3 {
        bench.receive(seq, 111, OPUS);
    }
    bench.receive(3, 101, &[5, 0x0a, 0, 160]);
    assert_eq!(bench.heard.len(), 3);
    assert_eq!(bench.downlink.net().dropped_unknown, 1);
}

#[test]
fn the_first_datagram_of_a_call_fits_what_a_stranger_may_be_told() {
    let mut bench = Bench::calling();
    let mut buffer = [0; 1_500];
    let (_, asked) = bench.downlink.poll_transmit(&mut buffer).expect("the call");
    let config = DownlinkConfig::new(bench.now, Duration::from_secs(1), identity());
    let mut other = Downlink::new(config, StdRng::seed_from_u64(4));
    let caller = "10.0.0.1:5005".parse().expect("an address");
    for _ in 0..2 {
        other.handle_datagram(bench.now, caller, &buffer[..asked], &mut |_, _| panic!("nothing to hear"));
    }
    let mut answer = [0; 1_500];
    let (to, told) = other.poll_transmit(&mut answer).expect("an answer");
    assert!(to == caller && told <= asked, "{told} bytes to {asked}");
}

#[test]
fn reports_to_others_are_spread_around_five_seconds() {
    assert_eq!(report::foreign_interval(0.0), Duration::from_secs_f64(2.5 / (std::f64::consts::E - 1.5)));
    assert!(report::foreign_interval(1.0) < Duration::from_secs(7));
}

#[test]
fn no_secret_is_printed() {
    let now = Instant::now();
    let mut config = DownlinkConfig::new(now, Duration::ZERO, Identity::new(zeroize::Zeroizing::new([0xab; 32])));
    config.local.psk = zeroize::Zeroizing::new([0xcd; 32]);
    let mut downlink = Downlink::new(config.clone(), StdRng::seed_from_u64(1));
    downlink.call(now, "10.0.0.9:5005", Some(Format::Sealed)).expect("a call");
    for text in [format!("{config:?} {downlink:?}"), format!("{config:#?} {downlink:#?}")] {
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
        assert!(["abab", "171, 171", "cdcd", "205, 205"].iter().all(|secret| !text.contains(secret)), "{text}");
    }
}
