//! Sound devices as the engine sees them: one face for cpal's and the virtual ones. Callbacks run on the device's own thread.

mod cards;
mod channels;
mod error;

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

pub use cards::{Sound, hosts, prepare};
pub use channels::Channels;
pub use error::{Failure, OpenError};

/// Which way sound goes through a device.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Direction {
    Input,
    Output,
}

impl Direction {
    /// What people call the device: "microphone", "loudspeaker".
    #[must_use]
    pub fn noun(self) -> &'static str {
        match self {
            Self::Input => "microphone",
            Self::Output => "loudspeaker",
        }
    }

    /// The option that chooses it.
    #[must_use]
    pub fn option(self) -> &'static str {
        match self {
            Self::Input => "--input",
            Self::Output => "--output",
        }
    }
}

/// One device in the list of `voicetui devices` and of the picker.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DeviceEntry {
    /// The audio host's name: `alsa`, `pulseaudio` ...; `virtual` for files and tones.
    pub host: String,
    pub direction: Direction,
    /// What to give to `--input` / `--output`; a card's names its host too: `HOST:NAME`.
    pub id: String,
    /// For people to read.
    pub name: String,
    pub is_default: bool,
    /// Channels and rates in words.
    pub detail: String,
}

impl DeviceEntry {
    /// Whether it is what `spec` (as `--input` takes it) names: by id, by id without the host, or by name.
    #[must_use]
    pub fn is_meant_by(&self, spec: &str) -> bool {
        let spec = Channels::split(spec).0;
        let short = self.id.strip_prefix(self.host.as_str()).and_then(|id| id.strip_prefix(':'));
        self.id == spec || short == Some(spec) || self.name.to_lowercase().contains(&spec.to_lowercase())
    }
}

/// What a stream turned out to carry: interleaved f32 samples.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StreamFormat {
    /// Frames a second.
    pub rate: u32,
    pub channels: u16,
}

/// When a block of samples happens.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BlockTime {
    /// When the callback was called.
    pub now: Instant,
    /// When the block's first sample was (input) or will be (output) in the air, as far as the device knows.
    pub at: Instant,
}

/// Takes interleaved samples. Neither allocates nor locks nor waits nor panics.
pub type InputCallback = Box<dyn FnMut(&[f32], BlockTime) + Send>;
/// Fills interleaved samples. Neither allocates nor locks nor waits nor panics.
pub type OutputCallback = Box<dyn FnMut(&mut [f32], BlockTime) + Send>;
/// Makes the callback once the format is known; called again when a first attempt to open fails.
pub type MakeInput<'a> = &'a mut dyn FnMut(StreamFormat) -> InputCallback;
pub type MakeOutput<'a> = &'a mut dyn FnMut(StreamFormat) -> OutputCallback;

/// How a stream fares; its threads write, the devices thread reads. Atomics, because an error callback runs between audio blocks.
#[derive(Debug, Default)]
pub struct Health {
    blocks: AtomicU32,
    frames: AtomicU32,
    gap_us: AtomicU32,
    sounded: AtomicBool,
    xruns: AtomicU32,
    failure: AtomicU8,
    error: OnceLock<String>,
    rerouted: AtomicU32,
    realtime_denied: AtomicBool,
    keep_ordinary: AtomicBool,
}

impl Health {
    /// One more callback came.
    pub fn beat(&self) {
        self.blocks.fetch_add(1, Relaxed);
    }

    /// Callbacks so far, wrapping.
    #[must_use]
    pub fn blocks(&self) -> u32 {
        self.blocks.load(Relaxed)
    }

    /// What a card's callback carried: so many frames; `sounded`: one was not zero; `gap`: since the callback before it.
    pub fn carry(&self, frames: usize, sounded: bool, gap: Duration) {
        self.frames.fetch_add(frames as u32, Relaxed);
        self.gap_us.fetch_max(gap.as_micros().min(u128::from(u32::MAX)) as u32, Relaxed);
        if sounded {
            self.sounded.store(true, Relaxed);
        }
    }

    /// Frames so far, wrapping; a device without a card counts none.
    #[must_use]
    pub fn frames(&self) -> u32 {
        self.frames.load(Relaxed)
    }

    /// The longest time between two callbacks of a card, of those that came since the last call; zero without any.
    #[must_use]
    pub fn take_gap(&self) -> Duration {
        Duration::from_micros(u64::from(self.gap_us.swap(0, Relaxed)))
    }

    /// Whether anything but zeros came since the last call.
    #[must_use]
    pub fn take_sounded(&self) -> bool {
        self.sounded.swap(false, Relaxed)
    }

    pub fn count_xrun(&self) {
        self.xruns.fetch_add(1, Relaxed);
    }

