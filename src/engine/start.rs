//! How an engine comes up and goes down: every thread is named, owned and joined here. Main thread.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use anyhow::{Context, anyhow};
use crossbeam_channel::{Receiver, Sender, bounded};
use mio::net::UdpSocket;
use rand::SeedableRng;
use rand::rngs::{StdRng, SysRng};

use super::commander::Commander;
use super::control::{self, Control, ControlConfig};
use super::devices::{self, DeviceCommand, DevicesConfig, MicReader, mic_ring};
use super::disk::{self, DiskCommand, Ledger};
use super::playback::{Playback, PlaybackHandle};
use super::receiver::{Links, ReceiverThread, SOCKET, WAKER};
use super::sender::{SenderThread, SentBoard, ToSender};
use super::tap::{TAP_SAMPLES, TapWriter, tap};
use super::{
    Air, AutoAnswer, Bells, Command, CommandInput, Controls, FarEnd, Measuring, Meters, Notice, Notices, OpenRules, Settings, Trust,
    VoiceKey, resolver, roster::Roster,
};
use crate::audio::process::Chain;
use crate::call::{Downlink, DownlinkConfig, SendFailure, Uplink, UplinkConfig};
use crate::os::clock::{self, SleepWatch};
use crate::os::socket::{self, Mapping};
use crate::os::sound::Sound;

/// Commands, names, plans and hints that may wait for one thread.
const WAITING: usize = 64;

/// A running engine: the threads between the sound card and the network. Dropping it hangs up and ends them in order.
pub struct Engine {
    controls: Arc<Controls>,
    meters: Arc<Meters>,
    notices: Receiver<Notice>,
    commander: Option<Commander>,
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    waker: Arc<mio::Waker>,
    control: Option<Control>,
    /// In the order in which they end and are joined.
    threads: Vec<JoinHandle<()>>,
}

/// What several threads share while they are made.
struct Frame {
    settings: Settings,
    trust: Trust,
    controls: Arc<Controls>,
    meters: Arc<Meters>,
    notices: Notices,
    sent: Arc<SentBoard>,
    stop: Arc<AtomicBool>,
    waker: Arc<mio::Waker>,
    mapping: Mapping,
    address: SocketAddr,
}

impl Engine {
    /// [`Engine::start_with`] a key for this run, that knows nobody.
    ///
    /// # Errors
    /// As there.
    pub fn start(settings: Settings) -> anyhow::Result<Self> {
        Self::start_with(settings, Trust::passing()?)
    }

    /// Binds the port, opens the sound, starts every thread.
    ///
    /// # Errors
    /// One sentence: the port is taken, or the system has no thread or socket left. A missing sound card is no error.
    pub fn start_with(settings: Settings, trust: Trust) -> anyhow::Result<Self> {
        tracing::info!(key = %trust.local.identity.public(), known = trust.known.peers().count(), "who we are");
        let (socket, mapping) = socket::bind(settings.bind, settings.port)?;
        let address = socket.local_addr().context("the socket has no address")?;
        let poll = mio::Poll::new().context("the system has no room for another socket poll")?;
        let waker = Arc::new(mio::Waker::new(poll.registry(), WAKER).context("the system has no room for another waker")?);
        let epoch = Instant::now();
        let (notices, [for_screen, for_control]) = Notices::new::<2>();
        let frame = Frame {
            controls: Arc::new(Controls::new(epoch)),
            meters: Arc::new(Meters::new(epoch)),
            notices,
            sent: Arc::default(),
            stop: Arc::default(),
            waker,
            mapping,
            address,
            settings,
            trust,
        };
        frame.controls.set_delay(frame.settings.delay);
        frame.controls.set_answers_measuring(frame.settings.answer_measure);
        frame.controls.set_earcons(frame.settings.earcons);
        frame.controls.set_voice(frame.settings.voice);
        frame.controls.set_processing(frame.settings.processing);
        if let Some(sentence) = &frame.trust.warning {
            frame.notices.problem(sentence.clone());
        }
        frame.build(socket, poll, for_screen, for_control)
    }

