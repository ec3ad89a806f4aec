//! Everything that depends on who the peer is, as one value: what its encoding can carry, which daemon
//! it is, and what has to be allowed for it. Nothing else in the core asks for that.
//!
//! | | one of our own | SONiC | linux-mclag |
//! |---|---|---|---|
//! | acknowledges that a port is up | yes | yes | no: isolates 3 s after the last change |
//! | advertises addresses of single-homed ports | yes | yes | no |
//! | marks the end of its addresses | yes | no | no |
//! | names ports that do not exist | as down | no | no |
//! | says who is at the other end of a port | yes | no | no |
//! | says whether its dataplane is at work | yes | no | no |
//! | orders moves of addresses | from version 2 | no | no |
//! | pairs ports by the ids they were given | from version 3 | by name | by name |
//! | hears the addresses of all layer-3 interfaces of the bridge | from version 2 | those that are each chassis' own | no |
//! | measures silence | exactly | in whole seconds | in whole seconds |
//! | takes over another's system MAC | the configured one is common | the active never does | the active never does |
//! | names the LACP system id of its ports | yes | yes | the MAC of its last bond, whatever its LACP shows |

use crate::input::PeerTraits;
use crate::lag::Consent;
use mclag_proto::iccp::{LEGACY_MACS_PER_MESSAGE, LEGACY_NEIGHBOURS_PER_MESSAGE};
use std::time::Duration;

/// Addresses in one message to one of our own: large enough to be cheap, small enough for a
/// keepalive to slip in between.
const MACS_PER_MESSAGE: usize = 500;

/// Neighbours in one message to one of our own.
const NEIGHBOURS_PER_MESSAGE: usize = 400;

/// Another implementation sends its addresses right after the synchronisation and marks no end; by
/// then it has (`spec/iccp.md` 7, step 16).
const ALL_ADVERTISED: Duration = Duration::from_secs(10);

/// By now a peer that does not acknowledge has isolated its port: 3 s of its own and a turn of its
/// loop, with as much again to spare (`spec/behaviour.md` 3.1).
pub const SETTLED: Duration = Duration::from_secs(4);

/// The version of the extensions from which on moves have an order, and a chassis knows its own addresses
/// among those of its peer.
const SECOND: u16 = 2;

/// The version of the extensions from which on ports are paired by ids.
const THIRD: u16 = 3;

/// What whole seconds and strict comparisons add to each timer of another implementation
/// (`spec/iccp.md` 9.1).
const SLACK: Duration = Duration::from_secs(1);

/// What there is to know of a peer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct PeerPolicy {
    /// It acknowledges that a port is up (`spec/iccp.md` 4.13).
    pub acknowledges: bool,
    /// Addresses behind single-homed ports are exchanged with it (`spec/iccp.md` 10.4).
    pub orphans: bool,
    /// Most addresses in one message (`spec/iccp.md` 2.4).
    pub macs_per_message: usize,
    /// Most neighbours in one message (`spec/iccp.md` 2.4).
    pub neighbours_per_message: usize,
    /// Most of our own addresses in one message.
    pub own_addresses_per_message: usize,
    /// It forgets a neighbour that it is told to be gone, whoever it had it from (`spec/iccp.md` 11.2).
    pub keeps_one_observation: bool,
    /// It hears of MLAG ports that do not exist, as of ports that are down: what it was not named is no
    /// port of the pair then. Another implementation hears of a port when it exists (`spec/iccp.md` 4.2).
    pub hears_of_missing_ports: bool,
    /// It hears who is at the other end of a port ([`mclag_proto::iccp::ext::PortPartner`]).
    pub hears_partners: bool,
    /// It hears whether the dataplane here is at work ([`mclag_proto::iccp::ext::DataplaneState`]).
    pub hears_dataplane: bool,
    /// It hears which VLAN frames without a tag are in ([`mclag_proto::iccp::ext::PortVlan`]).
    pub hears_port_vlans: bool,
    /// Moves of addresses have an order for it ([`mclag_proto::iccp::ext::MacOrder`]).
    pub orders_moves: bool,
    /// It hears which ports were given an id ([`mclag_proto::iccp::ext::Extension::PortId`]), and pairs ports by
    /// it; else by their names alone.
    pub hears_port_ids: bool,
    /// It hears the address of the bridge and of all layer-3 interfaces on it, not only of those whose IP
    /// addresses are each chassis' own.
    pub hears_own_macs: bool,
    /// It hears a shutdown notice; another implementation takes the end of the connection for what it
    /// is (`spec/iccp.md` 3.3, 9.4).
    pub hears_shutdown_notice: bool,
    /// How long after the synchronisation it has sent all of its addresses; none if it marks their end.
    pub all_advertised_after: Option<Duration>,
    /// As active it never takes the system MAC configured here (`spec/behaviour.md` 5), so layer-3 interfaces
    /// here take its; with one of our own the configured one is common to both.
    pub keeps_its_mac: bool,
    /// And what it names is what its LACP shows, so the LACP system id configured here gives way, too. Where
    /// that is not known the operator knows better (`spec/mclagsyncd-protocol.md` 12).
    pub keeps_its_lacp_system: bool,
    /// What is added to each timer for its clock.
    slack: Duration,
}

