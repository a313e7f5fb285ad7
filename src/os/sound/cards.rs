//! Sound cards through cpal, or PulseAudio itself. Every call here may block for seconds; streams call back on threads of theirs.

mod connect;
mod convert;
#[cfg(any(target_os = "linux", target_os = "dragonfly", target_os = "freebsd", target_os = "netbsd"))]
mod cookie;
mod format;
#[cfg(any(target_os = "linux", target_os = "dragonfly", target_os = "freebsd", target_os = "netbsd"))]
mod pulse;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cpal::traits::{DeviceTrait, HostTrait, StreamTrait};
use cpal::{Device, DeviceId, ErrorKind, HostId};

use self::connect::connect;
use super::{Backend, Channels, DeviceEntry, Direction, Failure, Health, MakeInput, MakeOutput, OpenError, Opened, Stream, StreamFormat};
use crate::os::{priority, virtual_sound};

/// What the user means by "whatever the system uses".
const DEFAULT: &str = "default";
/// The host of PulseAudio's servers, and of PipeWire's that stand in for them.
const PULSE: &str = "pulseaudio";
/// Longest wait inside cpal for a stream to be made; also how often ALSA's thread looks whether its card still lives.
const PATIENCE: Duration = Duration::from_secs(2);
/// ALSA plugins that convert or drop sound and are no devices to choose; they still open when named by their card.
const PLUGINS: [&str; 9] = ["null", "lavrate", "samplerate", "speexrate", "speex", "upmix", "vdownmix", "oss", "jack"];

/// The audio hosts that are built in, as `--host` takes them.
#[must_use]
pub fn hosts() -> Vec<String> {
    cpal::ALL_HOSTS.iter().map(ToString::to_string).collect()
}

/// What the program does for its sound before all else.
///
/// # Safety
/// No other thread runs yet: a variable of the environment is set.
pub unsafe fn prepare() {
    // SAFETY: this function's own condition.
    #[cfg(any(target_os = "linux", target_os = "dragonfly", target_os = "freebsd", target_os = "netbsd"))]
    unsafe {
        cookie::find();
    }
}

/// The real devices of one audio host, and the virtual ones of every host.
#[derive(Default)]
pub struct Sound {
    /// `None`: the first of the platform that answers.
    wanted: Option<HostId>,
    /// A connection to a sound server; forgotten when a call on it fails, so that a restarted server is found again.
    host: Mutex<Option<Arc<cpal::Host>>>,
}

impl Sound {
    /// `host`: one of [`hosts`]; `None`: the platform's first that answers.
    ///
    /// # Errors
    /// No such host in this program. Whether it runs turns out when it is used.
    pub fn new(host: Option<&str>) -> Result<Self, OpenError> {
        let wanted = host.map(parse_host).transpose()?;
        Ok(Self { wanted, host: Mutex::new(None) })
    }

    fn host(&self) -> Result<Arc<cpal::Host>, OpenError> {
        if let Some(host) = self.cached().clone() {
            return Ok(host);
        }
        let host = match self.wanted {
            Some(id) => connect(id)?,
            // JACK starts a server when it is merely asked: only by name.
            None => cpal::available_hosts()
                .into_iter()
                .filter(|id| id.to_string() != "jack")
                .find_map(|id| connect(id).ok())
                .ok_or_else(|| OpenError::HostDown("of this machine".into()))?,
        };
        *self.cached() = Some(host.clone());
        Ok(host)
    }

    fn cached(&self) -> std::sync::MutexGuard<'_, Option<Arc<cpal::Host>>> {
        self.host.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn forget_host(&self) {
        *self.cached() = None;
    }

