//! Messages that are lists of sub-options (`spec/mclagsyncd-protocol.md` 2.1, 3.3).
//
//  0                   1                   2                   3
//  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// |      Type     |      pad      |   Length of data (LE)         |
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// | Data ... (the next sub-option follows at once, unaligned)

use super::field::{Fields, Part};
use super::isolation::{listed, names_of};
use super::{
    ClientMessage, DecodeError, Dialect, EncodeError, InterfaceAddress, PortIsolate, Problem,
    RecordError, client,
};
use crate::bytes::Writer;
use crate::sync::frame::HEADER_LEN;
use crate::{DomainId, IfName, Mac};

/// Length of the header of a sub-option in bytes.
pub(super) const SUB_HEADER_LEN: usize = 4;

pub(super) const ISOLATE_SRC: u8 = 1;
pub(super) const ISOLATE_DST: u8 = 2;
const MAC_LEARN_ENABLE: u8 = 3;
const MAC_LEARN_DISABLE: u8 = 4;
const SET_MAC_SRC: u8 = 5;
const SET_MAC_DST: u8 = 6;
pub(super) const INTF_NAME: u8 = 7;
const MCLAG_ID: u8 = 8;
const ICCP_ROLE: u8 = 9;
const SYSTEM_ID: u8 = 10;
const OPER_STATUS: u8 = 11;
const ISOLATION_STATE: u8 = 12;
const PEER_SYSTEM_ID: u8 = 13;

/// What a sub-option is called in an error.
const fn field(kind: u8) -> &'static str {
    match kind {
        ISOLATE_SRC => "isolation source",
        ISOLATE_DST => "isolation destination",
        MAC_LEARN_ENABLE | MAC_LEARN_DISABLE => "learning port",
        SET_MAC_SRC => "MAC interface",
        SET_MAC_DST => "interface MAC",
        INTF_NAME => "interface name",
        MCLAG_ID => "domain",
        ICCP_ROLE => "role",
        SYSTEM_ID => "system id",
        OPER_STATUS => "operational status",
        ISOLATION_STATE => "isolation state",
        PEER_SYSTEM_ID => "peer system id",
        _ => "sub-option",
    }
}

