//! Ten minutes, bounded; who left is remembered; what is written tells nothing but times.

use super::*;
use crate::units::{ExtSeq, RtpTime};

/// A byte of TOC, Opus, CELT, 10 ms, and some sound.
const OPUS: &[u8] = &[0xf0, 1, 2, 3, 4];

struct Bench {
    recorder: Recorder,
    start: Instant,
}

fn bench() -> Bench {
    Bench { recorder: Recorder::default(), start: Instant::now() }
}

fn id(slot: usize) -> PeerId {
    PeerId::new(slot).expect("a slot")
}

impl Bench {
    fn at(&self, ms: u64) -> Instant {
        self.start + Duration::from_millis(ms)
    }

    fn hear(&mut self, slot: usize, ms: u64, seq: u64, change: impl FnOnce(&mut Packet)) {
        let time = RtpTime(4_000_000_000).plus(seq as u32 * 480);
        let mut packet = Packet::new(7, ExtSeq(90_000 + seq), time, Codec::Opus, self.at(ms), OPUS).expect("it fits");
        change(&mut packet);
        self.recorder.record(id(slot), &packet);
    }

    fn text(&self, ms: u64) -> String {
        let text = self.recorder.dump(self.at(ms)).expect("somebody was heard").trace().to_string();
        text.lines().filter(|line| !line.starts_with('#')).skip(1).collect::<Vec<_>>().join("\n")
    }
}

#[test]
fn numbers_and_times_begin_at_the_first_packet() {
    let mut bench = bench();
    bench.recorder.open(bench.at(0), id(3));
    bench.hear(3, 5_000, 0, |packet| packet.marker = true);
    bench.hear(3, 5_010, 1, |_| ());
    bench.hear(3, 5_030, 2, |packet| packet.origin = Origin::Red);
    bench.hear(3, 5_030, 3, |_| ());
    bench.hear(3, 5_031, 0, |packet| packet.seq.0 -= 5);
    bench.hear(3, 6_000, 400, |packet| (packet.stream, packet.codec) = (8, Codec::L16));
    let text = "peer 1\n0 note the playout is opened\n0 1 0 0 marker\n10000 1 1 480\n30000 1 2 960 red\n30000 1 3 1440\n31000 1 -5 0";
    assert!(bench.text(6_000).starts_with(text), "{}", bench.text(6_000));
    assert!(bench.text(6_000).ends_with("\n1000000 2 0 0 0 l16"), "five bytes are no L16: {}", bench.text(6_000));
}

#[test]
fn ten_minutes_are_kept_and_no_more_than_a_tape_holds() {
    let mut bench = bench();
    for seq in 0..120_000 {
        bench.hear(0, seq * 10, seq, |_| ());
    }
    let kept = bench.recorder.dump(bench.at(1_200_000)).expect("heard").trace();
    assert_eq!((kept.packets(), kept.end_us()), (60_000, 599_990_000));
    // Ten times as fast: bounded by count.
    for seq in 0..200_000 {
        bench.hear(0, 1_200_000 + seq, seq, |_| ());
    }
    let kept = bench.recorder.dump(bench.at(1_400_000)).expect("heard").trace();
    assert!((CHUNKS_MAX * CHUNK..=(CHUNKS_MAX + 1) * CHUNK).contains(&kept.packets()), "{}", kept.packets());
    assert!(bench.recorder.dump(bench.at(2_100_000)).is_none(), "ten minutes later all is old");
}

#[test]
fn who_left_is_remembered_for_ten_minutes_and_the_last_four_only() {
    let mut bench = bench();
    for call in 0..7 {
        let ms = call * 1_000;
        bench.recorder.open(bench.at(ms), id(0));
        bench.hear(0, ms + 10, call, |_| ());
        bench.recorder.end(bench.at(ms + 500), id(0));
    }
    bench.recorder.open(bench.at(8_000), id(0));
    assert_eq!(bench.recorder.dump(bench.at(8_000)).expect("heard").trace().peers.len(), ENDED_MAX);
    bench.hear(0, 9_000, 1, |_| ());
    assert_eq!(bench.recorder.dump(bench.at(9_000)).expect("heard").trace().peers.len(), ENDED_MAX + 1);
    bench.recorder.forget(bench.at(607_000));
    assert!(bench.recorder.ended.is_empty());
}

#[test]
fn a_view_is_noted_each_two_seconds_while_packets_come() {
    let mut bench = bench();
    let view = PlayoutView { delay_ms: 21.44, target_ms: 20.0, card_ms: 5.0, late_packets: 2, quality: None };
    for ms in (0..20_000).step_by(10) {
        if ms < 5_000 {
            bench.hear(0, ms, ms / 10, |_| ());
        }
        bench.recorder.view(bench.at(ms), id(0), view, Some(3.21));
        bench.recorder.view(bench.at(ms), id(1), view, None);
    }
    let text = bench.text(20_000);
    let notes: Vec<&str> = text.lines().filter(|line| line.contains("note")).collect();
    assert_eq!(notes.len(), 3, "{notes:?}");
    assert_eq!(notes[0], "2000000 note delay 21.4 ms, target 20.0 ms, card 5.0 ms, late 2, round trip 3.2 ms");
}

#[test]
fn nobody_heard_is_nothing_to_write() {
    let mut bench = bench();
    bench.recorder.open(bench.at(0), id(0));
    bench.recorder.handle_slept(bench.at(10));
    assert!(bench.recorder.dump(bench.at(20)).is_none());
    bench.hear(0, 30, 0, |_| ());
    bench.recorder.handle_slept(bench.at(40));
    assert!(bench.text(50).ends_with("10000 slept"));
}
