//! The settings file: what an operator writes, checked before anything starts.
//!
//! Reading is in two steps: the module `file` mirrors the file and knows where each value
//! stands, [`Settings`] is the result, in which nothing needs to be checked again. Everything
//! that is wrong is reported at once, each with file, line, column and the text in question.
//! The `iccpd.conf` of earlier daemons is read, too: see [`legacy`].
//!
//! Whether an interface exists is not checked here: it may appear later
//! (`spec/behaviour.md` 2.4), `mclagctl status` shows what is waited for, and [`crate::system`] looks once.

mod bridge;
mod duration;
mod file;
pub mod key;
pub mod legacy;
mod load;
mod server;
mod text;
mod vlan_ports;

use crate::record::Place;
use iccp_core::{Config, OnLoss};
use mclag_proto::iccp::Dialect;
use mclag_proto::{AggregatorId, DomainId, IfName, LagKind, Mac};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use bridge::{Bridge, BridgeOrigin, DEFAULT_BRIDGE};
pub use duration::Text as DurationText;
pub use load::{Loaded, Unfit, load, parse};
pub use mclag_daemon::settings::{Problem, SettingsError};
pub use vlan_ports::VlanPort;

/// Where the settings are read from unless told otherwise.
pub const DEFAULT_FILE: &str = "/etc/mclag/iccpd.toml";
/// Where the earlier daemons read theirs from.
pub const LEGACY_FILE: &str = "/etc/iccpd/iccpd.conf";
/// Where `syncd` listens unless told otherwise.
pub const DEFAULT_SYNCD_SOCKET: &str = "/run/mclag/mclagsyncd.sock";
/// The user that `syncd` runs as unless told otherwise, or root.
pub const SYNCD_USER: &str = "mclag-syncd";
/// Where `iccpd` listens for `mclagctl` unless told otherwise.
pub const DEFAULT_CONTROL_SOCKET: &str = "/run/mclag/iccpd.sock";
/// Who may use the control socket unless told otherwise: owner and group.
pub const DEFAULT_CONTROL_MODE: u32 = 0o660;
/// What is logged unless told otherwise.
pub const DEFAULT_LOG_FILTER: &str = "info";

/// Largest settings file that is read, in bytes: far more than 4094 ports need.
pub const MAX_FILE: u64 = 1 << 20;

/// SONiC has no longer ones (`spec/behaviour.md` 3.1).
const KEEPALIVE: RangeInclusive<Duration> = *Config::KEEPALIVES.start()..=Duration::from_secs(60);
/// One lost keepalive, or a late one, must not end a session.
const KEEPALIVES_PER_TIMEOUT: u32 = 3;
const MAX_SESSION_TIMEOUT: Duration = *Config::SESSION_TIMEOUTS.end();

/// Checked settings.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Settings {
    /// The pair. `None` when it is not in the file: with [`Syncd::names_pair`] it arrives from `syncd`
    /// at run time.
    pub domain: Option<Domain>,
    /// What this chassis makes of any pair, wherever that is described.
    pub chassis: Chassis,
    /// What a stop of the daemon means.
    pub on_stop: OnStop,
    /// How to reach the dataplane.
    pub syncd: Syncd,
    /// Socket for `mclagctl`.
    pub control_socket: PathBuf,
    /// File mode of the socket for `mclagctl`.
    pub control_mode: u32,
    /// Sockets for the legacy `mclagdctl`.
    pub mclagdctl: Vec<LegacySocket>,
    /// What is logged, in the syntax of `tracing-subscriber`'s `EnvFilter`.
    pub log_filter: String,
    /// Where a recording of what the core is told goes.
    pub record: Option<Place>,
}

