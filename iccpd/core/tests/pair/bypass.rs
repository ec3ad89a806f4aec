//! Hosts that do not speak LACP, on legs that are plugged into both chassis.

use crate::world::{BONDS, LATENCY, Side, World, config, name};
use iccp_core::Config;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

fn with_bypass(side: Side) -> Config {
    Config {
        bypass: [name(BONDS[0])].into(),
        ..config(side)
    }
}

/// Synchronised, and with a host on the legs of the first port that says nothing; not yet for long.
fn silent_host(legs: &[Side]) -> World {
    let mut world = World::settled_with(with_bypass);
    for side in Side::BOTH {
        world.set_bond(side, 0, false);
    }
    world.run_for(SECOND);
    for side in legs {
        world.set_alone(*side, 0, true);
    }
    world
}

/// The chassis that carry data for it: `A`, `B`, both or none.
fn carrying(world: &World) -> String {
    let carries = |side: &Side| {
        let chassis = world.at(*side);
        let has_leg = chassis.alone[0] || chassis.bond_up[0];
        has_leg && !chassis.kernel.held.contains(&name(BONDS[0]))
    };
    let sides = Side::BOTH.into_iter().filter(carries);
    sides.map(|side| format!("{side:?}")).collect()
}

/// At every moment of that time.
fn carry_throughout(world: &mut World, time: Duration, who: &[&str]) {
    let end = world.now + time;
    while world.now < end {
        world.run_for(LATENCY / 2);
        let carrying = carrying(world);
        assert!(who.contains(&carrying.as_str()), "{carrying} carry data");
    }
}

#[test]
fn the_only_leg_carries_data_or_else_the_primarys_after_a_time() {
    for (legs, who) in [
        (&[Side::A, Side::B][..], "A"),
        (&[Side::A], "A"),
        (&[Side::B], "B"),
    ] {
        let mut world = silent_host(legs);
        world.run_for(SECOND * 9);
        assert_eq!(carrying(&world), "", "LACP may still answer");
        carry_throughout(&mut world, SECOND * 5, &["", who]);
        assert_eq!(carrying(&world), who);
        for side in Side::BOTH {
            let ports = world.domain(side).interfaces(world.now);
            let port = ports.iter().find(|port| port.name == name(BONDS[0]));
            assert_eq!(port.unwrap().bypass, who == format!("{side:?}"));
            assert!(!port.unwrap().dual);
        }
        let other = if who == "A" { Side::B } else { Side::A };
        let kernel = &world.at(other.other()).kernel;
        assert!(
            !kernel.isolated.contains(&name(BONDS[0])),
            "what the other chassis has for the host comes over the peer link"
        );
    }
}

/// What LACP sent last on two legs is up to an interval apart.
#[test]
fn the_primary_carries_data_also_where_its_leg_fell_silent_a_moment_later() {
    for (apart, who) in [(SECOND, "A"), (SECOND * 3, "B")] {
        let mut world = silent_host(&[Side::B]);
        world.run_for(apart);
        world.set_alone(Side::A, 0, true);
        carry_throughout(&mut world, SECOND * 20, &["", who]);
        assert_eq!(carrying(&world), who);
    }
}

/// Input: both start with a silent host; by the addresses the one is the primary, by the priorities the other. Output: who is
/// the primary when they have met carries data.
#[test]
fn the_primary_carries_data_also_where_it_became_that_while_the_host_was_waited_for() {
    fn of_priority(side: Side, primary: Side) -> Config {
        Config {
            priority: if side == primary { 1 } else { 2 },
            ..with_bypass(side)
        }
    }
    let a_first: fn(Side) -> Config = |side| of_priority(side, Side::A);
    let b_first: fn(Side) -> Config = |side| of_priority(side, Side::B);
    for (config, who) in [(a_first, "A"), (b_first, "B")] {
        let mut world = World::settled_with(config);
        world.cut_wire();
        for side in Side::BOTH {
            world.set_bond(side, 0, false);
            world.kill_iccpd(side);
        }
        world.run_for(SECOND);
        for side in Side::BOTH {
            world.start_iccpd(side);
        }
        world.run_for(SECOND);
        for side in Side::BOTH {
            world.set_alone(side, 0, true);
        }
        world.run_for(SECOND * 3);
        world.mend_wire();
        world.run_for(SECOND * 20);
        assert_eq!(carrying(&world), who);
    }
}

