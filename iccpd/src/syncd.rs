//! Client of the mclagsyncd socket, version 2 (`docs/mclagsyncd-v2.md`).
//!
//! Connects again whenever the connection is lost. Batches go out as the core makes them, which
//! respects the server's window; events come in as the core has taken the ones before, which is
//! what the credit says.
//!
//! Bounds: [`MAX_WINDOW`] batches outgoing, [`EVENT_CREDIT`] messages of events incoming.

use crate::settings::SYNCD_USER;
use iccp_core::{Batch, Input};
use mclag_daemon::dial::{Backoff, Dialler};
use mclag_daemon::pipe::{Pipe, Progress};
use mclag_daemon::process::chain;
use mclag_proto::IfName;
use mclag_proto::sync::model::{Event, OpError};
use mclag_proto::sync::v2::{
    self, Capabilities, ClientHello, ClientMessage, ErrorCode, ServerHello, ServerMessage, VERSION,
};
use nix::unistd::{User, geteuid};
use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;
use tokio::net::UnixStream;
use tokio::sync::{Semaphore, oneshot};
use tokio::time::timeout;
use tokio_util::bytes::BytesMut;
use tokio_util::codec::{Decoder, Encoder};

/// Messages of events that may be on their way.
pub const EVENT_CREDIT: u64 = 16;

/// Largest window that is made use of, whatever the server offers.
pub const MAX_WINDOW: u32 = 64;

const RETRY: Backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(1));
/// How long greeting may take.
const GREETING_TIMEOUT: Duration = Duration::from_secs(2);
/// How long finding out whether the server may be one may take. The server waits for a greeting for 5 s.
const LOOK_UP_TIMEOUT: Duration = Duration::from_secs(2);
const READ_CHUNK: usize = 64 * 1024;

/// The connection to `syncd`.
#[derive(Debug)]
pub struct Syncd {
    socket: PathBuf,
    servers: Servers,
    /// It is expected to have the settings of the pair.
    names_pair: bool,
    dialler: Dialler<Result<Greeted, Lost>>,
    connection: Option<Box<SyncdConnection>>,
    /// The outage was written down.
    complained: bool,
    /// What was received and not handed out yet: no more than one message, or what a server began with.
    inputs: VecDeque<Input>,
}

#[derive(Debug)]
struct SyncdConnection {
    pipe: Pipe<UnixStream, Codec>,
    /// Unanswered batches: number, and how many operations.
    unanswered: VecDeque<(u64, usize)>,
    /// Number of the last message of events.
    events: u64,
    /// Credit that was granted.
    granted: u64,
}

/// A connection to a server, what it said of itself, and the interfaces that are called otherwise by the kernel, as far as
/// it says: these are to be known before anything is asked of it.
type Greeted = (SyncdConnection, ServerHello, VecDeque<Input>);

/// The messages of a connection.
#[derive(Debug)]
struct Codec(v2::Codec<ServerMessage>);

impl Decoder for Codec {
    type Item = ServerMessage;
    type Error = Lost;

    fn decode(&mut self, bytes: &mut BytesMut) -> Result<Option<ServerMessage>, Lost> {
        self.0.push(&bytes.split());
        let message = self.0.next_message();
        message.map_err(|error| Lost::Protocol(chain(&error)))
    }
}

impl Encoder<&ClientMessage> for Codec {
    type Error = Lost;

    fn encode(&mut self, message: &ClientMessage, out: &mut BytesMut) -> Result<(), Lost> {
        let bytes = message.encode();
        let bytes = bytes.map_err(|error| Lost::Protocol(format!("cannot encode: {error}")))?;
        out.extend_from_slice(&bytes);
        Ok(())
    }
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
enum Lost {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("{0}")]
    Protocol(String),
    #[error(
        "user {0} listens there, and mclagsyncd does not run as that user: see `user` of [syncd] in the configuration"
    )]
    Stranger(u32),
    #[error(
        "the system's name service does not say within {patience} s whether user {0}, who listens there, is {usual}: \
         name that user by number as `user` of [syncd] in the configuration",
        patience = LOOK_UP_TIMEOUT.as_secs(), usual = SYNCD_USER
    )]
    LookUp(u32),
}

