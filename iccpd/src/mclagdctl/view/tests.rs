//! What the legacy tool `mclagdctl` is shown of a pair (`spec/mclagdctl-protocol.md` 5, 8).

use super::Page;
use iccp_core::{
    Config, Domain, Input, LagMember, Link, LinkKind, NeighbourFrom, NeighbourObservation,
    PeerTraits, Time,
};
use mclag_proto::iccp::{
    AggregatorConfig, AggregatorState, Body, ConfigFlag, EntryOp, MacEntry, MacType, Message,
    NeighbourEntry, NeighbourFlags, PortState as PeerPortState, RgId, Tlv,
};
use mclag_proto::mclagdctl::{
    AgeFlags, Command, Counters, Data, Dialect, FromSyncd, Global, IccpRow, LearnedFrom, LocalPort,
    LogLevel, MacField, Neighbour, NeighbourOp, OkError, Outcome, PortKind, PortState, Request,
    Role, State, SyncState, ToSyncd,
};
use mclag_proto::sync::model::{Abilities, Event, FdbKey, Observation, OpError, OpErrorCode};
use mclag_proto::{AggregatorId, DomainId, IfName, Mac, Vid};
use std::time::Duration;

use Dialect::{LinuxMclag, Sonic};

const RG: RgId = RgId(7);
const BOND: Mac = Mac([2, 0, 0, 0, 1, 1]);
const PEERS: Mac = Mac([2, 0, 0, 0, 2, 1]);

fn name(text: &str) -> IfName {
    IfName::new(text).unwrap()
}

fn key(vid: u16, last: u8) -> FdbKey {
    FdbKey {
        vid: Vid::new(vid).unwrap(),
        mac: Mac([2, 0, 0, 0, 9, last]),
    }
}

struct Chassis(Domain);

impl Chassis {
    /// Two MLAG ports of which the second appeared last, a third that does not exist, a peer link.
    fn new() -> Self {
        let mut this = Self(Domain::new(Config {
            peer_link: Some(name("bond9")),
            ports: [name("bond1"), name("bond2"), name("bond3")].into(),
            keepalive: Duration::from_millis(1500),
            session_timeout: Duration::from_secs(15),
            unique_ip: [name("Vlan100"), name("Vlan200")].into(),
            ..Config::new(
                DomainId::new(7).unwrap(),
                "192.0.2.1".parse().unwrap(),
                "192.0.2.2".parse().unwrap(),
                name("br0"),
                Mac([2, 0, 0, 0, 0, 1]),
            )
        }));
        let lag = LinkKind::Lag {
            lacp: Some(true),
            partner: None,
            min_links: 0,
        };
        let link = |index, text: &str, kind, master| Link {
            index,
            name: name(text),
            mac: Some(Mac([2, 0, 0, 0, 1, u8::try_from(index).unwrap()])),
            admin_up: true,
            running: true,
            master,
            kernel_name: None,
            blocked: false,
            kind,
            member: master.map(|_| LagMember {
                distributing: true,
                alone: false,
            }),
        };
        this.feed(Input::LinksBegin);
        let vlan = LinkKind::Vlan {
            vid: Vid::new(100).unwrap(),
            parent: 50,
        };
        for link in [
            link(9, "bond9", lag, Some(50)),
            link(1, "bond1", lag, Some(50)),
            link(11, "swp1", LinkKind::Other, Some(1)),
            link(12, "swp2", LinkKind::Other, Some(1)),
            link(50, "br0", LinkKind::Bridge, None),
            link(100, "Vlan100", vlan, None),
        ] {
            this.feed(Input::Link(link));
        }
        let vids = [100, 101, 102, 200].into_iter().filter_map(Vid::new);
        this.feed(Input::Vlans {
            index: 1,
            vids: vids.collect(),
        });
        this.feed(Input::LinksEnd);
        this.feed(Input::Link(Link {
            admin_up: false,
            running: false,
            ..link(2, "bond2", lag, None)
        }));
        this
    }

