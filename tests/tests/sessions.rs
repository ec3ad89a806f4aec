//! What a server hears of whole sessions, with the operations that the core really names.

use iccp_core::{
    Config, Domain, Input, LagMember, Link, LinkKind, OnLoss, Output, PeerTraits, Time,
};
use mclag_proto::iccp::{Body, EntryOp, MacEntry, MacType, Message, RgId, Tlv};
use mclag_proto::sync::model::{Abilities, Event, FdbKey, Observation};
use mclag_proto::sync::v1::Dialect;
use mclag_proto::{DomainId, IfName, Mac, Vid};
use std::time::Duration;
use syncd::v1::to::Translator;

#[path = "../../syncd/src/v1/to/tests/words.rs"]
mod words;

const PEER_LINK: &str = "PortChannel10";

fn name(text: &str) -> IfName {
    IfName::new(text).unwrap()
}

fn domain_id() -> DomainId {
    DomainId::new(1).unwrap()
}

/// One chassis with a server of SONiC.
struct Chassis {
    domain: Domain,
    translator: Translator,
    said: Vec<String>,
}

const SONIC: Abilities = Abilities {
    redirect: false,
    tracking: false,
    hold: true,
    pair: true,
    interfaces: true,
    neighbours: false,
    node_mac: true,
};

fn mac(last: u8) -> Mac {
    Mac([2, 0, 0, 0, 0, last])
}

fn link(index: u32, text: &str, running: bool, kind: LinkKind) -> Link {
    Link {
        index,
        name: name(text),
        mac: Some(mac(1)),
        admin_up: true,
        running,
        master: (index > 1).then_some(1),
        kernel_name: None,
        blocked: false,
        kind,
        member: None,
    }
}

/// `PortChannel1` is up, `PortChannel2` is down.
fn links() -> Vec<Link> {
    let lag = |lacp: bool| LinkKind::Lag {
        lacp: Some(lacp),
        partner: lacp.then_some(mclag_proto::LacpPartner {
            system: mac(0x99),
            key: 9,
        }),
        min_links: 0,
    };
    let member = |index, text, master| Link {
        master: Some(master),
        member: Some(LagMember {
            distributing: true,
            alone: false,
        }),
        ..link(index, text, true, LinkKind::Other)
    };
    vec![
        link(1, "Bridge", true, LinkKind::Bridge),
        link(2, PEER_LINK, true, lag(false)),
        link(3, "PortChannel1", true, lag(true)),
        link(4, "PortChannel2", false, lag(true)),
        member(5, "Ethernet0", 3),
    ]
}

fn config(own: u8) -> Config {
    let address = |last| [10, 0, 0, last].into();
    Config {
        peer_link: Some(name(PEER_LINK)),
        ports: ["PortChannel1", "PortChannel2"].map(name).into(),
        neighbours: false,
        on_loss: OnLoss::Release,
        ..Config::new(
            domain_id(),
            address(own),
            address(3 - own),
            name("Bridge"),
            mac(own),
        )
    }
}

const NOW: Time = Time::new(Duration::from_secs(1));

impl Chassis {
    fn new(own: u8) -> Self {
        let domain = Domain::new(config(own));
        let mut chassis = Self {
            domain,
            translator: Translator::new(Dialect::Sonic),
            said: Vec::new(),
        };
        chassis.hear(Input::LinksBegin);
        links()
            .into_iter()
            .for_each(|link| chassis.hear(Input::Link(link)));
        chassis.hear(Input::LinksEnd);
        chassis.connect();
        chassis
    }

    fn connect(&mut self) {
        self.translator.connected(Dialect::Sonic);
        self.greet();
    }

    fn greet(&mut self) {
        self.hear(Input::SyncdUp {
            abilities: SONIC,
            backend: "server".into(),
            window: 8,
        });
    }

    fn hear(&mut self, input: Input) {
        self.domain.handle(input, NOW);
        while let Some(batch) = self.domain.poll_batch() {
            let said = words::words(&self.translator.apply(&batch.ops), Dialect::Sonic);
            self.said.extend(said);
            let failures = Vec::new();
            let batch = batch.number;
            self.domain
                .handle(Input::SyncdResult { batch, failures }, NOW);
        }
    }

    fn said(&mut self) -> Vec<String> {
        std::mem::take(&mut self.said)
    }
}

