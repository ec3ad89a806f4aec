//! What operations are answered with when something is in the way.

use std::collections::HashMap;

use mclag_proto::sync::model::{OpError, OpErrorCode};

use crate::dataplane::Subject;

/// Of several failures on one subject, the one to tell: a refusal hides that something waits.
pub(super) fn worsen(failures: &mut HashMap<Subject, OpError>, subject: Subject, error: OpError) {
    let weight = |error: &OpError| match error.code {
        OpErrorCode::Refused => 2,
        OpErrorCode::Unsupported => 1,
        OpErrorCode::Waiting => 0,
    };
    match failures.get(&subject) {
        Some(known) if weight(known) >= weight(&error) => {}
        _ => {
            failures.insert(subject, error);
        }
    }
}

pub(super) fn full(what: &str, limit: usize) -> OpError {
    OpError::refused(format!("{what}: more than {limit}"))
}

pub(super) fn no_begin() -> OpError {
    OpError::refused("end of a snapshot that did not begin")
}
