//! TCP to the other chassis (`spec/iccp.md` 1).
//!
//! Listens, dials when told to, and lets nobody in but the configured peer. A new connection
//! from the peer replaces an older one that came in once it has said its first word, a Capability, and the other end
//! of the older one is found to be gone (`candidate.rs`): whoever restarted need not wait until silence tells, and
//! who is not the peer's daemon takes no session. One that this chassis made itself is not replaced.
//!
//! The core hears of a connection when it is known which dialect the peer speaks: no word may be
//! said before (`spec/iccp.md` 14), however long that takes. It is known from the settings, from the peer's
//! first word, or from the mark of a native peer (`mark.rs`).
//!
//! Where nobody listens yet, the other chassis is there: it is dialled again after a moment, and again, until
//! somebody does. What else fails the core hears of, and decides when to dial again.
//!
//! Buffers are left as the kernel tunes them: the 6 MiB that SONiC's daemon asks for (`spec/iccp.md` 1)
//! are what it grows them to by itself, and asking ends that at `net.core.rmem_max`, which is less.
//!
//! Bounds: [`WRITE_LIMIT`] outgoing bytes, one message of incoming ones, one connection and one that
//! would replace it, `MAX_FINISHING` that are being finished, a few dozen addresses of strangers, two new
//! connections of the peer a second.
//!
//! Not responsible for what the messages mean, nor for when to dial: [`iccp_core`] decides.

mod candidate;
mod device;
mod ends;
mod mark;
mod protection;
mod refusals;
mod sockets;
mod speech;

use iccp_core::Input;
use iccp_core::contest::{self, First, Second, Verdict};
use mclag_daemon::limit::{Bucket, Kind, Log, Rate};
use mclag_daemon::pipe::{Pipe, Progress};
use mclag_proto::IfName;
use mclag_proto::ctl::{Refusal, SessionError, TcpAo};
use mclag_proto::iccp::{DecodeError, Detection, Dialect, Excerpt, Message};
use std::collections::VecDeque;
use std::future::{pending, poll_fn};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep_until, timeout};

use candidate::{Candidate, News as CandidateNews, Probe, Sign};
use device::News;
pub use ends::Ends;
pub use protection::{Protection, Signing};
use refusals::Refusals;
use sockets::{Listener, dial};
use speech::{Heard, Speech, traits};

/// Outgoing bytes above which no message is taken. Messages wait in the core then, where newer
/// states replace older ones; keepalives wait behind no more than this.
pub const WRITE_LIMIT: usize = 256 * 1024;

/// How long a peer may take to say the first word before the connection is closed. Legacy daemons need
/// about 200 ms, native peers of earlier versions a second.
const FIRST_WORD: Duration = Duration::from_secs(10);
/// Pause before a chassis is dialled again on which nobody listened: a listener that comes up late must not
/// cost more than that. It costs a packet each way.
const LISTENS_SOON: Duration = Duration::from_millis(50);
/// Closed connections whose last words may be on their way.
const MAX_FINISHING: usize = 4;
/// How long the last words of a closed connection may take to leave, and the peer to close it too. SONiC's daemon may
/// write once more, and dies of the signal that comes with the second write to a socket that is gone
/// (`spec/iccp.md` 17).
const LINGER: Duration = Duration::from_secs(3);
/// Connections of the peer that are let in at once, and how soon another one is: each of them begins a
/// session and ends another, which looks at every address.
const ADMISSION: Rate = Rate {
    burst: 20,
    every: Duration::from_millis(500),
};
const REFUSED: Kind = Kind::new("connection refused");
const CONNECTED: Kind = Kind::new("connected to the peer");
const READ_CHUNK: usize = 64 * 1024;
const CONNECTED_ALREADY: &str = "connected already";

/// The two ends of the control session.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Endpoints {
    /// Own address.
    pub local: IpAddr,
    /// The other chassis' address.
    pub peer: IpAddr,
    /// TCP port that both listen on.
    pub port: u16,
    /// Interface that both sockets are confined to.
    pub device: Option<IfName>,
    /// The dialect that is spoken; none to find out which.
    pub dialect: Option<Dialect>,
    /// What keeps others out.
    pub protection: Protection,
}

