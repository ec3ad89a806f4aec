//! From rows of CONFIG_DB to the records in which SONiC's `mclagsyncd` tells them (`spec/sonic-redis.md` 3.1 and
//! 3.2).

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU16;
use std::str::FromStr;

use mclag_proto::sync::v1::{
    DomainAttributes, DomainOp, DomainRecord, InterfaceRecord, RecordOp, UniqueIpRecord,
};
use mclag_proto::{DomainId, Mac};

use crate::backend::mclagsyncd::Configured;

/// Fields of a row by name.
pub(super) type Fields = BTreeMap<String, String>;

pub(super) const DOMAINS: &str = "MCLAG_DOMAIN";
pub(super) const PORTS: &str = "MCLAG_INTERFACE";
pub(super) const UNIQUE_IPS: &str = "MCLAG_UNIQUE_IP";
/// The row of the chassis itself, as table and key.
pub(super) const CHASSIS: [&str; 2] = ["DEVICE_METADATA", "localhost"];

/// Seconds that a keepalive interval or a session timeout can have.
const SECONDS: std::ops::RangeInclusive<i32> = 1..=3600;

/// What the row of a domain names: what it does not have is at its default.
const NAMED: DomainAttributes = DomainAttributes::LOCAL
    .union(DomainAttributes::PEER)
    .union(DomainAttributes::PEER_LINK)
    .union(DomainAttributes::KEEPALIVE)
    .union(DomainAttributes::SESSION_TIMEOUT);

/// What was read, by key within each table.
#[derive(Debug, Default)]
pub(super) struct Rows {
    pub(super) chassis: Fields,
    pub(super) domains: BTreeMap<String, Fields>,
    pub(super) ports: BTreeSet<String>,
    pub(super) unique_ips: BTreeSet<String>,
    /// A line for each row that is none.
    pub(super) wrong: Vec<String>,
}

impl Rows {
    /// The records, and a line for each value that makes none.
    pub(super) fn configured(&self, separator: &str) -> Configured {
        let mut wrong = self.wrong.clone();
        let system_mac = self.system_mac(separator, &mut wrong);
        let domains = self.domains.iter().filter_map(|(key, fields)| {
            let row = format!("{DOMAINS}{separator}{key}");
            let domain = domain(&row, key, &mut wrong)?;
            Some(domain_record(domain, system_mac, &row, fields, &mut wrong))
        });
        let domains = domains.collect();
        let ports = self.ports.iter().filter_map(|key| {
            let row = format!("{PORTS}{separator}{key}");
            let Some((id, port)) = key.split_once(separator) else {
                wrong.push(format!(
                    "CONFIG_DB {row}: {key:?} is not a domain and a port"
                ));
                return None;
            };
            Some(InterfaceRecord {
                op: RecordOp::Add,
                domain: domain(&row, id, &mut wrong)?,
                port: parsed(&row, port, "the name of an interface", &mut wrong)?,
            })
        });
        let ports = ports.collect();
        let unique_ips = self.unique_ips.iter().filter_map(|key| {
            let row = format!("{UNIQUE_IPS}{separator}{key}");
            Some(UniqueIpRecord {
                op: RecordOp::Add,
                interface: parsed(&row, key, "the name of an interface", &mut wrong)?,
            })
        });
        let unique_ips = unique_ips.collect();
        Configured {
            domains,
            ports,
            unique_ips,
            wrong,
        }
    }

    /// Zero, as SONiC's server has it, while there is none.
    fn system_mac(&self, separator: &str, wrong: &mut Vec<String>) -> Mac {
        let row = CHASSIS.join(separator);
        match field(&self.chassis, "mac") {
            Some(text) => parsed(&format!("{row} mac"), text, "a MAC address", wrong),
            None if self.domains.is_empty() => None,
            None => {
                wrong.push(format!("CONFIG_DB {row} mac is missing"));
                None
            }
        }
        .unwrap_or(Mac([0; 6]))
    }
}

fn domain_record(
    domain: DomainId,
    system_mac: Mac,
    row: &str,
    fields: &Fields,
    wrong: &mut Vec<String>,
) -> DomainRecord {
    let place = |name: &str| format!("{row} {name}");
    let mut record = DomainRecord {
        op: DomainOp::Add,
        domain,
        keepalive_s: -1,
        session_timeout_s: -1,
        local: None,
        peer: None,
        peer_link: None,
        system_mac,
        attributes: NAMED,
    };
    for (name, end) in [
        ("source_ip", &mut record.local),
        ("peer_ip", &mut record.peer),
    ] {
        *end = field(fields, name)
            .and_then(|text| parsed(&place(name), text, "an IPv4 address", wrong));
    }
    record.peer_link = field(fields, "peer_link").and_then(|text| {
        let place = place("peer_link");
        parsed(&place, text, "the name of an interface", wrong)
    });
    for (name, time) in [
        ("keepalive_interval", &mut record.keepalive_s),
        ("session_timeout", &mut record.session_timeout_s),
    ] {
        let Some(text) = field(fields, name) else {
            continue;
        };
        match text.parse().ok().filter(|time| SECONDS.contains(time)) {
            Some(seconds) => *time = seconds,
            None => wrong.push(not(&place(name), text, "a time of 1 to 3600 seconds")),
        }
    }
    record
}

