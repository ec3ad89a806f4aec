use std::collections::BTreeSet;

use mclag_proto::sync::model::*;
use mclag_proto::{IfName, Mac, Vid};
use proptest::prelude::*;

use super::*;
use crate::dataplane::{
    BridgePort, Filter, InterfaceActual, Lacp, McastRouter, McastSnooping, NeighbourActual,
    NeighbourKind, PortActual, SpanningTree,
};

mod bounds;
mod crossing;
mod limits;
mod listing;
mod multicast;
mod order;
mod restart;
mod results;
mod vlan_ports;

const SYSTEM: Mac = Mac([0x02, 0, 0x5e, 0, 0, 1]);

fn port(text: &str) -> IfName {
    IfName::new(text).unwrap()
}

fn key(last: u8) -> FdbKey {
    FdbKey {
        vid: Vid::DEFAULT,
        mac: Mac([2, 0, 0, 0, 0, last]),
    }
}

fn bridge_port() -> PortActual {
    PortActual {
        bridge_port: Some(BridgePort {
            learning: true,
            backup: None,
            mcast_router: Some(McastRouter::Learned),
        }),
        lacp: Some(Lacp::default()),
    }
}

/// A bridge with the peer link, two bonds and an orphan port, fresh from boot.
fn fresh() -> Actual {
    let ports = ["peer", "bond1", "bond2", "swp1"].map(|name| (port(name), bridge_port()));
    let interfaces = ["vlan1", "bond1", "bond2"].map(|name| (port(name), interface(name)));
    Actual {
        bridge: Some(port("br0")),
        ports: ports.into_iter().collect(),
        interfaces: interfaces.into_iter().collect(),
        ..Actual::default()
    }
}

const OWN: Mac = Mac([0x02, 0, 0x5e, 0, 0, 0xff]);

/// `vlan1` is the interface of VLAN 1 of the bridge.
fn interface(name: &str) -> InterfaceActual {
    InterfaceActual {
        mac: Some(OWN),
        running: true,
        svi: name.starts_with("vlan").then_some(Vid::DEFAULT),
        networks: vec!["192.0.2.99/24".parse().unwrap()],
        ..InterfaceActual::default()
    }
}

fn interface_op(name: &str, mac: Mac) -> Op {
    Op::Interface {
        name: port(name),
        want: InterfaceWant { mac },
    }
}

fn neighbour_key(last: u8) -> NeighbourKey {
    NeighbourKey {
        interface: port("vlan1"),
        address: std::net::Ipv4Addr::new(192, 0, 2, last).into(),
    }
}

fn neighbour_op(last: u8, permanent: bool) -> Op {
    Op::Neighbour {
        key: neighbour_key(last),
        want: NeighbourWant {
            mac: key(last).mac,
            permanent,
        },
    }
}

fn neighbour(mac: Option<Mac>, kind: NeighbourKind) -> NeighbourActual {
    NeighbourActual { mac, kind }
}

fn install_neighbour(last: u8, permanent: bool) -> Action {
    Action::NeighbourInstall {
        key: neighbour_key(last),
        mac: key(last).mac,
        permanent,
    }
}

fn domain() -> Op {
    Op::Domain(DomainWant {
        bridge: port("br0"),
        peer_link: Some(port("peer")),
        peer_link_learning: false,
    })
}

fn want(isolation: Isolation, traffic: Traffic) -> PortWant {
    PortWant {
        isolation,
        traffic,
        redirect: true,
        system_mac: Some(SYSTEM),
    }
}

fn port_op(name: &str, isolation: Isolation, traffic: Traffic) -> Op {
    Op::Port {
        port: port(name),
        want: want(isolation, traffic),
    }
}

fn fdb_op(last: u8, name: &str) -> Op {
    Op::Fdb {
        key: key(last),
        want: FdbWant {
            port: port(name),
            kind: FdbKind::Tracked,
        },
    }
}

fn release_op(last: u8, forget: bool) -> Op {
    Op::FdbRelease {
        key: key(last),
        forget,
    }
}

fn entry(name: &str, kind: EntryKind) -> FdbEntry {
    FdbEntry {
        port: port(name),
        kind,
    }
}

fn ours(name: &str, active: bool) -> FdbEntry {
    entry(
        name,
        EntryKind::Ours {
            active,
            sticky: false,
        },
    )
}

fn install(last: u8, name: &str, active: bool) -> Action {
    Action::FdbInstall {
        key: key(last),
        port: port(name),
        active,
        sticky: false,
    }
}

/// A reconciler and the dataplane it works on.
struct Bench {
    reconciler: Reconciler,
    dataplane: Actual,
    /// Actions that the dataplane refuses.
    refused: Vec<Action>,
}

impl Bench {
    fn new(dataplane: Actual) -> Self {
        let mut reconciler = Reconciler::new(Originals::default());
        reconciler.adopt(dataplane.clone());
        Self {
            reconciler,
            dataplane,
            refused: Vec::new(),
        }
    }

    /// A bench on which the pair is set up and both bonds pass.
    fn running() -> Self {
        let mut bench = Self::new(fresh());
        let _ = bench.ask(&[
            domain(),
            port_op("bond1", Isolation::On, Traffic::Pass),
            port_op("bond2", Isolation::Off, Traffic::Pass),
        ]);
        bench
    }

    fn settle(&mut self) -> (Vec<Action>, Vec<Result<(), OpError>>) {
        if self.reconciler.needs_snapshot().is_some() {
            self.reconciler.adopt(self.dataplane.clone());
        }
        let actions = self.reconciler.plan();
        let mut results = Vec::new();
        for action in &actions {
            if self.refused.contains(action) {
                results.push(Err(OpError::refused(format!(
                    "{}: device or resource busy",
                    action.subject()
                ))));
            } else {
                self.dataplane.apply(action);
                results.push(Ok(()));
            }
        }
        let answers = self.reconciler.conclude(&actions, &results);
        (actions, answers)
    }

    /// The hosts have had their time to leave the ports.
    fn hosts_leave(&mut self) -> Vec<Action> {
        self.reconciler.hosts_have_left();
        self.settle().0
    }

    /// Carry operations out; answers the actions and one text per operation.
    fn ask(&mut self, ops: &[Op]) -> (Vec<Action>, Vec<String>) {
        self.reconciler.accept(ops);
        let (actions, results) = self.settle();
        assert_eq!(results.len(), ops.len());
        let answers = results.into_iter().map(|result| match result {
            Ok(()) => "ok".to_owned(),
            Err(error) => format!("{:?}: {}", error.code, error.text),
        });
        (actions, answers.collect())
    }

    fn observe(&mut self, event: &BackendEvent) -> Option<Event> {
        match event {
            BackendEvent::Fdb { key, entry } => match entry {
                Some(entry) => self.dataplane.fdb.insert(*key, *entry).map(drop),
                None => self.dataplane.fdb.remove(key).map(drop),
            },
            BackendEvent::Port { port, actual } => match actual {
                Some(actual) => self.dataplane.ports.insert(*port, *actual).map(drop),
                None => self.dataplane.ports.remove(port).map(drop),
            },
            BackendEvent::Interface { interface, actual } => {
                let interfaces = &mut self.dataplane.interfaces;
                match actual {
                    Some(actual) => interfaces.insert(*interface, actual.clone()).map(drop),
                    None => interfaces.remove(interface).map(drop),
                }
            }
            BackendEvent::Neighbour { key, entry } => match entry {
                Some(entry) => self.dataplane.neighbours.insert(*key, *entry).map(drop),
                None => self.dataplane.neighbours.remove(key).map(drop),
            },
            BackendEvent::Table { .. }
            | BackendEvent::Renamed { .. }
            | BackendEvent::Filter { .. }
            | BackendEvent::Resync { .. } => None,
        };
        self.reconciler.observe(event)
    }

    fn see(&mut self, last: u8, entry: Option<FdbEntry>) -> Option<Observation> {
        let event = BackendEvent::Fdb {
            key: key(last),
            entry,
        };
        self.observe(&event).map(|event| match event {
            Event::Fdb { observation, .. } => observation,
            other => panic!("{other:?}"),
        })
    }

    /// A host is learned on a port, which is news.
    fn learn(&mut self, last: u8, name: &str) {
        let learned = entry(name, EntryKind::Dynamic);
        assert!(self.see(last, Some(learned)).is_some());
    }

    fn see_neighbour(&mut self, last: u8, entry: Option<NeighbourActual>) {
        let key = neighbour_key(last);
        let answers = self.observe(&BackendEvent::Neighbour { key, entry });
        assert_eq!(answers, None);
    }

    fn see_interface(&mut self, name: &str, actual: Option<InterfaceActual>) {
        let event = BackendEvent::Interface {
            interface: port(name),
            actual,
        };
        assert_eq!(self.observe(&event), None);
    }

    fn see_port(&mut self, name: &str, actual: Option<PortActual>) {
        let event = BackendEvent::Port {
            port: port(name),
            actual,
        };
        assert_eq!(self.observe(&event), None);
    }
}

/// Input: a domain with two ports, one isolated and held, one of which nothing is known yet.
/// Output: filter, isolation and hold first; learning off; redirect and system id.
#[test]
fn a_fresh_dataplane_is_protected_before_anything_else() {
    let mut bench = Bench::new(fresh());
    let (actions, answers) = bench.ask(&[
        domain(),
        port_op("bond1", Isolation::On, Traffic::Held),
        port_op("bond2", Isolation::Keep, Traffic::Keep),
    ]);
    assert_eq!(answers, ["ok", "ok", "ok"]);
    let peer = port("peer");
    let [bond1, bond2] = ["bond1", "bond2"].map(port);
    let set_mac = |port| Action::SetSystemMac {
        port,
        mac: Some(SYSTEM),
    };
    let set_backup = |port| Action::SetBackup { port, backup: peer };
    assert_eq!(
        actions,
        [
            Action::EnsureFilter {
                peer_link: Some(peer)
            },
            Action::Isolate { port: bond1 },
            Action::Isolate { port: bond2 },
            Action::Hold {
                port: bond1,
                keeps_carrier: false,
            },
            Action::SetLearning {
                port: peer,
                learning: false
            },
            set_backup(bond1),
            set_backup(bond2),
            set_mac(bond1),
            set_mac(bond2),
        ]
    );
}

#[test]
fn a_port_passes_before_its_isolation_is_lifted() {
    let mut bench = Bench::new(fresh());
    let _ = bench.ask(&[domain(), port_op("bond1", Isolation::On, Traffic::Held)]);
    let (actions, _) = bench.ask(&[port_op("bond1", Isolation::Off, Traffic::Pass)]);
    let bond1 = port("bond1");
    assert_eq!(
        actions,
        [
            Action::Unhold { port: bond1 },
            Action::Release { port: bond1 }
        ]
    );
}