impl PeerPolicy {
    /// The policy for a peer whose encoding can carry this, and which is `native` if it announced
    /// itself as one of our own. It may not have done so yet.
    #[must_use]
    pub const fn of(traits: PeerTraits, native: bool) -> Self {
        let PeerTraits {
            acknowledges,
            orphans,
            names_lacp_system,
        } = traits;
        if native {
            Self {
                acknowledges,
                orphans,
                macs_per_message: MACS_PER_MESSAGE,
                neighbours_per_message: NEIGHBOURS_PER_MESSAGE,
                own_addresses_per_message: LEGACY_NEIGHBOURS_PER_MESSAGE,
                keeps_one_observation: false,
                hears_of_missing_ports: true,
                hears_partners: true,
                hears_dataplane: true,
                hears_port_vlans: true,
                orders_moves: false,
                hears_port_ids: false,
                hears_own_macs: false,
                hears_shutdown_notice: true,
                all_advertised_after: None,
                keeps_its_mac: false,
                keeps_its_lacp_system: false,
                slack: Duration::ZERO,
            }
        } else {
            Self {
                acknowledges,
                orphans,
                macs_per_message: LEGACY_MACS_PER_MESSAGE,
                neighbours_per_message: LEGACY_NEIGHBOURS_PER_MESSAGE,
                own_addresses_per_message: LEGACY_NEIGHBOURS_PER_MESSAGE,
                keeps_one_observation: true,
                hears_of_missing_ports: false,
                hears_partners: false,
                hears_dataplane: false,
                hears_port_vlans: false,
                orders_moves: false,
                hears_port_ids: false,
                hears_own_macs: false,
                hears_shutdown_notice: false,
                all_advertised_after: Some(ALL_ADVERTISED),
                keeps_its_mac: true,
                keeps_its_lacp_system: names_lacp_system,
                slack: SLACK,
            }
        }
    }

    /// One of our own that speaks this version of the extensions.
    #[must_use]
    pub const fn of_version(self, version: u16) -> Self {
        let is_second = version >= SECOND;
        Self {
            orders_moves: is_second,
            hears_port_ids: version >= THIRD,
            hears_own_macs: is_second,
            ..self
        }
    }

    /// How it comes to be known that the peer has isolated a port.
    #[must_use]
    pub fn consent(self, ack_timeout: Duration) -> Consent {
        if self.acknowledges {
            Consent::Acknowledged(ack_timeout)
        } else {
            Consent::Presumed(ack_timeout.min(SETTLED))
        }
    }

    /// Silence after which it is given up. Another implementation gets a second more, and never less
    /// than two of its keepalives take: it compares whole seconds strictly, so an interval of 1 s makes
    /// a keepalive every 2 s (`spec/iccp.md` 9.1).
    #[must_use]
    pub fn silence(self, timeout: Duration, keepalive: Duration) -> Duration {
        if self.slack.is_zero() {
            timeout
        } else {
            let least = keepalive.saturating_add(self.slack);
            timeout.max(least).saturating_add(self.slack)
        }
    }
}

impl Default for PeerPolicy {
    fn default() -> Self {
        Self::of(PeerTraits::default(), false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn what_each_kind_of_peer_is_told_and_allowed() {
        let linux_mclag = PeerTraits {
            acknowledges: false,
            orphans: false,
            names_lacp_system: false,
        };
        // Traits, native; addresses and neighbours in a message, shutdown notice, end after, keeps its MAC and LACP id; consent;
        // silence for a timeout of 15 s and of 3 s with keepalives of 3 s.
        let rows = [
            (
                PeerTraits::default(),
                true,
                (500, 400),
                true,
                None,
                (false, false),
                (15, 3),
            ),
            (
                PeerTraits::default(),
                false,
                (30, 40),
                false,
                Some(10),
                (true, true),
                (16, 5),
            ),
            (
                linux_mclag,
                false,
                (30, 40),
                false,
                Some(10),
                (true, false),
                (16, 5),
            ),
        ];
        for (traits, native, most, shutdown_notice, end, keeps, (long, short)) in rows {
            let policy = PeerPolicy::of(traits, native);
            assert_eq!(
                (policy.acknowledges, policy.orphans),
                (traits.acknowledges, traits.orphans)
            );
            assert_eq!(
                (policy.macs_per_message, policy.neighbours_per_message),
                most
            );
            assert_eq!(
                (
                    policy.hears_shutdown_notice,
                    policy.hears_of_missing_ports,
                    policy.keeps_one_observation
                ),
                (shutdown_notice, shutdown_notice, !shutdown_notice)
            );
            assert_eq!(policy.all_advertised_after, end.map(seconds));
            assert_eq!((policy.keeps_its_mac, policy.keeps_its_lacp_system), keeps);
            assert_eq!(policy.silence(seconds(15), seconds(3)), seconds(long));
            assert_eq!(policy.silence(seconds(3), seconds(3)), seconds(short));
        }
        let native = PeerPolicy::of(PeerTraits::default(), true);
        for (version, ordered) in [(1, false), (2, true), (3, true)] {
            let policy = native.of_version(version);
            assert_eq!(
                (policy.orders_moves, policy.hears_own_macs),
                (ordered, ordered)
            );
        }
        let waits = PeerPolicy::of(linux_mclag, false);
        assert_eq!(waits.consent(seconds(5)), Consent::Presumed(SETTLED));
        assert_eq!(waits.consent(seconds(2)), Consent::Presumed(seconds(2)));
        let asks = PeerPolicy::default();
        assert_eq!(asks.consent(seconds(5)), Consent::Acknowledged(seconds(5)));
    }
}
