//! MLAG ports that are teams: `teamd` speaks LACP, and may or may not tell `iccpd` about it.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::time::Duration;

use anyhow::{Result, ensure};

use super::failover::opening;
use super::flows::{Flows, RATE};
use crate::kernel;
use crate::mlag::{Mlag, SYSTEM_MAC};
use crate::scenario::{Ctx, Scenario};
use crate::topology::{Lag, Options, Side, TAGGED, UNTAGGED};
use crate::traffic::{BROADCAST, Receiver, Sender, Stream};
use crate::wait::{SOON, eventually};

pub(super) const SCENARIOS: &[Scenario] = &[Scenario {
    name: "teams_are_mlag_ports_whether_or_not_teamd_may_be_asked",
    about: "The MLAG ports are teams. teamd makes its socket for root alone: A's operator opens it to iccpd, B's does not, \
            and iccpd of B says so once and goes by carrier. The host puts both links into one bundle whose partner is the \
            system MAC; it and the orphans reach each other in both VLANs. Broadcast reaches it exactly once. Its link to A, then \
            that to B, dies and returns under traffic: lost frames are counted, none arrives twice. Both iccpds are killed \
            and return: nothing is lost.",
    limit: Duration::from_secs(180),
    run: teams_are_mlag_ports_whether_or_not_teamd_may_be_asked,
}];

const TEAM: &str = "team1";

fn teams_are_mlag_ports_whether_or_not_teamd_may_be_asked(ctx: &mut Ctx) -> Result<()> {
    let start = std::time::Instant::now();
    let options = Options {
        lag: Lag::Team,
        ..Options::default()
    };
    let mut mlag = Mlag::start(ctx, options)?;
    let socket = mlag.b.teamd_socket(TEAM).metadata()?;
    ctx.measured(
        "teamd's socket",
        format!(
            "owner {}:{}, mode {:o}",
            socket.uid(),
            socket.gid(),
            socket.permissions().mode() & 0o7777
        ),
    );
    mlag.a.open_teamd(TEAM)?;
    mlag.wait_synchronised()?;
    mlag.wait_dual()?;
    mlag.check()?;
    ctx.measured(
        "pair and bundle formed after",
        format!("{:.1} s", start.elapsed().as_secs_f64()),
    );
    is_one_bundle(&mlag)?;
    for (side, vid) in [(Side::A, UNTAGGED), (Side::B, TAGGED)] {
        mlag.host().wait_reaches(mlag.orphan(side), vid)?;
        mlag.orphan(side.peer()).wait_reaches(mlag.host(), vid)?;
    }
    broadcast_is_heard_once(&mlag)?;
    for side in Side::BOTH {
        a_lost_leg_is_replaced(ctx, &mlag, side)?;
    }
    both_iccpds_die_without_a_trace(ctx, &mut mlag)?;
    is_one_bundle(&mlag)?;
    what_teamd_tells_is_known(&mlag)
}

/// Both links of the host are in one aggregator with the pair.
fn is_one_bundle(mlag: &Mlag) -> Result<()> {
    let host = mlag.host();
    let bond = host.bond()?;
    ensure!(
        bond.partner == SYSTEM_MAC,
        "the partner is {}",
        bond.partner
    );
    let a = kernel::aggregator_of(&host.ns, "ethA")?;
    let b = kernel::aggregator_of(&host.ns, "ethB")?;
    ensure!(a == b, "the links are in aggregators {a} and {b}");
    for side in Side::BOTH {
        let address = kernel::link(&mlag.switch(side).ns, TEAM)?.address;
        ensure!(address == SYSTEM_MAC, "the team of {side} has {address}");
        let isolated = mlag.isolated(side)?;
        ensure!(isolated == [TEAM], "isolated on {side}: {isolated:?}");
        let held = mlag.filtered(side, "held")?;
        ensure!(held.is_empty(), "held on {side}: {held:?}");
    }
    Ok(())
}

fn broadcast_is_heard_once(mlag: &Mlag) -> Result<()> {
    let (host, a, b) = (mlag.host(), &mlag.orphan_a, &mlag.orphan_b);
    let at_host = [
        Receiver::start(&host.untagged())?,
        Receiver::start(&host.tagged())?,
    ];
    let at_a = Receiver::start(&a.untagged())?;
    let at_b = Receiver::start(&b.untagged())?;
    let ways = [
        ("orphan of A, untagged", a.untagged(), &at_host[0]),
        ("orphan of B, untagged", b.untagged(), &at_host[0]),
        ("orphan of A, tagged", a.tagged(), &at_host[1]),
        ("orphan of B, tagged", b.tagged(), &at_host[1]),
        ("host through A", host.leg(Side::A), &at_b),
        ("host through B", host.leg(Side::B), &at_a),
    ];
    let mut all = Vec::new();
    for (name, from, ear) in &ways {
        let broadcast = Stream::new(from.mac, BROADCAST);
        all.push((name, ear, Sender::send(from, broadcast, 50, RATE)?));
    }
    for (name, ear, sent) in &all {
        let heard = ear.hear(sent)?;
        let summary = heard.of(sent.frames);
        ensure!(
            heard.is_exactly_once(sent.frames),
            "broadcast from {name}: {summary}"
        );
    }
    for (name, _, sent) in &all[4..] {
        let copies = at_host[0].tally(sent.stream)?.copies();
        ensure!(copies == 0, "broadcast from {name} came back to it");
    }
    Ok(())
}

