//! The receiver thread: sessions, call state, timers, control messages and RTCP, over one socket.

mod trust;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::Thread;
use std::time::{Duration, Instant, SystemTime};

use crossbeam_channel::{Receiver, Sender};
use mio::net::UdpSocket;

use super::devices::DeviceCommand;
use super::disk::{DiskCommand, LedgerJob};
use super::hints::failure;
use super::playback::PlaybackHandle;
use super::resolver::{Answer, Question};
use super::roster::Roster;
use super::sender::{SentBoard, ToSender};
use super::tap::{TAP_SAMPLES, tap};
use super::{Air, Bells, Command, Controls, Meters, Notice, Notices, PublicKey, Stack, Target};
use crate::call::{CallState, Consent, Downlink, Event, KnownPeers, PlayoutView, Quality, SendFailure};
use crate::os::clock::SleepWatch;
use crate::os::priority;
use crate::os::socket::{self, Mapping};
use crate::playout::Config;
use crate::units::{MAX_DATAGRAM, MAX_PEERS, PeerId};

/// The token of the socket, and of everybody else who wakes this thread.
pub const SOCKET: mio::Token = mio::Token(0);
pub const WAKER: mio::Token = mio::Token(1);
/// Datagrams taken before timers and commands are looked at again: a flood must not starve them.
const BATCH: usize = 128;
/// Largest datagram that can arrive.
const RECEIVE_BYTES: usize = 65_535;
/// Longest sleep: suspend, and what playout does, are looked at this often.
const NAP: Duration = Duration::from_millis(250);

/// The ends of channels between this thread and the others.
pub struct Links {
    pub commands: Receiver<Command>,
    pub to_sender: Sender<ToSender>,
    pub failures: Receiver<(SocketAddr, SendFailure)>,
    pub questions: Sender<Question>,
    pub answers: Receiver<Answer>,
    /// The peers that are known, whenever that changes.
    pub known: Receiver<KnownPeers>,
    pub devices: Sender<DeviceCommand>,
    pub disk: Sender<DiskCommand>,
    /// A wedged card took the playback along; this is the way into the new one.
    pub handles: Receiver<PlaybackHandle>,
    pub notices: Notices,
    pub sender: Thread,
}

/// Everything the receiver thread owns.
pub struct ReceiverThread {
    pub poll: mio::Poll,
    pub socket: UdpSocket,
    pub mapping: Mapping,
    pub downlink: Downlink,
    pub playback: PlaybackHandle,
    pub controls: Arc<Controls>,
    pub meters: Arc<Meters>,
    pub sent: Arc<SentBoard>,
    pub links: Links,
    pub roster: Roster,
    pub known: KnownPeers,
    /// Our own key.
    pub own: PublicKey,
    /// How good each peer's voice is.
    pub qualities: [Quality; MAX_PEERS],
    /// What opens the microphone without being asked, and what closes it.
    pub air: Air,
    /// What the user hears of calls.
    pub bells: Bells,
    /// Ask the system for real-time priority.
    pub realtime: bool,
    /// The program ends by itself then (`--for`).
    pub end_at: Option<Instant>,
    pub sleep: SleepWatch,
    pub stop: Arc<AtomicBool>,
}

impl ReceiverThread {
    /// Runs until the stop flag is set; then hangs up and says so to the peers.
    pub fn run(mut self) {
        if self.realtime {
            let _ = priority::raise("receiver");
        }
        let mut events = mio::Events::with_capacity(16);
        let mut buffer = vec![0; RECEIVE_BYTES];
        let mut more = false;
        while !self.stop.load(Relaxed) {
            let now = Instant::now();
            let due = self.downlink.poll_timeout().map_or(NAP, |at| at.saturating_duration_since(now).min(NAP));
            let patience = if more { Duration::ZERO } else { due };
            if let Err(error) = self.poll.poll(&mut events, Some(patience))
                && error.kind() != std::io::ErrorKind::Interrupted
            {
                tracing::error!(%error, "waiting for the network failed");
                std::thread::sleep(NAP);
            }
            self.watch_sleep();
            self.watch_end();
            more = self.receive(&mut buffer);
            self.take_commands();
            self.take_answers();
            self.take_counts();
            self.downlink.handle_timeout(Instant::now());
            self.drain(&mut buffer);
            self.watch_measuring();
            self.publish();
        }
        self.downlink.hangup_all(Instant::now());
        self.drain(&mut buffer);
    }

