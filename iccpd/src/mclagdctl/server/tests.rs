//! Bytes on real sockets, answered from a real domain.

use super::*;
use crate::log;
use crate::mclagdctl::{answer, client};
use iccp_core::{Config, Domain, Input, Link, LinkKind, Time};
use mclag_proto::mclagdctl::{Data, LogLevel, ReplyHeader};
use mclag_proto::sync::model::{Event, FdbKey, Observation};
use mclag_proto::{DomainId, IfName, Mac, Vid};
use mclag_test_support::TempDir;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use Dialect::{LinuxMclag, Sonic};

const PATIENCE: Duration = Duration::from_secs(20);

fn socket(dir: &TempDir, dialect: Dialect) -> LegacySocket {
    LegacySocket {
        path: dir.join(format!("{dialect}.sock")),
        dialect,
        mode: 0o600,
    }
}

fn both(dir: &TempDir) -> [LegacySocket; 2] {
    [socket(dir, Sonic), socket(dir, LinuxMclag)]
}

fn name(text: &str) -> IfName {
    IfName::new(text).unwrap()
}

/// Domain 7 with one port, which is down.
fn domain() -> Domain {
    let mut domain = Domain::new(Config {
        peer_link: Some(name("bond9")),
        ports: [name("bond1")].into(),
        unique_ip: [name("Vlan100")].into(),
        ..Config::new(
            DomainId::new(7).unwrap(),
            "192.0.2.1".parse().unwrap(),
            "192.0.2.2".parse().unwrap(),
            name("br0"),
            Mac([2, 0, 0, 0, 0, 1]),
        )
    });
    let link = Link {
        index: 3,
        name: name("bond1"),
        mac: None,
        admin_up: true,
        running: false,
        master: None,
        kernel_name: None,
        blocked: false,
        kind: LinkKind::Other,
        member: None,
    };
    for input in [Input::LinksBegin, Input::Link(link), Input::LinksEnd] {
        domain.handle(input, Time::ZERO);
    }
    domain
}

/// The same, with so many addresses.
fn domain_with(addresses: u32) -> Domain {
    let mut domain = domain();
    for number in 0..addresses {
        let [a, b, c, d] = number.to_be_bytes();
        let (mac, vid) = (Mac([2, 9, a, b, c, d]), Vid::DEFAULT);
        let observation = Observation::Learned {
            port: name("bond1"),
            configured: false,
        };
        let key = FdbKey { vid, mac };
        let event = Event::Fdb { key, observation };
        domain.handle(Input::SyncdEvent(event), Time::ZERO);
    }
    domain
}

/// Serve until `done`, with a log that nobody reads.
async fn serving<T>(server: &mut Server, domain: &Domain, done: impl Future<Output = T>) -> T {
    let mut log = log::Control::new(LogLevel::Notice, |_| true);
    serving_with(server, Some(domain), &mut log, done).await
}

async fn serving_with<T>(
    server: &mut Server,
    domain: Option<&Domain>,
    log: &mut log::Control,
    done: impl Future<Output = T>,
) -> T {
    let mut done = std::pin::pin!(done);
    let both = async {
        loop {
            tokio::select! {
                result = done.as_mut() => return result,
                question = server.next() => answer(question, domain, log, |_| {}),
            }
        }
    };
    timeout(PATIENCE, both).await.expect("is done")
}

fn wire(command: Command, id: i32, dialect: Dialect) -> [u8; Request::LEN] {
    Request { command, id }.encode(dialect).unwrap()
}

/// Everything that comes until the end; a connection reset counts as one.
async fn read_all(stream: &mut UnixStream) -> Vec<u8> {
    let mut all = Vec::new();
    let _ = stream.read_to_end(&mut all).await;
    all
}

async fn ask(path: &Path, request: &[u8]) -> Vec<u8> {
    let mut stream = UnixStream::connect(path).await.unwrap();
    stream.write_all(request).await.unwrap();
    read_all(&mut stream).await
}

/// Run our client. Returns exit status, standard output and standard error.
async fn tool(path: &Path, args: &[&str]) -> (u8, String, String) {
    let place = client::Place {
        socket: path.to_owned(),
        dialect: None,
        timeout: PATIENCE,
    };
    let args: Vec<String> = args.iter().map(|a| (*a).to_owned()).collect();
    tokio::task::spawn_blocking(move || {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let status = client::run("mclagdctl", &args, &place, &mut out, &mut err).unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (status, text(out), text(err))
    })
    .await
    .unwrap()
}

