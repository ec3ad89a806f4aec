//! The examples of `spec/mclagdctl-protocol.md` 7, to the byte. Line by line, so that nobody's
//! editor takes the trailing blanks away.

/// 7.1
pub(super) const SONIC_STATE: &str = concat!(
    "The MCLAG's keepalive is: OK\n",
    "MCLAG info sync is: completed\n",
    "Domain id: 1\n",
    "Local Ip: 10.0.0.1\n",
    "Peer Ip: 10.0.0.2\n",
    "Peer Link Interface: PortChannel10\n",
    "Keepalive time: 1\n",
    "sesssion Timeout : 15\n",
    "Peer Link Mac: 02:00:00:00:00:01 \n",
    "Role: Active\n",
    "MCLAG Interface: PortChannel2,PortChannel1\n",
    "Loglevel: NOTICE\n",
);

/// 7.1
pub(super) const LINUX_STATE: &str = concat!(
    "The MCLAG's keepalive is: OK\n",
    "Mclag id: 1\n",
    "Local Ip: 169.254.1.1\n",
    "Peer Ip: 169.254.1.2\n",
    "Peer Link Interface: peerlink\n",
    "Peer Link Mac: 44:38:39:00:00:10 \n",
    "Role: ACTIVE\n",
    "Enabled PortChannel: server2,server1,\n",
);

/// 7.2
pub(super) const SONIC_ARP: &str = concat!(
    "No.   IP                  MAC                 DEV                 Flag\n",
    "1     10.1.2.50           00:11:22:33:44:55   Vlan100             R\n",
    "2     10.1.2.51           00:11:22:33:44:66   Vlan100             L\n",
);

/// 7.2
pub(super) const LINUX_ARP: &str = concat!(
    "No.   IP                  MAC                 DEV                 \n",
    "1     10.1.2.50           00:11:22:33:44:55   bridge              \n",
);

/// 7.3
pub(super) const ND: &str = concat!(
    "No.   IPv6                                                MAC                 DEV                 Flag\n",
    "1     2001:db8::32                                        00:11:22:33:44:55   Vlan100             L\n",
);

/// 7.4
pub(super) const MAC: &str = concat!(
    "TYPE: S-STATIC, D-DYNAMIC; AGE: L-Local age, P-Peer age     \n",
    "No.   TYPE MAC                 VID  DEV                 ORIGIN-DEV          AGE  \n",
    "1     D    00:11:22:33:44:55   100  PortChannel1        PortChannel1        P    \n",
    "2     D    00:11:22:33:44:66   100  PortChannel10       Ethernet8           L    \n",
    "3     S    00:11:22:33:44:77   200  PortChannel1        PortChannel1             \n",
);

/// 7.5
pub(super) const SONIC_CHANNEL: &str = concat!(
    "------------------------------------------------------------\n",
    "Ifindex: 7\n",
    "Type: PortChannel\n",
    "PortName: PortChannel1\n",
    "MAC: 02:00:00:00:00:01 \n",
    "IPv4Address: 0.0.0.0\n",
    "Prefixlen: 32\n",
    "State: Up\n",
    "IsL3Interface: No\n",
    "MemberPorts: Ethernet0,Ethernet4\n",
    "PortchannelIsUp: 1\n",
    "IsIsolateWithPeerlink: Yes\n",
    "IsTrafficDisable: No\n",
    "VlanList: 100 - 102 200 \n",
    "------------------------------------------------------------\n",
    "\n",
);

/// 7.5
pub(super) const SONIC_PORT: &str = concat!(
    "------------------------------------------------------------\n",
    "Ifindex: 3\n",
    "Type: Ethernet\n",
    "PortName: Ethernet0\n",
    "State: Up\n",
    "VlanList: \n",
    "------------------------------------------------------------\n",
    "\n",
);

/// 7.5
pub(super) const LINUX_CHANNEL: &str = concat!(
    "------------------------------------------------------------\n",
    "Ifindex: 7\n",
    "Type: PORT-CHANNEL\n",
    "PortName: server1\n",
    "MAC: 44:38:39:ff:00:01 \n",
    "IPv4Address: 0.0.0.0\n",
    "Prefixlen: 32\n",
    "State: UP\n",
    "L3Mode: 0\n",
    "IsPeerlink: 0\n",
    "PortchannelMem: swp1\n",
    "PortchannelId: 1\n",
    "PortchannelIsActive: 1\n",
    "MlacpState: EXCHANGE\n",
    "IsIsolateWithPeerlink: 1\n",
    "VlanList: 200 100 \n",
    "------------------------------------------------------------\n",
    "\n",
);

/// 7.6
pub(super) const PEER_PORT: &str = concat!(
    "------------------------------------------------------------\n",
    "Ifindex: 1\n",
    "Type: PortChannel\n",
    "PortName: PortChannel1\n",
    "MAC: 02:00:00:00:00:02 \n",
    "State: Up\n",
    "------------------------------------------------------------\n",
    "\n",
);