    /// The device that `spec` means: `default`, an id with or without its host, a whole name, or the one name that contains it.
    fn device(&self, spec: &str, direction: Direction) -> Result<Device, OpenError> {
        let host = self.host()?;
        if spec == DEFAULT {
            if let Some(device) = default_device(&host, direction) {
                return Ok(device);
            }
            // A server that was started anew is not to be seen through the old connection.
            self.forget_host();
            return default_device(self.host()?.as_ref(), direction).ok_or(OpenError::NoDevice(direction));
        }
        let not_found = || OpenError::NotFound { direction, name: spec.into() };
        if let Ok(id) = spec.parse::<DeviceId>() {
            let host = if id.host() == host.id() { host } else { connect(id.host())? };
            let default = || default_device(&host, direction).filter(|device| id_of(device) == spec);
            return host.device_by_id(&id).or_else(default).ok_or_else(not_found);
        }
        let mut all: Vec<Device> = host.devices().map_err(|_| not_found())?.filter(|device| fits(device, direction)).collect();
        if let Some(at) = all.iter().position(|device| short_id_of(device) == spec) {
            return Ok(all.swap_remove(at));
        }
        let lower = spec.to_lowercase();
        let named = |device: &Device| name_of(device).to_lowercase();
        if let Some(at) = all.iter().position(|device| named(device) == lower) {
            return Ok(all.swap_remove(at));
        }
        let mut matching = all.into_iter().filter(|device| named(device).contains(&lower));
        match (matching.next(), matching.next()) {
            (Some(device), None) => Ok(device),
            _ => Err(not_found()),
        }
    }

    fn open(&self, spec: &str, direction: Direction, build: &mut Build<'_>) -> Result<Stream, OpenError> {
        let (name, chosen) = Channels::split(spec);
        let opened = self.device(name, direction).and_then(|device| open_device(&device, spec, direction, &chosen, build));
        if opened.is_err() {
            self.forget_host();
        }
        opened
    }
}

/// A stream that runs until it is dropped, and the frames of its blocks, if they are known.
struct Playing {
    stream: Box<dyn Send>,
    block: Option<u32>,
}

/// Makes a stream of one exact configuration, and starts it.
type Build<'a> = dyn FnMut(&Device, cpal::StreamConfig, cpal::SampleFormat, &Channels, Arc<Health>) -> Result<Playing, cpal::Error> + 'a;

fn play(stream: cpal::Stream, device: &Device, health: &Health) -> Result<Playing, cpal::Error> {
    // Only now its plugins are loaded.
    if is_served(&id_of(device)) {
        health.keep_ordinary();
    }
    stream.play()?;
    let block = stream.buffer_size().ok().filter(|block| *block > 0);
    Ok(Playing { stream: Box::new(stream), block })
}

fn open_device(device: &Device, spec: &str, direction: Direction, chosen: &Channels, build: &mut Build<'_>) -> Result<Stream, OpenError> {
    let name = if spec == DEFAULT { name_of(device) } else { format!("{} ({spec})", name_of(device)) };
    let fail = |error: &cpal::Error| explain(error, direction, if Channels::split(spec).0 == DEFAULT { DEFAULT } else { &name });
    let unsupported = |why: String| OpenError::Unsupported { direction, name: name.clone(), why };
    let channels = chosen.needed();
    let choice = format::choose(device, direction, chosen).map_err(|why| match why {
        format::Refusal::Nothing => unsupported("it has none at all".into()),
        format::Refusal::Channels(most) => unsupported(format!("channel {channels} was chosen, and it has {most}")),
        format::Refusal::Error(error) => fail(&error),
    })?;
    priority::prepare();
    let mut last = None;
    for attempt in choice.attempts() {
        let health = Arc::new(Health::default());
        let config = cpal::StreamConfig { channels: choice.format.channels, sample_rate: choice.format.rate, buffer_size: attempt };
        match build(device, config, choice.sample, chosen, health.clone()) {
            Ok(Playing { stream, block }) => {
                let opened =
                    Opened { name, id: id_of(device), format: choice.format, block, remark: choice.remark(attempt, block, direction) };
                return Ok(Stream::new(opened, health, stream));
            }
            // A smaller or larger block cannot help against these.
            Err(error) if matches!(error.kind(), ErrorKind::DeviceBusy | ErrorKind::PermissionDenied | ErrorKind::HostUnavailable) => {
                return Err(fail(&error));
            }
            Err(error) => last = Some(error),
        }
    }
    Err(last.map_or(OpenError::NoDevice(direction), |error| fail(&error)))
}

