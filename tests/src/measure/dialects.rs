//! Addresses and neighbours through a pair of `iccpd`, between two stand-ins for what carries
//! their decisions out: what the daemons and the protocols take, without a kernel that has to
//! install anything.

use std::fmt::Write as _;
use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use iccpd::ctl::client::Client;
use mclag_proto::ctl::SessionState;
use mclag_proto::sync::v1::{
    Dialect, DomainAttributes, DomainOp, DomainRecord, InterfaceRecord, RecordOp, ServerMessage,
    VlanMemberRecord,
};
use mclag_proto::{DomainId, IfName, Mac, Vid};

use super::standin::{Place, Standin, straight};
use crate::daemon::{Daemon, ICCPD, Program, SYNCD, make_directory};
use crate::netns::{self, NetNs};
use crate::scenario::Ctx;
use crate::topology::{BRIDGE, Side};
use crate::traffic::learnable;
use crate::wait::{SOON, eventually};

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scale {
    /// Addresses at once.
    pub(super) macs: u32,
    /// How often that is repeated, with other addresses.
    pub(super) rounds: u32,
    /// Addresses one after the other.
    pub(super) singles: u32,
    /// Neighbours at once.
    pub(super) neighbours: u32,
}

impl Scale {
    /// As in the README.
    pub(super) const FULL: Self = Self {
        macs: 50_000,
        rounds: 3,
        singles: 200,
        neighbours: 10_000,
    };
    /// Just enough to see that the measurement works.
    pub(super) const SMALL: Self = Self {
        macs: 500,
        rounds: 1,
        singles: 5,
        neighbours: 50,
    };
}

const PORT: &str = "PortChannel1";
const PEER_LINK: &str = "PortChannel10";
const DOMAIN: u16 = 7;

/// What is spoken on both sides of an `iccpd`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Setup {
    /// SONiC's dialects.
    Sonic,
    /// Those of linux-mclag.
    LinuxMclag,
    /// Our own with the dataplane, SONiC's with the peer.
    Own,
}

impl Setup {
    const ALL: [Self; 3] = [Self::Sonic, Self::LinuxMclag, Self::Own];

    const fn name(self) -> &'static str {
        match self {
            Self::Sonic => "sonic",
            Self::LinuxMclag => "linux-mclag",
            Self::Own => "version 2",
        }
    }

    const fn dialect(self) -> Option<Dialect> {
        match self {
            Self::Sonic => Some(Dialect::Sonic),
            Self::LinuxMclag => Some(Dialect::LinuxMclag),
            Self::Own => None,
        }
    }
}

/// The figures of one setup.
struct Row {
    setup: Setup,
    up: Duration,
    /// Each round.
    took: Vec<Duration>,
    /// Over the loopback without daemons.
    bare: Option<Duration>,
    /// Each address alone, sorted.
    singles: Vec<Duration>,
    /// Bytes for each address, at A and at B.
    per_mac: [u64; 2],
    /// Resident memory before, in KiB.
    before: [u64; 2],
    /// How many, and how long.
    neighbours: (u32, Duration),
    /// From B's start to its dataplane knowing all of A's addresses.
    resync: Duration,
}

/// Measure all setups and print the figures as a table.
pub(super) fn measure(ctx: &Ctx, scale: Scale) -> Result<()> {
    let mut rows = Vec::new();
    for setup in Setup::ALL {
        let row = measure_one(ctx, setup, scale).with_context(|| setup.name())?;
        ctx.measured(setup.name(), row.line(scale));
        rows.push(row);
    }
    ctx.log(table(&rows, scale));
    Ok(())
}

