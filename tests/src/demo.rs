//! The demonstration: one story, told to a person in a screenful.

use anyhow::Result;
use mclag_proto::addr::Mac;

use crate::scenario::{Ctx, Scenario};
use crate::topology::{Options, Pair, Side, TAGGED, UNTAGGED};
use crate::traffic::{Receiver, Sender, Stream};

/// The story. Not among the tests: what it shows is tested there piece by piece.
pub const SCENARIO: Scenario = Scenario {
    name: "demo",
    about: "A pair comes up, a host bundles its links to both chassis, a link dies and comes back.",
    limit: Scenario::LIMIT,
    run: tell,
};

const PICTURE: &str = "
     oA                               oB        oA, oB    hosts with one link
      │                                │        swA, swB  the two chassis
   ┌──┴──┐         peerlink         ┌──┴──┐     h1        a host with an LACP bond,
   │ swA ╞══════════════════════════╡ swB │               one leg to each chassis
   └──┬──┘                          └──┬──┘
      └──────── bond1 ┐   ┌ bond1 ─────┘
                     ┌┴───┴┐
                     │ h1  │
                     └─────┘
";

const SYSTEM: Mac = Mac([0x02, 0x00, 0x00, 0xcc, 0x00, 0x01]);

/// Frames a second under which a link is cut.
const RATE: u32 = 500;
/// Frames that pass before the next thing happens.
const PLENTY: u64 = 500;

fn tell(ctx: &mut Ctx) -> Result<()> {
    ctx.log(PICTURE);
    let pair = Pair::up(ctx, Options::default())?;
    let (host, orphan) = (pair.host(), &pair.orphan_a);
    ctx.log("Two chassis, cabled. No daemon runs yet: each bond speaks LACP with an address of its own.");
    let bond = host.wait_bundled(1)?;
    ctx.log(format!(
        "  h1 uses {} of 2 links, partner {}",
        bond.ports, bond.partner
    ));

    pair.set_system_mac(SYSTEM)?;
    let bond = host.wait_bundled(2)?;
    ctx.log("Both bonds now have one LACP system address.");
    ctx.log(format!(
        "  h1 uses {} of 2 links, partner {}",
        bond.ports, bond.partner
    ));

    for vid in [UNTAGGED, TAGGED] {
        orphan.wait_reaches(&pair.orphan_b, vid)?;
    }
    ctx.log("  oA reaches oB over the peer link, in VLANs 10 and 20");

    // The bond of h1 sends to one orphan host over one leg and to the other over the other: the cut meets one of them.
    pair.wait_lacp()?;
    let from = host.untagged();
    let targets = [&pair.orphan_a, &pair.orphan_b];
    let ears = targets.map(|target| Receiver::start(&target.untagged()));
    let ears = ears.into_iter().collect::<Result<Vec<_>>>()?;
    let streams = targets.map(|target| Stream::between(&from, &target.untagged()));
    let senders = streams.map(|stream| Sender::start(&from, stream, RATE));
    let senders = senders.into_iter().collect::<Result<Vec<_>>>()?;
    let some_time = || -> Result<()> {
        for (ear, stream) in ears.iter().zip(streams) {
            let before = ear.tally(stream.id)?.received;
            ear.wait_for(stream.id, before + PLENTY)?;
        }
        Ok(())
    };
    some_time()?;
    host.unplug(Side::A)?;
    host.wait_bundled(1)?;
    some_time()?;
    host.plug(Side::A)?;
    pair.wait_lacp()?;
    some_time()?;
    ctx.log(format!("The link h1–swA was cut and healed under {RATE} frames a second from h1 to each orphan host."));
    for ((ear, sender), target) in ears.iter().zip(senders).zip(targets) {
        let sent = sender.stop()?;
        let heard = ear.hear(&sent)?;
        ctx.log(format!("  to {}: {}", target.name, heard.of(sent.frames)));
    }
    Ok(())
}
