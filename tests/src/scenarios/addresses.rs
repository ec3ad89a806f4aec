//! Addresses: both chassis know where a host is, and forget it together.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::kernel;
use crate::mlag::Mlag;
use crate::scenario::{Ctx, Scenario};
use crate::speech::Protocol;
use crate::topology::{BRIDGE, ORPHAN_PORT, Options, PEER_LINK, Side, UNTAGGED};
use crate::traffic::{NOBODY, Port, Sender, Stream, learnable};
use crate::wait::{SOON, eventually, holds_for};
use mclag_proto::addr::Mac;

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "a_host_seen_by_one_chassis_is_known_to_both",
        about: "A dual-homed host sends through its leg to A alone: B has its address on the same bond. An orphan of A \
                sends: B has its address behind the peer link.",
        limit: Scenario::LIMIT,
        run: a_host_seen_by_one_chassis_is_known_to_both,
    },
    Scenario {
        name: "an_address_stays_while_either_chassis_sees_the_host",
        about: "With a short ageing time, a host sends through its leg to A only: its address stays on both chassis, \
                far longer than the ageing time. It changes to the other leg: still there. It falls silent: both \
                chassis forget it.",
        limit: Duration::from_secs(240),
        run: an_address_stays_while_either_chassis_sees_the_host,
    },
    Scenario {
        name: "a_moving_host_is_followed",
        about: "The same address appears behind the orphan port of A, then of B, then on the MLAG port, then behind A \
                again. After its first frame in each place both chassis forward to it there.",
        limit: Scenario::LIMIT,
        run: a_moving_host_is_followed,
    },
];

pub(super) fn place(mlag: &Mlag, side: Side, mac: Mac) -> Result<Option<String>> {
    let entry = kernel::fdb_entry(&mlag.switch(side).ns, BRIDGE, mac, UNTAGGED.get())?;
    Ok(entry.map(|entry| entry.ifname))
}

pub(super) fn wait_place(mlag: &Mlag, side: Side, mac: Mac, port: Option<&str>) -> Result<()> {
    let what = format!("chassis {side} has {mac} on {port:?}");
    eventually(&what, SOON, || {
        let found = place(mlag, side, mac)?;
        ensure!(found.as_deref() == port, "it is on {found:?}");
        Ok(())
    })
}

/// Wait until both chassis have the same addresses: on the same MLAG port, or behind an orphan port of the one that is
/// behind the peer link of the other, if those are exchanged.
pub(super) fn wait_synchronised(mlag: &Mlag) -> Result<()> {
    let table = |side| -> Result<BTreeMap<_, _>> {
        let entries = kernel::fdb(&mlag.switch(side).ns, BRIDGE)?.into_iter();
        let orphans = mlag.speech.iccp.knows_orphans();
        let is_told =
            |entry: &kernel::FdbEntry| orphans || mlag.mlag_ports().contains(&entry.ifname);
        let hosts =
            entries.filter(|entry| entry.vlan.is_some() && !entry.is_permanent() && is_told(entry));
        Ok(hosts
            .map(|entry| ((entry.vlan, entry.mac), entry.ifname))
            .collect())
    };
    let beyond = |port: String| match port.as_str() {
        PEER_LINK => ORPHAN_PORT.to_owned(),
        ORPHAN_PORT => PEER_LINK.to_owned(),
        _ => port,
    };
    eventually("the chassis have the same addresses", SOON, || {
        let (a, b) = (table(Side::A)?, table(Side::B)?);
        let as_of_b: BTreeMap<_, _> = b
            .into_iter()
            .map(|(key, port)| (key, beyond(port)))
            .collect();
        ensure!(a == as_of_b, "A has {a:?}\nB has {as_of_b:?}");
        Ok(())
    })
}

/// Send one frame from an address to nobody.
pub(super) fn speak(port: &Port, mac: Mac) -> Result<()> {
    Sender::send(port, Stream::new(mac, NOBODY), 1, 1000).map(drop)
}

fn a_host_seen_by_one_chassis_is_known_to_both(ctx: &mut Ctx) -> Result<()> {
    a_host_is_known_to_both(&Mlag::up(ctx, Options::default())?)
}

