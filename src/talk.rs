//! The talk key: key events and time to a lease to be on air. Pure; run by the input thread.
//!
//! ```text
//!            press                      release (trusted) / silence of the keyboard (inferred)
//!   Up ---------------> Down ------------------------------------------------------------------> Up
//!                        |  focus lost, time-out, hang-up, sleep, the lease taken away
//!                        +--------------> Spent: the rest of this hold is ignored; let go and press again
//! ```
//!
//! Releases are trusted only once one was seen in this run. Until then, and for ever on terminals that send none, the end
//! of a hold is inferred from the keyboard's auto-repeat falling silent. Every lease ends by itself: the caller may die.

pub mod learned;

use std::time::{Duration, Instant};

pub use learned::Learned;

/// How far ahead a held key with trusted releases is leased; renew at least five times as often.
pub const RENEWAL: Duration = Duration::from_millis(500);
/// No keyboard repeats, and no hand presses anew, as fast as this after letting go: it is the hold that was cut.
const FALSE_CUT: Duration = Duration::from_millis(115);
/// How long after a cut a press may still belong to it.
const CUT_MEMORY: Duration = Duration::from_millis(1_500);
/// A hand cannot let go and press again faster.
const FASTEST_HAND: Duration = Duration::from_millis(130);
/// Silence after which a spent hold counts as let go, at least.
const SPENT_GAP: Duration = Duration::from_millis(500);
/// Repeats of a steady rhythm that prove a hold: before, it may be a hand that taps.
const PROOF: u32 = 3;

/// What the terminal says about the talk key, or what else must un-key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KeyEvent {
    /// A press; on terminals without the kitty protocol auto-repeat comes as presses too.
    Press,
    /// Marked as auto-repeat by the terminal. kitty 0.26 can deliver a fresh press so.
    Repeat,
    Release,
    /// Some other key's release: this terminal reports releases.
    OtherRelease,
    FocusLost,
    /// Hang-up, lost device, a text field took the keyboard, somebody took the lease away.
    Interrupted,
    Slept,
    /// Stopped and continued, perhaps elsewhere: nothing seen before counts.
    TerminalChanged,
}

/// Which rung of the ladder ends a hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rung {
    /// The terminal reports releases.
    Releases,
    /// Auto-repeat falling silent.
    Inferred,
}

/// Why the key came up, for the screen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unkeyed {
    Released,
    /// The keyboard fell silent.
    Silent,
    TimedOut,
    FocusLost,
    Interrupted,
    Slept,
}

#[derive(Clone, Copy, Debug)]
struct Hold {
    since: Instant,
    last: Instant,
    /// Inferred holds end here; `None`: the release ends it.
    until: Option<Instant>,
    repeats: u32,
    /// From the press to the first repeat, if it is one.
    first_gap: Option<Duration>,
    /// The sum and number of the gaps before the rhythm was proven.
    early: (Duration, u32),
    /// The silence that cut the hold just before this press.
    cut: Option<Duration>,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Up,
    Down(Hold),
    Spent { last: Instant },
}

/// One talk key. The order of calls: `handle` each event, then `lease`; `lease` again at least every 100 ms while it is `Some`.
#[derive(Clone, Debug)]
pub struct TalkKey {
    learned: Learned,
    timeout: Duration,
    trusted: bool,
    state: State,
    /// The last event of a hold that the keyboard's silence ended, and when it ended.
    cut: Option<(Instant, Instant)>,
    unkeyed: Option<Unkeyed>,
}

impl TalkKey {
    /// `timeout`: a key held longer than this un-keys.
    #[must_use]
    pub fn new(learned: Learned, timeout: Duration) -> Self {
        Self { learned, timeout, trusted: false, state: State::Up, cut: None, unkeyed: None }
    }

    pub fn handle(&mut self, event: KeyEvent, now: Instant) {
        self.settle(now);
        match event {
            KeyEvent::Press => self.press(true, now),
            KeyEvent::Repeat => self.press(false, now),
            KeyEvent::Release => {
                self.trusted = true;
                if matches!(self.state, State::Down(_)) {
                    self.unkeyed = Some(Unkeyed::Released);
                }
                self.state = State::Up;
                self.cut = None;
            }
            KeyEvent::OtherRelease => self.trusted = true,
            KeyEvent::FocusLost => self.spend(Unkeyed::FocusLost, now),
            KeyEvent::Interrupted => self.spend(Unkeyed::Interrupted, now),
            KeyEvent::Slept => self.spend(Unkeyed::Slept, now),
            KeyEvent::TerminalChanged => {
                self.trusted = false;
                self.spend(Unkeyed::Interrupted, now);
            }
        }
    }

    /// Until when to be on air if nothing else is heard; `None`: not on air.
    pub fn lease(&mut self, now: Instant) -> Option<Instant> {
        self.settle(now);
        let State::Down(hold) = &self.state else { return None };
        Some(hold.until.unwrap_or(now + RENEWAL).min(hold.since + self.timeout))
    }

    /// Why the key came up since the last call.
    pub fn poll_unkeyed(&mut self) -> Option<Unkeyed> {
        self.unkeyed.take()
    }

    #[must_use]
    pub fn rung(&self) -> Rung {
        if self.trusted { Rung::Releases } else { Rung::Inferred }
    }

