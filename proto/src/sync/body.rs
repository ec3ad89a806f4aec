//! The layout of version-2 bodies; the only module of the project that names `bincode`.
//!
//! The format is the one of bincode 1, described in `docs/mclagsyncd-v2.md`: little-endian
//! integers of fixed width, `u32` enum tags, `u64` lengths. It is ours, the crate is a detail
//! that can be replaced.

use bincode::error::DecodeError;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::frame;

/// Longest body in bytes.
const LIMIT: usize = frame::MAX_LEN - frame::HEADER_LEN;

/// The bytes of a body.
///
/// # Errors
///
/// When they do not fit a frame.
pub(super) fn encode(body: &impl Serialize) -> Result<Vec<u8>, BodyError> {
    let bytes = bincode::serde::encode_to_vec(body, config())
        .map_err(|error| BodyError::Malformed(error.to_string()))?;
    match bytes.len() {
        0..=LIMIT => Ok(bytes),
        length => Err(BodyError::TooLong(length)),
    }
}

/// The body in these bytes, all of them.
///
/// # Errors
///
/// When they are not such a body, or more than that.
pub(super) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, BodyError> {
    if bytes.len() > LIMIT {
        return Err(BodyError::TooLong(bytes.len()));
    }
    let decoded = bincode::serde::decode_from_slice(bytes, config());
    let (body, used) = decoded.map_err(|error| match error {
        DecodeError::OtherString(words) => BodyError::Value(words),
        error => BodyError::Malformed(error.to_string()),
    })?;
    match bytes.len() - used {
        0 => Ok(body),
        count => Err(BodyError::Trailing(count)),
    }
}

fn config() -> impl bincode::config::Config {
    bincode::config::legacy().with_limit::<LIMIT>()
}

/// Bytes that are not the body they should be.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum BodyError {
    /// Longer than a frame can carry, in bytes.
    #[error("body of {0} bytes is longer than a frame")]
    TooLong(usize),
    /// A value cannot be read.
    #[error("malformed body: {0}")]
    Malformed(String),
    /// A value can be read and is none that may stand there.
    #[error("{0}")]
    Value(String),
    /// Bytes are left behind the last value.
    #[error("{0} bytes behind the end of the body")]
    Trailing(usize),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_behind_the_body_are_refused() {
        assert_eq!(decode::<u16>(&[1, 2]), Ok(0x0201));
        assert_eq!(decode::<u16>(&[1, 2, 3]), Err(BodyError::Trailing(1)));
    }

    #[test]
    fn a_length_that_cannot_be_true_costs_no_memory() {
        let bytes = u64::MAX.to_le_bytes();
        assert!(decode::<String>(&bytes).is_err());
        assert!(decode::<Vec<u64>>(&bytes).is_err());
    }

    #[test]
    fn a_body_that_fits_no_frame_is_refused_before_it_is_sent() {
        let text = "x".repeat(LIMIT - 8);
        assert!(encode(&text).is_ok());
        assert_eq!(encode(&(text, 0_u8)), Err(BodyError::TooLong(LIMIT + 1)));
    }

    #[test]
    fn a_body_that_fills_its_frame_is_read_and_a_longer_one_is_not() {
        let full = vec![0_u8; LIMIT];
        assert_eq!(decode::<u8>(&full), Err(BodyError::Trailing(LIMIT - 1)));
        let longer = vec![0_u8; LIMIT + 1];
        assert_eq!(decode::<u8>(&longer), Err(BodyError::TooLong(LIMIT + 1)));
    }

    #[test]
    fn a_flag_is_zero_or_one() {
        assert_eq!(decode::<bool>(&[1]), Ok(true));
        assert!(decode::<bool>(&[2]).is_err());
    }
}
