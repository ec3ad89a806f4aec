//! A table that is listed while other things happen.

use super::*;

/// A bench on which the pair is set up; the table is believed to be this, and is being listed.
fn listing(believed: &[(u8, FdbEntry)]) -> Bench {
    let mut bench = Bench::running();
    let believed = believed.iter().map(|(last, entry)| (key(*last), *entry));
    bench.dataplane.fdb.extend(believed);
    bench.reconciler.adopt(bench.dataplane.clone());
    let _ = bench.settle();
    let seen = Actual {
        fdb: Default::default(),
        ..bench.dataplane.clone()
    };
    bench.reconciler.adopt_without_table(seen);
    bench
}

fn learned(name: &str) -> FdbEntry {
    entry(name, EntryKind::Dynamic)
}

fn believed(bench: &Bench, last: u8) -> Option<FdbEntry> {
    bench.reconciler.actual().fdb.get(&key(last)).copied()
}

#[test]
fn what_happened_since_a_listing_began_counts_more_than_what_it_says() {
    let mut bench = listing(&[(1, learned("bond1"))]);
    for (last, entry) in [(1, Some(learned("bond2"))), (2, None)] {
        let key = key(last);
        let _ = bench.reconciler.observe(&BackendEvent::Fdb { key, entry });
    }
    let piece = [1, 2, 3].map(|last| (key(last), learned("bond1")));
    let events = bench.reconciler.take_piece(&piece, true);
    let answers = Event::Fdb {
        key: key(3),
        observation: Observation::Learned {
            port: port("bond1"),
            configured: false,
        },
    };
    assert_eq!(events, [answers]);
    let now = [1, 2, 3].map(|last| believed(&bench, last));
    let wanted = [Some(learned("bond2")), None, Some(learned("bond1"))];
    assert_eq!(now, wanted);
    assert!(!bench.reconciler.is_listing());
}

/// Input: an entry is taken back; then comes a piece that was made before. Output: the entry does not come back.
#[test]
fn what_was_done_since_a_listing_began_counts_more_than_what_it_says() {
    let mut bench = listing(&[(1, ours("bond1", false))]);
    let ends = [Op::SnapshotBegin, Op::SnapshotEnd].map(|mark| mark(Section::Fdb));
    let (actions, _) = bench.ask(&ends);
    let delete = Action::FdbDelete {
        key: key(1),
        port: port("bond1"),
    };
    assert_eq!(actions, [delete]);
    let stale = [(key(1), ours("bond1", false))];
    assert_eq!(bench.reconciler.take_piece(&stale, true), []);
    assert_eq!(believed(&bench, 1), None);
}

/// Input: a listing names neither of two hosts, of which one is there. Output: both are looked up, and the client
/// is told of the one that is not.
#[test]
fn an_entry_that_a_listing_did_not_name_is_looked_up_before_it_counts_as_gone() {
    let mut bench = listing(&[(1, learned("bond1")), (2, learned("bond1"))]);
    assert_eq!(bench.reconciler.take_piece(&[], true), []);
    assert!(bench.reconciler.is_listing() && bench.reconciler.has_more());
    let keys = bench.reconciler.keys_to_look_up();
    assert_eq!(keys, [key(1), key(2)]);
    let found = [Ok(Some(learned("bond1"))), Ok(None)];
    let events = bench.reconciler.looked_up(&keys, &found);
    let aged = Event::Fdb {
        key: key(2),
        observation: Observation::Aged,
    };
    assert_eq!(events, [aged]);
    assert!(!bench.reconciler.is_listing());
    assert_eq!(believed(&bench, 1), Some(learned("bond1")));
}

/// An operator's is not overwritten because the listing has not come to it.
#[test]
fn an_entry_that_is_asked_for_before_it_is_known_is_looked_up() {
    let mut bench = listing(&[]);
    bench.reconciler.accept(&[fdb_op(1, "bond1")]);
    let keys = bench.reconciler.keys_to_look_up();
    let configured = entry("bond2", EntryKind::Configured);
    let _ = bench.reconciler.looked_up(&keys, &[Ok(Some(configured))]);
    let (actions, results) = bench.settle();
    assert_eq!(actions, []);
    assert_eq!(results[0].as_ref().unwrap_err().code, OpErrorCode::Refused);
}

