//! What the sender's half promises: spurts, pre-roll, formats, many peers at once.

use std::time::Duration;

use rand::SeedableRng;

use super::*;
use crate::session::Seal;
use crate::units::{FRAME_DURATION, FRAME_SAMPLES, Ssrc};

const A: &str = "10.0.0.1:5005";
const B: &str = "10.0.0.2:6000";

fn id(slot: usize) -> PeerId {
    PeerId::new(slot).expect("a slot")
}

fn plan(address: &str, format: Format) -> SendPlan {
    SendPlan {
        address: address.parse().expect(address),
        format,
        ssrc: Ssrc(address.len() as u32 * 1_000),
        payload_type: rtp::OPUS_PT,
        redundancy: 0,
        reach: 0,
        bitrate: 48_000,
        frame_ms: 10,
        expected_loss_percent: 0,
        seal: Seal::Clear,
        steady_bytes: 0,
        from_next_spurt: false,
    }
}

struct Mic {
    uplink: Uplink,
    now: Instant,
    sent: Vec<(PeerId, SocketAddr, Vec<u8>)>,
}

impl Mic {
    fn new() -> Self {
        let uplink = Uplink::new(UplinkConfig::default(), StdRng::seed_from_u64(1)).expect("an uplink");
        Self { uplink, now: Instant::now(), sent: Vec::new() }
    }

    fn say(&mut self, frames: usize, on_air: bool) -> bool {
        let mut left = false;
        for n in 0..frames {
            self.now += FRAME_DURATION;
            let frame: Frame = std::array::from_fn(|i| ((n * FRAME_SAMPLES + i) as f32 * 0.03).sin() * 0.3);
            left = self.uplink.handle_frame(&frame, self.now, on_air, &mut |id, to, bytes| self.sent.push((id, to, bytes.to_vec())));
        }
        left
    }

    fn headers(&self, of: PeerId) -> Vec<rtp::Header> {
        let own = self.sent.iter().filter(|(id, ..)| *id == of);
        own.map(|(.., bytes)| rtp::Packet::parse(bytes).expect("RTP").header).collect()
    }
}

#[test]
fn a_spurt_is_a_burst_of_preroll_with_true_times_then_a_packet_each_frame_then_a_tail() {
    let mut mic = Mic::new();
    mic.uplink.handle_plan(id(0), Some(plan(A, Format::Rtp)));
    assert!(!mic.say(30, false));
    assert!(mic.sent.is_empty());
    assert!(mic.say(1, true));
    assert_eq!(mic.sent.len(), 7, "six frames of pre-roll and the first at once");
    mic.say(9, true);
    assert!(mic.say(1, false), "the tail");
    assert!(!mic.say(100, false));
    mic.say(1, true);
    let headers = mic.headers(id(0));
    assert_eq!(headers.len(), 7 + 9 + 1 + 7);
    for (n, pair) in headers.windows(2).enumerate() {
        assert_eq!(pair[1].seq, pair[0].seq.next(), "the sequence knows no silence");
        // The second spurt begins 100 frames after the first's tail, less its pre-roll of six.
        let frames = if n == 16 { 95 } else { 1 };
        assert_eq!(pair[1].time.since(pair[0].time), frames * 480, "packet {n}");
    }
    let marked: Vec<usize> = headers.iter().enumerate().filter(|(_, header)| header.marker).map(|(n, _)| n).collect();
    assert_eq!(marked, [0, 17]);
}

#[test]
fn peers_share_the_voice_and_nothing_else() {
    let mut mic = Mic::new();
    mic.uplink.handle_plan(id(0), Some(plan(A, Format::Rtp)));
    mic.say(5, true);
    mic.uplink.handle_plan(id(3), Some(SendPlan { ssrc: Ssrc(77), ..plan(B, Format::Rtp) }));
    mic.say(5, true);
    let (a, b) = (mic.headers(id(0)), mic.headers(id(3)));
    assert_eq!((a.len(), b.len()), (10, 5));
    assert!(b[0].marker && !b[1].marker && b[0].ssrc == Ssrc(77), "who joins in the middle gets a marker");
    assert!(a[5].seq != b[0].seq && a[5].time != b[0].time);
    let payloads: Vec<&[u8]> = mic.sent[mic.sent.len() - 2..].iter().map(|(.., bytes)| &bytes[rtp::HEADER_BYTES..]).collect();
    assert_eq!(payloads[0], payloads[1]);
    assert!(mic.sent.iter().all(|(id, to, _)| *to == if id.slot() == 0 { A } else { B }.parse().expect("an address")));
}