/// The transport to the other chassis.
pub struct Transport {
    endpoints: Endpoints,
    listener: Listener,
    dialling: Option<Pin<Box<Dial>>>,
    connection: Option<Connection>,
    /// Only ever beside a connection.
    candidate: Option<Candidate>,
    /// Why the last dialling failed, if it did.
    unreachable: Option<String>,
    /// What the core is to hear next: why a stream ended that could not be read.
    ended: Option<String>,
    finishing: VecDeque<Pin<Box<Finish>>>,
    /// The dialect of the last connection on which it was found out.
    heard: Option<Dialect>,
    refusals: Refusals,
    ends: Ends,
    log: Log,
    /// Connections of the peer that are let in.
    admission: Bucket,
}

type Dial = dyn Future<Output = io::Result<TcpStream>> + Send;
type Finish = dyn Future<Output = ()> + Send;

#[derive(Debug)]
struct Connection {
    pipe: Pipe<TcpStream, Speech>,
    /// The peer has begun to speak.
    has_begun: bool,
    /// How long its first word is waited for, while it is not known how it speaks.
    until: Pin<Box<Sleep>>,
    /// This chassis made it.
    is_outbound: bool,
    /// The core waits for the answer to its dialling: it hears of the end even of a connection
    /// that it never heard of.
    is_awaited: bool,
    /// Its other end is asked whether it is there: another connection claims to be the peer's.
    probe: Option<Probe>,
}

/// Something that happened, besides what [`Input`] can say.
#[derive(Debug)]
pub enum Event {
    /// For the core.
    Input(Input),
    /// Bytes have left, so there may be room for messages again; or a connection that was being
    /// closed is.
    Wrote,
}

impl Transport {
    /// Not listening yet: that begins with the first [`Transport::next`].
    #[must_use]
    pub fn new(endpoints: Endpoints) -> Self {
        Self {
            endpoints,
            listener: Listener::default(),
            dialling: None,
            connection: None,
            candidate: None,
            unreachable: None,
            ended: None,
            finishing: VecDeque::new(),
            heard: None,
            refusals: Refusals::default(),
            ends: Ends::default(),
            log: Log::default(),
            admission: Bucket::full(ADMISSION, std::time::Instant::now()),
        }
    }

    /// The ends are others from now on. Connections to the old ones are dropped.
    pub fn move_to(&mut self, endpoints: Endpoints) {
        *self = Self {
            refusals: std::mem::take(&mut self.refusals),
            ends: self.ends,
            log: std::mem::take(&mut self.log),
            admission: self.admission,
            finishing: std::mem::take(&mut self.finishing),
            ..Self::new(endpoints)
        };
    }

    /// Dial; [`Transport::next`] says how it went. A connection that still exists is dropped.
    pub fn connect(&mut self) {
        self.end_candidacy();
        self.connection = None;
        self.dialling = Some(Box::pin(dial(self.endpoints)));
    }

    /// Sign so from now on, which has to be [renewable](Signing::renewable). A connection that is up goes on, if the other
    /// side does the same before it gives the session up; whatever else was let in, or is being made, with what was before
    /// is dropped.
    pub fn set_signing(&mut self, signing: Signing) {
        let before = std::mem::replace(&mut self.endpoints.protection.signing, signing);
        if before == signing {
            return;
        }
        let Endpoints {
            protection, peer, ..
        } = self.endpoints;
        self.end_candidacy();
        // With it goes what the kernel has let in and nobody has accepted.
        self.listener.reopen();
        if self.dialling.is_some() {
            self.dialling = Some(Box::pin(dial(self.endpoints)));
        }
        if let Some(Connection { pipe, .. }) = &self.connection
            && let Err(error) = protection.renew(pipe.stream(), peer, &before)
        {
            tracing::error!(%error, "the key of the session that is up is not changed");
        }
    }

    /// The keys of TCP-AO, if connections are signed so.
    #[must_use]
    pub fn ao_keys(&self) -> Option<TcpAo> {
        let stream = self.connection.as_ref().map(|it| it.pipe.stream());
        self.endpoints.protection.signing.ao_keys(stream)
    }

    /// What keeps others out.
    #[must_use]
    pub const fn protection(&self) -> &Protection {
        &self.endpoints.protection
    }

    /// The kernel reports this. Sockets that are confined to an interface which is another one by now, or gone, are
    /// made anew.
    pub fn follow(&mut self, input: &Input) {
        let Some(device) = self.endpoints.device else {
            return;
        };
        let Some(news) = News::of(input, &device) else {
            return;
        };
        if self.listener.follow(news, &device) && self.dialling.is_some() {
            self.dialling = Some(Box::pin(dial(self.endpoints)));
        }
        let is_dead = |pipe: &Pipe<TcpStream, Speech>| news.is_end_of(pipe.stream(), &device);
        if self.candidate.as_ref().is_some_and(|c| is_dead(&c.pipe)) {
            self.end_candidacy();
        }
        if self.connection.as_ref().is_some_and(|c| is_dead(&c.pipe)) {
            let reason = format!("interface {device} is gone, or another one by now");
            if let Some(Input::PeerDown { reason }) = self.lost(reason) {
                self.ended = Some(reason);
            }
        }
    }

