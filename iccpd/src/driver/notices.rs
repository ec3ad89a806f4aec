//! What the core wants an operator to read, as log lines.
//!
//! Messages are constant, what varies is in the fields. What a peer or a broken dataplane can
//! provoke at will is limited in rate.

use iccp_core::Notice;
use mclag_daemon::log::Limit;
use std::time::Instant;

/// Writes notices down.
#[derive(Debug, Default)]
pub struct Notices {
    limit: Limit,
}

impl Notices {
    /// Write one down, unless there were too many of its kind.
    pub fn write(&mut self, notice: Notice) {
        match notice {
            Notice::Session { from, to, reason } => {
                let reason = reason.as_deref();
                tracing::info!(from, to, reason, "session state changed");
            }
            Notice::Role { role, by } => tracing::info!(?role, ?by, "role decided"),
            Notice::LocalPort { port, up } => tracing::info!(%port, up, "local port changed"),
            Notice::RemotePort { port, up } => tracing::info!(%port, up, "remote port changed"),
            Notice::Isolation { port, on } => tracing::info!(%port, on, "isolation changed"),
            Notice::Held { port, held } => tracing::info!(%port, held, "port held"),
            Notice::Goodbye { leaving } => tracing::info!(leaving, "peer says goodbye"),
            Notice::AckTimeout { port } => {
                if let Some(suppressed) = self.allow("ack") {
                    tracing::warn!(%port, suppressed, "peer did not acknowledge the port in time");
                }
            }
            Notice::Refused { reason } => {
                if let Some(suppressed) = self.allow("refused") {
                    tracing::warn!(reason, suppressed, "message from the peer refused");
                }
            }
            Notice::OpFailed { op, text } => {
                if let Some(suppressed) = self.allow("op") {
                    tracing::warn!(
                        op,
                        text,
                        suppressed,
                        "syncd could not carry out an operation"
                    );
                }
            }
            Notice::Conflict { text } => {
                if let Some(suppressed) = self.allow("conflict") {
                    tracing::warn!(
                        text,
                        suppressed,
                        "the two chassis are configured differently"
                    );
                }
            }
            other => tracing::info!(notice = ?other, "notice"),
        }
    }

    fn allow(&mut self, kind: &'static str) -> Option<u64> {
        self.limit.allow(kind, Instant::now())
    }
}
