//! What is wanted of a dataplane that cannot be read, kept so that it can be said again: what such a
//! dataplane did not hear while it was away is owed to it.

use mclag_proto::Mac;
use mclag_proto::sync::model::{Op, OpError, Section};

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

    /// Everything that a dataplane has to be told that comes back.
    #[must_use]
    pub fn replay(&self) -> Vec<Op> {
        let mut ops: Vec<Op> = self.node_mac.map(Op::NodeMac).into_iter().collect();
        ops.extend(self.wanted.replay());
        ops
    }

    /// The client is gone: a snapshot that it had begun will not end.
    pub fn client_gone(&mut self) {
        self.wanted.abandon_snapshots();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
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

    fn ledger(ops: &[Op]) -> Ledger {
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
        let mut said = ledger(&all);
        assert_eq!(said.replay(), all);
        let release = Op::FdbRelease {
            key: FdbKey {
                vid: Vid::DEFAULT,
                mac: Mac([2, 0, 0, 0, 1, 2]),
            },
            forget: false,
        };
        for op in [entry(2), entry(1), release] {
            said.accept(&op).unwrap();
        }
        assert_eq!(said.replay(), all);
    }

    /// What is in force stays: a port that nobody decided about is not decided about by a repetition.
    #[test]
    fn keep_stays_keep() {
        let kept = port("bond1", Isolation::Keep, Traffic::Keep);
        assert_eq!(ledger(std::slice::from_ref(&kept)).replay(), [kept]);
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
        let mut said = ledger(&[whole, domain(), one.clone(), two.clone(), end.clone()]);
        for op in [&again, &domain(), &two] {
            said.accept(op).unwrap();
        }
        assert_eq!(said.replay(), [one, begin.clone(), domain(), two.clone()]);
        let mut heard = ledger(&said.replay());
        heard.accept(&end).unwrap();
        assert_eq!(heard.replay(), [begin, domain(), two, end]);
    }

    #[test]
    fn a_snapshot_of_a_client_that_is_gone_takes_nothing_out() {
        let mut said = ledger(&[entry(1), Op::SnapshotBegin(Section::Fdb)]);
        said.client_gone();
        assert!(said.accept(&Op::SnapshotEnd(Section::Fdb)).is_err());
        assert_eq!(said.replay(), [entry(1)]);
    }
}
