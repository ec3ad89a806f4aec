//! Schedules of faults, those that failed once among them, and whether what must not happen would be noticed.

use std::time::Duration;

use mclag_proto::Vid;
use mclag_sim::bounds::Kind;
use mclag_sim::kernel::{Duty, Interface, Kernel, ORPHAN, PEER_LINK, TAGGED, bond, member};
use mclag_sim::schedule::{Drawn, Schedule, Step};
use mclag_sim::world::{Options, Place, Process, SIDES, World, key};
use syncd::dataplane::Action;

const OPTIONS: Options = Options {
    seed: 0,
    restart_hold: Duration::from_secs(10),
    session_timeout: Duration::from_secs(3),
    speaks_every: Duration::from_secs(1),
    bypass: true,
    spanning_tree: false,
    static_lags: false,
    starts: [Duration::ZERO; 4],
};

/// Hosts that seldom speak, and all of them LACP.
const QUIET: Options = Options {
    speaks_every: Duration::from_secs(25),
    bypass: false,
    ..OPTIONS
};

/// Chassis.
const A: usize = 0;
const B: usize = 1;

/// Whatever the delays are, and with those that a search drew.
fn held(drawn: u64, steps: &[Step]) {
    held_with(OPTIONS, drawn, steps);
}

fn held_with(options: Options, drawn: u64, steps: &[Step]) {
    for seed in (0..3).chain([drawn]) {
        let schedule = Schedule {
            options: Options { seed, ..options },
            steps: steps.to_vec(),
        };
        let outcome = schedule.run(true);
        let trace = outcome.trace.join("\n");
        assert_eq!(outcome.violation, None, "{schedule}{trace}");
    }
}

#[test]
fn schedules_of_the_first_seeds_hold() {
    for seed in 1..=40 {
        let schedule = Drawn::from_seed(seed).unwrap().schedule();
        let outcome = schedule.run(false);
        assert_eq!(outcome.violation, None, "seed {seed}: {schedule}");
    }
}

/// The peer link is the same one under another name: addresses move to it, and it counts as up without a session.
#[test]
fn a_renamed_peer_link_goes_on_carrying_frames() {
    use Step::{CutWire, Kill, Leg, Move, RenamePeerLink, Start, Wait};
    for side in [A, B] {
        let renamed = RenamePeerLink(side, false);
        held(
            0,
            &[
                renamed,
                Wait(13_000),
                Move(Place::Orphan(1 - side)),
                Wait(13_000),
            ],
        );
        held(
            0,
            &[
                Leg(1 - side, 0, false),
                renamed,
                Wait(13_000),
                CutWire(true),
                Wait(20_000),
            ],
        );
        let restarted = [Kill(side, Process::Syncd), Start(side, Process::Syncd)];
        let back = [RenamePeerLink(side, true), Wait(13_000)];
        held(
            0,
            &[
                &[renamed, Wait(13_000)],
                &restarted[..],
                &[Wait(13_000)],
                &back,
            ]
            .concat(),
        );
    }
}

/// It is the same port under another name, whoever restarts but `iccpd`. After a restart of that the peer has the host alone until
/// the name is back.
#[test]
fn a_renamed_port_goes_on_carrying_frames() {
    use Process::{Iccpd, Syncd};
    use Step::{FlushRules, Kill, Leg, Move, Rename, Start, Wait};
    for side in [A, B] {
        let renamed = [Rename(side, 0, false), Wait(13_000)];
        let back = [Rename(side, 0, true), Wait(13_000)];
        for meanwhile in [
            &[][..],
            &[Kill(side, Syncd), Start(side, Syncd), Wait(13_000)],
            &[
                Leg(side, 0, false),
                Wait(2_000),
                Leg(side, 0, true),
                Wait(13_000),
            ],
            &[FlushRules(side), Move(Place::Bond(0)), Wait(13_000)],
            &[Kill(side, Iccpd), Start(side, Iccpd), Wait(13_000)],
        ] {
            held(0, &[&renamed, meanwhile, &back].concat());
        }
    }
}

