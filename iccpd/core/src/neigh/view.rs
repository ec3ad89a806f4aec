//! The neighbour table as an operator sees it.

use super::{NeighbourKey, Neighbours};
use mclag_proto::ctl::{NeighbourCursor, NeighbourLine};
use mclag_proto::{IfName, Mac};

/// Who knows a neighbour.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Owner {
    /// This chassis; the peer may have said the same.
    Local,
    /// The peer alone.
    Remote,
}

impl Neighbours {
    /// Every neighbour behind `after` that the peer knows or that is on an interface which the pair has in common, in the
    /// order of interface and address. The others are nobody's but this chassis' own.
    pub fn iter(
        &self,
        after: Option<NeighbourKey>,
    ) -> impl Iterator<Item = (NeighbourKey, Mac, Owner)> {
        let interfaces = self.interfaces();
        let is_shared = |name: &IfName| interfaces.get(name).is_some_and(|i| i.shared);
        self.table.iter(after).filter_map(move |(key, entry)| {
            let local = entry.local.filter(|_| is_shared(&key.interface));
            match (local, entry.remote) {
                (Some(local), _) => Some((key, local.mac, Owner::Local)),
                (None, Some(remote)) => Some((key, remote.mac, Owner::Remote)),
                (None, None) => None,
            }
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
