//! Single events, told one at a time.

use super::world::{At, LEGACY_ORPHAN, Place, Setup, World};
use super::{App, Family, Settings};
use crate::world::{BONDS, ORPHAN, PEER_LINK, host, lag, name};
use iccp_core::{Input, Notice, OnLoss};
use mclag_proto::ctl::{Conflict, Warning};
use mclag_proto::iccp::{Body, ConfigFlag, Message, PortState, RgId, Status, Tlv};
use mclag_proto::sync::model::FdbKey;
use mclag_proto::{AggregatorId, IfName, Mac, Vid};
use std::net::Ipv4Addr;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

const SONIC: Setup = Setup {
    family: Family::Sonic,
    active: true,
    on_loss: OnLoss::Release,
    foreign_server: false,
};

const LINUX: Setup = Setup {
    family: Family::LinuxMclag,
    ..SONIC
};

fn sonic() -> impl Iterator<Item = Setup> {
    let all = Setup::all().into_iter();
    all.filter(|setup| setup.family == Family::Sonic)
}

fn held(world: &World) -> bool {
    world.kernel.held.contains(&name(BONDS[0]))
}

fn isolated(world: &World) -> [bool; 2] {
    let port = name(BONDS[0]);
    [
        world.kernel.isolated.contains(&port),
        world.plane.isolated.contains(&port),
    ]
}

fn is_state(tlv: &Tlv, up: bool) -> bool {
    matches!(tlv, Tlv::AggregatorState(state) if state.state.is_up() == up)
}

fn is_purge(tlv: &Tlv) -> bool {
    matches!(tlv, Tlv::AggregatorConfig(config) if config.flag == ConfigFlag::Purge)
}

#[test]
fn both_families_come_into_step_with_us_in_both_roles() {
    for setup in Setup::all() {
        let world = World::settled(setup);
        assert_eq!(world.kernel.isolated.len(), 2, "{setup:?}");
        assert_eq!(world.plane.isolated.len(), 2, "{setup:?}");
        assert!(world.kernel.held.is_empty() && world.plane.disabled.is_empty());
    }
}

/// `spec/iccp.md` 7: what each side says until both are synchronised, apart from heartbeats.
#[test]
fn the_bring_up_is_said_in_the_order_of_the_specification() {
    fn kinds(world: &World, at: At) -> String {
        let said = world.said.iter().filter(|(who, _)| *who == at);
        let letters = said.map(|(_, tlv)| match tlv {
            Tlv::SyncRequest { .. } => 'R',
            Tlv::SyncData { end: false, .. } => '(',
            Tlv::SyncData { end: true, .. } => ')',
            Tlv::SystemConfig(_) => 's',
            Tlv::AggregatorConfig(_) => 'c',
            Tlv::AggregatorState(_) => 'u',
            Tlv::PortChannelInfo(_) => 'i',
            Tlv::PeerLinkInfo(_) => 'l',
            Tlv::InterfaceUpAck(_) => 'a',
            Tlv::Extension(_) => 'e',
            _ => '?',
        });
        letters.collect()
    }
    for setup in Setup::all() {
        let world = World::settled(setup);
        let ours = kinds(&world, At::Us);
        let want = if setup.active {
            "e(sccuuiil)Ruu"
        } else {
            "eR(sccuuiil)uu"
        };
        assert_eq!(ours.replace('a', ""), want, "{setup:?}");
        let acks = if setup.family == Family::Sonic { 2 } else { 0 };
        assert_eq!(ours.matches('a').count(), acks, "{setup:?}");
        assert_eq!(world.legacy.as_ref().unwrap().discarded, 0, "{setup:?}");
    }
}

/// `spec/iccp.md` 7: the port that appeared last comes first.
#[test]
fn ports_are_listed_the_latest_first() {
    let mut world = World::settled(SONIC);
    // bond1 is taken out of the kernel and comes back.
    let mut link = lag(0, BONDS[0]);
    world.feed(Input::LinkGone { index: link.index });
    world.run_for(SECOND);
    assert_eq!(world.said_by(At::Us, is_purge), 1);
    link.index += 100;
    world.feed(Input::Link(link));
    world.run_for(SECOND);
    world.said.clear();
    world.kill_legacy();
    world.start_legacy();
    world.run_for(SECOND * 3);
    let said = world.said.iter().filter_map(|(at, tlv)| match tlv {
        Tlv::AggregatorConfig(config) if *at == At::Us => Some(config.name.to_string()),
        _ => None,
    });
    assert_eq!(said.collect::<Vec<_>>(), [BONDS[0], BONDS[1]]);
}

