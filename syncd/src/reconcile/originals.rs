//! What settings were before we changed them, so that they can be restored.
//!
//! Stored by the server in its run directory: a restarted `syncd` finds the settings that the
//! earlier one made and would otherwise take them for the original ones.

use std::collections::{BTreeMap, HashMap};

use mclag_proto::sync::model::FdbKey;
use mclag_proto::{IfName, Mac, Vid};
use serde::{Deserialize, Serialize};

use super::wanted::Wanted;
use crate::dataplane::{Actual, McastRouter};
use crate::store::Stored;

/// The settings that were changed, by port.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Originals(BTreeMap<IfName, PortOriginals>);

/// The settings of one interface that were changed. What a later version added is passed over: one of before has to start
/// with the file that it finds.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct PortOriginals {
    /// Number of the interface, by which it is found again under another name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index: Option<u32>,
    /// Whether addresses were learned on it.
    pub learning: Original<bool>,
    /// Port that frames went to while it had no carrier.
    pub backup: Original<Option<IfName>>,
    /// Whether it got all multicast.
    #[serde(skip_serializing_if = "Original::is_untouched")]
    pub mcast_router: Original<McastRouter>,
    /// LACP system id that had been given to it.
    pub system_mac: Original<Option<Mac>>,
    /// Its address on layer 2.
    #[serde(skip_serializing_if = "Original::is_untouched")]
    pub mac: Original<Mac>,
    /// Addresses that were made the bridge's own because the interface has them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub local: Vec<LocalAddress>,
}

/// An address that was made one of the bridge itself.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct LocalAddress {
    /// Its VLAN.
    pub vid: Vid,
    /// The address.
    pub mac: Mac,
}

impl LocalAddress {
    /// Key of its forwarding entry.
    #[must_use]
    pub const fn key(self) -> FdbKey {
        let Self { vid, mac } = self;
        FdbKey { vid, mac }
    }
}

/// One setting.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Original<T> {
    /// We did not change it.
    #[default]
    Untouched,
    /// It was this before.
    Was(T),
}

impl<T: Copy + PartialEq> Original<T> {
    /// The value that a setting has to get, if it has to be changed. Remembers what it was.
    /// `may_restore`: what is not wanted is to be as it was.
    pub(super) fn toward(&mut self, wanted: Option<T>, actual: T, may_restore: bool) -> Option<T> {
        match wanted {
            Some(wanted) if wanted == actual => None,
            Some(wanted) => {
                if *self == Self::Untouched {
                    *self = Self::Was(actual);
                }
                Some(wanted)
            }
            None => match *self {
                Self::Was(before) if may_restore && before != actual => Some(before),
                Self::Was(_) | Self::Untouched => None,
            },
        }
    }

    fn is_untouched(&self) -> bool {
        *self == Self::Untouched
    }

    fn forget_if_restored(&mut self, is_wanted: bool, actual: Option<T>) {
        if let Self::Was(before) = *self
            && !is_wanted
            && actual.is_none_or(|actual| actual == before)
        {
            *self = Self::Untouched;
        }
    }
}

impl Stored for Originals {
    /// A few thousand ports fit.
    const MAX_LEN: u64 = 1 << 20;
    const WHAT: &'static str = "what settings were before";
}

impl Originals {
    /// Whether nothing was changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What is remembered of a port.
    #[must_use]
    pub fn of(&self, port: &IfName) -> PortOriginals {
        self.0.get(port).cloned().unwrap_or_default()
    }

    pub(super) fn ports(&self) -> impl Iterator<Item = &IfName> {
        self.0.keys()
    }

    pub(super) fn set(&mut self, port: IfName, originals: PortOriginals) {
        let untouched = PortOriginals {
            index: originals.index,
            ..PortOriginals::default()
        };
        if originals == untouched {
            self.0.remove(&port);
        } else {
            self.0.insert(port, originals);
        }
    }

    /// An interface has another name: what it was goes with it, not with the next one of the old name.
    pub(super) fn rename(&mut self, from: &IfName, to: IfName) {
        if let Some(originals) = self.0.remove(from) {
            self.0.insert(to, originals);
        }
    }

