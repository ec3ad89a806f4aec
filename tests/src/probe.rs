//! Can the running kernel carry the lab? Asked by trying, in a namespace that is thrown away.

use std::fmt;
use std::process::{Command, Stdio};
use std::thread;

use anyhow::{Context, Result};
use nix::sched::{CloneFlags, unshare};

use crate::netns;

/// What is tried, and the name under which it is missed.
const TRIALS: [(&str, &[&str]); 6] = [
    (
        "bonding",
        &[
            "ip", "link", "add", "probe0", "type", "bond", "mode", "802.3ad",
        ],
    ),
    ("dummy", &["ip", "link", "add", "probe1", "type", "dummy"]),
    (
        "veth",
        &[
            "ip", "link", "add", "probe2", "type", "veth", "peer", "name", "probe3",
        ],
    ),
    (
        "bridge VLAN filtering",
        &[
            "ip",
            "link",
            "add",
            "probe4",
            "type",
            "bridge",
            "vlan_filtering",
            "1",
        ],
    ),
    (
        "8021q",
        &[
            "ip", "link", "add", "link", "probe2", "name", "probe5", "type", "vlan", "id", "20",
        ],
    ),
    (
        "nftables bridge family",
        &[
            "nft",
            "table bridge probe { chain c { type filter hook forward priority 0; meta ibrname \"probe4\" drop; }; }",
        ],
    ),
];

/// Where the scenarios can run.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Ground {
    /// On the running kernel.
    Host,
    /// In a virtual machine; the reason why the running kernel will not do.
    Machine(String),
}

/// Decide where to run. `MCLAG_LAB=host` and `MCLAG_LAB=vm` decide it without looking.
pub fn ground() -> Result<Ground> {
    match std::env::var("MCLAG_LAB").as_deref() {
        Ok("host") => return Ok(Ground::Host),
        Ok("vm") => return Ok(Ground::Machine("MCLAG_LAB=vm".into())),
        _ => {}
    }
    if !nix::unistd::geteuid().is_root() {
        return Ok(Ground::Machine("not root".into()));
    }
    let missing = missing()?;
    Ok(if missing.is_empty() {
        Ground::Host
    } else {
        let names: Vec<_> = missing.iter().map(|missing| missing.what).collect();
        Ground::Machine(format!("not on this kernel: no {}", names.join(", no ")))
    })
}

/// Something that the running kernel lacks.
#[derive(Debug)]
pub struct Missing {
    /// Its name.
    pub what: &'static str,
    /// What happened when it was tried.
    pub error: anyhow::Error,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no {}: {:#}", self.what, self.error)
    }
}

/// What the running kernel lacks. Needs root.
pub fn missing() -> Result<Vec<Missing>> {
    // Without this, loading the module would leave a device "bond0" on the system. The trial finds out if it failed.
    let _ = Command::new("modprobe")
        .args(["bonding", "max_bonds=0"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    let worker = thread::spawn(|| {
        unshare(CloneFlags::CLONE_NEWNET).context("cannot make a network namespace")?;
        let mut missing = Vec::new();
        for (what, words) in TRIALS {
            if let Err(error) = netns::run(Command::new(words[0]).args(&words[1..])) {
                missing.push(Missing { what, error });
            }
        }
        Ok(missing)
    });
    match worker.join() {
        Ok(result) => result,
        Err(panic) => std::panic::resume_unwind(panic),
    }
}
