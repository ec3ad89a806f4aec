//! The isolation list and its two grammars (`spec/mclagsyncd-protocol.md` 4.1).

use super::field::Part;
use super::suboption::SUB_HEADER_LEN;
use super::{DecodeError, Dialect, EncodeError, RecordError};
use crate::IfName;

/// Which ports frames from the peer link must not leave through.
///
/// A sender gives every MLAG port with its members, isolated or not; the dialect picks from it.
/// What was received is one entry per name, each without a LAG: the text does not tell which
/// names belong together ([`PortIsolate::with_lags`]).
///
/// * sonic: the names of the isolated ports, each followed by its members. All that is isolated:
///   what is not named may be reached again. May be empty.
/// * linux-mclag: the members of every port; `!` in front of those of a port that is not
///   isolated. What is not named stays as it is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PortIsolate {
    /// The peer link.
    pub peer_link: IfName,
    /// The ports.
    pub ports: Vec<IsolatedPort>,
}

/// One port of a [`PortIsolate`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct IsolatedPort {
    /// The LAG; `None` in what was received.
    pub lag: Option<IfName>,
    /// Its members.
    pub members: Vec<IfName>,
    /// Whether it is isolated.
    pub is_isolated: bool,
}

impl IsolatedPort {
    /// The entry of one name of a received list.
    #[must_use]
    pub fn named(name: IfName, is_isolated: bool) -> Self {
        Self {
            lag: None,
            members: vec![name],
            is_isolated,
        }
    }
}

impl PortIsolate {
    /// Each name, and whether it is isolated. LAGs come before their members.
    pub fn names(&self) -> impl Iterator<Item = (IfName, bool)> {
        self.ports.iter().flat_map(|port| {
            let names = port.lag.iter().chain(&port.members);
            names.map(|name| (*name, port.is_isolated))
        })
    }

    /// The same in a form whose linux-mclag text a reader of single names takes as it is meant.
    ///
    /// The text of linux-mclag has one `!` in front of the first member of a port, but its server
    /// reads it for each name: the second member of a port that is not isolated would become
    /// isolated. And it fails on the empty name of a port without members
    /// (`spec/mclagsyncd-protocol.md` 4.1). So here every member is a port of its own, and ports
    /// without members are left out. Nothing changes for sonic, which has neither trap.
    #[must_use]
    pub fn spelled_out(self, dialect: Dialect) -> Self {
        if dialect == Dialect::Sonic {
            return self;
        }
        let each = |port: IsolatedPort| {
            let entry = move |name| IsolatedPort::named(name, port.is_isolated);
            port.members.into_iter().map(entry)
        };
        Self {
            peer_link: self.peer_link,
            ports: self.ports.into_iter().flat_map(each).collect(),
        }
    }

    /// What the sender meant, by a receiver who knows the members of the LAGs.
    ///
    /// A linux-mclag `iccpd` writes `!` just in front of the first member of a LAG. Here it holds
    /// for the members of the same LAG that follow at once, too
    /// (`spec/mclagsyncd-protocol.md` 4.1). Names for which `lag_of` knows none stand for
    /// themselves.
    #[must_use]
    pub fn with_lags(&self, lag_of: impl Fn(&IfName) -> Option<IfName>) -> Self {
        let mut ports: Vec<IsolatedPort> = Vec::new();
        for (name, is_isolated) in self.names() {
            let lag = lag_of(&name);
            match ports.last_mut() {
                // A name with `!` behind one without is no part of its group: `!` comes first.
                Some(last)
                    if lag.is_some() && last.lag == lag && (!last.is_isolated || is_isolated) =>
                {
                    last.members.push(name);
                }
                _ => ports.push(IsolatedPort {
                    lag,
                    members: vec![name],
                    is_isolated,
                }),
            }
        }
        Self {
            peer_link: self.peer_link,
            ports,
        }
    }

    /// Lists with the same ports, none longer than `limit` bytes with both sub-options, unless a
    /// single port is.
    pub(super) fn cut(self, limit: usize) -> impl Iterator<Item = Self> {
        let Self { peer_link, ports } = self;
        let header = 2 * SUB_HEADER_LEN + peer_link.as_str().len();
        let mut lists: Vec<Vec<IsolatedPort>> = Vec::new();
        let mut length = limit;
        for port in ports {
            // With a comma for each name, and one and a `!` for the port, this is never too little.
            let names = port.lag.iter().chain(&port.members);
            let needed: usize = 2 + names.map(|name| name.as_str().len() + 1).sum::<usize>();
            length += needed;
            match lists.last_mut() {
                Some(last) if length <= limit => last.push(port),
                _ => {
                    lists.push(vec![port]);
                    length = header + needed;
                }
            }
        }
        lists
            .into_iter()
            .map(move |ports| Self { peer_link, ports })
    }

