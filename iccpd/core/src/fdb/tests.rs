//! One test per row of `spec/behaviour.md` 9.13 that the table decides, and per rule of 9.3–9.5, for
//! a dataplane that tracks what is installed. `unreported.rs`: for one that does not.

mod configured;
mod rows;
mod unreported;

use super::*;
use crate::links::Vids;
use crate::table::Policy as _;
use mclag_proto::sync::snapshot::Snapshot;
use mclag_proto::{Mac, Vid};
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::time::Duration;

fn port(text: &str) -> IfName {
    IfName::new(text).unwrap()
}

fn ports() -> Ports {
    Ports {
        mlag: [port("bond1"), port("bond2")].into(),
        peer_link: Some(port("peerlink")),
        ..Ports::default()
    }
}

const KEY: FdbKey = FdbKey {
    vid: Vid::DEFAULT,
    mac: Mac([2, 0, 0, 0, 0, 7]),
};

struct Fixture {
    fdb: Fdb,
    /// What the peer and the dataplane know from what they were sent.
    peer: BTreeMap<FdbKey, Place>,
    dataplane: BTreeMap<FdbKey, FdbWant>,
    snapshot: Snapshot<FdbKey>,
}

impl Fixture {
    fn new() -> Self {
        Self::with(ports())
    }

    fn with(ports: Ports) -> Self {
        let mut fdb = Fdb::default();
        fdb.set_ports(ports, false);
        fdb.session_up(false);
        Self {
            fdb,
            peer: BTreeMap::new(),
            dataplane: BTreeMap::new(),
            snapshot: Snapshot::default(),
        }
    }

    /// Ports change while both are synchronised.
    fn change<R>(&mut self, change: impl FnOnce(&mut Ports) -> R) -> &mut Self {
        let mut ports = self.fdb.ports().clone();
        change(&mut ports);
        self.fdb.set_ports(ports, true);
        self
    }

    fn learn(&mut self, on: &str) -> &mut Self {
        let observation = Observation::Learned {
            port: port(on),
            configured: false,
        };
        self.fdb.local_observation(KEY, observation, Time::ZERO);
        self
    }

    fn observation(&mut self, observation: Observation) -> &mut Self {
        self.fdb.local_observation(KEY, observation, Time::ZERO);
        self
    }

    fn peer(&mut self, op: EntryOp, on: &str) -> &mut Self {
        self.peer_of_kind(op, on, MacType::Dynamic)
    }

    fn peer_of_kind(&mut self, op: EntryOp, on: &str, kind: MacType) -> &mut Self {
        let entry = MacEntry {
            op,
            kind,
            mac: KEY.mac,
            vid: KEY.vid,
            port: port(on),
        };
        self.fdb.remote_entry(&entry, false);
        self
    }

    fn advertised(&mut self) -> Vec<(EntryOp, String)> {
        self.advertise(100)
            .into_iter()
            .map(|e| (e.op, e.port.to_string()))
            .collect()
    }

    fn ops(&mut self) -> Vec<Op> {
        self.program(100)
    }

    /// The peer has room for so many.
    fn advertise(&mut self, max: usize) -> Vec<MacEntry> {
        let batch = self.fdb.next_advertisements(max);
        assert!(batch.len() <= max);
        for &MacEntry {
            op,
            kind,
            mac,
            vid,
            port,
        } in &batch
        {
            let key = FdbKey { vid, mac };
            let configured = kind == MacType::Static;
            match op {
                EntryOp::Add => drop(self.peer.insert(key, Place { port, configured })),
                _ => drop(self.peer.remove(&key)),
            }
        }
        batch
    }

    /// The dataplane has room for so many.
    fn program(&mut self, max: usize) -> Vec<Op> {
        let mut ops = Vec::new();
        self.fdb.next_ops(max, &mut ops);
        for op in &ops {
            match op {
                Op::SnapshotBegin(Section::Fdb) => self.snapshot.begin(),
                Op::Fdb { key, want } => {
                    self.snapshot.name(*key);
                    self.dataplane.insert(*key, *want);
                }
                Op::FdbRelease { key, .. } => {
                    self.snapshot.withdraw(key);
                    self.dataplane.remove(key);
                }
                Op::SnapshotEnd(Section::Fdb) => {
                    let named = self.snapshot.end().expect("it began");
                    self.dataplane.retain(|key, _| named.contains(key));
                }
                other => panic!("{other:?}"),
            }
        }
        ops
    }
}

fn tracked(on: &str) -> Op {
    Op::Fdb {
        key: KEY,
        want: FdbWant {
            port: port(on),
            kind: FdbKind::Tracked,
        },
    }
}

