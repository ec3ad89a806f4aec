//! A chassis whose `syncd` is dead or hangs while its `iccpd` lives: nothing that is decided there is carried out,
//! and what was programmed last goes on (`docs/adr/0023-dataplane-not-at-work.md`).

use crate::world::{BONDS, Side, World, config, lag, name};
use iccp_core::{Input, Link, LinkKind, Notice};
use mclag_proto::Mac;
use mclag_proto::ctl::{Conflict, Status, Warning};
use mclag_proto::iccp::ext::DataplanePresence;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
const MILLISECOND: Duration = Duration::from_millis(1);

/// What becomes of it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Fate {
    Dead,
    Frozen,
}

impl Fate {
    const BOTH: [Self; 2] = [Self::Dead, Self::Frozen];

    fn befalls(self, world: &mut World, side: Side) {
        match self {
            Self::Dead => world.kill_syncd(side),
            Self::Frozen => world.freeze_syncd(side),
        }
    }

    fn is_over(self, world: &mut World, side: Side) {
        match self {
            Self::Dead => world.start_syncd(side),
            Self::Frozen => world.thaw_syncd(side),
        }
    }

    fn presence(self) -> DataplanePresence {
        match self {
            Self::Dead => DataplanePresence::Disconnected,
            Self::Frozen => DataplanePresence::Silent,
        }
    }
}

fn isolated(world: &World, side: Side) -> bool {
    world.at(side).kernel.isolated.contains(&name(BONDS[0]))
}

fn carries(world: &World, side: Side) -> bool {
    world.at(side).bond_up[0] && !world.at(side).kernel.held.contains(&name(BONDS[0]))
}

/// What is flooded on one chassis reaches the host there and over the peer link.
fn delivers_twice(world: &World) -> bool {
    let both = Side::BOTH.iter().all(|side| carries(world, *side));
    both && Side::BOTH.iter().any(|side| !isolated(world, *side))
}

/// What comes from a single-homed host of a chassis reaches the host neither there nor over the peer link.
fn loses_from(world: &World, side: Side) -> bool {
    let passes = carries(world, side.other()) && !isolated(world, side.other());
    !carries(world, side) && !passes
}

fn loses(world: &World) -> bool {
    !carries(world, Side::A) && isolated(world, Side::B)
}

/// Moments at which frames were lost, after which the other ones are.
fn run(world: &mut World, duration: Duration) -> u32 {
    let mut lost = 0;
    let end = world.now + duration;
    while world.now < end {
        world.run_for(MILLISECOND);
        assert!(!delivers_twice(world), "after {:?}", world.now);
        lost += u32::from(loses(world));
    }
    lost
}

fn status(world: &World, side: Side) -> Status {
    world.domain(side).status(world.now)
}

fn is_out_of_service(world: &World, side: Side) -> bool {
    let (port, conflict) = (name(BONDS[0]), Conflict::NotIsolatedAtPeer);
    let warning = Warning::Port { port, conflict };
    status(world, side).warnings.contains(&warning)
}

fn is_refused_isolation(world: &World, side: Side) -> bool {
    let (port, conflict) = (name(BONDS[0]), Conflict::CannotIsolate);
    let warning = Warning::Port { port, conflict };
    status(world, side).warnings.contains(&warning)
}

fn lacp_system(world: &World, side: Side) -> Option<Mac> {
    let macs = &world.at(side).kernel.system_macs;
    macs.get(&name(BONDS[0])).copied()
}

/// The leg of A is down for 5 s. At B it is isolated, and stays so, for nobody is there to lift it; when the leg
/// is back that is all that A has to know.
#[test]
fn a_leg_that_was_down_returns_at_once_where_the_peer_could_not_lift_its_isolation() {
    for fate in Fate::BOTH {
        let mut world = World::settled();
        fate.befalls(&mut world, Side::B);
        world.set_bond(Side::A, 0, false);
        run(&mut world, SECOND * 5);
        assert!(isolated(&world, Side::B));
        let presence = fate.presence();
        let warning = Warning::PeerDataplane { presence };
        assert!(status(&world, Side::A).warnings.contains(&warning));
        world.set_bond(Side::A, 0, true);
        let lost = run(&mut world, SECOND * 10);
        assert!(lost < 10, "{fate:?}: {lost} ms");
        assert!(!is_out_of_service(&world, Side::A));
        fate.is_over(&mut world, Side::B);
        assert_eq!(run(&mut world, SECOND * 5), 0);
        for side in Side::BOTH {
            assert!(isolated(&world, side), "{fate:?}");
            assert_eq!(status(&world, side).warnings, [], "{fate:?}");
        }
    }
}

