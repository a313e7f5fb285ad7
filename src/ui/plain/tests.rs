//! What the plain modes promise.

use std::sync::Arc;
use std::time::SystemTime;

use crossbeam_channel::{Sender, bounded};
use serde_json::Value;

use super::*;
use crate::engine::doctor::Patient;
use crate::engine::{CallState, Controls, DeviceEntry, DeviceStatus, Direction, KnownPeer, Meters, OutputKind, PublicKey, Reason, Trials};
use crate::ui::fake;
use crate::units::{Format, PeerId};

fn link() -> (Sender<Notice>, Link) {
    let (sender, notices) = bounded(64);
    let (controls, meters) = (Arc::new(Controls::default()), Arc::new(Meters::default()));
    let (talk_timeout, patient) = (Duration::from_secs(180), Patient::default());
    (sender, Link { controls, meters, notices, commands: Box::new(|_| {}), talk_timeout, state_dir: None, patient })
}

fn known_peer() -> KnownPeer {
    let (names, address) = (vec!["workshop".into()], "10.0.0.7:5005".parse().ok());
    KnownPeer { key: PublicKey([1; 32]), names, address, verified: true, connect: true, blocked: false }
}

fn trials() -> Trials {
    let steady = (0..20).map(|n| Some(30.0 + f64::from(n) / 10.0)).chain([None]).collect();
    Trials { steady, keyed: vec![Some(40.0), Some(42.0)] }
}

/// One of each, as a call would bring them.
fn every_notice() -> Vec<Notice> {
    let id = PeerId::new(2).expect("a slot");
    let device = DeviceEntry {
        host: "alsa".into(),
        direction: Direction::Input,
        id: "hw:0".into(),
        name: "USB".into(),
        is_default: true,
        detail: "1 channel".into(),
    };
    let open = DeviceStatus::Open { name: "USB".into(), id: "alsa:usb".into(), rate: 48_000, channels: 2, block: Some(240) };
    vec![
        Notice::Listening { address: "[::]:5005".parse().expect("an address") },
        Notice::Peer { id, address: "workshop".into(), format: Format::Rtp, incoming: false },
        Notice::Resolved { id, remote: "10.0.0.7:5005".parse().expect("an address") },
        Notice::State { id, state: CallState::Calling },
        Notice::Name { id, name: "Bench".into() },
        Notice::PeerFormat { id, format: Format::Pcm },
        Notice::Sealed { id, sealed: fake::sealed(Some("workshop"), false) },
        Notice::Unsealed { id, met: true },
        Notice::KeyChanged { address: "door".into(), pinned: PublicKey([1; 32]), shown: PublicKey([2; 32]), verified: true },
        Notice::Known(vec![known_peer()]),
        Notice::State { id, state: CallState::Live },
        Notice::Device { direction: Direction::Output, status: open },
        Notice::Device { direction: Direction::Input, status: DeviceStatus::Lost { sentence: "The microphone is gone.".into() } },
        Notice::Microphone(true),
        Notice::VoiceActivation(true),
        Notice::OnAir(true),
        Notice::VoiceActivation(false),
        Notice::MutedTalk,
        Notice::Devices(vec![device]),
        Notice::DeviceOrder { direction: Direction::Input, order: vec!["usb".into(), "default".into()], used: 1 },
        Notice::OutputIs { name: "HDMI".into(), kind: OutputKind::Loudspeaker, guessed: true },
        Notice::Recording { files: vec!["a.wav".into()], begun: true },
        Notice::Recording { files: Vec::new(), begun: true },
        Notice::Measured(Ok(trials())),
        Notice::Measured(Err("workshop does not answer to being measured.".into())),
        Notice::PeerRecording { id, on: true },
        Notice::PeerRecording { id, on: false },
        Notice::Slept(Duration::from_secs(90)),
        Notice::Stats,
        Notice::Problem("That \u{1b}[31mwent wrong.".into()),
        Notice::Info("Nice to know.".into()),
        Notice::State { id, state: CallState::Ended(Reason::PeerHungUp) },
        Notice::Gone { id },
        Notice::Missed { address: "10.0.0.9:5005".into(), at: SystemTime::UNIX_EPOCH },
        Notice::Quit,
    ]
}

fn printed(mode: Mode, notices: Vec<Notice>) -> String {
    let (sender, link) = link();
    link.meters.set_state(PeerId::new(2).expect("a slot"), CallState::Live, Instant::now());
    for notice in notices {
        sender.send(notice).expect("room");
    }
    let mut out = Vec::new();
    run(&link, mode, &mut out).expect("printed");
    String::from_utf8(out).expect("text")
}

