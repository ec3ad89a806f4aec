use super::*;
use crate::policy::peer::SETTLED;
use crate::port_id::PortId;
use crate::timer::{Timer, Timers};
use mclag_proto::AggregatorId;
use mclag_proto::IfName;

const ACK: Consent = Consent::Acknowledged(Duration::from_secs(5));

fn name() -> IfName {
    IfName::new("bond1").unwrap()
}

fn after(seconds: u64) -> Time {
    Time::ZERO + Duration::from_secs(seconds)
}

/// A port and its timers.
struct Fixture {
    port: MlagPort,
    timers: Timers,
}

impl Fixture {
    fn new() -> Self {
        Self {
            port: MlagPort::new(
                name(),
                PortId {
                    number: AggregatorId(1),
                    given: false,
                },
            ),
            timers: Timers::default(),
        }
    }

    fn step(&mut self, event: Event) -> &mut Self {
        self.port.step(event, &mut self.timers);
        self
    }

    /// Whether the peer is told again at this time.
    fn is_resent(&mut self, at: Time) -> bool {
        let due = self.timers.take_expired_of_ports(at);
        due == [Timer::Resend(name())] && self.port.resend(at, &mut self.timers)
    }
}

#[test]
fn a_port_that_comes_back_waits_for_the_acknowledgement() {
    let mut f = Fixture::new();
    f.step(Event::Hold)
        .step(Event::LinksBack(Wait::new(ACK, Time::ZERO)));
    assert!(f.port.is_held() && f.port.is_up());
    f.step(Event::Acknowledged);
    assert_eq!(f.port.state(), ForwardingState::Forwarding);
    assert_eq!(f.timers.next(), None);
    f.step(Event::Acknowledged);
    assert_eq!(f.port.state(), ForwardingState::Forwarding, "means nothing");
}

#[test]
fn an_acknowledgement_for_a_port_that_is_down_again_is_ignored() {
    let mut f = Fixture::new();
    f.step(Event::LinksBack(Wait::new(ACK, Time::ZERO)));
    f.step(Event::LinksLost).step(Event::Acknowledged);
    assert_eq!(f.port.state(), ForwardingState::DownHeld);
    assert_eq!(f.timers.next(), None);
}

/// W-12: a lost acknowledgement left the port out of service for ever.
#[test]
fn a_lost_acknowledgement_is_asked_for_less_and_less_often_until_it_is_given_up() {
    let mut f = Fixture::new();
    f.step(Event::LinksBack(Wait::new(ACK, Time::ZERO)));
    assert_eq!(f.timers.take_expired_of_ports(Time::ZERO), []);
    for second in [1, 3] {
        assert_eq!(f.timers.next(), Some(after(second)));
        assert!(f.is_resent(after(second)));
    }
    let due = f.timers.take_expired_of_ports(after(5));
    assert_eq!(due, [Timer::Consent(name())]);
    assert_eq!(f.port.state().awaited(), Some(Awaited::Acknowledgement));
    f.step(Event::WaitOver);
    assert_eq!(f.port.state(), ForwardingState::Forwarding);
    assert!(!f.port.resend(after(6), &mut f.timers), "no longer");
    assert_eq!(f.timers.next(), None);
}

/// `spec/behaviour.md` 2.3, 3.1: no acknowledgements, and isolation 3 s after the last change.
#[test]
fn a_peer_that_never_acknowledges_is_told_once_and_presumed_to_have_isolated() {
    let mut f = Fixture::new();
    let wait = Wait::new(Consent::Presumed(SETTLED), Time::ZERO);
    f.step(Event::LinksBack(wait));
    assert_eq!(f.port.state().awaited(), Some(Awaited::Time));
    assert_eq!(f.timers.next(), Some(after(4)));
    assert_eq!(f.timers.take_expired_of_ports(after(3)), []);
    let due = f.timers.take_expired_of_ports(after(4));
    assert_eq!(due, [Timer::Consent(name())]);
    assert_eq!(f.timers.next(), None);
}

