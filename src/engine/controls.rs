//! What the user's side sets and the audio and network threads read: leases, mutes, volumes. Atomics only; any thread.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use super::processing::ProcessingCell;
use super::{DelayBounds, EarconChoice, Processing};
use crate::audio::earcon::{Earcon, Earcons};
use crate::audio::vad::Tuning;
use crate::call::Phase;
use crate::units::{FRAME_DURATION, MAX_PEERS, PeerId};

/// Who can hold this side's microphone on air. Each has its own lease; nobody outside this enum can.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(usize)]
pub enum Holder {
    /// The talk key.
    Key = 0,
    /// The TALK button under the mouse.
    Mouse = 1,
    /// `voicetui ctl talk`, or `talk` on standard input.
    Ctl = 2,
    /// The open microphone, until hang-up.
    Open = 3,
    /// Voice activation.
    Voice = 4,
}

impl Holder {
    pub const ALL: [Self; 5] = [Self::Key, Self::Mouse, Self::Ctl, Self::Open, Self::Voice];
}

/// A lease without an end of its own: it falls with the call ([`Controls::release_all`]). A mute that lasts.
const UNTIL_RELEASED: u64 = u64::MAX;
/// No call has this number.
const NO_CALL: u64 = u64::MAX;

/// Loudest volume the user can set, percent.
pub const MAX_VOLUME_PERCENT: u8 = 200;

/// Shared settings that change during a call. All accesses are `Relaxed`: each field stands alone.
#[derive(Debug)]
pub struct Controls {
    epoch: Instant,
    on_air_until: [AtomicU64; Holder::ALL.len()],
    /// The call in which each lease was given; see [`Controls::call`].
    leased_in: [AtomicU64; Holder::ALL.len()],
    call: AtomicU64,
    /// The call in which voice activation was switched on; in any other it is off.
    voice_in: AtomicU64,
    /// Its hang above, its sensitivity below.
    voice: AtomicU32,
    /// The end of the user's mute, [`UNTIL_RELEASED`] as long as it lasts.
    muted_until: AtomicU64,
    deafened: AtomicBool,
    volume: AtomicU8,
    peer_volume: [AtomicU8; MAX_PEERS],
    peer_muted: AtomicU32,
    /// The bounds of the playout delay in one word: least above, most below.
    delay: AtomicU32,
    /// What is measured of the call's delay, 0 for nothing; and whether peers may measure it.
    measuring: AtomicU8,
    answers_measuring: AtomicBool,
    processing: ProcessingCell,
    /// The far end is played into the room.
    loudspeaker: AtomicBool,
    /// Which earcons are wanted; those that are to begin; whether somebody rings.
    earcons: AtomicU8,
    begun_earcons: AtomicU8,
    ringing: AtomicBool,
}

impl Default for Controls {
    fn default() -> Self {
        Self::new(Instant::now())
    }
}

impl Controls {
    /// `epoch`: the zero of the leases' nanoseconds; leases before it read as expired.
    #[must_use]
    pub fn new(epoch: Instant) -> Self {
        Self {
            epoch,
            on_air_until: Default::default(),
            leased_in: Default::default(),
            call: AtomicU64::new(0),
            voice_in: AtomicU64::new(NO_CALL),
            voice: AtomicU32::new(voice_word(Tuning::default())),
            muted_until: AtomicU64::new(0),
            deafened: AtomicBool::new(false),
            volume: AtomicU8::new(100),
            peer_volume: std::array::from_fn(|_| AtomicU8::new(100)),
            peer_muted: AtomicU32::new(0),
            delay: AtomicU32::new(delay_word(DelayBounds::default())),
            measuring: AtomicU8::new(0),
            answers_measuring: AtomicBool::new(false),
            processing: ProcessingCell::default(),
            loudspeaker: AtomicBool::new(false),
            earcons: AtomicU8::new(EarconChoice::default() as u8),
            begun_earcons: AtomicU8::new(0),
            ringing: AtomicBool::new(false),
        }
    }

    fn nanos(&self, at: Instant) -> u64 {
        at.saturating_duration_since(self.epoch).as_nanos() as u64
    }