#[tokio::test(flavor = "current_thread")]
async fn every_command_of_our_client_is_answered_in_both_dialects() {
    let place = TempDir::new("mclagdctl-commands");
    let sockets = both(&place);
    let mut server = Server::listen(&sockets);
    let domain = domain_with(2);
    let commands = async {
        for (args, sonic, linux) in [
            (
                &["dump", "state"][..],
                "The MCLAG's keepalive is: ERROR\nMCLAG info sync is: incomplete\nDomain id: 7\n",
                Some("The MCLAG's keepalive is: ERROR\nMclag id: 7\nLocal Ip: 192.0.2.1\n"),
            ),
            (
                &["dump", "mac", "-i", "7"],
                "\n1     D    02:09:00:00:00:00   1    bond1               bond1               P    \n",
                Some("\n2     D    02:09:00:00:00:01   1    bond1"),
            ),
            (
                &["dump", "arp", "-i", "7"],
                "No.   IP                  MAC                 DEV                 Flag\n",
                Some("No.   IP                  MAC                 DEV                 \n"),
            ),
            (
                &["dump", "nd", "-i", "7"],
                "No.   IPv6                                                MAC",
                None,
            ),
            (
                &["dump", "unique_ip", "-i", "7"],
                "\nVlan100               No   \n",
                None,
            ),
            (
                &["dump", "portlist", "local", "-i", "7"],
                "Ifindex: 3\nType: PortChannel\nPortName: bond1\nMAC: 00:00:00:00:00:00 \n",
                Some("Ifindex: 3\nType: PORT-CHANNEL\nPortName: bond1\nMAC: 00:00:00:00:00:00 \n"),
            ),
            (&["dump", "portlist", "peer", "-i", "7"], "", Some("")),
            (
                &["dump", "debug", "counters"],
                "ICCP session down:  0\n",
                None,
            ),
            (
                &["config", "loglevel", "-l", "debug"],
                "Config loglevel success!\n",
                None,
            ),
        ] {
            let (status, out, err) = tool(&sockets[0].path, args).await;
            assert_eq!((status, err.as_str()), (0, ""), "{args:?}");
            assert!(out.contains(sonic), "{args:?}: {out}");
            let (status, out, err) = tool(&sockets[1].path, args).await;
            match linux {
                Some(linux) => {
                    assert_eq!((status, err.as_str()), (0, ""), "{args:?}");
                    assert!(out.contains(linux), "{args:?}: {out}");
                }
                None => {
                    assert_eq!((status, out.as_str()), (1, ""), "{args:?}");
                    assert!(!err.is_empty());
                }
            }
        }
    };
    serving(&mut server, &domain, commands).await;
}

/// `spec/mclagdctl-protocol.md` 3: the full 16 bytes in both dialects; id 0 is every domain.
#[tokio::test(flavor = "current_thread")]
async fn another_id_is_refused_with_a_whole_header() {
    let place = TempDir::new("mclagdctl-ids");
    let sockets = both(&place);
    let mut server = Server::listen(&sockets);
    let asking = async {
        for socket in &sockets {
            let reply = ask(&socket.path, &wire(Command::Mac, 8, socket.dialect)).await;
            let code = Command::Mac.code(socket.dialect).unwrap();
            let mut want = vec![12, 0, 0, 0];
            want.extend(code.to_le_bytes());
            want.extend([0, 0, 0, 0, 0xfd, 0xff, 0xff, 0xff]);
            assert_eq!(reply, want);
            let reply = ask(&socket.path, &wire(Command::Mac, 0, socket.dialect)).await;
            let header = ReplyHeader::decode(&reply[4..]).unwrap();
            assert_eq!(header.outcome, Outcome::Success);
        }
        let (status, out, err) = tool(&sockets[0].path, &["dump", "mac", "-i", "8"]).await;
        assert_eq!((status, out.as_str()), (1, ""));
        assert_eq!(err, "Mclag-id 8 hasn't been configured in iccpd!\n");
    };
    serving(&mut server, &domain(), asking).await;
}

