//! The measuring instrument itself: it must see a duplicate and a loss that were made on purpose.

use anyhow::{Result, ensure};

use crate::scenario::{Ctx, Scenario};
use crate::topology::{ORPHAN_PORT, Options, Pair, TAGGED};
use crate::traffic::{BROADCAST, MULTICAST, NOBODY, Receiver, Sender, Stream};

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "every_kind_of_frame_is_counted_exactly_once",
        about: "Send unicast, broadcast, multicast and unknown unicast from one orphan host to the other, untagged, \
                through a VLAN device, and with a tag written by the sender.\n\
                Every frame is counted once, in its VLAN only; the sender does not hear itself.",
        limit: Scenario::LIMIT,
        run: every_kind_of_frame_is_counted_exactly_once,
    },
    Scenario {
        name: "a_duplicate_made_on_purpose_is_counted",
        about: "Duplicate every frame on the way, with netem on the receiver's port.\n\
                As many duplicates as frames are counted, and no loss.",
        limit: Scenario::LIMIT,
        run: a_duplicate_made_on_purpose_is_counted,
    },
    Scenario {
        name: "a_loss_made_on_purpose_is_counted",
        about: "Take the receiver's port down in the middle of a stream, and up again.\n\
                Losses are counted, no duplicates, and the longest gap is at least as long as the port was down.",
        limit: Scenario::LIMIT,
        run: a_loss_made_on_purpose_is_counted,
    },
];

const FRAMES: u32 = 200;
const RATE: u32 = 500;

fn every_kind_of_frame_is_counted_exactly_once(ctx: &mut Ctx) -> Result<()> {
    let pair = Pair::up(ctx, Options::with_hosts(0))?;
    let (from, to) = (&pair.orphan_a, &pair.orphan_b);
    let untagged = Receiver::start(&to.untagged())?;
    let tagged = Receiver::start(&to.tagged())?;
    let own = Receiver::start(&from.untagged())?;

    let mut all = Vec::new();
    for (what, destination) in [
        ("unicast", to.mac),
        ("broadcast", BROADCAST),
        ("multicast", MULTICAST),
        ("unknown unicast", NOBODY),
    ] {
        let stream = || Stream::new(from.mac, destination);
        for (way, port, stream, ear, other) in [
            ("untagged", from.untagged(), stream(), &untagged, &tagged),
            (
                "on a VLAN device",
                from.tagged(),
                stream(),
                &tagged,
                &untagged,
            ),
            (
                "with a tag",
                from.untagged(),
                stream().tagged(TAGGED),
                &tagged,
                &untagged,
            ),
        ] {
            let sent = Sender::send(&port, stream, FRAMES, RATE)?;
            all.push((format!("{what} {way}"), sent, ear, other));
        }
    }
    for (what, sent, ear, other) in all {
        let heard = ear.hear(&sent)?;
        let summary = heard.of(sent.frames);
        ensure!(
            heard.is_exactly_once(sent.frames) && heard.reordered == 0,
            "{what}: {summary}"
        );
        ensure!(
            other.tally(sent.stream)?.copies() == 0,
            "{what}: arrived in the other VLAN"
        );
        ensure!(
            own.tally(sent.stream)?.copies() == 0,
            "{what}: the sender heard itself"
        );
    }
    Ok(())
}

fn a_duplicate_made_on_purpose_is_counted(ctx: &mut Ctx) -> Result<()> {
    let pair = Pair::up(ctx, Options::with_hosts(0))?;
    let (from, to) = (&pair.orphan_a.untagged(), &pair.orphan_b.untagged());
    let netem = format!("qdisc add dev {ORPHAN_PORT} root netem duplicate 100%");
    pair.b.ns.tc(&netem)?;

    let ear = Receiver::start(to)?;
    let sent = Sender::send(from, Stream::between(from, to), FRAMES, RATE)?;
    let heard = ear.hear(&sent)?;
    ensure!(heard.lost(sent.frames) == 0, "{}", heard.of(sent.frames));
    ensure!(heard.duplicated == sent.frames, "{}", heard.of(sent.frames));
    ensure!(
        !heard.is_exactly_once(sent.frames),
        "duplicates passed for a complete stream"
    );
    Ok(())
}

fn a_loss_made_on_purpose_is_counted(ctx: &mut Ctx) -> Result<()> {
    let pair = Pair::up(ctx, Options::with_hosts(0))?;
    let (from, to) = (&pair.orphan_a.untagged(), &pair.orphan_b.untagged());
    let ear = Receiver::start(to)?;
    let stream = Stream::between(from, to);
    let sender = Sender::start(from, stream, RATE)?;

    ear.wait_for(stream.id, 20)?;
    let down = std::time::Instant::now();
    pair.b.unplug(ORPHAN_PORT)?;
    ear.wait_silent(stream.id)?;
    let silent = down.elapsed();
    let before = ear.tally(stream.id)?.received;
    pair.b.plug(ORPHAN_PORT)?;
    ear.wait_for(stream.id, before + 20)?;

    let sent = sender.stop()?;
    let heard = ear.hear(&sent)?;
    ctx.measured("frames lost on purpose", heard.of(sent.frames));
    ensure!(heard.duplicated == 0, "{}", heard.of(sent.frames));
    // The port was surely down for the time that nothing arrived, less the moment it took to go down.
    ensure!(
        heard.longest_gap > silent / 2,
        "silent for {silent:?}: {}",
        heard.of(sent.frames)
    );
    let expected = u64::from(RATE) * u64::try_from(heard.longest_gap.as_millis())? / 1000;
    ensure!(
        heard.lost(sent.frames) > expected / 4,
        "about {expected} were due: {}",
        heard.of(sent.frames)
    );
    ensure!(
        heard.has(0) && !heard.has(heard.gap_ended_at - 1),
        "the gap is not where the loss is"
    );
    Ok(())
}