    /// Close the connection after what was sent before has left, and read until the peer closes it, for up to 3 s.
    /// Stops dialling, too.
    pub fn close(&mut self) {
        self.dialling = None;
        self.wind_up();
    }

    fn wind_up(&mut self) {
        if let Some(Connection { pipe, .. }) = self.connection.take() {
            if self.finishing.len() == MAX_FINISHING {
                self.finishing.pop_front();
            }
            self.finishing.push_back(Box::pin(async move {
                // Too late is as good as done: the connection is dropped either way.
                let _ = timeout(LINGER, pipe.finish()).await;
            }));
        }
    }

    /// Whether a message may be sent now.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.connection
            .as_ref()
            .is_some_and(|c| c.is_known() && c.pipe.buffered() < WRITE_LIMIT)
    }

    /// True when everything sent on the connection has left.
    #[must_use]
    pub fn is_flushed(&self) -> bool {
        let connection = self.connection.as_ref();
        connection.is_none_or(|c| c.pipe.buffered() == 0)
    }

    /// Wait until every connection that is being closed is, and for nothing else.
    pub async fn closed(&mut self) {
        while !self.finishing.is_empty() {
            let index = finished(&mut self.finishing).await;
            self.finishing.remove(index);
        }
    }

    /// Queue a message; without a connection it is dropped. Ask [`Transport::has_room`] first.
    pub fn send(&mut self, message: &Message) {
        if let Some(connection) = &mut self.connection
            && connection.is_known()
        {
            tracing::trace!(?message, "message to the peer");
            if let Err(reason) = connection.pipe.send(message) {
                tracing::debug!(%reason, "nothing for the peer");
            }
        }
    }

    /// Write what the socket takes at once.
    pub async fn flush_now(&mut self) {
        if let Some(connection) = &mut self.connection {
            connection.pipe.flush_now();
        }
    }

    /// Connections that were refused, newest first.
    #[must_use]
    pub fn refused(&self) -> Vec<Refusal> {
        self.refusals.list()
    }

    /// Why the peer cannot connect.
    #[must_use]
    pub fn cannot_listen(&self) -> Option<SessionError> {
        self.listener.trouble()
    }

    /// Who was refused last.
    #[must_use]
    pub fn last_refused(&self) -> Option<SessionError> {
        self.refusals.last()
    }

    /// How reading ended, in the past.
    #[must_use]
    pub const fn ends(&self) -> Ends {
        self.ends
    }

    /// The rest of what was received.
    pub fn ready(&mut self) -> Option<Input> {
        if let Some(reason) = self.ended.take() {
            return Some(Input::PeerDown { reason });
        }
        match self.connection.as_mut()?.pipe.message() {
            Ok(heard) => self.heard(heard?),
            // The codec has none.
            Err(error) => self.lost(error.to_string()),
        }
    }

    fn heard(&mut self, heard: Heard) -> Option<Input> {
        match heard {
            Heard::Message(message) => {
                tracing::trace!(?message, "message from the peer");
                Some(Input::PeerMessage(message))
            }
            Heard::Unreadable(error) if error.is_fatal() => Some(self.unreadable(&error)),
            Heard::Unreadable(error) => Some(Input::PeerGarbage {
                reason: error.to_string(),
            }),
            Heard::Opening(detection) => self.opened(detection),
            Heard::Mark(dialect) => self.marked(dialect),
        }
    }

    /// Nothing behind the error can be read.
    fn unreadable(&mut self, error: &DecodeError) -> Input {
        // What was remembered or presumed is not true: answer as it speaks next time, or listen for
        // longer.
        let theirs = match error {
            DecodeError::OtherDialect { theirs, .. } => Some(*theirs),
            DecodeError::Stranger { .. } => None,
            _ => {
                self.wind_up();
                // It was let in and understood so far: a message is refused, not the connection.
                self.ended = Some(format!("its stream lost its meaning: {error}"));
                let reason = format!(
                    "{error}; the connection is closed, since nothing tells where the next message begins"
                );
                return Input::PeerGarbage { reason };
            }
        };
        self.connection = None;
        self.heard = theirs;
        let reason = error.to_string();
        self.refuse(self.endpoints.peer, &reason);
        Input::PeerDown { reason }
    }

    /// What happens next. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Event {
        loop {
            if let Some(input) = self.ready().or_else(|| self.take_candidate()) {
                return Event::Input(input);
            }
            let endpoints = self.endpoints;
            tokio::select! {
                (stream, from) = self.listener.accept(&endpoints) => {
                    if let Some(input) = self.admit(stream, from) {
                        return Event::Input(input);
                    }
                }
                result = when_some(self.dialling.as_mut()) => {
                    self.dialling = None;
                    if let Some(input) = self.dialled(result) {
                        return Event::Input(input);
                    }
                }
                result = progress(self.connection.as_mut()) => {
                    let input = match result {
                        None => self.patience_is_over(),
                        Some(Ok(Progress::Wrote)) => return Event::Wrote,
                        Some(result) => self.received(result),
                    };
                    if let Some(input) = input {
                        return Event::Input(input);
                    }
                }
                news = candidate::news(self.candidate.as_mut()) => {
                    if let Some(input) = self.candidate_news(news) {
                        return Event::Input(input);
                    }
                }
                () = self.log.write_what_was_left_out() => {}
                index = finished(&mut self.finishing) => {
                    self.finishing.remove(index);
                    return Event::Wrote;
                }
            }
        }
    }

    fn admit(&mut self, stream: TcpStream, from: SocketAddr) -> Option<Input> {
        let from = from.ip().to_canonical();
        if from != self.endpoints.peer {
            self.refuse(from, "not the configured peer");
            return None;
        }
        if !self.admission.take(std::time::Instant::now()) {
            self.refuse(from, "too many connections");
            return None;
        }
        if let Err(error) = self.endpoints.protection.accepted(&stream) {
            tracing::error!(%error, "the peer is not asked for another key");
        }
        let Some(connection) = &self.connection else {
            let is_awaited = self.dialling.take().is_some();
            return self.connected(stream, false, is_awaited);
        };
        let is_first_known = self.candidate.as_ref().is_some_and(|c| c.sign.is_some());
        if is_first_known || contest::decide(connection.as_first(), Second::Mute) == Verdict::Refuse
        {
            self.refuse(from, CONNECTED_ALREADY);
        } else {
            let ours = self.endpoints.dialect.unwrap_or_default();
            self.candidate = Some(Candidate::new(stream, Some(ours)));
        }
        None
    }

    /// The candidate has shown that it is a peer, or is not waited for any longer.
    fn candidate_news(&mut self, news: CandidateNews) -> Option<Input> {
        let connection = self.connection.as_mut()?;
        let reason = match news {
            CandidateNews::Sign(sign) => match (sign, self.endpoints.dialect) {
                (Sign::Word(theirs), Some(ours)) if ours != theirs => other_dialect(theirs, ours),
                _ => {
                    if connection.has_begun {
                        connection.probe = Some(Probe::begin(connection.pipe.stream()));
                    }
                    let first = connection.as_first();
                    return self.contest(first);
                }
            },
            CandidateNews::Outlived => {
                let stream = connection.pipe.stream();
                let probe = connection.probe.as_ref();
                let first = probe.map_or(connection.as_first(), |p| p.result(stream));
                return self.contest(first);
            }
            CandidateNews::Over(reason) => reason,
        };
        self.end_candidacy();
        self.refuse(self.endpoints.peer, &reason);
        None
    }

    /// Decide between the connection and the candidate, which has shown that it is a peer.
    fn contest(&mut self, first: First) -> Option<Input> {
        let sign = self.candidate.as_ref()?.sign?;
        let second = match self.endpoints.protection.signing.is_signed() {
            // The kernel lets in nothing that is not.
            true => Second::Signed,
            false => Second::Spoke,
        };
        match contest::decide(first, second) {
            Verdict::Wait => return None,
            Verdict::Take => {
                let candidate = self.end_candidacy()?;
                let dialect = match sign {
                    Sign::Word(theirs) => {
                        self.heard = Some(theirs);
                        theirs
                    }
                    Sign::Mark(theirs) => self.endpoints.dialect.unwrap_or(theirs),
                };
                return self.replaced(candidate, dialect);
            }
            Verdict::Refuse => self.end_candidacy(),
        };
        self.refuse(self.endpoints.peer, "the connection that is up answers");
        None
    }

    /// The candidate, which is none any more. What is asked because of it is so no longer.
    fn end_candidacy(&mut self) -> Option<Candidate> {
        if let Some(connection) = &mut self.connection
            && let Some(probe) = connection.probe.take()
        {
            probe.end(connection.pipe.stream());
        }
        self.candidate.take()
    }

    /// The candidate takes the place of the connection, and this dialect is spoken there.
    fn replaced(&mut self, candidate: Candidate, dialect: Dialect) -> Option<Input> {
        let before = self.connection.take();
        let is_awaited = before.is_some_and(|c| c.is_awaited && !c.is_known());
        self.take_up(candidate, false, is_awaited);
        self.decided(dialect)
    }

    /// The connection is gone, so the candidate takes its place, whether it has spoken or not.
    fn take_candidate(&mut self) -> Option<Input> {
        if self.connection.is_some() {
            return None;
        }
        let candidate = self.candidate.take()?;
        self.dialling = None;
        let sign = candidate.sign;
        self.take_up(candidate, false, false);
        let dialect = match sign {
            Some(Sign::Word(theirs)) => Some(theirs),
            Some(Sign::Mark(theirs)) => Some(self.endpoints.dialect.unwrap_or(theirs)),
            None => self.speaks_at_once(),
        };
        self.decided(dialect?)
    }

    fn dialled(&mut self, result: io::Result<TcpStream>) -> Option<Input> {
        match result {
            Ok(stream) => self.connected(stream, true, true),
            Err(error) => {
                let nobody_listens = error.kind() == io::ErrorKind::ConnectionRefused;
                let Endpoints { peer, port, .. } = self.endpoints;
                let address = SocketAddr::new(peer, port);
                let reason = format!("cannot connect to {address}: {error}");
                // Said once: it is tried again and again.
                if self.unreachable.as_ref() != Some(&reason) {
                    tracing::info!(reason, "the peer cannot be reached yet");
                    self.unreachable = Some(reason.clone());
                } else if nobody_listens {
                    let (endpoints, at) = (self.endpoints, Instant::now() + LISTENS_SOON);
                    self.dialling = Some(Box::pin(async move {
                        sleep_until(at).await;
                        dial(endpoints).await
                    }));
                    return None;
                }
                Some(Input::PeerDown { reason })
            }
        }
    }

    /// There is a connection. The core hears of it when the dialect is known.
    fn connected(&mut self, new: TcpStream, is_outbound: bool, is_awaited: bool) -> Option<Input> {
        let at_once = self.speaks_at_once();
        let waits = match at_once {
            Some(_) => None,
            None => Some(self.endpoints.dialect.unwrap_or_default()),
        };
        self.take_up(Candidate::new(new, waits), is_outbound, is_awaited);
        self.decided(at_once?)
    }

    /// The dialect that was selected. A peer that is known to speak otherwise would wait for thousands of
    /// bytes (`spec/iccp.md` 14), every second: it is listened to, in case it has been replaced.
    fn speaks_at_once(&self) -> Option<Dialect> {
        let is_plausible = |ours: &Dialect| self.heard.is_none_or(|theirs| theirs == *ours);
        self.endpoints.dialect.filter(is_plausible)
    }

    fn take_up(&mut self, new: Candidate, is_outbound: bool, is_awaited: bool) {
        // Small messages decide how long an outage lasts; they must not wait for larger ones.
        if let Err(error) = new.pipe.stream().set_nodelay(true) {
            tracing::debug!(%error, "no TCP_NODELAY");
        }
        self.unreachable = None;
        self.connection = Some(Connection {
            pipe: new.pipe,
            has_begun: new.has_begun,
            until: Box::pin(sleep_until(Instant::now() + FIRST_WORD)),
            is_outbound,
            is_awaited,
            probe: None,
        });
    }

    /// The peer was given enough time for its first word. Whatever is said to it may be in the wrong dialect
    /// (`spec/iccp.md` 14).
    fn patience_is_over(&mut self) -> Option<Input> {
        let reason = match self.connection.as_ref()?.has_begun {
            true => "stopped within its first word",
            false => "said nothing",
        };
        self.refuse(self.endpoints.peer, reason);
        self.lost(reason.to_owned())
    }

    /// The peer is a native one, which would speak this dialect and waits for us.
    fn marked(&mut self, theirs: Dialect) -> Option<Input> {
        self.decided(self.endpoints.dialect.unwrap_or(theirs))
    }

    /// The connection is no more.
    fn lost(&mut self, reason: String) -> Option<Input> {
        let connection = self.connection.take()?;
        // Of one that came in and said nothing the core has never heard.
        (connection.is_known() || connection.is_awaited).then_some(Input::PeerDown { reason })
    }

    /// The dialect of the connection is known from now on.
    fn decided(&mut self, dialect: Dialect) -> Option<Input> {
        let connection = self.connection.as_mut()?;
        if !connection.pipe.codec_mut().decide(dialect) {
            return None;
        }
        if self.log.takes(CONNECTED, "") {
            tracing::info!(%dialect, "connected to the peer");
        }
        Some(Input::PeerUp {
            traits: traits(dialect),
        })
    }

    fn received(&mut self, result: io::Result<Progress>) -> Option<Input> {
        let connection = self.connection.as_mut()?;
        let at = connection.pipe.codec().buffered();
        let reason = match result {
            Ok(Progress::Wrote) => return None,
            Ok(Progress::Read(0)) => {
                self.ends.closed(at);
                match at {
                    0 => "closed by the peer".to_owned(),
                    bytes => format!("closed by the peer {bytes} bytes into a message"),
                }
            }
            Ok(Progress::Read(_)) => {
                connection.has_begun = true;
                return None;
            }
            Err(error) if !connection.is_known() && mark::is_end(&error) => {
                self.ends.closed(at);
                "closed by the peer".to_owned()
            }
            Err(error) => {
                self.ends.failed(at);
                error.to_string()
            }
        };
        self.lost(reason)
    }

    /// The peer has begun to speak.
    fn opened(&mut self, detection: Detection) -> Option<Input> {
        let reason = match detection {
            Detection::Undecided => return None,
            Detection::Decided(dialect) => {
                self.heard = Some(dialect);
                match self.endpoints.dialect {
                    Some(ours) if ours != dialect => other_dialect(dialect, ours),
                    _ => return self.decided(dialect),
                }
            }
            Detection::Impossible { offset, bytes } => no_message(offset, &bytes),
        };
        self.refuse(self.endpoints.peer, &reason);
        self.lost(reason)
    }

    fn refuse(&mut self, address: IpAddr, reason: &str) {
        if self.refusals.add(address, reason) && self.log.takes(REFUSED, "") {
            tracing::warn!(%address, reason, "connection refused");
        }
    }
}

