//! Everything that reads bytes of somebody else's making, and what must hold whatever these are.
//!
//! A [`Target`] is a decoder with its assertions. It takes any bytes and panics where one of them fails:
//!
//! * nothing panics, and what is kept of an incomplete message is bounded;
//! * a stream gives the same messages wherever the network cut it;
//! * what was read can be written, and reads the same again.
//!
//! The same targets run in two ways: coverage-guided, for as long as somebody likes (`make fuzz`, the programs in
//! `tests/fuzz`), and on a fixed list of inputs with every other test (`tests/tests/fuzz.rs`). Both begin with the
//! seeds in `tests/fuzz/seeds`: messages that real daemons sent, and the examples of the specifications.

mod control;
mod iccp;
mod input;
mod packet;
mod recording;
mod settings;
mod syncd;

pub use control::{ctl_reply, ctl_request, mclagdctl_reply, mclagdctl_request};
pub use iccp::{iccp_detector, iccp_linux_mclag, iccp_sonic};
pub use input::{Mutations, cuttings};
pub use packet::{arp, keepalive, neighbour_advertisement};
pub use recording::recording;
pub use settings::{iccpd_conf, iccpd_toml, syncd_toml};
pub use syncd::{
    syncd_v1_client_intermediate, syncd_v1_client_linux_mclag, syncd_v1_client_sonic,
    syncd_v1_detector, syncd_v1_server_intermediate, syncd_v1_server_linux_mclag,
    syncd_v1_server_sonic, syncd_v2_client, syncd_v2_server,
};

/// One decoder with its assertions.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name, which is also that of its program in `tests/fuzz/fuzz_targets` and of its seeds.
    pub name: &'static str,
    /// Reads these bytes; panics if anything does not hold that must.
    pub run: fn(&[u8]),
    /// What it begins with, see [`Target::seeds`].
    text: &'static str,
}

impl Target {
    /// The target of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        TARGETS.iter().find(|target| target.name == name)
    }

    /// The inputs it begins with.
    ///
    /// # Panics
    ///
    /// When its file of seeds has a line that is neither a comment nor an input.
    #[must_use]
    pub fn seeds(&self) -> Vec<Vec<u8>> {
        let lines = self.text.lines().map(str::trim);
        let inputs = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
        inputs
            .map(|line| {
                input::parse(line).unwrap_or_else(|| panic!("seeds of {}: {line}", self.name))
            })
            .collect()
    }
}

/// Each of them, one line a target.
macro_rules! targets {
    ($($name:ident: $seeds:literal,)*) => {
        /// Every target.
        pub const TARGETS: &[Target] = &[
            $(Target {
                name: stringify!($name),
                run: $name,
                text: include_str!(concat!("../../fuzz/seeds/", $seeds)),
            },)*
        ];
    };
}

targets! {
    iccp_sonic: "iccp_sonic.txt",
    iccp_linux_mclag: "iccp_linux_mclag.txt",
    iccp_detector: "iccp_detector.txt",
    syncd_v1_client_sonic: "syncd_v1_client_sonic.txt",
    syncd_v1_client_linux_mclag: "syncd_v1_client_linux_mclag.txt",
    syncd_v1_client_intermediate: "syncd_v1_client_intermediate.txt",
    syncd_v1_server_sonic: "syncd_v1_server_sonic.txt",
    syncd_v1_server_linux_mclag: "syncd_v1_server_linux_mclag.txt",
    syncd_v1_server_intermediate: "syncd_v1_server_intermediate.txt",
    syncd_v1_detector: "syncd_v1_detector.txt",
    syncd_v2_client: "syncd_v2_client.txt",
    syncd_v2_server: "syncd_v2_server.txt",
    mclagdctl_request: "mclagdctl_request.txt",
    mclagdctl_reply: "mclagdctl_reply.txt",
    ctl_request: "ctl_request.txt",
    ctl_reply: "ctl_reply.txt",
    iccpd_conf: "iccpd_conf.txt",
    iccpd_toml: "iccpd_toml.txt",
    syncd_toml: "syncd_toml.txt",
    arp: "arp.txt",
    keepalive: "keepalive.txt",
    neighbour_advertisement: "neighbour_advertisement.txt",
    recording: "recording.txt",
}
