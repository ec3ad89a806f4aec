//! The demonstration: one story, told to a person in a screenful.

use std::time::Instant;

use anyhow::{Context, Result, ensure};

use crate::kernel;
use crate::mlag::Mlag;
use crate::scenario::{Ctx, Scenario};
use crate::topology::{BRIDGE, Options, Side, TAGGED, UNTAGGED};
use crate::traffic::{NOBODY, Receiver, Sender, Stream, learnable};
use crate::wait::{SOON, eventually};

/// The story. Not among the tests: what it shows is tested there piece by piece.
pub const SCENARIO: Scenario = Scenario {
    name: "demo",
    about: "A pair comes up, a host bundles its links to both chassis, addresses are shared, a link dies and comes back.",
    limit: Scenario::LIMIT,
    run: tell,
};

const PICTURE: &str = "
     oA                               oB        oA, oB    hosts with one link
      │                                │        swA, swB  the two chassis: a bridge,
   ┌──┴──┐         peerlink         ┌──┴──┐               iccpd and syncd on each
   │ swA ╞══════════════════════════╡ swB │     h1        a host with an LACP bond,
   └──┬──┘                          └──┬──┘               one leg to each chassis
      └──────── bond1 ┐   ┌ bond1 ─────┘
                     ┌┴───┴┐
                     │ h1  │
                     └─────┘
";

/// Frames a second under which a link is cut.
const RATE: u32 = 500;
/// Frames that pass before the next thing happens.
const PLENTY: u64 = 300;

fn tell(ctx: &mut Ctx) -> Result<()> {
    ctx.log(PICTURE);
    let start = Instant::now();
    let mlag = Mlag::up(ctx, Options::default())?;
    let (host, orphan) = (mlag.host(), &mlag.orphan_a);
    let bond = host.bond()?;
    ctx.log(format!(
        "1. Pair up, LACP bundle formed, {:.0} s after the first daemon started: h1 uses {} of 2 links, partner {}.",
        start.elapsed().as_secs_f64(),
        bond.ports,
        bond.partner
    ));

    for vid in [UNTAGGED, TAGGED] {
        host.wait_reaches(orphan, vid)?;
        host.wait_reaches(&mlag.orphan_b, vid)?;
    }
    ctx.log("   h1 reaches oA and oB, untagged and tagged.");

    let mac = learnable(1);
    Sender::send(&host.leg(Side::A), Stream::new(mac, NOBODY), 1, RATE)?;
    let entry = eventually("B knows the address", SOON, || {
        kernel::fdb_entry(&mlag.b.ns, BRIDGE, mac, UNTAGGED.get())?.context("not yet")
    })?;
    ctx.log(format!(
        "2. Addresses synchronised: {mac}, heard by swA alone, is on {} of swB.",
        entry.ifname
    ));

    let (from, to) = (orphan.untagged(), host.untagged());
    let ear = Receiver::start(&to)?;
    for (what, cut) in [
        ("3. Link h1-swA cut", true),
        ("4. Link h1-swA healed", false),
    ] {
        let stream = Stream::between(&from, &to);
        let sender = Sender::start(&from, stream, RATE)?;
        let before = ear.wait_for(stream.id, PLENTY)?.received;
        if cut {
            host.unplug(Side::A)?;
            host.wait_bundled(1)?;
        } else {
            host.plug(Side::A)?;
            mlag.wait_dual()?;
        }
        ear.wait_for(stream.id, before + PLENTY)?;
        let sent = sender.stop()?;
        let heard = ear.hear(&sent)?;
        ensure!(
            heard.received > 0,
            "nothing arrived: {}",
            heard.of(sent.frames)
        );
        ctx.log(format!(
            "{what} under {RATE} frames/s from oA to h1: {} lost, {} twice, of {}.",
            heard.lost(sent.frames),
            heard.duplicated,
            sent.frames
        ));
    }

    for side in Side::BOTH {
        ctx.log(format!("\nsw{side}# mclagctl status"));
        ctx.log(mlag.at(side).ctl(&["status"])?.trim_end());
    }
    ctx.log(
        "\nThis pair is gone now. For one that stays, with a prompt in each chassis and host:\n\
         target/lab/mclag-lab up, then target/lab/mclag-lab shell swA, and in the end target/lab/mclag-lab down",
    );
    Ok(())
}