#[tokio::test(flavor = "current_thread")]
async fn without_a_pair_there_is_nothing_to_list() {
    let place = TempDir::new("mclagdctl-nopair");
    let socket = socket(&place, Sonic);
    let mut server = Server::listen(std::slice::from_ref(&socket));
    let mut log = log::Control::new(LogLevel::Notice, |_| true);
    let asking = async {
        let reply = ask(&socket.path, &wire(Command::State, 0, Sonic)).await;
        assert_eq!(reply.len(), ReplyHeader::LEN);
        let (status, out, err) = tool(&socket.path, &["dump", "state"]).await;
        assert_eq!((status, out.as_str(), err.as_str()), (0, "", ""));
        let (status, _, err) = tool(&socket.path, &["dump", "mac", "-i", "7"]).await;
        assert_eq!(status, 1);
        assert_eq!(err, "Mclag-id 7 hasn't been configured in iccpd!\n");
    };
    serving_with(&mut server, None, &mut log, asking).await;
}

/// `spec/mclagdctl-protocol.md` 5.9
#[tokio::test(flavor = "current_thread")]
async fn the_log_level_is_set_and_shown() {
    static CHANGES: AtomicUsize = AtomicUsize::new(0);
    let place = TempDir::new("mclagdctl-level");
    let socket = socket(&place, Sonic);
    let mut server = Server::listen(std::slice::from_ref(&socket));
    let mut log = log::Control::new(LogLevel::Notice, |filter| {
        assert_eq!(filter.to_string(), "warn");
        CHANGES.fetch_add(1, Ordering::SeqCst) == 0
    });
    let domain = domain();
    let asking = async {
        let (_, out, _) = tool(&socket.path, &["dump", "state"]).await;
        assert!(out.ends_with("Loglevel: NOTICE\n"), "{out}");
        let set = ["config", "loglevel", "-l", "warn"];
        let (status, out, _) = tool(&socket.path, &set).await;
        assert_eq!((status, out.as_str()), (0, "Config loglevel success!\n"));
        let (_, out, _) = tool(&socket.path, &["dump", "state"]).await;
        assert!(out.ends_with("Loglevel: WARN\n"), "{out}");
        // The second time the filter cannot be changed.
        let (status, _, err) = tool(&socket.path, &set).await;
        assert_eq!((status, err.as_str()), (1, "exec error in iccpd!\n"));
    };
    serving_with(&mut server, Some(&domain), &mut log, asking).await;
}

/// `spec/mclagdctl-protocol.md` 1
#[tokio::test(flavor = "current_thread")]
async fn an_unknown_or_short_request_is_closed_without_a_reply() {
    let place = TempDir::new("mclagdctl-unknown");
    let sockets = both(&place);
    let mut server = Server::listen(&sockets);
    let asking = async {
        for code in [0, 10, 11, 0xff] {
            let mut request = [0; Request::LEN];
            request[0] = code;
            assert!(ask(&sockets[0].path, &request).await.is_empty(), "{code}");
        }
        // What only sonic has.
        for command in [Command::LocalPorts, Command::LogLevel] {
            let reply = ask(&sockets[1].path, &wire(command, 0, Sonic)).await;
            assert!(reply.is_empty(), "{command:?}");
        }
        let mut stream = UnixStream::connect(&sockets[0].path).await.unwrap();
        let request = wire(Command::State, 0, Sonic);
        stream.write_all(&request[..103]).await.unwrap();
        stream.shutdown().await.unwrap();
        assert!(read_all(&mut stream).await.is_empty());
    };
    serving(&mut server, &domain(), asking).await;
}

/// `spec/mclagdctl-protocol.md` 1: a second request on the same connection is not read.
#[tokio::test(flavor = "current_thread")]
async fn of_two_requests_the_first_is_answered() {
    let place = TempDir::new("mclagdctl-two");
    let socket = socket(&place, Sonic);
    let mut server = Server::listen(std::slice::from_ref(&socket));
    let asking = async {
        let state = wire(Command::State, 0, Sonic);
        let two = [state, wire(Command::UniqueIp, 0, Sonic)].concat();
        let reply = ask(&socket.path, &two).await;
        assert_eq!(reply, ask(&socket.path, &state).await);
        assert_eq!(reply.len(), ReplyHeader::LEN + 656);
    };
    serving(&mut server, &domain(), asking).await;
}