    fn feed(&mut self, input: Input) {
        self.0.handle(input, Time::ZERO);
        while self.0.poll_output().is_some() {}
        while self.0.poll_peer_message(Time::ZERO).is_some() {}
    }

    fn receive(&mut self, body: Body) {
        self.feed(Input::PeerMessage(Message { id: 1, body }));
    }

    fn tell(&mut self, tlv: Tlv) {
        self.receive(Body::Application { rg: RG, tlv });
    }

    fn connected(mut self) -> Self {
        self.feed(Input::PeerUp {
            traits: PeerTraits::default(),
        });
        self.receive(Body::Capability);
        let sender = "192.0.2.2".to_owned();
        self.receive(Body::Connect { rg: RG, sender });
        self
    }

    fn synchronised(self) -> Self {
        let mut this = self.connected();
        this.tell(Tlv::SyncRequest { number: 0 });
        this.tell(Tlv::SyncData {
            number: 0,
            end: false,
        });
        for port in ["bond1", "bond2"] {
            this.tell(Tlv::AggregatorConfig(AggregatorConfig {
                id: AggregatorId::of(&name(port)),
                name: name(port),
                mac: PEERS,
                flag: ConfigFlag::Present,
            }));
        }
        this.peer_port("bond2", PeerPortState::Down);
        this.tell(Tlv::SyncData {
            number: 0,
            end: true,
        });
        this
    }

    fn peer_port(&mut self, port: &str, state: PeerPortState) {
        let id = AggregatorId::of(&name(port));
        self.tell(Tlv::AggregatorState(AggregatorState { id, state }));
    }

    fn syncd(&mut self) {
        self.feed(Input::SyncdUp {
            abilities: Abilities {
                tracking: true,
                hold: true,
                ..Abilities::default()
            },
            backend: "model".into(),
            window: 8,
        });
    }

    fn sees(&mut self, key: FdbKey, port: &str) {
        let (port, configured) = (name(port), false);
        let observation = Observation::Learned { port, configured };
        self.feed(Input::SyncdEvent(Event::Fdb { key, observation }));
    }

    fn peer_sees(&mut self, key: FdbKey, port: &str, kind: MacType) {
        self.tell(Tlv::MacInfo(vec![MacEntry {
            op: EntryOp::Add,
            kind,
            mac: key.mac,
            vid: key.vid,
            port: name(port),
        }]));
    }

    fn ask_id(&self, command: Command, id: i32, dialect: Dialect) -> Result<Page, Outcome> {
        let request = Request { command, id };
        let level = LogLevel::Warn;
        Page::of(&self.0, request, dialect, level, None, 1000)
    }

    fn ask(&self, command: Command, dialect: Dialect) -> Data {
        self.ask_id(command, 7, dialect).unwrap().data
    }

    fn state(&self, dialect: Dialect) -> State {
        match self.ask(Command::State, dialect) {
            Data::State(states) => match states.as_slice() {
                [state] => *state,
                _ => panic!("{states:?}"),
            },
            other => panic!("{other:?}"),
        }
    }

    fn ports(&self, dialect: Dialect) -> Vec<LocalPort> {
        match self.ask(Command::LocalPorts, dialect) {
            Data::LocalPorts(ports) => ports,
            other => panic!("{other:?}"),
        }
    }

    fn counters(&self) -> Counters {
        match self.ask(Command::Counters, Sonic) {
            Data::Counters(counters) => *counters,
            other => panic!("{other:?}"),
        }
    }
}

fn ok(ok: u64) -> OkError {
    OkError { ok, error: 0 }
}

