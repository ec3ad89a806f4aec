//! Daemons die and return under traffic.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};

use super::addresses;
use super::flows::Flows;
use crate::mlag::{Mlag, Settings, Which};
use crate::scenario::{Ctx, Scenario};
use crate::speech::{Iccp, Protocol, Speech};
use crate::topology::{Host, Options, Side, UNTAGGED};
use crate::traffic::{BROADCAST, NOBODY, Receiver, Sender, Stream, learnable};
use crate::wait::{SOON, eventually, holds_for};
use mclag_proto::ctl::SessionState;
use nix::sys::signal::Signal;

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "killing_any_daemon_leaves_no_trace",
        about: "Under broadcast and unicast, kill each of the four daemons with SIGKILL, alone, then both of a chassis, then \
            all four. While they are gone and while they return nothing is lost, nothing arrives twice, and the dataplane \
            afterwards is the one from before.",
        limit: Duration::from_secs(600),
        run: killing_any_daemon_leaves_no_trace,
    },
    Scenario {
        name: "a_link_that_blinks_while_daemons_restart_costs_the_others_nothing",
        about: "Under broadcast and unicast to a host, the cable of another host to A is pulled out and put in all the \
                time, while syncd of A is killed and returns, then both daemons, of which iccpd returns long after syncd. \
                To the first host nothing is lost and nothing arrives twice, and the ports are the ones from before.",
        limit: Duration::from_secs(400),
        run: a_link_that_blinks_while_daemons_restart_costs_the_others_nothing,
    },
    Scenario {
        name: "a_daemon_that_stood_still_holds_no_port_that_is_up_again",
        about: "iccpd of A stands still (SIGSTOP), then both daemons of A, while the host's cable to A is pulled out and put in \
                and LACP agrees again. Under broadcast and unicast to the host they go on (SIGCONT), with all that has \
                happened still to be read: nothing is lost and nothing arrives twice.",
        limit: Duration::from_secs(240),
        run: a_daemon_that_stood_still_holds_no_port_that_is_up_again,
    },
    Scenario {
        name: "a_chassis_that_leaves_the_pair_doubles_no_frame",
        about: "Under broadcast and unicast, both ways, A leaves the pair (on-stop = \"leave\"): the host leaves A's link for B's, and \
                nothing arrives twice nor comes back; what is lost is counted. A joins again, and nothing is lost any more.",
        limit: Duration::from_secs(120),
        run: a_chassis_that_leaves_the_pair_doubles_no_frame,
    },
    Scenario {
        name: "a_warm_reboot_is_not_noticed",
        about: "Both chassis are told to do at a loss of the session what SONiC does. Under broadcast and unicast, both ways, \
                iccpd of A is told that its chassis reboots warm and ends, and syncd of A stops. For 20 s nothing changes on \
                either chassis. The daemons return, and nothing was lost and nothing arrived twice. Without a word B lifts its \
                isolation.",
        limit: Duration::from_secs(240),
        run: |ctx| a_chassis_reboots_warm(ctx, Side::A, ctx.speech()),
    },
    Scenario {
        name: "a_warm_reboot_is_not_noticed_in_the_dialects_of_sonic",
        about: "The same with ICCP fixed to sonic. B reboots, whose daemons speak version 1 of sonic.",
        limit: Duration::from_secs(240),
        run: |ctx| {
            let speech = Speech {
                iccp: Iccp::Sonic,
                a: Protocol::V2,
                b: Protocol::Sonic,
            };
            a_chassis_reboots_warm(ctx, Side::B, speech)
        },
    },
];

const RATE: u32 = 200;
/// Frames that pass while the victims are gone.
const GONE: u64 = 300;

fn killing_any_daemon_leaves_no_trace(ctx: &mut Ctx) -> Result<()> {
    let mut mlag = Mlag::up(ctx, Options::default())?;
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
        they_die_and_return(ctx, &mut mlag, &name, &victims)?;
        eventually("the dataplane is the one from before", SOON, || {
            let after = settled(&mlag)?;
            ensure!(after == before, "{name}: {after:#?}\nbefore: {before:#?}");
            Ok(())
        })?;
    }
    mlag.check()
}

