//! The server over real sockets, with the recording dataplane behind it.

use std::collections::HashSet;
use std::collections::{HashMap, VecDeque};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use mclag_daemon::socket::ListenError;
use mclag_proto::sync::frame;
use mclag_proto::sync::model::*;
use mclag_proto::sync::v2::{ClientHello, Codec, MAX_OPS_PER_BATCH, ServerHello};
use mclag_proto::{IfName, Mac, Vid};
use mclag_test_support::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::*;
use crate::backend::record::{RecordBackend, Recorder};
use crate::dataplane::{Action, EntryKind, FdbEntry};

mod foreign;

/// What has to happen, happens within this time, however slow the machine.
const SOON: Duration = Duration::from_secs(20);

/// A server in a directory of its own.
struct Rig {
    dir: TempDir,
    recorder: Recorder,
    server: JoinHandle<Result<(), ServerError>>,
    stop: oneshot::Sender<()>,
    reload: mpsc::Sender<Options>,
}

impl Rig {
    async fn start(options: Options) -> Self {
        Self::start_beside(options, None).await
    }

    /// With a foreign server that keeps the table.
    async fn start_beside(options: Options, keeper: Option<mclagsyncd::Client>) -> Self {
        let backend = RecordBackend::new();
        let recorder = backend.recorder();
        for name in ["peer", "bond1", "bond2", "swp1"] {
            recorder.add_port(port(name));
        }
        let dir = TempDir::new("syncd");
        Self::serve(dir, backend, options, keeper).await
    }

    async fn start_on(dir: TempDir, backend: RecordBackend, options: Options) -> Self {
        Self::serve(dir, backend, options, None).await
    }

    async fn serve(
        dir: TempDir,
        backend: RecordBackend,
        mut options: Options,
        keeper: Option<mclagsyncd::Client>,
    ) -> Self {
        let recorder = backend.recorder();
        let listener = options.access.listen(&dir.join("sock")).unwrap();
        options.originals = Some(dir.join("originals"));
        let mut server = Server::start(backend, options).await.unwrap();
        if let Some(keeper) = keeper {
            server = server.with_mclagsyncd(keeper);
        }
        let (reload, reloads) = mpsc::channel(1);
        let server = server.with_reloads(reloads);
        let (stop, stopped) = oneshot::channel();
        let server = tokio::spawn(server.run(listener, async {
            let _ = stopped.await;
        }));
        Self {
            dir,
            recorder,
            server,
            stop,
            reload,
        }
    }

    fn socket(&self) -> PathBuf {
        self.dir.join("sock")
    }

    async fn connect(&self) -> Client {
        Client::connect(&self.socket()).await
    }

    /// A client that has said hello and reads all events.
    async fn client(&self) -> Client {
        let mut client = self.connect().await;
        client.hello(u64::MAX).await;
        client
    }

    /// Wait until the dataplane is as it has to be.
    async fn until(&self, is_so: impl Fn(&crate::dataplane::Actual) -> bool) {
        let wait = async {
            while !is_so(&self.recorder.actual()) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let waited = timeout(SOON, wait).await;
        assert!(waited.is_ok(), "{:?}", self.recorder.actual());
    }

    /// Entries of ours on bond1, as an earlier run left them behind.
    fn add_ours(&self, count: u16) {
        self.recorder.tamper(|actual| {
            for number in 0..count {
                let kind = EntryKind::Ours {
                    active: false,
                    sticky: false,
                };
                let port = port("bond1");
                actual.fdb.insert(key(number), FdbEntry { port, kind });
            }
        });
    }

    async fn stop(self) {
        let _ = self.stop.send(());
        timeout(SOON, self.server).await.unwrap().unwrap().unwrap();
    }
}

/// The other end.
struct Client {
    stream: UnixStream,
    codec: Codec<ServerMessage>,
    batch: u64,
    events: u64,
    /// Events that came while something else was waited for.
    early: VecDeque<Vec<Event>>,
}

impl Client {
    async fn connect(socket: &Path) -> Self {
        Self {
            stream: UnixStream::connect(socket).await.unwrap(),
            codec: Codec::client(),
            batch: 0,
            events: 0,
            early: VecDeque::new(),
        }
    }

    async fn send(&mut self, message: &ClientMessage) {
        let bytes = message.encode().unwrap();
        self.stream.write_all(&bytes).await.unwrap();
    }

    /// The next message; none when the server closed the connection.
    async fn receive(&mut self) -> Option<ServerMessage> {
        let receive = async {
            loop {
                if let Some(message) = self.codec.next_message().unwrap() {
                    return Some(message);
                }
                let mut chunk = [0; 4096];
                match self.stream.read(&mut chunk).await {
                    Ok(0) | Err(_) => return None,
                    Ok(count) => self.codec.push(&chunk[..count]),
                }
            }
        };
        timeout(SOON, receive).await.unwrap()
    }

    async fn hello(&mut self, events_up_to: u64) {
        self.send(&hello(2..=2, events_up_to)).await;
        match self.receive().await {
            Some(ServerMessage::Hello(hello)) => {
                assert_eq!((hello.version, hello.window), (2, WINDOW));
                assert_eq!(hello.backend, "record");
            }
            other => panic!("{other:?}"),
        }
    }

