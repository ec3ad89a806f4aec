//! What travels over a console: kind, length and content.

use std::io::{self, ErrorKind, Read, Write};

use anyhow::{Context, Result, bail, ensure};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Open, Size};

/// Longest content of a frame in bytes.
pub(super) const MAX: usize = 32 * 1024;

/// One frame.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Frame {
    /// From the client, first: what it wants.
    Open(Open),
    /// Bytes for the program's input, or of its output.
    Data(Vec<u8>),
    /// Bytes of the program's error output.
    Errors(Vec<u8>),
    /// From the client: no more input.
    End,
    /// From the client: its terminal has another size.
    Resize(Size),
    /// From the guest, last: the program's exit status.
    Exited(u8),
    /// From the guest, last: what was wanted cannot be done.
    Refused(String),
}

impl Frame {
    /// Write the frame at once.
    pub fn write(&self, to: &mut impl Write) -> Result<()> {
        let (kind, content) = match self {
            Self::Open(open) => (b'o', json(open)?),
            Self::Data(bytes) => (b'd', bytes.clone()),
            Self::Errors(bytes) => (b'x', bytes.clone()),
            Self::End => (b'e', Vec::new()),
            Self::Resize(size) => (b's', json(size)?),
            Self::Exited(status) => (b'q', vec![*status]),
            Self::Refused(reason) => (b'r', reason.clone().into_bytes()),
        };
        ensure!(content.len() <= MAX, "{} bytes are too many", content.len());
        let mut bytes = vec![kind];
        bytes.extend(u32::try_from(content.len())?.to_be_bytes());
        bytes.extend(content);
        to.write_all(&bytes)
            .and_then(|()| to.flush())
            .context("cannot write to the console")
    }

    /// Read a frame; none at the end of the stream.
    pub fn read(from: &mut impl Read) -> Result<Option<Self>> {
        let Some(kind) = first_byte(from).context("cannot read from the console")? else {
            return Ok(None);
        };
        let mut length = [0; 4];
        from.read_exact(&mut length)
            .context("the console ended within a frame")?;
        let length = usize::try_from(u32::from_be_bytes(length))?;
        ensure!(length <= MAX, "a frame of {length} bytes is too long");
        let mut content = vec![0; length];
        from.read_exact(&mut content)
            .context("the console ended within a frame")?;
        Ok(Some(match kind {
            b'o' => Self::Open(of_json(&content)?),
            b'd' => Self::Data(content),
            b'x' => Self::Errors(content),
            b'e' => Self::End,
            b's' => Self::Resize(of_json(&content)?),
            b'q' => Self::Exited(*content.first().context("an exit without its status")?),
            b'r' => Self::Refused(String::from_utf8_lossy(&content).into_owned()),
            kind => bail!("a frame of unknown kind {kind:#04x}"),
        }))
    }
}

fn first_byte(from: &mut impl Read) -> io::Result<Option<u8>> {
    let mut byte = [0];
    loop {
        match from.read(&mut byte) {
            Ok(0) => return Ok(None),
            Ok(_) => return Ok(Some(byte[0])),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            // A connection that the other end broke off is at its end as well.
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return Ok(None),
            Err(error) => return Err(error),
        }
    }
}

fn json(value: &impl Serialize) -> Result<Vec<u8>> {
    serde_json::to_vec(value).context("cannot encode a frame")
}

fn of_json<T: DeserializeOwned>(content: &[u8]) -> Result<T> {
    serde_json::from_slice(content).context("cannot read the content of a frame")
}

#[cfg(test)]
mod tests {
    use super::super::{Terminal, What};
    use super::*;

    fn every_kind() -> Vec<Frame> {
        let size = Size {
            rows: 24,
            columns: 80,
        };
        vec![
            Frame::Open(Open {
                token: "0f".repeat(16),
                what: What::Run {
                    place: "swA".into(),
                    command: vec!["ip".into(), "link".into()],
                    terminal: Some(Terminal {
                        kind: "xterm".into(),
                        size,
                    }),
                },
            }),
            Frame::Data(vec![0, 255, b'\n']),
            Frame::Errors(Vec::new()),
            Frame::End,
            Frame::Resize(size),
            Frame::Exited(3),
            Frame::Refused("no place swC".into()),
        ]
    }

    #[test]
    fn frames_arrive_as_they_were_sent() {
        let mut bytes = Vec::new();
        for frame in every_kind() {
            frame.write(&mut bytes).unwrap();
        }
        let mut from = bytes.as_slice();
        for frame in every_kind() {
            assert_eq!(Frame::read(&mut from).unwrap(), Some(frame));
        }
        assert_eq!(Frame::read(&mut from).unwrap(), None);
    }

    #[test]
    fn a_frame_that_is_cut_too_long_or_of_no_kind_is_refused() {
        for frame in every_kind() {
            let mut bytes = Vec::new();
            frame.write(&mut bytes).unwrap();
            for length in 1..bytes.len() {
                assert!(Frame::read(&mut &bytes[..length]).is_err(), "{frame:?}");
            }
        }
        for bytes in [
            b"d\xff\xff\xff\xff".as_slice(),
            b"z\0\0\0\0",
            b"o\0\0\0\x02{}",
        ] {
            assert!(Frame::read(&mut &*bytes).is_err(), "{bytes:?}");
        }
    }
}
