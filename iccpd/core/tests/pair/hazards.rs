//! What of a chassis goes wrong with a pair is warned of, and written down once.

use crate::world::{BONDS, Side, World, bridge, config, lag, name, peer_link};
use iccp_core::{Config, Input, Link, LinkKind, Notice};
use mclag_proto::ctl::{Conflict, Warning};
use mclag_proto::{Mac, Vid};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

fn warnings(world: &World, side: Side) -> Vec<Warning> {
    world.domain(side).status(world.now).warnings
}

/// How often it was written down.
fn noted(world: &World, warning: &Warning) -> usize {
    let notices = world.at(Side::A).notices.iter();
    notices
        .filter(|notice| matches!(notice, Notice::Conflict(found) if found == warning))
        .count()
}

/// Nothing to warn of; then `inputs`, and exactly that; then `back`, and nothing again.
fn is_warned_of(inputs: &[Input], back: &[Input], warning: &Warning) {
    let mut world = World::settled();
    for _ in 0..2 {
        assert_eq!(warnings(&world, Side::A), []);
        let before = noted(&world, warning);
        for input in inputs {
            world.feed(Side::A, input.clone());
        }
        world.run_for(SECOND);
        assert_eq!(warnings(&world, Side::A), std::slice::from_ref(warning));
        // Something else happens, and it is not said again.
        world.set_bond(Side::B, 1, false);
        world.set_bond(Side::B, 1, true);
        world.run_for(SECOND);
        assert_eq!(noted(&world, warning), before + 1);
        for input in back {
            world.feed(Side::A, input.clone());
        }
        world.run_for(SECOND);
    }
    assert_eq!(warnings(&world, Side::A), []);
}

fn vids(vids: &[u16]) -> Vec<Vid> {
    vids.iter().map(|vid| Vid::new(*vid).unwrap()).collect()
}

#[test]
fn spanning_tree_on_the_bridge() {
    let tree = |on| Input::SpanningTree {
        index: bridge().index,
        on,
    };
    let warning = Warning::SpanningTree {
        bridge: name("br0"),
    };
    is_warned_of(&[tree(true)], &[tree(false)], &warning);
    // A listing that does not say it any more.
    let listing = [
        Input::LinksBegin,
        Input::Link(bridge()),
        Input::Link(lag(0, BONDS[0])),
        Input::Link(lag(1, BONDS[1])),
        Input::Link(peer_link(true)),
        Input::LinksEnd,
    ];
    let mut world = World::settled();
    world.feed(Side::A, tree(true));
    // One that says it again tells nothing new.
    for (number, input) in listing.iter().enumerate() {
        world.feed(Side::A, input.clone());
        if number == 1 {
            world.feed(Side::A, tree(true));
        }
    }
    world.set_bond(Side::B, 1, false);
    world.run_for(SECOND);
    assert_eq!(warnings(&world, Side::A), std::slice::from_ref(&warning));
    assert_eq!(noted(&world, &warning), 1);
    for input in listing {
        world.feed(Side::A, input);
    }
    assert_eq!(warnings(&world, Side::A), []);
}

#[test]
fn an_mtu_of_the_peer_link_below_that_of_a_port() {
    let mtu = |link: Link, mtu| Input::Mtu {
        index: link.index,
        mtu,
    };
    let warning = Warning::PeerLinkMtu {
        peer_link: 8000,
        port: name(BONDS[1]),
        mtu: 9000,
    };
    is_warned_of(
        &[
            mtu(lag(0, BONDS[0]), 8500),
            mtu(lag(1, BONDS[1]), 9000),
            mtu(peer_link(true), 8000),
        ],
        &[mtu(peer_link(true), 9000)],
        &warning,
    );
}

