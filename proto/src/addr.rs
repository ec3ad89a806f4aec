//! Values that cannot be wrong: parsed once at the edge, never checked again inside.

use std::fmt;
use std::num::NonZeroU16;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A 48-bit Ethernet address, in reading order.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Mac(pub [u8; 6]);

impl Mac {
    /// The all-zero address, which no host uses and both legacy daemons ignore.
    pub const ZERO: Self = Self([0; 6]);

    /// True for the all-zero address.
    #[must_use]
    pub const fn is_zero(self) -> bool {
        matches!(self.0, [0, 0, 0, 0, 0, 0])
    }

    /// True for group addresses: multicast and broadcast.
    #[must_use]
    pub const fn is_multicast(self) -> bool {
        self.0[0] & 1 == 1
    }

    /// True for an address that one host can own.
    #[must_use]
    pub const fn is_unicast(self) -> bool {
        !self.is_multicast() && !self.is_zero()
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

/// Who is at the other end of a LAG, as LACP says: both ends of one LAG of a host show the same.
#[derive(
    Clone, Copy, Debug, Default, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize,
)]
#[serde(from = "RecordedPartner")]
pub struct LacpPartner {
    /// Its system id.
    pub system: Mac,
    /// Its operational key: the same for ports of one LAG of its, different for others.
    pub key: u16,
}

impl fmt::Display for LacpPartner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} key {}", self.system, self.key)
    }
}

/// Whether a LAG speaks LACP. An interface that is no LAG speaks none.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum LagKind {
    /// It does not: its members carry data with their carrier.
    Static,
    /// It does.
    Lacp,
}

impl LagKind {
    /// As it is called in settings.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Static => "static",
            Self::Lacp => "lacp",
        }
    }
}

/// A partner in a recording; those of earlier versions have the system id alone.
#[derive(Deserialize)]
#[serde(untagged)]
enum RecordedPartner {
    System(Mac),
    Both { system: Mac, key: u16 },
}

impl From<RecordedPartner> for LacpPartner {
    fn from(recorded: RecordedPartner) -> Self {
        match recorded {
            RecordedPartner::System(system) => Self { system, key: 0 },
            RecordedPartner::Both { system, key } => Self { system, key },
        }
    }
}

impl FromStr for Mac {
    type Err = InvalidMac;

    /// Six pairs of hexadecimal digits of either case, separated all by `:` or all by `-`.
    fn from_str(text: &str) -> Result<Self, InvalidMac> {
        let separator = if text.contains('-') { '-' } else { ':' };
        let mut bytes = [0; 6];
        let mut parts = text.split(separator);
        for byte in &mut bytes {
            let part = parts.next().ok_or(InvalidMac)?;
            if part.len() != 2 || !part.bytes().all(|b| b.is_ascii_hexdigit()) {
                return Err(InvalidMac);
            }
            *byte = u8::from_str_radix(part, 16).map_err(|_| InvalidMac)?;
        }
        match parts.next() {
            None => Ok(Self(bytes)),
            Some(_) => Err(InvalidMac),
        }
    }
}

/// A text that is not a MAC address.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("not a MAC address of the form 02:00:5e:00:00:01")]
pub struct InvalidMac;

/// Text where people read it, six bytes elsewhere.
impl Serialize for Mac {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match serializer.is_human_readable() {
            true => serializer.collect_str(self),
            false => self.0.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Mac {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match deserializer.is_human_readable() {
            true => parse_text(deserializer),
            false => Deserialize::deserialize(deserializer).map(Self),
        }
    }
}

/// A VLAN identifier that is known to be valid (1..=4094).
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(try_from = "u16", into = "u16")]
pub struct Vid(u16);

impl Vid {
    /// The identifier that a bridge without VLAN filtering stands for.
    pub const DEFAULT: Self = Self(1);

    /// `None` unless `raw` is within 1..=4094.
    #[must_use]
    pub const fn new(raw: u16) -> Option<Self> {
        match raw {
            1..=4094 => Some(Self(raw)),
            _ => None,
        }
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }
}

impl fmt::Display for Vid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<Vid> for u16 {
    fn from(vid: Vid) -> Self {
        vid.0
    }
}

impl TryFrom<u16> for Vid {
    type Error = InvalidVid;

    fn try_from(raw: u16) -> Result<Self, InvalidVid> {
        Self::new(raw).ok_or(InvalidVid(raw))
    }
}

