//! The ear's way: from `Playback`'s 48 kHz mono to a device's block. Runs in the playback callback.

use std::sync::Arc;
use std::time::Instant;

use super::seat::Seat;
use crate::audio::resample::{Puller, RateError};
use crate::engine::Meters;
use crate::engine::playback::Playback;
use crate::os::sound::{BlockTime, OutputCallback, StreamFormat};
use crate::units::SAMPLE_RATE;

/// Frames made at once.
const PIECE: usize = 512;
/// Weight of the newest block in the shown delay.
const SMOOTHING: f32 = 1.0 / 16.0;

/// What a loudspeaker's callback pulls from; survives its stream.
pub trait Ear: Send + 'static {
    /// Fills any number of 48 kHz mono samples; `now` is the callback's time. Neither allocates nor waits.
    fn fill(&mut self, out: &mut [f32], now: Instant);
}

impl Ear for Playback {
    fn fill(&mut self, out: &mut [f32], now: Instant) {
        Self::fill(self, out, now);
    }
}

/// The playback callback: any block size, any rate and channels, out of whoever sits in `seat`; else silence.
///
/// # Errors
/// A rate that cannot be converted.
pub(super) fn callback<E: Ear>(seat: Arc<Seat<E>>, format: StreamFormat, meters: Arc<Meters>) -> Result<OutputCallback, RateError> {
    let mut puller = Puller::new(SAMPLE_RATE, format.rate)?;
    let held_back_ms = puller.delay_samples() as f32 * 1e3 / format.rate as f32;
    let channels = usize::from(format.channels.max(1));
    let mut mono = vec![0f32; PIECE];
    let mut shown_ms: Option<f32> = None;
    Ok(Box::new(move |out, time| {
        let heard = seat.with(|ear| {
            for piece in out.chunks_mut(PIECE * channels) {
                let samples = &mut mono[..piece.len() / channels];
                puller.pull(samples, &mut |wanted| ear.fill(wanted, time.now));
                for (frame, sample) in piece.chunks_exact_mut(channels).zip(samples.iter()) {
                    frame.fill(*sample);
                }
            }
        });
        if !heard {
            out.fill(0.0);
            return;
        }
        let frames = out.len() / channels;
        meters.out.block_samples.set(frames as f32 * SAMPLE_RATE as f32 / format.rate as f32);
        let delay_ms = delay_ms(frames, format.rate, time) + held_back_ms;
        let shown = shown_ms.map_or(delay_ms, |shown| shown + (delay_ms - shown) * SMOOTHING);
        shown_ms = Some(shown);
        meters.out.card_delay_ms.set(shown);
    }))
}

/// From here to the air for the sample in the middle of the block.
fn delay_ms(frames: usize, rate: u32, time: BlockTime) -> f32 {
    time.at.saturating_duration_since(time.now).as_secs_f32() * 1e3 + frames as f32 * 500.0 / rate as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    /// Counts its samples: sample n is n / 100,000.
    struct Counting(u32);

    impl Ear for Counting {
        fn fill(&mut self, out: &mut [f32], _: Instant) {
            for sample in out {
                *sample = self.0 as f32 / 1e5;
                self.0 += 1;
            }
        }
    }

    #[test]
    fn any_block_size_is_filled_without_a_gap() {
        let meters = Arc::new(Meters::default());
        let seat = Arc::new(Seat::default());
        let format = StreamFormat { rate: 48_000, channels: 2 };
        let mut callback = callback(seat.clone(), format, meters.clone()).expect("a rate of sound cards");
        let now = Instant::now();
        let time = BlockTime { now, at: now + Duration::from_millis(5) };
        let mut block = vec![1.0; 64];
        callback(&mut block, time);
        assert!(block.iter().all(|sample| *sample == 0.0), "nobody sits there yet");
        seat.seat(Box::new(Counting(0)));
        let mut expected = 0;
        for frames in [1usize, 2, 239, 240, 480, 511, 513, 4_096] {
            let mut block = vec![9.0; frames * 2];
            callback(&mut block, time);
            for frame in block.chunks(2) {
                assert_eq!(frame, [expected as f32 / 1e5; 2]);
                expected += 1;
            }
        }
        assert_eq!(meters.out.block_samples.get(), Some(4_096.0));
        assert!(meters.out.card_delay_ms.get().is_some_and(|ms| ms > 5.0));
    }

    #[test]
    fn another_rate_pulls_at_its_pace() {
        let seat = Arc::new(Seat::default());
        seat.seat(Box::new(Counting(0)));
        let format = StreamFormat { rate: 44_100, channels: 1 };
        let mut callback = callback(seat.clone(), format, Arc::new(Meters::default())).expect("a rate of sound cards");
        let now = Instant::now();
        for _ in 0..100 {
            callback(&mut [0.0; 441], BlockTime { now, at: now });
        }
        let pulled = seat.take().expect("seated").0;
        assert!(pulled.abs_diff(48_000) < 600, "{pulled}");
    }
}