#[test]
fn keep_leaves_what_an_earlier_run_decided() {
    let mut actual = fresh();
    actual.filter = Some(Filter {
        peer_link: Some(port("peer")),
        isolated: [port("bond1")].into(),
    });
    actual.held = [port("bond2")].into();
    let before = actual.clone();
    let mut bench = Bench::new(actual);
    let _ = bench.ask(&[
        Op::SnapshotBegin(Section::Ports),
        domain(),
        port_op("bond1", Isolation::Keep, Traffic::Keep),
        port_op("bond2", Isolation::Keep, Traffic::Keep),
        Op::SnapshotEnd(Section::Ports),
    ]);
    assert_eq!(bench.dataplane.filter, before.filter);
    assert_eq!(bench.dataplane.held, before.held);
}

#[test]
fn keep_isolates_a_port_that_comes_new_to_a_running_pair() {
    let mut bench = Bench::running();
    let _ = bench.ask(&[
        Op::SnapshotBegin(Section::Ports),
        domain(),
        port_op("bond1", Isolation::Keep, Traffic::Keep),
        Op::SnapshotEnd(Section::Ports),
        port_op("bond3", Isolation::Keep, Traffic::Keep),
    ]);
    assert!(bench.dataplane.is_isolated(&port("bond3")));
}

#[test]
fn keep_after_a_decision_keeps_the_decision() {
    let mut bench = Bench::running();
    let (actions, _) = bench.ask(&[
        port_op("bond1", Isolation::Keep, Traffic::Keep),
        port_op("bond2", Isolation::Keep, Traffic::Keep),
    ]);
    assert_eq!(actions, []);
}

#[test]
fn a_filter_that_somebody_removed_is_installed_again_with_all_it_isolated() {
    let mut bench = Bench::running();
    bench.dataplane.filter = None;
    let _ = bench.observe(&BackendEvent::Resync { why: "test" });
    let (actions, _) = bench.settle();
    assert_eq!(
        actions,
        [
            Action::EnsureFilter {
                peer_link: Some(port("peer"))
            },
            Action::Isolate {
                port: port("bond1")
            },
        ]
    );
}

#[test]
fn keep_isolates_when_the_filter_it_kept_is_gone() {
    let mut actual = fresh();
    actual.filter = Some(Filter {
        peer_link: Some(port("peer")),
        isolated: BTreeSet::new(),
    });
    let mut bench = Bench::new(actual);
    let _ = bench.ask(&[domain(), port_op("bond1", Isolation::Keep, Traffic::Keep)]);
    assert!(!bench.dataplane.is_isolated(&port("bond1")));
    bench.dataplane.filter = None;
    let _ = bench.observe(&BackendEvent::Resync { why: "test" });
    let _ = bench.settle();
    assert!(bench.dataplane.is_isolated(&port("bond1")));
}

/// Input: a port that does not exist. Output: it waits, but is isolated and held already, so that
/// its first frame finds the filter; the rest is done when it appears.
#[test]
fn a_port_that_does_not_exist_waits_behind_its_filter() {
    let mut bench = Bench::new(fresh());
    let (_, answers) = bench.ask(&[
        domain(),
        port_op("bond9", Isolation::On, Traffic::Held),
        fdb_op(1, "bond9"),
    ]);
    assert_eq!(
        answers,
        [
            "ok",
            "Waiting: waiting for interface bond9",
            "Waiting: waiting for interface bond9"
        ]
    );
    assert!(bench.dataplane.is_isolated(&port("bond9")));
    assert!(bench.dataplane.held.contains(&port("bond9")));
    assert!(!bench.reconciler.is_unfinished());

    bench.see_port("bond9", Some(bridge_port()));
    let (actions, _) = bench.settle();
    assert_eq!(
        actions,
        [
            Action::SetBackup {
                port: port("bond9"),
                backup: port("peer")
            },
            Action::SetSystemMac {
                port: port("bond9"),
                mac: Some(SYSTEM)
            },
            install(1, "bond9", false),
        ]
    );
}

#[test]
fn a_port_that_was_recreated_gets_everything_again() {
    let mut bench = Bench::running();
    let _ = bench.ask(&[fdb_op(1, "bond1")]);
    bench.see_port("bond1", None);
    assert_eq!(bench.see(1, None), None);
    let _ = bench.settle();
    bench.see_port("bond1", Some(bridge_port()));
    let (actions, _) = bench.settle();
    assert_eq!(actions.len(), 3, "{actions:?}");
    assert_eq!(bench.dataplane.fdb[&key(1)], ours("bond1", false));
}

/// Input: a held port; the bridge begins to run spanning tree, when the port has no carrier for its hold. Output: it is held
/// anew, with its carrier, and once; so is one that is held from then on.
#[test]
fn on_a_bridge_with_spanning_tree_a_held_port_has_its_carrier() {
    let hold = |name, keeps_carrier| Action::Hold {
        port: port(name),
        keeps_carrier,
    };
    let held = |name| port_op(name, Isolation::On, Traffic::Held);
    let mut bench = Bench::new(fresh());
    let (actions, _) = bench.ask(&[domain(), held("bond1")]);
    assert!(actions.contains(&hold("bond1", false)), "{actions:?}");

    bench.dataplane.spanning_tree = Some(SpanningTree {
        held_without_carrier: [port("bond1")].into(),
    });
    let _ = bench.observe(&BackendEvent::Resync { why: "test" });
    assert_eq!(bench.settle().0, [hold("bond1", true)]);
    let _ = bench.observe(&BackendEvent::Resync { why: "test" });
    assert_eq!(bench.settle().0, []);
    let (actions, _) = bench.ask(&[held("bond2")]);
    assert!(actions.contains(&hold("bond2", true)), "{actions:?}");

    // What is routed does not pass the filter of the bridge.
    let routed = PortActual {
        bridge_port: None,
        ..bridge_port()
    };
    bench.see_port("bond7", Some(routed));
    let (actions, _) = bench.ask(&[held("bond7")]);
    assert!(actions.contains(&hold("bond7", false)), "{actions:?}");
    let _ = bench.observe(&BackendEvent::Resync { why: "test" });
    assert_eq!(bench.settle().0, []);
    // It needs its carrier when it joins the bridge, or is seen to have joined it, as after another name.
    bench.see_port("bond7", Some(bridge_port()));
    let (actions, _) = bench.settle();
    assert!(actions.contains(&hold("bond7", true)), "{actions:?}");

    bench.dataplane.spanning_tree = None;
    let _ = bench.observe(&BackendEvent::Resync { why: "test" });
    assert_eq!(bench.settle().0, []);
}

#[test]
fn nothing_is_undone_before_the_end_of_a_snapshot_and_everything_at_its_end() {
    let mut actual = fresh();
    actual.filter = Some(Filter {
        peer_link: Some(port("peer")),
        isolated: [port("bond1"), port("bond2")].into(),
    });
    actual.held = [port("bond2")].into();
    actual.fdb.insert(key(1), ours("bond1", true));
    actual.fdb.insert(key(2), ours("peer", false));
    actual.fdb.insert(key(3), ours("bond1", false));
    let mut bench = Bench::new(actual);
    let (actions, _) = bench.ask(&[
        Op::SnapshotBegin(Section::Ports),
        Op::SnapshotBegin(Section::Fdb),
        domain(),
        Op::Port {
            port: port("bond1"),
            want: PortWant {
                redirect: false,
                system_mac: None,
                ..want(Isolation::On, Traffic::Pass)
            },
        },
        fdb_op(3, "bond1"),
    ]);
    let peer = port("peer");
    let learning_off = Action::SetLearning {
        port: peer,
        learning: false,
    };
    assert_eq!(actions, [learning_off]);
    let (actions, _) = bench.ask(&[
        Op::SnapshotEnd(Section::Ports),
        Op::SnapshotEnd(Section::Fdb),
    ]);
    let bond2 = port("bond2");
    assert_eq!(
        actions,
        [
            Action::FdbMakeDynamic {
                key: key(1),
                port: port("bond1")
            },
            Action::FdbDelete {
                key: key(2),
                port: peer
            },
            Action::Unhold { port: bond2 },
            Action::Release { port: bond2 },
        ]
    );
}

#[test]
fn a_snapshot_that_the_client_did_not_finish_undoes_nothing() {
    let mut bench = Bench::running();
    let _ = bench.ask(&[fdb_op(1, "bond1")]);
    let before = bench.dataplane.clone();
    let _ = bench.ask(&[
        Op::SnapshotBegin(Section::Ports),
        Op::SnapshotBegin(Section::Fdb),
    ]);
    bench.reconciler.client_gone();
    let (_, answers) = bench.ask(&[
        Op::SnapshotEnd(Section::Ports),
        Op::SnapshotEnd(Section::Fdb),
    ]);
    assert_eq!(
        answers,
        ["Refused: end of a snapshot that did not begin"; 2]
    );
    assert_eq!(bench.dataplane, before);
}

#[test]
fn an_empty_snapshot_restores_what_was_before() {
    let mut actual = fresh();
    let bond1 = actual.ports.get_mut(&port("bond1")).unwrap();
    bond1.lacp = Some(Lacp {
        system_mac: Some(Mac([0x0a, 0, 0, 0, 0, 1])),
    });
    bond1.bridge_port.as_mut().unwrap().backup = Some(port("swp1"));
    let before = actual.clone();
    let mut bench = Bench::new(actual);
    let _ = bench.ask(&[domain(), port_op("bond1", Isolation::On, Traffic::Held)]);
    assert_ne!(bench.dataplane, before);
    assert!(!bench.reconciler.originals().is_empty());
    let _ = bench.ask(&[
        Op::SnapshotBegin(Section::Ports),
        Op::SnapshotEnd(Section::Ports),
    ]);
    let _ = bench.hosts_leave();
    assert_eq!(bench.dataplane, before);
    assert!(bench.reconciler.originals().is_empty());
}

/// Input: nothing is wanted any more of a port that is isolated and shows the id of the pair; something happens meanwhile.
/// Output: its own id at once, and nothing passes; the port carries data and isolation is lifted when hosts have had the time
/// to leave, and not before. A host that was there is not sought there any more, and is learned on the peer link.
#[test]
fn isolation_stays_until_hosts_have_left_the_ports() {
    let mut bench = Bench::running();
    bench.see(1, Some(ours("bond1", true)));
    bench.reconciler.want_nothing();
    let (actions, _) = bench.settle();
    assert!(!bench.dataplane.fdb.contains_key(&key(1)), "{actions:?}");
    assert!(bench.dataplane.bridge_port(&port("peer")).unwrap().learning);
    let own = Action::SetSystemMac {
        port: port("bond1"),
        mac: None,
    };
    assert!(actions.contains(&own), "{actions:?}");
    assert!(bench.reconciler.is_departing());
    bench.reconciler.retry();
    let stays = |bench: &Bench| {
        assert!(bench.dataplane.is_isolated(&port("bond1")));
        assert!(bench.dataplane.held.contains(&port("bond1")));
    };
    stays(&bench);
    bench.see_interface("bond1", Some(interface("bond1")));
    let _ = bench.settle();
    stays(&bench);
    let actions = bench.hosts_leave();
    assert!(actions.contains(&Action::RemoveFilter), "{actions:?}");
    assert_eq!(bench.dataplane.filter, None);
    assert!(bench.dataplane.held.is_empty());
    assert!(!bench.reconciler.may_retry());
}

