//! What two seconds of a microphone say: muted, clipping, noisy, all well. Pure.

use super::{Finding, Section};
use crate::audio::meter::CLIP;
use crate::units::{FRAME_SAMPLES, Level};

/// Above this the quietest tenth is noise that everybody hears.
const NOISY: f32 = -42.0;
/// A microphone whose loudest sample stays under this hears nothing of a voice.
const FAINT: f32 = -70.0;
/// So many clipped samples are no accident.
const CLIPPED: usize = 10;

/// The figures of a stretch of sound.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Levels {
    /// Nothing but zeros.
    pub zeros: bool,
    pub peak: Level,
    pub mean: Level,
    /// Of the quietest tenth of the frames.
    pub floor: Level,
    pub clipped: usize,
}

impl Levels {
    /// Of 48 kHz mono; `None`: less than a frame of it came.
    #[must_use]
    pub fn of(samples: &[f32]) -> Option<Self> {
        let rms = |samples: &[f32]| (samples.iter().map(|x| x * x).sum::<f32>() / samples.len() as f32).sqrt();
        let mut frames: Vec<f32> = samples.chunks_exact(FRAME_SAMPLES).map(rms).collect();
        frames.sort_by(f32::total_cmp);
        let floor = *frames.get(frames.len() / 10)?;
        let peak = samples.iter().fold(0f32, |peak, x| peak.max(x.abs()));
        Some(Self {
            zeros: samples.iter().all(|x| *x == 0.0),
            peak: Level::from_amplitude(peak),
            mean: Level::from_amplitude(rms(samples)),
            floor: Level::from_amplitude(floor),
            clipped: samples.iter().filter(|x| x.abs() >= CLIP).count(),
        })
    }
}

/// `heard`: a chirp came through this microphone afterwards; `is_virtual`: it is a file or a tone, and is as it was asked for.
#[must_use]
pub fn judge(levels: Option<Levels>, heard: bool, is_virtual: bool) -> Finding {
    let (section, what) = (Section::Sound, "microphone level");
    let Some(levels) = levels else {
        return Finding::bad(
            section,
            what,
            "the microphone is open, and delivers no sound at all",
            "The microphone delivers nothing: unplug it and plug it in again, or choose another one with --input (see \"voicetui devices\").",
        );
    };
    let Levels { zeros, peak, mean, floor, clipped } = levels;
    if is_virtual {
        return Finding::ok(section, what, format!("peak {:.0} dBFS, as the virtual device has it", peak.0));
    }
    if zeros && heard {
        return Finding::warn(
            section,
            what,
            "nothing but zeros until the chirp, and that came through: a loopback, as a loudspeaker's monitor is, and no microphone",
            "What is chosen as the microphone hears the loudspeaker alone: choose a real one with --input (see \"voicetui devices\").",
        );
    }
    if zeros {
        return Finding::bad(
            section,
            what,
            "delivers only zeros: muted or not permitted",
            "The microphone delivers only zeros: unmute it in the system's mixer and on its own switch, and let programs use it in the privacy settings.",
        );
    }
    let says = format!("peak {:.0} dBFS, mean {:.0}, noise floor {:.0}", peak.0, mean.0, floor.0);
    if clipped >= CLIPPED {
        let advice = "The microphone clips: turn its gain down in the system's mixer until peaks stay under -6 dBFS.";
        Finding::warn(section, what, format!("{says}; {clipped} samples clipped"), advice)
    } else if floor.0 > NOISY {
        let advice = "The microphone hears a loud noise all the time: turn its gain down and go nearer, or move it away from what hums.";
        Finding::warn(section, what, says, advice)
    } else if peak.0 < FAINT {
        let advice = "The microphone hears next to nothing: turn its gain up in the system's mixer, and speak while this is tried again.";
        Finding::warn(section, what, says, advice)
    } else {
        Finding::ok(section, what, says)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Verdict;

    /// A hum of this amplitude, with a word of that one in it.
    fn sound(hum: f32, word: f32) -> Vec<f32> {
        let wave = |n: usize| (n as f32 * 0.05).sin();
        (0..96_000).map(|n| wave(n) * if (40_000..60_000).contains(&n) { word } else { hum }).collect()
    }

    fn judged(samples: &[f32]) -> Finding {
        judge(Levels::of(samples), false, false)
    }

    #[test]
    fn a_muted_a_deaf_a_clipping_and_a_noisy_microphone_are_told_apart() {
        let muted = judged(&[0.0; 96_000]);
        assert_eq!((muted.verdict, muted.says.as_str()), (Verdict::Bad, "delivers only zeros: muted or not permitted"));
        assert_eq!(judged(&[0.0; 100]).verdict, Verdict::Bad, "less than a frame in two seconds");
        let well = judged(&sound(0.001, 0.3));
        assert_eq!((well.verdict, well.says.as_str()), (Verdict::Ok, "peak -10 dBFS, mean -20, noise floor -63"));
        for (samples, word) in [(sound(0.001, 1.5), "clips"), (sound(0.05, 0.3), "noise"), (sound(0.000_01, 0.000_1), "next to nothing")] {
            let finding = judged(&samples);
            assert!(finding.verdict == Verdict::Warn && finding.advice.as_ref().is_some_and(|advice| advice.contains(word)), "{finding:?}");
        }
    }

    #[test]
    fn zeros_through_which_a_chirp_comes_are_a_monitor_and_a_virtual_silence_is_as_asked() {
        assert_eq!(judge(Levels::of(&[0.0; 96_000]), true, false).verdict, Verdict::Warn);
        assert_eq!(judge(Levels::of(&[0.0; 96_000]), false, true).verdict, Verdict::Ok);
    }
}
