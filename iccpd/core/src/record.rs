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
#[serde(
    deny_unknown_fields,
    rename_all = "kebab-case",
    rename_all_fields = "kebab-case"
)]
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
mod tests {
    use super::*;
    use mclag_proto::{DomainId, IfName, Mac};
    use std::net::IpAddr;

    fn error(text: &str) -> String {
        Recording::read(text.as_bytes()).unwrap_err().to_string()
    }

    fn config() -> Config {
        let name = |text| IfName::new(text).unwrap();
        Config {
            peer_link: Some(name("peerlink")),
            ports: [name("bond1")].into(),
            ..Config::new(
                DomainId::new(1).unwrap(),
                IpAddr::from([192, 0, 2, 1]),
                IpAddr::from([192, 0, 2, 2]),
                name("br0"),
                Mac([2, 0, 0, 0, 0, 1]),
            )
        }
    }

    fn header() -> String {
        Header::new(config(), true).line()
    }

    #[test]
    fn what_was_written_reads_the_same() {
        let entries = [
            Entry::input(Input::Timeout, Time::new(Duration::from_millis(1))),
            Entry::input(
                Input::PeerDown {
                    reason: "a \"quoted\" reason\n".into(),
                },
                Time::new(Duration::from_secs(2)),
            ),
            Digest::default().entry(true, Time::new(Duration::from_secs(3))),
        ];
        let text = header() + &entries.iter().map(Entry::line).collect::<String>();
        let recording = Recording::read(text.as_bytes()).unwrap();
        assert_eq!(recording.entries, entries);
        assert_eq!(recording.cut, None);
        assert_eq!(recording.header.line(), header());
    }

    #[test]
    fn a_replay_tells_what_was_decided_and_where_it_is_otherwise_than_recorded() {
        let mut domain = Domain::new(config());
        let mut entries = Vec::new();
        let abilities = mclag_proto::sync::model::Abilities::default();
        for what in [
            Input::LinksBegin,
            Input::LinksEnd,
            Input::SyncdUp {
                abilities,
                backend: "model".into(),
                window: 8,
            },
            Input::PeerUp {
                traits: Default::default(),
            },
        ] {
            entries.push(Entry::input(what.clone(), Time::ZERO));
            domain.handle(what, Time::ZERO);
        }
        let mut digest = Digest::default();
        while let Some(batch) = domain.poll_batch() {
            digest.batch(&batch);
        }
        while let Some(message) = domain.poll_peer_message(Time::ZERO) {
            digest.message(&message);
        }
        entries.push(digest.entry(true, Time::ZERO));
        let mut recording = Recording {
            header: Header::new(config(), true),
            entries,
            cut: None,
        };
        let replayed = recording.replay();
        assert_eq!(replayed.differing, Vec::<usize>::new());
        for expected in [
            "< LinksBegin",
            "!  Session ",
            "> batch 1: ",
            "> message 1: ",
        ] {
            assert!(
                replayed.text.contains(expected),
                "{expected} in {}",
                replayed.text
            );
        }
        if let Some(last) = recording.entries.last_mut() {
            *last = Digest::default().entry(true, Time::ZERO);
        }
        assert_eq!(recording.replay().differing, [6]);
    }

    #[test]
    fn a_line_may_be_as_long_as_the_longest_and_no_longer() {
        let line = |length: usize| {
            let begin = r#"{"at":0,"what":{"peer-down":{"reason":""#;
            let end = r#""}}}"#;
            let filling = length - begin.len() - end.len();
            format!("{begin}{}{end}", "x".repeat(filling))
        };
        let read = |length| parse::<serde_json::Value>(2, line(length).as_bytes()).is_ok();
        assert!(read(MAX_LINE));
        assert!(!read(MAX_LINE + 1));
        assert!(!read(MAX_LINE + 2));
    }

    #[test]
    fn every_batch_and_every_message_counts_in_what_was_given() {
        let batch = |number| Batch {
            number,
            ops: Vec::new(),
        };
        let message = |id| Message {
            id,
            body: mclag_proto::iccp::Body::Capability,
        };
        let entry = |give: &dyn Fn(&mut Digest)| {
            let mut digest = Digest::default();
            give(&mut digest);
            assert!(!digest.is_empty());
            digest.entry(true, Time::ZERO)
        };
        let entries = [
            entry(&|digest| digest.batch(&batch(1))),
            entry(&|digest| digest.batch(&batch(2))),
            entry(&|digest| digest.message(&message(1))),
            entry(&|digest| digest.message(&message(2))),
            entry(&|digest| {
                digest.batch(&batch(1));
                digest.message(&message(1));
            }),
            entry(&|digest| {
                digest.message(&message(1));
                digest.batch(&batch(1));
            }),
        ];
        for (number, entry) in entries.iter().enumerate() {
            assert_eq!(
                entries.iter().position(|other| other == entry),
                Some(number)
            );
        }
        let counts = entries.map(|entry| match entry {
            Entry::Polled {
                batches, messages, ..
            } => (batches, messages),
            Entry::Input { .. } => (0, 0),
        });
        assert_eq!(counts, [(1, 0), (1, 0), (0, 1), (0, 1), (1, 1), (1, 1)]);
        assert!(Digest::default().is_empty());
    }

