//! A packet trace, played again: the real playout in virtual time, with a voice in place of what the packets carried.
//!
//! `VOICETUI_TRACE=FILE cargo test --test sim replay -- --nocapture` replays a file of `voicetui ctl dump FILE`.

use std::time::{Duration, Instant};

use voicetui::audio::codec::{Encode, OpusEncoder, OpusSettings, opus_has_lbrr};
use voicetui::call::Trace;
use voicetui::call::trace::{Line, Shape, Timing, What};
use voicetui::playout::{Codec, Config, Counters, Packet, Playout};
use voicetui::units::{ExtSeq, RtpTime, Slept};

use crate::models::Model;
use crate::net::{Link, Loss};
use crate::sound::{Coder, voice};
use crate::world::World;

/// Samples of a pull, and its time.
const BLOCK: usize = 240;
const BLOCK_US: u64 = 5_000;
/// Longer than any dump.
const LONGEST_US: u64 = 3_600_000_000;
/// After the last packet.
const AFTER_US: u64 = 1_000_000;

/// What came out of one peer's packets.
#[derive(Debug, Default)]
struct Heard {
    packets: u64,
    counters: Counters,
    /// While somebody spoke, one a pull, ms: the delay, and how far above its target it was.
    delays: Vec<f32>,
    excess: Vec<f32>,
}

impl Heard {
    /// Percent of the voice.
    fn concealed(&self) -> f64 {
        100.0 * self.counters.concealed_samples as f64 / self.counters.voice_samples.max(1) as f64
    }

    /// Percent of the packets.
    fn late(&self) -> f64 {
        100.0 * self.counters.late as f64 / self.packets.max(1) as f64
    }

    fn says(&self, name: &str) -> String {
        let (median, p95) = (quantile(&self.delays, 0.5), quantile(&self.delays, 0.95));
        let (packets, concealed, late) = (self.packets, self.concealed(), self.late());
        format!("{name}: {packets} packets, playout delay {median:.1} ms (p95 {p95:.1}), concealed {concealed:.2} %, late {late:.2} %")
    }
}

/// The value below which `share` of `values` lie.
fn quantile(values: &[f32], share: f64) -> f32 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f32::total_cmp);
    sorted.get(((sorted.len() as f64 * share) as usize).min(sorted.len().saturating_sub(1))).copied().unwrap_or(0.0)
}

/// Payloads that decode and last as long as they should.
struct Voice {
    /// Of 10 ms; with low-bitrate copies of the frame before, and without.
    armed: Vec<Vec<u8>>,
    plain: Vec<Vec<u8>>,
}

impl Voice {
    fn new() -> Self {
        let armed = OpusSettings { bitrate: 24_000, inband_fec: true, expected_loss_percent: 20, ..OpusSettings::default() };
        let has_copy = |frame: &Vec<u8>| opus_has_lbrr(frame);
        let armed: Vec<_> = frames(OpusEncoder::new(armed).expect("an encoder"), 300).filter(has_copy).collect();
        assert!(armed.len() > 20, "only {} frames with copies", armed.len());
        Self { armed, plain: frames(Coder::cached(), 100).collect() }
    }

    fn payload(&self, timing: &Timing) -> Vec<u8> {
        let ticks = usize::from(timing.ticks);
        match timing.codec {
            Codec::Opus => self.opus(timing, ticks),
            Codec::L16 | Codec::Seed => (0..ticks).flat_map(|n| (((n % 100) as i16 - 50) * 80).to_be_bytes()).collect(),
            Codec::Pcmu => (0..ticks).map(|n| if n % 80 < 40 { 0xd0 } else { 0x50 }).collect(),
        }
    }

    fn opus(&self, timing: &Timing, ticks: usize) -> Vec<u8> {
        let frames = if timing.shape == Shape::Lbrr { &self.armed } else { &self.plain };
        let frame = &frames[timing.seq.rem_euclid(frames.len() as i32) as usize];
        // RFC 6716, 3.1 and 3.2.5: several frames are a packet of code 3, here all of one size.
        let count = ticks / 480;
        match (timing.shape, ticks) {
            (_, 120) => vec![28 << 3, 0, 0, 0],
            (_, 240) => vec![29 << 3, 0, 0, 0],
            (_, _) if !ticks.is_multiple_of(480) || !(1..=12).contains(&count) => Vec::new(),
            (Shape::Dtx, 960) => vec![31 << 3],
            (Shape::Dtx, _) => vec![(30 << 3) | 3, count as u8],
            (_, 480) => frame.clone(),
            _ => [frame[0] | 3, count as u8].into_iter().chain(std::iter::repeat_n(&frame[1..], count).flatten().copied()).collect(),
        }
    }
}

/// The first `count` frames of the voice.
fn frames(mut coder: impl Encode, count: u64) -> impl Iterator<Item = Vec<u8>> {
    (0..count).map(move |frame| {
        let samples: Vec<f32> = (0..480).map(|n| voice(frame * 480 + n)).collect();
        let mut out = [0; 1_000];
        let len = coder.encode(&samples, &mut out);
        out[..len].to_vec()
    })
}

