//! One chassis against a peer and a `syncd` that do what each test says.

mod common;

use common::{config, name, syncd_up};
use iccp_core::lag::MlagPort;
use iccp_core::{
    Batch, Config, Domain, Input, LagMember, Link, LinkKind, Notice, OnLoss, Output, PeerTraits,
    Reason, Time,
};
use mclag_proto::ctl::{Conflict, CounterName, Warning};
use mclag_proto::iccp::ext::{Announce, Extension, PortPartner, VERSION};
use mclag_proto::iccp::{
    AggregatorConfig, AggregatorState, Body, ConfigFlag, EntryOp, InterfaceUpAck, MacEntry,
    MacType, Message, PortState, RgId, Tlv,
};
use mclag_proto::sync::model::{
    Event, FdbKey, Isolation, Observation, Op, OpError, OpErrorCode, Section, Traffic,
};
use mclag_proto::{AggregatorId, IfName, LacpPartner, Mac, Vid};
use std::time::Duration;

const RG: RgId = RgId(1);
const SECOND: Duration = Duration::from_secs(1);

/// Index of the bridge, for a port of it.
const BRIDGE: Option<u32> = Some(9);

/// An interface that is up, by itself.
fn link(index: u32, text: &str) -> Link {
    common::link(index, name(text), LinkKind::Other)
}

/// The bond of the model, in the bridge or not, with this host behind it.
fn bond1(master: Option<u32>, partner: Option<LacpPartner>) -> Input {
    let kind = LinkKind::Lag {
        lacp: Some(true),
        partner,
        min_links: 0,
    };
    Input::Link(Link {
        master,
        kind,
        ..link(2, "bond1")
    })
}

/// The member of the bond of the model, with carrier or not, when LACP has not agreed.
fn idle_member(running: bool) -> Input {
    Input::Link(Link {
        master: Some(2),
        running,
        member: Some(LagMember {
            distributing: false,
            alone: false,
        }),
        ..link(3, "swp1")
    })
}

struct Chassis {
    domain: Domain,
    now: Time,
}

impl Chassis {
    /// In step with the peer, whose bond1 is down, with `syncd` connected and nothing said to it.
    fn synchronised() -> Self {
        let mut this = Self::new();
        this.connects();
        this.names_bond1();
        this.syncd_up();
        this
    }

    /// Its interfaces are known, and nothing else.
    fn new() -> Self {
        let config = config([name("bond1")].into());
        let mut this = Self {
            domain: Domain::new(config),
            now: Time::ZERO,
        };
        this.links();
        this
    }

    /// The peer connects, and asks for everything.
    fn connects(&mut self) {
        self.feed(Input::PeerUp {
            traits: PeerTraits::default(),
        });
        self.receive(Body::Capability);
        let sender = "192.0.2.2".to_owned();
        self.receive(Body::Connect { rg: RG, sender });
        self.tell(Tlv::SyncRequest { number: 0 });
        self.sent();
    }

    /// The peer names its ports, which are bond1, and that is down.
    fn names_bond1(&mut self) {
        self.tell(Tlv::SyncData {
            number: 0,
            end: false,
        });
        self.tell(named(ConfigFlag::Present));
        self.port("bond1", PortState::Down);
        self.tell(Tlv::SyncData {
            number: 0,
            end: true,
        });
        self.sent();
    }

    fn syncd_up(&mut self) {
        self.feed(syncd_up());
    }

    /// `syncd` lists a table without any entry.
    fn lists_nothing(&mut self) {
        self.feed(Input::SyncdEvent(Event::SnapshotBegin));
        self.feed(Input::SyncdEvent(Event::SnapshotEnd));
    }

    fn links(&mut self) {
        self.lists(None);
        self.feed(Input::LinksEnd);
    }

    /// Its interfaces, with this host behind the bond, but not yet that these are all.
    fn lists(&mut self, partner: Option<LacpPartner>) {
        self.feed(Input::LinksBegin);
        self.feed(Input::Link(Link {
            kind: LinkKind::Bridge,
            ..link(9, "br0")
        }));
        self.feed(Input::Link(link(1, "peerlink")));
        self.feed(bond1(BRIDGE, partner));
        self.feed(Input::Link(Link {
            master: Some(2),
            member: Some(LagMember {
                distributing: true,
                alone: false,
            }),
            ..link(3, "swp1")
        }));
    }

    fn feed(&mut self, input: Input) {
        self.domain.handle(input, self.now);
        while self.domain.poll_output().is_some() {}
    }

    fn receive(&mut self, body: Body) {
        self.feed(Input::PeerMessage(Message { id: 1, body }));
    }

    fn tell(&mut self, tlv: Tlv) {
        self.receive(Body::Application { rg: RG, tlv });
    }

    fn port(&mut self, port: &str, state: PortState) {
        let id = AggregatorId::of(&name(port));
        self.tell(Tlv::AggregatorState(AggregatorState { id, state }));
    }

    fn pass(&mut self, time: Duration) {
        self.now = self.now + time;
        self.feed(Input::Timeout);
    }

    /// Everything there is to send.
    fn sent(&mut self) -> Vec<Tlv> {
        let messages = std::iter::from_fn(|| self.domain.poll_peer_message(self.now));
        messages
            .filter_map(|message| match message.body {
                Body::Application { tlv, .. } => Some(tlv),
                _ => None,
            })
            .collect()
    }

    fn acks(&mut self) -> usize {
        let sent = self.sent();
        let acks = sent
            .iter()
            .filter(|tlv| matches!(tlv, Tlv::InterfaceUpAck(_)));
        acks.count()
    }

    /// The next batch, and the isolation that it asks for.
    fn batch(&mut self) -> Option<(Batch, Option<Isolation>)> {
        let batch = self.domain.poll_batch()?;
        let isolation = batch.ops.iter().rev().find_map(|op| match op {
            Op::Port { want, .. } => Some(want.isolation),
            _ => None,
        });
        Some((batch, isolation))
    }

    /// `syncd` answers; every operation on a port fails with this code, if any.
    fn answer(&mut self, batch: &Batch, failure: Option<OpErrorCode>) {
        let ports = (0_u32..).zip(&batch.ops);
        let ports = ports.filter(|(_, op)| matches!(op, Op::Port { .. }));
        let failures = ports.filter_map(|(index, _)| {
            let text = String::new();
            Some((
                index,
                OpError {
                    code: failure?,
                    text,
                },
            ))
        });
        let failures = failures.collect();
        let batch = batch.number;
        self.feed(Input::SyncdResult { batch, failures });
    }
}

/// What is wanted of bond1 from now on, batch by batch; each is carried out.
fn wants(chassis: &mut Chassis) -> Vec<(Option<Mac>, Isolation)> {
    let mut wants = Vec::new();
    while let Some((batch, _)) = chassis.batch() {
        wants.extend(batch.ops.iter().filter_map(|op| match op {
            Op::Port { want, .. } => Some((want.system_mac, want.isolation)),
            _ => None,
        }));
        chassis.answer(&batch, None);
    }
    wants
}

fn named(flag: ConfigFlag) -> Tlv {
    Tlv::AggregatorConfig(AggregatorConfig {
        id: AggregatorId::of(&name("bond1")),
        name: name("bond1"),
        mac: Mac([2, 0, 0, 0, 0, 2]),
        flag,
    })
}

const SHARED: Option<Mac> = Some(Mac([2, 0, 0, 0, 0, 0xff]));
/// This chassis' own: the bond of the model has no address.
const OWN: Option<Mac> = Some(Mac([2, 0, 0, 0, 0, 1]));

