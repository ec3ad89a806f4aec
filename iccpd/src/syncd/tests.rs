//! A server that says what each test wants it to say.

use super::*;
use mclag_proto::sync::frame;
use mclag_proto::sync::model::{Abilities, Event, FdbKey, Observation, Op, OpErrorCode, Section};
use mclag_proto::sync::v2::{Codec, ErrorCode};
use mclag_proto::{IfName, Mac, Vid};
use mclag_test_support::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixListener;
use tokio::time::Instant;

const PATIENCE: Duration = Duration::from_secs(30);
const ABILITIES: Abilities = Abilities {
    redirect: true,
    tracking: true,
    hold: false,
    pair: false,
    interfaces: false,
    neighbours: false,
    node_mac: false,
};

/// One accepted connection.
pub(crate) struct Server {
    stream: UnixStream,
    codec: Codec<ClientMessage>,
}

impl Server {
    /// Accept the client, without answering its hello.
    pub(crate) async fn accept(listener: &UnixListener) -> Self {
        let (stream, _) = listener.accept().await.unwrap();
        Self {
            stream,
            codec: Codec::server(),
        }
    }

    pub(crate) async fn receive(&mut self) -> ClientMessage {
        loop {
            if let Some(message) = self.codec.next_message().unwrap() {
                return message;
            }
            let mut buffer = vec![0; 1 << 16];
            let len = self.stream.read(&mut buffer).await.unwrap();
            assert_ne!(len, 0, "the client went away");
            self.codec.push(&buffer[..len]);
        }
    }

    pub(crate) async fn send(&mut self, message: &ServerMessage) {
        let bytes = message.encode().unwrap();
        self.stream.write_all(&bytes).await.unwrap();
    }

    async fn greet(&mut self, window: u32) {
        self.greet_as(window, ABILITIES).await;
    }

    pub(crate) async fn greet_as(&mut self, window: u32, abilities: Abilities) {
        self.greet_with(window, abilities, Capabilities::empty())
            .await;
    }

    async fn greet_with(&mut self, window: u32, abilities: Abilities, capabilities: Capabilities) {
        assert!(matches!(self.receive().await, ClientMessage::Hello(_)));
        self.send(&ServerMessage::Hello(ServerHello {
            version: VERSION,
            capabilities,
            abilities,
            backend: "record".into(),
            window,
        }))
        .await;
    }
}

async fn next(syncd: &mut Syncd) -> Input {
    timeout(PATIENCE, syncd.next())
        .await
        .expect("something happens")
}

/// Drive the client, which reports nothing meanwhile, until `done`.
async fn while_quiet<T>(syncd: &mut Syncd, done: impl Future<Output = T>) -> T {
    let both = async {
        tokio::select! {
            result = done => result,
            input = syncd.next() => panic!("{input:?}"),
        }
    };
    timeout(PATIENCE, both).await.expect("is done")
}

/// A client that is connected and greeted, and its server.
async fn connected(place: &TempDir, window: u32) -> (Syncd, Server, UnixListener) {
    let listener = UnixListener::bind(place.path("sock")).unwrap();
    let mut syncd = Syncd::new(place.path("sock"), false, Servers::new(None));
    let serving = async {
        let mut server = Server::accept(&listener).await;
        server.greet(window).await;
        server
    };
    let (input, server) = tokio::join!(next(&mut syncd), serving);
    let want = Input::SyncdUp {
        abilities: ABILITIES,
        backend: "record".into(),
        window: window.clamp(1, MAX_WINDOW),
    };
    assert_eq!(input, want);
    (syncd, server, listener)
}

fn batch(number: u64) -> Batch {
    Batch {
        number,
        ops: vec![
            Op::SnapshotBegin(Section::Fdb),
            Op::SnapshotEnd(Section::Fdb),
        ],
    }
}

fn event(last: u8) -> Event {
    Event::Fdb {
        key: FdbKey {
            vid: Vid::new(10).unwrap(),
            mac: Mac([2, 0, 0, 0, 0, last]),
        },
        observation: Observation::Active {
            port: IfName::new("bond1").unwrap(),
        },
    }
}

#[tokio::test(flavor = "current_thread")]
async fn an_absurd_window_is_cut() {
    let place = TempDir::new("syncd-window");
    drop(connected(&place, u32::MAX).await);
}

/// Input: a batch of two operations, of which the second fails. Output: the failure with its
/// index; idle afterwards.
#[tokio::test(flavor = "current_thread")]
async fn a_batch_is_answered() {
    let place = TempDir::new("syncd-batch");
    let (mut syncd, mut server, _listener) = connected(&place, 4).await;
    syncd.send(batch(1));
    assert!(!syncd.is_idle());
    let Batch { number, ops } = batch(1);
    let want = ClientMessage::Batch { number, ops };
    assert_eq!(while_quiet(&mut syncd, server.receive()).await, want);

    let error = OpError {
        code: OpErrorCode::Refused,
        text: "bond1: no".into(),
    };
    let results = vec![Ok(()), Err(error.clone())];
    server
        .send(&ServerMessage::BatchResult { number: 1, results })
        .await;
    let want = Input::SyncdResult {
        batch: 1,
        failures: vec![(1, error)],
    };
    assert_eq!(next(&mut syncd).await, want);
    assert!(syncd.is_idle());
}

