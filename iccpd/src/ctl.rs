//! The operator's socket of `iccpd`.
//!
//! Bounds: those of [`mclag_daemon::ctl`], [`MAX_CLIENTS`], and [`PAGE`] addresses per answer.

pub mod client;
pub mod show;
pub mod words;

use mclag_daemon::ctl::Server;
use mclag_daemon::socket::{ListenError, Listener, Place};
use mclag_proto::ctl::{Reply, Request};
use std::path::Path;

/// Clients served at a time; more are told so and closed.
pub const MAX_CLIENTS: usize = 16;

/// Addresses in one answer.
pub const PAGE: usize = 1000;

/// Connections that wait to be accepted.
const BACKLOG: i32 = 128;

/// Listen on `path`, which gets this file mode.
///
/// # Errors
///
/// When that is not possible, or somebody listens there.
pub fn listen(path: &Path, mode: u32) -> Result<Server<Request, Reply>, ListenError> {
    let listener = Listener::bind(Place {
        program: "iccpd",
        path: path.to_owned(),
        mode,
        group: None,
        backlog: BACKLOG,
    })?;
    let refusal = |message| Reply::Error { message };
    Ok(Server::new(Some(listener), MAX_CLIENTS, refusal))
}

#[cfg(test)]
mod tests;
