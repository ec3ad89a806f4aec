//! Interfaces that come and go, and what is told of it (`spec/behaviour.md` 10.1, 10.4, 10.6, 18).

use crate::chassis::{BOND, BOTH, BRIDGE, Chassis, PEER, name, vid};
use iccp_core::{Input, Link, LinkKind, Notice, OnLoss, Output};
use mclag_proto::AggregatorId;
use mclag_proto::ctl::{Conflict, SessionState, Warning};
use mclag_proto::iccp::ext::{Extension, ShutdownNotice};
use mclag_proto::iccp::{
    ConfigFlag, PeerLinkInfo, PeerLinkKind, PortChannelInfo, SystemConfig, Tlv,
};
use mclag_proto::sync::model::{Isolation, Op};
use std::net::Ipv4Addr;

const PEER_LINK: u32 = 2;
const BOND_INDEX: u32 = 3;
const MEMBER: u32 = 4;

/// What was said of the MLAG port: its configuration (true) or its withdrawal, VLANs, its state.
fn said_of_port(sent: &[Tlv]) -> Vec<String> {
    let word = |tlv: &Tlv| match tlv {
        Tlv::AggregatorConfig(config) => Some(match config.flag {
            ConfigFlag::Present => "config".to_owned(),
            ConfigFlag::Purge => "purge".to_owned(),
        }),
        Tlv::PortChannelInfo(info) => {
            let vids: Vec<String> = info.vids.iter().map(ToString::to_string).collect();
            Some(format!("VLANs {}", vids.join(",")))
        }
        Tlv::AggregatorState(state) if state.state.is_up() => Some("up".to_owned()),
        Tlv::AggregatorState(_) => Some("down".to_owned()),
        _ => None,
    };
    sent.iter().filter_map(word).collect()
}

fn isolation(ops: &[Op], port: &str) -> Option<Isolation> {
    let wants = ops.iter().rev();
    wants
        .filter_map(|op| match op {
            Op::Port { port: named, want } if *named == name(port) => Some(want.isolation),
            _ => None,
        })
        .next()
}

fn synchronised(mut chassis: Chassis) -> Chassis {
    chassis.connect_server(BOTH);
    chassis.session_up();
    chassis.ops();
    chassis.sent();
    chassis
}

fn session(chassis: &Chassis) -> SessionState {
    chassis.domain.status(chassis.now).session
}

fn bond() -> Input {
    let (lacp, partner) = (Some(true), None);
    let min_links = 0;
    let kind = LinkKind::Lag {
        lacp,
        partner,
        min_links,
    };
    let link = Chassis::link(BOND_INDEX, BOND);
    let master = Some(BRIDGE);
    Input::Link(Link {
        kind,
        master,
        ..link
    })
}

/// E30, 10.1: withdrawn with its interface, told again with all of it when that is back.
#[test]
fn a_port_whose_interface_is_made_again_is_told_again() {
    let mut chassis = synchronised(Chassis::active());
    chassis.feed(Input::LinkGone { index: MEMBER });
    chassis.feed(Input::LinkGone { index: BOND_INDEX });
    assert_eq!(said_of_port(&chassis.sent()), ["purge"]);
    chassis.feed(bond());
    chassis.vlans(BOND_INDEX, &[10]);
    assert_eq!(
        said_of_port(&chassis.sent()),
        ["config", "VLANs 10", "down"]
    );
    chassis.member(true);
    assert_eq!(said_of_port(&chassis.sent()), ["up"]);
}

/// 10.1: the news that an interface is gone may be lost; the one of the same name counts.
#[test]
fn an_interface_of_the_same_name_with_another_number_takes_the_place_of_the_old_one() {
    let mut chassis = synchronised(Chassis::active());
    let another = 30;
    let (lacp, partner) = (Some(true), None);
    let min_links = 0;
    let kind = LinkKind::Lag {
        lacp,
        partner,
        min_links,
    };
    let mac = Some(PEER);
    let link = Chassis::link(another, BOND);
    chassis.feed(Input::Link(Link {
        kind,
        mac,
        master: Some(BRIDGE),
        ..link
    }));
    chassis.vlans(another, &[10, 11]);
    let said = said_of_port(&chassis.sent());
    assert!(said.contains(&"VLANs 10,11".to_owned()), "{said:?}");
    assert!(
        said.contains(&"down".to_owned()),
        "its members are the old one's: {said:?}"
    );
}

