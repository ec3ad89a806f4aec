//! The rows of `spec/behaviour.md` 9.3–9.15 and `spec/iccp.md` 10 for a dataplane that does not track
//! what was installed: a foreign mclagsyncd server.

use super::*;
use std::sync::Arc;

const KERNEL: [&str; 5] = ["bond1", "bond2", "swp10", "swp11", "peerlink"];

/// Both MLAG ports up on both chassis, a peer link that is up, synchronised.
pub(super) fn server() -> Fixture {
    Fixture::with(Ports {
        unreported: true,
        kernel: BTreeMap::from(KERNEL.map(|name| (port(name), true))).into(),
        at_peer: [(port("bond1"), true), (port("bond2"), true)].into(),
        ..ports()
    })
}

/// The interfaces that the kernel has, to be changed.
pub(super) fn kernel(ports: &mut Ports) -> &mut BTreeMap<IfName, bool> {
    Arc::make_mut(&mut ports.kernel)
}

fn down(f: &mut Fixture, name: &str) {
    f.change(|ports| ports.down.insert(port(name), Outage::Fresh));
}

fn up(f: &mut Fixture, name: &str) {
    f.change(|ports| ports.down.remove(&port(name)));
}

fn at_peer(f: &mut Fixture, name: &str, up: bool) {
    f.change(|ports| ports.at_peer.insert(port(name), up));
}

fn of_kind(on: &str, kind: FdbKind) -> Op {
    let want = FdbWant {
        port: port(on),
        kind,
    };
    Op::Fdb { key: KEY, want }
}

fn ageing(on: &str) -> Op {
    of_kind(on, FdbKind::Ageing)
}

fn fixed(on: &str) -> Op {
    of_kind(on, FdbKind::Static)
}

fn configured(f: &mut Fixture, on: &str) {
    f.observation(Observation::Learned {
        port: port(on),
        configured: true,
    });
}

fn add(on: &str) -> (EntryOp, String) {
    (EntryOp::Add, on.into())
}

fn del(on: &str) -> (EntryOp, String) {
    (EntryOp::Delete, on.into())
}

mod learned_here {
    use super::*;

    /// `spec/behaviour.md` 9.3, precondition.
    #[test]
    fn a_report_on_the_peer_link_changes_nothing() {
        let mut f = server();
        f.learn("bond1").advertised();
        f.learn("peerlink");
        assert_eq!((f.ops(), f.advertised()), (vec![], vec![]));
        assert_eq!(
            f.observation(Observation::Aged).advertised(),
            [del("bond1")]
        );
    }

    /// 9.3, first row.
    #[test]
    fn an_address_on_a_port_that_is_down_on_both_chassis_is_not_kept() {
        let mut f = server();
        down(&mut f, "bond1");
        at_peer(&mut f, "bond1", false);
        f.learn("bond1");
        assert_eq!(f.ops(), [forget()]);
        assert_eq!(f.advertised(), []);
        assert!(f.fdb.is_empty());
    }

    /// 9.3, second row, and W-13.
    #[test]
    fn an_address_on_a_port_that_is_down_here_alone_is_reached_through_the_peer() {
        let mut f = server();
        down(&mut f, "bond1");
        f.learn("bond1");
        assert_eq!(f.ops(), [tracked("peerlink")]);
        assert_eq!(f.advertised(), [], "the peer is not told");
        up(&mut f, "bond1");
        assert_eq!(f.ops(), [ageing("bond1")]);
        assert_eq!(f.advertised(), [add("bond1")]);
    }

    /// 9.3, third row.
    #[test]
    fn an_address_on_a_port_that_is_down_and_unknown_at_the_peer_waits() {
        let mut f = server();
        f.change(|ports| ports.at_peer.remove(&port("bond1")));
        down(&mut f, "bond1");
        f.learn("bond1");
        assert_eq!((f.ops(), f.advertised()), (vec![], vec![]));
        up(&mut f, "bond1");
        assert_eq!(f.advertised(), [add("bond1")]);
    }

