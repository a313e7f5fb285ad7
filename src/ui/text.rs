//! Words and numbers for people: cleaned peer text, durations, counts, and how a peer stands in a sentence. No state.

use std::time::Duration;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::engine::{AtWork, CallState, PeerSnapshot, Processing, Reason, Sealed, SendReason, Sending, Summary, Trials, When, Why};
use crate::ui::action::Action;
use crate::ui::keymap::{self, Context};
use crate::units::{Format, Level};

/// Longest text of a peer that is drawn, characters.
const CLEAN_MAX: usize = 64;
/// Longest sentence that is drawn, characters.
const SENTENCE_MAX: usize = 400;

/// A peer's text without what could move the cursor, change colours or turn the reading direction.
/// The engine strips it too; whoever draws relies on nobody.
#[must_use]
pub fn clean(text: &str) -> String {
    text.chars().filter(|c| !is_control(*c)).take(CLEAN_MAX).collect()
}

/// A whole sentence (it may quote a device or a file) without what could steer the terminal.
#[must_use]
pub fn clean_sentence(text: &str) -> String {
    text.chars().filter(|c| !is_control(*c)).take(SENTENCE_MAX).collect()
}

/// C0, DEL and C1, bidirectional controls, line separators, invisible fillers.
fn is_control(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// `text` cut to `width` columns; what was cut shows as `ellipsis`.
#[must_use]
pub fn fit(text: &str, width: usize, ellipsis: char) -> String {
    if text.width() <= width {
        return text.to_string();
    }
    let mut used = 0;
    let mut cut = String::new();
    for c in text.chars() {
        used += c.width().unwrap_or(0);
        if used + 1 > width {
            break;
        }
        cut.push(c);
    }
    if width > 0 {
        cut.push(ellipsis);
    }
    cut
}

/// Lines of at most `width` columns, broken between words.
#[must_use]
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.width() + 1 + word.width() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// `2:13`, `1:02:03`.
#[must_use]
pub fn clock(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (hours, minutes, seconds) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{seconds:02}") } else { format!("{minutes}:{seconds:02}") }
}

/// `12,345`.
#[must_use]
pub fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `312 B`, `1.2 MB`; powers of 1,000.
#[must_use]
pub fn bytes(n: u64) -> String {
    let mut value = n as f64;
    let mut unit = "B";
    for next in ["kB", "MB", "GB", "TB"] {
        if value < 999.5 {
            break;
        }
        value /= 1_000.0;
        unit = next;
    }
    if unit == "B" || value >= 99.95 { format!("{value:.0} {unit}") } else { format!("{value:.1} {unit}") }
}

/// `3.4 ms`, `120 ms`; `-` when unknown.
#[must_use]
pub fn ms(value: Option<f32>) -> String {
    match value {
        None => "-".into(),
        Some(value) if value.abs() < 99.95 => format!("{value:.1} ms"),
        Some(value) => format!("{value:.0} ms"),
    }
}

/// `0.2 %`; `-` when unknown.
#[must_use]
pub fn percent(value: Option<f32>) -> String {
    match value {
        None => "-".into(),
        Some(value) if value < 9.95 => format!("{value:.1} %"),
        Some(value) => format!("{value:.0} %"),
    }
}

/// `-18 dB`; `silent` below what is worth a number.
#[must_use]
pub fn level(level: Level) -> String {
    if level.0 <= -90.0 { "silent".into() } else { format!("{:.0} dB", level.0) }
}

/// Where a peer stands: `in call 2:13`, `rings there`, `no answer`.
#[must_use]
pub fn state(peer: &PeerSnapshot) -> String {
    match peer.state {
        CallState::Live => format!("in call {}", clock(peer.in_state)),
        CallState::Calling => format!("calling {}", clock(peer.in_state)),
        CallState::RingingThere => format!("rings there {}", clock(peer.in_state)),
        CallState::Ringing => format!("is calling you {}", clock(peer.in_state)),
        other => other.name().to_string(),
    }
}

/// How the call with `name` ended, a whole sentence.
#[must_use]
pub fn ended(name: &str, reason: Reason) -> String {
    match reason {
        Reason::HungUp => format!("You hung up on {name}."),
        Reason::PeerHungUp => format!("{name} hung up."),
        Reason::Declined => format!("{name} declined the call."),
        Reason::WeDeclined => format!("You declined the call of {name}."),
        Reason::Busy => format!("{name} is busy."),
        Reason::NoAnswer => format!("{name} did not answer."),
        Reason::Unreachable => format!("{name} cannot be reached."),
        Reason::Missed => format!("{name} called and was not answered."),
        Reason::TimedOut => format!("{name} fell silent and is gone."),
    }
}

/// What is said to who talks while muted.
#[must_use]
pub fn muted() -> String {
    format!("You are muted; {} unmutes.", keymap::key_name(Context::Main, Action::Mute))
}

/// The end of a recording, a whole sentence.
#[must_use]
pub fn recorded(begun: bool) -> &'static str {
    if begun { "The recording has ended." } else { "The recording has ended: there was no sound, and nothing was recorded." }
}

