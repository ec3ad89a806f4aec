//! Messages that are lists of sub-options (`spec/mclagsyncd-protocol.md` 2.1, 3.3).
//
//  0                   1                   2                   3
//  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// |      Type     |      pad      |   Length of data (LE)         |
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// | Data ... (the next sub-option follows at once, unaligned)

use super::{ClientMessage, DecodeError, EncodeError, client, domain, name};
use crate::bytes::{Reader, Writer};
use crate::{DomainId, IfName, Mac};

const ISOLATE_SRC: u8 = 1;
const ISOLATE_DST: u8 = 2;
const MAC_LEARN_ENABLE: u8 = 3;
const MAC_LEARN_DISABLE: u8 = 4;
const INTF_NAME: u8 = 7;
const MCLAG_ID: u8 = 8;
const ICCP_ROLE: u8 = 9;
const SYSTEM_ID: u8 = 10;
const OPER_STATUS: u8 = 11;
const ISOLATION_STATE: u8 = 12;

/// Write the sub-options of a message; answers its type.
pub(super) fn encode(message: &ClientMessage, out: &mut Writer) -> Result<u8, EncodeError> {
    let mut put = |kind, data: &[u8]| put(out, kind, data);
    let id = |domain: &DomainId| i32::from(domain.get()).to_le_bytes();
    Ok(match message {
        ClientMessage::PortIsolate {
            peer_link,
            isolated,
        } => {
            let list: Vec<&str> = isolated.iter().map(IfName::as_str).collect();
            put(ISOLATE_SRC, peer_link.as_str().as_bytes())?;
            // Present even when it is empty: a receiver takes it by its position.
            put(ISOLATE_DST, list.join(",").as_bytes())?;
            client::PORT_ISOLATE
        }
        ClientMessage::MacLearnMode { port, learning } => {
            let kind = match learning {
                true => MAC_LEARN_ENABLE,
                false => MAC_LEARN_DISABLE,
            };
            put(kind, port.as_str().as_bytes())?;
            client::MAC_LEARN_MODE
        }
        ClientMessage::SetFdb(_) => client::SET_FDB,
        ClientMessage::TrafficDistribution { port, is_enabled } => {
            put(INTF_NAME, port.as_str().as_bytes())?;
            match is_enabled {
                true => client::TRAFFIC_ENABLE,
                false => client::TRAFFIC_DISABLE,
            }
        }
        ClientMessage::IccpState { domain, is_up } => {
            put(MCLAG_ID, &id(domain))?;
            put(OPER_STATUS, &[u8::from(*is_up)])?;
            client::ICCP_STATE
        }
        ClientMessage::IccpRole {
            domain,
            is_active,
            system_id,
        } => {
            put(MCLAG_ID, &id(domain))?;
            put(ICCP_ROLE, &[u8::from(*is_active)])?;
            if let Some(Mac(bytes)) = system_id {
                put(SYSTEM_ID, bytes)?;
            }
            client::ICCP_ROLE
        }
        ClientMessage::IccpSystemId {
            domain,
            system_id: Mac(bytes),
        } => {
            put(MCLAG_ID, &id(domain))?;
            put(SYSTEM_ID, bytes)?;
            client::ICCP_SYSTEM_ID
        }
        ClientMessage::DeleteIccpInfo { domain } => {
            put(MCLAG_ID, &id(domain))?;
            client::DEL_ICCP_INFO
        }
        ClientMessage::RemoteInterfaceState {
            domain,
            port,
            is_up,
        } => {
            put(MCLAG_ID, &id(domain))?;
            put(INTF_NAME, port.as_str().as_bytes())?;
            put(OPER_STATUS, &[u8::from(*is_up)])?;
            client::REMOTE_IF_STATE
        }
        ClientMessage::DeleteRemoteInterface { domain, port } => {
            put(MCLAG_ID, &id(domain))?;
            put(INTF_NAME, port.as_str().as_bytes())?;
            client::DEL_REMOTE_IF
        }
        ClientMessage::PeerLinkIsolation {
            domain,
            port,
            is_isolated,
        } => {
            put(MCLAG_ID, &id(domain))?;
            put(INTF_NAME, port.as_str().as_bytes())?;
            put(ISOLATION_STATE, &[u8::from(*is_isolated)])?;
            client::PEER_LINK_ISOLATION
        }
    })
}

fn put(out: &mut Writer, kind: u8, data: &[u8]) -> Result<(), EncodeError> {
    let length = u16::try_from(data.len()).map_err(|_| EncodeError::SubOption {
        kind,
        length: data.len(),
    })?;
    out.u8(kind);
    out.u8(0);
    out.u16_le(length);
    out.put(data);
    Ok(())
}

