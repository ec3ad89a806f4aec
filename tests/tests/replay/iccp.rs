//! The peer protocol: our `iccpd` in the place of either daemon of a recorded pair (`spec/iccp.md`).

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use mclag_proto::iccp::Dialect;
use mclag_proto::sync::model::Abilities;
use mclag_test_support::TempDir;
use mclag_tests::netns::NetNs;
use mclag_tests::replay::player::Player;
use mclag_tests::replay::process::{Daemon, Standin, accept, dial_until, loopback};
use mclag_tests::replay::raw::{self, kind, tlv};
use mclag_tests::replay::receiver::{Part, Receiver, Stage};
use mclag_tests::replay::stream::{Message, Session, Side, parse};

use super::side_by_side;

/// TCP port of the sessions.
const PORT: u16 = 18_891;

/// The recordings, by dialect; the first one brings a session up.
const SONIC: [(&str, &str); 6] = [
    (
        "bringup",
        include_str!("../../replay/iccp-sonic-01-bringup.txt"),
    ),
    ("mac", include_str!("../../replay/iccp-sonic-02-mac.txt")),
    (
        "neighbours",
        include_str!("../../replay/iccp-sonic-03-neighbours.txt"),
    ),
    (
        "portchannel",
        include_str!("../../replay/iccp-sonic-04-portchannel.txt"),
    ),
    (
        "session",
        include_str!("../../replay/iccp-sonic-05-session.txt"),
    ),
    ("stop", include_str!("../../replay/iccp-sonic-06-stop.txt")),
];
const LINUX_MCLAG: [(&str, &str); 5] = [
    (
        "bringup",
        include_str!("../../replay/iccp-legacy-01-bringup.txt"),
    ),
    ("mac", include_str!("../../replay/iccp-legacy-02-mac.txt")),
    (
        "neighbours",
        include_str!("../../replay/iccp-legacy-03-neighbours.txt"),
    ),
    (
        "portchannel",
        include_str!("../../replay/iccp-legacy-04-portchannel.txt"),
    ),
    ("stop", include_str!("../../replay/iccp-legacy-05-stop.txt")),
];

/// A recording, and how it is played.
#[derive(Clone, Copy, Debug)]
struct Case {
    dialect: Dialect,
    /// Its place in the list of the dialect.
    number: usize,
    /// The daemon that ours stands for.
    ours: Side,
    /// Ours has to find the dialect out.
    is_auto: bool,
    /// Ours has ports, in a network namespace.
    has_ports: bool,
}

impl Case {
    fn recording(self) -> (&'static str, &'static str) {
        match self.dialect {
            Dialect::Sonic => SONIC[self.number],
            Dialect::LinuxMclag => LINUX_MCLAG[self.number],
        }
    }

    fn name(self) -> String {
        let dialect = if self.is_auto { "auto" } else { "fixed" };
        let ports = if self.has_ports { "-ports" } else { "" };
        let (name, _) = self.recording();
        format!("{}-{name}-{:?}-{dialect}{ports}", self.dialect, self.ours)
    }

    /// The recorded connections, each from its beginning.
    fn sessions(self) -> Vec<Session> {
        let first = Self { number: 0, ..self };
        let bring_up = parse(first.recording().1).unwrap().remove(0);
        let mut sessions = parse(self.recording().1).unwrap();
        if let Some(session) = sessions.first_mut()
            && session.is_continued
        {
            let mut messages = bring_up.messages;
            messages.append(&mut session.messages);
            session.messages = messages;
        }
        sessions
    }

    const fn played(self) -> Side {
        match self.ours {
            Side::A => Side::B,
            _ => Side::A,
        }
    }

    /// Own address and that of the played daemon: A has the lower last octet (1.1).
    fn addresses(self) -> (Ipv4Addr, Ipv4Addr) {
        let network = u8::try_from(self.number).unwrap() * 16
            + u8::from(self.is_auto) * 8
            + u8::from(self.has_ports) * 4
            + u8::from(self.ours == Side::A) * 2
            + u8::from(self.dialect == Dialect::Sonic);
        let (a, b) = (loopback(network, 1), loopback(network, 2));
        match self.ours {
            Side::A => (a, b),
            _ => (b, a),
        }
    }

