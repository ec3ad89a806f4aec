//! What the kernel says about its state, for assertions.
//!
//! Read through `ip`, `bridge` and `nft`, not through the project's own netlink code: a second reading that shares no
//! line with the first.

use std::collections::BTreeSet;
use std::fs;

use anyhow::{Context, Result, ensure};
use mclag_proto::addr::Mac;
use serde::Deserialize;
use serde_json::Value;

use crate::netns::NetNs;

/// One line of a bridge's forwarding database.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(default)]
pub struct FdbEntry {
    /// The address.
    pub mac: Mac,
    /// The VLAN; none for entries that hold in all.
    pub vlan: Option<u16>,
    /// The port.
    pub ifname: String,
    /// `permanent`, `static`, or empty for a learned one.
    pub state: String,
    /// Such as `extern_learn`.
    pub flags: Vec<String>,
    /// The kernel tells when the entry is used and when it no longer is.
    pub activity_notify: bool,
    /// An entry with `activity_notify` that is not used.
    pub inactive: bool,
}

impl FdbEntry {
    /// True for an entry that does not age.
    #[must_use]
    pub fn is_static(&self) -> bool {
        self.state == "static"
    }

    /// True for an entry of the bridge itself.
    #[must_use]
    pub fn is_permanent(&self) -> bool {
        self.state == "permanent"
    }

    /// True for an entry that was installed as learned by somebody else.
    #[must_use]
    pub fn is_extern_learn(&self) -> bool {
        self.flags.iter().any(|flag| flag == "extern_learn")
    }
}

/// The forwarding database of `bridge`, without the entries of the bridge's own addresses.
pub fn fdb(ns: &NetNs, bridge: &str) -> Result<Vec<FdbEntry>> {
    let mut entries: Vec<FdbEntry> =
        ns.json("bridge", &["-d", "-j", "fdb", "show", "br", bridge])?;
    entries.retain(|entry| !entry.is_permanent());
    Ok(entries)
}

/// The entry of an address in a VLAN.
pub fn fdb_entry(ns: &NetNs, bridge: &str, mac: Mac, vlan: u16) -> Result<Option<FdbEntry>> {
    let entries = fdb(ns, bridge)?;
    Ok(entries
        .into_iter()
        .find(|entry| entry.mac == mac && entry.vlan == Some(vlan)))
}

/// A network interface.
#[derive(Clone, Debug, Deserialize)]
pub struct Link {
    /// Its name.
    pub ifname: String,
    /// Its number.
    pub ifindex: u32,
    /// Its address.
    #[serde(default)]
    pub address: Mac,
    /// Such as `UP`, `LOWER_UP`, `NO-CARRIER`.
    pub flags: Vec<String>,
    /// Such as `UP`, `DOWN`, `LOWERLAYERDOWN`.
    pub operstate: String,
    /// The bond, team or bridge it belongs to.
    pub master: Option<String>,
    #[serde(default)]
    linkinfo: LinkInfo,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct LinkInfo {
    info_kind: Option<String>,
    info_data: Value,
    info_slave_data: Value,
}

impl Link {
    /// True if the administrator wants it up.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.has("UP")
    }

    /// True if frames can pass.
    #[must_use]
    pub fn has_carrier(&self) -> bool {
        self.has("LOWER_UP")
    }

    /// Such as `bond`, `bridge`, `veth`.
    #[must_use]
    pub fn kind(&self) -> Option<&str> {
        self.linkinfo.info_kind.as_deref()
    }

    fn has(&self, flag: &str) -> bool {
        self.flags.iter().any(|known| known == flag)
    }
}

/// One interface.
pub fn link(ns: &NetNs, dev: &str) -> Result<Link> {
    let links: Vec<Link> = ns.json("ip", &["-d", "-j", "link", "show", "dev", dev])?;
    links
        .into_iter()
        .next()
        .with_context(|| format!("no interface {dev} in {}", ns.name()))
}

/// All interfaces.
pub fn links(ns: &NetNs) -> Result<Vec<Link>> {
    ns.json("ip", &["-d", "-j", "link", "show"])
}

/// The LACP side of a bond.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Bond {
    /// The system address that the bond was told to use; zero if it uses its own.
    pub actor_system: Mac,
    /// The partner's system address; zero while there is none.
    pub partner: Mac,
    /// Number of the active aggregator.
    pub aggregator: u64,
    /// Members in the active aggregator.
    pub ports: u64,
    /// Members it needs to have carrier.
    pub min_links: u64,
}

/// What the bond `dev` says about LACP.
pub fn bond(ns: &NetNs, dev: &str) -> Result<Bond> {
    let link = link(ns, dev)?;
    ensure!(
        link.kind() == Some("bond"),
        "{dev} in {} is no bond",
        ns.name()
    );
    let data = &link.linkinfo.info_data;
    let mac = |value: &Value| {
        value
            .as_str()
            .and_then(|text| text.parse().ok())
            .unwrap_or_default()
    };
    // A bond without an active aggregator has no `ad_info`.
    let info = &data["ad_info"];
    Ok(Bond {
        actor_system: mac(&data["ad_actor_system"]),
        partner: mac(&info["partner_mac"]),
        aggregator: info["aggregator"].as_u64().unwrap_or_default(),
        ports: info["num_ports"].as_u64().unwrap_or_default(),
        min_links: data["min_links"].as_u64().unwrap_or_default(),
    })
}