/// Input: a client comes while hosts leave, and wants the ports as before. Output: isolation was never lifted, nor is it later.
#[test]
fn a_port_that_is_wanted_again_while_hosts_leave_stays_isolated() {
    let mut bench = Bench::running();
    bench.reconciler.want_nothing();
    let _ = bench.settle();
    let wanted = [domain(), port_op("bond1", Isolation::On, Traffic::Pass)];
    let (actions, _) = bench.ask(&wanted);
    let is_opened = |actions: &[Action]| {
        let opens = |action: &Action| {
            matches!(action, Action::Release { port: of } if *of == port("bond1"))
                || *action == Action::RemoveFilter
        };
        actions.iter().any(opens)
    };
    assert!(!is_opened(&actions) && !is_opened(&bench.hosts_leave()));
    assert!(bench.dataplane.is_isolated(&port("bond1")));
    assert!(!bench.reconciler.is_departing());
}

/// Nobody's leaving is waited for where no host is told to leave.
#[test]
fn ports_without_lacp_are_released_at_once() {
    let mut actual = fresh();
    for port in actual.ports.values_mut() {
        port.lacp = None;
    }
    let mut bench = Bench::new(actual.clone());
    let _ = bench.ask(&[domain(), port_op("bond1", Isolation::On, Traffic::Pass)]);
    assert!(bench.dataplane.is_isolated(&port("bond1")));
    bench.reconciler.want_nothing();
    let _ = bench.settle();
    assert_eq!(bench.dataplane, actual);
}

/// Nobody is there to move it when the host speaks elsewhere, and it would age for minutes.
#[test]
fn an_entry_on_a_port_without_carrier_is_removed_and_not_left_to_age() {
    for (running, expected) in [
        (
            true,
            Action::FdbMakeDynamic {
                key: key(1),
                port: port("bond1"),
            },
        ),
        (
            false,
            Action::FdbDelete {
                key: key(1),
                port: port("bond1"),
            },
        ),
    ] {
        let mut bench = Bench::running();
        let _ = bench.ask(&[fdb_op(1, "bond1")]);
        bench.see(1, Some(ours("bond1", true)));
        let bond1 = InterfaceActual {
            running,
            ..interface("bond1")
        };
        bench.see_interface("bond1", Some(bond1));
        let (actions, _) = bench.ask(&[Op::FdbRelease {
            key: key(1),
            forget: false,
        }]);
        assert!(actions.contains(&expected), "{actions:?}");
    }
}

/// Input: a host that was heard through the peer link, and that the other chassis no longer has there. Output: frames for it
/// are flooded, for it may be behind a port of both, to which nothing passes from the peer link.
#[test]
fn what_was_heard_through_the_peer_link_is_not_left_to_age_there() {
    let mut bench = Bench::running();
    let _ = bench.ask(&[fdb_op(1, "peer")]);
    bench.see(1, Some(ours("peer", true)));
    let release = Op::FdbRelease {
        key: key(1),
        forget: false,
    };
    let (actions, _) = bench.ask(&[release]);
    let (key, port) = (key(1), port("peer"));
    assert_eq!(actions, [Action::FdbDelete { key, port }]);
}

/// Of an earlier run, that a late event names.
#[test]
fn while_nothing_is_wanted_what_shows_up_of_ours_is_given_up() {
    let mut bench = Bench::new(fresh());
    bench.reconciler.want_nothing();
    let _ = bench.settle();
    bench.see(1, Some(ours("bond1", true)));
    let ours = neighbour(Some(key(1).mac), NeighbourKind::Ours { permanent: false });
    bench.see_neighbour(1, Some(ours));
    bench.reconciler.retry();
    let (actions, _) = bench.settle();
    let expected = [
        Action::FdbMakeDynamic {
            key: key(1),
            port: port("bond1"),
        },
        Action::NeighbourDelete {
            key: neighbour_key(1),
        },
    ];
    assert_eq!(actions.len(), expected.len(), "{actions:?}");
    assert!(
        expected.iter().all(|action| actions.contains(action)),
        "{actions:?}"
    );
}

/// It is a setting of this chassis, not a wish of the client.
#[test]
fn ports_are_held_with_carrier_also_after_a_time_when_nothing_was_wanted() {
    let mut bench = Bench::new(fresh());
    bench.reconciler.hold_with_carrier(true);
    bench.reconciler.want_nothing();
    let _ = bench.settle();
    let held = port_op("bond1", Isolation::On, Traffic::Held);
    let (actions, _) = bench.ask(&[domain(), held]);
    let hold = Action::Hold {
        port: port("bond1"),
        keeps_carrier: true,
    };
    assert!(actions.contains(&hold), "{actions:?}");
}

#[test]
fn originals_survive_a_restart_and_a_round_trip_through_text() {
    let mut bench = Bench::running();
    let text = serde_json::to_string(bench.reconciler.originals()).unwrap();
    let originals: Originals = serde_json::from_str(&text).unwrap();
    assert_eq!(&originals, bench.reconciler.originals());
    bench.reconciler = Reconciler::new(originals);
    bench.reconciler.adopt(bench.dataplane.clone());
    bench.reconciler.want_nothing();
    let _ = bench.settle();
    let _ = bench.hosts_leave();
    assert_eq!(bench.dataplane, fresh());
}

#[test]
fn a_port_released_by_name_is_undone_at_once() {
    let mut bench = Bench::running();
    let _ = bench.ask(&[Op::PortRelease {
        port: port("bond1"),
    }]);
    assert!(!bench.dataplane.is_isolated(&port("bond1")));
    assert_eq!(bench.dataplane.ports[&port("bond1")], bridge_port());
    assert_ne!(bench.dataplane.ports[&port("bond2")], bridge_port());
}

#[test]
fn the_peer_link_cannot_be_an_mlag_port() {
    let mut bench = Bench::new(fresh());
    let (actions, answers) = bench.ask(&[domain(), port_op("peer", Isolation::On, Traffic::Held)]);
    assert_eq!(answers[1], "Refused: peer is the peer link");
    assert!(!actions.iter().any(|a| matches!(a, Action::Hold { .. })));
    assert!(!bench.dataplane.is_isolated(&port("peer")));
}

/// Input: a routed port with another address is renamed. What it is as a port is reported before what it is as an
/// interface.
#[test]
fn the_address_that_a_port_had_goes_with_it_under_another_name() {
    let mut bench = Bench::running();
    let routed = PortActual {
        bridge_port: None,
        lacp: Some(Lacp {
            system_mac: Some(OWN),
        }),
    };
    bench.see_port("bond8", Some(routed));
    bench.see_interface("bond8", Some(interface("bond8")));
    let (actions, _) = bench.ask(&[interface_op("bond8", key(9).mac)]);
    assert_eq!(actions.len(), 1, "{actions:?}");
    let is = InterfaceActual {
        mac: Some(key(9).mac),
        ..interface("bond8")
    };
    bench.see_interface("bond8", Some(is.clone()));
    let (from, to) = (port("bond8"), port("bond9"));
    let before = bench.reconciler.originals().of(&from).mac;
    assert_eq!(before, Original::Was(OWN));
    assert_eq!(bench.observe(&BackendEvent::Renamed { from, to }), None);
    bench.see_port("bond8", None);
    bench.see_interface("bond8", None);
    bench.see_port("bond9", Some(routed));
    bench.see_interface("bond9", Some(is));
    assert_eq!(bench.reconciler.originals().of(&to).mac, before);
}

/// Input: a port that does not keep its name under another one, and gets its own back. Output: under its other name it is no
/// port of the pair and shows what it did before; the id of the pair is never taken for the operator's.
#[test]
fn what_a_port_was_before_goes_with_it_under_another_name() {
    let mut bench = Bench::new(fresh());
    let _ = bench.ask(&[
        Op::SnapshotBegin(Section::Ports),
        domain(),
        port_op("bond1", Isolation::On, Traffic::Pass),
        Op::SnapshotEnd(Section::Ports),
    ]);
    let id = |bench: &Bench, name| {
        let lacp = bench.dataplane.ports[&port(name)].lacp;
        lacp.unwrap().system_mac
    };
    for (from, to, shown) in [("bond1", "other", None), ("other", "bond1", Some(SYSTEM))] {
        let actual = bench.dataplane.ports.get(&port(from)).copied();
        let renamed = BackendEvent::Renamed {
            from: port(from),
            to: port(to),
        };
        let _ = bench.observe(&renamed);
        bench.see_port(from, None);
        bench.see_port(to, actual);
        let _ = bench.settle();
        assert_eq!(id(&bench, to), shown);
    }
    let _ = bench.ask(&[Op::PortRelease {
        port: port("bond1"),
    }]);
    assert_eq!(id(&bench, "bond1"), None);
    let left = bench.reconciler.originals().of(&port("bond1"));
    assert_eq!(left, PortOriginals::default());
}

/// A run after which the reconciler knows only what was stored, and a bond that became this while nobody watched.
fn restarted_with(bond: (&str, u32, Option<Mac>)) -> Bench {
    let mut actual = fresh();
    let numbered = |index| InterfaceActual {
        index: Some(index),
        ..interface("bond1")
    };
    actual.interfaces.insert(port("bond1"), numbered(7));
    let mut bench = Bench::new(actual);
    let wanted = [
        Op::SnapshotBegin(Section::Ports),
        domain(),
        port_op("bond1", Isolation::On, Traffic::Pass),
        Op::SnapshotEnd(Section::Ports),
    ];
    let _ = bench.ask(&wanted);
    let stored = serde_json::to_string(bench.reconciler.originals()).unwrap();
    let (name, index, system_mac) = bond;
    let mut is = bench.dataplane.ports.remove(&port("bond1")).unwrap();
    is.lacp = Some(Lacp { system_mac });
    bench.dataplane.ports.insert(port(name), is);
    bench.dataplane.interfaces.remove(&port("bond1"));
    let interfaces = &mut bench.dataplane.interfaces;
    interfaces.insert(port(name), numbered(index));
    bench.reconciler = Reconciler::new(serde_json::from_str(&stored).unwrap());
    bench.reconciler.adopt(bench.dataplane.clone());
    let _ = bench.ask(&wanted);
    bench
}

