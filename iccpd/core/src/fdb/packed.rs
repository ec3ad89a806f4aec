//! How the address table is kept: in little memory.
//!
//! A chassis sees tens of thousands of addresses on a few dozen ports, and an entry names up to five
//! of them. So each name is kept once, and entries are packed around its number.

use super::{Entry, Local, Place, Policy, Standing};
use crate::table::Layout;
use mclag_proto::IfName;
use mclag_proto::sync::model::{FdbKind, FdbWant};
use std::collections::HashMap;
use std::num::NonZeroU16;

/// Most names that observations may bring; the rest of the numbers is for the ports of the settings.
pub(super) const MAX_NAMES: usize = 60_000;

/// Most names with which the peer may bring one more: the rest is for the ports of this chassis.
pub(super) const MAX_NAMES_OF_PEER: usize = 50_000;

/// An entry with numbers for names.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Packed {
    local: Option<Number>,
    remote: Option<Number>,
    advertised: Option<Number>,
    /// What is superseded, or displaced: never both.
    replaced: Option<Number>,
    programmed: Option<Number>,
    flags: u16,
}

type Number = NonZeroU16;

/// Bits of [`Packed::flags`].
mod flag {
    pub(super) const STALE: u16 = 1;
    pub(super) const REPROGRAM: u16 = 1 << 1;
    pub(super) const UNCONFIRMED: u16 = 1 << 2;
    pub(super) const READVERTISE: u16 = 1 << 3;
    pub(super) const SUPPRESSED: u16 = 1 << 4;
    /// Standing of the local observation; without either it is the dataplane's own.
    pub(super) const VIA_PEER_LINK: u16 = 1 << 5;
    pub(super) const AGEING_HERE: u16 = 1 << 6;
    /// The place is configured; likewise the next three.
    pub(super) const LOCAL: u16 = 1 << 7;
    pub(super) const REMOTE: u16 = 1 << 8;
    pub(super) const ADVERTISED: u16 = 1 << 9;
    pub(super) const REPLACED: u16 = 1 << 10;
    /// What is programmed is static; without either it is tracked.
    pub(super) const STATIC: u16 = 1 << 11;
    pub(super) const AGEING: u16 = 1 << 12;
    /// What was replaced is the peer's: displaced, not superseded.
    pub(super) const DISPLACED: u16 = 1 << 13;
}

/// Numbers of ports.
#[derive(Debug)]
pub(super) struct Numbers(Vec<bool>);

impl Numbers {
    /// True if nothing that is kept names any of them.
    pub(super) fn is_empty(&self) -> bool {
        !self.0.contains(&true)
    }
}

impl Packed {
    const fn numbers(&self) -> [Option<Number>; 5] {
        [
            self.local,
            self.remote,
            self.advertised,
            self.replaced,
            self.programmed,
        ]
    }

    /// True if the entry names one of these ports.
    pub(super) fn names(&self, ports: &Numbers) -> bool {
        let is_one = |number: Number| ports.0.get(usize::from(number.get())) == Some(&true);
        self.numbers().into_iter().flatten().any(is_one)
    }
}

/// Names by number, with the number of their uses: one that nobody uses is given up.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    /// The one with number 1 comes first.
    by_number: Vec<(IfName, u32)>,
    numbers: HashMap<IfName, Number>,
    /// Numbers without a name.
    free: Vec<Number>,
    /// The one that was looked up last: most entries name the same port several times.
    latest: Option<(IfName, Number)>,
}

impl Names {
    /// Whether an observation on this port can be kept: there is a bound to the names that others
    /// make up.
    pub(super) fn takes(&self, port: &IfName, max: usize) -> bool {
        self.numbers.len() < max || self.numbers.contains_key(port)
    }

