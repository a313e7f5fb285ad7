//! Frames to Opus payloads, once for all peers; the ones before are kept for copies and retransmissions.

use std::time::Instant;

use super::spurt::{Leaving, PREROLL_VOICE_FRAMES};
use crate::audio::codec::{CodecError, Encode, OpusEncoder, OpusSettings};
use crate::call::plan::{REACH_MAX, RESEND_MAX};
use crate::units::FRAME_SAMPLES;

/// Longest payload: with headers and a seal it stays inside [`crate::units::MAX_DATAGRAM`].
pub(crate) const PAYLOAD_MAX: usize = 1_100;
/// Payloads kept: more than copies reach back, as many as can be asked for again.
const KEPT: usize = RESEND_MAX;
const _: () = assert!(KEPT > REACH_MAX && KEPT > PREROLL_VOICE_FRAMES);
/// Samples of the longest frame we send: 20 ms.
const LONGEST: usize = 2 * FRAME_SAMPLES;

/// What all peers together ask of the one encoder.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Tuning {
    /// Bit/s.
    pub bitrate: u32,
    /// 480 or 960.
    pub frame_samples: usize,
    /// Percent.
    pub expected_loss_percent: u8,
    /// All packets of one length, whatever is said (RFC 6562): some peer's are sealed.
    pub constant: bool,
}

/// An encoder that follows what the peers need. Opus outside of tests; a cheaper one makes an hour of call a matter of seconds.
pub trait Speak: Encode {
    /// May allocate when the frame's length changes, not otherwise.
    fn tune(&mut self, tuning: Tuning);
}

impl Speak for OpusEncoder {
    fn tune(&mut self, tuning: Tuning) {
        let inband_fec = tuning.expected_loss_percent > 0;
        if self.frame_samples() == tuning.frame_samples {
            self.set_bitrate(tuning.bitrate);
            self.set_expected_loss(tuning.expected_loss_percent);
            self.set_inband_fec(inband_fec);
            self.set_constant_bitrate(tuning.constant);
        } else if let Ok(encoder) = opus(tuning) {
            *self = encoder;
        }
    }
}

/// # Errors
/// libopus could not make its state.
pub(crate) fn opus(tuning: Tuning) -> Result<OpusEncoder, CodecError> {
    OpusEncoder::new(OpusSettings {
        bitrate: tuning.bitrate,
        frame_samples: tuning.frame_samples,
        expected_loss_percent: tuning.expected_loss_percent,
        inband_fec: tuning.expected_loss_percent > 0,
        constant_bitrate: tuning.constant,
        ..OpusSettings::default()
    })
}

/// One encoded frame.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Encoded {
    /// Microphone time of its first sample.
    pub at: u64,
    pub captured: Instant,
    len: usize,
    bytes: [u8; PAYLOAD_MAX],
}