/// `spec/mclagdctl-protocol.md` 3: 0 is every domain; `dump unique_ip` ignores the id.
#[test]
fn only_the_own_id_and_none_are_answered() {
    let chassis = Chassis::new();
    for command in Command::ALL {
        assert!(chassis.ask_id(command, 0, Sonic).is_ok(), "{command:?}");
        assert!(chassis.ask_id(command, 7, Sonic).is_ok(), "{command:?}");
        for id in [1, -1, i32::MAX] {
            let other = chassis.ask_id(command, id, Sonic);
            match command {
                Command::UniqueIp | Command::LogLevel => assert!(other.is_ok()),
                _ => assert_eq!(other, Err(Outcome::NoDomain), "{command:?}"),
            }
        }
    }
}

#[test]
fn every_command_is_answered_with_its_own_records() {
    let chassis = Chassis::new().synchronised();
    for dialect in [Sonic, LinuxMclag] {
        for command in Command::ALL {
            assert_eq!(chassis.ask(command, dialect).command(), command);
        }
    }
}

/// `spec/mclagdctl-protocol.md` 5.1, 8
#[test]
fn the_state_is_that_of_the_session() {
    let state = Chassis::new().state(Sonic);
    assert!(!state.operational && !state.synchronised);
    let state = Chassis::new().connected().state(Sonic);
    assert!(state.operational && !state.synchronised);

    let state = Chassis::new().synchronised().state(Sonic);
    assert!(state.operational && state.synchronised);
    assert_eq!(state.id, Some(7));
    assert_eq!(state.local.as_str(), "192.0.2.1");
    assert_eq!(state.peer.as_str(), "192.0.2.2");
    assert_eq!(state.peer_link, Some("bond9".into()));
    assert_eq!(state.peer_link_mac, Mac([2, 0, 0, 0, 1, 9]));
    assert_eq!(state.role, Role::Active);
    assert_eq!(state.ports.as_str(), "bond2,bond1", "bond3 does not exist");
    assert_eq!(state.session_timeout, 15);
    assert_eq!(state.keepalive, 2, "1.5 s");
    assert_eq!(state.log_level.as_str(), "WARN");

    let state = Chassis::new().state(LinuxMclag);
    assert_eq!(state.ports.as_str(), "bond2,bond1,");
}

#[test]
fn a_peer_link_that_is_gone_is_unknown() {
    let mut chassis = Chassis::new();
    chassis.feed(Input::LinkGone { index: 9 });
    let state = chassis.state(Sonic);
    assert_eq!((state.peer_link, state.peer_link_mac), (None, Mac::ZERO));
}

/// `spec/mclagdctl-protocol.md` 5.5
#[test]
fn local_ports_are_listed_with_their_members_and_for_sonic_the_peer_link_last() {
    let chassis = Chassis::new().synchronised();
    let names = |ports: &[LocalPort]| -> Vec<String> {
        ports.iter().map(|port| port.name.to_string()).collect()
    };
    let ports = chassis.ports(Sonic);
    let want = ["bond2", "bond1", "swp2", "swp1", "bond9"];
    assert_eq!(names(&ports), want);
    assert_eq!(names(&chassis.ports(LinuxMclag)), want[..4]);

    let bond1 = &ports[1];
    assert_eq!((bond1.index, bond1.channel), (1, 1));
    assert_eq!(bond1.kind, PortKind::PortChannel);
    assert_eq!(bond1.mac, BOND);
    assert_eq!((bond1.state, bond1.active), (PortState::Up, true));
    assert_eq!((bond1.ipv4.as_str(), bond1.prefix_len), ("0.0.0.0", 32));
    assert_eq!(bond1.members.as_str(), "swp2,swp1");
    assert_eq!(bond1.sync, SyncState::Exchange);
    assert_eq!(bond1.vlans.as_str(), "100 - 102 200 ");
    assert_eq!(
        chassis.ports(LinuxMclag)[1].vlans.as_str(),
        "200 102 101 100 "
    );

    assert_eq!(ports[0].state, PortState::AdminDown);
    let swp2 = &ports[2];
    assert_eq!((swp2.kind, swp2.channel), (PortKind::Port, 1));
    assert_eq!(swp2.state, PortState::Up);
    let link = &ports[4];
    assert!(link.peer_link && link.active);
    assert_eq!((link.kind, link.channel), (PortKind::PortChannel, 9));
}

