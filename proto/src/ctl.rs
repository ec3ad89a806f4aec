//! Requests and replies of the operator's socket: one JSON object per line each way.
//!
//! A client sends one [`Request`] and receives one [`Reply`]; it may send more on the same
//! connection. Field names are part of the `--json` output of `mclagctl`: they may be added to,
//! never renamed.
//!
//! The two ends may be of different versions. A field that was added has a default, and a warning, conflict or counter
//! that one does not know is kept as it came ([`Other`]).

use std::fmt;

use crate::{AggregatorId, DomainId, IfName, LacpPartner, Mac, NodeId, Vid};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::path::PathBuf;

pub mod dataplane;
mod warning;

pub use warning::{Conflict, Hindrance, Other, Warning};

/// Longest request line in bytes.
pub const MAX_REQUEST: usize = 4096;

/// Longest reply line in bytes: four thousand VLANs on each of a thousand ports.
pub const MAX_REPLY: usize = 64 << 20;

/// What an operator asks.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(tag = "request", rename_all = "kebab-case")]
pub enum Request {
    /// The pair at a glance.
    Status,
    /// Every MLAG port and the peer link.
    Interfaces,
    /// A page of the address table, in order of VLAN and address.
    Macs {
        /// Continue behind this entry.
        #[serde(default)]
        after: Option<MacCursor>,
    },
    /// A page of the neighbour table, in order of interface and address.
    Neighbours {
        /// Continue behind this entry.
        #[serde(default)]
        after: Option<NeighbourCursor>,
    },
    /// The session with the other chassis, with counters.
    Peer,
}

/// Position in the neighbour table.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct NeighbourCursor {
    /// Interface of the last entry seen.
    pub interface: IfName,
    /// Address of the last entry seen.
    pub address: IpAddr,
}

/// Position in the address table.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct MacCursor {
    /// VLAN of the last entry seen.
    pub vid: Vid,
    /// Address of the last entry seen.
    pub mac: Mac,
}

/// What the daemon answers.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(tag = "reply", rename_all = "kebab-case")]
pub enum Reply {
    /// Answer to [`Request::Status`].
    Status(Box<Status>),
    /// Answer to [`Request::Interfaces`].
    Interfaces {
        /// Peer link first, then the MLAG ports by name.
        interfaces: Vec<Interface>,
    },
    /// Answer to [`Request::Macs`].
    Macs {
        /// One page.
        macs: Vec<MacLine>,
        /// Where the next page begins, if there is one.
        next: Option<MacCursor>,
    },
    /// Answer to [`Request::Neighbours`].
    Neighbours {
        /// One page.
        neighbours: Vec<NeighbourLine>,
        /// Where the next page begins, if there is one.
        next: Option<NeighbourCursor>,
    },
    /// Answer to [`Request::Peer`].
    Peer(Box<PeerStatus>),
    /// The request could not be served.
    Error {
        /// Why, for a person.
        message: String,
    },
}

/// The pair at a glance.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Status {
    /// Number of the pair.
    pub domain: DomainId,
    /// Own address of the control session.
    pub local: IpAddr,
    /// The other chassis' address.
    pub peer: IpAddr,
    /// State of the session.
    pub session: SessionState,
    /// Seconds the session has been in this state.
    pub session_for_s: u64,
    /// What keeps the session from being up; absent while it is, and while nothing has failed.
    #[serde(default)]
    pub session_error: Option<SessionError>,
    /// Who decides in a tie.
    pub role: Role,
    /// Why this role: `address`, `priority` or `mac`.
    pub role_by: RoleBy,
    /// LACP system id of the pair as this chassis uses it.
    pub system_mac: Option<Mac>,
    /// The bridge.
    pub bridge: IfName,
    /// The peer link.
    pub peer_link: Option<IfName>,
    /// True when the peer link can carry frames.
    pub peer_link_up: bool,
    /// Whether `syncd` is connected.
    pub syncd: SyncdState,
    /// MLAG ports that are up on both chassis; none unless the session is up.
    pub ports_dual: usize,
    /// MLAG ports that are up here, and not at the peer or not known to be.
    pub ports_local_only: usize,
    /// MLAG ports that are up at the peer only; none unless the session is up.
    pub ports_peer_only: usize,
    /// MLAG ports that are down here, and not known to be up at the peer.
    pub ports_down: usize,
    /// The MLAG ports at the peer, as they were when the session was up last; absent while it is.
    #[serde(default)]
    pub remembered: Option<Remembered>,
    /// Addresses known, by whom.
    pub macs: MacCounts,
    /// Interfaces named in the settings that do not exist yet.
    pub waiting_for: Vec<IfName>,
    /// Lines of the log of `iccpd` that could not be written since its start.
    #[serde(default)]
    pub lost_log_lines: u64,
    /// Seconds for which no foreign mclagsyncd has confirmed the pair that it named, at the most; absent while it
    /// does, and where the pair is configured. Known to `mclagsyncd` and added by `mclagctl`.
    #[serde(default)]
    pub pair_unconfirmed_for_s: Option<u64>,
    /// Whether `iccpd` runs as root, which it does only if it was told to.
    #[serde(default)]
    pub runs_as_root: bool,
    /// Anything an operator should look at.
    pub warnings: Vec<Warning>,
}

