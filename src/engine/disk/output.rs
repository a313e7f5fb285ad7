//! One file of a recording, WAV or Ogg Opus: samples in, on disk within about a second. Thread `disk`.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::audio::codec::{Encode, OpusEncoder, OpusSettings};
use crate::os::ogg::OggOpusWriter;
use crate::os::wav::WavWriter;
use crate::units::FRAME_SAMPLES;

/// Samples in a packet: 20 ms, Opus's own choice for everything that need not be soon.
const PACKET_SAMPLES: usize = 2 * FRAME_SAMPLES;
/// Bit/s of an Opus file: a voice like the original.
const BITRATE: u32 = 64_000;
/// Longest Opus packet of one frame, bytes (RFC 6716, 3.2.1).
const PACKET_MAX: usize = 1_275;
/// Packets of silence after which the encoder has settled on one.
const SETTLED: usize = 50;
/// Files that can have one name.
const NUMBERS: u32 = 1_000;

/// What the files of a recording are.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum RecordFormat {
    /// 48 kHz mono 16-bit PCM: 330 MiB an hour.
    #[default]
    Wav,
    /// Opus in Ogg (RFC 7845), 64 kbit/s: 27 MiB an hour.
    Opus,
}

impl RecordFormat {
    /// Also the file's extension.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Wav => "wav",
            Self::Opus => "opus",
        }
    }
}

impl fmt::Display for RecordFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Whether a file can be made in `dir`.
///
/// # Errors
/// None can: where and why, as a clause.
pub fn try_out(dir: &Path) -> Result<(), String> {
    let tried = reserve(dir, ".voicetui", "tmp").and_then(|(_, path)| std::fs::remove_file(path));
    tried.map_err(|error| not_made(dir, &error))
}

/// Why no file could be made in `dir`, as a clause.
pub fn not_made(dir: &Path, error: &io::Error) -> String {
    format!("a file in {} cannot be made ({error})", dir.display())
}

/// A file that grows.
#[derive(Debug)]
pub enum Output {
    Wav(WavWriter),
    Opus(Box<OpusOutput>),
}

impl Output {
    /// Makes a file in `dir` under a name that nobody has, readable by its owner only.
    ///
    /// # Errors
    /// It cannot be made or written.
    pub fn create(dir: &Path, stem: &str, format: RecordFormat) -> io::Result<Self> {
        let (file, path) = reserve(dir, stem, format.name())?;
        Ok(match format {
            RecordFormat::Wav => Self::Wav(WavWriter::fill(file, path)?),
            RecordFormat::Opus => Self::Opus(Box::new(OpusOutput::fill(file, path)?)),
        })
    }

    pub fn path(&self) -> PathBuf {
        match self {
            Self::Wav(wav) => wav.path(),
            Self::Opus(opus) => opus.ogg.path().to_owned(),
        }
    }

    /// # Errors
    /// The file cannot grow; what was written before stays playable.
    pub fn write(&mut self, samples: &[f32]) -> io::Result<()> {
        match self {
            Self::Wav(wav) => wav.write(samples),
            Self::Opus(opus) => opus.write(samples),
        }
    }

    /// Silence, hours of it in a moment.
    ///
    /// # Errors
    /// As [`Output::write`].
    pub fn silence(&mut self, samples: u64) -> io::Result<()> {
        match self {
            Self::Wav(wav) => wav.silence(samples),
            Self::Opus(opus) => opus.silence(samples),
        }
    }

    /// # Errors
    /// The end could not be written.
    pub fn finish(self) -> io::Result<()> {
        match self {
            Self::Wav(wav) => wav.finish(),
            Self::Opus(opus) => opus.finish(),
        }
    }
}

/// An encoder and the pages it fills.
#[derive(Debug)]
pub struct OpusOutput {
    encoder: OpusEncoder,
    ogg: OggOpusWriter,
    /// Less than a packet.
    pending: Vec<f32>,
    /// Samples so far.
    samples: u64,
}