/// `spec/mclagdctl-protocol.md` 5.5: by what the port is to the pair. The kernel may know better, but
/// the tool shows isolation and VLANs of nothing else.
#[test]
fn an_mlag_port_is_a_port_channel_whatever_the_kernel_calls_it() {
    let mut chassis = Chassis::new();
    for (index, name) in [(1, "bond1"), (9, "bond9")] {
        chassis.feed(Input::Link(Link {
            index,
            name: self::name(name),
            mac: Some(BOND),
            admin_up: true,
            running: true,
            master: None,
            kernel_name: None,
            blocked: false,
            kind: LinkKind::Other,
            member: None,
        }));
    }
    let ports = chassis.ports(Sonic);
    let kind = |wanted: &str| {
        let port = ports.iter().find(|port| port.name.as_str() == wanted);
        port.map(|port| (port.kind, port.channel))
    };
    assert_eq!(kind("bond1"), Some((PortKind::PortChannel, 1)));
    assert_eq!(kind("bond9"), Some((PortKind::Port, -1)));
}

/// `spec/mclagdctl-protocol.md` 5.1, 5.5: attached ones; a port that is gone is bound again when it
/// returns (`spec/behaviour.md` 10.1).
#[test]
fn ports_that_do_not_exist_are_not_listed() {
    let mut chassis = Chassis::new().synchronised();
    chassis.feed(Input::LinkGone { index: 1 });
    chassis.feed(Input::LinkGone { index: 9 });
    assert_eq!(chassis.state(Sonic).ports.as_str(), "bond2");
    for dialect in [Sonic, LinuxMclag] {
        let ports = chassis.ports(dialect);
        let names: Vec<&str> = ports.iter().map(|port| port.name.as_str()).collect();
        assert_eq!(names, ["bond2"], "{dialect}");
    }
}

/// `spec/mclagdctl-protocol.md` 5.5: the address of a layer-3 port.
#[test]
fn a_port_with_an_address_is_shown_with_it() {
    let mut chassis = Chassis::new();
    chassis.feed(Input::Addresses {
        index: 1,
        addresses: vec![
            "fe80::1/64".parse().unwrap(),
            "198.51.100.1/24".parse().unwrap(),
        ],
    });
    let port = chassis.ports(Sonic)[1];
    assert_eq!((port.ipv4.as_str(), port.prefix_len), ("198.51.100.1", 24));
    assert!(port.l3);
    chassis.feed(Input::Addresses {
        index: 1,
        addresses: vec![],
    });
    let port = chassis.ports(Sonic)[1];
    assert_eq!((port.ipv4.as_str(), port.prefix_len), ("0.0.0.0", 0));
    assert!(!port.l3);
}

/// `spec/mclagdctl-protocol.md` 5.6
#[test]
fn the_peers_ports_are_listed_with_the_peers_numbers() {
    let chassis = Chassis::new().synchronised();
    let Data::PeerPorts(ports) = chassis.ask(Command::PeerPorts, Sonic) else {
        panic!("other records")
    };
    let [bond2, bond1] = ports.as_slice() else {
        panic!("{ports:?}")
    };
    assert_eq!(bond2.name.as_str(), "bond2");
    assert_eq!((bond2.aggregator, bond2.channel), (2, 2));
    assert_eq!((bond2.state, bond2.active), (PortState::Down, false));
    assert_eq!((bond1.state, bond1.active), (PortState::Up, true));
    assert_eq!(bond1.mac, PEERS);
}

