//! Our `syncd` in the place of an earlier server: a stand-in for the `iccpd` of SONiC or linux-mclag says, byte by byte,
//! what the specification has (`spec/mclagsyncd-protocol.md`), and the kernel shows what became of it.
//!
//! ```text
//!                        +----------------------+
//!    peer ----- peer link| sw       br0         |
//!                        |   Vlan100            | members ===== host (LACP)
//!  orphan -- orphan port |             LAG =====|
//!                        +----------------------+
//! ```

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use mclag_proto::addr::Mac;
use mclag_proto::sync::v1::{DomainAttributes, DomainOp, FdbKind, RecordOp, ServerMessage};

use crate::kernel;
use crate::scenario::{Ctx, Scenario};
use crate::traffic::learnable;
use crate::wait::{SOON, eventually, holds_for};

use chassis::{Chassis, LINUX_MCLAG, SONIC, VLAN};
use client::{Client, bytes, name};
use vectors::{linux_mclag, sonic};

mod chassis;
mod client;
mod vectors;

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "a_legacy_iccpd_of_sonic_drives_syncd",
        about: "A stand-in for SONiC's iccpd sends every message that it has, in the bytes of the specification. Isolation, \
                learning, the MAC of a VLAN interface, entries of all three kinds and a disabled port are seen in the kernel \
                and in what frames do; the state of the pair in mclagctl. The stand-in is told the settings, VLAN members and \
                the table, also what changes when the settings are read again. A filter that somebody removes is back soon.",
        limit: Duration::from_secs(240),
        run: a_legacy_iccpd_of_sonic_drives_syncd,
    },
    Scenario {
        name: "a_legacy_iccpd_of_linux_mclag_drives_syncd",
        about: "The same for linux-mclag: isolation with marks, flushes of all and of one port, an address behind the name of \
                an interface, entries as text, and polls for what changed.",
        limit: Duration::from_secs(240),
        run: a_legacy_iccpd_of_linux_mclag_drives_syncd,
    },
];

/// Settings that make the messages of the specification.
const TOLD: &str = "peer-link = \"PortChannel10\"\nports = [\"PortChannel1\"]\nunique-ip = [\"Vlan100\"]\n\
    domain = 1\nlocal-address = \"10.0.0.1\"\npeer-address = \"10.0.0.2\"\nkeepalive = 1\nsession-timeout = 15\n\
    system-mac = \"02:00:00:00:00:01\"\n";

fn a_legacy_iccpd_of_sonic_drives_syncd(ctx: &mut Ctx) -> Result<()> {
    let mut chassis = Chassis::up(ctx, &SONIC, TOLD)?;
    let mut client = chassis.connect()?;
    is_configured(&mut client)?;
    ctx.log("told the settings");
    isolation(&chassis, &mut client)?;
    ctx.log("isolation is in force and is lifted");
    learning_and_mac(&chassis, &mut client)?;
    traffic(&chassis, &mut client)?;
    ctx.log("a disabled port carries nothing and keeps LACP");
    entries(&chassis, &mut client)?;
    ctx.log("entries of all kinds");
    pair_is_shown(&chassis, &mut client)?;
    ctx.log("the pair is shown");
    filter_returns(ctx, &chassis, &mut client)?;
    settings_change(&chassis, &mut client)?;
    ctx.log("changed settings are told");

    // The loss of a client is no request; the next one is told everything.
    client.say(sonic::ISOLATE)?;
    chassis.wait_filtered("isolated", &[SONIC.lag])?;
    drop(client);
    let mut client = chassis.connect()?;
    ensure!(matches!(client.message()?, ServerMessage::Domain(_)));
    ensure!(chassis.filtered("isolated")? == [SONIC.lag]);
    chassis.syncd.require_running()
}

/// 5.6, 11.2.
fn is_configured(client: &mut Client) -> Result<()> {
    client.hears(sonic::CFG_DOMAIN)?;
    client.hears(sonic::CFG_INTERFACE)?;
    let ServerMessage::VlanMembers(members) = client.message()? else {
        bail!("VLAN members come next")
    };
    let mut ports: Vec<_> = members.iter().map(|m| m.port.to_string()).collect();
    ports.sort();
    ensure!(
        ports == [SONIC.orphan, SONIC.lag, SONIC.peer_link],
        "{ports:?}"
    );
    ensure!(
        members
            .iter()
            .all(|m| m.vid.get() == VLAN && m.op == RecordOp::Add)
    );
    // The bridge may have heard somebody already.
    loop {
        let frame = client.frame()?;
        if frame.kind != 1 {
            let heard = frame.encode()?;
            ensure!(heard == bytes(sonic::CFG_UNIQUE_IP)?, "heard {heard:02x?}");
            return Ok(());
        }
    }
}

