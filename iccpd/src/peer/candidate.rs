//! A second connection from the peer's address, beside the one that is there.
//!
//! The peer has restarted unseen, or something else on its chassis looks what listens here: a port
//! scan, an operator's `telnet`. Its first word tells them apart: that of a peer is a Capability
//! (`spec/iccp.md` 5), or the mark of a native one. Until all of it is there the connection that is up goes
//! on, and no word is said on the new one (1.2 would refuse it: whoever restarted had to wait until the old one
//! is seen to be dead).

use super::mark;
use super::speech::{Heard, Speech};
use mclag_daemon::pipe::{Pipe, Progress};
use mclag_proto::iccp::{Detection, Detector, Dialect};
use std::future::pending;
use std::pin::Pin;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep_until};

/// How long it may take to say the first word. A native peer of an earlier version, which waits for ours,
/// takes a second.
pub(super) const PATIENCE: Duration = Duration::from_secs(3);

/// More than a first word takes.
const READ_CHUNK: usize = 64;

/// A connection that has not said its first word.
#[derive(Debug)]
pub(super) struct Candidate {
    pub(super) pipe: Pipe<TcpStream, Speech>,
    /// It has begun to speak.
    pub(super) has_begun: bool,
    until: Pin<Box<Sleep>>,
}

/// What shows that a candidate is a peer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Sign {
    /// Its first word is of this dialect.
    Word(Dialect),
    /// It has a mark, and would speak this dialect.
    Mark(Dialect),
}

impl Candidate {
    /// A connection that was just made; what this side would speak there, if it waits for the peer.
    pub(super) fn new(stream: TcpStream, waits: Option<Dialect>) -> Self {
        if let Some(ours) = waits {
            mark::exchange(&stream, ours);
        }
        Self {
            pipe: Pipe::new(stream, Speech::Unknown(Detector::default())),
            has_begun: false,
            until: Box::pin(sleep_until(Instant::now() + PATIENCE)),
        }
    }
}

/// What shows that the candidate is a peer, or why that is not worth waiting for any longer. Waits for ever
/// if there is none. Dropping the future loses nothing.
pub(super) async fn first_word(candidate: Option<&mut Candidate>) -> Result<Sign, String> {
    let Some(candidate) = candidate else {
        return pending().await;
    };
    loop {
        let most = mark::chunk(candidate.has_begun, READ_CHUNK);
        let result = tokio::select! {
            result = candidate.pipe.progress(most) => result,
            () = candidate.until.as_mut() => {
                let what = if candidate.has_begun { "stopped within its first word" } else { "said nothing" };
                return Err(format!("{what}, beside the connection that is up"));
            }
        };
        match result {
            Ok(Progress::Read(0)) => return Err("closed without a word".to_owned()),
            Ok(Progress::Read(_)) => candidate.has_begun = true,
            Ok(Progress::Wrote) => {}
            Err(error) if mark::is_end(&error) => return Err("closed without a word".to_owned()),
            Err(error) => return Err(error.to_string()),
        }
        match candidate.pipe.message() {
            Ok(Some(Heard::Mark(dialect))) => return Ok(Sign::Mark(dialect)),
            Ok(Some(Heard::Opening(Detection::Decided(dialect)))) => {
                match candidate.pipe.codec().begins_with_capability() {
                    None => {}
                    Some(true) => return Ok(Sign::Word(dialect)),
                    Some(false) => return Err("its first word is not a capability".to_owned()),
                }
            }
            Ok(Some(Heard::Opening(Detection::Impossible { offset, bytes }))) => {
                return Err(super::no_message(offset, &bytes));
            }
            _ => {}
        }
    }
}
