//! LAGs that speak LACP, and static ones: as the kernel has them, and as they were declared.

use crate::world::{BONDS, Side, World, config, lag, name};
use iccp_core::{Config, Input, Link, LinkKind};
use mclag_proto::ctl::Conflict;
use mclag_proto::{LacpPartner, LagKind, Mac};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

const HOST: LacpPartner = LacpPartner {
    system: Mac([2, 0, 0, 0, 1, 1]),
    key: 9,
};

/// What the kernel has of the first bond.
fn is(world: &mut World, side: Side, lacp: bool) {
    let kind = LinkKind::Lag {
        lacp: Some(lacp),
        partner: lacp.then_some(HOST),
        min_links: 0,
    };
    let lag = lag(0, BONDS[0]);
    world.feed(side, Input::Link(Link { kind, ..lag }));
}

/// The chassis whose half carries data.
fn carrying(world: &World) -> String {
    let carries = |side: &Side| {
        let chassis = world.at(*side);
        chassis.bond_up[0] && !chassis.kernel.held.contains(&name(BONDS[0]))
    };
    let sides = Side::BOTH.into_iter().filter(carries);
    sides.map(|side| format!("{side:?}")).collect()
}

fn conflicts(world: &World, side: Side) -> Vec<Conflict> {
    let ports = world.domain(side).interfaces(world.now);
    let port = ports.into_iter().find(|port| port.name == name(BONDS[0]));
    port.unwrap().conflicts
}

/// At 2000 moments of that time.
fn carry_throughout(world: &mut World, time: Duration, who: &[&str]) {
    let end = world.now + time;
    while world.now < end {
        world.run_for(time / 2000);
        let carrying = carrying(world);
        assert!(who.contains(&carrying.as_str()), "{carrying} carry data");
    }
}

/// The host speaks LACP where it does, so it may use that leg alone; whoever is the primary.
#[test]
fn a_half_without_lacp_is_held_while_lacp_carries_data_on_the_other_one() {
    for with_lacp in Side::BOTH {
        let without = with_lacp.other();
        let (one, other) = (format!("{with_lacp:?}"), format!("{without:?}"));
        let mut world = World::settled();
        is(&mut world, without, false);
        world.run_for(SECOND);
        assert_eq!(carrying(&world), "AB", "nobody is known to speak LACP");
        is(&mut world, with_lacp, true);
        world.run_for(SECOND);
        assert_eq!(carrying(&world), one);
        assert_eq!(
            conflicts(&world, without),
            [Conflict::LacpAtPeer { peers: HOST }]
        );
        // What was behind the other leg is behind this one as soon as it is the only one.
        world.set_bond(with_lacp, 0, false);
        carry_throughout(&mut world, SECOND, &["", &other]);
        assert_eq!(carrying(&world), other);
        assert_eq!(conflicts(&world, without), []);
        world.set_bond(with_lacp, 0, true);
        carry_throughout(&mut world, SECOND, &["", &one, &other]);
        assert_eq!(carrying(&world), one);
        // A session that is lost changes nothing, until the peer is taken for dead.
        world.cut_wire();
        carry_throughout(&mut world, SECOND * 80, &[&one]);
        world.mend_wire();
        world.run_for(SECOND * 5);
        is(&mut world, without, true);
        world.run_for(SECOND);
        assert_eq!(carrying(&world), "AB");
        assert_eq!(conflicts(&world, without), []);
        // Whom LACP found is nobody's partner without LACP.
        is(&mut world, without, false);
        world.run_for(SECOND);
        let ports = world.domain(with_lacp).interfaces(world.now);
        let port = ports.into_iter().find(|port| port.name == name(BONDS[0]));
        assert_eq!(port.unwrap().remote_partner, None);
    }
}

fn declared(side: Side, kind: LagKind) -> Config {
    Config {
        port_kinds: [(name(BONDS[0]), kind)].into(),
        ..config(side)
    }
}

#[test]
fn a_half_of_another_kind_than_declared_is_held_with_and_without_a_peer() {
    for kind in [LagKind::Static, LagKind::Lacp] {
        let is_lacp = kind == LagKind::Lacp;
        let mut world = World::settled();
        for side in Side::BOTH {
            is(&mut world, side, is_lacp);
            world.feed(side, Input::Configure(declared(side, kind).into()));
        }
        world.run_for(SECOND);
        assert_eq!(carrying(&world), "AB", "{kind:?}");
        assert_eq!(conflicts(&world, Side::A), []);

        is(&mut world, Side::A, !is_lacp);
        carry_throughout(&mut world, SECOND, &["AB", "B"]);
        assert_eq!(carrying(&world), "B", "{kind:?}");
        let named = Conflict::Kind { declared: kind };
        assert_eq!(conflicts(&world, Side::A).first(), Some(&named));
        assert_eq!(conflicts(&world, Side::B), []);
        world.kill_iccpd(Side::B);
        world.set_peer_link(false);
        carry_throughout(&mut world, SECOND * 100, &["B"]);

        // Not declared is as the kernel has it.
        world.feed(Side::A, Input::Configure(config(Side::A).into()));
        world.run_for(SECOND);
        assert_eq!(carrying(&world), "AB", "{kind:?}");
    }
}

/// What it is is the kernel's to say: it is not known before the interface is there.
#[test]
fn a_chassis_that_starts_alone_carries_data_on_a_static_half_after_the_usual_time() {
    let mut world = World::new();
    is(&mut world, Side::A, false);
    world.start_syncd(Side::A);
    world.start_iccpd(Side::A);
    is(&mut world, Side::A, false);
    world.run_for(Config::RESTART_HOLD + SECOND);
    assert_eq!(carrying(&world).chars().next(), Some('A'));
}