/// Its host, and another one behind a port of the peer that shows the pair's id, would get every flooded frame
/// twice.
#[test]
fn a_port_that_the_peer_does_not_have_shows_its_own_id_before_isolation_is_lifted() {
    let mut chassis = Chassis::synchronised();
    assert_eq!(wants(&mut chassis), [(SHARED, Isolation::Off)]);
    chassis.port("bond1", PortState::Up);
    assert_eq!(wants(&mut chassis), [(SHARED, Isolation::On)]);
    chassis.tell(named(ConfigFlag::Purge));
    let left = [(OWN, Isolation::On), (OWN, Isolation::Off)];
    assert_eq!(wants(&mut chassis), left);
    let reason = "closed by the peer".into();
    chassis.feed(Input::PeerDown { reason });
    chassis.pass(Config::RESTART_HOLD);
    let later = wants(&mut chassis);
    assert!(
        later.iter().all(|want| *want == left[1]),
        "nobody said otherwise: {later:?}"
    );
}

/// What is for its host would go to the peer and come back, and what was learned on it would outlive the port.
#[test]
fn what_is_for_a_port_that_the_peer_does_not_have_is_not_sent_to_the_peer_while_it_is_down() {
    let mut chassis = Chassis::synchronised();
    let redirects = |chassis: &mut Chassis| {
        let mut last = None;
        while let Some((batch, _)) = chassis.batch() {
            for op in &batch.ops {
                if let Op::Port { want, .. } = op {
                    last = Some(want.redirect);
                }
            }
            chassis.answer(&batch, None);
        }
        last
    };
    assert_eq!(redirects(&mut chassis), Some(true));
    chassis.tell(named(ConfigFlag::Purge));
    assert_eq!(redirects(&mut chassis), Some(false));
    chassis.tell(named(ConfigFlag::Present));
    assert_eq!(redirects(&mut chassis), Some(true));
}

#[test]
fn a_port_that_the_peer_comes_to_have_shows_the_pair_s_id_again_and_is_isolated() {
    let mut chassis = Chassis::synchronised();
    chassis.tell(named(ConfigFlag::Purge));
    let last = wants(&mut chassis).pop();
    assert_eq!(last, Some((OWN, Isolation::Off)));
    // Up until the peer says otherwise.
    chassis.tell(named(ConfigFlag::Present));
    assert_eq!(wants(&mut chassis), [(SHARED, Isolation::On)]);
}

/// Nobody can say yet that its id is the one on the wire.
#[test]
fn isolation_is_not_lifted_while_the_id_of_its_own_is_not_in_force() {
    let mut chassis = Chassis::synchronised();
    wants(&mut chassis);
    chassis.tell(named(ConfigFlag::Purge));
    let (batch, isolation) = chassis.batch().unwrap();
    assert_eq!(isolation, Some(Isolation::On));
    chassis.answer(&batch, Some(OpErrorCode::Refused));
    assert_eq!(chassis.batch(), None);
    chassis.pass(SECOND);
    assert_eq!(
        wants(&mut chassis),
        [(OWN, Isolation::On), (OWN, Isolation::Off)]
    );
}

/// A legacy peer is told that it is gone; one of our own that it is down, for it is in the settings: its
/// port there must not leave the pair because an interface is made anew here.
#[test]
fn of_a_port_that_does_not_exist_one_of_our_own_hears_that_it_is_down() {
    for (native, flag, is_down) in [
        (false, ConfigFlag::Purge, false),
        (true, ConfigFlag::Present, true),
    ] {
        let mut chassis = Chassis::synchronised();
        if native {
            chassis.tell(Tlv::Extension(Extension::Announce(Announce {
                version: VERSION,
                priority: 1,
                node_mac: Mac([2, 0, 0, 0, 0, 2]),
                software: "other".into(),
            })));
        }
        chassis.sent();
        chassis.feed(Input::LinkGone { index: 2 });
        let sent = chassis.sent();
        let configs: Vec<ConfigFlag> = sent
            .iter()
            .filter_map(|tlv| match tlv {
                Tlv::AggregatorConfig(config) => Some(config.flag),
                _ => None,
            })
            .collect();
        assert_eq!(configs, [flag]);
        let down = |tlv: &Tlv| matches!(tlv, Tlv::AggregatorState(state) if state.state == PortState::Down);
        assert_eq!(sent.iter().any(down), is_down);
    }
}

/// As SONiC; what is different is shown.
#[test]
fn with_strict_sonic_a_port_that_the_peer_does_not_have_keeps_the_pair_s_id_and_there_is_a_warning()
{
    let mut chassis = Chassis::synchronised();
    let strict = Config {
        on_loss: OnLoss::Release,
        ..chassis.domain.config().clone()
    };
    chassis.feed(Input::Configure(Box::new(strict)));
    wants(&mut chassis);
    chassis.tell(named(ConfigFlag::Purge));
    assert_eq!(wants(&mut chassis), []);
    let warnings = chassis.domain.status(chassis.now).warnings;
    let warning = Warning::Port {
        port: name("bond1"),
        conflict: Conflict::SharesSystemId,
    };
    assert!(warnings.contains(&warning), "{warnings:?}");
}

/// A daemon that starts knows neither what the peer has nor what the host sees. It changes nothing for as long as
/// the peer may be about to say.
#[test]
fn a_restart_changes_no_id_before_the_peer_has_named_its_ports() {
    let mut chassis = Chassis::new();
    chassis.syncd_up();
    assert_eq!(wants(&mut chassis), [(None, Isolation::Keep)]);
    chassis.connects();
    assert_eq!(wants(&mut chassis), []);
    chassis.names_bond1();
    assert_eq!(wants(&mut chassis), [(SHARED, Isolation::Off)]);

    let mut alone = Chassis::new();
    alone.syncd_up();
    assert_eq!(wants(&mut alone), [(None, Isolation::Keep)]);
    alone.pass(SECOND * 5);
    assert_eq!(
        wants(&mut alone),
        [(SHARED, Isolation::Keep)],
        "nobody else is there"
    );
}

/// The old peer goes on forwarding, and what the new one has nobody knows.
#[test]
fn with_another_peer_every_port_keeps_its_id_and_is_isolated_until_that_one_has_named_its_ports() {
    let mut chassis = Chassis::synchronised();
    assert_eq!(wants(&mut chassis), [(SHARED, Isolation::Off)]);
    let other = Config {
        peer: "192.0.2.3".parse().unwrap(),
        ..chassis.domain.config().clone()
    };
    chassis.feed(Input::Configure(Box::new(other)));
    chassis.pass(Config::RESTART_HOLD);
    assert_eq!(wants(&mut chassis), [(None, Isolation::On)]);
    chassis.connects();
    assert_eq!(wants(&mut chassis), []);
    chassis.names_bond1();
    assert_eq!(wants(&mut chassis), [(SHARED, Isolation::Off)]);
}

/// It is asked for nothing then that could be confirmed.
#[test]
fn isolation_is_lifted_where_the_id_of_its_own_is_in_force_already() {
    let mut chassis = Chassis::synchronised();
    chassis.port("bond1", PortState::Up);
    // Out of the bridge it cannot carry data.
    chassis.feed(bond1(None, None));
    assert_eq!(wants(&mut chassis).pop(), Some((OWN, Isolation::On)));
    chassis.tell(named(ConfigFlag::Purge));
    assert_eq!(wants(&mut chassis), [(OWN, Isolation::Off)]);
}

