//! The bond of a dual-homed host.

use std::time::Duration;

use anyhow::{Result, ensure};
use mclag_proto::addr::Mac;

use crate::kernel;
use crate::mlag::{Mlag, NOTICED, Which};
use crate::scenario::{Ctx, Scenario};
use crate::topology::{Options, Pair, Side, UNTAGGED};
use crate::traffic::{Receiver, Sender, Stream};
use crate::wait::eventually;

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "one_system_mac_makes_one_aggregator",
        about: "Bring up a pair whose bonds have system addresses of their own: the host uses one link only.\n\
                Then give both bonds the same system address, by hand. The host puts both links into one aggregator, and \
                sees that address as its partner.",
        limit: Scenario::LIMIT,
        run: one_system_mac_makes_one_aggregator,
    },
    Scenario {
        name: "a_host_without_lacp_is_served_by_one_chassis",
        about: "The host's bond is in active-backup mode, and uses its link to A. Its port carries data on A alone, held on B, \
                and both orphans reach the host; iccpd of A is killed and returns, and nothing is lost. The link to A is \
                pulled: B serves the host. The bond speaks LACP again: the host uses both links.",
        limit: Duration::from_secs(300),
        run: a_host_without_lacp_is_served_by_one_chassis,
    },
];

const SYSTEM: Mac = Mac([0x02, 0x00, 0x00, 0xcc, 0x00, 0x01]);

fn one_system_mac_makes_one_aggregator(ctx: &mut Ctx) -> Result<()> {
    let pair = Pair::up(ctx, Options::default())?;
    let host = pair.host();

    host.wait_bundled(1)?;
    let aggregators = || -> Result<[u64; 2]> {
        Ok([
            kernel::aggregator_of(&host.ns, "ethA")?,
            kernel::aggregator_of(&host.ns, "ethB")?,
        ])
    };
    let [a, b] = aggregators()?;
    ensure!(
        a != b,
        "two chassis with different addresses are in one aggregator"
    );

    let start = std::time::Instant::now();
    pair.set_system_mac(SYSTEM)?;
    let bond = host.wait_bundled(2)?;
    ctx.measured(
        "both links bundled after",
        format!("{:.1} s", start.elapsed().as_secs_f64()),
    );
    ensure!(bond.partner == SYSTEM, "the partner is {}", bond.partner);
    let [a, b] = aggregators()?;
    ensure!(a == b, "the links are in aggregators {a} and {b}");
    Ok(())
}

/// Which chassis carries data for the host, and that the other one does not.
fn wait_bypass(mlag: &Mlag, by: Side) -> Result<()> {
    let port = mlag.lag.port(1);
    eventually("one chassis carries data without LACP", NOTICED, || {
        let [a, b] = [
            mlag.at(Side::A).interface(&port)?,
            mlag.at(Side::B).interface(&port)?,
        ];
        for (side, half) in Side::BOTH.into_iter().zip([&a, &b]) {
            ensure!(
                (half.bypass, half.held) == (side == by, side != by),
                "not {by} alone: A says {a:?}, B says {b:?}"
            );
        }
        Ok(())
    })
}

fn a_host_without_lacp_is_served_by_one_chassis(ctx: &mut Ctx) -> Result<()> {
    let options = Options::default();
    let port = options.lag.port(1);
    let mut mlag = Mlag::start_with(ctx, options, |settings| {
        settings.with_bypass(std::slice::from_ref(&port))
    })?;
    mlag.wait_synchronised()?;
    mlag.wait_dual()?;

    mlag.host().set_bond_mode("active-backup")?;
    wait_bypass(&mlag, Side::A)?;
    for side in Side::BOTH {
        mlag.orphan(side).wait_reaches(mlag.host(), UNTAGGED)?;
    }

    let (down, up) = (mlag.orphan_b.untagged(), mlag.host().untagged());
    let ear = Receiver::start(&up)?;
    let stream = Stream::between(&down, &up);
    let sender = Sender::start(&down, stream, 200)?;
    ear.wait_for(stream.id, 100)?;
    let iccpd = mlag.daemons(Side::A).daemon(Which::Iccpd);
    iccpd.kill()?;
    iccpd.start()?;
    mlag.wait_synchronised()?;
    wait_bypass(&mlag, Side::A)?;
    let sent = sender.stop()?;
    let heard = ear.hear(&sent)?;
    let summary = heard.of(sent.frames);
    ctx.measured("restart of iccpd on A", summary.to_string());
    ensure!(heard.is_exactly_once(sent.frames), "a restart: {summary}");

    mlag.host().unplug(Side::A)?;
    wait_bypass(&mlag, Side::B)?;
    mlag.orphan_a.wait_reaches(mlag.host(), UNTAGGED)?;
    mlag.host().plug(Side::A)?;

    mlag.host().set_bond_mode("802.3ad")?;
    mlag.host().wait_bundled(2)?;
    mlag.wait_dual()?;
    mlag.orphan_a.wait_reaches(mlag.host(), UNTAGGED)
}
