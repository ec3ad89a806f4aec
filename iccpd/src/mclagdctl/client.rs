//! `mclagdctl`: asks a daemon, legacy or ours, and prints what the legacy tool would
//! (`spec/mclagdctl-protocol.md` 6).
//!
//! Nothing on the wire says which dialect a daemon speaks. Sonic is tried first; that it is the
//! other one shows in the size or the content of the records, or in a closed connection
//! (section 9). An answer that could be of both, such as an empty one, is settled by asking for
//! the state, whose records differ in size.

use super::args::{self, Invocation, Stop};
use super::codec::{LENGTH_LEN, Replies, ReplyError};
use super::text;
use mclag_daemon::pipe::receive;
use mclag_proto::mclagdctl::{
    Command, DEFAULT_SOCKET, Data, DecodeError, Dialect, Outcome, ReplyHeader, Request,
};
use std::ffi::OsString;
use std::io::{self, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio_util::bytes::{Buf as _, BytesMut};

/// Name under which the program behaves so.
pub const NAME: &str = "mclagdctl";

/// Environment variable with the path of the socket, where it is not [`DEFAULT_SOCKET`].
pub const SOCKET_VARIABLE: &str = "MCLAGDCTL_SOCKET";

/// Environment variable with the dialect, where it is not to be found out: `sonic` or
/// `linux-mclag`.
pub const DIALECT_VARIABLE: &str = "MCLAGDCTL_DIALECT";

/// Silence after which the daemon is given up (section 1).
const TIMEOUT: Duration = Duration::from_secs(10);

/// Where and how to ask.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Place {
    /// The socket.
    pub socket: PathBuf,
    /// The dialect; `None` to find it out.
    pub dialect: Option<Dialect>,
    /// Silence after which the daemon is given up.
    pub timeout: Duration,
}

impl Place {
    /// As the environment says. A dialect that does not exist counts as none.
    #[must_use]
    pub fn from_env(variable: impl Fn(&str) -> Option<OsString>) -> Self {
        let dialect = variable(DIALECT_VARIABLE);
        Self {
            socket: variable(SOCKET_VARIABLE).map_or_else(|| DEFAULT_SOCKET.into(), PathBuf::from),
            dialect: dialect.and_then(|name| name.to_str()?.parse().ok()),
            timeout: TIMEOUT,
        }
    }
}

/// Run the tool; `program` is the name as invoked. Returns the exit status.
///
/// # Errors
///
/// When it cannot print.
pub fn run(
    program: &str,
    args: &[String],
    place: &Place,
    out: &mut impl Write,
    err: &mut impl Write,
) -> io::Result<u8> {
    let dialect = place.dialect.unwrap_or_default();
    let invocation = match args::parse(program, args, dialect) {
        Ok(invocation) => invocation,
        Err(stop) => {
            let status = match stop {
                Stop::Help => 0,
                Stop::Wrong(message) => {
                    err.write_all(message.as_bytes())?;
                    1
                }
            };
            out.write_all(args::help(program, dialect).as_bytes())?;
            return Ok(status);
        }
    };
    match answer(&invocation, place) {
        Ok((dialect, data)) => {
            out.write_all(text::render(&data, dialect).as_bytes())?;
            Ok(0)
        }
        Err(failure) => {
            if failure.is_timeout() {
                // The legacy tool prints the words of `errno`, which a timeout does not set.
                writeln!(out, "Mclagdctl:Select timeout:Success")?;
            }
            if let Some(message) = failure.message(&invocation) {
                writeln!(err, "{message}")?;
            }
            Ok(1)
        }
    }
}

/// Why there is no answer.
#[derive(Debug)]
enum Failure {
    Connect,
    NoId,
    Send,
    /// Nothing where the length should be.
    NoLength {
        timeout: bool,
    },
    /// A length that no reply has.
    Length(i32),
    /// The reply ends too early.
    Short {
        timeout: bool,
    },
    /// An answer to another question.
    InfoType,
    /// The daemon says so.
    Outcome(Outcome),
    /// What the records hold is of neither dialect.
    Unreadable(DecodeError),
    /// The daemon speaks this dialect, which does not have the command.
    Lacks(Dialect),
}

