//! Notices as the sentences of `--plain`: one line each, understood when heard. Main thread.

use crate::engine::{CallState, DeviceStatus, Direction, KnownPeer, Notice, PeerSnapshot, Reason, Roster, Snapshot};
use crate::ui::text;

/// What to print; empty for what another line says already.
pub fn sentences(notice: &Notice, roster: &Roster) -> Vec<String> {
    let one = match notice {
        Notice::Listening { address } => format!("Listening on {address}."),
        Notice::Peer { address, format, incoming: true, .. } => format!("{address} calls, format {format}."),
        Notice::Peer { address, format, .. } => format!("Calling {address}, format {format}."),
        Notice::Resolved { id, remote } if roster.address(*id).starts_with(&remote.ip().to_string()) => return Vec::new(),
        Notice::Resolved { id, remote } => format!("{} is {remote}.", roster.address(*id)),
        Notice::Name { id, name } => format!("{} calls itself {name}.", roster.address(*id)),
        Notice::PeerFormat { id, format } => format!("{} speaks the format {format}.", roster.label(*id)),
        Notice::Sealed { id, sealed } => {
            let known = sealed.known_as.as_ref().map(|name| format!(", known as {name}")).unwrap_or_default();
            format!("{}: {}{known}; the words are: {}.", roster.label(*id), sealed.standing(), sealed.words())
        }
        Notice::Unsealed { id, met } => text::unsealed(&roster.address(*id), *met, &format!("The command clear {}", roster.address(*id))),
        Notice::KeyChanged { address, pinned, shown, verified } => {
            let [sentence, line] = text::key_changed(address, *verified);
            format!("Problem: {sentence} Known key: {pinned}. Shown key: {shown}. If you know why it is new, say: {line}")
        }
        Notice::Known(peers) if peers.is_empty() => "Nobody is known yet.".into(),
        Notice::Known(peers) => return peers.iter().map(known_words).collect(),
        // The line of `Peer` said so.
        Notice::State { state: CallState::Idle | CallState::Calling, .. } => return Vec::new(),
        Notice::State { id, state } => state_words(*state, &roster.label(*id)),
        // The end of the call was said with its reason.
        Notice::Gone { .. } | Notice::Stats => return Vec::new(),
        Notice::Missed { address, .. } => format!("Missed a call from {address}."),
        Notice::OnAir(true) => "On air.".into(),
        Notice::OnAir(false) => "Off air.".into(),
        Notice::VoiceActivation(true) => "Voice activation: listening.".into(),
        Notice::VoiceActivation(false) => "Voice activation ended.".into(),
        Notice::MutedTalk => "You are muted: the command mute off unmutes.".into(),
        Notice::Microphone(true) => "Microphone running.".into(),
        Notice::Microphone(false) => "Microphone closed.".into(),
        Notice::Device { direction, status } => match device_words(*direction, status) {
            Some(words) => words,
            None => return Vec::new(),
        },
        Notice::DeviceOrder { direction, order, used } => {
            let Some(used) = order.get(*used) else { return Vec::new() };
            let noun = if *direction == Direction::Input { "Microphones" } else { "Loudspeakers" };
            format!("{noun}, best first: {}; now {used}.", order.join(", "))
        }
        Notice::OutputIs { name, kind, guessed: true } => {
            format!("{name} is taken for a {}; if it is none, say \"output-is\" and what it is.", kind.name())
        }
        Notice::OutputIs { name, kind, guessed: false } => format!("{name} is a {}.", kind.name()),
        Notice::Devices(devices) => {
            let lines = devices.iter().map(|device| {
                let mark = if device.is_default { ", default" } else { "" };
                let direction = super::json::direction_name(device.direction);
                format!("{} {direction} \"{}\": {}, {}{mark}.", device.host, device.id, device.name, device.detail)
            });
            return if devices.is_empty() { vec!["No sound devices were found.".into()] } else { lines.collect() };
        }
        Notice::Recording { files, begun } if files.is_empty() => text::recorded(*begun).into(),
        Notice::Recording { files, begun } => {
            let files: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
            format!("Recording into {}{}.", files.join(", "), if *begun { "" } else { ", from the first sound on" })
        }
        Notice::Measured(result) => text::measured(result),
        Notice::PeerRecording { id, on } => text::records(&roster.label(*id), *on),
        Notice::Slept(time) => format!("The machine slept for {} seconds.", time.as_secs()),
        Notice::Dumped { result: Err(sentence), .. } | Notice::Problem(sentence) => format!("Problem: {sentence}"),
        Notice::Dumped { result: Ok(sentence), .. } | Notice::Info(sentence) => sentence.clone(),
        Notice::Quit => "Ended.".into(),
    };
    vec![one]
}

fn known_words(peer: &KnownPeer) -> String {
    let verified = if peer.verified { "verified" } else { "not verified" };
    let calls = match (peer.connect, peer.blocked) {
        (true, _) => ", connects without asking",
        (_, true) => ", blocked",
        _ => "",
    };
    let last = peer.address.map(|address| format!(", last at {address}")).unwrap_or_default();
    format!("{}: {verified}{calls}{last}, key {}.", peer.names.join(", "), peer.key)
}

