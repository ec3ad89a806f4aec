//! What went wrong, in the kernel's own words.

use std::fmt;
use std::io;

use crate::attr::{Attrs, NLMSG_HEADER_LEN};

/// The kernel refused a request, or did not answer it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NetlinkError {
    /// What was asked for, such as `set backup_port`.
    pub op: String,
    /// What it was asked of, such as `bond1`.
    pub object: String,
    /// Error number, as in `errno(3)`; `ETIMEDOUT` when the kernel did not answer in time.
    pub errno: i32,
    /// The kernel's explanation (extended acknowledgement), if it gave one.
    pub message: Option<String>,
}

impl NetlinkError {
    /// The object does not exist (any more): nothing is left to be undone.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        matches!(self.errno, libc::ENOENT | libc::ENODEV | libc::ESRCH)
    }

    /// The kernel takes no such value, or not there.
    #[must_use]
    pub const fn is_invalid(&self) -> bool {
        self.errno == libc::EINVAL
    }

    /// The process lacks the capability.
    #[must_use]
    pub fn is_denied(&self) -> bool {
        matches!(self.errno, libc::EPERM | libc::EACCES)
    }

    /// The running kernel has no such function.
    #[must_use]
    pub fn is_unsupported(&self) -> bool {
        matches!(
            self.errno,
            libc::EOPNOTSUPP | libc::EAFNOSUPPORT | libc::EPROTONOSUPPORT
        )
    }

    pub(crate) fn new(op: &str, object: impl Into<String>, failure: Failure) -> Self {
        Self {
            op: op.to_owned(),
            object: object.into(),
            errno: failure.errno,
            message: failure.message,
        }
    }
}

impl fmt::Display for NetlinkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self.errno {
            libc::ETIMEDOUT => "the kernel did not answer in time".to_owned(),
            libc::ENOBUFS => "the kernel had no room for its answer".to_owned(),
            errno => io::Error::from_raw_os_error(errno).to_string(),
        };
        // The standard library repeats the number behind the words.
        let text = text.split(" (os error").next().unwrap_or_default();
        write!(f, "{} on {}: {text}", self.op, self.object)?;
        match &self.message {
            Some(message) => write!(f, " (kernel: \"{message}\")"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for NetlinkError {}

/// An error before it is known what it was about.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Failure {
    pub(crate) errno: i32,
    pub(crate) message: Option<String>,
}

impl Failure {
    /// A failure without explanation.
    pub(crate) const fn errno(errno: i32) -> Self {
        Self {
            errno,
            message: None,
        }
    }

    /// A failure that the operating system reported for a system call of ours.
    pub(crate) fn io(error: &io::Error) -> Self {
        Self::errno(error.raw_os_error().unwrap_or(libc::EIO))
    }

    /// Read the body of an `NLMSG_ERROR` message: `Ok` for an acknowledgement.
    ///
    /// ```text
    /// | errno, negative (4) | header of the request (16) | [its body] | [attributes] |
    /// ```
    pub(crate) fn read(flags: u16, body: &[u8]) -> Result<(), Self> {
        let Some((code, rest)) = body.split_first_chunk() else {
            return Err(Self::errno(libc::EBADMSG));
        };
        let errno = i32::from_ne_bytes(*code).wrapping_neg();
        if errno == 0 {
            return Ok(());
        }
        Err(Self {
            errno,
            message: extended_ack(flags, rest),
        })
    }

    /// Read the body of an `NLMSG_DONE` message, which ends a dump: a code, then attributes.
    pub(crate) fn read_done(flags: u16, body: &[u8]) -> Result<(), Self> {
        let Some((code, rest)) = body.split_first_chunk() else {
            return Ok(()); // an empty end is an end without error
        };
        match i32::from_ne_bytes(*code).wrapping_neg() {
            // Some dumps end with the number of bytes they wrote.
            errno if errno <= 0 => Ok(()),
            errno => Err(Self {
                errno,
                message: (flags & NLM_F_ACK_TLVS != 0)
                    .then(|| text_of(rest))
                    .flatten(),
            }),
        }
    }
}

fn extended_ack(flags: u16, rest: &[u8]) -> Option<String> {
    if flags & NLM_F_ACK_TLVS == 0 {
        return None;
    }
    let start = if flags & NLM_F_CAPPED != 0 {
        NLMSG_HEADER_LEN
    } else {
        // The request's own length says how much of it was sent back.
        let len = u32::from_ne_bytes(*rest.first_chunk()?);
        usize::try_from(len).ok()?.checked_next_multiple_of(4)?
    };
    text_of(rest.get(start..)?)
}

fn text_of(attrs: &[u8]) -> Option<String> {
    let message = Attrs(attrs).find(NLMSGERR_ATTR_MSG)?;
    message.text().map(str::to_owned)
}

const NLM_F_CAPPED: u16 = 0x100;
const NLM_F_ACK_TLVS: u16 = 0x200;
const NLMSGERR_ATTR_MSG: u16 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    /// As the kernel sends it: code, the request's header, the text.
    fn answer(text: &str) -> Vec<u8> {
        let mut body = (-libc::EOPNOTSUPP).to_ne_bytes().to_vec();
        body.extend([0; NLMSG_HEADER_LEN]);
        let len = u16::try_from(4 + text.len() + 1).unwrap();
        body.extend(len.to_ne_bytes());
        body.extend(1_u16.to_ne_bytes());
        body.extend(text.as_bytes());
        body.push(0);
        body
    }

    #[test]
    fn an_error_says_what_where_and_why() {
        let body = answer("Operation not supported by the driver");
        let failure = Failure::read(NLM_F_CAPPED | NLM_F_ACK_TLVS, &body).unwrap_err();
        let error = NetlinkError::new("set backup_port", "bond1", failure);
        assert_eq!(
            error.to_string(),
            "set backup_port on bond1: Operation not supported \
             (kernel: \"Operation not supported by the driver\")"
        );
        assert!(error.is_unsupported());
    }

    #[test]
    fn a_silent_kernel_gets_no_words_put_in_its_mouth() {
        let error = NetlinkError::new("delete", "br0", Failure::errno(libc::ENODEV));
        assert_eq!(error.to_string(), "delete on br0: No such device");
        assert!(error.is_gone());
    }

    #[test]
    fn zero_is_an_acknowledgement() {
        assert_eq!(Failure::read(0, &[0; 20]), Ok(()));
    }

    #[test]
    fn every_truncation_is_still_an_error() {
        let body = answer("no");
        for len in 0..body.len() {
            assert!(Failure::read(NLM_F_CAPPED | NLM_F_ACK_TLVS, &body[..len]).is_err());
            assert!(Failure::read(NLM_F_ACK_TLVS, &body[..len]).is_err());
        }
    }
}
