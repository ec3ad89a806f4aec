//! The neighbour table as an operator sees it.

use super::{NeighbourKey, Neighbours};
use mclag_proto::Mac;
use mclag_proto::ctl::{NeighbourCursor, NeighbourLine};

/// Who knows a neighbour.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Owner {
    /// This chassis; the peer may have said the same.
    Local,
    /// The peer alone.
    Remote,
}

impl Neighbours {
    /// Every neighbour behind `after`, in the order of interface and address.
    pub fn iter(
        &self,
        after: Option<NeighbourKey>,
    ) -> impl Iterator<Item = (NeighbourKey, Mac, Owner)> {
        self.table
            .iter(after)
            .filter_map(|(key, entry)| match (entry.local, entry.remote) {
                (Some(local), _) => Some((key, local.mac, Owner::Local)),
                (None, Some(remote)) => Some((key, remote.mac, Owner::Remote)),
                (None, None) => None,
            })
    }

    /// A page of the table, and where the next one begins.
    #[must_use]
    pub fn page(
        &self,
        after: Option<NeighbourCursor>,
        limit: usize,
    ) -> (Vec<NeighbourLine>, Option<NeighbourCursor>) {
        let after = after.map(|cursor| {
            let NeighbourCursor { interface, address } = cursor;
            NeighbourKey { interface, address }
        });
        let mut rest = self.table.iter(after).filter_map(|(key, entry)| {
            let local = entry.local.map(|local| local.mac);
            let remote = entry.remote.map(|remote| remote.mac);
            Some(NeighbourLine {
                interface: key.interface,
                address: key.address,
                mac: local.or(remote)?,
                local: local.is_some(),
                remote: remote.is_some(),
                permanent: entry.remote.is_some_and(|remote| remote.permanent),
                installed: entry.programmed.is_some(),
                stale: entry.stale,
            })
        });
        let lines: Vec<NeighbourLine> = rest.by_ref().take(limit).collect();
        let next = match (rest.next(), lines.last()) {
            (Some(_), Some(last)) => Some(NeighbourCursor {
                interface: last.interface,
                address: last.address,
            }),
            _ => None,
        };
        (lines, next)
    }

    /// Number of neighbours held, in whatever state.
    #[must_use]
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// True when no neighbour is held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// Neighbours that were ignored because the table was full.
    #[must_use]
    pub const fn ignored(&self) -> u64 {
        self.table.ignored()
    }

    /// True if something is to be installed.
    #[must_use]
    pub fn wants_anything(&self) -> bool {
        let mut interfaces = self.interfaces().values();
        interfaces.any(|interface| interface.reachable) && !self.table.is_empty()
    }
}
