//! What a foreign server sends: from bytes to what happened.

use std::net::SocketAddr;

use mclag_proto::Vid;
use mclag_proto::sync::frame::Frame;
use mclag_proto::sync::model::{Event, FdbKey, Observation};
use mclag_proto::sync::settings::PairSettings;
use mclag_proto::sync::v1::{
    Dialect, FdbKind, FdbRecord, RecordOp, ServerMessage, VlanMemberRecord,
};
use tokio::time::Instant;

use super::{Client, DOUBTED, ServerEvent, report};

impl Client {
    pub(super) fn received(&mut self) {
        let Some(connection) = &mut self.connection else {
            return;
        };
        connection.heard();
        self.take_all();
        if self.connection.is_some() && self.configuration.is_confirmed() {
            self.unconfirmed_since = None;
        }
        self.memorise();
    }

    fn take_all(&mut self) {
        loop {
            let Some(connection) = &mut self.connection else {
                return;
            };
            let frame = match connection.pipe.message() {
                Ok(Some(frame)) => frame,
                Ok(None) => return,
                Err(error) => {
                    // Where the next message begins is unknown.
                    self.lose(&error.to_string());
                    return;
                }
            };
            let before = connection.dialect;
            let detected = connection.detector.frame(&frame).or(before);
            connection.presumed &= connection.detector.dialect().is_none();
            if let Some(dialect) = detected
                && before != detected
            {
                if before.is_some() {
                    self.happened.push_back(ServerEvent::Down);
                }
                self.decided(dialect);
                if let Some(connection) = &mut self.connection {
                    connection.heard();
                }
            }
            if let Some(dialect) = detected {
                self.frame(&frame, dialect);
            }
        }
    }

    fn frame(&mut self, frame: &Frame, dialect: Dialect) {
        let Some(connection) = &mut self.connection else {
            return;
        };
        let address = connection.address;
        let decoded = ServerMessage::decode(frame, dialect);
        let is_whole = matches!(&decoded, Ok(Some(decoded)) if decoded.skipped.is_empty());
        if !matches!(decoded, Ok(None)) {
            connection.counters.received(frame.kind, is_whole);
        }
        match decoded {
            Ok(Some(decoded)) => {
                for error in &decoded.skipped {
                    report(&mut self.log, address, error);
                }
                self.take(decoded.message, address, dialect);
            }
            Ok(None) => {}
            Err(error) => report(&mut self.log, address, &error),
        }
    }

    fn take(&mut self, message: ServerMessage, address: SocketAddr, dialect: Dialect) {
        let refused = match message {
            ServerMessage::Fdb(records) => {
                for record in records {
                    // First: an addition takes back the deletion before it, whoever is believed.
                    let is_news = !dialect.is_polled() || self.is_news(&record);
                    if is_news {
                        self.observation(&record);
                    }
                }
                return;
            }
            ServerMessage::VlanMembers(records) => {
                self.is_changed = true;
                for VlanMemberRecord { op, vid, port } in records {
                    self.configuration.vlan_member(port, vid, op);
                    let member = op == RecordOp::Add;
                    self.event(Event::VlanMember { port, vid, member });
                }
                return;
            }
            ServerMessage::Domain(records) => self.configuration.domains(&records),
            ServerMessage::Interfaces(records) => self.configuration.interfaces(&records),
            ServerMessage::UniqueIps(records) => self.configuration.unique_ip(&records),
        };
        self.is_changed = true;
        if let Some(config_db) = &mut self.config_db {
            config_db.told();
        }
        for reason in refused {
            report(&mut self.log, address, &reason);
        }
        if let Some(connection) = &mut self.connection
            && self.configuration.is_replacing()
        {
            connection.expect_the_rest();
        }
        self.report_settings();
    }

    /// The MAC that the client gave wins. Said once for each pair of MACs.
    pub(super) fn compare_node_macs(&mut self) {
        let differ = self.translator.node_macs_that_differ();
        if differ == self.differ {
            return;
        }
        self.differ = differ;
        if let Some((used, ignored)) = differ {
            tracing::warn!(%used, %ignored, "mclagsyncd server names another system MAC than iccpd");
        }
    }

    pub(super) fn report_settings(&mut self) {
        let has_settings = self.abilities().is_some_and(|(_, d)| d.has_settings());
        let config = self.configuration.settings().map(Box::new);
        if has_settings && config != self.reported {
            self.report_changed(config);
        }
    }