    fn watch_sleep(&mut self) {
        let now = Instant::now();
        let Some(slept) = self.sleep.check() else { return };
        self.controls.release_all();
        self.downlink.handle_slept(now, slept);
        self.playback.handle_slept(slept);
        self.links.notices.announce(Notice::Slept(slept.0));
    }

    fn watch_end(&mut self) {
        if self.end_at.take_if(|at| *at <= Instant::now()).is_some() {
            self.links.notices.announce(Notice::Quit);
        }
    }

    /// Takes what the socket holds; true when there may be more.
    fn receive(&mut self, buffer: &mut [u8]) -> bool {
        for _ in 0..BATCH {
            match self.socket.recv_from(buffer) {
                Ok((length, from)) => {
                    let (playback, meters) = (&mut self.playback, &self.meters);
                    let mut sink = |id, packet| {
                        if playback.packet(id, packet).is_err() {
                            meters.net.dropped_full.add(1);
                        }
                    };
                    self.downlink.handle_datagram(Instant::now(), socket::inward(from), &buffer[..length], &mut sink);
                }
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return false,
                // An ICMP error for something sent earlier; it names no address here, and the next call goes on.
                Err(error) => tracing::debug!(%error, "the socket reports"),
            }
        }
        true
    }

    fn take_commands(&mut self) {
        while let Ok(command) = self.links.commands.try_recv() {
            if let Err(sentence) = self.carry_out(command) {
                self.links.notices.problem(sentence);
            }
        }
    }

    fn carry_out(&mut self, command: Command) -> Result<(), String> {
        let now = Instant::now();
        match command {
            Command::Call { address, format } => {
                self.downlink.call(now, &address, format).map_err(|error| error.to_string())?;
            }
            Command::Hangup(target) => {
                for id in self.targets(&target, |state| !matches!(state, CallState::Idle | CallState::Ended(_)))? {
                    self.downlink.hangup(now, id);
                }
            }
            Command::Answer(target) => {
                for id in self.meant(&target, |state| state == CallState::Ringing)? {
                    self.downlink.answer(now, id);
                }
            }
            Command::Decline(target) => {
                for id in self.targets(&target, |state| state == CallState::Ringing)? {
                    self.downlink.decline(now, id);
                }
            }
            Command::Admit(target) => self.admit(now, &target)?,
            Command::Block(target) => self.block(now, &target)?,
            Command::Verify(target, on) => self.verify(&target, on)?,
            Command::Clear(target) => {
                for id in self.meant(&target, |state| state == CallState::Calling)? {
                    self.downlink.call_in_the_clear(now, id, matches!(target, Target::Named(_)))?;
                }
            }
            Command::Measure { target, trials } => {
                for id in self.targets(&target, |state| state == CallState::Live)? {
                    self.downlink.measure(now, id, trials)?;
                }
            }
            Command::Volume { target: Target::All, percent } => self.controls.set_volume(percent),
            Command::Volume { target, percent } => {
                for id in self.targets(&target, |state| state != CallState::Idle)? {
                    self.controls.set_peer_volume(id, percent);
                }
            }
            Command::Dump(file) => self.dump(now, file),
            other => tracing::error!(?other, "a command for another thread"),
        }
        Ok(())
    }

    /// Takes a copy of the packet timings; the disk thread makes the file.
    fn dump(&self, now: Instant, file: PathBuf) {
        let refusal = match self.downlink.dump(now) {
            None => "Nobody was heard in the last ten minutes: there is nothing to write.",
            Some(dump) => match self.links.disk.try_send(DiskCommand::Dump { file: file.clone(), dump }) {
                Ok(()) => return,
                Err(_) => "The disk is busy: nothing is written; try again in a moment.",
            },
        };
        self.links.notices.announce(Notice::Dumped { file, result: Err(refusal.into()) });
    }

    /// The peers that a command means, of those whose state `fits`.
    fn targets(&self, target: &Target, fits: impl Fn(CallState) -> bool) -> Result<Vec<PeerId>, String> {
        self.in_state(self.roster.find(target)?, fits)
    }

    /// For what lets somebody in, or trusts somebody.
    fn meant(&self, target: &Target, fits: impl Fn(CallState) -> bool) -> Result<Vec<PeerId>, String> {
        self.in_state(self.roster.identify(target)?, fits)
    }

    fn in_state(&self, mut found: Vec<PeerId>, fits: impl Fn(CallState) -> bool) -> Result<Vec<PeerId>, String> {
        found.retain(|id| fits(self.meters.state(*id)));
        if found.is_empty() { Err("There is no call that this could be for.".into()) } else { Ok(found) }
    }

