//! The server towards legacy clients: who may connect when, and in which order what they request is
//! carried out and they are informed.

use mclag_proto::IfName;
use mclag_proto::sync::model::{FdbKey, FdbKind, FdbWant, Op};
use mclag_proto::sync::v1::{ClientMessage, FdbRecord, RecordOp};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tracing::{debug, info, warn};

use super::{Server, Writer};
use crate::backend::Backend;
use crate::legacy::{
    ClientId, Feed, LegacyConnection, ListenerEvent, Listeners, Lost, Options, Place, SWEEP_AFTER,
    Sockets, Translator,
};

/// Operations that are gathered before they are carried out.
const OPS_AT_ONCE: usize = 4096;

/// Everything about legacy clients.
#[derive(Debug)]
pub(super) struct Legacy {
    pub(super) options: Options,
    pub(super) sockets: Sockets,
    pub(super) translator: Translator,
    /// The peer link when clients were last informed: what is behind it is not published to them.
    published_peer_link: Option<IfName>,
    /// When what earlier clients asked for and the present one did not is released.
    sweep_at: Option<Instant>,
    /// It was.
    swept: bool,
    /// A refusal was logged, and nobody was let in since.
    refusing: bool,
    /// Connections that were refused since the start.
    pub(super) refused: u64,
}

impl Legacy {
    pub(super) fn new(options: Options, listeners: Listeners, translator: Translator) -> Self {
        Self {
            options,
            sockets: Sockets::new(listeners),
            published_peer_link: translator.peer_link(),
            translator,
            sweep_at: None,
            swept: false,
            refusing: false,
            refused: 0,
        }
    }

    /// When something is due although nothing happens.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.sweep_at
            .into_iter()
            .chain(self.sockets.deadline())
            .min()
    }

    /// Inform all clients that an entry may have changed.
    pub(super) fn mark(&mut self, key: FdbKey, table: usize) {
        for feed in self.feeds() {
            feed.mark(key, table);
        }
    }

    /// Inform all clients that anything may have changed.
    pub(super) fn mark_all(&mut self) {
        self.feeds().for_each(Feed::mark_all);
    }

    /// Inform all clients that VLAN members may have changed.
    pub(super) fn mark_vlans(&mut self) {
        self.feeds().for_each(Feed::mark_vlans);
    }

    fn feeds(&mut self) -> impl Iterator<Item = &mut Feed> {
        self.sockets.iter_mut().filter_map(|c| c.feed.as_mut())
    }
}

impl<B: Backend> Server<B> {
    pub(super) async fn hear_legacy(&mut self, event: ListenerEvent) {
        match event {
            ListenerEvent::Accepted(place, stream, from) => {
                self.admit_legacy(place, stream, from).await
            }
            ListenerEvent::Ready(id, ready) => {
                let heard = match ready {
                    Ok(()) => self.carry_out_messages(id).await,
                    lost => lost,
                };
                if let Err(lost) = heard {
                    self.drop_legacy(id, &lost);
                }
            }
        }
    }

    /// The settings are others now. What has to be known when sockets are opened stays as it was.
    pub(super) async fn configure_legacy(&mut self, options: Options) {
        let Options {
            listen: _,
            bridge: _,
            peer_link,
            domain,
            ports,
            unique_ip,
        } = options;
        let now = Options {
            listen: self.legacy.options.listen.clone(),
            bridge: self.legacy.options.bridge,
            peer_link,
            domain,
            ports,
            unique_ip,
        };
        let before = std::mem::replace(&mut self.legacy.options, now);
        let legacy = &mut self.legacy;
        for feed in legacy.sockets.iter_mut().filter_map(|c| c.feed.as_mut()) {
            feed.configure(&legacy.options);
        }
        let mut ops = Vec::new();
        legacy
            .translator
            .configure(&before, &legacy.options, &mut ops);
        // Otherwise nothing of it is wanted before a legacy client comes.
        if self.writer == Writer::Legacy {
            let actual = self.reconciler.actual();
            legacy.translator.refresh(actual, &mut ops);
            self.carry_out_legacy(&ops).await;
        }
    }

