//! Tests of reading and writing RTCP, byte for byte.

use super::*;
use crate::wire::{Refused, app};

const ME: Ssrc = Ssrc(0x1111_2222);
const YOU: Ssrc = Ssrc(0x3333_4444);

fn block() -> ReportBlock {
    ReportBlock {
        ssrc: YOU,
        fraction_lost: 64,
        cumulative_lost: -2,
        highest_seq: 0x0001_fffe,
        jitter: 77,
        last_sr: 0x8899_aabb,
        delay_since_last_sr: 0x0001_0000,
    }
}

fn written(write: impl FnOnce(&mut Writer<'_>) -> Result<(), Refused>) -> Vec<u8> {
    let mut out = [0xaa; 1_200];
    let mut writer = Writer::new(&mut out);
    write(&mut writer).unwrap();
    let len = writer.finish();
    out[..len].to_vec()
}

fn only(bytes: &[u8]) -> Item<'_> {
    let mut items = parse(bytes).unwrap();
    let item = items.next().unwrap();
    assert_eq!(items.next(), None);
    item
}

#[rustfmt::skip]
const SENDER_REPORT: [u8; 52] = [
    0x81, 200, 0, 12,
    0x11, 0x11, 0x22, 0x22,
    0xe8, 0, 0, 1, 0x80, 0, 0, 0,
    0, 0, 0x03, 0xc0,
    0, 0, 0, 9,
    0, 0, 1, 0x68,
    0x33, 0x33, 0x44, 0x44,
    64, 0xff, 0xff, 0xfe,
    0, 1, 0xff, 0xfe,
    0, 0, 0, 77,
    0x88, 0x99, 0xaa, 0xbb,
    0, 1, 0, 0,
];

#[test]
fn a_sender_report_is_byte_exact_both_ways() {
    let info = SenderInfo { ntp: 0xe800_0001_8000_0000, rtp: RtpTime(960), packets: 9, octets: 360 };
    let bytes = written(|writer| writer.sender_report(ME, &info, &[block()]));
    assert_eq!(bytes, SENDER_REPORT);
    let Item::SenderReport(report) = only(&bytes) else { panic!("not a sender report") };
    assert_eq!((report.ssrc, report.ntp, report.rtp, report.packets, report.octets), (ME, info.ntp, info.rtp, info.packets, info.octets));
    assert!(report.blocks.eq([block()]));
}

#[test]
fn a_receiver_report_is_byte_exact_both_ways() {
    let bytes = written(|writer| writer.receiver_report(ME, &[block()]));
    let want = [&[0x81, 201, 0, 7, 0x11, 0x11, 0x22, 0x22], &SENDER_REPORT[28..]].concat();
    assert_eq!(bytes, want);
    let Item::ReceiverReport(report) = only(&bytes) else { panic!("not a receiver report") };
    assert!(report.ssrc == ME && report.blocks.eq([block()]));
}

#[test]
fn lost_counts_are_clamped_to_their_24_bits() {
    for (lost, want) in [(i32::MAX, 0x7f_ffff), (i32::MIN, -0x80_0000), (-1, -1), (5, 5)] {
        let bytes = written(|writer| writer.receiver_report(ME, &[ReportBlock { cumulative_lost: lost, ..block() }]));
        let Item::ReceiverReport(mut report) = only(&bytes) else { panic!("not a receiver report") };
        assert_eq!(report.blocks.next().unwrap().cumulative_lost, want);
    }
}

#[test]
fn a_description_is_byte_exact_both_ways() {
    let bytes = written(|writer| writer.sdes(ME, "ab", Some("Zoë")));
    let want = [&[0x81, 202, 0, 4, 0x11, 0x11, 0x22, 0x22, 1, 2, b'a', b'b', 2, 4, b'Z', b'o', 0xc3, 0xab, 0, 0][..]].concat();
    assert_eq!(bytes, want);
    let Item::Sdes(mut sdes) = only(&bytes) else { panic!("not a description") };
    let chunk = sdes.next().unwrap();
    assert_eq!(chunk.ssrc, ME);
    assert!(chunk.items.eq([SdesItem::Cname(b"ab"), SdesItem::Name("Zoë".as_bytes())]));
    assert_eq!(sdes.next(), None);
}

#[test]
fn every_length_of_name_ends_on_a_word_and_in_a_zero() {
    for len in 0..300 {
        let name = "x".repeat(len);
        let bytes = written(|writer| writer.sdes(ME, &name, None));
        assert_eq!(bytes.len() % 4, 0);
        assert_eq!(*bytes.last().unwrap(), 0);
        let Item::Sdes(mut sdes) = only(&bytes) else { panic!("not a description") };
        assert!(sdes.next().unwrap().items.eq([SdesItem::Cname(&name.as_bytes()[..len.min(255)])]));
    }
}