fn release() -> Op {
    Op::FdbRelease {
        key: KEY,
        forget: false,
    }
}

fn forget() -> Op {
    Op::FdbRelease {
        key: KEY,
        forget: true,
    }
}

#[test]
fn a_host_seen_here_alone_is_left_to_the_kernel_and_announced() {
    let mut f = Fixture::new();
    f.learn("bond1");
    assert_eq!(f.ops(), []);
    assert_eq!(f.advertised(), [(EntryOp::Add, "bond1".into())]);
    assert_eq!(f.learn("bond1").advertised(), [], "said once");
}

#[test]
fn a_host_the_peer_sees_on_an_mlag_port_is_programmed_on_ours() {
    let mut f = Fixture::new();
    assert_eq!(f.peer(EntryOp::Add, "bond1").ops(), [tracked("bond1")]);
    assert_eq!(f.advertised(), []);
}

#[test]
fn a_host_on_an_orphan_port_of_the_peer_is_behind_the_peer_link() {
    let mut f = Fixture::new();
    assert_eq!(f.peer(EntryOp::Add, "swp10").ops(), [tracked("peerlink")]);
}

#[test]
fn without_a_peer_link_the_peers_orphans_are_not_programmed() {
    let mut f = Fixture::new();
    f.change(|ports| ports.peer_link = None);
    assert_eq!(f.peer(EntryOp::Add, "swp10").ops(), []);
}

#[test]
fn an_address_in_a_vlan_the_port_does_not_carry_is_not_programmed() {
    let mut f = Fixture::new();
    f.change(|ports| ports.vids.insert(port("peerlink"), Vids::default()));
    assert_eq!(f.peer(EntryOp::Add, "swp10").ops(), []);
    f.change(|ports| {
        ports
            .vids
            .insert(port("peerlink"), BTreeSet::from([KEY.vid]).into())
    });
    assert_eq!(f.ops(), [tracked("peerlink")]);
}

#[test]
fn an_mlag_port_missing_here_is_reached_through_the_peer_link() {
    let mut f = Fixture::new();
    f.change(|ports| ports.vids.insert(port("bond1"), Vids::default()));
    assert_eq!(f.peer(EntryOp::Add, "bond1").ops(), [tracked("peerlink")]);
}

#[test]
fn an_entry_goes_when_neither_side_sees_the_host() {
    let mut f = Fixture::new();
    f.learn("bond1").peer(EntryOp::Add, "bond1");
    assert_eq!(f.ops(), [tracked("bond1")]);
    assert_eq!(f.advertised(), [(EntryOp::Add, "bond1".into())]);
    f.observation(Observation::Inactive);
    assert_eq!(f.ops(), [], "the peer still sees it");
    assert_eq!(f.advertised(), [(EntryOp::Delete, "bond1".into())]);
    f.peer(EntryOp::Delete, "bond1");
    assert_eq!(f.ops(), [release()]);
    assert!(f.fdb.is_empty());
}

#[test]
fn an_entry_the_peer_no_longer_sees_is_handed_over_to_local_ageing() {
    let mut f = Fixture::new();
    f.peer(EntryOp::Add, "bond1")
        .observation(Observation::Active {
            port: port("bond1"),
        });
    assert_eq!(f.ops(), [tracked("bond1")]);
    f.peer(EntryOp::Delete, "bond1");
    assert_eq!(f.ops(), [release()]);
}

/// Invariant 6 of section 21: orphan(A) → orphan(B) → MLAG → orphan(A).
#[test]
fn a_moving_host_is_followed_and_every_move_is_announced() {
    let mut f = Fixture::new();
    f.learn("swp10");
    assert_eq!(f.advertised(), [(EntryOp::Add, "swp10".into())]);
    // To the peer's orphan port.
    f.peer(EntryOp::Add, "swp11");
    assert_eq!(f.ops(), [tracked("peerlink")]);
    assert_eq!(f.advertised(), [(EntryOp::Delete, "swp10".into())]);
    // To the MLAG port, first seen by the peer.
    f.peer(EntryOp::Add, "bond1");
    assert_eq!(f.ops(), [tracked("bond1")]);
    // Back to our orphan port.
    f.observation(Observation::Moved {
        port: port("swp10"),
    });
    assert_eq!(f.ops(), [release()]);
    assert_eq!(f.advertised(), [(EntryOp::Add, "swp10".into())]);
}