/// Hosts leave what carries nothing any more, whoever restarts meanwhile, and come back.
#[test]
fn an_interface_that_an_operator_takes_down_is_left() {
    use Process::{Iccpd, Syncd};
    use Step::{Admin, Kill, Move, Start, Wait};
    for side in [A, B] {
        for interface in [Interface::Port(0), Interface::PeerLink, Interface::Bridge] {
            for meanwhile in [
                &[][..],
                &[Move(Place::Bond(0)), Wait(5_000)],
                &[Kill(side, Iccpd), Start(side, Iccpd), Wait(13_000)],
                &[Kill(side, Syncd), Start(side, Syncd), Wait(13_000)],
            ] {
                let down = [Admin(side, interface, false), Wait(13_000)];
                let up = [Admin(side, interface, true), Wait(13_000)];
                held(0, &[&down, meanwhile, &up].concat());
            }
        }
    }
}

/// Whatever stops first, and whether it takes its chassis out of the pair or leaves everything as it is.
#[test]
fn a_process_that_is_asked_to_stop_doubles_no_frame_and_comes_back() {
    use Process::{Iccpd, Syncd};
    use Step::{Move, Start, Stop, Wait};
    for side in [A, B] {
        for process in [Iccpd, Syncd] {
            for leaves in [false, true] {
                for meanwhile in [
                    &[][..],
                    &[Move(Place::Bond(0)), Wait(5_000)],
                    &[
                        Stop(1 - side, process, false),
                        Start(1 - side, process),
                        Wait(13_000),
                    ],
                ] {
                    let stop = [Stop(side, process, leaves), Wait(20_000)];
                    let start = [Start(side, process), Wait(13_000)];
                    held(0, &[&stop, meanwhile, &start].concat());
                }
            }
        }
    }
}

/// What leaves the pair is a bridge like any other a second later, and the other chassis serves the hosts.
#[test]
fn a_chassis_that_leaves_the_pair_gives_its_hosts_away() {
    for process in [Process::Iccpd, Process::Syncd] {
        let mut world = World::settled(OPTIONS);
        let shown = |world: &World, side: usize| world.chassis[side].kernel.actor(bond(0));
        assert_eq!(shown(&world, A), shown(&world, B));
        world.happen(Step::Stop(A, process, false));
        assert!(world.chassis[A].kernel.is_isolated(bond(0)), "{process:?}");
        world.happen(Step::Start(A, process));
        world.run_for(Duration::from_secs(20));
        world.happen(Step::Stop(A, process, true));
        world.run_for(Duration::from_secs(5));
        assert!(!world.chassis[A].kernel.is_isolated(bond(0)), "{process:?}");
        assert!(!world.chassis[A].kernel.is_held(bond(0)), "{process:?}");
        assert_ne!(shown(&world, A), shown(&world, B), "{process:?}");
        let uses = SIDES.map(|side| world.hosts[0].is_usable(side));
        assert_eq!(uses, [false, true], "{process:?}");
    }
}

/// As on a real one: ports of a bridge that is down take no entry that would age and lose those that were learned, unless
/// they have a backup port.
#[test]
fn a_bridge_that_is_down_has_no_port() {
    let mut world = World::settled(OPTIONS);
    let kernel = &mut world.chassis[A].kernel;
    let entry = |kernel: &Kernel, station| kernel.fdb.get(&key(station)).map(|entry| entry.port);
    assert_eq!(entry(kernel, 0), Some(bond(0)), "behind a bond");
    assert_eq!(entry(kernel, 2), Some(ORPHAN), "behind an orphan port");
    kernel.set_admin(Interface::Bridge.index(), false);
    assert_eq!(entry(kernel, 0), Some(bond(0)), "it has a backup port");
    assert_eq!(entry(kernel, 2), None);
    assert!(kernel.has_carrier(bond(0)), "its members are up");
    assert!(!kernel.accepts(bond(0), Vid::DEFAULT));
    let key = key(2);
    let port = kernel.name_of(ORPHAN).unwrap();
    let install = Action::FdbMakeDynamic { key, port };
    assert!(kernel.apply(&install, world.now).is_err());
    let install = Action::FdbInstall {
        key,
        port,
        active: false,
        sticky: false,
    };
    assert_eq!(kernel.apply(&install, world.now), Ok(()));
}

