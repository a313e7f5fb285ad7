//! What playout costs the playback callback: taking a packet in, 10 ms played, concealed, stretched.

use std::time::{Duration, Instant};

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use voicetui::audio::codec::{Encode, OpusEncoder, OpusSettings};
use voicetui::playout::{Codec, Config, Delay, Packet, Playout};
use voicetui::units::{ExtSeq, RtpTime};

/// A second of something like voice, in Opus packets of 10 ms.
fn voice() -> Vec<Vec<u8>> {
    let mut encoder = OpusEncoder::new(OpusSettings::default()).expect("an encoder");
    let mut packets = Vec::new();
    let mut phase = 0.0f32;
    for frame in 0..100 {
        let mut samples = [0.0f32; 480];
        for (n, sample) in samples.iter_mut().enumerate() {
            let time = (frame * 480 + n) as f32 / 48_000.0;
            phase += (125.0 + 20.0 * (time * std::f32::consts::TAU).sin()) / 48_000.0;
            *sample = (1..12).map(|k| (phase * k as f32 * std::f32::consts::TAU).sin() / k as f32).sum::<f32>() * 0.15;
        }
        let mut packet = vec![0; 500];
        let len = encoder.encode(&samples, &mut packet);
        packet.truncate(len);
        packets.push(packet);
    }
    packets
}

/// A sender, a network without delay, and a card that asks for 10 ms at a time.
struct Talk {
    playout: Playout,
    voice: Vec<Vec<u8>>,
    start: Instant,
    frame: u64,
    out: [f32; 480],
}

impl Talk {
    fn new() -> Self {
        let playout = Playout::new(Config::default()).expect("a playout");
        let mut talk = Self { playout, voice: voice(), start: Instant::now(), frame: 0, out: [0.0; 480] };
        for _ in 0..200 {
            talk.step(true);
        }
        talk
    }

    fn now(&self) -> Instant {
        self.start + Duration::from_millis(self.frame * 10)
    }

    fn packet(&self) -> Packet {
        let payload = &self.voice[self.frame as usize % self.voice.len()];
        let time = RtpTime((self.frame as u32).wrapping_mul(480));
        Packet::new(1, ExtSeq(70_000 + self.frame), time, Codec::Opus, self.now(), payload).expect("short")
    }

    fn step(&mut self, arrives: bool) {
        if arrives {
            let packet = self.packet();
            self.playout.insert(&packet);
        }
        let now = self.now();
        self.playout.pull(&mut self.out, now);
        self.frame += 1;
    }
}

fn playout(c: &mut Criterion) {
    let mut group = c.benchmark_group("playout");
    let mut talk = Talk::new();
    group.bench_function("insert and pull 10 ms, clean", |b| b.iter(|| talk.step(true)));
    let mut talk = Talk::new();
    group.bench_function("insert and pull 10 ms, every fifth packet lost", |b| b.iter(|| talk.step(!talk.frame.is_multiple_of(5))));
    let mut talk = Talk::new();
    let mut playout = Playout::new(Config::default()).expect("a playout");
    group.bench_function("insert", |b| {
        b.iter_batched(
            || {
                talk.frame += 1;
                talk.packet()
            },
            |packet| playout.insert(&packet),
            BatchSize::SmallInput,
        );
    });
    let mut talk = Talk::new();
    let mut wait = 60;
    group.bench_function("insert and pull 10 ms, stretching all the time", |b| {
        b.iter(|| {
            // The wanted delay goes to and fro, so that there is always something to add or take away.
            if talk.frame.is_multiple_of(40) {
                wait = 120 - wait;
                talk.playout.set_delay(Delay::Fixed(wait + 10));
            }
            talk.step(true);
        });
    });
    let mut talk = Talk::new();
    group.bench_function("pull 10 ms, silence", |b| b.iter(|| talk.step(false)));
    group.finish();
}

criterion_group!(benches, playout);
criterion_main!(benches);