/// Two chassis that claim a host at the same moment both withdraw. The kernel must not be left
/// with an entry that it will not report again.
#[test]
fn a_host_that_both_sides_claimed_and_withdrew_is_forgotten_by_the_kernel_too() {
    let mut f = Fixture::new();
    f.learn("swp10").advertised();
    f.peer(EntryOp::Add, "swp11").peer(EntryOp::Delete, "swp11");
    assert_eq!(f.ops(), [forget()]);
    assert_eq!(f.ops(), [], "once");
    assert_eq!(
        f.learn("swp10").advertised(),
        [],
        "nothing new: the withdrawal never left"
    );
}

/// The host spoke here after the entry was installed, which then is active: a release alone would
/// leave it to a kernel that has nothing new to report.
#[test]
fn an_observation_that_the_peer_displaced_is_forgotten_even_if_an_entry_was_installed_before() {
    let mut f = Fixture::new();
    f.peer(EntryOp::Add, "swp11");
    assert_eq!(f.ops(), [tracked("peerlink")]);
    f.observation(Observation::Active {
        port: port("swp10"),
    });
    f.peer(EntryOp::Add, "swp11").peer(EntryOp::Delete, "swp11");
    assert_eq!(f.ops(), [forget()]);
}

/// What was told before is wanted again, but the host moved the entry in between.
#[test]
fn an_entry_that_the_host_moved_is_named_again_when_the_peer_displaces_it() {
    let mut f = Fixture::new();
    f.peer(EntryOp::Add, "swp11");
    assert_eq!(f.ops(), [tracked("peerlink")]);
    f.observation(Observation::Active {
        port: port("swp10"),
    });
    f.peer(EntryOp::Add, "swp11");
    assert_eq!(f.ops(), [tracked("peerlink")]);
    assert_eq!(f.ops(), [], "once");
}

/// It fell silent here before the peer could hear of it: the peer's observation stands, and the entry is
/// where the host left it.
#[test]
fn an_entry_that_a_host_moved_for_a_moment_is_named_again() {
    let mut f = Fixture::new();
    f.peer(EntryOp::Add, "swp11");
    assert_eq!(f.ops(), [tracked("peerlink")]);
    f.observation(Observation::Active {
        port: port("swp10"),
    });
    f.observation(Observation::Inactive);
    assert_eq!(f.ops(), [tracked("peerlink")]);
    assert_eq!((f.ops(), f.advertised()), (vec![], vec![]), "once");
}

/// The dataplane would not say again what it had said, and was never told otherwise.
#[test]
fn a_host_that_both_see_on_an_mlag_port_counts_as_seen_here_though_the_peer_erred_in_between() {
    let mut f = Fixture::new();
    f.learn("bond1").advertised();
    f.peer(EntryOp::Add, "swp11");
    assert_eq!(f.advertised(), [(EntryOp::Delete, "bond1".into())]);
    f.peer(EntryOp::Add, "bond1");
    assert_eq!(f.advertised(), [(EntryOp::Add, "bond1".into())]);
    assert_eq!(f.ops(), [tracked("bond1")]);
    f.peer(EntryOp::Delete, "bond1");
    assert_eq!(f.ops(), [release()]);
    assert_eq!(f.advertised(), [], "still seen here");
}

/// W-14: a move between two local ports was never announced.
#[test]
fn a_move_between_two_local_ports_is_announced() {
    let mut f = Fixture::new();
    f.learn("swp10").advertised();
    assert_eq!(
        f.learn("bond1").advertised(),
        [(EntryOp::Add, "bond1".into())]
    );
}

/// W-15: an orphan port of the same name on both chassis is two different places.
#[test]
fn orphan_ports_of_the_same_name_are_different_places() {
    let mut f = Fixture::new();
    f.learn("swp10").peer(EntryOp::Add, "swp10");
    assert_eq!(f.ops(), [tracked("peerlink")]);
    assert_eq!(f.advertised(), [], "never told, so nothing to withdraw");
}

/// Input: no interface has the name of the peer link, and all that is behind the peer is learned on the one that leads to
/// it. Output: none of it is claimed from the peer, until there is a peer link.
#[test]
fn without_a_peer_link_nothing_behind_other_ports_is_advertised() {
    let mut f = Fixture::new();
    f.change(|ports| ports.peer_link_missing = true);
    assert_eq!(f.learn("otherlink").advertised(), []);
    assert_eq!(
        f.learn("bond1").advertised(),
        [(EntryOp::Add, "bond1".to_owned())]
    );
    assert_eq!(
        f.learn("otherlink").advertised(),
        [(EntryOp::Delete, "bond1".to_owned())]
    );
    f.change(|ports| ports.peer_link_missing = false);
    assert_eq!(f.advertised(), [(EntryOp::Add, "otherlink".to_owned())]);
}

