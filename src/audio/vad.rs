//! Whether somebody speaks: how likely that is, 62.5 times a second, and what follows from it. Pure; runs on the sender thread.
//!
//! A small recurrent network on the log powers of 40 mel bands (crate `earshot`, trained on speech in noise): it hears what a voice
//! is like, not how loud it is. A level gate opens for a door that slams and for a fan that starts; this does not.
//!
//! ```text
//! 48 kHz -> no louder than -36 dB, 16 kHz -> network -> score -> three in a row >= threshold: speaking -> none for the hang: not any more
//! ```

use std::fmt;

use earshot::Detector;

use super::Frame;
use super::meter::mean_square;
use super::resample::{RateError, Resampler};
use crate::units::SAMPLE_RATE;

/// The detector's own rate, Hz, and what it looks at: 16 ms.
const RATE: u32 = 16_000;
const WINDOW: usize = 256;
/// -6 dB, and less for what is louder than -30 dBFS (mean power of a window; it is forgotten by 14 dB a second): the network tells quiet
/// voices from noise, but takes a loud roar for a voice. A fan at -20 dBFS, or one at -25 that comes and goes, opened it for 65 to 92 % of the
/// time without the second, with both for none; voices open it as soon. With -12 dB for all, quiet voices opened it 100 ms later.
const GAIN: f32 = 0.5;
const LOUD: f32 = 1e-3;
const LOUD_FALLS: f32 = 0.95;
/// So many windows in a row begin speech (48 ms): a key of the keyboard or a knock passes in less.
const BEGIN: u32 = 3;
/// Once begun, speech goes on while scores reach this much of the threshold: vowels that die away, breathy ends.
const GO_ON: f32 = 0.8;
/// The first windows after silence that never was (256 ms) say nothing: the network has no past yet. Those after a close (96 ms)
/// would tell of what was said before it.
const WARM_UP: u32 = 16;
const FORGETS: u32 = 6;
/// The score of what is more like a voice than not; and how long somebody speaks on after it, ms.
const VOICED: f32 = 0.4;
const VOICE_MS: u32 = 100;
/// Length of a frame, ms.
const FRAME_MS: u32 = 10;

/// How easily speech is believed, and how long it lasts after the last sound of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Tuning {
    /// Percent, [`Tuning::SENSITIVITY_MIN`]..=[`Tuning::SENSITIVITY_MAX`]: the more, the sooner; the threshold is what is left of 100.
    pub sensitivity: u8,
    /// Milliseconds, [`Tuning::HANG_MIN`]..=[`Tuning::HANG_MAX`].
    pub hang_ms: u16,
}

impl Default for Tuning {
    fn default() -> Self {
        Self { sensitivity: 50, hang_ms: 400 }
    }
}

impl Tuning {
    pub const SENSITIVITY_MIN: u8 = 5;
    pub const SENSITIVITY_MAX: u8 = 95;
    pub const HANG_MIN: u16 = 100;
    pub const HANG_MAX: u16 = 2_000;

    /// Percent, as a user types it.
    ///
    /// # Errors
    /// What is possible, without a capital or a full stop.
    pub fn parse_sensitivity(text: &str) -> Result<u8, String> {
        let percent = text.trim_end_matches('%').trim_end().parse().ok();
        let (least, most) = (Self::SENSITIVITY_MIN, Self::SENSITIVITY_MAX);
        percent.filter(|percent| (least..=most).contains(percent)).ok_or_else(|| format!("a sensitivity is {least} to {most} percent"))
    }

    /// Milliseconds, as a user types them.
    ///
    /// # Errors
    /// As [`Tuning::parse_sensitivity`].
    pub fn parse_hang(text: &str) -> Result<u16, String> {
        let ms = text.trim_end_matches("ms").trim_end().parse().ok();
        let (least, most) = (Self::HANG_MIN, Self::HANG_MAX);
        ms.filter(|ms| (least..=most).contains(ms)).ok_or_else(|| format!("a hang is {least} to {most} ms"))
    }

    /// From this score on, 0..=1, a window counts as speech.
    #[must_use]
    pub fn threshold(self) -> f32 {
        1.0 - f32::from(self.sensitivity.clamp(Self::SENSITIVITY_MIN, Self::SENSITIVITY_MAX)) / 100.0
    }
}

/// The detector, fed with frames of the microphone as they come from it, before any gain. Nothing allocates after construction.
pub struct Vad {
    detector: Box<Detector>,
    down: Resampler,
    window: [f32; WINDOW],
    filled: usize,
    /// Windows that do not count yet.
    ignored: u32,
    /// Power of the loudest window of late.
    loud: f32,
    score: f32,
    /// Windows in a row that count.
    run: u32,
    /// Since the last window that counted, ms.
    quiet_ms: u32,
    speaking: bool,
    /// Windows in a row that are more like a voice than not, and how long ago there were enough of them.
    voiced: u32,
    since_voice_ms: u32,
}