/// Input: as many messages of events as the first credit allows. Output: the events in order;
/// more credit only after the core has taken them.
#[tokio::test(flavor = "current_thread")]
async fn credit_follows_what_the_core_has_taken() {
    let place = TempDir::new("syncd-credit");
    let (mut syncd, mut server, _listener) = connected(&place, 4).await;
    for number in 1..=EVENT_CREDIT {
        let events = vec![event(1), event(2)];
        server.send(&ServerMessage::Events { number, events }).await;
    }
    let half = EVENT_CREDIT / 2;
    for _ in 0..half {
        assert_eq!(next(&mut syncd).await, Input::SyncdEvent(event(1)));
        assert_eq!(next(&mut syncd).await, Input::SyncdEvent(event(2)));
    }
    let Some(connection) = &syncd.connection else {
        panic!("{syncd:?}");
    };
    assert_eq!(connection.granted, EVENT_CREDIT);
    // Asking for the next is what says that the one before was taken.
    assert_eq!(next(&mut syncd).await, Input::SyncdEvent(event(1)));
    syncd.flush_now().await;
    let credit = timeout(PATIENCE, server.receive()).await.unwrap();
    let up_to = half + EVENT_CREDIT;
    assert_eq!(credit, ClientMessage::Credit { up_to });
}

/// Before it does, so that nothing is relied upon that is about to end.
#[tokio::test(flavor = "current_thread")]
async fn a_server_that_restores_the_dataplane_says_so_before_it_is_gone() {
    let place = TempDir::new("syncd-restores");
    let (mut syncd, mut server, _listener) = connected(&place, 4).await;
    let bye = ServerMessage::Error {
        code: ErrorCode::Restoring,
        text: "stopping".into(),
    };
    server.send(&bye).await;
    assert_eq!(next(&mut syncd).await, Input::SyncdRestores);
    assert_eq!(next(&mut syncd).await, Input::SyncdDown);
}

/// Input: the server goes away and comes back. Output: down, then up again; batches sent in
/// between are dropped.
#[tokio::test(flavor = "current_thread")]
async fn the_client_comes_back() {
    let place = TempDir::new("syncd-back");
    let (mut syncd, mut server, listener) = connected(&place, 4).await;
    let bye = ServerMessage::Error {
        code: ErrorCode::Stopping,
        text: "stopping".into(),
    };
    server.send(&bye).await;
    drop(server);
    assert_eq!(next(&mut syncd).await, Input::SyncdDown);
    syncd.send(batch(1));
    assert!(syncd.is_idle());
    let serving = async {
        let mut server = Server::accept(&listener).await;
        server.greet(1).await;
        server
    };
    let (input, _server) = tokio::join!(next(&mut syncd), serving);
    assert!(
        matches!(input, Input::SyncdUp { window: 1, .. }),
        "{input:?}"
    );
}

/// Input: no server at first. Output: nothing but patience; up when it is there.
#[tokio::test(flavor = "current_thread")]
async fn the_server_may_start_later() {
    let place = TempDir::new("syncd-later");
    let mut syncd = Syncd::new(place.path("sock"), false, Servers::new(None));
    let start = Instant::now();
    while !syncd.complained {
        while_quiet(&mut syncd, tokio::task::yield_now()).await;
        assert!(start.elapsed() < PATIENCE);
    }
    let listener = UnixListener::bind(place.path("sock")).unwrap();
    let serving = async {
        let mut server = Server::accept(&listener).await;
        server.greet(1).await;
        server
    };
    let (input, _server) = tokio::join!(next(&mut syncd), serving);
    assert!(matches!(input, Input::SyncdUp { .. }), "{input:?}");
}

/// Every way to break the rules ends the connection, and not the program.
#[tokio::test(flavor = "current_thread")]
async fn a_server_that_breaks_the_rules_is_left() {
    let hello = ServerMessage::Hello(ServerHello {
        version: VERSION,
        capabilities: Capabilities::empty(),
        abilities: ABILITIES,
        backend: "record".into(),
        window: 1,
    });
    let result = |number, count| ServerMessage::BatchResult {
        number,
        results: vec![Ok(()); count],
    };
    let events = |number| ServerMessage::Events {
        number,
        events: vec![],
    };
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("a second hello", hello.encode().unwrap()),
        ("an answer nobody asked for", result(2, 2).encode().unwrap()),
        (
            "an answer of the wrong length",
            result(1, 3).encode().unwrap(),
        ),
        ("events out of order", events(2).encode().unwrap()),
        ("a length that cannot be", vec![2, 0x83, 3, 0]),
        (
            "a body that cannot be",
            frame::encode(2, 0x82, &[1, 2, 3]).unwrap(),
        ),
    ];
    for (what, bytes) in cases {
        let place = TempDir::new("syncd-rules");
        let (mut syncd, mut server, _listener) = connected(&place, 4).await;
        syncd.send(batch(1));
        server.stream.write_all(&bytes).await.unwrap();
        assert_eq!(next(&mut syncd).await, Input::SyncdDown, "{what}");
    }
}