/// Write the sub-options of a message, which the dialect is known to have. The order is the one
/// that servers that go by position need.
pub(super) fn encode(
    message: &ClientMessage,
    dialect: Dialect,
    out: &mut Writer,
) -> Result<(), EncodeError> {
    let mut put = |kind, data: &[u8]| put(out, kind, data);
    let id = |domain: &DomainId| i32::from(domain.get()).to_le_bytes();
    match message {
        ClientMessage::PortIsolate(list) => {
            put(ISOLATE_SRC, list.peer_link.as_str().as_bytes())?;
            // Present even when it is empty: a receiver takes it by its position.
            put(ISOLATE_DST, list.text(dialect)?.as_bytes())
        }
        ClientMessage::MacLearnMode { ports, learning } => {
            let kind = match learning {
                true => MAC_LEARN_ENABLE,
                false => MAC_LEARN_DISABLE,
            };
            put(kind, learning_ports(ports, dialect)?.as_bytes())
        }
        ClientMessage::SetInterfaceMac {
            interface,
            address,
            mac,
        } => {
            let text = match (address, dialect) {
                (None, _) | (_, Dialect::Sonic) => interface.to_string(),
                (
                    Some(InterfaceAddress {
                        address,
                        prefix_len,
                    }),
                    _,
                ) => {
                    format!("{interface}:{address}/{prefix_len}")
                }
            };
            put(SET_MAC_SRC, text.as_bytes())?;
            put(SET_MAC_DST, mac.to_string().as_bytes())
        }
        ClientMessage::TrafficDistribution { port, .. } => put(INTF_NAME, port.as_str().as_bytes()),
        // The receiver does not look at the type.
        ClientMessage::FlushFdbByPort { port } => put(0, port.as_str().as_bytes()),
        ClientMessage::IccpState { domain, is_up } => {
            put(MCLAG_ID, &id(domain))?;
            put(OPER_STATUS, &[u8::from(*is_up)])
        }
        ClientMessage::IccpRole {
            domain,
            is_active,
            system_id,
        } => {
            put(MCLAG_ID, &id(domain))?;
            put(ICCP_ROLE, &[u8::from(*is_active)])?;
            match system_id {
                Some(Mac(bytes)) => put(SYSTEM_ID, bytes),
                None => Ok(()),
            }
        }
        ClientMessage::IccpSystemId { domain, system_id } => {
            put(MCLAG_ID, &id(domain))?;
            put(SYSTEM_ID, &system_id.0)
        }
        ClientMessage::DeleteIccpInfo { domain } => put(MCLAG_ID, &id(domain)),
        ClientMessage::RemoteInterfaceState {
            domain,
            port,
            is_up,
        } => {
            put(MCLAG_ID, &id(domain))?;
            put(INTF_NAME, port.as_str().as_bytes())?;
            put(OPER_STATUS, &[u8::from(*is_up)])
        }
        ClientMessage::DeleteRemoteInterface { domain, port } => {
            put(MCLAG_ID, &id(domain))?;
            put(INTF_NAME, port.as_str().as_bytes())
        }
        ClientMessage::PeerLinkIsolation {
            domain,
            port,
            is_isolated,
        } => {
            put(MCLAG_ID, &id(domain))?;
            put(INTF_NAME, port.as_str().as_bytes())?;
            put(ISOLATION_STATE, &[u8::from(*is_isolated)])
        }
        ClientMessage::PeerSystemId { domain, system_id } => {
            put(MCLAG_ID, &id(domain))?;
            put(PEER_SYSTEM_ID, &system_id.0)
        }
        // No sub-options.
        ClientMessage::FlushFdb | ClientMessage::GetFdbChanges | ClientMessage::SetFdb(_) => Ok(()),
    }
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

/// One port; linux-mclag: any number of them but none.
fn learning_ports(ports: &[IfName], dialect: Dialect) -> Result<String, EncodeError> {
    let message = "PORT_MAC_LEARN_MODE";
    match (ports, dialect) {
        ([], _) => Err(EncodeError::Empty { message, dialect }),
        (_, Dialect::LinuxMclag) => {
            let names = ports.iter().map(|port| listed(port, dialect));
            Ok(names.collect::<Result<Vec<_>, _>>()?.join(","))
        }
        ([port], _) => Ok(port.to_string()),
        _ => Err(EncodeError::Ports {
            message,
            count: ports.len(),
            dialect,
        }),
    }
}

/// The message that these sub-options are; `None` for a type that the dialect does not have.
pub(super) fn decode(
    kind: u8,
    body: &[u8],
    dialect: Dialect,
    skipped: &mut Vec<RecordError>,
) -> Result<Option<ClientMessage>, DecodeError> {
    let read: fn(u8, &SubOptions<'_>) -> Result<ClientMessage, DecodeError> = match (kind, dialect)
    {
        // Whatever a body holds that should be empty is nobody's business.
        (client::FLUSH_FDB, _) => return Ok(Some(ClientMessage::FlushFdb)),
        (client::GET_FDB_CHANGES, Dialect::LinuxMclag | Dialect::Intermediate) => {
            return Ok(Some(ClientMessage::GetFdbChanges));
        }
        (client::PORT_ISOLATE, _) => {
            let options = SubOptions::parse(body)?;
            return port_isolate(&options, dialect, skipped).map(Some);
        }
        (client::MAC_LEARN_MODE, _) => {
            let options = SubOptions::parse(body)?;
            return mac_learn_mode(&options, dialect, skipped).map(Some);
        }
        (client::SET_INTF_MAC, _) => |_, options| set_interface_mac(options),
        (client::FLUSH_FDB_BY_PORT, Dialect::LinuxMclag) => |_, options| {
            let port = options.first().ok_or_else(|| options.missing(INTF_NAME))?;
            Ok(ClientMessage::FlushFdbByPort { port: port.name()? })
        },
        (client::TRAFFIC_ENABLE..=client::PEER_SYSTEM_ID, Dialect::Sonic) => sonic,
        _ => return Ok(None),
    };
    read(kind, &SubOptions::parse(body)?).map(Some)
}

fn port_isolate(
    options: &SubOptions<'_>,
    dialect: Dialect,
    skipped: &mut Vec<RecordError>,
) -> Result<ClientMessage, DecodeError> {
    let list = options.at(ISOLATE_DST, 1)?;
    Ok(ClientMessage::PortIsolate(PortIsolate {
        peer_link: options.at(ISOLATE_SRC, 0)?.name()?,
        ports: PortIsolate::read(&list, dialect, skipped),
    }))
}

fn mac_learn_mode(
    options: &SubOptions<'_>,
    dialect: Dialect,
    skipped: &mut Vec<RecordError>,
) -> Result<ClientMessage, DecodeError> {
    let is_mode = |kind| matches!(kind, MAC_LEARN_ENABLE | MAC_LEARN_DISABLE);
    let known = options.0.iter().find(|(kind, _)| is_mode(*kind));
    let (kind, port) = match (known, options.0.first(), dialect) {
        (Some(known), _, _) => known,
        // A linux-mclag server takes every other type for "disable".
        (None, Some(first), Dialect::LinuxMclag) => first,
        _ => return Err(options.missing(MAC_LEARN_DISABLE)),
    };
    let ports = match dialect {
        Dialect::LinuxMclag => names_of(port, |name| name.name_if_any(), skipped),
        Dialect::Sonic | Dialect::Intermediate => vec![port.name()?],
    };
    if ports.is_empty() {
        // Tells what is wrong with it: it is empty, or its only name is none.
        port.name()?;
    }
    Ok(ClientMessage::MacLearnMode {
        ports,
        learning: *kind == MAC_LEARN_ENABLE,
    })
}

/// The interface is `name` or `name:address/length`; no name has a colon
/// (`spec/mclagsyncd-protocol.md` 4.4).
fn set_interface_mac(options: &SubOptions<'_>) -> Result<ClientMessage, DecodeError> {
    let source = options.at(SET_MAC_SRC, 0)?;
    let (name, address) = match source.text()?.split_once(':') {
        Some((name, address)) => (name, interface_address(address)),
        None => (source.text()?, None),
    };
    let name = Part {
        bytes: name.as_bytes(),
        ..source
    };
    Ok(ClientMessage::SetInterfaceMac {
        interface: name.name()?,
        address,
        mac: options.at(SET_MAC_DST, 1)?.mac()?,
    })
}

/// The address behind a name. It is there for a person to read: one that makes no sense is none.
fn interface_address(text: &str) -> Option<InterfaceAddress> {
    let (address, length) = text.split_once('/')?;
    Some(InterfaceAddress {
        address: address.parse().ok()?,
        prefix_len: length.parse().ok().filter(|bits| *bits <= 32)?,
    })
}

/// The messages that only sonic has.
fn sonic(kind: u8, options: &SubOptions<'_>) -> Result<ClientMessage, DecodeError> {
    Ok(match kind {
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
                Some(_) => Some(options.system_id(SYSTEM_ID)?),
                None => None,
            },
        },
        client::ICCP_SYSTEM_ID => ClientMessage::IccpSystemId {
            domain: options.domain()?,
            system_id: options.system_id(SYSTEM_ID)?,
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
        client::PEER_LINK_ISOLATION => ClientMessage::PeerLinkIsolation {
            domain: options.domain()?,
            port: options.name(INTF_NAME)?,
            is_isolated: options.flag(ISOLATION_STATE)?,
        },
        _ => ClientMessage::PeerSystemId {
            domain: options.domain()?,
            system_id: options.system_id(PEER_SYSTEM_ID)?,
        },
    })
}

/// The sub-options of one message. Unknown ones are there too, and nobody asks for them.
pub(super) struct SubOptions<'a>(Vec<(u8, Part<'a>)>, usize);

