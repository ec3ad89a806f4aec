//! The engine with the simplest rules there are, against a model; with those of a third table.

mod groups;

use super::*;
use mclag_proto::sync::snapshot::Snapshot;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// What is observed here is told to the peer, what the peer says is installed, and the newer of two
/// observations wins.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
struct Toy;

impl Policy for Toy {
    type Key = u8;
    type Local = u8;
    type Remote = u8;
    type Advertised = u8;
    type Programmed = u8;
    type Op = Operation<Self>;
    type Layout = Plain;

    const MAX_ENTRIES: usize = 6;
    const LANES: usize = 2;
    const FORGETS_SUPERSEDED: bool = true;

    fn lane(key: &u8) -> usize {
        usize::from(key % 2)
    }

    fn advertise(&self, _: u8, entry: &Entry<Self>) -> Option<u8> {
        entry.local
    }

    fn program(&self, _: u8, entry: &Entry<Self>) -> Option<u8> {
        entry.remote
    }

    fn op(operation: Operation<Self>) -> Operation<Self> {
        operation
    }
}

fn has_ops(table: &Table<Toy>) -> bool {
    table.waiting.to_program.len() > 0 || table.programming != Programming::Changes
}

fn has_advertisements(table: &Table<Toy>) -> bool {
    let mut queues = table.waiting.to_advertise.iter();
    queues.any(|queue| queue.len() > 0)
}

fn observe(table: &mut Table<Toy>, key: u8, local: Option<u8>) {
    let change = |entry: &mut Entry<Toy>, _: &Toy| {
        entry.unconfirmed = false;
        entry.superseded = None;
        entry.local = local;
        if local.is_some() {
            entry.set_remote(None);
        }
        Concerns::Both
    };
    match local {
        Some(_) => table.change_or_add(key, change),
        None => table.change(key, change),
    }
}

fn hear(table: &mut Table<Toy>, key: u8, remote: Option<u8>) {
    let change = |entry: &mut Entry<Toy>, _: &Toy| {
        if remote.is_some() {
            entry.superseded = entry.local.take().or(entry.superseded);
        }
        entry.set_remote(remote);
        Concerns::Both
    };
    match remote {
        Some(_) => table.change_or_add(key, change),
        None => table.change(key, change),
    }
}

fn advertised(table: &mut Table<Toy>) -> Vec<(EntryOp, u8, u8)> {
    let of = |table: &mut Table<Toy>, lane| {
        table.next_advertisements(lane, 100, |op, key, what| Some((op, key, what)))
    };
    let mut told = of(table, 0);
    told.extend(of(table, 1));
    told
}

fn ops(table: &mut Table<Toy>, max: usize) -> Vec<Operation<Toy>> {
    let mut ops = Vec::new();
    table.next_ops(max, &mut ops);
    ops
}

fn in_session() -> Table<Toy> {
    let mut table = Table::default();
    table.start_advertising(|_, _| {});
    table
}

const fn program(key: u8, want: u8) -> Operation<Toy> {
    Operation::Program { key, want }
}

const fn release(key: u8, forget: bool) -> Operation<Toy> {
    Operation::Release { key, forget }
}

#[test]
fn several_changes_before_there_was_room_are_one() {
    let mut table = in_session();
    for value in 1..5 {
        observe(&mut table, 2, Some(value));
        hear(&mut table, 3, Some(value));
    }
    assert_eq!(advertised(&mut table), [(EntryOp::Add, 2, 4)]);
    assert_eq!(ops(&mut table, 9), [program(3, 4)]);
    assert_eq!(advertised(&mut table), []);
    assert_eq!(ops(&mut table, 9), []);
    observe(&mut table, 2, Some(5));
    observe(&mut table, 2, Some(4));
    assert_eq!(advertised(&mut table), [], "it was told that");
}