/// Input: a server that knows which interfaces have other names, and one that begins with something else. Output: that is known
/// before the server counts as connected, and the other one is no server.
#[tokio::test(flavor = "current_thread")]
async fn names_are_known_before_anything_is_asked_for() {
    let place = TempDir::new("syncd-names");
    let listener = UnixListener::bind(place.path("sock")).unwrap();
    let mut syncd = Syncd::new(place.path("sock"), false, Servers::new(None));
    let name = "bond1".parse().unwrap();
    let kept = Event::Kept { name, index: 12 };
    let begins_with = |events: Vec<Event>| {
        let listener = &listener;
        async move {
            let mut server = Server::accept(listener).await;
            server.greet_with(8, ABILITIES, Capabilities::NAMES).await;
            let first = ServerMessage::Events { number: 1, events };
            server.send(&first).await;
            server
        }
    };
    while_quiet(&mut syncd, begins_with(vec![event(1)])).await;
    let serving = begins_with(vec![kept.clone()]);
    let (input, mut server) = tokio::join!(next(&mut syncd), serving);
    assert_eq!(input, Input::SyncdEvent(kept));
    assert!(matches!(next(&mut syncd).await, Input::SyncdUp { .. }));
    let events = vec![event(2)];
    let number = 2;
    server.send(&ServerMessage::Events { number, events }).await;
    assert_eq!(next(&mut syncd).await, Input::SyncdEvent(event(2)));
}

/// Input: a server that answers the hello with something else. Output: the client tries again.
#[tokio::test(flavor = "current_thread")]
async fn a_wrong_greeting_is_no_connection() {
    let place = TempDir::new("syncd-greeting");
    let listener = UnixListener::bind(place.path("sock")).unwrap();
    let mut syncd = Syncd::new(place.path("sock"), false, Servers::new(None));
    let serving = async {
        let mut server = Server::accept(&listener).await;
        let events = vec![];
        server
            .send(&ServerMessage::Events { number: 1, events })
            .await;
        Server::accept(&listener).await
    };
    while_quiet(&mut syncd, serving).await;
}

/// Input: somebody who is none of those who may listens at the socket. Output: he hears nothing; as
/// soon as his user may, he hears a hello.
#[tokio::test]
async fn who_answers_at_the_socket_is_root_or_the_user_of_mclagsyncd() {
    let place = TempDir::new("syncd-servers");
    let listener = UnixListener::bind(place.path("sock")).unwrap();
    let own = geteuid().as_raw();
    let lost = connecting(place.path("sock"), Servers([None; 3]), async || None)
        .await
        .unwrap_err();
    assert!(
        matches!(lost, Lost::Stranger(user) if user == own),
        "{lost}"
    );
    let (mut stream, _) = listener.accept().await.unwrap();
    assert_eq!(stream.read(&mut [0; 64]).await.unwrap(), 0);
    let servers = Servers::new(Some(own.wrapping_add(1)));
    for user in [0, own, own.wrapping_add(1)] {
        assert!(servers.contain(user, async || None).await, "{user}");
    }
    assert!(!servers.contain(own.wrapping_add(2), async || None).await);
    // The usual user is looked up when somebody answers, and only where no other is named.
    let usual = Servers::new(None);
    assert!(!usual.contain(61_002, async || None).await);
    assert!(usual.contain(61_002, async || Some(61_002)).await);
    assert!(!servers.contain(61_002, async || Some(61_002)).await);
    let mut syncd = Syncd::new(place.path("sock"), false, servers);
    tokio::select! {
        input = syncd.next() => panic!("{input:?}"),
        accepted = listener.accept() => {
            let (mut stream, _) = accepted.unwrap();
            let read = while_quiet(&mut syncd, async move { stream.read(&mut [0; 64]).await });
            assert!(read.await.unwrap() > 0);
        }
    }
}

/// Input: a look-up that takes until something else has happened. Output: that happens meanwhile.
#[tokio::test]
async fn a_name_that_is_looked_up_holds_nothing_else_up() {
    let (happen, happened) = std::sync::mpsc::channel();
    let look_up = beside_the_loop(move || happened.recv_timeout(Duration::from_secs(10)).ok());
    let other = async { happen.send(7) };
    let (found, sent) = tokio::join!(look_up, other);
    assert_eq!((found, sent), (Some(7), Ok(())));
}

/// Input: nobody says whether the user who listens at the socket is the usual one. Output: that is what is wrong, and not the
/// server.
#[tokio::test(start_paused = true)]
async fn a_name_service_that_hangs_is_no_fault_of_the_server() {
    let place = TempDir::new("syncd-name-service");
    let _listener = UnixListener::bind(place.path("sock")).unwrap();
    let hangs = async || std::future::pending().await;
    let lost = connecting(place.path("sock"), Servers([None; 3]), hangs).await;
    let lost = lost.unwrap_err().to_string();
    let own = geteuid();
    let cause = format!("does not say within 2 s whether user {own}, who listens there, is mclag-");
    assert!(lost.contains(&cause), "{lost}");
}
