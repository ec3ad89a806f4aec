//! A leg that returns on a bridge with spanning tree (`docs/adr/0024-spanning-tree.md`).

use crate::world::{BONDS, PEER_LINK, Side, World, bridge, host, lag, name};
use iccp_core::{Input, Link};
use mclag_proto::Mac;
use mclag_proto::ctl::{PortStatus, Warning};
use mclag_proto::sync::model::{Isolation, PortWant, Traffic};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
const SYSTEM: Mac = Mac([0x44, 0x38, 0x39, 0xff, 0, 1]);

/// State of a bridge port.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    Disabled,
    Blocked,
    Forwarding,
}

/// What the bridge of A does with the first port.
fn set_state(world: &mut World, state: State) {
    let link = Link {
        running: state != State::Disabled,
        blocked: state == State::Blocked,
        ..lag(0, BONDS[0])
    };
    world.feed(Side::A, Input::Link(link));
}

fn set_spanning_tree(world: &mut World, on: bool) {
    world.at_mut(Side::A).spanning_tree = on;
    let index = bridge().index;
    world.feed(Side::A, Input::SpanningTree { index, on });
    world.run_for(SECOND);
}

fn want(world: &World) -> PortWant {
    world.at(Side::A).syncd.as_ref().unwrap().ports[&name(BONDS[0])]
}

/// `held`, whether it shows the id of the pair, whether its frames are redirected without carrier, and where an address
/// goes that the peer sees behind it.
fn is(world: &World) -> (bool, bool, bool, String) {
    let want = want(world);
    let fdb = &world.at(Side::A).syncd.as_ref().unwrap().fdb;
    (
        want.traffic == Traffic::Held,
        want.system_mac == Some(SYSTEM),
        want.redirect,
        fdb[&host(1)].port.to_string(),
    )
}

fn says_up(world: &World) -> bool {
    let interfaces = world.domain(Side::B).interfaces(world.now);
    let port = interfaces.iter().find(|it| it.name == name(BONDS[0]));
    port.unwrap().dual
}

fn is_up(world: &World) -> bool {
    let interfaces = world.domain(Side::A).interfaces(world.now);
    let port = interfaces.iter().find(|it| it.name == name(BONDS[0]));
    port.unwrap().local == PortStatus::Up
}

fn is_warned_of(world: &World) -> bool {
    let warning = Warning::PortBlocked {
        port: name(BONDS[0]),
    };
    let status = world.domain(Side::A).status(world.now);
    status.warnings.contains(&warning)
}

/// Both legs serve a host that both have seen; then the one to A dies.
fn with_one_leg(world: &mut World) {
    for side in Side::BOTH {
        world.frame(side, BONDS[0], host(1));
    }
    world.run_for(SECOND);
    set_spanning_tree(world, true);
    assert_eq!(is(world), (false, true, true, BONDS[0].to_owned()));
    world.set_bond(Side::A, 0, false);
    set_state(world, State::Disabled);
    world.run_for(SECOND);
}

/// Input: a leg that dies and returns; its port listens, then forwards; LACP begins anew with the other id meanwhile, and agrees.
/// Output: an id of its own and the way over the peer link until it forwards, the peer's consent before it carries data.
#[test]
fn a_leg_returns_when_its_port_forwards() {
    let mut world = World::settled();
    with_one_leg(&mut world);
    let peer_link = || PEER_LINK.to_owned();
    assert_eq!(is(&world), (true, false, false, peer_link()));

    // LACP agrees with the id of its own; the bridge still listens.
    world.set_bond(Side::A, 0, true);
    set_state(&mut world, State::Blocked);
    world.run_for(60 * SECOND);
    assert_eq!(is(&world), (true, false, false, peer_link()));
    assert!(!says_up(&world), "it would be a black hole");
    assert!(is_warned_of(&world));

    // Until LACP has begun anew the members say that they carry data still, or not.
    world.set_bond(Side::A, 0, false);
    set_state(&mut world, State::Forwarding);
    world.run_for(SECOND);
    assert_eq!(is(&world), (true, true, false, peer_link()));
    assert!(!says_up(&world));
    world.set_bond(Side::A, 0, true);
    world.run_for(SECOND);
    assert_eq!(is(&world), (false, true, true, BONDS[0].to_owned()));
    assert!(says_up(&world) && !is_warned_of(&world));
    assert_eq!(want(&world).isolation, Isolation::On);
    world.check();
}

/// Blocked for good, it stays out, and nothing changes back and forth. Without spanning tree it carries data at once.
#[test]
fn a_leg_whose_port_never_forwards_stays_out_until_spanning_tree_is_switched_off() {
    let mut world = World::settled();
    with_one_leg(&mut world);
    world.set_bond(Side::A, 0, true);
    set_state(&mut world, State::Blocked);
    let before = want(&world);
    world.run_for(600 * SECOND);
    assert_eq!(want(&world), before);
    assert!(!says_up(&world));
    set_spanning_tree(&mut world, false);
    assert_eq!(is(&world), (false, true, true, BONDS[0].to_owned()));
    assert!(says_up(&world));
}

/// The host's only leg shows the id of the pair from the beginning: it has nowhere else to go. It gives way as soon as
/// the peer's carries data, and comes back when the peer's goes down; a session that is lost changes none of that.
#[test]
fn the_only_leg_does_not_negotiate_twice() {
    let mut world = World::settled();
    with_one_leg(&mut world);
    world.set_bond(Side::B, 0, false);
    world.set_bond(Side::A, 0, true);
    set_state(&mut world, State::Blocked);
    world.run_for(SECOND);
    assert!(want(&world).system_mac == Some(SYSTEM));
    world.set_bond(Side::B, 0, true);
    world.run_for(SECOND);
    assert!(want(&world).system_mac != Some(SYSTEM));
    world.cut_wire();
    world.run_for(120 * SECOND);
    assert!(want(&world).system_mac != Some(SYSTEM));
    world.mend_wire();
    world.run_for(30 * SECOND);
    assert!(want(&world).system_mac != Some(SYSTEM));
    world.set_bond(Side::B, 0, false);
    world.run_for(SECOND);
    assert!(want(&world).system_mac == Some(SYSTEM));
    set_state(&mut world, State::Forwarding);
    world.run_for(SECOND);
    assert_eq!(want(&world).traffic, Traffic::Pass);
}

/// The session is lost, and the peer link too, while the leg waits: when its port forwards it serves alone.
#[test]
fn a_leg_that_forwards_after_the_peer_was_lost_serves_alone() {
    let mut world = World::settled();
    with_one_leg(&mut world);
    world.set_bond(Side::A, 0, true);
    set_state(&mut world, State::Blocked);
    world.cut_wire();
    world.set_peer_link(false);
    world.run_for(120 * SECOND);
    assert!(!is_up(&world));
    set_state(&mut world, State::Forwarding);
    world.run_for(SECOND);
    let want = want(&world);
    assert_eq!(
        (want.traffic, want.isolation, want.system_mac),
        (Traffic::Pass, Isolation::On, Some(SYSTEM))
    );
}

/// A port that carries data is blocked: it is down, and the host leaves it.
#[test]
fn a_port_that_is_blocked_later_is_left() {
    let mut world = World::settled();
    set_spanning_tree(&mut world, true);
    set_state(&mut world, State::Blocked);
    world.run_for(SECOND);
    assert!(!says_up(&world));
    assert_eq!(want(&world).traffic, Traffic::Held);
    assert!(want(&world).system_mac != Some(SYSTEM));
}
