//! Echo cancellation: WebRTC's AEC3, from the crate `sonora-aec3`, in the three bands it works in. Allocates; for the sender thread.

use sonora::three_band_filter_bank::ThreeBandFilterBank;
use sonora_aec3::block::Block;
use sonora_aec3::block_framer::BlockFramer;
use sonora_aec3::block_processor::BlockProcessor;
use sonora_aec3::config::EchoCanceller3Config;
use sonora_aec3::frame_blocker::FrameBlocker;

use super::stage::Process;
use crate::audio::{Frame, SILENT_FRAME};
use crate::units::{FRAME_SAMPLES, SAMPLE_RATE};

const BANDS: usize = 3;
const BAND_SAMPLES: usize = FRAME_SAMPLES / BANDS;
/// A frame is handed over in halves.
const HALF: usize = BAND_SAMPLES / 2;
/// Full scale in the canceller, which counts in samples of 16 bit; and what counts as clipped there.
const SCALE: f32 = 32_768.0;
const CLIPPED: f32 = 32_700.0 / SCALE;

type Split = [[f32; BAND_SAMPLES]; BANDS];

/// What comes back from the loudspeaker into the microphone is taken out.
pub struct Echo {
    processor: BlockProcessor,
    far_bank: ThreeBandFilterBank,
    near_bank: ThreeBandFilterBank,
    far_blocks: FrameBlocker,
    near_blocks: FrameBlocker,
    cleaned: BlockFramer,
    block: Block,
    half: Vec<Vec<Vec<f32>>>,
}

impl Echo {
    #[must_use]
    pub fn new() -> Self {
        Self {
            processor: BlockProcessor::new(&tuned(), SAMPLE_RATE as usize, 1, 1),
            far_bank: ThreeBandFilterBank::new(),
            near_bank: ThreeBandFilterBank::new(),
            far_blocks: FrameBlocker::new(BANDS, 1),
            near_blocks: FrameBlocker::new(BANDS, 1),
            cleaned: BlockFramer::new(BANDS, 1),
            block: Block::new(BANDS, 1),
            half: vec![vec![vec![0.0; HALF]]; BANDS],
        }
    }

    fn push_far(&mut self, far: &Frame) {
        let mut split: Split = [[0.0; BAND_SAMPLES]; BANDS];
        self.far_bank.analysis(&far.map(|sample| sample * SCALE), &mut split);
        for part in 0..2 {
            self.far_blocks.insert_sub_frame_and_extract_block(&halves(&split, part), &mut self.block);
            self.processor.buffer_render(&self.block);
        }
        if self.far_blocks.is_block_available() {
            self.far_blocks.extract_block(&mut self.block);
            self.processor.buffer_render(&self.block);
        }
    }

    fn clean(&mut self, frame: &mut Frame) {
        let clipped = frame.iter().any(|sample| sample.abs() >= CLIPPED);
        let mut split: Split = [[0.0; BAND_SAMPLES]; BANDS];
        self.near_bank.analysis(&frame.map(|sample| sample * SCALE), &mut split);
        for part in 0..2 {
            self.near_blocks.insert_sub_frame_and_extract_block(&halves(&split, part), &mut self.block);
            self.processor.process_capture(false, clipped, None, &mut self.block);
            self.cleaned.insert_block_and_extract_sub_frame(&self.block, &mut self.half);
            for (band, half) in split.iter_mut().zip(&self.half) {
                band[part * HALF..(part + 1) * HALF].copy_from_slice(&half[0]);
            }
        }
        if self.near_blocks.is_block_available() {
            self.near_blocks.extract_block(&mut self.block);
            self.processor.process_capture(false, clipped, None, &mut self.block);
            self.cleaned.insert_block(&self.block);
        }
        self.near_bank.synthesis(&split, frame);
        frame.iter_mut().for_each(|sample| *sample /= SCALE);
    }
}

/// Half of a split frame, as the canceller takes it: `[band][channel]`.
fn halves(split: &Split, part: usize) -> Vec<Vec<&[f32]>> {
    split.iter().map(|band| vec![&band[part * HALF..(part + 1) * HALF]]).collect()
}

/// As it comes, but more careful. A reverberation that outlasts its filter is taken for somebody who speaks here, now and then, and
/// let through for half a second: so it trusts its filter less (`erle`), and takes longer to believe in a voice of ours, and less
/// long to doubt it. That costs a voice under which the far end speaks too a tenth of PESQ (README has both).
fn tuned() -> EchoCanceller3Config {
    let mut config = EchoCanceller3Config::default();
    (config.erle.max_l, config.erle.max_h) = (3.0, 1.4);
    let voice = &mut config.suppressor.dominant_nearend_detection;
    (voice.trigger_threshold, voice.hold_duration) = (16, 25);
    config
}

impl Default for Echo {
    fn default() -> Self {
        Self::new()
    }
}

impl Process for Echo {
    const DELAY_SAMPLES: usize = 428;

    fn process(&mut self, frame: &mut Frame, far: Option<&Frame>) {
        // A broken sample would stay in the filter for good.
        let played = far.filter(|far| far.iter().all(|sample| sample.is_finite())).unwrap_or(&SILENT_FRAME);
        self.push_far(played);
        self.clean(frame);
    }
}
