//! A snapshot as JSON: what `--json` prints each second and `voicetui ctl stats` answers. Whichever thread asks.
//!
//! Unknown is null. Milliseconds have two decimals, percentages three; counts are whole.

use serde_json::{Map, Value, json};

use super::minute::KINDS;
use super::wave::Mark;
use super::{Holder, PeerSnapshot, Roster, Sealed, Sending, Snapshot, Why};

/// The fields of a `stats` event and what they mean: for the manual and the README.
pub const STATS_FIELDS: &[(&str, &str)] = &[
    ("on_air", "frames of the microphone leave for the network"),
    ("held_by", "who keys the microphone: key, mouse, ctl, open, voice"),
    ("voice_activation", "voice activation is on: it listens, and is on air while it hears a voice"),
    ("voice_score_percent", "how likely the microphone's last 16 ms hold speech; null while it is off"),
    ("voice_sensitivity_percent", "its sensitivity; a score of 100 less that counts as speech"),
    ("voice_hang_ms", "how long it stays on air after the last sound of a voice"),
    ("muted", "the microphone is muted"),
    ("deafened", "nothing is played"),
    ("measuring", "a delay is being measured: chirps leave in place of the microphone, and nothing is played"),
    ("volume_percent", "output volume of everything"),
    ("delay", "what the playout delay may be: auto, or as --delay takes it"),
    ("earcons", "which earcons are heard: off, calls, all"),
    ("processing", "what is wanted done to the own voice: echo and noise (auto, on, off), gain (true, false)"),
    (
        "at_work",
        "what is done to it now: echo and noise (true, false), gain_db, delay_ms (how much later it leaves for it), floor_dbfs (at the microphone, while nobody speaks)",
    ),
    ("loudspeaker", "the output is one, and no headset: the microphone hears it"),
    ("microphone_running", "the microphone's stream is open"),
    ("microphone_level_dbfs", "its peak since the last report"),
    ("microphone_clipped_frames", "frames of 10 ms with a sample at full scale"),
    ("microphone_dropped_samples", "samples that no thread came to fetch"),
    ("capture_delay_ms", "from the air to this program"),
    ("output_running", "the loudspeaker's stream is open"),
    ("output_level_dbfs", "its peak since the last report"),
    ("output_underruns", "stream errors that cost sound"),
    ("card_delay_ms", "from this program to the air"),
    ("card_block_samples", "what the card asked for last"),
    ("received_datagrams", "datagrams of any kind"),
    ("dropped_unknown", "datagrams in no format known here"),
    ("dropped_malformed", "datagrams in a known format, but wrong"),
    ("dropped_stranger", "datagrams of somebody neither called nor accepted"),
    ("dropped_full", "datagrams for which there was no room"),
    ("send_errors", "datagrams that the system did not take"),
    ("peers", "an object for each peer"),
];