fn measure_one(ctx: &Ctx, setup: Setup, scale: Scale) -> Result<Row> {
    let mut pair = Pair::up(ctx, setup)?;
    let (port, vid) = (name(PORT)?, Vid::DEFAULT);
    let [a, b] = &pair.servers;
    // Once there and back, so that what is measured is a pair at work.
    let first = [mac_of(u32::MAX)];
    send(a, b, &first, vid, port, RecordOp::Add)?;
    send(a, b, &first, vid, port, RecordOp::Delete)?;
    b.wait_quiet()?;

    let before = pair.resident_kib()?;
    let mut after = before;
    let mut took = Vec::new();
    let mut bare = None;
    for round in 0..scale.rounds {
        let macs: Vec<Mac> = (0..scale.macs)
            .map(|i| mac_of(round * scale.macs + i))
            .collect();
        if let Some(dialect) = setup.dialect() {
            let straight = straight(&macs, vid, port, dialect)?;
            bare = Some(bare.map_or(straight, |best: Duration| best.min(straight)));
        }
        took.push(send(a, b, &macs, vid, port, RecordOp::Add)?);
        let added = b.take_added(port)?;
        ensure!(
            added == macs.iter().copied().collect(),
            "B's dataplane was told of {} addresses that are not those of A's",
            added.len()
        );
        if round == 0 {
            after = pair.resident_kib()?;
        }
        send(a, b, &macs, vid, port, RecordOp::Delete)?;
    }
    let mut singles = Vec::new();
    for single in 0..scale.singles {
        let mac = [mac_of(scale.rounds * scale.macs + single)];
        singles.push(send(a, b, &mac, vid, port, RecordOp::Add)?);
        // As addresses come when hosts appear: not on the heels of each other.
        thread::sleep(Duration::from_millis(2));
    }
    singles.sort_unstable();
    let neighbours = pair.neighbours(scale.neighbours)?;
    let macs: Vec<Mac> = (0..scale.macs).map(mac_of).collect();
    send(a, b, &macs, vid, port, RecordOp::Add)?;
    let resync = pair.resync(scale.macs)?;
    let per_mac = |side: usize| {
        let grown = after[side].saturating_sub(before[side]) * 1024;
        grown / u64::from(scale.macs.max(1))
    };
    Ok(Row {
        setup,
        up: pair.up_after,
        took,
        bare,
        singles,
        per_mac: [per_mac(0), per_mac(1)],
        before,
        neighbours,
        resync,
    })
}

/// Report all these at A, and tell how long it took until all were at B.
fn send(
    a: &Standin,
    b: &Standin,
    macs: &[Mac],
    vid: Vid,
    port: IfName,
    op: RecordOp,
) -> Result<Duration> {
    let wanted = b.tally().entries + macs.len() as u64;
    let start = Instant::now();
    a.report(macs, vid, port, op)?;
    Ok(b.wait_entries(wanted)?.saturating_duration_since(start))
}

fn mac_of(index: u32) -> Mac {
    learnable(index)
}

fn name(text: &str) -> Result<IfName> {
    text.parse().with_context(|| text.to_owned())
}

/// Two namespaces with what the settings name, an `iccpd` in each, and their stand-ins.
struct Pair {
    // Daemons end before the namespaces they live in.
    iccpd: [Daemon; 2],
    /// Our `syncd` between an `iccpd` and a stand-in that speaks version 1.
    syncd: [Option<Beside>; 2],
    servers: [Standin; 2],
    ns: [NetNs; 2],
    _far: NetNs,
    up_after: Duration,
}

/// One chassis before its `iccpd` is there.
struct Prepared {
    server: Standin,
    syncd: Option<(Program, PathBuf)>,
    program: Program,
    socket: PathBuf,
}

/// A running `syncd` and its operators' socket.
struct Beside {
    daemon: Daemon,
    control: PathBuf,
}

impl Beside {
    /// Neighbours that it is to have.
    fn neighbours(&self) -> Result<u64> {
        let shown = Client::connect_to_syncd(&self.control)?.dataplane()?;
        Ok(shown.neighbours.try_into()?)
    }
}