    fn take_answers(&mut self) {
        self.take_known();
        while let Ok((ticket, result)) = self.links.answers.try_recv() {
            self.downlink.handle_resolved(Instant::now(), ticket, result);
        }
        while let Ok((to, failure)) = self.links.failures.try_recv() {
            self.downlink.handle_send_error(Instant::now(), to, failure);
        }
    }

    /// Goes over to a new playback: every peer that was heard gets a playout there.
    fn take_handles(&mut self) {
        while let Ok(handle) = self.links.handles.try_recv() {
            let old = std::mem::replace(&mut self.playback, handle);
            self.lend_ear();
            for id in PeerId::all().filter(|id| old.is_open(*id)) {
                self.open_playout(id);
            }
        }
    }

    /// After the events, so that what they began is not taken for ended.
    fn watch_measuring(&mut self) {
        let now = Instant::now();
        self.downlink.handle_probe(now, self.controls.measuring());
        let (allowed, talks) = (self.controls.answers_measuring(), self.controls.on_air(now).is_some());
        self.downlink.handle_consent(now, Consent { allowed, talks });
    }

    /// The sender hears the loudspeaker: always for its echo, and while it measures.
    pub fn lend_ear(&mut self) {
        if let Some(ear) = self.playback.take_ear() {
            let _ = self.links.to_sender.try_send(ToSender::Ear(ear));
        }
        if let Some(ring) = self.playback.take_far_end() {
            let _ = self.links.to_sender.try_send(ToSender::FarEnd(ring));
        }
    }

    /// What the sender and the playouts count, for the reports to the peers.
    fn take_counts(&mut self) {
        self.take_handles();
        self.playback.drain();
        self.downlink.handle_capture_delay(self.meters.mic.delay_ms(), self.meters.mic.process.delay_ms.get().unwrap_or(0.0));
        let (now, card_ms) = (Instant::now(), self.meters.out.card_delay_ms.get().unwrap_or(0.0));
        self.downlink.handle_recording(now, self.meters.recording.load(Relaxed));
        for id in PeerId::all().filter(|id| self.meters.state(*id) == CallState::Live) {
            self.downlink.handle_sent(id, self.sent[id.slot()].load());
            let (peer, quality) = (self.meters.peer(id), &mut self.qualities[id.slot()]);
            quality.handle(now, peer.voice_counts(), Stack::take(peer, &self.meters).total());
            let quality = quality.rating();
            peer.r_factor.set_known(quality.map(|rating| rating.r));
            peer.mos_lq.set_known(quality.map(|rating| rating.mos_lq));
            if let (Some(delay_ms), Some(target_ms)) = (peer.playout_delay_ms.get(), peer.playout_target_ms.get()) {
                let late_packets = peer.late_packets.get();
                self.downlink.handle_playout(id, PlayoutView { delay_ms, target_ms, card_ms, late_packets, quality });
            }
        }
    }

    fn drain(&mut self, buffer: &mut [u8]) {
        while let Some(event) = self.downlink.poll_event() {
            self.handle_event(event);
        }
        self.watch_call();
        while let Some((to, length)) = self.downlink.poll_transmit(&mut buffer[..MAX_DATAGRAM]) {
            if let Err(error) = self.socket.send_to(&buffer[..length], self.mapping.outward(to)) {
                self.meters.net.send_errors.add(1);
                self.downlink.handle_send_error(Instant::now(), to, failure(&error));
            }
        }
    }

