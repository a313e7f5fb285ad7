//! The real binary, from the outside: what it prints, refuses, and answers to `ctl`.

#[cfg(unix)]
#[path = "cli/doctor.rs"]
mod doctor;
#[cfg(unix)]
#[path = "cli/measure.rs"]
mod measure;
#[cfg(unix)]
#[path = "cli/noise.rs"]
mod noise;
#[cfg(unix)]
#[path = "cli/record.rs"]
mod record;
#[cfg(unix)]
#[path = "cli/sealed.rs"]
mod sealed;
#[path = "sound/steady.rs"]
mod steady;

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// The program in a home of its own: no config, no other instances.
fn voicetui(home: &Path, args: &[&str]) -> Command {
    let mut command = in_home(Command::new(env!("CARGO_BIN_EXE_voicetui")), home);
    command.args(args);
    command
}

fn in_home(mut command: Command, home: &Path) -> Command {
    command.env_clear().env("HOME", home).env("USER", "tester").current_dir(home);
    for variable in ["XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR"] {
        command.env(variable, home);
    }
    command
}

fn home() -> TempDir {
    tempfile::tempdir().expect("a home")
}

fn run(home: &TempDir, args: &[&str]) -> Output {
    voicetui(home.path(), args).stdin(Stdio::null()).output().expect("it runs")
}

