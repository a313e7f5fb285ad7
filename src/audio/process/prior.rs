//! How loud the parts of a room can be, told by what is learned of them: most hold no echo, and what a voice here seems to teach of those is
//! taken back. Pure.
//!
//! Empirical Bayes, with one variance for a part and a range of frequencies: MacKay, "Bayesian interpolation", Neural Computation 4, 1992;
//! Tipping, "Sparse Bayesian learning and the relevance vector machine", Journal of Machine Learning Research 1, 2001. Thousands of weights
//! have so few variances that these are known long before those.

use super::fourier::Spectrum;
use super::linear::BINS;

/// Ranges of frequencies, bins of 16.7 Hz: a loudspeaker has no bass, a room no treble.
const EDGES: [usize; 7] = [0, 15, 30, 60, 120, 240, BINS];
const RANGES: usize = EDGES.len() - 1;
/// What is found is believed with so many of its deviations added, in which so large a share of the weights is independent.
const DEVIATIONS: f32 = 1.5;
const INDEPENDENT: f32 = 0.3;
/// How much of the way it goes to what is found. One weight counts for no more than so many times what was thought.
const NEWEST: f32 = 0.2;
const CLIPPED: f32 = 4.0;
/// Weights of which so little has been told in all tell nothing of their variance.
const TOLD: f32 = 0.01;
const TINY: f32 = 1e-20;
/// No part is thought quieter beside the doubt that it began with, power: an echo may come where none was.
const LEAST: f32 = 1e-4;

/// Of one part: the variance of its weights (power of a weight, loudspeaker to microphone) in each range of frequencies, and the least of it.
#[derive(Clone, Copy, Default)]
pub struct Prior {
    variance: [f32; RANGES],
    least: f32,
}

impl Prior {
    /// The room is another one: its parts may be so many times as loud, power, and so loud at least.
    pub fn doubt(&mut self, times: f32, least: f32) {
        self.variance.iter_mut().for_each(|variance| *variance = (*variance * times).max(least));
        self.least = self.least.max(LEAST * least);
    }

    /// Looks at what was learned of a part, `weights` and the variance of their errors, and takes back what so quiet a part cannot have taught.
    /// It is only ever thought quieter: what comes back louder is for [`Self::doubt`].
    pub fn weigh(&mut self, weights: &mut Spectrum<BINS>, unsure: &mut [f32; BINS]) {
        for (range, variance) in EDGES.windows(2).zip(&mut self.variance) {
            let bins = range[0]..range[1];
            let (re, im, unsure) = (&mut weights.re[bins.clone()], &mut weights.im[bins.clone()], &mut unsure[bins]);
            let Some(found) = found(*variance, re, im, unsure) else { continue };
            let next = (*variance + (found - *variance) * NEWEST).max(self.least.min(*variance));
            // What was told, a precision, is the same under either; and nothing is less sure than before all was told.
            for ((re, im), unsure) in re.iter_mut().zip(im).zip(unsure) {
                let told = (1.0 / unsure.max(TINY) - 1.0 / *variance).max(0.0);
                let now = 1.0 / (told + 1.0 / next);
                let kept = now / unsure.max(TINY);
                (*re, *im, *unsure) = (*re * kept, *im * kept, now);
            }
            *variance = next;
        }
    }
}

