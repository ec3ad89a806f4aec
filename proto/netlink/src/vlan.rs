//! Which VLANs a bridge port carries.

use std::fmt;

use mclag_proto::Vid;

use crate::attr::{Attrs, Msg};

/// A set of VLAN identifiers.
#[derive(Clone, Eq, Hash, PartialEq)]
pub struct VlanSet(Box<[u64; 64]>);

impl VlanSet {
    /// The empty set.
    #[must_use]
    pub fn new() -> Self {
        Self(Box::new([0; 64]))
    }

    /// Add an identifier; true if it was not there.
    pub fn insert(&mut self, vid: Vid) -> bool {
        let (word, bit) = place(vid);
        let before = self.0[word];
        self.0[word] |= bit;
        before != self.0[word]
    }

    /// Take an identifier out; true if it was there.
    pub fn remove(&mut self, vid: Vid) -> bool {
        let (word, bit) = place(vid);
        let before = self.0[word];
        self.0[word] &= !bit;
        before != self.0[word]
    }

    /// True if the identifier is in the set.
    #[must_use]
    pub fn contains(&self, vid: Vid) -> bool {
        let (word, bit) = place(vid);
        self.0[word] & bit != 0
    }

    /// How many identifiers are in the set.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// True if nothing is in the set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|&word| word == 0)
    }

    /// The identifiers, in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = Vid> + '_ {
        (1..=4094)
            .filter_map(Vid::new)
            .filter(|&vid| self.contains(vid))
    }
}

impl Default for VlanSet {
    fn default() -> Self {
        Self::new()
    }
}

impl FromIterator<Vid> for VlanSet {
    fn from_iter<I: IntoIterator<Item = Vid>>(vids: I) -> Self {
        let mut set = Self::new();
        set.extend(vids);
        set
    }
}

impl Extend<Vid> for VlanSet {
    fn extend<I: IntoIterator<Item = Vid>>(&mut self, vids: I) {
        for vid in vids {
            self.insert(vid);
        }
    }
}

/// As ranges: `1,10-20`.
impl fmt::Display for VlanSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut vids = self.iter().map(Vid::get).peekable();
        let mut separator = "";
        while let Some(first) = vids.next() {
            let mut last = first;
            while let Some(next) = vids.next_if_eq(&(last + 1)) {
                last = next;
            }
            write!(f, "{separator}{first}")?;
            if last != first {
                write!(f, "-{last}")?;
            }
            separator = ",";
        }
        Ok(())
    }
}

impl fmt::Debug for VlanSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VlanSet({self})")
    }
}

/// The VLANs of one bridge port, or of the bridge itself.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct BridgeVlans {
    /// All VLANs of the port.
    pub vids: VlanSet,
    /// Those of them that leave the port without a tag.
    pub untagged: VlanSet,
    /// The VLAN of frames that arrive without a tag.
    pub pvid: Option<Vid>,
}

impl BridgeVlans {
    /// Read `IFLA_AF_SPEC` of an `AF_BRIDGE` link message, ranges or not. None when the message is about something else
    /// of the port (MRP, CFM); the kernel leaves the attribute out where a port has no VLAN, which is an empty one here.
    pub(crate) fn read(af_spec: Attrs<'_>) -> Option<Self> {
        let is_of_others = |kind| matches!(kind, IFLA_BRIDGE_MRP | IFLA_BRIDGE_CFM);
        let mut kinds = af_spec.map(|attr| attr.kind);
        if kinds.any(is_of_others) && af_spec.find(IFLA_BRIDGE_VLAN_INFO).is_none() {
            return None;
        }
        let mut vlans = Self::default();
        let mut range_start = None;
        for attr in af_spec {
            let (IFLA_BRIDGE_VLAN_INFO, &[f0, f1, v0, v1]) = (attr.kind, attr.value) else {
                continue;
            };
            let flags = u16::from_ne_bytes([f0, f1]);
            let vid = u16::from_ne_bytes([v0, v1]);
            if flags & VLAN_INFO_RANGE_BEGIN != 0 {
                range_start = Some(vid);
                continue;
            }
            let first = match range_start.take() {
                Some(start) if flags & VLAN_INFO_RANGE_END != 0 => start,
                _ => vid,
            };
            let range = || (first..=vid).filter_map(Vid::new);
            vlans.vids.extend(range());
            if flags & VLAN_INFO_UNTAGGED != 0 {
                vlans.untagged.extend(range());
            }
            if flags & VLAN_INFO_PVID != 0 {
                vlans.pvid = Vid::new(vid);
            }
        }
        Some(vlans)
    }
}

