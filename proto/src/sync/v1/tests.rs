//! The vectors of `spec/mclagsyncd-protocol.md` 11 in both directions, bytes recorded from
//! running daemons of both dialects, and each quirk with its section.

use super::*;
use crate::Vid;
use crate::sync::frame::{Decoder, FrameError};

mod captures;
mod detect;
mod isolation;
mod limits;
mod quirks;
mod random;
mod vectors;

fn port(text: &str) -> IfName {
    IfName::new(text).unwrap()
}

fn one() -> DomainId {
    DomainId::new(1).unwrap()
}

fn vid(raw: u16) -> Vid {
    Vid::new(raw).unwrap()
}

fn mac(text: &str) -> Mac {
    text.parse().unwrap()
}

const ONE: Mac = Mac([2, 0, 0, 0, 0, 1]);

fn learned(address: &str, on: &str) -> FdbRecord {
    FdbRecord {
        mac: mac(address),
        vid: vid(10),
        port: Some(port(on)),
        kind: FdbKind::Dynamic,
        op: RecordOp::Add,
    }
}

fn bytes_of(hex: &str) -> Vec<u8> {
    let digits: Vec<char> = hex.chars().filter(|c| !c.is_whitespace()).collect();
    let byte = |pair: &[char]| u8::from_str_radix(&pair.iter().collect::<String>(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

fn frame_of(bytes: &[u8]) -> Frame {
    let mut decoder = Decoder::v1();
    decoder.push(bytes);
    let frame = decoder.next_frame().unwrap().unwrap();
    assert_eq!(decoder.pending(), 0);
    frame
}

fn frame_of_hex(hex: &str) -> Frame {
    frame_of(&bytes_of(hex))
}

/// A frame with a body given in hexadecimal.
fn frame(kind: u8, body: &str) -> Frame {
    Frame {
        version: VERSION,
        kind,
        body: bytes_of(body),
    }
}

/// What a server makes of a frame in which nothing is wrong.
fn from_client(frame: &Frame, dialect: Dialect) -> ClientMessage {
    let decoded = ClientMessage::decode(frame, dialect).unwrap().unwrap();
    assert_eq!(decoded.skipped, []);
    decoded.message
}

/// What a client makes of a frame in which nothing is wrong.
fn from_server(frame: &Frame, dialect: Dialect) -> ServerMessage {
    let decoded = ServerMessage::decode(frame, dialect).unwrap().unwrap();
    assert_eq!(decoded.skipped, []);
    decoded.message
}
