//! What runs in a callback or once a frame allocates and frees nothing once it runs: counted, for each path.
//!
//! libopus works on the stack (`VAR_ARRAYS`); its C `malloc` is called only where a state is made.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand::rngs::StdRng;
use voicetui::audio::codec::{Codec, DECODED_MAX, Decoder, Encode, OpusEncoder, OpusSettings};
use voicetui::audio::earcon::Earcon;
use voicetui::audio::process::Chain;
use voicetui::audio::resample::{Puller, Resampler};
use voicetui::audio::voice::{Tone, Voice};
use voicetui::audio::{Frame, SILENT_FRAME};
use voicetui::call::{SendPlan, Uplink, UplinkConfig};
use voicetui::engine::devices::{capture_callback, mic_ring, playback_callback};
use voicetui::engine::playback::{Playback, PlaybackHandle};
use voicetui::engine::{Controls, EarconChoice, Meters, TAP_SAMPLES, TapReader, tap};
use voicetui::os::sound::{BlockTime, StreamFormat};
use voicetui::playout::{Config, Packet};
use voicetui::session::Seal;
use voicetui::units::{ExtSeq, FRAME_SAMPLES, Format, PeerId, Ppm, RtpTime, Ssrc};

/// Counts what the watched thread asks of it.
struct Counting;