impl Failure {
    const fn is_timeout(&self) -> bool {
        matches!(
            self,
            Self::NoLength { timeout: true } | Self::Short { timeout: true }
        )
    }

    /// The daemon closed the connection where an answer was due, as one of the other dialect does.
    const fn is_closed(&self) -> bool {
        matches!(
            self,
            Self::NoLength { timeout: false } | Self::Short { timeout: false }
        )
    }

    fn message(&self, invocation: &Invocation) -> Option<String> {
        Some(match self {
            Self::Connect => return None,
            Self::NoId => "Need to specify mclag-id through the parameter i !".into(),
            Self::Send => "Failed to send command to mclagd".into(),
            Self::NoLength { .. } => "Failed to read data length from mclagd".into(),
            Self::Length(length) => format!("pkt len = {length}, error"),
            Self::Short { .. } => "Failed to read data from mclagd".into(),
            Self::InfoType => "Reply info type from mclagd error".into(),
            Self::Outcome(Outcome::NoSystem) => "No exist sys in iccpd!".into(),
            Self::Outcome(Outcome::NoDomain) => {
                let id = invocation.value;
                format!("Mclag-id {id} hasn't been configured in iccpd!")
            }
            Self::Outcome(Outcome::Reserved(_)) if invocation.command == Command::LogLevel => {
                "Config loglevel failed!".into()
            }
            Self::Outcome(_) => "exec error in iccpd!".into(),
            Self::Unreadable(error) => format!("Failed to read data from mclagd\n{error}"),
            Self::Lacks(dialect) => {
                let words = invocation.command.words().join(" ");
                format!("iccpd speaks the {dialect} dialect, which has no \"{words}\"")
            }
        })
    }
}

/// What can be said of an answer that was asked for in sonic's numbers.
enum Verdict {
    Sonic(Data),
    /// It is not of sonic; this is how it failed.
    Other(Failure),
    /// It may be of either; this is what it says in sonic.
    Unclear(Data),
}

fn answer(invocation: &Invocation, place: &Place) -> Result<(Dialect, Data), Failure> {
    let request = Request {
        command: invocation.command,
        id: invocation.value,
    };
    let stream = connect(place)?;
    if invocation.lacks_id() {
        return Err(Failure::NoId);
    }
    if let Some(dialect) = place.dialect {
        let records = ask(stream, &request, dialect)?;
        let data = Data::decode(request.command, dialect, &records);
        return Ok((dialect, data.map_err(Failure::Unreadable)?));
    }
    let first = match ask(stream, &request, Dialect::Sonic) {
        Ok(records) => judge(request.command, &records),
        Err(failure) if failure.is_closed() => Verdict::Other(failure),
        Err(failure) => return Err(failure),
    };
    let other = Dialect::LinuxMclag;
    let (failure, sonic) = match first {
        Verdict::Sonic(data) => return Ok((Dialect::Sonic, data)),
        Verdict::Unclear(data) if !speaks(place, other) => return Ok((Dialect::Sonic, data)),
        Verdict::Unclear(data) => (Failure::Lacks(other), Some(data)),
        Verdict::Other(failure) => (failure, None),
    };
    if request.command.code(other).is_none() {
        // Closed without a word it may be anything; records it sent say what it is.
        return Err(match failure {
            Failure::Unreadable(_) if speaks(place, other) => Failure::Lacks(other),
            failure => failure,
        });
    }
    let again = connect(place).and_then(|stream| ask(stream, &request, other));
    let data = again.and_then(|records| {
        let size = request.command.record_size(other).unwrap_or(1);
        if records.len().is_multiple_of(size) {
            Data::decode(request.command, other, &records).map_err(Failure::Unreadable)
        } else {
            Err(Failure::Short { timeout: false })
        }
    });
    match (data, sonic) {
        (Ok(data), _) => Ok((other, data)),
        (Err(_), Some(data)) => Ok((Dialect::Sonic, data)),
        (Err(outcome @ Failure::Outcome(_)), None) => Err(outcome),
        (Err(outcome @ Failure::Short { .. }), None) if failure.is_closed() => Err(outcome),
        (Err(_), None) => Err(failure),
    }
}

