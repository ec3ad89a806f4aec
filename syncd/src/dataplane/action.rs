//! Changes to a dataplane, and what they are about.

use mclag_proto::sync::model::{FdbKey, NeighbourKey};
use mclag_proto::{IfName, Mac};

use super::McastRouter;

/// One change to the dataplane.
///
/// Each is idempotent: done twice it leaves what it leaves done once.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Action {
    /// Install the filter with nothing in it, or make an existing one name another peer link and
    /// keep what it isolates, in one step without a moment of no filter.
    EnsureFilter {
        /// The peer link; none for a pair without.
        peer_link: Option<IfName>,
    },
    /// Frames from the peer link must not leave through the port. The port need not exist.
    Isolate {
        /// The port.
        port: IfName,
    },
    /// Keep the port from carrying data while LACP runs.
    Hold {
        /// The port.
        port: IfName,
        /// Whether a bond has to keep its carrier, or get it back, which it may lose otherwise.
        keeps_carrier: bool,
    },
    /// Switch learning of a bridge port.
    SetLearning {
        /// The bridge port.
        port: IfName,
        /// Whether it learns.
        learning: bool,
    },
    /// While the bridge port has no carrier, its frames go to another one. What was learned on it before is forgotten.
    SetBackup {
        /// The bridge port.
        port: IfName,
        /// The other bridge port.
        backup: IfName,
    },
    /// Frames of the bridge port no longer go elsewhere. What was learned on it is forgotten.
    ClearBackup {
        /// The bridge port.
        port: IfName,
    },
    /// Switch whether a bridge port gets all multicast.
    SetMcastRouter {
        /// The bridge port.
        port: IfName,
        /// Whether it does.
        router: McastRouter,
    },
    /// Set the LACP system id.
    SetSystemMac {
        /// The bond or team.
        port: IfName,
        /// The id; none for the port's own.
        mac: Option<Mac>,
    },
    /// Install or replace a forwarding entry as one of ours (static, with activity
    /// notification).
    FdbInstall {
        /// The entry's key.
        key: FdbKey,
        /// Where to.
        port: IfName,
        /// True if the host is known to speak on that port: silence will be reported. False:
        /// its first frame will be.
        active: bool,
        /// It must not move when the host is seen on another port.
        sticky: bool,
    },
    /// Replace an entry of ours by one that the dataplane ages and moves itself.
    FdbMakeDynamic {
        /// The entry's key.
        key: FdbKey,
        /// The port.
        port: IfName,
    },
    /// Remove an entry, learned or ours. One that is gone already is no error.
    FdbDelete {
        /// The entry's key.
        key: FdbKey,
        /// The port it is on.
        port: IfName,
    },
    /// Make an address one of the bridge itself: what is sent to it is received.
    LocalInstall {
        /// The interface that has the address.
        interface: IfName,
        /// The entry's key.
        key: FdbKey,
    },
    /// The address is no longer one of the bridge itself.
    LocalDelete {
        /// The interface that had the address.
        interface: IfName,
        /// The entry's key.
        key: FdbKey,
    },
    /// Set the address of an interface on layer 2, without taking it down.
    SetInterfaceMac {
        /// The interface.
        interface: IfName,
        /// The address.
        mac: Mac,
    },
    /// Install or replace a neighbour as one of ours.
    NeighbourInstall {
        /// The entry's key.
        key: NeighbourKey,
        /// Its address on layer 2.
        mac: Mac,
        /// The kernel does not validate it again.
        permanent: bool,
    },
    /// Remove a neighbour of ours. One that is gone already is no error.
    NeighbourDelete {
        /// The entry's key.
        key: NeighbourKey,
    },
    /// Let the port carry data.
    Unhold {
        /// The port.
        port: IfName,
    },
    /// Frames from the peer link may leave through the port.
    Release {
        /// The port.
        port: IfName,
    },
    /// Remove the filter and all it isolates.
    RemoveFilter,
}

/// What an [`Action`] is about; failures are told to whoever asked for it.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Subject {
    /// The bridge, its filter.
    Domain,
    /// Isolation and hold of a port: what the other chassis is told depends on.
    Port(IfName),
    /// What else is set on a port, the peer link included: learning, backup, multicast, LACP system id.
    Settings(IfName),
    /// A forwarding entry.
    Fdb(FdbKey),
    /// The identity of an interface on layer 3.
    Interface(IfName),
    /// A neighbour.
    Neighbour(NeighbourKey),
}

