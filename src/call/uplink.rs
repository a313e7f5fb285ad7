//! From the microphone's frames to datagrams: one encoder for all peers, one stream each. Pure; the sender thread owns it.
//!
//! RTP as RFC 3550 has it: random SSRC, sequence and first timestamp; the 48 kHz clock runs on through silence, the
//! sequence does not; the marker is on a spurt's first packet. Seed PCM is headerless blocks of 1,024 samples.
//! After construction nothing allocates, but for a change of the frame's length.

mod resend;
mod seed;
mod spurt;
mod steady;
mod voice;

use std::net::SocketAddr;
use std::time::Instant;

use rand::RngExt;
use rand::rngs::StdRng;

use super::config::UplinkConfig;
use super::plan::{COPIES_MAX, Resend, SendPlan, SentCounts, spread};
use crate::audio::Frame;
use crate::audio::codec::OpusEncoder;
use crate::units::{Format, MAX_DATAGRAM, MAX_PEERS, PeerId, RtpTime, SAMPLE_RATE, SEED_BYTES, Seq};
use crate::wire::{red, rtp};
use resend::Resends;
use seed::SeedBlocks;
use spurt::{PREROLL_VOICE_FRAMES, Spurt};
use steady::Steady;
use voice::Voice;

pub(crate) use spurt::PREROLL_FRAMES;
pub use voice::{Speak, Tuning};

/// What one peer's stream needs.
#[derive(Debug, Default)]
struct Slot {
    plan: Option<SendPlan>,
    seq: Seq,
    /// RTP time at the microphone clock's zero.
    time_zero: RtpTime,
    counts: SentCounts,
    /// The peer has had the first packet of the present spurt.
    in_spurt: bool,
    /// Nothing goes there before the next spurt.
    waits: bool,
    resends: Resends,
    /// What waits for its time, if the flow is private.
    steady: Steady,
}

impl Slot {
    fn begin_spurt(&mut self) {
        self.in_spurt = false;
        // What waits is of the spurt before, whose packets are forgotten.
        self.steady.clear();
    }
}

/// One encoder for all peers, one stream each.
#[derive(Debug)]
pub struct Uplink<E = OpusEncoder> {
    config: UplinkConfig,
    rng: StdRng,
    slots: [Slot; MAX_PEERS],
    spurt: Spurt,
    voice: Voice<E>,
    seed: SeedBlocks,
}

impl Uplink {
    /// # Errors
    /// The codec could not be made; a sentence.
    pub fn new(config: UplinkConfig, rng: StdRng) -> Result<Self, String> {
        let tuning =
            Tuning { bitrate: config.bitrate, frame_samples: frame_samples(config.frame_ms), expected_loss_percent: 0, constant: false };
        let encoder = voice::opus(tuning).map_err(|error| format!("Nothing can be sent: {error}."))?;
        Self::with_encoder(config, rng, encoder)
    }
}

impl<E: Speak> Uplink<E> {
    /// With an encoder of the caller's.
    ///
    /// # Errors
    /// The resampler for PCM could not be made; a sentence.
    pub fn with_encoder(config: UplinkConfig, rng: StdRng, encoder: E) -> Result<Self, String> {
        Ok(Self {
            config,
            rng,
            slots: std::array::from_fn(|_| Slot::default()),
            spurt: Spurt::new(),
            voice: Voice::new(encoder),
            seed: SeedBlocks::new()?,
        })
    }

    /// The downlink's [`super::Event::Plan`]; `None`: nothing goes to this peer any more, its counts stay until the
    /// slot's next peer.
    pub fn handle_plan(&mut self, id: PeerId, plan: Option<SendPlan>) {
        let slot = &mut self.slots[id.slot()];
        let Some(plan) = plan else {
            slot.plan = None;
            return;
        };
        let same_stream = slot.plan.as_ref().is_some_and(|old| old.ssrc == plan.ssrc && old.format == plan.format);
        if !same_stream {
            let (total_packets, total_bytes) = (slot.counts.total_packets, slot.counts.total_bytes);
            let new_peer = slot.plan.is_none();
            slot.counts = SentCounts { ssrc: plan.ssrc, ..SentCounts::default() };
            if !new_peer {
                (slot.counts.total_packets, slot.counts.total_bytes) = (total_packets, total_bytes);
            }
            slot.seq = Seq(self.rng.random());
            slot.resends = Resends::new(Seq(self.rng.random()));
            slot.time_zero = RtpTime(self.rng.random());
            slot.begin_spurt();
            slot.waits = plan.from_next_spurt;
        }
        slot.plan = Some(plan);
        self.retune();
    }

