//! Measurements that anyone can repeat: `mclag-lab measure`. No assertion depends on a time.

mod dialects;
mod load;
mod standin;

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use mclag_netlink::{FdbAction, FdbOp, FdbState, Kernel, Op};
use mclag_proto::ctl::SessionState;
use mclag_proto::{Mac, Vid};
use tokio::runtime::Runtime;

use crate::kernel;
use crate::mlag::{Daemons, Mlag, Settings};
use crate::netns::{self, NetNs};
use crate::scenario::{Ctx, Scenario};
use crate::speech::Speech;
use crate::topology::{BRIDGE, ORPHAN_PORT, Options, PEER_LINK, Side, bond_name};
use crate::traffic::learnable;
use crate::wait::{SOON, eventually};

/// What is measured.
pub const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "measure_addresses",
        about: "10 000 addresses that appear in A's bridge at once: time until all are in B's, compared with writing \
                the same entries into an idle bridge by netlink; memory of the daemons before and after. Needs neither \
                bonds nor VLANs, so it also runs on a kernel that has none: MCLAG_LAB=host.",
        limit: Duration::from_secs(300),
        run: measure_addresses,
    },
    Scenario {
        name: "measure_failover",
        about: "A leg of a dual-homed host is cut a hundred times: time from A's log line that its port is down to B's \
                that the isolation of its port is gone, and the frames lost.",
        limit: Duration::from_secs(900),
        run: measure_failover,
    },
    Scenario {
        name: "measure_churn",
        about: "The same twenty times, while 200 000 entries of A's bridge are removed and learned again without end. Takes \
                minutes and 1 GiB of memory.",
        limit: Duration::from_secs(1800),
        run: |ctx| load::failover(ctx),
    },
    Scenario {
        name: "measure_ports",
        about: "512 MLAG ports on each chassis, without LACP: what the daemons take of a processor at rest, heartbeats \
                among it, and when all ports of A fail at once and come back. Runs with MCLAG_LAB=host, too, where \
                nothing can be isolated; MCLAG_LAB_SPEECH has it in other dialects, which do not support everything.",
        limit: Duration::from_secs(600),
        run: |ctx| load::ports(ctx),
    },
    Scenario {
        name: "measure_dialects",
        about: "50 000 addresses and 10 000 neighbours through a pair of iccpd, in each dialect, between two stand-ins \
                for what carries decisions out: rate, time for one alone, memory, and time from configuration to \
                session. Needs no more than the first, so it also runs with MCLAG_LAB=host.",
        limit: Duration::from_secs(600),
        run: |ctx| dialects::measure(ctx, dialects::Scale::FULL),
    },
];

/// The same in small, for the tests: it shows that the measurement works, and measures nothing.
pub const SMOKE: &[Scenario] = &[Scenario {
    name: "addresses_go_through_every_dialect",
    about: "The measurement of the dialects with 500 addresses: every one that is reported at A arrives at B, and none \
            else, between stand-ins that speak version 1 as SONiC's and as linux-mclag's server does, and version 2.",
    limit: Scenario::LIMIT,
    run: |ctx| dialects::measure(ctx, dialects::Scale::SMALL),
}];

const ADDRESSES: u32 = 10_000;
const ROUNDS: usize = 5;
const FLAPS: usize = 100;
/// What something with a large table or many ports may take under emulation.
const LONG: Duration = Duration::from_secs(10 * SOON.as_secs());

/// Two chassis with a bridge, a peer link, a control link and one orphan port each, and nothing
/// a small kernel lacks.
struct Plain {
    daemons: [Daemons; 2],
    ns: [NetNs; 2],
    far: NetNs,
    ports: Vec<String>,
}

