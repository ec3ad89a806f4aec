//! What must not be done too early: before anybody spoke, before an interface is there, before
//! what depends on it.

use super::*;

fn with_filter(isolated: &[&str]) -> Actual {
    let mut actual = fresh();
    actual.filter = Some(Filter {
        peer_link: Some(port("peer")),
        isolated: isolated.iter().map(|name| port(name)).collect(),
    });
    actual
}

#[test]
fn the_filter_stays_until_a_client_has_said_that_there_is_no_pair() {
    let actual = with_filter(&["bond1"]);
    let mut bench = Bench::new(actual.clone());
    assert_eq!(bench.settle().0, []);
    let _ = bench.observe(&BackendEvent::Resync { why: "test" });
    assert_eq!(bench.settle().0, []);
    assert_eq!(bench.ask(&[Op::SnapshotBegin(Section::Ports)]).0, []);
    bench.reconciler.client_gone();
    assert_eq!(bench.settle().0, []);
    assert_eq!(bench.dataplane, actual);
    let (actions, _) = bench.ask(&[
        Op::SnapshotBegin(Section::Ports),
        Op::SnapshotEnd(Section::Ports),
    ]);
    let port = port("bond1");
    assert_eq!(actions, [Action::Release { port }, Action::RemoveFilter]);
}

/// A port that a filter of an earlier run does not name may have been decided on, as long as the
/// ports are being named; afterwards it is new.
#[test]
fn a_port_that_comes_after_the_snapshot_is_isolated_whatever_an_earlier_run_left() {
    let mut bench = Bench::new(with_filter(&[]));
    let _ = bench.ask(&[
        Op::SnapshotBegin(Section::Ports),
        domain(),
        port_op("bond1", Isolation::Keep, Traffic::Keep),
        Op::SnapshotEnd(Section::Ports),
    ]);
    let isolated = |bench: &Bench| bench.dataplane.filter.clone().unwrap().isolated;
    assert_eq!(isolated(&bench), BTreeSet::new());
    let (actions, _) = bench.ask(&[port_op("bond2", Isolation::Keep, Traffic::Keep)]);
    let port = port("bond2");
    assert_eq!(actions.first(), Some(&Action::Isolate { port }));
    assert_eq!(isolated(&bench), BTreeSet::from([port]));
}

#[test]
fn a_port_gets_its_backup_when_the_peer_link_is_there_and_not_before() {
    let mut actual = fresh();
    let peer_link = actual.ports.remove(&port("peer"));
    let mut bench = Bench::new(actual);
    let (actions, answers) = bench.ask(&[domain(), port_op("bond1", Isolation::On, Traffic::Pass)]);
    let waits = "Waiting: waiting for interface peer";
    assert_eq!(answers, [waits, waits]);
    let is_backup = |action: &Action| matches!(action, Action::SetBackup { .. });
    assert!(!actions.iter().any(is_backup), "{actions:?}");
    bench.see_port("peer", peer_link);
    let (actions, _) = bench.settle();
    let (peer, bond1) = (port("peer"), port("bond1"));
    assert!(actions.contains(&Action::SetBackup {
        port: bond1,
        backup: peer
    }));
}

/// The peer link left the bridge: whether the ports' backups go is up to the dataplane, and what
/// they were before us is restored when nobody wants them any more.
#[test]
fn a_backup_is_not_taken_back_because_the_peer_link_is_away() {
    let mut bench = Bench::running();
    bench.see_port("peer", None);
    assert_eq!(bench.settle().0, []);
    bench.see_port("peer", Some(bridge_port()));
    let (actions, _) = bench.settle();
    let set_backup = |action: &Action| matches!(action, Action::SetBackup { .. });
    assert!(!actions.iter().any(set_backup), "it still is: {actions:?}");
}

