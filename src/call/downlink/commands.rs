//! What the user does with the call: call, answer, decline, hang up; and the states that follow.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rand::RngExt;

use super::peer::{CANDIDATES_MAX, Peer};
use super::sealed::NoKey;
use super::stranger::{Caller, Hush, Quiet};
use super::{CallError, Downlink};
use crate::call::address::Address;
use crate::call::event::{Event, SendFailure, SendReason};
use crate::call::judge::{judge, judge_own, literal, unmapped};
use crate::call::plan::{SendPlan, steady_bytes};
use crate::call::state::{CallState, Reason};
use crate::units::{DEFAULT_PORT, Format, PeerId, Ssrc};
use crate::wire::app::CallWord;

/// Declined or hung up: quiet until the peer has been, for this long.
const HUSH: Duration = Duration::from_secs(60);
/// A failure is told of a peer that was not heard for this long.
const UNHEARD: Duration = Duration::from_secs(2);
/// A name's next address is called no sooner than this after the one before: with no way to any of them, calling would never end.
const NEXT_PAUSE: Duration = Duration::from_millis(200);
/// What is still on its way when the peer itself hangs up rings nobody.
const STRAGGLERS: Duration = Duration::from_secs(2);

impl Downlink {
    /// Calls `address` (`host[:port]`) with `format`, or the configured one. A name becomes an [`Event::Resolve`]; an IP
    /// address is called at once.
    ///
    /// # Errors
    /// One sentence for the user.
    pub fn call(&mut self, now: Instant, address: &str, format: Option<Format>) -> Result<PeerId, CallError> {
        let format = format.unwrap_or(self.config.format);
        let parsed: Address = address.parse().map_err(CallError::Address)?;
        let remote = literal(&parsed);
        if let Some(remote) = remote {
            self.judge(remote).map_err(CallError::Address)?;
        }
        let text = address.trim();
        self.forget_unseen(text, remote);
        let is_there = |peer: &&Peer| !peer.is_ended() && (peer.address == text || remote.is_some_and(|remote| peer.is_at(remote)));
        // A sealed call to where a stream in the clear comes from is another call.
        let is_same = |peer: &&Peer| is_there(peer) && !(peer.only_heard && format == Format::Sealed);
        let same = self.all().find(is_same).map(|peer| peer.id);
        if let Some(id) = same {
            // Calling who rings here, or is only heard, is answering.
            return if self.answer(now, id) || self.talk_back(now, id) { Ok(id) } else { Err(CallError::Already(id)) };
        }
        let id = self.take_slot(now, text.to_owned(), format, false).ok_or(CallError::Full)?;
        self.set_state(now, id, CallState::Calling);
        if let Some(remote) = remote {
            self.connect(now, id, vec![remote]);
        } else {
            self.next_ticket = self.next_ticket.wrapping_add(1);
            let ticket = self.next_ticket;
            if let Some(peer) = self.peer_mut(id) {
                peer.ticket = Some(ticket);
            }
            self.tell(Event::Resolve { ticket, host: parsed.host, port: parsed.port });
        }
        Ok(id)
    }

    fn judge(&self, address: SocketAddr) -> Result<(), String> {
        judge(address)
            .and_then(|()| judge_own(address, self.config.bound, &self.config.own_addresses))
            .map_err(|refusal| refusal.to_string())
    }

    /// The resolver's answer to [`Event::Resolve`]; the error is a sentence. Late answers for ended calls are ignored.
    pub fn handle_resolved(&mut self, now: Instant, ticket: u32, result: Result<Vec<SocketAddr>, String>) {
        let waits = |peer: &&Peer| peer.ticket == Some(ticket) && peer.state == CallState::Calling;
        let Some(id) = self.all().find(waits).map(|peer| peer.id) else { return };
        let mut refusal = None;
        let mut good = Vec::new();
        match result {
            Ok(addresses) => {
                for address in addresses.into_iter().map(unmapped) {
                    match self.judge(address) {
                        Ok(()) if good.contains(&address) => {}
                        Ok(()) => good.push(address),
                        Err(sentence) => refusal = Some(sentence),
                    }
                }
            }
            Err(sentence) => refusal = Some(sentence),
        }
        if good.is_empty() {
            let name = self.peer(id).map(|peer| peer.address.clone()).unwrap_or_default();
            self.tell(Event::Problem(refusal.unwrap_or_else(|| format!("{name} has no address: check the name."))));
            self.end(now, id, Reason::Unreachable);
            return;
        }
        good.truncate(CANDIDATES_MAX);
        self.connect(now, id, good);
    }

