//! WAV files: reads any PCM or float, writes 48 kHz mono 16-bit whose header is true at every second. Any shell thread.

mod reader;

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

pub use reader::WavReader;

use crate::units::SAMPLE_RATE;

/// The writer's header: RIFF, `fmt `, `data`, nothing else (RIFF's "plain PCM").
const HEADER_BYTES: u64 = 44;
/// Samples between two times at which file and header are brought up to date: half a second.
const CHECKPOINT_SAMPLES: usize = SAMPLE_RATE as usize / 2;
/// Bytes of samples in one file: RIFF counts in 32 bits, header included. 12 hours and 25 minutes.
const DATA_MAX: u64 = (u32::MAX as u64 - HEADER_BYTES) & !1;

/// Writes 48 kHz mono 16-bit PCM. Whatever happens to the process, the file is playable up to the last half second.
#[derive(Debug)]
pub struct WavWriter {
    /// As asked for; later parts have `-2`, `-3` before the extension.
    path: PathBuf,
    part: u32,
    file: File,
    /// Samples not yet in the file.
    pending: Vec<u8>,
    /// Bytes of samples in the file and in its header.
    written: u64,
    data_max: u64,
}

impl WavWriter {
    /// Makes or empties the file.
    ///
    /// # Errors
    /// The file cannot be made or written.
    pub fn create(path: impl Into<PathBuf>) -> io::Result<Self> {
        Self::with_limit(path.into(), DATA_MAX)
    }

    /// Fills `file`, which is empty and lies at `path`.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn fill(mut file: File, path: PathBuf) -> io::Result<Self> {
        file.write_all(&header(0))?;
        Ok(Self::new(file, path, DATA_MAX))
    }

    fn with_limit(path: PathBuf, data_max: u64) -> io::Result<Self> {
        let file = begin(&path)?;
        Ok(Self::new(file, path, data_max))
    }

    fn new(file: File, path: PathBuf, data_max: u64) -> Self {
        Self { path, part: 1, file, pending: Vec::with_capacity(CHECKPOINT_SAMPLES * 2), written: 0, data_max }
    }

    /// The file that is being written now.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        part_path(&self.path, self.part)
    }

    /// Appends samples (-1..=1, clipped beyond; not a number is silence). When the file reaches 4 GiB the next part begins.
    ///
    /// # Errors
    /// The file cannot grow (disk full): up to half a second is lost, what was written before stays playable, and later calls try again.
    pub fn write(&mut self, samples: &[f32]) -> io::Result<()> {
        for sample in samples {
            let value = (sample.clamp(-1.0, 1.0) * 32_767.0).round() as i16;
            self.pending.extend_from_slice(&value.to_le_bytes());
            if self.pending.len() >= CHECKPOINT_SAMPLES * 2 {
                self.checkpoint()?;
            }
        }
        Ok(())
    }

    /// Appends silence, as a hole in the file where the file system knows holes.
    ///
    /// # Errors
    /// As [`WavWriter::write`].
    pub fn silence(&mut self, samples: u64) -> io::Result<()> {
        self.checkpoint()?;
        let mut left = samples * 2;
        while left > 0 {
            let count = left.min(self.data_max.saturating_sub(self.written));
            self.file.set_len(HEADER_BYTES + self.written + count)?;
            self.head(self.written + count)?;
            left -= count;
            if left > 0 {
                self.next_part()?;
            }
        }
        Ok(())
    }

    /// Brings the file and its header up to date now.
    ///
    /// # Errors
    /// As [`WavWriter::write`].
    pub fn checkpoint(&mut self) -> io::Result<()> {
        if self.written + self.pending.len() as u64 > self.data_max {
            self.next_part()?;
        }
        let appended = self.append();
        // On failure too: memory must not grow while a disk is full.
        self.pending.clear();
        if appended.is_err() {
            let _ = self.file.set_len(HEADER_BYTES + self.written);
        }
        appended
    }

    fn next_part(&mut self) -> io::Result<()> {
        self.file = begin(&part_path(&self.path, self.part + 1))?;
        self.part += 1;
        self.written = 0;
        Ok(())
    }

    /// Samples first, header after: it never counts what is not there.
    fn append(&mut self) -> io::Result<()> {
        if self.pending.is_empty() {
            return Ok(());
        }
        self.file.seek(SeekFrom::Start(HEADER_BYTES + self.written))?;
        self.file.write_all(&self.pending)?;
        self.head(self.written + self.pending.len() as u64)
    }

    fn head(&mut self, written: u64) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(0))?;
        self.file.write_all(&header(written))?;
        self.written = written;
        Ok(())
    }

    /// Samples so far in this part, those not yet on disk included.
    #[must_use]
    pub fn samples(&self) -> u64 {
        (self.written + self.pending.len() as u64) / 2
    }

    /// Completes the file.
    ///
    /// # Errors
    /// The last half second could not be written.
    pub fn finish(mut self) -> io::Result<()> {
        self.checkpoint()
    }
}

impl Drop for WavWriter {
    fn drop(&mut self) {
        if let Err(error) = self.checkpoint() {
            tracing::warn!("{}: {error}", self.path().display());
        }
    }
}

fn begin(path: &Path) -> io::Result<File> {
    let mut file = File::create(path)?;
    file.write_all(&header(0))?;
    Ok(file)
}

