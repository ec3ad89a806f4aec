//! Bad input: one clear line in the log with field and offset, the connection closed only where the stream has lost
//! its meaning, and everything else goes on.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use mclag_proto::iccp::Dialect;
use mclag_proto::sync::model::Abilities;
use mclag_proto::sync::v1;
use mclag_test_support::TempDir;
use mclag_tests::replay::player::Player;
use mclag_tests::replay::process::{
    Beside, Daemon, PATIENCE, Standin, accept, dial_until, loopback,
};
use mclag_tests::replay::receiver::{Part, Receiver};
use mclag_tests::replay::stream::{Side, parse};
use mclag_tests::wait::eventually;
use serde_json::{Value, json};

const PORT: u16 = 18_892;
const BRING_UP: &str = include_str!("../../replay/iccp-sonic-01-bringup.txt");
const OTHER_BRING_UP: &str = include_str!("../../replay/iccp-legacy-01-bringup.txt");

/// What becomes of the connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Connection {
    Stays,
    IsClosed,
}

/// A daemon in SONiC's dialect in the place of B, and a session with it that is up.
fn with_session(
    name: &str,
    network: u8,
    test: impl FnOnce(&mut Player, &Daemon) -> Result<()>,
) -> Result<()> {
    let place = TempDir::new(name);
    let (peer, local) = (loopback(network, 1), loopback(network, 2));
    let _standin = Standin::listen(&place.path("syncd.sock"), Abilities::default())?;
    let settings = format!(
        "[domain]\nid = 1\nlocal = \"{local}\"\npeer = \"{peer}\"\ntcp-port = {PORT}\n\
         dialect = \"sonic\"\nbridge = \"Bridge\"\npeer-link = \"PortChannel1000\"\n\
         ports = [\"PortChannel0001\"]\n[syncd]\nsocket = {:?}\n",
        place.path("syncd.sock")
    );
    let mut daemon = Daemon::start(&place, "iccpd", &settings)?;
    let stream = dial_until(peer, SocketAddrV4::new(local, PORT))?;
    let receiver = Receiver::new(Part {
        dialect: Dialect::Sonic,
        rg: 1,
        own_rg: 1,
        is_active: true,
        other: local,
        speaks_first: false,
    });
    let mut player = Player::new(stream, receiver)?;
    test(&mut player, &daemon)?;
    daemon.is_alive()
}

/// A counter of a view; none if it is not shown.
fn counter(view: &Value, name: &str) -> Option<u64> {
    let counters = view["counters"].as_array()?;
    let found = counters.iter().find(|counter| counter["name"] == name)?;
    found["value"].as_u64()
}

/// How much of what the client of `syncd` said could not be used.
fn faults(shown: &Value) -> Option<u64> {
    let client = &shown["clients"][0];
    let [messages, records] =
        ["unreadable messages", "skipped records"].map(|n| counter(client, n));
    Some(messages? + records?)
}

/// Bytes as a text of hexadecimal digits.
fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(|byte| *byte != b' ').collect();
    let pairs = digits.chunks(2).map(|pair| str::from_utf8(pair).unwrap());
    pairs
        .map(|pair| u8::from_str_radix(pair, 16).unwrap())
        .collect()
}

/// Bring a session up, say something bad, and see what happens.
fn after_bring_up(name: &str, network: u8, bad: &str, logged: &str, expected: Connection) {
    let done = with_session(name, network, |player, daemon| {
        let session = parse(BRING_UP)?.remove(0);
        player.play(&session.messages, Side::A, |_| {})?;
        daemon.wait("status", |status| status["session"] == "up")?;
        player.write(&hex(bad))?;
        match expected {
            Connection::Stays => {
                player.listen(Duration::from_millis(1200))?;
                daemon.wait_for_log(logged)?;
                daemon.wait("status", |status| status["session"] == "up")?;
                let is_counted = |peer: &Value| counter(peer, "unreadable messages") == Some(1);
                daemon.wait("peer", is_counted)?;
                let complaints = player.receiver().complaints();
                ensure!(complaints.is_empty(), "{complaints:#?}");
            }
            Connection::IsClosed => {
                player.until_closed(Duration::from_secs(10))?;
                daemon.wait_for_log(logged)?;
                daemon.wait("status", |status| status["session"] != "up")?;
                let is_counted = |peer: &Value| counter(peer, "unreadable messages") == Some(1);
                daemon.wait("peer", is_counted)?;
            }
        }
        let log = daemon.log();
        let warnings = log
            .lines()
            .filter(|line| line.contains(" WARN ") && line.contains(logged));
        let count = warnings.count();
        ensure!(count == 1, "{count} warnings: {log}");
        Ok(())
    });
    done.unwrap();
}

