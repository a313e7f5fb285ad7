//! What the control thread promises its clients, over real sockets.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::sync::Arc;

use crossbeam_channel::{Receiver, unbounded};

use super::super::client::converse;
use super::*;
use crate::engine::{Controls, Meters, Notice, Notices};
use crate::units::{Format, PeerId};

/// A server on a socket of its own, whose engine only remembers what it was told; and talk is a lease, as in the real one.
struct Rig {
    controls: Arc<Controls>,
    told: Receiver<Command>,
    notices: Notices,
    path: PathBuf,
    bell: Option<UnixStream>,
    thread: Option<std::thread::JoinHandle<()>>,
    _dir: tempfile::TempDir,
}

fn rig(talk_timeout: Duration) -> Rig {
    let dir = tempfile::tempdir().expect("a directory");
    let door = Door::open_in(dir.path(), 11).expect("a door");
    let path = door.path().to_owned();
    let (controls, meters) = (Arc::new(Controls::default()), Arc::new(Meters::default()));
    let (notices, [watched]) = Notices::new::<1>();
    let (tell, told) = unbounded();
    let for_talk = Arc::clone(&controls);
    let commands = move |command: Command| {
        tell.send(command.clone()).expect("the test listens");
        match command {
            Command::Talk(Switch::On) => for_talk.lease(Holder::Ctl, Instant::now() + talk_timeout),
            Command::Talk(_) => for_talk.release(Holder::Ctl),
            Command::Hangup(_) => return Err("Nobody to hang up on.".into()),
            _ => {}
        }
        Ok(())
    };
    let config = ControlConfig {
        stdin: false,
        ctl: true,
        talk_timeout,
        commands: Box::new(commands),
        controls: Arc::clone(&controls),
        meters,
        watched,
        notices: notices.clone(),
    };
    let (bell, rung) = ready::bell().expect("a bell");
    let mut server = Server::new(config, Some(door), rung);
    let thread = std::thread::spawn(move || server.run());
    Rig { controls, told, notices, path, bell: Some(bell), thread: Some(thread), _dir: dir }
}

impl Rig {
    fn connect(&self) -> UnixStream {
        let stream = UnixStream::connect(&self.path).expect("connected");
        stream.set_read_timeout(Some(Duration::from_secs(10))).expect("set");
        stream
    }

    fn ask(&self, line: &str) -> anyhow::Result<String> {
        let mut out = Vec::new();
        converse(self.connect(), line, &mut out)?;
        Ok(String::from_utf8(out).expect("text"))
    }

    fn on_air(&self) -> bool {
        self.controls.on_air(Instant::now()).is_some()
    }

    fn wait_off_air(&self) {
        wait("nobody is on air", || !self.on_air());
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        drop(self.bell.take());
        self.thread.take().expect("once").join().expect("no panic");
        assert!(!self.path.exists(), "the socket goes with the thread");
    }
}

fn wait(what: &str, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !holds() {
        assert!(Instant::now() < deadline, "{what} within 10 s");
        std::thread::yield_now();
    }
}

fn answer(reader: &mut impl BufRead) -> String {
    let mut line = String::new();
    reader.read_line(&mut line).expect("an answer");
    line.trim_end().to_owned()
}

const LONG: Duration = Duration::from_secs(100);

#[test]
fn a_line_is_a_command_and_is_answered() {
    let rig = rig(LONG);
    assert_eq!(rig.ask("mute on").expect("done"), "ok\n");
    assert_eq!(rig.told.try_recv(), Ok(Command::Mute(Switch::On)));
    assert_eq!(rig.ask("hangup").expect_err("refused").to_string(), "Nobody to hang up on.");
    assert!(rig.ask("dance").expect_err("unknown").to_string().contains("is not a command"));
    assert!(rig.ask("help").expect("help").contains("talk hold"));
}

#[test]
fn status_is_json_with_the_peers_names() {
    let rig = rig(LONG);
    rig.notices.announce(Notice::Peer {
        id: PeerId::new(0).expect("a slot"),
        address: "workshop".into(),
        format: Format::Rtp,
        incoming: false,
    });
    for word in ["status", "stats"] {
        let answer: serde_json::Value = serde_json::from_str(&rig.ask(word).expect("answered")).expect("JSON");
        assert_eq!((&answer["event"], answer["peers"].is_array()), (&"stats".into(), true));
    }
}

