//! Real sockets on loopback addresses, one network of them per test.

use super::sockets::{BACKLOG, bound};
use super::*;
use iccp_core::PeerTraits;
use mclag_netlink::tcp::Key;
use mclag_netlink::tcp::ao::{self, AoKey, AoKeys};
use mclag_proto::iccp::Body;
use mclag_proto::iccp::{Decoder, encode};
use mclag_proto::mclagdctl::{Counters, Global};
use std::sync::atomic::{AtomicU8, Ordering};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

const PATIENCE: Duration = Duration::from_secs(30);
const PORT: u16 = 18888;
const PEER_UP: Input = Input::PeerUp {
    traits: PeerTraits {
        acknowledges: true,
        orphans: true,
        names_lacp_system: true,
    },
};

/// Three addresses that no other test uses.
fn addresses() -> [IpAddr; 3] {
    static NETWORK: AtomicU8 = AtomicU8::new(1);
    let network = NETWORK.fetch_add(1, Ordering::Relaxed);
    // Tests of several processes may run at a time.
    let process = std::process::id().to_le_bytes()[0] % 200 + 10;
    [1, 2, 3].map(|host| IpAddr::from([127, process, network, host]))
}

fn peer(local: IpAddr, peer: IpAddr) -> Transport {
    Transport::new(Endpoints {
        local,
        peer,
        port: PORT,
        device: None,
        dialect: Some(Dialect::Sonic),
        protection: Protection::default(),
    })
}

/// What happens next, apart from bytes that left.
async fn next(peer: &mut Transport) -> Input {
    let next = async {
        loop {
            if let Event::Input(input) = peer.next().await {
                return input;
            }
        }
    };
    timeout(PATIENCE, next).await.expect("something happens")
}

/// A connection to `to` from the given address.
async fn connect(from: IpAddr, to: IpAddr) -> TcpStream {
    let endpoints = Endpoints {
        local: from,
        peer: to,
        port: PORT,
        device: None,
        dialect: None,
        protection: Protection::default(),
    };
    dial(endpoints).await.expect("connects")
}

/// Drive `peer`, which reports nothing meanwhile, until `done`.
async fn while_quiet<T>(peer: &mut Transport, done: impl Future<Output = T>) -> T {
    let mut done = std::pin::pin!(done);
    let both = async {
        loop {
            tokio::select! {
                result = done.as_mut() => return result,
                event = peer.next() => match event {
                    Event::Wrote => {}
                    Event::Input(input) => panic!("{input:?}"),
                },
            }
        }
    };
    timeout(PATIENCE, both).await.expect("is done")
}

fn message(id: u32) -> Message {
    Message {
        id,
        body: Body::Capability,
    }
}

fn bytes(messages: &[Message]) -> Vec<u8> {
    let mut out = Vec::new();
    for message in messages {
        encode(message, Dialect::Sonic, &mut out).unwrap();
    }
    out
}

/// Input: each side dials in turn, with the other listening. Output: both are connected, and
/// a message passes each way.
/// Both ends of a session with this protection, of which the first has dialled.
async fn session(a: IpAddr, b: IpAddr, protection: Protection) -> (Transport, Transport) {
    let (mut one, mut two) = (peer(a, b), peer(b, a));
    one.endpoints.protection = protection;
    two.endpoints.protection = protection;
    // Listening begins with the first `next`.
    while_quiet(&mut two, tokio::task::yield_now()).await;
    one.connect();
    let (up_one, up_two) = tokio::join!(next(&mut one), next(&mut two));
    assert_eq!((up_one, up_two), (PEER_UP, PEER_UP));
    (one, two)
}

#[tokio::test(flavor = "current_thread")]
async fn two_peers_connect_and_talk() {
    let [a, b, _] = addresses();
    let (mut one, mut two) = session(a, b, Protection::default()).await;

    one.send(&message(1));
    two.send(&message(2));
    let (from_two, from_one) = tokio::join!(next(&mut one), next(&mut two));
    assert_eq!(from_one, Input::PeerMessage(message(1)));
    assert_eq!(from_two, Input::PeerMessage(message(2)));
}

#[tokio::test(flavor = "current_thread")]
async fn nobody_at_the_other_end_is_an_answer() {
    let [a, b, _] = addresses();
    let mut one = peer(a, b);
    one.connect();
    let Input::PeerDown { reason } = next(&mut one).await else {
        panic!("connected to nobody");
    };
    let want = format!("cannot connect to {b}:{PORT}: Connection refused (os error 111)");
    assert_eq!(reason, want);
}

/// Input: a stranger connects three times, twice before and once after the peer. Output: it is
/// closed at once, counted, and the peer's session goes on.
#[tokio::test(flavor = "current_thread")]
async fn a_stranger_is_refused_and_counted() {
    let [a, b, stranger] = addresses();
    let mut one = peer(a, b);
    while_quiet(&mut one, tokio::task::yield_now()).await;

    let refused = |count| {
        vec![Refusal {
            address: stranger,
            reason: "not the configured peer".into(),
            count,
        }]
    };
    for count in [1, 2] {
        let mut stream = connect(stranger, a).await;
        let read = while_quiet(&mut one, stream.read(&mut [0; 10])).await;
        assert!(matches!(read, Ok(0) | Err(_)), "{read:?}");
        assert_eq!(one.refused(), refused(count));
        let last = one.last_refused().unwrap().text;
        assert_eq!(last, format!("{stranger} refused: not the configured peer"));
    }
    let mut right = connect(b, a).await;
    assert_eq!(next(&mut one).await, PEER_UP);
    let mut stream = connect(stranger, a).await;
    let _ = while_quiet(&mut one, stream.read(&mut [0; 10])).await;
    assert_eq!(one.refused(), refused(3));

    right.write_all(&bytes(&[message(7)])).await.unwrap();
    assert_eq!(next(&mut one).await, Input::PeerMessage(message(7)));
}

/// Input: half a message, then nothing. Output: nothing waits for the rest: messages leave, and
/// strangers are refused. When the rest comes, the message is whole.
#[tokio::test(flavor = "current_thread")]
async fn half_a_message_holds_nobody_up() {
    let [a, b, stranger] = addresses();
    let mut one = peer(a, b);
    while_quiet(&mut one, tokio::task::yield_now()).await;
    let mut right = connect(b, a).await;
    assert_eq!(next(&mut one).await, PEER_UP);

    let whole = bytes(&[message(1)]);
    let (head, tail) = whole.split_at(5);
    right.write_all(head).await.unwrap();
    one.send(&message(2));
    let mut received = vec![0; whole.len()];
    while_quiet(&mut one, right.read_exact(&mut received))
        .await
        .unwrap();
    assert_eq!(received, bytes(&[message(2)]));
    let mut stream = connect(stranger, a).await;
    let _ = while_quiet(&mut one, stream.read(&mut [0; 10])).await;

    right.write_all(tail).await.unwrap();
    assert_eq!(next(&mut one).await, Input::PeerMessage(message(1)));

    right.write_all(head).await.unwrap();
    drop(right);
    let reason = "closed by the peer 5 bytes into a message".into();
    assert_eq!(next(&mut one).await, Input::PeerDown { reason });
    let mut counters = Counters::default();
    one.ends().add_to(&mut counters);
    assert_eq!(counters.global(Global::HeaderZeroLength), 1);
}

