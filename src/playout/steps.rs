//! One step at a time: the next packet played, a gap repaired, concealed or waited through. Pure.

use super::line::HISTORY;
use super::stretch::power;
use super::{MS, Origin, Playout, Step};
use crate::units::FRAME_SAMPLES;

/// Concealment at full strength for 30 ms, silent after 120 ms.
const CONCEALED_FULL: usize = 1_440;
const CONCEALED_MAX: usize = 5_760;
/// Comfort noise after a DTX packet goes on for so long: the next one is due after 400 ms.
const COMFORT_MAX: usize = 48_000;
/// From silence to full strength: 5 ms.
const RAMP: usize = 240;
/// Timestamps off by less are taken as they come: 5 ms.
const TOLERANCE: f64 = 5.0 * MS;
/// A waiting packet is played late rather than dropped up to here; the delay it causes is stretched away.
const OVERDUE_MAX: f64 = 120.0 * MS;
/// The pre-roll of voice activation is 200 ms before its time, and is all to be heard.
const OVERDUE_START_MAX: f64 = 260.0 * MS;
/// What is missing from the media is at least that much more than the packets missing: nobody spoke.
const PAUSE: f64 = 50.0 * MS;
/// A lead this far above the target is cut, not stretched away.
const EXCESS_MAX: f64 = 400.0 * MS;
/// What was made up for so long at most, while packets came late, stays: what it stood for is passed over. After more, all is
/// heard, later.
const PASSED_OVER_MAX: usize = 1_440;
/// The reported delay is averaged over half a second, unless it leaps by more than this.
const AVERAGE: f64 = 500.0 * MS;
const LEAP: f64 = 100.0 * MS;
/// Louder than this, concealment is heard as voice (mean square, -50 dBFS).
const AUDIBLE: f32 = 1e-5;

/// Where playing stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    /// Nothing to play.
    Idle,
    Playing,
    /// Ran dry in a talk spurt, or at its end: which one, the next packet tells.
    Starved,
}

/// The time since the last packet was used up.
#[derive(Clone, Copy, Debug)]
struct Dry {
    /// The media time when it began.
    media: f64,
    /// Samples put in since.
    samples: usize,
    /// It began in the middle of audible sound.
    audible: bool,
}

#[derive(Debug)]
pub(super) struct State {
    phase: Phase,
    /// Of the newest sample made, 0..=1.
    pub(super) gain: f32,
    /// Samples made up since the last real one.
    pub(super) concealed: usize,
    /// The newest packet was a DTX one: its silence is the sender's.
    comfort: bool,
    dry: Option<Dry>,
    /// What the sound before a cut would have gone on like, fading out.
    seam: [f32; RAMP],
    seam_len: usize,
    /// Samples of the next packet whose place is taken by what was made up.
    skip: usize,
}

impl State {
    pub(super) fn new() -> Self {
        Self { phase: Phase::Idle, gain: 0.0, concealed: CONCEALED_MAX, comfort: false, dry: None, seam: [0.0; RAMP], seam_len: 0, skip: 0 }
    }

    pub(super) fn is_playing(&self) -> bool {
        self.phase == Phase::Playing
    }

    pub(super) fn is_speaking(&self) -> bool {
        self.phase != Phase::Idle && !self.comfort
    }

    fn concealed_limit(&self) -> usize {
        if self.comfort { COMFORT_MAX } else { CONCEALED_MAX }
    }

    pub(super) fn is_idle(&self) -> bool {
        self.phase == Phase::Idle
    }
}

