//! The header that both versions of the protocol share, and cutting a byte stream into frames
//! (`spec/mclagsyncd-protocol.md` 2).
//!
//! What a body means is the business of [`super::v1`] and [`super::v2`]. A frame of an unknown
//! version or type is well framed all the same: its receiver skips it. A header that cannot be
//! true is different: nothing behind it can be trusted, so the connection has to be closed.
//
//  0                   1                   2                   3
//  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// |    Version    |     Type      |  Length (little-endian), all  |
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+

use crate::bytes::{Reader, Writer};

/// Length of the header in bytes; the shortest frame there is.
pub const HEADER_LEN: usize = 4;

/// Longest frame of version 1 in bytes, header included.
pub const MAX_LEN_V1: usize = 4096;

/// Longest frame of every other version in bytes: all that the length field can say.
pub const MAX_LEN: usize = 65_535;

/// Longest frame of `version` in bytes, header included.
#[must_use]
pub const fn max_len(version: u8) -> usize {
    match version {
        super::v1::VERSION => MAX_LEN_V1,
        _ => MAX_LEN,
    }
}

/// One frame, cut out of the stream and not looked into.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Frame {
    /// Version of the protocol that the body belongs to.
    pub version: u8,
    /// Type of message; its meaning depends on the version and on the direction.
    pub kind: u8,
    /// What follows the header.
    pub body: Vec<u8>,
}

impl Frame {
    /// The frame as it travels.
    ///
    /// # Errors
    ///
    /// When the body is too long for its version.
    pub fn encode(&self) -> Result<Vec<u8>, FrameError> {
        encode(self.version, self.kind, &self.body)
    }
}

/// Put a header in front of `body`.
///
/// # Errors
///
/// When the frame would be longer than its version allows.
pub fn encode(version: u8, kind: u8, body: &[u8]) -> Result<Vec<u8>, FrameError> {
    let length = HEADER_LEN.saturating_add(body.len());
    let too_long = FrameError::DoesNotFit {
        version,
        kind,
        length,
        limit: max_len(version),
    };
    if length > max_len(version) {
        return Err(too_long);
    }
    let mut out = Writer::new();
    out.u8(version);
    out.u8(kind);
    out.u16_le(u16::try_from(length).map_err(|_| too_long)?);
    out.put(body);
    Ok(out.into_bytes())
}

/// Cuts a byte stream into frames, wherever the reads happened to cut it.
///
/// It holds what was pushed and not yet taken: at most one incomplete frame if
/// [`Decoder::next_frame`] is called until it has no more after each push.
#[derive(Clone, Debug, Default)]
pub struct Decoder {
    buffer: Vec<u8>,
    /// Bytes at the start of `buffer` that were already handed out.
    taken: usize,
    /// Bytes of the stream that are no longer in `buffer`.
    dropped: u64,
    /// Whether every frame has the limit of version 1, whatever version it claims.
    is_v1: bool,
    broken: Option<FrameError>,
}

