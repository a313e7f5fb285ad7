//! Which of a device's formats to take: 48 kHz, mono, floats, small blocks, or what comes nearest.

use std::cmp::Reverse;

use cpal::traits::DeviceTrait;
use cpal::{BufferSize, Device, SampleFormat, SupportedBufferSize, SupportedStreamConfigRange};

use super::super::{Channels, Direction, StreamFormat};
use super::PULSE;
use crate::audio::resample::{RATE_MAX, RATE_MIN};
use crate::units::SAMPLE_RATE;

/// More channels than any microphone has; bounds the scratch buffers.
pub(super) const CHANNELS_MAX: u16 = 64;

/// Blocks a second that most hosts are asked for: 5 ms each.
const PACE: u32 = 200;

pub(super) struct Choice {
    pub format: StreamFormat,
    pub sample: SampleFormat,
    limits: SupportedBufferSize,
    /// Blocks a second to wish for.
    pace: u32,
}

pub(super) enum Refusal {
    Nothing,
    /// Of the channels that are wanted it has only the first.
    Channels(u16),
    Error(cpal::Error),
}

impl Choice {
    /// The blocks to ask for, one after the other.
    pub(super) fn attempts(&self) -> impl Iterator<Item = BufferSize> + use<> {
        let mut sizes = block_sizes(self.wished(), self.format.rate, self.limits).to_vec();
        sizes.dedup();
        sizes.into_iter()
    }

    /// Frames a block.
    fn wished(&self) -> u32 {
        self.format.rate / self.pace
    }

    /// A sentence when the block is much longer than what was wished for.
    pub(super) fn remark(&self, got: BufferSize, block: Option<u32>, direction: Direction) -> Option<String> {
        let wished = self.wished();
        let noun = direction.noun();
        match (got, block) {
            (BufferSize::Default, None) => Some(format!("The {noun} takes no small blocks: expect a longer delay.")),
            (_, Some(block)) if block > wished + wished / 2 => {
                let ms = f64::from(block) * 1e3 / f64::from(self.format.rate);
                let wished = 1_000 / self.pace;
                Some(format!("The {noun} works in blocks of {ms:.0} ms instead of {wished}: expect a longer delay."))
            }
            _ => None,
        }
    }
}

/// The best of what `device` offers that has the `chosen` channels.
pub(super) fn choose(device: &Device, direction: Direction, chosen: &Channels) -> Result<Choice, Refusal> {
    let ranges: Vec<SupportedStreamConfigRange> = match direction {
        Direction::Input => device.supported_input_configs().map_err(Refusal::Error)?.collect(),
        Direction::Output => device.supported_output_configs().map_err(Refusal::Error)?.collect(),
    };
    let host = device.id().map(|id| id.host().to_string()).unwrap_or_default();
    let (pace, needed) = (wished_pace(&host), chosen.needed());
    // A number means nothing once a server has mixed the device's channels into fewer, or into more.
    let own = if chosen.are_all() { None } else { own_channels(device, direction) };
    if let Some(own) = own.filter(|own| host == PULSE && needed > *own) {
        return Err(Refusal::Channels(own));
    }
    let as_it_is = own.filter(|own| *own >= needed).and_then(|own| best(&ranges, own, own, pace));
    let most = ranges.iter().map(SupportedStreamConfigRange::channels).filter(|channels| *channels <= CHANNELS_MAX).max();
    as_it_is.or_else(|| best(&ranges, needed, CHANNELS_MAX, pace)).ok_or_else(|| most.map_or(Refusal::Nothing, Refusal::Channels))
}

/// Channels that the device has by itself.
fn own_channels(device: &Device, direction: Direction) -> Option<u16> {
    let config = match direction {
        Direction::Input => device.default_input_config(),
        Direction::Output => device.default_output_config(),
    };
    config.ok().map(|config| config.channels())
}

/// With `fewest` to `most` channels.
fn best(ranges: &[SupportedStreamConfigRange], fewest: u16, most: u16, pace: u32) -> Option<Choice> {
    ranges
        .iter()
        .filter(|range| (fewest..=most).contains(&range.channels()))
        .filter_map(|range| {
            let (low, high) = (range.min_sample_rate().max(RATE_MIN), range.max_sample_rate().min(RATE_MAX));
            let rate = (low <= high).then(|| SAMPLE_RATE.clamp(low, high))?;
            let quality = quality(range.sample_format())?;
            // Above 48 kHz costs a little time, below it costs sound.
            let distance = if rate >= SAMPLE_RATE { rate - SAMPLE_RATE } else { 2 * (SAMPLE_RATE - rate) };
            Some(((distance, range.channels(), Reverse(quality)), range, rate))
        })
        .min_by_key(|(key, ..)| *key)
        .map(|(_, range, rate)| Choice {
            format: StreamFormat { rate, channels: range.channels() },
            sample: range.sample_format(),
            limits: *range.buffer_size(),
            pace,
        })
}