/// Each is the smallest form of one that a search found.
#[test]
fn schedules_that_failed_once_hold_now() {
    use Process::{Iccpd, Syncd};
    use Step::{
        Blink, Bridge, Cross, FlushRules, Freeze, Kill, Leg, Member, MinLinks, Move, Rename,
        RenamePeerLink, ResetWire, Slow, Start, Stop, Wait,
    };
    let renamed_while = [Kill(A, Syncd), Rename(A, 0, false), Start(A, Syncd)];
    let schedules: &[(u64, &[Step])] = &[
        // The peer did not hear that the other chassis left the pair.
        (0, &[ResetWire, Stop(A, Iccpd, true), Wait(3_995)]),
        // A link that was back before its port was held, which took long just then.
        (
            520500144308984573,
            &[Leg(A, 0, false), Leg(A, 0, true), Slow(A, 2), Wait(3)],
        ),
        // A bond was held before it was read that nothing was held by the filter.
        (
            0,
            &[
                MinLinks(B, 1, 2),
                Wait(4),
                Leg(A, 1, false),
                Freeze(A, Iccpd, true),
                Leg(A, 1, true),
                Wait(4_996),
                FlushRules(A),
            ],
        ),
        // The host behind the other half of a port was touched, too.
        (
            0,
            &[Cross(A, true), Wait(13_500), MinLinks(B, 0, 0), Wait(0)],
        ),
        // It was slow from just after isolation was gone.
        (
            580_132_053_700_089_190,
            &[
                Leg(A, 1, false),
                Rename(B, 0, false),
                Slow(B, 150),
                Wait(151),
            ],
        ),
        // Of the peer link only its name was known, and none was in the filter any more.
        (
            899_031_022_447_043_091,
            &[
                Kill(A, Iccpd),
                Wait(3),
                FlushRules(A),
                RenamePeerLink(A, false),
                Start(A, Iccpd),
                Wait(12_349),
            ],
        ),
        // A host came up at the primary while LACP began anew on its leg to another port of the secondary.
        (
            1_542_788_856_349_195_471,
            &[
                Move(Place::Bond(1)),
                Move(Place::Bond(0)),
                Move(Place::Orphan(0)),
                Wait(53_129),
                Leg(B, 0, false),
                Wait(23_925),
                Cross(A, true),
                Wait(12_001),
                Leg(A, 1, false),
                Wait(156),
            ],
        ),
        // Its originals stood under the old name: the port showed the id of the pair for ever.
        (0, &[&renamed_while[..], &[Wait(12_057)]].concat()),
        // A held port got another name and was never released.
        (
            0,
            &[
                Leg(B, 1, false),
                Blink(A, 1, 3),
                Rename(A, 1, false),
                Wait(12_054),
            ],
        ),
        // Both claimed the host when the session was back, and the older word won.
        (
            0,
            &[
                Bridge(A, 1, false),
                Kill(A, Iccpd),
                Move(Place::Bond(1)),
                Start(A, Iccpd),
                Wait(12_100),
            ],
        ),
        (
            0,
            &[
                Bridge(A, 0, false),
                Move(Place::Bond(0)),
                Kill(A, Iccpd),
                Start(A, Iccpd),
                Wait(12_250),
            ],
        ),
        (0, &[Member(A, 0, false), Wait(12_000), ResetWire, Wait(68)]),
        // The port that is left of two halves of one name was taken for the place where both chassis saw a host.
        (
            4_756_282_515_195_756_336,
            &[
                Move(Place::Bond(1)),
                FlushRules(A),
                Move(Place::Bond(1)),
                Member(B, 1, false),
                Wait(12_000),
            ],
        ),
        (
            923_642_500_500_974_281,
            &[
                Kill(B, Iccpd),
                Start(B, Iccpd),
                Member(B, 0, false),
                Wait(13_000),
            ],
        ),
        // A port without another half was isolated for a moment when its own daemon started.
        (
            3_905_441_265_616_830_703,
            &[
                Member(A, 0, false),
                Wait(12_000),
                Kill(B, Iccpd),
                Start(B, Iccpd),
                Wait(60),
            ],
        ),
        (
            0,
            &[
                Member(B, 0, false),
                Wait(12_000),
                Kill(A, Iccpd),
                Start(A, Iccpd),
                Wait(60),
            ],
        ),
    ];
    for (drawn, steps) in schedules {
        held(*drawn, steps);
    }
}

