//! The story of a pair once more, in the dialects of the daemons that came before.

use std::time::Duration;

use anyhow::{Result, ensure};

use super::{addresses, delivery, failover, pair, restarts};
use crate::mlag::{Mlag, Which};
use crate::scenario::{Ctx, Scenario};
use crate::speech::{Iccp, Protocol, Speech};
use crate::topology::{Options, Side};
use crate::traffic::{NOBODY, Sender, Stream, learnable};
use crate::wait::{SOON, eventually};

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "a_pair_works_in_the_dialects_of_sonic",
        about: "ICCP fixed to sonic, version 1 of sonic between iccpd and syncd. The pair forms and everybody reaches everybody; \
                flooded frames arrive once, also while a link flaps; a host seen by one chassis is known to both and followed \
                where it moves; its address stays while either sees it and goes afterwards; a leg is lost and returns; the peer \
                is out of reach and comes back; each daemon is killed and returns.",
        limit: Duration::from_secs(600),
        run: |ctx| a_pair_works(ctx, Speech::both(Iccp::Sonic, Protocol::Sonic)),
    },
    Scenario {
        name: "a_pair_works_in_the_dialects_of_linux_mclag",
        about: "The same with ICCP and version 1 of linux-mclag. Addresses behind orphan ports are not exchanged, and nothing \
                acknowledges that a port may open: frames that arrive twice at that moment are counted and printed.",
        limit: Duration::from_secs(600),
        run: |ctx| a_pair_works(ctx, Speech::both(Iccp::LinuxMclag, Protocol::LinuxMclag)),
    },
    Scenario {
        name: "chassis_that_mix_dialects_are_a_pair",
        about: "ICCP of linux-mclag between chassis whose daemons speak version 2: the pair forms, everybody reaches everybody, \
                flooded frames arrive once, a host is known to both, a leg is lost and returns. Then all daemons are killed and \
                start with other settings, A with version 2 and B with version 1 of sonic, the dialect of ICCP found out: the \
                same.",
        limit: Duration::from_secs(360),
        run: chassis_that_mix_dialects_are_a_pair,
    },
];

const AGEING: Duration = Duration::from_secs(10);

fn options(speech: Speech) -> Options {
    Options {
        speech: Some(speech),
        ageing: AGEING,
        ..Options::with_hosts(2)
    }
}

fn chassis_that_mix_dialects_are_a_pair(ctx: &mut Ctx) -> Result<()> {
    let mut mlag = Mlag::up(ctx, options(Speech::both(Iccp::LinuxMclag, Protocol::V2)))?;
    forms(ctx, &mlag)?;
    failover::a_leg_is_lost_and_returns(ctx, &mlag)?;

    let speech = Speech {
        iccp: Iccp::Auto,
        a: Protocol::V2,
        b: Protocol::Sonic,
    };
    mlag.change_speech(ctx, speech)?;
    ctx.log("all daemons start with other dialects");
    mlag.wait_synchronised()?;
    mlag.wait_dual()?;
    forms(ctx, &mlag)?;
    failover::a_leg_is_lost_and_returns(ctx, &mlag)?;
    mlag.check()
}

fn forms(ctx: &Ctx, mlag: &Mlag) -> Result<()> {
    pair::is_formed(mlag)?;
    ctx.log("formed");
    pair::everybody_reaches_everybody(mlag)?;
    ctx.log("everybody reaches everybody");
    delivery::flooded_frames_arrive_once(mlag)?;
    ctx.log("flooded frames arrive once");
    addresses::a_host_is_known_to_both(mlag)?;
    ctx.log("a host is known to both");
    Ok(())
}

fn a_pair_works(ctx: &Ctx, speech: Speech) -> Result<()> {
    let mut mlag = Mlag::up(ctx, options(speech))?;
    forms(ctx, &mlag)?;
    addresses::a_host_moves(&mlag)?;
    ctx.log("a moving host is followed");

    // A host that is heard through one leg only, for much longer than the bridges remember, while all the rest goes on.
    let talker = Talker::new();
    let talking = talker.through(&mlag, Side::A)?;
    delivery::the_hosts_flap(ctx, &mut mlag, 1, 2, 4)?;
    talker.stays_known(&mlag)?;
    ctx.log("nothing unexpected while a link flapped");
    failover::a_leg_is_lost_and_returns(ctx, &mlag)?;
    talker.stays_known(&mlag)?;
    talking.stop()?;
    ctx.log("a leg was lost and returned");

    let talking = talker.through(&mlag, Side::B)?;
    failover::the_peer_is_out_of_reach(ctx, &mut mlag)?;
    talker.stays_known(&mlag)?;
    ctx.log("the peer was out of reach");
    for (name, victims) in [
        (
            "iccpd of A and syncd of B",
            [(Side::A, Which::Iccpd), (Side::B, Which::Syncd)],
        ),
        (
            "syncd of A and iccpd of B",
            [(Side::A, Which::Syncd), (Side::B, Which::Iccpd)],
        ),
    ] {
        restarts::they_die_and_return(ctx, &mut mlag, name, &victims)?;
        pair::is_formed(&mlag)?;
    }
    talker.stays_known(&mlag)?;
    talking.stop()?;
    talker.is_forgotten(&mlag)?;
    ctx.log("a host that fell silent was forgotten");
    mlag.check()
}

/// A host behind the second port, which is left alone.
struct Talker(Stream);

impl Talker {
    fn new() -> Self {
        Self(Stream::new(learnable(20), NOBODY))
    }

    fn through(&self, mlag: &Mlag, side: Side) -> Result<Sender> {
        let sender = Sender::start(&mlag.hosts[1].leg(side), self.0, 5)?;
        eventually("both chassis know the host", SOON, || self.is_known(mlag))?;
        Ok(sender)
    }

    /// Both chassis know it, all the time if no server is asked for news ([`addresses::may_be_unknown`]).
    fn stays_known(&self, mlag: &Mlag) -> Result<()> {
        if addresses::may_be_unknown(mlag).is_zero() {
            return self.is_known(mlag);
        }
        eventually("both chassis know the host", SOON, || self.is_known(mlag))
    }

    fn is_known(&self, mlag: &Mlag) -> Result<()> {
        for side in Side::BOTH {
            let found = addresses::place(mlag, side, self.0.from)?;
            ensure!(
                found.as_deref() == Some("bond2"),
                "chassis {side} has the host that talks on {found:?}"
            );
        }
        Ok(())
    }

    fn is_forgotten(&self, mlag: &Mlag) -> Result<()> {
        for side in Side::BOTH {
            addresses::wait_place(mlag, side, self.0.from, None)?;
        }
        Ok(())
    }
}
