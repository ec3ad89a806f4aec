//! A message of the peer protocol taken apart, byte by byte as `spec/iccp.md` 2 has it.
//!
//! Deliberately without the decoder of [`mclag_proto`]: an error that encoder and decoder share would not be seen.

use mclag_proto::iccp::Dialect;

/// Message types (2.1).
pub mod kind {
    /// Capability.
    pub const CAPABILITY: u16 = 0x0202;
    /// RG Connect.
    pub const CONNECT: u16 = 0x0700;
    /// RG Disconnect.
    pub const DISCONNECT: u16 = 0x0701;
    /// Notification.
    pub const NOTIFICATION: u16 = 0x0702;
    /// RG Application Data.
    pub const APPLICATION: u16 = 0x0703;
}

/// TLV types (2.1).
pub mod tlv {
    /// ICCP Capability.
    pub const CAPABILITY: u16 = 0x0700;
    /// ICC Sender Name.
    pub const SENDER_NAME: u16 = 0x0001;
    /// System Config.
    pub const SYSTEM_CONFIG: u16 = 0x0032;
    /// Aggregator Config.
    pub const AGGREGATOR_CONFIG: u16 = 0x0036;
    /// Aggregator State.
    pub const AGGREGATOR_STATE: u16 = 0x0037;
    /// Sync Request.
    pub const SYNC_REQUEST: u16 = 0x0038;
    /// Sync Data.
    pub const SYNC_DATA: u16 = 0x0039;
    /// Heartbeat.
    pub const HEARTBEAT: u16 = 0x003a;
    /// Port Channel Info.
    pub const PORT_CHANNEL_INFO: u16 = 0x1034;
    /// Peer Link Info.
    pub const PEER_LINK_INFO: u16 = 0x1035;
    /// ARP Info.
    pub const ARP_INFO: u16 = 0x1036;
    /// MAC Info.
    pub const MAC_INFO: u16 = 0x1038;
    /// Warm Boot Flag.
    pub const WARM_BOOT: u16 = 0x1039;
    /// NDISC Info.
    pub const NDISC_INFO: u16 = 0x103a;
    /// Interface Up Ack.
    pub const INTERFACE_UP_ACK: u16 = 0x103b;
    /// First type that no legacy daemon uses (8.1).
    pub const FIRST_PRIVATE: u16 = 0x1100;
}

/// One message.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Raw {
    /// Its type.
    pub kind: u16,
    /// Its id.
    pub id: u32,
    /// Its redundancy group; a Capability has none.
    pub rg: Option<u32>,
    /// Type of its only TLV.
    pub tlv: u16,
    /// U bit of the TLV.
    pub unknown: bool,
    /// Value of the TLV.
    pub value: Vec<u8>,
}

/// Reads numbers as a dialect writes them (2.3).
#[derive(Clone, Copy, Debug)]
pub struct Numbers(pub Dialect);

impl Numbers {
    /// Two bytes at `at`; 0 beyond the end.
    #[must_use]
    pub fn u16(self, bytes: &[u8], at: usize) -> u16 {
        let pair = bytes.get(at..).and_then(<[u8]>::first_chunk);
        let pair = *pair.unwrap_or(&[0; 2]);
        match self.0 {
            Dialect::Sonic => u16::from_be_bytes(pair),
            Dialect::LinuxMclag => u16::from_le_bytes(pair),
        }
    }

    /// Four bytes at `at`; 0 beyond the end.
    #[must_use]
    pub fn u32(self, bytes: &[u8], at: usize) -> u32 {
        let four = bytes.get(at..).and_then(<[u8]>::first_chunk);
        let four = *four.unwrap_or(&[0; 4]);
        match self.0 {
            Dialect::Sonic => u32::from_be_bytes(four),
            Dialect::LinuxMclag => u32::from_le_bytes(four),
        }
    }
}