/// What was refused for a while leaves no older place of a host behind, and nothing that only one of both knows.
#[test]
fn what_was_refused_is_as_if_it_had_not_been() {
    use Step::{Blink, Cross, Leg, Move, Refuse, Rename, RenamePeerLink, Wait};
    let options = Options {
        speaks_every: Duration::from_secs(25),
        bypass: false,
        ..OPTIONS
    };
    let schedules: &[(u64, &[Step])] = &[
        // A table that was sent meanwhile said where the host had been before.
        (
            0,
            &[
                Wait(13_446),
                Cross(A, true),
                Cross(B, true),
                Wait(20_550),
                Refuse(A, Duty::Entries, true),
                Move(Place::Orphan(B)),
                Cross(B, false),
            ],
        ),
        // What was installed at last was where the host had been seen, which nobody had been told.
        (
            11_602_902_763_839_399_885,
            &[
                Refuse(A, Duty::Entries, true),
                RenamePeerLink(B, false),
                Wait(4_057),
                Move(Place::Bond(0)),
                Wait(5),
                Move(Place::Orphan(B)),
                Wait(3),
                Move(Place::Bond(0)),
                Blink(A, 0, 218),
                Leg(B, 1, false),
                Wait(363),
                Rename(B, 1, false),
                Blink(B, 1, 175),
                Blink(A, 0, 819),
                Blink(A, 1, 114),
                Wait(793),
            ],
        ),
    ];
    for (drawn, steps) in schedules {
        held_with(options, *drawn, steps);
    }
}

/// A port that got another name and its own back was held without carrier, and never forwarded.
#[test]
fn on_a_bridge_with_spanning_tree_a_port_survives_another_name() {
    let options = Options {
        spanning_tree: true,
        ..OPTIONS
    };
    held_with(
        options,
        1_717_798_959_698_386_832,
        &[Step::Rename(A, 0, false)],
    );
}

/// The interface to the peer has another name than in the settings when the daemons start: what is behind the peer was
/// claimed from it as if it were here.
#[test]
fn a_peer_link_of_another_name_takes_no_hosts_from_the_peer() {
    use Step::{Kill, RenamePeerLink, Start, Wait};
    held(
        1_224_620_582_896_876_960,
        &[
            RenamePeerLink(B, false),
            Kill(B, Process::Iccpd),
            Kill(B, Process::Syncd),
            Start(B, Process::Iccpd),
            Start(B, Process::Syncd),
            Wait(13_000),
        ],
    );
}

/// Input: processes start in any order, far apart or not. Output: once all of them run it is as if they had started together.
#[test]
fn processes_may_start_in_any_order() {
    for starts in [
        [0, 1, 2, 3],
        [3_000, 0, 0, 3_000],
        [0, 30_000, 500, 0],
        [30_000, 25_000, 0, 0],
        [40_000, 0, 40_000, 0],
    ] {
        let starts = starts.map(Duration::from_millis);
        let options = Options { starts, ..OPTIONS };
        held_with(options, 0, &[Step::Wait(1_000)]);
    }
}

/// An `iccpd` that starts hears from `mclagsyncd` which interfaces have other names, and nothing is lost by its restart.
#[test]
fn an_interface_of_another_name_is_known_to_a_daemon_that_starts() {
    use Step::{Cross, Kill, Rename, RenamePeerLink, Start, Wait};
    let restart = [
        Kill(B, Process::Iccpd),
        Wait(2_000),
        Start(B, Process::Iccpd),
        Wait(13_000),
    ];
    for renamed in [Rename(B, 0, false), RenamePeerLink(B, false)] {
        held(0, &[&[renamed], &restart[..]].concat());
        held(0, &[&[renamed, Cross(A, true)], &restart[..]].concat());
    }
}

