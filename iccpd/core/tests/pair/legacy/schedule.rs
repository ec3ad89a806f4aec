//! Random schedules of failures between us and a legacy chassis.

use super::Family;
use super::world::{At, LEGACY_ORPHAN, Place, Setup, World};
use crate::schedule::turn;
use crate::world::{BONDS, ORPHAN, PEER_LINK, host, name};
use iccp_core::{Input, OnLoss};
use mclag_proto::IfName;
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

const HOSTS: u8 = 4;

#[derive(Clone, Debug)]
enum Event {
    Speak {
        host: u8,
        at: At,
    },
    Move {
        host: u8,
        to: Place,
    },
    Age {
        host: u8,
        at: At,
    },
    Bond {
        at: At,
        bond: usize,
        up: bool,
    },
    PeerLink {
        up: bool,
    },
    Stall {
        on: bool,
    },
    Us {
        run: bool,
    },
    Legacy {
        run: bool,
    },
    Syncd {
        run: bool,
    },
    OurWarmReboot,
    LegacyWarmReboot,
    Detach {
        bond: usize,
    },
    Attach {
        bond: usize,
    },
    LegacyDetach {
        bond: usize,
    },
    /// The interface is deleted, or there again.
    Exists {
        bond: usize,
        yes: bool,
    },
    /// A neighbour answers one of them, or no longer.
    Neighbour {
        host: u8,
        at: At,
        v6: bool,
        answers: bool,
    },
    /// The VLAN of the hosts, on one bond.
    Vlan {
        at: At,
        bond: usize,
        member: bool,
    },
    Keepalive {
        seconds: u64,
    },
    Wait {
        millis: u64,
    },
}

fn at() -> impl Strategy<Value = At> {
    prop_oneof![Just(At::Us), Just(At::Legacy)]
}

fn place() -> impl Strategy<Value = Place> {
    prop_oneof![
        at().prop_map(Place::Orphan),
        (0..BONDS.len()).prop_map(Place::Bond)
    ]
}

fn event() -> impl Strategy<Value = Event> {
    let bond = || 0..BONDS.len();
    prop_oneof![
        6 => (0..HOSTS, at()).prop_map(|(host, at)| Event::Speak { host, at }),
        3 => (0..HOSTS, place()).prop_map(|(host, to)| Event::Move { host, to }),
        2 => (0..HOSTS, at()).prop_map(|(host, at)| Event::Age { host, at }),
        8 => (at(), bond(), any::<bool>()).prop_map(|(at, bond, up)| Event::Bond { at, bond, up }),
        1 => any::<bool>().prop_map(|up| Event::PeerLink { up }),
        2 => any::<bool>().prop_map(|on| Event::Stall { on }),
        1 => any::<bool>().prop_map(|run| Event::Us { run }),
        3 => any::<bool>().prop_map(|run| Event::Legacy { run }),
        1 => any::<bool>().prop_map(|run| Event::Syncd { run }),
        1 => Just(Event::OurWarmReboot),
        1 => Just(Event::LegacyWarmReboot),
        2 => bond().prop_map(|bond| Event::Detach { bond }),
        1 => bond().prop_map(|bond| Event::Attach { bond }),
        1 => bond().prop_map(|bond| Event::LegacyDetach { bond }),
        2 => (bond(), any::<bool>()).prop_map(|(bond, yes)| Event::Exists { bond, yes }),
        4 => (0..HOSTS, at(), any::<bool>(), any::<bool>()).prop_map(|(host, at, v6, answers)| {
            Event::Neighbour { host, at, v6, answers }
        }),
        3 => (at(), bond(), any::<bool>())
            .prop_map(|(at, bond, member)| Event::Vlan { at, bond, member }),
        1 => (1_u64..5).prop_map(|seconds| Event::Keepalive { seconds }),
        6 => prop_oneof![0_u64..5, 0_u64..300, 0_u64..3000, 0_u64..20_000]
            .prop_map(|millis| Event::Wait { millis }),
    ]
}

fn setup() -> impl Strategy<Value = Setup> {
    let family = prop_oneof![2 => Just(Family::Sonic), 1 => Just(Family::LinuxMclag)];
    let on_loss = prop_oneof![Just(OnLoss::Hold), Just(OnLoss::Release)];
    let foreign_server = prop::bool::weighted(0.3);
    (family, any::<bool>(), on_loss, foreign_server).prop_map(
        |(family, active, on_loss, foreign_server)| Setup {
            family,
            active,
            on_loss,
            foreign_server,
        },
    )
}

struct Run {
    world: World,
    places: [Place; HOSTS as usize],
    /// We rebooted warm: a legacy daemon then keeps for ever what we told it before and do not take
    /// back, since it marks nothing as old.
    warm: bool,
}

impl Run {
    fn speak(&mut self, number: u8, at: At) {
        self.world
            .speak(self.places[usize::from(number)], at, host(number));
    }

