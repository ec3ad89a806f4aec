//! Asks a running daemon: `iccpd`, or `syncd` about the dataplane.

use mclag_daemon::ctl::{LineError, Lines};
use mclag_daemon::pipe::receive;
use mclag_proto::DomainId;
use mclag_proto::ctl::dataplane::{self, Dataplane};
use mclag_proto::ctl::{Interface, MacLine, NeighbourLine, PeerStatus, Reply, Request, Status};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io::{self, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio_util::bytes::BytesMut;
use tokio_util::codec::Encoder as _;

/// How long the daemon may take to answer.
const DEADLINE: Duration = Duration::from_secs(5);

/// A connection to the daemon.
#[derive(Debug)]
pub struct Client {
    stream: UnixStream,
    incoming: BytesMut,
    path: PathBuf,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// Nobody listens.
    #[error(
        "iccpd is not running: no process is listening on {}\n\
         Start it with `systemctl start iccpd`, or name its socket with --socket.",
        .0.display()
    )]
    NotRunning(PathBuf),
    /// Nobody listens where `syncd` should.
    #[error(
        "mclagsyncd is not running: no process is listening on {}\n\
         Start it with `systemctl start mclagsyncd`, with `systemctl start mclag-syncd` where mclagsyncd is a \
         program of SONiC or linux-mclag, or name its socket with --syncd-socket.",
        .0.display()
    )]
    SyncdNotRunning(PathBuf),
    /// The socket is there and cannot be used.
    #[error("cannot talk to the daemon on {}: {source}{}", .path.display(), hint(source))]
    Io {
        /// The socket.
        path: PathBuf,
        /// The system's words.
        source: io::Error,
    },
    /// The daemon refused.
    #[error("iccpd answers: {0}")]
    Refused(String),
    /// `syncd` refused.
    #[error("mclagsyncd answers: {0}")]
    SyncdRefused(String),
    /// The answer makes no sense: the two are of different versions, or it is another
    /// daemon.
    #[error("the answer on {} cannot be read: {reason}", .path.display())]
    Unreadable {
        /// The socket.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

fn hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied => "\nMembers of the socket's group may use it.",
        _ => "",
    }
}

impl Client {
    /// Connect.
    ///
    /// # Errors
    ///
    /// When nobody listens there, or the socket may not be used.
    pub fn connect(path: &Path) -> Result<Self, ClientError> {
        Self::connect_or(path, ClientError::NotRunning)
    }

    /// Connect to `syncd`, for [`Client::dataplane`].
    ///
    /// # Errors
    ///
    /// As for [`Client::connect`].
    pub fn connect_to_syncd(path: &Path) -> Result<Self, ClientError> {
        Self::connect_or(path, ClientError::SyncdNotRunning)
    }

