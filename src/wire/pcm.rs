//! Samples on the wire: 16 bits, little-endian as the seed sends them, big-endian as L16 does. Pure; any thread runs it.

use super::{Malformed, Refused};

/// Full scale: exactly `i16::MIN` becomes -1.0, so that a sample survives the way there and back bit for bit.
const SCALE: f32 = 32_768.0;

fn to_i16(sample: f32) -> i16 {
    // To the nearest, as `round` does, which is a call a sample where the processor has no such instruction; `as` cuts the rest off,
    // saturates, and makes 0 of a NaN.
    let scaled = sample * SCALE;
    (scaled + 0.5f32.copysign(scaled)) as i16
}

fn decode_with(bytes: &[u8], out: &mut [f32], read: fn([u8; 2]) -> i16) -> Result<usize, Malformed> {
    let (pairs, odd) = bytes.as_chunks::<2>();
    if !odd.is_empty() {
        return Err(Malformed::Value);
    }
    let out = out.get_mut(..pairs.len()).ok_or(Malformed::Length)?;
    for (sample, pair) in out.iter_mut().zip(pairs) {
        *sample = f32::from(read(*pair)) / SCALE;
    }
    Ok(pairs.len())
}

fn encode_with(samples: &[f32], out: &mut [u8], write: fn(i16) -> [u8; 2]) -> Result<usize, Refused> {
    let len = samples.len() * 2;
    let (pairs, _) = out.get_mut(..len).ok_or(Refused::Full)?.as_chunks_mut::<2>();
    for (pair, sample) in pairs.iter_mut().zip(samples) {
        *pair = write(to_i16(*sample));
    }
    Ok(len)
}

/// S16LE to samples (full scale 1.0); says how many.
///
/// # Errors
/// An odd number of bytes, or more samples than `out` holds.
pub fn decode(bytes: &[u8], out: &mut [f32]) -> Result<usize, Malformed> {
    decode_with(bytes, out, i16::from_le_bytes)
}

/// Samples (full scale 1.0, clipped beyond) to S16LE; says how many bytes.
///
/// # Errors
/// [`Refused::Full`]: `out` is too short; nothing was written.
pub fn encode(samples: &[f32], out: &mut [u8]) -> Result<usize, Refused> {
    encode_with(samples, out, i16::to_le_bytes)
}

/// Big-endian: L16 (RFC 3551, 4.5.11).
pub mod be16 {
    use super::{Malformed, Refused, decode_with, encode_with};

    /// As [`super::decode`], big-endian.
    ///
    /// # Errors
    /// An odd number of bytes, or more samples than `out` holds.
    pub fn decode(bytes: &[u8], out: &mut [f32]) -> Result<usize, Malformed> {
        decode_with(bytes, out, i16::from_be_bytes)
    }

    /// As [`super::encode`], big-endian.
    ///
    /// # Errors
    /// [`Refused::Full`]: `out` is too short; nothing was written.
    pub fn encode(samples: &[f32], out: &mut [u8]) -> Result<usize, Refused> {
        encode_with(samples, out, i16::to_be_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sample_survives_both_byte_orders() {
        for value in i16::MIN..=i16::MAX {
            let mut samples = [0.0; 1];
            let mut bytes = [0; 2];
            assert_eq!(decode(&value.to_le_bytes(), &mut samples), Ok(1));
            assert_eq!(encode(&samples, &mut bytes), Ok(2));
            assert_eq!(i16::from_le_bytes(bytes), value);
            assert_eq!(be16::encode(&samples, &mut bytes), Ok(2));
            assert_eq!(bytes, value.to_be_bytes());
            assert_eq!(be16::decode(&bytes, &mut samples), Ok(1));
            assert_eq!(samples[0], f32::from(value) / 32_768.0);
        }
    }

    #[test]
    fn too_loud_is_clipped_and_not_a_number_is_silence() {
        let mut bytes = [0; 8];
        encode(&[2.0, -2.0, f32::NAN, f32::INFINITY], &mut bytes).unwrap();
        assert_eq!(bytes, [0xff, 0x7f, 0x00, 0x80, 0, 0, 0xff, 0x7f]);
    }

    #[test]
    fn odd_bytes_and_short_buffers_are_refused() {
        assert_eq!(decode(&[0; 3], &mut [0.0; 8]), Err(Malformed::Value));
        assert_eq!(decode(&[0; 4], &mut [0.0; 1]), Err(Malformed::Length));
        assert_eq!(encode(&[0.0; 2], &mut [0; 3]), Err(Refused::Full));
    }
}