    /// 9.3, fourth row; `spec/iccp.md` 10.3, "orphan port up".
    #[test]
    fn an_address_on_an_orphan_port_that_is_down_is_told_when_it_is_up() {
        let mut f = server();
        f.change(|ports| kernel(ports).insert(port("swp10"), false));
        f.learn("swp10");
        assert_eq!((f.ops(), f.advertised()), (vec![], vec![]));
        f.change(|ports| kernel(ports).insert(port("swp10"), true));
        assert_eq!(f.advertised(), [add("swp10")]);
    }

    /// 9.3, fifth row.
    #[test]
    fn an_address_on_a_port_that_is_up_is_told() {
        for on in ["bond1", "swp10"] {
            let mut f = server();
            assert_eq!(f.learn(on).advertised(), [add(on)]);
            assert_eq!(f.ops(), []);
        }
    }

    /// 9.3, sixth row.
    #[test]
    fn a_known_address_that_is_reported_on_a_port_just_lost_is_reached_through_the_peer() {
        let mut f = server();
        f.learn("swp10").advertised();
        down(&mut f, "bond1");
        f.learn("bond1");
        assert_eq!(f.ops(), [tracked("peerlink")]);
        // The peer must not go on sending to where the host was.
        assert_eq!(f.advertised(), [add("bond1")]);
    }

    /// 9.3, sixth row, for an address that the peer sees on that port as well.
    #[test]
    fn an_address_that_the_peer_sees_stays_behind_the_peer_link_while_the_port_is_down() {
        let mut f = server();
        f.peer(EntryOp::Add, "bond1").ops();
        down(&mut f, "bond1");
        assert_eq!(f.ops(), [tracked("peerlink")]);
        f.learn("bond1");
        assert_eq!(f.ops(), [tracked("peerlink")], "programmed again");
        assert_eq!(f.advertised(), []);
    }

    /// 9.3, seventh row, and P-6: an entry that was installed before would never age.
    #[test]
    fn what_was_installed_is_withdrawn_when_the_dataplane_learns_the_address() {
        let mut f = server();
        assert_eq!(f.peer(EntryOp::Add, "bond1").ops(), [tracked("bond1")]);
        f.learn("bond1");
        assert_eq!(f.ops(), [release()]);
        assert_eq!(f.advertised(), [add("bond1")]);
        f.learn("bond1");
        assert_eq!((f.ops(), f.advertised()), (vec![], vec![]), "once");
    }

    /// 9.3, last row: local until the peer confirms.
    #[test]
    fn a_host_that_moved_here_is_no_longer_the_peers() {
        let mut f = server();
        assert_eq!(f.peer(EntryOp::Add, "swp11").ops(), [tracked("peerlink")]);
        f.learn("swp10");
        assert_eq!(f.ops(), [release()]);
        assert_eq!(f.advertised(), [add("swp10")]);
        assert_eq!(f.fdb.counts().peer + f.fdb.counts().both, 0);
    }

    /// W-14.
    #[test]
    fn a_move_between_two_local_ports_is_told() {
        let mut f = server();
        f.learn("swp10").advertised();
        assert_eq!(f.learn("bond1").advertised(), [add("bond1")]);
        assert_eq!(f.learn("swp10").advertised(), [add("swp10")]);
    }
}

mod aged_here {
    use super::*;

    /// 9.4, first row.
    #[test]
    fn the_flush_of_a_lost_port_does_not_end_what_waits_behind_the_peer_link() {
        let mut f = server();
        f.learn("bond1").advertised();
        down(&mut f, "bond1");
        assert_eq!(f.ops(), [tracked("peerlink")]);
        f.observation(Observation::Aged);
        assert_eq!((f.ops(), f.advertised()), (vec![], vec![]));
        assert_eq!(f.fdb.len(), 1);
    }

    /// 9.4, second row.
    #[test]
    fn an_entry_behind_the_peer_link_is_programmed_again() {
        let mut f = server();
        f.peer(EntryOp::Add, "swp11").ops();
        assert_eq!(
            f.observation(Observation::Aged).ops(),
            [tracked("peerlink")]
        );
        f.change(|ports| ports.peer_link_down = true);
        assert_eq!(f.ops(), [release()]);
        assert_eq!(f.observation(Observation::Aged).ops(), []);
    }

