//! The control socket of the legacy daemons and the tool for it, `mclagdctl`
//! (`spec/mclagdctl-protocol.md`).
//!
//! * [`server`]: `iccpd` answers legacy tools, and ours under that name.
//! * [`view`]: what is shown of the core; [`counted`]: what is counted outside of it.
//! * [`client`], [`args`], [`text`]: `mclagctl` called `mclagdctl` behaves as that tool.

pub mod args;
pub mod client;
mod codec;
pub mod counted;
pub mod server;
pub mod text;
pub mod view;

use crate::log;
use iccp_core::Domain;
use mclag_proto::mclagdctl::{Command, Counters, Data, LogLevel, Outcome};
use server::{PAGE, Question};
use view::Page;

/// Answer a question from live state; without a pair there is little to tell. `complete` adds to the
/// counters what the core does not have.
pub fn answer(
    question: Question,
    domain: Option<&Domain>,
    log: &mut log::Control,
    complete: impl FnOnce(&mut Counters),
) {
    let Question {
        request,
        dialect,
        after,
        answer,
    } = question;
    let level = LogLevel::from_wire(request.id);
    let mut page = if request.command == Command::LogLevel && !log.set_level(level) {
        Err(Outcome::Failure)
    } else if let Some(domain) = domain {
        Page::of(domain, request, dialect, log.level(), after, PAGE)
    } else {
        Page::of_no_domain(request)
    };
    if let Ok(Page {
        data: Data::Counters(counters),
        ..
    }) = &mut page
    {
        complete(counters);
    }
    // A client that has gone away meanwhile needs no answer.
    let _ = answer.send(page);
}
