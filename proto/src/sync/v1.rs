//! Version 1 of the mclagsyncd protocol, as SONiC speaks it (`spec/mclagsyncd-protocol.md`).

/// The version byte of the frames described here.
pub const VERSION: u8 = 1;
