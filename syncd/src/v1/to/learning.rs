//! Learning on the peer link (`spec/mclagsyncd-protocol.md` 4.2): switched off for each session that
//! comes up, and not on again between them.

use super::{Sent, Translator};
use mclag_proto::IfName;
use mclag_proto::sync::v1::ClientMessage;

impl Translator {
    /// It has to be sent again: for another session, or to a server that may have started anew.
    pub(super) fn learning_unsent(&mut self) {
        if let Some(sent) = &mut self.learning_off {
            sent.now = false;
        }
    }

    /// Send what changed.
    pub(super) fn learning(&mut self) {
        if !self.domain_known {
            self.learning_at = Some(self.out.len());
            return;
        }
        let peer_link = self.domain.peer_link;
        let wanted_off = peer_link.filter(|_| !self.domain.peer_link_learning);
        if let Some(port) = self.learning_off_on()
            && wanted_off != Some(port)
        {
            self.learning_off = None;
            self.learn(port, true);
        }
        if let Some(port) = wanted_off
            && !self.learning_off.as_ref().is_some_and(|sent| sent.now)
            && self.is_up()
        {
            self.learning_off = Some(Sent::now((port, self.members_of(&port))));
            self.learn(port, false);
        }
    }

    /// The members of the peer link changed: one that came has to stop as well, one that left is an
    /// ordinary port.
    pub(super) fn learning_follows(&mut self) {
        let Some(port) = self.learning_off_on().filter(|_| self.is_up()) else {
            return;
        };
        let members = self.members_of(&port);
        let Some(Sent {
            value: (_, known),
            now: true,
        }) = &mut self.learning_off
        else {
            return;
        };
        let before = std::mem::replace(known, members.clone());
        for left in before.iter().filter(|member| !members.contains(member)) {
            self.learn(*left, true);
        }
        if members.iter().any(|member| !before.contains(member)) {
            self.learn(port, false);
        }
    }

    fn learning_off_on(&self) -> Option<IfName> {
        self.learning_off.as_ref().map(|sent| sent.value.0)
    }

    fn members_of(&self, port: &IfName) -> Vec<IfName> {
        self.members.get(port).cloned().unwrap_or_default()
    }

    fn learn(&mut self, port: IfName, learning: bool) {
        self.out.push(ClientMessage::MacLearnMode {
            ports: vec![port],
            learning,
        });
    }
}
