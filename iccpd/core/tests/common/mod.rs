//! One chassis, as tests of single messages and of many have it.

#![allow(dead_code, reason = "not every test needs all of it")]

use iccp_core::{Config, Input, Link, LinkKind};
use mclag_proto::sync::model::Abilities;
use mclag_proto::{DomainId, IfName, Mac};
use std::collections::BTreeSet;

pub(crate) fn name(text: &str) -> IfName {
    IfName::new(text).unwrap()
}

/// An interface that is up, by itself.
pub(crate) fn link(index: u32, name: IfName, kind: LinkKind) -> Link {
    Link {
        index,
        name,
        mac: None,
        admin_up: true,
        running: true,
        master: None,
        kernel_name: None,
        blocked: false,
        kind,
        member: None,
    }
}

/// The first chassis of a pair with these ports and the peer link `peerlink`.
pub(crate) fn config(ports: BTreeSet<IfName>) -> Config {
    Config {
        peer_link: Some(name("peerlink")),
        ports,
        system_mac: Some(Mac([2, 0, 0, 0, 0, 0xff])),
        ..Config::new(
            DomainId::new(1).unwrap(),
            "192.0.2.1".parse().unwrap(),
            "192.0.2.2".parse().unwrap(),
            name("br0"),
            Mac([2, 0, 0, 0, 0, 1]),
        )
    }
}

/// A `syncd` for a bridge of the kernel connects.
pub(crate) fn syncd_up() -> Input {
    Input::SyncdUp {
        abilities: Abilities {
            redirect: true,
            tracking: true,
            hold: true,
            pair: false,
            interfaces: false,
            neighbours: false,
            node_mac: false,
        },
        backend: "model".into(),
        window: 8,
    }
}
