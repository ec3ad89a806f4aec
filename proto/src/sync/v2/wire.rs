//! The bodies that travel, and conversions from and to what the programs work with. Operations
//! and events, which the bodies hold, are in [`super::values`].
//!
//! **Frozen.** Each struct and enum here is a layout that other programs read
//! (`docs/mclagsyncd-v2.md`); none is ever edited, not even the order of its fields or variants.
//! A new field means a version 3. Conversions destructure without `..`, and layouts of the model's own
//! types are complete, so that a field added to the model stops the build where it must be decided
//! whether version 2 can carry it.

use serde::{Deserialize, Serialize};

use super::values::{EventV2, OpErrorCodeV2, Received, Sent};
use super::{
    Capabilities, ClientHello, EncodeError, ErrorCode, MAX_EVENTS_PER_MESSAGE, MAX_OPS_PER_BATCH,
    MAX_TEXT, ServerHello,
};
use crate::sync::body::{self, BodyError};
use crate::sync::model::{Abilities, Event, Op, OpError, OpErrorCode};

/// Body of a client's hello.
#[derive(Deserialize, Serialize)]
struct ClientHelloV2 {
    min_version: u8,
    max_version: u8,
    capabilities: u64,
    software: String,
    events_up_to: u64,
}

/// Body of a batch of such operations.
#[derive(Deserialize, Serialize)]
struct BatchV2<O> {
    number: u64,
    ops: Vec<O>,
}

/// Body of a credit.
#[derive(Deserialize, Serialize)]
struct CreditV2 {
    up_to: u64,
}

/// Body of a server's hello.
#[derive(Deserialize, Serialize)]
struct ServerHelloV2 {
    version: u8,
    capabilities: u64,
    abilities: u64,
    backend: String,
    window: u32,
}

/// Body of the answer to a batch: operations that are not listed succeeded.
#[derive(Deserialize, Serialize)]
struct BatchResultV2 {
    number: u64,
    count: u32,
    failures: Vec<FailureV2>,
}

/// One failed operation of a batch.
#[derive(Deserialize, Serialize)]
struct FailureV2 {
    index: u32,
    #[serde(with = "OpErrorCodeV2")]
    code: OpErrorCode,
    text: String,
}

/// Body of a message of events.
#[derive(Deserialize, Serialize)]
struct EventsV2 {
    number: u64,
    events: Vec<EventV2>,
}

/// Body of an error. The code is a number, so that an unknown one can be shown.
#[derive(Deserialize, Serialize)]
struct ErrorV2 {
    code: u32,
    text: String,
}

/// A body that can be read and still says something impossible, or cannot be read at all.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ValueError {
    /// The bytes are not such a body.
    #[error(transparent)]
    Body(#[from] BodyError),
    /// A text longer than [`MAX_TEXT`].
    #[error("text of {0} bytes, limit is {MAX_TEXT}")]
    Text(usize),
    /// More operations, results or events than one message may hold.
    #[error("{count} {what} in one message, limit is {limit}")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many.
        count: usize,
        /// How many are allowed.
        limit: usize,
    },
    /// A failed operation that the batch does not have, or out of order.
    #[error("failure names operation {index} of {count}, out of range or out of order")]
    Index {
        /// Index given.
        index: u32,
        /// Number of operations in the batch.
        count: u32,
    },
    /// A window that would never let a batch through.
    #[error("window of 0 batches")]
    Window,
}

pub(super) fn encode_client_hello(hello: &ClientHello) -> Result<Vec<u8>, EncodeError> {
    let ClientHello {
        versions,
        capabilities,
        software,
        events_up_to,
    } = hello;
    Ok(body::encode(&ClientHelloV2 {
        min_version: *versions.start(),
        max_version: *versions.end(),
        capabilities: capabilities.bits(),
        software: cut(software),
        events_up_to: *events_up_to,
    })?)
}

pub(super) fn decode_client_hello(bytes: &[u8]) -> Result<ClientHello, ValueError> {
    let ClientHelloV2 {
        min_version,
        max_version,
        capabilities,
        software,
        events_up_to,
    } = body::decode(bytes)?;
    Ok(ClientHello {
        versions: min_version..=max_version,
        capabilities: Capabilities::from_bits_retain(capabilities),
        software: text(software)?,
        events_up_to,
    })
}

pub(super) fn encode_batch(number: u64, ops: &[Op]) -> Result<Vec<u8>, EncodeError> {
    if ops.len() > MAX_OPS_PER_BATCH {
        return Err(EncodeError::TooMany {
            what: "operations",
            count: ops.len(),
            limit: MAX_OPS_PER_BATCH,
        });
    }
    let ops = ops.iter().map(Sent).collect();
    Ok(body::encode(&BatchV2 { number, ops })?)
}

pub(super) fn decode_batch(bytes: &[u8]) -> Result<(u64, Vec<Op>), ValueError> {
    let BatchV2 { number, ops } = body::decode(bytes)?;
    at_most("operations", ops.len(), MAX_OPS_PER_BATCH)?;
    let ops = ops.into_iter().map(|Received(op)| op);
    Ok((number, ops.collect()))
}

pub(super) fn encode_credit(up_to: u64) -> Result<Vec<u8>, EncodeError> {
    Ok(body::encode(&CreditV2 { up_to })?)
}

pub(super) fn decode_credit(bytes: &[u8]) -> Result<u64, ValueError> {
    let CreditV2 { up_to } = body::decode(bytes)?;
    Ok(up_to)
}

