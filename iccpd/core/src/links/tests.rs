use super::*;
use crate::input::LagMember;
use mclag_proto::LagKind;
use mclag_proto::ctl::Hindrance;

pub(crate) fn name(text: &str) -> IfName {
    IfName::new(text).unwrap()
}

/// An interface that is up and nothing more.
pub(crate) fn link(index: u32, text: &str) -> Link {
    Link {
        index,
        name: name(text),
        mac: None,
        admin_up: true,
        running: true,
        master: None,
        kernel_name: None,
        blocked: false,
        kind: LinkKind::Other,
        member: None,
    }
}

fn set<const N: usize>(vids: [Vid; N]) -> Vids {
    BTreeSet::from(vids).into()
}

fn bond_with_member(running: bool, distributing: bool) -> Links {
    let mut links = Links::default();
    let kind = LinkKind::Lag {
        lacp: Some(true),
        partner: None,
        min_links: 0,
    };
    links.upsert(Link {
        kind: LinkKind::Bridge,
        ..link(9, "br0")
    });
    links.upsert(Link {
        kind,
        master: Some(9),
        running: false,
        ..link(1, "bond1")
    });
    let member = Some(LagMember {
        distributing,
        alone: false,
    });
    links.upsert(Link {
        master: Some(1),
        running,
        member,
        ..link(2, "swp1")
    });
    links
}

#[test]
fn a_lag_is_up_when_a_running_member_distributes_whatever_its_own_carrier_says() {
    assert!(bond_with_member(true, true).port_is_up(&name("bond1"), &name("br0")));
    assert!(!bond_with_member(false, true).port_is_up(&name("bond1"), &name("br0")));
    assert!(!bond_with_member(true, false).port_is_up(&name("bond1"), &name("br0")));
}

/// `br0` with `bond1` as its port, whose two members run and distribute; then what is given.
fn bridged(changes: impl IntoIterator<Item = Link>) -> Links {
    let mut links = Links::default();
    let bridge = Link {
        kind: LinkKind::Bridge,
        ..link(9, "br0")
    };
    let members = [member(2, "swp1", true, true), member(3, "swp2", true, true)];
    for link in [bridge, bond(0)].into_iter().chain(members).chain(changes) {
        links.upsert(link);
    }
    links
}

fn bond(min_links: u32) -> Link {
    let (lacp, partner) = (true, None);
    Link {
        kind: LinkKind::Lag {
            lacp: Some(lacp),
            partner,
            min_links,
        },
        master: Some(9),
        running: false,
        ..link(1, "bond1")
    }
}

fn member(index: u32, text: &str, running: bool, distributing: bool) -> Link {
    Link {
        master: Some(1),
        running,
        member: Some(LagMember {
            distributing,
            alone: false,
        }),
        ..link(index, text)
    }
}

/// `(spanning tree, carrier of the LAG, blocked) => (kept out, up)`, with members that distribute; also while the
/// interfaces are being listed anew. Without spanning tree, and beside the bridge, nothing of that counts.
#[test]
fn spanning_tree_keeps_a_port_out_until_it_forwards() {
    let (port, bridge) = (name("bond1"), name("br0"));
    for (tree, running, blocked, expected) in [
        (false, false, false, (false, true)),
        (false, true, true, (false, true)),
        (false, true, false, (false, true)),
        (true, false, false, (true, false)),
        (true, true, true, (true, false)),
        (true, true, false, (false, true)),
    ] {
        let bond = Link {
            running,
            blocked,
            ..bond(0)
        };
        let mut links = bridged([bond.clone()]);
        links.set_spanning_tree(9, tree);
        let is = |links: &Links| {
            let up = links.port_is_up(&port, &bridge);
            (links.is_kept_out(&port, &bridge), up)
        };
        let case = (tree, running, blocked);
        assert_eq!(is(&links), expected, "{case:?}");
        links.begin();
        assert_eq!(is(&links), expected, "{case:?}");
        links.upsert(link(9, "br0"));
        links.upsert(bond.clone());
        links.end();
        assert!(!is(&links).0, "{case:?}: it is said again, or it is over");
        links.set_spanning_tree(9, tree);
        let elsewhere = Link {
            master: None,
            ..bond
        };
        links.upsert(elsewhere);
        assert!(!is(&links).0, "{case:?}");
    }
}

