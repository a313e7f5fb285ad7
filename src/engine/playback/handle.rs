//! The way into the playback callback: opens and closes playouts, hands packets over. Owned by the receiver thread.

use std::fmt;

use rtrb::{Consumer, Producer, PushError, RingBuffer};

use super::far::FarFrame;
use super::slot::Slot;
use super::{Change, PACKET_SLOTS, SLOTS_MAX};
use crate::engine::tap::TapWriter;
use crate::playout::{CodecError, Config, Packet, Playout};
use crate::units::{MAX_PEERS, PeerId, Slept};

/// Why a playout was not opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NotOpened {
    /// The callback has not run for a while: too many closed playouts wait for it. Try again later.
    Stalled,
    Codec(CodecError),
}

impl fmt::Display for NotOpened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stalled => f.write_str("the output device takes no sound, so no further peer can be opened"),
            Self::Codec(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for NotOpened {}

/// Why a packet was dropped; count it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PacketDropped {
    /// The callback has not made room: a flood, or no stream runs.
    Full,
    /// That peer has no playout.
    NotOpen,
}

/// The receiver thread's end.
#[derive(Debug)]
pub struct PlaybackHandle {
    changes: Producer<Change>,
    back: Consumer<Box<Slot>>,
    far: Option<Consumer<FarFrame>>,
    ear: Option<Consumer<FarFrame>>,
    packets: [Option<Producer<Packet>>; MAX_PEERS],
    /// Slots made and not yet come back.
    alive: usize,
}

impl PlaybackHandle {
    pub(super) fn new(changes: Producer<Change>, back: Consumer<Box<Slot>>, far: Consumer<FarFrame>, ear: Consumer<FarFrame>) -> Self {
        Self { changes, back, far: Some(far), ear: Some(ear), packets: Default::default(), alive: 0 }
    }

    /// Makes a peer's playout and sends it to the callback; one that is there already is replaced. `tap`: where the
    /// recorder listens.
    ///
    /// # Errors
    /// Nothing changed; see [`NotOpened`].
    pub fn open(&mut self, id: PeerId, config: Config, tap: TapWriter) -> Result<(), NotOpened> {
        self.drain();
        if self.alive >= SLOTS_MAX || self.changes.is_full() {
            return Err(NotOpened::Stalled);
        }
        let playout = Playout::new(config).map_err(NotOpened::Codec)?;
        let (packets_in, packets_out) = RingBuffer::new(PACKET_SLOTS);
        let slot = Box::new(Slot::new(id, playout, packets_out, tap));
        self.changes.push(Change::Open(slot)).map_err(|_| NotOpened::Stalled)?;
        self.alive += 1;
        self.packets[id.slot()] = Some(packets_in);
        Ok(())
    }

    /// The peer's playout fades out, and comes back to be dropped.
    pub fn close(&mut self, id: PeerId) {
        self.drain();
        if self.packets[id.slot()].take().is_some() {
            // Full: the callback stands still. The slot stays silent for want of packets, until the next one replaces it.
            let _ = self.changes.push(Change::Close(id));
        }
    }

    #[must_use]
    pub fn is_open(&self, id: PeerId) -> bool {
        self.packets[id.slot()].is_some()
    }

    /// Hands a packet to its peer's playout.
    ///
    /// # Errors
    /// It was dropped.
    pub fn packet(&mut self, id: PeerId, packet: Packet) -> Result<(), PacketDropped> {
        let ring = self.packets[id.slot()].as_mut().ok_or(PacketDropped::NotOpen)?;
        ring.push(packet).map_err(|PushError::Full(_)| PacketDropped::Full)
    }

    /// What waits in every playout is old: forget it.
    pub fn flush(&mut self) {
        let _ = self.changes.push(Change::Flush);
    }

    /// The machine slept.
    pub fn handle_slept(&mut self, slept: Slept) {
        let _ = self.changes.push(Change::Slept(slept));
    }

    /// Drops the playouts that came back; returns how many are still with the callback. Call it now and then.
    pub fn drain(&mut self) -> usize {
        while let Ok(slot) = self.back.pop() {
            drop(slot);
            self.alive -= 1;
        }
        self.alive
    }

    /// The echo reference, for the sender thread; `None` once taken.
    pub fn take_far_end(&mut self) -> Option<Consumer<FarFrame>> {
        self.far.take()
    }

    /// The mix while a delay is measured, for the sender thread; `None` once taken.
    pub fn take_ear(&mut self) -> Option<Consumer<FarFrame>> {
        self.ear.take()
    }

    /// The [`super::Playback`] is gone (its device took it along): make a new pair, and open every peer anew.
    #[must_use]
    pub fn is_abandoned(&self) -> bool {
        self.changes.is_abandoned()
    }
}
