//! One peer's slot: who it is, where it stands, where it is reached, and when something is due.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use super::adapt::{Armour, Choice};
use super::measure::Measuring;
use super::media::Media;
use crate::call::event::PlayoutView;
use crate::call::plan::{SendPlan, SentCounts};
use crate::call::state::CallState;
use crate::session::{PublicKey, SessionId};
use crate::units::{Format, PeerId, Ssrc};
use crate::wire::app::CallWord;
use crate::wire::rtp;

/// Addresses of one name that are tried.
pub(super) const CANDIDATES_MAX: usize = 4;
/// Between voicetuis (RFC 4585 lets feedback be this frequent), and for the first control messages to anybody.
pub(super) const REPORT_INTERVAL: Duration = Duration::from_millis(500);
/// An incoming call that is heard of no more has stopped ringing.
const RING_LAPSE: Duration = Duration::from_secs(5);
/// A voicetui reports every half second: without twenty of them something is wrong.
const QUIET: Duration = Duration::from_secs(10);
/// ... and without 120 it is gone.
const GONE: Duration = Duration::from_secs(60);
/// An open stream that was answered and stopped; a seed script says no goodbye.
const STREAM_GONE: Duration = Duration::from_secs(30);
/// A BYE stands when no other source of the peer speaks this soon: an SSRC collision says BYE too (RFC 3550, 8.2).
pub(super) const BYE_STANDS: Duration = Duration::from_millis(600);
/// Without a sealed answer for this long, the user is asked.
const UNSEALED: Duration = Duration::from_secs(3);
/// A name's next address gets its chance after this long without a sealed answer.
const NEXT_ADDRESS: Duration = Duration::from_secs(2);
/// How long an ended peer stays in its slot, to be seen and to say that it ended.
const LINGER: Duration = Duration::from_secs(8);

/// Why a peer wakes the receiver.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Timer {
    /// RTCP is due.
    Report,
    /// Packets are missing that are worth asking for.
    Asks,
    /// Nobody answered, here or there.
    RingEnds,
    /// The caller is heard of no more.
    RingLapses,
    GoesQuiet,
    TimesOut,
    ByeStands,
    /// Nothing sealed has answered: the user is told.
    NoSeal,
    /// ... and another address of that name may.
    NextAddress,
    /// A measurement has no answer, or nobody asks for it any more.
    MeasureEnds,
    /// The slot becomes free.
    Leaves,
}

impl Timer {
    pub(super) const ALL: [Self; 11] = [
        Self::Report,
        Self::Asks,
        Self::RingEnds,
        Self::RingLapses,
        Self::GoesQuiet,
        Self::TimesOut,
        Self::ByeStands,
        Self::NoSeal,
        Self::NextAddress,
        Self::MeasureEnds,
        Self::Leaves,
    ];
}

/// What both sides have said about the call, and which call each means.
#[derive(Debug)]
pub(super) struct Leg {
    /// Our random number of this call; theirs, 0 until heard.
    pub ours: u32,
    pub theirs: u32,
    /// Where we say we stand.
    pub word: CallWord,
    pub their_word: Option<CallWord>,
    /// Our word as they last echoed it.
    pub echoed: Option<CallWord>,
    pub caps: u32,
}

/// By which way a datagram came: in the open from an address, or out of a session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Via {
    pub from: SocketAddr,
    pub session: Option<SessionId>,
}

impl Via {
    /// Where its media are from: a session's are its own, wherever the peer is.
    pub(super) fn source(&self) -> SocketAddr {
        if self.session.is_some() { SocketAddr::from(([0; 4], 0)) } else { self.from }
    }
}

/// What a sealed call has besides.
#[derive(Debug, Default)]
pub(super) struct Sealing {
    pub session: Option<SessionId>,
    /// Whose it is, once established.
    pub key: Option<PublicKey>,
    /// When an address was called last, and since when any was.
    pub tried: Option<Instant>,
    pub called: Option<Instant>,
    pub said_unsealed: bool,
    /// What we asked the peer to echo, and it asked us; 0 for nothing.
    pub ping: u64,
    pub pong: u64,
}

