//! Messages as the specification has them.

/// `spec/mclagsyncd-protocol.md` 11.1, 11.2.
pub(super) mod sonic {
    pub(in super::super) const ISOLATE: &str = "01013900 01000d00 506f72744368616e6e656c3130 02002000 \
        506f72744368616e6e656c312c45746865726e6574302c45746865726e657434";
    pub(in super::super) const ISOLATE_NONE: &str =
        "01011900 01000d00 506f72744368616e6e656c3130 02000000";
    pub(in super::super) const LEARNING_OFF: &str = "01021500 04000d00 506f72744368616e6e656c3130";
    pub(in super::super) const LEARNING_ON: &str = "01021500 03000d00 506f72744368616e6e656c3130";
    pub(in super::super) const SET_MAC: &str = "01042400 05000700 566c616e313030 06001100 \
        30323a30303a30303a30303a30303a3031";
    pub(in super::super) const FDB_ADD: &str = "01052800 001122334455 0000 64000000 \
        506f72744368616e6e656c310000000000000000 0200 0100";
    pub(in super::super) const FDB_DELETE: &str = "01052800 001122334455 0000 64000000 \
        506f72744368616e6e656c313000000000000000 0200 0200";
    pub(in super::super) const TRAFFIC_ON: &str = "01061400 07000c00 506f72744368616e6e656c31";
    pub(in super::super) const TRAFFIC_OFF: &str = "01071400 07000c00 506f72744368616e6e656c31";
    pub(in super::super) const STATE_UP: &str = "01081100 08000400 01000000 0b000100 01";
    pub(in super::super) const ROLE_ACTIVE: &str =
        "01091b00 08000400 01000000 09000100 01 0a000600 020000000001";
    pub(in super::super) const ROLE_STANDBY: &str = "01091100 08000400 01000000 09000100 00";
    pub(in super::super) const SYSTEM_ID: &str = "010a1600 08000400 01000000 0a000600 020000000001";
    pub(in super::super) const DELETE_INFO: &str = "010b0c00 08000400 01000000";
    pub(in super::super) const REMOTE_UP: &str =
        "010c2100 08000400 01000000 07000c00 506f72744368616e6e656c31 0b000100 01";
    pub(in super::super) const REMOTE_GONE: &str =
        "010d1c00 08000400 01000000 07000c00 506f72744368616e6e656c31";
    pub(in super::super) const ISOLATION_SHOWN: &str =
        "010e2100 08000400 01000000 07000c00 506f72744368616e6e656c31 0c000100 01";
    pub(in super::super) const PEER_SYSTEM_ID: &str =
        "010f1600 08000400 01000000 0d000600 020000000002";
    pub(in super::super) const CFG_DOMAIN: &str = "01025400 01000000 01000000 01000000 0f000000 \
        31302e302e302e310000000000000000 31302e302e302e320000000000000000 \
        506f72744368616e6e656c313000000000000000 020000000001 0000 1f000000";
    pub(in super::super) const CFG_INTERFACE: &str =
        "01032000 01000000 01000000 506f72744368616e6e656c310000000000000000";
    pub(in super::super) const CFG_UNIQUE_IP: &str =
        "01051c00 01000000 566c616e31303000000000000000000000000000";
}

/// `spec/mclagsyncd-protocol.md` 11.3.
pub(super) mod linux_mclag {
    pub(in super::super) const ISOLATE: &str =
        "01011e00 01000800 706565726c696e6b 02000a00 737770312c2173777032";
    pub(in super::super) const ISOLATE_NOT: &str =
        "01011900 01000800 706565726c696e6b 02000500 2173777031";
    pub(in super::super) const LEARNING_OFF: &str = "01021000 04000800 706565726c696e6b";
    pub(in super::super) const FLUSH: &str = "01030400";
    pub(in super::super) const SET_MAC: &str = "01043200 05001500 736572766572313a31302e312e312e3235342f3234 \
        06001100 34343a33383a33393a66663a30303a3031";
    pub(in super::super) const FDB_ADD: &str = "01054c00 \
        30303a31313a32323a33333a34343a3535000000000000000000000000000000 64000000 \
        7365727665723100000000000000000000000000000000000000000000000000 0200 0100";
    pub(in super::super) const FLUSH_PORT: &str = "01060f00 00000700 73657276657231";
    pub(in super::super) const POLL: &str = "01140400";
}
