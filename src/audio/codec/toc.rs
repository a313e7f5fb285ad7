//! The shape of an Opus packet without decoding it (RFC 6716, 3.1 and 3.2). Pure.

/// Longest packet, samples at 48 kHz: 120 ms (R5).
const SAMPLES_MAX: usize = 5_760;
/// Longest frame, bytes (R2).
const FRAME_BYTES_MAX: usize = 1_275;

struct Shape<'a> {
    samples_per_frame: usize,
    frames: usize,
    first: &'a [u8],
}

/// Samples per channel at 48 kHz that an Opus packet decodes to: 120..=5,760. A lone TOC byte (DTX) counts its frame.
/// `None`: malformed by any of R1 to R7 of RFC 6716, 3.4.
#[must_use]
pub fn opus_packet_samples(payload: &[u8]) -> Option<usize> {
    shape(payload).map(|shape| shape.samples_per_frame * shape.frames)
}

/// Whether the packet carries a low-bitrate copy of the one before it (LBRR; RFC 6716, 4.2.3 and 4.2.4).
#[must_use]
pub fn opus_has_lbrr(payload: &[u8]) -> bool {
    let (Some(toc), Some(shape)) = (payload.first(), shape(payload)) else { return false };
    let is_celt = toc & 0x80 != 0;
    let Some(head) = shape.first.first() else { return false };
    if is_celt {
        return false;
    }
    // The header bits: one VAD flag for each 20 ms, then the LBRR flag; the same again for a side channel.
    let parts = (shape.samples_per_frame / 960).max(1);
    let mid = head >> (7 - parts) & 1 != 0;
    let is_stereo = toc & 0x04 != 0;
    mid || (is_stereo && head >> (6 - 2 * parts) & 1 != 0)
}

fn samples_per_frame(toc: u8) -> usize {
    let config = usize::from(toc >> 3);
    match config {
        0..=11 => [480, 960, 1_920, 2_880][config % 4],
        12..=15 => [480, 960][config % 2],
        _ => 120 << (config % 4),
    }
}

fn shape(payload: &[u8]) -> Option<Shape<'_>> {
    let (&toc, rest) = payload.split_first()?;
    let samples_per_frame = samples_per_frame(toc);
    let (frames, first) = match toc & 3 {
        0 => (1, rest),
        1 if rest.len().is_multiple_of(2) => (2, &rest[..rest.len() / 2]),
        1 => return None,
        2 => {
            let (len, rest) = frame_length(rest)?;
            let first = rest.get(..len)?;
            (2, fits(rest.len() - len).then_some(first)?)
        }
        _ => several(rest, SAMPLES_MAX / samples_per_frame)?,
    };
    (fits(first.len()) && frames * samples_per_frame <= SAMPLES_MAX).then_some(Shape { samples_per_frame, frames, first })
}

fn fits(len: usize) -> bool {
    len <= FRAME_BYTES_MAX
}

/// Code 3: a counted number of frames (RFC 6716, 3.2.5): how many, and the first.
fn several(rest: &[u8], frames_max: usize) -> Option<(usize, &[u8])> {
    let (&head, mut rest) = rest.split_first()?;
    let frames = usize::from(head & 0x3f);
    if frames == 0 || frames > frames_max {
        return None;
    }
    if head & 0x40 != 0 {
        let mut padding = 0;
        loop {
            let (&more, after) = rest.split_first()?;
            rest = after;
            padding += usize::from(more.min(254));
            if more != 255 {
                break;
            }
        }
        rest = rest.get(..rest.len().checked_sub(padding)?)?;
    }
    if head & 0x80 == 0 {
        let len = rest.len() / frames;
        return (rest.len().is_multiple_of(frames) && fits(len)).then_some((frames, &rest[..len]));
    }
    let (mut first_len, mut total) = (None, 0);
    for _ in 1..frames {
        let (len, after) = frame_length(rest)?;
        first_len.get_or_insert(len);
        total += len;
        rest = after;
    }
    let last = rest.len().checked_sub(total)?;
    fits(last).then_some((frames, rest.get(..first_len.unwrap_or(last))?))
}

/// One or two bytes of frame length (RFC 6716, 3.2.1), and what follows them.
fn frame_length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (&first, rest) = bytes.split_first()?;
    if first < 252 {
        return Some((usize::from(first), rest));
    }
    let (&second, rest) = rest.split_first()?;
    Some((usize::from(second) * 4 + usize::from(first), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_follow_the_table_of_configurations() {
        // RFC 6716, table 2: SILK 10-60 ms, hybrid 10-20 ms, CELT 2.5-20 ms.
        for (config, samples) in [(0, 480), (3, 2_880), (9, 960), (12, 480), (15, 960), (16, 120), (31, 960)] {
            assert_eq!(opus_packet_samples(&[config << 3, 1, 2, 3]), Some(samples));
        }
    }

    #[test]
    fn dtx_packets_have_a_length_and_empty_ones_have_none() {
        assert_eq!(opus_packet_samples(&[15 << 3]), Some(960));
        assert_eq!(opus_packet_samples(&[15 << 3 | 1]), Some(1_920));
        assert_eq!(opus_packet_samples(&[]), None);
    }

    #[test]
    fn malformed_packets_are_refused() {
        let celt_2_5_ms = 16 << 3 | 3;
        for packet in [
            &[celt_2_5_ms][..],
            &[celt_2_5_ms, 0],
            &[celt_2_5_ms, 49],
            &[31 << 3 | 3, 7],
            &[31 << 3 | 1, 9],
            &[31 << 3 | 2, 5, 1],
            &[31 << 3 | 2, 252],
            &[31 << 3 | 3, 0x40 | 1, 255],
            &[31 << 3 | 3, 0x40 | 1, 3, 0],
            &[31 << 3 | 3, 2, 0],
            &[31 << 3 | 3, 0x80 | 2, 9, 0],
        ] {
            assert_eq!(opus_packet_samples(packet), None, "{packet:x?}");
        }
        assert_eq!(opus_packet_samples(&vec![0; 1_277]), None);
    }

    #[test]
    fn well_formed_code_3_packets_pass() {
        assert_eq!(opus_packet_samples(&[16 << 3 | 3, 48]), Some(5_760));
        assert_eq!(opus_packet_samples(&[31 << 3 | 3, 0x40 | 2, 1, 8, 8, 0]), Some(1_920));
        assert_eq!(opus_packet_samples(&[31 << 3 | 3, 0x80 | 2, 1, 8, 8, 8]), Some(1_920));
    }
}