/// Where the address stands in the peer's order of moves.
fn order(sequence: u16, age: Option<Duration>) -> MacOrder {
    let FdbKey { vid, mac } = KEY;
    MacOrder {
        mac,
        vid,
        sequence,
        age,
    }
}

/// Input: a host that this chassis saw behind its single-homed port while no interface has the name of the peer link; the
/// peer saw it behind a port of both before that, or after. Output: it is where it was seen last, and the peer hears so when
/// there is a peer link.
#[test]
fn what_waits_for_a_peer_link_gives_way_to_what_was_seen_later() {
    for (age, is_here) in [(50, true), (10, false)] {
        let mut f = Fixture::new();
        f.fdb.session_up(true);
        f.change(|ports| ports.peer_link_missing = true);
        let observation = Observation::Learned {
            port: port("swp10"),
            configured: false,
        };
        let at = |millis| Time::new(Duration::from_millis(millis));
        f.fdb.local_observation(KEY, observation, at(80));
        let age = Duration::from_millis(age);
        f.fdb.remote_orders(&[order(1, Some(age))], at(100));
        f.peer(EntryOp::Add, "bond1");
        assert_eq!(f.advertised(), []);
        let want = (!is_here).then(|| tracked("bond1"));
        assert_eq!(f.ops(), Vec::from_iter(want), "{age:?}");
        f.change(|ports| ports.peer_link_missing = false);
        let advertised = is_here.then(|| (EntryOp::Add, "swp10".to_owned()));
        assert_eq!(f.advertised(), Vec::from_iter(advertised), "{age:?}");
    }
}

/// Input: the dataplane lists what it sees once more, for it lost events or is back, and has a host elsewhere; the session is
/// a new one, and the peer saw the host before that, or after. Output: it is where it was seen last.
#[test]
fn what_a_listing_has_otherwise_was_seen_later_than_all_before() {
    for (is_down, age, is_here) in [
        (false, 50, true),
        (false, 10, false),
        (true, 50, true),
        // Between the loss and the listing nobody knows.
        (true, 35, false),
    ] {
        let at = |millis| Time::new(Duration::from_millis(millis));
        let mut f = Fixture::new();
        f.fdb.session_up(true);
        f.fdb.local_listing_begins(at(1));
        f.fdb.local_listing_ends();
        f.peer(EntryOp::Add, "swp10");
        let _ = (f.ops(), f.advertised());
        if is_down {
            f.fdb.syncd_down(at(60));
            f.fdb.syncd_up();
        }
        f.fdb.local_listing_begins(at(80));
        let observation = Observation::Learned {
            port: port("bond1"),
            configured: false,
        };
        f.fdb.local_observation(KEY, observation, at(81));
        f.fdb.local_listing_ends();
        f.fdb.session_down(false);
        f.fdb.session_up(true);
        let age = Duration::from_millis(age);
        f.fdb.remote_orders(&[order(1, Some(age))], at(100));
        let entry = MacEntry {
            op: EntryOp::Add,
            kind: MacType::Dynamic,
            mac: KEY.mac,
            vid: KEY.vid,
            port: port("swp10"),
        };
        f.fdb.remote_entry(&entry, true);
        let entry = f.fdb.table.get(&KEY).unwrap();
        assert_eq!(entry.local.is_some(), is_here, "{is_down} {age:?}");
    }
}

/// Input: the peer link is missing for a while. Output: the peer's table is left alone, but for a host that is elsewhere
/// now: that may be the way to the peer.
#[test]
fn what_the_peer_heard_of_single_homed_ports_stands_while_there_is_no_peer_link() {
    let mut f = Fixture::new();
    f.learn("swp10").advertised();
    f.change(|ports| ports.peer_link_missing = true);
    assert_eq!(f.learn("swp10").advertised(), []);
    f.change(|ports| ports.peer_link_missing = false);
    assert_eq!(f.advertised(), []);
    f.change(|ports| ports.peer_link_missing = true);
    assert_eq!(
        f.learn("swp11").advertised(),
        [(EntryOp::Delete, "swp10".to_owned())]
    );
    f.change(|ports| ports.peer_link_missing = false);
    assert_eq!(f.advertised(), [(EntryOp::Add, "swp11".to_owned())]);
}

