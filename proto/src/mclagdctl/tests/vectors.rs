//! Test vectors of `spec/mclagdctl-protocol.md`, section 10.

/// Bytes in hexadecimal; `00{n}` is a run of `n` bytes.
pub(crate) fn bytes(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for token in text.split_whitespace() {
        let (byte, count) = match token.split_once('{') {
            Some((byte, count)) => (byte, count.trim_end_matches('}').parse().unwrap()),
            None => (token, 1),
        };
        let byte = u8::from_str_radix(byte, 16).unwrap();
        bytes.extend(std::iter::repeat_n(byte, count));
    }
    bytes
}

/// 10.1, Request: dump state, no id: 104 bytes.
pub(crate) const SONIC_REQUEST_DUMP_STATE_NO_ID: &str = "01 00{103}";

/// 10.1, Request: config loglevel debug: 104 bytes.
pub(crate) const SONIC_REQUEST_CONFIG_LOGLEVEL_DEBUG: &str = "09 00 00 00 05 00{99}";

/// 10.1, Reply: state: 672 bytes.
pub(crate) const SONIC_REPLY_STATE: &str = "9c 02 00 00 01 00 00 00 90 02 00 00 ff ff ff ff 01 00 00 00 01 00 00 00 01 00 00 00 31 \
     30 2e 30 2e 30 2e 31 00{24} 31 30 2e 30 2e 30 2e 32 00{24} 50 6f 72 74 43 68 61 6e 6e 65 \
     6c 31 30 00{19} 02 00 00 00 00 01 00 00 01 00 00 00 50 6f 72 74 43 68 61 6e 6e 65 6c 32 \
     2c 50 6f 72 74 43 68 61 6e 6e 65 6c 31 00{487} 0f 00 00 00 01 00 00 00 4e 4f 54 49 43 45 \
     00{10}";

/// 10.1, Reply: error, unknown domain: 16 bytes.
pub(crate) const SONIC_REPLY_ERROR_UNKNOWN_DOMAIN: &str =
    "0c 00 00 00 04 00 00 00 00 00 00 00 fd ff ff ff";

/// 10.1, Reply: arp, one record: 88 bytes.
pub(crate) const SONIC_REPLY_ARP_ONE_RECORD: &str = "54 00 00 00 02 00 00 00 48 00 00 00 ff ff ff ff 01 56 6c 61 6e 31 30 30 00{25} 31 30 2e \
     31 2e 32 2e 35 30 00{24} 11 22 33 44 55 02";

/// 10.1, Reply: nd, one record: 120 bytes.
pub(crate) const SONIC_REPLY_ND_ONE_RECORD: &str = "74 00 00 00 03 00 00 00 68 00 00 00 ff ff ff ff 01 56 6c 61 6e 31 30 30 00{25} 32 30 30 \
     31 3a 64 62 38 3a 3a 33 32 00{53} 11 22 33 44 55 01";

/// 10.1, Reply: mac, one record: 92 bytes.
pub(crate) const SONIC_REPLY_MAC_ONE_RECORD: &str = "58 00 00 00 04 00 00 00 4c 00 00 00 ff ff ff ff 01 02 00 11 22 33 44 55 64 00 50 6f 72 \
     74 43 68 61 6e 6e 65 6c 31 00{20} 50 6f 72 74 43 68 61 6e 6e 65 6c 31 00{20} 02 00";

/// 10.1, Reply: unique_ip, one record: 52 bytes.
pub(crate) const SONIC_REPLY_UNIQUE_IP_ONE_RECORD: &str =
    "30 00 00 00 05 00 00 00 24 00 00 00 ff ff ff ff 01 00 00 00 56 6c 61 6e 31 30 30 00{25}";

/// 10.1, Reply: portlist local, one record: 728 bytes.
pub(crate) const SONIC_REPLY_PORTLIST_LOCAL_ONE_RECORD: &str = "d4 02 00 00 06 00 00 00 c8 02 00 00 ff ff ff ff 07 00 00 00 50 6f 72 74 43 68 61 6e 6e \
     65 6c 00 00 00 00 00 50 6f 72 74 43 68 61 6e 6e 65 6c 31 00{20} 02 00 00 00 00 01 55 70 \
     00{14} 30 2e 30 2e 30 2e 30 00{25} 20 00 00 45 74 68 65 72 6e 65 74 30 2c 45 74 68 65 72 \
     6e 65 74 34 00{496} 01 00 00 00 01 45 58 43 48 41 4e 47 45 00 00 00 00 00 00 00 00 01 00 \
     31 30 30 20 2d 20 31 30 32 20 32 30 30 20 00{51}";

