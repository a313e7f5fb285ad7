//! `voicetui measure` between two real programs, over real UDP, without sound cards.

use serde_json::Value;
use tempfile::TempDir;

use super::steady::comes_out;
use super::{Running, home, refused, run};

const HERE: [&str; 8] = ["--bind", "127.0.0.1", "--port", "0", "--input", "silence", "--output", "null"];

fn measure<'a>(peer: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    ["measure", peer].into_iter().chain(HERE).chain(more.iter().copied()).collect()
}

fn answering(there: &TempDir, more: &[&str]) -> Running {
    Running::keeping(there, &[&["--input", "silence", "--auto-answer", "all"], more].concat())
}

#[test]
fn two_real_programs_measure_their_delay() {
    let (here, there) = (home(), home());
    let mut peer = answering(&there, &["--answer-measure"]);
    let address = peer.address.clone();
    comes_out(0.8, || {
        let output = run(&here, &measure(&address, &["--trials", "6", "--json"]));
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        if !output.status.success() {
            // On a computer that is held up for seconds nothing comes back.
            assert!(said.contains("No chirp came back"), "{said}");
            return Some((0.0, said));
        }
        assert!(said.contains("is there: measured in some 13 seconds."), "{said}");
        let measured: Value = serde_json::from_slice(&output.stdout).expect("one object");
        println!("{measured}");
        let figure = |phase: &str, name: &str| measured[phase][name].as_f64().unwrap_or_else(|| panic!("{phase} {name}: {measured}"));
        assert_eq!((measured["peer"].as_str(), figure("mouth_to_ear", "trials")), (Some(&*address), 6.0));
        // 10 ms of frame, 6.5 of codec: less cannot be. What is above is this computer's.
        let median = figure("mouth_to_ear", "median_ms");
        assert!((12.0..1_000.0).contains(&median), "{measured}");
        assert!(figure("mouth_to_ear", "p95_ms") >= median && measured["own_sum"]["mean_ms"].is_number(), "{measured}");
        Some(((6.0 - figure("mouth_to_ear", "lost")) / 6.0, measured.to_string()))
    });
    peer.wait("info", |event| event["message"].as_str().is_some_and(|text| text.contains("chirps leave in place of the microphone")));
    peer.say("quit");
    // What it says until its end: its microphone was never on air.
    while let Ok(event) = peer.events.recv() {
        assert_ne!(event["event"], "on_air", "{event}");
    }
    peer.ends();
}

#[test]
fn who_has_not_allowed_it_is_not_measured_and_both_sides_say_so() {
    let (here, there) = (home(), home());
    let mut peer = answering(&there, &[]);
    let sentence = refused(&here, &measure(&peer.address, &[]));
    assert!(sentence.contains("does not let itself be measured: its user must say --answer-measure"), "{sentence}");
    peer.wait("info", |event| event["message"].as_str().is_some_and(|text| text.contains("wants to measure")));
    // Its user may allow it while it runs, and takes it back.
    peer.say("answer-measure on");
    let output = run(&here, &measure(&peer.address.clone(), &["--trials", "1"]));
    let table = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(table.contains("mouth to ear") && table.contains("voicetui's own sum") || table.contains("No chirp came back"), "{table}");
    peer.say("answer-measure off");
    assert!(refused(&here, &measure(&peer.address, &[])).contains("does not let itself be measured"));
}

#[test]
fn what_cannot_be_measured_is_refused_in_a_sentence() {
    let here = home();
    let nobody = std::net::UdpSocket::bind("127.0.0.1:0").expect("a socket that never answers");
    let address = nobody.local_addr().expect("its address").to_string();
    for (args, part) in [
        (measure(&address, &[]), "No sealed answer from"),
        (measure(&address, &["--format", "rtp"]), "Only sealed calls"),
        (measure(&address, &["--demo"]), "those of sound, network and log"),
        (measure(&address, &["--trials", "0"]), "0 is not in 1..=1000"),
        (vec!["--json", "measure", &address], "does something else"),
        (vec!["measure"], "<PEER>"),
    ] {
        let sentence = refused(&here, &args);
        assert!(sentence.contains(part), "{args:?}: {sentence}");
    }
}
