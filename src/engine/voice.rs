//! Voice activation: what the detector hears becomes a lease to be on air, and a word to who talks while muted. The sender thread runs it.
//!
//! It only ever renews the lease of a user who has switched it on in this call ([`Controls::arm_voice`]); that ends without its help.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Controls, Holder, Meters};
use crate::audio::Frame;
use crate::audio::vad::Vad;
use crate::units::FRAME_DURATION;

/// A sender thread that stalls is off air after this time; longer than any card's block, so that the screen does not flicker.
const LEASE: Duration = Duration::from_millis(250);
/// A frame this much later than it should be: the microphone was away, and what was heard before is of no use.
const GAP: Duration = Duration::from_millis(100);
/// A cough is no talk: so long must be spoken while muted for a word about it.
const TALK: Duration = Duration::from_millis(300);
/// And so long must the last word be ago.
const REMIND_AFTER: Duration = Duration::from_secs(10);

/// What a frame of the microphone came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct VoiceNews {
    /// Voice activation was switched on (true) or has ended.
    pub armed: Option<bool>,
    /// The user talks to people who cannot hear it: the microphone is muted.
    pub muted_talk: bool,
    /// Somebody speaks, muted or not ([`Vad::is_voice`]).
    pub speaks: bool,
}

/// The detector and what follows from it.
#[derive(Debug)]
pub struct VoiceKey {
    vad: Vad,
    controls: Arc<Controls>,
    meters: Arc<Meters>,
    /// The call in which it was found armed.
    armed: Option<u64>,
    was_muted: bool,
    last: Option<Instant>,
    talked_muted: Duration,
    reminded: Option<Instant>,
}

impl VoiceKey {
    /// # Errors
    /// The detector could not be made; a sentence.
    pub fn new(controls: Arc<Controls>, meters: Arc<Meters>) -> Result<Self, String> {
        let vad = Vad::new().map_err(|error| format!("Voice activation cannot work: {error}."))?;
        Ok(Self { vad, controls, meters, armed: None, was_muted: false, last: None, talked_muted: Duration::ZERO, reminded: None })
    }

    /// Takes 10 ms of the microphone, without an echo and before its gain, ending at `captured`; leases the air to
    /// [`Holder::Voice`] while they hold speech. To be called before that moment is looked up in [`Controls::on_air`].
    pub fn handle_frame(&mut self, frame: &Frame, captured: Instant) -> VoiceNews {
        if self.last.replace(captured).is_some_and(|last| captured.saturating_duration_since(last) > GAP) {
            self.vad.reset();
        }
        let (armed, muted) = (self.watch(), self.controls.muted_at(captured - FRAME_DURATION));
        if std::mem::replace(&mut self.was_muted, muted) && !muted {
            // What puts it on air must be said unmuted.
            self.vad.close();
        }
        let speaking = self.vad.push(frame, self.controls.voice());
        match self.armed {
            Some(call) if speaking && !muted => self.controls.renew(Holder::Voice, captured + LEASE, call),
            _ => self.controls.release_at(Holder::Voice, captured),
        }
        if muted && self.meters.is_anybody_live() {
            let muted_talk = self.is_muted_talk(speaking, captured);
            return VoiceNews { armed, muted_talk, speaks: self.vad.is_voice() };
        }
        self.talked_muted = Duration::ZERO;
        VoiceNews { armed, muted_talk: false, speaks: self.vad.is_voice() }
    }

    /// Looks whether voice activation was switched on or has ended; to be called without a frame too: at a hang-up none come any more.
    pub fn watch(&mut self) -> Option<bool> {
        let now = self.controls.voice_armed();
        let before = std::mem::replace(&mut self.armed, now);
        if now != before {
            self.vad.close();
        }
        self.meters.mic.voice_score.set_known(now.map(|_| self.vad.score()));
        (now.is_some() != before.is_some()).then_some(now.is_some())
    }

