//! Notices as the objects of `--json`. Main thread.

use jiff::Zoned;
use serde_json::{Value, json};

use super::measure::figures;
use crate::engine::report;
use crate::engine::{DeviceEntry, DeviceStatus, Direction, KnownPeer, Notice, Roster, Summary};
use crate::units::PeerId;

/// Every event's name, when it comes, and its fields beside `event` and `time`. `peer` is the address as typed, or a caller's IP:port.
/// Those of `stats` are in [`report::STATS_FIELDS`] and [`report::PEER_FIELDS`].
pub const EVENTS: &[(&str, &str, &[&str])] = &[
    ("listening", "the socket is bound", &["address"]),
    ("peer", "somebody takes a place in the call", &["peer", "slot", "format", "incoming"]),
    ("resolved", "a name turned out to be this address", &["peer", "slot", "remote"]),
    ("name", "how a peer calls itself", &["peer", "slot", "name"]),
    ("format", "a peer speaks another format than it was called with", &["peer", "slot", "format"]),
    (
        "state",
        "a peer is calling, ringing there, ringing, live, ended, hung up, declined, declined here, busy, no answer, unreachable, missed or gone",
        &["peer", "slot", "state"],
    ),
    (
        "sealed",
        "a peer's call is sealed, or what is known of its key has changed: the fingerprint of the key, the four words, the name that it is known by or null, the name of the peer in whose place an unknown key is or null",
        &["peer", "slot", "key", "words", "known_as", "verified", "connect", "in_place_of"],
    ),
    ("unsealed", "a call that was to be sealed is not answered so; met: the peer was met sealed before", &["peer", "slot", "met"]),
    ("key_changed", "a call was refused: its peer shows another key than the known one", &["peer", "known_key", "shown_key", "verified"]),
    ("known", "the answer to the command peers: names, key, address, verified, connect, blocked of each", &["peers"]),
    ("left", "a peer's place is free again", &["peer", "slot"]),
    ("missed", "somebody called and was not answered", &["peer", "at"]),
    ("on_air", "sound of the microphone begins or ceases to leave", &["on"]),
    ("voice_activation", "voice activation is switched on (it listens, and nothing leaves until it hears a voice), or has ended", &["on"]),
    ("muted_talk", "you talk in a live call, and the microphone is muted; at most each ten seconds", &[]),
    ("microphone", "the microphone's stream runs or is closed", &["running"]),
    (
        "device",
        "a device (direction: input, output) is open, closed or lost; what is not known is null",
        &["direction", "status", "name", "id", "rate", "channels", "block_frames", "message"],
    ),
    (
        "output_is",
        "what the output in use is: headset or loudspeaker, and whether that is guessed from its name",
        &["name", "kind", "guessed"],
    ),
    ("device_order", "the devices that the user named, best first, and which is used or tried now", &["direction", "order", "used"]),
    ("devices", "the answer to the command devices: host, direction, id, name, default, detail of each", &["devices"]),
    (
        "recording",
        "the files of a recording (before its first sound, not begun: the directory they will be in); none: it ended",
        &["begun", "files"],
    ),
    (
        "measured",
        "the answer to the command measure: trials, lost, median_ms, p95_ms, min_ms, max_ms, confidence_ms (of the median, 95 %) of each, or why it was not measured",
        &["message", "mouth_to_ear", "access_time"],
    ),
    ("peer_recording", "a peer of a sealed call says that it records, or no longer does", &["peer", "slot", "on"]),
    ("slept", "the machine was suspended", &["seconds"]),
    ("stats", "each second, and when asked for", &["peers", "on_air", "muted"]),
    ("problem", "a refused command or a failure, in a sentence", &["message"]),
    ("info", "something worth knowing, in a sentence", &["message"]),
    ("quit", "the last event", &[]),
];

