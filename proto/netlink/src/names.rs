//! Names that stay: an interface that settings name keeps that name when an operator gives it another one. It is the same
//! interface, and nobody but the operator knows whether the name comes back.
//!
//! It keeps the name as long as it is there under the same number, the name is followed, and nobody else has it. One that
//! gets another name that is followed is that one from then on.

use std::collections::{BTreeMap, BTreeSet};

use mclag_proto::IfName;

/// What each interface is called: by the kernel, and as long as its name is followed.
#[derive(Clone, Debug, Default)]
pub struct Names {
    followed: BTreeSet<IfName>,
    kernel: BTreeMap<u32, IfName>,
    /// The interface that was called so last, of each followed name that one had: each is of one interface only.
    kept: BTreeMap<u32, IfName>,
}

impl Names {
    /// These names are followed, and no others. Of one that no interface has, the interface of this number is the one that
    /// had it. Answers the interfaces that are called otherwise from now on, by number.
    pub fn follow(&mut self, names: &BTreeMap<IfName, Option<u32>>) -> Vec<u32> {
        if self.follows(names) {
            return Vec::new();
        }
        let before = std::mem::take(&mut self.kept);
        self.followed = names.keys().copied().collect();
        self.kept.clone_from(&before);
        self.kept.retain(|_, name| names.contains_key(name));
        self.take_all();
        for (name, index) in names {
            if let Some(index) = index {
                self.keep(*index, *name);
            }
        }
        let all = self.kernel.iter();
        let others = all.filter(|(index, name)| {
            before.get(index).unwrap_or(name) != self.kept.get(index).unwrap_or(name)
        });
        others.map(|(index, _)| *index).collect()
    }

    fn follows(&self, names: &BTreeMap<IfName, Option<u32>>) -> bool {
        self.followed.iter().eq(names.keys())
    }

    /// The interface of this number had this name, as somebody says who knew it then: it is called so if the name is followed
    /// and no interface has it. Returns whether that is news; before they are listed, any number may be of one.
    pub fn keep(&mut self, index: u32, name: IfName) -> bool {
        let is_there = self.kernel.is_empty() || self.kernel.contains_key(&index);
        let is_free = !self.kept.contains_key(&index)
            && !self.kept.values().any(|kept| *kept == name)
            && self.followed.contains(&name);
        if is_there && is_free {
            self.kept.insert(index, name);
        }
        is_there && is_free
    }

    /// The kernel calls the interface of this number so. Answers the one that was called so until now and is what the kernel
    /// calls it from now on.
    pub fn call(&mut self, index: u32, name: IfName) -> Option<u32> {
        self.kernel.insert(index, name);
        self.take(index, name)
    }

    fn take_all(&mut self) {
        for (index, name) in self.kernel.clone() {
            self.take(index, name);
        }
    }

    /// What the kernel calls so is that.
    fn take(&mut self, index: u32, name: IfName) -> Option<u32> {
        if !self.followed.contains(&name) || self.kept.get(&index) == Some(&name) {
            return None;
        }
        let mut others = self.kept.iter().filter(|(_, kept)| **kept == name);
        let other = others.next().map(|(other, _)| *other);
        if let Some(other) = other {
            self.kept.remove(&other);
        }
        self.kept.insert(index, name);
        other
    }

    /// The interface is gone: the next one is another one.
    pub fn forget(&mut self, index: u32) {
        self.kernel.remove(&index);
        self.kept.remove(&index);
    }

    /// These interfaces were listed, by number, with what the kernel calls them: there are no others.
    pub fn list(&mut self, all: impl IntoIterator<Item = (u32, IfName)>) {
        self.kernel = all.into_iter().collect();
        self.kept.retain(|index, _| self.kernel.contains_key(index));
        self.take_all();
    }

    /// What an interface is called.
    #[must_use]
    pub fn name(&self, index: u32) -> Option<IfName> {
        self.kept
            .get(&index)
            .or_else(|| self.kernel.get(&index))
            .copied()
    }

    /// What the kernel calls it.
    #[must_use]
    pub fn in_kernel(&self, index: u32) -> Option<IfName> {
        self.kernel.get(&index).copied()
    }

    /// Interfaces that keep a name although the kernel calls them otherwise, by number.
    pub fn kept(&self) -> impl Iterator<Item = (u32, IfName)> {
        let kept = self.kept.iter().map(|(index, kept)| (*index, *kept));
        kept.filter(|(index, kept)| self.kernel.get(index).is_some_and(|name| name != kept))
    }

    /// The same, with what the kernel calls them.
    fn renamed(&self) -> impl Iterator<Item = (IfName, IfName)> {
        self.kept()
            .filter_map(|(index, kept)| Some((kept, self.in_kernel(index)?)))
    }

    /// What the kernel calls the interface that is called so; the same if there is none.
    #[must_use]
    pub fn to_kernel(&self, name: IfName) -> IfName {
        let mut renamed = self.renamed().filter(|(kept, _)| *kept == name);
        renamed.next().map_or(name, |(_, kernel)| kernel)
    }