/// The request for the VLANs of all bridge ports.
pub(crate) fn dump_request() -> Msg {
    let mut header = [0; crate::link::HEADER_LEN];
    header[0] = crate::link::AF_BRIDGE;
    let mut msg = Msg::new(crate::link::RTM_GETLINK, 0, &header);
    msg.attr_u32(IFLA_EXT_MASK, RTEXT_FILTER_BRVLAN_COMPRESSED);
    msg
}

const fn place(vid: Vid) -> (usize, u64) {
    let raw = vid.get();
    ((raw / 64) as usize, 1 << (raw % 64))
}

const IFLA_EXT_MASK: u16 = 29;
const RTEXT_FILTER_BRVLAN_COMPRESSED: u32 = 1 << 2;
const IFLA_BRIDGE_VLAN_INFO: u16 = 2;
const IFLA_BRIDGE_MRP: u16 = 4;
const IFLA_BRIDGE_CFM: u16 = 5;
const VLAN_INFO_PVID: u16 = 1 << 1;
const VLAN_INFO_UNTAGGED: u16 = 1 << 2;
const VLAN_INFO_RANGE_BEGIN: u16 = 1 << 3;
const VLAN_INFO_RANGE_END: u16 = 1 << 4;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn vid(raw: u16) -> Vid {
        Vid::new(raw).unwrap()
    }

    fn vlan_info(flags: u16, vid: u16) -> Vec<u8> {
        [8, IFLA_BRIDGE_VLAN_INFO, flags, vid]
            .into_iter()
            .flat_map(u16::to_ne_bytes)
            .collect()
    }

    #[test]
    fn ranges_are_expanded() {
        let bytes = [
            vlan_info(VLAN_INFO_PVID | VLAN_INFO_UNTAGGED, 1),
            vlan_info(VLAN_INFO_RANGE_BEGIN, 10),
            vlan_info(VLAN_INFO_RANGE_END, 20),
            vlan_info(0, 4094),
        ]
        .concat();
        let vlans = BridgeVlans::read(Attrs(&bytes)).expect("VLANs");
        assert_eq!(vlans.vids.to_string(), "1,10-20,4094");
        assert_eq!(vlans.untagged.to_string(), "1");
        assert_eq!(vlans.pvid, Some(vid(1)));
    }

    #[test]
    fn a_set_remembers_what_was_put_in() {
        let mut set = VlanSet::new();
        assert!(set.is_empty());
        assert!(set.insert(vid(64)));
        assert!(!set.insert(vid(64)));
        assert!(set.insert(vid(4094)));
        assert_eq!((set.len(), set.contains(vid(64))), (2, true));
        assert!(set.remove(vid(64)));
        assert!(!set.remove(vid(64)));
        assert_eq!(set.iter().collect::<Vec<_>>(), [vid(4094)]);
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn the_dump_asks_for_ranges() {
        let mut want = vec![0; 24];
        want[0] = 7;
        want[16..].copy_from_slice(&[8, 0, 29, 0, 4, 0, 0, 0]);
        assert_eq!(dump_request().body(), want);
    }

    proptest! {
        #[test]
        fn any_bytes_can_be_read(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = BridgeVlans::read(Attrs(&bytes));
        }
    }
}
