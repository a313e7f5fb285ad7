//! Rooms that echo, and noises.

pub const SECOND: usize = 48_000;

/// Seconds in which the echo falls by 60 dB, and the power of all reflections beside the direct sound's, dB: a microphone within
/// reach of its loudspeaker.
#[derive(Clone, Copy)]
pub struct Room {
    rt60: f32,
    reflections_db: f32,
    seed: u64,
}

pub const ROOMS: [(&str, Room); 3] = [
    ("dry desk, 150 ms", Room { rt60: 0.15, reflections_db: -12.0, seed: 1 }),
    ("office, 300 ms", Room { rt60: 0.3, reflections_db: -9.0, seed: 2 }),
    ("living room, 500 ms", Room { rt60: 0.5, reflections_db: -6.0, seed: 3 }),
];

pub type MakeNoise = fn(usize) -> Vec<f32>;

pub const NOISES: [(&str, MakeNoise); 3] = [("white", white), ("fan", fan), ("keyboard", keyboard)];

/// Seeded, -1..1.
struct Dice(u64);

impl Dice {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn next(&mut self) -> f32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    }
}

impl Room {
    /// `played` as it is heard in the room, of the same loudness, `delay` samples later.
    pub fn hear(&self, played: &[f32], delay: usize) -> Vec<f32> {
        let mut dice = Dice::new(self.seed);
        let length = (self.rt60 * SECOND as f32) as usize;
        // A tap each 20 samples or so, of either sign: as dense as an ear can tell ("velvet noise").
        let mut taps = vec![(delay, 1.0)];
        for from in (20..length).step_by(20) {
            let at = from + (dice.next().abs() * 19.0) as usize;
            taps.push((delay + at, dice.next().signum() * 10f32.powf(-3.0 * at as f32 / length as f32)));
        }
        let power = taps[1..].iter().map(|(_, tap)| tap * tap).sum::<f32>();
        let gain = (10f32.powf(self.reflections_db / 10.0) / power).sqrt();
        taps[1..].iter_mut().for_each(|(_, tap)| *tap *= gain);
        let mut out = vec![0.0; played.len()];
        for (lag, tap) in taps {
            out.iter_mut().skip(lag).zip(played).for_each(|(out, played)| *out += played * tap);
        }
        out
    }
}

fn white(samples: usize) -> Vec<f32> {
    let mut dice = Dice::new(4);
    (0..samples).map(|_| dice.next()).collect()
}

/// Air that falls by 6 dB an octave above 150 Hz, and the blades at 110 Hz and twice that.
fn fan(samples: usize) -> Vec<f32> {
    let (mut dice, mut air) = (Dice::new(5), 0.0);
    let share = std::f32::consts::TAU * 150.0 / SECOND as f32;
    (0..samples)
        .map(|n| {
            air += (dice.next() - air) * share;
            let turn = n as f32 * std::f32::consts::TAU * 110.0 / SECOND as f32;
            air + 0.03 * turn.sin() + 0.015 * (2.0 * turn).sin()
        })
        .collect()
}

/// Six keys a second, each down and up: a knock that dies in 4 ms and rings at 3 kHz, over a quiet room.
fn keyboard(samples: usize) -> Vec<f32> {
    let mut dice = Dice::new(6);
    let mut out: Vec<f32> = (0..samples).map(|_| dice.next() * 0.002).collect();
    let mut at = 0;
    while at < samples {
        let hit = 0.6 + 0.4 * dice.next().abs();
        for (from, loud) in [(at, hit), (at + 4_300, hit * 0.4)] {
            for n in 0..960.min(samples.saturating_sub(from)) {
                let time = n as f32 / SECOND as f32;
                let ring = (std::f32::consts::TAU * 3_000.0 * time).sin() * 0.4;
                out[from + n] += loud * (dice.next() * 0.6 + ring) * (-time / 0.004).exp();
            }
        }
        at += 5_000 + (dice.next().abs() * 6_000.0) as usize;
    }
    out
}
