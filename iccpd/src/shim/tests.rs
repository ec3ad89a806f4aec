//! Real sockets on loopback addresses, one address per test.

use super::*;
use iccp_core::OnLoss;
use mclag_proto::mclagdctl::{Counters, FromSyncd, OkError, ToSyncd};
use mclag_proto::sync::model::{
    DomainWant, FdbWant, Isolation, Op, PairState, PortWant, Section, Traffic,
};
use mclag_proto::sync::v1::{DomainAttributes, DomainOp, DomainRecord, InterfaceRecord};
use mclag_proto::{DomainId, IfName, Vid};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicU8, Ordering};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

const PATIENCE: Duration = Duration::from_secs(60);

fn name(text: &str) -> IfName {
    IfName::new(text).unwrap()
}

/// A server that no other test has.
async fn listener() -> TcpListener {
    static NEXT: AtomicU8 = AtomicU8::new(1);
    let last = NEXT.fetch_add(1, Ordering::Relaxed);
    let process = std::process::id().to_le_bytes()[0] % 200 + 10;
    let address = IpAddr::from([127, process, 201, last]);
    TcpListener::bind((address, 0)).await.unwrap()
}

fn shim(listener: &TcpListener, dialect: Option<Dialect>) -> Shim {
    let place = Place {
        address: listener.local_addr().unwrap(),
        dialect,
    };
    let rest = Rest {
        bridge: name("Bridge"),
        node_mac: Mac([2, 0, 0, 0, 0, 9]),
        ack_timeout: Config::ACK_TIMEOUT,
        restart_hold: Config::RESTART_HOLD,
        neighbours: true,
        on_loss: OnLoss::Release,
    };
    Shim::new(vec![place], rest)
}

/// The server's end of the next connection. What happens meanwhile happens next.
async fn accept(shim: &mut Shim, listener: &TcpListener) -> TcpStream {
    let accepting = async {
        tokio::select! {
            accepted = listener.accept() => accepted.unwrap().0,
            happened = shim.next() => {
                shim.happened.push_front(happened);
                listener.accept().await.unwrap().0
            }
        }
    };
    timeout(PATIENCE, accepting).await.expect("connects")
}

async fn next(shim: &mut Shim) -> Happened {
    timeout(PATIENCE, shim.next())
        .await
        .expect("something happens")
}

async fn input(shim: &mut Shim) -> Input {
    match next(shim).await {
        Happened::Input(input) => input,
        Happened::Settings(settings) => panic!("settings {settings:?}"),
    }
}

async fn greeted(shim: &mut Shim, dialect: Dialect) {
    let Input::SyncdUp {
        abilities: can,
        backend,
        window,
    } = input(shim).await
    else {
        panic!("not connected");
    };
    assert_eq!(can, abilities(dialect));
    assert_eq!(backend, format!("shim, {dialect}"));
    assert_eq!(window, WINDOW);
    assert_eq!(input(shim).await, Input::SyncdEvent(Event::SnapshotBegin));
}

/// So many bytes from the shim's client, which runs meanwhile.
async fn read(shim: &mut Shim, stream: &mut TcpStream, count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    let reading = async {
        let exactly = stream.read_exact(&mut bytes);
        tokio::pin!(exactly);
        loop {
            tokio::select! {
                result = &mut exactly => return result.unwrap(),
                happened = shim.next() => drop(happened),
            }
        }
    };
    timeout(PATIENCE, reading).await.expect("so many bytes");
    bytes
}

fn domain_record(op: DomainOp) -> DomainRecord {
    DomainRecord {
        op,
        domain: DomainId::new(1).unwrap(),
        keepalive_s: 1,
        session_timeout_s: 15,
        local: Some(Ipv4Addr::new(10, 0, 0, 1)),
        peer: Some(Ipv4Addr::new(10, 0, 0, 2)),
        peer_link: Some(name("PortChannel10")),
        system_mac: Mac([2, 0, 0, 0, 0, 1]),
        attributes: DomainAttributes::from_bits_retain(0x1f),
    }
}

fn counters(shim: &Shim) -> Counters {
    let mut counters = Counters::default();
    shim.tally().put_into(&mut counters);
    counters
}