/// 4.1: in force for what comes through the peer link and for nothing else.
fn isolation(chassis: &Chassis, client: &mut Client) -> Result<()> {
    let (peer, orphan) = (&chassis.peer, &chassis.orphan);
    client.say(sonic::ISOLATE_NONE)?;
    chassis.wait_filtered("isolated", &[])?;
    chassis.wait_reaches_host(peer)?;
    // Said twice and by members, it is one port.
    client.say(sonic::ISOLATE)?;
    client.say(sonic::ISOLATE)?;
    chassis.wait_filtered("isolated", &[SONIC.lag])?;
    ensure!(
        !chassis.reaches_host(peer)?,
        "isolation lets frames through"
    );
    chassis.wait_reaches_host(orphan)?;
    client.say(sonic::ISOLATE_NONE)?;
    chassis.wait_filtered("isolated", &[])?;
    chassis.wait_reaches_host(peer)?;
    Ok(())
}

/// 4.2, 4.4.
fn learning_and_mac(chassis: &Chassis, client: &mut Client) -> Result<()> {
    for (message, wanted) in [
        (sonic::LEARNING_OFF, false),
        (sonic::LEARNING_ON, true),
        (sonic::LEARNING_OFF, false),
    ] {
        client.say(message)?;
        chassis.wait_learning(SONIC.peer_link, wanted)?;
    }
    client.say(sonic::SET_MAC)?;
    chassis.wait_mac("Vlan100", Mac([2, 0, 0, 0, 0, 1]))
}

/// 4.6, `spec/behaviour.md` 8.5.
fn traffic(chassis: &Chassis, client: &mut Client) -> Result<()> {
    let orphan = &chassis.orphan;
    client.say(sonic::TRAFFIC_OFF)?;
    chassis.wait_filtered("held", &[SONIC.lag])?;
    ensure!(
        !chassis.reaches_host(orphan)?,
        "a disabled port carries data"
    );
    // News of the bond is none of its hold, which is not by `min_links`.
    chassis
        .sw
        .ip(&format!("link set {} alias news", SONIC.lag))?;
    holds_for("LACP goes on", Duration::from_secs(4), || {
        chassis.host_is_bundled()?;
        ensure!(
            kernel::link(&chassis.sw, SONIC.lag)?.has_carrier(),
            "no carrier"
        );
        Ok(())
    })?;
    ensure!(
        !chassis.syncd.log().contains("changed min_links"),
        "syncd doubts its own hold"
    );
    client.say(sonic::TRAFFIC_ON)?;
    chassis.wait_filtered("held", &[])?;
    chassis.wait_reaches_host(orphan)?;
    Ok(())
}

/// 4.5, 5.1, `spec/behaviour.md` 9.2.
fn entries(chassis: &Chassis, client: &mut Client) -> Result<()> {
    let (host, orphan) = (&chassis.host, &chassis.orphan);
    let mac = Mac([0, 0x11, 0x22, 0x33, 0x44, 0x55]);
    let on = |port: &'static str| move |e: &kernel::FdbEntry| e.ifname == port;
    // Dynamic: does not age, moves with the host, which is reported then.
    client.say(sonic::FDB_ADD)?;
    chassis.wait_entry("installed", mac, |e| {
        e.is_some_and(|e| e.is_static() && e.ifname == SONIC.lag)
    })?;
    chassis.heard("moves", orphan, mac, on(SONIC.orphan))?;
    let record = client.record(mac, RecordOp::Add)?;
    ensure!(record.port == Some(name(SONIC.orphan)?) && record.kind == FdbKind::Dynamic);
    // The client hears where the host is and follows.
    client.set(mac, SONIC.peer_link, FdbKind::Dynamic, RecordOp::Add)?;
    chassis.wait_entry("is put elsewhere", mac, |e| {
        e.is_some_and(|e| e.ifname == SONIC.peer_link)
    })?;
    client.say(sonic::FDB_DELETE)?;
    chassis.wait_entry("is gone", mac, |e| e.is_none())?;
    client.say(sonic::FDB_DELETE)?;

    // Static: stays.
    let fixed = learnable(1);
    client.set(fixed, SONIC.lag, FdbKind::Static, RecordOp::Add)?;
    chassis.wait_entry("is sticky", fixed, |e| {
        e.is_some_and(|e| e.is_static() && e.flags.iter().any(|flag| flag == "sticky"))
    })?;
    chassis.heard("is active", orphan, fixed, |e| !e.inactive)?;
    let found = chassis.entry(fixed)?.context("a static entry")?;
    ensure!(found.ifname == SONIC.lag, "moved to {}", found.ifname);

    // Dynamic local: as if it had been learned here, and reported so.
    let local = learnable(2);
    client.set(local, SONIC.lag, FdbKind::DynamicLocal, RecordOp::Add)?;
    chassis.wait_entry("ages", local, |e| {
        e.is_some_and(|e| e.ifname == SONIC.lag && !e.is_static())
    })?;
    let record = client.record(local, RecordOp::Add)?;
    ensure!(record.port == Some(name(SONIC.lag)?), "{record:?}");

    // What the bridge learns and forgets; its own entry outlives the client's deletion.
    let learned = learnable(3);
    chassis.heard("is learned", host, learned, on(SONIC.lag))?;
    let record = client.record(learned, RecordOp::Add)?;
    ensure!(record.port == Some(name(SONIC.lag)?) && record.kind == FdbKind::Dynamic);
    client.set(learned, SONIC.lag, FdbKind::Dynamic, RecordOp::Delete)?;
    client.set(fixed, SONIC.lag, FdbKind::Static, RecordOp::Delete)?;
    chassis.wait_entry("is not sticky", fixed, |e| e.is_none_or(|e| !e.is_static()))?;
    ensure!(
        chassis.entry(learned)?.is_some(),
        "what was learned is gone"
    );
    let gone = format!("fdb del {learned} dev {} master vlan {VLAN}", SONIC.lag);
    chassis.sw.bridge(&gone)?;
    let record = client.record(learned, RecordOp::Delete)?;
    ensure!(
        record.port.is_none() && record.kind == FdbKind::None,
        "{record:?}"
    );
    Ok(())
}