/// Which setting of its [`Subject`] an [`Action`] changes, whichever way.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Setting {
    /// That the filter is there.
    Filter,
    /// Isolation of a port.
    Isolation,
    /// That it is held.
    Hold,
    /// Learning.
    Learning,
    /// Where its frames go without carrier.
    Backup,
    /// Whether it gets all multicast.
    McastRouter,
    /// Its LACP system id.
    SystemMac,
    /// The entry itself.
    Entry,
    /// That the bridge receives an address.
    Local,
    /// The address of an interface.
    Mac,
}

impl Action {
    /// Which setting of its subject the action changes.
    #[must_use]
    pub const fn setting(&self) -> Setting {
        match self {
            Self::EnsureFilter { .. } | Self::RemoveFilter => Setting::Filter,
            Self::Isolate { .. } | Self::Release { .. } => Setting::Isolation,
            Self::Hold { .. } | Self::Unhold { .. } => Setting::Hold,
            Self::SetLearning { .. } => Setting::Learning,
            Self::SetBackup { .. } | Self::ClearBackup { .. } => Setting::Backup,
            Self::SetMcastRouter { .. } => Setting::McastRouter,
            Self::SetSystemMac { .. } => Setting::SystemMac,
            Self::FdbInstall { .. }
            | Self::FdbMakeDynamic { .. }
            | Self::FdbDelete { .. }
            | Self::NeighbourInstall { .. }
            | Self::NeighbourDelete { .. } => Setting::Entry,
            Self::LocalInstall { .. } | Self::LocalDelete { .. } => Setting::Local,
            Self::SetInterfaceMac { .. } => Setting::Mac,
        }
    }

    /// What the action is about.
    #[must_use]
    pub const fn subject(&self) -> Subject {
        match self {
            Self::EnsureFilter { .. } | Self::RemoveFilter => Subject::Domain,
            Self::Isolate { port }
            | Self::Hold { port, .. }
            | Self::Unhold { port }
            | Self::Release { port } => Subject::Port(*port),
            Self::SetLearning { port, .. }
            | Self::SetBackup { port, .. }
            | Self::ClearBackup { port }
            | Self::SetMcastRouter { port, .. }
            | Self::SetSystemMac { port, .. } => Subject::Settings(*port),
            Self::FdbInstall { key, .. }
            | Self::FdbMakeDynamic { key, .. }
            | Self::FdbDelete { key, .. } => Subject::Fdb(*key),
            Self::LocalInstall { interface, .. }
            | Self::LocalDelete { interface, .. }
            | Self::SetInterfaceMac { interface, .. } => Subject::Interface(*interface),
            Self::NeighbourInstall { key, .. } | Self::NeighbourDelete { key } => {
                Subject::Neighbour(*key)
            }
        }
    }

    /// Place in a plan: what keeps frames from passing comes first, what lets them pass last.
    /// Learning on the peer link ends before addresses are put there, and begins after. An address
    /// is received before its interface has it and until it no longer has it; neighbours follow,
    /// for a change of its address costs an interface all of them.
    #[must_use]
    pub const fn rank(&self) -> u8 {
        match self {
            Self::EnsureFilter { .. } => 0,
            Self::Isolate { .. } => 1,
            Self::Hold { .. } => 2,
            Self::SetLearning {
                learning: false, ..
            } => 3,
            Self::SetBackup { .. } | Self::ClearBackup { .. } | Self::SetMcastRouter { .. } => 4,
            Self::SetSystemMac { .. } => 5,
            Self::LocalInstall { .. } => 6,
            Self::SetInterfaceMac { .. } => 7,
            Self::LocalDelete { .. } => 8,
            Self::FdbInstall { .. } | Self::FdbMakeDynamic { .. } | Self::FdbDelete { .. } => 9,
            Self::NeighbourInstall { .. } | Self::NeighbourDelete { .. } => 10,
            Self::SetLearning { learning: true, .. } => 11,
            Self::Unhold { .. } => 12,
            Self::Release { .. } => 13,
            Self::RemoveFilter => 14,
        }
    }

    /// True for actions that can only keep frames from passing. They come first in a plan, and
    /// nothing that lets frames pass is done to a port for which one of them failed.
    #[must_use]
    pub const fn protects(&self) -> bool {
        matches!(
            self,
            Self::EnsureFilter { .. } | Self::Isolate { .. } | Self::Hold { .. }
        )
    }

    /// True for actions that let frames pass which did not before. They come last in a plan.
    #[must_use]
    pub const fn opens(&self) -> bool {
        matches!(
            self,
            Self::Unhold { .. } | Self::Release { .. } | Self::RemoveFilter
        )
    }
}