/// Something else was asked for in between, and the last of it failed: the pair's id may be on the wire.
#[test]
fn an_earlier_confirmation_of_its_own_id_does_not_lift_isolation() {
    let mut chassis = Chassis::synchronised();
    chassis.port("bond1", PortState::Up);
    wants(&mut chassis);
    let mut batches = Vec::new();
    for flag in [ConfigFlag::Purge, ConfigFlag::Present, ConfigFlag::Purge] {
        chassis.tell(named(flag));
        if flag == ConfigFlag::Present {
            chassis.port("bond1", PortState::Up);
        }
        batches.extend(chassis.batch());
    }
    let isolation: Vec<_> = batches.iter().map(|(_, isolation)| *isolation).collect();
    assert_eq!(isolation, [Some(Isolation::On); 3]);
    for ((batch, _), failure) in batches.iter().zip([None, None, Some(OpErrorCode::Refused)]) {
        chassis.answer(batch, failure);
        assert_eq!(chassis.batch(), None);
    }
}

/// What it names it has; what it does not name it may be about to make.
#[test]
fn a_legacy_peer_that_starts_has_time_to_name_its_ports() {
    let mut chassis = Chassis::new();
    chassis.syncd_up();
    chassis.connects();
    for end in [false, true] {
        chassis.tell(Tlv::SyncData { number: 0, end });
    }
    assert_eq!(wants(&mut chassis), [(None, Isolation::On)]);
    chassis.pass(SECOND * 9);
    chassis.tell(Tlv::Heartbeat);
    let meanwhile = wants(&mut chassis);
    let stays = |want: &(Option<Mac>, Isolation)| *want == (None, Isolation::On);
    assert!(meanwhile.iter().all(stays), "{meanwhile:?}");
    chassis.pass(SECOND * 2);
    let last = wants(&mut chassis);
    assert_eq!(last, [(OWN, Isolation::On), (OWN, Isolation::Off)]);
}

/// Its host would negotiate once now, and once more when the peer has named its ports.
#[test]
fn the_peer_s_word_waits_for_the_interfaces() {
    let mut chassis = Chassis::new();
    chassis.feed(Input::LinksBegin);
    chassis.syncd_up();
    chassis.connects();
    chassis.names_bond1();
    assert_eq!(wants(&mut chassis), [(None, Isolation::On)]);
    chassis.links();
    assert_eq!(wants(&mut chassis), [(SHARED, Isolation::Off)]);
}

#[test]
fn a_port_that_comes_without_a_session_keeps_its_id_and_is_isolated() {
    let mut chassis = Chassis::new();
    chassis.syncd_up();
    chassis.pass(SECOND * 5);
    let with = chassis.domain.config().clone();
    let without = Config {
        ports: Default::default(),
        ..with.clone()
    };
    chassis.feed(Input::Configure(Box::new(without)));
    wants(&mut chassis);
    chassis.feed(Input::Configure(Box::new(with)));
    assert_eq!(wants(&mut chassis), [(None, Isolation::On)]);
}

/// One of our own announces itself, with this priority; its port is up, with this partner.
fn native_peer(chassis: &mut Chassis, priority: u16, partner: Option<LacpPartner>) {
    chassis.tell(Tlv::Extension(Extension::Announce(Announce {
        version: VERSION,
        priority,
        node_mac: Mac([2, 0, 0, 0, 0, 2]),
        software: "other".into(),
    })));
    chassis.port("bond1", PortState::Up);
    let id = AggregatorId::of(&name("bond1"));
    let alone = None;
    let partner = PortPartner { id, partner, alone };
    chassis.tell(Tlv::Extension(Extension::LacpPartner(partner)));
}

const HOST: LacpPartner = LacpPartner {
    system: Mac([2, 0, 0, 0, 1, 1]),
    key: 9,
};
const OTHER: LacpPartner = LacpPartner {
    system: Mac([2, 0, 0, 0, 1, 2]),
    key: 9,
};

/// What is wanted of a port at last, all of which is done.
fn wanted_of_port(chassis: &mut Chassis) -> Option<(Traffic, Option<Mac>)> {
    let mut last = None;
    while let Some((batch, _)) = chassis.batch() {
        for op in &batch.ops {
            if let Op::Port { want, .. } = op {
                last = Some((want.traffic, want.system_mac));
            }
        }
        chassis.answer(&batch, None);
    }
    last
}

/// Cables that are crossed: what is for one of the two hosts would go to the other one, too.
#[test]
fn a_port_of_the_secondary_behind_which_another_host_is_than_at_the_peer_is_held_until_they_agree()
{
    const PRIMARY: u16 = 1;
    const SECONDARY: u16 = u16::MAX;
    let traffic = |chassis: &mut Chassis| wanted_of_port(chassis).expect("something is wanted");
    let conflict = |chassis: &Chassis| {
        let ports = chassis.domain.interfaces(chassis.now);
        let mut ports = ports.into_iter().filter(|port| !port.peer_link);
        let port = ports.next().unwrap();
        let has = port.conflicts.iter().any(|conflict| {
            *conflict
                == Conflict::Partners {
                    own: HOST,
                    peers: OTHER,
                }
        });
        (has, port.dual, port.remote_partner)
    };
    for (priority, held) in [(PRIMARY, true), (SECONDARY, false)] {
        let mut chassis = Chassis::synchronised();
        chassis.feed(bond1(BRIDGE, Some(HOST)));
        let ack = Tlv::InterfaceUpAck(InterfaceUpAck {
            id: AggregatorId::of(&name("bond1")),
            isolated: true,
        });
        chassis.tell(ack.clone());
        native_peer(&mut chassis, priority, Some(HOST));
        assert_eq!(traffic(&mut chassis), (Traffic::Pass, SHARED));
        assert_eq!(conflict(&chassis), (false, true, Some(HOST)));
        chassis.sent();

        native_peer(&mut chassis, priority, Some(OTHER));
        let down = chassis.sent().iter().any(
            |tlv| matches!(tlv, Tlv::AggregatorState(state) if state.state == PortState::Down),
        );
        assert_eq!(down, held, "the peer does not count on it");
        assert_eq!(conflict(&chassis), (true, !held, Some(OTHER)));
        if held {
            assert_eq!(traffic(&mut chassis), (Traffic::Held, OWN));
        } else {
            assert_eq!(chassis.batch(), None);
        }

        native_peer(&mut chassis, priority, Some(HOST));
        chassis.sent();
        assert!(!conflict(&chassis).0);
        chassis.tell(ack);
        if held {
            assert_eq!(traffic(&mut chassis), (Traffic::Pass, SHARED));
        }
        assert_eq!(conflict(&chassis), (false, true, Some(HOST)));
    }
}