/// Both talk until neither has anything to say.
fn talk(one: &mut Chassis, two: &mut Chassis) {
    loop {
        let from_one = one.domain.poll_peer_message(NOW);
        let from_two = two.domain.poll_peer_message(NOW);
        if from_one.is_none() && from_two.is_none() {
            return;
        }
        let hear = |chassis: &mut Chassis, message| {
            if let Some(message) = message {
                chassis.hear(Input::PeerMessage(message));
            }
            while let Some(output) = chassis.domain.poll_output() {
                assert!(!matches!(output, Output::Close { .. }), "{output:?}");
            }
        };
        hear(two, from_one);
        hear(one, from_two);
    }
}

/// An active and a standby synchronised, and what their servers heard of that.
fn synchronised() -> ([Chassis; 2], [Vec<String>; 2]) {
    let [mut one, mut two] = [1, 2].map(Chassis::new);
    let before = [one.said(), two.said()];
    assert_eq!(
        before,
        [
            vec!["role active=true 02:00:00:00:00:01", "iccp false"],
            vec!["role active=false -", "iccp false"],
        ]
    );
    for chassis in [&mut one, &mut two] {
        let traits = PeerTraits::default();
        chassis.hear(Input::PeerUp { traits });
    }
    talk(&mut one, &mut two);
    let said = [one.said(), two.said()];
    ([one, two], said)
}

/// `spec/mclagsyncd-protocol.md` 6 and `spec/behaviour.md` 6.5, session up. Whose identity the pair
/// has is known with the active's System Config; everything else is said when both are synchronised. A standby says of
/// its ports that carry data that they do (`spec/sonic-redis.md` 7, item 8).
#[test]
fn both_hear_of_a_session_in_the_order_of_sonic() {
    let (_, [active, standby]) = synchronised();
    assert_eq!(
        active,
        [
            "learn PortChannel10 false",
            "isolate PortChannel1,Ethernet0",
            "isolated PortChannel1 true",
            "isolated PortChannel2 false",
            "traffic PortChannel2 false",
            "iccp true",
            "remote PortChannel1 true",
            "remote PortChannel2 false",
            "isolate PortChannel1,Ethernet0",
        ]
    );
    assert_eq!(
        standby,
        [
            "system 02:00:00:00:00:01",
            "learn PortChannel10 false",
            "isolate PortChannel1,Ethernet0",
            "isolated PortChannel1 true",
            "isolated PortChannel2 false",
            "traffic PortChannel2 false",
            "iccp true",
            "remote PortChannel1 true",
            "remote PortChannel2 false",
            "isolate PortChannel1,Ethernet0",
            "traffic PortChannel1 true",
        ]
    );
}

/// `spec/behaviour.md` 6.6: addresses, the end, isolation, the ports' own identity, traffic, that of
/// VLAN interfaces, the pair's identity, the peer's ports.
#[test]
fn what_a_session_leaves_behind_is_taken_back_in_the_order_of_sonic() {
    let ([_, mut standby], _) = synchronised();
    let vid = Vid::new(10).unwrap();
    let kind = LinkKind::Vlan { vid, parent: 1 };
    standby.hear(Input::Link(Link {
        master: None,
        ..link(9, "Vlan10", true, kind)
    }));
    for (index, address) in [(3, "192.0.2.1/24"), (9, "198.51.100.1/24")] {
        let addresses = vec![address.parse().unwrap()];
        standby.hear(Input::Addresses { index, addresses });
    }
    let orphan = MacEntry {
        op: EntryOp::Add,
        kind: MacType::Dynamic,
        mac: mac(0x55),
        vid,
        port: name("Ethernet40"),
    };
    let (rg, tlv) = (RgId(1), Tlv::MacInfo(vec![orphan]));
    let body = Body::Application { rg, tlv };
    standby.hear(Input::PeerMessage(Message { id: 1, body }));
    assert_eq!(
        standby.said(),
        [
            "mac PortChannel1 02:00:00:00:00:01",
            "mac Vlan10 02:00:00:00:00:01",
            "fdb Add 85 PortChannel10 Dynamic",
        ]
    );
    let reason = "closed by the peer".into();
    standby.hear(Input::PeerDown { reason });
    assert_eq!(
        standby.said(),
        [
            "fdb Delete 85 PortChannel10 Dynamic",
            "iccp false",
            "isolate ",
            "isolated PortChannel1 false",
            "mac PortChannel1 02:00:00:00:00:02",
            "traffic PortChannel2 true",
            "mac Vlan10 02:00:00:00:00:02",
            "system 02:00:00:00:00:02",
            "delete remote PortChannel1",
            "delete remote PortChannel2",
            "role active=false -",
        ]
    );
}

