//! Two chassis and their hosts on a real kernel.
//!
//! A scenario is a function that builds a [`topology::Pair`] in network namespaces, does something to it and says what
//! must be seen. Scenarios need root and a kernel with bonding, 802.1Q, VLAN-aware bridges and the bridge family of
//! nftables. Where the running system has all that they run on it; otherwise [`vm`] boots the distribution's own
//! kernel in QEMU, on the host's root file system (read only), and they run there. One boot serves many scenarios; the
//! tests use two machines at a time ([`lanes`]).
//!
//! Who runs where:
//!
//! ```text
//! cargo test --test lab          on the host: session.rs starts what follows and maps scenarios to tests
//!   └ QEMU (vm/)                 two of them, or nothing, where the host itself will do
//!      └ mclag-lab guest         guest.rs: one scenario after the other, each with a deadline
//!         └ mclag-lab scenario   scenario.rs: one scenario in a process of its own
//!            └ iccpd, syncd      daemon.rs: in the namespaces of the topology
//! ```
//!
//! Events travel upwards as lines of JSON ([`protocol`]), through pipes and, out of the virtual machine, through a
//! virtio serial port. Log files go to a directory that the virtual machine shares with the host.

pub mod console;
pub mod daemon;
pub mod demo;
pub mod fuzz;
pub mod gateway;
pub mod guest;
pub mod kernel;
pub mod lanes;
pub mod mclagsyncd;
pub mod measure;
pub mod mlag;
pub mod netns;
pub mod places;
pub mod probe;
pub mod protocol;
pub mod replay;
pub mod scenario;
pub mod scenarios;
pub mod session;
pub mod speech;
pub mod stay;
pub mod systemd;
pub mod topology;
pub mod traffic;
pub mod vm;
pub mod wait;
