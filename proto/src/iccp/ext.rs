//! Extensions between our own daemons: TLVs with U=1 and a type from 0x1100 up
//! (`spec/iccp.md` 8.1).
//!
//! A legacy receiver puts types of this range on a queue that nobody reads, so the announcement
//! may be sent to anyone; everything else is sent only after both sides announced themselves.

use crate::Mac;

/// First TLV type of this range.
pub const FIRST_TYPE: u16 = 0x1100;

/// Version of the extensions that this build speaks.
pub const VERSION: u16 = 1;

/// An extension TLV.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Extension {
    /// 0x1100: the sender speaks these extensions.
    Announce(Announce),
    /// 0x1101: the sender is about to stop.
    Goodbye(Goodbye),
    /// 0x1102: every address known when the session came up has been sent.
    MacSyncEnd,
}

/// 0x1100 Announce: sent once, as soon as the session is operational.
///
/// A receiver ignores bytes behind the fields it knows, so a later version may append.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Announce {
    /// [`VERSION`] of the sender; the lower of both is spoken.
    pub version: u16,
    /// Election priority, 0..=65535; the lower one is primary.
    pub priority: u16,
    /// Breaks a tie of priorities: the lower one is primary.
    pub node_mac: Mac,
    /// Name and version of the sending program for the operator's eyes, at most 64 bytes.
    pub software: String,
}

/// 0x1101 Goodbye: what the sender's stop means for its dataplane.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Goodbye {
    /// 0: it restarts; its dataplane goes on forwarding as it is.
    Restart,
    /// 1: it leaves; its MLAG ports are out of the pair.
    Leave,
}
