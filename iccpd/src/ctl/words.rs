//! What the core means, in the words that an operator reads.

use mclag_proto::Vid;
use mclag_proto::ctl::{Conflict, CounterName, Warning};

/// Something to look at.
#[must_use]
pub fn warning(warning: &Warning) -> String {
    match warning {
        Warning::SyncdNotConnected => {
            "syncd is not connected: decisions are not carried out".to_owned()
        }
        Warning::PeerLinkDown => "the peer link is down".to_owned(),
        Warning::PeerLinkKinds {
            peers,
            tunnel_at_peer,
        } => {
            let is = if *tunnel_at_peer { "a" } else { "no" };
            format!("the peer's peer link {peers} is {is} VXLAN tunnel")
        }
        Warning::SystemMacs { own, peers } => format!("system MAC {own} here, {peers} at the peer"),
        Warning::MacsIgnored { ignored } => {
            format!("{ignored} addresses ignored: the table is full")
        }
        Warning::NeighboursIgnored { ignored } => {
            format!("{ignored} neighbours ignored: the table is full")
        }
        Warning::NeighboursNotInstalled => {
            "neighbours of the peer are not installed: no dataplane here takes them".to_owned()
        }
        Warning::Port { port, conflict } => format!("{port}: {}", self::conflict(conflict)),
    }
}

/// A difference of a port.
#[must_use]
pub fn conflict(conflict: &Conflict) -> String {
    match conflict {
        Conflict::SameNumber { id, other } => format!("has number {id} in common with {other}"),
        Conflict::MissingAtPeer => "not an MLAG port at the peer".to_owned(),
        Conflict::Layer3 { here: true } => "a layer-3 port here only".to_owned(),
        Conflict::Layer3 { here: false } => "a layer-3 port at the peer only".to_owned(),
        Conflict::Addresses { own, peers } => format!("address {own} here, {peers} at the peer"),
        Conflict::VlansMissingAtPeer { vids } => vlans(vids, "at the peer"),
        Conflict::VlansMissingHere { vids } => vlans(vids, "locally"),
    }
}

fn vlans(vids: &[Vid], place: &str) -> String {
    let vids: Vec<String> = vids.iter().map(ToString::to_string).collect();
    format!("VLAN {} missing {place}", vids.join(","))
}

/// What is counted.
#[must_use]
pub const fn counter(name: CounterName) -> &'static str {
    match name {
        CounterName::Sessions => "sessions",
        CounterName::Received => "messages received",
        CounterName::Sent => "messages sent",
        CounterName::MacsReceived => "addresses received",
        CounterName::MacsSent => "addresses sent",
        CounterName::AcksSent => "acknowledgements sent",
        CounterName::AcksReceived => "acknowledgements received",
        CounterName::AcksMissed => "acknowledgements missed",
        CounterName::Unreadable => "unreadable messages",
        CounterName::MacsIgnored => "addresses ignored, table full",
        CounterName::NeighboursIgnored => "neighbours ignored, table full",
        CounterName::Unknown => "unknown messages and TLVs",
        CounterName::Refusals => "refusals",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mclag_proto::{AggregatorId, IfName, Mac};
    use serde_json::json;

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
                "syncd is not connected: decisions are not carried out",
            ),
            (
                Warning::PeerLinkDown,
                json!({"warning": "peer-link-down"}),
                "the peer link is down",
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
                Warning::SystemMacs { own, peers },
                json!({"warning": "system-macs", "own": own, "peers": peers}),
                "system MAC 02:00:00:00:00:01 here, 02:00:00:00:00:02 at the peer",
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
                port(Conflict::SameNumber {
                    id: AggregatorId(3),
                    other: name("team1"),
                }),
                of_port(json!({"conflict": "same-number", "id": 3, "other": "team1"})),
                "bond1: has number 3 in common with team1",
            ),
            (
                port(Conflict::MissingAtPeer),
                of_port(json!({"conflict": "missing-at-peer"})),
                "bond1: not an MLAG port at the peer",
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
            assert_eq!(serde_json::to_value(name).unwrap(), json!(counter(name)));
        }
    }
}
