//! A cursor over the fields of a reply that knows their place for error messages.

use super::error::DecodeError;
use super::text::{self, Text};
use crate::Mac;
use crate::bytes::Reader;

/// Reads little-endian fields.
#[derive(Clone, Debug)]
pub(super) struct Fields<'a> {
    reader: Reader<'a>,
    offset: usize,
}

impl<'a> Fields<'a> {
    /// A cursor over `bytes`, which begin at `offset` of the reply.
    pub(super) const fn at(bytes: &'a [u8], offset: usize) -> Self {
        Self {
            reader: Reader::new(bytes),
            offset,
        }
    }

    pub(super) const fn len(&self) -> usize {
        self.reader.len()
    }

    pub(super) const fn offset(&self) -> usize {
        self.offset
    }

    pub(super) fn array<const N: usize>(
        &mut self,
        field: &'static str,
    ) -> Result<[u8; N], DecodeError> {
        let offset = self.offset;
        let bytes = self
            .reader
            .array()
            .map_err(|_| DecodeError::Short { field, offset })?;
        self.offset += N;
        Ok(bytes)
    }

    /// Bytes that the compiler left between two fields; nobody says what is in them.
    pub(super) fn pad<const N: usize>(&mut self) -> Result<(), DecodeError> {
        self.array::<N>("padding").map(|_| ())
    }

    pub(super) fn u8(&mut self, field: &'static str) -> Result<u8, DecodeError> {
        self.array::<1>(field).map(|[byte]| byte)
    }

    pub(super) fn flag(&mut self, field: &'static str) -> Result<bool, DecodeError> {
        self.u8(field).map(|byte| byte != 0)
    }

    pub(super) fn u16(&mut self, field: &'static str) -> Result<u16, DecodeError> {
        self.array(field).map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self, field: &'static str) -> Result<u32, DecodeError> {
        self.array(field).map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self, field: &'static str) -> Result<u64, DecodeError> {
        self.array(field).map(u64::from_le_bytes)
    }

    pub(super) fn i32(&mut self, field: &'static str) -> Result<i32, DecodeError> {
        self.array(field).map(i32::from_le_bytes)
    }

    pub(super) fn mac(&mut self, field: &'static str) -> Result<Mac, DecodeError> {
        self.array(field).map(Mac)
    }

    /// A text of `N` bytes with its NUL. What stands behind the NUL is ignored.
    pub(super) fn text<const N: usize>(
        &mut self,
        field: &'static str,
    ) -> Result<Text<N>, DecodeError> {
        let offset = self.offset;
        let bytes = self.array::<N>(field)?;
        text::read(&bytes).map_err(|why| match why {
            text::NotText::Unterminated => DecodeError::Unterminated { field, offset },
            text::NotText::Byte(byte) => DecodeError::NotText {
                field,
                offset,
                byte,
            },
        })
    }

    /// A text with so many bytes of padding behind its field.
    pub(super) fn text_and_pad<const N: usize, const PAD: usize>(
        &mut self,
        field: &'static str,
    ) -> Result<Text<N>, DecodeError> {
        let text = self.text(field)?;
        self.pad::<PAD>()?;
        Ok(text)
    }
}