    /// 9.4, third row.
    #[test]
    fn an_address_that_nobody_sees_any_more_is_gone() {
        let mut f = server();
        f.learn("bond1").advertised();
        f.observation(Observation::Aged);
        assert_eq!(f.advertised(), [del("bond1")]);
        f.ops();
        assert!(f.fdb.is_empty());
    }

    /// 9.4, fourth row.
    #[test]
    fn an_address_that_ages_on_a_lost_port_is_the_peers() {
        let mut f = server();
        f.learn("bond1").peer(EntryOp::Add, "bond1");
        assert_eq!(f.ops(), [], "the dataplane's own");
        f.advertised();
        down(&mut f, "bond1");
        assert_eq!(f.advertised(), [del("bond1")]);
        assert_eq!(f.ops(), [tracked("peerlink")]);
        assert_eq!(
            f.observation(Observation::Aged).ops(),
            [tracked("peerlink")]
        );
    }

    /// 9.4, last row; 9.15: a flush is one report per address.
    #[test]
    fn an_address_that_ages_here_is_put_back_while_the_peer_sees_it() {
        let mut f = server();
        f.learn("bond1").peer(EntryOp::Add, "bond1").advertised();
        f.observation(Observation::Aged);
        assert_eq!(f.ops(), [tracked("bond1")]);
        assert_eq!(f.advertised(), [del("bond1")]);
        f.peer(EntryOp::Delete, "bond1");
        assert_eq!(f.ops(), [release()]);
    }

    /// 9.15: a flush that takes everything leaves what the peer still sees.
    #[test]
    fn a_flush_takes_only_what_nobody_else_sees() {
        let mut f = server();
        f.learn("swp10").advertised();
        f.fdb.local_listing_begins(Time::ZERO);
        f.fdb.local_listing_ends();
        assert_eq!(f.advertised(), [del("swp10")]);
        f.ops();
        assert!(f.fdb.is_empty());
    }
}

mod told_by_the_peer {
    use super::*;

    /// 9.5, unknown address, each row.
    #[test]
    fn a_new_address_goes_to_the_port_else_to_the_peer_link_else_nowhere() {
        let cases = [
            ("swp11", true, false, vec![tracked("peerlink")]),
            ("bond1", true, false, vec![tracked("bond1")]),
            ("bond1", true, true, vec![tracked("peerlink")]),
            ("bond1", false, false, vec![tracked("bond1")]),
            ("bond1", false, true, vec![]),
            ("swp11", false, false, vec![]),
        ];
        for (on, has_peer_link, is_down, want) in cases {
            let mut f = server();
            f.change(|ports| {
                ports.peer_link = ports.peer_link.filter(|_| has_peer_link);
                if is_down {
                    ports.down.insert(port("bond1"), Outage::Fresh);
                }
            });
            assert_eq!(f.peer(EntryOp::Add, on).ops(), want, "{on}");
            assert_eq!(f.advertised(), [], "nothing is echoed");
        }
    }

    /// 9.5: without a peer link the record is discarded.
    #[test]
    fn an_orphan_of_the_peer_that_cannot_be_reached_is_not_kept() {
        let mut f = server();
        f.change(|ports| ports.peer_link = None);
        f.peer(EntryOp::Add, "swp11");
        assert!(f.fdb.is_empty());
        // Not even one that was known here; the dataplane forgets it as well.
        f.learn("swp10").advertised();
        f.peer(EntryOp::Add, "swp11");
        assert_eq!(f.ops(), [forget()]);
        assert_eq!(f.advertised(), [del("swp10")]);
        assert!(f.fdb.is_empty());
    }

    /// 9.13: while the peer link is down the entry is remembered.
    #[test]
    fn behind_a_peer_link_that_is_down_nothing_is_programmed() {
        let mut f = server();
        f.change(|ports| ports.peer_link_down = true);
        assert_eq!(f.peer(EntryOp::Add, "swp11").ops(), []);
        f.change(|ports| ports.peer_link_down = false);
        assert_eq!(f.ops(), [tracked("peerlink")]);
    }

