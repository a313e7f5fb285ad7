//! Real processes: voicetui spoken to in JSON lines, and helpers that never outlive their test.

use std::io::{BufRead, BufReader, Write};
use std::net::UdpSocket;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;

/// A child that is killed and reaped when its test ends, however it ends.
pub struct Kept(pub Child);

impl Drop for Kept {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A port nobody listens on now.
pub fn free_port() -> u16 {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a UDP socket");
    socket.local_addr().expect("its address").port()
}

/// `None`, with the reason printed, when a program this test needs is not installed.
pub fn needs(programs: &[&str]) -> Option<()> {
    for program in programs {
        let found = std::env::var_os("PATH").is_some_and(|path| std::env::split_paths(&path).any(|dir| dir.join(program).is_file()));
        if !found {
            eprintln!("SKIPPED: {program} is not installed here");
            return None;
        }
    }
    Some(())
}

type Events = Arc<(Mutex<Vec<Value>>, Condvar)>;

/// A voicetui in `--json`, on 127.0.0.1, with its own home.
pub struct Voicetui {
    child: Kept,
    events: Events,
    pub port: u16,
}

impl Voicetui {
    /// Starts it on a free port; waits until it listens.
    pub fn start(home: &Path, args: &[&str], env: &[(&str, &str)]) -> Self {
        let port = free_port();
        let mut child = Command::new(env!("CARGO_BIN_EXE_voicetui"))
            .args(["--json", "--bind", "127.0.0.1", "--port", &port.to_string()])
            .args(args)
            .env("HOME", home)
            .env("XDG_CONFIG_HOME", home.join("config"))
            .env("XDG_STATE_HOME", home.join("state"))
            // Two programs with one key do not call each other.
            .env("XDG_DATA_HOME", home.join(format!("data-{port}")))
            .env("XDG_RUNTIME_DIR", home)
            .envs(env.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .expect("voicetui starts");
        let events = Events::default();
        let (lines, shared) = (BufReader::new(child.stdout.take().expect("its output")), Arc::clone(&events));
        std::thread::spawn(move || {
            for line in lines.lines().map_while(Result::ok) {
                let event = serde_json::from_str(&line).unwrap_or_else(|error| panic!("not JSON: {line:?}: {error}"));
                shared.0.lock().expect("events").push(event);
                shared.1.notify_all();
            }
        });
        let this = Self { child: Kept(child), events, port };
        this.wait("listening", |event| event["event"] == "listening");
        this
    }

    /// Types one command line.
    pub fn say(&mut self, command: &str) {
        let stdin = self.child.0.stdin.as_mut().expect("its input");
        writeln!(stdin, "{command}").expect("a command is taken");
    }

    /// The first event, past or to come within 20 s, that `matches`.
    pub fn wait(&self, what: &str, matches: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + Duration::from_secs(20);
        let mut events = self.events.0.lock().expect("events");
        loop {
            if let Some(event) = events.iter().find(|event| matches(event)) {
                return event.clone();
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "no {what} within 20 s; events: {events:#?}");
            events = self.events.1.wait_timeout(events, left).expect("events").0;
        }
    }

    /// The first stats line to come whose first peer `matches`.
    pub fn wait_peer(&self, what: &str, matches: impl Fn(&Value) -> bool) -> Value {
        self.wait(what, |event| event["event"] == "stats" && event["peers"].get(0).is_some_and(&matches))
    }

    /// Waits until the first peer's `counter` has grown by `more` from where it stands now; the stats line that says so.
    pub fn wait_growth(&self, counter: &str, more: u64) -> Value {
        let count = |event: &Value| event["peers"][0][counter].as_u64().unwrap_or(0);
        let now = self.events().iter().map(count).max().unwrap_or(0);
        self.wait(counter, |event| event["event"] == "stats" && count(event) >= now + more)
    }

    /// Every event so far.
    pub fn events(&self) -> Vec<Value> {
        self.events.0.lock().expect("events").clone()
    }

    /// Quits; the exit must be clean and within 10 s.
    pub fn quit(mut self) {
        self.say("quit");
        let deadline = Instant::now() + Duration::from_secs(10);
        let status = loop {
            if let Some(status) = self.child.0.try_wait().expect("its status") {
                break status;
            }
            assert!(Instant::now() < deadline, "voicetui did not end within 10 s of `quit`");
            std::thread::sleep(Duration::from_millis(20));
        };
        assert!(status.success(), "voicetui ended with {status}");
    }
}
