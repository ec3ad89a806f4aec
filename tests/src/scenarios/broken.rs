//! Scenarios that go wrong on purpose: the lab must tell how each failed, and go on.

use std::fs;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::netns::NetNs;
use crate::scenario::{Ctx, Scenario};
use crate::vm;

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "broken_hangs",
        about: "Waits for ever, with a program of its own running.",
        limit: Duration::from_secs(3),
        run: hangs,
    },
    Scenario {
        name: "broken_crashes",
        about: "Ends its process without a word.",
        limit: Scenario::LIMIT,
        run: |_| std::process::abort(),
    },
    Scenario {
        name: "broken_leaves_things_behind",
        about: "Passes, and leaves a namespace behind.",
        limit: Scenario::LIMIT,
        run: leaves_things_behind,
    },
    Scenario {
        name: "broken_panics_the_kernel",
        about: "Makes the kernel of the virtual machine panic.",
        limit: Scenario::LIMIT,
        run: panics_the_kernel,
    },
    Scenario {
        name: "broken_fails",
        about: "Fails in the ordinary way, after all the others.",
        limit: Scenario::LIMIT,
        run: |ctx| {
            ctx.log("about to fail");
            bail!("two and two make five")
        },
    },
];

fn hangs(ctx: &mut Ctx) -> Result<()> {
    let ns = NetNs::create(&format!("{}hang", ctx.prefix()))?;
    ns.run("sleep", &["infinity"]).map(drop)
}

fn leaves_things_behind(ctx: &mut Ctx) -> Result<()> {
    let ns = NetNs::create(&format!("{}forgotten", ctx.prefix()))?;
    std::mem::forget(ns);
    Ok(())
}

fn panics_the_kernel(_: &mut Ctx) -> Result<()> {
    ensure!(
        vm::is_guest(),
        "this would panic the kernel of a real system"
    );
    fs::write("/proc/sysrq-trigger", "c").context("cannot make the kernel panic")?;
    thread::sleep(Duration::from_secs(60));
    bail!("the kernel did not panic")
}
