//! The keepalive of a path between the two chassis: our own protocol, over UDP
//! ([decision 25](../../docs/adr/0025-keepalives-on-paths.md)).
//!
//! This is what is signed; the signature (HMAC-SHA256) follows it in the datagram and is the affair of whoever has
//! the key. What a keepalive proves is the question of whoever receives it.

use crate::DomainId;
use crate::bytes::{Reader, UnexpectedEnd};
use std::ops::RangeInclusive;
use std::time::Duration;

/// UDP port on both chassis unless told otherwise. Assigned to nobody.
pub const PORT: u16 = 5342;
/// Intervals between two keepalives.
pub const INTERVALS: RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_secs(10);
/// Its length in bytes, without the signature.
pub const LEN: usize = 65;

const VERSION: u8 = 0x01;
/// An age that is not known.
const NO_AGE: u32 = 0xffff_ffff;
/// What is echoed of none.
const NO_INSTANCE: [u8; 16] = [0; 16];

/// A run of the sender on one path: random, drawn when that begins, and never again the same. The first half is that of the
/// process on all of its paths.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Instance(pub [u8; 16]);

impl Instance {
    /// A run on a path, of a process.
    #[must_use]
    pub const fn new(process: [u8; 8], path: [u8; 8]) -> Self {
        let (process, path) = (u64::from_be_bytes(process), u64::from_be_bytes(path));
        Self((((process as u128) << 64) | path as u128).to_be_bytes())
    }

    /// Whether both are runs of one process.
    #[must_use]
    pub fn is_of_same_process(self, other: Self) -> bool {
        self.0[..8] == other.0[..8]
    }
}

/// What a chassis says on a path, again and again.
//
//  0                   1                   2                   3
//  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// |    Version    |           Domain              |   Interval    :
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// : (ms)          |  Instance (16 bytes)  |  Sequence (8 bytes)   :
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// :    Echoed instance (16 bytes)   |  Echoed sequence (8 bytes)  :
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// :  Held (4 bytes, us) | Core (4 bytes, ms) | syncd (4 bytes, ms)  |
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Keepalive {
    /// Number of the pair.
    pub domain: DomainId,
    /// How often the sender sends; within [`INTERVALS`], in whole milliseconds.
    pub interval: Duration,
    /// Which run of the sender this is.
    pub instance: Instance,
    /// Its number within the run, from 1 on.
    pub sequence: u64,
    /// The newest one that the sender has received; none before the first.
    pub echo: Option<Echo>,
    /// Milliseconds since the sender's core has completed a turn. Larger ones are sent as the largest.
    pub core_age_ms: u32,
    /// Milliseconds since the sender's `syncd` has said something; none while it is not connected.
    pub syncd_age_ms: Option<u32>,
}

/// What the sender of a keepalive has received.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Echo {
    /// Of which run.
    pub instance: Instance,
    /// Its number, from 1 on.
    pub sequence: u64,
    /// Microseconds from its arrival to the sending of this one. Larger ones are sent as the largest.
    pub held_us: u32,
}

/// Why it cannot be read.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// It is of another version.
    #[error("version {0} is not known")]
    Version(u8),
    /// It is too short, or too long.
    #[error("{0} bytes are not {LEN}")]
    Length(usize),
    /// A value of it is out of range: this one.
    #[error("its {0} is out of range")]
    Value(&'static str),
}

impl From<UnexpectedEnd> for DecodeError {
    fn from(UnexpectedEnd: UnexpectedEnd) -> Self {
        Self::Length(0)
    }
}

impl Keepalive {
    /// As bytes.
    #[must_use]
    pub fn encode(&self) -> [u8; LEN] {
        let Self {
            domain,
            interval,
            instance,
            sequence,
            echo,
            core_age_ms,
            syncd_age_ms,
        } = self;
        let interval = u16::try_from(interval.as_millis()).unwrap_or(u16::MAX);
        let (echoed, echoed_sequence, held) = match echo {
            Some(echo) => (echo.instance, echo.sequence, echo.held_us),
            None => (Instance(NO_INSTANCE), 0, 0),
        };
        let fields: [&[u8]; 10] = [
            &[VERSION],
            &domain.get().to_be_bytes(),
            &interval.to_be_bytes(),
            &instance.0,
            &sequence.to_be_bytes(),
            &echoed.0,
            &echoed_sequence.to_be_bytes(),
            &held.to_be_bytes(),
            &core_age_ms.to_be_bytes(),
            &syncd_age_ms.unwrap_or(NO_AGE).to_be_bytes(),
        ];
        let mut bytes = [0; LEN];
        for (byte, value) in bytes.iter_mut().zip(fields.into_iter().flatten()) {
            *byte = *value;
        }
        bytes
    }