/// Users that may answer at the socket: whoever does decides what this chassis believes of its dataplane. Root
/// and the user that `iccpd` runs as always may.
#[derive(Clone, Copy, Debug)]
pub struct Servers([Option<u32>; 3]);

impl Servers {
    /// With the user that `syncd` runs as, by number; none for [`SYNCD_USER`], where that exists.
    #[must_use]
    pub fn new(syncd: Option<u32>) -> Self {
        let own = geteuid().as_raw();
        Self([Some(0), Some(own), syncd])
    }

    async fn contain(self, user: u32, usual: impl AsyncFnOnce() -> Option<u32>) -> bool {
        match self.0 {
            known if known.contains(&Some(user)) => true,
            [.., Some(_)] => false,
            [.., None] => usual().await == Some(user),
        }
    }
}

/// The number of [`SYNCD_USER`]. Looked up each time: the user may be made after the start.
async fn usual() -> Option<u32> {
    beside_the_loop(|| user_id(SYNCD_USER)).await
}

/// One thread at most: where the system's source of names hangs, the next attempt waits for the one before.
static LOOK_UP: Semaphore = Semaphore::const_new(1);

/// Have a thread of its own find something out: the system may ask others for a name, who may be slow or silent, and the
/// loop that waits for this has the peer to answer meanwhile. A thread that is waited for by nobody any more does not
/// keep the program from ending.
async fn beside_the_loop<T: Send + 'static>(
    work: impl FnOnce() -> Option<T> + Send + 'static,
) -> Option<T> {
    let turn = LOOK_UP.acquire().await.ok()?;
    let (answer, answered) = oneshot::channel();
    let thread = thread::Builder::new().name("look-up".to_owned());
    let started = thread.spawn(move || {
        // Nobody may want to know any more.
        let _ = answer.send(work());
        drop(turn);
    });
    started.ok()?;
    answered.await.ok()?
}

/// The number of a user, if there is one of this name.
pub(crate) fn user_id(name: &str) -> Option<u32> {
    let user = User::from_name(name).ok().flatten();
    user.map(|user| user.uid.as_raw())
}

impl Syncd {
    /// Not connected yet: that begins with the first [`Syncd::next`]. With `names_pair` it is
    /// expected to have the settings of the pair.
    #[must_use]
    pub fn new(socket: PathBuf, names_pair: bool, servers: Servers) -> Self {
        Self {
            dialler: Dialler::new(RETRY, connecting(socket.clone(), servers, usual)),
            connection: None,
            socket,
            servers,
            names_pair,
            complained: false,
            inputs: VecDeque::new(),
        }
    }

    /// Queue a batch; without a connection it is dropped, and the core learns of the loss by
    /// [`Input::SyncdDown`].
    pub fn send(&mut self, batch: Batch) {
        let Some(connection) = &mut self.connection else {
            return;
        };
        let Batch { number, ops } = batch;
        let len = ops.len();
        tracing::debug!(batch = number, ops = len, "batch to syncd");
        match connection.send(&ClientMessage::Batch { number, ops }) {
            Ok(()) => connection.unanswered.push_back((number, len)),
            Err(lost) => self.lose(&lost),
        }
    }

    /// Write what the socket takes at once.
    pub async fn flush_now(&mut self) {
        if let Some(connection) = &mut self.connection {
            connection.pipe.flush_now();
        }
    }

