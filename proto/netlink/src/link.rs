//! Interfaces: what they are and how they are doing.
//!
//! * [`change`]: the few settings we change.
//! * [`read`]: link messages of the kernel.

mod change;
mod read;

use std::time::Duration;

use mclag_proto::{IfName, Mac, Vid};

pub use change::{LinkOp, LinkSetting};
pub(crate) use change::{dump_request, index_request, members_request, name_request};
pub(crate) use read::{LinkNews, read};

/// One interface.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LinkInfo {
    /// The kernel's number of the interface.
    pub index: u32,
    /// Its name.
    pub name: IfName,
    /// Its Ethernet address, if it has one.
    pub mac: Option<Mac>,
    /// Somebody wants it up (`IFF_UP`).
    pub admin_up: bool,
    /// It has carrier (`IFF_LOWER_UP`).
    pub lower_up: bool,
    /// Operational state (RFC 2863).
    pub oper: Oper,
    /// Index of the bridge, bond or team it is a part of.
    pub master: Option<u32>,
    /// Largest payload in bytes.
    pub mtu: u32,
    /// What it is.
    pub kind: LinkKind,
    /// Its state within its bond, if it is a member of one.
    pub member: Option<BondMember>,
    /// Its state within its bridge, if it is a port of one.
    pub bridge_port: Option<BridgePort>,
}

impl LinkInfo {
    /// It is wanted up and has carrier.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.admin_up && self.lower_up
    }
}

/// Operational state of an interface (RFC 2863, `ifOperStatus`).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Oper {
    /// The driver does not say.
    Unknown,
    /// The hardware is missing.
    NotPresent,
    /// No carrier, or administratively down.
    Down,
    /// The interface underneath is down.
    LowerLayerDown,
    /// Under test.
    Testing,
    /// Waiting for an event such as authentication.
    Dormant,
    /// Ready to pass packets.
    Up,
    /// A state this program does not know.
    Other(u8),
}

impl Oper {
    pub(crate) const fn read(raw: u8) -> Self {
        match raw {
            0 => Self::Unknown,
            1 => Self::NotPresent,
            2 => Self::Down,
            3 => Self::LowerLayerDown,
            4 => Self::Testing,
            5 => Self::Dormant,
            6 => Self::Up,
            other => Self::Other(other),
        }
    }
}

/// What an interface is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum LinkKind {
    /// A link aggregation by the kernel's own bonding driver.
    Bond(BondInfo),
    /// A link aggregation that a user space daemon controls.
    Team,
    /// A bridge.
    Bridge {
        /// Frames are separated by VLAN.
        vlan_filtering: bool,
        /// How long a learned address lives without frames.
        ageing_time: Duration,
        /// Whether multicast goes only where somebody asked for it.
        mcast_snooping: McastSnooping,
        /// Whether the kernel's spanning tree runs.
        spanning_tree: bool,
    },
    /// A VLAN of another interface.
    Vlan {
        /// The VLAN.
        id: Option<Vid>,
        /// Index of the interface underneath; none if that is in another network namespace.
        link: Option<u32>,
    },
    /// Another address on top of an interface, as VRRP has its virtual router's.
    Macvlan {
        /// Index of the interface underneath; none if that is in another network namespace.
        link: Option<u32>,
    },
    /// A VRF: its members are layer-3 interfaces with a routing table of their own.
    Vrf,
    /// A VXLAN tunnel.
    Vxlan,
    /// One end of a virtual cable.
    Veth,
    /// Anything else, by the kernel's name for it; empty for a physical interface.
    Other(String),
}

/// How a bond distributes frames.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum BondMode {
    /// Members take turns.
    RoundRobin,
    /// One member at a time.
    ActiveBackup,
    /// By a hash of addresses, without LACP.
    Xor,
    /// All frames on all members.
    Broadcast,
    /// LACP (IEEE 802.1AX, formerly 802.3ad): the mode that an MLAG port needs.
    Lacp,
    /// Balanced transmission.
    Tlb,
    /// Balanced transmission and reception.
    Alb,
    /// A mode this program does not know.
    Other(u8),
}