    /// The addresses are known: open formats are live at once, the sealed one begins a session.
    pub(super) fn connect(&mut self, now: Instant, id: PeerId, candidates: Vec<SocketAddr>) {
        for address in &candidates {
            self.strangers.forgive(Caller::Place(address.ip(), None));
        }
        let Some(peer) = self.peer_mut(id) else { return };
        let remote = candidates[0];
        peer.ticket = None;
        peer.candidates = candidates;
        peer.remote = Some(remote);
        peer.accepted = true;
        let is_sealed = peer.format == Format::Sealed;
        // Headerless PCM has no control: RTCP would be noise over there.
        peer.report_at = (peer.format == Format::Rtp).then_some(now);
        peer.last_heard = now;
        self.tell(Event::Remote { id, remote });
        if is_sealed {
            self.call_sealed(now, id, remote);
        } else {
            self.open(now, id);
        }
        self.handle_timeout(now);
    }

    /// Live: packets may come, media may go.
    pub(super) fn open(&mut self, now: Instant, id: PeerId) {
        let Some(peer) = self.peer_mut(id) else { return };
        let opens = !std::mem::replace(&mut peer.playing, true);
        if opens {
            self.recorder.open(now, id);
            self.tell(Event::PlayoutOpen(id));
        }
        self.set_state(now, id, CallState::Live);
        self.tell_plan(id);
    }

    /// Answers a ringing peer. `false`: it does not ring.
    pub fn answer(&mut self, now: Instant, id: PeerId) -> bool {
        let rings = |peer: &&mut Peer| peer.state == CallState::Ringing && !peer.id.is_unseen();
        let Some(peer) = self.peer_mut(id).filter(rings) else { return false };
        peer.accepted = true;
        peer.answered = true;
        peer.leg.word = CallWord::Live;
        peer.last_heard = now;
        peer.last_sent = now;
        peer.report_at = (peer.format != Format::Pcm).then_some(now);
        let ip = peer.remote.map(|remote| remote.ip());
        if let Some(ip) = ip {
            self.strangers.forgive(Caller::Place(ip, None));
        }
        self.open(now, id);
        self.handle_timeout(now);
        true
    }

    /// Plays a ringing stream that nobody has answered: it is heard, and nothing of us goes there.
    pub(super) fn only_hear(&mut self, now: Instant, id: PeerId) {
        let rings = |peer: &&mut Peer| peer.state == CallState::Ringing && !peer.id.is_unseen();
        let Some(peer) = self.peer_mut(id).filter(rings) else { return };
        peer.only_heard = true;
        let text =
            format!("{} is played, and does not hear you: call it to talk to it, where anyone on the path can listen.", peer.address);
        if self.answer(now, id) {
            self.tell(Event::Info(text));
        }
    }

    /// The user calls who was only heard. `false`: it was not.
    fn talk_back(&mut self, now: Instant, id: PeerId) -> bool {
        let was_only_heard = self.peer_mut(id).is_some_and(|peer| std::mem::take(&mut peer.only_heard));
        if was_only_heard {
            self.tell_plan(id);
            self.handle_timeout(now);
        }
        was_only_heard
    }

    /// Declines a ringing peer. `false`: it does not ring.
    pub fn decline(&mut self, now: Instant, id: PeerId) -> bool {
        let rings = self.peer(id).is_some_and(|peer| peer.state == CallState::Ringing);
        if rings {
            self.end(now, id, Reason::WeDeclined);
        }
        rings
    }

    /// Hangs up (or declines, if it rings). `false`: nobody is there.
    pub fn hangup(&mut self, now: Instant, id: PeerId) -> bool {
        if self.decline(now, id) {
            return true;
        }
        let there = self.peer(id).is_some_and(|peer| !peer.is_ended());
        if there {
            self.end(now, id, Reason::HungUp);
        }
        there
    }

    pub fn hangup_all(&mut self, now: Instant) {
        for id in PeerId::all() {
            self.hangup(now, id);
        }
    }