/// The fields of each of its peers.
pub const PEER_FIELDS: &[(&str, &str)] = &[
    ("peer", "the address as typed, or a caller's IP:port"),
    ("name", "what the peer calls itself"),
    ("remote", "IP:port of the peer"),
    ("incoming", "the peer called"),
    ("format", "sealed, rtp or pcm"),
    (
        "seal",
        "of a sealed call: key (the fingerprint of the peer's), words (the four), known_as (its name in known_peers), verified (they were \
        compared), in_place_of (an unknown key, and this peer was last there); null: the call is not sealed",
    ),
    ("state", "as in the event state"),
    ("in_state_s", "seconds since that began"),
    ("sent_packets", "packets of sound sent"),
    ("received_packets", "packets of sound received"),
    ("sent_bytes", "bytes of UDP payload sent"),
    ("received_bytes", "bytes of UDP payload received"),
    ("lost_packets", "packets that never came (RFC 3550, A.3)"),
    ("lost_percent", "their share of all expected"),
    ("late_packets", "packets that came after their time to be played"),
    ("duplicate_packets", "packets that came more than once"),
    ("reordered_packets", "packets that came after a later one"),
    ("played_packets", "packets played as they came"),
    ("repaired_packets", "packets made whole by redundancy"),
    ("jitter_ms", "interarrival jitter (RFC 3550, 6.4.1)"),
    ("rtt_ms", "round trip"),
    ("playout_delay_ms", "from a packet's arrival to its sound"),
    ("playout_target_ms", "what that delay is steered to"),
    ("playout_why", "why: floor (the card allows no less), jitter, repair (copies are waited for), set (by the user); null: nothing heard"),
    ("stretched_ms", "sound added and taken away to steer it"),
    ("drift_ppm", "the difference between the two sound cards' clocks"),
    ("concealed_percent", "share of the voice that was made up"),
    ("mouth_to_ear_ms", "the estimated way of the peer's voice, all of it"),
    ("mouth_to_ear_is_whole", "false: a part of it is not known, it is at least that"),
    ("stack", "its parts: microphone_ms, processing_ms, frame_ms, network_ms, playout_ms, card_ms"),
    ("heard_lost_percent", "share of this side's packets that the peer says it lost; null: not heard yet"),
    ("heard_delay_ms", "delay of this side's voice there"),
    ("r_factor", "quality of what is heard: the R factor of ITU-T G.107, up to 93, from what was made up and the delay"),
    ("mos_lq", "the same as a mean opinion of listening alone, 1 to 4.5"),
    (
        "minute",
        "shares of the last minute's voice: played_percent, nack_percent, red_percent, lbrr_percent, concealed_percent, late_percent, lost_percent",
    ),
    (
        "sending",
        "how this side's voice travels: bitrate (bit/s), frame_ms, copies (earlier frames that travel again), spacing (frames between \
        them), reason (unheard, clean, loss, bursts, narrow, easing, private)",
    ),
    ("level_dbfs", "peak of the peer's voice since the last report"),
    ("speaking", "the peer speaks"),
    ("volume_percent", "its volume here"),
    ("muted", "it is muted here"),
    ("records", "it says that it records the call; believed in sealed calls only"),
];

/// An event with its name and the time, RFC 3339 with the local offset: the frame of every line of `--json`.
#[must_use]
pub fn event(name: &str, now: &jiff::Zoned, fields: Value) -> Value {
    let mut object = Map::new();
    object.insert("event".into(), name.into());
    object.insert("time".into(), time(now).into());
    if let Value::Object(fields) = fields {
        object.extend(fields);
    }
    Value::Object(object)
}

/// RFC 3339 with milliseconds and the local offset.
#[must_use]
pub fn time(now: &jiff::Zoned) -> String {
    now.strftime("%Y-%m-%dT%H:%M:%S%.3f%:z").to_string()
}

/// The fields of a `stats` event. The peers' names come from `roster`.
#[must_use]
pub fn stats(snapshot: &Snapshot, roster: &Roster) -> Value {
    json!({
        "on_air": snapshot.on_air,
        "held_by": snapshot.holder.map(holder),
        "muted": snapshot.muted,
        "voice_activation": snapshot.voice_armed,
        "voice_score_percent": decimals(snapshot.voice_score.map(|score| score * 100.0), 0),
        "voice_sensitivity_percent": snapshot.voice.sensitivity,
        "voice_hang_ms": snapshot.voice.hang_ms,
        "deafened": snapshot.deafened,
        "measuring": snapshot.measuring,
        "volume_percent": snapshot.volume,
        "delay": snapshot.delay.to_string(),
        "earcons": snapshot.earcons.name(),
        "processing": { "echo": snapshot.processing.echo.name(), "noise": snapshot.processing.noise.name(), "gain": snapshot.processing.gain },
        "at_work": at_work(snapshot),
        "loudspeaker": snapshot.loudspeaker,
        "microphone_running": snapshot.mic_running,
        "microphone_level_dbfs": decimals(Some(snapshot.mic_level.0), 1),
        "microphone_clipped_frames": snapshot.mic_clipped,
        "microphone_dropped_samples": snapshot.mic_overruns,
        "capture_delay_ms": decimals(snapshot.capture_delay_ms, 2),
        "output_running": snapshot.out_running,
        "output_level_dbfs": decimals(Some(snapshot.out_level.0), 1),
        "output_underruns": snapshot.out_underruns,
        "card_delay_ms": decimals(snapshot.card_delay_ms, 2),
        "card_block_samples": decimals(snapshot.block_samples, 0),
        "received_datagrams": snapshot.received_datagrams,
        "dropped_unknown": snapshot.dropped_unknown,
        "dropped_malformed": snapshot.dropped_malformed,
        "dropped_stranger": snapshot.dropped_stranger,
        "dropped_full": snapshot.dropped_full,
        "send_errors": snapshot.send_errors,
        "peers": snapshot.peers.iter().map(|one| peer(one, roster)).collect::<Vec<_>>(),
    })
}

