//! Version 1 of the mclagsyncd protocol (`spec/mclagsyncd-protocol.md`): our `syncd` to a recorded `iccpd`, and with our
//! `iccpd` to a recorded `mclagsyncd`.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use mclag_proto::sync::v1::Dialect;
use mclag_test_support::TempDir;
use mclag_tests::replay::mclagsyncd::Listener;
use mclag_tests::replay::process::{Beside, Daemon, accept, dial_until, loopback};
use mclag_tests::replay::stream::{Message, Side};

use super::{messages, one_by_one, side_by_side};

const PORT: u16 = 12_626;

/// Longest pause that is kept of those in a recording.
const LONGEST_PAUSE: Duration = Duration::from_millis(15);

/// Read what is there for a while.
fn listen(stream: &mut TcpStream, listener: &mut Listener, span: Duration) -> Result<()> {
    let start = Instant::now();
    let mut buffer = [0; 65_536];
    while start.elapsed() < span {
        stream.set_read_timeout(Some(Duration::from_millis(5)))?;
        match stream.read(&mut buffer) {
            Ok(0) => bail!("the connection was closed"),
            Ok(count) => listener.hears(&buffer[..count]),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Say what a side says in a recording, and listen to the other end.
fn play(
    stream: &mut TcpStream,
    messages: &[Message],
    side: Side,
    listener: &mut Listener,
    said: &mut usize,
) -> Result<()> {
    for (number, message) in messages.iter().enumerate() {
        *said = number;
        if message.from != side {
            continue;
        }
        // Bytes may arrive in any pieces, from those that do not look at what was sent before.
        let at = if number % 4 == 0 {
            3
        } else {
            message.bytes.len()
        };
        let (head, tail) = message.bytes.split_at(at.min(message.bytes.len()));
        stream.write_all(head)?;
        listen(stream, listener, message.after.min(LONGEST_PAUSE))?;
        stream
            .write_all(tail)
            .with_context(|| format!("{} ({number})", message.name))?;
    }
    *said = messages.len();
    listen(stream, listener, Duration::from_millis(500))
}

fn to_syncd(name: &str, text: &str, dialect: Dialect, network: u8) -> Result<()> {
    let place = TempDir::new(&format!("to-syncd-{name}"));
    let address = SocketAddrV4::new(loopback(network, 6), PORT);
    let settings = format!(
        "backend = \"record\"\nrun-dir = {:?}\n[log]\nfilter = \"debug\"\n\
         [record]\nports = [\"PortChannel0001\", \"PortChannel1000\", \"Ethernet4\", \"Ethernet8\"]\n\
         [legacy]\nlisten = [\"{address}\"]\nbridge = \"Bridge\"\npeer-link = \"PortChannel1000\"\n\
         ports = [\"PortChannel0001\"]\nunique-ip = [\"Vlan10\"]\ndomain = 1\n\
         local-address = \"10.255.0.1\"\npeer-address = \"10.255.0.2\"\n\
         system-mac = \"02:00:00:00:00:01\"\n",
        place.path("run")
    );
    std::fs::create_dir_all(place.path("run"))?;
    let mut daemon = Daemon::start(&place, "mclagsyncd", &settings)?;
    let mut stream = dial_until(Ipv4Addr::LOCALHOST, address)?;
    let mut listener = Listener::new(dialect, false);
    let played = play(
        &mut stream,
        &messages(text),
        Side::Client,
        &mut listener,
        &mut 0,
    );
    played.with_context(|| format!("{name}; log:\n{}", daemon.log()))?;
    daemon.is_alive()?;
    let log = daemon.log();
    ensure!(
        listener.complaints().is_empty(),
        "{name}: {:#?}\n{log}",
        listener.complaints()
    );
    ensure!(
        listener.pending() == 0,
        "{name}: a message that does not end\n{log}"
    );
    let polls = messages(text)
        .iter()
        .filter(|m| m.name.contains("GET_FDB"))
        .count();
    match dialect {
        // 5.6: the domain first, and whatever the client needs to know of it.
        Dialect::Sonic => {
            ensure!(
                listener.kinds().first() == Some(&2),
                "{:?}\n{log}",
                listener.kinds()
            );
            ensure!(
                listener.kinds().contains(&3),
                "{:?}\n{log}",
                listener.kinds()
            );
        }
        // 5.1: only what it asks for.
        _ => ensure!(
            listener.kinds().len() <= polls,
            "{:?}\n{log}",
            listener.kinds()
        ),
    }
    Ok(())
}

#[test]
fn our_syncd_serves_recorded_sonic_clients() {
    let recordings = recordings!("mclagsyncd": "sonic-01-a" "sonic-02-a" "sonic-03-a" "sonic-04-a" "sonic-05-a" "sonic-06-a"
        "sonic-01-b" "sonic-02-b" "sonic-03-b" "sonic-05-b" "sonic-06-b");
    side_by_side(recordings.to_vec(), |number, (name, text)| {
        to_syncd(name, text, Dialect::Sonic, 200 + number)
    });
}

#[test]
fn our_syncd_serves_recorded_linux_mclag_clients() {
    let recordings = recordings!("mclagsyncd": "legacy-01-a" "legacy-05-a"
        "legacy-01-b" "legacy-02-b" "legacy-03-b" "legacy-04-b" "legacy-05-b");
    side_by_side(recordings.to_vec(), |number, (name, text)| {
        to_syncd(name, text, Dialect::LinuxMclag, 220 + number)
    });
}

/// Input: what a real mclagsyncd says, or a recorder in its place. Output: the pair is configured from it, and all
/// that comes back is what that server takes.
#[test]
fn our_daemons_are_a_client_that_mclagsyncd_understands() {
    let recordings =
        recordings!("mclagsyncd": "sonic-07-a" "sonic-01-a" "sonic-02-a" "sonic-05-a" "sonic-06-a");
    one_by_one(recordings.to_vec(), |number, (name, text)| {
        let place = TempDir::new(&format!("to-iccpd-{name}"));
        let address = SocketAddrV4::new(loopback(240 + number, 6), PORT);
        let server = TcpListener::bind(address)?;
        let mut daemon = Beside::start(&place, "sonic", address, "")?;
        let first = if name == "sonic-07-a" {
            text
        } else {
            recordings!("mclagsyncd": "sonic-01-a")[0].1
        };
        let first = messages(first)
            .into_iter()
            .filter(|m| m.from == Side::Server);
        let configured: Vec<Message> = first.take(3).collect();
        let mut all = messages(text);
        // The others begin when the pair is known already.
        if !matches!(name, "sonic-07-a" | "sonic-01-a") {
            all.splice(0..0, configured.iter().cloned());
        }
        // A client that connects anew hears everything again: the server begins with what is configured then (1.2,
        // 5.6), and goes on.
        let mut connections = 0;
        let listener = loop {
            connections += 1;
            ensure!(
                connections <= 4,
                "{name}: connects again and again\n{}",
                daemon.log()
            );
            let mut stream = accept(&server)?;
            let mut listener = Listener::new(Dialect::Sonic, true);
            let mut said = 0;
            if play(&mut stream, &all, Side::Server, &mut listener, &mut said).is_ok() {
                break listener;
            }
            let complaints = listener.complaints();
            ensure!(
                complaints.is_empty(),
                "{name}: {complaints:#?}\n{}",
                daemon.log()
            );
            let rest = all.split_off(said.min(all.len()));
            all = configured.iter().cloned().chain(rest).collect();
        };
        daemon.is_alive()?;
        let log = daemon.log();
        ensure!(
            listener.complaints().is_empty(),
            "{name}: {:#?}\n{log}",
            listener.complaints()
        );
        ensure!(
            listener.pending() == 0,
            "{name}: a message that does not end\n{log}"
        );
        // The recording of the real server ends with the domain's deletion.
        if name == "sonic-07-a" {
            daemon
                .iccpd
                .wait_for_log("mclagsyncd no longer has a pair")?;
        } else {
            let status = daemon
                .iccpd
                .wait("status", |status| status["domain"] == 1)?;
            ensure!(status["local"] == "10.255.0.1", "{name}: {status}");
        }
        Ok(())
    });
}