/// W-19: a port that is taken out while its interface is away is not one when that is back.
#[test]
fn a_port_that_was_deleted_while_its_interface_was_away_stays_deleted() {
    let mut chassis = synchronised(Chassis::active());
    chassis.feed(Input::LinkGone { index: MEMBER });
    chassis.feed(Input::LinkGone { index: BOND_INDEX });
    chassis.sent();
    chassis.configure(1, |config| config.ports.clear());
    chassis.ops();
    chassis.feed(bond());
    chassis.member(true);
    assert_eq!(said_of_port(&chassis.sent()), Vec::<String>::new());
    assert_eq!(isolation(&chassis.ops(), BOND), None);
    // And one that is put in before its interface exists is one as soon as it does.
    chassis.configure(1, |config| config.ports.insert(name("PortChannel7")));
    let mut link = Chassis::link(70, "PortChannel7");
    link.kind = LinkKind::Lag {
        lacp: Some(true),
        partner: None,
        min_links: 0,
    };
    chassis.feed(Input::Link(link));
    let said = said_of_port(&chassis.sent());
    assert!(said.contains(&"config".to_owned()), "{said:?}");
}

/// E26, 10.4: every change is told with the complete list.
#[test]
fn vlans_of_a_port_are_told_as_they_change() {
    let mut chassis = synchronised(Chassis::active());
    chassis.vlans(BOND_INDEX, &[10, 20]);
    assert_eq!(said_of_port(&chassis.sent()), ["config", "VLANs 10,20"]);
    chassis.vlans(BOND_INDEX, &[20]);
    assert_eq!(said_of_port(&chassis.sent()), ["config", "VLANs 20"]);
}

/// E29, 10.5: the peer compares the address of a port.
#[test]
fn an_address_of_a_port_is_told() {
    let mut chassis = synchronised(Chassis::active());
    chassis.routed_bond("203.0.113.1/31");
    let sent = chassis.sent();
    let told = sent.iter().rev().find_map(|tlv| match tlv {
        Tlv::PortChannelInfo(info) => Some((info.l3, info.address.to_string())),
        _ => None,
    });
    assert_eq!(told, Some((true, "203.0.113.1".to_owned())));
}

/// E8, E10, 7.1: a peer link that is down or away lifts no isolation and ends no session; SONiC's
/// daemon disconnects when the interface is gone.
#[test]
fn the_session_outlives_the_peer_link_and_isolation_stays() {
    let mut chassis = synchronised(Chassis::active());
    let link = Chassis::link(PEER_LINK, "Ethernet0");
    let running = false;
    chassis.feed(Input::Link(Link { running, ..link }));
    assert_eq!(session(&chassis), SessionState::Up);
    chassis.feed(Input::LinkGone { index: PEER_LINK });
    assert_eq!(session(&chassis), SessionState::Up);
    assert_ne!(isolation(&chassis.ops(), BOND), Some(Isolation::Off));
    chassis.feed(Input::Link(Chassis::link(PEER_LINK, "Ethernet0")));
    assert_eq!(session(&chassis), SessionState::Up);
    assert_ne!(isolation(&chassis.ops(), BOND), Some(Isolation::Off));
}

/// E11 and 7.1, fourth row: what is down here stays as isolated as it was.
#[test]
fn a_port_that_goes_down_here_stays_isolated() {
    let mut chassis = synchronised(Chassis::active());
    chassis.member(false);
    assert_ne!(isolation(&chassis.ops(), BOND), Some(Isolation::Off));
    assert_eq!(said_of_port(&chassis.sent()), ["down"]);
}

