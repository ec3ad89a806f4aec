//! Single failures, told one at a time.

use crate::kernel::Entry;
use crate::world::{BONDS, ORPHAN, PEER_LINK, Side, World, bridge, config, host, name, peer_link};
use iccp_core::{Config, Input, Link, LinkKind, Notice, Reason};
use mclag_proto::ctl::PortStatus;
use mclag_proto::iccp::RgId;
use mclag_proto::sync::model::FdbKey;
use mclag_proto::{DomainId, Mac, Vid};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

fn port_of(world: &World, side: Side, key: FdbKey) -> Option<String> {
    world
        .at(side)
        .kernel
        .fdb
        .get(&key)
        .map(|entry| entry.port().to_string())
}

/// An interface that is not in the bridge.
fn peer_link_named(text: &str) -> Link {
    let name = name(text);
    Link {
        name,
        master: None,
        ..peer_link(true)
    }
}

fn isolated(world: &World, side: Side) -> bool {
    world.at(side).kernel.isolated.contains(&name(BONDS[0]))
}

fn held(world: &World, side: Side) -> bool {
    world.at(side).kernel.held.contains(&name(BONDS[0]))
}

#[test]
fn two_chassis_isolate_every_port_that_is_up_on_both() {
    let world = World::settled();
    for side in Side::BOTH {
        assert_eq!(world.at(side).kernel.isolated.len(), BONDS.len());
        assert!(world.at(side).kernel.held.is_empty());
    }
}

#[test]
fn a_lost_leg_is_taken_over_by_the_peer_and_handed_back() {
    let mut world = World::settled();
    world.set_bond(Side::A, 0, false);
    world.run_for(SECOND / 10);
    assert!(
        !isolated(&world, Side::B),
        "frames from A reach the host through B"
    );
    assert!(held(&world, Side::A));
    world.set_bond(Side::A, 0, true);
    world.check();
    assert!(held(&world, Side::A), "not before B has isolated its port");
    world.run_for(SECOND / 10);
    assert!(isolated(&world, Side::B));
    assert!(!held(&world, Side::A));
}

/// What is remembered of a peer that is not there is no state of its ports now.
#[test]
fn without_a_peer_nothing_is_up_on_both_and_what_is_remembered_has_an_age() {
    let mut world = World::settled();
    world.set_bond(Side::B, 1, false);
    world.run_for(SECOND);
    let shown = |world: &World| {
        let domain = world.domain(Side::A);
        let status = domain.status(world.now);
        let remembered = status.remembered.map(|r| (r.up, r.down, r.age_s));
        let ports = domain.interfaces(world.now);
        let bond1 = ports
            .iter()
            .find(|port| port.name == name(BONDS[0]))
            .unwrap();
        (
            [
                status.ports_dual,
                status.ports_local_only,
                status.ports_peer_only,
                status.ports_down,
            ],
            remembered,
            (bond1.dual, bond1.remote, bond1.remembered_s),
        )
    };
    let up = Some(PortStatus::Up);
    assert_eq!(shown(&world), ([1, 1, 0, 0], None, (true, up, None)));
    world.cut_wire();
    world.run_for(SECOND * 7);
    let remembered = Some((1, 1, 6));
    let seen = ([0, 2, 0, 0], remembered, (false, up, Some(6)));
    assert_eq!(shown(&world), seen);
    world.set_bond(Side::A, 0, false);
    world.run_for(SECOND * 60);
    let seen = ([0, 1, 0, 1], Some((1, 1, 66)), (false, up, Some(66)));
    assert_eq!(shown(&world), seen);
    world.mend_wire();
    world.set_bond(Side::A, 0, true);
    world.run_for(SECOND * 30);
    assert_eq!(shown(&world), ([1, 1, 0, 0], None, (true, up, None)));
}

