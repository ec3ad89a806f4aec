//! Recordings: what a domain was told and when it was asked, so that it decides the same again.
//!
//! One JSON object per line. The first is a [`Header`], each other one an [`Entry`]. A domain has no
//! clock and no I/O, so the entries are all that its decisions depend on: fed with them, one of the same
//! version decides the same, to the byte. Nothing in them is a secret: the core is told none.
//!
//! A recording is read as strictly as what a peer sends: what cannot be read is named with its line,
//! column and field ([`RecordingError`]). Only its end may be missing, as after a crash: what was written
//! completely is read, and where it was cut is said ([`Recording::cut`]).

use crate::{Batch, Config, Domain, Input, Output, Time};
use mclag_proto::iccp::Message;
use serde::{Deserialize, Serialize};
use std::fmt::{Debug, Write as _};
use std::time::Duration;

/// Version of the format.
pub const FORMAT: u16 = 1;

/// Longest line that is read, in bytes. The longest that is written is a MAC Info of 64 KiB.
pub const MAX_LINE: usize = 4 << 20;

/// The first line.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Header {
    /// [`FORMAT`].
    pub mclag_recording: u16,
    /// Version of the program that wrote it.
    pub software: String,
    /// The domain had been told nothing before. Of one that had, the decisions are not the same.
    pub from_start: bool,
    /// Its configuration.
    pub config: Config,
}

impl Header {
    /// Of a recording that this build writes.
    #[must_use]
    pub fn new(config: Config, from_start: bool) -> Self {
        Self {
            mclag_recording: FORMAT,
            software: concat!("mclag ", env!("CARGO_PKG_VERSION")).to_owned(),
            from_start,
            config,
        }
    }

    /// The line, with its end.
    #[must_use]
    pub fn line(&self) -> String {
        line(self)
    }
}

/// Any other line. Times are in nanoseconds since the start of the program.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub enum Entry {
    /// Something happened.
    Input {
        /// When.
        at: u64,
        /// What.
        what: Input,
    },
    /// The domain was asked what is to be sent.
    Polled {
        /// When.
        at: u64,
        /// Batches for `syncd` that it gave.
        batches: u32,
        /// Messages for the peer that it gave.
        messages: u32,
        /// It was asked for messages until there was none, rather than no room.
        exhausted: bool,
        /// Digest of both, see [`Digest`].
        digest: u64,
    },
}

impl Entry {
    /// An input.
    #[must_use]
    pub fn input(what: Input, now: Time) -> Self {
        let at = nanoseconds(now);
        Self::Input { at, what }
    }

    /// The line, with its end.
    #[must_use]
    pub fn line(&self) -> String {
        line(self)
    }

    const fn at(&self) -> u64 {
        match self {
            Self::Input { at, .. } | Self::Polled { at, .. } => *at,
        }
    }
}

/// What a domain gave when it was asked, as a number that tells whether it gives the same again: FNV-1a
/// over its text.
#[derive(Clone, Copy, Debug)]
pub struct Digest {
    hash: u64,
    batches: u32,
    messages: u32,
}

impl Default for Digest {
    fn default() -> Self {
        Self {
            hash: 0xcbf2_9ce4_8422_2325,
            batches: 0,
            messages: 0,
        }
    }
}

impl Digest {
    /// One batch more.
    pub fn batch(&mut self, batch: &Batch) {
        self.batches = self.batches.saturating_add(1);
        self.add(batch);
    }

    /// One message more.
    pub fn message(&mut self, message: &Message) {
        self.messages = self.messages.saturating_add(1);
        self.add(message);
    }

    /// Nothing was given.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.batches == 0 && self.messages == 0
    }

    /// The entry.
    #[must_use]
    pub fn entry(self, exhausted: bool, now: Time) -> Entry {
        Entry::Polled {
            at: nanoseconds(now),
            batches: self.batches,
            messages: self.messages,
            exhausted,
            digest: self.hash,
        }
    }

    fn add(&mut self, value: &dyn Debug) {
        // Writing to it does not fail.
        let _ = write!(self, "{value:?}");
    }
}

impl std::fmt::Write for Digest {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        for byte in text.bytes() {
            self.hash = (self.hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        Ok(())
    }
}

/// A recording that was read.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Recording {
    /// Its first line.
    pub header: Header,
    /// The others.
    pub entries: Vec<Entry>,
    /// Number of the last line, from 1, if that was not written to its end; it is not among the entries.
    pub cut: Option<usize>,
}

/// Why a recording cannot be read.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("line {line}, column {column}: {reason}")]
pub struct RecordingError {
    /// Line, from 1.
    pub line: usize,
    /// Column in bytes, from 1; 0 where it is about the whole line.
    pub column: usize,
    /// What is wrong, and with which field.
    pub reason: String,
}

/// What came of a replay.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Replayed {
    /// What happened and what was decided, for a reader.
    pub text: String,
    /// Lines of the recording at which something else was decided than when it was written.
    pub differing: Vec<usize>,
}

