//! A microphone: held to, if the user named it, and with its own channels, if some of them are chosen.

use std::sync::{Arc, OnceLock};
use std::thread::Thread;
use std::time::{Duration, Instant};

use cpal::{Device, Error, StreamConfig};
use pulseaudio::protocol::stream::{BufferAttr, StreamFlags};
use pulseaudio::protocol::{ChannelMap, Prop, Props, RecordStreamParams, SourceInfo};

use super::super::super::{Health, InputCallback};
use super::super::convert::Intake;
use super::super::{PATIENCE, Playing};
use super::{Clock, Connection, Running, block_bytes, frames_of, name_of, spec_of, wait, way};

/// A microphone that idled may take its time until it sends; longer, and it is taken for a dead one.
const START_MAX: Duration = Duration::from_secs(5);

/// Opens `device` with `config` as floats, and starts it. `held`: it hears this microphone or none. With more than one channel they
/// are the microphone's own, one to one.
pub(in super::super) fn play_input(
    device: &Device,
    config: StreamConfig,
    held: bool,
    callback: InputCallback,
    health: Arc<Health>,
) -> Result<Playing, Error> {
    let connection = Connection::open()?;
    let source = wait(connection.client.source_info_by_name(name_of(device)?), PATIENCE)?;
    let (clock, watcher) = (Arc::new(Clock::new()), Arc::new(OnceLock::<Thread>::new()));
    let mut intake = Intake::new(config.channels, config.sample_rate, callback, health.clone());
    let (clock_there, watcher_there) = (clock.clone(), watcher.clone());
    let sink = move |bytes: &[u8]| {
        let (samples, _) = bytes.as_chunks::<4>();
        intake.take(samples, clock_there.delay_in(Instant::now()), f32::from_ne_bytes);
        if let Some(watcher) = watcher_there.get() {
            watcher.unpark();
        }
    };
    let stream = wait(connection.client.create_record_stream(params(&source, config, held), sink), PATIENCE)?;
    let asked = stream.clone();
    let running = Running::start(connection, clock, &watcher, health, move || {
        let said = wait(asked.timing_info(), PATIENCE)?;
        Ok(way(said.source_usec, said.write_offset - said.read_offset, asked.sample_spec()))
    })?;
    wait(stream.uncork(), PATIENCE)?;
    wait(stream.started(), START_MAX)?;
    Ok(Playing { block: frames_of(stream.buffer_attr().fragment_size, config), stream: Box::new(running) })
}

fn params(source: &SourceInfo, config: StreamConfig, held: bool) -> RecordStreamParams {
    let block = block_bytes(config);
    let mut props = Props::new();
    props.set(Prop::MediaName, c"microphone");
    if held {
        // What PipeWire calls it.
        props.set_bytes(c"node.dont-reconnect", c"true".to_bytes_with_nul());
    }
    RecordStreamParams {
        sample_spec: spec_of(config),
        channel_map: if config.channels == 1 { ChannelMap::mono() } else { source.channel_map },
        source_index: Some(source.index),
        buffer_attr: match block {
            Some(block) => BufferAttr { max_length: block, fragment_size: block, ..BufferAttr::default() },
            None => BufferAttr::default(),
        },
        flags: StreamFlags {
            start_corked: true,
            adjust_latency: block.is_some(),
            no_move: held,
            no_remap_channels: config.channels > 1,
            ..StreamFlags::default()
        },
        props,
        ..RecordStreamParams::default()
    }
}
