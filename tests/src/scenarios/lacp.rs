//! The bond of a dual-homed host.

use anyhow::{Result, ensure};
use mclag_proto::addr::Mac;

use crate::kernel;
use crate::scenario::{Ctx, Scenario};
use crate::topology::{Options, Pair};

pub(super) const SCENARIOS: &[Scenario] = &[Scenario {
    name: "one_system_mac_makes_one_aggregator",
    about: "Bring up a pair whose bonds have system addresses of their own: the host uses one link only.\n\
            Then give both bonds the same system address, by hand. The host puts both links into one aggregator, and \
            sees that address as its partner.",
    limit: Scenario::LIMIT,
    run: one_system_mac_makes_one_aggregator,
}];

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
