//! The real program in a sealed call with another implementation of Noise (see `sealed_peer.py`), over real UDP.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;
use voicetui::session::passphrase::stretch;
use voicetui::session::{PublicKey, words};

use super::{QUIET, Running, home, printed, voicetui};

/// The script, running.
struct Peer {
    child: Child,
    lines: std::io::Lines<BufReader<ChildStdout>>,
}

impl Peer {
    /// `None`, said aloud, where Python or its package is not installed.
    fn start(args: &[&str]) -> Option<Self> {
        let import = Command::new("python3").args(["-c", "import noise.connection"]).stderr(Stdio::null()).status();
        if !import.is_ok_and(|status| status.success()) {
            eprintln!("SKIPPED: python3 or its package noiseprotocol is not installed here");
            return None;
        }
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cli/sealed_peer.py");
        let mut child = Command::new("python3").arg(script).args(args).stdout(Stdio::piped()).spawn().expect("python3 starts");
        let lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        Some(Self { child, lines })
    }

    /// Its next line. It gives up by itself, so there is one or its output ends.
    fn line(&mut self) -> Value {
        let line = self.lines.next().expect("it failed, and said why").expect("a line");
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{line}: {error}"))
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A program with a key of its own, and that home.
fn program(more: &[&str], passphrase: Option<&str>) -> (Running, TempDir) {
    let data = home();
    let mut command = voicetui(data.path(), &[&QUIET, more].concat());
    command.envs(passphrase.map(|text| ("VOICETUI_PASSPHRASE", text)));
    (Running::read(command, None), data)
}

fn psk(passphrase: &str) -> String {
    stretch(passphrase).expect("stretched").iter().map(|byte| format!("{byte:02x}")).collect()
}

fn key(hex: &Value) -> String {
    let hex = hex.as_str().expect("a key");
    let byte = |at: usize| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).expect("hexadecimal");
    PublicKey(std::array::from_fn(byte)).to_string()
}

/// Both sides see the same words and each other's key.
fn assert_agreed(program: &mut Running, home: &TempDir, agreed: &Value) {
    let sealed = program.wait("sealed", |_| true);
    assert_eq!(sealed["words"], words::sas_text(agreed["words"].as_u64().expect("44 bits")));
    assert_eq!(sealed["key"], key(&agreed["own_key"]));
    assert_eq!(key(&agreed["peer_key"]), printed(home, &["id"]).trim_end());
}

fn it_calls_us(what: &str, passphrase: Option<&str>) {
    let (mut answers, home) = program(&["--auto-answer", "all"], passphrase);
    let psk = passphrase.map(psk);
    let args: Vec<&str> = [what, &answers.address].into_iter().chain(psk.as_deref()).collect();
    let Some(mut peer) = Peer::start(&args) else { return };
    let agreed = peer.line();
    assert_agreed(&mut answers, &home, &agreed);
    answers.wait("state", |event| event["state"] == "hung up");
}

fn we_call_it(passphrase: Option<&str>) {
    let psk = passphrase.map(psk);
    let args: Vec<&str> = ["answer"].into_iter().chain(psk.as_deref()).collect();
    let Some(mut peer) = Peer::start(&args) else { return };
    let address = format!("127.0.0.1:{}", peer.line()["port"]);
    let (mut calls, home) = program(&["--open", &address], passphrase);
    let agreed = peer.line();
    assert_agreed(&mut calls, &home, &agreed);
    calls.wait("state", |event| event["state"] == "hung up");
}

#[test]
fn another_implementation_calls_and_is_heard() {
    it_calls_us("call", None);
}

#[test]
fn another_implementation_answers_and_hears() {
    we_call_it(None);
}

#[test]
fn a_passphrase_is_the_same_to_another_implementation() {
    it_calls_us("call", Some("correct horse"));
    we_call_it(Some("correct horse"));
}

#[test]
fn another_implementation_is_refused_without_the_passphrase() {
    let (mut answers, _home) = program(&["--auto-answer", "all"], Some("correct horse"));
    let Some(mut peer) = Peer::start(&["refused", &answers.address]) else { return };
    assert_eq!(peer.line()["refused"], true);
    answers.wait("problem", |event| event["message"].as_str().is_some_and(|text| text.contains("passphrases differ")));
}

/// What it reveals must be what it was bound to; afterwards an honest call gets through.
#[test]
fn a_broken_commitment_is_never_confirmed() {
    it_calls_us("lie", None);
}
