//! GStreamer as it comes, both ways.

use std::process::{Command, Stdio};

use super::process::{Kept, Voicetui, free_port, needs};
use super::signal::{chirps, heard_share, read_wav, wav};
use super::steady::comes_out;

/// Starts `gst-launch-1.0` on a pipeline; `None`, said aloud, where an element is missing.
fn pipeline(description: &str, elements: &[&str]) -> Option<Kept> {
    needs(&["gst-launch-1.0", "gst-inspect-1.0"])?;
    for element in elements {
        let known = Command::new("gst-inspect-1.0").arg(element).stdout(Stdio::null()).stderr(Stdio::null()).status();
        if !known.is_ok_and(|status| status.success()) {
            eprintln!("SKIPPED: GStreamer has no {element} here");
            return None;
        }
    }
    let child = Command::new("gst-launch-1.0").arg("-q").arg("-e").args(description.split_whitespace()).stdout(Stdio::null()).spawn();
    Some(Kept(child.expect("gst-launch starts")))
}

#[test]
fn we_hear_opus_from_gstreamer() {
    comes_out(0.8, heard_from_gstreamer);
}

fn heard_from_gstreamer() -> Option<(f64, String)> {
    let dir = tempfile::tempdir().expect("a directory");
    let voice = chirps(5);
    let (mouth, ear) = (dir.path().join("mouth.wav"), dir.path().join("ear.wav"));
    std::fs::write(&mouth, wav(&voice)).expect("mouth.wav");
    let output = format!("wav:{}", ear.display());
    let b = Voicetui::start(dir.path(), &["--input", "silence", "--output", &output, "--auto-answer", "all"], &[]);
    let description = format!(
        "filesrc location={} ! wavparse ! audioconvert ! audioresample ! opusenc ! rtpopuspay ! udpsink host=127.0.0.1 port={}",
        mouth.display(),
        b.port
    );
    let mut sender = pipeline(&description, &["wavparse", "opusenc", "rtpopuspay", "udpsink"])?;
    assert!(sender.0.wait().expect("gst-launch ends").success());
    b.wait_peer("GStreamer's stream", |peer| peer["received_packets"].as_u64() > Some(200));
    b.quit();
    let (share, _) = heard_share(&voice, &read_wav(&ear));
    Some((share, "from GStreamer".into()))
}

#[test]
fn gstreamer_hears_us() {
    comes_out(0.6, heard_by_gstreamer);
}

fn heard_by_gstreamer() -> Option<(f64, String)> {
    let dir = tempfile::tempdir().expect("a directory");
    let voice = chirps(6);
    let (mouth, ear) = (dir.path().join("mouth.wav"), dir.path().join("ear.raw"));
    std::fs::write(&mouth, wav(&voice)).expect("mouth.wav");
    let port = free_port();
    let description = format!(
        "udpsrc port={port} caps=application/x-rtp,media=audio,clock-rate=48000,encoding-name=OPUS,payload=111 ! rtpjitterbuffer ! \
         rtpopusdepay ! opusdec ! audioconvert ! audioresample ! audio/x-raw,format=S16LE,rate=48000,channels=1 ! filesink location={}",
        ear.display()
    );
    let receiver = pipeline(&description, &["udpsrc", "rtpjitterbuffer", "rtpopusdepay", "opusdec"])?;
    let input = format!("wav:{}", mouth.display());
    let address = format!("127.0.0.1:{port}");
    let a = Voicetui::start(dir.path(), &["--input", &input, "--output", "null", "--format", "rtp", "--open", &address], &[]);
    a.wait_peer("six seconds", |peer| peer["sent_packets"].as_u64() > Some(650));
    a.quit();
    drop(receiver);
    let heard = super::signal::from_s16(&std::fs::read(&ear).expect("ear.raw"));
    let (share, _) = heard_share(&voice, &heard);
    Some((share, "GStreamer heard us".into()))
}
