//! A shim and an assistant that say what each test wants them to say.

use super::*;
use crate::syncd::tests::{Place as Socket, Server};
use iccp_core::{Config, OnLoss};
use mclag_proto::sync::model::{
    DomainWant, Event, FdbKey, FdbKind, FdbWant, Isolation, OpErrorCode, Sight,
};
use mclag_proto::sync::settings::{DomainSettings, PairSettings, Setting};
use mclag_proto::sync::v2::{ClientMessage, ServerMessage};
use mclag_proto::{DomainId, Vid};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(10);

fn name(text: &str) -> IfName {
    IfName::new(text).unwrap()
}

const ASSISTS: Abilities = Abilities {
    redirect: true,
    tracking: true,
    hold: true,
    pair: false,
    interfaces: true,
    neighbours: true,
    node_mac: false,
    silent: false,
};

/// Both partners of a chassis, and what they listen on.
struct Lab {
    foreign: Foreign,
    shims: TcpListener,
    socket: Socket,
}

impl Lab {
    async fn new(test: &str) -> Self {
        let shims = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let place = Place {
            address: shims.local_addr().unwrap(),
            dialect: Some(Dialect::Sonic),
        };
        let rest = Rest {
            bridge: name("Bridge"),
            node_mac: Mac([2, 0, 0, 0, 0, 9]),
            ack_timeout: Config::ACK_TIMEOUT,
            restart_hold: Config::RESTART_HOLD,
            neighbours: true,
            on_loss: OnLoss::Release,
        };
        let socket = Socket::new(&format!("dataplane-{test}"));
        let assistant = Syncd::new(socket.0.clone());
        let foreign = Foreign::new(Shim::new(vec![place], rest), Some(assistant));
        Self {
            foreign,
            shims,
            socket,
        }
    }

    /// The shim's end of the next connection; and what the core is told of it.
    async fn shim(&mut self) -> (TcpStream, Input) {
        let Self { foreign, shims, .. } = self;
        let (accepted, input) = tokio::join!(shims.accept(), next(foreign));
        (accepted.unwrap().0, input)
    }

    /// The assistant's end of the next connection, and what the core is told of it.
    async fn assistant(&mut self, listener: &UnixListener, window: u32) -> (Server, Input) {
        let serving = async {
            let mut server = Server::accept(listener).await;
            server.greet_as(window, ASSISTS).await;
            server
        };
        tokio::join!(serving, next(&mut self.foreign))
    }

    async fn both(&mut self, window: u32) -> (TcpStream, Server, UnixListener) {
        let (shim, up) = self.shim().await;
        assert_eq!(up, is_up(false));
        let listener = UnixListener::bind(&self.socket.0).unwrap();
        let (assistant, up) = self.assistant(&listener, window).await;
        assert_eq!(up, is_up(true));
        (shim, assistant, listener)
    }

    /// What the assistant is asked next; the core is told nothing meanwhile.
    async fn asked(&mut self, server: &mut Server) -> (u64, Vec<Op>) {
        match while_quiet(&mut self.foreign, server.receive()).await {
            ClientMessage::Batch { number, ops } => (number, ops),
            other => panic!("{other:?}"),
        }
    }
}

/// Drive it, which tells the core nothing meanwhile, until `done`.
async fn while_quiet<T>(foreign: &mut Foreign, done: impl Future<Output = T>) -> T {
    let both = async {
        tokio::select! {
            result = done => result,
            input = next(foreign) => panic!("{input:?}"),
        }
    };
    timeout(PATIENCE, both).await.expect("is done")
}

/// Nothing happens for a while.
async fn is_quiet(foreign: &mut Foreign) {
    let quiet = timeout(Duration::from_millis(200), next(foreign)).await;
    assert!(quiet.is_err(), "{quiet:?}");
}

/// What the core is told next, apart from listings.
async fn next(foreign: &mut Foreign) -> Input {
    let listing = |input: &Input| {
        let event = Event::SnapshotBegin;
        *input == Input::SyncdEvent(event) || *input == Input::SyncdEvent(Event::SnapshotEnd)
    };
    let next = async {
        loop {
            match foreign.next().await {
                Happened::Input(input) if listing(&input) => {}
                Happened::Input(input) => return input,
                Happened::Settings(settings) => panic!("{settings:?}"),
            }
        }
    };
    timeout(PATIENCE, next).await.expect("something happens")
}

fn is_up(neighbours: bool) -> Input {
    Input::SyncdUp {
        abilities: Abilities {
            redirect: false,
            tracking: false,
            hold: true,
            pair: true,
            interfaces: true,
            neighbours,
            node_mac: true,
            silent: true,
        },
        backend: "mclagsyncd-v1, sonic".into(),
        window: crate::shim::WINDOW,
    }
}

fn is_done(batch: u64) -> Input {
    let failures = Vec::new();
    Input::SyncdResult { batch, failures }
}