/// Input: a port of the pair that is renamed while this process does not run, and does not keep its name, as where another one
/// has it. Output: it shows its own id again, for it is no port of the pair any more, and two chassis that show one id send a
/// host its own frames back.
#[test]
fn a_port_that_was_renamed_while_nobody_watched_gets_back_what_it_was_before() {
    let bench = restarted_with(("other", 7, Some(SYSTEM)));
    let other = bench.dataplane.ports[&port("other")];
    assert_eq!(other.lacp, Some(Lacp { system_mac: None }));
    assert_eq!(other.bridge_port.unwrap().backup, None);
}

/// Input: a port of the pair that is deleted and made anew, with an id of its operator's, while this process does not
/// run. Output: what it gets back is that id, not the one of the interface that is gone.
#[test]
fn a_port_that_was_made_anew_while_nobody_watched_gets_back_what_the_new_one_was() {
    let given = Mac([2, 0, 0, 0, 0, 9]);
    let mut bench = restarted_with(("bond1", 8, Some(given)));
    let name = port("bond1");
    let lacp = |bench: &Bench| bench.dataplane.ports[&name].lacp.unwrap();
    assert_eq!(lacp(&bench).system_mac, Some(SYSTEM));
    let _ = bench.ask(&[Op::PortRelease { port: name }]);
    assert_eq!(lacp(&bench).system_mac, Some(given));
}

/// What is stored would grow with each port that there ever was.
#[test]
fn of_a_port_that_is_as_it_was_before_nothing_is_remembered() {
    let mut bench = restarted_with(("bond1", 7, Some(SYSTEM)));
    let name = port("bond1");
    let index = |bench: &Bench| bench.reconciler.originals().of(&name).index;
    assert_eq!(index(&bench), Some(7));
    let _ = bench.ask(&[Op::PortRelease { port: name }]);
    let left = bench.reconciler.originals().of(&name);
    assert_eq!(left, PortOriginals::default());
}

/// A static bond or a plain interface is isolated and held like any other port.
#[test]
fn a_port_without_lacp_needs_no_system_id_and_gets_the_rest() {
    let mut actual = fresh();
    actual.ports.get_mut(&port("bond1")).unwrap().lacp = None;
    let mut bench = Bench::new(actual);
    let (actions, answers) = bench.ask(&[domain(), port_op("bond1", Isolation::On, Traffic::Held)]);
    assert_eq!(answers, ["ok", "ok"]);
    let sets_id = |action: &Action| matches!(action, Action::SetSystemMac { .. });
    assert!(!actions.iter().any(sets_id), "{actions:?}");
    let bond1 = port("bond1");
    assert!(bench.dataplane.is_isolated(&bond1));
    assert!(bench.dataplane.held.contains(&bond1));
    assert!(
        bench.dataplane.ports[&bond1]
            .bridge_port
            .unwrap()
            .backup
            .is_some()
    );
    assert!(!bench.reconciler.is_unfinished());
}

#[test]
fn a_peer_link_that_was_replaced_gets_its_learning_back() {
    let mut bench = Bench::running();
    let _ = bench.ask(&[Op::Domain(DomainWant {
        bridge: port("br0"),
        peer_link: Some(port("swp1")),
        peer_link_learning: false,
    })]);
    let learns = |name| bench.dataplane.bridge_port(&port(name)).unwrap().learning;
    assert!(learns("peer"));
    assert!(!learns("swp1"));
    let filter = bench.dataplane.filter.as_ref().unwrap();
    assert_eq!(filter.peer_link, Some(port("swp1")));
    assert_eq!(filter.isolated, BTreeSet::from([port("bond1")]));
}

#[test]
fn a_refusal_is_told_and_tried_again() {
    let mut bench = Bench::new(fresh());
    let isolate = Action::Isolate {
        port: port("bond1"),
    };
    bench.refused = vec![isolate.clone(), install(1, "bond1", false)];
    let (_, answers) = bench.ask(&[
        domain(),
        port_op("bond1", Isolation::On, Traffic::Pass),
        fdb_op(1, "bond1"),
    ]);
    assert_eq!(
        answers,
        [
            "ok",
            "Refused: bond1: device or resource busy",
            "Refused: 02:00:00:00:00:01 vlan 1: device or resource busy"
        ]
    );
    assert!(bench.reconciler.is_unfinished());
    bench.refused.clear();
    bench.reconciler.retry();
    let (actions, _) = bench.settle();
    assert_eq!(actions, [isolate, install(1, "bond1", false)]);
    assert!(!bench.reconciler.is_unfinished());
}

#[test]
fn the_end_of_a_snapshot_answers_for_what_it_took_out() {
    let mut actual = fresh();
    actual.fdb.insert(key(1), ours("peer", false));
    let mut bench = Bench::new(actual);
    bench.refused = vec![Action::FdbDelete {
        key: key(1),
        port: port("peer"),
    }];
    let (_, answers) = bench.ask(&[
        domain(),
        Op::SnapshotBegin(Section::Fdb),
        Op::SnapshotEnd(Section::Fdb),
    ]);
    assert_eq!(
        answers,
        [
            "ok",
            "ok",
            "Refused: 02:00:00:00:00:01 vlan 1: device or resource busy"
        ]
    );
    bench.refused.clear();
    bench.reconciler.retry();
    let _ = bench.settle();
    assert_eq!(bench.dataplane.fdb.len(), 0);
}

#[test]
fn a_missing_bridge_is_waited_for_behind_the_filter() {
    let mut bench = Bench::new(Actual::default());
    bench
        .reconciler
        .accept(&[domain(), port_op("bond1", Isolation::On, Traffic::Pass)]);
    assert_eq!(bench.reconciler.needs_snapshot(), Some(Some(port("br0"))));
    bench.reconciler.bridge_lost();
    let actions = bench.reconciler.plan();
    let results = vec![Ok(()); actions.len()];
    let answers = bench.reconciler.conclude(&actions, &results);
    let answers: Vec<String> = answers.into_iter().map(|r| r.unwrap_err().text).collect();
    assert_eq!(
        answers,
        ["waiting for interface br0", "waiting for interface bond1"]
    );
    assert_eq!(
        actions,
        [
            Action::EnsureFilter {
                peer_link: Some(port("peer"))
            },
            Action::Isolate {
                port: port("bond1")
            }
        ]
    );
    assert!(bench.reconciler.is_unfinished());
}

/// `(entry before, operation) => action`; the same operation again changes nothing.
#[test]
fn table_of_entries() {
    use EntryKind::{Configured, Dynamic, Local};
    let delete = |name| Action::FdbDelete {
        key: key(1),
        port: port(name),
    };
    let dynamic = |name| Action::FdbMakeDynamic {
        key: key(1),
        port: port(name),
    };
    let to_bond = fdb_op(1, "bond1");
    let release = release_op(1, false);
    let forget = release_op(1, true);
    let cases: Vec<(Option<FdbEntry>, &Op, Option<Action>)> = vec![
        (None, &to_bond, Some(install(1, "bond1", false))),
        (
            Some(entry("bond1", Dynamic)),
            &to_bond,
            Some(install(1, "bond1", true)),
        ),
        (
            Some(entry("swp1", Dynamic)),
            &to_bond,
            Some(install(1, "bond1", false)),
        ),
        (Some(ours("bond1", true)), &to_bond, None),
        (Some(ours("bond1", false)), &to_bond, None),
        (
            Some(ours("peer", true)),
            &to_bond,
            Some(install(1, "bond1", false)),
        ),
        (Some(entry("bond1", Configured)), &to_bond, None),
        (Some(entry("swp1", Configured)), &to_bond, None),
        (Some(entry("bond1", Local)), &to_bond, None),
        (None, &release, None),
        (Some(ours("bond1", false)), &release, Some(delete("bond1"))),
        (Some(ours("bond1", true)), &release, Some(dynamic("bond1"))),
        (Some(ours("gone0", true)), &release, Some(delete("gone0"))),
        (Some(entry("swp1", Dynamic)), &release, None),
        (Some(entry("swp1", Configured)), &release, None),
        (Some(entry("swp1", Local)), &release, None),
        (None, &forget, None),
        (Some(ours("bond1", false)), &forget, Some(delete("bond1"))),
        (Some(ours("bond1", true)), &forget, Some(delete("bond1"))),
        (Some(entry("swp1", Dynamic)), &forget, Some(delete("swp1"))),
        (Some(entry("swp1", Configured)), &forget, None),
        (Some(entry("swp1", Local)), &forget, None),
    ];
    for (before, op, action) in cases {
        let mut actual = fresh();
        actual.fdb.extend(before.map(|entry| (key(1), entry)));
        let mut bench = Bench::new(actual);
        let _ = bench.ask(&[domain()]);
        let (actions, _) = bench.ask(std::slice::from_ref(op));
        assert_eq!(
            actions,
            action.into_iter().collect::<Vec<_>>(),
            "{before:?} + {op:?}"
        );
        let (actions, _) = bench.ask(std::slice::from_ref(op));
        assert_eq!(actions, [], "{before:?} + {op:?} twice");
    }
}

#[test]
fn an_entry_of_the_operator_is_refused_by_name() {
    let mut actual = fresh();
    actual
        .fdb
        .insert(key(1), entry("swp1", EntryKind::Configured));
    let mut bench = Bench::new(actual);
    let (_, answers) = bench.ask(&[domain(), fdb_op(1, "bond1")]);
    assert_eq!(
        answers[1],
        "Refused: 02:00:00:00:00:01 vlan 1 is configured on swp1"
    );
}

#[test]
fn a_group_address_is_no_host() {
    let mut bench = Bench::running();
    let op = Op::Fdb {
        key: FdbKey {
            vid: Vid::DEFAULT,
            mac: Mac([1, 0, 0x5e, 0, 0, 1]),
        },
        want: FdbWant {
            port: port("bond1"),
            kind: FdbKind::Tracked,
        },
    };
    let (actions, answers) = bench.ask(&[op]);
    assert_eq!(actions, []);
    assert_eq!(
        answers,
        ["Refused: 01:00:5e:00:00:01 vlan 1: not a unicast MAC"]
    );
}

#[test]
fn a_host_that_moved_meanwhile_is_not_moved_back_unless_asked() {
    let mut bench = Bench::running();
    let _ = bench.ask(&[fdb_op(1, "bond1")]);
    let observation = bench.see(1, Some(ours("swp1", true)));
    assert_eq!(
        observation,
        Some(Observation::Active { port: port("swp1") })
    );
    bench.reconciler.retry();
    assert_eq!(bench.settle().0, []);
    bench.reconciler.adopt(bench.dataplane.clone());
    assert_eq!(bench.settle().0, []);
    let (actions, _) = bench.ask(&[fdb_op(1, "bond1")]);
    assert_eq!(actions, [install(1, "bond1", false)]);
}