/// Look at records that were asked for in sonic's numbers.
fn judge(command: Command, records: &[u8]) -> Verdict {
    let fits = |command: Command, dialect| {
        let size = command.record_size(dialect)?;
        Some(records.len().is_multiple_of(size))
    };
    let data = match Data::decode(command, Dialect::Sonic, records) {
        Ok(data) => data,
        Err(error) => return Verdict::Other(Failure::Unreadable(error)),
    };
    let theirs = command
        .code(Dialect::Sonic)
        .and_then(|code| Command::from_code(code, Dialect::LinuxMclag));
    let could_be_theirs = theirs.and_then(|theirs| fits(theirs, Dialect::LinuxMclag));
    match (fits(command, Dialect::Sonic), could_be_theirs) {
        // A remainder is ignored, if nobody else can make sense of it (section 3).
        (Some(false), Some(true)) => Verdict::Other(Failure::Unreadable(DecodeError::Short {
            field: "record",
            offset: ReplyHeader::LEN + records.len(),
        })),
        (_, Some(true)) if command != Command::State => Verdict::Unclear(data),
        _ => Verdict::Sonic(data),
    }
}

/// Whether the daemon's state is of this dialect, which is what tells them apart.
fn speaks(place: &Place, dialect: Dialect) -> bool {
    let request = Request {
        command: Command::State,
        id: 0,
    };
    let records = connect(place).and_then(|stream| ask(stream, &request, dialect));
    records.is_ok_and(|records| {
        let size = |dialect| Command::State.record_size(dialect).unwrap_or(1);
        !records.is_empty()
            && records.len().is_multiple_of(size(dialect))
            && Data::decode(Command::State, dialect, &records).is_ok()
    })
}

fn connect(place: &Place) -> Result<UnixStream, Failure> {
    let open = |path: &Path| -> io::Result<UnixStream> {
        let stream = UnixStream::connect(path)?;
        stream.set_read_timeout(Some(place.timeout))?;
        stream.set_write_timeout(Some(place.timeout))?;
        Ok(stream)
    };
    open(&place.socket).map_err(|_| Failure::Connect)
}

/// One request, one reply: its records.
fn ask(mut stream: UnixStream, request: &Request, dialect: Dialect) -> Result<BytesMut, Failure> {
    let lacks = Failure::Lacks(dialect);
    let wire = request.encode(dialect).ok_or(lacks)?;
    stream.write_all(&wire).map_err(|_| Failure::Send)?;
    let mut incoming = BytesMut::new();
    let (body, timeout) = match receive(&mut stream, &mut Replies, &mut incoming) {
        Ok(body) => (body, false),
        Err(ReplyError::Length(length)) => return Err(Failure::Length(length)),
        Err(ReplyError::Io(error)) => (None, is_timeout(&error)),
    };
    let Some(mut body) = body else {
        return Err(match incoming.len() {
            ..LENGTH_LEN => Failure::NoLength { timeout },
            _ => Failure::Short { timeout },
        });
    };
    let header = ReplyHeader::decode(&body).map_err(|_| Failure::Short { timeout })?;
    if Some(header.info_type) != request.command.code(dialect) {
        return Err(Failure::InfoType);
    }
    if header.outcome != Outcome::Success {
        return Err(Failure::Outcome(header.outcome));
    }
    let counted = ReplyHeader::LEN - LENGTH_LEN;
    let data_len = usize::try_from(header.data_len).unwrap_or(usize::MAX);
    body.truncate(counted.saturating_add(data_len));
    body.advance(counted);
    Ok(body)
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
    )
}

#[cfg(test)]
mod tests;
