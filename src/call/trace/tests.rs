//! What is written can be read; what cannot be read is said with its line; nothing panics.

use super::*;
use proptest::prelude::*;

fn timing() -> impl Strategy<Value = Timing> {
    let codec = prop::sample::select(vec![Codec::Opus, Codec::L16, Codec::Pcmu, Codec::Seed]);
    let origin = prop::sample::select(vec![Origin::Media, Origin::Red, Origin::Nack]);
    let shape = prop::sample::select(vec![Shape::Plain, Shape::Dtx, Shape::Lbrr]);
    (any::<u32>(), any::<i32>(), any::<i32>(), any::<u16>(), codec, origin, any::<bool>(), shape).prop_map(
        |(stream, seq, time, ticks, codec, origin, marker, shape)| Timing { stream, seq, time, ticks, codec, origin, marker, shape },
    )
}

fn trace() -> impl Strategy<Value = Trace> {
    let what = prop_oneof![
        8 => timing().prop_map(What::Packet),
        1 => Just(What::Slept),
        1 => "[a-z0-9.,%]{0,20}( [a-z0-9.,%]{1,20}){0,3}".prop_map(|text| What::Note(text.trim().to_owned())),
    ];
    let lines = prop::collection::vec((0..30_000_000u64, what), 0..30).prop_map(|steps| {
        let mut at_us = 0;
        let timed = steps.into_iter().map(|(step, what)| {
            at_us += step;
            Line { at_us, what }
        });
        timed.collect::<Vec<_>>()
    });
    prop::collection::vec(lines, 0..4).prop_map(|peers| Trace { peers })
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(trace in trace()) {
        prop_assert_eq!(Trace::parse(&trace.to_string()), Ok(trace));
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = Trace::parse(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn a_damaged_trace_is_read_or_refused_with_its_line(trace in trace(), at in any::<prop::sample::Index>(), byte in 0..128u8) {
        let mut bytes = trace.to_string().into_bytes();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let text = String::from_utf8(bytes).expect("ASCII");
        if let Err(error) = Trace::parse(&text) {
            prop_assert!((1..=text.lines().count() + 1).contains(&error.line), "{}", error);
        }
    }
}

#[test]
fn a_person_may_write_one() {
    let text = "voicetui trace 1\n\n# two packets and a copy\npeer 1\n 0 1 0 0  marker\n10013 1 2 1920 960 lbrr\n10013 1 1 960 red 960\n7 note x\n";
    let error = Trace::parse(text).expect_err("the last line is out of order");
    assert_eq!((error.line, error.fault), (8, Fault::Backwards));
    let trace = Trace::parse(text.trim_end_matches("7 note x\n")).expect("a trace");
    assert_eq!((trace.packets(), trace.end_us()), (3, 10_013));
    assert!(matches!(trace.peers[0][2].what, What::Packet(Timing { origin: Origin::Red, ticks: 960, seq: 1, .. })));
}

#[test]
fn what_is_wrong_is_said_with_its_line() {
    let after = |line: &str| format!("voicetui trace 1\npeer 1\n{line}");
    for (text, line, part) in [
        (String::new(), 1, "no packet trace"),
        ("RIFF".into(), 1, "no packet trace"),
        ("voicetui trace 2\n".into(), 1, "version 1"),
        ("voicetui trace 1\n0 1 0 0".into(), 2, "peer 1"),
        ("voicetui trace 1\npeer 2".into(), 2, "counted from 1"),
        (after("soon 1 0 0"), 3, "the time in us"),
        (after("-5 1 0 0"), 3, "the time in us"),
        (after("0 1 0"), 3, "the media time"),
        (after("0 1 zero 0"), 3, "the sequence number"),
        (after("0 99999999999 0 0"), 3, "the stream"),
        (after("0 1 0 0 99999"), 3, "the length in ticks"),
        (after("0 1 0 0 loud"), 3, "\"loud\""),
        (after(&"1".repeat(300)), 3, "longer than 256"),
        ("voicetui trace 1\n".to_owned() + &(1..66).map(|n| format!("peer {n}\n")).collect::<String>(), 66, "64 peers"),
    ] {
        let error = Trace::parse(&text).expect_err(&text);
        assert!(error.line == line && error.to_string().contains(part), "{text}: {error}");
    }
}
