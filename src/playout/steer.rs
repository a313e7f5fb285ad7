//! Steering to the target: where to stretch, and by how much. Pure.

use super::line::HISTORY;
use super::stretch::{self, LAG_MAX, LAG_MIN, OVERLAP};
use super::{MS, Playout};
use crate::units::FRAME_SAMPLES;

/// A packet is overdue when it could have come this long ago (2 ms), unless it is likely to come in time nevertheless.
const OVERDUE: f64 = 2.0 * MS;
/// So likely.
const IN_TIME: f64 = 0.7;
/// What waits is stretched by this much at the most until an overdue packet comes: 20 ms.
const HELD_OUT_MAX: usize = 960;
/// The least lead of the last quarter to half second counts: a card that asks in bursts is served at its worst.
const HALF: usize = 12_000;
/// Excess left alone: 1 ms in silence, 5 ms in voice.
const SPARE_QUIET: f64 = MS;
const SPARE_VOICE: f64 = 5.0 * MS;
/// Shortage left alone.
const SHORT_QUIET: f64 = 0.25 * MS;
const SHORT_VOICE: f64 = 2.0 * MS;
/// Off by more than this, splices come thicker and may be rougher: the sooner the sound is back in its place, the less is heard.
const HURRY: f64 = 6.0 * MS;
/// Samples between splices: in voice, in a hurry, in silence.
const APART_VOICE: f64 = 100.0 * MS;
const APART_HURRY: f64 = 10.0 * MS;
const APART_QUIET: f64 = 10.0 * MS;
/// Likeness that a splice in voice needs.
const LIKE: f32 = 0.7;
const LIKE_HURRY: f32 = 0.4;
/// Longest lag in silence.
const LAG_QUIET: usize = 960;
/// Silence, whatever the noise floor: -60 dBFS; voice, whatever it: -40 dBFS (mean squares).
const QUIET_SURE: f32 = 1e-6;
const QUIET_MAX: f32 = 1e-4;
/// What lies less than 6 dB above the noise floor is noise.
const NOISE: f32 = 4.0;
/// The floor rises by 10 dB in 12 s of louder sound.
const FLOOR_RISE: f32 = 1.002;

/// How far the clock is ahead of the media, at the end of each pull.
#[derive(Debug)]
pub(super) struct Lead {
    this: f64,
    last: f64,
    samples: usize,
    since: f64,
    spliced_at: f64,
    /// What the newest lengthening in voice added: taking that away again at once would be a tremolo.
    lengthened: f64,
    floor: f32,
}

impl Lead {
    pub(super) fn new() -> Self {
        Self {
            this: f64::INFINITY,
            last: f64::INFINITY,
            samples: 0,
            since: 0.0,
            spliced_at: f64::NEG_INFINITY,
            lengthened: 0.0,
            floor: QUIET_SURE,
        }
    }

    /// Playing starts elsewhere.
    pub(super) fn restart(&mut self) {
        (self.this, self.last, self.samples, self.lengthened) = (f64::INFINITY, f64::INFINITY, 0, 0.0);
    }

    pub(super) fn push(&mut self, now: f64, lead: f64, samples: usize) {
        if self.samples == 0 {
            self.since = now;
        }
        self.this = self.this.min(lead);
        self.samples += samples;
        // By samples and by the clock: while a card makes up for a stall, its samples say little.
        if self.samples >= HALF && now - self.since >= HALF as f64 * 0.9 {
            (self.last, self.this, self.samples) = (self.this, f64::INFINITY, 0);
        }
    }

    pub(super) fn least(&self) -> Option<f64> {
        Some(self.this.min(self.last)).filter(|lead| lead.is_finite())
    }

    fn shift(&mut self, by: f64) {
        self.this += by;
        self.last += by;
    }
}

impl Playout {
    /// By how much the lead is above the target; negative: too little.
    pub(super) fn excess(&self) -> f64 {
        let this_pull = self.now - self.position() - self.wanted as f64;
        self.lead.least().map_or(this_pull, |least| least.min(this_pull)) - self.target()
    }

