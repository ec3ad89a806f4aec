//! The protocol between the two chassis (`spec/iccp.md`; RFC 7275 with the deviations of its
//! section 12).
//!
//! One value type per thing; a dialect is an encoding of it, so that nothing behind this module
//! knows which one is spoken.
//!
//! * [`Message`], [`Body`], [`Tlv`]: the values.
//! * [`encode`]: one message to bytes.
//! * [`Decoder`]: a byte stream, cut anywhere, to messages.
//! * [`Detector`]: the dialect of a stream, from its first bytes.

mod code;
mod codec;
mod detect;
mod error;
pub mod ext;
mod message;
mod tlv;
mod wire;

pub use code::Part;
pub use codec::{Decoder, MAX_MESSAGE, encode};
pub use detect::{Detection, Detector};
pub use error::{BadValue, DecodeError, Excerpt, Found, Inexpressible};
pub use tlv::{
    AggregatorConfig, AggregatorState, ConfigFlag, EntryOp, InterfaceUpAck, MAX_MACS_PER_MESSAGE,
    MacEntry, MacType, NeighbourEntry, NeighbourFlags, PeerLinkInfo, PeerLinkKind, PortChannelInfo,
    PortState, SystemConfig, Tlv,
};
pub use wire::{Dialect, UnknownDialect};

use codec::{MAX_LENGTH, MIN_LENGTH};
use serde::{Deserialize, Serialize};

/// TCP port of the peer protocol (`spec/iccp.md` 1); LDP's, which RFC 7275 uses, is another.
pub const PORT: u16 = 8888;

/// MAC entries in one message that a legacy receiver takes (`spec/iccp.md` 2.4).
pub const LEGACY_MACS_PER_MESSAGE: usize = 30;

/// ARP or NDISC entries in one message that a legacy receiver takes (`spec/iccp.md` 2.4).
pub const LEGACY_NEIGHBOURS_PER_MESSAGE: usize = 40;

/// One message (`spec/iccp.md` 2).
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Message {
    /// Message id; receivers use it only to match NAKs.
    pub id: u32,
    /// What is said.
    pub body: Body,
}

/// The redundancy group a message speaks of: the domain id, as it stands on the wire.
///
/// Not a [`crate::DomainId`]: a peer may send any 32-bit number, and the answer repeats it.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub struct RgId(pub u32);

impl From<crate::DomainId> for RgId {
    fn from(domain: crate::DomainId) -> Self {
        Self(u32::from(domain.get()))
    }
}

/// What a message says (`spec/iccp.md` 3).
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub enum Body {
    /// ICCP capability 1.0 with the advertise bit set (3.1). The only message without a group.
    Capability,
    /// The sender wants to be connected in this group (3.2).
    Connect {
        /// The group.
        rg: RgId,
        /// The sender's address as text, at most 80 bytes; never checked by a legacy receiver.
        sender: String,
    },
    /// The sender leaves the group (3.3).
    Disconnect {
        /// The group.
        rg: RgId,
        /// Why.
        status: Status,
    },
    /// A NAK (3.4).
    Notification {
        /// The group.
        rg: RgId,
        /// Why.
        status: Status,
        /// The rejected message's id, or for [`Status::UNKNOWN_RG`] the group that was received.
        rejected: u32,
    },
    /// Application data: one TLV (3.5).
    Application {
        /// The group; filled in, but not verified by legacy receivers.
        rg: RgId,
        /// The TLV.
        tlv: Tlv,
    },
    /// A message type that this version does not know: counted, otherwise ignored (8.1).
    Unknown {
        /// The 15-bit message type.
        kind: u16,
    },
}

impl Body {
    /// How many message ids it takes: one for each entry of a list, as legacy daemons count
    /// (`spec/iccp.md` 2.2), and one for anything else. The message bears the last of them; a
    /// dialect that has one entry in a message uses them all.
    #[must_use]
    pub fn ids(&self) -> u32 {
        match self {
            Self::Application { tlv, .. } => {
                let entries = tlv.entries().unwrap_or(1).max(1);
                u32::try_from(entries).unwrap_or(u32::MAX)
            }
            _ => 1,
        }
    }
}

/// Status code of a disconnect or NAK (`spec/iccp.md` 3.5), from the status codes of
/// [LDP Parameters](https://www.iana.org/assignments/ldp-namespaces)
/// ([RFC 7275, section 12](https://www.rfc-editor.org/rfc/rfc7275#section-12)).
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Status(pub u32);

impl Status {
    /// No error; what a legacy daemon answers to a disconnect.
    pub const NONE: Self = Self(0);
    /// The redundancy group is not the receiver's.
    pub const UNKNOWN_RG: Self = Self(0x0001_0001);
    /// A handler refused the message.
    pub const REJECTED: Self = Self(0x0001_0006);
    /// The sender's redundancy group is being removed.
    pub const RG_REMOVED: Self = Self(0x0001_0010);
}
