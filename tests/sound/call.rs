//! Two voicetuis, each on a sound card of its own.

use super::process::Voicetui;
use super::pulse::Pulse;
use super::signal::{RATE, chirps, heard_share, read_wav, wav};
use super::steady::comes_out;

#[test]
fn a_voice_goes_in_at_one_sound_card_and_comes_out_at_the_other() {
    comes_out(0.8, heard_over_two_cards);
}

fn heard_over_two_cards() -> Option<(f64, String)> {
    let (here, there) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    let (card_a, card_b) = (Pulse::start(here.path())?, Pulse::start(there.path())?);
    let b = Voicetui::start(there.path(), &["--host", "pulseaudio", "--auto-answer", "all"], &card_b.env());
    let address = format!("127.0.0.1:{}", b.port);
    let mut a = Voicetui::start(here.path(), &["--host", "pulseaudio", &address], &card_a.env());
    let ear = card_b.listen();
    a.wait_peer("answer", |peer| peer["state"] == "live" && peer["rtt_ms"].is_number());
    a.say("talk on");
    a.wait("word of being on air", |event| event["event"] == "on_air" && event["on"] == true);
    let voice = chirps(5);
    card_a.speak(&voice);
    let stats = b.wait_growth("received_packets", 50);
    let (share, lag) = heard_share(&voice, &ear.heard());
    a.say("talk off");
    a.quit();
    b.wait("the hang-up", |event| event["event"] == "state" && event["state"] == "hung up");
    b.quit();
    Some((share, format!("lag {lag:.3} s; {stats}")))
}

#[test]
fn two_files_and_a_recording_need_no_sound_card() {
    comes_out(0.9, heard_from_file_to_file);
}

fn heard_from_file_to_file() -> Option<(f64, String)> {
    let dir = tempfile::tempdir().expect("a directory");
    let voice = chirps(6);
    let (mouth, ear, records) = (dir.path().join("mouth.wav"), dir.path().join("ear.wav"), dir.path().join("records"));
    std::fs::write(&mouth, wav(&voice)).expect("mouth.wav");
    let output = format!("wav:{}", ear.display());
    let b = Voicetui::start(
        &dir.path().join("b"),
        &["--input", "silence", "--output", &output, "--auto-answer", "all", "--record", records.to_str().expect("a name")],
        &[],
    );
    let (input, address) = (format!("wav:{}", mouth.display()), format!("127.0.0.1:{}", b.port));
    let a = Voicetui::start(&dir.path().join("a"), &["--input", &input, "--output", "null", "--open", &address], &[]);
    b.wait_peer("six seconds of voice", |peer| peer["received_packets"].as_u64() > Some(650));
    a.quit();
    b.quit();
    // The microphone is open from the call on, so its first moments pass while the other side picks up.
    let voice = &voice[RATE / 2..];
    let (share, _) = heard_share(voice, &read_wav(&ear));
    let recorded: Vec<f64> = std::fs::read_dir(&records)
        .expect("recordings")
        .map(|entry| heard_share(voice, &read_wav(&entry.expect("an entry").path())).0)
        .collect();
    let best = recorded.iter().copied().fold(0.0, f64::max);
    Some((share.min(best), format!("played {share:.2}, recorded {recorded:?}")))
}

#[test]
fn who_came_in_by_itself_does_not_inherit_an_open_microphone() {
    let dir = tempfile::tempdir().expect("a directory");
    let devices = ["--input", "voice", "--output", "null", "--auto-answer", "all"];
    let start = |name: &str, more: &[&str]| Voicetui::start(&dir.path().join(name), &[&devices, more].concat(), &[]);
    let mut a = start("a", &["--open"]);
    let mut visitor = start("visitor", &[]);
    visitor.say(&format!("call 127.0.0.1:{}", a.port));
    a.wait_peer("the visitor", |peer| peer["state"] == "live" && peer["incoming"] == true);
    let b = start("b", &[]);
    a.say(&format!("call 127.0.0.1:{}", b.port));
    let called = format!("127.0.0.1:{}", b.port);
    let live = |event: &serde_json::Value| {
        event["event"] == "stats" && event["peers"][1]["peer"] == called && event["peers"][1]["state"] == "live"
    };
    let stats = a.wait("the called peer", live);
    assert_eq!(stats["on_air"], false, "--open reaches a visitor: {stats}");
    a.say("open on");
    a.wait("word of being on air", |event| event["event"] == "on_air" && event["on"] == true);
    b.quit();
    a.wait("the microphone to close with the hang-up", |event| event["event"] == "on_air" && event["on"] == false);
    visitor.quit();
    a.quit();
}