/// B's isolation was in force when its `syncd` stopped, and was lifted by that: it is not acknowledged from memory.
#[test]
fn isolation_that_was_undone_on_purpose_is_not_acknowledged() {
    for downtime in [SECOND, SECOND * 5] {
        let mut world = World::settled();
        assert!(isolated(&world, Side::B));
        world.set_bond(Side::A, 0, false);
        world.stop_and_restore_syncd(Side::B);
        run(&mut world, downtime);
        assert!(!isolated(&world, Side::B));
        world.set_bond(Side::A, 0, true);
        run(&mut world, SECOND * 10);
        assert!(!carries(&world, Side::A), "{downtime:?}");
        assert!(is_out_of_service(&world, Side::A), "{downtime:?}");

        world.start_syncd(Side::B);
        run(&mut world, SECOND * 5);
        assert!(carries(&world, Side::A) && isolated(&world, Side::B));
    }
}

/// B has lifted its isolation when it comes to that, so the host has everything from B. A leg that came back beside it
/// would deliver what is flooded twice until somebody isolates B's.
#[test]
fn a_leg_stays_out_of_service_where_the_peer_delivers_all_and_cannot_isolate() {
    for fate in Fate::BOTH {
        let mut world = World::settled();
        world.set_bond(Side::A, 0, false);
        assert!(run(&mut world, SECOND) < 10);
        fate.befalls(&mut world, Side::B);
        assert_eq!(run(&mut world, SECOND * 4), 0);
        world.set_bond(Side::A, 0, true);
        assert_eq!(run(&mut world, SECOND * 10), 0, "{fate:?}");
        assert!(!carries(&world, Side::A));
        assert!(is_out_of_service(&world, Side::A), "{fate:?}");
        // The host leaves that leg: what it would send into it is lost.
        let shared = config(Side::A).system_mac;
        assert_ne!(lacp_system(&world, Side::A), shared);
        let own = lacp_system(&world, Side::A);
        assert!(own.is_some() && own != lacp_system(&world, Side::B));

        fate.is_over(&mut world, Side::B);
        let lost = run(&mut world, SECOND * 5);
        assert!(lost < 10, "{fate:?}: {lost} ms");
        assert!(carries(&world, Side::A), "{fate:?}");
        for side in Side::BOTH {
            assert!(isolated(&world, side), "{fate:?}");
            assert_eq!(status(&world, side).warnings, [], "{fate:?}");
            assert_eq!(lacp_system(&world, side), shared);
        }
        let timeout = |notice: &Notice| {
            matches!(
                notice,
                Notice::AckTimeout { .. } | Notice::Unanswered { .. }
            )
        };
        assert!(!world.at(Side::A).notices.iter().any(timeout));
    }
}

/// B is at work and cannot isolate its half. Nothing is delivered twice meanwhile; A's leg is back when B can again,
/// at once, and the host has frames all the time.
#[test]
fn a_leg_stays_out_of_service_while_the_peer_is_refused_its_isolation() {
    for downtime in [SECOND / 100, SECOND * 30] {
        let mut world = World::settled();
        world.set_bond(Side::A, 0, false);
        world.run_for(SECOND);
        world.at_mut(Side::B).kernel.refuses_isolation = true;
        world.set_bond(Side::A, 0, true);
        assert_eq!(run(&mut world, downtime), 0, "{downtime:?}");
        assert!(!carries(&world, Side::A), "{downtime:?}");
        assert!(is_out_of_service(&world, Side::A), "{downtime:?}");
        assert!(is_refused_isolation(&world, Side::B));
        let shared = config(Side::A).system_mac;
        assert_ne!(lacp_system(&world, Side::A), shared);

        world.at_mut(Side::B).kernel.refuses_isolation = false;
        let lost = run(&mut world, SECOND * 3);
        assert!(lost < 10, "{lost} ms");
        assert!(carries(&world, Side::A) && isolated(&world, Side::B));
        assert_eq!(lacp_system(&world, Side::A), shared);
        assert_eq!(status(&world, Side::A).warnings, []);
    }
}