/// The pair: what a file says, or what the dataplane says at run time.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Domain {
    /// Number of the pair.
    pub id: DomainId,
    /// Own address of the control session.
    pub local: IpAddr,
    /// The other chassis' address.
    pub peer: IpAddr,
    /// The peer link.
    pub peer_link: Option<IfName>,
    /// The MLAG ports.
    pub ports: BTreeSet<IfName>,
    /// The ids of those that were given one, each another one.
    pub port_ids: BTreeMap<IfName, AggregatorId>,
    /// Those that were declared to speak LACP, or not to.
    pub port_kinds: BTreeMap<IfName, LagKind>,
    /// VLAN interfaces that keep their own identity on each chassis (`spec/behaviour.md` 11.6).
    pub unique_ip: BTreeSet<IfName>,
    /// LACP system id of the pair.
    pub system_mac: Option<Mac>,
    /// Interval of keepalives.
    pub keepalive: Duration,
    /// Silence after which the session is given up.
    pub session_timeout: Duration,
}

/// What this chassis makes of a pair: settings that no dataplane knows.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Chassis {
    /// What is spoken with the other chassis.
    pub dialect: IccpDialect,
    /// TCP port of the control session, on both sides.
    pub tcp_port: u16,
    /// Interface that the control session is confined to.
    pub bind_device: Option<IfName>,
    /// Whether nothing of the peer is taken that a router has forwarded.
    pub ttl_security: bool,
    /// What both chassis sign the session with, and keepalives.
    pub keys: Keys,
    /// The paths to the other chassis that keepalives are sent on.
    pub paths: Vec<PathSettings>,
    /// The bridge; found by [`Chassis::find_bridge`] when absent.
    pub bridge: Option<IfName>,
    /// MAC that tells this chassis from the other; found by [`crate::node`] when absent.
    pub node_mac: Option<Mac>,
    /// Election priority.
    pub priority: u16,
    /// How long a port waits for the peer's acknowledgement.
    pub ack_timeout: Duration,
    /// How long what the peer said is kept after the session is lost.
    pub restart_hold: Duration,
    /// Whether neighbours (ARP and ND) are kept synchronised.
    pub neighbours: bool,
    /// What losing the session means for the dataplane.
    pub on_loss: OnLoss,
    /// MLAG ports that carry data on one chassis while nobody speaks LACP at their other end.
    pub bypass: BTreeSet<IfName>,
    /// How long nobody has to have answered for that.
    pub bypass_after: Duration,
}

/// A path to the other chassis that keepalives are sent on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct PathSettings {
    /// The other chassis' address.
    pub address: IpAddr,
    /// Own address; any of this chassis when absent.
    pub local: Option<IpAddr>,
    /// Interface or VRF that it is confined to.
    pub device: Option<IfName>,
    /// UDP port on both chassis.
    pub port: u16,
    /// How often a keepalive is sent.
    pub interval: Duration,
    /// So many intervals without a proof are the detection time.
    pub multiplier: u16,
}

impl PathSettings {
    /// How often a keepalive is sent unless told otherwise.
    pub const INTERVAL: Duration = Duration::from_millis(100);
    /// The multiplier unless told otherwise.
    pub const MULTIPLIER: u16 = 3;
    /// Paths of a pair.
    pub const MAX: usize = 8;
}

/// What is spoken with the other chassis (`spec/iccp.md` 13, 14).
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub enum IccpDialect {
    /// What the peer's first bytes show.
    #[default]
    Auto,
    /// That of SONiC, which is also our own.
    Sonic,
    /// That of linux-mclag.
    LinuxMclag,
}

/// How to reach the dataplane.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Syncd {
    /// Socket of our own `syncd`.
    pub socket: PathBuf,
    /// It is the client of a server that describes the pair, so that the settings need not.
    pub names_pair: bool,
    /// The user that it runs as, besides root, by number; none for [`SYNCD_USER`], where that exists.
    pub user: Option<u32>,
}

