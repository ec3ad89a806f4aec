use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::attr::{Messages, Msg};

fn header(family: u8, flags: u32) -> [u8; HEADER_LEN] {
    let mut header = [0; HEADER_LEN];
    header[0] = family;
    header[4..8].copy_from_slice(&5_u32.to_ne_bytes());
    header[8..12].copy_from_slice(&flags.to_ne_bytes());
    header
}

fn link(flags: u32, fill: impl FnOnce(&mut Msg)) -> LinkInfo {
    let mut msg = Msg::new(RTM_NEWLINK, 0, &header(AF_UNSPEC, flags));
    msg.attr_str(IFLA_IFNAME, "port5");
    msg.attr_u32(IFLA_MTU, 1500);
    fill(&mut msg);
    match news(msg) {
        Some(LinkNews::Link(info)) => info,
        other => panic!("{other:?}"),
    }
}

fn news(mut msg: Msg) -> Option<LinkNews> {
    let bytes = msg.seal(0).to_vec();
    read(&Messages(&bytes).next()?)
}

#[test]
fn carrier_is_not_the_same_as_wanted() {
    let got = link(IFF_UP, |m| m.attr_u8(IFLA_OPERSTATE, 2));
    assert!(got.admin_up && !got.lower_up && !got.is_running());
    assert_eq!((got.oper, got.master, got.index), (Oper::Down, None, 5));
    assert!(link(IFF_UP | IFF_LOWER_UP, |_| {}).is_running());
}

/// An event that somebody without privileges caused does not name it.
#[test]
fn that_a_bond_shows_its_own_id_is_not_that_nobody_says() {
    let bond = |system: Option<[u8; 6]>| {
        let got = link(0, |m| {
            m.nest(IFLA_LINKINFO, |m| {
                m.attr_str(IFLA_INFO_KIND, "bond");
                m.nest(IFLA_INFO_DATA, |m| {
                    if let Some(system) = system {
                        m.attr(IFLA_BOND_AD_ACTOR_SYSTEM, &system);
                    }
                });
            });
        });
        match got.kind {
            LinkKind::Bond(bond) => bond.ad_actor_system,
            other => panic!("{other:?}"),
        }
    };
    let given = Mac([2, 0, 0, 0, 0, 9]);
    assert_eq!(bond(None), ActorSystem::Unreported);
    assert_eq!(bond(Some([0; 6])), ActorSystem::Own);
    assert_eq!(bond(Some(given.0)), ActorSystem::Given(given));
}

#[test]
fn a_bond_tells_its_partner() {
    let got = link(0, |m| {
        m.nest(IFLA_LINKINFO, |m| {
            m.attr_str(IFLA_INFO_KIND, "bond");
            m.nest(IFLA_INFO_DATA, |m| {
                m.attr_u8(IFLA_BOND_MODE, 4);
                m.attr_u32(IFLA_BOND_MIIMON, 100);
                m.attr_u32(IFLA_BOND_MIN_LINKS, 1);
                m.attr(IFLA_BOND_AD_ACTOR_SYSTEM, &[2, 0, 0, 0, 0, 9]);
                m.nest(IFLA_BOND_AD_INFO, |m| {
                    m.attr_u16(IFLA_BOND_AD_INFO_NUM_PORTS, 2);
                    m.attr_u16(IFLA_BOND_AD_INFO_ACTOR_KEY, 15);
                    m.attr_u16(IFLA_BOND_AD_INFO_PARTNER_KEY, 16);
                    m.attr(IFLA_BOND_AD_INFO_PARTNER_MAC, &[2, 0, 0, 0, 0, 8]);
                });
            });
        });
    });
    assert_eq!(
        got.kind,
        LinkKind::Bond(BondInfo {
            mode: BondMode::Lacp,
            miimon_ms: 100,
            min_links: 1,
            ad_actor_system: ActorSystem::Given(Mac([2, 0, 0, 0, 0, 9])),
            lacp: Some(LacpInfo {
                num_ports: 2,
                actor_key: 15,
                partner_key: 16,
                partner_mac: Mac([2, 0, 0, 0, 0, 8]),
            }),
        })
    );
}

