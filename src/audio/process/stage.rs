//! A stage of the chain that joins and leaves while it runs, without a click. Pure.

use crate::audio::{Frame, SILENT_FRAME};
use crate::units::FRAME_SAMPLES;

/// Works on the own voice, a frame at a time, and delays it by a fixed time.
pub trait Process: Send {
    /// How much later a sound leaves than it came.
    const DELAY_SAMPLES: usize;

    /// Works on one frame in place. `far`: what the loudspeaker played at the same moment, where that is known.
    fn process(&mut self, frame: &mut Frame, far: Option<&Frame>);
}

/// What there is of a stage.
enum State<P> {
    /// What passes is not touched, and not delayed.
    Off,
    /// It listens for so many frames, so that it is at its best when it joins.
    Listens(P, u32),
    On(P),
}

/// Made when it is wanted, dropped when it is not: a stage that is off costs nothing.
pub struct Stage<P> {
    make: fn() -> P,
    /// Frames it listens before it joins.
    listens: u32,
    state: State<P>,
    scratch: Frame,
}

impl<P: Process> Stage<P> {
    pub fn new(listens: u32, make: fn() -> P) -> Self {
        Self { make, listens, state: State::Off, scratch: SILENT_FRAME }
    }

    /// One frame, in place. `wanted`: from now on. Joining and leaving cross-fade over this frame. Allocates where it joins.
    pub fn process(&mut self, frame: &mut Frame, far: Option<&Frame>, wanted: bool) {
        let state = std::mem::replace(&mut self.state, State::Off);
        if matches!(state, State::Off) && !wanted {
            return;
        }
        self.scratch.copy_from_slice(frame);
        let wet = &mut self.scratch;
        self.state = match state {
            State::Off => {
                let mut made = (self.make)();
                made.process(wet, far);
                State::Listens(made, self.listens)
            }
            State::Listens(..) if !wanted => State::Off,
            State::Listens(mut made, left) => {
                made.process(wet, far);
                if left > 0 {
                    State::Listens(made, left - 1)
                } else {
                    cross_fade(frame, wet, true);
                    State::On(made)
                }
            }
            State::On(mut made) => {
                made.process(wet, far);
                if wanted {
                    frame.copy_from_slice(wet);
                    State::On(made)
                } else {
                    cross_fade(frame, wet, false);
                    State::Off
                }
            }
        };
    }

    #[must_use]
    pub fn is_on(&self) -> bool {
        matches!(self.state, State::On(_))
    }

    /// What it adds now, samples.
    #[must_use]
    pub fn delay_samples(&self) -> usize {
        if self.is_on() { P::DELAY_SAMPLES } else { 0 }
    }

    /// Forgets the past: it begins anew if it is wanted still.
    pub fn reset(&mut self) {
        self.state = State::Off;
    }
}

/// From `frame` to `wet` over the frame, or back. What both have in common keeps its loudness.
fn cross_fade(frame: &mut Frame, wet: &Frame, joins: bool) {
    for (n, (dry, wet)) in frame.iter_mut().zip(wet).enumerate() {
        let turned = 0.5 - 0.5 * (std::f32::consts::PI * (n as f32 + 0.5) / FRAME_SAMPLES as f32).cos();
        let share = if joins { turned } else { 1.0 - turned };
        *dry += (wet - *dry) * share;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Twice as loud, a frame later.
    struct Later(Frame);

    impl Process for Later {
        const DELAY_SAMPLES: usize = FRAME_SAMPLES;

        fn process(&mut self, frame: &mut Frame, _far: Option<&Frame>) {
            let came = *frame;
            frame.iter_mut().zip(&self.0).for_each(|(out, was)| *out = was * 2.0);
            self.0 = came;
        }
    }

    #[test]
    fn it_listens_joins_and_leaves_without_a_step() {
        let mut stage = Stage::new(2, || Later(SILENT_FRAME));
        let mut all: Vec<f32> = Vec::new();
        let mut on = Vec::new();
        for n in 0..12 {
            let mut frame = [0.25; FRAME_SAMPLES];
            stage.process(&mut frame, None, (2..8).contains(&n));
            on.push(stage.is_on());
            assert_eq!(stage.delay_samples(), if stage.is_on() { FRAME_SAMPLES } else { 0 });
            all.extend(frame);
        }
        assert_eq!(on.iter().position(|on| *on), Some(5), "made at 2, listens for two more");
        assert!(on[5..8].iter().all(|on| *on) && !on[8]);
        assert!(all[..5 * FRAME_SAMPLES].iter().all(|sample| *sample == 0.25));
        assert!(all[6 * FRAME_SAMPLES..8 * FRAME_SAMPLES].iter().all(|sample| *sample == 0.5));
        let step = all.windows(2).fold(0f32, |step, pair| step.max((pair[1] - pair[0]).abs()));
        assert!(step < 0.002, "{step}");
    }

    #[test]
    fn who_changes_his_mind_while_it_listens_hears_nothing_of_it() {
        let mut stage = Stage::new(5, || Later(SILENT_FRAME));
        for n in 0..8 {
            let mut frame = [0.25; FRAME_SAMPLES];
            stage.process(&mut frame, None, n < 3);
            assert!(frame.iter().all(|sample| *sample == 0.25) && !stage.is_on());
        }
    }
}
