//! Whose datagram it is: a peer's, a stranger's, or our own come back. And what a stranger's knocking leads to.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rand::RngExt;

use super::Downlink;
use super::peer::{Peer, Via};
use super::report::CONTROL_MAX;
use super::said::Said;
use super::stranger::{Caller, Hush, Knock, Quiet};
use crate::call::event::Event;
use crate::call::state::CallState;
use crate::session::keys::OVERHEAD;
use crate::units::{Format, PeerId, RtpTime, SAMPLE_RATE, Ssrc};
use crate::wire::app::CallWord;
use crate::wire::rtp;

/// Unanswered rings at once; of those who are known, as many again.
const RINGS_MAX: usize = 3;
/// Rings in [`RINGS_SPAN`], at most: a full call of 16 and some, no flood.
const RINGS_IN_SPAN: usize = 20;
const RINGS_SPAN: Duration = Duration::from_secs(10);
/// A refused caller is reported as missed this often at most, whoever it is.
const REFUSED_PAUSE: Duration = Duration::from_secs(1);
/// Who found us busy is not asked again for this long.
const BUSY_HUSH: Duration = Duration::from_secs(10);
/// A stream's format changes when the one before was not heard for this long.
const FORMAT_PAUSE: Duration = Duration::from_secs(1);
/// Our SSRC changes this often at most: a collision is an accident, not a habit.
const SSRC_PAUSE: Duration = Duration::from_secs(5);
/// Our own stream comes back within this much RTP time of what we sent.
const LOOP_TICKS: u32 = 5 * SAMPLE_RATE;

impl Downlink {
    /// The peer that sends media from `from`: by its exact address, by a source it is known for, else by its machine.
    pub(super) fn media_from(&self, via: Via, ssrc: Option<Ssrc>) -> Option<PeerId> {
        let from = via.from;
        let alive = || self.all().filter(|peer| !peer.is_ended() && peer.takes(via));
        let exact = alive().find(|peer| via.session.is_some() || peer.is_at(from));
        // A NAT gave a known source another port.
        let moved = || ssrc.and_then(|ssrc| alive().find(|peer| peer.sends_as(ssrc) && peer.is_of(from.ip())));
        exact.or_else(moved).or_else(|| alive().find(|peer| peer.is_anywhere_at(from.ip()))).map(|peer| peer.id)
    }

    /// The peer, if its media is heard; else it is counted, and dropped.
    pub(super) fn hearing(&mut self, now: Instant, id: Option<PeerId>, via: Via) -> Option<&mut Peer> {
        let open = self.config.allow_unsealed && via.session.is_none();
        if let Some(id) = id
            && open
        {
            self.only_hear(now, id);
        }
        let peer = id.and_then(|id| self.peers[id.slot()].as_deref_mut());
        let Some(peer) = peer else {
            self.net.dropped_stranger += 1;
            return None;
        };
        if peer.state == CallState::Ringing {
            // It still calls; that is all its voice is good for.
            peer.last_heard = now;
        }
        if peer.playing {
            return Some(peer);
        }
        self.net.dropped_stranger += 1;
        None
    }

    /// Media of this peer was good.
    pub(super) fn heard_media(&mut self, now: Instant, id: PeerId, from: SocketAddr, format: Format) {
        self.heard(now, id, from);
        let Some(peer) = self.peer_mut(id) else { return };
        if peer.media.current().is_some_and(|source| !source.bye) {
            peer.bye_at = None;
        }
        if format == Format::Rtp && peer.incoming && !peer.is_vtui {
            let theirs = peer.media.opus_pt.unwrap_or(rtp::OPUS_PT);
            if std::mem::replace(&mut peer.payload_type, theirs) != theirs {
                self.tell_plan(id);
            }
        }
        let Some(peer) = self.peer_mut(id) else { return };
        if peer.format == format {
            peer.format_heard = now;
            return;
        }
        let is_other = now.saturating_duration_since(peer.format_heard) > FORMAT_PAUSE;
        if peer.incoming && !peer.is_vtui && is_other {
            self.change_format(now, id, from, format);
        }
        let Some(peer) = self.peer(id) else { return };
        if peer.incoming || peer.media.received_packets != 1 {
            return;
        }
        let address = peer.address.clone();
        self.tell(Event::Info(match format {
            Format::Pcm => format!("{address} sends raw PCM: if it does not hear you, call it with --format pcm."),
            _ => format!("{address} sends RTP: if it does not hear you, call it with --format rtp."),
        }));
    }

