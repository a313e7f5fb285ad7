//! Which counters have been seen: a window that slides with the highest one (RFC 6479). Pure.

/// Counters that a window remembers behind the highest.
pub const WINDOW: u64 = 2_048;
const WORDS: usize = WINDOW as usize / 64;

/// One key's window for one class of counters. Ask before opening, mark only what has been opened.
#[derive(Clone, Debug)]
pub struct Window {
    /// One more than the highest counter marked; 0: none yet.
    end: u64,
    /// Bit `n % WINDOW` is counter `n`'s.
    seen: [u64; WORDS],
}

impl Default for Window {
    fn default() -> Self {
        Self { end: 0, seen: [0; WORDS] }
    }
}

impl Window {
    /// Whether `counter` was never marked and is not older than the window.
    #[must_use]
    pub fn is_new(&self, counter: u64) -> bool {
        counter < u64::MAX && (counter >= self.end || (self.end - counter <= WINDOW && !self.is_seen(counter)))
    }

    /// Marks a counter whose tag verified; true when it is the highest so far.
    pub fn mark(&mut self, counter: u64) -> bool {
        if !self.is_new(counter) {
            return false;
        }
        let highest = counter >= self.end;
        if highest {
            if counter - self.end >= WINDOW {
                self.seen = [0; WORDS];
            } else {
                (self.end..counter).for_each(|skipped| *self.word(skipped) &= !bit(skipped));
            }
            self.end = counter + 1;
        }
        *self.word(counter) |= bit(counter);
        highest
    }

    fn is_seen(&self, counter: u64) -> bool {
        self.seen[(counter / 64) as usize % WORDS] & bit(counter) != 0
    }

    fn word(&mut self, counter: u64) -> &mut u64 {
        &mut self.seen[(counter / 64) as usize % WORDS]
    }
}

fn bit(counter: u64) -> u64 {
    1 << (counter % 64)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn each_counter_passes_once_and_old_ones_never() {
        let mut window = Window::default();
        assert!(window.mark(0) && !window.mark(0));
        assert!(window.mark(5_000));
        assert!(!window.is_new(5_000 - WINDOW) && window.is_new(5_001 - WINDOW));
        assert!(!window.mark(4_999) && !window.is_new(4_999), "marked, but not the highest");
        assert!(!window.is_new(u64::MAX) && window.mark(u64::MAX - 1) && !window.is_new(5_001));
    }

    proptest! {
        /// Against a set that forgets nothing.
        #[test]
        fn it_agrees_with_a_set(steps in prop::collection::vec((any::<bool>(), 0..4_000u64), 1..400)) {
            let (mut window, mut seen, mut highest) = (Window::default(), BTreeSet::new(), 0u64);
            for (forward, by) in steps {
                let counter = if forward { highest + by % 100 } else { highest.saturating_sub(by) };
                let fresh = !seen.contains(&counter) && (seen.is_empty() || counter + WINDOW > highest);
                prop_assert_eq!(window.is_new(counter), fresh, "{} after {}", counter, highest);
                let leads = fresh && (seen.is_empty() || counter > highest);
                prop_assert_eq!(window.mark(counter), leads);
                if fresh {
                    seen.insert(counter);
                    highest = highest.max(counter);
                }
            }
        }
    }
}