    /// The next message that is not events, which are kept for later.
    async fn answer(&mut self) -> Option<ServerMessage> {
        loop {
            match self.receive().await {
                Some(ServerMessage::Events { number, events }) => {
                    self.events += 1;
                    assert_eq!(number, self.events);
                    self.early.push_back(events);
                }
                other => return other,
            }
        }
    }

    /// The next events.
    async fn events(&mut self) -> Vec<Event> {
        if let Some(events) = self.early.pop_front() {
            return events;
        }
        match self.receive().await {
            Some(ServerMessage::Events { number, events }) => {
                self.events += 1;
                assert_eq!(number, self.events);
                events
            }
            other => panic!("{other:?}"),
        }
    }

    /// All addresses of a snapshot that begins now.
    async fn snapshot(&mut self) -> Vec<(FdbKey, Observation)> {
        let mut events = self.events().await;
        assert_eq!(events.first(), Some(&Event::SnapshotBegin));
        while events.last() != Some(&Event::SnapshotEnd) {
            events.extend(self.events().await);
        }
        let observations = events.iter().filter_map(|event| match event {
            Event::Fdb { key, observation } => Some((*key, *observation)),
            _ => None,
        });
        observations.collect()
    }

    async fn ask(&mut self, ops: &[Op]) -> Vec<Result<(), OpError>> {
        self.batch += 1;
        let number = self.batch;
        let ops = ops.to_vec();
        self.send(&ClientMessage::Batch { number, ops }).await;
        match self.answer().await {
            Some(ServerMessage::BatchResult { number, results }) => {
                assert_eq!(number, self.batch);
                results
            }
            other => panic!("{other:?}"),
        }
    }