thread_local! {
    static WATCHED: Cell<bool> = const { Cell::new(false) };
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

fn count() {
    // After a thread's locals are gone nothing is watched any more.
    let _ = WATCHED.try_with(|watched| {
        if watched.get() {
            COUNT.with(|count| count.set(count.get() + 1));
        }
    });
}

// SAFETY: every call goes to `System` unchanged; counting neither allocates nor unwinds.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller keeps `GlobalAlloc`'s contract, and `System` has the same one.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count();
        // SAFETY: as above; `pointer` came from `System`.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: as above.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Runs `work` and returns how often it allocated or freed.
fn allocations(work: impl FnOnce()) -> u64 {
    COUNT.set(0);
    WATCHED.set(true);
    work();
    WATCHED.set(false);
    COUNT.get()
}

fn peer(slot: usize) -> PeerId {
    PeerId::new(slot).expect("a slot")
}

/// `count` Opus packets of the built-in talker.
fn speech(count: usize) -> Vec<Vec<u8>> {
    let mut encoder = OpusEncoder::new(OpusSettings::default()).expect("an encoder");
    let mut voice = Voice::new(1);
    let encode = |_| {
        let (mut frame, mut packet) = (SILENT_FRAME, vec![0; 1_200]);
        voice.fill(&mut frame);
        let len = encoder.encode(&frame, &mut packet);
        packet.truncate(len);
        packet
    };
    (0..count).map(encode).collect()
}

#[test]
fn the_counter_counts() {
    assert!(allocations(|| drop(std::hint::black_box(vec![0u8; 100]))) >= 2);
    assert_eq!(allocations(|| _ = std::hint::black_box([0u8; 100])), 0);
}

#[test]
fn a_card_of_any_rate_and_block_is_served_without_allocation() {
    for (rate, channels) in [(48_000, 1), (48_000, 2), (44_100, 2), (96_000, 6), (16_000, 1)] {
        let (meters, format) = (Arc::new(Meters::default()), StreamFormat { rate, channels });
        let (writer, mut reader) = mic_ring(meters.clone());
        let mut capture = capture_callback(writer, format).expect("a card's rate");
        let playback = Playback::new(meters.clone(), Arc::new(Controls::default())).0;
        let mut play = playback_callback(Box::new(playback), format, meters).expect("a card's rate");
        let (mut block, mut frame, mut frames, start) = (vec![0.1; 4_096 * usize::from(channels)], SILENT_FRAME, 0, Instant::now());
        // The first poll keeps the reader's thread handle.
        assert!(reader.poll_frame(&mut frame).is_none());
        let counted = allocations(|| {
            for (n, size) in [1, 24, 470, 441, 4_096, 960].into_iter().cycle().take(120).enumerate() {
                let now = start + n as u32 * Duration::from_millis(10);
                let samples = &mut block[..size * usize::from(channels)];
                capture(samples, BlockTime { now, at: now });
                play(samples, BlockTime { now, at: now });
                while reader.poll_frame(&mut frame).is_some() {
                    frames += 1;
                }
            }
        });
        assert_eq!(counted, 0, "{rate} Hz, {channels} channels");
        assert!(frames > 100, "{frames}");
    }
}

#[test]
fn the_sender_path_allocates_nothing() {
    let start = Instant::now();
    let kinds = [(Format::Rtp, 0, 10, 0), (Format::Rtp, 2, 20, 0), (Format::Rtp, 2, 10, 300), (Format::Pcm, 0, 10, 0)];
    for (format, redundancy, frame_ms, steady_bytes) in kinds {
        let mut uplink = Uplink::new(UplinkConfig { frame_ms, ..UplinkConfig::default() }, StdRng::seed_from_u64(1)).expect("an uplink");
        let plan = SendPlan {
            address: SocketAddr::from(([127, 0, 0, 1], 5005)),
            format,
            ssrc: Ssrc(7),
            payload_type: 111,
            redundancy,
            reach: 0,
            bitrate: 48_000,
            frame_ms,
            expected_loss_percent: 5,
            seal: Seal::default(),
            steady_bytes,
            from_next_spurt: false,
        };
        uplink.handle_plan(peer(0), Some(plan.clone()));
        uplink.handle_plan(peer(1), Some(SendPlan { ssrc: Ssrc(8), ..plan }));
        let (mut chain, mut voice) = (Chain::default(), Voice::new(3));
        let mut datagrams = 0;
        let counted = allocations(|| {
            for n in 0..300u32 {
                let mut frame: Frame = SILENT_FRAME;
                voice.fill(&mut frame);
                chain.clean(&mut frame, Some(&SILENT_FRAME));
                chain.finish(&mut frame, true);
                let on_air = n / 50 % 2 == 0;
                uplink.handle_frame(&frame, start + n * Duration::from_millis(10), on_air, &mut |_, _, _| datagrams += 1);
            }
        });
        assert_eq!(counted, 0, "{format}, {redundancy} copies, {frame_ms} ms");
        assert!(datagrams > 50);
    }
}

#[test]
fn every_decoder_and_its_concealment_allocate_nothing() {
    let packets = speech(100);
    let mut decoder = Decoder::new(Codec::Opus).expect("a decoder");
    let mut out = vec![0.0; DECODED_MAX];
    let counted = allocations(|| {
        for codec in [Codec::Opus, Codec::Seed, Codec::L16, Codec::Pcmu, Codec::Opus] {
            decoder.switch(codec);
            for (n, packet) in packets.iter().enumerate() {
                let payload = if codec == Codec::Opus { packet } else { &packet[..packet.len() & !1] };
                if n % 7 == 0 {
                    decoder.conceal(&mut out[..480 + n]);
                } else {
                    let _ = decoder.decode(payload, &mut out);
                }
                let _ = decoder.decode_fec(payload, &mut out[..480]);
                let _ = decoder.decode(&payload[..payload.len() / 2], &mut out);
            }
        }
    });
    assert_eq!(counted, 0);
}

#[test]
fn resampling_either_way_allocates_nothing() {
    let mut adjustable = Resampler::adjustable(48_000, 48_000).expect("rates");
    let mut puller = Puller::new(48_000, 44_100).expect("rates");
    let (mut tone, mut block, mut made) = (Tone::new(440.0), [0.0; 4_096], 0);
    let counted = allocations(|| {
        for (n, size) in [1, 480, 4_096, 37].into_iter().cycle().take(200).enumerate() {
            adjustable.set_ppm(Ppm(n as f32 - 100.0));
            tone.fill(&mut block[..size]);
            adjustable.process(&block[..size], &mut |samples| made += samples.len());
            puller.pull(&mut block[..size], &mut |input| tone.fill(input));
        }
        adjustable.reset();
    });
    assert_eq!(counted, 0);
    assert!(made > 100_000);
}

struct Ear {
    playback: Playback,
    handle: PlaybackHandle,
    taps: Vec<TapReader>,
    now: Instant,
}

impl Ear {
    fn new(peers: usize) -> Self {
        let now = Instant::now();
        let (playback, mut handle) = Playback::new(Arc::new(Meters::new(now)), Arc::new(Controls::new(now)));
        let open = |slot| {
            let (writer, mut reader) = tap(TAP_SAMPLES);
            reader.start();
            handle.open(peer(slot), Config::default(), writer).expect("room for a peer");
            reader
        };
        let taps = (0..peers).map(open).collect();
        Self { playback, handle, taps, now }
    }

    /// One frame's time: packet `n` comes for every peer unless `lost`, then the card asks for 480 samples in two blocks.
    fn step(&mut self, n: usize, payload: &[u8], lost: bool) {
        for slot in 0..self.taps.len() {
            let packet = Packet::new(1, ExtSeq(1_000 + n as u64), RtpTime(n as u32 * 480), Codec::Opus, self.now, payload);
            if let Some(packet) = packet.filter(|_| !lost) {
                let _ = self.handle.packet(peer(slot), packet);
            }
        }
        let mut out = [0.0; FRAME_SAMPLES];
        for block in out.chunks_mut(240) {
            self.playback.fill(block, self.now);
            self.now += Duration::from_millis(5);
        }
    }
}

#[test]
fn playback_allocates_nothing_while_it_decodes_conceals_mixes_and_records() {
    let packets = speech(600);
    let mut ear = Ear::new(4);
    packets.iter().enumerate().take(100).for_each(|(n, packet)| ear.step(n, packet, false));
    let counted = allocations(|| {
        for (n, packet) in packets.iter().enumerate().skip(100) {
            let lost = n % 11 == 0 || (200..204).contains(&n) || (300..360).contains(&n);
            ear.step(n, packet, lost);
        }
    });
    assert_eq!(counted, 0);
    assert!(ear.taps.iter_mut().all(|tap| tap.poll(&mut [0.0; 480]).is_some()), "the recorder was fed meanwhile");
}

#[test]
fn peers_come_and_go_without_the_callback_freeing_anything() {
    let mut ear = Ear::new(4);
    ear.playback.fill(&mut [0.0; 480], ear.now);
    (0..4).for_each(|slot| ear.handle.close(peer(slot)));
    let (writer, _reader) = tap(480);
    ear.handle.open(peer(5), Config::default(), writer).expect("room for a peer");
    let counted = allocations(|| {
        for _ in 0..10 {
            ear.playback.fill(&mut [0.0; 480], ear.now);
        }
    });
    assert_eq!(counted, 0);
    assert_eq!(ear.handle.drain(), 1);
}

#[test]
fn earcons_are_played_without_allocation() {
    let now = Instant::now();
    let (meters, controls) = (Arc::new(Meters::new(now)), Arc::new(Controls::new(now)));
    meters.out.running.store(true, Relaxed);
    let (mut playback, _handle) = Playback::new(meters, controls.clone());
    let (mut heard, mut out) = (0, [0.0; FRAME_SAMPLES]);
    controls.set_earcons(EarconChoice::All);
    let counted = allocations(|| {
        for n in 0..700u32 {
            controls.set_ringing(n < 400);
            if n % 50 == 0 {
                Earcon::ALL.into_iter().for_each(|earcon| controls.begin_earcon(earcon));
            }
            controls.set_deafened(n % 70 > 60);
            playback.fill(&mut out, now + n * Duration::from_millis(10));
            heard += usize::from(out.iter().any(|sample| *sample != 0.0));
        }
    });
    assert_eq!(counted, 0);
    assert!(heard > 100, "{heard}");
}