/// Whether ALSA may bring the sound to a sound server, or to another plugin: PulseAudio's spins at times, and would keep a processor
/// from the server it waits for. A name of the card itself leads to none; of others only what is loaded tells.
fn is_served(id: &str) -> bool {
    let Some(name) = id.strip_prefix("alsa:") else { return false };
    !["hw:", "plughw:"].iter().any(|card| name.starts_with(card)) && priority::has_loaded("libasound_module_pcm_")
}

impl Backend for Sound {
    fn list(&self) -> Vec<DeviceEntry> {
        let mut entries = Vec::new();
        for id in cpal::ALL_HOSTS.iter().filter(|id| self.wanted.is_none_or(|wanted| wanted == **id)) {
            if self.wanted.is_none() && id.to_string() == "jack" {
                continue;
            }
            if let Ok(host) = connect(*id) {
                list_host(*id, &host, &mut entries);
            }
        }
        virtual_sound::list(&mut entries);
        entries
    }

    fn find(&self, spec: &str, direction: Direction) -> Option<String> {
        let name = Channels::split(spec).0;
        let id = self.device(name, direction).ok().map(|device| id_of(&device));
        if id.is_none() && name == DEFAULT {
            self.forget_host();
        }
        id
    }

    fn open_input(&self, spec: &str, make: MakeInput<'_>) -> Result<Stream, OpenError> {
        if let Some(stream) = virtual_sound::open_input(spec, make) {
            return stream;
        }
        self.open(spec, Direction::Input, &mut |device, config, sample, chosen, health| {
            let callback = make(heard_as(&config, chosen));
            #[cfg(any(target_os = "linux", target_os = "dragonfly", target_os = "freebsd", target_os = "netbsd"))]
            if pulse::is_its(device) {
                let callback = convert::of_chosen(config.channels, chosen, callback);
                return pulse::play_input(device, config, Channels::split(spec).0 != DEFAULT, callback, health);
            }
            convert::build_input(device, config, sample, chosen, callback, health.clone()).and_then(|stream| play(stream, device, &health))
        })
    }

    fn open_output(&self, spec: &str, make: MakeOutput<'_>) -> Result<Stream, OpenError> {
        if let Some(stream) = virtual_sound::open_output(spec, make) {
            return stream;
        }
        self.open(spec, Direction::Output, &mut |device, config, sample, chosen, health| {
            let callback = make(heard_as(&config, chosen));
            #[cfg(any(target_os = "linux", target_os = "dragonfly", target_os = "freebsd", target_os = "netbsd"))]
            if pulse::is_its(device) && !chosen.are_all() {
                return pulse::play_output(device, config, convert::on_chosen(config.channels, chosen, callback), health);
            }
            convert::build_output(device, config, sample, chosen, callback, health.clone()).and_then(|stream| play(stream, device, &health))
        })
    }

    fn with_host(&self, host: Option<&str>) -> Result<Arc<dyn Backend>, OpenError> {
        Ok(Arc::new(Self::new(host)?))
    }
}

/// What a callback sees: the chosen channels are one.
fn heard_as(config: &cpal::StreamConfig, chosen: &Channels) -> StreamFormat {
    StreamFormat { rate: config.sample_rate, channels: if chosen.are_all() { config.channels } else { 1 } }
}

fn default_device(host: &cpal::Host, direction: Direction) -> Option<Device> {
    match direction {
        Direction::Input => host.default_input_device(),
        Direction::Output => host.default_output_device(),
    }
}

fn parse_host(name: &str) -> Result<HostId, OpenError> {
    name.parse().map_err(|_| OpenError::UnknownHost { name: name.into(), known: hosts().join(", ") })
}

