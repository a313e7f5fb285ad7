//! The microphone's way: from a device's block to 48 kHz mono in the sender's ring, metered. The writer runs in the capture callback.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, OnceLock};
use std::thread::Thread;
use std::time::{Duration, Instant};

use rtrb::{Consumer, Producer, RingBuffer};

use super::seat::Seat;
use crate::audio::Frame;
use crate::audio::meter::CLIP;
use crate::audio::resample::{RateError, Resampler};
use crate::engine::Meters;
use crate::engine::wave::{Column, Mark};
use crate::os::sound::{BlockTime, InputCallback, StreamFormat};
use crate::units::{FRAME_SAMPLES, SAMPLE_RATE, duration_of};

/// Samples that may wait for the sender: 200 ms. It takes them once a frame; what finds no room is lost and counted.
const RING_SAMPLES: usize = SAMPLE_RATE as usize / 5;
/// Samples between two time stamps.
const ANCHOR_SAMPLES: u64 = FRAME_SAMPLES as u64 / 2;
const ANCHORS: usize = 64;
/// Weight of the newest block in the shown delay.
const SMOOTHING: f32 = 1.0 / 16.0;

/// Sample number `index` of the ring was in the air at `at`. `start`: it follows a gap.
#[derive(Clone, Copy, Debug)]
struct Anchor {
    index: u64,
    at: Instant,
    start: bool,
}

/// The capture callback's end of the microphone's ring. Survives its stream.
#[derive(Debug)]
pub struct MicWriter {
    samples: Producer<f32>,
    anchors: Producer<Anchor>,
    reader: Arc<OnceLock<Thread>>,
    meters: Arc<Meters>,
    written: u64,
    /// The last anchor's sample; `None`: the next sample follows a gap.
    anchored: Option<u64>,
    column: Column,
    column_samples: usize,
    clipped: bool,
    delay_ms: Option<f32>,
}

/// The sender's end of the microphone's ring.
#[derive(Debug)]
pub struct MicReader {
    samples: Consumer<f32>,
    anchors: Consumer<Anchor>,
    reader: Arc<OnceLock<Thread>>,
    read: u64,
    anchor: Option<Anchor>,
}

/// The ring between the capture callback and the sender.
#[must_use]
pub fn mic_ring(meters: Arc<Meters>) -> (MicWriter, MicReader) {
    let (samples, samples_out) = RingBuffer::new(RING_SAMPLES);
    let (anchors, anchors_out) = RingBuffer::new(ANCHORS);
    let reader = Arc::new(OnceLock::new());
    let writer = MicWriter {
        samples,
        anchors,
        reader: reader.clone(),
        meters,
        written: 0,
        anchored: None,
        column: Column::default(),
        column_samples: 0,
        clipped: false,
        delay_ms: None,
    };
    (writer, MicReader { samples: samples_out, anchors: anchors_out, reader, read: 0, anchor: None })
}

impl MicReader {
    /// The next frame and when its first sample was in the air; `None`: not yet whole. The thread that polls first
    /// is the one that is unparked from then on, once a frame.
    pub fn poll_frame(&mut self, frame: &mut Frame) -> Option<Instant> {
        self.reader.get_or_init(std::thread::current);
        // Counted before the anchors are looked at: whoever sees samples after a gap then sees the gap's anchor too.
        let whole = self.samples.slots() >= FRAME_SAMPLES;
        while let Some(anchor) = self.anchors.peek().ok().copied().filter(|anchor| anchor.index < self.read + FRAME_SAMPLES as u64) {
            let stale = anchor.index.saturating_sub(self.read);
            if anchor.start && stale > 0 {
                // The rest of what was said before a gap is no part of what follows it.
                self.samples.read_chunk(stale as usize).ok()?.commit_all();
                self.read = anchor.index;
                return self.poll_frame(frame);
            }
            let _ = self.anchors.pop();
            self.anchor = Some(anchor);
        }
        if !whole {
            return None;
        }
        let anchor = self.anchor?;
        self.samples.pop_entire_slice(frame).ok()?;
        let (since, until) = (self.read.saturating_sub(anchor.index), anchor.index.saturating_sub(self.read));
        self.read += FRAME_SAMPLES as u64;
        Some((anchor.at + duration_of(since)).checked_sub(duration_of(until)).unwrap_or(anchor.at))
    }
}

impl MicWriter {
    /// A new stream begins, or the old one lost time.
    pub(super) fn mark_gap(&mut self) {
        self.anchored = None;
        self.delay_ms = None;
    }

