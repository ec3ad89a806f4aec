use super::*;

const RG: RgId = RgId(1);

struct Fixture {
    session: Session,
    timers: Timers,
    now: Time,
}

impl Fixture {
    fn new(dials: bool) -> Self {
        let config = SessionConfig {
            rg: RG,
            sender: "10.0.0.1".into(),
            dials,
            keepalive: Duration::from_secs(1),
            timeout: Duration::from_secs(15),
        };
        let (session, timers) = (Session::new(config), Timers::default());
        Self {
            session,
            timers,
            now: Time::ZERO,
        }
    }

    fn receive(&mut self, body: Body) -> Vec<Action> {
        self.session.message(body, &mut self.timers, self.now);
        self.drain()
    }

    fn tlv(&mut self, tlv: Tlv) -> Vec<Action> {
        self.receive(Body::Application { rg: RG, tlv })
    }

    fn drain(&mut self) -> Vec<Action> {
        std::iter::from_fn(|| self.session.poll_action()).collect()
    }

    fn operational(dials: bool) -> Self {
        let mut this = Self::new(dials);
        this.session.transport_up(&mut this.timers, this.now);
        this.receive(Body::Capability);
        this.receive(Body::Connect {
            rg: RG,
            sender: "10.0.0.2".into(),
        });
        this
    }

    fn synchronised() -> Self {
        let mut this = Self::operational(true);
        this.tlv(Tlv::SyncRequest { number: 0 });
        this.tlv(Tlv::SyncData {
            number: 0,
            end: true,
        });
        assert_eq!(this.session.state(), SessionState::Exchange);
        this
    }

    fn pass(&mut self, time: Duration) -> Vec<Action> {
        self.now = self.now + time;
        self.session.timeout(&mut self.timers, self.now);
        self.drain()
    }
}

fn sends(actions: &[Action], tlv: &Tlv) -> bool {
    actions
        .iter()
        .any(|a| matches!(a, Action::Send(Body::Application { tlv: sent, .. }) if sent == tlv))
}

/// `spec/iccp.md` 7, steps 1 to 15, seen from both sides.
#[test]
fn bring_up_runs_through_all_states_in_order() {
    for dials in [true, false] {
        let mut f = Fixture::operational(dials);
        assert_eq!(f.session.state(), SessionState::Stage1);
        let request = Tlv::SyncRequest { number: 0 };
        let end = Tlv::SyncData {
            number: 0,
            end: true,
        };
        if dials {
            let actions = f.tlv(request.clone());
            assert!(sends(&actions, &request), "asks in stage 2");
            assert_eq!(f.session.state(), SessionState::Stage2);
            f.tlv(end);
        } else {
            f.tlv(end);
            assert_eq!(f.session.state(), SessionState::Stage2);
            f.tlv(request);
        }
        assert_eq!(f.session.state(), SessionState::Exchange);
    }
}

#[test]
fn connect_may_arrive_before_our_connect_is_sent() {
    let mut f = Fixture::new(true);
    f.session.transport_up(&mut f.timers, f.now);
    f.receive(Body::Connect {
        rg: RG,
        sender: String::new(),
    });
    assert_eq!(f.session.state(), SessionState::ConnectFirst);
    f.receive(Body::Capability);
    assert_eq!(f.session.state(), SessionState::Stage1);
}

/// `spec/iccp.md` 5: "must not treat early messages as errors".
#[test]
fn what_comes_before_rg_connect_waits_for_it() {
    let mut f = Fixture::new(true);
    f.session.transport_up(&mut f.timers, f.now);
    f.drain();
    assert_eq!(f.tlv(Tlv::Heartbeat), []);
    f.receive(Body::Capability);
    assert_eq!(f.tlv(Tlv::SyncRequest { number: 3 }), []);
    let actions = f.receive(connect(1));
    assert!(actions.contains(&Action::Answer { number: 3 }));
    assert_eq!(f.session.state(), SessionState::Stage2);
}