fn list_host(id: HostId, host: &cpal::Host, entries: &mut Vec<DeviceEntry>) {
    let defaults = [host.default_input_device(), host.default_output_device()].map(|device| device.map(|device| id_of(&device)));
    let Ok(devices) = host.devices() else { return };
    let mut devices: Vec<Device> = devices.collect();
    // ALSA's `default` has no direction until it is opened; the enumeration lists it only if it is configured.
    if !devices.iter().any(|device| Some(id_of(device)) == defaults[1]) {
        devices.extend(host.default_output_device());
    }
    for direction in [Direction::Input, Direction::Output] {
        let default = defaults[direction as usize].as_deref();
        for device in devices.iter().filter(|device| fits(device, direction)) {
            let device_id = id_of(device);
            let is_default = default == Some(device_id.as_str());
            let short = short_id_of(device);
            if !is_default && PLUGINS.iter().any(|plugin| short == *plugin || short.starts_with(&format!("{plugin}:"))) {
                continue;
            }
            entries.push(DeviceEntry {
                host: id.to_string(),
                direction,
                name: name_of(device),
                is_default,
                detail: format::in_words(device, direction),
                id: device_id,
            });
        }
    }
}

fn fits(device: &Device, direction: Direction) -> bool {
    let Ok(description) = device.description() else { return false };
    match direction {
        _ if description.direction() == cpal::DeviceDirection::Unknown => true,
        Direction::Input => description.supports_input(),
        Direction::Output => description.supports_output(),
    }
}

/// `HOST:NAME`: stable, and the same on every run.
fn id_of(device: &Device) -> String {
    device.id().map_or_else(|_| name_of(device), |id| id.to_string())
}

/// Without the host.
fn short_id_of(device: &Device) -> String {
    device.id().map_or_else(|_| name_of(device), |id| id.id().to_owned())
}

fn name_of(device: &Device) -> String {
    device.description().map_or_else(|_| "unnamed".into(), |description| description.name().to_owned())
}

/// cpal's error in the user's words.
fn explain(error: &cpal::Error, direction: Direction, name: &str) -> OpenError {
    tracing::info!("{} {name}: {:?}: {error}", direction.noun(), error.kind());
    let (name, why) = (name.to_owned(), error.to_string());
    match error.kind() {
        ErrorKind::DeviceBusy => OpenError::Busy { direction, name },
        ErrorKind::PermissionDenied => OpenError::PermissionDenied { direction, name },
        // With no card at all ALSA still has a default device; only opening it tells.
        ErrorKind::DeviceNotAvailable | ErrorKind::UnsupportedOperation if name == DEFAULT => OpenError::NoDevice(direction),
        ErrorKind::DeviceNotAvailable | ErrorKind::UnsupportedOperation => OpenError::NotFound { direction, name },
        ErrorKind::UnsupportedConfig | ErrorKind::InvalidInput => OpenError::Unsupported { direction, name, why },
        ErrorKind::HostUnavailable | ErrorKind::StreamInvalidated => OpenError::HostDown(name),
        // ALSA's plugin for a sound server that does not run.
        ErrorKind::BackendError if why.contains("onnection refused") => OpenError::HostDown(format!("behind \"{name}\"")),
        _ => OpenError::Other { direction, name, why },
    }
}

/// Runs on the stream's thread, on some hosts thousands of times a second: atomics only, and once the words of what broke it.
fn note_error(health: &Health, error: &cpal::Error) {
    match error.kind() {
        ErrorKind::Xrun | ErrorKind::DeviceBusy => health.count_xrun(),
        ErrorKind::DeviceChanged => health.count_reroute(),
        ErrorKind::RealtimeDenied => health.tell_realtime_denied(true),
        ErrorKind::PermissionDenied => health.fail_with(Failure::PermissionDenied, || error.to_string()),
        ErrorKind::DeviceNotAvailable | ErrorKind::HostUnavailable | ErrorKind::StreamInvalidated => {
            health.fail_with(Failure::Gone, || error.to_string());
        }
        _ => health.fail_with(Failure::Broken, || error.to_string()),
    }
}