impl Pair {
    fn up(ctx: &Ctx, setup: Setup) -> Result<Self> {
        let prefix = format!("{}{}", ctx.prefix(), setup.name().replace(' ', ""));
        let create = |name: &str| NetNs::create(&format!("{prefix}{name}"));
        let ns = [create("swA")?, create("swB")?];
        let far = create("far")?;
        for dev in [PEER_LINK, "ctl"] {
            netns::ip(&format!(
                "link add {dev} netns {} type veth peer name {dev} netns {}",
                ns[0].name(),
                ns[1].name()
            ))?;
        }
        for (side, ns) in Side::BOTH.into_iter().zip(&ns) {
            netns::ip(&format!(
                "link add {PORT} netns {} type veth peer name far{side} netns {}",
                ns.name(),
                far.name()
            ))?;
            far.ip(&format!("link set far{side} up"))?;
            ns.ip(&format!(
                "link add {BRIDGE} type bridge stp_state 0 forward_delay 0 mcast_snooping 0
                 link set {BRIDGE} up
                 address add 10.64.0.{}/16 dev {BRIDGE}
                 link set {PEER_LINK} master {BRIDGE} up
                 link set {PORT} master {BRIDGE} up
                 link set ctl up
                 address add {}/30 dev ctl",
                side.control_address().octets()[3],
                side.control_address()
            ))?;
        }
        let prepare = |side, ns| Prepared::new(ctx, setup, side, ns);
        let prepared = [prepare(Side::A, &ns[0])?, prepare(Side::B, &ns[1])?];
        let [(_, a), (mut start, b)] = prepared.map(Prepared::start);
        let (a, b) = (a?, b?);
        let up = |started: &Started| {
            // Not `eventually`: its pauses are longer than what is measured.
            let deadline = Instant::now() + SOON;
            loop {
                let state = Client::connect(&started.socket)
                    .and_then(|mut client| client.status())
                    .map(|status| status.session);
                if matches!(state, Ok(SessionState::Up)) {
                    return anyhow::Ok(Instant::now());
                }
                ensure!(Instant::now() < deadline, "the session is {state:?}");
                thread::sleep(Duration::from_millis(2));
            }
        };
        if setup == Setup::Sonic {
            start = a.server.wait_greeted()?.max(b.server.wait_greeted()?);
        }
        let up_after = up(&a)?.max(up(&b)?).saturating_duration_since(start);
        let ready = |started: &Started| {
            eventually("the ports are known on both sides", SOON, || {
                let interfaces = Client::connect(&started.socket)?.interfaces()?;
                let port = interfaces.iter().find(|port| port.name.as_str() == PORT);
                ensure!(port.is_some_and(|port| port.dual), "{interfaces:?}");
                Ok(())
            })
        };
        ready(&a)?;
        ready(&b)?;
        Ok(Self {
            iccpd: [a.iccpd, b.iccpd],
            syncd: [a.syncd, b.syncd],
            servers: [a.server, b.server],
            ns,
            _far: far,
            up_after,
        })
    }

    fn resident_kib(&self) -> Result<[u64; 2]> {
        let [a, b] = &self.iccpd;
        Ok([a.resident_kib()?, b.resident_kib()?])
    }

    /// End B's daemons without a word and start them anew: A has to tell everything, and nothing else
    /// happens meanwhile.
    fn resync(&mut self, macs: u32) -> Result<Duration> {
        let [_, iccpd] = &mut self.iccpd;
        let [_, syncd] = &mut self.syncd;
        let [_, b] = &self.servers;
        iccpd.kill()?;
        // Otherwise it would say nothing of what it said before.
        if let Some(Beside { daemon, .. }) = syncd {
            daemon.kill()?;
        }
        let wanted = b.tally().entries + u64::from(macs);
        let start = Instant::now();
        if let Some(Beside { daemon, .. }) = syncd {
            daemon.start()?;
        }
        iccpd.start()?;
        let arrived = b.wait_entries(wanted)?;
        Ok(arrived.saturating_duration_since(start))
    }

    /// Write so many neighbours into A's kernel, and tell how many were written and how long it took
    /// from the first until all were at B.
    fn neighbours(&self, count: u32) -> Result<(u32, Duration)> {
        let ([_, beside], [_, b]) = (&self.syncd, &self.servers);
        let count = count.min(room_for_neighbours());
        let mut batch = String::new();
        for index in 0..count {
            let [_, _, high, low] = (index + 256).to_be_bytes();
            let address = Ipv4Addr::new(10, 64, high, low);
            let mac = mac_of(index);
            writeln!(
                batch,
                "neigh add {address} lladdr {mac} dev {BRIDGE} nud reachable"
            )?;
        }
        let before = match beside {
            Some(beside) => beside.neighbours()?,
            None => b.tally().neighbours,
        };
        let wanted = before + u64::from(count);
        let start = Instant::now();
        self.ns[0].ip(&batch)?;
        let arrived = match beside {
            Some(beside) => wait_neighbours(beside, wanted)?,
            None => b.wait_neighbours(wanted)?,
        };
        Ok((count, arrived.saturating_duration_since(start)))
    }
}

