//! What the client is answered: each operation by its own result, and the end of a snapshot by
//! what no operation of the batch named.

use super::*;

fn busy(subject: &str) -> String {
    format!("Refused: {subject}: device or resource busy")
}

/// `(operation, the action the dataplane refuses, whose result says so)`; the operations beside it
/// succeed.
#[test]
fn a_failure_is_told_to_the_operation_that_asked_for_it_and_to_no_other() {
    let interface = port("vlan1");
    let mac = SYSTEM;
    let bond1 = port("bond1");
    let ageing = Op::Fdb {
        key: key(1),
        want: FdbWant {
            port: bond1,
            kind: FdbKind::Ageing,
        },
    };
    let once = Action::FdbMakeDynamic {
        key: key(1),
        port: bond1,
    };
    let address = "02:00:00:00:00:01 vlan 1";
    let rows = [
        (fdb_op(1, "bond1"), install(1, "bond1", false), address),
        (ageing, once, address),
        (
            neighbour_op(1, false),
            install_neighbour(1, false),
            "192.0.2.1 on vlan1",
        ),
        (
            interface_op("vlan1", SYSTEM),
            Action::SetInterfaceMac { interface, mac },
            "vlan1",
        ),
        (
            port_op("bond1", Isolation::On, Traffic::Held),
            Action::Hold {
                port: bond1,
                keeps_carrier: false,
            },
            "bond1",
        ),
    ];
    for (op, refused, subject) in rows {
        let mut bench = Bench::running();
        bench.refused = vec![refused.clone()];
        let (actions, answers) = bench.ask(&[fdb_op(8, "bond2"), op, neighbour_op(8, false)]);
        assert!(actions.contains(&refused), "{actions:?}");
        assert_eq!(answers, ["ok", &busy(subject), "ok"], "{refused:?}");
        assert!(bench.reconciler.is_unfinished(), "{refused:?}");
        bench.refused.clear();
        bench.reconciler.retry();
        assert_eq!(bench.settle().0, [refused], "tried again");
        assert!(!bench.reconciler.is_unfinished());
    }
}

#[test]
fn the_end_of_a_snapshot_does_not_answer_for_what_was_asked_by_name() {
    let mut bench = Bench::running();
    bench.refused = vec![install(1, "bond1", false), install_neighbour(2, false)];
    let (_, answers) = bench.ask(&[
        Op::SnapshotBegin(Section::Fdb),
        fdb_op(1, "bond1"),
        Op::SnapshotEnd(Section::Fdb),
        Op::SnapshotBegin(Section::Neighbours),
        neighbour_op(2, false),
        Op::SnapshotEnd(Section::Neighbours),
    ]);
    let entry = busy("02:00:00:00:00:01 vlan 1");
    let neighbour = busy("192.0.2.2 on vlan1");
    assert_eq!(answers, ["ok", &entry, "ok", "ok", &neighbour, "ok"]);
}

/// The end of one section does not answer for what another one could not do.
#[test]
fn the_end_of_a_snapshot_answers_for_its_own_section_alone() {
    let mut actual = fresh();
    actual.fdb.insert(key(1), ours("peer", false));
    let left = neighbour(Some(SYSTEM), NeighbourKind::Ours { permanent: false });
    actual.neighbours.insert(neighbour_key(1), left);
    let ends = [Section::Ports, Section::Interfaces, Section::Neighbours];
    for end in ends {
        let mut bench = Bench::new(actual.clone());
        let _ = bench.ask(&[domain()]);
        let (key, port) = (key(1), port("peer"));
        bench.refused = vec![Action::FdbDelete { key, port }];
        let (_, answers) = bench.ask(&[
            Op::SnapshotBegin(Section::Fdb),
            Op::SnapshotBegin(end),
            domain(),
            Op::SnapshotEnd(end),
            Op::SnapshotEnd(Section::Fdb),
        ]);
        let refused = busy("02:00:00:00:00:01 vlan 1");
        assert_eq!(answers, ["ok", "ok", "ok", "ok", &refused], "{end:?}");
    }
}

/// What waits is done when its interface appears, which is an event; what is not supported never.
#[test]
fn an_entry_that_waits_or_is_not_supported_is_told_so_and_not_tried_again() {
    for code in [OpErrorCode::Waiting, OpErrorCode::Unsupported] {
        let mut bench = Bench::running();
        bench.reconciler.accept(&[fdb_op(1, "bond1")]);
        let actions = bench.reconciler.plan();
        assert_eq!(actions, [install(1, "bond1", false)]);
        let text = "says the dataplane".to_owned();
        let results = [Err(OpError { code, text })];
        let answers = bench.reconciler.conclude(&actions, &results);
        assert_eq!(answers[0].as_ref().unwrap_err().code, code);
        assert!(!bench.reconciler.is_unfinished(), "{code:?}");
    }
}

/// The peer opens its port when it hears that this one is isolated: that must not hang on anything
/// else. What failed is tried again all the same.
#[test]
fn a_setting_that_fails_says_nothing_of_isolation_and_hold() {
    let [peer, bond1] = ["peer", "bond1"].map(port);
    let settings = [
        Action::SetBackup {
            port: bond1,
            backup: peer,
        },
        Action::SetSystemMac {
            port: bond1,
            mac: Some(SYSTEM),
        },
    ];
    for refused in settings {
        let mut bench = Bench::new(fresh());
        bench.refused = vec![refused.clone()];
        let (_, answers) = bench.ask(&[
            Op::SnapshotBegin(Section::Ports),
            domain(),
            port_op("bond1", Isolation::On, Traffic::Held),
            Op::SnapshotEnd(Section::Ports),
        ]);
        assert_eq!(answers, ["ok"; 4], "{refused:?}");
        assert!(bench.reconciler.is_unfinished(), "{refused:?}");
        bench.refused.clear();
        bench.reconciler.retry();
        assert_eq!(bench.settle().0, [refused]);
    }
}

/// The other way round, too: what is asked for by itself is answered by itself.
#[test]
fn learning_that_cannot_be_switched_is_told_to_who_asked_for_it() {
    let [peer, swp1] = ["peer", "swp1"].map(port);
    let off = |port| Action::SetLearning {
        port,
        learning: false,
    };
    let mut bench = Bench::new(fresh());
    bench.refused = vec![off(peer), off(swp1)];
    let learning = Op::Learning {
        port: swp1,
        learning: false,
    };
    let (_, answers) = bench.ask(&[
        domain(),
        learning,
        port_op("bond1", Isolation::On, Traffic::Pass),
    ]);
    let refused = ["settings of peer", "settings of swp1"].map(busy);
    assert_eq!(answers, [&refused[0], &refused[1], "ok"]);
}

/// Input: lifting the isolation of a port that was taken back is refused, and a share of the table comes next.
/// Output: it is tried again all the same.
#[test]
fn a_port_whose_release_was_refused_outlives_a_share_of_the_table() {
    let mut bench = Bench::running();
    let bond1 = port("bond1");
    let release = Action::Release { port: bond1 };
    bench.refused = vec![release.clone()];
    let (actions, answers) = bench.ask(&[Op::PortRelease { port: bond1 }]);
    assert!(actions.contains(&release), "{actions:?}");
    assert_eq!(answers, [busy("bond1")]);
    let _ = bench.ask(&[fdb_op(1, "bond2")]);
    bench.refused.clear();
    bench.reconciler.retry();
    assert_eq!(bench.settle().0, [release]);
}