/// LACP begins anew on a port that shows another id. Until it has agreed nobody names the host, and a frame that passes
/// through both ports meanwhile comes back to it.
#[test]
fn a_host_that_comes_up_behind_another_port_of_the_primary_is_known_here_while_lacp_begins_anew() {
    const PRIMARY: u16 = 1;
    for (is_running, is_held) in [(true, true), (false, false)] {
        let mut chassis = Chassis::synchronised();
        chassis.feed(bond1(BRIDGE, Some(HOST)));
        native_peer(&mut chassis, PRIMARY, None);
        wants(&mut chassis);
        // A cable that was pulled meanwhile may lead to anybody.
        chassis.feed(idle_member(is_running));
        chassis.feed(bond1(BRIDGE, None));
        let bond2 = name("bond2");
        let id = AggregatorId::of(&bond2);
        chassis.tell(Tlv::AggregatorConfig(AggregatorConfig {
            id,
            name: bond2,
            mac: Mac([2, 0, 0, 0, 0, 3]),
            flag: ConfigFlag::Present,
        }));
        chassis.tell(Tlv::Extension(Extension::LacpPartner(PortPartner {
            id,
            partner: Some(HOST),
            alone: None,
        })));
        chassis.sent();
        let conflicts = || {
            let ports = chassis.domain.interfaces(chassis.now);
            let port = ports.into_iter().find(|port| !port.peer_link);
            port.unwrap().conflicts
        };
        let elsewhere = Conflict::PartnerElsewhere {
            partner: HOST,
            at: bond2,
        };
        assert_eq!(conflicts().contains(&elsewhere), is_held);
        assert_eq!(
            wants(&mut chassis).last().is_some_and(|want| want.0 == OWN),
            is_held
        );
    }
}

/// What one that is gone said last is no reason to keep a host from its only leg for ever.
#[test]
fn a_port_that_is_held_for_its_partner_is_released_when_the_peer_does_not_come_back() {
    let mut chassis = Chassis::synchronised();
    chassis.feed(bond1(BRIDGE, Some(HOST)));
    native_peer(&mut chassis, 1, Some(OTHER));
    let reason = "closed by the peer".into();
    chassis.feed(Input::PeerDown { reason });
    let is_up = |chassis: &Chassis| chassis.domain.ports().all(MlagPort::is_up);
    assert!(!is_up(&chassis));
    chassis.pass(Config::RESTART_HOLD);
    assert!(is_up(&chassis));
}

/// The partners that the peer is told.
fn partners(chassis: &mut Chassis) -> Vec<Option<LacpPartner>> {
    let sent = chassis.sent().into_iter();
    let partners = sent.filter_map(|tlv| match tlv {
        Tlv::Extension(Extension::LacpPartner(partner)) => Some(partner.partner),
        _ => None,
    });
    partners.collect()
}

/// Nothing a legacy peer could read.
#[test]
fn who_is_at_the_other_end_of_a_port_is_said_to_one_of_our_own_once_for_each_change() {
    let mut chassis = Chassis::synchronised();
    chassis.feed(bond1(BRIDGE, Some(HOST)));
    assert_eq!(partners(&mut chassis), []);
    native_peer(&mut chassis, 1, Some(HOST));
    assert_eq!(partners(&mut chassis), [Some(HOST)]);
    chassis.feed(bond1(BRIDGE, Some(HOST)));
    assert_eq!(partners(&mut chassis), []);
    chassis.feed(bond1(BRIDGE, Some(OTHER)));
    assert_eq!(partners(&mut chassis), [Some(OTHER)]);
    chassis.feed(Input::LinkGone { index: 2 });
    assert_eq!(partners(&mut chassis), [None]);
}

/// While they are being listed, what was not named yet is as it was.
#[test]
fn who_is_at_the_other_end_of_a_port_counts_once_all_interfaces_are_listed() {
    let mut chassis = Chassis::synchronised();
    chassis.feed(bond1(BRIDGE, Some(HOST)));
    native_peer(&mut chassis, 1, Some(HOST));
    assert_eq!(partners(&mut chassis), [Some(HOST)]);
    chassis.lists(Some(OTHER));
    assert_eq!(partners(&mut chassis), []);
    chassis.feed(Input::LinksEnd);
    assert_eq!(partners(&mut chassis), [Some(OTHER)]);
}

/// Nothing happens to its interface then.
#[test]
fn who_is_at_the_other_end_of_a_port_is_said_when_that_becomes_an_mlag_port() {
    let mut chassis = Chassis::synchronised();
    native_peer(&mut chassis, 1, Some(HOST));
    let with = chassis.domain.config().clone();
    let without = Config {
        ports: Default::default(),
        ..with.clone()
    };
    chassis.feed(Input::Configure(Box::new(without)));
    chassis.feed(bond1(BRIDGE, Some(HOST)));
    assert_eq!(partners(&mut chassis), []);
    chassis.feed(Input::Configure(Box::new(with)));
    assert_eq!(partners(&mut chassis), [Some(HOST)]);
}

#[test]
fn a_partner_that_changes_here_is_compared_with_the_one_at_the_peer() {
    let mut chassis = Chassis::synchronised();
    chassis.feed(bond1(BRIDGE, Some(HOST)));
    native_peer(&mut chassis, 1, Some(HOST));
    let conflicts = |chassis: &mut Chassis| {
        chassis.sent();
        let ports = chassis.domain.interfaces(chassis.now);
        let bond1 = ports.into_iter().find(|port| !port.peer_link);
        bond1.unwrap().conflicts
    };
    assert_eq!(conflicts(&mut chassis), []);
    chassis.feed(bond1(BRIDGE, Some(OTHER)));
    let differs = Conflict::Partners {
        own: OTHER,
        peers: HOST,
    };
    assert_eq!(conflicts(&mut chassis), [differs]);
}

/// One that connects and vanishes again and again would keep everything as it is for ever.
#[test]
fn a_session_that_did_not_come_about_gives_the_peer_no_more_time_to_come_back() {
    let mut chassis = Chassis::synchronised();
    chassis.feed(bond1(BRIDGE, Some(HOST)));
    native_peer(&mut chassis, 1, Some(OTHER));
    let reason = || "closed by the peer".to_owned();
    chassis.feed(Input::PeerDown { reason: reason() });
    chassis.pass(Config::RESTART_HOLD - SECOND);
    let traits = PeerTraits::default();
    chassis.feed(Input::PeerUp { traits });
    chassis.feed(Input::PeerDown { reason: reason() });
    let is_held = |chassis: &Chassis| !chassis.domain.ports().all(MlagPort::is_up);
    assert!(is_held(&chassis));
    chassis.pass(SECOND);
    assert!(!is_held(&chassis));
}

#[test]
fn a_port_that_the_peer_does_not_name_in_its_next_session_is_no_port_of_it() {
    let mut chassis = Chassis::synchronised();
    let knows_bond1 = |chassis: &Chassis| {
        let peer = chassis.domain.known_of_peer();
        peer.port(&name("bond1")).is_some()
    };
    let reason = "closed by the peer".into();
    chassis.feed(Input::PeerDown { reason });
    chassis.connects();
    let (number, end) = (0, false);
    chassis.tell(Tlv::SyncData { number, end });
    assert!(knows_bond1(&chassis), "it may be about to name it");
    let end = true;
    chassis.tell(Tlv::SyncData { number, end });
    assert!(!knows_bond1(&chassis));
}

