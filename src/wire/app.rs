//! Control between voicetuis: the body of RTCP APP `vtui`, a list of type, length, value. Pure; the receiver runs it.
//!
//! It states, it never commands; the full state is repeated until echoed, so loss, doubling and order do not matter.
//!
//! ```text
//!   +--------+--------+---------- - -      type 0 is one byte of padding, without a length;
//!   |  type  | length |  value             types that a reader does not know are passed over
//!   +--------+--------+---------- - -
//! ```

use super::bytes::{Out, Reader};
use super::text::bounded;
use super::{Malformed, Refused};

/// The name of our APP packets (RFC 3550, 6.7).
pub const NAME: [u8; 4] = *b"vtui";
/// Longest name of a peer, bytes of UTF-8.
pub const NAME_MAX: usize = 64;

/// Bits of [`Tlv::Caps`]: what the sender of it can take.
pub mod caps {
    /// Redundant audio, RFC 2198.
    pub const RED: u32 = 1;
    /// Answers a generic NACK (RFC 4585) with a retransmission (RFC 4588) of payload type 62, under the SSRC after the media's.
    pub const NACK: u32 = 1 << 1;
    /// Answers [`super::Tlv::Measure`], if only by refusing.
    pub const MEASURE: u32 = 1 << 2;
}

/// Where the sender of it stands in the call, in its own words.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
pub enum CallWord {
    Calling = 1,
    Ringing = 2,
    Live = 3,
    Declined = 4,
    Busy = 5,
    Ended = 6,
}

impl CallWord {
    pub const ALL: [Self; 6] = [Self::Calling, Self::Ringing, Self::Live, Self::Declined, Self::Busy, Self::Ended];

    #[must_use]
    pub fn from_byte(byte: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|word| *word as u8 == byte)
    }
}