/// A socket for the legacy `mclagdctl` (`spec/mclagdctl-protocol.md` 9).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LegacySocket {
    /// Where.
    pub path: PathBuf,
    /// What is spoken there: a request does not say.
    pub dialect: Dialect,
    /// Its file mode.
    pub mode: u32,
}

/// What a stop of the daemon means for the dataplane.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub enum OnStop {
    /// It goes on forwarding as it is: the daemon is expected back soon.
    #[default]
    Keep,
    /// This chassis leaves the pair.
    Leave,
}

impl Settings {
    /// Check the text of a TOML file; `path` is what errors call it.
    ///
    /// # Errors
    ///
    /// When anything in it is wrong; all of it is reported.
    pub fn parse(path: &Path, text: &str) -> Result<Self, SettingsError> {
        let parsed = file::parse(text);
        let parsed = parsed.map_err(|problems| SettingsError::wrong(path, text, problems))?;
        Ok(parsed.0)
    }
}

impl Chassis {
    /// The settings of a pair as the core takes them, with the bridge and the MAC that were
    /// found for it.
    #[must_use]
    pub fn config(&self, domain: &Domain, bridge: IfName, node_mac: Mac) -> Config {
        Config {
            domain: domain.id,
            local: domain.local,
            peer: domain.peer,
            bridge,
            peer_link: domain.peer_link,
            ports: domain.ports.clone(),
            port_ids: domain.port_ids.clone(),
            port_kinds: domain.port_kinds.clone(),
            system_mac: domain.system_mac,
            node_mac,
            priority: self.priority,
            keepalive: domain.keepalive,
            session_timeout: domain.session_timeout,
            ack_timeout: self.ack_timeout,
            restart_hold: self.restart_hold,
            unique_ip: domain.unique_ip.clone(),
            neighbours: self.neighbours,
            on_loss: self.on_loss,
            bypass: self.bypass.intersection(&domain.ports).copied().collect(),
            bypass_after: self.bypass_after,
        }
    }
}

/// Where the keys are that both chassis sign the session with.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum Keys {
    /// Nothing is signed.
    #[default]
    None,
    /// The file with the only one (TCP-MD5).
    Md5(PathBuf),
    /// The files with those that have ids (TCP-AO), the one to be asked for first.
    Ao(Vec<(u8, PathBuf)>),
}

impl Default for Chassis {
    fn default() -> Self {
        Self {
            dialect: IccpDialect::default(),
            tcp_port: mclag_proto::iccp::PORT,
            bind_device: None,
            ttl_security: false,
            keys: Keys::default(),
            paths: Vec::new(),
            bridge: None,
            node_mac: None,
            priority: Config::PRIORITY,
            ack_timeout: Config::ACK_TIMEOUT,
            restart_hold: Config::RESTART_HOLD,
            neighbours: true,
            on_loss: OnLoss::default(),
            bypass: BTreeSet::new(),
            bypass_after: Config::BYPASS_AFTER,
        }
    }
}

impl IccpDialect {
    /// The dialect, unless it is to be found out.
    #[must_use]
    pub const fn fixed(self) -> Option<Dialect> {
        match self {
            Self::Auto => None,
            Self::Sonic => Some(Dialect::Sonic),
            Self::LinuxMclag => Some(Dialect::LinuxMclag),
        }
    }

    /// As the settings file spells it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Sonic => "sonic",
            Self::LinuxMclag => "linux-mclag",
        }
    }
}

impl Syncd {
    /// What losing the session means unless the settings say so: whoever has a server that describes
    /// the pair expects what the daemon does that it was made for.
    #[must_use]
    pub const fn default_on_loss(&self) -> OnLoss {
        match self.names_pair {
            true => OnLoss::Release,
            false => OnLoss::Hold,
        }
    }
}

impl Default for Syncd {
    fn default() -> Self {
        Self {
            socket: DEFAULT_SYNCD_SOCKET.into(),
            names_pair: false,
            user: None,
        }
    }
}

#[cfg(test)]
mod tests;