/// The host leaves a leg only when it has another LACP partner there: holding is not enough.
#[test]
fn a_port_that_cannot_carry_is_held_and_leaves_the_pair_s_system_id_until_it_can() {
    let mut chassis = Chassis::synchronised();
    let (batch, _) = chassis.batch().unwrap();
    chassis.answer(&batch, None);
    let own = Mac([2, 0, 0, 0, 0, 2]);
    let link = |index, text: &str, kind, master| Link {
        mac: Some(own),
        kind,
        master,
        ..link(index, text)
    };
    let bond = |min_links, master| {
        let (lacp, partner) = (true, None);
        let kind = LinkKind::Lag {
            lacp: Some(lacp),
            partner,
            min_links,
        };
        Input::Link(link(2, "bond1", kind, master))
    };
    let bridge = |admin_up| {
        Input::Link(Link {
            admin_up,
            ..link(9, "br0", LinkKind::Bridge, None)
        })
    };
    chassis.feed(bond(0, Some(9)));
    chassis.feed(bridge(true));
    let _ = chassis.batch();
    let shared = Mac([2, 0, 0, 0, 0, 0xff]);
    let wanted = |chassis: &mut Chassis| {
        let mut wants = Vec::new();
        while let Some((batch, _)) = chassis.batch() {
            wants.extend(batch.ops.iter().filter_map(|op| match op {
                Op::Port { want, .. } => Some((want.traffic, want.system_mac)),
                _ => None,
            }));
            chassis.answer(&batch, None);
        }
        wants.last().copied()
    };
    let is_up = |sent: Vec<Tlv>| {
        sent.into_iter().rev().find_map(|tlv| match tlv {
            Tlv::AggregatorState(state) => Some(state.state == PortState::Up),
            _ => None,
        })
    };
    let _ = wanted(&mut chassis);
    chassis.sent();
    for (fault, mended) in [
        (bond(2, Some(9)), bond(1, Some(9))),
        (bond(0, None), bond(0, Some(9))),
        (bridge(false), bridge(true)),
    ] {
        let what = format!("{fault:?}");
        chassis.feed(fault);
        let held = Some((Traffic::Held, Some(own)));
        assert_eq!(wanted(&mut chassis), held, "{what}");
        assert_eq!(is_up(chassis.sent()), Some(false), "{what}");
        chassis.feed(mended);
        assert_eq!(wanted(&mut chassis).unwrap().1, Some(shared), "{what}");
        assert_eq!(is_up(chassis.sent()), Some(true), "{what}");
    }
}

/// Input: LACP lets go of a leg that has carrier, or has lost it; the dataplane confirms that it is held, or says nothing.
/// Output: the peer, which lifts its isolation then, hears that the leg is down when it is held, or could carry nothing
/// anyway, or when the dataplane is taken for silent.
#[test]
fn a_leg_that_may_come_back_is_down_for_the_peer_when_it_is_held() {
    for (running, answers) in [(true, true), (false, true), (true, false)] {
        let mut chassis = Chassis::synchronised();
        // What it was asked for before is confirmed when the hold has been asked for, and says nothing of that.
        let (before, _) = chassis.batch().unwrap();
        chassis.sent();
        chassis.feed(idle_member(running));
        let is_said = |sent: Vec<Tlv>| {
            let is_down =
                |tlv: &Tlv| matches!(tlv, Tlv::AggregatorState(is) if is.state == PortState::Down);
            sent.iter().any(is_down)
        };
        let (batch, _) = chassis.batch().unwrap();
        chassis.answer(&before, None);
        assert_eq!(is_said(chassis.sent()), !running, "{running} {answers}");
        if answers {
            chassis.answer(&batch, None);
        } else {
            chassis.pass(SECOND * 2);
        }
        assert_eq!(is_said(chassis.sent()), running, "{running} {answers}");
    }
}

/// The harness of a pair always reads; here nobody does.
#[test]
fn a_peer_that_talks_and_does_not_read_costs_no_memory() {
    let mut chassis = Chassis::synchronised();
    let (batch, _) = chassis.batch().unwrap();
    chassis.answer(&batch, None);
    chassis.port("bond1", PortState::Up);
    let (batch, _) = chassis.batch().unwrap();
    chassis.answer(&batch, None);
    chassis.sent();
    for _ in 0..1000 {
        chassis.port("bond1", PortState::Up);
        chassis.port("unknown7", PortState::Up);
        chassis.tell(Tlv::SyncRequest { number: 1 });
        chassis.pass(SECOND);
    }
    let sent = chassis.sent();
    let count = |want: fn(&Tlv) -> bool| sent.iter().filter(|tlv| want(tlv)).count();
    assert_eq!(count(|tlv| matches!(tlv, Tlv::InterfaceUpAck(_))), 2);
    assert_eq!(count(|tlv| matches!(tlv, Tlv::Heartbeat)), 1);
    assert!(sent.len() < 20, "{sent:?}");
}

/// An acknowledgement that could not leave in time says what is true when it leaves.
#[test]
fn what_is_no_longer_isolated_is_no_longer_acknowledged() {
    let mut chassis = Chassis::synchronised();
    chassis.port("bond1", PortState::Up);
    let (batch, isolation) = chassis.batch().unwrap();
    assert_eq!(isolation, Some(Isolation::On));
    chassis.answer(&batch, None);
    chassis.port("bond1", PortState::Down);
    assert_eq!(chassis.acks(), 0);
}

/// A port that went down at the peer waits for nothing any more: a word that comes all the same would
/// count for the next time it comes up, before anything is isolated.
#[test]
fn a_port_that_went_down_at_the_peer_is_no_longer_acknowledged() {
    for taken_out in [true, false] {
        let mut chassis = Chassis::synchronised();
        chassis.port("bond1", PortState::Up);
        assert_eq!(chassis.acks(), 0, "nothing confirmed it");
        chassis.port("bond1", PortState::Down);
        if taken_out {
            let config = Config {
                ports: Default::default(),
                ..chassis.domain.config().clone()
            };
            chassis.feed(Input::Configure(Box::new(config)));
        } else {
            // Made again there: it counts as up, and has not said that it is.
            for flag in [ConfigFlag::Purge, ConfigFlag::Present] {
                chassis.tell(Tlv::AggregatorConfig(AggregatorConfig {
                    id: AggregatorId::of(&name("bond1")),
                    name: name("bond1"),
                    mac: Mac([2, 0, 0, 0, 0, 2]),
                    flag,
                }));
            }
            let (batch, isolation) = chassis.batch().unwrap();
            assert_eq!(isolation, Some(Isolation::On));
            chassis.answer(&batch, None);
        }
        assert_eq!(chassis.acks(), 0, "taken out: {taken_out}");
    }
}

/// A deleted port is a port that is down (W-9), whether it is ours as well or not.
#[test]
fn a_port_that_the_peer_deleted_is_no_longer_acknowledged() {
    for text in ["bond1", "unknown7"] {
        let mut chassis = Chassis::synchronised();
        let config = |flag| {
            Tlv::AggregatorConfig(AggregatorConfig {
                id: AggregatorId::of(&name(text)),
                name: name(text),
                mac: Mac([2, 0, 0, 0, 0, 2]),
                flag,
            })
        };
        chassis.tell(config(ConfigFlag::Present));
        chassis.port(text, PortState::Up);
        chassis.tell(config(ConfigFlag::Purge));
        chassis.tell(config(ConfigFlag::Present));
        let (batch, _) = chassis.batch().unwrap();
        chassis.answer(&batch, None);
        assert_eq!(chassis.acks(), 0, "{text}");
        chassis.port(text, PortState::Up);
        assert_eq!(chassis.acks(), 1, "{text}");
    }
}

/// On, off, on: the answer to the first says nothing of the last.
#[test]
fn an_isolation_that_was_lifted_meanwhile_is_confirmed_by_its_own_answer_only() {
    let mut chassis = Chassis::synchronised();
    chassis.port("bond1", PortState::Up);
    let (first, isolation) = chassis.batch().unwrap();
    assert_eq!(isolation, Some(Isolation::On));
    chassis.port("bond1", PortState::Down);
    let (second, isolation) = chassis.batch().unwrap();
    assert_eq!(isolation, Some(Isolation::Off));
    chassis.port("bond1", PortState::Up);
    let (third, isolation) = chassis.batch().unwrap();
    assert_eq!(isolation, Some(Isolation::On));
    chassis.answer(&first, None);
    assert_eq!(chassis.acks(), 0, "about to be lifted");
    chassis.answer(&second, None);
    assert_eq!(chassis.acks(), 0);
    chassis.answer(&third, None);
    assert_eq!(chassis.acks(), 1);
}

