//! What the processes of a pair say to each other in.
//!
//! Each process of ours can stand where one of SONiC's or of linux-mclag's stood, so each of the three connections of
//! a pair may speak several dialects. The dataplane has to come out the same.

use std::env;

use anyhow::{Result, bail};
use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::topology::Side;

/// What the pairs of a run speak, where a scenario does not choose.
///
/// ```text
/// MCLAG_LAB_SPEECH=sonic make lab LAB=lost_leg
/// ```
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Usual {
    /// What our own daemons agree on.
    #[default]
    Own,
    /// That of SONiC's daemons, all three connections.
    Sonic,
    /// That of linux-mclag's.
    LinuxMclag,
}

impl Usual {
    /// What `MCLAG_LAB_SPEECH` asks for: `own`, `sonic` or `linux-mclag`.
    pub fn of_environment() -> Result<Self> {
        let word = env::var("MCLAG_LAB_SPEECH").unwrap_or_default();
        if word.is_empty() {
            return Ok(Self::default());
        }
        match Self::from_str(&word, false) {
            Ok(usual) => Ok(usual),
            Err(_) => bail!("MCLAG_LAB_SPEECH: {word:?} is none of own, sonic, linux-mclag"),
        }
    }

    /// The same for each of the three connections.
    #[must_use]
    pub const fn speech(self) -> Speech {
        match self {
            Self::Own => Speech::both(Iccp::Auto, Protocol::V2),
            Self::Sonic => Speech::both(Iccp::Sonic, Protocol::Sonic),
            Self::LinuxMclag => Speech::both(Iccp::LinuxMclag, Protocol::LinuxMclag),
        }
    }
}

/// The dialects of a pair.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Speech {
    /// Between the two chassis.
    pub iccp: Iccp,
    /// Between the daemons of the first chassis.
    pub a: Protocol,
    /// Between the daemons of the second chassis.
    pub b: Protocol,
}

impl Speech {
    /// The same dataplane protocol on both chassis.
    #[must_use]
    pub const fn both(iccp: Iccp, protocol: Protocol) -> Self {
        Self {
            iccp,
            a: protocol,
            b: protocol,
        }
    }

    /// Whether a port that comes up stays shut until the other chassis has isolated its own. Otherwise it opens at the
    /// word of the bond, and some frames may arrive twice.
    #[must_use]
    pub fn guards_ports(&self) -> bool {
        self.iccp.acknowledges() && self.a.holds() && self.b.holds()
    }

    /// The protocol between the daemons of that chassis.
    #[must_use]
    pub const fn protocol(&self, side: Side) -> Protocol {
        match side {
            Side::A => self.a,
            Side::B => self.b,
        }
    }
}

/// The dialect between the two chassis.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Iccp {
    /// Found out from what the peer says.
    #[default]
    Auto,
    /// SONiC's.
    Sonic,
    /// That of linux-mclag.
    LinuxMclag,
}

impl Iccp {
    /// The value of `dialect` in the settings of `iccpd`.
    #[must_use]
    pub const fn setting(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Sonic => "sonic",
            Self::LinuxMclag => "linux-mclag",
        }
    }

    /// Whether a chassis that isolated its port says so, and with that lets the other one open its own.
    #[must_use]
    pub const fn acknowledges(self) -> bool {
        !matches!(self, Self::LinuxMclag)
    }

    /// Whether a chassis can announce that it reboots warm.
    #[must_use]
    pub const fn knows_warm_reboots(self) -> bool {
        !matches!(self, Self::LinuxMclag)
    }

    /// Whether addresses behind single-homed ports are exchanged.
    #[must_use]
    pub const fn knows_orphans(self) -> bool {
        !matches!(self, Self::LinuxMclag)
    }
}

/// The protocol between `iccpd` and `syncd`.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Protocol {
    /// Our own, on a Unix socket.
    #[default]
    V2,
    /// Version 1 as SONiC has it, on a loopback address.
    Sonic,
    /// Version 1 as linux-mclag has it: what the bridge learned is asked for, not told.
    LinuxMclag,
}

impl Protocol {
    /// The value of `protocol` in the settings of `iccpd`.
    #[must_use]
    pub const fn setting(self) -> &'static str {
        match self {
            Self::V2 => "2",
            Self::Sonic => "sonic",
            Self::LinuxMclag => "linux-mclag",
        }
    }

    /// Whether somebody has to be asked to keep a port that comes up from carrying data.
    #[must_use]
    pub const fn holds(self) -> bool {
        !matches!(self, Self::LinuxMclag)
    }

    /// Whether the forwarding table outlives a session: a daemon of linux-mclag has it flushed when one comes up
    /// (`spec/mclagsyncd-protocol.md` 6).
    #[must_use]
    pub const fn keeps_table(self) -> bool {
        !matches!(self, Self::LinuxMclag)
    }

    /// Whether `syncd` is told the LACP system id of the pair. Otherwise it is nobody's message: the daemons that
    /// version 1 was made for are root and write it themselves.
    #[must_use]
    pub const fn carries_system_id(self) -> bool {
        matches!(self, Self::V2)
    }
}
