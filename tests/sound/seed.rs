//! The two Python scripts it all came from, after their description, on PulseAudio null sinks.

use std::process::{Command, Stdio};

use super::process::{Kept, Voicetui, free_port, needs};
use super::pulse::Pulse;
use super::signal::{chirps, heard_share};
use super::steady::comes_out;

/// `None`, said aloud, where Python or its sound packages are not installed.
fn script(name: &str, args: &[&str], card: &Pulse) -> Option<Kept> {
    needs(&["python3"])?;
    let import = Command::new("python3").args(["-c", "import numpy, sounddevice"]).stderr(Stdio::null()).status();
    if !import.is_ok_and(|status| status.success()) {
        eprintln!("SKIPPED: python3 lacks numpy or sounddevice (or libportaudio2) here");
        return None;
    }
    let path = format!("{}/tests/seed/{name}", env!("CARGO_MANIFEST_DIR"));
    let mut child = Command::new("python3").arg(path).args(args).envs(card.env()).stdout(Stdio::piped()).spawn().expect("python3 starts");
    let mut line = String::new();
    let mut output = std::io::BufReader::new(child.stdout.take().expect("its output"));
    std::io::BufRead::read_line(&mut output, &mut line).expect("its first line");
    assert!(!line.is_empty(), "{name} ended at once");
    Some(Kept(child))
}

#[test]
fn the_seed_hears_us() {
    comes_out(0.7, heard_by_the_seed);
}

fn heard_by_the_seed() -> Option<(f64, String)> {
    let (here, there) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    let (card_a, card_b) = (Pulse::start(here.path())?, Pulse::start(there.path())?);
    let port = free_port().to_string();
    let _seed = script("receive.py", &[&port], &card_b)?;
    let address = format!("127.0.0.1:{port}");
    let mut a = Voicetui::start(here.path(), &["--host", "pulseaudio", "--format", "pcm", "--open", &address], &card_a.env());
    let ear = card_b.listen();
    a.wait_peer("datagrams to the seed", |peer| peer["state"] == "live" && peer["sent_packets"].as_u64() > Some(20));
    let voice = chirps(5);
    card_a.speak(&voice);
    let stats = a.wait_growth("sent_packets", 20);
    let peer = &stats["peers"][0];
    assert_eq!(peer["format"], "pcm");
    assert_eq!(peer["sent_bytes"].as_u64(), peer["sent_packets"].as_u64().map(|n| n * 2_048), "every datagram is 2,048 bytes");
    let (share, lag) = heard_share(&voice, &ear.heard());
    a.say("hangup");
    a.quit();
    Some((share, format!("played by the seed, lag {lag:.3} s")))
}

#[test]
fn we_hear_the_seed_once_it_is_answered() {
    comes_out(0.7, heard_from_the_seed);
}

fn heard_from_the_seed() -> Option<(f64, String)> {
    let (here, there) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    let (card_a, card_b) = (Pulse::start(here.path())?, Pulse::start(there.path())?);
    let mut b = Voicetui::start(there.path(), &["--host", "pulseaudio"], &card_b.env());
    let ear = card_b.listen();
    let _seed = script("send.py", &["127.0.0.1", &b.port.to_string()], &card_a)?;
    b.wait_peer("ringing", |peer| peer["state"] == "ringing");
    let voice = chirps(5);
    card_a.speak(&voice);
    assert!(heard_share(&voice, &ear.heard()).0 < 0.05, "a stranger was heard before an answer");
    b.say("answer");
    b.wait_peer("a live call", |peer| peer["state"] == "live" && peer["format"] == "pcm");
    let before = ear.heard().len();
    card_a.speak(&voice);
    let stats = b.wait_growth("received_packets", 20);
    let heard = ear.heard();
    let (share, lag) = heard_share(&voice, &heard[before..]);
    b.quit();
    Some((share, format!("from the seed, lag {lag:.3} s; {stats}")))
}
