//! What a virtual microphone hears: a file, a tone, a synthetic talker, nothing. Runs on its timer thread.

use std::path::Path;

use super::MONO;
use crate::audio::voice::{Tone, Voice};
use crate::os::sound::{Direction, OpenError, StreamFormat};
use crate::os::wav::WavReader;
use crate::units::SAMPLE_RATE;

/// Hz, when none is given.
const TONE_DEFAULT: f32 = 440.0;
/// The talker that everybody gets.
const VOICE_SEED: u64 = 1;

pub(super) enum Source {
    Silence,
    Tone(Tone),
    Voice(Box<Voice>),
    Wav { reader: Box<WavReader>, looped: bool },
}

impl Source {
    /// `None`: not a virtual input's name.
    pub(super) fn parse(spec: &str) -> Option<Result<Self, OpenError>> {
        let (kind, argument) = spec.split_once(':').map_or((spec, None), |(kind, argument)| (kind, Some(argument)));
        Some(match (kind, argument) {
            ("silence", None) => Ok(Self::Silence),
            ("voice", None) => Ok(Self::Voice(Box::new(Voice::new(VOICE_SEED)))),
            ("tone", hertz) => tone(spec, hertz),
            ("wav", Some(path)) => wav(path, false),
            ("wav-loop", Some(path)) => wav(path, true),
            _ => return None,
        })
    }

    pub(super) fn format(&self) -> StreamFormat {
        match self {
            Self::Wav { reader, .. } => reader.format(),
            _ => MONO,
        }
    }

    /// Fills interleaved samples of [`Source::format`].
    pub(super) fn fill(&mut self, out: &mut [f32]) {
        match self {
            Self::Silence => out.fill(0.0),
            Self::Tone(tone) => tone.fill(out),
            Self::Voice(voice) => voice.fill(out),
            Self::Wav { reader, looped } => {
                let mut got = reader.read(out).unwrap_or(0);
                while got < out.len() && *looped && reader.rewind().is_ok() {
                    match reader.read(&mut out[got..]) {
                        Ok(more) if more > 0 => got += more,
                        _ => break,
                    }
                }
                out[got..].fill(0.0);
            }
        }
    }
}

fn tone(spec: &str, hertz: Option<&str>) -> Result<Source, OpenError> {
    let limit = SAMPLE_RATE as f32 / 2.0;
    let hertz = hertz.map_or(Some(TONE_DEFAULT), |text| text.parse().ok()).filter(|hertz| (1.0..limit).contains(hertz));
    let hertz = hertz.ok_or_else(|| OpenError::BadSpec {
        direction: Direction::Input,
        spec: spec.into(),
        why: "a tone has from 1 to 23999 Hz, as in tone:440".into(),
    })?;
    Ok(Source::Tone(Tone::new(hertz)))
}

fn wav(path: &str, looped: bool) -> Result<Source, OpenError> {
    Ok(Source::Wav { reader: Box::new(WavReader::open(Path::new(path))?), looped })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::os::wav::WavWriter;

    fn open(spec: &str) -> Source {
        Source::parse(spec).expect("virtual").unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn a_file_is_played_once_or_in_a_loop_without_a_gap() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("short.wav");
        let mut writer = WavWriter::create(&path).expect("created");
        writer.write(&[0.5; 100]).expect("written");
        writer.finish().expect("finished");
        let mut out = [9.0; 240];
        open(&format!("wav:{}", path.display())).fill(&mut out);
        assert!(out[..100].iter().all(|sample| (sample - 0.5).abs() < 1e-3));
        assert!(out[100..].iter().all(|sample| *sample == 0.0));
        let mut looped = open(&format!("wav-loop:{}", path.display()));
        for _ in 0..3 {
            looped.fill(&mut out);
            assert!(out.iter().all(|sample| (sample - 0.5).abs() < 1e-3));
        }
    }

    #[test]
    fn an_empty_file_in_a_loop_is_silence_and_not_a_hang() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("empty.wav");
        WavWriter::create(&path).and_then(WavWriter::finish).expect("written");
        let mut out = [9.0; 240];
        open(&format!("wav-loop:{}", path.display())).fill(&mut out);
        assert!(out.iter().all(|sample| *sample == 0.0));
    }

    #[test]
    fn names_of_cards_are_left_to_cards_and_bad_arguments_are_explained() {
        for card in ["default", "hw:0", "alsa:default", "toned", "silence:1", "wav"] {
            assert!(Source::parse(card).is_none(), "{card}");
        }
        for bad in ["tone:x", "tone:0", "tone:24000", "tone:inf", "tone:NaN"] {
            let error = Source::parse(bad).expect("virtual").err().expect("refused").to_string();
            assert!(error.starts_with(&format!("--input {bad}: a tone has")), "{error}");
        }
        let mut out = [0.0; 48_000];
        open("voice").fill(&mut out);
        assert!(out.iter().any(|sample| sample.abs() > 0.01));
    }
}