fn at_work(snapshot: &Snapshot) -> Value {
    let at_work = snapshot.at_work;
    json!({ "echo": at_work.echo, "noise": at_work.noise, "gain_db": decimals(Some(at_work.gain), 1),
        "delay_ms": decimals(snapshot.processing_ms, 2), "floor_dbfs": decimals(snapshot.floor_db, 1) })
}

fn seal(sealed: &Sealed) -> Value {
    let key = sealed.key.to_string();
    let (known_as, in_place_of) = (&sealed.known_as, &sealed.in_place_of);
    json!({ "key": key, "words": sealed.words(), "known_as": known_as, "verified": sealed.verified, "in_place_of": in_place_of })
}

fn peer(peer: &PeerSnapshot, roster: &Roster) -> Value {
    let entry = roster.entry(peer.id);
    let stack = peer.stack.parts().into_iter().map(|(name, part)| (format!("{name}_ms"), decimals(part, 2)));
    let minute = KINDS.into_iter().map(|mark| (format!("{}_percent", mark_name(mark)), decimals(peer.minute.percent(mark), 2)));
    json!({
        "peer": roster.address(peer.id),
        "name": entry.and_then(|entry| entry.name.clone()),
        "remote": entry.and_then(|entry| entry.remote).map(|remote| remote.to_string()),
        "incoming": entry.map(|entry| entry.incoming),
        "format": peer.format.name(),
        "seal": entry.and_then(|entry| entry.sealed.as_ref()).map(seal),
        "state": peer.state.name(),
        "in_state_s": (peer.in_state.as_secs_f64() * 10.0).round() / 10.0,
        "sent_packets": peer.sent_packets,
        "received_packets": peer.received_packets,
        "sent_bytes": peer.sent_bytes,
        "received_bytes": peer.received_bytes,
        "lost_packets": peer.lost_packets,
        "lost_percent": decimals(peer.lost_percent(), 3),
        "late_packets": peer.late_packets,
        "duplicate_packets": peer.duplicate_packets,
        "reordered_packets": peer.reordered_packets,
        "played_packets": peer.played_packets,
        "repaired_packets": peer.repaired_packets,
        "jitter_ms": decimals(peer.jitter_ms, 2),
        "rtt_ms": decimals(peer.rtt_ms, 2),
        "playout_delay_ms": decimals(peer.playout_delay_ms, 2),
        "playout_target_ms": decimals(peer.playout_target_ms, 2),
        "playout_why": peer.playout_why.map(why),
        "stretched_ms": decimals(Some(peer.stretched_samples as f32 / 48.0), 1),
        "drift_ppm": decimals(peer.drift_ppm, 1),
        "concealed_percent": decimals(peer.concealed_percent(), 3),
        "mouth_to_ear_ms": decimals(peer.stack.total(), 1),
        // False: a part is unknown, and the sum is "at least".
        "mouth_to_ear_is_whole": peer.stack.total().map(|_| peer.stack.is_whole()),
        "stack": stack.collect::<Map<_, _>>(),
        "heard_lost_percent": decimals(peer.heard_lost_percent, 3),
        "heard_delay_ms": decimals(peer.heard_delay_ms, 1),
        "r_factor": decimals(peer.r_factor, 1),
        "mos_lq": decimals(peer.mos_lq, 2),
        "minute": minute.collect::<Map<_, _>>(),
        "sending": peer.sending.map(sending),
        "level_dbfs": decimals(Some(peer.level.0), 1),
        "speaking": peer.speaking,
        "volume_percent": peer.volume,
        "muted": peer.muted,
        "records": entry.is_some_and(|entry| entry.records),
    })
}

fn why(why: Why) -> &'static str {
    match why {
        Why::Floor => "floor",
        Why::Jitter => "jitter",
        Why::Repair => "repair",
        Why::Set => "set",
    }
}

fn sending(sending: Sending) -> Value {
    json!({
        "bitrate": sending.bitrate,
        "frame_ms": sending.frame_ms,
        "copies": sending.copies,
        "spacing": sending.spacing,
        "reason": sending.reason.name(),
    })
}

