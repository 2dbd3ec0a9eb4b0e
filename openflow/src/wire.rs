//! Reading and writing big-endian bytes.
//!
//! A [`Reader`] carries the error that a message deserves if it ends too early, since that depends on
//! where one reads: `OFPBRC_BAD_LEN` in a message, `OFPBAC_BAD_LEN` in an action, and so on.

use crate::error::OfpError;

/// The unread rest of some bytes.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    short: OfpError,
}

impl<'a> Reader<'a> {
    /// Reads bytes; too few of them are `short`.
    #[must_use]
    pub const fn new(bytes: &'a [u8], short: OfpError) -> Reader<'a> {
        Reader { bytes, short }
    }

    /// The same bytes with another error for too few.
    #[must_use]
    pub const fn or(self, short: OfpError) -> Reader<'a> {
        Reader { bytes: self.bytes, short }
    }

    /// The error for too few bytes.
    #[must_use]
    pub const fn short(&self) -> OfpError {
        self.short
    }

    /// Bytes left.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether nothing is left.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// What is left, without reading it.
    #[must_use]
    pub const fn peek(&self) -> &'a [u8] {
        self.bytes
    }

    /// Everything that is left.
    pub fn rest(&mut self) -> &'a [u8] {
        core::mem::take(&mut self.bytes)
    }

    /// The next `len` bytes.
    ///
    /// # Errors
    /// Fewer are left.
    pub fn bytes(&mut self, len: usize) -> Result<&'a [u8], OfpError> {
        let (head, tail) = self.bytes.split_at_checked(len).ok_or(self.short)?;
        self.bytes = tail;
        Ok(head)
    }

    /// The next `len` bytes, to read.
    ///
    /// # Errors
    /// Fewer are left.
    pub fn sub(&mut self, len: usize) -> Result<Reader<'a>, OfpError> {
        Ok(Reader { bytes: self.bytes(len)?, short: self.short })
    }

    /// The next `N` bytes.
    ///
    /// # Errors
    /// Fewer are left.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], OfpError> {
        let (head, tail) = self.bytes.split_first_chunk().ok_or(self.short)?;
        self.bytes = tail;
        Ok(*head)
    }

    /// Passes over padding.
    ///
    /// # Errors
    /// Fewer than `len` bytes are left.
    pub fn skip(&mut self, len: usize) -> Result<(), OfpError> {
        self.bytes(len).map(drop)
    }

    /// One byte.
    ///
    /// # Errors
    /// None is left.
    pub fn u8(&mut self) -> Result<u8, OfpError> {
        Ok(u8::from_be_bytes(self.array()?))
    }

    /// A big-endian integer of 16 bits.
    ///
    /// # Errors
    /// Fewer bytes are left.
    pub fn u16(&mut self) -> Result<u16, OfpError> {
        Ok(u16::from_be_bytes(self.array()?))
    }

    /// A big-endian integer of 32 bits.
    ///
    /// # Errors
    /// Fewer bytes are left.
    pub fn u32(&mut self) -> Result<u32, OfpError> {
        Ok(u32::from_be_bytes(self.array()?))
    }

    /// A big-endian integer of 64 bits.
    ///
    /// # Errors
    /// Fewer bytes are left.
    pub fn u64(&mut self) -> Result<u64, OfpError> {
        Ok(u64::from_be_bytes(self.array()?))
    }

    /// A name in a field of `N` bytes that ends at the first zero.
    ///
    /// # Errors
    /// Fewer bytes are left.
    pub fn name<const N: usize>(&mut self) -> Result<String, OfpError> {
        let field: [u8; N] = self.array()?;
        let name = field.split(|byte| *byte == 0).next().unwrap_or_default();
        Ok(String::from_utf8_lossy(name).into_owned())
    }
}

/// Bytes that are being written.
#[derive(Clone, Default, Debug)]
pub struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    /// Nothing written yet.
    #[must_use]
    pub const fn new() -> Writer {
        Writer { bytes: Vec::new() }
    }

    /// Bytes written: also where the next one goes.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.bytes.len()
    }

    /// What was written.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// What was written, to read.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Takes back everything behind `len` bytes.
    pub fn truncate(&mut self, len: usize) {
        self.bytes.truncate(len);
    }

    /// Writes bytes.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Writes `len` zeros.
    pub fn zeros(&mut self, len: usize) {
        self.bytes.resize(self.bytes.len() + len, 0);
    }

    /// Writes one byte.
    pub fn u8(&mut self, value: u8) {
        self.bytes.push(value);
    }

    /// Writes a big-endian integer.
    pub fn u16(&mut self, value: u16) {
        self.bytes(&value.to_be_bytes());
    }

    /// Writes a big-endian integer.
    pub fn u32(&mut self, value: u32) {
        self.bytes(&value.to_be_bytes());
    }

    /// Writes a big-endian integer.
    pub fn u64(&mut self, value: u64) {
        self.bytes(&value.to_be_bytes());
    }

    /// Writes a name in a field of `width` bytes, cut so that a zero follows it.
    pub fn name(&mut self, name: &str, width: usize) {
        let mut len = name.len().min(width.saturating_sub(1));
        while !name.is_char_boundary(len) {
            len -= 1;
        }
        self.bytes(&name.as_bytes()[..len]);
        self.zeros(width - len);
    }

    /// Writes zeros until what was written since `start` is a multiple of 8 bytes.
    pub fn pad8(&mut self, start: usize) {
        self.zeros((self.len() - start).next_multiple_of(8) - (self.len() - start));
    }

    /// Writes over the 16 bits at `at`, which were written before.
    pub fn patch_u16(&mut self, at: usize, value: u16) {
        if let Some(field) = self.bytes.get_mut(at..at + 2) {
            field.copy_from_slice(&value.to_be_bytes());
        }
    }

    /// Writes the number of bytes since `start` over the 16 bits at `at`. What is too long for them
    /// gets the largest number: whoever writes without bound checks the length himself.
    pub fn patch_len(&mut self, at: usize, start: usize) {
        self.patch_u16(at, u16::try_from(self.len() - start).unwrap_or(u16::MAX));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let mut w = Writer::new();
        w.u8(1);
        w.u16(0x0203);
        w.u32(0x0405_0607);
        w.u64(8);
        w.name("eth0", 6);
        w.name("abcdefg", 4);
        w.pad8(0);
        w.patch_len(1, 0);
        let bytes = w.into_bytes();
        assert_eq!(bytes.len(), 32);
        let mut r = Reader::new(&bytes, OfpError::BrBadLen);
        assert_eq!((r.u8(), r.u16(), r.u32(), r.u64()), (Ok(1), Ok(32), Ok(0x0405_0607), Ok(8)));
        assert_eq!(r.name::<6>().as_deref(), Ok("eth0"));
        assert_eq!(r.name::<4>().as_deref(), Ok("abc"));
        assert_eq!(r.rest(), [0; 7]);
        assert_eq!(r.u16(), Err(OfpError::BrBadLen));
        assert_eq!(r.or(OfpError::BaBadLen).u8(), Err(OfpError::BaBadLen));
    }
}
