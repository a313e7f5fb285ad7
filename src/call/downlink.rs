//! From datagrams to packets, and the state of the call. Pure; the receiver thread owns it.
//!
//! Call a command or `handle_*`, then drain: [`Downlink::poll_transmit`] until `None`, [`Downlink::poll_event`] until
//! `None`, copy [`Downlink::report`] of each peer, then sleep until [`Downlink::poll_timeout`] or the next datagram.
//!
//! # The open formats
//!
//! They are connectionless: a call with `rtp` or `pcm` is `Live` at once and sends whenever on air. What comes from the
//! called machine (any port, but for a voicetui, which has one) is its answer; a BYE is the end. Between voicetuis the
//! control messages add `RingingThere`, `Declined`, `Busy` and a hang-up that is repeated until heard. These words
//! travel in the clear, so they move nothing but the display of a call that this side placed or answered: they can end
//! it (as a BYE can), and never open a microphone, let a voice be heard, or move media to another machine. Each names
//! the call it means by a random number that only the two sides (and who reads their traffic) know.
//!
//! # Strangers
//!
//! Five datagrams of media within a second ring once, one never; a voicetui's call rings when said twice. Nothing of
//! theirs is heard before the answer, and none is told more bytes than its last datagram had. Three may ring at once.
//! Declined, they stay quiet until a minute after their last datagram.
//!
//! A stranger cannot tell whether there is a call here. Who finds no room rings unseen: it is told that it rings, until
//! nobody has answered; the user is told of a missed call, and nothing else. Only a peer that is known by its key is
//! told "busy". Of strangers three ring at once, seen or not; a fourth is told nothing at all.
//!
//! # Endings
//!
//! A voicetui heard of no more for 10 s "has gone quiet", and is gone after 60. An open stream that was answered is
//! gone 30 s after the last datagram either way. A called open peer that never answers is never given up: it may only
//! be listening. A ring that nobody answers ends after the configured time, there and here.

mod adapt;
mod bursts;
mod commands;
mod control;
mod incoming;
mod measure;
mod media;
mod missing;
mod peer;
mod repair;
mod report;
mod said;
mod sealed;
mod source;
mod stranger;
mod timers;
mod trust;
mod width;

use std::collections::VecDeque;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::config::DownlinkConfig;
use super::event::{Event, NetCounts, PlayoutView, Report, SendFailure};
use super::judge::unmapped;
use super::plan::SentCounts;
use super::recorder::{Dump, Recorder};
use super::state::CallState;
use crate::playout::Packet;
use crate::session::Sessions;
use crate::units::{Format, MAX_PEERS, PeerId, Slept, Ssrc, UNSEEN_MAX};
use crate::wire::app::caps;
use crate::wire::{self, Kind};
pub use measure::Consent;
use media::{Arrival, Dropped};
use peer::{Peer, Via};
use report::{Author, Outbox};
use stranger::Strangers;

/// Events that wait for the thread, at most; one call into the downlink makes a handful.
const EVENTS_MAX: usize = 512;
/// Opus look-ahead and frame of our own voice, ms, without the frame's length.
const OWN_LOOKAHEAD_MS: f32 = 6.5;
/// Largest sealed datagram that is opened, bytes: none that we send is longer.
const SCRATCH_BYTES: usize = 1_500;

/// Why a call was not placed. Displays as one sentence.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum CallError {
    /// The sentence says what is wrong with the address.
    Address(String),
    /// All slots are taken.
    Full,
    /// That address is in the call already.
    Already(PeerId),
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(sentence) => f.write_str(sentence),
            Self::Full => f.write_str("The call is full: hang up one of its 16 peers first."),
            Self::Already(_) => f.write_str("That peer is in the call already."),
        }
    }
}

impl std::error::Error for CallError {}