/// 7.7
pub(super) const UNIQUE_IP: &str = concat!(
    "------------------------------------------------------------\n",
    "Ifname              Active\n",
    "------------------------------------------------------------\n",
    "Vlan100               Yes  \n",
    "------------------------------------------------------------\n",
    "\n",
);

/// 7.7
pub(super) const NO_UNIQUE_IP: &str = concat!(
    "------------------------------------------------------------\n",
    "Ifname              Active\n",
    "------------------------------------------------------------\n",
    "Unique IP configuration not enabled on any interface\n",
    "------------------------------------------------------------\n",
    "\n",
);

/// 7.8
pub(super) const COUNTERS: &str = concat!(
    "ICCP session down:  1\n",
    "Peer link down:     0\n",
    "Rx invalid msg:     0\n",
    "Rx sock error(hdr): 0\n",
    "Rx zero len(hdr):   0\n",
    "Rx sock error(tlv): 0\n",
    "Rx zero len(tlv):   0\n",
    "Rx retry max:       0\n",
    "Rx retry total:     0\n",
    "Rx retry fail:      0\n",
    "Socket close err:   0\n",
    "Socket cleanup:     0\n",
    "\n",
    "Warmboot:           0\n",
    "\n",
    "ICCP to MclagSyncd  TX_OK               TX_ERROR            \n",
    "------------------  -----               --------            \n",
    "PortIsolation       3                   0                   \n",
    "MacLearnMode        1                   0                   \n",
    "FlushFdb            0                   0                   \n",
    "SetIfMac            0                   0                   \n",
    "SetFdb              0                   0                   \n",
    "TrafficDistEnable   0                   0                   \n",
    "TrafficDistDisable  0                   0                   \n",
    "SetIccpState        0                   0                   \n",
    "SetIccpRole         0                   0                   \n",
    "SetSystemId         0                   0                   \n",
    "DelIccpInfo         0                   0                   \n",
    "SetRemoteIntfSts    0                   0                   \n",
    "DelRemoteIntf       0                   0                   \n",
    "PeerLinkIsolation   0                   0                   \n",
    "SetPeerSystemId     0                   0                   \n",
    "\n",
    "MclagSyncd to ICCP  RX_OK               RX_ERROR            \n",
    "------------------  -----               --------            \n",
    "FdbChange           12                  0                   \n",
    "CfgMclag            1                   0                   \n",
    "CfgMclagIface       2                   0                   \n",
    "CfgMclagUniqueIp    0                   0                   \n",
    "vlanMbrshipChange   4                   0                   \n",
    "\n",
    "ICCP to Peer        TX_OK               RX_OK               TX_ERROR            RX_ERROR            \n",
    "------------        -----               -----               --------            --------            \n",
    "SysConfig           0                   0                   0                   0                   \n",
    "AggrConfig          0                   0                   0                   0                   \n",
    "AggrState           0                   0                   0                   0                   \n",
    "MacInfo             0                   0                   0                   0                   \n",
    "ArpInfo             0                   0                   0                   0                   \n",
    "Unknown             0                   0                   0                   0                   \n",
    "PoInfo              0                   0                   0                   0                   \n",
    "PeerLinkInfo        0                   0                   0                   0                   \n",
    "Heartbeat           100                 99                  0                   0                   \n",
    "Nak                 0                   0                   0                   0                   \n",
    "SyncData            0                   0                   0                   0                   \n",
    "SyncReq             0                   0                   0                   0                   \n",
    "Warmboot            0                   0                   0                   0                   \n",
    "IfUpAck             0                   0                   0                   0                   \n",
    "Unknown             0                   0                   0                   0                   \n",
    "Unknown             0                   0                   0                   0                   \n",
    "Unknown             0                   0                   0                   0                   \n",
    "Unknown             0                   0                   0                   0                   \n",
    "Unknown             0                   0                   0                   0                   \n",
    "Unknown             0                   0                   0                   0                   \n",
    "Unknown             0                   0                   0                   0                   \n",
    "Unknown             0                   0                   0                   0                   \n",
    "Unknown             0                   0                   0                   0                   \n",
    "Unknown             0                   0                   0                   0                   \n",
    "Unknown             0                   0                   0                   0                   \n",
    "Unknown             0                   0                   0                   0                   \n",
    "Unknown             0                   0                   0                   0                   \n",
    "Unknown             0                   0                   0                   0                   \n",
    "Unknown             0                   0                   0                   0                   \n",
    "\n",
    "\n",
    "Netlink Counters\n",
    "-----------------\n",
    "Link add/del: 5/0\n",
    "  Unknown if_name: 0\n",
    "Neighbor(ARP) add/del: 0/0\n",
    "  MAC entry add/del: 0/0\n",
    "Address add/del: 0/0\n",
    "Unexpected message type: 0\n",
    "Receive error: 0\n",
    "\n",
);