async fn say(stream: &mut TcpStream, message: &ServerMessage) {
    let bytes = message.encode(Dialect::Sonic).unwrap();
    stream.write_all(&bytes).await.unwrap();
}

fn key() -> FdbKey {
    FdbKey {
        vid: Vid::new(100).unwrap(),
        mac: Mac([0, 0x11, 0x22, 0x33, 0x44, 0x55]),
    }
}

fn entry() -> Op {
    let port = name("PortChannel1");
    let kind = mclag_proto::sync::model::FdbKind::Tracked;
    Op::Fdb {
        key: key(),
        want: FdbWant { port, kind },
    }
}

#[tokio::test]
async fn a_batch_is_done_when_its_messages_have_left() {
    let listener = listener().await;
    let mut shim = shim(&listener, Some(Dialect::Sonic));
    let mut stream = accept(&mut shim, &listener).await;
    greeted(&mut shim, Dialect::Sonic).await;
    shim.send(&Batch {
        number: 1,
        ops: vec![entry()],
    });
    assert!(!shim.is_idle());
    let Input::SyncdResult { batch, failures } = input(&mut shim).await else {
        panic!("no result");
    };
    assert_eq!((batch, failures), (1, Vec::new()));
    assert!(shim.is_idle());
    // The vector of `spec/mclagsyncd-protocol.md` 11.1, SET_FDB add.
    let bytes = read(&mut shim, &mut stream, 40).await;
    assert_eq!(
        bytes[..12],
        [1, 5, 0x28, 0, 0, 0x11, 0x22, 0x33, 0x44, 0x55, 0, 0]
    );
    assert_eq!(bytes[36..], [2, 0, 1, 0]);
}

/// Operations that are no messages in version 1 are done at once.
#[tokio::test]
async fn a_batch_without_messages_is_done_too() {
    let listener = listener().await;
    let mut shim = shim(&listener, Some(Dialect::Sonic));
    let _stream = accept(&mut shim, &listener).await;
    greeted(&mut shim, Dialect::Sonic).await;
    shim.send(&Batch {
        number: 1,
        ops: vec![
            Op::SnapshotBegin(Section::Neighbours),
            Op::SnapshotEnd(Section::Neighbours),
        ],
    });
    assert!(matches!(
        input(&mut shim).await,
        Input::SyncdResult { batch: 1, .. }
    ));
}

/// `spec/mclagsyncd-protocol.md` 5.6: domain, cumulative interfaces; each complete state once.
#[tokio::test]
async fn settings_are_reported_when_they_change() {
    let listener = listener().await;
    let mut shim = shim(&listener, Some(Dialect::Sonic));
    let mut stream = accept(&mut shim, &listener).await;
    greeted(&mut shim, Dialect::Sonic).await;
    let add = ServerMessage::Domain(vec![domain_record(DomainOp::Add)]);
    say(&mut stream, &add).await;
    let Happened::Settings(Some(config)) = next(&mut shim).await else {
        panic!("no settings");
    };
    assert_eq!(config.peer_link, Some(name("PortChannel10")));
    assert_eq!(config.node_mac, Mac([2, 0, 0, 0, 0, 1]));
    say(&mut stream, &add).await;
    let port = |port| InterfaceRecord {
        op: RecordOp::Add,
        domain: DomainId::new(1).unwrap(),
        port: name(port),
    };
    let ports = ServerMessage::Interfaces(vec![port("PortChannel1")]);
    say(&mut stream, &ports).await;
    say(&mut stream, &ports).await;
    let Happened::Settings(Some(config)) = next(&mut shim).await else {
        panic!("no settings");
    };
    assert_eq!(config.ports.len(), 1);
    let delete = ServerMessage::Domain(vec![domain_record(DomainOp::Delete)]);
    say(&mut stream, &delete).await;
    assert!(matches!(next(&mut shim).await, Happened::Settings(None)));
}