impl Connection {
    const fn is_known(&self) -> bool {
        self.pipe.codec().is_known()
    }

    /// As one that another connection would replace.
    fn as_first(&self) -> First {
        match self.is_outbound {
            true => First::MadeHere,
            false if self.has_begun => First::Asked,
            false => First::Mute,
        }
    }
}

/// Why a peer that speaks like this is refused.
fn other_dialect(theirs: Dialect, ours: Dialect) -> String {
    format!("the peer speaks the {theirs} dialect of ICCP, this side speaks {ours}")
}

/// Why a stream that begins like this is none of ICCP.
fn no_message(offset: usize, bytes: &Excerpt) -> String {
    format!("no message begins with {bytes} (offset {offset})")
}

/// Wait for the future, forever if there is none.
async fn when_some<T>(future: Option<&mut Pin<Box<dyn Future<Output = T> + Send>>>) -> T {
    match future {
        Some(future) => future.await,
        None => pending().await,
    }
}

/// Which of the connections that are being closed is.
async fn finished(finishing: &mut VecDeque<Pin<Box<Finish>>>) -> usize {
    poll_fn(|cx| {
        let ready = |finish: &mut Pin<Box<Finish>>| finish.as_mut().poll(cx).is_ready();
        match finishing.iter_mut().position(ready) {
            Some(index) => Poll::Ready(index),
            None => Poll::Pending,
        }
    })
    .await
}

/// What happens to the connection; `None` when the peer was given enough time for its first word.
async fn progress(connection: Option<&mut Connection>) -> Option<io::Result<Progress>> {
    let Some(Connection {
        pipe,
        until,
        has_begun,
        ..
    }) = connection
    else {
        return pending().await;
    };
    if pipe.codec().is_known() {
        return Some(pipe.progress(READ_CHUNK).await);
    }
    tokio::select! {
        // What was said counts, however late it is read.
        biased;
        result = pipe.progress(mark::chunk(*has_begun, READ_CHUNK)) => Some(result),
        () = until.as_mut() => None,
    }
}

#[cfg(test)]
mod tests;
