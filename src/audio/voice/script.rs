//! What the built-in talker says: phrases of syllables with melody and pauses, as targets for the mouth each millisecond. Pure.

use super::Dice;
use super::phones::{CODAS, CONSONANTS, Manner, VOWELS};

/// Where the mouth and throat are, or should be.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Target {
    /// F1 to F3, Hz.
    pub(super) formants: [f32; 3],
    /// Added to the formants' bandwidths (the nose swallows), Hz.
    pub(super) damping: f32,
    /// Amplitudes, 0..1.
    pub(super) voicing: f32,
    pub(super) breath: f32,
    pub(super) hiss: f32,
    pub(super) hiss_hz: f32,
    /// Hz.
    pub(super) pitch: f32,
}

impl Target {
    /// Moves a step towards `target`: places by `glide`, strengths by `attack`, shares of the way.
    pub(super) fn approach(&mut self, target: &Self, glide: f32, attack: f32) {
        let step = |now: &mut f32, want: f32, share: f32| *now += (want - *now) * share;
        for (now, want) in self.formants.iter_mut().zip(target.formants) {
            step(now, want, glide);
        }
        step(&mut self.damping, target.damping, glide);
        step(&mut self.pitch, target.pitch, glide);
        step(&mut self.voicing, target.voicing, attack);
        step(&mut self.breath, target.breath, attack);
        step(&mut self.hiss, target.hiss, attack);
        self.hiss_hz = target.hiss_hz;
        if self.hiss + self.voicing + self.breath < 1e-6 {
            (self.hiss, self.voicing, self.breath) = (0.0, 0.0, 0.0);
        }
    }
}

/// A stretch of the script during which the target stands.
#[derive(Clone, Copy, Debug)]
struct Segment {
    target: Target,
    ms: f32,
}

/// A syllable needs at most: shut, burst, vowel, coda.
const QUEUE: usize = 6;

/// Writes itself as it is read, without end and without memory.
#[derive(Clone, Debug)]
pub(super) struct Script {
    dice: Dice,
    /// This speaker: resting pitch, Hz; length of the throat against the average; syllable tempo.
    base_pitch: f32,
    throat: f32,
    tempo: f32,
    queue: [Option<Segment>; QUEUE],
    elapsed_ms: f32,
    syllables_left: usize,
    syllables: usize,
    rises: bool,
    vowel: usize,
}

impl Script {
    pub(super) fn new(mut dice: Dice) -> Self {
        let is_high = dice.unit() < 0.5;
        let (base_pitch, throat) = if is_high {
            (dice.between(165.0, 205.0), dice.between(1.10, 1.18))
        } else {
            (dice.between(98.0, 130.0), dice.between(0.96, 1.04))
        };
        let tempo = dice.between(0.92, 1.1);
        Self {
            dice,
            base_pitch,
            throat,
            tempo,
            queue: [None; QUEUE],
            elapsed_ms: 0.0,
            syllables_left: 0,
            syllables: 1,
            rises: false,
            vowel: 0,
        }
    }

    /// How much higher than an average man's this speaker's formants are.
    pub(super) fn throat(&self) -> f32 {
        self.throat
    }

    /// The mouth of one who says nothing.
    pub(super) fn rest(&self) -> Target {
        self.target([500.0, 1_450.0, 2_450.0])
    }

    /// One millisecond on: the target that stands now.
    pub(super) fn tick(&mut self) -> Target {
        self.elapsed_ms += 1.0;
        if let Some(segment) = self.queue[0]
            && self.elapsed_ms >= segment.ms
        {
            self.elapsed_ms -= segment.ms;
            self.queue.rotate_left(1);
            self.queue[QUEUE - 1] = None;
        }
        if self.queue[0].is_none() {
            self.write();
        }
        self.queue[0].map_or_else(|| self.rest(), |segment| segment.target)
    }

    fn target(&self, formants: [f32; 3]) -> Target {
        Target {
            formants: formants.map(|hz| hz * self.throat),
            damping: 0.0,
            voicing: 0.0,
            breath: 0.0,
            hiss: 0.0,
            hiss_hz: 4_000.0,
            pitch: self.base_pitch,
        }
    }

