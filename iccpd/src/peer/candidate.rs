//! A second connection from the peer's address, beside the one that is there.
//!
//! The peer has restarted unseen, or something else on its chassis looks what listens here: a port
//! scan, an operator's `telnet`. Its first word tells them apart: that of a peer is a Capability
//! (`spec/iccp.md` 5), or the mark of a native one. Until all of it is there the connection that is up goes
//! on, and no word is said on the new one. After that it is asked whether its other end is still there, and the new
//! one takes its place only if not ([`iccp_core::contest`]): the kernel asks, and whoever has restarted knows nothing
//! of it and says so at once. The kernel does not ask while data is on its way, which it sends again less and less
//! often: then a host that was silent for long, and is back, is not asked in time. So the end of the time proves
//! nothing; what was heard until then does.

use super::mark;
use super::speech::{Heard, Speech};
use iccp_core::contest::First;
use mclag_daemon::pipe::{Pipe, Progress};
use mclag_netlink::tcp;
use mclag_proto::iccp::{Detection, Detector, Dialect};
use nix::sys::socket::{setsockopt, sockopt};
use std::future::pending;
use std::pin::Pin;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep_until};

/// How long it may take to say the first word. A native peer of an earlier version, which waits for ours,
/// takes a second.
pub(super) const PATIENCE: Duration = Duration::from_secs(3);

/// How long the other end of the connection that is up is waited for.
const PROBE: Duration = Duration::from_millis(PROBE_MS as u64);
const PROBE_MS: u32 = 3000;
/// The kernel's clock for that is coarse.
const GRACE: Duration = Duration::from_secs(1);

/// More than a first word takes.
const READ_CHUNK: usize = 64;

/// A connection that has not said its first word.
#[derive(Debug)]
pub(super) struct Candidate {
    pub(super) pipe: Pipe<TcpStream, Speech>,
    /// It has begun to speak.
    pub(super) has_begun: bool,
    /// What has shown that it is a peer.
    pub(super) sign: Option<Sign>,
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
            sign: None,
            until: Box::pin(sleep_until(Instant::now() + PATIENCE)),
        }
    }
}

/// What happens to a candidate.
#[derive(Debug)]
pub(super) enum News {
    /// It has shown that it is a peer.
    Sign(Sign),
    /// It is one, and the connection that is up was given enough time to end.
    Outlived,
    /// It is none, or not worth waiting for; why.
    Over(String),
}

/// What happens to the candidate, of which it is known from now on what shows that it is a peer. Waits for ever if
/// there is none. Dropping the future loses nothing.
pub(super) async fn news(candidate: Option<&mut Candidate>) -> News {
    let Some(candidate) = candidate else {
        return pending().await;
    };
    if candidate.sign.is_some() {
        candidate.until.as_mut().await;
        return News::Outlived;
    }
    match first_word(candidate).await {
        Ok(sign) => {
            candidate.sign = Some(sign);
            candidate
                .until
                .as_mut()
                .reset(Instant::now() + PROBE + GRACE);
            News::Sign(sign)
        }
        Err(reason) => News::Over(reason),
    }
}

/// The kernel asks the other end of the connection that is up whether it is there. One that does not know of it
/// ends it; one that does not answer, too, within [`PROBE`], unless data is on its way.
#[derive(Debug)]
pub(super) struct Probe {
    /// What was received until it began.
    before: Option<u32>,
}

impl Probe {
    /// Begin to ask.
    pub(super) fn begin(stream: &TcpStream) -> Self {
        let before = received(stream);
        let ask = || {
            setsockopt(stream, sockopt::KeepAlive, &true)?;
            setsockopt(stream, sockopt::TcpKeepInterval, &1)?;
            setsockopt(stream, sockopt::TcpUserTimeout, &PROBE_MS)?;
            // Last: it begins at once where nothing was heard for that long.
            setsockopt(stream, sockopt::TcpKeepIdle, &1)
        };
        if let Err(error) = ask() {
            tracing::debug!(%error, "the connection to the peer is not probed");
        }
        Self { before }
    }

    /// What is known of the connection, which had the time to answer.
    pub(super) fn result(&self, stream: &TcpStream) -> First {
        let heard = received(stream) != self.before;
        First::Probed { heard }
    }

    /// Ask no longer: what is lost on the way may take as long as the session from now on.
    pub(super) fn end(self, stream: &TcpStream) {
        let end = || {
            setsockopt(stream, sockopt::KeepAlive, &false)?;
            setsockopt(stream, sockopt::TcpUserTimeout, &0)
        };
        if let Err(error) = end() {
            tracing::debug!(%error, "the connection to the peer ends early where it does not answer");
        }
    }
}

fn received(stream: &TcpStream) -> Option<u32> {
    let received = tcp::segments_received(stream);
    let failed = |error: &_| tracing::debug!(%error, "it is not known what the peer says");
    received.inspect_err(failed).ok()
}

/// What shows that the candidate is a peer, or why that is not worth waiting for any longer. Dropping the
/// future loses nothing.
async fn first_word(candidate: &mut Candidate) -> Result<Sign, String> {
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
