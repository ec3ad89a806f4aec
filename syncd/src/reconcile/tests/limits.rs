//! What a client may not have changed, whatever it asks for.

use super::*;

/// An interface that has nothing to do with the pair, and what it is as a port.
fn add(bench: &mut Bench, name: &str, is: InterfaceActual, lacp: bool) {
    bench.see_interface(name, Some(is));
    let lacp = lacp.then(Lacp::default);
    let actual = PortActual {
        bridge_port: None,
        lacp,
    };
    bench.see_port(name, lacp.map(|_| actual));
}

fn plain() -> InterfaceActual {
    InterfaceActual {
        mac: Some(OWN),
        running: true,
        ..InterfaceActual::default()
    }
}

fn neighbour_on(name: &str) -> Op {
    let Op::Neighbour { key, want } = neighbour_op(1, false) else {
        unreachable!()
    };
    let interface = port(name);
    Op::Neighbour {
        key: NeighbourKey { interface, ..key },
        want,
    }
}

/// Each kind of interface, whether it may get an address and neighbours, without `routed` and with `bond8` in it.
#[test]
fn only_interfaces_of_the_bridge_and_routed_ports_get_addresses_and_neighbours() {
    let in_other_bridge = InterfaceActual {
        in_other_bridge: true,
        ..plain()
    };
    let member = InterfaceActual {
        lag: Some(port("bond1")),
        ..plain()
    };
    let svi = interface("vlan7");
    let rows = [
        ("eth0", plain(), false, [false, false]),
        ("bond7", in_other_bridge, true, [false, false]),
        ("bond8", plain(), true, [true, true]),
        ("bond9", plain(), true, [true, false]),
        ("swp9", member, false, [false, false]),
        ("vlan7", svi, false, [true, true]),
    ];
    for (name, is, lacp, allowed) in rows {
        for (routed, allowed) in [None, Some(port("bond8"))].into_iter().zip(allowed) {
            let mut bench = Bench::running();
            bench.reconciler.limit(Limits {
                routed: routed.into_iter().collect(),
                ..Limits::default()
            });
            add(&mut bench, name, is.clone(), lacp);
            let (actions, answers) = bench.ask(&[interface_op(name, SYSTEM), neighbour_on(name)]);
            if allowed {
                assert_eq!(answers, ["ok"; 2], "{name} {routed:?}");
                assert!(actions.len() >= 2, "{name} {routed:?}: {actions:?}");
            } else {
                let text = format!(
                    "Refused: {name} is no interface of the bridge, and not among `routed` in the configuration \
                     of mclagsyncd"
                );
                assert_eq!(answers, [text.as_str(); 2], "{name} {routed:?}");
                assert_eq!(actions, [], "{name} {routed:?}");
            }
        }
    }
}

/// Input: a bond in another bridge is named as an MLAG port. Output: it keeps its carrier and its system id.
#[test]
fn a_port_of_another_bridge_is_neither_held_nor_given_a_system_id() {
    let mut bench = Bench::running();
    let is = InterfaceActual {
        in_other_bridge: true,
        ..plain()
    };
    add(&mut bench, "bond9", is, true);
    let (actions, answers) = bench.ask(&[port_op("bond9", Isolation::On, Traffic::Held)]);
    assert_eq!(answers, ["Refused: bond9 is a port of another bridge"]);
    let touches = |action: &&Action| !matches!(action, Action::Isolate { .. });
    assert_eq!(actions.iter().find(touches), None);
    bench.see_interface("bond9", Some(plain()));
    bench.see_port("bond9", Some(bridge_port()));
    let (actions, _) = bench.settle();
    let bond9 = port("bond9");
    let is_hold = |action: &Action| matches!(action, Action::Hold { port, .. } if *port == bond9);
    assert!(actions.iter().any(is_hold), "{actions:?}");
}
