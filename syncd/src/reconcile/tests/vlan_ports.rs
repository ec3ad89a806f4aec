//! VLAN interfaces of LAGs as ports of bridges: refused by name.

use super::*;

/// The pair, with these as MLAG port and peer link.
fn pair(mlag: &str, peer_link: &str) -> [Op; 2] {
    [
        Op::Domain(DomainWant {
            bridge: port("br0"),
            peer_link: Some(port(peer_link)),
            peer_link_learning: false,
        }),
        port_op(mlag, Isolation::On, Traffic::Held),
    ]
}

/// `fresh()`, with a port of that name too, and VLAN interfaces in the way of these.
fn with_vlans(vlans: &[(&str, &str)]) -> Actual {
    let mut actual = fresh();
    for (name, vlan) in vlans {
        let is = InterfaceActual {
            vlan_port: Some(port(vlan)),
            ..interface(name)
        };
        actual.interfaces.insert(port(name), is);
        actual
            .ports
            .entry(port(name))
            .or_insert_with(|| PortActual {
                lacp: None,
                ..bridge_port()
            });
    }
    actual
}

/// The LAG is left alone: hold and system id would be those of all its VLANs.
#[test]
fn an_mlag_port_with_a_vlan_interface_in_a_bridge_is_refused_by_name_and_left_alone() {
    for (vlans, mlag, text) in [
        (
            [("bond1", "bond1.10")],
            "bond1",
            "Refused: bond1 cannot be MLAG port while its VLAN interface bond1.10 is a port of a bridge; \
             make bond1 that port",
        ),
        (
            [("bond1.10", "bond1.10")],
            "bond1.10",
            "Refused: bond1.10 cannot be MLAG port: it is a VLAN interface of a LAG; \
             make the LAG the port of the bridge",
        ),
    ] {
        let mut bench = Bench::new(with_vlans(&vlans));
        let before = bench.dataplane.ports.clone();
        let (actions, answers) = bench.ask(&pair(mlag, "peer"));
        assert_eq!(answers, ["ok", text]);
        assert!(bench.dataplane.held.is_empty(), "{actions:?}");
        let lacp = |ports: &BTreeMap<IfName, PortActual>| ports[&port(mlag)].lacp;
        assert_eq!(lacp(&bench.dataplane.ports), lacp(&before));
    }
}

#[test]
fn a_peer_link_with_a_vlan_interface_in_a_bridge_is_refused_by_name() {
    for (vlans, peer_link, text) in [
        (
            [("peer", "peer.10")],
            "peer",
            "Refused: peer cannot be peer link while its VLAN interface peer.10 is a port of a bridge; \
             make peer that port",
        ),
        (
            [("peer.10", "peer.10")],
            "peer.10",
            "Refused: peer.10 cannot be peer link: it is a VLAN interface of a LAG; \
             make the LAG the port of the bridge",
        ),
    ] {
        let mut bench = Bench::new(with_vlans(&vlans));
        let (_, answers) = bench.ask(&pair("bond1", peer_link));
        assert_eq!(answers, [text, "ok"]);
    }
}

/// And as soon as there is one, what was set of the LAG is put back.
#[test]
fn a_port_is_taken_as_soon_as_no_vlan_interface_is_in_the_way() {
    let mut bench = Bench::new(with_vlans(&[("bond1", "bond1.10")]));
    let _ = bench.ask(&pair("bond1", "peer"));
    let system_mac = |bench: &Bench| {
        bench.dataplane.ports[&port("bond1")]
            .lacp
            .unwrap()
            .system_mac
    };
    let of_vlan = bench.dataplane.interfaces[&port("bond1")].clone();
    for (is, expected) in [
        (interface("bond1"), Some(SYSTEM)),
        (of_vlan, None),
        (interface("bond1"), Some(SYSTEM)),
    ] {
        bench.see_interface("bond1", Some(is));
        let _ = bench.settle();
        assert_eq!(system_mac(&bench), expected);
    }
    assert!(bench.dataplane.held.contains(&port("bond1")));
}