/// One statement.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Tlv<'a> {
    State(CallWord),
    /// The state last heard from the other side: no need to repeat it.
    Echo(CallWord),
    /// Bits of [`caps`].
    Caps(u32),
    /// Not yet fit for a terminal: see [`super::printable`].
    Name(&'a str),
    /// Whether the sender of it records the call.
    Recording(bool),
    /// From mouth to wire, 0.1 ms.
    CaptureDelay(u16),
    /// What of it is the cleaning of the voice, 0.1 ms.
    ProcessingDelay(u16),
    /// From wire to ear, 0.1 ms.
    PlayoutDelay(u16),
    /// Wants a [`Tlv::Pong`] with the same number.
    Ping(u64),
    Pong(u64),
    /// Of a measurement that both sides run: see [`super::measure::Measure`].
    Measure(&'a [u8]),
    /// Which call this is about: random numbers of the sender's own side of it (`ours`), and of the other side as last heard
    /// (`yours`, 0 for none). Who was never there cannot say it, and a call that ended says nothing to the next.
    Leg {
        ours: u32,
        yours: u32,
    },
}

mod kind {
    pub(super) const PAD: u8 = 0;
    pub(super) const STATE: u8 = 1;
    pub(super) const ECHO: u8 = 2;
    pub(super) const CAPS: u8 = 3;
    pub(super) const NAME: u8 = 4;
    pub(super) const RECORDING: u8 = 5;
    pub(super) const CAPTURE_DELAY: u8 = 6;
    pub(super) const PLAYOUT_DELAY: u8 = 7;
    pub(super) const PING: u8 = 8;
    pub(super) const PONG: u8 = 9;
    pub(super) const MEASURE: u8 = 10;
    pub(super) const LEG: u8 = 11;
    pub(super) const PROCESSING_DELAY: u8 = 12;
}

impl<'a> Tlv<'a> {
    /// `None`: a type, or a word of a state, that this version does not know.
    fn parse(kind: u8, value: &'a [u8]) -> Result<Option<Self>, Malformed> {
        let mut reader = Reader(value);
        let tlv = match kind {
            kind::STATE => CallWord::from_byte(reader.u8()?).map(Self::State),
            kind::ECHO => CallWord::from_byte(reader.u8()?).map(Self::Echo),
            kind::CAPS => Some(Self::Caps(reader.u32()?)),
            kind::NAME if value.len() > NAME_MAX => return Err(Malformed::Value),
            kind::NAME => Some(Self::Name(str::from_utf8(value).map_err(|_| Malformed::Value)?)),
            kind::RECORDING => Some(Self::Recording(reader.u8()? != 0)),
            kind::CAPTURE_DELAY => Some(Self::CaptureDelay(reader.u16()?)),
            kind::PROCESSING_DELAY => Some(Self::ProcessingDelay(reader.u16()?)),
            kind::PLAYOUT_DELAY => Some(Self::PlayoutDelay(reader.u16()?)),
            kind::PING => Some(Self::Ping(reader.u64()?)),
            kind::PONG => Some(Self::Pong(reader.u64()?)),
            kind::MEASURE => Some(Self::Measure(value)),
            kind::LEG => Some(Self::Leg { ours: reader.u32()?, yours: reader.u32()? }),
            _ => None,
        };
        let is_fixed = !matches!(kind, kind::NAME | kind::MEASURE) && tlv.is_some();
        if is_fixed && !reader.0.is_empty() { Err(Malformed::Value) } else { Ok(tlv) }
    }

    fn write(&self, out: &mut Out<'_>) -> Result<(), Refused> {
        let mut field = |kind: u8, value: &[u8]| {
            let len = u8::try_from(value.len()).map_err(|_| Refused::Length)?;
            out.put(&[kind, len])?;
            out.put(value)
        };
        match self {
            Self::State(word) => field(kind::STATE, &[*word as u8]),
            Self::Echo(word) => field(kind::ECHO, &[*word as u8]),
            Self::Caps(bits) => field(kind::CAPS, &bits.to_be_bytes()),
            Self::Name(name) => field(kind::NAME, bounded(name, NAME_MAX).as_bytes()),
            Self::Recording(on) => field(kind::RECORDING, &[u8::from(*on)]),
            Self::CaptureDelay(delay) => field(kind::CAPTURE_DELAY, &delay.to_be_bytes()),
            Self::ProcessingDelay(delay) => field(kind::PROCESSING_DELAY, &delay.to_be_bytes()),
            Self::PlayoutDelay(delay) => field(kind::PLAYOUT_DELAY, &delay.to_be_bytes()),
            Self::Ping(number) => field(kind::PING, &number.to_be_bytes()),
            Self::Pong(number) => field(kind::PONG, &number.to_be_bytes()),
            Self::Measure(data) => field(kind::MEASURE, data),
            Self::Leg { ours, yours } => field(kind::LEG, &(u64::from(*ours) << 32 | u64::from(*yours)).to_be_bytes()),
        }
    }
}

/// Opens the body of an APP packet named [`NAME`]; all is checked before the first statement comes out.
///
/// # Errors
/// A value past the end, or of an impossible size; a name that is too long or not UTF-8.
pub fn parse(body: &[u8]) -> Result<Tlvs<'_>, Malformed> {
    let mut rest = body;
    while let Some((kind, value, after)) = split(rest)? {
        Tlv::parse(kind, value)?;
        rest = after;
    }
    Ok(Tlvs(body))
}

/// Type, value and what follows.
type Field<'a> = (u8, &'a [u8], &'a [u8]);

/// The first field, padding passed over; `None` at the end.
fn split(bytes: &[u8]) -> Result<Option<Field<'_>>, Malformed> {
    let padding = bytes.iter().take_while(|byte| **byte == kind::PAD).count();
    let mut reader = Reader(&bytes[padding..]);
    if reader.0.is_empty() {
        return Ok(None);
    }
    let kind = reader.u8()?;
    let len = reader.u8()?;
    let value = reader.take(usize::from(len), Malformed::Length)?;
    Ok(Some((kind, value, reader.0)))
}

/// The statements of a body that [`parse`] found whole; what this version does not know is passed over.
#[derive(Clone, Copy, Debug)]
pub struct Tlvs<'a>(&'a [u8]);

impl<'a> Iterator for Tlvs<'a> {
    type Item = Tlv<'a>;

    fn next(&mut self) -> Option<Tlv<'a>> {
        while let Ok(Some((kind, value, rest))) = split(self.0) {
            self.0 = rest;
            if let Ok(Some(tlv)) = Tlv::parse(kind, value) {
                return Some(tlv);
            }
        }
        None
    }
}

