//! How the pair stands, and the ports of the other chassis (`spec/mclagsyncd-protocol.md` 4.8 to
//! 4.13).

use super::{Sent, Translator};
use mclag_proto::sync::model::PairState;
use mclag_proto::sync::v1::ClientMessage;
use mclag_proto::{DomainId, IfName, Mac};

impl Translator {
    pub(super) fn pair(&mut self, pair: PairState) {
        self.named.pair.name(());
        if let Some(other) = self.published
            && other != pair.domain
        {
            self.unpublish(other);
        }
        let before = self.pair.replace(pair);
        self.published = Some(pair.domain);
        let PairState {
            domain,
            active,
            up,
            system_mac,
        } = pair;
        let was_up = before.is_some_and(|before| before.up);
        let goes_down = was_up && !up;
        if goes_down {
            // Before anything that clears isolation: the server deletes its group then instead of
            // emptying it (`spec/behaviour.md` 6.6).
            self.state(domain, false);
        }
        let active_before = before.and_then(|before| before.active);
        let mac_before = before.and_then(|before| before.system_mac);
        // The active has its own identity when nobody gave another.
        let node_mac = self.node_mac.known();
        let own = |mac: Option<Mac>| mac.or(node_mac);
        if let Some(is_active) = active
            && (goes_down
                || active_before != active
                || (is_active && own(mac_before) != own(system_mac)))
        {
            let system_id = own(system_mac).filter(|_| is_active);
            let role = ClientMessage::IccpRole {
                domain,
                is_active,
                system_id,
            };
            // What waits for the end of the operations is not sent behind what came after it.
            match goes_down || self.role.is_some() {
                true => self.role = Some(role),
                false => self.out.push(role),
            }
        }
        if active == Some(false)
            && let Some(system_id) = system_mac
            && (mac_before != system_mac || active_before != active)
        {
            let identity = ClientMessage::IccpSystemId { domain, system_id };
            match goes_down || self.identity.is_some() || self.role.is_some() {
                true => self.identity = Some(identity),
                false => self.out.push(identity),
            }
        }
        if up && !was_up {
            self.came_up(domain);
        } else if !up && before.is_none() {
            self.state(domain, false);
        }
    }

    /// The chassis' own MAC is known by now: that is its identity if it is the active one, and nobody
    /// gave another.
    pub(super) fn identity_follows(&mut self, node_mac: Mac) {
        if let Some(PairState {
            domain,
            active: Some(true),
            system_mac: None,
            ..
        }) = self.pair
        {
            self.out.push(ClientMessage::IccpRole {
                domain,
                is_active: true,
                system_id: Some(node_mac),
            });
        }
    }

    fn state(&mut self, domain: DomainId, is_up: bool) {
        self.out.push(ClientMessage::IccpState { domain, is_up });
    }

    /// The pair has another number: what was published under the old one is to go.
    fn unpublish(&mut self, domain: DomainId) {
        if self.pair.take().is_some_and(|pair| pair.up) {
            self.state(domain, false);
        }
        for port in std::mem::take(&mut self.remote).into_keys() {
            self.out
                .push(ClientMessage::DeleteRemoteInterface { domain, port });
        }
        self.out.push(ClientMessage::DeleteIccpInfo { domain });
    }

    fn came_up(&mut self, domain: DomainId) {
        // Sent for each session, as it is by the daemon that the server was made for.
        self.learning_unsent();
        self.learning();
        if self.dialect.is_polled() {
            if !self.flushed {
                self.flushed = true;
                self.out.push(ClientMessage::FlushFdb);
            }
            self.out.push(ClientMessage::GetFdbChanges);
        }
        self.flush_list();
        self.state(domain, true);
        for port in self.port_names() {
            self.tell_traffic(port);
        }
        // Once more behind it: the server keeps an empty group only if it knows that the session is
        // up (`spec/behaviour.md` 6.5, step 8).
        self.list_due = true;
    }

    pub(super) fn remote_port(&mut self, port: IfName, up: bool) {
        self.named.remote.name(port);
        let before = self.remote.insert(port, Sent::now(up));
        if !before.is_some_and(|sent| sent.is(&up))
            && let Some(domain) = self.published
        {
            self.out.push(ClientMessage::RemoteInterfaceState {
                domain,
                port,
                is_up: up,
            });
        }
    }

    pub(super) fn release_remote(&mut self, port: IfName) {
        self.named.remote.withdraw(&port);
        if self.remote.remove(&port).is_some()
            && let Some(domain) = self.published
        {
            self.out.extend(self.identity.take());
            self.out
                .push(ClientMessage::DeleteRemoteInterface { domain, port });
        }
    }
}