/// Plays one peer's lines. All that comes out is finite and bounded.
fn replay(lines: &[Line], name: &str) -> Heard {
    let start = Instant::now();
    let (voice, mut heard) = (Voice::new(), Heard::default());
    let mut playout = Playout::new(Config::default()).expect("a playout");
    let mut lines = lines.iter().peekable();
    let end_us = lines.clone().last().map_or(0, |line| line.at_us) + AFTER_US;
    assert!(end_us < LONGEST_US, "{name}: longer than an hour");
    let mut out = [0.0; BLOCK];
    for now_us in (lines.peek().map_or(0, |line| line.at_us)..end_us).step_by(BLOCK_US as usize) {
        while let Some(line) = lines.next_if(|line| line.at_us <= now_us) {
            match &line.what {
                What::Packet(timing) => {
                    heard.packets += 1;
                    packet(timing, start + Duration::from_micros(line.at_us), &voice).into_iter().for_each(|p| playout.insert(&p));
                }
                What::Slept => playout.handle_slept(Slept(Duration::ZERO)),
                What::Note(_) => {}
            }
        }
        let pulled = playout.pull(&mut out, start + Duration::from_micros(now_us));
        assert!(out.iter().all(|x| x.is_finite() && x.abs() <= 2.01), "{name}: a sample beyond all bounds at {now_us} us");
        if let (true, Some(delay), Some(target)) = (pulled.speaking, playout.delay_ms(), playout.target_ms()) {
            assert!((0.0..2_000.0).contains(&delay), "{name}: a delay of {delay} ms at {now_us} us");
            heard.delays.push(delay);
            heard.excess.push(delay - target);
        }
    }
    heard.counters = *playout.counters();
    heard
}

/// `None`: longer than any packet that is received.
fn packet(timing: &Timing, arrival: Instant, voice: &Voice) -> Option<Packet> {
    // Somewhere in the middle: both may lie before the first.
    let seq = ExtSeq((1u64 << 40).saturating_add_signed(i64::from(timing.seq)));
    let time = RtpTime(1 << 31).plus(timing.time.cast_unsigned());
    let mut packet = Packet::new(timing.stream, seq, time, timing.codec, arrival, &voice.payload(timing))?;
    (packet.marker, packet.origin) = (timing.marker, timing.origin);
    Some(packet)
}

fn read(path: &str) -> Trace {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{path} cannot be read: {error}"));
    Trace::parse(&text).unwrap_or_else(|error| panic!("{path}, {error}"))
}

#[test]
fn replay_of_the_traces_shipped_keeps_what_is_promised() {
    // Percent concealed, and the median delay in ms: at the most.
    for (model, concealed_max, delay_max) in
        [(Model::Ethernet, 0.1, 15.0), (Model::Wifi, 1.5, 70.0), (Model::Lte, 1.5, 40.0), (Model::Vpn, 5.0, 110.0)]
    {
        let trace = read(&model.file());
        let heard = replay(&trace.peers[0], model.name());
        println!("{}", heard.says(model.name()));
        assert!(heard.counters.voice_samples > 30 * 48_000, "{model:?}: {heard:?}", heard = heard.counters);
        assert!(heard.concealed() < concealed_max, "{}", heard.says(model.name()));
        assert!(quantile(&heard.delays, 0.5) < delay_max, "{}", heard.says(model.name()));
        let excess = quantile(&heard.excess, 0.5);
        let most = quantile(&heard.excess, 0.95);
        println!("    above its target: median {excess:.1} ms (p95 {most:.1})");
        assert!(excess.abs() < 5.0 && most < 20.0, "{model:?}: the delay stays {excess} ms ({most}) above its target");
    }
}

/// Of a file that a user sends: what playout makes of it now.
#[test]
fn replay_of_a_trace_of_yours() {
    let Some(path) = std::env::var_os("VOICETUI_TRACE") else { return };
    let path = path.to_str().expect("VOICETUI_TRACE is text");
    for (number, lines) in (1..).zip(&read(path).peers) {
        println!("{}", replay(lines, &format!("peer {number}")).says(&format!("peer {number}")));
    }
}

#[test]
fn replay_of_a_dumped_call_hears_what_the_call_heard() {
    for seed in [5, 6, 7] {
        let loss = Loss::Bursts { enter: 0.02, leave: 0.5, inside: 0.8 };
        let link = Link { delay: Duration::from_millis(30), jitter: Duration::from_millis(25), loss, ..Link::IDEAL };
        let mut world = World::call(seed, link);
        world.nodes[0].key(true);
        world.run(Duration::from_secs(20));
        world.nodes[0].key(false);
        world.run(Duration::from_secs(2));
        let node = &world.nodes[1];
        let text = node.downlink.dump(world.now).expect("somebody was heard").trace().to_string();
        let heard = replay(&Trace::parse(&text).expect("a trace").peers[0], "the call");
        let meters = node.meters.peer(node.only());
        let concealed = 100.0 * meters.concealed_samples.get() as f64 / meters.voice_samples.get() as f64;
        let late = 100.0 * meters.late_packets.get() as f64 / heard.packets as f64;
        println!("{}; in the call: concealed {concealed:.2} %, late {late:.2} %", heard.says("replayed"));
        // A trace knows neither when the card asked nor what was said: a pull is up to 5 ms off, and what is stretched differs.
        assert!((heard.concealed() - concealed).abs() < 0.5, "{} in place of {concealed}", heard.concealed());
        assert!((heard.late() - late).abs() < 0.5, "{} in place of {late}", heard.late());
    }
}
