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
        networks: interface("vlan1").networks,
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

/// Networks of the interface, the neighbour, what is answered.
#[test]
fn a_neighbour_is_a_host_of_a_network_that_its_interface_is_in() {
    let waits = "Waiting: waiting for vlan1 to have an address in the network of ";
    let refused = " is no address of one host on vlan1";
    let v4: &[&str] = &["192.0.2.99/24"];
    let v6: &[&str] = &["2001:db8::1/64", "fe80::1/64"];
    let rows: [(&[&str], &str, String); 14] = [
        (v4, "192.0.2.1", "ok".to_owned()),
        (v4, "192.0.3.1", format!("{waits}192.0.3.1")),
        (v4, "192.0.2.0", format!("Refused: 192.0.2.0{refused}")),
        (v4, "192.0.2.255", format!("Refused: 192.0.2.255{refused}")),
        (&["192.0.2.2/31"], "192.0.2.3", "ok".to_owned()),
        (&["192.0.2.2/31"], "192.0.2.2", "ok".to_owned()),
        (&["192.0.2.2/32"], "192.0.2.3", format!("{waits}192.0.2.3")),
        (
            &["192.0.2.2/24", "192.0.0.2/16"],
            "192.0.2.255",
            "ok".to_owned(),
        ),
        (v4, "2001:db8::2", format!("{waits}2001:db8::2")),
        (v6, "2001:db8::2", "ok".to_owned()),
        (v6, "fe80::2", "ok".to_owned()),
        (v6, "2001:db8::", format!("Refused: 2001:db8::{refused}")),
        (v6, "2001:db8::ffff:ffff:ffff:ffff", "ok".to_owned()),
        (&[], "192.0.2.1", format!("{waits}192.0.2.1")),
    ];
    for (networks, address, answer) in rows {
        let mut bench = Bench::running();
        let networks = networks.iter().map(|text| text.parse().unwrap());
        let is = InterfaceActual {
            networks: networks.collect(),
            ..interface("vlan1")
        };
        bench.see_interface("vlan1", Some(is));
        let Op::Neighbour { key, want } = neighbour_op(1, false) else {
            unreachable!()
        };
        let address = address.parse().unwrap();
        let key = NeighbourKey { address, ..key };
        let (actions, answers) = bench.ask(&[Op::Neighbour { key, want }]);
        assert_eq!(answers, [answer.as_str()]);
        assert_eq!(actions.len(), usize::from(answer == "ok"), "{actions:?}");
    }
}

/// Input: the interface gets its address after the neighbour was asked for. Output: it is installed then.
#[test]
fn a_neighbour_waits_for_the_address_of_its_interface() {
    let mut bench = Bench::running();
    let bare = InterfaceActual {
        networks: Vec::new(),
        ..interface("vlan1")
    };
    bench.see_interface("vlan1", Some(bare));
    assert_eq!(bench.ask(&[neighbour_op(1, false)]).0, []);
    bench.see_interface("vlan1", Some(interface("vlan1")));
    bench.reconciler.retry();
    assert_eq!(bench.settle().0, [install_neighbour(1, false)]);
}