    fn settings(self, rg: u32, place: &TempDir) -> String {
        let (local, peer) = self.addresses();
        let dialect = match self.is_auto {
            true => "auto".to_owned(),
            false => self.dialect.to_string(),
        };
        let node = if self.ours == Side::A { 1 } else { 2 };
        format!(
            "[domain]\nid = {rg}\nlocal = \"{local}\"\npeer = \"{peer}\"\ntcp-port = {PORT}\n\
             dialect = {dialect:?}\nbridge = \"Bridge\"\npeer-link = \"PortChannel1000\"\n\
             ports = [\"PortChannel0001\"]\nnode-mac = \"02:00:00:00:00:0{node}\"\n\
             [syncd]\nsocket = {:?}\n[log]\nfilter = \"debug\"\n",
            place.path("syncd.sock")
        )
    }

    fn part(self, rg: u32, own_rg: u32) -> Part {
        let (local, _) = self.addresses();
        Part {
            dialect: self.dialect,
            rg,
            own_rg,
            is_active: self.played() == Side::A,
            other: local,
            speaks_first: self.is_auto,
        }
    }
}

/// The redundancy group that a side of a recorded connection is in.
fn group(session: &Session, side: Side, dialect: Dialect) -> Option<u32> {
    let messages = session.messages.iter().filter(|m| m.from == side);
    messages
        .filter_map(|message| raw::parse(&message.bytes, dialect).ok()?.rg)
        .next()
}

/// Play a recording from its beginning to its end.
fn replay(case: Case, ports: Option<&Ports>) -> Result<()> {
    let place = TempDir::new(&case.name());
    let (local, peer) = case.addresses();
    let mut running: Option<(u32, Daemon, Standin)> = None;
    for (number, session) in case.sessions().into_iter().enumerate() {
        let rg = group(&session, case.ours, case.dialect).unwrap_or(1);
        let theirs = group(&session, case.played(), case.dialect).unwrap_or(rg);
        if running.as_ref().is_none_or(|(known, _, _)| *known != rg) {
            drop(running.take());
            let _ = std::fs::remove_file(place.path("syncd.sock"));
            let standin = Standin::listen(&place.path("syncd.sock"), Abilities::default())?;
            let daemon = Daemon::start(&place, "iccpd", &case.settings(rg, &place))?;
            daemon.wait("status", |status| status["syncd"]["connected"] == true)?;
            running = Some((rg, daemon, standin));
        }
        let Some((_, daemon, _)) = &mut running else {
            continue;
        };
        let stream = match case.ours {
            // The one with the lower address dials. A connection that waits to be accepted would be one on which the
            // peer is silent.
            Side::A => accept(&TcpListener::bind(SocketAddrV4::new(peer, PORT))?)?,
            _ => dial_until(peer, SocketAddrV4::new(local, PORT))?,
        };
        let receiver = Receiver::new(case.part(rg, theirs));
        let mut player = Player::new(stream, receiver)?;
        let played = if theirs == rg {
            converse(case, &mut player, &session, ports, daemon)
        } else {
            disagree(case, &mut player, &session, daemon)
        };
        played.with_context(|| format!("session {number}; log:\n{}", daemon.log()))?;
        let complaints = player.receiver().complaints();
        ensure!(
            complaints.is_empty(),
            "session {number}: {complaints:#?}; log:\n{}",
            daemon.log()
        );
        drop(player);
        daemon.wait("status", |status| status["session"] != "up")?;
        daemon.is_alive()?;
    }
    Ok(())
}

/// A connection of two that belong together.
fn converse(
    case: Case,
    player: &mut Player,
    session: &Session,
    ports: Option<&Ports>,
    daemon: &Daemon,
) -> Result<()> {
    player.play(&session.messages, case.played(), |message| {
        if let Some(ports) = ports {
            ports.follow(message, case.dialect);
        }
    })?;
    let is_warm = session.messages.iter().any(|m| m.name == "WARMBOOT_FLAG");
    // A recording may end before the session was up.
    if player.receiver().stage() == Stage::Exchange {
        player.settle()?;
        daemon.wait("status", |status| status["session"] == "up")?;
        // Heartbeats go on, and nothing else is heard that should not be.
        player.listen(Duration::from_millis(1500))?;
        player.settle()?;
        let states = player.receiver().states();
        match ports {
            Some(_) if !is_warm => ensure!(
                *states == BTreeMap::from([(1, true)]),
                "states of ports: {states:?}"
            ),
            None => ensure!(
                states.is_empty(),
                "states of ports that are not there: {states:?}"
            ),
            Some(_) => {}
        }
    }
    Ok(())
}

