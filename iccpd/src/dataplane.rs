//! Our own `syncd` as the dataplane: what happens there for the core, and the settings of the pair
//! where the dataplane has them (`docs/mclagsyncd-v2.md` 7.1).

use crate::settings::{self, Chassis, Domain};
use crate::syncd::{Servers, Syncd};
use iccp_core::{Batch, Config, Input};
use mclag_proto::sync::model::Event;
use mclag_proto::sync::settings::{Assembly, PairSettings};
use mclag_proto::{IfName, Mac};
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::Path;
use std::time::{Duration, Instant};

/// The dataplane, which may have the settings of the pair.
#[derive(Debug)]
pub struct Dataplane {
    syncd: Syncd,
    defaults: LocalDefaults,
    settings: Assembly,
    /// When it said something last; none while it is not connected.
    last_heard: Option<Instant>,
}

/// Something that happened.
#[derive(Debug)]
pub enum DataplaneEvent {
    /// For the core.
    Input(Input),
    /// The settings of the pair that the dataplane tells changed; none where it has no pair.
    Settings(Option<Box<Config>>),
    /// An interface that had this name is called otherwise by the kernel.
    Kept {
        /// The name that it had.
        name: IfName,
        /// Its number.
        index: u32,
    },
}

/// What the dataplane does not say of a pair and somebody has to.
#[derive(Debug)]
struct LocalDefaults {
    chassis: Chassis,
    bridge: IfName,
    /// A MAC of this chassis, for a dataplane that names none.
    node_mac: Mac,
}

impl LocalDefaults {
    /// These settings, and what they leave open.
    fn config(&self, settings: PairSettings) -> Config {
        let node_mac = settings.domain.system_mac.unwrap_or(self.node_mac);
        self.chassis
            .config(&described(settings), self.bridge, node_mac)
    }
}

/// A pair as the dataplane describes it.
fn described(pair: PairSettings) -> Domain {
    let PairSettings {
        domain,
        ports,
        unique_ip,
    } = pair;
    let duration = |seconds: Option<u16>, range: RangeInclusive<Duration>, default| {
        let seconds = seconds.map(|seconds| Duration::from_secs(seconds.into()));
        seconds
            .filter(|seconds| range.contains(seconds))
            .unwrap_or(default)
    };
    Domain {
        id: domain.domain,
        local: domain.local,
        peer: domain.peer,
        peer_link: domain.peer_link,
        ports,
        port_ids: BTreeMap::new(),
        port_kinds: BTreeMap::new(),
        unique_ip,
        system_mac: None,
        keepalive: duration(domain.keepalive_s, Config::KEEPALIVES, Config::KEEPALIVE),
        session_timeout: duration(
            domain.session_timeout_s,
            Config::SESSION_TIMEOUTS,
            Config::SESSION_TIMEOUT,
        ),
    }
}

impl Dataplane {
    /// The dataplane that the settings name; not connected yet. `bridge` and `node_mac` were found
    /// for this chassis.
    #[must_use]
    pub fn new(syncd: &settings::Syncd, chassis: Chassis, bridge: IfName, node_mac: Mac) -> Self {
        Self {
            syncd: Syncd::new(
                syncd.socket.clone(),
                syncd.names_pair,
                Servers::new(syncd.user),
            ),
            defaults: LocalDefaults {
                chassis,
                bridge,
                node_mac,
            },
            settings: Assembly::default(),
            last_heard: None,
        }
    }

    /// When it said something last; none while it is not connected.
    #[must_use]
    pub const fn last_heard(&self) -> Option<Instant> {
        self.last_heard
    }

    /// Where it is looked for.
    #[must_use]
    pub fn socket(&self) -> &Path {
        self.syncd.socket()
    }

    /// Queue a batch.
    pub fn send(&mut self, batch: Batch) {
        self.syncd.send(batch);
    }

    /// Write what the socket takes at once.
    pub async fn flush_now(&mut self) {
        self.syncd.flush_now().await;
    }

    /// True when everything is carried out, or nobody is there to.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.syncd.is_idle()
    }

    /// Say that the dataplane is to stay as it is.
    pub async fn bye(&mut self) {
        self.syncd.bye().await;
    }

    /// What was said was for nobody: have everything said again.
    pub fn start_again(&mut self) {
        self.syncd.reconnect();
    }

    /// The names that interfaces have which the kernel calls otherwise, once the dataplane is there to say so.
    pub async fn names(&mut self) -> Vec<(u32, IfName)> {
        self.syncd.names().await
    }

    /// What was received and not handed out yet.
    pub fn ready(&mut self) -> Option<DataplaneEvent> {
        loop {
            let input = self.syncd.ready()?;
            if let Some(happened) = self.take(input) {
                return Some(happened);
            }
        }
    }

    /// What happens next. Dropping the future loses nothing.
    pub async fn next(&mut self) -> DataplaneEvent {
        loop {
            let input = self.syncd.next().await;
            if let Some(happened) = self.take(input) {
                return happened;
            }
        }
    }

    /// Put the settings of the pair together, and hand names to whoever reads the kernel; everything else is the core's.
    fn take(&mut self, input: Input) -> Option<DataplaneEvent> {
        self.last_heard = match input {
            Input::SyncdDown => None,
            _ => Some(Instant::now()),
        };
        let part = match input {
            Input::SyncdEvent(Event::Settings(part)) => part,
            Input::SyncdEvent(Event::Kept { name, index }) => {
                return Some(DataplaneEvent::Kept { name, index });
            }
            input => {
                if let Input::SyncdUp { .. } = input {
                    self.settings = Assembly::default();
                }
                return Some(DataplaneEvent::Input(input));
            }
        };
        match self.settings.take(part) {
            Ok(settings) => {
                let config = |settings| Box::new(self.defaults.config(settings));
                settings.map(|settings| DataplaneEvent::Settings(settings.map(config)))
            }
            Err(error) => {
                self.syncd.refuse(error.to_string());
                None
            }
        }
    }
}

#[cfg(test)]
mod tests;