/// All peers, their streams, their states, their control messages and reports.
#[derive(Debug)]
pub struct Downlink {
    config: DownlinkConfig,
    rng: StdRng,
    author: Author,
    /// Those of the call, and behind them whoever rings unseen.
    peers: [Option<Box<Peer>>; MAX_PEERS + UNSEEN_MAX],
    strangers: Strangers,
    sessions: Sessions,
    /// Where a sealed datagram is opened.
    scratch: Box<[u8]>,
    /// When it was last told that somebody has another passphrase.
    told_passphrase: Option<Instant>,
    /// Who we are to strangers.
    ssrc: Ssrc,
    outbox: Outbox,
    events: VecDeque<Event>,
    net: NetCounts,
    next_ticket: u32,
    /// Streams are numbered for playout through the whole run.
    streams: u32,
    last_refused: Option<Instant>,
    /// When strangers, and known peers, rang, latest last: a flood of callers rings no more often than people could call.
    rings: [VecDeque<Instant>; 2],
    recorder: Recorder,
    /// Whether peers may measure the delay.
    consent: Consent,
}

impl Downlink {
    #[must_use]
    pub fn new(config: DownlinkConfig, mut rng: StdRng) -> Self {
        // A short-term persistent CNAME, random so that it tells nobody who we are (RFC 7022, 4.2).
        const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let cname = (0..16).map(|_| char::from(LETTERS[rng.random_range(0..LETTERS.len())])).collect();
        // Whoever asks for a packet again tells everybody on the way that it carried voice: in private nobody asks or answers.
        let caps = caps::MEASURE | if config.private { caps::RED } else { caps::RED | caps::NACK };
        let author = Author {
            cname,
            name: config.name.clone(),
            clock: config.clock,
            capture_delay_ms: None,
            processing_delay_ms: 0.0,
            caps,
            recording: false,
        };
        let sessions = Sessions::new(config.local.clone(), StdRng::from_rng(&mut rng));
        Self {
            ssrc: Ssrc(rng.random()),
            sessions,
            scratch: vec![0; SCRATCH_BYTES].into(),
            told_passphrase: None,
            config,
            rng,
            author,
            peers: std::array::from_fn(|_| None),
            strangers: Strangers::default(),
            outbox: Outbox::default(),
            events: VecDeque::new(),
            net: NetCounts::default(),
            next_ticket: 0,
            streams: 0,
            last_refused: None,
            rings: Default::default(),
            recorder: Recorder::default(),
            consent: Consent::default(),
        }
    }

    /// Whether any peer is in the call (called, ringing there or live): the microphone may run.
    #[must_use]
    pub fn has_call(&self) -> bool {
        self.all().any(|peer| peer.is_open() || peer.state == CallState::Calling)
    }

    /// One datagram as the socket gave it. Packets to hear go to `sink`.
    pub fn handle_datagram(&mut self, now: Instant, from: SocketAddr, bytes: &[u8], sink: &mut impl FnMut(PeerId, Packet)) {
        self.net.received_datagrams += 1;
        let from = unmapped(from);
        match self.classify(from, bytes) {
            Kind::SeedPcm => self.handle_seed(now, from, bytes, sink),
            kind @ (Kind::Rtp | Kind::Rtcp) => self.handle_packet(now, Via { from, session: None }, kind, bytes, sink),
            Kind::Sealed(_) => self.handle_sealed(now, from, bytes, sink),
            Kind::Unknown => self.net.dropped_unknown += 1,
        }
    }

    /// From a peer called with `pcm` any even length is PCM; but not what is RTCP through and through.
    fn classify(&self, from: SocketAddr, bytes: &[u8]) -> Kind {
        let kind = wire::classify(bytes);
        // A session is one whatever PCM may look like.
        let is_pcm_peer = |peer: &Peer| peer.format == Format::Pcm && !peer.incoming && peer.is_anywhere_at(from.ip());
        let is_sealed = matches!(kind, Kind::Sealed(_)) && self.all().any(|peer| peer.format == Format::Sealed && peer.is_at(from));
        let is_rtcp = kind == Kind::Rtcp && wire::rtcp::parse(bytes).is_ok();
        if kind == Kind::SeedPcm || is_sealed || is_rtcp || !self.all().any(is_pcm_peer) {
            return kind;
        }
        wire::classify_from_pcm_peer(bytes)
    }