    /// True when every batch is answered, or nobody is there to answer.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        let connection = self.connection.as_ref();
        connection.is_none_or(|c| c.unanswered.is_empty() && c.pipe.buffered() == 0)
    }

    /// Say that the dataplane is to stay as it is.
    pub async fn bye(&mut self) {
        if let Some(connection) = &mut self.connection
            && connection.send(&ClientMessage::Bye).is_ok()
        {
            connection.pipe.flush_now();
        }
    }

    /// Where it is looked for.
    #[must_use]
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Drop the connection and make a new one: the server says everything again then. What was
    /// received and not handed out is lost.
    pub fn reconnect(&mut self) {
        if self.connection.is_some() {
            tracing::debug!("connecting to mclagsyncd again, to hear everything");
            self.inputs.clear();
            self.inputs.push_back(Input::SyncdDown);
            self.connection = None;
            self.dialler
                .at_once(connecting(self.socket.clone(), self.servers, usual));
        }
    }

    /// Drop the connection because of what the server said.
    pub fn refuse(&mut self, reason: String) {
        self.inputs.clear();
        self.lose(&Lost::Protocol(reason));
    }

    /// The rest of a message that was received.
    pub fn ready(&mut self) -> Option<Input> {
        self.inputs.pop_front()
    }

    /// What happens next. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Input {
        loop {
            if let Some(input) = self.ready() {
                return input;
            }
            match &mut self.connection {
                None => self.connect().await,
                Some(connection) => {
                    if let Err(lost) = connection.receive(&mut self.inputs).await {
                        self.lose(&lost);
                    }
                }
            }
        }
    }

    /// The names that the server said interfaces have, once it is there. Dropping the future loses nothing.
    pub async fn names(&mut self) -> Vec<(u32, IfName)> {
        while self.connection.is_none() {
            self.connect().await;
        }
        let mut names = Vec::new();
        while let Some(Input::SyncdEvent(Event::Kept { name, index })) = self.inputs.front() {
            names.push((*index, *name));
            self.inputs.pop_front();
        }
        names
    }

    async fn connect(&mut self) {
        match self.dialler.next().await {
            Ok(greeted) => self.connected(greeted),
            Err(lost) => self.lose(&lost),
        }
    }

    fn connected(&mut self, (connection, hello, kept): Greeted) {
        let ServerHello {
            version: _,
            capabilities,
            abilities,
            backend,
            window,
        } = hello;
        tracing::info!(%backend, window, %abilities, "mclagsyncd connected");
        if self.names_pair && !capabilities.contains(Capabilities::SETTINGS) {
            tracing::warn!(
                "this mclagsyncd is the client of no server that could describe the pair: its \
                 configuration needs a table [mclagsyncd]"
            );
        }
        self.connection = Some(Box::new(connection));
        self.dialler.reset();
        self.complained = false;
        self.inputs.extend(kept);
        self.inputs.push_back(Input::SyncdUp {
            abilities,
            backend,
            window: window.clamp(1, MAX_WINDOW),
        });
    }

    fn lose(&mut self, lost: &Lost) {
        let socket = self.socket.display();
        if self.connection.is_some() {
            tracing::warn!(%socket, reason = %lost, "mclagsyncd lost");
            self.complained = true;
            self.inputs.push_back(Input::SyncdDown);
        } else if !self.complained {
            tracing::warn!(%socket, reason = %lost, "mclagsyncd is not reachable");
            self.complained = true;
        }
        self.connection = None;
        self.dialler
            .again(connecting(self.socket.clone(), self.servers, usual));
    }
}

async fn connecting(
    socket: PathBuf,
    servers: Servers,
    usual: impl AsyncFnOnce() -> Option<u32>,
) -> Result<Greeted, Lost> {
    let stream = UnixStream::connect(socket).await?;
    let user = stream.peer_cred()?.uid();
    // Apart from the greeting: a name service that hangs is no fault of the server.
    match timeout(LOOK_UP_TIMEOUT, servers.contain(user, usual)).await {
        Ok(true) => {}
        Ok(false) => return Err(Lost::Stranger(user)),
        Err(_) => return Err(Lost::LookUp(user)),
    }
    match timeout(GREETING_TIMEOUT, greet(stream)).await {
        Ok(result) => result,
        Err(_) => Err(Lost::Protocol(format!(
            "no greeting within {} s",
            GREETING_TIMEOUT.as_secs()
        ))),
    }
}

