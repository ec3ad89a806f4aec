//! From lines to what they say: each as the earlier daemon reads it, and only if it gets nothing
//! out of it, as it was meant.

use super::lines::{Key, Line, MAX_LINE, Original};
use super::lines::{behind_mark, lines, meant, names, original, plain};
use super::pair::Draft;
use super::{MAX_WARNINGS, Warning, Weight};
use crate::settings::{Chassis, DurationText, Syncd, server};
use mclag_daemon::settings::{Shown, interface, unicast_address, unicast_mac};
use mclag_daemon::socket::Purpose;
use mclag_proto::iccp::Dialect;
use mclag_proto::{IfName, Mac};
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::Duration;

/// A file while it is read.
pub(super) struct Reading<'a> {
    text: &'a [u8],
    generation: Option<Dialect>,
    pub(super) drafts: Vec<Draft>,
    /// Where a number's draft is.
    by_id: BTreeMap<u16, usize>,
    current: Option<usize>,
    /// Each applies to that many drafts, the ones that there were at its line.
    pub(super) system_macs: Vec<(usize, Mac, usize)>,
    warnings: Vec<Warning>,
    /// How many there may be by now: what is wrong with the pair must not be crowded out by odd
    /// lines.
    max_warnings: usize,
    dropped_warnings: usize,
    /// One of them was of something that the earlier daemon reads otherwise.
    dropped_misread: bool,
    pub(super) origins: BTreeMap<&'static str, String>,
    /// A line names the server of the dataplane.
    pub(super) names_server: bool,
}

impl<'a> Reading<'a> {
    pub(super) fn new(text: &'a [u8]) -> Self {
        Self {
            text,
            generation: generation(text),
            drafts: Vec::new(),
            by_id: BTreeMap::new(),
            current: None,
            system_macs: Vec::new(),
            warnings: Vec::new(),
            max_warnings: MAX_WARNINGS / 2,
            dropped_warnings: 0,
            dropped_misread: false,
            origins: BTreeMap::new(),
            names_server: false,
        }
    }

    pub(super) const fn generation(&self) -> Option<Dialect> {
        self.generation
    }

    /// Whose rules apply.
    pub(super) fn rules(&self) -> Dialect {
        self.generation.unwrap_or_default()
    }

