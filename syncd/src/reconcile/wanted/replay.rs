//! Wanted state as the operations that say it again.

use mclag_proto::IfName;
use mclag_proto::sync::model::{Isolation, Op, PortWant, Section, Traffic};

use super::{Wanted, WantedPort};
use crate::reconcile::owed::Owed;
use crate::reconcile::progress::Progress;

impl Wanted {
    /// What somebody has to be told who knows nothing, in the order of `spec/behaviour.md` 14.6, without
    /// neighbours and entries. It is then as far as if it had heard all that was said, also in the middle of a snapshot.
    pub(in crate::reconcile) fn replay(&self) -> Vec<Op> {
        let mut ops = self.pair.replay();
        ops.extend(self.replay_ports());
        ops.extend(self.replay_interfaces());
        ops
    }

    fn replay_ports(&self) -> Vec<Op> {
        let snapshots = &self.snapshots;
        let domain = self.domain.map(Op::Domain);
        let domain = domain.map(|op| (snapshots.domain.has_named(&()), op));
        let ports = self.ports.iter().map(|(port, want)| {
            let op = want_of(*port, *want);
            (snapshots.ports.has_named(port), op)
        });
        let learning = self.learning.iter().map(|(port, learning)| {
            let (port, learning) = (*port, *learning);
            let op = Op::Learning { port, learning };
            (snapshots.learning.has_named(&port), op)
        });
        let progress = Progress::of(snapshots.ports.is_under_way(), self.knows_all_ports);
        let items = domain.into_iter().chain(ports).chain(learning);
        progress.replay(Section::Ports, items)
    }

    fn replay_interfaces(&self) -> Vec<Op> {
        let named = &self.snapshots.interfaces;
        let interfaces = self.interfaces.iter().map(|(name, want)| {
            let (name, want) = (*name, *want);
            (named.has_named(&name), Op::Interface { name, want })
        });
        let progress = Progress::of(named.is_under_way(), self.knows_all_interfaces);
        progress.replay(Section::Interfaces, interfaces)
    }

    /// The entries, likewise. What the client has yet to name of them it will say itself.
    pub(in crate::reconcile) fn owed_entries(&self) -> Owed {
        let named = &self.snapshots.entries;
        let is_under_way = named.is_under_way();
        let progress = Progress::of(is_under_way, self.knows_all_entries);
        let keys = self.entries.keys().copied();
        Owed {
            begins: progress != Progress::None,
            keys: keys
                .filter(|key| !is_under_way || named.has_named(key))
                .collect(),
            progress,
        }
    }
}

fn want_of(port: IfName, want: WantedPort) -> Op {
    let WantedPort {
        isolated,
        held,
        redirect,
        system_mac,
    } = want;
    let want = PortWant {
        isolation: match isolated {
            None => Isolation::Keep,
            Some(true) => Isolation::On,
            Some(false) => Isolation::Off,
        },
        traffic: match held {
            None => Traffic::Keep,
            Some(true) => Traffic::Held,
            Some(false) => Traffic::Pass,
        },
        redirect,
        system_mac,
    };
    Op::Port { port, want }
}