/// `(what is otherwise) => (up, LACP runs on it and nothing would be carried, why)`.
#[test]
fn a_lag_is_up_when_the_kernel_would_carry_its_data() {
    let off = |index, text| member(index, text, false, false);
    let out = Link {
        master: None,
        ..bond(0)
    };
    let down = Link {
        admin_up: false,
        ..bond(0)
    };
    let bridge_down = Link {
        kind: LinkKind::Bridge,
        admin_up: false,
        ..link(9, "br0")
    };
    let elsewhere = Link {
        master: Some(7),
        ..bond(0)
    };
    let (vid, parent) = (Vid::DEFAULT, 1);
    let vlan = Link {
        kind: LinkKind::Vlan { vid, parent },
        master: Some(9),
        ..link(20, "bond1.1")
    };
    let bridge = name("br0");
    let not_in_bridge = Some(Hindrance::NotInBridge { bridge });
    let too_few = |running, needed| Some(Hindrance::TooFewMembers { running, needed });
    let one_negotiates = member(3, "swp2", true, false);
    let table = [
        (vec![], (true, false, None)),
        (vec![bond(1)], (true, false, None)),
        (vec![bond(2)], (true, false, None)),
        (vec![bond(3)], (false, true, too_few(2, 3))),
        (vec![off(3, "swp2")], (true, false, None)),
        (vec![bond(2), off(3, "swp2")], (false, true, too_few(1, 2))),
        // It will be: LACP is not done.
        (vec![bond(2), one_negotiates], (false, false, None)),
        // Nobody hears what it says.
        (
            vec![bond(2), off(2, "swp1"), off(3, "swp2")],
            (false, false, None),
        ),
        (vec![off(2, "swp1"), off(3, "swp2")], (false, false, None)),
        (vec![down], (false, false, Some(Hindrance::AdminDown))),
        (vec![out.clone()], (false, true, not_in_bridge)),
        (vec![elsewhere], (false, true, not_in_bridge)),
        (
            vec![bridge_down],
            (false, true, Some(Hindrance::BridgeDown { bridge })),
        ),
        // What is done to the port is done to neither.
        (vec![out, vlan.clone()], (false, true, not_in_bridge)),
        // That is warned of by itself.
        (vec![vlan], (false, true, None)),
    ];
    for (changes, expected) in table {
        let links = bridged(changes.clone());
        let [bond1, br0] = ["bond1", "br0"].map(name);
        let is = (
            links.port_is_up(&bond1, &br0),
            links.is_stranded(&bond1, &br0),
            links.hindrance(&bond1, &br0),
        );
        assert_eq!(is, expected, "{changes:?}");
    }
}

/// Input: VLAN interfaces come, join bridges and leave them, of a bond, of an ordinary interface, and of the bridge.
/// Output: each that passes frames beside a port, and each of a LAG, as long as it does.
#[test]
fn a_vlan_interface_in_a_bridge_is_found_at_the_interface_under_it() {
    let vlan = |index, text, parent, master| Link {
        kind: LinkKind::Vlan {
            vid: Vid::DEFAULT,
            parent,
        },
        master,
        ..link(index, text)
    };
    let other_bridge = Link {
        kind: LinkKind::Bridge,
        ..link(7, "br7")
    };
    let [of_bond, of_plain, of_bridge] = ["bond1.10", "swp9.10", "br0.10"].map(name);
    let mut links = bridged([other_bridge, link(30, "swp9")]);
    let ports = ["bond1", "swp9", "br0", "bond1.10", "swp9.10"].map(name);
    let mut see = |seen: Vec<Link>, gone: Option<u32>| {
        for link in seen {
            links.upsert(link);
        }
        if let Some(gone) = gone {
            links.remove(gone);
        }
        ports.map(|port| links.vlan_port(&port))
    };
    // A VLAN of the bridge is its own interface, in whatever VRF or bridge.
    let none = [None, None, None, Some(of_bond), None];
    let outside = vec![
        vlan(20, "bond1.10", 1, None),
        vlan(21, "swp9.10", 30, None),
        vlan(22, of_bridge.as_str(), 9, None),
    ];
    assert_eq!(see(outside, None), none);
    let inside = vec![
        vlan(20, "bond1.10", 1, Some(7)),
        vlan(21, "swp9.10", 30, Some(9)),
    ];
    let both = [Some(of_bond), Some(of_plain), None, Some(of_bond), None];
    assert_eq!(see(inside, None), both);
    assert_eq!(see(vec![vlan(20, "bond1.10", 1, None)], Some(21)), none);
}

