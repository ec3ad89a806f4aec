//! Bad input: one clear line in the log with field and offset, the connection closed only where the stream has lost
//! its meaning, and everything else goes on.

use std::net::SocketAddrV4;
use std::time::Duration;

use anyhow::{Result, ensure};
use mclag_proto::iccp::Dialect;
use mclag_proto::sync::model::Abilities;
use mclag_tests::replay::player::Player;
use mclag_tests::replay::process::{Daemon, Place, Standin, dial_until, loopback};
use mclag_tests::replay::receiver::{Part, Receiver};
use mclag_tests::replay::stream::{Side, parse};

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
    let place = Place::new(name)?;
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
                let complaints = player.receiver().complaints();
                ensure!(complaints.is_empty(), "{complaints:#?}");
            }
            Connection::IsClosed => {
                player.until_closed(Duration::from_secs(10))?;
                daemon.wait_for_log(logged)?;
                daemon.wait("status", |status| status["session"] != "up")?;
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
        "length 3 at byte 2 is outside",
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
