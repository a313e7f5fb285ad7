//! Whether and with whom the delay of a call is measured: what is asked, what is answered, and what ends it.
//!
//! An ask is heard only out of a session, of a peer that this side called or answered, and followed only if the user has allowed it
//! and nobody else is in the call. All else is told in this side's own reports, which leave anyway: it costs an asker a datagram, and
//! this side nothing. An ask that is followed puts chirps in the microphone's place and never the microphone on air: see
//! [`crate::call::measure`].

use std::time::{Duration, Instant};

use rand::RngExt;

use super::Downlink;
use super::peer::Peer;
use crate::call::event::Event;
use crate::call::measure::{Order, Phase, Side, TRIALS_MAX, Verdict};
use crate::call::state::CallState;
use crate::units::{Format, PeerId};
use crate::wire::app::caps;
use crate::wire::measure::Measure;

/// An ask holds this long; it is repeated each half second.
const HOLDS: Duration = Duration::from_secs(3);
/// Chirps are returned for this long in one call, all in all.
const MOST: Duration = Duration::from_secs(600);
/// Without an answer to an ask for this long there will be none.
const PATIENCE: Duration = Duration::from_secs(5);
/// An answer is given at once, but not more often than this.
const PAUSE: Duration = Duration::from_millis(100);

/// This side measures.
#[derive(Debug)]
struct Asking {
    run: u32,
    trials: u16,
    phase: Phase,
    /// The answer is waited for until then; `None`: it was yes.
    until: Option<Instant>,
}

/// The other side measures.
#[derive(Clone, Copy, Debug)]
struct Asked {
    run: u32,
    phase: Phase,
    verdict: Verdict,
    heard: Instant,
}

/// What one peer has to do with measuring.
#[derive(Debug, Default)]
pub(super) struct Measuring {
    asking: Option<Asking>,
    asked: Option<Asked>,
    /// How long chirps were returned in this call, but for the measurement that runs.
    spent: Duration,
    since: Option<Instant>,
    /// The user was told that this peer was refused.
    told: bool,
}

impl Measuring {
    /// What our next report says of it.
    pub(super) fn statement(&self) -> Option<Measure> {
        let ask = self.asking.as_ref().map(|asking| Measure::Ask { run: asking.run, phase: asking.phase });
        let answer = || self.asked.map(|Asked { run, phase, verdict, .. }| Measure::Answer { run, phase, verdict });
        ask.or_else(answer)
    }

    /// When something ends by itself.
    pub(super) fn due(&self) -> Option<Instant> {
        let asking = self.asking.as_ref().and_then(|asking| asking.until);
        asking.into_iter().chain(self.asked.map(|asked| asked.heard + HOLDS)).min()
    }

    fn answers(&self) -> bool {
        self.asked.is_some_and(|asked| asked.verdict == Verdict::Yes)
    }

    fn spent(&self, now: Instant) -> Duration {
        self.spent + self.since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since))
    }
}

/// What the user of this side has said, and what the microphone does.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Consent {
    /// Peers of a call may measure.
    pub allowed: bool,
    /// Somebody here is on air.
    pub talks: bool,
}

impl Downlink {
    /// Begins to measure the delay to `id`, with so many trials (at least 1) in each phase. Events tell what comes of it.
    ///
    /// # Errors
    /// One sentence: why it cannot be.
    pub fn measure(&mut self, now: Instant, id: PeerId, trials: u16) -> Result<(), String> {
        let alone = self.all().filter(|peer| peer.is_open()).count() == 1;
        let run = self.rng.random();
        let Some(peer) = self.peer_mut(id).filter(|peer| peer.state == CallState::Live) else {
            return Err("The delay can be measured once the call is answered.".into());
        };
        if peer.format != Format::Sealed || peer.sealing.session.is_none() {
            return Err("Only a sealed call is measured: in the clear anybody could answer.".into());
        }
        if !alone {
            return Err("Only a call of two is measured: everybody else would hear it.".into());
        }
        if peer.measuring.asking.is_some() || peer.measuring.answers() {
            return Err("The delay of this call is being measured already.".into());
        }
        let asking = Asking { run, trials: trials.clamp(1, TRIALS_MAX), phase: Phase::Steady, until: Some(now + PATIENCE) };
        peer.measuring.asking = Some(asking);
        peer.report_at = Some(now);
        self.handle_timeout(now);
        Ok(())
    }

    /// What the user of this side wants now; once per wake-up is enough.
    pub fn handle_consent(&mut self, now: Instant, consent: Consent) {
        if std::mem::replace(&mut self.consent, consent) != consent {
            self.tend_measuring(now);
        }
    }