    /// A packet of RTP or RTCP, in the open or out of a session.
    fn handle_packet(&mut self, now: Instant, via: Via, kind: Kind, bytes: &[u8], sink: &mut impl FnMut(PeerId, Packet)) {
        match kind {
            Kind::Rtp => match wire::rtp::Packet::parse(bytes) {
                Ok(packet) => self.handle_rtp(now, via, &packet, bytes.len(), sink),
                Err(_) => self.net.dropped_malformed += 1,
            },
            Kind::Rtcp => match wire::rtcp::parse(bytes) {
                Ok(compound) => self.handle_rtcp(now, via, compound, bytes.len()),
                Err(_) => self.net.dropped_malformed += 1,
            },
            _ => self.net.dropped_unknown += 1,
        }
    }

    fn handle_rtp(&mut self, now: Instant, via: Via, packet: &wire::rtp::Packet<'_>, bytes: usize, sink: &mut impl FnMut(PeerId, Packet)) {
        if via.session.is_none() && self.is_own(now, via.from, packet.header.ssrc, Some(packet.header.time)) {
            return;
        }
        if packet.header.payload_type == wire::rtp::RTX_PT && self.handle_rtx(now, via, packet, bytes, sink) {
            return;
        }
        let id =
            self.media_from(via, Some(packet.header.ssrc)).or_else(|| self.knock_media(now, via, Format::Rtp, packet.header.payload_type));
        let Some(id) = self.hearing(now, id, via).map(|peer| peer.id) else { return };
        let Some(peer) = self.peers[id.slot()].as_deref_mut() else { return };
        let arrival = Arrival { now, from: via.source(), bytes, can_ask: !self.config.private && repair::can_ask(peer) };
        let taken = peer.media.handle_rtp(arrival, packet, &mut self.streams, &mut self.recorder.on_the_way(id, sink));
        match taken {
            Ok(()) => {
                let format = if via.session.is_some() { Format::Sealed } else { Format::Rtp };
                self.heard_media(now, id, via.from, format);
                self.hasten_report(now, id);
            }
            Err(Dropped::Malformed) => self.net.dropped_malformed += 1,
            Err(Dropped::Unknown) => self.net.dropped_unknown += 1,
        }
    }

    fn handle_seed(&mut self, now: Instant, from: SocketAddr, bytes: &[u8], sink: &mut impl FnMut(PeerId, Packet)) {
        let via = Via { from, session: None };
        let id = self.media_from(via, None).or_else(|| self.knock_media(now, via, Format::Pcm, 0));
        let Some(id) = self.hearing(now, id, via).map(|peer| peer.id) else { return };
        let Some(peer) = self.peers[id.slot()].as_deref_mut() else { return };
        peer.media.handle_seed(now, bytes, &mut self.streams, &mut self.recorder.on_the_way(id, sink));
        self.heard_media(now, id, from, Format::Pcm);
    }