impl Decoder {
    /// A decoder at the start of a stream.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            buffer: Vec::new(),
            taken: 0,
            dropped: 0,
            is_v1: false,
            broken: None,
        }
    }

    /// A decoder at the start of a stream on which only version 1 is spoken.
    ///
    /// A frame of another version is well framed there, too, and to be skipped; but a length
    /// beyond 4096 bytes is impossible whatever the version byte says
    /// (`spec/mclagsyncd-protocol.md` 2.2, 10 item 16).
    #[must_use]
    pub const fn v1() -> Self {
        let mut decoder = Self::new();
        decoder.is_v1 = true;
        decoder
    }

    /// Add what was read. Follow with [`Decoder::next_frame`] until it has no more.
    pub fn push(&mut self, bytes: &[u8]) {
        // Whoever has nothing new asks for the frames behind: each of them would move the rest.
        if bytes.is_empty() || self.broken.is_some() {
            return;
        }
        self.buffer.drain(..self.taken);
        self.dropped += self.taken as u64;
        self.taken = 0;
        self.buffer.extend_from_slice(bytes);
    }

    /// The next complete frame, or `None` until more is pushed.
    ///
    /// # Errors
    ///
    /// When a header cannot be true. The stream is lost then: every later call answers the same.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, FrameError> {
        if let Some(error) = self.broken {
            return Err(error);
        }
        let result = self.cut();
        if let Err(error) = result {
            self.broken = Some(error);
            self.buffer = Vec::new();
            self.taken = 0;
        }
        result
    }

    /// Number of bytes of an incomplete frame: what would be lost if the stream ended here.
    #[must_use]
    pub const fn pending(&self) -> usize {
        self.buffer.len() - self.taken
    }

    fn cut(&mut self) -> Result<Option<Frame>, FrameError> {
        let mut reader = Reader::new(&self.buffer[self.taken..]);
        let Ok([version, kind, low, high]) = reader.array() else {
            return Ok(None);
        };
        let length = usize::from(u16::from_le_bytes([low, high]));
        let offset = self.dropped + self.taken as u64;
        let Some(body_len) = length.checked_sub(HEADER_LEN) else {
            return Err(FrameError::TooShort {
                offset,
                version,
                kind,
                length,
            });
        };
        let limit = match self.is_v1 {
            true => MAX_LEN_V1,
            false => max_len(version),
        };
        if length > limit {
            return Err(FrameError::TooLong {
                offset,
                version,
                kind,
                length,
                limit,
            });
        }
        let Ok(body) = reader.take(body_len) else {
            return Ok(None);
        };
        let frame = Frame {
            version,
            kind,
            body: body.to_vec(),
        };
        self.taken += length;
        Ok(Some(frame))
    }
}

