//! Strict models of both ends of version 1 of the mclagsyncd protocol, on the bytes (`spec/mclagsyncd-protocol.md`).
//!
//! What a legacy server does with a message it does not like ranges from dropping what it read to ending itself; what a
//! legacy client does, from dropping what it read to spinning. So nothing is tolerated.

use mclag_proto::sync::v1::Dialect;

/// Longest message (2.2).
const LONGEST: usize = 4096;

/// Cuts what one side sends into messages and checks each.
#[derive(Debug)]
pub struct Listener {
    dialect: Dialect,
    /// They come from an `iccpd`.
    is_client: bool,
    buffer: Vec<u8>,
    /// Types of the messages so far.
    kinds: Vec<u8>,
    complaints: Vec<String>,
}

impl Listener {
    /// Listens to a client, or to a server.
    #[must_use]
    pub const fn new(dialect: Dialect, is_client: bool) -> Self {
        Self {
            dialect,
            is_client,
            buffer: Vec::new(),
            kinds: Vec::new(),
            complaints: Vec::new(),
        }
    }

    /// Types of the messages so far, in order.
    #[must_use]
    pub fn kinds(&self) -> &[u8] {
        &self.kinds
    }

    /// What a legacy daemon would not get along with, in words that name the section.
    #[must_use]
    pub fn complaints(&self) -> &[String] {
        &self.complaints
    }

    /// Bytes of a message that is not complete.
    #[must_use]
    pub const fn pending(&self) -> usize {
        self.buffer.len()
    }

    /// These bytes were sent.
    pub fn hears(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
        while let Some(&[version, kind, low, high]) = self.buffer.first_chunk() {
            let length = usize::from(u16::from_le_bytes([low, high]));
            if version != 1 || !(4..=LONGEST).contains(&length) {
                let header = [version, kind, low, high];
                self.complain(format!("header {header:02x?} (2.3)"));
                self.buffer.clear();
                return;
            }
            if self.buffer.len() < length {
                return;
            }
            let message: Vec<u8> = self.buffer.drain(..length).collect();
            self.kinds.push(kind);
            let checked = match self.is_client {
                true => self.client(kind, &message[4..]),
                false => self.server(kind, &message[4..]),
            };
            if let Err(why) = checked {
                self.complain(format!("type {kind}: {why}: {message:02x?}"));
            }
        }
    }

    fn complain(&mut self, what: String) {
        self.complaints.push(what);
    }

    /// Catalogue and bodies of an `iccpd` (3.1, 3.3, 4).
    fn client(&self, kind: u8, body: &[u8]) -> Result<(), String> {
        let is_sonic = self.dialect == Dialect::Sonic;
        let options = |expected: &[u8]| sub_options(body, expected);
        match (kind, is_sonic) {
            (1, _) => {
                let [source, list] = options(&[1, 2])?[..] else {
                    return Err("isolation (4.1)".into());
                };
                name(source)?;
                match (list.is_empty(), is_sonic) {
                    (true, true) => Ok(()),
                    // 3.3: the rest of what was read is dropped.
                    (true, false) => Err("empty list of ports (4.1)".into()),
                    _ => list.split(|byte| *byte == b',').try_for_each(|port| {
                        name(
                            port.strip_prefix(b"!")
                                .filter(|_| !is_sonic)
                                .unwrap_or(port),
                        )
                    }),
                }
            }
            (2, _) => match body.first() {
                Some(3) => options(&[3])?.into_iter().try_for_each(name),
                _ => options(&[4])?.into_iter().try_for_each(name),
            },
            (3 | 20, false) | (3, true) => empty(body),
            (4, _) => {
                let [interface, mac] = options(&[5, 6])?[..] else {
                    return Err("MAC of an interface (4.4)".into());
                };
                name(interface)?;
                text_mac(mac)
            }
            (5, _) => self.records(body),
            (6 | 7, true) => options(&[7])?.into_iter().try_for_each(name),
            (8, true) => numbers(&options(&[8, 11])?, &[4, 1]),
            (9, true) => match options(&[8, 9]) {
                Ok(found) => numbers(&found, &[4, 1]),
                Err(_) => numbers(&options(&[8, 9, 10])?, &[4, 1, 6]),
            },
            (10, true) => numbers(&options(&[8, 10])?, &[4, 6]),
            (11, true) => numbers(&options(&[8])?, &[4]),
            (12, true) => named(&options(&[8, 7, 11])?),
            (13, true) => named(&options(&[8, 7])?),
            (14, true) => named(&options(&[8, 7, 12])?),
            _ => Err("not in the dialect (3.1)".into()),
        }
    }

    /// Catalogue and records of a `mclagsyncd` (3.2, 5).
    fn server(&self, kind: u8, body: &[u8]) -> Result<(), String> {
        if kind == 1 {
            return self.records(body);
        }
        if self.dialect != Dialect::Sonic {
            return Err("anything but type 1 drops the whole read (2.3)".into());
        }
        // Size of a record, and its texts: the operation stands in front of each.
        let (size, texts): (usize, &[(usize, usize)]) = match kind {
            2 => (80, &[(16, 16), (32, 16), (48, 20)]),
            3 | 4 => (28, &[(8, 20)]),
            5 => (24, &[(4, 20)]),
            _ => return Err("not in the dialect (3.2)".into()),
        };
        for record in whole(body, size)? {
            let is_op = match kind {
                2 => (1..=4).contains(&record[0]),
                _ => (1..=2).contains(&record[0]),
            };
            if !is_op || record[1..4] != [0; 3] {
                return Err("operation (5)".into());
            }
            for (at, len) in texts {
                if !record[*at..at + len].contains(&0) {
                    return Err("a text without its end (10, item 3)".into());
                }
            }
        }
        Ok(())
    }

