//! Payloads to samples at 48 kHz mono. Pure; runs in the playback callback: all states of all codecs are made beforehand.

use opus::Channels;

use super::conceal::Substitute;
use super::toc::{opus_has_lbrr, opus_packet_samples};
use super::{Codec, CodecError, PCMU_RATE};
use crate::audio::resample::Resampler;
use crate::units::{FRAME_SAMPLES, SAMPLE_RATE, SEED_RATE};

/// Samples that any payload decodes to, at most: 200 ms of PCM and the resampler's slack; Opus stays below (120 ms).
pub const DECODED_MAX: usize = 9_728;

/// Loudest sample handed out: hostile packets can decode to more than full scale.
const LOUDEST: f32 = 2.0;

/// Decodes one stream. Switching codecs costs no allocation.
#[derive(Debug)]
pub struct Decoder {
    codec: Codec,
    opus: OpusDecoder,
    pcm: PcmDecoder,
}

impl Decoder {
    /// # Errors
    /// [`CodecError::Unavailable`]: no memory.
    pub fn new(codec: Codec) -> Result<Self, CodecError> {
        Ok(Self { codec, opus: OpusDecoder::new()?, pcm: PcmDecoder::new()? })
    }

    #[must_use]
    pub fn codec(&self) -> Codec {
        self.codec
    }

    /// The payloads to come are `codec`'s. The past is forgotten if that is another one than before.
    pub fn switch(&mut self, codec: Codec) {
        if codec != self.codec {
            self.codec = codec;
            self.reset();
        }
    }

    /// Decodes one payload into the front of `out`; returns the number of samples. Opus: just those of its frames; PCM:
    /// what its length comes to at 48 kHz, give or take one sample from packet to packet (1,024 of the seed's are 1,114 or 1,115).
    ///
    /// # Errors
    /// A malformed payload, or `out` too short for it; `out` is then of no use, and nothing else has changed much.
    pub fn decode(&mut self, payload: &[u8], out: &mut [f32]) -> Result<usize, CodecError> {
        let len = match self.codec {
            Codec::Opus => self.opus.decode(payload, out),
            codec => self.pcm.decode(codec, payload, out),
        }?;
        tame(&mut out[..len]);
        Ok(len)
    }

    /// Makes up the next `out.len()` samples, any number. PCM fades to silence within 60 ms; Opus slower.
    pub fn conceal(&mut self, out: &mut [f32]) {
        match self.codec {
            Codec::Opus => self.opus.conceal(out),
            _ => self.pcm.substitute.conceal(out),
        }
        tame(out);
    }

    /// Decodes the copy of the packet *before* `payload` that `payload` carries (LBRR), `out.len()` samples: the length of
    /// the lost packet, a multiple of 120. Call it once, before decoding `payload` itself.
    ///
    /// # Errors
    /// [`CodecError::NoFec`]: it carries none; `out` is untouched.
    pub fn decode_fec(&mut self, payload: &[u8], out: &mut [f32]) -> Result<usize, CodecError> {
        if self.codec != Codec::Opus || !opus_has_lbrr(payload) {
            return Err(CodecError::NoFec);
        }
        let len = self.opus.decode_fec(payload, out)?;
        tame(&mut out[..len]);
        Ok(len)
    }

    /// Forgets the past: another stream, or a gap too long to bridge.
    pub fn reset(&mut self) {
        self.opus.reset();
        self.pcm.reset();
    }
}

fn tame(samples: &mut [f32]) {
    for sample in samples {
        *sample = if sample.is_finite() { sample.clamp(-LOUDEST, LOUDEST) } else { 0.0 };
    }
}

#[derive(Debug)]
struct OpusDecoder {
    inner: opus::Decoder,
    /// Concealment is made by whole frames; what was not asked for yet waits here, and is dropped by the next packet.
    spare: [f32; FRAME_SAMPLES],
    spare_len: usize,
}

impl OpusDecoder {
    fn new() -> Result<Self, CodecError> {
        let inner = opus::Decoder::new(SAMPLE_RATE, Channels::Mono).map_err(|_| CodecError::Unavailable)?;
        Ok(Self { inner, spare: [0.0; FRAME_SAMPLES], spare_len: 0 })
    }

