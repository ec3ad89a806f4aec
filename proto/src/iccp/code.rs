//! The registry of code points (`spec/iccp.md` 2.1): what a type is called, and how it is written.
//!
//! Message types, and the type of the ICCP Capability TLV, are assigned by IANA in
//! [LDP Parameters](https://www.iana.org/assignments/ldp-namespaces), other TLV types below 0x1000
//! in "ICC RG Parameter Types" of
//! [Pseudowire Name Spaces](https://www.iana.org/assignments/pwe3-parameters). TLV types from 0x1000
//! up, and Heartbeat, are no registry's: they are SONiC's or linux-mclag's, and from 0x1100 up ours.

use std::fmt;

/// Message types, 15 bits.
pub(super) mod message {
    /// Capability: [RFC 5561, section 3](https://www.rfc-editor.org/rfc/rfc5561#section-3).
    pub(in super::super) const CAPABILITY: u16 = 0x0202;
    /// RG Connect: [RFC 7275, section 6.2](https://www.rfc-editor.org/rfc/rfc7275#section-6.2).
    pub(in super::super) const CONNECT: u16 = 0x0700;
    /// RG Disconnect: [RFC 7275, section 6.3](https://www.rfc-editor.org/rfc/rfc7275#section-6.3).
    pub(in super::super) const DISCONNECT: u16 = 0x0701;
    /// RG Notification: [RFC 7275, section 6.4](https://www.rfc-editor.org/rfc/rfc7275#section-6.4).
    pub(in super::super) const NOTIFICATION: u16 = 0x0702;
    /// RG Application Data: [RFC 7275, section 6.5](https://www.rfc-editor.org/rfc/rfc7275#section-6.5).
    pub(in super::super) const APPLICATION: u16 = 0x0703;
}

/// TLV types, 14 bits.
pub(super) mod tlv {
    /// ICC Sender Name: [RFC 7275, section 6.2.1](https://www.rfc-editor.org/rfc/rfc7275#section-6.2.1).
    pub(in super::super) const SENDER_NAME: u16 = 0x0001;
    /// NAK: [RFC 7275, section 6.4.1](https://www.rfc-editor.org/rfc/rfc7275#section-6.4.1).
    pub(in super::super) const NAK: u16 = 0x0002;
    /// Disconnect Code: [RFC 7275, section 6.3](https://www.rfc-editor.org/rfc/rfc7275#section-6.3).
    pub(in super::super) const DISCONNECT_CODE: u16 = 0x0004;
    /// ICC RG ID: [RFC 7275, section 6.1.1](https://www.rfc-editor.org/rfc/rfc7275#section-6.1.1).
    pub(in super::super) const RG_ID: u16 = 0x0005;
    /// mLACP System Config: [RFC 7275, section 7.2.3](https://www.rfc-editor.org/rfc/rfc7275#section-7.2.3).
    pub(in super::super) const SYSTEM_CONFIG: u16 = 0x0032;
    /// mLACP Aggregator Config: [RFC 7275, section
    /// 7.2.4](https://www.rfc-editor.org/rfc/rfc7275#section-7.2.4), with a name of fixed length
    /// (`spec/iccp.md` 4.2).
    pub(in super::super) const AGGREGATOR_CONFIG: u16 = 0x0036;
    /// mLACP Aggregator State: [RFC 7275, section
    /// 7.2.8](https://www.rfc-editor.org/rfc/rfc7275#section-7.2.8).
    pub(in super::super) const AGGREGATOR_STATE: u16 = 0x0037;
    /// mLACP Synchronization Request: [RFC 7275, section
    /// 7.2.9](https://www.rfc-editor.org/rfc/rfc7275#section-7.2.9).
    pub(in super::super) const SYNC_REQUEST: u16 = 0x0038;
    /// mLACP Synchronization Data: [RFC 7275, section
    /// 7.2.10](https://www.rfc-editor.org/rfc/rfc7275#section-7.2.10).
    pub(in super::super) const SYNC_DATA: u16 = 0x0039;
    /// Heartbeat, SONiC's and linux-mclag's own: the RFC has none, and may have given its number to another
    /// (`spec/iccp.md` 12).
    pub(in super::super) const HEARTBEAT: u16 = 0x003a;
    /// ICCP Capability: [RFC 7275, section 8](https://www.rfc-editor.org/rfc/rfc7275#section-8).
    pub(in super::super) const CAPABILITY: u16 = 0x0700;
    /// Port Channel Info, SONiC's and linux-mclag's own (`spec/iccp.md` 4.7).
    pub(in super::super) const PORT_CHANNEL_INFO: u16 = 0x1034;
    /// Peer Link Info, SONiC's and linux-mclag's own (`spec/iccp.md` 4.8).
    pub(in super::super) const PEER_LINK_INFO: u16 = 0x1035;
    /// ARP Info, SONiC's and linux-mclag's own (`spec/iccp.md` 4.9).
    pub(in super::super) const ARP_INFO: u16 = 0x1036;
    /// MAC Info, SONiC's and linux-mclag's own (`spec/iccp.md` 4.11).
    pub(in super::super) const MAC_INFO: u16 = 0x1038;
    /// Warm Boot Flag, SONiC's own (`spec/iccp.md` 4.12).
    pub(in super::super) const WARM_BOOT: u16 = 0x1039;
    /// NDISC Info, SONiC's own (`spec/iccp.md` 4.10).
    pub(in super::super) const NDISC_INFO: u16 = 0x103a;
    /// Interface Up Ack, SONiC's own (`spec/iccp.md` 4.13).
    pub(in super::super) const INTERFACE_UP_ACK: u16 = 0x103b;
    /// Announce, ours: [`Announce`](super::super::ext::Announce).
    pub(in super::super) const ANNOUNCE: u16 = 0x1100;
    /// Shutdown Notice, ours: [`ShutdownNotice`](super::super::ext::ShutdownNotice).
    pub(in super::super) const SHUTDOWN_NOTICE: u16 = 0x1101;
    /// MAC Sync End, ours: [`Extension`](super::super::ext::Extension).
    pub(in super::super) const MAC_SYNC_END: u16 = 0x1102;
    /// LACP Partner, ours: [`PortPartner`](super::super::ext::PortPartner).
    pub(in super::super) const LACP_PARTNER: u16 = 0x1103;
    /// MAC Order, ours: [`MacOrder`](super::super::ext::MacOrder).
    pub(in super::super) const MAC_ORDER: u16 = 0x1104;
    /// Port Id, ours: [`Extension::PortId`](super::super::ext::Extension::PortId).
    pub(in super::super) const PORT_ID: u16 = 0x1105;
    /// Dataplane State, ours: [`DataplaneState`](super::super::ext::DataplaneState).
    pub(in super::super) const DATAPLANE_STATE: u16 = 0x1106;
    /// Port VLAN, ours: [`PortVlan`](super::super::ext::PortVlan).
    pub(in super::super) const PORT_VLAN: u16 = 0x1107;
}