/// `spec/iccp.md` 4.13, `spec/behaviour.md` 8.3.
#[test]
fn a_leg_of_ours_that_returns_is_held_until_sonic_has_isolated_and_acknowledged() {
    for setup in sonic() {
        let mut world = World::settled(setup);
        world.set_bond(At::Us, 0, false);
        world.run_for(SECOND);
        assert_eq!(
            isolated(&world),
            [true, false],
            "frames from us leave there"
        );
        assert!(held(&world));
        world.set_bond(At::Us, 0, true);
        assert!(held(&world));
        world.run_for(SECOND / 2);
        assert_eq!(isolated(&world), [true, true]);
        assert!(!held(&world), "{setup:?}");
        let timeout = |notice: &Notice| matches!(notice, Notice::AckTimeout { .. });
        assert!(!world.notices.iter().any(timeout));
    }
}

/// `spec/iccp.md` 4.3: or the peer leaves a recovered LAG blocked.
#[test]
fn a_leg_of_sonics_that_returns_gets_its_acknowledgement() {
    for setup in sonic() {
        let mut world = World::settled(setup);
        let port = name(BONDS[0]);
        world.set_bond(At::Legacy, 0, false);
        world.run_for(SECOND);
        assert!(world.plane.disabled.contains(&port));
        assert_eq!(isolated(&world), [false, true]);
        world.set_bond(At::Legacy, 0, true);
        world.run_for(SECOND / 2);
        assert!(!world.plane.disabled.contains(&port), "{setup:?}");
        assert_eq!(isolated(&world), [true, true]);
    }
}

/// A foreign server takes its time, and the peer opens its port at our word.
#[test]
fn an_acknowledgement_gives_a_foreign_server_time() {
    for setup in sonic() {
        let mut world = World::settled(Setup {
            foreign_server: true,
            ..setup
        });
        let port = name(BONDS[0]);
        world.set_bond(At::Legacy, 0, false);
        world.run_for(SECOND);
        assert_eq!(isolated(&world), [false, true]);
        world.set_bond(At::Legacy, 0, true);
        for _ in 0..500 {
            world.run_for(Duration::from_millis(1));
            let open = !world.plane.disabled.contains(&port);
            assert!(!open || isolated(&world)[0], "{setup:?}");
        }
        assert!(!world.plane.disabled.contains(&port), "{setup:?}");
    }
}

#[test]
fn an_acknowledgement_waits_for_our_dataplane() {
    for setup in sonic() {
        let mut world = World::settled(setup);
        let port = name(BONDS[0]);
        world.set_bond(At::Legacy, 0, false);
        world.run_for(SECOND);
        world.kill_syncd();
        world.set_bond(At::Legacy, 0, true);
        world.run_for(SECOND * 5);
        assert!(
            world.plane.disabled.contains(&port),
            "not isolated, not acknowledged"
        );
        world.start_syncd();
        world.run_for(SECOND);
        assert!(!world.plane.disabled.contains(&port));
    }
}

/// A leg that flaps between two turns of its loop: sonic says "up" twice and was down meanwhile.
#[test]
fn a_flap_that_sonic_reports_as_up_only_is_acknowledged() {
    for setup in sonic() {
        let mut world = World::settled(setup);
        world.set_bond(At::Legacy, 0, false);
        world.set_bond(At::Legacy, 0, true);
        assert!(world.plane.disabled.contains(&name(BONDS[0])));
        world.run_for(SECOND);
        assert_eq!(world.said_by(At::Legacy, |tlv| is_state(tlv, false)), 0);
        assert!(world.plane.disabled.is_empty(), "{setup:?}");
    }
}

/// `spec/iccp.md` 4.3: "even for an unknown id".
#[test]
fn a_port_that_only_sonic_has_is_acknowledged_too() {
    let mut world = World::settled(SONIC);
    world.configure(|config| {
        config.ports.remove(&name(BONDS[0]));
    });
    world.run_for(SECOND);
    world.set_bond(At::Legacy, 0, false);
    world.run_for(SECOND);
    world.set_bond(At::Legacy, 0, true);
    world.run_for(SECOND);
    assert!(world.plane.disabled.is_empty());
}

/// W-12, and 14.1: SONiC's intermediate generation never acknowledges although it looks the same.
#[test]
fn a_sonic_that_never_acknowledges_is_asked_again_and_then_no_longer_waited_for() {
    let mut world = World::settled_with(SONIC, |settings| settings.mute = true);
    world.set_bond(At::Us, 0, false);
    world.run_for(SECOND);
    world.said.clear();
    world.set_bond(At::Us, 0, true);
    world.run_for(SECOND * 4);
    assert!(held(&world));
    // At once, and after 1 s and 3 s.
    assert_eq!(world.said_by(At::Us, |tlv| is_state(tlv, true)), 3);
    world.run_for(SECOND * 2);
    assert!(!held(&world));
}