    pub(super) fn report_changed(&mut self, config: Option<Box<PairSettings>>) {
        self.reported.clone_from(&config);
        self.name_own();
        // Lists come cumulatively (`spec/mclagsyncd-protocol.md` 5.6): the last one counts.
        if let Some(ServerEvent::Settings(before @ Some(_))) = self.happened.back_mut()
            && config.is_some()
        {
            *before = config;
        } else {
            self.happened.push_back(ServerEvent::Settings(config));
        }
    }

    /// The settings have a MAC of the chassis, and the interfaces that keep it.
    pub(super) fn name_own(&mut self) {
        let Some(pair) = &self.reported else {
            return;
        };
        self.translator.keep_own_mac(&pair.unique_ip);
        if let Some(mac) = pair.domain.system_mac {
            self.translator.server_names(mac);
            self.compare_node_macs();
        }
    }

    /// Whether the VLAN of what a server has seen is the one that it was seen in. `mclagsyncd.py` says VLAN 1 of all
    /// (`spec/mclagsyncd-protocol.md` 12, item 5), which is so in a pair that has no other: one whose entries are all of
    /// VLAN 1. In any other pair a host is better not known than known in the wrong VLAN.
    pub(super) fn is_believed(&self, key: &FdbKey) -> bool {
        !self.doubts_vlan_1 || key.vid != Vid::DEFAULT
    }

    /// From the first entry of another VLAN on that the server is sent, what it says of VLAN 1 counts for nothing, and
    /// neither does what it said of it before. All of it counts again when there was none for [`DOUBTED`].
    pub(super) fn doubt_vlan_1(&mut self) {
        let now = Instant::now();
        let is_polled = self.abilities().is_some_and(|(_, d)| d.is_polled());
        if is_polled && self.translator.has_other_vlans() {
            self.vlan_1_is_doubtful_until = Some(now + DOUBTED);
        }
        let doubts = self.vlan_1_is_doubtful_until.is_some_and(|end| now < end);
        if doubts == self.doubts_vlan_1 {
            return;
        }
        self.doubts_vlan_1 = doubts;
        match doubts {
            true if self.asks => tracing::warn!(
                "mclagsyncd server says VLAN 1 of every address: in a pair with other VLANs it is not believed, and hosts \
                 that only it sees are not told to the peer"
            ),
            false if self.asks => {
                tracing::info!(
                    "mclagsyncd server is believed: the pair has no other VLANs than VLAN 1 now"
                );
            }
            _ => {}
        }
        let seen = self.translator.observations();
        let seen = seen.filter(|(key, _)| key.vid == Vid::DEFAULT);
        for (key, seen) in seen.collect::<Vec<_>>() {
            let observation = if doubts { Observation::Aged } else { seen };
            self.event(Event::Fdb { key, observation });
        }
    }

    /// Whether a server that is polled says anything new. Of an entry that it was sent and has, its comparison makes
    /// a deletion and an addition, all deletions of an answer first (`spec/mclagsyncd-protocol.md` 12, item 6): sent
    /// again, it would report it again, for ever. So a deletion counts when no addition follows.
    fn is_news(&mut self, record: &FdbRecord) -> bool {
        let FdbRecord {
            vid, mac, port, op, ..
        } = *record;
        let key = FdbKey { vid, mac };
        let is_programmed = port.is_some_and(|port| self.translator.is_programmed(&key, &port));
        match op {
            RecordOp::Add => {
                for keys in &mut self.deleted {
                    keys.remove(&key);
                }
                !is_programmed
            }
            RecordOp::Delete if self.translator.has_entry(&key) => {
                self.deleted[0].insert(key);
                false
            }
            RecordOp::Delete => true,
        }
    }

    /// The server is asked again: what it reported as deleted before it was asked last is gone.
    pub(super) fn count_deletions(&mut self) {
        self.deleted.swap(0, 1);
        for key in std::mem::take(&mut self.deleted[0]) {
            self.translator.vanished(&key);
            let observation = Observation::Aged;
            self.event(Event::Fdb { key, observation });
        }
    }

    fn observation(&mut self, record: &FdbRecord) {
        let FdbRecord {
            mac,
            vid,
            port,
            kind,
            op,
        } = *record;
        let key = FdbKey { vid, mac };
        let observation = match (op, port) {
            (RecordOp::Add, Some(port)) => {
                let configured = kind == FdbKind::Static;
                if let Some(connection) = &mut self.connection {
                    connection.is_there(&key);
                }
                self.translator.learned(key, port, configured);
                Observation::Learned { port, configured }
            }
            (RecordOp::Delete, _) => {
                self.translator.vanished(&key);
                Observation::Aged
            }
            (RecordOp::Add, None) => return,
        };
        if self.is_believed(&key) {
            self.event(Event::Fdb { key, observation });
        }
    }
}