    /// An answered stream goes on in another format: it is answered in that.
    fn change_format(&mut self, now: Instant, id: PeerId, from: SocketAddr, format: Format) {
        let Some(peer) = self.peer_mut(id) else { return };
        peer.format = format;
        peer.format_heard = now;
        peer.report_at = (format != Format::Pcm).then_some(now);
        self.tell(Event::Format { id, format });
        self.move_to(id, if format == Format::Pcm { Self::seed_address(from) } else { from });
        self.tell_plan(id);
    }

    /// Anything good came from this peer.
    pub(super) fn heard(&mut self, now: Instant, id: PeerId, from: SocketAddr) {
        let Some(peer) = self.peer_mut(id) else { return };
        peer.last_heard = now;
        peer.told = 0;
        if std::mem::take(&mut peer.said_quiet) {
            let text = format!("{} is back.", peer.address);
            self.tell(Event::Info(text));
        }
        let Some(peer) = self.peer_mut(id) else { return };
        if std::mem::replace(&mut peer.answered, true) || peer.format == Format::Sealed {
            return;
        }
        // Of a name's addresses, the one that answered.
        let exact = peer.candidates.iter().find(|address| **address == from);
        if let Some(chosen) = exact.or_else(|| peer.candidates.iter().find(|address| address.ip() == from.ip())).copied() {
            self.move_to(id, chosen);
        }
    }

    /// Media from a stranger: rings when there is enough of it.
    pub(super) fn knock_media(&mut self, now: Instant, via: Via, format: Format, payload_type: u8) -> Option<PeerId> {
        let from = via.from;
        // Out of a session only words ring.
        if via.session.is_some() || self.strangers.knock_media(now, from) != Knock::Rings {
            return None;
        }
        let Some(id) = self.ring(now, via, format) else {
            let hush = Hush { word: CallWord::Busy, leg: 0 };
            self.strangers.hush(now, Caller::Place(from.ip(), None), hush, Quiet::For(BUSY_HUSH));
            return None;
        };
        if let Some(peer) = self.peer_mut(id) {
            peer.payload_type = if rtp::is_dynamic(payload_type) { payload_type } else { rtp::OPUS_PT };
            peer.remote = Some(if format == Format::Pcm { Self::seed_address(from) } else { from });
        }
        if self.config.answer_all {
            self.answer(now, id);
        } else if self.config.allow_unsealed {
            self.only_hear(now, id);
        }
        Some(id)
    }

    /// A voicetui that is no peer says something of a call.
    pub(super) fn knock_call(&mut self, now: Instant, via: Via, said: &Said<'_>, bytes: usize) -> Option<PeerId> {
        let from = via.from;
        match said.word? {
            CallWord::Calling => {}
            // It believes in a call that we know nothing of: we hung up unheard, or were restarted.
            CallWord::Live | CallWord::Ringing => {
                self.reply(via, CallWord::Ended, said.theirs, bytes);
                return None;
            }
            CallWord::Declined | CallWord::Busy | CallWord::Ended => return None,
        }
        if self.is_blocked(via) {
            self.reply(via, CallWord::Declined, said.theirs, bytes);
            return None;
        }
        let key = via.session.and_then(|session| self.sessions.peer_key(session));
        let caller = key.map_or(Caller::Place(from.ip(), Some(from.port())), Caller::Key);
        match self.strangers.knock_call(now, caller, said.theirs) {
            // One datagram alone may be forged, but not out of a session.
            Knock::Counted if via.session.is_none() => return None,
            Knock::Hushed(hush) => {
                if hush.word != CallWord::Busy || self.is_known(via) {
                    self.reply(via, hush.word, said.theirs, bytes);
                }
                return None;
            }
            Knock::Rings | Knock::Counted => {}
        }
        let format = if via.session.is_some() { Format::Sealed } else { Format::Rtp };
        let Some(id) = self.ring(now, via, format).or_else(|| self.ring_unseen(now, via, format)) else {
            let hush = Hush { word: CallWord::Busy, leg: said.theirs };
            self.strangers.hush(now, caller, hush, Quiet::For(BUSY_HUSH));
            if self.is_known(via) {
                self.reply(via, CallWord::Busy, said.theirs, bytes);
            }
            return None;
        };
        if let Some(peer) = self.peer_mut(id) {
            peer.remote = Some(from);
            peer.is_vtui = true;
        }
        Some(id)
    }

    fn is_ringing(&self, fits: impl Fn(&Peer) -> bool) -> usize {
        self.all().filter(|peer| peer.state == CallState::Ringing && fits(peer)).count()
    }

    /// A caller that the user knows.
    fn is_friend(&self, peer: &Peer) -> bool {
        peer.sealing.key.is_some_and(|key| self.config.known.welcome(&key).is_some())
    }