async fn greet(stream: UnixStream) -> Result<Greeted, Lost> {
    let mut connection = SyncdConnection {
        pipe: Pipe::new(stream, Codec(v2::Codec::client())),
        unanswered: VecDeque::new(),
        events: 0,
        granted: EVENT_CREDIT,
    };
    connection.send(&ClientMessage::Hello(ClientHello {
        versions: VERSION..=VERSION,
        capabilities: Capabilities::SETTINGS | Capabilities::NAMES,
        software: concat!("iccpd ", env!("CARGO_PKG_VERSION")).into(),
        events_up_to: EVENT_CREDIT,
    }))?;
    match connection.message().await? {
        ServerMessage::Hello(hello) if hello.version == VERSION => {
            let mut kept = VecDeque::new();
            if hello.capabilities.contains(Capabilities::NAMES) {
                connection.receive(&mut kept).await?;
            }
            let is_name = |input: &Input| matches!(input, Input::SyncdEvent(Event::Kept { .. }));
            if !kept.iter().all(is_name) {
                return Err(Lost::Protocol("it did not begin with names".into()));
            }
            Ok((connection, hello, kept))
        }
        ServerMessage::Hello(hello) => {
            let version = hello.version;
            Err(Lost::Protocol(format!(
                "it wants to speak version {version}"
            )))
        }
        ServerMessage::Error { text, .. } => Err(Lost::Protocol(text)),
        ServerMessage::BatchResult { .. } | ServerMessage::Events { .. } => {
            Err(Lost::Protocol("it did not begin with a hello".into()))
        }
    }
}

impl SyncdConnection {
    fn send(&mut self, message: &ClientMessage) -> Result<(), Lost> {
        self.pipe.send(message)
    }

    /// The next message. Dropping the future loses nothing.
    async fn message(&mut self) -> Result<ServerMessage, Lost> {
        loop {
            if let Some(message) = self.pipe.message()? {
                return Ok(message);
            }
            if self.pipe.progress(READ_CHUNK).await? == Progress::Read(0) {
                return Err(Lost::Protocol("closed by mclagsyncd".into()));
            }
        }
    }

    /// Receive one message and turn it into inputs. Called only when the core has taken all
    /// earlier ones, so this is also where credit is renewed.
    async fn receive(&mut self, inputs: &mut VecDeque<Input>) -> Result<(), Lost> {
        let wanted = self.events.saturating_add(EVENT_CREDIT);
        if wanted.saturating_sub(self.granted) >= EVENT_CREDIT / 2 {
            self.granted = wanted;
            self.send(&ClientMessage::Credit { up_to: wanted })?;
        }
        match self.message().await? {
            ServerMessage::BatchResult { number, results } => {
                inputs.push_back(self.answered(number, results)?);
            }
            ServerMessage::Events { number, events } => {
                if number != self.events.wrapping_add(1) || number > self.granted {
                    return Err(Lost::Protocol(format!(
                        "events number {number} after {}, allowed up to {}",
                        self.events, self.granted
                    )));
                }
                self.events = number;
                tracing::debug!(number, events = events.len(), "events from syncd");
                inputs.extend(events.into_iter().map(Input::SyncdEvent));
            }
            ServerMessage::Error { code, text } => {
                if code == ErrorCode::Restoring {
                    inputs.push_back(Input::SyncdRestores);
                }
                return Err(Lost::Protocol(format!("mclagsyncd says: {text}")));
            }
            ServerMessage::Hello(_) => {
                return Err(Lost::Protocol("a second hello".into()));
            }
        }
        Ok(())
    }

    fn answered(&mut self, number: u64, results: Vec<Result<(), OpError>>) -> Result<Input, Lost> {
        let expected = self.unanswered.pop_front();
        if expected != Some((number, results.len())) {
            return Err(Lost::Protocol(format!(
                "{} results for batch {number}, which is not what is due",
                results.len()
            )));
        }
        tracing::debug!(batch = number, "batch answered");
        let failures = (0_u32..)
            .zip(results)
            .filter_map(|(index, result)| result.err().map(|error| (index, error)))
            .collect();
        Ok(Input::SyncdResult {
            batch: number,
            failures,
        })
    }
}

#[cfg(test)]
pub(crate) mod tests;