/// A peer of another kind is there than the one that was waited for.
#[test]
fn to_ask_anew_is_to_wait_anew() {
    let mut f = Fixture::new();
    f.step(Event::LinksBackAlone(Wait::new(ACK, Time::ZERO)));
    let wait = Wait::new(Consent::Presumed(SETTLED), after(3));
    f.step(Event::Ask(wait));
    assert_eq!(f.timers.next(), Some(after(7)));
    assert_eq!(f.port.state(), ForwardingState::Waiting(Awaited::Time));
}

#[test]
fn a_port_that_was_passing_is_not_held_for_being_reported_up() {
    let mut f = Fixture::new();
    f.step(Event::Release)
        .step(Event::LinksBack(Wait::new(ACK, Time::ZERO)));
    assert_eq!(f.port.state(), ForwardingState::Forwarding);
}

/// State, event => state, for every pair; *ack* and *time* are what is waited for.
#[test]
fn transition_table() {
    const TABLE: &str = "
        Down              links lost            => Down
        Down              links back, ack       => WaitingHeld(ack)
        Down              links back, time      => WaitingHeld(time)
        Down              links back unopposed  => Forwarding
        Down              links back alone      => Waiting(ack)
        Down              hold                  => DownHeld
        Down              ask, ack              => Down
        Down              ask, time             => Down
        Down              acknowledged          => Down
        Down              wait over             => Down
        Down              release               => DownOpen

        DownHeld          links lost            => DownHeld
        DownHeld          links back, ack       => WaitingHeld(ack)
        DownHeld          links back, time      => WaitingHeld(time)
        DownHeld          links back unopposed  => Forwarding
        DownHeld          links back alone      => WaitingHeld(ack)
        DownHeld          hold                  => DownHeld
        DownHeld          ask, ack              => DownHeld
        DownHeld          ask, time             => DownHeld
        DownHeld          acknowledged          => DownHeld
        DownHeld          wait over             => DownHeld
        DownHeld          release               => DownOpen

        DownOpen          links lost            => DownOpen
        DownOpen          links back, ack       => Forwarding
        DownOpen          links back, time      => Forwarding
        DownOpen          links back unopposed  => Forwarding
        DownOpen          links back alone      => Forwarding
        DownOpen          hold                  => DownHeld
        DownOpen          ask, ack              => DownOpen
        DownOpen          ask, time             => DownOpen
        DownOpen          acknowledged          => DownOpen
        DownOpen          wait over             => DownOpen
        DownOpen          release               => DownOpen

        Waiting(ack)      links lost            => Down
        Waiting(ack)      links back, ack       => Waiting(ack)
        Waiting(ack)      links back, time      => Waiting(ack)
        Waiting(ack)      links back unopposed  => Waiting(ack)
        Waiting(ack)      links back alone      => Waiting(ack)
        Waiting(ack)      hold                  => Waiting(ack)
        Waiting(ack)      ask, ack              => Waiting(ack)
        Waiting(ack)      ask, time             => Waiting(time)
        Waiting(ack)      acknowledged          => Forwarding
        Waiting(ack)      wait over             => Forwarding
        Waiting(ack)      release               => Forwarding

        Waiting(time)     links lost            => Down
        Waiting(time)     links back, ack       => Waiting(time)
        Waiting(time)     links back, time      => Waiting(time)
        Waiting(time)     links back unopposed  => Waiting(time)
        Waiting(time)     links back alone      => Waiting(time)
        Waiting(time)     hold                  => Waiting(time)
        Waiting(time)     ask, ack              => Waiting(ack)
        Waiting(time)     ask, time             => Waiting(time)
        Waiting(time)     acknowledged          => Forwarding
        Waiting(time)     wait over             => Forwarding
        Waiting(time)     release               => Forwarding

        WaitingHeld(ack)  links lost            => DownHeld
        WaitingHeld(ack)  links back, ack       => WaitingHeld(ack)
        WaitingHeld(ack)  links back, time      => WaitingHeld(ack)
        WaitingHeld(ack)  links back unopposed  => WaitingHeld(ack)
        WaitingHeld(ack)  links back alone      => WaitingHeld(ack)
        WaitingHeld(ack)  hold                  => WaitingHeld(ack)
        WaitingHeld(ack)  ask, ack              => WaitingHeld(ack)
        WaitingHeld(ack)  ask, time             => WaitingHeld(time)
        WaitingHeld(ack)  acknowledged          => Forwarding
        WaitingHeld(ack)  wait over             => Forwarding
        WaitingHeld(ack)  release               => Forwarding

        WaitingHeld(time) links lost            => DownHeld
        WaitingHeld(time) links back, ack       => WaitingHeld(time)
        WaitingHeld(time) links back, time      => WaitingHeld(time)
        WaitingHeld(time) links back unopposed  => WaitingHeld(time)
        WaitingHeld(time) links back alone      => WaitingHeld(time)
        WaitingHeld(time) hold                  => WaitingHeld(time)
        WaitingHeld(time) ask, ack              => WaitingHeld(ack)
        WaitingHeld(time) ask, time             => WaitingHeld(time)
        WaitingHeld(time) acknowledged          => Forwarding
        WaitingHeld(time) wait over             => Forwarding
        WaitingHeld(time) release               => Forwarding

        Forwarding        links lost            => DownOpen
        Forwarding        links back, ack       => Forwarding
        Forwarding        links back, time      => Forwarding
        Forwarding        links back unopposed  => Forwarding
        Forwarding        links back alone      => Forwarding
        Forwarding        hold                  => Forwarding
        Forwarding        ask, ack              => Forwarding
        Forwarding        ask, time             => Forwarding
        Forwarding        acknowledged          => Forwarding
        Forwarding        wait over             => Forwarding
        Forwarding        release               => Forwarding
    ";
    let ack = Wait::new(ACK, Time::ZERO);
    let time = Wait::new(Consent::Presumed(SETTLED), Time::ZERO);
    let events = [
        ("links lost", Event::LinksLost),
        ("links back, ack", Event::LinksBack(ack)),
        ("links back, time", Event::LinksBack(time)),
        ("links back unopposed", Event::LinksBackUnopposed),
        ("links back alone", Event::LinksBackAlone(ack)),
        ("hold", Event::Hold),
        ("ask, ack", Event::Ask(ack)),
        ("ask, time", Event::Ask(time)),
        ("acknowledged", Event::Acknowledged),
        ("wait over", Event::WaitOver),
        ("release", Event::Release),
    ];
    let states = [
        ("Down", ForwardingState::Down, Traffic::Keep),
        ("DownHeld", ForwardingState::DownHeld, Traffic::Held),
        ("DownOpen", ForwardingState::DownOpen, Traffic::Pass),
        (
            "Waiting(ack)",
            ForwardingState::Waiting(Awaited::Acknowledgement),
            Traffic::Keep,
        ),
        (
            "Waiting(time)",
            ForwardingState::Waiting(Awaited::Time),
            Traffic::Keep,
        ),
        (
            "WaitingHeld(ack)",
            ForwardingState::WaitingHeld(Awaited::Acknowledgement),
            Traffic::Held,
        ),
        (
            "WaitingHeld(time)",
            ForwardingState::WaitingHeld(Awaited::Time),
            Traffic::Held,
        ),
        ("Forwarding", ForwardingState::Forwarding, Traffic::Pass),
    ];
    let mut rows: Vec<(&str, &str)> = TABLE
        .lines()
        .filter(|row| !row.trim().is_empty())
        .map(|row| row.split_once("=>").unwrap())
        .collect();
    for (from, state, traffic) in states {
        assert_eq!(state.traffic(), traffic);
        assert_eq!(state.is_up(), !from.starts_with("Down"));
        for (what, event) in events {
            let is_row = |(before, _): &(&str, &str)| {
                let (name, happens) = before.trim().split_once(' ').unwrap();
                (name, happens.trim()) == (from, what)
            };
            let at = rows.iter().position(is_row);
            let (_, want) = rows.remove(at.unwrap_or_else(|| panic!("{from} + {what}")));
            let is = state.after(event);
            let is = states.iter().find(|(_, state, _)| *state == is).unwrap();
            assert_eq!(is.0, want.trim(), "{from} + {what}");
        }
    }
    assert!(rows.is_empty(), "{rows:?}");
}

