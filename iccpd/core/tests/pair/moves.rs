//! Hosts that move several times within the time that the news of it takes
//! (`docs/adr/0019-order-of-moves.md`).

use crate::world::{BONDS, LATENCY, ORPHAN, PEER_LINK, Side, World, host};
use proptest::prelude::*;
use std::time::Duration;

const HOSTS: u8 = 3;

/// The longest that a message to the peer takes.
const LONGEST: Duration = Duration::from_millis(6);

/// Where a host is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Place {
    /// On a single-homed port, one of two.
    Orphan(Side, bool),
    /// On a bond, and is heard on this side now.
    Bond(usize, Side),
}

impl Place {
    fn side(self) -> Side {
        match self {
            Self::Orphan(side, _) | Self::Bond(_, side) => side,
        }
    }

    fn port(self) -> &'static str {
        match self {
            Self::Orphan(_, false) => ORPHAN,
            Self::Orphan(_, true) => "swp11",
            Self::Bond(bond, _) => BONDS[bond],
        }
    }

    /// The port on which a chassis is to have it.
    fn port_at(self, side: Side) -> &'static str {
        match self {
            Self::Orphan(at, _) if at != side => PEER_LINK,
            _ => self.port(),
        }
    }
}

#[derive(Clone, Debug)]
enum Event {
    Move { host: u8, to: Place },
    Delay { to: Side, micros: u64 },
    Wait { micros: u64 },
}

fn side() -> impl Strategy<Value = Side> {
    prop_oneof![Just(Side::A), Just(Side::B)]
}

fn place() -> impl Strategy<Value = Place> {
    prop_oneof![
        3 => (side(), any::<bool>()).prop_map(|(side, other)| Place::Orphan(side, other)),
        1 => (0..BONDS.len(), side()).prop_map(|(bond, side)| Place::Bond(bond, side)),
    ]
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => (0..HOSTS, place()).prop_map(|(host, to)| Event::Move { host, to }),
        3 => (0..8000_u64).prop_map(|micros| Event::Wait { micros }),
        1 => (side(), 0..=6000_u64).prop_map(|(to, micros)| Event::Delay { to, micros }),
    ]
}

/// Where each chassis has the host.
fn ports(world: &World, number: u8) -> [Option<String>; 2] {
    Side::BOTH.map(|side| {
        let entry = world.at(side).kernel.fdb.get(&host(number));
        entry.map(|entry| entry.port().to_string())
    })
}

fn at(place: Place) -> [Option<String>; 2] {
    Side::BOTH.map(|side| Some(place.port_at(side).to_owned()))
}

struct Run {
    world: World,
    places: [Option<(Place, Duration)>; HOSTS as usize],
    /// The last move came so soon behind another one that it need not count until the host speaks.
    is_close: [bool; HOSTS as usize],
}

impl Run {
    fn happen(&mut self, event: &Event) {
        match *event {
            Event::Move { host: number, to } => {
                let now = self.world.now.since_origin();
                let index = usize::from(number);
                let before = self.places[index].replace((to, now));
                // Half a round trip, and what passes between the daemons of a chassis.
                let longest = LONGEST + LATENCY * 4;
                self.is_close[index] = before.is_some_and(|(_, at)| now - at <= longest);
                self.world.frame(to.side(), to.port(), host(number));
            }
            Event::Delay { to, micros } => {
                self.world.delay[to as usize] = Duration::from_micros(micros);
            }
            Event::Wait { micros } => self.world.run_for(Duration::from_micros(micros)),
        }
    }

    fn check(&mut self) {
        self.world.run_for(Duration::from_millis(100));
        for number in 0..HOSTS {
            let Some((place, _)) = self.places[usize::from(number)] else {
                continue;
            };
            let found = ports(&self.world, number);
            if !self.is_close[usize::from(number)] {
                assert_eq!(found, at(place), "host {number}");
            }
            // Nowhere do both chassis send its frames to each other, or each to a port of its own.
            let places = Side::BOTH.into_iter().flat_map(|side| {
                let orphans = [false, true].map(|other| Place::Orphan(side, other));
                orphans
                    .into_iter()
                    .chain([0, 1].map(|bond| Place::Bond(bond, side)))
            });
            let agree = places.map(at).any(|place| place == found);
            assert!(agree || found == [None, None], "host {number}: {found:?}");
        }
        // The next frame of each mends what was wrong.
        for number in 0..HOSTS {
            if let Some((place, _)) = self.places[usize::from(number)] {
                self.world.frame(place.side(), place.port(), host(number));
            }
        }
        self.world.run_for(Duration::from_millis(100));
        for number in 0..HOSTS {
            if let Some((place, _)) = self.places[usize::from(number)] {
                assert_eq!(
                    ports(&self.world, number),
                    at(place),
                    "host {number}, mended"
                );
            }
        }
    }
}

fn run(events: &[Event], turn: usize) {
    let mut run = Run {
        world: World::settled(),
        places: [None; HOSTS as usize],
        is_close: [false; HOSTS as usize],
    };
    run.world.turn = turn;
    for event in events {
        run.happen(event);
    }
    run.check();
}

/// Three moves and more, each before the news of the one before has arrived, or at the same time, or after it.
#[test]
fn several_moves_within_the_time_of_the_news_end_where_the_host_is() {
    let (a, b) = (Place::Orphan(Side::A, false), Place::Orphan(Side::B, false));
    let (a2, b2) = (Place::Orphan(Side::A, true), Place::Orphan(Side::B, true));
    let bond = Place::Bond(0, Side::B);
    for places in [
        &[a, b, a2][..],
        &[b, a, b2],
        &[a, bond, a2],
        &[b, a, a2, b2],
        &[a, a2, b, a],
    ] {
        // Between two moves, and on the way to the peer, in ms. Where a batch of the one before crosses the
        // report of a move, the dataplane forgets the host, until its next frame.
        for (between, delay) in [(2, 3), (2, 6), (5, 6), (5, 1), (9, 3), (20, 6)] {
            let mut run = Run {
                world: World::settled(),
                places: [None; HOSTS as usize],
                is_close: [false; HOSTS as usize],
            };
            run.world.delay = [Duration::from_millis(delay); 2];
            for to in places {
                run.happen(&Event::Move { host: 1, to: *to });
                let micros = between * 1000;
                run.happen(&Event::Wait { micros });
            }
            run.world.run_for(Duration::from_millis(100));
            let last = places.last().copied().map(at);
            let found = Some(ports(&run.world, 1));
            assert_eq!(found, last, "{places:?}, every {between} ms, {delay} ms");
        }
    }
}

/// More than usual, or as many as `PROPTEST_CASES` says.
fn cases() -> ProptestConfig {
    let mut config = ProptestConfig::default();
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = 400;
    }
    config
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn however_moves_and_messages_cross_both_end_in_agreement(
        events in prop::collection::vec(event(), 1..30),
        turn in crate::schedule::turn(),
    ) {
        run(&events, turn);
    }
}