    /// Where the socket is bound.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    #[must_use]
    pub fn controls(&self) -> Arc<Controls> {
        Arc::clone(&self.controls)
    }

    #[must_use]
    pub fn meters(&self) -> Arc<Meters> {
        Arc::clone(&self.meters)
    }

    /// The engine's events. One watcher: clones share them.
    #[must_use]
    pub fn notices(&self) -> Receiver<Notice> {
        self.notices.clone()
    }

    /// Where others announce to this engine's watchers.
    #[must_use]
    pub fn announcer(&self) -> Notices {
        self.commander().notices
    }

    /// A handle that takes commands.
    ///
    /// # Panics
    /// Never: the commander is there until the engine is dropped.
    #[must_use]
    pub fn commander(&self) -> Commander {
        self.commander.clone().expect("taken in drop only")
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // First, so that nothing is commanded any more.
        self.control = None;
        self.controls.release_all();
        self.stop.store(true, Relaxed);
        let _ = self.waker.wake();
        if let Some(commander) = self.commander.take() {
            commander.end();
        }
        // The receiver hangs up first; its end disconnects the resolver.
        for thread in self.threads.drain(..) {
            let name = thread.thread().name().unwrap_or("?").to_owned();
            thread.thread().unpark();
            if thread.join().is_err() {
                tracing::error!("thread {name} had panicked");
            }
        }
    }
}

impl Frame {
    fn build(
        self,
        socket: std::net::UdpSocket,
        poll: mio::Poll,
        for_screen: Receiver<Notice>,
        for_control: Receiver<Notice>,
    ) -> anyhow::Result<Engine> {
        let (commands, commanded) = bounded(WAITING);
        let (device_commands, devices_commanded) = bounded(WAITING);
        let (disk_commands, disk_commanded) = bounded(WAITING);
        let (to_sender, asked_of_sender) = bounded(WAITING);
        let (failures, failed) = bounded(WAITING);
        let (questions, asked) = bounded(WAITING);
        let (answers, answered) = bounded(WAITING);
        let (fresh, known) = bounded(WAITING);
        let (handles, handed) = bounded(1);
        let (mic_writer, mic) = mic_ring(Arc::clone(&self.meters));
        let (tap_writer, tap_reader) = tap(TAP_SAMPLES);
        let (playback, handle) = Playback::new(Arc::clone(&self.meters), Arc::clone(&self.controls));
        let commander = self.commander(commands, device_commands.clone(), disk_commands.clone());
        let mut threads = Vec::new();

        let media_socket = socket.try_clone().context("the system has no socket left")?;
        let sender = self.sender(mic, asked_of_sender, failures, media_socket, tap_writer)?;
        let sender = spawn(self.mourner("sender"), move || sender.run())?;
        let mut socket = UdpSocket::from_std(socket);
        poll.registry().register(&mut socket, SOCKET, mio::Interest::READABLE).context("the socket cannot be watched")?;
        let links = Links {
            commands: commanded,
            to_sender,
            failures: failed,
            questions,
            answers: answered,
            known,
            devices: device_commands,
            disk: disk_commands,
            handles: handed,
            notices: self.notices.clone(),
            sender: sender.thread().clone(),
        };
        let mut receiver = self.receiver(poll, socket, handle, links)?;
        receiver.lend_ear();
        threads.push(spawn(self.mourner("receiver"), move || receiver.run())?);
        threads.push(sender);
        let waker = Arc::clone(&self.waker);
        threads.push(spawn(self.mourner("resolver"), move || resolver::run(&asked, &answers, &waker))?);
        threads.push(self.devices(devices_commanded, mic_writer, playback, handles)?);
        let control = self.control(commander.clone(), for_control)?;
        let ledger = Ledger {
            known: self.trust.known,
            keyring: self.trust.keyring,
            notices: self.notices.clone(),
            fresh,
            waker: Arc::clone(&self.waker),
        };
        let shared = disk::Shared { controls: Arc::clone(&self.controls), meters: Arc::clone(&self.meters) };
        threads.push(disk::spawn(&self.settings, disk_commanded, tap_reader, ledger, shared)?);
        self.notices.announce(Notice::Listening { address: self.address });
        Ok(Engine {
            controls: self.controls,
            meters: self.meters,
            notices: for_screen,
            commander: Some(commander),
            address: self.address,
            stop: self.stop,
            waker: self.waker,
            control: Some(control),
            threads,
        })
    }

