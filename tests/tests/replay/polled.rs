//! Version 1 of the mclagsyncd protocol, linux-mclag (`spec/mclagsyncd-protocol.md`): our `syncd` polls a stand-in
//! for `mclagsyncd.py` for our `iccpd`.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use mclag_test_support::TempDir;
use mclag_tests::netns::NetNs;
use mclag_tests::replay::polled::{Heard, Key, Polled, kind, recorded};
use mclag_tests::replay::process::{Beside, accept, loopback};
use mclag_tests::replay::stream::Side;
use serde_json::Value;

use super::{messages, side_by_side};

/// TCP port of the server.
const PORT: u16 = 12_626;

/// TCP port of the session.
const SESSION: u16 = 18_891;

/// How long something that has to happen may take; a poll has to come in that time as well.
const PATIENCE: Duration = Duration::from_secs(30);

/// The daemon it was made for polls every minute (4.16).
const SLOWEST_POLL: Duration = Duration::from_secs(60);

/// Polls that a recording is spread over.
const POLLS: usize = 3;

const LINK: &str = "PortChannel1000";
const LAG: &str = "PortChannel0001";
const HOST: &str = "00:aa:00:00:00:01";
const OTHER_HOST: &str = "00:bb:00:00:00:02";

/// What mclagsyncd.py said in each recording.
const RECORDINGS: [(&str, &str); 7] =
    recordings!("mclagsyncd-legacy": "01-a" "01-b" "02-b" "03-b" "04-b" "05-a" "05-b");

fn settings(local: Ipv4Addr, peer: Ipv4Addr, node: u8) -> String {
    format!(
        "[domain]\nid = 1\nlocal = \"{local}\"\npeer = \"{peer}\"\ntcp-port = {SESSION}\n\
         dialect = \"linux-mclag\"\nbridge = \"Bridge\"\npeer-link = \"{LINK}\"\nports = [\"{LAG}\"]\n\
         node-mac = \"02:00:00:00:00:0{node}\"\nstrict-sonic = true\n"
    )
}

/// Serve all servers until something is so.
fn until(
    what: &str,
    servers: &mut [&mut Polled],
    wanted: impl Fn(&[&mut Polled]) -> bool,
) -> Result<()> {
    let start = Instant::now();
    while !wanted(servers) {
        if start.elapsed() > PATIENCE {
            let heard: Vec<_> = servers.iter().map(|server| server.heard()).collect();
            bail!("{what}: waited in vain; heard {heard:?}");
        }
        servers.iter_mut().try_for_each(|server| server.turn())?;
    }
    Ok(())
}

/// Serve all servers for so many polls of each, so that what is told of at a poll has come back.
fn for_polls(count: usize, servers: &mut [&mut Polled]) -> Result<()> {
    let wanted: Vec<usize> = servers
        .iter()
        .map(|server| server.count(kind::POLL) + count)
        .collect();
    until("polls", servers, |servers| {
        let mut servers = servers.iter().zip(&wanted);
        servers.all(|(server, wanted)| server.count(kind::POLL) >= *wanted)
    })
}

/// Require that the original would have got along with everything, polls included.
fn require_good(name: &str, server: &Polled) -> Result<()> {
    let complaints = server.complaints();
    ensure!(complaints.is_empty(), "{name}: {complaints:#?}");
    let polls: Vec<Instant> = server
        .heard()
        .iter()
        .filter(|h| h.kind == kind::POLL)
        .map(|h| h.at)
        .collect();
    ensure!(polls.len() >= 2, "{name}: {} polls", polls.len());
    for pair in polls.windows(2) {
        let gap = pair[1] - pair[0];
        ensure!(gap <= SLOWEST_POLL, "{name}: {gap:?} without a poll (4.16)");
    }
    Ok(())
}

