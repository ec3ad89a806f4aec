//! A host with a static LAG: nobody speaks LACP.

use std::time::Duration;

use anyhow::{Result, ensure};
use mclag_proto::LagKind;
use mclag_proto::ctl::Conflict;

use super::flows::{Flows, RATE};
use crate::mlag::{Mlag, NOTICED, Settings, Which};
use crate::scenario::{Ctx, Scenario};
use crate::speech::Protocol;
use crate::topology::{Options, Pair, Side};
use crate::traffic::{BROADCAST, Receiver, Stream};
use crate::wait::eventually;
use Ways::{BothWays, ToHost};

pub(super) const SCENARIOS: &[Scenario] = &[Scenario {
    name: "a_host_with_a_static_lag_is_served_by_both_chassis",
    about: "The bonds of the host and of both chassis are static (balance-xor). B has its own declared to speak LACP: it is \
            held, and status names it; A serves the host. Declared static as on A, both serve it. The link to A blinks; the port \
            of A gets another name and its own back, which no LACP makes a host notice: nothing arrives twice, and what is \
            lost is counted. Nothing is lost when iccpd of A starts anew in between.",
    limit: Duration::from_secs(120),
    run: a_host_with_a_static_lag_is_served_by_both_chassis,
}];

const MODE: &str = "balance-xor";
/// What the port of A is called for a while.
const OTHER: &str = "other1";

fn a_host_with_a_static_lag_is_served_by_both_chassis(ctx: &mut Ctx) -> Result<()> {
    let net = Pair::up(ctx, Options::default())?;
    net.host().set_bond_mode(MODE)?;
    for side in Side::BOTH {
        net.switch(side).set_bond_mode(1, MODE)?;
    }
    let (ports, speech) = (net.mlag_ports(), ctx.speech());
    let [port] = &ports[..] else {
        unreachable!("one host has one port");
    };
    let settings = |side, kind| Settings::of(ctx, side, &ports, speech).with_kind(&ports, kind);
    let mut mlag = Mlag::start_on(ctx, net, |side| match side {
        Side::A => settings(side, LagKind::Static),
        Side::B => settings(side, LagKind::Lacp),
    })?;
    mlag.wait_synchronised()?;
    b_is_held_and_named(&mlag, port)?;
    let at_rest = |_: &mut Mlag| Ok(());
    // A host with a static LAG goes on sending into a port that is held.
    passes(ctx, &mut mlag, "B held", ToHost, Duration::ZERO, at_rest)?;

    let now = settings(Side::B, LagKind::Static);
    mlag.at(Side::B).reload(&now)?;
    mlag.wait_ports_dual()?;
    passes(
        ctx,
        &mut mlag,
        "both serve",
        BothWays,
        Duration::ZERO,
        at_rest,
    )?;
    let second = Duration::from_secs(1);
    passes(
        ctx,
        &mut mlag,
        "the link to A blinks",
        BothWays,
        second,
        |mlag| {
            mlag.host().unplug(Side::A)?;
            mlag.host().plug(Side::A)?;
            mlag.wait_ports_dual()
        },
    )?;
    for (before, now) in [(&port[..], OTHER), (OTHER, &port[..])] {
        let what = format!("{before} of A is called {now}");
        // The host sees no carrier go, and sends on into the leg: as long as the port is down, and held until B has agreed.
        passes(ctx, &mut mlag, &what, BothWays, 2 * second, |mlag| {
            gets_another_name(mlag, before, now)?;
            mlag.wait_ports_dual()?;
            let status = mlag.at(Side::A).ctl(&["status"])?;
            let warning = format!("port {port} is called {OTHER} by the kernel");
            ensure!(status.contains(&warning) == (now == OTHER), "{status}");
            Ok(())
        })?;
        // Who speaks another version is told no names.
        if now == OTHER && speech.protocol(Side::A) == Protocol::V2 {
            let what = "iccpd of A starts anew meanwhile";
            passes(ctx, &mut mlag, what, BothWays, Duration::ZERO, |mlag| {
                let iccpd = mlag.daemons(Side::A).daemon(Which::Iccpd);
                iccpd.kill()?;
                iccpd.start()?;
                mlag.wait_synchronised()?;
                mlag.wait_ports_dual()
            })?;
        }
    }
    Ok(())
}

/// Kernels before 6.2 rename only what is down. Up again it carries data when the filter has its name: what passes before, on
/// a kernel that needs no such pause, is a matter of milliseconds.
fn gets_another_name(mlag: &Mlag, before: &str, now: &str) -> Result<()> {
    let ns = &mlag.switch(Side::A).ns;
    ns.ip(&format!(
        "link set {before} down\nlink set {before} name {now}"
    ))?;
    eventually("the filter has the other name", NOTICED, || {
        let isolated = mlag.isolated(Side::A)?;
        ensure!(isolated == [now], "isolated: {isolated:?}");
        Ok(())
    })?;
    ns.ip(&format!("link set {now} up"))
}

fn b_is_held_and_named(mlag: &Mlag, port: &str) -> Result<()> {
    eventually("B holds what was declared otherwise", NOTICED, || {
        let ours = mlag.at(Side::B).interface(port)?;
        let declared = LagKind::Lacp;
        let is_named = ours.conflicts.contains(&Conflict::Kind { declared });
        ensure!(ours.held && is_named, "{ours:?}");
        ensure!(mlag.filtered(Side::B, "held")? == [port], "not filtered");
        let status = mlag.at(Side::B).ctl(&["status"])?;
        let words = "declared lacp, and does not speak LACP";
        ensure!(status.contains(words), "{status}");
        Ok(())
    })
}

/// Where frames go meanwhile.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Ways {
    ToHost,
    BothWays,
}

/// Under floods and unicast, of which nothing arrives twice and no more is lost than in that time.
fn passes(
    ctx: &Ctx,
    mlag: &mut Mlag,
    what: &str,
    ways: Ways,
    lost_for: Duration,
    happens: impl FnOnce(&mut Mlag) -> Result<()>,
) -> Result<()> {
    let host = mlag.host().untagged();
    let [a, b] = Side::BOTH.map(|side| mlag.orphan(side).untagged());
    let (at_host, at_a, at_b) = (
        Receiver::start(&host)?,
        Receiver::start(&a)?,
        Receiver::start(&b)?,
    );
    let flows = [
        (
            "broadcast from A",
            Stream::new(a.mac, BROADCAST),
            &a,
            &at_host,
        ),
        (
            "broadcast from B",
            Stream::new(b.mac, BROADCAST),
            &b,
            &at_host,
        ),
        ("A to host", Stream::between(&a, &host), &a, &at_host),
        ("B to host", Stream::between(&b, &host), &b, &at_host),
        ("host to A", Stream::between(&host, &a), &host, &at_a),
        ("host to B", Stream::between(&host, &b), &host, &at_b),
    ];
    let flows = match ways {
        ToHost => &flows[..4],
        BothWays => &flows[..],
    };
    let flows = Flows::start(flows)?;
    happens(mlag)?;
    for (way, sent, heard) in flows.stop()? {
        let summary = heard.of(sent.frames);
        ctx.measured(format!("{what}, {way}"), summary);
        let lost = heard.lost(sent.frames) * 1000 / u64::from(RATE);
        let is_short = u128::from(lost) <= lost_for.as_millis();
        ensure!(
            heard.duplicated == 0 && is_short,
            "{what}, {way}: {summary}"
        );
    }
    Ok(())
}
