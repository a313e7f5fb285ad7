//! What the playback callback promises, driven by hand.

use super::*;
use crate::engine::tap::tap;
use crate::playout::{Codec, Config, Packet};
use crate::units::{ExtSeq, RtpTime};

struct Rig {
    playback: Playback,
    handle: PlaybackHandle,
    now: Instant,
}

impl Rig {
    fn new() -> Self {
        let now = Instant::now();
        let (playback, handle) = Playback::new(Arc::new(Meters::new(now)), Arc::new(Controls::new(now)));
        Self { playback, handle, now }
    }

    fn open(&mut self, slot: usize) -> Result<(), NotOpened> {
        self.handle.open(peer(slot), Config::default(), tap(480).0)
    }

    fn play(&mut self, samples: usize) -> Vec<f32> {
        let mut out = vec![9.0; samples];
        self.playback.fill(&mut out, self.now);
        self.now += Duration::from_nanos(samples as u64 * 1_000_000_000 / 48_000);
        out
    }

    fn packet(&mut self, slot: usize, seq: u64) -> Result<(), PacketDropped> {
        let packet = Packet::new(1, ExtSeq(seq), RtpTime(seq as u32 * 480), Codec::Opus, self.now, &[0; 4]).expect("it fits");
        self.handle.packet(peer(slot), packet)
    }
}

fn peer(slot: usize) -> PeerId {
    PeerId::new(slot).expect("a slot")
}

#[test]
fn with_nobody_there_it_plays_silence_in_any_block_size() {
    let mut rig = Rig::new();
    for size in [0, 1, 480, 4_096, 10_000] {
        assert!(rig.play(size).iter().all(|sample| *sample == 0.0));
    }
}

#[test]
fn closed_playouts_come_back_to_be_dropped() {
    let mut rig = Rig::new();
    for slot in 0..MAX_PEERS {
        rig.open(slot).expect("room");
    }
    rig.play(480);
    assert_eq!(rig.handle.drain(), MAX_PEERS);
    for slot in 0..MAX_PEERS {
        rig.handle.close(peer(slot));
        assert_eq!(rig.packet(slot, 1), Err(PacketDropped::NotOpen));
    }
    rig.play(480);
    assert_eq!(rig.handle.drain(), MAX_PEERS, "they are fading");
    rig.play(960);
    assert_eq!(rig.handle.drain(), 0);
}

#[test]
fn a_playout_opened_again_replaces_the_one_before() {
    let mut rig = Rig::new();
    for _ in 0..100 {
        rig.open(3).expect("room");
        rig.play(240);
        assert!(rig.handle.drain() <= 2);
    }
}

#[test]
fn a_stalled_callback_bounds_what_is_made_for_it() {
    let mut rig = Rig::new();
    let opened = (0..1_000).filter(|_| rig.open(0).is_ok()).count();
    assert_eq!(opened, SLOTS_MAX);
    let kept = (0..1_000).filter(|seq| rig.packet(0, *seq).is_ok()).count();
    assert_eq!(kept, PACKET_SLOTS);
    assert_eq!(rig.packet(0, 1_000), Err(PacketDropped::Full));
    rig.play(480);
    assert_eq!(rig.handle.drain(), 1);
    assert_eq!(rig.packet(0, 1_001), Ok(()));
}

#[test]
fn a_lost_playback_is_noticed() {
    let Rig { playback, mut handle, .. } = Rig::new();
    assert!(!handle.is_abandoned());
    assert!(handle.take_far_end().is_some() && handle.take_far_end().is_none());
    drop(playback);
    assert!(handle.is_abandoned());
}

#[test]
fn the_echo_reference_knows_when_it_is_heard_however_a_callback_asks() {
    let mut rig = Rig::new();
    let mut far = rig.handle.take_far_end().expect("not taken yet");
    rig.playback.meters.out.card_delay_ms.set(20.0);
    let start = rig.now;
    for _ in 0..4 {
        for piece in [512, 448] {
            rig.playback.fill(&mut vec![0.0; piece], rig.now);
        }
        rig.now += Duration::from_millis(20);
    }
    for n in 0..8 {
        let frame = far.pop().expect("eight frames were mixed");
        let expected = start + Duration::from_millis(20 + n * 10);
        assert!(frame.at.max(expected) - frame.at.min(expected) < Duration::from_micros(5));
    }
}