/// `spec/mclagsyncd-protocol.md` 5.6, `spec/behaviour.md` 12: what arrives together changes the pair
/// once, but for a domain that is deleted and added again.
#[tokio::test]
async fn settings_that_arrive_together_are_reported_once() {
    let listener = listener().await;
    let mut shim = shim(&listener, Some(Dialect::Sonic));
    let mut stream = accept(&mut shim, &listener).await;
    greeted(&mut shim, Dialect::Sonic).await;
    let domain = |op| ServerMessage::Domain(vec![domain_record(op)]);
    let ports = |count: usize| {
        let record = |port: &&str| InterfaceRecord {
            op: RecordOp::Add,
            domain: DomainId::new(1).unwrap(),
            port: name(port),
        };
        let all = ["PortChannel1", "PortChannel2", "PortChannel3"];
        ServerMessage::Interfaces(all[..count].iter().map(record).collect())
    };
    let messages = [
        domain(DomainOp::Add),
        ports(1),
        ports(2),
        ports(3),
        domain(DomainOp::Delete),
        domain(DomainOp::Add),
        ports(1),
    ];
    let bytes: Vec<Vec<u8>> = messages
        .iter()
        .map(|message| message.encode(Dialect::Sonic).unwrap())
        .collect();
    stream.write_all(&bytes.concat()).await.unwrap();
    let mut reported = Vec::new();
    for _ in 0..3 {
        let Happened::Settings(config) = next(&mut shim).await else {
            panic!("no settings");
        };
        reported.push(config.map(|config| config.ports.len()));
    }
    assert_eq!(reported, [Some(3), None, Some(1)]);
}

/// `spec/behaviour.md` 14.6.
#[tokio::test]
async fn a_domain_that_a_new_connection_does_not_name_is_gone_once_it_has_settled() {
    let listener = listener().await;
    let mut shim = shim(&listener, Some(Dialect::Sonic));
    let mut stream = accept(&mut shim, &listener).await;
    greeted(&mut shim, Dialect::Sonic).await;
    say(
        &mut stream,
        &ServerMessage::Domain(vec![domain_record(DomainOp::Add)]),
    )
    .await;
    assert!(matches!(next(&mut shim).await, Happened::Settings(Some(_))));
    drop(stream);
    assert_eq!(input(&mut shim).await, Input::SyncdDown);
    let mut stream = accept(&mut shim, &listener).await;
    greeted(&mut shim, Dialect::Sonic).await;
    say(&mut stream, &ServerMessage::Interfaces(Vec::new())).await;
    assert_eq!(
        input(&mut shim).await,
        Input::SyncdEvent(Event::SnapshotEnd)
    );
    assert!(matches!(next(&mut shim).await, Happened::Settings(None)));
}

/// A shim serves one client, and the socket takes the next one before that (`spec/mclagsyncd-protocol.md`
/// 1): the pair is not given up because nobody has spoken yet.
#[tokio::test]
async fn a_shim_that_named_a_pair_and_is_silent_now_is_waited_for() {
    let listener = listener().await;
    let mut shim = shim(&listener, Some(Dialect::Sonic));
    let mut stream = accept(&mut shim, &listener).await;
    greeted(&mut shim, Dialect::Sonic).await;
    let add = ServerMessage::Domain(vec![domain_record(DomainOp::Add)]);
    say(&mut stream, &add).await;
    assert!(matches!(next(&mut shim).await, Happened::Settings(Some(_))));
    drop(stream);
    assert_eq!(input(&mut shim).await, Input::SyncdDown);
    let mut stream = accept(&mut shim, &listener).await;
    greeted(&mut shim, Dialect::Sonic).await;
    let more = timeout(2 * SETTLE_QUIET, shim.next()).await;
    assert!(more.is_err(), "{more:?}");
    say(&mut stream, &add).await;
    let end = Input::SyncdEvent(Event::SnapshotEnd);
    assert_eq!(input(&mut shim).await, end);
    let more = timeout(SETTLE_QUIET, shim.next()).await;
    assert!(more.is_err(), "the same settings: {more:?}");
}

/// What leaves while something arrives is answered, too.
#[tokio::test]
async fn batches_that_leave_while_the_shim_speaks_are_answered() {
    let listener = listener().await;
    let mut shim = shim(&listener, Some(Dialect::Sonic));
    let mut stream = accept(&mut shim, &listener).await;
    greeted(&mut shim, Dialect::Sonic).await;
    stream.write_all(&[1, 99, 4, 0]).await.unwrap();
    stream.flush().await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    shim.send(&Batch {
        number: 1,
        ops: vec![entry()],
    });
    // Both the write and the read are possible now.
    loop {
        match input(&mut shim).await {
            Input::SyncdResult { batch, .. } => return assert_eq!(batch, 1),
            Input::SyncdEvent(Event::SnapshotEnd) => panic!("no answer"),
            _ => {}
        }
    }
}