    /// The probe has done all trials of its phase, or is gone (`None`): it said all there was to say, or the user talks.
    pub fn handle_probe(&mut self, now: Instant, phase: Option<Phase>) {
        let Some(id) = self.all().find(|peer| peer.measuring.asking.is_some() || peer.measuring.answers()).map(|peer| peer.id) else {
            return;
        };
        let Some(peer) = self.peer_mut(id) else { return };
        match (&mut peer.measuring.asking, phase) {
            (Some(asking), Some(phase)) if asking.phase != phase && asking.until.is_none() => {
                (asking.phase, asking.until) = (phase, Some(now + PATIENCE));
                peer.report_at = peer.report_at.map(|_| now);
            }
            (Some(asking), None) if asking.until.is_none() => peer.measuring.asking = None,
            (None, None) => self.refuse(now, id, Verdict::Talks),
            _ => {}
        }
    }

    /// What a peer in a session says of measuring.
    pub(super) fn take_measure(&mut self, now: Instant, id: PeerId, measure: Measure) {
        let Some(peer) = self.peer(id).filter(|peer| peer.state == CallState::Live && peer.accepted && peer.playing) else { return };
        match measure {
            Measure::Ask { run, phase } => self.take_ask(now, id, run, phase),
            Measure::Answer { run, phase, verdict } => {
                let meant = |asking: &Asking| asking.run == run && asking.phase == phase;
                if peer.measuring.asking.as_ref().is_some_and(meant) {
                    self.take_verdict(id, verdict);
                }
            }
        }
    }

    fn take_ask(&mut self, now: Instant, id: PeerId, run: u32, phase: Phase) {
        let verdict = self.verdict(now, id);
        let Some(peer) = self.peer_mut(id).filter(|peer| peer.measuring.asking.is_none()) else { return };
        let before = peer.measuring.asked;
        // One after the other, and each of them forwards only: who asks for more makes nobody work more.
        let is_odd = |asked: Asked| {
            let backwards = asked.run == run && asked.phase == Phase::Keyed && phase == Phase::Steady;
            backwards || (asked.run != run && asked.verdict == Verdict::Yes)
        };
        if before.is_some_and(is_odd) {
            return;
        }
        // Who was stopped is not asked again by the same measurement.
        let verdict = before.filter(|asked| asked.run == run && asked.verdict != Verdict::Yes).map_or(verdict, |asked| asked.verdict);
        peer.measuring.asked = Some(Asked { run, phase, verdict, heard: now });
        if before.is_none_or(|asked| (asked.run, asked.phase, asked.verdict) != (run, phase, verdict)) {
            peer.report_at = peer.report_at.map(|at| at.min(now.max(peer.reported + PAUSE)));
        }
        let went_on = before.is_some_and(|asked| asked.verdict == Verdict::Yes);
        if verdict != Verdict::Yes {
            if went_on {
                self.stop_answering(now, id);
            }
            return self.say_refused(id, verdict);
        }
        peer.measuring.since.get_or_insert(now);
        if !went_on {
            let text = format!(
                "{} measures the delay of this call: until it is done, chirps leave in place of the microphone, and nothing is played.",
                peer.address
            );
            self.tell(Event::Info(text));
        }
        if before.is_none_or(|asked| !went_on || (asked.run, asked.phase) != (run, phase)) {
            self.tell(Event::Measure { id, order: Some(Order { run, side: Side::Answers, phase }) });
        }
    }

    fn verdict(&self, now: Instant, id: PeerId) -> Verdict {
        let others = self.all().any(|peer| peer.id != id && (peer.is_open() || peer.state == CallState::Calling));
        let spent = self.peer(id).map_or(Duration::ZERO, |peer| peer.measuring.spent(now));
        match self.consent {
            Consent { allowed: false, .. } => Verdict::NotAllowed,
            _ if others => Verdict::Others,
            Consent { talks: true, .. } => Verdict::Talks,
            _ if spent >= MOST => Verdict::Enough,
            _ => Verdict::Yes,
        }
    }

    fn say_refused(&mut self, id: PeerId, verdict: Verdict) {
        let Some(peer) = self.peer_mut(id).filter(|peer| !peer.measuring.told && verdict == Verdict::NotAllowed) else { return };
        peer.measuring.told = true;
        let text = format!(
            "{} wants to measure the delay of this call and is refused: --answer-measure, or the command answer-measure on, would allow it.",
            peer.address
        );
        self.tell(Event::Info(text));
    }

