//! What a failure costs while a large table moves, and with as many ports as there may be.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use mclag_netlink::FdbAction;
use mclag_proto::ctl::{Interface, PortStatus};

use super::{ADDRESSES, Bridge, LONG, Plain, end, flaps};
use crate::daemon::Daemon;
use crate::mlag::Mlag;
use crate::scenario::Ctx;
use crate::topology::{ORPHAN_PORT, Options, Side, UNTAGGED};
use crate::wait::eventually;

/// Parts of the table that moves, of as many entries each as are measured elsewhere.
const PARTS: usize = 20;
const FLAPS: usize = 20;
const PORTS: usize = 512;
/// How long nothing happens, in seconds.
const REST: u32 = 20;

/// Legs are cut while the entries of A's bridge go and come again, one part after the other.
pub(super) fn failover(ctx: &Ctx) -> Result<()> {
    let mlag = Mlag::up(ctx, Options::default())?;
    let ns = &mlag.switch(Side::A).ns;
    let is_over = AtomicBool::new(false);
    let churn = || {
        let mut bridge = Bridge::open(ORPHAN_PORT)?;
        let mut write = |part, action| bridge.write(part, Some(UNTAGGED), action).map(drop);
        for part in 0..PARTS {
            write(part, FdbAction::SetDynamic)?;
        }
        let mut changes = 0;
        for part in (0..PARTS).cycle() {
            if is_over.load(Ordering::Relaxed) {
                break;
            }
            write(part, FdbAction::Delete)?;
            write(part, FdbAction::SetDynamic)?;
            changes += 2 * ADDRESSES;
        }
        Ok(changes)
    };
    thread::scope(|scope| {
        let churn = scope.spawn(|| ns.enter(churn));
        let most = PARTS * usize::try_from(ADDRESSES)? / 2;
        let flapped = eventually("half of the table is at B", LONG, || {
            let known = mlag.at(Side::B).status()?.macs.peer;
            ensure!(known >= most, "B knows {known}");
            Ok(())
        })
        .and_then(|()| flaps(ctx, &mlag, FLAPS));
        is_over.store(true, Ordering::Relaxed);
        let changes = churn
            .join()
            .map_err(|_| anyhow::anyhow!("churn panicked"))??;
        ctx.measured("entries that went or came meanwhile", changes.to_string());
        flapped
    })
}

/// As many ports as there may be: at rest, when all of A's fail at once, and when they are back.
pub(super) fn ports(ctx: &Ctx) -> Result<()> {
    let plain = Plain::up(ctx, PORTS)?;
    let all = |side: Side, what: &str, is_so: fn(&Interface) -> bool| {
        let daemons = match side {
            Side::A => &plain.daemons[0],
            Side::B => &plain.daemons[1],
        };
        eventually(&format!("all ports of {side} are {what}"), LONG, || {
            let ports = daemons.interfaces()?;
            let count = ports
                .iter()
                .filter(|port| !port.peer_link && is_so(port))
                .count();
            ensure!(count == PORTS, "{count} of {PORTS}");
            Ok(())
        })
    };
    let dual = || {
        all(Side::A, "dual", |port| port.dual)?;
        all(Side::B, "dual", |port| port.dual)
    };
    dual()?;
    let before = spent(&plain)?;
    thread::sleep(Duration::from_secs(REST.into()));
    let at_rest = since(&plain, &before)?;
    ctx.measured(
        "512 ports at rest, ms of a processor each second",
        list(&at_rest, REST),
    );
    for (state, what) in [("down", "all of A's down"), ("up", "all of A's up again")] {
        let set = |port| format!("link set {} {state}\n", end(port, Side::A));
        let lines: String = plain.ports.iter().map(|port| set(port)).collect();
        let before = spent(&plain)?;
        let start = Instant::now();
        plain.far.ip(&lines)?;
        if state == "up" {
            dual()?;
        } else {
            all(Side::A, "down", |port| port.local == PortStatus::Down)?;
            all(Side::B, "down at the peer", |port| {
                port.remote == Some(PortStatus::Down)
            })?;
        }
        let took = start.elapsed().as_secs_f64();
        let spent = list(&since(&plain, &before)?, 1);
        ctx.measured(what, format!("{took:.1} s; ms of a processor: {spent}"));
    }
    Ok(())
}

/// What each daemon had of a processor.
fn spent(plain: &Plain) -> Result<Vec<(String, Duration)>> {
    let mut spent = Vec::new();
    for (side, daemons) in Side::BOTH.into_iter().zip(&plain.daemons) {
        let beside = daemons.beside.iter().map(|daemon| ("beside", daemon));
        let both: [(&str, &Daemon); 2] = [("iccpd", &daemons.iccpd), ("syncd", &daemons.syncd)];
        for (name, daemon) in both.into_iter().chain(beside) {
            spent.push((format!("{name} {side}"), daemon.processor()?));
        }
    }
    Ok(spent)
}

fn since(plain: &Plain, before: &[(String, Duration)]) -> Result<Vec<(String, Duration)>> {
    let now = spent(plain)?.into_iter().zip(before);
    let each = now.map(|((name, now), (_, before))| {
        let more = now
            .checked_sub(*before)
            .context("a daemon was started again")?;
        Ok((name, more))
    });
    each.collect()
}

/// Milliseconds, of which there are so many parts.
fn list(spent: &[(String, Duration)], parts: u32) -> String {
    let each = spent
        .iter()
        .map(|(name, time)| format!("{name} {:.1}", time.as_secs_f64() * 1e3 / f64::from(parts)));
    each.collect::<Vec<_>>().join(", ")
}