fn a_lost_leg_is_replaced(ctx: &Ctx, mlag: &Mlag, side: Side) -> Result<()> {
    let (host, orphan) = (mlag.host().untagged(), mlag.orphan(side).untagged());
    let (at_host, at_orphan) = (Receiver::start(&host)?, Receiver::start(&orphan)?);
    for (what, cut) in [("dies", true), ("returns", false)] {
        let (down, up) = (
            Stream::between(&orphan, &host),
            Stream::between(&host, &orphan),
        );
        let flood = Stream::new(orphan.mac, BROADCAST);
        let flows = Flows::start(&[
            ("to the host", down, &orphan, &at_host),
            ("from the host", up, &host, &at_orphan),
            ("broadcast to the host", flood, &orphan, &at_host),
        ])?;
        if cut {
            mlag.host().unplug(side)?;
            mlag.host().wait_bundled(1)?;
            eventually("the peer serves the host", SOON, || {
                let isolated = mlag.isolated(side.peer())?;
                ensure!(isolated.is_empty(), "{isolated:?}");
                Ok(())
            })?;
        } else {
            mlag.host().plug(side)?;
            mlag.wait_dual()?;
        }
        for (way, sent, heard) in flows.stop()? {
            let summary = heard.of(sent.frames);
            let what = format!("the link to {side} {what}, {way}");
            let some_twice = !cut && !mlag.speech.guards_ports();
            ensure!(heard.duplicated == 0 || some_twice, "{what}: {summary}");
            let seconds = if cut { 1 } else { opening(mlag, side) };
            ensure!(
                heard.lost(sent.frames) < u64::from(RATE) * seconds,
                "{what}: {seconds} s or more were lost: {summary}"
            );
            ctx.measured(what, summary);
        }
    }
    Ok(())
}

fn both_iccpds_die_without_a_trace(ctx: &Ctx, mlag: &mut Mlag) -> Result<()> {
    let host = mlag.host().untagged();
    let [a, b] = Side::BOTH.map(|side| mlag.orphan(side).untagged());
    let ear = Receiver::start(&host)?;
    let [from_a, from_b] = [&a, &b].map(|orphan| Stream::new(orphan.mac, BROADCAST));
    let [to_a, to_b] = [&a, &b].map(|orphan| Stream::between(orphan, &host));
    let flows = Flows::start(&[
        ("broadcast from A", from_a, &a, &ear),
        ("broadcast from B", from_b, &b, &ear),
        ("unicast from A", to_a, &a, &ear),
        ("unicast from B", to_b, &b, &ear),
    ])?;
    let state = |mlag: &Mlag, side| {
        let dataplane = mlag.dataplane(side)?;
        Ok::<_, anyhow::Error>((dataplane.isolated, dataplane.ports))
    };
    let before = [state(mlag, Side::A)?, state(mlag, Side::B)?];
    for side in Side::BOTH {
        mlag.daemons(side).iccpd.kill()?;
    }
    flows.wait_for_more(100)?;
    for side in Side::BOTH {
        mlag.daemons(side).iccpd.start()?;
    }
    mlag.wait_synchronised()?;
    mlag.wait_dual()?;
    let after = [state(mlag, Side::A)?, state(mlag, Side::B)?];
    ensure!(
        before == after,
        "the dataplane was {before:?} and is {after:?}"
    );
    for (way, sent, heard) in flows.stop()? {
        let summary = heard.of(sent.frames);
        ensure!(
            heard.is_exactly_once(sent.frames),
            "both iccpds killed, {way}: {summary}"
        );
        ctx.log(format!("both iccpds killed, {way}: {summary}"));
    }
    Ok(())
}

/// A knows the host as the partner, B does not and said why, once in each of its two lives.
fn what_teamd_tells_is_known(mlag: &Mlag) -> Result<()> {
    let host = mlag.host();
    eventually("A knows the partner from teamd", SOON, || {
        let partner = mlag.at(Side::A).interface(TEAM)?.partner;
        ensure!(partner == Some(host.mac), "partner {partner:?}");
        Ok(())
    })?;
    let partner = mlag.at(Side::B).interface(TEAM)?.partner;
    ensure!(partner.is_none(), "B knows partner {partner:?}");
    let log = mlag.at(Side::B).iccpd.log();
    let said = log.matches("teamd does not tell its state").count();
    ensure!(
        said == 2,
        "iccpd of B said {said} times that it may not ask teamd"
    );
    Ok(())
}
