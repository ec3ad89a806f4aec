//! Real sockets on loopback addresses, one address per test.

use super::*;
use mclag_proto::mclagdctl::{FromSyncd, OkError, ToSyncd};
use mclag_proto::sync::frame::Decoder;
use mclag_proto::sync::model::{
    DomainWant, FdbWant, Isolation, Op, OpErrorCode, PairState, PortWant, Section, Traffic,
};
use mclag_proto::sync::v1::{
    DomainAttributes, DomainOp, DomainRecord, FdbKind, FdbRecord, InterfaceRecord, RecordOp,
    ServerMessage, UniqueIpRecord, VlanMemberRecord,
};
use mclag_proto::{DomainId, IfName, Vid};
use mclag_test_support::TempDir;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicU8, Ordering};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

mod config_db;
mod python;

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

fn client(listener: &TcpListener, dialect: Option<Dialect>) -> Client {
    let place = Place {
        address: listener.local_addr().unwrap(),
        dialect,
    };
    Client::new(vec![place])
}

/// The server's end of the next connection. What happens meanwhile happens next.
async fn accept(client: &mut Client, listener: &TcpListener) -> TcpStream {
    let accepting = async {
        tokio::select! {
            accepted = listener.accept() => accepted.unwrap().0,
            happened = client.next() => {
                client.happened.push_front(happened);
                listener.accept().await.unwrap().0
            }
        }
    };
    timeout(PATIENCE, accepting).await.expect("connects")
}

async fn next(client: &mut Client) -> ServerEvent {
    timeout(PATIENCE, client.next())
        .await
        .expect("something happens")
}

async fn event(client: &mut Client) -> Event {
    match next(client).await {
        ServerEvent::Event(event) => event,
        other => panic!("{other:?}"),
    }
}

async fn greeted(client: &mut Client, dialect: Dialect) {
    let ServerEvent::Up {
        abilities: can,
        name,
    } = next(client).await
    else {
        panic!("not connected");
    };
    assert_eq!(can, abilities(dialect));
    assert_eq!(name, format!("mclagsyncd-v1, {dialect}"));
    assert_eq!(event(client).await, Event::SnapshotBegin);
}

