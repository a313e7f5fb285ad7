//! The built-in peer of `--demo`: a second engine in this process that answers, and whose synthetic talker speaks.

use std::net::{IpAddr, Ipv4Addr};
use std::thread::{self, JoinHandle};

use anyhow::Context;

use super::{AutoAnswer, CallState, Command, Engine, Notice, Settings, Switch, Trust};

/// A running built-in peer; dropping it hangs up and ends it.
pub struct DemoPeer {
    engine: Option<Engine>,
    talker: Option<JoinHandle<()>>,
    /// What to call to be in a call with it.
    pub address: String,
}

impl DemoPeer {
    /// Listens on a free loopback port, over real UDP; with the passphrase of who is to call, under a key of its own.
    ///
    /// # Errors
    /// No socket or no thread could be had.
    pub fn start(caller: &Settings, trusted: &Trust) -> anyhow::Result<Self> {
        let mut trust = Trust::passing()?;
        trust.local.psk.clone_from(&trusted.local.psk);
        let settings = Settings {
            name: "the built-in voice".into(),
            input: vec!["voice".into()],
            output: vec!["null".into()],
            bind: IpAddr::V4(Ipv4Addr::LOCALHOST),
            port: 0,
            format: caller.format,
            auto_answer: AutoAnswer::All,
            allow_unsealed: true,
            ctl: false,
            ..Settings::default()
        };
        let engine = Engine::start_with(settings, trust).context("the built-in peer does not start")?;
        let (commander, notices) = (engine.commander(), engine.notices());
        let talk = move || {
            for notice in notices {
                match notice {
                    Notice::State { state: CallState::Live, .. } => {
                        let opened = commander.send(Command::Open(Switch::On));
                        tracing::debug!(?opened, "the built-in peer speaks");
                    }
                    Notice::Quit => return,
                    _ => {}
                }
            }
        };
        let talker = thread::Builder::new().name("demo".into()).spawn(talk).context("no thread for the built-in peer")?;
        let address = engine.address().to_string();
        Ok(Self { engine: Some(engine), talker: Some(talker), address })
    }
}

impl Drop for DemoPeer {
    fn drop(&mut self) {
        if let Some(engine) = self.engine.take() {
            let _ = engine.commander().send(Command::Quit);
            drop(engine);
        }
        if let Some(talker) = self.talker.take() {
            let _ = talker.join();
        }
    }
}