#[test]
fn a_peer_that_says_everything_before_rg_connect_costs_little_memory() {
    let mut f = Fixture::new(true);
    f.session.transport_up(&mut f.timers, f.now);
    f.drain();
    let said = (0..1000).map(|number| f.tlv(Tlv::SyncRequest { number }));
    assert_eq!(said.filter(|actions| !actions.is_empty()).count(), 984);
}

#[test]
fn a_request_in_exchange_is_answered_without_leaving_it() {
    let mut f = Fixture::operational(false);
    f.tlv(Tlv::SyncData {
        number: 0,
        end: true,
    });
    f.tlv(Tlv::SyncRequest { number: 0 });
    let actions = f.tlv(Tlv::SyncRequest { number: 0 });
    assert_eq!(actions, [Action::Answer { number: 0 }]);
    assert_eq!(f.session.state(), SessionState::Exchange);
}

/// `spec/iccp.md` 6: the standby asks first, so what ends its first stage is the answer. A request of
/// the active that comes before it is answered and does not end the synchronisation.
#[test]
fn a_request_in_the_first_stage_of_the_standby_does_not_synchronise_it() {
    let mut f = Fixture::operational(false);
    assert_eq!(f.session.state(), SessionState::Stage1);
    let actions = f.tlv(Tlv::SyncRequest { number: 7 });
    assert_eq!(actions, [Action::Answer { number: 7 }]);
    assert_eq!(f.session.state(), SessionState::Stage1);
    f.tlv(Tlv::SyncData {
        number: 0,
        end: true,
    });
    assert_eq!(f.session.state(), SessionState::Stage2);
}

fn connect(rg: u32) -> Body {
    Body::Connect {
        rg: RgId(rg),
        sender: String::new(),
    }
}

/// `spec/iccp.md` 8, first case.
#[test]
fn another_domain_gets_one_nak_with_its_own_number() {
    let mut f = Fixture::new(true);
    f.session.transport_up(&mut f.timers, f.now);
    f.receive(Body::Capability);
    let actions = f.receive(connect(2));
    let nak = Body::Notification {
        rg: RG,
        status: Status::UNKNOWN_RG,
        rejected: 2,
    };
    assert_eq!(actions[0], Action::Send(nak));
    assert!(matches!(
        &actions[1],
        Action::Refused {
            reason: Reason::OtherGroup { peers: RgId(2), .. }
        }
    ));
    assert_eq!(actions.len(), 2);
    // A legacy peer refuses ours in the same way, with each turn of its loop.
    for _ in 0..10 {
        let nak = Body::Notification {
            rg: RgId(2),
            status: Status::UNKNOWN_RG,
            rejected: 1,
        };
        assert_eq!(f.receive(nak), []);
        assert_eq!(f.receive(connect(2)), []);
    }
    assert_eq!(f.session.state(), SessionState::Connecting);
}

/// `spec/iccp.md` 8: the error clears when a message with the right group arrives.
#[test]
fn a_peer_that_comes_to_its_senses_about_the_domain_is_accepted() {
    let mut f = Fixture::new(true);
    f.session.transport_up(&mut f.timers, f.now);
    f.receive(Body::Capability);
    f.receive(connect(2));
    f.receive(connect(1));
    assert_eq!(f.session.state(), SessionState::Stage1);
}

#[test]
fn a_peer_of_another_domain_is_given_up_after_the_timeout_and_dialled_again() {
    let mut f = Fixture::new(true);
    f.session.transport_up(&mut f.timers, f.now);
    f.receive(Body::Capability);
    for _ in 0..15 {
        f.receive(connect(2));
        f.pass(Duration::from_secs(1));
    }
    assert_eq!(f.session.state(), SessionState::Down);
    assert!(f.pass(Duration::from_secs(1)).contains(&Action::Connect));
}