fn mark_name(mark: Mark) -> &'static str {
    match mark {
        Mark::Idle => "idle",
        Mark::Played => "played",
        Mark::Nack => "nack",
        Mark::Red => "red",
        Mark::Lbrr => "lbrr",
        Mark::Concealed => "concealed",
        Mark::Late => "late",
        Mark::Lost => "lost",
    }
}

fn holder(holder: Holder) -> &'static str {
    match holder {
        Holder::Key => "key",
        Holder::Mouse => "mouse",
        Holder::Ctl => "ctl",
        Holder::Open => "open",
        Holder::Voice => "voice",
    }
}

/// Null for what is unknown or not a number (which JSON cannot say).
fn decimals(value: Option<f32>, digits: i32) -> Value {
    let scale = 10f64.powi(digits);
    let rounded = value.filter(|value| value.is_finite()).map(|value| (f64::from(value) * scale).round() / scale);
    // Not -0.
    rounded.map_or(Value::Null, |value| if digits == 0 { json!(value as i64) } else { json!(value + 0.0) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{CallState, Controls, Meters, Notice};
    use crate::units::{Format, PeerId};
    use std::time::{Duration, Instant};

    /// What scripts read: these names do not change.
    const PROMISED: [&str; 18] = [
        "peer",
        "format",
        "state",
        "sent_packets",
        "received_packets",
        "sent_bytes",
        "received_bytes",
        "lost_packets",
        "late_packets",
        "duplicate_packets",
        "reordered_packets",
        "jitter_ms",
        "rtt_ms",
        "playout_delay_ms",
        "playout_target_ms",
        "playout_why",
        "mouth_to_ear_ms",
        "concealed_percent",
    ];

    #[test]
    fn a_peer_has_every_promised_field_and_unknown_is_null() {
        let start = Instant::now();
        let (meters, controls) = (Meters::new(start), Controls::new(start));
        let id = PeerId::new(1).expect("a slot");
        let mut roster = Roster::default();
        roster.handle_notice(&Notice::Peer { id, address: "10.0.0.7".into(), format: Format::Pcm, incoming: false });
        meters.set_state(id, CallState::Live, start);
        let at = start + Duration::from_millis(1_234);
        let report = stats(&Snapshot::take(&meters, &controls, at), &roster);
        let peer = &report["peers"][0];
        for field in PROMISED {
            assert!(peer.get(field).is_some(), "{field}");
        }
        assert_eq!((&peer["peer"], &peer["state"], &peer["rtt_ms"]), (&json!("10.0.0.7"), &json!("live"), &Value::Null));
        assert_eq!((&peer["in_state_s"], &peer["sent_packets"]), (&json!(1.2), &json!(0)));
        meters.peer(id).rtt_ms.set(1.23456);
        meters.peer(id).playout_delay_ms.set(20.0);
        let report = stats(&Snapshot::take(&meters, &controls, at), &roster);
        let peer = &report["peers"][0];
        assert_eq!((&peer["rtt_ms"], &peer["stack"]["network_ms"]), (&json!(1.23), &json!(0.62)));
        assert_eq!((&peer["mouth_to_ear_ms"], &peer["mouth_to_ear_is_whole"]), (&json!(20.6), &json!(false)));
    }

    #[test]
    fn every_field_is_explained() {
        let start = Instant::now();
        let (meters, controls) = (Meters::new(start), Controls::new(start));
        meters.set_state(PeerId::new(0).expect("a slot"), CallState::Live, start);
        let report = stats(&Snapshot::take(&meters, &controls, start), &Roster::default());
        for (object, table) in [(&report, STATS_FIELDS), (&report["peers"][0], PEER_FIELDS)] {
            let mut explained: Vec<&str> = table.iter().map(|(name, _)| *name).collect();
            explained.sort_unstable();
            let fields: Vec<&String> = object.as_object().expect("an object").keys().collect();
            assert_eq!(fields, explained);
        }
    }

    #[test]
    fn an_event_names_itself_and_the_time_with_its_offset() {
        let now = "2026-11-23T06:54:44.0129+01:00[+01:00]".parse().expect("a time");
        let event = event("stats", &now, json!({"on_air": true}));
        assert_eq!(event.to_string(), r#"{"event":"stats","on_air":true,"time":"2026-11-23T06:54:44.012+01:00"}"#);
    }
}
