//! Two real programs, each in a terminal of 80x24, and what their users do about each other: answer, compare, admit, block,
//! refuse a changed key, tell of differing passphrases, call in the clear.

use std::net::UdpSocket;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use portable_pty::CommandBuilder;
use tempfile::TempDir;

use crate::term::Term;

const FOLDERS: [&str; 5] = ["XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR", "HOME"];

/// A user: a home, and an address on this machine.
struct User {
    home: TempDir,
    port: u16,
}

impl User {
    fn new() -> Self {
        // Free a moment ago; nobody else here takes one that was given out.
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
        Self { home: tempfile::tempdir().expect("a home"), port: socket.local_addr().expect("bound").port() }
    }

    fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    fn start(&self, more: &[&str]) -> Term {
        self.start_with(more, &[])
    }

    fn start_with(&self, more: &[&str], variables: &[(&str, &str)]) -> Term {
        let mut program = CommandBuilder::new(env!("CARGO_BIN_EXE_voicetui"));
        program.args(["--bind", "127.0.0.1", "--port", &self.port.to_string(), "--input", "voice", "--output", "null"]);
        program.args(more);
        FOLDERS.iter().for_each(|name| program.env(name, self.home.path()));
        variables.iter().for_each(|(name, value)| program.env(name, value));
        let mut term = Term::run(program, (80, 24));
        term.until("the screen", || ["Esc leave", "c call"].iter().any(|keys| term.text().contains(keys)));
        // Who calls at once leaves the field by it; Esc would put an alarm away.
        let calls = more.iter().any(|arg| arg.contains(':'));
        if !calls {
            term.send("\x1b");
            term.wait("press c to call somebody");
        }
        term
    }

    /// What a job of the program prints.
    fn says(&self, job: &[&str]) -> String {
        says(self.home.path(), job)
    }
}

fn says(home: &Path, job: &[&str]) -> String {
    let mut program = Command::new(env!("CARGO_BIN_EXE_voicetui"));
    let folders = FOLDERS.map(|name| (name, home));
    let output = program.envs(folders).args(job).output().expect("started");
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
}

/// The four words, from the view of peers, which stays.
fn words(term: &mut Term) -> String {
    let shown = |term: &Term| {
        let text = term.text();
        let (words, _) = text.lines().find_map(|line| line.split_once("words  "))?.1.split_once("   ")?;
        (words.split_whitespace().count() == 4).then(|| words.trim().to_owned())
    };
    term.send("4");
    term.until("four words", || shown(term).is_some());
    shown(term).expect("four words")
}

/// The screen's rows as one, so that it does not matter where a sentence breaks.
fn whole(term: &Term) -> String {
    term.text().lines().map(str::trim).collect::<Vec<_>>().join(" ")
}

/// One side calls from its screen.
fn call(term: &mut Term, address: &str) {
    term.send("c");
    term.wait("Enter calls");
    term.send(&format!("{address}\r"));
}

#[test]
fn an_unknown_caller_rings_the_words_are_compared_and_it_is_let_in_for_good() {
    let (ann, bob) = (User::new(), User::new());
    let mut there = bob.start(&["--name", "Bob"]);
    let mut here = ann.start(&["--name", "Ann", &bob.address()]);
    there.wait("RING  Ann (");
    there.wait("is calling - unknown key");
    there.wait("a answer  d decline  A always  b block");
    here.wait("rings there");
    there.send("A");
    here.wait("in call");
    there.wait("are answered without asking.");
    let compared = words(&mut here);
    assert_eq!(compared.split(' ').count(), 4, "{compared}");
    assert_eq!(words(&mut there), compared);
    here.wait("v if the peer reads the same");
    // Nobody has read them yet who presses at once.
    here.send("v");
    here.until("an answer", || ["Compare the four words first", "compared: the same"].iter().any(|words| here.text().contains(words)));
    std::thread::sleep(Duration::from_millis(600));
    here.send("v");
    here.wait("compared: the same on both sides");
    here.wait("verified  ");
    assert!(ann.says(&["peers"]).starts_with(&format!("{}  verified, last at", bob.address())), "{}", ann.says(&["peers"]));
    assert!(bob.says(&["peers"]).contains("not verified, connects at once"), "{}", bob.says(&["peers"]));
    // Neither of this opened a microphone.
    assert!(!here.text().contains("ON AIR") && !there.text().contains("ON AIR"));
    here.send("h");
    there.wait("hung up");
    there.until("the place is free", || there.text().contains("Nobody yet"));
    here.until("the place is free", || here.text().contains("Nobody yet"));
    call(&mut here, &bob.address());
    here.wait("in call");
    // Nobody there has touched a key since.
    there.wait("in call");
    there.until("no banner is left", || !there.text().contains("RING"));
    there.send("\x03");
    assert_eq!(there.wait_exit().exit_code(), 0);
    here.wait("hung up");
}

