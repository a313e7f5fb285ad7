//! cpal's sample formats to and from f32, and its time stamps to `Instant`s. Runs in cpal's callbacks: allocates only when built.

use std::sync::Arc;
use std::time::{Duration, Instant};

use cpal::traits::DeviceTrait;
use cpal::{Device, Error, ErrorKind, FromSample, I24, SampleFormat, SizedSample, Stream, StreamConfig, U24};

use super::super::{BlockTime, Channels, Health, InputCallback, OutputCallback};
use super::{PATIENCE, note_error};
use crate::os::priority;

/// Frames converted at once; longer blocks are cut.
const PIECE_FRAMES: usize = 512;
/// A larger delay is a driver's mistake.
const DELAY_MAX: Duration = Duration::from_secs(2);
/// Largest f32 below 1: what would wrap in an integer format is cut here.
const FULL_SCALE: f32 = 1.0 - f32::EPSILON / 2.0;

pub(super) fn build_input(
    device: &Device,
    config: StreamConfig,
    format: SampleFormat,
    chosen: &Channels,
    callback: InputCallback,
    health: Arc<Health>,
) -> Result<Stream, Error> {
    let callback = of_chosen(config.channels, chosen, callback);
    match format {
        SampleFormat::I8 => input::<i8>(device, config, callback, health),
        SampleFormat::I16 => input::<i16>(device, config, callback, health),
        SampleFormat::I24 => input::<I24>(device, config, callback, health),
        SampleFormat::I32 => input::<i32>(device, config, callback, health),
        SampleFormat::I64 => input::<i64>(device, config, callback, health),
        SampleFormat::U8 => input::<u8>(device, config, callback, health),
        SampleFormat::U16 => input::<u16>(device, config, callback, health),
        SampleFormat::U24 => input::<U24>(device, config, callback, health),
        SampleFormat::U32 => input::<u32>(device, config, callback, health),
        SampleFormat::U64 => input::<u64>(device, config, callback, health),
        SampleFormat::F32 => input::<f32>(device, config, callback, health),
        SampleFormat::F64 => input::<f64>(device, config, callback, health),
        _ => Err(Error::new(ErrorKind::UnsupportedConfig)),
    }
}

pub(super) fn build_output(
    device: &Device,
    config: StreamConfig,
    format: SampleFormat,
    chosen: &Channels,
    callback: OutputCallback,
    health: Arc<Health>,
) -> Result<Stream, Error> {
    let callback = on_chosen(config.channels, chosen, callback);
    match format {
        SampleFormat::I8 => output::<i8>(device, config, callback, health),
        SampleFormat::I16 => output::<i16>(device, config, callback, health),
        SampleFormat::I24 => output::<I24>(device, config, callback, health),
        SampleFormat::I32 => output::<i32>(device, config, callback, health),
        SampleFormat::I64 => output::<i64>(device, config, callback, health),
        SampleFormat::U8 => output::<u8>(device, config, callback, health),
        SampleFormat::U16 => output::<u16>(device, config, callback, health),
        SampleFormat::U24 => output::<U24>(device, config, callback, health),
        SampleFormat::U32 => output::<u32>(device, config, callback, health),
        SampleFormat::U64 => output::<u64>(device, config, callback, health),
        SampleFormat::F32 => output::<f32>(device, config, callback, health),
        SampleFormat::F64 => output::<f64>(device, config, callback, health),
        _ => Err(Error::new(ErrorKind::UnsupportedConfig)),
    }
}

/// What the chosen channels say reaches `callback`, as mono; with none chosen, all that there are.
pub(super) fn of_chosen(channels: u16, chosen: &Channels, callback: InputCallback) -> InputCallback {
    if chosen.are_all() { callback } else { gathered(usize::from(channels), chosen.clone(), callback) }
}

/// Gives `callback` the mean of the chosen channels alone: mono.
fn gathered(channels: usize, chosen: Channels, mut callback: InputCallback) -> InputCallback {
    let mut mono = vec![0f32; PIECE_FRAMES];
    Box::new(move |samples, time| {
        let frames = samples.len() / channels;
        // No piece is longer, see `Intake`.
        for (to, frame) in mono.iter_mut().zip(samples.chunks_exact(channels)) {
            *to = chosen.gather(frame);
        }
        callback(&mono[..frames.min(PIECE_FRAMES)], time);
    })
}