/// Input: an entry that has to wait for its port, or that the kernel refuses; then the host is seen elsewhere, which the
/// client is told. Output: it stays there, until the client asks for something again.
#[test]
fn a_host_that_is_seen_elsewhere_is_not_moved_by_what_waits_since_before() {
    for waits_for_port in [true, false] {
        let mut bench = Bench::running();
        let on = if waits_for_port { "bond9" } else { "bond1" };
        bench.refused = vec![install(1, "bond1", false)];
        let (_, answers) = bench.ask(&[fdb_op(1, on)]);
        assert_ne!(answers, ["ok"]);
        let seen = EntryKind::Dynamic;
        let entry = FdbEntry {
            port: port("swp1"),
            kind: seen,
        };
        assert!(bench.see(1, Some(entry)).is_some());
        bench.refused.clear();
        bench.see_port("bond9", Some(bridge_port()));
        bench.reconciler.retry();
        assert_eq!(bench.settle().0, [], "{on}");
        let (actions, _) = bench.ask(&[fdb_op(1, on)]);
        assert_eq!(actions, [install(1, on, false)]);
    }
}

/// Input: a host was seen on one port, and the client, who knows of that, asks for another one that is not there yet.
/// Output: it is installed there when the port comes.
#[test]
fn what_waits_for_its_port_counts_more_than_what_was_seen_before() {
    let mut bench = Bench::running();
    let entry = FdbEntry {
        port: port("swp1"),
        kind: EntryKind::Dynamic,
    };
    assert!(bench.see(1, Some(entry)).is_some());
    let (_, answers) = bench.ask(&[fdb_op(1, "bond9")]);
    assert_ne!(answers, ["ok"]);
    bench.see_port("bond9", Some(bridge_port()));
    assert_eq!(bench.settle().0, [install(1, "bond9", false)]);
    assert_eq!(bench.settle().0, []);
}

/// Input: the dataplane has a host on one port, and cannot do what the client, who knows of that, asks for: the port is not
/// there, or it is refused. Output: a table of what is seen that is sent meanwhile does not say that the host is there; a
/// client that is new is told.
#[test]
fn where_the_client_knows_that_a_host_is_no_longer_is_no_news_to_it() {
    for on in ["bond9", "bond1"] {
        let mut bench = Bench::running();
        bench.refused = vec![install(1, "bond1", false)];
        bench.learn(1, "swp1");
        assert_eq!(bench.reconciler.observations().count(), 1);
        let (_, answers) = bench.ask(&[fdb_op(1, on)]);
        assert_ne!(answers, ["ok"]);
        assert_eq!(bench.reconciler.observations().count(), 0, "{on}");
        bench.reconciler.adopt(bench.dataplane.clone());
        let _ = bench.settle();
        assert_eq!(
            bench.reconciler.observations().count(),
            0,
            "{on}, read anew"
        );
        bench.reconciler.client_gone();
        bench.reconciler.retry();
        let _ = bench.settle();
        assert_eq!(
            bench.reconciler.observations().count(),
            1,
            "{on}, another client"
        );
    }
}

/// Input: as before; then the client is given up, and nothing is wanted any more. Output: a table that is sent then says
/// where the dataplane has the host.
#[test]
fn where_a_host_is_that_nobody_wants_elsewhere_any_more_is_news() {
    for on in ["bond9", "bond1"] {
        let mut bench = Bench::running();
        bench.refused = vec![install(1, "bond1", false)];
        bench.learn(1, "swp1");
        let _ = bench.ask(&[fdb_op(1, on)]);
        assert_eq!(bench.reconciler.observations().count(), 0, "{on}");
        bench.reconciler.want_nothing();
        let _ = bench.settle();
        assert_eq!(bench.reconciler.observations().count(), 1, "{on}");
    }
}

/// Input: the dataplane has learned a host where the client asks for it, having asked for another place in between, and does
/// it at last. Output: the client hears that the host was seen there.
#[test]
fn where_the_dataplane_has_a_host_after_all_is_news_when_it_is_done() {
    let mut bench = Bench::running();
    bench.refused = vec![install(1, "peer", false), install(1, "bond1", true)];
    bench.learn(1, "bond1");
    for on in ["peer", "bond1"] {
        let (_, answers) = bench.ask(&[fdb_op(1, on)]);
        assert_ne!(answers, ["ok"]);
    }
    bench.refused.clear();
    bench.reconciler.retry();
    assert_eq!(bench.settle().0, [install(1, "bond1", true)]);
    let active = Event::Fdb {
        key: key(1),
        observation: Observation::Active {
            port: port("bond1"),
        },
    };
    assert_eq!(bench.reconciler.take_ended(), [active]);
}

/// Input: the client asks for a place that is not there yet, and then for one that never will be. Output: what stands where
/// the host is counts again.
#[test]
fn what_can_never_be_done_hides_nothing() {
    let mut bench = Bench::running();
    let entry = entry("swp1", EntryKind::Configured);
    assert!(bench.see(1, Some(entry)).is_some());
    for (on, seen) in [("bond9", 0), ("peer", 1)] {
        let (_, answers) = bench.ask(&[fdb_op(1, on)]);
        assert_ne!(answers, ["ok"]);
        assert_eq!(bench.reconciler.observations().count(), seen, "{on}");
    }
}

/// Input: the client goes while more waits than is done at once. Output: nothing of it moves a host that the dataplane has
/// elsewhere.
#[test]
fn what_a_client_that_is_gone_asked_for_moves_nobody() {
    let mut bench = Bench::running();
    bench.learn(1, "swp1");
    bench.reconciler.accept(&[fdb_op(1, "bond1")]);
    bench.reconciler.client_gone();
    assert_eq!(bench.settle().0, []);
}

/// Input: the client asks for another place and for the one where the dataplane has the host, before anything was done.
/// Output: the same.
#[test]
fn where_the_dataplane_has_a_host_is_news_to_a_client_that_changed_its_mind() {
    let active = Event::Fdb {
        key: key(1),
        observation: Observation::Active {
            port: port("bond1"),
        },
    };
    for is_installed in [false, true] {
        let mut bench = Bench::running();
        if is_installed {
            let _ = bench.ask(&[fdb_op(1, "bond1")]);
            assert!(bench.see(1, Some(ours("bond1", true))).is_some());
        } else {
            bench.learn(1, "bond1");
        }
        let (actions, _) = bench.ask(&[fdb_op(1, "bond1")]);
        assert_eq!(actions.is_empty(), is_installed);
        assert_eq!(bench.reconciler.take_ended(), []);
        let (actions, _) = bench.ask(&[fdb_op(1, "peer"), fdb_op(1, "bond1")]);
        assert_eq!(actions, []);
        assert_eq!(
            bench.reconciler.take_ended().as_slice(),
            std::slice::from_ref(&active)
        );
    }
}

/// Input: the client asks for a place that is refused, and gives that up, by itself or in a table without it. Output: what
/// the dataplane had before is not in force again.
#[test]
fn what_is_given_up_before_it_was_done_leaves_nothing_older_behind() {
    let ops = [
        Op::SnapshotBegin(Section::Fdb),
        Op::SnapshotEnd(Section::Fdb),
    ];
    let mut bench = Bench::running();
    bench.refused = vec![install(1, "bond1", false)];
    bench.learn(1, "swp1");
    let _ = bench.ask(&[fdb_op(1, "bond1")]);
    let delete = Action::FdbDelete {
        key: key(1),
        port: port("swp1"),
    };
    assert_eq!(bench.ask(&ops).0, [delete]);
    let mut bench = Bench::running();
    bench.refused = vec![install(1, "bond1", false)];
    bench.learn(1, "swp1");
    let (_, answers) = bench.ask(&[fdb_op(1, "bond1")]);
    assert_ne!(answers, ["ok"]);
    let release = Op::FdbRelease {
        key: key(1),
        forget: false,
    };
    let delete = Action::FdbDelete {
        key: key(1),
        port: port("swp1"),
    };
    assert_eq!(bench.ask(std::slice::from_ref(&release)).0, [delete]);
    // The dataplane is right where the host was seen since.
    assert_eq!(bench.reconciler.take_ended().len(), 1);
    bench.learn(1, "swp1");
    assert_eq!(bench.ask(&[release]).0, []);
}

#[test]
fn an_entry_that_somebody_removed_is_installed_again_but_not_at_once() {
    let mut bench = Bench::running();
    let _ = bench.ask(&[fdb_op(1, "bond1")]);
    assert_eq!(bench.see(1, None), None);
    assert_eq!(bench.settle().0, []);
    assert!(bench.reconciler.is_unfinished());
    bench.reconciler.retry();
    assert_eq!(bench.settle().0, [install(1, "bond1", false)]);
}

/// `(before, after) => what the client is answers`.
#[test]
fn table_of_observations() {
    use EntryKind::{Configured, Dynamic, Local};
    let learned = |name, configured| Observation::Learned {
        port: port(name),
        configured,
    };
    let moved = Observation::Moved { port: port("swp1") };
    let active = Observation::Active { port: port("swp1") };
    let at = |kind| Some(entry("swp1", kind));
    let (on, off) = (Some(ours("swp1", true)), Some(ours("swp1", false)));
    let cases = [
        (None, at(Dynamic), Some(learned("swp1", false))),
        (None, at(Configured), Some(learned("swp1", true))),
        (None, at(Local), None),
        (None, off, None),
        (None, on, Some(active)),
        (off, on, Some(active)),
        (on, off, Some(Observation::Inactive)),
        (at(Dynamic), on, None),
        (on, at(Dynamic), None),
        (at(Dynamic), None, Some(Observation::Aged)),
        (on, None, Some(Observation::Aged)),
        (off, None, None),
        (Some(entry("bond1", Dynamic)), at(Dynamic), Some(moved)),
        (Some(ours("bond1", true)), on, Some(moved)),
        (Some(ours("bond1", false)), on, Some(active)),
        (Some(ours("bond1", true)), off, Some(Observation::Inactive)),
        // An operator writes his over what is there, moves it, and takes it back.
        (at(Dynamic), at(Configured), Some(learned("swp1", true))),
        (on, at(Configured), Some(learned("swp1", true))),
        (off, at(Configured), Some(learned("swp1", true))),
        (
            Some(entry("bond1", Dynamic)),
            at(Configured),
            Some(learned("swp1", true)),
        ),
        (
            Some(entry("bond1", Configured)),
            at(Configured),
            Some(learned("swp1", true)),
        ),
        (at(Configured), at(Configured), None),
        (at(Configured), at(Dynamic), Some(learned("swp1", false))),
        (at(Configured), on, Some(active)),
        (at(Configured), off, Some(Observation::Inactive)),
        (at(Configured), None, Some(Observation::Aged)),
    ];
    for (before, after, observation) in cases {
        let mut actual = fresh();
        actual.fdb.extend(before.map(|entry| (key(1), entry)));
        let mut bench = Bench::new(actual);
        assert_eq!(bench.see(1, after), observation, "{before:?} => {after:?}");
    }
}