/// A daemon of SONiC names the port that appeared last first, and lists what it hears the other way round.
#[test]
fn the_peers_ports_are_listed_the_other_way_round_than_it_named_them() {
    let mut chassis = Chassis::new().synchronised();
    let list = |chassis: &Chassis| {
        let Data::PeerPorts(ports) = chassis.ask(Command::PeerPorts, Sonic) else {
            panic!("other records")
        };
        let names = ports.iter().map(|port| port.name.to_string());
        names.collect::<Vec<_>>().join(" ")
    };
    let number = 0;
    for (named, listed) in [
        ("bond2 bond1", "bond1 bond2"),
        ("bond1 bond2", "bond2 bond1"),
        // It says again what it said.
        ("bond9 bond1 bond2 bond1", "bond2 bond1 bond9"),
    ] {
        chassis.tell(Tlv::SyncData { number, end: false });
        for port in named.split(' ') {
            chassis.tell(Tlv::AggregatorConfig(AggregatorConfig {
                id: AggregatorId::of(&name(port)),
                name: name(port),
                mac: PEERS,
                flag: ConfigFlag::Present,
            }));
        }
        chassis.tell(Tlv::SyncData { number, end: true });
        assert_eq!(list(&chassis), listed);
    }
}

/// `spec/mclagdctl-protocol.md` 5.4, 8; `spec/iccp.md` 10: seen here only is P, seen there only L.
#[test]
fn addresses_are_listed_by_vlan_with_where_they_are_and_where_they_were_learned() {
    let mut chassis = Chassis::new().synchronised();
    chassis.syncd();
    chassis.sees(key(200, 1), "bond1");
    chassis.sees(key(100, 2), "bond1");
    chassis.peer_sees(key(100, 2), "bond1", MacType::Dynamic);
    chassis.peer_sees(key(100, 1), "swp7", MacType::Static);
    while chassis.0.poll_batch().is_some() {}
    let Data::Mac(macs) = chassis.ask(Command::Mac, Sonic) else {
        panic!("other records")
    };
    let line = |m: &mclag_proto::mclagdctl::MacRecord| {
        let place = (m.interface.to_string(), m.origin.to_string());
        (m.vid, m.mac, m.kind, place, m.age)
    };
    let lines: Vec<_> = macs.iter().map(line).collect();
    let mac = |last| MacField::Address(key(1, last).mac);
    let place = |a: &str, b: &str| (a.to_owned(), b.to_owned());
    let age = |local, peer| AgeFlags { local, peer };
    let dynamic = MacType::Dynamic;
    assert_eq!(
        lines,
        [
            (
                100,
                mac(1),
                MacType::Static,
                place("bond9", "swp7"),
                age(true, false)
            ),
            (
                100,
                mac(2),
                dynamic,
                place("bond1", "bond1"),
                age(false, false)
            ),
            (
                200,
                mac(1),
                dynamic,
                place("bond1", "bond1"),
                age(false, true)
            ),
        ]
    );
}

/// `spec/behaviour.md` 9.1, 14.2: an entry that is gone on both sides is none, so nothing that is kept while the peer
/// restarts shows both flags.
#[test]
fn nothing_is_shown_as_gone_on_both_sides_while_the_peer_restarts() {
    let mut chassis = Chassis::new().synchronised();
    chassis.syncd();
    chassis.sees(key(100, 2), "bond1");
    chassis.peer_sees(key(100, 2), "bond1", MacType::Dynamic);
    chassis.peer_sees(key(100, 1), "swp7", MacType::Dynamic);
    chassis.tell(Tlv::WarmBoot);
    chassis.feed(Input::PeerDown {
        reason: "closed".to_owned(),
    });
    let Data::Mac(macs) = chassis.ask(Command::Mac, Sonic) else {
        panic!("other records")
    };
    let ages: Vec<_> = macs
        .iter()
        .map(|m| (m.mac, m.age.local, m.age.peer))
        .collect();
    let mac = |last| MacField::Address(key(1, last).mac);
    assert_eq!(ages, [(mac(1), true, false), (mac(2), false, true)]);
}

