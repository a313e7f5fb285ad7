//! The program in the terminal: `ui::run` over an engine that calls nobody and notes when the microphone is on air.

use std::fs::OpenOptions;
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use crossbeam_channel::{Sender, bounded};
use voicetui::engine::doctor::Patient;
use voicetui::engine::wave::{Column, Mark};
use voicetui::engine::{CallState, Command, Controls, Meters, Notice};
use voicetui::ui::{self, Link, UiOptions};
use voicetui::units::{Format, PeerId};

/// Where to note "on" and "off"; set: be the program.
pub const LOG: &str = "VOICETUI_PTY_LOG";
pub const STATE: &str = "VOICETUI_PTY_STATE";

pub fn run_if_asked() {
    let Some(log) = std::env::var_os(LOG).map(PathBuf::from) else { return };
    let (controls, meters) = (Arc::new(Controls::default()), Arc::new(Meters::default()));
    let (notices, heard) = bounded(64);
    note_on_air(log, Arc::clone(&controls), Arc::clone(&meters));
    let engine = Engine { controls: Arc::clone(&controls), meters: Arc::clone(&meters), notices };
    let in_call = Arc::clone(&meters);
    let patient = Patient {
        input: vec!["voice".into()],
        output: vec!["null".into()],
        bind: IpAddr::V4(Ipv4Addr::LOCALHOST),
        port: 0,
        in_call: Arc::new(move || in_call.is_anybody_live()),
        ..Patient::default()
    };
    let link = Link {
        controls,
        meters,
        notices: heard,
        commands: Box::new(move |command| engine.obey(command)),
        talk_timeout: Duration::from_secs(180),
        state_dir: std::env::var_os(STATE).map(PathBuf::from),
        patient,
    };
    let code = match ui::run(link, UiOptions::default()) {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("voicetui: {error:#}");
            3
        }
    };
    std::process::exit(code);
}

/// A line for every change, as the sender thread would have seen it.
fn note_on_air(log: PathBuf, controls: Arc<Controls>, meters: Arc<Meters>) {
    std::thread::spawn(move || {
        let mut log = OpenOptions::new().create(true).append(true).open(log).expect("a log");
        let mut was = false;
        loop {
            let is = controls.on_air(Instant::now()).is_some();
            if is != was {
                writeln!(log, "{}", if is { "on" } else { "off" }).expect("noted");
                was = is;
            }
            meters.mic.on_air.store(is, Relaxed);
            if is {
                let swing = (meters.mic.wave.written() as f32 / 5.0).sin().abs();
                meters.mic.wave.push(Column { min: -swing, max: swing, mark: Mark::Played });
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    });
}

struct Engine {
    controls: Arc<Controls>,
    meters: Arc<Meters>,
    notices: Sender<Notice>,
}

impl Engine {
    fn obey(&self, command: Command) {
        let id = PeerId::new(0).expect("slot 0");
        match command {
            Command::Call { address, .. } => {
                self.controls.release_all();
                self.meters.set_state(id, CallState::Live, Instant::now());
                self.meters.mic.running.store(true, Relaxed);
                self.tell(Notice::Peer { id, address, format: Format::Rtp, incoming: false });
                self.tell(Notice::State { id, state: CallState::Live });
            }
            Command::Hangup(_) => {
                self.controls.release_all();
                self.meters.set_state(id, CallState::Idle, Instant::now());
                self.meters.mic.running.store(false, Relaxed);
                self.tell(Notice::Gone { id });
            }
            Command::Open(_) => self.controls.hold(voicetui::engine::Holder::Open),
            Command::Record(_) => panic!("asked to panic"),
            Command::Deafen(_) => {
                let _ = std::thread::Builder::new().name("deep inside".into()).spawn(|| panic!("asked to panic elsewhere"));
            }
            _ => {}
        }
    }

    fn tell(&self, notice: Notice) {
        let _ = self.notices.try_send(notice);
    }
}
