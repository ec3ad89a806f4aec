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

    fn in_step() -> Self {
        let mut this = Self::operational(true);
        this.tlv(Tlv::SyncRequest { number: 0 });
        this.tlv(Tlv::SyncData {
            number: 0,
            end: true,
        });
        assert_eq!(this.session.state(), State::Exchange);
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
        assert_eq!(f.session.state(), State::Stage1);
        let request = Tlv::SyncRequest { number: 0 };
        let end = Tlv::SyncData {
            number: 0,
            end: true,
        };
        if dials {
            let actions = f.tlv(request.clone());
            assert!(sends(&actions, &request), "asks in stage 2");
            assert_eq!(f.session.state(), State::Stage2);
            f.tlv(end);
        } else {
            f.tlv(end);
            assert_eq!(f.session.state(), State::Stage2);
            f.tlv(request);
        }
        assert_eq!(f.session.state(), State::Exchange);
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
    assert_eq!(f.session.state(), State::CapSent);
    f.receive(Body::Capability);
    assert_eq!(f.session.state(), State::Stage1);
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
    assert_eq!(f.session.state(), State::Stage2);
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
    assert_eq!(f.session.state(), State::Exchange);
}

/// `spec/iccp.md` 6: the standby asks first, so what ends its first stage is the answer. A request of
/// the active that comes before it is answered and does not end the synchronisation.
#[test]
fn a_request_in_the_first_stage_of_the_standby_does_not_bring_it_in_step() {
    let mut f = Fixture::operational(false);
    assert_eq!(f.session.state(), State::Stage1);
    let actions = f.tlv(Tlv::SyncRequest { number: 7 });
    assert_eq!(actions, [Action::Answer { number: 7 }]);
    assert_eq!(f.session.state(), State::Stage1);
    f.tlv(Tlv::SyncData {
        number: 0,
        end: true,
    });
    assert_eq!(f.session.state(), State::Stage2);
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
    assert!(matches!(&actions[1], Action::Refused { reason } if reason.contains("domain 2")));
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
    assert_eq!(f.session.state(), State::Connecting);
}

/// `spec/iccp.md` 8: the error clears when a message with the right group arrives.
#[test]
fn a_peer_that_comes_to_its_senses_about_the_domain_is_accepted() {
    let mut f = Fixture::new(true);
    f.session.transport_up(&mut f.timers, f.now);
    f.receive(Body::Capability);
    f.receive(connect(2));
    f.receive(connect(1));
    assert_eq!(f.session.state(), State::Stage1);
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
    assert_eq!(f.session.state(), State::Down);
    assert!(f.pass(Duration::from_secs(1)).contains(&Action::Connect));
}

#[test]
fn silence_ends_the_session_and_any_message_is_a_sign_of_life() {
    for (ours, limit) in [(true, 15), (false, 16)] {
        let mut f = Fixture::in_step();
        if ours {
            f.session.peer_is_ours(&mut f.timers, f.now);
        }
        for _ in 0..3 {
            f.pass(Duration::from_secs(limit - 1));
            f.receive(Body::Unknown { kind: 0x777 });
        }
        assert_eq!(f.session.state(), State::Exchange);
        f.pass(Duration::from_secs(limit - 1));
        assert_eq!(f.session.state(), State::Exchange);
        f.pass(Duration::from_secs(1));
        assert_eq!(f.session.state(), State::Down);
    }
}

/// `spec/iccp.md` 9.1: its period is the interval and a second more.
#[test]
fn a_timeout_as_short_as_the_interval_does_not_end_the_session_of_a_legacy_peer() {
    let mut f = Fixture::in_step();
    let config = SessionConfig {
        keepalive: Duration::from_secs(3),
        timeout: Duration::from_secs(3),
        ..f.session.config.clone()
    };
    f.session.configure(config, &mut f.timers, f.now);
    for _ in 0..5 {
        f.pass(Duration::from_millis(4100));
        f.tlv(Tlv::Heartbeat);
        assert_eq!(f.session.state(), State::Exchange);
    }
}

/// `spec/behaviour.md` 12.
#[test]
fn another_keepalive_interval_is_followed_by_a_keepalive_and_another_timeout_holds_at_once() {
    let mut f = Fixture::in_step();
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
    assert_eq!(f.session.state(), State::Exchange);
    f.pass(Duration::from_secs(6));
    assert_eq!(f.session.state(), State::Down);
}

#[test]
fn other_settings_end_an_attempt_to_dial() {
    let mut f = Fixture::new(true);
    f.session.start(&mut f.timers);
    f.drain();
    f.session.restart("new".into(), &mut f.timers, f.now);
    assert!(matches!(&f.drain()[..], [Action::Close { .. }]));
    assert!(f.pass(Duration::from_secs(1)).contains(&Action::Connect));
}

/// `spec/iccp.md` 3.3, `spec/behaviour.md` E7.
#[test]
fn only_the_code_group_removed_of_our_own_group_is_a_goodbye() {
    let disconnect = |rg, status| Body::Disconnect {
        rg: RgId(rg),
        status,
    };
    let mut f = Fixture::in_step();
    assert_eq!(f.receive(disconnect(1, Status::NONE)), []);
    assert_eq!(f.receive(disconnect(2, Status::RG_REMOVED)), []);
    let actions = f.receive(disconnect(1, Status::RG_REMOVED));
    assert_eq!(actions[0], Action::PeerLeaves);
    assert_eq!(actions[1], Action::Send(disconnect(1, Status::NONE)));
    assert!(matches!(actions[2], Action::Close { .. }));
    assert_eq!(f.session.state(), State::Down);
}

#[test]
fn a_peer_that_lives_and_never_gets_in_step_is_given_up() {
    let mut f = Fixture::operational(true);
    for _ in 0..15 {
        f.pass(Duration::from_secs(1));
        f.tlv(Tlv::Heartbeat);
    }
    assert_eq!(f.session.state(), State::Down);
}

/// `spec/behaviour.md` 3.1: a session timeout of 1 s is a legal one, and a legacy peer needs a turn
/// of its loop for each step, and a second for each NAK.
#[test]
fn a_short_timeout_leaves_a_peer_that_speaks_its_time_to_get_in_step() {
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
    assert_eq!(f.session.state(), State::Stage2);
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
fn only_the_lower_address_dials_and_not_more_than_once_a_second() {
    let mut f = Fixture::new(true);
    f.session.start(&mut f.timers);
    assert_eq!(f.drain(), [Action::Connect]);
    f.session.start(&mut f.timers);
    assert_eq!(f.drain(), [], "already dialling");
    f.session
        .transport_down("refused".into(), &mut f.timers, f.now);
    assert!(
        !f.pass(Duration::from_millis(999))
            .contains(&Action::Connect)
    );
    assert!(f.pass(Duration::from_millis(1)).contains(&Action::Connect));

    let mut f = Fixture::new(false);
    f.session.start(&mut f.timers);
    assert_eq!(f.drain(), []);
}

#[test]
fn a_message_of_a_transport_that_is_gone_changes_nothing() {
    let mut f = Fixture::new(true);
    assert_eq!(f.receive(Body::Capability), []);
    assert_eq!(f.session.state(), State::Down);
}
