//! What a [`super::Downlink`] tells its thread, and the measurements that go either way. Plain values.

use std::net::SocketAddr;

use super::measure::Order;
use super::plan::{Resend, SendPlan};
use super::quality::Rating;
use super::state::CallState;
use crate::session::PublicKey;
use crate::units::{Format, PeerId};

/// Drain with [`super::Downlink::poll_event`] after every call into the downlink.
#[derive(Clone, PartialEq, Debug)]
pub enum Event {
    /// A slot is taken. `address`: as typed, or the caller's IP:port. Comes before anything else about `id`.
    Peer {
        id: PeerId,
        address: String,
        format: Format,
        incoming: bool,
    },
    /// Look `host` up and bring the answer to [`super::Downlink::handle_resolved`] with this `ticket`.
    Resolve {
        ticket: u32,
        host: String,
        port: u16,
    },
    /// Where this peer is now sent to.
    Remote {
        id: PeerId,
        remote: SocketAddr,
    },
    /// A call that was to be sealed is not answered so. `met`: the peer was met sealed before.
    Unsealed {
        id: PeerId,
        met: bool,
    },
    /// The call to `address` was refused: it shows another key than the pinned one.
    KeyChanged {
        address: String,
        pinned: PublicKey,
        shown: PublicKey,
        /// The pinned key had been verified.
        verified: bool,
    },
    State {
        id: PeerId,
        state: CallState,
    },
    /// The name the peer gives itself, control characters stripped.
    Name {
        id: PeerId,
        name: String,
    },
    /// The format turned out to be another than the one the peer started with.
    Format {
        id: PeerId,
        format: Format,
    },
    /// The call is sealed: with whom, and the 44 bits of the words that both sides see. Once more for the same peer: it
    /// began anew, with words of its own.
    Sealed {
        id: PeerId,
        key: PublicKey,
        sas: u64,
    },
    /// For [`super::Uplink::handle_plan`]: `None` means send nothing there any more.
    Plan(PeerId, Option<SendPlan>),
    /// For [`super::Uplink::handle_nack`]: the peer misses these. Worth doing at once or not at all.
    Resend(PeerId, Resend),
    /// Packets of this peer will come (and the microphone may run): make its playout.
    PlayoutOpen(PeerId),
    /// No packet will come any more: take its playout away.
    PlayoutClose(PeerId),
    /// A peer of a sealed call says that it records, or no longer does.
    Recording {
        id: PeerId,
        on: bool,
    },
    /// The slot is free again.
    Gone {
        id: PeerId,
    },
    /// For the probe on the sender's thread: `None` means measure no more.
    Measure {
        id: PeerId,
        order: Option<Order>,
    },
    /// The delay is not measured, though it was asked for; one whole sentence.
    MeasureFailed {
        sentence: String,
    },
    /// Somebody called and was not answered; the shell stamps the time.
    Missed {
        address: String,
    },
    /// Something worth knowing, one whole sentence.
    Info(String),
    /// Something failed, one whole sentence.
    Problem(String),
}

impl Event {
    /// Whose slot it is about.
    #[must_use]
    pub fn peer(&self) -> Option<PeerId> {
        match self {
            Self::Peer { id, .. }
            | Self::Remote { id, .. }
            | Self::Unsealed { id, .. }
            | Self::State { id, .. }
            | Self::Name { id, .. }
            | Self::Format { id, .. }
            | Self::Sealed { id, .. }
            | Self::Recording { id, .. }
            | Self::Plan(id, _)
            | Self::Resend(id, _)
            | Self::PlayoutOpen(id)
            | Self::PlayoutClose(id)
            | Self::Measure { id, .. }
            | Self::Gone { id } => Some(*id),
            Self::Resolve { .. }
            | Self::KeyChanged { .. }
            | Self::Missed { .. }
            | Self::MeasureFailed { .. }
            | Self::Info(_)
            | Self::Problem(_) => None,
        }
    }
}