/// Input: an interface that has an address and a neighbour of the pair's may have none any more, by the settings or
/// because it is a port of another bridge now. Output: both are taken back, once; what it may have again it gets again.
#[test]
fn what_was_given_goes_with_the_leave_to_have_it() {
    let by_settings = |routed: &str| Limits {
        routed: [port(routed)].into(),
        ..Limits::default()
    };
    let in_other_bridge = InterfaceActual {
        mac: Some(SYSTEM),
        in_other_bridge: true,
        ..plain()
    };
    let settle = |bench: &mut Bench| {
        bench.reconciler.retry();
        bench.settle().0
    };
    for is_moved in [false, true] {
        let mut bench = Bench::running();
        add(&mut bench, "bond8", plain(), true);
        let (_, answers) = bench.ask(&[interface_op("bond8", SYSTEM), neighbour_on("bond8")]);
        assert_eq!(answers, ["ok"; 2]);
        match is_moved {
            false => bench.reconciler.limit(by_settings("bond9")),
            true => bench.see_interface("bond8", Some(in_other_bridge.clone())),
        }
        let (interface, Op::Neighbour { key, .. }) = (port("bond8"), neighbour_on("bond8")) else {
            unreachable!()
        };
        let back = [
            Action::SetInterfaceMac {
                interface,
                mac: OWN,
            },
            Action::NeighbourDelete { key },
        ];
        assert_eq!(settle(&mut bench), back, "moved: {is_moved}");
        assert_eq!(settle(&mut bench), [], "moved: {is_moved}");
        match is_moved {
            false => bench.reconciler.limit(by_settings("bond8")),
            true => bench.see_interface("bond8", Some(plain())),
        }
        let actions = settle(&mut bench);
        assert_eq!(actions.len(), 2, "moved: {is_moved}: {actions:?}");
    }
}

/// Input: a LAG of no bridge by which everything goes that no other route is for. Output: it gets no other MAC, no
/// neighbours and no LACP system id, and is not held, until the settings name it or the route is gone. What it had before
/// the route came goes, but for a hold.
#[test]
fn a_lag_with_the_default_route_is_left_alone_unless_it_is_named() {
    let uplink = || InterfaceActual {
        default_route: Some(port("bond8")),
        ..plain()
    };
    let text = "Refused: bond8 has a default route, and is not among `routed` in the configuration of mclagsyncd";
    let ops = [
        interface_op("bond8", SYSTEM),
        neighbour_on("bond8"),
        port_op("bond8", Isolation::Off, Traffic::Held),
    ];
    let mut bench = Bench::running();
    add(&mut bench, "bond8", uplink(), true);
    let (actions, answers) = bench.ask(&ops);
    assert_eq!(answers, [text; 3]);
    assert_eq!(actions, []);
    bench.reconciler.limit(Limits {
        routed: [port("bond8")].into(),
        ..Limits::default()
    });
    bench.reconciler.retry();
    let does = |actions: &[Action]| {
        let is = |test: fn(&Action) -> bool| actions.iter().any(test);
        [
            is(|action| matches!(action, Action::SetInterfaceMac { .. })),
            is(|action| matches!(action, Action::NeighbourInstall { .. })),
            is(|action| matches!(action, Action::Hold { .. })),
        ]
    };
    let (actions, _) = bench.settle();
    assert_eq!(does(&actions), [true; 3], "{actions:?}");

    let mut bench = Bench::running();
    add(&mut bench, "bond8", plain(), true);
    assert_eq!(does(&bench.ask(&ops).0), [true; 3]);
    let with_mac = InterfaceActual {
        mac: Some(SYSTEM),
        ..uplink()
    };
    bench.see_interface("bond8", Some(with_mac));
    bench.reconciler.retry();
    let (actions, _) = bench.settle();
    let is_back = |action: &Action| matches!(action, Action::SetInterfaceMac { mac: OWN, .. });
    assert!(actions.iter().any(is_back), "{actions:?}");
    let is_gone = |action: &Action| matches!(action, Action::NeighbourDelete { .. });
    assert!(actions.iter().any(is_gone), "{actions:?}");
}