/// The part of a message that an error speaks of.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Part {
    /// The message of this 15-bit type.
    Message(u16),
    /// The TLV of this 14-bit type.
    Tlv(u16),
}

impl Part {
    const fn name(self) -> Option<&'static str> {
        Some(match self {
            Self::Message(message::CAPABILITY) => "Capability",
            Self::Message(message::CONNECT) => "RG Connect",
            Self::Message(message::DISCONNECT) => "RG Disconnect",
            Self::Message(message::NOTIFICATION) => "Notification",
            Self::Message(message::APPLICATION) => "RG Application Data",
            Self::Tlv(tlv::SENDER_NAME) => "ICC Sender Name",
            Self::Tlv(tlv::NAK) => "NAK",
            Self::Tlv(tlv::DISCONNECT_CODE) => "Disconnect Code",
            Self::Tlv(tlv::RG_ID) => "RG ID",
            Self::Tlv(tlv::SYSTEM_CONFIG) => "System Config",
            Self::Tlv(tlv::AGGREGATOR_CONFIG) => "Aggregator Config",
            Self::Tlv(tlv::AGGREGATOR_STATE) => "Aggregator State",
            Self::Tlv(tlv::SYNC_REQUEST) => "Sync Request",
            Self::Tlv(tlv::SYNC_DATA) => "Sync Data",
            Self::Tlv(tlv::HEARTBEAT) => "Heartbeat",
            Self::Tlv(tlv::CAPABILITY) => "ICCP Capability",
            Self::Tlv(tlv::PORT_CHANNEL_INFO) => "Port Channel Info",
            Self::Tlv(tlv::PEER_LINK_INFO) => "Peer Link Info",
            Self::Tlv(tlv::ARP_INFO) => "ARP Info",
            Self::Tlv(tlv::MAC_INFO) => "MAC Info",
            Self::Tlv(tlv::WARM_BOOT) => "Warm Boot Flag",
            Self::Tlv(tlv::NDISC_INFO) => "NDISC Info",
            Self::Tlv(tlv::INTERFACE_UP_ACK) => "Interface Up Ack",
            Self::Tlv(tlv::ANNOUNCE) => "Announce",
            Self::Tlv(tlv::SHUTDOWN_NOTICE) => "Shutdown Notice",
            Self::Tlv(tlv::MAC_SYNC_END) => "MAC Sync End",
            Self::Tlv(tlv::LACP_PARTNER) => "LACP Partner",
            Self::Tlv(tlv::MAC_ORDER) => "MAC Order",
            Self::Tlv(tlv::PORT_ID) => "Port Id",
            Self::Tlv(tlv::DATAPLANE_STATE) => "Dataplane State",
            Self::Tlv(tlv::PORT_VLAN) => "Port VLAN",
            Self::Message(_) | Self::Tlv(_) => return None,
        })
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, kind) = match *self {
            Self::Message(kind) => ("message", kind),
            Self::Tlv(kind) => ("TLV", kind),
        };
        match self.name() {
            Some(name) => write!(f, "{name} {what} 0x{kind:04x}"),
            None => write!(f, "{what} 0x{kind:04x}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_called_by_name_and_number() {
        let cases = [
            (Part::Message(0x0700), "RG Connect message 0x0700"),
            (Part::Message(0x0750), "message 0x0750"),
            (Part::Tlv(0x1038), "MAC Info TLV 0x1038"),
            (Part::Tlv(0x1037), "TLV 0x1037"),
        ];
        for (part, text) in cases {
            assert_eq!(part.to_string(), text);
        }
    }
}