/// `docs/adr/0019-order-of-moves.md`: each is newer than the other where sequences are 0x8000 apart.
#[test]
fn two_that_observe_a_host_as_far_apart_as_can_be_agree_and_fall_silent() {
    let tell = |from: &mut Fixture, to: &mut Fixture, is_primary| {
        let batch = from.fdb.next_advertisements(100);
        let orders = from.fdb.orders_of(&batch, Time::ZERO);
        to.fdb.remote_orders(&orders, Time::ZERO);
        for entry in &batch {
            to.fdb.remote_entry(entry, is_primary);
        }
        batch.len()
    };
    let chassis = |sequences: &[u16]| {
        let mut f = Fixture::new();
        f.fdb.session_up(true);
        for &sequence in sequences {
            let order = order(sequence, None);
            f.fdb.remote_orders(&[order], Time::ZERO);
            f.peer(EntryOp::Add, "orphan2");
        }
        f.learn("orphan");
        let [order] = f
            .fdb
            .orders_of(&f.fdb.clone().next_advertisements(1), Time::ZERO)[..]
        else {
            panic!("nothing to tell");
        };
        assert_eq!(order.sequence, sequences.last().unwrap() + 1);
        f
    };
    let mut primary = chassis(&[7]);
    let mut secondary = chassis(&[0x7000, 0x8007]);
    let mut told = 0;
    for _ in 0..10 {
        told = tell(&mut primary, &mut secondary, false);
        told += tell(&mut secondary, &mut primary, true);
    }
    assert_eq!(told, 0, "they never agree");
    let entry = |f: &Fixture| {
        f.fdb
            .table
            .get(&KEY)
            .map(|e| (e.local.is_some(), e.remote.is_some()))
    };
    assert_eq!(entry(&primary), Some((true, false)));
    assert_eq!(entry(&secondary), Some((false, true)));
}

/// Input: both see a host on an MLAG port, and the peer withdraws it. Output: it hears again that the host is seen here, if
/// what it saw since was elsewhere, perhaps: then it has given up what it had heard.
#[test]
fn what_the_peer_may_have_given_up_is_advertised_again_when_it_withdraws_its_own() {
    for (sequence, again) in [
        (None, &[][..]),
        (Some(4), &[(EntryOp::Add, "bond1".to_owned())]),
    ] {
        let mut f = Fixture::new();
        f.fdb.session_up(true);
        f.learn("bond1").advertised();
        let order = sequence.map(|sequence| order(sequence, None));
        f.fdb.remote_orders(order.as_slice(), Time::ZERO);
        assert_eq!(f.peer(EntryOp::Add, "bond1").advertised(), []);
        assert_eq!(f.peer(EntryOp::Delete, "bond1").advertised(), again);
    }
}

#[test]
fn a_configured_address_does_not_follow_a_learned_one() {
    let mut f = Fixture::new();
    f.observation(Observation::Learned {
        port: port("swp10"),
        configured: true,
    });
    f.peer(EntryOp::Add, "bond1");
    assert_eq!(f.ops(), []);
    // And the other way round.
    let mut f = Fixture::new();
    f.peer_of_kind(EntryOp::Add, "bond1", MacType::Static).ops();
    f.learn("swp10");
    let want = FdbWant {
        port: port("bond1"),
        kind: FdbKind::Static,
    };
    assert_eq!(f.ops(), [Op::Fdb { key: KEY, want }], "put back");
    assert_eq!(f.advertised(), []);
}

#[test]
fn group_and_zero_addresses_are_ignored() {
    let mut f = Fixture::new();
    for mac in [Mac::ZERO, Mac([0xff; 6]), Mac([1, 0, 0x5e, 0, 0, 1])] {
        let key = FdbKey { mac, ..KEY };
        let observation = Observation::Learned {
            port: port("swp10"),
            configured: false,
        };
        f.fdb.local_observation(key, observation, Time::ZERO);
        let entry = MacEntry {
            op: EntryOp::Add,
            kind: MacType::Dynamic,
            mac,
            vid: KEY.vid,
            port: port("bond1"),
        };
        f.fdb.remote_entry(&entry, false);
    }
    assert!(f.fdb.is_empty());
}

#[test]
fn an_address_seen_on_the_peer_link_is_not_ours_to_announce() {
    let mut f = Fixture::new();
    assert_eq!(f.learn("peerlink").advertised(), []);
}

#[test]
fn what_the_peer_said_outlives_its_session_until_it_is_purged() {
    let mut f = Fixture::new();
    f.peer(EntryOp::Add, "bond1").ops();
    f.fdb.session_down(false);
    assert_eq!(f.ops(), []);
    assert_eq!(f.fdb.counts().stale, 1);
    f.fdb.session_up(false);
    f.peer(EntryOp::Add, "bond1");
    f.fdb.purge_stale();
    assert_eq!(f.ops(), [], "it was said again");
    f.fdb.session_down(false);
    f.fdb.purge_stale();
    assert_eq!(f.ops(), [release()]);
}