/// What it prints when all is well.
fn printed(home: &TempDir, args: &[&str]) -> String {
    let output = run(home, args);
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

/// What it says when it refuses; it must fail.
fn refused(home: &TempDir, args: &[&str]) -> String {
    let output = run(home, args);
    assert!(!output.status.success(), "{args:?} must fail: {}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8(output.stderr).expect("text")
}

fn write_config(home: &TempDir, text: &str) {
    let dir = home.path().join("voicetui");
    std::fs::create_dir_all(&dir).expect("a directory");
    std::fs::write(dir.join("config.toml"), text).expect("written");
}

/// A running `--json` without sound cards, on a free loopback port.
struct Running {
    child: Child,
    stdin: Option<ChildStdin>,
    events: Receiver<Value>,
    address: String,
    /// Where its key is, if that is nobody else's: two programs with one key do not call each other.
    _data: Option<TempDir>,
}

const QUIET: [&str; 9] = ["--json", "--bind", "127.0.0.1", "--port", "0", "--input", "voice", "--output", "null"];

impl Running {
    fn start(home: &TempDir, more: &[&str]) -> Self {
        let args: Vec<&str> = QUIET.iter().chain(more).copied().collect();
        Self::watch(voicetui(home.path(), &args))
    }

    /// One whose key and known peers are those of `home`.
    fn keeping(home: &TempDir, more: &[&str]) -> Self {
        let args: Vec<&str> = QUIET.iter().chain(more).copied().collect();
        Self::read(voicetui(home.path(), &args), None)
    }

    fn watch(mut command: Command) -> Self {
        let data = home();
        command.env("XDG_DATA_HOME", data.path());
        Self::read(command, Some(data))
    }

    fn read(mut command: Command, data: Option<TempDir>) -> Self {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it starts");
        let (send, events) = channel();
        let lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let event = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{line}: {error}"));
                if send.send(event).is_err() {
                    return;
                }
            }
        });
        let stdin = child.stdin.take();
        let mut this = Self { child, stdin, events, address: String::new(), _data: data };
        this.address = this.wait("listening", |_| true)["address"].as_str().expect("an address").to_owned();
        this
    }

    fn say(&mut self, line: &str) {
        writeln!(self.stdin.as_mut().expect("open"), "{line}").expect("said");
    }

    /// The next event of that name that `matches`, within 20 s.
    fn wait(&mut self, name: &str, matches: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let event = self.events.recv_timeout(left).unwrap_or_else(|_| panic!("no {name} within 20 s"));
            if event["event"] == name && matches(&event) {
                return event;
            }
        }
    }

    /// It ends by itself, well, within 10 s.
    fn ends(mut self) {
        let deadline = Instant::now() + Duration::from_secs(10);
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait().expect("its status") {
                assert!(status.success(), "{status}");
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("it did not end within 10 s");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn help_is_short_with_h_and_long_with_help() {
    let home = home();
    let (short, long) = (printed(&home, &["-h"]), printed(&home, &["--help"]));
    for text in [&short, &long] {
        assert!(text.contains("voicetui [OPTIONS] [ADDRESS]") && text.contains("--auto-answer"), "{text}");
        assert!(!text.contains("--no-calm"), "opposites are not listed: {text}");
    }
    let unwrapped = long.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(long.len() > short.len() && unwrapped.contains("end of standard input"), "{long}");
    assert!(printed(&home, &["--version"]).starts_with("voicetui "));
}

#[test]
fn the_printed_config_is_a_config() {
    let home = home();
    let fresh = printed(&home, &["config"]);
    assert!(fresh.contains("# port = 5005") && fresh.contains("config.toml"), "{fresh}");
    write_config(&home, &fresh);
    assert_eq!(printed(&home, &["config"]), fresh, "comments change nothing");
    write_config(&home, "port = 6000\nname = \"Bench\"\n");
    let set = printed(&home, &["config"]);
    assert!(set.contains("# Set on line 1; default: 5005\nport = 6000") && set.contains("\nname = \"Bench\""), "{set}");
    write_config(&home, &set);
    let again = printed(&home, &["config"]);
    assert!(again.contains("\nport = 6000") && again.contains("\nname = \"Bench\""), "{again}");
    assert!(printed(&home, &["--sdp"]).contains("m=audio 6000"), "and it is heeded");
}

#[test]
fn a_wrong_config_is_refused_with_its_line() {
    let home = home();
    write_config(&home, "port = 6000\nopn = true\n");
    let said = refused(&home, &["--json"]);
    assert!(said.contains("config.toml, line 2: there is no key opn; did you mean open?"), "{said}");
    assert_eq!(said.lines().count(), 1, "one sentence: {said}");
    assert!(refused(&home, &["config"]).contains("line 2"));
    assert!(printed(&home, &["man"]).contains(".TH"), "what needs no config still works");
}

#[test]
fn completions_and_manual_name_every_option() {
    let home = home();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = printed(&home, &["completions", shell]);
        assert!(script.contains("talk-timeout") && script.contains("devices"), "{shell}");
    }
    let page = printed(&home, &["man"]);
    assert!(page.contains("ring\\-timeout") && page.contains("Hold Space") || page.contains("hold Space"), "{page}");
}

#[test]
fn the_sdp_opens_us() {
    let home = home();
    let sdp = printed(&home, &["--sdp", "--bind", "10.9.8.7", "--port", "5010"]);
    for line in ["v=0", "c=IN IP4 10.9.8.7", "m=audio 5010 RTP/AVP", "opus/48000/2"] {
        assert!(sdp.contains(line), "{line}: {sdp}");
    }
}

#[test]
fn what_contradicts_itself_is_refused_in_a_sentence() {
    let home = home();
    for (args, part) in [
        (&["--plain", "--json"][..], "choose one"),
        (&["--demo", "10.0.0.1"], "no address with it"),
        (&["--stdin", "none"], "the keyboard"),
        (&["--delay", "90..20"], "the least delay comes first: 20..90"),
        (&["--delay", "500"], "in ms from 0 to 400"),
        (&["--plain", "0.0.0.0"], "not called"),
        (&["--plain", "devices"], "one of the two"),
        (&["ctl", "talk", "on"], "running"),
        (&["--plain", "--log", "/nowhere/at/all.log"], "/nowhere/at/all.log"),
    ] {
        let said = refused(&home, args);
        assert!(said.contains(part), "{args:?}: {said}");
    }
}

#[test]
fn without_a_terminal_the_screen_says_what_to_use() {
    let said = refused(&home(), &[]);
    assert!(said.contains("--plain"), "{said}");
}

#[test]
fn it_ends_with_quit_with_its_input_and_with_its_time() {
    let home = home();
    let mut quit = Running::start(&home, &[]);
    quit.say("quit");
    quit.wait("quit", |_| true);
    quit.ends();
    let mut ended = Running::start(&home, &[]);
    ended.stdin = None;
    ended.wait("quit", |_| true);
    ended.ends();
    let mut timed = Running::start(&home, &["--for", "200ms", "--stdin", "none"]);
    timed.wait("quit", |_| true);
    timed.ends();
}

#[test]
fn a_refused_command_is_an_event_and_help_another() {
    let home = home();
    let mut running = Running::start(&home, &[]);
    running.say("dance");
    let problem = running.wait("problem", |_| true);
    assert!(problem["message"].as_str().is_some_and(|text| text.contains("\"dance\" is not a command")), "{problem}");
    running.say("help");
    running.wait("info", |event| event["message"].as_str().is_some_and(|text| text.contains("hangup")));
    running.say("talk on");
    running.wait("problem", |event| event["message"].as_str().is_some_and(|text| text.contains("Nobody to talk to")));
    running.say("stats");
    let stats = running.wait("stats", |_| true);
    assert!(stats["peers"].is_array() && stats["time"].as_str().is_some_and(|time| time.contains('T')), "{stats}");
}

#[cfg(unix)]
#[test]
fn ctl_speaks_to_the_one_that_runs_or_the_one_it_names() {
    let home = home();
    let mut first = Running::start(&home, &["--auto-answer", "all"]);
    assert_eq!(printed(&home, &["ctl", "mute", "on"]), "ok\n");
    first.wait("stats", |event| event["muted"] == true);
    let status: Value = serde_json::from_str(&printed(&home, &["ctl", "status"])).expect("JSON");
    assert_eq!(status["muted"], true);
    assert!(refused(&home, &["ctl", "talk", "on"]).contains("Nobody to talk to"));
    assert!(refused(&home, &["ctl", "dump", "bad.trace"]).contains("Nobody was heard"));
    let mut second = Running::start(&home, &[]);
    let said = refused(&home, &["ctl", "mute", "off"]);
    assert!(said.contains("--instance") && said.contains(&first.child.id().to_string()), "{said}");
    let pid = second.child.id().to_string();
    assert_eq!(printed(&home, &["ctl", "--instance", &pid, "call", &first.address]), "ok\n");
    second.wait("state", |event| event["state"] == "live");
    let mut hold = voicetui(home.path(), &["ctl", "--instance", &pid, "talk", "hold"]).stdout(Stdio::null()).spawn().expect("it starts");
    second.wait("on_air", |event| event["on"] == true);
    hold.kill().expect("killed");
    hold.wait().expect("gone");
    second.wait("on_air", |event| event["on"] == false);
    assert_eq!(printed(&home, &["ctl", "--instance", &pid, "quit"]), "ok\n");
    second.wait("quit", |_| true);
    second.ends();
    assert_eq!(printed(&home, &["ctl", "quit"]), "ok\n");
    first.ends();
    assert!(refused(&home, &["ctl", "status"]).contains("running"));
}

#[cfg(unix)]
#[test]
fn a_dump_says_what_it_wrote_and_spares_what_is_no_trace() {
    let home = home();
    let mut listener = Running::start(&home, &["--auto-answer", "all", "--allow-unsealed"]);
    let pid = listener.child.id().to_string();
    let mut caller = Running::start(&home, &["--open", &listener.address]);
    caller.wait("state", |event| event["state"] == "live");
    listener.wait("stats", |event| event["peers"][0]["played_packets"].as_u64().is_some_and(|packets| packets > 50));
    let said = printed(&home, &["ctl", "--instance", &pid, "dump", "bad.trace"]);
    assert!(said.starts_with("Wrote when ") && said.trim_end().ends_with("/bad.trace."), "{said}");
    let text = std::fs::read_to_string(home.path().join("bad.trace")).expect("where ctl ran");
    assert!(text.starts_with("voicetui trace 1\n") && text.contains("\npeer 1\n") && !text.contains("127.0.0.1"), "{text}");
    assert!(text.lines().count() > 50);
    std::fs::write(home.path().join("letter"), "Dear all,").expect("written");
    assert!(refused(&home, &["ctl", "--instance", &pid, "dump", "letter"]).contains("no packet trace"));
    listener.say("dump plain.trace");
    listener.wait("info", |event| event["message"].as_str().is_some_and(|text| text.contains("plain.trace")));
}

#[cfg(unix)]
#[test]
fn with_no_ctl_there_is_no_socket() {
    let home = home();
    let _running = Running::start(&home, &["--no-ctl"]);
    assert!(refused(&home, &["ctl", "status"]).contains("running"));
}

/// The lines that `voicetui id` and `peers` print, and what is kept in the data folder.
#[test]
fn a_key_is_made_once_and_shown_by_its_fingerprint() {
    let home = home();
    let id = printed(&home, &["id"]);
    assert!(id.trim_end().split('-').count() == 13 && id.trim_end().split('-').all(|group| group.len() == 4), "{id}");
    assert_eq!(printed(&home, &["id"]), id);
    let key = home.path().join("voicetui/key");
    let secret = std::fs::read_to_string(&key).expect("kept");
    std::fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o640)).expect("chmod");
    for args in [&["id"][..], &["--plain", "--stdin", "none"]] {
        let refusal = refused(&home, args);
        assert!(refusal.contains(&format!("chmod 600 {}", key.display())) && !refusal.contains(&secret[secret.len() - 53..]), "{refusal}");
    }
}