pub(super) fn a_host_is_known_to_both(mlag: &Mlag) -> Result<()> {
    let mac = learnable(1);
    speak(&mlag.host().leg(Side::A), mac)?;
    wait_place(mlag, Side::A, mac, Some("bond1"))?;
    wait_place(mlag, Side::B, mac, Some("bond1"))?;
    let line = mlag
        .at(Side::B)
        .macs()?
        .into_iter()
        .find(|line| line.mac == mac);
    let line = line.context("mclagctl does not show the address")?;
    ensure!(line.local.is_none() && line.remote.is_some(), "{line:?}");

    let mac = learnable(2);
    speak(&mlag.orphan_a.untagged(), mac)?;
    wait_place(mlag, Side::A, mac, Some(ORPHAN_PORT))?;
    wait_place(mlag, Side::B, mac, behind_peer_link(mlag))
}

/// Where one chassis has an address behind an orphan port of the other: nowhere if nobody tells it.
pub(super) fn behind_peer_link(mlag: &Mlag) -> Option<&'static str> {
    mlag.speech.iccp.knows_orphans().then_some(PEER_LINK)
}

/// How long a host that changed its leg may be unknown to one of them.
///
/// What a linux-mclag server was told is not news when it is asked, every 5 s, for what changed
/// (`spec/mclagsyncd-protocol.md` 4.16): that the other chassis hears the host is found out when the entry is gone.
pub(super) fn may_be_unknown(mlag: &Mlag) -> Duration {
    let is_asked = |side| mlag.speech.protocol(side) == Protocol::LinuxMclag;
    if Side::BOTH.into_iter().any(is_asked) {
        Duration::from_secs(10)
    } else {
        Duration::ZERO
    }
}

const AGEING: Duration = Duration::from_secs(10);

fn an_address_stays_while_either_chassis_sees_the_host(ctx: &mut Ctx) -> Result<()> {
    let options = Options {
        ageing: AGEING,
        ..Options::default()
    };
    let mlag = Mlag::up(ctx, options)?;
    let mac = learnable(1);
    let both_know = || -> Result<()> {
        for side in Side::BOTH {
            let found = place(&mlag, side, mac)?;
            ensure!(
                found.as_deref() == Some("bond1"),
                "chassis {side} has it on {found:?}"
            );
        }
        Ok(())
    };
    for side in Side::BOTH {
        let sender = Sender::start(&mlag.host().leg(side), Stream::new(mac, NOBODY), 5)?;
        eventually("both chassis know the host", SOON, both_know)?;
        let (mut known, patience) = (Instant::now(), may_be_unknown(&mlag));
        holds_for("both chassis know the host", AGEING * 3, || {
            match both_know() {
                Ok(()) => known = Instant::now(),
                Err(_) if known.elapsed() < patience => {}
                Err(error) => return Err(error),
            }
            Ok(())
        })?;
        let lines = mlag.at(side.peer()).macs()?;
        let line = lines
            .iter()
            .find(|line| line.mac == mac)
            .context("the address is gone")?;
        ensure!(
            line.local.is_none(),
            "the other chassis still claims to see it: {line:?}"
        );
        sender.stop()?;
    }
    for side in Side::BOTH {
        wait_place(&mlag, side, mac, None)?;
    }
    let left = mlag
        .at(Side::A)
        .macs()?
        .into_iter()
        .find(|line| line.mac == mac);
    ensure!(left.is_none(), "mclagctl still shows {left:?}");
    Ok(())
}

fn a_moving_host_is_followed(ctx: &mut Ctx) -> Result<()> {
    let mut options = Options::default();
    if !ctx.speech().iccp.knows_orphans() {
        // Where a host went that moved to an orphan port of the other chassis is not told: it has to be forgotten.
        options.ageing = AGEING;
    }
    a_host_moves(&Mlag::up(ctx, options)?)
}

pub(super) fn a_host_moves(mlag: &Mlag) -> Result<()> {
    let mac = learnable(3);
    let there = behind_peer_link(mlag);
    let orphan = |side| (mlag.orphan(side).untagged(), side, ORPHAN_PORT, there);
    let bond = |side| (mlag.host().leg(side), side, "bond1", Some("bond1"));
    let way = [
        orphan(Side::A),
        orphan(Side::B),
        bond(Side::A),
        orphan(Side::A),
        bond(Side::B),
        orphan(Side::B),
    ];
    for (port, side, here, there) in way {
        speak(&port, mac)?;
        wait_place(mlag, side, mac, Some(here))?;
        wait_place(mlag, side.peer(), mac, there)?;
    }
    Ok(())
}