    fn handle_event(&mut self, event: Event) {
        if matches!(event, Event::PlayoutOpen(_)) {
            self.watch_call();
        }
        self.air.handle_event(&event, &self.known);
        self.bells.handle_event(&event);
        let (meters, notices) = (&self.meters, &self.links.notices);
        match event {
            Event::Peer { id, address, format, incoming } => {
                meters.peer(id).reset();
                self.qualities[id.slot()] = Quality::default();
                // Read long before its key is shown; a disk that hangs costs only what another program changed.
                let _ = self.links.disk.try_send(DiskCommand::Ledger(LedgerJob::Refresh));
                meters.peer(id).format.store(format as u8, Relaxed);
                self.controls.reset_peer(id);
                self.tell(Notice::Peer { id, address, format, incoming });
            }
            Event::Resolve { ticket, host, port } => {
                if self.links.questions.try_send(Question { ticket, host, port }).is_err() {
                    let sentence = "Too many names are being looked up already; try again in a moment.";
                    self.downlink.handle_resolved(Instant::now(), ticket, Err(sentence.into()));
                }
            }
            Event::Remote { id, remote } => self.tell(Notice::Resolved { id, remote }),
            Event::Sealed { id, key, sas } => self.seal(id, key, sas),
            Event::Unsealed { id, met } => self.tell(Notice::Unsealed { id, met }),
            Event::KeyChanged { address, pinned, shown, verified } => {
                self.tell(Notice::KeyChanged { address, pinned, shown, verified });
            }
            Event::State { id, state } => {
                meters.set_state(id, state, Instant::now());
                self.tell(Notice::State { id, state });
            }
            Event::Name { id, name } if self.may_be_called(id, &name) => self.tell(Notice::Name { id, name }),
            Event::Name { id, name } => tracing::info!(slot = id.slot(), name, "a peer calls itself as somebody else is known"),
            Event::Format { id, format } => {
                meters.peer(id).format.store(format as u8, Relaxed);
                self.tell(Notice::PeerFormat { id, format });
            }
            Event::Plan(id, plan) => {
                if self.links.to_sender.send(ToSender::Plan(id, plan)).is_err() {
                    tracing::debug!("the sender has ended");
                }
                self.links.sender.unpark();
            }
            Event::Resend(id, resend) => {
                // A sender that has that much to do would be too late with it anyway.
                let _ = self.links.to_sender.try_send(ToSender::Resend(id, resend));
                self.links.sender.unpark();
            }
            Event::Measure { id: _, order } => {
                self.controls.set_measuring(order.map(|order| order.phase));
                let _ = self.links.to_sender.send(ToSender::Measure(order));
                self.links.sender.unpark();
            }
            Event::MeasureFailed { sentence } => self.tell(Notice::Measured(Err(sentence))),
            Event::Recording { id, on } => self.tell(Notice::PeerRecording { id, on }),
            Event::PlayoutOpen(id) => self.open_playout(id),
            Event::PlayoutClose(id) => self.playback.close(id),
            Event::Gone { id } => {
                meters.set_state(id, CallState::Idle, Instant::now());
                self.tell(Notice::Gone { id });
            }
            Event::Missed { address } => notices.announce(Notice::Missed { address, at: SystemTime::now() }),
            Event::Info(sentence) => notices.info(sentence),
            Event::Problem(sentence) => notices.problem(sentence),
        }
    }

    fn open_playout(&mut self, id: PeerId) {
        let (writer, reader) = tap(TAP_SAMPLES);
        if let Err(error) = self.playback.open(id, Config::default(), writer) {
            self.links.notices.problem(format!("{} cannot be heard: {error}.", self.roster.label(id)));
            return;
        }
        // A disk that hangs costs a recording, not the call.
        let _ = self.links.disk.try_send(DiskCommand::Peer { id, label: self.roster.label(id), tap: reader });
    }

    /// The microphone runs from this side's call or answer until hang-up, and no lease outlives a call.
    fn watch_call(&mut self) {
        let Some(in_call) = self.air.watch(self.downlink.has_call()) else { return };
        if self.links.devices.send(DeviceCommand::RunMicrophone(in_call)).is_err() {
            tracing::debug!("the devices thread has ended");
        }
    }

    fn tell(&mut self, notice: Notice) {
        self.roster.handle_notice(&notice);
        self.links.notices.announce(notice);
    }

    fn publish(&self) {
        let net = self.downlink.net();
        self.meters.net.received_datagrams.set(net.received_datagrams);
        self.meters.net.dropped_unknown.set(net.dropped_unknown);
        self.meters.net.dropped_malformed.set(net.dropped_malformed);
        self.meters.net.dropped_stranger.set(net.dropped_stranger);
        for id in PeerId::all().filter(|id| self.meters.state(*id) != CallState::Idle) {
            let (report, peer) = (self.downlink.report(id), self.meters.peer(id));
            peer.received_packets.set(report.received_packets);
            peer.received_bytes.set(report.received_bytes);
            peer.lost_packets.set(report.lost_packets);
            peer.reordered_packets.set(report.reordered_packets);
            peer.jitter_ms.set_known(report.jitter_ms);
            peer.rtt_ms.set_known(report.rtt_ms);
            peer.peer_capture_delay_ms.set_known(report.peer_capture_delay_ms);
            peer.peer_processing_delay_ms.set_known(report.peer_processing_delay_ms);
            peer.frame_ms.set_known(report.frame_ms);
            peer.heard_lost_percent.set_known(report.heard_lost_percent);
            peer.heard_delay_ms.set_known(report.heard_delay_ms);
            peer.is_quiet.store(report.is_quiet, Relaxed);
            peer.sending.set(report.sending);
        }
    }
}