/// What `callback` says, as mono, reaches the chosen channels; with none chosen, all that there are.
pub(super) fn on_chosen(channels: u16, chosen: &Channels, callback: OutputCallback) -> OutputCallback {
    if chosen.are_all() { callback } else { spread(usize::from(channels), chosen.clone(), callback) }
}

/// Puts the mono that `callback` fills on the chosen channels alone.
fn spread(channels: usize, chosen: Channels, mut callback: OutputCallback) -> OutputCallback {
    let mut mono = vec![0f32; PIECE_FRAMES];
    Box::new(move |samples, time| {
        let frames = (samples.len() / channels).min(PIECE_FRAMES);
        callback(&mut mono[..frames], time);
        for (sample, frame) in mono.iter().zip(samples.chunks_exact_mut(channels)) {
            chosen.spread(*sample, frame);
        }
    })
}

/// A callback's beats; at the first one it raises its thread.
#[derive(Default)]
struct Rhythm {
    last: Option<Instant>,
}

impl Rhythm {
    /// The time since the beat before this one, at `now`; none before the first.
    fn beat(&mut self, now: Instant, health: &Health) -> Duration {
        let last = self.last.replace(now);
        if last.is_none() {
            let kept = health.is_kept_ordinary();
            if let Some(raised) = priority::raise_at_first_block(!kept) {
                health.tell_realtime_denied(!raised && !kept);
            }
        }
        last.map_or(Duration::ZERO, |last| now.saturating_duration_since(last))
    }
}

/// What a stream's thread does with its blocks: in pieces of floats, each with its time, for the callback.
pub(super) struct Pieces<C> {
    channels: usize,
    rate: u32,
    scratch: Vec<f32>,
    callback: C,
    health: Arc<Health>,
    rhythm: Rhythm,
}

/// Of a microphone, which are made floats; of a loudspeaker, which are filled with them.
pub(super) type Intake = Pieces<InputCallback>;
pub(super) type Outlet = Pieces<OutputCallback>;

impl<C> Pieces<C> {
    pub(super) fn new(channels: u16, rate: u32, callback: C, health: Arc<Health>) -> Self {
        let channels = usize::from(channels.max(1));
        Self { channels, rate, scratch: vec![0f32; PIECE_FRAMES * channels], callback, health, rhythm: Rhythm::default() }
    }

    /// A block begins: now, and the time since the one before.
    fn beat(&mut self) -> (Instant, Duration) {
        self.health.beat();
        let now = Instant::now();
        (now, self.rhythm.beat(now, &self.health))
    }
}

impl Intake {
    /// `delay`: how old the first of the interleaved `samples` is.
    pub(super) fn take<T: Copy>(&mut self, samples: &[T], delay: Duration, heard: impl Fn(T) -> f32) {
        let (now, gap) = self.beat();
        // No sample of the block can be younger than the block is long, whatever the driver says.
        let block = frames(samples.len() / self.channels, self.rate);
        let mut at = now.checked_sub(delay.clamp(block.min(DELAY_MAX), DELAY_MAX)).unwrap_or(now);
        let mut sounded = false;
        for piece in samples.chunks(self.scratch.len()) {
            for (to, from) in self.scratch.iter_mut().zip(piece) {
                *to = heard(*from);
                sounded |= *to != 0.0;
            }
            (self.callback)(&self.scratch[..piece.len()], BlockTime { now, at });
            at += frames(piece.len() / self.channels, self.rate);
        }
        self.health.carry(samples.len() / self.channels, sounded, gap);
    }
}

fn input<T: SizedSample>(device: &Device, config: StreamConfig, callback: InputCallback, health: Arc<Health>) -> Result<Stream, Error>
where
    f32: FromSample<T>,
{
    let mut intake = Intake::new(config.channels, config.sample_rate, callback, health.clone());
    let data = move |samples: &[T], info: &cpal::InputCallbackInfo| {
        let stamp = info.timestamp();
        intake.take(samples, stamp.callback.saturating_duration_since(stamp.capture), heard);
    };
    device.build_input_stream(config, data, move |error| note_error(&health, &error), Some(PATIENCE))
}