    /// The numbers of these ports.
    pub(super) fn numbers<'a>(&self, ports: impl Iterator<Item = &'a IfName>) -> Numbers {
        let mut numbers = vec![false; self.by_number.len() + 1];
        for number in ports.filter_map(|port| self.numbers.get(port)) {
            if let Some(wanted) = numbers.get_mut(usize::from(number.get())) {
                *wanted = true;
            }
        }
        Numbers(numbers)
    }

    /// The number of a name, with one more use; none when there are no more numbers, which
    /// [`Names::takes`] prevents.
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
}

impl Layout<Entry<Policy>> for Names {
    type Packed = Packed;

    fn pack(&mut self, entry: &Entry<Policy>) -> Packed {
        let Entry {
            local,
            remote,
            stale,
            superseded,
            displaced,
            advertised,
            readvertise,
            programmed,
            reprogram,
            unconfirmed,
        } = *entry;
        let configured = |place: Option<Place>| place.is_some_and(|place| place.configured);
        let standing = local.map(|local| local.standing);
        let suppressed = local.is_some_and(|local| local.suppressed);
        let (local, superseded) = (local.map(|l| l.place), superseded.map(|l| l.place));
        let replaced = superseded.or(displaced);
        let kind = programmed.map(|want| want.kind);
        let flags = [
            (flag::STALE, stale),
            (flag::REPROGRAM, reprogram),
            (flag::UNCONFIRMED, unconfirmed),
            (flag::READVERTISE, readvertise),
            (flag::SUPPRESSED, suppressed),
            (flag::VIA_PEER_LINK, standing == Some(Standing::ViaPeerLink)),
            (flag::AGEING_HERE, standing == Some(Standing::AgeingHere)),
            (flag::LOCAL, configured(local)),
            (flag::REMOTE, configured(remote)),
            (flag::ADVERTISED, configured(advertised)),
            (flag::REPLACED, configured(replaced)),
            (flag::DISPLACED, superseded.is_none() && displaced.is_some()),
            (flag::STATIC, kind == Some(FdbKind::Static)),
            (flag::AGEING, kind == Some(FdbKind::Ageing)),
        ];
        let flags = flags.iter().filter(|(_, is_set)| *is_set);
        let mut number = |name: Option<IfName>| self.number(name?);
        let port = |place: Option<Place>| place.map(|place| place.port);
        Packed {
            local: number(port(local)),
            remote: number(port(remote)),
            advertised: number(port(advertised)),
            replaced: number(port(replaced)),
            programmed: number(programmed.map(|want| want.port)),
            flags: flags.fold(0, |flags, (bit, _)| flags | bit),
        }
    }

    fn unpack(&self, packed: &Packed) -> Entry<Policy> {
        let is_set = |bit: u16| packed.flags & bit != 0;
        let place = |number: Option<Number>, bit: u16| {
            let port = self.name(number?)?;
            let configured = is_set(bit);
            Some(Place { port, configured })
        };
        let kind = match (is_set(flag::STATIC), is_set(flag::AGEING)) {
            (true, _) => FdbKind::Static,
            (false, true) => FdbKind::Ageing,
            (false, false) => FdbKind::Tracked,
        };
        let standing = match (is_set(flag::VIA_PEER_LINK), is_set(flag::AGEING_HERE)) {
            (true, _) => Standing::ViaPeerLink,
            (false, true) => Standing::AgeingHere,
            (false, false) => Standing::Own,
        };
        let local = place(packed.local, flag::LOCAL).map(|place| Local {
            place,
            standing,
            suppressed: is_set(flag::SUPPRESSED),
        });
        let port = packed.programmed.and_then(|number| self.name(number));
        let replaced = place(packed.replaced, flag::REPLACED);
        let is_displaced = is_set(flag::DISPLACED);
        Entry {
            local,
            remote: place(packed.remote, flag::REMOTE),
            stale: is_set(flag::STALE),
            superseded: replaced.filter(|_| !is_displaced).map(Local::from),
            displaced: replaced.filter(|_| is_displaced),
            advertised: place(packed.advertised, flag::ADVERTISED),
            readvertise: is_set(flag::READVERTISE),
            programmed: port.map(|port| FdbWant { port, kind }),
            reprogram: is_set(flag::REPROGRAM),
            unconfirmed: is_set(flag::UNCONFIRMED),
        }
    }