/// How many members the active aggregator of a bond has, and the partner's system address; zero while there is none.
/// Cheaper than [`bond`], for whoever looks again and again.
pub fn active_aggregator(ns: &NetNs, dev: &str) -> Result<(u64, Mac)> {
    let path = format!("/proc/thread-self/net/bonding/{dev}");
    let text =
        ns.enter(|| fs::read_to_string(&path).with_context(|| format!("cannot read {path}")))?;
    let value = |name: &str| {
        let mut lines = text.lines().map(str::trim);
        lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    };
    let ports = value("Number of ports").and_then(|number| number.parse().ok());
    let partner = value("Partner Mac Address").and_then(|mac| mac.parse().ok());
    Ok((ports.unwrap_or_default(), partner.unwrap_or_default()))
}

/// The aggregator that a member of a bond is in, active or not.
pub fn aggregator_of(ns: &NetNs, member: &str) -> Result<u64> {
    link(ns, member)?.linkinfo.info_slave_data["ad_aggregator_id"]
        .as_u64()
        .with_context(|| format!("{member} in {} is no member of an 802.3ad bond", ns.name()))
}

/// The settings of a bridge port.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
pub struct BridgePort {
    /// Name of the port.
    pub ifname: String,
    /// Such as `forwarding`.
    pub state: String,
    /// Whether source addresses are learned.
    pub learning: bool,
    /// Whether frames to and from other isolated ports are dropped.
    #[serde(default)]
    pub isolated: bool,
    /// The port that stands in while this one has no carrier.
    pub backup_port: Option<String>,
}

/// All ports of bridges.
pub fn bridge_ports(ns: &NetNs) -> Result<Vec<BridgePort>> {
    ns.json("bridge", &["-d", "-j", "link", "show"])
}

/// One port of a bridge.
pub fn bridge_port(ns: &NetNs, dev: &str) -> Result<BridgePort> {
    let mut ports = bridge_ports(ns)?.into_iter();
    let port = ports.find(|port| port.ifname == dev);
    port.with_context(|| format!("{dev} in {} is no bridge port", ns.name()))
}

/// The elements of a set of names or numbers in the bridge family of nftables, as text. None if there is no such set.
pub fn nft_set(ns: &NetNs, table: &str, set: &str) -> Result<Option<BTreeSet<String>>> {
    let ruleset = nft(ns)?;
    let found = ruleset.iter().find_map(|object| {
        let object = object.get("set")?;
        (object["table"] == table && object["name"] == set).then_some(object)
    });
    Ok(found.map(|set| {
        let elements = set["elem"].as_array().into_iter().flatten();
        elements.map(text_of).collect()
    }))
}

/// The tables of the bridge family of nftables.
pub fn nft_tables(ns: &NetNs) -> Result<BTreeSet<String>> {
    let names = nft(ns)?;
    let names = names
        .iter()
        .filter_map(|object| object.get("table")?["name"].as_str());
    Ok(names.map(str::to_owned).collect())
}

fn nft(ns: &NetNs) -> Result<Vec<Value>> {
    #[derive(Deserialize)]
    struct Ruleset {
        nftables: Vec<Value>,
    }
    let ruleset: Ruleset = ns.json("nft", &["-j", "list", "ruleset", "bridge"])?;
    Ok(ruleset.nftables)
}

/// An element as nftables itself would print it: words of a concatenation are joined by dots.
fn text_of(element: &Value) -> String {
    if let Some(parts) = element["concat"].as_array() {
        return parts.iter().map(text_of).collect::<Vec<_>>().join(" . ");
    }
    match element {
        Value::String(text) => text.clone(),
        Value::Object(_) if !element["elem"]["val"].is_null() => text_of(&element["elem"]["val"]),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_read_with_what_it_has() {
        let text = r#"{"mac":"02:00:00:00:00:01","ifname":"bond1","vlan":10,"flags":["extern_learn"],
            "master":"br0","state":""}"#;
        let entry: FdbEntry = serde_json::from_str(text).unwrap();
        assert_eq!((entry.vlan, entry.ifname.as_str()), (Some(10), "bond1"));
        assert!(entry.is_extern_learn() && !entry.is_static() && !entry.inactive);
    }

    #[test]
    fn elements_are_shown_like_nftables_does() {
        let element = serde_json::json!({"concat": ["peerlink", "bond1"]});
        assert_eq!(text_of(&element), "peerlink . bond1");
        assert_eq!(text_of(&Value::from("bond1")), "bond1");
        assert_eq!(
            text_of(&serde_json::json!({"elem": {"val": "bond1", "timeout": 3}})),
            "bond1"
        );
    }
}