#[tokio::test(flavor = "current_thread")]
async fn a_request_may_come_in_pieces() {
    let place = TempDir::new("mclagdctl-pieces");
    let socket = socket(&place, LinuxMclag);
    let mut server = Server::listen(std::slice::from_ref(&socket));
    let asking = async {
        let mut stream = UnixStream::connect(&socket.path).await.unwrap();
        for byte in wire(Command::State, 7, LinuxMclag) {
            stream.write_all(&[byte]).await.unwrap();
            tokio::task::yield_now().await;
        }
        let reply = read_all(&mut stream).await;
        assert_eq!(reply.len(), ReplyHeader::LEN + 628);
    };
    serving(&mut server, &domain(), asking).await;
}

/// `spec/mclagdctl-protocol.md` 1, except that nobody else waits meanwhile (E44).
#[tokio::test(flavor = "current_thread")]
async fn a_client_that_says_nothing_is_dropped_and_holds_nobody_up() {
    let place = TempDir::new("mclagdctl-silent");
    let socket = socket(&place, Sonic);
    let mut server = Server::listen(std::slice::from_ref(&socket));
    server.context.idle = Duration::from_millis(200);
    let asking = async {
        let mut silent = UnixStream::connect(&socket.path).await.unwrap();
        silent.write_all(&[1, 0, 0]).await.unwrap();
        let reply = ask(&socket.path, &wire(Command::State, 0, Sonic)).await;
        assert_eq!(reply.len(), ReplyHeader::LEN + 656);
        assert!(read_all(&mut silent).await.is_empty());
    };
    serving(&mut server, &domain(), asking).await;
}

/// Input: 20 000 addresses, asked for by clients that read nothing, and by one that does.
/// Output: it gets all of them in order, other requests are served meanwhile, and a small one
/// never waits for a large one.
#[tokio::test(flavor = "current_thread")]
async fn a_large_table_reaches_who_reads_and_holds_nobody_up() {
    const ADDRESSES: u32 = 20_000;
    let place = TempDir::new("mclagdctl-large");
    let sockets = both(&place);
    let mut server = Server::listen(&sockets);
    server.context.idle = Duration::from_millis(500);
    let domain = domain_with(ADDRESSES);
    let asking = async {
        let table = wire(Command::Mac, 7, Sonic);
        let mut deaf = Vec::new();
        for _ in 0..MAX_TABLES {
            let mut stream = UnixStream::connect(&sockets[0].path).await.unwrap();
            stream.write_all(&table).await.unwrap();
            deaf.push(stream);
        }
        let state = ask(&sockets[0].path, &wire(Command::State, 0, Sonic)).await;
        assert_eq!(state.len(), ReplyHeader::LEN + 656);
        // All places for tables are taken by clients that do not read: they are dropped.
        for socket in &sockets {
            let dialect = socket.dialect;
            let reply = ask(&socket.path, &wire(Command::Mac, 7, dialect)).await;
            let length = u32::from_le_bytes(reply[..4].try_into().unwrap());
            assert_eq!(usize::try_from(length).unwrap() + 4, reply.len());
            let header = ReplyHeader::decode(&reply[4..]).unwrap();
            assert_eq!(header.outcome, Outcome::Success);
            let data = Data::decode(Command::Mac, dialect, &reply[16..]);
            let Ok(Data::Mac(macs)) = data else {
                panic!("{data:?}")
            };
            assert_eq!(macs.len(), usize::try_from(ADDRESSES).unwrap());
            assert!(macs.is_sorted_by_key(|m| (m.vid, m.mac.bytes())));
        }
        drop(deaf);
    };
    serving(&mut server, &domain, asking).await;
}

/// Input: as many requests as there are places, none of them answered yet. Output: one more waits, and is
/// served when there is a place.
#[tokio::test(flavor = "current_thread")]
async fn more_clients_than_places_wait_for_their_turn() {
    let place = TempDir::new("mclagdctl-many");
    let socket = socket(&place, Sonic);
    let mut server = Server::listen(std::slice::from_ref(&socket));
    let request = wire(Command::State, 0, Sonic);
    let (mut clients, mut questions) = (Vec::new(), Vec::new());
    for _ in 0..MAX_CLIENTS {
        let mut client = UnixStream::connect(&socket.path).await.unwrap();
        client.write_all(&request).await.unwrap();
        clients.push(client);
        questions.push(timeout(PATIENCE, server.next()).await.unwrap());
    }
    let mut waiting = UnixStream::connect(&socket.path).await.unwrap();
    waiting.write_all(&request).await.unwrap();
    let early = timeout(Duration::from_millis(100), server.next()).await;
    assert!(early.is_err(), "asked although there is no place");
    let domain = domain();
    let mut log = log::Control::new(LogLevel::Notice, |_| true);
    answer(questions.remove(0), Some(&domain), &mut log, |_| {});
    let length = ReplyHeader::LEN + 656;
    let reply = serving(&mut server, &domain, read_all(&mut waiting)).await;
    assert_eq!(reply.len(), length);
    for question in questions {
        answer(question, Some(&domain), &mut log, |_| {});
    }
    let answers = async {
        for client in &mut clients {
            assert_eq!(read_all(client).await.len(), length);
        }
    };
    serving(&mut server, &domain, answers).await;
}