    /// Take note of the numbers of interfaces.
    pub(super) fn number(&mut self, actual: &Actual) {
        for (name, originals) in &mut self.0 {
            let is = actual.interfaces.get(name);
            originals.index = originals.index.or_else(|| is?.index);
        }
    }

    /// The numbers of the interfaces, as far as they are known.
    #[must_use]
    pub fn numbers(&self) -> BTreeMap<IfName, Option<u32>> {
        let all = self.0.iter();
        all.map(|(name, originals)| (*name, originals.index))
            .collect()
    }

    /// Interfaces may have been renamed, or made anew under the same name, while nobody watched.
    pub(super) fn find_again(&mut self, actual: &Actual) {
        let indices = actual.interfaces.iter();
        let names: HashMap<u32, IfName> = indices
            .filter_map(|(name, is)| Some((is.index?, *name)))
            .collect();
        for (name, originals) in std::mem::take(&mut self.0) {
            let now = originals.index.and_then(|index| names.get(&index));
            let other = actual.interfaces.get(&name).and_then(|is| is.index);
            let is_another = originals.index.is_some() && other.is_some();
            match now {
                Some(now) => drop(self.0.insert(*now, originals)),
                None if is_another => {}
                None => drop(self.0.entry(name).or_insert(originals)),
            }
        }
    }

    /// Forget settings of interfaces that are gone: one of the same name is another one.
    pub(super) fn forget_missing(&mut self, actual: &Actual) {
        let ports: Vec<IfName> = self.0.keys().copied().collect();
        for port in ports {
            self.forget_missing_port(&port, actual);
            self.forget_missing_interface(&port, actual);
        }
    }

    /// Like [`Originals::forget_missing`], for what one is as a port. Of one that appears under another name the
    /// port is reported first: nothing follows from it for the interface.
    pub(super) fn forget_missing_port(&mut self, port: &IfName, actual: &Actual) {
        let mut originals = self.of(port);
        let interface = actual.ports.get(port);
        // Without a bridge in the picture, nobody can say who is a port of it.
        if actual.bridge.is_some() && actual.bridge_port(port).is_none() {
            originals.learning = Original::Untouched;
            originals.backup = Original::Untouched;
            originals.mcast_router = Original::Untouched;
        }
        if actual.bridge.is_some() && interface.is_none_or(|port| port.lacp.is_none()) {
            originals.system_mac = Original::Untouched;
        }
        self.set(*port, originals);
    }

    /// Like [`Originals::forget_missing`], for what one is as an interface.
    pub(super) fn forget_missing_interface(&mut self, name: &IfName, actual: &Actual) {
        if !actual.interfaces.contains_key(name) {
            let originals = PortOriginals {
                index: None,
                mac: Original::Untouched,
                ..self.of(name)
            };
            self.set(*name, originals);
        }
    }

    /// Forget settings that are as they were and no longer wanted otherwise.
    pub(super) fn forget_restored(&mut self, wanted: &Wanted, actual: &Actual) {
        let ports: Vec<IfName> = self.0.keys().copied().collect();
        for port in ports {
            let mut originals = self.of(&port);
            let want = wanted.settings_of(&port, actual);
            if let Some(is) = actual.interfaces.get(&port).and_then(|is| is.mac) {
                let is_wanted = wanted.interface(&port).is_some();
                originals.mac.forget_if_restored(is_wanted, Some(is));
            }
            // Without a bridge in the picture, nobody can say what its own addresses are.
            if actual.bridge.is_some() {
                originals
                    .local
                    .retain(|local| actual.is_local(&local.key()));
            }
            let bridge_port = actual.bridge_port(&port);
            let Some(interface) = actual.ports.get(&port) else {
                self.set(port, originals);
                continue;
            };
            if let Some(settings) = bridge_port {
                let learning = Some(settings.learning);
                originals
                    .learning
                    .forget_if_restored(want.learning.is_some(), learning);
                let backup = Some(settings.backup);
                originals
                    .backup
                    .forget_if_restored(want.backup.is_some(), backup);
                let router = settings.mcast_router;
                originals
                    .mcast_router
                    .forget_if_restored(want.mcast_router.is_some(), router);
            }
            if let Some(lacp) = interface.lacp {
                originals
                    .system_mac
                    .forget_if_restored(want.system_mac.is_some(), Some(lacp.system_mac));
            }
            self.set(port, originals);
        }
    }
}