/// Events were lost when the host moved, and the session broke: nobody could say how old that was.
#[test]
fn a_host_that_moved_while_events_were_lost_is_where_it_is() {
    use Step::{LoseEvents, Move, ResetWire, Wait};
    let moved = Move(Place::Bond(0));
    let lost = LoseEvents(B, Process::Syncd);
    held_with(
        QUIET,
        3_973_280_228_599_667_627,
        &[moved, ResetWire, lost, Wait(12_353)],
    );
    held_with(QUIET, 0, &[ResetWire, lost, moved, Wait(7)]);
}

/// LACP began anew and agreed again between two polls: the peer's half was isolated no more, and the port was not held yet.
#[test]
fn a_leg_that_comes_back_as_it_is_said_to_be_down_returns_no_frame() {
    use Step::{Blink, DeleteEntry, Member, Move, Wait};
    let steps = [
        Blink(A, 0, 201),
        DeleteEntry(B, 0),
        Move(Place::Bond(1)),
        Wait(6),
        Move(Place::Bond(1)),
        Wait(3),
        Move(Place::Orphan(B)),
        Wait(11),
        Member(B, 1, false),
    ];
    held_with(QUIET, 8_464_575_562_335_759_406, &steps);
}

/// A host moves that says nothing for a while, shortly before an entry for where it was before can be installed.
#[test]
fn a_silent_host_that_moved_is_found() {
    use Step::{Blink, DeleteEntry, Move, PeerLink, RenamePeerLink, ResetWire, Wait};
    let options = Options {
        speaks_every: Duration::from_secs(25),
        ..OPTIONS
    };
    for pause in [0, 10] {
        held_with(
            options,
            5_114_230_488_277_255_252,
            &[
                RenamePeerLink(B, false),
                ResetWire,
                PeerLink(false),
                DeleteEntry(B, 2),
                Blink(A, 0, 78),
                Move(Place::Bond(0)),
                Wait(pause),
            ],
        );
    }
}

#[test]
fn a_seed_makes_the_same_schedule_and_the_same_run_each_time() {
    let run = || Drawn::from_seed(7).unwrap().schedule().run(true).trace;
    let first = run();
    assert!(first.len() > 20, "{first:?}");
    assert_eq!(first, run());
}

/// The host behind a port of the secondary leaves it because of the id that it shows, and is at its other end all the same.
#[test]
fn crossed_cables_are_found_once_and_for_all() {
    for side in [A, B] {
        let mut world = World::settled(OPTIONS);
        world.happen(Step::Cross(side, true));
        world.run_for(Duration::from_secs(5));
        assert!(!world.checks.has_failed(), "{:?}", world.checks.violation());
        world.trace = Some(Vec::new());
        world.run_for(Duration::from_secs(20));
        assert!(!world.checks.has_failed(), "{:?}", world.checks.violation());
        let trace = world.trace.take().unwrap();
        let changes = trace.iter().filter(|line| line.contains("set system MAC"));
        assert_eq!(changes.count(), 0, "{}", trace.join("\n"));
        world.mend();
        world.check_mended();
        assert!(!world.checks.has_failed(), "{:?}", world.checks.violation());
    }
}

/// It tries the other leg when nobody answers on this one.
#[test]
fn a_host_that_does_not_speak_lacp_is_served_by_one_chassis() {
    for leg in [A, B] {
        let mut world = World::settled(OPTIONS);
        let serves = |world: &World| {
            let held = [A, B].map(|side| world.chassis[side].kernel.is_held(bond(0)));
            let used = [A, B].map(|side| world.hosts[0].is_usable(side));
            assert!(!world.checks.has_failed(), "{:?}", world.checks.violation());
            (held, used)
        };
        world.happen(Step::Lacp(0, leg, false));
        world.run_for(Duration::from_secs(20));
        // Whichever gave up first.
        let (held, used) = serves(&world);
        let first = usize::from(used[B]);
        assert_eq!((held[first], used[first]), (false, true));
        assert_eq!((held[1 - first], used[1 - first]), (true, false));
        world.set_leg(first, 0, false);
        world.run_for(Duration::from_secs(20));
        assert_eq!(serves(&world), (used, held));
        world.set_leg(first, 0, true);
        world.run_for(Duration::from_secs(20));
        assert_eq!(serves(&world), (used, held));
        world.happen(Step::Lacp(0, leg, true));
        world.run_for(Duration::from_secs(20));
        assert_eq!(serves(&world), ([false, false], [true, true]));
    }
}