/// One peer of the call.
#[derive(Debug)]
pub(super) struct Peer {
    pub id: PeerId,
    /// As typed, or IP:port of a caller.
    pub address: String,
    pub incoming: bool,
    pub format: Format,
    pub state: CallState,
    pub entered: Instant,
    /// We called it, or answered it: it may be sent to without having asked, and is heard.
    pub accepted: bool,
    /// A playout was asked for.
    pub playing: bool,
    /// It is heard since whoever streams is (`allow_unsealed`); nobody here has answered it, and nothing of us goes there.
    pub only_heard: bool,
    /// It has spoken our control messages.
    pub is_vtui: bool,
    /// It says that it records the call.
    pub records: bool,
    /// Something has come from where it was called.
    pub answered: bool,
    /// The question that the resolver has.
    pub ticket: Option<u32>,
    pub candidates: Vec<SocketAddr>,
    /// Where media goes.
    pub remote: Option<SocketAddr>,
    /// Where its RTCP comes from, if not from `remote`.
    pub rtcp_from: Option<SocketAddr>,
    pub ssrc: Ssrc,
    /// A voicetui's own, from its reports.
    pub their_ssrc: Option<Ssrc>,
    pub payload_type: u8,
    pub leg: Leg,
    pub sealing: Sealing,
    pub name: String,
    /// How often it changed.
    pub names: u8,
    pub media: Media,
    pub armour: Armour,
    /// How our voice goes to it and why, and as the sender was last told.
    pub chosen: Option<Choice>,
    pub plan: Option<SendPlan>,
    /// Our last report called packets lost.
    pub reported_loss: bool,
    /// Bytes of the last datagram not yet answered: what may be sent to somebody not accepted.
    pub allowance: usize,
    pub last_heard: Instant,
    /// Media in `format` came last then.
    pub format_heard: Instant,
    pub last_sent: Instant,
    pub report_at: Option<Instant>,
    /// When the last one left.
    pub reported: Instant,
    pub reports_sent: u32,
    pub bye_at: Option<Instant>,
    pub said_quiet: bool,
    /// Kinds of send failures already told, one bit each.
    pub told: u8,
    pub ssrc_changed: Option<Instant>,
    pub sent: SentCounts,
    /// Packets sent as of the last report.
    pub sent_reported: u32,
    pub playout: PlayoutView,
    pub rtt_ms: Option<f32>,
    /// The peer's clock (middle 32 bits of NTP) as its source last sent it, and when that came.
    pub their_time: Option<(Ssrc, u32, Instant)>,
    pub capture_delay_ms: Option<f32>,
    /// Part of it.
    pub processing_delay_ms: Option<f32>,
    pub playout_delay_ms: Option<f32>,
    pub heard_lost_percent: Option<f32>,
    pub measuring: Measuring,
}

impl Peer {
    pub(super) fn new(now: Instant, id: PeerId, address: String, format: Format, ssrc: Ssrc, leg: u32) -> Self {
        Self {
            id,
            address,
            incoming: false,
            format,
            state: CallState::Idle,
            entered: now,
            accepted: false,
            playing: false,
            only_heard: false,
            is_vtui: false,
            records: false,
            answered: false,
            ticket: None,
            candidates: Vec::new(),
            remote: None,
            rtcp_from: None,
            ssrc,
            their_ssrc: None,
            payload_type: rtp::OPUS_PT,
            leg: Leg { ours: leg, theirs: 0, word: CallWord::Calling, their_word: None, echoed: None, caps: 0 },
            sealing: Sealing::default(),
            name: String::new(),
            names: 0,
            media: Media::default(),
            armour: Armour::default(),
            chosen: None,
            plan: None,
            reported_loss: false,
            allowance: 0,
            last_heard: now,
            format_heard: now,
            last_sent: now,
            report_at: None,
            reported: now,
            reports_sent: 0,
            bye_at: None,
            said_quiet: false,
            told: 0,
            ssrc_changed: None,
            sent: SentCounts::default(),
            sent_reported: 0,
            playout: PlayoutView::default(),
            rtt_ms: None,
            their_time: None,
            capture_delay_ms: None,
            processing_delay_ms: None,
            playout_delay_ms: None,
            heard_lost_percent: None,
            measuring: Measuring::default(),
        }
    }