fn domain(place: &str, text: &str, wrong: &mut Vec<String>) -> Option<DomainId> {
    let number = parsed::<NonZeroU16>(place, text, "a domain, 1 to 65535", wrong)?;
    DomainId::new(number.get())
}

/// An empty one is none.
fn field<'a>(fields: &'a Fields, name: &str) -> Option<&'a str> {
    let text = fields.get(name)?.as_str();
    (!text.is_empty()).then_some(text)
}

fn parsed<T: FromStr>(place: &str, text: &str, what: &str, wrong: &mut Vec<String>) -> Option<T> {
    let value = text.parse();
    if value.is_err() {
        wrong.push(not(place, text, what));
    }
    value.ok()
}

fn not(place: &str, text: &str, what: &str) -> String {
    format!("CONFIG_DB {place}: {text:?} is not {what}")
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use mclag_proto::IfName;

    use super::*;

    fn fields(text: &[(&str, &str)]) -> Fields {
        let pairs = text.iter();
        pairs
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    fn rows(domain: &[(&str, &str)]) -> Rows {
        Rows {
            chassis: fields(&[("mac", "02:00:00:00:00:A1"), ("platform", "x86_64-kvm")]),
            domains: BTreeMap::from([("1".to_owned(), fields(domain))]),
            ports: ["1|PortChannel0001".to_owned()].into(),
            unique_ips: ["Vlan20".to_owned()].into(),
            wrong: Vec::new(),
        }
    }

    /// The rows of `vectors/redis/c-daemon-active.txt`.
    #[test]
    fn rows_are_read_as_mclagsyncd_tells_them() {
        let told = rows(&[
            ("source_ip", "10.98.0.1"),
            ("peer_ip", "10.98.0.2"),
            ("peer_link", "PortChannel1000"),
            ("keepalive_interval", "1"),
            ("session_timeout", "15"),
        ])
        .configured("|");
        let name = |text| IfName::new(text).unwrap();
        let domain = DomainId::new(1).unwrap();
        let expected = Configured {
            domains: vec![DomainRecord {
                op: DomainOp::Add,
                domain,
                keepalive_s: 1,
                session_timeout_s: 15,
                local: Some(Ipv4Addr::new(10, 98, 0, 1)),
                peer: Some(Ipv4Addr::new(10, 98, 0, 2)),
                peer_link: Some(name("PortChannel1000")),
                system_mac: Mac([2, 0, 0, 0, 0, 0xa1]),
                attributes: DomainAttributes::from_bits_retain(0x1f),
            }],
            ports: vec![InterfaceRecord {
                op: RecordOp::Add,
                domain,
                port: name("PortChannel0001"),
            }],
            unique_ips: vec![UniqueIpRecord {
                op: RecordOp::Add,
                interface: name("Vlan20"),
            }],
            wrong: Vec::new(),
        };
        assert_eq!(told, expected);
    }

    #[test]
    fn what_cannot_be_used_is_named_and_the_rest_counts() {
        let mut bad = rows(&[
            ("source_ip", "10.98.0.1"),
            ("peer_ip", "fe80::1"),
            ("peer_link", ""),
            ("keepalive_interval", "soon"),
            ("session_timeout", "0"),
        ]);
        bad.chassis = fields(&[("mac", "unknown")]);
        bad.domains.insert("70000".to_owned(), Fields::new());
        for port in [
            "PortChannel0002",
            "x|PortChannel0003",
            "1|no name at all, too long",
        ] {
            bad.ports.insert(port.to_owned());
        }
        bad.unique_ips.insert("no name".to_owned());
        let told = bad.configured("|");
        assert_eq!(
            told.wrong,
            [
                "CONFIG_DB DEVICE_METADATA|localhost mac: \"unknown\" is not a MAC address",
                "CONFIG_DB MCLAG_DOMAIN|1 peer_ip: \"fe80::1\" is not an IPv4 address",
                "CONFIG_DB MCLAG_DOMAIN|1 keepalive_interval: \"soon\" is not a time of 1 to 3600 seconds",
                "CONFIG_DB MCLAG_DOMAIN|1 session_timeout: \"0\" is not a time of 1 to 3600 seconds",
                "CONFIG_DB MCLAG_DOMAIN|70000: \"70000\" is not a domain, 1 to 65535",
                "CONFIG_DB MCLAG_INTERFACE|1|no name at all, too long: \"no name at all, too long\" is not the \
                 name of an interface",
                "CONFIG_DB MCLAG_INTERFACE|PortChannel0002: \"PortChannel0002\" is not a domain and a port",
                "CONFIG_DB MCLAG_INTERFACE|x|PortChannel0003: \"x\" is not a domain, 1 to 65535",
                "CONFIG_DB MCLAG_UNIQUE_IP|no name: \"no name\" is not the name of an interface",
            ]
        );
        let [domain] = told.domains.as_slice() else {
            panic!("{told:?}");
        };
        assert_eq!(domain.local, Some(Ipv4Addr::new(10, 98, 0, 1)));
        assert_eq!((domain.peer, domain.peer_link), (None, None));
        assert_eq!((domain.keepalive_s, domain.session_timeout_s), (-1, -1));
        assert_eq!((told.ports.len(), told.unique_ips.len()), (1, 1));
    }
}
