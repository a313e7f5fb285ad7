//! A histogram that forgets: of the places at which packets came, in bins of a quarter of a millisecond. Pure.

/// One bin: 0.25 ms. All of them: 1.024 s. (Samples at 48 kHz, as everything here.)
pub(super) const BIN: f64 = 12.0;
pub(super) const BINS: usize = 4_096;
/// Heaviest weight before all are scaled down.
const WEIGHT_MAX: f32 = 1e12;

#[derive(Debug)]
pub(super) struct Histogram {
    pub(super) bins: Box<[f32]>,
    total: f64,
    weight: f32,
    /// What was added counts 1/e of its weight after so much more, samples.
    memory: f64,
}

impl Histogram {
    pub(super) fn new(memory: f64) -> Self {
        Self { bins: vec![0.0; BINS].into_boxed_slice(), total: 0.0, weight: 1.0, memory }
    }

    pub(super) fn clear(&mut self) {
        self.bins.fill(0.0);
        (self.total, self.weight) = (0.0, 1.0);
    }

    /// `span` samples came at this bin; the weight that they have.
    pub(super) fn add(&mut self, bin: usize, span: f64) -> f32 {
        // Growing weights forget as shrinking all others would, without touching them.
        let growth = (span / self.memory).clamp(0.0, 1.0).exp();
        self.weight *= growth as f32;
        let weight = self.weight * span as f32;
        self.bins[bin] += weight;
        self.total = self.total / growth + span;
        weight
    }

    /// Keeps the weights within bounds: by how much all of them were scaled, if they were.
    pub(super) fn rescale(&mut self) -> Option<f32> {
        let scale = (self.weight > WEIGHT_MAX).then(|| 1.0 / self.weight)?;
        self.bins.iter_mut().for_each(|bin| *bin *= scale);
        self.weight = 1.0;
        Some(scale)
    }

    /// The lowest bin with `share` of the weight up to it.
    pub(super) fn lowest(&self, share: f64) -> Option<usize> {
        let (want, mut sum) = (self.total * share * f64::from(self.weight), 0.0);
        self.bins.iter().position(|bin| {
            sum += f64::from(*bin);
            sum > want
        })
    }

    /// The highest bin, up to `top`, with `share` of the weight from it on.
    pub(super) fn highest(&self, top: usize, share: f64) -> Option<usize> {
        let (want, mut sum) = (self.total * share * f64::from(self.weight), 0.0);
        self.bins[..=top].iter().rposition(|bin| {
            sum += f64::from(*bin);
            sum > want
        })
    }
}