/// The variance that weights and what is left unsure of them speak for, if they tell anything; at most what was thought.
///
/// Where the share a of a weight is told, its mean's power is a² times the variance and a times what is unsure.
fn found(thought: f32, re: &[f32], im: &[f32], unsure: &[f32]) -> Option<f32> {
    if thought <= 0.0 {
        return None;
    }
    let (mut power, mut scatter, mut told) = (0.0f32, 0.0f32, 0.0f32);
    for ((re, im), unsure) in re.iter().zip(im).zip(unsure) {
        let unsure = unsure / thought;
        let share = (1.0 - unsure).max(0.0);
        power += ((re * re + im * im) / thought).min(CLIPPED) - share * unsure;
        scatter += (share * unsure).powi(2);
        told += share * share;
    }
    let found = power.max(0.0) + DEVIATIONS * (scatter / INDEPENDENT).sqrt();
    (told > TOLD).then(|| (thought * found / told).min(thought))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::process::testing::Dice;

    const DOUBT: f32 = 0.01;

    /// What a Kalman filter holds of weights of one power, `true_power`, once it is so unsure of them: mean and variance of their errors; and the weights.
    fn learned(true_power: f32, unsure: f32, prior: f32, seed: u64) -> (Spectrum<BINS>, [f32; BINS], Spectrum<BINS>) {
        let mut dice = Dice::new(seed);
        // Sums of dice: a bell curve of power 1.
        let mut bell = || (0..12).map(|_| dice.next()).sum::<f32>() / 2.0;
        let (mut mean, mut truth) = (Spectrum::EMPTY, Spectrum::EMPTY);
        let share = 1.0 - unsure / prior;
        for k in 0..BINS {
            for (mean, truth) in [(&mut mean.re[k], &mut truth.re[k]), (&mut mean.im[k], &mut truth.im[k])] {
                *truth = bell() * (true_power / 2.0).sqrt();
                *mean = share * *truth + bell() * (share * unsure / 2.0).sqrt();
            }
        }
        (mean, [unsure; BINS], truth)
    }

    fn error(mean: &Spectrum<BINS>, truth: &Spectrum<BINS>) -> f32 {
        let of = |a: &[f32; BINS], b: &[f32; BINS]| a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f32>();
        (of(&mean.re, &truth.re) + of(&mean.im, &truth.im)) / BINS as f32
    }

    fn weighed(true_power: f32, times: usize) -> (f32, f32, f32) {
        let (mut mean, mut unsure, truth) = learned(true_power, DOUBT / 2.0, DOUBT, 7);
        let (mut prior, before) = (Prior::default(), error(&mean, &truth));
        prior.doubt(1.0, DOUBT);
        (0..times).for_each(|_| prior.weigh(&mut mean, &mut unsure));
        (before, error(&mean, &truth), unsure.iter().sum::<f32>() / BINS as f32)
    }

    #[test]
    fn what_was_learned_of_a_part_without_an_echo_is_taken_back() {
        let (before, after, unsure) = weighed(0.0, 50);
        assert!(after < before / 4.0, "{before} {after}");
        assert!(unsure < DOUBT / 4.0, "{unsure}");
    }

    #[test]
    fn a_part_as_loud_as_was_thought_is_left_alone_and_a_quiet_one_becomes_better() {
        let (before, after, unsure) = weighed(DOUBT, 50);
        assert!((after / before - 1.0).abs() < 0.1 && unsure > 0.45 * DOUBT, "{before} {after} {unsure}");
        let (before, after, unsure) = weighed(DOUBT / 10.0, 50);
        assert!(after < before / 2.0 && unsure > 0.5 * after, "{before} {after} {unsure}");
    }

    #[test]
    fn weighed_over_and_over_it_does_not_forget_what_was_told_and_a_doubt_brings_all_back() {
        let ([few, many], mut prior) = ([50, 5_000].map(|times| weighed(DOUBT / 10.0, times).1), Prior::default());
        assert!(many < 1.5 * few, "{few} {many}");
        let (mut mean, mut unsure, _) = learned(0.0, DOUBT / 2.0, DOUBT, 7);
        prior.doubt(1.0, DOUBT);
        (0..50).for_each(|_| prior.weigh(&mut mean, &mut unsure));
        prior.doubt(1.0, DOUBT);
        assert!(prior.variance.iter().all(|variance| *variance >= DOUBT));
    }

    #[test]
    fn nothing_told_is_nothing_weighed() {
        let (mut weights, mut unsure, mut prior) = (Spectrum::EMPTY, [0.0; BINS], Prior::default());
        prior.weigh(&mut weights, &mut unsure);
        prior.doubt(1.0, DOUBT);
        unsure.fill(DOUBT);
        prior.weigh(&mut weights, &mut unsure);
        assert!(unsure.iter().all(|unsure| *unsure == DOUBT) && weights.power().iter().all(|power| *power == 0.0));
    }
}