/// `spec/behaviour.md` 3.1: it isolates 3 s after the last change and says nothing.
#[test]
fn a_leg_that_returns_beside_linux_mclag_carries_data_when_that_has_isolated_its_own() {
    for setup in Setup::all() {
        if setup.family == Family::Sonic {
            continue;
        }
        let mut world = World::settled(setup);
        world.set_bond(At::Us, 0, false);
        world.run_for(SECOND * 5);
        assert_eq!(isolated(&world), [true, false]);
        world.said.clear();
        world.set_bond(At::Us, 0, true);
        for _ in 0..60 {
            world.run_for(SECOND / 10);
            assert!(held(&world) || isolated(&world)[1], "{setup:?}");
        }
        assert!(!held(&world), "{setup:?}");
        assert_eq!(world.said_by(At::Us, |tlv| is_state(tlv, true)), 1);
        let timeout = |notice: &Notice| matches!(notice, Notice::AckTimeout { .. });
        assert!(
            !world.notices.iter().any(timeout),
            "nothing was to be expected"
        );
    }
}

#[test]
fn the_only_leg_of_a_host_is_not_held_for_a_peer_that_does_not_acknowledge() {
    let mut world = World::settled(LINUX);
    world.set_bond(At::Legacy, 0, false);
    world.set_bond(At::Us, 0, false);
    world.run_for(SECOND * 5);
    world.set_bond(At::Us, 0, true);
    world.run_for(SECOND / 10);
    assert!(!held(&world));
}

/// A connection to `syncd` that is lost takes no isolation back, so what the peer waits for is true; nothing else
/// is said of it.
#[test]
fn a_peer_of_theirs_hears_that_isolation_stands_while_nobody_is_here_to_change_it_and_no_more() {
    for setup in sonic() {
        let mut world = World::settled(setup);
        world.kill_syncd();
        world.set_bond(At::Legacy, 0, false);
        world.run_for(SECOND * 4);
        assert!(isolated(&world)[0], "{setup:?}");
        world.said.clear();
        world.set_bond(At::Legacy, 0, true);
        world.run_for(SECOND * 2);
        assert!(world.plane.disabled.is_empty(), "{setup:?}");
        let is_extension = |tlv: &Tlv| matches!(tlv, Tlv::Extension(_));
        assert_eq!(world.said_by(At::Us, is_extension), 0, "{setup:?}");
    }
}

/// `spec/iccp.md` 10.1, 10.2.
#[test]
fn hosts_are_known_on_both_sides_and_forgotten_when_neither_sees_them() {
    for setup in sonic() {
        let mut world = World::settled(setup);
        for (number, place, at) in [
            (1, Place::Orphan(At::Us), At::Us),
            (2, Place::Orphan(At::Legacy), At::Legacy),
            (3, Place::Bond(0), At::Us),
            (4, Place::Bond(1), At::Legacy),
        ] {
            world.speak(place, at, host(number));
        }
        world.run_for(SECOND);
        let here = [ORPHAN, PEER_LINK, BONDS[0], BONDS[1]];
        let there = [PEER_LINK, LEGACY_ORPHAN, BONDS[0], BONDS[1]];
        for (number, (here, there)) in (1..).zip(here.into_iter().zip(there)) {
            assert_eq!(world.port_here(host(number)).as_deref(), Some(here));
            assert_eq!(world.port_there(host(number)).as_deref(), Some(there));
        }
        for number in 1..5 {
            for at in At::BOTH {
                world.age(at, host(number));
            }
        }
        world.run_for(SECOND);
        assert!(world.kernel.fdb.is_empty() && world.plane.fdb.is_empty());
    }
}

/// Invariant 6.
#[test]
fn a_host_that_moves_is_followed_in_both_directions() {
    for setup in sonic() {
        let mut world = World::settled(setup);
        let key = host(1);
        for (at, place, here, there) in [
            (At::Us, Place::Orphan(At::Us), ORPHAN, PEER_LINK),
            (
                At::Legacy,
                Place::Orphan(At::Legacy),
                PEER_LINK,
                LEGACY_ORPHAN,
            ),
            (At::Us, Place::Bond(0), BONDS[0], BONDS[0]),
            (At::Us, Place::Orphan(At::Us), ORPHAN, PEER_LINK),
            (At::Legacy, Place::Bond(1), BONDS[1], BONDS[1]),
        ] {
            world.speak(place, at, key);
            world.run_for(SECOND / 2);
            assert_eq!(world.port_here(key).as_deref(), Some(here), "{place:?}");
            assert_eq!(world.port_there(key).as_deref(), Some(there), "{place:?}");
        }
    }
}

