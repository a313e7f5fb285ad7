//! The wire against the world: packets of other programs, the fuzz targets' corpus, and arbitrary bytes.

#[path = "wire/sealed.rs"]
mod sealed_vectors;

use std::fs;
use std::path::Path;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use voicetui::units::{RtpTime, Seq, Ssrc};
use voicetui::wire::app::{CallWord, Tlv};
use voicetui::wire::rtcp::{Item, ReportBlock, SdesItem, SenderInfo};
use voicetui::wire::xr::{self, VoipMetrics};
use voicetui::wire::{Kind, Refused, app, check, classify, pcm, printable, red, rtcp, rtp, sealed};

fn vector(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/wire").join(name);
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn rtp_of_other_programs_is_read() {
    for (name, payload_type, marker, seq, time, ssrc, len) in [
        ("ffmpeg-opus-marker.rtp", 97, true, 0x0c59, 0x0e15_b96c, 0xcf1e_cb0d, 300),
        ("ffmpeg-l16.rtp", rtp::L16_PT, false, 0x0e14, 0xa56e_6876, 0x76e8_f9cb, 588),
        ("ffmpeg-pcmu.rtp", rtp::PCMU_PT, false, 0x03d4, 0xda34_655d, 0x4578_ba4a, 186),
        ("gstreamer-opus.rtp", 96, false, 0x3645, 0x456a_efbc, 0x8df6_e61e, 168),
    ] {
        let bytes = vector(name);
        assert_eq!(classify(&bytes), Kind::Rtp, "{name}");
        let header = rtp::Header { payload_type, marker, seq: Seq(seq), time: RtpTime(time), ssrc: Ssrc(ssrc) };
        let packet = rtp::Packet::parse(&bytes).unwrap();
        assert_eq!((packet.header, packet.payload.len()), (header, len), "{name}");
        assert_eq!(header.to_bytes()[..], bytes[..12], "{name}");
    }
}

#[test]
fn rtcp_of_other_programs_is_read() {
    let bytes = vector("ffmpeg-sr.rtcp");
    assert_eq!(classify(&bytes), Kind::Rtcp);
    let items: Vec<_> = rtcp::parse(&bytes).unwrap().collect();
    let [Item::SenderReport(report)] = items[..] else { panic!("{items:?}") };
    assert_eq!((report.ssrc, report.ntp, report.rtp), (Ssrc(0xcf1e_cb0d), 0xeeae_6309_6083_126e, RtpTime(0x0e19_65bc)));
    assert_eq!((report.packets, report.octets, report.blocks.count()), (250, 46_335, 0));

    let bytes = vector("gstreamer-sr-sdes-bye.rtcp");
    let items: Vec<_> = rtcp::parse(&bytes).unwrap().collect();
    let [Item::SenderReport(report), Item::Sdes(mut sdes), Item::Bye(bye)] = items[..] else { panic!("{items:?}") };
    assert_eq!((report.packets, report.octets), (427, 68_907));
    let chunk = sdes.next().unwrap();
    assert!(chunk.ssrc == report.ssrc && bye.ssrcs().eq([report.ssrc]) && bye.reason.is_none());
    assert!(chunk.items.eq([SdesItem::Cname(b"user3623365330@host-41586681"), SdesItem::Other(6, b"GStreamer")]));
    assert_eq!(rtcp::parse(&vector("gstreamer-sr-sdes.rtcp")).unwrap().count(), 2);
}

#[test]
fn a_packet_cut_anywhere_is_read_or_refused() {
    for name in ["ffmpeg-opus-marker.rtp", "gstreamer-sr-sdes-bye.rtcp"] {
        let bytes = vector(name);
        for end in 0..bytes.len() {
            check::datagram(&bytes[..end]);
        }
    }
}

#[test]
fn the_fuzz_corpus_holds() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    if root.join("Cargo.toml.orig").exists() {
        return; // a package from crates.io, which leaves the fuzz targets out
    }
    type Property = fn(&[u8]);
    let targets: [(&str, Property); 4] = [("datagram", check::datagram), ("rtp", check::rtp), ("rtcp", check::rtcp), ("red", check::red)];
    for (target, property) in targets {
        let dir = root.join("fuzz/corpus").join(target);
        let mut count = 0;
        for entry in fs::read_dir(&dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display())) {
            let path = entry.unwrap().path();
            println!("{}", path.display());
            property(&fs::read(&path).unwrap());
            count += 1;
        }
        assert!(count > 5, "{target}: only {count} files");
    }
}

