//! A call that never was: peers, numbers and voices for the screen's tests.

use std::time::{Duration, Instant};

use crate::engine::wave::{Column, Mark, Wave};
use crate::engine::{
    CallState, Controls, Meters, Minute, Notice, PeerSnapshot, PublicKey, Sealed, SendReason, Sending, Snapshot, Stack, Why,
};
use crate::ui::app::App;
use crate::units::{Format, Level, PeerId};

pub fn id(slot: usize) -> PeerId {
    PeerId::new(slot).expect("a slot")
}

/// A peer in a good call.
pub fn peer(slot: usize) -> PeerSnapshot {
    PeerSnapshot {
        id: id(slot),
        state: CallState::Live,
        in_state: Duration::from_secs(133),
        format: Format::Rtp,
        sent_packets: 12_345,
        sent_bytes: 1_481_400,
        received_packets: 12_301,
        received_bytes: 1_476_120,
        lost_packets: 25,
        late_packets: 3,
        duplicate_packets: 1,
        reordered_packets: 4,
        played_packets: 12_298,
        repaired_packets: 17,
        voice_samples: 4_800_000,
        concealed_samples: 9_600,
        stretched_samples: 480,
        jitter_ms: Some(1.24),
        rtt_ms: Some(3.4),
        playout_delay_ms: Some(12.3),
        playout_target_ms: Some(14.0),
        playout_why: Some(Why::Repair),
        drift_ppm: Some(32.0),
        heard_lost_percent: Some(0.2),
        heard_delay_ms: Some(38.2),
        is_quiet: false,
        sending: Some(Sending { bitrate: 48_000, frame_ms: 10, copies: 2, spacing: 1, reason: SendReason::Loss }),
        r_factor: Some(91.6),
        mos_lq: Some(4.39),
        minute: Minute::default(),
        stack: Stack {
            microphone: Some(5.1),
            processing: 0.0,
            frame: Some(16.5),
            network: Some(1.7),
            playout: Some(12.3),
            card: Some(5.0),
        },
        level: Level(-14.0),
        speaking: true,
        volume: 100,
        muted: false,
    }
}

/// Nobody, nothing, silence.
pub fn idle() -> Snapshot {
    Snapshot::take(&Meters::default(), &Controls::default(), Instant::now())
}

/// In a call with these peers.
pub fn call(peers: Vec<PeerSnapshot>) -> Snapshot {
    Snapshot { mic_running: true, out_running: true, block_samples: Some(240.0), mic_level: Level(-18.0), peers, ..idle() }
}

/// What sounds like words, as a waveform; with `troubles` some of it was repaired, made up and lost.
pub fn speak(wave: &Wave, columns: usize, troubles: bool) {
    for n in 0..columns {
        let t = n as f32 / 100.0;
        let word = (t * 2.3).sin().abs() * (t * 0.7 + 0.5).sin().abs();
        let syllable = 0.35 + 0.65 * (t * 21.0).sin().abs();
        let amplitude = if word < 0.18 { 0.004 } else { 0.75 * word * syllable };
        let mark = match n % 331 {
            _ if word < 0.18 => Mark::Idle,
            90..98 if troubles => Mark::Nack,
            120..128 if troubles => Mark::Red,
            140..148 if troubles => Mark::Lbrr,
            160..176 if troubles => Mark::Concealed,
            184..192 if troubles => Mark::Late,
            200..204 if troubles => Mark::Lost,
            _ => Mark::Played,
        };
        wave.push(Column { min: -amplitude * (0.8 + 0.2 * (t * 9.0).cos()), max: amplitude, mark });
    }
}

/// A sealed session with a peer that is known as `name`, or not at all.
pub fn sealed(known_as: Option<&str>, verified: bool) -> Sealed {
    let known_as = known_as.map(str::to_owned);
    Sealed { key: PublicKey([7; 32]), sas: 0x0AB_CDEF_0123, known_as, verified, connect: false, in_place_of: None }
}

/// Introduces the peers of a snapshot to the app.
pub fn introduce(app: &mut App, snapshot: &Snapshot, names: &[(&str, &str)]) {
    for (peer, (name, address)) in snapshot.peers.iter().zip(names) {
        let (id, incoming) = (peer.id, peer.state == CallState::Ringing);
        let address = (*address).to_string();
        app.handle_notice(Notice::Peer { id, address, format: peer.format, incoming }, snapshot.now);
        if !name.is_empty() {
            app.handle_notice(Notice::Name { id, name: (*name).into() }, snapshot.now);
        }
    }
}