#[test]
fn what_the_peer_was_told_of_a_port() {
    use Advertised::{BothDue, ConfigDue, Current, Nothing, NothingTwice, StateDue};
    // Before; state, config, answered, said, withdrawn, session lost.
    let table = [
        (
            Nothing,
            [NothingTwice, Nothing, Current, Current, Nothing, Nothing],
        ),
        (
            NothingTwice,
            [
                NothingTwice,
                NothingTwice,
                StateDue,
                Current,
                NothingTwice,
                Nothing,
            ],
        ),
        (
            Current,
            [StateDue, ConfigDue, Current, Current, Nothing, Nothing],
        ),
        (
            StateDue,
            [StateDue, BothDue, StateDue, Current, NothingTwice, Nothing],
        ),
        (
            ConfigDue,
            [BothDue, ConfigDue, Current, Current, Nothing, Nothing],
        ),
        (
            BothDue,
            [BothDue, BothDue, StateDue, Current, NothingTwice, Nothing],
        ),
    ];
    let news = [
        News::State,
        News::Config,
        News::Answered,
        News::Advertised,
        News::Withdrawn,
        News::SessionLost,
    ];
    for (before, row) in table {
        for (news, after) in news.into_iter().zip(row) {
            assert_eq!(before.after(news), after, "{before:?} + {news:?}");
        }
    }
    // Known to the peer; configuration due, state due.
    let meaning = [
        (Nothing, false, (true, true)),
        (NothingTwice, false, (true, true)),
        (Current, true, (false, false)),
        (StateDue, true, (false, true)),
        (ConfigDue, true, (true, false)),
        (BothDue, true, (true, true)),
    ];
    for (advertised, known, due) in meaning {
        assert_eq!((advertised.is_known(), advertised.due()), (known, due));
    }
}

