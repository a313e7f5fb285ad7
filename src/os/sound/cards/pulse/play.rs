//! A loudspeaker some of whose channels are chosen: all of them are opened, and each is the card's own.

use std::sync::{Arc, OnceLock};
use std::thread::Thread;
use std::time::Instant;

use cpal::{Device, Error, StreamConfig};
use pulseaudio::AsPlaybackSource;
use pulseaudio::protocol::stream::{BufferAttr, StreamFlags};
use pulseaudio::protocol::{PlaybackStreamParams, Prop, Props, SinkInfo};

use super::super::super::{Health, OutputCallback};
use super::super::convert::Outlet;
use super::super::{PATIENCE, Playing};
use super::{Clock, Connection, Running, block_bytes, frames_of, name_of, spec_of, wait, way};

/// Opens `device` with `config`, which has all of its channels, as floats, and starts it.
pub(in super::super) fn play_output(
    device: &Device,
    config: StreamConfig,
    callback: OutputCallback,
    health: Arc<Health>,
) -> Result<Playing, Error> {
    let connection = Connection::open()?;
    let sink = wait(connection.client.sink_info_by_name(name_of(device)?), PATIENCE)?;
    let (clock, watcher) = (Arc::new(Clock::new()), Arc::new(OnceLock::<Thread>::new()));
    let mut outlet = Outlet::new(config.channels, config.sample_rate, callback, health.clone());
    let (clock_there, watcher_there) = (clock.clone(), watcher.clone());
    let source = move |bytes: &mut [u8]| {
        let (samples, rest) = bytes.as_chunks_mut::<4>();
        outlet.fill(samples, clock_there.delay_out(Instant::now()), f32::to_ne_bytes);
        rest.fill(0);
        if let Some(watcher) = watcher_there.get() {
            watcher.unpark();
        }
        bytes.len()
    };
    let stream = wait(connection.client.create_playback_stream(params(&sink, config), source.as_playback_source()), PATIENCE)?;
    let asked = stream.clone();
    let running = Running::start(connection, clock, &watcher, health, move || {
        let said = wait(asked.timing_info(), PATIENCE)?;
        Ok(way(said.sink_usec, said.write_offset - said.read_offset, asked.sample_spec()))
    })?;
    wait(stream.uncork(), PATIENCE)?;
    Ok(Playing { block: frames_of(stream.buffer_attr().minimum_request_length, config), stream: Box::new(running) })
}

/// As cpal asks for them: the server holds two blocks, and asks for one at a time.
fn params(sink: &SinkInfo, config: StreamConfig) -> PlaybackStreamParams {
    let block = block_bytes(config);
    let mut props = Props::new();
    props.set(Prop::MediaName, c"voices");
    PlaybackStreamParams {
        sample_spec: spec_of(config),
        channel_map: sink.channel_map,
        sink_index: Some(sink.index),
        buffer_attr: match block {
            Some(block) => {
                let two = block.saturating_mul(2);
                BufferAttr { max_length: two, target_length: two, minimum_request_length: block, ..BufferAttr::default() }
            }
            None => BufferAttr::default(),
        },
        flags: StreamFlags { start_corked: true, adjust_latency: block.is_some(), no_remap_channels: true, ..StreamFlags::default() },
        props,
        ..PlaybackStreamParams::default()
    }
}