/// A connection of two daemons of different domains: never operational, and our own says why.
fn disagree(case: Case, player: &mut Player, session: &Session, daemon: &Daemon) -> Result<()> {
    // Whether ours closes the connection or waits is its own business.
    let _ = player.play(&session.messages, case.played(), |_| {});
    let mut played = session.messages.iter().filter(|m| m.from == case.played());
    // It says so itself, or refuses ours.
    let is_told = played.any(|message| message.name == "RG_CONNECT");
    daemon.wait_for_log(match is_told {
        true => "peer is in domain",
        false => "peer does not accept domain",
    })?;
    let status = daemon.wait("status", |_| true)?;
    ensure!(status["session"] != "up", "up with a stranger: {status}");
    Ok(())
}

/// Ports with the names in the recordings, in a namespace.
struct Ports {
    namespace: NetNs,
}

impl Ports {
    /// A bridge with the peer link and one MLAG port: no LAGs, for which not every kernel has a driver, but pairs of
    /// virtual interfaces, whose carrier decides.
    fn create(name: &str) -> Result<Self> {
        let namespace = NetNs::create(name)?;
        namespace.ip("link add Bridge type bridge\n\
             link add PortChannel0001 type veth peer name far-host\n\
             link add PortChannel1000 type veth peer name far-link\n\
             link set PortChannel0001 master Bridge\n\
             link set PortChannel1000 master Bridge\n\
             link set Bridge up\n\
             link set PortChannel0001 up\n\
             link set PortChannel1000 up\n\
             link set far-host up\n\
             link set far-link up\n")?;
        // Without VLANs in the kernel there is just one.
        if namespace
            .ip("link set Bridge type bridge vlan_filtering 1\n")
            .is_ok()
        {
            let ports = ["PortChannel0001", "PortChannel1000"];
            let vlans = ports.map(|port| format!("vlan add dev {port} vid 10\n"));
            namespace.bridge(&vlans.concat())?;
        }
        Ok(Self { namespace })
    }

    /// What happened to the recorded daemon's port happens to ours.
    fn follow(&self, message: &Message, dialect: Dialect) {
        let Ok(raw) = raw::parse(&message.bytes, dialect) else {
            return;
        };
        if (raw.kind, raw.tlv) == (kind::APPLICATION, tlv::AGGREGATOR_STATE) {
            let state = if raw.value[14] == 0 { "up" } else { "down" };
            self.namespace
                .ip(&format!("link set far-host {state}\n"))
                .unwrap();
        }
    }
}

/// Play every recording of a dialect against our daemon in the place of `ours`.
fn all(dialect: Dialect, ours: Side, has_ports: bool) {
    // A dozen daemons at a time; making and removing namespaces holds up the kernel for all others.
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let count = match dialect {
        Dialect::Sonic => SONIC.len(),
        Dialect::LinuxMclag => LINUX_MCLAG.len(),
    };
    let cases = (0..count).flat_map(|number| {
        [true, false].map(|is_auto| Case {
            dialect,
            number,
            ours,
            is_auto,
            has_ports,
        })
    });
    side_by_side(cases.collect(), |_, case| {
        run(case).with_context(|| case.name())
    });
}

fn run(case: Case) -> Result<()> {
    if !case.has_ports {
        return replay(case, None);
    }
    let (local, _) = case.addresses();
    let name = format!("mr{}-{}", std::process::id(), local.octets()[2]);
    let ports = match Ports::create(&name) {
        Ok(ports) => ports,
        Err(error) => {
            // The same recordings are played without ports, by everybody.
            eprintln!("{}: skipped: no ports: {error:#}", case.name());
            return Ok(());
        }
    };
    ports.namespace.enter(|| replay(case, Some(&ports)))
}

#[test]
fn sonic_recordings_are_answered_as_the_lower_address() {
    all(Dialect::Sonic, Side::A, false);
}

#[test]
fn sonic_recordings_are_answered_as_the_higher_address() {
    all(Dialect::Sonic, Side::B, false);
}

#[test]
fn linux_mclag_recordings_are_answered_as_the_lower_address() {
    all(Dialect::LinuxMclag, Side::A, false);
}

