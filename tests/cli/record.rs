//! Recordings of the real program: what its files are when it ends, when it is killed, when the disk is full; and who is told.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use voicetui::os::wav::WavReader;

use super::{QUIET, Running, home, in_home, voicetui};

/// The files in `dir`, by the part of their names after the time: `sent.wav`.
fn tapes(dir: &Path) -> Vec<(String, PathBuf)> {
    let files = std::fs::read_dir(dir).expect("tapes").map(|file| file.expect("a file").path());
    let mut tapes: Vec<(String, PathBuf)> = files
        .map(|file| (file.file_name().expect("a name").to_string_lossy().splitn(3, '_').nth(2).expect("a time").to_owned(), file))
        .collect();
    tapes.sort();
    tapes
}

/// The samples of a file as another program decodes it; one of ours does for WAV where there is no ffmpeg. Nothing may be complained of.
fn decoded(file: &Path) -> Option<Vec<f32>> {
    let args = ["-nostdin", "-v", "error", "-i", file.to_str().expect("a name"), "-f", "f32le", "-ac", "1", "-ar", "48000", "-"];
    let Ok(output) = Command::new("ffmpeg").args(args).stdin(Stdio::null()).output() else {
        if file.extension().is_some_and(|extension| extension == "opus") {
            eprintln!("SKIPPED: ffmpeg is not installed here");
            return None;
        }
        let mut samples = vec![0.0; 48_000 * 60];
        let count = WavReader::open(file).expect("a WAV").read(&mut samples).expect("readable");
        samples.truncate(count);
        return Some(samples);
    };
    assert!(output.status.success() && output.stderr.is_empty(), "{}: {}", file.display(), String::from_utf8_lossy(&output.stderr));
    Some(output.stdout.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())
}

fn rms(samples: &[f32]) -> f32 {
    (samples.iter().map(|s| s * s).sum::<f32>() / samples.len().max(1) as f32).sqrt()
}

fn played(packets: u64) -> impl Fn(&Value) -> bool {
    move |event| event["peers"][0]["played_packets"].as_u64().is_some_and(|played| played > packets)
}

/// One that answers and one that called it, both open; the caller records into `tapes`.
fn call(home: &tempfile::TempDir, more: &[&str]) -> (Running, Running) {
    let mut listener = Running::start(home, &["--auto-answer", "all"]);
    let caller = Running::start(home, &[&["--record", "tapes", "--open", &listener.address.clone()], more].concat());
    listener.wait("state", |event| event["state"] == "live");
    listener.say("open on");
    (caller, listener)
}

#[test]
fn a_recorded_call_leaves_a_file_of_each_side_and_their_mix_all_of_one_length() {
    for format in ["wav", "opus"] {
        let home = home();
        let (mut caller, _listener) = call(&home, &["--record-format", format]);
        caller.wait("recording", |event| event["files"].as_array().is_some_and(|files| files.len() == 3));
        caller.wait("stats", played(150));
        caller.say("quit");
        caller.wait("quit", |_| true);
        caller.ends();
        let tapes = tapes(&home.path().join("tapes"));
        let names: Vec<&str> = tapes.iter().map(|(name, _)| name.as_str()).collect();
        assert!(
            names.len() == 3
                && names[0].starts_with("heard_127.0.0.1")
                && names[1..] == [format!("mix.{format}"), format!("sent.{format}")]
        );
        let Some(tracks) = tapes.iter().map(|(_, file)| decoded(file)).collect::<Option<Vec<_>>>() else { return };
        assert!(tracks.iter().all(|track| rms(track) > 0.01), "{format}: a voice is in each");
        assert!(
            tracks.iter().all(|track| track.len() == tracks[0].len()),
            "{format}: {:?}",
            tracks.iter().map(Vec::len).collect::<Vec<_>>()
        );
        let sum: Vec<f32> = tracks[0].iter().zip(&tracks[2]).map(|(heard, sent)| heard + sent).collect();
        let rest: Vec<f32> = sum.iter().zip(&tracks[1]).map(|(sum, mix)| sum - mix).collect();
        assert!(rms(&rest) < 0.25 * rms(&sum), "{format}: the mix is what was said and heard: {} of {}", rms(&rest), rms(&sum));
        let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&tapes[0].1).expect("there").permissions());
        assert_eq!(mode & 0o777, 0o600, "for nobody else's ears");
    }
}

#[test]
fn a_killed_program_leaves_files_that_play() {
    for format in ["wav", "opus"] {
        let home = home();
        let (mut caller, _listener) = call(&home, &["--record-format", format]);
        caller.wait("stats", played(300));
        // SIGKILL: nothing of it runs any more.
        caller.child.kill().expect("killed");
        caller.child.wait().expect("gone");
        let tapes = tapes(&home.path().join("tapes"));
        assert_eq!(tapes.len(), 3);
        for (name, file) in tapes {
            let Some(track) = decoded(&file) else { return };
            assert!(track.len() >= 48_000 && rms(&track) > 0.01, "{name}: {} samples", track.len());
        }
    }
}