/// Both halves of a port were given ids that are not the same: each is a port of its own, with its own LACP system id.
#[test]
fn halves_with_different_ids_are_no_pair_until_one_of_them_changes() {
    use Step::{PortId, Wait};
    let apart = [PortId(A, 0, Some(0)), PortId(B, 0, Some(1))];
    held(0, &[&apart[..], &[Wait(13_000)]].concat());
    let mut world = World::settled(OPTIONS);
    let shown = |world: &World| [A, B].map(|side| world.chassis[side].kernel.actor(bond(0)));
    let of_pair = shown(&world);
    assert_eq!(of_pair[0], of_pair[1]);
    let settle = |world: &mut World, steps: &[Step]| {
        steps.iter().for_each(|step| world.happen(*step));
        world.run_for(Duration::from_secs(13));
        assert_eq!(world.checks.violation(), None);
    };
    settle(&mut world, &apart[..1]);
    assert_eq!(shown(&world), of_pair);
    settle(&mut world, &apart[1..]);
    let own = shown(&world);
    assert!(own[0] != own[1] && own[0] != of_pair[0] && own[1] != of_pair[1]);
    assert!(
        [A, B]
            .iter()
            .all(|side| !world.chassis[*side].kernel.is_isolated(bond(0)))
    );
    settle(&mut world, &[PortId(B, 0, Some(0))]);
    assert_eq!(shown(&world), of_pair);
}

/// Frames of the VLAN go astray on the leg that lacks it. Nothing is left of that when it is back, whatever was refused meanwhile.
#[test]
fn a_vlan_that_one_half_lacked_is_served_again() {
    use Step::{DeleteEntry, Vlan, Wait};
    // In the VLAN with a tag, behind the first port.
    const STATION: usize = 5;
    assert_eq!(key(STATION).vid, TAGGED);
    for side in [A, B] {
        let lacks = [
            Vlan(side, 0, false),
            DeleteEntry(side, STATION),
            Wait(13_000),
        ];
        let back = [Vlan(side, 0, true), Wait(13_000)];
        held(0, &[lacks, [back[0], back[1], Wait(0)]].concat());
        let mut world = World::settled(OPTIONS);
        let place_of = |world: &World| {
            let kernel = &world.chassis[side].kernel;
            kernel.fdb.get(&key(STATION)).map(|entry| entry.port)
        };
        assert_eq!(place_of(&world), Some(bond(0)));
        lacks.iter().for_each(|step| world.happen(*step));
        assert_ne!(place_of(&world), Some(bond(0)));
        let walk = |world: &World, vid| world.walk((side, bond(0)), vid, None);
        assert!(
            walk(&world, TAGGED).path.is_empty() && !walk(&world, Vid::DEFAULT).path.is_empty()
        );
        back.iter().for_each(|step| world.happen(*step));
        assert_eq!(place_of(&world), Some(bond(0)));
    }
}