pub(super) fn decode_empty(bytes: &[u8]) -> Result<(), ValueError> {
    Ok(body::decode(bytes)?)
}

pub(super) fn encode_server_hello(hello: &ServerHello) -> Result<Vec<u8>, EncodeError> {
    let ServerHello {
        version,
        capabilities,
        abilities,
        backend,
        window,
    } = hello;
    Ok(body::encode(&ServerHelloV2 {
        version: *version,
        capabilities: capabilities.bits(),
        abilities: abilities.bits(),
        backend: cut(backend),
        window: *window,
    })?)
}

pub(super) fn decode_server_hello(bytes: &[u8]) -> Result<ServerHello, ValueError> {
    let ServerHelloV2 {
        version,
        capabilities,
        abilities,
        backend,
        window,
    } = body::decode(bytes)?;
    if window == 0 {
        return Err(ValueError::Window);
    }
    Ok(ServerHello {
        version,
        capabilities: Capabilities::from_bits_retain(capabilities),
        abilities: Abilities::from_bits(abilities),
        backend: text(backend)?,
        window,
    })
}

pub(super) fn encode_batch_result(
    number: u64,
    results: &[Result<(), OpError>],
) -> Result<Vec<u8>, EncodeError> {
    let too_many = EncodeError::TooMany {
        what: "results",
        count: results.len(),
        limit: MAX_OPS_PER_BATCH,
    };
    if results.len() > MAX_OPS_PER_BATCH {
        return Err(too_many);
    }
    let mut failures = Vec::new();
    for (index, result) in (0_u32..).zip(results) {
        if let Err(OpError { code, text }) = result {
            failures.push(FailureV2 {
                index,
                code: *code,
                text: cut(text),
            });
        }
    }
    let count = u32::try_from(results.len()).map_err(|_| too_many)?;
    Ok(body::encode(&BatchResultV2 {
        number,
        count,
        failures,
    })?)
}

pub(super) fn decode_batch_result(
    bytes: &[u8],
) -> Result<(u64, Vec<Result<(), OpError>>), ValueError> {
    let BatchResultV2 {
        number,
        count,
        failures,
    } = body::decode(bytes)?;
    let size = usize::try_from(count).unwrap_or(usize::MAX);
    at_most("results", size, MAX_OPS_PER_BATCH)?;
    let mut results: Vec<Result<(), OpError>> = Vec::with_capacity(size);
    for failure in failures {
        let FailureV2 {
            index,
            code,
            text: words,
        } = failure;
        let at = usize::try_from(index).unwrap_or(usize::MAX);
        if at >= size || at < results.len() {
            return Err(ValueError::Index { index, count });
        }
        results.resize(at, Ok(()));
        results.push(Err(OpError {
            code,
            text: text(words)?,
        }));
    }
    results.resize(size, Ok(()));
    Ok((number, results))
}

pub(super) fn encode_events(number: u64, events: &[Event]) -> Result<Vec<u8>, EncodeError> {
    if events.len() > MAX_EVENTS_PER_MESSAGE {
        return Err(EncodeError::TooMany {
            what: "events",
            count: events.len(),
            limit: MAX_EVENTS_PER_MESSAGE,
        });
    }
    let events = events.iter().map(EventV2::from).collect();
    Ok(body::encode(&EventsV2 { number, events })?)
}

pub(super) fn decode_events(bytes: &[u8]) -> Result<(u64, Vec<Event>), ValueError> {
    let EventsV2 { number, events } = body::decode(bytes)?;
    at_most("events", events.len(), MAX_EVENTS_PER_MESSAGE)?;
    let events = events.into_iter().map(Event::from);
    Ok((number, events.collect()))
}

pub(super) fn encode_error(code: ErrorCode, words: &str) -> Result<Vec<u8>, EncodeError> {
    Ok(body::encode(&ErrorV2 {
        code: code.into(),
        text: cut(words),
    })?)
}

pub(super) fn decode_error(bytes: &[u8]) -> Result<(ErrorCode, String), ValueError> {
    let ErrorV2 { code, text: words } = body::decode(bytes)?;
    Ok((code.into(), text(words)?))
}

fn at_most(what: &'static str, count: usize, limit: usize) -> Result<(), ValueError> {
    if count > limit {
        return Err(ValueError::TooMany { what, count, limit });
    }
    Ok(())
}

/// A text as it may be sent: cut at the last whole character that fits.
fn cut(words: &str) -> String {
    words[..words.floor_char_boundary(MAX_TEXT)].to_owned()
}

fn text(words: String) -> Result<String, ValueError> {
    match words.len() {
        0..=MAX_TEXT => Ok(words),
        length => Err(ValueError::Text(length)),
    }
}

impl From<ErrorCode> for u32 {
    fn from(code: ErrorCode) -> Self {
        match code {
            ErrorCode::Version => 1,
            ErrorCode::Malformed => 2,
            ErrorCode::Unexpected => 3,
            ErrorCode::Replaced => 4,
            ErrorCode::Stopping => 5,
            ErrorCode::Failed => 6,
            ErrorCode::Denied => 7,
            ErrorCode::Restoring => 8,
            ErrorCode::Other(code) => code,
        }
    }
}

impl From<u32> for ErrorCode {
    fn from(code: u32) -> Self {
        match code {
            1 => Self::Version,
            2 => Self::Malformed,
            3 => Self::Unexpected,
            4 => Self::Replaced,
            5 => Self::Stopping,
            6 => Self::Failed,
            7 => Self::Denied,
            8 => Self::Restoring,
            code => Self::Other(code),
        }
    }
}
