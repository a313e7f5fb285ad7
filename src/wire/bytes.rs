//! Reading and writing big-endian fields with every bound checked. Pure; any thread runs it.

use super::{Malformed, Refused};

/// Reads from the front of a slice.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    /// The next `len` bytes.
    pub(super) fn take(&mut self, len: usize, or: Malformed) -> Result<&'a [u8], Malformed> {
        let (head, rest) = self.0.split_at_checked(len).ok_or(or)?;
        self.0 = rest;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (head, rest) = self.0.split_first_chunk().ok_or(Malformed::Short)?;
        self.0 = rest;
        Ok(*head)
    }

    pub(super) fn u8(&mut self) -> Result<u8, Malformed> {
        self.array().map(u8::from_be_bytes)
    }

    pub(super) fn u16(&mut self) -> Result<u16, Malformed> {
        self.array().map(u16::from_be_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, Malformed> {
        self.array().map(u32::from_be_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64, Malformed> {
        self.array().map(u64::from_be_bytes)
    }
}

/// Writes to the front of a slice; what does not fit is refused, and a failed [`Out::whole`] leaves no trace.
pub(super) struct Out<'a> {
    bytes: &'a mut [u8],
    len: usize,
}

impl<'a> Out<'a> {
    pub(super) fn new(bytes: &'a mut [u8]) -> Self {
        Self { bytes, len: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn put(&mut self, bytes: &[u8]) -> Result<(), Refused> {
        let end = self.len + bytes.len();
        self.bytes.get_mut(self.len..end).ok_or(Refused::Full)?.copy_from_slice(bytes);
        self.len = end;
        Ok(())
    }

    pub(super) fn u8(&mut self, value: u8) -> Result<(), Refused> {
        self.put(&[value])
    }

    pub(super) fn u16(&mut self, value: u16) -> Result<(), Refused> {
        self.put(&value.to_be_bytes())
    }

    pub(super) fn u32(&mut self, value: u32) -> Result<(), Refused> {
        self.put(&value.to_be_bytes())
    }

    pub(super) fn u64(&mut self, value: u64) -> Result<(), Refused> {
        self.put(&value.to_be_bytes())
    }

    /// Zeroes up to the next multiple of four.
    pub(super) fn align(&mut self) -> Result<(), Refused> {
        let short = self.len.next_multiple_of(4) - self.len;
        self.put(&[0; 3][..short])
    }

    /// Overwrites a field written before.
    pub(super) fn patch(&mut self, at: usize, value: &[u8]) {
        if let Some(field) = self.bytes[..self.len].get_mut(at..at + value.len()) {
            field.copy_from_slice(value);
        }
    }

    /// All that `write` writes, or nothing.
    pub(super) fn whole(&mut self, write: impl FnOnce(&mut Self) -> Result<(), Refused>) -> Result<(), Refused> {
        let start = self.len;
        let result = write(self);
        if result.is_err() {
            self.len = start;
        }
        result
    }
}
