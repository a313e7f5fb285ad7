//! What holds for every byte string: the properties that fuzz targets, property tests and the corpus replay share. Pure.

use std::collections::BTreeSet;

use super::measure::{MEASURE_MAX, Measure};
use super::rtcp::Item;
use super::{Kind, Refused, app, classify, classify_from_pcm_peer, parcel, printable, red, rtcp, rtp, sealed, text, xr};
use crate::units::{SEED_BYTES, Seq};

/// Sequence numbers of a NACK that are written again.
const NUMBERS_MAX: usize = 1_000;

/// Sorts a datagram and takes it apart as what it claims to be.
pub fn datagram(bytes: &[u8]) {
    match classify(bytes) {
        Kind::SeedPcm => assert_eq!(bytes.len(), SEED_BYTES),
        Kind::Rtp => rtp(bytes),
        Kind::Rtcp => rtcp(bytes),
        Kind::Sealed(kind) => assert_eq!(bytes[0], kind as u8),
        Kind::Unknown => {}
    }
    assert_eq!(classify_from_pcm_peer(bytes) == Kind::SeedPcm, !bytes.is_empty() && bytes.len().is_multiple_of(2));
    if let Ok((header, sealed)) = sealed::Header::parse(bytes) {
        assert_eq!([&header.to_bytes()[..], sealed].concat(), bytes);
    }
    for packet in parcel::packets(bytes) {
        assert!(!packet.is_empty() && bytes.as_ptr_range().contains(&packet.as_ptr()));
    }
    let shown = printable(bytes);
    assert!(shown.chars().count() <= text::PRINTABLE_MAX && !shown.chars().any(char::is_control));
    assert_eq!(printable(&shown), shown);
}

/// A packet lies inside its datagram, and survives being written again; redundancy inside is unpacked.
pub fn rtp(bytes: &[u8]) {
    let Ok(packet) = rtp::Packet::parse(bytes) else { return };
    assert!(packet.payload.is_empty() || bytes.as_ptr_range().contains(&packet.payload.as_ptr()));
    let again = [&packet.header.to_bytes()[..], packet.payload].concat();
    assert!(again.len() <= bytes.len());
    assert_eq!(rtp::Packet::parse(&again), Ok(packet));
    if packet.header.payload_type == rtp::RED_PT {
        red(packet.payload);
    }
    if let Some((original, payload)) = rtp::unwrap_rtx(packet.payload) {
        assert_eq!([&original.0.to_be_bytes()[..], payload].concat(), packet.payload);
    }
    assert_eq!(rtp::rtx_media(rtp::rtx_ssrc(packet.header.ssrc)), packet.header.ssrc);
}

/// Blocks are few, lie inside the payload, and survive being packed again.
pub fn red(bytes: &[u8]) {
    let Ok(blocks) = red::unpack(bytes) else { return };
    let count = blocks.clone().count();
    assert!((1..=red::BLOCKS_MAX).contains(&count));
    assert!(blocks.clone().map(|block| block.payload.len()).sum::<usize>() < bytes.len());
    assert!(blocks.clone().all(|block| block.payload_type != rtp::RED_PT));
    let mut again = vec![0; bytes.len()];
    let len = red::pack(&mut again, blocks.clone()).expect("what was unpacked can be packed");
    assert_eq!(&again[..len], bytes);
}

/// A compound is read to its end, and each packet of it survives being written again.
pub fn rtcp(bytes: &[u8]) {
    let Ok(compound) = rtcp::parse(bytes) else { return };
    for item in compound {
        match item {
            Item::SenderReport(report) => {
                let info = rtcp::SenderInfo { ntp: report.ntp, rtp: report.rtp, packets: report.packets, octets: report.octets };
                let blocks: Vec<_> = report.blocks.collect();
                assert_eq!(first(&written(bytes, |writer| writer.sender_report(report.ssrc, &info, &blocks))), item);
            }
            Item::ReceiverReport(report) => {
                let blocks: Vec<_> = report.blocks.collect();
                assert_eq!(first(&written(bytes, |writer| writer.receiver_report(report.ssrc, &blocks))), item);
            }
            Item::Sdes(sdes) => sdes.for_each(|chunk| assert!(chunk.items.count() <= bytes.len())),
            Item::Bye(bye) => assert!(bye.ssrcs().count() <= 31 && bye.reason.is_none_or(|reason| reason.len() < bytes.len())),
            Item::App(packet) => {
                let want = Item::App(rtcp::App { subtype: 0, ..packet });
                assert_eq!(first(&written(bytes, |writer| writer.app(packet.ssrc, packet.name, packet.data))), want);
                app(packet.data);
            }
            Item::Xr(report) => report.blocks.for_each(|block| {
                let xr::Block::VoipMetrics(metrics) = block else { return };
                let bytes = written(bytes, |writer| writer.voip_metrics(report.ssrc, &metrics));
                let Item::Xr(mut again) = first(&bytes) else { panic!("an extended report stays one") };
                assert_eq!((again.ssrc, again.blocks.next()), (report.ssrc, Some(block)));
            }),
            Item::Nack(packet) => nack(bytes, packet),
            Item::Unknown(_) => {}
        }
    }
}

/// What `write` writes, in room enough for what it read in `bytes`.
fn written(bytes: &[u8], write: impl FnOnce(&mut rtcp::Writer<'_>) -> Result<(), Refused>) -> Vec<u8> {
    let mut out = vec![0; bytes.len() + 8 * NUMBERS_MAX];
    let mut writer = rtcp::Writer::new(&mut out);
    write(&mut writer).expect("what was read can be written");
    let len = writer.finish();
    out.truncate(len);
    out
}

fn first(bytes: &[u8]) -> Item<'_> {
    rtcp::parse(bytes).expect("what was written can be read").next().expect("one packet was written")
}

/// The same packets are asked for after packing them anew.
fn nack(bytes: &[u8], packet: rtcp::Nack<'_>) {
    let lost: Vec<Seq> = packet.lost().take(NUMBERS_MAX).collect();
    if lost.is_empty() {
        return;
    }
    let bytes = written(bytes, |writer| writer.nack(packet.ssrc, packet.media, &lost));
    let Item::Nack(again) = first(&bytes) else { panic!("a nack stays one") };
    let numbers = |lost: &mut dyn Iterator<Item = Seq>| lost.map(|seq| seq.0).collect::<BTreeSet<_>>();
    assert_eq!(numbers(&mut again.lost()), numbers(&mut lost.into_iter()));
}

/// Statements survive being written again.
pub fn app(bytes: &[u8]) {
    let Ok(tlvs) = app::parse(bytes) else { return };
    let mut out = vec![0; bytes.len()];
    let mut writer = app::Writer::new(&mut out);
    for tlv in tlvs {
        if let app::Tlv::Measure(value) = tlv
            && let Some(statement) = Measure::parse(value)
        {
            let mut again = [0; MEASURE_MAX];
            let len = statement.write(&mut again);
            assert_eq!(&again[..len], value);
        }
        writer.put(tlv).expect("room for what was read");
    }
    let len = writer.finish();
    assert!(app::parse(&out[..len]).expect("what was written can be read").eq(tlvs));
}