/// Input: the peer's address speaks HTTP. Output: closed with a reason, counted.
#[tokio::test(flavor = "current_thread")]
async fn garbage_ends_the_connection_with_a_reason() {
    let [a, b, _] = addresses();
    let mut one = peer(a, b);
    while_quiet(&mut one, tokio::task::yield_now()).await;

    let mut http = connect(b, a).await;
    assert_eq!(next(&mut one).await, PEER_UP);
    http.write_all(b"GET / HTTP/1.0\r\n\r\n").await.unwrap();
    let Input::PeerDown { reason } = next(&mut one).await else {
        panic!("still up");
    };
    assert!(reason.starts_with("not an ICCP peer"), "{reason}");
    let [refusal] = <[_; 1]>::try_from(one.refused()).unwrap();
    assert_eq!((refusal.address, refusal.count), (b, 1));
}

/// `spec/iccp.md` 1.3: a length that no message has drops the session. The peer was let in and
/// understood before: its message is refused, with the place and why the connection ends, and
/// nobody is said to have been refused a connection.
#[tokio::test(flavor = "current_thread")]
async fn a_length_that_no_message_has_is_named_before_the_connection_ends() {
    for dialect in [Dialect::Sonic, Dialect::LinuxMclag] {
        let [a, b, _] = addresses();
        let mut one = auto(a, b);
        while_quiet(&mut one, tokio::task::yield_now()).await;
        let mut right = connect(b, a).await;
        let (header, length): ([u8; 4], _) = match dialect {
            Dialect::Sonic => ([0x07, 0x03, 0xff, 0xff], 65535),
            Dialect::LinuxMclag => ([0x06, 0x0e, 0x03, 0x00], 3),
        };
        let stream = [&capability(dialect), header.as_slice()].concat();
        right.write_all(&stream).await.unwrap();
        assert_eq!(next(&mut one).await, is_up(dialect));
        assert_eq!(next(&mut one).await, Input::PeerMessage(message(1)));
        let reason = format!(
            "RG Application Data message 0x0703: length {length} at byte 2 is outside 4..=65532; the \
             connection is closed, since nothing tells where the next message begins"
        );
        assert_eq!(next(&mut one).await, Input::PeerGarbage { reason });
        let Input::PeerDown { reason } = next(&mut one).await else {
            panic!("still up");
        };
        assert!(
            reason.starts_with("its stream lost its meaning: RG App"),
            "{reason}"
        );
        assert_eq!(one.refused(), []);
        let read = while_quiet(&mut one, right.read(&mut [0; 10])).await;
        assert!(matches!(read, Ok(0) | Err(_)), "{read:?}");
    }
}

/// Input: an unreadable message between two good ones. Output: it is reported and skipped.
#[tokio::test(flavor = "current_thread")]
async fn an_unreadable_message_is_skipped() {
    let [a, b, _] = addresses();
    let mut one = peer(a, b);
    while_quiet(&mut one, tokio::task::yield_now()).await;
    let mut right = connect(b, a).await;
    assert_eq!(next(&mut one).await, PEER_UP);
    // RG Application Data that ends before its RG ID.
    let short = [0x07, 0x03, 0x00, 0x04, 0x00, 0x00, 0x00, 0x09];
    let stream = [bytes(&[message(1)]), short.to_vec(), bytes(&[message(2)])].concat();
    right.write_all(&stream).await.unwrap();
    assert_eq!(next(&mut one).await, Input::PeerMessage(message(1)));
    assert!(matches!(next(&mut one).await, Input::PeerGarbage { .. }));
    assert_eq!(next(&mut one).await, Input::PeerMessage(message(2)));
    assert_eq!(one.refused(), []);
}

/// Input: the peer connects again while its old connection is up, and speaks. Output: the new one
/// counts, the old one is closed.
#[tokio::test(flavor = "current_thread")]
async fn a_new_connection_replaces_the_old_one() {
    let [a, b, _] = addresses();
    let mut one = peer(a, b);
    while_quiet(&mut one, tokio::task::yield_now()).await;
    let mut old = connect(b, a).await;
    assert_eq!(next(&mut one).await, PEER_UP);
    let mut new = connect(b, a).await;
    // Cut in the middle of its first word.
    let first = bytes(&[message(1)]);
    new.write_all(&first[..3]).await.unwrap();
    let pause = tokio::time::sleep(Duration::from_millis(50));
    while_quiet(&mut one, pause).await;
    new.write_all(&first[3..]).await.unwrap();
    assert_eq!(next(&mut one).await, PEER_UP);
    assert_eq!(next(&mut one).await, Input::PeerMessage(message(1)));

    let read = while_quiet(&mut one, old.read(&mut [0; 10])).await;
    assert!(matches!(read, Ok(0) | Err(_)), "{read:?}");
    is_answered_in(&mut one, &mut new, Dialect::Sonic).await;
    assert_eq!(one.refused(), []);
}

/// `spec/iccp.md` 1.2: what is no peer takes no session away, though it comes from the peer's
/// chassis: a port scan, a `telnet`, a daemon of the other dialect.
#[tokio::test(flavor = "current_thread")]
async fn a_session_outlives_whatever_connects_from_the_peers_address_and_is_no_peer() {
    let [a, b, _] = addresses();
    let mut one = peer(a, b);
    while_quiet(&mut one, tokio::task::yield_now()).await;
    let mut right = connect(b, a).await;
    assert_eq!(next(&mut one).await, PEER_UP);

    let other = capability(Dialect::LinuxMclag);
    let mut wrong = capability(Dialect::Sonic);
    wrong[8] = 0x07;
    let cases: [(&[u8], &str); 7] = [
        (&[0x07, 0x03, 0, 4], "its first word is not a capability"),
        (&wrong, "its first word is not a capability"),
        (&wrong[..4], "stopped within its first word"),
        (b"GET / HTTP/1.0\r\n\r\n", "no message begins with \"GET /"),
        (&other, "the peer speaks the linux-mclag dialect of ICCP"),
        (&[0x02], "stopped within its first word"),
        (b"", "said nothing"),
    ];
    for (word, reason) in cases {
        let mut wrong = connect(b, a).await;
        wrong.write_all(word).await.unwrap();
        let read = while_quiet(&mut one, wrong.read(&mut [0; 10])).await;
        assert!(matches!(read, Ok(0) | Err(_)), "{read:?}");
        let [refusal] = <[_; 1]>::try_from(one.refused()).unwrap();
        assert!(refusal.reason.starts_with(reason), "{refusal:?}");
    }
    right.write_all(&bytes(&[message(7)])).await.unwrap();
    assert_eq!(next(&mut one).await, Input::PeerMessage(message(7)));
}

