//! A stand-in for `mclagsyncd.py`, the server of linux-mclag that is polled (`spec/mclagsyncd-protocol.md`).
//!
//! It has a table of addresses in the place of a bridge, and says what changed there when it is asked, and only then.
//! It reads as the original does: a message that is not all there at the end of a read is lost, and so is everything
//! behind a message it does not like. That is complained of.

use std::collections::{BTreeMap, VecDeque};
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use mclag_proto::sync::v1::Dialect;

use super::mclagsyncd::Listener;

/// The types of messages that are known there (3.1).
pub mod kind {
    /// PORT_ISOLATE.
    pub const ISOLATE: u8 = 1;
    /// PORT_MAC_LEARN_MODE.
    pub const LEARN: u8 = 2;
    /// FLUSH_FDB.
    pub const FLUSH: u8 = 3;
    /// SET_INTF_MAC.
    pub const SET_MAC: u8 = 4;
    /// SET_FDB.
    pub const SET_FDB: u8 = 5;
    /// FLUSH_FDB_BY_PORT.
    pub const FLUSH_PORT: u8 = 6;
    /// GET_FDB_CHANGES.
    pub const POLL: u8 = 20;
}

/// Length of a forwarding record (4.5).
const RECORD: usize = 72;

/// Most records of one message (2.2).
const MOST_RECORDS: usize = 56;

/// One read of the original (2.2).
const READ: usize = 1 << 20;

/// How long a turn waits for something to read.
const TURN: Duration = Duration::from_millis(5);

/// VLAN and address, as text.
pub type Key = (u16, String);

/// A message of the client.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Heard {
    /// When it came.
    pub at: Instant,
    /// Its type.
    pub kind: u8,
    /// All behind the header.
    pub body: Vec<u8>,
}

impl Heard {
    /// The data of its sub-options, as text (2.1).
    #[must_use]
    pub fn texts(&self) -> Vec<(u8, String)> {
        let mut texts = Vec::new();
        let mut rest = &self.body[..];
        while let Some((&[kind, _, low, high], behind)) = rest.split_first_chunk() {
            let length = usize::from(u16::from_le_bytes([low, high]));
            let (data, behind) = behind.split_at(length.min(behind.len()));
            texts.push((kind, String::from_utf8_lossy(data).into_owned()));
            rest = behind;
        }
        texts
    }

    /// Its forwarding records; none of another message.
    #[must_use]
    pub fn records(&self) -> Vec<Record> {
        match self.kind {
            kind::SET_FDB => self.body.chunks_exact(RECORD).map(Record::read).collect(),
            _ => Vec::new(),
        }
    }
}

/// A forwarding record (4.5).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Record {
    /// VLAN and address.
    pub key: Key,
    /// The port.
    pub port: String,
    /// 1 static, 2 dynamic.
    pub kind: u16,
    /// Added, or else deleted.
    pub is_add: bool,
}

impl Record {
    fn read(bytes: &[u8]) -> Self {
        let number = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
        Self {
            key: (number(32), text(&bytes[..32])),
            port: text(&bytes[36..68]),
            kind: number(68),
            is_add: number(70) == 1,
        }
    }

    /// As the server says it, with garbage behind the texts (10, item 2).
    fn bytes(&self) -> [u8; RECORD] {
        let mut bytes = [0; RECORD];
        let (vid, mac) = &self.key;
        for (at, text) in [(0, mac), (36, &self.port)] {
            let field = &mut bytes[at..at + 32];
            field.fill(0xa5);
            field[..text.len()].copy_from_slice(text.as_bytes());
            field[text.len()] = 0;
        }
        bytes[32..34].copy_from_slice(&vid.to_le_bytes());
        bytes[68..70].copy_from_slice(&self.kind.to_le_bytes());
        bytes[70..].copy_from_slice(&if self.is_add { 1_u16 } else { 2 }.to_le_bytes());
        bytes
    }
}

/// Up to its first zero.
fn text(field: &[u8]) -> String {
    let end = field.iter().position(|byte| *byte == 0);
    String::from_utf8_lossy(&field[..end.unwrap_or(field.len())]).into_owned()
}

/// The stand-in, with one client.
#[derive(Debug)]
pub struct Polled {
    stream: TcpStream,
    listener: Listener,
    heard: Vec<Heard>,
    complaints: Vec<String>,
    /// The addresses of the bridge, and their ports.
    bridge: BTreeMap<Key, String>,
    /// What this client was told of them.
    reported: BTreeMap<Key, String>,
    /// Recorded answers to give before any of its own: some for each poll.
    recorded: VecDeque<Vec<Vec<u8>>>,
}