#[test]
fn what_came_and_went_before_there_was_room_is_not_told_and_not_kept() {
    let mut table = in_session();
    observe(&mut table, 2, Some(1));
    observe(&mut table, 2, None);
    assert_eq!(
        (advertised(&mut table), ops(&mut table, 9)),
        (vec![], vec![])
    );
    assert!(table.is_empty());
}

#[test]
fn an_entry_goes_when_everybody_who_heard_of_it_was_told() {
    let mut table = in_session();
    observe(&mut table, 2, Some(1));
    hear(&mut table, 3, Some(1));
    drop((advertised(&mut table), ops(&mut table, 9)));
    observe(&mut table, 2, None);
    hear(&mut table, 3, None);
    assert_eq!(table.len(), 2);
    assert_eq!(ops(&mut table, 9), [release(3, false)]);
    assert_eq!(advertised(&mut table), [(EntryOp::Delete, 2, 1)]);
    assert!(table.is_empty());
}

#[test]
fn an_observation_that_was_superseded_is_forgotten_by_the_dataplane_even_if_nothing_is_wanted() {
    let mut table = in_session();
    observe(&mut table, 2, Some(1));
    hear(&mut table, 2, Some(2));
    hear(&mut table, 2, None);
    assert_eq!(ops(&mut table, 9), [release(2, true)]);
    assert_eq!(ops(&mut table, 9), [], "once");
}

#[test]
fn what_the_peer_has_just_said_itself_takes_back_what_waited_for_it() {
    let mut table = in_session();
    observe(&mut table, 2, Some(1));
    table.change(2, |_, _| Concerns::Dataplane);
    assert_eq!(advertised(&mut table), []);
}

#[test]
fn a_listing_ends_what_it_did_not_name_and_one_that_begins_anew_ends_nothing() {
    let mut table = in_session();
    observe(&mut table, 2, Some(1));
    observe(&mut table, 4, Some(1));
    advertised(&mut table);
    let gone = |_: u8, entry: &mut Entry<Toy>, _: &Toy| entry.local = None;
    table.listing_begins(|_| true);
    table.listing_begins(|_| true);
    observe(&mut table, 4, Some(1));
    assert_eq!(advertised(&mut table), [], "not complete");
    table.listing_ends(gone);
    assert_eq!(advertised(&mut table), [(EntryOp::Delete, 2, 1)]);
    table.listing_ends(gone);
    assert_eq!(advertised(&mut table), [], "none had begun");
}

#[test]
fn what_the_peer_said_outlives_its_session_until_stale_entries_are_purged() {
    let mut table = in_session();
    hear(&mut table, 2, Some(1));
    hear(&mut table, 4, Some(1));
    ops(&mut table, 9);
    table.session_down(|_, _, _| false);
    assert_eq!(ops(&mut table, 9), []);
    hear(&mut table, 4, Some(1));
    table.purge_stale();
    assert_eq!(ops(&mut table, 9), [release(2, false)]);
}

#[test]
fn a_new_session_hears_everything_again_and_nothing_that_waited_for_the_old_one() {
    let mut table = in_session();
    observe(&mut table, 2, Some(1));
    advertised(&mut table);
    observe(&mut table, 4, Some(1));
    table.session_down(|_, _, _| false);
    assert!(!has_advertisements(&table));
    observe(&mut table, 3, Some(1));
    assert_eq!(advertised(&mut table), [], "nobody is there");
    table.start_advertising(|_, _| {});
    let all = [2, 4, 3].map(|key| (EntryOp::Add, key, 1));
    assert_eq!(advertised(&mut table), all);
}

