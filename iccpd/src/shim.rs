//! A foreign `mclagsyncd` as the core sees it: what happens at it as inputs, and the settings that it
//! sends as those of a pair. The connection itself is the backend's
//! ([`syncd::backend::mclagsyncd`]), which our own `syncd` has as well.

use iccp_core::{Batch, Config, Input, OnLoss};
use mclag_proto::sync::model::Abilities;
use mclag_proto::sync::settings::PairSettings;
use mclag_proto::{IfName, Mac};
use std::time::Duration;
use syncd::backend::mclagsyncd::{self, Client};

pub use mclagsyncd::{Place, Tally, WINDOW};

/// Something that happened.
#[derive(Debug)]
pub enum Happened {
    /// For the core.
    Input(Input),
    /// The settings that the shim sends changed; none while they are not complete.
    Settings(Option<Box<Config>>),
}

/// What a shim does not say and somebody has to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Rest {
    /// The bridge.
    pub bridge: IfName,
    /// A MAC of this chassis, for a shim that names none.
    pub node_mac: Mac,
    /// See [`Config::ack_timeout`].
    pub ack_timeout: Duration,
    /// See [`Config::restart_hold`].
    pub restart_hold: Duration,
    /// See [`Config::neighbours`].
    pub neighbours: bool,
    /// See [`Config::on_loss`].
    pub on_loss: OnLoss,
}

/// A foreign shim.
#[derive(Debug)]
pub struct Shim {
    client: Client,
    rest: Rest,
    /// What it can do, while it is there.
    up: Option<Abilities>,
}

impl Rest {
    /// These settings, and what they do not say.
    #[must_use]
    pub fn config(&self, settings: PairSettings) -> Config {
        let PairSettings {
            domain,
            ports,
            unique_ip,
        } = settings;
        let seconds = |told: Option<u16>, default| {
            told.map_or(default, |told| Duration::from_secs(told.into()))
        };
        Config {
            domain: domain.domain,
            local: domain.local,
            peer: domain.peer,
            bridge: self.bridge,
            peer_link: domain.peer_link,
            ports,
            system_mac: None,
            node_mac: domain.system_mac.unwrap_or(self.node_mac),
            priority: Config::PRIORITY,
            keepalive: seconds(domain.keepalive_s, Config::KEEPALIVE),
            session_timeout: seconds(domain.session_timeout_s, Config::SESSION_TIMEOUT),
            ack_timeout: self.ack_timeout,
            restart_hold: self.restart_hold,
            unique_ip,
            neighbours: self.neighbours,
            on_loss: self.on_loss,
        }
    }
}

impl Shim {
    /// Not connected yet: that begins with the first [`Shim::next`]. The places are tried in turn;
    /// there is at least one.
    #[must_use]
    pub fn new(places: Vec<Place>, rest: Rest) -> Self {
        Self {
            client: Client::new(places, rest.node_mac),
            rest,
            up: None,
        }
    }

    /// The identity that interfaces go back to.
    pub const fn set_node_mac(&mut self, mac: Mac) {
        self.client.set_node_mac(mac);
    }

    /// Queue what a batch means; without a connection it is dropped.
    pub fn send(&mut self, batch: &Batch) {
        self.client.send(batch.number, &batch.ops);
    }

    /// Write what the socket takes at once.
    pub async fn flush_now(&mut self) {
        self.client.flush_now().await;
    }

    /// True when everything has left, or nobody is there to take it.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.client.is_idle()
    }

    /// Drop the connection and make a new one: the shim says everything again then.
    pub fn reconnect(&mut self) {
        self.client.reconnect();
    }

    /// Nobody waits any more for the answers to what was sent.
    pub fn forget_batches(&mut self) {
        self.client.forget_batches();
    }

    /// What the shim can do, if it is there.
    #[must_use]
    pub const fn abilities(&self) -> Option<Abilities> {
        self.up
    }

    /// Messages in both directions since start.
    #[must_use]
    pub fn tally(&self) -> Tally {
        self.client.tally()
    }

    /// The rest of what was received.
    pub fn ready(&mut self) -> Option<Happened> {
        let happened = self.client.ready()?;
        Some(self.told(happened))
    }

    /// What happens next. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Happened {
        let happened = self.client.next().await;
        self.told(happened)
    }

    fn told(&mut self, happened: mclagsyncd::Happened) -> Happened {
        Happened::Input(match happened {
            mclagsyncd::Happened::Up { abilities, name } => {
                self.up = Some(abilities);
                Input::SyncdUp {
                    abilities,
                    backend: name,
                    window: WINDOW,
                }
            }
            mclagsyncd::Happened::Down => {
                self.up = None;
                Input::SyncdDown
            }
            // The core waits itself for what a silent dataplane does.
            mclagsyncd::Happened::Done {
                batch,
                failures,
                isolates: _,
            } => Input::SyncdResult { batch, failures },
            mclagsyncd::Happened::Event(event) => Input::SyncdEvent(event),
            mclagsyncd::Happened::Settings(settings) => {
                let config = settings.map(|settings| Box::new(self.rest.config(*settings)));
                return Happened::Settings(config);
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mclag_proto::DomainId;
    use mclag_proto::sync::settings::DomainSettings;

    fn name(text: &str) -> IfName {
        IfName::new(text).unwrap()
    }

    fn rest() -> Rest {
        Rest {
            bridge: name("Bridge"),
            node_mac: Mac([2, 0, 0, 0, 0, 9]),
            ack_timeout: Config::ACK_TIMEOUT,
            restart_hold: Config::RESTART_HOLD,
            neighbours: true,
            on_loss: OnLoss::Release,
        }
    }

    fn settings() -> PairSettings {
        PairSettings {
            domain: DomainSettings {
                domain: DomainId::new(1).unwrap(),
                local: [10, 0, 0, 1].into(),
                peer: [10, 0, 0, 2].into(),
                peer_link: None,
                system_mac: None,
                keepalive_s: None,
                session_timeout_s: None,
            },
            ports: ["PortChannel1"].map(name).into(),
            unique_ip: ["Vlan10"].map(name).into(),
        }
    }

    #[test]
    fn what_is_not_told_has_its_default() {
        let config = rest().config(settings());
        assert_eq!(config.keepalive, Config::KEEPALIVE);
        assert_eq!(config.session_timeout, Config::SESSION_TIMEOUT);
        assert_eq!(config.node_mac, Mac([2, 0, 0, 0, 0, 9]));
        assert_eq!(config.on_loss, OnLoss::Release);
        assert_eq!(config.bridge, name("Bridge"));
    }

    #[test]
    fn what_is_told_is_used() {
        let mut settings = settings();
        settings.domain.peer_link = Some(name("PortChannel10"));
        settings.domain.system_mac = Some(Mac([2, 0, 0, 0, 0, 1]));
        settings.domain.keepalive_s = Some(2);
        settings.domain.session_timeout_s = Some(30);
        let config = rest().config(settings);
        assert_eq!(config.keepalive, Duration::from_secs(2));
        assert_eq!(config.session_timeout, Duration::from_secs(30));
        assert_eq!(config.node_mac, Mac([2, 0, 0, 0, 0, 1]));
        assert_eq!(config.system_mac, None);
        assert_eq!(config.peer_link, Some(name("PortChannel10")));
        assert_eq!(config.ports, ["PortChannel1"].map(name).into());
        assert_eq!(config.unique_ip, ["Vlan10"].map(name).into());
        let ends = [config.local, config.peer].map(|end| end.to_string());
        assert_eq!(ends, ["10.0.0.1", "10.0.0.2"]);
    }
}