pub(super) fn state_words(state: CallState, peer: &str) -> String {
    match state {
        CallState::Idle => format!("{peer}: idle."),
        CallState::Calling => format!("{peer}: calling."),
        CallState::RingingThere => format!("{peer}: it rings there."),
        CallState::Ringing => format!("{peer} rings: type answer or decline."),
        CallState::Live => format!("{peer}: in call."),
        CallState::Ended(reason) => match reason {
            Reason::HungUp => format!("{peer}: call ended."),
            Reason::PeerHungUp => format!("{peer} hung up."),
            Reason::Declined => format!("{peer} declined."),
            Reason::WeDeclined => format!("{peer}: declined."),
            Reason::Busy => format!("{peer} is busy."),
            Reason::NoAnswer => format!("{peer}: no answer."),
            Reason::Unreachable => format!("{peer} cannot be reached."),
            Reason::Missed => format!("{peer} stopped calling; the call was missed."),
            Reason::TimedOut => format!("{peer} fell silent; the call ended."),
        },
    }
}

fn device_words(direction: Direction, status: &DeviceStatus) -> Option<String> {
    let noun = match direction {
        Direction::Input => "Microphone",
        Direction::Output => "Loudspeaker",
    };
    match status {
        // The line of `Microphone` says so; the loudspeaker closes with the program.
        DeviceStatus::Closed => None,
        DeviceStatus::Open { name, rate, channels, .. } => {
            let plural = if *channels == 1 { "" } else { "s" };
            Some(format!("{noun}: {name}, {rate} Hz, {channels} channel{plural}."))
        }
        DeviceStatus::Lost { sentence } => Some(sentence.clone()),
    }
}

/// A line for this side and one for each peer.
pub fn stats(snapshot: &Snapshot, roster: &Roster) -> Vec<String> {
    let air = if snapshot.on_air { "on air" } else { "off air" };
    let voice = if snapshot.voice_armed { ", voice activation on" } else { "" };
    let muted = if snapshot.muted { ", muted" } else { "" };
    let deafened = if snapshot.deafened { ", deafened" } else { "" };
    let here = match snapshot.peers.len() {
        0 => "no peers".into(),
        1 => "1 peer".into(),
        count => format!("{count} peers"),
    };
    let delay = if snapshot.delay.is_auto() { String::new() } else { format!(", playout delay {}", snapshot.delay.words()) };
    let own = format!("Here: {air}{voice}{muted}{deafened}, volume {} percent{delay}, {here}.", snapshot.volume);
    std::iter::once(own).chain(snapshot.peers.iter().map(|peer| peer_words(peer, &roster.label(peer.id)))).collect()
}

fn peer_words(peer: &PeerSnapshot, label: &str) -> String {
    let ms = |value: Option<f32>| value.map_or_else(|| "unknown".into(), |value| format!("{value:.1} ms"));
    let least = if peer.stack.is_whole() || peer.stack.total().is_none() { "" } else { "at least " };
    let heard = match (peer.heard_lost_percent, peer.heard_delay_ms) {
        (Some(lost), Some(delay)) => format!("heard there with {lost:.1} percent lost, {delay:.0} ms"),
        (Some(lost), None) => format!("heard there with {lost:.1} percent lost"),
        (None, _) => "not heard there yet".into(),
    };
    let quality = peer.r_factor.zip(peer.mos_lq).map(|(r, mos)| format!("quality {}, R {r:.0}, MOS {mos:.1}; ", text::quality(r)));
    let minute = peer.minute.missing_percent().zip(peer.minute.mended_percent());
    let minute = minute.map(|(missing, mended)| format!("in the last minute {missing:.1} percent missing, {mended:.1} percent mended; "));
    let sending =
        peer.sending.map(|s| format!("sending {}, {}, because {}; ", text::voice(s), text::copies(s), text::send_reason(s.reason)));
    let (quality, minute, sending) = (quality.unwrap_or_default(), minute.unwrap_or_default(), sending.unwrap_or_default());
    format!(
        "{label}: {}, {}; sent {} packets; received {}, lost {} ({:.1} percent), late {}, duplicate {}, reordered {}, concealed {:.1} percent; \
         jitter {}, round trip {}, playout delay {}, mouth to ear {least}{}; {quality}{minute}{sending}{heard}.",
        peer.state,
        peer.format,
        peer.sent_packets,
        peer.received_packets,
        peer.lost_packets,
        peer.lost_percent().unwrap_or(0.0),
        peer.late_packets,
        peer.duplicate_packets,
        peer.reordered_packets,
        peer.concealed_percent().unwrap_or(0.0),
        ms(peer.jitter_ms),
        ms(peer.rtt_ms),
        ms(peer.playout_delay_ms),
        ms(peer.stack.total()),
    )
}