#[test]
fn two_chunks_of_a_description_are_told_apart() {
    let bytes = [0x82, 202, 0, 6, 0, 0, 0, 1, 1, 2, b'a', b'b', 0, 0, 0, 0, 0, 0, 0, 2, 8, 1, b'p', 1, 1, b'c', 0, 0];
    let Item::Sdes(mut sdes) = only(&bytes) else { panic!("not a description") };
    let first = sdes.next().unwrap();
    assert!(first.ssrc == Ssrc(1) && first.items.eq([SdesItem::Cname(b"ab")]));
    let second = sdes.next().unwrap();
    assert!(second.ssrc == Ssrc(2) && second.items.eq([SdesItem::Other(8, b"p"), SdesItem::Cname(b"c")]));
}

#[test]
fn a_bye_is_byte_exact_both_ways() {
    assert_eq!(written(|writer| writer.bye(ME, None)), [0x81, 203, 0, 1, 0x11, 0x11, 0x22, 0x22]);
    let bytes = written(|writer| writer.bye(ME, Some("done")));
    assert_eq!(bytes, [0x81, 203, 0, 3, 0x11, 0x11, 0x22, 0x22, 4, b'd', b'o', b'n', b'e', 0, 0, 0]);
    let Item::Bye(bye) = only(&bytes) else { panic!("not a bye") };
    assert!(bye.ssrcs().eq([ME]) && bye.reason == Some(b"done"));
}

#[test]
fn a_bye_of_nobody_is_let_pass() {
    let Item::Bye(bye) = only(&[0x80, 203, 0, 0]) else { panic!("not a bye") };
    assert_eq!((bye.ssrcs().count(), bye.reason), (0, None));
}

#[test]
fn an_app_packet_is_padded_to_words() {
    let bytes = written(|writer| writer.app(ME, app::NAME, &[1, 1, 3, 5, 1]));
    assert_eq!(bytes, [0x80, 204, 0, 4, 0x11, 0x11, 0x22, 0x22, b'v', b't', b'u', b'i', 1, 1, 3, 5, 1, 0, 0, 0]);
    let want = App { ssrc: ME, name: app::NAME, subtype: 0, data: &[1, 1, 3, 5, 1, 0, 0, 0] };
    assert_eq!(only(&bytes), Item::App(want));
}

#[test]
fn voip_metrics_travel_in_an_extended_report() {
    let metrics = xr::VoipMetrics { ssrc: YOU, r_factor: 93, jb_nominal: 20, ..Default::default() };
    let bytes = written(|writer| writer.voip_metrics(ME, &metrics));
    assert_eq!(bytes[..12], [0x80, 207, 0, 10, 0x11, 0x11, 0x22, 0x22, 7, 0, 0, 8]);
    let Item::Xr(mut report) = only(&bytes) else { panic!("not an extended report") };
    assert_eq!((report.ssrc, report.blocks.next()), (ME, Some(xr::Block::VoipMetrics(metrics))));
}

#[test]
fn a_nack_is_byte_exact_and_crosses_the_wrap() {
    let lost = [Seq(65_530), Seq(65_531), Seq(10), Seq(40), Seq(57)];
    let bytes = written(|writer| writer.nack(ME, YOU, &lost));
    assert_eq!(bytes[..12], [0x81, 205, 0, 5, 0x11, 0x11, 0x22, 0x22, 0x33, 0x33, 0x44, 0x44]);
    assert_eq!(bytes[12..], [0xff, 0xfa, 0x80, 0x01, 0, 40, 0, 0, 0, 57, 0, 0]);
    let Item::Nack(nack) = only(&bytes) else { panic!("not a nack") };
    assert!(nack.ssrc == ME && nack.media == YOU && nack.lost().eq(lost));
    assert_eq!(Writer::new(&mut [0; 64]).nack(ME, YOU, &[]), Err(Refused::Count));
}

#[test]
fn a_full_buffer_keeps_the_packets_before() {
    let mut out = [0; 40];
    let mut writer = Writer::new(&mut out);
    writer.receiver_report(ME, &[]).unwrap();
    assert_eq!(writer.receiver_report(ME, &[block(), block()]), Err(Refused::Full));
    assert_eq!(writer.receiver_report(ME, &[block(); 32]), Err(Refused::Count));
    assert_eq!(writer.app(ME, app::NAME, &[0; 1 << 19]), Err(Refused::Full));
    writer.bye(ME, None).unwrap();
    let len = writer.finish();
    assert_eq!(len, 16);
    assert_eq!(parse(&out[..len]).unwrap().count(), 2);
}