impl OpusOutput {
    fn fill(file: File, path: PathBuf) -> io::Result<Self> {
        let encoder = new_encoder()?;
        let pre_skip = encoder.lookahead_samples() as u16;
        // Any number does, as long as files that are joined have different ones (RFC 3533, 4).
        let serial = SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |time| time.subsec_nanos());
        let ogg = OggOpusWriter::fill(file, path, pre_skip, serial)?;
        Ok(Self { encoder, ogg, pending: Vec::with_capacity(PACKET_SAMPLES), samples: 0 })
    }

    fn write(&mut self, mut samples: &[f32]) -> io::Result<()> {
        self.samples += samples.len() as u64;
        while !samples.is_empty() {
            let take = (PACKET_SAMPLES - self.pending.len()).min(samples.len());
            self.pending.extend_from_slice(&samples[..take]);
            samples = &samples[take..];
            if self.pending.len() == PACKET_SAMPLES {
                let packet = self.encode();
                self.ogg.packet(&packet, PACKET_SAMPLES as u64)?;
            }
        }
        Ok(())
    }

    /// The pending samples as a packet.
    fn encode(&mut self) -> Vec<u8> {
        let mut packet = vec![0; PACKET_MAX];
        let length = self.encoder.encode(&self.pending, &mut packet);
        packet.truncate(length);
        self.pending.clear();
        packet
    }

    fn silence(&mut self, mut samples: u64) -> io::Result<()> {
        const PACKET: u64 = PACKET_SAMPLES as u64;
        if samples > SETTLED as u64 * PACKET {
            // What was said ends with packets of its own; then one packet of silence, again and again.
            let to_settle = SETTLED as u64 * PACKET - self.pending.len() as u64;
            self.write(&vec![0.0; to_settle as usize])?;
            samples -= to_settle;
            let mut packet = [0; PACKET_MAX];
            let length = self.encoder.encode(&[0.0; PACKET_SAMPLES], &mut packet);
            while samples >= PACKET {
                self.ogg.packet(&packet[..length], PACKET)?;
                self.samples += PACKET;
                samples -= PACKET;
            }
        }
        self.write(&vec![0.0; samples as usize])
    }

    /// The encoder still has its look-ahead: the stream ends where it has come out (RFC 7845, 4.4).
    fn finish(mut self) -> io::Result<()> {
        let end = self.samples + self.encoder.lookahead_samples() as u64;
        loop {
            self.pending.resize(PACKET_SAMPLES, 0.0);
            let packet = self.encode();
            if self.ogg.granule() + PACKET_SAMPLES as u64 >= end {
                return self.ogg.finish(&packet, end);
            }
            self.ogg.packet(&packet, PACKET_SAMPLES as u64)?;
        }
    }
}

fn new_encoder() -> io::Result<OpusEncoder> {
    let settings = OpusSettings { bitrate: BITRATE, frame_samples: PACKET_SAMPLES, faithful: true, ..OpusSettings::default() };
    OpusEncoder::new(settings).map_err(io::Error::other)
}

/// A name that no file system and no shell stumbles over.
pub fn file_name(label: &str) -> String {
    let safe = |c: char| if c.is_alphanumeric() || matches!(c, '-' | '.') { c } else { '_' };
    let name: String = label.chars().map(safe).take(48).collect();
    let name = name.trim_matches(['.', '_']);
    if name.is_empty() { "peer".into() } else { name.into() }
}

