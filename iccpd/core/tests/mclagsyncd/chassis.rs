//! The chassis: a bridge with a peer link, one MLAG port, an orphan and VLAN interfaces.

use iccp_core::{
    Batch, Config, Domain, Input, LagMember, Link, LinkKind, NeighbourObservation, OnLoss,
    PeerTraits, Time,
};
use mclag_proto::iccp::{
    AggregatorConfig, AggregatorState, Body, ConfigFlag, Message, PortState, RgId, SystemConfig,
    Tlv,
};
use mclag_proto::sync::model::{Abilities, Event, FdbKey, Observation, Op};
use mclag_proto::{AggregatorId, DomainId, IfName, Mac, NodeId, Vid};
use std::time::Duration;

const RG: RgId = RgId(1);
pub const OWN: Mac = Mac([2, 0, 0, 0, 0, 1]);
pub const PEER: Mac = Mac([2, 0, 0, 0, 0, 2]);
pub const BOND: &str = "PortChannel1";
pub const VLAN: &str = "Vlan10";
/// Index of [`VLAN`].
pub const VLAN_INDEX: u32 = 10;
const PEER_LINK: u32 = 2;
const BOND_INDEX: u32 = 3;
const MEMBER: u32 = 4;
pub const BRIDGE: u32 = 1;

pub fn name(text: &str) -> IfName {
    IfName::new(text).unwrap()
}

pub fn vid(number: u16) -> Vid {
    Vid::new(number).unwrap()
}

/// What SONiC's `mclagsyncd` and our own `syncd` beside it can do together.
pub const BOTH: Abilities = Abilities {
    redirect: false,
    tracking: false,
    hold: true,
    pair: true,
    interfaces: true,
    neighbours: true,
    node_mac: false,
};

pub struct Chassis {
    pub domain: Domain,
    pub now: Time,
}

impl Chassis {
    /// `last` is the last byte of its address, which makes it active (1) or standby (3).
    pub fn new(last: u8) -> Self {
        let mut this = Self {
            domain: Domain::new(config(last)),
            now: Time::ZERO,
        };
        this.links();
        this
    }

    pub fn active() -> Self {
        Self::new(1)
    }

    pub fn standby() -> Self {
        Self::new(3)
    }

    /// Take on other settings.
    pub fn configure<R>(&mut self, last: u8, change: impl FnOnce(&mut Config) -> R) {
        let mut config = config(last);
        change(&mut config);
        self.feed(Input::Configure(Box::new(config)));
    }

    pub fn link(index: u32, text: &str) -> Link {
        Link {
            index,
            name: name(text),
            mac: Some(OWN),
            admin_up: true,
            running: true,
            master: None,
            kernel_name: None,
            blocked: false,
            kind: LinkKind::Other,
            member: None,
        }
    }

    fn links(&mut self) {
        self.feed(Input::LinksBegin);
        let kind = LinkKind::Bridge;
        let bridge = Self::link(BRIDGE, "Bridge");
        self.feed(Input::Link(Link { kind, ..bridge }));
        self.feed(Input::Link(Self::link(PEER_LINK, "Ethernet0")));
        self.bond();
        self.member(true);
        self.vlan(VLAN_INDEX, VLAN, 10);
        self.vlans(PEER_LINK, &[10]);
        self.vlans(BOND_INDEX, &[10]);
        self.feed(Input::LinksEnd);
    }

    /// The MLAG port, without a member.
    pub fn bond(&mut self) {
        let (lacp, partner) = (true, None);
        let kind = LinkKind::Lag {
            lacp: Some(lacp),
            partner,
            min_links: 0,
        };
        let master = Some(BRIDGE);
        let bond = Self::link(BOND_INDEX, BOND);
        self.feed(Input::Link(Link {
            kind,
            master,
            ..bond
        }));
    }

    pub fn vlan(&mut self, index: u32, text: &str, number: u16) {
        let (vid, parent) = (vid(number), BRIDGE);
        let kind = LinkKind::Vlan { vid, parent };
        let link = Self::link(index, text);
        self.feed(Input::Link(Link { kind, ..link }));
    }

    pub fn vlans(&mut self, index: u32, numbers: &[u16]) {
        let vids = numbers.iter().copied().map(vid).collect();
        self.feed(Input::Vlans { index, vids });
    }

    /// The MLAG port is deleted.
    pub fn delete_bond(&mut self) {
        self.feed(Input::LinkGone { index: BOND_INDEX });
    }

    /// The MLAG port is in no VLAN.
    pub fn routed_bond(&mut self, address: &str) {
        self.vlans(BOND_INDEX, &[]);
        self.addresses(BOND_INDEX, &[address]);
    }

    pub fn neighbour_on_bond(&mut self, address: &str, observation: Option<NeighbourObservation>) {
        self.neighbour(BOND_INDEX, address, observation);
    }

    pub fn neighbour(
        &mut self,
        index: u32,
        address: &str,
        observation: Option<NeighbourObservation>,
    ) {
        let address = address.parse().unwrap();
        self.feed(Input::Neighbour {
            index,
            address,
            observation,
        });
    }