/// No LACP tells a host which legs to use: it uses those with carrier, and has everything once.
#[test]
fn a_static_lag_is_served_by_both_chassis() {
    use Process::{Iccpd, Syncd};
    use Step::{Blink, Kill, Leg, Rename, Start, Wait};
    let options = Options {
        static_lags: true,
        ..OPTIONS
    };
    for side in [A, B] {
        for steps in [
            &[Blink(side, 0, 700), Wait(5_000)][..],
            &[
                Leg(side, 0, false),
                Wait(8_000),
                Leg(side, 0, true),
                Wait(8_000),
            ],
            &[
                Kill(side, Iccpd),
                Blink(side, 0, 300),
                Start(side, Iccpd),
                Wait(20_000),
            ],
            &[
                Kill(side, Syncd),
                Blink(1 - side, 0, 300),
                Start(side, Syncd),
                Wait(20_000),
            ],
            &[Rename(side, 0, false), Wait(13_000)],
        ] {
            held_with(options, 0, steps);
        }
        let mut world = World::settled(options);
        let mut deliveries = |leg: bool| {
            world.happen(Leg(side, 0, leg));
            world.run_for(Duration::from_secs(5));
            let floods = [A, B].map(|from| world.walk((from, ORPHAN), Vid::DEFAULT, None));
            floods.map(|walk| {
                walk.arrivals
                    .iter()
                    .filter(|at| **at == Place::Bond(0))
                    .count()
            })
        };
        assert_eq!([deliveries(true), deliveries(false)], [[1, 1], [1, 1]]);
        assert!(!world.hosts[0].is_usable(side) && world.hosts[0].is_usable(1 - side));
    }
}

/// Its cables stay plugged in and its daemons are there, and nothing passes: hosts leave it, and it comes back as what it is.
#[test]
fn hosts_leave_a_chassis_that_stands_still() {
    use Step::{Leg, Move, Stall, Wait};
    for side in [A, B] {
        for millis in [500, 2_500, 8_000, 30_000] {
            let stall = [Stall(side, true), Wait(millis), Stall(side, false)];
            held(0, &[&stall[..], &[Wait(13_000)]].concat());
            let moved = [Move(Place::Orphan(1 - side)), Wait(millis)];
            held(
                0,
                &[&stall[..1], &moved, &stall[2..], &[Wait(13_000)]].concat(),
            );
            let lone = [Leg(1 - side, 0, false), Wait(millis)];
            held(
                0,
                &[&stall[..1], &lone, &stall[2..], &[Wait(13_000)]].concat(),
            );
        }
        let mut world = World::settled(OPTIONS);
        world.happen(Stall(side, true));
        assert!([0, 1].iter().all(|host| world.hosts[*host].is_usable(side)));
        world.run_for(Duration::from_secs(4));
        assert!(
            [0, 1]
                .iter()
                .all(|host| !world.hosts[*host].is_usable(side))
        );
        assert!(world.chassis[side].kernel.has_carrier(bond(0)));
        assert!(
            world
                .walk((side, ORPHAN), Vid::DEFAULT, None)
                .path
                .is_empty()
        );
        world.happen(Stall(side, false));
        world.run_for(Duration::from_secs(2));
        assert!([0, 1].iter().all(|host| world.hosts[*host].is_usable(side)));
    }
}

/// What must not happen, done to both kernels with nobody excused and nobody there to mend it.
fn frozen() -> World {
    let mut world = World::settled(OPTIONS);
    for side in [A, B] {
        world.freeze(side, Process::Syncd, true);
        world.freeze(side, Process::Iccpd, true);
    }
    world.run_for(Duration::from_secs(1));
    assert!(!world.checks.has_failed(), "{:?}", world.checks.violation());
    world
}

fn fault_of(mut world: World) -> String {
    world.run_for(Duration::from_secs(1));
    let violation = world.checks.violation();
    violation.map_or(String::new(), |violation| violation.what.clone())
}

#[test]
fn a_frame_that_comes_back_is_noticed() {
    let mut world = frozen();
    world.operate(B, |kernel| kernel.flush_rules());
    let fault = fault_of(world);
    assert!(fault.ends_with("arrives 1 times at Bond(0)"), "{fault}");
}

#[test]
fn a_frame_that_arrives_twice_is_noticed() {
    let mut world = frozen();
    world.operate(B, |kernel| {
        let bond2 = kernel.name_of(bond(1)).unwrap();
        let filter = kernel.filter.as_mut().unwrap();
        assert!(filter.isolated.remove(&bond2));
        kernel.version += 1;
    });
    let fault = fault_of(world);
    assert!(fault.ends_with("arrives 2 times at Bond(1)"), "{fault}");
}