    async fn admit_legacy(&mut self, place: Place, stream: TcpStream, from: std::net::SocketAddr) {
        if let Some(client) = &self.client {
            self.legacy.refused += 1;
            if !std::mem::replace(&mut self.legacy.refusing, true) {
                let pid = client.peer.pid;
                warn!(
                    %from, pid,
                    "legacy client refused: a client of version 2 is connected"
                );
            }
            return;
        }
        let is_first = self.legacy.sockets.is_empty();
        let connection = LegacyConnection::new(stream, from, place, Instant::now());
        let Some(id) = self.legacy.sockets.admit(connection) else {
            self.legacy.refused += 1;
            if !std::mem::replace(&mut self.legacy.refusing, true) {
                warn!(%from, "legacy client refused: there are too many");
            }
            return;
        };
        self.legacy.refusing = false;
        let dialect = place.dialect.map(tracing::field::display);
        info!(%from, at = %place.address, dialect, "legacy client connected");
        self.restore_at = None;
        if is_first {
            self.legacy.swept = false;
            self.legacy.sweep_at = None;
            let before = std::mem::replace(&mut self.writer, Writer::Legacy);
            let replaces = before == Writer::Ours;
            // A client of ours looks at the members of a bond, and its bridge redirects frames while
            // the bond has no carrier. A legacy one takes such a bond for down, and would wait for ever
            // to enable it.
            self.reconciler.hold_with_carrier(true);
            let actual = self.reconciler.actual();
            let ops = self.legacy.translator.begin(actual, replaces);
            self.carry_out_legacy(&ops).await;
        }
        self.follow(id);
    }

    /// Let what the connection speaks decide what is published to it.
    fn follow(&mut self, id: ClientId) {
        if let Some(connection) = self.legacy.sockets.get_mut(id) {
            connection.follow(&self.legacy.options);
        }
    }

    async fn carry_out_messages(&mut self, id: ClientId) -> Result<(), Lost> {
        let mut ops = Vec::new();
        loop {
            let Some(connection) = self.legacy.sockets.get_mut(id) else {
                return Ok(());
            };
            let next = connection.next_message();
            let message = match &next {
                Ok(Some((message, dialect))) => {
                    debug!(from = %connection.from, ?message, "legacy client says");
                    let actual = self.reconciler.actual();
                    let translator = &mut self.legacy.translator;
                    translator.message(message, *dialect, actual, &mut ops);
                    Some(message)
                }
                Ok(None) | Err(_) => None,
            };
            if let Some(&Op::Flush { port }) = ops.last() {
                let flush = ops.pop();
                self.carry_out_legacy(&std::mem::take(&mut ops)).await;
                ops.extend(self.installed_as_dynamic(port));
                ops.extend(flush);
            }
            // A poll is answered as things are after what was requested before it, and what depends on
            // the dataplane waits until it is as the messages before want it.
            let is_turn = matches!(
                message,
                None | Some(
                    ClientMessage::GetFdbChanges
                        | ClientMessage::FlushFdb
                        | ClientMessage::FlushFdbByPort { .. }
                )
            );
            if is_turn || ops.len() >= OPS_AT_ONCE {
                self.carry_out_legacy(&std::mem::take(&mut ops)).await;
            }
            self.follow(id);
            if let Some(message) = message {
                self.note_progress(id, message);
            }
            match next {
                Ok(Some(_)) => {}
                Ok(None) => return Ok(()),
                Err(lost) => return Err(lost),
            }
        }
    }

    /// Releases what clients installed as dynamic, on one port or on all. To a legacy server it is
    /// what the kernel learned, and flushed like that (`spec/mclagsyncd-protocol.md` 4.3, 4.5).
    fn installed_as_dynamic(&self, port: Option<IfName>) -> impl Iterator<Item = Op> {
        let wanted = self.reconciler.wanted();
        let is_meant = move |want: &FdbWant| {
            want.kind != FdbKind::Static && port.is_none_or(|port| want.port == port)
        };
        let entries = wanted.entries().copied();
        let entries = entries.filter(move |key| wanted.entry(key).is_some_and(is_meant));
        entries.map(|key| Op::FdbRelease { key, forget: true })
    }