#[test]
fn a_new_session_hears_of_every_local_address_again() {
    let mut f = Fixture::new();
    f.learn("bond1").advertised();
    f.fdb.session_down(false);
    f.fdb.session_up(false);
    assert_eq!(f.advertised(), [(EntryOp::Add, "bond1".into())]);
}

#[test]
fn an_address_missing_from_a_listing_is_no_longer_seen_here() {
    let mut f = Fixture::new();
    f.learn("bond1").advertised();
    f.fdb.local_listing_begins(Time::ZERO);
    f.fdb.local_listing_ends();
    assert_eq!(f.advertised(), [(EntryOp::Delete, "bond1".into())]);
    assert!(f.fdb.is_empty());
}

#[test]
fn a_snapshot_names_all_that_is_wanted_in_pieces_of_any_size() {
    let mut f = Fixture::new();
    let mut wanted = Vec::new();
    for n in 0..10 {
        let mac = Mac([2, 0, 0, 0, 1, n]);
        let entry = MacEntry {
            op: EntryOp::Add,
            kind: MacType::Dynamic,
            mac,
            vid: KEY.vid,
            port: port("bond1"),
        };
        f.fdb.remote_entry(&entry, false);
        wanted.push(mac);
    }
    f.learn("swp10");
    f.fdb.syncd_up();
    f.fdb.complete();
    let mut ops = Vec::new();
    for _ in 0..100 {
        f.fdb.next_ops(3, &mut ops);
    }
    assert_eq!(ops.first(), Some(&Op::SnapshotBegin(Section::Fdb)));
    assert_eq!(ops.last(), Some(&Op::SnapshotEnd(Section::Fdb)));
    let named: Vec<Mac> = ops
        .iter()
        .filter_map(|op| match op {
            Op::Fdb { key, .. } => Some(key.mac),
            _ => None,
        })
        .collect();
    assert_eq!(
        named, wanted,
        "each once, in order, and nothing that is the kernel's own"
    );
}

#[test]
fn pages_continue_where_the_last_one_ended() {
    let mut f = Fixture::new();
    for n in 0..5 {
        let key = FdbKey {
            mac: Mac([2, 0, 0, 0, 0, n]),
            ..KEY
        };
        let observation = Observation::Learned {
            port: port("swp10"),
            configured: false,
        };
        f.fdb.local_observation(key, observation, Time::ZERO);
    }
    let (first, next) = f.fdb.page(None, 3);
    let (second, end) = f.fdb.page(next, 3);
    assert_eq!((first.len(), second.len(), end), (3, 2, None));
    assert!(first.last().unwrap().mac < second[0].mac);
}

#[test]
fn a_peer_cannot_fill_the_memory_with_addresses() {
    let mut f = Fixture::new();
    let entry = |n: usize| {
        let [_, _, _, _, a, b, c, d] = (n as u64).to_be_bytes();
        let mac = Mac([2, 1, a, b, c, d]);
        let (op, kind) = (EntryOp::Add, MacType::Dynamic);
        MacEntry {
            op,
            kind,
            mac,
            vid: KEY.vid,
            port: port("bond1"),
        }
    };
    for n in 0..MAX_ENTRIES + 10 {
        f.fdb.remote_entry(&entry(n), false);
    }
    assert_eq!(f.fdb.len(), MAX_ENTRIES);
    assert_eq!(f.fdb.ignored(), 10);
    assert_ne!(
        f.learn("swp10").advertised(),
        [],
        "one from here takes the place of one"
    );
    assert_eq!((f.fdb.counts().local, f.fdb.ignored()), (1, 11));
}

#[test]
fn a_wanted_entry_that_vanished_is_named_again() {
    let mut f = Fixture::new();
    assert_eq!(f.peer(EntryOp::Add, "bond1").ops(), [tracked("bond1")]);
    assert_eq!(f.observation(Observation::Inactive).ops(), []);
    assert_eq!(f.observation(Observation::Aged).ops(), [tracked("bond1")]);
}

