//! What the playback callback promises, driven by hand.

use super::*;
use crate::audio::codec::{Encode, OpusEncoder, OpusSettings};
use crate::audio::earcon::Earcon;
use crate::call::{Phase, Quality};
use crate::engine::Minute;
use crate::engine::tap::{Span, tap};
use crate::engine::wave::Mark;
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

/// Packets of a steady, voiced sound: anything that is not smooth in what is heard was made by us.
fn hum(count: usize) -> Vec<Vec<u8>> {
    let mut encoder = OpusEncoder::new(OpusSettings::default()).expect("an encoder");
    let encode = |block: usize| {
        let sample = |n: usize| {
            let t = (block * FRAME_SAMPLES + n) as f32 / 48_000.0;
            (1..6).map(|k| (t * 150.0 * k as f32 * std::f32::consts::TAU).sin() / k as f32).sum::<f32>() * 0.15
        };
        let frame: Vec<f32> = (0..FRAME_SAMPLES).map(sample).collect();
        let mut packet = vec![0; 1_200];
        let len = encoder.encode(&frame, &mut packet);
        packet.truncate(len);
        packet
    };
    (0..count).map(encode).collect()
}

fn rms(samples: &[f32]) -> f32 {
    (samples.iter().map(|s| s * s).sum::<f32>() / samples.len().max(1) as f32).sqrt()
}

fn largest_step(samples: &[f32]) -> f32 {
    samples.windows(2).fold(0f32, |step, pair| step.max((pair[1] - pair[0]).abs()))
}

impl Rig {
    /// Each packet arrives at every one of `slots`, then 10 ms are played in blocks of 240.
    fn hear(&mut self, slots: &[usize], packets: &[Vec<u8>], first: usize) -> Vec<f32> {
        let mut heard = Vec::new();
        for (n, payload) in packets.iter().enumerate() {
            let n = first + n;
            for slot in slots {
                let packet = Packet::new(1, ExtSeq(1_000 + n as u64), RtpTime(n as u32 * 480), Codec::Opus, self.now, payload);
                self.handle.packet(peer(*slot), packet.expect("it fits")).expect("room in the ring");
            }
            heard.extend(self.play(240));
            heard.extend(self.play(240));
        }
        heard
    }
}

#[test]
fn a_voice_is_heard_metered_and_drawn() {
    let mut rig = Rig::new();
    let (writer, mut reader) = tap(48_000);
    reader.start();
    rig.handle.open(peer(2), Config::default(), writer).expect("room");
    let heard = rig.hear(&[2], &hum(100), 0);
    assert!(rms(&heard[24_000..]) > 0.08, "{}", rms(&heard[24_000..]));
    assert!(largest_step(&heard[24_000..]) < 0.1, "{}", largest_step(&heard[24_000..]));
    let meters = rig.playback.meters.peer(peer(2));
    assert!(meters.played_packets.get() > 90);
    assert!(meters.speaking.load(Relaxed));
    assert_eq!(meters.wave.written(), 100);
    let column = meters.wave.column(80);
    assert_eq!(column.mark, Mark::Played);
    assert!(column.max > 0.1 && column.min < -0.1);
    assert!(meters.playout_delay_ms.get().is_some_and(|ms| ms < 30.0), "{:?}", meters.playout_delay_ms.get());
    assert!(meters.peak.take().0 > -20.0);
    let mut recorded = 0;
    while let Some(span) = reader.poll(&mut [0.0; 4_800]) {
        recorded += if let Span::Samples(n) = span { n } else { 0 };
    }
    assert!(recorded > 40_000, "{recorded}");
}

#[test]
fn while_a_delay_is_measured_the_ear_hears_what_nobody_is_played() {
    let mut rig = Rig::new();
    let mut ear = rig.handle.take_ear().expect("once");
    rig.open(0).expect("room");
    let before = rig.hear(&[0], &hum(40), 0);
    assert!(rms(&before[9_600..]) > 0.05 && ear.pop().is_err(), "it is heard, and not listened to");
    rig.playback.controls.set_measuring(Some(crate::call::Phase::Steady));
    let played = rig.hear(&[0], &hum(80)[40..], 40);
    assert_eq!(rms(&played), 0.0);
    let heard: Vec<f32> = std::iter::from_fn(|| ear.pop().ok()).flat_map(|frame| frame.samples).collect();
    assert!(heard.len() >= 9_600 && rms(&heard) > 0.05, "{} samples of {}", heard.len(), rms(&heard));
    rig.playback.controls.set_measuring(None);
    assert!(rms(&rig.hear(&[0], &hum(120)[80..], 80)) > 0.05);
}

#[test]
fn what_is_missing_is_painted_counted_and_rated_as_much_as_it_is() {
    let mut rig = Rig::new();
    rig.open(0).expect("room");
    rig.open(1).expect("room");
    let packets = hum(900);
    for (n, packet) in packets.iter().enumerate() {
        // Of the first peer two in twenty are missing.
        let gap = n > 100 && n % 20 < 2;
        rig.hear(if gap { &[1] } else { &[0, 1] }, std::slice::from_ref(packet), n);
    }
    let meters = &rig.playback.meters;
    let rated = |slot| {
        let mut quality = Quality::default();
        quality.handle(rig.now, meters.peer(peer(slot)).voice_counts(), Some(30.0));
        quality.rating().expect("nine seconds of voice").r
    };
    let missing = |slot| Minute::of(&meters.peer(peer(slot)).wave).missing_percent().expect("a voice");
    let counts = meters.peer(peer(0)).voice_counts();
    let counted = 100.0 * counts.concealed as f32 / counts.samples as f32;
    // 78 or 80 of 900.
    assert!((missing(0) - 8.9).abs() < 1.5 && (missing(0) - counted).abs() < 1.0, "{} painted, {counted} counted", missing(0));
    assert!(missing(1) < 0.5, "{}", missing(1));
    assert!((50.0..75.0).contains(&rated(0)) && rated(1) > 90.0, "{} {}", rated(0), rated(1));
}

