//! Bridges that run the kernel's spanning tree.

use std::time::Duration;

use anyhow::{Result, ensure};

use super::flows::{Flows, RATE};
use crate::kernel;
use crate::mlag::Mlag;
use crate::scenario::{Ctx, Scenario};
use crate::topology::{BRIDGE, Options, Side, UNTAGGED};
use crate::traffic::{BROADCAST, Receiver, Stream};
use crate::wait::{SOON, eventually};

pub(super) const SCENARIOS: &[Scenario] = &[Scenario {
    name: "a_leg_that_returns_with_spanning_tree_is_used_when_it_forwards",
    about: "Both bridges run spanning tree, with a forward delay of 4 s. The host's link to A dies and returns, under \
            traffic between the host and both orphans, both ways, and broadcast. The host stays with its link to B until the \
            bridge of A forwards for the port; no direction is without service for as long as a forward delay, and \
            nothing arrives twice.",
    limit: Duration::from_secs(300),
    run: a_leg_that_returns_with_spanning_tree_is_used_when_it_forwards,
}];

/// Seconds in each of the states of a bridge port before it forwards.
const FORWARD_DELAY: u32 = 4;

fn a_leg_that_returns_with_spanning_tree_is_used_when_it_forwards(ctx: &mut Ctx) -> Result<()> {
    // By the address of the orphan alone, so that the host uses both legs.
    let options = Options {
        hash: "layer2",
        ..Options::default()
    };
    let mlag = Mlag::up(ctx, options)?;
    let (host, bond) = (mlag.host(), mlag.lag.port(1));
    for side in Side::BOTH {
        // The kernel's unit is 10 ms.
        mlag.switch(side).ns.ip(&format!(
            "link set {BRIDGE} type bridge stp_state 1 forward_delay {}",
            FORWARD_DELAY * 100
        ))?;
    }
    mlag.wait_dual()?;
    for side in Side::BOTH {
        mlag.orphan(side).wait_reaches(host, UNTAGGED)?;
    }

    host.unplug(Side::A)?;
    eventually("A sees its port down", SOON, || {
        let status = mlag.at(Side::A).status()?;
        ensure!(status.ports_peer_only == 1, "{status:?}");
        Ok(())
    })?;
    for side in Side::BOTH {
        mlag.orphan(side).wait_reaches(host, UNTAGGED)?;
    }

    let up = host.untagged();
    let [a, b] = Side::BOTH.map(|side| mlag.orphan(side).untagged());
    let at_host = Receiver::start(&up)?;
    let (at_a, at_b) = (Receiver::start(&a)?, Receiver::start(&b)?);
    let broadcast = Stream::new(b.mac, BROADCAST);
    let flows = Flows::start(&[
        (
            "A's orphan to the host",
            Stream::between(&a, &up),
            &a,
            &at_host,
        ),
        (
            "B's orphan to the host",
            Stream::between(&b, &up),
            &b,
            &at_host,
        ),
        (
            "the host to A's orphan",
            Stream::between(&up, &a),
            &up,
            &at_a,
        ),
        (
            "the host to B's orphan",
            Stream::between(&up, &b),
            &up,
            &at_b,
        ),
        ("B's orphan to all", broadcast, &b, &at_host),
    ])?;
    let started = std::time::Instant::now();
    host.plug(Side::A)?;
    eventually(
        "the bridge of A waits to forward for the port",
        SOON,
        || {
            let state = kernel::bridge_port(&mlag.switch(Side::A).ns, &bond)?.state;
            ensure!(state == "listening" || state == "learning", "it is {state}");
            Ok(())
        },
    )?;
    mlag.wait_dual()?;
    let after = started.elapsed().as_secs_f64();
    ctx.measured("the leg is used again after", format!("{after:.1} s"));
    for (name, sent, heard) in flows.stop()? {
        let summary = heard.of(sent.frames);
        ctx.measured(name, heard.of(sent.frames));
        ensure!(heard.duplicated == 0, "{name}: {summary}");
        let limit = u64::from(RATE * FORWARD_DELAY / 2);
        ensure!(
            heard.lost(sent.frames) < limit,
            "{name}: {limit} or more were lost: {summary}"
        );
    }
    Ok(())
}