#[test]
fn the_seeds_datagrams_are_whole_blocks() {
    let mut mic = Mic::new();
    mic.uplink.handle_plan(id(0), Some(plan(A, Format::Pcm)));
    mic.say(10, false);
    mic.say(1, true);
    // 70 ms are 3,087 samples: three blocks, less what the filter holds back.
    assert!((2..=3).contains(&mic.sent.len()));
    mic.say(3, true);
    mic.say(1, false);
    let expected = 11 * 441 / 1_024 + 1;
    assert_eq!(mic.sent.len(), expected, "pre-roll, four frames and the tail, padded to a whole block");
    assert!(mic.sent.iter().all(|(.., bytes)| bytes.len() == SEED_BYTES));
    let counts = mic.uplink.counts(id(0));
    assert_eq!((counts.packets as usize, counts.octets as usize), (expected, expected * SEED_BYTES));
}

#[test]
fn who_joins_in_the_middle_gets_nothing_said_before() {
    let mut mic = Mic::new();
    let long = SendPlan { frame_ms: 20, ..plan(A, Format::Rtp) };
    mic.uplink.handle_plan(id(0), Some(long.clone()));
    mic.uplink.handle_plan(id(1), Some(plan(B, Format::Pcm)));
    mic.say(3, true);
    mic.uplink.handle_plan(id(0), None);
    mic.say(1, true);
    let before = mic.headers(id(0)).len();
    mic.uplink.handle_plan(id(0), Some(long));
    mic.say(1, true);
    assert_eq!(mic.headers(id(0)).len(), before, "the 10 ms left over are not sent to the next one there");
    mic.say(1, true);
    assert_eq!(mic.headers(id(0)).len(), before + 1);
}

#[test]
fn another_ssrc_is_another_stream_and_another_address_is_not() {
    let mut mic = Mic::new();
    mic.uplink.handle_plan(id(0), Some(plan(A, Format::Rtp)));
    mic.say(3, true);
    mic.uplink.handle_plan(id(0), Some(SendPlan { address: B.parse().expect(B), ..plan(A, Format::Rtp) }));
    mic.say(3, true);
    mic.uplink.handle_plan(id(0), Some(SendPlan { ssrc: Ssrc(5), ..plan(B, Format::Rtp) }));
    mic.say(3, true);
    let headers = mic.headers(id(0));
    assert_eq!(headers[3].seq, headers[2].seq.next());
    assert!(!headers[3].marker && headers[6].marker);
    assert_ne!(headers[6].seq, headers[5].seq.next());
    let counts = mic.uplink.counts(id(0));
    assert_eq!((counts.packets, counts.total_packets), (3, 9));
}

#[test]
fn copies_travel_when_the_plan_asks_for_them() {
    let mut mic = Mic::new();
    mic.uplink.handle_plan(id(0), Some(SendPlan { redundancy: 2, ..plan(A, Format::Rtp) }));
    mic.say(4, true);
    let packets: Vec<_> = mic.sent.iter().map(|(.., bytes)| rtp::Packet::parse(bytes).expect("RTP")).collect();
    assert_eq!(packets[0].header.payload_type, rtp::OPUS_PT, "the first has nothing to repeat");
    for (packet, want) in packets[1..].iter().zip([&[480, 0][..], &[960, 480, 0], &[960, 480, 0]]) {
        assert_eq!(packet.header.payload_type, rtp::RED_PT);
        let offsets: Vec<u16> = red::unpack(packet.payload).expect("RED").map(|block| block.offset).collect();
        assert_eq!(offsets, want);
    }
}

#[test]
fn counts_carry_the_moment_of_the_latest_packets_first_sample() {
    let mut mic = Mic::new();
    mic.uplink.handle_plan(id(0), Some(plan(A, Format::Rtp)));
    mic.say(5, true);
    let last = mic.headers(id(0))[4];
    let counts = mic.uplink.counts(id(0));
    assert_eq!(counts.last, Some((last.time, mic.now - FRAME_DURATION)));
    assert_eq!(counts.total_bytes, u64::from(counts.octets) + 5 * 12);
    mic.uplink.handle_plan(id(0), None);
    mic.now += Duration::from_millis(1);
    mic.say(3, true);
    assert_eq!(mic.sent.len(), 5);
}

#[test]
fn the_worst_plan_counts_for_all() {
    let mut mic = Mic::new();
    mic.uplink.handle_plan(id(0), Some(SendPlan { bitrate: 24_000, ..plan(A, Format::Rtp) }));
    mic.uplink.handle_plan(id(1), Some(SendPlan { frame_ms: 20, ssrc: Ssrc(9), ..plan(B, Format::Rtp) }));
    mic.say(40, true);
    assert_eq!(mic.sent.len(), 40, "twenty packets of 20 ms to each");
    let bytes: usize = mic.sent.iter().filter(|(id, ..)| id.slot() == 0).map(|(.., bytes)| bytes.len() - 12).sum();
    assert!((500..=1_900).contains(&bytes), "{bytes} bytes in 400 ms at 24 kbit/s");
}
