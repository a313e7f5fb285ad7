//! Streams of a PulseAudio server for which cpal's will not do, each on a connection of its own.
//!
//! cpal's may be moved: when its microphone is pulled out the server lets it hear the default one instead, and cpal says so to
//! nobody. A microphone that the user named is held to here: without it the stream ends. And the server mixes cpal's channels by
//! their names; here they keep their places, whatever the card calls them.

mod play;
mod record;

use std::ffi::CString;
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::{Duration, Instant};

use cpal::traits::DeviceTrait;
use cpal::{BufferSize, Device, Error, ErrorKind, StreamConfig};
use pulseaudio::protocol::{SampleFormat, SampleSpec};
use pulseaudio::{Client, ClientError};

use super::super::{Failure, Health};
use super::PATIENCE;
pub(super) use play::play_output;
pub(super) use record::play_input;

/// Between two questions for the delay while no block comes; also how soon it is known that the device has gone.
const LOOK: Duration = Duration::from_millis(100);
/// What the server takes for a cookie where the user has none: it lets in whom it would let in anyway.
const NO_COOKIE: [u8; 256] = [0; 256];

const FLOATS: SampleFormat = if cfg!(target_endian = "little") { SampleFormat::Float32Le } else { SampleFormat::Float32Be };
const FLOAT_BYTES: u32 = 4;

pub(super) fn is_its(device: &Device) -> bool {
    device.id().is_ok_and(|id| id.host().to_string() == super::PULSE)
}

/// The server's name of the device.
fn name_of(device: &Device) -> Result<CString, Error> {
    CString::new(device.id()?.id()).map_err(|_| Error::new(ErrorKind::DeviceNotAvailable))
}

fn spec_of(config: StreamConfig) -> SampleSpec {
    SampleSpec { format: FLOATS, sample_rate: config.sample_rate, channels: config.channels as u8 }
}

/// Bytes of a block; `None`: the server decides.
fn block_bytes(config: StreamConfig) -> Option<u32> {
    match config.buffer_size {
        BufferSize::Fixed(frames) => Some(frames.saturating_mul(u32::from(config.channels) * FLOAT_BYTES)),
        BufferSize::Default => None,
    }
}

/// So many bytes in frames, if there are any.
fn frames_of(bytes: u32, config: StreamConfig) -> Option<u32> {
    Some(bytes / (u32::from(config.channels.max(1)) * FLOAT_BYTES)).filter(|frames| *frames > 0)
}

/// How long a sample is on its way: through the device, and behind the bytes that wait in the server.
fn way(device_us: u64, waiting: i64, spec: &SampleSpec) -> Duration {
    Duration::from_micros(device_us) + spec.bytes_to_duration(waiting.max(0) as usize)
}

/// A running stream; it ends with its connection.
struct Running {
    connection: Connection,
    over: Arc<AtomicBool>,
    watcher: Thread,
}

impl Running {
    /// From now on `clock` says what `ask` says, anew after each block. `waker`: the thread to be woken after one.
    fn start(
        connection: Connection,
        clock: Arc<Clock>,
        waker: &OnceLock<Thread>,
        health: Arc<Health>,
        ask: impl Fn() -> Result<Duration, Error> + Send + 'static,
    ) -> Result<Self, Error> {
        let over = Arc::new(AtomicBool::new(false));
        let over_there = over.clone();
        let watching = std::thread::Builder::new().name("pulse-clock".into()).spawn(move || watch(&ask, &clock, &health, &over_there));
        let watching = watching.map_err(|error| Error::with_message(ErrorKind::BackendError, error.to_string()))?;
        let watcher = watching.thread().clone();
        let _ = waker.set(watcher.clone());
        Ok(Self { connection, over, watcher })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.over.store(true, Relaxed);
        self.connection.end();
        self.watcher.unpark();
    }
}

/// To the server that the environment names.
struct Connection {
    client: Client,
    socket: UnixStream,
}