/// 100 addresses: batches of 30 for sonic, one each for linux-mclag; `Pipe` insists on it.
#[test]
fn many_addresses_go_in_batches_a_legacy_daemon_takes() {
    for setup in Setup::all() {
        let mut world = World::settled(setup);
        for number in 0..100 {
            let mac = Mac([2, 0, 0, 0, 2, number]);
            let vid = Vid::DEFAULT;
            world.frame(At::Us, BONDS[0], FdbKey { vid, mac });
        }
        world.run_for(SECOND * 2);
        assert_eq!(world.plane.fdb.len(), 100, "{setup:?}");
    }
}

/// `spec/iccp.md` 9.2, `spec/behaviour.md` 6.6, 13.1.
#[test]
fn strict_sonic_gives_everything_up_with_the_session() {
    for active in [true, false] {
        let mut world = World::settled(Setup { active, ..SONIC });
        world.frame(At::Legacy, LEGACY_ORPHAN, host(1));
        world.set_bond(At::Us, 1, false);
        world.run_for(SECOND);
        assert_eq!(world.port_here(host(1)).as_deref(), Some(PEER_LINK));
        world.kill_legacy();
        world.run_for(SECOND);
        assert!(world.kernel.isolated.is_empty());
        assert!(world.kernel.held.is_empty());
        assert_eq!(world.port_here(host(1)), None);
        let own = world.config.node_mac;
        for mac in world.kernel.system_macs.values() {
            assert_eq!(*mac, own, "the standby is itself again");
        }
        let learning = world.syncd.as_ref().and_then(|syncd| syncd.domain).unwrap();
        assert!(!learning.peer_link_learning, "stays off (6.6)");
        world.set_bond(At::Us, 1, true);
        world.start_legacy();
        world.run_for(SECOND * 5);
        assert!(world.synchronised());
        assert_eq!(world.kernel.isolated.len(), 2);
    }
}

/// `spec/behaviour.md` 14.2, W-23.
#[test]
fn a_warm_reboot_of_sonic_changes_nothing_for_ninety_seconds_and_then_is_a_loss() {
    for active in [true, false] {
        for returns in [true, false] {
            let mut world = World::settled(Setup { active, ..SONIC });
            world.frame(At::Legacy, LEGACY_ORPHAN, host(1));
            world.run_for(SECOND);
            let before = (
                world.kernel.isolated.clone(),
                world.kernel.fdb.clone(),
                world.kernel.system_macs.clone(),
            );
            world.legacy_warm_reboot();
            world.run_for(SECOND * 88);
            let during = (
                world.kernel.isolated.clone(),
                world.kernel.fdb.clone(),
                world.kernel.system_macs.clone(),
            );
            assert_eq!(during, before);
            if returns {
                world.start_legacy();
                world.run_for(SECOND * 60);
                assert!(world.synchronised());
                assert_eq!(world.kernel.isolated, before.0);
            } else {
                world.run_for(SECOND * 3);
                assert!(world.kernel.isolated.is_empty());
                assert_eq!(world.port_here(host(1)), None);
            }
        }
    }
}

#[test]
fn a_warm_reboot_that_was_announced_and_not_begun_counts_no_longer_after_ninety_seconds() {
    let mut world = World::settled(SONIC);
    world.receive(Tlv::WarmBoot);
    world.run_for(SECOND * 91);
    assert!(world.synchronised());
    world.kill_legacy();
    world.run_for(SECOND);
    assert!(world.kernel.isolated.is_empty(), "an ordinary loss");
}

/// `spec/behaviour.md` 14.1: the peer is told, and then nothing changes on either side.
#[test]
fn our_own_warm_reboot_leaves_both_dataplanes_as_they_are() {
    for setup in sonic() {
        let mut world = World::settled(setup);
        world.frame(At::Us, ORPHAN, host(1));
        world.run_for(SECOND);
        let before = (world.kernel.isolated.clone(), world.plane.isolated.clone());
        world.feed(Input::WarmReboot);
        world.feed(Input::Stop { leave: true });
        world.run_for(SECOND / 10);
        world.kill_us();
        world.run_for(SECOND * 60);
        assert_eq!(world.said_by(At::Us, |tlv| *tlv == Tlv::WarmBoot), 1);
        assert_eq!(world.kernel.isolated, before.0, "{setup:?}");
        assert_eq!(world.plane.isolated, before.1, "{setup:?}");
        assert_eq!(world.port_there(host(1)).as_deref(), Some(PEER_LINK));
        world.start_us();
        world.run_for(SECOND * 5);
        assert!(world.synchronised());
    }
}

