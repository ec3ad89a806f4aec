//! The debug counters of sonic (`spec/mclagdctl-protocol.md` 5.8).

use super::{DecodeError, Fields};
use crate::bytes::Writer;

/// Names of counters; the position is the place in the reply.
macro_rules! rows {
    (
        $(#[$meta:meta])* $name:ident {
            $($(#[$variant_meta:meta])* $variant:ident = $label:literal,)+
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
        pub enum $name {
            $($(#[$variant_meta])* $variant,)+
        }

        impl $name {
            /// All of them, in the order of the reply.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// What `mclagdctl` calls it.
            #[must_use]
            pub const fn label(self) -> &'static str {
                match self {
                    $(Self::$variant => $label,)+
                }
            }
        }
    };
}

rows! {
    /// Counters of the whole daemon.
    Global {
        /// 0: interfaces that appeared or changed.
        NewLink = "Link add",
        /// 1: interfaces that went away.
        DelLink = "Link del",
        /// 2: neighbours that appeared or changed.
        NewNeighbour = "Neighbor add",
        /// 3: neighbours that went away.
        DelNeighbour = "Neighbor del",
        /// 4: addresses of interfaces that appeared.
        NewAddress = "Address add",
        /// 5: addresses of interfaces that went away.
        DelAddress = "Address del",
        /// 6: netlink messages of an unexpected type.
        UnknownNetlink = "Unexpected message type",
        /// 7: failed receptions of netlink messages.
        NetlinkError = "Receive error",
        /// 8: interfaces whose name is not known.
        UnknownInterface = "Unknown if_name",
        /// 9: addresses that the dataplane learned.
        NewMac = "MAC entry add",
        /// 10: addresses that the dataplane forgot.
        DelMac = "MAC entry del",
        /// 11: sessions that ended.
        SessionDown = "ICCP session down:",
        /// 12: times that the peer link went down.
        PeerLinkDown = "Peer link down:",
        /// 13: warm reboots.
        WarmBoot = "Warmboot:",
        /// 14: messages of the peer that could not be used.
        InvalidMessage = "Rx invalid msg:",
        /// 15: failed reads of a header of the peer.
        HeaderReadError = "Rx sock error(hdr):",
        /// 16: ends of the stream before a header.
        HeaderZeroLength = "Rx zero len(hdr):",
        /// 17: failed reads of a body.
        BodyReadError = "Rx sock error(tlv):",
        /// 18: ends of the stream within a message.
        BodyZeroLength = "Rx zero len(tlv):",
        /// 19: failures to close a socket.
        SocketCloseError = "Socket close err:",
        /// 20: connections to the peer that were given up.
        SocketCleanup = "Socket cleanup:",
        /// 21: most retries of one reception.
        RetryMax = "Rx retry max:",
        /// 22: retries of receptions.
        RetryTotal = "Rx retry total:",
        /// 23: receptions that failed in spite of retries.
        RetryFail = "Rx retry fail:",
        /// 24: ends of the stream from syncd.
        SyncdZeroLength = "Syncd zero len",
        /// 25: failed reads from syncd.
        SyncdReadError = "Syncd sock error",
        /// 26: reserved for an STP daemon.
        Reserved26 = "Reserved 26",
        /// 27: reserved for an STP daemon.
        Reserved27 = "Reserved 27",
        /// 28: entries of the address table that were made.
        MacAllocated = "MAC entries allocated",
        /// 29: entries of the address table that were dropped.
        MacFreed = "MAC entries freed",
    }
}

rows! {
    /// Messages to syncd.
    ToSyncd {
        /// Isolation of MLAG ports.
        PortIsolation = "PortIsolation",
        /// Learning of a port.
        MacLearnMode = "MacLearnMode",
        /// Flush of the address table.
        FlushFdb = "FlushFdb",
        /// MAC of an interface.
        SetIfMac = "SetIfMac",
        /// Entries of the address table.
        SetFdb = "SetFdb",
        /// A port may carry data.
        TrafficDistEnable = "TrafficDistEnable",
        /// A port must not.
        TrafficDistDisable = "TrafficDistDisable",
        /// State of the session.
        SetIccpState = "SetIccpState",
        /// Role.
        SetIccpRole = "SetIccpRole",
        /// System MAC.
        SetSystemId = "SetSystemId",
        /// The pair is gone.
        DelIccpInfo = "DelIccpInfo",
        /// State of a port of the peer.
        SetRemoteIntfSts = "SetRemoteIntfSts",
        /// A port of the peer is gone.
        DelRemoteIntf = "DelRemoteIntf",
        /// Isolation of the peer link.
        PeerLinkIsolation = "PeerLinkIsolation",
        /// The peer's system MAC.
        SetPeerSystemId = "SetPeerSystemId",
    }
}

rows! {
    /// Messages from syncd.
    FromSyncd {
        /// An address was learned or forgotten.
        FdbChange = "FdbChange",
        /// The pair was configured.
        CfgMclag = "CfgMclag",
        /// An MLAG port was.
        CfgMclagIface = "CfgMclagIface",
        /// A unique-IP interface was.
        CfgMclagUniqueIp = "CfgMclagUniqueIp",
        /// A port joined or left a VLAN.
        VlanMembership = "vlanMbrshipChange",
    }
}

rows! {
    /// Messages between the two chassis.
    IccpRow {
        /// 0
        SysConfig = "SysConfig",
        /// 1
        AggrConfig = "AggrConfig",
        /// 2
        AggrState = "AggrState",
        /// 3
        MacInfo = "MacInfo",
        /// 4
        ArpInfo = "ArpInfo",
        /// 5: nothing.
        Unused5 = "Unknown",
        /// 6
        PoInfo = "PoInfo",
        /// 7
        PeerLinkInfo = "PeerLinkInfo",
        /// 8
        Heartbeat = "Heartbeat",
        /// 9
        Nak = "Nak",
        /// 10
        SyncData = "SyncData",
        /// 11
        SyncReq = "SyncReq",
        /// 12
        Warmboot = "Warmboot",
        /// 13
        IfUpAck = "IfUpAck",
    }
}

/// Rows of an ICCP block, of which the last have no meaning.
pub const ICCP_ROWS: usize = 29;

/// Size of what comes before the ICCP blocks, as the C compiler rounds it up.
const FIXED: usize = 448;
/// Where the blocks begin: right behind their number, unaligned.
const BLOCKS_AT: usize = 441;
/// Size of a block.
const BLOCK: usize = ICCP_ROWS * 4 * 8;

/// Messages in one direction.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct OkError {
    /// Those that went well.
    pub ok: u64,
    /// Those that did not.
    pub error: u64,
}

/// Messages in both directions.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct TxRx {
    /// Sent.
    pub tx: OkError,
    /// Received.
    pub rx: OkError,
}

/// All counters.
//
// offset
//      0  30 global ones of 4 bytes
//    120  15 rows to syncd: ok, error, of 8 bytes
//    360   5 rows from syncd: ok, error
//    440  number of blocks, 1 byte
//    441  blocks of 29 rows: sent ok, sent error, received ok, received error
//    end  7 bytes that the C structure was rounded up by
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Counters {
    /// In the order of [`Global::ALL`].
    pub global: [u32; 30],
    /// In the order of [`ToSyncd::ALL`].
    pub to_syncd: [OkError; 15],
    /// In the order of [`FromSyncd::ALL`].
    pub from_syncd: [OkError; 5],
    /// One block per domain, at most 255; rows in the order of [`IccpRow::ALL`].
    pub iccp: Vec<[TxRx; ICCP_ROWS]>,
}

impl Counters {
    /// One of the whole daemon.
    #[must_use]
    pub const fn global(&self, counter: Global) -> u32 {
        self.global[counter as usize]
    }

    /// Count more of something. 32 bits on the wire: as with the daemons that had them, it begins
    /// anew.
    pub const fn add(&mut self, counter: Global, by: u32) {
        let value = &mut self.global[counter as usize];
        *value = value.wrapping_add(by);
    }

    pub(super) fn encode(&self, out: &mut Writer) {
        let blocks = u8::try_from(self.iccp.len()).unwrap_or(u8::MAX);
        self.global.iter().for_each(|value| out.u32_le(*value));
        let rows = self.to_syncd.iter().chain(&self.from_syncd);
        rows.for_each(|row| row.encode(out));
        out.u8(blocks);
        for row in self.iccp.iter().take(blocks.into()).flatten() {
            row.tx.encode(out);
            row.rx.encode(out);
        }
        out.zeros(FIXED - BLOCKS_AT);
    }

    pub(super) fn decode(data: &[u8]) -> Result<Self, DecodeError> {
        let mut fields = Fields::at(data, super::ReplyHeader::LEN);
        let mut this = Self::default();
        for value in &mut this.global {
            *value = fields.u32("global counter")?;
        }
        for row in this.to_syncd.iter_mut().chain(&mut this.from_syncd) {
            *row = OkError::decode(&mut fields)?;
        }
        let offset = fields.offset();
        let blocks = usize::from(fields.u8("number of ICCP blocks")?);
        if fields.len() < blocks * BLOCK {
            return Err(DecodeError::Value {
                field: "number of ICCP blocks",
                offset,
                found: blocks.to_string(),
                expected: "as many blocks as there are behind it",
            });
        }
        for _ in 0..blocks {
            let mut block = [TxRx::default(); ICCP_ROWS];
            for row in &mut block {
                row.tx = OkError::decode(&mut fields)?;
                row.rx = OkError::decode(&mut fields)?;
            }
            this.iccp.push(block);
        }
        Ok(this)
    }
}

impl OkError {
    fn encode(&self, out: &mut Writer) {
        out.put(&self.ok.to_le_bytes());
        out.put(&self.error.to_le_bytes());
    }

    fn decode(fields: &mut Fields<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            ok: fields.u64("counter")?,
            error: fields.u64("counter")?,
        })
    }
}