/// `spec/mclagsyncd-protocol.md` 9.2: a table may be empty when it is asked for, so a silent server
/// is asked on, and believed when it speaks at last.
#[tokio::test]
async fn a_server_taken_for_sonics_turns_out_to_be_linux_mclags() {
    let listener = listener().await;
    let mut shim = shim(&listener, None);
    let mut stream = accept(&mut shim, &listener).await;
    greeted(&mut shim, Dialect::Sonic).await;
    assert_eq!(
        read(&mut shim, &mut stream, 8).await,
        [1, 20, 4, 0, 1, 20, 4, 0]
    );
    shim.send(&Batch {
        number: 1,
        ops: vec![entry()],
    });
    assert!(shim.ready().is_none());
    let record = FdbRecord {
        mac: key().mac,
        vid: key().vid,
        port: Some(name("swp1")),
        kind: FdbKind::Dynamic,
        op: RecordOp::Add,
    };
    let answer = ServerMessage::Fdb(vec![record]);
    let answer = answer.encode(Dialect::LinuxMclag).unwrap();
    stream.write_all(&answer).await.unwrap();
    loop {
        match input(&mut shim).await {
            Input::SyncdDown => break,
            Input::SyncdEvent(_) | Input::SyncdResult { .. } => {}
            other => panic!("{other:?}"),
        }
    }
    greeted(&mut shim, Dialect::LinuxMclag).await;
    let port = name("swp1");
    let configured = false;
    let sight = Sight::Learned { port, configured };
    let event = Event::Fdb { key: key(), sight };
    assert_eq!(input(&mut shim).await, Input::SyncdEvent(event));
    let end = Input::SyncdEvent(Event::SnapshotEnd);
    assert_eq!(input(&mut shim).await, end);
}

/// `spec/mclagsyncd-protocol.md` 2.2: SONiC's list is the whole, and 4096 bytes hold no more. Nobody
/// may rely on isolation that was not said, and it is tried again.
#[tokio::test]
async fn an_isolation_list_that_does_not_fit_fails_its_ports_each_time() {
    let listener = listener().await;
    let mut shim = shim(&listener, Some(Dialect::Sonic));
    let _stream = accept(&mut shim, &listener).await;
    greeted(&mut shim, Dialect::Sonic).await;
    let port = |number: u32| Op::Port {
        port: name(&format!("PortChannel{number:04}")),
        want: PortWant {
            isolation: Isolation::On,
            traffic: Traffic::Pass,
            redirect: false,
            system_mac: None,
        },
    };
    let mut ops = vec![
        Op::SnapshotBegin(Section::Ports),
        Op::Domain(DomainWant {
            bridge: name("Bridge"),
            peer_link: Some(name("PortChannel10")),
            peer_link_learning: false,
        }),
    ];
    ops.extend((0..256).map(port));
    ops.push(Op::SnapshotEnd(Section::Ports));
    for (number, ops, failed) in [(1, ops, 256), (2, vec![port(0)], 1)] {
        shim.send(&Batch { number, ops });
        let Input::SyncdResult { batch, failures } = input(&mut shim).await else {
            panic!("no result");
        };
        assert_eq!((batch, failures.len()), (number, failed));
    }
}

/// P-11: a header cut in two, several messages in one read, a message in many parts.
#[tokio::test]
async fn messages_are_put_together_however_they_arrive() {
    let listener = listener().await;
    let mut shim = shim(&listener, Some(Dialect::Sonic));
    let mut stream = accept(&mut shim, &listener).await;
    greeted(&mut shim, Dialect::Sonic).await;
    let record = FdbRecord {
        mac: key().mac,
        vid: key().vid,
        port: Some(name("PortChannel1")),
        kind: FdbKind::Dynamic,
        op: RecordOp::Add,
    };
    let bytes = ServerMessage::Fdb(vec![record])
        .encode(Dialect::Sonic)
        .unwrap();
    for byte in &bytes {
        stream.write_all(&[*byte]).await.unwrap();
        stream.flush().await.unwrap();
    }
    let both = [bytes.clone(), bytes].concat();
    stream.write_all(&both).await.unwrap();
    for _ in 0..3 {
        let sight = Sight::Learned {
            port: name("PortChannel1"),
            configured: false,
        };
        let event = Event::Fdb { key: key(), sight };
        assert_eq!(input(&mut shim).await, Input::SyncdEvent(event));
    }
}

