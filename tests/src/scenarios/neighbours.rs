//! Neighbours: what one chassis resolves both know.

use anyhow::{Context, Result, ensure};
use mclag_proto::addr::Mac;

use crate::gateway::{self, SHARED};
use crate::mlag::Mlag;
use crate::scenario::{Ctx, Scenario};
use crate::speech::{Protocol, Speech};
use crate::topology::{ORPHAN_PORT, Options, Side, UNTAGGED};

pub(super) const SCENARIOS: &[Scenario] = &[Scenario {
    name: "a_neighbour_of_one_chassis_is_known_to_both",
    about: "Both chassis route VLAN 10 with the same addresses of both layers. Each resolves its orphan, whose answer no other \
            hears: the other chassis has the neighbour, too. Each resolves a dual-homed host, whose answer takes one leg \
            whoever asked: both have it. What the kernel of one gives up, the other forgets.",
    limit: Scenario::LIMIT,
    run: a_neighbour_of_one_chassis_is_known_to_both,
}];

/// The address of layer 2 that both chassis route with.
const GATEWAY: Mac = Mac([0x02, 0x00, 0x00, 0xdd, 0x00, 0x01]);

fn a_neighbour_of_one_chassis_is_known_to_both(ctx: &mut Ctx) -> Result<()> {
    // A server of version 1 writes no neighbours, whatever the chassis speak to each other.
    let options = Options {
        speech: Some(Speech::both(ctx.speech().iccp, Protocol::V2)),
        ..Options::default()
    };
    let mut mlag = Mlag::up(ctx, options)?;
    for side in Side::BOTH {
        gateway::add(mlag.switch(side), UNTAGGED, SHARED, Some(GATEWAY))?;
    }
    for side in Side::BOTH {
        let orphan = mlag.orphan(side);
        gateway::wait_reaches(mlag.switch(side), orphan.ip(UNTAGGED))?;
        is_known_to_both(&mlag, orphan)?;
        let there = mlag.at(side.peer()).neighbours()?;
        let line = there
            .iter()
            .find(|line| line.address == orphan.ip(UNTAGGED));
        let line = line.context("mclagctl does not show the neighbour")?;
        ensure!(
            line.remote && !line.local && line.installed && line.mac == orphan.mac,
            "{line:?}"
        );
    }
    ctx.log("orphans are known to both");

    // Its answers take one leg. The chassis that asks may not be the one that hears.
    for side in Side::BOTH {
        let host = mlag.host();
        let target = host.ip(UNTAGGED).to_string();
        let arping = mlag
            .switch(side)
            .ns
            .run("ping", &["-c", "1", "-W", "1", &target]);
        ctx.log(format!(
            "chassis {side} {} {target}",
            if arping.is_ok() {
                "reached"
            } else {
                "did not hear from"
            }
        ));
        is_known_to_both(&mlag, host)?;
    }

    // The kernel gives up a neighbour that does not answer; here it is told to.
    mlag.a.unplug(ORPHAN_PORT)?;
    mlag.a.ns.ip(&format!(
        "neigh del {} dev {}",
        mlag.orphan_a.ip(UNTAGGED),
        gateway::device(UNTAGGED)
    ))?;
    for side in Side::BOTH {
        let gone = mlag.orphan_a.ip(UNTAGGED);
        gateway::wait_neighbour(mlag.switch(side), UNTAGGED, gone, None)?;
    }
    mlag.check()
}

fn is_known_to_both(mlag: &Mlag, host: &crate::topology::Host) -> Result<()> {
    for side in Side::BOTH {
        let address = host.ip(UNTAGGED);
        gateway::wait_neighbour(mlag.switch(side), UNTAGGED, address, Some(host.mac))
            .with_context(|| format!("neighbour {}", host.name))?;
    }
    Ok(())
}