/// 10.1, Reply: portlist peer, one record: 100 bytes.
pub(crate) const SONIC_REPLY_PORTLIST_PEER_ONE_RECORD: &str = "60 00 00 00 07 00 00 00 54 00 00 00 ff ff ff ff 01 00 00 00 50 6f 72 74 43 68 61 6e 6e \
     65 6c 00 00 00 00 00 50 6f 72 74 43 68 61 6e 6e 65 6c 31 00{20} 02 00 00 00 00 02 55 70 \
     00{16} 01 00 00 00 01 00 00 00";

/// 10.1, Reply: debug counters, one domain: 1392 bytes.
pub(crate) const SONIC_REPLY_DEBUG_COUNTERS_ONE_DOMAIN: &str = "6c 05 00 00 08 00 00 00 60 05 00 00 ff ff ff ff 05 00{43} 01 00{75} 03 00{15} 01 00{223} \
     0c 00{15} 01 00{15} 02 00{31} 04 00{15} 01 00{256} 64 00{15} 63 00{662}";

/// 10.1, Reply: config loglevel: 16 bytes.
pub(crate) const SONIC_REPLY_CONFIG_LOGLEVEL: &str =
    "0c 00 00 00 09 00 00 00 00 00 00 00 ff ff ff ff";

/// 10.2, Request: dump mac: 104 bytes.
pub(crate) const LINUX_MCLAG_REQUEST_DUMP_MAC: &str = "03 00 00 00 01 00{99}";

/// 10.2, Reply: state: 644 bytes.
pub(crate) const LINUX_MCLAG_REPLY_STATE: &str = "80 02 00 00 01 00 00 00 74 02 00 00 ff ff ff ff 01 00 00 00 01 00 00 00 31 36 39 2e 32 \
     35 34 2e 31 2e 31 00{21} 31 36 39 2e 32 35 34 2e 31 2e 32 00{21} 70 65 65 72 6c 69 6e 6b \
     00{24} 44 38 39 00 00 10 00 00 01 00 00 00 73 65 72 76 65 72 32 2c 73 65 72 76 65 72 31 \
     2c 00{496}";

/// 10.2, Reply: arp, one record: 87 bytes.
pub(crate) const LINUX_MCLAG_REPLY_ARP_ONE_RECORD: &str = "53 00 00 00 02 00 00 00 47 00 00 00 ff ff ff ff 01 62 72 69 64 67 65 00{26} 31 30 2e 31 \
     2e 32 2e 35 30 00{24} 11 22 33 44 55";

/// 10.2, Reply: mac, one record: 118 bytes.
pub(crate) const LINUX_MCLAG_REPLY_MAC_ONE_RECORD: &str = "72 00 00 00 03 00 00 00 66 00 00 00 ff ff ff ff 01 02 30 30 3a 31 31 3a 32 32 3a 33 33 \
     3a 34 34 3a 35 35 00{15} 64 00 73 65 72 76 65 72 31 00{25} 73 65 72 76 65 72 31 00{27}";

/// 10.2, Reply: portlist local, one record: 728 bytes.
pub(crate) const LINUX_MCLAG_REPLY_PORTLIST_LOCAL_ONE_RECORD: &str = "d4 02 00 00 04 00 00 00 c8 02 00 00 ff ff ff ff 07 00 00 00 50 4f 52 54 2d 43 48 41 4e \
     4e 45 4c 00 00 00 00 73 65 72 76 65 72 31 00{25} 44 38 39 ff 00 01 55 50 00{14} 30 2e 30 \
     2e 30 2e 30 00{25} 20 00 00 73 77 70 31 00{511} 01 00 00 00 01 45 58 43 48 41 4e 47 45 \
     00 00 00 00 00 00 00 00 01 32 30 30 20 31 30 30 20 00{58}";

/// 10.2, Reply: portlist peer, one record: 100 bytes.
pub(crate) const LINUX_MCLAG_REPLY_PORTLIST_PEER_ONE_RECORD: &str = "60 00 00 00 05 00 00 00 54 00 00 00 ff ff ff ff 01 00 00 00 50 4f 52 54 2d 43 48 41 4e \
     4e 45 4c 00 00 00 00 73 65 72 76 65 72 31 00{25} 44 38 39 ff 00 02 55 50 00{16} 01 00 00 \
     00 01 00 00 00";

/// 10.2, Reply: truncated error (dump mac, unknown domain): 12 bytes.
pub(crate) const LINUX_MCLAG_REPLY_TRUNCATED_ERROR_DUMP_MAC_UNKNOWN_DOMAIN: &str =
    "0c 00 00 00 03 00 00 00 00 00 00 00";