/// What `write` writes into a datagram, if it fits.
fn written(write: impl FnOnce(&mut rtcp::Writer<'_>) -> Result<(), Refused>) -> Result<Vec<u8>, Refused> {
    let mut out = [0x55; 1_200];
    let mut writer = rtcp::Writer::new(&mut out);
    write(&mut writer)?;
    let len = writer.finish();
    Ok(out[..len].to_vec())
}

fn only(bytes: &[u8]) -> Item<'_> {
    let mut items = rtcp::parse(bytes).expect("what was written can be read");
    let item = items.next().expect("one packet was written");
    assert_eq!(items.next(), None);
    item
}

prop_compose! {
    fn report_block()(
        ssrc: u32, fraction_lost: u8, cumulative_lost in -0x80_0000..0x80_0000, highest_seq: u32,
        jitter: u32, last_sr: u32, delay_since_last_sr: u32,
    ) -> ReportBlock {
        ReportBlock { ssrc: Ssrc(ssrc), fraction_lost, cumulative_lost, highest_seq, jitter, last_sr, delay_since_last_sr }
    }
}

prop_compose! {
    fn voip_metrics()(ssrc: u32, rates: [u8; 4], times: [u16; 4], levels: [i8; 2], bytes: [u8; 7], buffer: [u16; 3]) -> VoipMetrics {
        VoipMetrics {
            ssrc: Ssrc(ssrc),
            loss_rate: rates[0],
            discard_rate: rates[1],
            burst_density: rates[2],
            gap_density: rates[3],
            burst_duration: times[0],
            gap_duration: times[1],
            round_trip_delay: times[2],
            end_system_delay: times[3],
            signal_level: levels[0],
            noise_level: levels[1],
            rerl: bytes[0],
            gmin: bytes[1],
            r_factor: bytes[2],
            ext_r_factor: bytes[3],
            mos_lq: bytes[4],
            mos_cq: bytes[5],
            rx_config: bytes[6],
            jb_nominal: buffer[0],
            jb_maximum: buffer[1],
            jb_abs_max: buffer[2],
        }
    }
}

/// A statement, its text and data kept elsewhere.
fn tlv<'a>(kind: u8, number: u64, name: &'a str, data: &'a [u8]) -> Tlv<'a> {
    let word = CallWord::ALL[number as usize % CallWord::ALL.len()];
    match kind {
        0 => Tlv::State(word),
        1 => Tlv::Echo(word),
        2 => Tlv::Caps(number as u32),
        3 => Tlv::Name(name),
        4 => Tlv::Recording(number.is_multiple_of(2)),
        5 => Tlv::CaptureDelay(number as u16),
        6 => Tlv::PlayoutDelay(number as u16),
        7 => Tlv::Ping(number),
        8 => Tlv::Pong(number),
        9 => Tlv::Leg { ours: number as u32, yours: (number >> 32) as u32 },
        _ => Tlv::Measure(data),
    }
}

/// Characters beside the controls that reorder or break a line.
const STEERS: [char; 7] = ['\u{2028}', '\u{2029}', '\u{202a}', '\u{202e}', '\u{2066}', '\u{200f}', '\u{feff}'];