/// `spec/iccp.md` 3.3: "Do not send it on shutdown"; 9.4: no NAK and no purge either.
#[test]
fn a_stop_is_no_more_than_the_end_of_the_connection_for_a_legacy_daemon() {
    for setup in Setup::all() {
        let mut world = World::settled(setup);
        world.said.clear();
        world.feed(Input::Stop { leave: true });
        world.run_for(SECOND / 10);
        assert_eq!(world.said_by(At::Us, |_| true), 0, "{setup:?}");
        assert!(!world.legacy.as_ref().unwrap().connected());
        assert!(world.kernel.isolated.is_empty());
    }
}

/// `spec/iccp.md` 9.1: 16 s after the last byte of any message, and back within seconds.
#[test]
fn a_wire_that_swallows_everything_ends_the_session_on_both_sides_and_heals() {
    for setup in Setup::all() {
        let mut world = World::settled(setup);
        world.stall();
        world.run_for(SECOND * 13);
        assert!(world.synchronised(), "{setup:?}");
        world.run_for(SECOND * 6);
        assert!(!world.synchronised(), "{setup:?}");
        assert_eq!(world.legacy.as_ref().unwrap().app(), App::Init);
        world.unstall();
        world.run_for(SECOND * 5);
        assert!(world.synchronised(), "{setup:?}");
    }
}

/// `spec/iccp.md` 9.1: intervals are its own affair; an interval of 3 s makes a period of 4 s.
#[test]
fn other_intervals_at_the_peer_are_tolerated() {
    for setup in sonic() {
        let slow = |settings: &mut Settings| (settings.keepalive, settings.timeout) = (3, 3);
        let mut world = World::started(setup, slow);
        world.configure(|config| {
            config.keepalive = SECOND * 3;
            config.session_timeout = SECOND * 3;
        });
        world.run_for(SECOND * 60);
        assert!(world.synchronised(), "{setup:?}");
        assert_eq!(world.legacy.as_ref().unwrap().sessions, 1, "{setup:?}");
    }
}

/// `spec/iccp.md` 8: refused, not in a tight loop; and synchronised once the groups agree.
#[test]
fn a_legacy_daemon_of_another_group_is_refused_now_and_then() {
    for setup in Setup::all() {
        let mut world = World::started(setup, |settings| settings.rg = RgId(2));
        world.run_for(SECOND * 60);
        // Who is refused by the other first says nothing of its own group any more.
        let naks = world.legacy.as_ref().unwrap().group_naks;
        assert!(naks <= 6, "{setup:?}: {naks}");
        let refused = |notice: &&Notice| matches!(notice, Notice::Refused { .. });
        let lines = world.notices.iter().filter(refused).count();
        assert!(lines <= 6, "{setup:?}: {lines} lines");
        world.kill_legacy();
        world.settings.rg = RgId(1);
        world.start_legacy();
        world.run_for(SECOND * 20);
        assert!(world.synchronised(), "{setup:?}");
    }
}

/// `spec/behaviour.md` W-7, `spec/iccp.md` 7.3.
#[test]
fn a_legacy_daemon_that_asks_again_in_exchange_gets_everything_and_nothing_changes() {
    for setup in Setup::all() {
        let mut world = World::settled(setup);
        world.said.clear();
        world.receive(Tlv::SyncRequest { number: 7 });
        world.run_for(SECOND);
        assert!(world.synchronised());
        let end = Tlv::SyncData {
            number: 7,
            end: true,
        };
        assert_eq!(world.said_by(At::Us, |tlv| *tlv == end), 1, "{setup:?}");
    }
}