    /// 9.5, known address, rule 1.
    #[test]
    fn an_address_that_waits_behind_the_peer_link_is_the_peers_when_it_says_so() {
        let mut f = server();
        f.learn("bond1").advertised();
        down(&mut f, "bond1");
        f.ops();
        f.peer(EntryOp::Add, "bond1");
        assert_eq!(f.advertised(), [del("bond1")]);
        assert_eq!(f.ops(), [], "it is there already");
        up(&mut f, "bond1");
        assert_eq!(f.ops(), [tracked("bond1")], "and does not age here");
    }

    /// 9.5, known address, rule 2: configured here. What is configured there stays there, too.
    #[test]
    fn what_is_configured_here_refuses_what_the_peer_says() {
        for (kind, afterwards) in [
            (MacType::Dynamic, vec![]),
            (MacType::Static, vec![fixed("bond1")]),
        ] {
            let mut f = server();
            configured(&mut f, "swp10");
            f.advertised();
            f.peer_of_kind(EntryOp::Add, "bond1", kind);
            assert_eq!((f.ops(), f.advertised()), (vec![], vec![]));
            f.observation(Observation::Aged);
            assert_eq!(f.advertised(), [del("swp10")]);
            assert_eq!(f.ops(), afterwards, "what the peer learned is not taken");
            assert_eq!(f.fdb.is_empty(), afterwards.is_empty());
        }
    }

    /// 9.5, known address, rule 4: equal names.
    #[test]
    fn what_is_configured_here_and_seen_there_on_the_same_port_is_the_peers_afterwards() {
        let mut f = server();
        configured(&mut f, "bond1");
        f.peer(EntryOp::Add, "bond1");
        assert_eq!(f.ops(), []);
        assert_eq!(f.observation(Observation::Aged).ops(), [tracked("bond1")]);
    }

    /// 9.5, known address, rule 2: the newer word wins.
    #[test]
    fn a_host_that_moved_to_the_peer_is_followed() {
        let mut f = server();
        f.learn("swp10").advertised();
        f.peer(EntryOp::Add, "swp11");
        assert_eq!(f.ops(), [tracked("peerlink")]);
        assert_eq!(f.advertised(), [del("swp10")]);
        let mut f = server();
        f.learn("swp10").advertised();
        f.peer(EntryOp::Add, "bond1");
        assert_eq!(f.ops(), [tracked("bond1")]);
    }

    /// 9.5, known address, rule 3, and W-15.
    #[test]
    fn an_orphan_port_of_the_same_name_is_another_place() {
        let mut f = server();
        f.learn("swp10").advertised();
        f.peer(EntryOp::Add, "swp10");
        assert_eq!(f.ops(), [tracked("peerlink")]);
        assert_eq!(f.advertised(), [del("swp10")]);
    }

    /// 9.5, known address, rule 4.
    #[test]
    fn a_host_that_both_see_on_the_same_port_is_the_dataplanes_own() {
        let mut f = server();
        f.learn("bond1").advertised();
        f.peer(EntryOp::Add, "bond1");
        assert_eq!((f.ops(), f.advertised()), (vec![], vec![]));
        assert_eq!(f.fdb.counts().both, 1);
    }

    /// 9.5, DEL.
    #[test]
    fn what_the_peer_no_longer_sees_stays_if_it_is_seen_here() {
        let mut f = server();
        f.learn("bond1").peer(EntryOp::Add, "bond1").advertised();
        f.peer(EntryOp::Delete, "bond1");
        assert_eq!((f.ops(), f.advertised()), (vec![], vec![]));
        let mut f = server();
        f.peer(EntryOp::Add, "bond1").ops();
        f.peer(EntryOp::Delete, "bond1");
        assert_eq!(f.ops(), [release()]);
        f.peer(EntryOp::Delete, "bond1");
        assert!(f.fdb.is_empty(), "an unknown one is ignored");
    }

    /// 9.13, a configured address of the peer.
    #[test]
    fn an_address_that_the_peer_configured_does_not_move() {
        let mut f = server();
        f.peer_of_kind(EntryOp::Add, "bond1", MacType::Static);
        assert_eq!(f.ops(), [fixed("bond1")]);
        f.learn("swp10");
        assert_eq!(f.advertised(), []);
        assert_eq!(f.ops(), [fixed("bond1")], "put back");
        down(&mut f, "bond1");
        assert_eq!(f.ops(), [fixed("peerlink")]);
        at_peer(&mut f, "bond1", false);
        up(&mut f, "bond1");
        assert_eq!(f.ops(), [fixed("bond1")], "and does not age");
    }

