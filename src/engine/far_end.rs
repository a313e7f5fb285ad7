//! The far end on the sender thread: what the loudspeaker plays, and whether its echo is to be cancelled.

use std::time::{Duration, Instant};

use rtrb::Consumer;

use super::playback::FarFrame;
use super::{Controls, Holder};
use crate::audio::Frame;
use crate::audio::process::{Reference, When};

/// After the last sound of the far end the canceller goes on for so long: a conversation has pauses, and joining costs a moment.
const SILENT_FOR: Duration = Duration::from_secs(30);

/// The echo's side of the sender thread.
#[derive(Default)]
pub struct FarEnd {
    ring: Option<Consumer<FarFrame>>,
    reference: Reference,
    /// When something was played last.
    played: Option<Instant>,
}

impl FarEnd {
    /// A playback's far end; see [`super::playback::PlaybackHandle::take_far_end`].
    pub fn set_ring(&mut self, ring: Consumer<FarFrame>) {
        (self.ring, self.reference) = (Some(ring), Reference::default());
    }

    /// What belongs to the microphone's frame whose first sample was in the air at `captured`.
    pub fn take(&mut self, captured: Instant) -> Option<Frame> {
        let Self { ring, reference, played } = self;
        while let Some(Ok(far)) = ring.as_mut().map(Consumer::pop) {
            if far.voice {
                *played = Some(far.at);
            }
            reference.push(&far.samples, far.at);
        }
        reference.take(captured)
    }

    /// Whether an echo can be in the microphone at the moment `at`, so that somebody hears it: the microphone is open by itself, the
    /// far end plays, and plays through a loudspeaker.
    #[must_use]
    pub fn echoes(&self, controls: &Controls, at: Instant) -> bool {
        let plays = self.played.is_some_and(|played| at.saturating_duration_since(played) < SILENT_FOR);
        match controls.processing().echo {
            When::Off => false,
            When::On => plays,
            When::Auto => {
                let is_open = controls.holds(Holder::Open, at) || controls.voice_armed().is_some();
                plays && is_open && controls.is_loudspeaker()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Processing;
    use crate::units::{FRAME_DURATION, FRAME_SAMPLES};
    use rtrb::RingBuffer;

    #[test]
    fn an_echo_is_cancelled_only_while_there_can_be_one() {
        let start = Instant::now();
        let controls = Controls::new(start);
        let (mut ring, out) = RingBuffer::new(32);
        let mut far_end = FarEnd::default();
        far_end.set_ring(out);
        let mut play = |far_end: &mut FarEnd, at: Instant, level: f32, voice: bool| {
            let _ = ring.push(FarFrame { at, samples: [level; FRAME_SAMPLES], voice });
            far_end.take(at);
        };
        controls.set_loudspeaker(true);
        controls.hold(Holder::Open);
        play(&mut far_end, start, 0.0, false);
        play(&mut far_end, start, 0.1, false);
        assert!(!far_end.echoes(&controls, start), "silence has no echo, and an earcon none worth a delay");
        play(&mut far_end, start + FRAME_DURATION, 0.1, true);
        let at = start + Duration::from_secs(1);
        assert!(far_end.echoes(&controls, at));
        assert!(!far_end.echoes(&controls, at + SILENT_FOR), "nobody has spoken for long");
        controls.set_loudspeaker(false);
        assert!(!far_end.echoes(&controls, at), "a headset has no echo");
        controls.set_processing(Processing { echo: When::On, ..Processing::default() });
        assert!(far_end.echoes(&controls, at), "but the user knows better");
        controls.set_processing(Processing::default());
        controls.set_loudspeaker(true);
        controls.release_all();
        assert!(!far_end.echoes(&controls, at), "who holds the key speaks in turn");
        controls.arm_voice();
        assert!(far_end.echoes(&controls, at));
        controls.set_processing(Processing { echo: When::Off, ..Processing::default() });
        assert!(!far_end.echoes(&controls, at));
    }
}