impl fmt::Debug for Vad {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vad").field("score", &self.score).field("speaking", &self.speaking).finish_non_exhaustive()
    }
}

impl Vad {
    /// # Errors
    /// The resampler to 16 kHz could not be made.
    pub fn new() -> Result<Self, RateError> {
        let down = Resampler::new(SAMPLE_RATE, RATE)?;
        let detector = Detector::default_boxed();
        Ok(Self {
            detector,
            down,
            window: [0.0; WINDOW],
            filled: 0,
            ignored: WARM_UP,
            loud: 0.0,
            score: 0.0,
            run: 0,
            quiet_ms: 0,
            speaking: false,
            voiced: 0,
            since_voice_ms: u32::MAX,
        })
    }

    /// Takes the next 10 ms; whether somebody speaks now.
    pub fn push(&mut self, frame: &Frame, tuning: Tuning) -> bool {
        self.quiet_ms = self.quiet_ms.saturating_add(FRAME_MS);
        self.since_voice_ms = self.since_voice_ms.saturating_add(FRAME_MS);
        let Self { detector, down, window, filled, ignored, loud, score, run, quiet_ms, speaking, voiced, since_voice_ms } = self;
        down.process(frame, &mut |samples| {
            for sample in samples {
                // A broken sample would stay in the network for good.
                window[*filled] = if sample.is_finite() { sample.clamp(-1.0, 1.0) } else { 0.0 };
                *filled += 1;
                if *filled < WINDOW {
                    continue;
                }
                *filled = 0;
                *loud = mean_square(window).max(*loud * LOUD_FALLS);
                let gain = GAIN * (LOUD / loud.max(LOUD)).sqrt();
                window.iter_mut().for_each(|sample| *sample *= gain);
                let heard = detector.predict_f32(window);
                *score = if *ignored == 0 { heard.clamp(0.0, 1.0) } else { 0.0 };
                *ignored = ignored.saturating_sub(1);
                *voiced = if *score >= VOICED { voiced.saturating_add(1) } else { 0 };
                if *voiced >= BEGIN {
                    *since_voice_ms = 0;
                }
                let enough = tuning.threshold() * if *speaking { GO_ON } else { 1.0 };
                *run = if *score >= enough { run.saturating_add(1) } else { 0 };
                if *run >= BEGIN || *speaking && *run > 0 {
                    (*speaking, *quiet_ms) = (true, 0);
                }
            }
        });
        if self.quiet_ms >= u32::from(tuning.hang_ms.clamp(Tuning::HANG_MIN, Tuning::HANG_MAX)) {
            self.speaking = false;
        }
        self.speaking
    }

    /// How likely the newest 16 ms hold speech, 0..=1.
    #[must_use]
    pub fn score(&self) -> f32 {
        self.score
    }

    /// Somebody speaks, or has within the last tenth of a second: sooner over than what [`Vad::push`] says, and whatever the tuning is.
    #[must_use]
    pub fn is_voice(&self) -> bool {
        self.since_voice_ms <= VOICE_MS
    }

    /// What was said so far does not count: speech must begin anew.
    pub fn close(&mut self) {
        (self.speaking, self.run, self.ignored) = (false, 0, self.ignored.max(FORGETS));
    }