/// Whether our voice arrives there, by the peer's own reports.
#[must_use]
pub fn heard(peer: &PeerSnapshot) -> String {
    if peer.state != CallState::Live {
        return state(peer);
    }
    match (peer.heard_lost_percent, peer.heard_delay_ms) {
        _ if peer.is_quiet => "heard of no more".into(),
        (Some(lost), Some(delay)) => format!("heard: {}, {delay:.0} ms", lost_words(lost)),
        (Some(lost), None) => format!("heard: {}", lost_words(lost)),
        _ if peer.sent_packets == 0 => "nothing sent yet".into(),
        _ if peer.format != Format::Sealed && peer.received_packets == 0 => "sending; nothing heard back".into(),
        _ if peer.format == Format::Pcm => "sending; pcm sends no reports".into(),
        _ => "not heard yet".into(),
    }
}

fn lost_words(lost: f32) -> String {
    format!("{} lost", percent(Some(lost)))
}

/// What an R factor is worth, by the bands of ITU-T G.109.
#[must_use]
pub fn quality(r: f32) -> &'static str {
    match r.round() {
        90.0.. => "excellent",
        80.0.. => "good",
        70.0.. => "fair",
        60.0.. => "poor",
        _ => "bad",
    }
}

/// `48 kbit/s, 10 ms`.
#[must_use]
pub fn voice(sending: Sending) -> String {
    let kbit = sending.bitrate as f32 / 1_000.0;
    let rate = if kbit.fract() == 0.0 || kbit >= 99.95 { format!("{kbit:.0}") } else { format!("{kbit:.1}") };
    format!("{rate} kbit/s, {} ms", sending.frame_ms)
}

/// `2 copies, 1 apart`.
#[must_use]
pub fn copies(sending: Sending) -> String {
    match (sending.copies, sending.spacing) {
        (0, _) => "no copies".into(),
        (1, spacing) => format!("1 copy, {spacing} apart"),
        (copies, spacing) => format!("{copies} copies, {spacing} apart"),
    }
}

/// Why it is sent so.
#[must_use]
pub fn send_reason(reason: SendReason) -> &'static str {
    match reason {
        SendReason::Unheard => "few reports yet",
        SendReason::Clean => "all arrives",
        SendReason::Loss => "packets get lost",
        SendReason::Bursts => "lost in bursts",
        SendReason::Narrow => "the way is narrow",
        SendReason::Easing => "losses have ended",
        SendReason::Private => "private: always the same",
    }
}

/// What decides how long a voice waits to be played.
#[must_use]
pub fn why(why: Why) -> &'static str {
    match why {
        Why::Floor => "no jitter to wait for",
        Why::Jitter => "waiting out jitter",
        Why::Repair => "waiting for repairs",
        Why::Set => "playout set",
    }
}

/// Who can listen, and how sure it is who speaks. `sealed`: what is known of the peer's key.
#[must_use]
pub fn privacy(format: Format, sealed: Option<&Sealed>) -> String {
    match (format, sealed) {
        (Format::Sealed, Some(sealed)) => sealed.standing(),
        (Format::Sealed, None) => "sealed".into(),
        (Format::Rtp | Format::Pcm, _) => "open: anyone on the path can listen".into(),
    }
}

/// What is said of a peer that records, or has recorded.
#[must_use]
pub fn records(name: &str, on: bool) -> String {
    format!("{name} {}.", if on { "records this call" } else { "no longer records" })
}

/// What is said when a call that was to be sealed is not answered so; `clear`: what calls in the clear.
#[must_use]
pub fn unsealed(name: &str, met: bool, clear: &str) -> String {
    let met = if met { " It was met sealed before: somebody may be keeping it from answering." } else { "" };
    format!("No sealed answer from {name}.{met} {clear} calls in the clear: anyone on the path can listen.")
}

/// Why a call was refused whose peer shows another key than the pinned one, and the line that forgets the old key.
#[must_use]
pub fn key_changed(address: &str, verified: bool) -> [String; 2] {
    let verified = if verified { ", which you had verified" } else { "" };
    [
        format!(
            "{address} shows another key than before{verified}. The call was refused: somebody may sit in between, or the machine is a new one."
        ),
        format!("voicetui peers forget {address}"),
    ]
}