/// A wrong domain is one mistake: what the other chassis would be configured differently in is not compared.
#[test]
fn a_wrong_domain_is_the_reason_on_both_sides_and_the_only_complaint() {
    let mut world = World::settled();
    let domain = DomainId::new(2).unwrap();
    let other = Config {
        domain,
        ports: [name(BONDS[0])].into(),
        system_mac: Some(Mac([0x44, 0x38, 0x39, 0xff, 0, 2])),
        ..config(Side::B)
    };
    world.at_mut(Side::A).notices.clear();
    world.feed(Side::B, Input::Configure(Box::new(other)));
    world.run_for(SECOND * 60);
    for (side, peers, own) in [(Side::A, 2, 1), (Side::B, 1, 2)] {
        let domain = world.domain(side);
        let warnings = domain.status(world.now).warnings;
        assert_eq!(warnings, []);
        let failure = domain.session().failure().unwrap();
        let (peers, own) = (RgId(peers), RgId(own));
        let wanted = [
            Reason::OtherGroup { peers, own },
            Reason::GroupRefused { own },
        ];
        assert!(wanted.contains(&failure.reason), "{failure:?}");
        let conflict = |notice: &Notice| matches!(notice, Notice::Conflict(_));
        assert!(!world.at(side).notices.iter().any(conflict));
    }
}

#[test]
fn a_leg_that_returns_without_a_session_waits_no_longer_than_the_ack_timeout() {
    let mut world = World::settled();
    world.set_bond(Side::A, 0, false);
    world.run_for(SECOND);
    world.cut_wire();
    world.run_for(SECOND);
    world.set_bond(Side::A, 0, true);
    world.run_for(SECOND * 4);
    assert!(held(&world, Side::A), "the session may be back soon");
    world.run_for(SECOND * 2);
    assert!(!held(&world, Side::A));
    assert!(isolated(&world, Side::A));
}

#[test]
fn a_host_is_known_on_both_sides_and_forgotten_when_neither_sees_it() {
    let mut world = World::settled();
    let key = host(1);
    world.frame(Side::A, BONDS[0], key);
    world.run_for(SECOND);
    assert_eq!(port_of(&world, Side::B, key).as_deref(), Some(BONDS[0]));
    world.frame(Side::B, BONDS[0], key);
    world.run_for(SECOND);
    world.age(Side::A, key);
    world.run_for(SECOND);
    assert_eq!(
        port_of(&world, Side::A, key).as_deref(),
        Some(BONDS[0]),
        "B still sees it"
    );
    world.age(Side::B, key);
    world.run_for(SECOND);
    assert_eq!(port_of(&world, Side::A, key), None);
    assert_eq!(port_of(&world, Side::B, key), None);
}

/// Invariant 6.
#[test]
fn a_host_is_followed_from_orphan_to_orphan_to_mlag_and_back() {
    let mut world = World::settled();
    let key = host(1);
    for (side, port) in [
        (Side::A, ORPHAN),
        (Side::B, ORPHAN),
        (Side::B, BONDS[0]),
        (Side::A, ORPHAN),
        (Side::A, BONDS[1]),
        (Side::B, ORPHAN),
    ] {
        world.frame(side, port, key);
        world.run_for(Duration::from_millis(10));
        let there = if port == ORPHAN { PEER_LINK } else { port };
        assert_eq!(
            port_of(&world, side, key).as_deref(),
            Some(port),
            "on {side:?} {port}"
        );
        assert_eq!(
            port_of(&world, side.other(), key).as_deref(),
            Some(there),
            "other side"
        );
    }
}

/// Invariants 8 and 9.
#[test]
fn any_process_may_die_without_a_trace_in_the_dataplane() {
    for victim in 0..4 {
        let mut world = World::settled();
        world.frame(Side::A, BONDS[0], host(1));
        world.frame(Side::B, ORPHAN, host(2));
        world.run_for(SECOND);
        let before = world
            .chassis
            .each_ref()
            .map(|c| (c.kernel.fdb.clone(), c.kernel.isolated.clone()));
        let side = Side::BOTH[victim % 2];
        let iccpd = victim < 2;
        if iccpd {
            world.kill_iccpd(side);
        } else {
            world.kill_syncd(side);
        }
        for _ in 0..20 {
            world.run_for(SECOND);
            let during = world
                .chassis
                .each_ref()
                .map(|c| (c.kernel.fdb.clone(), c.kernel.isolated.clone()));
            assert_eq!(during, before, "while victim {victim} is gone");
        }
        if iccpd {
            world.start_iccpd(side);
        } else {
            world.start_syncd(side);
        }
        for _ in 0..100 {
            world.run_for(SECOND / 10);
            let after = world
                .chassis
                .each_ref()
                .map(|c| (c.kernel.fdb.clone(), c.kernel.isolated.clone()));
            assert_eq!(after, before, "after victim {victim} came back");
        }
    }
}

