//! The registry of code points (`spec/iccp.md` 2.1): what a type is called, and how it is written.

use std::fmt;

/// Message types, 15 bits.
pub(super) mod message {
    pub(in super::super) const CAPABILITY: u16 = 0x0202;
    pub(in super::super) const CONNECT: u16 = 0x0700;
    pub(in super::super) const DISCONNECT: u16 = 0x0701;
    pub(in super::super) const NOTIFICATION: u16 = 0x0702;
    pub(in super::super) const APPLICATION: u16 = 0x0703;
}

/// TLV types, 14 bits.
pub(super) mod tlv {
    pub(in super::super) const SENDER_NAME: u16 = 0x0001;
    pub(in super::super) const NAK: u16 = 0x0002;
    pub(in super::super) const DISCONNECT_CODE: u16 = 0x0004;
    pub(in super::super) const RG_ID: u16 = 0x0005;
    pub(in super::super) const SYSTEM_CONFIG: u16 = 0x0032;
    pub(in super::super) const AGGREGATOR_CONFIG: u16 = 0x0036;
    pub(in super::super) const AGGREGATOR_STATE: u16 = 0x0037;
    pub(in super::super) const SYNC_REQUEST: u16 = 0x0038;
    pub(in super::super) const SYNC_DATA: u16 = 0x0039;
    pub(in super::super) const HEARTBEAT: u16 = 0x003a;
    pub(in super::super) const CAPABILITY: u16 = 0x0700;
    pub(in super::super) const PORT_CHANNEL_INFO: u16 = 0x1034;
    pub(in super::super) const PEER_LINK_INFO: u16 = 0x1035;
    pub(in super::super) const ARP_INFO: u16 = 0x1036;
    pub(in super::super) const MAC_INFO: u16 = 0x1038;
    pub(in super::super) const WARM_BOOT: u16 = 0x1039;
    pub(in super::super) const NDISC_INFO: u16 = 0x103a;
    pub(in super::super) const INTERFACE_UP_ACK: u16 = 0x103b;
    pub(in super::super) const ANNOUNCE: u16 = 0x1100;
    pub(in super::super) const GOODBYE: u16 = 0x1101;
    pub(in super::super) const MAC_SYNC_END: u16 = 0x1102;
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
            Self::Tlv(tlv::GOODBYE) => "Goodbye",
            Self::Tlv(tlv::MAC_SYNC_END) => "MAC Sync End",
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