#[test]
fn who_is_blocked_does_not_ring_until_it_is_unblocked() {
    let (ann, bob) = (User::new(), User::new());
    let mut there = bob.start(&[]);
    let mut here = ann.start(&["--name", "Ann", &bob.address()]);
    there.wait("is calling");
    there.send("b");
    there.wait("is blocked: its calls do not ring");
    here.wait("declined the call");
    here.until("the place is free", || here.text().contains("Nobody yet"));
    there.until("the place is free", || there.text().contains("Nobody yet"));
    call(&mut here, &bob.address());
    here.wait("declined");
    assert!(!there.text().contains("RING"));
    let listed = bob.says(&["peers"]);
    let name = listed.split("  ").next().expect("a name");
    assert!(listed.contains("not verified, blocked"), "{listed}");
    assert_eq!(bob.says(&["peers", "unblock", name]), format!("{name} is no longer blocked.\n"));
}

#[test]
fn a_changed_key_is_refused_in_words_that_fit_and_say_how_to_forget_the_old_one() {
    let (ann, bob) = (User::new(), User::new());
    let mut there = bob.start(&[]);
    let mut here = ann.start(&[&bob.address()]);
    there.wait("is calling");
    here.wait("rings there");
    for term in [&mut here, &mut there] {
        term.send("\x03");
        term.wait_exit();
    }
    std::fs::remove_file(bob.home.path().join("voicetui/key")).expect("its key is lost");

    let mut there = bob.start(&[]);
    let mut here = ann.start(&[&bob.address()]);
    here.wait(&format!("KEY CHANGED  {} shows another key than before: refused.", bob.address()));
    here.wait(&format!("say: voicetui peers forget {}", bob.address()));
    assert!(!here.text().contains("cannot be reached"), "the alarm says why:\n{}", here.text());
    assert!(!there.text().contains("RING"), "nobody rings there");
    here.send("\x1b");
    here.until("put away", || !here.text().contains("KEY CHANGED"));
    assert_eq!(ann.says(&["peers", "forget", &bob.address()]), format!("{} and its key are forgotten.\n", bob.address()));
    here.until("the place is free", || here.text().contains("Nobody yet"));
    call(&mut here, &bob.address());
    there.wait("is calling");
    there.send("d");
    here.wait("declined");
}

#[test]
fn differing_passphrases_are_told_in_whole_on_both_screens() {
    let (ann, bob) = (User::new(), User::new());
    let there = bob.start_with(&[], &[("VOICETUI_PASSPHRASE", "correct horse")]);
    let here = ann.start_with(&[&bob.address()], &[("VOICETUI_PASSPHRASE", "battery staple")]);
    for (term, says) in [(&here, "cannot be called"), (&there, "calls and does not get through")] {
        let says = format!("{says}: passphrases differ, or somebody interferes.");
        term.until(&says, || whole(term).contains(&says));
    }
}

#[test]
fn without_a_sealed_answer_the_clear_is_offered_and_nothing_more() {
    let ann = User::new();
    let listener = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound").to_string();
    let mut here = ann.start(&[&address]);
    let offer = format!("No sealed answer from {address}. p calls in the clear: anyone on the path can listen.");
    here.until(&offer, || whole(&here).contains(&offer));
    here.wait("p call in the clear");
    listener.set_nonblocking(true).expect("set");
    let mut datagram = [0; 2_048];
    while let Ok(len) = listener.recv(&mut datagram) {
        assert_eq!((datagram[0], len), (8, 118), "first messages of handshakes alone");
    }
    here.send("p");
    here.wait("in call");
    here.wait(" open ");
    assert!(!here.text().contains("No sealed answer"), "that is over:\n{}", here.text());
}

#[test]
fn the_jobs_print_keys_and_passphrases_and_refuse_a_key_that_others_can_read() {
    use std::os::unix::fs::PermissionsExt;
    let ann = User::new();
    let id = ann.says(&["id"]);
    assert_eq!((id.trim_end().split('-').count(), ann.says(&["id"])), (13, id.clone()), "made once, printed in groups");
    assert_eq!(ann.says(&["passphrase"]).split_whitespace().count(), 6);
    assert_ne!(ann.says(&["passphrase"]), ann.says(&["passphrase"]));
    assert!(ann.says(&["peers", "forget", "nobody"]).contains("nobody"));
    let key = ann.home.path().join("voicetui/key");
    assert_eq!(std::fs::metadata(&key).expect("there").permissions().mode() & 0o777, 0o600);
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o640)).expect("chmod");
    let refusal = ann.says(&["id"]);
    assert!(refusal.ends_with(&format!("Say: chmod 600 {}\n", key.display())) && refusal.lines().count() == 1, "{refusal}");
}
