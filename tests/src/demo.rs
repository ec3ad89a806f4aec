//! The demonstration: one story, told to a person.

use anyhow::Result;

use crate::scenario::{Ctx, Scenario};

/// The story. Not among the tests: what it shows is tested there piece by piece.
pub const SCENARIO: Scenario = Scenario {
    name: "demo",
    about: "A pair comes up, a host bundles its links to both chassis, a link dies and comes back.",
    limit: Scenario::LIMIT,
    run: tell,
};

fn tell(ctx: &mut Ctx) -> Result<()> {
    ctx.log("hello");
    Ok(())
}