#[test]
fn an_isolation_that_was_refused_is_asked_for_again_and_not_acknowledged_before() {
    let mut chassis = Chassis::synchronised();
    chassis.port("bond1", PortState::Up);
    for _ in 0..3 {
        let (batch, _) = chassis.batch().unwrap();
        chassis.answer(&batch, Some(OpErrorCode::Refused));
        assert_eq!(chassis.acks(), 0);
        assert!(chassis.batch().is_none(), "not at once");
        chassis.pass(SECOND);
    }
    let (batch, isolation) = chassis.batch().unwrap();
    assert_eq!(isolation, Some(Isolation::On));
    chassis.answer(&batch, None);
    assert_eq!(chassis.acks(), 1);
}

/// Nothing would come of it; but what is asked for anew may be supported.
#[test]
fn an_isolation_that_is_not_supported_is_not_asked_for_each_second() {
    let mut chassis = Chassis::synchronised();
    chassis.port("bond1", PortState::Up);
    let (batch, _) = chassis.batch().unwrap();
    chassis.answer(&batch, Some(OpErrorCode::Unsupported));
    // Not for so long that the port no longer waits for the peer.
    for _ in 0..3 {
        chassis.pass(SECOND);
        let again = chassis.batch();
        assert!(again.is_none(), "{again:?}");
    }
    assert_eq!(chassis.acks(), 0);
    chassis.port("bond1", PortState::Down);
    let (batch, _) = chassis.batch().unwrap();
    chassis.answer(&batch, None);
    chassis.port("bond1", PortState::Up);
    let (batch, isolation) = chassis.batch().unwrap();
    assert_eq!(isolation, Some(Isolation::On));
    chassis.answer(&batch, None);
    assert_eq!(chassis.acks(), 1);
}

/// `syncd` isolates a port that does not exist, too, before its first frame.
#[test]
fn a_port_that_is_waited_for_is_acknowledged() {
    let mut chassis = Chassis::synchronised();
    chassis.port("bond1", PortState::Up);
    let (batch, _) = chassis.batch().unwrap();
    chassis.answer(&batch, Some(OpErrorCode::Waiting));
    assert_eq!(chassis.acks(), 1);
}

fn mac_entry(number: u16) -> MacEntry {
    let [high, low] = number.to_be_bytes();
    MacEntry {
        op: EntryOp::Add,
        kind: MacType::Dynamic,
        mac: Mac([2, 0, 0, 1, high, low]),
        vid: Vid::DEFAULT,
        port: name("bond1"),
    }
}

fn ends_entries(batch: &Batch) -> bool {
    batch.ops.contains(&Op::SnapshotEnd(Section::Fdb))
}

#[test]
fn a_peer_that_names_any_number_of_ports_nobody_has_costs_little_memory() {
    let mut chassis = Chassis::synchronised();
    for number in 0..5000 {
        let name = name(&format!("po{number}"));
        chassis.tell(Tlv::AggregatorConfig(AggregatorConfig {
            id: AggregatorId::of(&name),
            name,
            mac: Mac::ZERO,
            flag: ConfigFlag::Present,
        }));
    }
    let kept = format!("{:?}", chassis.domain)
        .matches("RemotePort")
        .count();
    assert!(kept <= 1025, "{kept}");
}

/// It may have all of these, and as many of its own as of any peer.
#[test]
fn a_peer_may_name_ports_of_its_own_beside_all_that_are_here() {
    let mut chassis = Chassis::synchronised();
    let mut config = chassis.domain.config().clone();
    config.ports.extend([name("bond2"), name("bond3")]);
    chassis.feed(Input::Configure(Box::new(config)));
    for number in 0..2000 {
        let name = name(&format!("po{number}"));
        chassis.tell(Tlv::AggregatorConfig(AggregatorConfig {
            id: AggregatorId::of(&name),
            name,
            mac: Mac::ZERO,
            flag: ConfigFlag::Present,
        }));
    }
    assert_eq!(chassis.domain.known_of_peer().ports().count(), 1024 + 3);
}

/// Another implementation marks no end of its addresses.
#[test]
fn what_a_legacy_peer_did_not_name_within_ten_seconds_goes() {
    let mut chassis = Chassis::synchronised();
    let told = |chassis: &mut Chassis| {
        let mut batches = std::iter::from_fn(|| chassis.domain.poll_batch());
        batches.any(|batch| ends_entries(&batch))
    };
    for _ in 0..9 {
        chassis.tell(Tlv::Heartbeat);
        chassis.pass(SECOND);
        assert!(!told(&mut chassis));
    }
    chassis.pass(SECOND * 2);
    assert!(told(&mut chassis));
}

/// `spec/iccp.md` 2.2: a dialect that has one address in a message gives each its own id.
#[test]
fn a_batch_takes_a_message_id_for_each_of_its_addresses() {
    let mut chassis = Chassis::synchronised();
    let last = |chassis: &mut Chassis| {
        let sent = std::iter::from_fn(|| chassis.domain.poll_peer_message(chassis.now));
        sent.map(|message| (message.id, message.body.ids())).last()
    };
    chassis.tell(Tlv::SyncRequest { number: 0 });
    let (before, _) = last(&mut chassis).unwrap();
    for number in 0..25 {
        let MacEntry { mac, vid, port, .. } = mac_entry(number);
        let configured = false;
        let observation = Observation::Learned { port, configured };
        let key = FdbKey { mac, vid };
        chassis.feed(Input::SyncdEvent(Event::Fdb { key, observation }));
    }
    assert_eq!(last(&mut chassis), Some((before + 25, 25)));
}

/// An operator who wonders why there is no session is told what keeps it from coming.
#[test]
fn why_the_peer_cannot_be_reached_is_shown() {
    let mut chassis = Chassis::synchronised();
    for reason in ["closed by the peer", "cannot connect to 192.0.2.2:8888"] {
        chassis.feed(Input::PeerDown {
            reason: reason.into(),
        });
        let shown = chassis.domain.session().failure().unwrap();
        assert_eq!(shown.reason, Reason::Transport(reason.into()));
    }
}

/// `spec/iccp.md` 8.1: unknown messages and TLVs are counted and dropped, without an answer.
#[test]
fn what_is_unknown_is_counted_and_not_answered() {
    let mut chassis = Chassis::synchronised();
    chassis.sent();
    let unknown = |chassis: &Chassis| {
        let counters = chassis.domain.peer(chassis.now).counters;
        let mut counters = counters.into_iter();
        let counter = counters.find(|c| c.name == CounterName::Unknown);
        counter.unwrap().value
    };
    let before = unknown(&chassis);
    chassis.receive(Body::Unknown { kind: 0x0750 });
    chassis.tell(Tlv::Unknown { kind: 0x1037 });
    assert_eq!(unknown(&chassis), before + 2);
    assert_eq!(chassis.sent(), []);
}