/// Changes wait until the snapshot is complete, which names what is true then.
#[test]
fn a_snapshot_comes_in_pieces_and_changes_behind_it() {
    let mut table = in_session();
    for key in 0..4 {
        hear(&mut table, key, Some(1));
    }
    ops(&mut table, 9);
    table.dataplane_up();
    table.complete();
    let begin = Operation::SnapshotBegin;
    assert_eq!(ops(&mut table, 3), [begin, program(0, 1), program(1, 1)]);
    hear(&mut table, 0, None);
    hear(&mut table, 3, Some(2));
    let rest = [
        program(2, 1),
        program(3, 2),
        Operation::SnapshotEnd,
        release(0, false),
    ];
    assert_eq!(ops(&mut table, 4), rest);
    assert_eq!(ops(&mut table, 9), []);
    assert!(!has_ops(&table));
}

/// The dataplane drops what an earlier run wanted only then.
#[test]
fn that_nothing_is_wanted_is_said_too() {
    let mut table = in_session();
    ops(&mut table, 9);
    table.dataplane_up();
    table.complete();
    assert!(has_ops(&table));
    let nothing = [Operation::SnapshotBegin, Operation::SnapshotEnd];
    assert_eq!(ops(&mut table, 9), nothing);
    assert!(!has_ops(&table));
}

/// A table that is full of what others made up takes what is known, and counts the rest.
#[test]
fn there_is_a_bound_to_the_entries() {
    let mut table = in_session();
    for key in 0..6 {
        assert!(!table.is_full_for_remote(&key));
        hear(&mut table, key, Some(1));
    }
    assert!(table.is_full_for_remote(&6));
    assert!(!table.is_full_for_remote(&5));
}

/// The peer cannot make up so much that a host of this chassis finds no place; what is given up for
/// it is released, and what is observed here as well is not given up.
#[test]
fn what_this_chassis_observes_goes_before_what_the_peer_alone_does() {
    let mut table = in_session();
    for key in 0..6 {
        hear(&mut table, key, Some(1));
    }
    table.change(1, |entry, _| {
        entry.local = Some(1);
        Concerns::Both
    });
    ops(&mut table, 100);
    for key in 10..15 {
        assert!(!table.is_full_for_local(&key));
        observe(&mut table, key, Some(2));
        assert!(table.is_full_for_remote(&7), "not in its place");
    }
    let given_up = [0, 2, 3, 4, 5].map(|key| release(key, false));
    assert_eq!(ops(&mut table, 100), given_up);
    let kept: Vec<u8> = table.iter(None).map(|(key, _)| key).collect();
    assert_eq!(kept, [1, 10, 11, 12, 13, 14]);
    assert_eq!(table.ignored(), 5);
    assert!(
        table.is_full_for_local(&15),
        "of its own there is a bound, too"
    );
    assert!(!table.is_full_for_local(&14));
}

/// A dataplane may list when it was not asked to, or be gone in the middle of it.
#[test]
fn the_end_of_a_listing_that_did_not_begin_ends_nothing() {
    let mut table = in_session();
    let gone = |_: u8, entry: &mut Entry<Toy>, _: &Toy| entry.local = None;
    observe(&mut table, 1, Some(1));
    assert!(!table.listing_ends(gone));
    table.listing_begins(|_| true);
    table.abandon_listing();
    assert!(!table.listing_ends(gone));
    assert_eq!(table.get(&1).unwrap().local, Some(1));
    table.listing_begins(|_| true);
    assert!(table.listing_ends(gone));
    assert_eq!(table.get(&1).unwrap().local, None);
}

/// Keys that change all the time must not keep a later one from its turn, towards the peer or the
/// dataplane.
#[test]
fn under_steady_change_of_low_keys_a_high_one_has_its_turn() {
    let mut table = in_session();
    for value in 0..10 {
        let new = value + 1;
        for key in [0, 2, 4] {
            observe(&mut table, key, Some(new));
        }
        hear(&mut table, 1, Some(new));
        hear(&mut table, 3, Some(new));
        if value == 3 {
            observe(&mut table, 250, Some(new));
            hear(&mut table, 251, Some(new));
        }
        // Room for less than what changes.
        table.next_advertisements(0, 2, |_, key, _| Some(key));
        ops(&mut table, 2);
    }
    assert_eq!(table.get(&250).unwrap().advertised, Some(4));
    assert_eq!(table.get(&251).unwrap().programmed, Some(4));
}