/// It carries data whatever is decided: the kernel has given up waiting.
#[test]
fn a_half_that_cannot_be_held_is_the_one_that_carries_data_or_else_both_are_isolated() {
    for (first, second, who) in [("B", "A", "B"), ("", "AB", "AB")] {
        let legs = |sides: &str| Side::BOTH.map(|side| sides.contains(&format!("{side:?}")));
        let mut world = silent_host(&[]);
        world.at_mut(Side::B).abilities.hold = false;
        world.kill_syncd(Side::B);
        world.start_syncd(Side::B);
        world.run_for(SECOND);
        for sides in [first, second] {
            for (side, has_leg) in Side::BOTH.into_iter().zip(legs(sides)) {
                if has_leg {
                    world.set_alone(side, 0, true);
                }
            }
            world.run_for(SECOND * 14);
        }
        assert_eq!(carrying(&world), who);
        for (side, carries) in Side::BOTH.into_iter().zip(legs(who)) {
            let isolated = world.at(side).kernel.isolated.contains(&name(BONDS[0]));
            let other_carries = who.contains(&format!("{:?}", side.other()));
            assert_eq!(isolated, other_carries, "{side:?}: {who} carry data");
            let ports = world.domain(side).interfaces(world.now);
            let port = ports.iter().find(|port| port.name == name(BONDS[0]));
            assert_eq!(port.unwrap().bypass, carries, "{side:?}: {who} carry data");
        }
        // What it could not hold goes on when it is gone.
        world.kill_syncd(Side::B);
        world.run_for(SECOND * 14);
        assert_eq!(carrying(&world), who);
        let isolated = world.at(Side::A).kernel.isolated.contains(&name(BONDS[0]));
        assert_eq!(isolated, who.contains('B'), "{who} carry data");
    }
}

#[test]
fn a_leg_that_comes_later_changes_nothing_and_takes_over_from_one_that_goes() {
    let mut world = silent_host(&[Side::B]);
    world.run_for(SECOND * 14);
    world.set_alone(Side::A, 0, true);
    carry_throughout(&mut world, SECOND * 20, &["B"]);
    world.set_alone(Side::B, 0, false);
    carry_throughout(&mut world, SECOND, &["", "A"]);
    assert_eq!(carrying(&world), "A");
}

#[test]
fn lacp_on_either_leg_ends_it_on_both_before_that_leg_carries_data() {
    for side in Side::BOTH {
        let mut world = silent_host(&Side::BOTH);
        world.run_for(SECOND * 14);
        assert_eq!(carrying(&world), "A");
        // The host installed itself and brings up its bond, one leg after the other.
        world.set_alone(side, 0, false);
        world.set_bond(side, 0, true);
        let who = format!("{side:?}");
        carry_throughout(&mut world, SECOND, &["A", "", &who]);
        assert_eq!(carrying(&world), who);
        world.set_alone(side.other(), 0, false);
        world.set_bond(side.other(), 0, true);
        world.run_for(SECOND);
        assert_eq!(carrying(&world), "AB");
        world.check();
    }
}

#[test]
fn without_a_session_only_the_chassis_that_had_it_goes_on() {
    let mut world = silent_host(&Side::BOTH);
    world.run_for(SECOND * 14);
    world.cut_wire();
    carry_throughout(&mut world, SECOND * 200, &["A"]);
    world.mend_wire();
    carry_throughout(&mut world, SECOND * 60, &["A"]);

    // Not so while it was not decided.
    let mut world = silent_host(&Side::BOTH);
    world.cut_wire();
    carry_throughout(&mut world, SECOND * 80, &[""]);
}

/// Input: the chassis that carried data is gone, with its peer link. Output: the other one does when it is taken for dead.
#[test]
fn the_other_chassis_takes_over_when_its_peer_is_taken_for_dead() {
    let mut world = silent_host(&Side::BOTH);
    world.run_for(SECOND * 14);
    world.kill_iccpd(Side::A);
    world.kill_syncd(Side::A);
    world.set_alone(Side::A, 0, false);
    world.set_peer_link(false);
    world.run_for(SECOND * 80);
    assert_eq!(carrying(&world), "");
    world.run_for(SECOND * 20);
    assert_eq!(carrying(&world), "B");
}

#[test]
fn a_restart_of_a_daemon_changes_nothing() {
    for side in Side::BOTH {
        let mut world = silent_host(&Side::BOTH);
        world.run_for(SECOND * 14);
        world.kill_iccpd(side);
        carry_throughout(&mut world, SECOND * 3, &["A"]);
        world.start_iccpd(side);
        carry_throughout(&mut world, SECOND * 20, &["A"]);
        world.kill_syncd(side);
        carry_throughout(&mut world, SECOND * 3, &["A"]);
        world.start_syncd(side);
        carry_throughout(&mut world, SECOND * 20, &["A"]);
    }
}

#[test]
fn a_port_that_is_not_named_for_it_stays_down() {
    let mut world = World::settled();
    for side in Side::BOTH {
        world.set_bond(side, 0, false);
        world.set_alone(side, 0, true);
    }
    world.run_for(SECOND * 60);
    assert_eq!(carrying(&world), "");
}
