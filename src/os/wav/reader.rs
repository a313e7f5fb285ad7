//! Reads WAV files: 8 to 32-bit PCM and floats, any rate and channels, also unfinished ones. Any shell thread.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use crate::os::sound::{OpenError, StreamFormat};

/// More than any voice file has; bounds the caller's buffers.
const CHANNELS_MAX: u16 = 64;
const RATES: std::ops::RangeInclusive<u32> = 4_000..=384_000;
/// Format tags (RFC 2361 and Microsoft's `mmreg.h`).
const PCM: u16 = 1;
const FLOAT: u16 = 3;
const EXTENSIBLE: u16 = 0xfffe;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    U8,
    I16,
    I24,
    I32,
    F32,
    F64,
}

impl Kind {
    fn of(tag: u16, bits: u16) -> Option<Self> {
        Some(match (tag, bits) {
            (PCM, 8) => Self::U8,
            (PCM, 16) => Self::I16,
            (PCM, 24) => Self::I24,
            (PCM, 32) => Self::I32,
            (FLOAT, 32) => Self::F32,
            (FLOAT, 64) => Self::F64,
            _ => return None,
        })
    }

    fn bytes(self) -> usize {
        match self {
            Self::U8 => 1,
            Self::I16 => 2,
            Self::I24 => 3,
            Self::I32 | Self::F32 => 4,
            Self::F64 => 8,
        }
    }

    /// `bytes`: exactly [`Kind::bytes`] of them; shorter reads as silence.
    fn decode(self, bytes: &[u8]) -> f32 {
        let value = match (self, bytes) {
            (Self::U8, [a]) => (f32::from(*a) - 128.0) / 128.0,
            (Self::I16, [a, b]) => f32::from(i16::from_le_bytes([*a, *b])) / 32_768.0,
            (Self::I24, [a, b, c]) => i32::from_le_bytes([0, *a, *b, *c]) as f32 / 2_147_483_648.0,
            (Self::I32, [a, b, c, d]) => i32::from_le_bytes([*a, *b, *c, *d]) as f32 / 2_147_483_648.0,
            (Self::F32, [a, b, c, d]) => f32::from_le_bytes([*a, *b, *c, *d]),
            (Self::F64, _) => bytes.try_into().map_or(0.0, |bytes| f64::from_le_bytes(bytes) as f32),
            _ => 0.0,
        };
        if value.is_finite() { value } else { 0.0 }
    }
}

/// An open WAV file, read as interleaved f32.
#[derive(Debug)]
pub struct WavReader {
    file: BufReader<File>,
    format: StreamFormat,
    kind: Kind,
    data_start: u64,
    data_bytes: u64,
    left: u64,
    raw: Vec<u8>,
}

impl WavReader {
    /// # Errors
    /// [`OpenError::File`]: it cannot be opened; [`OpenError::NotAWav`]: it is something else, or of a kind that is not read.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let cannot = |error: io::Error| OpenError::File { path: path.into(), why: error.to_string() };
        let not = |why: &str| OpenError::NotAWav { path: path.into(), why: why.into() };
        let file = File::open(path).map_err(cannot)?;
        let length = file.metadata().map_err(cannot)?;
        if length.is_dir() {
            return Err(not("it is a folder"));
        }
        let length = length.len();
        let mut file = BufReader::new(file);
        let mut riff = [0; 12];
        file.read_exact(&mut riff).map_err(|_| not("it is shorter than a header"))?;
        if &riff[..4] != b"RIFF" || &riff[8..] != b"WAVE" {
            return Err(not("it does not begin as a WAV does"));
        }
        let (mut at, mut found) = (12, None);
        loop {
            let mut head = [0; 8];
            if file.seek(SeekFrom::Start(at)).is_err() || file.read_exact(&mut head).is_err() {
                return Err(not("it has no samples"));
            }
            let size = u64::from(u32::from_le_bytes([head[4], head[5], head[6], head[7]]));
            let body = at + 8;
            match &head[..4] {
                b"fmt " => found = Some(read_format(&mut file, size).map_err(|why| not(&why))?),
                b"data" => {
                    let (format, kind) = found.ok_or_else(|| not("its samples come before their format"))?;
                    // A length of 0 or beyond the end is that of a writer that was killed, or wrote to a pipe: all there is.
                    let there = length.saturating_sub(body);
                    let data_bytes = if size == 0 || size > there { there } else { size };
                    return Ok(Self { file, format, kind, data_start: body, data_bytes, left: data_bytes, raw: Vec::new() });
                }
                _ => {}
            }
            at = body + size + size % 2;
        }
    }

    #[must_use]
    pub fn format(&self) -> StreamFormat {
        self.format
    }

    /// Reads whole frames into `out` (interleaved); returns how many samples, 0 at the end.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn read(&mut self, out: &mut [f32]) -> io::Result<usize> {
        let width = self.kind.bytes();
        let frame = width * usize::from(self.format.channels);
        let frames = (out.len() * width / frame).min(usize::try_from(self.left).unwrap_or(usize::MAX) / frame);
        self.raw.resize(frames * frame, 0);
        let mut got = 0;
        while got < self.raw.len() {
            match self.file.read(&mut self.raw[got..]) {
                Ok(0) => break,
                Ok(count) => got += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        let whole = got / frame * frame;
        self.left = if got < self.raw.len() { 0 } else { self.left - whole as u64 };
        for (to, from) in out.iter_mut().zip(self.raw[..whole].chunks_exact(width)) {
            *to = self.kind.decode(from);
        }
        Ok(whole / width)
    }

    /// Back to the first sample.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn rewind(&mut self) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(self.data_start))?;
        self.left = self.data_bytes;
        Ok(())
    }
}

