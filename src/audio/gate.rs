//! Opens and closes the way of the own voice without a click. Pure; runs on the sender thread.

/// Length of a ramp: 5 ms.
const RAMP_SAMPLES: usize = 240;

/// A raised-cosine gate. Closed when new.
#[derive(Clone, Debug)]
pub struct Gate {
    /// How far it is open, in samples of the ramp: 0..=[`RAMP_SAMPLES`].
    at: usize,
    ramp: [f32; RAMP_SAMPLES + 1],
}

impl Default for Gate {
    fn default() -> Self {
        Self::new()
    }
}

impl Gate {
    #[must_use]
    pub fn new() -> Self {
        let turn = std::f32::consts::PI / RAMP_SAMPLES as f32;
        Self { at: 0, ramp: std::array::from_fn(|n| 0.5 - 0.5 * (n as f32 * turn).cos()) }
    }

    /// Lets `samples` through, ramping where `open` changed; what is shut out becomes zero. Returns whether anything is
    /// left of them: a frame that closes the gate still sounds and should leave, the next one does not.
    pub fn apply(&mut self, samples: &mut [f32], open: bool) -> bool {
        let sounds = open || self.at > 0;
        for sample in samples {
            *sample *= self.ramp[self.at];
            self.at = if open { (self.at + 1).min(RAMP_SAMPLES) } else { self.at.saturating_sub(1) };
        }
        sounds
    }

    /// Fully closed: nothing passes.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.at == 0
    }

    /// Shut at once: the past belongs to another call.
    pub fn reset(&mut self) {
        self.at = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opening_and_closing_have_no_step() {
        let mut gate = Gate::new();
        let mut all = Vec::new();
        for open in [false, true, true, false, false] {
            let mut frame = [1.0; 480];
            let was_closed = gate.is_closed();
            assert_eq!(gate.apply(&mut frame, open), open || !was_closed);
            all.extend(frame);
        }
        let step = all.windows(2).fold(0f32, |step, pair| step.max((pair[1] - pair[0]).abs()));
        assert!(step < 0.01, "{step}");
        assert!(all[..480].iter().all(|sample| *sample == 0.0));
        assert_eq!(all[480 + 240], 1.0);
        assert!(all[3 * 480 + 241..].iter().all(|sample| *sample == 0.0));
    }

    #[test]
    fn a_key_tapped_within_the_ramp_turns_around_where_it_is() {
        let mut gate = Gate::new();
        gate.apply(&mut [1.0; 100], true);
        let mut tail = [1.0; 480];
        assert!(gate.apply(&mut tail, false));
        assert!(tail[0] < 0.5 && tail[101] == 0.0 && gate.is_closed());
    }
}
