//! The five messages: which TLV each carries (`spec/iccp.md` 3).
//
//  0                   1                   2                   3
//  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// |U|        Message Type         |        Message Length         |
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// |                          Message ID                           |
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// |         Type = 0x0005         |          Length = 4           |  RG ID TLV,
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+  absent in
// |                             RG ID                             |  Capability
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// |U|F|         TLV Type          |          TLV Length           |
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// |  Value ...

use super::code::{message as code, tlv};
use super::error::DecodeError;
use super::wire::{Fields, Output, TlvKind, clip, lossy};
use super::{Body, Message, RgId, Status, Tlv};

/// Longest sender name in bytes; a longer one is cut (3.2).
const SENDER_MAX: usize = 80;

impl Message {
    /// Write one message. The dialect must have its TLV, and a list must fit one message.
    pub(super) fn encode(&self, out: &mut Output<'_>) {
        let Self { id, body } = self;
        match body {
            Body::Capability => out.message(code::CAPABILITY, *id, encode_capability),
            Body::Connect { rg, sender } => out.message(code::CONNECT, *id, |out| {
                encode_rg(*rg, out);
                let sender = clip(sender, SENDER_MAX).as_bytes();
                out.plain_tlv(tlv::SENDER_NAME, |out| out.put(sender));
            }),
            Body::Disconnect { rg, status } => out.message(code::DISCONNECT, *id, |out| {
                encode_rg(*rg, out);
                out.plain_tlv(tlv::DISCONNECT_CODE, |out| out.u32(status.0));
            }),
            Body::Notification {
                rg,
                status,
                rejected,
            } => out.message(code::NOTIFICATION, *id, |out| {
                encode_rg(*rg, out);
                out.plain_tlv(tlv::NAK, |out| {
                    out.u32(status.0);
                    out.u32(*rejected);
                });
            }),
            Body::Application { rg, tlv } => out.message(code::APPLICATION, *id, |out| {
                encode_rg(*rg, out);
                tlv.encode(out);
            }),
            Body::Unknown { kind } => out.message(*kind, *id, |_| {}),
        }
    }

    /// Read what stands behind the type and length of a message of type `kind`.
    ///
    /// `report` receives what had to be skipped of a message that is otherwise good.
    pub(super) fn decode(
        kind: u16,
        fields: &mut Fields<'_>,
        report: &mut Option<DecodeError>,
    ) -> Result<Self, DecodeError> {
        let id = fields.u32("message id")?;
        let body = match kind {
            code::CAPABILITY => decode_capability(fields)?,
            code::CONNECT => {
                let rg = decode_rg(fields)?;
                let mut value = strict_tlv(fields, tlv::SENDER_NAME, "0x0001 with U = F = 0")?;
                let sender = value.take(value.len(), "sender name")?;
                let sender = lossy(sender, SENDER_MAX);
                Body::Connect { rg, sender }
            }
            code::DISCONNECT => {
                let rg = decode_rg(fields)?;
                let at = fields.offset();
                let mut value = strict_tlv(fields, tlv::DISCONNECT_CODE, "0x0004 with U = F = 0")?;
                exactly_four(&value, at)?;
                let status = Status(value.u32("status code")?);
                Body::Disconnect { rg, status }
            }
            code::NOTIFICATION => {
                let rg = decode_rg(fields)?;
                let mut value = typed_tlv(fields, tlv::NAK, "0x0002")?.1;
                let status = Status(value.u32("status code")?);
                let rejected = value.u32("rejected id")?;
                Body::Notification {
                    rg,
                    status,
                    rejected,
                }
            }
            code::APPLICATION => {
                let rg = decode_rg(fields)?;
                let tlv = Tlv::decode(fields, report)?;
                Body::Application { rg, tlv }
            }
            kind => Body::Unknown { kind },
        };
        Ok(Self { id, body })
    }
}

fn encode_rg(rg: RgId, out: &mut Output<'_>) {
    out.rg_id_header();
    out.u32(rg.0);
}

fn decode_rg(fields: &mut Fields<'_>) -> Result<RgId, DecodeError> {
    let offset = fields.offset();
    let kind = fields.u16("RG ID TLV type")?;
    if kind != tlv::RG_ID {
        return Err(fields.bad("RG ID TLV type", offset, kind, "0x0005"));
    }
    let offset = fields.offset();
    let length = fields.u16("RG ID TLV length")?;
    if length != 4 {
        return Err(fields.bad("RG ID TLV length", offset, length, "4"));
    }
    Ok(RgId(fields.u32("RG ID")?))
}

fn encode_capability(out: &mut Output<'_>) {
    let header = TlvKind {
        unknown: true,
        forward: false,
        kind: tlv::CAPABILITY,
    };
    out.tlv(header, |out| {
        out.u16(out.dialect().advertise());
        out.put(&[1, 0]);
    });
}

/// Accepted only as legacy daemons accept it (3.1); they ignore any other without an answer.
fn decode_capability(fields: &mut Fields<'_>) -> Result<Body, DecodeError> {
    let at = fields.offset();
    let (header, mut value) = typed_tlv(fields, tlv::CAPABILITY, "0x0700 with U = 1, F = 0")?;
    if !header.unknown || header.forward {
        return Err(fields.bad("TLV type", at, header.word(), "0x0700 with U = 1, F = 0"));
    }
    exactly_four(&value, at)?;
    let offset = value.offset();
    let flags = value.u16("S bit")?;
    if flags & value.dialect().advertise() == 0 {
        return Err(value.bad("S bit", offset, flags, "1 (advertise)"));
    }
    let offset = value.offset();
    match value.array("version")? {
        [1, 0] => Ok(Body::Capability),
        version => Err(value.bad(
            "version",
            offset,
            u16::from_be_bytes(version),
            "1.0 (0x0100)",
        )),
    }
}

/// Require four bytes of value of the TLV at `at`: legacy daemons act upon no other (3.1, 3.3).
fn exactly_four(value: &Fields<'_>, at: usize) -> Result<(), DecodeError> {
    if value.len() == 4 {
        return Ok(());
    }
    let length = u32::try_from(value.len()).unwrap_or(u32::MAX);
    Err(value.bad("TLV length", at + 2, length, "4"))
}

/// The first TLV, if it is of the type that the message carries.
fn typed_tlv<'a>(
    fields: &mut Fields<'a>,
    kind: u16,
    expected: &'static str,
) -> Result<(TlvKind, Fields<'a>), DecodeError> {
    let offset = fields.offset();
    let (header, value) = fields.tlv()?;
    if header.kind != kind {
        return Err(fields.bad("TLV type", offset, header.kind, expected));
    }
    Ok((header, value))
}

/// The same for the two messages that legacy daemons act upon only if U = F = 0 (3.2, 3.3).
fn strict_tlv<'a>(
    fields: &mut Fields<'a>,
    kind: u16,
    expected: &'static str,
) -> Result<Fields<'a>, DecodeError> {
    let offset = fields.offset();
    let (header, value) = typed_tlv(fields, kind, expected)?;
    if header.unknown || header.forward {
        return Err(fields.bad("TLV type", offset, header.word(), expected));
    }
    Ok(value)
}
