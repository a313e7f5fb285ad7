//! Opus in Ogg (RFC 7845): mono at 48 kHz, a page each second, so that a file is playable whenever its writer ends. Any shell thread.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use ogg::{PacketWriteEndInfo, PacketWriter};

use crate::units::SAMPLE_RATE;

/// Samples in a page (RFC 7845, 3: no more than a second, unless there is a reason).
const PAGE_SAMPLES: u64 = SAMPLE_RATE as u64;

/// Writes packets of one mono stream. Whatever happens to the process, what is in whole pages is playable: all but the last second.
pub struct OggOpusWriter {
    path: PathBuf,
    file: File,
    /// Whole pages come out in its `Vec`.
    pages: PacketWriter<'static, Vec<u8>>,
    serial: u32,
    /// Samples so far, those that a decoder skips included: the granule position (RFC 7845, 4).
    granule: u64,
    /// Samples since the last page.
    waiting: u64,
    /// Bytes of whole pages in the file.
    bytes: u64,
}

impl std::fmt::Debug for OggOpusWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OggOpusWriter").field("path", &self.path).field("granule", &self.granule).finish_non_exhaustive()
    }
}

impl OggOpusWriter {
    /// Fills `file`, which is empty; its head is written at once. `pre_skip`: samples at the start that a player leaves out, the
    /// encoder's look-ahead (RFC 7845, 4.2). `serial` tells the stream from others in one file.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn fill(file: File, path: PathBuf, pre_skip: u16, serial: u32) -> io::Result<Self> {
        let pages = PacketWriter::new(Vec::new());
        let mut writer = Self { path, file, pages, serial, granule: 0, waiting: 0, bytes: 0 };
        // Each header has a page of its own (RFC 7845, 3).
        writer.put(head(pre_skip), PacketWriteEndInfo::EndPage)?;
        writer.put(tags(), PacketWriteEndInfo::EndPage)?;
        Ok(writer)
    }

    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Samples in the packets so far, those that a player skips included.
    #[must_use]
    pub fn granule(&self) -> u64 {
        self.granule
    }

    /// Appends a packet of `samples` samples.
    ///
    /// # Errors
    /// The file cannot grow: the page is lost, what was written before stays playable.
    pub fn packet(&mut self, packet: &[u8], samples: u64) -> io::Result<()> {
        self.granule += samples;
        self.waiting += samples;
        let mut end = PacketWriteEndInfo::NormalPacket;
        if self.waiting >= PAGE_SAMPLES {
            (end, self.waiting) = (PacketWriteEndInfo::EndPage, 0);
        }
        self.put(packet.to_vec(), end)
    }

    /// Appends the last packet. `granule`: where the stream ends; what the packets hold beyond is not played (RFC 7845, 4.4).
    ///
    /// # Errors
    /// The last second could not be written.
    pub fn finish(mut self, packet: &[u8], granule: u64) -> io::Result<()> {
        self.granule = granule;
        self.put(packet.to_vec(), PacketWriteEndInfo::EndStream)
    }

    fn put(&mut self, packet: Vec<u8>, end: PacketWriteEndInfo) -> io::Result<()> {
        self.pages.write_packet(packet, self.serial, end, self.granule)?;
        let pages = std::mem::take(self.pages.inner_mut());
        if pages.is_empty() {
            return Ok(());
        }
        // In one go, so that a killed process leaves whole pages.
        if let Err(error) = self.file.write_all(&pages) {
            // Half a page is nothing that a player wants.
            let _ = self.file.set_len(self.bytes).and_then(|()| self.file.seek(SeekFrom::Start(self.bytes)));
            return Err(error);
        }
        self.bytes += pages.len() as u64;
        Ok(())
    }
}

/// RFC 7845, 5.1: version 1, one channel, recorded at 48 kHz, no gain, mapping family 0.
fn head(pre_skip: u16) -> Vec<u8> {
    let mut head = b"OpusHead\x01\x01".to_vec();
    head.extend(pre_skip.to_le_bytes());
    head.extend(SAMPLE_RATE.to_le_bytes());
    head.extend([0, 0, 0]);
    head
}

/// RFC 7845, 5.2: who wrote it, and no comments.
fn tags() -> Vec<u8> {
    let vendor = concat!("voicetui ", env!("CARGO_PKG_VERSION"));
    let mut tags = b"OpusTags".to_vec();
    tags.extend((vendor.len() as u32).to_le_bytes());
    tags.extend(vendor.as_bytes());
    tags.extend(0u32.to_le_bytes());
    tags
}

#[cfg(test)]
mod tests {
    use super::*;
    use ogg::PacketReader;

    fn writer(dir: &Path) -> OggOpusWriter {
        let path = dir.join("a.opus");
        OggOpusWriter::fill(File::create(&path).expect("made"), path, 312, 7).expect("begun")
    }

    /// Sizes and granule positions of the packets that a reader finds.
    fn packets(path: &Path) -> Vec<(usize, u64, bool)> {
        let mut reader = PacketReader::new(File::open(path).expect("there"));
        let mut all = Vec::new();
        while let Ok(Some(packet)) = reader.read_packet() {
            all.push((packet.data.len(), packet.absgp_page(), packet.last_in_stream()));
        }
        all
    }

    #[test]
    fn a_file_begins_and_ends_as_the_standard_says() {
        let dir = tempfile::tempdir().expect("a directory");
        let mut ogg = writer(dir.path());
        for _ in 0..60 {
            ogg.packet(&[0xf8, 1, 2], 960).expect("written");
        }
        let path = ogg.path().to_owned();
        ogg.finish(&[0xf8; 400], 60 * 960 + 312).expect("finished");
        let all = packets(&path);
        assert_eq!(all[0], (19, 0, false));
        assert!(all[1].0 > 16 && all[1].1 == 0);
        assert_eq!((all[2], all[51]), ((3, 48_000, false), (3, 48_000, false)));
        assert_eq!((all.len(), all[62]), (63, (400, 57_912, true)));
        let bytes = std::fs::read(&path).expect("there");
        assert_eq!((&bytes[..4], &bytes[28..36]), (&b"OggS"[..], &b"OpusHead"[..]));
    }

    #[test]
    fn a_file_whose_writer_was_killed_is_playable_up_to_the_last_second() {
        let dir = tempfile::tempdir().expect("a directory");
        let mut ogg = writer(dir.path());
        let path = ogg.path().to_owned();
        assert_eq!(packets(&path).len(), 2, "the head is there from the start");
        for _ in 0..110 {
            ogg.packet(&[0xf8; 700], 960).expect("written");
        }
        // As after SIGKILL: nothing of the writer runs any more.
        std::mem::forget(ogg);
        assert!(packets(&path).len() >= 2 + 100);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_is_an_error_each_time_and_never_a_panic() {
        if !Path::new("/dev/full").exists() {
            return;
        }
        let dir = tempfile::tempdir().expect("a directory");
        let mut ogg = writer(dir.path());
        ogg.file = File::options().write(true).open("/dev/full").expect("a device that is always full");
        let failed = (0..200).filter(|_| ogg.packet(&[0xf8, 1, 2], 960).is_err()).count();
        assert_eq!(failed, 4);
    }
}