fn read_format(file: &mut BufReader<File>, size: u64) -> Result<(StreamFormat, Kind), String> {
    let mut bytes = [0u8; 40];
    let length = size.min(40) as usize;
    if length < 16 || file.read_exact(&mut bytes[..length]).is_err() {
        return Err("its format is cut off".into());
    }
    let word = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
    let rate = u32::from_le_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]);
    let (channels, bits) = (word(2), word(14));
    // The true tag of an extensible format opens its GUID.
    let tag = if word(0) == EXTENSIBLE && length >= 26 { word(24) } else { word(0) };
    let kind = Kind::of(tag, bits).ok_or_else(|| format!("format {tag} with {bits} bits is not read: PCM and floats are"))?;
    if !(1..=CHANNELS_MAX).contains(&channels) {
        return Err(format!("{channels} channels"));
    }
    if !RATES.contains(&rate) {
        return Err(format!("{rate} samples a second"));
    }
    Ok((StreamFormat { rate, channels }, kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wav(tag: u16, bits: u16, channels: u16, rate: u32, data: &[u8], data_size: u32) -> Vec<u8> {
        let mut bytes = b"RIFF\0\0\0\0WAVELIST\x03\0\0\0abc\0fmt \x10\0\0\0".to_vec();
        bytes.extend_from_slice(&tag.to_le_bytes());
        bytes.extend_from_slice(&channels.to_le_bytes());
        bytes.extend_from_slice(&rate.to_le_bytes());
        bytes.extend_from_slice(&[0; 6]);
        bytes.extend_from_slice(&bits.to_le_bytes());
        bytes.extend_from_slice(b"data");
        bytes.extend_from_slice(&data_size.to_le_bytes());
        bytes.extend_from_slice(data);
        bytes
    }

    fn open(bytes: &[u8]) -> Result<WavReader, OpenError> {
        let file = tempfile::NamedTempFile::new().expect("file");
        std::fs::write(file.path(), bytes).expect("written");
        WavReader::open(file.path())
    }

    fn read(bytes: &[u8]) -> Vec<f32> {
        let mut out = [9.0; 64];
        let count = open(bytes).expect("a WAV").read(&mut out).expect("readable");
        out[..count].to_vec()
    }

    #[test]
    fn every_kind_of_sample_is_read() {
        assert_eq!(read(&wav(PCM, 8, 1, 8_000, &[128, 192, 0], 3)), [0.0, 0.5, -1.0]);
        assert_eq!(read(&wav(PCM, 16, 2, 44_100, &[0, 0x40, 0, 0xc0], 4)), [0.5, -0.5]);
        assert_eq!(read(&wav(PCM, 24, 1, 96_000, &[0, 0, 0x40, 0, 0, 0xc0], 6)), [0.5, -0.5]);
        assert_eq!(read(&wav(PCM, 32, 1, 48_000, &[0, 0, 0, 0x40], 4)), [0.5]);
        assert_eq!(read(&wav(FLOAT, 32, 1, 48_000, &(-0.25f32).to_le_bytes(), 4)), [-0.25]);
        assert_eq!(read(&wav(FLOAT, 64, 1, 48_000, &0.125f64.to_le_bytes(), 8)), [0.125]);
        assert_eq!(read(&wav(FLOAT, 32, 1, 48_000, &f32::NAN.to_le_bytes(), 4)), [0.0]);
    }

    #[test]
    fn an_unfinished_file_is_read_to_its_end() {
        for size in [0, u32::MAX] {
            assert_eq!(read(&wav(PCM, 16, 1, 48_000, &[0, 0x40, 0, 0x40, 7], size)), [0.5, 0.5]);
        }
    }

    #[test]
    fn it_starts_again_after_a_rewind() {
        let mut reader = open(&wav(PCM, 16, 1, 48_000, &[0, 0x40, 0, 0xc0], 4)).expect("a WAV");
        let mut out = [0.0; 8];
        assert_eq!(reader.read(&mut out).expect("readable"), 2);
        assert_eq!(reader.read(&mut out).expect("readable"), 0);
        reader.rewind().expect("rewound");
        assert_eq!(reader.read(&mut out[..1]).expect("readable"), 1);
        assert_eq!(out[0], 0.5);
    }

    #[test]
    fn what_is_no_wav_is_refused_with_the_reason() {
        let bad: [(&[u8], &str); 7] = [
            (b"", "shorter"),
            (b"OggS0000000000000000", "begin"),
            (b"RIFF\0\0\0\0WAVE", "no samples"),
            (&wav(85, 16, 1, 48_000, &[], 0), "format 85"),
            (&wav(PCM, 16, 0, 48_000, &[], 0), "0 channels"),
            (&wav(PCM, 16, 1, 1, &[], 0), "1 samples"),
            (b"RIFF\0\0\0\0WAVEdata\x04\0\0\0abcd", "before their format"),
        ];
        for (bytes, reason) in bad {
            let error = open(bytes).expect_err(reason).to_string();
            assert!(error.contains(reason) && error.contains("not a WAV"), "{error}");
        }
        assert!(matches!(WavReader::open(Path::new("/nonexistent/x.wav")), Err(OpenError::File { .. })));
    }
}