    /// Overruns or underruns so far, wrapping.
    #[must_use]
    pub fn xruns(&self) -> u32 {
        self.xruns.load(Relaxed)
    }

    /// The system moved the stream to another device; it goes on.
    pub fn count_reroute(&self) {
        self.rerouted.fetch_add(1, Relaxed);
    }

    #[must_use]
    pub fn reroutes(&self) -> u32 {
        self.rerouted.load(Relaxed)
    }

    /// The stream's thread asked for real-time priority: whether it was refused.
    pub fn tell_realtime_denied(&self, denied: bool) {
        self.realtime_denied.store(denied, Relaxed);
    }

    #[must_use]
    pub fn is_realtime_denied(&self) -> bool {
        self.realtime_denied.load(Relaxed)
    }

    /// The stream's thread is not to have real-time priority, whatever it may. To be said before it plays.
    pub fn keep_ordinary(&self) {
        self.keep_ordinary.store(true, Relaxed);
    }

    #[must_use]
    pub fn is_kept_ordinary(&self) -> bool {
        self.keep_ordinary.load(Relaxed)
    }

    /// The stream is broken. The first reason stays: what follows it is its echo, thousands a second on some hosts.
    pub fn fail(&self, failure: Failure) {
        self.fail_with(failure, String::new);
    }

    /// The same, with the system's own words for it. They are asked for once, when nothing is played or heard any more: they may allocate.
    pub fn fail_with(&self, failure: Failure, words: impl FnOnce() -> String) {
        if self.failure.compare_exchange(0, failure as u8, Relaxed, Relaxed).is_ok() {
            let _ = self.error.set(words());
        }
    }

    /// The system's own words for the failure, if it has any.
    #[must_use]
    pub fn error(&self) -> Option<&str> {
        self.error.get().map(String::as_str).filter(|words| !words.is_empty())
    }

    #[must_use]
    pub fn failure(&self) -> Option<Failure> {
        Failure::from_byte(self.failure.load(Relaxed))
    }
}

/// What was got.
#[derive(Clone, PartialEq, Debug)]
pub struct Opened {
    /// For people to read.
    pub name: String,
    /// The device's own id; differs from what was asked for when that was `default`.
    pub id: String,
    pub format: StreamFormat,
    /// Frames a callback, as granted; `None`: the device decides each time.
    pub block: Option<u32>,
    /// One sentence when it is not what was asked for.
    pub remark: Option<String>,
}

/// Longest wait for a stream to close. PulseAudio's never does when its server has gone; then its thread is left behind.
const CLOSE_PATIENCE: Duration = Duration::from_millis(400);
/// The same for a stream that is known to be sick.
const SICK_PATIENCE: Duration = Duration::from_millis(50);

/// A running stream. Dropping it closes the device, waiting for that a bounded time.
pub struct Stream {
    pub opened: Opened,
    pub health: Arc<Health>,
    inner: Option<Box<dyn Send>>,
}

impl Stream {
    /// `inner`: whatever closes the device when dropped.
    #[must_use]
    pub fn new(opened: Opened, health: Arc<Health>, inner: Box<dyn Send>) -> Self {
        Self { opened, health, inner: Some(inner) }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let Some(inner) = self.inner.take() else { return };
        let (done, closed) = crossbeam_channel::bounded::<()>(1);
        let closer = std::thread::Builder::new().name("close-stream".into()).spawn(move || {
            drop(inner);
            let _ = done.send(());
        });
        let patience = if self.health.failure().is_some() { SICK_PATIENCE } else { CLOSE_PATIENCE };
        if closer.is_ok() && closed.recv_timeout(patience).is_err() {
            tracing::warn!("closing {} takes too long; left to itself", self.opened.name);
        }
    }
}

/// Opens and lists devices. Any call may block for seconds on a sick sound server: never call one from a thread that has a promise to keep.
pub trait Backend: Send + Sync {
    fn list(&self) -> Vec<DeviceEntry>;

    /// The id of the device that `spec` (`default`, a card's id or name) means now; `None`: there is none, or the host does not say.
    fn find(&self, spec: &str, direction: Direction) -> Option<String>;

    /// `spec`: what `--input` takes.
    ///
    /// # Errors
    /// Why not, with a sentence for the user in its `Display`.
    fn open_input(&self, spec: &str, make: MakeInput<'_>) -> Result<Stream, OpenError>;

    /// `spec`: what `--output` takes.
    ///
    /// # Errors
    /// Why not, with a sentence for the user in its `Display`.
    fn open_output(&self, spec: &str, make: MakeOutput<'_>) -> Result<Stream, OpenError>;

    /// The same, on another audio host (`None`: the platform's first).
    ///
    /// # Errors
    /// The host is not built in or not there.
    fn with_host(&self, host: Option<&str>) -> Result<Arc<dyn Backend>, OpenError>;
}