/// Something that can happen to a table, drawn at random.
#[derive(Clone, Debug)]
enum Step {
    Observation(FdbKey, Observation),
    Peer(MacEntry),
    Down(bool, IfName, Option<Outage>),
    PeerLink(bool),
    Mlag(IfName, bool),
    Vlan(IfName, bool),
    Unreported(bool),
    SessionDown(bool),
    SessionUp,
    SyncdUp(bool),
    Purge,
    Listing,
    /// The peer and the dataplane have room for so many.
    Room(usize, usize),
    Drain,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let key = || {
        (1_u8..4).prop_map(|n| FdbKey {
            mac: Mac([2, 0, 0, 0, 0, n]),
            ..KEY
        })
    };
    let names = || prop::sample::select(vec!["bond1", "bond2", "swp10", "peerlink"]).prop_map(port);
    let mlag = || prop::sample::select(vec!["bond1", "bond2"]).prop_map(port);
    let outage = prop::option::of(prop::sample::select(vec![Outage::Fresh, Outage::Long]));
    let observation = (names(), prop::bool::weighted(0.2), 0..5).prop_map(
        |(port, configured, kind)| match kind {
            0 => Observation::Aged,
            1 => Observation::Inactive,
            2 => Observation::Moved { port },
            _ => Observation::Learned { port, configured },
        },
    );
    let entry = (key(), names(), any::<bool>(), prop::bool::weighted(0.2)).prop_map(
        |(key, port, add, fixed)| MacEntry {
            op: if add { EntryOp::Add } else { EntryOp::Delete },
            kind: if fixed {
                MacType::Static
            } else {
                MacType::Dynamic
            },
            mac: key.mac,
            vid: key.vid,
            port,
        },
    );
    let step = prop_oneof![
        4 => (key(), observation).prop_map(|(key, observation)| Step::Observation(key, observation)),
        4 => entry.prop_map(Step::Peer),
        3 => (any::<bool>(), mlag(), outage).prop_map(|(here, name, how)| Step::Down(here, name, how)),
        1 => any::<bool>().prop_map(Step::PeerLink),
        1 => (mlag(), any::<bool>()).prop_map(|(name, is)| Step::Mlag(name, is)),
        1 => (names(), any::<bool>()).prop_map(|(name, is)| Step::Vlan(name, is)),
        1 => prop::bool::weighted(0.9).prop_map(Step::Unreported),
        1 => any::<bool>().prop_map(Step::SessionDown),
        2 => Just(Step::SessionUp),
        1 => any::<bool>().prop_map(Step::SyncdUp),
        1 => Just(Step::Purge),
        1 => Just(Step::Listing),
        4 => (0..3_usize, 0..4_usize).prop_map(|(peer, syncd)| Step::Room(peer, syncd)),
        2 => Just(Step::Drain),
    ];
    prop::collection::vec(step, 1..60)
}

impl Fixture {
    fn step(&mut self, step: &Step) {
        match step.clone() {
            Step::Observation(key, observation) => {
                self.fdb.local_observation(key, observation, Time::ZERO)
            }
            Step::Peer(entry) => self.fdb.remote_entry(&entry, false),
            Step::Down(true, name, Some(how)) => {
                self.change(|ports| ports.down.insert(name, how));
            }
            Step::Down(true, name, None) => {
                self.change(|ports| ports.down.remove(&name));
            }
            Step::Down(false, name, how) => {
                self.change(|ports| ports.at_peer.insert(name, how.is_none()));
            }
            Step::PeerLink(up) => {
                self.change(|ports| ports.peer_link_down = !up);
            }
            Step::Mlag(name, true) => {
                self.change(|ports| ports.mlag.insert(name));
            }
            Step::Mlag(name, false) => {
                self.change(|ports| ports.mlag.remove(&name));
            }
            Step::Vlan(name, true) => {
                self.change(|ports| ports.vids.remove(&name));
            }
            Step::Vlan(name, false) => {
                self.change(|ports| ports.vids.insert(name, Vids::default()));
            }
            Step::Unreported(is) => {
                self.change(|ports| ports.unreported = is);
            }
            Step::SessionDown(release) => {
                self.fdb.session_down(release);
                self.peer.clear();
            }
            Step::SessionUp if self.fdb.table.is_advertising() => {}
            Step::SessionUp => self.fdb.session_up(false),
            Step::SyncdUp(complete) => {
                self.fdb.syncd_up();
                self.snapshot.abandon();
                if complete {
                    self.fdb.complete();
                } else {
                    self.dataplane.clear();
                }
            }
            Step::Purge => self.fdb.purge_stale(),
            Step::Listing => {
                self.fdb.local_listing_begins(Time::ZERO);
                self.fdb.local_listing_ends();
            }
            Step::Room(peer, syncd) => drop((self.advertise(peer), self.program(syncd))),
            Step::Drain => drop((self.ops(), self.advertised())),
        }
    }