    /// The call with `id` is over, for `reason`.
    pub(super) fn end(&mut self, now: Instant, id: PeerId, reason: Reason) {
        let Some(peer) = self.peer_mut(id).filter(|peer| !peer.is_ended()) else { return };
        peer.leg.word = if reason == Reason::WeDeclined { CallWord::Declined } else { CallWord::Ended };
        peer.ticket = None;
        peer.bye_at = None;
        // Said at once, then until echoed; to somebody never accepted only as an answer.
        peer.reports_sent = 0;
        peer.report_at = (peer.accepted && peer.format != Format::Pcm && peer.remote.is_some()).then_some(now);
        let was_playing = std::mem::take(&mut peer.playing);
        let recorded = std::mem::take(&mut peer.records);
        let was_called = peer.remote.is_some();
        let missed = (reason == Reason::Missed).then(|| peer.address.clone());
        let port = if peer.is_vtui { peer.remote.map(|remote| remote.port()) } else { None };
        let (ip, leg, word) = (peer.remote.map(|remote| remote.ip()), peer.leg.theirs, peer.leg.word);
        let key = peer.sealing.key;
        let goes_on = now.saturating_duration_since(peer.last_heard) < STRAGGLERS;
        let was_heard = peer.incoming || peer.answered;
        // What we turned away stays away as long as it goes on; of who left by itself only the last datagrams are ignored.
        let quiet = match reason {
            Reason::HungUp | Reason::WeDeclined | Reason::NoAnswer => Some(Quiet::While(HUSH)),
            Reason::Missed => goes_on.then_some(Quiet::While(HUSH)),
            _ => goes_on.then_some(Quiet::For(STRAGGLERS)),
        };
        // Anybody can say something in the clear in another's name: it is not held against the other's key.
        let caller = key.map(Caller::Key).or(ip.map(|ip| Caller::Place(ip, port)));
        if let Some((caller, quiet)) = caller.filter(|_| was_heard).zip(quiet) {
            self.strangers.hush(now, caller, Hush { word, leg }, quiet);
        }
        if recorded {
            self.tell(Event::Recording { id, on: false });
        }
        if was_called && was_playing {
            if let Some(peer) = self.peer_mut(id) {
                peer.plan = None;
            }
            self.tell(Event::Plan(id, None));
        }
        if was_playing {
            self.recorder.end(now, id);
            self.tell(Event::PlayoutClose(id));
        }
        self.set_state(now, id, CallState::Ended(reason));
        if self.peer(id).is_some_and(|peer| peer.sealing.key.is_none()) {
            self.close_session(id);
        }
        // Who rang unseen was told of when it came.
        if let Some(address) = missed.filter(|_| !id.is_unseen()) {
            self.tell(Event::Missed { address });
        }
        self.handle_timeout(now);
    }

    /// Whether what goes there would come back to us.
    pub(super) fn is_ourselves(&self, address: SocketAddr) -> bool {
        judge_own(address, self.config.bound, &self.config.own_addresses).is_err()
    }

    pub(super) fn set_state(&mut self, now: Instant, id: PeerId, state: CallState) {
        let Some(peer) = self.peer_mut(id).filter(|peer| peer.state != state) else { return };
        peer.state = state;
        peer.entered = now;
        self.tell(Event::State { id, state });
    }

    /// Tells the sender how to send to `id` now.
    pub(super) fn tell_plan(&mut self, id: PeerId) {
        let Some(peer) = self.peer(id).filter(|peer| peer.playing && !peer.only_heard) else { return };
        let Some(address) = peer.remote else { return };
        // Answering a seed sender on this very machine: the seed's port there is our own.
        if self.is_ourselves(address) {
            return;
        }
        let seal = match self.media_seal(peer) {
            Ok(seal) => seal,
            Err(NoKey) => return self.withhold(id),
        };
        let address = self.media_address(peer).unwrap_or(address);
        let choice = peer.armour.choice(&self.bounds(peer));
        let plan = SendPlan {
            address,
            format: peer.format,
            ssrc: peer.ssrc,
            payload_type: peer.payload_type,
            redundancy: choice.copies,
            reach: choice.reach,
            bitrate: choice.bitrate,
            frame_ms: choice.frame_ms,
            expected_loss_percent: choice.expected_loss_percent,
            seal,
            steady_bytes: if choice.reason == SendReason::Private { steady_bytes(choice.bitrate, choice.frame_ms) } else { 0 },
            // It was to be sealed, and fell to the clear by the user's word.
            from_next_spurt: peer.format != Format::Sealed && peer.sealing.called.is_some(),
        };
        let Some(peer) = self.peer_mut(id) else { return };
        peer.chosen = Some(choice);
        if peer.plan.as_ref() != Some(&plan) {
            peer.plan = Some(plan.clone());
            self.tell(Event::Plan(id, Some(plan)));
        }
    }