/// Kill these daemons and start them again, under traffic from the orphans to the first host that is neither lost nor
/// doubled.
pub(super) fn they_die_and_return(
    ctx: &Ctx,
    mlag: &mut Mlag,
    name: &str,
    victims: &[(Side, Which)],
) -> Result<()> {
    nothing_is_lost(ctx, mlag, &format!("{name} killed"), |mlag, traffic| {
        for (side, which) in victims {
            mlag.daemons(*side).daemon(*which).kill()?;
        }
        traffic.passes(GONE)?;
        for (side, which) in victims {
            mlag.daemons(*side).daemon(*which).start()?;
        }
        mlag.wait_synchronised()?;
        mlag.wait_dual()?;
        traffic.passes(GONE / 3)
    })
}

/// Traffic under way from the orphans to the first host.
struct Traffic {
    ear: Receiver,
    flows: Vec<(Stream, Sender)>,
}

impl Traffic {
    /// Wait until so many more frames of each sort have arrived.
    fn passes(&self, frames: u64) -> Result<()> {
        for (stream, _) in &self.flows {
            let seen = self.ear.tally(stream.id)?.received;
            self.ear.wait_for(stream.id, seen + frames)?;
        }
        Ok(())
    }
}

/// Tell a story under traffic from the orphans to the first host that is neither lost nor doubled.
fn nothing_is_lost(
    ctx: &Ctx,
    mlag: &mut Mlag,
    name: &str,
    story: impl FnOnce(&mut Mlag, &Traffic) -> Result<()>,
) -> Result<()> {
    let host = mlag.host().untagged();
    let orphans = Side::BOTH.map(|side| mlag.orphan(side).untagged());
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
    let traffic = Traffic { ear, flows };
    traffic.passes(20)?;
    story(mlag, &traffic).with_context(|| name.to_owned())?;
    let Traffic { ear, flows } = traffic;
    for (_, sender) in flows {
        let sent = sender.stop()?;
        let heard = ear.hear(&sent)?;
        let summary = heard.of(sent.frames);
        ensure!(heard.is_exactly_once(sent.frames), "{name}: {summary}");
    }
    ctx.log(format!("{name}: nothing lost, nothing twice"));
    Ok(())
}

/// A cable that is pulled out and put in again, over and over.
struct Blinking {
    stop: Arc<AtomicBool>,
    blinks: JoinHandle<Result<u32>>,
}

impl Blinking {
    fn start(host: &Host, side: Side) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let leg = host.leg(side);
        let blinks = std::thread::spawn(move || {
            let mut blinks = 0;
            while !stopped.load(Ordering::Relaxed) {
                for state in ["down", "up"] {
                    leg.ns.ip(&format!("link set {} {state}", leg.dev))?;
                }
                blinks += 1;
            }
            Ok(blinks)
        });
        Self { stop, blinks }
    }

    /// Leave the cable in. Answers how often it was out.
    fn stop(self) -> Result<u32> {
        self.stop.store(true, Ordering::Relaxed);
        let blinks = self.blinks.join();
        blinks.map_err(|_| anyhow!("the thread that moves the cable is gone"))?
    }
}

fn a_link_that_blinks_while_daemons_restart_costs_the_others_nothing(ctx: &mut Ctx) -> Result<()> {
    let mut mlag = Mlag::up(ctx, Options::with_hosts(2))?;
    mlag.host().wait_reaches(&mlag.orphan_a, UNTAGGED)?;
    mlag.host().wait_reaches(&mlag.orphan_b, UNTAGGED)?;
    let systems =
        |mlag: &Mlag| -> Result<_> { Ok(settled(mlag)?.map(|dataplane| dataplane.ports)) };
    let before = systems(&mlag)?;
    for (name, is_alone) in [
        ("syncd of A is killed and back", false),
        (
            "both of A are killed, and syncd is back long before iccpd",
            true,
        ),
    ] {
        nothing_is_lost(ctx, &mut mlag, name, |mlag, traffic| {
            let cable = Blinking::start(&mlag.hosts[1], Side::A);
            if is_alone {
                mlag.daemons(Side::A).iccpd.kill()?;
            }
            mlag.daemons(Side::A).syncd.kill()?;
            traffic.passes(GONE)?;
            mlag.daemons(Side::A).syncd.start()?;
            traffic.passes(GONE)?;
            if is_alone {
                mlag.daemons(Side::A).iccpd.start()?;
            }
            mlag.wait_synchronised()?;
            let blinks = cable.stop()?;
            ctx.measured(format!("{name}, the cable of another host was out"), blinks);
            mlag.wait_dual()?;
            traffic.passes(GONE / 3)
        })?;
        eventually("the ports are the ones from before", SOON, || {
            let after = systems(&mlag)?;
            ensure!(after == before, "{name}: {after:#?}\nbefore: {before:#?}");
            Ok(())
        })?;
    }
    mlag.check()
}

