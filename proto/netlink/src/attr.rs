//! Building and walking netlink messages: lengths and padding are written once, here.
//!
//! A message is a 16-byte header, a fixed header of its family and a list of attributes
//! (length, kind, value, padding to four bytes), some of which hold a list themselves. All of
//! it is in host byte order, except the values of nfnetlink.
//!
//! Reading is tolerant: an attribute that cannot be read is left out and never costs the rest
//! of the message, since the kernel is free to change or add attributes at any time.

use netlink_packet_core::Emitable;

/// One netlink message under construction.
///
/// Length and sequence number are filled in by [`Msg::seal`], when it is known what precedes it
/// on the wire.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Msg(Vec<u8>);

impl Msg {
    /// A message of this kind with these flags and the fixed header of its family.
    pub(crate) fn new(kind: u16, flags: u16, family_header: &[u8]) -> Self {
        let mut bytes = vec![0; NLMSG_HEADER_LEN];
        bytes[4..6].copy_from_slice(&kind.to_ne_bytes());
        bytes[6..8].copy_from_slice(&flags.to_ne_bytes());
        bytes.extend_from_slice(family_header);
        let mut msg = Self(bytes);
        msg.pad();
        msg
    }

    /// A message of this kind whose family header and attributes come from a typed message.
    pub(crate) fn typed(kind: u16, flags: u16, body: &impl Emitable) -> Self {
        let mut msg = Self::new(kind, flags, &[]);
        msg.0.resize(NLMSG_HEADER_LEN + body.buffer_len(), 0);
        body.emit(&mut msg.0[NLMSG_HEADER_LEN..]);
        msg.pad();
        msg
    }

    /// Append an attribute.
    pub(crate) fn attr(&mut self, kind: u16, value: &[u8]) {
        let len = u16::try_from(ATTR_HEADER_LEN + value.len()).expect("attribute fits 64 KiB");
        self.0.extend_from_slice(&len.to_ne_bytes());
        self.0.extend_from_slice(&kind.to_ne_bytes());
        self.0.extend_from_slice(value);
        self.pad();
    }

    /// Append an attribute holding a byte.
    pub(crate) fn attr_u8(&mut self, kind: u16, value: u8) {
        self.attr(kind, &[value]);
    }

    /// Append an attribute holding a number of 16 bits in host order.
    pub(crate) fn attr_u16(&mut self, kind: u16, value: u16) {
        self.attr(kind, &value.to_ne_bytes());
    }

    /// Append an attribute holding a number of 32 bits in host order.
    pub(crate) fn attr_u32(&mut self, kind: u16, value: u32) {
        self.attr(kind, &value.to_ne_bytes());
    }

    /// Append an attribute holding a number of 32 bits in network order, as nfnetlink wants it.
    pub(crate) fn attr_be32(&mut self, kind: u16, value: u32) {
        self.attr(kind, &value.to_be_bytes());
    }

    /// Append an attribute holding a text with its terminating zero.
    pub(crate) fn attr_str(&mut self, kind: u16, value: &str) {
        let mut bytes = Vec::with_capacity(value.len() + 1);
        bytes.extend_from_slice(value.as_bytes());
        bytes.push(0);
        self.attr(kind, &bytes);
    }

    /// A nested attribute whose length is known when the closure returns.
    pub(crate) fn nest(&mut self, kind: u16, fill: impl FnOnce(&mut Self)) {
        let start = self.0.len();
        self.attr(kind | NLA_F_NESTED, &[]);
        fill(self);
        let len = u16::try_from(self.0.len() - start).expect("attribute fits 64 KiB");
        self.0[start..start + 2].copy_from_slice(&len.to_ne_bytes());
    }

    /// Add flags to the header.
    pub(crate) fn add_flags(&mut self, flags: u16) {
        let now = u16::from_ne_bytes([self.0[6], self.0[7]]) | flags;
        self.0[6..8].copy_from_slice(&now.to_ne_bytes());
    }

    /// Fill in length and sequence number; the bytes are ready to be sent.
    pub(crate) fn seal(&mut self, sequence: u32) -> &[u8] {
        let len = u32::try_from(self.0.len()).expect("message fits 4 GiB");
        self.0[0..4].copy_from_slice(&len.to_ne_bytes());
        self.0[8..12].copy_from_slice(&sequence.to_ne_bytes());
        &self.0
    }

