//! Ports of a bridge that snoops.

use super::*;
use crate::dataplane::McastSnooping;

fn snooping(snooping: McastSnooping) -> Actual {
    Actual {
        snooping,
        ..fresh()
    }
}

/// Ports by what is set of them.
fn routers(actual: &Actual) -> BTreeMap<&str, Option<McastRouter>> {
    let ports = actual.ports.iter();
    let router = |port: &PortActual| port.bridge_port.and_then(|port| port.mcast_router);
    ports
        .map(|(name, port)| (name.as_str(), router(port)))
        .collect()
}

const LEARNED: Option<McastRouter> = Some(McastRouter::Learned);
const PERMANENT: Option<McastRouter> = Some(McastRouter::Permanent);

fn pair() -> [Op; 4] {
    [
        Op::SnapshotBegin(Section::Ports),
        domain(),
        port_op("bond1", Isolation::On, Traffic::Pass),
        Op::SnapshotEnd(Section::Ports),
    ]
}

#[test]
fn peer_link_and_mlag_ports_get_all_multicast_where_the_bridge_snoops() {
    for (is, wanted) in [
        (McastSnooping::Off, LEARNED),
        (McastSnooping::On, PERMANENT),
        (McastSnooping::PerVlan, LEARNED),
    ] {
        let mut bench = Bench::new(snooping(is));
        let (_, answers) = bench.ask(&pair());
        assert_eq!(answers, ["ok"; 4]);
        let expected = [
            ("bond1", wanted),
            ("bond2", LEARNED),
            ("peer", wanted),
            ("swp1", LEARNED),
        ];
        assert_eq!(routers(&bench.dataplane), expected.into(), "{is:?}");
    }
}

#[test]
fn a_port_that_is_no_longer_of_the_pair_gets_what_it_got_before() {
    let mut actual = snooping(McastSnooping::On);
    let bond1 = actual.ports.get_mut(&port("bond1")).unwrap();
    bond1.bridge_port.as_mut().unwrap().mcast_router = Some(McastRouter::Disabled);
    let before = actual.clone();
    let mut bench = Bench::new(actual);
    let _ = bench.ask(&pair());
    assert_eq!(routers(&bench.dataplane)["bond1"], PERMANENT);

    // Another process, and another peer link.
    let text = serde_json::to_string(bench.reconciler.originals()).unwrap();
    bench.reconciler = Reconciler::new(serde_json::from_str(&text).unwrap());
    bench.reconciler.adopt(bench.dataplane.clone());
    let mut other = pair();
    other[1] = Op::Domain(DomainWant {
        bridge: port("br0"),
        peer_link: Some(port("swp1")),
        peer_link_learning: false,
    });
    let _ = bench.ask(&other[..3]);
    assert_eq!(routers(&bench.dataplane)["peer"], PERMANENT);
    let _ = bench.ask(&other[3..]);
    let routers = routers(&bench.dataplane);
    assert_eq!([routers["peer"], routers["swp1"]], [LEARNED, PERMANENT]);

    bench.reconciler.want_nothing();
    let _ = bench.settle();
    let _ = bench.hosts_leave();
    assert_eq!(bench.dataplane, before);
    assert!(bench.reconciler.originals().is_empty());
}

/// The picture is taken anew then.
#[test]
fn what_is_set_follows_the_snooping_of_the_bridge() {
    let mut bench = Bench::new(snooping(McastSnooping::On));
    let _ = bench.ask(&pair());
    for (is, wanted) in [
        (McastSnooping::Off, LEARNED),
        (McastSnooping::On, PERMANENT),
    ] {
        bench.dataplane.snooping = is;
        let _ = bench.observe(&BackendEvent::Resync { why: "test" });
        let _ = bench.settle();
        let routers = routers(&bench.dataplane);
        assert_eq!([routers["peer"], routers["bond1"]], [wanted; 2], "{is:?}");
    }
}

#[test]
fn a_kernel_that_cannot_snoop_is_asked_for_nothing() {
    let mut actual = snooping(McastSnooping::On);
    for port in actual.ports.values_mut() {
        port.bridge_port.as_mut().unwrap().mcast_router = None;
    }
    let mut bench = Bench::new(actual);
    let (actions, _) = bench.ask(&pair());
    let sets = |action: &Action| matches!(action, Action::SetMcastRouter { .. });
    assert!(!actions.iter().any(sets), "{actions:?}");
}
