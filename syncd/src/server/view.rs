//! The dataplane as an operator sees it.

use mclag_daemon::ctl::Question;
use mclag_proto::DomainId;
use mclag_proto::ctl::Counter;
use mclag_proto::ctl::dataplane::{
    Client, ConfigDb, Dataplane, Entries, Interface, Pair, Port, Remembered, RemotePort, Reply,
    Request,
};
use mclag_proto::mclagdctl::{FromSyncd, OkError, ToSyncd};
use tracing::info;

use super::connection::Process;
use super::{Server, Writer};
use crate::backend::Backend;
use crate::dataplane::EntryKind;

impl<B: Backend> Server<B> {
    /// Answer an operator.
    pub(super) fn answer(&mut self, question: Question<Request, Reply>) {
        let Question {
            request,
            from,
            answer,
        } = question;
        let reply = match request {
            Request::Dataplane => Reply::Dataplane(Box::new(self.view())),
            Request::ForgetPair => match self.forget_pair(from.map(Process::from)) {
                Ok(domain) => Reply::Forgotten { domain },
                Err(message) => Reply::Error { message },
            },
        };
        // That nobody waits any more is no error.
        let _ = answer.send(reply);
    }

    /// The domain of the pair that is forgotten, or why none is.
    pub(super) fn forget_pair(&mut self, from: Option<Process>) -> Result<DomainId, String> {
        if !from.is_some_and(|process| self.options.access.allows(process)) {
            return Err(
                "only those may have a pair forgotten who may change the dataplane".to_owned(),
            );
        }
        let foreign = self.foreign.as_mut();
        let foreign = foreign.ok_or("there is no mclagsyncd server that names a pair")?;
        let domain = foreign
            .client
            .forget_pair()
            .map_err(|error| error.to_string())?;
        let user = from.map(|process| process.uid);
        info!(%domain, user, "the pair is forgotten, as an operator asked for");
        Ok(domain)
    }

    fn view(&self) -> Dataplane {
        let (wanted, actual) = (self.reconciler.wanted(), self.reconciler.actual());
        let domain = wanted.domain();
        let peer_link = domain.and_then(|domain| domain.peer_link);
        let learning = peer_link.and_then(|port| actual.bridge_port(&port));
        let interfaces = wanted.interfaces().iter().map(|(name, want)| {
            let is = actual.interfaces.get(name);
            Interface {
                name: *name,
                vid: is.and_then(|is| is.svi),
                wanted: want.mac,
                actual: is.and_then(|is| is.mac),
            }
        });
        let remote = wanted.pair().remote().iter();
        Dataplane {
            backend: self.dataplane().map_or_else(
                || format!("{}, without its mclagsyncd server", self.backend.name()),
                |(_, name)| name,
            ),
            bridge: domain.map(|domain| domain.bridge),
            peer_link,
            peer_link_learning: learning.map(|port| port.learning),
            filter: actual.filter.is_some(),
            clients: self.clients(),
            pair: self.pair(),
            remembered: self.remembered(),
            config_db: self.config_db(),
            ports: self.ports(),
            remote_ports: remote
                .map(|(name, up)| RemotePort {
                    name: *name,
                    up: *up,
                })
                .collect(),
            interfaces: interfaces.collect(),
            entries: self.entries(),
            neighbours: wanted.neighbours().count(),
            unfinished: self.reconciler.is_unfinished(),
            counters: self.counters(),
            runs_as_root: nix::unistd::geteuid().is_root(),
        }
    }

    fn counters(&self) -> Vec<Counter> {
        let mut counters = vec![
            counter("refused clients of version 2", self.refusals.total()),
            counter("refused legacy clients", self.legacy.refused),
            counter("log lines lost", mclag_daemon::log::lost()),
        ];
        if let Some(foreign) = &self.foreign {
            let messages = foreign.client.counters();
            let to = ToSyncd::ALL
                .iter()
                .map(|row| ("to", row.label(), messages.to(*row)));
            let from = FromSyncd::ALL.iter();
            let from = from.map(|row| ("from", row.label(), messages.from(*row)));
            for (way, label, OkError { ok, error }) in to.chain(from) {
                if ok > 0 || error > 0 {
                    let name = format!("{label} {way} mclagsyncd");
                    counters.push(counter(&name, ok));
                    counters.push(counter(&format!("{name}, failed"), error));
                }
            }
        }
        counters
    }

