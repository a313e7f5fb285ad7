//! How the options' values are read: each refusal is one sentence. The config file's values pass through here as well.

use std::net::IpAddr;
use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use tracing::level_filters::LevelFilter;

use crate::call::Address;
use crate::engine::{AutoAnswer, DelayBounds, EarconChoice, VoiceTuning, When};
use crate::ui::ThemeChoice;
use crate::units::Format;

/// Longest name that others are shown, bytes: it has to fit into each control packet.
const NAME_MAX: usize = 64;
/// A year: long enough for every time-out, short enough to be added to any clock.
const DURATION_MAX: Duration = Duration::from_secs(365 * 86_400);

/// The audio hosts of this build.
const HOSTS: &[&str] = &[
    #[cfg(target_os = "linux")]
    "alsa",
    #[cfg(target_os = "linux")]
    "pulseaudio",
    #[cfg(all(target_os = "linux", feature = "pipewire"))]
    "pipewire",
    #[cfg(feature = "jack")]
    "jack",
    #[cfg(target_os = "macos")]
    "coreaudio",
    #[cfg(windows)]
    "wasapi",
];

pub fn host_parser() -> PossibleValuesParser {
    PossibleValuesParser::new(HOSTS)
}

pub fn address(text: &str) -> Result<String, String> {
    text.parse::<Address>()?;
    Ok(text.trim().to_owned())
}

pub fn format_names() -> PossibleValuesParser {
    PossibleValuesParser::new(["sealed", "rtp", "pcm"])
}

pub fn format(name: &str) -> Format {
    match name {
        "rtp" => Format::Rtp,
        "pcm" => Format::Pcm,
        _ => Format::Sealed,
    }
}

pub fn auto_answer(whose: &str) -> AutoAnswer {
    match whose {
        "known" => AutoAnswer::Known,
        "all" => AutoAnswer::All,
        _ => AutoAnswer::None,
    }
}

pub fn earcons(which: &str) -> EarconChoice {
    which.parse().unwrap_or_default()
}

pub fn when_parser() -> impl TypedValueParser<Value = When> {
    PossibleValuesParser::new(When::ALL.map(When::name)).map(|name| name.parse().unwrap_or_default())
}

pub fn theme(name: &str) -> ThemeChoice {
    match name {
        "dark" => ThemeChoice::Dark,
        "light" => ThemeChoice::Light,
        "16" => ThemeChoice::Sixteen,
        "none" => ThemeChoice::None,
        _ => ThemeChoice::Auto,
    }
}

pub fn level(name: &str) -> LevelFilter {
    name.parse().unwrap_or(LevelFilter::INFO)
}

/// Seconds, or a number with its unit.
pub fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let seconds_each = match text[digits.len()..].trim() {
        "" | "s" => 1.0,
        "ms" => 1e-3,
        "m" | "min" => 60.0,
        "h" => 3_600.0,
        _ => return Err("a time is a number of seconds, or a number with ms, s, m or h, such as 90s or 5m".into()),
    };
    let plain = digits.trim().bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let seconds = digits.trim().parse::<f64>().ok().filter(|_| plain).map(|number| number * seconds_each);
    match seconds.map(Duration::try_from_secs_f64) {
        Some(Ok(time)) if time >= Duration::from_millis(1) && time <= DURATION_MAX => Ok(time),
        Some(Ok(_) | Err(_)) => Err("a time is at least 1ms and at most a year".into()),
        None => Err("a time is a number of seconds, or a number with ms, s, m or h, such as 90s or 5m".into()),
    }
}

pub fn port(text: &str) -> Result<u16, String> {
    text.parse().map_err(|_| "a port is a number from 1 to 65535, or 0 for any free one".into())
}

pub fn ip(text: &str) -> Result<IpAddr, String> {
    text.parse().map_err(|_| "this takes an IPv4 or IPv6 address of this machine, 0.0.0.0 or ::".into())
}

pub fn bitrate(text: &str) -> Result<u32, String> {
    let (number, factor) = text.strip_suffix('k').map_or((text, 1), |number| (number, 1_000));
    let bits = number.parse::<u32>().ok().and_then(|number| number.checked_mul(factor));
    bits.filter(|bits| (6_000..=510_000).contains(bits)).ok_or_else(|| "a bit rate is a number from 6000 to 510000, or 6k to 510k".into())
}

pub fn sensitivity(text: &str) -> Result<u8, String> {
    VoiceTuning::parse_sensitivity(text)
}

pub fn hang(text: &str) -> Result<u16, String> {
    VoiceTuning::parse_hang(text)
}

pub fn delay(text: &str) -> Result<DelayBounds, String> {
    text.parse()
}

/// Of the user's own: what a terminal would obey has no place in it.
pub fn name(text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.is_empty() || text.len() > NAME_MAX || text.chars().any(char::is_control) {
        return Err(format!("a name has 1 to {NAME_MAX} bytes and no control characters"));
    }
    Ok(text.to_owned())
}

pub fn text(text: &str) -> Result<String, String> {
    if text.is_empty() || text.chars().any(char::is_control) {
        return Err("this takes a name without control characters".into());
    }
    Ok(text.to_owned())
}

/// What the system calls the user; the program's name where it does not say.
pub fn login_name() -> String {
    let variables = ["USER", "LOGNAME", "USERNAME"].into_iter();
    variables.filter_map(|variable| std::env::var(variable).ok()).find_map(|user| name(&user).ok()).unwrap_or_else(|| "voicetui".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_with_their_unit() {
        for (text, millis) in [("90", 90_000), ("90s", 90_000), ("1.5", 1_500), ("250ms", 250), ("5m", 300_000), ("1h", 3_600_000)] {
            assert_eq!(duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "s", "-1", "0", "1d", "1e9", "inf", "NaN", "9999999999999999999h", "1 s m", "٣"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_hosts_offered_are_those_built_in() {
        let (mut offered, mut built) = (HOSTS.to_vec(), crate::os::sound::hosts());
        offered.sort_unstable();
        built.sort_unstable();
        assert_eq!(offered, built);
    }

    #[test]
    fn bit_rates_are_read_in_bits_or_thousands() {
        assert_eq!((bitrate("48000"), bitrate("64k")), (Ok(48_000), Ok(64_000)));
        assert!(["5999", "511k", "-1", "", "k", "4294967295k"].into_iter().all(|text| bitrate(text).is_err()));
    }

    #[test]
    fn a_name_cannot_carry_escape_sequences() {
        assert!(name("\u{1b}[31mred").is_err() && name("").is_err() && name(&"x".repeat(65)).is_err());
        assert_eq!(name(" Front door "), Ok("Front door".into()));
    }
}