    /// Whether one stranger more may ring, seen or not: it depends on other strangers alone.
    fn is_quiet(&self) -> bool {
        self.is_ringing(|peer| !self.is_friend(peer)) < RINGS_MAX
    }

    /// Whether there is room for one more to ring: strangers take none from those who are known.
    fn may_ring(&mut self, now: Instant, is_friend: bool) -> bool {
        let rings = &mut self.rings[usize::from(is_friend)];
        while rings.front().is_some_and(|at| now.saturating_duration_since(*at) > RINGS_SPAN) {
            rings.pop_front();
        }
        let is_seldom = rings.len() < RINGS_IN_SPAN;
        let fits = |peer: &Peer| !peer.id.is_unseen() && (!is_friend || self.is_friend(peer));
        is_seldom && self.is_ringing(fits) < RINGS_MAX && (is_friend || self.is_quiet())
    }

    /// Takes a slot and rings. `None`: busy.
    fn ring(&mut self, now: Instant, via: Via, format: Format) -> Option<PeerId> {
        let from = via.from;
        let is_friend = self.is_known(via);
        let id = if self.may_ring(now, is_friend) { self.take_slot(now, from.to_string(), format, true) } else { None };
        let Some(id) = id else {
            let pause = self.last_refused.is_none_or(|last| now.saturating_duration_since(last) >= REFUSED_PAUSE);
            if pause {
                self.last_refused = Some(now);
                self.tell(Event::Missed { address: from.to_string() });
            }
            return None;
        };
        self.rings[usize::from(is_friend)].push_back(now);
        self.begin_ringing(now, id, via);
        Some(id)
    }

    /// A stranger for whom there is no room: to it everything is as if it rang.
    fn ring_unseen(&mut self, now: Instant, via: Via, format: Format) -> Option<PeerId> {
        if self.is_known(via) || !self.is_quiet() {
            return None;
        }
        let id = self.take_slot_of(now, PeerId::unseen(), via.from.to_string(), format, true)?;
        self.begin_ringing(now, id, via);
        Some(id)
    }

    fn begin_ringing(&mut self, now: Instant, id: PeerId, via: Via) {
        if let Some(peer) = self.peer_mut(id) {
            peer.leg.word = CallWord::Ringing;
        }
        if let Some(session) = via.session {
            self.adopt(id, session);
        }
        self.set_state(now, id, CallState::Ringing);
    }

    /// The user calls whoever rang unseen: that is forgotten, and the call is a call like any other.
    pub(super) fn forget_unseen(&mut self, text: &str, remote: Option<SocketAddr>) {
        for id in PeerId::unseen() {
            if self.peer(id).is_some_and(|peer| peer.address == text || remote.is_some_and(|remote| peer.is_at(remote))) {
                self.close_session(id);
                self.peers[id.slot()] = None;
            }
        }
    }

    /// One word to somebody with whom there is no call, no longer than what came.
    fn reply(&mut self, via: Via, word: CallWord, theirs: u32, limit: usize) {
        if theirs == 0 {
            return;
        }
        let mut out = [0; CONTROL_MAX + OVERHEAD];
        let len = self.author.reply(self.ssrc, word, theirs, limit, &mut out[..CONTROL_MAX]);
        let sealed = via.session.map(|session| self.sessions.seal_control(session, &mut out, len));
        if let Some((to, len)) = sealed.unwrap_or(Some((via.from, len))).filter(|_| len > 0) {
            self.outbox.push(to, &out[..len]);
        }
    }

    /// Whether `ssrc` is ours, come back or taken by somebody else (RFC 3550, 8.2). Then the datagram is nobody's.
    pub(super) fn is_own(&mut self, now: Instant, from: SocketAddr, ssrc: Ssrc, time: Option<RtpTime>) -> bool {
        let Some(owner) = self.all().find(|peer| peer.ssrc == ssrc) else { return false };
        let id = owner.id;
        let is_near = |time: RtpTime| owner.sent.last.is_some_and(|(last, _)| time.since(last).unsigned_abs() <= LOOP_TICKS);
        let is_loop = time.is_some_and(is_near);
        let may_change = owner.ssrc_changed.is_none_or(|at| now.saturating_duration_since(at) > SSRC_PAUSE);
        if is_loop || !owner.is_open() || !owner.is_at(from) || !may_change {
            self.net.looped += 1;
            return true;
        }
        // A collision with the peer itself: ours changes, the old one says BYE.
        self.send_bye(now, id);
        let fresh = Ssrc(self.rng.random());
        if let Some(peer) = self.peer_mut(id) {
            peer.ssrc = fresh;
            peer.ssrc_changed = Some(now);
        }
        self.tell_plan(id);
        true
    }
}