    /// P-14: the target has to be in the VLAN.
    #[test]
    fn an_address_of_a_vlan_that_the_peer_link_leaves_is_withdrawn() {
        let mut f = server();
        f.peer(EntryOp::Add, "swp11").ops();
        f.change(|ports| ports.vids.insert(port("peerlink"), Vids::default()));
        assert_eq!(f.ops(), [release()]);
        f.change(|ports| {
            ports
                .vids
                .insert(port("peerlink"), BTreeSet::from([KEY.vid]).into())
        });
        assert_eq!(f.ops(), [tracked("peerlink")]);
    }

    /// `spec/iccp.md` 10.4: both directions.
    #[test]
    fn orphans_are_not_exchanged_with_a_peer_that_cannot() {
        let mut f = server();
        f.change(|ports| ports.no_orphans = true);
        f.peer(EntryOp::Add, "swp11");
        assert!(f.fdb.is_empty());
        assert_eq!(f.learn("swp10").advertised(), []);
        assert_eq!(f.learn("bond1").advertised(), [add("bond1")]);
        assert_eq!(
            f.learn("swp10").advertised(),
            [del("bond1")],
            "it moved out of sight"
        );
    }
}

mod ports_that_come_and_go {
    use super::*;

    /// 9.6, first row: dynamic and in the way it was learned.
    #[test]
    fn a_port_that_is_back_takes_its_addresses_back() {
        let mut f = server();
        f.peer(EntryOp::Add, "bond1").ops();
        down(&mut f, "bond1");
        assert_eq!(f.ops(), [tracked("peerlink")]);
        up(&mut f, "bond1");
        assert_eq!(f.ops(), [tracked("bond1")]);
    }

    /// 9.6: what was learned here ages there again, and is withdrawn when it is learned anew.
    #[test]
    fn an_address_that_waited_ages_on_its_port_until_it_is_learned_again() {
        let mut f = server();
        f.learn("bond1").advertised();
        down(&mut f, "bond1");
        assert_eq!(f.ops(), [tracked("peerlink")]);
        assert_eq!(f.advertised(), [], "9.7: the peer is not told to delete");
        up(&mut f, "bond1");
        assert_eq!(f.ops(), [ageing("bond1")]);
        f.learn("bond1");
        assert_eq!(f.ops(), [release()]);
        // Or it ages.
        let mut f = server();
        f.learn("bond1").advertised();
        down(&mut f, "bond1");
        up(&mut f, "bond1");
        assert_eq!(f.ops(), [ageing("bond1")]);
        f.observation(Observation::Aged);
        assert_eq!(f.ops(), [release()]);
        assert_eq!(f.advertised(), [del("bond1")]);
    }

    /// 9.6, second row.
    #[test]
    fn without_a_peer_link_an_address_that_waited_is_dropped() {
        let mut f = server();
        f.change(|ports| ports.peer_link = None);
        f.learn("bond1").advertised();
        down(&mut f, "bond1");
        assert_eq!(f.ops(), [forget()]);
        up(&mut f, "bond1");
        assert_eq!(f.advertised(), [del("bond1")]);
        assert_eq!(f.ops(), [forget()]);
        assert!(f.fdb.is_empty());
    }

    /// 9.7, rule 2, with the peer link down.
    #[test]
    fn an_address_that_waits_is_remembered_while_the_peer_link_is_down() {
        let mut f = server();
        f.change(|ports| ports.peer_link_down = true);
        f.learn("bond1").advertised();
        down(&mut f, "bond1");
        assert_eq!((f.ops(), f.advertised()), (vec![forget()], vec![]));
        f.change(|ports| ports.peer_link_down = false);
        assert_eq!(f.ops(), [tracked("peerlink")]);
    }

