//! TLVs that say something about the session itself: asking for everything, signs of life,
//! the warm boot (`spec/iccp.md` 4.4, 4.5, 4.6, 4.12).
//
// Sync Request 0x0038
//
//  0                   1                   2                   3
//  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// |U|F|       Type = 0x0038       |          Length = 8           |
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// |        Request Number         |C|S|   Request Type = 0x3fff   |
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// |       Aggregator ID = 0       |         Actor Key = 0         |
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//
// Sync Data 0x0039
//
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// |U|F|       Type = 0x0039       |          Length = 4           |
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// |        Request Number         |   Flags: 0 = start, 1 = end   |
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//
// Heartbeat 0x003a and Warm Boot Flag 0x1039 have a value of one byte: 0xff and 1.

use super::super::code::tlv::{HEARTBEAT, SYNC_DATA, SYNC_REQUEST, WARM_BOOT};
use super::super::error::DecodeError;
use super::super::wire::{Fields, Output};
use super::Tlv;

pub(super) fn encode_request(number: u16, out: &mut Output<'_>) {
    out.plain_tlv(SYNC_REQUEST, |out| {
        out.u16(number);
        out.u16(0xffff); // C, S and "everything"
        out.zeros::<4>(); // aggregator id, actor key
    });
}

/// A request is always for everything, whatever the fields behind its number say.
pub(super) fn decode_request(fields: &mut Fields<'_>) -> Result<Tlv, DecodeError> {
    let number = fields.u16("request number")?;
    fields.take(6, "request type and object")?;
    Ok(Tlv::SyncRequest { number })
}

pub(super) fn encode_data(number: u16, end: bool, out: &mut Output<'_>) {
    out.plain_tlv(SYNC_DATA, |out| {
        out.u16(number);
        out.u16(end.into());
    });
}

pub(super) fn decode_data(fields: &mut Fields<'_>) -> Result<Tlv, DecodeError> {
    let number = fields.u16("request number")?;
    let offset = fields.offset();
    let end = match fields.u16("flags")? {
        0 => false,
        1 => true,
        other => return Err(fields.bad("flags", offset, other, "0 (start) or 1 (end)")),
    };
    Ok(Tlv::SyncData { number, end })
}

pub(super) fn encode_heartbeat(out: &mut Output<'_>) {
    out.plain_tlv(HEARTBEAT, |out| out.u8(0xff));
}

pub(super) fn decode_heartbeat(fields: &mut Fields<'_>) -> Result<Tlv, DecodeError> {
    fields.u8("heartbeat")?;
    Ok(Tlv::Heartbeat)
}

pub(super) fn encode_warm_boot(out: &mut Output<'_>) {
    out.plain_tlv(WARM_BOOT, |out| out.u8(1));
}

/// Only 1 announces a warm boot: it makes the receiver keep its dataplane when the session goes,
/// which a number that nobody has defined must not do.
pub(super) fn decode_warm_boot(fields: &mut Fields<'_>) -> Result<Tlv, DecodeError> {
    let offset = fields.offset();
    match fields.u8("flag")? {
        1 => Ok(Tlv::WarmBoot),
        other => Err(fields.bad("flag", offset, other, "1")),
    }
}