/// Something that can happen to a table, drawn at random.
#[derive(Clone, Debug)]
enum Step {
    Observe(u8, Option<u8>),
    Hear(u8, Option<u8>),
    /// The dataplane begins to list what it has, and names this many before it ends, or begins anew.
    Listing(Option<usize>),
    Session(bool),
    Purge,
    /// Another dataplane, which knows nothing, or the same one, named everything.
    Dataplane(bool),
    /// The peer and the dataplane have room for so many.
    Room(usize, usize),
}

fn step() -> impl Strategy<Value = Step> {
    let observation = || (0..8_u8, prop::option::weighted(0.7, 0..3_u8));
    prop_oneof![
        5 => observation().prop_map(|(key, what)| Step::Observe(key, what)),
        5 => observation().prop_map(|(key, what)| Step::Hear(key, what)),
        1 => prop::option::of(0..4_usize).prop_map(Step::Listing),
        2 => any::<bool>().prop_map(Step::Session),
        1 => Just(Step::Purge),
        2 => any::<bool>().prop_map(Step::Dataplane),
        6 => (0..4_usize, 0..4_usize).prop_map(|(peer, dataplane)| Step::Room(peer, dataplane)),
    ]
}

/// Both chassis' observations, and what the others made of what they were sent.
#[derive(Default)]
struct Model {
    /// What the dataplane learned itself; it reports only what is new.
    own: BTreeMap<u8, u8>,
    local: BTreeMap<u8, u8>,
    remote: BTreeMap<u8, u8>,
    stale: BTreeSet<u8>,
    peer: BTreeMap<u8, u8>,
    dataplane: BTreeMap<u8, u8>,
    snapshot: Snapshot<u8>,
}

impl Model {
    fn step(&mut self, table: &mut Table<Toy>, step: &Step) {
        match *step {
            Step::Hear(key, Some(_)) if table.is_full_for_remote(&key) => {}
            Step::Observe(key, Some(what)) => self.observe(table, key, what),
            Step::Observe(key, None) => {
                observe(table, key, None);
                self.own.remove(&key);
                self.local.remove(&key);
            }
            Step::Hear(key, what) => {
                hear(table, key, what);
                self.stale.remove(&key);
                match what {
                    Some(what) => {
                        self.local.remove(&key);
                        self.remote.insert(key, what);
                    }
                    None => drop(self.remote.remove(&key)),
                }
            }
            Step::Listing(named) => self.list(table, named),
            Step::Session(true) => table.start_advertising(|_, _| {}),
            Step::Session(false) => {
                table.session_down(|_, _, _| false);
                self.peer.clear();
                self.stale = self.remote.keys().copied().collect();
            }
            Step::Purge => {
                table.purge_stale();
                let stale = std::mem::take(&mut self.stale);
                self.remote.retain(|key, _| !stale.contains(key));
            }
            Step::Dataplane(is_same) => {
                table.dataplane_up();
                self.snapshot.abandon();
                if is_same {
                    table.complete();
                } else {
                    self.dataplane.clear();
                }
            }
            Step::Room(peer, dataplane) => self.send(table, peer, dataplane),
        }
    }

    fn observe(&mut self, table: &mut Table<Toy>, key: u8, what: u8) {
        let full = self.local.len() >= Toy::MAX_ENTRIES || table.len() >= 2 * Toy::MAX_ENTRIES;
        if table.is_full_for_local(&key) {
            return assert!(full, "{key}");
        }
        // One of the peer's made room, perhaps.
        let remote = |key: &u8| table.get(key).is_some_and(|entry| entry.remote.is_some());
        self.remote.retain(|key, _| remote(key));
        self.stale.retain(remote);
        observe(table, key, Some(what));
        self.own.insert(key, what);
        self.local.insert(key, what);
        self.remote.remove(&key);
        self.stale.remove(&key);
    }