impl Playout {
    /// Makes at least one more sample; the line is empty.
    pub(super) fn produce(&mut self) {
        let Some((seq, media)) = self.waiting() else { return self.starve(FRAME_SAMPLES) };
        if self.state.is_playing() {
            let gap = media - self.next_media;
            let missing = seq - self.buffer.next();
            if missing > 0 && gap >= self.frame as f64 / 2.0 {
                return self.bridge(seq, gap);
            }
            if gap < TOLERANCE {
                return self.go_on(seq);
            }
            // The sender was silent for a while: a new talk spurt, which may start where it should.
            self.run_dry();
        }
        let planned = self.now - self.target() - self.wanted as f64;
        if media > planned {
            return self.starve(((media - planned).ceil() as usize).clamp(1, FRAME_SAMPLES));
        }
        let expected = self.buffer.next();
        let dropped = self.counters.discarded;
        let overdue_max = if self.begins_spurt(seq, media) { OVERDUE_START_MAX } else { OVERDUE_MAX };
        let seq = if planned - media > overdue_max { self.skip_overdue(seq, planned) } else { seq };
        self.lead.restart();
        let behind = if seq == expected { self.passed_over(seq, media, planned - media) } else { None };
        self.settle_gap(seq - expected, self.counters.discarded - dropped, media);
        let seq = behind.map_or(seq, |samples| self.pass_over(seq, samples));
        self.play(seq);
        self.steer();
    }

    /// The packet that waits is the first of a talk spurt, or of what is left of its burst: the sender had been silent before.
    fn begins_spurt(&self, seq: u64, media: f64) -> bool {
        let missing = seq.saturating_sub(self.buffer.next()) as f64;
        let marked = self.buffer.first().is_some_and(|stored| stored.packet.marker);
        marked || self.state.dry.is_some_and(|dry| media - dry.media > missing * self.frame as f64 + PAUSE)
    }

    /// So many samples were made up for what now comes late, all of it and more: few enough to leave them as they are.
    fn passed_over(&self, seq: u64, media: f64, overdue: f64) -> Option<usize> {
        let dry = self.state.dry.filter(|dry| dry.audible && !self.state.comfort && self.may_conceal)?;
        let follows = (media - dry.media).abs() < TOLERANCE && (dry.samples as f64) < overdue + TOLERANCE;
        let packets = dry.samples / self.frame.max(1);
        let is_there = |n: usize| {
            let place = media + (n * self.frame) as f64;
            let stored = self.buffer.get(seq.saturating_add(n as u64));
            stored.is_some_and(|stored| !stored.packet.is_silence() && (stored.media - place).abs() < TOLERANCE)
        };
        let is_little = (1..=PASSED_OVER_MAX).contains(&dry.samples);
        (is_little && follows && (0..=packets).all(is_there)).then_some(dry.samples)
    }

    /// Decodes `samples` of late sound unheard, so that the decoder is where the sender is, and joins what comes then to what was
    /// made up. The packet to go on with.
    fn pass_over(&mut self, mut seq: u64, mut samples: usize) -> u64 {
        self.prepare_seam();
        self.state.gain = 0.0;
        while samples >= self.frame {
            let Some(stored) = self.buffer.get(seq) else { break };
            let Ok(len) = self.decoder.decode(stored.packet.payload(), &mut self.scratch) else { break };
            samples = samples.saturating_sub(len.max(1));
            seq = seq.saturating_add(1);
            self.buffer.skip_to(seq);
            self.counters.late += 1;
        }
        self.state.skip = samples;
        seq
    }

    /// Decodes the next packet before its time, if it waits and follows without a gap.
    pub(super) fn play_ahead(&mut self) -> bool {
        match self.waiting() {
            Some((seq, media)) if seq == self.buffer.next() && (media - self.next_media).abs() < TOLERANCE => {
                self.play(seq);
                true
            }
            _ => false,
        }
    }

    fn waiting(&self) -> Option<(u64, f64)> {
        self.buffer.first().map(|stored| (stored.packet.seq.0, stored.media))
    }

    fn go_on(&mut self, seq: u64) {
        if self.excess() > EXCESS_MAX {
            let from = self.next_media;
            let planned = self.now - self.target() - self.wanted as f64;
            let to = self.skip_overdue(seq, planned);
            if to != seq {
                self.prepare_seam();
                self.lead.restart();
                self.play(to);
                self.counters.stretched_minus += (self.next_media - from).max(0.0) as u64;
                return;
            }
        }
        self.play(seq);
        self.steer();
    }