/// So many bytes from the client's client, which runs meanwhile.
async fn read(client: &mut Client, stream: &mut TcpStream, count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    let reading = async {
        let exactly = stream.read_exact(&mut bytes);
        tokio::pin!(exactly);
        loop {
            tokio::select! {
                result = &mut exactly => return result.unwrap(),
                happened = client.next() => drop(happened),
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

async fn send(stream: &mut TcpStream, message: &ServerMessage) {
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
    let mut client = client(&listener, Some(Dialect::Sonic));
    let mut stream = accept(&mut client, &listener).await;
    greeted(&mut client, Dialect::Sonic).await;
    client.send(1, &[entry()]);
    assert!(!client.is_idle());
    let done = ServerEvent::Done {
        batch: 1,
        failures: Vec::new(),
        isolates: false,
    };
    assert_eq!(next(&mut client).await, done);
    assert!(client.is_idle());
    // The vector of `spec/mclagsyncd-protocol.md` 11.1, SET_FDB add.
    let bytes = read(&mut client, &mut stream, 40).await;
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
    let mut client = client(&listener, Some(Dialect::Sonic));
    let _stream = accept(&mut client, &listener).await;
    greeted(&mut client, Dialect::Sonic).await;
    client.send(
        1,
        &[
            Op::SnapshotBegin(Section::Neighbours),
            Op::SnapshotEnd(Section::Neighbours),
        ],
    );
    assert!(matches!(
        next(&mut client).await,
        ServerEvent::Done { batch: 1, .. }
    ));
}

/// `spec/mclagsyncd-protocol.md` 5.6: domain, cumulative interfaces; each complete state once.
#[tokio::test]
async fn settings_are_reported_when_they_change() {
    let listener = listener().await;
    let mut client = client(&listener, Some(Dialect::Sonic));
    let mut stream = accept(&mut client, &listener).await;
    greeted(&mut client, Dialect::Sonic).await;
    let add = ServerMessage::Domain(vec![domain_record(DomainOp::Add)]);
    send(&mut stream, &add).await;
    let ServerEvent::Settings(Some(config)) = next(&mut client).await else {
        panic!("no settings");
    };
    assert_eq!(config.domain.peer_link, Some(name("PortChannel10")));
    assert_eq!(config.domain.system_mac, Some(Mac([2, 0, 0, 0, 0, 1])));
    send(&mut stream, &add).await;
    let port = |port| InterfaceRecord {
        op: RecordOp::Add,
        domain: DomainId::new(1).unwrap(),
        port: name(port),
    };
    let ports = ServerMessage::Interfaces(vec![port("PortChannel1")]);
    send(&mut stream, &ports).await;
    send(&mut stream, &ports).await;
    let ServerEvent::Settings(Some(config)) = next(&mut client).await else {
        panic!("no settings");
    };
    assert_eq!(config.ports.len(), 1);
    let delete = ServerMessage::Domain(vec![domain_record(DomainOp::Delete)]);
    send(&mut stream, &delete).await;
    assert!(matches!(
        next(&mut client).await,
        ServerEvent::Settings(None)
    ));
}

/// `spec/mclagsyncd-protocol.md` 5.6, `spec/behaviour.md` 12: what arrives together changes the pair
/// once, but for a domain that is deleted and added again.
#[tokio::test]
async fn settings_that_arrive_together_are_reported_once() {
    let listener = listener().await;
    let mut client = client(&listener, Some(Dialect::Sonic));
    let mut stream = accept(&mut client, &listener).await;
    greeted(&mut client, Dialect::Sonic).await;
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
        let ServerEvent::Settings(config) = next(&mut client).await else {
            panic!("no settings");
        };
        reported.push(config.map(|config| config.ports.len()));
    }
    assert_eq!(reported, [Some(3), None, Some(1)]);
}

fn ports(op: RecordOp, names: &[&str]) -> ServerMessage {
    let record = |port: &&str| InterfaceRecord {
        op,
        domain: DomainId::new(1).unwrap(),
        port: name(port),
    };
    ServerMessage::Interfaces(names.iter().map(record).collect())
}

fn vlan_members(vid: u16, names: &[&str]) -> ServerMessage {
    let record = |port: &&str| VlanMemberRecord {
        op: RecordOp::Add,
        vid: Vid::new(vid).unwrap(),
        port: name(port),
    };
    ServerMessage::VlanMembers(names.iter().map(record).collect())
}

fn unique_ip(interface: &str) -> ServerMessage {
    ServerMessage::UniqueIps(vec![UniqueIpRecord {
        op: RecordOp::Add,
        interface: name(interface),
    }])
}

/// What SONiC's server says to its first client (`spec/mclagsyncd-protocol.md` 5.6), with two ports.
async fn tell_pair(stream: &mut TcpStream) {
    for message in [
        ServerMessage::Domain(vec![domain_record(DomainOp::Add)]),
        ports(RecordOp::Add, &["PortChannel1"]),
        ports(RecordOp::Add, &["PortChannel1", "PortChannel2"]),
        vlan_members(10, &["PortChannel1", "PortChannel2"]),
        unique_ip("Vlan10"),
    ] {
        send(stream, &message).await;
    }
}

/// Until the client has taken in what this says: each event once.
async fn settled(client: &mut Client) -> Vec<ServerEvent> {
    let mut all = Vec::new();
    loop {
        let happened = next(client).await;
        let is_end = happened == ServerEvent::Event(Event::SnapshotEnd);
        all.push(happened);
        if is_end {
            return all;
        }
    }
}

/// Ports, VLAN interfaces, and members of VLANs.
fn known(client: &Client) -> String {
    let Some(Some(pair)) = client.settings() else {
        return "no pair".to_owned();
    };
    let names = |names: &std::collections::BTreeSet<IfName>| {
        let names: Vec<_> = names.iter().map(ToString::to_string).collect();
        names.join(",")
    };
    let members: Vec<_> = client.vlan_members().collect();
    let members: Vec<_> = members.iter().map(|(p, v)| format!("{p}={v}")).collect();
    let (ports, unique_ip) = (names(&pair.ports), names(&pair.unique_ip));
    format!("{ports} {unique_ip} {}", members.join(","))
}

const BOTH: &str = "PortChannel1,PortChannel2 Vlan10 PortChannel1=10,PortChannel2=10";

/// `spec/mclagsyncd-protocol.md` 12, item 1: nobody tells a second connection that nothing has changed.
#[tokio::test(start_paused = true)]
async fn a_pair_that_was_told_once_outlives_connections_that_are_told_nothing() {
    let listener = listener().await;
    let mut client = client(&listener, Some(Dialect::Sonic));
    let mut stream = accept(&mut client, &listener).await;
    tell_pair(&mut stream).await;
    settled(&mut client).await;
    assert_eq!(known(&client), BOTH);
    assert_eq!(client.remembered(), None, "it was just told");
    for minutes in 1..4_u64 {
        drop(stream);
        while next(&mut client).await != ServerEvent::Down {}
        stream = accept(&mut client, &listener).await;
        settled(&mut client).await;
        let more = timeout(Duration::from_secs(60), client.next()).await;
        assert!(more.is_err(), "{more:?}");
        assert_eq!(known(&client), BOTH);
        let (domain, age) = client.remembered().unwrap();
        assert_eq!(domain, DomainId::new(1).unwrap());
        assert!(age >= Duration::from_secs(60 * minutes), "{age:?}");
    }
}

/// Whenever that is; and what is said of a change before, without the domain, is no more than that.
#[tokio::test(start_paused = true)]
async fn a_domain_that_is_told_replaces_what_is_remembered_as_a_whole_when_it_is_complete() {
    let listener = listener().await;
    let mut client = client(&listener, Some(Dialect::Sonic));
    let mut stream = accept(&mut client, &listener).await;
    tell_pair(&mut stream).await;
    settled(&mut client).await;
    drop(stream);
    while next(&mut client).await != ServerEvent::Down {}
    let mut stream = accept(&mut client, &listener).await;
    settled(&mut client).await;
    let mut update = domain_record(DomainOp::Update);
    update.attributes = DomainAttributes::KEEPALIVE;
    update.keepalive_s = 7;
    send(&mut stream, &ServerMessage::Domain(vec![update])).await;
    let ServerEvent::Settings(Some(pair)) = next(&mut client).await else {
        panic!("no settings");
    };
    assert_eq!((pair.domain.keepalive_s, pair.ports.len()), (Some(7), 2));
    assert!(client.remembered().is_some());

    for message in [
        ServerMessage::Domain(vec![domain_record(DomainOp::Add)]),
        ports(RecordOp::Add, &["PortChannel2"]),
        vlan_members(20, &["PortChannel2"]),
    ] {
        send(&mut stream, &message).await;
    }
    let gone = |port, vid| {
        let (port, vid, member) = (name(port), Vid::new(vid).unwrap(), false);
        ServerEvent::Event(Event::VlanMember { port, vid, member })
    };
    let mut happened = Vec::new();
    while !matches!(happened.last(), Some(ServerEvent::Settings(Some(pair))) if pair.ports.len() == 1)
    {
        happened.push(next(&mut client).await);
        let has_ports = |event: &ServerEvent| match event {
            ServerEvent::Settings(pair) => pair.as_ref().is_some_and(|pair| !pair.ports.is_empty()),
            _ => true,
        };
        assert!(
            happened.iter().all(has_ports),
            "never without a port: {happened:?}"
        );
    }
    assert!(happened.contains(&gone("PortChannel1", 10)));
    assert!(happened.contains(&gone("PortChannel2", 10)));
    let begins = ServerEvent::Event(Event::SnapshotBegin);
    let ends = ServerEvent::Event(Event::SnapshotEnd);
    assert!(!happened.contains(&begins) && !happened.contains(&ends));
    assert_eq!(known(&client), "PortChannel2  PortChannel2=20");
    assert_eq!(client.remembered(), None);
}

/// `spec/sonic-redis.md` 3.4: memberships in VLANs are not repeated on the same connection, the rest is.
#[tokio::test(start_paused = true)]
async fn a_domain_that_is_deleted_and_created_again_has_its_ports_and_vlans_again() {
    for is_first in [true, false] {
        let listener = listener().await;
        let mut client = client(&listener, Some(Dialect::Sonic));
        let mut stream = accept(&mut client, &listener).await;
        tell_pair(&mut stream).await;
        settled(&mut client).await;
        if !is_first {
            drop(stream);
            while next(&mut client).await != ServerEvent::Down {}
            stream = accept(&mut client, &listener).await;
            settled(&mut client).await;
            tell_pair(&mut stream).await;
        }
        let domain = |op| ServerMessage::Domain(vec![domain_record(op)]);
        send(&mut stream, &domain(DomainOp::Delete)).await;
        while next(&mut client).await != ServerEvent::Settings(None) {}
        assert_eq!(known(&client), "no pair");
        assert_eq!(client.remembered(), None);
        send(&mut stream, &domain(DomainOp::Add)).await;
        send(
            &mut stream,
            &ports(RecordOp::Add, &["PortChannel1", "PortChannel2"]),
        )
        .await;
        send(&mut stream, &unique_ip("Vlan10")).await;
        let reading = timeout(Duration::from_secs(60), async {
            loop {
                client.next().await;
            }
        });
        assert!(reading.await.is_err());
        assert_eq!(known(&client), BOTH, "first connection: {is_first}");
        drop(stream);
        while next(&mut client).await != ServerEvent::Down {}
        assert_eq!(known(&client), BOTH);
    }
}

fn remembering(listener: &TcpListener, dir: &TempDir) -> Client {
    let memory = Memory::open(dir.join("pair.json")).unwrap();
    client(listener, Some(Dialect::Sonic)).remembering(memory)
}

/// Killed, not stopped: nothing is written at the end.
#[tokio::test(start_paused = true)]
async fn a_process_that_is_started_again_has_its_pair_again_before_the_server_says_a_word() {
    let listener = listener().await;
    let dir = TempDir::new("mclagsyncd-memory");
    let mut client = remembering(&listener, &dir);
    assert_eq!(client.settings(), None);
    let mut stream = accept(&mut client, &listener).await;
    tell_pair(&mut stream).await;
    while known(&client) != BOTH {
        next(&mut client).await;
    }
    drop((client, stream));

    let mut client = remembering(&listener, &dir);
    assert_eq!(known(&client), BOTH);
    assert!(client.remembered().is_some());
    let mut stream = accept(&mut client, &listener).await;
    let begins = settled(&mut client).await;
    let is_settings = |event: &ServerEvent| matches!(event, ServerEvent::Settings(_));
    assert!(
        !begins.iter().any(is_settings),
        "nothing changed: {begins:?}"
    );
    assert_eq!(known(&client), BOTH);

    let delete = ServerMessage::Domain(vec![domain_record(DomainOp::Delete)]);
    send(&mut stream, &delete).await;
    assert_eq!(next(&mut client).await, ServerEvent::Settings(None));
    drop(client);
    let client = remembering(&listener, &dir);
    assert_eq!(known(&client), "no pair");
}

#[tokio::test(start_paused = true)]
async fn only_a_pair_that_is_remembered_can_be_forgotten_and_then_it_is_for_good() {
    let listener = listener().await;
    let dir = TempDir::new("mclagsyncd-forget");
    let mut client = remembering(&listener, &dir);
    assert_eq!(client.forget_pair(), Err(NothingRemembered::NoPair));
    let mut stream = accept(&mut client, &listener).await;
    tell_pair(&mut stream).await;
    settled(&mut client).await;
    let domain = DomainId::new(1).unwrap();
    assert_eq!(client.forget_pair(), Err(NothingRemembered::Named(domain)));
    drop(stream);
    while next(&mut client).await != ServerEvent::Down {}
    let mut stream = accept(&mut client, &listener).await;
    settled(&mut client).await;
    assert_eq!(client.forget_pair(), Ok(domain));
    while next(&mut client).await != ServerEvent::Settings(None) {}
    assert_eq!(client.vlan_members().count(), 0);
    assert_eq!(client.forget_pair(), Err(NothingRemembered::NoPair));
    let client_after = remembering(&listener, &dir);
    assert_eq!(known(&client_after), "no pair");
    tell_pair(&mut stream).await;
    while known(&client) != BOTH {
        next(&mut client).await;
    }
    assert_eq!(client.remembered(), None);
}

/// A client serves one client, and the socket takes the next one before that (`spec/mclagsyncd-protocol.md`
/// 1): the pair is not given up because nobody has spoken yet.
#[tokio::test]
async fn a_server_that_named_a_pair_and_is_silent_now_is_waited_for() {
    let listener = listener().await;
    let mut client = client(&listener, Some(Dialect::Sonic));
    let mut stream = accept(&mut client, &listener).await;
    greeted(&mut client, Dialect::Sonic).await;
    let add = ServerMessage::Domain(vec![domain_record(DomainOp::Add)]);
    send(&mut stream, &add).await;
    assert!(matches!(
        next(&mut client).await,
        ServerEvent::Settings(Some(_))
    ));
    drop(stream);
    assert_eq!(next(&mut client).await, ServerEvent::Down);
    let mut stream = accept(&mut client, &listener).await;
    greeted(&mut client, Dialect::Sonic).await;
    let more = timeout(2 * SETTLE_QUIET, client.next()).await;
    assert!(more.is_err(), "{more:?}");
    send(&mut stream, &add).await;
    assert_eq!(event(&mut client).await, Event::SnapshotEnd);
    let more = timeout(SETTLE_QUIET, client.next()).await;
    assert!(more.is_err(), "the same settings: {more:?}");
}

/// What leaves while something arrives is answered, too.
#[tokio::test]
async fn batches_that_leave_while_the_server_speaks_are_answered() {
    let listener = listener().await;
    let mut client = client(&listener, Some(Dialect::Sonic));
    let mut stream = accept(&mut client, &listener).await;
    greeted(&mut client, Dialect::Sonic).await;
    stream.write_all(&[1, 99, 4, 0]).await.unwrap();
    stream.flush().await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    client.send(1, &[entry()]);
    // Both the write and the read are possible now.
    loop {
        match next(&mut client).await {
            ServerEvent::Done { batch, .. } => return assert_eq!(batch, 1),
            ServerEvent::Event(Event::SnapshotEnd) => panic!("no answer"),
            _ => {}
        }
    }
}

/// `spec/mclagsyncd-protocol.md` 9.2: a table may be empty when it is asked for, so a silent server
/// is asked on, and believed when it speaks at last.
#[tokio::test]
async fn a_server_taken_for_sonics_turns_out_to_be_linux_mclags() {
    let listener = listener().await;
    let mut client = client(&listener, None);
    let mut stream = accept(&mut client, &listener).await;
    greeted(&mut client, Dialect::Sonic).await;
    assert_eq!(
        read(&mut client, &mut stream, 8).await,
        [1, 20, 4, 0, 1, 20, 4, 0]
    );
    client.send(1, &[entry()]);
    assert!(client.ready().is_none());
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
        match next(&mut client).await {
            ServerEvent::Down => break,
            ServerEvent::Event(_) | ServerEvent::Done { .. } => {}
            other => panic!("{other:?}"),
        }
    }
    greeted(&mut client, Dialect::LinuxMclag).await;
    let port = name("swp1");
    let configured = false;
    let observation = Observation::Learned { port, configured };
    let seen = Event::Fdb {
        key: key(),
        observation,
    };
    assert_eq!(event(&mut client).await, seen);
    assert_eq!(event(&mut client).await, Event::SnapshotEnd);
}

/// `spec/mclagsyncd-protocol.md` 2.2: SONiC's list is the whole, and 4096 bytes hold no more. Nobody
/// may rely on isolation that was not sent, and it is tried again.
#[tokio::test]
async fn an_isolation_list_that_does_not_fit_fails_its_ports_each_time() {
    let listener = listener().await;
    let mut client = client(&listener, Some(Dialect::Sonic));
    let _stream = accept(&mut client, &listener).await;
    greeted(&mut client, Dialect::Sonic).await;
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
        client.send(number, &ops);
        let ServerEvent::Done {
            batch, failures, ..
        } = next(&mut client).await
        else {
            panic!("no result");
        };
        assert_eq!((batch, failures.len()), (number, failed));
        let is_permanent = |(_, error): &(u32, OpError)| error.code == OpErrorCode::Unsupported;
        assert!(failures.iter().all(is_permanent), "{failures:?}");
    }
}

/// P-11: a header cut in two, several messages in one read, a message in many parts.
#[tokio::test]
async fn messages_are_put_together_however_they_arrive() {
    let listener = listener().await;
    let mut client = client(&listener, Some(Dialect::Sonic));
    let mut stream = accept(&mut client, &listener).await;
    greeted(&mut client, Dialect::Sonic).await;
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
        let observation = Observation::Learned {
            port: name("PortChannel1"),
            configured: false,
        };
        let seen = Event::Fdb {
            key: key(),
            observation,
        };
        assert_eq!(event(&mut client).await, seen);
    }
}