/// The end of the old connection may be seen after the new one: nothing is waited for then.
#[tokio::test(flavor = "current_thread")]
async fn a_connection_that_waits_takes_the_place_of_one_that_ends() {
    let [a, b, _] = addresses();
    let mut one = peer(a, b);
    while_quiet(&mut one, tokio::task::yield_now()).await;
    let old = connect(b, a).await;
    assert_eq!(next(&mut one).await, PEER_UP);
    let mut new = connect(b, a).await;
    while one.candidate.is_none() {
        while_quiet(&mut one, tokio::task::yield_now()).await;
    }
    drop(old);
    let reason = "closed by the peer".into();
    assert_eq!(next(&mut one).await, Input::PeerDown { reason });
    assert_eq!(next(&mut one).await, PEER_UP);
    is_answered_in(&mut one, &mut new, Dialect::Sonic).await;
}

/// Input: a peer that does not read is sent as much as there is room for. Output: the room ends
/// at the limit; everything arrives once the peer reads.
#[tokio::test(flavor = "current_thread")]
async fn a_peer_that_does_not_read_costs_bounded_memory() {
    let [a, b, _] = addresses();
    let mut one = peer(a, b);
    while_quiet(&mut one, tokio::task::yield_now()).await;
    let mut right = connect(b, a).await;
    assert_eq!(next(&mut one).await, PEER_UP);

    let mut sent = 0;
    let start = Instant::now();
    // Until the socket's buffers are full as well.
    while start.elapsed() < PATIENCE {
        while one.has_room() {
            sent += 1;
            one.send(&message(sent));
        }
        one.flush_now().await;
        if !one.has_room() {
            break;
        }
    }
    let buffered = one.connection.as_ref().unwrap().pipe.buffered();
    assert!(
        !one.has_room() && buffered < WRITE_LIMIT + 100,
        "{buffered}"
    );

    let mut decoder = Decoder::new(Dialect::Sonic);
    let mut received = 0;
    let reading = async {
        let mut buffer = vec![0; 1 << 16];
        while received < sent {
            let len = right.read(&mut buffer).await.unwrap();
            decoder.push(&buffer[..len]);
            for message in decoder.by_ref() {
                received += 1;
                assert_eq!(message.unwrap().id, received);
            }
        }
    };
    while_quiet(&mut one, reading).await;
    assert!(one.has_room() && one.is_flushed());
}

/// Input: messages, then close. Output: the peer reads all of them, then the end, although it
/// was sending at the same time.
#[tokio::test(flavor = "current_thread")]
async fn last_words_arrive() {
    let [a, b, _] = addresses();
    let mut one = peer(a, b);
    while_quiet(&mut one, tokio::task::yield_now()).await;
    let mut right = connect(b, a).await;
    assert_eq!(next(&mut one).await, PEER_UP);
    right.write_all(&bytes(&[message(9)])).await.unwrap();
    let last: Vec<Message> = (1..=1000).map(message).collect();
    for message in &last {
        one.send(message);
    }
    one.close();
    assert!(!one.has_room());
    let mut received = Vec::new();
    while_quiet(&mut one, right.read_to_end(&mut received))
        .await
        .unwrap();
    assert_eq!(received, bytes(&last));
    drop(right);
    timeout(PATIENCE, one.closed()).await.expect("closes");
}

/// `spec/iccp.md` 17: a daemon that writes behind our end, and learns of it late. A socket that is gone answers with
/// a reset, and the write behind that kills it.
#[tokio::test(flavor = "current_thread")]
async fn what_a_peer_writes_behind_our_end_is_read_for_some_seconds() {
    let [a, b, _] = addresses();
    let (mut one, mut right) = spoken(a, b).await;
    one.close();
    let mut rest = Vec::new();
    let end = right.read_to_end(&mut rest);
    while_quiet(&mut one, end).await.unwrap();
    stand_still();
    for _ in 0..5 {
        while_quiet(&mut one, pass(Duration::from_millis(500))).await;
        right.write_all(&bytes(&[message(7)])).await.unwrap();
    }
    assert_eq!(one.finishing.len(), 1);
    // And no longer, also where it never closes.
    tokio::select! {
        () = one.closed() => {}
        () = pass(Duration::from_secs(1)) => panic!("still open"),
    }
}

/// Input: the local address does not exist. Output: no failure, nothing happens; both sides of the transport name it.
#[tokio::test(flavor = "current_thread")]
async fn an_address_that_does_not_exist_yet_is_waited_for() {
    let mut one = peer([192, 0, 2, 1].into(), [192, 0, 2, 2].into());
    assert_eq!(one.cannot_listen(), None);
    while_quiet(&mut one, tokio::task::yield_now()).await;
    one.connect();
    let Input::PeerDown { reason } = next(&mut one).await else {
        panic!("connected");
    };
    let want = "cannot connect to 192.0.2.2:18888: address 192.0.2.1 is missing here";
    assert_eq!(reason, want);
    let trouble = one.cannot_listen().expect("does not listen");
    let want = "cannot listen on 192.0.2.1:18888: address 192.0.2.1 is missing here";
    assert_eq!(trouble.text, want);
}

/// One that finds out which dialect is spoken.
fn auto(local: IpAddr, peer: IpAddr) -> Transport {
    Transport::new(Endpoints {
        local,
        peer,
        port: PORT,
        device: None,
        dialect: None,
        protection: Protection::default(),
    })
}

fn is_up(dialect: Dialect) -> Input {
    let traits = traits(dialect);
    Input::PeerUp { traits }
}

fn capability(dialect: Dialect) -> Vec<u8> {
    let mut out = Vec::new();
    encode(&message(1), dialect, &mut out).unwrap();
    out
}

/// The peer is answered in `dialect`.
async fn is_answered_in(one: &mut Transport, stream: &mut TcpStream, dialect: Dialect) {
    one.send(&message(1));
    let want = capability(dialect);
    let mut received = vec![0; want.len()];
    while_quiet(one, stream.read_exact(&mut received))
        .await
        .unwrap();
    assert_eq!(received, want);
}

