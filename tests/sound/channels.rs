//! Channels that the user chose are the card's own, whatever it calls them; and a server lets in who has no cookie yet.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::process::{Kept, Voicetui};
use super::pulse::Pulse;
use super::signal::{read_wav, to_s16, tone_ms};

const CHANNELS: usize = 4;
/// Names that no program guesses, so that a server which goes by names mixes.
const NAMES: &str = "channel_map=front-right,aux1,front-left,aux3";
const RAW: [&str; 5] = ["--raw", "--format=s16le", "--rate=48000", "--channels=4", "--no-remap"];

/// A card of four channels, and who plays a tone of 1 kHz on one of them (counted from 1) for as long as he is kept.
fn sound_on(card: &Pulse, channel: usize) -> Kept {
    let mut child = Command::new("pacat")
        .args(["--playback", "--device=four", "--latency-msec=20"])
        .args(RAW)
        .envs(card.env())
        .stdin(Stdio::piped())
        .spawn()
        .expect("pacat starts");
    let mut input = child.stdin.take().expect("its input");
    let tone = |n: usize| 0.25 * (n as f32 * std::f32::consts::TAU / 48.0).sin();
    let frame = |n: usize| (1..=CHANNELS).map(move |at| if at == channel { tone(n) } else { 0.0 });
    let second: Vec<f32> = (0..48_000).flat_map(frame).collect();
    std::thread::spawn(move || while input.write_all(&to_s16(&second)).is_ok() {});
    Kept(child)
}

/// Milliseconds of the tone on channel 3 that a microphone opened as `four.monitor#chosen` brings to the peer within a second.
fn heard_by(card: &Pulse, chosen: usize) -> usize {
    let (here, there) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    let heard = there.path().join("heard.wav");
    let output = format!("wav:{}", heard.display());
    let words = ["--input", "silence", "--output", &output, "--auto-answer", "all", "--earcons", "off"];
    let b = Voicetui::start(there.path(), &words, &[]);
    let (input, address) = (format!("pulseaudio:four.monitor#{chosen}"), format!("127.0.0.1:{}", b.port));
    let words = [
        "--host",
        "pulseaudio",
        "--input",
        &input,
        "--output",
        "null",
        "--echo",
        "off",
        "--noise",
        "off",
        "--gain",
        "off",
        "--open",
        &address,
    ];
    let a = Voicetui::start(here.path(), &words, &card.env());
    let id = "pulseaudio:four.monitor";
    a.wait("the microphone", |event| event["event"] == "device" && event["direction"] == "input" && event["id"] == id);
    b.wait_growth("received_packets", 200);
    a.quit();
    b.quit();
    tone_ms(&read_wav(&heard))
}

#[test]
fn a_chosen_channel_of_a_microphone_is_that_channel_and_no_other() {
    let dir = tempfile::tempdir().expect("a directory");
    let Some(card) = Pulse::start(dir.path()) else { return };
    card.plug_with("four", CHANNELS, NAMES);
    let _tone = sound_on(&card, 3);
    let heard = [1, 2, 3, 4].map(|chosen| heard_by(&card, chosen));
    assert!(heard[2] >= 200, "{heard:?}");
    assert_eq!([heard[0], heard[1], heard[3]], [0; 3], "ms of what only channel 3 hears");
}

#[test]
fn a_chosen_channel_of_a_loudspeaker_plays_and_the_others_are_silent() {
    let (here, there) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    let Some(card) = Pulse::start(there.path()) else { return };
    card.plug_with("four", CHANNELS, NAMES);
    let words = ["--host", "pulseaudio", "--input", "silence", "--output", "pulseaudio:four#3", "--auto-answer", "all", "--earcons", "off"];
    let b = Voicetui::start(there.path(), &words, &card.env());
    let address = format!("127.0.0.1:{}", b.port);
    let a = Voicetui::start(here.path(), &["--input", "tone:1000", "--output", "null", "--noise", "off", "--open", &address], &[]);
    b.wait_growth("received_packets", 50);
    let ear = card.listen_to(&["--device=four.monitor", "--latency-msec=20"], &RAW);
    let channels = || {
        let heard = ear.heard();
        std::array::from_fn::<_, CHANNELS, _>(|at| tone_ms(&heard.chunks_exact(CHANNELS).map(|frame| frame[at]).collect::<Vec<_>>()))
    };
    let deadline = Instant::now() + Duration::from_secs(20);
    while channels()[2] < 500 {
        assert!(Instant::now() < deadline, "no tone on channel 3: {:?} ms", channels());
        std::thread::sleep(Duration::from_millis(50));
    }
    let played = channels();
    assert_eq!([played[0], played[1], played[3]], [0; 3], "ms on channels that were not chosen");
    a.quit();
    b.quit();
}

#[test]
fn a_server_that_asks_for_no_cookie_lets_in_who_has_none() {
    let (card_dir, home) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    let Some(card) = Pulse::start(card_dir.path()) else { return };
    let a = Voicetui::start(home.path(), &["--host", "pulseaudio", "--input", "silence"], &card.env());
    let played = a.wait("word of the loudspeaker", |event| event["event"] == "device" && event["direction"] == "output");
    assert_eq!((&played["status"], &played["id"]), (&"open".into(), &"pulseaudio:ear".into()), "{played}");
    a.quit();
    let cookie = std::fs::read(home.path().join("config/pulse/cookie")).expect("one is made, as any program would");
    assert_eq!(cookie.len(), 256);
}
