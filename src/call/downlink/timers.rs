//! What is done when its time has come: reports, farewells, rings that end, peers that fell silent.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rand::RngExt;

use super::Downlink;
use super::peer::{Peer, REPORT_INTERVAL, Timer};
use super::report::{CONTROL_MAX, CONTROL_ROOM, foreign_interval};
use crate::call::event::Event;
use crate::call::state::{CallState, Reason};
use crate::session::keys::OVERHEAD;
use crate::units::PeerId;
use crate::wire::app::CallWord;
use crate::wire::rtcp::Writer;

/// The first reports of a call come closer together, so that it rings there soon: ms until the next.
const FIRST_REPORTS_MS: [u64; 3] = [100, 200, 200];
/// For this many reports nobody knows whether the other side is a voicetui.
const UNKNOWN_REPORTS: u32 = 20;
/// Farewells to who does not echo them.
const FAREWELLS: u32 = 6;

impl Downlink {
    /// Does what is due at `now`.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.sessions.handle_timeout(now);
        self.take_session_events(now);
        self.recorder.forget(now);
        self.tend_measuring(now);
        for id in PeerId::all().chain(PeerId::unseen()) {
            if let Some(peer) = self.peers[id.slot()].as_deref().filter(|peer| peer.playing) {
                self.recorder.view(now, id, peer.playout, peer.rtt_ms);
            }
            for timer in Timer::ALL {
                let due = self.peer(id).and_then(|peer| peer.due(timer, self.config.ring_timeout));
                if due.is_some_and(|due| due <= now) {
                    self.fire(now, id, timer);
                }
            }
        }
    }

    fn fire(&mut self, now: Instant, id: PeerId, timer: Timer) {
        let Some(peer) = self.peer_mut(id) else { return };
        match timer {
            Timer::Report => {
                self.send_control(now, id);
                self.schedule(now, id);
            }
            Timer::Asks => self.ask_again(now, id),
            Timer::RingEnds if peer.state == CallState::Ringing => self.end(now, id, Reason::Missed),
            Timer::RingEnds => self.end(now, id, Reason::NoAnswer),
            Timer::RingLapses => self.end(now, id, Reason::Missed),
            Timer::GoesQuiet => {
                peer.said_quiet = true;
                let text = format!("{} has gone quiet: nothing came for 10 seconds.", peer.address);
                self.tell(Event::Info(text));
            }
            Timer::TimesOut => self.end(now, id, Reason::TimedOut),
            Timer::ByeStands => self.end(now, id, Reason::PeerHungUp),
            Timer::NoSeal => self.say_unsealed(id),
            Timer::NextAddress => self.try_next_address(now, id),
            Timer::MeasureEnds => self.tend_measuring(now),
            Timer::Leaves => {
                self.close_session(id);
                self.peers[id.slot()] = None;
                self.tell(Event::Gone { id });
            }
        }
    }

    /// When the next report is due, after one was sent.
    fn schedule(&mut self, now: Instant, id: PeerId) {
        let spread = self.rng.random();
        let Some(peer) = self.peer_mut(id) else { return };
        let sent = peer.reports_sent;
        peer.reports_sent = sent.saturating_add(1);
        // Between voicetuis until it is heard; the standard's BYE is said once, and once more for the road.
        let most = if peer.is_vtui || !peer.answered { FAREWELLS } else { 2 };
        let wait = if peer.is_ended() {
            let heard = peer.leg.their_word == Some(CallWord::Ended) || peer.leg.echoed == Some(peer.leg.word);
            (peer.reports_sent < most && !heard).then_some(REPORT_INTERVAL)
        } else if peer.is_vtui {
            Some(REPORT_INTERVAL)
        } else if let Some(ms) = FIRST_REPORTS_MS.get(sent as usize) {
            Some(Duration::from_millis(*ms))
        } else if sent < UNKNOWN_REPORTS && !peer.answered {
            Some(REPORT_INTERVAL)
        } else {
            Some(foreign_interval(spread))
        };
        peer.report_at = wait.map(|wait| now + wait);
    }

    /// Tells the peer all there is to tell: to each of its addresses until one has answered. Who was not accepted gets one
    /// datagram for one of its own, and no longer one.
    pub(super) fn send_control(&mut self, now: Instant, id: PeerId) {
        let Some(peer) = self.peer_mut(id) else { return };
        let room = if peer.accepted { CONTROL_ROOM } else { std::mem::take(&mut peer.allowance) };
        self.send_within(now, id, room);
    }

    /// The same in `room` bytes at most.
    pub(super) fn send_within(&mut self, now: Instant, id: PeerId, room: usize) {
        let Some(peer) = self.peers[id.slot()].as_deref_mut() else { return };
        let mut out = [0; CONTROL_MAX + OVERHEAD];
        let len = self.author.compose(peer, now, &mut out[..room.min(CONTROL_ROOM)]);
        if len > 0 {
            self.push_control(id, &mut out, len);
        }
    }

    /// BYE for the SSRC that we are about to give up (RFC 3550, 8.2).
    pub(super) fn send_bye(&mut self, now: Instant, id: PeerId) {
        let _ = now;
        let Some(peer) = self.peers[id.slot()].as_deref() else { return };
        let mut out = [0; CONTROL_MAX + OVERHEAD];
        let mut writer = Writer::new(&mut out[..CONTROL_ROOM]);
        let wrote = writer
            .receiver_report(peer.ssrc, &[])
            .and_then(|()| writer.sdes(peer.ssrc, &self.author.cname, None))
            .and_then(|()| writer.bye(peer.ssrc, None));
        let len = writer.finish();
        if wrote.is_ok() {
            self.push_control(id, &mut out, len);
        }
    }
}

/// Where control goes: where the peer's own comes from, else where it is called.
pub(super) fn addresses(peer: &Peer) -> Vec<SocketAddr> {
    if peer.answered || peer.candidates.len() < 2 {
        return peer.rtcp_from.or(peer.remote).into_iter().collect();
    }
    peer.candidates.clone()
}
