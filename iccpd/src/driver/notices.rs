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
    pub async fn say_what_was_left_out(&mut self) {
        self.log.say_what_was_left_out().await;
    }
}

/// Of which kind a notice is, and what it is about.
fn kind(notice: &Notice) -> (Kind, &str) {
    match notice {
        // A session that comes up and ends again makes six lines.
        Notice::Session { .. } => (Kind::new("session state changed").at_once(30), ""),
        Notice::Role { .. } => (Kind::new("role decided"), ""),
        Notice::LocalPort { port, .. } => (Kind::new("local port changed"), port.as_str()),
        Notice::RemotePort { port, .. } => (Kind::new("remote port changed"), port.as_str()),
        Notice::Isolation { port, .. } => (Kind::new("isolation changed"), port.as_str()),
        Notice::Held { port, .. } => (Kind::new("port held"), port.as_str()),
        Notice::ShutdownNotice { .. } => (Kind::new("peer stops"), ""),
        Notice::AckTimeout { .. } => (Kind::new("port not acknowledged"), ""),
        Notice::Refused { .. } => (Kind::new("message refused"), ""),
        Notice::OpFailed(_) => (Kind::new("operation failed"), ""),
        Notice::Conflict(_) => (Kind::new("configuration mismatch"), ""),
        _ => (Kind::new("notice"), ""),
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
        Notice::Held { port, held: true } => {
            tracing::info!(%port, "port held (waiting for peer isolation)");
        }
        Notice::Held { port, held: false } => tracing::info!(%port, "port released"),
        Notice::ShutdownNotice { leaving: true } => tracing::info!("peer leaves the pair"),
        Notice::ShutdownNotice { leaving: false } => tracing::info!("peer shuts down"),
        Notice::AckTimeout { port } => {
            tracing::warn!(%port, "peer did not acknowledge the port in time");
        }
        Notice::Refused { reason } => {
            let reason = words::reason(&reason);
            tracing::warn!(reason, "message from the peer refused");
        }
        Notice::OpFailed(failure) => {
            let (op, text) = (words::operation(&failure), failure.error.text);
            tracing::warn!(op, text, "mclagsyncd could not carry out an operation");
        }
        Notice::Conflict(warning) => {
            let text = words::warning(&warning);
            tracing::warn!(text, "configuration mismatch");
        }
        _ => tracing::info!("an event that this version has no words for"),
    }
}
