//! Link messages of the kernel.
//!
//! Read here and not by the typed parser, to which one attribute it dislikes costs the whole
//! message.

use mclag_proto::{IfName, Mac, Vid};

use super::{
    AF_BRIDGE, AF_UNSPEC, ActorSystem, BondInfo, BondMember, BondMode, BridgePort, HEADER_LEN,
    IFLA_BRPORT_STATE, IFLA_MASTER, IFLA_PROTINFO, LacpInfo, LacpState, LinkInfo, LinkKind,
    McastRouter, McastSnooping, Oper, PortState, RTM_DELLINK, RTM_NEWLINK, centiseconds,
};
use crate::attr::{Attr, Attrs, Received};
use crate::vlan::BridgeVlans;

/// What a link message of the kernel says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum LinkNews {
    /// The interface exists and looks like this.
    Link(LinkInfo),
    /// The interface is gone.
    Gone { index: u32, name: IfName },
    /// The interface is a port of a bridge, or the bridge, and looks like this.
    Bridge {
        index: u32,
        vlans: Option<BridgeVlans>,
        port: Option<BridgePort>,
    },
    /// The interface left its bridge.
    LeftBridge { index: u32 },
}

/// Read a link message. `None` for those that say nothing we can use.
pub(crate) fn read(message: &Received<'_>) -> Option<LinkNews> {
    // | family (1) | 0 (1) | type (2) | index (4) | flags (4) | changed flags (4) |
    let (&[family, _, _, _, i0, i1, i2, i3, f0, f1, f2, f3, ..], attrs) =
        message.split::<HEADER_LEN>()?;
    let index = u32::from_ne_bytes([i0, i1, i2, i3]);
    let flags = u32::from_ne_bytes([f0, f1, f2, f3]);
    match (message.kind, family) {
        (RTM_NEWLINK, AF_UNSPEC) => read_link(index, flags, attrs).map(LinkNews::Link),
        (RTM_DELLINK, AF_UNSPEC) => Some(LinkNews::Gone {
            index,
            name: attrs.find(IFLA_IFNAME).and_then(name)?,
        }),
        (RTM_NEWLINK, AF_BRIDGE) => {
            let spec = attrs.find(IFLA_AF_SPEC);
            let spec = spec.map_or(Attrs(&[]), |a| a.nested());
            let flags = spec.find(IFLA_BRIDGE_FLAGS).and_then(|a| a.u16());
            // Drivers describe the bridge inside their card like this (`bridge link set dev eth0 hwmode veb`).
            if flags.is_some_and(|flags| flags & BRIDGE_FLAGS_SELF != 0) {
                return None;
            }
            let port = attrs.find(IFLA_PROTINFO);
            Some(LinkNews::Bridge {
                index,
                vlans: BridgeVlans::read(spec),
                port: port.map(|a| read_bridge_port(a.nested())),
            })
        }
        (RTM_DELLINK, AF_BRIDGE) => Some(LinkNews::LeftBridge { index }),
        _ => None,
    }
}

fn read_link(index: u32, flags: u32, attrs: Attrs<'_>) -> Option<LinkInfo> {
    let mut link_name = None;
    let mut mac = None;
    let mut oper = Oper::Unknown;
    let mut master = None;
    let mut mtu = None;
    let mut lower = None;
    let mut is_lower_elsewhere = false;
    let mut info = Attrs(&[]);
    for attr in attrs {
        match attr.kind {
            IFLA_IFNAME => link_name = name(attr),
            IFLA_ADDRESS => mac = attr.value.try_into().ok().map(Mac),
            IFLA_OPERSTATE => oper = attr.u8().map_or(oper, Oper::read),
            IFLA_MASTER => master = attr.u32(),
            IFLA_MTU => mtu = attr.u32(),
            IFLA_LINK => lower = attr.u32(),
            // The index is one of another namespace, and may be that of something else here.
            IFLA_LINK_NETNSID => is_lower_elsewhere = true,
            IFLA_LINKINFO => info = attr.nested(),
            _ => {}
        }
    }
    let slave_kind = info.find(IFLA_INFO_SLAVE_KIND).and_then(|a| a.text());
    let slave_data = info.find(IFLA_INFO_SLAVE_DATA).map(|a| a.nested());
    Some(LinkInfo {
        index,
        name: link_name?,
        mac,
        admin_up: flags & IFF_UP != 0,
        lower_up: flags & IFF_LOWER_UP != 0,
        oper,
        master,
        // Wireless notifications come as link messages without it and describe nothing else.
        mtu: mtu?,
        kind: read_kind(info, lower.filter(|_| !is_lower_elsewhere)),
        member: slave_data
            .filter(|_| slave_kind == Some("bond"))
            .map(read_member),
        bridge_port: slave_data
            .filter(|_| slave_kind == Some("bridge"))
            .map(read_bridge_port),
    })
}