    pub(super) fn is_ended(&self) -> bool {
        matches!(self.state, CallState::Ended(_))
    }

    /// Called or live: what comes from it is heard, and it is sent to.
    pub(super) fn is_open(&self) -> bool {
        matches!(self.state, CallState::Live | CallState::RingingThere)
    }

    /// Whether what came `via` can be this peer's: a sealed call takes nothing in the open.
    pub(super) fn takes(&self, via: Via) -> bool {
        self.sealing.session == via.session && (via.session.is_some() || self.format != Format::Sealed)
    }

    /// Called with the sealed format, and nobody has answered yet.
    pub(super) fn is_unsealed(&self) -> bool {
        self.format == Format::Sealed && self.sealing.key.is_none() && self.state == CallState::Calling
    }

    /// Whether `from` is an address this peer is known by, port and all.
    pub(super) fn is_at(&self, from: SocketAddr) -> bool {
        self.remote == Some(from) || self.rtcp_from == Some(from) || self.candidates.contains(&from) || self.media.is_from(from)
    }

    /// Whether the peer said, in its control messages, that this is its SSRC.
    pub(super) fn sends_as(&self, ssrc: Ssrc) -> bool {
        self.their_ssrc == Some(ssrc)
    }

    /// Whether this peer is known by an address of that machine.
    pub(super) fn is_of(&self, ip: IpAddr) -> bool {
        self.remote.is_some_and(|remote| remote.ip() == ip) || self.candidates.iter().any(|other| other.ip() == ip)
    }

    /// Whether this peer is that machine, and open to any port of it: open senders use ephemeral ones, and RTCP the next. A
    /// voicetui has one port; another one there is another program.
    pub(super) fn is_anywhere_at(&self, ip: IpAddr) -> bool {
        !self.is_vtui && self.is_of(ip)
    }

    /// When `timer` is due.
    pub(super) fn due(&self, timer: Timer, ring_timeout: Duration) -> Option<Instant> {
        let is_ringing = self.state == CallState::Ringing;
        match timer {
            Timer::Report => self.report_at,
            Timer::Asks => self.media.wants.next_ask().filter(|_| self.is_open()),
            Timer::RingEnds => {
                let calls = self.format == Format::Sealed && self.sealing.called.is_some() && self.state == CallState::Calling;
                (is_ringing || calls || self.state == CallState::RingingThere).then(|| self.entered + ring_timeout)
            }
            Timer::RingLapses => is_ringing.then(|| self.last_heard + RING_LAPSE),
            Timer::GoesQuiet => (self.is_vtui && self.is_open() && !self.said_quiet).then(|| self.last_heard + QUIET),
            Timer::TimesOut if !self.is_open() => None,
            Timer::TimesOut if self.is_vtui => Some(self.last_heard + GONE),
            // While we talk to it, it is not over: it may only be listening.
            Timer::TimesOut => self.incoming.then(|| self.last_heard.max(self.last_sent) + STREAM_GONE),
            Timer::ByeStands => self.bye_at.filter(|_| self.is_open()),
            Timer::NoSeal if self.is_unsealed() && !self.sealing.said_unsealed => self.sealing.called.map(|at| at + UNSEALED),
            Timer::NextAddress if self.is_unsealed() && self.candidates.len() > 1 => self.sealing.tried.map(|at| at + NEXT_ADDRESS),
            Timer::NoSeal | Timer::NextAddress => None,
            Timer::MeasureEnds => self.measuring.due(),
            Timer::Leaves => self.is_ended().then(|| self.entered + LINGER),
        }
    }

    /// The earliest of all its timers.
    pub(super) fn next_due(&self, ring_timeout: Duration) -> Option<Instant> {
        Timer::ALL.into_iter().filter_map(|timer| self.due(timer, ring_timeout)).min()
    }
}