#[test]
fn a_lag_without_an_address_needs_the_bridge_of_the_pair() {
    let out = Link {
        master: None,
        ..bond(0)
    };
    let [bond1, br0, gone] = ["bond1", "br0", "br7"].map(name);
    let mut links = bridged([out]);
    assert!(!links.port_is_up(&bond1, &br0));
    links.set_addresses(1, vec!["192.0.2.1/24".parse().unwrap()]);
    for bridge in [br0, gone] {
        assert!(links.port_is_up(&bond1, &bridge), "{bridge}");
        assert!(!links.is_stranded(&bond1, &bridge), "{bridge}");
    }
}

/// Deleted, or not there yet: nobody forwards what arrives.
#[test]
fn no_port_is_up_while_the_kernel_does_not_have_the_bridge() {
    let plain = Link {
        master: Some(9),
        ..link(30, "swp9")
    };
    let mut links = bridged([plain]);
    let [bond1, swp9, br0] = ["bond1", "swp9", "br0"].map(name);
    let up = |links: &Links| [&bond1, &swp9].map(|port| links.port_is_up(port, &br0));
    assert_eq!(up(&links), [true, true]);
    links.remove(9);
    assert_eq!(up(&links), [false, false]);
    assert!(links.is_stranded(&bond1, &br0), "LACP runs on it");
    assert!(!links.is_stranded(&swp9, &br0));
    let kind = LinkKind::Bridge;
    links.upsert(Link {
        kind,
        ..link(9, "br0")
    });
    assert_eq!(up(&links), [true, true]);
}

/// Input: a bridge that filters VLANs or not, and the VLANs of its port. Output: the port is up unless there is none;
/// where LACP runs on it, its host has to leave the leg.
#[test]
fn a_port_without_any_vlan_is_not_up_where_the_bridge_filters_them() {
    let [bond1, br0] = ["bond1", "br0"].map(name);
    let mut links = bridged([]);
    let up = |links: &Links| {
        let is_up = links.port_is_up(&bond1, &br0);
        assert_ne!(is_up, links.is_stranded(&bond1, &br0));
        is_up
    };
    assert!(up(&links), "nothing is known of filtering");
    links.set_filtering(9, true);
    assert!(!up(&links), "it has none");
    links.set_vids(1, [Vid::DEFAULT].into());
    assert!(up(&links));
    links.set_vids(1, BTreeSet::new());
    assert!(!up(&links), "it has none any more");
    assert_eq!(links.hindrance(&bond1, &br0), Some(Hindrance::NoVlan));
    links.set_filtering(9, false);
    assert!(up(&links), "none is needed");
    links.set_filtering(9, true);
    links.set_addresses(1, vec!["192.0.2.1/24".parse().unwrap()]);
    assert!(up(&links), "it works on layer 3");
}

/// `spec/mclagsyncd-protocol.md` 5.4: the dataplane knows better than the kernel.
#[test]
fn vlans_that_the_dataplane_names_make_a_port_up() {
    let mut links = bridged([]);
    let [bond1, br0] = ["bond1", "br0"].map(name);
    links.set_filtering(9, true);
    assert!(!links.port_is_up(&bond1, &br0));
    links.set_member(bond1, Vid::DEFAULT, true);
    assert!(links.port_is_up(&bond1, &br0));
}

