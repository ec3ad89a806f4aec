//! Daemons die and return under traffic.

use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::mlag::{Mlag, Which};
use crate::scenario::{Ctx, Scenario};
use crate::topology::{Options, Side, UNTAGGED};
use crate::traffic::{BROADCAST, NOBODY, Receiver, Sender, Stream, learnable};
use crate::wait::{SOON, eventually};

pub(super) const SCENARIOS: &[Scenario] = &[Scenario {
    name: "killing_any_daemon_leaves_no_trace",
    about: "Under broadcast and unicast, kill each of the four daemons with SIGKILL, alone, then both of a chassis, then \
            all four. While they are gone and while they return nothing is lost, nothing arrives twice, and the dataplane \
            afterwards is the one from before.",
    limit: Duration::from_secs(600),
    run: killing_any_daemon_leaves_no_trace,
}];

const RATE: u32 = 200;
/// Frames that pass while the victims are gone.
const GONE: u64 = 300;

fn killing_any_daemon_leaves_no_trace(ctx: &mut Ctx) -> Result<()> {
    let mut mlag = Mlag::up(ctx, Options::default())?;
    let host = mlag.host().untagged();
    let orphans = Side::BOTH.map(|side| mlag.orphan(side).untagged());
    // Addresses of every sort: seen by A, by B, behind an orphan port of each.
    for (index, port) in [
        mlag.host().leg(Side::A),
        mlag.host().leg(Side::B),
        orphans[0].clone(),
        orphans[1].clone(),
    ]
    .iter()
    .enumerate()
    {
        let mac = learnable(u32::try_from(index)?);
        Sender::send(port, Stream::new(mac, NOBODY), 1, 1000)?;
    }
    for side in Side::BOTH {
        mlag.host().wait_reaches(mlag.orphan(side), UNTAGGED)?;
        mlag.orphan(side)
            .wait_reaches(mlag.orphan(side.peer()), UNTAGGED)?;
    }
    let before = settled(&mlag)?;

    let one = |side, which| vec![(side, which)];
    let mut rounds: Vec<(String, Vec<(Side, Which)>)> = Vec::new();
    for side in Side::BOTH {
        for which in Which::BOTH {
            rounds.push((format!("{which:?} of {side}"), one(side, which)));
        }
        let both = Which::BOTH.map(|which| (side, which)).to_vec();
        rounds.push((format!("both of {side}"), both));
    }
    let all = rounds
        .iter()
        .take(6)
        .filter(|(_, v)| v.len() == 1)
        .flat_map(|(_, v)| v.clone());
    rounds.push(("all four".into(), all.collect()));

    for (name, victims) in rounds {
        let ear = Receiver::start(&host)?;
        let mut flows = Vec::new();
        for orphan in &orphans {
            for stream in [
                Stream::new(orphan.mac, BROADCAST),
                Stream::between(orphan, &host),
            ] {
                flows.push((stream, Sender::start(orphan, stream, RATE)?));
            }
        }
        for (stream, _) in &flows {
            ear.wait_for(stream.id, 20)?;
        }
        for (side, which) in &victims {
            mlag.daemons(*side).daemon(*which).kill()?;
        }
        for (stream, _) in &flows {
            let seen = ear.tally(stream.id)?.received;
            ear.wait_for(stream.id, seen + GONE)?;
        }
        for (side, which) in &victims {
            mlag.daemons(*side).daemon(*which).start()?;
        }
        mlag.wait_in_step()
            .with_context(|| format!("after killing {name}"))?;
        mlag.wait_dual()
            .with_context(|| format!("after killing {name}"))?;
        for (stream, _) in &flows {
            let seen = ear.tally(stream.id)?.received;
            ear.wait_for(stream.id, seen + GONE / 3)?;
        }
        for (_, sender) in flows {
            let sent = sender.stop()?;
            let heard = ear.hear(&sent)?;
            let summary = heard.of(sent.frames);
            ensure!(
                heard.is_exactly_once(sent.frames),
                "{name} killed: {summary}"
            );
        }
        ctx.log(format!(
            "{name} killed and back: nothing lost, nothing twice"
        ));
        eventually("the dataplane is the one from before", SOON, || {
            let after = settled(&mlag)?;
            ensure!(after == before, "{name}: {after:#?}\nbefore: {before:#?}");
            Ok(())
        })?;
    }
    mlag.check()
}

fn settled(mlag: &Mlag) -> Result<[crate::mlag::Dataplane; 2]> {
    Ok([mlag.dataplane(Side::A)?, mlag.dataplane(Side::B)?])
}