/// What follows from it, the timeout or the end of the connection, does not hide it. Each end of the session is
/// one more attempt that failed for the reason there has been since the beginning.
#[test]
fn another_domain_stays_the_reason_from_the_first_attempt_until_both_are_synchronised() {
    let mut f = Fixture::new(false);
    let other = Reason::OtherGroup {
        peers: RgId(2),
        own: RG,
    };
    let shown = |f: &Fixture| {
        let failure = f.session.failure().unwrap();
        (failure.reason.clone(), failure.since)
    };
    f.now = f.now + Duration::from_secs(1);
    let first = f.now;
    for attempt in 0..4 {
        if !f.session.is_connected() {
            f.session.transport_up(&mut f.timers, f.now);
        }
        f.receive(Body::Capability);
        f.receive(connect(2));
        let ended = match attempt {
            0 => f.pass(Duration::from_secs(15)),
            1 => {
                let closed = Reason::Transport("closed by the peer".into());
                f.session.transport_down(closed, &mut f.timers, f.now);
                f.drain()
            }
            2 => {
                f.session.transport_up(&mut f.timers, f.now);
                f.drain()
            }
            _ => vec![],
        };
        for action in ended {
            if let Action::Entered {
                to: SessionState::Down,
                reason,
                ..
            } = action
            {
                assert_eq!(reason, Some(other.clone()), "attempt {attempt}");
            }
        }
        assert_eq!(shown(&f), (other.clone(), first), "attempt {attempt}");
        f.now = f.now + Duration::from_secs(1);
    }
    f.receive(connect(1));
    f.tlv(Tlv::SyncData {
        number: 0,
        end: true,
    });
    f.tlv(Tlv::SyncRequest { number: 0 });
    assert_eq!(f.session.state(), SessionState::Exchange);
    let closed = Reason::Transport("closed by the peer".into());
    for _ in 0..2 {
        f.session
            .transport_down(closed.clone(), &mut f.timers, f.now);
        assert_eq!(shown(&f).0, closed);
    }
    assert_eq!(shown(&f).1, f.now);
}

#[test]
fn silence_ends_the_session_and_any_message_is_a_sign_of_life() {
    for (ours, limit) in [(true, 15), (false, 16)] {
        let mut f = Fixture::synchronised();
        if ours {
            let native = PeerPolicy::of(Default::default(), true);
            f.session.set_peer(native, &mut f.timers, f.now);
        }
        for _ in 0..3 {
            f.pass(Duration::from_secs(limit - 1));
            f.receive(Body::Unknown { kind: 0x777 });
        }
        assert_eq!(f.session.state(), SessionState::Exchange);
        f.pass(Duration::from_secs(limit - 1));
        assert_eq!(f.session.state(), SessionState::Exchange);
        f.pass(Duration::from_secs(1));
        assert_eq!(f.session.state(), SessionState::Down);
    }
}

/// `spec/iccp.md` 9.1: its period is the interval and a second more.
#[test]
fn a_timeout_as_short_as_the_interval_does_not_end_the_session_of_a_legacy_peer() {
    let mut f = Fixture::synchronised();
    let config = SessionConfig {
        keepalive: Duration::from_secs(3),
        timeout: Duration::from_secs(3),
        ..f.session.config.clone()
    };
    f.session.configure(config, &mut f.timers, f.now);
    for _ in 0..5 {
        f.pass(Duration::from_millis(4100));
        f.tlv(Tlv::Heartbeat);
        assert_eq!(f.session.state(), SessionState::Exchange);
    }
}

/// `spec/behaviour.md` 12.
#[test]
fn another_keepalive_interval_is_followed_by_a_keepalive_and_another_timeout_holds_at_once() {
    let mut f = Fixture::synchronised();
    let config = SessionConfig {
        keepalive: Duration::from_secs(5),
        ..f.session.config.clone()
    };
    f.session.configure(config.clone(), &mut f.timers, f.now);
    assert!(sends(&f.drain(), &Tlv::Heartbeat));
    assert!(!sends(&f.pass(Duration::from_secs(4)), &Tlv::Heartbeat));
    assert!(sends(&f.pass(Duration::from_secs(1)), &Tlv::Heartbeat));
    let config = SessionConfig {
        timeout: Duration::from_secs(60),
        ..config
    };
    f.session.configure(config, &mut f.timers, f.now);
    assert!(!sends(&f.drain(), &Tlv::Heartbeat));
    f.pass(Duration::from_secs(50));
    assert_eq!(f.session.state(), SessionState::Exchange);
    f.pass(Duration::from_secs(6));
    assert_eq!(f.session.state(), SessionState::Down);
}

