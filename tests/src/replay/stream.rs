//! What was recorded: a text file of messages, in order.
//!
//! A line is the milliseconds since the line before, who sends, what it is, and its bytes in hexadecimal; `(n)` stands
//! for so many zeros. `TCP.SYN` and the like have no bytes. Lines that begin with `#` are comments.

use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};

/// Who sends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Side {
    /// Of two `iccpd`, the one with the lower address, which dials.
    A,
    /// The other one.
    B,
    /// An `iccpd` to its server.
    Client,
    /// A server to its `iccpd`.
    Server,
}

/// One message.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Message {
    /// Time since the message before, whoever sent that.
    pub after: Duration,
    /// Who sent it.
    pub from: Side,
    /// What the recording calls it.
    pub name: String,
    /// All of it.
    pub bytes: Vec<u8>,
}

/// One connection.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Session {
    /// What was said, in order.
    pub messages: Vec<Message>,
    /// The recording begins in the middle of it.
    pub is_continued: bool,
}

/// The connections of a recording on which something was said.
///
/// # Errors
///
/// When a line is none of a recording.
pub fn parse(text: &str) -> Result<Vec<Session>> {
    let mut sessions = Vec::new();
    let mut session = Session {
        is_continued: true,
        ..Session::default()
    };
    for (number, line) in text.lines().enumerate() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let parsed = parse_line(line).with_context(|| format!("line {}: {line}", number + 1));
        match parsed? {
            Line::Message(message) => session.messages.push(message),
            Line::Boundary => {
                sessions.push(std::mem::take(&mut session));
            }
            Line::Nothing => {}
        }
    }
    sessions.push(session);
    sessions.retain(|session| !session.messages.is_empty());
    Ok(sessions)
}

enum Line {
    Message(Message),
    /// A connection begins or ends.
    Boundary,
    Nothing,
}

fn parse_line(line: &str) -> Result<Line> {
    let words: Vec<&str> = line.split(' ').collect();
    let [after, from, name, rest @ ..] = words.as_slice() else {
        bail!("too few words");
    };
    let after = Duration::from_millis(after.parse().context("not a time")?);
    let from = match *from {
        "A" => Side::A,
        "B" => Side::B,
        "c" => Side::Client,
        "s" => Side::Server,
        other => bail!("nobody is called {other:?}"),
    };
    Ok(match (*name, rest) {
        ("TCP.SYN" | "TCP.FIN" | "TCP.RST", []) => Line::Boundary,
        ("TCP.SYN-ACK", []) => Line::Nothing,
        (name, [bytes]) => Line::Message(Message {
            after,
            from,
            name: name.to_owned(),
            bytes: unpack(bytes)?,
        }),
        _ => bail!("neither a message nor an event"),
    })
}

/// Hexadecimal with `(n)` for n zeros.
fn unpack(mut text: &str) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    while !text.is_empty() {
        if let Some(rest) = text.strip_prefix('(') {
            let (count, rest) = rest.split_once(')').context("no closing bracket")?;
            let count: usize = count.parse().context("not a number of zeros")?;
            ensure!(count <= 65_536, "too many zeros");
            bytes.resize(bytes.len() + count, 0);
            text = rest;
        } else {
            let (pair, rest) = text.split_at_checked(2).context("half a byte")?;
            bytes.push(u8::from_str_radix(pair, 16).context("not hexadecimal")?);
            text = rest;
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recording_is_cut_into_its_connections() {
        let text = "# Captured.\n## phase\n0 A HEARTBEAT 07\n5 B TCP.FIN\n0 A TCP.FIN\n1 A TCP.SYN\n1 B TCP.RST\n\
                    1 A TCP.SYN\n1 B TCP.SYN-ACK\n70 A CAPABILITY 02(3)ff\n3 B X 01\n";
        let sessions = parse(text).unwrap();
        let [first, second] = sessions.as_slice() else {
            panic!("{sessions:?}");
        };
        assert!(first.is_continued && !second.is_continued);
        assert_eq!(first.messages.len(), 1);
        assert_eq!(second.messages[0].bytes, [2, 0, 0, 0, 0xff]);
        assert_eq!(second.messages[0].after, Duration::from_millis(70));
        assert_eq!(second.messages[1].from, Side::B);
    }

    #[test]
    fn what_is_no_recording_is_an_error_with_its_line() {
        for wrong in [
            "0 A",
            "x A N 00",
            "0 C N 00",
            "0 A N 0",
            "0 A N (2",
            "0 A N (99999999)",
            "0 A N 00 00",
        ] {
            let error = parse(&format!("# first\n{wrong}\n")).unwrap_err();
            assert!(error.to_string().starts_with("line 2: "), "{error}");
        }
    }
}
