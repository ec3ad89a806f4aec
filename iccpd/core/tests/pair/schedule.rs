//! Random schedules of failures.

use crate::ids;
use crate::world::{BONDS, ORPHAN, PEER_LINK, Side, World, host, name};
use mclag_proto::IfName;
use proptest::prelude::*;
use std::time::Duration;

const HOSTS: u8 = 4;

/// Where a host is attached.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Place {
    Orphan(Side),
    Bond(usize),
}

#[derive(Clone, Debug)]
enum Event {
    /// A host sends a frame; one that is dual-homed through this side.
    Speak {
        host: u8,
        side: Side,
    },
    Move {
        host: u8,
        to: Place,
    },
    Age {
        host: u8,
        side: Side,
    },
    Bond {
        side: Side,
        bond: usize,
        up: bool,
    },
    PeerLink {
        up: bool,
    },
    CutWire,
    MendWire,
    Iccpd {
        side: Side,
        run: bool,
    },
    Syncd {
        side: Side,
        run: bool,
    },
    Wait {
        millis: u64,
    },
}

fn side() -> impl Strategy<Value = Side> {
    prop_oneof![Just(Side::A), Just(Side::B)]
}

fn place() -> impl Strategy<Value = Place> {
    prop_oneof![
        side().prop_map(Place::Orphan),
        (0..BONDS.len()).prop_map(Place::Bond)
    ]
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        6 => (0..HOSTS, side()).prop_map(|(host, side)| Event::Speak { host, side }),
        3 => (0..HOSTS, place()).prop_map(|(host, to)| Event::Move { host, to }),
        2 => (0..HOSTS, side()).prop_map(|(host, side)| Event::Age { host, side }),
        4 => (side(), 0..BONDS.len(), any::<bool>())
            .prop_map(|(side, bond, up)| Event::Bond { side, bond, up }),
        1 => any::<bool>().prop_map(|up| Event::PeerLink { up }),
        1 => Just(Event::CutWire),
        2 => Just(Event::MendWire),
        2 => (side(), any::<bool>()).prop_map(|(side, run)| Event::Iccpd { side, run }),
        2 => (side(), any::<bool>()).prop_map(|(side, run)| Event::Syncd { side, run }),
        6 => prop_oneof![0_u64..5, 0_u64..50, 0_u64..3000]
            .prop_map(|millis| Event::Wait { millis }),
    ]
}

/// Inputs that a daemon takes in at once.
pub fn turn() -> impl Strategy<Value = usize> {
    prop_oneof![2 => Just(1), 1 => 2..5_usize, 2 => Just(64)]
}

struct Run {
    world: World,
    places: [Place; HOSTS as usize],
}

impl Run {
    fn speak(&mut self, number: u8, side: Side) {
        let (side, port) = match self.places[usize::from(number)] {
            Place::Orphan(side) => (side, ORPHAN),
            Place::Bond(bond) => (side, self.world.bonds[side as usize][bond]),
        };
        self.world.frame(side, port, host(number));
    }

    fn happen(&mut self, event: &Event) {
        let world = &mut self.world;
        match *event {
            Event::Speak { host, side } => self.speak(host, side),
            Event::Move { host, to } => {
                self.places[usize::from(host)] = to;
                self.speak(host, Side::A);
            }
            Event::Age { host: number, side } => world.age(side, host(number)),
            Event::Bond { side, bond, up } => world.set_bond(side, bond, up),
            Event::PeerLink { up } => world.set_peer_link(up),
            Event::CutWire => world.cut_wire(),
            Event::MendWire => world.mend_wire(),
            Event::Iccpd { side, run: true } => world.start_iccpd(side),
            Event::Iccpd { side, run: false } => world.kill_iccpd(side),
            Event::Syncd { side, run: true } => world.start_syncd(side),
            Event::Syncd { side, run: false } => world.kill_syncd(side),
            Event::Wait { millis } => world.run_for(Duration::from_millis(millis)),
        }
    }

    /// Mend everything and let every host speak once: both chassis must agree on everything.
    fn mend(&mut self) {
        let world = &mut self.world;
        world.mend_wire();
        world.set_peer_link(true);
        for side in Side::BOTH {
            world.start_syncd(side);
            world.start_iccpd(side);
            for bond in 0..BONDS.len() {
                world.set_bond(side, bond, true);
            }
        }
        world.run_for(Duration::from_secs(12));
        for number in 0..HOSTS {
            self.speak(number, Side::B);
        }
        self.world.run_for(Duration::from_secs(2));
    }

    fn check_mended(&self) {
        let world = &self.world;
        for side in Side::BOTH {
            assert!(world.synchronised(side), "{side:?} is synchronised");
            let kernel = &world.at(side).kernel;
            let all: std::collections::BTreeSet<IfName> = world.bonds(side).into();
            assert_eq!(kernel.isolated, all, "{side:?}: isolated");
            assert!(kernel.held.is_empty(), "{side:?}: held: {:?}", kernel.held);
            for number in 0..HOSTS {
                let port = kernel.fdb.get(&host(number)).map(|entry| entry.port());
                let want = match self.places[usize::from(number)] {
                    Place::Bond(bond) => world.bonds[side as usize][bond],
                    Place::Orphan(at) if at == side => ORPHAN,
                    Place::Orphan(_) => PEER_LINK,
                };
                assert_eq!(port, Some(name(want)), "{side:?}: host {number}");
            }
        }
    }

    /// When every host has fallen silent everywhere, nothing is left.
    fn check_forgotten(&mut self) {
        for number in 0..HOSTS {
            for side in Side::BOTH {
                self.world.age(side, host(number));
            }
        }
        self.world.run_for(Duration::from_secs(1));
        for side in Side::BOTH {
            let chassis = self.world.at(side);
            assert!(
                chassis.kernel.fdb.is_empty(),
                "{side:?}: {:?}",
                chassis.kernel.fdb
            );
            let (lines, _) = self.world.domain(side).macs(None, usize::MAX);
            assert_eq!(lines, [], "{side:?}");
        }
    }
}