impl Plain {
    /// With so many MLAG ports besides, whose other ends are in `far`.
    fn up(ctx: &Ctx, ports: usize) -> Result<Self> {
        let create = |name: &str| NetNs::create(&format!("{}{name}", ctx.prefix()));
        let ns = [create("swA")?, create("swB")?];
        let far = create("far")?;
        for dev in [PEER_LINK, "ctl"] {
            netns::ip(&format!(
                "link add {dev} netns {} type veth peer name {dev} netns {}",
                ns[0].name(),
                ns[1].name()
            ))?;
        }
        let ports: Vec<String> = (1..=ports)
            .map(|number| format!("swp{}", 100 + number))
            .collect();
        for (side, ns) in Side::BOTH.into_iter().zip(&ns) {
            let veth = |port: &str, end: &str| {
                format!(
                    "link add {port} netns {} type veth peer name {end} netns {}",
                    ns.name(),
                    far.name()
                )
            };
            netns::ip(&veth(ORPHAN_PORT, &format!("far{side}")))?;
            far.ip(&format!("link set far{side} up"))?;
            let all = |line: &dyn Fn(&String) -> String| -> String {
                ports.iter().map(|port| line(port) + "\n").collect()
            };
            netns::ip(&all(&|port| veth(port, &end(port, side))))?;
            far.ip(&all(&|port| format!("link set {} up", end(port, side))))?;
            ns.ip(&format!(
                "link add {BRIDGE} type bridge stp_state 0 forward_delay 0 mcast_snooping 0
                 link set {BRIDGE} up
                 link set {PEER_LINK} master {BRIDGE} up
                 link set {ORPHAN_PORT} master {BRIDGE} up
                 link set ctl up
                 address add {}/30 dev ctl",
                side.control_address()
            ))?;
            ns.ip(&all(&|port| format!("link set {port} master {BRIDGE} up")))?;
        }
        for ns in &ns {
            for port in [PEER_LINK, ORPHAN_PORT] {
                eventually("the ports forward", SOON, || {
                    let state = kernel::bridge_port(ns, port)?.state;
                    ensure!(state == "forwarding", "{port} is {state}");
                    Ok(())
                })?;
            }
        }
        let speech = Speech::of_environment()?;
        let start = |side, ns| {
            let settings = Settings::of(ctx, side, &ports, speech);
            Daemons::start_with(ctx, ns, side, &settings, None)
        };
        let daemons = [start(Side::A, &ns[0])?, start(Side::B, &ns[1])?];
        for (side, daemons) in Side::BOTH.into_iter().zip(&daemons) {
            eventually(&format!("chassis {side} is synchronised"), SOON, || {
                let status = daemons.status()?;
                ensure!(status.session == SessionState::Up, "{:?}", status.session);
                ensure!(status.syncd.connected, "syncd is not connected");
                Ok(())
            })?;
        }
        Ok(Self {
            daemons,
            ns,
            far,
            ports,
        })
    }
}

/// The other end of a port of [`Plain`].
fn end(port: &str, side: Side) -> String {
    format!("{port}{side}")
}

/// A bridge of one namespace, seen through netlink.
struct Bridge {
    runtime: Runtime,
    kernel: Kernel,
    bridge: u32,
    port: u32,
}

impl Bridge {
    /// To be called in the namespace.
    fn open(port: &str) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("cannot start the runtime")?;
        let (kernel, bridge, port) = runtime.block_on(async {
            let mut kernel = Kernel::open()?;
            let mut index = async |name: &str| {
                let link = kernel.link(&name.parse()?).await;
                let link = link.map_err(|error| anyhow::anyhow!("{error}"))?;
                anyhow::Ok(link.with_context(|| format!("no interface {name}"))?.index)
            };
            let (bridge, port) = (index(BRIDGE).await?, index(port).await?);
            anyhow::Ok((kernel, bridge, port))
        })?;
        Ok(Self {
            runtime,
            kernel,
            bridge,
            port,
        })
    }

    /// Write or remove all addresses of a round in a VLAN, and tell how long the kernel took.
    fn write(&mut self, round: usize, vid: Option<Vid>, action: FdbAction) -> Result<Duration> {
        let port = self.port;
        let op = |mac| {
            Op::Fdb(FdbOp {
                mac,
                vid,
                port,
                action,
            })
        };
        let ops: Vec<Op> = macs(round).map(op).collect();
        let start = Instant::now();
        let results = self.runtime.block_on(self.kernel.apply(&ops));
        let took = start.elapsed();
        for result in results {
            result.map_err(|error| anyhow::anyhow!("{error}"))?;
        }
        Ok(took)
    }

    /// Number of addresses of ours that the bridge has.
    fn count(&mut self) -> Result<usize> {
        let entries = self.runtime.block_on(self.kernel.fdb(self.bridge));
        let entries = entries.map_err(|error| anyhow::anyhow!("{error}"))?;
        let ours = |mac: Mac| mac.0[..2] == learnable(0).0[..2];
        let known = entries
            .iter()
            .filter(|e| ours(e.mac) && e.state != FdbState::Permanent);
        Ok(known.count())
    }
}

