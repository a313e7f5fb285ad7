//! Tells that an echo is louder or quieter than is known: somebody turned the volume, or moved, or a voice here was taken for an echo. Pure.
//!
//! What is left has nothing in common with the echo taken out, unless that is too loud or not loud enough. Both in common say by how much:
//! least squares.

use super::linear::product;

/// An echo gets louder by so much at once, linear.
const LOUDER_MAX: f32 = 4.0;
/// An energy of a block below which there is no echo.
const NOTHING: f32 = 160.0;
/// How fast it forgets what was left of late, and how alike (a correlation, squared) that and the echo must be for that to be wrong; by how
/// much, linear, and for how many blocks: a voice has much in common with itself for a moment.
const FORGETS: f32 = 0.07;
const ALIKE: f32 = 0.2;
const WRONG: f32 = 0.3;
const SEEN: u32 = 14;
/// Nor does one block tell that has so large a share in all that is remembered, as after a pause, unless more is left than taken out.
const ONE: f32 = 0.25;
/// Nor does a word's beginning, before it has come back by the room's long ways: nothing is told while so much less than usual is taken out,
/// which is forgotten by so much a block.
const LITTLE: f32 = 0.2;
const USUAL: f32 = 0.995;
/// So alike they are only where nobody speaks here: it is as unsure then as at first. And so much more where no more is left than this beside
/// what was taken out: the room is another one.
const SURE: f32 = 0.5;
const AGAIN: f32 = 8.0;
const ANOTHER: f32 = 2.5;
/// Less alike, two voices are that by chance, for a moment: it is tried on so many of the next blocks, and holds if it makes what is left so
/// much quieter, power.
const TRIED: u32 = 10;
const BETTER: f32 = 0.1;

/// What is to be set right.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Change {
    /// The echo is louder by this share (-1: silent).
    pub by: f32,
    /// So unsure the room is at least then.
    pub doubt: f32,
}

/// What a change would have left of some blocks, and what was left: energies.
struct Trial {
    change: Change,
    blocks: u32,
    with: f32,
    without: f32,
}

/// Energies of what is left, of the echo taken out, and what both have in common: of the last 150 ms or so.
#[derive(Default)]
pub struct Loudness {
    left: f32,
    taken: f32,
    common: f32,
    /// Blocks since the last change.
    seen: u32,
    /// The most that was taken out of late.
    usual: f32,
    trial: Option<Trial>,
}

impl Loudness {
    /// A block of what is left, and of the echo taken out. `doubt`: how unsure the room was at first, power; `is_young`: whether that is being
    /// told still, and less is enough.
    pub fn push(&mut self, left: &[f32], taken: &[f32], doubt: f32, is_young: bool) -> Option<Change> {
        let smooth = |mean: &mut f32, now: f32| *mean += (now - *mean) * FORGETS;
        let [left, newest, common] = [product(left, left), product(taken, taken), product(left, taken)];
        smooth(&mut self.left, left);
        smooth(&mut self.taken, newest);
        smooth(&mut self.common, common);
        self.seen = self.seen.saturating_add(1);
        self.usual = self.taken.max(self.usual * USUAL);
        let alike = self.common.powi(2) / (self.left * self.taken).max(1.0);
        let is_told = self.left > self.taken || newest * FORGETS < ONE * self.taken;
        let by = (self.common / self.taken.max(1.0)).clamp(-1.0, LOUDER_MAX - 1.0);
        let is_seen = self.seen > SEEN && self.is_heard() && is_told && alike > ALIKE && by.abs() > WRONG;
        let another = if self.left < ANOTHER * self.taken { AGAIN * doubt } else { 0.0 };
        let tried = self.try_out(left, newest, common);
        let change = if is_seen && (alike > SURE || is_young) { Some(Change { by, doubt: another.max(doubt) }) } else { tried };
        if change.is_some() {
            *self = Self { usual: self.usual, ..Self::default() };
        } else if is_seen && self.trial.is_none() {
            self.trial = Some(Trial { change: Change { by, doubt: another }, blocks: 0, with: 0.0, without: 0.0 });
        }
        change
    }

    /// The echo is not much quieter than usual.
    #[must_use]
    pub fn is_heard(&self) -> bool {
        self.taken > (LITTLE * self.usual).max(NOTHING)
    }

    /// The share of the echo taken out in it and what is left, energy: near 1 where nobody speaks here.
    #[must_use]
    pub fn share(&self) -> f32 {
        self.taken / (self.taken + self.left + 1.0)
    }

    /// Whether nothing was set right for so many blocks.
    #[must_use]
    pub fn is_settled(&self, blocks: usize) -> bool {
        self.seen as usize >= blocks
    }

    /// The change tried out, if that is over and has shown that it is right. Of a block: energies of what is left, of the echo taken out,
    /// and in common.
    fn try_out(&mut self, left: f32, taken: f32, common: f32) -> Option<Change> {
        let trial = self.trial.as_mut()?;
        let by = trial.change.by;
        trial.blocks += 1;
        trial.without += left;
        trial.with += left - 2.0 * by * common + by * by * taken;
        if trial.blocks < TRIED {
            return None;
        }
        self.trial.take().filter(|trial| trial.with < (1.0 - BETTER) * trial.without).map(|trial| trial.change)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::process::testing::white;

    /// How many blocks until a change is told, and which, if what is left of block n has `share(n)` of the echo in it, and a voice as loud as that.
    fn told(share: impl Fn(usize) -> f32, voice: f32) -> Option<(usize, Change)> {
        let (echo, other) = (white(4, 1), white(4, 2));
        let blocks = echo.as_chunks::<160>().0.iter().zip(other.as_chunks::<160>().0).enumerate();
        let mut loudness = Loudness::default();
        for (n, (echo, other)) in blocks.take(400) {
            let taken = echo.map(|sample| 10_000.0 * sample);
            let left: [f32; 160] = std::array::from_fn(|k| share(n) * taken[k] + voice * 10_000.0 * other[k]);
            if let Some(change) = loudness.push(&left, &taken, 0.01, false) {
                assert!(!loudness.is_settled(1), "it begins anew");
                return Some((n, change));
            }
        }
        assert!(loudness.is_settled(400) && loudness.is_heard());
        None
    }

    #[test]
    fn an_echo_louder_or_quieter_than_is_known_is_told_within_a_fifth_of_a_second() {
        for by in [0.8, -0.6] {
            let (blocks, change) = told(|_| by, 0.1).expect("a change");
            assert!(blocks < 20 && (change.by - by).abs() < 0.05 && change.doubt > 0.01, "{by}: {blocks}, {change:?}");
        }
    }

    #[test]
    fn a_voice_tells_nothing_however_loud() {
        for voice in [0.1, 1.0, 10.0] {
            assert_eq!(told(|_| 0.0, voice), None, "{voice}");
        }
    }

    #[test]
    fn over_a_voice_it_is_tried_out_first_and_a_likeness_of_a_moment_is_none() {
        let (blocks, change) = told(|n| if n >= 100 { 0.9 } else { 0.0 }, 1.0).expect("a change");
        assert!((120..130).contains(&blocks) && (0.3..0.9).contains(&change.by), "{blocks}, {change:?}");
        assert_eq!(told(|n| if (100..117).contains(&n) { 0.9 } else { 0.0 }, 1.0), None);
    }
}