#[test]
fn a_batch_costs_what_it_changes_and_not_what_the_table_holds() {
    let mut bench = Bench::running();
    for last in 0..200 {
        let _ = bench.ask(&[fdb_op(last, "bond1")]);
    }
    bench.reconciler.accept(&[fdb_op(201, "bond1")]);
    assert_eq!(bench.reconciler.pending.len(), 1);
    assert!(!bench.reconciler.ports_changed);
}

const PORTS: [&str; 5] = ["peer", "bond1", "bond2", "swp1", "bond9"];

fn any_port() -> impl Strategy<Value = &'static str> {
    proptest::sample::select(&PORTS[..])
}

fn any_op() -> impl Strategy<Value = Op> {
    let isolation = prop_oneof![
        Just(Isolation::Keep),
        Just(Isolation::On),
        Just(Isolation::Off)
    ];
    let traffic = prop_oneof![
        Just(Traffic::Keep),
        Just(Traffic::Pass),
        Just(Traffic::Held)
    ];
    let section = prop_oneof![
        2 => Just(Section::Ports),
        2 => Just(Section::Fdb),
        1 => Just(Section::Pair),
        1 => Just(Section::Interfaces),
        1 => Just(Section::Neighbours),
    ];
    let kind = prop_oneof![
        4 => Just(FdbKind::Tracked),
        1 => Just(FdbKind::Static),
        1 => Just(FdbKind::Ageing),
    ];
    let name = || proptest::sample::select(&["vlan1", "bond1", "swp1"][..]);
    let identities = prop_oneof![
        3 => (name(), 0..3_u8).prop_map(|(name, last)| interface_op(name, key(last).mac)),
        1 => name().prop_map(|name| Op::InterfaceRelease { name: port(name) }),
        3 => (0..4_u8, any::<bool>()).prop_map(|(last, permanent)| neighbour_op(last, permanent)),
        1 => (0..4_u8).prop_map(|last| Op::NeighbourRelease { key: neighbour_key(last) }),
        1 => (any_port(), any::<bool>()).prop_map(|(name, learning)| Op::Learning {
            port: port(name),
            learning,
        }),
        1 => proptest::option::of(any_port()).prop_map(|name| Op::Flush { port: name.map(port) }),
    ];
    prop_oneof![
        1 => section.clone().prop_map(Op::SnapshotBegin),
        1 => section.prop_map(Op::SnapshotEnd),
        1 => (any_port(), any::<bool>()).prop_map(|(name, peer_link_learning)| {
            Op::Domain(DomainWant {
                bridge: port("br0"),
                peer_link: (name != "bond9").then(|| port(name)),
                peer_link_learning,
            })
        }),
        4 => (any_port(), isolation, traffic, any::<bool>(), any::<bool>()).prop_map(
            |(name, isolation, traffic, redirect, mac)| Op::Port {
                port: port(name),
                want: PortWant {
                    isolation,
                    traffic,
                    redirect,
                    system_mac: mac.then_some(SYSTEM),
                },
            }
        ),
        1 => any_port().prop_map(|name| Op::PortRelease { port: port(name) }),
        6 => (0..6_u8, any_port(), kind).prop_map(|(last, name, kind)| Op::Fdb {
            key: key(last),
            want: FdbWant { port: port(name), kind },
        }),
        3 => (0..6_u8, any::<bool>()).prop_map(|(last, forget)| release_op(last, forget)),
        6 => identities,
    ]
}

fn any_neighbour() -> impl Strategy<Value = NeighbourActual> {
    let kind = prop_oneof![
        Just(NeighbourKind::Learned),
        Just(NeighbourKind::Configured),
        any::<bool>().prop_map(|permanent| NeighbourKind::Ours { permanent }),
    ];
    let mac = proptest::option::of((0..4_u8).prop_map(|last| key(last).mac));
    (mac, kind).prop_map(|(mac, kind)| neighbour(mac, kind))
}

fn any_entry() -> impl Strategy<Value = FdbEntry> {
    let kind = prop_oneof![
        3 => Just(EntryKind::Dynamic),
        1 => Just(EntryKind::Configured),
        1 => Just(EntryKind::Local),
        3 => (any::<bool>(), any::<bool>())
            .prop_map(|(active, sticky)| EntryKind::Ours { active, sticky }),
    ];
    (any_port(), kind).prop_map(|(name, kind)| entry(name, kind))
}

fn any_actual() -> impl Strategy<Value = Actual> {
    let names = || proptest::collection::btree_set(any_port().prop_map(port), 0..4);
    let filter = (proptest::option::of(any_port().prop_map(port)), names());
    let filter = filter.prop_map(|(peer_link, isolated)| Filter {
        peer_link,
        isolated,
    });
    let router = proptest::sample::select(vec![
        None,
        Some(McastRouter::Learned),
        Some(McastRouter::Permanent),
    ]);
    let as_port = (any::<bool>(), any::<bool>(), any::<bool>(), router).prop_map(
        |(learning, is_member, has_lacp, mcast_router)| PortActual {
            bridge_port: is_member.then_some(BridgePort {
                learning,
                backup: None,
                mcast_router,
            }),
            lacp: has_lacp.then(Lacp::default),
        },
    );
    let ports = proptest::collection::btree_map(any_port().prop_map(port), as_port, 0..6);
    let fdb = proptest::collection::hash_map((0..6_u8).prop_map(key), any_entry(), 0..6);
    let interfaces = proptest::collection::btree_set(0..3_usize, 0..4);
    let neighbours =
        proptest::collection::hash_map((0..4_u8).prop_map(neighbour_key), any_neighbour(), 0..4);
    let snooping = proptest::sample::select(vec![McastSnooping::Off, McastSnooping::On]);
    let spanning_tree = names().prop_map(|held_without_carrier| SpanningTree {
        held_without_carrier,
    });
    let all = (
        snooping,
        proptest::option::of(spanning_tree),
        proptest::option::of(filter),
        names(),
        ports,
        fdb,
        interfaces,
        neighbours,
    );
    all.prop_map(
        |(snooping, spanning_tree, filter, held, ports, fdb, interfaces, neighbours)| Actual {
            routed: BTreeSet::new(),
            bridge: Some(port("br0")),
            snooping,
            spanning_tree,
            filter,
            held,
            ports,
            fdb,
            interfaces: interfaces
                .into_iter()
                .map(|at| ["vlan1", "bond1", "swp1"][at])
                .map(|name| (port(name), interface(name)))
                .collect(),
            neighbours,
        },
    )
}