/// `spec/iccp.md` 14: the first bytes of either dialect, in whatever pieces they come.
#[tokio::test(flavor = "current_thread")]
async fn a_peer_is_answered_as_it_speaks() {
    for dialect in [Dialect::Sonic, Dialect::LinuxMclag] {
        let [a, b, _] = addresses();
        let mut one = auto(a, b);
        while_quiet(&mut one, tokio::task::yield_now()).await;
        let mut stream = connect(b, a).await;
        let first = capability(dialect);
        let (head, tail) = first.split_at(3);
        stream.write_all(head).await.unwrap();
        let pause = tokio::time::sleep(Duration::from_millis(50));
        while_quiet(&mut one, pause).await;
        assert!(!one.has_room(), "nothing is sent before");
        stream.write_all(tail).await.unwrap();
        assert_eq!(next(&mut one).await, is_up(dialect));
        assert_eq!(next(&mut one).await, Input::PeerMessage(message(1)));
        is_answered_in(&mut one, &mut stream, dialect).await;
    }
}

/// From now on time stands still unless [`pass`] moves it: the runtime is kept busy, so that it does not jump to
/// the next deadline while something is on its way.
fn stand_still() {
    tokio::time::pause();
    tokio::spawn(async {
        loop {
            tokio::task::yield_now().await;
        }
    });
}

/// Let so much time pass, a little at a time.
async fn pass(duration: Duration) {
    let step = Duration::from_millis(10);
    for _ in 0..duration.as_millis() / step.as_millis() {
        // Sockets are looked at now and then.
        for _ in 0..200 {
            tokio::task::yield_now().await;
        }
        tokio::time::advance(step).await;
    }
}

/// What is done within 100 ms.
async fn at_once<T>(done: impl Future<Output = T>) -> T {
    tokio::select! {
        biased;
        result = done => result,
        () = pass(Duration::from_millis(100)) => panic!("not within 100 ms"),
    }
}

/// `spec/iccp.md` 14. Input: a peer of which nothing is remembered says its first word late, also later than
/// native peers of earlier versions do. Output: nothing before, and an answer in its dialect.
#[tokio::test(flavor = "current_thread")]
async fn a_peer_that_speaks_late_is_not_spoken_to_before() {
    stand_still();
    for dialect in [Dialect::Sonic, Dialect::LinuxMclag] {
        for (seconds, dials) in [(3, false), (9, false), (3, true)] {
            let [a, b, _] = addresses();
            let mut one = auto(a, b);
            let mut stream = if dials {
                let there = Endpoints {
                    local: b,
                    peer: a,
                    ..one.endpoints
                };
                let listener = bound(&there, PORT).unwrap().listen(BACKLOG).unwrap();
                one.connect();
                while_quiet(&mut one, listener.accept()).await.unwrap().0
            } else {
                while_quiet(&mut one, tokio::task::yield_now()).await;
                connect(b, a).await
            };
            while_quiet(&mut one, pass(Duration::from_secs(seconds))).await;
            let said = stream.try_read(&mut [0; 1]).unwrap_err();
            assert_eq!(said.kind(), io::ErrorKind::WouldBlock);
            stream.write_all(&capability(dialect)).await.unwrap();
            assert_eq!(next(&mut one).await, is_up(dialect));
            assert_eq!(next(&mut one).await, Input::PeerMessage(message(1)));
            is_answered_in(&mut one, &mut stream, dialect).await;
        }
    }
}

#[tokio::test(flavor = "current_thread", start_paused = true)]
async fn a_peer_that_says_nothing_is_given_up_without_a_word() {
    let [a, b, _] = addresses();
    let mut one = auto(a, b);
    while_quiet(&mut one, tokio::task::yield_now()).await;
    let mut stream = connect(b, a).await;
    let mut received = Vec::new();
    let _ = while_quiet(&mut one, stream.read_to_end(&mut received)).await;
    assert!(received.is_empty(), "{received:?}");
    let [refusal] = <[_; 1]>::try_from(one.refused()).unwrap();
    assert_eq!(refusal.reason, "said nothing");
}

/// Whatever each of them was told to speak, and without waiting: time stands still here unless it is waited
/// for.
#[tokio::test(flavor = "current_thread")]
async fn two_that_wait_for_each_other_connect_and_talk() {
    stand_still();
    let (sonic, linux) = (Some(Dialect::Sonic), Some(Dialect::LinuxMclag));
    for (ours, theirs) in [
        (None, None),
        (None, sonic),
        (sonic, None),
        (None, linux),
        (linux, None),
        (linux, linux),
    ] {
        let [a, b, _] = addresses();
        let (mut one, mut two) = (auto(a, b), auto(b, a));
        one.endpoints.dialect = ours;
        two.endpoints.dialect = theirs;
        while_quiet(&mut two, tokio::task::yield_now()).await;
        one.connect();
        let dialect = ours.or(theirs).unwrap_or_default();
        let talk = async |peer: &mut Transport, id| {
            assert_eq!(next(peer).await, is_up(dialect));
            peer.send(&message(id));
            peer.flush_now().await;
            next(peer).await
        };
        let both = async { tokio::join!(talk(&mut one, 1), talk(&mut two, 2)) };
        let (from_two, from_one) = at_once(both).await;
        assert_eq!(from_two, Input::PeerMessage(message(2)));
        assert_eq!(from_one, Input::PeerMessage(message(1)));
    }
}

/// Input: a chassis that is there and listens some time after it was dialled first. Output: it is connected to
/// within 100 ms.
#[tokio::test(flavor = "current_thread")]
async fn a_listener_that_comes_up_late_costs_no_more_than_a_moment() {
    stand_still();
    for late in [10, 330, 1_010, 20_070] {
        let [a, b, _] = addresses();
        let (mut one, mut two) = (auto(a, b), auto(b, a));
        one.connect();
        let Input::PeerDown { .. } = next(&mut one).await else {
            panic!("connected to nobody");
        };
        one.connect();
        while_quiet(&mut one, pass(Duration::from_millis(late))).await;
        let both = async { tokio::join!(next(&mut one), next(&mut two)) };
        let up = is_up(Dialect::Sonic);
        assert_eq!(at_once(both).await, (up.clone(), up));
    }
}

/// Something on the way may make ordinary data of it.
#[tokio::test(flavor = "current_thread")]
async fn a_mark_counts_in_either_form_and_is_no_part_of_what_is_said() {
    for dialect in [Dialect::Sonic, Dialect::LinuxMclag] {
        for is_ordinary in [false, true] {
            let [a, b, _] = addresses();
            let mut one = auto(a, b);
            while_quiet(&mut one, tokio::task::yield_now()).await;
            let mut stream = connect(b, a).await;
            if is_ordinary {
                stream.write_all(&[mark::byte(dialect)]).await.unwrap();
            } else {
                mark::send_mark(&stream, dialect).unwrap();
            }
            assert_eq!(next(&mut one).await, is_up(dialect));
            is_answered_in(&mut one, &mut stream, dialect).await;
            stream.write_all(&capability(dialect)).await.unwrap();
            assert_eq!(next(&mut one).await, Input::PeerMessage(message(1)));
        }
    }
}