#[test]
fn a_bridge_that_is_made_again_filters_nothing_until_that_is_said() {
    let [bond1, br0] = ["bond1", "br0"].map(name);
    let bridge = Link {
        kind: LinkKind::Bridge,
        ..link(9, "br0")
    };
    let mut links = bridged([]);
    links.set_filtering(9, true);
    links.remove(9);
    links.upsert(bridge.clone());
    assert!(links.port_is_up(&bond1, &br0));
    // The same by a listing that does not name it.
    links.set_filtering(9, true);
    links.begin();
    links.upsert(bond(0));
    links.upsert(member(2, "swp1", true, true));
    links.end();
    links.upsert(bridge);
    assert!(links.port_is_up(&bond1, &br0));
}

#[test]
fn a_plain_interface_is_up_as_a_port_of_the_bridge_alone() {
    let [swp9, br0] = ["swp9", "br0"].map(name);
    for (master, running, is_up) in [
        (Some(9), true, true),
        (Some(9), false, false),
        (None, true, false),
    ] {
        let links = bridged([Link {
            master,
            running,
            ..link(30, "swp9")
        }]);
        assert_eq!(links.port_is_up(&swp9, &br0), is_up);
        assert!(!links.is_stranded(&swp9, &br0), "it speaks no LACP");
    }
}

#[test]
fn an_interface_missing_from_a_full_listing_is_gone() {
    let mut links = Links::default();
    links.upsert(link(1, "a"));
    links.upsert(link(2, "b"));
    links.begin();
    links.upsert(link(2, "b"));
    links.end();
    assert!(!links.exists(&name("a")));
    assert!(links.exists(&name("b")));
}

#[test]
fn the_end_of_a_listing_that_did_not_begin_makes_nothing_complete() {
    let mut links = Links::default();
    links.upsert(link(1, "a"));
    links.end();
    assert!(!links.is_complete());
    assert!(links.exists(&name("a")));
}

#[test]
fn a_member_that_leaves_its_lag_no_longer_counts() {
    let mut links = bond_with_member(true, true);
    links.upsert(Link {
        master: None,
        ..link(2, "swp1")
    });
    assert!(!links.port_is_up(&name("bond1"), &name("br0")));
    let mut links = bond_with_member(true, true);
    links.remove(2);
    assert_eq!(links.members(1), []);
}

#[test]
fn two_interfaces_that_swap_their_names_keep_their_vlans() {
    let mut links = Links::default();
    let (one, two) = (Vid::new(1).unwrap(), Vid::new(2).unwrap());
    for (index, text, vid) in [(1, "a", one), (2, "b", two)] {
        links.upsert(link(index, text));
        links.set_vids(index, [vid].into());
    }
    for (index, text) in [(1, "tmp"), (2, "a"), (1, "b")] {
        links.upsert(link(index, text));
    }
    assert_eq!(links.vids(&name("a")), Some(&set([two])));
    links.upsert(link(2, "b"));
    links.upsert(link(1, "a"));
    assert_eq!(links.vids(&name("a")), Some(&set([one])));
    assert_eq!(links.vids(&name("b")), Some(&set([two])));
}

/// The kernel tells that an interface leaves its bridge, and says nothing of one that was in none when everything was
/// read: a daemon that starts must not take it for one that carries any VLAN.
#[test]
fn an_interface_in_no_bridge_has_no_vlans_whether_it_left_or_was_found_so() {
    let mut links = Links::default();
    links.upsert(Link {
        kind: LinkKind::Bridge,
        ..link(9, "br0")
    });
    let in_bridge = Link {
        master: Some(9),
        ..link(1, "bond1")
    };
    links.upsert(in_bridge.clone());
    assert_eq!(links.vids(&name("bond1")), None);
    links.set_vids(1, [Vid::DEFAULT].into());
    assert_eq!(links.vids(&name("bond1")), Some(&set([Vid::DEFAULT])));
    links.upsert(link(1, "bond1"));
    links.set_vids(1, BTreeSet::new());
    assert_eq!(links.vids(&name("bond1")), Some(&set([])));
    links.upsert(link(2, "bond2"));
    assert_eq!(links.vids(&name("bond2")), Some(&set([])));
}