    /// The number of the call. A lease counts only in the call it was given in: a key held since before, or
    /// renewed by a thread that has not yet heard of the hang-up, keys nothing. Tearing fails closed.
    #[must_use]
    pub fn call(&self) -> u64 {
        self.call.load(Relaxed)
    }

    /// `holder` is on air until `until`, unless renewed or released. It ends without any thread's help.
    pub fn lease(&self, holder: Holder, until: Instant) {
        self.renew(holder, until, self.call());
    }

    /// Goes on with a lease that was begun in `call`; without effect in any other call.
    pub fn renew(&self, holder: Holder, until: Instant, call: u64) {
        self.leased_in[holder as usize].store(call, Relaxed);
        self.on_air_until[holder as usize].store(self.nanos(until), Relaxed);
    }

    /// `holder` is on air until released, or until the call ends.
    pub fn hold(&self, holder: Holder) {
        self.leased_in[holder as usize].store(self.call(), Relaxed);
        self.on_air_until[holder as usize].store(UNTIL_RELEASED, Relaxed);
    }

    /// `holder` un-keys now. What was said until this moment still leaves, though the card has yet to bring it.
    pub fn release(&self, holder: Holder) {
        self.on_air_until[holder as usize].fetch_min(self.nanos(Instant::now()), Relaxed);
    }

    /// `holder` un-keys at the moment `at`, if it has not before.
    pub fn release_at(&self, holder: Holder, at: Instant) {
        self.on_air_until[holder as usize].fetch_min(self.nanos(at), Relaxed);
    }

    /// Voice activation from now on, in this call alone: it listens, and [`Holder::Voice`] is on air while it hears a voice.
    pub fn arm_voice(&self) {
        self.voice_in.store(self.call(), Relaxed);
    }

    /// No voice activation any more; its lease ends with it.
    pub fn disarm_voice(&self) {
        self.voice_in.store(NO_CALL, Relaxed);
    }

    /// The call in which voice activation is on, if that is the present one.
    #[must_use]
    pub fn voice_armed(&self) -> Option<u64> {
        Some(self.voice_in.load(Relaxed)).filter(|call| *call == self.call())
    }

    /// What voice activation takes for a voice.
    #[must_use]
    pub fn voice(&self) -> Tuning {
        let word = self.voice.load(Relaxed);
        Tuning { sensitivity: word as u8, hang_ms: (word >> 16) as u16 }
    }

    pub fn set_voice(&self, tuning: Tuning) {
        self.voice.store(voice_word(tuning), Relaxed);
    }

    /// Everybody un-keys, and what is still held down must be pressed anew: a call begins or ends, suspend,
    /// lost device, panic.
    pub fn release_all(&self) {
        self.call.fetch_add(1, Relaxed);
        self.on_air_until.iter().for_each(|until| until.store(0, Relaxed));
    }

    /// The microphone was lost: everybody un-keys, and what is held down must be pressed anew; the latch goes on,
    /// if it was set in the call that runs at this very moment.
    pub fn release_all_but_open(&self) {
        let call = self.call.fetch_add(1, Relaxed);
        let open = Holder::Open as usize;
        let held = self.on_air_until.iter().enumerate().filter(|(holder, _)| *holder != open);
        held.for_each(|(_, until)| until.store(0, Relaxed));
        // Another thread's release in between has moved the count on: then this goes nowhere, and the latch falls.
        let _ = self.leased_in[open].compare_exchange(call, call + 1, Relaxed, Relaxed);
    }

    /// Whether `holder`'s lease covers the moment `at`.
    #[must_use]
    pub fn holds(&self, holder: Holder, at: Instant) -> bool {
        let of_this_call = self.leased_in[holder as usize].load(Relaxed) == self.call();
        let is_armed = holder != Holder::Voice || self.voice_armed().is_some();
        of_this_call && is_armed && self.nanos(at) < self.on_air_until[holder as usize].load(Relaxed)
    }

