//! Ports that have ids: given, or derived from free names.

use crate::world::{BONDS, ORPHAN, PEER_LINK, Side, World, config, host, name};
use iccp_core::{Config, Input};
use mclag_proto::ctl::{Conflict, PortStatus};
use mclag_proto::sync::model::FdbKey;
use mclag_proto::{AggregatorId, IfName};
use std::collections::BTreeMap;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

/// Bonds of each chassis: what B calls its half of the first port A calls its half of the second.
const CROSSED: [[&str; 2]; 2] = [["bond1", "bond2"], ["bond2", "lag1"]];

fn with_ports(side: Side, ports: [&str; 2], ids: [Option<u16>; 2]) -> Config {
    let ids = ports.iter().zip(ids);
    let ids = ids.filter_map(|(port, id)| Some((name(port), AggregatorId(id?))));
    Config {
        ports: ports.map(name).into(),
        port_ids: ids.collect(),
        ..config(side)
    }
}

fn given(side: Side) -> Config {
    with_ports(side, CROSSED[side as usize], [Some(700), Some(1)])
}

/// A pair whose ports have the same ids and crossed names.
pub fn crossed() -> World {
    World::settled_as(given, CROSSED, [false; 2])
}

fn port_of(world: &World, side: Side, key: FdbKey) -> Option<IfName> {
    let entry = world.at(side).kernel.fdb.get(&key);
    entry.map(|entry| entry.port())
}

/// Each port here with the name of its half at the peer, if the peer has it.
fn halves(world: &World, side: Side) -> Vec<(String, Option<String>)> {
    let ports = world.domain(side).interfaces(world.now).into_iter();
    let ports = ports.filter(|port| !port.peer_link);
    let halves = ports.map(|port| {
        let theirs = port.name_at_peer.unwrap_or(port.name);
        let theirs = port.remote.map(|_| theirs.to_string());
        (port.name.to_string(), theirs)
    });
    halves.collect()
}

fn pairs(pairs: &[(&str, Option<&str>)]) -> Vec<(String, Option<String>)> {
    let owned = |(own, peers): &(&str, Option<&str>)| (String::from(*own), peers.map(String::from));
    pairs.iter().map(owned).collect()
}

fn conflicts(world: &World, side: Side, port: &str) -> Vec<Conflict> {
    let ports = world.domain(side).interfaces(world.now);
    let port = ports.into_iter().find(|p| p.name == name(port)).unwrap();
    port.conflicts
}

fn reload(world: &mut World, side: Side, config: Config) {
    world.feed(side, Input::Configure(Box::new(config)));
}

fn isolated(world: &World, side: Side, port: &str) -> bool {
    world.at(side).kernel.isolated.contains(&name(port))
}

#[test]
fn ports_of_other_names_and_the_same_given_ids_are_one() {
    let mut world = crossed();
    assert_eq!(
        halves(&world, Side::A),
        pairs(&[("bond1", Some("bond2")), ("bond2", Some("lag1"))])
    );
    for side in Side::BOTH {
        for port in CROSSED[side as usize] {
            assert!(isolated(&world, side, port), "{side:?}: {port}");
            assert_eq!(conflicts(&world, side, port), []);
        }
    }
    // A host is on the same port on both, whatever that is called.
    world.frame(Side::B, "bond2", host(0));
    world.frame(Side::B, "lag1", host(1));
    world.run_for(SECOND);
    assert_eq!(port_of(&world, Side::A, host(0)), Some(name("bond1")));
    assert_eq!(port_of(&world, Side::A, host(1)), Some(name("bond2")));
    // And a lost leg is taken over by its own other half.
    world.set_bond(Side::B, 0, false);
    world.run_for(SECOND / 10);
    assert!(!isolated(&world, Side::A, "bond1"));
    assert!(isolated(&world, Side::A, "bond2"));
    assert_eq!(port_of(&world, Side::A, host(0)), Some(name("bond1")));
    world.set_bond(Side::B, 0, true);
    world.run_for(SECOND);
    assert!(isolated(&world, Side::A, "bond1"));
    let waited_in_vain = |side| {
        let notices = world.at(side).notices.iter();
        notices
            .filter(|n| matches!(n, iccp_core::Notice::AckTimeout { .. }))
            .count()
    };
    assert_eq!(Side::BOTH.map(waited_in_vain), [0, 0]);
}

