mod examples;

use super::*;
use mclag_proto::Mac;
use mclag_proto::iccp::EntryOp;
use mclag_proto::mclagdctl::counters::ICCP_ROWS;
use mclag_proto::mclagdctl::text::port_list;
use mclag_proto::mclagdctl::{LogLevel, MacField, NeighbourOp, PortState, SyncState, Text, TxRx};

use Dialect::{LinuxMclag, Sonic};

const HOST: Mac = Mac([0, 0x11, 0x22, 0x33, 0x44, 0x55]);

fn mac(last: u8) -> Mac {
    Mac([2, 0, 0, 0, 0, last])
}

fn cumulus(last: [u8; 3]) -> Mac {
    let [a, b, c] = last;
    Mac([0x44, 0x38, 0x39, a, b, c])
}

fn sonic_state() -> State {
    State {
        id: Some(1),
        operational: true,
        synchronised: true,
        local: "10.0.0.1".into(),
        peer: "10.0.0.2".into(),
        peer_link: Some("PortChannel10".into()),
        peer_link_mac: mac(1),
        role: Role::None,
        ports: port_list(["PortChannel2", "PortChannel1"], false),
        session_timeout: 15,
        keepalive: 1,
        log_level: LogLevel::Notice.name().into(),
    }
}

fn linux_state() -> State {
    State {
        id: Some(1),
        operational: true,
        synchronised: false,
        local: "169.254.1.1".into(),
        peer: "169.254.1.2".into(),
        peer_link: Some("peerlink".into()),
        peer_link_mac: cumulus([0, 0, 0x10]),
        role: Role::Active,
        ports: port_list(["server2", "server1"], true),
        session_timeout: 0,
        keepalive: 0,
        log_level: Text::default(),
    }
}

fn neighbour(address: &str, last: u8, interface: &str, learned: LearnedFrom) -> Neighbour {
    Neighbour {
        op: NeighbourOp::Added,
        interface: interface.into(),
        address: address.into(),
        mac: Mac([0, 0x11, 0x22, 0x33, 0x44, last]),
        learned,
    }
}

fn record(kind: MacType, last: u8, vid: u16, ports: [&str; 2], age: &str) -> MacRecord {
    MacRecord {
        op: EntryOp::Add,
        kind,
        mac: MacField::Address(Mac([0, 0x11, 0x22, 0x33, 0x44, last])),
        vid,
        interface: ports[0].into(),
        origin: ports[1].into(),
        age: AgeFlags {
            local: age.contains('L'),
            peer: age.contains('P'),
        },
    }
}

fn channel(name: &str, mac: Mac, members: &[&str], vlans: &str) -> LocalPort {
    LocalPort {
        index: 7,
        kind: PortKind::PortChannel,
        name: name.into(),
        mac,
        state: PortState::Up,
        ipv4: "0.0.0.0".into(),
        prefix_len: 32,
        l3: false,
        peer_link: false,
        members: port_list(members.iter().copied(), false),
        channel: 1,
        active: true,
        sync: SyncState::Exchange,
        isolated: true,
        traffic_disabled: false,
        vlans: vlans.into(),
    }
}

fn port(name: &str) -> LocalPort {
    LocalPort {
        index: 3,
        kind: PortKind::Port,
        ..channel(name, mac(1), &[], "")
    }
}

fn peer_port() -> PeerPort {
    PeerPort {
        aggregator: 1,
        kind: PortKind::PortChannel,
        name: "PortChannel1".into(),
        mac: mac(2),
        state: PortState::Up,
        channel: 1,
        active: true,
    }
}

fn some_counters() -> Counters {
    let mut counters = Counters::default();
    counters.global[Global::NewLink as usize] = 5;
    counters.global[Global::SessionDown as usize] = 1;
    counters.to_syncd[ToSyncd::PortIsolation as usize].ok = 3;
    counters.to_syncd[ToSyncd::MacLearnMode as usize].ok = 1;
    counters.from_syncd[FromSyncd::FdbChange as usize].ok = 12;
    counters.from_syncd[FromSyncd::CfgMclag as usize].ok = 1;
    counters.from_syncd[FromSyncd::CfgMclagIface as usize].ok = 2;
    counters.from_syncd[FromSyncd::VlanMembership as usize].ok = 4;
    let mut block = [TxRx::default(); ICCP_ROWS];
    block[IccpRow::Heartbeat as usize].tx.ok = 100;
    block[IccpRow::Heartbeat as usize].rx.ok = 99;
    counters.iccp.push(block);
    counters
}

