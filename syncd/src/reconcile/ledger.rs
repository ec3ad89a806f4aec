//! What is wanted of a dataplane that cannot be read, kept so that it can be sent again: what such a
//! dataplane did not hear while it was away is owed to it.

use mclag_proto::Mac;
use mclag_proto::sync::model::{Op, OpError, Section};

use super::owed::Owed;
use super::wanted::Wanted;

/// Wanted state, but for neighbours, which no such dataplane keeps.
#[derive(Debug)]
pub struct Ledger {
    wanted: Wanted,
    node_mac: Option<Mac>,
}

impl Default for Ledger {
    fn default() -> Self {
        let mut wanted = Wanted::default();
        // The dataplane knows what is in force on it.
        wanted.keep_what_is_in_force(true);
        Self {
            wanted,
            node_mac: None,
        }
    }
}

impl Ledger {
    /// Take in an operation.
    ///
    /// # Errors
    ///
    /// When it cannot be carried out by any dataplane: nobody is to be told of it.
    pub fn accept(&mut self, op: &Op) -> Result<(), OpError> {
        match op {
            Op::NodeMac(mac) => self.node_mac = Some(*mac),
            Op::Neighbour { .. }
            | Op::NeighbourRelease { .. }
            | Op::SnapshotBegin(Section::Neighbours)
            | Op::SnapshotEnd(Section::Neighbours) => {}
            op => drop(self.wanted.apply(op)?),
        }
        Ok(())
    }

    /// What a dataplane that comes back has to be told at once: everything but entries.
    #[must_use]
    pub fn replay(&self) -> Vec<Op> {
        let mut ops: Vec<Op> = self.node_mac.map(Op::NodeMac).into_iter().collect();
        ops.extend(self.wanted.replay());
        ops
    }

    /// The entries that it has to be told behind that.
    #[must_use]
    pub fn owed(&self) -> Owed {
        self.wanted.owed_entries()
    }

    /// The next share of them.
    #[must_use]
    pub fn share(&self, owed: &mut Owed) -> Vec<Op> {
        owed.share(|key| self.wanted.entry(key).copied())
    }

