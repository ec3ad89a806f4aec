//! Whose address the layer-3 interfaces have (`spec/behaviour.md` 5.1).

use crate::chassis::{BOND, BOTH, BRIDGE, Chassis, OWN, PEER, VLAN, VLAN_INDEX, name};
use iccp_core::{Input, Link, LinkKind};
use mclag_proto::iccp::{AggregatorConfig, ConfigFlag, SystemConfig, Tlv};
use mclag_proto::sync::model::{InterfaceWant, Op};
use mclag_proto::{AggregatorId, Mac, NodeId};

fn interfaces(chassis: &mut Chassis) -> Vec<(String, Option<Mac>)> {
    let ops = chassis.ops();
    let changes = ops.iter().filter_map(|op| match op {
        Op::Interface { name, want } => {
            let InterfaceWant { mac } = want;
            Some((name.to_string(), Some(*mac)))
        }
        Op::InterfaceRelease { name } => Some((name.to_string(), None)),
        _ => None,
    });
    changes.collect()
}

fn adopts(what: &str) -> Vec<(String, Option<Mac>)> {
    vec![(what.into(), Some(PEER))]
}

fn is_itself(what: &str) -> Vec<(String, Option<Mac>)> {
    vec![(what.into(), None)]
}

fn standby() -> Chassis {
    let mut chassis = Chassis::standby();
    chassis.connect_server(BOTH);
    chassis.addresses(VLAN_INDEX, &["198.51.100.1/24"]);
    chassis.session_up();
    chassis
}

#[test]
fn the_standby_takes_on_the_active_s_address_until_the_session_is_lost() {
    let mut chassis = standby();
    assert_eq!(interfaces(&mut chassis), adopts(VLAN));
    chassis.session_down();
    assert_eq!(interfaces(&mut chassis), is_itself(VLAN));
}

#[test]
fn the_active_never_changes_an_address() {
    let mut chassis = Chassis::active();
    chassis.connect_server(BOTH);
    chassis.addresses(VLAN_INDEX, &["198.51.100.1/24"]);
    chassis.session_up();
    assert_eq!(interfaces(&mut chassis), []);
}

/// P-15: SONiC needs an MLAG port in the VLAN.
#[test]
fn the_peer_link_in_its_vlan_is_enough_for_a_vlan_interface() {
    let mut chassis = standby();
    interfaces(&mut chassis);
    chassis.vlans(3, &[]);
    assert_eq!(interfaces(&mut chassis), []);
    chassis.vlans(2, &[]);
    assert_eq!(interfaces(&mut chassis), is_itself(VLAN));
    chassis.vlans(2, &[10]);
    assert_eq!(interfaces(&mut chassis), adopts(VLAN));
}

/// 5.1: gains its first address, loses the last.
#[test]
fn a_vlan_interface_is_taken_on_while_it_has_an_address() {
    let mut chassis = standby();
    interfaces(&mut chassis);
    chassis.addresses(VLAN_INDEX, &["fe80::1/64"]);
    assert_eq!(
        interfaces(&mut chassis),
        is_itself(VLAN),
        "link-local is none"
    );
    chassis.addresses(VLAN_INDEX, &["2001:db8::1/64"]);
    assert_eq!(interfaces(&mut chassis), adopts(VLAN));
}

/// 5.1: always keeps its own identity.
#[test]
fn an_interface_marked_unique_ip_stays_itself() {
    let mut chassis = standby();
    interfaces(&mut chassis);
    chassis.configure(3, |config| config.unique_ip.insert(name(VLAN)));
    assert_eq!(interfaces(&mut chassis), is_itself(VLAN));
    chassis.configure(3, |_| {});
    assert_eq!(interfaces(&mut chassis), adopts(VLAN));
}

/// 5.1: a port of the same name at the peer.
#[test]
fn a_layer_3_port_is_taken_on_while_the_peer_has_it() {
    let mut chassis = standby();
    interfaces(&mut chassis);
    chassis.routed_bond("203.0.113.1/31");
    assert_eq!(interfaces(&mut chassis), adopts(BOND));
    chassis.tell(Tlv::AggregatorConfig(AggregatorConfig {
        id: AggregatorId::of(&name(BOND)),
        name: name(BOND),
        mac: PEER,
        flag: ConfigFlag::Purge,
    }));
    assert_eq!(interfaces(&mut chassis), is_itself(BOND));
}

/// E32: the active's identity changed.
#[test]
fn another_identity_of_the_active_is_taken_on_at_once() {
    let mut chassis = standby();
    interfaces(&mut chassis);
    let system = Mac([2, 0, 0, 0, 0, 9]);
    chassis.tell(Tlv::SystemConfig(SystemConfig {
        system,
        priority: 0,
        node: NodeId(0x80),
    }));
    assert_eq!(interfaces(&mut chassis), [(VLAN.into(), Some(system))]);
}

/// The host leaves a leg that carries nothing only for another LACP partner, on layer 3 as on layer 2. There
/// the port's address may be what the pair has in common: on a standby that took on the active's, and
/// where every port of a chassis has the chassis' own.
#[test]
fn a_port_that_cannot_carry_leaves_the_pair_s_system_id_whoever_s_address_it_has() {
    for (chassis, routed, shared) in [
        (Chassis::standby(), true, PEER),
        (Chassis::standby(), false, PEER),
        (Chassis::active(), true, OWN),
        (Chassis::active(), false, OWN),
    ] {
        let mut chassis = chassis;
        chassis.connect_server(BOTH);
        if routed {
            chassis.routed_bond("203.0.113.1/31");
        }
        chassis.session_up();
        let mut bond = |min_links| {
            let (lacp, partner) = (Some(true), None);
            chassis.feed(Input::Link(Link {
                kind: LinkKind::Lag {
                    lacp,
                    partner,
                    min_links,
                },
                master: Some(BRIDGE),
                mac: Some(shared),
                ..Chassis::link(3, BOND)
            }));
            let ops = chassis.ops();
            let wants = ops.iter().rev().filter_map(|op| match op {
                Op::Port { want, .. } => want.system_mac,
                _ => None,
            });
            wants.take(1).next().expect("the port is named again")
        };
        assert_eq!(bond(0), shared, "layer 3: {routed}");
        let own = bond(2);
        assert!(
            own.is_unicast() && own != shared,
            "layer 3: {routed}: {own}"
        );
        assert_eq!(bond(1), shared, "layer 3: {routed}");
    }
}