    fn happen(&mut self, event: &Event) {
        let world = &mut self.world;
        match *event {
            Event::Speak { host, at } => self.speak(host, at),
            Event::Move { host, to } => {
                self.places[usize::from(host)] = to;
                self.speak(host, At::Us);
            }
            Event::Age { host: number, at } => world.age(at, host(number)),
            Event::Bond { at, bond, up } => world.set_bond(at, bond, up),
            Event::PeerLink { up } => world.set_peer_link(up),
            Event::Stall { on: true } => world.stall(),
            Event::Stall { on: false } => world.unstall(),
            Event::Us { run: true } => world.start_us(),
            Event::Us { run: false } => world.kill_us(),
            Event::Legacy { run: true } => world.start_legacy(),
            Event::Legacy { run: false } => world.kill_legacy(),
            Event::Syncd { run: true } => world.start_syncd(),
            Event::Syncd { run: false } => world.kill_syncd(),
            Event::OurWarmReboot => {
                world.feed(Input::WarmReboot);
                world.feed(Input::Stop { leave: true });
                world.kill_us();
                self.warm = true;
            }
            Event::LegacyWarmReboot => world.legacy_warm_reboot(),
            Event::Detach { bond } => world.configure(|config| {
                config.ports.remove(&name(BONDS[bond]));
            }),
            Event::Attach { bond } => world.configure(|config| {
                config.ports.insert(name(BONDS[bond]));
            }),
            Event::LegacyDetach { bond } => world.legacy_detach(bond),
            Event::Exists { bond, yes } => world.set_exists(bond, yes),
            Event::Neighbour {
                host: number,
                at,
                v6,
                answers,
            } => {
                world.resolve(at, address(number, v6), answers.then(|| host(number).mac));
            }
            Event::Vlan { at, bond, member } => world.set_vlan(at, bond, member),
            Event::Keepalive { seconds } => {
                world.configure(|config| config.keepalive = Duration::from_secs(seconds));
            }
            Event::Wait { millis } => world.run_for(Duration::from_millis(millis)),
        }
    }

    fn mend(&mut self) {
        let world = &mut self.world;
        world.unstall();
        world.set_peer_link(true);
        world.start_syncd();
        world.start_us();
        world.start_legacy();
        for (bond, text) in BONDS.iter().enumerate() {
            world.configure(|config| {
                config.ports.insert(name(text));
            });
            world.legacy_attach(bond);
            world.set_exists(bond, true);
            for at in At::BOTH {
                world.set_bond(at, bond, true);
                world.set_vlan(at, bond, true);
            }
        }
        // A session that is dead and looks alive takes its timeout.
        world.run_for(Duration::from_secs(40));
        // Only from here on both agree on every host: a legacy daemon does not tell every move
        // (`spec/behaviour.md` W-14).
        for number in 0..HOSTS {
            for at in At::BOTH {
                world.age(at, host(number));
            }
        }
        world.run_for(Duration::from_secs(2));
    }

    fn check_mended(&self) {
        let world = &self.world;
        assert!(world.synchronised(), "synchronised");
        let all: BTreeSet<IfName> = BONDS.iter().map(|bond| name(bond)).collect();
        assert_eq!(world.kernel.isolated, all, "isolated here");
        assert_eq!(world.plane.isolated, all, "isolated there");
        assert!(world.kernel.held.is_empty(), "{:?}", world.kernel.held);
        assert!(
            world.plane.disabled.is_empty(),
            "{:?}",
            world.plane.disabled
        );
        let us = world.config.node_mac;
        let legacy = world.legacy.as_ref().unwrap();
        for port in world.domain.as_ref().unwrap().interfaces(world.now) {
            assert_eq!(port.conflicts, [], "{}", port.name);
        }
        for (bond, port) in BONDS.iter().enumerate() {
            let told = legacy.remote_vids(&name(port));
            assert_eq!(told, Some(&world.vids(bond)), "VLANs of {port}");
        }
        assert_eq!(legacy.peer_system, Some(us), "our identity");
        let want = if world.setup.active {
            us
        } else {
            world.settings.system_mac
        };
        for (port, mac) in &world.kernel.system_macs {
            assert_eq!(*mac, want, "{port}");
        }
        if world.sonic() {
            assert_eq!(world.kernel.fdb, Default::default(), "nobody speaks");
            // Its dataplane may keep what an earlier run of its daemon left there (W-10).
            if !self.warm {
                assert_eq!(legacy.table_len(), 0, "nobody speaks");
            }
        }
    }