impl<'a> SubOptions<'a> {
    pub(super) fn parse(body: &'a [u8]) -> Result<Self, DecodeError> {
        let mut fields = Fields::new(body, HEADER_LEN);
        let mut options = Vec::new();
        while !fields.is_empty() {
            let kind = fields.u8("sub-option type")?;
            fields.u8("sub-option pad")?; // real senders leave garbage in it
            let length = fields.u16("sub-option length")?;
            options.push((kind, fields.take(usize::from(length), field(kind))?));
        }
        Ok(Self(options, fields.offset()))
    }

    /// The data of that type; of several the last counts, as in the legacy server.
    pub(super) fn find(&self, kind: u8) -> Option<Part<'a>> {
        let last = self.0.iter().rev().find(|(k, _)| *k == kind);
        last.map(|(_, data)| *data)
    }

    /// The data of the first sub-option, whatever its type.
    pub(super) fn first(&self) -> Option<Part<'a>> {
        self.0.first().map(|(_, data)| *data)
    }

    /// The type of the first sub-option.
    pub(super) fn first_kind(&self) -> Option<u8> {
        self.0.first().map(|(kind, _)| *kind)
    }

    /// The data of that type, or of whatever stands at its position: the legacy servers go by
    /// position alone and never look at the types.
    pub(super) fn at(&self, kind: u8, position: usize) -> Result<Part<'a>, DecodeError> {
        let by_position = || self.0.get(position).map(|(_, data)| *data);
        let data = self.find(kind).or_else(by_position);
        let data = data.ok_or_else(|| self.missing(kind))?;
        Ok(Part {
            field: field(kind),
            ..data
        })
    }

    fn missing(&self, kind: u8) -> DecodeError {
        let Self(_, end) = self;
        DecodeError::new(*end, field(kind), Problem::Missing(kind))
    }

    fn known(&self, kind: u8) -> Result<Part<'a>, DecodeError> {
        self.find(kind).ok_or_else(|| self.missing(kind))
    }

    fn domain(&self) -> Result<DomainId, DecodeError> {
        self.known(MCLAG_ID)?.domain()
    }

    /// Any value but zero is true (`spec/mclagsyncd-protocol.md` 10, item 14).
    fn flag(&self, kind: u8) -> Result<bool, DecodeError> {
        let [value] = self.known(kind)?.array()?;
        Ok(value != 0)
    }

    fn system_id(&self, kind: u8) -> Result<Mac, DecodeError> {
        Ok(Mac(self.known(kind)?.array()?))
    }

    fn name(&self, kind: u8) -> Result<IfName, DecodeError> {
        self.known(kind)?.name()
    }
}