/// A number that is not a VLAN identifier.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("VLAN {0} is not within 1..=4094")]
pub struct InvalidVid(pub u16);

/// An interface name: 1 to 20 bytes of printable ASCII without blank, `/` or `:`.
///
/// Linux allows 15 bytes ([`IfName::KERNEL_MAX`]); the wire formats have fields of 20, and a
/// legacy sender may fill them, so a name that is legal on the wire need not exist in any kernel.
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
pub struct IfName {
    len: u8,
    bytes: [u8; Self::MAX],
}

impl IfName {
    /// Longest name in bytes that a wire format can carry.
    pub const MAX: usize = 20;
    /// Longest name in bytes that Linux accepts.
    pub const KERNEL_MAX: usize = 15;

    /// Parse a name.
    ///
    /// # Errors
    ///
    /// When the text is empty, too long, `.`, `..`, or holds a byte Linux refuses in a name.
    pub fn new(text: &str) -> Result<Self, InvalidIfName> {
        let raw = text.as_bytes();
        let legal = |b: &u8| b.is_ascii_graphic() && !matches!(b, b'/' | b':');
        if raw.is_empty()
            || raw.len() > Self::MAX
            || !raw.iter().all(legal)
            || matches!(text, "." | "..")
        {
            return Err(InvalidIfName);
        }
        let mut bytes = [0; Self::MAX];
        bytes[..raw.len()].copy_from_slice(raw);
        let len = u8::try_from(raw.len()).map_err(|_| InvalidIfName)?;
        Ok(Self { len, bytes })
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[..usize::from(self.len)]).expect("names are ASCII")
    }

    /// True if Linux could have an interface of this name.
    #[must_use]
    pub fn fits_kernel(&self) -> bool {
        usize::from(self.len) <= Self::KERNEL_MAX
    }
}

impl IfName {
    /// What names are ordered by, as text is: numbers, which are compared faster than bytes. Tables of ports are searched
    /// for names all the time.
    const fn order(&self) -> (u128, u32) {
        let [head @ .., a, b, c, d] = self.bytes;
        (u128::from_be_bytes(head), u32::from_be_bytes([a, b, c, d]))
    }
}

impl Ord for IfName {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.order().cmp(&other.order())
    }
}

impl PartialOrd for IfName {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Debug for IfName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for IfName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for IfName {
    type Err = InvalidIfName;

    fn from_str(text: &str) -> Result<Self, InvalidIfName> {
        Self::new(text)
    }
}

impl Serialize for IfName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for IfName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        parse_text(deserializer)
    }
}

/// A text that cannot name an interface.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("not an interface name: 1 to 20 printable characters without blank, '/' or ':'")]
pub struct InvalidIfName;

/// The number by which the peer protocol refers to a LAG (`spec/iccp.md` 4.14).
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AggregatorId(pub u16);

impl AggregatorId {
    /// The number that other implementations give a LAG: the first run of digits in its name, modulo 2^16;
    /// a name without digits gets [`Self::of_whole`], as the older dialect has it. LAGs of different names may
    /// have it in common.
    #[must_use]
    pub fn of(name: &IfName) -> Self {
        let text = name.as_str();
        let digits = text.bytes().skip_while(|b| !b.is_ascii_digit());
        let mut number = None;
        for digit in digits.take_while(u8::is_ascii_digit) {
            let value = u32::from(digit - b'0');
            number = Some(number.unwrap_or(0_u32).wrapping_mul(10).wrapping_add(value));
        }
        number.map_or_else(|| Self::of_whole(name), Self::low_half)
    }

    /// A hash of all of the name: Jenkins one-at-a-time, low 16 bits.
    #[must_use]
    pub fn of_whole(name: &IfName) -> Self {
        Self::low_half(one_at_a_time(name.as_str()))
    }

    #[allow(
        clippy::cast_possible_truncation,
        reason = "the wire field has 16 bits"
    )]
    const fn low_half(number: u32) -> Self {
        Self((number & 0xffff) as u16)
    }
}

impl fmt::Display for AggregatorId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

fn one_at_a_time(text: &str) -> u32 {
    let mut hash = 0_u32;
    for byte in text.bytes() {
        hash = hash.wrapping_add(u32::from(byte));
        hash = hash.wrapping_add(hash << 10);
        hash ^= hash >> 6;
    }
    hash = hash.wrapping_add(hash << 3);
    hash ^= hash >> 11;
    hash.wrapping_add(hash << 15)
}