#[test]
fn every_example_of_the_specification_is_printed_to_the_byte() {
    let arps = |interface| {
        vec![
            neighbour("10.1.2.50", 0x55, interface, LearnedFrom::Remote),
            neighbour("10.1.2.51", 0x66, interface, LearnedFrom::Local),
        ]
    };
    let macs = vec![
        record(MacType::Dynamic, 0x55, 100, ["PortChannel1"; 2], "P"),
        record(
            MacType::Dynamic,
            0x66,
            100,
            ["PortChannel10", "Ethernet8"],
            "L",
        ),
        record(MacType::Static, 0x77, 200, ["PortChannel1"; 2], ""),
    ];
    let linux_arp = arps("bridge").into_iter().take(1).collect();
    let nd = neighbour("2001:db8::32", 0x55, "Vlan100", LearnedFrom::Local);
    let vlan = UniqueIp {
        active: true,
        interface: "Vlan100".into(),
    };
    let sonic_channel = channel(
        "PortChannel1",
        mac(1),
        &["Ethernet0", "Ethernet4"],
        "100 - 102 200 ",
    );
    let linux_channel = channel("server1", cumulus([0xff, 0, 1]), &["swp1"], "200 100 ");
    for (dialect, data, want) in [
        (
            Sonic,
            Data::State(vec![sonic_state()]),
            examples::SONIC_STATE,
        ),
        (
            LinuxMclag,
            Data::State(vec![linux_state()]),
            examples::LINUX_STATE,
        ),
        (Sonic, Data::Arp(arps("Vlan100")), examples::SONIC_ARP),
        (LinuxMclag, Data::Arp(linux_arp), examples::LINUX_ARP),
        (Sonic, Data::Nd(vec![nd]), examples::ND),
        (Sonic, Data::Mac(macs.clone()), examples::MAC),
        (LinuxMclag, Data::Mac(macs), examples::MAC),
        (
            Sonic,
            Data::LocalPorts(vec![sonic_channel]),
            examples::SONIC_CHANNEL,
        ),
        (
            Sonic,
            Data::LocalPorts(vec![port("Ethernet0")]),
            examples::SONIC_PORT,
        ),
        (
            LinuxMclag,
            Data::LocalPorts(vec![linux_channel]),
            examples::LINUX_CHANNEL,
        ),
        (
            Sonic,
            Data::PeerPorts(vec![peer_port()]),
            examples::PEER_PORT,
        ),
        (Sonic, Data::UniqueIp(vec![vlan]), examples::UNIQUE_IP),
        (Sonic, Data::UniqueIp(vec![]), examples::NO_UNIQUE_IP),
        (
            Sonic,
            Data::Counters(some_counters().into()),
            examples::COUNTERS,
        ),
        (Sonic, Data::LogLevel, "Config loglevel success!\n"),
    ] {
        assert_eq!(render(&data, dialect), want, "{dialect}");
    }
}

/// `spec/mclagdctl-protocol.md` 7.1: the role in the reply is ignored, that of the ICCP
/// specification is computed from the addresses, the last octet first.
#[test]
fn sonic_shows_the_role_that_the_addresses_give() {
    for (local, peer, role) in [
        ("10.0.0.1", "10.0.0.2", "Active"),
        ("10.0.0.2", "10.0.0.1", "Standby"),
        ("10.0.1.9", "10.0.2.1", "Standby"),
        ("", "10.0.0.2", "Standby"),
        ("10.0.0.1", "", "Standby"),
    ] {
        let state = State {
            local: local.into(),
            peer: peer.into(),
            role: Role::Active,
            ..sonic_state()
        };
        let text = render(&Data::State(vec![state]), Sonic);
        assert!(text.contains(&format!("\nRole: {role}\n")), "{text}");
    }
}

