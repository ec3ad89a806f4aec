//! Two chassis of which one speaks an earlier, or a later, version of the extensions.

use crate::world::{BONDS, ORPHAN, PEER_LINK, Side, World, host, name};
use mclag_proto::iccp::ext::VERSION;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
/// All that there were, and one that is to come.
const VERSIONS: [u16; 4] = [1, 2, VERSION, VERSION + 1];

fn settled(version: u16) -> World {
    let mut world = World::new();
    world.version = version;
    for side in Side::BOTH {
        world.start_syncd(side);
        world.start_iccpd(side);
    }
    world.run_for(SECOND * 5);
    is_whole(&world, version);
    world
}

/// Both are in session, all ports are dual, and nothing is to be mended.
fn is_whole(world: &World, version: u16) {
    for side in Side::BOTH {
        assert!(world.synchronised(side), "{version}: {side:?}");
        let kernel = &world.at(side).kernel;
        assert_eq!(kernel.isolated, BONDS.map(name).into(), "{version}");
        assert!(kernel.held.is_empty(), "{version}: {:?}", kernel.held);
        let status = world.domain(side).status(world.now);
        assert_eq!(
            (status.ports_dual, status.warnings),
            (2, vec![]),
            "{version}"
        );
    }
}

/// Where a chassis has a host.
fn at(world: &World, side: Side, number: u8) -> String {
    let entry = world.at(side).kernel.fdb.get(&host(number));
    entry.map_or_else(String::new, |entry| entry.port().to_string())
}

/// Whatever either speaks, a host is where it was seen last, and a leg, a session or a daemon that is lost costs what it
/// costs between two of the same version. (The invariants are looked at after each step.)
#[test]
fn a_pair_of_two_versions_does_what_a_pair_does() {
    for version in VERSIONS {
        let mut world = settled(version);
        for side in [Side::A, Side::B, Side::A] {
            world.frame(side, ORPHAN, host(1));
            world.frame(side, BONDS[0], host(2));
            world.run_for(SECOND);
            for here in Side::BOTH {
                let orphan = if here == side { ORPHAN } else { PEER_LINK };
                assert_eq!(at(&world, here, 1), orphan, "{version}: {here:?}");
                assert_eq!(at(&world, here, 2), BONDS[0], "{version}: {here:?}");
            }
        }
        for side in Side::BOTH {
            world.set_bond(side, 0, false);
            world.run_for(SECOND);
            let isolated = |side: Side| {
                let kernel = &world.at(side).kernel;
                kernel.isolated.contains(&name(BONDS[0]))
            };
            assert!(!isolated(side.other()), "{version}: the only leg");
            world.set_bond(side, 0, true);
            world.run_for(SECOND);
            is_whole(&world, version);

            world.cut_wire();
            world.run_for(SECOND * 30);
            assert!(!world.synchronised(side));
            world.mend_wire();
            world.run_for(SECOND * 10);
            is_whole(&world, version);

            world.kill_iccpd(side);
            world.run_for(SECOND);
            world.start_iccpd(side);
            world.run_for(SECOND * 5);
            is_whole(&world, version);
        }
    }
}

/// One chassis after the other is upgraded, or the other way round: the first one speaks with the other as before.
#[test]
fn a_pair_that_is_upgraded_one_chassis_after_the_other_stays_whole() {
    for (before, after) in [(1, 2), (1, 3), (2, 3), (3, 4), (3, 1)] {
        let mut world = settled(before);
        world.frame(Side::A, ORPHAN, host(1));
        for (side, version) in [(Side::A, before.min(after)), (Side::B, after)] {
            world.kill_iccpd(side);
            world.version = version;
            world.run_for(SECOND * 2);
            world.start_iccpd(side);
            world.run_for(SECOND * 10);
            is_whole(&world, version);
            let found = Side::BOTH.map(|side| at(&world, side, 1));
            assert_eq!(found, [ORPHAN, PEER_LINK], "{before} to {after}");
        }
    }
}