    fn push(&mut self, target: Target, ms: f32) {
        if let Some(free) = self.queue.iter_mut().find(|segment| segment.is_none()) {
            *free = Some(Segment { target, ms: ms / self.tempo });
        }
    }

    fn write(&mut self) {
        if self.syllables_left > 0 {
            self.syllables_left -= 1;
            return self.syllable();
        }
        // A pause: short between phrases, longer between thoughts.
        let ms = if self.dice.unit() < 0.65 { self.dice.between(220.0, 420.0) } else { self.dice.between(600.0, 1_000.0) };
        self.push(self.rest(), ms);
        self.syllables = 4 + self.dice.below(8);
        self.syllables_left = self.syllables;
        self.rises = self.dice.unit() < 0.25;
    }

    /// The melody: begins high, sinks, leans on every second or third syllable; a question rises at the end.
    fn pitch(&mut self, is_stressed: bool) -> f32 {
        let through = 1.0 - self.syllables_left as f32 / self.syllables as f32;
        let line = 1.18 - 0.30 * through;
        let accent = if is_stressed { self.dice.between(0.06, 0.16) } else { self.dice.between(-0.03, 0.02) };
        let end = if self.syllables_left > 0 {
            0.0
        } else if self.rises {
            0.30
        } else {
            -0.08
        };
        self.base_pitch * (line + accent + end)
    }

    fn syllable(&mut self) {
        let is_last = self.syllables_left == 0;
        let is_stressed = self.dice.unit() < 0.4;
        let pitch = self.pitch(is_stressed);
        // Never the same vowel twice running; unstressed ones are often a schwa.
        let step = 1 + self.dice.below(VOWELS.len() - 1);
        self.vowel = (self.vowel + step) % VOWELS.len();
        let vowel = if !is_stressed && self.dice.unit() < 0.35 { VOWELS.len() - 1 } else { self.vowel };
        let vowel = VOWELS[vowel];
        if self.dice.unit() < 0.9 {
            let onset = self.dice.below(CONSONANTS.len());
            self.consonant(onset, vowel, pitch, 1.0);
        }
        let strength = if is_stressed { 1.0 } else { 0.72 } * if is_last { 0.8 } else { 1.0 };
        let ms = if is_stressed { self.dice.between(110.0, 160.0) } else { self.dice.between(65.0, 100.0) };
        let ms = if is_last { ms * 1.5 } else { ms };
        let open = Target { voicing: strength, breath: 0.05, pitch, ..self.target(vowel) };
        self.push(open, ms * 0.6);
        // The second half leans towards a neighbouring vowel, as spoken vowels do, and sinks a little.
        let glide = VOWELS[(self.vowel + 1) % VOWELS.len()];
        let lean: [f32; 3] = std::array::from_fn(|n| vowel[n] * 0.8 + glide[n] * 0.2);
        self.push(Target { voicing: strength * 0.85, breath: 0.05, pitch: pitch * 0.96, ..self.target(lean) }, ms * 0.4);
        if self.dice.unit() < 0.3 {
            let coda = CODAS[self.dice.below(CODAS.len())];
            self.consonant(coda, vowel, pitch * 0.95, 0.8);
        }
    }

    fn consonant(&mut self, which: usize, vowel: [f32; 3], pitch: f32, strength: f32) {
        let consonant = CONSONANTS[which];
        let base = Target { pitch, ..self.target(consonant.formants) };
        match consonant.manner {
            Manner::Sonorant { voicing, damping, ms } => self.push(Target { voicing: voicing * strength, damping, ..base }, ms),
            Manner::Fricative { hz, hiss, voicing, ms } => {
                self.push(Target { hiss: hiss * strength, hiss_hz: hz, voicing: voicing * strength, ..base }, ms);
            }
            Manner::Stop { hz, burst, voicing, shut_ms } => {
                self.push(Target { voicing, damping: 150.0, ..base }, shut_ms);
                let ms = if voicing > 0.0 { 8.0 } else { 18.0 };
                self.push(Target { hiss: burst * strength, hiss_hz: hz, breath: 0.1, voicing, ..base }, ms);
            }
            Manner::Breath => self.push(Target { breath: 0.5, pitch, ..self.target(vowel) }, 55.0),
        }
    }
}
