//! How the address table is kept: in little memory.
//!
//! A chassis sees tens of thousands of addresses on a few dozen ports, and an [`Entry`] names up
//! to five of them. So each name is kept once, and entries are packed around its number. Whoever
//! reads gets a copy of the entry; what is changed in an [`Open`] one is packed again.

use super::{Entry, Seen};
use mclag_proto::IfName;
use mclag_proto::sync::model::{FdbKey, FdbKind, FdbWant};
use std::collections::{BTreeMap, HashMap, btree_map};
use std::num::NonZeroU16;
use std::ops::{Bound, Deref, DerefMut};

/// Most names that sights may bring; the rest of the numbers is for the ports of the settings.
const MAX_SIGHTED: usize = 60_000;

/// Entries by address, in order.
#[derive(Clone, Debug, Default)]
pub(super) struct Table {
    entries: BTreeMap<FdbKey, Packed>,
    names: Names,
}

/// An entry that may be changed.
#[derive(Debug)]
pub(super) struct Open<'a> {
    entry: Entry,
    before: Entry,
    packed: &'a mut Packed,
    names: &'a mut Names,
}

/// An entry with numbers for names.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
struct Packed {
    local: Option<Number>,
    remote: Option<Number>,
    announced: Option<Number>,
    displaced: Option<Number>,
    wanted: Option<Number>,
    flags: u16,
}

type Number = NonZeroU16;

/// Bits of [`Packed::flags`].
mod flag {
    pub(super) const STALE: u16 = 1;
    pub(super) const RENEW: u16 = 1 << 1;
    pub(super) const UNCONFIRMED: u16 = 1 << 2;
    pub(super) const PENDING: u16 = 1 << 3;
    pub(super) const CONVERTED: u16 = 1 << 4;
    pub(super) const WITHHELD: u16 = 1 << 5;
    /// The sight is configured; likewise the next three.
    pub(super) const LOCAL: u16 = 1 << 6;
    pub(super) const REMOTE: u16 = 1 << 7;
    pub(super) const ANNOUNCED: u16 = 1 << 8;
    pub(super) const DISPLACED: u16 = 1 << 9;
    /// What is wanted is static; without either it is tracked.
    pub(super) const STATIC: u16 = 1 << 10;
    pub(super) const AGEING: u16 = 1 << 11;
}

impl Table {
    /// Whether a sight on this port can be kept: there is a bound to the names that others make up.
    pub(super) fn takes(&self, port: &IfName) -> bool {
        self.names.numbers.len() < MAX_SIGHTED || self.names.numbers.contains_key(port)
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(super) fn contains(&self, key: &FdbKey) -> bool {
        self.entries.contains_key(key)
    }

    pub(super) fn get(&self, key: &FdbKey) -> Option<Entry> {
        Some(self.names.unpack(self.entries.get(key)?))
    }

    pub(super) fn open(&mut self, key: &FdbKey) -> Option<Open<'_>> {
        let packed = self.entries.get_mut(key)?;
        Some(Open::new(packed, &mut self.names))
    }

