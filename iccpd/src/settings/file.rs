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
    id: DomainId,
    local: Spanned<IpAddr>,
    peer: Spanned<IpAddr>,
    tcp_port: Option<Spanned<u16>>,
    bind_device: Option<Spanned<IfName>>,
    bridge: Spanned<IfName>,
    peer_link: Option<Spanned<IfName>>,
    ports: Vec<Spanned<IfName>>,
    system_mac: Option<Spanned<Mac>>,
    node_mac: Option<Spanned<Mac>>,
    priority: Option<u16>,
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
    let settings = check.settings(&file);
    if check.problems.is_empty() {
        Ok(settings)
    } else {
        Err(check.problems)
    }
}

/// Collects what is wrong; a value that is wrong goes on with whatever was written, so that
/// the rest is checked as well.
struct Check<'a> {
    text: &'a str,
    problems: Vec<Problem>,
}

impl Check<'_> {
    fn settings(&mut self, file: &File) -> Settings {
        Settings {
            domain: self.domain(&file.domain),
            on_stop: match file.on_stop {
                OnStopText::Keep => OnStop::Keep,
                OnStopText::Leave => OnStop::Leave,
            },
            syncd_socket: self.socket(file.syncd.socket.as_ref(), DEFAULT_SYNCD_SOCKET),
            control_socket: self.socket(file.control.socket.as_ref(), DEFAULT_CONTROL_SOCKET),
            control_mode: self.mode(file.control.mode.as_ref()),
            log_filter: self.filter(file.log.filter.as_ref()),
        }
    }

    fn domain(&mut self, table: &DomainTable) -> Domain {
        self.addresses(table);
        self.names(table);
        for mac in [&table.system_mac, &table.node_mac].into_iter().flatten() {
            let address = mac.get_ref();
            if !address.is_unicast() {
                self.wrong(
                    mac.span(),
                    format!("{address} is not the address of one host"),
                );
            }
        }
        if let Some(port) = table.tcp_port.as_ref().filter(|p| *p.get_ref() == 0) {
            self.wrong(port.span(), "TCP port 0 cannot be connected to".into());
        }

        let keepalive = self.duration(table.keepalive.as_ref(), KEEPALIVE, Config::KEEPALIVE);
        let shortest = keepalive.saturating_mul(KEEPALIVES_PER_TIMEOUT);
        let session_timeout = match &table.session_timeout {
            // With long keepalives and no timeout, the default may be too short to make sense.
            None => Config::SESSION_TIMEOUT.max(shortest),
            Some(value) => self.session_timeout(value, keepalive, shortest),
        };
        Domain {
            id: table.id,
            local: table.local.get_ref().to_canonical(),
            peer: table.peer.get_ref().to_canonical(),
            tcp_port: table.tcp_port.as_ref().map_or(PORT, |p| *p.get_ref()),
            bind_device: table.bind_device.as_ref().map(|n| *n.get_ref()),
            bridge: *table.bridge.get_ref(),
            peer_link: table.peer_link.as_ref().map(|n| *n.get_ref()),
            ports: table
                .ports
                .iter()
                .map(|n| *n.get_ref())
                .collect::<BTreeSet<_>>(),
            system_mac: table.system_mac.as_ref().map(|m| *m.get_ref()),
            node_mac: table.node_mac.as_ref().map(|m| *m.get_ref()),
            priority: table.priority.unwrap_or(Config::PRIORITY),
            keepalive,
            session_timeout,
            ack_timeout: self.duration(
                table.ack_timeout.as_ref(),
                ACK_TIMEOUT,
                Config::ACK_TIMEOUT,
            ),
            restart_hold: self.duration(
                table.restart_hold.as_ref(),
                Duration::ZERO..=MAX_RESTART_HOLD,
                Config::RESTART_HOLD,
            ),
        }
    }

    fn addresses(&mut self, table: &DomainTable) {
        let [local, peer] = [&table.local, &table.peer].map(|a| a.get_ref().to_canonical());
        for (address, value) in [(&table.local, local), (&table.peer, peer)] {
            let broadcast = matches!(value, IpAddr::V4(v4) if v4.is_broadcast());
            if value.is_unspecified() || value.is_multicast() || broadcast {
                self.wrong(
                    address.span(),
                    format!("{value} is not the address of one host"),
                );
            } else if let IpAddr::V6(v6) = value
                && v6.is_unicast_link_local()
                && table.bind_device.is_none()
            {
                self.wrong(
                    address.span(),
                    format!("{value} is a link-local address: bind-device must say on which link"),
                );
            }
        }
        if local == peer {
            let line = self.line(&table.local);
            self.wrong(
                table.peer.span(),
                format!("peer {peer} is this chassis itself: it equals local in line {line}"),
            );
        } else if local.is_ipv4() != peer.is_ipv4() {
            let line = self.line(&table.local);
            self.wrong(
                table.peer.span(),
                format!(
                    "peer {peer} is of another address family than local {local} in line {line}"
                ),
            );
        }
    }

    /// Each name is one that Linux can have, and stands for one thing only.
    fn names(&mut self, table: &DomainTable) {
        if let Some(device) = &table.bind_device {
            self.fits_kernel(device);
        }
        let mut seen: BTreeMap<IfName, (&'static str, Range<usize>)> = BTreeMap::new();
        let single = [
            ("bridge", Some(&table.bridge)),
            ("peer-link", table.peer_link.as_ref()),
        ];
        let named = single
            .into_iter()
            .filter_map(|(key, n)| n.map(|n| (key, n)));
        let ports = table.ports.iter().map(|name| ("an MLAG port", name));
        let mut numbers: BTreeMap<AggregatorId, (IfName, Range<usize>)> = BTreeMap::new();
        for (role, name) in named.chain(ports) {
            self.fits_kernel(name);
            let span = name.span();
            let name = *name.get_ref();
            if let Some((before, first)) = seen.get(&name) {
                let line = line_of(self.text, first.start).0;
                let message = if *before == role {
                    format!("`{name}` is named twice, first in line {line}")
                } else {
                    format!("`{name}` cannot be {role}: it is {before} in line {line}")
                };
                self.wrong(span, message);
                continue;
            }
            seen.insert(name, (role, span.clone()));
            if role != "an MLAG port" {
                continue;
            }
            // Towards the peer a LAG is known by a number made of its name.
            let id = AggregatorId::of(&name);
            if let Some((other, first)) = numbers.get(&id) {
                let line = line_of(self.text, first.start).0;
                self.wrong(
                    span,
                    format!(
                        "`{name}` and `{other}` in line {line} have the same number {id} towards \
                         the peer: the digits of their names must differ"
                    ),
                );
            } else {
                numbers.insert(id, (name, span));
            }
        }
    }

    fn fits_kernel(&mut self, name: &Spanned<IfName>) {
        let text = name.get_ref();
        if !text.fits_kernel() {
            self.wrong(
                name.span(),
                format!(
                    "`{text}` has {} bytes; Linux allows {} in the name of an interface",
                    text.as_str().len(),
                    IfName::KERNEL_MAX,
                ),
            );
        }
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
                    "{} is not within {} and {}",
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
                format!("{text:?} is not an octal file mode such as \"0660\""),
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
            self.wrong(
                value.span(),
                format!("{text:?} is not a log filter: {error}"),
            );
        }
        text.clone()
    }

    fn line<T>(&self, value: &Spanned<T>) -> usize {
        line_of(self.text, value.span().start).0
    }

    fn wrong(&mut self, span: Range<usize>, message: String) {
        self.problems.push(Problem {
            span: Some(span),
            message,
        });
    }
}