    fn take_verdict(&mut self, id: PeerId, verdict: Verdict) {
        let Some(peer) = self.peer_mut(id) else { return };
        let Some(asking) = &mut peer.measuring.asking else { return };
        if verdict == Verdict::Yes {
            if asking.until.take().is_some() {
                let order = Order { run: asking.run, side: Side::Asks { trials: asking.trials }, phase: asking.phase };
                self.tell(Event::Measure { id, order: Some(order) });
            }
            return;
        }
        let address = &peer.address;
        let sentence = match verdict {
            Verdict::Yes | Verdict::NotAllowed => {
                format!("{address} does not let itself be measured: its user must say --answer-measure, or the command answer-measure on.")
            }
            Verdict::Others => format!("{address} is in a call with others, who would hear it: measure when it is alone."),
            Verdict::Talks => format!("{address} cannot be measured now: its microphone is on air."),
            Verdict::Enough => format!("{address} was measured for ten minutes in this call: call again."),
        };
        self.fail_asking(id, sentence);
    }

    fn fail_asking(&mut self, id: PeerId, sentence: String) {
        let Some(peer) = self.peer_mut(id) else { return };
        if peer.measuring.asking.take().is_some() {
            self.tell(Event::Measure { id, order: None });
            self.tell(Event::MeasureFailed { sentence });
        }
    }

    /// This side returns no more chirps to `id`, in the measurement that runs.
    fn refuse(&mut self, now: Instant, id: PeerId, verdict: Verdict) {
        let Some(peer) = self.peer_mut(id) else { return };
        let Some(asked) = peer.measuring.asked.as_mut().filter(|asked| asked.verdict == Verdict::Yes) else { return };
        asked.verdict = verdict;
        peer.report_at = peer.report_at.map(|at| at.min(now.max(peer.reported + PAUSE)));
        self.stop_answering(now, id);
    }

    fn stop_answering(&mut self, now: Instant, id: PeerId) {
        let Some(peer) = self.peer_mut(id) else { return };
        peer.measuring.spent = peer.measuring.spent(now);
        peer.measuring.since = None;
        let text = format!("{} measures the delay no more.", peer.address);
        self.tell(Event::Measure { id, order: None });
        self.tell(Event::Info(text));
    }

    /// Ends what has no reason to go on: nobody asks any more, the user took the word back, somebody else came.
    pub(super) fn tend_measuring(&mut self, now: Instant) {
        for id in PeerId::all() {
            let Some(peer) = self.peer(id).filter(|peer| peer.measuring.asking.is_some() || peer.measuring.asked.is_some()) else {
                continue;
            };
            let answers = peer.measuring.answers();
            if peer.state != CallState::Live {
                self.forget_measuring(now, id);
            } else if peer.measuring.asked.is_some_and(|asked| asked.heard + HOLDS <= now) {
                if answers {
                    self.stop_answering(now, id);
                }
                if let Some(peer) = self.peer_mut(id) {
                    peer.measuring.asked = None;
                }
            } else if answers && self.verdict(now, id) != Verdict::Yes {
                let verdict = self.verdict(now, id);
                self.refuse(now, id, verdict);
            }
            self.tend_asking(now, id);
        }
    }

    fn tend_asking(&mut self, now: Instant, id: PeerId) {
        let others = self.all().any(|peer| peer.id != id && peer.is_open());
        let Some(peer) = self.peer(id) else { return };
        let Some(asking) = &peer.measuring.asking else { return };
        let address = &peer.address;
        let sentence = if others {
            "Somebody else has come into the call: the delay is measured no more.".into()
        } else if asking.until.is_none_or(|until| until > now) {
            return;
        } else if peer.is_vtui && peer.leg.caps & caps::MEASURE == 0 {
            format!("{address} does not know how to be measured: it runs an older voicetui.")
        } else {
            format!("{address} does not answer to being measured.")
        };
        self.fail_asking(id, sentence);
    }

    fn forget_measuring(&mut self, now: Instant, id: PeerId) {
        let Some(peer) = self.peer_mut(id) else { return };
        let address = peer.address.clone();
        let answered = peer.measuring.answers();
        peer.measuring.asked = None;
        if answered {
            self.stop_answering(now, id);
        }
        self.fail_asking(id, format!("The call with {address} ended before the delay was measured."));
    }
}

/// Whether a peer's reports say anything of measuring.
pub(super) fn statement(peer: &Peer) -> Option<Measure> {
    peer.measuring.statement().filter(|_| peer.sealing.session.is_some() && peer.accepted)
}