/// As it was reported: the first digits of both are the same.
#[test]
fn ports_of_free_names_are_one_by_their_names() {
    const FREE: [&str; 2] = ["rack3-srv12", "rack3-srv13"];
    let world = World::settled_as(
        |side| with_ports(side, FREE, [None; 2]),
        [FREE; 2],
        [false; 2],
    );
    for side in Side::BOTH {
        assert_eq!(
            halves(&world, side),
            pairs(&FREE.map(|port| (port, Some(port))))
        );
        for port in FREE {
            assert!(isolated(&world, side, port));
        }
    }
}

/// Their ids differ for a while then.
#[test]
fn a_port_that_only_one_chassis_has_parts_no_others() {
    const FREE: [&str; 2] = ["rack3-srv12", "rack3-srv13"];
    let config = |side| {
        let mut config = with_ports(side, FREE, [None; 2]);
        if side == Side::B {
            config.ports.remove(&name(FREE[1]));
        }
        config
    };
    let world = World::settled_as(config, [FREE; 2], [false, true]);
    let expected = pairs(&[(FREE[0], Some(FREE[0])), (FREE[1], None)]);
    assert_eq!(halves(&world, Side::A), expected);
    assert_eq!(halves(&world, Side::B), expected[..1]);
    for side in Side::BOTH {
        assert!(isolated(&world, side, FREE[0]));
    }
    assert_eq!(
        conflicts(&world, Side::A, FREE[1]),
        [Conflict::MissingAtPeer]
    );
}

