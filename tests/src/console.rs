//! A prompt in each chassis and host of a pair that stays ([`crate::stay`]).
//!
//! The guest has a few consoles: ports of the virtual machine, or sockets where it runs on this system's own kernel.
//! On this side each is a socket in the results directory. One client uses a console at a time; a lock beside the
//! socket says which are taken.
//!
//! The client sends an [`Open`] with a token that nobody else has. The guest answers with the token, so that whatever
//! is left over of a client before can be told from the answer, and from then on both send [`Frame`]s.

pub mod agent;
pub mod client;
mod frame;

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

pub use frame::Frame;

/// How many consoles there are. Each is one more port of the virtual machine.
pub const CONSOLES: u8 = 8;

/// Name of a console as a port of the virtual machine.
#[must_use]
pub fn port_name(number: u8) -> String {
    format!("mclag.console.{number}")
}

/// Name of the socket of a console, within the results directory.
#[must_use]
pub fn socket_name(number: u8) -> String {
    format!("console-{number}.sock")
}

/// The lock that whoever uses a console holds.
fn lock_path(results: &Path, number: u8) -> PathBuf {
    results.join(format!("console-{number}.lock"))
}

/// Do something with a socket by a path that is short however deep its directory lies: the kernel takes 107 bytes.
fn within<T>(
    directory: &Path,
    name: &str,
    work: impl FnOnce(&Path) -> io::Result<T>,
) -> io::Result<T> {
    let directory = File::open(directory)?;
    let short = format!("/proc/self/fd/{}/{name}", directory.as_raw_fd());
    work(Path::new(&short))
}

/// The first frame of a client.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Open {
    /// What the answer begins with: 32 hexadecimal digits.
    pub token: String,
    /// What is wanted.
    pub what: What,
}

/// What a client wants of the guest.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub enum What {
    /// Run a program.
    Run {
        /// Name of the chassis or host.
        place: String,
        /// The program and its arguments; none for a shell.
        command: Vec<String>,
        /// The client's terminal, if it has one: the program gets one like it.
        terminal: Option<Terminal>,
    },
    /// End the pair.
    Down,
}

/// A terminal.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Terminal {
    /// What `TERM` calls it.
    pub kind: String,
    /// Its size.
    pub size: Size,
}

/// Size of a terminal in characters.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Size {
    /// Lines.
    pub rows: u16,
    /// Characters in a line.
    pub columns: u16,
}
