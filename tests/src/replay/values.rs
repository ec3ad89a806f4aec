//! What a legacy receiver accepts within a TLV (`spec/iccp.md` 3 and 4), checked on the bytes.

use mclag_proto::Mac;
use mclag_proto::iccp::Dialect;

use super::raw::{Numbers, Raw, tlv};

/// What the receiver has to know of a message beyond that it is good.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Said {
    /// Nothing.
    Other,
    /// 4.2: a port exists, or no longer does.
    Config {
        /// Its id.
        id: u16,
        /// Its name.
        name: String,
        /// It was deleted.
        is_purge: bool,
    },
    /// 4.3: a port's state.
    State {
        /// Its id.
        id: u16,
        /// Whether that is "up".
        is_up: bool,
    },
    /// 4.4, with the number.
    SyncRequest(u16),
    /// 4.5: begin or end of an answer.
    SyncData {
        /// Number of the request.
        number: u16,
        /// It is the end.
        is_end: bool,
    },
    /// 4.7, of the port with that id.
    PortInfo(u16),
    /// 4.11.
    Macs(Vec<Entry>),
    /// 4.13, of the port with that id.
    Ack(u16),
}

/// An entry of MAC Info.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Entry {
    /// Added, not deleted.
    pub is_add: bool,
    /// The address.
    pub mac: Mac,
    /// The VLAN.
    pub vid: u16,
    /// Where it was learned.
    pub port: String,
}

/// Read the TLV of application data.
///
/// # Errors
///
/// When a legacy daemon would not have sent it so, in the words of the specification.
pub fn read(raw: &Raw, dialect: Dialect) -> Result<Said, String> {
    let value = Value {
        bytes: &raw.value,
        numbers: Numbers(dialect),
    };
    let is_private = dialect == Dialect::Sonic && raw.tlv >= tlv::FIRST_PRIVATE;
    if raw.unknown != is_private {
        return Err(format!(
            "U bit of TLV 0x{:04x} is {} (2.1, 8.1)",
            raw.tlv, raw.unknown
        ));
    }
    let is_sonic = dialect == Dialect::Sonic;
    match raw.tlv {
        tlv::SYSTEM_CONFIG => value.system_config(),
        tlv::AGGREGATOR_CONFIG => value.aggregator_config(dialect),
        tlv::AGGREGATOR_STATE => value.aggregator_state(),
        tlv::SYNC_REQUEST => value.sync_request(),
        tlv::SYNC_DATA => value.sync_data(),
        tlv::HEARTBEAT => value.exactly(&[0xff], "Heartbeat (4.6)"),
        tlv::PORT_CHANNEL_INFO => value.port_channel_info(dialect),
        tlv::PEER_LINK_INFO => value.peer_link_info(dialect),
        tlv::ARP_INFO => value.neighbours(dialect, 4),
        tlv::MAC_INFO => value.macs(dialect),
        tlv::NDISC_INFO if is_sonic => value.neighbours(dialect, 16),
        tlv::WARM_BOOT if is_sonic => value.exactly(&[1], "Warm Boot Flag (4.12)"),
        tlv::INTERFACE_UP_ACK if is_sonic => value.ack(),
        _ if is_private => Ok(Said::Other),
        other => Err(format!("TLV 0x{other:04x} is not in the dialect (2.1)")),
    }
}

#[derive(Clone, Copy)]
struct Value<'a> {
    bytes: &'a [u8],
    numbers: Numbers,
}

impl<'a> Value<'a> {
    fn len(self, expected: usize, what: &str) -> Result<(), String> {
        match self.bytes.len() {
            len if len == expected => Ok(()),
            len => Err(format!("{what} of {len} bytes instead of {expected}")),
        }
    }

    fn exactly(self, expected: &[u8], what: &str) -> Result<Said, String> {
        match self.bytes == expected {
            true => Ok(Said::Other),
            false => Err(format!("{what} is {:02x?}", self.bytes)),
        }
    }

    fn u16(self, at: usize) -> u16 {
        self.numbers.u16(self.bytes, at)
    }

    /// Fields that are always zero.
    fn zeros(self, at: std::ops::Range<usize>, what: &str) -> Result<(), String> {
        match self.bytes[at].iter().all(|byte| *byte == 0) {
            true => Ok(()),
            false => Err(format!("{what} is not zero")),
        }
    }

    fn system_config(self) -> Result<Said, String> {
        self.len(9, "System Config (4.1)")?;
        self.zeros(6..8, "priority in System Config (4.1)")?;
        match self.bytes[8] {
            0xf0..=0xff => Ok(Said::Other),
            node => Err(format!("node id 0x{node:02x} in System Config (4.1)")),
        }
    }