    /// When [`Downlink::handle_timeout`] is due; `None`: never, until something comes.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.all().filter_map(|peer| peer.next_due(self.config.ring_timeout)).chain(self.sessions.poll_timeout()).min()
    }

    /// Writes the next control datagram into `buffer` (at least [`crate::units::MAX_DATAGRAM`] bytes).
    pub fn poll_transmit(&mut self, buffer: &mut [u8]) -> Option<(SocketAddr, usize)> {
        // A handshake's message goes before what was sealed with its keys.
        if let Some(handshake) = self.sessions.poll_transmit(buffer) {
            return Some(handshake);
        }
        let outgoing = self.outbox.pop()?;
        buffer.get_mut(..outgoing.len)?.copy_from_slice(&outgoing.bytes[..outgoing.len]);
        Some((outgoing.to, outgoing.len))
    }

    #[must_use]
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// The machine slept: what was measured before is old, and everybody is told at once that we are there.
    pub fn handle_slept(&mut self, now: Instant, slept: Slept) {
        self.recorder.handle_slept(now);
        self.sessions.handle_slept(now, slept);
        self.take_session_events(now);
        for peer in self.peers.iter_mut().flatten() {
            peer.media.forget_timing();
            peer.rtt_ms = None;
            if peer.report_at.is_some() {
                peer.report_at = Some(now);
            }
        }
    }

    /// What the sender has sent to a peer (once per wake-up is enough).
    pub fn handle_sent(&mut self, id: PeerId, counts: SentCounts) {
        let Some(peer) = self.peer_mut(id) else { return };
        peer.last_sent = counts.last.map_or(peer.last_sent, |(_, at)| at.max(peer.last_sent));
        peer.sent = counts;
    }

    /// A datagram to `to` could not be sent, or an ICMP error came back for it: a hint for the screen.
    pub fn handle_send_error(&mut self, now: Instant, to: SocketAddr, failure: SendFailure) {
        self.hint(now, unmapped(to), failure);
    }

    /// What playout does with a peer's voice, for the reports to it.
    pub fn handle_playout(&mut self, id: PeerId, view: PlayoutView) {
        if let Some(peer) = self.peer_mut(id) {
            peer.playout = view;
        }
    }

    /// This side's delay up to the encoder, for the peers' mouth-to-ear stack (`None`: unknown), and what of it is the cleaning
    /// of the voice.
    pub fn handle_capture_delay(&mut self, delay_ms: Option<f32>, processing_ms: f32) {
        (self.author.capture_delay_ms, self.author.processing_delay_ms) = (delay_ms, processing_ms);
    }

    /// Whether this side records: told to everybody in a sealed call at once, and again with each report.
    pub fn handle_recording(&mut self, now: Instant, on: bool) {
        if std::mem::replace(&mut self.author.recording, on) == on {
            return;
        }
        for peer in self.peers.iter_mut().flatten().filter(|peer| peer.is_open() && peer.sealing.session.is_some()) {
            peer.report_at = peer.report_at.map(|_| now);
        }
    }

    /// This side's addresses changed (see [`DownlinkConfig::own_addresses`]).
    pub fn handle_own_addresses(&mut self, addresses: Vec<IpAddr>) {
        self.config.own_addresses = addresses;
    }

    /// What is measured of a peer; all unknown for an empty slot.
    #[must_use]
    pub fn report(&self, id: PeerId) -> Report {
        let Some(peer) = self.peer(id) else { return Report::default() };
        let media = &peer.media;
        // The parts of the way there that are known; the first two must be.
        let heard_delay = peer.playout_delay_ms.zip(peer.rtt_ms).map(|(theirs, rtt)| {
            let frame = self.config.frame_ms as f32 + OWN_LOOKAHEAD_MS;
            self.author.capture_delay_ms.unwrap_or_default() + frame + rtt / 2.0 + theirs
        });
        Report {
            received_packets: media.received_packets,
            received_bytes: media.received_bytes,
            lost_packets: media.lost(),
            reordered_packets: media.reordered(),
            jitter_ms: media.current().and_then(source::Source::jitter_ms),
            rtt_ms: peer.rtt_ms,
            peer_capture_delay_ms: peer.capture_delay_ms,
            peer_processing_delay_ms: peer.processing_delay_ms,
            frame_ms: media.frame_ms,
            heard_lost_percent: peer.heard_lost_percent.filter(|_| !peer.said_quiet),
            heard_delay_ms: heard_delay.filter(|_| !peer.said_quiet),
            is_quiet: peer.said_quiet,
            sending: self.sending(peer),
        }
    }

    /// The packet timings of the last ten minutes, of who is here and who just left; `None`: nobody was heard.
    #[must_use]
    pub fn dump(&self, now: Instant) -> Option<Dump> {
        self.recorder.dump(now)
    }

    /// What is counted apart from any peer.
    #[must_use]
    pub fn net(&self) -> NetCounts {
        self.net
    }

    fn all(&self) -> impl Iterator<Item = &Peer> {
        self.peers.iter().flatten().map(AsRef::as_ref)
    }

    fn peer(&self, id: PeerId) -> Option<&Peer> {
        self.peers[id.slot()].as_deref()
    }

    fn peer_mut(&mut self, id: PeerId) -> Option<&mut Peer> {
        self.peers[id.slot()].as_deref_mut()
    }

    fn tell(&mut self, event: Event) {
        if event.peer().is_some_and(PeerId::is_unseen) {
            return;
        }
        // What only informs may be lost in a flood; what moves a call must arrive, or somebody would be sent to after the end.
        let informs = matches!(event, Event::Info(_) | Event::Problem(_) | Event::Name { .. } | Event::Missed { .. });
        if !informs || self.events.len() < EVENTS_MAX {
            self.events.push_back(event);
        }
    }
}

#[cfg(test)]
mod tests;
