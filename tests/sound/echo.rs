//! A loudspeaker that the microphone hears: who speaks on the other side does not hear itself.

use super::process::Voicetui;
use super::pulse::Pulse;
use super::signal::{RATE, read_wav};
use super::steady::comes_out;

#[test]
fn the_far_end_does_not_hear_itself() {
    // A fifth of the amplitude is 14 dB; 30 to 60 dB are what virtual time shows.
    comes_out(0.8, share_of_the_echo_that_is_gone);
}

fn share_of_the_echo_that_is_gone() -> Option<(f64, String)> {
    let (here, there) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    let card = Pulse::start(here.path())?;
    card.loop_back();
    let ear = there.path().join("ear.wav");
    let output = format!("wav:{}", ear.display());
    let mut far = Voicetui::start(there.path(), &["--input", "voice", "--output", &output, "--auto-answer", "all"], &[]);
    let address = format!("127.0.0.1:{}", far.port);
    let mut near = Voicetui::start(here.path(), &["--host", "pulseaudio", "--echo", "off", "--open", &address], &card.env());
    near.wait_peer("the answer", |peer| peer["state"] == "live");
    far.say("open on");
    near.wait("word of what the output is", |event| event["event"] == "stats" && event["loudspeaker"] == true);
    far.wait_growth("received_packets", 500);
    let with = read_wav(&ear);
    near.say("echo auto");
    let stats = near.wait("the echo to be cancelled", |event| event["event"] == "stats" && event["at_work"]["echo"] == true);
    assert!(stats["at_work"]["delay_ms"].as_f64().is_some_and(|ms| ms < 16.0), "{stats}");
    far.wait_growth("received_packets", 250);
    let learnt = read_wav(&ear).len();
    far.wait_growth("received_packets", 400);
    near.quit();
    far.quit();
    let without = read_wav(&ear);
    let loudness = |samples: &[f32]| (samples.iter().map(|s| f64::from(s * s)).sum::<f64>() / samples.len().max(1) as f64).sqrt();
    let (before, after) = (loudness(&with[with.len().saturating_sub(3 * RATE)..]), loudness(&without[learnt.min(without.len())..]));
    assert!(before > 0.005, "the echo is heard without: {before}");
    Some((1.0 - after / before, format!("{before:.4} before, {after:.4} after: {:.0} dB", 20.0 * (before / after).log10())))
}