    /// The entry, an idle one if there was none.
    pub(super) fn open_or_add(&mut self, key: FdbKey) -> Open<'_> {
        Open::new(self.entries.entry(key).or_default(), &mut self.names)
    }

    /// Change the entry, and drop it when nothing is left of it.
    pub(super) fn change<T>(
        &mut self,
        key: FdbKey,
        change: impl FnOnce(&mut Entry) -> T,
    ) -> Option<T> {
        let btree_map::Entry::Occupied(mut place) = self.entries.entry(key) else {
            return None;
        };
        let mut open = Open::new(place.get_mut(), &mut self.names);
        let result = change(&mut open);
        // An idle one names nothing.
        let is_idle = open.is_idle();
        drop(open);
        if is_idle {
            place.remove();
        }
        Some(result)
    }

    /// Change each entry.
    pub(super) fn change_all(&mut self, mut change: impl FnMut(FdbKey, &mut Entry)) {
        for (key, packed) in &mut self.entries {
            change(*key, &mut Open::new(packed, &mut self.names));
        }
    }

    /// Change each entry that names one of these ports.
    pub(super) fn change_naming<'a>(
        &mut self,
        ports: impl Iterator<Item = &'a IfName>,
        mut change: impl FnMut(FdbKey, &mut Entry),
    ) {
        let numbers = &self.names.numbers;
        let mut wanted = vec![false; self.names.by_number.len() + 1];
        let mut any = false;
        for number in ports.filter_map(|port| numbers.get(port)) {
            wanted[usize::from(number.get())] = true;
            any = true;
        }
        if !any {
            return;
        }
        let is_wanted = |number: Number| wanted.get(usize::from(number.get())) == Some(&true);
        for (key, packed) in &mut self.entries {
            if packed.numbers().into_iter().flatten().any(is_wanted) {
                change(*key, &mut Open::new(packed, &mut self.names));
            }
        }
    }

    /// Change the entries behind `after`, in order, until told to stop.
    pub(super) fn change_behind(
        &mut self,
        after: Option<FdbKey>,
        mut change: impl FnMut(FdbKey, &mut Entry) -> bool,
    ) {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        for (key, packed) in self.entries.range_mut((from, Bound::Unbounded)) {
            if !change(*key, &mut Open::new(packed, &mut self.names)) {
                return;
            }
        }
    }

    /// The entries behind `after`, in order.
    pub(super) fn iter(&self, after: Option<FdbKey>) -> impl Iterator<Item = (FdbKey, Entry)> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let entries = self.entries.range((from, Bound::Unbounded));
        entries.map(|(key, packed)| (*key, self.names.unpack(packed)))
    }
}

impl<'a> Open<'a> {
    fn new(packed: &'a mut Packed, names: &'a mut Names) -> Self {
        let entry = names.unpack(packed);
        Self {
            entry,
            before: entry,
            packed,
            names,
        }
    }
}

impl Deref for Open<'_> {
    type Target = Entry;

    fn deref(&self) -> &Entry {
        &self.entry
    }
}

impl DerefMut for Open<'_> {
    fn deref_mut(&mut self) -> &mut Entry {
        &mut self.entry
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        if self.entry == self.before {
            return;
        }
        // First the new names, so that one that stays is not given back meanwhile.
        let packed = self.names.pack(&self.entry);
        let before = std::mem::replace(self.packed, packed);
        self.names.give_back(&before);
    }
}

impl Packed {
    const fn numbers(&self) -> [Option<Number>; 5] {
        [
            self.local,
            self.remote,
            self.announced,
            self.displaced,
            self.wanted,
        ]
    }
}

/// Names by number, with the number of their uses: one that nobody uses is given up.
#[derive(Clone, Debug, Default)]
struct Names {
    /// The one with number 1 comes first.
    by_number: Vec<(IfName, u32)>,
    numbers: HashMap<IfName, Number>,
    /// Numbers without a name.
    free: Vec<Number>,
    /// The one that was looked up last: most entries name the same port several times.
    latest: Option<(IfName, Number)>,
}

impl Names {
    /// The number of a name, with one more use; none when there are no more numbers, which
    /// [`Table::takes`] prevents.
    fn number(&mut self, name: IfName) -> Option<Number> {
        let number = match self.latest {
            Some((latest, number)) if latest == name => number,
            _ => self.find_or_add(name)?,
        };
        self.latest = Some((name, number));
        self.place(number)?.1 += 1;
        Some(number)
    }

    fn find_or_add(&mut self, name: IfName) -> Option<Number> {
        if let Some(number) = self.numbers.get(&name) {
            return Some(*number);
        }
        let number = match self.free.pop() {
            Some(number) => {
                *self.place(number)? = (name, 0);
                number
            }
            None => {
                let number = u16::try_from(self.by_number.len() + 1).ok()?;
                self.by_number.push((name, 0));
                Number::new(number)?
            }
        };
        self.numbers.insert(name, number);
        Some(number)
    }

    fn place(&mut self, number: Number) -> Option<&mut (IfName, u32)> {
        self.by_number.get_mut(usize::from(number.get()) - 1)
    }

