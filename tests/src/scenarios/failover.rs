//! Links fail and return under traffic.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::flows::{self, Flows};
use super::{addresses, pair};
use crate::kernel;
use crate::mlag::{Mlag, SYSTEM_MAC};
use crate::scenario::{Ctx, Scenario};
use crate::topology::{BRIDGE, Options, PEER_LINK, Side, UNTAGGED};
use crate::traffic::{BROADCAST, Receiver, Sender, Stream, learnable};
use crate::wait::{SOON, eventually};
use mclag_proto::ctl::SessionState;

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "a_lost_leg_is_taken_over_by_the_peer",
        about: "Traffic flows between the orphan of A and a dual-homed host, both ways. The host's link to A dies: \
                frames reach it through B. The link returns: frames take it again. Lost frames are counted and printed \
                for each moment, and none arrives twice.",
        limit: Duration::from_secs(240),
        run: a_lost_leg_is_taken_over_by_the_peer,
    },
    Scenario {
        name: "a_leg_that_cannot_carry_is_left_by_the_host",
        about: "On A a bond has fewer members than its min_links, then it is taken out of the bridge, then the bridge is down. \
                LACP runs on all the same. Each time the host leaves the leg, nothing of what it sends from then on is lost, \
                and it uses both legs again when the operator has mended it. What he set as min_links stays.",
        limit: Duration::from_secs(300),
        run: a_leg_that_cannot_carry_is_left_by_the_host,
    },
    Scenario {
        name: "a_peer_out_of_reach_changes_nothing_and_comes_back",
        about: "Cut the control link: the session is lost, the dataplane goes on, nothing arrives twice. Cut the peer \
                link as well: each chassis serves its hosts alone. Mend both: the pair is synchronised again and orphans reach \
                each other.",
        limit: Duration::from_secs(300),
        run: a_peer_out_of_reach_changes_nothing_and_comes_back,
    },
    Scenario {
        name: "a_chassis_that_is_lost_as_a_whole_is_replaced_by_its_peer",
        about: "Traffic flows between the orphan of B and a dual-homed host, both ways. A loses its power: both of its \
                daemons and all its links are gone. It boots, with new bonds and a new bridge, before its daemons start. Lost \
                frames are counted and printed for both moments, and none arrives twice. A knows what B learned meanwhile, \
                everybody reaches everybody, and the addresses are synchronised.",
        limit: Duration::from_secs(240),
        run: a_chassis_that_is_lost_as_a_whole_is_replaced_by_its_peer,
    },
];

const RATE: u32 = 500;

/// What holding adds to the `min_links` of a bond (`docs/adr/0003-hold-by-min-links.md`).
const HELD: u64 = 1_000_000;

fn a_leg_that_cannot_carry_is_left_by_the_host(ctx: &mut Ctx) -> Result<()> {
    let mlag = Mlag::up(ctx, Options::default())?;
    let (host, bond) = (mlag.host(), mlag.lag.port(1));
    let a = mlag.switch(Side::A);
    let min_links = || -> Result<u64> { Ok(kernel::bond(&a.ns, &bond)?.min_links) };
    for fault in [
        "min_links is not met",
        "the bond is out of the bridge",
        "the bridge is down",
    ] {
        let started = Instant::now();
        match fault {
            "min_links is not met" => a.ns.ip(&format!("link set {bond} type bond min_links 2"))?,
            "the bond is out of the bridge" => a.ns.ip(&format!("link set {bond} nomaster"))?,
            _ => a.unplug(BRIDGE)?,
        }
        let left = host.wait_bundled(1)?;
        let after = started.elapsed().as_secs_f64();
        ctx.measured(
            format!("{fault}, the host left the leg after"),
            format!("{after:.1} s"),
        );
        ensure!(
            left.partner == SYSTEM_MAC,
            "{fault}: it uses the wrong leg, to {}",
            left.partner
        );
        host.wait_reaches(&mlag.orphan_b, UNTAGGED)?;
        let (up, down) = (host.untagged(), mlag.orphan_b.untagged());
        let ear = Receiver::start(&down)?;
        let stream = Stream::between(&up, &down);
        let sender = Sender::start(&up, stream, RATE)?;
        ear.wait_for(stream.id, 300)?;
        let sent = sender.stop()?;
        let heard = ear.hear(&sent)?;
        let summary = heard.of(sent.frames);
        ensure!(heard.is_exactly_once(sent.frames), "{fault}: {summary}");
        eventually("the port is held", SOON, || {
            let now = min_links()?;
            ensure!(now >= HELD, "{fault}: min_links {now}");
            Ok(())
        })?;
        match fault {
            "min_links is not met" => {
                let now = min_links()?;
                ensure!(now == HELD + 2, "what the operator set is lost: {now}");
                a.ns.ip(&format!("link set {bond} type bond min_links 0"))?;
            }
            "the bond is out of the bridge" => a.add_edge_port(&bond)?,
            _ => a.plug(BRIDGE)?,
        }
        mlag.wait_dual()?;
        eventually("the hold is over", SOON, || {
            let now = min_links()?;
            ensure!(now == 0, "{fault}: min_links {now}");
            Ok(())
        })?;
        host.wait_reaches(&mlag.orphan_a, UNTAGGED)?;
    }
    Ok(())
}

