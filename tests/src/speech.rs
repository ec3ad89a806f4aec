//! What the processes of a pair say to each other in.
//!
//! Each process of ours can stand where one of SONiC's or of linux-mclag's stood, so each of the three connections of
//! a pair may speak several dialects. The dataplane has to come out the same.

use std::env;
use std::fmt::{self, Display, Formatter};
use std::str::FromStr;

use anyhow::{Context, Error, Result, bail};
use serde::{Deserialize, Serialize};

use crate::topology::Side;

/// The dialects of a pair. As text, the three separated by commas, or `sonic` or `linux-mclag` for all of them.
///
/// ```text
/// MCLAG_LAB_SPEECH=sonic make lab LAB=lost_leg
/// MCLAG_LAB_SPEECH=auto,2,linux-mclag make lab LAB=lost_leg
/// ```
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Speech {
    /// Between the two chassis.
    pub iccp: Iccp,
    /// Between the daemons of the first chassis.
    pub a: Protocol,
    /// Between the daemons of the second chassis.
    pub b: Protocol,
}

impl Speech {
    /// What `MCLAG_LAB_SPEECH` asks for; what our own daemons agree on if it asks for nothing.
    pub fn of_environment() -> Result<Self> {
        let text = env::var("MCLAG_LAB_SPEECH").unwrap_or_default();
        if text.is_empty() {
            return Ok(Self::default());
        }
        text.parse()
            .with_context(|| format!("MCLAG_LAB_SPEECH: {text:?}"))
    }

    /// The same dataplane protocol on both chassis.
    #[must_use]
    pub const fn both(iccp: Iccp, protocol: Protocol) -> Self {
        Self {
            iccp,
            a: protocol,
            b: protocol,
        }
    }

    /// Whether a port that comes up stays shut until the other chassis says that it has isolated its own, or must have.
    /// Otherwise it opens at the word of the bond, and some frames may arrive twice.
    #[must_use]
    pub const fn guards_ports(&self) -> bool {
        self.a.holds() && self.b.holds()
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

impl Display for Speech {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let [iccp, a, b] = [self.iccp.setting(), self.a.setting(), self.b.setting()];
        write!(f, "{iccp},{a},{b}")
    }
}

impl FromStr for Speech {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let words: Vec<&str> = text.split(',').collect();
        let [iccp, a, b] = match words[..] {
            [word @ ("sonic" | "linux-mclag")] => [word; 3],
            [iccp, a, b] => [iccp, a, b],
            _ => bail!("neither sonic, linux-mclag, nor three words"),
        };
        let iccps = [Iccp::Auto, Iccp::Sonic, Iccp::LinuxMclag];
        let protocols = [Protocol::V2, Protocol::Sonic, Protocol::LinuxMclag];
        let protocol = |word| {
            let found = protocols.into_iter().find(|p| p.setting() == word);
            found.with_context(|| format!("{word:?} is none of 2, sonic, linux-mclag"))
        };
        let found = iccps.into_iter().find(|known| known.setting() == iccp);
        Ok(Self {
            iccp: found.with_context(|| format!("{iccp:?} is none of auto, sonic, linux-mclag"))?,
            a: protocol(a)?,
            b: protocol(b)?,
        })
    }
}

impl TryFrom<String> for Speech {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<Speech> for String {
    fn from(speech: Speech) -> Self {
        speech.to_string()
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

/// The protocol of the dataplane: our own between `iccpd` and `syncd`, or version 1 between a `syncd` that `iccpd`
/// talks to and the one that has the kernel.
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
    /// The value of `protocol` in the settings of the `syncd` that is a client of version 1.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_speech_is_written_as_it_is_read() {
        let mixed = Speech {
            iccp: Iccp::Auto,
            a: Protocol::V2,
            b: Protocol::LinuxMclag,
        };
        assert_eq!(mixed.to_string(), "auto,2,linux-mclag");
        for speech in [mixed, Speech::default()] {
            assert_eq!(speech.to_string().parse::<Speech>().unwrap(), speech);
        }
        let all = Speech::both(Iccp::Sonic, Protocol::Sonic);
        assert_eq!("sonic".parse::<Speech>().unwrap(), all);
    }

    #[test]
    fn a_speech_nobody_knows_is_refused_with_the_word() {
        for (text, word) in [
            ("clag", "neither"),
            ("auto,2", "neither"),
            ("2,2,2", "\"2\" is none of auto"),
            ("auto,2,auto", "\"auto\" is none of 2"),
        ] {
            let error = text.parse::<Speech>().unwrap_err().to_string();
            assert!(error.contains(word), "{text}: {error}");
        }
    }
}