    #[test]
    fn a_bad_line_is_named_with_its_place_and_field() {
        let good = Entry::input(Input::Timeout, Time::ZERO).line();
        for (line, expected) in [
            ("", "line 3, column 0: EOF while parsing a value"),
            ("{}", "line 3, column 2: expected value"),
            (
                r#"{"input":{"at":"soon","what":"timeout"}}"#,
                "line 3, column 21: at: invalid type: string \"soon\", expected u64",
            ),
            (
                r#"{"input":{"at":1,"what":"time-out"}}"#,
                "line 3, column 34: what: unknown variant `time-out`",
            ),
            (
                r#"{"input":{"at":1,"what":{"link-gone":{"index":1,"name":"x"}}}}"#,
                "line 3, column 54: unknown field `name`, expected `index`",
            ),
            (
                r#"{"input":{"at":1}}"#,
                "line 3, column 17: missing field `what`",
            ),
        ] {
            let text = format!("{}{good}{line}\n", header());
            let found = error(&text);
            assert!(found.starts_with(expected), "{line}: {found}");
        }
    }

    /// Cut anywhere, also within a character, as by a full disk.
    #[test]
    fn of_a_recording_that_was_cut_the_complete_lines_are_read_and_the_cut_is_told() {
        let entries = ["äöü", "two"].map(|reason| {
            let reason = reason.to_owned();
            Entry::input(Input::PeerDown { reason }, Time::ZERO)
        });
        let [first, second] = entries.each_ref().map(Entry::line);
        let text = header() + &first + &second;
        let text = text.as_bytes();
        let second_begins = text.len() - second.len();
        for end in header().len()..text.len() {
            let recording = Recording::read(&text[..end]).unwrap();
            let is_whole = |begin, line: &str| end + 1 >= begin + line.len();
            let begin = header().len();
            let (count, cut) = match (is_whole(begin, &first), is_whole(second_begins, &second)) {
                (true, true) => (2, None),
                (true, false) => (1, (end > second_begins).then_some(3)),
                (false, _) => (0, (end > begin).then_some(2)),
            };
            assert_eq!(recording.entries, entries[..count], "{end}");
            assert_eq!(recording.cut, cut, "{end}");
        }
        for end in 0..header().len() - 1 {
            assert!(Recording::read(&text[..end]).is_err(), "{end}");
        }
    }

    /// Only an end that is missing is a cut: not a bad line, and not one within.
    #[test]
    fn what_is_wrong_is_an_error_also_in_a_last_line_without_its_end() {
        let cut = r#"{"input":{"at":1"#;
        let good = Entry::input(Input::Timeout, Time::ZERO).line();
        let within = format!("{}{cut}\n{good}", header());
        assert!(error(&within).starts_with("line 2, column 16: at: EOF"));
        let ended = format!("{}{cut}\n", header());
        assert!(error(&ended).starts_with("line 2, column 16: at: EOF"));
        let wrong = format!(r#"{}{{"input":{{"at":"soon","#, header());
        assert!(error(&wrong).starts_with("line 2"), "{}", error(&wrong));
        let mut bytes = header().into_bytes();
        bytes.extend(b"{\"input\":{\"at\":1,\"what\":\"\xff\"}}\n");
        let expected = Recording::read(&bytes).unwrap_err().to_string();
        assert!(
            expected.starts_with("line 2, column 26: what: "),
            "{expected}"
        );
    }

    /// They are what the settings of a daemon may be.
    #[test]
    fn a_duration_that_no_daemon_has_is_refused_with_its_field_and_range() {
        let with = |change: fn(&mut Config)| {
            let mut config = config();
            change(&mut config);
            config
        };
        let cases = [
            (
                with(|c| c.keepalive = Duration::ZERO),
                "keepalive: 0ns is not between 100ms and 3600s",
            ),
            (
                with(|c| c.session_timeout = Duration::MAX),
                "session-timeout: 18446744073709551615.999999999s is not between 300ms and 3600s",
            ),
            (
                with(|c| c.ack_timeout = Duration::from_secs(601)),
                "ack-timeout: 601s is not between 100ms and 600s",
            ),
            (
                with(|c| c.restart_hold = Duration::from_secs(3601)),
                "restart-hold: 3601s is not between 0ns and 3600s",
            ),
        ];
        for (config, expected) in cases {
            let first = Header::new(config.clone(), true).line();
            let expected = |line| format!("line {line}, column 0: config: {expected}");
            assert_eq!(error(&first), expected(1));
            let input = Input::Configure(Box::new(config));
            let later = header() + &Entry::input(input, Time::ZERO).line();
            assert_eq!(error(&later), expected(2));
        }
    }

    #[test]
    fn time_does_not_go_back() {
        let line = |at| Entry::input(Input::Timeout, Time::new(Duration::from_nanos(at))).line();
        let text = header() + &line(2) + &line(1);
        let expected = "line 3, column 0: at: 1 is before 2, of the entry before";
        assert_eq!(error(&text), expected);
    }

    #[test]
    fn another_format_is_not_read() {
        let text = header().replace("\"mclag-recording\":1", "\"mclag-recording\":2");
        let expected = "line 1, column 0: mclag-recording: format 2, this program reads 1";
        assert_eq!(error(&text), expected);
    }
}
