//! A sound server that dies in the middle of a call: told in a sentence, the call goes on, sound comes back by itself.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::process::Voicetui;
use super::pulse::Pulse;
use super::signal::{read_wav, tone_ms};

fn is_device(event: &Value, direction: &str, status: &str) -> bool {
    event["event"] == "device" && event["direction"] == direction && event["status"] == status
}

/// Waits until both devices have opened after the first `before` events.
fn wait_reopened(side: &Voicetui, before: usize) {
    let deadline = Instant::now() + Duration::from_secs(20);
    let reopened = |direction| side.events().iter().skip(before).any(|event| is_device(event, direction, "open"));
    while !(reopened("input") && reopened("output")) {
        assert!(Instant::now() < deadline, "not opened again: {:#?}", side.events());
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Waits until, after the first `before` events, the loudspeaker of that name is opened.
fn wait_playing_on(side: &Voicetui, name: &str, before: usize) {
    let deadline = Instant::now() + Duration::from_secs(20);
    let id = format!("pulseaudio:{name}");
    let opened = || side.events().iter().skip(before).any(|event| is_device(event, "output", "open") && event["id"] == id);
    while !opened() {
        assert!(Instant::now() < deadline, "{name} is not opened: {:#?}", side.events());
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Waits for so many statistics more.
fn wait_reports(side: &Voicetui, more: usize) {
    let count = || side.events().iter().filter(|event| event["event"] == "stats").count();
    let (deadline, enough) = (Instant::now() + Duration::from_secs(20), count() + more);
    while count() < enough {
        assert!(Instant::now() < deadline, "no statistics");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn survives_its_server(host: &str) {
    let (here, there) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    let Some(card) = Pulse::start(here.path()) else { return };
    let b = Voicetui::start(there.path(), &["--input", "silence", "--output", "null", "--auto-answer", "all"], &[]);
    let address = format!("127.0.0.1:{}", b.port);
    let a = Voicetui::start(here.path(), &["--host", host, "--open", &address], &card.env());
    a.wait("an open microphone", |event| is_device(event, "input", "open"));
    a.wait("an open loudspeaker", |event| is_device(event, "output", "open"));
    b.wait_growth("received_packets", 50);
    // Nobody plays into this card's microphone: it delivers zeros, as a forbidden or muted one does.
    a.wait("word of the silence", |event| event["message"].as_str().is_some_and(|text| text.contains("nothing but silence")));
    drop(card);
    for direction in ["input", "output"] {
        let lost = a.wait("a lost device", |event| is_device(event, direction, "lost"));
        assert!(lost["message"].as_str().is_some_and(|sentence| sentence.ends_with('.')), "{lost}");
    }
    // The stand-in's silence goes on leaving: the open microphone's stream does not break off.
    b.wait_growth("received_packets", 100);
    let before = a.events().len();
    let _card = Pulse::start(here.path()).expect("it was there before");
    wait_reopened(&a, before);
    b.wait_growth("received_packets", 50);
    a.quit();
    b.quit();
}

#[test]
fn a_pulseaudio_that_dies_is_found_again_and_the_call_goes_on() {
    survives_its_server("pulseaudio");
}

#[test]
fn alsa_whose_server_dies_is_opened_again_and_the_call_goes_on() {
    survives_its_server("alsa");
}

#[test]
fn the_better_loudspeaker_is_taken_when_it_is_plugged_in_and_left_when_it_is_pulled_out() {
    let (here, there) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    let Some(card) = Pulse::start(here.path()) else { return };
    let b = Voicetui::start(there.path(), &["--input", "silence", "--output", "null", "--auto-answer", "all"], &[]);
    let address = format!("127.0.0.1:{}", b.port);
    let words = ["--host", "pulseaudio", "--input", "silence", "--output", "headset", "--output", "pulseaudio:ear", &address];
    let a = Voicetui::start(here.path(), &words, &card.env());
    a.wait("word of the missing one", |event| {
        event["event"] == "info"
            && event["message"].as_str().is_some_and(|text| text.contains("\"headset\"") && text.contains("Until then"))
    });
    wait_playing_on(&a, "ear", 0);
    let before = a.events().len();
    let module = card.plug("headset");
    wait_playing_on(&a, "headset", before);
    // Noticed is only what a look has seen while it played: six reports, a second apart, are three looks.
    wait_reports(&a, 6);
    let before = a.events().len();
    card.unplug(&module);
    wait_playing_on(&a, "ear", before);
    let orders = |event: &Value| event["event"] == "device_order" && event["used"] == "headset" && event["order"][2] == "default";
    a.wait("the order as it is told", orders);
    a.quit();
    b.quit();
}

/// A call whose microphone was named, pulled out while the system's default one hears a tone: how long the peer heard it, in
/// milliseconds. `keyed`: how the microphone is on air.
fn heard_of_another_room(keyed: &str) -> Option<usize> {
    let (here, there) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    let card = Pulse::start(here.path())?;
    let (module, heard) = (card.plug("usbmic"), there.path().join("heard.wav"));
    let output = format!("wav:{}", heard.display());
    // Its own sounds are tones too.
    let words = ["--input", "silence", "--output", &output, "--auto-answer", "all", "--earcons", "off"];
    let b = Voicetui::start(there.path(), &words, &[]);
    let address = format!("127.0.0.1:{}", b.port);
    let words = ["--host", "pulseaudio", "--input", "pulseaudio:usbmic.monitor", "--output", "null", &address];
    let mut a = Voicetui::start(here.path(), &words, &card.env());
    let id = "pulseaudio:usbmic.monitor";
    a.wait("the chosen microphone", |event| is_device(event, "input", "open") && event["id"] == id);
    a.wait_peer("answer", |peer| peer["state"] == "live");
    a.say(keyed);
    a.wait("word of being on air", |event| event["event"] == "on_air" && event["on"] == true);
    // Noticed is only what a look has seen while it ran.
    wait_reports(&a, 6);
    let _tone = card.sound_on();
    card.unplug(&module);
    a.wait("a lost microphone", |event| is_device(event, "input", "lost"));
    a.wait("another microphone", |event| is_device(event, "input", "open") && event["id"] == "pulseaudio:mouth.monitor");
    a.quit();
    b.wait("the hang-up", |event| event["event"] == "state" && event["state"] == "hung up");
    b.quit();
    Some(tone_ms(&read_wav(&heard)))
}

#[test]
fn a_microphone_that_is_pulled_out_puts_no_other_on_air() {
    for keyed in ["open on", "talk on"] {
        let Some(heard) = heard_of_another_room(keyed) else { return };
        assert_eq!(heard, 0, "ms of another microphone, with `{keyed}`");
    }
}