fn polls_a_recording(number: u8, name: &str, text: &str) -> Result<()> {
    let place = TempDir::new(&format!("polled-{name}"));
    let address = SocketAddrV4::new(loopback(180 + number, 6), PORT);
    let server = TcpListener::bind(address)?;
    let (local, peer) = (loopback(180 + number, 1), loopback(180 + number, 2));
    let mut daemon = Beside::start(&place, "linux-mclag", address, &settings(local, peer, 1))?;
    let mut server = Polled::new(accept(&server)?)?;
    let said = messages(text)
        .into_iter()
        .filter(|m| m.from == Side::Server);
    let said: Vec<Vec<u8>> = said.map(|message| message.bytes).collect();
    // What is there in the end. Nothing else is said of an address than that it was added or deleted.
    let mut table = BTreeMap::new();
    for record in said.iter().flat_map(|message| recorded(message)) {
        match record.is_add {
            true => table.insert(record.key, record.port),
            false => table.remove(&record.key),
        };
    }
    server.record(said.chunks(said.len().div_ceil(POLLS)).map(<[_]>::to_vec));
    let served = until("polls", &mut [&mut server], |servers| {
        servers[0].unanswered() == 0 && servers[0].count(kind::POLL) > POLLS
    });
    served.with_context(|| daemon.log())?;
    let known = |macs: &Value| -> Option<BTreeMap<Key, String>> {
        let entry = |mac: &Value| {
            let vid = u16::try_from(mac["vid"].as_u64()?).ok()?;
            let key = (vid, mac["mac"].as_str()?.to_owned());
            Some((key, mac["local"].as_str()?.to_owned()))
        };
        macs["macs"].as_array()?.iter().map(entry).collect()
    };
    daemon
        .iccpd
        .wait("macs", |macs| known(macs).as_ref() == Some(&table))
        .with_context(|| format!("{name}: not {table:?}"))?;
    daemon.is_alive()?;
    require_good(name, &server).with_context(|| daemon.log())
}

/// Input: what mclagsyncd.py said, in answer to polls. Output: the addresses are known, and all that comes back is
/// what that server takes.
#[test]
fn our_syncd_polls_a_recorded_mclagsyncd_py() {
    side_by_side(RECORDINGS.to_vec(), |number, (name, text)| {
        polls_a_recording(number, name, text)
    });
}

/// One of a pair: a network namespace with the ports, our daemons in it, and their server.
struct Chassis {
    namespace: NetNs,
    server: TcpListener,
    daemon: Beside,
    _place: TempDir,
}

/// Two namespaces, joined by the peer link and by a line for the session.
fn namespaces() -> Result<[NetNs; 2]> {
    let name = |side| format!("mp{}-{side}", std::process::id());
    let spaces = [NetNs::create(&name("a"))?, NetNs::create(&name("b"))?];
    let [first, second] = &spaces;
    for line in [LINK, "session"] {
        let far = second.name();
        first.ip(&format!(
            "link add name {line} type veth peer name {line} netns {far}\n"
        ))?;
    }
    for (host, namespace) in (1..).zip(&spaces) {
        namespace.ip(&format!(
            "link add name Bridge type bridge\n\
             link add name {LAG} type veth peer name far-host\n\
             link set {LAG} master Bridge\n\
             link set {LINK} master Bridge\n\
             addr add 10.255.0.{host}/24 dev session\n\
             link set Bridge up\n\
             link set {LAG} up\n\
             link set {LINK} up\n\
             link set far-host up\n\
             link set session up\n"
        ))?;
        // Without VLANs in the kernel there is just one.
        let filtering = namespace.ip("link set Bridge type bridge vlan_filtering 1\n");
        if filtering.is_ok() {
            let ports = [LAG, LINK].map(|port| format!("vlan add dev {port} vid 10\n"));
            namespace.bridge(&ports.concat())?;
        }
    }
    Ok(spaces)
}

impl Chassis {
    fn start(namespace: NetNs, node: u8) -> Result<(Self, Polled)> {
        let place = TempDir::new(&format!("polled-pair-{node}"));
        let [local, peer] = [node, 3 - node].map(|host| Ipv4Addr::new(10, 255, 0, host));
        let address = SocketAddrV4::new(Ipv4Addr::LOCALHOST, PORT);
        let settings = settings(local, peer, node);
        let (listener, daemon) = namespace.enter(|| {
            let listener = TcpListener::bind(address)?;
            let daemon = Beside::start(&place, "linux-mclag", address, &settings)?;
            Ok((listener, daemon))
        })?;
        let server = Polled::new(accept(&listener)?)?;
        let chassis = Self {
            namespace,
            server: listener,
            daemon,
            _place: place,
        };
        Ok((chassis, server))
    }

    fn host_link(&self, state: &str) -> Result<()> {
        self.namespace.ip(&format!("link set far-host {state}\n"))
    }
}

/// Ports of the additions and deletions (`-`) of an address that a server was told.
fn told(server: &Polled, mac: &str) -> Vec<String> {
    let records = server.heard().iter().flat_map(Heard::records);
    let records = records.filter(|record| record.key == (10, mac.to_owned()));
    let sign = |is_add| if is_add { "" } else { "-" };
    records
        .map(|record| format!("{}{}", sign(record.is_add), record.port))
        .collect()
}