/// B, which cannot isolate its half, has carried data alone, and its leg blinks: A's carries data meanwhile, and goes on,
/// for the dataplane of B lets nothing go that it cannot isolate. The host leaves B's leg until it can.
#[test]
fn a_leg_that_cannot_be_isolated_leaves_the_host_to_the_other_one() {
    let mut world = World::settled();
    world.set_bond(Side::A, 0, false);
    world.run_for(SECOND);
    world.at_mut(Side::B).kernel.refuses_isolation = true;
    world.set_bond(Side::A, 0, true);
    run(&mut world, SECOND * 3);
    world.set_bond(Side::B, 0, false);
    run(&mut world, SECOND);
    assert!(carries(&world, Side::A));
    world.set_bond(Side::B, 0, true);
    run(&mut world, SECOND);
    for _ in 0..10 {
        run(&mut world, SECOND);
        assert_eq!(Side::BOTH.map(|side| carries(&world, side)), [true, false]);
        assert!(!Side::BOTH.into_iter().any(|side| loses_from(&world, side)));
        assert_ne!(lacp_system(&world, Side::B), config(Side::A).system_mac);
    }
    world.at_mut(Side::B).kernel.refuses_isolation = false;
    run(&mut world, SECOND * 5);
    assert_eq!(Side::BOTH.map(|side| carries(&world, side)), [true; 2]);
    assert_eq!(Side::BOTH.map(|side| isolated(&world, side)), [true; 2]);
}

/// The same after a start, before anything was confirmed: B's half is held since an earlier run, and its dataplane does not
/// let it go. The host leaves that leg as soon as the refusal is known for one.
#[test]
fn a_leg_that_could_never_be_isolated_leaves_the_host_to_the_other_one() {
    let mut world = World::new();
    let kernel = &mut world.at_mut(Side::B).kernel;
    kernel.refuses_isolation = true;
    kernel.held.extend(BONDS.map(name));
    for side in Side::BOTH {
        world.start_syncd(side);
        world.start_iccpd(side);
    }
    world.run_for(SECOND * 10);
    for _ in 0..10 {
        run(&mut world, SECOND);
        assert_eq!(Side::BOTH.map(|side| carries(&world, side)), [true, false]);
        assert!(!Side::BOTH.into_iter().any(|side| loses_from(&world, side)));
        assert_ne!(lacp_system(&world, Side::B), config(Side::A).system_mac);
    }
    assert!(is_refused_isolation(&world, Side::B));
    world.at_mut(Side::B).kernel.refuses_isolation = false;
    run(&mut world, SECOND * 5);
    assert_eq!(Side::BOTH.map(|side| carries(&world, side)), [true; 2]);
    assert_eq!(Side::BOTH.map(|side| isolated(&world, side)), [true; 2]);
    assert_eq!(lacp_system(&world, Side::B), config(Side::A).system_mac);
}

/// Both come up at once, and neither chassis can isolate its half: the primary's goes first, and the host leaves the other
/// one, which has an LACP system id of its own. It has both as soon as both can be isolated.
#[test]
fn where_neither_can_isolate_the_leg_of_the_primary_carries_data() {
    let mut world = World::settled();
    for side in Side::BOTH {
        world.set_bond(side, 0, false);
    }
    world.run_for(SECOND);
    for side in Side::BOTH {
        world.at_mut(side).kernel.refuses_isolation = true;
        world.set_bond(side, 0, true);
    }
    world.run_for(SECOND / 10);
    let shared = config(Side::A).system_mac;
    let ids = Side::BOTH.map(|side| lacp_system(&world, side));
    assert!(ids[0] == shared && ids[1] != shared, "{ids:?}");
    assert_eq!(run(&mut world, SECOND * 10), 0);
    assert_eq!(Side::BOTH.map(|side| carries(&world, side)), [true, false]);
    assert!(is_refused_isolation(&world, Side::B));

    world.at_mut(Side::A).kernel.refuses_isolation = false;
    assert!(run(&mut world, SECOND * 3) < 10);
    assert_eq!(Side::BOTH.map(|side| carries(&world, side)), [true, false]);
    assert!(!Side::BOTH.into_iter().any(|side| loses_from(&world, side)));
    world.at_mut(Side::B).kernel.refuses_isolation = false;
    assert_eq!(run(&mut world, SECOND * 3), 0);
    assert_eq!(Side::BOTH.map(|side| carries(&world, side)), [true; 2]);
}

/// The half of the secondary carries data already, and is not isolated; it is not asked to give way, for the host has no
/// other leg. So the primary's, which its dataplane does not let go, is left by the host until that can be isolated.
#[test]
fn the_leg_of_the_primary_does_not_go_first_beside_one_that_carries_data() {
    for is_dead in [false, true] {
        let mut world = World::settled();
        world.set_bond(Side::B, 0, false);
        world.run_for(SECOND);
        world.at_mut(Side::A).kernel.refuses_isolation = true;
        world.set_bond(Side::B, 0, true);
        run(&mut world, SECOND * 3);
        assert_eq!(Side::BOTH.map(|side| carries(&world, side)), [true, false]);
        world.set_bond(Side::A, 0, false);
        run(&mut world, SECOND);
        assert_eq!(Side::BOTH.map(|side| carries(&world, side)), [false, true]);
        match is_dead {
            true => world.kill_syncd(Side::B),
            false => world.at_mut(Side::B).kernel.refuses_isolation = true,
        }
        run(&mut world, SECOND * 3);
        world.set_bond(Side::A, 0, true);
        run(&mut world, SECOND * 2);
        for _ in 0..10 {
            run(&mut world, SECOND);
            assert_eq!(Side::BOTH.map(|side| carries(&world, side)), [false, true]);
            assert!(!Side::BOTH.into_iter().any(|side| loses_from(&world, side)));
            assert_ne!(lacp_system(&world, Side::A), config(Side::A).system_mac);
        }
    }
}