    /// Both know what one resolves, and forget it when it no longer answers. Of addresses that were
    /// not spoken of before: a legacy daemon cancels what it was about to say of an address of which
    /// the peer says something at the same time.
    fn check_neighbours(&mut self) {
        let world = &mut self.world;
        let families = if world.sonic() { 2 } else { 1 };
        for (number, at) in (HOSTS..).zip(At::BOTH) {
            for v6 in [false, true].into_iter().take(families) {
                let (address, mac) = (address(number, v6), Some(host(number).mac));
                world.resolve(at, address, mac);
                world.run_for(Duration::from_secs(1));
                assert_eq!(
                    world.resolved(address),
                    [mac; 2],
                    "{address} answers {at:?}"
                );
                world.resolve(at, address, None);
                world.run_for(Duration::from_secs(1));
                assert_eq!(
                    world.resolved(address),
                    [None; 2],
                    "{address} answers nobody"
                );
            }
        }
    }

    fn check_hosts(&mut self) {
        for number in 0..HOSTS {
            // linux-mclag never forgets an address it got from a peer (`spec/iccp.md` 10.4), and so
            // does not hear the host.
            let us = number % 2 == 0 || !self.world.sonic() || self.warm;
            self.speak(number, if us { At::Us } else { At::Legacy });
        }
        self.world.run_for(Duration::from_secs(1));
        let world = &self.world;
        for number in 0..HOSTS {
            let place = self.places[usize::from(number)];
            let (here, there) = match place {
                Place::Bond(bond) => (Some(BONDS[bond]), Some(BONDS[bond])),
                Place::Orphan(At::Us) => (Some(ORPHAN), world.sonic().then_some(PEER_LINK)),
                Place::Orphan(At::Legacy) => {
                    (world.sonic().then_some(PEER_LINK), Some(LEGACY_ORPHAN))
                }
            };
            let key = host(number);
            // What it was told once it takes for its own, and says so in its next session.
            let taken_for_its_own = !world.sonic() && place == Place::Orphan(At::Legacy);
            if !taken_for_its_own {
                assert_eq!(world.port_here(key).as_deref(), here, "host {number} here");
            }
            // What linux-mclag does with addresses when a port comes back is not specified.
            if world.sonic() {
                assert_eq!(
                    world.port_there(key).as_deref(),
                    there,
                    "host {number} there"
                );
            }
        }
    }
}

fn run(setup: Setup, events: &[Event], turn: usize) {
    let mut run = Run {
        world: World::settled(setup),
        places: [Place::Orphan(At::Us); HOSTS as usize],
        warm: false,
    };
    run.world.turn = turn;
    for event in events {
        run.happen(event);
    }
    run.mend();
    run.check_mended();
    run.check_hosts();
    run.check_neighbours();
}

fn address(number: u8, v6: bool) -> IpAddr {
    match v6 {
        true => Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 100 + u16::from(number)).into(),
        false => [192, 0, 2, 100 + number].into(),
    }
}

/// As many as take some seconds, or as `PROPTEST_CASES` says.
fn cases() -> ProptestConfig {
    let mut config = ProptestConfig::default();
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = 200;
    }
    config
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn no_schedule_upsets_a_legacy_daemon_and_both_end_in_agreement(
        setup in setup(),
        events in prop::collection::vec(event(), 1..50),
        turn in turn(),
    ) {
        run(setup, &events, turn);
    }
}

/// Schedules that once failed, smallest form.
#[test]
fn schedules_that_failed_once_hold_now() {
    let sonic = Setup {
        family: Family::Sonic,
        active: false,
        on_loss: OnLoss::Hold,
        foreign_server: false,
    };
    let linux = Setup {
        family: Family::LinuxMclag,
        ..sonic
    };
    let (bond, wait) = (1, |millis| Event::Wait { millis });
    let leg = |at, up| Event::Bond { at, bond, up };
    let schedules: [(Setup, &[Event]); 4] = [
        // A port that an earlier run held was held for the whole restart hold.
        (
            sonic,
            &[
                leg(At::Us, false),
                Event::LegacyWarmReboot,
                wait(1),
                Event::OurWarmReboot,
                Event::Us { run: true },
                leg(At::Us, true),
                wait(20_000),
            ],
        ),
        // The peer waited for the acknowledgement of a port that was detached meanwhile.
        (
            sonic,
            &[
                leg(At::Legacy, false),
                Event::Syncd { run: false },
                leg(At::Legacy, true),
                wait(7),
                Event::Detach { bond },
            ],
        ),
        // What had been confirmed of a port before it was detached counted when it was back.
        (
            sonic,
            &[
                leg(At::Legacy, false),
                leg(At::Us, false),
                Event::Detach { bond },
                leg(At::Legacy, true),
                wait(1),
            ],
        ),
        // linux-mclag says of an address that it was told that it is its own.
        (
            linux,
            &[
                Event::Move {
                    host: 2,
                    to: Place::Bond(0),
                },
                Event::Move {
                    host: 2,
                    to: Place::Orphan(At::Legacy),
                },
                Event::Age {
                    host: 2,
                    at: At::Legacy,
                },
                wait(1),
                Event::Us { run: false },
            ],
        ),
    ];
    for (setup, events) in schedules {
        for turn in [1, 64] {
            run(setup, events, turn);
        }
    }
}
