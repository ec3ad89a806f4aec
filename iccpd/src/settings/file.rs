//! The rules that a settings file must obey.

mod mclagdctl;
mod names;
mod paths;
mod tables;

use super::duration::Text as DurationText;
use super::legacy::{MAX_SONIC_ID, Warning, Weight};
use super::{
    Chassis, DEFAULT_CONTROL_MODE, DEFAULT_CONTROL_SOCKET, DEFAULT_LOG_FILTER,
    DEFAULT_SYNCD_SOCKET, Domain, IccpDialect, KEEPALIVE, KEEPALIVES_PER_TIMEOUT, Keys,
    MAX_SESSION_TIMEOUT, OnStop, SYNCD_USER, Settings, Syncd, server,
};
use crate::record::Place;
use iccp_core::{Config, OnLoss};
use mclag_daemon::settings::{Problem, Shown, interface, line_of, unicast_address, unicast_mac};
use mclag_daemon::socket::Purpose;
use mclag_netlink::tcp::ao::AoKeys;
use mclag_proto::iccp::PORT;
use mclag_proto::{DomainId, IfName, LagKind};
use names::Names;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::ops::{Range, RangeInclusive};
use std::path::PathBuf;
use std::time::Duration;
use tables::{DomainTable, File, RecordTable, SyncdTable};
use toml::Spanned;

/// Bytes that a recording may have.
const RECORD_SIZE: RangeInclusive<u64> = (64 << 10)..=(4 << 30);

/// Parse and check; every problem found, or the settings and what is odd about them.
pub(super) fn parse(text: &str) -> Result<(Settings, Vec<Warning>), Vec<Problem>> {
    let file: File = toml::from_str(text).map_err(|error| {
        vec![Problem {
            span: error.span(),
            message: error.message().trim_end().to_owned(),
        }]
    })?;
    let mut check = Check {
        text,
        problems: Vec::new(),
        warnings: Vec::new(),
    };
    let settings = check.settings(&file);
    if check.problems.is_empty() {
        Ok((settings, check.warnings))
    } else {
        Err(check.problems)
    }
}

/// Whether anything in the table describes the pair.
fn describes_pair(table: &DomainTable) -> bool {
    [
        table.id.is_some(),
        table.local.is_some(),
        table.peer.is_some(),
        table.peer_link.is_some(),
        table.ports.is_some(),
        !table.port.is_empty(),
        table.unique_ip.is_some(),
        table.system_mac.is_some(),
        table.keepalive.is_some(),
        table.session_timeout.is_some(),
    ]
    .contains(&true)
}

/// Collects everything that is wrong. A value that could not be read is `None`, and whatever
/// depends on it is left out; the rest is checked all the same.
struct Check<'a> {
    text: &'a str,
    problems: Vec<Problem>,
    warnings: Vec<Warning>,
}