fn run(events: &[Event], turn: usize) {
    run_in(World::settled(), events, turn);
}

fn run_in(world: World, events: &[Event], turn: usize) {
    let places = [Place::Orphan(Side::A); HOSTS as usize];
    let mut run = Run { world, places };
    run.world.turn = turn;
    for event in events {
        run.happen(event);
    }
    run.mend();
    run.check_mended();
    run.check_forgotten();
}

/// More than usual, or as many as `PROPTEST_CASES` says.
fn cases() -> ProptestConfig {
    let mut config = ProptestConfig::default();
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = 600;
    }
    config
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn every_schedule_keeps_the_invariants_and_ends_in_agreement(
        events in prop::collection::vec(event(), 1..60),
        turn in turn(),
    ) {
        run(&events, turn);
    }

    /// One chassis calls its half of a port what the other one calls its half of another.
    #[test]
    fn ports_of_other_names_and_the_same_ids_are_like_ports_of_the_same_names(
        events in prop::collection::vec(event(), 1..60),
        turn in turn(),
    ) {
        run_in(ids::crossed(), &events, turn);
    }
}

/// Schedules that once failed, smallest form.
#[test]
fn schedules_that_failed_once_hold_now() {
    use Event::{Age, Bond, CutWire, Iccpd, Move, PeerLink, Speak, Syncd, Wait};
    use Side::{A, B};
    let down = |side, bond| Bond {
        side,
        bond,
        up: false,
    };
    let up = |side, bond| Bond {
        side,
        bond,
        up: true,
    };
    let wait = |millis| Wait { millis };
    let speak = |host, side| Speak { host, side };
    let schedules: &[&[Event]] = &[
        // Acknowledged on the strength of an isolation that was just being lifted.
        &[down(A, 1), down(A, 0)],
        // What a daemon said at the end of a connection arrived on the next one.
        &[
            down(A, 0),
            wait(3),
            down(A, 1),
            Syncd {
                side: B,
                run: false,
            },
            wait(2000),
            Iccpd {
                side: A,
                run: false,
            },
        ],
        // Both sides claimed a host at once and withdrew; the kernel kept an entry it never
        // reported again.
        &[
            speak(1, A),
            speak(0, A),
            speak(2, A),
            Move {
                host: 2,
                to: Place::Orphan(B),
            },
        ],
        // A host that moved away, fell silent and came back before the peer had heard of anything: its
        // chassis did not say again where it is, and the other one knew of no place any more.
        &[
            Move {
                host: 1,
                to: Place::Orphan(B),
            },
            wait(1),
            Move {
                host: 1,
                to: Place::Orphan(A),
            },
            Age { host: 1, side: A },
            Move {
                host: 1,
                to: Place::Orphan(B),
            },
        ],
        // A host that was on a chassis and fell silent there before the peer could hear of it left the
        // entry for the way to the peer behind on its port.
        &[
            speak(2, A),
            wait(3),
            Move {
                host: 2,
                to: Place::Orphan(B),
            },
            Age { host: 2, side: B },
            Move {
                host: 2,
                to: Place::Orphan(A),
            },
        ],
        &[
            Syncd {
                side: A,
                run: false,
            },
            speak(0, A),
            Move {
                host: 0,
                to: Place::Orphan(B),
            },
            wait(1),
            Syncd { side: A, run: true },
            Age { host: 0, side: A },
        ],
        // A link lost during the handshake was not held.
        &[
            Iccpd {
                side: A,
                run: false,
            },
            Iccpd { side: A, run: true },
            wait(2),
            down(A, 0),
            wait(2),
        ],
        // A daemon that had just started let its port go as soon as a first session was lost.
        &[
            down(A, 0),
            wait(1),
            Iccpd {
                side: A,
                run: false,
            },
            Iccpd { side: A, run: true },
            wait(1),
            CutWire,
        ],
        // A session that ended and returned while a port waited for its acknowledgement.
        &[down(A, 1), wait(1), CutWire, up(A, 1), wait(3004)],
        // Both legs came back after the session was lost, each believing the other down.
        &[down(A, 0), down(B, 0), wait(1), CutWire],
        // The peer link returned before the session did.
        &[
            down(B, 0),
            wait(1),
            CutWire,
            up(B, 0),
            PeerLink { up: false },
            wait(1),
        ],
        // What an earlier run held was let go without the peer, which believed the leg down: that is
        // how it is meant, after a wait.
        &[
            down(A, 1),
            wait(1),
            CutWire,
            Iccpd {
                side: A,
                run: false,
            },
            up(A, 1),
            Iccpd { side: A, run: true },
            wait(5000),
        ],
        // A host that moved while syncd was dead made both sides contradict each other for ever.
        &[
            Move {
                host: 1,
                to: Place::Bond(0),
            },
            wait(1),
            Syncd {
                side: A,
                run: false,
            },
            speak(1, B),
            wait(2),
            Move {
                host: 1,
                to: Place::Orphan(B),
            },
        ],
        // A chassis doubted its own observation of a host, and was never told of it again.
        &[
            down(A, 0),
            speak(0, A),
            speak(2, A),
            up(A, 0),
            down(A, 0),
            Move {
                host: 2,
                to: Place::Bond(1),
            },
            speak(2, B),
            down(A, 1),
            wait(2),
            Age { host: 2, side: A },
        ],
    ];
    for events in schedules {
        for turn in [1, 64] {
            run(events, turn);
        }
    }
}
