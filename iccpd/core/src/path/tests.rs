use super::*;
use proptest::prelude::*;

const MS: Duration = Duration::from_millis(1);
const INTERVAL: Duration = Duration::from_millis(100);
const US: Instance = Instance([1; 16]);
const PEER: Instance = Instance([2; 16]);

fn settings(instance: Instance) -> Settings {
    Settings {
        domain: DomainId::new(10).unwrap(),
        instance,
        interval: INTERVAL,
        multiplier: 3,
    }
}

fn ms(ms: u64) -> Time {
    Time::new(Duration::from_millis(ms))
}

fn word(sequence: u64, echo: Option<(Instance, u64, u32)>) -> Keepalive {
    Keepalive {
        domain: DomainId::new(10).unwrap(),
        interval: INTERVAL,
        instance: PEER,
        sequence,
        echo: echo.map(|(instance, sequence, held_ms)| Echo {
            instance,
            sequence,
            held_us: held_ms * 1000,
        }),
        core_age_ms: 0,
        syncd_age_ms: None,
    }
}

/// A path, its clock, and the number of the peer's last keepalive.
struct Lab {
    path: Path,
    now: Time,
    peer: u64,
}

#[derive(Clone, Copy, Debug)]
enum Event {
    /// A keepalive that answers the last one of ours.
    Proof,
    /// One that answers nothing.
    Word,
    /// Nothing, for the detection time.
    Silence,
    /// Keepalives that answer nothing, for the detection time.
    Words,
}

impl Lab {
    fn new() -> Self {
        let (path, now) = (Path::new(settings(US), Time::ZERO), Time::ZERO);
        Self { path, now, peer: 0 }
    }

    fn pass(&mut self, time: Duration) {
        self.now = self.now + time;
        self.path.poll_transmit(self.now, 0, None);
        self.path.poll_change(self.now);
    }

    fn say(&mut self, echo: Option<(Instance, u64, u32)>) {
        self.peer += 1;
        let said = self.path.handle(&word(self.peer, echo), self.now);
        said.unwrap();
        self.path.poll_change(self.now);
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Proof => {
                self.pass(INTERVAL);
                self.say(Some((US, self.path.sequence, 0)));
            }
            Event::Word => {
                self.pass(INTERVAL);
                self.say(None);
            }
            Event::Silence => (0..3).for_each(|_| self.pass(INTERVAL)),
            Event::Words => (0..3).for_each(|_| self.happen(Event::Word)),
        }
    }
}

#[test]
fn transition_table() {
    use Event::{Proof, Silence, Word, Words};
    use State::{Alive, Dead, OneWay, Unknown};
    // How a state comes about; of one-way there are two.
    let unknown: &[Event] = &[];
    let one_way: &[Event] = &[Word];
    let alive: &[Event] = &[Proof];
    let was_alive: &[Event] = &[Proof, Words];
    let dead: &[Event] = &[Proof, Silence];
    for (before, from, event, to) in [
        (unknown, Unknown, Proof, Alive),
        (unknown, Unknown, Word, OneWay),
        (unknown, Unknown, Silence, Unknown),
        (one_way, OneWay, Proof, Alive),
        (one_way, OneWay, Word, OneWay),
        (one_way, OneWay, Words, OneWay),
        (one_way, OneWay, Silence, Unknown),
        (alive, Alive, Proof, Alive),
        (alive, Alive, Word, Alive),
        (alive, Alive, Words, OneWay),
        (alive, Alive, Silence, Dead),
        (was_alive, OneWay, Proof, Alive),
        (was_alive, OneWay, Words, OneWay),
        (was_alive, OneWay, Silence, Dead),
        (dead, Dead, Proof, Alive),
        (dead, Dead, Word, OneWay),
        (dead, Dead, Silence, Dead),
    ] {
        let mut lab = Lab::new();
        before.iter().for_each(|event| lab.happen(*event));
        assert_eq!(lab.path.state(), from, "{before:?}");
        lab.happen(event);
        assert_eq!(lab.path.state(), to, "{from} and {event:?}");
    }
}