#[derive(Clone, Debug)]
enum Step {
    Ops(Vec<Op>),
    See(u8, Option<FdbEntry>),
    Plug(&'static str, bool),
    Neighbour(u8, Option<NeighbourActual>),
    Interface(&'static str, bool),
    Resync,
    Refuse(usize),
    Reconnect,
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => proptest::collection::vec(any_op(), 1..6).prop_map(Step::Ops),
        3 => (0..6_u8, proptest::option::of(any_entry()))
            .prop_map(|(last, entry)| Step::See(last, entry)),
        2 => (any_port(), any::<bool>()).prop_map(|(name, is_there)| Step::Plug(name, is_there)),
        2 => (0..4_u8, proptest::option::of(any_neighbour()))
            .prop_map(|(last, entry)| Step::Neighbour(last, entry)),
        1 => (proptest::sample::select(&["vlan1", "bond1"][..]), any::<bool>())
            .prop_map(|(name, is_there)| Step::Interface(name, is_there)),
        1 => Just(Step::Resync),
        1 => (0..4_usize).prop_map(Step::Refuse),
        1 => Just(Step::Reconnect),
    ]
}

/// What must hold for every plan, whatever led to it.
fn check_plan(before: &Actual, actions: &[Action]) -> Result<(), TestCaseError> {
    let ranks: Vec<u8> = actions.iter().map(Action::rank).collect();
    prop_assert!(ranks.is_sorted(), "{actions:?}");
    for action in actions {
        if let Action::LocalInstall { key, .. } = action {
            let kind = before.fdb.get(key).map(|entry| entry.kind);
            prop_assert!(kind != Some(EntryKind::Configured), "{action:?}");
        }
        if let Subject::Neighbour(key) = action.subject() {
            let kind = before.neighbours.get(&key).map(|entry| entry.kind);
            let is_foreign = kind == Some(NeighbourKind::Configured);
            prop_assert!(!is_foreign, "{action:?} touches {kind:?}");
        }
        if let Subject::Fdb(key) = action.subject() {
            let kind = before.fdb.get(&key).map(|entry| entry.kind);
            let is_released = |action: &Action| matches!(action, Action::LocalDelete { key: own, .. } if *own == key);
            let is_foreign = match kind {
                Some(EntryKind::Local) => !actions.iter().any(is_released),
                kind => kind == Some(EntryKind::Configured),
            };
            prop_assert!(!is_foreign, "{action:?} touches {kind:?}");
        }
    }
    Ok(())
}

/// More than the rest: each costs little.
fn cases() -> ProptestConfig {
    let usual = ProptestConfig::default();
    ProptestConfig {
        cases: usual.cases.max(2000),
        ..usual
    }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn a_plan_that_was_carried_out_leaves_nothing_to_plan(
        actual in any_actual(),
        steps in proptest::collection::vec(any_step(), 1..12),
    ) {
        let mut bench = Bench::new(actual);
        for step in steps {
            match step {
                Step::Ops(ops) => bench.reconciler.accept(&ops),
                Step::See(last, entry) => {
                    let _ = bench.see(last, entry);
                }
                Step::Plug(name, is_there) => {
                    let before = bench.dataplane.ports.get(&port(name)).copied();
                    let actual = is_there.then(|| before.unwrap_or_else(bridge_port));
                    bench.see_port(name, actual);
                }
                Step::Neighbour(last, entry) => bench.see_neighbour(last, entry),
                Step::Interface(name, is_there) => {
                    bench.see_interface(name, is_there.then(|| interface(name)));
                }
                Step::Resync => {
                    let _ = bench.observe(&BackendEvent::Resync { why: "test" });
                }
                Step::Refuse(nth) => {
                    let mut actions = bench.reconciler.plan();
                    bench.refused = actions.splice(nth.min(actions.len()).., []).collect();
                    let results = vec![Err(OpError::refused("busy")); actions.len()];
                    let _ = bench.reconciler.conclude(&actions, &results);
                }
                Step::Reconnect => bench.reconciler.client_gone(),
            }
            let before = bench.dataplane.clone();
            let (actions, _) = bench.settle();
            check_plan(&before, &actions)?;
            bench.refused.clear();
            // What was done was reported and read, which is no news.
            bench.reconciler.nothing_to_observe();
            bench.reconciler.nothing_to_observe();
        }
        // Whatever was refused or deferred: one retry settles it, and then nothing is left, not
        // even for a comparison of everything.
        bench.reconciler.retry();
        let _ = bench.settle();
        prop_assert_eq!(&bench.dataplane, bench.reconciler.actual());
        bench.reconciler.retry();
        bench.reconciler.adopt(bench.dataplane.clone());
        prop_assert_eq!(bench.settle().0, vec![]);
        prop_assert!(!bench.reconciler.is_unfinished());
    }

    #[test]
    fn a_batch_applied_twice_does_what_it_does_once(
        actual in any_actual(),
        first in proptest::collection::vec(any_op(), 0..8),
        ops in proptest::collection::vec(any_op(), 0..8),
    ) {
        let mut bench = Bench::new(actual);
        let _ = bench.ask(&first);
        // A snapshot cannot be ended twice; the second time there is none.
        let is_change = |op: &&Op| !matches!(op, Op::SnapshotBegin(_) | Op::SnapshotEnd(_));
        let ops: Vec<Op> = ops.iter().filter(is_change).cloned().collect();
        let _ = bench.ask(&ops);
        let once = bench.dataplane.clone();
        let (actions, _) = bench.ask(&ops);
        prop_assert_eq!(actions, vec![]);
        prop_assert_eq!(bench.dataplane, once);
    }

    #[test]
    fn wanting_nothing_leaves_nothing_of_ours(
        ops in proptest::collection::vec(any_op(), 0..20),
    ) {
        let mut bench = Bench::new(fresh());
        let _ = bench.ask(&ops);
        bench.reconciler.want_nothing();
        let _ = bench.settle();
        let _ = bench.hosts_leave();
        // Of entries only those that the dataplane owns may be left.
        bench.dataplane.fdb.retain(|_, entry| entry.kind != EntryKind::Dynamic);
        prop_assert_eq!(&bench.dataplane, &fresh());
        prop_assert!(bench.reconciler.originals().is_empty());
    }
}

/// The report that the host was learned may be under way to the client while its wish is under
/// way to us. The client would believe for ever that the host is seen here.
#[test]
fn an_observation_that_an_own_action_ends_is_told() {
    for (op, observation) in [
        (fdb_op(1, "bond1"), Observation::Inactive),
        (release_op(1, true), Observation::Aged),
    ] {
        let mut bench = Bench::running();
        let entry = Some(entry("bond2", EntryKind::Dynamic));
        let _ = bench.observe(&BackendEvent::Fdb { key: key(1), entry });
        let _ = bench.ask(std::slice::from_ref(&op));
        let answers = bench.reconciler.take_ended();
        assert_eq!(
            answers,
            [Event::Fdb {
                key: key(1),
                observation
            }],
            "{op:?}"
        );
        assert_eq!(bench.reconciler.take_ended(), [], "once");
    }
}

/// Input: an interface gets an address that was seen on a port. Output: the client hears that it is seen there no more.
#[test]
fn an_address_that_becomes_the_bridge_s_own_is_no_host_s_any_more() {
    let mut bench = Bench::running();
    let _ = bench.see(1, Some(entry("swp1", EntryKind::Dynamic)));
    let (actions, _) = bench.ask(&[interface_op("vlan1", key(1).mac)]);
    let install = Action::LocalInstall {
        interface: port("vlan1"),
        key: key(1),
    };
    assert!(actions.contains(&install), "{actions:?}");
    let ended = Event::Fdb {
        key: key(1),
        observation: Observation::Inactive,
    };
    assert_eq!(bench.reconciler.take_ended(), [ended]);
}

/// Input: an interface with addresses behind it gets another name. Output: they are behind that one; the kernel says so of
/// none of them, and neighbours are looked at again.
#[test]
fn what_is_behind_an_interface_is_behind_it_under_another_name() {
    let mut bench = Bench::running();
    let _ = bench.see(1, Some(entry("swp1", EntryKind::Dynamic)));
    let _ = bench.see(2, Some(entry("swp2", EntryKind::Dynamic)));
    let (from, to) = (port("swp1"), port("lan1"));
    let _ = bench.observe(&BackendEvent::Renamed { from, to });
    let learned = Event::Fdb {
        key: key(1),
        observation: Observation::Learned {
            port: to,
            configured: false,
        },
    };
    assert_eq!(bench.reconciler.take_ended(), [learned]);
    // The next thing that happens to it is news or none, as always.
    assert_eq!(bench.see(1, Some(entry("lan1", EntryKind::Dynamic))), None);
    // A port of the pair leaves it, and comes back before anything was done.
    let _ = bench.see(3, Some(entry("bond1", EntryKind::Dynamic)));
    let _ = bench.see(4, Some(entry("bond1", EntryKind::Configured)));
    for (from, to) in [("bond1", "lan3"), ("lan3", "bond1")] {
        let (from, to) = (port(from), port(to));
        let _ = bench.observe(&BackendEvent::Renamed { from, to });
        let observed = [(3, false), (4, true)].map(|(last, configured)| Event::Fdb {
            key: key(last),
            observation: Observation::Learned {
                port: to,
                configured,
            },
        });
        assert_eq!(bench.reconciler.take_ended(), observed);
    }
    // What happens to an address behind that is published behind it.
    let (from, to) = (port("bond1"), port("lan3"));
    let _ = bench.observe(&BackendEvent::Renamed { from, to });
    assert_eq!(bench.see(3, Some(entry("bond2", EntryKind::Dynamic))), None);
    let moved = Event::Fdb {
        key: key(3),
        observation: Observation::Moved {
            port: port("bond2"),
        },
    };
    assert_eq!(bench.reconciler.take_ended().last(), Some(&moved));

    let ours = NeighbourKind::Ours { permanent: false };
    bench.see_neighbour(1, Some(neighbour(Some(key(1).mac), ours)));
    let (from, to) = (port("vlan1"), port("lan2"));
    let _ = bench.observe(&BackendEvent::Renamed { from, to });
    assert!(bench.reconciler.needs_snapshot().is_some());
}

/// More than one plan looks at, and no forwarding entry among them.
#[test]
fn neighbours_that_wait_alone_are_something_to_do() {
    let mut actual = fresh();
    for number in 0..=MAX_AT_ONCE {
        let [.., high, low] = number.to_be_bytes();
        let key = NeighbourKey {
            interface: port("vlan1"),
            address: std::net::Ipv4Addr::new(10, 0, high, low).into(),
        };
        let ours = NeighbourKind::Ours { permanent: false };
        let entry = neighbour(Some(OWN), ours);
        actual.neighbours.insert(key, entry);
    }
    let mut bench = Bench::new(actual);
    bench.reconciler.want_nothing();
    let (actions, _) = bench.settle();
    assert_eq!(actions.len(), MAX_AT_ONCE);
    assert!(bench.reconciler.has_more());
    let (actions, _) = bench.settle();
    assert_eq!(actions.len(), 1);
    assert!(!bench.reconciler.has_more());
}

#[test]
fn an_observation_that_an_own_action_hands_over_is_not_news() {
    let mut bench = Bench::running();
    let _ = bench.ask(&[fdb_op(1, "bond1")]);
    let entry = Some(ours("bond1", true));
    let _ = bench.observe(&BackendEvent::Fdb { key: key(1), entry });
    let _ = bench.ask(&[release_op(1, false)]);
    assert_eq!(bench.reconciler.take_ended(), []);
}

/// A client that restarted may not know yet what the pair agreed on; hosts renegotiate when it
/// changes.
#[test]
fn a_port_without_a_system_id_keeps_the_one_in_use_until_it_is_released() {
    let mut bench = Bench::running();
    let unknown = PortWant {
        system_mac: None,
        ..want(Isolation::On, Traffic::Pass)
    };
    let port = port("bond1");
    let op = Op::Port {
        port,
        want: unknown,
    };
    assert_eq!(bench.ask(&[op]).0, []);
    let (actions, _) = bench.ask(&[Op::PortRelease { port }]);
    let own = Action::SetSystemMac { port, mac: None };
    assert!(actions.contains(&own), "{actions:?}");
}

/// A kernel without the filter says that it is not there. To the client, *waiting* would mean that
/// the port is isolated all the same.
#[test]
fn a_port_that_the_filter_did_not_take_is_refused_whatever_is_missing() {
    let mut reconciler = Reconciler::new(Originals::default());
    reconciler.adopt(fresh());
    reconciler.accept(&[domain(), port_op("bond1", Isolation::On, Traffic::Pass)]);
    let actions = reconciler.plan();
    let missing = OpError {
        code: OpErrorCode::Waiting,
        text: "No such file or directory".to_owned(),
    };
    let results = vec![Err(missing); actions.len()];
    let answers = reconciler.conclude(&actions, &results);
    let codes: Vec<_> = answers
        .iter()
        .map(|a| a.as_ref().unwrap_err().code)
        .collect();
    assert_eq!(codes, [OpErrorCode::Refused; 2]);
    assert!(reconciler.is_unfinished());
}

#[test]
fn an_svi_gets_its_address_and_the_bridge_receives_what_is_sent_to_it() {
    let mut bench = Bench::running();
    let (actions, answers) = bench.ask(&[interface_op("vlan1", SYSTEM)]);
    assert_eq!(answers, ["ok"]);
    let interface = port("vlan1");
    let key = FdbKey {
        vid: Vid::DEFAULT,
        mac: SYSTEM,
    };
    let mac = SYSTEM;
    let expected = [
        Action::LocalInstall { interface, key },
        Action::SetInterfaceMac { interface, mac },
    ];
    assert_eq!(actions, expected);
    let original = bench.reconciler.originals().of(&interface);
    assert_eq!(original.mac, Original::Was(OWN));
    let (actions, _) = bench.ask(&[Op::InterfaceRelease { name: interface }]);
    let mac = OWN;
    let expected = [
        Action::SetInterfaceMac { interface, mac },
        Action::LocalDelete { interface, key },
    ];
    assert_eq!(actions, expected);
    assert!(
        !bench
            .reconciler
            .originals()
            .ports()
            .any(|p| *p == interface)
    );
}

#[test]
fn another_address_of_an_svi_takes_the_place_of_the_one_before() {
    let mut bench = Bench::running();
    let _ = bench.ask(&[interface_op("vlan1", SYSTEM)]);
    let other = key(7).mac;
    let _ = bench.ask(&[interface_op("vlan1", other)]);
    let actual = bench.reconciler.actual();
    let at = |mac| FdbKey {
        vid: Vid::DEFAULT,
        mac,
    };
    assert!(actual.is_local(&at(other)) && !actual.is_local(&at(SYSTEM)));
    let original = bench.reconciler.originals().of(&port("vlan1"));
    assert_eq!(original.mac, Original::Was(OWN));
}

/// The domain of another bridge, which the settings allow from now on.
fn to_another_bridge(bench: &mut Bench) -> Op {
    bench.reconciler.limit(Limits {
        bridges: vec![port("br1")],
        ..Limits::default()
    });
    Op::Domain(DomainWant {
        bridge: port("br1"),
        peer_link: Some(port("peer")),
        peer_link_learning: false,
    })
}

/// Input: a learned address is to be forgotten, in the batch that names another bridge.
#[test]
fn what_is_asked_of_a_table_before_another_bridge_is_named_is_done_in_that_table() {
    let mut bench = Bench::running();
    let _ = bench.see(1, Some(entry("bond1", EntryKind::Dynamic)));
    let to_another = to_another_bridge(&mut bench);
    bench.reconciler.accept(&[release_op(1, true), to_another]);
    let delete = Action::FdbDelete {
        key: key(1),
        port: port("bond1"),
    };
    assert_eq!(bench.reconciler.take_leaving(), [delete]);
}

/// Once another bridge is in the picture, nobody would take it back there.
#[test]
fn an_address_of_an_svi_is_taken_from_a_bridge_that_is_left() {
    let mut bench = Bench::running();
    let _ = bench.ask(&[interface_op("vlan1", SYSTEM)]);
    assert_eq!(bench.reconciler.take_leaving(), []);
    let to_another = to_another_bridge(&mut bench);
    bench.reconciler.accept(&[to_another]);
    let interface = port("vlan1");
    let key = FdbKey {
        vid: Vid::DEFAULT,
        mac: SYSTEM,
    };
    let delete = Action::LocalDelete { interface, key };
    assert_eq!(bench.reconciler.take_leaving(), [delete]);
}

#[test]
fn a_lag_on_layer_3_gets_an_address_and_no_entry_of_the_bridge() {
    let mut bench = Bench::running();
    let (actions, _) = bench.ask(&[interface_op("bond1", SYSTEM)]);
    let interface = port("bond1");
    let mac = SYSTEM;
    assert_eq!(actions, [Action::SetInterfaceMac { interface, mac }]);
}

#[test]
fn an_interface_that_is_not_there_is_waited_for() {
    let mut bench = Bench::running();
    let (_, answers) = bench.ask(&[interface_op("vlan9", SYSTEM)]);
    assert_eq!(answers, ["Waiting: waiting for interface vlan9"]);
    bench.see_interface("vlan9", Some(interface("vlan9")));
    let (actions, _) = bench.settle();
    let mac = SYSTEM;
    let interface = port("vlan9");
    let key = FdbKey {
        vid: Vid::DEFAULT,
        mac,
    };
    let local = Action::LocalInstall { interface, key };
    assert_eq!(actions, [local, Action::SetInterfaceMac { interface, mac }]);
}

#[test]
fn a_local_entry_that_somebody_removed_is_put_back() {
    let mut bench = Bench::running();
    let _ = bench.ask(&[interface_op("vlan1", SYSTEM)]);
    let key = FdbKey {
        vid: Vid::DEFAULT,
        mac: SYSTEM,
    };
    let _ = bench.observe(&BackendEvent::Fdb { key, entry: None });
    let interface = port("vlan1");
    assert_eq!(bench.settle().0, [Action::LocalInstall { interface, key }]);
}

/// `spec/behaviour.md` 11.8: installed again on expiry while the peer still owns it.
#[test]
fn a_neighbour_that_the_kernel_drops_is_installed_again_but_not_at_once() {
    let mut bench = Bench::running();
    let (actions, answers) = bench.ask(&[neighbour_op(1, false)]);
    assert_eq!(answers, ["ok"]);
    assert_eq!(actions, [install_neighbour(1, false)]);
    let ours = NeighbourKind::Ours { permanent: false };
    for gone in [None, Some(neighbour(None, ours))] {
        bench.see_neighbour(1, gone);
        assert_eq!(bench.settle().0, [], "{gone:?}");
        bench.reconciler.retry();
        let (actions, _) = bench.settle();
        assert_eq!(actions, [install_neighbour(1, false)], "{gone:?}");
    }
}

#[test]
fn what_the_kernel_found_out_counts_more_than_an_old_wish_and_less_than_a_new_one() {
    for refused in [vec![], vec![install_neighbour(1, false)]] {
        let mut bench = Bench::running();
        bench.refused = refused;
        let _ = bench.ask(&[neighbour_op(1, false)]);
        bench.refused.clear();
        let other = neighbour(Some(key(9).mac), NeighbourKind::Learned);
        bench.see_neighbour(1, Some(other));
        bench.reconciler.retry();
        assert_eq!(bench.settle().0, []);
        let (actions, _) = bench.ask(&[neighbour_op(1, false)]);
        assert_eq!(actions, [install_neighbour(1, false)]);
    }
}

#[test]
fn only_neighbours_of_ours_are_removed() {
    for (kind, is_removed) in [
        (NeighbourKind::Learned, false),
        (NeighbourKind::Configured, false),
        (NeighbourKind::Ours { permanent: true }, true),
    ] {
        let mut bench = Bench::running();
        bench.see_neighbour(1, Some(neighbour(Some(SYSTEM), kind)));
        let key = neighbour_key(1);
        let (actions, _) = bench.ask(&[Op::NeighbourRelease { key }]);
        let expected = is_removed.then_some(Action::NeighbourDelete { key });
        assert_eq!(
            actions,
            expected.into_iter().collect::<Vec<_>>(),
            "{kind:?}"
        );
    }
}

#[test]
fn a_snapshot_of_neighbours_removes_what_an_earlier_run_left() {
    let mut actual = fresh();
    let left = neighbour(Some(SYSTEM), NeighbourKind::Ours { permanent: false });
    actual.neighbours.insert(neighbour_key(1), left);
    let mut bench = Bench::new(actual);
    assert_eq!(bench.settle().0, []);
    let (actions, _) = bench.ask(&[
        Op::SnapshotBegin(Section::Neighbours),
        neighbour_op(2, true),
        Op::SnapshotEnd(Section::Neighbours),
    ]);
    let key = neighbour_key(1);
    assert!(actions.contains(&Action::NeighbourDelete { key }));
    assert!(actions.contains(&install_neighbour(2, true)));
}

/// `spec/behaviour.md` 9.2: DYNAMIC_LOCAL ages and is from then on treated like a locally learned
/// entry, reported back through the normal path.
#[test]
fn an_ageing_entry_is_installed_once_and_reported_like_a_learned_one() {
    let mut bench = Bench::running();
    let op = Op::Fdb {
        key: key(1),
        want: FdbWant {
            port: port("bond1"),
            kind: FdbKind::Ageing,
        },
    };
    let make = Action::FdbMakeDynamic {
        key: key(1),
        port: port("bond1"),
    };
    let (actions, _) = bench.ask(std::slice::from_ref(&op));
    assert_eq!(actions, [make]);
    let observation = Observation::Learned {
        port: port("bond1"),
        configured: false,
    };
    let answers = bench.reconciler.take_ended();
    assert_eq!(
        answers,
        [Event::Fdb {
            key: key(1),
            observation
        }]
    );
    assert_eq!(bench.see(1, None), Some(Observation::Aged));
    bench.reconciler.retry();
    assert_eq!(bench.settle().0, []);
}

/// The wish cannot be fulfilled, and what it named is nobody's wish any more.
#[test]
fn an_ageing_entry_that_cannot_be_had_does_not_keep_what_nobody_wants() {
    let mut bench = Bench::running();
    let _ = bench.ask(&[
        Op::SnapshotBegin(Section::Fdb),
        fdb_op(1, "bond1"),
        Op::SnapshotEnd(Section::Fdb),
    ]);
    let ageing = Op::Fdb {
        key: key(1),
        want: FdbWant {
            port: port("nowhere"),
            kind: FdbKind::Ageing,
        },
    };
    let (actions, results) = bench.ask(&[ageing]);
    let gone = Action::FdbDelete {
        key: key(1),
        port: port("bond1"),
    };
    assert_eq!(actions, [gone]);
    assert_eq!(results, ["Waiting: waiting for interface nowhere"]);
}

/// `spec/mclagsyncd-protocol.md` 4.3, 4.7.
#[test]
fn a_flush_forgets_what_was_learned_and_nothing_else() {
    let kinds = [
        (1, entry("bond1", EntryKind::Dynamic)),
        (2, entry("bond2", EntryKind::Dynamic)),
        (3, entry("bond1", EntryKind::Configured)),
        (4, ours("bond1", true)),
        (5, entry("br0", EntryKind::Local)),
    ];
    let delete = |last, name| Action::FdbDelete {
        key: key(last),
        port: port(name),
    };
    for (flushed, expected) in [
        (None, vec![delete(1, "bond1"), delete(2, "bond2")]),
        (Some(port("bond1")), vec![delete(1, "bond1")]),
    ] {
        let mut actual = fresh();
        actual
            .fdb
            .extend(kinds.map(|(last, entry)| (key(last), entry)));
        let mut bench = Bench::new(actual);
        let _ = bench.ask(&[domain()]);
        let (actions, _) = bench.ask(&[Op::Flush { port: flushed }]);
        assert_eq!(actions, expected);
        assert_eq!(bench.reconciler.take_ended().len(), expected.len());
    }
}

#[test]
fn learning_of_a_port_is_switched_and_restored() {
    let mut bench = Bench::running();
    let op = Op::Learning {
        port: port("swp1"),
        learning: false,
    };
    let set = |learning| Action::SetLearning {
        port: port("swp1"),
        learning,
    };
    assert_eq!(bench.ask(&[op]).0, [set(false)]);
    bench.reconciler.want_nothing();
    assert!(bench.settle().0.contains(&set(true)));
}

#[test]
fn the_pair_is_what_was_said_last_and_a_snapshot_replaces_it() {
    let mut bench = Bench::running();
    let remote = |name, up| Op::RemotePort {
        port: port(name),
        up,
    };
    let (actions, answers) = bench.ask(&[
        remote("bond1", true),
        remote("bond2", true),
        Op::SnapshotBegin(Section::Pair),
        remote("bond2", false),
    ]);
    assert_eq!((actions.len(), answers.len()), (0, 4));
    assert_eq!(bench.reconciler.wanted().pair().remote().len(), 2);
    let _ = bench.ask(&[Op::SnapshotEnd(Section::Pair)]);
    let remote = bench.reconciler.wanted().pair().remote().clone();
    assert_eq!(
        remote.into_iter().collect::<Vec<_>>(),
        [(port("bond2"), false)]
    );
}
