//! What an operator decided. The I/O layer reads files; this is the result.

use mclag_proto::{AggregatorId, DomainId, IfName, LagKind, Mac};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

/// Settings of one domain.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Config {
    /// Number of the pair.
    pub domain: DomainId,
    /// Own address of the control session.
    pub local: IpAddr,
    /// The other chassis' address; differs from `local`.
    pub peer: IpAddr,
    /// The bridge that all ports below are members of.
    pub bridge: IfName,
    /// The data link to the other chassis.
    pub peer_link: Option<IfName>,
    /// The MLAG ports; names are the same on both chassis (`spec/iccp.md` 4.14) unless both are given the
    /// same id.
    pub ports: BTreeSet<IfName>,
    /// The ids of those ports that were given one, 1..=65535, each another one ([`crate::port_id`]).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub port_ids: BTreeMap<IfName, AggregatorId>,
    /// The ports that were declared to speak LACP, or not to; of the others it is as the kernel has it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub port_kinds: BTreeMap<IfName, LagKind>,
    /// LACP system id of the pair. Without one, the secondary adopts the primary's own.
    pub system_mac: Option<Mac>,
    /// A MAC of this chassis: its identity while `system_mac` is not set, and the tie-break of
    /// the election.
    pub node_mac: Mac,
    /// Election priority between two of our own; the lower one is primary.
    pub priority: u16,
    /// Interval of keepalives.
    pub keepalive: Duration,
    /// Silence after which the session is given up.
    pub session_timeout: Duration,
    /// How long a port waits for the peer's acknowledgement before it carries data anyway
    /// (`spec/behaviour.md` 8.5).
    pub ack_timeout: Duration,
    /// How long after losing the session what the peer advertised is kept, since its dataplane
    /// probably goes on forwarding while its daemon restarts.
    pub restart_hold: Duration,
    /// VLAN interfaces that keep their own identity on each chassis (`spec/behaviour.md` 11.6).
    pub unique_ip: BTreeSet<IfName>,
    /// Whether neighbours (ARP and ND) are kept synchronised.
    pub neighbours: bool,
    /// What losing the session means (`spec/behaviour.md` 6.6, 13.1).
    pub on_loss: OnLoss,
    /// Ports that carry data on one chassis while nobody speaks LACP at their other end (LACP bypass).
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub bypass: BTreeSet<IfName>,
    /// How long nobody has to have answered for that.
    #[serde(default = "default_bypass_after")]
    pub bypass_after: Duration,
}

const fn default_bypass_after() -> Duration {
    Config::BYPASS_AFTER
}

/// What losing the session means for the dataplane.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnLoss {
    /// Isolation and the peer's addresses stay for [`Config::restart_hold`]: the peer's dataplane
    /// probably goes on.
    #[default]
    Hold,
    /// As SONiC: isolation is lifted at once, ports carry data, the standby takes its own identity
    /// back; unless the peer announced a warm reboot.
    Release,
}

impl Config {
    /// A pair without ports, and with the defaults of everything else.
    #[must_use]
    pub const fn new(
        domain: DomainId,
        local: IpAddr,
        peer: IpAddr,
        bridge: IfName,
        node_mac: Mac,
    ) -> Self {
        Self {
            domain,
            local,
            peer,
            bridge,
            peer_link: None,
            ports: BTreeSet::new(),
            port_ids: BTreeMap::new(),
            port_kinds: BTreeMap::new(),
            system_mac: None,
            node_mac,
            priority: Self::PRIORITY,
            keepalive: Self::KEEPALIVE,
            session_timeout: Self::SESSION_TIMEOUT,
            ack_timeout: Self::ACK_TIMEOUT,
            restart_hold: Self::RESTART_HOLD,
            unique_ip: BTreeSet::new(),
            neighbours: true,
            on_loss: OnLoss::Hold,
            bypass: BTreeSet::new(),
            bypass_after: Self::BYPASS_AFTER,
        }
    }

    /// What this chassis calls itself towards the peer.
    #[must_use]
    pub fn own_system_mac(&self) -> Mac {
        self.system_mac.unwrap_or(self.node_mac)
    }

    /// Default of [`Config::priority`].
    pub const PRIORITY: u16 = 32768;
    /// Default of [`Config::keepalive`] (`spec/behaviour.md` 3.3).
    pub const KEEPALIVE: Duration = Duration::from_secs(1);
    /// Default of [`Config::session_timeout`] (`spec/behaviour.md` 3.3).
    pub const SESSION_TIMEOUT: Duration = Duration::from_secs(15);
    /// Default of [`Config::ack_timeout`] (`spec/behaviour.md` 8.5).
    pub const ACK_TIMEOUT: Duration = Duration::from_secs(5);
    /// Default of [`Config::restart_hold`]: the warm-reboot window (`spec/behaviour.md` 3.1).
    pub const RESTART_HOLD: Duration = Duration::from_secs(90);
    /// Default of [`Config::bypass_after`]: some seconds more than LACP takes, and less than a boot from the network
    /// waits for an answer.
    pub const BYPASS_AFTER: Duration = Duration::from_secs(10);
    /// How much longer than [`Config::bypass_after`] the secondary waits: of two legs that fell silent together, the primary's is to
    /// be ready first. LACP hears of that a second apart where it is fast.
    pub const BYPASS_HEAD_START: Duration = Duration::from_secs(2);

    /// What [`Config::keepalive`] may be: shorter ones are lost in the scheduling noise of a loaded chassis,
    /// and an interval of nothing never ends.
    pub const KEEPALIVES: RangeInclusive<Duration> = Duration::from_millis(100)..=HOUR;
    /// What [`Config::session_timeout`] may be.
    pub const SESSION_TIMEOUTS: RangeInclusive<Duration> = Duration::from_millis(300)..=HOUR;
    /// What [`Config::ack_timeout`] may be.
    pub const ACK_TIMEOUTS: RangeInclusive<Duration> =
        Duration::from_millis(100)..=Duration::from_secs(600);
    /// What [`Config::restart_hold`] may be.
    pub const RESTART_HOLDS: RangeInclusive<Duration> = Duration::ZERO..=HOUR;
    /// What [`Config::bypass_after`] may be: LACP takes some seconds.
    pub const BYPASS_AFTERS: RangeInclusive<Duration> =
        Duration::from_secs(3)..=Duration::from_secs(600);

    /// Check what its type does not: the durations.
    ///
    /// # Errors
    ///
    /// With the first one that is out of its range.
    pub fn check(&self) -> Result<(), OutOfRange> {
        for (field, value, range) in [
            ("keepalive", self.keepalive, Self::KEEPALIVES),
            (
                "session-timeout",
                self.session_timeout,
                Self::SESSION_TIMEOUTS,
            ),
            ("ack-timeout", self.ack_timeout, Self::ACK_TIMEOUTS),
            ("restart-hold", self.restart_hold, Self::RESTART_HOLDS),
            ("lacp-bypass-after", self.bypass_after, Self::BYPASS_AFTERS),
        ] {
            if !range.contains(&value) {
                return Err(OutOfRange {
                    field,
                    value,
                    range,
                });
            }
        }
        Ok(())
    }
}

/// A duration that is shorter or longer than makes sense.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{field}: {value:?} is not between {:?} and {:?}", .range.start(), .range.end())]
pub struct OutOfRange {
    field: &'static str,
    value: Duration,
    range: RangeInclusive<Duration>,
}

const HOUR: Duration = Duration::from_secs(3600);
