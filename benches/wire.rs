//! What a packet costs on the wire's side: parse, pack, unpack, report.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use voicetui::units::{RtpTime, Seq, Ssrc};
use voicetui::wire::app::{self, CallWord, Tlv, caps};
use voicetui::wire::rtcp::{self, ReportBlock, SenderInfo};
use voicetui::wire::xr::VoipMetrics;
use voicetui::wire::{Refused, classify, pcm, red, rtp};

/// An Opus frame of 10 ms at 32 kbit/s.
const FRAME: [u8; 40] = [0x78; 40];

fn rtp_packets(c: &mut Criterion) {
    let header = rtp::Header { payload_type: rtp::OPUS_PT, marker: false, seq: Seq(7), time: RtpTime(480), ssrc: Ssrc(9) };
    let bytes = [&header.to_bytes()[..], &FRAME].concat();
    let mut out = [0; 64];
    c.bench_function("rtp: sort and parse", |b| b.iter(|| (classify(black_box(&bytes)), rtp::Packet::parse(black_box(&bytes)))));
    c.bench_function("rtp: write a header", |b| b.iter(|| black_box(&header).write(black_box(&mut out))));
}

fn redundancy(c: &mut Criterion) {
    let blocks = [960, 480, 0].map(|offset| red::Block { payload_type: rtp::OPUS_PT, offset, payload: &FRAME });
    let mut out = [0; 256];
    let len = red::pack(&mut out, blocks).expect("room enough");
    let packed = out[..len].to_vec();
    c.bench_function("red: pack two copies", |b| b.iter(|| red::pack(&mut out, black_box(blocks))));
    c.bench_function("red: unpack two copies", |b| b.iter(|| red::unpack(black_box(&packed)).map(|blocks| blocks.map(black_box).count())));
}

/// What goes to another voicetui each 500 ms.
fn write_compound(out: &mut [u8]) -> Result<usize, Refused> {
    let me = Ssrc(1);
    let mut body = [0; 128];
    let mut statements = app::Writer::new(&mut body);
    statements.put(Tlv::State(CallWord::Live))?;
    statements.put(Tlv::Caps(caps::RED | caps::NACK))?;
    statements.put(Tlv::Name("Ada's desk"))?;
    statements.put(Tlv::CaptureDelay(120))?;
    statements.put(Tlv::Ping(42))?;
    let len = statements.finish();
    let mut writer = rtcp::Writer::new(out);
    writer.sender_report(me, &SenderInfo { ntp: 1 << 63, rtp: RtpTime(480), packets: 50, octets: 2_000 }, &[ReportBlock::default()])?;
    writer.sdes(me, "3f2a@voicetui", Some("Ada's desk"))?;
    writer.voip_metrics(me, &VoipMetrics::default())?;
    writer.app(me, app::NAME, &body[..len])?;
    Ok(writer.finish())
}

fn compounds(c: &mut Criterion) {
    let mut out = [0; 1_200];
    let len = write_compound(&mut out).expect("room enough");
    let bytes = out[..len].to_vec();
    c.bench_function("rtcp: write a compound", |b| b.iter(|| write_compound(black_box(&mut out))));
    c.bench_function("rtcp: parse a compound", |b| b.iter(|| rtcp::parse(black_box(&bytes)).map(|items| items.map(black_box).count())));
}

fn samples(c: &mut Criterion) {
    let bytes = [0x12; 2_048];
    let mut decoded = [0.0; 1_024];
    let mut out = [0; 2_048];
    c.bench_function("pcm: decode a seed datagram", |b| b.iter(|| pcm::decode(black_box(&bytes), black_box(&mut decoded))));
    c.bench_function("pcm: encode a seed datagram", |b| b.iter(|| pcm::encode(black_box(&decoded), black_box(&mut out))));
}

criterion_group!(benches, rtp_packets, redundancy, compounds, samples);
criterion_main!(benches);