#[test]
fn an_impossible_vlan_is_named_and_the_session_stays() {
    after_bring_up(
        "bad-vlan",
        150,
        "07030030 00000063 0005 0004 00000001 1038 0020 0001 01 02 00aa00000009 0fff \
         506f72744368616e6e656c303030310000000000",
        "VLAN at byte 30 is 4095",
        Connection::Stays,
    );
}

#[test]
fn a_name_without_its_end_is_no_reason_to_lose_the_session() {
    after_bring_up(
        "bad-name",
        151,
        "0703003a 00000063 0005 0004 00000001 0036 002a 0000000000000000 0002 020000000002 0000 0000 01 14 \
         ffffffffffffffffffffffffffffffffffffffff",
        "at byte 42",
        Connection::Stays,
    );
}

#[test]
fn a_count_beyond_the_message_is_named_and_the_session_stays() {
    after_bring_up(
        "bad-count",
        152,
        "07030030 00000063 0005 0004 00000001 1038 0020 00ff 01 02 00aa00000009 000a \
         506f72744368616e6e656c303030310000000000",
        "MAC Info TLV 0x1038",
        Connection::Stays,
    );
}

#[test]
fn a_length_that_no_message_has_ends_the_connection() {
    after_bring_up(
        "bad-length",
        153,
        "07030003 000000",
        "length 3 at byte 2 is outside 4..=65532; the connection is closed, since nothing tells where the next \
         message begins",
        Connection::IsClosed,
    );
}

/// `spec/iccp.md` 14: the rest of the stream would be read with lengths of another byte order.
#[test]
fn a_peer_of_the_other_dialect_is_refused_with_its_first_bytes() {
    let done = with_session("bad-dialect", 154, |player, daemon| {
        let session = parse(OTHER_BRING_UP)?.remove(0);
        player.write(&session.messages[0].bytes)?;
        player.until_closed(Duration::from_secs(10))?;
        daemon.wait_for_log(
            "the peer speaks the linux-mclag dialect of ICCP (its first bytes are 04 04)",
        )?;
        daemon.wait("status", |status| status["session"] != "up")?;
        Ok(())
    });
    done.unwrap();
}

#[test]
fn half_a_message_stalls_nobody_else() {
    let done = with_session("bad-half", 155, |player, daemon| {
        let session = parse(BRING_UP)?.remove(0);
        player.play(&session.messages, Side::A, |_| {})?;
        daemon.wait("status", |status| status["session"] == "up")?;
        player.write(&hex("0703ff00 00000063"))?;
        for _ in 0..5 {
            ensure!(daemon.ask("peer").is_some(), "no answer: {}", daemon.log());
        }
        // Heartbeats go on.
        player.listen(Duration::from_millis(3000))?;
        let complaints = player.receiver().complaints();
        ensure!(complaints.is_empty(), "{complaints:#?}");
        Ok(())
    });
    done.unwrap();
}

/// Something bad in version 1 of the mclagsyncd protocol.
struct Bad {
    what: &'static str,
    message: Vec<u8>,
    /// What the log says of it: the field, its place, and the value.
    logged: &'static str,
    then: Connection,
}

const fn bad(what: &'static str, message: Vec<u8>, logged: &'static str) -> Bad {
    let then = Connection::Stays;
    Bad {
        what,
        message,
        logged,
        then,
    }
}

/// Headers behind which no other can be found (`spec/mclagsyncd-protocol.md` 10, item 9).
fn impossible_headers() -> [Bad; 2] {
    [
        ("01010300", "version 1, type 1 gives length 3, shorter"),
        (
            "01018813",
            "version 1, type 1 gives length 5000, limit is 4096",
        ),
    ]
    .map(|(header, logged)| Bad {
        then: Connection::IsClosed,
        ..bad("a length that no message has", hex(header), logged)
    })
}

/// A message of version 1.
fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(4 + body.len()).unwrap().to_le_bytes();
    [&[1, kind, length[0], length[1]], body].concat()
}

/// A forwarding record (`spec/mclagsyncd-protocol.md` 4.5) of 00:aa:00:00:00:`host`.
fn record(dialect: v1::Dialect, host: u8, vid: u16, port: &[u8], op: u16) -> Vec<u8> {
    let mac = [0x00, 0xaa, 0, 0, 0, host];
    let text = format!("00:aa:00:00:00:{host:02x}");
    let (mac, mac_width, port_width) = match dialect {
        v1::Dialect::Sonic => (&mac[..], 8, 20),
        _ => (text.as_bytes(), 32, 32),
    };
    let mut record = mac.to_vec();
    record.resize(mac_width, 0);
    record.extend_from_slice(&u32::from(vid).to_le_bytes());
    record.extend_from_slice(port);
    record.resize(mac_width + 4 + port_width, 0);
    record.extend_from_slice(&[2, 0]);
    record.extend_from_slice(&op.to_le_bytes());
    record
}

