//! Two real programs that seal their calls: keys pinned, words the same, a changed key refused, a door station, a passphrase.

use serde_json::Value;
use tempfile::TempDir;

use super::{QUIET, Running, home, printed, voicetui};

fn state(name: &str) -> impl Fn(&Value) -> bool {
    move |event| event["state"] == name
}

/// On the port that another one of `home` had.
fn again(home: &TempDir, address: &str, more: &[&str]) -> Running {
    let port = address.rsplit(':').next().expect("a port");
    Running::keeping(home, &[&["--port", port], more].concat())
}

#[test]
fn a_key_is_pinned_verified_by_the_words_and_refused_when_it_changes() {
    let (here, there) = (home(), home());
    let mut answers = Running::keeping(&there, &["--auto-answer", "all"]);
    let address = answers.address.clone();
    let mut calls = Running::keeping(&here, &[&address]);
    let (ours, theirs) = (calls.wait("sealed", |_| true), answers.wait("sealed", |_| true));
    assert_eq!(ours["words"], theirs["words"]);
    assert_eq!(ours["words"].as_str().map(|words| words.split(' ').count()), Some(4));
    assert_eq!(ours["key"].as_str(), Some(printed(&there, &["id"]).trim_end()));
    assert_eq!(theirs["key"].as_str(), Some(printed(&here, &["id"]).trim_end()));
    // It is pinned by being called, which makes it no old acquaintance in this call; who was called knows nobody by that.
    calls.wait("info", |event| event["message"].as_str().is_some_and(|text| text.contains("known by its key from now on")));
    calls.say("stats");
    let stats = calls.wait("stats", |event| event["peers"][0]["state"] == "live");
    assert_eq!((&stats["peers"][0]["seal"]["known_as"], &stats["peers"][0]["seal"]["verified"]), (&Value::Null, &false.into()));
    assert!(printed(&there, &["peers"]).starts_with("Nobody is known yet"));
    calls.say("verify");
    calls.wait("sealed", |event| event["verified"] == true && event["known_as"] == address.as_str());
    assert!(printed(&here, &["peers"]).starts_with(&format!("{address}  verified, last at {address}")));
    for mut program in [calls, answers] {
        program.say("quit");
        program.ends();
    }

    let key = there.path().join("voicetui/key");
    std::fs::remove_file(&key).expect("its key is lost");
    let answers = again(&there, &address, &["--auto-answer", "all"]);
    let mut calls = Running::keeping(&here, &[&address]);
    let changed = calls.wait("key_changed", |_| true);
    assert_eq!((&changed["known_key"], &changed["verified"]), (&ours["key"], &true.into()));
    assert_eq!(changed["shown_key"].as_str(), Some(printed(&there, &["id"]).trim_end()));
    calls.wait("state", state("unreachable"));
    assert_eq!(printed(&here, &["peers", "forget", &address]), format!("{address} and its key are forgotten.\n"));
    calls.wait("left", |_| true);
    calls.say(&format!("call {address}"));
    calls.wait("state", state("live"));
    drop((calls, answers));
}

#[test]
fn a_door_station_opens_to_whom_it_knows_and_to_nobody_else() {
    let (visitor, door) = (home(), home());
    let mut station = Running::keeping(&door, &["--auto-answer", "known", "--open-on-answer"]);
    let mut calls = Running::keeping(&visitor, &[&station.address.clone()]);
    station.wait("state", state("ringing"));
    station.say("admit");
    calls.wait("state", state("live"));
    // It was not known when it was answered: the microphone is closed until somebody here opens it.
    let stats = station.wait("stats", |event| event["peers"][0]["state"] == "live");
    assert_eq!(stats["held_by"], Value::Null);
    let name = format!("caller-{}", &printed(&visitor, &["id"])[..9]);
    assert!(printed(&door, &["peers"]).starts_with(&format!("{name}  not verified, connects at once")));
    calls.say("hangup");
    station.wait("left", |_| true);

    calls.say(&format!("call {}", station.address));
    calls.wait("state", state("live"));
    station.wait("on_air", |event| event["on"] == true);
    // Without a name it would be for those who ring.
    station.say(&format!("block {}", calls.address));
    station.wait("on_air", |event| event["on"] == false);
    calls.wait("left", |_| true);
    calls.say(&format!("call {}", station.address));
    calls.wait("state", state("declined"));
    assert!(printed(&door, &["peers"]).contains("blocked"));
}

#[test]
fn a_passphrase_lets_in_who_has_it_and_tells_of_who_has_not() {
    let with = |more: &[&str], passphrase: &str| {
        let data = home();
        let mut command = voicetui(data.path(), &[&QUIET, more].concat());
        command.env("VOICETUI_PASSPHRASE", passphrase);
        Running::read(command, Some(data))
    };
    let mut answers = with(&["--auto-answer", "all"], "correct  horse");
    let mut calls = with(&[&answers.address.clone()], "correct horse");
    calls.wait("state", state("live"));
    let mut stranger = with(&[&answers.address.clone()], "battery staple");
    let differ = |event: &Value| event["message"].as_str().is_some_and(|text| text.contains("passphrases differ, or somebody interferes"));
    stranger.wait("problem", differ);
    answers.wait("problem", differ);
}