    fn mourner(&self, name: &'static str) -> Mourner {
        Mourner { name, controls: Arc::clone(&self.controls), notices: self.notices.clone() }
    }

    fn control(&self, commander: Commander, watched: Receiver<Notice>) -> anyhow::Result<Control> {
        control::spawn(ControlConfig {
            stdin: self.settings.commands == CommandInput::Stdin,
            ctl: self.settings.ctl,
            talk_timeout: self.settings.talk_timeout,
            commands: Box::new(move |command| commander.send(command)),
            controls: Arc::clone(&self.controls),
            meters: Arc::clone(&self.meters),
            watched,
            notices: self.notices.clone(),
        })
    }

    fn commander(&self, call: Sender<Command>, devices: Sender<DeviceCommand>, disk: Sender<DiskCommand>) -> Commander {
        Commander {
            controls: Arc::clone(&self.controls),
            meters: Arc::clone(&self.meters),
            notices: self.notices.clone(),
            call,
            waker: Arc::clone(&self.waker),
            devices,
            disk,
            talk_timeout: self.settings.talk_timeout,
        }
    }

    fn sender(
        &self,
        mic: MicReader,
        asked: Receiver<ToSender>,
        failures: Sender<(SocketAddr, SendFailure)>,
        socket: std::net::UdpSocket,
        tap: TapWriter,
    ) -> anyhow::Result<SenderThread> {
        let config = UplinkConfig { bitrate: self.settings.bitrate, frame_ms: self.settings.frame_ms };
        let uplink = Uplink::new(config, random()?).map_err(|sentence| anyhow!(sentence))?;
        Ok(SenderThread {
            uplink,
            voice: VoiceKey::new(Arc::clone(&self.controls), Arc::clone(&self.meters)).map_err(|sentence| anyhow!(sentence))?,
            process: Chain::default(),
            far_end: FarEnd::default(),
            forgotten: None,
            measuring: Measuring::new(Arc::clone(&self.controls)),
            mic,
            asked,
            failures,
            socket,
            mapping: self.mapping,
            controls: Arc::clone(&self.controls),
            meters: Arc::clone(&self.meters),
            notices: self.notices.clone(),
            sent: Arc::clone(&self.sent),
            tap,
            realtime: self.settings.realtime,
            stop: Arc::clone(&self.stop),
        })
    }

    fn receiver(&self, poll: mio::Poll, socket: UdpSocket, playback: PlaybackHandle, links: Links) -> anyhow::Result<ReceiverThread> {
        let settings = &self.settings;
        let local = &self.trust.local;
        let config = DownlinkConfig {
            local: local.clone(),
            known: self.trust.known.clone(),
            name: settings.name.clone(),
            bound: socket::inward(self.address),
            own_addresses: socket::own_addresses(),
            format: settings.format,
            answer_all: settings.auto_answer == AutoAnswer::All,
            answer_known: settings.auto_answer == AutoAnswer::Known,
            allow_unsealed: settings.allow_unsealed,
            private: settings.private,
            bitrate: settings.bitrate,
            frame_ms: settings.frame_ms,
            ring_timeout: settings.ring_timeout,
            ..DownlinkConfig::new(Instant::now(), clock::unix_now(), local.identity.clone())
        };
        Ok(ReceiverThread {
            poll,
            socket,
            mapping: self.mapping,
            downlink: Downlink::new(config, random()?),
            playback,
            controls: Arc::clone(&self.controls),
            meters: Arc::clone(&self.meters),
            sent: Arc::clone(&self.sent),
            links,
            roster: Roster::default(),
            known: self.trust.known.clone(),
            own: self.trust.local.identity.public(),
            qualities: Default::default(),
            air: Air::new(
                Arc::clone(&self.controls),
                OpenRules { calls: settings.open, answers: settings.open_on_answer, voice: settings.voice_activation },
            ),
            bells: Bells::new(Arc::clone(&self.controls)),
            realtime: settings.realtime,
            end_at: settings.run_for.map(|time| Instant::now() + time),
            sleep: SleepWatch::new(),
            stop: Arc::clone(&self.stop),
        })
    }