    fn aggregator_config(self, dialect: Dialect) -> Result<Said, String> {
        self.len(42, "Aggregator Config (4.2)")?;
        self.zeros(0..8, "ROID (4.2)")?;
        self.zeros(16..20, "key and priority in Aggregator Config (4.2)")?;
        let name = name(&self.bytes[22..42], "Aggregator Config (4.2)")?;
        if usize::from(self.bytes[21]) != name.len() {
            return Err(format!("name length {} of {name} (4.2)", self.bytes[21]));
        }
        let is_purge = match self.bytes[20] {
            1 => false,
            2 => true,
            flags => {
                return Err(format!(
                    "flags 0x{flags:02x}: exactly one must be set (4.2)"
                ));
            }
        };
        let id = self.u16(8);
        is_id_of(id, &name, dialect)?;
        Ok(Said::Config { id, name, is_purge })
    }

    fn aggregator_state(self) -> Result<Said, String> {
        self.len(15, "Aggregator State (4.3)")?;
        self.zeros(0..10, "partner in Aggregator State (4.3)")?;
        self.zeros(12..14, "key in Aggregator State (4.3)")?;
        let is_up = match self.bytes[14] {
            0 => true,
            1..=3 => false,
            state => return Err(format!("state {state} (4.3)")),
        };
        let id = self.u16(10);
        Ok(Said::State { id, is_up })
    }

    fn sync_request(self) -> Result<Said, String> {
        self.len(8, "Sync Request (4.4)")?;
        if self.bytes[2..] != [0xff, 0xff, 0, 0, 0, 0] {
            return Err(format!("Sync Request is {:02x?} (4.4)", self.bytes));
        }
        Ok(Said::SyncRequest(self.u16(0)))
    }

    fn sync_data(self) -> Result<Said, String> {
        self.len(4, "Sync Data (4.5)")?;
        let is_end = match self.u16(2) {
            0 => false,
            1 => true,
            flags => return Err(format!("Sync Data with flags {flags} (4.5)")),
        };
        let number = self.u16(0);
        Ok(Said::SyncData { number, is_end })
    }

    fn port_channel_info(self, dialect: Dialect) -> Result<Said, String> {
        let what = "Port Channel Info (4.7)";
        let (count_at, size, extra) = match dialect {
            Dialect::Sonic => (30, 2, 0),
            Dialect::LinuxMclag => (32, 32, 2),
        };
        if self.bytes.len() < count_at + 2 {
            return Err(format!("{what} of {} bytes", self.bytes.len()));
        }
        let count = usize::from(self.u16(count_at));
        self.len(count_at + 2 + count * size, what)?;
        let id = self.u16(0);
        let name = name(&self.bytes[2..22], what)?;
        if usize::from(self.bytes[22]) != name.len() || self.u16(28 + extra) != id {
            return Err(format!("name length or port-channel id of {name} (4.7)"));
        }
        let is_l3 = match self.bytes[23] {
            0 => false,
            1 => true,
            mode => return Err(format!("L3 mode {mode} of {name} (4.7)")),
        };
        if !is_l3 {
            self.zeros(24..28, "address of a port-channel without one (4.7)")?;
        }
        let vids: Vec<u16> = (0..count)
            .map(|at| self.u16(count_at + 2 + 2 * at))
            .collect();
        if dialect == Dialect::Sonic && !vids.is_sorted() {
            return Err(format!("VLANs of {name} do not ascend (4.7)"));
        }
        if let Some(vid) = vids.iter().find(|vid| !(1..=4094).contains(*vid)) {
            return Err(format!("VLAN {vid} of {name} (4.7)"));
        }
        Ok(Said::PortInfo(id))
    }

    fn peer_link_info(self, dialect: Dialect) -> Result<Said, String> {
        self.len(21, "Peer Link Info (4.8)")?;
        name(&self.bytes[..20], "Peer Link Info (4.8)")?;
        match (self.bytes[20], dialect) {
            (0..=2, _) | (3, Dialect::Sonic) => Ok(Said::Other),
            (kind, _) => Err(format!("peer link of kind {kind} (4.8)")),
        }
    }