/// Milliseconds between a failure and the next attempt.
#[test]
fn the_first_attempts_to_dial_follow_each_other_soon_and_later_ones_less_so() {
    let down = || Reason::Transport("nobody there".into());
    let mut f = Fixture::new(true);
    f.session.start(&mut f.timers, f.now);
    assert!(f.drain().contains(&Action::Connect));
    let pause = |f: &mut Fixture| {
        f.session.transport_down(down(), &mut f.timers, f.now);
        f.drain();
        let fails = f.now;
        while !f.pass(Duration::from_millis(10)).contains(&Action::Connect) {}
        (f.now - fails).as_millis()
    };
    for wanted in [50, 100, 200, 400, 800, 1000, 1000] {
        assert_eq!(pause(&mut f), wanted);
    }
    let mut f = Fixture::synchronised();
    for wanted in [50, 100] {
        assert_eq!(pause(&mut f), wanted, "anew after EXCHANGE");
    }
}

#[test]
fn other_settings_end_an_attempt_to_dial() {
    let mut f = Fixture::new(true);
    f.session.start(&mut f.timers, f.now);
    f.drain();
    f.session
        .restart(Reason::Reconfigured, &mut f.timers, f.now);
    assert!(matches!(&f.drain()[..], [Action::Close { .. }]));
    assert!(f.pass(Duration::from_secs(1)).contains(&Action::Connect));
}

/// `spec/iccp.md` 3.3, `spec/behaviour.md` E7.
#[test]
fn only_the_code_group_removed_of_our_own_group_is_a_shutdown_notice() {
    let disconnect = |rg, status| Body::Disconnect {
        rg: RgId(rg),
        status,
    };
    let mut f = Fixture::synchronised();
    assert_eq!(f.receive(disconnect(1, Status::NONE)), []);
    assert_eq!(f.receive(disconnect(2, Status::RG_REMOVED)), []);
    let actions = f.receive(disconnect(1, Status::RG_REMOVED));
    assert_eq!(actions[0], Action::PeerLeaves);
    assert_eq!(actions[1], Action::Send(disconnect(1, Status::NONE)));
    assert!(matches!(actions[2], Action::Close { .. }));
    assert_eq!(f.session.state(), SessionState::Down);
}

#[test]
fn a_peer_that_lives_and_never_gets_synchronised_is_given_up() {
    let mut f = Fixture::operational(true);
    for _ in 0..15 {
        f.pass(Duration::from_secs(1));
        f.tlv(Tlv::Heartbeat);
    }
    assert_eq!(f.session.state(), SessionState::Down);
}

/// `spec/behaviour.md` 3.1: a session timeout of 1 s is a legal one, and a legacy peer needs a turn
/// of its loop for each step, and a second for each NAK.
#[test]
fn a_short_timeout_leaves_a_peer_that_speaks_its_time_to_get_synchronised() {
    let mut f = Fixture::new(true);
    f.session.config.timeout = Duration::from_secs(1);
    f.session.transport_up(&mut f.timers, f.now);
    for body in [Body::Capability, connect(1)] {
        f.pass(Duration::from_secs(2));
        f.receive(body);
    }
    f.pass(Duration::from_secs(2));
    let request = f.tlv(Tlv::SyncRequest { number: 0 });
    assert!(request.contains(&Action::Answer { number: 0 }));
    assert_eq!(f.session.state(), SessionState::Stage2);
}

#[test]
fn keepalives_go_out_at_the_configured_interval() {
    let mut f = Fixture::operational(true);
    for _ in 0..5 {
        assert!(sends(&f.pass(Duration::from_secs(1)), &Tlv::Heartbeat));
        f.receive(Body::Unknown { kind: 0x777 });
    }
    assert!(!sends(&f.pass(Duration::from_millis(500)), &Tlv::Heartbeat));
}