    /// The destination list, character by character what a legacy `iccpd` writes.
    pub(super) fn text(&self, dialect: Dialect) -> Result<String, EncodeError> {
        let mut text = String::new();
        for port in &self.ports {
            match dialect {
                Dialect::Sonic => {
                    let names = port.lag.iter().chain(&port.members);
                    for name in names.filter(|_| port.is_isolated) {
                        if !text.is_empty() {
                            text.push(',');
                        }
                        text.push_str(listed(name, dialect)?);
                    }
                }
                Dialect::LinuxMclag | Dialect::Intermediate => {
                    // An empty first group leaves no comma, a later one does.
                    if !text.is_empty() {
                        text.push(',');
                    }
                    if !port.is_isolated {
                        text.push('!');
                    }
                    let names = port.members.iter().map(|name| listed(name, dialect));
                    text.push_str(&names.collect::<Result<Vec<_>, _>>()?.join(","));
                }
            }
        }
        if text.is_empty() && dialect != Dialect::Sonic {
            return Err(EncodeError::Empty {
                message: "PORT_ISOLATE",
                dialect,
            });
        }
        Ok(text)
    }

    /// The ports of a destination list. Empty names and a lone `!` are skipped, as a port without
    /// members leaves them; what is no name is reported and skipped.
    pub(super) fn read(
        list: &Part<'_>,
        dialect: Dialect,
        skipped: &mut Vec<RecordError>,
    ) -> Vec<IsolatedPort> {
        let entry = |part: Part<'_>| {
            let (name, is_isolated) = match part.bytes {
                [b'!', rest @ ..] if dialect != Dialect::Sonic => (rest, false),
                all => (all, true),
            };
            let name = Part {
                bytes: name,
                ..part
            };
            Ok(name
                .name_if_any()?
                .map(|name| IsolatedPort::named(name, is_isolated)))
        };
        names_of(list, entry, skipped)
    }
}

/// The entries of a list of names, without those that `entry` answers nothing for.
pub(super) fn names_of<T>(
    list: &Part<'_>,
    entry: impl Fn(Part<'_>) -> Result<Option<T>, DecodeError>,
    skipped: &mut Vec<RecordError>,
) -> Vec<T> {
    let mut offset = list.offset;
    let mut entries = Vec::new();
    for (index, token) in list.bytes.split(|byte| *byte == b',').enumerate() {
        let part = Part {
            bytes: token,
            offset,
            field: list.field,
        };
        match entry(part) {
            Ok(found) => entries.extend(found),
            Err(error) => skipped.push(RecordError { index, error }),
        }
        offset += token.len() + 1;
    }
    entries
}

/// A name as it stands in a list.
pub(super) fn listed(name: &IfName, dialect: Dialect) -> Result<&str, EncodeError> {
    let text = name.as_str();
    let is_marked = dialect != Dialect::Sonic && text.starts_with('!');
    match is_marked || text.contains(',') {
        true => Err(EncodeError::Separator(*name)),
        false => Ok(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> IfName {
        IfName::new(text).unwrap()
    }

    /// Ports of 5 bytes; each takes 5 and a comma, a comma and a `!`.
    #[test]
    fn a_list_is_cut_where_the_next_port_no_longer_fits() {
        let ports = |count: usize| {
            let names = (0..count).map(|number| name(&format!("swp{number:02}")));
            names.map(|name| IsolatedPort::named(name, true)).collect()
        };
        let header = 2 * SUB_HEADER_LEN + "peer0".len();
        // Room for ports, ports, and how many of them each list has.
        for (room, count, expected) in [
            (8, 1, vec![1]),
            (8, 2, vec![1, 1]),
            (15, 2, vec![1, 1]),
            (16, 2, vec![2]),
            (16, 5, vec![2, 2, 1]),
            (23, 4, vec![2, 2]),
            (24, 4, vec![3, 1]),
            (1, 2, vec![1, 1]),
        ] {
            let list = PortIsolate {
                peer_link: name("peer0"),
                ports: ports(count),
            };
            let cut = list.clone().cut(header + room);
            let (lengths, joined): (Vec<usize>, Vec<Vec<IsolatedPort>>) =
                cut.map(|list| (list.ports.len(), list.ports)).unzip();
            assert_eq!(lengths, expected, "{room} for {count}");
            assert_eq!(joined.concat(), list.ports);
        }
    }
}
