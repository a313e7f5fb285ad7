//! What the talker of the grid says: the built-in voice, or a WAV file over and over (`VOICETUI_SPEECH=FILE`, 48 kHz mono).

use std::path::Path;
use std::sync::OnceLock;

use voicetui::audio::voice::Voice;
use voicetui::os::wav::{WavReader, WavWriter};

/// Seconds of voice before it begins anew.
const SECONDS: usize = 60;

/// The sample at `n`.
pub fn speech(n: u64) -> f32 {
    static TABLE: OnceLock<Vec<f32>> = OnceLock::new();
    let table = TABLE.get_or_init(|| std::env::var_os("VOICETUI_SPEECH").map_or_else(built_in, |file| read(Path::new(&file))));
    table[n as usize % table.len()]
}

fn built_in() -> Vec<f32> {
    let mut samples = vec![0.0; SECONDS * 48_000];
    Voice::new(1).fill(&mut samples);
    samples
}

fn read(file: &Path) -> Vec<f32> {
    let mut reader = WavReader::open(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let mut samples = vec![0.0; SECONDS * 48_000];
    let len = reader.read(&mut samples).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    assert!(len > 48_000, "{}: a second of 48 kHz mono at least", file.display());
    samples.truncate(len);
    samples
}

/// Keeps samples for other tools.
pub fn write(file: &Path, samples: &[f32]) {
    let wrote = WavWriter::create(file).and_then(|mut wav| {
        wav.write(samples)?;
        wav.finish()
    });
    wrote.unwrap_or_else(|error| panic!("{}: {error}", file.display()));
}