/// The peer drops what is not named before the end.
#[test]
fn the_end_of_the_addresses_is_not_said_before_the_dataplane_has_listed_them() {
    let mut chassis = Chassis::synchronised();
    chassis.tell(Tlv::Extension(Extension::Announce(Announce {
        version: VERSION,
        priority: 1,
        node_mac: Mac([2, 0, 0, 0, 0, 2]),
        software: "other".into(),
    })));
    let ends = |tlvs: Vec<Tlv>| tlvs.contains(&Tlv::Extension(Extension::MacSyncEnd));
    assert!(!ends(chassis.sent()));
    // Of no listing, or of one that another connection did not end.
    chassis.feed(Input::SyncdEvent(Event::SnapshotEnd));
    assert!(!ends(chassis.sent()));
    chassis.feed(Input::SyncdEvent(Event::SnapshotBegin));
    chassis.feed(Input::SyncdDown);
    chassis.syncd_up();
    chassis.feed(Input::SyncdEvent(Event::SnapshotEnd));
    assert!(!ends(chassis.sent()));
    chassis.lists_nothing();
    assert!(ends(chassis.sent()));
}

/// A foreign server that comes back with another dialect: ours stays connected, and lists nothing again.
#[test]
fn a_dataplane_with_other_abilities_is_still_the_one_that_listed_and_failed() {
    let mut chassis = Chassis::synchronised();
    chassis.lists_nothing();
    let (batch, _) = chassis.batch().unwrap();
    chassis.answer(&batch, Some(OpErrorCode::Refused));
    let failures = |chassis: &Chassis| {
        let failed = chassis.domain.status(chassis.now).syncd.failed_operations;
        (failed, chassis.domain.last_failure().is_some())
    };
    let before = failures(&chassis);
    assert!(before.0 > 0 && before.1);
    chassis.syncd_up();
    assert_eq!(failures(&chassis), before);
    chassis.tell(Tlv::Extension(Extension::Announce(Announce {
        version: VERSION,
        priority: 1,
        node_mac: Mac([2, 0, 0, 0, 0, 2]),
        software: "other".into(),
    })));
    assert!(
        chassis
            .sent()
            .contains(&Tlv::Extension(Extension::MacSyncEnd))
    );
}

/// A peer may take a number that it knows for a repetition (RFC 7275 6.1.1: unique on a session).
#[test]
fn numbers_of_messages_go_on_over_sessions() {
    let mut chassis = Chassis::synchronised();
    let last = |chassis: &mut Chassis| {
        let now = chassis.now;
        std::iter::from_fn(|| chassis.domain.poll_peer_message(now)).last()
    };
    chassis.feed(Input::LinkGone { index: 2 });
    let before = last(&mut chassis).unwrap().id;
    let reason = "closed by the peer".into();
    chassis.feed(Input::PeerDown { reason });
    chassis.feed(Input::PeerUp {
        traits: PeerTraits::default(),
    });
    chassis.receive(Body::Capability);
    let now = chassis.now;
    let first = chassis.domain.poll_peer_message(now).unwrap().id;
    assert!(first > before, "{first} after {before}");
}

#[test]
fn a_port_that_is_deleted_is_withdrawn_once() {
    let mut chassis = Chassis::synchronised();
    chassis.feed(Input::LinkGone { index: 2 });
    let purges = |tlvs: Vec<Tlv>| {
        let purge =
            |tlv: &&Tlv| matches!(tlv, Tlv::AggregatorConfig(c) if c.flag == ConfigFlag::Purge);
        tlvs.iter().filter(purge).count()
    };
    assert_eq!(purges(chassis.sent()), 1);
    chassis.feed(Input::LinkGone { index: 3 });
    assert_eq!(purges(chassis.sent()), 0);
}

/// A failover does not wait behind a table.
#[test]
fn a_table_leaves_room_in_the_window_for_ports() {
    let mut chassis = Chassis::synchronised();
    for part in 0..20 {
        let entries = (part * 500..(part + 1) * 500).map(mac_entry).collect();
        chassis.tell(Tlv::MacInfo(entries));
    }
    let unanswered: Vec<Batch> = std::iter::from_fn(|| chassis.domain.poll_batch()).collect();
    assert!(unanswered.len() < 8, "{}", unanswered.len());
    let last = unanswered.last().unwrap();
    let is_entry = |op: &Op| {
        matches!(
            op,
            Op::Fdb {
                key: FdbKey { .. },
                ..
            }
        )
    };
    assert!(last.ops.iter().all(is_entry));
    chassis.port("bond1", PortState::Up);
    let (_, isolation) = chassis.batch().unwrap();
    assert_eq!(isolation, Some(Isolation::On));
}

/// W-37, ADR 4. Nobody is left to say what is behind the peer link, but the host of an isolated port would move
/// there, and what is for it would be dropped. What was asked for is not in force before it is confirmed.
#[test]
fn the_peer_link_learns_when_no_port_is_isolated_any_more() {
    let mut chassis = Chassis::synchronised();
    let learns = |chassis: &mut Chassis, failure| {
        let mut learns = None;
        while let Some((batch, _)) = chassis.batch() {
            let mut domains = batch.ops.iter().rev().filter_map(|op| match op {
                Op::Domain(want) => Some(want.peer_link_learning),
                _ => None,
            });
            learns = domains.next().or(learns);
            chassis.answer(&batch, failure);
        }
        learns
    };
    chassis.port("bond1", PortState::Up);
    assert_eq!(learns(&mut chassis, None), Some(false));
    let reason = String::new();
    chassis.feed(Input::PeerDown { reason });
    chassis.pass(Config::SESSION_TIMEOUT);
    chassis.pass(Config::RESTART_HOLD);
    chassis.pass(SECOND);
    assert_eq!(learns(&mut chassis, None), None, "bond1 is isolated");
    // It leaves the pair, and another one takes its place.
    let mut config = chassis.domain.config().clone();
    config.ports = [name("bond2")].into();
    chassis.feed(Input::Configure(Box::new(config.clone())));
    assert_eq!(learns(&mut chassis, None), None, "not known to be open");
    config.ports.clear();
    chassis.feed(Input::Configure(Box::new(config)));
    assert_eq!(learns(&mut chassis, None), Some(true));
}

/// What an operator reads of a port, at each step of its isolation.
#[test]
fn an_interface_is_shown_with_its_members_and_with_isolation_once_that_is_confirmed() {
    let mut chassis = Chassis::synchronised();
    let shown = |chassis: &Chassis| {
        let interfaces = chassis.domain.interfaces(chassis.now).into_iter();
        let mut bond1 = interfaces.filter(|interface| interface.name == name("bond1"));
        bond1.next().unwrap()
    };
    let members = shown(&chassis).members;
    let names: Vec<IfName> = members.iter().map(|member| member.name).collect();
    assert_eq!(names, [name("swp1")]);
    assert!(members[0].carrier && members[0].distributing);
    for (state, isolated) in [(PortState::Up, true), (PortState::Down, false)] {
        chassis.port("bond1", state);
        let mut last = None;
        while let Some((batch, isolation)) = chassis.batch() {
            last = isolation.or(last);
            assert_eq!(shown(&chassis).isolated, None, "not confirmed yet");
            chassis.answer(&batch, None);
        }
        assert_eq!(last == Some(Isolation::On), isolated);
        assert_eq!(shown(&chassis).isolated, Some(isolated));
    }
}

#[test]
fn interfaces_that_do_not_exist_are_named_and_no_others() {
    let mut chassis = Chassis::new();
    assert!(chassis.domain.status(chassis.now).waiting_for.is_empty());
    chassis.feed(Input::LinkGone { index: 1 });
    let waiting_for = chassis.domain.status(chassis.now).waiting_for;
    assert_eq!(waiting_for, [name("peerlink")]);
}