#[test]
fn every_line_of_json_is_an_object_with_its_promised_fields() {
    let printed = printed(Mode::Json, every_notice());
    let lines: Vec<Value> = printed.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    for line in &lines {
        let time = line["time"].as_str().expect("a time");
        assert!(time.parse::<jiff::Timestamp>().is_ok(), "{time}");
        let name = line["event"].as_str().expect("a name");
        let (.., fields) = EVENTS.iter().find(|(event, ..)| *event == name).expect(name);
        assert!(fields.iter().all(|field| line.get(field).is_some()), "{line}");
        assert!(name == "stats" || line.as_object().expect("an object").len() == fields.len() + 2, "{line}");
    }
    for (name, ..) in EVENTS {
        assert!(lines.iter().any(|line| line["event"] == *name), "{name} was printed");
    }
    let left = lines.iter().find(|line| line["event"] == "left").expect("left");
    assert_eq!((&left["peer"], &left["slot"]), (&"workshop".into(), &2.into()));
    assert_eq!(lines.last().map(|line| &line["event"]), Some(&"quit".into()));
}

#[test]
fn plain_lines_are_sentences_that_can_be_read_aloud() {
    let printed = printed(Mode::Plain, every_notice());
    let sentences: Vec<&str> = printed.lines().map(|line| &line[9..]).collect();
    assert_eq!(
        sentences,
        [
            "Listening on [::]:5005.",
            "Calling workshop, format rtp.",
            "workshop is 10.0.0.7:5005.",
            "workshop calls itself Bench.",
            "Bench (workshop) speaks the format pcm.",
            "workshop: sealed, the key as ever, words not compared, known as workshop; the words are: apple tragic rose caught.",
            "No sealed answer from workshop. It was met sealed before: somebody may be keeping it from answering. The command clear workshop calls in the clear: anyone on the path can listen.",
            "Problem: door shows another key than before, which you had verified. The call was refused: somebody may sit in between, or the machine is a new one. \
             Known key: aeaq-caib-aeaq-caib-aeaq-caib-aeaq-caib-aeaq-caib-aeaq-caib-aeaq. Shown key: aiba-eaqc-aiba-eaqc-aiba-eaqc-aiba-eaqc-aiba-eaqc-aiba-eaqc-aiba. \
             If you know why it is new, say: voicetui peers forget door",
            "workshop: verified, connects without asking, last at 10.0.0.7:5005, key aeaq-caib-aeaq-caib-aeaq-caib-aeaq-caib-aeaq-caib-aeaq-caib-aeaq.",
            "workshop: in call.",
            "Loudspeaker: USB, 48000 Hz, 2 channels.",
            "The microphone is gone.",
            "Microphone running.",
            "Voice activation: listening.",
            "On air.",
            "Voice activation ended.",
            "You are muted: the command mute off unmutes.",
            "alsa input \"hw:0\": USB, 1 channel, default.",
            "Microphones, best first: usb, default; now default.",
            "HDMI is taken for a loudspeaker; if it is none, say \"output-is\" and what it is.",
            "Recording into a.wav.",
            "The recording has ended.",
            "Mouth to ear 30.9 ms (30.5 to 31.4), 95 % within 31.8, from the key 41.0; 1 of 21 chirps lost.",
            "workshop does not answer to being measured.",
            "workshop records this call.",
            "workshop no longer records.",
            "The machine slept for 90 seconds.",
            "Here: off air, volume 100 percent, 1 peer.",
            "workshop: live, sealed; sent 0 packets; received 0, lost 0 (0.0 percent), late 0, duplicate 0, reordered 0, \
             concealed 0.0 percent; jitter unknown, round trip unknown, playout delay unknown, mouth to ear unknown; \
             not heard there yet.",
            "Problem: That [31mwent wrong.",
            "Nice to know.",
            "workshop hung up.",
            "Missed a call from 10.0.0.9:5005.",
            "Ended.",
        ]
    );
    let clock = &printed[..9];
    assert!(clock.chars().enumerate().all(|(n, c)| if n == 8 {
        c == ' '
    } else if n % 3 == 2 {
        c == ':'
    } else {
        c.is_ascii_digit()
    }));
}

#[test]
fn statistics_come_by_themselves_in_json() {
    let (sender, link) = link();
    let (lines, read) = std::sync::mpsc::channel();
    let printer = std::thread::spawn(move || run(&link, Mode::Json, &mut Lines(lines)));
    let line = read.recv_timeout(Duration::from_secs(10)).expect("a line without any notice");
    assert!(line.contains("\"event\":\"stats\""), "{line}");
    drop(sender);
    assert!(printer.join().expect("no panic").is_ok(), "the engine's end ends the printing");
}

struct Lines(std::sync::mpsc::Sender<String>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let sent = self.0.send(String::from_utf8_lossy(bytes).into_owned());
        sent.map(|()| bytes.len()).map_err(|_| io::Error::from(ErrorKind::BrokenPipe))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_closed_pipe_ends_quietly_and_a_full_disk_does_not() {
    let (sender, link) = link();
    sender.send(Notice::OnAir(true)).expect("room");
    let (lines, read) = std::sync::mpsc::channel();
    drop(read);
    assert!(run(&link, Mode::Plain, &mut Lines(lines)).is_ok());
    sender.send(Notice::OnAir(false)).expect("room");
    let error = run(&link, Mode::Plain, &mut [0u8; 3].as_mut_slice()).expect_err("no room");
    assert!(error.to_string().contains("cannot be written"));
}