/// `spec/behaviour.md` 9.11: what is remembered is on the peer link, up or down.
#[test]
fn an_address_that_is_not_programmed_is_shown_where_it_will_be() {
    let device = |chassis: &Chassis| match chassis.ask(Command::Mac, Sonic) {
        Data::Mac(macs) => {
            let devices = macs
                .iter()
                .map(|m| (m.interface.to_string(), m.origin.to_string()));
            devices.collect::<Vec<_>>()
        }
        other => panic!("{other:?}"),
    };
    let at = |device: &str, origin: &str| (device.to_owned(), origin.to_owned());
    let mut chassis = Chassis::new().synchronised();
    chassis.peer_sees(key(100, 1), "swp7", MacType::Dynamic);
    chassis.peer_sees(key(100, 2), "bond2", MacType::Dynamic);
    chassis.peer_sees(key(100, 3), "bond1", MacType::Dynamic);
    // Nobody has carried anything out: the dataplane is away.
    let want = [
        at("bond9", "swp7"),
        at("bond9", "bond2"),
        at("bond1", "bond1"),
    ];
    assert_eq!(device(&chassis), want);
    chassis.feed(Input::LinkGone { index: 9 });
    assert_eq!(device(&chassis), want);
}

#[test]
fn a_large_table_comes_in_pages() {
    let mut chassis = Chassis::new();
    for vid in [100, 200] {
        for last in 0..25 {
            chassis.sees(key(vid, last), "bond1");
        }
    }
    let request = Request {
        command: Command::Mac,
        id: 0,
    };
    let (mut after, mut seen, mut pages) = (None, Vec::new(), 0);
    loop {
        let level = LogLevel::Notice;
        let page = Page::of(&chassis.0, request, Sonic, level, after, 7);
        let Ok(Page {
            data: Data::Mac(macs),
            next,
        }) = page
        else {
            panic!("{page:?}")
        };
        assert!(macs.len() <= 7);
        seen.extend(macs.iter().map(|m| (m.vid, m.mac.bytes())));
        pages += 1;
        match next {
            Some(_) => after = next,
            None => break,
        }
    }
    assert_eq!((seen.len(), pages), (50, 8));
    assert!(seen.is_sorted());
}

/// `spec/mclagdctl-protocol.md` 5.2, 5.3, 8: L learned from the kernel, R received from the peer.
#[test]
fn neighbours_are_listed_by_family_with_who_learned_them() {
    let mut chassis = Chassis::new().synchronised();
    let mac = |last| Mac([0, 0x11, 0x22, 0x33, 0x44, last]);
    for (address, last) in [
        ("10.1.2.50", 1),
        ("2001:db8::50", 2),
        ("10.1.2.49", 3),
        ("2001:db8::49", 4),
    ] {
        chassis.feed(Input::Neighbour {
            index: 100,
            address: address.parse().unwrap(),
            observation: Some(NeighbourObservation {
                mac: mac(last),
                from: NeighbourFrom::Kernel,
            }),
        });
    }
    chassis.tell(Tlv::ArpInfo(vec![NeighbourEntry {
        op: EntryOp::Add,
        interface: name("Vlan100"),
        address: "10.1.2.51".parse().unwrap(),
        mac: mac(5),
        flags: NeighbourFlags::empty(),
    }]));
    for (command, want) in [
        (
            Command::Arp,
            &[
                ("10.1.2.49", 3, LearnedFrom::Local),
                ("10.1.2.50", 1, LearnedFrom::Local),
                ("10.1.2.51", 5, LearnedFrom::Remote),
            ][..],
        ),
        (
            Command::Nd,
            &[
                ("2001:db8::49", 4, LearnedFrom::Local),
                ("2001:db8::50", 2, LearnedFrom::Local),
            ],
        ),
    ] {
        // One entry in each page.
        let (mut after, mut seen) = (None, Vec::new());
        loop {
            let request = Request { command, id: 7 };
            let level = LogLevel::Notice;
            let page = Page::of(&chassis.0, request, Sonic, level, after, 1);
            let Page { data, next } = page.unwrap();
            match data {
                Data::Arp(entries) | Data::Nd(entries) => seen.extend(entries),
                other => panic!("{other:?}"),
            }
            match next {
                Some(_) => after = next,
                None => break,
            }
        }
        let want: Vec<Neighbour> = want
            .iter()
            .map(|(address, last, learned)| Neighbour {
                op: match learned {
                    LearnedFrom::Local => NeighbourOp::Learned,
                    _ => NeighbourOp::Added,
                },
                interface: "Vlan100".into(),
                address: (*address).into(),
                mac: mac(*last),
                learned: *learned,
            })
            .collect();
        assert_eq!(seen, want);
    }
    let counters = chassis.counters();
    assert_eq!(counters.global(Global::NewNeighbour), 4);
    assert_eq!(counters.iccp[0][IccpRow::ArpInfo as usize].rx, ok(1));
}

