//! What the audio path costs, each piece for 10 ms of sound: `cargo bench --bench audio`.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use voicetui::audio::codec::{Codec, DECODED_MAX, Decoder, Encode, OpusEncoder, OpusSettings};
use voicetui::audio::mixer::Mixer;
use voicetui::audio::process::Chain;
use voicetui::audio::resample::Resampler;
use voicetui::audio::voice::Voice;
use voicetui::audio::{Frame, SILENT_FRAME};
use voicetui::engine::playback::Playback;
use voicetui::engine::{Controls, Meters, tap};
use voicetui::playout::{Config, Packet};
use voicetui::units::{ExtSeq, PeerId, RtpTime};

/// Ten seconds of the built-in talker.
fn frames() -> Vec<Frame> {
    let mut voice = Voice::new(1);
    let next = |_| {
        let mut frame = SILENT_FRAME;
        voice.fill(&mut frame);
        frame
    };
    (0..1_000).map(next).collect()
}

fn packets(frames: &[Frame]) -> Vec<Vec<u8>> {
    let mut encoder = OpusEncoder::new(OpusSettings::default()).expect("an encoder");
    let encode = |frame: &Frame| {
        let mut packet = vec![0; 1_200];
        let len = encoder.encode(frame, &mut packet);
        packet.truncate(len);
        packet
    };
    frames.iter().map(encode).collect()
}

fn codec(c: &mut Criterion) {
    let frames = frames();
    let packets = packets(&frames);
    let mut encoder = OpusEncoder::new(OpusSettings::default()).expect("an encoder");
    let mut next = frames.iter().cycle();
    let mut packet = [0; 1_200];
    c.bench_function("encode", |b| b.iter(|| encoder.encode(next.next().expect("a cycle"), &mut packet)));
    let mut decoder = Decoder::new(Codec::Opus).expect("a decoder");
    let mut out = vec![0.0; DECODED_MAX];
    let mut next = packets.iter().cycle();
    c.bench_function("decode", |b| b.iter(|| decoder.decode(next.next().expect("a cycle"), &mut out)));
    // Three lost frames after each decoded one: concealment of long gaps is cheaper than what is wanted here.
    c.bench_function("decode 1, conceal 3", |b| {
        b.iter(|| {
            let _ = decoder.decode(next.next().expect("a cycle"), &mut out);
            decoder.conceal(&mut out[..3 * 480]);
        });
    });
}

fn samples(c: &mut Criterion) {
    let frames = frames();
    let mut mixer = Mixer::new();
    PeerId::all().for_each(|id| mixer.open(id, 1.0));
    c.bench_function("mix 16", |b| {
        b.iter(|| {
            let mut sum = SILENT_FRAME;
            PeerId::all().zip(&frames).for_each(|(id, frame)| mixer.add(id, frame, 1.0, &mut sum));
            mixer.finish(&mut sum);
            sum
        });
    });
    let mut next = frames.iter().cycle();
    let mut resampler = Resampler::new(48_000, 44_100).expect("rates");
    c.bench_function("resample 48 to 44.1 kHz", |b| {
        b.iter(|| resampler.process(next.next().expect("a cycle"), &mut |samples| _ = black_box(samples)));
    });
    let mut chain = Chain::default();
    c.bench_function("high-pass, gain and limiter", |b| {
        b.iter(|| {
            let mut frame = *next.next().expect("a cycle");
            chain.clean(&mut frame, None);
            chain.finish(&mut frame, false);
            frame
        });
    });
    let mut voice = Voice::new(2);
    c.bench_function("synthetic talker", |b| {
        b.iter(|| {
            let mut frame = SILENT_FRAME;
            voice.fill(&mut frame);
            frame
        });
    });
}

fn playback(c: &mut Criterion) {
    let packets = packets(&frames());
    let mut now = Instant::now();
    let (mut playback, mut handle) = Playback::new(Arc::new(Meters::new(now)), Arc::new(Controls::new(now)));
    let id = PeerId::new(0).expect("the first slot");
    handle.open(id, Config::default(), tap(480).0).expect("room for a peer");
    let (mut n, mut next) = (0u64, packets.iter().cycle());
    c.bench_function("playback, one peer", |b| {
        b.iter(|| {
            let payload = next.next().expect("a cycle");
            let packet = Packet::new(1, ExtSeq(1_000 + n), RtpTime((n * 480) as u32), Codec::Opus, now, payload).expect("it fits");
            let _ = handle.packet(id, packet);
            let mut out = SILENT_FRAME;
            playback.fill(&mut out, now);
            now += Duration::from_millis(10);
            n += 1;
            out
        });
    });
}

criterion_group!(audio, codec, samples, playback);
criterion_main!(audio);