/// What came of a measurement, in a sentence.
pub fn measured(result: &Result<Trials, String>) -> String {
    let trials = match result {
        Ok(trials) => trials,
        Err(sentence) => return sentence.clone(),
    };
    let Some(steady) = Summary::of(&trials.steady) else { return "No chirp came back: the delay is not known.".into() };
    let confidence = steady.confidence_ms.map(|(low, high)| format!(" ({low:.1} to {high:.1})")).unwrap_or_default();
    let access = Summary::of(&trials.keyed).map(|keyed| format!(", from the key {:.1}", keyed.median_ms)).unwrap_or_default();
    let (median, most) = (steady.median_ms, steady.p95_ms);
    format!("Mouth to ear {median:.1} ms{confidence}, 95 % within {most:.1}{access}; {} of {} chirps lost.", steady.lost, steady.trials)
}

/// What is done to the own voice now; empty: nothing that is heard.
#[must_use]
pub fn at_work(at_work: &AtWork) -> String {
    let gain = if at_work.gain.abs() >= 0.5 { format!("{:+.0} dB", at_work.gain) } else { String::new() };
    let echo = if at_work.echo { "no echo" } else { "" };
    let noise = if at_work.noise { "less noise" } else { "" };
    [echo, noise, &gain].into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(", ")
}

/// What the setting that was just turned means.
#[must_use]
pub fn processing(turned: Action, now: Processing) -> &'static str {
    match (turned, now) {
        (Action::Echo, Processing { echo: When::Auto, .. }) => "Echo is cancelled while the microphone is open and a loudspeaker plays.",
        (Action::Echo, Processing { echo: When::On, .. }) => "Echo is cancelled whenever something is played.",
        (Action::Echo, _) => "Echo is left in: use a headset.",
        (Action::Noise, Processing { noise: When::Auto, .. }) => "Noise is suppressed where there is some.",
        (Action::Noise, Processing { noise: When::On, .. }) => "Noise is suppressed always.",
        (Action::Noise, _) => "Noise is left in.",
        (_, Processing { gain: true, .. }) => "A voice too quiet or too loud is evened, slowly.",
        (_, _) => "Your voice stays as loud as it is.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peers_text_cannot_steer_the_terminal() {
        let hostile = "\x1b]0;own\x07\x1b[2Jbob\u{9b}31m\u{202e}\u{2066}\r\n\0\u{200f}!";
        assert_eq!(clean(hostile), "]0;own[2Jbob31m!");
        assert_eq!(clean(&"x".repeat(5_000)).len(), CLEAN_MAX);
        assert_eq!(clean("Zoë 日本"), "Zoë 日本");
    }

    #[test]
    fn text_is_cut_by_columns_not_by_bytes() {
        assert_eq!(fit("voicetui", 8, '…'), "voicetui");
        assert_eq!(fit("voicetui", 5, '…'), "voic…");
        assert_eq!(fit("日本語", 4, '…'), "日…");
        assert_eq!(fit("abc", 0, '…'), "");
    }

    #[test]
    fn numbers_are_short_and_have_their_units() {
        assert_eq!([count(0), count(999), count(12_345), count(1_234_567)], ["0", "999", "12,345", "1,234,567"]);
        assert_eq!([bytes(312), bytes(1_234), bytes(123_456_789)], ["312 B", "1.2 kB", "123 MB"]);
        assert_eq!([ms(None), ms(Some(3.44)), ms(Some(120.4))], ["-", "3.4 ms", "120 ms"]);
        assert_eq!([percent(None), percent(Some(0.25)), percent(Some(25.0))], ["-", "0.2 %", "25 %"]);
        assert_eq!([clock(Duration::from_secs(133)), clock(Duration::from_secs(3_723))], ["2:13", "1:02:03"]);
        assert_eq!([92.4, 89.5, 79.0, 69.6, 60.0, 59.4].map(quality), ["excellent", "excellent", "fair", "fair", "poor", "bad"]);
        let sending = Sending { bitrate: 48_000, frame_ms: 10, copies: 2, spacing: 1, reason: SendReason::Loss };
        assert_eq!([voice(sending), voice(Sending { bitrate: 20_500, ..sending })], ["48 kbit/s, 10 ms", "20.5 kbit/s, 10 ms"]);
        assert_eq!([copies(sending), copies(Sending { copies: 0, ..sending })], ["2 copies, 1 apart", "no copies"]);
        assert_eq!([level(Level::SILENCE), level(Level(-18.2))], ["silent", "-18 dB"]);
    }
}