    fn devices(
        &self,
        commands: Receiver<DeviceCommand>,
        mic: super::devices::MicWriter,
        playback: Playback,
        handles: Sender<PlaybackHandle>,
    ) -> anyhow::Result<JoinHandle<()>> {
        let (meters, controls, waker) = (Arc::clone(&self.meters), Arc::clone(&self.controls), Arc::clone(&self.waker));
        let new_playback = move || {
            let (playback, handle) = Playback::new(Arc::clone(&meters), Arc::clone(&controls));
            handles.try_send(handle).ok()?;
            waker.wake().ok()?;
            Some(Box::new(playback))
        };
        let config = DevicesConfig {
            backend: Arc::new(Sound::new(self.settings.host.as_deref())?),
            input: self.settings.input.clone(),
            output: self.settings.output.clone(),
            input_without_card: self.settings.input_without_card.clone(),
            outputs: self.settings.outputs.clone(),
            commands,
            notices: self.notices.clone(),
            meters: Arc::clone(&self.meters),
            controls: Arc::clone(&self.controls),
            mic,
            playback: Box::new(playback),
            new_playback: Box::new(new_playback),
        };
        devices::spawn(config).context("the system has no thread left for the sound devices")
    }
}

/// Unpredictable, so that nobody off the path guesses an SSRC or a sequence number (RFC 3550, 5.1).
fn random() -> anyhow::Result<StdRng> {
    StdRng::try_from_rng(&mut SysRng).context("the system gives no random numbers")
}

/// A thread that must not die unnoticed: if it does, the microphone closes, the user is told, and the program ends.
struct Mourner {
    name: &'static str,
    controls: Arc<Controls>,
    notices: Notices,
}

impl Drop for Mourner {
    fn drop(&mut self) {
        if thread::panicking() {
            self.controls.release_all();
            self.notices
                .problem(format!("A part of voicetui has failed ({}): the call ends here. Please report it, with the log.", self.name));
            self.notices.announce(Notice::Quit);
        }
    }
}

fn spawn(mourner: Mourner, body: impl FnOnce() + Send + 'static) -> anyhow::Result<JoinHandle<()>> {
    let name = mourner.name;
    let mourned = move || {
        let _mourner = mourner;
        body();
    };
    thread::Builder::new().name(name.into()).spawn(mourned).with_context(|| format!("the system has no thread left for {name}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Holder;

    #[test]
    fn a_thread_that_dies_takes_the_microphone_and_the_program_with_it() {
        let (notices, [heard]) = Notices::new::<1>();
        let controls = Arc::new(Controls::default());
        controls.hold(Holder::Open);
        let mourner = Mourner { name: "doomed", controls: Arc::clone(&controls), notices };
        let thread = spawn(mourner, || std::panic::resume_unwind(Box::new("an invariant"))).expect("a thread");
        assert!(thread.join().is_err());
        assert_eq!(controls.on_air(Instant::now()), None);
        assert!(matches!(heard.try_recv(), Ok(Notice::Problem(sentence)) if sentence.contains("doomed")));
        assert_eq!(heard.try_recv(), Ok(Notice::Quit));
    }
}