/// Input: more clients than there are places, which say nothing, or begin to. Output: each that asks is
/// answered at once; the ones that were silent for longest are closed.
#[tokio::test(flavor = "current_thread")]
async fn clients_that_say_nothing_lock_nobody_out() {
    let place = TempDir::new("mclagdctl-locked");
    let socket = socket(&place, Sonic);
    let mut server = Server::listen(std::slice::from_ref(&socket));
    server.context.idle = PATIENCE;
    let asking = async {
        let mut silent = Vec::new();
        for number in 0..3 * MAX_CLIENTS {
            let mut stream = UnixStream::connect(&socket.path).await.unwrap();
            if number % 2 == 1 {
                stream.write_all(&[1, 0, 0]).await.unwrap();
            }
            silent.push(stream);
            let reply = ask(&socket.path, &wire(Command::State, 0, Sonic)).await;
            assert_eq!(reply.len(), ReplyHeader::LEN + 656, "client {number}");
        }
        assert!(read_all(&mut silent[0]).await.is_empty());
        // The last one has its place still.
        let last = silent.last_mut().unwrap();
        let request = wire(Command::State, 0, Sonic);
        last.write_all(&request[3..]).await.unwrap();
        assert_eq!(read_all(last).await.len(), ReplyHeader::LEN + 656);
    };
    serving(&mut server, &domain(), asking).await;
}

/// A client that says a byte now and then is as good as silent.
#[tokio::test(flavor = "current_thread", start_paused = true)]
async fn a_request_has_to_be_whole_in_time() {
    let place = TempDir::new("mclagdctl-trickle");
    let socket = socket(&place, Sonic);
    let mut server = Server::listen(std::slice::from_ref(&socket));
    let begin = tokio::time::Instant::now();
    let asking = async {
        let mut stream = UnixStream::connect(&socket.path).await.unwrap();
        for byte in wire(Command::State, 0, Sonic) {
            sleep(IDLE_TIMEOUT / 5).await;
            if stream.write_all(&[byte]).await.is_err() {
                return begin.elapsed();
            }
        }
        panic!("all of it was taken");
    };
    let took = serving(&mut server, &domain(), asking).await;
    assert!(took <= IDLE_TIMEOUT * 2, "{took:?}");
}

#[tokio::test(flavor = "current_thread")]
async fn a_directory_is_made_and_a_left_over_socket_replaced() {
    let place = TempDir::new("mclagdctl-paths");
    let socket = LegacySocket {
        path: place.join("run").join("iccpd").join("mclagdctl.sock"),
        dialect: Sonic,
        mode: 0o620,
    };
    let sockets = std::slice::from_ref(&socket);
    let server = Server::listen(sockets);
    assert_eq!(server.listeners.len(), 1);
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&socket.path), 0o620);
    assert_eq!(mode(socket.path.parent().unwrap()) & 0o700, 0o700);
    drop(server);
    assert!(!socket.path.exists(), "the socket is removed");

    // As a killed daemon leaves it.
    drop(std::os::unix::net::UnixListener::bind(&socket.path).unwrap());
    assert!(socket.path.exists());
    let server = Server::listen(sockets);
    assert_eq!(server.listeners.len(), 1);

    // One that is in use stays with its owner.
    let second = Server::listen(sockets);
    assert_eq!(second.listeners.len(), 0);
    drop(second);
    assert!(socket.path.exists());
    drop(server);
}

#[tokio::test(flavor = "current_thread")]
async fn a_server_without_sockets_waits_for_ever() {
    let mut server = Server::listen(&[]);
    let waiting = timeout(Duration::from_millis(20), server.next()).await;
    assert!(waiting.is_err());
}
