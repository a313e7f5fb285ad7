//! ffmpeg as it comes: it sends us RTP with its own defaults, and opens us by the SDP that we print.

use std::path::Path;
use std::process::{Command, Stdio};

use super::process::{Kept, Voicetui, free_port, needs};
use super::signal::{chirps, heard_share, read_wav, wav};
use super::steady::comes_out;

/// Of ten half seconds, those that must be found as they were: the first one, in which playout learns ffmpeg's pace, may have a
/// splice in it, and one more.
const ENOUGH: f64 = 0.8;

/// ffmpeg streams five seconds of `voice` with `codec` words to a listening voicetui; the share that comes out.
fn heard_from_ffmpeg(codec: &[&str]) -> Option<(f64, String)> {
    needs(&["ffmpeg"])?;
    let dir = tempfile::tempdir().expect("a directory");
    let voice = chirps(5);
    let (mouth, ear) = (dir.path().join("mouth.wav"), dir.path().join("ear.wav"));
    std::fs::write(&mouth, wav(&voice)).expect("mouth.wav");
    let output = format!("wav:{}", ear.display());
    let b = Voicetui::start(dir.path(), &["--input", "silence", "--output", &output, "--auto-answer", "all"], &[]);
    let status = Command::new("ffmpeg")
        .args(["-nostdin", "-loglevel", "error", "-re", "-i", mouth.to_str().expect("a name")])
        .args(codec)
        .args(["-f", "rtp", &format!("rtp://127.0.0.1:{}", b.port)])
        .stdout(Stdio::null())
        .status()
        .expect("ffmpeg runs");
    assert!(status.success(), "ffmpeg ended with {status}");
    b.wait_peer("ffmpeg's stream", |peer| peer["received_packets"].as_u64() > Some(100));
    b.quit();
    Some((heard_share(&voice, &read_wav(&ear)).0, format!("ffmpeg {codec:?}")))
}

#[test]
fn we_hear_opus_from_ffmpeg() {
    comes_out(ENOUGH, || heard_from_ffmpeg(&["-c:a", "libopus", "-ar", "48000"]));
}

#[test]
fn we_hear_l16_from_ffmpeg() {
    comes_out(ENOUGH, || heard_from_ffmpeg(&["-c:a", "pcm_s16be", "-ar", "44100", "-ac", "1", "-payload_type", "11"]));
}

#[test]
fn we_hear_pcmu_from_ffmpeg() {
    comes_out(ENOUGH, || heard_from_ffmpeg(&["-c:a", "pcm_mulaw", "-ar", "8000", "-ac", "1"]));
}

/// The SDP that opens a voicetui sending to `port`.
fn sdp(port: u16, into: &Path) {
    let output = Command::new(env!("CARGO_BIN_EXE_voicetui"))
        .args(["--sdp", "--bind", "127.0.0.1", "--port", &port.to_string()])
        .env("HOME", into.parent().expect("a directory"))
        .output()
        .expect("voicetui runs");
    assert!(output.status.success(), "{output:?}");
    std::fs::write(into, output.stdout).expect("call.sdp");
}

#[test]
fn ffmpeg_hears_us_by_our_sdp() {
    comes_out(0.75, heard_by_ffmpeg);
}

/// The share of what ffmpeg plays by our SDP that is our voice.
fn heard_by_ffmpeg() -> Option<(f64, String)> {
    needs(&["ffmpeg"])?;
    let dir = tempfile::tempdir().expect("a directory");
    let voice = chirps(6);
    let (mouth, ear, call) = (dir.path().join("mouth.wav"), dir.path().join("ear.wav"), dir.path().join("call.sdp"));
    std::fs::write(&mouth, wav(&voice)).expect("mouth.wav");
    let port = free_port() & !1;
    sdp(port, &call);
    let ffmpeg = Command::new("ffmpeg")
        .args(["-nostdin", "-loglevel", "error", "-protocol_whitelist", "file,udp,rtp", "-i", call.to_str().expect("a name")])
        .args(["-t", "5", "-ac", "1", "-ar", "48000", "-c:a", "pcm_s16le", ear.to_str().expect("a name")])
        .spawn()
        .expect("ffmpeg starts");
    let mut ffmpeg = Kept(ffmpeg);
    let input = format!("wav-loop:{}", mouth.display());
    let address = format!("127.0.0.1:{port}");
    let a = Voicetui::start(dir.path(), &["--input", &input, "--output", "null", "--format", "rtp", "--open", &address], &[]);
    a.wait_peer("a stream to ffmpeg", |peer| peer["sent_packets"].as_u64() > Some(100));
    let status = ffmpeg.0.wait().expect("ffmpeg ends");
    a.quit();
    assert!(status.success(), "ffmpeg ended with {status}");
    let heard = read_wav(&ear);
    assert!(heard.len() > 4 * 48_000, "ffmpeg wrote {} samples", heard.len());
    // The loop may begin anywhere in what ffmpeg kept: two turns hold every half second of it.
    let (share, _) = heard_share(&heard[48_000..3 * 48_000], &[voice.clone(), voice].concat());
    Some((share, "ffmpeg heard us".into()))
}