    fn retune(&mut self) {
        let plans = || self.slots.iter().filter_map(|slot| slot.plan.as_ref()).filter(|plan| plan.format != Format::Pcm);
        self.voice.tune(Tuning {
            bitrate: plans().map(|plan| plan.bitrate).min().unwrap_or(self.config.bitrate),
            frame_samples: frame_samples(plans().map(|plan| plan.frame_ms).max().unwrap_or(self.config.frame_ms)),
            expected_loss_percent: plans().map(|plan| plan.expected_loss_percent).max().unwrap_or(0),
            constant: plans().any(|plan| plan.format == Format::Sealed),
        });
    }

    /// How much of what was said before the next spurt leaves with it: 200 ms when voice activation begins it, else 60 ms.
    pub fn set_begun_by_voice(&mut self, by_voice: bool) {
        self.spurt.set_preroll(if by_voice { PREROLL_VOICE_FRAMES } else { PREROLL_FRAMES });
    }

    /// What was said so far and has not left never will: it was said while muted, or before voice activation was switched on.
    pub fn forget_preroll(&mut self) {
        self.spurt.forget();
    }

    /// Takes the next 10 ms, whether on air or not: the ones before a key press leave with it (pre-roll).
    /// `captured`: when the frame's last sample entered the buffer. `on_air`: the lease at that moment.
    /// Calls `send` once per datagram. Returns whether frames leave (the tail after un-key included); filler of a private flow
    /// is none.
    pub fn handle_frame(
        &mut self,
        frame: &Frame,
        captured: Instant,
        on_air: bool,
        send: &mut impl FnMut(PeerId, SocketAddr, &[u8]),
    ) -> bool {
        let Self { slots, spurt, voice, seed, .. } = self;
        let wants = |format: fn(Format) -> bool| slots.iter().any(|slot| slot.plan.as_ref().is_some_and(|plan| format(plan.format)));
        let (wants_rtp, wants_pcm) = (wants(|format| format != Format::Pcm), wants(|format| format == Format::Pcm));
        // Who joins in the middle of a spurt gets nothing that was gathered for others before.
        if !wants_rtp {
            voice.forget();
        }
        if !wants_pcm {
            seed.forget();
        }
        let leaves = spurt.handle(frame, captured, on_air, &mut |leaving| {
            if leaving.first {
                slots.iter_mut().for_each(|slot| {
                    slot.begin_spurt();
                    slot.waits = false;
                });
            }
            if wants_rtp && voice.handle(&leaving) {
                send_voice(slots, voice, send);
            }
            if wants_pcm {
                seed.handle(&leaving, &mut |block| send_seed(slots, leaving.captured, block, send));
            }
        });
        steady::send(slots, voice, send);
        leaves
    }

    /// The downlink's [`super::Event::Resend`]: what the peer misses goes there again (RFC 4588), to nobody else and within
    /// bounds. Calls `send` once per datagram.
    pub fn handle_nack(&mut self, id: PeerId, resend: &Resend, now: Instant, send: &mut impl FnMut(PeerId, SocketAddr, &[u8])) {
        let Self { slots, voice, .. } = self;
        let Slot { plan: Some(plan), time_zero, counts, resends, .. } = &mut slots[id.slot()] else { return };
        // What is sent again in a private flow would tell that there was voice; its copies repair it.
        if plan.format == Format::Pcm || plan.steady_bytes > 0 {
            return;
        }
        for seq in resend.seqs() {
            let Some(encoded) = resends.spoken_at(*seq).and_then(|at| voice.spoken_at(at)) else { continue };
            let mut datagram = [0; MAX_DATAGRAM];
            let len = rtp::HEADER_BYTES + rtp::OSN_BYTES + encoded.payload().len();
            if len + plan.seal.overhead() > MAX_DATAGRAM {
                continue;
            }
            let Some(number) = resends.grant(now, *seq, len + plan.seal.overhead()) else { continue };
            rtp::Header {
                payload_type: rtp::RTX_PT,
                marker: false,
                seq: number,
                time: time_zero.plus(encoded.at as u32),
                ssrc: rtp::rtx_ssrc(plan.ssrc),
            }
            .write(&mut datagram);
            datagram[rtp::HEADER_BYTES..][..rtp::OSN_BYTES].copy_from_slice(&seq.0.to_be_bytes());
            datagram[rtp::HEADER_BYTES + rtp::OSN_BYTES..len].copy_from_slice(encoded.payload());
            let Some(len) = plan.seal.seal(&mut datagram, len) else { continue };
            // Another stream than the media: the sender report does not count it.
            counts.total_packets += 1;
            counts.total_bytes += len as u64;
            send(id, plan.address, &datagram[..len]);
        }
    }