    fn clients(&self) -> Vec<Client> {
        let ours = self.client.iter().map(|client| Client {
            speaks: "v2".to_owned(),
            from: match client.peer.pid {
                Some(pid) => format!("process {pid}"),
                None => format!("user {}", client.peer.uid),
            },
            counters: vec![
                counter("batches", client.batch),
                counter("skipped messages", client.skipped()),
            ],
        });
        let legacy = self.legacy.sockets.iter().map(|client| Client {
            speaks: client
                .dialect()
                .map_or_else(|| "unknown".to_owned(), |dialect| dialect.to_string()),
            from: client.from.to_string(),
            counters: vec![
                counter("messages", client.counters.messages),
                counter("unknown messages", client.counters.unknown),
                counter("unreadable messages", client.counters.unreadable),
                counter("skipped records", client.counters.skipped),
                counter("sent messages", client.counters.sent),
                counter("unsayable messages", client.counters.unsayable),
            ],
        });
        ours.chain(legacy).collect()
    }

    fn pair(&self) -> Option<Pair> {
        let state = self.reconciler.wanted().pair().state()?;
        let is_legacy = self.writer == Writer::Legacy;
        // A client that is gone said nothing of how things are now (`spec/mclagsyncd-protocol.md`
        // 4.11); a linux-mclag one never does.
        let is_known = match is_legacy {
            true => !self.legacy.sockets.is_empty(),
            false => self.client.is_some(),
        };
        let peer = self.legacy.translator.peer_system_mac();
        Some(Pair {
            domain: state.domain,
            active: state.active,
            up: is_known.then_some(state.up),
            system_mac: state.system_mac,
            peer_system_mac: peer.filter(|_| is_legacy),
        })
    }

    fn remembered(&self) -> Option<Remembered> {
        let (domain, age) = self.foreign.as_ref()?.client.remembered()?;
        let unconfirmed_for_s = age.as_secs();
        Some(Remembered {
            domain,
            unconfirmed_for_s,
        })
    }

    fn config_db(&self) -> Option<ConfigDb> {
        Some(match self.foreign.as_ref()?.client.config_db()? {
            Ok(age) => ConfigDb::Read(age.as_secs()),
            Err(error) => ConfigDb::Unusable(error.to_owned()),
        })
    }

    fn ports(&self) -> Vec<Port> {
        let actual = self.reconciler.actual();
        let ports = self.reconciler.wanted().ports().iter();
        let ports = ports.map(|(name, want)| Port {
            name: *name,
            present: actual.bridge_port(name).is_some(),
            running: actual.interfaces.get(name).is_some_and(|is| is.running),
            isolated: actual.is_isolated(name),
            isolation_wanted: want.isolated,
            held: actual.held.contains(name),
            system_mac: want.system_mac,
            redirect: actual
                .bridge_port(name)
                .is_some_and(|port| port.backup.is_some()),
        });
        ports.collect()
    }

    fn entries(&self) -> Entries {
        let mut entries = Entries {
            wanted: self.reconciler.wanted().entries().count(),
            ..Entries::default()
        };
        for entry in self.reconciler.actual().fdb.values() {
            match entry.kind {
                EntryKind::Dynamic => entries.learned += 1,
                EntryKind::Ours { active: true, .. } => entries.active += 1,
                EntryKind::Ours { active: false, .. } => entries.inactive += 1,
                EntryKind::Configured => entries.configured += 1,
                EntryKind::Local => {}
            }
        }
        entries
    }
}

fn counter(name: &str, value: u64) -> Counter {
    Counter {
        name: name.to_owned(),
        value,
    }
}
