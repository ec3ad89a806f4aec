//! The sockets of this end: the one that listens, and those that dial.

use super::Endpoints;
use super::device::News;
use mclag_daemon::dial::Backoff;
use mclag_proto::IfName;
use mclag_proto::ctl::SessionError;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::{Instant, Sleep, sleep_until, timeout};

/// How long dialling may take.
const DIAL_TIMEOUT: Duration = Duration::from_secs(1);
/// Pauses before listening is tried again, for example because the address does not exist yet.
const LISTEN_RETRY: Backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(1));
/// Delay after `accept` failed, which is usually a lack of descriptors.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);
pub(super) const BACKLOG: u32 = 20;

/// A socket for either end, bound to our side.
pub(super) fn bound(endpoints: &Endpoints, port: u16) -> io::Result<TcpSocket> {
    let socket = match endpoints.local {
        IpAddr::V4(_) => TcpSocket::new_v4()?,
        IpAddr::V6(_) => TcpSocket::new_v6()?,
    };
    socket.set_reuseaddr(true)?;
    // The device first: it says which link a link-local address is on. Needs no privilege on
    // a socket that is not confined yet (Linux 5.7).
    if let Some(device) = &endpoints.device {
        socket.bind_device(Some(device.as_str().as_bytes()))?;
    }
    endpoints.protection.apply(&socket, endpoints.peer)?;
    let local = endpoints.local;
    match socket.bind(SocketAddr::new(local, port)) {
        Ok(()) => Ok(socket),
        Err(error) if error.kind() == io::ErrorKind::AddrNotAvailable => {
            let words = format!("address {local} is missing here");
            Err(io::Error::new(error.kind(), words))
        }
        Err(error) => Err(error),
    }
}

/// A connection to the peer, made by us.
pub(super) async fn dial(endpoints: Endpoints) -> io::Result<TcpStream> {
    let socket = bound(&endpoints, 0)?;
    let connecting = socket.connect(SocketAddr::new(endpoints.peer, endpoints.port));
    match timeout(DIAL_TIMEOUT, connecting).await {
        Ok(result) => result,
        Err(_) => Err(io::Error::new(
            io::ErrorKind::TimedOut,
            format!("no answer within {} ms", DIAL_TIMEOUT.as_millis()),
        )),
    }
}

/// The listening socket, opened again and again until it can be.
#[derive(Debug)]
pub(super) struct Listener {
    socket: Option<TcpListener>,
    pause: Option<Pin<Box<Sleep>>>,
    pauses: Backoff,
    /// Why it does not listen, and since when.
    trouble: Option<(String, Instant)>,
}

impl Default for Listener {
    fn default() -> Self {
        Self {
            socket: None,
            pause: None,
            pauses: LISTEN_RETRY,
            trouble: None,
        }
    }
}

impl Listener {
    /// The next connection. Dropping the future loses nothing.
    pub(super) async fn accept(&mut self, endpoints: &Endpoints) -> (TcpStream, SocketAddr) {
        loop {
            if let Some(pause) = &mut self.pause {
                pause.as_mut().await;
                self.pause = None;
            }
            let Some(socket) = &self.socket else {
                self.open(endpoints);
                continue;
            };
            match socket.accept().await {
                Ok(accepted) => return accepted,
                Err(error) => {
                    tracing::debug!(%error, "accept failed");
                    self.pause(ACCEPT_RETRY);
                }
            }
        }
    }

    /// Something became of interfaces, and this is the one that the socket is confined to. It is opened anew if it
    /// hears nothing any more, at once if it can be. True if it was closed, or can be opened by now: so can others.
    pub(super) fn follow(&mut self, news: News, device: &IfName) -> bool {
        let closed = self.socket.take_if(|s| news.is_end_of(s, device));
        let can_open = self.socket.is_none() && news == News::Present;
        if can_open {
            self.pause = None;
            self.pauses = LISTEN_RETRY;
        }
        closed.is_some() || can_open
    }

    /// Close the socket, and with it what is not accepted yet. One as the ends are by then is opened at once, unless
    /// that has failed just before.
    pub(super) fn reopen(&mut self) {
        self.socket = None;
    }

    /// Why it does not listen.
    pub(super) fn trouble(&self) -> Option<SessionError> {
        let (text, since) = self.trouble.as_ref()?;
        Some(SessionError {
            text: text.clone(),
            for_s: since.elapsed().as_secs(),
        })
    }

    fn open(&mut self, endpoints: &Endpoints) {
        let address = SocketAddr::new(endpoints.local, endpoints.port);
        match bound(endpoints, endpoints.port).and_then(|s| s.listen(BACKLOG)) {
            Ok(socket) => {
                tracing::info!(%address, "listening for the peer");
                self.socket = Some(socket);
                self.trouble = None;
            }
            Err(error) => {
                let words = format!("cannot listen on {address}: {error}");
                match &mut self.trouble {
                    None => {
                        tracing::warn!(%address, %error, "cannot listen for the peer yet");
                        self.trouble = Some((words, Instant::now()));
                    }
                    Some((known, _)) if *known == words => {}
                    Some(trouble) => *trouble = (words, Instant::now()),
                }
                let pause = self.pauses.pause();
                self.pause(pause);
            }
        }
    }

    fn pause(&mut self, duration: Duration) {
        self.pause = Some(Box::pin(sleep_until(Instant::now() + duration)));
    }
}