/// `spec/mclagsyncd-protocol.md` 5.4: it may be told before the port exists.
#[test]
fn what_the_dataplane_says_of_a_port_s_vlans_counts() {
    let mut links = Links::default();
    let (one, two) = (Vid::new(1).unwrap(), Vid::new(2).unwrap());
    links.set_member(name("a"), two, true);
    links.upsert(link(1, "a"));
    links.upsert(link(2, "b"));
    links.set_vids(1, [one].into());
    links.set_vids(2, [one].into());
    assert_eq!(links.vids(&name("a")), Some(&set([two])));
    assert_eq!(links.vids(&name("b")), Some(&set([one])), "not spoken of");
    links.set_member(name("a"), two, false);
    assert_eq!(links.vids(&name("a")), Some(&set([])));
}

/// `spec/behaviour.md` 14.6: what is not said again is gone, but not before all is said.
#[test]
fn what_the_dataplane_said_of_a_port_s_vlans_counts_until_it_has_said_it_again() {
    let mut links = Links::default();
    let (one, two) = (Vid::new(1).unwrap(), Vid::new(2).unwrap());
    for (index, text) in [(1, "a"), (2, "b")] {
        links.upsert(link(index, text));
        links.set_vids(index, [one].into());
        links.set_member(name(text), one, true);
        links.set_member(name(text), two, true);
    }
    links.members_begin();
    links.set_member(name("a"), two, true);
    assert_eq!(links.vids(&name("a")), Some(&set([one, two])));
    links.members_end();
    assert_eq!(links.vids(&name("a")), Some(&set([two])));
    assert_eq!(links.vids(&name("b")), Some(&set([one])), "not spoken of");
    links.members_end();
    assert_eq!(links.vids(&name("a")), Some(&set([two])), "no end of it");
    links.members_begin();
    links.members_abandon();
    links.members_end();
    assert_eq!(links.vids(&name("a")), Some(&set([two])), "not of another");
}

#[test]
fn a_renamed_interface_is_found_under_its_new_name_only() {
    let mut links = Links::default();
    links.upsert(link(1, "a"));
    links.upsert(link(1, "b"));
    assert!(!links.exists(&name("a")));
    assert_eq!(links.by_name(&name("b")).unwrap().index, 1);
}

/// Who follows them looks again when that counts up.
#[test]
fn each_change_of_an_interface_counts_up() {
    let mut links = Links::default();
    let mut before = links.generation();
    let changes: [fn(&mut Links); 6] = [
        Links::begin,
        |links| links.upsert(link(1, "a")),
        |links| links.set_vids(1, [Vid::DEFAULT].into()),
        |links| links.set_addresses(1, Vec::new()),
        |links| links.remove(1),
        Links::end,
    ];
    for (number, change) in changes.into_iter().enumerate() {
        change(&mut links);
        assert!(links.generation() > before, "{number}");
        before = links.generation();
    }
}

#[test]
fn who_runs_is_copied_only_when_that_changes() {
    let mut links = Links::default();
    for index in 1..4 {
        links.upsert(link(
            index,
            ["a", "b", "c"][usize::try_from(index).unwrap() - 1],
        ));
    }
    let before = links.running().clone();
    links.begin();
    for (index, text) in [(1, "a"), (2, "b"), (3, "c")] {
        links.upsert(Link {
            master: Some(9),
            ..link(index, text)
        });
    }
    links.end();
    links.set_addresses(1, vec!["192.0.2.1/24".parse().unwrap()]);
    links.set_vids(2, BTreeSet::new());
    assert!(Arc::ptr_eq(&before, links.running()));
    let running = |links: &Links| -> Vec<String> {
        let each = links.running().iter();
        each.map(|(name, runs)| format!("{name} {runs}")).collect()
    };
    links.upsert(Link {
        running: false,
        ..link(1, "a")
    });
    links.upsert(link(2, "d"));
    links.upsert(link(4, "c"));
    links.remove(3); // of a name that is another's now
    assert_eq!(running(&links), ["a false", "c true", "d true"]);
    links.remove(4);
    links.begin();
    links.upsert(link(2, "a"));
    links.end();
    assert_eq!(running(&links), ["a true"]);
    assert_eq!(before.len(), 3, "who keeps a copy is not disturbed");
}