/// Where the peer link learns, an address of a host behind both chassis moves there with the first
/// frame that comes back over it.
#[test]
fn learning_on_the_peer_link_ends_before_addresses_go_there_and_begins_after_they_are_gone() {
    let peer = port("peer");
    let learns = |peer_link_learning| {
        Op::Domain(DomainWant {
            bridge: port("br0"),
            peer_link: Some(peer),
            peer_link_learning,
        })
    };
    let set = |learning| Action::SetLearning {
        port: peer,
        learning,
    };
    let mut bench = Bench::new(fresh());
    let (actions, _) = bench.ask(&[fdb_op(1, "peer"), learns(false)]);
    let filter = Action::EnsureFilter {
        peer_link: Some(peer),
    };
    assert_eq!(actions, [filter, set(false), install(1, "peer", false)]);
    let (actions, _) = bench.ask(&[learns(true), release_op(1, false), fdb_op(2, "bond1")]);
    let (key, port) = (key(1), peer);
    let delete = Action::FdbDelete { key, port };
    assert_eq!(actions, [delete, install(2, "bond1", false), set(true)]);
}

/// The peer link learns again before anything is opened: the next frame of a host may come by it.
#[test]
fn a_plan_opens_after_everything_else() {
    let peer_link_learning = true;
    let mut bench = Bench::running();
    let _ = bench.ask(&[port_op("bond1", Isolation::On, Traffic::Held)]);
    let (actions, _) = bench.ask(&[
        port_op("bond1", Isolation::Off, Traffic::Pass),
        Op::Domain(DomainWant {
            bridge: port("br0"),
            peer_link: Some(port("peer")),
            peer_link_learning,
        }),
    ]);
    let [peer, bond1] = ["peer", "bond1"].map(port);
    assert_eq!(
        actions,
        [
            Action::SetLearning {
                port: peer,
                learning: true
            },
            Action::Unhold { port: bond1 },
            Action::Release { port: bond1 },
        ]
    );
}

/// Input: a table of which nothing is wanted any more, and then a port that is to be isolated. Output: the
/// port is, with the next plan, and the table goes share by share.
#[test]
fn a_port_does_not_wait_for_a_table_that_moves() {
    const ENTRIES: usize = 20 * MAX_AT_ONCE;
    let mut bench = Bench::running();
    let mac = |number: usize| {
        let [.., a, b, c] = number.to_be_bytes();
        Mac([2, 0, 1, a, b, c])
    };
    for number in 0..ENTRIES {
        let key = FdbKey {
            vid: Vid::DEFAULT,
            mac: mac(number),
        };
        let kind = EntryKind::Ours {
            active: false,
            sticky: false,
        };
        let port = port("bond1");
        bench.dataplane.fdb.insert(key, FdbEntry { port, kind });
    }
    bench.reconciler.adopt(bench.dataplane.clone());
    let ends = [
        Op::SnapshotBegin(Section::Fdb),
        Op::SnapshotEnd(Section::Fdb),
    ];
    bench.reconciler.accept(&ends);
    let (actions, _) = bench.settle();
    assert_eq!(actions.len(), MAX_AT_ONCE);
    let (actions, _) = bench.ask(&[port_op("bond2", Isolation::On, Traffic::Pass)]);
    let isolate = Action::Isolate {
        port: port("bond2"),
    };
    assert_eq!(actions.first(), Some(&isolate));
    assert!(actions.len() <= 1 + MAX_AT_ONCE);
    let mut turns = 0;
    while bench.reconciler.has_more() {
        let _ = bench.settle();
        turns += 1;
    }
    assert!(bench.dataplane.fdb.is_empty());
    assert_eq!(turns, 18);
}

#[test]
fn a_filter_that_somebody_took_away_is_put_back_without_a_look_at_the_rest() {
    let mut bench = Bench::running();
    bench.dataplane.filter = None;
    let event = BackendEvent::Filter {
        filter: None,
        held: BTreeSet::new(),
    };
    assert_eq!(bench.reconciler.observe(&event), None);
    assert_eq!(bench.reconciler.needs_snapshot(), None);
    let (actions, _) = bench.settle();
    let ensure = Action::EnsureFilter {
        peer_link: Some(port("peer")),
    };
    let isolate = Action::Isolate {
        port: port("bond1"),
    };
    assert_eq!(actions, [ensure, isolate]);
}

