//! Lines and keys of an `iccpd.conf`, as the earlier daemons see them and as their author meant
//! them (`spec/config-formats.md` 1.1 to 1.3, 1.5).

use mclag_proto::iccp::Dialect;

/// What one read of the earlier daemons takes at most, in bytes with the end of the line.
pub(super) const MAX_LINE: usize = 511;

/// What the earlier daemons take for a line.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Line<'a> {
    /// Number of the line in the file, counted from 1.
    pub(super) number: usize,
    /// The line without white space at its beginning; never empty.
    pub(super) bytes: &'a [u8],
    /// It is the rest of a line that is longer than [`MAX_LINE`].
    pub(super) is_rest: bool,
    /// The whole of a line that is longer than [`MAX_LINE`], with its beginning.
    pub(super) whole: Option<&'a [u8]>,
    /// Something behind a NUL was not read.
    pub(super) is_cut_by_nul: bool,
}

/// The lines that say anything.
pub(super) fn lines(mut text: &[u8]) -> impl Iterator<Item = Line<'_>> {
    let mut number = 1;
    let mut is_rest = false;
    std::iter::from_fn(move || {
        while !text.is_empty() {
            let reach = &text[..text.len().min(MAX_LINE)];
            let newline = reach.iter().position(|b| *b == b'\n');
            let (read, behind) = text.split_at(newline.map_or(reach.len(), |at| at + 1));
            let is_cut = newline.is_none() && !is_rest && !behind.is_empty();
            let mut line = Line {
                number,
                bytes: read,
                is_rest,
                whole: is_cut.then(|| trim_start(first_line(text))),
                is_cut_by_nul: false,
            };
            text = behind;
            is_rest = newline.is_none();
            number += usize::from(newline.is_some());
            if let Some(nul) = read.iter().position(|b| *b == 0) {
                line.is_cut_by_nul = read[nul..].iter().any(|b| *b != 0 && !is_space(*b));
                line.bytes = &read[..nul];
            }
            line.bytes = trim_start(line.bytes);
            if !line.bytes.is_empty() || line.is_cut_by_nul {
                return Some(line);
            }
        }
        None
    })
}

/// Up to the end of the line.
fn first_line(text: &[u8]) -> &[u8] {
    let end = text.iter().position(|b| *b == b'\n');
    &text[..end.unwrap_or(text.len())]
}

/// White space of the C locale.
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

pub(in crate::settings) fn trim_start(text: &[u8]) -> &[u8] {
    let start = text.iter().position(|b| !is_space(*b));
    &text[start.unwrap_or(text.len())..]
}

fn trim(text: &[u8]) -> &[u8] {
    let text = trim_start(text);
    let end = text.iter().rposition(|b| !is_space(*b));
    &text[..end.map_or(0, |at| at + 1)]
}

/// What a line is about.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Key {
    MclagId,
    LocalIp,
    PeerIp,
    PeerLink,
    MclagInterface,
    BindLacp,
    SystemMac,
    // Those below are ours; the earlier daemons have no such keys.
    Keepalive,
    SessionTimeout,
    UniqueIp,
    Priority,
    Syncd,
    Bind,
    // And these name what there is nothing for yet.
    BackupIp,
    InitDelay,
    Auth,
}

impl Key {
    /// In the order in which SONiC's daemon tries them.
    const SONIC: [Self; 6] = [
        Self::MclagId,
        Self::LocalIp,
        Self::PeerIp,
        Self::PeerLink,
        Self::MclagInterface,
        Self::SystemMac,
    ];
    const LINUX_MCLAG: [Self; 5] = [
        Self::MclagId,
        Self::LocalIp,
        Self::PeerIp,
        Self::PeerLink,
        Self::BindLacp,
    ];
    const ALL: [Self; 16] = [
        Self::MclagId,
        Self::LocalIp,
        Self::PeerIp,
        Self::PeerLink,
        Self::MclagInterface,
        Self::BindLacp,
        Self::SystemMac,
        Self::Keepalive,
        Self::SessionTimeout,
        Self::UniqueIp,
        Self::Priority,
        Self::Syncd,
        Self::Bind,
        Self::BackupIp,
        Self::InitDelay,
        Self::Auth,
    ];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::MclagId => "mclag_id",
            Self::LocalIp => "local_ip",
            Self::PeerIp => "peer_ip",
            Self::PeerLink => "peer_link",
            Self::MclagInterface => "mclag_interface",
            Self::BindLacp => "bind_lacp",
            Self::SystemMac => "system_mac",
            Self::Keepalive => "keepalive",
            Self::SessionTimeout => "session_timeout",
            Self::UniqueIp => "unique_ip",
            Self::Priority => "priority",
            Self::Syncd => "syncd",
            Self::Bind => "bind",
            Self::BackupIp => "backup_ip",
            Self::InitDelay => "init_delay",
            Self::Auth => "auth",
        }
    }

    /// Whether the value is a list of names.
    pub(super) const fn is_list(self) -> bool {
        matches!(self, Self::MclagInterface | Self::BindLacp | Self::UniqueIp)
    }

    /// Whether none of the earlier daemons has it.
    pub(super) const fn is_ours(self) -> bool {
        !matches!(
            self,
            Self::MclagId
                | Self::LocalIp
                | Self::PeerIp
                | Self::PeerLink
                | Self::MclagInterface
                | Self::BindLacp
                | Self::SystemMac
        )
    }
}

