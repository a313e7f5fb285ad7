//! Any packets and any pulls: finite, bounded, and alive afterwards.

use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::sim::voice;
use crate::playout::{Codec, Config, Delay, Origin, Packet, Playout, Step};
use crate::units::{ExtSeq, RtpTime};

#[derive(Clone, Debug)]
enum Act {
    Insert { stream: u32, seq: i64, time: i64, codec: u8, origin: u8, marker: bool, early_ms: u64, payload: Payload },
    Pull { samples: usize, ms: u64 },
    Flush,
    Delay(u16),
}

#[derive(Clone, Debug)]
enum Payload {
    Voice(usize),
    Bytes(Vec<u8>),
}

fn act() -> impl Strategy<Value = Act> {
    let payload = prop_oneof![
        3 => (0..200usize).prop_map(Payload::Voice),
        1 => prop::collection::vec(any::<u8>(), 0..300).prop_map(Payload::Bytes),
    ];
    let near = prop_oneof![8 => -3..10i64, 1 => -400..400i64, 1 => any::<i64>()];
    let jump = prop_oneof![6 => Just(0i64), 1 => -50_000..50_000i64, 1 => any::<i64>()];
    let insert = (0..3u32, near, jump, 0..4u8, 0..3u8, any::<bool>(), 0..200u64, payload).prop_map(
        |(stream, seq, time, codec, origin, marker, early_ms, payload)| Act::Insert {
            stream: stream / 2,
            seq,
            time,
            codec: if codec == 3 { (seq & 3) as u8 } else { 0 },
            origin,
            marker,
            early_ms,
            payload,
        },
    );
    prop_oneof![
        20 => insert,
        20 => (prop_oneof![Just(240usize), Just(480), 1..4_097usize], 0..30u64).prop_map(|(samples, ms)| Act::Pull { samples, ms }),
        1 => (0..100usize, 0..100_000u64).prop_map(|(samples, ms)| Act::Pull { samples, ms }),
        1 => Just(Act::Flush),
        1 => (0..600u16).prop_map(Act::Delay),
    ]
}

/// Plays `acts`; then good packets, which must be heard.
fn survives(acts: &[Act]) {
    let mut playout = Playout::new(Config::default()).expect("a playout");
    let start = Instant::now() + Duration::from_secs(100_000);
    let (mut now, mut seq) = (start, 70_000u64);
    let mut out = vec![0.0; 4_096];
    for act in acts {
        match act {
            Act::Insert { stream, seq: step, time, codec, origin, marker, early_ms, payload } => {
                seq = if step.abs() < 1_000 { seq.saturating_add_signed(*step) } else { *step as u64 };
                let codec = [Codec::Opus, Codec::L16, Codec::Pcmu, Codec::Seed][usize::from(*codec) % 4];
                let bytes = match payload {
                    Payload::Voice(n) => &voice()[*n],
                    Payload::Bytes(bytes) => bytes,
                };
                let stamp = RtpTime((seq as u32).wrapping_mul(480).wrapping_add(*time as u32));
                let arrival = now - Duration::from_millis(*early_ms);
                let mut packet = Packet::new(*stream, ExtSeq(seq), stamp, codec, arrival, bytes).expect("short");
                packet.marker = *marker;
                packet.origin = [Origin::Media, Origin::Red, Origin::Nack][usize::from(*origin)];
                playout.insert(&packet);
            }
            Act::Pull { samples, ms } => {
                now += Duration::from_millis(*ms);
                let pulled = playout.pull(&mut out[..*samples], now);
                assert_eq!(Step::ALL.into_iter().map(|step| pulled.samples(step)).sum::<usize>(), *samples);
                for sample in &out[..*samples] {
                    assert!(sample.is_finite() && sample.abs() <= 4.1, "{sample}");
                }
            }
            Act::Flush => playout.flush(),
            Act::Delay(ms) => playout.set_delay(Delay::Fixed(*ms)),
        }
    }
    playout.set_delay(Delay::Auto);
    // The fault is over: a call of 10 ms packets on a clean network.
    let mut heard = 0;
    for block in 0..600u64 {
        now += Duration::from_millis(5);
        if block % 2 == 0 {
            let number = 3_000_000 + block / 2;
            let payload = &voice()[block as usize / 2 % 200];
            let stamp = RtpTime((number as u32).wrapping_mul(480));
            playout.insert(&Packet::new(9, ExtSeq(number), stamp, Codec::Opus, now, payload).expect("short"));
        }
        let pulled = playout.pull(&mut out[..240], now);
        if block >= 400 {
            heard += pulled.samples(Step::Played);
        }
    }
    assert!(heard > 46_000, "{heard} {:?}", playout.counters());
    assert!(playout.delay_ms().is_some_and(|delay| delay < 450.0), "{:?}", playout.delay_ms());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn whatever_came_good_packets_are_heard_afterwards(acts in prop::collection::vec(act(), 0..200)) {
        survives(&acts);
    }
}