    /// What a message means beyond the wanted state.
    fn note_progress(&mut self, id: ClientId, message: &ClientMessage) {
        let legacy = &mut self.legacy;
        match message {
            ClientMessage::GetFdbChanges => {
                if let Some(connection) = legacy.sockets.get_mut(id) {
                    connection.ask();
                }
            }
            ClientMessage::SetFdb(records) => {
                let table = self.reconciler.actual().fdb.len();
                if let Some(feed) = legacy.sockets.get_mut(id).and_then(|c| c.feed.as_mut()) {
                    let deleted = records.iter().filter(|r| r.op == RecordOp::Delete);
                    for FdbRecord { vid, mac, .. } in deleted {
                        let (vid, mac) = (*vid, *mac);
                        feed.taken_back(FdbKey { vid, mac }, table);
                    }
                }
                return;
            }
            ClientMessage::IccpState { is_up: true, .. } => {}
            ClientMessage::IccpState { is_up: false, .. } => {
                legacy.sweep_at = None;
                return;
            }
            _ => return,
        }
        // Both say that the client is synchronised with the other chassis.
        if !legacy.swept && legacy.sweep_at.is_none() {
            legacy.sweep_at = Some(Instant::now() + SWEEP_AFTER);
        }
    }

    async fn carry_out_legacy(&mut self, ops: &[Op]) {
        if ops.is_empty() {
            return;
        }
        self.reconciler.accept(ops);
        let results = self.settle().await;
        for (op, result) in ops.iter().zip(results) {
            if let Err(error) = result {
                let (code, error) = (error.code, error.text);
                debug!(?op, error, ?code, "not carried out for a legacy client");
            }
        }
    }

    fn drop_legacy(&mut self, id: ClientId, lost: &Lost) {
        let Some(connection) = self.legacy.sockets.remove(id) else {
            return;
        };
        let (from, counters) = (connection.from, connection.counters);
        match lost {
            Lost::Closed => info!(%from, %counters, "legacy client left, the dataplane stays"),
            lost => {
                warn!(%from, %counters, reason = %lost, "legacy client lost, the dataplane stays");
            }
        }
        if self.legacy.sockets.is_empty() {
            self.legacy.sweep_at = None;
            self.reconciler.client_gone();
            let after = self.options.restore_after;
            self.restore_at = after.map(|after| Instant::now() + after);
        }
    }

    /// Ports became members of other LAGs, or no longer are: names mean others now.
    pub(super) fn refresh_legacy(&mut self) -> Vec<Op> {
        let mut ops = Vec::new();
        if self.writer == Writer::Legacy {
            let actual = self.reconciler.actual();
            self.legacy.translator.refresh(actual, &mut ops);
            self.legacy.mark_vlans();
        }
        ops
    }

    /// Do what is due.
    pub(super) async fn legacy_due(&mut self) {
        let now = Instant::now();
        if self.legacy.sweep_at.is_some_and(|at| at <= now) {
            self.legacy.sweep_at = None;
            self.legacy.swept = true;
            info!("releasing what earlier legacy clients asked for and this one did not");
            self.carry_out_legacy(&Translator::sweep()).await;
        }
        let legacy = &mut self.legacy;
        legacy.sockets.wake(now);
        for connection in legacy.sockets.iter_mut() {
            if connection.settings_are_due(now) && connection.feed.is_none() {
                connection.feed = Some(Feed::guess(&legacy.options));
            }
        }
    }

    /// Send every client what it may get.
    pub(super) fn inform_legacy(&mut self) {
        let now = Instant::now();
        let peer_link = self.legacy.translator.peer_link();
        if std::mem::replace(&mut self.legacy.published_peer_link, peer_link) != peer_link {
            self.legacy.mark_all();
        }
        let actual = self.reconciler.actual();
        for connection in self.legacy.sockets.iter_mut() {
            connection.write(now, |feed| feed.next(actual, peer_link));
        }
    }
}

#[cfg(test)]
mod tests;
