//! From a connection to the client: who may say hello, and who is let in.

use std::time::Duration;

use mclag_proto::sync::model::Event;
use mclag_proto::sync::v2::{
    self, Capabilities, ClientHello, ClientMessage, ErrorCode, MAX_EVENTS_PER_MESSAGE, ServerHello,
    ServerMessage,
};
use tokio::net::UnixStream;
use tokio::time::Instant;
use tracing::{debug, info, warn};

use super::connection::{Connection, Lost, Process};
use super::{Server, Writer};
use crate::backend::Backend;

/// How long a connection may take to say hello.
const HELLO_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a client is kept waiting for a part of the dataplane before it hears that this is not
/// there: shorter than the client's own patience.
const ABSENCE_TIMEOUT: Duration = Duration::from_millis(1500);

/// A connection that is not the client yet.
#[derive(Debug)]
pub(super) struct Candidate {
    pub(super) connection: Connection,
    /// It is closed when it has not become the client by then.
    pub(super) by: Instant,
    /// What it said, when it waits for a part of the dataplane.
    pub(super) hello: Option<ClientHello>,
}

impl<B: Backend> Server<B> {
    /// Let somebody in who may, to say hello.
    pub(super) fn admit(&mut self, stream: UnixStream) {
        let peer: Process = match stream.peer_cred() {
            Ok(cred) => cred.into(),
            Err(error) => {
                warn!(%error, "connection refused: its user is unknown");
                return;
            }
        };
        let connection = Connection::new(stream, peer);
        let Process { uid, gid, pid } = peer;
        if !self.options.access.allows(peer) {
            if self.refusals.count(uid) {
                let total = self.refusals.total();
                warn!(
                    uid,
                    gid, pid, total, "connection refused: user is not allowed"
                );
            }
            connection.close(ErrorCode::Denied, &format!("user {uid} is not allowed"));
            return;
        }
        debug!(uid, gid, pid, "connection accepted");
        let by = Instant::now() + HELLO_TIMEOUT;
        let newer = Candidate {
            connection,
            by,
            hello: None,
        };
        if let Some(before) = self.candidate.replace(newer) {
            before.connection.close(
                ErrorCode::Replaced,
                "a newer connection came before the hello",
            );
        }
    }

    pub(super) fn hear_candidate(&mut self, moved: Result<(), Lost>) {
        let Some(Candidate {
            mut connection, by, ..
        }) = self.candidate.take()
        else {
            return;
        };
        match moved.and_then(|()| connection.next_message()) {
            Ok(None) => {
                self.candidate = Some(Candidate {
                    connection,
                    by,
                    hello: None,
                });
            }
            Ok(Some(ClientMessage::Hello(hello))) if self.dataplane().is_none() => {
                self.candidate = Some(Candidate {
                    connection,
                    by: Instant::now() + ABSENCE_TIMEOUT,
                    hello: Some(hello),
                });
            }
            Ok(Some(ClientMessage::Hello(hello))) => self.let_in(connection, &hello),
            Ok(Some(_)) => {
                let lost = Lost::Unexpected("the first message has to be a hello".to_owned());
                refuse(connection, &lost);
            }
            Err(lost) => refuse(connection, &lost),
        }
    }

    pub(super) fn let_in(&mut self, mut connection: Connection, hello: &ClientHello) {
        match self.greet(&mut connection, hello) {
            Ok(()) => self.welcome(connection, hello),
            Err(lost) => refuse(connection, &lost),
        }
    }

    fn greet(&self, connection: &mut Connection, hello: &ClientHello) -> Result<(), Lost> {
        if let Some(legacy) = self.legacy.sockets.iter().next() {
            let from = legacy.from;
            return Err(Lost::Busy(format!(
                "a legacy client is connected from {from}"
            )));
        }
        let served = v2::VERSION..=v2::VERSION;
        let Some(version) = v2::negotiate(&hello.versions, &served) else {
            let (min, max) = (hello.versions.start(), hello.versions.end());
            let version = v2::VERSION;
            return Err(Lost::Version(format!(
                "client speaks versions {min} to {max}, server speaks {version}"
            )));
        };
        let (abilities, backend) = self.dataplane().ok_or(Lost::Absent)?;
        let mut capabilities = hello.capabilities & self.capabilities();
        if hello.events_up_to == 0 {
            capabilities.remove(Capabilities::NAMES);
        }
        connection.credit = hello.events_up_to;
        connection.capabilities = capabilities;
        connection.outbox.resync();
        self.begin_events(connection);
        connection.send(&ServerMessage::Hello(ServerHello {
            version,
            capabilities,
            abilities,
            backend,
            window: self.window(),
        }))?;
        if capabilities.contains(Capabilities::NAMES) {
            let kept = self.backend.kept_names();
            if kept.len() > MAX_EVENTS_PER_MESSAGE {
                warn!(
                    count = kept.len(),
                    most = MAX_EVENTS_PER_MESSAGE,
                    "more interfaces have other names than can be said"
                );
            }
            let kept = kept.into_iter().take(MAX_EVENTS_PER_MESSAGE);
            let kept = kept.map(|(index, name)| Event::Kept { name, index });
            connection.send_first_events(kept.collect())?;
        }
        Ok(())
    }

    fn welcome(&mut self, connection: Connection, hello: &ClientHello) {
        let Process { uid, gid: _, pid } = connection.peer;
        info!(uid, pid, software = hello.software, "client connected");
        if let Some(before) = self.client.replace(connection) {
            warn!(
                pid = before.peer.pid,
                "client replaced by a newer connection"
            );
            before.close(ErrorCode::Replaced, "a newer client connected");
            self.client_gone();
        }
        self.restore_at = None;
        // Its snapshots replace what legacy clients requested.
        self.writer = Writer::Ours;
        self.reconciler.hold_with_carrier(false);
        self.legacy.translator.forget();
    }
}

pub(super) fn refuse(connection: Connection, lost: &Lost) {
    let Process { uid, gid: _, pid } = connection.peer;
    match lost.code() {
        // It comes again and again, and why is written down where the connection is made.
        Some(code) if matches!(lost, Lost::Absent) => {
            debug!(uid, pid, reason = %lost, "connection refused");
            connection.close(code, &lost.to_string());
        }
        Some(code) => {
            warn!(uid, pid, reason = %lost, "connection refused");
            connection.close(code, &lost.to_string());
        }
        None => debug!(uid, pid, reason = %lost, "connection closed before the hello"),
    }
}
