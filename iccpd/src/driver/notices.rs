//! What the core wants an operator to read, as log lines.
//!
//! Messages are constant, what varies is in the fields. Each is of a kind that is limited in rate: a
//! peer, a broken dataplane or a cable that flaps can provoke any of them at will.

use crate::ctl::words;
use iccp_core::Notice;
use mclag_daemon::limit::{Kind, Log};

/// Writes notices down.
#[derive(Debug, Default)]
pub struct Notices {
    log: Log,
}

impl Notices {
    /// Write one down, unless there were too many of its kind.
    pub fn write(&mut self, notice: Notice) {
        let (kind, subject) = kind(&notice);
        if self.log.takes(kind, subject) {
            write(notice);
        }
    }

    /// Write down what was left out of a flood that is over. Does not end; dropping it loses nothing.
    pub async fn write_what_was_left_out(&mut self) {
        self.log.write_what_was_left_out().await;
    }
}

/// Of which kind a notice is, and what it is about.
fn kind(notice: &Notice) -> (Kind, &str) {
    let kind = Kind::new(notice.kind());
    match notice {
        // A session that comes up and ends again makes six lines.
        Notice::Session { .. } => (kind.at_once(30), ""),
        Notice::LocalPort { port, .. }
        | Notice::RemotePort { port, .. }
        | Notice::Isolation { port, .. }
        | Notice::Held { port, .. }
        | Notice::Bypass { port, .. }
        | Notice::Unanswered { port } => (kind, port.as_str()),
        _ => (kind, ""),
    }
}

fn write(notice: Notice) {
    match notice {
        Notice::Session { from, to, reason } => {
            let reason = reason.as_ref().map(words::reason);
            tracing::info!(%from, %to, reason, "session state changed");
        }
        Notice::Role { role, by } => tracing::info!(%role, %by, "role decided"),
        Notice::LocalPort { port, up: true } => tracing::info!(%port, "local port up"),
        Notice::LocalPort { port, up: false } => tracing::info!(%port, "local port down"),
        Notice::RemotePort { port, up: true } => tracing::info!(%port, "peer's port up"),
        Notice::RemotePort { port, up: false } => tracing::info!(%port, "peer's port down"),
        Notice::Isolation { port, on: true } => {
            tracing::info!(%port, "port isolated from the peer link");
        }
        Notice::Isolation { port, on: false } => {
            tracing::info!(%port, "port no longer isolated from the peer link");
        }
        Notice::Bypass { port, on: true } => {
            tracing::info!(%port, "nobody speaks LACP: port carries data without");
        }
        Notice::Bypass { port, on: false } => {
            tracing::info!(%port, "port no longer carries data without LACP");
        }
        Notice::Held { port, held: true } => {
            tracing::info!(%port, "port held (waiting for peer isolation)");
        }
        Notice::Held { port, held: false } => tracing::info!(%port, "port released"),
        Notice::ShutdownNotice { leaving: true } => tracing::info!("peer leaves the pair"),
        Notice::ShutdownNotice { leaving: false } => tracing::info!("peer shuts down"),
        Notice::AckTimeout { port } => {
            tracing::warn!(%port, "peer did not acknowledge the port in time");
        }
        Notice::Unanswered { port } => {
            tracing::warn!(%port, "port carries data unanswered: the peer's dataplane cannot isolate it for now");
        }
        Notice::Dataplane { presence } => {
            let presence = words::presence(presence);
            tracing::info!(presence, "dataplane changed");
        }
        Notice::PeerDataplane { presence } => {
            let presence = words::presence(presence);
            tracing::info!(presence, "peer's dataplane changed");
        }
        Notice::Refused { reason } => {
            let reason = words::reason(&reason);
            tracing::warn!(reason, "message from the peer refused");
        }
        Notice::OpFailed(failure) => {
            let (op, text) = (words::operation(&failure), failure.error.text);
            tracing::warn!(op, text, "mclagsyncd could not carry out an operation");
        }
        Notice::OpRecovered { op } => {
            let op = words::operation_words(&op);
            tracing::info!(op, "mclagsyncd carried out what it could not before");
        }
        Notice::Conflict(warning) => {
            let text = words::warning(&warning);
            tracing::warn!(text, "configuration mismatch");
        }
        _ => tracing::info!("an event that this version has no words for"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const DOCUMENT: &str = include_str!("../../../docs/security.md");

    #[test]
    fn the_document_names_the_rates_of_log_lines() {
        let session = Notice::Session {
            from: "DOWN",
            to: "UP",
            reason: None,
        };
        let session = kind(&session).0;
        let other = kind(&Notice::ShutdownNotice { leaving: true }).0;
        let second = Duration::from_secs(1);
        assert_eq!((other.each.every, session.each.every), (second, second));
        assert_eq!(other.all, session.all);
        let wanted = format!(
            "{} lines about the same thing, a port or an address, are written at once, {} about the \
             session, then one a second; of all things of a kind together {} at once and {} a second.",
            other.each.burst,
            session.each.burst,
            other.all.burst,
            second.as_millis() / other.all.every.as_millis(),
        );
        let text = DOCUMENT.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(text.contains(&wanted), "{wanted}");
    }
}