/// A field of 20 bytes that is full, with what is no text.
const NO_NAME: [u8; 20] = [0xff; 20];
const PORT_NAME: &[u8] = b"PortChannel0001";

/// Lines of a log that warn of what arrived at the place of version 1.
fn warnings(log: &str) -> Vec<&str> {
    let is_of_server =
        |line: &&str| line.contains("syncd::backend::mclagsyncd") || line.contains("legacy");
    let warnings = log.lines().filter(|line| line.contains(" WARN "));
    warnings.filter(is_of_server).collect()
}

/// Require just one warning beyond those before, with that text.
fn warned_once(daemon: &Daemon, before: usize, bad: &Bad) -> Result<()> {
    // The same was perhaps logged before, and lines are written beside the daemon's work.
    let log = eventually(bad.what, PATIENCE, || {
        let log = daemon.log();
        ensure!(warnings(&log).len() > before, "no new warning in\n{log}");
        Ok(log)
    })?;
    let new = &warnings(&log)[before..];
    ensure!(
        matches!(new, [line] if line.contains(bad.logged) && line.contains("at offset")),
        "{}: {new:#?}\n{log}",
        bad.what
    );
    Ok(())
}

/// Wait until the other end closes.
fn until_closed(stream: &mut TcpStream) -> Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut buffer = [0; 4096];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return Ok(()),
            Err(error) => return Err(error).context("the connection is not closed"),
        }
    }
}

/// Input: what a broken server says to our daemons, each followed by an address that the next view shows.
#[test]
fn a_server_that_talks_nonsense_costs_no_more_than_what_it_said() {
    let fdb = |host, vid, port, op| record(v1::Dialect::Sonic, host, vid, port, op);
    let mut rest = fdb(1, 10, PORT_NAME, 1);
    rest.extend([0; 7]);
    let mut other_version = message(1, &fdb(1, 10, PORT_NAME, 1));
    other_version[0] = 2;
    let domain = [&[7, 0, 0, 0, 1, 0, 0, 0][..], &[0; 72]].concat();
    let member = [&[1, 0, 0, 0, 10, 0, 0, 0][..], &NO_NAME].concat();
    let mut table = vec![
        bad(
            "another version",
            other_version,
            "version at offset 0: 2, expected 1",
        ),
        bad(
            "a VLAN",
            message(1, &fdb(1, 4095, PORT_NAME, 1)),
            "VLAN at offset 12: 4095 is",
        ),
        bad(
            "an operation",
            message(1, &fdb(1, 10, PORT_NAME, 9)),
            "operation at offset 38: 9 is",
        ),
        bad(
            "a name",
            message(1, &fdb(1, 10, &NO_NAME, 1)),
            "port at offset 16: not a text",
        ),
        bad(
            "a part of a record",
            message(1, &rest),
            "record at offset 40: 36 bytes needed, 7 left",
        ),
        bad(
            "a domain's operation",
            message(2, &domain),
            "operation at offset 4: 7 is",
        ),
        bad(
            "a member's name",
            message(4, &member),
            "member port at offset 12: not a text",
        ),
    ];
    table.extend(impossible_headers());

    let place = TempDir::new("bad-server");
    let address = SocketAddrV4::new(loopback(156, 6), 12_626);
    let server = TcpListener::bind(address).unwrap();
    let mut daemon = Beside::start(&place, "sonic", address, "").unwrap();
    let recorded = include_str!("../../replay/mclagsyncd-sonic-01-a.txt");
    let recorded = parse(recorded).unwrap().remove(0).messages;
    let recorded = recorded.into_iter().filter(|m| m.from == Side::Server);
    let configured: Vec<u8> = recorded.take(3).flat_map(|m| m.bytes).collect();
    let connect = || -> Result<TcpStream> {
        let mut stream = accept(&server)?;
        stream.write_all(&configured)?;
        Ok(stream)
    };
    let mut run = || -> Result<()> {
        let mut stream = connect()?;
        daemon
            .iccpd
            .wait("status", |status| status["domain"] == 1)?;
        for (host, bad) in (0x10..).zip(&table) {
            let before = warnings(&daemon.syncd.log()).len();
            stream.write_all(&bad.message)?;
            if bad.then == Connection::IsClosed {
                until_closed(&mut stream)?;
                stream = connect()?;
            }
            stream.write_all(&message(1, &fdb(host, 10, PORT_NAME, 1)))?;
            let mac = format!("00:aa:00:00:00:{host:02x}");
            let has_mac = |macs: &Value| macs.to_string().contains(&mac);
            daemon.iccpd.wait("macs", has_mac).context(bad.what)?;
            warned_once(&daemon.syncd, before, bad)?;
            let status = daemon.iccpd.ask("status").context("no answer")?;
            ensure!(status["domain"] == 1, "{}: {status}", bad.what);
        }
        daemon.is_alive()
    };
    run().unwrap();
}

