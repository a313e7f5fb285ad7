//! What a row of delays says: median, 95th percentile, and how sure the median is. Pure.

/// The figures of one phase, ms.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Summary {
    /// Trials, those lost among them.
    pub trials: usize,
    /// Trials whose chirp did not come back whole.
    pub lost: usize,
    pub median_ms: f64,
    /// By nearest rank.
    pub p95_ms: f64,
    pub min_ms: f64,
    pub max_ms: f64,
    /// Of the median, 95 %; `None`: fewer than six trials say nothing of the kind.
    pub confidence_ms: Option<(f64, f64)>,
}

impl Summary {
    /// Of the delays (ms) of all trials, `None` where one was lost. `None`: every one was.
    #[must_use]
    pub fn of(trials: &[Option<f64>]) -> Option<Self> {
        let mut known: Vec<f64> = trials.iter().flatten().copied().filter(|ms| ms.is_finite()).collect();
        known.sort_by(f64::total_cmp);
        let (min_ms, max_ms) = (*known.first()?, *known.last()?);
        let middle = known.len() / 2;
        let median_ms = if known.len() % 2 == 1 { known[middle] } else { f64::midpoint(known[middle - 1], known[middle]) };
        let rank = (known.len() * 95).div_ceil(100);
        let confidence_ms = median_ranks(known.len()).map(|(low, high)| (known[low - 1], known[high - 1]));
        Some(Self {
            trials: trials.len(),
            lost: trials.len() - known.len(),
            median_ms,
            p95_ms: known[rank - 1],
            min_ms,
            max_ms,
            confidence_ms,
        })
    }
}

/// The ranks (from 1) of the two order statistics between which the median lies with at least 95 %, whatever the distribution:
/// the number of values below it is binomial with one half. As in W. J. Conover, Practical Nonparametric Statistics, 3.2.
#[must_use]
pub fn median_ranks(n: usize) -> Option<(usize, usize)> {
    // P(X < k), term by term; the first one underflows for n > 1,074, where nobody waits for the last trial.
    let (mut term, mut below) = (0.5f64.powi(i32::try_from(n).ok()?), 0.0);
    let mut low = 0;
    for k in 0..n / 2 {
        below += term;
        if below > 0.025 {
            break;
        }
        low = k + 1;
        term *= (n - k) as f64 / (k + 1) as f64;
    }
    (low > 0).then_some((low, n + 1 - low))
}

#[cfg(test)]
mod tests {
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    use super::*;

    #[test]
    fn the_ranks_are_those_of_the_tables() {
        for (n, ranks) in
            [(5, None), (6, Some((1, 6))), (10, Some((2, 9))), (20, Some((6, 15))), (50, Some((18, 33))), (100, Some((40, 61)))]
        {
            assert_eq!(median_ranks(n), ranks, "{n}");
        }
    }

    #[test]
    fn lost_trials_are_counted_and_move_nothing() {
        let trials: Vec<Option<f64>> = (1..=20).map(|n| Some(f64::from(n))).chain([None, Some(f64::NAN)]).collect();
        let summary = Summary::of(&trials).expect("known ones");
        assert_eq!((summary.trials, summary.lost, summary.median_ms, summary.p95_ms), (22, 2, 10.5, 19.0));
        assert_eq!((summary.min_ms, summary.max_ms, summary.confidence_ms), (1.0, 20.0, Some((6.0, 15.0))));
        assert_eq!(Summary::of(&[None, None]), None);
        assert_eq!(Summary::of(&[Some(3.0)]).map(|one| (one.median_ms, one.p95_ms, one.confidence_ms)), Some((3.0, 3.0, None)));
    }

    #[test]
    fn the_interval_holds_the_median_as_often_as_it_says() {
        let mut rng = StdRng::seed_from_u64(11);
        let mut holds = 0;
        for _ in 0..2_000 {
            // Far from normal: the median of this is the square of one half.
            let trials: Vec<Option<f64>> = (0..20).map(|_| Some(rng.random::<f64>().powi(2))).collect();
            let (low, high) = Summary::of(&trials).and_then(|summary| summary.confidence_ms).expect("twenty");
            holds += usize::from(low <= 0.25 && 0.25 <= high);
        }
        assert!((1_880..=1_960).contains(&holds), "{holds} of 2,000");
    }
}
