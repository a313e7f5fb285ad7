//! `voicetui doctor` for real: without a sound card, with a taken port, with a peer that answers and with one that does not.

use std::net::UdpSocket;

use serde_json::Value;
use tempfile::TempDir;

use super::{Running, home, refused, run, write_config};

const HERE: [&str; 6] = ["--bind", "127.0.0.1", "--input", "voice", "--output", "null"];

fn doctor(home: &TempDir, more: &[&str]) -> Value {
    let output = run(home, &[&["doctor"][..], &HERE, &["--json"], more].concat());
    let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
    assert_eq!(output.status.code(), Some(i32::from(report["verdict"] == "bad")), "{report}");
    report
}

/// The finding that speaks of `what`.
fn finding<'a>(report: &'a Value, what: &str) -> &'a Value {
    let mut all = report["findings"].as_array().expect("findings").iter();
    all.find(|finding| finding["what"] == what).unwrap_or_else(|| panic!("no {what}: {report}"))
}

fn free() -> String {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    socket.local_addr().expect("its address").port().to_string()
}

#[test]
fn a_report_without_a_terminal_is_text_that_ends_with_what_to_do() {
    let home = home();
    let output = run(&home, &[&["doctor", "--port", &free()][..], &HERE].concat());
    let text = String::from_utf8(output.stdout).expect("text");
    for part in [
        "Program and system",
        "voicetui 0.",
        "Sound",
        "voice: 48000 Hz",
        "granted 240 frames (5.0 ms)",
        "Network",
        "no terminal here",
        "a sleep of 2 ms",
        "Files",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(text.contains("\nNothing to do.\n") || text.contains("\nWhat to do\n  1. "), "{text}");
    assert!(!text.contains('\x1b') && output.stderr.is_empty(), "{text}");
    assert!(!home.path().join("voicetui/key").exists(), "looking makes no key");
}

#[test]
fn without_a_sound_card_it_says_so_and_fails() {
    let home = home();
    // An ALSA without any device, and no server of PulseAudio.
    std::fs::write(home.path().join("asound.conf"), "").expect("written");
    let mut command = super::voicetui(home.path(), &["doctor", "--json", "--host", "alsa", "--bind", "127.0.0.1", "--port", &free()]);
    let output =
        command.env("ALSA_CONFIG_PATH", home.path().join("asound.conf")).stdin(std::process::Stdio::null()).output().expect("it runs");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let report: Value = serde_json::from_slice(&output.stdout).expect("one object");
    for what in ["microphone", "loudspeaker"] {
        let finding = finding(&report, what);
        assert!(finding["verdict"] == "bad" && finding["advice"].as_str().is_some_and(|advice| advice.contains(what)), "{finding}");
    }
    assert_eq!(finding(&report, "round trip")["verdict"], "skipped");
}

#[test]
fn a_device_that_is_not_there_is_told_and_the_one_that_a_call_takes_is_tried() {
    let home = home();
    std::fs::write(home.path().join("asound.conf"), "").expect("written");
    let more = ["--input", "nosuch", "--input", "voice", "--output", "null", "--host", "alsa", "--bind", "127.0.0.1", "--port", &free()];
    let mut command = super::voicetui(home.path(), &[&["doctor", "--json"][..], &more].concat());
    command.env("ALSA_CONFIG_PATH", home.path().join("asound.conf"));
    let output = command.stdin(std::process::Stdio::null()).output().expect("it runs");
    let report: Value = serde_json::from_slice(&output.stdout).expect("one object");
    let missing = finding(&report, "microphone");
    assert_eq!((&missing["verdict"], &missing["says"]), (&"warn".into(), &"nosuch is not there; a call takes voice until it is".into()));
    assert_eq!(finding(&report, "its flow")["verdict"], "ok", "the other one is examined: {report}");
}

#[test]
fn a_config_file_that_is_not_understood_is_a_finding_of_the_report() {
    let home = home();
    write_config(&home, "prot = 6000\n");
    let report = doctor(&home, &["--port", "0"]);
    let found = finding(&report, "config file");
    assert!(
        found["verdict"] == "bad" && found["says"].as_str().is_some_and(|says| says.contains("line 1: there is no key prot")),
        "{found}"
    );
    assert!(found["advice"].as_str().is_some_and(|advice| advice.starts_with("Mend ")), "{found}");
    assert!(refused(&home, &["--plain"]).contains("config.toml, line 1: there is no key prot"), "a call does not begin");
}

#[test]
fn a_port_that_another_program_has_is_bad() {
    let home = home();
    let other = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let port = other.local_addr().expect("its address").port().to_string();
    let report = doctor(&home, &["--port", &port]);
    let finding = finding(&report, "port");
    assert!(finding["verdict"] == "bad" && finding["advice"].as_str().is_some_and(|advice| advice.contains("--port")), "{finding}");
}

#[test]
fn a_voicetui_of_ones_own_that_has_the_port_is_known_again_and_a_peer_answers() {
    let (here, there) = (home(), home());
    // The same home: the same key, and its ctl socket.
    let mut own = Running::keeping(&here, &[]);
    let mut peer = Running::keeping(&there, &[]);
    let port = own.address.rsplit_once(':').expect("a port").1.to_owned();
    let report = doctor(&here, &[&peer.address.clone(), "--port", &port]);
    let held = finding(&report, "port");
    assert!(held["verdict"] == "ok" && held["says"].as_str().is_some_and(|says| says.contains("a voicetui of yours")), "{held}");
    let found = finding(&report, "peer");
    assert!(found["verdict"] == "ok" && found["says"].as_str().is_some_and(|says| says.contains("not known here")), "{found}");
    assert!(finding(&report, "running")["says"].as_str().is_some_and(|says| says.contains(&own.child.id().to_string())), "{report}");
    for side in [&mut own, &mut peer] {
        side.say("quit");
        while let Ok(event) = side.events.recv() {
            assert!(event["event"] != "peer" && event["event"] != "ringing", "nobody rings: {event}");
        }
    }
}

#[test]
fn while_ones_own_voicetui_calls_somebody_no_device_is_touched() {
    let (here, there) = (home(), home());
    let peer = Running::keeping(&there, &["--auto-answer", "all"]);
    let mut own = Running::keeping(&here, &[]);
    own.say(&format!("call {}", peer.address));
    own.wait("state", |event| event["state"] == "live");
    let report = doctor(&here, &["--port", "0"]);
    for what in ["microphone", "loudspeaker", "round trip"] {
        let finding = finding(&report, what);
        assert!(finding["verdict"] == "skipped" && finding["says"].as_str().is_some_and(|says| says.contains("a call is up")), "{finding}");
    }
}

#[test]
fn a_peer_that_does_not_answer_is_told() {
    let home = home();
    let nobody = UdpSocket::bind("127.0.0.1:0").expect("a socket that never answers");
    let address = nobody.local_addr().expect("its address").to_string();
    let report = doctor(&home, &[&address, "--port", "0"]);
    let found = finding(&report, "peer");
    let says = found["says"].as_str().expect("a sentence");
    assert!(found["verdict"] == "bad" && says.contains("no answer from") && says.contains("firewall, or not running"), "{found}");
    assert!(refused(&home, &["doctor", "0.0.0.0"]).contains("not called"));
    assert!(refused(&home, &["doctor", "--demo"]).contains("looks and reports"));
}