/// E16, W-9: SONiC leaves a port isolated that the peer has no longer.
#[test]
fn isolation_is_lifted_when_the_peer_deletes_its_port() {
    let mut chassis = synchronised(Chassis::active());
    let config = mclag_proto::iccp::AggregatorConfig {
        id: AggregatorId::of(&name(BOND)),
        name: name(BOND),
        mac: PEER,
        flag: ConfigFlag::Purge,
    };
    chassis.tell(Tlv::AggregatorConfig(config));
    let ops = chassis.ops();
    assert_eq!(isolation(&ops, BOND), Some(Isolation::Off));
    let gone = Op::RemotePortRelease { port: name(BOND) };
    assert!(ops.contains(&gone), "{ops:?}");
}

/// E34, `spec/iccp.md` 4.1.
#[test]
fn a_node_id_that_the_peer_has_too_is_given_up() {
    let mut chassis = Chassis::active();
    chassis.connect_server(BOTH);
    let node = |sent: &[Tlv]| {
        let mut own = sent.iter().filter_map(|tlv| match tlv {
            Tlv::SystemConfig(system) => Some(system.node),
            _ => None,
        });
        own.next().unwrap()
    };
    let own = node(&chassis.session_up());
    let (system, priority) = (PEER, 0);
    chassis.tell(Tlv::SystemConfig(SystemConfig {
        system,
        priority,
        node: own,
    }));
    chassis.tell(Tlv::SyncRequest { number: 1 });
    assert_ne!(node(&chassis.sent()), own);
}

/// W-36, 10.6, 15.1: a tunnel is a peer link like others, told as what it is; that it is one on one side
/// only is noted.
#[test]
fn a_tunnel_as_peer_link_isolates_and_is_compared() {
    for (own, peers, differ) in [
        (LinkKind::Other, PeerLinkKind::Port, false),
        (LinkKind::Other, PeerLinkKind::Vxlan, true),
        (LinkKind::Vxlan, PeerLinkKind::PortChannel, true),
        (LinkKind::Vxlan, PeerLinkKind::Vxlan, false),
    ] {
        let mut chassis = Chassis::active();
        chassis.connect_server(BOTH);
        let link = Chassis::link(PEER_LINK, "Ethernet0");
        chassis.feed(Input::Link(Link { kind: own, ..link }));
        let sent = chassis.session_up();
        let told = sent.iter().find_map(|tlv| match tlv {
            Tlv::PeerLinkInfo(info) => Some(info.kind),
            _ => None,
        });
        let is_tunnel = own == LinkKind::Vxlan;
        assert_eq!(told == Some(PeerLinkKind::Vxlan), is_tunnel, "{own:?}");
        assert_eq!(
            isolation(&chassis.ops(), BOND),
            Some(Isolation::On),
            "{own:?}"
        );
        let info = PeerLinkInfo {
            name: name("VTTNL0"),
            kind: peers,
        };
        let conflicts = conflicts(&mut chassis, Tlv::PeerLinkInfo(info));
        assert_eq!(
            conflicts.len(),
            usize::from(differ),
            "{own:?} {peers:?}: {conflicts:?}"
        );
        let again = self::conflicts(&mut chassis, Tlv::PeerLinkInfo(info));
        assert!(again.is_empty(), "once is enough: {again:?}");
    }
}