    /// Splices what waits in the line, if the lead is off and the sound lets it.
    pub(super) fn steer(&mut self) {
        let excess = self.excess();
        let quiet = self.is_quiet();
        let hurry = excess.abs() > HURRY;
        let apart = match (quiet, hurry) {
            (true, _) => APART_QUIET,
            (_, true) => APART_HURRY,
            _ => APART_VOICE,
        };
        if self.pulled - self.lead.spliced_at < apart {
            return;
        }
        let spare_voice = SPARE_VOICE.max(self.lead.lengthened + LAG_MIN as f64);
        let (spare, short) = if quiet { (SPARE_QUIET, SHORT_QUIET) } else { (spare_voice, SHORT_VOICE) };
        let like = match (quiet, hurry) {
            (true, _) => -1.0,
            (_, true) => LIKE_HURRY,
            _ => LIKE,
        };
        if excess >= spare {
            let longest = if quiet { LAG_QUIET } else { LAG_MAX }.min(excess as usize);
            let shortest = if quiet { longest * 3 / 4 } else { LAG_MIN };
            self.accelerate(shortest, longest, like);
        } else if excess < -short {
            let needed = -excess as usize + 1;
            let (shortest, longest) = if quiet { (needed.min(LAG_MAX), needed.clamp(LAG_MIN, LAG_MAX)) } else { (LAG_MIN, LAG_MAX) };
            self.expand(shortest, longest, like);
        }
    }

    /// The sound decoded last is silence or steady noise. Also learns the noise floor; call it once a packet.
    fn is_quiet(&mut self) -> bool {
        let samples = self.line.with_history();
        let power = stretch::power(&samples[HISTORY - FRAME_SAMPLES..]);
        let floor = &mut self.lead.floor;
        *floor = power.min(*floor * FLOOR_RISE).max(1e-9);
        power < (*floor * NOISE).clamp(QUIET_SURE, QUIET_MAX)
    }

    /// Nothing waits, and the next packet is overdue: what is left of the sound is stretched, to give the packet time to come.
    pub(super) fn hold_out(&mut self) {
        let left = self.line.len();
        // The last chance: after this pull there is too little left to be stretched.
        let runs_dry = self.state.is_playing() && self.buffer.len() == 0 && (OVERLAP..self.wanted + OVERLAP).contains(&left);
        let overdue = self.now - self.next_media - self.control.fastest(self.now);
        if !runs_dry || overdue < OVERDUE || self.held_out >= HELD_OUT_MAX {
            return;
        }
        if self.control.chance(self.now, self.now - self.next_media, left as f64) > IN_TIME {
            return;
        }
        let before = self.counters.stretched_plus;
        self.expand(LAG_MIN, LAG_MAX, LIKE_HURRY);
        self.held_out += (self.counters.stretched_plus - before) as usize;
    }

    fn accelerate(&mut self, shortest: usize, longest: usize, like: f32) {
        // The excess waits in the buffer: decoding some of it now makes room to look ahead.
        let mut ahead = 0;
        while self.line.len() < longest + OVERLAP && ahead < 3 && self.play_ahead() {
            ahead += 1;
        }
        let Some(splice) = stretch::find(self.line.with_history(), HISTORY, true, shortest, longest) else { return };
        if splice.likeness >= like && self.line.shorten(splice.lag, OVERLAP) {
            self.counters.stretched_minus += splice.lag as u64;
            self.lead.shift(-(splice.lag as f64));
            (self.lead.spliced_at, self.lead.lengthened) = (self.pulled, 0.0);
        }
    }

    fn expand(&mut self, shortest: usize, longest: usize, like: f32) {
        let Some(splice) = stretch::find(self.line.with_history(), HISTORY, false, shortest, longest) else { return };
        if splice.likeness >= like && self.line.lengthen(splice.lag, OVERLAP) {
            self.counters.stretched_plus += splice.lag as u64;
            self.lead.shift(splice.lag as f64);
            (self.lead.spliced_at, self.lead.lengthened) = (self.pulled, splice.lag as f64);
        }
    }
}