/// What keeps the session from being up.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct SessionError {
    /// What, for a person.
    pub text: String,
    /// Seconds since it began.
    pub for_s: u64,
}

/// Ports of the peer that are MLAG ports here, too, as they were when the session was up last.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Remembered {
    /// Those that were up.
    pub up: usize,
    /// Those that were down.
    pub down: usize,
    /// Seconds since then.
    pub age_s: u64,
}

/// State of the session with the other chassis.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SessionState {
    /// No connection.
    Down,
    /// Connected, not yet agreed on capabilities and group.
    Connecting,
    /// Exchanging the full state.
    Syncing,
    /// Synchronised.
    Up,
    /// One that only another version knows.
    #[serde(other)]
    Unknown,
}

impl fmt::Display for SessionState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

/// Role of this chassis.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Decides in a tie; the RFC's and SONiC's *active*.
    Primary,
    /// Follows; *standby*.
    Secondary,
    /// Not decided.
    Undecided,
    /// One that only another version knows.
    #[serde(other)]
    Unknown,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

/// What decided the role.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RoleBy {
    /// The address rule of SONiC.
    Address,
    /// The configured priorities.
    Priority,
    /// Equal priorities; the lower MAC.
    Mac,
    /// One that only another version knows.
    #[serde(other)]
    Unknown,
}

impl fmt::Display for RoleBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Address => "address",
            Self::Priority => "priority",
            Self::Mac => "MAC",
            Self::Unknown => "an unknown rule",
        })
    }
}

/// Connection to `syncd`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct SyncdState {
    /// Connected and greeted.
    pub connected: bool,
    /// Name of its backend, when connected.
    pub backend: Option<String>,
    /// Operations that it could not carry out, since start.
    pub failed_operations: u64,
    /// Words of the last failure.
    pub last_failure: Option<String>,
    /// Its socket for `iccpd`; that for operators is in the same directory.
    #[serde(default)]
    pub socket: Option<PathBuf>,
}

/// Number of addresses by who sees them.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct MacCounts {
    /// Seen by this chassis only.
    pub local: usize,
    /// Seen by the peer only.
    pub peer: usize,
    /// Seen by both.
    pub both: usize,
    /// Of those known to the peer: kept from a session that is gone, until it is back.
    pub stale: usize,
}

/// One MLAG port or the peer link.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Interface {
    /// Its name.
    pub name: IfName,
    /// True for the peer link.
    pub peer_link: bool,
    /// Number used towards the peer; absent for the peer link.
    pub id: Option<AggregatorId>,
    /// What the peer calls its half of it, if that is not its name here.
    #[serde(default)]
    pub name_at_peer: Option<IfName>,
    /// State on this chassis.
    pub local: PortStatus,
    /// State at the peer, if it has this port.
    pub remote: Option<PortStatus>,
    /// Seconds since the peer said so, if that was in a session that is gone.
    #[serde(default)]
    pub remembered_s: Option<u64>,
    /// Up on both, while the session is up.
    pub dual: bool,
    /// Frames from the peer link are kept from leaving through it, as confirmed by `syncd`.
    pub isolated: Option<bool>,
    /// Held back until the peer has isolated its port.
    pub held: bool,
    /// It carries data although nobody speaks LACP at its other end.
    #[serde(default)]
    pub bypass: bool,
    /// LACP partner: its system id.
    pub partner: Option<Mac>,
    /// The key of the LACP partner.
    #[serde(default)]
    pub partner_key: Option<u16>,
    /// LACP partner at the peer; absent where nobody says.
    #[serde(default)]
    pub remote_partner: Option<LacpPartner>,
    /// Members of the LAG.
    pub members: Vec<Member>,
    /// VLANs.
    pub vids: Vec<Vid>,
    /// Differences between the two sides.
    pub conflicts: Vec<Conflict>,
}