#[test]
fn a_member_distributes_when_all_three_bits_say_so() {
    let member = |actor| {
        let got = link(0, |m| {
            m.attr_u32(IFLA_MASTER, 9);
            m.nest(IFLA_LINKINFO, |m| {
                m.attr_str(IFLA_INFO_SLAVE_KIND, "bond");
                m.nest(IFLA_INFO_SLAVE_DATA, |m| {
                    m.attr_u8(IFLA_BOND_SLAVE_STATE, 0);
                    m.attr_u8(IFLA_BOND_SLAVE_MII_STATUS, 0);
                    m.attr_u16(IFLA_BOND_SLAVE_AD_AGGREGATOR_ID, 2);
                    m.attr_u8(IFLA_BOND_SLAVE_AD_ACTOR_OPER_PORT_STATE, actor);
                    m.attr_u16(IFLA_BOND_SLAVE_AD_PARTNER_OPER_PORT_STATE, 0x1d);
                });
            });
        });
        assert_eq!((got.master, got.bridge_port), (Some(9), None));
        got.member.expect("a member")
    };
    let up = member(0x3f);
    assert!(up.active && up.mii_up && up.is_distributing());
    assert_eq!(up.aggregator, Some(2));
    for actor in [0x1f, 0x2f, 0x37, 0x00] {
        assert!(!member(actor).is_distributing(), "{actor:#x}");
    }
}

#[test]
fn a_bridge_port_tells_its_backup() {
    let got = link(0, |m| {
        m.nest(IFLA_LINKINFO, |m| {
            m.attr_str(IFLA_INFO_SLAVE_KIND, "bridge");
            m.nest(IFLA_INFO_SLAVE_DATA, |m| {
                m.attr_u8(IFLA_BRPORT_STATE, 3);
                m.attr_u8(IFLA_BRPORT_LEARNING, 1);
                m.attr_u32(IFLA_BRPORT_BACKUP_PORT, 12);
            });
        });
    });
    let port = got.bridge_port.expect("a port");
    assert_eq!(port.state, PortState::Forwarding);
    assert!(port.learning && !port.isolated);
    assert_eq!((port.backup_port, got.member), (Some(12), None));
}

#[test]
fn a_bridge_tells_its_ageing_time() {
    let got = link(0, |m| {
        m.nest(IFLA_LINKINFO, |m| {
            m.attr_str(IFLA_INFO_KIND, "bridge");
            m.nest(IFLA_INFO_DATA, |m| {
                m.attr_u32(IFLA_BR_AGEING_TIME, 30_000);
                m.attr_u8(IFLA_BR_VLAN_FILTERING, 1);
            });
        });
    });
    assert_eq!(
        got.kind,
        LinkKind::Bridge {
            vlan_filtering: true,
            ageing_time: Duration::from_secs(300),
            mcast_snooping: McastSnooping::Off,
            spanning_tree: false,
        }
    );
}

/// 0 is none, 1 the kernel's own, 2 that of a daemon.
#[test]
fn spanning_tree_of_a_bridge_is_the_kernels_own() {
    for (state, own) in [(0, false), (1, true), (2, false)] {
        let got = link(0, |m| {
            m.nest(IFLA_LINKINFO, |m| {
                m.attr_str(IFLA_INFO_KIND, "bridge");
                m.nest(IFLA_INFO_DATA, |m| m.attr_u32(IFLA_BR_STP_STATE, state));
            });
        });
        let LinkKind::Bridge { spanning_tree, .. } = got.kind else {
            panic!("{:?}", got.kind);
        };
        assert_eq!(spanning_tree, own, "{state}");
    }
}

#[test]
fn snooping_of_a_bridge_is_off_on_or_per_vlan() {
    const PER_VLAN: u32 = 1 << 1;
    for (on, options, snooping) in [
        (0, Some(0), McastSnooping::Off),
        (0, Some(PER_VLAN), McastSnooping::Off),
        (1, Some(0), McastSnooping::Global),
        (1, Some(1), McastSnooping::Global), // another option
        (1, None, McastSnooping::Global),    // a kernel before 5.0
        (1, Some(PER_VLAN), McastSnooping::PerVlan),
    ] {
        let got = link(0, |m| {
            m.nest(IFLA_LINKINFO, |m| {
                m.attr_str(IFLA_INFO_KIND, "bridge");
                m.nest(IFLA_INFO_DATA, |m| {
                    m.attr_u8(IFLA_BR_MCAST_SNOOPING, on);
                    if let Some(options) = options {
                        let valid = u32::MAX;
                        let all = [options.to_ne_bytes(), valid.to_ne_bytes()].concat();
                        m.attr(IFLA_BR_MULTI_BOOLOPT, &all);
                    }
                });
            });
        });
        let LinkKind::Bridge { mcast_snooping, .. } = got.kind else {
            panic!("{got:?}");
        };
        assert_eq!(mcast_snooping, snooping, "{on} {options:?}");
    }
}