impl Polled {
    /// Serve that client.
    ///
    /// # Errors
    ///
    /// When the socket cannot be set up.
    pub fn new(stream: TcpStream) -> Result<Self> {
        stream.set_read_timeout(Some(TURN))?;
        Ok(Self {
            stream,
            listener: Listener::new(Dialect::LinuxMclag, true),
            heard: Vec::new(),
            complaints: Vec::new(),
            bridge: BTreeMap::new(),
            reported: BTreeMap::new(),
            recorded: VecDeque::new(),
        })
    }

    /// Answer polls with these at first: some messages for each.
    pub fn record(&mut self, answers: impl IntoIterator<Item = Vec<Vec<u8>>>) {
        self.recorded.extend(answers);
    }

    /// How many polls have yet to come for what is recorded.
    #[must_use]
    pub fn unanswered(&self) -> usize {
        self.recorded.len()
    }

    /// Serve another connection, which was told nothing yet; what was heard on the one before is forgotten (1).
    ///
    /// # Errors
    ///
    /// When the socket cannot be set up.
    pub fn serve_again(&mut self, stream: TcpStream) -> Result<()> {
        let bridge = std::mem::take(&mut self.bridge);
        let complaints = self.complaints();
        *self = Self::new(stream)?;
        self.bridge = bridge;
        self.complaints = complaints;
        Ok(())
    }

    /// Close the connection, as a server that ends does.
    ///
    /// # Errors
    ///
    /// When the client did so before.
    pub fn close(&self) -> Result<()> {
        Ok(self.stream.shutdown(Shutdown::Both)?)
    }

    /// The bridge learns an address.
    pub fn learns(&mut self, vid: u16, mac: &str, port: &str) {
        self.bridge.insert((vid, mac.to_owned()), port.to_owned());
    }

    /// The bridge forgets an address.
    pub fn forgets(&mut self, vid: u16, mac: &str) {
        self.bridge.remove(&(vid, mac.to_owned()));
    }

    /// The port that the bridge has for an address.
    #[must_use]
    pub fn port(&self, vid: u16, mac: &str) -> Option<&str> {
        self.bridge.get(&(vid, mac.to_owned())).map(String::as_str)
    }

    /// What was heard on this connection.
    #[must_use]
    pub fn heard(&self) -> &[Heard] {
        &self.heard
    }

    /// How many messages of a type were heard on this connection.
    #[must_use]
    pub fn count(&self, kind: u8) -> usize {
        self.heard.iter().filter(|heard| heard.kind == kind).count()
    }

    /// What the original would not get along with, in words that name the section.
    #[must_use]
    pub fn complaints(&self) -> Vec<String> {
        let mut complaints = self.complaints.clone();
        complaints.extend_from_slice(self.listener.complaints());
        complaints
    }