    /// The error that the server says before it closes.
    async fn shutdown_notice(mut self) -> (ErrorCode, String) {
        loop {
            match self.answer().await {
                Some(ServerMessage::Error { code, text }) => {
                    assert_eq!(self.receive().await, None);
                    return (code, text);
                }
                Some(_) => {}
                None => panic!("closed without a word"),
            }
        }
    }
}

fn hello(versions: std::ops::RangeInclusive<u8>, events_up_to: u64) -> ClientMessage {
    ClientMessage::Hello(ClientHello {
        versions,
        capabilities: Capabilities::all().difference(Capabilities::NAMES),
        software: "test".to_owned(),
        events_up_to,
    })
}

fn port(text: &str) -> IfName {
    IfName::new(text).unwrap()
}

fn key(number: u16) -> FdbKey {
    let [high, low] = number.to_be_bytes();
    FdbKey {
        vid: Vid::DEFAULT,
        mac: Mac([2, 0, 0, 0, high, low]),
    }
}

fn domain() -> Op {
    Op::Domain(DomainWant {
        bridge: port("br0"),
        peer_link: Some(port("peer")),
        peer_link_learning: false,
    })
}

fn domain_of(bridge: &str) -> Op {
    let Op::Domain(want) = domain() else {
        unreachable!()
    };
    let bridge = port(bridge);
    Op::Domain(DomainWant { bridge, ..want })
}

fn port_op(name: &str, isolation: Isolation) -> Op {
    Op::Port {
        port: port(name),
        want: PortWant {
            isolation,
            traffic: Traffic::Pass,
            redirect: true,
            system_mac: None,
        },
    }
}

fn fdb_op(number: u16, name: &str) -> Op {
    Op::Fdb {
        key: key(number),
        want: FdbWant {
            port: port(name),
            kind: FdbKind::Tracked,
        },
    }
}

fn learned(number: u16, name: &str) -> (FdbKey, Observation) {
    let observation = Observation::Learned {
        port: port(name),
        configured: false,
    };
    (key(number), observation)
}

#[tokio::test]
async fn a_batch_is_carried_out_and_answered_operation_by_operation() {
    let rig = Rig::start(Options::default()).await;
    let mut client = rig.client().await;
    let results = client
        .ask(&[
            domain(),
            port_op("bond1", Isolation::On),
            port_op("bond9", Isolation::On),
            fdb_op(1, "bond1"),
        ])
        .await;
    let texts: Vec<_> = results
        .iter()
        .map(|result| result.as_ref().err().map(|error| error.text.as_str()))
        .collect();
    assert_eq!(
        texts,
        [None, None, Some("waiting for interface bond9"), None]
    );
    let actual = rig.recorder.actual();
    assert!(actual.is_isolated(&port("bond1")));
    assert!(actual.is_isolated(&port("bond9")));
    assert!(actual.fdb[&key(1)].is_ours());
    rig.stop().await;
}

/// Input: a client that takes names, and one that does and allows no events. Output: its first events are those; the other one
/// hears that there will be none.
#[tokio::test]
async fn names_are_the_first_events_of_a_client_that_takes_them() {
    let rig = Rig::start(Options::default()).await;
    for (events_up_to, has_names) in [(u64::MAX, true), (0, false)] {
        let mut client = rig.connect().await;
        let ClientMessage::Hello(mut hello) = hello(2..=2, events_up_to) else {
            unreachable!("it is a hello");
        };
        hello.capabilities = Capabilities::NAMES;
        client.send(&ClientMessage::Hello(hello)).await;
        let Some(ServerMessage::Hello(hello)) = client.receive().await else {
            panic!("no hello");
        };
        let agreed = hello.capabilities.contains(Capabilities::NAMES);
        assert_eq!(agreed, has_names);
        if has_names {
            assert_eq!(client.events().await, []);
        }
        assert_eq!(client.ask(&[domain()]).await, [Ok(())]);
        if has_names {
            assert_eq!(client.snapshot().await, []);
        }
    }
}

#[tokio::test]
async fn what_the_dataplane_sees_is_told_with_credit_only() {
    let rig = Rig::start(Options::default()).await;
    let mut client = rig.connect().await;
    client.hello(1).await;
    let _ = client.ask(&[domain()]).await;
    assert_eq!(client.snapshot().await, []);
    for number in 0..3000 {
        rig.recorder.hear(key(number), port("swp1"));
    }
    rig.recorder.hear(key(0), port("bond1"));
    rig.recorder.age(key(1));
    // Taken by the server, but not sent: the next thing that comes is the answer to a batch.
    let waiting = async {
        while rig.recorder.events_waiting() > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(SOON, waiting).await.unwrap();
    assert_eq!(client.ask(&[]).await, []);

    assert_eq!(client.early.len(), 0);

    client.send(&ClientMessage::Credit { up_to: 4 }).await;
    let mut known = HashMap::new();
    while known.len() < 3000 {
        for event in client.events().await {
            match event {
                Event::Fdb { key, observation } => {
                    assert_eq!(known.insert(key, observation), None, "{key:?} told twice");
                }
                other => panic!("{other:?}"),
            }
        }
    }
    assert_eq!(known[&key(1)], Observation::Aged);
    assert_eq!(known[&key(0)].port(), Some(port("bond1")));
    rig.stop().await;
}

/// More than the server holds ready, and the socket takes all of that at once: nothing else
/// happens that would remind the server of the rest.
#[tokio::test]
async fn addresses_seen_at_once_are_told_to_the_last() {
    const COUNT: u16 = 4000;
    let rig = Rig::start(Options::default()).await;
    let mut client = rig.client().await;
    client.ask(&[domain()]).await;
    client.snapshot().await;
    for number in 0..COUNT {
        rig.recorder.hear(key(number), port("swp1"));
    }
    let mut received = 0;
    while received < usize::from(COUNT) {
        received += client.events().await.len();
    }
    assert_eq!(received, usize::from(COUNT));
    rig.stop().await;
}

#[tokio::test]
async fn a_client_that_reads_nothing_costs_no_memory_and_misses_nothing() {
    let rig = Rig::start(Options::default()).await;
    let mut client = rig.client().await;
    let _ = client.ask(&[domain()]).await;
    client.snapshot().await;
    // Answers of 256 failures each, far more than all buffers between the two hold. The server
    // stops listening; the client's writes get stuck.
    let hopeless: Vec<Op> = (0..MAX_OPS_PER_BATCH)
        .map(|_| fdb_op(1, "this-is-nowhere"))
        .collect();
    let (mut from_server, mut to_server) = client.stream.into_split();
    let first = client.batch + 1;
    let batches = 200;
    let writer = tokio::spawn(async move {
        for number in first..first + batches {
            let ops = hopeless.clone();
            let bytes = ClientMessage::Batch { number, ops }.encode().unwrap();
            to_server.write_all(&bytes).await.unwrap();
        }
        to_server
    });
    // Meanwhile the dataplane goes on, and is followed.
    for number in 0..500 {
        rig.recorder.hear(key(number), port("swp1"));
    }
    let quiet = async {
        while rig.recorder.events_waiting() > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(SOON, quiet).await.unwrap();
    assert!(!writer.is_finished(), "the server takes more than it may");

    // The client wakes up: every answer comes, in order, and every address.
    let mut codec = client.codec;
    let (mut answers, mut seen) = (0, HashSet::new());
    while answers < batches || seen.len() < 500 {
        let mut chunk = vec![0; 65_536];
        let count = timeout(SOON, from_server.read(&mut chunk)).await.unwrap();
        codec.push(&chunk[..count.unwrap()]);
        while let Some(message) = codec.next_message().unwrap() {
            match message {
                ServerMessage::BatchResult { number, results } => {
                    assert_eq!(number, first + answers);
                    assert_eq!(results.len(), MAX_OPS_PER_BATCH);
                    answers += 1;
                }
                ServerMessage::Events { events, .. } => {
                    seen.extend(events.into_iter().filter_map(|event| match event {
                        Event::Fdb { key, .. } => Some(key),
                        _ => None,
                    }));
                }
                other => panic!("{other:?}"),
            }
        }
    }
    drop(writer.await.unwrap());
    rig.stop().await;
}

#[tokio::test]
async fn a_client_that_comes_back_replaces_and_does_not_accumulate() {
    let rig = Rig::start(Options::default()).await;
    let mut client = rig.client().await;
    let ops = [
        domain(),
        port_op("bond1", Isolation::On),
        port_op("bond2", Isolation::On),
        fdb_op(1, "bond1"),
        fdb_op(2, "bond1"),
    ];
    let _ = client.ask(&ops).await;
    rig.recorder.hear(key(7), port("swp1"));
    drop(client);
    rig.until(|_| rig.recorder.events_waiting() == 0).await;

    let mut client = rig.connect().await;
    client.hello(u64::MAX).await;
    assert_eq!(client.snapshot().await, [learned(7, "swp1")]);
    let actual = rig.recorder.actual();
    assert_eq!(actual.fdb.len(), 3, "nothing changes while nobody asks");
    let _ = client
        .ask(&[
            Op::SnapshotBegin(Section::Ports),
            Op::SnapshotBegin(Section::Fdb),
            domain(),
            port_op("bond1", Isolation::On),
            fdb_op(2, "bond1"),
        ])
        .await;
    let actual = rig.recorder.actual();
    assert!(actual.is_isolated(&port("bond2")), "not before the end");
    let _ = client
        .ask(&[
            Op::SnapshotEnd(Section::Ports),
            Op::SnapshotEnd(Section::Fdb),
        ])
        .await;
    let actual = rig.recorder.actual();
    assert!(!actual.is_isolated(&port("bond2")));
    assert!(actual.is_isolated(&port("bond1")));
    let mut keys: Vec<_> = actual.fdb.keys().copied().collect();
    keys.sort();
    assert_eq!(keys, [key(2), key(7)]);
    rig.stop().await;
}

#[tokio::test]
async fn a_server_that_comes_back_adopts_what_it_finds() {
    let rig = Rig::start(Options::default()).await;
    let mut client = rig.client().await;
    let ops = [
        domain(),
        port_op("bond1", Isolation::On),
        port_op("bond2", Isolation::Off),
        fdb_op(1, "bond1"),
    ];
    let _ = client.ask(&ops).await;
    let before = rig.recorder.actual();
    // Killed, not stopped: the socket stays behind.
    rig.server.abort();
    let _ = rig.server.await;
    let backend = RecordBackend::of(rig.recorder.clone());
    let rig = Rig::start_on(rig.dir, backend, Options::default()).await;
    let mut client = rig.client().await;
    let results = client
        .ask(&[
            Op::SnapshotBegin(Section::Ports),
            Op::SnapshotBegin(Section::Fdb),
            domain(),
            port_op("bond1", Isolation::Keep),
            port_op("bond2", Isolation::Keep),
            fdb_op(1, "bond1"),
            Op::SnapshotEnd(Section::Ports),
            Op::SnapshotEnd(Section::Fdb),
        ])
        .await;
    assert_eq!(results, vec![Ok(()); 8]);
    assert_eq!(rig.recorder.actual(), before);

    // And knows what was there before the first of them came.
    let released = client
        .ask(&[
            Op::SnapshotBegin(Section::Ports),
            Op::SnapshotBegin(Section::Fdb),
            Op::SnapshotEnd(Section::Ports),
            Op::SnapshotEnd(Section::Fdb),
        ])
        .await;
    assert_eq!(released, vec![Ok(()); 4]);
    let actual = rig.recorder.actual();
    assert_eq!(actual.filter, None);
    assert_eq!(actual.fdb.len(), 0);
    assert!(actual.bridge_port(&port("peer")).unwrap().learning);
    assert_eq!(actual.bridge_port(&port("bond1")).unwrap().backup, None);
    rig.stop().await;
}

#[tokio::test]
async fn a_newer_client_takes_the_place_of_the_one_before() {
    let rig = Rig::start(Options::default()).await;
    let first = rig.client().await;
    let idle = rig.connect().await;
    let mut second = rig.client().await;
    let (code, _) = first.shutdown_notice().await;
    assert_eq!(code, ErrorCode::Replaced);
    let (code, _) = idle.shutdown_notice().await;
    assert_eq!(code, ErrorCode::Replaced);
    assert_eq!(second.ask(&[domain()]).await, [Ok(())]);
    rig.stop().await;
}

#[tokio::test]
async fn a_connection_without_a_hello_does_not_disturb_the_client() {
    let rig = Rig::start(Options::default()).await;
    let mut client = rig.client().await;
    for bytes in [b"GET / HTTP/1.1\r\n\r\n".as_slice(), b"", &[2, 2, 3, 0]] {
        let mut stranger = rig.connect().await;
        stranger.stream.write_all(bytes).await.unwrap();
        stranger.stream.shutdown().await.unwrap();
        while stranger.receive().await.is_some() {}
    }
    assert_eq!(client.ask(&[domain()]).await, [Ok(())]);
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_does_not_say_hello_in_time_is_closed() {
    let rig = Rig::start(Options::default()).await;
    let silent = rig.connect().await;
    let (code, text) = silent.shutdown_notice().await;
    assert_eq!(
        (code, text.as_str()),
        (ErrorCode::Unexpected, "no hello in time")
    );
    rig.stop().await;
}

#[tokio::test]
async fn versions_that_do_not_meet_are_named() {
    let rig = Rig::start(Options::default()).await;
    let mut client = rig.connect().await;
    client.send(&hello(3..=4, 0)).await;
    let (code, text) = client.shutdown_notice().await;
    assert_eq!(code, ErrorCode::Version);
    assert_eq!(text, "client speaks versions 3 to 4, server speaks 2");
    rig.stop().await;
}

#[tokio::test]
async fn what_cannot_be_true_ends_the_connection_and_changes_nothing() {
    let rig = Rig::start(Options::default()).await;
    let mut bad_body = ClientMessage::Batch {
        number: 1,
        ops: vec![domain()],
    }
    .encode()
    .unwrap();
    bad_body[20] = 99;
    let wrong_number = ClientMessage::Batch {
        number: 2,
        ops: vec![domain()],
    };
    let cases = [
        (
            vec![2, 2, 3, 0],
            ErrorCode::Malformed,
            "length 3, shorter than itself",
        ),
        (
            vec![1, 5, 0xff, 0xff],
            ErrorCode::Malformed,
            "length 65535, limit is 4096",
        ),
        (bad_body, ErrorCode::Malformed, "message of type 0x02"),
        (
            frame::encode(2, 3, &[0; 9]).unwrap(),
            ErrorCode::Malformed,
            "1 bytes behind the end",
        ),
        (
            wrong_number.encode().unwrap(),
            ErrorCode::Unexpected,
            "batch 2 follows batch 0",
        ),
        (
            hello(2..=2, 0).encode().unwrap(),
            ErrorCode::Unexpected,
            "a second hello",
        ),
    ];
    for (bytes, wanted, words) in cases {
        let mut client = rig.client().await;
        client.stream.write_all(&bytes).await.unwrap();
        let (code, text) = client.shutdown_notice().await;
        assert_eq!(code, wanted, "{text}");
        assert!(text.contains(words), "{text}");
    }
    assert_eq!(rig.recorder.log(), []);
    let mut early = rig.connect().await;
    early.send(&ClientMessage::Credit { up_to: 1 }).await;
    let (code, _) = early.shutdown_notice().await;
    assert_eq!(code, ErrorCode::Unexpected);
    rig.stop().await;
}

#[tokio::test]
async fn a_frame_of_an_unknown_type_is_skipped() {
    let rig = Rig::start(Options::default()).await;
    let mut client = rig.client().await;
    let unknown = frame::encode(2, 0x60, b"of a later version").unwrap();
    client.stream.write_all(&unknown).await.unwrap();
    assert_eq!(client.ask(&[domain()]).await, [Ok(())]);
    rig.stop().await;
}

#[tokio::test]
async fn the_socket_is_for_owner_and_group_and_belongs_to_one_server() {
    let rig = Rig::start(Options::default()).await;
    let mode = std::fs::metadata(rig.socket())
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o660);
    let error = Access::default().listen(&rig.socket()).unwrap_err();
    assert!(matches!(error, ListenError::InUse { .. }), "{error}");
    let _ = rig.client().await;
    rig.stop().await;
}

#[tokio::test]
async fn a_client_lost_leaves_the_dataplane_as_it_is() {
    let rig = Rig::start(Options::default()).await;
    let mut client = rig.client().await;
    let _ = client
        .ask(&[domain(), port_op("bond1", Isolation::On)])
        .await;
    let before = rig.recorder.actual();
    client.send(&ClientMessage::Bye).await;
    assert_eq!(client.answer().await, None);
    let _ = rig.client().await;
    assert_eq!(rig.recorder.actual(), before);
    let recorder = rig.recorder.clone();
    rig.stop().await;
    assert_eq!(recorder.actual(), before, "nor does a stop change it");
}

/// A full disk, for example, which is emptied later.
#[tokio::test(start_paused = true)]
async fn originals_that_could_not_be_stored_are_stored_as_soon_as_that_is_possible() {
    let rig = Rig::start(Options::default()).await;
    let in_the_way = rig.dir.join("originals.new");
    std::fs::create_dir(&in_the_way).unwrap();
    let mut client = rig.client().await;
    let _ = client
        .ask(&[domain(), port_op("bond1", Isolation::On)])
        .await;
    let originals = rig.dir.join("originals");
    assert!(!originals.exists());
    std::fs::remove_dir(&in_the_way).unwrap();
    rig.until(|_| originals.exists()).await;
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn the_dataplane_is_restored_when_no_client_comes_back_if_so_configured() {
    let rig = Rig::start(Options {
        restore_after: Some(Duration::from_secs(10)),
        ..Options::default()
    })
    .await;
    let mut client = rig.client().await;
    let _ = client
        .ask(&[domain(), port_op("bond1", Isolation::On)])
        .await;
    drop(client);
    let lost = Instant::now();
    rig.until(|actual| actual.filter.is_none()).await;
    assert!(lost.elapsed() >= Duration::from_secs(10));
    assert!(
        rig.recorder
            .actual()
            .bridge_port(&port("peer"))
            .unwrap()
            .learning
    );
    rig.stop().await;
}

#[tokio::test]
async fn the_dataplane_is_restored_at_a_stop_if_so_configured() {
    let rig = Rig::start(Options {
        restore_on_stop: true,
        ..Options::default()
    })
    .await;
    let before = rig.recorder.actual();
    let mut client = rig.client().await;
    let _ = client
        .ask(&[
            domain(),
            port_op("bond1", Isolation::On),
            fdb_op(1, "bond1"),
        ])
        .await;
    let recorder = rig.recorder.clone();
    rig.stop().await;
    let mut after = recorder.actual();
    assert_eq!(after.bridge.take(), Some(port("br0")));
    assert_eq!(after, before);
    let (code, _) = client.shutdown_notice().await;
    assert_eq!(code, ErrorCode::Restoring);
}

/// A port that is isolated, carries data and shows the id of the pair.
fn paired_op(name: &str) -> Op {
    let want = PortWant {
        isolation: Isolation::On,
        traffic: Traffic::Pass,
        redirect: true,
        system_mac: Some(Mac([2, 0, 0, 0, 0, 0xff])),
    };
    Op::Port {
        port: port(name),
        want,
    }
}

/// A pair with one port, of which the client wants nothing any more.
async fn leave_the_pair(client: &mut Client) {
    let _ = client.ask(&[domain(), paired_op("bond1")]).await;
    let nothing = [
        Op::SnapshotBegin(Section::Ports),
        Op::SnapshotEnd(Section::Ports),
    ];
    let _ = client.ask(&nothing).await;
}

/// Input: the client wants nothing of the pair any more, and the server is stopped before hosts have had the time to leave.
/// Output: it waits for that; nothing is left held or isolated, although a stop changes nothing otherwise.
#[tokio::test(start_paused = true)]
async fn a_stop_while_hosts_leave_leaves_no_port_held() {
    let rig = Rig::start(Options::default()).await;
    let mut client = rig.client().await;
    let before = rig.recorder.actual();
    leave_the_pair(&mut client).await;
    let meanwhile = rig.recorder.actual();
    assert!(meanwhile.held.contains(&port("bond1")) && meanwhile.is_isolated(&port("bond1")));
    let recorder = rig.recorder.clone();
    rig.stop().await;
    let mut after = recorder.actual();
    assert_eq!(after.bridge.take(), Some(port("br0")));
    assert_eq!(after, before);
}

/// Input: the same, and the server goes on. Output: the ports are open a second later, and not before, whatever is tried again.
#[tokio::test(start_paused = true)]
async fn ports_are_opened_when_hosts_have_left() {
    let rig = Rig::start(Options::default()).await;
    let mut client = rig.client().await;
    leave_the_pair(&mut client).await;
    let begun = Instant::now();
    rig.until(|actual| actual.filter.is_none()).await;
    let took = begun.elapsed();
    assert!(took >= DEPARTURE && took < 2 * DEPARTURE, "{took:?}");
    assert!(rig.recorder.actual().held.is_empty());
    rig.stop().await;
}

#[tokio::test]
async fn a_port_that_appears_gets_what_waits_for_it() {
    let rig = Rig::start(Options::default()).await;
    let mut client = rig.client().await;
    let _ = client
        .ask(&[
            domain(),
            port_op("bond9", Isolation::On),
            fdb_op(1, "bond9"),
        ])
        .await;
    rig.recorder.add_port(port("bond9"));
    rig.until(|actual| actual.fdb.contains_key(&key(1))).await;
    let actual = rig.recorder.actual();
    let backup = actual.bridge_port(&port("bond9")).unwrap().backup;
    assert_eq!(backup, Some(port("peer")));
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_was_refused_is_tried_again() {
    let rig = Rig::start(Options::default()).await;
    let mut client = rig.client().await;
    rig.recorder.refuse(Action::Isolate {
        port: port("bond1"),
    });
    let results = client
        .ask(&[domain(), port_op("bond1", Isolation::On)])
        .await;
    assert_eq!(results[1].as_ref().unwrap_err().text, "bond1 refused");
    rig.recorder.refuse_nothing();
    rig.until(|actual| actual.is_isolated(&port("bond1"))).await;
    rig.stop().await;
}

/// Input: a port that is held and not isolated; now it is to be isolated and to pass, but the
/// filter refuses. Output: it stays held.
#[tokio::test]
async fn a_port_that_cannot_be_isolated_is_not_opened() {
    let rig = Rig::start(Options::default()).await;
    let mut client = rig.client().await;
    let held = Op::Port {
        port: port("bond1"),
        want: PortWant {
            isolation: Isolation::Off,
            traffic: Traffic::Held,
            redirect: false,
            system_mac: None,
        },
    };
    let _ = client.ask(&[domain(), held]).await;
    rig.recorder.refuse(Action::Isolate {
        port: port("bond1"),
    });
    let results = client.ask(&[port_op("bond1", Isolation::On)]).await;
    assert_eq!(results[0].as_ref().unwrap_err().text, "bond1 refused");
    assert!(rig.recorder.actual().held.contains(&port("bond1")));
    rig.stop().await;
}

#[tokio::test]
async fn a_dataplane_that_lost_events_is_looked_at_and_told_anew() {
    let rig = Rig::start(Options::default()).await;
    let mut client = rig.client().await;
    let _ = client
        .ask(&[domain(), port_op("bond1", Isolation::On)])
        .await;
    client.snapshot().await;
    rig.recorder.tamper(|actual| {
        actual.filter = None;
        let kind = EntryKind::Dynamic;
        let port = port("swp1");
        actual.fdb.insert(key(5), FdbEntry { port, kind });
    });
    assert_eq!(client.snapshot().await, [learned(5, "swp1")]);
    rig.until(|actual| actual.is_isolated(&port("bond1"))).await;
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_bridge_that_appears_late_gets_everything() {
    let rig = Rig::start(Options::default()).await;
    rig.recorder.set_bridge_missing(true);
    let mut client = rig.client().await;
    let results = client.ask(&[domain(), fdb_op(1, "bond1")]).await;
    let text = &results[0].as_ref().unwrap_err().text;
    assert_eq!(text, "waiting for interface br0");
    rig.recorder.set_bridge_missing(false);
    rig.until(|actual| actual.fdb.contains_key(&key(1))).await;
    rig.stop().await;
}

/// Of the table nothing is wanted.
const NO_ENTRIES: [Op; 2] = [
    Op::SnapshotBegin(Section::Fdb),
    Op::SnapshotEnd(Section::Fdb),
];

/// A client that named the bridge, on which is a large table of ours. The server has seen that table: what it
/// is asked before, and stopped after, it carries out on the dataplane that it knows.
async fn with_large_table() -> (Rig, Client) {
    let rig = Rig::start(Options::default()).await;
    let mut client = rig.client().await;
    let _ = client.ask(&[domain()]).await;
    let looks = rig.recorder.looks();
    rig.add_ours(50_000);
    rig.until(|_| rig.recorder.looks() > looks).await;
    (rig, client)
}

/// Input: at once, that of a large table nothing is wanted, and that a port is to be isolated. Output: the
/// port is, while the table is on its way.
#[tokio::test]
async fn a_port_is_answered_while_a_table_is_taken_back() {
    let (rig, mut client) = with_large_table().await;
    client.batch += 1;
    let table = ClientMessage::Batch {
        number: client.batch,
        ops: NO_ENTRIES.to_vec(),
    };
    client.send(&table).await;
    let number = client.batch;
    let first = async {
        loop {
            match client.answer().await {
                Some(ServerMessage::BatchResult { number: of, .. }) if of == number => return,
                Some(_) => {}
                None => panic!("closed"),
            }
        }
    };
    first.await;
    let results = client.ask(&[port_op("bond1", Isolation::On)]).await;
    assert_eq!(results, [Ok(())]);
    assert!(rig.recorder.actual().fdb.len() > 1000);
    rig.until(|actual| actual.fdb.is_empty()).await;
    rig.stop().await;
}

/// Input: that of a large table nothing is wanted, its answer, a farewell and at once a stop. Output: nothing of
/// ours is left, although nothing is to be restored.
#[tokio::test(start_paused = true)]
async fn what_was_asked_for_before_a_stop_is_done_to_the_last_entry() {
    let (rig, mut client) = with_large_table().await;
    assert_eq!(client.ask(&NO_ENTRIES).await, [Ok(()), Ok(())]);
    client.send(&ClientMessage::Bye).await;
    let recorder = rig.recorder.clone();
    rig.stop().await;
    assert_eq!(recorder.actual().fdb.len(), 0);
}

/// Input: the bridge is gone while some twenty shares of the table wait. Output: it is looked at once for that,
/// and then when it is time to try again.
#[tokio::test(start_paused = true)]
async fn a_bridge_that_cannot_be_looked_at_is_not_looked_at_for_each_share() {
    let rig = Rig::start(Options::default()).await;
    let mut client = rig.client().await;
    let _ = client.ask(&[domain()]).await;
    let wants: Vec<Op> = (0..10_000).map(|number| fdb_op(number, "bond1")).collect();
    for wants in wants.chunks(MAX_OPS_PER_BATCH) {
        let _ = client.ask(wants).await;
    }
    rig.until(|_| rig.recorder.events_waiting() == 0).await;
    let looks = rig.recorder.looks();
    rig.recorder.tamper(|_| {});
    while rig.recorder.looks() == looks {
        yield_now().await;
    }
    let looks = rig.recorder.looks();
    rig.recorder.set_bridge_missing(true);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let looks = rig.recorder.looks() - looks;
    assert!((1..=3).contains(&looks), "{looks} looks");
    rig.stop().await;
}

/// Input: the filter is gone, and thousands of hosts speak. Output: it is there again before the hosts are looked at.
#[tokio::test]
async fn a_filter_that_is_gone_is_put_back_before_anything_else() {
    let backend = RecordBackend::new();
    let recorder = backend.recorder();
    for name in ["peer", "bond1"] {
        recorder.add_port(port(name));
    }
    let mut server = Server::start(backend, Options::default()).await.unwrap();
    let ops = [domain(), port_op("bond1", Isolation::On)];
    server.reconciler.accept(&ops);
    assert_eq!(server.settle().await, [Ok(()), Ok(())]);
    while recorder.events_waiting() > 0 {
        let event = server.backend.next_event().await.unwrap();
        server.observe(event).await.unwrap();
    }
    (0..4000).for_each(|number| recorder.hear(key(number), port("bond1")));
    recorder.lose_filter();
    let event = server.backend.next_event().await.unwrap();
    server.observe(event).await.unwrap();
    assert!(recorder.actual().is_isolated(&port("bond1")));
    assert_eq!(recorder.events_waiting(), 4000);
}

#[tokio::test]
async fn a_dataplane_that_breaks_down_ends_the_server() {
    let rig = Rig::start(Options::default()).await;
    let client = rig.client().await;
    rig.recorder.break_down();
    let (code, text) = client.shutdown_notice().await;
    assert_eq!(code, ErrorCode::Failed);
    assert_eq!(text, "the dataplane failed: no more events");
    let ended = timeout(SOON, rig.server).await.unwrap().unwrap();
    assert!(matches!(ended, Err(ServerError::Backend(_))), "{ended:?}");
}

/// Input: a table of several shares on one bridge, all but a few of which a snapshot leaves out; with its
/// end, or behind it, another bridge is named. Output: nothing of ours is left behind on the first; what
/// is wanted is on the second.
#[tokio::test]
async fn a_bridge_that_another_one_replaces_keeps_no_entry_of_ours() {
    const WANTED: u16 = 100;
    const ALL: u16 = 1500;
    for in_one_batch in [true, false] {
        let rig = Rig::start(Options::default()).await;
        let mut client = rig.client().await;
        let ports = [domain(), port_op("bond1", Isolation::On)];
        client.ask(&ports).await;
        let entries: Vec<Op> = (0..ALL).map(|number| fdb_op(number, "bond1")).collect();
        for ops in entries.chunks(MAX_OPS_PER_BATCH) {
            let results = client.ask(ops).await;
            assert!(results.iter().all(Result::is_ok));
        }
        let ours = |bridge: &str| {
            let table = rig.recorder.table_of(&port(bridge));
            table.values().filter(|entry| entry.is_ours()).count()
        };
        assert_eq!(ours("br0"), usize::from(ALL));
        let mut ops = vec![Op::SnapshotBegin(Section::Fdb)];
        ops.extend((0..WANTED).map(|number| fdb_op(number, "bond1")));
        ops.push(Op::FdbRelease {
            key: key(WANTED),
            forget: true,
        });
        ops.push(Op::SnapshotEnd(Section::Fdb));
        let mut answers = Vec::new();
        if !in_one_batch {
            answers.extend(client.ask(&std::mem::take(&mut ops)).await);
        }
        let bridge = Some(port("br1"));
        let named = Options {
            bridge,
            ..Options::default()
        };
        rig.reload.send(named).await.unwrap();
        let taken = async {
            while rig.reload.capacity() < rig.reload.max_capacity() {
                yield_now().await
            }
        };
        timeout(SOON, taken).await.unwrap();
        ops.push(domain_of("br1"));
        answers.extend(client.ask(&ops).await);
        assert!(answers.iter().all(Result::is_ok), "{answers:?}");
        rig.until(|actual| {
            actual.bridge == Some(port("br1")) && actual.fdb.len() == usize::from(WANTED)
        })
        .await;
        assert_eq!(ours("br0"), 0, "in one batch: {in_one_batch}");
        assert_eq!(ours("br1"), usize::from(WANTED));
        rig.stop().await;
    }
}

fn refusals(results: &[Result<(), OpError>]) -> Vec<&str> {
    let failed = results.iter().filter_map(|result| result.as_ref().err());
    failed
        .inspect(|error| assert_eq!(error.code, OpErrorCode::Refused))
        .map(|error| error.text.as_str())
        .collect()
}

/// Input: a client names another bridge than the settings, or than it named first, alone and in a snapshot.
/// Output: it is refused, and what is in force on the bridge of the pair stays.
#[tokio::test]
async fn a_client_names_no_other_bridge_than_that_of_the_settings_or_the_first() {
    for named in [Some(port("br0")), None] {
        let rig = Rig::start(Options {
            bridge: named,
            ..Options::default()
        })
        .await;
        let mut client = rig.client().await;
        if named.is_some() {
            let results = client.ask(&[domain_of("br1")]).await;
            assert_eq!(refusals(&results).len(), 1, "{results:?}");
            assert_eq!(rig.recorder.actual().bridge, None);
        }
        let ports = [domain(), port_op("bond1", Isolation::On)];
        assert!(client.ask(&ports).await.iter().all(Result::is_ok));
        let before = rig.recorder.actual();
        assert!(before.is_isolated(&port("bond1")));
        let results = client
            .ask(&[
                domain_of("br1"),
                Op::SnapshotBegin(Section::Ports),
                domain_of("br1"),
                port_op("bond1", Isolation::Keep),
                Op::SnapshotEnd(Section::Ports),
            ])
            .await;
        let text = "bridge br1: this dataplane is of br0; another one is named by `bridge` in the configuration of \
                    mclagsyncd";
        assert_eq!(refusals(&results), [text; 2]);
        assert_eq!(rig.recorder.actual(), before);
        rig.stop().await;
    }
}

/// Input: the bridge that was named first is gone, as when an operator renamed it. Output: another may be named.
#[tokio::test]
async fn a_bridge_that_is_gone_makes_room_for_another() {
    let rig = Rig::start(Options::default()).await;
    let mut client = rig.client().await;
    client.ask(&[domain()]).await;
    rig.until(|actual| actual.bridge == Some(port("br0"))).await;
    rig.recorder.set_bridge_missing(true);
    let named = async {
        while client.ask(&[domain_of("br1")]).await[0]
            .as_ref()
            .is_err_and(|error| error.code == OpErrorCode::Refused)
        {
            yield_now().await;
        }
    };
    timeout(SOON, named).await.unwrap();
    rig.recorder.set_bridge_missing(false);
    rig.until(|actual| actual.bridge == Some(port("br1"))).await;
    rig.stop().await;
}