/// `spec/behaviour.md` 11.2
#[test]
fn neighbours_on_interfaces_outside_the_pair_are_not_listed() {
    let mut chassis = Chassis::new().synchronised();
    chassis.feed(Input::Link(Link {
        index: 60,
        name: name("eth0"),
        mac: None,
        admin_up: true,
        running: true,
        master: None,
        kernel_name: None,
        blocked: false,
        kind: LinkKind::Other,
        member: None,
    }));
    for (index, address) in [
        (100, "10.1.2.50"),
        (60, "192.0.2.2"),
        (100, "2001:db8::50"),
        (60, "2001:db8:1::2"),
    ] {
        chassis.feed(Input::Neighbour {
            index,
            address: address.parse().unwrap(),
            observation: Some(NeighbourObservation {
                mac: PEERS,
                from: NeighbourFrom::Kernel,
            }),
        });
    }
    for (command, listed) in [(Command::Arp, "10.1.2.50"), (Command::Nd, "2001:db8::50")] {
        let (Data::Arp(entries) | Data::Nd(entries)) = chassis.ask(command, Sonic) else {
            panic!("other records")
        };
        let listed_there = entries.iter().map(|entry| entry.address.to_string());
        assert_eq!(listed_there.collect::<Vec<_>>(), [listed]);
    }
}

/// `spec/mclagdctl-protocol.md` 5.7
#[test]
fn unique_ip_interfaces_are_active_when_they_exist() {
    let Data::UniqueIp(interfaces) = Chassis::new().ask(Command::UniqueIp, Sonic) else {
        panic!("other records")
    };
    let lines: Vec<_> = interfaces
        .iter()
        .map(|i| (i.interface.to_string(), i.active))
        .collect();
    assert_eq!(
        lines,
        [("Vlan100".to_owned(), true), ("Vlan200".to_owned(), false)]
    );
}

/// `spec/mclagdctl-protocol.md` 5.8
#[test]
fn messages_of_the_peer_are_counted_by_type_in_both_directions() {
    let mut chassis = Chassis::new().synchronised();
    chassis.tell(Tlv::Heartbeat);
    chassis.tell(Tlv::Heartbeat);
    chassis.feed(Input::PeerGarbage {
        reason: "test".into(),
    });
    let counters = chassis.counters();
    let [block] = counters.iccp.as_slice() else {
        panic!("{counters:?}")
    };
    let row = |row: IccpRow| block[row as usize];
    assert_eq!(row(IccpRow::Heartbeat).rx, ok(2));
    assert!(row(IccpRow::Heartbeat).tx.ok >= 1);
    assert_eq!(row(IccpRow::SyncReq).rx, ok(1));
    assert_eq!(row(IccpRow::SyncReq).tx, ok(1));
    assert_eq!(row(IccpRow::SyncData).rx, ok(2));
    assert_eq!(row(IccpRow::SyncData).tx, ok(2));
    assert_eq!(row(IccpRow::AggrConfig).rx, ok(2));
    assert!(row(IccpRow::AggrConfig).tx.ok >= 2);
    assert_eq!(row(IccpRow::SysConfig).rx, ok(0));
    assert_eq!(counters.global(Global::InvalidMessage), 1);
}