    /// Length in bytes on the wire.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// What follows the message header.
    #[cfg(test)]
    pub(crate) fn body(&self) -> &[u8] {
        &self.0[NLMSG_HEADER_LEN..]
    }

    fn pad(&mut self) {
        self.0.resize(self.0.len().next_multiple_of(4), 0);
    }
}

/// One message of a received datagram.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Received<'a> {
    /// Message type.
    pub(crate) kind: u16,
    /// Message flags.
    pub(crate) flags: u16,
    /// Sequence number of the request it answers; zero in events.
    pub(crate) sequence: u32,
    /// Port of the socket whose request this is about; zero for the kernel itself.
    pub(crate) port: u32,
    /// Everything after the message header.
    pub(crate) body: &'a [u8],
}

impl<'a> Received<'a> {
    /// The fixed header of the family and, if it is complete, the attributes behind it.
    pub(crate) fn split<const N: usize>(&self) -> Option<(&'a [u8; N], Attrs<'a>)> {
        let (header, _) = self.body.split_first_chunk()?;
        let attrs = self.body.get(N.next_multiple_of(4)..).unwrap_or_default();
        Some((header, Attrs(attrs)))
    }
}

/// Walks over the messages of one datagram; ends where a length makes no sense.
#[derive(Clone, Debug)]
pub(crate) struct Messages<'a>(pub(crate) &'a [u8]);

impl<'a> Iterator for Messages<'a> {
    type Item = Received<'a>;

    fn next(&mut self) -> Option<Received<'a>> {
        let (header, _) = self.0.split_first_chunk::<NLMSG_HEADER_LEN>()?;
        let [a, b, c, d, k0, k1, f0, f1, s0, s1, s2, s3, p0, p1, p2, p3] = *header;
        let len = usize::try_from(u32::from_ne_bytes([a, b, c, d])).ok()?;
        let body = self.0.get(NLMSG_HEADER_LEN..len)?;
        self.0 = self.0.get(len.next_multiple_of(4)..).unwrap_or_default();
        Some(Received {
            kind: u16::from_ne_bytes([k0, k1]),
            flags: u16::from_ne_bytes([f0, f1]),
            sequence: u32::from_ne_bytes([s0, s1, s2, s3]),
            port: u32::from_ne_bytes([p0, p1, p2, p3]),
            body,
        })
    }
}

/// One attribute that was read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Attr<'a> {
    /// Kind, without the bits for nesting and byte order.
    pub(crate) kind: u16,
    /// The value, without padding.
    pub(crate) value: &'a [u8],
}

impl<'a> Attr<'a> {
    /// The value as a byte, if it is one.
    pub(crate) fn u8(&self) -> Option<u8> {
        match *self.value {
            [byte] => Some(byte),
            _ => None,
        }
    }

    /// The value as a number in host order, if it has 16 bits.
    pub(crate) fn u16(&self) -> Option<u16> {
        self.value.try_into().ok().map(u16::from_ne_bytes)
    }

    /// The value as a number in host order, if it has 32 bits.
    pub(crate) fn u32(&self) -> Option<u32> {
        self.value.try_into().ok().map(u32::from_ne_bytes)
    }

    /// The value as a number in network order, if it has 32 bits.
    pub(crate) fn be32(&self) -> Option<u32> {
        self.value.try_into().ok().map(u32::from_be_bytes)
    }

    /// The value as text up to its first zero, if it is text.
    pub(crate) fn text(&self) -> Option<&'a str> {
        let end = self.value.iter().position(|&b| b == 0);
        std::str::from_utf8(&self.value[..end.unwrap_or(self.value.len())]).ok()
    }

    /// The attributes inside.
    pub(crate) fn nested(&self) -> Attrs<'a> {
        Attrs(self.value)
    }
}

/// Walks over attributes; a damaged length ends the walk of this list and of no other.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attrs<'a>(pub(crate) &'a [u8]);

impl<'a> Attrs<'a> {
    /// The first attribute of this kind.
    pub(crate) fn find(self, kind: u16) -> Option<Attr<'a>> {
        let mut attrs = self;
        Iterator::find(&mut attrs, |attr| attr.kind == kind)
    }
}