    fn connect_or(
        path: &Path,
        not_running: impl Fn(PathBuf) -> ClientError,
    ) -> Result<Self, ClientError> {
        let failed = |source: io::Error| match source.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
                not_running(path.to_owned())
            }
            _ => ClientError::Io {
                path: path.to_owned(),
                source,
            },
        };
        let stream = UnixStream::connect(path).map_err(failed)?;
        stream.set_read_timeout(Some(DEADLINE)).map_err(failed)?;
        stream.set_write_timeout(Some(DEADLINE)).map_err(failed)?;
        Ok(Self {
            stream,
            incoming: BytesMut::new(),
            path: path.to_owned(),
        })
    }

    /// The pair at a glance.
    ///
    /// # Errors
    ///
    /// When there is no usable answer; so for the others.
    pub fn status(&mut self) -> Result<Status, ClientError> {
        match self.ask(&Request::Status)? {
            Reply::Status(status) => Ok(*status),
            other => Err(self.unexpected(other)),
        }
    }

    /// Every MLAG port and the peer link.
    ///
    /// # Errors
    ///
    /// As for [`Client::status`].
    pub fn interfaces(&mut self) -> Result<Vec<Interface>, ClientError> {
        match self.ask(&Request::Interfaces)? {
            Reply::Interfaces { interfaces } => Ok(interfaces),
            other => Err(self.unexpected(other)),
        }
    }

    /// The addresses that `keep` likes, of all pages.
    ///
    /// # Errors
    ///
    /// As for [`Client::status`].
    pub fn macs(&mut self, keep: impl Fn(&MacLine) -> bool) -> Result<Vec<MacLine>, ClientError> {
        all_pages(keep, |after| match self.ask(&Request::Macs { after })? {
            Reply::Macs { macs, next } => Ok((macs, next)),
            other => Err(self.unexpected(other)),
        })
    }

    /// The neighbours that `keep` likes, of all pages.
    ///
    /// # Errors
    ///
    /// As for [`Client::status`].
    pub fn neighbours(
        &mut self,
        keep: impl Fn(&NeighbourLine) -> bool,
    ) -> Result<Vec<NeighbourLine>, ClientError> {
        all_pages(keep, |after| {
            match self.ask(&Request::Neighbours { after })? {
                Reply::Neighbours { neighbours, next } => Ok((neighbours, next)),
                other => Err(self.unexpected(other)),
            }
        })
    }

    /// The session with the other chassis.
    ///
    /// # Errors
    ///
    /// As for [`Client::status`].
    pub fn peer(&mut self) -> Result<PeerStatus, ClientError> {
        match self.ask(&Request::Peer)? {
            Reply::Peer(peer) => Ok(*peer),
            other => Err(self.unexpected(other)),
        }
    }

    /// The dataplane, whoever drives it.
    ///
    /// # Errors
    ///
    /// As for [`Client::status`].
    pub fn dataplane(&mut self) -> Result<Dataplane, ClientError> {
        match self.ask(&dataplane::Request::Dataplane)? {
            dataplane::Reply::Dataplane(shown) => Ok(*shown),
            other => Err(self.unexpected_of_syncd(other)),
        }
    }

    /// Have `syncd` forget the pair that it remembers of a foreign server. The domain of the pair.
    ///
    /// # Errors
    ///
    /// As for [`Client::status`].
    pub fn forget_pair(&mut self) -> Result<DomainId, ClientError> {
        match self.ask(&dataplane::Request::ForgetPair)? {
            dataplane::Reply::Forgotten { domain } => Ok(domain),
            other => Err(self.unexpected_of_syncd(other)),
        }
    }

    fn ask<A: DeserializeOwned>(&mut self, request: &impl Serialize) -> Result<A, ClientError> {
        let failed = |source| ClientError::Io {
            path: self.path.clone(),
            source,
        };
        let mut codec = Lines::replies();
        let mut line = BytesMut::new();
        codec
            .encode(request, &mut line)
            .map_err(|e| self.unreadable(&e))?;
        match self.stream.write_all(&line) {
            // A daemon that closed the connection may have said why.
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => return Err(failed(error)),
            _ => {}
        }
        match receive(&mut self.stream, &mut codec, &mut self.incoming) {
            Ok(Some(reply)) => Ok(reply),
            Ok(None) => Err(self.unreadable(&"the connection was closed")),
            Err(LineError::Io(error)) => Err(failed(error)),
            Err(error) => Err(self.unreadable(&error)),
        }
    }

    fn unreadable(&self, reason: &dyn ToString) -> ClientError {
        ClientError::Unreadable {
            path: self.path.clone(),
            reason: reason.to_string(),
        }
    }

    fn unexpected_of_syncd(&self, reply: dataplane::Reply) -> ClientError {
        match reply {
            dataplane::Reply::Error { message } => ClientError::SyncdRefused(message),
            _ => self.unreadable(&"it answers another question"),
        }
    }

    fn unexpected(&self, reply: Reply) -> ClientError {
        match reply {
            Reply::Error { message } => ClientError::Refused(message),
            _ => self.unreadable(&"it answers another question"),
        }
    }
}

/// The lines that `keep` likes, of all pages.
fn all_pages<L, C: Copy + PartialEq>(
    keep: impl Fn(&L) -> bool,
    mut page: impl FnMut(Option<C>) -> Result<(Vec<L>, Option<C>), ClientError>,
) -> Result<Vec<L>, ClientError> {
    let mut all = Vec::new();
    let mut after = None;
    loop {
        let (lines, next) = page(after)?;
        all.extend(lines.into_iter().filter(&keep));
        // A page that does not lead on would be asked for again and again.
        if next.is_none() || next == after {
            return Ok(all);
        }
        after = next;
    }
}
