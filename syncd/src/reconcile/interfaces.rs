//! Identity of layer-3 interfaces: from what is wanted and what is to what has to be done.
//!
//! An interface gets its address while it is up. For an SVI the address is also made one of the
//! bridge itself in that VLAN: the bridge would forward the frames instead of receiving them.

use std::collections::BTreeSet;

use mclag_proto::IfName;
use mclag_proto::sync::model::OpErrorCode;

use super::limits::Limits;
use super::originals::{LocalAddress, Originals};
use super::plan::Plan;
use super::wanted::Wanted;
use crate::dataplane::{Action, Actual, EntryKind, Subject};

/// Compare identities. Remembers in `originals` what will be changed.
pub(super) fn plan(
    plan: &mut Plan,
    wanted: &Wanted,
    limits: &Limits,
    actual: &Actual,
    originals: &mut Originals,
) {
    let named = originals.ports().chain(wanted.interfaces().keys());
    let names: BTreeSet<IfName> = named.copied().collect();
    for name in names {
        let subject = Subject::Interface(name);
        let mut want = wanted.interface(&name);
        let mut may_restore = wanted.may_restore_identity(&name);
        if want.is_some()
            && let Err(error) = limits.interface(&name, actual)
        {
            plan.fail(subject, error.code, error.text);
            want = None;
            // It may have been given one while it was allowed to.
            may_restore = true;
        }
        let is = actual.interfaces.get(&name);
        let mut original = originals.of(&name);
        match is.map(|is| is.mac) {
            Some(Some(mac)) => {
                let wanted_mac = want.map(|want| want.mac);
                if let Some(mac) = original.mac.toward(wanted_mac, mac, may_restore) {
                    let interface = name;
                    plan.actions
                        .push(Action::SetInterfaceMac { interface, mac });
                }
            }
            Some(None) if want.is_some() => {
                let text = format!("{name} has no address on layer 2");
                plan.fail(subject, OpErrorCode::Unsupported, text);
            }
            None if want.is_some() => plan.wait_for(subject, &name),
            Some(None) | None => {}
        }
        let svi = is.and_then(|is| is.svi);
        let local = want
            .zip(svi)
            .map(|(want, vid)| LocalAddress { vid, mac: want.mac });
        let interface = name;
        let is_gone = |is: &LocalAddress| Some(*is) != local && (want.is_some() || may_restore);
        for gone in original.local.iter().filter(|is| is_gone(is)) {
            let key = gone.key();
            if actual.is_local(&key) {
                plan.actions.push(Action::LocalDelete { interface, key });
            }
        }
        if let Some(local) = local
            && !actual.is_local(&local.key())
        {
            let key = local.key();
            match actual.fdb.get(&key) {
                Some(entry) if entry.kind == EntryKind::Configured => {
                    let (mac, vid, on) = (key.mac, key.vid, entry.port);
                    let text = format!("{name}: {mac} vlan {vid} is configured on {on}");
                    plan.fail(subject, OpErrorCode::Refused, text);
                }
                _ => {
                    plan.actions.push(Action::LocalInstall { interface, key });
                    if !original.local.contains(&local) {
                        original.local.push(local);
                    }
                }
            }
        }
        originals.set(name, original);
    }
}