/// `spec/mclagsyncd-protocol.md` 10, item 6: type 0 and no port.
#[tokio::test]
async fn a_deletion_without_a_port_is_a_host_that_is_gone() {
    let listener = listener().await;
    let mut client = client(&listener, Some(Dialect::Sonic));
    let mut stream = accept(&mut client, &listener).await;
    greeted(&mut client, Dialect::Sonic).await;
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
    let seen = Event::Fdb {
        key,
        observation: Observation::Aged,
    };
    assert_eq!(event(&mut client).await, seen);
}

/// W-4: the daemons of SONiC never notice.
#[tokio::test]
async fn a_lost_server_is_noticed_and_connected_to_again() {
    let listener = listener().await;
    let mut client = client(&listener, Some(Dialect::Sonic));
    for _ in 0..3 {
        let stream = accept(&mut client, &listener).await;
        greeted(&mut client, Dialect::Sonic).await;
        drop(stream);
        assert_eq!(next(&mut client).await, ServerEvent::Down);
    }
}

/// `spec/mclagsyncd-protocol.md` 2.4: an impossible header, and only that, ends the connection.
#[tokio::test]
async fn an_impossible_header_ends_the_connection_and_a_strange_message_does_not() {
    let listener = listener().await;
    let mut client = client(&listener, Some(Dialect::Sonic));
    let mut stream = accept(&mut client, &listener).await;
    greeted(&mut client, Dialect::Sonic).await;
    // Another version, an unknown type, a VLAN that cannot be.
    stream.write_all(&[7, 1, 4, 0]).await.unwrap();
    stream.write_all(&[1, 99, 5, 0, 0]).await.unwrap();
    let mut bad = vec![
        1, 1, 40, 0, 0, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0, 0, 0xff, 0xff, 0, 0,
    ];
    bad.extend([0; 24]);
    stream.write_all(&bad).await.unwrap();
    send(
        &mut stream,
        &ServerMessage::Domain(vec![domain_record(DomainOp::Add)]),
    )
    .await;
    assert!(matches!(
        next(&mut client).await,
        ServerEvent::Settings(Some(_))
    ));
    stream.write_all(&[1, 1, 3, 0]).await.unwrap();
    assert_eq!(next(&mut client).await, ServerEvent::Down);
    // `spec/mclagdctl-protocol.md` 5.8: the strange one and the VLAN that cannot be.
    let row = |row: FromSyncd| client.counters().from(row);
    assert_eq!(row(FromSyncd::FdbChange), OkError { ok: 0, error: 2 });
    assert_eq!(row(FromSyncd::CfgMclag), OkError { ok: 1, error: 0 });
}

