//! The doctor before a sound card whose loudspeaker its microphone hears: the round trip is measured, and a silent one is told.

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use super::process::free_port;
use super::pulse::Pulse;

fn examine(home: &Path, card: &Pulse, host: &str) -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_voicetui"))
        .args(["doctor", "--json", "--bind", "127.0.0.1", "--port", &free_port().to_string(), "--host", host])
        .env("HOME", home)
        .env("XDG_RUNTIME_DIR", home)
        .envs(["XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_DATA_HOME"].map(|name| (name, home)))
        .envs(card.env())
        .stdin(Stdio::null())
        .output()
        .expect("it runs");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

fn finding<'a>(report: &'a Value, what: &str) -> &'a Value {
    let mut all = report["findings"].as_array().expect("findings").iter();
    all.find(|finding| finding["what"] == what).unwrap_or_else(|| panic!("no {what}: {report}"))
}

#[test]
fn the_round_trip_of_a_card_is_measured_by_chirps() {
    let home = tempfile::tempdir().expect("a directory");
    let Some(card) = Pulse::start(home.path()) else { return };
    card.loop_back();
    for host in ["pulseaudio", "alsa"] {
        // A busy machine may tear every chirp once.
        let heard = (0..3).map(|_| examine(home.path(), &card, host)).find(|report| finding(report, "round trip")["verdict"] != "skipped");
        let report = heard.unwrap_or_else(|| panic!("{host}: no chirp came around, three times"));
        let says = finding(&report, "round trip")["says"].as_str().expect("a sentence").to_owned();
        println!("{host}: {says}");
        let ms: f64 = says.split(' ').next().and_then(|ms| ms.parse().ok()).unwrap_or_else(|| panic!("{says}"));
        assert!((0.5..700.0).contains(&ms) && says.contains("of 3 chirps"), "{says}");
        // Zeros, and yet a chirp: no microphone is like that.
        let level = finding(&report, "microphone level");
        assert!(level["verdict"] == "warn" && level["says"].as_str().is_some_and(|says| says.contains("loopback")), "{level}");
        assert!(finding(&report, "its buffer")["says"].as_str().is_some_and(|says| says.contains(" ms)")), "{report}");
    }
}

#[test]
fn a_microphone_of_zeros_is_told_as_muted() {
    let home = tempfile::tempdir().expect("a directory");
    let Some(card) = Pulse::start(home.path()) else { return };
    let report = examine(home.path(), &card, "pulseaudio");
    let level = finding(&report, "microphone level");
    assert!(level["verdict"] == "bad" && level["says"] == "delivers only zeros: muted or not permitted", "{level}");
    assert!(finding(&report, "round trip")["says"].as_str().is_some_and(|says| says.contains("none of 3 chirps")), "{report}");
    assert_eq!(report["verdict"], "bad");
}
