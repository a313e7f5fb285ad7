//! RTCP as it comes: reports, names, byes, and what a voicetui says of the call.

use std::time::{Duration, Instant};

use super::Downlink;
use super::adapt::{Bounds, Heard};
use super::peer::{BYE_STANDS, Peer, Via};
use super::said::{Gathered, Said};
use crate::call::event::Event;
use crate::call::plan::Resend;
use crate::call::state::{CallState, Reason};
use crate::units::{PeerId, SAMPLE_RATE, Ssrc};
use crate::wire::app::CallWord;
use crate::wire::printable;
use crate::wire::rtcp::{Compound, Item, Nack, ReportBlock, ntp_middle, round_trip};
use crate::wire::xr::Block;

/// News is answered at once, but not more often than this.
const ANSWER_PAUSE: Duration = Duration::from_millis(50);
/// Names that one peer may give itself in one call.
const NAMES_MAX: u8 = 8;

impl Downlink {
    /// One compound of `bytes` bytes.
    pub(super) fn handle_rtcp(&mut self, now: Instant, via: Via, compound: Compound<'_>, bytes: usize) {
        let from = via.from;
        let all = Gathered::from(compound);
        if all.cname == Some(self.author.cname.as_bytes()) {
            self.own_control(now, all.ssrc);
            return;
        }
        if via.session.is_none() && all.ssrc.is_some_and(|ssrc| self.is_own(now, from, ssrc, None)) {
            return;
        }
        let known = self.control_from(via, &all);
        let id = match (known, &all.vtui) {
            (Some(id), _) => id,
            (None, Some(said)) => match self.knock_call(now, via, said, bytes) {
                Some(id) => id,
                None => return self.net.dropped_stranger += 1,
            },
            // RTCP alone rings nobody.
            (None, None) => return self.net.dropped_stranger += 1,
        };
        if let Some(peer) = self.peer_mut(id) {
            peer.allowance = bytes;
        }
        if let Some(said) = &all.vtui {
            self.handle_said(now, id, via, said);
            if let Some(peer) = self.peer_mut(id) {
                peer.their_ssrc = all.ssrc;
            }
        }
        let open = self.peer(id).is_some_and(|peer| peer.is_open() || (via.session.is_some() && peer.state == CallState::Calling));
        if open {
            self.heard(now, id, from);
            self.take_reports(now, id, via, compound);
        } else if let Some(peer) = self.peer_mut(id).filter(|peer| peer.state == CallState::Ringing) {
            peer.last_heard = now;
        }
        if let Some(name) = all.vtui.and_then(|said| said.name.map(str::as_bytes)).or(all.name) {
            self.take_name(id, name);
        }
        self.answer_control(now, id, all.vtui.is_some());
        self.handle_timeout(now);
    }

    /// Our own control message came back: we called ourselves by a roundabout way.
    fn own_control(&mut self, now: Instant, ssrc: Option<Ssrc>) {
        self.net.looped += 1;
        let ours = |peer: &&Peer| Some(peer.ssrc) == ssrc && peer.is_open() && !peer.incoming && !peer.answered;
        let Some((id, address)) = self.all().find(ours).map(|peer| (peer.id, peer.address.clone())) else { return };
        self.tell(Event::Problem(format!("{address} is this program itself: type another peer's address.")));
        self.end(now, id, Reason::Unreachable);
    }

    /// The peer that a compound is from. A voicetui is at one port, or names our side of the call; anybody else is known by machine.
    fn control_from(&self, via: Via, all: &Gathered<'_>) -> Option<PeerId> {
        let from = via.from;
        let Some(said) = &all.vtui else { return self.media_from(via, all.ssrc) };
        let names_us = |peer: &&Peer| said.ours != 0 && said.ours == peer.leg.ours;
        let is_at = |peer: &&Peer| peer.takes(via) && (via.session.is_some() || peer.is_at(from));
        let alive = || self.all().filter(|peer| !peer.is_ended() && peer.takes(via));
        let exact = alive().find(is_at);
        // A called voicetui behind a NAT answers from another port of that machine; its answer names our call.
        let by_leg = || alive().find(|peer| names_us(peer) && peer.is_of(from.ip()));
        // Who ended is told so until it says so too.
        let ended = || self.all().find(|peer| peer.is_ended() && is_at(peer) && same_call(peer, said));
        exact.or_else(by_leg).or_else(ended).map(|peer| peer.id)
    }

