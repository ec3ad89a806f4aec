//! What every other scenario stands on: the kernel, the topology, and the privileges of programs.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};

use crate::daemon::{Account, ICCPD, Program, SYNCD};
use crate::netns;
use crate::probe;
use crate::scenario::{Ctx, Scenario};
use crate::topology::{BRIDGE, Options, Pair, TAGGED, UNTAGGED};
use crate::{kernel, topology};

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "kernel_has_what_the_lab_needs",
        about: "Make one of each device that the lab uses, and a table in the bridge family of nftables.\n\
                The kernel accepts all of them.",
        limit: Scenario::LIMIT,
        run: kernel_has_what_the_lab_needs,
    },
    Scenario {
        name: "topology_comes_up_and_goes_away_completely",
        about: "Bring up a pair with two dual-homed hosts, and drop it.\n\
                The orphan hosts reach each other over the peer link in both VLANs. Afterwards no namespace, no interface \
                and no process is left.",
        limit: Scenario::LIMIT,
        run: topology_comes_up_and_goes_away_completely,
    },
    Scenario {
        name: "daemons_have_no_privilege_but_their_own",
        about: "Start a program with the account of each daemon.\n\
                It runs as that user, with exactly that daemon's capability, and cannot gain another.",
        limit: Scenario::LIMIT,
        run: daemons_have_no_privilege_but_their_own,
    },
];

fn kernel_has_what_the_lab_needs(_: &mut Ctx) -> Result<()> {
    let missing = probe::missing()?;
    let lines: Vec<_> = missing.iter().map(ToString::to_string).collect();
    ensure!(lines.is_empty(), "{}", lines.join("\n"));
    Ok(())
}

fn topology_comes_up_and_goes_away_completely(ctx: &mut Ctx) -> Result<()> {
    let interfaces = || -> Result<BTreeSet<String>> {
        let output = netns::run(std::process::Command::new("ip").args(["-o", "link", "show"]))?;
        Ok(output.lines().map(str::to_owned).collect())
    };
    let before = interfaces()?;

    let pair = Pair::up(ctx, Options::with_hosts(2))?;
    ensure!(
        netns::list(ctx.prefix())?.len() == 6,
        "two chassis and four hosts are six namespaces"
    );
    for host in 1..=2 {
        let port = kernel::link(&pair.a.ns, &topology::bond_name(host))?;
        ensure!(
            port.master.as_deref() == Some(BRIDGE),
            "{} is not in the bridge",
            port.ifname
        );
    }
    for vid in [UNTAGGED, TAGGED] {
        pair.orphan_a.wait_reaches(&pair.orphan_b, vid)?;
    }

    drop(pair);
    let left = netns::list(ctx.prefix())?;
    ensure!(left.is_empty(), "left behind: {}", left.join(", "));
    ensure!(interfaces()? == before, "interfaces were left behind");
    Ok(())
}

fn daemons_have_no_privilege_but_their_own(ctx: &mut Ctx) -> Result<()> {
    let ns = netns::NetNs::create(&format!("{}privileges", ctx.prefix()))?;
    let status_as = |account: Account| -> Result<String> {
        let program = Program {
            path: "/bin/cat".into(),
            args: vec!["/proc/self/status".into()],
            env: Vec::new(),
            account,
            ns: ns.clone(),
            sees: None,
            log: ctx.results().join("status.log"),
        };
        let output = program.output()?;
        ensure!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    };
    // Capability 12 is CAP_NET_ADMIN, 13 is CAP_NET_RAW.
    for (account, capabilities) in [(ICCPD, 1 << 13), (SYNCD, 1 << 12)] {
        let status = status_as(account)?;
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            line.map(str::trim)
                .with_context(|| format!("no {name} in:\n{status}"))
        };
        let uids: Vec<_> = field("Uid:")?.split_whitespace().collect();
        ensure!(
            uids.iter().all(|uid| *uid == account.uid.to_string()),
            "runs as users {uids:?}"
        );
        ensure!(
            field("Groups:")?.is_empty(),
            "is in further groups: {}",
            field("Groups:")?
        );
        for set in ["CapInh:", "CapPrm:", "CapEff:", "CapBnd:", "CapAmb:"] {
            let bits = u64::from_str_radix(field(set)?, 16)?;
            ensure!(
                bits == capabilities,
                "{set} is {bits:#x} for user {}, not {capabilities:#x}",
                account.uid
            );
        }
        ensure!(field("NoNewPrivs:")? == "1", "may gain privileges");
    }
    Ok(())
}
