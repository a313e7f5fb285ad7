//! What a virtual microphone hears: a file, a tone, a synthetic talker, nothing. Runs on its timer thread.

use std::path::Path;

use super::MONO;
use crate::os::sound::{Direction, OpenError, StreamFormat};
use crate::os::wav::WavReader;
use crate::units::SAMPLE_RATE;

/// Hz, when none is given.
const TONE_DEFAULT: f64 = 440.0;
/// A quarter of full scale: -12 dBFS.
const TONE_AMPLITUDE: f64 = 0.25;

pub(super) enum Source {
    Silence,
    /// `step`: turns a sample.
    Tone {
        turn: f64,
        step: f64,
    },
    Wav {
        reader: Box<WavReader>,
        looped: bool,
    },
}

impl Source {
    /// `None`: not a virtual input's name.
    pub(super) fn parse(spec: &str) -> Option<Result<Self, OpenError>> {
        let (kind, argument) = spec.split_once(':').map_or((spec, None), |(kind, argument)| (kind, Some(argument)));
        Some(match (kind, argument) {
            ("silence", None) => Ok(Self::Silence),
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
            Self::Tone { turn, step } => {
                for sample in out {
                    *sample = ((*turn * std::f64::consts::TAU).sin() * TONE_AMPLITUDE) as f32;
                    *turn = (*turn + *step).fract();
                }
            }
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
    let limit = f64::from(SAMPLE_RATE) / 2.0;
    let hertz = hertz.map_or(Some(TONE_DEFAULT), |text| text.parse().ok()).filter(|hertz| (1.0..limit).contains(hertz));
    let hertz = hertz.ok_or_else(|| OpenError::BadSpec {
        direction: Direction::Input,
        spec: spec.into(),
        why: "a tone has from 1 to 23999 Hz, as in tone:440".into(),
    })?;
    Ok(Source::Tone { turn: 0.0, step: hertz / f64::from(SAMPLE_RATE) })
}

fn wav(path: &str, looped: bool) -> Result<Source, OpenError> {
    Ok(Source::Wav { reader: Box::new(WavReader::open(Path::new(path))?), looped })
}