/// `spec/mclagdctl-protocol.md` 5.8
#[tokio::test]
async fn messages_to_a_server_are_counted_when_they_have_left_or_cannot() {
    let listener = listener().await;
    let mut client = client(&listener, Some(Dialect::Sonic));
    let mut stream = accept(&mut client, &listener).await;
    greeted(&mut client, Dialect::Sonic).await;
    client.send(1, &[entry()]);
    let set_fdb = |client: &Client| client.counters().to(ToSyncd::SetFdb);
    assert_eq!(set_fdb(&client), OkError { ok: 0, error: 0 });
    read(&mut client, &mut stream, 40).await;
    assert_eq!(set_fdb(&client), OkError { ok: 1, error: 0 });
    client.send(
        2,
        &[Op::FdbRelease {
            key: key(),
            forget: false,
        }],
    );
    client.lose("for the test");
    assert_eq!(set_fdb(&client), OkError { ok: 1, error: 1 });
}

/// `spec/mclagsyncd-protocol.md` 4.16: nothing is pushed, so it is asked for.
#[tokio::test]
async fn a_server_of_linux_mclag_is_polled() {
    let listener = listener().await;
    let mut client = client(&listener, Some(Dialect::LinuxMclag));
    let mut stream = accept(&mut client, &listener).await;
    greeted(&mut client, Dialect::LinuxMclag).await;
    assert_eq!(read(&mut client, &mut stream, 4).await, [1, 20, 4, 0]);
}