/// Another byte of urgent data, such as that of a `telnet`, is none.
#[tokio::test(flavor = "current_thread")]
async fn urgent_data_of_others_is_no_mark() {
    use nix::sys::socket::{MsgFlags, send};
    use std::os::fd::AsRawFd as _;
    let [a, b, _] = addresses();
    let mut one = auto(a, b);
    while_quiet(&mut one, tokio::task::yield_now()).await;
    let stream = connect(b, a).await;
    send(stream.as_raw_fd(), &[0xf2], MsgFlags::MSG_OOB).unwrap();
    stand_still();
    while_quiet(&mut one, pass(FIRST_WORD / 2)).await;
    assert!(!one.has_room());
}

/// Close a connection so that its other end hears nothing of it, as when the host is reset. False if that takes
/// a privilege that is not there.
fn vanish(stream: TcpStream) -> bool {
    use nix::sys::socket::{setsockopt, sockopt};
    setsockopt(&stream, sockopt::TcpRepair, &1).is_ok()
}

/// How another connection shows that it is the peer's.
enum Shows {
    Word,
    Mark,
}

async fn show(stream: &mut TcpStream, shows: &Shows) {
    match shows {
        Shows::Word => {
            let word = capability(Dialect::Sonic);
            stream.write_all(&word).await.unwrap();
        }
        Shows::Mark => mark::send_mark(stream, Dialect::Sonic).unwrap(),
    }
}

/// A connection that has spoken, on one that knows of no dialect.
async fn spoken(a: IpAddr, b: IpAddr) -> (Transport, TcpStream) {
    let mut one = auto(a, b);
    while_quiet(&mut one, tokio::task::yield_now()).await;
    let mut old = connect(b, a).await;
    show(&mut old, &Shows::Word).await;
    assert_eq!(next(&mut one).await, is_up(Dialect::Sonic));
    assert_eq!(next(&mut one).await, Input::PeerMessage(message(1)));
    (one, old)
}

/// Input: the peer's host is reset, and connects again. Output: the kernel is told that the old connection is
/// unknown there, and the new one counts, long before silence would tell.
#[tokio::test(flavor = "current_thread")]
async fn a_peer_that_restarted_unseen_gets_its_session_back() {
    for shows in [Shows::Word, Shows::Mark] {
        let [a, b, _] = addresses();
        let (mut one, old) = spoken(a, b).await;
        if !vanish(old) {
            eprintln!("restarted: skipped: no privilege to let a connection vanish");
            return;
        }
        let mut new = connect(b, a).await;
        show(&mut new, &shows).await;
        let Input::PeerDown { reason } = next(&mut one).await else {
            panic!("the old one is still there");
        };
        assert!(reason.contains("reset by peer"), "{reason}");
        assert_eq!(next(&mut one).await, is_up(Dialect::Sonic));
        if matches!(shows, Shows::Word) {
            assert_eq!(next(&mut one).await, Input::PeerMessage(message(1)));
        }
        is_answered_in(&mut one, &mut new, Dialect::Sonic).await;
    }
}

/// The same two ends with what protects them; none where the kernel cannot sign.
fn protected(key: &str, full_ttl: bool) -> Option<Protection> {
    let signing = match Key::new(key.as_bytes()) {
        Ok(key) => Signing::Md5(key),
        Err(_) => Signing::Unsigned,
    };
    let protection = Protection { full_ttl, signing };
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    match protection.apply(&socket, [127, 0, 0, 1].into()) {
        Ok(()) => Some(protection),
        Err(error) => {
            eprintln!("skipped: {error}");
            None
        }
    }
}

/// A connection with this protection, if it comes about.
async fn dial_with(from: IpAddr, to: IpAddr, protection: Protection) -> io::Result<TcpStream> {
    let endpoints = Endpoints {
        local: from,
        peer: to,
        port: PORT,
        device: None,
        dialect: None,
        protection,
    };
    dial(endpoints).await
}