#[test]
fn the_same_name_with_another_index_replaces_the_old_interface() {
    let mut links = Links::default();
    links.upsert(link(1, "a"));
    links.upsert(link(7, "a"));
    assert_eq!(links.by_name(&name("a")).unwrap().index, 7);
    links.remove(7);
    assert!(!links.exists(&name("a")));
}

/// What is compared for warnings looks at every VLAN of every port; a mass failure must not.
#[test]
fn what_comes_and_goes_with_a_link_is_no_change_of_shape() {
    let mut links = Links::default();
    let link = Link {
        index: 5,
        name: IfName::new("bond1").unwrap(),
        mac: None,
        admin_up: true,
        running: true,
        master: Some(1),
        kernel_name: None,
        blocked: false,
        kind: LinkKind::Other,
        member: None,
    };
    let mut reshapes = |change: &dyn Fn(&mut Links)| {
        let before = links.shape();
        change(&mut links);
        links.shape() != before
    };
    assert!(reshapes(&|links| links.upsert(link.clone())));
    for running in [false, true] {
        let link = Link {
            running,
            ..link.clone()
        };
        assert!(!reshapes(&|links| links.upsert(link.clone())));
    }
    let lag = |key| {
        let system = mclag_proto::Mac([2, 0, 0, 0, 0, 9]);
        let kind = LinkKind::Lag {
            lacp: Some(true),
            partner: Some(LacpPartner { system, key }),
            min_links: 0,
        };
        Link {
            kind,
            ..link.clone()
        }
    };
    assert!(!reshapes(&|links| links.upsert(lag(1))));
    assert!(!reshapes(&|links| links.upsert(lag(2))));
    let changes: [&dyn Fn(&mut Links); 6] = [
        &|links| links.set_vids(5, BTreeSet::new()),
        &|links| links.set_filtering(1, true),
        &|links| links.set_mtu(5, 9000),
        &|links| links.set_spanning_tree(1, true),
        &|links| {
            let master = None;
            links.upsert(Link {
                master,
                ..link.clone()
            });
        },
        &|links| links.remove(5),
    ];
    for (number, change) in changes.into_iter().enumerate() {
        assert!(reshapes(change), "{number}");
    }
}

/// VLANs that only another dataplane speaks of say nothing of frames without a tag: VLAN 1 would be made up.
#[test]
fn the_vlan_of_frames_without_a_tag_is_the_kernels_word_alone() {
    let (port, bridge) = (name("bond1"), name("br0"));
    let ten = Vid::new(10).unwrap();
    let mut links = bridged([]);
    links.set_filtering(9, true);
    links.set_member(port, ten, true);
    assert_eq!(links.pvid(&port, &bridge), None);
    links.set_vids(1, [ten].into());
    assert_eq!(links.pvid(&port, &bridge), Some(Some(Vid::DEFAULT)));
    links.set_pvid(1, None);
    assert_eq!(links.pvid(&port, &bridge), Some(None));
    links.set_vids(1, BTreeSet::new());
    assert_eq!(links.pvid(&port, &bridge), None);
}

#[test]
fn an_interface_speaks_lacp_where_its_lag_does() {
    let lag = |lacp| LinkKind::Lag {
        lacp,
        partner: None,
        min_links: 0,
    };
    for (kind, speaks) in [
        (lag(Some(true)), Some(LagKind::Lacp)),
        (lag(Some(false)), Some(LagKind::Static)),
        (lag(None), None),
        (LinkKind::Other, Some(LagKind::Static)),
        (LinkKind::Vxlan, Some(LagKind::Static)),
    ] {
        let mut links = Links::default();
        links.begin();
        links.upsert(Link {
            kind,
            ..link(5, "bond1")
        });
        links.end();
        assert_eq!(links.lag_kind(&name("bond1")), speaks, "{kind:?}");
        assert_eq!(links.lag_kind(&name("bond2")), None);
    }
}