/// Only the leg that is out of service is left when B's goes: then it serves the host, whatever B's dataplane does.
#[test]
fn a_leg_that_is_out_of_service_serves_when_nobody_else_does() {
    for fate in Fate::BOTH {
        for what in 0..3 {
            let mut world = World::settled();
            world.set_bond(Side::A, 0, false);
            world.run_for(SECOND);
            fate.befalls(&mut world, Side::B);
            world.run_for(SECOND * 4);
            world.set_bond(Side::A, 0, true);
            world.run_for(SECOND * 4);
            assert!(!carries(&world, Side::A), "{fate:?}");
            match what {
                0 => world.set_bond(Side::B, 0, false),
                1 => world.set_peer_link(false),
                _ => world.kill_iccpd(Side::B),
            }
            // As ever without a session: not before B has had its time.
            let bound = [SECOND / 10, SECOND / 10, SECOND * 6][what];
            world.run_for(bound);
            assert!(carries(&world, Side::A), "{fate:?} {what}");
            assert_eq!(lacp_system(&world, Side::A), config(Side::A).system_mac);
        }
    }
}

/// Both legs of a host are down, and B, whose half is held, can no longer let it go: the host's other leg serves it,
/// whichever comes first.
#[test]
fn a_half_that_is_held_for_good_keeps_no_leg_out_of_service() {
    for fate in Fate::BOTH {
        let mut world = World::settled();
        for side in Side::BOTH {
            world.set_bond(side, 0, false);
        }
        world.run_for(SECOND * 2);
        assert!(world.at(Side::B).kernel.held.contains(&name(BONDS[0])));
        fate.befalls(&mut world, Side::B);
        world.run_for(SECOND * 4);
        world.set_bond(Side::B, 0, true);
        world.run_for(SECOND);
        world.set_bond(Side::A, 0, true);
        world.run_for(SECOND * 8);
        assert!(carries(&world, Side::A), "{fate:?}");
        assert!(!carries(&world, Side::B), "{fate:?}");
        fate.is_over(&mut world, Side::B);
        run(&mut world, SECOND * 10);
        assert!(Side::BOTH.iter().all(|side| carries(&world, *side)));
    }
}

/// The process is replaced, or busy: that is none of the peer's business.
#[test]
fn a_short_absence_is_not_told() {
    for fate in Fate::BOTH {
        let mut world = World::settled();
        fate.befalls(&mut world, Side::B);
        // Something to answer.
        world.set_bond(Side::B, 1, false);
        world.run_for(SECOND * 3 / 2);
        fate.is_over(&mut world, Side::B);
        world.run_for(SECOND * 5);
        let told = |notice: &Notice| matches!(notice, Notice::PeerDataplane { .. });
        assert!(!world.at(Side::A).notices.iter().any(told), "{fate:?}");
    }
}

/// W-12. A host without LACP sends through a port that is out of service, so that would lose half of what it says for
/// as long as B's dataplane is not at work. What is flooded arrives twice instead.
#[test]
fn a_static_leg_goes_ahead_when_the_peer_is_known_not_to_answer() {
    for fate in Fate::BOTH {
        let mut world = World::settled();
        let lag = lag(0, BONDS[0]);
        let kind = LinkKind::Lag {
            lacp: Some(false),
            partner: None,
            min_links: 0,
        };
        world.feed(Side::A, Input::Link(Link { kind, ..lag }));
        world.set_bond(Side::A, 0, false);
        world.run_for(SECOND);
        fate.befalls(&mut world, Side::B);
        world.set_bond(Side::A, 0, true);
        world.run_for(SECOND);
        assert!(!carries(&world, Side::A), "{fate:?}");
        world.run_for(SECOND * 3 / 2);
        assert!(carries(&world, Side::A), "{fate:?}");
        let is_said = |notice: &Notice| matches!(notice, Notice::Unanswered { .. });
        assert!(world.at(Side::A).notices.iter().any(is_said));
        fate.is_over(&mut world, Side::B);
        world.run_for(SECOND);
        assert!(isolated(&world, Side::B), "{fate:?}");
    }
}
