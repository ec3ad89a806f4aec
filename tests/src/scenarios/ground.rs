//! What every other scenario stands on: the kernel.

use anyhow::{Result, ensure};

use crate::probe;
use crate::scenario::{Ctx, Scenario};

pub(super) const SCENARIOS: &[Scenario] = &[Scenario {
    name: "kernel_has_what_the_lab_needs",
    about: "Make one of each device that the lab uses, and a table in the bridge family of nftables.\n\
            The kernel accepts all of them.",
    limit: Scenario::LIMIT,
    run: kernel_has_what_the_lab_needs,
}];

fn kernel_has_what_the_lab_needs(_: &mut Ctx) -> Result<()> {
    let missing = probe::missing()?;
    let lines: Vec<_> = missing.iter().map(ToString::to_string).collect();
    ensure!(lines.is_empty(), "{}", lines.join("\n"));
    Ok(())
}
