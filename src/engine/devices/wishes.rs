//! Which device now: the order that the user wants, what is there, what failed of late. Pure: time is an argument.

use std::time::{Duration, Instant};

use crate::os::sound::Channels;

/// "Whatever the system uses": the last of every order.
pub(super) const DEFAULT: &str = "default";
/// A device that could not be had is left alone this long; each time longer, until it was away or the user chooses it.
const REST_MIN: Duration = Duration::from_secs(15);
const REST_MAX: Duration = Duration::from_secs(300);
/// More of them are no order any more.
const ORDER_MAX: usize = 16;

/// Whichever of its channels are chosen.
pub(super) fn is_default(spec: &str) -> bool {
    Channels::split(spec).0 == DEFAULT
}

pub(in crate::engine) fn is_virtual(spec: &str) -> bool {
    matches!(spec.split(':').next(), Some("wav" | "wav-loop" | "tone" | "voice" | "silence" | "null"))
}

/// In which order a call tries what the user named.
pub(in crate::engine) fn order_of(listed: &[String]) -> Vec<String> {
    Wishes::new(listed.to_vec()).order()
}

#[derive(Clone, PartialEq, Debug)]
struct Wish {
    spec: String,
    rest: Duration,
    rests_until: Option<Instant>,
    /// Told once that it cannot be had.
    told: bool,
}

impl Wish {
    fn new(spec: String) -> Self {
        Self { spec, rest: REST_MIN, rests_until: None, told: false }
    }

    fn rests(&self, now: Instant) -> bool {
        self.rests_until.is_some_and(|until| now < until)
    }
}

/// The devices of one direction, best first, and the one that is in use or tried.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Wishes {
    listed: Vec<String>,
    order: Vec<Wish>,
    current: usize,
}

impl Wishes {
    /// `listed`: what the user named, best first. The default stands at the end; a virtual device is always there, so what
    /// comes after one is never asked for.
    pub(super) fn new(listed: Vec<String>) -> Self {
        let mut this = Self { listed, order: Vec::new(), current: 0 };
        this.arrange(None);
        this
    }

    fn arrange(&mut self, chosen: Option<String>) {
        self.order.clear();
        for spec in chosen.into_iter().chain(self.listed.iter().cloned()).take(ORDER_MAX).chain([DEFAULT.to_owned()]) {
            let is_there = |wish: &Wish| wish.spec == spec || spec == DEFAULT && is_default(&wish.spec);
            let ends = self.order.last().is_some_and(|last| is_virtual(&last.spec));
            if !ends && !self.order.iter().any(is_there) {
                self.order.push(Wish::new(spec));
            }
        }
        self.current = 0;
    }

    /// The user wants this one before all that were listed.
    pub(super) fn choose(&mut self, spec: String) {
        self.arrange(Some(spec));
    }

    /// On another sound system a card's name means nothing; a file stays a file.
    pub(super) fn forget_cards(&mut self) {
        let chosen = self.order.first().map(|wish| wish.spec.clone()).filter(|spec| is_virtual(spec));
        self.listed.retain(|spec| is_virtual(spec));
        self.arrange(chosen);
    }

    pub(super) fn order(&self) -> Vec<String> {
        self.order.iter().map(|wish| wish.spec.clone()).collect()
    }

    pub(super) fn current(&self) -> usize {
        self.current
    }

    pub(super) fn spec(&self) -> &str {
        &self.order[self.current].spec
    }

    /// It is the default, which nobody named: it only stands at the end.
    pub(super) fn is_unasked(&self) -> bool {
        self.current > 0 && self.spec() == DEFAULT && !self.listed.iter().any(|spec| is_default(spec))
    }

    /// The stream is to run again: from the top.
    pub(super) fn restart(&mut self, now: Instant) {
        self.current = first(&self.order, 0, now);
    }

    /// The current one cannot be had. Whether another is to be tried now, and whether that is news.
    pub(super) fn handle_refused(&mut self, now: Instant) -> Option<bool> {
        if self.current + 1 >= self.order.len() {
            return None;
        }
        let wish = &mut self.order[self.current];
        wish.rests_until = Some(now + wish.rest);
        wish.rest = (wish.rest * 2).min(REST_MAX);
        let is_news = !std::mem::replace(&mut wish.told, true);
        self.current = first(&self.order, self.current + 1, now);
        Some(is_news)
    }

    /// The current one opened.
    pub(super) fn handle_opened(&mut self) {
        self.order[self.current].told = false;
    }

    /// The current one ran as it should.
    pub(super) fn handle_good(&mut self) {
        self.order[self.current].rest = REST_MIN;
    }

    /// Those that would be used in place of the current one, were they there.
    pub(super) fn better(&self) -> impl Iterator<Item = &str> {
        self.order[..self.current].iter().map(|wish| wish.spec.as_str())
    }

    /// `is_there`: of those in [`Wishes::better`]. True: the current one is another now.
    pub(super) fn handle_found(&mut self, is_there: impl Fn(&str) -> bool, now: Instant) -> bool {
        for wish in &mut self.order[..self.current] {
            if !is_there(&wish.spec) {
                // Once it comes back it is as good as new.
                (wish.rests_until, wish.rest) = (None, REST_MIN);
            }
        }
        let found = self.order[..self.current].iter().position(|wish| is_there(&wish.spec) && !wish.rests(now));
        self.current = found.unwrap_or(self.current);
        found.is_some()
    }
}