fn a_lost_leg_is_taken_over_by_the_peer(ctx: &mut Ctx) -> Result<()> {
    a_leg_is_lost_and_returns(ctx, &Mlag::up(ctx, Options::default())?)
}

pub(super) fn a_leg_is_lost_and_returns(ctx: &Ctx, mlag: &Mlag) -> Result<()> {
    let (host, orphan) = (mlag.host(), &mlag.orphan_a);
    host.wait_reaches(orphan, UNTAGGED)?;
    let (up, down) = (host.untagged(), orphan.untagged());
    let (at_host, at_orphan) = (Receiver::start(&up)?, Receiver::start(&down)?);

    for (what, cut) in [
        ("the link to A dies", true),
        ("the link to A returns", false),
    ] {
        let to_host = Stream::between(&down, &up);
        let to_orphan = Stream::between(&up, &down);
        let senders = [
            Sender::start(&down, to_host, RATE)?,
            Sender::start(&up, to_orphan, RATE)?,
        ];
        at_host.wait_for(to_host.id, 100)?;
        at_orphan.wait_for(to_orphan.id, 100)?;
        if cut {
            host.unplug(Side::A)?;
            eventually("A sees its port down", SOON, || {
                let status = mlag.at(Side::A).status()?;
                ensure!(status.ports_peer_only == 1, "{status:?}");
                Ok(())
            })?;
            host.wait_bundled(1)?;
        } else {
            host.plug(Side::A)?;
            mlag.wait_dual()?;
        }
        let (before_host, before_orphan) = (
            at_host.tally(to_host.id)?.received,
            at_orphan.tally(to_orphan.id)?.received,
        );
        at_host.wait_for(to_host.id, before_host + 200)?;
        at_orphan.wait_for(to_orphan.id, before_orphan + 200)?;
        let ears = [("to the host", &at_host), ("from the host", &at_orphan)];
        for ((direction, ear), sender) in ears.into_iter().zip(senders) {
            let sent = sender.stop()?;
            let heard = ear.hear(&sent)?;
            ctx.measured(format!("{what}, {direction}"), heard.of(sent.frames));
            ensure!(
                heard.duplicated == 0 || !mlag.speech.guards_ports(),
                "{what}, {direction}: {}",
                heard.of(sent.frames)
            );
            // LACP takes seconds to return and the way over the peer link serves meanwhile, so
            // what is lost is a matter of the failover alone.
            let limit = u64::from(RATE) * if cut { 1 } else { opening(mlag, Side::A) };
            ensure!(
                heard.lost(sent.frames) < limit,
                "{what}, {direction}: {limit} or more were lost: {}",
                heard.of(sent.frames)
            );
        }
        if cut {
            ensure!(
                !mlag.isolated(Side::B)?.contains(&mlag.lag.port(1)),
                "B still isolates the port"
            );
        }
    }
    Ok(())
}

/// The seconds within which a port of that chassis opens after it may.
///
/// linux-mclag has no word for "isolated", and its daemon isolates 3 s after the port came up: ours waits for that. Of
/// two of ours the other one isolates at once, so that nothing is served meanwhile. Where nobody can hold a port there
/// is no such time.
pub(super) fn opening(mlag: &Mlag, side: Side) -> u64 {
    let waits = !mlag.speech.iccp.acknowledges() && mlag.speech.protocol(side).holds();
    if waits { 6 } else { 1 }
}

fn a_peer_out_of_reach_changes_nothing_and_comes_back(ctx: &mut Ctx) -> Result<()> {
    the_peer_is_out_of_reach(ctx, &mut Mlag::up(ctx, Options::default())?)
}

