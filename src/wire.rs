//! Bytes to packets and back, borrowed, no allocation: pcm, rtp, rtcp, xr, red, app, sdp, sealed, parcel. Pure; any thread runs it.

pub mod app;
mod bytes;
#[doc(hidden)]
pub mod check;
pub mod measure;
pub mod parcel;
pub mod pcm;
pub mod red;
pub mod rtcp;
pub mod rtp;
pub mod sdp;
pub mod sealed;
pub mod text;
pub mod xr;

use std::error::Error;
use std::fmt;

pub use text::printable;

use crate::units::SEED_BYTES;

/// What a datagram claims to be, by its length and first two bytes alone. Parsing it is another matter.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Kind {
    /// Headerless S16LE, 44.1 kHz, mono: the original scripts' format.
    SeedPcm,
    Rtp,
    Rtcp,
    Sealed(sealed::Type),
    Unknown,
}

/// Sorts a datagram, in this order: exactly [`SEED_BYTES`] long is seed PCM (we never send anything else of that length); then the
/// first byte as RFC 7983 shares it out, and for 128-191 the second as RFC 5761, 4, does.
#[must_use]
pub fn classify(bytes: &[u8]) -> Kind {
    if bytes.len() == SEED_BYTES {
        return Kind::SeedPcm;
    }
    match bytes {
        [128..=191, 192..=223, ..] => Kind::Rtcp,
        [128..=191, _, ..] => Kind::Rtp,
        [first, ..] => sealed::Type::from_byte(*first).map_or(Kind::Unknown, Kind::Sealed),
        [] => Kind::Unknown,
    }
}

/// As [`classify`], for a peer that the user called with `--format pcm`: any even length is PCM, since a sender like the seed's may
/// use another block size.
#[must_use]
pub fn classify_from_pcm_peer(bytes: &[u8]) -> Kind {
    if !bytes.is_empty() && bytes.len().is_multiple_of(2) { Kind::SeedPcm } else { classify(bytes) }
}

/// Why bytes were not what they claimed to be. To be counted; never an answer to anybody.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Malformed {
    /// Shorter than its fixed part.
    Short,
    /// Not version 2 of RTP or RTCP.
    Version,
    /// The CSRC list or the header extension reaches past the end (RFC 3550, 5.1, 5.3.1).
    Header,
    /// Padding of nothing, longer than the payload, or in the wrong packet of a compound.
    Padding,
    /// A length, a count or a block reaches past the end.
    Length,
    /// A compound that begins with a packet of no known type (RFC 3550, A.2; RFC 5506).
    Type,
    /// A chain of redundancy headers that is too long or never ends (RFC 2198, 3).
    Chain,
    /// Redundancy inside redundancy.
    Nested,
    /// A field of a known kind whose size or value is impossible.
    Value,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Short => "shorter than its fixed part",
            Self::Version => "not version 2",
            Self::Header => "header reaches past the end",
            Self::Padding => "impossible padding",
            Self::Length => "a length reaches past the end",
            Self::Type => "compound of no known type",
            Self::Chain => "redundancy without an end",
            Self::Nested => "redundancy inside redundancy",
            Self::Value => "a field of impossible size or value",
        })
    }
}

impl Error for Malformed {}

/// Why something was not written; the buffer then holds what it held before.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Refused {
    /// Does not fit into what is left of the buffer.
    Full,
    /// More of them than the count field can say, or none where one is needed.
    Count,
    /// Longer than its length field can say.
    Length,
    /// An offset that its field cannot say.
    Offset,
    /// A payload type of more than 7 bits, or redundancy inside redundancy.
    PayloadType,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full => "the buffer is full",
            Self::Count => "a count its field cannot say",
            Self::Length => "a length its field cannot say",
            Self::Offset => "an offset its field cannot say",
            Self::PayloadType => "an impossible payload type",
        })
    }
}

impl Error for Refused {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_datagrams_holds() {
        for (bytes, kind) in [
            (&[][..], Kind::Unknown),
            (&[128], Kind::Unknown),
            (&[0x80, 111, 0, 1], Kind::Rtp),
            (&[0x80, 0x80 | 111], Kind::Rtp),
            (&[0xbf, 0], Kind::Rtp),
            (&[0x80, 191], Kind::Rtp),
            (&[0x80, 192], Kind::Rtcp),
            (&[0x81, 200], Kind::Rtcp),
            (&[0x80, 223], Kind::Rtcp),
            (&[0x80, 224], Kind::Rtp),
            (&[8], Kind::Sealed(sealed::Type::Handshake1)),
            (&[11, 0], Kind::Sealed(sealed::Type::Transport)),
            (&[13], Kind::Sealed(sealed::Type::Refusal)),
            (&[0, 1, 2, 3], Kind::Unknown),
            (&[7], Kind::Unknown),
            (&[14], Kind::Unknown),
            (&[192, 200], Kind::Unknown),
        ] {
            assert_eq!(classify(bytes), kind, "{bytes:?}");
        }
    }

    #[test]
    fn a_datagram_of_the_seeds_length_is_seed_pcm_whatever_it_begins_with() {
        let mut bytes = [0; SEED_BYTES];
        for first in [0, 8, 0x80] {
            bytes[0] = first;
            assert_eq!(classify(&bytes), Kind::SeedPcm);
        }
        assert_eq!(classify(&bytes[..SEED_BYTES - 2]), Kind::Rtp);
    }

    #[test]
    fn a_peer_called_with_pcm_may_send_any_even_length() {
        assert_eq!(classify_from_pcm_peer(&[0x80, 111]), Kind::SeedPcm);
        assert_eq!(classify_from_pcm_peer(&[0x80, 111, 0]), Kind::Rtp);
        assert_eq!(classify_from_pcm_peer(&[]), Kind::Unknown);
    }
}
