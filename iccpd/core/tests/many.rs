//! A chassis with as many ports as there may be: what happens to all of them at once is looked at once.

mod common;

use common::{config, link, name, syncd_up};
use iccp_core::{Domain, Input, LagMember, Link, LinkKind, Notice, Output, PeerTraits, Time};
use mclag_proto::iccp::ext::{Announce, Extension, VERSION};
use mclag_proto::iccp::{
    AggregatorConfig, AggregatorState, Body, ConfigFlag, Message, PortState, RgId, Tlv,
};
use mclag_proto::{AggregatorId, IfName, Mac};

const PORTS: u32 = 512;
const BRIDGE: u32 = 1;

fn bond(port: u32) -> IfName {
    name(&format!("bond{port}"))
}

fn lag(port: u32) -> Link {
    let kind = LinkKind::Lag {
        lacp: Some(true),
        partner: None,
        min_links: 0,
    };
    Link {
        master: Some(BRIDGE),
        ..link(1000 + port, bond(port), kind)
    }
}

fn member(port: u32, up: bool) -> Input {
    Input::Link(Link {
        running: up,
        master: Some(1000 + port),
        member: Some(LagMember {
            distributing: up,
            alone: false,
        }),
        ..link(2000 + port, name(&format!("swp{port}")), LinkKind::Other)
    })
}

fn tlv(tlv: Tlv) -> Input {
    let rg = RgId(1);
    let body = Body::Application { rg, tlv };
    Input::PeerMessage(Message { id: 1, body })
}

struct Chassis(Domain);

impl Chassis {
    fn handle(&mut self, input: Input) {
        self.0.handle(input, Time::ZERO);
    }

    /// The local ports that were seen to change, as they are now.
    fn changed(&mut self) -> Vec<(IfName, bool)> {
        let outputs = std::iter::from_fn(|| self.0.poll_output());
        let changed = outputs.filter_map(|output| match output {
            Output::Notice(Notice::LocalPort { port, up }) => Some((port, up)),
            _ => None,
        });
        changed.collect()
    }

    /// Nothing more comes; what is sent to the dataplane is done.
    fn settle(&mut self) {
        loop {
            if let Some(batch) = self.0.poll_batch() {
                let (batch, failures) = (batch.number, Vec::new());
                self.handle(Input::SyncdResult { batch, failures });
            } else if self.0.poll_peer_message(Time::ZERO).is_none() {
                return;
            }
        }
    }
}

/// All ports are up on both chassis, which are synchronised.
fn synchronised() -> Chassis {
    let mut chassis = Chassis(Domain::new(config((0..PORTS).map(bond).collect())));
    chassis.handle(Input::LinksBegin);
    chassis.handle(Input::Link(link(BRIDGE, name("br0"), LinkKind::Bridge)));
    chassis.handle(Input::Link(link(2, name("peerlink"), LinkKind::Other)));
    for port in 0..PORTS {
        chassis.handle(Input::Link(lag(port)));
        chassis.handle(member(port, true));
    }
    chassis.handle(Input::LinksEnd);
    chassis.handle(syncd_up());
    let traits = PeerTraits::default();
    chassis.handle(Input::PeerUp { traits });
    for body in [
        Body::Capability,
        Body::Connect {
            rg: RgId(1),
            sender: "192.0.2.2".into(),
        },
    ] {
        chassis.handle(Input::PeerMessage(Message { id: 1, body }));
    }
    let announce = Announce {
        version: VERSION,
        priority: 0,
        node_mac: Mac([2, 0, 0, 0, 0, 2]),
        software: String::new(),
    };
    chassis.handle(tlv(Tlv::Extension(Extension::Announce(announce))));
    chassis.handle(tlv(Tlv::SyncRequest { number: 0 }));
    let number = 0;
    chassis.handle(tlv(Tlv::SyncData { number, end: false }));
    for port in 0..PORTS {
        let id = AggregatorId::of(&bond(port));
        chassis.handle(tlv(Tlv::AggregatorConfig(AggregatorConfig {
            id,
            name: bond(port),
            mac: Mac([2, 0, 0, 0, 0, 2]),
            flag: ConfigFlag::Present,
        })));
        let state = PortState::Up;
        chassis.handle(tlv(Tlv::AggregatorState(AggregatorState { id, state })));
    }
    chassis.handle(tlv(Tlv::SyncData { number, end: true }));
    chassis.settle();
    chassis.changed();
    chassis
}

#[test]
fn a_mass_failure_is_looked_at_once_and_so_is_what_comes_back() {
    let mut chassis = synchronised();
    for up in [false, true] {
        for port in 0..PORTS {
            chassis.handle(member(port, up));
            assert_eq!(chassis.changed(), [], "more may come");
        }
        chassis.0.catch_up();
        let changed = chassis.changed();
        assert!(changed.iter().all(|(_, is_up)| *is_up == up));
        assert_eq!(changed.len(), PORTS as usize);
        chassis.settle();
    }
}

/// Its peer has to isolate it again before it carries data.
#[test]
fn a_port_that_is_lost_and_comes_back_at_once_is_seen_to_have_been_lost() {
    let mut chassis = synchronised();
    chassis.handle(member(7, false));
    chassis.handle(member(8, false));
    chassis.handle(member(7, true));
    chassis.0.catch_up();
    let seen = [(bond(7), false), (bond(8), false), (bond(7), true)];
    assert_eq!(chassis.changed(), seen);
    // And one that goes, or leaves the bridge.
    chassis.settle();
    chassis.handle(Input::LinkGone { index: 2009 });
    chassis.handle(member(9, true));
    chassis.handle(Input::Link(Link {
        master: None,
        ..lag(10)
    }));
    chassis.handle(Input::Link(lag(10)));
    chassis.0.catch_up();
    let seen = [
        (bond(9), false),
        (bond(9), true),
        (bond(10), false),
        (bond(10), true),
    ];
    assert_eq!(chassis.changed(), seen);
}

/// What the peer says counts beside what was true when it was heard.
#[test]
fn what_happened_to_the_links_counts_before_what_the_peer_says_next() {
    let mut chassis = synchronised();
    chassis.handle(member(7, false));
    assert_eq!(chassis.changed(), []);
    chassis.handle(tlv(Tlv::Heartbeat));
    assert_eq!(chassis.changed(), [(bond(7), false)]);
}