    /// The next samples' first one was in the air at `at`.
    fn stamp(&mut self, at: Instant) {
        let due = self.anchored.is_none_or(|anchored| self.written >= anchored + ANCHOR_SAMPLES);
        let anchor = Anchor { index: self.written, at, start: self.anchored.is_none() };
        if due && self.anchors.push(anchor).is_ok() {
            self.anchored = Some(self.written);
        }
    }

    /// Appends 48 kHz mono samples and meters them.
    fn write(&mut self, samples: &[f32]) {
        let (_, lost) = self.samples.push_partial_slice(samples);
        if !lost.is_empty() {
            self.meters.mic.overruns.add(lost.len() as u64);
        }
        self.written += (samples.len() - lost.len()) as u64;
        let mut peak = 0f32;
        for sample in samples {
            peak = peak.max(sample.abs());
            self.column.min = self.column.min.min(*sample);
            self.column.max = self.column.max.max(*sample);
            self.clipped |= sample.abs() >= CLIP;
            self.column_samples += 1;
            if self.column_samples == FRAME_SAMPLES {
                self.end_column();
            }
        }
        self.meters.mic.peak.push(peak);
    }

    fn end_column(&mut self) {
        let on_air = self.meters.mic.on_air.load(Relaxed);
        let mark = if on_air { Mark::Played } else { Mark::Idle };
        self.meters.mic.wave.push(Column { mark, ..self.column });
        self.meters.mic.clipped.add(u64::from(self.clipped));
        (self.column, self.column_samples, self.clipped) = (Column::default(), 0, false);
    }

    fn wake_reader(&self) {
        if RING_SAMPLES - self.samples.slots() >= FRAME_SAMPLES
            && let Some(reader) = self.reader.get()
        {
            reader.unpark();
        }
    }

    /// From the air to here for the youngest sample: the frame that it completes waits for nothing else. A block that
    /// does not divide a frame adds half of itself on average.
    fn show_delay(&mut self, frames: usize, rate: u32, time: BlockTime) {
        let block_ms = frames as f32 * 1e3 / rate as f32;
        let oldest_ms = time.now.saturating_duration_since(time.at).as_secs_f32() * 1e3;
        let block = (frames as u64 * u64::from(SAMPLE_RATE)).max(1);
        let uneven = !(FRAME_SAMPLES as u64 * u64::from(rate)).is_multiple_of(block);
        let delay_ms = (oldest_ms - block_ms).max(0.0) + if uneven { block_ms.min(10.0) / 2.0 } else { 0.0 };
        let shown = self.delay_ms.map_or(delay_ms, |shown| shown + (delay_ms - shown) * SMOOTHING);
        self.delay_ms = Some(shown);
        self.meters.mic.capture_delay_ms.set(shown);
    }
}

/// Frames converted at once.
const PIECE: usize = 512;

/// The capture callback: any block size, any rate and channels, into whoever sits in `seat`.
///
/// # Errors
/// A rate that cannot be converted.
pub(super) fn callback(seat: Arc<Seat<MicWriter>>, format: StreamFormat) -> Result<InputCallback, RateError> {
    let mut resampler = Resampler::new(format.rate, SAMPLE_RATE)?;
    let held_back = Duration::from_secs_f64(resampler.delay_samples() as f64 / f64::from(SAMPLE_RATE));
    let channels = usize::from(format.channels.max(1));
    let mut mono = vec![0f32; PIECE];
    Ok(Box::new(move |samples, time| {
        let mut at = time.at;
        seat.with(|writer| {
            writer.show_delay(samples.len() / channels, format.rate, time);
            for piece in samples.chunks(PIECE * channels) {
                let frames = piece.len() / channels;
                writer.stamp(at.checked_sub(held_back).unwrap_or(at));
                to_mono(piece, channels, &mut mono);
                resampler.process(&mono[..frames], &mut |samples| writer.write(samples));
                at += Duration::from_nanos(frames as u64 * 1_000_000_000 / u64::from(format.rate));
            }
            writer.wake_reader();
        });
    }))
}