impl Connection {
    fn open() -> Result<Self, Error> {
        let path = pulseaudio::socket_path_from_env().ok_or(ClientError::ServerUnavailable)?;
        let cookie = pulseaudio::cookie_path_from_env().and_then(|path| std::fs::read(path).ok());
        let socket = UnixStream::connect(path).map_err(ClientError::from)?;
        let ours = socket.try_clone().map_err(ClientError::from)?;
        // A server that hangs does not keep us; once they have greeted each other nobody waits in a read any more.
        socket.set_read_timeout(Some(PATIENCE)).map_err(ClientError::from)?;
        let client = Client::new_unix(c"voicetui", socket, Some(cookie.unwrap_or_else(|| NO_COOKIE.to_vec())))?;
        Ok(Self { client, socket: ours })
    }

    /// Its thread ends by itself, and with it the callback.
    fn end(&self) {
        let _ = self.socket.shutdown(Shutdown::Both);
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.end();
    }
}

/// How long a sample is on its way between the device and here, as the server said last.
struct Clock {
    start: Instant,
    delay_us: AtomicU64,
    /// When it said so, in microseconds since `start`.
    said_us: AtomicU64,
}

impl Clock {
    fn new() -> Self {
        Self { start: Instant::now(), delay_us: AtomicU64::new(0), said_us: AtomicU64::new(0) }
    }

    fn since_start_us(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.start).as_micros() as u64
    }

    fn set(&self, delay: Duration) {
        self.delay_us.store(delay.as_micros() as u64, Relaxed);
        self.said_us.store(self.since_start_us(Instant::now()), Relaxed);
    }

    /// For a microphone: what waits in the server grows older until the next block comes.
    fn delay_in(&self, now: Instant) -> Duration {
        self.said() + self.passed(now)
    }

    /// For a loudspeaker: what waits in the server is played until the next block is asked for.
    fn delay_out(&self, now: Instant) -> Duration {
        self.said().saturating_sub(self.passed(now))
    }

    fn said(&self) -> Duration {
        Duration::from_micros(self.delay_us.load(Relaxed))
    }

    fn passed(&self, now: Instant) -> Duration {
        Duration::from_micros(self.since_start_us(now).saturating_sub(self.said_us.load(Relaxed))).min(LOOK)
    }
}

/// Asks for the delay after each block. A stream that the server ended has none.
fn watch(ask: &impl Fn() -> Result<Duration, Error>, clock: &Clock, health: &Health, over: &AtomicBool) {
    while !over.load(Relaxed) {
        match ask() {
            Ok(delay) => clock.set(delay),
            Err(error) => {
                if !over.load(Relaxed) {
                    tracing::info!("a stream has ended: {error}");
                    health.fail(Failure::Gone);
                }
                return;
            }
        }
        std::thread::park_timeout(LOOK);
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// The answer, waited for on this thread and not for ever.
fn wait<T>(answer: impl Future<Output = Result<T, ClientError>>, patience: Duration) -> Result<T, Error> {
    let (mut answer, end) = (pin!(answer), Instant::now() + patience);
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    loop {
        if let Poll::Ready(answer) = answer.as_mut().poll(&mut Context::from_waker(&waker)) {
            return answer.map_err(Error::from);
        }
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Error::with_message(ErrorKind::BackendError, "the sound server does not answer"));
        }
        std::thread::park_timeout(left);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_as_old_as_the_server_said_and_what_passed_since_counts() {
        let clock = Clock::new();
        clock.set(Duration::from_millis(20));
        let said = clock.start + Duration::from_micros(clock.said_us.load(Relaxed));
        assert_eq!((clock.delay_in(said), clock.delay_out(said)), (Duration::from_millis(20), Duration::from_millis(20)));
        let later = said + Duration::from_millis(7);
        assert_eq!((clock.delay_in(later), clock.delay_out(later)), (Duration::from_millis(27), Duration::from_millis(13)));
        assert_eq!(clock.delay_in(said + Duration::from_secs(7)), Duration::from_millis(20) + LOOK, "an old answer says no more than that");
    }

    #[test]
    fn an_answer_is_not_waited_for_for_ever() {
        let never = std::future::pending::<Result<(), ClientError>>();
        assert!(wait(never, Duration::from_millis(1)).is_err());
        assert!(wait(std::future::ready(Ok(7)), Duration::ZERO).is_ok_and(|answer| answer == 7));
    }
}
