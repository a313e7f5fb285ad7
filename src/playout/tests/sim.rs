//! A talker, a network and a sound card in virtual time, seeded.

use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use crate::audio::codec::{Encode, OpusEncoder, OpusSettings};
use crate::playout::{Codec, Config, Packet, Playout, Pulled, Step};
use crate::units::{ExtSeq, RtpTime};

/// Small and seeded; good enough for networks.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// 0..1
    pub fn even(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    pub fn normal(&mut self) -> f64 {
        let (a, b) = (self.even().max(1e-12), self.even());
        (-2.0 * a.ln()).sqrt() * (b * std::f64::consts::TAU).cos()
    }
}

/// A hum in mu-law, and of what it is made: 10 ms of it fit without a seam.
const HUM: [u8; 80] = {
    let mut hum = [0u8; 80];
    let mut n = 0;
    while n < 80 {
        // A triangle of 100 Hz.
        let up = if n < 40 { n } else { 79 - n };
        hum[n] = if up < 20 { 0x20 + up as u8 } else { 0xa0 + (39 - up) as u8 };
        n += 1;
    }
    hum
};

/// Two seconds of something like voice, encoded: (48 kbit/s Opus, 10 ms) packets.
pub fn voice() -> &'static [Vec<u8>] {
    static VOICE: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    VOICE.get_or_init(|| encode(0))
}

/// 10 ms of a quiet room, encoded.
fn silence() -> &'static Vec<u8> {
    static SILENCE: OnceLock<Vec<u8>> = OnceLock::new();
    SILENCE.get_or_init(|| {
        let mut encoder = OpusEncoder::new(OpusSettings { bitrate: 32_000, ..OpusSettings::default() }).expect("an encoder");
        let mut dice = Dice::new(5);
        let mut packet = vec![0; 400];
        for _ in 0..20 {
            let samples: [f32; 480] = std::array::from_fn(|_| (dice.even() as f32 - 0.5) * 1e-3);
            packet.resize(400, 0);
            let len = encoder.encode(&samples, &mut packet);
            packet.truncate(len);
        }
        packet
    })
}

/// The same with low-bitrate copies.
pub fn sturdy_voice() -> &'static [Vec<u8>] {
    static VOICE: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    VOICE.get_or_init(|| encode(15))
}

fn encode(loss: u8) -> Vec<Vec<u8>> {
    let settings = OpusSettings { bitrate: 32_000, expected_loss_percent: loss, inband_fec: loss > 0, ..OpusSettings::default() };
    let mut encoder = OpusEncoder::new(settings).expect("an encoder");
    let mut phase = 0.0f32;
    let mut packets = Vec::new();
    for frame in 0..200 {
        let mut samples = [0.0f32; 480];
        for (n, sample) in samples.iter_mut().enumerate() {
            let time = (frame * 480 + n) as f32 / 48_000.0;
            phase += (120.0 + 25.0 * (time * 6.0).sin()) / 48_000.0;
            let syllable = (time * 3.5 * std::f32::consts::PI).sin().powi(2);
            *sample = (1..12).map(|k| (phase * k as f32 * std::f32::consts::TAU).sin() / k as f32).sum::<f32>() * 0.2 * syllable;
        }
        let mut packet = vec![0; 400];
        let len = encoder.encode(&samples, &mut packet);
        packet.truncate(len);
        packets.push(packet);
    }
    packets
}

/// What a network does with the packet sent at `time` s: its delay in s, or its end.
pub type Network = Box<dyn FnMut(&mut Dice, f64) -> Option<f64>>;

pub struct Sim {
    pub playout: Playout,
    pub dice: Dice,
    pub seed: u64,
    pub start: Instant,
    /// Seconds of true time.
    pub time: f64,
    pub network: Network,
    /// When the talker is on air, by sending time in s.
    pub talks: Box<dyn Fn(f64) -> bool>,
    pub pre_roll: usize,
    /// So many frames of it are silent.
    pub quiet_pre_roll: usize,
    pub sender_ppm: f64,
    pub card_ppm: f64,
    pub block: usize,
    pub stream: u32,
    pub seq: u64,
    pub rtp: u32,
    pub lbrr: bool,
    pub red: bool,
    /// PCMU in place of Opus.
    pub cheap: bool,
    /// Frame number of the sender, since its clock started.
    frame: u64,
    on_air: bool,
    /// The packet to be sent is silent.
    quiet: bool,
    flying: BTreeMap<(u64, u64), Packet>,
    sent: u64,
    pub trace: Trace,
}

/// What came out.
#[derive(Default)]
pub struct Trace {
    pub steps: [u64; Step::ALL.len()],
    /// delay_ms() at each pull while speaking, (time s, ms).
    pub delays: Vec<(f64, f32)>,
    pub targets: Vec<f32>,
    pub loudest: f32,
    /// Largest step between neighbouring samples.
    pub steepest: f32,
    last: f32,
    pub pulled: u64,
}

impl Trace {
    pub fn mean(&self) -> f64 {
        self.delays.iter().map(|(_, delay)| f64::from(*delay)).sum::<f64>() / self.delays.len() as f64
    }

    pub fn median(&self) -> f32 {
        self.quantile(0.5)
    }

    pub fn quantile(&self, share: f64) -> f32 {
        let mut delays: Vec<f32> = self.delays.iter().map(|delay| delay.1).collect();
        delays.sort_by(f32::total_cmp);
        delays.get((delays.len() as f64 * share) as usize).copied().unwrap_or(f32::NAN)
    }