/// Nobody is let in with any of these.
async fn lets_in_none(one: &mut Transport, from: IpAddr, to: IpAddr, protections: &[Protection]) {
    for protection in protections {
        let result = while_quiet(one, dial_with(from, to, *protection)).await;
        assert_eq!(result.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }
}

/// Somebody is let in with this, in place of whoever was before, and a message passes.
async fn lets_in(one: &mut Transport, from: IpAddr, to: IpAddr, with: Protection) -> TcpStream {
    let mut stream = while_quiet(one, dial_with(from, to, with)).await.unwrap();
    show(&mut stream, &Shows::Word).await;
    assert_eq!(next(one).await, is_up(Dialect::Sonic));
    assert_eq!(next(one).await, Input::PeerMessage(message(1)));
    stream
}

/// Input: a chassis with a key is connected to without one, with another one, with the right one. Output: nothing
/// comes about but with the last, on which a message passes; it replaces a session that is up, as nobody else could.
#[tokio::test(flavor = "current_thread")]
async fn nobody_without_the_key_is_let_in() {
    let [a, b, _] = addresses();
    let (Some(right), Some(wrong)) = (protected("one", false), protected("two", false)) else {
        return;
    };
    let mut one = auto(a, b);
    one.endpoints.protection = right;
    while_quiet(&mut one, tokio::task::yield_now()).await;
    lets_in_none(&mut one, b, a, &[Protection::default(), wrong]).await;
    let mut kept = Vec::new();
    for _ in 0..2 {
        kept.push(lets_in(&mut one, b, a, right).await);
    }
    assert_eq!(one.refused(), []);
}

/// Input: the key is changed on one side, then on the other, or there was none before, or none is left. Output: what is
/// sent in between arrives when both have it, on the same connection; a new one needs it, too.
#[tokio::test(flavor = "current_thread")]
async fn a_key_is_changed_without_loss_of_the_session() {
    for (before, new) in [
        (Some("one"), Some("two")),
        (None, Some("two")),
        (Some("one"), None),
    ] {
        let [a, b, _] = addresses();
        let protect = |key: Option<&str>| match key {
            Some(key) => protected(key, false),
            None => Some(Protection::default()),
        };
        let (Some(before), Some(new)) = (protect(before), protect(new)) else {
            return;
        };
        let (mut one, mut two) = session(a, b, before).await;
        one.set_signing(new.signing);
        one.send(&message(1));
        one.flush_now().await;
        two.set_signing(new.signing);
        let arrived = while_quiet(&mut one, next(&mut two)).await;
        assert_eq!(arrived, Input::PeerMessage(message(1)));
        let result = while_quiet(&mut two, dial_with(a, b, before)).await;
        assert_eq!(result.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }
}

/// Input: the key is changed while a connection that was let in with the one before waits to be accepted. Output: it is
/// closed, and one with the new key is let in.
#[tokio::test(flavor = "current_thread")]
async fn what_waits_to_be_accepted_when_the_key_changes_is_closed() {
    let [a, b, _] = addresses();
    let (Some(before), Some(new)) = (protected("one", false), protected("two", false)) else {
        return;
    };
    let mut one = peer(a, b);
    one.endpoints.protection = before;
    while_quiet(&mut one, tokio::task::yield_now()).await;
    let mut waiting = dial_with(b, a, before).await.unwrap();
    one.set_signing(new.signing);
    let read = while_quiet(&mut one, waiting.read(&mut [0])).await;
    assert!(matches!(read, Ok(0) | Err(_)), "{read:?}");
    let (up, _near) = tokio::join!(next(&mut one), dial_with(b, a, new));
    assert_eq!(up, PEER_UP);
}

/// Input: the key is changed while a candidate's word has the session's other end asked. Output: the candidate is
/// closed, nothing is asked any longer, and the session goes on.
#[tokio::test(flavor = "current_thread")]
async fn a_candidate_that_the_key_before_let_in_is_closed() {
    use nix::sys::socket::{getsockopt, sockopt};
    let [a, b, _] = addresses();
    let Some(new) = protected("two", false) else {
        return;
    };
    let (mut one, mut old) = spoken(a, b).await;
    let mut candidate = connect(b, a).await;
    show(&mut candidate, &Shows::Word).await;
    let keeps_alive = |one: &Transport| {
        let connection = one.connection.as_ref().unwrap();
        getsockopt(connection.pipe.stream(), sockopt::KeepAlive).unwrap()
    };
    while !keeps_alive(&one) {
        while_quiet(&mut one, tokio::task::yield_now()).await;
    }
    one.set_signing(new.signing);
    assert!(!keeps_alive(&one));
    let read = while_quiet(&mut one, candidate.read_to_end(&mut Vec::new())).await;
    assert!(matches!(read, Ok(0..=1) | Err(_)), "{read:?}");
    new.renew(&old, a, &Signing::Unsigned).unwrap();
    old.write_all(&bytes(&[message(7)])).await.unwrap();
    assert_eq!(next(&mut one).await, Input::PeerMessage(message(7)));
}

/// Input: interfaces go while there is no socket that listens, and the one that it would be confined to comes.
/// Output: only the latter is a reason to dial anew: others that come and go would put that off for ever.
#[tokio::test(flavor = "current_thread")]
async fn interfaces_that_go_change_nothing_where_nothing_listens() {
    let device = "lo".parse().unwrap();
    let table = [(News::Gone, false), (News::Present, true)];
    for (news, begins_anew) in table {
        let mut listener = Listener::default();
        assert_eq!(listener.follow(news, &device), begins_anew, "{news:?}");
    }
}

/// Input: a connection is made to a chassis that has another key, and the key is changed to its. Output: it comes about
/// at once; it is not waited until the first attempt has failed.
#[tokio::test(flavor = "current_thread")]
async fn what_is_dialled_is_dialled_with_a_key_that_changes() {
    let [a, b, _] = addresses();
    let (Some(before), Some(new)) = (protected("one", false), protected("two", false)) else {
        return;
    };
    let (mut one, mut two) = (peer(a, b), peer(b, a));
    one.endpoints.protection = before;
    two.endpoints.protection = new;
    while_quiet(&mut two, tokio::task::yield_now()).await;
    one.connect();
    while_quiet(&mut one, tokio::task::yield_now()).await;
    one.set_signing(new.signing);
    let (up_one, up_two) = tokio::join!(next(&mut one), next(&mut two));
    assert_eq!((up_one, up_two), (PEER_UP, PEER_UP));
}

/// Input: a connection whose packets have passed a router, as their hop limit says, and one whose have not. Output: the
/// first does not come about.
#[tokio::test(flavor = "current_thread")]
async fn what_a_router_has_forwarded_is_not_let_in() {
    use nix::sys::socket::{setsockopt, sockopt};
    let [a, b, _] = addresses();
    let mut one = peer(a, b);
    one.endpoints.protection.full_ttl = true;
    while_quiet(&mut one, tokio::task::yield_now()).await;
    let there = Endpoints {
        local: b,
        peer: a,
        ..one.endpoints
    };
    let far = bound(&there, 0).unwrap();
    setsockopt(&far, sockopt::Ipv4Ttl, &254).unwrap();
    let far = timeout(
        Duration::from_millis(300),
        far.connect(SocketAddr::new(a, PORT)),
    );
    assert!(while_quiet(&mut one, far).await.is_err());
    let _near = connect(b, a).await;
    assert_eq!(next(&mut one).await, PEER_UP);
}

/// Input: somebody on the peer's host says what a peer says. Output: the session goes on, for its other end answers,
/// and what is lost on its way may take as long as before.
#[tokio::test(flavor = "current_thread")]
async fn a_session_whose_other_end_answers_is_not_taken() {
    use nix::sys::socket::{getsockopt, sockopt};
    stand_still();
    for shows in [Shows::Word, Shows::Mark] {
        let [a, b, _] = addresses();
        let (mut one, mut old) = spoken(a, b).await;
        let mut thief = connect(b, a).await;
        show(&mut thief, &shows).await;
        while one.candidate.as_ref().is_none_or(|c| c.sign.is_none()) {
            while_quiet(&mut one, tokio::task::yield_now()).await;
        }
        // One more meanwhile does not begin anew.
        let mut another = connect(b, a).await;
        old.write_all(&bytes(&[message(6)])).await.unwrap();
        assert_eq!(next(&mut one).await, Input::PeerMessage(message(6)));
        while_quiet(&mut one, pass(Duration::from_secs(5))).await;
        let [refusal] = <[_; 1]>::try_from(one.refused()).unwrap();
        assert_eq!(
            (refusal.reason.as_str(), refusal.count),
            ("the connection that is up answers", 2)
        );
        for stream in [&mut thief, &mut another] {
            let read = while_quiet(&mut one, stream.read(&mut [0; 10])).await;
            assert!(matches!(read, Ok(0..=1) | Err(_)), "{read:?}");
        }
        old.write_all(&bytes(&[message(7)])).await.unwrap();
        assert_eq!(next(&mut one).await, Input::PeerMessage(message(7)));
        let stream = one.connection.as_ref().unwrap().pipe.stream();
        assert_eq!(getsockopt(stream, sockopt::TcpUserTimeout).unwrap(), 0);
        assert!(!getsockopt(stream, sockopt::KeepAlive).unwrap());
    }
}

/// Input: the peer's host takes nothing of the connection any more, which has data on its way, and connects again.
/// Output: nothing was heard of the old one in the time that it had, so the new one counts.
#[tokio::test(flavor = "current_thread")]
async fn a_session_whose_other_end_is_silent_with_data_on_its_way_is_taken() {
    stand_still();
    for shows in [Shows::Word, Shows::Mark] {
        let [a, b, _] = addresses();
        let Some(deaf) = protected("deaf", false) else {
            return;
        };
        let (mut one, old) = spoken(a, b).await;
        // What is not signed is dropped without an answer, as by a host that is gone.
        deaf.renew(&old, a, &Signing::Unsigned).unwrap();
        one.send(&message(6));
        one.flush_now().await;
        let mut new = connect(b, a).await;
        show(&mut new, &shows).await;
        while one.candidate.as_ref().is_none_or(|c| c.sign.is_none()) {
            while_quiet(&mut one, tokio::task::yield_now()).await;
        }
        let up = tokio::select! {
            biased;
            up = next(&mut one) => up,
            () = pass(Duration::from_secs(5)) => panic!("not taken: {:?}", one.refused()),
        };
        assert_eq!(up, is_up(Dialect::Sonic));
        if matches!(shows, Shows::Word) {
            assert_eq!(next(&mut one).await, Input::PeerMessage(message(1)));
        }
        assert_eq!(one.refused(), []);
        is_answered_in(&mut one, &mut new, Dialect::Sonic).await;
    }
}

/// `spec/iccp.md` 14: a daemon that is spoken to in the wrong dialect stalls. One that was told to be
/// of another dialect by mistake is spoken to once, not every second; whoever takes its place is
/// understood.
#[tokio::test(flavor = "current_thread")]
async fn a_peer_of_another_dialect_than_the_selected_one_is_not_spoken_to_again() {
    for (ours, theirs) in [
        (Dialect::Sonic, Dialect::LinuxMclag),
        (Dialect::LinuxMclag, Dialect::Sonic),
    ] {
        let [a, b, _] = addresses();
        let mut one = auto(a, b);
        one.endpoints.dialect = Some(ours);
        while_quiet(&mut one, tokio::task::yield_now()).await;
        let mut wrong = connect(b, a).await;
        assert_eq!(next(&mut one).await, is_up(ours));
        wrong.write_all(&capability(theirs)).await.unwrap();
        let Input::PeerDown { reason } = next(&mut one).await else {
            panic!("still up");
        };
        let spoken = format!("the peer speaks the {theirs} dialect");
        assert!(reason.starts_with(&spoken), "{reason}");

        let mut again = connect(b, a).await;
        again.write_all(&capability(theirs)).await.unwrap();
        let mut received = Vec::new();
        let _ = while_quiet(&mut one, again.read_to_end(&mut received)).await;
        assert!(received.is_empty(), "{received:?}");
        let [refusal] = <[_; 1]>::try_from(one.refused()).unwrap();
        assert!(refusal.reason.starts_with(&spoken), "{refusal:?}");
        assert_eq!(refusal.count, 2);

        // It has been replaced by a native one that waits, then by one that does not.
        let silent = connect(b, a).await;
        mark::send_mark(&silent, theirs).unwrap();
        assert_eq!(next(&mut one).await, is_up(ours));
        drop(silent);
        let Input::PeerDown { .. } = next(&mut one).await else {
            panic!("still up");
        };
        let mut right = connect(b, a).await;
        right.write_all(&capability(ours)).await.unwrap();
        assert_eq!(next(&mut one).await, is_up(ours));
        assert_eq!(next(&mut one).await, Input::PeerMessage(message(1)));
        drop(right);
        let Input::PeerDown { .. } = next(&mut one).await else {
            panic!("still up");
        };
        let _waits = connect(b, a).await;
        let accepted = Instant::now();
        assert_eq!(next(&mut one).await, is_up(ours));
        assert!(accepted.elapsed() < FIRST_WORD);
    }
}

/// A connection that came in and was garbage the core never hears of, one that it asked for it
/// does.
#[tokio::test(flavor = "current_thread")]
async fn garbage_is_closed_before_anything_is_said() {
    let [a, b, _] = addresses();
    let mut one = auto(a, b);
    while_quiet(&mut one, tokio::task::yield_now()).await;
    let mut http = connect(b, a).await;
    http.write_all(b"GET / HTTP/1.0").await.unwrap();
    let mut received = Vec::new();
    let read = while_quiet(&mut one, http.read_to_end(&mut received)).await;
    assert!(received.is_empty(), "{read:?} {received:?}");
    assert_eq!(one.refused().len(), 1);

    let there = Endpoints {
        local: b,
        peer: a,
        ..one.endpoints
    };
    let listener = bound(&there, PORT).unwrap().listen(BACKLOG).unwrap();
    one.connect();
    let (mut http, _) = while_quiet(&mut one, listener.accept()).await.unwrap();
    http.write_all(b"SSH-2.0").await.unwrap();
    let Input::PeerDown { reason } = next(&mut one).await else {
        panic!("up");
    };
    assert!(reason.starts_with("no message begins with"), "{reason}");
}

/// Half a word is no silence: whatever follows may be in another dialect.
#[tokio::test(flavor = "current_thread", start_paused = true)]
async fn a_peer_that_stops_within_its_first_word_is_not_spoken_to() {
    let [a, b, _] = addresses();
    let mut one = auto(a, b);
    while_quiet(&mut one, tokio::task::yield_now()).await;
    let mut stream = connect(b, a).await;
    stream.write_all(&[4]).await.unwrap();
    let mut received = Vec::new();
    let _ = while_quiet(&mut one, stream.read_to_end(&mut received)).await;
    assert!(received.is_empty(), "{received:?}");
    let [refusal] = <[_; 1]>::try_from(one.refused()).unwrap();
    assert_eq!(refusal.reason, "stopped within its first word");
}

/// What this chassis made is not replaced, whether the dialect is known or not: a peer that lives
/// does not dial the one that dials.
#[tokio::test(flavor = "current_thread")]
async fn a_connection_that_was_made_here_is_not_replaced() {
    let [a, b, _] = addresses();
    let mut one = auto(a, b);
    while_quiet(&mut one, tokio::task::yield_now()).await;
    let there = Endpoints {
        local: b,
        peer: a,
        ..one.endpoints
    };
    let listener = bound(&there, PORT).unwrap().listen(BACKLOG).unwrap();
    one.connect();
    let (mut first, _) = while_quiet(&mut one, listener.accept()).await.unwrap();
    let made = async |one: &mut Transport| {
        while one.connection.is_none() {
            while_quiet(one, tokio::task::yield_now()).await;
        }
    };
    made(&mut one).await;
    for count in [1, 2] {
        let mut second = connect(b, a).await;
        let read = while_quiet(&mut one, second.read(&mut [0; 10])).await;
        assert!(matches!(read, Ok(0) | Err(_)), "{read:?}");
        let [refusal] = <[_; 1]>::try_from(one.refused()).unwrap();
        assert_eq!(
            (refusal.reason.as_str(), refusal.count),
            ("connected already", count)
        );
        if count == 1 {
            first
                .write_all(&capability(Dialect::LinuxMclag))
                .await
                .unwrap();
            assert_eq!(next(&mut one).await, is_up(Dialect::LinuxMclag));
            assert_eq!(next(&mut one).await, Input::PeerMessage(message(1)));
        }
    }
}

/// Of two connections that have not spoken the one that speaks first counts, whichever came first;
/// the core hears of one.
#[tokio::test(flavor = "current_thread")]
async fn the_first_of_two_silent_connections_to_speak_counts() {
    for speaks_second in [true, false] {
        let [a, b, _] = addresses();
        let mut one = auto(a, b);
        while_quiet(&mut one, tokio::task::yield_now()).await;
        let first = connect(b, a).await;
        let pause = tokio::time::sleep(Duration::from_millis(50));
        while_quiet(&mut one, pause).await;
        let second = connect(b, a).await;
        let (mut speaks, mut silent) = match speaks_second {
            true => (second, first),
            false => (first, second),
        };
        let pause = tokio::time::sleep(Duration::from_millis(50));
        while_quiet(&mut one, pause).await;
        speaks
            .write_all(&capability(Dialect::LinuxMclag))
            .await
            .unwrap();
        assert_eq!(next(&mut one).await, is_up(Dialect::LinuxMclag));
        assert_eq!(next(&mut one).await, Input::PeerMessage(message(1)));
        let read = while_quiet(&mut one, silent.read(&mut [0; 10])).await;
        assert!(matches!(read, Ok(0) | Err(_)), "{read:?}");
        is_answered_in(&mut one, &mut speaks, Dialect::LinuxMclag).await;
    }
}

/// Dialling that gave way to a connection is answered when that one ends without a word: the
/// core would wait for ever.
#[tokio::test(flavor = "current_thread")]
async fn dialling_that_gave_way_has_an_outcome() {
    let [a, b, _] = addresses();
    let mut one = auto(a, b);
    while_quiet(&mut one, tokio::task::yield_now()).await;
    let stream = connect(b, a).await;
    one.dialling = Some(Box::pin(pending()));
    let pause = tokio::time::sleep(Duration::from_millis(50));
    while_quiet(&mut one, pause).await;
    assert!(one.dialling.is_none());
    drop(stream);
    let reason = "closed by the peer".into();
    assert_eq!(next(&mut one).await, Input::PeerDown { reason });
}

/// A peer that does not read its last words holds up nobody else's.
#[tokio::test(flavor = "current_thread")]
async fn connections_are_finished_side_by_side() {
    let [a, b, _] = addresses();
    let mut one = peer(a, b);
    one.finishing.push_back(Box::pin(pending()));
    one.finishing.push_back(Box::pin(tokio::task::yield_now()));
    let event = timeout(PATIENCE, one.next()).await.unwrap();
    assert!(matches!(event, Event::Wrote));
    assert_eq!(one.finishing.len(), 1);
}

/// The same two ends with keys of TCP-AO, the preferred one first; none where the kernel has none.
fn with_keys(keys: &[(u8, &str)]) -> Option<Protection> {
    if !ao::is_supported().unwrap() {
        eprintln!("skipped: this kernel has no TCP-AO");
        return None;
    }
    let key = |(id, secret): &(u8, &str)| AoKey {
        id: *id,
        secret: Key::new(secret.as_bytes()).unwrap(),
    };
    let keys: Vec<AoKey> = keys.iter().map(key).collect();
    Some(Protection {
        full_ttl: false,
        signing: Signing::Ao(AoKeys::new(&keys).unwrap()),
    })
}

/// Input: a chassis with two keys is connected to without one, with TCP-MD5, with another secret or id, with either of its
/// own. Output: nothing comes about but with the latter.
#[tokio::test(flavor = "current_thread")]
async fn nobody_without_a_key_of_tcp_ao_is_let_in() {
    let [a, b, _] = addresses();
    let Some(right) = with_keys(&[(2, "two"), (1, "one")]) else {
        return;
    };
    let mut one = auto(a, b);
    one.endpoints.protection = right;
    while_quiet(&mut one, tokio::task::yield_now()).await;
    let md5 = protected("two", false).unwrap_or_default();
    let wrong = [&[(2, "one")][..], &[(3, "two")]].map(|keys| with_keys(keys).unwrap());
    let [secret, id] = wrong;
    lets_in_none(&mut one, b, a, &[Protection::default(), md5, secret, id]).await;
    let mut kept = Vec::new();
    for key in [(1, "one"), (2, "two")] {
        let protection = with_keys(&[key]).unwrap();
        kept.push(lets_in(&mut one, b, a, protection).await);
    }
}

/// Input: a key is added on both ends, preferred on one and then on the other, and the previous one is taken away. Output: the
/// session goes on after each, messages arrive both ways, and in the end the new key signs both.
#[tokio::test(flavor = "current_thread")]
async fn keys_of_tcp_ao_are_changed_while_messages_pass() {
    let steps: [[&[(u8, &str)]; 2]; 6] = [
        [&[(1, "one"), (2, "two")], &[(1, "one")]],
        [&[(1, "one"), (2, "two")], &[(1, "one"), (2, "two")]],
        [&[(2, "two"), (1, "one")], &[(1, "one"), (2, "two")]],
        [&[(2, "two"), (1, "one")], &[(2, "two"), (1, "one")]],
        [&[(2, "two")], &[(2, "two"), (1, "one")]],
        [&[(2, "two")], &[(2, "two")]],
    ];
    let [a, b, _] = addresses();
    let Some(before) = with_keys(&[(1, "one")]) else {
        return;
    };
    let (mut one, mut two) = session(a, b, before).await;
    for keys in steps {
        let [for_one, for_two] = keys.map(|keys| with_keys(keys).unwrap().signing);
        one.set_signing(for_one);
        two.set_signing(for_two);
        for _ in 0..3 {
            one.send(&message(1));
            one.flush_now().await;
            assert_eq!(next(&mut two).await, Input::PeerMessage(message(1)));
            two.send(&message(2));
            two.flush_now().await;
            assert_eq!(next(&mut one).await, Input::PeerMessage(message(2)));
        }
    }
    let new = TcpAo {
        current: Some(2),
        asked_for: 2,
    };
    assert_eq!([one.ao_keys(), two.ao_keys()], [Some(new); 2]);
}
