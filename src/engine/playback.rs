//! The ear: every peer's playout and the mixer, pulled by the sound card. Owned by the playback callback.

use std::time::Instant;

/// What the playback callback owns; it survives its stream. The simulation drives the very same struct.
#[derive(Debug)]
pub struct Playback {}

impl Playback {
    /// Mixes the next `out.len()` samples (48 kHz mono, any length); `now` is the callback's time.
    /// Allocates nothing, waits for nobody.
    pub fn fill(&mut self, out: &mut [f32], now: Instant) {
        let _ = now;
        out.fill(0.0);
    }
}
