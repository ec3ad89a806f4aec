//! What the core means, in the words that an operator reads.

use iccp_core::{OpFailure, Reason};
use mclag_proto::ctl::{Conflict, Hindrance, Other, Warning};
use mclag_proto::iccp::ext::DataplanePresence;
use mclag_proto::sync::model::Op;
use mclag_proto::{LagKind, Vid};

/// Why LACP bypass is not for teams.
pub(crate) const TEAM_BYPASS: &str =
    "a team: whether it carries data without LACP is for its teamd to decide (runner.fallback)";

/// Something to look at.
#[must_use]
pub fn warning(warning: &Warning) -> String {
    match warning {
        Warning::SyncdNotConnected => {
            "mclagsyncd is not connected: decisions are not carried out".to_owned()
        }
        Warning::SyncdSilent => {
            "mclagsyncd does not answer: whether decisions are carried out is not known".to_owned()
        }
        Warning::PeerDataplane { presence } => {
            let presence = self::presence(*presence);
            format!("the peer's dataplane {presence}: its ports may stay as they are")
        }
        Warning::PeerLinkDown => "the peer link is down".to_owned(),
        Warning::PeerLinkBlocked => {
            "the peer link is blocked by the bridge (spanning tree)".to_owned()
        }
        Warning::PortBlocked { port } => {
            format!("{port} counts as down: the bridge does not forward for it yet (spanning tree)")
        }
        Warning::PortCarriesNothing { port, reason } => {
            format!("{port} counts as down: {}", hindrance(*reason))
        }
        Warning::PeerLinkRenamed { settings, now } => {
            format!("the peer link {settings} is called {now} now: this lasts until a restart")
        }
        Warning::PortRenamed { settings, now } => {
            format!(
                "port {settings} is called {now} by the kernel: it is followed until a restart of iccpd"
            )
        }
        Warning::PeerLinkKinds {
            peers,
            tunnel_at_peer,
        } => {
            let is = if *tunnel_at_peer { "a" } else { "no" };
            format!("the peer's peer link {peers} is {is} VXLAN tunnel")
        }
        Warning::SystemMacs { own, peers, used } => {
            let used = used.map(|used| format!(": {used} is used here"));
            let used = used.unwrap_or_default();
            format!("system MAC {own} here, {peers} at the peer{used}")
        }
        Warning::MacsIgnored { ignored } => {
            format!("{ignored} addresses ignored: the table is full")
        }
        Warning::NeighboursIgnored { ignored } => {
            format!("{ignored} neighbours ignored: the table is full")
        }
        Warning::NeighboursNotInstalled => {
            "neighbours of the peer are not installed: no dataplane here takes them".to_owned()
        }
        Warning::VlanPort { port, vlan } if port == vlan => {
            format!(
                "{port} is a VLAN interface of a LAG, which is not supported: make the LAG the port of the bridge"
            )
        }
        Warning::VlanPort { port, vlan } => format!(
            "{port}: its VLAN interface {vlan} is a port of a bridge, which is not supported: make {port} that port"
        ),
        Warning::SameNodeMac { mac } => format!(
            "both chassis have the node MAC {mac}: the addresses decide which is primary, and a port that only one has \
             may show the other's LACP system id; set node-mac"
        ),
        Warning::SameBridgeMac { mac } => format!(
            "the bridge has the address {mac} on both chassis: what one sends to the other never arrives; give one \
             of them another address"
        ),
        Warning::Tunnel { port } => format!(
            "{port} is a VXLAN port of the bridge, which is not supported: if the other chassis has one in the same \
             network, frames are delivered twice and come back"
        ),
        Warning::SpanningTree { bridge } => format!(
            "spanning tree runs on {bridge}: a port that comes back is used when it forwards, after twice the forward \
             delay, and the peer link may be blocked; set stp_state 0"
        ),
        Warning::PeerLinkMtu {
            peer_link,
            port,
            mtu,
        } => format!(
            "MTU {peer_link} of the peer link is lower than {mtu} of {port}: larger frames that go over the peer link \
             are lost"
        ),
        Warning::TeamBypass { port } => {
            format!("lacp-bypass has no effect on {port}, {TEAM_BYPASS}")
        }
        Warning::PeerLinkVlans { vids } => format!(
            "VLAN {} missing on the peer link: a host whose link to this chassis is down is not reached from here",
            vlan_ranges(vids).join(",")
        ),
        Warning::Port { port, conflict } => format!("{port}: {}", self::conflict(conflict)),
        Warning::Other(other) => self::other(other),
    }
}

