//! Everything a domain can ask of the I/O layer.

use crate::{OpFailure, Reason};
use mclag_proto::iccp::Message;
use mclag_proto::iccp::ext::DataplanePresence;
use mclag_proto::sync::model::Op;

/// One thing to be done.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Output {
    /// Dial the peer; answer with [`crate::Input::PeerUp`] or [`crate::Input::PeerDown`].
    Connect,
    /// Close the transport to the peer.
    Close {
        /// Why.
        reason: Reason,
        /// To be sent before, as far as the transport takes it at once.
        shutdown_notice: Vec<Message>,
    },
    /// Something an operator wants to read next morning.
    Notice(Notice),
}

/// One numbered batch of operations for `syncd`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Batch {
    /// Its number: counts up from 1 on each connection.
    pub number: u64,
    /// The operations, in order.
    pub ops: Vec<Op>,
}

/// A change worth a log line. The I/O layer gives it a level and writes it down.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Notice {
    /// The session entered another state.
    Session {
        /// Name of the state it left.
        from: &'static str,
        /// Name of the state it entered.
        to: &'static str,
        /// Why, when it went down.
        reason: Option<Reason>,
    },
    /// The role was decided anew.
    Role {
        /// The role.
        role: mclag_proto::ctl::Role,
        /// By what.
        by: mclag_proto::ctl::RoleBy,
    },
    /// An MLAG port of this chassis went up or down.
    LocalPort {
        /// The port.
        port: mclag_proto::IfName,
        /// True for up.
        up: bool,
    },
    /// The peer's MLAG port went up or down, or is gone.
    RemotePort {
        /// The port.
        port: mclag_proto::IfName,
        /// True for up.
        up: bool,
    },
    /// `syncd` confirmed that isolation is in force (or lifted).
    Isolation {
        /// The port.
        port: mclag_proto::IfName,
        /// True for in force.
        on: bool,
    },
    /// A port is held until the peer has isolated its own, or carries data again.
    Held {
        /// The port.
        port: mclag_proto::IfName,
        /// True for held.
        held: bool,
    },
    /// A port begins, or ends, to carry data without LACP.
    Bypass {
        /// The port.
        port: mclag_proto::IfName,
        /// True when it begins.
        on: bool,
    },
    /// The peer did not acknowledge in time that a port is up.
    AckTimeout {
        /// The port.
        port: mclag_proto::IfName,
    },
    /// A port carries data without the consent of the peer, whose dataplane is not at work: whether it has isolated
    /// its own is not known for certain.
    Unanswered {
        /// The port.
        port: mclag_proto::IfName,
    },
    /// The dataplane of this chassis is at work, or no longer.
    Dataplane {
        /// Whether it is.
        presence: DataplanePresence,
    },
    /// The peer's dataplane is at work, or no longer.
    PeerDataplane {
        /// Whether it is.
        presence: DataplanePresence,
    },
    /// A message from the peer was refused.
    Refused {
        /// Why.
        reason: Reason,
    },
    /// `syncd` could not carry an operation out, and could last time, or could not for another reason.
    OpFailed(OpFailure),
    /// `syncd` carried out what it could not last time.
    OpRecovered {
        /// What.
        op: Op,
    },
    /// The peer said that it is about to stop.
    ShutdownNotice {
        /// True when it leaves the pair.
        leaving: bool,
    },
    /// Both chassis are configured differently in a point that matters.
    Conflict(mclag_proto::ctl::Warning),
}

impl Notice {
    /// Its kind, as the log calls the lines that are limited together (`docs/security.md`).
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Session { .. } => "session state changed",
            Self::Role { .. } => "role decided",
            Self::LocalPort { .. } => "local port changed",
            Self::RemotePort { .. } => "remote port changed",
            Self::Isolation { .. } => "isolation changed",
            Self::Held { .. } => "port held",
            Self::Bypass { .. } => "LACP bypass",
            Self::ShutdownNotice { .. } => "peer stops",
            Self::AckTimeout { .. } => "port not acknowledged",
            Self::Unanswered { .. } => "port not answered",
            Self::Dataplane { .. } => "dataplane changed",
            Self::PeerDataplane { .. } => "peer's dataplane changed",
            Self::Refused { .. } => "message refused",
            Self::OpFailed(_) | Self::OpRecovered { .. } => "operation failed",
            Self::Conflict(_) => "configuration mismatch",
        }
    }
}
