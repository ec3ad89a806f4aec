//! The table `[legacy]`: clients that speak version 1 of the protocol.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::ops::Range;

use mclag_daemon::settings::unicast_mac;
use mclag_proto::sync::v1::Dialect;
use mclag_proto::{DomainId, IfName};
use serde::Deserialize;
use toml::Spanned;

use crate::legacy::{Domain, Options, Place};

/// Longest name that a record of version 1 holds with its end.
const MAX_NAME: usize = 19;

/// The table as it is written.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct LegacyTable {
    listen: Vec<Spanned<String>>,
    bridge: Option<Spanned<String>>,
    peer_link: Option<Spanned<String>>,
    ports: Vec<Spanned<String>>,
    unique_ip: Vec<Spanned<String>>,
    domain: Option<Spanned<u32>>,
    local_address: Option<Spanned<String>>,
    peer_address: Option<Spanned<String>>,
    keepalive: Option<Spanned<u32>>,
    session_timeout: Option<Spanned<u32>>,
    system_mac: Option<Spanned<String>>,
}

/// Check the table; `wrong` is told what cannot be, and where.
pub(super) fn check(table: LegacyTable, wrong: &mut impl FnMut(Range<usize>, String)) -> Options {
    let LegacyTable {
        listen,
        bridge,
        peer_link,
        ports,
        unique_ip,
        domain,
        local_address,
        peer_address,
        keepalive,
        session_timeout,
        system_mac,
    } = table;
    let mut options = Options::default();
    for text in &listen {
        match place(text.get_ref()) {
            Ok(place) if options.listen.iter().any(|p| p.address == place.address) => {
                wrong(text.span(), format!("{} is named twice", place.address));
            }
            Ok(place) => options.listen.push(place),
            Err(message) => wrong(text.span(), message),
        }
    }
    let mut name = |text: Spanned<String>| match IfName::new(text.get_ref()) {
        Ok(name) if name.as_str().len() > MAX_NAME => {
            let message = format!("{name}: longer than the {MAX_NAME} characters of a record");
            wrong(text.span(), message);
            None
        }
        Ok(name) => Some(name),
        Err(error) => {
            wrong(text.span(), error.to_string());
            None
        }
    };
    options.bridge = bridge.and_then(&mut name);
    options.peer_link = peer_link.and_then(&mut name);
    for (texts, names) in [
        (ports, &mut options.ports),
        (unique_ip, &mut options.unique_ip),
    ] {
        for text in texts {
            names.extend(name(text));
        }
    }
    if let (Some(first), None) = (listen.first(), options.bridge) {
        let message = "`bridge` is needed: legacy clients do not name it".to_owned();
        wrong(first.span(), message);
    }
    let needs_domain = [
        local_address.as_ref().map(Spanned::span),
        peer_address.as_ref().map(Spanned::span),
        keepalive.as_ref().map(Spanned::span),
        session_timeout.as_ref().map(Spanned::span),
        system_mac.as_ref().map(Spanned::span),
    ];
    let Some(id) = domain else {
        if let Some(span) = needs_domain.into_iter().flatten().next() {
            wrong(
                span,
                "`domain` is needed to tell this to a client".to_owned(),
            );
        }
        return options;
    };
    let number = u16::try_from(*id.get_ref()).ok().and_then(DomainId::new);
    let Some(number) = number else {
        let message = format!("domain {} is not within 1..=65535", id.get_ref());
        wrong(id.span(), message);
        return options;
    };
    let mut address = |text: Option<Spanned<String>>| {
        let text = text?;
        let parsed: Result<Ipv4Addr, _> = text.get_ref().parse();
        if parsed.is_err() {
            let message = format!("{:?} is not an IPv4 address", text.get_ref());
            wrong(text.span(), message);
        }
        parsed.ok()
    };
    let (local, peer) = (address(local_address), address(peer_address));
    // The ranges that SONiC's configuration has.
    let mut seconds = |value: Option<Spanned<u32>>, range: Range<u32>| {
        let value = value?;
        let (first, last) = (range.start, range.end - 1);
        if !range.contains(value.get_ref()) {
            let message = format!("{} s is not within {first}..={last}", value.get_ref());
            wrong(value.span(), message);
        }
        u16::try_from(*value.get_ref()).ok()
    };
    let keepalive_s = seconds(keepalive, 1..61);
    let session_timeout_s = seconds(session_timeout, 3..3601);
    let system_mac = system_mac.and_then(|text| {
        let mac = unicast_mac(text.get_ref());
        mac.map_err(|why| wrong(text.span(), why)).ok()
    });
    options.domain = Some(Domain {
        id: number,
        local,
        peer,
        keepalive_s,
        session_timeout_s,
        system_mac,
    });
    options
}

/// `sonic`, `linux-mclag`, or an address at which the dialect is told from what is said.
fn place(text: &str) -> Result<Place, String> {
    let dialects = [Dialect::Sonic, Dialect::LinuxMclag];
    if let Some(dialect) = dialects.into_iter().find(|d| d.to_string() == text) {
        return Ok(Place::of(dialect));
    }
    let expected = || {
        "expected \"sonic\", \"linux-mclag\", or an address with port such as \"127.0.0.9:2626\""
            .to_owned()
    };
    let address: SocketAddrV4 = text.parse().map_err(|_| expected())?;
    if !address.ip().is_loopback() {
        // The protocol knows neither users nor secrets (`spec/mclagsyncd-protocol.md` 1, 9.1).
        return Err(format!(
            "{address}: only addresses of this host, 127.0.0.0/8"
        ));
    }
    let own = dialects.into_iter().find(|d| d.server_address() == address);
    Ok(Place {
        address,
        dialect: own,
    })
}

/// The table as it would be written.
pub(super) fn show(options: &Options, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let Options {
        listen,
        bridge,
        peer_link,
        domain,
        ports,
        unique_ip,
    } = options;
    if *options == Options::default() {
        return Ok(());
    }
    let places = listen.iter().map(|place| match place.dialect {
        Some(dialect) => dialect.to_string(),
        None => place.address.to_string(),
    });
    let places: Vec<String> = places.collect();
    writeln!(f, "\n[legacy]\nlisten = {places:?}")?;
    if let Some(bridge) = bridge {
        writeln!(f, "bridge = {bridge:?}")?;
    }
    if let Some(peer_link) = peer_link {
        writeln!(f, "peer-link = {peer_link:?}")?;
    }
    if !ports.is_empty() {
        writeln!(f, "ports = {ports:?}")?;
    }
    if !unique_ip.is_empty() {
        writeln!(f, "unique-ip = {unique_ip:?}")?;
    }
    let Some(domain) = domain else { return Ok(()) };
    let Domain {
        id,
        local,
        peer,
        keepalive_s,
        session_timeout_s,
        system_mac,
    } = domain;
    writeln!(f, "domain = {id}")?;
    if let Some(local) = local {
        writeln!(f, "local-address = \"{local}\"")?;
    }
    if let Some(peer) = peer {
        writeln!(f, "peer-address = \"{peer}\"")?;
    }
    if let Some(seconds) = keepalive_s {
        writeln!(f, "keepalive = {seconds}")?;
    }
    if let Some(seconds) = session_timeout_s {
        writeln!(f, "session-timeout = {seconds}")?;
    }
    if let Some(mac) = system_mac {
        writeln!(f, "system-mac = \"{mac}\"")?;
    }
    Ok(())
}