/// `spec/mclagsyncd-protocol.md` 6 and `spec/behaviour.md` 6.6, session down.
#[test]
fn both_hear_of_the_end_of_a_session_in_the_order_of_sonic() {
    let (chassis, _) = synchronised();
    let [active, standby] = chassis.map(|mut chassis| {
        let reason = "closed by the peer".into();
        chassis.hear(Input::PeerDown { reason });
        chassis.said()
    });
    assert_eq!(
        active,
        [
            "iccp false",
            "isolate ",
            "isolated PortChannel1 false",
            "traffic PortChannel2 true",
            "delete remote PortChannel1",
            "delete remote PortChannel2",
            "role active=true 02:00:00:00:00:01",
        ]
    );
    assert_eq!(
        standby,
        [
            "iccp false",
            "isolate ",
            "isolated PortChannel1 false",
            "traffic PortChannel2 true",
            "system 02:00:00:00:00:02",
            "delete remote PortChannel1",
            "delete remote PortChannel2",
            "role active=false -",
        ]
    );
}

/// `spec/behaviour.md` 14.6.
#[test]
fn a_server_that_comes_back_hears_of_the_session_in_order() {
    let ([_, mut standby], _) = synchronised();
    let everything = [
        "role active=false -",
        "system 02:00:00:00:00:01",
        "learn PortChannel10 false",
        "iccp true",
        "remote PortChannel1 true",
        "remote PortChannel2 false",
        "isolate PortChannel1,Ethernet0",
        "isolated PortChannel1 true",
        "isolated PortChannel2 false",
        "traffic PortChannel1 true",
        "traffic PortChannel2 false",
    ];
    for _ in 0..2 {
        standby.hear(Input::SyncdDown);
        standby.connect();
        assert_eq!(standby.said(), everything);
    }
}

/// `docs/adr/0011-foreign-shims.md`: an assistant has come, and everything is said again.
#[test]
fn a_dataplane_that_begins_anew_at_the_same_connection_makes_no_message() {
    let ([_, mut standby], _) = synchronised();
    standby.greet();
    assert!(standby.said().is_empty());
}

/// `spec/behaviour.md` 12, domain delete.
#[test]
fn a_chassis_that_leaves_takes_everything_back() {
    let ([_, mut standby], _) = synchronised();
    standby.hear(Input::Stop { leave: true });
    assert_eq!(
        standby.said(),
        [
            "iccp false",
            "isolate ",
            "isolated PortChannel1 false",
            "isolated PortChannel2 false",
            "learn PortChannel10 true",
            "traffic PortChannel2 true",
            "delete remote PortChannel1",
            "delete remote PortChannel2",
            "delete domain 1",
        ]
    );
}

/// `spec/behaviour.md` 14.1: nothing is said of a chassis that reboots warm, nor by one that stops
/// and leaves everything as it is.
#[test]
fn a_chassis_that_stops_for_a_moment_says_nothing() {
    for warm in [false, true] {
        let ([mut active, _], _) = synchronised();
        if warm {
            active.hear(Input::WarmReboot);
        }
        active.hear(Input::Stop { leave: false });
        assert!(active.said().is_empty());
    }
}

/// `spec/iccp.md` 10.2: the kernel may be slower than the dataplane.
#[test]
fn a_host_on_a_port_that_the_kernel_has_yet_to_make_is_known_whenever_the_kernel_is_listed() {
    for listed_before in [true, false] {
        let mut domain = Domain::new(config(1));
        let port = name("PortChannel2");
        let key = FdbKey {
            vid: Vid::new(10).unwrap(),
            mac: mac(0x77),
        };
        let listing = [
            Input::LinksBegin,
            Input::Link(link(1, "Bridge", true, LinkKind::Bridge)),
            Input::LinksEnd,
        ];
        let configured = false;
        let observation = Observation::Learned { port, configured };
        let told = [
            Input::SyncdUp {
                abilities: SONIC,
                backend: "server".into(),
                window: 8,
            },
            Input::SyncdEvent(Event::SnapshotBegin),
            Input::SyncdEvent(Event::Fdb { key, observation }),
        ];
        let inputs = match listed_before {
            true => [listing, told].concat(),
            false => [told, listing].concat(),
        };
        for input in inputs
            .into_iter()
            .chain([Input::SyncdEvent(Event::SnapshotEnd)])
        {
            domain.handle(input, NOW);
            while domain.poll_batch().is_some() {}
        }
        let (macs, _) = domain.macs(None, 9);
        let known = macs.iter().map(|line| (line.mac, line.local));
        assert_eq!(
            known.collect::<Vec<_>>(),
            [(key.mac, Some(port))],
            "{listed_before}"
        );
    }
}
