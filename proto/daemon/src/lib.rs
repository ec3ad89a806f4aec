//! What the daemons of MC-LAG need as processes, whatever they do: they are two, and this is written once.
//!
//! * [`account`]: the user that a daemon changes to when root starts it.
//! * [`ctl`]: the operator's socket.
//! * [`dial`]: tries to connect again and again.
//! * [`files`]: files in a directory that others may write to, too.
//! * [`limit`]: keeps what others can provoke from filling the log.
//! * [`lock`]: what only one process of a chassis may have.
//! * [`log`]: structured logs on standard error.
//! * [`notify`]: what the service manager is told.
//! * [`pipe`]: a stream of messages that is written to without waiting.
//! * [`process`]: the frame of a main program.
//! * [`sandbox`]: gives up privileges.
//! * [`seats`]: places for clients, of whom there may be so many at a time.
//! * [`settings`]: reads a settings file, and says what is wrong with it.
//! * [`signals`]: what a daemon is told by signals.
//! * [`socket`]: Unix sockets that a daemon listens on.
//! * [`time`]: waits for a time that may not come.

pub mod account;
pub mod ctl;
pub mod dial;
pub mod files;
pub mod limit;
pub mod lock;
pub mod log;
pub mod notify;
pub mod pipe;
pub mod process;
pub mod sandbox;
pub mod seats;
pub mod settings;
pub mod signals;
pub mod socket;
pub mod time;
