//! What was said to a server and received from it, in the rows of the legacy tool
//! (`spec/mclagdctl-protocol.md` 5.8).

use mclag_proto::mclagdctl::{FromSyncd, OkError, ToSyncd};
use mclag_proto::sync::v1::Dialect;

/// Messages in both directions, by type.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Counters {
    sent: [OkError; 15],
    received: [OkError; 5],
}

impl Counters {
    /// A message of this type has left.
    pub(super) const fn sent(&mut self, row: ToSyncd) {
        self.sent[row as usize].ok += 1;
    }

    /// A message of this type was not sent, or never left as a whole.
    pub(super) const fn not_sent(&mut self, row: ToSyncd) {
        self.sent[row as usize].error += 1;
    }

    /// A message of this type came, and all of it could be read, or not.
    pub(super) fn received(&mut self, kind: u8, whole: bool) {
        let row = match kind {
            1 => FromSyncd::FdbChange,
            2 => FromSyncd::CfgMclag,
            3 => FromSyncd::CfgMclagIface,
            4 => FromSyncd::VlanMembership,
            5 => FromSyncd::CfgMclagUniqueIp,
            _ => return,
        };
        let row = &mut self.received[row as usize];
        if whole {
            row.ok += 1;
        } else {
            row.error += 1;
        }
    }

    /// The same with what another connection counted.
    pub(super) fn add(&mut self, other: &Self) {
        let ours = self.sent.iter_mut().chain(&mut self.received);
        for (row, more) in ours.zip(other.sent.iter().chain(&other.received)) {
            row.ok += more.ok;
            row.error += more.error;
        }
    }

    /// Messages that left, and that could not be sent.
    #[must_use]
    pub fn to(&self, row: ToSyncd) -> OkError {
        self.sent[row as usize]
    }

    /// Messages that came, and that could not be read as a whole.
    #[must_use]
    pub fn from(&self, row: FromSyncd) -> OkError {
        self.received[row as usize]
    }
}

/// The row of a message as it travels: the second byte is its type, and rows are in the order of
/// sonic's types.
pub(super) fn row(message: &[u8], dialect: Option<Dialect>) -> Option<ToSyncd> {
    let kind = *message.get(1)?;
    if dialect == Some(Dialect::LinuxMclag) && kind == 6 {
        return Some(ToSyncd::FlushFdb);
    }
    ToSyncd::ALL.get(usize::from(kind).checked_sub(1)?).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use mclag_proto::IfName;
    use mclag_proto::sync::v1::ClientMessage;

    fn port() -> IfName {
        IfName::new("PortChannel1").unwrap()
    }

    /// `spec/mclagdctl-protocol.md` 5.8, `spec/mclagsyncd-protocol.md` 3
    #[test]
    fn each_message_has_the_row_of_its_type() {
        let port = port();
        for (message, dialect, want) in [
            (ClientMessage::FlushFdb, Dialect::Sonic, ToSyncd::FlushFdb),
            (
                ClientMessage::TrafficDistribution {
                    port,
                    is_enabled: true,
                },
                Dialect::Sonic,
                ToSyncd::TrafficDistEnable,
            ),
            (
                ClientMessage::TrafficDistribution {
                    port,
                    is_enabled: false,
                },
                Dialect::Sonic,
                ToSyncd::TrafficDistDisable,
            ),
            (
                ClientMessage::FlushFdbByPort { port },
                Dialect::LinuxMclag,
                ToSyncd::FlushFdb,
            ),
            (
                ClientMessage::SetInterfaceMac {
                    interface: port,
                    address: None,
                    mac: mclag_proto::Mac([2, 0, 0, 0, 0, 1]),
                },
                Dialect::Sonic,
                ToSyncd::SetIfMac,
            ),
        ] {
            let bytes = message.encode(dialect).unwrap();
            assert_eq!(row(&bytes, Some(dialect)), Some(want), "{message:?}");
        }
        let poll = ClientMessage::GetFdbChanges.encode(Dialect::LinuxMclag);
        assert_eq!(row(&poll.unwrap(), Some(Dialect::LinuxMclag)), None);
        assert_eq!(
            row(&[1, 14], Some(Dialect::Sonic)),
            Some(ToSyncd::PeerLinkIsolation)
        );
        assert_eq!(
            row(&[1, 15], Some(Dialect::Sonic)),
            Some(ToSyncd::SetPeerSystemId)
        );
        for none in [&[][..], &[1], &[1, 0], &[1, 16], &[1, 255]] {
            assert_eq!(row(none, Some(Dialect::Sonic)), None);
        }
    }

    #[test]
    fn what_was_heard_is_counted_by_type_and_connections_add_up() {
        let mut counters = Counters::default();
        for kind in 0..=6 {
            counters.received(kind, true);
        }
        counters.received(3, false);
        counters.sent(row(&[1, 1], Some(Dialect::Sonic)).unwrap());
        counters.not_sent(row(&[1, 5], Some(Dialect::Sonic)).unwrap());
        counters.not_sent(ToSyncd::PortIsolation);
        let mut sum = counters;
        sum.add(&counters);
        let row = |ok, error| OkError { ok, error };
        assert_eq!(sum.from(FromSyncd::FdbChange), row(2, 0));
        assert_eq!(sum.from(FromSyncd::CfgMclagIface), row(2, 2));
        assert_eq!(sum.to(ToSyncd::PortIsolation), row(2, 2));
        assert_eq!(sum.to(ToSyncd::SetFdb), row(0, 2));
    }
}
