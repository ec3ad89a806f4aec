//! The connection to `syncd`: what it can do, what it was sent on it, and what it has to answer.

use super::IfName;
use super::failing::About;
use crate::OpFailure;
use crate::policy::dataplane::DataplanePolicy;
use mclag_proto::Mac;
use mclag_proto::failing::Failing;
use mclag_proto::iccp::ext::DataplanePresence;
use mclag_proto::sync::model::{DomainWant, InterfaceWant, Op, PairState, PortWant, Section};
use std::collections::{BTreeMap, VecDeque};

/// The connection to `syncd`.
#[derive(Clone, Debug, Default)]
pub(super) struct Syncd {
    pub(super) backend: Option<String>,
    pub(super) policy: DataplanePolicy,
    /// It was there once, so what it can do is known.
    pub(super) is_known: bool,
    /// It carries out what is decided, as far as is known.
    pub(super) presence: DataplanePresence,
    pub(super) last_number: u64,
    pub(super) in_flight: VecDeque<InFlight>,
    /// The ports have not been named on this connection.
    pub(super) ports_due: bool,
    /// Something happened that may change what is wanted.
    pub(super) dirty: bool,
    pub(super) sent: Sent,
    /// Operations on domain and ports that fit into no batch yet. Bounded: the whole is sent once
    /// per connection, and a port again only when what is wanted of it changed.
    pub(super) queued: VecDeque<Op>,
    /// It has listed every address it sees, on this connection.
    pub(super) listed: bool,
    pub(super) failed: u64,
    pub(super) last_failure: Option<OpFailure>,
    /// What failed when it was asked for last.
    pub(super) failing: Failing<About>,
}

/// A batch that was not answered yet.
#[derive(Clone, Debug)]
pub(super) struct InFlight {
    pub(super) number: u64,
    /// Operations on ports, by index: their confirmation means something. None when the port is
    /// released.
    pub(super) ports: Vec<(u32, IfName, Option<PortWant>)>,
    /// All operations, for what is to be shown of one that failed.
    pub(super) ops: Vec<Op>,
}

/// What it was sent on this connection beside ports and the tables.
#[derive(Clone, Debug, Default)]
pub(super) struct Sent {
    pub(super) domain: Option<DomainWant>,
    pub(super) node_mac: Option<Mac>,
    pub(super) pair: Option<PairState>,
    pub(super) remote: ByName<bool>,
    pub(super) members: ByName<Vec<IfName>>,
    pub(super) interfaces: ByName<InterfaceWant>,
}

/// What was sent last of each name.
#[derive(Clone, Debug)]
pub(super) struct ByName<V>(BTreeMap<IfName, V>);

impl<V> Default for ByName<V> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<V: Clone + PartialEq> ByName<V> {
    /// True if nothing differs.
    pub(super) fn is(&self, now: &BTreeMap<IfName, V>) -> bool {
        self.0 == *now
    }

    /// What differs, as it was and as it is: first the names that are gone.
    pub(super) fn update(
        &mut self,
        now: BTreeMap<IfName, V>,
    ) -> Vec<(IfName, Option<V>, Option<V>)> {
        let before = std::mem::replace(&mut self.0, now);
        let gone = before.iter().filter(|(name, _)| !self.0.contains_key(name));
        let gone = gone.map(|(name, value)| (*name, Some(value.clone()), None));
        let changed = self.0.iter().filter_map(|(name, value)| {
            let was = before.get(name);
            (was != Some(value)).then(|| (*name, was.cloned(), Some(value.clone())))
        });
        gone.chain(changed).collect()
    }
}

impl Syncd {
    pub(super) const fn is_up(&self) -> bool {
        self.backend.is_some()
    }

    pub(super) fn queue(&mut self, op: Op) {
        self.queued.push_back(op);
    }

    pub(super) fn begin(&mut self, section: Section) {
        self.queue(Op::SnapshotBegin(section));
    }

    pub(super) fn end(&mut self, section: Section) {
        self.queue(Op::SnapshotEnd(section));
    }

    /// What was asked for of each port and is not confirmed; none where the port is released.
    pub(super) fn unconfirmed(&self) -> BTreeMap<IfName, Vec<Option<PortWant>>> {
        let in_flight = self.in_flight.iter().flat_map(|batch| &batch.ports);
        let in_flight = in_flight.map(|(_, port, want)| (*port, *want));
        let queued = self.queued.iter().filter_map(named_port);
        let mut asked: BTreeMap<IfName, Vec<Option<PortWant>>> = BTreeMap::new();
        for (port, want) in in_flight.chain(queued) {
            asked.entry(port).or_default().push(want);
        }
        asked
    }

    /// True when nothing is left to be sent or confirmed.
    pub(super) fn is_idle(&self) -> bool {
        self.in_flight.is_empty() && !self.ports_due && self.queued.is_empty()
    }
}

/// The port that an operation is about, and what is wanted of it from then on.
pub(super) fn named_port(op: &Op) -> Option<(IfName, Option<PortWant>)> {
    match op {
        Op::Port { port, want } => Some((*port, Some(*want))),
        Op::PortRelease { port } => Some((*port, None)),
        _ => None,
    }
}