/// Where both bridges filter VLANs.
#[test]
fn a_port_whose_frames_without_a_tag_are_in_another_vlan_there() {
    let port = name(BONDS[0]);
    let pvid = |vid| Input::Pvid {
        index: lag(0, BONDS[0]).index,
        vid,
    };
    let filtering = |on| Input::VlanFiltering {
        index: bridge().index,
        on,
    };
    let mut world = World::settled();
    for side in Side::BOTH {
        for link in [lag(0, BONDS[0]), lag(1, BONDS[1]), peer_link(true)] {
            let vids = vids(&[1, 10]).into_iter().collect();
            world.feed(
                side,
                Input::Vlans {
                    index: link.index,
                    vids,
                },
            );
        }
    }
    let (one, ten) = (Vid::new(1), Vid::new(10));
    world.feed(Side::A, pvid(ten));
    world.run_for(SECOND);
    for filters in Side::BOTH {
        assert_eq!(warnings(&world, Side::A), [], "not where one filters none");
        world.feed(filters, filtering(true));
        world.run_for(SECOND);
    }
    let differ = |world: &World, side, own, peers| {
        let conflict = Conflict::Pvid { own, peers };
        assert_eq!(warnings(world, side), [Warning::Port { port, conflict }]);
    };
    differ(&world, Side::A, ten, one);
    differ(&world, Side::B, one, ten);
    // What else is said of the port is read before the VLAN is said again: the difference is not over meanwhile.
    let (own, peers) = (ten, one);
    let differs = Warning::Port {
        port,
        conflict: Conflict::Pvid { own, peers },
    };
    let before = noted(&world, &differs);
    for list in [&[1, 10, 20][..], &[1, 10]] {
        let vids = vids(list).into_iter().collect();
        let index = lag(0, BONDS[0]).index;
        world.feed(Side::B, Input::Vlans { index, vids });
        world.run_for(SECOND);
    }
    assert_eq!(noted(&world, &differs), before);
    world.feed(Side::B, pvid(None));
    world.run_for(SECOND);
    differ(&world, Side::A, ten, None);
    differ(&world, Side::B, None, ten);
    for end in [filtering(false), pvid(ten)] {
        world.feed(Side::B, end);
        world.run_for(SECOND);
        for side in Side::BOTH {
            assert_eq!(warnings(&world, side), []);
        }
        world.feed(Side::B, filtering(true));
        world.run_for(SECOND);
    }
}

#[test]
fn vlans_of_ports_that_the_peer_link_is_not_in() {
    let filtering = |on| Input::VlanFiltering {
        index: bridge().index,
        on,
    };
    let in_vlans = |link: Link, list: &[u16]| Input::Vlans {
        index: link.index,
        vids: vids(list).into_iter().collect(),
    };
    // On both, or it would be a difference as well.
    let mut world = World::settled();
    for side in Side::BOTH {
        for input in [
            in_vlans(lag(0, BONDS[0]), &[1, 10, 12]),
            in_vlans(lag(1, BONDS[1]), &[1, 14]),
            in_vlans(peer_link(true), &[1, 12, 20]),
        ] {
            world.feed(side, input);
        }
    }
    world.run_for(SECOND);
    assert_eq!(
        warnings(&world, Side::A),
        [],
        "a bridge that knows no VLANs"
    );
    world.feed(Side::A, filtering(true));
    world.run_for(SECOND);
    let missing = vids(&[10, 14]);
    assert_eq!(
        warnings(&world, Side::A),
        [Warning::PeerLinkVlans { vids: missing }]
    );
    assert_eq!(warnings(&world, Side::B), []);
    world.feed(Side::A, in_vlans(peer_link(true), &[1, 10, 12, 14]));
    world.run_for(SECOND);
    assert_eq!(warnings(&world, Side::A), []);
}

#[test]
fn a_tunnel_that_is_a_port_of_the_bridge() {
    let tunnel = |master| {
        Input::Link(Link {
            index: 40,
            name: name("vxlan100"),
            kind: LinkKind::Vxlan,
            master,
            ..bridge()
        })
    };
    let warning = Warning::Tunnel {
        port: name("vxlan100"),
    };
    let index = bridge().index;
    is_warned_of(&[tunnel(Some(index))], &[tunnel(None)], &warning);
    is_warned_of(
        &[tunnel(Some(index))],
        &[Input::LinkGone { index: 40 }],
        &warning,
    );
}

#[test]
fn a_node_mac_that_both_have() {
    let config = |side| Config {
        node_mac: Mac([2, 0, 0, 0, 0, 7]),
        ..config(side)
    };
    let world = World::settled_with(config);
    let mac = Mac([2, 0, 0, 0, 0, 7]);
    for side in Side::BOTH {
        assert_eq!(warnings(&world, side), [Warning::SameNodeMac { mac }]);
    }
    assert_eq!(noted(&world, &Warning::SameNodeMac { mac }), 1);
}

#[test]
fn an_address_of_the_bridge_that_both_have() {
    let mut world = World::settled();
    let with = |last| {
        Input::Link(Link {
            mac: Some(Mac([2, 0, 0, 0, 9, last])),
            ..bridge()
        })
    };
    world.feed(Side::A, with(1));
    world.feed(Side::B, with(2));
    world.run_for(SECOND);
    assert_eq!(
        Side::BOTH.map(|side| warnings(&world, side)),
        [vec![], vec![]]
    );
    world.feed(Side::B, with(1));
    world.run_for(SECOND);
    let mac = Mac([2, 0, 0, 0, 9, 1]);
    for side in Side::BOTH {
        assert_eq!(warnings(&world, side), [Warning::SameBridgeMac { mac }]);
    }
    world.feed(Side::A, with(3));
    world.run_for(SECOND);
    assert_eq!(
        Side::BOTH.map(|side| warnings(&world, side)),
        [vec![], vec![]]
    );
}