/// `spec/iccp.md` 7.3, 8: what it would ask for everything after, and end in ERROR.
#[test]
fn nothing_that_a_peer_says_makes_us_reject_it_or_ask_again() {
    for setup in Setup::all() {
        let mut world = World::settled(setup);
        let requests = world.said_by(At::Us, |tlv| matches!(tlv, Tlv::SyncRequest { .. }));
        for body in [
            Body::Notification {
                rg: RgId(1),
                status: Status::REJECTED,
                rejected: 1,
            },
            Body::Notification {
                rg: RgId(1),
                status: Status::UNKNOWN_RG,
                rejected: 3,
            },
            Body::Unknown { kind: 0x777 },
        ] {
            world.feed(Input::PeerMessage(Message { id: 9, body }));
        }
        for tlv in [
            Tlv::Unknown { kind: 0x1037 },
            Tlv::AggregatorConfig(mclag_proto::iccp::AggregatorConfig {
                id: AggregatorId(77),
                name: name("bond77"),
                mac: Mac::ZERO,
                flag: ConfigFlag::Purge,
            }),
            Tlv::AggregatorState(mclag_proto::iccp::AggregatorState {
                id: AggregatorId(78),
                state: PortState::Up,
            }),
        ] {
            world.receive(tlv);
        }
        world.feed(Input::PeerGarbage {
            reason: "test".into(),
        });
        world.run_for(SECOND);
        assert!(world.synchronised());
        let after = world.said_by(At::Us, |tlv| matches!(tlv, Tlv::SyncRequest { .. }));
        assert_eq!(after, requests, "{setup:?}");
    }
}

/// `spec/iccp.md` 8: the System Config that was refused is said again with another node id,
/// followed by Peer Link Info.
#[test]
fn a_refused_system_config_is_said_again_with_the_node_id_before() {
    let mut world = World::settled(SONIC);
    let id = world.system_config_id.expect("it was said");
    let node = |world: &World| {
        let mut said = world.said.iter().rev();
        said.find_map(|(at, tlv)| match tlv {
            Tlv::SystemConfig(system) if *at == At::Us => Some(system.node.0),
            _ => None,
        })
    };
    let before = node(&world).unwrap();
    world.said.clear();
    let body = Body::Notification {
        rg: RgId(1),
        status: Status::REJECTED,
        rejected: id,
    };
    world.feed(Input::PeerMessage(Message { id: 9, body }));
    assert_eq!(node(&world), Some(before.wrapping_sub(1)));
    assert!(matches!(world.said[1], (At::Us, Tlv::PeerLinkInfo(_))));
}

/// `spec/behaviour.md` E7.
#[test]
fn a_peer_that_disconnects_from_the_group_is_answered_and_gone() {
    for setup in Setup::all() {
        let mut world = World::settled(setup);
        let body = Body::Disconnect {
            rg: RgId(1),
            status: Status::RG_REMOVED,
        };
        world.feed(Input::PeerMessage(Message { id: 9, body }));
        assert!(
            world
                .notices
                .contains(&Notice::ShutdownNotice { leaving: true })
        );
        world.run_for(SECOND / 10);
        assert!(world.kernel.isolated.is_empty(), "{setup:?}");
        world.run_for(SECOND * 5);
        assert!(world.synchronised(), "it came back: {setup:?}");
    }
}

/// `spec/behaviour.md` 12: ports come and go without a new session.
#[test]
fn ports_may_join_and_leave_on_either_side_without_a_new_session() {
    for setup in Setup::all() {
        let mut world = World::settled(setup);
        let port = name(BONDS[0]);
        world.configure(|config| {
            config.ports.remove(&port);
        });
        world.run_for(SECOND);
        assert_eq!(world.said_by(At::Us, is_purge), 1);
        assert!(!world.kernel.isolated.contains(&port));
        assert!(world.kernel.released.contains(&port));
        // Gone and back before anything was said.
        world.configure(|config| {
            config.ports.insert(port);
        });
        world.run_for(SECOND * 5);
        assert_eq!(isolated(&world), [true, true], "{setup:?}");
        world.legacy_detach(0);
        world.run_for(SECOND);
        assert!(!world.kernel.isolated.contains(&port), "W-9");
        world.legacy_attach(0);
        world.run_for(SECOND * 5);
        assert_eq!(isolated(&world), [true, true], "{setup:?}");
        assert_eq!(world.legacy.as_ref().unwrap().sessions, 1, "{setup:?}");
    }
}

/// What the peer said of a port before it was one here is known when it becomes one: a legacy
/// peer may not be asked.
#[test]
fn a_port_that_the_peer_had_first_is_isolated_as_soon_as_it_is_one_here() {
    let mut world = World::started(SONIC, |_| {});
    world.configure(|config| {
        config.ports.remove(&name(BONDS[0]));
    });
    world.run_for(SECOND * 5);
    assert!(!isolated(&world)[0]);
    world.configure(|config| {
        config.ports.insert(name(BONDS[0]));
    });
    world.run_for(SECOND / 100);
    assert!(isolated(&world)[0]);
}