    /// Once everything was said, what was said is what is true.
    fn check(&mut self) {
        self.ops();
        self.advertised();
        let entries: Vec<_> = self.fdb.table.iter(None).collect();
        let programmed = entries
            .iter()
            .filter_map(|(k, e)| Some((*k, e.programmed?)));
        assert_eq!(self.dataplane, programmed.collect());
        let advertised = entries
            .iter()
            .filter_map(|(k, e)| Some((*k, e.advertised?)));
        assert_eq!(self.peer, advertised.collect());
        let policy = self.fdb.table.policy();
        let ports = &policy.ports;
        for (key, entry) in self.fdb.table.iter(None) {
            assert!(!entry.is_idle(), "{key:?} {entry:?}");
            assert_eq!(
                entry.programmed,
                policy.program(key, &entry),
                "{key:?} {entry:?}"
            );
            if self.fdb.table.is_advertising() {
                let for_peer = policy.advertise(key, &entry);
                assert_eq!(entry.advertised, for_peer, "{key:?} {entry:?}");
            }
            let local = entry.local.map(|local| local.place);
            let are_configured =
                |local: Place| local.configured && entry.remote.is_some_and(|it| it.configured);
            if let (Some(local), Some(remote)) =
                (local.filter(|it| !are_configured(*it)), entry.remote)
            {
                assert_eq!(local.port, remote.port, "{key:?}: a host is in one place");
                assert!(ports.is_mlag(&local.port), "{key:?}: W-15");
            }
            // Invariant 4 of section 21.
            let origin = local.or(entry.remote).map(|place| place.port);
            let over_peer_link = entry
                .programmed
                .is_some_and(|want| Some(want.port) == ports.peer_link);
            if let Some(origin) = origin.filter(|name| ports.is_mlag(name)) {
                let up = ports.outage(&origin).is_none() && ports.carries(&origin, key.vid);
                assert!(!(up && over_peer_link), "{key:?} {entry:?}");
            }
            let waits = |local: Local| local.standing == Standing::ViaPeerLink;
            assert!(!entry.local.is_some_and(waits) || ports.outage(&origin.unwrap()).is_some());
        }
    }
}

/// On both chassis it is another place from then on (W-15), and what an operator wrote here counts.
#[test]
fn what_is_configured_stays_where_its_port_leaves_the_pair_and_what_the_peer_learned_there_does_not()
 {
    let bond = port("bond1");
    let configured = Observation::Learned {
        port: bond,
        configured: true,
    };
    let learned = MacEntry {
        op: EntryOp::Add,
        kind: MacType::Dynamic,
        mac: KEY.mac,
        vid: KEY.vid,
        port: bond,
    };
    for unreported in [false, true] {
        for before in [None, Some(Step::Vlan(bond, false)), Some(Step::Drain)] {
            let mut f = Fixture::with(Ports {
                unreported,
                ..ports()
            });
            let steps = [
                Step::Observation(KEY, configured),
                Step::Peer(learned),
                Step::Mlag(bond, false),
            ];
            for step in before.iter().chain(&steps) {
                f.step(step);
            }
            f.check();
            let entry = f.fdb.table.get(&KEY).unwrap();
            let local = entry.local.map(|local| local.place);
            let place = Place {
                port: bond,
                configured: true,
            };
            assert_eq!((local, entry.remote), (Some(place), None), "{before:?}");
        }
    }
}

/// A port is gone from the pair for so short a time that neither the dataplane nor the peer has heard what follows: the
/// dataplane, which has the host there, has nothing to report when it speaks again.
#[test]
fn a_host_is_seen_where_it_was_when_its_port_was_away_for_a_moment() {
    let bond = port("bond1");
    let mut f = Fixture::new();
    f.learn("bond1").peer(EntryOp::Add, "bond1");
    f.advertised();
    let before = f.ops();
    assert!(!before.is_empty());
    f.change(|ports| ports.mlag.remove(&bond));
    f.change(|ports| ports.mlag.insert(bond));
    let _ = f.advertised();
    let _ = f.ops();
    f.check();
    let entry = f.fdb.table.get(&KEY).unwrap();
    assert_eq!(
        entry.local,
        Some(
            Place {
                port: bond,
                configured: false
            }
            .into()
        )
    );
    // And so the peer knows the host when its own observation ends.
    f.peer(EntryOp::Delete, "bond1");
    assert_eq!(f.peer[&KEY].port, bond);
}

proptest! {
    #[test]
    fn what_was_said_is_what_is_true_whatever_happened(unreported: bool, steps in steps()) {
        let mut f = Fixture::with(Ports { unreported, ..ports() });
        for step in &steps {
            f.step(step);
        }
        f.check();
    }
}