/// Why nothing passes through a port.
fn hindrance(reason: Hindrance) -> String {
    match reason {
        Hindrance::AdminDown => "it is administratively down".to_owned(),
        Hindrance::TooFewMembers { running, needed } => {
            format!("{running} of its members have carrier, min_links is {needed}")
        }
        Hindrance::NotInBridge { bridge } => format!("it is no port of {bridge}"),
        Hindrance::BridgeDown { bridge } => format!("{bridge} is administratively down"),
        Hindrance::NoVlan => "it is in no VLAN of the bridge".to_owned(),
    }
}

/// That a port is of another kind than it was declared.
#[must_use]
pub const fn other_kind(declared: LagKind) -> &'static str {
    match declared {
        LagKind::Static => "declared static, and its bond speaks LACP (mode 802.3ad)",
        LagKind::Lacp => "declared lacp, and does not speak LACP (no bond of mode 802.3ad)",
    }
}

/// A difference of a port.
#[must_use]
pub fn conflict(conflict: &Conflict) -> String {
    match conflict {
        Conflict::Ids { own, peers } => {
            format!("has id {own} here, {peers} at the peer: give it the same one on both")
        }
        Conflict::MissingAtPeer => "not an MLAG port at the peer".to_owned(),
        Conflict::SharesSystemId => {
            "shows the pair's LACP system id without being an MLAG port at the peer: frames may arrive twice".to_owned()
        }
        Conflict::CannotIsolate => {
            "cannot be isolated: one of both chassis carries data for its host".to_owned()
        }
        Conflict::NotIsolatedAtPeer => {
            "kept out of service: the peer's is not isolated, and its dataplane cannot isolate it".to_owned()
        }
        Conflict::Kind { declared } => format!("{}: it is held", other_kind(*declared)),
        Conflict::LacpAtPeer { peers } => format!(
            "no LACP here, and LACP partner {peers} at the peer, who serves the host: it is held"
        ),
        Conflict::Partners { own, peers } => format!(
            "LACP partner {own} here, {peers} at the peer: the port of the secondary is held"
        ),
        Conflict::PartnerElsewhere { partner, at } => format!(
            "LACP partner {partner} is also that of {at} at the peer: the port of the secondary is held"
        ),
        Conflict::Layer3 { here: true } => "a layer-3 port here only".to_owned(),
        Conflict::Layer3 { here: false } => "a layer-3 port at the peer only".to_owned(),
        Conflict::Addresses { own, peers } => format!("address {own} here, {peers} at the peer"),
        Conflict::Pvid { own, peers } => format!(
            "PVID {} here, {} at the peer: what its host sends without a tag {}",
            pvid(*own),
            pvid(*peers),
            match (own, peers) {
                (Some(_), Some(_)) => "is in another VLAN on each leg",
                (None, _) => "is lost where it arrives here",
                (_, None) => "is lost where it arrives at the peer",
            }
        ),
        Conflict::VlansMissingAtPeer { vids } => vlans(vids, "at the peer"),
        Conflict::VlansMissingHere { vids } => vlans(vids, "locally"),
        Conflict::Other(other) => self::other(other),
    }
}

fn other(other: &Other) -> String {
    format!("iccpd, which is of another version, says {other}")
}

fn pvid(vid: Option<Vid>) -> String {
    vid.map_or_else(|| "none".to_owned(), |vid| vid.to_string())
}

fn vlans(vids: &[Vid], place: &str) -> String {
    format!("VLAN {} missing {place}", vlan_ranges(vids).join(","))
}

/// VLANs as ranges; every second one of a range as its even or odd ones.
pub(super) fn vlan_ranges(vids: &[Vid]) -> Vec<String> {
    let mut words = Vec::new();
    let mut rest = vids;
    while let Some(first) = rest.first() {
        let in_steps = |step: u16| {
            let pairs = rest.windows(2);
            let run = pairs.take_while(
                |pair| matches!(pair, [a, b] if a.get().checked_add(step) == Some(b.get())),
            );
            run.count()
        };
        let (steps, kind) = match (in_steps(1), in_steps(2)) {
            (steps @ 1.., _) => (steps, ""),
            // Fewer are read faster one by one.
            (0, seconds @ 3..) if first.get().is_multiple_of(2) => (seconds, " even"),
            (0, seconds @ 3..) => (seconds, " odd"),
            (0, _) => (0, ""),
        };
        let (run, later) = rest.split_at(steps + 1);
        rest = later;
        words.push(match run.last() {
            Some(last) if steps > 0 => format!("{first}-{last}{kind}"),
            _ => first.to_string(),
        });
    }
    words
}