/// Input: a client names a peer link that is not there, as after a slip in its configuration; then that one
/// appears. Output: frames from the one before stay isolated until then.
#[test]
fn the_filter_stays_on_the_peer_link_of_before_until_the_other_is_there() {
    let mut bench = Bench::running();
    let peer_link = |bench: &Bench| bench.dataplane.filter.as_ref().unwrap().peer_link;
    let Op::Domain(want) = domain() else {
        unreachable!()
    };
    let other = port("bond9");
    let (_, answers) = bench.ask(&[Op::Domain(DomainWant {
        peer_link: Some(other),
        ..want
    })]);
    assert_eq!(answers, ["Waiting: waiting for interface bond9"]);
    assert_eq!(peer_link(&bench), want.peer_link);
    assert!(bench.dataplane.is_isolated(&port("bond1")));
    bench.see_port("bond9", Some(bridge_port()));
    let _ = bench.settle();
    assert_eq!(peer_link(&bench), Some(other));
}

/// The kernel calls the peer link otherwise than the rules do, which are in force for nobody then. So it is with a port.
#[test]
fn isolation_is_put_back_when_the_rules_name_nobody_any_more() {
    let mut bench = Bench::running();
    let before = bench.dataplane.clone();
    let filter = bench.dataplane.filter.as_mut().unwrap();
    filter.peer_link = None;
    assert!(filter.isolated.remove(&port("bond1")));
    let event = BackendEvent::Filter {
        filter: bench.dataplane.filter.clone(),
        held: BTreeSet::new(),
    };
    let _ = bench.observe(&event);
    let (actions, _) = bench.settle();
    let peer_link = Some(port("peer"));
    let isolate = Action::Isolate {
        port: port("bond1"),
    };
    assert_eq!(actions, [Action::EnsureFilter { peer_link }, isolate]);
    assert_eq!(bench.dataplane, before);
}

/// Input: a client that names a pair; one that names another peer link, which is not there; nobody, after a restart; and one
/// that takes a port out. Output: what keeps its name under another one.
#[test]
fn what_keeps_its_name_is_what_is_named_and_until_that_is_known_what_was_changed() {
    let mut bench = Bench::running();
    let is = |index| InterfaceActual {
        index: Some(index),
        ..InterfaceActual::default()
    };
    for (text, index) in [("peer", 7), ("bond1", 8)] {
        bench.see_interface(text, Some(is(index)));
    }
    let _ = bench.settle();
    let followed = |bench: &Bench| -> Vec<String> {
        let followed = bench.reconciler.followed().into_iter();
        let followed = followed.map(|(name, index)| format!("{name} {}", index.unwrap_or(0)));
        followed.collect()
    };
    assert_eq!(followed(&bench), ["bond1 8", "bond2 0", "peer 7"]);
    let want = *bench.reconciler.wanted().domain().unwrap();
    let _ = bench.ask(&[Op::Domain(DomainWant {
        peer_link: Some(port("bond9")),
        ..want
    })]);
    assert_eq!(
        followed(&bench),
        ["bond1 8", "bond2 0", "bond9 0", "peer 7"]
    );
    bench.reconciler = Reconciler::new(bench.reconciler.originals().clone());
    bench.reconciler.adopt(bench.dataplane.clone());
    assert_eq!(followed(&bench), ["bond1 8", "bond2 0", "peer 7"]);
    let _ = bench.ask(&[
        Op::SnapshotBegin(Section::Ports),
        domain(),
        port_op("bond2", Isolation::Keep, Traffic::Keep),
        Op::SnapshotEnd(Section::Ports),
    ]);
    assert_eq!(followed(&bench), ["bond2 0", "peer 7"]);
}
