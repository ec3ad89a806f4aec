//! The cursor over a message that knows where it is, so that every error can say it.

use std::net::Ipv4Addr;

use super::error::shown;
use super::{DecodeError, Problem};
use crate::bytes::{Reader, text_field};
use crate::{DomainId, IfName, Vid};

/// A cursor over a part of a message.
#[derive(Clone, Debug)]
pub(super) struct Fields<'a> {
    reader: Reader<'a>,
    /// Where the part ends, in bytes from the beginning of the message.
    end: usize,
    /// What could not be read and was left out.
    pub(super) ignored: Vec<DecodeError>,
}

impl<'a> Fields<'a> {
    /// Over `bytes`, which begin at `offset` of the message.
    pub(super) const fn new(bytes: &'a [u8], offset: usize) -> Self {
        Self {
            reader: Reader::new(bytes),
            end: offset + bytes.len(),
            ignored: Vec::new(),
        }
    }

    /// Where the next field begins, in bytes from the beginning of the message.
    pub(super) const fn offset(&self) -> usize {
        self.end - self.reader.len()
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.reader.is_empty()
    }

    /// The next `len` bytes, as a cursor of their own.
    pub(super) fn take(
        &mut self,
        len: usize,
        field: &'static str,
    ) -> Result<Part<'a>, DecodeError> {
        let offset = self.offset();
        let end = Problem::End {
            needed: len,
            left: self.reader.len(),
        };
        match self.reader.take(len) {
            Ok(bytes) => Ok(Part {
                bytes,
                offset,
                field,
            }),
            Err(_) => Err(DecodeError::new(offset, field, end)),
        }
    }

    pub(super) fn array<const N: usize>(
        &mut self,
        field: &'static str,
    ) -> Result<[u8; N], DecodeError> {
        self.take(N, field)?.array()
    }

    pub(super) fn u8(&mut self, field: &'static str) -> Result<u8, DecodeError> {
        self.array(field).map(u8::from_le_bytes)
    }

    pub(super) fn u16(&mut self, field: &'static str) -> Result<u16, DecodeError> {
        self.array(field).map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self, field: &'static str) -> Result<u32, DecodeError> {
        self.array(field).map(u32::from_le_bytes)
    }

    pub(super) fn domain(&mut self) -> Result<DomainId, DecodeError> {
        self.take(4, "domain")?.domain()
    }

    pub(super) fn vid(&mut self) -> Result<Vid, DecodeError> {
        let offset = self.offset();
        let raw = self.u32("VLAN")?;
        let vid = u16::try_from(raw).ok().and_then(Vid::new);
        vid.ok_or(DecodeError::new(offset, "VLAN", Problem::Vid(raw)))
    }
}

/// The bytes of one field, with its place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part<'a> {
    pub(super) bytes: &'a [u8],
    /// Where it begins, in bytes from the beginning of the message.
    pub(super) offset: usize,
    pub(super) field: &'static str,
}

impl<'a> Part<'a> {
    pub(super) const fn error(&self, problem: Problem) -> DecodeError {
        DecodeError::new(self.offset, self.field, problem)
    }

    pub(super) fn array<const N: usize>(&self) -> Result<[u8; N], DecodeError> {
        self.bytes.try_into().map_err(|_| {
            self.error(Problem::Length {
                length: self.bytes.len(),
                expected: N,
            })
        })
    }

    /// Up to the first NUL: real senders leave garbage behind it
    /// (`spec/mclagsyncd-protocol.md` 10, item 2).
    pub(super) fn text(&self) -> Result<&'a str, DecodeError> {
        text_field(self.bytes).map_err(|error| self.error(error.into()))
    }

    pub(super) fn name(&self) -> Result<IfName, DecodeError> {
        let text = self.text()?;
        IfName::new(text).map_err(|source| {
            self.error(Problem::Name {
                text: shown(text),
                source,
            })
        })
    }

    /// A name, or none if the text is empty.
    pub(super) fn name_if_any(&self) -> Result<Option<IfName>, DecodeError> {
        match self.text()? {
            "" => Ok(None),
            _ => self.name().map(Some),
        }
    }

    pub(super) fn mac(&self) -> Result<crate::Mac, DecodeError> {
        let text = self.text()?;
        text.parse().map_err(|source| {
            self.error(Problem::Mac {
                text: shown(text),
                source,
            })
        })
    }

    /// The IPv4 address of a chassis, or none if the text is empty.
    pub(super) fn address_if_any(&self) -> Result<Option<Ipv4Addr>, DecodeError> {
        let text = self.text()?;
        if text.is_empty() {
            return Ok(None);
        }
        let refused = |_| self.error(Problem::Address(shown(text)));
        let address: Ipv4Addr = text.parse().map_err(refused)?;
        if address.is_unspecified() || address.is_multicast() || address.is_broadcast() {
            return Err(self.error(Problem::Host(address)));
        }
        Ok(Some(address))
    }

    pub(super) fn i32(&self) -> Result<i32, DecodeError> {
        self.array().map(i32::from_le_bytes)
    }

    /// A number of seconds, -1 for the default (`spec/mclagsyncd-protocol.md` 5.2).
    pub(super) fn seconds_if_any(&self) -> Result<Option<i32>, DecodeError> {
        match self.i32()? {
            seconds @ (-1 | 1..=3600) => Ok(Some(seconds)),
            other => Err(self.error(Problem::Seconds(other))),
        }
    }

    pub(super) fn domain(&self) -> Result<DomainId, DecodeError> {
        let raw = i32::from_le_bytes(self.array()?);
        let id = u16::try_from(raw).ok().and_then(DomainId::new);
        id.ok_or_else(|| self.error(Problem::Domain(raw)))
    }
}