    /// What a voicetui says of itself and of the call. See the module's top for what is believed.
    fn handle_said(&mut self, now: Instant, id: PeerId, via: Via, said: &Said<'_>) {
        let from = via.from;
        if via.session.is_some() {
            self.take_echoes(now, id, via, said);
        }
        let Some(peer) = self.peer_mut(id) else { return };
        let is_stale = said.ours != 0 && said.ours != peer.leg.ours;
        let names_us = said.ours == peer.leg.ours;
        if is_stale && !matches!(said.word, Some(CallWord::Calling)) {
            return;
        }
        peer.is_vtui = true;
        let before = (peer.leg.caps, peer.leg.their_word, peer.leg.theirs);
        peer.leg.theirs = if said.theirs == 0 { peer.leg.theirs } else { said.theirs };
        peer.leg.their_word = said.word.or(peer.leg.their_word);
        peer.leg.echoed = said.echo.filter(|_| names_us).or(peer.leg.echoed);
        peer.leg.caps = said.caps.unwrap_or(peer.leg.caps);
        peer.capture_delay_ms = said.capture_delay_ms.or(peer.capture_delay_ms);
        peer.processing_delay_ms = said.processing_delay_ms.or(peer.processing_delay_ms);
        peer.playout_delay_ms = said.playout_delay_ms.or(peer.playout_delay_ms);
        let records = said.recording.filter(|on| via.session.is_some() && peer.is_open() && *on != peer.records);
        peer.records = records.unwrap_or(peer.records);
        let news = before != (peer.leg.caps, peer.leg.their_word, peer.leg.theirs);
        if news && peer.report_at.is_some() {
            // Told at once that it was heard, but no news brings more than so many answers a second.
            peer.report_at = Some(now.max(peer.reported + ANSWER_PAUSE));
        }
        let follows = via.session.is_none() && peer.incoming && peer.remote != Some(from) && names_us && peer.is_open();
        let caps_changed = before.0 != peer.leg.caps;
        if follows {
            // A caller behind a NAT that gave it another port, and that names our side of the call.
            self.move_to(id, from);
        } else if caps_changed {
            self.tell_plan(id);
        }
        if let Some(on) = records {
            self.tell(Event::Recording { id, on });
        }
        if let Some(word) = said.word {
            self.handle_word(now, id, word, names_us);
        }
        if let Some(measure) = said.measure.filter(|_| via.session.is_some() && names_us) {
            self.take_measure(now, id, measure);
        }
    }

    fn handle_word(&mut self, now: Instant, id: PeerId, word: CallWord, names_us: bool) {
        let is_answered = self.is_answered(id);
        let Some(peer) = self.peer_mut(id) else { return };
        match (word, peer.state) {
            (CallWord::Calling, CallState::Ringing) if is_answered => {
                self.answer(now, id);
            }
            // Crossed calls, or a caller that was restarted: this side has called or accepted it.
            (CallWord::Calling, CallState::Live | CallState::RingingThere) => self.agree(now, id),
            (CallWord::Calling, CallState::Calling) if peer.sealing.key.is_some() => self.agree(now, id),
            (CallWord::Ringing, CallState::Calling) if names_us => self.set_state(now, id, CallState::RingingThere),
            (CallWord::Ringing, CallState::Live) if names_us && !peer.incoming && peer.leg.word == CallWord::Calling => {
                self.set_state(now, id, CallState::RingingThere);
            }
            (CallWord::Live, CallState::Live | CallState::RingingThere | CallState::Calling) if names_us => self.agree(now, id),
            (CallWord::Ended, CallState::Ringing) => self.end(now, id, Reason::Missed),
            (CallWord::Ended, _) if names_us => self.end(now, id, Reason::PeerHungUp),
            (CallWord::Declined, _) if names_us => self.end(now, id, Reason::Declined),
            (CallWord::Busy, _) if names_us => self.end(now, id, Reason::Busy),
            _ => {}
        }
    }

    /// Both sides have said that there is a call. A sealed one, which had to wait for it, is heard and spoken from now on.
    fn agree(&mut self, now: Instant, id: PeerId) {
        let Some(peer) = self.peer_mut(id) else { return };
        peer.leg.word = CallWord::Live;
        if peer.playing {
            self.set_state(now, id, CallState::Live);
        } else {
            self.open(now, id);
        }
    }

    /// A word for a word: who is not accepted, or ended, is answered here, never with more than it said.
    fn answer_control(&mut self, now: Instant, id: PeerId, is_vtui: bool) {
        let Some(peer) = self.peer_mut(id) else { return };
        if !is_vtui || peer.is_open() || peer.state == CallState::Calling {
            return;
        }
        let both_ended = peer.is_ended() && peer.leg.their_word == Some(CallWord::Ended) && peer.leg.echoed == Some(peer.leg.word);
        if !both_ended {
            // Whoever it was accepted from, a question from a spoofed address brings no more than it cost.
            let room = std::mem::take(&mut peer.allowance);
            self.send_within(now, id, room);
        }
    }

    fn take_name(&mut self, id: PeerId, name: &[u8]) {
        let name = printable(name);
        let is_new = |peer: &&mut Peer| peer.name != name && !name.is_empty() && peer.names < NAMES_MAX;
        let Some(peer) = self.peer_mut(id).filter(is_new) else { return };
        peer.names += 1;
        peer.name.clone_from(&name);
        self.tell(Event::Name { id, name });
    }