impl Check<'_> {
    fn settings(&mut self, file: &File) -> Settings {
        let syncd = self.syncd(&file.syncd, file.domain.as_ref().map(Spanned::get_ref));
        let (domain, chassis) = self.pair(file.domain.as_ref(), &syncd);
        let control_socket = self.socket(
            file.control.socket.as_ref(),
            DEFAULT_CONTROL_SOCKET,
            Purpose::Listen,
        );
        let control_mode = self.mode(file.control.mode.as_ref());
        let mclagdctl = self.mclagdctl(&file.control.mclagdctl, &control_socket);
        let log_filter = self.filter(file.log.filter.as_ref());
        let record = file.record.as_ref().map(|record| self.record(record));
        Settings {
            domain,
            chassis,
            on_stop: file.on_stop,
            syncd,
            control_socket,
            control_mode,
            mclagdctl,
            log_filter,
            record,
        }
    }

    /// The pair, which must be described unless the dataplane does it.
    fn pair(
        &mut self,
        table: Option<&Spanned<DomainTable>>,
        syncd: &Syncd,
    ) -> (Option<Domain>, Chassis) {
        let absent = DomainTable::default();
        let span = table.map_or(0..0, Spanned::span);
        let keys = table.map_or(&absent, Spanned::get_ref);
        let names = self.names(keys);
        let chassis = self.chassis(keys, &names, syncd.default_on_loss());
        if let Some(id) = keys
            .id
            .as_ref()
            .filter(|id| syncd.names_pair && *id.get_ref() > i64::from(MAX_SONIC_ID))
        {
            let message = format!("`id`: SONiC has no numbers above {MAX_SONIC_ID}");
            let line = self.line(&id.span());
            self.warnings.push(Warning {
                line,
                weight: Weight::Note,
                message,
                instead: Vec::new(),
            });
        }
        let domain = if table.is_none() && !syncd.names_pair {
            self.wrong(span, "missing field `domain`".into());
            None
        } else if describes_pair(keys) || !syncd.names_pair {
            self.domain(keys, names, &span)
        } else {
            None
        };
        (domain, chassis)
    }

    fn domain(
        &mut self,
        table: &DomainTable,
        names: Names,
        whole: &Range<usize>,
    ) -> Option<Domain> {
        // One at a time, as for every other field that must be there.
        let missing = [
            ("id", table.id.is_none()),
            ("local", table.local.is_none()),
            ("peer", table.peer.is_none()),
            ("ports", table.ports.is_none() && table.port.is_empty()),
        ];
        if let Some((key, _)) = missing.iter().find(|(_, is_missing)| *is_missing) {
            self.wrong(whole.clone(), format!("missing field `{key}`"));
        }
        let id = self.number(table.id.as_ref(), 1..=u16::MAX, 0);
        let (local, peer) = self.addresses(table);
        let system_mac = table
            .system_mac
            .as_ref()
            .and_then(|m| self.value(m, unicast_mac));
        let keepalive = self.duration(table.keepalive.as_ref(), KEEPALIVE, Config::KEEPALIVE);
        let shortest = keepalive.saturating_mul(KEEPALIVES_PER_TIMEOUT);
        let session_timeout = match &table.session_timeout {
            // With long keepalives and no timeout, the default may be too short to make sense.
            None => Config::SESSION_TIMEOUT.max(shortest),
            Some(value) => self.session_timeout(value, keepalive, shortest),
        };
        Some(Domain {
            id: DomainId::new(id)?,
            local: local?,
            peer: peer?,
            peer_link: names.peer_link,
            ports: names.ports,
            port_ids: names.port_ids,
            port_kinds: names.port_kinds,
            unique_ip: names.unique_ip,
            system_mac,
            keepalive,
            session_timeout,
        })
    }

    fn chassis(&mut self, table: &DomainTable, names: &Names, on_loss: OnLoss) -> Chassis {
        Chassis {
            dialect: table.dialect.unwrap_or_default(),
            tcp_port: self.number(table.tcp_port.as_ref(), 1..=u16::MAX, PORT),
            bind_device: table
                .bind_device
                .as_ref()
                .and_then(|n| self.value(n, interface)),
            ttl_security: table.ttl_security.unwrap_or(false),
            keys: self.keys(table),
            paths: self.paths(table),
            bridge: names.bridge,
            node_mac: table
                .node_mac
                .as_ref()
                .and_then(|m| self.value(m, unicast_mac)),
            priority: self.number(table.priority.as_ref(), 0..=u16::MAX, Config::PRIORITY),
            ack_timeout: self.duration(
                table.ack_timeout.as_ref(),
                Config::ACK_TIMEOUTS,
                Config::ACK_TIMEOUT,
            ),
            restart_hold: self.duration(
                table.restart_hold.as_ref(),
                Config::RESTART_HOLDS,
                Config::RESTART_HOLD,
            ),
            neighbours: table.neighbours.unwrap_or(true),
            on_loss: match table.strict_sonic {
                None => on_loss,
                Some(true) => OnLoss::Release,
                Some(false) => OnLoss::Hold,
            },
            bypass: self.bypass(table, names),
            bypass_after: self.duration(
                table.lacp_bypass_after.as_ref(),
                Config::BYPASS_AFTERS,
                Config::BYPASS_AFTER,
            ),
        }
    }

    /// Each is one of the MLAG ports, where those are named here.
    fn bypass(&mut self, table: &DomainTable, names: &Names) -> BTreeSet<IfName> {
        let is_named = table.ports.is_some() || !table.port.is_empty();
        let mut bypass = BTreeSet::new();
        for value in table.lacp_bypass.iter().flat_map(Spanned::get_ref) {
            let Some(name) = self.value(value, interface) else {
                continue;
            };
            if is_named && !names.ports.contains(&name) {
                self.wrong(value.span(), format!("`{name}` is no MLAG port"));
            } else if names.port_kinds.get(&name) == Some(&LagKind::Static) {
                self.wrong(
                    value.span(),
                    format!("`{name}` is static: nothing is to be bypassed"),
                );
            } else if !bypass.insert(name) {
                self.wrong(value.span(), format!("`{name}` is named twice"));
            }
        }
        bypass
    }

    fn keys(&mut self, table: &DomainTable) -> Keys {
        let md5 = table.key_file.as_ref();
        let md5 = md5.and_then(|path| self.key_file(path));
        let Some(list) = &table.tcp_ao else {
            return md5.map_or(Keys::None, Keys::Md5);
        };
        if table.key_file.is_some() {
            let message = "`tcp-ao` beside `key-file`: a session is signed in one way".to_owned();
            self.wrong(list.span(), message);
        }
        let count = list.get_ref().len();
        if !(1..=AoKeys::MAX).contains(&count) {
            let message = format!("{count} keys are not between 1 and {}", AoKeys::MAX);
            self.wrong(list.span(), message);
        }
        let mut keys: Vec<(u8, PathBuf)> = Vec::new();
        for key in list.get_ref() {
            let file = self.key_file(&key.key_file);
            // What is none is said, and is none here either.
            let Ok(id) = u8::try_from(self.number(Some(&key.id), 0..=255, u16::MAX)) else {
                continue;
            };
            match keys.iter().any(|(other, _)| *other == id) {
                true => self.wrong(key.id.span(), format!("two keys have the id {id}")),
                false => keys.extend(file.map(|file| (id, file))),
            }
        }
        Keys::Ao(keys)
    }

    fn key_file(&mut self, path: &Spanned<PathBuf>) -> Option<PathBuf> {
        let named = path.get_ref();
        let is_one = named.file_name().is_some();
        let is_credential = named.components().count() == 1;
        if is_one && (named.is_absolute() || is_credential) {
            return Some(named.clone());
        }
        let message = format!("{named:?} is neither an absolute path nor the name of a credential");
        self.wrong(path.span(), message);
        None
    }

    fn syncd(&mut self, table: &SyncdTable, domain: Option<&DomainTable>) -> Syncd {
        let protocol = table
            .protocol
            .as_ref()
            .map(|value| value.get_ref().as_str());
        let protocol = protocol.filter(|protocol| *protocol != "2");
        let old = server::Old {
            protocol,
            address: table.address.as_ref().map(|value| value.get_ref().as_str()),
            assistant: table
                .assistant
                .as_ref()
                .map(|path| path.get_ref().as_path()),
            describes_pair: domain.is_some_and(describes_pair),
            has_strict_sonic: domain.is_some_and(|domain| domain.strict_sonic.is_some()),
        };
        let unknown = protocol.filter(|protocol| !server::PROTOCOLS.contains(protocol));
        let span = |value: &Option<Spanned<String>>| value.as_ref().map(Spanned::span);
        let keys = [
            (
                "protocol",
                span(&table.protocol).filter(|_| protocol.is_some()),
            ),
            ("address", span(&table.address)),
            ("assistant", table.assistant.as_ref().map(Spanned::span)),
        ];
        let first = keys.into_iter().find_map(|(key, span)| Some((key, span?)));
        match (first, unknown) {
            (Some((_, span)), Some(unknown)) => {
                let message = format!("{}: iccpd speaks protocol \"2\" alone", Shown(unknown));
                self.wrong(span, message);
            }
            (Some((key, span)), None) => self.wrong(span, old.message(key)),
            (None, _) => {}
        }
        Syncd {
            socket: self.socket(
                table.socket.as_ref(),
                DEFAULT_SYNCD_SOCKET,
                Purpose::Connect,
            ),
            names_pair: table.names_pair || old.brings_pair(),
            user: table.user.as_ref().and_then(|user| self.user(user)),
        }
    }

    /// A user by name or number.
    fn user(&mut self, value: &Spanned<String>) -> Option<u32> {
        let text = value.get_ref();
        if text == SYNCD_USER {
            return None; // the default, and it need not exist
        }
        let user = match text.parse() {
            Ok(number) => Some(number),
            Err(_) => crate::syncd::user_id(text),
        };
        if user.is_none() {
            self.wrong(value.span(), format!("there is no user {}", Shown(text)));
        }
        user
    }

    fn addresses(&mut self, table: &DomainTable) -> (Option<IpAddr>, Option<IpAddr>) {
        let (Some(local_value), Some(peer_value)) = (&table.local, &table.peer) else {
            return (None, None);
        };
        let local = self.address(local_value, table.bind_device.is_some());
        let peer = self.address(peer_value, table.bind_device.is_some());
        if let (Some(local), Some(peer)) = (local, peer) {
            self.two_ends((local, local_value, "local"), (peer, peer_value, "peer"));
        }
        (local, peer)
    }

    /// The own address and that of the peer, each with where it stands and its key: two, and of one family.
    fn two_ends(
        &mut self,
        (local, local_value, local_key): (IpAddr, &Spanned<String>, &str),
        (peer, peer_value, peer_key): (IpAddr, &Spanned<String>, &str),
    ) {
        let line = self.line(&local_value.span());
        let message = if local == peer {
            format!(
                "{peer_key} {peer} is this chassis itself: it equals {local_key} in line {line}"
            )
        } else if local.is_ipv4() != peer.is_ipv4() {
            format!(
                "{peer_key} {peer} is of another address family than {local_key} {local} in line {line}"
            )
        } else {
            return;
        };
        self.wrong(peer_value.span(), message);
    }

    fn address(&mut self, value: &Spanned<String>, on_device: bool) -> Option<IpAddr> {
        let address = self.value(value, unicast_address)?;
        let link_local = matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local());
        if link_local && !on_device {
            self.wrong(
                value.span(),
                format!("{address} is a link-local address: bind-device must say on which link"),
            );
        }
        Some(address)
    }

    /// A value that is written as text.
    fn value<T>(
        &mut self,
        value: &Spanned<String>,
        read: fn(&str) -> Result<T, String>,
    ) -> Option<T> {
        let read = read(value.get_ref());
        read.map_err(|why| self.wrong(value.span(), why)).ok()
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

    fn socket(
        &mut self,
        value: Option<&Spanned<PathBuf>>,
        default: &str,
        purpose: Purpose,
    ) -> PathBuf {
        let Some(value) = value else {
            return default.into();
        };
        if let Err(error) = purpose.check(value.get_ref()) {
            self.wrong(value.span(), error.to_string());
        }
        value.get_ref().clone()
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

    fn record(&mut self, table: &RecordTable) -> Place {
        let file = table.file.get_ref();
        if !file.is_absolute() {
            let message = format!("{} is not an absolute path", file.display());
            self.wrong(table.file.span(), message);
        }
        let max_size = table.max_size.as_ref().map_or(Place::MAX_SIZE, |value| {
            let bytes = u64::try_from(*value.get_ref()).unwrap_or(0);
            if !RECORD_SIZE.contains(&bytes) {
                let (least, most) = RECORD_SIZE.into_inner();
                let message = format!("{} is not within {least} and {most} bytes", value.get_ref());
                self.wrong(value.span(), message);
            }
            bytes
        });
        Place {
            file: file.clone(),
            max_size,
        }
    }

    fn filter(&mut self, value: Option<&Spanned<String>>) -> String {
        let Some(value) = value else {
            return DEFAULT_LOG_FILTER.into();
        };
        let text = value.get_ref();
        if let Err(error) = mclag_daemon::log::parse_filter(text) {
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