/// Input: a default route leads to the bridge, to its VLAN interface, to its port and to the VLAN interface of a port.
/// Output: it gets no other MAC, no neighbours and no LACP system id, and is not held, until the settings name it. What it
/// had before goes when the route comes, but for a hold.
#[test]
fn interfaces_of_the_bridge_with_the_default_route_are_left_alone_unless_they_are_named() {
    let (vlan1, bond1) = (interface("vlan1"), interface("bond1"));
    for (name, is, way_out, what) in [
        ("br0", plain(), "br0", ""),
        ("vlan1", vlan1, "vlan1", ""),
        ("bond1", bond1.clone(), "bond1", ""),
        (
            "bond1",
            bond1,
            "bond1.9",
            " over its VLAN interface bond1.9",
        ),
    ] {
        let is_port = name == "bond1";
        let mut ops = vec![interface_op(name, SYSTEM), neighbour_on(name)];
        if is_port {
            ops.push(port_op(name, Isolation::Off, Traffic::Held));
        }
        let with_route = InterfaceActual {
            default_route: Some(port(way_out)),
            ..is.clone()
        };
        let touches = |action: &Action| match action {
            Action::SetInterfaceMac { interface, .. } => *interface == port(name),
            Action::NeighbourInstall { key, .. } => key.interface == port(name),
            Action::Hold { port: held, .. } => *held == port(name),
            _ => false,
        };
        let touched = |actions: &[Action]| actions.iter().filter(|is| touches(is)).count();
        let mut bench = Bench::running();
        bench.see_interface(name, Some(with_route.clone()));
        let (actions, answers) = bench.ask(&ops);
        let text = format!(
            "Refused: {name} has a default route{what}, and is not among `routed` in the configuration of mclagsyncd"
        );
        assert!(answers.iter().all(|answer| *answer == text), "{answers:?}");
        assert_eq!(touched(&actions), 0, "{name}: {actions:?}");
        bench.reconciler.limit(Limits {
            routed: [port(name)].into(),
            ..Limits::default()
        });
        bench.reconciler.retry();
        let (actions, _) = bench.settle();
        assert_eq!(touched(&actions), ops.len(), "{name}: {actions:?}");

        let mut bench = Bench::running();
        bench.see_interface(name, Some(is));
        let (actions, _) = bench.ask(&ops);
        assert_eq!(touched(&actions), ops.len(), "{name}: {actions:?}");
        let mac = Some(SYSTEM);
        bench.see_interface(name, Some(InterfaceActual { mac, ..with_route }));
        bench.reconciler.retry();
        let (actions, _) = bench.settle();
        let is_back = |action: &Action| matches!(action, Action::SetInterfaceMac { mac: OWN, .. });
        let is_gone = |action: &Action| matches!(action, Action::NeighbourDelete { .. });
        let back = [is_back, is_gone].map(|is| actions.iter().any(is));
        assert_eq!(back, [true, true], "{name}: {actions:?}");
    }
}

/// Input: a default route comes that leads to a port which is held. Output: it stays held with its LACP system id, as both
/// chassis believe it is, also if the client says so again; once it was let pass, it is not held again.
#[test]
fn a_port_that_is_held_stays_so_when_a_default_route_comes() {
    let mut bench = Bench::running();
    let ask = |bench: &mut Bench, traffic| bench.ask(&[port_op("bond1", Isolation::Off, traffic)]);
    assert_eq!(ask(&mut bench, Traffic::Held).1, ["ok"]);
    let with_route = InterfaceActual {
        default_route: Some(port("bond1")),
        ..interface("bond1")
    };
    bench.see_interface("bond1", Some(with_route));
    bench.reconciler.retry();
    assert_eq!(bench.settle().0, []);
    let again = ask(&mut bench, Traffic::Held);
    assert_eq!(again, (Vec::new(), vec!["ok".to_owned()]));

    let text = "Refused: bond1 has a default route, and is not among `routed` in the configuration of mclagsyncd";
    let (actions, answers) = ask(&mut bench, Traffic::Pass);
    let bond1 = port("bond1");
    assert!(
        actions.contains(&Action::Unhold { port: bond1 }),
        "{actions:?}"
    );
    assert_eq!(answers, [text]);
    let (actions, answers) = ask(&mut bench, Traffic::Held);
    let is_hold = |action: &Action| matches!(action, Action::Hold { .. });
    assert!(!actions.iter().any(is_hold), "{actions:?}");
    assert_eq!(answers, [text]);
}
