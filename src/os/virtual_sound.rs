//! Sound without a card: files, tones, silence. Each runs in real time on its own timer thread, through the same callbacks as cards.

mod source;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::sound::{BlockTime, DeviceEntry, Direction, Failure, Health, MakeInput, MakeOutput, OpenError, Opened, Stream, StreamFormat};
use super::wav::WavWriter;
use crate::units::SAMPLE_RATE;
use source::Source;

/// Length of a block.
pub const BLOCK: Duration = Duration::from_millis(5);
/// A timer thread that is late catches up to this far; beyond it the time is lost, as on a card that overran.
const CATCH_UP: Duration = Duration::from_millis(200);
const MONO: StreamFormat = StreamFormat { rate: SAMPLE_RATE, channels: 1 };
const MONO_BLOCK: usize = (SAMPLE_RATE / 200) as usize;

/// The kinds, as they stand in the list of devices.
const INPUTS: [(&str, &str); 5] = [
    ("wav:FILE", "a WAV file, once"),
    ("wav-loop:FILE", "a WAV file, again and again"),
    ("tone:440", "a tone of so many Hz"),
    ("voice", "a synthetic talker"),
    ("silence", "nothing"),
];
const OUTPUTS: [(&str, &str); 2] = [("wav:FILE", "into a WAV file"), ("null", "nowhere")];

pub(super) fn list(entries: &mut Vec<DeviceEntry>) {
    let inputs = INPUTS.iter().map(|kind| (Direction::Input, kind));
    for (direction, (id, name)) in inputs.chain(OUTPUTS.iter().map(|kind| (Direction::Output, kind))) {
        entries.push(DeviceEntry {
            host: "virtual".into(),
            direction,
            id: (*id).into(),
            name: (*name).into(),
            is_default: false,
            detail: String::new(),
        });
    }
}

/// Opens `spec` if it names a virtual input; `None`: it is a card's name.
pub fn open_input(spec: &str, make: MakeInput<'_>) -> Option<Result<Stream, OpenError>> {
    let source = Source::parse(spec)?;
    Some(source.and_then(|source| start_input(spec, source, make)))
}

/// Opens `spec` if it names a virtual output; `None`: it is a card's name.
pub fn open_output(spec: &str, make: MakeOutput<'_>) -> Option<Result<Stream, OpenError>> {
    let file = match spec.split_once(':') {
        None if spec == "null" => None,
        Some(("wav", path)) => Some(PathBuf::from(path)),
        _ => return None,
    };
    Some(start_output(spec, file, make))
}

fn start_input(spec: &str, mut source: Source, make: MakeInput<'_>) -> Result<Stream, OpenError> {
    let format = source.format();
    let mut callback = make(format);
    let channels = usize::from(format.channels);
    let mut samples = vec![0f32; (format.rate as usize / 200 + 1) * channels];
    let per_block = u64::from(format.rate);
    run(spec, Direction::Input, format, move |count, time| {
        // 44.1 kHz has 220.5 frames a block: count from the start, so that nothing drifts.
        let frames = ((count + 1) * per_block / 200 - count * per_block / 200) as usize;
        let block = &mut samples[..frames * channels];
        source.fill(block);
        callback(block, BlockTime { at: time.at - BLOCK, ..time });
        Ok(())
    })
}

fn start_output(spec: &str, file: Option<PathBuf>, make: MakeOutput<'_>) -> Result<Stream, OpenError> {
    let mut writer = match file {
        None => None,
        Some(path) => {
            let cannot = |error: std::io::Error| OpenError::File { path: path.clone(), why: error.to_string() };
            Some(WavWriter::create(&path).map_err(cannot)?)
        }
    };
    let mut callback = make(MONO);
    let mut block = [0f32; MONO_BLOCK];
    run(spec, Direction::Output, MONO, move |_, time| {
        callback(&mut block, time);
        writer.as_mut().map_or(Ok(()), |writer| writer.write(&block))
    })
}

/// Stops and joins the timer thread, which drops its file and thereby completes it.
struct Timer {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Timer {
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Calls `block` with its number and time each 5 ms. An error of it is told once; sound goes on.
fn run(
    spec: &str,
    direction: Direction,
    format: StreamFormat,
    mut block: impl FnMut(u64, BlockTime) -> std::io::Result<()> + Send + 'static,
) -> Result<Stream, OpenError> {
    let (health, stop) = (Arc::new(Health::default()), Arc::new(AtomicBool::new(false)));
    let (beat, stopped) = (health.clone(), stop.clone());
    let name = match direction {
        Direction::Input => "virtual-mic",
        Direction::Output => "virtual-out",
    };
    let thread = std::thread::Builder::new().name(name.into()).spawn(move || {
        let mut due = Instant::now() + BLOCK;
        let mut count = 0;
        loop {
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            if stopped.load(Relaxed) {
                return;
            }
            let now = Instant::now();
            if now > due + CATCH_UP {
                beat.count_xrun();
                due = now;
            }
            beat.beat();
            if let Err(error) = block(count, BlockTime { now, at: due }) {
                if beat.failure().is_none() {
                    tracing::warn!("{name}: {error}");
                }
                beat.fail(Failure::DiskFull);
            }
            count += 1;
            due += BLOCK;
        }
    });
    let thread = thread.map_err(|error| OpenError::Other { direction, name: spec.into(), why: error.to_string() })?;
    let block = Some(format.rate / 200);
    let opened = Opened { name: spec.into(), id: spec.into(), format, block, remark: None };
    Ok(Stream::new(opened, health, Box::new(Timer { stop, thread: Some(thread) })))
}
