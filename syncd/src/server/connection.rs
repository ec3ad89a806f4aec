//! One client's socket and the buffers on both sides of it. Nothing here waits for the client to
//! read or write, and nothing grows beyond [`OUT_LIMIT`] and one message.

use std::io;

use mclag_daemon::pipe::{Pipe, Progress};
use mclag_daemon::process::chain;
use mclag_proto::sync::model::Event;
use mclag_proto::sync::settings::PairSettings;
use mclag_proto::sync::v2::{
    self, Capabilities, ClientMessage, DecodeError, EncodeError, ErrorCode, MAX_EVENTS_PER_MESSAGE,
    ServerMessage,
};
use tokio::net::UnixStream;
use tokio::net::unix::UCred;
use tokio_util::bytes::BytesMut;
use tokio_util::codec::{Decoder, Encoder};

use super::outbox::Outbox;

/// Bytes that wait to be written, beyond which the client is not listened to and sent no events.
pub(super) const OUT_LIMIT: usize = 64 * 1024;

const READ_CHUNK: usize = 16 * 1024;

/// A connected client.
#[derive(Debug)]
pub(super) struct Connection {
    pipe: Pipe<UnixStream, Codec>,
    /// Uid and process of the client, for logs.
    pub(super) peer: Process,
    /// Number of the last batch.
    pub(super) batch: u64,
    /// Number of the last message of events.
    events: u64,
    /// Greatest number that such a message may have.
    pub(super) credit: u64,
    pub(super) outbox: Outbox,
    /// Optional parts of the protocol that both know.
    pub(super) capabilities: Capabilities,
}

/// The messages of a connection.
#[derive(Debug)]
struct Codec(v2::Codec<ClientMessage>);

impl Decoder for Codec {
    type Item = ClientMessage;
    type Error = Lost;

    fn decode(&mut self, bytes: &mut BytesMut) -> Result<Option<ClientMessage>, Lost> {
        self.0.push(&bytes.split());
        Ok(self.0.next_message()?)
    }
}

impl Encoder<&ServerMessage> for Codec {
    type Error = Lost;

    fn encode(&mut self, message: &ServerMessage, out: &mut BytesMut) -> Result<(), Lost> {
        out.extend_from_slice(&message.encode()?);
        Ok(())
    }
}

/// Who a client is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Process {
    pub(super) uid: u32,
    pub(super) gid: u32,
    /// Process, where the system tells.
    pub(super) pid: Option<i32>,
}

impl From<UCred> for Process {
    fn from(cred: UCred) -> Self {
        Self {
            uid: cred.uid(),
            gid: cred.gid(),
            pid: cred.pid(),
        }
    }
}

/// Why a connection ends.
#[derive(Debug, thiserror::Error)]
pub(super) enum Lost {
    #[error("closed by the client")]
    Closed,
    #[error("client said bye")]
    Bye,
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("cannot be read: {}", chain(.0))]
    Malformed(#[from] DecodeError),
    #[error("{0}")]
    Unexpected(String),
    #[error("{0}")]
    Version(String),
    #[error("{0}")]
    Busy(String),
    #[error("cannot be sent: {0}")]
    Encode(#[from] EncodeError),
    #[error("there is no connection to the mclagsyncd server that keeps the table")]
    Absent,
    #[error("another mclagsyncd server keeps the table now")]
    OtherServer,
}

impl Lost {
    /// What the client is sent before its connection is closed, if it is there to hear it.
    pub(super) fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Closed | Self::Bye | Self::Io(_) => None,
            Self::Malformed(_) => Some(ErrorCode::Malformed),
            Self::Unexpected(_) => Some(ErrorCode::Unexpected),
            Self::Version(_) => Some(ErrorCode::Version),
            Self::Busy(_) => Some(ErrorCode::Denied),
            Self::Encode(_) | Self::Absent | Self::OtherServer => Some(ErrorCode::Failed),
        }
    }
}