/// Why the socket would not send; all are hints, none ends a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SendFailure {
    /// ENETUNREACH, EHOSTUNREACH: no way there now.
    NoRoute,
    /// EPERM, EACCES: a firewall here forbids it.
    Forbidden,
    /// ECONNREFUSED: nobody listens on that port (ICMP).
    Refused,
    /// EAFNOSUPPORT and the like: this socket cannot speak that family (IPv6 switched off).
    Family,
    /// The socket's buffer is full.
    Busy,
    Other,
}

/// What this side's playout of a peer does now, for the reports to that peer.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct PlayoutView {
    /// From a packet's arrival to the pull of its first sample, ms.
    pub delay_ms: f32,
    pub target_ms: f32,
    /// From the pull to the air, ms; 0 when unknown.
    pub card_ms: f32,
    /// Packets thrown away because they came late, since the peer took its slot.
    pub late_packets: u64,
    /// How good the peer's voice is; `None`: nothing has been heard.
    pub quality: Option<Rating>,
}

/// Why this side's voice travels as it does.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(u8)]
pub enum SendReason {
    /// The peer tells nothing of what it receives (yet).
    #[default]
    Unheard = 0,
    /// All arrives.
    Clean = 1,
    /// Packets get lost one by one.
    Loss = 2,
    /// Packets get lost in bursts.
    Bursts = 3,
    /// The way is too narrow for more.
    Narrow = 4,
    /// Losses have ended; what was done against them is being taken back.
    Easing = 5,
    /// The flow is private: always the same.
    Private = 6,
}

impl SendReason {
    pub const ALL: [Self; 7] = [Self::Unheard, Self::Clean, Self::Loss, Self::Bursts, Self::Narrow, Self::Easing, Self::Private];

    /// For programs, and where there is little room.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Unheard => "unheard",
            Self::Clean => "clean",
            Self::Loss => "loss",
            Self::Bursts => "bursts",
            Self::Narrow => "narrow",
            Self::Easing => "easing",
            Self::Private => "private",
        }
    }
}

/// How this side's voice goes to one peer now.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Sending {
    /// Of the codec, bit/s.
    pub bitrate: u32,
    pub frame_ms: u8,
    /// Earlier frames that travel with each packet again, 0..=4.
    pub copies: u8,
    /// Frames between one copy and the next; 1: the frames just before.
    pub spacing: u8,
    pub reason: SendReason,
}

/// What the receiver thread copies into a peer's meters after each wake-up. `None`: unknown.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Report {
    pub received_packets: u64,
    /// Bytes of UDP payload.
    pub received_bytes: u64,
    /// Expected minus received (RFC 3550, A.3), over all the peer's streams, never below 0.
    pub lost_packets: u64,
    pub reordered_packets: u64,
    /// Interarrival jitter (RFC 3550, 6.4.1), bursts of pre-roll left out.
    pub jitter_ms: Option<f32>,
    pub rtt_ms: Option<f32>,
    /// The peer's microphone delay, as it says itself.
    pub peer_capture_delay_ms: Option<f32>,
    /// What of that is the cleaning of its voice.
    pub peer_processing_delay_ms: Option<f32>,
    /// Frame length plus codec look-ahead of what we hear.
    pub frame_ms: Option<f32>,
    /// Share of our packets the peer's last report calls lost, percent. Unknown: not heard yet.
    pub heard_lost_percent: Option<f32>,
    /// Mouth-to-ear delay of our voice over there, from its reports, ms.
    pub heard_delay_ms: Option<f32>,
    /// It is heard of no more: what it reported last is no news.
    pub is_quiet: bool,
    /// `None`: nothing is sent to this peer.
    pub sending: Option<Sending>,
}

/// What the socket brought apart from any peer; only grows.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct NetCounts {
    pub received_datagrams: u64,
    /// Not in any format we know.
    pub dropped_unknown: u64,
    /// In a known format, but malformed.
    pub dropped_malformed: u64,
    /// Well-formed, from somebody neither called nor accepted.
    pub dropped_stranger: u64,
    /// Our own stream came back.
    pub looped: u64,
}