proptest! {
    #[test]
    fn arbitrary_bytes_do_no_harm(bytes in vec(any::<u8>(), 0..2_100)) {
        check::datagram(&bytes);
        check::rtp(&bytes);
        check::rtcp(&bytes);
        check::red(&bytes);
        check::app(&bytes);
    }

    #[test]
    fn bytes_that_begin_well_do_no_harm(first in 0x80u8..=0xbf, kind in 200u8..=207, words in 0u16..64, tail in vec(any::<u8>(), 0..256)) {
        let length = words.to_be_bytes();
        check::rtcp(&[&[first, kind, length[0], length[1]][..], &tail].concat());
        check::rtp(&[&[first, kind & 0x7f], &tail[..]].concat());
    }

    #[test]
    fn a_flipped_byte_does_no_harm(at in any::<prop::sample::Index>(), value: u8) {
        for name in ["ffmpeg-opus-marker.rtp", "gstreamer-sr-sdes-bye.rtcp", "ffmpeg-sr.rtcp"] {
            let mut bytes = vector(name);
            let at = at.index(bytes.len());
            bytes[at] = value;
            check::datagram(&bytes);
        }
    }

    #[test]
    fn rtp_survives(payload_type in 0u8..128, marker: bool, seq: u16, time: u32, ssrc: u32, payload in vec(any::<u8>(), 0..1_200)) {
        let header = rtp::Header { payload_type, marker, seq: Seq(seq), time: RtpTime(time), ssrc: Ssrc(ssrc) };
        let mut bytes = vec![0; rtp::HEADER_BYTES];
        prop_assert_eq!(header.write(&mut bytes), rtp::HEADER_BYTES);
        bytes.extend(&payload);
        prop_assert_eq!(rtp::Packet::parse(&bytes), Ok(rtp::Packet { header, payload: &payload }));
    }

    #[test]
    fn redundancy_survives(
        older in vec((0u8..128, 0u16..1 << 14, vec(any::<u8>(), 0..200)), 0..5), primary in vec(any::<u8>(), 0..400)
    ) {
        let blocks = || {
            let older = older.iter().filter(|(payload_type, ..)| *payload_type != rtp::RED_PT);
            older
                .map(|(payload_type, offset, payload)| red::Block { payload_type: *payload_type, offset: *offset, payload })
                .chain([red::Block { payload_type: rtp::OPUS_PT, offset: 0, payload: &primary }])
        };
        let mut out = [0; 2_000];
        let len = red::pack(&mut out, blocks()).unwrap();
        prop_assert!(red::unpack(&out[..len]).unwrap().eq(blocks()));
    }

    #[test]
    fn reports_survive(ssrc: u32, ntp: u64, rtp: u32, packets: u32, octets: u32, blocks in vec(report_block(), 0..=31)) {
        let info = SenderInfo { ntp, rtp: RtpTime(rtp), packets, octets };
        let bytes = written(|writer| writer.sender_report(Ssrc(ssrc), &info, &blocks)).unwrap();
        let Item::SenderReport(report) = only(&bytes) else { panic!("not a sender report") };
        prop_assert_eq!((report.ssrc, report.ntp, report.rtp), (Ssrc(ssrc), ntp, RtpTime(rtp)));
        prop_assert_eq!((report.packets, report.octets), (packets, octets));
        prop_assert!(report.blocks.eq(blocks.iter().copied()));
        let bytes = written(|writer| writer.receiver_report(Ssrc(ssrc), &blocks)).unwrap();
        let Item::ReceiverReport(report) = only(&bytes) else { panic!("not a receiver report") };
        prop_assert!(report.ssrc == Ssrc(ssrc) && report.blocks.eq(blocks));
    }

    #[test]
    fn names_and_goodbyes_survive(ssrc: u32, cname in "\\PC{0,60}", name in option::of("\\PC{0,60}"), reason in option::of("\\PC{0,60}")) {
        let bytes = written(|writer| writer.sdes(Ssrc(ssrc), &cname, name.as_deref())).unwrap();
        let Item::Sdes(mut sdes) = only(&bytes) else { panic!("not a description") };
        let want = [Some(SdesItem::Cname(cname.as_bytes())), name.as_deref().map(|name| SdesItem::Name(name.as_bytes()))];
        prop_assert!(sdes.next().unwrap().items.eq(want.into_iter().flatten()));
        let bytes = written(|writer| writer.bye(Ssrc(ssrc), reason.as_deref())).unwrap();
        let Item::Bye(bye) = only(&bytes) else { panic!("not a bye") };
        prop_assert!(bye.ssrcs().eq([Ssrc(ssrc)]));
        prop_assert_eq!(bye.reason, reason.as_deref().map(str::as_bytes));
    }

    #[test]
    fn metrics_survive(ssrc: u32, metrics in voip_metrics()) {
        let bytes = written(|writer| writer.voip_metrics(Ssrc(ssrc), &metrics)).unwrap();
        let Item::Xr(report) = only(&bytes) else { panic!("not an extended report") };
        prop_assert!(report.ssrc == Ssrc(ssrc) && report.blocks.eq([xr::Block::VoipMetrics(metrics)]));
    }

    #[test]
    fn missing_packets_are_asked_for_by_number(start: u16, steps in vec(1u16..40, 0..60)) {
        let mut at = Seq(start);
        let mut lost = vec![at];
        for step in steps {
            at = Seq(at.0.wrapping_add(step));
            lost.push(at);
        }
        let bytes = written(|writer| writer.nack(Ssrc(1), Ssrc(2), &lost)).unwrap();
        let Item::Nack(nack) = only(&bytes) else { panic!("not a nack") };
        prop_assert!(nack.ssrc == Ssrc(1) && nack.media == Ssrc(2) && nack.lost().eq(lost));
    }

    #[test]
    fn statements_survive_inside_their_packet(
        parts in vec((0u8..11, any::<u64>(), "\\PC{0,16}", vec(any::<u8>(), 0..80)), 0..12)
    ) {
        let tlvs = || parts.iter().map(|(kind, number, name, data)| tlv(*kind, *number, name, data));
        let mut body = [0; 1_160];
        let mut writer = app::Writer::new(&mut body);
        for tlv in tlvs() {
            writer.put(tlv).unwrap();
        }
        let len = writer.finish();
        let bytes = written(|writer| writer.app(Ssrc(7), app::NAME, &body[..len])).unwrap();
        let Item::App(packet) = only(&bytes) else { panic!("not an APP packet") };
        prop_assert_eq!((packet.ssrc, packet.name), (Ssrc(7), app::NAME));
        prop_assert!(app::parse(packet.data).unwrap().eq(tlvs()));
    }

    #[test]
    fn a_writer_never_leaves_its_buffer(room in 0usize..300, blocks in vec(report_block(), 0..5), text in "\\PC{0,40}") {
        let mut out = vec![0x55; room + 8];
        let mut writer = rtcp::Writer::new(&mut out[..room]);
        let count = [
            writer.sender_report(Ssrc(1), &SenderInfo::default(), &blocks),
            writer.sdes(Ssrc(1), &text, Some(&text)),
            writer.voip_metrics(Ssrc(1), &VoipMetrics::default()),
            writer.nack(Ssrc(1), Ssrc(2), &[Seq(1), Seq(100)]),
            writer.bye(Ssrc(1), Some(&text)),
        ]
        .iter()
        .filter(|result| result.is_ok())
        .count();
        let len = writer.finish();
        prop_assert!(len <= room && len.is_multiple_of(4));
        prop_assert_eq!(&out[room..], &[0x55; 8]);
        prop_assert_eq!(if len == 0 { 0 } else { rtcp::parse(&out[..len]).unwrap().count() }, count);
    }

    #[test]
    fn samples_survive(values in vec(any::<i16>(), 0..1_100)) {
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        let mut samples = vec![0.0; values.len()];
        prop_assert_eq!(pcm::decode(&bytes, &mut samples), Ok(values.len()));
        let mut again = vec![0; bytes.len()];
        prop_assert_eq!(pcm::encode(&samples, &mut again), Ok(bytes.len()));
        prop_assert_eq!(again, bytes);
    }

    #[test]
    fn sealed_headers_survive(key_index: u32, counter: u64, body in vec(any::<u8>(), 16..100)) {
        let header = sealed::Header { key_index, counter };
        let bytes = [&header.to_bytes()[..], &body].concat();
        prop_assert_eq!(classify(&bytes), Kind::Sealed(sealed::Type::Transport));
        prop_assert_eq!(sealed::Header::parse(&bytes), Ok((header, &body[..])));
    }

    #[test]
    fn shown_text_is_calm(text in any::<String>()) {
        let shown = printable(&text);
        let steers = |ch: char| ch.is_control() || STEERS.contains(&ch);
        prop_assert!(!shown.contains(steers));
    }
}