impl Recording {
    /// Read one.
    ///
    /// # Errors
    ///
    /// With the first line that cannot be read.
    pub fn read(text: &[u8]) -> Result<Self, RecordingError> {
        let mut lines = (1..).zip(text.split_inclusive(|byte| *byte == b'\n'));
        let (number, first) = lines.next().unwrap_or((1, b""));
        let header: Header = parse(number, first).map_err(|(error, _)| error)?;
        if header.mclag_recording != FORMAT {
            let version = header.mclag_recording;
            let reason = format!("mclag-recording: format {version}, this program reads {FORMAT}");
            return Err(whole_line(number, reason));
        }
        check(number, &header.config)?;
        let mut entries: Vec<Entry> = Vec::new();
        let mut cut = None;
        for (number, line) in lines {
            let entry: Entry = match parse(number, line) {
                Ok(entry) => entry,
                Err((_, Ends::Early)) if !line.ends_with(b"\n") => {
                    cut = Some(number);
                    break;
                }
                Err((error, _)) => return Err(error),
            };
            if let Entry::Input {
                what: Input::Configure(config),
                ..
            } = &entry
            {
                check(number, config)?;
            }
            let before = entries.last().map_or(0, Entry::at);
            if entry.at() < before {
                let reason = format!("at: {} is before {before}, of the entry before", entry.at());
                return Err(whole_line(number, reason));
            }
            entries.push(entry);
        }
        Ok(Self {
            header,
            entries,
            cut,
        })
    }

    /// Have a new domain decide.
    #[must_use]
    pub fn replay(&self) -> Replayed {
        let mut replayed = Replayed::default();
        let mut domain = Domain::new(self.header.config.clone());
        // The first line is the header.
        for (number, entry) in (2..).zip(&self.entries) {
            let now = Time::new(Duration::from_nanos(entry.at()));
            match entry {
                Entry::Input { what, .. } => {
                    replayed.write(now, "<", what);
                    domain.handle(what.clone(), now);
                    replayed.outputs(&mut domain, now);
                }
                Entry::Polled { exhausted, .. } => {
                    let digest = replayed.polled(&mut domain, entry, now);
                    replayed.outputs(&mut domain, now);
                    if digest.entry(*exhausted, now) != *entry {
                        replayed.differing.push(number);
                    }
                }
            }
        }
        replayed
    }
}

impl Replayed {
    fn write(&mut self, now: Time, arrow: &str, what: &dyn Debug) {
        let seconds = now.since_origin().as_secs();
        let micros = now.since_origin().subsec_micros();
        // Writing to text does not fail.
        let _ = writeln!(self.text, "{seconds:>6}.{micros:06} {arrow} {what:?}");
    }

    fn outputs(&mut self, domain: &mut Domain, now: Time) {
        while let Some(output) = domain.poll_output() {
            match output {
                Output::Notice(notice) => self.write(now, "! ", &notice),
                other => self.write(now, "> ", &other),
            }
        }
    }

    /// As the I/O layer asks: for batches until there is none, then for messages.
    fn polled(&mut self, domain: &mut Domain, entry: &Entry, now: Time) -> Digest {
        let Entry::Polled {
            messages,
            exhausted,
            ..
        } = entry
        else {
            return Digest::default();
        };
        let mut digest = Digest::default();
        while let Some(batch) = domain.poll_batch() {
            digest.batch(&batch);
            for op in &batch.ops {
                self.write(now, &format!("> batch {}:", batch.number), op);
            }
        }
        let asked = if *exhausted { u32::MAX } else { *messages };
        for _ in 0..asked {
            let Some(message) = domain.poll_peer_message(now) else {
                break;
            };
            digest.message(&message);
            self.write(now, &format!("> message {}:", message.id), &message.body);
        }
        digest
    }
}

fn nanoseconds(now: Time) -> u64 {
    u64::try_from(now.since_origin().as_nanos()).unwrap_or(u64::MAX)
}

fn line(value: &impl Serialize) -> String {
    // Numbers, text and lists of them can be written as JSON; a map with other keys is not among them.
    let mut line = serde_json::to_string(value).unwrap_or_default();
    line.push('\n');
    line
}

const fn whole_line(line: usize, reason: String) -> RecordingError {
    RecordingError {
        line,
        column: 0,
        reason,
    }
}

fn check(line: usize, config: &Config) -> Result<(), RecordingError> {
    let checked = config.check();
    checked.map_err(|error| whole_line(line, format!("config: {error}")))
}

/// How a line that cannot be read ends.
enum Ends {
    /// Before the value does: nothing of what is there is wrong.
    Early,
    /// Anyhow.
    Wrong,
}

fn parse<'a, T: Deserialize<'a>>(line: usize, text: &'a [u8]) -> Result<T, (RecordingError, Ends)> {
    if text.len() > MAX_LINE {
        let reason = format!("{} bytes long, {MAX_LINE} are read", text.len());
        return Err((whole_line(line, reason), Ends::Wrong));
    }
    let text = text.strip_suffix(b"\n").unwrap_or(text);
    serde_json::from_slice(text).map_err(|error| {
        let column = error.column();
        let reason = error.to_string();
        // It reads one line, so its position means nothing.
        let reason = reason
            .rsplit_once(" at line ")
            .map_or(&*reason, |(reason, _)| reason);
        let names_field = ["unknown field", "missing field", "duplicate field"]
            .iter()
            .any(|what| reason.starts_with(what));
        let field = field_before(text, column).filter(|_| !names_field);
        let reason = match field {
            Some(field) => format!("{field}: {reason}"),
            None => reason.to_owned(),
        };
        let ends = match error.is_eof() {
            true => Ends::Early,
            false => Ends::Wrong,
        };
        let error = RecordingError {
            line,
            column,
            reason,
        };
        (error, ends)
    })
}

/// Name of the last field that begins before this column.
fn field_before(text: &[u8], column: usize) -> Option<String> {
    let before = String::from_utf8_lossy(text.get(..column.min(text.len()))?);
    let (name, _) = before.rsplit_once("\":")?;
    let (_, name) = name.rsplit_once('"')?;
    Some(name.to_owned())
}

#[cfg(test)]
mod tests;