/// `spec/behaviour.md` 12: several changes are one restart.
#[test]
fn another_peer_link_or_address_restarts_the_session_once() {
    for setup in Setup::all() {
        let mut world = World::settled(setup);
        world.configure(|config| {
            config.peer_link = Some(name("peerlink9"));
            config.session_timeout = SECOND * 20;
            config.keepalive = SECOND * 2;
        });
        world.run_for(SECOND * 5);
        assert!(world.synchronised(), "{setup:?}");
        assert_eq!(world.legacy.as_ref().unwrap().sessions, 2);
        let domain = world.syncd.as_ref().and_then(|syncd| syncd.domain).unwrap();
        assert_eq!(domain.peer_link, Some(name("peerlink9")));
    }
}

/// W-5: the role follows the addresses; TCP direction and order of synchronisation with it.
#[test]
fn the_role_is_decided_anew_when_the_addresses_change() {
    for setup in Setup::all() {
        let mut world = World::settled(setup);
        world.configure(|config| std::mem::swap(&mut config.local, &mut config.peer));
        world.kill_legacy();
        world.settings.active = setup.active;
        world.start_legacy();
        world.run_for(SECOND * 5);
        assert!(world.synchronised(), "{setup:?}");
        let role = world.domain.as_ref().unwrap().status(world.now).role;
        assert_eq!(role == mclag_proto::ctl::Role::Primary, !setup.active);
    }
}

/// W-21.
#[test]
fn another_system_mac_is_told_at_once() {
    for setup in Setup::all() {
        let mut world = World::settled(setup);
        world.said.clear();
        let mac = Mac([2, 0, 0, 0, 0x77, 0]);
        world.configure(|config| config.node_mac = mac);
        world.run_for(SECOND);
        assert_eq!(world.legacy.as_ref().unwrap().peer_system, Some(mac));
        assert_eq!(world.legacy.as_ref().unwrap().sessions, 1);
        let adopted = world.kernel.system_macs[&name(BONDS[0])];
        let want = if setup.active {
            mac
        } else {
            world.settings.system_mac
        };
        assert_eq!(adopted, want, "{setup:?}");
        let said: Vec<&Tlv> = world.said.iter().map(|(_, tlv)| tlv).collect();
        let at = said.iter().position(|t| matches!(t, Tlv::SystemConfig(_)));
        assert!(matches!(said[at.unwrap() + 1], Tlv::PeerLinkInfo(_)));
    }
}

/// `spec/mclagsyncd-protocol.md` 12: what linux-mclag calls itself is not what its LACP shows where one is
/// configured there; a SONiC active's LACP shows it, and will never show ours.
#[test]
fn a_configured_system_mac_wins_beside_linux_mclag_and_gives_way_to_a_sonic_active() {
    for setup in Setup::all() {
        let mut world = World::settled(setup);
        let own = Mac([2, 0, 0, 0, 0x77, 1]);
        world.configure(|config| config.system_mac = Some(own));
        world.run_for(SECOND);
        let peers = world.settings.system_mac;
        let used = match (setup.family, setup.active) {
            (Family::Sonic, false) => peers,
            _ => own,
        };
        // A standby of theirs takes on ours.
        let conflict = (!setup.active).then_some(Warning::SystemMacs {
            own,
            peers,
            used: Some(used),
        });
        let check = |world: &World| {
            for (port, mac) in &world.kernel.system_macs {
                assert_eq!(*mac, used, "{setup:?} {port}");
            }
            let status = world.domain.as_ref().unwrap().status(world.now);
            let is_one = |warning: &&Warning| matches!(warning, Warning::SystemMacs { .. });
            assert_eq!(status.warnings.iter().find(is_one), conflict.as_ref());
            assert_eq!(status.system_mac, Some(used));
            let noted = world.notices.iter().filter_map(|notice| match notice {
                Notice::Conflict(noted @ Warning::SystemMacs { .. }) => Some(noted),
                _ => None,
            });
            assert_eq!(
                noted.collect::<Vec<_>>(),
                conflict.iter().collect::<Vec<_>>()
            );
        };
        check(&world);
        world.kill_legacy();
        world.run_for(SECOND * 2);
        world.start_legacy();
        world.run_for(SECOND * 5);
        assert!(world.synchronised());
        check(&world);
    }
}