/// When it is to have so many.
fn wait_neighbours(beside: &Beside, wanted: u64) -> Result<Instant> {
    let deadline = Instant::now() + SOON;
    loop {
        let found = beside.neighbours()?;
        if found >= wanted {
            return Ok(Instant::now());
        }
        ensure!(Instant::now() < deadline, "{found} neighbours of {wanted}");
        // Not `eventually`: its pauses are longer than what is measured.
        thread::sleep(Duration::from_millis(2));
    }
}

/// The kernel keeps no more neighbours than this that were not nailed down, all namespaces together.
fn room_for_neighbours() -> u32 {
    let path = "/proc/sys/net/ipv4/neigh/default/gc_thresh2";
    let text = fs::read_to_string(path).unwrap_or_default();
    text.trim().parse::<u32>().unwrap_or(512).saturating_sub(32)
}

/// One chassis.
struct Started {
    iccpd: Daemon,
    server: Standin,
    syncd: Option<Beside>,
    socket: PathBuf,
}

impl Prepared {
    fn new(ctx: &Ctx, setup: Setup, side: Side, ns: &NetNs) -> Result<Self> {
        let run = ctx
            .scratch()
            .join(format!("{}-{side}", setup.name().replace(' ', "")));
        make_directory(&run, SYNCD)?;
        let (control, syncd) = (run.join("iccpd.sock"), run.join("mclagsyncd.sock"));
        let pair = format!(
            "id = {DOMAIN}\nlocal = \"{}\"\npeer = \"{}\"\npeer-link = {PEER_LINK:?}\nports = [{PORT:?}]\n",
            side.control_address(),
            side.peer().control_address()
        );
        let (domain, dataplane) = match setup {
            Setup::Sonic => (
                "dialect = \"sonic\"\n".to_owned(),
                format!("names-pair = true\nsocket = {syncd:?}\n"),
            ),
            Setup::LinuxMclag => (
                format!("dialect = \"linux-mclag\"\nstrict-sonic = true\n{pair}"),
                format!("socket = {syncd:?}\n"),
            ),
            Setup::Own => (
                format!("dialect = \"sonic\"\n{pair}"),
                format!("socket = {syncd:?}\n"),
            ),
        };
        let settings = run.join("iccpd.toml");
        let text = format!(
            "[domain]\nbridge = {BRIDGE:?}\n{domain}[syncd]\n{dataplane}user = \"{}\"\n[control]\nsocket = {control:?}\n",
            SYNCD.uid
        );
        fs::write(&settings, text)
            .with_context(|| format!("cannot write {}", settings.display()))?;
        let (place, syncd) = match setup.dialect() {
            Some(dialect) => {
                let beside = beside(ctx, &run, dialect, ns)?;
                (Place::tcp(ns, dialect)?, Some(beside))
            }
            None => (Place::unix(&syncd)?, None),
        };
        let greeting = match setup {
            Setup::Sonic => configuration(side)?,
            Setup::LinuxMclag | Setup::Own => Vec::new(),
        };
        Ok(Self {
            server: Standin::serve(place, greeting),
            syncd,
            program: Program::new(ctx, "iccpd", ns, ICCPD)?
                .arg("--config")
                .arg(&settings),
            socket: control,
        })
    }

    /// When it was started, and what there is then.
    fn start(self) -> (Instant, Result<Started>) {
        let Self {
            server,
            syncd,
            program,
            socket,
        } = self;
        let start = Instant::now();
        let syncd = syncd.map(|(program, control)| {
            let daemon = program.start()?;
            anyhow::Ok(Beside { daemon, control })
        });
        let started = syncd.transpose().and_then(|syncd| {
            Ok(Started {
                iccpd: program.start()?,
                server,
                syncd,
                socket,
            })
        });
        (start, started)
    }
}