/// Blocks a second to wish for. cpal lets a PulseAudio server hold two blocks, and cannot tell when those run out: with 5 ms a
/// computer that is late by 10 ms tears a hole that nobody counts.
fn wished_pace(host: &str) -> u32 {
    if host == PULSE { 100 } else { PACE }
}

/// The blocks to ask for, smallest first: what is wished for, 10 ms, and what the device likes best.
fn block_sizes(wished: u32, rate: u32, limits: SupportedBufferSize) -> [BufferSize; 3] {
    let clamp = |frames: u32| match limits {
        SupportedBufferSize::Range { min, max } if min <= max => frames.clamp(min.max(1), max.max(1)),
        _ => frames,
    };
    [BufferSize::Fixed(clamp(wished)), BufferSize::Fixed(clamp(rate / 100)), BufferSize::Default]
}

/// Higher is better; `None`: not a format for voices.
fn quality(format: SampleFormat) -> Option<u8> {
    Some(match format {
        SampleFormat::F32 => 9,
        SampleFormat::I32 | SampleFormat::U32 => 8,
        SampleFormat::I24 | SampleFormat::U24 => 7,
        SampleFormat::F64 => 6,
        SampleFormat::I16 => 5,
        SampleFormat::U16 => 4,
        SampleFormat::I64 | SampleFormat::U64 => 3,
        SampleFormat::U8 | SampleFormat::I8 => 1,
        _ => return None,
    })
}

/// Channels and rate as the device likes them best. Asks nothing that would open the device.
pub(super) fn in_words(device: &Device, direction: Direction) -> String {
    let Ok(description) = device.description() else { return String::new() };
    // On ALSA a description has the driver's name, and its formats are known only by opening it, which can wedge a plugin.
    if description.driver().is_some() {
        return description.extended().nth(1).unwrap_or_default().to_owned();
    }
    let config = match direction {
        Direction::Input => device.default_input_config(),
        Direction::Output => device.default_output_config(),
    };
    config.map_or_else(|_| String::new(), |config| format!("{} ch, {} Hz", config.channels(), config.sample_rate()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(channels: u16, rates: (u32, u32), format: SampleFormat) -> SupportedStreamConfigRange {
        SupportedStreamConfigRange::new(channels, rates.0, rates.1, SupportedBufferSize::Range { min: 64, max: 8_192 }, format)
    }

    #[test]
    fn a_chosen_channel_is_there() {
        let ranges = [range(1, (48_000, 48_000), SampleFormat::F32), range(4, (44_100, 96_000), SampleFormat::I16)];
        assert_eq!(best(&ranges, 3, CHANNELS_MAX, PACE).map(|choice| choice.format.channels), Some(4));
        assert!(best(&ranges, 5, CHANNELS_MAX, PACE).is_none());
        assert_eq!(best(&ranges, 4, 4, PACE).map(|choice| choice.format.channels), Some(4), "all of them, though fewer would do");
    }

    #[test]
    fn full_rate_comes_before_mono_and_mono_before_floats() {
        let choice = best(
            &[
                range(1, (8_000, 44_100), SampleFormat::F32),
                range(2, (8_000, 48_000), SampleFormat::F32),
                range(1, (48_000, 48_000), SampleFormat::I16),
            ],
            1,
            CHANNELS_MAX,
            PACE,
        );
        let choice = choice.expect("three formats");
        assert_eq!((choice.format, choice.sample), (StreamFormat { rate: 48_000, channels: 1 }, SampleFormat::I16));
        let choice =
            best(&[range(2, (96_000, 192_000), SampleFormat::I32), range(1, (44_100, 44_100), SampleFormat::I16)], 1, CHANNELS_MAX, PACE)
                .expect("two");
        assert_eq!(choice.format.rate, 44_100);
        assert!(best(&[range(2, (48_000, 48_000), SampleFormat::DsdU8)], 1, CHANNELS_MAX, PACE).is_none());
    }

    #[test]
    fn five_milliseconds_are_asked_for_first() {
        let choice = best(&[range(1, (44_100, 44_100), SampleFormat::I16)], 1, CHANNELS_MAX, PACE).expect("one");
        let sizes: Vec<BufferSize> = choice.attempts().collect();
        assert_eq!(sizes, [BufferSize::Fixed(220), BufferSize::Fixed(441), BufferSize::Default]);
        assert_eq!(choice.remark(sizes[0], Some(220), Direction::Input), None);
        assert!(choice.remark(sizes[1], Some(441), Direction::Input).is_some_and(|text| text.contains("10 ms")));
        let sizes: Vec<BufferSize> = Choice { pace: 100, ..choice }.attempts().collect();
        assert_eq!(sizes, [BufferSize::Fixed(441), BufferSize::Default]);
        let limits = SupportedBufferSize::Range { min: 1_024, max: 4_096 };
        assert_eq!(block_sizes(240, 48_000, limits)[0], BufferSize::Fixed(1_024));
    }
}
