//! Requests and replies of the operator's socket of `syncd`: one JSON object per line each way, as
//! on that of `iccpd`.
//!
//! It shows the dataplane whoever drives it, also where a legacy `iccpd` does, which has nothing
//! else to ask.

use super::Counter;
use crate::{DomainId, IfName, Mac, Vid};
use serde::{Deserialize, Serialize};

/// What an operator asks `syncd`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(tag = "request", rename_all = "kebab-case")]
pub enum Request {
    /// All of it.
    Dataplane,
    /// Forget the pair that is remembered of a foreign server. For those who may change the dataplane.
    ForgetPair,
}

/// What `syncd` answers.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(tag = "reply", rename_all = "kebab-case")]
pub enum Reply {
    /// Answer to [`Request::Dataplane`].
    Dataplane(Box<Dataplane>),
    /// Answer to [`Request::ForgetPair`].
    Forgotten {
        /// The domain of the pair.
        domain: DomainId,
    },
    /// The request could not be served.
    Error {
        /// Why, for a person.
        message: String,
    },
}

/// The dataplane, what is wanted of it, and by whom.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Dataplane {
    /// Name of the backend.
    pub backend: String,
    /// The bridge, once a client named it.
    pub bridge: Option<IfName>,
    /// The peer link.
    pub peer_link: Option<IfName>,
    /// Whether addresses are learned on the peer link; absent while it is no port of the bridge.
    pub peer_link_learning: Option<bool>,
    /// The split-horizon filter is installed.
    pub filter: bool,
    /// Who is connected; more than one only for linux-mclag.
    pub clients: Vec<Client>,
    /// How the pair stands, as the control plane said last.
    pub pair: Option<Pair>,
    /// The pair that a foreign server named, while it does not confirm it.
    #[serde(default)]
    pub remembered: Option<Remembered>,
    /// Whether SONiC's configuration decides which pair there is; absent where it is not looked at.
    #[serde(default)]
    pub config_db: Option<ConfigDb>,
    /// MLAG ports by name.
    pub ports: Vec<Port>,
    /// Ports of the other chassis by name.
    pub remote_ports: Vec<RemotePort>,
    /// Layer-3 interfaces that got another address.
    pub interfaces: Vec<Interface>,
    /// Forwarding entries by whose they are.
    pub entries: Entries,
    /// Neighbours that are wanted.
    pub neighbours: usize,
    /// Something could not be done yet and is tried again now and then.
    pub unfinished: bool,
    /// Counters since start, by name.
    pub counters: Vec<Counter>,
    /// Whether `syncd` runs as root, which it does only if it was told to.
    #[serde(default)]
    pub runs_as_root: bool,
}

/// Somebody who says what is wanted.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Client {
    /// What it speaks: `v2`, `sonic`, `linux-mclag`, `intermediate`, or `unknown`.
    pub speaks: String,
    /// Where it is: a process, or an address.
    pub from: String,
    /// Counters of its connection, by name.
    pub counters: Vec<Counter>,
}

/// How the pair stands.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Pair {
    /// Its number.
    pub domain: DomainId,
    /// True for the active (primary) chassis; absent while not decided.
    pub active: Option<bool>,
    /// Whether both chassis are synchronised; absent while nobody is connected who knows.
    pub up: Option<bool>,
    /// The system id in force.
    pub system_mac: Option<Mac>,
    /// The system id of the other chassis, if it was told.
    pub peer_system_mac: Option<Mac>,
}

/// A pair that is remembered.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Remembered {
    /// Its number.
    pub domain: DomainId,
    /// Seconds since it was last known to be so, at the most.
    pub unconfirmed_for_s: u64,
}

/// SONiC's configuration in Redis.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ConfigDb {
    /// It was read so many seconds ago, and decides.
    Read(u64),
    /// It cannot be read; why, for a person.
    Unusable(String),
}

/// An MLAG port.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Port {
    /// Its name.
    pub name: IfName,
    /// It is a port of the bridge.
    pub present: bool,
    /// It is up and has carrier.
    pub running: bool,
    /// Frames from the peer link are kept from leaving through it.
    pub isolated: bool,
    /// Whether the control plane wants it to be; absent for *as it is*.
    pub isolation_wanted: Option<bool>,
    /// It is kept from carrying data.
    pub held: bool,
    /// Its LACP system id, if it was given one.
    pub system_mac: Option<Mac>,
    /// Frames for it go to the peer link while it has no carrier.
    pub redirect: bool,
}

/// A port of the other chassis.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct RemotePort {
    /// Its name.
    pub name: IfName,
    /// It is up there, as far as was told.
    pub up: bool,
}

/// A layer-3 interface.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Interface {
    /// Its name.
    pub name: IfName,
    /// The VLAN of the bridge whose interface it is.
    pub vid: Option<Vid>,
    /// The address that is wanted.
    pub wanted: Mac,
    /// The address that it has; absent while it does not exist.
    pub actual: Option<Mac>,
}

/// Number of forwarding entries.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Entries {
    /// That are wanted.
    pub wanted: usize,
    /// That were installed and whose host speaks here.
    pub active: usize,
    /// That were installed and whose host is silent here.
    pub inactive: usize,
    /// That the dataplane learned.
    pub learned: usize,
    /// That somebody else configured.
    pub configured: usize,
}
