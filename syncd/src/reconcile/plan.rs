//! What comes of a comparison.

use std::collections::HashMap;

use mclag_proto::IfName;
use mclag_proto::sync::model::{OpError, OpErrorCode};

use super::results::worsen;
use crate::dataplane::{Action, Subject};

/// What has to be done, and what cannot be.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) actions: Vec<Action>,
    pub(super) failures: HashMap<Subject, OpError>,
}

impl Plan {
    pub(super) fn wait_for(&mut self, subject: Subject, interface: &IfName) {
        self.wait(subject, &format!("waiting for interface {interface}"));
    }

    pub(super) fn wait(&mut self, subject: Subject, text: &str) {
        self.fail(subject, OpErrorCode::Waiting, text.to_owned());
    }

    pub(super) fn fail(&mut self, subject: Subject, code: OpErrorCode, text: String) {
        worsen(&mut self.failures, subject, OpError { code, text });
    }
}