/// A line as one of the earlier daemons reads it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Original<'a> {
    pub(super) key: Key,
    /// The byte between key and value, whatever it is.
    pub(super) separator: Option<u8>,
    pub(super) value: &'a [u8],
    /// What is not read, because a blank ends the line; without a comment.
    pub(super) rest: &'a [u8],
}

/// The earlier daemon's reading: a key at the beginning, one separator, the value to the first
/// white space. `None`: it ignores the line.
pub(super) fn original(line: &[u8], generation: Dialect) -> Option<Original<'_>> {
    let end = line.iter().position(|b| is_space(*b));
    let (word, rest) = line.split_at(end.unwrap_or(line.len()));
    let keys: &[Key] = match generation {
        Dialect::Sonic => &Key::SONIC,
        Dialect::LinuxMclag => &Key::LINUX_MCLAG,
    };
    for key in keys {
        let Some(behind) = word.strip_prefix(key.name().as_bytes()) else {
            continue;
        };
        let (separator, value) = match behind.split_first() {
            Some((separator, value)) => (Some(*separator), value),
            None => (None, behind),
        };
        // Here the colon is part of the key.
        if generation == Dialect::LinuxMclag && separator != Some(b':') {
            continue;
        }
        return Some(Original {
            key: *key,
            separator,
            value,
            rest: trim(without_comment(rest)),
        });
    }
    None
}

/// What the author of a line probably meant: a known key, then `:`, `=` or blanks, then a value
/// that a comment ends.
pub(super) fn meant(line: &[u8]) -> Option<(Key, &[u8])> {
    let line = without_comment(line);
    let is_of_word = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
    let end = line.iter().position(|b| !is_of_word(b));
    let (word, behind) = line.split_at(end.unwrap_or(line.len()));
    let key = Key::ALL.iter().find(|key| key.name().as_bytes() == word)?;
    let behind = trim(behind);
    let value = behind.strip_prefix(b":").or(behind.strip_prefix(b"="));
    Some((*key, trim(value.unwrap_or(behind))))
}

/// What editors of other systems put before the first line. The earlier daemons take it for a part
/// of the first key.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The line behind a byte order mark, if it begins with one.
pub(super) fn behind_mark(line: &[u8]) -> Option<&[u8]> {
    line.strip_prefix(BYTE_ORDER_MARK).map(trim_start)
}

/// What the author of a value probably meant: no quotes and brackets around names and addresses, as
/// lists of other languages have them, and no length of a prefix behind an address.
pub(super) fn plain(key: Key, value: &str) -> String {
    let quotes = |c: char| matches!(c, '[' | ']' | '(' | ')' | '\'' | '"');
    if key.is_list() {
        let names = names(value).map(|name| name.trim_matches(quotes));
        let names: Vec<&str> = names.filter(|name| !name.is_empty()).collect();
        return names.join(",");
    }
    let value = value.trim_matches(quotes);
    let is_length = |text: &str| text.parse::<u8>().is_ok_and(|length| length <= 128);
    match (key, value.split_once('/')) {
        (Key::LocalIp | Key::PeerIp, Some((address, length))) if is_length(length) => address,
        _ => value,
    }
    .into()
}

/// The names in a list.
pub(super) fn names(value: &str) -> impl Iterator<Item = &str> {
    let names = value.split(|c: char| c == ',' || c.is_ascii_whitespace());
    names.filter(|name| !name.is_empty())
}

/// A comment begins with `#` at the beginning or behind a blank: `#` may be part of a name.
fn without_comment(text: &[u8]) -> &[u8] {
    let mut behind_space = true;
    for (at, byte) in text.iter().enumerate() {
        if *byte == b'#' && behind_space {
            return &text[..at];
        }
        behind_space = is_space(*byte);
    }
    text
}