    /// Whether some peer's flow goes on while nobody talks.
    #[must_use]
    pub fn is_private(&self) -> bool {
        self.slots.iter().filter_map(|slot| slot.plan.as_ref()).any(|plan| plan.steady_bytes > 0)
    }

    /// What went to a peer so far; for [`super::Downlink::handle_sent`] and the meters.
    #[must_use]
    pub fn counts(&self, id: PeerId) -> SentCounts {
        self.slots[id.slot()].counts
    }
}

fn frame_samples(frame_ms: u32) -> usize {
    if frame_ms >= 20 { SAMPLE_RATE as usize / 50 } else { SAMPLE_RATE as usize / 100 }
}

fn planned(slots: &mut [Slot; MAX_PEERS]) -> impl Iterator<Item = (PeerId, &mut Slot)> {
    PeerId::all().zip(slots).filter(|(_, slot)| slot.plan.is_some() && !slot.waits)
}

/// The newest packet to every peer that takes RTP.
fn send_voice<E: Speak>(slots: &mut [Slot; MAX_PEERS], voice: &Voice<E>, send: &mut impl FnMut(PeerId, SocketAddr, &[u8])) {
    for (id, slot) in planned(slots) {
        let Slot { plan: Some(plan), seq, time_zero, counts, in_spurt, resends, steady, .. } = slot else { continue };
        if plan.format == Format::Pcm {
            continue;
        }
        if plan.steady_bytes > 0 {
            voice.back(0).into_iter().for_each(|newest| steady.push(newest.at));
            continue;
        }
        let mut datagram = [0; MAX_DATAGRAM];
        let room = MAX_DATAGRAM - plan.seal.overhead();
        let body = &mut datagram[rtp::HEADER_BYTES..room];
        let Some((payload_type, len)) = pack(voice, plan, body) else { continue };
        let Some(newest) = voice.back(0) else { continue };
        let time = time_zero.plus(newest.at as u32);
        rtp::Header { payload_type, marker: !*in_spurt, seq: *seq, time, ssrc: plan.ssrc }.write(&mut datagram);
        resends.remember(*seq, newest.at, rtp::HEADER_BYTES + len);
        *seq = seq.next();
        *in_spurt = true;
        let Some(sealed) = plan.seal.seal(&mut datagram, rtp::HEADER_BYTES + len) else { continue };
        count(counts, len, sealed);
        counts.last = Some((time, newest.captured));
        send(id, plan.address, &datagram[..sealed]);
    }
}

/// Payload type and length of what goes into one packet: RED when the plan asks for copies and there are some, else plain Opus.
fn pack<E: Speak>(voice: &Voice<E>, plan: &SendPlan, body: &mut [u8]) -> Option<(u8, usize)> {
    let newest = voice.back(0)?;
    let mut blocks = [None; COPIES_MAX + 1];
    let packets = spread(plan.redundancy, plan.reach).rev().filter_map(|count| voice.back(count)).chain([newest]);
    for (block, packet) in blocks.iter_mut().zip(packets) {
        let offset = u16::try_from(newest.at - packet.at).unwrap_or(u16::MAX);
        *block = Some(red::Block { payload_type: plan.payload_type, offset, payload: packet.payload() });
    }
    // Fewer copies until it fits, the farthest first; the plain packet always does.
    for first in 0..COPIES_MAX {
        let blocks = blocks[first..].iter().flatten().copied();
        if blocks.clone().count() < 2 {
            break;
        }
        if let Ok(len) = red::pack(body, blocks) {
            return Some((rtp::RED_PT, len));
        }
    }
    let payload = newest.payload();
    body.get_mut(..payload.len())?.copy_from_slice(payload);
    Some((plan.payload_type, payload.len()))
}

/// One block to every peer that takes PCM.
fn send_seed(slots: &mut [Slot; MAX_PEERS], captured: Instant, block: &[u8; SEED_BYTES], send: &mut impl FnMut(PeerId, SocketAddr, &[u8])) {
    for (id, slot) in planned(slots) {
        let Slot { plan: Some(plan), counts, .. } = slot else { continue };
        if plan.format != Format::Pcm {
            continue;
        }
        count(counts, block.len(), block.len());
        counts.last = Some((RtpTime::default(), captured));
        send(id, plan.address, block);
    }
}

fn count(counts: &mut SentCounts, octets: usize, bytes: usize) {
    counts.packets = counts.packets.wrapping_add(1);
    counts.octets = counts.octets.wrapping_add(octets as u32);
    counts.total_packets += 1;
    counts.total_bytes += bytes as u64;
}

#[cfg(test)]
mod tests;
