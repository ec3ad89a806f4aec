//! Operations that `syncd` cannot carry out, by what they are about: they are asked for again each second, and said to
//! fail when that begins, changes and ends.

use super::{Domain, IfName, Notice};
use crate::OpFailure;
use mclag_proto::sync::model::{FdbKey, NeighbourKey, Op, OpError, OpErrorCode, Section};

/// What an operation is about. One that takes another back is about the same.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) enum About {
    /// One that was not sent.
    Nothing,
    Section(Section),
    Bridge,
    Port(IfName),
    Entry(FdbKey),
    Pair,
    RemotePort(IfName),
    Members(IfName),
    Interface(IfName),
    Neighbour(NeighbourKey),
    Learning(IfName),
    Flush,
    NodeMac,
}

const fn about(op: &Op) -> About {
    match op {
        Op::SnapshotBegin(section) | Op::SnapshotEnd(section) => About::Section(*section),
        Op::Domain(_) => About::Bridge,
        Op::Port { port, .. } | Op::PortRelease { port } => About::Port(*port),
        Op::Fdb { key, .. } | Op::FdbRelease { key, .. } => About::Entry(*key),
        Op::Pair(_) => About::Pair,
        Op::RemotePort { port, .. } | Op::RemotePortRelease { port } => About::RemotePort(*port),
        Op::Members { port, .. } => About::Members(*port),
        Op::Interface { name, .. } | Op::InterfaceRelease { name } => About::Interface(*name),
        Op::Neighbour { key, .. } | Op::NeighbourRelease { key } => About::Neighbour(*key),
        Op::Learning { port, .. } => About::Learning(*port),
        Op::Flush { .. } => About::Flush,
        Op::NodeMac(_) => About::NodeMac,
    }
}

impl Domain {
    pub(super) fn op_failed(&mut self, op: Option<&Op>, error: &OpError) {
        if error.code == OpErrorCode::Waiting {
            return; // shown as an interface that is waited for
        }
        self.syncd.failed += 1;
        let failure = OpFailure {
            op: op.cloned(),
            error: error.clone(),
        };
        self.syncd.last_failure = Some(failure.clone());
        let about = op.map_or(About::Nothing, about);
        if self.syncd.failing.failed(about, &error.text) {
            self.notice(Notice::OpFailed(failure));
        }
    }

    /// These were carried out, but for the ones with these numbers.
    pub(super) fn ops_done(&mut self, ops: &[Op], failures: &[(u32, OpError)]) {
        if self.syncd.failing.is_empty() {
            return;
        }
        for (index, op) in (0_u32..).zip(ops) {
            let failed = failures.iter().any(|(failed, _)| *failed == index);
            if !failed && self.syncd.failing.done(&about(op)).is_some() {
                self.notice(Notice::OpRecovered { op: op.clone() });
            }
        }
    }
}