#[test]
fn only_an_echo_of_what_was_just_sent_by_this_run_proves_anything() {
    let mut lab = Lab::new();
    (0..10).for_each(|_| lab.pass(INTERVAL));
    let last = lab.path.sequence;
    for (echo, to) in [
        (None, State::OneWay),
        (Some((PEER, last, 0)), State::OneWay),
        (Some((Instance([3; 16]), last, 0)), State::OneWay),
        // Never sent, and sent as long ago as the detection time.
        (Some((US, last + 1, 0)), State::OneWay),
        (Some((US, u64::MAX, 0)), State::OneWay),
        (Some((US, last - 3, 0)), State::OneWay),
        // However lately the peer claims to have let go of it.
        (Some((US, last - 3, 300)), State::OneWay),
        (Some((US, 1, 0)), State::OneWay),
        (Some((US, last - 2, 0)), State::Alive),
    ] {
        lab.say(echo);
        assert_eq!(lab.path.state(), to, "{echo:?}");
    }
}

#[test]
fn a_proof_is_as_old_as_the_peers_word_for_it_whenever_it_arrives() {
    let mut lab = Lab::new();
    lab.pass(Duration::ZERO);
    // Sent at 0, held by the peer for 20 ms, and 230 ms on its way.
    lab.now = ms(250);
    lab.say(Some((US, 1, 20)));
    assert_eq!(lab.path.state(), State::Alive);
    assert_eq!(lab.path.round_trip(), Some(230 * MS));
    lab.pass(69 * MS);
    assert_eq!(lab.path.state(), State::Alive);
    assert_eq!(lab.path.deadline(), ms(320));
    lab.pass(MS);
    // What came last was a proof: nothing says that the peer does not hear us.
    assert_eq!(lab.path.state(), State::Dead);
    assert_eq!(lab.path.since(), ms(320));
    // Nor does a peer that claims to have held it for longer than that make it younger than now.
    lab.pass(INTERVAL);
    lab.say(Some((US, lab.path.sequence, 3_000_000)));
    assert_eq!(lab.path.round_trip(), Some(Duration::ZERO));
    lab.pass(300 * MS);
    assert_eq!(lab.path.state(), State::Dead);
}

#[test]
fn the_longer_interval_of_the_two_counts() {
    let mut lab = Lab::new();
    lab.pass(INTERVAL);
    let slow = Keepalive {
        interval: Duration::from_secs(1),
        ..word(1, Some((US, 1, 0)))
    };
    lab.path.handle(&slow, lab.now).unwrap();
    assert_eq!(lab.path.detection(), Duration::from_secs(3));
    lab.pass(2999 * MS);
    assert_eq!(lab.path.state(), State::Alive);
    lab.pass(MS);
    assert_eq!(lab.path.state(), State::Dead);
    // A shorter one does not, nor does a longer one that proves nothing: it makes no path alive that is dead.
    let slower = Keepalive {
        interval: Duration::from_secs(10),
        ..word(2, None)
    };
    lab.path.handle(&slower, lab.now).unwrap();
    lab.pass(MS);
    assert_eq!(lab.path.state(), State::OneWay);
    let quick = Keepalive {
        interval: 10 * MS,
        ..word(3, None)
    };
    lab.path.handle(&quick, lab.now).unwrap();
    assert_eq!(lab.path.detection(), 300 * MS);
}

#[test]
fn what_is_not_believed_changes_nothing() {
    let mut lab = Lab::new();
    lab.happen(Event::Proof);
    lab.happen(Event::Proof);
    let before = format!("{:?}", lab.path);
    let fresh = Some((US, lab.path.sequence, 0));
    let other = Instance([3; 16]);
    let new = word(3, fresh);
    for (keepalive, refusal) in [
        (word(2, fresh), Refusal::Order),
        (word(1, fresh), Refusal::Order),
        (
            Keepalive {
                instance: US,
                ..new
            },
            Refusal::Own,
        ),
        (
            Keepalive {
                instance: Instance::new([1; 8], [7; 8]),
                ..new
            },
            Refusal::Own,
        ),
        (
            Keepalive {
                domain: DomainId::new(11).unwrap(),
                ..new
            },
            Refusal::Domain,
        ),
        (
            Keepalive {
                instance: other,
                echo: None,
                ..new
            },
            Refusal::Instance,
        ),
    ] {
        let said = lab.path.handle(&keepalive, lab.now);
        assert_eq!(said, Err(refusal), "{keepalive:?}");
        assert_eq!(format!("{:?}", lab.path), before, "{refusal:?}");
    }
    // As long as the one before is heard at all.
    lab.happen(Event::Words);
    assert_eq!(lab.path.state(), State::OneWay);
    let unproved = Keepalive {
        instance: other,
        echo: None,
        ..new
    };
    let said = lab.path.handle(&unproved, lab.now);
    assert_eq!(said, Err(Refusal::Instance));
    lab.happen(Event::Proof);
    let new = word(9, Some((US, lab.path.sequence, 0)));
    // Another run that proves itself takes the place of the one before.
    let restarted = Keepalive {
        instance: other,
        sequence: 1,
        ..new
    };
    assert_eq!(lab.path.handle(&restarted, lab.now), Ok(()));
    let echo = lab.path.poll_transmit(lab.now + INTERVAL, 0, None);
    assert_eq!(echo.unwrap().echo.unwrap().instance, other);
}