    /// The packet to go on with when `seq` is overdue: the last one due by `planned`; the ones before it are dropped.
    fn skip_overdue(&mut self, mut seq: u64, planned: f64) -> u64 {
        while let Some(after) = self.buffer.from(seq.saturating_add(1)) {
            if after.media > planned || after.packet.seq.0 <= seq {
                break;
            }
            seq = after.packet.seq.0;
        }
        self.counters.discarded += self.buffer.skip_to(seq);
        seq
    }

    fn play(&mut self, seq: u64) {
        let skip = std::mem::take(&mut self.state.skip);
        let Some(stored) = self.buffer.get(seq) else { return self.starve(FRAME_SAMPLES) };
        let payload = stored.packet.payload();
        let (media, origin) = (stored.media, stored.packet.origin);
        let comfort = stored.packet.is_silence();
        let wait = self.now - (stored.arrival - self.line.len().saturating_sub(self.wanted) as f64);
        let decoded = if payload.is_empty() {
            self.decoder.conceal(&mut self.scratch[..self.frame]);
            Ok(self.frame)
        } else {
            self.decoder.decode(payload, &mut self.scratch)
        };
        self.buffer.skip_to(seq.saturating_add(1));
        let len = match decoded {
            Ok(len) if len > 0 => len,
            _ => {
                self.counters.discarded += 1;
                return self.conceal_lost(self.frame);
            }
        };
        let step = match origin {
            _ if comfort => Step::Idle,
            Origin::Media => Step::Played,
            Origin::Red => Step::Red,
            Origin::Nack => Step::Nack,
        };
        *match origin {
            Origin::Media => &mut self.counters.played,
            Origin::Red => &mut self.counters.repaired_red,
            Origin::Nack => &mut self.counters.repaired_nack,
        } += 1;
        if origin == Origin::Media {
            let weight = (len as f64 / AVERAGE).min(1.0);
            // A leap is not averaged in: it is over.
            let near = self.delay.filter(|delay| (wait - delay).abs() < LEAP);
            self.delay = Some(near.map_or(wait, |delay| delay + (wait - delay) * weight));
        }
        let skip = skip.min(len - 1);
        self.scratch.copy_within(skip..len, 0);
        self.next_media = media + skip as f64;
        self.state.comfort = comfort;
        self.append_real(len - skip, step);
        self.frame = len;
    }

    /// `len` decoded samples go from the scratch into the line; joined to what was made up before them.
    fn append_real(&mut self, len: usize, step: Step) {
        if step != Step::Idle {
            self.counters.voice_samples += len as u64;
        }
        let samples = &mut self.scratch[..len];
        let state = &mut self.state;
        for (n, sample) in samples.iter_mut().enumerate().take(RAMP) {
            state.gain = (state.gain + 1.0 / RAMP as f32).min(1.0);
            let seam = if n < state.seam_len { state.seam[n] } else { 0.0 };
            *sample = *sample * state.gain + seam;
        }
        state.seam_len = 0;
        state.concealed = 0;
        self.held_out = 0;
        state.phase = Phase::Playing;
        self.line.append(samples, step);
        self.next_media += len as f64;
    }

    /// A packet is missing though a later one, `seq`, waits, `gap` after it: repaired or concealed.
    fn bridge(&mut self, seq: u64, gap: f64) {
        let missing = self.buffer.next();
        let frame = self.frame.min(gap as usize).max(1);
        self.buffer.skip_to(missing.saturating_add(1));
        let adjacent = seq == missing.saturating_add(1) && gap < self.frame as f64 * 1.5;
        if adjacent && self.frame.is_multiple_of(120) {
            let copy = self.buffer.get(seq).map(|stored| self.decoder.decode_fec(stored.packet.payload(), &mut self.scratch[..self.frame]));
            if let Some(Ok(len)) = copy.filter(|copy| copy.is_ok_and(|len| len > 0)) {
                self.counters.repaired_lbrr += 1;
                return self.append_real(len, Step::Lbrr);
            }
        }
        self.given_up.push(missing, self.made);
        self.conceal_lost(frame);
    }