/// A daemon that stops waits for `syncd` to be idle.
#[test]
fn a_syncd_that_is_not_there_has_nothing_to_do() {
    let mut chassis = Chassis::new();
    assert!(chassis.domain.syncd_is_idle());
    chassis.syncd_up();
    let (batch, _) = chassis.batch().unwrap();
    assert!(!chassis.domain.syncd_is_idle());
    chassis.answer(&batch, None);
    while let Some((batch, _)) = chassis.batch() {
        chassis.answer(&batch, None);
    }
    assert!(chassis.domain.syncd_is_idle());
    chassis.feed(Input::SyncdDown);
    assert!(chassis.domain.syncd_is_idle());
}

/// A root bridge outside of the pair may have spanning tree cut the peer link: nothing comes over it then, as if it were
/// down.
#[test]
fn a_peer_link_that_spanning_tree_blocks_counts_as_down() {
    let mut chassis = Chassis::synchronised();
    let peer_link = Link {
        master: BRIDGE,
        ..link(1, "peerlink")
    };
    let is = |chassis: &Chassis| {
        let status = chassis.domain.status(chassis.now);
        let of_peer_link =
            |warning: &Warning| matches!(warning, Warning::PeerLinkDown | Warning::PeerLinkBlocked);
        let warnings = status.warnings.into_iter().filter(of_peer_link);
        (status.peer_link_up, warnings.collect::<Vec<_>>())
    };
    assert_eq!(is(&chassis), (true, vec![]));
    for (running, blocked, expected) in [
        (true, true, (false, vec![Warning::PeerLinkBlocked])),
        (true, false, (true, vec![])),
        (false, false, (false, vec![Warning::PeerLinkDown])),
        (false, true, (false, vec![Warning::PeerLinkDown])),
    ] {
        chassis.feed(Input::Link(Link {
            running,
            blocked,
            ..peer_link.clone()
        }));
        assert_eq!(is(&chassis), expected, "{running} {blocked}");
    }
}

/// Whoever reads the kernel's interfaces goes on with the names of the settings.
#[test]
fn an_interface_of_another_name_is_what_it_is_and_is_warned_of() {
    let mut chassis = Chassis::synchronised();
    let settled = wants(&mut chassis);
    assert_eq!(settled, [(SHARED, Isolation::Off)]);
    let is = |chassis: &Chassis| {
        let warnings = chassis.domain.status(chassis.now).warnings.into_iter();
        let renamed = |warning: &Warning| {
            matches!(
                warning,
                Warning::PeerLinkRenamed { .. } | Warning::PortRenamed { .. }
            )
        };
        warnings.filter(renamed).collect::<Vec<_>>()
    };
    let (settings, now) = (name("peerlink"), Some(name("lan9")));
    let peer_link = |kernel_name| {
        Input::Link(Link {
            kernel_name,
            ..link(1, "peerlink")
        })
    };
    let port = |kernel_name| match bond1(BRIDGE, None) {
        Input::Link(bond) => Input::Link(Link {
            kernel_name,
            ..bond
        }),
        other => other,
    };
    chassis.feed(port(None));
    wants(&mut chassis);
    chassis.sent();
    chassis.feed(peer_link(now));
    let warning = Warning::PeerLinkRenamed {
        settings,
        now: now.unwrap(),
    };
    assert_eq!(is(&chassis), vec![warning.clone()]);
    let (settings, now) = (name("bond1"), Some(name("host1")));
    chassis.feed(port(now));
    let other = Warning::PortRenamed {
        settings,
        now: now.unwrap(),
    };
    assert_eq!(is(&chassis), [warning, other]);
    chassis.feed(peer_link(None));
    chassis.feed(port(None));
    assert_eq!(is(&chassis), []);
    assert_eq!((wants(&mut chassis), chassis.sent()), (vec![], vec![]));
}

/// A chassis that starts while a port has another name. `syncd` may go on taking the interface for the port: its host must not
/// send into a leg that it shares with the peer's, and may have no other one.
#[test]
fn a_port_that_is_not_there_at_a_start_is_not_held_and_shows_its_own_id() {
    let mut chassis = Chassis {
        domain: Domain::new(config([name("bond1")].into())),
        now: Time::ZERO,
    };
    chassis.feed(Input::LinksBegin);
    chassis.feed(Input::Link(link(1, "peerlink")));
    chassis.feed(Input::Link(link(2, "host1")));
    chassis.feed(Input::LinksEnd);
    chassis.connects();
    chassis.names_bond1();
    chassis.syncd_up();
    assert_eq!(wanted_of_port(&mut chassis), Some((Traffic::Keep, OWN)));
    chassis.feed(Input::LinkGone { index: 2 });
    let Input::Link(bond) = bond1(BRIDGE, None) else {
        unreachable!("it is a link");
    };
    chassis.feed(Input::Link(Link {
        running: false,
        ..bond
    }));
    assert_eq!(wanted_of_port(&mut chassis), Some((Traffic::Held, SHARED)));
}

/// Input: `syncd` cannot carry out what is wanted of a port, says so each time it is asked again, then says something else,
/// is gone and back, and can. Output: each of these is said once, however often it was asked.
#[test]
fn an_operation_that_keeps_failing_is_said_when_it_begins_and_changes_and_ends() {
    let mut chassis = Chassis::synchronised();
    let answered = |chassis: &mut Chassis, text: Option<&str>| {
        let mut notices = Vec::new();
        chassis.now = chassis.now + SECOND;
        chassis.domain.handle(Input::Timeout, chassis.now);
        let mut asked = false;
        while let Some(batch) = chassis.domain.poll_batch() {
            let ports = (0_u32..).zip(&batch.ops);
            let ports = ports.filter(|(_, op)| matches!(op, Op::Port { .. }));
            let ports: Vec<u32> = ports.map(|(index, _)| index).collect();
            asked |= !ports.is_empty();
            let failed = |index| {
                let text = text?.to_owned();
                let code = OpErrorCode::Refused;
                Some((index, OpError { code, text }))
            };
            let failures = ports.into_iter().filter_map(failed).collect();
            let batch = batch.number;
            let result = Input::SyncdResult { batch, failures };
            chassis.domain.handle(result, chassis.now);
        }
        assert!(asked);
        while let Some(output) = chassis.domain.poll_output() {
            match output {
                Output::Notice(Notice::OpFailed(failure)) => notices.push(failure.error.text),
                Output::Notice(Notice::OpRecovered {
                    op: Op::Port { .. },
                }) => {
                    notices.push("over".to_owned());
                }
                _ => {}
            }
        }
        notices
    };
    for (text, expected) in [
        (Some("busy"), vec!["busy"]),
        (Some("busy"), vec![]),
        (Some("busy"), vec![]),
        (Some("denied"), vec!["denied"]),
        (Some("denied"), vec![]),
    ] {
        assert_eq!(answered(&mut chassis, text), expected);
    }
    chassis.feed(Input::SyncdDown);
    chassis.syncd_up();
    assert_eq!(answered(&mut chassis, Some("denied")), [""; 0]);
    assert_eq!(answered(&mut chassis, None), ["over"]);
    assert_eq!(
        chassis.domain.status(chassis.now).syncd.failed_operations,
        6
    );
}

#[test]
fn the_bridge_of_the_ports_is_named_unless_interfaces_are_being_listed() {
    let mut chassis = Chassis::new();
    let br0 = Some(name("br0"));
    assert_eq!(chassis.domain.bridge_of_ports(), br0);
    chassis.lists(None);
    assert_eq!(chassis.domain.bridge_of_ports(), None);
    chassis.feed(Input::LinksEnd);
    assert_eq!(chassis.domain.bridge_of_ports(), br0);
}