/// The mean of all channels.
fn to_mono(interleaved: &[f32], channels: usize, mono: &mut [f32]) {
    let share = 1.0 / channels as f32;
    for (to, frame) in mono.iter_mut().zip(interleaved.chunks_exact(channels)) {
        *to = frame.iter().sum::<f32>() * share;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn setup(format: StreamFormat) -> (Arc<Meters>, Arc<Seat<MicWriter>>, MicReader, InputCallback) {
        let meters = Arc::new(Meters::default());
        let (writer, reader) = mic_ring(meters.clone());
        let seat = Arc::new(Seat::default());
        seat.seat(Box::new(writer));
        let callback = callback(seat.clone(), format).expect("a rate of sound cards");
        (meters, seat, reader, callback)
    }

    #[test]
    fn any_block_size_gives_the_same_frames_with_true_times() {
        let start = Instant::now();
        for block in [1usize, 7, 24, 240, 480, 1_000, 4_096] {
            let (meters, _seat, mut reader, mut callback) = setup(StreamFormat { rate: 48_000, channels: 2 });
            let (mut frame, mut n, mut frames) = ([0.0; FRAME_SAMPLES], 0usize, 0u64);
            while n < 24_000 {
                let samples: Vec<f32> = (n..n + block).flat_map(|n| [n as f32 / 1e5, n as f32 / 1e5]).collect();
                let at = start + Duration::from_nanos(n as u64 * 1_000_000_000 / 48_000);
                callback(&samples, BlockTime { now: at, at });
                n += block;
                while let Some(captured) = reader.poll_frame(&mut frame) {
                    assert_eq!(frame[3], (frames * 480 + 3) as f32 / 1e5, "block {block}");
                    let expected = start + Duration::from_millis(frames * 10);
                    let error = captured.max(expected) - captured.min(expected);
                    assert!(error < Duration::from_micros(100), "block {block}: {error:?}");
                    frames += 1;
                }
            }
            assert_eq!(frames, n as u64 / 480, "block {block}");
            assert_eq!(meters.mic.wave.written(), n as u64 / 480);
        }
    }

    #[test]
    fn another_rate_arrives_as_48_khz_with_its_level() {
        let (meters, _seat, mut reader, mut callback) = setup(StreamFormat { rate: 44_100, channels: 1 });
        let (mut frame, mut frames) = ([0.0; FRAME_SAMPLES], 0);
        for block in 0..100u32 {
            let samples: Vec<f32> = (0..441).map(|n| ((block * 441 + n) as f32 * 0.1).sin() * 0.5).collect();
            let now = Instant::now();
            callback(&samples, BlockTime { now, at: now });
            while reader.poll_frame(&mut frame).is_some() {
                frames += 1;
            }
        }
        assert!((98..=100).contains(&frames), "{frames}");
        assert!((meters.mic.peak.take().0 + 6.02).abs() < 0.3);
    }

    #[test]
    fn what_was_said_before_a_gap_is_no_part_of_what_follows() {
        let (_, seat, mut reader, mut callback) = setup(StreamFormat { rate: 48_000, channels: 1 });
        let now = Instant::now();
        let mut frame = [0.0; FRAME_SAMPLES];
        callback(&[0.1; 700], BlockTime { now, at: now });
        assert!(reader.poll_frame(&mut frame).is_some());
        let mut writer = seat.take().expect("seated");
        writer.mark_gap();
        seat.seat(writer);
        let later = now + Duration::from_secs(5);
        callback(&[0.2; 480], BlockTime { now: later, at: later });
        assert_eq!(reader.poll_frame(&mut frame), Some(later));
        assert!(frame.iter().all(|sample| *sample == 0.2));
    }

    #[test]
    fn a_sender_that_sleeps_costs_samples_and_nothing_else() {
        let (meters, _seat, mut reader, mut callback) = setup(StreamFormat { rate: 48_000, channels: 1 });
        let now = Instant::now();
        for _ in 0..100 {
            callback(&[1.0; 480], BlockTime { now, at: now });
        }
        assert_eq!(meters.mic.overruns.get(), 48_000 - RING_SAMPLES as u64);
        assert_eq!(meters.mic.clipped.get(), 100);
        let mut frame = [0.0; FRAME_SAMPLES];
        let frames = std::iter::from_fn(|| reader.poll_frame(&mut frame)).count();
        assert_eq!(frames, RING_SAMPLES / FRAME_SAMPLES);
    }

    #[test]
    fn the_reader_is_woken_once_a_frame_is_whole() {
        let (_, _seat, mut reader, mut callback) = setup(StreamFormat { rate: 48_000, channels: 1 });
        let thread = std::thread::spawn(move || {
            let mut frame = [0.0; FRAME_SAMPLES];
            let end = Instant::now() + Duration::from_secs(20);
            while reader.poll_frame(&mut frame).is_none() && Instant::now() < end {
                std::thread::park_timeout(Duration::from_secs(30));
            }
            Instant::now() < end
        });
        let now = Instant::now();
        while !thread.is_finished() && now.elapsed() < Duration::from_secs(25) {
            callback(&[0.0; 240], BlockTime { now, at: now });
            std::thread::sleep(Duration::from_millis(1));
        }
        assert!(thread.join().expect("no panic"));
    }
}