#[test]
fn only_the_lower_address_dials_and_not_again_at_once() {
    let mut f = Fixture::new(true);
    f.session.start(&mut f.timers, f.now);
    assert_eq!(f.drain(), [Action::Connect]);
    f.session.start(&mut f.timers, f.now);
    assert_eq!(f.drain(), [], "already dialling");
    f.session
        .transport_down(Reason::Transport("refused".into()), &mut f.timers, f.now);
    assert!(!f.pass(Duration::from_millis(49)).contains(&Action::Connect));
    assert!(f.pass(Duration::from_millis(1)).contains(&Action::Connect));

    let mut f = Fixture::new(false);
    f.session.start(&mut f.timers, f.now);
    assert_eq!(f.drain(), []);
}

#[test]
fn a_message_of_a_transport_that_is_gone_changes_nothing() {
    let mut f = Fixture::new(true);
    assert_eq!(f.receive(Body::Capability), []);
    assert_eq!(f.session.state(), SessionState::Down);
}

/// What is said of an action in the table below.
fn word(action: &Action) -> String {
    match action {
        Action::Connect => "dial".into(),
        Action::Close { .. } => "close".into(),
        Action::Send(Body::Capability) => "send Capability".into(),
        Action::Send(Body::Connect { .. }) => "send Connect".into(),
        Action::Send(Body::Disconnect { .. }) => "send Disconnect".into(),
        Action::Send(Body::Notification { .. }) => "send NAK".into(),
        Action::Send(Body::Application { tlv, .. }) => match tlv {
            Tlv::Heartbeat => "send Heartbeat".into(),
            Tlv::SyncRequest { .. } => "ask".into(),
            other => panic!("{other:?}"),
        },
        Action::Send(Body::Unknown { .. }) => unreachable!("nobody sends these"),
        Action::Answer { .. } => "answer".into(),
        Action::Entered { to, .. } => format!("enter {}", to.name()),
        Action::PeerSync { end: false } => "peer begins".into(),
        Action::PeerSync { end: true } => "peer ends".into(),
        Action::Deliver(_) => "deliver".into(),
        Action::Rejected { .. } => "rejected".into(),
        Action::PeerLeaves => "peer leaves".into(),
        Action::Refused { .. } => "refused".into(),
    }
}

fn data(tlv: Tlv) -> Event {
    Event::Data(tlv)
}

/// Every event, with a name.
fn events() -> Vec<(&'static str, Event)> {
    let reason = || Reason::Stopping;
    let (number, sync) = (0, |end| data(Tlv::SyncData { number: 0, end }));
    vec![
        ("start", Event::Start),
        ("transport up", Event::TransportUp),
        ("transport down", Event::TransportDown { reason: reason() }),
        ("close", Event::Close { reason: reason() }),
        ("restart", Event::Restart { reason: reason() }),
        ("Capability", Event::Capability),
        ("Connect", Event::Connect),
        ("other Connect", Event::ConnectTo { rg: RgId(2) }),
        ("group refused", Event::GroupRefused),
        ("left", Event::Left),
        ("NAK", Event::Rejected { id: 1 }),
        ("Heartbeat", data(Tlv::Heartbeat)),
        ("Sync Request", data(Tlv::SyncRequest { number })),
        ("Sync begin", sync(false)),
        ("Sync end", sync(true)),
        ("TLV", data(Tlv::WarmBoot)),
        ("nothing", Event::Nothing),
        ("silence", Event::Silence),
        ("in step over", Event::SynchronisationOver),
        ("keepalive due", Event::KeepaliveDue),
    ]
}