/// How long to wait before counting again: half of what the rest will take at the pace so far.
/// To count takes a processor as long as the daemons take for a good part of the work.
fn half_the_rest(elapsed: Duration, count: usize, target: usize) -> Duration {
    let rest = target.saturating_sub(count) as f64 / count.max(1) as f64;
    let wait = elapsed.mul_f64(rest / 2.0);
    wait.clamp(Duration::from_millis(1), Duration::from_millis(5))
}

fn macs(round: usize) -> impl Iterator<Item = Mac> {
    let first = u32::try_from(round).unwrap_or_default() * ADDRESSES;
    (first..first + ADDRESSES).map(learnable)
}

fn measure_addresses(ctx: &mut Ctx) -> Result<()> {
    let plain = Plain::up(ctx, 0)?;
    let memory = |when: &str| -> Result<()> {
        let mut line = Vec::new();
        for (side, daemons) in Side::BOTH.into_iter().zip(&plain.daemons) {
            line.push(format!(
                "iccpd {side} {} KiB",
                daemons.iccpd.resident_kib()?
            ));
            line.push(format!(
                "syncd {side} {} KiB",
                daemons.syncd.resident_kib()?
            ));
        }
        ctx.measured(format!("memory {when}"), line.join(", "));
        Ok(())
    };
    memory("with no address")?;
    let target = usize::try_from(ADDRESSES)?;
    let mut ends = Vec::new();
    let mut raws = Vec::new();
    for round in 0..ROUNDS {
        let start = plain.ns[0].enter(|| {
            let start = Instant::now();
            Bridge::open(ORPHAN_PORT)?.write(round, None, FdbAction::SetDynamic)?;
            Ok(start)
        })?;
        let took = plain.ns[1].enter(|| {
            let mut b = Bridge::open(PEER_LINK)?;
            loop {
                let count = b.count()?;
                let elapsed = start.elapsed();
                if count >= target {
                    return Ok(elapsed);
                }
                ensure!(elapsed < SOON, "B has only {count}");
                std::thread::sleep(half_the_rest(elapsed, count, target));
            }
        })?;
        ends.push(took);
        if round == 0 {
            memory("with 10 000 addresses")?;
        }
        // The same entries by bare netlink, where nobody listens.
        let raw = plain.far.enter(|| {
            if round == 0 {
                plain.far.ip(&format!(
                    "link add {BRIDGE} type bridge\nlink set {BRIDGE} up\n\
                     link set farA master {BRIDGE}"
                ))?;
                eventually("the port forwards", SOON, || {
                    let state = kernel::bridge_port(&plain.far, "farA")?.state;
                    ensure!(state == "forwarding", "it is {state}");
                    Ok(())
                })?;
            }
            let mut bridge = Bridge::open("farA")?;
            let took = bridge.write(round, None, FdbAction::SetStatic)?;
            bridge.write(round, None, FdbAction::Delete)?;
            Ok(took)
        })?;
        raws.push(raw);
        plain.ns[0].enter(|| {
            Bridge::open(ORPHAN_PORT)?.write(round, None, FdbAction::Delete)?;
            Ok(())
        })?;
        plain.ns[1].enter(|| {
            let mut b = Bridge::open(PEER_LINK)?;
            eventually("B has forgotten all addresses", SOON, || {
                let count = b.count()?;
                ensure!(count == 0, "it has {count}");
                Ok(())
            })
        })?;
    }
    let rate = |took: &Duration| f64::from(ADDRESSES) / took.as_secs_f64();
    let best = |all: &[Duration]| all.iter().map(rate).fold(0.0, f64::max);
    let list = |all: &[Duration]| {
        let each: Vec<String> = all
            .iter()
            .map(|t| format!("{:.0}", t.as_secs_f64() * 1e3))
            .collect();
        each.join(", ")
    };
    ctx.measured(
        "A's bridge to B's, 10 000 addresses, ms per round",
        list(&ends),
    );
    ctx.measured("bare netlink, 10 000 addresses, ms per round", list(&raws));
    ctx.measured(
        "entries per second, best round",
        format!(
            "{:.0} end to end, {:.0} bare netlink: a factor of {:.1}",
            best(&ends),
            best(&raws),
            best(&raws) / best(&ends)
        ),
    );
    Ok(())
}

