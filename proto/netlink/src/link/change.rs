//! Settings of interfaces that we change, and questions about them.
//!
//! Requests are built with the typed messages of `rtnetlink`, but not sent through its handle:
//! that one drops the kernel's explanation of a refusal, and a request whose answer is lost
//! waits in it for ever.

use mclag_proto::{IfName, Mac};
use rtnetlink::packet_route::link::{BridgeMulticastRouterType, InfoKind, LinkMessage};
use rtnetlink::{LinkBond, LinkBridgePort, LinkMessageBuilder, LinkUnspec};

use super::{AF_BRIDGE, HEADER_LEN, McastRouter, PortState, RTM_GETLINK, RTM_NEWLINK};
use super::{IFLA_BRPORT_STATE, IFLA_MASTER, IFLA_PROTINFO};
use crate::attr::Msg;

/// A change of one setting of one interface.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct LinkOp {
    /// Index of the interface.
    pub link: u32,
    /// What to change.
    pub set: LinkSetting,
}

/// A setting we change.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum LinkSetting {
    /// Bring it up or take it down.
    AdminUp(bool),
    /// Its Ethernet address. A VLAN interface, a bridge and a bond take it while they are up and
    /// keep their carrier; a bond gives it to its members. The kernel forgets all neighbours of
    /// the interface, permanent ones included.
    Mac(Mac),
    /// LACP system id of a bond; `None` for the bond's own address.
    BondActorSystem(Option<Mac>),
    /// Members a bond needs to have carrier; 0 and 1 mean the same. Works at once, in both
    /// directions. LACP goes on meanwhile: the partner still sends into a bond that is held
    /// this way, and what it sends is lost if the bond is a bridge port.
    BondMinLinks(u32),
    /// Learn addresses from frames of this bridge port. What was learned before is forgotten with `false`: no frame
    /// would keep it true.
    Learning(bool),
    /// Send frames for this bridge port to another one of its bridge while it has no carrier, and keep what was learned
    /// on it meanwhile. What was learned before is forgotten, with `None`, too: the port leads to another place now.
    BackupPort(Option<u32>),
    /// Whether this bridge port gets all multicast of a bridge that snoops.
    McastRouter(McastRouter),
    /// Spanning-tree state of this bridge port. Refused with `EBUSY` while the kernel runs the
    /// spanning tree. Without spanning tree the bridge turns [`PortState::Blocking`] into
    /// forwarding at once, and any state when the port regains carrier: no way to hold a port.
    PortState(PortState),
}

impl LinkOp {
    /// The operation, as it appears in an error.
    pub(crate) const fn name(&self) -> &'static str {
        match self.set {
            LinkSetting::AdminUp(true) => "bring up",
            LinkSetting::AdminUp(false) => "take down",
            LinkSetting::Mac(_) => "set address",
            LinkSetting::BondActorSystem(_) => "set ad_actor_system",
            LinkSetting::BondMinLinks(_) => "set min_links",
            LinkSetting::Learning(_) => "set learning",
            LinkSetting::BackupPort(_) => "set backup_port",
            LinkSetting::McastRouter(_) => "set mcast_router",
            LinkSetting::PortState(_) => "set port state",
        }
    }

    pub(crate) fn request(&self) -> Msg {
        let plain = || LinkUnspec::new_with_index(self.link);
        let port = || LinkBridgePort::new(self.link);
        let bond =
            || LinkMessageBuilder::<LinkBond>::new_with_info_kind(InfoKind::Bond).index(self.link);
        let message: LinkMessage = match self.set {
            LinkSetting::AdminUp(true) => plain().up().build(),
            LinkSetting::AdminUp(false) => plain().down().build(),
            LinkSetting::Mac(mac) => plain().address(mac.0.to_vec()).build(),
            // All zero is the kernel's way to say "the bond's own".
            LinkSetting::BondActorSystem(mac) => {
                bond().ad_actor_system(mac.unwrap_or(Mac::ZERO).0).build()
            }
            LinkSetting::BondMinLinks(count) => bond().min_links(count).build(),
            LinkSetting::Learning(true) => port().learning(true).build(),
            LinkSetting::Learning(false) => port().learning(false).fdb_flush().build(),
            LinkSetting::BackupPort(Some(index)) => port().backup_port(index).fdb_flush().build(),
            LinkSetting::BackupPort(None) => port().nobackup_port().fdb_flush().build(),
            LinkSetting::McastRouter(router) => port().mcast_router(router.typed()).build(),
            LinkSetting::PortState(state) => return port_state_request(self.link, state),
        };
        // Without NLM_F_CREATE this changes an existing interface, and unlike RTM_SETLINK it
        // takes the settings of bonds and bridge ports.
        Msg::typed(RTM_NEWLINK, 0, &message)
    }
}

impl McastRouter {
    const fn typed(self) -> BridgeMulticastRouterType {
        match self {
            Self::Disabled => BridgeMulticastRouterType::Disabled,
            Self::Learned => BridgeMulticastRouterType::TempQuery,
            Self::Permanent => BridgeMulticastRouterType::Permanent,
            Self::Temporary => BridgeMulticastRouterType::Temp,
        }
    }
}

/// Unlike the other settings of a port: after a change of the interface itself, which those
/// are, the bridge looks at the port's carrier and enables a port that was just disabled.
fn port_state_request(link: u32, state: PortState) -> Msg {
    let mut header = [0; HEADER_LEN];
    header[0] = AF_BRIDGE;
    header[4..8].copy_from_slice(&link.to_ne_bytes());
    let mut msg = Msg::new(RTM_SETLINK, 0, &header);
    msg.nest(IFLA_PROTINFO, |m| m.attr_u8(IFLA_BRPORT_STATE, state.raw()));
    msg
}

/// The request for all interfaces that are part of a bridge, bond or team.
pub(crate) fn members_request(master: u32) -> Msg {
    let mut msg = dump_request();
    msg.attr_u32(IFLA_MASTER, master);
    msg
}

/// The request for all interfaces.
pub(crate) fn dump_request() -> Msg {
    Msg::new(RTM_GETLINK, 0, &[0; HEADER_LEN])
}

/// The request for one interface.
pub(crate) fn index_request(index: u32) -> Msg {
    let message = LinkUnspec::new_with_index(index).build();
    Msg::typed(RTM_GETLINK, 0, &message)
}

/// The request for one interface.
pub(crate) fn name_request(name: &IfName) -> Msg {
    let message = LinkUnspec::new_with_name(name.as_str()).build();
    Msg::typed(RTM_GETLINK, 0, &message)
}

const RTM_SETLINK: u16 = 19;

#[cfg(test)]
mod tests;