/// Role (a for active, s for standby, * for both), state, event => state, actions. What is not in the
/// table changes nothing and asks for nothing.
const TRANSITIONS: &str = "
    a Down         start          => Dialling     : dial
    * Down         transport up   => CapSent      : send Capability, enter CAPSENT

    * Dialling     transport up   => CapSent      : send Capability, enter CAPSENT
    * Dialling     transport down => Down         :
    * Dialling     restart        => Down         : close

    * CapSent      transport up   => CapSent      : enter DOWN, send Capability, enter CAPSENT
    * CapSent      transport down => Down         : enter DOWN
    * CapSent      close          => Down         : close, enter DOWN
    * CapSent      restart        => Down         : close, enter DOWN
    * CapSent      Capability     => Connecting   : send Connect, enter CONNECTING
    * CapSent      Connect        => ConnectFirst :
    * CapSent      other Connect  => CapSent      : send NAK, refused
    * CapSent      group refused  => CapSent      : refused
    * CapSent      left           => Down         : peer leaves, send Disconnect, close, enter DOWN
    * CapSent      NAK            => CapSent      : rejected
    * CapSent      silence        => Down         : close, enter DOWN
    * CapSent      in step over   => Down         : close, enter DOWN

    * ConnectFirst transport up   => CapSent      : enter DOWN, send Capability, enter CAPSENT
    * ConnectFirst transport down => Down         : enter DOWN
    * ConnectFirst close          => Down         : close, enter DOWN
    * ConnectFirst restart        => Down         : close, enter DOWN
    a ConnectFirst Capability     => Stage1       : send Connect, enter CONNECTING, send Heartbeat, enter STAGE1
    s ConnectFirst Capability     => Stage1       : send Connect, enter CONNECTING, send Heartbeat, enter STAGE1, ask
    * ConnectFirst other Connect  => ConnectFirst : send NAK, refused
    * ConnectFirst group refused  => ConnectFirst : refused
    * ConnectFirst left           => Down         : peer leaves, send Disconnect, close, enter DOWN
    * ConnectFirst NAK            => ConnectFirst : rejected
    * ConnectFirst silence        => Down         : close, enter DOWN
    * ConnectFirst in step over   => Down         : close, enter DOWN

    * Connecting   transport up   => CapSent      : enter DOWN, send Capability, enter CAPSENT
    * Connecting   transport down => Down         : enter DOWN
    * Connecting   close          => Down         : close, enter DOWN
    * Connecting   restart        => Down         : close, enter DOWN
    a Connecting   Connect        => Stage1       : send Heartbeat, enter STAGE1
    s Connecting   Connect        => Stage1       : send Heartbeat, enter STAGE1, ask
    * Connecting   other Connect  => Connecting   : send NAK, refused
    * Connecting   group refused  => Connecting   : refused
    * Connecting   left           => Down         : peer leaves, send Disconnect, close, enter DOWN
    * Connecting   NAK            => Connecting   : rejected
    * Connecting   silence        => Down         : close, enter DOWN
    * Connecting   in step over   => Down         : close, enter DOWN

    * Stage1       transport up   => CapSent      : enter DOWN, send Capability, enter CAPSENT
    * Stage1       transport down => Down         : enter DOWN
    * Stage1       close          => Down         : close, enter DOWN
    * Stage1       restart        => Down         : close, enter DOWN
    * Stage1       group refused  => Stage1       : refused
    * Stage1       left           => Down         : peer leaves, send Disconnect, close, enter DOWN
    * Stage1       NAK            => Stage1       : rejected
    a Stage1       Sync Request   => Stage2       : answer, enter STAGE2, ask
    s Stage1       Sync Request   => Stage1       : answer
    * Stage1       Sync begin     => Stage1       : peer begins
    a Stage1       Sync end       => Stage1       : peer ends
    s Stage1       Sync end       => Stage2       : peer ends, enter STAGE2
    * Stage1       TLV            => Stage1       : deliver
    * Stage1       silence        => Down         : close, enter DOWN
    * Stage1       in step over   => Down         : close, enter DOWN
    * Stage1       keepalive due  => Stage1       : send Heartbeat

    * Stage2       transport up   => CapSent      : enter DOWN, send Capability, enter CAPSENT
    * Stage2       transport down => Down         : enter DOWN
    * Stage2       close          => Down         : close, enter DOWN
    * Stage2       restart        => Down         : close, enter DOWN
    * Stage2       group refused  => Stage2       : refused
    * Stage2       left           => Down         : peer leaves, send Disconnect, close, enter DOWN
    * Stage2       NAK            => Stage2       : rejected
    a Stage2       Sync Request   => Stage2       : answer
    s Stage2       Sync Request   => Exchange     : answer, enter EXCHANGE
    * Stage2       Sync begin     => Stage2       : peer begins
    a Stage2       Sync end       => Exchange     : peer ends, enter EXCHANGE
    s Stage2       Sync end       => Stage2       : peer ends
    * Stage2       TLV            => Stage2       : deliver
    * Stage2       silence        => Down         : close, enter DOWN
    * Stage2       in step over   => Down         : close, enter DOWN
    * Stage2       keepalive due  => Stage2       : send Heartbeat

    * Exchange     transport up   => CapSent      : enter DOWN, send Capability, enter CAPSENT
    * Exchange     transport down => Down         : enter DOWN
    * Exchange     close          => Down         : close, enter DOWN
    * Exchange     restart        => Down         : close, enter DOWN
    * Exchange     group refused  => Exchange     : refused
    * Exchange     left           => Down         : peer leaves, send Disconnect, close, enter DOWN
    * Exchange     NAK            => Exchange     : rejected
    * Exchange     Sync Request   => Exchange     : answer
    * Exchange     Sync begin     => Exchange     : peer begins
    * Exchange     Sync end       => Exchange     : peer ends
    * Exchange     TLV            => Exchange     : deliver
    * Exchange     silence        => Down         : close, enter DOWN
    * Exchange     keepalive due  => Exchange     : send Heartbeat