impl BondMode {
    pub(crate) const fn read(raw: u8) -> Self {
        match raw {
            0 => Self::RoundRobin,
            1 => Self::ActiveBackup,
            2 => Self::Xor,
            3 => Self::Broadcast,
            4 => Self::Lacp,
            5 => Self::Tlb,
            6 => Self::Alb,
            other => Self::Other(other),
        }
    }
}

/// Settings and state of a bond.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct BondInfo {
    /// How frames are distributed.
    pub mode: BondMode,
    /// How often the members' carrier is looked at, in milliseconds.
    pub miimon_ms: u32,
    /// The bond has carrier only while at least so many members are usable.
    pub min_links: u32,
    /// System id of our side.
    pub ad_actor_system: ActorSystem,
    /// What LACP agreed on; `None` in other modes and while no aggregator is active. A bond
    /// whose partner is silent has carrier all the same: it uses one member without LACP.
    pub lacp: Option<LacpInfo>,
}

/// Added to a bond's own `min_links` to keep it without carrier while LACP runs: more members than
/// any bond has. What it was before can be read from it, also by a process that did not do it.
pub const MIN_LINKS_HOLD: u32 = 1_000_000;

/// LACP system id of our side of a bond, as far as the kernel says.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum ActorSystem {
    /// It does not: it answers processes with `CAP_NET_ADMIN` only, and an event names it when the process
    /// that caused the event has that.
    #[default]
    Unreported,
    /// The bond uses its own address: all zero in a message.
    Own,
    /// This one was given to it.
    Given(Mac),
}

impl ActorSystem {
    /// The one that was given to it; none while it uses its own, or nobody knows.
    #[must_use]
    pub const fn given(self) -> Option<Mac> {
        match self {
            Self::Given(mac) => Some(mac),
            Self::Own | Self::Unreported => None,
        }
    }
}

impl From<Mac> for ActorSystem {
    fn from(mac: Mac) -> Self {
        if mac.is_zero() {
            Self::Own
        } else {
            Self::Given(mac)
        }
    }
}

impl BondInfo {
    /// True for a bond that is kept without carrier by [`MIN_LINKS_HOLD`].
    #[must_use]
    pub const fn is_held(&self) -> bool {
        self.min_links >= MIN_LINKS_HOLD
    }

    /// `min_links` as its operator set it, whether it is held or not.
    #[must_use]
    pub const fn own_min_links(&self) -> u32 {
        self.min_links % MIN_LINKS_HOLD
    }
}

/// What LACP agreed on with the partner of a bond.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct LacpInfo {
    /// How many members the aggregator has that is in use.
    pub num_ports: u16,
    /// Our key.
    pub actor_key: u16,
    /// The partner's key.
    pub partner_key: u16,
    /// The partner's system id; all zero while nobody answers.
    pub partner_mac: Mac,
}

/// State of an interface as member of a bond.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct BondMember {
    /// The bond uses it, with or without a partner.
    pub active: bool,
    /// The bond believes that it has carrier.
    pub mii_up: bool,
    /// How often the bond lost it.
    pub link_failures: u32,
    /// Transmit queue, zero if none was chosen.
    pub queue_id: u16,
    /// The aggregator it was put into; `None` without LACP.
    pub aggregator: Option<u16>,
    /// State bits of our side (IEEE 802.1AX, `Actor_State`).
    pub actor_state: LacpState,
    /// State bits of the partner.
    pub partner_state: LacpState,
}

impl BondMember {
    /// Our side is in sync and collects and distributes frames.
    #[must_use]
    pub fn is_distributing(&self) -> bool {
        let all = LacpState::SYNCHRONIZATION | LacpState::COLLECTING | LacpState::DISTRIBUTING;
        self.actor_state.contains(all)
    }
}

