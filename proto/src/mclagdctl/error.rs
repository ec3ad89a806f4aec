//! Why a reply could not be read.

/// Why a reply could not be read. Offsets count from the first byte of the reply.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// It ends inside a field.
    #[error("the reply ends inside {field} at byte {offset}")]
    Short {
        /// The field.
        field: &'static str,
        /// Where it begins.
        offset: usize,
    },
    /// A text without a final NUL.
    #[error("{field} at byte {offset} does not end with a NUL")]
    Unterminated {
        /// The field.
        field: &'static str,
        /// Where it begins.
        offset: usize,
    },
    /// A text with bytes that do not belong into one.
    #[error("{field} at byte {offset} is not text: byte {byte:#04x} in it")]
    NotText {
        /// The field.
        field: &'static str,
        /// Where it begins.
        offset: usize,
        /// The first byte that does not belong there.
        byte: u8,
    },
    /// A field with a value that it cannot have.
    #[error("{field} at byte {offset} is {found:?}, expected {expected}")]
    Value {
        /// The field.
        field: &'static str,
        /// Where it begins.
        offset: usize,
        /// What it holds.
        found: String,
        /// What it may hold.
        expected: &'static str,
    },
}