#[test]
fn the_loss_is_that_of_the_last_hundred() {
    let mut lab = Lab::new();
    let mut say = |sequence| {
        lab.path.handle(&word(sequence, None), lab.now).unwrap();
        let Heard { lost, window, .. } = lab.path.heard().unwrap();
        (lost, window)
    };
    assert_eq!(say(5), (0, 1));
    assert_eq!(say(6), (0, 2));
    assert_eq!(say(9), (2, 5));
    assert_eq!(say(104), (96, 100));
    for sequence in 105..=203 {
        say(sequence);
    }
    assert_eq!(say(204), (0, 100));
    assert_eq!(say(10_000), (99, 100));
    assert_eq!(say(u64::MAX), (99, 100));
}

#[test]
fn what_was_missed_is_not_sent_at_once() {
    let mut path = Path::new(settings(US), ms(7));
    let mut sent = |at| path.poll_transmit(ms(at), 1, Some(2)).map(|k| k.sequence);
    assert_eq!(sent(6), None);
    assert_eq!(sent(7), Some(1));
    assert_eq!(sent(106), None);
    // A little late, and in step again.
    assert_eq!(sent(150), Some(2));
    assert_eq!(sent(207), Some(3));
    assert_eq!(sent(5000), Some(4));
    assert_eq!(sent(5099), None);
    assert_eq!(sent(5100), Some(5));
}

/// What is remembered of what was sent is bounded, and enough for the slowest peer.
#[test]
fn the_slowest_peer_is_remembered_long_enough() {
    let quick = Settings {
        interval: 10 * MS,
        ..settings(US)
    };
    let mut path = Path::new(quick, Time::ZERO);
    let mut now = Time::ZERO;
    for _ in 0..4000 {
        path.poll_transmit(now, 0, None);
        now = now + 10 * MS;
    }
    assert_eq!(path.sent.len(), 3000);
    let slow = Keepalive {
        interval: *INTERVALS.end(),
        ..word(1, Some((US, 4000 - 2998, 0)))
    };
    path.handle(&slow, now).unwrap();
    assert_eq!(path.poll_change(now).map(|c| c.to), Some(State::Alive));
}

/// Input: two chassis, 40 ms apart; one restarts. Output: the path is alive on both, and stays so where nothing restarted.
#[test]
fn a_restart_of_the_peer_is_no_gap() {
    let mut ends = [US, PEER].map(|instance| Path::new(settings(instance), Time::ZERO));
    let mut wire: VecDeque<(Time, usize, Keepalive)> = VecDeque::new();
    let mut seen = Vec::new();
    for at in 0..2000 {
        let now = ms(at);
        if at == 1050 {
            ends[1] = Path::new(settings(Instance([3; 16])), now);
        }
        while let Some((_, to, keepalive)) = wire.pop_front_if(|(due, ..)| *due <= now) {
            let said = ends[to].handle(&keepalive, now);
            // What a new run says before it has heard anything.
            let is_first = keepalive.echo.is_none();
            assert!(said.is_ok() || is_first && said == Err(Refusal::Instance));
        }
        for side in [0, 1] {
            let sent = ends[side].poll_transmit(now, 0, None);
            wire.extend(sent.map(|keepalive| (now + 40 * MS, 1 - side, keepalive)));
            seen.extend(ends[side].poll_change(now).map(|change| (side, change.to)));
        }
    }
    use State::{Alive, OneWay};
    let expected = [
        (0, OneWay),
        (1, OneWay),
        (0, Alive),
        (1, Alive),
        (1, OneWay),
        (1, Alive),
    ];
    assert_eq!(seen, expected);
    assert_eq!(ends.map(|path| path.round_trip()), [Some(80 * MS); 2]);
}

/// A chassis on the network of the property: its two paths while it runs.
struct End {
    paths: Option<[Path; 2]>,
    runs: u8,
}

/// A datagram: which chassis sent it, when, and what.
type Sent = (usize, Time, Keepalive);