    /// What the interface is called that the kernel calls so. None if the kernel calls none so, and one is called so all the
    /// same: what somebody said of that name in the kernel is not said of any interface.
    #[must_use]
    pub fn of_kernel(&self, name: IfName) -> Option<IfName> {
        let mut kept = self.renamed().filter(|(_, kernel)| *kernel == name);
        if let Some((kept, _)) = kept.next() {
            return Some(kept);
        }
        let is_kept = self.renamed().any(|(kept, _)| kept == name);
        (!is_kept).then_some(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> IfName {
        IfName::new(text).unwrap()
    }

    fn following(names: &[(&str, Option<u32>)]) -> BTreeMap<IfName, Option<u32>> {
        let names = names.iter();
        names.map(|(text, index)| (name(text), *index)).collect()
    }

    fn are(names: &Names) -> [Option<String>; 3] {
        [7, 8, 9].map(|index| names.name(index).map(|name| name.to_string()))
    }

    /// Ports `host1` and `host2` are followed. What the kernel calls interfaces 7 and 8 next, none if one is gone; what they are
    /// called then.
    #[test]
    fn an_interface_keeps_a_followed_name_until_it_or_another_one_has_one() {
        let gone = "";
        let mut names = Names::default();
        names.follow(&following(&[("host1", None), ("host2", None)]));
        for (index, kernel, seven, eight, other) in [
            (7, "host1", "host1", gone, None),
            (8, "lan8", "host1", "lan8", None),
            (7, "host1x", "host1", "lan8", None),
            (7, "host1y", "host1", "lan8", None),
            (7, "host1", "host1", "lan8", None),
            (7, "host1x", "host1", "lan8", None),
            // Another one takes the name, and keeps it in its turn.
            (8, "host1", "host1x", "host1", Some(7)),
            (8, "lan8", "host1x", "host1", None),
            (7, "host1", "host1", "lan8", Some(8)),
            // The name of another port.
            (7, "host2", "host2", "lan8", None),
            (7, "lan7", "host2", "lan8", None),
            (8, "host1", "host2", "host1", None),
            // Two swap their names by way of a third.
            (8, "tmp", "host2", "host1", None),
            (7, "host1", "host1", "tmp", Some(8)),
            (8, "host2", "host1", "host2", None),
            // The next one of that number is another one.
            (7, "lan7", "host1", "host2", None),
            (7, gone, gone, "host2", None),
            (7, "lan7", "lan7", "host2", None),
        ] {
            if kernel == gone {
                names.forget(index);
            } else {
                assert_eq!(names.call(index, name(kernel)), other, "{index} {kernel}");
            }
            let called = |text: &str| (text != gone).then(|| text.to_owned());
            let wanted = [called(seven), called(eight), None];
            assert_eq!(are(&names), wanted, "{index} {kernel}");
        }
    }

    /// Settings name others, and name it again.
    #[test]
    fn a_name_that_is_followed_no_longer_is_what_the_kernel_calls_it() {
        let mut names = Names::default();
        names.call(7, name("host1"));
        assert_eq!(names.follow(&following(&[("host1", None)])), [0_u32; 0]);
        names.call(7, name("host1x"));
        assert_eq!(names.name(7), Some(name("host1")));
        assert_eq!(names.follow(&following(&[("host2", None)])), [7]);
        assert_eq!(names.name(7), Some(name("host1x")));
        assert_eq!(names.follow(&following(&[("host1", None)])), [0_u32; 0]);
        assert_eq!(names.name(7), Some(name("host1x")));
    }

    /// A process that remembers the numbers of an earlier run, before and after it has seen what there is.
    #[test]
    fn an_interface_is_found_again_by_its_number_unless_another_one_has_the_name() {
        let remembered = following(&[("host1", Some(7)), ("host2", Some(8)), ("host3", Some(9))]);
        let all = [(7, "host1x"), (8, "host3"), (10, "host2")];
        let wanted = [Some("host1".to_owned()), Some("host3".to_owned()), None];
        let mut before = Names::default();
        before.follow(&remembered);
        let mut after = Names::default();
        for names in [&mut before, &mut after] {
            names.list(all.map(|(index, text)| (index, name(text))));
        }
        assert_eq!(are(&before), wanted);
        assert_eq!(after.follow(&remembered), [7]);
        assert_eq!(are(&after), wanted);
    }

    /// Interfaces 7, `host1x`, and 8, `host2`, when ports `host1` and `host2` are followed. Who is said to have had which name,
    /// and whether that is news.
    #[test]
    fn an_interface_gets_the_name_back_that_it_is_said_to_have_had_unless_another_one_has_it() {
        let mut names = Names::default();
        names.follow(&following(&[("host1", None), ("host2", None)]));
        names.list([(7, name("host1x")), (8, name("host2"))]);
        for (index, had, is_news) in [
            (8, "host1", false),
            (9, "host1", false),
            (7, "host2", false),
            (7, "lan7", false),
            (7, "host1", true),
            (7, "host1", false),
        ] {
            assert_eq!(names.keep(index, name(had)), is_news, "{index} {had}");
        }
        assert_eq!(names.name(7), Some(name("host1")));
        assert_eq!(names.kept().collect::<Vec<_>>(), [(7, name("host1"))]);
    }

    /// Interfaces `host1`, now `host1x`, and `lan9`. What is said of a name in the kernel, of whom it is said here, and back.
    #[test]
    fn what_the_kernel_compares_is_its_own_name() {
        let mut names = Names::default();
        names.follow(&following(&[("host1", None)]));
        for (index, text) in [(7, "host1"), (7, "host1x"), (9, "lan9")] {
            names.call(index, name(text));
        }
        for (kernel, here) in [
            ("host1x", Some("host1")),
            ("lan9", Some("lan9")),
            ("nobody", Some("nobody")),
            // The interface is not called so any more.
            ("host1", None),
        ] {
            assert_eq!(names.of_kernel(name(kernel)), here.map(name));
            if let Some(here) = here {
                assert_eq!(names.to_kernel(name(here)), name(kernel));
            }
        }
    }
}
