//! The operator's socket: one JSON object per line each way ([`mclag_proto::ctl`]).
//!
//! A task per client; the driver sees only questions, each with the place to put its answer, so
//! no client can hold it up. Bounds: [`MAX_CLIENTS`], one question per client,
//! [`MAX_REQUEST`] bytes of request, [`PAGE`] addresses per answer. A client that does not read
//! its answer, or says nothing for a minute, is dropped.

pub mod client;
pub mod show;

use mclag_proto::ctl::{MAX_REQUEST, Reply, Request};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixSocket, UnixStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// Clients served at a time; more are told so and closed.
pub const MAX_CLIENTS: usize = 16;

/// Addresses in one answer.
pub const PAGE: usize = 1000;

const WRITE_TIMEOUT: Duration = Duration::from_secs(5);
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);
const ACCEPT_RETRY: Duration = Duration::from_millis(100);
/// Connections that wait to be accepted.
const BACKLOG: u32 = 128;
const BUSY: &str = "too many clients at a time";

/// A question and where the answer goes.
#[derive(Debug)]
pub struct Question {
    /// What is asked.
    pub request: Request,
    /// Takes the answer; that nobody waits for it any more is no error.
    pub answer: oneshot::Sender<Reply>,
}

/// The listening socket. Removed from the file system when dropped.
#[derive(Debug)]
pub struct Server {
    listener: UnixListener,
    path: PathBuf,
    clients: JoinSet<()>,
    sender: mpsc::Sender<Question>,
    questions: mpsc::Receiver<Question>,
}

/// Why there is no control socket.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ListenError {
    /// Somebody listens there already.
    #[error("another iccpd listens on {}", .0.display())]
    InUse(PathBuf),
    /// Something that is not a socket is in the way.
    #[error("{} exists and is not a socket", .0.display())]
    NotASocket(PathBuf),
    /// The system refused.
    #[error("cannot listen on {}", .path.display())]
    Io {
        /// The socket.
        path: PathBuf,
        /// The system's words.
        source: io::Error,
    },
}

impl Server {
    /// Listen on `path`, which gets this file mode. A socket that nobody listens on is replaced.
    ///
    /// # Errors
    ///
    /// When that is not possible, or somebody listens there.
    pub fn listen(path: &Path, mode: u32) -> Result<Self, ListenError> {
        let listener = bind(path, mode, BACKLOG)?;
        let (sender, questions) = mpsc::channel(MAX_CLIENTS);
        Ok(Self {
            listener,
            path: path.to_owned(),
            clients: JoinSet::new(),
            sender,
            questions,
        })
    }

    /// The next question. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Question {
        loop {
            tokio::select! {
                Some(question) = self.questions.recv() => return question,
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, _)) => self.admit(stream),
                    Err(error) => {
                        tracing::debug!(%error, "accept failed on the control socket");
                        // Usually a lack of descriptors. Questions wait, too, which frees some.
                        sleep(ACCEPT_RETRY).await;
                    }
                },
                Some(_) = self.clients.join_next() => {}
            }
        }
    }

    fn admit(&mut self, stream: UnixStream) {
        if self.clients.len() < MAX_CLIENTS {
            self.clients.spawn(serve(stream, self.sender.clone()));
        } else {
            let reply = error(BUSY);
            // Fits any socket buffer; a client that misses it sees the end of the stream.
            let _ = stream.try_write(&line(&reply));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// A socket at `path` with this file mode, listening; one that nobody listens on is replaced.
pub(crate) fn bind(path: &Path, mode: u32, backlog: u32) -> Result<UnixListener, ListenError> {
    let failed = |source| ListenError::Io {
        path: path.to_owned(),
        source,
    };
    check_free(path)?;
    // Made under another name and renamed when it has its mode: nobody can connect before.
    let mut fresh = path.as_os_str().to_owned();
    fresh.push(".new");
    let fresh = PathBuf::from(fresh);
    match std::fs::remove_file(&fresh) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    let socket = UnixSocket::new_stream().map_err(failed)?;
    socket.bind(&fresh).map_err(failed)?;
    std::fs::set_permissions(&fresh, PermissionsExt::from_mode(mode)).map_err(failed)?;
    let listener = socket.listen(backlog).map_err(failed)?;
    std::fs::rename(&fresh, path).map_err(failed)?;
    Ok(listener)
}

/// Whether a socket may be made at `path`.
fn check_free(path: &Path) -> Result<(), ListenError> {
    use std::os::unix::fs::FileTypeExt as _;
    let Ok(existing) = std::fs::symlink_metadata(path) else {
        return Ok(());
    };
    if !existing.file_type().is_socket() {
        return Err(ListenError::NotASocket(path.to_owned()));
    }
    match std::os::unix::net::UnixStream::connect(path) {
        Ok(_) => Err(ListenError::InUse(path.to_owned())),
        Err(_) => Ok(()),
    }
}

async fn serve(stream: UnixStream, questions: mpsc::Sender<Question>) {
    let (read, mut write) = stream.into_split();
    let mut read = BufReader::new(read);
    loop {
        let mut request = Vec::new();
        let limit = u64::try_from(MAX_REQUEST).unwrap_or(u64::MAX);
        let mut limited = (&mut read).take(limit);
        let reading = limited.read_until(b'\n', &mut request);
        match timeout(IDLE_TIMEOUT, reading).await {
            Ok(Ok(len)) if len > 0 => {}
            Ok(Ok(_) | Err(_)) | Err(_) => return,
        }
        let complete = request.ends_with(b"\n");
        let reply = if complete {
            answer(&request, &questions).await
        } else {
            error(&format!(
                "a request is one line of at most {MAX_REQUEST} bytes"
            ))
        };
        let bytes = line(&reply);
        match timeout(WRITE_TIMEOUT, write.write_all(&bytes)).await {
            // Where an incomplete line ends is not known.
            Ok(Ok(())) if complete => {}
            _ => return,
        }
    }
}

async fn answer(request: &[u8], questions: &mpsc::Sender<Question>) -> Reply {
    let request = match serde_json::from_slice(request) {
        Ok(request) => request,
        Err(cause) => return error(&format!("cannot read the request: {cause}")),
    };
    let (answer, reply) = oneshot::channel();
    let asked = questions.send(Question { request, answer }).await;
    match (asked, reply.await) {
        (Ok(()), Ok(reply)) => reply,
        _ => error("the daemon is stopping"),
    }
}

fn error(message: &str) -> Reply {
    Reply::Error {
        message: message.chars().take(MAX_REQUEST).collect(),
    }
}

/// A reply as it travels.
fn line(reply: &Reply) -> Vec<u8> {
    let mut bytes = serde_json::to_vec(reply).expect("replies have no maps with odd keys");
    bytes.push(b'\n');
    bytes
}

#[cfg(test)]
mod tests;
