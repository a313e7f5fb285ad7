//! A recorder's tap: samples leave an audio thread by ring and reach the disk thread, in their true places.
//!
//! ```text
//! sender, playback: TapWriter::write / skip --samples, marks--> TapReader::poll: Samples(n) | Silence(n) --> disk
//! ```
//!
//! The writer waits for nobody. What finds no room is counted, and the reader sees silence of that length, so a file
//! stays aligned in time. A tap that nobody reads costs its writer two atomic accesses.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use rtrb::{Consumer, Producer, RingBuffer};

use crate::units::SAMPLE_RATE;

/// Samples a tap holds: 2 s. The memory is touched only while a recording runs.
pub const TAP_SAMPLES: usize = 2 * SAMPLE_RATE as usize;
/// Jumps in position that may wait in the ring. A write that finds no room for its mark is a gap.
const MARKS: usize = 256;

#[derive(Debug, Default)]
struct Shared {
    /// 0: nobody reads. Else the number of the recording that reads.
    epoch: AtomicU64,
    /// Samples that passed the tap since it was made: written, skipped or dropped.
    passed: AtomicU64,
    dropped: AtomicU64,
}

/// "The sample with number `at` in the ring stands at `position`."
#[derive(Clone, Copy, Debug)]
struct Mark {
    at: u64,
    position: u64,
    epoch: u64,
}

/// The audio thread's end. Allocates nothing, waits for nobody.
#[derive(Debug)]
pub struct TapWriter {
    shared: Arc<Shared>,
    samples: Producer<f32>,
    marks: Producer<Mark>,
    /// Samples put into the ring so far.
    written: u64,
    position: u64,
    /// Where the reader believes that the next sample stands, and in which recording.
    announced: (u64, u64),
}

/// The disk thread's end.
#[derive(Debug)]
pub struct TapReader {
    shared: Arc<Shared>,
    samples: Consumer<f32>,
    marks: Consumer<Mark>,
    read: u64,
    /// Position of the next sample to be handed out.
    expected: u64,
    epoch: u64,
    /// A mark of this recording was seen: what follows belongs to it.
    live: bool,
}

/// What the reader finds next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Span {
    /// That many samples now stand at the start of the buffer.
    Samples(usize),
    /// Nothing for that many samples: not on air, or the ring was full.
    Silence(u64),
}

/// Both ends of a tap that holds `capacity` samples (48 kHz mono); [`TAP_SAMPLES`] is the usual.
#[must_use]
pub fn tap(capacity: usize) -> (TapWriter, TapReader) {
    let shared = Arc::new(Shared::default());
    let (samples_in, samples_out) = RingBuffer::new(capacity);
    let (marks_in, marks_out) = RingBuffer::new(MARKS);
    let writer =
        TapWriter { shared: Arc::clone(&shared), samples: samples_in, marks: marks_in, written: 0, position: 0, announced: (0, 0) };
    let reader = TapReader { shared, samples: samples_out, marks: marks_out, read: 0, expected: 0, epoch: 0, live: false };
    (writer, reader)
}

impl TapWriter {
    /// The next samples of the stream. Any length.
    pub fn write(&mut self, samples: &[f32]) {
        let epoch = self.shared.epoch.load(Relaxed);
        if epoch != 0 && !self.try_write(samples, epoch) {
            self.shared.dropped.fetch_add(samples.len() as u64, Relaxed);
        }
        self.skip(samples.len() as u64);
    }

    /// Time passed without anything to record: the reader sees silence.
    pub fn skip(&mut self, samples: u64) {
        self.position += samples;
        self.shared.passed.store(self.position, Relaxed);
    }

    /// All or nothing. The mark goes first: whoever sees the samples (acquired from the ring) sees it too.
    fn try_write(&mut self, samples: &[f32], epoch: u64) -> bool {
        if self.samples.slots() < samples.len() {
            return false;
        }
        if self.announced != (self.position, epoch) {
            let mark = Mark { at: self.written, position: self.position, epoch };
            if self.marks.push(mark).is_err() {
                return false;
            }
        }
        let fitted = self.samples.push_entire_slice(samples).is_ok();
        debug_assert!(fitted, "slots were counted above, and only this end fills them");
        self.written += samples.len() as u64;
        self.announced = (self.position + samples.len() as u64, epoch);
        true
    }
}

impl TapReader {
    /// A recording begins: from now on the tap fills, and the first span is measured from this moment.
    pub fn start(&mut self) {
        self.epoch += 1;
        self.live = false;
        self.rebase();
        self.shared.epoch.store(self.epoch, Relaxed);
    }

    /// The recording ended: the writer rests. What is still in the ring can be polled.
    pub fn stop(&mut self) {
        self.shared.epoch.store(0, Relaxed);
    }

    /// "This moment is where the writer stands now": for a reader that filled a long silence by the clock.
    pub fn rebase(&mut self) {
        self.expected = self.expected.max(self.shared.passed.load(Relaxed));
    }