    /// Forgets the past: what comes follows silence.
    pub fn reset(&mut self) {
        self.detector.reset();
        self.down.reset();
        self.close();
        (self.filled, self.ignored, self.loud, self.score) = (0, WARM_UP, 0.0, 0.0);
        (self.voiced, self.since_voice_ms) = (0, u32::MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::process::testing::{Dice, at_level, fan, spoken, white};

    const SECOND: usize = SAMPLE_RATE as usize;

    /// For each frame whether it counts as speech.
    fn speaks(samples: &[f32], tuning: Tuning) -> Vec<bool> {
        let mut vad = Vad::new().expect("a detector");
        samples.as_chunks::<480>().0.iter().map(|frame| vad.push(frame, tuning)).collect()
    }

    /// Share of the frames from the first second on, percent.
    fn percent(samples: &[f32], tuning: Tuning) -> f64 {
        let speaks = speaks(samples, tuning);
        100.0 * speaks.iter().filter(|speaks| **speaks).count() as f64 / speaks.len() as f64
    }

    /// The synthetic talker, at so many dBFS.
    fn talker(seed: u64, dbfs: f32, seconds: usize) -> Vec<f32> {
        at_level(dbfs, &spoken(seconds, seed))
    }

    #[test]
    fn speech_opens_it_loud_or_quiet_within_a_preroll() {
        for seed in 0..4 {
            for dbfs in [-20.0, -35.0] {
                let said = talker(seed, dbfs, 8);
                let loudest = said.iter().fold(0f32, |peak, sample| peak.max(sample.abs()));
                let first = said.iter().position(|sample| sample.abs() > loudest * 0.05).expect("it speaks");
                let mut samples = vec![0.0; SECOND];
                samples.extend_from_slice(&said[first..]);
                let speaks = speaks(&samples, Tuning::default());
                let opened = speaks.iter().position(|speaks| *speaks).expect("it opens");
                println!("seed {seed}, {dbfs} dBFS: {} ms after the first sound", (opened + 1) * 10 - 1_000);
                assert!((1..=17).contains(&(opened as isize - 99)), "seed {seed}, {dbfs} dBFS: opened at {opened}");
                let share = speaks[opened..].iter().filter(|speaks| **speaks).count() as f64 / (speaks.len() - opened) as f64;
                assert!(share > 0.75, "seed {seed}, {dbfs} dBFS: {share} of it");
            }
        }
    }

    #[test]
    fn noise_clicks_and_changes_of_level_do_not() {
        let mut noise = Dice::new(3);
        let tone = |hz: f32| (0..20 * SECOND).map(|n| (n as f32 * hz * std::f32::consts::TAU / 48_000.0).sin()).collect::<Vec<f32>>();
        let white: Vec<(String, Vec<f32>)> =
            [-60.0, -40.0, -25.0].map(|dbfs| (format!("white noise, {dbfs} dBFS"), at_level(dbfs, &white(20, 3)))).into();
        let fans = [-50.0, -30.0, -10.0].map(|dbfs| (format!("a fan, {dbfs} dBFS"), at_level(dbfs, &fan(20, 7))));
        let steps = [-40.0, -25.0, -10.0].map(|dbfs| {
            let on_off = |(n, sample): (usize, f32)| if (n / SECOND).is_multiple_of(2) { sample } else { sample * 0.03 };
            (format!("a fan that comes and goes, {dbfs} dBFS"), at_level(dbfs, &fan(20, 7)).into_iter().enumerate().map(on_off).collect())
        });
        // Peak, how fast it dies away, how often a second.
        let keys = [("clicks", 0.0f32, 4), ("keys, 2 ms", 0.99, 5), ("keys, 10 ms", 0.998, 7)].map(|(what, decay, often)| {
            let mut strength = 0.0;
            let mut key = |n: usize| {
                strength = if n.is_multiple_of(SECOND / often) { 0.5 } else { strength * decay };
                strength * noise.next() + 0.0005 * noise.next()
            };
            (what.to_owned(), (0..20 * SECOND).map(&mut key).collect::<Vec<f32>>())
        });
        let hum = ("a hum, 50 Hz".to_owned(), at_level(-20.0, &tone(50.0)));
        for (what, samples) in white.into_iter().chain(fans).chain(steps).chain(keys).chain([hum]) {
            let share = percent(&samples, Tuning::default());
            println!("{what}: open for {share:.2} %");
            assert!(share <= 2.5, "{what}: open for {share} %");
        }
    }

    #[test]
    fn the_hang_is_what_was_asked_for() {
        let mut samples = talker(1, -20.0, 3);
        samples.extend(vec![0.0; 4 * SECOND]);
        let ends = |hang_ms| {
            let speaks = speaks(&samples, Tuning { hang_ms, ..Tuning::default() });
            10 * speaks.iter().rposition(|speaks| *speaks).expect("it opens")
        };
        let [short, long, longest] = [100, 400, 2_000].map(ends);
        assert_eq!((long - short, longest - short), (300, 1_900));
        assert_eq!(ends(30_000), longest, "bounded");
    }

    #[test]
    fn more_sensitive_is_never_less() {
        let said = talker(2, -35.0, 6);
        let hissing: Vec<f32> = said.iter().zip(at_level(-50.0, &white(6, 4))).map(|(said, noise)| said + noise).collect();
        let share = |sensitivity| percent(&hissing, Tuning { sensitivity, ..Tuning::default() });
        let (low, middle, high) = (share(10), share(50), share(80));
        println!("{low:.0} % {middle:.0} % {high:.0} %");
        assert!(low <= middle && middle <= high && low + 10.0 < high, "{low} {middle} {high}");
    }

    #[test]
    fn what_was_said_before_it_is_closed_does_not_count_and_a_broken_sample_does_not_stay() {
        let said = talker(1, -20.0, 3);
        let frames = said.as_chunks::<480>().0;
        let mut vad = Vad::new().expect("a detector");
        let at = frames.iter().position(|frame| vad.push(frame, Tuning::default())).expect("it opens");
        vad.close();
        let again = frames[at + 1..].iter().position(|frame| vad.push(frame, Tuning::default())).expect("it opens again");
        assert!((12..=20).contains(&again), "{again}");
        vad.push(&[f32::NAN; 480], Tuning::default());
        vad.push(&[1e30; 480], Tuning::default());
        for _ in 0..100 {
            vad.push(&[0.0; 480], Tuning::default());
        }
        assert!(vad.score().is_finite() && !vad.push(&[0.0; 480], Tuning::default()));
        vad.reset();
        assert!(frames.iter().any(|frame| vad.push(frame, Tuning::default())));
    }
}