/// Whoever asks for a plan while there is something to do would ask without end.
#[test]
fn while_a_listing_goes_on_there_is_nothing_to_do_for_it() {
    let mut bench = listing(&[(1, learned("bond1"))]);
    assert!(bench.reconciler.is_listing() && !bench.reconciler.has_more());
    let _ = bench.reconciler.take_piece(&[], false);
    assert!(bench.reconciler.is_listing() && !bench.reconciler.has_more());
}

#[test]
fn a_port_does_not_wait_for_a_listing() {
    let mut bench = listing(&[]);
    let isolate = Action::Isolate {
        port: port("bond2"),
    };
    let (actions, results) = bench.ask(&[port_op("bond2", Isolation::On, Traffic::Pass)]);
    assert_eq!((actions, results), (vec![isolate], vec!["ok".to_owned()]));
}

/// Input: the client has said all that it wants, and a listing comes to entries of an earlier run. Output: what is
/// wanted stays, and is installed where it is missing; the rest goes.
#[test]
fn a_listing_is_compared_with_what_is_wanted() {
    let mut bench = listing(&[]);
    let wanted = [
        Op::SnapshotBegin(Section::Fdb),
        fdb_op(1, "bond1"),
        fdb_op(2, "bond1"),
        Op::SnapshotEnd(Section::Fdb),
    ];
    bench.dataplane.fdb.insert(key(1), ours("bond1", true));
    bench.dataplane.fdb.insert(key(9), ours("bond1", false));
    bench.reconciler.accept(&wanted);
    let keys = bench.reconciler.keys_to_look_up();
    assert_eq!(keys, [key(1), key(2)]);
    let found = [Ok(Some(ours("bond1", true))), Ok(None)];
    let _ = bench.reconciler.looked_up(&keys, &found);
    assert_eq!(bench.settle().0, [install(2, "bond1", false)]);
    let piece = [
        (key(1), ours("bond1", true)),
        (key(9), ours("bond1", false)),
    ];
    let _ = bench.reconciler.take_piece(&piece, true);
    let delete = Action::FdbDelete {
        key: key(9),
        port: port("bond1"),
    };
    assert_eq!(bench.settle().0, [delete]);
    assert!(!bench.reconciler.has_more());
}

/// A flush that was asked for while a learned entry was not known yet is meant for that, too.
#[test]
fn a_flush_is_meant_for_what_is_listed_later() {
    let mut bench = listing(&[]);
    let _ = bench.ask(&[Op::Flush {
        port: Some(port("bond1")),
    }]);
    let piece = [(key(1), learned("bond1")), (key(2), learned("bond2"))];
    bench.dataplane.fdb.extend(piece);
    let _ = bench.reconciler.take_piece(&piece, true);
    let delete = Action::FdbDelete {
        key: key(1),
        port: port("bond1"),
    };
    assert_eq!(bench.settle().0, [delete]);
}

/// Input: what the client asked for is refused, and the table is listed anew. Output: it is tried again, also where the
/// listing names what was learned before.
#[test]
fn a_listing_of_what_was_known_does_not_undo_what_was_asked_since() {
    let mut bench = listing(&[(1, learned("swp1"))]);
    bench.refused = vec![install(1, "bond1", false)];
    let keys = [key(1)];
    bench.reconciler.accept(&[fdb_op(1, "bond1")]);
    let _ = bench
        .reconciler
        .looked_up(&keys, &[Ok(Some(learned("swp1")))]);
    assert_ne!(bench.settle().1, [Ok(())]);
    let seen = bench.dataplane.clone();
    bench.reconciler.adopt_without_table(seen);
    let piece = [(key(1), learned("swp1"))];
    assert_eq!(bench.reconciler.take_piece(&piece, true), []);
    bench.refused.clear();
    assert_eq!(bench.settle().0, [install(1, "bond1", false)]);
}