    /// The next span, samples into `buffer`; `None`: nothing for now.
    pub fn poll(&mut self, buffer: &mut [f32]) -> Option<Span> {
        loop {
            // Counted before the marks are looked at: a mark is in its ring before its samples are in theirs.
            let waiting = self.samples.slots();
            let mark = self.marks.peek().ok().copied();
            if let Some(mark) = mark.filter(|mark| mark.at <= self.read) {
                let _ = self.marks.pop();
                if let Some(silence) = self.arrive(mark) {
                    return Some(Span::Silence(silence));
                }
                continue;
            }
            let until_mark = mark.map_or(usize::MAX, |mark| usize::try_from(mark.at - self.read).unwrap_or(usize::MAX));
            let count = waiting.min(until_mark).min(buffer.len());
            if count == 0 {
                return None;
            }
            let taken = self.samples.pop_entire_slice(&mut buffer[..count]).is_ok();
            debug_assert!(taken, "slots were counted above, and only this end empties them");
            self.read += count as u64;
            if self.live {
                self.expected += count as u64;
                return Some(Span::Samples(count));
            }
        }
    }

    /// Moves to a mark; the silence before it, if any. Marks of an earlier recording end what is live.
    fn arrive(&mut self, mark: Mark) -> Option<u64> {
        self.live = mark.epoch == self.epoch;
        let silence = mark.position.saturating_sub(self.expected);
        if !self.live || silence == 0 {
            return None;
        }
        self.expected += silence;
        Some(silence)
    }

    /// Samples that found no room, since the tap was made.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.shared.dropped.load(Relaxed)
    }

    /// Samples in the ring, those of an earlier recording included.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.samples.slots()
    }

    /// The writer is gone.
    #[must_use]
    pub fn is_abandoned(&self) -> bool {
        self.samples.is_abandoned()
    }

    /// The writer is gone, and all it wrote was read.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.samples.is_abandoned() && self.samples.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Everything that can be polled now; silence as zeros.
    fn drain(reader: &mut TapReader) -> Vec<f32> {
        let (mut all, mut buffer) = (Vec::new(), [0.0; 64]);
        while let Some(span) = reader.poll(&mut buffer) {
            match span {
                Span::Samples(n) => all.extend_from_slice(&buffer[..n]),
                Span::Silence(n) => all.extend(std::iter::repeat_n(0.0, n as usize)),
            }
        }
        all
    }

    #[test]
    fn nothing_is_kept_before_the_start_and_all_of_it_after() {
        let (mut writer, mut reader) = tap(1_000);
        writer.write(&[0.9; 100]);
        assert_eq!(reader.poll(&mut [0.0; 8]), None);
        reader.start();
        writer.write(&[0.1; 100]);
        writer.write(&[0.2; 3]);
        let all = drain(&mut reader);
        assert_eq!((all.len(), all[0], all[102]), (103, 0.1, 0.2));
    }

    #[test]
    fn what_found_no_room_is_silence_of_the_same_length() {
        let (mut writer, mut reader) = tap(150);
        reader.start();
        writer.write(&[0.1; 100]);
        writer.write(&[0.2; 100]);
        assert_eq!(drain(&mut reader), vec![0.1; 100]);
        writer.write(&[0.3; 50]);
        let all = drain(&mut reader);
        assert_eq!((all.len(), reader.dropped()), (150, 100));
        assert!(all[..100].iter().all(|s| *s == 0.0) && all[100..].iter().all(|s| *s == 0.3));
    }

    #[test]
    fn time_off_air_is_silence_and_a_second_recording_starts_afresh() {
        let (mut writer, mut reader) = tap(1_000);
        reader.start();
        writer.skip(480);
        writer.write(&[0.5; 10]);
        assert_eq!(drain(&mut reader).len(), 490);
        reader.stop();
        writer.write(&[0.6; 700]);
        reader.start();
        writer.skip(20);
        writer.write(&[0.7; 10]);
        let all = drain(&mut reader);
        assert_eq!((all.len(), all[19], all[20]), (30, 0.0, 0.7));
    }

    #[test]
    fn what_an_earlier_recording_left_in_the_ring_is_not_heard_in_the_next() {
        let (mut writer, mut reader) = tap(1_000);
        reader.start();
        writer.write(&[0.5; 10]);
        reader.stop();
        reader.start();
        writer.write(&[0.7; 10]);
        assert_eq!(drain(&mut reader), vec![0.7; 10]);
        assert!(!reader.is_over());
        drop(writer);
        assert!(reader.is_over());
    }

    #[test]
    fn a_reader_that_filled_a_silence_itself_does_not_hear_of_it_again() {
        let (mut writer, mut reader) = tap(1_000);
        reader.start();
        writer.skip(400);
        reader.rebase();
        writer.skip(5);
        writer.write(&[0.5; 10]);
        assert_eq!(drain(&mut reader).len(), 15);
    }

    #[test]
    fn samples_keep_their_order_between_two_threads() {
        let (mut writer, mut reader) = tap(4_800);
        reader.start();
        let audio = std::thread::spawn(move || {
            for block in 0..2_000u32 {
                let samples: Vec<f32> = (0..48).map(|n| (block * 48 + n + 1) as f32).collect();
                writer.write(&samples);
            }
        });
        let mut all = Vec::new();
        while !reader.is_over() {
            all.extend(drain(&mut reader));
        }
        audio.join().expect("the writer ends");
        all.extend(drain(&mut reader));
        assert!(all.iter().enumerate().all(|(n, s)| *s == 0.0 || *s == (n + 1) as f32), "every sample stands in its place");
    }
}
