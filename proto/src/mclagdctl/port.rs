//! Port lists (`spec/mclagdctl-protocol.md` 5.5 and 5.6).

use super::records::i32_le;
use super::text::{PORT_LIST, VLAN_LIST};
use super::{DecodeError, Dialect, Fields, Text};
use crate::Mac;
use crate::bytes::Writer;

/// A word of either dialect; one that neither has is kept as it is.
macro_rules! words {
    (
        $(#[$meta:meta])* $name:ident {
            $($(#[$variant_meta:meta])* $variant:ident = $sonic:literal / $linux:literal,)+
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, Eq, PartialEq)]
        pub enum $name {
            $($(#[$variant_meta])* $variant,)+
            /// A word that the dialect does not have.
            Other(Text<16>),
        }

        impl $name {
            /// The word.
            #[must_use]
            pub fn word(self, dialect: Dialect) -> Text<16> {
                match (self, dialect) {
                    $(
                        (Self::$variant, Dialect::Sonic) => $sonic.into(),
                        (Self::$variant, Dialect::LinuxMclag) => $linux.into(),
                    )+
                    (Self::Other(word), _) => word,
                }
            }

            fn of(word: Text<16>, dialect: Dialect) -> Self {
                let known = [$(Self::$variant),+];
                let known = known.into_iter().find(|known| known.word(dialect) == word);
                known.unwrap_or(Self::Other(word))
            }
        }
    };
}

words! {
    /// Kind of a port.
    PortKind {
        /// It does not exist.
        Unknown = "Unknow" / "UNKNOW",
        /// A port that is no LAG.
        Port = "Ethernet" / "PORT",
        /// A LAG.
        PortChannel = "PortChannel" / "PORT-CHANNEL",
    }
}

words! {
    /// State of a port.
    PortState {
        /// It can carry frames.
        Up = "Up" / "UP",
        /// It cannot.
        Down = "Down" / "DOWN",
        /// An operator wants it down.
        AdminDown = "Admin-down" / "ADMIN-DOWN",
        /// It is being tested.
        Test = "Test" / "TEST",
    }
}

words! {
    /// State of the mLACP machine.
    SyncState {
        /// Not begun.
        Init = "INIT" / "INIT",
        /// The standby is being told everything.
        Stage1 = "STAGE1" / "STAGE1",
        /// The active is being told everything.
        Stage2 = "STAGE2" / "STAGE2",
        /// Synchronised.
        Exchange = "EXCHANGE" / "EXCHANGE",
        /// Stuck.
        Error = "ERROR" / "ERROR",
    }
}

/// A port of this chassis (5.5). 712 bytes in both dialects, which differ at the end.
//
// offset
//      0  interface index
//      4  kind, 16 bytes of text
//     20  name, 32
//     52  MAC
//     58  state, 16
//     74  IPv4 address, 32
//    106  prefix length
//    107  layer-3 mode
//    108  is the peer link
//    109  members, 512, and 3 bytes of padding
//    624  port-channel id, signed
//    628  up
//    629  state of mLACP, 16
//    645  isolated from the peer link
//    646  sonic: traffic disabled
//    647  sonic: VLANs, 64, and 1 byte of padding
//    646  linux-mclag: VLANs, 64, and 2 bytes of padding
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct LocalPort {
    /// Interface index; 0 if it does not exist.
    pub index: u32,
    /// What it is.
    pub kind: PortKind,
    /// Its name.
    pub name: Text<32>,
    /// Its MAC.
    pub mac: Mac,
    /// Its state.
    pub state: PortState,
    /// Its IPv4 address; `0.0.0.0` if it has none.
    pub ipv4: Text<32>,
    /// Length of the prefix; 32 if never set.
    pub prefix_len: u8,
    /// It is a layer-3 interface.
    pub l3: bool,
    /// It is the peer link.
    pub peer_link: bool,
    /// Members of a LAG ([`super::text::port_list`]).
    pub members: Text<PORT_LIST>,
    /// Number of the LAG that it is or belongs to, -1 if none.
    pub channel: i32,
    /// The LAG is up, as the state machine uses it.
    pub active: bool,
    /// State of the mLACP machine.
    pub sync: SyncState,
    /// Frames from the peer link do not leave through it.
    pub isolated: bool,
    /// It waits for the peer's acknowledgement. Sonic only.
    pub traffic_disabled: bool,
    /// VLANs ([`super::text::vlan_list`]).
    pub vlans: Text<VLAN_LIST>,
}

impl LocalPort {
    pub(super) fn encode(&self, dialect: Dialect, out: &mut Writer) {
        out.u32_le(self.index);
        out.put(self.kind.word(dialect).field());
        out.put(self.name.field());
        out.put(&self.mac.0);
        out.put(self.state.word(dialect).field());
        out.put(self.ipv4.field());
        out.u8(self.prefix_len);
        out.u8(self.l3.into());
        out.u8(self.peer_link.into());
        out.put(self.members.field());
        out.zeros(3);
        i32_le(out, self.channel);
        out.u8(self.active.into());
        out.put(self.sync.word(dialect).field());
        out.u8(self.isolated.into());
        match dialect {
            Dialect::Sonic => {
                out.u8(self.traffic_disabled.into());
                out.put(self.vlans.field());
                out.zeros(1);
            }
            Dialect::LinuxMclag => {
                out.put(self.vlans.field());
                out.zeros(2);
            }
        }
    }

    pub(super) fn decode(dialect: Dialect, fields: &mut Fields<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            index: fields.u32("ifindex")?,
            kind: PortKind::of(fields.text("type")?, dialect),
            name: fields.text("name")?,
            mac: fields.mac("MAC")?,
            state: PortState::of(fields.text("state")?, dialect),
            ipv4: fields.text("IPv4 address")?,
            prefix_len: fields.u8("prefix length")?,
            l3: fields.flag("L3 mode")?,
            peer_link: fields.flag("peer link flag")?,
            members: fields.text_and_pad::<_, 3>("member ports")?,
            channel: fields.i32("port-channel id")?,
            active: fields.flag("port-channel state")?,
            sync: SyncState::of(fields.text("mLACP state")?, dialect),
            isolated: fields.flag("isolation")?,
            traffic_disabled: dialect == Dialect::Sonic && fields.flag("traffic disabled")?,
            vlans: match dialect {
                Dialect::Sonic => fields.text_and_pad::<_, 1>("VLAN list")?,
                Dialect::LinuxMclag => fields.text_and_pad::<_, 2>("VLAN list")?,
            },
        })
    }
}

/// A port of the other chassis (5.6).
//
// offset
//      0  number of the aggregator
//      4  kind, 16 bytes of text
//     20  name, 32
//     52  MAC
//     58  state, 16, and 2 bytes of padding
//     76  port-channel id
//     80  up, and 3 bytes of padding
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct PeerPort {
    /// Shown as `Ifindex`: the peer's number of the aggregator.
    pub aggregator: u32,
    /// What it is.
    pub kind: PortKind,
    /// Its name.
    pub name: Text<32>,
    /// Its MAC.
    pub mac: Mac,
    /// Its state.
    pub state: PortState,
    /// Number of the LAG.
    pub channel: i32,
    /// It is up.
    pub active: bool,
}

impl PeerPort {
    pub(super) fn encode(&self, dialect: Dialect, out: &mut Writer) {
        out.u32_le(self.aggregator);
        out.put(self.kind.word(dialect).field());
        out.put(self.name.field());
        out.put(&self.mac.0);
        out.put(self.state.word(dialect).field());
        out.zeros(2);
        i32_le(out, self.channel);
        out.u8(self.active.into());
        out.zeros(3);
    }

    pub(super) fn decode(dialect: Dialect, fields: &mut Fields<'_>) -> Result<Self, DecodeError> {
        let port = Self {
            aggregator: fields.u32("aggregator id")?,
            kind: PortKind::of(fields.text("type")?, dialect),
            name: fields.text("name")?,
            mac: fields.mac("MAC")?,
            state: PortState::of(fields.text_and_pad::<_, 2>("state")?, dialect),
            channel: fields.i32("port-channel id")?,
            active: fields.flag("active")?,
        };
        fields.pad::<3>()?;
        Ok(port)
    }
}
