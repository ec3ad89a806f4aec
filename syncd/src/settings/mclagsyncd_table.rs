//! The table `[mclagsyncd]`: a foreign server that keeps the forwarding table.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;

use mclag_proto::sync::v1::Dialect;
use serde::Deserialize;
use toml::Spanned;

use crate::backend::mclagsyncd::Place;

/// The table as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct MclagsyncdTable {
    protocol: Protocol,
    address: Option<Spanned<String>>,
}

/// A foreign `mclagsyncd`, and where it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Mclagsyncd {
    /// What is spoken.
    pub protocol: Protocol,
    /// Where it listens, if not where it always does.
    pub address: Option<SocketAddr>,
}

/// Whose server it is.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub enum Protocol {
    /// SONiC's.
    Sonic,
    /// That of linux-mclag.
    LinuxMclag,
    /// Whoever answers (`spec/mclagsyncd-protocol.md` 9.2).
    Auto,
}

impl Protocol {
    const fn dialect(self) -> Option<Dialect> {
        match self {
            Self::Sonic => Some(Dialect::Sonic),
            Self::LinuxMclag => Some(Dialect::LinuxMclag),
            Self::Auto => None,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Sonic => "sonic",
            Self::LinuxMclag => "linux-mclag",
            Self::Auto => "auto",
        }
    }
}

impl Mclagsyncd {
    /// Where to look for it, in turn, and what is spoken there, if that is known before it is heard.
    #[must_use]
    pub fn places(&self) -> Vec<Place> {
        let usual = |dialect: Dialect| Place {
            address: dialect.server_address().into(),
            dialect: Some(dialect),
        };
        match (self.protocol.dialect(), self.address) {
            (dialect, Some(address)) => vec![Place { address, dialect }],
            (Some(dialect), None) => vec![usual(dialect)],
            (None, None) => [Dialect::Sonic, Dialect::LinuxMclag].map(usual).into(),
        }
    }

    /// Whether it may be SONiC's own, on this host.
    #[must_use]
    pub fn may_be_sonic_here(&self) -> bool {
        self.places().iter().any(|place| {
            let may_be = place
                .dialect
                .is_none_or(|dialect| dialect == Dialect::Sonic);
            may_be && place.address.ip().to_canonical().is_loopback()
        })
    }
}

/// Check the table; `wrong` is told what cannot be, and where.
pub(super) fn check(
    table: &MclagsyncdTable,
    wrong: &mut impl FnMut(Range<usize>, String),
) -> Mclagsyncd {
    let address = table.address.as_ref().and_then(|value| {
        let address = address(value.get_ref());
        address.map_err(|message| wrong(value.span(), message)).ok()
    });
    Mclagsyncd {
        protocol: table.protocol,
        address,
    }
}

/// An address with or without a port.
fn address(text: &str) -> Result<SocketAddr, String> {
    let port = Dialect::Sonic.server_address().port();
    let with_port = text.parse::<SocketAddr>();
    let address = with_port.or_else(|_| text.parse().map(|ip: IpAddr| (ip, port).into()));
    let address = address.map_err(|_| {
        format!("{text:?} is not an IP address, with or without a port: \"127.0.0.6:{port}\"")
    })?;
    let ip = address.ip().to_canonical();
    let is_broadcast = matches!(ip, IpAddr::V4(v4) if v4.is_broadcast());
    if ip.is_unspecified() || ip.is_multicast() || is_broadcast || address.port() == 0 {
        return Err(format!("{address} is not where one server listens"));
    }
    Ok(address)
}

/// The table as it would be written.
impl fmt::Display for Mclagsyncd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n[mclagsyncd]\nprotocol = {:?}", self.protocol.name())?;
        match self.address {
            Some(address) => writeln!(f, "address = \"{address}\""),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::settings::{Settings, SettingsError};

    fn parse(text: &str) -> Result<Settings, String> {
        Settings::parse(Path::new("syncd.toml"), text).map_err(|error| match error {
            SettingsError::Wrong { report } => report,
            other => other.to_string(),
        })
    }

    #[test]
    fn each_protocol_has_its_usual_place() {
        for (table, places) in [
            ("protocol = \"sonic\"", "127.0.0.6:2626 sonic"),
            ("protocol = \"linux-mclag\"", "127.0.0.1:2626 linux-mclag"),
            (
                "protocol = \"auto\"",
                "127.0.0.6:2626 sonic, 127.0.0.1:2626 linux-mclag",
            ),
            (
                "protocol = \"auto\"\naddress = \"127.0.0.1\"",
                "127.0.0.1:2626 any",
            ),
            (
                "protocol = \"sonic\"\naddress = \"[::1]:99\"",
                "[::1]:99 sonic",
            ),
        ] {
            let settings = parse(&format!("[mclagsyncd]\n{table}")).unwrap();
            let found = settings.mclagsyncd.unwrap().places().into_iter();
            let found = found.map(|place| {
                let dialect = place.dialect.map(|dialect| dialect.to_string());
                format!("{} {}", place.address, dialect.as_deref().unwrap_or("any"))
            });
            assert_eq!(found.collect::<Vec<_>>().join(", "), places);
            assert_eq!(parse(&settings.to_string()), Ok(settings));
        }
        assert_eq!(parse("").unwrap().mclagsyncd, None);
    }

    #[test]
    fn what_cannot_be_is_told_with_its_place() {
        for (text, report) in [
            (
                "[mclagsyncd]\naddress = \"::1\"",
                "syncd.toml:1:1: missing field `protocol`",
            ),
            (
                "[mclagsyncd]\nprotocol = \"1\"",
                "syncd.toml:2:12: unknown variant `1`, expected one of `sonic`, `linux-mclag`, `auto`",
            ),
            (
                "[mclagsyncd]\nprotocol = \"auto\"\naddress = \"localhost\"",
                "syncd.toml:3:11: \"localhost\" is not an IP address, with or without a port: \
                 \"127.0.0.6:2626\"",
            ),
            (
                "[mclagsyncd]\nprotocol = \"auto\"\naddress = \"0.0.0.0\"",
                "syncd.toml:3:11: 0.0.0.0:2626 is not where one server listens",
            ),
            (
                "[mclagsyncd]\nprotocol = \"auto\"\naddress = \"127.0.0.1:0\"",
                "syncd.toml:3:11: 127.0.0.1:0 is not where one server listens",
            ),
            (
                "[legacy]\nbridge = \"br0\"\nlisten = [\"sonic\"]\n[mclagsyncd]\nprotocol = \"sonic\"",
                "syncd.toml:4:1: a legacy client connects to that server itself: `listen` of \
                 [legacy] cannot be used beside it",
            ),
        ] {
            let found = parse(text).unwrap_err();
            assert!(found.starts_with(report), "{found}");
        }
    }
}