/// A file that was not there, made so that nobody else makes it, for its owner only.
fn reserve(dir: &Path, stem: &str, extension: &str) -> io::Result<(File, PathBuf)> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut number = 1;
    loop {
        let name = if number == 1 { format!("{stem}.{extension}") } else { format!("{stem}_{number}.{extension}") };
        let path = dir.join(name);
        match options.open(&path) {
            Ok(file) => return Ok((file, path)),
            Err(error) if error.kind() == ErrorKind::AlreadyExists && number < NUMBERS => number += 1,
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::audio::codec::{Codec, DECODED_MAX, Decoder};
    use crate::os::wav::WavReader;

    /// All samples of a recording's file, as a player gives them out.
    pub fn samples_of(path: &Path) -> Vec<f32> {
        if path.extension().is_some_and(|extension| extension == "opus") {
            return opus_samples(path);
        }
        let mut reader = WavReader::open(path).expect("a WAV");
        let (mut samples, mut buffer) = (Vec::new(), vec![0.0; 100_000]);
        while let count @ 1.. = reader.read(&mut buffer).expect("readable") {
            samples.extend_from_slice(&buffer[..count]);
        }
        samples
    }

    fn opus_samples(path: &Path) -> Vec<f32> {
        let mut reader = ogg::PacketReader::new(File::open(path).expect("there"));
        let head = reader.read_packet_expected().expect("a head").data;
        assert_eq!((&head[..8], head[8], head[9]), (&b"OpusHead"[..], 1, 1));
        let skip = usize::from(u16::from_le_bytes([head[10], head[11]]));
        assert!(reader.read_packet_expected().expect("tags").data.starts_with(b"OpusTags"));
        let mut decoder = Decoder::new(Codec::Opus).expect("a decoder");
        let (mut samples, mut buffer, mut end) = (Vec::new(), vec![0.0; DECODED_MAX], usize::MAX);
        while let Ok(Some(packet)) = reader.read_packet() {
            let count = decoder.decode(&packet.data, &mut buffer).expect("a packet");
            samples.extend_from_slice(&buffer[..count]);
            end = packet.absgp_page() as usize;
        }
        samples.truncate(end);
        samples.split_off(skip.min(samples.len()))
    }

    fn voiced(n: usize) -> f32 {
        let t = n as f32 / 48_000.0;
        (1..12).map(|k| (t * 140.0 * k as f32 * std::f32::consts::TAU).sin() / k as f32).sum::<f32>() * 0.15
    }

    /// How alike two sounds are, 1 for the same.
    fn likeness(one: &[f32], other: &[f32]) -> f32 {
        let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
        dot(one, other) / (dot(one, one) * dot(other, other)).sqrt()
    }

    #[test]
    fn an_opus_file_gives_back_the_same_voice_of_the_same_length() {
        let dir = tempfile::tempdir().expect("a directory");
        for length in [0, 1, 959, 960, 48_000 - 312, 48_000, 100_003] {
            let voice: Vec<f32> = (0..length).map(voiced).collect();
            let mut output = Output::create(dir.path(), "a", RecordFormat::Opus).expect("made");
            let path = output.path();
            for piece in voice.chunks(4_801) {
                output.write(piece).expect("written");
            }
            output.finish().expect("finished");
            let heard = samples_of(&path);
            assert_eq!(heard.len(), length);
            if length > 40_000 {
                let alike = likeness(&voice[2_000..], &heard[2_000..]);
                assert!(alike > 0.98, "{alike}");
            }
        }
    }

    #[test]
    fn hours_of_silence_are_silent_and_what_follows_stands_in_its_place() {
        let dir = tempfile::tempdir().expect("a directory");
        for format in [RecordFormat::Wav, RecordFormat::Opus] {
            let mut output = Output::create(dir.path(), "a", format).expect("made");
            let path = output.path();
            let voice: Vec<f32> = (0..48_000).map(voiced).collect();
            let gap = 120 * 48_000 + 77;
            output.write(&voice[..10_000]).expect("written");
            output.silence(gap).expect("written");
            output.write(&voice).expect("written");
            output.finish().expect("finished");
            let heard = samples_of(&path);
            let gap = gap as usize;
            assert_eq!(heard.len(), 58_000 + gap);
            let loudest = heard[12_000..gap + 8_000].iter().fold(0f32, |peak, s| peak.max(s.abs()));
            assert!(loudest < 5e-4, "{format}: {loudest}");
            let alike = likeness(&voice[2_000..], &heard[12_000 + gap..]);
            assert!(alike > 0.98, "{format}: {alike}");
        }
    }

    #[test]
    fn no_file_is_written_over_and_all_are_private() {
        let dir = tempfile::tempdir().expect("a directory");
        std::fs::write(dir.path().join("a.wav"), "mine").expect("written");
        let output = Output::create(dir.path(), "a", RecordFormat::Wav).expect("made");
        assert_eq!(output.path(), dir.path().join("a_2.wav"));
        assert_eq!(std::fs::read(dir.path().join("a.wav")).expect("there"), b"mine");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(std::fs::metadata(output.path()).expect("there").permissions().mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn a_peers_name_makes_a_harmless_file_name() {
        assert_eq!(file_name("../../etc/passwd"), "etc_passwd");
        assert_eq!(file_name("\u{1b}[31m"), "31m");
        assert_eq!(file_name("..."), "peer");
        assert_eq!(file_name("10.0.0.7:5005"), "10.0.0.7_5005");
    }
}