    /// The client is gone: a snapshot that it had begun will not end.
    pub fn client_gone(&mut self) {
        self.wanted.abandon_snapshots();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reconcile::owed::SHARE;
    use mclag_proto::sync::model::{
        DomainWant, FdbKey, FdbKind, FdbWant, InterfaceWant, Isolation, PairState, PortWant,
        Traffic,
    };
    use mclag_proto::{DomainId, IfName, Vid};

    const MAC: Mac = Mac([2, 0, 0, 0, 0, 1]);

    fn name(text: &str) -> IfName {
        IfName::new(text).unwrap()
    }

    fn port(text: &str, isolation: Isolation, traffic: Traffic) -> Op {
        Op::Port {
            port: name(text),
            want: PortWant {
                isolation,
                traffic,
                redirect: true,
                system_mac: Some(MAC),
            },
        }
    }

    fn entry(last: u8) -> Op {
        Op::Fdb {
            key: FdbKey {
                vid: Vid::DEFAULT,
                mac: Mac([2, 0, 0, 0, 1, last]),
            },
            want: FdbWant {
                port: name("bond1"),
                kind: FdbKind::Tracked,
            },
        }
    }

    fn domain() -> Op {
        Op::Domain(DomainWant {
            bridge: name("br0"),
            peer_link: Some(name("peer")),
            peer_link_learning: false,
        })
    }

    /// What a dataplane is told that comes back.
    fn replay(ledger: &Ledger) -> Vec<Op> {
        let mut ops = ledger.replay();
        let mut owed = ledger.owed();
        while owed.has_more() {
            ops.extend(ledger.share(&mut owed));
        }
        ops
    }

    fn ledger_of(ops: &[Op]) -> Ledger {
        let mut ledger = Ledger::default();
        ops.iter().for_each(|op| ledger.accept(op).unwrap());
        ledger
    }

    /// In the order of `spec/behaviour.md` 14.6, whatever the order in which it was said.
    #[test]
    fn everything_that_was_said_is_said_again_once() {
        let begin = Op::SnapshotBegin;
        let end = Op::SnapshotEnd;
        let pair = Op::Pair(PairState {
            domain: DomainId::new(1).unwrap(),
            active: Some(true),
            up: true,
            system_mac: None,
        });
        let remote = Op::RemotePort {
            port: name("bond1"),
            up: true,
        };
        let members = Op::Members {
            port: name("bond1"),
            members: vec![name("eth0")],
        };
        let interface = Op::Interface {
            name: name("vlan10"),
            want: InterfaceWant { mac: MAC },
        };
        let learning = Op::Learning {
            port: name("swp1"),
            learning: false,
        };
        let all = [
            Op::NodeMac(MAC),
            begin(Section::Pair),
            pair,
            remote,
            members,
            end(Section::Pair),
            begin(Section::Ports),
            domain(),
            port("bond1", Isolation::On, Traffic::Held),
            learning,
            end(Section::Ports),
            begin(Section::Interfaces),
            interface,
            end(Section::Interfaces),
            begin(Section::Fdb),
            entry(1),
            end(Section::Fdb),
        ];
        let mut ledger = ledger_of(&all);
        assert_eq!(replay(&ledger), all);
        let release = Op::FdbRelease {
            key: FdbKey {
                vid: Vid::DEFAULT,
                mac: Mac([2, 0, 0, 0, 1, 2]),
            },
            forget: false,
        };
        for op in [entry(2), entry(1), release] {
            ledger.accept(&op).unwrap();
        }
        assert_eq!(replay(&ledger), all);
    }

    /// What is in force stays: a port that nobody decided about is not decided about by a repetition.
    #[test]
    fn keep_stays_keep() {
        let kept = port("bond1", Isolation::Keep, Traffic::Keep);
        assert_eq!(replay(&ledger_of(std::slice::from_ref(&kept))), [kept]);
    }

    /// The end of it is yet to be said, and takes out what was not named since.
    #[test]
    fn a_snapshot_that_is_under_way_is_said_again_as_far_as_it_came() {
        let (begin, end) = (
            Op::SnapshotBegin(Section::Ports),
            Op::SnapshotEnd(Section::Ports),
        );
        let [one, two] = ["bond1", "bond2"].map(|name| port(name, Isolation::On, Traffic::Held));
        let (again, whole) = (begin.clone(), begin.clone());
        let mut ledger = ledger_of(&[whole, domain(), one.clone(), two.clone(), end.clone()]);
        for op in [&again, &domain(), &two] {
            ledger.accept(op).unwrap();
        }
        assert_eq!(replay(&ledger), [one, begin.clone(), domain(), two.clone()]);
        let mut repeated = ledger_of(&replay(&ledger));
        repeated.accept(&end).unwrap();
        assert_eq!(replay(&repeated), [begin, domain(), two, end]);
    }

    #[test]
    fn a_snapshot_of_a_client_that_is_gone_takes_nothing_out() {
        let mut ledger = ledger_of(&[entry(1), Op::SnapshotBegin(Section::Fdb)]);
        ledger.client_gone();
        assert!(ledger.accept(&Op::SnapshotEnd(Section::Fdb)).is_err());
        assert_eq!(replay(&ledger), [entry(1)]);
    }

    fn many(count: usize) -> Vec<Op> {
        let mut ops = vec![entry(0); count];
        for (number, op) in (0_u32..).zip(&mut ops) {
            let Op::Fdb { key, .. } = op else { continue };
            let [_, a, b, c] = number.to_be_bytes();
            key.mac = Mac([2, 0, 0, a, b, c]);
        }
        ops
    }

    const BEGIN: Op = Op::SnapshotBegin(Section::Fdb);
    const END: Op = Op::SnapshotEnd(Section::Fdb);

    fn table(count: usize) -> Ledger {
        let mut ops = many(count);
        ops.insert(0, BEGIN);
        ops.push(END);
        ledger_of(&ops)
    }

    fn keys(ops: &[Op]) -> usize {
        let entries = ops.iter().filter(|op| matches!(op, Op::Fdb { .. }));
        entries.count()
    }

    /// Between them it is told what is urgent.
    #[test]
    fn a_table_is_said_in_shares_and_its_end_with_the_last() {
        let mut ledger = table(2 * SHARE + 2);
        assert_eq!(ledger.replay(), []);
        let mut owed = ledger.owed();
        let first = ledger.share(&mut owed);
        assert_eq!(
            (&first[0], first.len(), keys(&first)),
            (&BEGIN, SHARE + 1, SHARE)
        );
        // What is released meanwhile is not said any more.
        let mut all = many(2 * SHARE + 2);
        all.retain(|op| !first.contains(op));
        let Op::Fdb { key, .. } = all[0] else {
            panic!("{:?}", all[0])
        };
        let forget = false;
        ledger.accept(&Op::FdbRelease { key, forget }).unwrap();
        let second = ledger.share(&mut owed);
        let last = ledger.share(&mut owed);
        assert_eq!(keys(&second) + keys(&last), SHARE + 1);
        assert_eq!((keys(&last), last.last()), (2, Some(&END)));
        assert!(!owed.has_more());
    }

    /// Else the entries that are owed would be taken out and put in again.
    #[test]
    fn a_snapshot_of_the_client_does_not_end_before_what_it_named_was_said() {
        let mut ops = many(SHARE + 1);
        ops.insert(0, BEGIN);
        let mut ledger = ledger_of(&ops);
        let mut owed = ledger.owed();
        assert_eq!(ledger.share(&mut owed)[0], BEGIN);
        ledger.accept(&END).unwrap();
        assert!(owed.client_ends());
        assert!(!owed.is_left_to_client());
        let last = ledger.share(&mut owed);
        assert_eq!((keys(&last), last.last()), (1, Some(&END)));
        assert!(!owed.has_more());
    }

    /// Entries that are owed would count as named by it. If it does not end, they are owed again.
    #[test]
    fn a_snapshot_that_the_client_begins_replaces_what_is_owed() {
        let mut ledger = table(2 * SHARE);
        let mut owed = ledger.owed();
        let _ = ledger.share(&mut owed);
        ledger.accept(&BEGIN).unwrap();
        owed.client_begins();
        assert!(!owed.has_more() && owed.is_left_to_client());
        ledger.client_gone();
        let again = replay(&ledger);
        assert_eq!(
            (&again[0], keys(&again), again.last()),
            (&BEGIN, 2 * SHARE, Some(&END))
        );
        ledger.accept(&BEGIN).unwrap();
        ledger.accept(&END).unwrap();
        assert!(!owed.client_ends(), "nothing is missing from it");
        assert!(!owed.is_left_to_client());
    }

    #[test]
    fn a_snapshot_of_the_client_is_its_own_while_nothing_is_owed() {
        let mut owed = Owed::default();
        owed.client_begins();
        assert!(!owed.is_left_to_client() && !owed.client_ends());
    }
}