    fn take(&mut self, out: &[f32], pulled: &Pulled) {
        for step in Step::ALL {
            self.steps[step as usize] += pulled.samples(step) as u64;
        }
        for sample in out {
            self.loudest = self.loudest.max(sample.abs());
            self.steepest = self.steepest.max((sample - self.last).abs());
            self.last = *sample;
        }
        self.pulled += out.len() as u64;
    }
}

impl Sim {
    pub fn new(seed: u64, network: impl FnMut(&mut Dice, f64) -> Option<f64> + 'static) -> Self {
        println!("seed {seed}");
        Self {
            playout: Playout::new(Config::default()).expect("a playout"),
            dice: Dice::new(seed),
            seed,
            start: Instant::now() + Duration::from_secs(1_000),
            time: 0.0,
            network: Box::new(network),
            talks: Box::new(|_| true),
            pre_roll: 0,
            quiet_pre_roll: 0,
            sender_ppm: 0.0,
            card_ppm: 0.0,
            block: 240,
            stream: 7,
            seq: 70_000,
            rtp: 0xffff_ff00,
            lbrr: false,
            red: false,
            cheap: false,
            frame: 0,
            on_air: false,
            quiet: false,
            flying: BTreeMap::new(),
            sent: 0,
            trace: Trace::default(),
        }
    }

    pub fn instant(&self, time: f64) -> Instant {
        self.start + Duration::from_nanos((time * 1e9) as u64)
    }

    /// Runs until `seconds` more have gone by, pulling all the while.
    pub fn run(&mut self, seconds: f64) {
        let end = self.time + seconds;
        while self.time < end {
            self.time += self.block as f64 / 48_000.0 / (1.0 + self.card_ppm * 1e-6);
            self.pull(self.block);
        }
    }

    /// The card does not ask for `seconds`; what comes meanwhile waits.
    pub fn stall(&mut self, seconds: f64) {
        self.time += seconds;
    }

    pub fn pull(&mut self, samples: usize) {
        self.send_until(self.time);
        let now_ns = (self.time * 1e9) as u64;
        while let Some(entry) = self.flying.first_entry().filter(|entry| entry.key().0 <= now_ns) {
            let packet = entry.remove();
            self.playout.insert(&packet);
        }
        let mut out = vec![f32::NAN; samples];
        let pulled = self.playout.pull(&mut out, self.instant(self.time));
        assert!(out.iter().all(|sample| sample.is_finite()), "seed {}", self.seed);
        self.trace.take(&out, &pulled);
        if let (true, Some(delay), Some(target)) = (pulled.speaking, self.playout.delay_ms(), self.playout.target_ms()) {
            self.trace.delays.push((self.time, delay));
            self.trace.targets.push(target);
        }
    }

    /// Forgets what was measured so far.
    pub fn measure_anew(&mut self) {
        self.trace = Trace { last: self.trace.last, ..Trace::default() };
    }

    fn send_until(&mut self, time: f64) {
        let frame = 0.01 / (1.0 + self.sender_ppm * 1e-6);
        while (self.frame + 1) as f64 * frame <= time {
            // A frame leaves when its last sample was captured.
            self.frame += 1;
            let at = self.frame as f64 * frame;
            let talks = (self.talks)(at);
            if talks && !self.on_air {
                for back in (1..=self.pre_roll as u64).rev() {
                    self.quiet = self.pre_roll as u64 - back < self.quiet_pre_roll as u64;
                    self.send(at, self.frame - back, back == self.pre_roll as u64);
                }
                self.quiet = false;
                self.send(at, self.frame, self.pre_roll == 0);
            } else if talks {
                self.send(at, self.frame, false);
            }
            self.on_air = talks;
        }
    }

    fn send(&mut self, at: f64, frame: u64, marker: bool) {
        let (seq, index) = (self.seq, frame);
        self.seq += 1;
        let Some(delay) = (self.network)(&mut self.dice, at) else { return };
        let arrival = at + delay;
        if self.red && !marker {
            let mut copy = self.packet(seq - 1, index - 1, arrival);
            copy.origin = crate::playout::Origin::Red;
            self.fly(arrival, copy);
        }
        let mut packet = self.packet(seq, index, arrival);
        packet.marker = marker;
        self.fly(arrival, packet);
    }

    fn packet(&self, seq: u64, frame: u64, arrival: f64) -> Packet {
        if self.cheap {
            let time = RtpTime((frame as u32).wrapping_mul(80));
            return Packet::new(self.stream, ExtSeq(seq), time, Codec::Pcmu, self.instant(arrival), &HUM[..80]).expect("short");
        }
        let pool = if self.lbrr { sturdy_voice() } else { voice() };
        let payload = if self.quiet { silence() } else { &pool[frame as usize % pool.len()] };
        let time = RtpTime(self.rtp).plus((frame as u32).wrapping_mul(480));
        Packet::new(self.stream, ExtSeq(seq), time, Codec::Opus, self.instant(arrival), payload).expect("short")
    }

    pub fn fly(&mut self, arrival: f64, packet: Packet) {
        self.sent += 1;
        self.flying.insert(((arrival * 1e9) as u64, self.sent), packet);
    }

    /// Share of the voice that was made up or missing, percent.
    pub fn concealed_percent(&self) -> f64 {
        let counters = self.playout.counters();
        100.0 * counters.concealed_samples as f64 / counters.voice_samples.max(1) as f64
    }

    pub fn report(&self, name: &str) {
        println!(
            "{name}: delay median {:.2} p95 {:.2} ms, target {:.2}, concealed {:.3} %, drift {:?}\n  {:?}",
            self.trace.median(),
            self.trace.quantile(0.95),
            self.playout.target_ms().unwrap_or(f32::NAN),
            self.concealed_percent(),
            self.playout.drift(),
            self.playout.counters()
        );
    }
}
