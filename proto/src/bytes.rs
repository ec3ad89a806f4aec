//! The checked cursor over received bytes, and its counterpart for sending.
//!
//! Which byte order a number has is up to whoever reads or writes it: ICCP of SONiC is big-endian,
//! the mclagsyncd protocol and the older ICCP are little-endian.

/// The input ended inside a value.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("unexpected end of data")]
pub struct UnexpectedEnd;

/// A cursor over received bytes. Every accessor is checked; none can panic.
#[derive(Clone, Debug)]
pub struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// A cursor at the start of `bytes`.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The next `len` bytes.
    ///
    /// # Errors
    ///
    /// When fewer are left; nothing is consumed then.
    pub fn take(&mut self, len: usize) -> Result<&'a [u8], UnexpectedEnd> {
        let (head, tail) = self.0.split_at_checked(len).ok_or(UnexpectedEnd)?;
        self.0 = tail;
        Ok(head)
    }

    /// The next `N` bytes, copied.
    ///
    /// # Errors
    ///
    /// When fewer are left.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], UnexpectedEnd> {
        let (head, tail) = self.0.split_first_chunk().ok_or(UnexpectedEnd)?;
        self.0 = tail;
        Ok(*head)
    }

    /// A big-endian 16-bit integer.
    ///
    /// # Errors
    ///
    /// When fewer than two bytes are left.
    pub fn u16(&mut self) -> Result<u16, UnexpectedEnd> {
        self.array().map(u16::from_be_bytes)
    }

    /// A reader confined to the next `len` bytes: a nested TLV cannot read past its parent.
    ///
    /// # Errors
    ///
    /// When fewer are left.
    pub fn sub(&mut self, len: usize) -> Result<Reader<'a>, UnexpectedEnd> {
        self.take(len).map(Reader)
    }

    /// Everything not yet read.
    #[must_use]
    pub const fn rest(&self) -> &'a [u8] {
        self.0
    }

    /// Number of bytes not yet read.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// True when everything has been read.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Bytes to be sent.
#[derive(Clone, Debug, Default)]
pub struct Writer(Vec<u8>);

impl Writer {
    /// An empty message.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Append bytes as they are.
    pub fn put(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// Append one byte.
    pub fn u8(&mut self, value: u8) {
        self.0.push(value);
    }

    /// Append a 16-bit integer, little-endian.
    pub fn u16_le(&mut self, value: u16) {
        self.put(&value.to_le_bytes());
    }

    /// Append a 32-bit integer, little-endian.
    pub fn u32_le(&mut self, value: u32) {
        self.put(&value.to_le_bytes());
    }

    /// Append `count` zero bytes.
    pub fn zeros(&mut self, count: usize) {
        self.0.resize(self.0.len() + count, 0);
    }

    /// Append a text field of a fixed `width`, padded with NUL; a longer text is cut.
    pub fn text(&mut self, text: &str, width: usize) {
        let kept = &text.as_bytes()[..text.len().min(width)];
        self.put(kept);
        self.zeros(width - kept.len());
    }

    /// Overwrite bytes written before, to fill in a length that is known only now.
    ///
    /// # Panics
    ///
    /// When `at..at + bytes.len()` has not been written yet.
    pub fn patch(&mut self, at: usize, bytes: &[u8]) {
        self.0[at..at + bytes.len()].copy_from_slice(bytes);
    }

    /// Number of bytes written so far.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// True when nothing has been written.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The finished bytes.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

/// The text of a fixed-size field: up to the first NUL, or all of it when there is none.
///
/// Real senders leave garbage behind the NUL (`spec/mclagsyncd-protocol.md`, conventions).
///
/// # Errors
///
/// When the text is not UTF-8.
pub fn text_field(field: &[u8]) -> Result<&str, std::str::Utf8Error> {
    let end = field.iter().position(|&b| b == 0).unwrap_or(field.len());
    std::str::from_utf8(&field[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nested_reader_cannot_leave_its_parent() {
        let mut outer = Reader::new(&[1, 2, 3, 4]);
        let mut inner = outer.sub(2).unwrap();
        assert_eq!(inner.u16(), Ok(0x0102));
        assert_eq!(inner.array::<1>(), Err(UnexpectedEnd));
        assert_eq!(outer.array(), Ok([3, 4]));
        assert!(outer.is_empty());
    }

    #[test]
    fn a_failed_read_consumes_nothing() {
        let mut reader = Reader::new(&[1, 2]);
        assert_eq!(reader.array::<4>(), Err(UnexpectedEnd));
        assert_eq!(reader.u16(), Ok(0x0102));
    }

    #[test]
    fn text_stops_at_the_first_nul_and_garbage_behind_it_is_ignored() {
        assert_eq!(text_field(b"swp1\0\xff\xfe"), Ok("swp1"));
        assert_eq!(text_field(b"full"), Ok("full"));
        assert!(text_field(b"\xff\0").is_err());
    }

    #[test]
    fn a_text_longer_than_its_field_is_cut() {
        let mut out = Writer::new();
        out.text("abcdef", 4);
        out.text("a", 3);
        assert_eq!(out.into_bytes(), b"abcda\0\0");
    }
}