fn domain() -> Op {
    Op::Domain(DomainWant {
        bridge: name("Bridge"),
        peer_link: Some(name("PortChannel10")),
        peer_link_learning: false,
    })
}

fn port(traffic: Traffic, redirect: bool) -> Op {
    Op::Port {
        port: name("PortChannel1"),
        want: PortWant {
            isolation: Isolation::On,
            traffic,
            redirect,
            system_mac: Some(Mac([2, 0, 0, 0, 0, 1])),
        },
    }
}

fn key() -> FdbKey {
    FdbKey {
        vid: Vid::DEFAULT,
        mac: Mac([2, 0, 0, 0, 0, 7]),
    }
}

fn entry() -> Op {
    Op::Fdb {
        key: key(),
        want: FdbWant {
            port: name("PortChannel1"),
            kind: FdbKind::Tracked,
        },
    }
}

fn batch(number: u64, ops: &[Op]) -> Batch {
    let ops = ops.to_vec();
    Batch { number, ops }
}

async fn answer(server: &mut Server, number: u64, results: Vec<Result<(), OpError>>) {
    let result = ServerMessage::BatchResult { number, results };
    server.send(&result).await;
}

fn refused() -> OpError {
    OpError {
        code: OpErrorCode::Refused,
        text: "no".into(),
    }
}

/// `docs/mclagsyncd-v2.md` 7.1: from our own `syncd`, and what makes no sense ends the connection.
#[tokio::test]
async fn settings_of_the_pair_arrive_from_our_own_syncd() {
    let socket = Socket::new("dataplane-settings");
    let listener = UnixListener::bind(&socket.0).unwrap();
    let chassis = settings::Chassis::default();
    let syncd = settings::Syncd {
        socket: socket.0.clone(),
        ..settings::Syncd::default()
    };
    let mac = Mac([2, 0, 0, 0, 0, 9]);
    let mut dataplane = Dataplane::new(&syncd, &chassis, name("Bridge"), mac);
    let serving = async {
        let mut server = Server::accept(&listener).await;
        server.greet_as(4, ASSISTS).await;
        server
    };
    let (mut server, up) = tokio::join!(serving, dataplane.next());
    assert!(matches!(up, Happened::Input(Input::SyncdUp { .. })));
    let told = PairSettings {
        domain: DomainSettings {
            domain: DomainId::new(7).unwrap(),
            local: [10, 0, 0, 1].into(),
            peer: [10, 0, 0, 2].into(),
            peer_link: Some(name("PortChannel10")),
            system_mac: None,
            keepalive_s: Some(2),
            session_timeout_s: None,
        },
        ports: ["PortChannel1"].map(name).into(),
        unique_ip: Default::default(),
    };
    let events = PairSettings::events(Some(&told)).chain(PairSettings::events(None));
    let mut events: Vec<Event> = events.collect();
    events.push(Event::Settings(Setting::End));
    server
        .send(&ServerMessage::Events { number: 1, events })
        .await;
    let Happened::Settings(Some(config)) = dataplane.next().await else {
        panic!("no settings");
    };
    assert_eq!(config.domain, told.domain.domain);
    assert_eq!((config.bridge, config.node_mac), (name("Bridge"), mac));
    assert_eq!(config.ports, told.ports);
    assert!(matches!(dataplane.next().await, Happened::Settings(None)));
    // An end without a beginning.
    let down = dataplane.next().await;
    assert!(
        matches!(down, Happened::Input(Input::SyncdDown)),
        "{down:?}"
    );
}

/// `docs/adr/0011-foreign-shims.md`: no entries, no holding; and the failure is the one of the
/// core's operation.
#[tokio::test]
async fn a_batch_is_done_when_both_are() {
    let mut lab = Lab::new("both").await;
    let (_shim, mut assistant, _listener) = lab.both(4).await;
    let ops = [entry(), domain(), entry(), port(Traffic::Held, true)];
    lab.foreign.send(&batch(1, &ops));
    let (number, ops) = lab.asked(&mut assistant).await;
    assert_eq!(number, 1);
    assert_eq!(ops, [domain(), port(Traffic::Keep, false)]);
    is_quiet(&mut lab.foreign).await;
    answer(&mut assistant, 1, vec![Ok(()), Err(refused())]).await;
    let want = Input::SyncdResult {
        batch: 1,
        failures: vec![(3, refused())],
    };
    assert_eq!(next(&mut lab.foreign).await, want);
    // What is the shim's alone does not wait for anybody.
    lab.foreign.send(&batch(2, &[entry()]));
    assert_eq!(next(&mut lab.foreign).await, is_done(2));
}