impl Outlet {
    /// `delay`: until the first of the interleaved `samples` is heard.
    pub(super) fn fill<T>(&mut self, samples: &mut [T], delay: Duration, played: impl Fn(f32) -> T) {
        let (now, gap) = self.beat();
        let mut at = now + delay.min(DELAY_MAX);
        for piece in samples.chunks_mut(self.scratch.len()) {
            let block = &mut self.scratch[..piece.len()];
            (self.callback)(block, BlockTime { now, at });
            for (to, from) in piece.iter_mut().zip(block) {
                *to = played(*from);
            }
            at += frames(piece.len() / self.channels, self.rate);
        }
        self.health.carry(samples.len() / self.channels, true, gap);
    }
}

fn output<T: SizedSample + FromSample<f32>>(
    device: &Device,
    config: StreamConfig,
    callback: OutputCallback,
    health: Arc<Health>,
) -> Result<Stream, Error> {
    let mut outlet = Outlet::new(config.channels, config.sample_rate, callback, health.clone());
    let data = move |samples: &mut [T], info: &cpal::OutputCallbackInfo| {
        let stamp = info.timestamp();
        outlet.fill(samples, stamp.playback.saturating_duration_since(stamp.callback), played);
    };
    device.build_output_stream(config, data, move |error| note_error(&health, &error), Some(PATIENCE))
}

fn heard<T>(sample: T) -> f32
where
    f32: FromSample<T>,
{
    f32::from_sample_(sample)
}

/// Nothing wraps, however loud.
fn played<T: FromSample<f32>>(sample: f32) -> T {
    T::from_sample_(sample.clamp(-1.0, FULL_SCALE))
}

fn frames(count: usize, rate: u32) -> Duration {
    Duration::from_nanos(count as u64 * 1_000_000_000 / u64::from(rate.max(1)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;

    /// To a device and back; a step is the format's own, or a float's.
    fn there_and_back<T: SizedSample + FromSample<f32> + PartialEq>(bits: i32)
    where
        f32: FromSample<T>,
    {
        let step = 2f32.powi(1 - bits.min(24));
        for sample in [-1.0, -0.7, -0.25, -0.001, 0.0, 0.001, 0.25, 0.5, 0.7, 0.99] {
            let back = heard(played::<T>(sample));
            assert!((back - sample).abs() <= step, "{}: {sample} came back as {back}", T::FORMAT);
        }
        assert_eq!(heard(played::<T>(0.0)), 0.0, "{}: silence is silence", T::FORMAT);
        assert!(played::<T>(0.0) == T::EQUILIBRIUM, "{}", T::FORMAT);
        for loud in [1.0, 1.5, 40.0, f32::INFINITY] {
            assert!(heard(played::<T>(loud)) > 0.98, "{}: {loud} does not wrap", T::FORMAT);
            assert!(heard(played::<T>(-loud)) < -0.98, "{}: -{loud} does not wrap", T::FORMAT);
        }
    }

    #[test]
    fn every_sample_format_carries_sound_both_ways() {
        there_and_back::<i8>(8);
        there_and_back::<i16>(16);
        there_and_back::<I24>(24);
        there_and_back::<i32>(32);
        there_and_back::<i64>(64);
        there_and_back::<u8>(8);
        there_and_back::<u16>(16);
        there_and_back::<U24>(24);
        there_and_back::<u32>(32);
        there_and_back::<u64>(64);
        there_and_back::<f32>(24);
        there_and_back::<f64>(24);
    }

    #[test]
    fn a_chosen_channel_reaches_us_alone_and_ours_reaches_it_alone() {
        let (_, second) = Channels::split("card#2");
        let now = Instant::now();
        let time = BlockTime { now, at: now };
        let (sender, heard) = channel();
        let mut ear = gathered(3, second.clone(), Box::new(move |samples, _| sender.send(samples.to_vec()).expect("heard")));
        ear(&[1.0, 0.5, 1.0, 1.0, 0.25, 1.0], time);
        assert_eq!(heard.recv(), Ok(vec![0.5, 0.25]));
        let mut mouth = spread(3, second, Box::new(|samples, _| samples.fill(0.75)));
        let mut block = [9.0; 6];
        mouth(&mut block, time);
        assert_eq!(block, [0.0, 0.75, 0.0, 0.0, 0.75, 0.0]);
    }
}
