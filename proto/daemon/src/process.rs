//! The frame of a daemon's main program.

use std::error::Error;
use std::io::{self, Write as _};
use std::process::ExitCode;

use crate::account::AccountError;
use crate::log;
use crate::settings::SettingsError;

/// Say what a program failed with, if it did, and how it ends.
pub fn exit<E: AsRef<dyn Error + Send + Sync>>(program: &str, result: Result<(), E>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(program, error.as_ref());
            ExitCode::FAILURE
        }
    }
}

/// Exit status of a daemon that cannot start with its configuration: starting it again does not help, and the units do
/// not (`EX_CONFIG` of sysexits.h).
pub const UNUSABLE: u8 = 78;

/// The same for a daemon, which ends with [`UNUSABLE`] if its settings are the reason, or the lack of its user.
pub fn exit_of_daemon<E: AsRef<dyn Error + Send + Sync>>(
    program: &str,
    result: Result<(), E>,
) -> ExitCode {
    let is_unusable = result.as_ref().is_err_and(|error| {
        let error: &(dyn Error + Send + Sync) = error.as_ref();
        error.downcast_ref().is_some_and(SettingsError::is_lasting)
            || error.downcast_ref().is_some_and(AccountError::is_lasting)
    });
    let code = exit(program, result);
    match is_unusable {
        true => ExitCode::from(UNUSABLE),
        false => code,
    }
}

/// Say what failed. What is wrong in a file begins with its name, as editors expect it.
pub fn complain(program: &str, error: &(dyn Error + Send + Sync + 'static)) {
    match error.downcast_ref() {
        Some(SettingsError::Wrong { report }) => log::write_line(report),
        _ => log::write_line(&format!("{program}: {}", chain(error))),
    }
}

/// Print to standard output. That whoever reads there has seen enough is no error.
///
/// # Errors
///
/// When it cannot be written.
pub fn print(text: &str) -> Result<(), PrintError> {
    let mut out = io::stdout().lock();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(PrintError(error)),
        _ => Ok(()),
    }
}

/// Standard output takes nothing.
#[derive(Debug, thiserror::Error)]
#[error("cannot print")]
pub struct PrintError(#[source] io::Error);

/// An error and all that caused it, in one line.
#[must_use]
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

/// Run all of a daemon on this thread.
///
/// # Errors
///
/// When the runtime cannot be started.
pub fn block_on<T>(work: impl Future<Output = T>) -> io::Result<T> {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    Ok(runtime.enable_all().build()?.block_on(work))
}
