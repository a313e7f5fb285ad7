//! The ear: every peer's playout and the mixer, pulled by the sound card. Owned by the playback callback.
//!
//! ```text
//! PlaybackHandle (receiver) --Box<Slot>, slept--> changes ring ─┐      ┌─> card
//!                           --Packet--> a ring a peer ──> Playback::fill ─> far-end ring (echo reference)
//!                           <--Box<Slot>, to be dropped-- back ring ──┘ │ └─> a tap a peer (recorder), Meters
//!                  Controls --earcons to begin--------------------------┘
//! ```

mod far;
mod handle;
mod slot;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use rtrb::{Consumer, Producer, RingBuffer};

pub use far::{FAR_FRAMES, FarFrame};
pub use handle::{NotOpened, PacketDropped, PlaybackHandle};
use slot::Slot;

use super::controls::Controls;
use super::meters::Meters;
use crate::audio::earcon::{Order, Player};
use crate::audio::meter::Loudness;
use crate::audio::mixer::Mixer;
use crate::units::{FRAME_SAMPLES, MAX_PEERS, PeerId, Slept, duration_of};
use far::FarWriter;

/// Packets that wait for one peer's playout between two callbacks; what comes beyond is counted and dropped.
pub const PACKET_SLOTS: usize = 256;
/// Samples mixed at once; a longer request is cut.
const BLOCK_MAX: usize = 4_096;
/// Slots that can be anywhere at once: in use, fading out, on their way back. Bounds the back ring.
const SLOTS_MAX: usize = 2 * MAX_PEERS;
/// Changes waiting for the next callback.
const CHANGES_MAX: usize = 2 * SLOTS_MAX;
/// Concealment allowed in one callback, samples: 2 ms of work where one frame costs 80 us (four times what it does here).
const CONCEALED_MAX: usize = 25 * FRAME_SAMPLES;

/// A peer quieter than this is not heard, linear: -70 dBFS.
const AUDIBLE: f32 = 3e-4;

/// What the callback is told by the handle.
#[derive(Debug)]
enum Change {
    Open(Box<Slot>),
    Close(PeerId),
    /// Forget what waits; the peers stay.
    Flush,
    Slept(Slept),
}

/// What the playback callback owns; it survives its stream. The simulation drives the very same struct.
#[derive(Debug)]
pub struct Playback {
    meters: Arc<Meters>,
    controls: Arc<Controls>,
    slots: [Option<Box<Slot>>; MAX_PEERS],
    mixer: Mixer,
    earcons: Player,
    changes: Consumer<Change>,
    back: Producer<Box<Slot>>,
    far: FarWriter,
    /// The mix as it would be played, while a delay is measured.
    ear: FarWriter,
    scratch: Box<[f32; BLOCK_MAX]>,
    /// The callback being served, the samples it has had, and how many of all peers' were concealment.
    callback: Option<Instant>,
    filled: usize,
    concealed: usize,
}

impl Playback {
    /// The callback's end, and the receiver thread's.
    #[must_use]
    pub fn new(meters: Arc<Meters>, controls: Arc<Controls>) -> (Self, PlaybackHandle) {
        let (changes_in, changes) = RingBuffer::new(CHANGES_MAX);
        let (back, back_out) = RingBuffer::new(SLOTS_MAX);
        let (far, far_out) = FarWriter::new();
        let (ear, ear_out) = FarWriter::new();
        let playback = Self {
            meters,
            controls,
            slots: Default::default(),
            mixer: Mixer::new(),
            earcons: Player::default(),
            changes,
            back,
            far,
            ear,
            scratch: Box::new([0.0; BLOCK_MAX]),
            callback: None,
            filled: 0,
            concealed: 0,
        };
        (playback, PlaybackHandle::new(changes_in, back_out, far_out, ear_out))
    }

    /// Mixes the next `out.len()` samples (48 kHz mono, any length); `now` is the callback's time. A callback may ask in
    /// several pieces with the same `now`. Allocates nothing, waits for nobody.
    pub fn fill(&mut self, out: &mut [f32], now: Instant) {
        self.take_changes();
        if self.callback != Some(now) {
            (self.callback, self.filled, self.concealed) = (Some(now), 0, 0);
        }
        let card_ms = self.meters.out.card_delay_ms.get().unwrap_or(0.0).clamp(0.0, 10_000.0);
        for block in out.chunks_mut(BLOCK_MAX) {
            let voice = self.mix(block, now);
            let heard_at = now + Duration::from_secs_f32(card_ms / 1_000.0) + duration_of(self.filled as u64);
            if self.controls.measuring().is_some() {
                // Measured where it would leave, and not played: nobody can make a chirp sound here by asking for one.
                self.ear.write(block, heard_at, voice);
                block.fill(0.0);
            }
            self.far.write(block, heard_at, voice);
            self.filled += block.len();
        }
    }

    /// Whether a peer is heard.
    fn mix(&mut self, block: &mut [f32], now: Instant) -> bool {
        block.fill(0.0);
        let scratch = &mut self.scratch[..block.len()];
        for (place, id) in self.slots.iter_mut().zip(PeerId::all()) {
            let Some(slot) = place else { continue };
            slot.set_delay(self.controls.delay());
            self.concealed += slot.pull(scratch, now, self.concealed < CONCEALED_MAX, self.meters.peer(id));
            let gain = if slot.is_closing() { 0.0 } else { self.controls.peer_gain(id) };
            self.mixer.add(id, scratch, gain, block);
            if slot.has_faded(block.len())
                && let Some(slot) = place.take()
            {
                give_back(&mut self.back, slot, &self.meters);
            }
        }
        let voice = block.iter().any(|sample| sample.abs() > AUDIBLE);
        self.ring(block);
        self.mixer.finish(block);
        self.meters.out.peak.push(Loudness::of(block).peak);
        voice
    }

    /// Earcons are part of what is played, so of the echo reference too; no tap and no peer hears them.
    fn ring(&mut self, block: &mut [f32]) {
        let begin = self.controls.take_earcons();
        if self.controls.measuring().is_some() {
            self.earcons.silence();
            return;
        }
        let (rings, gain, is_heard) = (self.controls.rings(), self.controls.gain(), self.meters.out.running.load(Relaxed));
        self.earcons.add(Order { begin, rings, gain, is_heard }, block);
    }

    fn take_changes(&mut self) {
        while let Ok(change) = self.changes.pop() {
            match change {
                Change::Open(slot) => {
                    let id = slot.id();
                    self.mixer.open(id, self.controls.peer_gain(id));
                    if let Some(old) = self.slots[id.slot()].replace(slot) {
                        give_back(&mut self.back, old, &self.meters);
                    }
                }
                Change::Close(id) => {
                    if let Some(slot) = &mut self.slots[id.slot()] {
                        slot.close();
                    }
                }
                Change::Flush => self.slots.iter_mut().flatten().for_each(|slot| slot.flush()),
                Change::Slept(slept) => self.slots.iter_mut().flatten().for_each(|slot| slot.handle_slept(slept)),
            }
        }
    }
}

/// A slot is dropped by the handle's thread, never here.
fn give_back(back: &mut Producer<Box<Slot>>, slot: Box<Slot>, meters: &Meters) {
    meters.peer(slot.id()).speaking.store(false, Relaxed);
    if let Err(rtrb::PushError::Full(slot)) = back.push(slot) {
        // The handle never lets more than SLOTS_MAX live, so there is room; if not, leaking is still better than freeing.
        debug_assert!(false, "the back ring holds every slot there can be");
        std::mem::forget(slot);
    }
}