    /// Read one that is nothing else.
    ///
    /// # Errors
    ///
    /// When it is of another version or length, or has a value that none has.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let version = *bytes.first().ok_or(DecodeError::Length(0))?;
        if version != VERSION {
            return Err(DecodeError::Version(version));
        }
        if bytes.len() != LEN {
            return Err(DecodeError::Length(bytes.len()));
        }
        let mut r = Reader::new(&bytes[1..]);
        let domain = DomainId::new(r.u16()?).ok_or(DecodeError::Value("domain"))?;
        let interval = Duration::from_millis(r.u16()?.into());
        if !INTERVALS.contains(&interval) {
            return Err(DecodeError::Value("interval"));
        }
        let instance = Instance(r.array()?);
        let sequence = r.array().map(u64::from_be_bytes)?;
        if sequence == 0 {
            return Err(DecodeError::Value("sequence"));
        }
        let echoed = Instance(r.array()?);
        let echoed_sequence = r.array().map(u64::from_be_bytes)?;
        let held_us = r.array().map(u32::from_be_bytes)?;
        let echo = match (echoed, echoed_sequence, held_us) {
            (Instance(NO_INSTANCE), 0, 0) => None,
            (_, 0, _) => return Err(DecodeError::Value("echo")),
            (instance, sequence, held_us) => Some(Echo {
                instance,
                sequence,
                held_us,
            }),
        };
        let core_age_ms = r.array().map(u32::from_be_bytes)?;
        let syncd_age_ms = r.array().map(u32::from_be_bytes)?;
        Ok(Self {
            domain,
            interval,
            instance,
            sequence,
            echo,
            core_age_ms,
            syncd_age_ms: (syncd_age_ms != NO_AGE).then_some(syncd_age_ms),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One pair of bytes and value, used in both directions.
    const FULL: ([u8; LEN], Keepalive) = (
        [
            0x01, 0x00, 0x0a, 0x00, 0x64, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, //
            0, 0, 0, 0, 0, 0, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, //
            0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0x27, 0x10, 0, 0, 0, 5, 0, 0, 1, 0,
        ],
        Keepalive {
            domain: DomainId::new(10).unwrap(),
            interval: Duration::from_millis(100),
            instance: Instance([1; 16]),
            sequence: 0x0102,
            echo: Some(Echo {
                instance: Instance([2; 16]),
                sequence: 7,
                held_us: 10_000,
            }),
            core_age_ms: 5,
            syncd_age_ms: Some(256),
        },
    );

    /// The same without an echo, from a chassis without `syncd`.
    fn first() -> ([u8; LEN], Keepalive) {
        let (mut bytes, value) = FULL;
        bytes[29..57].fill(0);
        bytes[61..].fill(0xff);
        let value = Keepalive {
            echo: None,
            syncd_age_ms: None,
            ..value
        };
        (bytes, value)
    }

    #[test]
    fn literal_bytes_are_written_and_read() {
        for (bytes, value) in [FULL, first()] {
            assert_eq!(value.encode(), bytes);
            assert_eq!(Keepalive::decode(&bytes), Ok(value));
        }
    }

    #[test]
    fn every_other_length_and_version_is_refused() {
        let bytes = [&FULL.0[..], &[0; 64]].concat();
        for len in (0..bytes.len()).filter(|len| *len != LEN) {
            let got = Keepalive::decode(&bytes[..len]);
            assert_eq!(got, Err(DecodeError::Length(len)));
        }
        for version in (0..=u8::MAX).filter(|version| *version != VERSION) {
            let mut bytes = FULL.0;
            bytes[0] = version;
            let got = Keepalive::decode(&bytes);
            assert_eq!(got, Err(DecodeError::Version(version)));
        }
    }

    #[test]
    fn values_that_none_has_are_refused_by_name() {
        for (range, value, name) in [
            (1..3, 0x00, "domain"),
            (3..5, 0x00, "interval"),
            (3..5, 0xff, "interval"),
            (21..29, 0x00, "sequence"),
            (45..53, 0x00, "echo"),
        ] {
            let mut bytes = FULL.0;
            bytes[range].fill(value);
            let got = Keepalive::decode(&bytes);
            assert_eq!(got, Err(DecodeError::Value(name)));
        }
        // Nothing was received, and yet it was held.
        let mut bytes = first().0;
        bytes[56] = 1;
        let got = Keepalive::decode(&bytes);
        assert_eq!(got, Err(DecodeError::Value("echo")));
    }
}
