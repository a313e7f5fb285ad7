//! The bare codec: what the speech is worth after Opus alone, at the bit rates to choose from.

use std::path::Path;

use voicetui::audio::codec::{Codec, Decoder, Encode, OpusEncoder, OpusSettings};
use voicetui::units::FRAME_SAMPLES;

use crate::speech::{speech, write};

const SECONDS: usize = 60;
/// Bit/s.
const RATES: [u32; 4] = [32_000, 48_000, 64_000, 96_000];

/// Writes the speech and what each bit rate makes of it, aligned.
pub fn keep(folder: &Path) {
    let said: Vec<f32> = (0..SECONDS * 48_000).map(|n| speech(n as u64)).collect();
    for bitrate in RATES {
        let mut encoder = OpusEncoder::new(OpusSettings { bitrate, ..OpusSettings::default() }).expect("an encoder");
        let mut decoder = Decoder::new(Codec::Opus).expect("a decoder");
        let (mut packet, mut out) = ([0; 1_200], [0.0; FRAME_SAMPLES]);
        let mut heard = Vec::with_capacity(said.len());
        for frame in said.chunks_exact(FRAME_SAMPLES) {
            let len = encoder.encode(frame, &mut packet);
            decoder.decode(&packet[..len], &mut out).expect("our own packet");
            heard.extend_from_slice(&out);
        }
        let lookahead = encoder.lookahead_samples();
        let stem = folder.join(format!("codec-{}", bitrate / 1_000));
        write(&stem.with_extension("said.wav"), &said[..said.len() - lookahead]);
        write(&stem.with_extension("heard.wav"), &heard[lookahead..]);
    }
}