/// 15.1, check 3, in both directions: each VLAN that one side alone has on a port; and of each port the
/// first difference only.
#[test]
fn vlans_that_differ_are_written_down_unless_something_before_them_differs() {
    let numbers = |text: &str| -> Vec<u16> {
        let numbers = text.split(',').filter(|number| !number.is_empty());
        numbers.map(|number| number.parse().unwrap()).collect()
    };
    let vids = |text: &str| numbers(text).into_iter().map(vid).collect();
    let at_peer = |text| Some(Conflict::VlansMissingAtPeer { vids: vids(text) });
    let here = |text| Some(Conflict::VlansMissingHere { vids: vids(text) });
    let none = Ipv4Addr::UNSPECIFIED;
    let peers = Ipv4Addr::new(198, 51, 100, 9);
    let addresses = Conflict::Addresses { own: none, peers };
    let routed = Conflict::Layer3 { here: false };
    // (VLANs here, at the peer, layer 3 there, address there, what is written down)
    let cases = [
        ("10,20", "10,20", false, none, None),
        ("10,20,30", "10", false, none, at_peer("20,30")),
        ("10", "10,20,30", false, none, here("20,30")),
        ("10,20", "10,30", false, none, at_peer("20")),
        ("10", "", false, none, at_peer("10")),
        ("10", "20", false, peers, Some(addresses)),
        ("10", "20", true, peers, Some(routed)),
    ];
    for (here, there, l3, address, want) in cases {
        let mut chassis = Chassis::active();
        chassis.connect_server(BOTH);
        chassis.vlans(BOND_INDEX, &numbers(here));
        chassis.session_up();
        let info = Tlv::PortChannelInfo(PortChannelInfo {
            id: AggregatorId::of(&name(BOND)),
            name: name(BOND),
            l3,
            address,
            vids: numbers(there).into_iter().map(vid).collect(),
        });
        let said = conflicts(&mut chassis, info.clone());
        let port = name(BOND);
        let want = want.map(|conflict| Warning::Port { port, conflict });
        assert_eq!(said, Vec::from_iter(want), "{here:?} {there:?}");
        assert!(conflicts(&mut chassis, info).is_empty(), "once is enough");
    }
}

/// What is not known is no difference: a peer that left has not said that it has no such port.
#[test]
fn a_peer_that_left_does_not_lack_a_port() {
    let mut chassis = Chassis::active();
    chassis.configure(1, |config| config.on_loss = OnLoss::Hold);
    chassis.session_up();
    chassis.tell(Tlv::Extension(Extension::ShutdownNotice(
        ShutdownNotice::Leave,
    )));
    chassis.session_down();
    for port in chassis.domain.interfaces(chassis.now) {
        assert!(port.conflicts.is_empty(), "{:?}", port.conflicts);
    }
    assert!(!chassis.domain.interfaces(chassis.now).is_empty());
}

/// What is written down of the settings when the peer says this.
fn conflicts(chassis: &mut Chassis, tlv: Tlv) -> Vec<Warning> {
    let body = mclag_proto::iccp::Body::Application {
        rg: mclag_proto::iccp::RgId(1),
        tlv,
    };
    let message = mclag_proto::iccp::Message { id: 1, body };
    chassis
        .domain
        .handle(Input::PeerMessage(message), chassis.now);
    chassis.domain.catch_up();
    let outputs = std::iter::from_fn(|| chassis.domain.poll_output());
    outputs
        .filter_map(|output| match output {
            Output::Notice(Notice::Conflict(warning)) => Some(warning),
            _ => None,
        })
        .collect()
}

/// 12: several attributes at a time restart the session once, and not for a value that is the same.
#[test]
fn settings_that_change_together_restart_the_session_once() {
    let mut chassis = synchronised(Chassis::active());
    let closed = |chassis: &mut Chassis, config: iccp_core::Config| {
        let input = Input::Configure(Box::new(config));
        chassis.domain.handle(input, chassis.now);
        let outputs = std::iter::from_fn(|| chassis.domain.poll_output());
        outputs
            .filter(|output| matches!(output, Output::Close { .. }))
            .count()
    };
    let same = crate::chassis::config(1);
    assert_eq!(closed(&mut chassis, same.clone()), 0);
    let other = iccp_core::Config {
        peer: "192.0.2.9".parse().unwrap(),
        local: "192.0.2.8".parse().unwrap(),
        peer_link: Some(name("Ethernet8")),
        keepalive: same.keepalive * 2,
        session_timeout: same.session_timeout * 2,
        ..same
    };
    assert_eq!(closed(&mut chassis, other), 1);
}