    /// Reports and byes of an open peer.
    fn take_reports(&mut self, now: Instant, id: PeerId, via: Via, compound: Compound<'_>) {
        let from = via.from;
        let middle = ntp_middle(self.author.clock.ntp(now));
        let Some(bounds) = self.peer(id).map(|peer| self.bounds(peer)) else { return };
        let Some(peer) = self.peer_mut(id) else { return };
        let was_at = via.session.is_some() || peer.is_at(from);
        if !peer.is_vtui && peer.remote != Some(from) {
            peer.rtcp_from = Some(from);
        }
        let mut missed = None;
        for item in compound {
            match item {
                Item::SenderReport(report) => {
                    if let Some(source) = peer.media.source_mut(report.ssrc) {
                        source.handle_report(now, report.ntp);
                    }
                    report.blocks.for_each(|block| take_block(now, peer, &bounds, &block, middle));
                }
                Item::ReceiverReport(report) => report.blocks.for_each(|block| take_block(now, peer, &bounds, &block, middle)),
                Item::Xr(xr) => xr.blocks.for_each(|block| take_extended(now, peer, &bounds, xr.ssrc, block, middle)),
                Item::Bye(bye) => bye.ssrcs().for_each(|ssrc| take_bye(now, peer, ssrc, was_at)),
                Item::Nack(nack) => missed = take_nack(now, peer, &nack).or(missed),
                _ => {}
            }
        }
        if peer.chosen.is_some_and(|chosen| chosen != peer.armour.choice(&bounds)) {
            self.tell_plan(id);
        }
        if let Some(missed) = missed {
            self.tell(Event::Resend(id, missed));
        }
    }
}

/// Whether a statement is about the call that this ended peer had.
fn same_call(peer: &Peer, said: &Said<'_>) -> bool {
    said.ours == peer.leg.ours || (said.ours == 0 && said.theirs != 0 && said.theirs == peer.leg.theirs)
}

/// What the peer says of our stream.
fn take_block(now: Instant, peer: &mut Peer, bounds: &Bounds, block: &ReportBlock, now_middle: u32) {
    if block.ssrc != peer.ssrc {
        return;
    }
    let rtt = take_round_trip(peer, block, now_middle);
    let percent = f32::from(block.fraction_lost) * 100.0 / 256.0;
    peer.heard_lost_percent = Some(percent);
    let heard = Heard {
        highest_seq: block.highest_seq,
        cumulative_lost: block.cumulative_lost,
        jitter_ms: block.jitter as f32 * 1_000.0 / SAMPLE_RATE as f32,
        rtt_ms: rtt,
        sent: (peer.sent.total_packets, peer.sent.total_bytes),
    };
    peer.armour.handle_report(now, &heard, bounds);
}

/// What the peer asks for again: a voicetui in the call, by its own name, of our own stream.
fn take_nack(now: Instant, peer: &mut Peer, nack: &Nack<'_>) -> Option<Resend> {
    if !peer.is_vtui || !peer.accepted || nack.media != peer.ssrc || !peer.sends_as(nack.ssrc) {
        return None;
    }
    let missed = Resend::new(nack.lost())?;
    peer.armour.handle_nack(now, &missed);
    Some(missed)
}

fn take_round_trip(peer: &mut Peer, block: &ReportBlock, now_middle: u32) -> Option<f32> {
    let rtt = round_trip(now_middle, block)?.as_secs_f32() * 1_000.0;
    peer.rtt_ms = Some(rtt);
    Some(rtt)
}

/// How our voice is heard in detail, and the round trip without a sender report of ours (RFC 3611, 4.7 and 4.5).
fn take_extended(now: Instant, peer: &mut Peer, bounds: &Bounds, from: Ssrc, block: Block<'_>, now_middle: u32) {
    match block {
        Block::VoipMetrics(metrics) if metrics.ssrc == peer.ssrc => peer.armour.handle_metrics(&metrics, bounds),
        Block::ReceiverTime(ntp) => peer.their_time = Some((from, ntp_middle(ntp), now)),
        Block::Dlrr(answer) if answer.ssrc == peer.ssrc => {
            let block = ReportBlock { last_sr: answer.last_time, delay_since_last_sr: answer.delay, ..ReportBlock::default() };
            take_round_trip(peer, &block, now_middle);
        }
        _ => {}
    }
}

/// A source says goodbye. It ends the call unless another source of the peer goes on; between voicetuis their words decide.
/// Of a peer that has never been heard, only the address it is known at (`was_at`) can say so.
fn take_bye(now: Instant, peer: &mut Peer, ssrc: Ssrc, was_at: bool) {
    let is_heard = peer.media.current().map_or(was_at, |source| source.ssrc == ssrc);
    if let Some(source) = peer.media.source_mut(ssrc) {
        source.bye = true;
    }
    if !peer.is_vtui && is_heard && peer.bye_at.is_none() {
        peer.bye_at = Some(now + BYE_STANDS);
    }
}