/// Writes the body of an APP packet.
pub struct Writer<'a>(Out<'a>);

impl<'a> Writer<'a> {
    #[must_use]
    pub fn new(out: &'a mut [u8]) -> Self {
        Self(Out::new(out))
    }

    /// Adds a statement. A name is cut to [`NAME_MAX`] bytes, between characters.
    ///
    /// # Errors
    /// The buffer is full, or a measurement is longer than 255 bytes; what was written before stays.
    pub fn put(&mut self, tlv: Tlv<'_>) -> Result<(), Refused> {
        self.0.whole(|out| tlv.write(out))
    }

    /// Bytes written, without padding: the packet's writer pads.
    #[must_use]
    pub fn finish(self) -> usize {
        self.0.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Tlv<'_>; 12] = [
        Tlv::State(CallWord::Ringing),
        Tlv::Echo(CallWord::Calling),
        Tlv::Caps(caps::RED | caps::NACK),
        Tlv::Name("Zoë"),
        Tlv::Recording(true),
        Tlv::CaptureDelay(123),
        Tlv::ProcessingDelay(45),
        Tlv::PlayoutDelay(456),
        Tlv::Ping(1),
        Tlv::Pong(u64::MAX),
        Tlv::Measure(&[1, 2, 3]),
        Tlv::Leg { ours: 1, yours: u32::MAX },
    ];

    fn written(tlvs: &[Tlv<'_>]) -> Vec<u8> {
        let mut out = [0; 512];
        let mut writer = Writer::new(&mut out);
        for tlv in tlvs {
            writer.put(*tlv).unwrap();
        }
        let len = writer.finish();
        out[..len].to_vec()
    }

    #[test]
    fn every_statement_survives_and_padding_is_passed_over() {
        let mut bytes = written(&ALL);
        bytes.extend([0; 3]);
        assert!(parse(&bytes).unwrap().eq(ALL));
    }

    #[test]
    fn the_bytes_are_the_ones_agreed_on() {
        assert_eq!(written(&ALL[..6]), [1, 1, 2, 2, 1, 1, 3, 4, 0, 0, 0, 3, 4, 4, b'Z', b'o', 0xc3, 0xab, 5, 1, 1, 6, 2, 0, 123]);
    }

    #[test]
    fn what_a_later_version_says_is_passed_over() {
        let bytes = [99, 2, 1, 1, 1, 1, 77, 1, 1, 3];
        assert!(parse(&bytes).unwrap().eq([Tlv::State(CallWord::Live)]));
    }

    #[test]
    fn bad_bodies_are_refused() {
        let long_name: Vec<u8> = [kind::NAME, 65].into_iter().chain([b'x'; 65]).collect();
        for (bytes, why) in [
            (&[1][..], Malformed::Short),
            (&[1, 2, 1], Malformed::Length),
            (&[1, 0], Malformed::Short),
            (&[1, 2, 1, 1], Malformed::Value),
            (&[3, 2, 0, 0], Malformed::Short),
            (&[4, 1, 0xff], Malformed::Value),
            (&long_name, Malformed::Value),
            (&[99, 255, 0], Malformed::Length),
        ] {
            assert_eq!(parse(bytes).map(Iterator::count), Err(why), "{bytes:?}");
        }
    }

    #[test]
    fn a_full_buffer_keeps_what_it_had() {
        let mut out = [0xaa; 8];
        let mut writer = Writer::new(&mut out);
        writer.put(Tlv::State(CallWord::Live)).unwrap();
        assert_eq!(writer.put(Tlv::Ping(7)), Err(Refused::Full));
        assert_eq!(writer.put(Tlv::Measure(&[0; 256])), Err(Refused::Length));
        writer.put(Tlv::Recording(false)).unwrap();
        assert_eq!(writer.finish(), 6);
        assert!(parse(&out[..6]).unwrap().eq([Tlv::State(CallWord::Live), Tlv::Recording(false)]));
    }

    #[test]
    fn a_long_name_is_cut_between_characters() {
        let name = "ë".repeat(40);
        let bytes = written(&[Tlv::Name(&name)]);
        assert!(parse(&bytes).unwrap().eq([Tlv::Name(&name[..64])]));
    }
}