    fn neighbours(self, dialect: Dialect, address: usize) -> Result<Said, String> {
        let what = if address == 4 {
            "ARP Info (4.9)"
        } else {
            "NDISC Info (4.10)"
        };
        let entries = match dialect {
            Dialect::Sonic => self.list(24 + address + 8, 40, what)?,
            Dialect::LinuxMclag => {
                self.len(31, what)?;
                vec![self.bytes]
            }
        };
        for entry in entries {
            if !matches!(entry[0], 1 | 2) {
                return Err(format!("operation {} in {what}", entry[0]));
            }
            let at = if dialect == Dialect::Sonic { 3 } else { 1 };
            name(&entry[at..at + 20], what)?;
            if dialect == Dialect::Sonic {
                let pads = [
                    entry[2],
                    entry[23],
                    entry[30 + address],
                    entry[31 + address],
                ];
                if entry[1] > 7 || pads != [0; 4] {
                    return Err(format!("flags {} or padding in {what}", entry[1]));
                }
            }
            let at = if dialect == Dialect::Sonic { 24 } else { 21 };
            if entry[at..at + address].iter().all(|byte| *byte == 0) {
                return Err(format!("no address in {what}"));
            }
        }
        Ok(Said::Other)
    }

    fn macs(self, dialect: Dialect) -> Result<Said, String> {
        let what = "MAC Info (4.11)";
        let entries = match dialect {
            Dialect::Sonic => self.list(30, 30, what)?,
            Dialect::LinuxMclag => {
                self.len(55, what)?;
                vec![self.bytes]
            }
        };
        let entries = entries.into_iter().map(|entry| {
            let is_add = match entry[0] {
                1 => true,
                2 => false,
                op => return Err(format!("operation {op} in {what}")),
            };
            let (mac, at) = match dialect {
                Dialect::Sonic => {
                    if !matches!(entry[1], 1 | 2) {
                        return Err(format!("MAC type {} in {what}", entry[1]));
                    }
                    let mac = entry[2..8].try_into().map(Mac);
                    (mac.map_err(|_| what)?, 8)
                }
                Dialect::LinuxMclag => (text_mac(&entry[1..33])?, 33),
            };
            if mac == Mac([0; 6]) {
                return Err(format!("the all-zero MAC in {what}"));
            }
            let vid = self.numbers.u16(entry, at);
            if !(1..=4094).contains(&vid) {
                return Err(format!("VLAN {vid} in {what}"));
            }
            let port = name(&entry[at + 2..at + 22], what)?;
            Ok(Entry {
                is_add,
                mac,
                vid,
                port,
            })
        });
        entries.collect::<Result<_, _>>().map(Said::Macs)
    }

    fn ack(self) -> Result<Said, String> {
        self.len(4, "Interface Up Ack (4.13)")?;
        match self.bytes[..2] {
            [1, 1] => Ok(Said::Ack(self.u16(2))),
            _ => Err(format!("Interface Up Ack is {:02x?} (4.13)", self.bytes)),
        }
    }

    /// The entries of a counted list, which fill it exactly (2.4).
    fn list(self, size: usize, limit: usize, what: &str) -> Result<Vec<&'a [u8]>, String> {
        let count = usize::from(self.u16(0));
        if !(1..=limit).contains(&count) {
            return Err(format!(
                "{count} entries in {what}, a legacy sender has 1..={limit} (2.4)"
            ));
        }
        self.len(2 + count * size, what)?;
        Ok(self.bytes[2..].chunks(size).collect())
    }
}

/// A name of an interface: ends with a NUL within its 20 bytes, and nothing stands behind (2.4, 4.2).
fn name(field: &[u8], what: &str) -> Result<String, String> {
    let len = field.iter().position(|byte| *byte == 0);
    let (text, rest) = field.split_at(len.ok_or(format!("a name without its end in {what}"))?);
    let is_name = !text.is_empty() && text.iter().all(|byte| byte.is_ascii_graphic());
    if !is_name || rest.iter().any(|byte| *byte != 0) {
        return Err(format!(
            "{:?} as a name in {what}",
            field.escape_ascii().to_string()
        ));
    }
    Ok(String::from_utf8_lossy(text).into_owned())
}

/// 4.14: the number that begins at the first digit of the name.
fn is_id_of(id: u16, name: &str, dialect: Dialect) -> Result<(), String> {
    let digits: String = name
        .chars()
        .skip_while(|c| !c.is_ascii_digit())
        .take_while(char::is_ascii_digit)
        .collect();
    match digits.parse::<u16>() {
        Ok(number) if number == id => Ok(()),
        Err(_) if dialect == Dialect::LinuxMclag => Ok(()),
        _ => Err(format!("{name} with aggregator id {id} (4.14)")),
    }
}

/// 4.11: compared as a string, so it must be in lower case.
fn text_mac(field: &[u8]) -> Result<Mac, String> {
    let (text, rest) = field.split_at(17);
    let wrong = || format!("{:?} as a MAC (4.11)", field.escape_ascii().to_string());
    let text = str::from_utf8(text).map_err(|_| wrong())?;
    let mac: Mac = text.parse().map_err(|_| wrong())?;
    match mac.to_string() == text && rest.iter().all(|byte| *byte == 0) {
        true => Ok(mac),
        false => Err(wrong()),
    }
}