#[test]
fn a_peer_that_stays_away_is_forgotten_after_the_hold_time() {
    let mut world = World::settled();
    world.frame(Side::B, ORPHAN, host(1));
    world.run_for(SECOND);
    world.kill_iccpd(Side::B);
    world.run_for(SECOND * 80);
    assert_eq!(
        port_of(&world, Side::A, host(1)).as_deref(),
        Some(PEER_LINK)
    );
    world.run_for(SECOND * 20);
    assert_eq!(port_of(&world, Side::A, host(1)), None);
    assert!(
        isolated(&world, Side::A),
        "its dataplane may still be alive"
    );
    let learning = world
        .at(Side::A)
        .syncd
        .as_ref()
        .and_then(|s| s.domain)
        .unwrap();
    assert!(
        !learning.peer_link_learning,
        "hosts of isolated ports would move to the peer link"
    );
}

#[test]
fn a_peer_that_says_it_leaves_is_forgotten_at_once() {
    let mut world = World::settled();
    world.frame(Side::B, ORPHAN, host(1));
    world.run_for(SECOND);
    world.feed(Side::B, Input::Stop { leave: true });
    world.run_for(SECOND / 10);
    assert_eq!(port_of(&world, Side::A, host(1)), None);
    assert!(!isolated(&world, Side::A));
}

/// Input: a chassis is to leave the pair while its dataplane does not answer, and is told to go all the same. Output: its peer
/// hears of it only then: ports that pass frames as before want the peer's isolated.
#[test]
fn a_peer_that_leaves_says_so_when_its_dataplane_has_let_go() {
    let mut world = World::settled();
    world.freeze_syncd(Side::B);
    world.feed(Side::B, Input::Stop { leave: true });
    world.run_for(SECOND / 10);
    assert!(isolated(&world, Side::A));
    // Its ports go on passing frames: who cannot wait risks that.
    world.parted = [true; 2];
    world.feed(Side::B, Input::Stop { leave: true });
    world.run_for(SECOND / 10);
    assert!(!isolated(&world, Side::A));
}

#[test]
fn a_host_seen_while_the_session_was_down_is_told_when_it_is_back() {
    let mut world = World::settled();
    world.cut_wire();
    world.run_for(SECOND);
    world.frame(Side::A, BONDS[1], host(9));
    world.run_for(SECOND);
    assert_eq!(port_of(&world, Side::B, host(9)), None);
    world.mend_wire();
    world.run_for(SECOND * 3);
    assert_eq!(
        world.at(Side::B).kernel.fdb.get(&host(9)),
        Some(&Entry::Tracked {
            port: name(BONDS[1]),
            active: false
        })
    );
}

#[test]
fn many_hosts_reach_the_peer_and_come_back_with_its_dataplane() {
    let mut world = World::settled();
    let key = |n: u16| {
        let [high, low] = n.to_be_bytes();
        FdbKey {
            mac: Mac([2, 0, 0, 1, high, low]),
            ..host(0)
        }
    };
    for n in 0..2000 {
        world.frame(Side::A, BONDS[0], key(n));
    }
    world.run_for(SECOND);
    assert_eq!(world.at(Side::B).kernel.fdb.len(), 2000);
    world.kill_syncd(Side::B);
    world.at_mut(Side::B).kernel.fdb.clear();
    world.start_syncd(Side::B);
    world.run_for(SECOND);
    assert_eq!(world.at(Side::B).kernel.fdb.len(), 2000);
}