    /// 9.7, rule 3: nobody else sees it; 9.13: down on both.
    #[test]
    fn a_port_that_is_lost_on_both_takes_its_addresses_with_it() {
        let mut f = server();
        at_peer(&mut f, "bond1", false);
        f.learn("bond1").advertised();
        down(&mut f, "bond1");
        assert_eq!(f.advertised(), [del("bond1")]);
        assert_eq!(f.ops(), [forget()]);
        assert!(f.fdb.is_empty());
        // Likewise if the peer loses its own afterwards.
        let mut f = server();
        f.learn("bond1").advertised();
        down(&mut f, "bond1");
        f.ops();
        at_peer(&mut f, "bond1", false);
        assert_eq!(f.ops(), [release()]);
        assert_eq!(f.advertised(), [del("bond1")]);
        assert!(f.fdb.is_empty());
    }

    /// 9.7, after 600 s. The peer is told here, where SONiC leaves it with an entry that never ages.
    #[test]
    fn an_address_that_has_waited_for_ten_minutes_is_dropped() {
        let mut f = server();
        f.learn("bond1").advertised();
        down(&mut f, "bond1");
        f.ops();
        f.change(|ports| ports.down.insert(port("bond1"), Outage::Long));
        assert_eq!(f.ops(), [release()]);
        assert_eq!(f.advertised(), [del("bond1")]);
        assert!(f.fdb.is_empty());
        // What is reported on it even later is not kept for another ten.
        f.learn("bond1");
        assert_eq!(f.ops(), [forget()]);
        assert!(f.fdb.is_empty());
    }

    /// 9.7 and 9.14.
    #[test]
    fn a_configured_address_survives_its_port() {
        let mut f = server();
        configured(&mut f, "bond1");
        f.advertised();
        down(&mut f, "bond1");
        assert_eq!(f.ops(), [fixed("peerlink")]);
        f.change(|ports| ports.down.insert(port("bond1"), Outage::Long));
        assert_eq!(f.ops(), [release()]);
        assert_eq!(f.fdb.len(), 1);
        up(&mut f, "bond1");
        assert_eq!(f.ops(), [], "configured as it was");
        assert_eq!(f.advertised(), [], "and the peer knows it still or again");
    }

    /// 9.14.
    #[test]
    fn a_configured_address_is_told_as_one_and_withdrawn() {
        let mut f = server();
        configured(&mut f, "swp10");
        let batch = f.fdb.next_advertisements(9);
        assert_eq!(batch[0].kind, MacType::Static);
        assert_eq!(
            f.observation(Observation::Aged).advertised(),
            [del("swp10")]
        );
    }

    /// 9.8.
    #[test]
    fn what_the_peer_saw_on_a_port_it_lost_ages_here_and_is_told() {
        let mut f = server();
        f.peer(EntryOp::Add, "bond1").ops();
        at_peer(&mut f, "bond1", false);
        assert_eq!(f.ops(), [ageing("bond1")]);
        assert_eq!(f.advertised(), [add("bond1")]);
        // What the peer answers (9.5, rule 1) ends what it said before.
        f.peer(EntryOp::Delete, "bond1");
        assert_eq!((f.ops(), f.advertised()), (vec![], vec![]));
        f.observation(Observation::Aged);
        assert_eq!(f.ops(), [release()]);
    }

    /// 9.8: what both see is left alone, and so is what cannot be reached here either.
    #[test]
    fn a_port_lost_at_the_peer_concerns_only_what_the_peer_alone_saw() {
        let mut f = server();
        f.learn("bond1").peer(EntryOp::Add, "bond1").advertised();
        at_peer(&mut f, "bond1", false);
        assert_eq!((f.ops(), f.advertised()), (vec![], vec![]));
        let mut f = server();
        f.peer(EntryOp::Add, "bond1").ops();
        down(&mut f, "bond1");
        at_peer(&mut f, "bond1", false);
        assert_eq!(f.ops(), [tracked("peerlink")]);
        assert_eq!(f.advertised(), []);
    }

