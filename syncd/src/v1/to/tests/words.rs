//! Messages in words.

use mclag_proto::sync::v1::{ClientMessage, Dialect, FdbRecord};

/// Each message in a few words, as the encoding of the dialect has it.
pub(super) fn words(messages: &[ClientMessage], dialect: Dialect) -> Vec<String> {
    let word = |message: &ClientMessage| match message {
        ClientMessage::PortIsolate(_) => {
            let bytes = message.encode(dialect).unwrap();
            let at = 8 + usize::from(bytes[6]) + 4;
            format!("isolate {}", String::from_utf8_lossy(&bytes[at..]))
        }
        ClientMessage::MacLearnMode { ports, learning } => format!("learn {} {learning}", ports[0]),
        ClientMessage::FlushFdb => "flush".into(),
        ClientMessage::SetInterfaceMac { interface, mac, .. } => format!("mac {interface} {mac}"),
        ClientMessage::SetFdb(records) => {
            let line = |r: &FdbRecord| {
                let port = r.port.map_or("-".to_owned(), |port| port.to_string());
                format!("{:?} {} {port} {:?}", r.op, r.mac.0[5], r.kind)
            };
            let lines: Vec<String> = records.iter().map(line).collect();
            format!("fdb {}", lines.join(", "))
        }
        ClientMessage::TrafficDistribution { port, is_enabled } => {
            format!("traffic {port} {is_enabled}")
        }
        ClientMessage::IccpState { is_up, .. } => format!("iccp {is_up}"),
        ClientMessage::IccpRole {
            is_active,
            system_id,
            ..
        } => {
            let id = system_id.map_or("-".to_owned(), |mac| mac.to_string());
            format!("role active={is_active} {id}")
        }
        ClientMessage::IccpSystemId { system_id, .. } => format!("system {system_id}"),
        ClientMessage::DeleteIccpInfo { domain } => format!("delete domain {domain}"),
        ClientMessage::RemoteInterfaceState { port, is_up, .. } => format!("remote {port} {is_up}"),
        ClientMessage::DeleteRemoteInterface { port, .. } => format!("delete remote {port}"),
        ClientMessage::PeerLinkIsolation {
            port, is_isolated, ..
        } => format!("isolated {port} {is_isolated}"),
        ClientMessage::GetFdbChanges => "poll".into(),
        other => format!("{other:?}"),
    };
    messages.iter().map(word).collect()
}