/// `spec/mclagdctl-protocol.md` 7.1
#[test]
fn a_pair_that_is_not_in_order_says_so() {
    let bad = |state| State {
        id: None,
        operational: false,
        synchronised: false,
        peer_link: None,
        role: Role::Standby,
        ..state
    };
    let text = render(&Data::State(vec![bad(sonic_state())]), Sonic);
    assert!(
        text.starts_with(
            "The MCLAG's keepalive is: ERROR\nMCLAG info sync is: incomplete\nDomain id: Unknown\n"
        ),
        "{text}"
    );
    assert!(text.contains("\nPeer Link Interface: Unknown\n"), "{text}");
    let text = render(&Data::State(vec![bad(linux_state())]), LinuxMclag);
    assert!(
        text.starts_with("The MCLAG's keepalive is: ERROR\nMclag id: UNKNOWN\n"),
        "{text}"
    );
    assert!(text.contains("\nPeer Link Interface: UNKNOWN\n"), "{text}");
    assert!(text.contains("\nRole: STANDBY\n"), "{text}");
    let none = State {
        role: Role::None,
        ..linux_state()
    };
    assert!(render(&Data::State(vec![none]), LinuxMclag).contains("\nRole: NONE\n"));
}

/// `spec/mclagdctl-protocol.md` 7.1: no blank line between domains.
#[test]
fn domains_follow_each_other_directly() {
    let text = render(&Data::State(vec![sonic_state(); 2]), Sonic);
    assert_eq!(text, examples::SONIC_STATE.repeat(2));
}

/// `spec/mclagdctl-protocol.md` 7.2, 7.4
#[test]
fn tables_without_rows_have_their_header() {
    let arp = render(&Data::Arp(vec![]), Sonic);
    assert_eq!(
        arp,
        format!("{}\n", examples::SONIC_ARP.lines().next().unwrap())
    );
    let mac = render(&Data::Mac(vec![]), LinuxMclag);
    let header: Vec<&str> = examples::MAC.lines().take(2).collect();
    assert_eq!(mac, format!("{}\n", header.join("\n")));
    assert_eq!(render(&Data::LocalPorts(vec![]), Sonic), "");
}

/// `spec/mclagdctl-protocol.md` 7: a longer value is not truncated and shifts the rest.
#[test]
fn a_long_value_shifts_its_line() {
    let name = "a-name-of-23-characters";
    let long = MacRecord {
        vid: 40_000,
        mac: MacField::Text("no address, yet shown as it is".into()),
        ..record(MacType::Dynamic, 0x55, 1, [name; 2], "LP")
    };
    let text = render(&Data::Mac(vec![long]), LinuxMclag);
    assert_eq!(
        text.lines().nth(2),
        Some(
            "1     D    no address, yet shown as it is40000a-name-of-23-characters\
             a-name-of-23-charactersLP   "
        )
    );
    let unknown = neighbour("10.0.0.1", 0x55, name, LearnedFrom::Unknown(7));
    let text = render(&Data::Arp(vec![unknown]), Sonic);
    assert_eq!(
        text.lines().nth(1),
        Some("1     10.0.0.1            00:11:22:33:44:55   a-name-of-23-characters-")
    );
    assert_eq!(HOST.to_string().len(), 17);
}

/// `spec/mclagdctl-protocol.md` 7.5, 7.6
#[test]
fn linux_mclag_shows_other_fields_of_ports() {
    let plain = LocalPort {
        channel: 4,
        ..port("swp3")
    };
    assert_eq!(
        render(&Data::LocalPorts(vec![plain]), LinuxMclag),
        format!(
            "{RULE}\nIfindex: 3\nType: PORT\nPortName: swp3\nState: UP\nPortchannelId: 4\n{RULE}\n\n"
        )
    );
    assert_eq!(
        render(&Data::PeerPorts(vec![peer_port()]), LinuxMclag),
        format!(
            "{RULE}\nIfindex: 1\nType: PORT-CHANNEL\nPortName: PortChannel1\n\
             MAC: 02:00:00:00:00:02 \nState: UP\nPortchannelId: 1\nPortchannelIsActive: 1\n\
             {RULE}\n\n"
        )
    );
}

/// `spec/mclagdctl-protocol.md` 7.8
#[test]
fn each_block_of_counters_is_followed_by_an_empty_line() {
    let mut counters = some_counters();
    counters.iccp.push([TxRx::default(); ICCP_ROWS]);
    let text = render(&Data::Counters(counters.clone().into()), Sonic);
    assert_eq!(text.matches("\nSysConfig ").count(), 2);
    assert_eq!(text.matches("\n\nSysConfig ").count(), 1);
    counters.iccp.clear();
    let text = render(&Data::Counters(counters.into()), Sonic);
    assert!(
        text.contains("            \n\nNetlink Counters\n"),
        "{text}"
    );
    let line = RULE.len();
    assert_eq!(line, 60);
}