/// The event's name and its own fields. `Stats` is not made from its notice: see [`report::stats`].
pub fn event_of(notice: &Notice, roster: &Roster) -> (&'static str, Value) {
    let of = |id: PeerId| (roster.address(id), id.slot());
    match notice {
        Notice::Listening { address } => ("listening", json!({ "address": address.to_string() })),
        Notice::Peer { id, address, format, incoming } => {
            ("peer", json!({ "peer": address, "slot": id.slot(), "format": format.name(), "incoming": incoming }))
        }
        Notice::Resolved { id, remote } => {
            let (peer, slot) = of(*id);
            ("resolved", json!({ "peer": peer, "slot": slot, "remote": remote.to_string() }))
        }
        Notice::Name { id, name } => {
            let (peer, slot) = of(*id);
            ("name", json!({ "peer": peer, "slot": slot, "name": name }))
        }
        Notice::PeerFormat { id, format } => {
            let (peer, slot) = of(*id);
            ("format", json!({ "peer": peer, "slot": slot, "format": format.name() }))
        }
        Notice::State { id, state } => {
            let (peer, slot) = of(*id);
            ("state", json!({ "peer": peer, "slot": slot, "state": state.name() }))
        }
        Notice::Sealed { id, sealed } => {
            let (peer, slot) = of(*id);
            let fields = json!({ "peer": peer, "slot": slot, "key": sealed.key.to_string(), "words": sealed.words(),
                "known_as": sealed.known_as, "verified": sealed.verified, "connect": sealed.connect, "in_place_of": sealed.in_place_of });
            ("sealed", fields)
        }
        Notice::Unsealed { id, met } => {
            let (peer, slot) = of(*id);
            ("unsealed", json!({ "peer": peer, "slot": slot, "met": met }))
        }
        Notice::KeyChanged { address, pinned, shown, verified } => {
            let fields = json!({ "peer": address, "known_key": pinned.to_string(), "shown_key": shown.to_string(), "verified": verified });
            ("key_changed", fields)
        }
        Notice::Known(peers) => ("known", json!({ "peers": peers.iter().map(known).collect::<Vec<_>>() })),
        Notice::Gone { id } => {
            let (peer, slot) = of(*id);
            ("left", json!({ "peer": peer, "slot": slot }))
        }
        Notice::Missed { address, at } => ("missed", json!({ "peer": address, "at": moment(*at) })),
        Notice::OnAir(on) => ("on_air", json!({ "on": on })),
        Notice::VoiceActivation(on) => ("voice_activation", json!({ "on": on })),
        Notice::MutedTalk => ("muted_talk", json!({})),
        Notice::Microphone(running) => ("microphone", json!({ "running": running })),
        Notice::Device { direction, status } => ("device", device(*direction, status)),
        Notice::DeviceOrder { direction, order, used } => {
            ("device_order", json!({ "direction": direction_name(*direction), "order": order, "used": order.get(*used) }))
        }
        Notice::OutputIs { name, kind, guessed } => ("output_is", json!({ "name": name, "kind": kind.name(), "guessed": guessed })),
        Notice::Devices(devices) => ("devices", json!({ "devices": devices.iter().map(entry).collect::<Vec<_>>() })),
        Notice::Recording { files, begun } => {
            ("recording", json!({ "begun": begun, "files": files.iter().map(|file| file.display().to_string()).collect::<Vec<_>>() }))
        }
        Notice::Measured(Ok(trials)) => {
            let [steady, keyed] = [&trials.steady, &trials.keyed].map(|trials| figures(Summary::of(trials).as_ref()));
            ("measured", json!({ "message": null, "mouth_to_ear": steady, "access_time": keyed }))
        }
        Notice::Measured(Err(sentence)) => ("measured", json!({ "message": sentence, "mouth_to_ear": null, "access_time": null })),
        Notice::PeerRecording { id, on } => {
            let (peer, slot) = of(*id);
            ("peer_recording", json!({ "peer": peer, "slot": slot, "on": on }))
        }
        Notice::Slept(time) => ("slept", json!({ "seconds": (time.as_secs_f64() * 10.0).round() / 10.0 })),
        Notice::Stats => ("stats", json!({})),
        Notice::Dumped { result: Err(sentence), .. } | Notice::Problem(sentence) => ("problem", json!({ "message": sentence })),
        Notice::Dumped { result: Ok(sentence), .. } | Notice::Info(sentence) => ("info", json!({ "message": sentence })),
        Notice::Quit => ("quit", json!({})),
    }
}

fn known(peer: &KnownPeer) -> Value {
    json!({ "names": peer.names, "key": peer.key.to_string(), "address": peer.address.map(|address| address.to_string()),
        "verified": peer.verified, "connect": peer.connect, "blocked": peer.blocked })
}

/// A wall-clock time; one that no calendar knows is null.
fn moment(at: std::time::SystemTime) -> Option<String> {
    let at = jiff::Timestamp::try_from(at).ok()?;
    Some(report::time(&Zoned::new(at, jiff::tz::TimeZone::system())))
}

pub fn direction_name(direction: Direction) -> &'static str {
    match direction {
        Direction::Input => "input",
        Direction::Output => "output",
    }
}

fn device(direction: Direction, status: &DeviceStatus) -> Value {
    let mut fields = json!({ "direction": direction_name(direction), "status": null, "name": null, "id": null, "rate": null, "channels": null,
        "block_frames": null, "message": null });
    match status {
        DeviceStatus::Closed => fields["status"] = "closed".into(),
        DeviceStatus::Open { name, id, rate, channels, block } => {
            fields["status"] = "open".into();
            fields["name"] = name.clone().into();
            fields["id"] = id.clone().into();
            fields["rate"] = (*rate).into();
            fields["channels"] = (*channels).into();
            fields["block_frames"] = (*block).into();
        }
        DeviceStatus::Lost { sentence } => {
            fields["status"] = "lost".into();
            fields["message"] = sentence.clone().into();
        }
    }
    fields
}

fn entry(entry: &DeviceEntry) -> Value {
    json!({ "host": entry.host, "direction": direction_name(entry.direction), "id": entry.id, "name": entry.name,
        "default": entry.is_default, "detail": entry.detail })
}
