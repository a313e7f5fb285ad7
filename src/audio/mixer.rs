//! Sums the peers: each with its own smoothly changing gain, the sum held below full scale. Pure; runs in the playback callback.

use super::limiter::Limiter;
use crate::units::{MAX_PEERS, PeerId};

/// Share of the way to a new gain that each sample goes: a time constant of 5 ms.
const STEP: f32 = 1.0 / (0.005 * 48_000.0);
/// Nearer than this is there.
const CLOSE: f32 = 1e-4;

/// One gain a peer, and the limiter of the sum.
#[derive(Clone, Debug)]
pub struct Mixer {
    gains: [f32; MAX_PEERS],
    limiter: Limiter,
}

impl Default for Mixer {
    fn default() -> Self {
        Self::new()
    }
}

impl Mixer {
    #[must_use]
    pub fn new() -> Self {
        Self { gains: [0.0; MAX_PEERS], limiter: Limiter::new() }
    }

    /// A peer starts anew: its gain stands at `gain` at once.
    pub fn open(&mut self, id: PeerId, gain: f32) {
        self.gains[id.slot()] = gain;
    }

    /// Adds a peer's samples to the sum, its gain gliding towards `gain`.
    pub fn add(&mut self, id: PeerId, samples: &[f32], gain: f32, sum: &mut [f32]) {
        let mut now = self.gains[id.slot()];
        if (now - gain).abs() < CLOSE {
            self.gains[id.slot()] = gain;
            if gain > 0.0 {
                sum.iter_mut().zip(samples).for_each(|(sum, sample)| *sum += sample * gain);
            }
            return;
        }
        for (sum, sample) in sum.iter_mut().zip(samples) {
            now += (gain - now) * STEP;
            *sum += sample * now;
        }
        self.gains[id.slot()] = now;
    }

    /// The sum is whole: nothing leaves beyond full scale.
    pub fn finish(&mut self, sum: &mut [f32]) {
        self.limiter.process(sum);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(slot: usize) -> PeerId {
        PeerId::new(slot).expect("a slot")
    }

    #[test]
    fn a_gain_glides_and_arrives() {
        let mut mixer = Mixer::new();
        mixer.open(peer(0), 1.0);
        let mut all = Vec::new();
        for gain in [1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.5, 0.5, 0.5, 0.5, 0.5] {
            let mut sum = [0.0; 480];
            mixer.add(peer(0), &[0.8; 480], gain, &mut sum);
            all.extend(sum);
        }
        let step = all.windows(2).fold(0f32, |step, pair| step.max((pair[1] - pair[0]).abs()));
        assert!(step < 0.005, "{step}");
        assert_eq!(all[0], 0.8);
        assert!(all[7 * 480 - 1] < 1e-4);
        assert!((all[all.len() - 1] - 0.4).abs() < 1e-3);
    }

    #[test]
    fn sixteen_loud_peers_stay_below_full_scale() {
        let mut mixer = Mixer::new();
        PeerId::all().for_each(|id| mixer.open(id, 4.0));
        let loud: Vec<f32> = (0..480).map(|n| (n as f32 * 0.05).sin()).collect();
        for _ in 0..10 {
            let mut sum = [0.0; 480];
            PeerId::all().for_each(|id| mixer.add(id, &loud, 4.0, &mut sum));
            mixer.finish(&mut sum);
            assert!(sum.iter().all(|sample| sample.abs() < 1.0));
        }
    }
}