/// As on a full disk: no file may grow beyond 128 KiB (1.3 s of WAV), or 16 KiB (some 2 s of Opus).
#[test]
fn a_full_disk_is_said_once_ends_the_recording_and_the_call_goes_on() {
    for (format, blocks, least) in [("wav", "256", 48_000), ("opus", "32", 40_000)] {
        let home = home();
        let listener = Running::start(&home, &["--auto-answer", "all"]);
        let mut limited = in_home(Command::new("sh"), home.path());
        // The signal is ignored, so that a write beyond the limit is an error, as it is on a full disk.
        let script = format!("ulimit -f {blocks}; trap '' XFSZ; exec \"$@\"");
        limited.args(["-c", &script, "sh", env!("CARGO_BIN_EXE_voicetui")]).args(QUIET);
        limited.args(["--record", "tapes", "--record-format", format, "--open", "--log-level", "error", &listener.address]);
        let mut caller = Running::watch(limited);
        let problem = caller.wait("problem", |_| true);
        let message = problem["message"].as_str().expect("a sentence");
        assert!(message.contains(&format!(".{format} cannot be written")) && message.ends_with("The call goes on."), "{message}");
        caller.wait("recording", |event| event["files"].as_array().is_some_and(Vec::is_empty));
        let sent = |event: &Value| event["peers"][0]["sent_packets"].as_u64().unwrap_or(0);
        let before = sent(&caller.wait("stats", |event| sent(event) > 0));
        caller.wait("stats", |event| sent(event) > before + 100);
        caller.say("quit");
        let rest: Vec<Value> = std::iter::from_fn(|| caller.events.recv_timeout(Duration::from_secs(20)).ok()).collect();
        assert_eq!(rest.last().map(|event| &event["event"]), Some(&"quit".into()));
        assert!(rest.iter().all(|event| event["event"] != "problem"), "said once: {rest:?}");
        caller.ends();
        for (name, file) in tapes(&home.path().join("tapes")) {
            let Some(track) = decoded(&file) else { return };
            assert!(track.len() >= least, "{name}: what fitted is playable: {}", track.len());
        }
    }
}

#[test]
fn the_other_side_is_told_and_a_recording_ends_with_its_call() {
    let home = home();
    let mut listener = Running::start(&home, &["--auto-answer", "all"]);
    let mut caller = Running::start(&home, &["--record-dir", "asked", "--open", &listener.address]);
    listener.wait("state", |event| event["state"] == "live");
    let about = |on: bool| move |event: &Value| event["on"] == on && event["peer"].is_string();
    for on in [true, false, true] {
        caller.say(if on { "record on" } else { "record off" });
        listener.wait("peer_recording", about(on));
        listener.wait("stats", |event| event["peers"][0]["records"] == on);
    }
    caller.wait("recording", |event| event["files"].as_array().is_some_and(|files| files.len() > 1));
    caller.say("hangup");
    listener.wait("peer_recording", about(false));
    caller.wait("recording", |event| event["files"].as_array().is_some_and(Vec::is_empty));
    assert!(tapes(&home.path().join("asked")).iter().any(|(name, _)| name == "sent.wav"));
}

#[test]
fn in_plain_words_the_other_side_is_told_too() {
    let home = home();
    let mut caller = Running::start(&home, &["--record", "tapes", "--auto-answer", "all"]);
    let data = super::home();
    let mut plain = voicetui(home.path(), &["--plain", "--for", "20s", "--stdin", "none", "--bind", "127.0.0.1", "--port", "0"]);
    plain.args(["--input", "silence", "--output", "null", &caller.address]).env("XDG_DATA_HOME", data.path());
    let mut plain = plain.stdout(Stdio::piped()).spawn().expect("it starts");
    let lines = std::io::BufRead::lines(std::io::BufReader::new(plain.stdout.take().expect("its output")));
    let told = lines.map_while(Result::ok).find(|line| line.ends_with(" records this call."));
    let _ = plain.kill();
    plain.wait().expect("gone");
    assert!(told.is_some_and(|line| line.contains("127.0.0.1")));
    caller.say("quit");
}

#[test]
fn nothing_that_is_said_off_air_or_muted_is_recorded() {
    let home = home();
    let mut listener = Running::start(&home, &["--auto-answer", "all"]);
    let mut caller = Running::start(&home, &["--record", "tapes", &listener.address]);
    listener.wait("state", |event| event["state"] == "live");
    listener.say("open on");
    caller.wait("stats", played(100));
    assert!(tapes(&home.path().join("tapes")).iter().all(|(name, _)| !name.starts_with("sent")), "off air all the time");
    caller.say("open on");
    caller.wait("on_air", |event| event["on"] == true);
    caller.say("mute on");
    caller.wait("on_air", |event| event["on"] == false);
    let stats = caller.wait("stats", |_| true);
    caller.wait("stats", played(stats["peers"][0]["played_packets"].as_u64().expect("a number") + 150));
    caller.say("quit");
    caller.wait("quit", |_| true);
    caller.ends();
    let tapes = tapes(&home.path().join("tapes"));
    let sent = tapes.iter().find(|(name, _)| name == "sent.wav").map(|(_, file)| decoded(file).expect("a WAV")).expect("on air once");
    let last = &sent[sent.len() - 48_000..];
    assert!(last.iter().all(|sample| *sample == 0.0), "muted: {}", rms(last));
}