    /// 9.11: entries behind the peer link.
    #[test]
    fn a_peer_link_that_is_lost_takes_its_entries_out_and_back() {
        let mut f = server();
        f.peer(EntryOp::Add, "swp11").ops();
        f.change(|ports| ports.peer_link_down = true);
        assert_eq!(f.ops(), [release()]);
        assert_eq!(f.advertised(), []);
        f.change(|ports| ports.peer_link_down = false);
        assert_eq!(f.ops(), [tracked("peerlink")]);
        // Those that wait as well.
        let mut f = server();
        f.learn("bond1").advertised();
        down(&mut f, "bond1");
        f.ops();
        f.change(|ports| ports.peer_link_down = true);
        assert_eq!(f.ops(), [release()]);
        assert_eq!(f.advertised(), [], "not unless pending");
        f.change(|ports| ports.peer_link_down = false);
        assert_eq!(f.ops(), [tracked("peerlink")]);
    }

    /// 9.12, and W-16: what was told as an orphan's is told anew.
    #[test]
    fn a_port_that_joins_the_domain_is_looked_at_again() {
        let mut f = server();
        f.change(|ports| ports.mlag.remove(&port("bond1")));
        f.learn("bond1");
        assert_eq!(f.advertised(), [add("bond1")]);
        let other = FdbKey {
            mac: Mac([2, 0, 0, 0, 0, 8]),
            ..KEY
        };
        let entry = MacEntry {
            op: EntryOp::Add,
            kind: MacType::Dynamic,
            mac: other.mac,
            vid: other.vid,
            port: port("bond1"),
        };
        f.fdb.remote_entry(&entry, false);
        let on = |name: &str| {
            let (port, kind) = (port(name), FdbKind::Tracked);
            let want = FdbWant { port, kind };
            Op::Fdb { key: other, want }
        };
        assert_eq!(f.ops(), [on("peerlink")]);
        f.change(|ports| ports.mlag.insert(port("bond1")));
        assert_eq!(f.ops(), [on("bond1")]);
        assert_eq!(f.advertised(), [add("bond1")]);
    }

    #[test]
    fn an_address_that_goes_before_its_port_was_told_to_have_joined_is_withdrawn() {
        let mut f = server();
        f.change(|ports| ports.mlag.remove(&port("bond1")));
        assert_eq!(f.learn("bond1").advertised(), [add("bond1")]);
        f.change(|ports| ports.mlag.insert(port("bond1")));
        assert_eq!(
            f.observation(Observation::Aged).advertised(),
            [del("bond1")]
        );
    }

    /// 9.12.
    #[test]
    fn a_port_that_leaves_the_domain_is_an_orphan() {
        let mut f = server();
        f.peer(EntryOp::Add, "bond1").ops();
        f.change(|ports| ports.mlag.remove(&port("bond1")));
        assert_eq!(f.ops(), [tracked("peerlink")]);
        // Seen on both: by way of the peer until the host speaks here.
        let mut f = server();
        f.learn("bond1").peer(EntryOp::Add, "bond1").advertised();
        f.change(|ports| ports.mlag.remove(&port("bond1")));
        assert_eq!(f.ops(), [tracked("peerlink")]);
        assert_eq!(f.advertised(), [del("bond1")]);
        f.learn("bond1");
        assert_eq!(f.ops(), [release()]);
        assert_eq!(f.advertised(), [add("bond1")]);
        // Seen here alone: it stays what it is.
        let mut f = server();
        f.learn("bond1").advertised();
        f.change(|ports| ports.mlag.remove(&port("bond1")));
        assert_eq!((f.ops(), f.advertised()), (vec![], vec![]));
    }
}

mod sessions {
    use super::*;

    /// 9.9, first row.
    #[test]
    fn a_session_that_is_lost_takes_what_is_behind_the_peer_link() {
        let mut f = server();
        f.peer(EntryOp::Add, "swp11").ops();
        f.fdb.session_down(true);
        assert_eq!(f.ops(), [release()]);
        assert!(f.fdb.is_empty());
        let mut f = server();
        f.learn("bond1").advertised();
        down(&mut f, "bond1");
        f.ops();
        f.fdb.session_down(true);
        assert_eq!(f.ops(), [release()], "pending");
        assert!(f.fdb.is_empty());
    }

