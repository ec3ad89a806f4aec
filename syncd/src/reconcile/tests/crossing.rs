//! What the dataplane reports of an entry while actions of ours on it are under way. It reports in the order in which
//! things happened, later than they did.

use std::slice::from_ref;

use super::*;

/// The dataplane reports this, which need not be so any more.
fn reports(bench: &mut Bench, entry: Option<FdbEntry>) -> Option<Event> {
    let event = BackendEvent::Fdb { key: key(1), entry };
    bench.reconciler.observe(&event)
}

fn seen(observation: Observation) -> Event {
    let key = key(1);
    Event::Fdb { key, observation }
}

fn install(name: &str) -> Action {
    Action::FdbInstall {
        key: key(1),
        port: port(name),
        active: false,
        sticky: false,
    }
}

/// Input: the client changes its mind and changes it again; the dataplane has reported what was done first. Output: what it
/// wants at last is done, although the last thing heard is that it is so.
#[test]
fn the_echo_of_an_action_that_was_overtaken_is_not_how_it_is() {
    let mut bench = Bench::running();
    assert_eq!(bench.ask(&[fdb_op(1, "peer")]).0, [install("peer")]);
    assert_eq!(bench.ask(&[fdb_op(1, "bond1")]).0, [install("bond1")]);
    assert_eq!(reports(&mut bench, Some(ours("peer", false))), None);
    assert_eq!(bench.ask(&[fdb_op(1, "peer")]).0, [install("peer")]);
    assert_eq!(reports(&mut bench, Some(ours("bond1", false))), None);
    assert_eq!(reports(&mut bench, Some(ours("peer", false))), None);
    assert_eq!(bench.settle().0, []);
}

/// Input: a host that this chassis alone sees is handed over to the dataplane, and is behind the other chassis at once.
/// Output: that the dataplane had it meanwhile is not that the host was seen.
#[test]
fn the_echo_of_what_was_handed_over_is_no_host() {
    let mut bench = Bench::running();
    let _ = bench.ask(&[fdb_op(1, "bond1")]);
    assert_eq!(reports(&mut bench, Some(ours("bond1", false))), None);
    let active = bench.observe(&BackendEvent::Fdb {
        key: key(1),
        entry: Some(ours("bond1", true)),
    });
    let on_bond = Observation::Active {
        port: port("bond1"),
    };
    assert_eq!(active, Some(seen(on_bond)));
    let release = Op::FdbRelease {
        key: key(1),
        forget: false,
    };
    let _ = bench.ask(&[release]);
    let _ = bench.ask(&[fdb_op(1, "peer")]);
    let ended = bench.reconciler.take_ended();
    assert_eq!(ended, [seen(Observation::Inactive)]);
    let dynamic = entry("bond1", EntryKind::Dynamic);
    assert_eq!(reports(&mut bench, Some(dynamic)), None);
    assert_eq!(reports(&mut bench, Some(ours("peer", false))), None);
    assert_eq!(bench.settle().0, []);
}

/// Input: a host moved before an entry for it was installed elsewhere, which is reported after that. Output: as if it had
/// moved afterwards: it is where it was seen, and the client hears of nothing else.
#[test]
fn a_host_that_moved_before_an_action_put_it_back_is_where_it_moved() {
    let mut bench = Bench::running();
    let _ = bench.ask(&[fdb_op(1, "peer")]);
    let moved = entry("bond2", EntryKind::Dynamic);
    let on_bond = Observation::Learned {
        port: port("bond2"),
        configured: false,
    };
    assert_eq!(reports(&mut bench, Some(moved)), Some(seen(on_bond)));
    assert_eq!(reports(&mut bench, Some(ours("peer", false))), None);
    let back = Action::FdbMakeDynamic {
        key: key(1),
        port: port("bond2"),
    };
    assert_eq!(bench.settle().0, [back]);
    let is_client_right = |event: &Event| matches!(event, Event::Fdb { observation, .. } if observation.port() == Some(port("bond2")));
    let ended = bench.reconciler.take_ended();
    assert!(ended.iter().all(is_client_right), "{ended:?}");
    assert_eq!(reports(&mut bench, Some(moved)), None);
    // It is the client's turn: it has heard of it, and may ask for something else.
    bench.reconciler.retry();
    assert_eq!(bench.settle().0, []);
    assert_eq!(bench.ask(&[fdb_op(1, "peer")]).0, [install("peer")]);
}

/// Input: a host was to be put back where it had moved, which was refused or has not been done yet, and its entry changes.
/// Output: it is left where it was seen last, if it was seen.
#[test]
fn a_host_that_moves_once_more_is_not_put_back() {
    let on_bond = Observation::Learned {
        port: port("bond1"),
        configured: false,
    };
    let back = Action::FdbMakeDynamic {
        key: key(1),
        port: port("bond2"),
    };
    for (is_refused, now, expected) in [
        (true, Some(entry("bond1", EntryKind::Dynamic)), None),
        (false, Some(entry("bond1", EntryKind::Dynamic)), None),
        // An operator deleted it.
        (true, None, Some(back.clone())),
        (false, None, Some(back.clone())),
    ] {
        let mut bench = Bench::running();
        let _ = bench.ask(&[fdb_op(1, "peer")]);
        let _ = reports(&mut bench, Some(entry("bond2", EntryKind::Dynamic)));
        assert_eq!(reports(&mut bench, Some(ours("peer", false))), None);
        if is_refused {
            bench.refused = vec![back.clone()];
            assert_eq!(bench.settle().0, from_ref(&back));
            bench.refused.clear();
        }
        let seen_now = now.map(|_| seen(on_bond));
        let report = reports(&mut bench, now);
        assert_eq!(report.filter(|_| now.is_some()), seen_now);
        bench.reconciler.retry();
        assert_eq!(bench.settle().0, Vec::from_iter(expected), "{now:?}");
    }
}

/// Reports may be lost. What comes when the dataplane had nothing left to report is news.
#[test]
fn an_echo_that_never_comes_hides_no_host() {
    for is_resync in [false, true] {
        let mut bench = Bench::running();
        let _ = bench.ask(&[fdb_op(1, "peer")]);
        let _ = bench.ask(&[fdb_op(1, "bond1")]);
        let release = Op::FdbRelease {
            key: key(1),
            forget: true,
        };
        let _ = bench.ask(&[release]);
        if is_resync {
            let _ = bench
                .reconciler
                .observe(&BackendEvent::Resync { why: "test" });
            let _ = bench.settle();
        } else {
            bench.reconciler.nothing_to_observe();
            bench.reconciler.nothing_to_observe();
        }
        let active = Observation::Active {
            port: port("bond1"),
        };
        let report = reports(&mut bench, Some(ours("bond1", true)));
        assert_eq!(report, Some(seen(active)));
    }
}
