//! What sealing costs: a packet sealed, a packet opened, a handshake's halves.

use std::hint::black_box;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use voicetui::session::Identity;
use voicetui::session::handshake::{Fresh, Initiator, Lineage, Local, Responder};
use voicetui::session::keys::{Class, OVERHEAD, OpeningKey, SealingKey};
use zeroize::Zeroizing;

/// An RTP packet of 10 ms at 48 kbit/s with one copy.
const PACKET: usize = 140;

fn packets(c: &mut Criterion) {
    let (sealing, mut opening) = (SealingKey::new(&[7; 32], 1), OpeningKey::new(&[7; 32], 1));
    let mut buffer = [0; PACKET + OVERHEAD];
    c.bench_function("session: seal a packet", |b| b.iter(|| sealing.seal(Class::Media, black_box(&mut buffer), PACKET)));
    let fresh = || {
        let mut datagram = [0; PACKET + OVERHEAD];
        sealing.seal(Class::Media, &mut datagram, PACKET).expect("room");
        datagram
    };
    c.bench_function("session: open a packet", |b| {
        b.iter_batched_ref(fresh, |datagram| opening.open(black_box(datagram)).expect("new"), BatchSize::SmallInput);
    });
}

fn handshakes(c: &mut Criterion) {
    let local = |secret: u8| Local { identity: Identity::new(Zeroizing::new([secret; 32])), psk: Zeroizing::new([0; 32]) };
    let (a, b) = (local(1), local(2));
    let mut rng = StdRng::seed_from_u64(1);
    let mut fresh = || Fresh { ephemeral: Zeroizing::new(rng.random()), r: Zeroizing::new(rng.random()), index: rng.random() };
    c.bench_function("session: both sides of a handshake", |bench| {
        bench.iter(|| {
            let mut initiator = Initiator::new(&a, fresh());
            let mut responder = Responder::new(&b, fresh(), initiator.message1()).expect("message 1");
            let (ours, third) = initiator.handle_message2(&a, responder.message2(), |_| Some(Lineage(0))).expect("message 2");
            (ours, responder.handle_message3(&b, &third).expect("message 3"))
        });
    });
}

criterion_group!(benches, packets, handshakes);
criterion_main!(benches);