/// Require that learning on the peer link was switched off, and the table flushed so often right behind that (6).
fn require_bring_up(server: &Polled, flushes: usize) -> Result<()> {
    let heard = server.heard();
    let at = heard.iter().position(|heard| heard.kind == kind::LEARN);
    let at = at.context("learning on the peer link was not switched off")?;
    ensure!(
        heard[at].texts() == [(4, LINK.to_owned())],
        "{:?}",
        heard[at]
    );
    ensure!(
        server.count(kind::FLUSH) == flushes,
        "flushed {} times",
        server.count(kind::FLUSH)
    );
    if flushes > 0 {
        ensure!(heard[at + 1].kind == kind::FLUSH, "{heard:?}");
    }
    Ok(())
}

/// What happens to a pair, told by one server and heard by the other.
fn converse(a: &Chassis, a_server: &mut Polled, b: &Chassis, b_server: &mut Polled) -> Result<()> {
    until("sessions", &mut [a_server, b_server], |servers| {
        servers.iter().all(|server| server.count(kind::FLUSH) > 0)
    })?;
    for chassis in [a, b] {
        let is_up = |status: &Value| status["session"] == "up";
        chassis.daemon.iccpd.wait("status", is_up)?;
    }

    // Of each a host that only its own server has seen; both are behind the same port.
    a_server.learns(10, HOST, LAG);
    b_server.learns(10, OTHER_HOST, LAG);
    until("additions", &mut [a_server, b_server], |servers| {
        told(servers[1], HOST) == [LAG] && told(servers[0], OTHER_HOST) == [LAG]
    })?;

    // A server reports what it was told as its own (4.16), and that goes no further.
    for_polls(2, &mut [a_server, b_server])?;
    for (server, own, other) in [
        (&*a_server, HOST, OTHER_HOST),
        (&*b_server, OTHER_HOST, HOST),
    ] {
        let (own, other) = (told(server, own), told(server, other));
        ensure!(own.is_empty() && other == [LAG], "{own:?} and {other:?}");
    }

    // The way to a host whose port is down here is the peer link.
    b.host_link("down")?;
    until("the way round", &mut [a_server, b_server], |servers| {
        servers[1].port(10, HOST) == Some(LINK)
    })?;
    b.host_link("up")?;
    until("the way back", &mut [a_server, b_server], |servers| {
        servers[1].port(10, HOST) == Some(LAG)
    })?;
    for server in [&*a_server, &*b_server] {
        require_bring_up(server, 1)?;
        require_good("before the server is restarted", server)?;
    }

    // A server that is there again is told everything again, but for what would flush it (4.3, 7).
    b_server.close()?;
    b_server.serve_again(accept(&b.server)?)?;
    until("everything again", &mut [a_server, b_server], |servers| {
        servers[1].count(kind::LEARN) > 0 && told(servers[1], HOST) == [LAG]
    })?;
    require_bring_up(b_server, 0)?;

    // A host that is gone.
    a_server.forgets(10, HOST);
    until("deletion", &mut [a_server, b_server], |servers| {
        told(servers[1], HOST)
            .last()
            .is_some_and(|last| last.starts_with('-'))
    })?;
    for_polls(1, &mut [a_server, b_server])?;
    for server in [&*a_server, &*b_server] {
        require_good("in the end", server)?;
        ensure!(server.port(10, HOST).is_none(), "{:?}", server.heard());
    }
    Ok(())
}

/// Input: what one stand-in learns and forgets, and ports that go down. Output: the other one is told, in messages
/// that mclagsyncd.py takes, in the order of a session (6), and again when it was restarted (7).
#[test]
fn an_address_that_one_mclagsyncd_py_reports_is_told_to_the_other() {
    let [a, b] = match namespaces() {
        Ok(namespaces) => namespaces,
        Err(error) => {
            eprintln!("skipped: no namespaces with ports: {error:#}");
            return;
        }
    };
    let (mut a, mut a_server) = Chassis::start(a, 1).unwrap();
    let (mut b, mut b_server) = Chassis::start(b, 2).unwrap();
    if let Err(error) = converse(&a, &mut a_server, &b, &mut b_server) {
        panic!("{error:?}; logs:\n{}\n{}", a.daemon.log(), b.daemon.log());
    }
    a.daemon.is_alive().unwrap();
    b.daemon.is_alive().unwrap();
}
