//! Changes to a dataplane in an operator's words.

use std::fmt;

use mclag_proto::sync::model::{FdbKey, NeighbourKey};

use super::{Action, McastRouter, Subject};

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EnsureFilter { peer_link: None } => f.write_str("install the filter"),
            Self::EnsureFilter {
                peer_link: Some(link),
            } => write!(f, "install the filter for peer link {link}"),
            Self::RemoveFilter => f.write_str("remove the filter"),
            Self::Isolate { port } => write!(f, "isolate {port} from the peer link"),
            Self::Release { port } => write!(f, "no longer isolate {port}"),
            Self::Hold { port, .. } => write!(f, "hold {port}"),
            Self::Unhold { port } => write!(f, "release {port}"),
            Self::SetLearning { port, learning } => {
                let on = if *learning { "on" } else { "off" };
                write!(f, "switch learning of {port} {on}")
            }
            Self::SetBackup { port, backup } => write!(f, "redirect {port} to {backup}"),
            Self::ClearBackup { port } => write!(f, "no longer redirect {port}"),
            Self::SetMcastRouter { port, router } => {
                let router = match router {
                    McastRouter::Disabled => "never",
                    McastRouter::Learned => "while a router is heard",
                    McastRouter::Permanent => "always",
                    McastRouter::Temporary => "for a while",
                };
                write!(f, "send all multicast to {port} {router}")
            }
            Self::SetSystemMac {
                port,
                mac: Some(mac),
            } => write!(f, "set system MAC {mac} of {port}"),
            Self::SetSystemMac { port, mac: None } => write!(f, "restore the system MAC of {port}"),
            Self::FdbInstall { key, port, .. } => {
                write!(f, "install {} on {port}", Subject::Fdb(*key))
            }
            Self::FdbMakeDynamic { key, port } => {
                write!(f, "let {} age on {port}", Subject::Fdb(*key))
            }
            Self::FdbDelete { key, port } => write!(f, "remove {} from {port}", Subject::Fdb(*key)),
            Self::LocalInstall { interface, key } => {
                write!(f, "receive {} for {interface}", Subject::Fdb(*key))
            }
            Self::LocalDelete { interface, key } => {
                write!(
                    f,
                    "no longer receive {} for {interface}",
                    Subject::Fdb(*key)
                )
            }
            Self::SetInterfaceMac { interface, mac } => write!(f, "set MAC {mac} of {interface}"),
            Self::NeighbourInstall { key, mac, .. } => {
                write!(f, "install neighbour {} at {mac}", Subject::Neighbour(*key))
            }
            Self::NeighbourDelete { key } => {
                write!(f, "remove neighbour {}", Subject::Neighbour(*key))
            }
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Domain => f.write_str("bridge"),
            Self::Port(port) => port.fmt(f),
            Self::Settings(port) => write!(f, "settings of {port}"),
            Self::Fdb(FdbKey { vid, mac }) => write!(f, "{mac} vlan {vid}"),
            Self::Interface(interface) => interface.fmt(f),
            Self::Neighbour(NeighbourKey { interface, address }) => {
                write!(f, "{address} on {interface}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use mclag_proto::sync::model::FdbKey;
    use mclag_proto::{IfName, Mac, Vid};

    use super::*;

    #[test]
    fn addresses_and_names_are_written_as_operators_write_them() {
        let port = IfName::new("bond1").unwrap();
        let mac = Mac([0x44, 0x38, 0x39, 0xff, 0x01, 0x02]);
        let key = FdbKey {
            vid: Vid::new(10).unwrap(),
            mac,
        };
        for (action, text) in [
            (
                Action::SetSystemMac {
                    port,
                    mac: Some(mac),
                },
                "set system MAC 44:38:39:ff:01:02 of bond1",
            ),
            (
                Action::SetSystemMac { port, mac: None },
                "restore the system MAC of bond1",
            ),
            (
                Action::FdbDelete { key, port },
                "remove 44:38:39:ff:01:02 vlan 10 from bond1",
            ),
            (
                Action::SetLearning {
                    port,
                    learning: false,
                },
                "switch learning of bond1 off",
            ),
            (
                Action::SetMcastRouter {
                    port,
                    router: McastRouter::Permanent,
                },
                "send all multicast to bond1 always",
            ),
        ] {
            assert_eq!(action.to_string(), text);
        }
    }

    /// One that succeeds says nothing of the failure of another one, but for its opposite.
    #[test]
    fn an_action_and_its_opposite_change_one_setting_and_others_of_the_port_another() {
        let port = IfName::new("bond1").unwrap();
        let what = |action: Action| (action.subject(), action.setting());
        let pairs = [
            [
                Action::Hold {
                    port,
                    keeps_carrier: false,
                },
                Action::Unhold { port },
            ],
            [Action::Isolate { port }, Action::Release { port }],
            [
                Action::SetBackup { port, backup: port },
                Action::ClearBackup { port },
            ],
            [true, false].map(|learning| Action::SetLearning { port, learning }),
            [None, Some(Mac::ZERO)].map(|mac| Action::SetSystemMac { port, mac }),
        ];
        let mut all = Vec::new();
        for pair in pairs {
            let [one, other] = pair.map(what);
            assert_eq!(one, other);
            all.push(one);
        }
        for (at, one) in all.iter().enumerate() {
            assert!(!all[at + 1..].contains(one), "{one:?}");
        }
    }
}