#[test]
fn linux_mclag_recordings_are_answered_as_the_higher_address() {
    all(Dialect::LinuxMclag, Side::B, false);
}

#[test]
fn sonic_recordings_are_answered_with_ports() {
    all(Dialect::Sonic, Side::A, true);
    all(Dialect::Sonic, Side::B, true);
}

#[test]
fn linux_mclag_recordings_are_answered_with_ports() {
    all(Dialect::LinuxMclag, Side::A, true);
    all(Dialect::LinuxMclag, Side::B, true);
}

/// Let the model of one recorded daemon hear the other one.
fn heard(case: Case, session: &Session, change: impl Fn(usize, &mut Vec<u8>)) -> Vec<String> {
    let rg = group(session, case.ours, case.dialect).unwrap_or(1);
    let own_rg = group(session, case.played(), case.dialect).unwrap_or(rg);
    let mut part = case.part(rg, own_rg);
    part.speaks_first = false;
    part.other = match case.ours {
        Side::A => Ipv4Addr::new(10, 255, 0, 1),
        _ => Ipv4Addr::new(10, 255, 0, 2),
    };
    let mut receiver = Receiver::new(part);
    let now = Instant::now();
    for (number, message) in session.messages.iter().enumerate() {
        if message.from == case.ours {
            let mut bytes = message.bytes.clone();
            change(number, &mut bytes);
            receiver.hears(&bytes, now);
        } else {
            receiver.says(&message.bytes);
        }
    }
    receiver.complaints().to_vec()
}

fn bring_up(dialect: Dialect, ours: Side) -> (Case, Session) {
    let case = Case {
        dialect,
        number: 0,
        ours,
        is_auto: false,
        has_ports: false,
    };
    (case, case.sessions().remove(0))
}

/// The strictness of the model is that of the specification: real daemons pass.
#[test]
fn the_model_has_nothing_against_real_daemons_that_bring_a_session_up() {
    for dialect in [Dialect::Sonic, Dialect::LinuxMclag] {
        for ours in [Side::A, Side::B] {
            let (case, session) = bring_up(dialect, ours);
            assert_eq!(
                heard(case, &session, |_, _| {}),
                Vec::<String>::new(),
                "{case:?}"
            );
        }
    }
}

#[test]
fn the_model_sees_what_a_real_daemon_would_not_survive() {
    let (case, session) = bring_up(Dialect::Sonic, Side::A);
    let place = |name: &str| {
        let mut all = session.messages.iter().enumerate();
        let found = all.rfind(|(_, m)| m.name == name && m.from == Side::A);
        found.unwrap_or_else(|| panic!("no {name}")).0
    };
    let complains = |at: usize, change: &dyn Fn(&mut Vec<u8>), of: &str| {
        let complaints = heard(case, &session, |number, bytes| {
            if number == at {
                change(bytes);
            }
        });
        assert!(
            complaints.iter().any(|c| c.contains(of)),
            "{of}: {complaints:?}"
        );
    };
    let request = session.messages[place("SYNC_REQUEST")].bytes.clone();
    let last = place("HEARTBEAT");
    complains(
        last,
        &|bytes| bytes[8..].copy_from_slice(&[0; 13]),
        "no RG ID TLV",
    );
    complains(
        last,
        &|bytes| {
            let id = bytes[4..8].to_vec();
            *bytes = request.clone();
            bytes[4..8].copy_from_slice(&id);
        },
        "enters ERROR",
    );
    complains(
        place("CAPABILITY"),
        &|bytes| bytes.clear(),
        "the first message is no Capability",
    );
    complains(
        place("SYSTEM_CONFIG"),
        &|bytes| bytes[7] = 1,
        "message id 1 behind",
    );
    let config = place("AGGREGATOR_CONFIG");
    complains(config, &|bytes| bytes[40] = 3, "exactly one must be set");
    complains(config, &|bytes| bytes[40] = 2, "purge of PortChannel0001");
    complains(
        config,
        &|bytes| bytes[42..62].fill(b'x'),
        "a name without its end",
    );
    complains(
        place("IF_UP_ACK"),
        &|bytes| bytes[23] = 9,
        "that nobody waits for",
    );
    complains(
        place("PEERLINK_INFO"),
        &|bytes| {
            bytes[3] += 5;
            bytes.extend([0, 0x3a, 0, 1, 0xff]);
        },
        "never two in a message",
    );
}