    fn name(&self, number: Number) -> Option<IfName> {
        let place = self.by_number.get(usize::from(number.get()) - 1);
        place.map(|(name, _)| *name)
    }

    fn give_back(&mut self, packed: &Packed) {
        for number in packed.numbers().into_iter().flatten() {
            let Some((name, uses)) = self.place(number) else {
                continue;
            };
            *uses = uses.saturating_sub(1);
            if *uses == 0 {
                let name = *name;
                self.numbers.remove(&name);
                self.free.push(number);
                self.latest = None;
            }
        }
    }

    fn pack(&mut self, entry: &Entry) -> Packed {
        let Entry {
            local,
            remote,
            stale,
            announced,
            wanted,
            renew,
            displaced,
            unconfirmed,
            pending,
            converted,
            withheld,
        } = *entry;
        let configured = |seen: Option<Seen>| seen.is_some_and(|seen| seen.configured);
        let kind = wanted.map(|want| want.kind);
        let flags = [
            (flag::STALE, stale),
            (flag::RENEW, renew),
            (flag::UNCONFIRMED, unconfirmed),
            (flag::PENDING, pending),
            (flag::CONVERTED, converted),
            (flag::WITHHELD, withheld),
            (flag::LOCAL, configured(local)),
            (flag::REMOTE, configured(remote)),
            (flag::ANNOUNCED, configured(announced)),
            (flag::DISPLACED, configured(displaced)),
            (flag::STATIC, kind == Some(FdbKind::Static)),
            (flag::AGEING, kind == Some(FdbKind::Ageing)),
        ];
        let flags = flags.iter().filter(|(_, is_set)| *is_set);
        let mut number = |name: Option<IfName>| self.number(name?);
        let port = |seen: Option<Seen>| seen.map(|seen| seen.port);
        Packed {
            local: number(port(local)),
            remote: number(port(remote)),
            announced: number(port(announced)),
            displaced: number(port(displaced)),
            wanted: number(wanted.map(|want| want.port)),
            flags: flags.fold(0, |flags, (bit, _)| flags | bit),
        }
    }