    fn decode(&mut self, payload: &[u8], out: &mut [f32]) -> Result<usize, CodecError> {
        let samples = opus_packet_samples(payload).ok_or(CodecError::Malformed)?;
        let out = out.get_mut(..samples).ok_or(CodecError::NoRoom)?;
        self.spare_len = 0;
        self.inner.decode_float(payload, out, false).map_err(|_| CodecError::Malformed)
    }

    fn decode_fec(&mut self, payload: &[u8], out: &mut [f32]) -> Result<usize, CodecError> {
        self.spare_len = 0;
        self.inner.decode_float(payload, out, true).map_err(|_| CodecError::NoFec)
    }

    fn conceal(&mut self, mut out: &mut [f32]) {
        while !out.is_empty() {
            if self.spare_len == 0 {
                if out.len() >= FRAME_SAMPLES {
                    let (now, later) = out.split_at_mut(FRAME_SAMPLES);
                    self.make_up(now);
                    out = later;
                    continue;
                }
                let mut spare = [0.0; FRAME_SAMPLES];
                self.make_up(&mut spare);
                (self.spare, self.spare_len) = (spare, FRAME_SAMPLES);
            }
            let take = out.len().min(self.spare_len);
            let from = FRAME_SAMPLES - self.spare_len;
            let (now, later) = out.split_at_mut(take);
            now.copy_from_slice(&self.spare[from..from + take]);
            self.spare_len -= take;
            out = later;
        }
    }

    fn make_up(&mut self, out: &mut [f32]) {
        if self.inner.decode_float(&[], out, false).is_err() {
            out.fill(0.0);
        }
    }

    fn reset(&mut self) {
        self.spare_len = 0;
        let _ = self.inner.reset_state();
    }
}

/// Samples converted at once on their way to the resampler.
const PIECE: usize = 256;

#[derive(Debug)]
struct PcmDecoder {
    from_seed_rate: Resampler,
    from_pcmu_rate: Resampler,
    substitute: Substitute,
}

impl PcmDecoder {
    fn new() -> Result<Self, CodecError> {
        let resampler = |rate| Resampler::new(rate, SAMPLE_RATE).map_err(|_| CodecError::Unavailable);
        Ok(Self { from_seed_rate: resampler(SEED_RATE)?, from_pcmu_rate: resampler(PCMU_RATE)?, substitute: Substitute::new() })
    }

    fn decode(&mut self, codec: Codec, payload: &[u8], out: &mut [f32]) -> Result<usize, CodecError> {
        codec.ticks(payload).ok_or(CodecError::Malformed)?;
        let (bytes, resampler) = match codec {
            Codec::Pcmu => (1, &mut self.from_pcmu_rate),
            _ => (2, &mut self.from_seed_rate),
        };
        if resampler.output_max(payload.len() / bytes) > out.len() {
            return Err(CodecError::NoRoom);
        }
        if self.substitute.is_active() {
            // What is still in the filter ended long ago.
            resampler.reset();
        }
        let mut written = 0;
        for piece in payload.chunks(PIECE * bytes) {
            let mut samples = [0.0; PIECE];
            let len = piece.len() / bytes;
            match codec {
                Codec::Pcmu => samples.iter_mut().zip(piece).for_each(|(sample, byte)| *sample = from_mu_law(*byte)),
                Codec::L16 => from_i16(&mut samples, piece, i16::from_be_bytes),
                _ => from_i16(&mut samples, piece, i16::from_le_bytes),
            }
            written += resampler.process_into(&samples[..len], &mut out[written..]);
        }
        self.substitute.accept(&mut out[..written]);
        Ok(written)
    }

    fn reset(&mut self) {
        self.from_seed_rate.reset();
        self.from_pcmu_rate.reset();
        self.substitute.reset();
    }
}

fn from_i16(samples: &mut [f32], bytes: &[u8], read: fn([u8; 2]) -> i16) {
    for (sample, pair) in samples.iter_mut().zip(bytes.chunks_exact(2)) {
        *sample = f32::from(read([pair[0], pair[1]])) / 32_768.0;
    }
}

/// One byte of G.711 mu-law, as a fraction of full scale.
fn from_mu_law(byte: u8) -> f32 {
    let byte = !byte;
    let magnitude = (((i32::from(byte & 0x0f) << 3) + 0x84) << ((byte >> 4) & 7)) - 0x84;
    let signed = if byte & 0x80 != 0 { -magnitude } else { magnitude };
    signed as f32 / 32_768.0
}

#[cfg(test)]
mod tests;