/// Our `syncd` as the client of a server of that dialect, without a kernel, and its operators' socket.
fn beside(ctx: &Ctx, run: &Path, dialect: Dialect, ns: &NetNs) -> Result<(Program, PathBuf)> {
    let settings = run.join("mclagsyncd.toml");
    let text = format!(
        "backend = \"record\"\nrun-dir = {run:?}\n[access]\nusers = [{}]\n\
         [mclagsyncd]\nprotocol = \"{dialect}\"\n",
        ICCPD.uid
    );
    fs::write(&settings, text).with_context(|| format!("cannot write {}", settings.display()))?;
    let program = Program::new(ctx, "mclagsyncd", ns, SYNCD)?;
    let program = program.arg("--config").arg(&settings);
    Ok((program, run.join("mclagsyncd-ctl.sock")))
}

/// What SONiC's server says of the configuration (`spec/mclagsyncd-protocol.md` 5.6).
fn configuration(side: Side) -> Result<Vec<ServerMessage>> {
    let domain = DomainId::new(DOMAIN).context("domain")?;
    let (port, peer_link) = (name(PORT)?, name(PEER_LINK)?);
    let settings = ServerMessage::Domain(vec![DomainRecord {
        op: DomainOp::Add,
        domain,
        keepalive_s: 1,
        session_timeout_s: 15,
        local: Some(side.control_address()),
        peer: Some(side.peer().control_address()),
        peer_link: Some(peer_link),
        system_mac: Mac([2, 0, 0, 0, 0, side.control_address().octets()[3]]),
        attributes: DomainAttributes::from_bits_retain(0x1f),
    }]);
    let ports = ServerMessage::Interfaces(vec![InterfaceRecord {
        op: RecordOp::Add,
        domain,
        port,
    }]);
    let member = |port| VlanMemberRecord {
        op: RecordOp::Add,
        vid: Vid::DEFAULT,
        port,
    };
    let members = ServerMessage::VlanMembers(vec![member(port), member(peer_link)]);
    Ok(vec![settings, ports, members])
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

impl Row {
    fn per_second(&self, scale: Scale) -> f64 {
        let best = self.took.iter().min().copied().unwrap_or_default();
        f64::from(scale.macs) / best.as_secs_f64().max(f64::EPSILON)
    }

    fn single(&self, percent: usize) -> f64 {
        let last = self.singles.len().saturating_sub(1);
        let index = (self.singles.len() * percent / 100).min(last);
        self.singles.get(index).map_or(0.0, |time| ms(*time))
    }

    fn line(&self, scale: Scale) -> String {
        let rounds: Vec<String> = self.took.iter().map(|t| format!("{:.0}", ms(*t))).collect();
        let bare = self.bare.map_or_else(String::new, |bare| {
            format!(" (without daemons {:.0} ms)", ms(bare))
        });
        let [a, b] = self.before;
        format!(
            "{} addresses in {} ms{bare}, resident before {a} and {b} KiB",
            scale.macs,
            rounds.join(", ")
        )
    }
}

fn table(rows: &[Row], scale: Scale) -> String {
    let mut text = format!(
        "{:<12} {:>7} {:>10} {:>8} {:>8} {:>8} {:>11} {:>16} {:>11}",
        "",
        "up (ms)",
        "MACs/s",
        "median",
        "90 %",
        "worst",
        "bytes/MAC",
        "neighbours/s",
        "resync (ms)"
    );
    for row in rows {
        let [a, b] = row.per_mac;
        let (count, took) = row.neighbours;
        let neighbours = f64::from(count) / took.as_secs_f64().max(f64::EPSILON);
        text += &format!(
            "\n{:<12} {:>7.0} {:>10.0} {:>8.2} {:>8.2} {:>8.2} {:>11} {:>16} {:>11.0}",
            row.setup.name(),
            ms(row.up),
            row.per_second(scale),
            row.single(50),
            row.single(90),
            row.single(100),
            format!("{a} + {b}"),
            format!("{neighbours:.0} of {count}"),
            ms(row.resync),
        );
    }
    text + "\nmedian, 90 %, worst: ms for one address alone; bytes per MAC: iccpd at A + at B;\n\
              resync: from a restart of B until it has told everything that A knows"
}