fn a_daemon_that_stood_still_holds_no_port_that_is_up_again(ctx: &mut Ctx) -> Result<()> {
    let mut mlag = Mlag::up(ctx, Options::default())?;
    for (name, frozen) in [
        ("iccpd of A goes on", &Which::BOTH[..1]),
        ("both of A go on", &Which::BOTH[..]),
    ] {
        let send = |mlag: &mut Mlag, signal| {
            let mut daemons = frozen.iter();
            daemons.try_for_each(|which| mlag.daemons(Side::A).daemon(*which).signal(signal))
        };
        send(&mut mlag, Signal::SIGSTOP)?;
        mlag.host().unplug(Side::A)?;
        mlag.host().wait_bundled(1)?;
        mlag.host().plug(Side::A)?;
        mlag.host().wait_bundled(2)?;
        for side in Side::BOTH {
            mlag.host().wait_reaches(mlag.orphan(side), UNTAGGED)?;
        }
        nothing_is_lost(ctx, &mut mlag, name, |mlag, traffic| {
            send(mlag, Signal::SIGCONT)?;
            traffic.passes(GONE)?;
            mlag.wait_synchronised()?;
            mlag.wait_dual()
        })?;
    }
    mlag.check()
}

fn a_chassis_that_leaves_the_pair_doubles_no_frame(ctx: &mut Ctx) -> Result<()> {
    let mut mlag = Mlag::start_with(ctx, Options::default(), Settings::leaving)?;
    mlag.wait_synchronised()?;
    mlag.wait_dual()?;
    let host = mlag.host().untagged();
    let [a, b] = Side::BOTH.map(|side| mlag.orphan(side).untagged());
    let [at_host, at_b] = [Receiver::start(&host)?, Receiver::start(&b)?];
    let [from_host, from_a, from_b] = [&host, &a, &b].map(|port| Stream::new(port.mac, BROADCAST));
    let flows = Flows::start(&[
        ("broadcast from A", from_a, &a, &at_host),
        ("broadcast from B", from_b, &b, &at_host),
        ("broadcast from the host", from_host, &host, &at_b),
        ("unicast from A", Stream::between(&a, &host), &a, &at_host),
        ("unicast to B", Stream::between(&host, &b), &host, &at_b),
    ])?;
    let status = mlag.daemons(Side::A).iccpd.stop(SOON)?;
    ensure!(status.success(), "iccpd of A: {status}");
    eventually("A has given up all that it did", SOON, || {
        let legs = mlag.host().bond()?.ports;
        ensure!(legs == 1, "the host uses {legs} links");
        let (isolated, held) = (mlag.isolated(Side::A)?, mlag.filtered(Side::A, "held")?);
        ensure!(
            isolated.is_empty() && held.is_empty(),
            "{isolated:?} {held:?}"
        );
        Ok(())
    })?;
    let flows = flows.stop()?;
    let echoes = at_host.tally(from_host.id)?.received;
    ensure!(echoes == 0, "{echoes} frames of the host came back to it");
    for (name, sent, heard) in flows {
        let summary = heard.of(sent.frames);
        ensure!(heard.duplicated == 0, "{name}: {summary}");
        ctx.measured(format!("A leaves, {name}"), summary);
    }
    mlag.daemons(Side::A).iccpd.start()?;
    mlag.wait_synchronised()?;
    mlag.wait_dual()?;
    mlag.check()
}