impl Connection {
    pub(super) fn new(stream: UnixStream, peer: Process) -> Self {
        Self {
            pipe: Pipe::new(stream, Codec(v2::Codec::server())),
            peer,
            batch: 0,
            events: 0,
            credit: 0,
            outbox: Outbox::default(),
            capabilities: Capabilities::empty(),
        }
    }

    /// Write and read until something of it was done. Dropping the future loses nothing.
    pub(super) async fn progress(&mut self) -> Result<(), Lost> {
        let most = if self.has_room() { READ_CHUNK } else { 0 };
        match self.pipe.progress(most).await? {
            Progress::Read(0) => Err(Lost::Closed),
            Progress::Read(_) | Progress::Wrote => Ok(()),
        }
    }

    /// The next message that was read; none while the client does not read what it is sent.
    pub(super) fn next_message(&mut self) -> Result<Option<ClientMessage>, Lost> {
        if !self.has_room() {
            return Ok(None);
        }
        self.pipe.message()
    }

    /// Append a message to what is to be written.
    pub(super) fn send(&mut self, message: &ServerMessage) -> Result<(), Lost> {
        self.pipe.send(message)
    }

    /// Send events, as far as credit and room go. `table` names all that is seen.
    pub(super) fn send_events<I>(&mut self, table: impl Fn() -> I) -> Result<(), Lost>
    where
        I: Iterator<Item = Event>,
    {
        loop {
            while self.may_send_events() && self.has_room() {
                let events = self.outbox.take(MAX_EVENTS_PER_MESSAGE, &table);
                self.events += 1;
                self.send(&ServerMessage::Events {
                    number: self.events,
                    events,
                })?;
            }
            self.flush();
            // If all of it has left there is room again, and nothing to be woken up for.
            if self.pipe.buffered() > 0 || !self.may_send_events() {
                return Ok(());
            }
        }
    }

    /// Send events before all others, for which the client gave credit with its hello.
    pub(super) fn send_first_events(&mut self, events: Vec<Event>) -> Result<(), Lost> {
        self.events += 1;
        let number = self.events;
        self.send(&ServerMessage::Events { number, events })
    }

    /// Publish what happened when there is next credit, if the client knows such events.
    pub(super) fn push(&mut self, event: Event, table: usize) {
        let is_known = match event {
            Event::VlanMember { .. } => self.capabilities.contains(Capabilities::SETTINGS),
            _ => true,
        };
        if is_known {
            self.outbox.push(event, table);
        }
    }

    /// Publish the settings of the pair, if the client knows such events.
    pub(super) fn push_settings(&mut self, settings: Option<PairSettings>) {
        if self.capabilities.contains(Capabilities::SETTINGS) {
            self.outbox.push_settings(settings);
        }
    }

    /// Take note of a batch.
    pub(super) fn count_batch(&mut self, number: u64) -> Result<(), Lost> {
        let last = self.batch;
        if number != last.wrapping_add(1) {
            return Err(Lost::Unexpected(format!(
                "batch {number} follows batch {last}"
            )));
        }
        self.batch = number;
        Ok(())
    }

    fn may_send_events(&self) -> bool {
        self.events < self.credit && !self.outbox.is_empty()
    }

    /// Write what can be written now.
    pub(super) fn flush(&mut self) {
        self.pipe.flush_now();
    }

    /// Say why, as far as the client still reads, and close.
    pub(super) fn close(mut self, code: ErrorCode, text: &str) {
        let text = text.to_owned();
        let _ = self.send(&ServerMessage::Error { code, text });
        self.flush();
    }

    /// Number of frames that were skipped because nobody knows them.
    pub(super) const fn skipped(&self) -> u64 {
        self.pipe.codec().0.skipped()
    }

    fn has_room(&self) -> bool {
        self.pipe.buffered() < OUT_LIMIT
    }
}
