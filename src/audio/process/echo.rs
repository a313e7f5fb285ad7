//! Echo cancellation: what the loudspeaker plays is taken out of what the microphone hears. Allocates when it is made.
//!
//! Below 8 kHz, where nearly all of a voice is, by a filter that knows the room ([`Linear`]); what that leaves, and what is above, by how
//! much of it can be the echo ([`Residual`]). The bands are WebRTC's ([`Analysis`]), but not its canceller, AEC3: where both sides
//! speak at once, little of the own voice was left of it (README has figures).

use super::bands::{Analysis, BANDS, Synthesis};
use super::linear::Linear;
use super::residual::Residual;
use super::stage::Process;
use crate::audio::{Frame, SILENT_FRAME};

/// Full scale in both, which count in samples of 16 bit.
const SCALE: f32 = 32_768.0;
/// No sample is louder, linear.
const LOUDEST: f32 = 8.0;

/// What comes back from the loudspeaker into the microphone is taken out.
pub struct Echo {
    far: Analysis<1>,
    near: Analysis<BANDS>,
    out: Synthesis,
    linear: Linear,
    residual: Residual<{ BANDS - 1 }>,
}

impl Echo {
    #[must_use]
    pub fn new() -> Self {
        Self { far: Analysis::new(), near: Analysis::new(), out: Synthesis::new(), linear: Linear::new(), residual: Residual::new() }
    }
}

impl Default for Echo {
    fn default() -> Self {
        Self::new()
    }
}

impl Process for Echo {
    const DELAY_SAMPLES: usize = 286;

    fn process(&mut self, frame: &mut Frame, far: Option<&Frame>) {
        // What no sound can be would stay in the filter for good.
        let is_sound = |frame: &Frame| frame.iter().all(|sample| sample.abs() <= LOUDEST);
        let played = far.filter(|far| is_sound(far)).unwrap_or(&SILENT_FRAME);
        frame.iter_mut().for_each(|sample| *sample = sample.clamp(-LOUDEST, LOUDEST));
        let [far] = self.far.process(&played.map(|sample| sample * SCALE));
        let mut near = self.near.process(&frame.map(|sample| sample * SCALE));
        let [low, upper @ ..] = &mut near;
        let left = self.linear.process(&far, low);
        self.residual.process(low, upper, &left);
        self.out.process(&near, frame);
        frame.iter_mut().for_each(|sample| *sample /= SCALE);
    }
}