#[test]
fn what_the_dataplane_has_of_a_port() {
    use Programmed::{InForce, Nothing, Sent};
    let want = |isolation| PortWant {
        isolation,
        traffic: Traffic::Pass,
        redirect: false,
        system_mac: None,
    };
    let (on, off, keep) = (
        want(Isolation::On),
        want(Isolation::Off),
        want(Isolation::Keep),
    );
    let held = PortWant {
        traffic: Traffic::Held,
        ..on
    };
    // Before; sent the same isolation, sent another, done, failed, repair, restored, lost.
    let table = [
        (
            Nothing,
            [
                Sent(held),
                Sent(off),
                Nothing,
                Nothing,
                Nothing,
                Nothing,
                Nothing,
            ],
        ),
        (
            Sent(on),
            [
                Sent(held),
                Sent(off),
                InForce(on),
                Sent(on),
                Nothing,
                Nothing,
                Nothing,
            ],
        ),
        (
            Sent(keep),
            [
                Sent(held),
                Sent(off),
                Sent(keep),
                Sent(keep),
                Nothing,
                Nothing,
                Nothing,
            ],
        ),
        (
            InForce(on),
            [
                InForce(held),
                Sent(off),
                InForce(on),
                Sent(on),
                InForce(on),
                Nothing,
                Nothing,
            ],
        ),
    ];
    let reports = [
        Report::Sent(held),
        Report::Sent(off),
        Report::Done,
        Report::Failed,
        Report::Repair,
        Report::Restored,
        Report::Lost,
    ];
    for (before, row) in table {
        for (report, after) in reports.into_iter().zip(row) {
            assert_eq!(before.after(report), after, "{before:?} + {report:?}");
        }
    }
    assert_eq!(InForce(on).confirmed(), Some(Isolation::On));
    assert_eq!(Sent(on).confirmed(), None);
}

/// Only what was decided, programmed and confirmed is acknowledged, and once.
#[test]
fn an_acknowledgement_waits_until_isolation_is_in_force() {
    let mut f = Fixture::new();
    let want = PortWant {
        isolation: Isolation::On,
        traffic: Traffic::Pass,
        redirect: false,
        system_mac: None,
    };
    f.port.owe_ack(true);
    f.port.set_isolation(Isolation::On);
    f.port.program(Report::Sent(want));
    assert!(!f.port.take_ack(true), "not confirmed");
    f.port.program(Report::Done);
    f.port.set_isolation(Isolation::Off);
    assert!(!f.port.take_ack(true), "no longer wanted");
    f.port.set_isolation(Isolation::On);
    assert!(f.port.take_ack(true));
    assert!(!f.port.take_ack(true), "once");
}
