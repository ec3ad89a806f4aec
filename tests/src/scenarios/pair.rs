//! A pair at rest: it forms, hosts bundle their links, everybody reaches everybody.

use std::thread;

use anyhow::{Result, ensure};

use crate::daemon::{ICCPD, SYNCD};
use crate::kernel;
use crate::mlag::{Mlag, SYSTEM_MAC};
use crate::scenario::{Ctx, Scenario};
use crate::speech::Iccp;
use crate::topology::{Host, Options, Side, TAGGED, UNTAGGED};
use crate::wait::{SOON, eventually};

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "a_pair_forms_and_a_host_bundles_both_links",
        about: "Start iccpd and syncd on both chassis, iccpd without any capability and syncd with CAP_NET_ADMIN \
                alone. The host's bond puts both links into one aggregator and sees the pair's system MAC as its \
                partner. Each chassis calls the port dual and isolated. The same once root has started both daemons of B \
                by hand, which become their users then.",
        limit: Scenario::LIMIT,
        run: a_pair_forms_and_a_host_bundles_both_links,
    },
    Scenario {
        name: "everybody_reaches_everybody_in_both_vlans",
        about: "Two dual-homed hosts and an orphan on each chassis ping each other, in VLAN 10 untagged and in VLAN 20 \
                tagged.",
        limit: Scenario::LIMIT,
        run: everybody_reaches_everybody_in_both_vlans,
    },
];

const CAP_NET_ADMIN: u64 = 1 << 12;

fn a_pair_forms_and_a_host_bundles_both_links(ctx: &mut Ctx) -> Result<()> {
    let start = std::time::Instant::now();
    let mut mlag = Mlag::up(ctx, Options::default())?;
    ctx.measured(
        "pair and bundle formed after",
        format!("{:.1} s", start.elapsed().as_secs_f64()),
    );
    is_formed(&mlag)?;
    let daemons = mlag.daemons(Side::B);
    for (daemon, account) in [(&mut daemons.syncd, SYNCD), (&mut daemons.iccpd, ICCPD)] {
        daemon.kill()?;
        daemon.start_by_root()?;
        eventually("it is its user", SOON, || {
            daemon.require_running()?;
            let users = daemon.users()?;
            ensure!(users == [account.uid; 4], "it runs as {users:?}");
            Ok(())
        })?;
    }
    mlag.wait_synchronised()?;
    mlag.wait_dual()?;
    is_formed(&mlag)
}

/// Every host has one bundle with the pair, and both chassis agree on what they see and do.
pub(super) fn is_formed(mlag: &Mlag) -> Result<()> {
    for host in &mlag.hosts {
        let bond = host.bond()?;
        ensure!(
            bond.partner == SYSTEM_MAC,
            "the partner is {}",
            bond.partner
        );
        let a = kernel::aggregator_of(&host.ns, "ethA")?;
        let b = kernel::aggregator_of(&host.ns, "ethB")?;
        ensure!(a == b, "the links are in aggregators {a} and {b}");
    }
    let ports = mlag.mlag_ports();
    for side in Side::BOTH {
        let daemons = mlag.at(side);
        ensure!(
            daemons.iccpd.capabilities()? == 0,
            "iccpd holds a capability"
        );
        let of_syncd = daemons.syncd.capabilities()?;
        ensure!(
            of_syncd == CAP_NET_ADMIN,
            "syncd holds capabilities {of_syncd:#x}"
        );
        ensure!(
            mlag.isolated(side)? == ports,
            "isolated: {:?}",
            mlag.isolated(side)?
        );
        let status = daemons.status()?;
        ensure!(
            status.ports_dual == ports.len() && status.warnings.is_empty(),
            "{status:?}"
        );
        ensure!(status.system_mac == Some(SYSTEM_MAC), "{status:?}");
        ensure!(status.syncd.failed_operations == 0, "{:?}", status.syncd);
        // linux-mclag has no words for it.
        ensure!(
            daemons.peer()?.software.is_some() == (mlag.speech.iccp != Iccp::LinuxMclag),
            "the peer announced itself as {:?}",
            daemons.peer()?.software
        );
    }
    let roles = [
        mlag.at(Side::A).status()?.role,
        mlag.at(Side::B).status()?.role,
    ];
    ensure!(roles[0] != roles[1], "both have role {:?}", roles[0]);
    Ok(())
}

fn everybody_reaches_everybody_in_both_vlans(ctx: &mut Ctx) -> Result<()> {
    everybody_reaches_everybody(&Mlag::up(ctx, Options::with_hosts(2))?)
}

pub(super) fn everybody_reaches_everybody(mlag: &Mlag) -> Result<()> {
    let reaches_the_others = |from: &Host| {
        for to in mlag.all_hosts().filter(|to| to.name != from.name) {
            for vid in [UNTAGGED, TAGGED] {
                from.wait_reaches(to, vid)?;
            }
        }
        Ok(())
    };
    // All at once: a ping waits most of its time.
    thread::scope(|scope| {
        let hosts = mlag.all_hosts();
        let pinging: Vec<_> = hosts
            .map(|from| scope.spawn(move || reaches_the_others(from)))
            .collect();
        pinging.into_iter().try_for_each(|one| {
            let joined = one.join();
            joined.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    })
}