/// `spec/mclagsyncd-protocol.md` 10, item 6: type 0 and no port.
#[tokio::test]
async fn a_deletion_without_a_port_is_a_host_that_is_gone() {
    let listener = listener().await;
    let mut shim = shim(&listener, Some(Dialect::Sonic));
    let mut stream = accept(&mut shim, &listener).await;
    greeted(&mut shim, Dialect::Sonic).await;
    // The second record of the vector in `spec/mclagsyncd-protocol.md` 11.2.
    let mut bytes = vec![
        1, 1, 40, 0, 0, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0, 0, 0xc8, 0, 0, 0,
    ];
    bytes.extend([0; 22]);
    bytes.extend([2, 0]);
    stream.write_all(&bytes).await.unwrap();
    let key = FdbKey {
        vid: Vid::new(200).unwrap(),
        mac: Mac([0, 0xaa, 0xbb, 0xcc, 0xdd, 0xee]),
    };
    let event = Event::Fdb {
        key,
        sight: Sight::Aged,
    };
    assert_eq!(input(&mut shim).await, Input::SyncdEvent(event));
}

/// W-4: the daemons of SONiC never notice.
#[tokio::test]
async fn a_lost_shim_is_noticed_and_connected_to_again() {
    let listener = listener().await;
    let mut shim = shim(&listener, Some(Dialect::Sonic));
    for _ in 0..3 {
        let stream = accept(&mut shim, &listener).await;
        greeted(&mut shim, Dialect::Sonic).await;
        drop(stream);
        assert_eq!(input(&mut shim).await, Input::SyncdDown);
    }
}

/// `spec/mclagsyncd-protocol.md` 2.4: an impossible header, and only that, ends the connection.
#[tokio::test]
async fn an_impossible_header_ends_the_connection_and_a_strange_message_does_not() {
    let listener = listener().await;
    let mut shim = shim(&listener, Some(Dialect::Sonic));
    let mut stream = accept(&mut shim, &listener).await;
    greeted(&mut shim, Dialect::Sonic).await;
    // Another version, an unknown type, a VLAN that cannot be.
    stream.write_all(&[7, 1, 4, 0]).await.unwrap();
    stream.write_all(&[1, 99, 5, 0, 0]).await.unwrap();
    let mut bad = vec![
        1, 1, 40, 0, 0, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0, 0, 0xff, 0xff, 0, 0,
    ];
    bad.extend([0; 24]);
    stream.write_all(&bad).await.unwrap();
    say(
        &mut stream,
        &ServerMessage::Domain(vec![domain_record(DomainOp::Add)]),
    )
    .await;
    assert!(matches!(next(&mut shim).await, Happened::Settings(Some(_))));
    stream.write_all(&[1, 1, 3, 0]).await.unwrap();
    assert_eq!(input(&mut shim).await, Input::SyncdDown);
    // `spec/mclagdctl-protocol.md` 5.8: the strange one and the VLAN that cannot be.
    let counters = counters(&shim);
    let row = |row: FromSyncd| counters.from_syncd[row as usize];
    assert_eq!(row(FromSyncd::FdbChange), OkError { ok: 0, error: 2 });
    assert_eq!(row(FromSyncd::CfgMclag), OkError { ok: 1, error: 0 });
}

/// `spec/mclagdctl-protocol.md` 5.8
#[tokio::test]
async fn messages_to_a_shim_are_counted_when_they_have_left_or_cannot() {
    let listener = listener().await;
    let mut shim = shim(&listener, Some(Dialect::Sonic));
    let mut stream = accept(&mut shim, &listener).await;
    greeted(&mut shim, Dialect::Sonic).await;
    shim.send(&Batch {
        number: 1,
        ops: vec![entry()],
    });
    let set_fdb = |shim: &Shim| counters(shim).to_syncd[ToSyncd::SetFdb as usize];
    assert_eq!(set_fdb(&shim), OkError { ok: 0, error: 0 });
    read(&mut shim, &mut stream, 40).await;
    assert_eq!(set_fdb(&shim), OkError { ok: 1, error: 0 });
    shim.send(&Batch {
        number: 2,
        ops: vec![Op::FdbRelease {
            key: key(),
            forget: false,
        }],
    });
    shim.reconnect();
    assert_eq!(set_fdb(&shim), OkError { ok: 1, error: 1 });
}