    fn is_remote_only(packed: &Packed) -> bool {
        packed.local.is_none() && packed.remote.is_some()
    }

    fn release(&mut self, packed: &Packed) {
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
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Time;
    use crate::fdb::{Fdb, FdbKey, Ports};
    use crate::table::{Concerns, Table};
    use mclag_proto::iccp::{EntryOp, MacEntry, MacType};
    use mclag_proto::sync::model::Observation;
    use mclag_proto::{Mac, Vid};
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn key(last: u8) -> FdbKey {
        let mac = Mac([2, 0, 0, 0, 0, last]);
        let vid = Vid::DEFAULT;
        FdbKey { vid, mac }
    }

    fn name(number: usize) -> IfName {
        IfName::new(&format!("Ethernet{number}")).unwrap()
    }

    fn on(number: usize) -> Option<Place> {
        let (port, configured) = (name(number), false);
        Some(Place { port, configured })
    }

    fn set(table: &mut Table<Policy>, key: FdbKey, entry: Entry<Policy>) {
        table.change_or_add(key, |place, _| {
            *place = entry;
            Concerns::Nobody
        });
    }

    fn place() -> impl Strategy<Value = Option<Place>> {
        let place = |(port, configured)| Place {
            port: name(port),
            configured,
        };
        proptest::option::of((0..4_usize, any::<bool>()).prop_map(place))
    }

    fn local() -> impl Strategy<Value = Option<Local>> {
        const STANDINGS: &[Standing] =
            &[Standing::Own, Standing::ViaPeerLink, Standing::AgeingHere];
        let standing = proptest::sample::select(STANDINGS);
        (place(), standing, any::<bool>()).prop_map(|(place, standing, suppressed)| {
            let local = |place| Local {
                place,
                standing,
                suppressed,
            };
            place.map(local)
        })
    }

    fn want() -> impl Strategy<Value = Option<FdbWant>> {
        const KINDS: &[FdbKind] = &[FdbKind::Tracked, FdbKind::Static, FdbKind::Ageing];
        let want = |(port, kind)| FdbWant {
            port: name(port),
            kind,
        };
        proptest::option::of((0..4_usize, proptest::sample::select(KINDS)).prop_map(want))
    }

    fn entry() -> impl Strategy<Value = Entry<Policy>> {
        let places = (place(), place(), place(), place());
        (local(), places, want(), any::<[bool; 4]>()).prop_map(|(local, places, want, flags)| {
            let (remote, advertised, superseded, displaced) = places;
            let [stale, reprogram, unconfirmed, readvertise] = flags;
            Entry {
                local,
                remote,
                stale,
                superseded: superseded.map(Local::from),
                displaced: displaced.filter(|_| superseded.is_none()),
                advertised,
                readvertise,
                programmed: want,
                reprogram,
                unconfirmed,
            }
        })
    }

    proptest! {
        #[test]
        fn what_is_packed_is_what_was_there(
            changes in proptest::collection::vec((0..5_u8, entry()), 0..40)
        ) {
            let mut table = Table::<Policy>::default();
            let mut model = BTreeMap::new();
            for (last, entry) in changes {
                set(&mut table, key(last), entry.clone());
                model.insert(key(last), entry);
                let all: Vec<_> = table.iter(None).collect();
                let wanted: Vec<_> =
                    model.iter().map(|(key, entry)| (*key, entry.clone())).collect();
                prop_assert_eq!(all, wanted);
            }
            table.review(.., |_| true, |_, entry, _| *entry = Entry::default());
            table.next_ops(usize::MAX / 2, &mut Vec::new());
            prop_assert!(table.is_empty());
            prop_assert!(table.layout().numbers.is_empty(), "{:?}", table.layout());
        }
    }

    /// `spec/behaviour.md` 9.17: what happens to one port costs nothing for the addresses of others.
    #[test]
    fn only_entries_that_name_a_port_are_looked_at() {
        let mut table = Table::<Policy>::default();
        let (local, superseded) = (on(1).map(Local::from), on(1).map(Local::from));
        let local = Entry {
            local,
            ..Entry::default()
        };
        let remote = Entry {
            remote: on(2),
            ..Entry::default()
        };
        let superseded = Entry {
            superseded,
            ..Entry::default()
        };
        let both = Entry {
            local: on(3).map(Local::from),
            advertised: on(2),
            ..Entry::default()
        };
        for (last, entry) in (1..).zip([local, remote, superseded, both]) {
            set(&mut table, key(last), entry);
        }
        let mut named = |ports: &[usize]| {
            let ports: Vec<IfName> = ports.iter().copied().map(name).collect();
            let numbers = table.layout().numbers(ports.iter());
            let mut keys = Vec::new();
            table.review(
                ..,
                |packed| packed.names(&numbers),
                |key, _, _| keys.push(key),
            );
            keys
        };
        assert_eq!(named(&[1]), [key(1), key(3)]);
        assert_eq!(named(&[2]), [key(2), key(4)]);
        assert_eq!(named(&[3, 1]), [key(1), key(3), key(4)]);
        assert_eq!(named(&[7]), []);
    }

    #[test]
    fn names_that_nobody_uses_make_room_for_others() {
        let mut table = Table::<Policy>::default();
        for number in 0..200_000 {
            let port = name(number);
            assert!(table.layout().takes(&port, MAX_NAMES_OF_PEER));
            table.change_or_add(key(1), |entry, _| {
                entry.local = on(number).map(Local::from);
                Concerns::Nobody
            });
            let local = table.get(&key(1)).unwrap().local;
            assert_eq!(local.unwrap().place.port, port);
        }
        assert!(table.layout().by_number.len() <= 2);
    }

    #[test]
    fn there_is_a_bound_to_the_names_that_others_make_up() {
        let mut fdb = Fdb::default();
        for number in 0..MAX_NAMES {
            let [.., high, low] = number.to_be_bytes();
            let mac = Mac([2, 0, 0, 0, high, low]);
            let vid = Vid::DEFAULT;
            let entry = Entry {
                local: on(number).map(Local::from),
                ..Entry::default()
            };
            set(&mut fdb.table, FdbKey { vid, mac }, entry);
        }
        let takes = |number| fdb.table.layout().takes(&name(number), MAX_NAMES);
        assert!(!takes(MAX_NAMES));
        assert!(takes(0));
    }

    /// What a peer makes up leaves numbers for the ports of this chassis.
    #[test]
    fn names_of_a_peer_s_ports_take_no_place_of_a_port_of_this_chassis() {
        let key = |number: usize| {
            let [.., high, low] = number.to_be_bytes();
            let (vid, mac) = (Vid::DEFAULT, Mac([2, 0, 0, 0, high, low]));
            FdbKey { vid, mac }
        };
        let mut fdb = Fdb::default();
        let peer_link = Some(name(0));
        let ports = Ports {
            peer_link,
            ..Ports::default()
        };
        fdb.set_ports(ports, true);
        for number in 1..MAX_NAMES + 100 {
            let FdbKey { vid, mac } = key(number);
            let (op, kind) = (EntryOp::Add, MacType::Dynamic);
            let port = name(number);
            fdb.remote_entry(
                &MacEntry {
                    op,
                    kind,
                    mac,
                    vid,
                    port,
                },
                false,
            );
        }
        let port = name(200_000);
        let configured = false;
        fdb.local_observation(
            key(0),
            Observation::Learned { port, configured },
            Time::ZERO,
        );
        let local = fdb.table.get(&key(0)).unwrap().local;
        assert_eq!(local.unwrap().place.port, port);
        assert!(fdb.ignored() > 0, "of the peer's");
    }

    #[test]
    fn an_entry_takes_twenty_bytes_with_its_key() {
        assert_eq!(size_of::<Packed>() + size_of::<FdbKey>(), 20);
    }
}