/// Shorter than the 90 s that a peer has for it (`spec/behaviour.md` 14.2), and longer than anything takes.
const AWAY: Duration = Duration::from_secs(20);

/// The chassis on `side` reboots warm, of a pair that does at a loss of the session what SONiC does.
fn a_chassis_reboots_warm(ctx: &Ctx, side: Side, speech: Speech) -> Result<()> {
    ensure!(
        speech.iccp.knows_warm_reboots(),
        "{:?} has no word for a warm reboot",
        speech.iccp
    );
    let options = Options {
        speech: Some(speech),
        ..Options::default()
    };
    let mut mlag = Mlag::start_with(ctx, options, Settings::strict)?;
    mlag.wait_synchronised()?;
    mlag.wait_dual()?;
    let host = mlag.host().untagged();
    let [a, b] = Side::BOTH.map(|side| mlag.orphan(side).untagged());
    let [at_host, at_a, at_b] = [
        Receiver::start(&host)?,
        Receiver::start(&a)?,
        Receiver::start(&b)?,
    ];
    let [from_a, from_b] = [&a, &b].map(|orphan| Stream::new(orphan.mac, BROADCAST));
    let [a_to_host, b_to_host] = [&a, &b].map(|orphan| Stream::between(orphan, &host));
    let [host_to_a, host_to_b] = [&a, &b].map(|orphan| Stream::between(&host, orphan));
    let flows = Flows::start(&[
        ("broadcast from A", from_a, &a, &at_host),
        ("broadcast from B", from_b, &b, &at_host),
        ("unicast from A", a_to_host, &a, &at_host),
        ("unicast from B", b_to_host, &b, &at_host),
        ("unicast to A", host_to_a, &host, &at_a),
        ("unicast to B", host_to_b, &host, &at_b),
    ])?;
    addresses::wait_synchronised(&mlag)?;
    let before = settled(&mlag)?;

    mlag.at(side).iccpd.signal(Signal::SIGUSR1)?;
    let status = mlag.daemons(side).iccpd.end(SOON)?;
    ensure!(status.success(), "iccpd of {side}: {status}");
    let status = mlag.daemons(side).syncd.stop(SOON)?;
    ensure!(status.success(), "syncd of {side}: {status}");
    eventually("the session is lost", SOON, || {
        let session = mlag.at(side.peer()).status()?.session;
        ensure!(session != SessionState::Up, "session {session:?}");
        Ok(())
    })?;
    holds_for("everything stays as it was", AWAY, || {
        let now = settled(&mlag)?;
        ensure!(now == before, "{now:#?}\nbefore: {before:#?}");
        let legs = mlag.host().bond()?.ports;
        ensure!(legs == 2, "the host uses {legs} links");
        Ok(())
    })?;
    for which in Which::BOTH {
        mlag.daemons(side).daemon(which).start()?;
    }
    mlag.wait_synchronised()?;
    mlag.wait_dual()?;
    for (name, sent, heard) in flows.stop()? {
        let summary = heard.of(sent.frames);
        ensure!(heard.is_exactly_once(sent.frames), "{name}: {summary}");
    }
    eventually("the dataplane is the one from before", SOON, || {
        let after = settled(&mlag)?;
        ensure!(after == before, "{after:#?}\nbefore: {before:#?}");
        Ok(())
    })?;
    ctx.log(format!("{side} rebooted warm: nothing lost, nothing twice"));

    mlag.daemons(side).iccpd.kill()?;
    eventually("its peer lifts its isolation", SOON, || {
        let isolated = mlag.isolated(side.peer())?;
        ensure!(isolated.is_empty(), "it isolates {isolated:?}");
        Ok(())
    })
}

fn settled(mlag: &Mlag) -> Result<[crate::mlag::Dataplane; 2]> {
    let mut found = [mlag.dataplane(Side::A)?, mlag.dataplane(Side::B)?];
    // What one flushes, the other hears of again, later.
    if !Side::BOTH
        .into_iter()
        .all(|side| mlag.speech.protocol(side).keeps_table())
    {
        found.iter_mut().for_each(|dataplane| dataplane.fdb.clear());
    }
    Ok(found)
}