    /// Who wants the microphone on air at the moment `at`, first of [`Holder::ALL`]; nobody while muted.
    #[must_use]
    pub fn on_air(&self, at: Instant) -> Option<Holder> {
        if self.muted_at(at) {
            return None;
        }
        Holder::ALL.into_iter().find(|holder| self.holds(*holder, at))
    }

    /// Who wants the 10 ms on air that were said up to `ended`; nobody, if any of them was said while muted.
    #[must_use]
    pub fn on_air_frame(&self, ended: Instant) -> Option<Holder> {
        self.on_air(ended).filter(|_| !self.muted_at(ended - FRAME_DURATION))
    }

    /// How long `holder`'s lease still runs; `None` when it does not, `Duration::MAX` without an end.
    #[must_use]
    pub fn remaining(&self, holder: Holder, at: Instant) -> Option<Duration> {
        match self.on_air_until[holder as usize].load(Relaxed) {
            _ if !self.holds(holder, at) => None,
            UNTIL_RELEASED => Some(Duration::MAX),
            until => until.checked_sub(self.nanos(at)).filter(|left| *left > 0).map(Duration::from_nanos),
        }
    }

    /// The user's mute: overrides every holder.
    #[must_use]
    pub fn muted(&self) -> bool {
        self.muted_until.load(Relaxed) == UNTIL_RELEASED
    }

    /// What was said at the moment `at` must not leave: the microphone is muted, or was until later. A card brings its sound
    /// late, and a stage of the chain holds it back: an unmute lets out nothing that was said before it.
    #[must_use]
    pub fn muted_at(&self, at: Instant) -> bool {
        self.nanos(at) < self.muted_until.load(Relaxed)
    }

    /// From now on, whatever is on its way from the microphone.
    pub fn mute(&self) {
        self.muted_until.store(UNTIL_RELEASED, Relaxed);
    }

    /// What is said from the moment `at` on may leave again.
    pub fn unmute(&self, at: Instant) {
        let _ = self.muted_until.compare_exchange(UNTIL_RELEASED, self.nanos(at), Relaxed, Relaxed);
    }

    /// Nothing is played while deafened.
    #[must_use]
    pub fn deafened(&self) -> bool {
        self.deafened.load(Relaxed)
    }

    pub fn set_deafened(&self, deafened: bool) {
        self.deafened.store(deafened, Relaxed);
    }

    /// What the user wants of the playout delay of every peer.
    #[must_use]
    pub fn delay(&self) -> DelayBounds {
        let word = self.delay.load(Relaxed);
        DelayBounds { min_ms: (word >> 16) as u16, max_ms: word as u16 }
    }

    pub fn set_delay(&self, bounds: DelayBounds) {
        self.delay.store(delay_word(bounds), Relaxed);
    }

    /// What is being measured: then chirps leave in place of the microphone, and nothing is played.
    #[must_use]
    pub fn measuring(&self) -> Option<Phase> {
        Phase::from_byte(self.measuring.load(Relaxed))
    }

    pub fn set_measuring(&self, phase: Option<Phase>) {
        self.measuring.store(phase.map_or(0, |phase| phase as u8), Relaxed);
    }

    /// Whether peers in a call may measure its delay.
    #[must_use]
    pub fn answers_measuring(&self) -> bool {
        self.answers_measuring.load(Relaxed)
    }

    pub fn set_answers_measuring(&self, answers: bool) {
        self.answers_measuring.store(answers, Relaxed);
    }

    /// What the user wants done to the own voice.
    #[must_use]
    pub fn processing(&self) -> Processing {
        self.processing.get()
    }

    pub fn set_processing(&self, wanted: Processing) {
        self.processing.set(wanted);
    }

    /// Whether the output is a loudspeaker, which the microphone hears, and no headset.
    #[must_use]
    pub fn is_loudspeaker(&self) -> bool {
        self.loudspeaker.load(Relaxed)
    }

    pub fn set_loudspeaker(&self, is_loudspeaker: bool) {
        self.loudspeaker.store(is_loudspeaker, Relaxed);
    }

    #[must_use]
    pub fn earcons(&self) -> EarconChoice {
        EarconChoice::ALL[usize::from(self.earcons.load(Relaxed)).min(2)]
    }