    /// 9.9, the other rows.
    #[test]
    fn what_was_on_an_mlag_port_when_the_session_is_lost_stays_there_and_ages() {
        let mut f = server();
        f.learn("bond1").peer(EntryOp::Add, "bond1").advertised();
        f.fdb.session_down(true);
        assert_eq!(f.ops(), [], "seen by both");
        assert_eq!(f.fdb.counts().local, 1);
        let mut f = server();
        f.peer(EntryOp::Add, "bond1").ops();
        f.fdb.session_down(true);
        assert_eq!(f.ops(), [ageing("bond1")], "seen by the peer");
        assert_eq!(f.fdb.counts().local, 1);
        let mut f = server();
        f.learn("bond1").advertised();
        f.fdb.session_down(true);
        assert_eq!(f.ops(), [], "seen here");
    }

    /// As by default: the peer's dataplane probably goes on.
    #[test]
    fn a_session_that_is_lost_changes_nothing_while_it_may_come_back() {
        let mut f = server();
        f.peer(EntryOp::Add, "swp11").ops();
        f.fdb.session_down(false);
        assert_eq!(f.ops(), []);
        f.fdb.session_down(true);
        assert_eq!(f.ops(), [release()]);
    }

    /// 9.10.
    #[test]
    fn a_new_session_hears_of_everything_that_is_seen_here() {
        let mut f = server();
        f.learn("bond1").advertised();
        f.fdb.session_down(false);
        f.fdb.session_up(false);
        assert_eq!(f.advertised(), [add("bond1")]);
        f.observation(Observation::Aged).peer(EntryOp::Add, "bond1");
        f.advertised();
        f.fdb.session_down(false);
        f.fdb.session_up(false);
        assert_eq!(f.advertised(), [], "seen by the peer alone");
    }

    /// `spec/behaviour.md` 14.6: everything that was programmed.
    #[test]
    fn a_server_that_is_back_is_told_everything_that_is_installed() {
        let mut f = server();
        f.peer(EntryOp::Add, "bond1").ops();
        at_peer(&mut f, "bond1", false);
        assert_eq!(f.ops(), [ageing("bond1")]);
        f.fdb.syncd_up();
        f.fdb.complete();
        f.fdb.local_listing_begins(Time::ZERO);
        f.fdb.local_listing_ends();
        let begin = Op::SnapshotBegin(Section::Fdb);
        let end = Op::SnapshotEnd(Section::Fdb);
        assert_eq!(f.ops(), [begin, ageing("bond1"), end]);
    }

    #[test]
    fn a_dataplane_that_tracks_takes_over_with_its_own_observations() {
        let mut f = server();
        f.learn("bond1").advertised();
        down(&mut f, "bond1");
        assert_eq!(f.ops(), [tracked("peerlink")]);
        f.change(|ports| ports.unreported = false);
        assert_eq!(f.ops(), [release()]);
        assert_eq!(f.advertised(), [del("bond1")]);
    }
}

/// 9.13, the rows for one dynamic address, as states of the ports and who saw the host last.
#[test]
fn truth_table() {
    // (here, there, local port, remote port, peer link, what is installed)
    let cases = [
        (true, true, true, true, true, None),
        (true, false, true, true, true, None),
        (false, true, true, true, true, Some(tracked("bond1"))),
        (false, true, true, true, false, Some(tracked("bond1"))),
        (false, true, true, false, true, Some(ageing("bond1"))),
        (false, true, false, true, true, Some(tracked("peerlink"))),
        (true, true, false, true, true, Some(tracked("peerlink"))),
        (true, false, false, true, true, Some(tracked("peerlink"))),
        (true, true, false, true, false, None),
        (false, true, false, true, false, None),
        (true, false, false, false, true, None),
    ];
    for (here, there, local, remote, link, want) in cases {
        let mut f = server();
        if there {
            f.peer(EntryOp::Add, "bond1");
        }
        if here {
            f.learn("bond1");
        }
        f.change(|ports| {
            if !local {
                ports.down.insert(port("bond1"), Outage::Fresh);
            }
            ports.at_peer.insert(port("bond1"), remote);
            ports.peer_link_down = !link;
        });
        f.ops();
        let wanted = f.fdb.table.get(&KEY).and_then(|entry| entry.programmed);
        let wanted = wanted.map(|want| Op::Fdb { key: KEY, want });
        let case = (here, there, local, remote, link);
        assert_eq!(wanted, want, "{case:?}");
    }
}
