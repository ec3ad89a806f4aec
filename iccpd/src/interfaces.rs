//! Which interfaces there are at one moment, for whoever has to know before the kernel is followed.
//!
//! `/sys/class/net` does not tell: it shows the network namespace that it was mounted in, and a process can be put into
//! another one without a mount of its own.

use mclag_daemon::process;
use mclag_netlink::{Kernel, LinkInfo, LinkKind};
use mclag_proto::{IfName, Mac};
use std::cell::LazyCell;
use std::collections::BTreeMap;
use std::{io, panic, thread};

/// One interface.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Interface {
    /// Its name.
    pub name: IfName,
    /// Its Ethernet address, if it has one.
    pub mac: Option<Mac>,
    /// Index of the interface that it is a part of.
    pub master: Option<u32>,
    /// Whether it is a bridge.
    pub is_bridge: bool,
}

impl From<&LinkInfo> for Interface {
    fn from(link: &LinkInfo) -> Self {
        Self {
            name: link.name,
            mac: link.mac,
            master: link.master,
            is_bridge: matches!(link.kind, LinkKind::Bridge { .. }),
        }
    }
}

/// All interfaces of a network namespace, by index.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Interfaces(BTreeMap<u32, Interface>);

impl Interfaces {
    /// Those of this thread's namespace as they are when somebody wants to know, if anybody does.
    #[must_use]
    pub fn when_asked() -> LazyCell<Self> {
        LazyCell::new(Self::now)
    }

    /// Within a runtime or outside of any. If the kernel cannot be asked: none.
    fn now() -> Self {
        // A runtime cannot be started within another one.
        let asking = thread::Builder::new().name("interfaces".to_owned());
        let asked = asking.spawn(ask).and_then(|thread| {
            let answer = thread.join();
            answer.unwrap_or_else(|panicked| panic::resume_unwind(panicked))
        });
        asked.unwrap_or_else(|error| {
            let error = process::chain(&error);
            tracing::warn!(
                error,
                "interfaces cannot be listed, going on as if there were none"
            );
            Self::default()
        })
    }

    /// The interface of this name; alternative names do not count.
    #[must_use]
    pub fn named(&self, name: IfName) -> Option<&Interface> {
        self.0.values().find(|interface| interface.name == name)
    }

    /// The bridge that an interface is a member of.
    #[must_use]
    pub fn bridge_of(&self, member: IfName) -> Option<IfName> {
        let master = self.0.get(&self.named(member)?.master?)?;
        // A VRF is a master, too.
        master.is_bridge.then_some(master.name)
    }
}

impl FromIterator<(u32, Interface)> for Interfaces {
    fn from_iter<T: IntoIterator<Item = (u32, Interface)>>(interfaces: T) -> Self {
        Self(interfaces.into_iter().collect())
    }
}

/// Outside of any runtime.
fn ask() -> io::Result<Interfaces> {
    let links = process::block_on(async {
        let mut kernel = Kernel::open()?;
        kernel.links().await.map_err(io::Error::other)
    })??;
    let interfaces = links.iter().map(|(index, link)| (*index, link.into()));
    Ok(interfaces.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sched::{CloneFlags, unshare};

    #[test]
    fn they_are_those_of_the_namespace_within_a_runtime_and_outside() {
        let body = || {
            if unshare(CloneFlags::CLONE_NEWNET).is_err() {
                eprintln!("interfaces: skipped: no network namespace");
                return;
            }
            let outside = Interfaces::now();
            let within = process::block_on(async { Interfaces::now() }).unwrap();
            assert_eq!(within, outside);
            // Some kernels put tunnels into each new one.
            let loopback = IfName::new("lo").unwrap();
            let want = Interface {
                name: loopback,
                mac: Some(Mac([0; 6])),
                master: None,
                is_bridge: false,
            };
            assert_eq!(outside.named(loopback), Some(&want));
        };
        thread::scope(|scope| scope.spawn(body).join().unwrap());
    }
}