    /// Read once, and do what is said there.
    ///
    /// # Errors
    ///
    /// When the connection is closed.
    pub fn turn(&mut self) -> Result<()> {
        let mut buffer = vec![0; READ];
        match self.stream.read(&mut buffer) {
            Ok(0) => bail!("the connection was closed"),
            Ok(count) => self.hears(&buffer[..count]),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }

    fn hears(&mut self, bytes: &[u8]) -> Result<()> {
        self.listener.hears(bytes);
        let mut rest = bytes;
        while let Some(&[1, kind, low, high]) = rest.first_chunk() {
            let length = usize::from(u16::from_le_bytes([low, high])).max(4);
            let Some((message, behind)) = rest.split_at_checked(length) else {
                break;
            };
            rest = behind;
            let heard = Heard {
                at: Instant::now(),
                kind,
                body: message[4..].to_vec(),
            };
            self.follows(&heard)?;
            self.heard.push(heard);
        }
        if !rest.is_empty() {
            let message = format!("a read that ends with {rest:02x?} (2.2)");
            self.complaints.push(message);
        }
        Ok(())
    }

    /// Do as a message says (4).
    fn follows(&mut self, heard: &Heard) -> Result<()> {
        match heard.kind {
            kind::SET_FDB => {
                for bytes in heard.body.chunks_exact(RECORD) {
                    for field in [&bytes[..32], &bytes[36..68]] {
                        if field[text(field).len()..].iter().any(|byte| *byte != 0) {
                            let field = field.escape_ascii();
                            self.complaints
                                .push(format!("{field}: not padded with zeros"));
                        }
                    }
                }
                for Record {
                    key, port, is_add, ..
                } in heard.records()
                {
                    // 4.16: it may still be reported, as an addition that the client did not ask for. It is here.
                    match is_add {
                        true => self.bridge.insert(key, port),
                        false => {
                            self.reported.remove(&key);
                            self.bridge.remove(&key)
                        }
                    };
                }
            }
            kind::FLUSH => self.bridge.clear(),
            kind::FLUSH_PORT => {
                let ports = heard.texts();
                let is_flushed = |port: &String| ports.iter().any(|(_, text)| text == port);
                self.bridge.retain(|_, port| !is_flushed(port));
            }
            kind::POLL => return self.answer(),
            _ => {}
        }
        Ok(())
    }

    /// Say what changed, all deletions first; nothing at all if nothing did (4.16).
    fn answer(&mut self) -> Result<()> {
        if let Some(messages) = self.recorded.pop_front() {
            for message in messages {
                self.stream.write_all(&message)?;
            }
            return Ok(());
        }
        let record = |(key, port): (&Key, &String), is_add| Record {
            key: key.clone(),
            port: port.clone(),
            kind: 2,
            is_add,
        };
        let gone = self.reported.iter();
        let gone = gone.filter(|(key, port)| self.bridge.get(*key) != Some(port));
        let new = self.bridge.iter();
        let new = new.filter(|(key, port)| self.reported.get(*key) != Some(port));
        let changes: Vec<Record> = gone
            .map(|entry| record(entry, false))
            .chain(new.map(|entry| record(entry, true)))
            .collect();
        for records in changes.chunks(MOST_RECORDS) {
            let length = u16::try_from(4 + records.len() * RECORD)?.to_le_bytes();
            let mut message = vec![1, 1, length[0], length[1]];
            records
                .iter()
                .for_each(|record| message.extend(record.bytes()));
            self.stream.write_all(&message)?;
        }
        self.reported.clone_from(&self.bridge);
        Ok(())
    }
}

/// Forwarding records of a recorded message of the server.
#[must_use]
pub fn recorded(message: &[u8]) -> Vec<Record> {
    let body = message.get(4..).unwrap_or_default();
    body.chunks_exact(RECORD).map(Record::read).collect()
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    const POLL: [u8; 4] = [1, 20, 4, 0];

    fn pair() -> (Polled, TcpStream) {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(server.local_addr().unwrap()).unwrap();
        (Polled::new(server.accept().unwrap().0).unwrap(), client)
    }

    fn record(port: &str, is_add: bool) -> Record {
        Record {
            key: (10, "00:11:22:33:44:55".to_owned()),
            port: port.to_owned(),
            kind: 2,
            is_add,
        }
    }

    /// A SET_FDB of one record, well padded.
    fn set_fdb(record: &Record) -> Vec<u8> {
        let mut bytes = record.bytes();
        for field in [0..32, 36..68] {
            let len = text(&bytes[field.clone()]).len();
            bytes[field][len..].fill(0);
        }
        [&[1, 5, 76, 0], &bytes[..]].concat()
    }

    fn answer(client: &mut TcpStream, count: usize) -> Vec<Record> {
        let mut message = vec![0; 4 + count * RECORD];
        client.read_exact(&mut message).unwrap();
        recorded(&message)
    }

    /// `spec/mclagsyncd-protocol.md` 4.16: deletions first; 10, item 8.
    #[test]
    fn a_poll_is_answered_with_what_changed_since_the_one_before() {
        let (mut server, mut client) = pair();
        server.learns(10, "00:11:22:33:44:55", "swp1");
        server.hears(&POLL).unwrap();
        assert_eq!(answer(&mut client, 1), [record("swp1", true)]);
        server.learns(10, "00:11:22:33:44:55", "swp2");
        server.hears(&[POLL, POLL].concat()).unwrap();
        let moved = [record("swp1", false), record("swp2", true)];
        assert_eq!(answer(&mut client, 2), moved);
        client.set_nonblocking(true).unwrap();
        assert!(client.read(&mut [0]).is_err(), "the second poll found none");
        assert!(server.complaints().is_empty(), "{:?}", server.complaints());
    }

    /// `spec/mclagsyncd-protocol.md` 2.2, 2.3, 4.5.
    #[test]
    fn what_the_original_would_lose_or_misread_is_complained_of() {
        let good = set_fdb(&record("swp1", false));
        let mut without_port = good.clone();
        without_port[40..72].fill(0);
        let mut with_garbage = good.clone();
        with_garbage[30] = 0xa5;
        let mut upper_case = good.clone();
        upper_case[4] = b'A';
        for (name, reads) in [
            ("a message in two reads", vec![&good[..40], &good[40..]]),
            ("another version", vec![&[2, 20, 4, 0][..]]),
            ("a type of the other dialect", vec![&[1, 8, 4, 0]]),
            ("a deletion without a port", vec![&without_port]),
            ("garbage behind a text", vec![&with_garbage]),
            ("an address in upper case", vec![&upper_case]),
        ] {
            let (mut server, _client) = pair();
            for read in reads {
                server.hears(read).unwrap();
            }
            assert!(!server.complaints().is_empty(), "{name}");
        }
        let (mut server, _client) = pair();
        server.hears(&[&good[..], &POLL].concat()).unwrap();
        assert!(server.complaints().is_empty(), "{:?}", server.complaints());
        assert_eq!(server.heard()[0].records(), [record("swp1", false)]);
    }
}