/// Whether a dataplane is at work.
#[must_use]
pub const fn presence(presence: DataplanePresence) -> &'static str {
    match presence {
        DataplanePresence::AtWork => "is at work",
        DataplanePresence::Disconnected => "is not connected",
        DataplanePresence::Silent => "does not answer",
    }
}

/// Why something of the session failed.
#[must_use]
pub fn reason(reason: &Reason) -> String {
    match reason {
        Reason::Transport(text) => text.clone(),
        Reason::Replaced => "replaced by a new connection".to_owned(),
        Reason::Silent(time) => format!("nothing heard for {time:?}"),
        Reason::NotSynchronised(time) => format!("not synchronised after {time:?}"),
        Reason::PeerLeft => "peer left the group".to_owned(),
        Reason::GroupRefused { own } => format!("peer does not accept domain {}", own.0),
        Reason::OtherGroup { peers, own } => {
            format!("peer is in domain {}, this chassis in {}", peers.0, own.0)
        }
        Reason::TooEarly => "too much application data before RG Connect".to_owned(),
        Reason::Rejected { id } => format!("peer rejected message {id}"),
        Reason::Stopping => "stopping".to_owned(),
        Reason::Reconfigured => "settings changed".to_owned(),
    }
}

/// An operation that failed, and why.
#[must_use]
pub fn failure(failure: &OpFailure) -> String {
    format!("{}: {}", operation(failure), failure.error.text)
}

/// An operation that failed.
#[must_use]
pub fn operation(failure: &OpFailure) -> String {
    let op = failure.op.as_ref();
    op.map_or_else(|| "unknown operation".to_owned(), operation_words)
}