/// The role by address is A's, the role by priority B's.
fn without_system_mac(side: Side) -> Config {
    let priority = match side {
        Side::A => Config::PRIORITY + 1,
        Side::B => Config::PRIORITY,
    };
    Config {
        system_mac: None,
        priority,
        ..config(side)
    }
}

/// Hosts renegotiate LACP when it changes.
#[test]
fn a_restart_does_not_change_the_lacp_system_id_that_the_pair_agreed_on() {
    for victim in 0..3 {
        let mut world = World::settled_with(without_system_mac);
        let agreed = config(Side::B).node_mac;
        match victim {
            0 => world.kill_iccpd(Side::A),
            1 => world.kill_iccpd(Side::B),
            _ => world.cut_wire(),
        }
        world.run_for(SECOND * 5);
        world.start_iccpd(Side::A);
        world.start_iccpd(Side::B);
        world.mend_wire();
        for _ in 0..5000 {
            world.run_for(SECOND / 1000);
            for side in Side::BOTH {
                for (port, mac) in &world.at(side).kernel.system_macs {
                    assert_eq!(*mac, agreed, "{side:?} {port}, victim {victim}");
                }
            }
        }
        assert!(world.synchronised(Side::A) && world.synchronised(Side::B));
    }
}

/// Only what is said in EXCHANGE is acknowledged; the side that is told first gets there while its
/// own answer is still on the way.
#[test]
fn a_held_leg_is_released_as_soon_as_the_session_is_back_on_either_side() {
    for side in Side::BOTH {
        let mut world = World::settled();
        world.set_bond(side, 0, false);
        world.run_for(SECOND);
        world.cut_wire();
        world.run_for(SECOND / 10);
        world.set_bond(side, 0, true);
        world.run_for(SECOND / 10);
        assert!(held(&world, side));
        world.mend_wire();
        while !(world.synchronised(Side::A) && world.synchronised(Side::B)) {
            world.run_for(SECOND / 1000);
        }
        world.run_for(SECOND / 20);
        assert!(!held(&world, side), "{side:?}");
    }
}

/// Entries of ours do not age: nobody would remove them after us.
#[test]
fn a_chassis_that_leaves_keeps_no_entry_that_does_not_age() {
    let mut world = World::settled();
    world.frame(Side::A, ORPHAN, host(1));
    world.frame(Side::A, BONDS[0], host(2));
    world.frame(Side::B, BONDS[0], host(2));
    world.run_for(SECOND);
    assert_eq!(
        port_of(&world, Side::B, host(1)).as_deref(),
        Some(PEER_LINK)
    );
    world.feed(Side::B, Input::Stop { leave: true });
    world.run_for(SECOND / 10);
    let kernel = &world.at(Side::B).kernel;
    assert_eq!(kernel.fdb.get(&host(1)), None);
    assert_eq!(
        kernel.fdb.get(&host(2)),
        Some(&Entry::Dynamic {
            port: name(BONDS[0])
        })
    );
    assert!(kernel.isolated.is_empty() && kernel.held.is_empty());
}

/// A VLAN interface inherits the address of its bridge, which has it still when that goes down.
#[test]
fn the_address_of_a_bridge_stays_at_the_peer_when_a_vlan_interface_of_the_same_goes_down() {
    let mut world = World::settled();
    let key = FdbKey {
        vid: Vid::DEFAULT,
        mac: Mac([2, 0, 0, 0, 9, 1]),
    };
    let own = |index, text, kind, running| {
        Input::Link(Link {
            index,
            mac: Some(key.mac),
            running,
            kind,
            ..peer_link_named(text)
        })
    };
    let (bridge, vid) = (bridge().index, Vid::new(10).unwrap());
    let svi = LinkKind::Vlan {
        vid,
        parent: bridge,
    };
    let mut is_there = |index, text, kind, running| {
        world.feed(Side::A, own(index, text, kind, running));
        world.run_for(SECOND / 10);
        world.at(Side::B).kernel.fixed.contains_key(&key)
    };
    assert!(is_there(bridge, "br0", LinkKind::Bridge, true));
    assert!(is_there(41, "vlan10", svi, true));
    assert!(is_there(41, "vlan10", svi, false), "the bridge has it");
    assert!(is_there(41, "vlan10", svi, true));
    assert!(is_there(bridge, "br0", LinkKind::Bridge, false), "the VLAN");
    assert!(!is_there(41, "vlan10", svi, false), "the last of them");
}