    /// A new peer in a free slot, or in that of the one that ended longest ago. Announced, still idle.
    pub(super) fn take_slot(&mut self, now: Instant, address: String, format: Format, incoming: bool) -> Option<PeerId> {
        self.take_slot_of(now, PeerId::all(), address, format, incoming)
    }

    /// The same, of `slots`.
    pub(super) fn take_slot_of(
        &mut self,
        now: Instant,
        slots: impl Iterator<Item = PeerId> + Clone,
        address: String,
        format: Format,
        incoming: bool,
    ) -> Option<PeerId> {
        let free = slots.clone().find(|id| self.peer(*id).is_none());
        let ended = || slots.filter_map(|id| self.peer(id)).filter(|peer| peer.is_ended()).min_by_key(|peer| peer.entered);
        let id = free.or_else(|| ended().map(|peer| peer.id))?;
        if free.is_none() {
            self.close_session(id);
            self.tell(Event::Gone { id });
        }
        let (ssrc, leg) = (Ssrc(self.rng.random()), self.rng.random_range(1..=u32::MAX));
        let mut peer = Peer::new(now, id, address.clone(), format, ssrc, leg);
        peer.incoming = incoming;
        self.peers[id.slot()] = Some(Box::new(peer));
        self.tell(Event::Peer { id, address, format, incoming });
        Some(id)
    }

    /// Something kept a datagram from `to`: told once of each kind, and a name's next address gets its chance.
    pub(super) fn hint(&mut self, now: Instant, to: SocketAddr, failure: SendFailure) {
        let is_meant = |peer: &&Peer| (peer.is_open() || peer.state == CallState::Calling) && peer.is_at(to);
        let Some(id) = self.all().find(is_meant).map(|peer| peer.id) else { return };
        let sentence = |address: &str| match failure {
            SendFailure::NoRoute => Some(format!("No way to {address} now: check the network. voicetui keeps trying.")),
            SendFailure::Forbidden => Some(format!("This machine's firewall does not let voicetui send to {address}.")),
            SendFailure::Refused => Some(format!("Nobody listens at {address} yet: start the other side. voicetui keeps trying.")),
            SendFailure::Family => {
                Some(format!("{address} needs IPv6 (or IPv4), which is switched off here: call another address of that machine."))
            }
            // A full buffer empties by itself.
            SendFailure::Busy => None,
            SendFailure::Other => Some(format!("Sending to {address} fails. voicetui keeps trying.")),
        };
        let Some(peer) = self.peer_mut(id) else { return };
        let next = peer.candidates.iter().position(|address| *address == to).map(|at| (at + 1) % peer.candidates.len());
        if let Some(next) = next.filter(|_| !peer.answered && peer.candidates.len() > 1 && peer.remote == Some(to)) {
            if peer.is_unsealed() {
                let waited = peer.sealing.tried.is_none_or(|at| now.saturating_duration_since(at) >= NEXT_PAUSE);
                // After that the timer goes through them.
                if waited && !peer.sealing.said_unsealed {
                    self.try_next_address(now, id);
                }
                return;
            }
            let remote = peer.candidates[next];
            self.move_to(id, remote);
            return;
        }
        let bit = 1 << failure as u8;
        let unheard = !peer.answered || now.saturating_duration_since(peer.last_heard) > UNHEARD;
        let tells = unheard && !peer.incoming && peer.told & bit == 0;
        peer.told |= bit;
        if tells && let Some(text) = sentence(&peer.address.clone()) {
            self.tell(Event::Info(text));
        }
    }

    /// Media to this peer goes to `remote` from now on.
    pub(super) fn move_to(&mut self, id: PeerId, remote: SocketAddr) {
        let Some(peer) = self.peer_mut(id).filter(|peer| peer.remote != Some(remote)) else { return };
        peer.remote = Some(remote);
        self.tell(Event::Remote { id, remote });
        self.tell_plan(id);
    }

    /// Where to talk to a sender of headerless PCM: the seed's port.
    pub(super) fn seed_address(from: SocketAddr) -> SocketAddr {
        let mut address = from;
        address.set_port(DEFAULT_PORT);
        address
    }
}
