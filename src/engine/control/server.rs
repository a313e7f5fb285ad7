//! The loop of thread `control`: waits for standard input, the door and every client at once. Unix.

use std::io::{ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::lines::{Line, Lines, TOO_LONG};
use super::{ControlConfig, Desk, lets_go};
use crate::engine::{Command, Holder, Switch};
use crate::os::local_socket::Door;
use crate::os::ready;

/// Clients at once; the next is told to come back.
const CLIENTS_MAX: usize = 8;
/// A client that says nothing for so long is let go, unless it holds the microphone.
const CLIENT_PATIENCE: Duration = Duration::from_secs(60);
/// How often a held lease is renewed, and how long it lasts: a wedged thread un-keys within half a second.
const RENEW_EVERY: Duration = Duration::from_millis(100);
const HOLD_LEASE: Duration = Duration::from_millis(500);
const _: () = assert!(HOLD_LEASE.as_millis() >= 3 * RENEW_EVERY.as_millis());
/// How long it sleeps when nobody says anything: the peers' names are heard meanwhile.
const IDLE: Duration = Duration::from_secs(1);

pub struct Server {
    desk: Desk,
    stdin: Option<Lines>,
    door: Option<Door>,
    /// No file was left for a client: the door is not looked at before this.
    door_rests_until: Option<Instant>,
    clients: Vec<Client>,
    /// Its end ends the thread.
    bell: UnixStream,
}

struct Client {
    stream: UnixStream,
    lines: Lines,
    heard_at: Instant,
    hold: Option<Hold>,
    /// It is answered when this file is written.
    awaits: Option<PathBuf>,
    gone: bool,
}

/// The microphone, held by a client.
#[derive(Clone, Copy)]
struct Hold {
    /// The call in which it was taken.
    call: u64,
    /// The talk time-out.
    until: Instant,
}

impl Client {
    /// A client that does not read its answers is let go: nobody waits for it.
    fn say(&mut self, line: &str) {
        let line = format!("{line}\n");
        self.gone |= self.stream.write_all(line.as_bytes()).is_err();
    }

    fn refuse(&mut self, sentence: &str) {
        self.say(&format!("error: {sentence}"));
    }
}

impl Server {
    pub fn new(config: ControlConfig, door: Option<Door>, bell: UnixStream) -> Self {
        let stdin = config.stdin.then(Lines::default);
        Self { desk: Desk::new(config), stdin, door, door_rests_until: None, clients: Vec::new(), bell }
    }

    pub fn run(&mut self) {
        while self.wait_once() {}
        // Whoever held the microphone from outside holds it no more.
        if self.clients.iter().any(|client| client.hold.is_some()) {
            self.desk.config.controls.release(Holder::Ctl);
        }
    }

    /// False: the bell has rung.
    fn wait_once(&mut self) -> bool {
        let busy = self.clients.iter().any(|client| client.hold.is_some() || client.awaits.is_some());
        let door = self.door.as_ref().filter(|_| self.door_rests_until.is_none_or(|until| Instant::now() >= until));
        let mut files = vec![self.bell.as_fd()];
        files.extend(self.stdin.as_ref().map(|_| ready::stdin()));
        files.extend(door.map(AsFd::as_fd));
        files.extend(self.clients.iter().map(|client| client.stream.as_fd()));
        let watches_door = door.is_some();
        let ready = match ready::readable(&files, if busy { RENEW_EVERY } else { IDLE }) {
            Ok(ready) => ready,
            Err(error) => {
                tracing::error!("the control thread cannot wait any more: {error}");
                return false;
            }
        };
        let mut ready = ready.into_iter();
        if ready.next() == Some(true) {
            return false;
        }
        if self.stdin.is_some() && ready.next() == Some(true) {
            self.read_stdin();
        }
        let at_door = watches_door && ready.next() == Some(true);
        let now = Instant::now();
        for (index, _) in ready.enumerate().filter(|(_, ready)| *ready) {
            self.read_client(index, now);
        }
        // After the known ones: their order in `files` stands until here.
        if at_door {
            self.admit(now);
        }
        self.renew_holds(now);
        self.let_go(now);
        self.desk.catch_up();
        self.tell_dumped();
        true
    }

    fn read_stdin(&mut self) {
        let mut buffer = [0; 4_096];
        match ready::read_stdin(&mut buffer) {
            Err(error) if matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::WouldBlock) => {}
            Ok(count @ 1..) => {
                let lines = self.stdin.as_mut().map(|lines| lines.push(&buffer[..count])).unwrap_or_default();
                for line in lines {
                    if matches!(&line, Line::Text(text) if lets_go(text)) {
                        self.end_holds("The microphone was let go by another command.");
                    }
                    self.desk.typed(line);
                }
            }
            // Its end, or a terminal that is no more.
            Ok(0) | Err(_) => {
                if let Some(lines) = self.stdin.take() {
                    self.desk.input_ended(lines);
                }
            }
        }
    }

    fn admit(&mut self, now: Instant) {
        let Some(door) = &self.door else { return };
        loop {
            match door.try_accept() {
                Ok(None) => return,
                Ok(Some(stream)) => {
                    let mut client = Client { stream, lines: Lines::default(), heard_at: now, hold: None, awaits: None, gone: false };
                    if self.clients.len() >= CLIENTS_MAX {
                        client.refuse("Too many clients speak to this voicetui already: try again in a moment.");
                    } else {
                        self.clients.push(client);
                    }
                }
                Err(error) => {
                    tracing::warn!("a ctl client could not be let in: {error}");
                    self.door_rests_until = Some(now + IDLE);
                    return;
                }
            }
        }
    }

    fn read_client(&mut self, index: usize, now: Instant) {
        let mut buffer = [0; 4_096];
        let client = &mut self.clients[index];
        let lines = match client.stream.read(&mut buffer) {
            Err(error) if matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::WouldBlock) => return,
            Ok(0) | Err(_) => {
                client.gone = true;
                return;
            }
            Ok(count) => client.lines.push(&buffer[..count]),
        };
        client.heard_at = now;
        for line in lines {
            self.answer(index, &line, now);
        }
    }

    fn answer(&mut self, index: usize, line: &Line, now: Instant) {
        let Line::Text(text) = line else {
            let client = &mut self.clients[index];
            client.refuse(TOO_LONG);
            client.gone = true;
            return;
        };
        if lets_go(text) {
            self.end_holds("The microphone was let go by another command.");
        }
        let dump = match Command::parse(text) {
            Ok(Command::Dump(file)) => Some(file),
            _ => None,
        };
        let client = &mut self.clients[index];
        if dump.is_some() && client.awaits.is_some() {
            return client.refuse("Your file is being written still: ask for the next one after its answer.");
        }
        let answer =
            if text.split_whitespace().eq(["talk", "hold"]) { self.hold(index, now).map(|()| None) } else { self.desk.asked(text) };
        let client = &mut self.clients[index];
        match answer {
            Ok(None) if dump.is_some() => client.awaits = dump,
            Ok(None) => client.say("ok"),
            Ok(Some(text)) => client.say(&text),
            Err(sentence) => client.refuse(&sentence),
        }
    }

    /// Answers those who waited for a file.
    fn tell_dumped(&mut self) {
        for (file, result) in self.desk.dumped.drain(..) {
            for client in self.clients.iter_mut().filter(|client| client.awaits.as_ref() == Some(&file)) {
                client.awaits = None;
                match &result {
                    Ok(sentence) => client.say(sentence),
                    Err(sentence) => client.refuse(sentence),
                }
            }
        }
    }

    /// On air while this client lives.
    fn hold(&mut self, index: usize, now: Instant) -> Result<(), String> {
        let config = &self.desk.config;
        // Before anything is asked: if the call ends meanwhile, the hold counts for nothing.
        let call = config.controls.call();
        if let Err(sentence) = (config.commands)(Command::Talk(Switch::On)) {
            config.controls.release(Holder::Ctl);
            return Err(sentence);
        }
        config.controls.renew(Holder::Ctl, now + HOLD_LEASE, call);
        self.clients[index].hold = Some(Hold { call, until: now + config.talk_timeout });
        Ok(())
    }

    fn renew_holds(&mut self, now: Instant) {
        let controls = &self.desk.config.controls;
        for client in self.clients.iter_mut().filter(|client| !client.gone) {
            let Some(hold) = client.hold else { continue };
            let over = if hold.call != controls.call() {
                "The call ended, and with it the hold on the microphone."
            } else if now >= hold.until {
                controls.release(Holder::Ctl);
                "The microphone was let go after the talk time-out."
            } else {
                controls.renew(Holder::Ctl, (now + HOLD_LEASE).min(hold.until), hold.call);
                continue;
            };
            client.hold = None;
            client.refuse(over);
            client.gone = true;
        }
    }

    /// Nobody holds the microphone from outside any more.
    fn end_holds(&mut self, sentence: &str) {
        for client in self.clients.iter_mut().filter(|client| client.hold.is_some()) {
            client.hold = None;
            client.refuse(sentence);
            client.gone = true;
        }
    }

    /// Clients that left, and those that say nothing.
    fn let_go(&mut self, now: Instant) {
        let held = self.clients.iter().any(|client| client.hold.is_some());
        self.clients.retain(|client| {
            let silent = client.hold.is_none() && now.saturating_duration_since(client.heard_at) > CLIENT_PATIENCE;
            !client.gone && !silent
        });
        if held && self.clients.iter().all(|client| client.hold.is_none()) {
            self.desk.config.controls.release(Holder::Ctl);
        }
    }
}

#[cfg(test)]
mod tests;