    /// Forwarding records (4.5, 5.1).
    fn records(&self, body: &[u8]) -> Result<(), String> {
        let (size, vlan, port) = match self.dialect {
            Dialect::Sonic => (36, 8, 12..32),
            Dialect::LinuxMclag => (72, 32, 36..68),
            Dialect::Intermediate => (48, 20, 24..44),
        };
        for record in whole(body, size)? {
            let number = |at: usize| u16::from_le_bytes([record[at], record[at + 1]]);
            let (kind, op) = (number(size - 4), number(size - 2));
            if self.dialect == Dialect::Sonic {
                if record[6..8] != [0; 2] || record[..6] == [0; 6] {
                    return Err("the MAC or its padding (4.5)".into());
                }
            } else {
                let end = record.iter().position(|byte| *byte == 0);
                text_mac(&record[..end.unwrap_or(0)])?;
            }
            if !(1..=4094).contains(&number(vlan)) || record[vlan + 2..vlan + 4] != [0; 2] {
                return Err("the VLAN (4.5)".into());
            }
            let text = &record[port.clone()];
            let end = text
                .iter()
                .position(|byte| *byte == 0)
                .ok_or("a name without its end")?;
            // 5.1: what a server of sonic says of a deletion.
            let is_anonymous = !self.is_client && self.dialect == Dialect::Sonic && op == 2;
            if is_anonymous {
                if end != 0 || kind != 0 {
                    return Err("a deletion with port or type (5.1)".into());
                }
            } else if end > 0 || op == 1 || self.dialect != Dialect::Sonic {
                name(&text[..end])?;
            }
            let last = if self.dialect == Dialect::Sonic && self.is_client {
                3
            } else {
                2
            };
            if !(1..=2).contains(&op) || (!is_anonymous && !(1..=last).contains(&kind)) {
                return Err(format!("type {kind}, operation {op} (4.5)"));
            }
        }
        Ok(())
    }
}

fn empty(body: &[u8]) -> Result<(), String> {
    match body.is_empty() {
        true => Ok(()),
        false => Err("a body (3.1)".into()),
    }
}

/// Records that fill the body, at least one.
fn whole(body: &[u8], size: usize) -> Result<impl Iterator<Item = &[u8]>, String> {
    match !body.is_empty() && body.len().is_multiple_of(size) {
        true => Ok(body.chunks(size)),
        false => Err(format!("{} bytes of records of {size} (2.1)", body.len())),
    }
}

/// The data of sub-options of just these types, in this order: some servers go by position (3.3).
fn sub_options<'a>(body: &'a [u8], expected: &[u8]) -> Result<Vec<&'a [u8]>, String> {
    let mut rest = body;
    let mut found = Vec::new();
    for kind in expected {
        let Some((&[got, 0, low, high], behind)) = rest.split_first_chunk() else {
            return Err(format!("no sub-option {kind} (2.1)"));
        };
        let length = usize::from(u16::from_le_bytes([low, high]));
        let (data, behind) = behind
            .split_at_checked(length)
            .ok_or("a length beyond the end")?;
        if got != *kind {
            return Err(format!("sub-option {got} in the place of {kind} (3.3)"));
        }
        found.push(data);
        rest = behind;
    }
    empty(rest).map(|()| found)
}

fn numbers(found: &[&[u8]], sizes: &[usize]) -> Result<(), String> {
    let lengths: Vec<usize> = found.iter().map(|data| data.len()).collect();
    // 10, item 11: the domain is signed.
    let domain = found.first().and_then(|data| data.first_chunk());
    match lengths == sizes && domain.is_some_and(|d| i32::from_le_bytes(*d) > 0) {
        true => Ok(()),
        false => Err(format!("sub-options of {lengths:?} bytes (3.3)")),
    }
}

/// A domain, a name, and maybe a byte.
fn named(found: &[&[u8]]) -> Result<(), String> {
    numbers(&found[..1], &[4])?;
    name(found[1])?;
    match found.get(2).map(|data| data.len()) {
        None | Some(1) => Ok(()),
        Some(len) => Err(format!("a state of {len} bytes (3.3)")),
    }
}

fn name(text: &[u8]) -> Result<(), String> {
    match (1..=19).contains(&text.len()) && text.iter().all(u8::is_ascii_graphic) {
        true => Ok(()),
        false => Err(format!("{} as a name (10, item 3)", text.escape_ascii())),
    }
}

fn text_mac(text: &[u8]) -> Result<(), String> {
    let is_mac = text.len() == 17
        && text.iter().enumerate().all(|(at, byte)| match at % 3 {
            2 => *byte == b':',
            _ => byte.is_ascii_digit() || (b'a'..=b'f').contains(byte),
        });
    match is_mac {
        true => Ok(()),
        false => Err(format!("{} as a MAC (4.4)", text.escape_ascii())),
    }
}