    /// What this run knows of the keyboard, to be kept for the next.
    #[must_use]
    pub fn learned(&self) -> Learned {
        self.learned
    }

    /// Un-keyed by something else than the key, and the key not yet let go.
    #[must_use]
    pub fn is_spent(&self) -> bool {
        matches!(self.state, State::Spent { .. })
    }

    /// Lets what has run out by `now` run out.
    fn settle(&mut self, now: Instant) {
        if let State::Spent { last } = self.state
            && now.saturating_duration_since(last) >= self.spent_gap()
        {
            self.state = State::Up;
        }
        let State::Down(hold) = self.state else { return };
        let end = hold.since + self.timeout;
        if let Some(until) = hold.until.filter(|until| now >= *until && *until < end) {
            self.cut = Some((hold.last, until));
            self.unkeyed = Some(Unkeyed::Silent);
            self.state = State::Up;
        } else if now >= end {
            self.unkeyed = Some(Unkeyed::TimedOut);
            self.state = State::Spent { last: end };
        }
    }

    /// Silence after which a spent hold counts as let go.
    fn spent_gap(&self) -> Duration {
        SPENT_GAP.max(self.learned.hold_gap() * 2)
    }

    fn spend(&mut self, why: Unkeyed, now: Instant) {
        if matches!(self.state, State::Down(_)) {
            self.unkeyed = Some(why);
            self.state = State::Spent { last: now };
        }
    }

    fn press(&mut self, fresh: bool, now: Instant) {
        match self.state {
            State::Up => self.begin(now),
            State::Spent { .. } if fresh && self.trusted => self.begin(now),
            State::Spent { .. } => self.state = State::Spent { last: now },
            State::Down(hold) => self.state = State::Down(self.again(hold, fresh, now)),
        }
    }

    fn begin(&mut self, now: Instant) {
        let cut = self.cut.take().filter(|(_, at)| now.saturating_duration_since(*at) < CUT_MEMORY);
        self.state = State::Down(Hold {
            since: now,
            last: now,
            until: (!self.trusted).then(|| now + self.learned.first_wait()),
            repeats: 0,
            first_gap: None,
            early: (Duration::ZERO, 0),
            cut: cut.map(|(last, _)| now.saturating_duration_since(last)),
        });
    }

    /// Another event of a key that is down.
    fn again(&mut self, mut hold: Hold, fresh: bool, now: Instant) -> Hold {
        let gap = now.saturating_duration_since(hold.last);
        hold.last = now;
        if hold.until.is_none() {
            if !fresh {
                return hold;
            }
            // Two presses with no release between: releases do not come here after all.
            self.trusted = false;
        }
        let wait = self.wait_after(&mut hold, gap);
        hold.until = Some(now + wait);
        hold
    }

    /// Learns from `gap`; how long to wait for the next event.
    fn wait_after(&mut self, hold: &mut Hold, gap: Duration) -> Duration {
        hold.repeats += 1;
        if hold.repeats == 1 {
            match hold.cut.take() {
                Some(cut) if gap < FALSE_CUT => self.learned.widen(cut),
                // Far too early for the first repeat: a hand that taps.
                _ if self.learned.delay().is_some_and(|delay| gap * 4 < delay * 3) && gap >= FASTEST_HAND => {
                    hold.repeats = 0;
                    return self.learned.first_wait();
                }
                _ => hold.first_gap = Some(gap),
            }
            return self.learned.hold_gap();
        }
        if gap > FASTEST_HAND && self.learned.gap().is_none_or(|usual| gap > usual * 3) {
            // Let go and pressed again in between, or a keyboard that stumbled: wait as after a press, learn nothing.
            hold.repeats = 0;
            hold.first_gap = None;
            hold.early = (Duration::ZERO, 0);
            return self.learned.first_wait();
        }
        if hold.repeats < PROOF {
            hold.early = (hold.early.0 + gap, hold.early.1 + 1);
            return self.learned.hold_gap();
        }
        if hold.repeats == PROOF {
            if let Some(first) = hold.first_gap.take() {
                self.learned.learn_delay(first);
            }
            if hold.early.1 > 0 {
                self.learned.learn_gap(hold.early.0 / hold.early.1);
            }
        }
        self.learned.learn_gap(gap);
        self.learned.hold_gap()
    }
}

/// The TALK button under the mouse: the terminal reports its release almost everywhere, tmux included.
#[derive(Clone, Debug)]
pub struct TalkButton {
    timeout: Duration,
    since: Option<Instant>,
}

impl TalkButton {
    #[must_use]
    pub fn new(timeout: Duration) -> Self {
        Self { timeout, since: None }
    }

    pub fn press(&mut self, now: Instant) {
        self.since = Some(now);
    }

    /// The button came up, the mouse moved with no button down, the focus was lost, or anything else that un-keys.
    pub fn release(&mut self) {
        self.since = None;
    }

    /// Until when to be on air if nothing else is heard; renew at least every 100 ms.
    pub fn lease(&mut self, now: Instant) -> Option<Instant> {
        let end = self.since? + self.timeout;
        if now >= end {
            self.since = None;
            return None;
        }
        Some((now + RENEWAL).min(end))
    }
}

#[cfg(test)]
mod tests;