    /// From now on; what was to begin and is not wanted any more does not.
    pub fn set_earcons(&self, choice: EarconChoice) {
        self.earcons.store(choice as u8, Relaxed);
    }

    /// Something happened that the user hears of, if he wants to. Whichever thread knows.
    pub fn begin_earcon(&self, earcon: Earcon) {
        if self.earcons().allows(earcon) {
            self.begun_earcons.fetch_or(Earcons::of(earcon).0, Relaxed);
        }
    }

    /// For the playback callback: what begins now.
    #[must_use]
    pub fn take_earcons(&self) -> Earcons {
        let begun = Earcons(self.begun_earcons.swap(0, Relaxed));
        let choice = self.earcons();
        Earcon::ALL
            .into_iter()
            .filter(|earcon| begun.has(*earcon) && choice.allows(*earcon))
            .map(Earcons::of)
            .fold(Earcons(0), Earcons::and)
    }

    /// Somebody waits for this side's answer.
    pub fn set_ringing(&self, ringing: bool) {
        self.ringing.store(ringing, Relaxed);
    }

    /// Whether the ring is to be heard.
    #[must_use]
    pub fn rings(&self) -> bool {
        self.ringing.load(Relaxed) && self.earcons().allows(Earcon::Ring)
    }

    /// Output volume of everything, percent.
    #[must_use]
    pub fn volume(&self) -> u8 {
        self.volume.load(Relaxed)
    }

    pub fn set_volume(&self, percent: u8) {
        self.volume.store(percent.min(MAX_VOLUME_PERCENT), Relaxed);
    }

    /// Output volume of one peer, percent.
    #[must_use]
    pub fn peer_volume(&self, id: PeerId) -> u8 {
        self.peer_volume[id.slot()].load(Relaxed)
    }

    pub fn set_peer_volume(&self, id: PeerId, percent: u8) {
        self.peer_volume[id.slot()].store(percent.min(MAX_VOLUME_PERCENT), Relaxed);
    }

    #[must_use]
    pub fn peer_muted(&self, id: PeerId) -> bool {
        self.peer_muted.load(Relaxed) & (1 << id.slot()) != 0
    }

    pub fn set_peer_muted(&self, id: PeerId, muted: bool) {
        let bit = 1 << id.slot();
        if muted {
            self.peer_muted.fetch_or(bit, Relaxed);
        } else {
            self.peer_muted.fetch_and(!bit, Relaxed);
        }
    }

    /// A slot's next peer starts at 100 %, unmuted.
    pub fn reset_peer(&self, id: PeerId) {
        self.set_peer_volume(id, 100);
        self.set_peer_muted(id, false);
    }

    /// The linear gain for one peer's samples: its own and everybody's.
    #[must_use]
    pub fn peer_gain(&self, id: PeerId) -> f32 {
        self.gain() * self.own_gain(id)
    }

    /// The linear gain for all that is played.
    #[must_use]
    pub fn gain(&self) -> f32 {
        if self.deafened() { 0.0 } else { gain(self.volume()) }
    }

    /// The linear gain for one peer's samples, however loud the loudspeaker is.
    #[must_use]
    pub fn own_gain(&self, id: PeerId) -> f32 {
        if self.peer_muted(id) { 0.0 } else { gain(self.peer_volume(id)) }
    }
}

/// Squared, so that 50 % sounds like half.
fn gain(volume: u8) -> f32 {
    let volume = f32::from(volume) / 100.0;
    volume * volume
}

fn voice_word(tuning: Tuning) -> u32 {
    let sensitivity = tuning.sensitivity.clamp(Tuning::SENSITIVITY_MIN, Tuning::SENSITIVITY_MAX);
    u32::from(tuning.hang_ms.clamp(Tuning::HANG_MIN, Tuning::HANG_MAX)) << 16 | u32::from(sensitivity)
}

fn delay_word(bounds: DelayBounds) -> u32 {
    u32::from(bounds.min_ms) << 16 | u32::from(bounds.max_ms)
}

#[cfg(test)]
mod tests;