/// A frame that cannot be.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// A header was received whose length does not even cover itself.
    #[error(
        "header at offset {offset} of the stream: version {version}, type {kind} gives length \
         {length}, shorter than itself"
    )]
    TooShort {
        /// Bytes of the stream before the header.
        offset: u64,
        /// Version named by the header.
        version: u8,
        /// Type named by the header.
        kind: u8,
        /// Length named by the header, in bytes.
        length: usize,
    },
    /// A header was received whose length is beyond what the version allows.
    #[error(
        "header at offset {offset} of the stream: version {version}, type {kind} gives length \
         {length}, limit is {limit}"
    )]
    TooLong {
        /// Bytes of the stream before the header.
        offset: u64,
        /// Version named by the header.
        version: u8,
        /// Type named by the header.
        kind: u8,
        /// Length in bytes, header included.
        length: usize,
        /// Longest frame in bytes.
        limit: usize,
    },
    /// A frame to be sent is longer than its version allows.
    #[error("frame of version {version}, type {kind} has length {length}, limit is {limit}")]
    DoesNotFit {
        /// Version of the frame.
        version: u8,
        /// Type of the frame.
        kind: u8,
        /// Length in bytes, header included.
        length: usize,
        /// Longest frame of that version in bytes.
        limit: usize,
    },
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame(version: u8, kind: u8, body: &[u8]) -> Frame {
        Frame {
            version,
            kind,
            body: body.to_vec(),
        }
    }

    /// A codec asks for each frame with what is new, which is nothing behind the first.
    #[test]
    fn who_has_nothing_new_moves_nothing() {
        let mut decoder = Decoder::v1();
        let bytes = frame(1, 1, b"one").encode().unwrap();
        decoder.push(&[bytes.clone(), bytes].concat());
        let held = decoder.buffer.len();
        assert!(decoder.next_frame().unwrap().is_some());
        decoder.push(&[]);
        assert_eq!(decoder.buffer.len(), held);
        assert!(decoder.next_frame().unwrap().is_some());
        assert_eq!(decoder.pending(), 0);
    }

    fn drain(decoder: &mut Decoder) -> Result<Vec<Frame>, FrameError> {
        std::iter::from_fn(|| decoder.next_frame().transpose()).collect()
    }

    #[test]
    fn a_header_counts_itself_and_is_little_endian() {
        let bytes = frame(1, 5, &[0xaa; 0x0120]).encode().unwrap();
        assert_eq!(bytes[..5], [1, 5, 0x24, 0x01, 0xaa]);
        assert_eq!(bytes.len(), 0x0124);
    }

    #[test]
    fn frames_are_found_wherever_the_stream_is_cut() {
        let frames = [
            frame(2, 1, b"abc"),
            frame(1, 3, b""),
            frame(9, 9, b"unknown"),
        ];
        let stream: Vec<u8> = frames.iter().flat_map(|f| f.encode().unwrap()).collect();
        for first in 0..=stream.len() {
            for second in first..=stream.len() {
                let mut decoder = Decoder::new();
                let mut seen = Vec::new();
                for part in [&stream[..first], &stream[first..second], &stream[second..]] {
                    decoder.push(part);
                    seen.extend(drain(&mut decoder).unwrap());
                }
                assert_eq!(seen, frames, "cut at {first} and {second}");
                assert_eq!(decoder.pending(), 0);
            }
        }
    }

    #[test]
    fn a_truncated_frame_is_not_a_frame() {
        let bytes = frame(2, 1, b"abcdef").encode().unwrap();
        for len in 0..bytes.len() {
            let mut decoder = Decoder::new();
            decoder.push(&bytes[..len]);
            assert_eq!(decoder.next_frame(), Ok(None), "at {len} bytes");
            assert_eq!(decoder.pending(), len);
        }
    }

    #[test]
    fn a_header_that_cannot_be_true_breaks_the_stream_for_good() {
        for length in 0..4_u8 {
            let mut decoder = Decoder::new();
            decoder.push(&[2, 7, length, 0]);
            let error = FrameError::TooShort {
                offset: 0,
                version: 2,
                kind: 7,
                length: usize::from(length),
            };
            assert_eq!(decoder.next_frame(), Err(error));
            decoder.push(&frame(2, 1, b"").encode().unwrap());
            assert_eq!(decoder.next_frame(), Err(error));
            assert_eq!(decoder.pending(), 0);
        }
    }

    #[test]
    fn version_1_is_limited_to_4096_bytes_and_says_so_before_they_arrive() {
        let mut decoder = Decoder::new();
        decoder.push(&[1, 5, 0x01, 0x10]);
        let error = decoder.next_frame().unwrap_err();
        assert_eq!(
            error.to_string(),
            "header at offset 0 of the stream: version 1, type 5 gives length 4097, limit is 4096"
        );
        assert!(encode(1, 5, &[0; 4092]).is_ok());
        assert!(encode(1, 5, &[0; 4093]).is_err());
    }

    #[test]
    fn version_2_uses_all_that_the_length_field_can_say() {
        let bytes = encode(2, 1, &vec![7; MAX_LEN - HEADER_LEN]).unwrap();
        assert_eq!(bytes[..4], [2, 1, 0xff, 0xff]);
        let mut decoder = Decoder::new();
        decoder.push(&bytes);
        assert_eq!(drain(&mut decoder).unwrap().len(), 1);
        assert!(encode(2, 1, &vec![7; MAX_LEN - HEADER_LEN + 1]).is_err());
    }

    /// `spec/mclagsyncd-protocol.md` 2.2, 10 item 16.
    #[test]
    fn a_stream_of_version_1_has_its_limits_whatever_the_version_byte_says() {
        for version in [0, 1, 2, 0xff] {
            let longest = [version, 9, 0x00, 0x10];
            let mut decoder = Decoder::v1();
            decoder.push(&[version, 3, 4, 0]);
            decoder.push(&longest);
            decoder.push(&vec![7; MAX_LEN_V1 - HEADER_LEN]);
            let lengths: Vec<usize> = drain(&mut decoder)
                .unwrap()
                .iter()
                .map(|frame| frame.body.len())
                .collect();
            assert_eq!(lengths, [0, MAX_LEN_V1 - HEADER_LEN], "version {version}");
            decoder.push(&[version, 9, 0x01, 0x10]);
            assert_eq!(
                decoder.next_frame().unwrap_err(),
                FrameError::TooLong {
                    offset: 4100,
                    version,
                    kind: 9,
                    length: 4097,
                    limit: MAX_LEN_V1,
                }
            );
        }
    }

    proptest! {
        #[test]
        fn random_bytes_never_panic_and_never_pile_up(
            parts in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..600), 0..40)
        ) {
            let mut decoder = Decoder::new();
            for part in parts {
                decoder.push(&part);
                let _ = drain(&mut decoder);
                prop_assert!(decoder.pending() < MAX_LEN);
            }
        }
    }
}