impl<'a> Iterator for Attrs<'a> {
    type Item = Attr<'a>;

    fn next(&mut self) -> Option<Attr<'a>> {
        let (&[l0, l1, k0, k1], _) = self.0.split_first_chunk()?;
        let len = usize::from(u16::from_ne_bytes([l0, l1]));
        let value = self.0.get(ATTR_HEADER_LEN..len)?;
        self.0 = self.0.get(len.next_multiple_of(4)..).unwrap_or_default();
        Some(Attr {
            kind: u16::from_ne_bytes([k0, k1]) & NLA_TYPE_MASK,
            value,
        })
    }
}

pub(crate) const NLMSG_HEADER_LEN: usize = 16;
const ATTR_HEADER_LEN: usize = 4;
const NLA_F_NESTED: u16 = 1 << 15;
const NLA_TYPE_MASK: u16 = 0x3fff;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    #[cfg(target_endian = "little")]
    fn a_message_is_header_family_header_and_padded_attributes() {
        let mut msg = Msg::new(0x10, 0x0305, &[7, 0, 0, 0]);
        msg.attr_u16(5, 10);
        msg.attr_str(3, "br0");
        msg.nest(14, |m| m.attr_u8(1, 3));
        assert_eq!(
            msg.seal(0x0102_0304),
            [
                0x30, 0, 0, 0, 0x10, 0, 0x05, 0x03, 4, 3, 2, 1, 0, 0, 0, 0, // header
                7, 0, 0, 0, // family header
                6, 0, 5, 0, 10, 0, 0, 0, // u16
                8, 0, 3, 0, b'b', b'r', b'0', 0, // text
                0x0c, 0, 0x0e, 0x80, 5, 0, 1, 0, 3, 0, 0, 0, // nest
            ]
        );
    }

    #[test]
    fn what_was_built_reads_back() {
        let mut msg = Msg::new(0x1c, 1, &[9; 12]);
        msg.attr_u32(8, 77);
        msg.attr_be32(9, 78);
        msg.nest(2, |m| {
            m.attr_u8(1, 5);
            m.attr_u16(2, 6);
        });
        let bytes = msg.seal(3).to_vec();
        let got: Vec<_> = Messages(&bytes).collect();
        let [got] = got[..] else {
            panic!("one message")
        };
        assert_eq!((got.kind, got.flags, got.sequence), (0x1c, 1, 3));
        let (header, attrs) = got.split::<12>().unwrap();
        assert_eq!(header, &[9; 12]);
        assert_eq!(attrs.find(8).and_then(|a| a.u32()), Some(77));
        assert_eq!(attrs.find(9).and_then(|a| a.be32()), Some(78));
        let nested = attrs.find(2).unwrap().nested();
        assert_eq!(nested.find(1).and_then(|a| a.u8()), Some(5));
        assert_eq!(nested.find(2).and_then(|a| a.u16()), Some(6));
        assert_eq!(nested.find(2).and_then(|a| a.u32()), None);
    }

    #[test]
    fn a_damaged_nest_does_not_cost_its_siblings() {
        let mut msg = Msg::new(1, 0, &[]);
        // The inner attribute claims 200 bytes.
        msg.attr(1, &[200, 0, 1, 0, 1]);
        msg.attr_u8(2, 9);
        let attrs = Attrs(msg.body());
        assert_eq!(attrs.find(1).unwrap().nested().count(), 0);
        assert_eq!(attrs.find(2).and_then(|a| a.u8()), Some(9));
    }

    #[test]
    fn a_length_below_its_own_header_ends_the_walk() {
        assert_eq!(Attrs(&[3, 0, 1, 0, 8, 0, 1, 0]).count(), 0);
        assert_eq!(Messages(&[0; 64]).count(), 0);
    }

    proptest! {
        #[test]
        fn any_bytes_can_be_walked(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            for message in Messages(&bytes) {
                if let Some((_, attrs)) = message.split::<16>() {
                    for attr in attrs {
                        let _ = (attr.text(), attr.u8(), attr.nested().count());
                    }
                }
            }
            let _ = Attrs(&bytes).count();
        }
    }
}