    /// Stands in for `len` samples that are known to be missing.
    fn conceal_lost(&mut self, len: usize) {
        self.counters.lost += 1;
        self.counters.voice_samples += len as u64;
        self.counters.concealed_samples += len as u64;
        self.counters.concealed_gaps += u64::from(self.state.concealed == 0);
        let step = if self.state.concealed < CONCEALED_MAX { Step::Concealed } else { Step::Lost };
        self.make_up(len, step);
    }

    /// Nothing to play: what was heard goes on for a moment, then silence.
    fn starve(&mut self, len: usize) {
        self.run_dry();
        let sounding = self.state.concealed < CONCEALED_MAX && !self.state.comfort;
        let audible = self.state.dry.is_some_and(|dry| dry.audible);
        self.make_up(len, if sounding && audible { Step::Concealed } else { Step::Idle });
        if let Some(dry) = &mut self.state.dry {
            dry.samples = dry.samples.saturating_add(len);
        }
        if self.state.concealed >= self.state.concealed_limit() {
            self.state.phase = Phase::Idle;
        }
    }

    fn run_dry(&mut self) {
        if self.state.is_playing() {
            let heard = &self.line.with_history()[HISTORY - FRAME_SAMPLES..HISTORY];
            self.state.dry = Some(Dry { media: self.next_media, samples: 0, audible: power(heard) > AUDIBLE });
            self.state.phase = Phase::Starved;
        }
    }

    /// Playing goes on; now it is known what the time since running dry was. Packets `missing` since, some of them
    /// `dropped` here: a loss. None, and the next follows at once: they came late. Else the end of a talk spurt.
    fn settle_gap(&mut self, missing: u64, dropped: u64, media: f64) {
        let Some(dry) = self.state.dry.take() else { return };
        // A leap of the numbering is no proof of so many packets: no more were lost than had time to be.
        self.counters.lost += missing.saturating_sub(dropped).min(1 + (dry.samples / self.frame.max(1)) as u64);
        let due = if missing > 0 {
            dry.samples.min(self.frame.saturating_mul(missing as usize))
        } else if media < dry.media + TOLERANCE {
            dry.samples.min(CONCEALED_MAX)
        } else {
            0
        };
        self.counters.voice_samples += due as u64;
        self.counters.concealed_samples += due as u64;
        self.counters.concealed_gaps += u64::from(due > 0);
    }

    fn make_up(&mut self, len: usize, step: Step) {
        let state = &mut self.state;
        let samples = &mut self.scratch[..len];
        let mut step = step;
        if state.concealed >= state.concealed_limit() {
            samples.fill(0.0);
            state.gain = 0.0;
        } else if !self.may_conceal {
            // No time for the codec: the last sample dies away, and silence follows.
            let last = self.line.with_history().last().copied().unwrap_or_default();
            for (n, sample) in samples.iter_mut().enumerate() {
                *sample = last * (1.0 - (n + 1) as f32 / RAMP as f32).max(0.0);
            }
            (state.gain, state.concealed) = (0.0, state.concealed_limit());
            step = if step == Step::Concealed { Step::Lost } else { step };
        } else {
            self.decoder.conceal(samples);
            for sample in samples.iter_mut() {
                state.concealed += 1;
                if !state.comfort {
                    let left = CONCEALED_MAX.saturating_sub(state.concealed) as f32 / (CONCEALED_MAX - CONCEALED_FULL) as f32;
                    state.gain = state.gain.min(left);
                }
                *sample *= state.gain;
            }
        }
        self.line.append(samples, step);
        self.next_media += len as f64;
    }

    /// Before a cut: the sound so far would have gone on like this.
    fn prepare_seam(&mut self) {
        let state = &mut self.state;
        self.decoder.conceal(&mut state.seam);
        for (n, sample) in state.seam.iter_mut().enumerate() {
            *sample *= state.gain * (1.0 - (n + 1) as f32 / RAMP as f32);
        }
        (state.seam_len, state.gain) = (RAMP, 0.0);
    }
}
