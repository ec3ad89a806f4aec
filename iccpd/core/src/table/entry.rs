//! What is known of one key, and the rules by which a table decides on it.

use super::Layout;
use std::fmt::Debug;

/// The rules of one table, with what they have to know of the world to decide.
pub(crate) trait Policy: Clone + Debug + Default + Eq {
    /// What an entry is found by.
    type Key: Copy + Debug + Ord;
    /// What this chassis observes.
    type Local: Clone + Debug + Eq;
    /// What the peer advertises.
    type Remote: Clone + Debug + Eq;
    /// What is advertised to the peer.
    type Advertised: Clone + Debug + Eq;
    /// What is programmed.
    type Programmed: Clone + Debug + Eq;
    /// An operation for the dataplane.
    type Op;
    /// How entries are kept in memory.
    type Layout: Layout<Entry<Self>>;

    /// Most entries that are kept. What others make up beyond that is counted and ignored.
    const MAX_ENTRIES: usize;

    /// Number of queues to the peer, because one message cannot hold all keys.
    const LANES: usize = 1;

    /// The dataplane does not report again what it reported before, and therefore has to be told to
    /// forget an observation that was superseded.
    const FORGETS_SUPERSEDED: bool;

    /// The queue to the peer in which a key waits, less than [`Self::LANES`].
    fn lane(_key: &Self::Key) -> usize {
        0
    }

    /// What is to be advertised.
    fn advertise(&self, key: Self::Key, entry: &Entry<Self>) -> Option<Self::Advertised>;

    /// What is to be programmed.
    fn program(&self, key: Self::Key, entry: &Entry<Self>) -> Option<Self::Programmed>;

    /// False where nothing that happens to the entry can concern the dataplane. Cheaper than
    /// [`Self::program`], for tables most of whose entries are seen on one chassis only.
    fn concerns_dataplane(&self, _entry: &Entry<Self>) -> bool {
        true
    }

    /// The peer has just advertised the same itself.
    fn is_echo(&self, _entry: &Entry<Self>, _advertise: Option<&Self::Advertised>) -> bool {
        false
    }

    /// An operation as the dataplane is sent it.
    fn op(operation: Operation<Self>) -> Self::Op;
}

/// One operation for the dataplane.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Operation<P: Policy> {
    /// Everything that is wanted follows.
    SnapshotBegin,
    /// An entry is wanted.
    Program {
        /// Its key.
        key: P::Key,
        /// What is wanted.
        want: P::Programmed,
    },
    /// An entry is wanted no longer.
    Release {
        /// Its key.
        key: P::Key,
        /// The dataplane is to forget what it learned itself as well.
        forget: bool,
    },
    /// What was not named since the begin is wanted no longer.
    SnapshotEnd,
}

/// What is known of one key.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Entry<P: Policy> {
    /// What this chassis observes.
    pub(crate) local: Option<P::Local>,
    /// What the peer advertises.
    pub(crate) remote: Option<P::Remote>,
    /// The remote observation is of a session that is gone.
    pub(crate) stale: bool,
    /// The local observation that the peer's newer one replaced: the dataplane still has it, or may
    /// be late to report it.
    pub(crate) superseded: Option<P::Local>,
    /// The peer's observation that the newer one here replaced, until the peer has been sent that: if
    /// it never is, the peer's stands. Of no account beside one that is superseded.
    pub(crate) displaced: Option<P::Remote>,
    /// What was advertised last in this session.
    pub(crate) advertised: Option<P::Advertised>,
    /// Worth advertising although nothing changed.
    pub(crate) readvertise: bool,
    /// What was programmed last.
    pub(crate) programmed: Option<P::Programmed>,
    /// What was programmed last may no longer be in place.
    pub(crate) reprogram: bool,
    /// Not observed since the dataplane's listing began.
    pub(crate) unconfirmed: bool,
}

impl<P: Policy> Default for Entry<P> {
    fn default() -> Self {
        Self {
            local: None,
            remote: None,
            stale: false,
            superseded: None,
            displaced: None,
            advertised: None,
            readvertise: false,
            programmed: None,
            reprogram: false,
            unconfirmed: false,
        }
    }
}

impl<P: Policy> Entry<P> {
    /// True if nothing is left that has to be remembered.
    pub(crate) fn is_idle(&self) -> bool {
        self.local.is_none()
            && self.remote.is_none()
            && self.advertised.is_none()
            && self.programmed.is_none()
            && !self.has_to_forget()
    }

    /// The peer advertises this, or no longer anything.
    pub(crate) fn set_remote(&mut self, remote: Option<P::Remote>) {
        self.remote = remote;
        self.displaced = None;
        self.stale = false;
    }

    /// The newer observation of this chassis replaces the peer's.
    pub(crate) fn displace_remote(&mut self) {
        let displaced = self.remote.take().filter(|_| !self.stale);
        self.set_remote(None);
        self.displaced = displaced;
    }

    /// This chassis observes nothing any more. What the peer observes stands if it never heard
    /// otherwise.
    pub(crate) fn observe_nothing(&mut self) {
        self.local = None;
        self.superseded = None;
        if let Some(remote) = self.displaced.take() {
            self.set_remote(Some(remote));
            // What led there may be where the host took it.
            self.reprogram = true;
        }
    }

    const fn has_to_forget(&self) -> bool {
        P::FORGETS_SUPERSEDED && self.superseded.is_some()
    }

    /// True if the dataplane has to be programmed, or the entry dropped.
    pub(super) fn needs_op(&self, key: P::Key, policy: &P) -> bool {
        self.reprogram
            || self.has_to_forget()
            || self.is_idle()
            || policy.program(key, self) != self.programmed
    }
}

/// Who has to hear of what happened to an entry.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Concerns {
    /// Nobody.
    Nobody,
    /// The dataplane. What waits for the peer is taken back: it has just spoken of it itself.
    Dataplane,
    /// The peer and the dataplane, as far as it changed anything for them.
    Both,
}