/// `spec/mclagsyncd-protocol.md` 4.16: nothing is pushed, so it is asked for.
#[tokio::test]
async fn a_shim_of_linux_mclag_is_polled() {
    let listener = listener().await;
    let mut shim = shim(&listener, Some(Dialect::LinuxMclag));
    let mut stream = accept(&mut shim, &listener).await;
    greeted(&mut shim, Dialect::LinuxMclag).await;
    assert_eq!(read(&mut shim, &mut stream, 4).await, [1, 20, 4, 0]);
}

/// `spec/mclagsyncd-protocol.md` 9.2: on an address that says nothing, what the server sends does.
#[tokio::test]
async fn the_dialect_of_an_unknown_address_is_heard() {
    let listener = listener().await;
    let mut shim = shim(&listener, None);
    let mut stream = accept(&mut shim, &listener).await;
    say(
        &mut stream,
        &ServerMessage::Domain(vec![domain_record(DomainOp::Add)]),
    )
    .await;
    greeted(&mut shim, Dialect::Sonic).await;
    assert!(matches!(next(&mut shim).await, Happened::Settings(Some(_))));

    let listener = self::listener().await;
    let mut shim = self::shim(&listener, None);
    let mut stream = accept(&mut shim, &listener).await;
    let record = FdbRecord {
        mac: key().mac,
        vid: key().vid,
        port: Some(name("swp1")),
        kind: FdbKind::Dynamic,
        op: RecordOp::Add,
    };
    let answer = ServerMessage::Fdb(vec![record]);
    let answer = answer.encode(Dialect::LinuxMclag).unwrap();
    // It speaks when it is asked.
    assert_eq!(read(&mut shim, &mut stream, 4).await, [1, 20, 4, 0]);
    stream.write_all(&answer).await.unwrap();
    greeted(&mut shim, Dialect::LinuxMclag).await;
}

/// The comparison of a linux-mclag server may report what it was itself told
/// (`spec/mclagsyncd-protocol.md` 4.16): no host is seen by that.
#[tokio::test]
async fn an_entry_that_was_programmed_and_comes_back_in_a_poll_is_no_sight() {
    let listener = listener().await;
    let mut shim = shim(&listener, Some(Dialect::LinuxMclag));
    let mut stream = accept(&mut shim, &listener).await;
    greeted(&mut shim, Dialect::LinuxMclag).await;
    let pair = Op::Pair(PairState {
        domain: DomainId::new(1).unwrap(),
        active: None,
        up: false,
        system_mac: None,
    });
    shim.send(&Batch {
        number: 1,
        ops: vec![pair, entry()],
    });
    let mut record = FdbRecord {
        mac: key().mac,
        vid: key().vid,
        port: Some(name("PortChannel1")),
        kind: FdbKind::Dynamic,
        op: RecordOp::Add,
    };
    let mut answer = ServerMessage::Fdb(vec![record])
        .encode(Dialect::LinuxMclag)
        .unwrap();
    // As it was recorded: taken out and put in again.
    let deleted = FdbRecord {
        op: RecordOp::Delete,
        ..record
    };
    let both = ServerMessage::Fdb(vec![deleted, record]);
    answer.extend(both.encode(Dialect::LinuxMclag).unwrap());
    record.port = Some(name("swp9"));
    answer.extend(
        ServerMessage::Fdb(vec![record])
            .encode(Dialect::LinuxMclag)
            .unwrap(),
    );
    stream.write_all(&answer).await.unwrap();
    loop {
        match input(&mut shim).await {
            Input::SyncdEvent(Event::Fdb { sight, .. }) => {
                let port = name("swp9");
                let configured = false;
                assert_eq!(sight, Sight::Learned { port, configured });
                return;
            }
            Input::SyncdResult { .. } | Input::SyncdEvent(_) => {}
            other => panic!("{other:?}"),
        }
    }
}