";

const STATES: [SessionState; 8] = [
    SessionState::Down,
    SessionState::Dialling,
    SessionState::CapSent,
    SessionState::ConnectFirst,
    SessionState::Connecting,
    SessionState::Stage1,
    SessionState::Stage2,
    SessionState::Exchange,
];

/// `spec/iccp.md` 5, 6, for every role, state and event.
#[test]
fn transition_table() {
    let rows: Vec<[&str; 5]> = TRANSITIONS
        .lines()
        .filter(|line| !line.trim().is_empty())
        .map(|line| {
            let (before, after) = line.trim().split_once("=>").unwrap();
            let (role, before) = before.trim().split_once(' ').unwrap();
            let (from, event) = before.trim().split_once(' ').unwrap();
            let (to, actions) = after.split_once(':').unwrap();
            [role, from, event.trim(), to.trim(), actions.trim()]
        })
        .collect();
    let mut used = vec![0; rows.len()];
    for (role, dials) in [("a", true), ("s", false)] {
        for state in STATES {
            for (name, event) in events() {
                let is_row = |row: &[&str; 5]| {
                    ["*", role].contains(&row[0])
                        && row[1] == format!("{state:?}")
                        && row[2] == name
                };
                let mut rows_of = rows.iter().enumerate().filter(|(_, row)| is_row(row));
                let unchanged = format!("{state:?}");
                let (to, actions) = match rows_of.next() {
                    Some((number, row)) => {
                        used[number] += 1;
                        (row[3], row[4])
                    }
                    None => (unchanged.as_str(), ""),
                };
                assert!(rows_of.next().is_none(), "{role} {state:?} + {name}: twice");
                let mut f = Fixture::new(dials);
                f.session.state = state;
                f.session.step(event, &mut f.timers, f.now);
                let done: Vec<String> = f.drain().iter().map(word).collect();
                assert_eq!(
                    (format!("{:?}", f.session.state()), done.join(", ")),
                    (to.to_owned(), actions.to_owned()),
                    "{role} {state:?} + {name}"
                );
            }
        }
    }
    for (row, used) in rows.iter().zip(used) {
        assert_eq!(used, if row[0] == "*" { 2 } else { 1 }, "{row:?}");
    }
}