pub(super) fn the_peer_is_out_of_reach(ctx: &Ctx, mlag: &mut Mlag) -> Result<()> {
    let ports = mlag.mlag_ports();
    let (host, orphan) = (mlag.host().untagged(), mlag.orphan_a.untagged());
    let ear = Receiver::start(&host)?;
    let flood = Stream::new(orphan.mac, BROADCAST);
    let sender = Sender::start(&orphan, flood, 200)?;
    ear.wait_for(flood.id, 50)?;

    // Every frame of the control session is lost, with carrier: only silence tells.
    mlag.a.silence("ctl")?;
    mlag.b.silence("ctl")?;
    for side in Side::BOTH {
        eventually("the session is lost", SOON, || {
            let status = mlag.at(side).status()?;
            ensure!(
                status.session != SessionState::Up,
                "session {:?}",
                status.session
            );
            Ok(())
        })?;
        ensure!(
            mlag.isolated(side)? == ports,
            "isolated: {:?}",
            mlag.isolated(side)?
        );
    }
    mlag.host().wait_bundled(2)?;
    let before = ear.tally(flood.id)?.received;
    ear.wait_for(flood.id, before + 100)?;
    let sent = sender.stop()?;
    let heard = ear.hear(&sent)?;
    ctx.measured(
        "broadcast while the session was lost",
        heard.of(sent.frames),
    );
    ensure!(
        heard.is_exactly_once(sent.frames),
        "{}",
        heard.of(sent.frames)
    );

    mlag.a.unplug(PEER_LINK)?;
    mlag.host()
        .wait_reaches(&mlag.orphan_a, UNTAGGED)
        .or_else(|error| {
            // The host's hash may choose the leg to B, from which A's orphan is out of reach now.
            mlag.host()
                .wait_reaches(&mlag.orphan_b, UNTAGGED)
                .map_err(|_| error)
        })?;

    mlag.a.plug(PEER_LINK)?;
    mlag.a.unsilence("ctl")?;
    mlag.b.unsilence("ctl")?;
    mlag.wait_synchronised()?;
    mlag.wait_dual()?;
    mlag.orphan_a.wait_reaches(&mlag.orphan_b, UNTAGGED)?;
    mlag.host().wait_reaches(&mlag.orphan_a, UNTAGGED)?;
    mlag.host().wait_reaches(&mlag.orphan_b, UNTAGGED)?;
    mlag.check()
}

fn a_chassis_that_is_lost_as_a_whole_is_replaced_by_its_peer(ctx: &mut Ctx) -> Result<()> {
    let mut mlag = Mlag::up(ctx, Options::default())?;
    let (host, orphan) = (mlag.host().untagged(), mlag.orphan_b.untagged());
    mlag.host().wait_reaches(&mlag.orphan_a, UNTAGGED)?;
    mlag.host().wait_reaches(&mlag.orphan_b, UNTAGGED)?;
    let (at_host, at_orphan) = (Receiver::start(&host)?, Receiver::start(&orphan)?);
    let traffic = || {
        let to_host = Stream::between(&orphan, &host);
        let flood = Stream::new(orphan.mac, BROADCAST);
        let from_host = Stream::between(&host, &orphan);
        let flood_from_host = Stream::new(host.mac, BROADCAST);
        Flows::start(&[
            ("to the host", to_host, &orphan, &at_host),
            ("broadcast to the host", flood, &orphan, &at_host),
            ("from the host", from_host, &host, &at_orphan),
            (
                "broadcast from the host",
                flood_from_host,
                &host,
                &at_orphan,
            ),
        ])
    };

    let flows = traffic()?;
    mlag.power_off(Side::A)?;
    mlag.host().wait_bundled(1)?;
    eventually("B sees the session lost", SOON, || {
        let session = mlag.at(Side::B).status()?.session;
        ensure!(session != SessionState::Up, "session {session:?}");
        Ok(())
    })?;
    judge(ctx, "A is lost", flows, 1, false)?;

    // What B learns now, A will be told.
    let (of_orphan, of_host) = (learnable(1), learnable(2));
    addresses::speak(&orphan, of_orphan)?;
    addresses::speak(&mlag.host().leg(Side::B), of_host)?;
    addresses::wait_place(&mlag, Side::B, of_host, Some("bond1"))?;

    let flows = traffic()?;
    mlag.power_on(Side::A)?;
    mlag.wait_synchronised()?;
    mlag.wait_dual()?;
    // The system id that an operator gave a bond is there before the daemons are, and the host begins to use the link.
    let speech = &mlag.speech;
    let is_guarded = speech.guards_ports() && speech.protocol(Side::A).carries_system_id();
    judge(
        ctx,
        "A returns",
        flows,
        opening(&mlag, Side::A),
        !is_guarded,
    )?;
    addresses::wait_place(
        &mlag,
        Side::A,
        of_orphan,
        addresses::behind_peer_link(&mlag),
    )?;
    addresses::wait_place(&mlag, Side::A, of_host, Some("bond1"))?;
    pair::everybody_reaches_everybody(&mlag)?;
    addresses::wait_synchronised(&mlag)?;
    mlag.check()
}

/// After a further second of them: less than so many seconds of each were lost, and nothing arrived twice, or some did.
fn judge(ctx: &Ctx, what: &str, flows: Flows<'_>, seconds: u64, some_twice: bool) -> Result<()> {
    let second = u64::from(flows::RATE);
    flows.wait_for_more(second)?;
    for (way, sent, heard) in flows.stop()? {
        let summary = heard.of(sent.frames);
        ctx.measured(format!("{what}, {way}"), summary);
        ensure!(
            heard.duplicated == 0 || some_twice,
            "{what}, {way}: {summary}"
        );
        ensure!(
            heard.lost(sent.frames) < second * seconds,
            "{what}, {way}: {seconds} s or more were lost: {summary}"
        );
    }
    Ok(())
}