    fn reader(&self) -> &'static str {
        match self.rules() {
            Dialect::Sonic => "SONiC's iccpd",
            Dialect::LinuxMclag => "linux-mclag's iccpd",
        }
    }

    /// The earlier daemon does not do what the line says.
    pub(super) fn warn(&mut self, line: usize, message: String) {
        self.keep(Warning {
            line,
            weight: Weight::Misread,
            message,
            instead: Vec::new(),
        });
    }

    /// Odd, but it does what the line says.
    pub(super) fn note(&mut self, line: usize, message: String) {
        self.keep(Warning {
            line,
            weight: Weight::Note,
            message,
            instead: Vec::new(),
        });
    }

    /// As [`Self::warn`], with what would say it.
    fn suggest(&mut self, line: usize, message: String, instead: Vec<String>) {
        self.keep(Warning {
            line,
            weight: Weight::Misread,
            message,
            instead,
        });
    }

    fn keep(&mut self, warning: Warning) {
        if self.warnings.len() < self.max_warnings {
            self.warnings.push(warning);
        } else {
            self.dropped_warnings += 1;
            self.dropped_misread |= warning.weight == Weight::Misread;
        }
    }

    /// The warnings, and where values come from.
    pub(super) fn finish(mut self) -> (Vec<Warning>, BTreeMap<&'static str, String>) {
        self.warnings.sort_by_key(|w| w.line);
        if self.dropped_warnings > 0 {
            self.warnings.push(Warning {
                line: 0,
                weight: match self.dropped_misread {
                    true => Weight::Misread,
                    false => Weight::Note,
                },
                message: format!("{} more warnings are not shown", self.dropped_warnings),
                instead: Vec::new(),
            });
        }
        (self.warnings, self.origins)
    }

    /// Read all lines.
    pub(super) fn read(&mut self, syncd: &mut Syncd, chassis: &mut Chassis) {
        for line in lines(self.text) {
            if line.is_cut_by_nul {
                self.warn(line.number, "what follows a NUL is not read".into());
            }
            if line.is_rest {
                self.warn(
                    line.number,
                    format!(
                        "the line is longer than {MAX_LINE} bytes: the rest is read as a line of \
                         its own, beginning with {}",
                        Shown(&text(line.bytes))
                    ),
                );
            }
            self.line(line, syncd, chassis);
        }
        self.max_warnings = MAX_WARNINGS;
    }

    fn line(&mut self, line: Line<'_>, syncd: &mut Syncd, chassis: &mut Chassis) {
        let at = line.number;
        // Comments, by accident: nobody knows a key that begins like that.
        if line.bytes.is_empty() || line.bytes.starts_with(b"#") {
            return;
        }
        if let Some(bytes) = behind_mark(line.bytes).filter(|_| at == 1) {
            let message = format!(
                "the file begins with a byte order mark, which hides its first line from {}; \
                 save it without one",
                self.reader()
            );
            self.warn(at, message);
            return self.line(Line { bytes, ..line }, syncd, chassis);
        }
        let read = original(line.bytes, self.rules());
        let meant = meant(line.bytes);
        let Some(read) = read else {
            return match meant {
                Some((key, value)) => self.extra(at, key, &text(value), syncd, chassis),
                // Told with the line that it is a part of.
                None if line.is_rest => {}
                None => {
                    let shown = text(line.bytes);
                    self.warn(
                        at,
                        format!("unknown line {} is ignored", Shown(shown.trim())),
                    );
                }
            };
        };
        self.known(at, read, meant);
        if let Some(whole) = line.whole {
            self.cut(at, read, whole);
        }
    }

    /// A list that is longer than a line can be: which names are lost, and how to write it.
    fn cut(&mut self, at: usize, read: Original<'_>, whole: &[u8]) {
        let key = read.key;
        let Some((_, list)) = meant(whole).filter(|(k, _)| *k == key && key.is_list()) else {
            return;
        };
        let all = plain(key, &text(list));
        let taken = text(read.value);
        // The last one may be cut.
        let lost = names(&all).filter(|name| !names(&taken).any(|taken| taken == *name));
        let message = format!(
            "a line has at most {MAX_LINE} bytes: {} of {} names in `{}` are not read",
            lost.count(),
            names(&all).count(),
            key.name()
        );
        self.suggest(at, message, list_lines(key, &all));
    }

    /// A line that the earlier daemon reads.
    fn known(&mut self, at: usize, read: Original<'_>, meant: Option<(Key, &[u8])>) {
        let Original {
            key,
            separator,
            value,
            rest,
        } = read;
        let name = key.name();
        let value = text(value);
        let meant = meant.filter(|(k, _)| *k == key).map(|(_, v)| text(v));
        let odd = separator.filter(|s| !matches!(s, b':' | b'='));
        let odd = odd.map(|odd| {
            let odd = char::from(odd).to_string();
            let (odd, value) = (Shown(&odd), Shown(&value));
            format!("{odd} stands where ':' belongs; `{name}` is read as {value}")
        });
        let Err(why) = self.value(at, key, &value) else {
            if let Some(odd) = odd {
                self.note(at, odd);
            }
            if !rest.is_empty() {
                self.blank_ends(at, key, &text(rest), meant.as_deref());
            }
            return;
        };
        let plainly = meant.map(|meant| plain(key, &meant));
        let plainly = plainly.filter(|plain| *plain != value);
        let second = plainly.as_deref().map(|plain| self.value(at, key, plain));
        match (second, plainly) {
            (Some(Ok(())), Some(plain)) => {
                let reader = self.reader();
                let message = format!(
                    "{reader} gets no usable value of `{name}` out of this; read as {}",
                    Shown(&plain)
                );
                let instead = match key.is_list() {
                    true => list_lines(key, &plain),
                    false => vec![format!("{name}:{plain}")],
                };
                self.suggest(at, message, instead);
            }
            (second, _) => {
                let why = second.and_then(Result::err).unwrap_or(why);
                if key == Key::MclagId {
                    // All that follows belongs to a pair that never comes about.
                    self.enter(0, at);
                }
                self.warn(at, format!("`{name}`: {why}"));
                if let Some(odd) = odd.filter(|_| key.is_list()) {
                    self.note(at, odd);
                }
            }
        }
    }

    /// The earlier daemon takes what stands before a blank, and not the rest.
    fn blank_ends(&mut self, at: usize, key: Key, rest: &str, meant: Option<&str>) {
        let message = format!(
            "a blank ends the value of `{}`: {} is not read",
            key.name(),
            Shown(rest)
        );
        let list = meant.filter(|_| key.is_list());
        let instead = list.map(|list| list_lines(key, &plain(key, list)));
        self.suggest(at, message, instead.unwrap_or_default());
    }

    /// A line that the earlier daemon ignores, with a key that means something all the same.
    fn extra(
        &mut self,
        at: usize,
        key: Key,
        value: &str,
        syncd: &mut Syncd,
        chassis: &mut Chassis,
    ) {
        let name = key.name();
        let result = match key {
            Key::MclagInterface | Key::BindLacp if self.is_foreign(key) => {
                let other = match self.rules() {
                    Dialect::Sonic => Key::MclagInterface,
                    Dialect::LinuxMclag => Key::BindLacp,
                };
                let other = other.name();
                Err(format!("ignored, since this file uses `{other}`"))
            }
            Key::Priority => value
                .parse()
                .map(|priority| chassis.priority = priority)
                .map_err(|_| format!("{} is not between 0 and 65535", Shown(value))),
            Key::Bind => interface(value).map(|device| chassis.bind_device = Some(device)),
            Key::Syncd => match server_of(value, self.rules()) {
                Some(instead) => {
                    self.names_server = true;
                    let (why, file) = (server::WHY, server::FILE);
                    let message = format!("`{name}`: {why}. Write to {file}, not here:");
                    return self.suggest(at, message, instead);
                }
                None => own(value, syncd),
            },
            Key::BackupIp | Key::InitDelay | Key::Auth => {
                Err("ignored: there is no such function yet".into())
            }
            _ => self.value(at, key, value),
        };
        match result {
            Ok(()) => {
                if let Some(ours) = toml_key(key) {
                    self.origins.insert(ours, origin(key, at));
                }
                if !key.is_ours() {
                    let reader = self.reader();
                    let message = format!(
                        "{reader} ignores this line; `{name}` is read as {}",
                        Shown(value)
                    );
                    self.warn(at, message);
                }
            }
            Err(why) => self.warn(at, format!("`{name}`: {why}")),
        }
    }

    /// A list of ports under the name that the other generation uses.
    fn is_foreign(&self, key: Key) -> bool {
        let rules = self.generation;
        matches!(
            (rules, key),
            (Some(Dialect::Sonic), Key::BindLacp)
                | (Some(Dialect::LinuxMclag), Key::MclagInterface)
        )
    }

    /// Take a value, or say why not. Empty ones are never taken.
    fn value(&mut self, at: usize, key: Key, value: &str) -> Result<(), String> {
        let is_absent = matches!(value, "" | "None" | "none");
        if key == Key::PeerLink && is_absent {
            // Generated files have it so when there is none (`spec/config-formats.md` 2.1).
            return if value.is_empty() { no_value() } else { Ok(()) };
        }
        if value.is_empty() || key.is_list() && names(value).next().is_none() {
            return no_value();
        }
        match key {
            Key::MclagId => self.id(at, value),
            Key::SystemMac => self.system_mac(at, value),
            _ => self.of_pair(at, key, value),
        }
    }

    fn id(&mut self, at: usize, value: &str) -> Result<(), String> {
        let (number, is_whole) = lenient_number(value);
        if number == 0 {
            let value = Shown(value);
            return Err(format!(
                "{value} is read as 0, which is no pair's number: what follows is lost"
            ));
        }
        if !is_whole {
            let value = Shown(value);
            self.warn(at, format!("`mclag_id`: {value} is read as {number}"));
        }
        self.enter(number, at);
        Ok(())
    }

    /// The following lines are about this pair.
    fn enter(&mut self, id: u16, at: usize) {
        let next = self.drafts.len();
        let index = *self.by_id.entry(id).or_insert(next);
        if index == next {
            self.drafts.push(Draft::new(id, at));
        }
        self.current = Some(index);
    }

    fn system_mac(&mut self, at: usize, value: &str) -> Result<(), String> {
        let mac = unicast_mac(value)?;
        if self.drafts.is_empty() {
            return Err("ignored: it is for the pairs that were named before it".into());
        }
        self.system_macs.push((self.drafts.len(), mac, at));
        Ok(())
    }

    /// A value of the current pair.
    fn of_pair(&mut self, at: usize, key: Key, value: &str) -> Result<(), String> {
        let rules = self.rules();
        let is_sonics = rules == Dialect::Sonic && key != Key::BindLacp;
        let current = self.current.and_then(|index| self.drafts.get_mut(index));
        let Some(draft) = current else {
            return Err("ignored: it is of the pair that a `mclag_id` before it names".into());
        };
        let replaced = match key {
            Key::LocalIp => draft
                .local
                .replace((unicast_address(value)?, at))
                .map(|(_, at)| at),
            Key::PeerIp => draft
                .peer
                .replace((unicast_address(value)?, at))
                .map(|(_, at)| at),
            Key::PeerLink => {
                let name = interface(value)?;
                if is_sonics {
                    begins_with(value, &["Ethernet", "PortChannel", "VTTNL"])?;
                }
                draft.peer_link.replace((name, at)).map(|(_, at)| at)
            }
            Key::Keepalive => draft
                .keepalive
                .replace((duration(value)?, at))
                .map(|(_, at)| at),
            Key::SessionTimeout => {
                let timeout = (duration(value)?, at);
                draft.session_timeout.replace(timeout).map(|(_, at)| at)
            }
            _ => {
                let mut dropped = Vec::new();
                let list = match key {
                    Key::UniqueIp => &mut draft.unique_ip,
                    _ => &mut draft.ports,
                };
                let before = list.len();
                for text in names(value) {
                    match list_name(key, text, is_sonics) {
                        Ok(name) => list.push((name, at)),
                        Err(why) => {
                            dropped.push(why);
                            // One bad length ends the line (`spec/config-formats.md` 1.2).
                            if is_sonics && text.len() > IfName::KERNEL_MAX && !key.is_ours() {
                                dropped.push(format!("what follows {} is lost", Shown(text)));
                                break;
                            }
                        }
                    }
                }
                if list.len() == before {
                    return Err(dropped.join("; "));
                }
                for why in dropped {
                    self.warn(at, format!("`{}`: {why}", key.name()));
                }
                None
            }
        };
        if let Some(before) = replaced {
            let name = key.name();
            self.warn(at, format!("`{name}` replaces that of line {before}"));
        }
        Ok(())
    }
}