/// 4.8 to 4.15: there is no `iccpd` of ours to ask.
fn pair_is_shown(chassis: &Chassis, client: &mut Client) -> Result<()> {
    for message in [
        sonic::ROLE_STANDBY,
        sonic::ROLE_ACTIVE,
        sonic::SYSTEM_ID,
        sonic::PEER_SYSTEM_ID,
        sonic::STATE_UP,
        sonic::REMOTE_UP,
        sonic::ISOLATION_SHOWN,
    ] {
        client.say(message)?;
    }
    let system = |last| Some(Mac([2, 0, 0, 0, 0, last]));
    eventually("mclagctl shows the pair", SOON, || {
        let shown = chassis.shown()?;
        let pair = shown.pair.context("no pair")?;
        ensure!(
            pair.domain.get() == 1 && pair.active == Some(true) && pair.up == Some(true),
            "{pair:?}"
        );
        ensure!(
            pair.system_mac == system(1) && pair.peer_system_mac == system(2),
            "{pair:?}"
        );
        let remote: Vec<_> = shown
            .remote_ports
            .iter()
            .map(|p| (p.name.to_string(), p.up))
            .collect();
        ensure!(remote == [(SONIC.lag.to_owned(), true)], "{remote:?}");
        ensure!(shown.clients.len() == 1 && shown.clients[0].speaks == "sonic");
        Ok(())
    })?;
    client.say(sonic::REMOTE_GONE)?;
    client.say(sonic::DELETE_INFO)?;
    eventually("mclagctl shows no pair", SOON, || {
        let shown = chassis.shown()?;
        ensure!(
            shown.pair.is_none() && shown.remote_ports.is_empty(),
            "{shown:?}"
        );
        Ok(())
    })
}

/// Sooner than by the look that syncd takes every 5 s, from the last one on.
fn filter_returns(ctx: &Ctx, chassis: &Chassis, client: &mut Client) -> Result<()> {
    client.say(sonic::ISOLATE)?;
    let is_back = || chassis.wait_filtered("isolated", &[SONIC.lag]);
    is_back()?;
    let mut times = Vec::new();
    for _ in 0..4 {
        chassis.sw.run("nft", &["flush", "ruleset"])?;
        let gone = Instant::now();
        is_back()?;
        times.push(gone.elapsed());
    }
    ctx.measured("a flushed filter is back within", format!("{times:?}"));
    // By that look alone, each but the first would take about 5 s.
    let shortest = times.iter().skip(1).min();
    ensure!(
        shortest < Some(&Duration::from_secs(3)),
        "it took {times:?}"
    );
    client.say(sonic::ISOLATE_NONE)?;
    chassis.wait_filtered("isolated", &[])
}

