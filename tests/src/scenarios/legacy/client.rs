//! The stand-in for an `iccpd`.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use mclag_proto::addr::{IfName, Mac, Vid};
use mclag_proto::sync::frame::{Decoder, Frame};
use mclag_proto::sync::v1::{ClientMessage, Dialect, FdbKind, FdbRecord, RecordOp, ServerMessage};

use super::chassis::VLAN;
use crate::wait::SOON;

/// The stand-in for an `iccpd`.
pub(super) struct Client {
    stream: TcpStream,
    decoder: Decoder,
    dialect: Dialect,
}

impl Client {
    pub(super) fn new(stream: TcpStream, dialect: Dialect) -> Result<Self> {
        stream.set_read_timeout(Some(Duration::from_millis(100)))?;
        Ok(Self {
            stream,
            decoder: Decoder::v1(),
            dialect,
        })
    }

    /// Say a message of the specification, as it is written there.
    pub(super) fn say(&mut self, hex: &str) -> Result<()> {
        self.stream.write_all(&bytes(hex)?).context("syncd is gone")
    }

    pub(super) fn tell(&mut self, message: &ClientMessage) -> Result<()> {
        let bytes = message.encode(self.dialect)?;
        self.stream.write_all(&bytes).context("syncd is gone")
    }

    pub(super) fn set(&mut self, mac: Mac, port: &str, kind: FdbKind, op: RecordOp) -> Result<()> {
        self.tell(&ClientMessage::SetFdb(vec![FdbRecord {
            mac,
            vid: Vid::new(VLAN).context("a VLAN")?,
            port: Some(name(port)?),
            kind,
            op,
        }]))
    }

    pub(super) fn frame(&mut self) -> Result<Frame> {
        let frame = self.frame_within(SOON)?;
        frame.with_context(|| format!("syncd said nothing for {SOON:?}"))
    }

    pub(super) fn frame_within(&mut self, limit: Duration) -> Result<Option<Frame>> {
        let by = Instant::now() + limit;
        loop {
            if let Some(frame) = self.decoder.next_frame()? {
                return Ok(Some(frame));
            }
            if Instant::now() >= by {
                return Ok(None);
            }
            let mut chunk = [0; 8192];
            match self.stream.read(&mut chunk) {
                Ok(0) => bail!("syncd closed the connection"),
                Ok(count) => self.decoder.push(&chunk[..count]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// The next message has to be this one, byte by byte.
    pub(super) fn hears(&mut self, hex: &str) -> Result<()> {
        let heard = self.frame()?.encode()?;
        ensure!(heard == bytes(hex)?, "heard {heard:02x?}, not {hex}");
        Ok(())
    }

    pub(super) fn message(&mut self) -> Result<ServerMessage> {
        let frame = self.frame()?;
        let decoded = ServerMessage::decode(&frame, self.dialect)?;
        let decoded = decoded.with_context(|| format!("type {}", frame.kind))?;
        ensure!(decoded.skipped.is_empty(), "{:?}", decoded.skipped);
        Ok(decoded.message)
    }

    /// Wait for a record about this address; `poll`: ask for it.
    pub(super) fn record(&mut self, mac: Mac, op: RecordOp) -> Result<FdbRecord> {
        let by = Instant::now() + SOON;
        while Instant::now() < by {
            if self.dialect.is_polled() {
                self.tell(&ClientMessage::GetFdbChanges)?;
            }
            while let Some(frame) = self.frame_within(Duration::from_millis(300))? {
                let decoded = ServerMessage::decode(&frame, self.dialect)?;
                let Some(ServerMessage::Fdb(records)) = decoded.map(|d| d.message) else {
                    continue;
                };
                let found = records.into_iter().find(|r| r.mac == mac && r.op == op);
                if let Some(record) = found {
                    return Ok(record);
                }
            }
        }
        bail!("no {op:?} of {mac} was heard")
    }
}

pub(super) fn name(text: &str) -> Result<IfName> {
    IfName::new(text).with_context(|| format!("{text:?} is no name"))
}

pub(super) fn bytes(hex: &str) -> Result<Vec<u8>> {
    let digits: String = hex.split_whitespace().collect();
    let pairs = (0..digits.len()).step_by(2);
    pairs
        .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).context("hexadecimal digits"))
        .collect()
}