/// The key of a list of ports tells; it has to begin its line.
fn generation(text: &[u8]) -> Option<Dialect> {
    let mut found = None;
    for line in lines(text) {
        let sonic = original(line.bytes, Dialect::Sonic).map(|o| o.key);
        let meant = meant(line.bytes).map(|(key, _)| key);
        match (sonic, meant) {
            (Some(Key::MclagInterface), _) => return Some(Dialect::Sonic),
            (_, Some(Key::BindLacp)) => return Some(Dialect::LinuxMclag),
            (Some(Key::SystemMac), _) => found = Some(Dialect::Sonic),
            _ => {}
        }
    }
    found
}

fn no_value() -> Result<(), String> {
    Err("there is no value".into())
}

/// As text; nothing that means anything is outside ASCII.
fn text(bytes: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

/// A list as lines that the earlier daemons read whole: several of them add up.
fn list_lines(key: Key, list: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for name in names(list) {
        match lines.last_mut() {
            // With the end of the line.
            Some(line) if line.len() + name.len() + 2 <= MAX_LINE => {
                line.push(',');
                line.push_str(name);
            }
            _ => lines.push(format!("{}:{name}", key.name())),
        }
    }
    lines
}

/// Digits at the beginning, with a sign at most, of which 16 bits count; and whether that is all.
fn lenient_number(text: &str) -> (u16, bool) {
    let (is_negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let end = digits.find(|c: char| !c.is_ascii_digit());
    let (digits, behind) = digits.split_at(end.unwrap_or(digits.len()));
    let magnitude = digits.bytes().fold(0_i64, |number, digit| {
        let digit = i64::from(digit - b'0');
        number.saturating_mul(10).saturating_add(digit)
    });
    let number = if is_negative { -magnitude } else { magnitude };
    let [low, high, ..] = number.to_le_bytes();
    let low = u16::from_le_bytes([low, high]);
    let is_whole = behind.is_empty() && number == i64::from(low);
    (low, is_whole)
}

fn begins_with(name: &str, beginnings: &[&str]) -> Result<(), String> {
    if beginnings.iter().any(|begin| name.starts_with(begin)) {
        return Ok(());
    }
    let (name, beginnings) = (Shown(name), beginnings.join(", "));
    Err(format!(
        "{name} is ignored: SONiC's iccpd wants a name that begins with one of {beginnings}"
    ))
}

fn list_name(key: Key, text: &str, is_sonics: bool) -> Result<IfName, String> {
    let name = interface(text)?;
    if is_sonics && key == Key::MclagInterface {
        begins_with(text, &["PortChannel"])?;
        if !text.bytes().any(|b| b.is_ascii_digit()) {
            let text = Shown(text);
            // `spec/iccp.md` 4.14.
            return Err(format!(
                "{text} is ignored: towards SONiC a port is known by the digits of its name"
            ));
        }
    }
    Ok(name)
}

fn duration(text: &str) -> Result<Duration, String> {
    let DurationText(duration) = DurationText::parse(text).ok_or_else(|| {
        let text = Shown(text);
        format!("{text} is not a duration such as \"500ms\", \"15s\", \"2m\", or seconds")
    })?;
    Ok(duration)
}

/// What our own `mclagsyncd` has to know of a server that is named by what it speaks, or by where it
/// is.
fn server_of(text: &str, rules: Dialect) -> Option<Vec<String>> {
    if server::PROTOCOLS.contains(&text) {
        return Some(server::table(text, None));
    }
    let is_address = text.parse::<SocketAddr>().is_ok() || text.parse::<IpAddr>().is_ok();
    is_address.then(|| server::table(rules.name(), Some(text)))
}

/// Where our own `syncd` is.
fn own(text: &str, syncd: &mut Syncd) -> Result<(), String> {
    match text {
        "2" => syncd.names_pair = false,
        path if Purpose::Connect.check(Path::new(path)).is_ok() => {
            syncd.socket = Path::new(path).to_owned();
        }
        _ => {
            let text = Shown(text);
            return Err(format!("{text} is neither 2 nor the path of a socket"));
        }
    }
    Ok(())
}

/// The key of our TOML for what is not of a pair.
const fn toml_key(key: Key) -> Option<&'static str> {
    match key {
        Key::Priority => Some("priority"),
        Key::Bind => Some("bind-device"),
        _ => None,
    }
}

pub(super) fn origin(key: Key, line: usize) -> String {
    format!("`{}`, line {line}", key.name())
}