#[test]
fn a_compound_is_read_in_order_and_strangers_are_passed_over() {
    let mut bytes = written(|writer| {
        writer.receiver_report(ME, &[block()])?;
        writer.sdes(ME, "a@b", None)
    });
    bytes.extend([0x8f, 206, 0, 1, 0, 0, 0, 0]);
    bytes.extend([0x8f, 205, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0]);
    bytes.extend(written(|writer| writer.bye(ME, None)));
    let compound = parse(&bytes).unwrap();
    assert!(!compound.is_reduced_size());
    let items: Vec<_> = compound.collect();
    assert!(matches!(items[..], [Item::ReceiverReport(_), Item::Sdes(_), Item::Unknown(206), Item::Unknown(205), Item::Bye(_)]));
}

#[test]
fn a_reduced_size_packet_is_told_apart() {
    let bytes = written(|writer| writer.nack(ME, YOU, &[Seq(1)]));
    assert!(parse(&bytes).unwrap().is_reduced_size());
}

#[test]
fn padding_is_only_at_the_end() {
    let padded = [0xa1, 203, 0, 2, 0, 0, 0, 1, 0, 0, 0, 4];
    let Item::Bye(bye) = only(&padded) else { panic!("not a bye") };
    assert!(bye.ssrcs().eq([Ssrc(1)]) && bye.reason.is_none());
    let followed = [&padded[..], &[0x80, 203, 0, 0]].concat();
    assert_eq!(parse(&followed), Err(Malformed::Padding));
    for count in [0, 3, 12, 255] {
        let mut bad = padded;
        bad[11] = count;
        assert_eq!(parse(&bad), Err(Malformed::Padding), "{count}");
    }
    assert_eq!(parse(&[0xa0, 203, 0, 0]), Err(Malformed::Padding));
}

#[test]
fn what_reaches_past_the_end_is_refused() {
    for (bytes, why) in [
        (&[][..], Malformed::Short),
        (&[0x80], Malformed::Short),
        (&[0x80, 201, 0], Malformed::Short),
        (&[0x80, 201, 0, 2, 0, 0, 0, 1], Malformed::Length),
        (&[0x80, 201, 0xff, 0xff, 0, 0, 0, 1], Malformed::Length),
        (&[0x80, 201, 0, 1, 0, 0, 0, 1, 0x80], Malformed::Short),
        (&[0x80, 201, 0, 1, 0, 0, 0, 1, 0x80, 203, 0, 1], Malformed::Length),
        (&[0x80, 201, 0, 1, 0, 0, 0, 1, 0x40, 203, 0, 0], Malformed::Version),
        (&[0x81, 201, 0, 1, 0, 0, 0, 1], Malformed::Length),
        (&[0x80, 200, 0, 1, 0, 0, 0, 1], Malformed::Short),
        (&[0x81, 202, 0, 2, 0, 0, 0, 1, 1, 3, 0, 0], Malformed::Length),
        (&[0x82, 202, 0, 2, 0, 0, 0, 1, 1, 1, 0, 0], Malformed::Short),
        (&[0x9f, 203, 0, 1, 0, 0, 0, 1], Malformed::Length),
        (&[0x81, 203, 0, 2, 0, 0, 0, 1, 4, 0, 0, 0], Malformed::Length),
        (&[0x80, 204, 0, 1, 0, 0, 0, 1], Malformed::Short),
        (&[0x81, 205, 0, 1, 0, 0, 0, 1], Malformed::Short),
        (&[0x80, 207, 0, 2, 0, 0, 0, 1, 7, 0, 0, 8], Malformed::Length),
        (&[0x80, 192, 0, 0], Malformed::Type),
        (&[0x80, 208, 0, 0], Malformed::Type),
        (&[0x40, 201, 0, 1, 0, 0, 0, 1], Malformed::Version),
    ] {
        assert_eq!(parse(bytes), Err(why), "{bytes:?}");
    }
}

#[test]
fn ntp_time_and_round_trip_agree_with_the_standards_example() {
    // RFC 3550, figure 2: A = 0xb710:8000, DLSR = 5.250 s, LSR = 0xb705:2000; the round trip is 6.125 s.
    let report = ReportBlock { last_sr: 0xb705_2000, delay_since_last_sr: ntp_units(Duration::from_millis(5_250)), ..block() };
    assert_eq!(report.delay_since_last_sr, 0x0005_4000);
    assert_eq!(round_trip(0xb710_8000, &report), Some(Duration::from_millis(6_125)));
    assert_eq!(round_trip(0xb710_8000, &ReportBlock { last_sr: 0, ..report }), None);
    assert_eq!(round_trip(0xb70a_5fff, &report), Some(Duration::ZERO), "the granularity of clocks");
    assert_eq!(round_trip(0xb705_2000, &report), None, "an answer before its question");
    assert_eq!(ntp_from_unix(Duration::from_millis(1_500)), (NTP_UNIX_OFFSET + 1) << 32 | 1 << 31);
    assert_eq!(ntp_middle(0x1111_2222_3333_4444), 0x2222_3333);
    assert_eq!(ntp_units(Duration::MAX), u32::MAX);
}
