//! The settings file as it stands, and the rules it must obey.

use super::duration::Text as DurationText;
use super::problem::{Problem, line_of};
use super::{
    DEFAULT_CONTROL_MODE, DEFAULT_CONTROL_SOCKET, DEFAULT_LOG_FILTER, DEFAULT_SYNCD_SOCKET, Domain,
    OnStop, Settings,
};
use iccp_core::Config;
use mclag_proto::iccp::PORT;
use mclag_proto::{AggregatorId, DomainId, IfName, Mac};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;
use std::ops::{Range, RangeInclusive};
use std::path::PathBuf;
use std::time::Duration;
use toml::Spanned;

/// Shorter keepalives are lost in the scheduling noise of a loaded chassis.
const KEEPALIVE: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(60);
/// One lost keepalive, or a late one, must not end a session.
const KEEPALIVES_PER_TIMEOUT: u32 = 3;
const MAX_SESSION_TIMEOUT: Duration = Duration::from_secs(3600);
const ACK_TIMEOUT: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(600);
const MAX_RESTART_HOLD: Duration = Duration::from_secs(3600);
/// Longest path that `sun_path` of a Unix socket holds, without the final NUL.
const MAX_SOCKET_PATH: usize = 107;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct File {
    #[serde(default)]
    on_stop: OnStopText,
    domain: DomainTable,
    #[serde(default)]
    syncd: SyncdTable,
    #[serde(default)]
    control: ControlTable,
    #[serde(default)]
    log: LogTable,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum OnStopText {
    #[default]
    Keep,
    Leave,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct DomainTable {
    id: Spanned<i64>,
    local: Spanned<String>,
    peer: Spanned<String>,
    tcp_port: Option<Spanned<i64>>,
    bind_device: Option<Spanned<String>>,
    bridge: Spanned<String>,
    peer_link: Option<Spanned<String>>,
    ports: Vec<Spanned<String>>,
    system_mac: Option<Spanned<String>>,
    node_mac: Option<Spanned<String>>,
    priority: Option<Spanned<i64>>,
    keepalive: Option<Spanned<DurationText>>,
    session_timeout: Option<Spanned<DurationText>>,
    ack_timeout: Option<Spanned<DurationText>>,
    restart_hold: Option<Spanned<DurationText>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct SyncdTable {
    socket: Option<Spanned<PathBuf>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct ControlTable {
    socket: Option<Spanned<PathBuf>>,
    mode: Option<Spanned<String>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct LogTable {
    filter: Option<Spanned<String>>,
}

/// Parse and check; every problem found, or the settings.
pub(super) fn parse(text: &str) -> Result<Settings, Vec<Problem>> {
    let file: File = toml::from_str(text).map_err(|error| {
        vec![Problem {
            span: error.span(),
            message: error.message().trim_end().to_owned(),
        }]
    })?;
    let mut check = Check {
        text,
        problems: Vec::new(),
    };
    match check.settings(&file) {
        Some(settings) if check.problems.is_empty() => Ok(settings),
        _ => Err(check.problems),
    }
}

/// Collects everything that is wrong. A value that could not be read is `None`, and whatever
/// depends on it is left out; the rest is checked all the same.
struct Check<'a> {
    text: &'a str,
    problems: Vec<Problem>,
}

impl Check<'_> {
    fn settings(&mut self, file: &File) -> Option<Settings> {
        let domain = self.domain(&file.domain);
        let syncd_socket = self.socket(file.syncd.socket.as_ref(), DEFAULT_SYNCD_SOCKET);
        let control_socket = self.socket(file.control.socket.as_ref(), DEFAULT_CONTROL_SOCKET);
        let control_mode = self.mode(file.control.mode.as_ref());
        let log_filter = self.filter(file.log.filter.as_ref());
        Some(Settings {
            domain: domain?,
            on_stop: match file.on_stop {
                OnStopText::Keep => OnStop::Keep,
                OnStopText::Leave => OnStop::Leave,
            },
            syncd_socket,
            control_socket,
            control_mode,
            log_filter,
        })
    }

    fn domain(&mut self, table: &DomainTable) -> Option<Domain> {
        let id = self.number(Some(&table.id), 1..=u16::MAX, 0);
        let (local, peer) = self.addresses(table);
        let tcp_port = self.number(table.tcp_port.as_ref(), 1..=u16::MAX, PORT);
        let bind_device = table.bind_device.as_ref().and_then(|n| self.name(n));
        let names = self.names(table);
        let system_mac = table.system_mac.as_ref().and_then(|m| self.mac(m));
        let node_mac = table.node_mac.as_ref().and_then(|m| self.mac(m));
        let priority = self.number(table.priority.as_ref(), 0..=u16::MAX, Config::PRIORITY);

        let keepalive = self.duration(table.keepalive.as_ref(), KEEPALIVE, Config::KEEPALIVE);
        let shortest = keepalive.saturating_mul(KEEPALIVES_PER_TIMEOUT);
        let session_timeout = match &table.session_timeout {
            // With long keepalives and no timeout, the default may be too short to make sense.
            None => Config::SESSION_TIMEOUT.max(shortest),
            Some(value) => self.session_timeout(value, keepalive, shortest),
        };
        let ack_timeout =
            self.duration(table.ack_timeout.as_ref(), ACK_TIMEOUT, Config::ACK_TIMEOUT);
        let restart_hold = self.duration(
            table.restart_hold.as_ref(),
            Duration::ZERO..=MAX_RESTART_HOLD,
            Config::RESTART_HOLD,
        );
        Some(Domain {
            id: DomainId::new(id)?,
            local: local?,
            peer: peer?,
            tcp_port,
            bind_device,
            bridge: names.bridge?,
            peer_link: names.peer_link,
            ports: names.ports,
            system_mac,
            node_mac,
            priority,
            keepalive,
            session_timeout,
            ack_timeout,
            restart_hold,
        })
    }

    fn addresses(&mut self, table: &DomainTable) -> (Option<IpAddr>, Option<IpAddr>) {
        let local = self.address(&table.local, table.bind_device.is_some());
        let peer = self.address(&table.peer, table.bind_device.is_some());
        if let (Some(local), Some(peer)) = (local, peer) {
            let line = self.line(&table.local.span());
            if local == peer {
                self.wrong(
                    table.peer.span(),
                    format!("peer {peer} is this chassis itself: it equals local in line {line}"),
                );
            } else if local.is_ipv4() != peer.is_ipv4() {
                self.wrong(
                    table.peer.span(),
                    format!(
                        "peer {peer} is of another address family than local {local} in line {line}"
                    ),
                );
            }
        }
        (local, peer)
    }

    fn address(&mut self, value: &Spanned<String>, on_device: bool) -> Option<IpAddr> {
        let text = value.get_ref();
        let Ok(address) = text.parse::<IpAddr>() else {
            self.wrong(
                value.span(),
                format!("{} is not an IP address", Shown(text)),
            );
            return None;
        };
        // An IPv4 address in IPv6 clothes compares unequal to the same address without.
        let address = address.to_canonical();
        let broadcast = matches!(address, IpAddr::V4(v4) if v4.is_broadcast());
        if address.is_unspecified() || address.is_multicast() || broadcast {
            self.wrong(
                value.span(),
                format!("{address} is not the address of one host"),
            );
        }
        let link_local = matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local());
        if link_local && !on_device {
            self.wrong(
                value.span(),
                format!("{address} is a link-local address: bind-device must say on which link"),
            );
        }
        Some(address)
    }

    /// Each name stands for one thing only.
    fn names(&mut self, table: &DomainTable) -> Names {
        let mut seen = BTreeMap::new();
        let bridge = self.unique(&table.bridge, "the bridge", &mut seen);
        let peer_link = table.peer_link.as_ref();
        let peer_link = peer_link.and_then(|n| self.unique(n, "the peer link", &mut seen));
        let mut ports = BTreeSet::new();
        let mut numbers: BTreeMap<AggregatorId, (IfName, Range<usize>)> = BTreeMap::new();
        for value in &table.ports {
            let Some(name) = self.unique(value, "an MLAG port", &mut seen) else {
                continue;
            };
            ports.insert(name);
            // Towards the peer a LAG is known by a number made of its name.
            let id = AggregatorId::of(&name);
            if let Some((other, first)) = numbers.get(&id) {
                let line = self.line(first);
                self.wrong(
                    value.span(),
                    format!(
                        "`{name}` and `{other}` in line {line} have the same number {id} towards \
                         the peer: the digits of their names must differ"
                    ),
                );
            } else {
                numbers.insert(id, (name, value.span()));
            }
        }
        Names {
            bridge,
            peer_link,
            ports,
        }
    }

    fn unique(
        &mut self,
        value: &Spanned<String>,
        role: &'static str,
        seen: &mut BTreeMap<IfName, (&'static str, Range<usize>)>,
    ) -> Option<IfName> {
        let name = self.name(value)?;
        if let Some((before, first)) = seen.get(&name) {
            let line = self.line(first);
            let message = if *before == role {
                format!("`{name}` is named twice, first in line {line}")
            } else {
                format!("`{name}` cannot be {role}: it is {before} in line {line}")
            };
            self.wrong(value.span(), message);
            return None;
        }
        seen.insert(name, (role, value.span()));
        Some(name)
    }

    /// A name that Linux can have.
    fn name(&mut self, value: &Spanned<String>) -> Option<IfName> {
        let text = value.get_ref();
        let max = IfName::KERNEL_MAX;
        let name = IfName::new(text).ok().filter(IfName::fits_kernel);
        if name.is_none() {
            let message = if text.len() > max {
                let len = text.len();
                let text = Shown(text);
                format!("{text} has {len} bytes; Linux allows {max} in the name of an interface")
            } else {
                let text = Shown(text);
                format!("{text} is not an interface name: printable, without blank, '/' or ':'")
            };
            self.wrong(value.span(), message);
        }
        name
    }

    fn mac(&mut self, value: &Spanned<String>) -> Option<Mac> {
        let text = value.get_ref();
        let mac = match text.parse::<Mac>() {
            Ok(mac) if mac.is_unicast() => return Some(mac),
            Ok(mac) => format!("{mac} is not the address of one host"),
            Err(error) => format!("{}: {error}", Shown(text)),
        };
        self.wrong(value.span(), mac);
        None
    }

    fn number(
        &mut self,
        value: Option<&Spanned<i64>>,
        range: RangeInclusive<u16>,
        default: u16,
    ) -> u16 {
        let Some(value) = value else { return default };
        let number = u16::try_from(*value.get_ref()).ok();
        number.filter(|n| range.contains(n)).unwrap_or_else(|| {
            let (number, start, end) = (value.get_ref(), range.start(), range.end());
            self.wrong(
                value.span(),
                format!("{number} is not between {start} and {end}"),
            );
            default
        })
    }

    fn duration(
        &mut self,
        value: Option<&Spanned<DurationText>>,
        range: RangeInclusive<Duration>,
        default: Duration,
    ) -> Duration {
        let Some(value) = value else { return default };
        let DurationText(duration) = *value.get_ref();
        if !range.contains(&duration) {
            self.wrong(
                value.span(),
                format!(
                    "{} is not between {} and {}",
                    DurationText(duration),
                    DurationText(*range.start()),
                    DurationText(*range.end()),
                ),
            );
        }
        duration
    }

    fn session_timeout(
        &mut self,
        value: &Spanned<DurationText>,
        keepalive: Duration,
        shortest: Duration,
    ) -> Duration {
        let DurationText(timeout) = *value.get_ref();
        if timeout < shortest {
            self.wrong(
                value.span(),
                format!(
                    "{} is shorter than {KEEPALIVES_PER_TIMEOUT} keepalives of {}",
                    DurationText(timeout),
                    DurationText(keepalive),
                ),
            );
            return timeout;
        }
        self.duration(Some(value), shortest..=MAX_SESSION_TIMEOUT, timeout)
    }

    fn socket(&mut self, value: Option<&Spanned<PathBuf>>, default: &str) -> PathBuf {
        let Some(value) = value else {
            return default.into();
        };
        let path = value.get_ref();
        let len = path.as_os_str().len();
        if !path.is_absolute() {
            self.wrong(
                value.span(),
                format!("{} is not an absolute path", path.display()),
            );
        } else if len > MAX_SOCKET_PATH {
            self.wrong(
                value.span(),
                format!("the path has {len} bytes; a Unix socket allows {MAX_SOCKET_PATH}"),
            );
        }
        path.clone()
    }

    fn mode(&mut self, value: Option<&Spanned<String>>) -> u32 {
        let Some(value) = value else {
            return DEFAULT_CONTROL_MODE;
        };
        let text = value.get_ref();
        let octal = !text.is_empty() && text.bytes().all(|b| matches!(b, b'0'..=b'7'));
        let mode = u32::from_str_radix(text, 8)
            .ok()
            .filter(|m| octal && *m <= 0o777);
        mode.unwrap_or_else(|| {
            self.wrong(
                value.span(),
                format!("{} is not an octal file mode such as \"0660\"", Shown(text)),
            );
            DEFAULT_CONTROL_MODE
        })
    }

    fn filter(&mut self, value: Option<&Spanned<String>>) -> String {
        let Some(value) = value else {
            return DEFAULT_LOG_FILTER.into();
        };
        let text = value.get_ref();
        if let Err(error) = crate::log::parse_filter(text) {
            let text = Shown(text);
            self.wrong(value.span(), format!("{text} is not a log filter: {error}"));
        }
        text.clone()
    }

    fn line(&self, span: &Range<usize>) -> usize {
        line_of(self.text, span.start).0
    }

    fn wrong(&mut self, span: Range<usize>, message: String) {
        self.problems.push(Problem {
            span: Some(span),
            message,
        });
    }
}

/// The interfaces of a pair.
struct Names {
    bridge: Option<IfName>,
    peer_link: Option<IfName>,
    ports: BTreeSet<IfName>,
}

/// A text in quotes, of which nobody wants to read more than a line.
struct Shown<'a>(&'a str);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown: String = self.0.chars().take(40).collect();
        write!(f, "{shown:?}")
    }
}