#[derive(Clone, Copy, Debug)]
enum Step {
    Pass(u8),
    /// The datagram of that index, of all that were ever sent, is delivered on any path to any chassis.
    Deliver(usize, usize, usize),
    /// The newest datagram for that side on that path is delivered there.
    Newest(usize, usize),
    /// With an interval of so many times 50 ms.
    Restart(usize, u32),
    Stop(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (1..=90_u8).prop_map(Step::Pass),
        4 => (any::<prop::sample::Index>(), 0..2_usize, 0..2_usize)
            .prop_map(|(index, to, path)| Step::Deliver(index.index(1 << 16), to, path)),
        8 => (0..2_usize, 0..2_usize).prop_map(|(to, path)| Step::Newest(to, path)),
        1 => (0..2_usize, 1..8_u32).prop_map(|(side, interval)| Step::Restart(side, interval)),
        1 => (0..2_usize).prop_map(Step::Stop),
    ]
}

fn run(side: usize, runs: u8, interval: u32) -> [Path; 2] {
    let process = [u8::try_from(side).unwrap() * 128 + runs; 8];
    [0, 1].map(|path| {
        let settings = Settings {
            interval: interval * 50 * MS,
            ..settings(Instance::new(process, [path; 8]))
        };
        Path::new(settings, Time::ZERO)
    })
}

/// Whether the other chassis has lived within the detection time, and had then heard, within that time before, what this run
/// has sent on this path. The detection time is that of what it said itself.
fn is_proved(path: &Path, side: usize, wire: &[Sent], now: Time) -> bool {
    let own = path.settings.instance;
    wire.iter().any(|(from, at, keepalive)| {
        let of_us = keepalive.echo.filter(|echo| echo.instance == own);
        let sent = of_us.and_then(|echo| {
            let is_it = |k: &Keepalive| k.instance == own && k.sequence == echo.sequence;
            wire.iter().find(|(_, _, k)| is_it(k))
        });
        let detection = path.settings.interval.max(keepalive.interval) * 3;
        let is_fresh = |(_, sent, _): &Sent| *at - *sent < detection;
        *from != side && now - *at < detection && sent.is_some_and(is_fresh)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    /// Whatever the network loses, delays, reorders, doubles, replays and takes from one path to another, and whoever restarts
    /// with whatever interval: a path is alive only if the peer lived and had heard of us.
    #[test]
    fn never_alive_without_a_living_peer_that_heard_us(steps in prop::collection::vec(step(), 1..200)) {
        let mut now = Time::ZERO;
        let mut ends = [0, 1].map(|_| End { paths: None, runs: 0 });
        // All that was ever sent.
        let mut wire: Vec<Sent> = Vec::new();
        for step in steps {
            let delivered = match step {
                Step::Pass(time) => {
                    now = now + Duration::from_millis(time.into());
                    None
                }
                Step::Deliver(index, to, path) if !wire.is_empty() => {
                    Some((to, path, wire[index % wire.len()].2))
                }
                Step::Deliver(..) => None,
                Step::Newest(to, path) => {
                    let number = [u8::try_from(path).unwrap(); 8];
                    let is_for = |(from, _, k): &&Sent| *from != to && k.instance.0[8..] == number;
                    let newest = wire.iter().rev().find(is_for);
                    newest.map(|(_, _, keepalive)| (to, path, *keepalive))
                }
                Step::Restart(side, interval) => {
                    let end = &mut ends[side];
                    end.runs += 1;
                    end.paths = Some(run(side, end.runs, interval));
                    None
                }
                Step::Stop(side) => {
                    ends[side].paths = None;
                    None
                }
            };
            if let Some((to, path, keepalive)) = delivered
                && let Some(paths) = &mut ends[to].paths
            {
                let _ = paths[path].handle(&keepalive, now);
            }
            for (side, end) in ends.iter_mut().enumerate() {
                for path in end.paths.iter_mut().flatten() {
                    let sent = path.poll_transmit(now, 0, None);
                    wire.extend(sent.map(|keepalive| (side, now, keepalive)));
                    path.poll_change(now);
                }
            }
            for (side, end) in ends.iter().enumerate() {
                for path in end.paths.iter().flatten() {
                    let is_alive = path.state() == State::Alive;
                    let own = path.settings.instance;
                    prop_assert!(!is_alive || is_proved(path, side, &wire, now), "{now:?}: nobody has heard {own:?}");
                }
            }
        }
    }
}
