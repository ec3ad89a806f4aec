//! What the client says of the pair. A Linux dataplane does nothing with it; it is kept to be shown
//! and for dataplanes that publish it.

use std::collections::BTreeMap;

use mclag_proto::IfName;
use mclag_proto::sync::model::{Op, OpError, PairState, Section};
use mclag_proto::sync::snapshot::Snapshot;

use super::progress::Progress;
use super::results::full;

/// Most ports of the other chassis, and most MLAG ports with members, that are remembered.
pub const MAX_PAIR_PORTS: usize = 4096;

/// Most members of one port that are remembered.
pub const MAX_MEMBERS: usize = 256;

/// How the pair stands.
#[derive(Clone, Debug, Default)]
pub struct Pair {
    state: Option<PairState>,
    remote: BTreeMap<IfName, bool>,
    members: BTreeMap<IfName, Vec<IfName>>,
    snapshots: Snapshots,
    /// A snapshot was complete.
    is_complete: bool,
}

/// What the snapshot that is under way has named.
#[derive(Clone, Debug, Default)]
struct Snapshots {
    state: Snapshot<()>,
    remote: Snapshot<IfName>,
    members: Snapshot<IfName>,
}

impl Pair {
    /// State of the pair, if the client told.
    #[must_use]
    pub const fn state(&self) -> Option<&PairState> {
        self.state.as_ref()
    }

    /// Ports of the other chassis, and whether they are up there.
    #[must_use]
    pub const fn remote(&self) -> &BTreeMap<IfName, bool> {
        &self.remote
    }

    /// Members of the MLAG ports.
    #[must_use]
    pub const fn members(&self) -> &BTreeMap<IfName, Vec<IfName>> {
        &self.members
    }

    pub(super) fn begin_snapshot(&mut self) {
        self.snapshots.state.begin();
        self.snapshots.remote.begin();
        self.snapshots.members.begin();
    }

    /// None if no snapshot had begun.
    pub(super) fn end_snapshot(&mut self) -> Option<()> {
        let state = self.snapshots.state.end()?;
        let remote = self.snapshots.remote.end()?;
        let members = self.snapshots.members.end()?;
        self.state = self.state.filter(|_| state.contains(&()));
        self.remote.retain(|port, _| remote.contains(port));
        self.members.retain(|port, _| members.contains(port));
        self.is_complete = true;
        Some(())
    }

    /// What somebody has to be told who knows nothing.
    pub(super) fn replay(&self) -> Vec<Op> {
        let snapshots = &self.snapshots;
        let state = self.state.map(Op::Pair);
        let state = state.map(|op| (snapshots.state.has_named(&()), op));
        let remote = self.remote.iter().map(|(port, up)| {
            let (port, up) = (*port, *up);
            let is_named = snapshots.remote.has_named(&port);
            (is_named, Op::RemotePort { port, up })
        });
        let members = self.members.iter().map(|(port, members)| {
            let (port, members) = (*port, members.clone());
            let is_named = snapshots.members.has_named(&port);
            (is_named, Op::Members { port, members })
        });
        let progress = Progress::of(snapshots.state.is_under_way(), self.is_complete);
        let items = state.into_iter().chain(remote).chain(members);
        progress.replay(Section::Pair, items)
    }

    pub(super) fn abandon_snapshot(&mut self) {
        self.snapshots = Snapshots::default();
    }

    pub(super) fn apply(&mut self, op: &Op) -> Result<(), OpError> {
        match op {
            Op::Pair(state) => {
                self.state = Some(*state);
                self.snapshots.state.name(());
            }
            Op::RemotePort { port, up } => {
                check(&self.remote, port)?;
                self.remote.insert(*port, *up);
                self.snapshots.remote.name(*port);
            }
            Op::RemotePortRelease { port } => {
                self.remote.remove(port);
                self.snapshots.remote.withdraw(port);
            }
            Op::Members { port, members } if members.is_empty() => {
                self.members.remove(port);
                self.snapshots.members.withdraw(port);
            }
            Op::Members { port, members } => {
                check(&self.members, port)?;
                if members.len() > MAX_MEMBERS {
                    return Err(full(&format!("members of {port}"), MAX_MEMBERS));
                }
                self.members.insert(*port, members.clone());
                self.snapshots.members.name(*port);
            }
            _ => {}
        }
        Ok(())
    }
}

fn check<T>(known: &BTreeMap<IfName, T>, port: &IfName) -> Result<(), OpError> {
    match known.len() >= MAX_PAIR_PORTS && !known.contains_key(port) {
        true => Err(full(&port.to_string(), MAX_PAIR_PORTS)),
        false => Ok(()),
    }
}