fn part_path(path: &Path, part: u32) -> PathBuf {
    if part == 1 {
        return path.to_owned();
    }
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let extension = path.extension().map(|extension| format!(".{}", extension.to_string_lossy())).unwrap_or_default();
    path.with_file_name(format!("{stem}-{part}{extension}"))
}

/// `data_bytes` <= [`DATA_MAX`], so no count overflows.
fn header(data_bytes: u64) -> [u8; HEADER_BYTES as usize] {
    let mut header = [0; HEADER_BYTES as usize];
    let riff_bytes = (data_bytes + HEADER_BYTES - 8) as u32;
    let fields: [&[u8]; 13] = [
        b"RIFF",
        &riff_bytes.to_le_bytes(),
        b"WAVE",
        b"fmt ",
        &16u32.to_le_bytes(),
        &1u16.to_le_bytes(),
        &1u16.to_le_bytes(),
        &SAMPLE_RATE.to_le_bytes(),
        &(SAMPLE_RATE * 2).to_le_bytes(),
        &2u16.to_le_bytes(),
        &16u16.to_le_bytes(),
        b"data",
        &(data_bytes as u32).to_le_bytes(),
    ];
    let mut at = 0;
    for field in fields {
        header[at..at + field.len()].copy_from_slice(field);
        at += field.len();
    }
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples_of(path: &Path) -> Vec<f32> {
        let mut reader = WavReader::open(path).expect("a WAV");
        let mut samples = vec![0.0; 1_000_000];
        let count = reader.read(&mut samples).expect("readable");
        samples.truncate(count);
        samples
    }

    #[test]
    fn what_was_written_is_read_back() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("a.wav");
        let mut writer = WavWriter::create(&path).expect("created");
        writer.write(&[0.5, -0.5, 2.0, -2.0, f32::NAN]).expect("written");
        assert_eq!(writer.samples(), 5);
        writer.finish().expect("finished");
        let samples = samples_of(&path);
        assert!((samples[0] - 0.5).abs() < 1e-4 && (samples[1] + 0.5).abs() < 1e-4);
        assert!(samples[2] > 0.999 && samples[3] < -0.999 && samples[4] == 0.0);
    }

    #[test]
    fn a_file_whose_writer_was_killed_is_playable_up_to_the_last_half_second() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("a.wav");
        let mut writer = WavWriter::create(&path).expect("created");
        assert!(samples_of(&path).is_empty());
        writer.write(&vec![0.25; 60_000]).expect("written");
        // As after SIGKILL: nothing of the writer runs any more.
        std::mem::forget(writer);
        assert_eq!(samples_of(&path).len(), 48_000);
        let bytes = std::fs::read(&path).expect("bytes");
        assert_eq!(bytes.len(), 44 + 96_000);
        assert_eq!(&bytes[4..8], &(36u32 + 96_000).to_le_bytes());
    }

    #[test]
    fn a_full_part_is_followed_by_the_next() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("long.wav");
        let limit = (CHECKPOINT_SAMPLES * 4) as u64;
        let mut writer = WavWriter::with_limit(path.clone(), limit).expect("created");
        writer.write(&vec![0.25; CHECKPOINT_SAMPLES * 3]).expect("written");
        assert_eq!(writer.path(), folder.path().join("long-2.wav"));
        writer.finish().expect("finished");
        assert_eq!(samples_of(&path).len(), CHECKPOINT_SAMPLES * 2);
        assert_eq!(samples_of(&folder.path().join("long-2.wav")).len(), CHECKPOINT_SAMPLES);
    }

    #[test]
    fn silence_is_a_hole_that_reads_as_silence() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("a.wav");
        let mut writer = WavWriter::fill(File::create(&path).expect("made"), path.clone()).expect("begun");
        writer.write(&[0.5; 100]).expect("written");
        writer.silence(900_000).expect("written");
        writer.write(&[0.25; 100]).expect("written");
        assert_eq!(writer.samples(), 900_200);
        writer.finish().expect("finished");
        let samples = samples_of(&path);
        assert_eq!(samples.len(), 900_200);
        assert!(samples[99] > 0.4 && samples[100..900_100].iter().all(|s| *s == 0.0) && samples[900_100] > 0.2);
        let parts = folder.path().join("long.wav");
        let mut writer = WavWriter::with_limit(parts.clone(), 1_000).expect("created");
        writer.silence(1_200).expect("written");
        assert_eq!((writer.path(), writer.samples()), (folder.path().join("long-3.wav"), 200));
    }

    #[test]
    fn the_longest_header_does_not_overflow() {
        let bytes = header(DATA_MAX);
        assert_eq!(u32::from_le_bytes([bytes[40], bytes[41], bytes[42], bytes[43]]), u32::MAX - 45);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_is_an_error_each_time_and_never_a_panic() {
        if !Path::new("/dev/full").exists() {
            return;
        }
        assert!(WavWriter::create("/dev/full").is_err());
        let folder = tempfile::tempdir().expect("folder");
        let mut writer = WavWriter::create(folder.path().join("a.wav")).expect("created");
        writer.file = File::options().write(true).open("/dev/full").expect("a device that is always full");
        for _ in 0..3 {
            assert!(writer.write(&[0.0; CHECKPOINT_SAMPLES]).is_err());
            assert_eq!((writer.pending.len(), writer.written), (0, 0));
        }
    }
}