/// `spec/mclagsyncd-protocol.md` 9.2: on an address that says nothing, what the server sends does.
#[tokio::test]
async fn the_dialect_of_an_unknown_address_is_heard() {
    let listener = listener().await;
    let mut client = client(&listener, None);
    let mut stream = accept(&mut client, &listener).await;
    send(
        &mut stream,
        &ServerMessage::Domain(vec![domain_record(DomainOp::Add)]),
    )
    .await;
    greeted(&mut client, Dialect::Sonic).await;
    assert!(matches!(
        next(&mut client).await,
        ServerEvent::Settings(Some(_))
    ));

    let listener = self::listener().await;
    let mut client = self::client(&listener, None);
    let mut stream = accept(&mut client, &listener).await;
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
    assert_eq!(read(&mut client, &mut stream, 4).await, [1, 20, 4, 0]);
    stream.write_all(&answer).await.unwrap();
    greeted(&mut client, Dialect::LinuxMclag).await;
}

/// The comparison of a linux-mclag server may report what it was itself sent
/// (`spec/mclagsyncd-protocol.md` 4.16): no host is seen by that.
#[tokio::test]
async fn an_entry_that_was_programmed_and_comes_back_in_a_poll_is_no_observation() {
    let listener = listener().await;
    let mut client = client(&listener, Some(Dialect::LinuxMclag));
    let mut stream = accept(&mut client, &listener).await;
    greeted(&mut client, Dialect::LinuxMclag).await;
    let pair = Op::Pair(PairState {
        domain: DomainId::new(1).unwrap(),
        active: None,
        up: false,
        system_mac: None,
    });
    client.send(1, &[pair, entry()]);
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
        match next(&mut client).await {
            ServerEvent::Event(Event::Fdb { observation, .. }) => {
                let port = name("swp9");
                let configured = false;
                assert_eq!(observation, Observation::Learned { port, configured });
                return;
            }
            ServerEvent::Done { .. } | ServerEvent::Event(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

/// Input: a server of linux-mclag has seen a host, and then another one; between them it is sent an entry of another VLAN
/// than 1. Output: what it says of VLAN 1 counts until then, is taken back, and counts no more.
#[tokio::test]
async fn what_a_server_of_linux_mclag_says_of_vlan_1_counts_in_a_pair_with_no_other() {
    let listener = listener().await;
    let mut client = client(&listener, Some(Dialect::LinuxMclag));
    let mut stream = accept(&mut client, &listener).await;
    greeted(&mut client, Dialect::LinuxMclag).await;
    let host = |last, vid, op| FdbRecord {
        mac: Mac([2, 0, 0, 0, 0, last]),
        vid: Vid::new(vid).unwrap(),
        port: Some(name("swp9")),
        kind: FdbKind::Dynamic,
        op,
    };
    let said = |records: &[FdbRecord]| {
        let message = ServerMessage::Fdb(records.to_vec());
        message.encode(Dialect::LinuxMclag).unwrap()
    };
    let seen = |last, vid, observation| {
        let FdbRecord { vid, mac, .. } = host(last, vid, RecordOp::Add);
        let key = FdbKey { vid, mac };
        Event::Fdb { key, observation }
    };
    let learned = Observation::Learned {
        port: name("swp9"),
        configured: false,
    };
    async fn next_host(client: &mut Client) -> Event {
        loop {
            if let ServerEvent::Event(event @ Event::Fdb { .. }) = next(client).await {
                return event;
            }
        }
    }
    let add = RecordOp::Add;
    stream.write_all(&said(&[host(1, 1, add)])).await.unwrap();
    assert_eq!(next_host(&mut client).await, seen(1, 1, learned));
    // Of the peer's, in VLAN 1 as well.
    client.send(1, &[in_vlan(1)]);
    stream.write_all(&said(&[host(2, 1, add)])).await.unwrap();
    assert_eq!(next_host(&mut client).await, seen(2, 1, learned));

    client.send(2, &[in_vlan(10)]);
    let mut aged = [next_host(&mut client).await, next_host(&mut client).await];
    aged.sort_by_key(|event| format!("{event:?}"));
    let gone = Observation::Aged;
    assert_eq!(aged, [seen(1, 1, gone), seen(2, 1, gone)]);
    let FdbRecord { mac, .. } = host(7, 10, add);
    let echo = FdbRecord {
        mac,
        ..host(7, 1, add)
    };
    let delete = host(1, 1, RecordOp::Delete);
    let news = said(&[delete, host(3, 1, add), echo, host(4, 20, add)]);
    stream.write_all(&news).await.unwrap();
    assert_eq!(next_host(&mut client).await, seen(4, 20, learned));

    // At a server that comes back an entry of before counts only when it is sent again.
    drop(stream);
    until_down(&mut client).await;
    let mut stream = accept(&mut client, &listener).await;
    greeted(&mut client, Dialect::LinuxMclag).await;
    client.send(3, &[]);
    stream.write_all(&said(&[host(5, 1, add)])).await.unwrap();
    assert_eq!(next_host(&mut client).await, seen(5, 1, learned));
    client.send(4, &[in_vlan(10)]);
    assert_eq!(next_host(&mut client).await, seen(5, 1, gone));
    // What it says meanwhile counts when there was no other VLAN for five minutes.
    let news = said(&[
        host(5, 1, RecordOp::Delete),
        host(6, 1, add),
        host(7, 20, add),
    ]);
    stream.write_all(&news).await.unwrap();
    assert_eq!(next_host(&mut client).await, seen(7, 20, learned));
    let Op::Fdb { key, .. } = in_vlan(10) else {
        panic!("no entry");
    };
    let forget = false;
    client.send(5, &[Op::FdbRelease { key, forget }]);
    tokio::time::pause();
    let released = Instant::now();
    let believed = loop {
        if let ServerEvent::Event(event @ Event::Fdb { .. }) = client.next().await {
            break event;
        }
    };
    assert_eq!(believed, seen(6, 1, learned));
    let after = released.elapsed();
    assert!((DOUBTED..DOUBTED + POLL * 2).contains(&after), "{after:?}");
}

async fn until_down(client: &mut Client) {
    while next(client).await != ServerEvent::Down {}
}

/// An entry of this VLAN.
fn in_vlan(vid: u16) -> Op {
    let Op::Fdb { key, want } = entry() else {
        panic!("no entry");
    };
    let vid = Vid::new(vid).unwrap();
    Op::Fdb {
        key: FdbKey { vid, ..key },
        want,
    }
}