fn measure_failover(ctx: &mut Ctx) -> Result<()> {
    let mlag = Mlag::up(ctx, Options::default())?;
    flaps(ctx, &mlag, FLAPS)
}

/// Cut the host's leg to A so many times, and give each time back.
fn flaps(ctx: &Ctx, mlag: &Mlag, count: usize) -> Result<()> {
    let bond = bond_name(1);
    let mut times = Vec::new();
    let mut noticed = Vec::new();
    for flap in 0..count {
        let down = mlag.at(Side::A).iccpd.log().len();
        let gone = mlag.at(Side::B).syncd.log().len();
        mlag.host().unplug(Side::A)?;
        let at_a = wait_line(&mlag.at(Side::A).iccpd, down, "local port down", "port=")?;
        let at_b = wait_line(
            &mlag.at(Side::B).syncd,
            gone,
            "port no longer isolated",
            "port=",
        )?;
        times.push(at_b.saturating_sub(at_a));
        let redirect = mlag.at(Side::A).syncd.log();
        let held = redirect
            .get(..)
            .and_then(|log| stamp(log, "port held", "port="));
        noticed.extend(held.map(|held| held.saturating_sub(at_a)));
        mlag.host().plug(Side::A)?;
        let what = format!("the pair is whole after flap {flap} of {bond}");
        eventually(&what, LONG, || mlag.wait_dual())?;
    }
    ctx.measured(
        "A's port down to isolation gone at B",
        distribution(&mut times),
    );
    ctx.measured(
        "A's port down to redirected to the peer link at A",
        distribution(&mut noticed),
    );
    Ok(())
}

/// Time of day of a line that appears in a daemon's log behind `from`.
fn wait_line(
    daemon: &crate::daemon::Daemon,
    from: usize,
    message: &str,
    field: &str,
) -> Result<Duration> {
    eventually(
        &format!("a log line {message:?} with {field}"),
        SOON,
        || {
            let log = daemon.log();
            let new = log.get(from..).unwrap_or_default();
            stamp(new, message, field).context("not yet")
        },
    )
}

/// Time of day of the last line with this message and field.
fn stamp(log: &str, message: &str, field: &str) -> Option<Duration> {
    let line = log
        .lines()
        .rev()
        .find(|line| line.contains(message) && line.contains(field))?;
    // 2026-11-21T09:06:43.172159Z
    let time = line.split(['T', 'Z']).nth(1)?;
    let mut parts = time.split(':').map(str::parse::<f64>);
    let (hours, minutes, seconds) = (
        parts.next()?.ok()?,
        parts.next()?.ok()?,
        parts.next()?.ok()?,
    );
    Some(Duration::from_secs_f64(
        hours * 3600.0 + minutes * 60.0 + seconds,
    ))
}

fn distribution(times: &mut [Duration]) -> String {
    times.sort_unstable();
    let at = |percent: usize| {
        let index = (times.len() * percent / 100).min(times.len().saturating_sub(1));
        times
            .get(index)
            .map_or(0.0, |time| time.as_secs_f64() * 1e3)
    };
    format!(
        "{} times: median {:.1} ms, 90 % within {:.1} ms, 99 % within {:.1} ms, all within {:.1} ms",
        times.len(),
        at(50),
        at(90),
        at(99),
        at(100)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_a_log_line_is_read() {
        let log = "2026-11-21T01:02:03.500000Z  INFO syncd::server: port held port=bond1\n\
                   2026-11-21T01:02:04.000000Z  INFO syncd::server: port released port=bond1\n";
        let found = stamp(log, "port held", "port=").unwrap();
        assert_eq!(found, Duration::from_millis(3_723_500));
        assert_eq!(stamp(log, "port isolated", "port="), None);
    }

    #[test]
    fn a_distribution_names_median_and_maximum() {
        let mut times: Vec<Duration> = (1..=100).rev().map(Duration::from_millis).collect();
        let text = distribution(&mut times);
        assert!(text.contains("median 51.0 ms"), "{text}");
        assert!(text.ends_with("all within 100.0 ms"), "{text}");
    }
}