#[test]
fn a_dump_is_answered_when_its_file_is_written() {
    let rig = rig(LONG);
    for (result, said) in [(Ok("Wrote it.".to_owned()), "Wrote it."), (Err("No room.".to_owned()), "error: No room.")] {
        let mut stream = rig.connect();
        stream.write_all(b"dump /tmp/a.trace\ndump /tmp/b.trace\nmute on\n").expect("sent");
        let mut reader = BufReader::new(&stream);
        assert!(answer(&mut reader).starts_with("error: Your file is being written still"), "one at a time");
        assert_eq!(answer(&mut reader), "ok");
        assert_eq!(rig.told.try_recv(), Ok(Command::Dump("/tmp/a.trace".into())));
        assert_eq!(rig.told.try_recv(), Ok(Command::Mute(Switch::On)));
        for file in ["/tmp/another.trace", "/tmp/a.trace"] {
            rig.notices.announce(Notice::Dumped { file: file.into(), result: result.clone() });
        }
        assert_eq!(answer(&mut reader), said);
    }
}

#[test]
fn several_commands_on_one_connection_are_answered_in_order() {
    let rig = rig(LONG);
    let mut stream = rig.connect();
    stream.write_all(b"mute on\nnonsense\nmute off\n").expect("sent");
    let mut reader = BufReader::new(&stream);
    assert_eq!(answer(&mut reader), "ok");
    assert!(answer(&mut reader).starts_with("error: \"nonsense\""));
    assert_eq!(answer(&mut reader), "ok");
}

#[test]
fn a_hold_lasts_as_long_as_its_client() {
    let rig = rig(LONG);
    let mut stream = rig.connect();
    stream.write_all(b"talk hold\n").expect("sent");
    assert_eq!(answer(&mut BufReader::new(&stream)), "ok");
    let started = Instant::now();
    wait("the lease is renewed past its length", || {
        assert!(rig.on_air() || started.elapsed() > Duration::from_secs(5), "on air without a gap");
        started.elapsed() > 2 * HOLD_LEASE
    });
    let left = rig.controls.remaining(Holder::Ctl, Instant::now()).expect("a lease");
    assert!(left <= HOLD_LEASE, "a wedged thread would un-key by itself");
    drop(stream);
    rig.wait_off_air();
}

#[test]
fn a_hold_ends_with_the_call_the_time_out_and_talk_off() {
    let rig = self::rig(Duration::from_millis(300));
    let error = rig.ask("talk hold").expect_err("the time-out");
    assert!(error.to_string().contains("talk time-out"), "{error}");
    rig.wait_off_air();
    drop(rig);

    let rig = self::rig(LONG);
    let held = |rig: &Rig| {
        let mut stream = rig.connect();
        stream.write_all(b"talk hold\n").expect("sent");
        let mut reader = BufReader::new(stream);
        assert_eq!(answer(&mut reader), "ok");
        reader
    };
    let mut client = held(&rig);
    rig.controls.release_all();
    assert!(answer(&mut client).contains("call ended"));
    assert!(!rig.on_air());
    let mut client = held(&rig);
    rig.ask("talk off").expect("done");
    assert!(answer(&mut client).contains("another command"));
    rig.wait_off_air();
}

#[test]
fn the_ninth_client_is_sent_away_and_an_overlong_line_too() {
    let rig = rig(LONG);
    let mut clients: Vec<UnixStream> = (0..CLIENTS_MAX).map(|_| rig.connect()).collect();
    let mut one = clients.pop().expect("a client");
    one.write_all(b"mute on\n").expect("sent");
    assert_eq!(answer(&mut BufReader::new(&one)), "ok");
    assert!(answer(&mut BufReader::new(rig.connect())).contains("Too many clients"));
    one.write_all(&[b'x'; 5_000]).expect("sent");
    one.write_all(b"\n").expect("sent");
    let mut reader = BufReader::new(&one);
    assert!(answer(&mut reader).contains("too long"));
    assert_eq!(answer(&mut reader), "", "and the connection ends");
    wait("there is room again", || rig.ask("mute off").is_ok());
}

#[test]
fn whoever_held_the_microphone_lets_go_when_the_program_ends() {
    let rig = rig(LONG);
    let mut stream = rig.connect();
    stream.write_all(b"talk hold\n").expect("sent");
    assert_eq!(answer(&mut BufReader::new(&stream)), "ok");
    let controls = Arc::clone(&rig.controls);
    drop(rig);
    assert_eq!(controls.on_air(Instant::now()), None);
}
