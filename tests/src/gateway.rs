//! The chassis as routers: VLAN devices on their bridges, with addresses, and the neighbours that they resolve.

use std::net::Ipv4Addr;

use anyhow::{Result, ensure};
use mclag_proto::addr::{Mac, Vid};
use serde::Deserialize;

use crate::netns::NetNs;
use crate::topology::{BRIDGE, Switch};
use crate::wait::{SOON, eventually};

/// The address that both chassis have in VLAN 10, for hosts to route through whichever their bond chooses.
pub const SHARED: Ipv4Addr = Ipv4Addr::new(10, 0, 10, 254);

/// The VLAN device of that VLAN.
#[must_use]
pub fn device(vid: Vid) -> String {
    format!("Vlan{vid}")
}

/// Give a chassis an address in a VLAN. Without a MAC of its own the device has the bridge's.
///
/// The bridge is told of one of its own: otherwise it would not know that it is meant itself, and flood. Where the other
/// chassis has the same one already it stands on the peer link, and is replaced.
pub fn add(switch: &Switch, vid: Vid, address: Ipv4Addr, mac: Option<Mac>) -> Result<()> {
    let device = device(vid);
    switch
        .ns
        .bridge(&format!("vlan add dev {BRIDGE} vid {vid} self"))?;
    if let Some(mac) = mac {
        switch.ns.bridge(&format!(
            "fdb replace {mac} dev {BRIDGE} vlan {vid} self permanent"
        ))?;
    }
    let mac = mac.map_or_else(String::new, |mac| format!("address {mac}"));
    switch.ns.ip(&format!(
        "link add link {BRIDGE} name {device} {mac} type vlan id {vid}
         address add {address}/24 dev {device}
         link set {device} up"
    ))
}

/// One entry of the kernel's neighbour table.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
pub struct Neighbour {
    /// Address of layer 3.
    pub dst: String,
    /// Address of layer 2; none while, or because, it could not be resolved.
    pub lladdr: Option<Mac>,
    /// Such as `REACHABLE`, `STALE`, `PERMANENT`.
    #[serde(default)]
    pub state: Vec<String>,
}

/// What the kernel knows of a neighbour in a VLAN.
pub fn neighbour(ns: &NetNs, vid: Vid, address: Ipv4Addr) -> Result<Option<Neighbour>> {
    let device = device(vid);
    let entries: Vec<Neighbour> = ns.json("ip", &["-j", "neigh", "show", "dev", &device])?;
    let address = address.to_string();
    Ok(entries.into_iter().find(|entry| entry.dst == address))
}

/// Wait until the kernel has a neighbour with that address of layer 2, or none at all.
pub fn wait_neighbour(
    switch: &Switch,
    vid: Vid,
    address: Ipv4Addr,
    mac: Option<Mac>,
) -> Result<Option<Neighbour>> {
    let what = format!(
        "{address} of VLAN {vid} is at {mac:?} for chassis {}",
        switch.side
    );
    eventually(&what, SOON, || {
        let found = neighbour(&switch.ns, vid, address)?;
        let known = found.as_ref().and_then(|entry| entry.lladdr);
        ensure!(known == mac, "the kernel has {found:?}");
        Ok(found)
    })
}

/// Wait until the chassis reaches an address, which makes its kernel resolve it.
pub fn wait_reaches(switch: &Switch, address: Ipv4Addr) -> Result<()> {
    let target = address.to_string();
    eventually(
        &format!("chassis {} reaches {target}", switch.side),
        SOON,
        || {
            switch
                .ns
                .run("ping", &["-c", "1", "-W", "2", &target])
                .map(drop)
        },
    )
}