/// What is sent to the other chassis itself goes there, and not to every host; and nowhere else once it
/// is this chassis' own.
#[test]
fn the_addresses_of_a_chassis_itself_are_behind_the_peer_link_of_the_other_one() {
    let mut world = World::settled();
    let key = |last| FdbKey {
        vid: Vid::DEFAULT,
        mac: Mac([2, 0, 0, 0, 9, last]),
    };
    let own = |last: u8, text: &str, kind, running| Link {
        index: 40 + u32::from(last),
        mac: Some(key(last).mac),
        running,
        kind,
        ..peer_link_named(text)
    };
    let svi = |last, running| {
        let (vid, parent) = (Vid::new(10).unwrap(), bridge().index);
        own(last, "vlan10", LinkKind::Vlan { vid, parent }, running)
    };
    // The virtual router has an IP address on the master alone.
    let router = |world: &mut World, side, parent, is_master: bool| {
        let index = own(9, "vrrp10", LinkKind::Other, true).index;
        let kind = LinkKind::Macvlan { parent };
        world.feed(side, Input::Link(own(9, "vrrp10", kind, true)));
        let address = "192.0.2.1/24".parse().unwrap();
        let addresses = if is_master { vec![address] } else { Vec::new() };
        world.feed(side, Input::Addresses { index, addresses });
    };
    let fixed = |world: &mut World, side: Side| {
        world.run_for(SECOND / 10);
        let fixed = world.at(side).kernel.fixed.iter();
        fixed
            .map(|(key, port)| (key.mac.0[5], port.to_string()))
            .collect::<Vec<_>>()
    };
    let there = |lasts: &[u8]| -> Vec<(u8, String)> {
        lasts.iter().map(|last| (*last, PEER_LINK.into())).collect()
    };
    world.feed(Side::A, Input::Link(svi(1, true)));
    world.feed(Side::B, Input::Link(svi(2, true)));
    router(&mut world, Side::A, 41, true);
    router(&mut world, Side::B, 42, false);
    assert_eq!(fixed(&mut world, Side::B), there(&[1, 9]));
    assert_eq!(fixed(&mut world, Side::A), there(&[2]));
    // The other one becomes master before this one gives up, and after.
    router(&mut world, Side::B, 42, true);
    assert_eq!(fixed(&mut world, Side::B), there(&[1]));
    assert_eq!(fixed(&mut world, Side::A), there(&[2]), "its own, too");
    router(&mut world, Side::A, 41, false);
    assert_eq!(fixed(&mut world, Side::A), there(&[2, 9]));
    router(&mut world, Side::B, 42, false);
    router(&mut world, Side::A, 41, true);
    assert_eq!(fixed(&mut world, Side::A), there(&[2]));
    assert_eq!(fixed(&mut world, Side::B), there(&[1, 9]));
    // An interface that goes takes its address with it, and a session that is lost does not.
    world.feed(Side::A, Input::Link(svi(1, false)));
    assert_eq!(fixed(&mut world, Side::B), there(&[9]));
    world.cut_wire();
    assert_eq!(fixed(&mut world, Side::B), there(&[9]));
    world.mend_wire();
    world.run_for(SECOND * 10);
    world.feed(Side::A, Input::Link(svi(1, true)));
    assert_eq!(fixed(&mut world, Side::B), there(&[1, 9]));
    // Daemons of both chassis begin anew, one after the other.
    for side in Side::BOTH {
        world.kill_iccpd(side);
        world.start_iccpd(side);
        world.feed(Side::A, Input::Link(svi(1, true)));
        world.feed(Side::B, Input::Link(svi(2, true)));
        world.run_for(SECOND * 60);
    }
    assert_eq!(fixed(&mut world, Side::B), there(&[1]));
    assert_eq!(fixed(&mut world, Side::A), there(&[2]));
}