fn read_kind(info: Attrs<'_>, lower: Option<u32>) -> LinkKind {
    let kind = info.find(IFLA_INFO_KIND).and_then(|a| a.text());
    let data = info.find(IFLA_INFO_DATA).map(|a| a.nested());
    let data = data.unwrap_or(Attrs(&[]));
    match kind.unwrap_or_default() {
        "bond" => LinkKind::Bond(read_bond(data)),
        "team" => LinkKind::Team,
        "bridge" => LinkKind::Bridge {
            vlan_filtering: flag(data, IFLA_BR_VLAN_FILTERING),
            ageing_time: centiseconds(u32_or_zero(data, IFLA_BR_AGEING_TIME)),
            mcast_snooping: read_snooping(data),
            spanning_tree: u32_or_zero(data, IFLA_BR_STP_STATE) == KERNEL_STP,
        },
        "vlan" => LinkKind::Vlan {
            id: data.find(IFLA_VLAN_ID).and_then(|a| Vid::new(a.u16()?)),
            link: lower,
        },
        "macvlan" => LinkKind::Macvlan { link: lower },
        "vrf" => LinkKind::Vrf,
        "vxlan" => LinkKind::Vxlan,
        "veth" => LinkKind::Veth,
        other => LinkKind::Other(other.to_owned()),
    }
}

fn read_bond(data: Attrs<'_>) -> BondInfo {
    let mac = |attr: Attr<'_>| attr.value.try_into().ok().map(Mac);
    let lacp = data.find(IFLA_BOND_AD_INFO).map(|attr| {
        let info = attr.nested();
        let number = |kind| info.find(kind).and_then(|a| a.u16()).unwrap_or_default();
        LacpInfo {
            num_ports: number(IFLA_BOND_AD_INFO_NUM_PORTS),
            actor_key: number(IFLA_BOND_AD_INFO_ACTOR_KEY),
            partner_key: number(IFLA_BOND_AD_INFO_PARTNER_KEY),
            partner_mac: info
                .find(IFLA_BOND_AD_INFO_PARTNER_MAC)
                .and_then(mac)
                .unwrap_or_default(),
        }
    });
    BondInfo {
        mode: BondMode::read(
            data.find(IFLA_BOND_MODE)
                .and_then(|a| a.u8())
                .unwrap_or(u8::MAX),
        ),
        miimon_ms: u32_or_zero(data, IFLA_BOND_MIIMON),
        min_links: u32_or_zero(data, IFLA_BOND_MIN_LINKS),
        ad_actor_system: data
            .find(IFLA_BOND_AD_ACTOR_SYSTEM)
            .and_then(mac)
            .map(ActorSystem::from)
            .unwrap_or_default(),
        lacp,
    }
}

fn read_snooping(data: Attrs<'_>) -> McastSnooping {
    // | values (4) | which of them are valid (4) |
    let options = data.find(IFLA_BR_MULTI_BOOLOPT).map(|attr| attr.value);
    let per_vlan = match options {
        Some(&[v0, v1, v2, v3, _, _, _, _]) => {
            u32::from_ne_bytes([v0, v1, v2, v3]) & BR_BOOLOPT_MCAST_VLAN_SNOOPING != 0
        }
        _ => false,
    };
    match (flag(data, IFLA_BR_MCAST_SNOOPING), per_vlan) {
        (false, _) => McastSnooping::Off,
        (true, false) => McastSnooping::Global,
        (true, true) => McastSnooping::PerVlan,
    }
}

fn read_member(data: Attrs<'_>) -> BondMember {
    let byte = |kind| data.find(kind).and_then(|a| a.u8());
    let number = |kind| data.find(kind).and_then(|a| a.u16());
    // The partner's state has 16 bits in this attribute, of which LACP defines 8.
    let partner = number(IFLA_BOND_SLAVE_AD_PARTNER_OPER_PORT_STATE).unwrap_or_default();
    BondMember {
        active: byte(IFLA_BOND_SLAVE_STATE) == Some(0),
        mii_up: byte(IFLA_BOND_SLAVE_MII_STATUS) == Some(0),
        link_failures: u32_or_zero(data, IFLA_BOND_SLAVE_LINK_FAILURE_COUNT),
        queue_id: number(IFLA_BOND_SLAVE_QUEUE_ID).unwrap_or_default(),
        aggregator: number(IFLA_BOND_SLAVE_AD_AGGREGATOR_ID),
        actor_state: LacpState::from_bits_retain(
            byte(IFLA_BOND_SLAVE_AD_ACTOR_OPER_PORT_STATE).unwrap_or_default(),
        ),
        partner_state: LacpState::from_bits_retain(partner.to_le_bytes()[0]),
    }
}

