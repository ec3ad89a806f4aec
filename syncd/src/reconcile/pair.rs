//! What the client says of the pair. A Linux dataplane does nothing with it; it is kept to be shown
//! and for dataplanes that publish it.

use std::collections::BTreeMap;

use mclag_proto::IfName;
use mclag_proto::sync::model::{Op, OpError, PairState};

use super::wanted::full;

/// Most ports of the other chassis, and most MLAG ports with members, that are remembered.
pub const MAX_PAIR_PORTS: usize = 4096;

/// Most members of one port that are remembered.
pub const MAX_MEMBERS: usize = 256;

/// How the pair stands.
#[derive(Clone, Debug, Default)]
pub struct Pair {
    known: Known,
    /// What a snapshot that has begun named so far; it replaces the rest at its end.
    snapshot: Option<Known>,
}

#[derive(Clone, Debug, Default)]
struct Known {
    state: Option<PairState>,
    remote: BTreeMap<IfName, bool>,
    members: BTreeMap<IfName, Vec<IfName>>,
}

impl Pair {
    /// State of the pair, if the client told.
    #[must_use]
    pub const fn state(&self) -> Option<&PairState> {
        self.known.state.as_ref()
    }

    /// Ports of the other chassis, and whether they are up there.
    #[must_use]
    pub const fn remote(&self) -> &BTreeMap<IfName, bool> {
        &self.known.remote
    }

    /// Members of the MLAG ports.
    #[must_use]
    pub const fn members(&self) -> &BTreeMap<IfName, Vec<IfName>> {
        &self.known.members
    }

    pub(super) fn apply(&mut self, op: &Op) -> Result<(), OpError> {
        self.known.apply(op)?;
        match &mut self.snapshot {
            Some(snapshot) => snapshot.apply(op),
            None => Ok(()),
        }
    }

    pub(super) fn begin_snapshot(&mut self) {
        self.snapshot = Some(Known::default());
    }

    /// None if no snapshot had begun.
    pub(super) fn end_snapshot(&mut self) -> Option<()> {
        self.known = self.snapshot.take()?;
        Some(())
    }

    pub(super) fn abandon_snapshot(&mut self) {
        self.snapshot = None;
    }
}

impl Known {
    fn apply(&mut self, op: &Op) -> Result<(), OpError> {
        match op {
            Op::Pair(state) => self.state = Some(*state),
            Op::RemotePort { port, up } => {
                check(&self.remote, port)?;
                self.remote.insert(*port, *up);
            }
            Op::RemotePortRelease { port } => {
                self.remote.remove(port);
            }
            Op::Members { port, members } if members.is_empty() => {
                self.members.remove(port);
            }
            Op::Members { port, members } => {
                check(&self.members, port)?;
                if members.len() > MAX_MEMBERS {
                    return Err(full(&format!("members of {port}"), MAX_MEMBERS));
                }
                self.members.insert(*port, members.clone());
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
