//! The encodings of version 1 that are in the field (`spec/mclagsyncd-protocol.md` 8, 9.3).

use std::fmt;
use std::net::{Ipv4Addr, SocketAddrV4};

use super::fdb::FdbRecord;
use super::record::Record;
use crate::sync::frame::{HEADER_LEN, MAX_LEN_V1};

/// An encoding of version 1. The values are the same in all of them.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Dialect {
    /// Today's SONiC `iccpd` and `mclagsyncd`.
    Sonic,
    /// `iccpd` and `mclagsyncd.py` of linux-mclag, 2019.
    LinuxMclag,
    /// SONiC of about 2019 to 2020: speaks as linux-mclag does, with forwarding records of 48
    /// bytes, at the address of today's SONiC (`spec/mclagsyncd-protocol.md` 9.3).
    Intermediate,
}

impl Dialect {
    /// Every dialect.
    pub const ALL: [Self; 3] = [Self::Sonic, Self::LinuxMclag, Self::Intermediate];

    /// TCP port of every server.
    pub const PORT: u16 = 2626;

    /// Where the server of this dialect listens (`spec/mclagsyncd-protocol.md` 1).
    #[must_use]
    pub const fn server_address(self) -> SocketAddrV4 {
        let address = match self {
            Self::Sonic | Self::Intermediate => Ipv4Addr::new(127, 0, 0, 6),
            Self::LinuxMclag => Ipv4Addr::LOCALHOST,
        };
        SocketAddrV4::new(address, Self::PORT)
    }

    /// True if the client asks for changes of the forwarding table
    /// ([`super::ClientMessage::GetFdbChanges`]) and must not be told any unasked; false if they
    /// are pushed.
    #[must_use]
    pub const fn is_polled(self) -> bool {
        !matches!(self, Self::Sonic)
    }

    /// True if the server tells the client the settings: domain, interfaces, VLAN members and
    /// unique addresses. Otherwise the client has a file.
    #[must_use]
    pub const fn has_settings(self) -> bool {
        matches!(self, Self::Sonic)
    }

    /// True if a [`super::PortIsolate`] names all that is isolated, so that what it does not name
    /// is not; false if it changes just what it names.
    #[must_use]
    pub const fn isolation_is_whole(self) -> bool {
        matches!(self, Self::Sonic)
    }

    /// Most forwarding records in one message (`spec/mclagsyncd-protocol.md` 2.2).
    #[must_use]
    pub const fn max_fdb_records(self) -> usize {
        (MAX_LEN_V1 - HEADER_LEN) / FdbRecord::width(self)
    }

    /// Most records of type `R` in one message.
    pub(super) fn max_records<R: Record>(self) -> usize {
        (MAX_LEN_V1 - HEADER_LEN) / R::len(self)
    }
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Sonic => "sonic",
            Self::LinuxMclag => "linux-mclag",
            Self::Intermediate => "intermediate",
        })
    }
}