/// `spec/mclagdctl-protocol.md` 5.8
#[test]
fn operations_are_counted_when_syncd_has_answered_them() {
    let mut chassis = Chassis::new();
    chassis.syncd();
    let batch = chassis.0.poll_batch().expect("ports are named");
    let row = |chassis: &Chassis, row: ToSyncd| chassis.counters().to_syncd[row as usize];
    assert_eq!(row(&chassis, ToSyncd::PortIsolation), ok(0));
    let failed = batch.ops.iter().position(|op| {
        matches!(op, mclag_proto::sync::model::Op::Port { port, .. } if *port == name("bond1"))
    });
    let error = |code| OpError {
        code,
        text: "test".into(),
    };
    let failed = u32::try_from(failed.unwrap()).unwrap();
    chassis.feed(Input::SyncdResult {
        batch: batch.number,
        failures: vec![
            (failed, error(OpErrorCode::Refused)),
            (failed + 1, error(OpErrorCode::Waiting)),
        ],
    });
    let isolation = row(&chassis, ToSyncd::PortIsolation);
    assert_eq!((isolation.ok, isolation.error), (2, 1));
    assert_eq!(row(&chassis, ToSyncd::MacLearnMode), ok(1));

    chassis.syncd();
    let batch = chassis.0.poll_batch().expect("ports are named again");
    assert!(!batch.ops.is_empty());
    chassis.feed(Input::SyncdDown);
    let learning = row(&chassis, ToSyncd::MacLearnMode);
    assert_eq!((learning.ok, learning.error), (1, 1), "nobody answered");
}

/// `spec/mclagdctl-protocol.md` 5.8
#[test]
fn what_the_kernel_and_syncd_report_is_counted() {
    let mut chassis = Chassis::new().synchronised();
    let links = chassis.counters().global(Global::NewLink);
    assert_eq!(links, 7);
    chassis.feed(Input::Addresses {
        index: 1,
        addresses: vec!["198.51.100.1/24".parse().unwrap()],
    });
    chassis.feed(Input::Addresses {
        index: 1,
        addresses: vec![],
    });
    chassis.sees(key(100, 1), "bond1");
    chassis.sees(key(100, 2), "bond1");
    let (gone, observation) = (key(100, 1), Observation::Aged);
    chassis.feed(Input::SyncdEvent(Event::Fdb {
        key: gone,
        observation,
    }));
    chassis.feed(Input::WarmReboot);
    chassis.feed(Input::SyncdEvent(Event::VlanMember {
        port: name("bond1"),
        vid: Vid::DEFAULT,
        member: true,
    }));
    chassis.feed(Input::LinkGone { index: 9 });
    chassis.feed(Input::PeerDown {
        reason: "test".into(),
    });
    let counters = chassis.counters();
    for (counter, value) in [
        (Global::DelLink, 1),
        (Global::NewAddress, 1),
        (Global::DelAddress, 1),
        (Global::NewMac, 2),
        (Global::DelMac, 1),
        (Global::MacAllocated, 2),
        (Global::WarmBoot, 1),
        (Global::PeerLinkDown, 1),
        (Global::SessionDown, 1),
        (Global::SocketCleanup, 1),
    ] {
        assert_eq!(counters.global(counter), value, "{counter:?}");
    }
    assert_eq!(counters.from_syncd[FromSyncd::FdbChange as usize], ok(3));
    assert_eq!(
        counters.from_syncd[FromSyncd::VlanMembership as usize],
        ok(1)
    );
}