    fn list(&mut self, table: &mut Table<Toy>, named: Option<usize>) {
        table.listing_begins(|_| true);
        let Some(named) = named else {
            return; // it will begin anew
        };
        for (key, what) in self.own.clone().into_iter().take(named) {
            self.observe(table, key, what);
        }
        let gone: Vec<u8> = self.own.keys().copied().skip(named).collect();
        self.own.retain(|key, _| !gone.contains(key));
        let own = &self.own;
        self.local.retain(|key, _| own.contains_key(key));
        table.listing_ends(|_, entry, _| {
            entry.local = None;
            entry.superseded = None;
        });
    }

    fn send(&mut self, table: &mut Table<Toy>, peer: usize, dataplane: usize) {
        for lane in 0..Toy::LANES {
            let records = table.next_advertisements(lane, peer, |op, key, what| {
                assert_eq!(Toy::lane(&key), lane);
                Some((op, key, what))
            });
            assert!(records.len() <= peer);
            for (op, key, what) in records {
                assert!(table.is_advertising());
                match op {
                    EntryOp::Add => drop(self.peer.insert(key, what)),
                    _ => assert_eq!(self.peer.remove(&key), Some(what), "{key}"),
                }
            }
        }
        for op in ops(table, dataplane) {
            match op {
                Operation::SnapshotBegin => self.snapshot.begin(),
                Operation::Program { key, want } => {
                    self.snapshot.name(key);
                    self.own.remove(&key);
                    self.dataplane.insert(key, want);
                }
                Operation::Release { key, forget } => {
                    self.snapshot.withdraw(&key);
                    if forget {
                        self.own.remove(&key);
                    }
                    let was_there = self.dataplane.remove(&key).is_some();
                    assert!(was_there || forget, "{key}");
                }
                Operation::SnapshotEnd => {
                    let named = self.snapshot.end().expect("it began");
                    self.dataplane.retain(|key, _| named.contains(key));
                }
            }
        }
    }

    fn check(&self, table: &Table<Toy>) {
        let observed = table
            .iter(None)
            .filter(|(_, e)| e.local.is_some() || e.remote.is_some());
        assert!(observed.count() <= Toy::MAX_ENTRIES);
        assert!(table.len() <= 2 * Toy::MAX_ENTRIES);
        for (key, entry) in table.iter(None) {
            assert_eq!(
                entry.local,
                self.local.get(&key).copied(),
                "{key} {entry:?}"
            );
            assert_eq!(
                entry.remote,
                self.remote.get(&key).copied(),
                "{key} {entry:?}"
            );
            assert_eq!(entry.stale, self.stale.contains(&key), "{key} {entry:?}");
        }
        let known = self.local.keys().chain(self.remote.keys());
        assert!(known.into_iter().all(|key| table.contains(key)));
    }

    /// Everything was sent.
    fn check_sent(&self, table: &Table<Toy>) {
        assert_eq!(self.dataplane, self.remote);
        assert_eq!(self.own, self.local, "what is not ours was forgotten");
        if table.is_advertising() {
            assert_eq!(self.peer, self.local);
        }
        let known = self.local.len() + self.remote.len();
        let idle = table.iter(None).filter(|(_, entry)| entry.is_idle());
        assert_eq!((table.len(), idle.count()), (known, 0));
    }
}

proptest! {
    #[test]
    fn whatever_happens_everybody_ends_with_what_is_true(
        steps in prop::collection::vec(step(), 1..80),
    ) {
        let (mut table, mut model) = (Table::default(), Model::default());
        for step in &steps {
            model.step(&mut table, step);
            model.check(&table);
        }
        model.send(&mut table, 100, 100);
        model.check_sent(&table);
    }
}
