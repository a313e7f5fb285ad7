//! A call and its peers: frames to datagrams, datagrams to packets, and where each peer stands. Pure.
//!
//! [`Uplink`] belongs to the sender thread, [`Downlink`] to the receiver thread. They share nothing: the
//! downlink's [`SendPlan`]s go to the uplink, the uplink's [`SentCounts`] come back, both as plain values.

pub mod address;
pub mod clock;
pub mod config;
pub mod downlink;
pub mod event;
pub mod judge;
pub mod measure;
pub mod plan;
pub mod quality;
pub mod recorder;
pub mod state;
pub mod trace;
pub mod uplink;

pub use address::Address;
pub use clock::WallClock;
pub use config::{DownlinkConfig, UplinkConfig};
pub use downlink::{CallError, Consent, Downlink};
pub use event::{Event, NetCounts, PlayoutView, Report, SendFailure, SendReason, Sending};
pub use measure::{Order, Phase, Probe, Side, Summary, Trials};
pub use plan::{Resend, SendPlan, SentCounts};
pub use quality::{Quality, Rating, VoiceCounts};
pub use recorder::Dump;
pub use state::{CallState, Reason};
pub use trace::{Trace, TraceError};
pub use uplink::{Speak, Tuning, Uplink};

pub use crate::session::{Identity, KnownPeers, Local, PublicKey, fingerprint, knock, trust, words};