#[test]
fn known_peers_are_listed_and_changed() {
    let home = home();
    assert!(printed(&home, &["peers"]).contains("Nobody is known yet"));
    let key = "aaaq-eaye-auda-ocaj-bifq-ydio-b4ib-ceqt-cqkr-mfyy-denb-wha5-dypq";
    let file = home.path().join("voicetui/known_peers");
    std::fs::create_dir_all(file.parent().expect("folder")).expect("folder");
    std::fs::write(&file, format!("# mine\nworkshop {key} - 10.0.0.7:5005\nnonsense\n")).expect("written");
    assert_eq!(printed(&home, &["peers", "verify", "workshop"]), "workshop is verified.\n");
    assert!(printed(&home, &["peers", "rename", "WORKSHOP:5005", "bench"]).starts_with("WORKSHOP:5005 is known as bench from now on; "));
    let listed = printed(&home, &["peers"]);
    assert!(listed.starts_with(&format!("bench, workshop  verified, last at 10.0.0.7:5005\n    {key}\nLine 3 of known_peers")), "{listed}");
    // What it was called by still leads to its key only.
    assert_eq!(printed(&home, &["peers", "forget", "workshop"]), "workshop is forgotten; its key is still known as bench.\n");
    assert!(refused(&home, &["peers", "forget", "workshop"]).contains("workshop is not known"));
    assert_eq!(printed(&home, &["peers", "forget", "bench"]), "bench and its key are forgotten.\n");
    assert_eq!(std::fs::read_to_string(&file).expect("kept"), "# mine\nnonsense\n");
    std::fs::write(&file, b"workshop \xff").expect("written");
    for args in [&["peers"][..], &["peers", "forget", "workshop"], &["--plain", "--stdin", "none"]] {
        assert!(refused(&home, args).contains("move it away to forget every peer"), "{args:?}");
    }
}

#[test]
fn a_made_passphrase_has_six_words_of_its_own() {
    let home = home();
    let (one, other) = (printed(&home, &["passphrase"]), printed(&home, &["passphrase"]));
    assert!(one != other && one.split_whitespace().count() == 6 && one.ends_with('\n'), "{one}");
}

#[test]
fn a_passphrase_that_cannot_be_used_starts_nothing() {
    let home = home();
    let file = home.path().join("phrase");
    write_config(&home, &format!("passphrase-file = {:?}", file.display().to_string()));
    let plain = ["--plain", "--stdin", "none"];
    assert!(refused(&home, &plain).contains("There is no passphrase file"));
    std::fs::write(&file, "correct horse\n").expect("written");
    std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o644)).expect("chmod");
    let refusal = refused(&home, &plain);
    assert!(refusal.contains(&format!("chmod 600 {}", file.display())) && !refusal.contains("horse"), "{refusal}");
    let output = voicetui(home.path(), &plain).env("VOICETUI_PASSPHRASE", " ").stdin(Stdio::null()).output().expect("it runs");
    assert!(String::from_utf8_lossy(&output.stderr).contains("VOICETUI_PASSPHRASE cannot be used: it is empty"), "{output:?}");
}