/// 5.2, 5.3, 5.5.
fn settings_change(chassis: &Chassis, client: &mut Client) -> Result<()> {
    chassis.reload("nonsense = 1\n")?;
    let now = TOLD
        .replace("keepalive = 1", "keepalive = 2")
        .replace("[\"PortChannel1\"]", "[\"PortChannel1\", \"PortChannel2\"]")
        .replace("[\"Vlan100\"]", "[]");
    eventually("syncd complains", SOON, || {
        ensure!(
            chassis
                .syncd
                .log()
                .contains("keeping the previous settings")
        );
        Ok(())
    })?;
    chassis.reload(&now)?;
    let mut heard = Vec::new();
    while heard.len() < 3 {
        match client.message()? {
            ServerMessage::Fdb(_) => {}
            other => heard.push(other),
        }
    }
    let [
        ServerMessage::Domain(domain),
        ServerMessage::Interfaces(ports),
        ServerMessage::UniqueIps(unique),
    ] = heard.as_slice()
    else {
        bail!("{heard:?}")
    };
    ensure!(
        domain.len() == 1
            && domain[0].op == DomainOp::Update
            && domain[0].attributes == DomainAttributes::KEEPALIVE
            && domain[0].keepalive_s == 2,
        "{domain:?}"
    );
    ensure!(
        ports.len() == 1 && ports[0].op == RecordOp::Add && ports[0].port == name("PortChannel2")?
    );
    ensure!(unique.len() == 1 && unique[0].op == RecordOp::Delete);
    Ok(())
}

fn a_legacy_iccpd_of_linux_mclag_drives_syncd(ctx: &mut Ctx) -> Result<()> {
    let names = &LINUX_MCLAG;
    let mut chassis = Chassis::up(ctx, names, "")?;
    let mut client = chassis.connect()?;
    // 6: as such an iccpd does when its session comes up.
    client.say(linux_mclag::LEARNING_OFF)?;
    client.say(linux_mclag::FLUSH)?;
    client.say(linux_mclag::SET_MAC)?;
    chassis.wait_mac(names.lag, Mac([0x44, 0x38, 0x39, 0xff, 0x00, 0x01]))?;
    client.say(linux_mclag::ISOLATE)?;
    chassis.wait_filtered("isolated", &[names.lag])?;
    chassis.wait_learning(names.peer_link, false)?;
    ensure!(
        !chassis.reaches_host(&chassis.peer)?,
        "isolation lets frames through"
    );
    chassis.wait_reaches_host(&chassis.orphan)?;
    client.say(linux_mclag::ISOLATE_NOT)?;
    chassis.wait_filtered("isolated", &[])?;
    chassis.wait_reaches_host(&chassis.peer)?;
    ctx.log("isolation is in force and is lifted");

    let mac = Mac([0, 0x11, 0x22, 0x33, 0x44, 0x55]);
    client.say(linux_mclag::FDB_ADD)?;
    chassis.wait_entry("installed", mac, |e| {
        e.is_some_and(|e| e.is_static() && e.ifname == names.lag)
    })?;
    let [on_lag, elsewhere] = [learnable(1), learnable(2)];
    let learn = || {
        chassis.heard("is learned", &chassis.host, on_lag, |e| {
            e.ifname == names.lag
        })?;
        chassis.heard("is learned", &chassis.orphan, elsewhere, |e| {
            e.ifname == names.orphan
        })
    };
    learn()?;
    let record = client.record(on_lag, RecordOp::Add)?;
    ensure!(record.port == Some(name(names.lag)?) && record.kind == FdbKind::Dynamic);
    client.say(linux_mclag::FLUSH_PORT)?;
    for flushed in [on_lag, mac] {
        chassis.wait_entry("is flushed", flushed, |e| e.is_none())?;
    }
    ensure!(
        chassis.entry(elsewhere)?.is_some(),
        "the other port was flushed, too"
    );
    let record = client.record(on_lag, RecordOp::Delete)?;
    ensure!(
        record.port == Some(name(names.lag)?),
        "a deletion names its port: {record:?}"
    );
    learn()?;
    client.say(linux_mclag::FLUSH)?;
    for mac in [on_lag, elsewhere] {
        chassis.wait_entry("is flushed", mac, |e| e.is_none())?;
    }
    ctx.log("flushed");

    // 4.16: a configured entry is reported as dynamic; without a change nothing is said.
    let fixed = learnable(4);
    let add = format!(
        "fdb add {fixed} dev {} master static vlan {VLAN}",
        names.orphan
    );
    chassis.sw.bridge(&add)?;
    let record = client.record(fixed, RecordOp::Add)?;
    ensure!(record.kind == FdbKind::Dynamic, "{record:?}");
    client.say(linux_mclag::POLL)?;
    let heard = client.frame_within(Duration::from_secs(2))?;
    ensure!(heard.is_none(), "heard {heard:?}");
    let shown = chassis.shown()?;
    ensure!(shown.clients[0].speaks == "linux-mclag" && shown.entries.wanted == 0);
    chassis.syncd.require_running()
}