/// The number of the pair, 1..=65535; carried as the redundancy group id (RFC 7275, RG ID).
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(try_from = "u16", into = "u16")]
pub struct DomainId(NonZeroU16);

impl DomainId {
    /// `None` for zero.
    #[must_use]
    pub const fn new(raw: u16) -> Option<Self> {
        match NonZeroU16::new(raw) {
            Some(raw) => Some(Self(raw)),
            None => None,
        }
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0.get()
    }
}

impl From<DomainId> for u16 {
    fn from(id: DomainId) -> Self {
        id.get()
    }
}

impl TryFrom<u16> for DomainId {
    type Error = InvalidDomainId;

    fn try_from(raw: u16) -> Result<Self, InvalidDomainId> {
        Self::new(raw).ok_or(InvalidDomainId(raw))
    }
}

/// A number that no pair has.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("domain {0} is not within 1..=65535")]
pub struct InvalidDomainId(pub u16);

impl fmt::Display for DomainId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The mLACP node id of one chassis (RFC 7275, section 7.2.3): only ever compared for equality.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NodeId(pub u8);

fn parse_text<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr,
    T::Err: fmt::Display,
{
    let text = String::deserialize(deserializer)?;
    // A long text is somebody's mistake or malice; the message need not repeat all of it.
    text.parse().map_err(|error| {
        let shown: String = text.chars().take(40).collect();
        serde::de::Error::custom(format_args!("{shown:?}: {error}"))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_mac_reads_back_as_written() {
        let mac = Mac([0x02, 0, 0x5e, 0xab, 0, 1]);
        assert_eq!(mac.to_string(), "02:00:5e:ab:00:01");
        assert_eq!("02:00:5e:AB:00:01".parse(), Ok(mac));
        assert_eq!("02-00-5e-ab-00-01".parse(), Ok(mac));
    }

    #[test]
    fn a_text_that_is_nearly_a_mac_is_refused() {
        for text in [
            "",
            "02",
            "02:00:5e:ab:00",
            "02:00:5e:ab:00:01:02",
            "2:00:5e:ab:00:01",
            "02:00:5e:ab:00:+1",
        ] {
            assert_eq!(text.parse::<Mac>(), Err(InvalidMac), "{text:?}");
        }
    }

    #[test]
    fn vids_are_1_to_4094() {
        assert_eq!(Vid::new(0), None);
        assert_eq!(Vid::new(4095), None);
        assert_eq!(Vid::new(4094).map(Vid::get), Some(4094));
    }

    #[test]
    fn names_that_linux_refuses_are_refused() {
        for text in [
            "",
            ".",
            "..",
            "a/b",
            "a b",
            "a:b",
            "a\0b",
            "ä",
            "123456789012345678901",
        ] {
            assert_eq!(IfName::new(text), Err(InvalidIfName), "{text:?}");
        }
        assert!(IfName::new("PortChannel0001").unwrap().fits_kernel());
        assert!(!IfName::new("1234567890123456").unwrap().fits_kernel());
    }

    #[test]
    fn names_sort_as_text() {
        let mut names = ["b", "ab", "a"].map(|n| IfName::new(n).unwrap());
        names.sort();
        assert_eq!(names.map(|n| n.to_string()), ["a", "ab", "b"]);
    }

    proptest! {
        #[test]
        fn any_two_names_are_ordered_as_their_texts(a in "[!-.;-~]{1,20}", b in "[!-.;-~]{1,20}", shared in 0_usize..20) {
            // Most pairs differ at once; these do so behind a common beginning.
            let b = format!("{}{b}", &a[..shared.min(a.len())]);
            let b = &b[..b.len().min(IfName::MAX)];
            if let (Ok(x), Ok(y)) = (IfName::new(&a), IfName::new(b)) {
                prop_assert_eq!(x.cmp(&y), a.as_str().cmp(b));
                prop_assert_eq!(x == y, a == b);
            }
        }
    }

    /// `spec/iccp.md` 4.14, including its examples of hashed names.
    #[test]
    fn aggregator_ids_come_from_the_name() {
        for (name, id) in [
            ("PortChannel0001", 1),
            ("server2", 2),
            ("bond10.5", 10),
            ("peerlink", 0xe862),
            ("uplink", 0x5e76),
            ("rack", 0xb9db),
        ] {
            let name = IfName::new(name).unwrap();
            assert_eq!(AggregatorId::of(&name), AggregatorId(id), "{name}");
        }
    }
}
