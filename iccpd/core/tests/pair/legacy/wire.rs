//! The bytes between the two, in the dialect of the family. What we send is read by a receiver that
//! insists on every limit of `spec/iccp.md` 2.4 and on one TLV per message.

use super::Family;
use mclag_proto::iccp::{Body, Decoder, EntryOp, Message, Tlv, encode};

/// One direction of one connection.
#[derive(Debug)]
pub struct Pipe {
    family: Family,
    decoder: Decoder,
}

impl Pipe {
    pub fn new(family: Family) -> Self {
        let decoder = Decoder::new(family.dialect());
        Self { family, decoder }
    }

    /// What a legacy daemon says, as we read it.
    pub fn legacy_says(&mut self, message: &Message) -> Vec<Message> {
        let mut bytes = Vec::new();
        encode(message, self.family.dialect(), &mut bytes).expect("a legacy daemon says it");
        self.decoder.push(&bytes);
        let messages = self.decoder.by_ref();
        messages.map(|m| m.expect("we read what it says")).collect()
    }

    /// What we say, as a legacy daemon reads it. What the dialect has no words for is not said.
    pub fn we_say(&mut self, message: &Message) -> Vec<Message> {
        let mut bytes = Vec::new();
        if encode(message, self.family.dialect(), &mut bytes).is_err() {
            return Vec::new();
        }
        self.check_bytes(&bytes);
        self.decoder.push(&bytes);
        let messages: Vec<Message> = self
            .decoder
            .by_ref()
            .map(|m| m.expect("a legacy daemon reads what we say"))
            .collect();
        assert_eq!(self.decoder.buffered(), 0, "complete messages only");
        for message in &messages {
            self.check_values(message);
        }
        messages
    }

    fn u16(&self, bytes: &[u8]) -> usize {
        let bytes = [bytes[0], bytes[1]];
        usize::from(match self.family {
            Family::Sonic => u16::from_be_bytes(bytes),
            Family::LinuxMclag => u16::from_le_bytes(bytes),
        })
    }

    fn check_bytes(&self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let length = self.u16(&bytes[2..]);
            assert!(length <= 65532, "message length {length}");
            let (message, rest) = bytes.split_at(4 + length);
            bytes = rest;
            let capability = self.u16(message) == if self.sonic() { 0x0202 } else { 0x0404 };
            let tlv = if capability { 8 } else { 16 };
            assert_eq!(
                message.len(),
                tlv + 4 + self.u16(&message[tlv + 2..]),
                "one TLV"
            );
        }
    }

    fn sonic(&self) -> bool {
        self.family == Family::Sonic
    }

    fn check_values(&self, message: &Message) {
        let Body::Application { tlv, .. } = &message.body else {
            return;
        };
        let mut names = Vec::new();
        match tlv {
            Tlv::AggregatorConfig(config) => names.push(config.name),
            Tlv::PortChannelInfo(info) => names.push(info.name),
            Tlv::PeerLinkInfo(info) => names.push(info.name),
            Tlv::MacInfo(entries) => {
                let most = if self.sonic() { 30 } else { 1 };
                assert!((1..=most).contains(&entries.len()), "{entries:?}");
                for entry in entries {
                    assert!(!matches!(entry.op, EntryOp::Reserved(_)), "{entry:?}");
                    assert!(entry.mac.is_unicast(), "{entry:?}");
                    names.push(entry.port);
                }
            }
            Tlv::ArpInfo(entries) => {
                let most = if self.sonic() { 40 } else { 1 };
                assert!((1..=most).contains(&entries.len()), "{entries:?}");
                names.extend(entries.iter().map(|entry| entry.interface));
            }
            Tlv::NdiscInfo(entries) => {
                assert!(self.sonic() && (1..=40).contains(&entries.len()));
                names.extend(entries.iter().map(|entry| entry.interface));
            }
            Tlv::WarmBoot | Tlv::InterfaceUpAck(_) => assert!(self.sonic(), "{tlv:?}"),
            _ => {}
        }
        for name in names {
            assert!(name.as_str().len() <= 19, "{name}");
        }
    }
}