fn read_bridge_port(data: Attrs<'_>) -> BridgePort {
    let state = data.find(IFLA_BRPORT_STATE).and_then(|a| a.u8());
    BridgePort {
        state: PortState::read(state.unwrap_or(u8::MAX)),
        learning: flag(data, IFLA_BRPORT_LEARNING),
        flood: flag(data, IFLA_BRPORT_UNICAST_FLOOD),
        isolated: flag(data, IFLA_BRPORT_ISOLATED),
        backup_port: data
            .find(IFLA_BRPORT_BACKUP_PORT)
            .and_then(|a| a.u32())
            .filter(|&index| index != 0),
        mcast_router: data
            .find(IFLA_BRPORT_MULTICAST_ROUTER)
            .and_then(|a| a.u8())
            .and_then(McastRouter::read),
    }
}

/// The name of an interface; `None` for one that no setting can name.
fn name(attr: Attr<'_>) -> Option<IfName> {
    IfName::new(attr.text()?).ok()
}

fn flag(attrs: Attrs<'_>, kind: u16) -> bool {
    attrs.find(kind).and_then(|a| a.u8()).unwrap_or_default() != 0
}

fn u32_or_zero(attrs: Attrs<'_>, kind: u16) -> u32 {
    attrs.find(kind).and_then(|a| a.u32()).unwrap_or_default()
}

const IFF_UP: u32 = 1;
const IFF_LOWER_UP: u32 = 1 << 16;

const IFLA_ADDRESS: u16 = 1;
const IFLA_IFNAME: u16 = 3;
const IFLA_MTU: u16 = 4;
const IFLA_LINK: u16 = 5;
const IFLA_OPERSTATE: u16 = 16;
const IFLA_LINKINFO: u16 = 18;
const IFLA_AF_SPEC: u16 = 26;
const IFLA_BRIDGE_FLAGS: u16 = 0;
const BRIDGE_FLAGS_SELF: u16 = 2;
const IFLA_LINK_NETNSID: u16 = 37;

const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
const IFLA_INFO_SLAVE_KIND: u16 = 4;
const IFLA_INFO_SLAVE_DATA: u16 = 5;

const IFLA_BOND_MODE: u16 = 1;
const IFLA_BOND_MIIMON: u16 = 3;
const IFLA_BOND_MIN_LINKS: u16 = 18;
const IFLA_BOND_AD_INFO: u16 = 23;
const IFLA_BOND_AD_ACTOR_SYSTEM: u16 = 26;

const IFLA_BOND_AD_INFO_NUM_PORTS: u16 = 2;
const IFLA_BOND_AD_INFO_ACTOR_KEY: u16 = 3;
const IFLA_BOND_AD_INFO_PARTNER_KEY: u16 = 4;
const IFLA_BOND_AD_INFO_PARTNER_MAC: u16 = 5;

const IFLA_BOND_SLAVE_STATE: u16 = 1;
const IFLA_BOND_SLAVE_MII_STATUS: u16 = 2;
const IFLA_BOND_SLAVE_LINK_FAILURE_COUNT: u16 = 3;
const IFLA_BOND_SLAVE_QUEUE_ID: u16 = 5;
const IFLA_BOND_SLAVE_AD_AGGREGATOR_ID: u16 = 6;
const IFLA_BOND_SLAVE_AD_ACTOR_OPER_PORT_STATE: u16 = 7;
const IFLA_BOND_SLAVE_AD_PARTNER_OPER_PORT_STATE: u16 = 8;

const IFLA_BR_AGEING_TIME: u16 = 4;
const IFLA_BR_STP_STATE: u16 = 5;
/// `BR_KERNEL_STP`.
const KERNEL_STP: u32 = 1;
const IFLA_BR_VLAN_FILTERING: u16 = 7;
const IFLA_BR_MCAST_SNOOPING: u16 = 23;
const IFLA_BR_MULTI_BOOLOPT: u16 = 46;

/// `1 << BR_BOOLOPT_MCAST_VLAN_SNOOPING`.
const BR_BOOLOPT_MCAST_VLAN_SNOOPING: u32 = 1 << 1;

const IFLA_VLAN_ID: u16 = 1;

const IFLA_BRPORT_LEARNING: u16 = 8;
const IFLA_BRPORT_UNICAST_FLOOD: u16 = 9;
const IFLA_BRPORT_MULTICAST_ROUTER: u16 = 25;
const IFLA_BRPORT_ISOLATED: u16 = 33;
const IFLA_BRPORT_BACKUP_PORT: u16 = 34;

#[cfg(test)]
mod tests;
