//! Every flooded frame reaches a dual-homed host exactly once.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::mlag::Mlag;
use crate::scenario::{Ctx, Scenario};
use crate::topology::{Options, Side};
use crate::traffic::{BROADCAST, MULTICAST, NOBODY, Receiver, Sender, Stream};
use crate::wait::{SOON, eventually};

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "flooded_frames_reach_a_dual_homed_host_exactly_once",
        about: "Send broadcast, multicast and unknown unicast from each orphan and from a second dual-homed host \
                through either of its legs, in both VLANs. The dual-homed host counts every copy: one each. The sender \
                never hears itself.",
        limit: Duration::from_secs(240),
        run: flooded_frames_reach_a_dual_homed_host_exactly_once,
    },
    Scenario {
        name: "no_frame_is_delivered_twice_during_a_hundred_flaps",
        about: "Broadcast, multicast and unknown unicast flow from the orphans to a dual-homed host while its links flap a \
                hundred times, ten times to one chassis, then ten times to the other. A few frames may be lost at the moment of a flap; none arrives \
                twice, and none comes back to its sender.",
        limit: Duration::from_secs(600),
        run: no_frame_is_delivered_twice_during_a_hundred_flaps,
    },
];

const FRAMES: u32 = 200;
const RATE: u32 = 1000;
/// Rounds of flaps, each on one leg; in between both legs come back.
const ROUNDS: usize = 10;
/// Flaps in a round.
const FLAPS: usize = 10;
/// Slow enough for an emulated machine to keep up with while links flap.
const FLAP_RATE: u32 = 150;

fn flooded_frames_reach_a_dual_homed_host_exactly_once(ctx: &mut Ctx) -> Result<()> {
    let mlag = Mlag::up(ctx, Options::with_hosts(2))?;
    let (target, other) = (&mlag.hosts[0], &mlag.hosts[1]);
    let untagged = Receiver::start(&target.untagged())?;
    let tagged = Receiver::start(&target.tagged())?;
    let senders = [
        (
            "orphan of A",
            &mlag.orphan_a,
            mlag.orphan_a.untagged(),
            mlag.orphan_a.tagged(),
        ),
        (
            "orphan of B",
            &mlag.orphan_b,
            mlag.orphan_b.untagged(),
            mlag.orphan_b.tagged(),
        ),
        ("second host", other, other.untagged(), other.tagged()),
        // Whichever leg the bond's hash chooses, each must do.
        (
            "second host through A",
            other,
            other.leg(Side::A),
            other.leg(Side::A),
        ),
        (
            "second host through B",
            other,
            other.leg(Side::B),
            other.leg(Side::B),
        ),
    ];
    for (name, host, plain, in_vlan) in &senders {
        let own = Receiver::start(&host.untagged())?;
        for (what, to) in [
            ("broadcast", BROADCAST),
            ("multicast", MULTICAST),
            ("unknown", NOBODY),
        ] {
            let stream = Stream::new(host.mac, to);
            let sent = Sender::send(plain, stream, FRAMES, RATE)?;
            once(&format!("{what} from {name}, untagged"), &untagged, &sent)?;
            ensure!(
                own.tally(sent.stream)?.copies() == 0,
                "{what} came back to the {name}"
            );
            if in_vlan.dev != plain.dev {
                let sent = Sender::send(in_vlan, Stream::new(host.mac, to), FRAMES, RATE)?;
                once(&format!("{what} from {name}, tagged"), &tagged, &sent)?;
            }
        }
    }
    Ok(())
}

fn once(what: &str, ear: &Receiver, sent: &crate::traffic::Sent) -> Result<()> {
    let heard = ear.hear(sent)?;
    ensure!(
        heard.is_exactly_once(sent.frames),
        "{what}: {}",
        heard.of(sent.frames)
    );
    Ok(())
}

fn no_frame_is_delivered_twice_during_a_hundred_flaps(ctx: &mut Ctx) -> Result<()> {
    let mut mlag = Mlag::up(ctx, Options::default())?;
    let ear = Receiver::start(&mlag.host().untagged())?;
    let own = [
        Receiver::start(&mlag.orphan_a.untagged())?,
        Receiver::start(&mlag.orphan_b.untagged())?,
    ];
    let flood = |side: Side, what, to| {
        let host = mlag.orphan(side);
        let stream = Stream::new(host.mac, to);
        let sender = Sender::start(&host.untagged(), stream, FLAP_RATE)?;
        Ok::<_, anyhow::Error>((side, what, stream, sender))
    };
    let senders = [
        flood(Side::A, "broadcast", BROADCAST)?,
        flood(Side::B, "broadcast", BROADCAST)?,
        flood(Side::A, "multicast", MULTICAST)?,
        flood(Side::B, "unknown unicast", NOBODY)?,
    ];
    let start = Instant::now();
    for round in 0..ROUNDS {
        let side = Side::BOTH[round % 2];
        for flap in 0..FLAPS {
            mlag.host().unplug(side)?;
            // Every third time for so long that the other chassis has taken over for good.
            if flap % 3 == 0 {
                eventually("the peer no longer isolates its port", SOON, || {
                    let isolated = mlag.isolated(side.peer())?;
                    ensure!(isolated.is_empty(), "{isolated:?}");
                    Ok(())
                })?;
            }
            mlag.host().plug(side)?;
        }
        mlag.wait_dual()
            .with_context(|| format!("after round {round}"))?;
    }
    ctx.measured(
        "100 flaps took",
        format!("{:.0} s", start.elapsed().as_secs_f64()),
    );
    mlag.check()?;
    for (side, what, stream, sender) in senders {
        let before = ear.tally(stream.id)?.received;
        ear.wait_for(stream.id, before + 50)?;
        let sent = sender.stop()?;
        let heard = ear.hear(&sent)?;
        ctx.measured(format!("{what} of orphan {side}"), heard.of(sent.frames));
        ensure!(heard.duplicated == 0, "{}", heard.of(sent.frames));
        // One leg is always there.
        ensure!(
            heard.lost(sent.frames) < sent.frames / 10,
            "{}",
            heard.of(sent.frames)
        );
        ensure!(
            own[side as usize].tally(sent.stream)?.copies() == 0,
            "came back to its sender"
        );
    }
    Ok(())
}