impl Encoded {
    pub(crate) fn payload(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// Gathers frames to the encoder's length, and remembers what left.
#[derive(Debug)]
pub(crate) struct Voice<E> {
    encoder: E,
    samples: [f32; LONGEST],
    filled: usize,
    /// Of the first sample gathered.
    at: u64,
    captured: Option<Instant>,
    /// A ring; [`None`] where the spurt is younger.
    sent: Box<[Option<Encoded>]>,
    /// Where the newest is.
    newest: usize,
}

impl<E: Speak> Voice<E> {
    pub(crate) fn new(encoder: E) -> Self {
        Self { encoder, samples: [0.0; LONGEST], filled: 0, at: 0, captured: None, sent: vec![None; KEPT].into(), newest: 0 }
    }

    /// Takes effect at once; a half-gathered packet is completed at the new length.
    pub(crate) fn tune(&mut self, tuning: Tuning) {
        let before = self.encoder.frame_samples();
        self.encoder.tune(tuning);
        if self.encoder.frame_samples() != before {
            // A receiver tells a copy's number from its distance in packets of the same length.
            self.sent.fill(None);
        }
    }

    /// Drops what is gathered and remembered.
    pub(crate) fn forget(&mut self) {
        self.filled = 0;
        self.sent.fill(None);
    }

    /// Takes one leaving frame; true when a packet is complete: see [`Voice::back`].
    pub(crate) fn handle(&mut self, leaving: &Leaving<'_>) -> bool {
        if leaving.first {
            self.forget();
        }
        if self.filled == 0 {
            (self.at, self.captured) = (leaving.at, Some(leaving.captured));
        }
        let room = self.filled..(self.filled + FRAME_SAMPLES).min(LONGEST);
        self.filled = room.end;
        let len = room.len();
        self.samples[room].copy_from_slice(&leaving.frame[..len]);
        let wanted = self.encoder.frame_samples().min(LONGEST);
        if leaving.last && self.filled < wanted {
            self.samples[self.filled..].fill(0.0);
            self.filled = wanted;
        }
        self.filled >= wanted && self.encode(wanted)
    }

    fn encode(&mut self, wanted: usize) -> bool {
        self.filled = 0;
        let Some(captured) = self.captured.take() else { return false };
        let mut encoded = Encoded { at: self.at, captured, len: 0, bytes: [0; PAYLOAD_MAX] };
        encoded.len = self.encoder.encode(&self.samples[..wanted], &mut encoded.bytes).min(PAYLOAD_MAX);
        if encoded.len == 0 {
            return false;
        }
        self.newest = (self.newest + 1) % KEPT;
        self.sent[self.newest] = Some(encoded);
        true
    }

    /// The packet `count` before the newest, if it is of this spurt.
    pub(crate) fn back(&self, count: usize) -> Option<&Encoded> {
        self.sent[(self.newest + KEPT - count.min(KEPT - 1)) % KEPT].as_ref()
    }

    /// The packet whose first sample was spoken at `at`.
    pub(crate) fn spoken_at(&self, at: u64) -> Option<&Encoded> {
        self.sent.iter().flatten().find(|encoded| encoded.at == at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::codec::opus_packet_samples;

    fn voice(frame_samples: usize) -> Voice<OpusEncoder> {
        Voice::new(opus(Tuning { bitrate: 32_000, frame_samples, expected_loss_percent: 0, constant: false }).expect("an encoder"))
    }

    fn feed(voice: &mut Voice<OpusEncoder>, n: u64, first: bool, last: bool) -> Option<(u64, usize)> {
        let frame = [0.1; FRAME_SAMPLES];
        let leaving = Leaving { frame: &frame, at: n * 480, captured: Instant::now(), first, last };
        voice.handle(&leaving).then(|| {
            let newest = voice.back(0).expect("a packet");
            (newest.at, opus_packet_samples(newest.payload()).expect("an Opus packet"))
        })
    }

    #[test]
    fn twenty_milliseconds_are_gathered_and_the_tail_completes_a_packet() {
        let mut voice = voice(960);
        assert_eq!(feed(&mut voice, 0, true, false), None);
        assert_eq!(feed(&mut voice, 1, false, false), Some((0, 960)));
        assert_eq!(feed(&mut voice, 2, false, true), Some((960, 960)));
        assert_eq!(feed(&mut voice, 9, true, true), Some((9 * 480, 960)));
    }

    #[test]
    fn a_new_spurt_carries_no_copies_of_the_old_one() {
        let mut voice = voice(480);
        for n in 0..7 {
            feed(&mut voice, n, n == 0, false);
        }
        let at = |voice: &Voice<OpusEncoder>, count| voice.back(count).map(|packet| packet.at / 480);
        assert_eq!([0, 1, 6, 7].map(|count| at(&voice, count)), [Some(6), Some(5), Some(0), None]);
        assert!(voice.spoken_at(2 * 480).is_some() && voice.spoken_at(7 * 480).is_none());
        feed(&mut voice, 50, true, false);
        assert_eq!([0, 1].map(|count| at(&voice, count)), [Some(50), None]);
    }

    #[test]
    fn the_frame_length_can_change_under_way() {
        let mut voice = voice(480);
        feed(&mut voice, 0, true, false);
        voice.tune(Tuning { bitrate: 24_000, frame_samples: 960, expected_loss_percent: 10, constant: true });
        assert_eq!(feed(&mut voice, 1, false, false), None);
        assert_eq!(feed(&mut voice, 2, false, false), Some((480, 960)));
        voice.tune(Tuning { bitrate: 24_000, frame_samples: 480, expected_loss_percent: 10, constant: true });
        assert_eq!(feed(&mut voice, 3, false, false), Some((3 * 480, 480)));
    }
}