/// `spec/iccp.md` 4.7, `spec/behaviour.md` 10.5, 15.1.
#[test]
fn layer_three_and_the_first_address_of_a_port_are_told_and_a_difference_is_noted_once() {
    let mut world = World::settled(SONIC);
    world.said.clear();
    let index = lag(0, BONDS[0]).index;
    let addresses = vec![
        "2001:db8::1/64".parse().unwrap(),
        "192.0.2.9/24".parse().unwrap(),
        "192.0.2.8/24".parse().unwrap(),
    ];
    for _ in 0..2 {
        let addresses = addresses.clone();
        world.feed(Input::Addresses { index, addresses });
        world.run_for(SECOND);
    }
    let infos: Vec<_> = world
        .said
        .iter()
        .filter_map(|(at, tlv)| match tlv {
            Tlv::PortChannelInfo(info) if *at == At::Us => Some(info),
            _ => None,
        })
        .collect();
    assert_eq!(infos.len(), 1);
    assert!(infos[0].l3);
    assert_eq!(infos[0].address.to_string(), "192.0.2.9");
    let noted = |notice: &&Notice| matches!(notice, Notice::Conflict(_));
    assert_eq!(world.notices.iter().filter(noted).count(), 1);
    let ports = world.domain.as_ref().unwrap().interfaces(world.now);
    let port = ports
        .iter()
        .find(|port| port.name == name(BONDS[0]))
        .unwrap();
    assert_eq!(
        port.conflicts,
        [
            Conflict::Layer3 { here: true },
            Conflict::Addresses {
                own: Ipv4Addr::new(192, 0, 2, 9),
                peers: Ipv4Addr::UNSPECIFIED,
            },
        ]
    );
}

/// Neighbours of the peer come in the synchronisation and later.
#[test]
fn neighbours_of_a_legacy_daemon_are_taken_in_both_stages() {
    for setup in Setup::all() {
        let mut world = World::started(setup, |_| {});
        let interface = name("vlan10");
        for number in 0..50 {
            let legacy = world.legacy.as_mut().unwrap();
            let mac = Some(host(number).mac);
            legacy.neighbour_event(interface, [192, 0, 2, number].into(), mac);
        }
        world.run_for(SECOND * 10);
        assert!(world.synchronised(), "{setup:?}");
        let legacy = world.legacy.as_mut().unwrap();
        legacy.neighbour_event(interface, [192, 0, 2, 99].into(), Some(host(99).mac));
        world.run_for(SECOND);
        assert!(world.synchronised(), "{setup:?}");
        assert!(world.said_by(At::Legacy, |tlv| matches!(tlv, Tlv::ArpInfo(_))) >= 3);
    }
}

/// Another implementation goes by the names; what number each side gave a port is its own matter
/// (`spec/iccp.md` 4.2, 4.3, 4.14).
#[test]
fn ids_that_only_we_know_of_change_no_pairing_with_a_legacy_daemon() {
    for setup in Setup::all() {
        let mut world = World::settled(setup);
        world.said.clear();
        // Each has the number that the daemon gives the other one's.
        world.configure(|config| {
            let ids = [(BONDS[0], 2), (BONDS[1], 1)];
            config.port_ids = ids.map(|(port, id)| (name(port), AggregatorId(id))).into();
        });
        world.run_for(SECOND * 3);
        let said: Vec<(IfName, u16)> = world
            .said
            .iter()
            .filter_map(|(at, tlv)| match tlv {
                Tlv::AggregatorConfig(config) if *at == At::Us => Some((config.name, config.id.0)),
                _ => None,
            })
            .collect();
        assert!(said.contains(&(name(BONDS[0]), 2)) && said.contains(&(name(BONDS[1]), 1)));
        assert_eq!(said.len(), 2, "{setup:?}: {said:?}");
        for restarted in [false, true] {
            if restarted {
                world.kill_legacy();
                world.start_legacy();
                world.run_for(SECOND * 20);
            }
            assert_eq!(isolated(&world), [true, true], "{setup:?}");
            world.set_bond(At::Legacy, 0, false);
            world.run_for(SECOND * 2);
            assert_eq!(isolated(&world), [false, true], "{setup:?}");
            world.set_bond(At::Legacy, 0, true);
            world.set_bond(At::Us, 1, false);
            world.run_for(SECOND * 8);
            let there = &world.plane.isolated;
            assert!(!there.contains(&name(BONDS[1])), "{setup:?}");
            world.set_bond(At::Us, 1, true);
            world.run_for(SECOND * 8);
            assert_eq!(isolated(&world), [true, true], "{setup:?}");
        }
        let port_id = |tlv: &Tlv| {
            matches!(
                tlv,
                Tlv::Extension(mclag_proto::iccp::ext::Extension::PortId(_))
            )
        };
        assert_eq!(world.said_by(At::Us, port_id), 0);
    }
}