/// The kernel leaves the list out where it would be empty; reports about MRP and CFM have an attribute of their own in its
/// place; and what a driver says of the bridge inside its card is no port of ours.
#[test]
fn vlans_of_a_port_are_known_but_where_the_message_is_about_something_else() {
    let bridge = |fill: fn(&mut Msg)| {
        let mut msg = Msg::new(RTM_NEWLINK, 0, &header(AF_BRIDGE, 0));
        fill(&mut msg);
        news(msg)
    };
    let vlans = |vlans| {
        Some(LinkNews::Bridge {
            index: 5,
            vlans,
            port: None,
        })
    };
    let none = || Some(BridgeVlans::default());
    let one = || {
        let vid = Vid::new(20);
        Some(BridgeVlans {
            vids: vid.into_iter().collect(),
            ..BridgeVlans::default()
        })
    };
    assert_eq!(bridge(|_| {}), vlans(none()));
    assert_eq!(bridge(|m| m.nest(IFLA_AF_SPEC, |_| {})), vlans(none()));
    let listed = bridge(|m| {
        m.nest(IFLA_AF_SPEC, |m| m.attr(2, &[0, 0, 20, 0]));
    });
    assert_eq!(listed, vlans(one()));
    let mrp = bridge(|m| m.nest(IFLA_AF_SPEC, |m| m.attr(4, &[])));
    assert_eq!(mrp, vlans(None));
    let cfm_and_vlans = bridge(|m| {
        m.nest(IFLA_AF_SPEC, |m| {
            m.attr(5, &[]);
            m.attr(2, &[0, 0, 20, 0]);
        });
    });
    assert_eq!(cfm_and_vlans, vlans(one()));
    let embedded = bridge(|m| {
        m.nest(IFLA_AF_SPEC, |m| {
            m.attr_u16(IFLA_BRIDGE_FLAGS, BRIDGE_FLAGS_SELF);
            m.attr_u16(1, 0);
        });
        m.nest(IFLA_PROTINFO, |_| {});
    });
    assert_eq!(embedded, None);
}

#[test]
fn an_unreadable_attribute_costs_only_itself() {
    let got = link(0, |m| {
        m.attr(IFLA_ADDRESS, &[1, 2, 3]);
        m.attr(IFLA_OPERSTATE, &[1, 2, 3]);
        m.attr(IFLA_LINKINFO, &[200, 0, 1, 0]);
        m.attr_u32(IFLA_MASTER, 3);
    });
    assert_eq!((got.mac, got.oper), (None, Oper::Unknown));
    assert_eq!(got.master, Some(3));
    assert_eq!(got.kind, LinkKind::Other(String::new()));
}

#[test]
fn a_wireless_notification_is_not_an_interface() {
    let mut msg = Msg::new(RTM_NEWLINK, 0, &header(AF_UNSPEC, 0));
    msg.attr_str(IFLA_IFNAME, "wlan0");
    assert_eq!(news(msg), None);
}

proptest! {
    #[test]
    fn any_bytes_can_be_read(
        kind in RTM_NEWLINK..=RTM_DELLINK,
        body in proptest::collection::vec(any::<u8>(), 0..300),
    ) {
        let _ = read(&Received { kind, flags: 0, sequence: 0, port: 0, body: &body });
    }
}

/// Of a VLAN interface that was moved here from another namespace the kernel tells the index that its lower one has there.
#[test]
fn an_interface_underneath_in_another_namespace_has_no_index_here() {
    for (is_elsewhere, index) in [(false, Some(7)), (true, None)] {
        for kind in ["vlan", "macvlan"] {
            let got = link(0, |m| {
                m.attr_u32(IFLA_LINK, 7);
                m.nest(IFLA_LINKINFO, |m| m.attr_str(IFLA_INFO_KIND, kind));
                if is_elsewhere {
                    m.attr_u32(IFLA_LINK_NETNSID, 0);
                }
            });
            match got.kind {
                LinkKind::Vlan { link, .. } | LinkKind::Macvlan { link } => assert_eq!(link, index),
                other => panic!("{other:?}"),
            }
        }
    }
}
