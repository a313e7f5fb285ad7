//! A loudspeaker that the microphone hears: who speaks on the other side does not hear itself.

use super::process::Voicetui;
use super::pulse::Pulse;
use super::signal::{RATE, read_wav};

/// A card that slips makes another room, which is to be learned anew: PulseAudio's null sink does now and then, by a few ms.
const TRIES: u32 = 5;

#[test]
fn the_far_end_does_not_hear_itself() {
    let mut told = Vec::new();
    for _ in 0..TRIES {
        // How well is shown in virtual time; without it, none is gone.
        match share_of_the_echo_that_is_gone() {
            Some((share, _)) if share >= 0.6 => return,
            Some((_, how)) => told.push(how),
            None => return,
        }
    }
    panic!("the echo is not gone in {TRIES} tries: {told:?}");
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
    far.wait_growth("received_packets", 600);
    near.quit();
    far.quit();
    let without = read_wav(&ear);
    let (with, without) = (&with[with.len().saturating_sub(4 * RATE)..], &without[learnt.min(without.len())..]);
    let usual = loudness(with);
    assert!(usual > 0.005, "the echo is heard without: {usual}");
    // 14 dB below.
    let heard = |samples: &[f32]| {
        let words = samples.chunks_exact(RATE / 2).map(loudness).collect::<Vec<f64>>();
        words.iter().filter(|word| **word > usual / 5.0).count() as f64 / words.len().max(1) as f64
    };
    let (before, after) = (heard(with), heard(without));
    Some((
        1.0 - after / before,
        format!("in {before:.2} of the half seconds before, in {after:.2} after; {usual:.4}, {:.4}", loudness(without)),
    ))
}

fn loudness(samples: &[f32]) -> f64 {
    (samples.iter().map(|s| f64::from(s * s)).sum::<f64>() / samples.len().max(1) as f64).sqrt()
}