/// Size of the message that `bytes` begin with, once its header is there (2).
///
/// # Errors
///
/// When the length is one that a receiver has no room for, or that does not even cover the id.
pub fn size(bytes: &[u8], dialect: Dialect) -> Result<Option<usize>, String> {
    if bytes.len() < 4 {
        return Ok(None);
    }
    match Numbers(dialect).u16(bytes, 2) {
        length @ 4..=65_532 => Ok(Some(usize::from(length) + 4)),
        length => Err(format!("message length {length} (1.3, 2.4)")),
    }
}

/// Take one complete message apart.
///
/// # Errors
///
/// When it is not framed as section 2 says: type words, the RG ID TLV, exactly one TLV that fills the rest.
pub fn parse(bytes: &[u8], dialect: Dialect) -> Result<Raw, String> {
    let numbers = Numbers(dialect);
    let word = numbers.u16(bytes, 0);
    let (kind, u) = match dialect {
        Dialect::Sonic => (word & 0x7fff, word >> 15),
        Dialect::LinuxMclag => (word >> 1, word & 1),
    };
    if u != 0 {
        return Err("the U bit of a message is set (2.1)".into());
    }
    let (rg, rest) = match (kind, bytes.get(8..)) {
        (_, None) => return Err("ends within its header (2)".into()),
        (kind::CAPABILITY, Some(rest)) => (None, rest),
        (_, Some(rest)) => {
            // Not bit-packed in either dialect (2.1).
            if (numbers.u16(rest, 0), numbers.u16(rest, 2)) != (5, 4) || rest.len() < 8 {
                return Err("no RG ID TLV (2)".into());
            }
            (Some(numbers.u32(rest, 4)), &rest[8..])
        }
    };
    if rest.len() < 4 {
        return Err("no TLV (2)".into());
    }
    let (word, length) = (numbers.u16(rest, 0), numbers.u16(rest, 2));
    let (tlv, unknown, forward) = match dialect {
        Dialect::Sonic => (word & 0x3fff, word & 0x8000 != 0, word & 0x4000 != 0),
        Dialect::LinuxMclag => (word >> 2, word & 1 != 0, word & 2 != 0),
    };
    let value = rest[4..].to_vec();
    if value.len() != usize::from(length) {
        let len = value.len();
        return Err(format!(
            "a TLV of {length} bytes in the place of one of {len}: never two in a message (2)"
        ));
    }
    if forward {
        return Err("the F bit is set (2.1)".into());
    }
    Ok(Raw {
        kind,
        id: numbers.u32(bytes, 4),
        rg,
        tlv,
        unknown,
        value,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEARTBEATS: [(Dialect, [u8; 21]); 2] = [
        (
            Dialect::Sonic,
            [
                7, 3, 0, 17, 0, 0, 0, 9, 0, 5, 0, 4, 0, 0, 0, 1, 0, 0x3a, 0, 1, 0xff,
            ],
        ),
        (
            Dialect::LinuxMclag,
            [
                6, 0x0e, 17, 0, 9, 0, 0, 0, 5, 0, 4, 0, 1, 0, 0, 0, 0xe8, 0, 1, 0, 0xff,
            ],
        ),
    ];

    #[test]
    fn a_heartbeat_is_read_in_both_dialects() {
        for (dialect, bytes) in HEARTBEATS {
            assert_eq!(size(&bytes, dialect), Ok(Some(21)));
            let raw = parse(&bytes, dialect).unwrap();
            assert_eq!((raw.kind, raw.id, raw.rg), (kind::APPLICATION, 9, Some(1)));
            assert_eq!((raw.tlv, raw.unknown), (tlv::HEARTBEAT, false));
            assert_eq!(raw.value, [0xff]);
        }
    }

    #[test]
    fn what_is_framed_badly_is_refused() {
        for (dialect, good) in HEARTBEATS {
            for len in 0..good.len() {
                assert!(parse(&good[..len], dialect).is_err(), "{len} bytes");
            }
            let longer = [&good[..], &[0]].concat();
            assert!(parse(&longer, dialect).unwrap_err().contains("never two"));
            assert!(size(&[7, 3, 0, 0], dialect).is_err());
            assert!(size(&[7, 3, 0xff, 0xff], dialect).is_err());
        }
    }
}
