//! The dataplane of a legacy chassis, with the server that drives it (`spec/behaviour.md` 9.2, 2.3).
//! It outlives the daemon.

use iccp_core::Time;
use mclag_proto::IfName;
use mclag_proto::sync::model::FdbKey;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// The older server carries isolation out this long after the last change.
const DEBOUNCE: Duration = Duration::from_secs(3);

/// One forwarding entry.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Entry {
    /// Learned by the dataplane: ages and moves.
    Learned(IfName),
    /// Installed by the daemon: does not age; a host that is seen elsewhere moves it.
    Installed(IfName),
    /// Installed by the daemon once, and from then on like one that was learned.
    Ageing(IfName),
}

impl Entry {
    pub fn port(self) -> IfName {
        let (Self::Learned(port) | Self::Installed(port) | Self::Ageing(port)) = self;
        port
    }
}

/// What the server reports: the host is seen on a port, or no longer.
#[derive(Clone, Copy, Debug)]
pub struct Report {
    pub key: FdbKey,
    pub port: Option<IfName>,
}

#[derive(Clone, Debug, Default)]
pub struct Plane {
    pub fdb: BTreeMap<FdbKey, Entry>,
    /// In force.
    pub isolated: BTreeSet<IfName>,
    /// Traffic-disabled ports.
    pub disabled: BTreeSet<IfName>,
    /// Asked for, and when it comes into force.
    isolate: Option<(Time, BTreeSet<IfName>)>,
    pub reports: Vec<Report>,
}

impl Plane {
    pub fn frame(&mut self, key: FdbKey, port: IfName) {
        match self.fdb.get(&key).copied() {
            Some(entry) if entry.port() == port => {}
            _ => {
                self.fdb.insert(key, Entry::Learned(port));
                let port = Some(port);
                self.reports.push(Report { key, port });
            }
        }
    }

    pub fn age(&mut self, key: FdbKey) {
        if let Some(Entry::Learned(_) | Entry::Ageing(_)) = self.fdb.get(&key) {
            self.fdb.remove(&key);
            self.reports.push(Report { key, port: None });
        }
    }

    /// A port leaves the VLAN of the hosts: what was learned there goes, and is reported.
    pub fn leave_vlan(&mut self, port: IfName) {
        let learned = |entry: &Entry| !matches!(entry, Entry::Installed(_));
        let there = self.fdb.iter().filter(|(_, entry)| entry.port() == port);
        let gone: Vec<FdbKey> = there.filter(|(_, e)| learned(e)).map(|(k, _)| *k).collect();
        for key in gone {
            self.fdb.remove(&key);
            self.reports.push(Report { key, port: None });
        }
    }

    /// A learned entry that is replaced is gone for the server, and reported so.
    pub fn install(&mut self, key: FdbKey, entry: Entry) {
        let before = self.fdb.insert(key, entry);
        let learned = matches!(before, Some(Entry::Learned(_) | Entry::Ageing(_)));
        if learned && matches!(entry, Entry::Installed(_)) {
            self.reports.push(Report { key, port: None });
        }
    }

    /// Only what the daemon installed goes.
    pub fn withdraw(&mut self, key: FdbKey) {
        if let Some(Entry::Installed(_) | Entry::Ageing(_)) = self.fdb.get(&key) {
            self.fdb.remove(&key);
        }
    }

    pub fn forget_installed(&mut self) {
        self.fdb
            .retain(|_, entry| !matches!(entry, Entry::Installed(_)));
    }

    pub fn isolate(&mut self, ports: BTreeSet<IfName>, at_once: bool, now: Time) {
        if at_once {
            self.isolated = ports;
        } else if self
            .isolate
            .as_ref()
            .map_or(&self.isolated, |(_, ports)| ports)
            != &ports
        {
            self.isolate = Some((now + DEBOUNCE, ports));
        }
    }

    pub fn deadline(&self) -> Option<Time> {
        self.isolate.as_ref().map(|(at, _)| *at)
    }

    pub fn timeout(&mut self, now: Time) {
        if self.deadline().is_some_and(|at| at <= now)
            && let Some((_, ports)) = self.isolate.take()
        {
            self.isolated = ports;
        }
    }
}