    fn is_muted_talk(&mut self, speaking: bool, now: Instant) -> bool {
        self.talked_muted = if speaking { self.talked_muted + FRAME_DURATION } else { Duration::ZERO };
        let may = self.reminded.is_none_or(|last| now.saturating_duration_since(last) >= REMIND_AFTER);
        let reminds = may && self.talked_muted >= TALK;
        if reminds {
            self.reminded = Some(now);
        }
        reminds
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::vad::Tuning;
    use crate::audio::voice::Voice;
    use crate::engine::CallState;
    use crate::units::FRAME_SAMPLES;
    use crate::units::PeerId;

    /// A user at a microphone: talks, or does not.
    struct Desk {
        key: VoiceKey,
        controls: Arc<Controls>,
        meters: Arc<Meters>,
        talker: Voice,
        now: Instant,
        news: Vec<VoiceNews>,
    }

    impl Desk {
        fn in_call() -> Self {
            let now = Instant::now();
            let (controls, meters) = (Arc::new(Controls::new(now)), Arc::new(Meters::new(now)));
            meters.set_state(PeerId::new(0).expect("slot 0"), CallState::Live, now);
            let key = VoiceKey::new(controls.clone(), meters.clone()).expect("a detector");
            Self { key, controls, meters, talker: Voice::new(1), now, news: Vec::new() }
        }

        /// The frames that were on air.
        fn frames(&mut self, ms: usize, talks: bool) -> Vec<bool> {
            let mut on_air = Vec::new();
            for _ in 0..ms / 10 {
                let mut frame = [0.0; FRAME_SAMPLES];
                if talks {
                    self.talker.fill(&mut frame);
                }
                self.now += FRAME_DURATION;
                self.news.push(self.key.handle_frame(&frame, self.now));
                on_air.push(self.controls.on_air(self.now) == Some(Holder::Voice));
            }
            on_air
        }

        fn reminders(&self) -> usize {
            self.news.iter().filter(|news| news.muted_talk).count()
        }
    }

    fn share(on_air: &[bool]) -> f64 {
        on_air.iter().filter(|on_air| **on_air).count() as f64 / on_air.len() as f64
    }

    #[test]
    fn it_is_on_air_while_somebody_talks_and_only_once_switched_on() {
        let mut desk = Desk::in_call();
        assert_eq!(share(&desk.frames(2_000, true)), 0.0, "not switched on");
        assert_eq!(desk.meters.mic.voice_score.get(), None);
        desk.controls.arm_voice();
        assert!(share(&desk.frames(4_000, true)) > 0.7);
        assert!(desk.meters.mic.voice_score.get().is_some());
        let after = desk.frames(3_000, false);
        let ends = after.iter().rposition(|on_air| *on_air).unwrap_or(0);
        assert!((25..70).contains(&ends), "{ends} frames of hang");
        desk.frames(3_000, true);
        desk.controls.release_all();
        assert_eq!(share(&desk.frames(2_000, true)), 0.0, "hung up");
        let armed: Vec<bool> = desk.news.iter().filter_map(|news| news.armed).collect();
        assert_eq!(armed, [true, false]);
    }

    #[test]
    fn the_lease_of_a_sender_that_stalls_ends_by_itself() {
        let mut desk = Desk::in_call();
        desk.controls.arm_voice();
        while !desk.frames(10, true)[0] {}
        assert_eq!(desk.controls.on_air(desk.now + LEASE / 2), Some(Holder::Voice));
        assert_eq!(desk.controls.on_air(desk.now + LEASE), None);
    }

    #[test]
    fn a_mute_beats_it_and_who_talks_all_the_same_is_told_now_and_then() {
        let mut desk = Desk::in_call();
        desk.controls.arm_voice();
        desk.frames(1_000, false);
        desk.controls.mute();
        assert_eq!(share(&desk.frames(15_000, true)), 0.0);
        assert_eq!(desk.reminders(), 2);
        desk.controls.unmute(desk.now);
        assert!(share(&desk.frames(4_000, true)) > 0.6, "it goes on");
        assert_eq!(desk.reminders(), 2);
    }

    #[test]
    fn who_mutters_with_nobody_there_or_coughs_is_not_told() {
        let mut desk = Desk::in_call();
        desk.controls.mute();
        desk.frames(20_000, false);
        assert_eq!(desk.reminders(), 0, "silence");
        desk.meters.set_state(PeerId::new(0).expect("slot 0"), CallState::Calling, desk.now);
        desk.frames(5_000, true);
        assert_eq!(desk.reminders(), 0, "nobody would hear it");
    }

    #[test]
    fn the_tuning_takes_effect_at_once() {
        let mut desk = Desk::in_call();
        desk.controls.set_voice(Tuning { hang_ms: 2_000, ..Tuning::default() });
        desk.controls.arm_voice();
        desk.frames(4_000, true);
        let long = desk.frames(4_000, false).iter().rposition(|on_air| *on_air).expect("it hangs");
        assert!(long > 160, "{long}");
    }
}
