//! The boundary to a dataplane: plain data in both directions.
//!
//! A backend carries out and reports; it never decides. Of a dataplane that can be read, what to do is
//! computed by [`crate::reconcile`] from what is wanted and what is ([`Backend`]). One behind another
//! program that cannot be read is told what is wanted, and remembers what it was told
//! ([`mclagsyncd::Client`]); beside it the first kind does the rest ([`composition`]).

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;

use mclag_proto::IfName;
use mclag_proto::sync::model::{Abilities, FdbKey, NeighbourKey, OpError};

use crate::dataplane::{
    Action, Actual, FdbEntry, Filter, InterfaceActual, NeighbourActual, PortActual,
};

pub mod composition;
pub mod linux;
pub mod mclagsyncd;
pub mod record;

/// What a dataplane must be able to do.
///
/// The server owns its backend and calls one function at a time. Between calls events queue up in
/// the backend, in bounded memory: when they no longer fit, it forgets them and reports
/// [`BackendEvent::Resync`].
pub trait Backend: Send {
    /// Short name, for logs and for the client's display.
    fn name(&self) -> &'static str;

    /// What this dataplane can do.
    fn abilities(&self) -> Abilities;

    /// Whether the bridge that it sees is one of the kernel, which other programs on this host see and change as well.
    fn is_of_kernel(&self) -> bool;

    /// An interface of one of these names keeps it when somebody gives it another one ([`mclag_netlink::Names`]): that is
    /// reported as no change. Of an interface that has such a name no more, its number may be known. No others are followed.
    fn follow(&mut self, names: &BTreeMap<IfName, Option<u32>>) {
        let _ = names;
    }

    /// Interfaces that keep a name although the kernel calls them otherwise, by number.
    fn kept_names(&self) -> Vec<(u32, IfName)> {
        Vec::new()
    }

    /// Look at everything afresh, and report events of this bridge from now on. The entries of its table may follow,
    /// as [`BackendEvent::Table`].
    ///
    /// Events that happened before the look may be reported after it; they do no harm. Without a
    /// bridge: what an earlier run left behind (filter, held ports) and an empty forwarding
    /// table.
    ///
    /// # Errors
    ///
    /// [`Waiting`](mclag_proto::sync::model::OpErrorCode::Waiting) if the bridge does not exist. The server asks again now and then,
    /// and at once when the backend reports [`BackendEvent::Resync`] because it appeared.
    fn snapshot(
        &mut self,
        bridge: Option<IfName>,
    ) -> impl Future<Output = Result<Snapshot, OpError>> + Send;

    /// Look these entries of the bridge's table up. One answer comes back per key, in order; none if there is no
    /// such entry.
    fn look_up(
        &mut self,
        keys: &[FdbKey],
    ) -> impl Future<Output = Vec<Result<Option<FdbEntry>, OpError>>> + Send;

    /// Carry out actions in this order. One result comes back per action, in order; a failed one
    /// does not stop the rest. A success means that the dataplane confirmed it.
    fn apply(
        &mut self,
        actions: &[Action],
    ) -> impl Future<Output = Vec<Result<(), OpError>>> + Send;

    /// The next thing that happened. Changes that [`Backend::apply`] made are reported like
    /// others. Cancel safe: nothing is lost when the future is dropped.
    ///
    /// # Errors
    ///
    /// When no more events can come; the server ends then.
    fn next_event(&mut self) -> impl Future<Output = Result<BackendEvent, OpError>> + Send;
}

/// What a dataplane is when it is looked at.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Snapshot {
    /// All of it, but for entries that follow.
    pub actual: Actual,
    /// The entries of the table follow, as [`BackendEvent::Table`].
    pub table_follows: bool,
}

/// Something that happened to the dataplane: each names the state after it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum BackendEvent {
    /// An entry of the bridge's forwarding table appeared, changed, or is gone.
    Fdb {
        /// Its key.
        key: FdbKey,
        /// What it is now; none if it is gone.
        entry: Option<FdbEntry>,
    },
    /// An interface appeared, changed, or is gone. A renamed or recreated one is reported gone
    /// under its old name or index first.
    Port {
        /// Its name.
        port: IfName,
        /// What it is now; none if it is gone.
        actual: Option<PortActual>,
    },
    /// An interface has another name. That it is gone under the old one is reported next.
    Renamed {
        /// The old name.
        from: IfName,
        /// The new one.
        to: IfName,
    },
    /// What an interface is, apart from its settings as a port, changed, or it is gone.
    Interface {
        /// Its name.
        interface: IfName,
        /// What it is now; none if it is gone.
        actual: Option<InterfaceActual>,
    },
    /// A neighbour appeared, changed, or is gone.
    Neighbour {
        /// Its key.
        key: NeighbourKey,
        /// What it is now; none if it is gone.
        entry: Option<NeighbourActual>,
    },
    /// A piece of the table, which was being listed while other things happened: events since the snapshot count
    /// more, and an entry that no piece named may exist all the same.
    Table {
        /// Some entries.
        entries: Vec<(FdbKey, FdbEntry)>,
        /// No more pieces follow.
        is_last: bool,
    },
    /// Somebody else changed what keeps frames from passing.
    Filter {
        /// The filter by now; none if there is none.
        filter: Option<Filter>,
        /// Every port that is held by now, whichever way.
        held: BTreeSet<IfName>,
    },
    /// Events were lost, or something changed that cannot be told as an event: take a snapshot.
    Resync {
        /// Why, for the log.
        why: &'static str,
    },
}