#[tokio::test]
async fn batches_are_answered_in_order() {
    let mut lab = Lab::new("order").await;
    let (_shim, mut assistant, _listener) = lab.both(4).await;
    lab.foreign.send(&batch(1, &[domain()]));
    lab.foreign.send(&batch(2, &[entry()]));
    assert_eq!(lab.asked(&mut assistant).await.0, 1);
    is_quiet(&mut lab.foreign).await;
    answer(&mut assistant, 1, vec![Ok(())]).await;
    assert_eq!(next(&mut lab.foreign).await, is_done(1));
    assert_eq!(next(&mut lab.foreign).await, is_done(2));
}

/// `docs/mclagsyncd-v2.md` 8: at most `window` batches unanswered, whatever the shim's is.
#[tokio::test]
async fn the_assistants_window_is_kept() {
    let mut lab = Lab::new("window").await;
    let (_shim, mut assistant, _listener) = lab.both(2).await;
    for number in 1..=4 {
        lab.foreign.send(&batch(number, &[domain()]));
    }
    assert_eq!(lab.asked(&mut assistant).await.0, 1);
    assert_eq!(lab.asked(&mut assistant).await.0, 2);
    let more = timeout(Duration::from_millis(200), lab.asked(&mut assistant)).await;
    assert!(more.is_err(), "{more:?}");
    for number in 1..=4 {
        answer(&mut assistant, number, vec![Ok(())]).await;
        assert_eq!(next(&mut lab.foreign).await, is_done(number));
        if number <= 2 {
            assert_eq!(lab.asked(&mut assistant).await.0, number + 2);
        }
    }
}

/// What was asked for a shim that is gone still counts; what was not asked yet never is.
#[tokio::test]
async fn a_new_shim_does_not_overrun_the_assistant() {
    let mut lab = Lab::new("overrun").await;
    let (shim, mut assistant, _listener) = lab.both(2).await;
    for number in 1..=3 {
        lab.foreign.send(&batch(number, &[domain()]));
    }
    drop(shim);
    assert_eq!(next(&mut lab.foreign).await, Input::SyncdDown);
    let (_shim, up) = lab.shim().await;
    assert_eq!(up, is_up(true));
    lab.foreign
        .send(&batch(1, &[domain(), port(Traffic::Pass, false)]));
    assert_eq!(lab.asked(&mut assistant).await.1.len(), 1);
    assert_eq!(lab.asked(&mut assistant).await.1.len(), 1);
    is_quiet(&mut lab.foreign).await;
    answer(&mut assistant, 1, vec![Err(refused())]).await;
    let (number, ops) = lab.asked(&mut assistant).await;
    assert_eq!((number, ops.len()), (3, 2));
    answer(&mut assistant, 2, vec![Ok(())]).await;
    is_quiet(&mut lab.foreign).await;
    answer(&mut assistant, 3, vec![Ok(()), Ok(())]).await;
    assert_eq!(next(&mut lab.foreign).await, is_done(1));
}

#[tokio::test]
async fn an_assistant_that_dies_answers_for_nothing_any_more() {
    let mut lab = Lab::new("dies").await;
    let (_shim, mut assistant, listener) = lab.both(4).await;
    lab.foreign.send(&batch(1, &[domain()]));
    assert_eq!(lab.asked(&mut assistant).await.0, 1);
    drop(assistant);
    // Neighbours are nobody's now; the core begins anew and sends the batch's operations again.
    assert_eq!(next(&mut lab.foreign).await, is_up(false));
    lab.foreign.send(&batch(1, &[domain()]));
    assert_eq!(next(&mut lab.foreign).await, is_done(1));
    let (mut assistant, up) = lab.assistant(&listener, 4).await;
    assert_eq!(up, is_up(true));
    lab.foreign.send(&batch(1, &[domain()]));
    assert_eq!(lab.asked(&mut assistant).await.0, 1);
}

/// Without a shim there is nothing to be assisted: the core hears of no dataplane.
#[tokio::test]
async fn an_assistant_alone_is_no_dataplane() {
    let Lab {
        mut foreign,
        shims,
        socket,
    } = Lab::new("alone").await;
    drop(shims);
    let listener = UnixListener::bind(&socket.0).unwrap();
    let serving = async {
        let mut server = Server::accept(&listener).await;
        server.greet_as(4, ASSISTS).await;
        server
    };
    let assistant = while_quiet(&mut foreign, serving).await;
    is_quiet(&mut foreign).await;
    drop(assistant);
    is_quiet(&mut foreign).await;
}

/// Both see the same bridge.
#[tokio::test]
async fn what_the_assistant_sees_is_not_said_twice() {
    let mut lab = Lab::new("events").await;
    let (_shim, mut assistant, _listener) = lab.both(4).await;
    let sight = Sight::Aged;
    let events = vec![Event::Fdb { key: key(), sight }];
    assistant
        .send(&ServerMessage::Events { number: 1, events })
        .await;
    is_quiet(&mut lab.foreign).await;
    lab.foreign.send(&batch(1, &[entry()]));
    assert_eq!(next(&mut lab.foreign).await, is_done(1));
}