#[test]
fn a_volume_that_jumps_is_heard_gliding() {
    let mut rig = Rig::new();
    rig.open(0).expect("room");
    let packets = hum(200);
    let loud = rms(&rig.hear(&[0], &packets[..60], 0)[14_400..]);
    rig.playback.controls.set_peer_volume(peer(0), 50);
    let turned_down = rig.hear(&[0], &packets[60..100], 60);
    rig.playback.controls.set_deafened(true);
    let deaf = rig.hear(&[0], &packets[100..140], 100);
    let quarter = rms(&turned_down[9_600..]) / loud;
    assert!((quarter - 0.25).abs() < 0.03, "{quarter}");
    assert!(largest_step(&turned_down) < 0.1 && largest_step(&deaf) < 0.05);
    assert!(rms(&deaf[9_600..]) < 1e-4);
}

#[test]
fn a_peer_that_leaves_fades() {
    let mut rig = Rig::new();
    rig.open(0).expect("room");
    let packets = hum(60);
    let mut heard = rig.hear(&[0], &packets, 0);
    rig.handle.close(peer(0));
    heard.extend(rig.play(2_400));
    let end = &heard[28_000..];
    assert!(largest_step(end) < 0.1, "{}", largest_step(end));
    assert!(rms(&heard[heard.len() - 480..]) < 1e-4);
    assert_eq!(rms(&rig.play(480)), 0.0);
    assert!(!rig.playback.meters.peer(peer(0)).speaking.load(Relaxed));
}

#[test]
fn after_a_sleep_what_waited_is_not_played() {
    let mut rig = Rig::new();
    rig.open(0).expect("room");
    let packets = hum(300);
    rig.hear(&[0], &packets[..60], 0);
    for (n, payload) in packets.iter().enumerate().take(160).skip(60) {
        let packet = Packet::new(1, ExtSeq(1_000 + n as u64), RtpTime(n as u32 * 480), Codec::Opus, rig.now, payload);
        rig.handle.packet(peer(0), packet.expect("it fits")).expect("room in the ring");
    }
    rig.handle.handle_slept(Slept(Duration::from_secs(3_600)));
    let after = rig.play(9_600);
    assert!(rms(&after[4_800..]) < 0.01, "{}", rms(&after[4_800..]));
    assert!(rms(&rig.hear(&[0], &packets[200..], 200)[14_400..]) > 0.08, "and what comes then is");
}

#[test]
fn concealment_is_bounded_in_one_callback_and_the_rest_fades() {
    let mut rig = Rig::new();
    let all: Vec<usize> = (0..MAX_PEERS).collect();
    for slot in &all {
        rig.open(*slot).expect("room");
    }
    let mut heard = rig.hear(&all, &hum(60), 0);
    // 85 ms at once, and nothing has come for anybody.
    heard.extend(rig.play(4_096));
    assert!(rig.playback.concealed >= CONCEALED_MAX / 2, "{}", rig.playback.concealed);
    assert!(rig.playback.concealed < CONCEALED_MAX + 4_096, "{}", rig.playback.concealed);
    assert!(largest_step(&heard[24_000..]) < 0.3, "{}", largest_step(&heard[24_000..]));
    let marks: Vec<Mark> = PeerId::all().flat_map(|id| rig.playback.meters.peer(id).wave.marks(60)).collect();
    assert!(marks.contains(&Mark::Concealed) && marks.contains(&Mark::Lost), "{marks:?}");
}

#[test]
fn an_earcon_is_part_of_what_is_played_and_of_the_echo_reference() {
    let mut rig = Rig::new();
    let mut far = rig.handle.take_far_end().expect("a far end");
    rig.playback.meters.out.running.store(true, Relaxed);
    rig.playback.controls.begin_earcon(Earcon::Live);
    let played = rig.play(9_600);
    assert!((0.09..0.11).contains(&played.iter().fold(0f32, |peak, sample| peak.max(sample.abs()))));
    let reference: Vec<f32> = std::iter::from_fn(|| far.pop().ok()).flat_map(|frame| frame.samples).collect();
    assert_eq!(reference, played);
    // While a delay is measured nothing is played, nor afterwards what was to be.
    rig.playback.controls.set_measuring(Some(Phase::Steady));
    rig.playback.controls.begin_earcon(Earcon::HangUp);
    rig.play(480);
    rig.playback.controls.set_measuring(None);
    assert_eq!(rms(&rig.play(9_600)), 0.0);
}

#[test]
fn an_earcon_makes_no_step_in_a_voice() {
    let mut rig = Rig::new();
    rig.playback.meters.out.running.store(true, Relaxed);
    rig.open(0).expect("room");
    let packets = hum(200);
    rig.hear(&[0], &packets[..60], 0);
    let voice = rig.hear(&[0], &packets[60..120], 60);
    rig.playback.controls.begin_earcon(Earcon::KeyUp);
    let both = rig.hear(&[0], &packets[120..180], 120);
    assert!(largest_step(&both) < largest_step(&voice) + 0.03, "{} {}", largest_step(&both), largest_step(&voice));
}