#[test]
fn a_frame_that_is_lost_is_noticed() {
    let mut world = frozen();
    world.operate(A, |kernel| kernel.set_bridge_port(ORPHAN, false));
    let fault = fault_of(world);
    assert!(fault.ends_with("does not arrive at Orphan(0)"), "{fault}");
}

/// Nobody sees what is done to the kernels here.
#[test]
fn chassis_that_disagree_where_a_station_is_are_noticed() {
    for ports in [
        [PEER_LINK, PEER_LINK],
        [ORPHAN, ORPHAN],
        [bond(0), bond(1)],
        [ORPHAN, bond(1)],
    ] {
        let mut world = World::settled(OPTIONS);
        for (side, port) in [A, B].into_iter().zip(ports) {
            let kernel = &mut world.chassis[side].kernel;
            kernel.fdb.get_mut(&key(2)).unwrap().port = port;
            kernel.version += 1;
        }
        let fault = fault_of(world);
        assert!(fault.contains("the chassis have station 2 on"), "{fault}");
    }
}

#[test]
fn a_station_that_speaks_and_is_not_known_on_both_chassis_is_noticed() {
    let options = Options {
        speaks_every: Duration::from_secs(25),
        ..OPTIONS
    };
    let mut world = World::settled(options);
    world.run_for(Duration::from_secs(20));
    let kernel = &mut world.chassis[B].kernel;
    assert!(kernel.fdb.remove(&key(0)).is_some());
    kernel.version += 1;
    world.run_for(Duration::from_secs(1));
    let fault = fault_of(world);
    assert_eq!(fault, "chassis 1 does not know station 0");
}

#[test]
fn what_is_done_excuses_lost_frames_for_its_time_alone() {
    let mut world = World::settled(OPTIONS);
    let kernel = &mut world.chassis[A].kernel;
    kernel.devices.get_mut(&ORPHAN).unwrap().port = None;
    kernel.version += 1;
    let now = world.now;
    world.checks.touch(Place::Orphan(A), Kind::Leg, now);
    world.run_for(Kind::Leg.bound() - Duration::from_millis(100));
    assert!(!world.checks.has_failed(), "{:?}", world.checks.violation());
    let fault = fault_of(world);
    assert!(fault.ends_with("does not arrive at Orphan(0)"), "{fault}");
}

/// A process that never comes back leaves something to be found when everything was mended.
#[test]
fn a_port_that_stays_held_is_noticed_in_the_end() {
    let mut world = World::settled(OPTIONS);
    world.set_leg(A, 0, false);
    world.run_for(Duration::from_secs(1));
    assert!(world.chassis[A].kernel.is_held(bond(0)));
    world.freeze(A, Process::Iccpd, true);
    world.set_leg(A, 0, true);
    world.run_for(Duration::from_secs(30));
    world.check_mended();
    let violation = world.checks.violation().unwrap();
    assert!(
        violation.what.contains("chassis 0: port 10 is held"),
        "{violation:?}"
    );
}

/// The kernel looks at a member's carrier now and then, and LACP stays as it was until it begins anew.
#[test]
fn a_bond_does_not_notice_a_blink_that_is_over_before_it_looks() {
    let mut world = World::settled(OPTIONS);
    let state = |world: &World| *world.chassis[A].kernel.member_state(member(0)).unwrap();
    let before = state(&world);
    world.set_leg(A, 0, false);
    world.set_leg(A, 0, true);
    world.run_for(Duration::from_secs(2));
    assert_eq!(state(&world), before);
    world.set_leg(A, 0, false);
    world.run_for(Duration::from_millis(100));
    let down = state(&world);
    assert!(!down.mii_up && down.partner.is_some(), "{down:?}");
    world.set_leg(A, 0, true);
    world.run_for(Duration::from_millis(200));
    let restarted = state(&world);
    assert!(restarted.mii_up, "{restarted:?}");
    world.run_for(Duration::from_secs(2));
    assert_eq!(state(&world).partner, before.partner);
}