/// Hashes of their whole names are the same, and so are their first digits.
#[test]
fn ports_whose_derived_ids_collide_are_one_by_their_names() {
    let mut known: BTreeMap<AggregatorId, &'static str> = BTreeMap::new();
    let names = (1..u16::MAX).map(|n| -> &'static str { format!("r7-s{n}").leak() });
    let collision = names
        .filter_map(|text| {
            let first = known.insert(AggregatorId::of_whole(&name(text)), text)?;
            Some([first, text])
        })
        .next();
    let bonds = collision.unwrap();
    static BONDS: std::sync::OnceLock<[&'static str; 2]> = std::sync::OnceLock::new();
    BONDS.set(bonds).unwrap();
    let config = |side| with_ports(side, *BONDS.get().unwrap(), [None; 2]);
    let world = World::settled_as(config, [bonds; 2], [false; 2]);
    let id = |side, port| {
        let ports = world.domain(side).interfaces(world.now);
        let port = ports.iter().find(|p| p.name == name(port)).unwrap();
        port.id.unwrap().0
    };
    for port in bonds {
        assert_eq!(id(Side::A, port), id(Side::B, port));
        assert!(isolated(&world, Side::A, port) && isolated(&world, Side::B, port));
    }
    assert_eq!(id(Side::A, bonds[0]).abs_diff(id(Side::A, bonds[1])), 1);
}

#[test]
fn ids_are_given_on_one_chassis_after_the_other_without_parting_a_port() {
    let mut world = World::settled();
    world.frame(Side::A, BONDS[0], host(0));
    world.run_for(SECOND);
    for side in Side::BOTH {
        let ids = [Some(7), Some(8)];
        reload(&mut world, side, with_ports(side, BONDS, ids));
        for _ in 0..20 {
            world.run_for(SECOND / 10);
            for side in Side::BOTH {
                assert_eq!(
                    halves(&world, side),
                    pairs(&BONDS.map(|port| (port, Some(port))))
                );
                assert!(BONDS.iter().all(|port| isolated(&world, side, port)));
                assert!(
                    world.synchronised(side),
                    "nobody means another port than before"
                );
            }
        }
        let between = side == Side::A;
        let (own, peers) = (AggregatorId(7), AggregatorId(1));
        let expected = if between {
            vec![Conflict::Ids { own, peers }]
        } else {
            vec![]
        };
        assert_eq!(conflicts(&world, Side::A, "bond1"), expected);
    }
    assert_eq!(port_of(&world, Side::B, host(0)), Some(name(BONDS[0])));
}

#[test]
fn a_port_that_a_reload_gives_another_id_is_one_with_the_port_of_that_id() {
    let mut world = crossed();
    world.frame(Side::B, "bond2", host(0));
    world.frame(Side::B, "lag1", host(1));
    world.run_for(SECOND);
    let sessions = |world: &World| world.domain(Side::A).peer(world.now).counters[0].value;
    let before = sessions(&world);
    // Exchanged: what B calls bond2 is bond2 here, too, and what was learned there moves with it.
    reload(
        &mut world,
        Side::A,
        with_ports(Side::A, CROSSED[0], [Some(1), Some(700)]),
    );
    world.bonds[0] = ["bond2", "bond1"];
    world.run_for(SECOND * 3);
    assert_eq!(
        halves(&world, Side::A),
        pairs(&[("bond1", Some("lag1")), ("bond2", Some("bond2"))])
    );
    assert_eq!(port_of(&world, Side::A, host(0)), Some(name("bond2")));
    assert_eq!(port_of(&world, Side::A, host(1)), Some(name("bond1")));
    assert_eq!(
        sessions(&world),
        before + 1,
        "everything is said again, once"
    );
}

#[test]
fn both_chassis_may_be_reloaded_at_once() {
    let mut world = crossed();
    world.frame(Side::B, "bond2", host(0));
    world.run_for(SECOND);
    // Now by name where the names are the same.
    world.parted = [true; 2];
    for side in Side::BOTH {
        reload(
            &mut world,
            side,
            with_ports(side, CROSSED[side as usize], [None; 2]),
        );
    }
    world.run_for(SECOND * 3);
    assert_eq!(
        halves(&world, Side::A),
        pairs(&[("bond1", None), ("bond2", Some("bond2"))])
    );
    assert_eq!(
        halves(&world, Side::B),
        pairs(&[("bond2", Some("bond2")), ("lag1", None)])
    );
    assert_eq!(port_of(&world, Side::A, host(0)), Some(name("bond2")));
    assert!(Side::BOTH.map(|side| world.synchronised(side)) == [true; 2]);
}

/// B has a port of its own that is called like the half of another one here.
#[test]
fn an_address_behind_a_port_that_is_only_called_like_one_here_is_behind_the_peer_link() {
    let config = |side| match side {
        Side::A => with_ports(side, ["bond1", "bond2"], [Some(7), None]),
        Side::B => with_ports(side, ["lag7", "bond2"], [Some(7), None]),
    };
    let mut world = World::settled_as(config, [["bond1", "bond2"], ["lag7", "bond2"]], [false; 2]);
    world.frame(Side::B, "bond1", host(0)); // an orphan port
    world.frame(Side::B, ORPHAN, host(1));
    world.frame(Side::B, "lag7", host(2));
    world.run_for(SECOND);
    assert_eq!(port_of(&world, Side::A, host(0)), Some(name(PEER_LINK)));
    assert_eq!(port_of(&world, Side::A, host(1)), Some(name(PEER_LINK)));
    assert_eq!(port_of(&world, Side::A, host(2)), Some(name("bond1")));
}

/// Given to both, and not the same: two ports, whatever they are called.
#[test]
fn ports_of_the_same_name_that_were_given_other_ids_are_two() {
    let config = |side| match side {
        Side::A => with_ports(side, BONDS, [Some(7), None]),
        Side::B => with_ports(side, BONDS, [Some(8), None]),
    };
    let mut world = World::settled_as(config, [BONDS; 2], [true, false]);
    world.frame(Side::B, "bond1", host(0));
    world.run_for(SECOND);
    assert_eq!(
        halves(&world, Side::A),
        pairs(&[("bond1", None), ("bond2", Some("bond2"))])
    );
    let (own, peers) = (AggregatorId(7), AggregatorId(8));
    assert_eq!(
        conflicts(&world, Side::A, "bond1"),
        [Conflict::Ids { own, peers }, Conflict::MissingAtPeer]
    );
    assert_eq!(port_of(&world, Side::A, host(0)), Some(name(PEER_LINK)));
    assert!(!isolated(&world, Side::A, "bond1"));
    let ports = world.domain(Side::A).interfaces(world.now);
    assert!(
        ports
            .iter()
            .any(|p| p.name == name("bond2") && p.local == PortStatus::Up && p.dual)
    );
}
