//! What a daemon is told by signals.

use std::future::poll_fn;
use std::io;
use std::task::Poll;

use tokio::signal::unix::{self, SignalKind, signal};

/// What a daemon is told to do.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Signal {
    /// It is to stop: SIGTERM or SIGINT.
    Stop,
    /// The settings are to be read again: SIGHUP (`spec/behaviour.md` 14.5).
    Reload,
    /// The chassis reboots warm: SIGUSR1 (`spec/behaviour.md` 14.1).
    WarmReboot,
    /// A recording is to begin, or to end: SIGUSR2.
    Record,
}

impl Signal {
    fn kinds(self) -> Vec<SignalKind> {
        match self {
            Self::Stop => vec![SignalKind::terminate(), SignalKind::interrupt()],
            Self::Reload => vec![SignalKind::hangup()],
            Self::WarmReboot => vec![SignalKind::user_defined1()],
            Self::Record => vec![SignalKind::user_defined2()],
        }
    }
}

/// The signals that somebody listens to.
#[derive(Debug)]
pub struct Signals(Vec<(Signal, unix::Signal)>);

/// A signal cannot be caught.
#[derive(Debug, thiserror::Error)]
#[error("cannot catch signals that say {signal:?}")]
pub struct CatchError {
    signal: Signal,
    source: io::Error,
}

impl Signals {
    /// From now on these are heard, however late somebody asks. Must be called within a tokio runtime.
    ///
    /// # Errors
    ///
    /// When the system refuses.
    pub fn catch(signals: &[Signal]) -> Result<Self, CatchError> {
        let mut caught = Vec::new();
        for meaning in signals {
            for kind in meaning.kinds() {
                let stream = signal(kind).map_err(|source| CatchError {
                    signal: *meaning,
                    source,
                })?;
                caught.push((*meaning, stream));
            }
        }
        Ok(Self(caught))
    }

    /// The next one. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Signal {
        poll_fn(|cx| {
            for (meaning, stream) in &mut self.0 {
                if let Poll::Ready(Some(())) = stream.poll_recv(cx) {
                    return Poll::Ready(*meaning);
                }
            }
            Poll::Pending
        })
        .await
    }
}