/// The message that these sub-options are; `None` for a type that is not such a list.
pub(super) fn decode(kind: u8, body: &[u8]) -> Result<Option<ClientMessage>, DecodeError> {
    if !matches!(
        kind,
        client::PORT_ISOLATE | client::MAC_LEARN_MODE | client::TRAFFIC_ENABLE
            ..=client::PEER_LINK_ISOLATION
    ) {
        return Ok(None);
    }
    let options = SubOptions::parse(body)?;
    Ok(Some(match kind {
        client::PORT_ISOLATE => {
            // Legacy receivers take the two by position and never look at their types.
            let at = |kind, position: usize| {
                let by_type = options.find(kind);
                let by_position = || options.0.get(position).map(|(_, data)| *data);
                by_type
                    .or_else(by_position)
                    .ok_or(DecodeError::Missing(kind))
            };
            let isolated = std::str::from_utf8(at(ISOLATE_DST, 1)?)?;
            let isolated = isolated.split(',').filter(|token| !token.is_empty());
            ClientMessage::PortIsolate {
                peer_link: name(std::str::from_utf8(at(ISOLATE_SRC, 0)?)?)?,
                isolated: isolated.map(name).collect::<Result<_, _>>()?,
            }
        }
        client::MAC_LEARN_MODE => match (options.find(MAC_LEARN_ENABLE), MAC_LEARN_DISABLE) {
            (Some(port), _) => ClientMessage::MacLearnMode {
                port: name(std::str::from_utf8(port)?)?,
                learning: true,
            },
            (None, kind) => ClientMessage::MacLearnMode {
                port: options.name(kind)?,
                learning: false,
            },
        },
        client::TRAFFIC_ENABLE | client::TRAFFIC_DISABLE => ClientMessage::TrafficDistribution {
            port: options.name(INTF_NAME)?,
            is_enabled: kind == client::TRAFFIC_ENABLE,
        },
        client::ICCP_STATE => ClientMessage::IccpState {
            domain: options.domain()?,
            is_up: options.flag(OPER_STATUS)?,
        },
        client::ICCP_ROLE => ClientMessage::IccpRole {
            domain: options.domain()?,
            is_active: options.flag(ICCP_ROLE)?,
            system_id: match options.find(SYSTEM_ID) {
                Some(_) => Some(options.system_id()?),
                None => None,
            },
        },
        client::ICCP_SYSTEM_ID => ClientMessage::IccpSystemId {
            domain: options.domain()?,
            system_id: options.system_id()?,
        },
        client::DEL_ICCP_INFO => ClientMessage::DeleteIccpInfo {
            domain: options.domain()?,
        },
        client::REMOTE_IF_STATE => ClientMessage::RemoteInterfaceState {
            domain: options.domain()?,
            port: options.name(INTF_NAME)?,
            is_up: options.flag(OPER_STATUS)?,
        },
        client::DEL_REMOTE_IF => ClientMessage::DeleteRemoteInterface {
            domain: options.domain()?,
            port: options.name(INTF_NAME)?,
        },
        _ => ClientMessage::PeerLinkIsolation {
            domain: options.domain()?,
            port: options.name(INTF_NAME)?,
            is_isolated: options.flag(ISOLATION_STATE)?,
        },
    }))
}

/// The sub-options of one message. Unknown ones are there too, and nobody asks for them.
struct SubOptions<'a>(Vec<(u8, &'a [u8])>);

impl<'a> SubOptions<'a> {
    fn parse(body: &'a [u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(body);
        let mut options = Vec::new();
        while !reader.is_empty() {
            let kind = reader.u8()?;
            let _pad = reader.u8()?; // real senders leave garbage in it
            let length = reader.u16_le()?;
            options.push((kind, reader.take(usize::from(length))?));
        }
        Ok(Self(options))
    }

    /// The data of that type; of several the last counts, as in the legacy server.
    fn find(&self, kind: u8) -> Option<&'a [u8]> {
        let last = self.0.iter().rev().find(|(k, _)| *k == kind);
        last.map(|(_, data)| *data)
    }

    fn fixed<const N: usize>(&self, kind: u8) -> Result<[u8; N], DecodeError> {
        let data = self.find(kind).ok_or(DecodeError::Missing(kind))?;
        data.try_into().map_err(|_| DecodeError::SubOption {
            kind,
            length: data.len(),
        })
    }

    fn domain(&self) -> Result<DomainId, DecodeError> {
        domain(i32::from_le_bytes(self.fixed(MCLAG_ID)?))
    }

    /// Any value but zero is true (`spec/mclagsyncd-protocol.md` 10, item 14).
    fn flag(&self, kind: u8) -> Result<bool, DecodeError> {
        let [value] = self.fixed(kind)?;
        Ok(value != 0)
    }

    fn system_id(&self) -> Result<Mac, DecodeError> {
        Ok(Mac(self.fixed(SYSTEM_ID)?))
    }

    fn name(&self, kind: u8) -> Result<IfName, DecodeError> {
        let data = self.find(kind).ok_or(DecodeError::Missing(kind))?;
        name(std::str::from_utf8(data)?)
    }
}