    fn unpack(&self, packed: &Packed) -> Entry {
        let is_set = |bit: u16| packed.flags & bit != 0;
        let seen = |number: Option<Number>, bit: u16| {
            let port = self.name(number?)?;
            let configured = is_set(bit);
            Some(Seen { port, configured })
        };
        let kind = match (is_set(flag::STATIC), is_set(flag::AGEING)) {
            (true, _) => FdbKind::Static,
            (false, true) => FdbKind::Ageing,
            (false, false) => FdbKind::Tracked,
        };
        let port = packed.wanted.and_then(|number| self.name(number));
        Entry {
            local: seen(packed.local, flag::LOCAL),
            remote: seen(packed.remote, flag::REMOTE),
            stale: is_set(flag::STALE),
            announced: seen(packed.announced, flag::ANNOUNCED),
            wanted: port.map(|port| FdbWant { port, kind }),
            renew: is_set(flag::RENEW),
            displaced: seen(packed.displaced, flag::DISPLACED),
            unconfirmed: is_set(flag::UNCONFIRMED),
            pending: is_set(flag::PENDING),
            converted: is_set(flag::CONVERTED),
            withheld: is_set(flag::WITHHELD),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mclag_proto::{Mac, Vid};
    use proptest::prelude::*;

    fn key(last: u8) -> FdbKey {
        let mac = Mac([2, 0, 0, 0, 0, last]);
        let vid = Vid::DEFAULT;
        FdbKey { vid, mac }
    }

    fn name(number: usize) -> IfName {
        IfName::new(&format!("Ethernet{number}")).unwrap()
    }

    fn seen() -> impl Strategy<Value = Option<Seen>> {
        let seen = |(port, configured)| Seen {
            port: name(port),
            configured,
        };
        proptest::option::of((0..4_usize, any::<bool>()).prop_map(seen))
    }

    fn want() -> impl Strategy<Value = Option<FdbWant>> {
        const KINDS: &[FdbKind] = &[FdbKind::Tracked, FdbKind::Static, FdbKind::Ageing];
        let want = |(port, kind)| FdbWant {
            port: name(port),
            kind,
        };
        proptest::option::of((0..4_usize, proptest::sample::select(KINDS)).prop_map(want))
    }

    fn entry() -> impl Strategy<Value = Entry> {
        let seen = (seen(), seen(), seen(), seen());
        (seen, want(), any::<[bool; 6]>()).prop_map(|(seen, wanted, flags)| {
            let (local, remote, announced, displaced) = seen;
            let [stale, renew, unconfirmed, pending, converted, withheld] = flags;
            Entry {
                local,
                remote,
                stale,
                announced,
                wanted,
                renew,
                displaced,
                unconfirmed,
                pending,
                converted,
                withheld,
            }
        })
    }

    proptest! {
        #[test]
        fn what_is_packed_is_what_was_there(
            changes in proptest::collection::vec((0..5_u8, entry()), 0..40)
        ) {
            let mut table = Table::default();
            let mut model = BTreeMap::new();
            for (last, entry) in changes {
                *table.open_or_add(key(last)) = entry;
                model.insert(key(last), entry);
                let all: Vec<_> = table.iter(None).collect();
                let wanted: Vec<_> = model.iter().map(|(key, entry)| (*key, *entry)).collect();
                prop_assert_eq!(all, wanted);
            }
            for last in 0..5 {
                table.change(key(last), |entry| *entry = Entry::default());
            }
            prop_assert!(table.is_empty());
            prop_assert!(table.names.numbers.is_empty(), "{:?}", table.names);
        }
    }

    /// `spec/behaviour.md` 9.17: what happens to one port costs nothing for the addresses of others.
    #[test]
    fn only_entries_that_name_a_port_are_looked_at() {
        let mut table = Table::default();
        let on = |number| {
            let (port, configured) = (name(number), false);
            Some(Seen { port, configured })
        };
        table.open_or_add(key(1)).local = on(1);
        table.open_or_add(key(2)).remote = on(2);
        table.open_or_add(key(3)).displaced = on(1);
        *table.open_or_add(key(4)) = Entry {
            local: on(3),
            announced: on(2),
            ..Entry::default()
        };
        let mut named = |ports: &[usize]| {
            let ports: Vec<IfName> = ports.iter().copied().map(name).collect();
            let mut keys = Vec::new();
            table.change_naming(ports.iter(), |key, _| keys.push(key));
            keys
        };
        assert_eq!(named(&[1]), [key(1), key(3)]);
        assert_eq!(named(&[2]), [key(2), key(4)]);
        assert_eq!(named(&[3, 1]), [key(1), key(3), key(4)]);
        assert_eq!(named(&[7]), []);
    }

    #[test]
    fn names_that_nobody_uses_make_room_for_others() {
        let mut table = Table::default();
        for number in 0..200_000 {
            let port = name(number);
            assert!(table.takes(&port));
            let configured = false;
            table.open_or_add(key(1)).local = Some(Seen { port, configured });
            assert_eq!(table.get(&key(1)).unwrap().local.unwrap().port, port);
        }
        assert!(table.names.by_number.len() <= 2);
    }

    #[test]
    fn there_is_a_bound_to_the_names_that_others_make_up() {
        let mut table = Table::default();
        let sight = |number: usize| Seen {
            port: name(number),
            configured: false,
        };
        for number in 0..MAX_SIGHTED {
            let [.., high, low] = number.to_be_bytes();
            let mac = Mac([2, 0, 0, 0, high, low]);
            let vid = Vid::DEFAULT;
            table.open_or_add(FdbKey { vid, mac }).local = Some(sight(number));
        }
        assert!(!table.takes(&name(MAX_SIGHTED)));
        assert!(table.takes(&name(0)));
    }

    #[test]
    fn an_entry_takes_twenty_bytes_with_its_key() {
        assert_eq!(size_of::<Packed>() + size_of::<FdbKey>(), 20);
    }
}