/// State of a port.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PortStatus {
    /// Carries data.
    Up,
    /// Does not.
    Down,
    /// The interface does not exist.
    Missing,
    /// One that only another version knows.
    #[serde(other)]
    Unknown,
}

impl fmt::Display for PortStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

/// One member of a LAG.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Member {
    /// Its name.
    pub name: IfName,
    /// It has carrier.
    pub carrier: bool,
    /// LACP lets it carry data.
    pub distributing: bool,
}

/// One line of the address table.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct MacLine {
    /// VLAN.
    pub vid: Vid,
    /// Address.
    pub mac: Mac,
    /// Port that frames for it leave through on this chassis; absent when it is not programmed.
    pub port: Option<IfName>,
    /// Port on which this chassis sees the host.
    pub local: Option<IfName>,
    /// Port on which the peer sees the host.
    pub remote: Option<IfName>,
    /// Configured, not learned.
    pub configured: bool,
    /// The peer's claim is from a session that is gone.
    pub stale: bool,
}

/// One line of the neighbour table.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct NeighbourLine {
    /// Interface.
    pub interface: IfName,
    /// Address of layer 3.
    pub address: IpAddr,
    /// Address of layer 2.
    pub mac: Mac,
    /// This chassis knows it: the kernel resolved it, or it was heard on the wire.
    pub local: bool,
    /// The peer said it.
    pub remote: bool,
    /// The peer's own address on that interface.
    pub permanent: bool,
    /// The dataplane was told to install it.
    pub installed: bool,
    /// The peer's word is from a session that is gone.
    pub stale: bool,
}

/// The session with the other chassis.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct PeerStatus {
    /// Its address.
    pub address: IpAddr,
    /// State of the session.
    pub session: SessionState,
    /// True when this side dials.
    pub dialling: bool,
    /// Name and version it announced; absent for a legacy daemon.
    pub software: Option<String>,
    /// Its system MAC.
    pub system_mac: Option<Mac>,
    /// Its node id.
    pub node: Option<NodeId>,
    /// Its election priority, when it announced one.
    pub priority: Option<u16>,
    /// Milliseconds since its last message.
    pub last_heard_ms: Option<u64>,
    /// Interval of our keepalives in milliseconds.
    pub keepalive_ms: u64,
    /// Silence after which the session is given up, in milliseconds.
    pub timeout_ms: u64,
    /// Why the last session ended.
    pub last_error: Option<String>,
    /// The session is signed with a key.
    #[serde(default)]
    pub signed: bool,
    /// The keys of TCP-AO, if the session is signed so.
    #[serde(default)]
    pub tcp_ao: Option<TcpAo>,
    /// Nothing of the peer is taken that a router has forwarded.
    #[serde(default)]
    pub ttl_security: bool,
    /// The paths to it that keepalives are sent on, in the order of the settings.
    #[serde(default)]
    pub paths: Vec<PathStatus>,
    /// Counters by name.
    pub counters: Vec<Counter<CounterName>>,
    /// Connections that were refused, newest first.
    pub refused: Vec<Refusal>,
}