    pub fn addresses(&mut self, index: u32, addresses: &[&str]) {
        let addresses = addresses.iter().map(|a| a.parse().unwrap()).collect();
        self.feed(Input::Addresses { index, addresses });
    }

    /// The only member of the MLAG port.
    pub fn member(&mut self, up: bool) {
        let link = Self::link(MEMBER, "Ethernet4");
        self.feed(Input::Link(Link {
            master: Some(BOND_INDEX),
            running: up,
            member: Some(LagMember {
                distributing: up,
                alone: false,
            }),
            ..link
        }));
    }

    pub fn connect_server(&mut self, abilities: Abilities) {
        self.feed(Input::SyncdUp {
            abilities,
            backend: "model".into(),
            window: 8,
        });
        self.feed(Input::SyncdEvent(Event::SnapshotBegin));
        self.feed(Input::SyncdEvent(Event::SnapshotEnd));
    }

    /// Up to EXCHANGE; everything sent on the way.
    pub fn session_up(&mut self) -> Vec<Tlv> {
        let traits = PeerTraits::default();
        self.feed(Input::PeerUp { traits });
        self.receive(Body::Capability);
        let sender = "192.0.2.2".to_owned();
        self.receive(Body::Connect { rg: RG, sender });
        let mut sent = self.sent();
        // The standby asks first, and both orders are borne.
        let asked = sent
            .iter()
            .any(|tlv| matches!(tlv, Tlv::SyncRequest { .. }));
        if asked {
            self.tell_everything();
            self.tell(Tlv::SyncRequest { number: 0 });
            sent.extend(self.sent());
        } else {
            self.tell(Tlv::SyncRequest { number: 0 });
            sent.extend(self.sent());
            self.tell_everything();
        }
        sent.extend(self.sent());
        sent
    }

    /// A standby that knows the active's ports, and whose own the active has yet to ask for.
    pub fn stage_two(&mut self) {
        let traits = PeerTraits::default();
        self.feed(Input::PeerUp { traits });
        self.receive(Body::Capability);
        let sender = "192.0.2.2".to_owned();
        self.receive(Body::Connect { rg: RG, sender });
        self.tell_everything();
    }

    fn tell_everything(&mut self) {
        let number = 0;
        self.tell(Tlv::SyncData { number, end: false });
        self.tell(Tlv::SystemConfig(SystemConfig {
            system: PEER,
            priority: 0,
            node: NodeId(0x80),
        }));
        self.tell(Tlv::AggregatorConfig(AggregatorConfig {
            id: AggregatorId::of(&name(BOND)),
            name: name(BOND),
            mac: PEER,
            flag: ConfigFlag::Present,
        }));
        self.peer_port(true);
        self.tell(Tlv::SyncData { number, end: true });
    }

    pub fn session_down(&mut self) {
        let reason = "cut".to_owned();
        self.feed(Input::PeerDown { reason });
    }

    pub fn peer_port(&mut self, up: bool) {
        let id = AggregatorId::of(&name(BOND));
        let state = if up { PortState::Up } else { PortState::Down };
        self.tell(Tlv::AggregatorState(AggregatorState { id, state }));
    }

    pub fn feed(&mut self, input: Input) {
        self.domain.handle(input, self.now);
        while self.domain.poll_output().is_some() {}
    }

    fn receive(&mut self, body: Body) {
        self.feed(Input::PeerMessage(Message { id: 1, body }));
    }

    pub fn tell(&mut self, tlv: Tlv) {
        self.receive(Body::Application { rg: RG, tlv });
    }

    pub fn pass(&mut self, time: Duration) {
        self.now = self.now + time;
        self.feed(Input::Timeout);
    }

    /// Everything there is to send but keepalives.
    pub fn sent(&mut self) -> Vec<Tlv> {
        let messages = std::iter::from_fn(|| self.domain.poll_peer_message(self.now));
        messages
            .filter_map(|message| match message.body {
                Body::Application { tlv, .. } if tlv != Tlv::Heartbeat => Some(tlv),
                _ => None,
            })
            .collect()
    }

    /// Everything the dataplane is told; it carries it out at once.
    pub fn ops(&mut self) -> Vec<Op> {
        let mut all = Vec::new();
        while let Some(Batch { number, ops }) = self.domain.poll_batch() {
            all.extend(ops);
            let (batch, failures) = (number, Vec::new());
            self.feed(Input::SyncdResult { batch, failures });
        }
        all
    }

    /// The dataplane learned this address.
    pub fn learn(&mut self, key: FdbKey, port: &str) {
        let (port, configured) = (name(port), false);
        let observation = Observation::Learned { port, configured };
        self.feed(Input::SyncdEvent(Event::Fdb { key, observation }));
    }
}

pub fn config(last: u8) -> Config {
    Config {
        peer_link: Some(name("Ethernet0")),
        ports: [name(BOND)].into(),
        on_loss: OnLoss::Release,
        ..Config::new(
            DomainId::new(1).unwrap(),
            [192, 0, 2, last].into(),
            [192, 0, 2, 2].into(),
            name("Bridge"),
            OWN,
        )
    }
}