bitflags::bitflags! {
    /// State bits of one side of a link (IEEE 802.1AX, `Actor_State`).
    #[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
    pub struct LacpState: u8 {
        /// Speaks without being spoken to.
        const ACTIVITY = 1 << 0;
        /// Wants to hear the partner every second.
        const TIMEOUT = 1 << 1;
        /// May be part of an aggregation.
        const AGGREGATION = 1 << 2;
        /// Is in the right aggregator.
        const SYNCHRONIZATION = 1 << 3;
        /// Accepts frames.
        const COLLECTING = 1 << 4;
        /// Sends frames.
        const DISTRIBUTING = 1 << 5;
        /// Works with assumed values of the partner.
        const DEFAULTED = 1 << 6;
        /// Has not heard from the partner in time.
        const EXPIRED = 1 << 7;
    }
}

/// Spanning-tree state of a bridge port.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum PortState {
    /// Passes nothing.
    Disabled,
    /// Passes nothing, takes part in the spanning tree.
    Listening,
    /// Learns addresses, passes nothing.
    Learning,
    /// Passes frames.
    Forwarding,
    /// Passes nothing, to avoid a loop.
    Blocking,
    /// A state this program does not know.
    Other(u8),
}

impl PortState {
    pub(crate) const fn read(raw: u8) -> Self {
        match raw {
            0 => Self::Disabled,
            1 => Self::Listening,
            2 => Self::Learning,
            3 => Self::Forwarding,
            4 => Self::Blocking,
            other => Self::Other(other),
        }
    }

    const fn raw(self) -> u8 {
        match self {
            Self::Disabled => 0,
            Self::Listening => 1,
            Self::Learning => 2,
            Self::Forwarding => 3,
            Self::Blocking => 4,
            Self::Other(other) => other,
        }
    }
}

/// Whether a bridge sends multicast only to ports where somebody asked for it (IGMP, MLD).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum McastSnooping {
    /// It goes to all ports; also a kernel that cannot do otherwise.
    #[default]
    Off,
    /// On, with settings of the bridge and of its ports.
    Global,
    /// On, with settings of each VLAN (`mcast_vlan_snooping`): those of ports have no effect.
    PerVlan,
}

/// Whether a bridge port gets all multicast of a snooping bridge, as one with a multicast router behind it.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum McastRouter {
    /// Never.
    Disabled,
    /// While a querier or router is heard on it: the kernel's default.
    Learned,
    /// Always.
    Permanent,
    /// For a while, as somebody in user space heard a router.
    Temporary,
}

impl McastRouter {
    pub(crate) const fn read(raw: u8) -> Option<Self> {
        Some(match raw {
            0 => Self::Disabled,
            1 => Self::Learned,
            2 => Self::Permanent,
            3 => Self::Temporary,
            _ => return None,
        })
    }
}

/// State of an interface as port of a bridge.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct BridgePort {
    /// Spanning-tree state.
    pub state: PortState,
    /// Addresses are learned from its frames.
    pub learning: bool,
    /// Unknown unicast is flooded to it.
    pub flood: bool,
    /// It exchanges no frames with other isolated ports.
    pub isolated: bool,
    /// Index of the port that gets its frames while it has no carrier.
    pub backup_port: Option<u32>,
    /// Whether it gets all multicast; none where the kernel does not say (no IGMP snooping built in).
    pub mcast_router: Option<McastRouter>,
}

/// The kernel counts in hundredths of a second towards user space, whatever it does inside.
pub(crate) fn centiseconds(count: u32) -> Duration {
    Duration::from_millis(u64::from(count) * 10)
}

/// Length of the fixed header (`struct ifinfomsg`).
pub(crate) const HEADER_LEN: usize = 16;

pub(crate) const AF_UNSPEC: u8 = 0;
pub(crate) const AF_BRIDGE: u8 = 7;

pub(crate) const RTM_NEWLINK: u16 = 16;
pub(crate) const RTM_DELLINK: u16 = 17;
pub(crate) const RTM_GETLINK: u16 = 18;

const IFLA_MASTER: u16 = 10;
const IFLA_PROTINFO: u16 = 12;
const IFLA_BRPORT_STATE: u16 = 1;
