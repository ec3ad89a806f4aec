//! What a third table costs: multicast groups by VLAN and address, and the ports that have listeners.

use super::*;
use mclag_proto::{IfName, Vid};
use std::net::IpAddr;

#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
struct Group {
    vid: Vid,
    address: IpAddr,
}

/// Listeners of the peer are served on the MLAG port they are on if it is up, else by way of the peer
/// link. What the bridge heard itself it knows.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
struct Groups {
    mlag_up: BTreeSet<IfName>,
    peer_link: Option<IfName>,
}

impl Policy for Groups {
    type Key = Group;
    type Local = BTreeSet<IfName>;
    type Remote = BTreeSet<IfName>;
    type Advertised = BTreeSet<IfName>;
    type Programmed = BTreeSet<IfName>;
    type Op = Operation<Self>;
    type Layout = Plain;

    const MAX_ENTRIES: usize = 1 << 14;
    const FORGETS_SUPERSEDED: bool = false;

    fn advertise(&self, _: Group, entry: &Entry<Self>) -> Option<BTreeSet<IfName>> {
        entry.local.clone()
    }

    fn program(&self, _: Group, entry: &Entry<Self>) -> Option<BTreeSet<IfName>> {
        let port = |port: &IfName| match self.mlag_up.contains(port) {
            true => Some(*port),
            false => self.peer_link,
        };
        let ports: BTreeSet<IfName> = entry.remote.iter().flatten().filter_map(port).collect();
        (!ports.is_empty()).then_some(ports)
    }

    fn op(operation: Operation<Self>) -> Operation<Self> {
        operation
    }
}

fn ports<const N: usize>(names: [&str; N]) -> BTreeSet<IfName> {
    names.map(|name| IfName::new(name).unwrap()).into()
}

const KEY: Group = Group {
    vid: Vid::DEFAULT,
    address: IpAddr::V4(std::net::Ipv4Addr::new(239, 1, 2, 3)),
};

fn policy(mlag_up: BTreeSet<IfName>) -> Groups {
    let peer_link = IfName::new("peerlink").ok();
    Groups { mlag_up, peer_link }
}

fn ops(table: &mut Table<Groups>) -> Vec<Operation<Groups>> {
    let mut ops = Vec::new();
    table.next_ops(9, &mut ops);
    ops
}

fn program(want: BTreeSet<IfName>) -> Operation<Groups> {
    Operation::Program { key: KEY, want }
}

#[test]
fn listeners_of_the_peer_are_served_where_they_can_be_reached() {
    let mut table = Table::<Groups>::default();
    table.replace_policy(policy(ports(["bond1"])));
    table.change_or_add(KEY, |entry, _| {
        entry.set_remote(Some(ports(["bond1", "swp10"])));
        Concerns::Both
    });
    assert_eq!(ops(&mut table), [program(ports(["bond1", "peerlink"]))]);
    // The port is lost.
    table.replace_policy(policy(ports([])));
    table.review(.., |_| true, |_, _, _| {});
    assert_eq!(ops(&mut table), [program(ports(["peerlink"]))]);
    table.change(KEY, |entry, _| {
        entry.set_remote(None);
        Concerns::Both
    });
    let (key, forget) = (KEY, false);
    assert_eq!(ops(&mut table), [Operation::Release { key, forget }]);
    assert!(table.is_empty());
}

#[test]
fn listeners_here_are_advertised_as_they_come_and_go() {
    let mut table = Table::<Groups>::default();
    table.start_advertising(|_, _| {});
    for listeners in [ports(["bond1"]), ports(["bond1", "swp10"])] {
        table.change_or_add(KEY, |entry, _| {
            entry.local = Some(listeners.clone());
            Concerns::Both
        });
        let told = table.next_advertisements(0, 9, |op, _, ports| Some((op, ports)));
        assert_eq!(told, [(EntryOp::Add, listeners)]);
    }
    table.listing_begins(|_| true);
    table.listing_ends(|_, entry, _| entry.local = None);
    let told = table.next_advertisements(0, 9, |op, _, _| Some(op));
    assert_eq!(told, [EntryOp::Delete]);
}
