//! Every flooded frame reaches a dual-homed host exactly once.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::failover::opening;
use crate::mlag::Mlag;
use crate::scenario::{Ctx, Scenario};
use crate::topology::{Host, Options, Side};
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
        about: "Broadcast, multicast and unknown unicast flow from the orphans to five dual-homed hosts while their links flap a \
                hundred times, ten times to one chassis, then ten times to the other; at the same time that of one host to A and \
                that of the next to B. A few frames may be lost at the moment of a flap; none arrives twice, and none comes back \
                to its sender.",
        limit: Duration::from_secs(600),
        run: no_frame_is_delivered_twice_during_a_hundred_flaps,
    },
];

/// That one, for as long as it is asked to.
pub(super) const ON_REQUEST: &[Scenario] = &[Scenario {
    name: "no_frame_is_delivered_twice_during_any_number_of_flaps",
    about: "As during a hundred flaps, in MCLAG_LAB_COUNT rounds of fifty.",
    limit: Duration::from_secs(24 * 3600),
    run: no_frame_is_delivered_twice_during_any_number_of_flaps,
}];

const FRAMES: u32 = 200;
const RATE: u32 = 1000;
/// Hosts whose links flap at once: a round takes about as long as with one.
const FLAPPING: u8 = 5;
/// Rounds of flaps, each on one leg of each host; in between all legs come back.
const ROUNDS: usize = 2;
/// Flaps of a host in a round.
const FLAPS: usize = 10;
/// How long a cable is out at least, and in: bonds look at their members every 50 ms.
const FLAP: Duration = Duration::from_millis(250);
/// Slow enough for an emulated machine to keep up with while links flap.
const FLAP_RATE: u32 = 60;

fn flooded_frames_reach_a_dual_homed_host_exactly_once(ctx: &mut Ctx) -> Result<()> {
    flooded_frames_arrive_once(&Mlag::up(ctx, Options::with_hosts(2))?)
}

/// Each of two hosts is sent everything that is flooded exactly once.
pub(super) fn flooded_frames_arrive_once(mlag: &Mlag) -> Result<()> {
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
    // All are sent one after the other before the first is judged: each judgement waits for a silence.
    let mut all = Vec::new();
    for (name, host, plain, in_vlan) in &senders {
        let own = Arc::new(Receiver::start(&host.untagged())?);
        for (what, to) in [
            ("broadcast", BROADCAST),
            ("multicast", MULTICAST),
            ("unknown", NOBODY),
        ] {
            let sent = Sender::send(plain, Stream::new(host.mac, to), FRAMES, RATE)?;
            let own = Arc::clone(&own);
            all.push((
                format!("{what} from {name}, untagged"),
                &untagged,
                sent,
                own,
            ));
            if in_vlan.dev != plain.dev {
                let own = Arc::new(Receiver::start(in_vlan)?);
                let sent = Sender::send(in_vlan, Stream::new(host.mac, to), FRAMES, RATE)?;
                all.push((format!("{what} from {name}, tagged"), &tagged, sent, own));
            }
        }
    }
    for (what, ear, sent, own) in all {
        let heard = ear.hear(&sent)?;
        let summary = heard.of(sent.frames);
        ensure!(heard.is_exactly_once(sent.frames), "{what}: {summary}");
        let copies = own.tally(sent.stream)?.copies();
        ensure!(copies == 0, "{what}: {copies} copies came back");
    }
    Ok(())
}

fn no_frame_is_delivered_twice_during_a_hundred_flaps(ctx: &mut Ctx) -> Result<()> {
    let mut mlag = Mlag::up(ctx, Options::with_hosts(FLAPPING))?;
    the_hosts_flap(ctx, &mut mlag, FLAPPING.into(), ROUNDS, FLAPS)
}

fn no_frame_is_delivered_twice_during_any_number_of_flaps(ctx: &mut Ctx) -> Result<()> {
    let rounds = usize::try_from(ctx.draw().count)?;
    let mut mlag = Mlag::up(ctx, Options::with_hosts(FLAPPING))?;
    the_hosts_flap(ctx, &mut mlag, FLAPPING.into(), rounds, FLAPS)
}

/// Flap the links of the first hosts under floods, in rounds of so many flaps of one leg of each.
///
/// None arrives twice where the dialects have words for it; otherwise what did is told.
pub(super) fn the_hosts_flap(
    ctx: &Ctx,
    mlag: &mut Mlag,
    hosts: usize,
    rounds: usize,
    flaps: usize,
) -> Result<()> {
    let ears = mlag.hosts[..hosts]
        .iter()
        .map(|host| Receiver::start(&host.untagged()));
    let ears = ears.collect::<Result<Vec<_>>>()?;
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
    for round in 0..rounds {
        let legs = (round..).zip(&mlag.hosts[..hosts]);
        let legs: Vec<_> = legs.map(|(at, host)| (Side::BOTH[at % 2], host)).collect();
        for flap in 0..flaps {
            for (side, host) in &legs {
                host.unplug(*side)?;
            }
            // Every third time for so long that the other chassis has taken over for good.
            if flap % 3 == 0 {
                wait_taken_over(mlag, &legs)?;
            } else {
                thread::sleep(FLAP);
            }
            for (side, host) in &legs {
                host.plug(*side)?;
            }
            thread::sleep(FLAP);
        }
        mlag.wait_dual()
            .with_context(|| format!("after round {round}"))?;
    }
    ctx.measured(
        format!("{} flaps took", rounds * flaps * ears.len()),
        format!("{:.0} s", start.elapsed().as_secs_f64()),
    );
    mlag.check()?;
    for (side, what, stream, sender) in senders {
        for ear in &ears {
            let before = ear.tally(stream.id)?.received;
            ear.wait_for(stream.id, before + 50)?;
        }
        let sent = sender.stop()?;
        for (ear, number) in ears.iter().zip(1..) {
            let heard = ear.hear(&sent)?;
            let summary = heard.of(sent.frames);
            ctx.measured(format!("{what} of orphan {side} to host {number}"), summary);
            // Without somebody to hold the port, it opens at the word of the bond.
            let is_guarded = mlag.speech.guards_ports();
            ensure!(
                heard.duplicated == 0 || (!is_guarded && heard.duplicated < sent.frames / 10),
                "{summary}"
            );
            // One leg is always there, if each that returns is served soon.
            let waits = Side::BOTH.into_iter().any(|side| opening(mlag, side) > 1);
            ensure!(
                heard.lost(sent.frames) < sent.frames / if waits { 3 } else { 10 },
                "{summary}"
            );
        }
        ensure!(
            own[side as usize].tally(sent.stream)?.copies() == 0,
            "came back to its sender"
        );
    }
    Ok(())
}

/// Wait until the other leg of each of these hosts carries everything.
fn wait_taken_over(mlag: &Mlag, legs: &[(Side, &Host)]) -> Result<()> {
    for chassis in Side::BOTH {
        let lost = (1..).zip(legs).filter(|(_, (side, _))| *side != chassis);
        let ports: Vec<_> = lost.map(|(number, _)| mlag.lag.port(number)).collect();
        eventually("the peer no longer isolates its ports", SOON, || {
            let isolated = mlag.isolated(chassis)?;
            ensure!(
                !ports.iter().any(|port| isolated.contains(port)),
                "{isolated:?}"
            );
            Ok(())
        })?;
    }
    Ok(())
}