/// An operation.
#[must_use]
pub fn operation_words(op: &Op) -> String {
    match op {
        Op::SnapshotBegin(section) => format!("begin of snapshot of {section:?}"),
        Op::SnapshotEnd(section) => format!("end of snapshot of {section:?}"),
        Op::Domain(want) => format!("bridge {}", want.bridge),
        Op::Port { port, .. } => format!("port {port}"),
        Op::PortRelease { port } => format!("release of port {port}"),
        Op::Fdb { key, want } => format!("address {} VLAN {} on {}", key.mac, key.vid, want.port),
        Op::FdbRelease { key, .. } => format!("release of address {} VLAN {}", key.mac, key.vid),
        Op::Pair(pair) => format!("state of pair {}", pair.domain),
        Op::RemotePort { port, .. } => format!("peer's port {port}"),
        Op::RemotePortRelease { port } => format!("release of the peer's port {port}"),
        Op::Members { port, .. } => format!("members of port {port}"),
        Op::Interface { name, .. } => format!("interface {name}"),
        Op::InterfaceRelease { name } => format!("release of interface {name}"),
        Op::Neighbour { key, .. } => format!("neighbour {} on {}", key.address, key.interface),
        Op::NeighbourRelease { key } => {
            format!("release of neighbour {} on {}", key.address, key.interface)
        }
        Op::Learning { port, .. } => format!("learning on {port}"),
        Op::Flush { port: Some(port) } => format!("flush of {port}"),
        Op::Flush { port: None } => "flush".to_owned(),
        Op::NodeMac(mac) => format!("own MAC {mac}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mclag_proto::ctl::CounterName;
    use mclag_proto::iccp::RgId;
    use mclag_proto::sync::model::{OpError, OpErrorCode};
    use mclag_proto::{AggregatorId, IfName, LacpPartner, LagKind, Mac};
    use serde_json::json;
    use std::time::Duration;

    /// Each with its stable form, which scripts read, and its words, which people do.
    #[test]
    fn every_warning_has_a_stable_name_and_its_words() {
        let name = |text| IfName::new(text).unwrap();
        let (own, peers) = (Mac([2, 0, 0, 0, 0, 1]), Mac([2, 0, 0, 0, 0, 2]));
        let port = |conflict| Warning::Port {
            port: name("bond1"),
            conflict,
        };
        let vids = || [10, 30].into_iter().filter_map(Vid::new).collect();
        let peer_link = |tunnel_at_peer| Warning::PeerLinkKinds {
            peers: name("vx1"),
            tunnel_at_peer,
        };
        let [v4, v6] = ["192.0.2.1", "0.0.0.0"].map(|text| text.parse().unwrap());
        let of_port = |conflict| json!({"warning": "port", "port": "bond1", "conflict": conflict});
        let rows = [
            (
                Warning::SyncdNotConnected,
                json!({"warning": "syncd-not-connected"}),
                "mclagsyncd is not connected: decisions are not carried out",
            ),
            (
                Warning::PeerLinkDown,
                json!({"warning": "peer-link-down"}),
                "the peer link is down",
            ),
            (
                Warning::PeerLinkBlocked,
                json!({"warning": "peer-link-blocked"}),
                "the peer link is blocked by the bridge (spanning tree)",
            ),
            (
                Warning::PortBlocked {
                    port: name("bond1"),
                },
                json!({"warning": "port-blocked", "port": "bond1"}),
                "bond1 counts as down: the bridge does not forward for it yet (spanning tree)",
            ),
            (
                Warning::PortCarriesNothing {
                    port: name("bond1"),
                    reason: Hindrance::TooFewMembers {
                        running: 1,
                        needed: 2,
                    },
                },
                json!({
                    "warning": "port-carries-nothing", "port": "bond1",
                    "reason": "too-few-members", "running": 1, "needed": 2,
                }),
                "bond1 counts as down: 1 of its members have carrier, min_links is 2",
            ),
            (
                Warning::PeerLinkRenamed {
                    settings: name("peerlink"),
                    now: name("lan9"),
                },
                json!({"warning": "peer-link-renamed", "settings": "peerlink", "now": "lan9"}),
                "the peer link peerlink is called lan9 now: this lasts until a restart",
            ),
            (
                Warning::PortRenamed {
                    settings: name("host1"),
                    now: name("host1x"),
                },
                json!({"warning": "port-renamed", "settings": "host1", "now": "host1x"}),
                "port host1 is called host1x by the kernel: it is followed until a restart of iccpd",
            ),
            (
                peer_link(true),
                json!({"warning": "peer-link-kinds", "peers": "vx1", "tunnel_at_peer": true}),
                "the peer's peer link vx1 is a VXLAN tunnel",
            ),
            (
                peer_link(false),
                json!({"warning": "peer-link-kinds", "peers": "vx1", "tunnel_at_peer": false}),
                "the peer's peer link vx1 is no VXLAN tunnel",
            ),
            (
                Warning::SyncdSilent,
                json!({"warning": "syncd-silent"}),
                "mclagsyncd does not answer: whether decisions are carried out is not known",
            ),
            (
                Warning::PeerDataplane {
                    presence: DataplanePresence::Disconnected,
                },
                json!({"warning": "peer-dataplane", "presence": "disconnected"}),
                "the peer's dataplane is not connected: its ports may stay as they are",
            ),
            (
                Warning::PeerDataplane {
                    presence: DataplanePresence::Silent,
                },
                json!({"warning": "peer-dataplane", "presence": "silent"}),
                "the peer's dataplane does not answer: its ports may stay as they are",
            ),
            (
                Warning::SystemMacs {
                    own,
                    peers,
                    used: Some(own),
                },
                json!({"warning": "system-macs", "own": own, "peers": peers, "used": own}),
                "system MAC 02:00:00:00:00:01 here, 02:00:00:00:00:02 at the peer: 02:00:00:00:00:01 is used here",
            ),
            (
                Warning::MacsIgnored { ignored: 7 },
                json!({"warning": "macs-ignored", "ignored": 7}),
                "7 addresses ignored: the table is full",
            ),
            (
                Warning::NeighboursIgnored { ignored: 7 },
                json!({"warning": "neighbours-ignored", "ignored": 7}),
                "7 neighbours ignored: the table is full",
            ),
            (
                Warning::NeighboursNotInstalled,
                json!({"warning": "neighbours-not-installed"}),
                "neighbours of the peer are not installed: no dataplane here takes them",
            ),
            (
                Warning::VlanPort {
                    port: name("bond1"),
                    vlan: name("bond1.10"),
                },
                json!({"warning": "vlan-port", "port": "bond1", "vlan": "bond1.10"}),
                "bond1: its VLAN interface bond1.10 is a port of a bridge, which is not supported: make bond1 that port",
            ),
            (
                Warning::VlanPort {
                    port: name("bond1.10"),
                    vlan: name("bond1.10"),
                },
                json!({"warning": "vlan-port", "port": "bond1.10", "vlan": "bond1.10"}),
                "bond1.10 is a VLAN interface of a LAG, which is not supported: make the LAG the port of the bridge",
            ),
            (
                Warning::SameNodeMac { mac: own },
                json!({"warning": "same-node-mac", "mac": own}),
                &format!(
                    "both chassis have the node MAC {own}: the addresses decide which is primary, and a port that \
                     only one has may show the other's LACP system id; set node-mac"
                ),
            ),
            (
                Warning::SameBridgeMac { mac: own },
                json!({"warning": "same-bridge-mac", "mac": own}),
                &format!(
                    "the bridge has the address {own} on both chassis: what one sends to the other never arrives; \
                     give one of them another address"
                ),
            ),
            (
                Warning::Tunnel {
                    port: name("vxlan100"),
                },
                json!({"warning": "tunnel", "port": "vxlan100"}),
                "vxlan100 is a VXLAN port of the bridge, which is not supported: if the other chassis has one in the \
                 same network, frames are delivered twice and come back",
            ),
            (
                Warning::SpanningTree {
                    bridge: name("br0"),
                },
                json!({"warning": "spanning-tree", "bridge": "br0"}),
                "spanning tree runs on br0: a port that comes back is used when it forwards, after twice the forward \
                 delay, and the peer link may be blocked; set stp_state 0",
            ),
            (
                Warning::PeerLinkMtu {
                    peer_link: 1500,
                    port: name("bond1"),
                    mtu: 9000,
                },
                json!({"warning": "peer-link-mtu", "peer_link": 1500, "port": "bond1", "mtu": 9000}),
                "MTU 1500 of the peer link is lower than 9000 of bond1: larger frames that go over the peer link are \
                 lost",
            ),
            (
                Warning::PeerLinkVlans {
                    vids: [10, 20, 22, 24, 26]
                        .map(|vid| Vid::new(vid).unwrap())
                        .into(),
                },
                json!({"warning": "peer-link-vlans", "vids": [10, 20, 22, 24, 26]}),
                "VLAN 10,20-26 even missing on the peer link: a host whose link to this chassis is down is not \
                 reached from here",
            ),
            (
                port(Conflict::Ids {
                    own: AggregatorId(7),
                    peers: AggregatorId(1),
                }),
                of_port(json!({"conflict": "ids", "own": 7, "peers": 1})),
                "bond1: has id 7 here, 1 at the peer: give it the same one on both",
            ),
            (
                port(Conflict::MissingAtPeer),
                of_port(json!({"conflict": "missing-at-peer"})),
                "bond1: not an MLAG port at the peer",
            ),
            (
                port(Conflict::CannotIsolate),
                of_port(json!({"conflict": "cannot-isolate"})),
                "bond1: cannot be isolated: one of both chassis carries data for its host",
            ),
            (
                port(Conflict::NotIsolatedAtPeer),
                of_port(json!({"conflict": "not-isolated-at-peer"})),
                "bond1: kept out of service: the peer's is not isolated, and its dataplane cannot isolate it",
            ),
            (
                port(Conflict::SharesSystemId),
                of_port(json!({"conflict": "shares-system-id"})),
                "bond1: shows the pair's LACP system id without being an MLAG port at the peer: \
                 frames may arrive twice",
            ),
            (
                port(Conflict::Partners {
                    own: LacpPartner {
                        system: own,
                        key: 9,
                    },
                    peers: LacpPartner {
                        system: peers,
                        key: 15,
                    },
                }),
                of_port(json!({
                    "conflict": "partners",
                    "own": {"system": own, "key": 9},
                    "peers": {"system": peers, "key": 15},
                })),
                "bond1: LACP partner 02:00:00:00:00:01 key 9 here, 02:00:00:00:00:02 key 15 at the peer: \
                 the port of the secondary is held",
            ),
            (
                port(Conflict::LacpAtPeer {
                    peers: LacpPartner {
                        system: peers,
                        key: 15,
                    },
                }),
                of_port(json!({
                    "conflict": "lacp-at-peer",
                    "peers": {"system": peers, "key": 15},
                })),
                "bond1: no LACP here, and LACP partner 02:00:00:00:00:02 key 15 at the peer, who serves the host: \
                 it is held",
            ),
            (
                port(Conflict::Kind {
                    declared: LagKind::Static,
                }),
                of_port(json!({"conflict": "kind", "declared": "static"})),
                "bond1: declared static, and its bond speaks LACP (mode 802.3ad): it is held",
            ),
            (
                port(Conflict::Kind {
                    declared: LagKind::Lacp,
                }),
                of_port(json!({"conflict": "kind", "declared": "lacp"})),
                "bond1: declared lacp, and does not speak LACP (no bond of mode 802.3ad): it is held",
            ),
            (
                port(Conflict::PartnerElsewhere {
                    partner: LacpPartner {
                        system: own,
                        key: 9,
                    },
                    at: name("bond2"),
                }),
                of_port(json!({
                    "conflict": "partner-elsewhere",
                    "partner": {"system": own, "key": 9},
                    "at": "bond2",
                })),
                "bond1: LACP partner 02:00:00:00:00:01 key 9 is also that of bond2 at the peer: \
                 the port of the secondary is held",
            ),
            (
                port(Conflict::Layer3 { here: true }),
                of_port(json!({"conflict": "layer-3", "here": true})),
                "bond1: a layer-3 port here only",
            ),
            (
                port(Conflict::Layer3 { here: false }),
                of_port(json!({"conflict": "layer-3", "here": false})),
                "bond1: a layer-3 port at the peer only",
            ),
            (
                port(Conflict::Addresses { own: v4, peers: v6 }),
                of_port(json!({"conflict": "addresses", "own": "192.0.2.1", "peers": "0.0.0.0"})),
                "bond1: address 192.0.2.1 here, 0.0.0.0 at the peer",
            ),
            (
                Warning::TeamBypass {
                    port: name("team1"),
                },
                json!({"warning": "team-bypass", "port": "team1"}),
                "lacp-bypass has no effect on team1, a team: whether it carries data without LACP is for its teamd to \
                 decide (runner.fallback)",
            ),
            (
                port(Conflict::Pvid {
                    own: Vid::new(10),
                    peers: Vid::new(30),
                }),
                of_port(json!({"conflict": "pvid", "own": 10, "peers": 30})),
                "bond1: PVID 10 here, 30 at the peer: what its host sends without a tag is in another VLAN on each leg",
            ),
            (
                port(Conflict::Pvid {
                    own: None,
                    peers: Vid::new(30),
                }),
                of_port(json!({"conflict": "pvid", "own": null, "peers": 30})),
                "bond1: PVID none here, 30 at the peer: what its host sends without a tag is lost where it arrives here",
            ),
            (
                port(Conflict::Pvid {
                    own: Vid::new(10),
                    peers: None,
                }),
                of_port(json!({"conflict": "pvid", "own": 10, "peers": null})),
                "bond1: PVID 10 here, none at the peer: what its host sends without a tag is lost where it arrives at \
                 the peer",
            ),
            (
                port(Conflict::VlansMissingAtPeer { vids: vids() }),
                of_port(json!({"conflict": "vlans-missing-at-peer", "vids": [10, 30]})),
                "bond1: VLAN 10,30 missing at the peer",
            ),
            (
                port(Conflict::VlansMissingHere { vids: vids() }),
                of_port(json!({"conflict": "vlans-missing-here", "vids": [10, 30]})),
                "bond1: VLAN 10,30 missing locally",
            ),
        ];
        for (value, stable, words) in rows {
            assert_eq!(serde_json::to_value(&value).unwrap(), stable);
            assert_eq!(serde_json::from_value::<Warning>(stable).unwrap(), value);
            assert_eq!(warning(&value), words);
        }
    }

    /// As a `mclagctl` of this version reads what an `iccpd` of an earlier or a later one says, and passes it on.
    #[test]
    fn what_another_version_says_is_shown_as_far_as_it_is_known() {
        let of_port = |conflict| json!({"warning": "port", "port": "bond1", "conflict": conflict});
        for (said, passed_on, words) in [
            (
                json!({"warning": "system-macs", "own": "02:00:00:00:00:01", "peers": "02:00:00:00:00:02"}),
                json!({"warning": "system-macs", "own": "02:00:00:00:00:01", "peers": "02:00:00:00:00:02", "used": null}),
                "system MAC 02:00:00:00:00:01 here, 02:00:00:00:00:02 at the peer",
            ),
            (
                json!({"warning": "fan-failed", "fan": 3}),
                json!({"warning": "fan-failed", "fan": 3}),
                r#"iccpd, which is of another version, says {"fan":3,"warning":"fan-failed"}"#,
            ),
            (
                json!({"warning": "peer-dataplane", "presence": "asleep"}),
                json!({"warning": "peer-dataplane", "presence": "asleep"}),
                r#"iccpd, which is of another version, says {"presence":"asleep","warning":"peer-dataplane"}"#,
            ),
            (
                of_port(json!({"conflict": "colour", "own": "red"})),
                of_port(json!({"conflict": "colour", "own": "red"})),
                r#"bond1: iccpd, which is of another version, says {"conflict":"colour","own":"red"}"#,
            ),
        ] {
            let read: Warning = serde_json::from_value(said).unwrap();
            assert_eq!(warning(&read), words);
            assert_eq!(serde_json::to_value(&read).unwrap(), passed_on);
        }
        let name: CounterName = serde_json::from_value(json!("fans replaced")).unwrap();
        assert_eq!(name.to_string(), "fans replaced");
        assert_eq!(serde_json::to_value(&name).unwrap(), json!("fans replaced"));
        serde_json::from_value::<Warning>(json!("no object")).unwrap_err();
    }

    #[test]
    fn vlans_are_ranges_also_where_every_second_one_is_there() {
        let list = |range: std::ops::RangeInclusive<u16>, step: usize| -> Vec<u16> {
            range.step_by(step).collect()
        };
        for (vids, words) in [
            (vec![], ""),
            (vec![7], "7"),
            (list(1..=4094, 1), "1-4094"),
            (vec![10, 11], "10-11"),
            (vec![10, 12, 14], "10,12,14"),
            (list(10..=40, 2), "10-40 even"),
            (list(11..=17, 2), "11-17 odd"),
            (
                [list(2..=10, 2), vec![11, 12, 20]].concat(),
                "2-10 even,11-12,20",
            ),
            (vec![1, 3, 4, 6, 8, 10, 12], "1,3-4,6-12 even"),
        ] {
            let vids: Vec<Vid> = vids.into_iter().filter_map(Vid::new).collect();
            assert_eq!(vlan_ranges(&vids).join(","), words);
        }
    }

    #[test]
    fn a_counter_is_called_the_same_by_scripts_and_people() {
        for name in [
            CounterName::Sessions,
            CounterName::Received,
            CounterName::Sent,
            CounterName::MacsReceived,
            CounterName::MacsSent,
            CounterName::AcksSent,
            CounterName::AcksReceived,
            CounterName::AcksMissed,
            CounterName::Unreadable,
            CounterName::MacsIgnored,
            CounterName::NeighboursIgnored,
            CounterName::Unknown,
            CounterName::Refusals,
        ] {
            assert_eq!(
                serde_json::to_value(&name).unwrap(),
                json!(name.to_string())
            );
        }
    }

    #[test]
    fn every_reason_has_its_words() {
        let (own, peers) = (RgId(1), RgId(2));
        let time = Duration::from_secs(16);
        for (value, words) in [
            (Reason::Transport("cut".into()), "cut"),
            (Reason::Replaced, "replaced by a new connection"),
            (Reason::Silent(time), "nothing heard for 16s"),
            (Reason::NotSynchronised(time), "not synchronised after 16s"),
            (Reason::PeerLeft, "peer left the group"),
            (
                Reason::GroupRefused { own },
                "peer does not accept domain 1",
            ),
            (
                Reason::OtherGroup { peers, own },
                "peer is in domain 2, this chassis in 1",
            ),
            (
                Reason::TooEarly,
                "too much application data before RG Connect",
            ),
            (Reason::Rejected { id: 7 }, "peer rejected message 7"),
            (Reason::Stopping, "stopping"),
            (Reason::Reconfigured, "settings changed"),
        ] {
            assert_eq!(reason(&value), words);
        }
    }

    #[test]
    fn an_operation_that_failed_is_named_with_its_error() {
        let error = OpError {
            code: OpErrorCode::Refused,
            text: "no such device".into(),
        };
        let port = IfName::new("bond1").unwrap();
        for (op, words) in [
            (
                Some(Op::PortRelease { port }),
                "release of port bond1: no such device",
            ),
            (Some(Op::Flush { port: None }), "flush: no such device"),
            (None, "unknown operation: no such device"),
        ] {
            let error = error.clone();
            assert_eq!(failure(&OpFailure { op, error }), words);
        }
    }
}