/// The first from `from` on that does not rest; the last is always left.
fn first(order: &[Wish], from: usize, now: Instant) -> usize {
    (from..order.len()).find(|at| !order[*at].rests(now)).unwrap_or(order.len() - 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn wishes(listed: &[&str]) -> Wishes {
        Wishes::new(listed.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn the_order_ends_with_the_default_or_with_what_is_always_there() {
        for (listed, order) in [
            (&[][..], &["default"][..]),
            (&["usb"], &["usb", "default"]),
            (&["usb", "usb#2", "usb", "card"], &["usb", "usb#2", "card", "default"]),
            (&["default#2", "usb"], &["default#2", "usb"]),
            (&["default", "usb"], &["default", "usb"]),
            (&["usb", "silence", "card"], &["usb", "silence"]),
            (&["wav:a", "usb"], &["wav:a"]),
        ] {
            assert_eq!(wishes(listed).order(), order, "{listed:?}");
        }
        assert!(wishes(&["x"; 40]).order().len() <= ORDER_MAX + 1);
    }

    #[test]
    fn what_the_user_chooses_comes_first_and_one_such_choice_at_a_time() {
        let mut wishes = wishes(&["usb", "card"]);
        wishes.choose("silence".into());
        assert_eq!(wishes.order(), ["silence"]);
        wishes.choose("card".into());
        assert_eq!(wishes.order(), ["card", "usb", "default"]);
        assert_eq!(wishes.spec(), "card");
        wishes.forget_cards();
        assert_eq!(wishes.order(), ["default"]);
        let mut wishes = self::wishes(&["usb", "wav:a"]);
        wishes.forget_cards();
        assert_eq!(wishes.order(), ["wav:a"]);
    }

    #[test]
    fn down_when_pulled_out_up_when_plugged_in_and_nothing_in_between() {
        let (mut wishes, start) = (wishes(&["usb", "card"]), Instant::now());
        let at = |s: u64| start + Duration::from_secs(s);
        assert_eq!((wishes.handle_refused(at(0)), wishes.spec()), (Some(true), "card"));
        assert_eq!(wishes.better().collect::<Vec<_>>(), ["usb"]);
        assert!(!wishes.handle_found(|_| false, at(2)));
        assert!(wishes.handle_found(|spec| spec == "usb", at(4)), "plugged in, and not made to rest for what it was not");
        assert_eq!(wishes.spec(), "usb");
        // There, and cannot be opened all the same.
        assert_eq!((wishes.handle_refused(at(5)), wishes.spec()), (Some(false), "card"));
        assert!((6..20).all(|s| !wishes.handle_found(|_| true, at(s))), "left alone");
        assert!(wishes.handle_found(|_| true, at(20)));
        wishes.handle_refused(at(20));
        assert!((21..50).all(|s| !wishes.handle_found(|_| true, at(s))), "for longer");
        assert!(wishes.handle_found(|_| true, at(50)));
        wishes.handle_opened();
        assert_eq!(wishes.handle_refused(at(60)), Some(true), "told again, after it was there");
        assert_eq!((wishes.handle_refused(at(60)), wishes.spec()), (Some(true), "default"));
        assert_eq!((wishes.handle_refused(at(60)), wishes.spec()), (None, "default"), "there is no other");
        wishes.restart(at(61));
        assert_eq!(wishes.spec(), "default", "all of them rest");
        wishes.restart(at(500));
        assert_eq!(wishes.spec(), "usb");
    }

    /// What can happen to devices: time passes, and a look finds those of a mask.
    fn steps() -> impl Strategy<Value = Vec<(u64, u8, bool)>> {
        prop::collection::vec((0u64..40, 0u8..8, any::<bool>()), 1..60)
    }

    proptest! {
        /// A host whose devices come and go, and of which one (`broken`) is there and never opens.
        #[test]
        fn it_settles_on_the_best_that_opens_and_stays_there(steps in steps(), broken in 0usize..4) {
            let (mut wishes, start) = (wishes(&["0", "1", "2"]), Instant::now());
            let mut now = start;
            let index = |spec: &str| spec.parse::<usize>().unwrap_or(3);
            for (seconds, mask, restarts) in steps {
                now += Duration::from_secs(seconds);
                let is_there = |spec: &str| index(spec) == 3 || mask & (1 << index(spec)) != 0;
                let opens = |spec: &str| is_there(spec) && (index(spec) != broken || broken == 3);
                if restarts {
                    wishes.restart(now);
                }
                let settle = |wishes: &mut Wishes, now: Instant| {
                    let mut tries = 0;
                    while !opens(wishes.spec()) && wishes.handle_refused(now).is_some() {
                        tries += 1;
                        assert!(tries <= 4, "it ends");
                    }
                };
                settle(&mut wishes, now);
                if wishes.handle_found(is_there, now) {
                    settle(&mut wishes, now);
                }
                // A look more, with nothing changed, changes at most what rested only for having been away.
                if wishes.handle_found(is_there, now) {
                    settle(&mut wishes, now);
                }
                let used = wishes.current();
                prop_assert!(opens(wishes.spec()), "{} of {mask:b}", wishes.spec());
                prop_assert!(!wishes.handle_found(is_there, now) && wishes.current() == used, "no flapping");
                prop_assert!((0..used).all(|at| !opens(&wishes.order[at].spec)), "{used} of {mask:b}: the best that opens");
            }
        }
    }
}