/// Input: what broken clients say to our `syncd`, each followed by an address that the next view counts; then a client
/// of the other dialect at the same address.
#[test]
fn legacy_clients_that_talk_nonsense_cost_no_more_than_what_they_said() {
    let place = TempDir::new("bad-client");
    let address = SocketAddrV4::new(loopback(157, 6), 12_626);
    let settings = format!(
        "backend = \"record\"\nrun-dir = {:?}\n[record]\nports = [\"PortChannel0001\", \"PortChannel1000\"]\n\
         [legacy]\nlisten = [\"{address}\"]\nbridge = \"Bridge\"\npeer-link = \"PortChannel1000\"\n\
         ports = [\"PortChannel0001\"]\n",
        place.path("run")
    );
    std::fs::create_dir_all(place.path("run")).unwrap();
    let mut daemon = Daemon::start(&place, "mclagsyncd", &settings).unwrap();
    let mut entries = 0;
    let mut run = |dialect: v1::Dialect, hello: &str, at: [&'static str; 4]| -> Result<()> {
        let fdb = |host, vid, port, op| record(dialect, host, vid, port, op);
        let mut rest = fdb(1, 10, PORT_NAME, 2);
        rest.extend([0; 7]);
        let mut other_version = message(5, &fdb(1, 10, PORT_NAME, 1));
        other_version[0] = 2;
        let [vlan, operation, port, part] = at;
        let mut table = vec![
            bad(
                "another version",
                other_version,
                "version at offset 0: 2, expected 1",
            ),
            bad("a VLAN", message(5, &fdb(1, 4095, PORT_NAME, 1)), vlan),
            bad(
                "an operation",
                message(5, &fdb(1, 10, PORT_NAME, 9)),
                operation,
            ),
            bad("a name", message(5, &fdb(1, 10, &NO_NAME, 1)), port),
            bad("a part of a record", message(5, &rest), part),
            bad(
                "a length beyond the message",
                message(1, &hex("0100 0f00 506f7274")),
                "isolation source at offset 8: 15 bytes needed, 4 left",
            ),
        ];
        table.extend(impossible_headers());
        let connect = || -> Result<TcpStream> {
            let mut stream = dial_until(Ipv4Addr::LOCALHOST, address)?;
            stream.write_all(&hex(hello))?;
            daemon.wait("dataplane", |shown| {
                shown["clients"][0]["speaks"] == dialect.to_string()
            })?;
            Ok(stream)
        };
        let mut stream = connect()?;
        let mut counted = 0;
        for bad in &table {
            let before = warnings(&daemon.log()).len();
            stream.write_all(&bad.message)?;
            counted += 1;
            if bad.then == Connection::IsClosed {
                until_closed(&mut stream)?;
                stream = connect()?;
                counted = 0;
            }
            entries += 1;
            stream.write_all(&message(5, &fdb(0x10 + entries, 10, PORT_NAME, 1)))?;
            let is_wanted = |shown: &Value| shown["entries"]["wanted"] == entries;
            let shown = daemon.wait("dataplane", is_wanted).context(bad.what)?;
            ensure!(faults(&shown) == Some(counted), "{}: {shown}", bad.what);
            warned_once(&daemon, before, bad).with_context(|| dialect.to_string())?;
        }
        drop(stream);
        daemon.wait("dataplane", |shown| shown["clients"] == json!([]))?;
        Ok(())
    };
    let sonic = [
        "VLAN at offset 12: 4095 is",
        "operation at offset 38: 9 is",
        "port at offset 16: not a text",
        "record at offset 40: 36 bytes needed, 7 left",
    ];
    run(
        v1::Dialect::Sonic,
        "0108110008000400010000000b00010000",
        sonic,
    )
    .unwrap();
    let linux_mclag = [
        "VLAN at offset 36: 4095 is",
        "operation at offset 74: 9 is",
        "port at offset 40: not a text",
        "record at offset 76: 72 bytes needed, 7 left",
    ];
    run(v1::Dialect::LinuxMclag, "01140400", linux_mclag).unwrap();
    daemon.is_alive().unwrap();
}