/// A path to the other chassis that keepalives are sent on.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct PathStatus {
    /// The peer's address on it.
    pub address: IpAddr,
    /// UDP port on both chassis.
    pub port: u16,
    /// Interface that it is confined to.
    pub device: Option<IfName>,
    /// Whether it carries anything.
    pub state: PathState,
    /// Milliseconds for which it has been in that state.
    pub state_for_ms: u64,
    /// Milliseconds without a proof after which it is alive no longer.
    pub detection_ms: u64,
    /// Milliseconds since the peer's last keepalive.
    pub last_seen_ms: Option<u64>,
    /// Round trip that the last proof showed, in microseconds.
    pub round_trip_us: Option<u64>,
    /// How many of the peer's last keepalives did not come, or too late.
    pub lost: u32,
    /// How many those are, at most 100.
    pub lost_of: u32,
    /// Milliseconds since the peer's core has completed a turn.
    pub core_age_ms: Option<u64>,
    /// Milliseconds since the peer's `mclagsyncd` has said something, which it does when there is something to say; none
    /// while it is not connected.
    pub syncd_age_ms: Option<u64>,
    /// Datagrams that were not believed, by why.
    pub refused: Vec<Counter>,
    /// What keeps keepalives from being sent.
    pub error: Option<String>,
}

/// Whether a path to the other chassis carries anything.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PathState {
    /// The peer answers what was just sent there.
    Alive,
    /// The peer is heard, and does not answer what was just sent there. That may be a recording: it proves nothing.
    OneWay,
    /// It was alive, and is no longer.
    Dead,
    /// It was never alive; or the state is one that only another version knows.
    #[serde(other)]
    Unknown,
}

impl fmt::Display for PathState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

/// The keys of a session that is signed by TCP-AO, by their ids.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct TcpAo {
    /// What is sent is signed with this one; none while there is no connection.
    pub current: Option<u8>,
    /// The peer is asked to sign with this one.
    pub asked_for: u8,
}

/// What is counted of the session with the other chassis.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub enum CounterName {
    /// Times that both were synchronised.
    #[serde(rename = "sessions")]
    Sessions,
    /// Messages that could be read.
    #[serde(rename = "messages received")]
    Received,
    /// Messages that were sent.
    #[serde(rename = "messages sent")]
    Sent,
    /// Addresses in messages of the peer.
    #[serde(rename = "addresses received")]
    MacsReceived,
    /// Addresses in messages to the peer.
    #[serde(rename = "addresses sent")]
    MacsSent,
    /// Acknowledgements to the peer.
    #[serde(rename = "acknowledgements sent")]
    AcksSent,
    /// Acknowledgements of the peer.
    #[serde(rename = "acknowledgements received")]
    AcksReceived,
    /// Acknowledgements that did not come in time.
    #[serde(rename = "acknowledgements missed")]
    AcksMissed,
    /// Messages that could not be read.
    #[serde(rename = "unreadable messages")]
    Unreadable,
    /// Addresses that found no place.
    #[serde(rename = "addresses ignored, table full")]
    MacsIgnored,
    /// Neighbours that found no place.
    #[serde(rename = "neighbours ignored, table full")]
    NeighboursIgnored,
    /// Messages and elements of an unknown type.
    #[serde(rename = "unknown messages and TLVs")]
    Unknown,
    /// What one refused of the other's.
    #[serde(rename = "refusals")]
    Refusals,
    /// Something that another version counts: its name.
    #[serde(untagged)]
    Other(String),
}

impl fmt::Display for CounterName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

/// A counter since start.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Counter<N = String> {
    /// What is counted.
    pub name: N,
    /// How many.
    pub value: u64,
}

/// Connections refused from one address.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Refusal {
    /// Where from.
    pub address: IpAddr,
    /// Why the last one.
    pub reason: String,
    /// How many.
    pub count: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::de::DeserializeOwned;

    fn read<T: DeserializeOwned>(value: &str) -> T {
        serde_json::from_value(value.into()).unwrap()
    }

    /// An `iccpd` that was updated answers a `mclagctl` that was not, with the rest of what it says.
    #[test]
    fn a_state_that_only_a_later_version_knows_is_read_and_shown_as_unknown() {
        assert_eq!(read::<SessionState>("up"), SessionState::Up);
        assert_eq!(read::<SessionState>("resting"), SessionState::Unknown);
        assert_eq!(read::<Role>("witness"), Role::Unknown);
        assert_eq!(read::<RoleBy>("lot"), RoleBy::Unknown);
        assert_eq!(read::<PortStatus>("dormant"), PortStatus::Unknown);
        let shown = [
            SessionState::Unknown.to_string(),
            Role::Unknown.to_string(),
            PortStatus::Unknown.to_string(),
        ];
        assert_eq!(shown, ["unknown"; 3]);
    }
}
