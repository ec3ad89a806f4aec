//! Why something failed, as a value: the words for it are made by whoever shows it.

use crate::Time;
use mclag_proto::iccp::RgId;
use mclag_proto::sync::model::{Op, OpError};
use std::time::Duration;

/// Why a session ended or did not come about, or why something of the peer was refused.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Reason {
    /// As the transport, or the decoder, has it.
    Transport(String),
    /// The peer made a new connection.
    Replaced,
    /// Nothing was heard of the peer for this time.
    Silent(Duration),
    /// Both were not synchronised after this time.
    NotSynchronised(Duration),
    /// The peer left the group.
    PeerLeft,
    /// The peer does not accept our group.
    GroupRefused {
        /// Our group.
        own: RgId,
    },
    /// The peer is in another group.
    OtherGroup {
        /// The peer's.
        peers: RgId,
        /// Ours.
        own: RgId,
    },
    /// More application data came before RG Connect than is kept.
    TooEarly,
    /// The peer rejected a message of ours.
    Rejected {
        /// Id of that message.
        id: u32,
    },
    /// This chassis, or the pair, stops.
    Stopping,
    /// Settings changed that make it another session.
    Reconfigured,
}

/// What keeps the session from being synchronised, or did so last.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Failure {
    /// Why.
    pub reason: Reason,
    /// When that began: the same failure, attempt after attempt, is one.
    pub since: Time,
    /// Both have been synchronised since.
    pub is_over: bool,
}

/// An operation that `syncd` could not carry out.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct OpFailure {
    /// The operation; none if `syncd` named one that it was not sent.
    pub op: Option<Op>,
    /// What it says.
    pub error: OpError,
}
